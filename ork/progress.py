"""How far long work has come, for whoever wants to see it; where nobody does, it costs nothing.

What does the work counts what it goes through. It knows nothing of screens, and passes nothing on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Watcher(Protocol):
    """Is told of one piece of work after the other; of work inside of other work it hears too."""

    def begin(self, what: str, *, about: bool) -> bool:
        """Take note of work that begins; return False where that is not of interest.

        Totals are no more than about right, if `about`.
        """
        ...

    def at(self, done: int, total: int) -> None:
        """Take note that so many things are done of so many; 0: nobody knows. Be quick."""
        ...

    def end(self) -> None:
        """Take note that the work has ended, done or not."""
        ...


_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell somebody how far work comes, for the block."""
    before = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(before)
        watcher.end()


@contextmanager
def counting(what: str, *, about: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Give what is to be told how much is done, of how much; `what` as in "checking objects"."""
    watcher = _watcher.get()
    if watcher is None or not watcher.begin(what, about=about):
        yield lambda done, total: None
        return
    try:
        yield watcher.at
    finally:
        watcher.end()


def counted(
    what: str, things: Iterable[T], total: int | Callable[[], int], *, about: bool = False
) -> Iterable[T]:
    """Return the things, and tell as they are taken how many were.

    A total that takes a moment to find is a function, which is called only if somebody watches.
    """
    return things if _watcher.get() is None else _told(what, things, total, about)


def _told(
    what: str, things: Iterable[T], total: int | Callable[[], int], about: bool
) -> Iterator[T]:
    of = total if isinstance(total, int) else total()
    with counting(what, about=about) as tell:
        for done, thing in enumerate(things):
            tell(done, of)
            yield thing
