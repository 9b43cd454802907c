"""The names of other stores, as a store keeps them; what they name is opened, and moved from or to.

They lie in a file of their own, `.ork/remotes.json`: `config.toml` is written by people, and
writing into it would lose their comments.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from ork.backends.address import ELSEWHERE, is_url, parse_url, public
from ork.errors import InvalidInput, NotFound, StoreError, UsageError
from ork.files import replace_file
from ork.objects.kinds import is_name
from ork.store import location
from ork.store.location import remotes
from ork.store.resolve import agreed_ref, remote_ref
from ork.store.store import Stamp, Store
from ork.sync.carrier import Side
from ork.sync.transfer import Choice, Direction, Transferred, transfer

ORIGIN = "origin"  # what a clone calls the store that it is of
IS_RIGHT = "is it mounted, is its address right?"  # of a store from which something is to come


class Place(NamedTuple):
    """Another store: what it is called in messages, where it is, and its name, if it has one."""

    name: str
    address: str
    remote: str | None = None


def add(folder: Path, name: str, place: str, *, start: Path, force: bool = False) -> str:
    """Keep a name for another store, given from the folder `start`; return where it is.

    Raise InvalidInput when the name leads elsewhere already, unless `force`.
    """
    if not is_name(name):
        raise InvalidInput(
            f"{name!r} is no name for a remote", hint="letters, digits, `_`, `.`, `-`"
        )
    if is_url(place) and public(place) != place:
        raise UsageError(
            f"a URL with a password in it is not kept: {public(place)}",
            hint="leave the password out: PGPASSWORD, ~/.pgpass and service files are read",
        )
    place = resolved(place, start=start)
    _refuse_class(place)
    if is_url(place):
        location.refuse_bytes(place)
    else:
        location.refuse_data(Path(place))
    known = remotes(folder)
    if known.get(name, place) != place and not force:
        raise InvalidInput(
            f"the remote {name} is there already: {known[name]}",
            hint=f"`ork remote rm {name}` first, or --force",
        )
    _write(folder, {**known, name: place})
    return place


def remove(store: Store, folder: Path, name: str) -> str | None:
    """Forget a name, and what was seen there; return where it led.

    A store that is made of a backup has what was seen, and no name. Raise NotFound for a name of
    which there is neither.
    """
    known, spaces = remotes(folder), (remote_ref(name, ""), agreed_ref(name, ""))
    seen = {space + rest: oid for space in spaces for rest, oid in store.refs(space)}
    if name not in known and not seen:
        raise _unknown(name, known)
    with store.transaction() as tx:
        tx.moves |= {ref: (oid, None) for ref, oid in seen.items()}
    if (place := known.pop(name, None)) is not None:
        _write(folder, known)
    return place


def resolved(place: str, *, start: Path) -> str:
    """Return a URL or the path of a folder, seen from another one, as it means the same anywhere.

    Without a password.
    """
    if is_url(place):
        return str(parse_url(place, base=start))
    return os.path.abspath(start / place)


def place_of(folder: Path, text: str | None, *, start: Path) -> Place:
    """Return which store is meant: by a remote, a folder or a URL.

    Without a text it is `origin`, or the only remote that there is.
    """
    known = remotes(folder)
    if text is None:
        text = next(iter(known)) if len(known) == 1 else ORIGIN
    if text in known:
        _refuse_class(known[text])
        return Place(text, known[text], remote=text)
    if is_url(text):
        parse_url(text, base=start)  # which refuses what no remote could be either
        return Place(public(text), text)
    if "/" in text or text in (".", ".."):
        return Place(text, resolved(text, start=start))
    raise _unknown(text, known)


def _refuse_class(place: str) -> None:
    """Raise UsageError for a class of Python, which a file that others wrote could name."""
    if is_url(place):
        found = parse_url(place, base=Path())
        if found.scheme not in ELSEWHERE:
            raise UsageError(
                f"a remote may not name a class of Python, {found.scheme}",
                hint="name it in the command itself, as in `ork push URL`",
            )


def _unknown(name: str, known: Mapping[str, str]) -> NotFound:
    hint = f"known are {', '.join(known)}" if known else "`ork remote add NAME URL|FOLDER`"
    return NotFound(f"there is no remote {name!r}", hint=f"{hint}; a folder has a / in its name")


def _has_files(folder: Path) -> bool:
    """Say whether something is in a folder: where a disk is to be mounted there is nothing."""
    try:
        return any(folder.iterdir())
    except OSError:
        return folder.is_dir()


def _if_missing(
    store: Store,
    folder: Path,
    place: Place,
    direction: Direction,
    *,
    start: Path,
    environ: Mapping[str, str],
) -> str:
    """Say what to do where another store is not there, which may have been there before."""
    if place.remote and next(store.refs(remote_ref(place.remote, "")), None):
        return f"{place.name} was there before: {IS_RIGHT}"
    if direction != "push":
        return IS_RIGHT
    is_project = folder.name == location.NAME
    there = None if is_project else location.elsewhere(folder, environ=environ)
    own = str(there) if there else os.path.relpath(folder.parent if is_project else folder, start)
    ends = map(quote, map(public, (own, place.address)))
    return f"`ork clone {' '.join(ends)}` makes one of this store"


@contextmanager
def opened(
    place: str, name: str, *, environ: Mapping[str, str], hint: str | None = None
) -> Iterator[Side]:
    """Open another store for the block: a project, its `.ork`, or a URL.

    Raise NotFound where there is none, with this hint, if there is one.
    """
    try:
        store = location.open_url(place, environ=environ)
    except NotFound as error:
        raise NotFound(error.message, hint=hint or error.hint) from None
    except StoreError:
        if is_url(place) or _has_files(Path(place)):
            raise
        raise NotFound(f"there is no store in {place}", hint=hint) from None
    with store:
        yield Side(store, name)


def exchange(
    store: Store,
    folder: Path,
    direction: Direction,
    named: str | None,
    choice: Choice,
    *,
    start: Path,
    environ: Mapping[str, str],
    stamp: Stamp,
    force: bool = False,
    dry_run: bool = False,
) -> tuple[Place, Transferred]:
    """Move what is chosen, see `transfer`; return with it which other store that was.

    `folder` is that of the store, `named` what was said of the other one, as seen from `start`.
    Raise UsageError for a fetch of what has no name.
    """
    try:
        place = place_of(folder, named, start=start)
    except NotFound as error:
        if named is None or store.ref(f"workflows/{named.partition('@')[0]}") is None:
            raise
        name = next(iter(remotes(folder)), "REMOTE")
        kind = "tag" if "@" in named else "workflow"
        hint = f"{named} is a {kind}: `ork {direction} {name} {quote(named)}`"
        raise NotFound(error.message, hint=hint) from None
    if direction == "fetch" and place.remote is None:
        raise UsageError(
            f"a fetch remembers what it saw by the name of a remote, and {place.name} has none",
            hint=f"`ork remote add NAME {quote(place.name)}` gives it one, `ork pull` needs none",
        )
    missing = _if_missing(store, folder, place, direction, start=start, environ=environ)
    with opened(place.address, place.name, environ=environ, hint=missing) as other:
        here = Side(store, "this store")
        source, target = (here, other) if direction == "push" else (other, here)
        done = transfer(
            source,
            target,
            choice,
            direction=direction,
            stamp=stamp,
            remote=place.remote,
            force=force,
            dry_run=dry_run,
        )
    return place, done


def _write(folder: Path, known: Mapping[str, str]) -> None:
    text = json.dumps(dict(sorted(known.items())), indent=2) + "\n"
    path = folder / location.REMOTES
    try:
        replace_file(path, [text.encode()], in_store=True)
        os.chmod(path, 0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None
