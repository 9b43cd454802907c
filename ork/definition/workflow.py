"""Reads a workflow file into a Definition: its content, checked and in canonical form.

Every complaint is collected before giving up, each with its position. Two texts that say the same
(other key order, comments, quotes, anchors, defaults written out, JSON) give equal Definitions.
"""

from __future__ import annotations

import gc
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ork.alike import alike
from ork.definition import fields
from ork.definition.bindings import Env, Params, Scope, read_env, read_params
from ork.definition.declarations import Declarations
from ork.definition.task import (
    ALIKE,
    RETRIES,
    TASK_KEYS,
    Draft,
    Shared,
    finish,
    read_draft,
    read_needs,
    readers,
)
from ork.definition.types import convert, describe, show
from ork.errors import InvalidInput
from ork.graph.order import find_cycle
from ork.objects.canonical import Json
from ork.objects.kinds import Task
from ork.objects.value import replace
from ork.progress import counted
from ork.schedule.durations import duration_text
from ork.yaml import forms, nodes, pieces, reader
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems

if TYPE_CHECKING:
    from ork.schedule.schedule import Schedule, Wrong

READER = 3  # raise it when a text can come to mean something else, or be wrong, as it was not
TASKS_MAX = 100_000
ENV_BYTES_MAX = 64 * 1024 * 1024  # of the file's env, counted once for each task that gets it

EMPTY = "there is no workflow in this file"
RESERVED = ("run", "file")  # run:ID and file:PATH are revisions

_KEYS = "name description schedule types tasks include exclude env max_parallel max_active_runs"
HOOKS = ("on_failure", "on_success")
WORKFLOW_KEYS = (*_KEYS.split(), "python", "root", "shell", "params", *HOOKS)
# What other tools call these keys, or have where a file has none.
_OTHER_KEYS = {"title": "name", "dag_id": "name", "on_error": "on_failure"}
_OTHER_KEYS |= dict.fromkeys(("cron", "schedule_interval"), "schedule")
_OTHER_KEYS |= dict.fromkeys(("steps", "jobs", "stages"), "tasks")
_OTHER_KEYS |= dict.fromkeys(("parameters", "vars", "variables"), "params")
_OTHER_KEYS |= {"environment": "env", "files": "include"}
_OTHER_KEYS |= dict.fromkeys(("concurrency", "max_active_tasks", "pool"), "max_parallel")
_OTHER_KEYS |= {
    key: f"it belongs to the schedule: `schedule: {{cron: ..., {key}: ...}}`"
    for key in ("catchup", "overlap", "timezone")
}
_OTHER_KEYS |= dict.fromkeys(("matrix", "each", "foreach", "for_each"), ALIKE)
_OTHER_KEYS["dagrun_timeout"] = "`timeout` of a schedule: `schedule: {cron: ..., timeout: 2h}`"
_OTHER_KEYS["start_date"] = "a schedule begins when it is deployed"
_OTHER_KEYS["default_args"] = "tasks share keys by `<<: *name`, and variables by `env`"
_PLACING = ("root", "env", "exclude")  # which files and modules there are depends on these
_OTHER_KEYS |= {key: f"tasks.NAME.{key}" for key in TASK_KEYS if key not in WORKFLOW_KEYS}
_OTHER_KEYS |= dict.fromkeys(RETRIES, "tasks.NAME.retries")


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """The content of a workflow file. `tasks` is sorted, canonical and complete in itself.

    `settings` has only the keys that were given, of description, schedule, max_parallel,
    max_active_runs, python, root, exclude, on_failure, on_success.
    `places` has the nodes of the file: `("tasks", NAME)` is the name of a task, `("tasks", NAME,
    KEY)` and `(KEY,)` are values, `("include", GLOB)` one of them, as with `exclude`. Neither these
    nor the text are part of equality.
    """

    name: str
    tasks: Mapping[str, Task]
    params: Params
    settings: Mapping[str, Json]
    include: tuple[str, ...]
    places: Mapping[tuple[str, ...], Node] = field(compare=False, repr=False)
    text: str = field(default="", compare=False, repr=False)  # the file, for later complaints


def parse(text: bytes, *, file: str, before: Definition | None = None) -> Definition:
    """Return the Definition of a file's bytes; raise InvalidInput with everything wrong in it.

    `file` is what the complaints call the file. Nothing is read but the bytes; and of these only
    what a text that was read `before` does not have, where that is sure to give the same.
    """
    with _without_cycle_collection():
        content = reader.decode(text, Problems(file))
        problems = Problems(file, content)
        reader.check_characters(content, problems)
        if before and (definition := _edited(content, before, file)):
            return definition
        if root := forms.read_unplaced(content, "tasks"):
            with suppress(nodes.Unplaced):  # there is something to say: of which place?
                return _Workflow(root, content, Problems(file, content)).definition()
        return _Workflow(nodes.read(content, problems), content, problems).definition()


def parse_good(text: bytes, *, file: str) -> tuple[Definition, Problems, bool]:
    """Return what is good of a text that `parse` refuses, to look for more that is wrong.

    With it come all complaints, and whether it has all tasks: not those of which there are any, and
    none where it is not sure where files are. Raises InvalidInput if the text is unreadable.
    """
    with _without_cycle_collection():
        content = reader.decode(text, Problems(file))
        problems = Problems(file, content)
        reader.check_characters(content, problems)
        reading = _Workflow(nodes.read(content, problems), content, problems)
        return reading.read(), problems, reading.is_sure and not reading.wrong


def _edited(text: str, before: Definition, file: str) -> Definition | None:
    """Return what a text says of which only tasks differ, in what they give to no other; or None.

    Those are read, with what stands around all tasks. So is the last one, for what stands behind.
    """
    old, new = pieces.cut(before.text, "tasks"), pieces.cut(text, "tasks")
    if not old or not new or old.entries.keys() != before.tasks.keys():
        return None
    if (old.before, [*old.entries], old.after) != (new.before, [*new.entries], new.after):
        return None
    last = next(reversed(new.entries))
    read = {n: task for n, task in new.entries.items() if n == last or task != old.entries[n]}
    root = forms.read_unplaced("".join((new.before, *read.values(), new.after)), "tasks")
    kept = {name: task for name, task in before.tasks.items() if name not in read}
    with suppress(nodes.Unplaced, InvalidInput):  # which may be said of other places: read it all
        if root is None:
            return None
        found = _Workflow(root, text, Problems(file, text), kept).definition()
        if found.tasks.keys() == before.tasks.keys() and all(
            found.tasks[name].input_type == before.tasks[name].input_type
            and found.tasks[name].output_type == before.tasks[name].output_type
            for name in read
        ):
            return found
    return None


def warn_of_retries(definition: Definition, warnings: Problems) -> None:
    """Warn of a schedule whose next slot always comes before the retry of a run that failed."""
    if "schedule" not in definition.settings:
        return
    from ork.schedule.schedule import read

    schedules, wrong = read(definition.settings["schedule"])
    for one in () if wrong else schedules:
        retried = one.retries > 0 and one.after_failure == "fire"
        if retried and one.every_s is not None and one.every_s <= one.retry_delay_s:
            every = duration_text(one.every_s)
            message = f"no run is retried: a newer one is started before, every {every}"
            hint = "a `retry_delay` shorter than that, or `after_failure: hold`"
            warnings.at(definition.places["schedule",], message, hint)


class LatePlaces(Mapping[tuple[str, ...], Node]):
    """The places of a text that was found good before: it is read when the first is asked for."""

    def __init__(self, text: str, *, file: str) -> None:
        self._text, self._file = text, file

    @cached_property
    def _places(self) -> Mapping[tuple[str, ...], Node]:
        with _without_cycle_collection():
            root = nodes.read(self._text, Problems(self._file, self._text))
        return dict(_places(root))

    def __getitem__(self, place: tuple[str, ...]) -> Node:
        return self._places[place]

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _places(root: Node) -> Iterator[tuple[tuple[str, ...], Node]]:
    for key, node in _given(root):
        yield (key,), node
        if key in ("include", "exclude") and isinstance(node.value, list):
            # Of one that stands there twice, the last.
            yield from (((key, posixpath.normpath(str(b.value))), b) for b in node.value)
        elif key == "tasks" and isinstance(node.value, dict):
            for name, (named, task) in node.value.items():
                yield ("tasks", name), named
                yield from ((("tasks", name, word), below) for word, below in _given(task))
        elif key in HOOKS:
            yield from (((key, word), below) for word, below in _given(node))


def _given(node: Node) -> Iterator[tuple[str, Node]]:
    entries = node.value if isinstance(node.value, dict) else {}
    return ((key, below) for key, (_, below) in entries.items() if below.value is not None)


@contextmanager
def _without_cycle_collection() -> Iterator[None]:
    # A large file makes many values and no cycle: searching for cycles is half of the time.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Workflow:
    """Reads one document in two passes: each task by itself, then what they say of each other."""

    def __init__(
        self, root: Node, text: str, problems: Problems, kept: dict[str, Task] | None = None
    ) -> None:
        self.problems = problems
        self.root = root
        self.text = text
        self.kept = kept or {}  # tasks of the text that are not below the root
        self.nodes: dict[str, Node] = {}
        self.wrong: set[str] = set()  # tasks of which there are complaints
        self.is_sure = True  # of where files are

    def definition(self) -> Definition:
        """Return the Definition, or raise with all complaints."""
        definition = self.read()
        self.problems.check()
        return definition

    def read(self) -> Definition:
        """Return the Definition as far as it is good."""
        problems = self.problems
        if self.root.value is None:
            hint = "it has a `name` and `tasks`: `ork init --example shell` writes one"
            problems.at(self.root, EMPTY, hint)
            problems.check()
        self._indent_tasks()
        self.nodes = fields.mapping(self.root, "a workflow", WORKFLOW_KEYS, problems, _OTHER_KEYS)
        for key in ("name", "tasks"):
            if key not in self.nodes and isinstance(self.root.value, dict):
                hint = "as in `name: my_etl`" if key == "name" else "a workflow has one or more"
                problems.at(self.root, f"`{key}` is missing", hint)
        name = fields.each(self.nodes, "name", fields.name, problems)
        if name in RESERVED:
            hint = f"choose another one: `{name}:...` would not be this workflow"
            problems.at(self.nodes["name"], f"a workflow cannot be named `{name}`", hint)
        before = problems.count
        settings = self._settings()
        include = self._globs("include", "sql/*.sql")
        self.is_sure = problems.count == before and not self._misses(_PLACING)
        params, tasks = self._tasks()
        if "schedule" in self.nodes:
            settings["schedule"] = self._schedule(self.nodes["schedule"], params)
        good = (
            {n: task for n, task in tasks.items() if n not in self.wrong} if self.wrong else tasks
        )
        return Definition(
            name=name or "",
            tasks=good if self.is_sure else {},
            params=params,
            settings=settings,
            include=include if self.is_sure else (),
            places=LatePlaces(self.text, file=problems.file),
            text=self.text,
        )

    def _misses(self, keys: Collection[str]) -> bool:
        """Say whether one of these keys may be meant by one that is none."""
        entries = self.root.value if isinstance(self.root.value, dict) else {}
        unknown = entries.keys() - set(WORKFLOW_KEYS)
        return any(_OTHER_KEYS.get(key) in keys or alike(key, keys) for key in unknown)

    def _indent_tasks(self) -> None:
        """Take for tasks what does not stand below `tasks:`, and say so: all if that is empty."""
        entries = self.root.value
        if not isinstance(entries, dict):
            return
        key, node = entries.get("tasks", (None, Node(None, None)))
        is_empty = key is not None and node.value is None
        beside = {
            name: entry
            for name, entry in entries.items()
            if name not in WORKFLOW_KEYS and isinstance(entry[1].value, dict)
            if is_empty or "executor" in entry[1].value
        }
        if not beside or not isinstance(node.value, dict | None):
            return
        name, (first, _) = next(iter(beside.items()))
        if is_empty:
            message = f"`{name[:60]}` stands beside `tasks`, which is empty"
        else:
            message = f"`{name[:60]}` looks like a task, and does not stand below `tasks`"
        below = f"line {key.line}" if key else "a line `tasks:`"
        self.problems.at(first, message, f"indent all tasks below {below}")
        self.wrong |= beside.keys()
        rest = {name: entry for name, entry in entries.items() if name not in beside}
        tasks = Node({**beside, **(node.value or {})}, node.place)
        self.root = Node({**rest, "tasks": (key or first, tasks)}, self.root.place)

    def _settings(self) -> dict[str, Json]:
        problems = self.problems
        settings: dict[str, Json] = {}
        node = self.nodes.get("description")
        if node is not None and not isinstance(node.value, str):
            fields.text(node, "description", problems)
        elif node is not None:
            settings["description"] = str(node.value)
        python = fields.each(self.nodes, "python", fields.text, problems)
        if python is not None:
            settings["python"] = python
        root = fields.each(self.nodes, "root", fields.root, problems)
        if root is not None:
            settings["root"] = root
        for key in ("max_parallel", "max_active_runs"):
            most = fields.each(self.nodes, key, fields.whole, problems, least=1)
            if most is not None:
                settings[key] = most
        exclude = self._globs("exclude", "gen/params.sh")
        if exclude:
            settings["exclude"] = list(exclude)
        for key in HOOKS:
            if command := self._hook(key):
                settings[key] = {"command": command}
        return settings

    def _hook(self, key: str) -> Json:
        """Return the command that is started when a run has failed, or was a success."""
        node = self.nodes.get(key)
        if node is None:
            return None
        form = f"as in `{key}: {{command: ./tell.sh}}`"
        if not isinstance(node.value, dict):
            self.problems.at(node, f"{key} must be a mapping, not {show(nodes.plain(node))}", form)
            return None
        given = fields.mapping(node, key, ("command",), self.problems, {})
        if "command" not in given:
            self.problems.at(node, f"{key} has no `command`", form)
        command = fields.each(given, "command", fields.command, self.problems)
        return command if isinstance(command, str | None) else [*command]

    def _schedule(self, node: Node, params: Params) -> Json:
        """Return the schedules in the form in which they are kept."""
        from ork.schedule.schedule import read, setting_of  # which most files do not need

        schedules, wrong = read(nodes.plain(node))
        for one in wrong:
            self._complain(node, one)
        found = []
        for number, schedule in enumerate(schedules):
            below = node.value[number] if isinstance(node.value, list) else node
            self._check_timezone(below, schedule)
            values = self._schedule_params(below, schedule.params, params)
            found.append(replace(schedule, params=values))
        return setting_of(found)

    def _complain(self, node: Node, wrong: Wrong) -> None:
        """Complain of a place in a setting: of the character of a text, where that is known."""
        key = node
        for step in wrong.path:
            entries = node.value
            if isinstance(entries, dict):
                key, node = entries[str(step)]
            elif isinstance(entries, list):
                key = node = entries[int(step)]
        at = key if wrong.of_key else node
        word = at.value
        hint = self.problems.near(word, wrong.known) if isinstance(word, str) else None
        column = at.column
        if wrong.at is not None and isinstance(word, str):
            column = self._column(at, word, wrong.at)
        self.problems.add(at.line, column, wrong.message, hint or wrong.hint)

    def _column(self, node: Node, text: str, at: int) -> int:
        """Return where a character of a text stands; where the text begins if it is not plain."""
        rest = (self.problems.source(node.line) or "")[node.column - 1 :]
        for quote in ("", "'", '"'):
            if rest.startswith(quote + text):
                return node.column + len(quote) + at
        return node.column

    def _check_timezone(self, node: Node, schedule: Schedule) -> None:
        if schedule.timezone == "UTC":
            return
        from ork.schedule.times import known_zones, zone

        try:
            zone(schedule.timezone)
        except InvalidInput as error:
            assert isinstance(node.value, dict)
            _, at = node.value["timezone"]
            hint = self.problems.near(schedule.timezone, known_zones()) or error.hint
            self.problems.at(at, error.message, hint)

    def _schedule_params(
        self, node: Node, given: Mapping[str, Json], declared: Params
    ) -> dict[str, Json]:
        """Return what a schedule gives to the parameters, each in the form of its type."""
        from ork.schedule import slot_values  # which most files do not need

        problems = self.problems
        entries = node.value["params"][1].value if given and isinstance(node.value, dict) else {}
        assert isinstance(entries, dict)
        found: dict[str, Json] = {}
        for name, value in sorted(given.items()):
            key, at = entries[name]
            if name not in declared:
                hint = problems.near(name, declared) or "declare it under `params:`"
                problems.at(key, f"no parameter named `{name[:60]}`", hint)
            elif slot_values.is_of_slot(value):
                value = slot_values.written(str(value))
                if (kind := declared[name].type) not in slot_values.TYPES:
                    message = f"the parameter `{name[:60]}` cannot take the slot: "
                    message += f"it is a {describe(kind)}" if kind else "it has no type"
                    types = ", ".join(slot_values.TYPES)
                    problems.at(at, message, f"declare it as one of {types}")
            elif (kind := declared[name].type) is not None:
                value, mismatches = convert(value, kind)
                form = slot_values.FORM if kind in slot_values.TYPES else None
                for mismatch in mismatches:
                    message = f"the parameter `{name[:60]}`: {mismatch}"
                    problems.at(at, message, mismatch.hint or form)
            found[name] = value
        for name, entry in declared.items():
            if entry.required and name not in given:
                message = f"the schedule gives no value to the parameter `{name[:60]}`"
                value = "slot" if entry.type in slot_values.TYPES else "..."
                hint = f"add it, as in `schedule: {{cron: ..., params: {{{name[:60]}: {value}}}}}`"
                problems.at(node, message, f"{hint}, or give it a default")
        return found

    def _globs(self, key: str, example: str) -> tuple[str, ...]:
        node = self.nodes.get(key)
        if node is None:
            return ()
        found = set()
        hint = f"as in `{key}: [{example}]`"
        for below in fields.sequence(node, key, hint, self.problems):
            glob = fields.path(below, key, self.problems, is_pattern=True)
            if glob is not None:
                found.add(glob)
        return tuple(sorted(found))

    def _tasks(self) -> tuple[Params, dict[str, Task]]:
        problems = self.problems
        nodes = self.nodes.get("types")
        aliases = nodes.value if nodes is not None else {}
        if not isinstance(aliases, dict):
            assert nodes is not None
            fields.mapping(nodes, "types", (), problems, {})
            aliases = {}
        types = Declarations(aliases, problems)
        params = read_params(self.nodes.get("params"), types, problems)
        before = problems.count
        env = read_env(self.nodes.get("env"), Scope("", (), {}, params, None), problems)
        self.is_sure = self.is_sure and problems.count == before
        shell = fields.each(self.nodes, "shell", fields.shell, problems)
        node = self.nodes.get("tasks")
        if node is None:
            return params, {}
        if not isinstance(node.value, dict) or not node.value:
            hint = "task names with their keys, as in `tasks: {extract: {executor: python, ...}}`"
            problems.at(node, "tasks must be a mapping of at least one task", hint)
            return params, {}
        self._check_sizes(node, len(node.value), env)
        # Who says something of a node without a place ends the reading.
        read = readers(problems, once=node.place is None)
        drafts = {}
        entries = self._indent_keys(node.value)
        for name in self._noting(counted("reading tasks", entries, len(entries))):
            key, value = entries[name]
            drafts[name] = read_draft(key, value, read=read, types=types, problems=problems)
        outputs = {name: known.output_type for name, known in (self.kept | drafts).items()}
        self._check_graph(drafts, outputs)
        shared = Shared(outputs=outputs, params=params, env=env, shell=shell, read=read)
        names = counted("checking tasks", sorted(drafts), len(drafts))
        tasks = {name: finish(drafts[name], shared, problems) for name in self._noting(names)}
        return params, dict(sorted((self.kept | tasks).items()))

    def _noting(self, names: Iterable[str]) -> Iterator[str]:
        """Yield names of tasks; one of which something is said, until the next comes, is wrong."""
        for name in names:
            before = self.problems.count
            yield name
            if self.problems.count != before:
                self.wrong.add(name)

    def _indent_keys(self, entries: nodes.Entries) -> nodes.Entries:
        """Take a key of a task that stands beside its name for a part of it, and say so."""
        if TASK_KEYS.keys().isdisjoint(entries):
            return entries
        problems = self.problems
        found: nodes.Entries = {}
        above, told = "", None  # the task before it, and of which that was said
        for name, (key, node) in entries.items():
            if name not in TASK_KEYS or _is_task(node):
                found[name] = key, node
                above = name
                continue
            of_task, task = found.get(above) or (None, Node({}, None))
            hint = f"indent it below line {of_task.line}" if of_task else "name the task above it"
            is_empty = task.value is None
            if is_empty:
                problems.forget()  # the keys of further tasks seem to be given twice
            if above != told:
                message = f"`{name}` is a key of a task, and stands where tasks stand"
                problems.at(key, message, hint)
            if is_empty:
                problems.check()
            told = above
            self.wrong.add(above)
            if of_task and isinstance(task.value, dict):
                found[above] = of_task, Node({**task.value, name: (key, node)}, task.place)
        return found

    def _check_sizes(self, node: Node, count: int, env: Env) -> None:
        if count > TASKS_MAX:
            hint = "split the workflow"
            message = f"{count} tasks; a workflow has at most {TASKS_MAX}"
            self.problems.at(node, message, hint)
        size = sum(len(variable) + len(str(value)) for variable, value in env.items())
        if size * count > ENV_BYTES_MAX:
            message = "env is too large for a file with this many tasks"
            hint = "give large variables only to the tasks that need them"
            self.problems.at(self.nodes["env"], message, hint)
        if count > TASKS_MAX or size * count > ENV_BYTES_MAX:
            self.problems.check()

    def _check_graph(self, drafts: dict[str, Draft], names: Collection[str]) -> None:
        for name in self._noting(drafts):
            read_needs(drafts[name], names, self.problems)
        needs = {name: task.depends_on for name, task in self.kept.items()}
        cycle = find_cycle(needs | {name: draft.needs for name, draft in drafts.items()})
        if cycle is not None and self.kept:
            raise nodes.Unplaced
        if cycle is not None:
            node = drafts[cycle[0]].nodes["depends_on"]
            assert isinstance(node.value, list)
            at = next(below for below in node.value if below.value == cycle[1])
            message = f"a cycle in depends_on: {' -> '.join(_shorten(cycle))}"
            self.problems.at(at, message, "remove one of these edges")


def _is_task(node: Node) -> bool:
    return isinstance(node.value, dict) and not TASK_KEYS.keys().isdisjoint(node.value)


def _shorten(cycle: tuple[str, ...]) -> tuple[str, ...]:
    return cycle if len(cycle) <= 20 else (*cycle[:10], "...", *cycle[-9:])
