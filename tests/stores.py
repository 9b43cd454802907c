"""Stores of all kinds, and ways to look at them as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeAlias

import pytest

from ork.backends.lmdb import Lmdb
from ork.backends.memory import Memory
from ork.backends.plain.files import Files
from ork.backends.sqlite import Sqlite
from ork.heads.deploy import Deployed, deploy
from ork.objects.canonical import Oid, hash_bytes, pack
from ork.objects.kinds import (
    TREES,
    Blob,
    Deploy,
    Node,
    Object,
    Operation,
    Run,
    RunLeaf,
    Snapshot,
    Task,
    TaskRun,
    encode_object,
)
from ork.store import location
from ork.store.operations import operations
from ork.store.store import RECORDED, Stamp, Store, Transaction

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
Kinds: TypeAlias = type | tuple[type, ...] | None
ADA = "Ada Lovelace <ada@example.org>"


def stamp(hours: float = 0) -> Stamp:
    """Return a stamp so many hours after noon."""
    return Stamp(time=NOON + timedelta(hours=hours), author=ADA, argv=("ork", "test"))


@pytest.fixture(params=[Memory, Lmdb, Sqlite, Files], ids=lambda kind: kind.__name__.lower())
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, once of each kind."""
    if request.param is Memory:
        opened = Store(Memory())
    else:
        request.param.create(tmp_path / "db")
        opened = Store(request.param.open(tmp_path / "db"))
    yield opened
    opened.close()


@contextmanager
def project_in(folder: Path) -> Iterator[Store]:
    """Open a store of a project in an empty folder, `store.project`."""
    location.create(folder / ".ork")
    opened = Store(location.open_backend(folder / ".ork", environ={}), folder=folder / ".ork")
    yield opened
    opened.close()


def keep_in(
    store: Store,
    text: str,
    *,
    path: str = "etl.yaml",
    message: str | None = None,
    hours: float = 0,
    new: bool = False,
) -> Deployed:
    """Write a workflow file of a project and deploy it."""
    (store.project / path).write_text(text, newline="")
    return deploy(store, store.project / path, stamp=stamp(hours), message=message, new=new)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Store]:
    """A store of a project in an empty folder, `store.project`."""
    folder = tmp_path / "project"
    folder.mkdir()
    with project_in(folder) as opened:
        yield opened


@pytest.fixture
def keep(project: Store) -> Callable[..., Deployed]:
    """Write a workflow file and deploy it: keep(text, message=..., hours=...)."""
    return partial(keep_in, project)


def plant(store: Store, *values: Object, **moves: Oid) -> list[Oid]:
    """Write objects and move refs, named with `__` for `/`, although what they name is missing."""
    objects = {hash_bytes(data): pack(data) for data in map(encode_object, values)}
    refs = {name.replace("__", "/"): new for name, new in moves.items()}
    assert store.backend.write(objects, {ref: (store.ref(ref), new) for ref, new in refs.items()})
    return list(objects)


class Careless(Transaction):
    """A transaction that does not ask for what its objects name: it writes damaged stores."""

    def _needs(self) -> set[Oid]:
        return set()


def contents(store: Store) -> tuple[dict[Oid, bytes | None], dict[str, Oid]]:
    """Return all objects and all refs."""
    backend = store.backend
    return {oid: backend.get(oid) for oid in backend.oids()}, dict(backend.refs())


def reachable(store: Store, *roots: Oid, undo: bool = True) -> set[Oid]:
    """Return every object that these need, all checked and of the kind that they should be.

    Without `undo` what operations moved is not needed.
    """
    fresh = Store(store.backend)  # holds nothing, has nothing cached
    seen: set[Oid] = set()
    todo: list[tuple[Kinds, str | None]] = [(None, oid) for oid in roots]
    while todo:
        kind, name = todo.pop()
        if name is None or name in seen:
            continue
        seen.add(Oid(name))
        value = fresh.read(Oid(name))
        assert kind is None or isinstance(value, kind)
        if isinstance(value, Operation) and not undo:
            todo.append((Operation, value.parent))
        else:
            todo += _named(value)
    return seen


def assert_sound(store: Store) -> None:
    """Assert that the log leads from nothing to the present and that nothing is missing."""
    refs: dict[str, Oid] = {}
    for _, operation in list(operations(store))[::-1]:
        for ref, old, new in operation.moves:
            assert refs.pop(ref, None) == old
            if new is not None:
                refs[ref] = new
    now = contents(store)[1]
    assert refs == {name: oid for name, oid in now.items() if name.startswith(RECORDED)}
    reachable(store, *now.values())


def _named(value: object) -> list[tuple[Kinds, str | None]]:
    if isinstance(value, Deploy):
        parents = [(Deploy, oid) for oid in (*value.parents, value.restores)]
        return [(Snapshot, value.snapshot), (None, value.source.oid), *parents]
    if isinstance(value, Snapshot):
        return [(TREES, value.tasks), (TREES, value.files)]
    if isinstance(value, Node):
        return [(TREES, oid) for _, oid in value.children]
    if isinstance(value, RunLeaf):
        return [named for _, taskrun in value.entries for named in _named(taskrun)]
    if isinstance(value, TREES):
        return [(None, oid) for oid in value.links()]
    if isinstance(value, Run):
        return [
            (Snapshot, value.snapshot),
            (Deploy, value.deploy),
            (Run, value.previous),
            (TREES, value.tasks),
            (Blob, value.environment),
            (Blob, value.params),
        ]
    if isinstance(value, TaskRun):
        return [(Task, value.task), *((None, oid) for oid in value.links())]
    if isinstance(value, Operation):
        return [(Operation, value.parent), *((None, new) for _, _, new in value.moves)]
    return []
