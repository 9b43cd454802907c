"""Makes a new store of another one: its workflows, tags, runs and logs, and what it had to forget.

In a folder it is there whole or not at all. In a place that a URL names it is filled where it lies,
heads last but for runs; who is interrupted clones again, or pulls the rest.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from ork.backends.address import is_url, public
from ork.errors import InvalidInput, StoreError, UsageError
from ork.failpoints import failpoint
from ork.objects.value import Value
from ork.store import location
from ork.store.store import Stamp
from ork.sync.carrier import Side
from ork.sync.remotes import IS_RIGHT, ORIGIN, add, opened, resolved
from ork.sync.transfer import Choice, Transferred, transfer


class Cloned(Value, frozen=True, kw_only=True):
    """A store that was made, and what it has got."""

    store: str
    origin: str
    brought: Transferred

    def cells(self) -> dict[str, object]:
        return {"store": self.store, "origin": f"of {public(self.origin)}", **self.brought.cells()}


def clone(
    source: str,
    target: str,
    *,
    scheme: str,
    start: Path,
    environ: Mapping[str, str],
    stamp: Stamp,
) -> Cloned:
    """Make a store of another one; both are folders of projects, seen from `start`, or URLs.

    In a folder it is kept as `scheme` says. It remembers the other one as the remote `origin`.
    Raise InvalidInput when there is a store already.
    """
    origin = resolved(source, start=start)
    place = source if is_url(source) else origin
    with opened(place, origin, environ=environ, hint=IS_RIGHT) as other:
        if is_url(target):
            environ = {**environ, "ORK_STORE": target}
            folder = location.of_url(target, environ=environ)
            made = public(target)
            brought = _fill_there(other, folder, made, environ, stamp)
            _remember(folder, origin, start)
        else:
            folder = Path(resolved(target, start=start)) / location.NAME
            made = str(folder)
            brought = _fill_new(other, folder, scheme, origin, environ, stamp)
    return Cloned(store=made, origin=origin, brought=brought)


def _fill_there(
    other: Side,
    folder: Path,
    name: str,
    environ: Mapping[str, str],
    stamp: Stamp,
) -> Transferred:
    location.make(folder, environ=environ)
    with location.open_store(folder, environ=environ) as store:
        if next(store.refs(""), None) is not None:
            raise InvalidInput(
                f"there is a store in {name} already",
                hint="`ork push` brings to it what it lacks, there `ork pull` the rest of a clone",
            )
        return _fill(other, Side(store, name), stamp)


def _fill_new(
    other: Side,
    folder: Path,
    scheme: str,
    origin: str,
    environ: Mapping[str, str],
    stamp: Stamp,
) -> Transferred:
    project = folder.parent
    existed = project.is_dir()
    taken = InvalidInput(
        f"{folder} is there already", hint="`ork pull` takes from another store what is new"
    )
    try:
        project.mkdir(parents=True, exist_ok=True)
        with location.new_store(folder, scheme, taken) as unfinished:
            with location.open_unchecked(unfinished, environ=environ) as store:
                brought = _fill(other, Side(store, str(project)), stamp)
            _remember(unfinished, origin, project)
            failpoint("clone.filled")
        return brought
    except OSError as error:
        raise StoreError(f"{project} cannot be made: {error.strerror}") from None
    finally:
        if not existed and project.is_dir() and not os.listdir(project):
            project.rmdir()


def _fill(other: Side, target: Side, stamp: Stamp) -> Transferred:
    return transfer(other, target, Choice(), direction="clone", stamp=stamp, remote=ORIGIN)


def _remember(folder: Path, origin: str, start: Path) -> None:
    """Keep the name of what was cloned, but for a class of Python, which no file may name."""
    with suppress(UsageError):
        add(folder, ORIGIN, origin, start=start, force=True)
