"""What is said of a name that means nothing in this store, and what may have been meant instead."""

from __future__ import annotations

import re

from ork.errors import NotFound
from ork.store.oplog import head_moves
from ork.store.store import PREFIX_DIGITS_MIN, Store

_NEAR_MAX = 10_000  # names that are looked at


def unknown(store: Store, name: str) -> NotFound:
    """Return the error for a name that is no workflow and no object, with what is near."""
    if name.endswith((".yaml", ".yml", ".json")):
        return NotFound(f"no file and no workflow named {name!r}")
    if next(iter(store.refs(f"numbers/{name}/")), None):
        why = "was never deployed; its runs are unattached"
        if next(head_moves(store, name), None):
            why = "is not deployed any more: its first deploy was undone"
        hint = f"`ork runs {name}` lists its runs, `ork deploy FILE` deploys it"
        return NotFound(f"{name} {why}", hint=hint)
    message = f"no workflow or object named {name!r}"
    if tagged := [one for one in store.folders("tags/") if store.ref(f"tags/{one}/{name}")]:
        tags = " or ".join(f"{workflow}@{name}" for workflow in tagged)
        return NotFound(message, hint=f"there is a tag {tags}")
    names = [one for one, _ in store.refs("workflows/")]
    if not names:
        return NotFound(f"no workflow named {name!r}: nothing is deployed here yet",
                        hint="`ork deploy FILE` deploys one")  # fmt: skip
    hint = near(name, names) or "`ork status` lists the deployed ones"
    if len(name) < PREFIX_DIGITS_MIN and re.fullmatch("[0-9a-f]+", name):
        hint = f"an oid needs at least {PREFIX_DIGITS_MIN} digits"
    return NotFound(message, hint=hint)


def near(name: str, names: list[str]) -> str | None:
    """Return a hint with the names that are like this one, or with the first that there are."""
    from difflib import get_close_matches

    found = get_close_matches(name, names[:_NEAR_MAX], n=3)
    if found:
        return f"did you mean {' or '.join(found)}?"
    return f"there are: {', '.join(names[:10])}" if names else None
