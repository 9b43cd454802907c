"""A workflow file on disk -> its definition and the snapshot it would have. Stores nothing."""

from __future__ import annotations

import dataclasses
import errno
import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import NamedTuple, TypeAlias, TypeVar, cast

from ork.alike import file_meant
from ork.code.python.hidden import met, named_so
from ork.code.python.modules import STDLIB
from ork.definition.bindings import Scope, needed_outputs, refs_of, split_ref
from ork.definition.secrets import secret_problems
from ork.definition.signature import ModuleOf, check_functions, modules_of, warn_of_dates
from ork.definition.task import doubtful, unread
from ork.definition.workflow import (
    EMPTY,
    HOOKS,
    READER,
    Definition,
    LatePlaces,
    parse,
    parse_good,
    warn_of_retries,
)
from ork.errors import Corrupt, InvalidInput, Kind, NotFound, OrkError, Problem, count
from ork.files import NotRegular, read_file
from ork.objects import snapshot
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Deploy, Origin, Snapshot, Task
from ork.objects.snapshot import Built, CodeFile
from ork.objects.value import Value
from ork.store.contents import join_text
from ork.store.resolve import newest_deploy, sources
from ork.store.revision import ENDINGS, as_word
from ork.store.store import Store
from ork.worktree.capture import Captured, capture, shown_root
from ork.worktree.folder import Root, root_of
from ork.worktree.lookup import looks_like_one
from ork.worktree.origin import origin_of
from ork.worktree.place import interpreter
from ork.yaml import reader
from ork.yaml.problems import Problems

TEXT_BYTES_MAX = 16 * 1024 * 1024
# To say where they stand takes more memory than to deploy so many.
WARNED_TASKS_MAX = 20_000
MORE = "more may follow once these are mended"  # which hide code that was not looked at
_OUTPUT_HINT = 'as in `echo "ORK_OUTPUT:$(wc -l < data.csv)"`; with an `output_type` it is checked'
# What a shell would replace in a text, and docker-compose.
_EXPANDED = re.compile(r"(?a)(?<![\\$])\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?:\}|:?[-?+=])|\()")
# Where a name is mostly written. It is a guess, which the hash of the text then proves.
_NAME = re.compile(
    rb"""(?:^|[{,])[ "']*name["']?: *["']?([A-Za-z0-9_][A-Za-z0-9_.-]{0,127})""", re.M
)


File = TypeVar("File")
Found = TypeVar("Found")
# Workflow -> the text that was read of it -> the deploy that has what that says.
Read: TypeAlias = Mapping[str, Mapping[str, Oid]]


class Loaded(Value, frozen=True, kw_only=True):
    """A workflow file as it is now: text, definition, and its snapshot with all objects."""

    path: Path
    text: bytes
    definition: Definition
    built: Built
    captured: Captured
    warnings: tuple[Problem, ...] = ()  # of what seems to be a mistake

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.definition.name,
            "file": self.path.name,
            "tasks": count(len(self.definition.tasks), "task"),
            "files": count(len(self.files), "file"),
        }

    @property
    def files(self) -> Mapping[str, CodeFile]:
        """The captured files, by path."""
        return self.captured.files

    @property
    def root(self) -> Path:
        """The folder that paths are relative to, and where tasks run."""
        return root_of(self.path, self.definition.settings)

    @property
    def snapshot(self) -> Oid:
        """The oid of its snapshot."""
        return self.built.oid

    def is_as(self, deploy: Deploy) -> bool:
        """Say whether a deploy has this content: to deploy it on top would change nothing."""
        return deploy.has(self.snapshot, self.definition.settings)

    def origin(self) -> Origin | None:
        """Return the git commit that it lies in, and whether that has it as it is."""
        files, root = {path: file.data for path, file in self.files.items()}, self.root
        own = os.path.relpath(os.path.realpath(self.path), root)
        return origin_of(root, {own: self.text, **files})


def load(store: Store, path: Path, read: Read | None = None) -> Loaded:
    """Read, check and capture a workflow file; the store can then read its objects.

    `read` is what `what_was_read` returns of its workflow, and others.
    """
    loaded = _good(path, store, read)
    refuse_place(store.project, loaded)
    store.hold(loaded.built.objects)
    return loaded


def check(path: str | Path, store: Store | None = None) -> Loaded:
    """Read, check and capture a workflow file; raise InvalidInput with everything wrong in it.

    What the newest deploy of a workflow was read from is not read again, nor are the parts that an
    edited text has of it: the store has what they say. Captured code is looked at all the same.

    >>> ork.check("etl.yaml").definition.name
    'etl'
    """
    return _good(Path(path), store)


def each_good(
    files: Iterable[File], path_of: Callable[[File], Path], look: Callable[[File], Found]
) -> list[Found]:
    """Return what `look` gives for each file; raise InvalidInput with what is wrong in all.

    Where one alone is wrong, what `look` says of it is raised.
    """
    good, wrong = list[Found](), list[tuple[Path, InvalidInput | NotFound]]()
    for file in files:
        try:
            good.append(look(file))
        except (InvalidInput, NotFound) as error:
            wrong.append((path_of(file), error))
    if len(wrong) == 1:
        raise wrong[0][1]
    if wrong:
        problems = [
            *dict.fromkeys(one for path, error in wrong for one in problems_of(path, error))
        ]
        hint = MORE if any(error.hint == MORE for _, error in wrong) else None
        message = f"{count(len(wrong), 'file')} have problems: nothing was deployed"
        raise InvalidInput(message, problems=problems, hint=hint)
    return good


def problems_of(path: Path, error: InvalidInput | NotFound) -> tuple[Problem, ...]:
    """Return what is wrong with a file as complaints, also where it could not be read."""
    whole = Problem(file=str(path), message=error.message, hint=error.hint)
    return (isinstance(error, InvalidInput) and error.problems) or (whole,)


def _good(path: Path, store: Store | None, read: Read | None = None) -> Loaded:
    found = _look(path, read_text(path), store, read, deployed=store)
    found.problems.check(found.hint)
    return _loaded(found)


def examine(
    path: Path, deployed: Store | None = None
) -> tuple[Loaded | None, InvalidInput | None, tuple[Problem, ...]]:
    """Return a file as `check` does, all that is wrong with it, and what seems to be a mistake.

    Obvious keys are wrong. A file that is good but for these is returned as well. Of a file that is
    not there, but in the newest deploy, is said how to have it again.
    """
    text = read_text(path)
    loaded, problems, warnings = None, Problems(str(path)), tuple[Problem, ...]()
    hint = MORE if text.strip() else None
    try:
        found = _look(path, text, warn_of=None, deployed=deployed)
    except InvalidInput as error:  # it is no YAML, or has more code than is read
        complaints = [*error.problems, *secret_problems(text, file=str(path))]
    else:
        problems, hint, warnings = found.problems, found.hint, found.warnings
        complaints = secrets_in(found)
        loaded = None if problems.count else _loaded(found)
    for problem in complaints:
        problems.keep(problem)
    try:
        problems.check(hint)
    except InvalidInput as error:
        return loaded, error, warnings
    return loaded, None, warnings


class _Looked(NamedTuple):
    """What there is of a workflow file and its code, and what is wrong with them."""

    path: Path
    text: bytes
    definition: Definition
    kept: Snapshot | None
    captured: Captured
    problems: Problems
    hint: str | None  # where not all was looked at
    warnings: tuple[Problem, ...]


def _look(
    path: Path,
    text: bytes,
    store: Store | None = None,
    read: Read | None = None,
    *,
    warn_of: int | None = WARNED_TASKS_MAX,
    deployed: Store | None = None,
) -> _Looked:
    """Look at all that is good enough for it; raise InvalidInput if the text is unreadable.

    Of a file with more tasks than `warn_of` there are no warnings.
    """
    if deployed and not text.strip():
        _refuse_emptied(deployed, path)
    file, problems, whole = str(path), None, True
    definition, kept = _known(store, text, file, read) if store else (None, None)
    if definition is None or kept is None:
        try:
            definition = parse(text, file=file, before=definition)
        except InvalidInput:
            definition, problems, whole = parse_good(text, file=file)
    problems = problems or Problems(file, definition.text)
    before = problems.count
    root = root_of(path, definition.settings)
    way_back = partial(_way_back, deployed, definition.name, root)
    captured = capture(definition, root, file=file, problems=problems, way_back=way_back)
    whole = whole and problems.count == before
    module_of = modules_of({path: file.data for path, file in captured.files.items()})
    check_functions(definition, module_of, problems, shown_root(file, definition))
    hint = None if whole else MORE
    found = _Looked(path, text, definition, kept, captured, problems, hint, ())
    if warn_of is not None and len(definition.tasks) > warn_of:
        return found
    return found._replace(warnings=_warnings(found, root, module_of))


def _refuse_emptied(store: Store, path: Path) -> None:
    """Raise InvalidInput for an empty file from which a workflow is deployed."""
    if workflow := sources(store).get(os.path.relpath(os.path.realpath(path), store.project)):
        hint = f"`ork restore {as_word(workflow)}` writes it as it was deployed"
        problem = Problem(file=str(path), line=1, column=1, message=EMPTY, hint=hint)
        raise InvalidInput(f"{path}: 1 problem", problems=[problem])


def _way_back(store: Store | None, workflow: str, root: Path, path: str) -> str | None:
    """Return how to have a file again that the newest deploy has, of the same root."""
    with suppress(OrkError):
        if store and (deploy := newest_deploy(store, workflow)):
            is_there = root_of(store.project / deploy.source.path, deploy.settings) == root
            if is_there and path in store.snapshot(deploy.snapshot).files:
                part = as_word(f"{workflow}:{path}")
                return f"`ork restore {part}` writes {path} as it was deployed"
    return None


def _loaded(found: _Looked) -> Loaded:
    definition, captured = found.definition, found.captured
    built = snapshot.build(definition.tasks, captured.files, definition.params, kept=found.kept)
    definition = dataclasses.replace(definition, tasks=built.tasks)
    return Loaded(
        path=found.path,
        text=found.text,
        definition=definition,
        built=built,
        captured=captured,
        warnings=found.warnings,
    )


def read_ref(workflow: str, text: bytes) -> str:
    """Return the ref to the deploy that has what this text says, as this reader reads it."""
    return f"read/{workflow}/{READER}/{hash_bytes(text)}"


def what_was_read(store: Store, workflows: Iterable[str]) -> Read:
    """Return what this reader has read last of some workflows, looked up together."""
    found: dict[str, dict[str, Oid]] = {}
    for ref, oid in store.refs_many("read/", (f"{name}/{READER}/" for name in workflows)):
        workflow, _, place = ref.partition("/")
        found.setdefault(workflow, {})[place.partition("/")[2]] = oid
    return found


def _known(
    store: Store, text: bytes, file: str, read: Read | None = None
) -> tuple[Definition | None, Snapshot | None]:
    """Return what this reader has read last of the workflow, if the store has it.

    If it was this very text, then also the snapshot with its tasks. A text with `include` is not
    known, which no snapshot keeps.
    """
    if (guess := _NAME.search(text)) is None:
        return None, None
    try:
        workflow = guess[1].decode()
        read = what_was_read(store, [workflow]) if read is None else read
        for name, oid in read.get(workflow, {}).items():
            is_same = name == hash_bytes(text)
            if store.forgotten and not is_same:
                break  # the text, or a task, may be read as what took its place
            deploy = store.get(Deploy, oid)
            kept = store.get(Snapshot, deploy.snapshot)
            tasks = store.get_all(Task, store.named(kept.tasks))
            content = reader.decode(
                text if is_same else join_text(store, deploy.source), Problems(file)
            )
            definition = Definition(
                name=deploy.workflow,
                tasks=tasks,
                params=kept.params,
                settings=deploy.settings,
                include=(),
                places=LatePlaces(content, file=file),
                text=content,
            )
            return definition, kept if is_same else None
    except Corrupt:
        pass
    return None, None


def refuse_place(project: Path, loaded: Loaded) -> None:
    """Raise InvalidInput for a workflow file whose path, or root, a project cannot have."""
    at = os.path.relpath(os.path.realpath(loaded.path), project)
    if at.encode(errors="ignore").decode() != at:
        hint = "rename it; a deploy records where its file lies, in the project"
        raise InvalidInput(f"the path {at} is not UTF-8", hint=hint)
    inside = loaded.root.is_relative_to(project)
    if inside or not loaded.path.resolve().is_relative_to(project):
        return
    problems = Problems(str(loaded.path), loaded.definition.text)
    hint = f"the root lies in the project, which is the folder {project}"
    store = project / ".ork"
    here, there = (quote(os.path.relpath(one)) for one in (store, loaded.root))
    if not store.exists():
        hint += f"; where there is no store yet, `ork init {there}` makes one there"
    elif not (loaded.root / ".ork").exists():
        move = f"`ork deploy --move {quote(str(loaded.path))}`"
        hint += f": `mv {here} {there}` makes it the root, then {move} tells where this file is now"
    problems.at(loaded.definition.places["root",], "root leads out of the project", hint)
    problems.check()


def secrets_in(found: Loaded | _Looked) -> list[Problem]:
    """Return a complaint for each obvious key in a workflow file and in the code it calls."""
    texts = {str(found.path): found.text}
    beside = shown_root(str(found.path), found.definition)
    texts |= {str(beside / path): file.data for path, file in found.captured.files.items()}
    return [problem for file, data in texts.items() for problem in secret_problems(data, file=file)]


def _warnings(found: _Looked, root: Path, module_of: ModuleOf) -> tuple[Problem, ...]:
    """Return what seems to be a mistake, and is not refused.

    Tasks that are known from a deploy of this very text were warned of when that was made. Where
    not all was looked at, nothing is said of what the rest may mend.
    """
    definition = found.definition
    looks: dict[Kind, Callable[[Problems], None]] = {}
    if found.kept is None:
        looks |= {
            "doubtful-command": partial(_warn_of_commands, definition),
            "date-as-text": partial(warn_of_dates, definition, module_of),
            "doomed-task": partial(_warn_of_failed, definition),
            "leading-zero": partial(_warn_of_zeros, definition),
            "env-value": partial(_warn_of_env, definition),
            "late-retry": partial(warn_of_retries, definition),
        }
    if not found.hint:
        if found.kept is None:
            looks["null-output"] = partial(_warn_of_null, definition, found.captured)
            looks["hidden-module"] = partial(_warn_of_hidden, definition, root, found.captured)
        looks["missing-python"] = partial(_warn_of_python, definition, root)
    warnings = Problems(str(found.path), definition.text)
    for kind, look in looks.items():
        told = Problems(str(found.path), definition.text)
        look(told)
        for problem in told.found:
            warnings.keep(problem._replace(kind=kind))
    for problem in () if found.hint else found.captured.unknown:
        warnings.keep(problem)
    return tuple(warnings.found)


def _warn_of_commands(definition: Definition, warnings: Problems) -> None:
    outputs = {name: task.output_type for name, task in definition.tasks.items()}
    scope = Scope("", (), outputs, definition.params, None)
    for name, task in definition.tasks.items():
        place = partial(definition.places.__getitem__, ("tasks", name, "command"))
        doubtful(task, place, scope, warnings)
    for key in HOOKS:
        if isinstance(hook := definition.settings.get(key), dict):
            place = partial(definition.places.__getitem__, (key, "command"))
            unread(cast("str | list[str]", hook["command"]), (), place, warnings)


def _warn_of_failed(definition: Definition, warnings: Problems) -> None:
    """Warn where a task is to start however others ended, and takes the output of each of them."""
    for name, task in definition.tasks.items():
        if task.on_upstream_failure != "run" or not task.depends_on:
            continue
        if {*needed_outputs(task)}.issuperset(task.depends_on):
            warnings.at(
                definition.places["tasks", name, "on_upstream_failure"],
                f"`{name}` takes an output of all that it waits for, and fails with each of them",
                "`{ref: ..., else: null}` is null where there is none, and `ORK_UPSTREAM_JSON`"
                " tells how each of them ended",
            )


def _warn_of_zeros(definition: Definition, warnings: Problems) -> None:
    """Warn of numbers that lose the zeros with which they begin, as those of postcodes."""
    if not re.search(r"(?<![-\w.:/])0\d+(?![-\w.:/])", definition.text):
        return
    places = definition.places.items()
    todo = [node for place, node in places if place == ("params",) or place[2:] == ("inputs",)]
    while todo:
        node = todo.pop()
        if isinstance(node.value, dict):
            todo += [below for _, below in node.value.values()]
        elif isinstance(node.value, list):
            todo += node.value
        elif isinstance(node.value, int):
            line = (warnings.source(node.line) or "")[node.column - 1 :]
            if written := re.match(r"[-+]?0\d+", line):
                message = f"{written[0]} is the number {node.value}"
                warnings.at(node, message, "quote it: it is then a text")


def _warn_of_env(definition: Definition, warnings: Problems) -> None:
    """Warn of texts in `env` that are written for a shell, or for a tool that replaces names."""
    values = (value for task in definition.tasks.values() for value in task.env.values())
    if not any(isinstance(value, str) and _EXPANDED.search(value) for value in values):
        return
    for place, node in definition.places.items():
        entries = node.value if place[-1] == "env" and isinstance(node.value, dict) else {}
        for variable, (_, below) in entries.items():
            text = below.value
            if not isinstance(text, str) or not (found := _EXPANDED.search(text)):
                continue
            name = found[1] or found[2]
            hint = "a command can put it together, as in `export DAY=$(date +%F)`"
            if text in (f"${name}", f"${{{name}}}"):
                hint = f"`{{secret: {name}}}` takes it from ork's own environment"
                hint = f"`{{ref: params.{name}}}`" if name in definition.params else hint
            message = f"env: {variable} is this text, in which nothing is replaced"
            warnings.at(below, message, f"{hint}; `{{const: ...}}` for the text itself")


def _warn_of_null(definition: Definition, captured: Captured, warnings: Problems) -> None:
    """Warn where the output of a command is asked for that seems to give none.

    Nothing is known of what a script prints, nor of a task that declares what it gives.
    """
    scripts = {one.task for reasons in captured.reasons.values() for one in reasons}
    silent = {name for name, task in definition.tasks.items() if _seems_silent(task)} - scripts
    for name, task in definition.tasks.items() if silent else ():
        for ref in refs_of(task):
            if (source := split_ref(ref)) and source[0] in silent:
                bound = [one.get("ref") for one in task.inputs.values()]
                key = "inputs" if ref in bound else "env"
                key = "when" if task.when and task.when.ref == ref else key
                message = f"`{source[0]}` prints no `ORK_OUTPUT:` line, so its output is null"
                warnings.at_text(definition.places["tasks", name, key], ref, message, _OUTPUT_HINT)


def _seems_silent(task: Task) -> bool:
    """Say whether a command seems to give no output; nothing is known of one that declares it."""
    is_command = task.executor == "process" and task.output_type is None
    return is_command and "ORK_OUTPUT" not in str(task.command)


def _warn_of_python(definition: Definition, root: Path, warnings: Problems) -> None:
    """Warn of an interpreter that is named, and which this machine has not."""
    chosen = definition.settings.get("python")
    program = interpreter(definition.settings, root, os.environ)
    if chosen and shutil.which(program) is None:
        hint = "a path begins at the root; a name without `/` is looked for on PATH"
        message = f"this machine has no Python `{chosen}`, so no task starts in it"
        warnings.at(definition.places["python",], message, hint)


def _warn_of_hidden(
    definition: Definition, root: Path, captured: Captured, warnings: Problems
) -> None:
    """Warn of files that hide modules of Python itself which a Python task imports."""
    called: dict[str, dict[str, bytes]] = {}  # the code of tasks, by where imports search first
    for path, reasons in captured.reasons.items():
        for task in (definition.tasks.get(one.task) for one in reasons):
            if task and task.executor == "python" and path.endswith(".py"):
                for folder in (posixpath.dirname(task.file or ""), ""):
                    called.setdefault(folder, {})[path] = captured.files[path].data
    files, beside = Root(root), shown_root(warnings.file, definition)
    for folder, codes in sorted(called.items()):
        hidden = named_so(folder, files.names, files.kind)
        for module, by in met(hidden, codes, _library).items() if hidden else ():
            how = "imports" if by in codes or by in STDLIB else "may import"
            message = f"hides Python's own module `{module}`, which {by} {how}"
            hint = "rename it: imports of a Python task search its folder and the root first"
            file = str(beside / hidden[module])
            warnings.keep(Problem(file=file, message=message, hint=hint))


def _library(path: str) -> bytes | None:
    """Return the source of a module of Python itself, as the Python has it that executes ork."""
    with suppress(OSError):
        return Path(os.__file__).parent.joinpath(path).read_bytes()
    return None


def name_problem(loaded: Loaded, message: str, hint: str | None = None) -> Problem:
    """Return a complaint about the name that a workflow file gives."""
    at = loaded.definition.places["name",]
    problems = Problems(str(loaded.path), loaded.definition.text)
    return problems.problem(at.line, at.column, message, hint)


def still_named(store: Store, path: str, name: str) -> Problem | None:
    """Return a complaint where a workflow file of the project does not have this name.

    The file of another workflow is that one's.
    """
    with suppress(OrkError):  # a file that is gone, or wrong: `ork status` tells
        loaded = load(store, Path(os.path.relpath(store.project / path)))
        old = loaded.definition.name
        if old != name and store.ref(f"workflows/{old}") is None:
            return name_problem(loaded, f"still says {old}: write `name: {name}` there")
    return None


def same_names(files: Sequence[Loaded]) -> list[Problem]:
    """Return a complaint for each of several files that has the name of another one."""
    files = list({one.path.resolve(): one for one in files}.values())
    found = []
    for one in files:
        name = one.definition.name
        others = [str(b.path) for b in files if b is not one and b.definition.name == name]
        if others:
            message = f"{name} is the name of the workflow in {', '.join(others)} too"
            found.append(name_problem(one, message, "give each workflow a name of its own"))
    return found


def read_text(path: Path) -> bytes:
    """Return the bytes of a workflow file: a regular file of bounded size, opened once.

    One that is called otherwise has tasks at least, else it is something else.
    """
    try:
        text = read_file(path, TEXT_BYTES_MAX, follow=True)
    except FileNotFoundError:
        raise NotFound(f"no file {path}", hint=file_meant(path, ENDINGS)) from None
    except NotRegular:
        if path.is_dir():
            raise InvalidInput(f"{path} is a folder; a workflow file is wanted") from None
        raise InvalidInput(f"{path} is not a regular file") from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EFBIG:
            raise InvalidInput(f"{path} is larger than {TEXT_BYTES_MAX >> 20} MiB") from None
        reason = getattr(error, "strerror", None) or str(error)
        raise InvalidInput(f"cannot read {path}: {reason}") from None
    if path.suffix not in ENDINGS and not looks_like_one(text):
        hint = f"one ends in {', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}, and has `tasks:`"
        raise InvalidInput(f"{path} is no workflow file", hint=hint)
    return text
