"""A fetch, pull or push with the store that a remote, a folder or a URL names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ork.errors import NotFound, UsageError
from ork.store.store import Stamp, Store
from ork.sync.carrier import Side
from ork.sync.remotes import Place, opened, place_of, remotes
from ork.sync.transfer import Choice, Direction, Transferred, transfer


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
        if named is None or store.ref(f"workflows/{named}") is None:
            raise
        name = next(iter(remotes(folder)), "REMOTE")
        hint = f"{named} is a workflow: `ork {direction} {name} {named}`"
        raise NotFound(error.message, hint=hint) from None
    if direction == "fetch" and place.remote is None:
        raise UsageError(
            f"a fetch remembers what it saw by the name of a remote, and {place.name} has none",
            hint=f"`ork remote add NAME {place.name}` gives it one, `ork pull` needs none",
        )
    with opened(place.address, place.name, environ=environ) as other:
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
