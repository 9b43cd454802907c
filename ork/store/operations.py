"""The log of operations: every command that moved heads or tags, newest first.

The log is the chain of parents from the ref `ops`. It tells what was live at a time, which the
parents of deploys cannot: a rollback, an undo, a tag that was moved are in no line of parents.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeAlias

from ork.errors import Ambiguous, NotFound
from ork.objects.canonical import Oid
from ork.objects.kinds import Operation
from ork.objects.value import Value, replace
from ork.store import revision as grammar
from ork.store.resolve import former_names, head
from ork.store.store import Stamp, Store, Transaction

Move: TypeAlias = tuple[str, Oid | None, Oid | None]  # the name of a ref, from where, to where

_CANDIDATES_MAX = 10
_OF_RUN = r"(?P<what>numbers|logs)/(?P<workflow>[^/]+)/(?P<number>[0-9]{1,18})"


class OperationEntry(Value, frozen=True, kw_only=True):
    """One operation in a list of them."""

    oid: Oid
    operation: Operation

    @property
    def revision(self) -> str:
        """The text that means it: its oid."""
        return self.oid

    def cells(self) -> dict[str, object]:
        return self.operation.cells()


def operations(store: Store, *, start: Oid | None = None) -> Iterator[tuple[Oid, Operation]]:
    """Yield the operations that moved heads and tags, newest first or from `start` on back."""
    oid = start or store.ref("ops")
    while oid is not None:  # no recursion: the chain may be long
        operation = store.get(Operation, oid)
        yield oid, operation
        oid = operation.parent


def selected(
    store: Store,
    workflow: str | None = None,
    *,
    author: re.Pattern[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[tuple[Oid, Operation]]:
    """Yield the operations, newest first, that all filters let through.

    Those of a workflow are all that moved a ref of it, also under names that it had, and each has
    the moves of those alone. Raise NotFound for a workflow that there has never been.
    """
    names = {workflow, *former_names(store, workflow)} if workflow else None
    known = names is None
    for oid, operation in operations(store):
        if names is not None:
            moves = tuple(one for one in operation.moves if workflow_of(one[0]) in names)
            if not moves:
                continue
            known, operation = True, replace(operation, moves=moves)
        if (
            (author is None or author.search(operation.author))
            and (since is None or operation.time >= since)
            and (until is None or operation.time <= until)
        ):
            yield oid, operation
    if workflow and not known:
        head(store, workflow)


def find_operation(store: Store, text: str, *, now: datetime) -> tuple[Oid, Operation]:
    """Return the operation that a text means; raise NotFound or Ambiguous, with the candidates.

    It is a prefix of its oid, `@` for the newest, `@{N}` for N operations before that, or
    `@{yesterday}`, `@{2026-11-01}` for the newest that there was at that time.
    """
    if text == "@":
        text = "@{0}"
    if text.startswith("@{") and text.endswith("}"):
        return _counted_or_at(store, text[2:-1], now)
    if not re.fullmatch("[0-9a-f]{4,64}", text):
        hint = "write four or more digits of its oid, or @{2} for the one two before the newest;"
        hint += " `ork ops` lists them"
        if store.ref(f"workflows/{text}"):
            hint = f"`ork undo @ {text}` takes back what the newest did to {text} alone,"
            hint += f" `ork ops {text}` lists what moved it"
        raise NotFound(f"{text!r} does not name an operation", hint=hint)
    found = [entry for entry in operations(store) if entry[0].startswith(text)]
    if not found:
        raise NotFound(f"no operation starts with {text}", hint="`ork ops` lists them")
    if len(found) > 1:
        lines = [f"{oid[:16]}  {one.command}" for oid, one in found[:_CANDIDATES_MAX]]
        raise Ambiguous(f"{text} is the start of several operations", candidates=lines)
    return found[0]


def workflow_of(ref: str) -> str:
    """Return the workflow that a ref is about; each begins with what it says of it."""
    return ref.partition("/")[2].partition("/")[0]


def head_moves(store: Store, workflow: str) -> Iterator[tuple[datetime, Oid | None]]:
    """Yield when the head of a workflow moved and where to, newest first; None: it was removed.

    Before it was renamed, those of the name that it had.
    """
    for _, operation in operations(store):
        made, before = False, renamed_by(operation).get(workflow)
        for ref, old, new in operation.moves:
            if ref == f"workflows/{workflow}":
                made = old is None
                yield operation.time, new
        if made and before:
            workflow = before


def renamed_by(operation: Operation) -> dict[str, str]:
    """Return the names that an operation gave workflows, or gave back, each with the one before.

    One that followed several renames at once had the first of their names.
    """
    befores: dict[str, list[str]] = {}
    for ref, _, new in operation.moves:
        if ref.startswith("former/"):
            name, before = ref.split("/")[1:]
            if new is None:  # the other name is undone
                name, before = before, name
            befores.setdefault(name, []).append(before)
    had = {ref for ref, old, _ in operation.moves if old is not None} if befores else set()
    found = {}
    for workflow in befores:
        names = [workflow]
        for name in names:
            names += [one for one in befores.get(name, ()) if one not in names]
        if its := names[1:]:
            found[workflow] = next((one for one in its if f"workflows/{one}" in had), its[0])
    return found


def removal(store: Store, name: str) -> tuple[Oid, Operation] | None:
    """Return the newest operation that took away for good what has this name.

    That is the ref of a run's number, or `logs/WORKFLOW/NUMBER` for the logs of one that stays.
    """
    move = (name, None, None)
    return next((entry for entry in operations(store) if move in entry[1].moves), None)


def removed(store: Store) -> set[str]:
    """Return the names of all that operations took away for good, as `removal` has them."""
    moves = (move for _, operation in operations(store) for move in operation.moves)
    return {name for name, *ends in moves if ends == [None, None]}


def removed_in_words(store: Store, name: str) -> str | None:
    """Return when `ork gc` removed what has this name; None if no operation says that it did."""
    found = removal(store, name)
    if found is None:
        return None
    oid, operation = found
    return f"removed by gc on {operation.time:%Y-%m-%d} (operation {store.short(oid)})"


def record_removal(tx: Transaction, stamp: Stamp, names: Iterable[str]) -> Oid:
    """Add the operation that took away for good what has these names; return it."""
    parent = tx.store.ref("ops")
    oid = tx.add(stamp.operation(((name, None, None) for name in names), parent))
    tx.move("ops", old=parent, new=oid)
    return oid


def without_runs(moves: Iterable[Move]) -> tuple[list[Move], dict[tuple[str, str], list[int]]]:
    """Return moves without those by which runs went, and the numbers of these.

    The numbers are found by workflow and "runs", or "logs of runs" where their logs alone went.
    """
    others: list[Move] = []
    gone: dict[tuple[str, str], list[int]] = {}
    for move in moves:
        if found := re.fullmatch(_OF_RUN, move[0]):
            what = "logs of runs" if found["what"] == "logs" else "runs"
            gone.setdefault((found["workflow"], what), []).append(int(found["number"]))
        else:
            others.append(move)
    return others, gone


def was_collected(store: Store) -> bool:
    """Say whether `ork gc` has ever removed anything."""
    moves = (operation.moves for _, operation in operations(store))
    return any(not some or some[0][0].startswith(("numbers/", "logs/")) for some in moves)


def _counted_or_at(store: Store, at: str, now: datetime) -> tuple[Oid, Operation]:
    if at.isascii() and at.isdigit():
        for index, entry in enumerate(operations(store)):
            if index == int(at):
                return entry
        raise NotFound(
            f"there are not that many operations: @{{{at}}}",
            hint="`ork ops` lists them, the newest is @{0}",
        )
    moment = grammar.parse_moment(at, now, end_of_day=True)
    for oid, operation in operations(store):
        if operation.time <= moment:
            return oid, operation
    raise NotFound(f"there was no operation yet at {at}", hint="`ork ops` lists them")
