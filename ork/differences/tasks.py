"""The difference between the tasks of two definitions, and between the edges that join them.

A renamed task keeps its place in the tasks that depend on it: these do not count as changed for it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from ork.definition.written import as_written
from ork.differences import renames
from ork.differences.values import FieldChange, leaves, object_changes, set_changes
from ork.objects import canonical
from ork.objects.canonical import Json, same
from ork.objects.kinds import Task, encode_object, to_json
from ork.objects.value import Value, as_line, replace

PERCENT_MIN = 60  # of similarity, to call a task renamed
ALIKE_MIN = 3  # equal changes that are told once
WORDS_MAX = 200  # of a command, that count for its similarity

T = TypeVar("T")
Names = Mapping[str, str]  # old name -> new name of the renamed tasks


class TaskChange(Value, frozen=True, kw_only=True):
    """One task that differs. Of an added or removed one, `fields` are those not at their default.

    `old_name` and `similarity` (percent; 100 says that nothing but the name changed) are those of
    a renamed task, else None.
    """

    kind: str  # added | removed | changed | renamed
    name: str
    old_name: str | None = None
    similarity: int | None = None
    fields: tuple[FieldChange, ...] = ()


class EdgeChange(Value, frozen=True, kw_only=True):
    """One dependency that came or went. A removed one has the names of the old definition."""

    kind: str  # added | removed
    upstream: str
    downstream: str


def alike(changes: Iterable[TaskChange]) -> Iterator[tuple[TaskChange, ...]]:
    """Yield the changes in their order, those of several tasks that are the same ones together.

    Where too few are the same, numbers in texts that the name of the task has do not count.
    """
    changes = list(changes)
    same = Counter(as_line(_told(change)) for change in changes)

    def key(change: TaskChange) -> object:
        told = _told(change)
        return told if same[as_line(told)] >= ALIKE_MIN else _told(_starred(change))

    return together(changes, key)


def in_common(group: Sequence[TaskChange]) -> TaskChange:
    """Return what changes that are alike have in common: the first, with * where numbers differ."""
    is_same = all(one.fields == group[0].fields for one in group)
    return group[0] if is_same else _starred(group[0])


def _told(change: TaskChange) -> object:
    """Return what changes have in common that are told together."""
    if change.old_name is None:
        return (change.kind, change.fields) if change.fields else change.name
    if renames.numbers(change.old_name) != renames.numbers(change.name):
        return change.name
    return renames.family(change.old_name), renames.family(change.name), change.fields


def _starred(change: TaskChange) -> TaskChange:
    """Return a change with * for the numbers in its texts that the name of the task has, too."""
    own = {*renames.numbers(change.name), *renames.numbers(change.old_name or "")}

    def starred(value: Json) -> Json:
        if isinstance(value, str):
            return re.sub(
                "[0-9]{1,18}", lambda found: "*" if int(found[0]) in own else found[0], value
            )
        if isinstance(value, dict):
            return {key: starred(one) for key, one in value.items()}
        return [starred(one) for one in value] if isinstance(value, list) else value

    fields = (replace(f, old=starred(f.old), new=starred(f.new)) for f in change.fields)
    return replace(change, fields=tuple(fields)) if own else change


def together(items: Iterable[T], key: Callable[[T], object]) -> Iterator[tuple[T, ...]]:
    """Yield the items in their order, those with the same key together where the first stood.

    Fewer than ALIKE_MIN are not put together.
    """
    groups: dict[bytes, list[T]] = {}
    keys = []
    for item in items:
        keys.append((as_line(key(item)), item))
        groups.setdefault(keys[-1][0], []).append(item)
    for found, item in keys:
        group = groups[found]
        if len(group) < ALIKE_MIN:
            yield (item,)
        elif item is group[0]:
            yield tuple(group)


def given_fields(task: Task) -> dict[str, Json]:
    """Return the fields that are not at their default, by the paths of a diff.

    Objects are taken apart; a list is one value, since its elements have no names.
    """
    return _leaves(task, changed_fields(_DEFAULT, task))


def changed_fields(old: Task, new: Task) -> list[str]:
    """Return the names of the fields that differ, sorted."""
    return [name for name in _NAMES if not same(getattr(old, name), getattr(new, name))]


def changed_paths(old: Task, new: Task, paths: Iterable[str]) -> list[str]:
    """Return which of these paths of `new` hold something else in `old`, or are not there."""
    differing = changed_fields(old, new)
    before, after = _leaves(old, differing), _leaves(new, differing)
    return [
        path
        for path in paths
        if path in after and (path not in before or not same(before[path], after[path]))
    ]


def renamed_tasks(old: Mapping[str, Task], new: Mapping[str, Task]) -> dict[str, str]:
    """Return old name -> new name: equal tasks, equal but for neighbours, then similar."""
    gone = {name: old[name] for name in old.keys() - new.keys()}
    came = {name: new[name] for name in new.keys() - old.keys()}
    if not gone or not came:
        return {}
    movable = gone.keys() | came.keys()
    return renames.pair(
        gone,
        came,
        contents=[
            lambda _, task: encode_object(task),
            lambda _, task: encode_object(_with_neighbours(task, _hiding(movable))),
        ],
        features=lambda task: _features(task, movable),
        percent_min=PERCENT_MIN,
    )


def with_new_names(task: Task, names: Names) -> Task:
    """Return a task as it would be if only its neighbours had their new names."""
    return _with_neighbours(task, lambda name: names.get(name, name))


def task_changes(
    old: Mapping[str, Task], new: Mapping[str, Task], names: Names
) -> Iterator[TaskChange]:
    """Yield the tasks that differ, by name; a renamed one by its new name."""
    old_names = {after: before for before, after in names.items()}
    movable = old.keys() ^ new.keys()
    for name in sorted((old.keys() | new.keys()) - names.keys()):
        before, after = old.get(old_names.get(name, name)), new.get(name)
        fields = tuple(_fields(before, after, names))
        if before is None:
            fields = tuple(FieldChange(kind="added", path=f.path, new=f.new) for f in fields)
            yield TaskChange(kind="added", name=name, fields=fields)
        elif after is None:
            fields = tuple(FieldChange(kind="removed", path=f.path, old=f.old) for f in fields)
            yield TaskChange(kind="removed", name=name, fields=fields)
        elif name in old_names:
            similarity = 100
            if fields:
                sides = (_features(task, movable) for task in (before, after))
                similarity = min(renames.similarity(*sides), 99)
            yield TaskChange(
                kind="renamed",
                name=name,
                old_name=old_names[name],
                similarity=similarity,
                fields=fields,
            )
        elif fields:
            yield TaskChange(kind="changed", name=name, fields=fields)


def edge_changes(
    old: Mapping[str, Task], new: Mapping[str, Task], names: Names
) -> Iterator[EdgeChange]:
    """Yield the edges that differ, removed ones first, by upstream and downstream."""
    before = {(names.get(up, up), names.get(down, down)): (up, down) for up, down in _edges(old)}
    after = set(_edges(new))
    for up, down in sorted(edge for moved, edge in before.items() if moved not in after):
        yield EdgeChange(kind="removed", upstream=up, downstream=down)
    for up, down in sorted(after - before.keys()):
        yield EdgeChange(kind="added", upstream=up, downstream=down)


def _leaves(task: Task, names: Iterable[str]) -> dict[str, Json]:
    payload = as_written(task, names)
    return {
        path: leaf for name, value in payload.items() for path, leaf in leaves(value, path=name)
    }


def _fields(old: Task | None, new: Task | None, names: Names) -> Iterator[FieldChange]:
    if old and new and encode_object(with_new_names(old, names)) == encode_object(new):
        return
    differing = changed_fields(old or _DEFAULT, new or _DEFAULT)
    before, after = _payload(old, differing), _payload(new, differing)
    was, now = _bindings(old), _bindings(new)
    for field, key in _same_refs(old, new, names):
        then, here = was[field][key], now[field][key]
        assert isinstance(then, dict) and isinstance(here, dict)
        was[field][key] = {**then, "ref": here["ref"]}
    yield from object_changes(before, after)
    for field in was:
        yield from object_changes(was[field], now[field], path=field)
    yield from set_changes(
        old.depends_on if old else (), new.depends_on if new else (), path="depends_on", names=names
    )


def _payload(task: Task | None, names: Iterable[str]) -> dict[str, Json]:
    """Return those of these fields that are set, but for bindings and edges.

    Of no task, the defaults.
    """
    apart = {*_BOUND, "when", "depends_on", *(() if task else ("executor",))}
    payload = as_written(task or _DEFAULT, (name for name in names if name not in apart))
    return {name: value for name, value in payload.items() if value is not None}


def _bindings(task: Task | None, called: Callable[[str], str] = str) -> dict[str, dict[str, Json]]:
    """Return the inputs, variables and condition of a task, with what its neighbours are called."""
    bindings: dict[str, dict[str, Json]] = {
        field: dict(getattr(task, field, {})) for field in _BOUND
    }
    bindings[""] = {"when": to_json(task.when)} if task and task.when else {}
    for (field, key), (name, rest) in (_refs(task) if task else {}).items():
        binding = bindings[field][key]
        assert isinstance(binding, dict)
        bindings[field][key] = {**binding, "ref": f"tasks.{called(name)}{rest}"}
    return bindings


def _hiding(hidden: Collection[str]) -> Callable[[str], str]:
    return lambda name: "?" if name in hidden else name


def _same_refs(old: Task | None, new: Task | None, names: Names) -> list[_Bound]:
    """Return the bindings that name the same output of a renamed task on both sides."""
    if old is None or new is None or not names:
        return []
    before, after = _refs(old), _refs(new)
    moved = {key: (names.get(name, name), rest) for key, (name, rest) in before.items()}
    return [key for key, ref in moved.items() if after.get(key) == ref]


def _refs(task: Task) -> dict[_Bound, tuple[str, str]]:
    """Return binding -> the task that its ref names, and the rest from `.output` on."""
    known = frozenset(task.depends_on)
    found: dict[_Bound, tuple[str, str]] = {}
    bound = [(field, key, one) for field in _BOUND for key, one in getattr(task, field).items()]
    if task.when:
        bound.append(("", "when", {"ref": task.when.ref}))
    for field, key, binding in bound:
        ref = binding.get("ref") if isinstance(binding, dict) else None
        if not isinstance(ref, str) or not ref.startswith("tasks."):
            continue
        # Names may hold dots, so the name ends where it is one of the task's own dependencies.
        end = ref.find(".output", len("tasks."))
        while end > 0 and ref[len("tasks.") : end] not in known:
            end = ref.find(".output", end + 1)
        if end > 0:
            found[field, key] = (ref[len("tasks.") : end], ref[end:])
    return found


def _with_neighbours(task: Task, called: Callable[[str], str]) -> Task:
    """Return a task as it would be if its neighbours were called otherwise."""
    depends_on = tuple(sorted(map(called, task.depends_on)))
    bindings = _bindings(task, called)
    when: Any = bindings.pop("").get("when")
    when = task.when and replace(task.when, ref=when["ref"])
    return replace(task, **bindings, depends_on=depends_on, when=when)


def _features(task: Task, hidden: Collection[str]) -> dict[str, int]:
    """Return the features of a task, each weighted by how well it tells tasks apart."""
    features = {f"executor {task.executor}": 2}
    for field, weight in (("file", 4), ("module", 6), ("function", 6)):
        if value := getattr(task, field):
            features[f"{field} {value}"] = weight
    line = task.command if isinstance(task.command, str) else " ".join(task.command or ())
    features |= {f"word {word}": 3 for word in line.split()[:WORDS_MAX]}
    features |= {f"after {name}": 1 for name in task.depends_on if name not in hidden}
    for bound, bindings in _bindings(task, _hiding(hidden)).items():
        features |= {f"{bound} {key} {_text(value)}": 2 for key, value in bindings.items()}
    for field in ("input_type", "output_type"):
        value = getattr(task, field)
        parts = value if isinstance(value, dict) else {} if value is None else {"": value}
        features |= {f"{field} {key} {_text(part)}": 1 for key, part in parts.items()}
    for field in ("timeout", "retries", "retry_delay", "retry_backoff", "on_upstream_failure"):
        if getattr(task, field) != getattr(_DEFAULT, field):
            features[f"{field} {_text(getattr(task, field))}"] = 1
    return features


def _text(value: Json) -> str:
    return canonical.encode(value).decode()


def _edges(tasks: Mapping[str, Task]) -> Iterator[tuple[str, str]]:
    return ((up, name) for name, task in tasks.items() for up in task.depends_on)


_BOUND = ("inputs", "env")  # the fields of a task that have bindings
_Bound: TypeAlias = tuple[str, str]  # one of them, and a key in it
_DEFAULT = Task(executor="")  # type: ignore[arg-type]  # as no task has it
_NAMES = sorted(as_written(_DEFAULT))
