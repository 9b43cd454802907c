"""The texts of a definition: settings, parameters, fields of tasks, code files.

A value counts as it is shown, a text without its quotes; files that are no text are passed over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple, TypeVar

from ork.differences.definitions import declared
from ork.differences.tasks import given_fields
from ork.differences.values import leaves
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Blob, Deploy, Kind, Task
from ork.objects.snapshot import Contents, changes
from ork.store.resolve import Resolved, ResolvedObject, snapshot_of
from ork.store.store import Store
from ork.worktree.lookup import ResolvedFile, bytes_of

TOGETHER = 64  # tasks or code files that are read at once

K = TypeVar("K", bound=Kind)


class Text(NamedTuple):
    """A text of a definition: a value by its path, or a code file."""

    kind: str
    name: str | None
    field: str | None
    text: str


def counts_otherwise(store: Store, text: str, old: Deploy | None, new: Deploy) -> bool:
    """Say whether a deploy has a text more often, or less, than the one before it."""
    after = store.snapshot(new.snapshot)
    if old is None:
        return any(text in one.text for one in _texts(store, _definition(after, new.settings)))
    before = store.snapshot(old.snapshot)
    tasks, files = changes(before.tasks, after.tasks), changes(before.files, after.files)
    sides = [
        _Definition(
            _values(here, deploy.settings),
            {name: oid for name, oids in tasks.items() if (oid := oids[side])},
            {path: file.blob for path, both in files.items() if (file := both[side])},
        )
        for side, (here, deploy) in enumerate(((before, old), (after, new)))
    ]
    was, now = (sum(one.text.count(text) for one in _texts(store, side)) for side in sides)
    return was != now


def texts_of(store: Store, found: Resolved, part: str | None) -> Iterator[Text]:
    """Yield the texts of a revision, or of one task or file of it; "" is the workflow file."""
    if part == "":
        return iter([_of_file(part, bytes_of(store, found) or b"")])
    if part is not None and isinstance(found, ResolvedObject) and found.of is not None:
        found = found.of
    settings: Mapping[str, Json] = {}
    if isinstance(found, ResolvedFile):
        settings = found.loaded.definition.settings
    elif found.deploy:
        settings = store.get(Deploy, found.deploy).settings
    return _texts(store, _definition(store.snapshot(snapshot_of(found)), settings, part))


class _Definition(NamedTuple):
    """What is searched: kind -> values, task -> its oid, path -> the oid of its bytes."""

    values: Mapping[str, Json]
    tasks: Mapping[str, Oid]
    files: Mapping[str, Oid]


def _definition(
    here: Contents, settings: Mapping[str, Json], part: str | None = None
) -> _Definition:
    """Return all of a definition, or one task or file of it."""
    return _Definition(
        _values(here, settings) if part is None else {},
        {name: oid for name, oid in here.tasks.items() if part in (None, name)},
        {path: one.blob for path, one in here.files.items() if part in (None, path)},
    )


def _values(here: Contents, settings: Mapping[str, Json]) -> dict[str, Json]:
    return {"setting": dict(settings), "param": {"params": declared(here.params)}}


def _texts(store: Store, wanted: _Definition) -> Iterator[Text]:
    for kind, value in wanted.values.items():
        for path, leaf in leaves(value):
            if path:
                yield Text(kind, None, path, _shown(leaf))
    for name, task in _read(store, Task, wanted.tasks):
        for path, leaf in given_fields(task).items():
            yield Text("task", name, path, _shown(leaf))
    for path, blob in _read(store, Blob, wanted.files):
        yield _of_file(path, blob.data)


def _of_file(path: str, data: bytes) -> Text:
    text = "" if b"\0" in data else data.decode("utf-8", "replace")
    return Text("file", path, None, text.removesuffix("\n"))


def _read(store: Store, kind: type[K], oids: Mapping[str, Oid]) -> Iterator[tuple[str, K]]:
    names = iter(sorted(oids))
    while page := list(islice(names, TOGETHER)):
        yield from store.get_all(kind, {name: oids[name] for name in page}, keep=False).items()


def _shown(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
