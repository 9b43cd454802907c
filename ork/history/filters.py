"""Filters a history by tasks and code files: the deploys that changed them, and how.

A task is changed when its definition differs, but for new names of its neighbours, or one of the
code files that it names itself: its `file`, its module, the programs and scripts of its command.
What these execute in turn is code of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Set
from datetime import datetime
from itertools import takewhile
from shlex import join
from typing import Any

from ork.alike import alike
from ork.definition.reach import named_files
from ork.differences.definitions import Diff
from ork.errors import NotFound, UsageError, quoted
from ork.history.lineage import file_steps, is_changed, task_steps
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Task
from ork.objects.snapshot import Contents, TreeMap, changes
from ork.objects.value import Value, replace
from ork.store import revision as grammar
from ork.store.resolve import deploy_of, history
from ork.store.store import Store
from ork.worktree.lookup import look_up


class _Touched(Value, frozen=True, kw_only=True):
    """The wanted names that one deploy changed; a renamed one has its old name here as well."""

    tasks: frozenset[str]
    files: frozenset[str]


class Parts:
    """Some tasks and code files on the way back through a history, with `follow` renames too."""

    def __init__(self, store: Store, names: Iterable[str], *, follow: bool) -> None:
        self.store = store
        self.follow = follow
        self.start = frozenset(name.removeprefix("./") for name in names)
        self.names: dict[str, frozenset[str]] = {}  # workflow -> what they are called by now
        self.touched: dict[Oid, _Touched] = {}

    def changed(self, deploys: Iterable[tuple[Oid, Deploy]]) -> Iterator[tuple[Oid, Deploy]]:
        """Yield those that changed a part; they must come newest first, without gaps."""
        for oid, deploy in deploys:
            before = self.store.get(Deploy, deploy.parents[0]) if deploy.parents else None
            touched = self._touched(deploy, before)
            if before is not None and before.workflow != deploy.workflow:  # it was renamed
                self.names[before.workflow] = self.names.get(deploy.workflow, self.start)
            if touched.tasks or touched.files:
                self.touched[oid] = touched
                yield oid, deploy

    def only(self, oid: Oid, diff: Diff) -> Diff:
        """Return the part of a diff that is about them; the deploy must be one that was yielded."""
        tasks, files = self.touched[oid].tasks, self.touched[oid].files
        return replace(
            diff,
            params=(),
            settings=(),
            tasks=tuple(t for t in diff.tasks if t.name in tasks or t.old_name in tasks),
            edges=tuple(e for e in diff.edges if e.downstream in tasks),
            files=tuple(f for f in diff.files if f.path in files or f.old_path in files),
        )

    def _touched(self, deploy: Deploy, before: Deploy | None) -> _Touched:
        if before is not None and before.snapshot == deploy.snapshot:
            return _NOTHING
        store, names = self.store, self.names.get(deploy.workflow, self.start)
        new = store.snapshot(deploy.snapshot)
        if before is None:
            return self._all(new, names)
        old = store.snapshot(before.snapshot)
        tasks = [
            step
            for step in task_steps(store, old.tasks, new.tasks, names)
            if is_changed(step) or step.is_renamed
        ]
        files = file_steps(store, old.files, new.files, names)
        own = self._own_files(old, new, names)
        if self.follow:
            renamed = [(step.name, step.old_name) for step in tasks if step.old]
            renamed += [(step.name, step.old_name) for step in files if step.old]
            gone = {name for name, old_name in renamed if name != old_name}
            self.names[deploy.workflow] = (names - gone) | {old_name for _, old_name in renamed}
        return _Touched(
            tasks=frozenset(name for step in tasks for name in (step.name, step.old_name)),
            files=own.union(*((step.name, step.old_name) for step in files)),
        )

    def _all(self, new: Contents, names: Set[str]) -> _Touched:
        """Return all of these names that a first deploy has: they are new."""
        files = new.files
        tasks = self._tasks(new, names)
        own = [named_files(task, files) for task in tasks.values()]
        return _Touched(tasks=frozenset(tasks), files=frozenset(names & files.keys()).union(*own))

    def _own_files(self, old: Contents, new: Contents, names: Collection[str]) -> frozenset[str]:
        """Return the files that differ and that one of the tasks names."""
        if old.files == new.files:
            return frozenset()
        changed = changes(old.files, new.files)
        tasks = self._tasks(new, names).values()
        return frozenset(path for task in tasks for path in named_files(task, changed))

    def _tasks(self, snapshot: Contents, names: Collection[str]) -> dict[str, Task]:
        oids = {name: oid for name in names if (oid := snapshot.tasks.get(name))}
        return self.store.get_all(Task, oids)


def existing(store: Store, revision: str, name: str, *, now: datetime) -> str:
    """Return the name if REV:NAME is there; else raise NotFound, with where it was last.

    `revision` may be a range, whose newer end counts.
    """
    ends = grammar.parse_range(revision) or grammar.parse_since(revision)
    last = (ends[1] if ends else revision) or "@"
    if name == "":
        raise UsageError(
            f"{revision}: is the text of the workflow file, which has no log",
            hint=f"`ork blame {grammar.as_word(f'{revision}:')}` tells of its lines",
        )
    try:
        look_up(store, f"{last}:{name}", now=now)
    except NotFound as error:
        start = deploy_of(store, look_up(store, last, now=now))
        found = _last_seen(store, start.workflow, start.oid, name.removeprefix("./"))
        if found is None:
            raise
        back, became = found
        typed = grammar.as_word(f"{last}~{back}:{name}")
        hint = f"it was there until {last}~{back}: `ork log {typed}`"
        if became is None:
            hint += f", or `ork log {grammar.as_word(last)} -- {grammar.as_word(name)}`"
        else:
            typed = grammar.as_word(f"{last}:{became}")
            hint += f"; since then it is called {became}: `ork log {typed} --follow`"
        raise NotFound(error.message, hint=hint) from None
    return name


def refuse_unknown(
    store: Store, deploys: Iterable[tuple[Oid, Deploy]], names: Sequence[str]
) -> None:
    """Raise NotFound for names of tasks and code files that none of these deploys has."""
    missing = {name.removeprefix("./"): name for name in names}
    seen: set[TreeMap[Any]] = set()
    newest = ""
    for _, deploy in deploys if missing else ():
        newest = newest or deploy.workflow
        snapshot = store.snapshot(deploy.snapshot)
        parts: set[TreeMap[Any]] = {snapshot.tasks, snapshot.files}
        for part in parts - seen:
            missing = {plain: name for plain, name in missing.items() if plain not in part}
        if not missing:
            return
        seen |= parts
    if missing:
        known = {name for part in seen for name in part}
        near = dict.fromkeys(one for name in missing for one in alike(name, known)[:1])
        hint = f"did you mean {' or '.join(near)}?" if near else None
        plain = [*takewhile(lambda name: not name.startswith("-"), names)]
        if options := names[len(plain) :]:
            hint = f"options go before --: `ork log {join([newest, *options, '--', *plain])}`"
        elif not near:
            hint = f"`ork blame {newest} --keys` tells of parameters and settings"
        raise NotFound(
            f"no deploy had a task or code file named {', '.join(map(quoted, missing.values()))}",
            hint=hint,
        )


def _last_seen(store: Store, workflow: str, start: Oid, name: str) -> tuple[int, str | None] | None:
    """Return how many deploys back a task or code file was there last, and its name after that.

    That is None where it was removed, all of it where it never was.
    """
    missing: set[TreeMap[Any]] = set()
    newer: Contents | None = None
    for back, (_, deploy) in enumerate(history(store, workflow, start)):
        snapshot = store.snapshot(deploy.snapshot)
        parts: set[TreeMap[Any]] = {snapshot.tasks, snapshot.files}
        if any(name in part for part in parts - missing):
            return back, _new_name(store, snapshot, newer, name) if newer else None
        missing |= parts
        newer = snapshot
    return None


def _new_name(store: Store, old: Contents, new: Contents, name: str) -> str | None:
    found = _renames(store, old, new, new.tasks.keys() | new.files.keys())
    return next((now for now, was in found.items() if was == name), None)


def renamed_by(store: Store, deploy: Deploy, names: Collection[str]) -> dict[str, str]:
    """Return those of the tasks and code files that a deploy gave this name, with the old one."""
    if not deploy.parents:
        return {}
    before = store.get(Deploy, deploy.parents[0])
    old, new = (store.snapshot(one.snapshot) for one in (before, deploy))
    return _renames(store, old, new, [name.removeprefix("./") for name in names])


def _renames(store: Store, old: Contents, new: Contents, wanted: Collection[str]) -> dict[str, str]:
    tasks = task_steps(store, old.tasks, new.tasks, wanted)
    files = file_steps(store, old.files, new.files, wanted)
    return {
        **{step.name: step.old_name for step in tasks if step.is_renamed},
        **{step.name: step.old_name for step in files if step.is_renamed},
    }


_NOTHING = _Touched(tasks=frozenset(), files=frozenset())
