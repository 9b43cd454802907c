"""What an error of LMDB means to a user, and what to do about it. Does not need LMDB."""

from __future__ import annotations

from ork.backends.datafile import HINT
from ork.errors import Corrupt, StoreError

_DAMAGE = frozenset(
    {"CorruptedError", "InvalidError", "PageNotFoundError", "PanicError", "VersionMismatchError"}
)
_CAUSES = {
    "MapFullError": (
        "the store is full: its memory map has no room left",
        "a new store begins empty; `ulimit -v`, where it is set, makes the map smaller",
    ),
    "DiskError": (
        "the disk is full or failing",
        "make room, then see in `ork log` whether the last change arrived",
    ),
    "LockError": (
        "another process with the same process id has the store open",
        "containers that share a store must share a pid namespace too, or differ in the pid of ork",
    ),
    "MemoryError": (
        "there is not enough address space for the store",
        "raise the limit: `ulimit -v unlimited`",
    ),
    "ReadersFullError": ("too many processes are reading the store", "end some of them"),
    "ReadonlyError": (
        "the store cannot be written",
        "its folder and its files must be writable by you",
    ),
    "BadValsizeError": (
        "a name or an object has a length that cannot be stored",
        "names have at most 500 bytes, objects less than 4 GiB",
    ),
}


def explanation(error: Exception) -> StoreError:
    """Return our error for one of LMDB's."""
    kind = type(error).__name__
    if kind in _DAMAGE:
        return Corrupt(f"the store is damaged ({error})", hint=HINT)
    if kind in _CAUSES:
        message, hint = _CAUSES[kind]
        return StoreError(f"{message} ({error})", hint=hint)
    return StoreError(f"the store failed ({error})")


def forked() -> StoreError:
    """Return the error for any use, in a forked child, of what its parent opened."""
    return StoreError(
        "the store was opened before this process was forked",
        hint="open it in a process of its own, started by `spawn` or as a program",
    )
