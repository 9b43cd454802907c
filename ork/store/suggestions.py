"""The error for a name that means nothing in this store, with names that are like it."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shlex import quote

from ork.alike import alike, did_you_mean, file_meant, meant_or_known
from ork.errors import Corrupt, NotFound, quoted
from ork.objects.kinds import Deploy
from ork.store.contents import newest
from ork.store.operations import head_moves, operations
from ork.store.resolve import REMOTES, apart, head, heads, present_name
from ork.store.revision import ENDINGS, as_word
from ork.store.runs import Names
from ork.store.store import PREFIX_DIGITS_MIN, Store

_LOOKED_AT_MAX = 10_000  # workflows
_SNAPSHOTS_MAX = 200  # of these, in which a part is looked for
NAMED = 3  # in a hint, where several are alike


def unknown(store: Store, name: str) -> NotFound:
    """Return the error for a name that is no workflow and no object, with what is near."""
    if name.endswith(ENDINGS):
        return _file(store, name)
    base = re.split("[@~^#:]", name)[0]
    if base != name and store.ref(f"workflows/{base}"):
        kind = "part" if ":" in name else "run" if "#" in name else "version"
        return NotFound(f"{name} is a {kind}; a workflow is wanted here", hint=f"write {base}")
    if (now := present_name(store, name)) != name:
        return NotFound(f"{name} was renamed to {now}", hint=f"write {now} in its place")
    if next(iter(store.refs(f"numbers/{name}/")), None):
        why = "was never deployed; its runs are unattached"
        if moved := next(head_moves(store, name), None):
            why = "is not deployed any more: its first deploy was undone"
            if moved[1] is not None:
                why = f"has lost its newest deploy, {moved[1]}, when the store was damaged"
        hint = f"`ork runs {name}` lists its runs, `ork deploy FILE` deploys it"
        return NotFound(f"{name} {why}", hint=hint)
    if error := _in_remote(store, name):
        return error
    message = f"no workflow or object named {quoted(name)}"
    if tagged := [one for one in store.folders("tags/") if store.ref(f"tags/{one}/{name}")]:
        tags = " or ".join(f"{workflow}@{name}" for workflow in tagged)
        only = f", or @{name} in a store with one workflow" if len(tagged) == 1 else ""
        return NotFound(message, hint=f"a tag is written as {tags}{only}")
    here = next((name + ending for ending in ENDINGS if os.path.isfile(name + ending)), None)
    names = [one for one, _ in store.refs("workflows/")]
    if here and (names or store.ref("ops") is None):  # else it was perhaps undone
        hint = f"`ork run {quote(here)}` deploys and runs the file of that name"
        return NotFound(f"no workflow named {quoted(name)} is deployed", hint=hint)
    if not names:
        return nothing_deployed(store, f"no workflow named {quoted(name)}: ")
    hint = as_part(store, name) or _part_meant(store, name, names) or ""
    if not hint and len(name) < PREFIX_DIGITS_MIN and re.fullmatch("[0-9a-f]+", name):
        hint = f"an oid needs at least {PREFIX_DIGITS_MIN} digits"
        if name.isdecimal():
            of = names[0] if len(names) == 1 else "NAME"  # alone, `#5` is a comment of the shell
            hint += f"; a run is written {of}#{name}, the version so many back {of}~{name}"
    return NotFound(message, hint=hint or meant_or_known(name, names, at_most=NAMED))


def _in_remote(store: Store, name: str) -> NotFound | None:
    """Return the error for a workflow that a remote has, or calls so, by what was fetched."""
    for place, theirs in store.refs(REMOTES):
        remote, _, there = place.partition("/")
        if there != name:
            continue
        if mine := Names(store).called_here(name, theirs):
            ahead, _ = apart(store, mine, head(store, mine), theirs) or (0, 0)
            hint = (
                f"`ork pull {remote} {name}{' --force' if ahead else ''}` renames it here as well"
            )
            hint += ", `ork undo` gives yours back" if ahead else ""
            return NotFound(f"{name} is {mine} here: {remote} has renamed it", hint=hint)
        hint = f"`ork pull {remote} {name}` brings it, {place} is what was fetched"
        return NotFound(f"no workflow named {quoted(name)} is here, but in {remote}", hint=hint)
    return None


def nothing_deployed(store: Store, before: str = "") -> NotFound:
    """Return the error for a store where no workflow is listed: none yet, or none any more."""
    if next(store.refs("workflows/"), None):
        return NotFound("all workflows are archived", hint="`ork workflows --all` lists them")
    moves = (ref for _, one in operations(store) for ref, _, _ in one.moves)
    if any(ref.startswith("workflows/") for ref in moves):
        told, hint = "is deployed here any more", "`ork undo --redo` takes back the newest undo, "
    else:
        told, hint = "is deployed here yet", ""
    return NotFound(f"{before}nothing {told}", hint=f"{hint}`ork deploy FILE` deploys one")


def _file(store: Store, name: str) -> NotFound:
    """Return the error for the path of a file where a workflow is wanted, with the name of that."""
    path = Path(name)
    sources = {
        workflow: store.project / store.get(Deploy, oid).source.path
        for workflow, oid in islice(store.refs("workflows/"), _LOOKED_AT_MAX)
    }
    if not os.path.exists(path):  # nor can be, of a name that is too long
        hint = file_meant(path, ENDINGS)
        elsewhere = [source for source in sources.values() if source.name == path.name]
        if len(elsewhere) == 1 and elsewhere[0].exists():
            hint = f"did you mean {os.path.relpath(elsewhere[0])}?"
        return NotFound(f"no file and no workflow named {quoted(name)}", hint=hint)
    of_it = [workflow for workflow, source in sources.items() if source == path.absolute()]
    hint = f"`ork deploy {quote(name)}` makes one"
    if of_it:
        hint = f"it is the file of {' and '.join(of_it)}: write that name"
    return NotFound(f"{name} is a file; a workflow is wanted here", hint=hint)


def as_part(store: Store, name: str) -> str | None:
    """Return how a task or code file of this name is written, of the workflows that have it.

    The path of a file may be as it is seen from the working directory.
    """
    found = []
    for workflow, oid in islice(heads(store).items(), _SNAPSHOTS_MAX):
        with suppress(Corrupt):
            deploy = store.get(Deploy, oid)
            snapshot = store.snapshot(deploy.snapshot)
            file = store.project / deploy.source.path
            root = os.path.realpath(file.parent / str(deploy.settings.get("root", ".")))
            names = (os.path.relpath(os.path.abspath(name), root), name)
            parts = [one for one in names if one in snapshot.files or one in snapshot.tasks]
            found += [as_word(f"{workflow}:{one}") for one in parts[:1]]
    return f"a part of a workflow is written {' or '.join(found[:NAMED])}" if found else None


def _part_meant(store: Store, name: str, workflows: list[str]) -> str | None:
    """Return how a part of about this name is written, of the only workflow.

    Unless the name is about that of the workflow.
    """
    if len(workflows) != 1 or alike(name, workflows):
        return None
    if (snapshot := newest(store, workflows[0])) is None:
        return None
    return did_you_mean(name, (*snapshot.tasks, *snapshot.files), form=f"{workflows[0]}:{{}}")
