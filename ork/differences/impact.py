"""The tasks of a new definition that can give other results than before, and why.

A task can if it changed itself, if code that it executes changed, if a parameter that it takes
changed, if another interpreter executes it, or if it comes after such a task. No other setting
counts, and neither does a mere rename, nor how long and how often it is tried.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from ork.differences.definitions import Diff
from ork.differences.tasks import together
from ork.errors import count, some
from ork.objects.drawn import Drawn
from ork.objects.kinds import Task
from ork.objects.value import Value, fields_of, replace

if TYPE_CHECKING:
    from ork.definition.reach import Reach

# Why a task can give another result: beside its name in a table, and as a sentence.
REASONS = {
    "upstream": ("after", "needs"),
    "code": ("code of", "its code changed:"),
    "maybe": ("may use", "it may use what changed:"),
    "param": ("parameter", "its parameters changed:"),
    "setting": ("setting", "another setting:"),
    "environment": ("environment", "its environment changed:"),
    "added": ("added", "it is new"),
    "changed": ("changed", "it changed"),
    "renamed": ("renamed and changed", "it was renamed and changed"),
}
NAMED_MAX = 3  # things that a sentence names; what follows is counted
PATIENCE = ("timeout", "retries", "retry_delay", "retry_backoff")  # whether it succeeds, not what


class Affected(Value, frozen=True, kw_only=True):
    """A task of the new definition whose result can differ, and the nearest reason.

    `via` is sorted: for `code` the changed files, by their new paths, for `maybe` those of which it
    is not known that it executes them, but might; for `param` the parameters; for `setting` that
    one; for `environment` what differs of it, in words; for `upstream` the affected tasks that it
    directly depends on; else it is empty.
    """

    name: str
    why: str  # of REASONS
    via: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The reason as a sentence."""
        return " ".join(filter(None, (REASONS[self.why][1], some(self.via, NAMED_MAX))))


def by_reason(affected: Iterable[Affected]) -> list[tuple[Affected, ...]]:
    """Return the tasks in their order, several that are affected by the same together."""
    return list(together(affected, lambda one: (one.why, one.via)))


class Impact(Drawn, frozen=True, kw_only=True):
    """All tasks of the new definition, in two parts, each in the order in which they can run."""

    affected: tuple[Affected, ...] = ()
    unaffected: tuple[str, ...] = ()

    def cells(self) -> dict[str, object]:
        tasks = count(len(self.affected) + len(self.unaffected), "task")
        return {"": f"{len(self.affected)} of {tasks} can give other results"}

    def _columns(self) -> tuple[str, ...]:
        return ("name", "affected", "why", "via")

    def _records(self) -> Iterator[dict[str, object]]:
        """Yield a row for each task."""
        yield from ({"affected": True, **fields_of(one)} for one in self.affected)
        yield from ({"name": name, "affected": False} for name in self.unaffected)


def impact(
    diff: Diff,
    *,
    tasks: Mapping[str, Task],
    reach: Mapping[str, Reach],
    needs: Mapping[str, Collection[str]],
    environments: Mapping[str, tuple[str, ...]] | None = None,
) -> Impact:
    """Return the tasks whose results a diff can change, of `tasks`, the new definition.

    `needs` are the edges of all of them, in the order in which they can run; those alone are looked
    at of which more has to be known. `environments` tells of which an interpreter would execute
    them in another environment than before, and what differs there.

    `reach` tells, for each task, the files that it executes in the new definition, or did in the
    old one; a task that is gone counts by its old name. A changed file that nobody reaches came in
    by `include`, so anybody may read it; and a task whose reach is not complete may execute any.
    """
    reasons = {
        task.name: task.kind
        for task in diff.tasks
        if task.kind == "added" or any(field.path not in PATIENCE for field in task.fields)
    }
    code = code_of(diff, tasks=tasks, reach=reach)
    params = {param.path.partition(".")[0] for param in diff.params}
    interpreter = any(setting.path == "python" for setting in diff.settings)
    around = environments or {}
    affected: dict[str, Affected] = {}
    unaffected: list[str] = []
    for name, below in needs.items():
        if name in reasons:
            affected[name] = Affected(name=name, why=reasons[name])
        elif name in code:
            own, maybe = code[name]
            affected[name] = Affected(name=name, why="code" if own else "maybe", via=own or maybe)
        elif params and (taken := params_of(tasks[name]) & params):
            affected[name] = Affected(name=name, why="param", via=tuple(sorted(taken)))
        elif interpreter and tasks[name].executor != "process":
            affected[name] = Affected(name=name, why="setting", via=("python",))
        elif name in around and tasks[name].executor != "process":
            affected[name] = Affected(name=name, why="environment", via=around[name])
        elif after := tuple(up for up in below if up in affected):
            affected[name] = Affected(name=name, why="upstream", via=after)
        else:
            unaffected.append(name)
    return Impact(affected=tuple(affected.values()), unaffected=tuple(unaffected))


def same_work(old: Task, new: Task) -> bool:
    """Say whether two tasks give the same from the same: they differ in their patience at most."""
    return replace(old, **{name: getattr(new, name) for name in PATIENCE}) == new


def code_of(
    diff: Diff, *, tasks: Collection[str], reach: Mapping[str, Reach]
) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return task -> the changed files that it executes, and others that it may read.

    By their new paths, sorted; tasks without any are absent.
    """
    names = {path: file.path for file in diff.files for path in (file.path, file.old_path) if path}
    every = tuple(sorted(set(names.values())))
    reached = {
        name: {names[path] for path in names.keys() & one.files} for name, one in reach.items()
    }
    # One for all: both may be many.
    anybody = tuple(sorted(set(every).difference(*reached.values())))
    found = {}
    for name in tasks:
        own = reached.get(name, set())
        may = anybody if name not in reach or reach[name].complete else every
        maybe = tuple(path for path in may if path not in own) if own else may
        if own or maybe:
            found[name] = tuple(sorted(own)), maybe
    return found


def params_of(task: Task) -> set[str]:
    """Return the parameters that the inputs and the variables of a task refer to."""
    from ork.definition.bindings import refs_of, split_param

    split = (split_param(ref) for ref in refs_of(task))
    return {found[0] for found in split if found}
