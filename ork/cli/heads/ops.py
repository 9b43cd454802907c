"""Operations, and what an undo did -> lines."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

from ork.cli.screen import human as words
from ork.cli.screen.line import Line
from ork.cli.screen.parts import AUTHOR_COLUMNS_MIN, author_room, clip, length, person
from ork.cli.session import Session
from ork.errors import Corrupt
from ork.heads.undo import Undone, display
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Operation
from ork.store.store import Store


def ops_view(
    found: Iterable[tuple[Oid, Operation]], store: Store, session: Session
) -> Iterator[Line]:
    """Yield each operation: its oid, time, author and command, then a line per ref that moved."""
    now, width = session.now(), session.width
    for oid, one in found:
        time = words.ago(one.time, now) if width else words.date(one.time, now)
        line: Line = [(store.short(oid), "oid"), "  ", (f"{time:<14}", "time"), "  "]
        if width is None or width >= AUTHOR_COLUMNS_MIN:
            line += [(person(one.author, author_room(width)), "author"), "  "]
        room = width and width - length(line)
        yield [*line, (clip(shlex.join(one.argv), room), "name")]
        yield from _moves(one.moves, store)


def undo_view(done: Undone, store: Store) -> Iterator[Line]:
    """Yield the command that was undone, and the refs that moved back."""
    yield [
        "undid ",
        (store.short(done.oid), "oid"),
        "  ",
        (shlex.join(done.operation.argv), "name"),
    ]
    yield from _moves(done.moves, store)


def _moves(moves: Iterable[tuple[str, Oid | None, Oid | None]], store: Store) -> Iterator[Line]:
    for ref, old, new in moves:
        style = "tag" if ref.startswith("tags/") else "head"
        line: Line = ["          ", (display(ref), style), "  "]
        if old is None:
            yield [*line, (_short(store, new), "oid"), " (created)"]
        elif new is None:
            yield [*line, (_short(store, old), "oid"), " (removed)"]
        elif (same := _short(store, old)) == _short(store, new):
            yield [*line, (same, "oid"), f" ({_besides_content(store, old, new)})"]
        else:
            yield [*line, (same, "oid"), " -> ", (_short(store, new), "oid")]


def _besides_content(store: Store, old: Oid, new: Oid) -> str:
    """Return what a move between two deploys of one snapshot changed."""
    before, after = store.get(Deploy, old).settings, store.get(Deploy, new).settings
    names = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return f"{', '.join(names)} changed" if names else "another deploy of the same content"


def _short(store: Store, oid: Oid | None) -> str:
    """Return the snapshot of a deploy as people see it; the log outlives what it tells of."""
    if oid is None:
        return ""
    try:
        return store.short(store.get(Deploy, oid).snapshot)
    except Corrupt:
        return f"{oid[:8]} (missing)"
