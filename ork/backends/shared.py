"""One open environment per folder and process, however many handles; none in a forked child.

LMDB must not open a file twice in a process: closing one would drop the locks of the other. And
after a fork the locks and the map are still the parent's. Knows LMDB only as something to close.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any, Generic, Protocol, TypeVar

from ork.backends import causes
from ork.backends.gate import Gate
from ork.errors import StoreError


class Engine(Protocol):
    """What is shared."""

    def close(self) -> None:
        """Release everything, after the transactions of other threads have ended."""


class Handle(Protocol):
    """Who shares it."""

    def refuse(self) -> None:
        """Make every later use raise StoreError."""


E = TypeVar("E", bound=Engine)


class Environment(Generic[E]):
    """An open engine, the gate in front of its writers (None: read only), and who uses it."""

    def __init__(self, folder: Path, engine: E, gate: Gate | None) -> None:
        self.folder = folder
        self.engine = engine
        self.gate = gate
        self.identity = _identity(folder)
        self.handles: set[Handle] = set()
        self.forked = False


_open: dict[tuple[int, int], Environment[Any]] = {}
_lock = Lock()


def join(
    folder: Path, handle: Handle, open_it: Callable[[], tuple[E, Gate | None]]
) -> Environment[E]:
    """Return the environment of a folder with one more handle; open it when it is the first."""
    with _lock:
        environment: Environment[E] | None = _open.get(_identity(folder))
        if environment is None:
            environment = Environment(folder, *open_it())
            _open[environment.identity] = environment
        elif environment.forked:
            raise causes.forked()
        environment.handles.add(handle)
    return environment


def leave(environment: Environment[E], handle: Handle) -> None:
    """Take a handle away; the last one closes the environment. Idempotent."""
    with _lock:
        if handle not in environment.handles:
            return
        environment.handles.remove(handle)
        if environment.handles or environment.forked:
            return
        del _open[environment.identity]
        if environment.gate is not None:
            environment.gate.close()  # waits for the writing thread of this process
        environment.engine.close()


def _identity(folder: Path) -> tuple[int, int]:
    try:
        status = (folder / "data.mdb").stat()
    except OSError as error:
        raise StoreError(f"there is no store in {folder}: {error.strerror}") from None
    return status.st_dev, status.st_ino


def _after_fork() -> None:
    global _lock
    _lock = Lock()  # perhaps held by a thread that the child does not have
    for environment in _open.values():
        environment.forked = True
        if environment.gate is not None:
            environment.gate.forget()
        for handle in environment.handles:
            handle.refuse()


os.register_at_fork(after_in_child=_after_fork)
