"""The texts of a definition: settings, parameters, fields of tasks, code files.

A value counts as it is shown, a text without its quotes; files that are no text are passed over.
The workflow file as it was written is none of them: how it spells a value is no part of a version.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeVar

from ork.differences.definitions import declared
from ork.differences.tasks import given_fields
from ork.differences.values import leaves
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Blob, Deploy, Kind, Task
from ork.objects.snapshot import Contents, changes
from ork.store.resolve import Resolved, snapshot_of
from ork.store.store import Store
from ork.worktree.lookup import bytes_of, settings_of

TOGETHER = 256  # tasks and code files that are read at once

K = TypeVar("K")
Read = TypeVar("Read", bound=Kind)


class Piece(NamedTuple):
    """What has texts: a task or code file by its oid, a value, or nothing but a name."""

    kind: str
    name: str | None
    oid: Oid | None = None
    value: Json = None


class Text(NamedTuple):
    """A text of a definition: a value by its path, or a code file; None where a name is all."""

    kind: str
    name: str | None
    field: str | None
    text: str | None

    @property
    def printed(self) -> str:
        """The path of a value with the value, as a search prints it."""
        return ": ".join(part for part in (self.field, self.text) if part is not None)


def counts_otherwise(store: Store, text: str, old: Deploy | None, new: Deploy) -> bool:
    """Say whether a deploy has a text more often, or less, than the one before it.

    Looked at is what `grep` prints: names of tasks and code files, paths, values, lines of code.
    """
    after = store.snapshot(new.snapshot)
    sides = [[], [*_pieces(after, new.settings)]]
    if old is not None:
        before = store.snapshot(old.snapshot)
        tasks, files = changes(before.tasks, after.tasks), changes(before.files, after.files)
        sides = [
            [
                *_values(here, deploy.settings),
                *(Piece("task", name, both[at]) for name, both in tasks.items() if both[at]),
                *(Piece("file", path, f.blob) for path, both in files.items() if (f := both[at])),
            ]
            for at, (here, deploy) in enumerate(((before, old), (after, new)))
        ]
    pieces = [(at, one) for at, side in enumerate(sides) for one in side]
    counts = Counter[int]()
    for at, piece in pieces:
        counts[at] += (piece.name or "").count(text)
    for at, one in texts_of(store, pieces):
        counts[at] += one.printed.count(text)
    return counts[0] != counts[1]


def pieces_of(store: Store, found: Resolved, part: str | None) -> Iterator[Piece]:
    """Yield what has texts in a revision, or in a task or file of it; "" is the workflow file."""
    if part == "":
        return iter([Piece("file", part, value=_as_text(bytes_of(store, found) or b""))])
    if part is not None and found.of is not None:
        found = found.of
    return _pieces(store.snapshot(snapshot_of(found)), settings_of(store, found) or {}, part)


def texts_of(store: Store, pieces: Iterable[tuple[K, Piece]]) -> Iterator[tuple[K, Text]]:
    """Yield the texts of pieces, under their keys and in their order; many are read at once."""
    left = iter(pieces)
    while page := list(islice(left, TOGETHER)):
        tasks = _read(store, Task, "task", (piece for _, piece in page))
        files = _read(store, Blob, "file", (piece for _, piece in page))
        for key, piece in page:
            for field, text in _texts(piece, tasks, files):
                yield key, Text(piece.kind, piece.name, field, text)


def _texts(
    piece: Piece, tasks: Mapping[Oid, Task], files: Mapping[Oid, Blob]
) -> Iterator[tuple[str | None, str | None]]:
    if piece.kind == "file":
        yield None, str(piece.value) if piece.oid is None else _as_text(files[piece.oid].data)
    elif piece.oid is not None:
        for path, leaf in given_fields(tasks[piece.oid]).items():
            yield path, _shown(leaf)
    elif piece.value is None:
        yield None, None
    else:
        for path, leaf in leaves(piece.value):
            if path:
                yield path, _shown(leaf)


def _pieces(
    here: Contents, settings: Mapping[str, Json], part: str | None = None
) -> Iterator[Piece]:
    """Yield all of a definition, or one task or file of it."""
    if part is None:
        yield from _values(here, settings)
    for name, oid in sorted(here.tasks.items()):
        if part in (None, name):
            yield Piece("task", name, oid)
    for path, file in sorted(here.files.items()):
        if part in (None, path):
            yield Piece("file", path, file.blob)


def _values(here: Contents, settings: Mapping[str, Json]) -> list[Piece]:
    values: dict[str, Json] = {
        "setting": dict(settings),
        "param": {"params": declared(here.params)},
    }
    return [Piece(kind, None, value=value) for kind, value in values.items()]


def _read(store: Store, kind: type[Read], name: str, pieces: Iterable[Piece]) -> dict[Oid, Read]:
    oids = (piece.oid for piece in pieces if piece.kind == name and piece.oid)
    return store.get_all(kind, {oid: oid for oid in oids}, keep=False)


def _as_text(data: bytes) -> str:
    text = "" if b"\0" in data else data.decode("utf-8", "replace")
    return text.removesuffix("\n")


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
