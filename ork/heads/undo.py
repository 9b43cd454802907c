"""Undo: the inverse of an operation, appended. And the store as it was right after one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from heapq import merge
from itertools import takewhile
from operator import itemgetter
from shlex import quote
from typing import TypeAlias

from ork.backends.base import Backend, Lease, ReadOnly, refs_among
from ork.errors import Conflict, Corrupt, NotFound, OrkError, UsageError, some
from ork.heads.decisions import decided_of
from ork.heads.rename import at_work
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Operation, Run
from ork.objects.rows import name_of
from ork.objects.value import Value, replace
from ork.store.operations import Move, find_operation, operations, workflow_of
from ork.store.runs import id_time
from ork.store.store import RECORDED, Stamp, Store

NAMED_MAX = 20  # workflows in a hint
Moves: TypeAlias = tuple[Move, ...]


class Undone(Value, frozen=True, kw_only=True):
    """The operation that was undone, and the moves that undid it.

    `passed` are commands of gc that came later: what they took away stays away.
    """

    oid: Oid
    operation: Operation
    moves: Moves
    passed: tuple[str, ...] = ()

    def cells(self) -> dict[str, object]:
        moved = [
            f"{display(ref)} {meaning(ref, new) or _from_to(old, new)}"
            for ref, old, new in self.moves
            if not ref.startswith("former/")  # the heads tell
        ]
        return {"undone": self.operation.command, "moved": some(moved, 3)}


def undo(
    store: Store,
    text: str | None = None,
    workflows: Collection[str] = (),
    *,
    stamp: Stamp,
    now: datetime,
    redo: bool = False,
) -> Undone:
    """Move every ref of an operation back to where it was before; or those of some workflows alone.

    If none is named it is the newest that is no undo and was not undone, so that each undo goes one
    further back, or what is left of it; with `redo` the newest undo that was not undone. Raise
    UsageError if that is by another author, or if something was forgotten since: perhaps that is
    meant. Appends an operation; deletes no object, so an undo can be undone. Raise Conflict, and
    write nothing, when a ref is elsewhere than where that operation left it; NotFound where a redo
    finds all of them so.
    """
    passed: tuple[str, ...] = ()
    if text is None:
        if not redo:
            passed = _passed(store)
        oid, operation = _standing(store, undos=redo)
        if operation.author != stamp.author:
            short, words = store.short(oid), operation.command
            own = quote(re.sub(r"[^\w@ -]", ".", name_of(stamp.author)))  # for a pattern
            raise UsageError(
                f"`{words}` is by {operation.author}: nothing was undone",
                hint=f"`ork undo {short}` takes it back all the same;"
                f" `ork ops --author {own}` lists yours",
            )
    else:
        oid, operation = find_operation(store, text, now=now)
        if not _has_moved(operation):
            raise UsageError(
                f"{store.short(oid)} took away what is gone for good: it cannot be undone",
                hint="to undo an earlier operation, name it: `ork ops` lists them",
            )
    if workflows:
        operation = _only(store, oid, operation, workflows)
    _check_there(store, oid, operation)
    _check_unmoved(store, oid, operation, redo=redo)
    _check_runs_follow(store, oid, operation)
    moves = _inverse(operation.moves)
    try:
        with store.transaction(stamp) as tx:
            for ref, old, new in moves:
                tx.move(ref, old=old, new=new)
            for name in _renamed(operation):  # no slot is decided by a name that goes meanwhile
                for key, known in decided_of(store, name).items():
                    tx.expect(f"decided/{name}/{key}", known)
    except Corrupt:
        _check_there(store, oid, operation)  # gc may have removed it since
        raise
    return Undone(oid=oid, operation=operation, moves=moves, passed=passed)


def at_operation(store: Store, text: str, *, now: datetime) -> Store:
    """Return the store with its heads, tags and log as they were right after an operation.

    It shares the backend, closes it, and can only be read. Everything else is as it is now.
    """
    oid, _ = find_operation(store, text, now=now)
    with store.backend.frozen() as still:
        newest = still.ref("ops")
        refs = {ref: there for prefix in RECORDED for ref, there in still.refs(prefix)}
    for found, operation in operations(store, start=newest):
        if found == oid:
            break
        for ref, old, _ in operation.moves:
            if old is None:
                refs.pop(ref, None)
            else:
                refs[ref] = old
    past = _Past(store.backend, {**refs, "ops": oid})
    return Store(past, folder=store.folder, project=store.project, shared=store.shared)


class _Past(ReadOnly):
    """A `Backend` whose heads, tags and log are given; it cannot be written."""

    def __init__(self, backend: Backend, refs: Mapping[str, Oid]) -> None:
        self._backend = backend
        self._refs = refs
        self._sorted = sorted(refs.items())
        self.get = backend.get
        self.get_many = backend.get_many
        self.sequence = backend.sequence
        self.close = backend.close

    def oids(self, prefix: str = "") -> Iterator[Oid]:
        return self._backend.oids(prefix)

    def oids_many(self, prefixes: Iterable[str]) -> Iterator[Oid]:
        return self._backend.oids_many(prefixes)

    def ref(self, name: str) -> Oid | None:
        return self._refs.get(name) if _is_past(name) else self._backend.ref(name)

    def refs(
        self, prefix: str = "", *, newest_first: bool = False, below: str | None = None
    ) -> Iterator[tuple[str, Oid]]:
        now = (
            item
            for item in self._backend.refs(prefix, newest_first=newest_first, below=below)
            if not _is_past(item[0])
        )
        then = refs_among(self._sorted, prefix, newest_first=newest_first, below=below)
        return merge(then, now, key=itemgetter(0), reverse=newest_first)

    def lease(self, name: str) -> Lease | None:
        """Take a lease of the present: a run that goes on is owned, whoever looks at what."""
        return self._backend.lease(name)

    def refusal(self) -> OrkError:
        return UsageError(
            "the past can only be read", hint="`ork undo` and `ork rollback` go back to it"
        )

    @contextmanager
    def frozen(self) -> Iterator[_Past]:
        with self._backend.frozen() as still:
            yield _Past(still, self._refs)


def _is_past(name: str) -> bool:
    return name == "ops" or name.startswith(RECORDED)


def _standing(store: Store, *, undos: bool) -> tuple[Oid, Operation]:
    """Return the newest operation that was not undone: an undo, or one that is none."""
    # The moves that were taken back, and are older: by a redo those of an undo, by an undo those of
    # another operation, or None for either where one was named. Some undo a part of an operation.
    undone: Counter[tuple[bool | None, Move]] = Counter()
    for oid, operation in operations(store):
        if not _has_moved(operation):  # gc and forget take away for good
            continue
        words = operation.words
        took_back = words[:1] == ("undo",)
        redo = "--redo" in words
        is_undo = took_back and not redo
        left: list[Move] = []
        for move in operation.moves:
            keys = (is_undo, move), (None, move)
            if taken := next((key for key in keys if undone[key]), None):
                undone[taken] -= 1
            else:
                left.append(move)
        if left and is_undo == undos:
            return oid, replace(operation, moves=tuple(left))
        if took_back:
            named = any(not word.startswith("-") for word in words[1:])
            undone.update((None if named else redo, move) for move in _inverse(tuple(left)))
    if undos:
        raise NotFound("there is nothing to redo: no undo is left that was not undone itself")
    raise NotFound("there is nothing to undo: no head and no tag has moved, or all is undone")


def _passed(store: Store) -> tuple[str, ...]:
    """Return the commands of gc that are newer than all that can be undone.

    Raise UsageError when one of something else took away for good.
    """
    passed = []
    for _, newest in operations(store):
        if _has_moved(newest):
            break
        if any(ref.startswith("forgotten/") for ref, _, _ in newest.moves):
            oid, operation = _standing(store, undos=False)
            raise UsageError(
                f"`{newest.command}`, the newest operation, cannot be undone: what it took away"
                " is gone for good",
                hint=f"`ork undo {store.short(oid)}` takes back the one before:"
                f" {operation.command}",
            )
        passed.append(newest.command)
    return tuple(passed)


def _inverse(moves: Moves) -> Moves:
    return tuple((ref, new, old) for ref, old, new in moves)


def _only(store: Store, oid: Oid, operation: Operation, workflows: Collection[str]) -> Operation:
    """Return an operation with the moves of some workflows alone."""
    short = store.short(oid)
    if _renamed(operation):
        raise UsageError(
            f"{short} has renamed a workflow, which is undone as a whole",
            hint=f"`ork undo {short}`",
        )
    moved = {workflow_of(ref) for ref, _, _ in operation.moves}
    if unknown := [name for name in workflows if name not in moved]:
        raise NotFound(
            f"{short} moved nothing of {some(unknown, 10)}", hint="`ork ops` lists what it moved"
        )
    moves = tuple(move for move in operation.moves if workflow_of(move[0]) in workflows)
    return replace(operation, moves=moves)


def _renamed(operation: Operation) -> set[str]:
    """Return the names that an operation gave or took, each with all that a workflow has."""
    pairs = [ref.split("/")[1:] for ref, _, _ in operation.moves if ref.startswith("former/")]
    return {name for pair in pairs for name in pair}


def _has_moved(operation: Operation) -> bool:
    """Say whether an operation moved a head or a tag."""
    return any(ref.startswith(RECORDED) for ref, _, _ in operation.moves)


def _check_there(store: Store, oid: Oid, operation: Operation) -> None:
    """Raise NotFound when what a ref would go back to has been removed since."""
    gone = [ref for ref, old, _ in operation.moves if old is not None and not store.has(old)]
    if gone:
        raise NotFound(
            f"{store.short(oid)} can no longer be undone: `ork gc` has removed where"
            f" {display(gone[0])} was before",
            hint="it removes what was not needed for 30 days, or as many as --undo-days says",
        )


def _check_unmoved(store: Store, oid: Oid, operation: Operation, *, redo: bool) -> None:
    moved = [ref for ref, _, new in operation.moves if store.ref(ref) != new]
    if not moved:
        return
    words = ", ".join(map(display, moved[:10])) + (" and more" if len(moved) > 10 else "")
    if redo and len(moved) == len(operation.moves):
        since_then = f"{words} moved after the newest undo, {store.short(oid)}"
        raise NotFound(f"there is nothing to redo: {since_then}", hint="`ork ops` lists every move")
    if all(store.ref(ref) == old for ref, old, _ in operation.moves):
        raise Conflict(
            f"{store.short(oid)} is undone already: its refs are where they were before it",
            hint="to have it again, `ork undo` what took it back; `ork ops` lists both",
        )
    since = takewhile(lambda entry: entry[0] != oid, operations(store))
    later = (entry for entry in since if any(ref in moved for ref, _, _ in entry[1].moves))
    newest = next(later, None)
    message = f"{words} moved after {store.short(oid)}; nothing was undone"
    if newest is None:
        raise Conflict(message, hint="`ork ops` lists every move")
    short, gone = store.short(newest[0]), {workflow_of(ref) for ref in moved}
    others = sorted({workflow_of(ref) for ref, _, _ in operation.moves} - gone)
    named = " ".join(others) if len(others) <= NAMED_MAX else "WORKFLOW..."
    rest = f"; `ork undo {store.short(oid)} {named}` undoes what nobody has moved since"
    raise Conflict(
        f"{message}\nthe newest that moved it: {short}  {newest[1].command}",
        hint=f"undo what came later first, newest first: `ork undo {short}`"
        f"{rest if others and not _renamed(operation) else ''}",
    )


def _check_runs_follow(store: Store, oid: Oid, operation: Operation) -> None:
    """Raise Conflict when something has run by the name that would go: runs keep their names.

    What has come from elsewhere since counts where a schedule started it: no slot is fired twice.
    """
    for ref, _, new in operation.moves:
        if not ref.startswith("former/"):
            continue
        now, other = ref.split("/")[1:] if new else reversed(ref.split("/")[1:])
        newest = next(store.refs(f"runs/{now}/", newest_first=True), None)
        if newest is not None and newest[0] >= id_time(operation.time):
            name = f"{now}#{store.get(Run, newest[1]).number}"
            raise Conflict(
                f"{name} ran after {store.short(oid)}, and keeps that name: `ork runs {other}`"
                " would not list it; nothing was undone",
                hint=f"`ork mv {now} {other}` gives the name back with all runs",
            )
        if new and (fired := _fired(store, now, since=store.get(Deploy, new).time)):
            raise Conflict(
                f"{fired.name} was started for {fired.scheduled:%Y-%m-%d %H:%M} UTC, and {other}"
                " would be started for it again; nothing was undone",
                hint=f"`ork mv {now} {other}` gives the name back with all runs",
            )
        if busy := at_work(store, now):
            raise busy


def _fired(store: Store, workflow: str, *, since: datetime) -> Run | None:
    """Return the newest run by a name and since a moment that a schedule started, here or not."""
    for run_id, oid in store.refs(f"runs/{workflow}/", newest_first=True):
        if run_id < id_time(since):
            break
        if (run := store.get(Run, oid, keep=False)).scheduled:
            return run
    return None


def _from_to(old: Oid | None, new: Oid | None) -> str:
    if old is None:
        return "created"
    return "removed" if new is None else f"{old[:12]} -> {new[:12]}"


def meaning(ref: str, new: Oid | None) -> str | None:
    """Return what it says that a ref is there, or no more; None of one that leads to a deploy."""
    space = ref.partition("/")[0]
    if space == "paused":
        return "goes on" if new is None else "is paused"
    if space == "archived":
        return f"{'is no longer' if new is None else 'is'} archived"
    if space == "forgotten":  # an object, which is there still, with something else in it
        return "has [forgotten] in it"
    return None


def display(ref: str) -> str:
    """Return a ref as people write it: etl for a head, etl@v1 for a tag."""
    space, _, rest = ref.partition("/")
    return rest.replace("/", "@", 1) if space == "tags" else rest
