"""What goes to another store: refs that were chosen, what they need, the logs of their runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

from ork.backends.base import object_count
from ork.errors import Corrupt, InvalidInput, NotFound, StoreError, UsageError, count, some
from ork.files import is_special, replace_file
from ork.logs.bytes import Bytes, is_log, logs_there, offset_of, opened, unreadable
from ork.objects.canonical import Oid, is_whole, unpack
from ork.objects.kinds import Blob, Object, Run, decode_object
from ork.objects.value import Value
from ork.objects.walk import ENDS, Named, Reached, named, walk
from ork.progress import counted
from ork.store.resolve import (
    deploy_in,
    former_names,
    has_run,
    number_ref,
    resolve,
    run_of,
)
from ork.store.revision import as_word, parse_range
from ork.store.runs import refs_beside, refs_of, runs
from ork.store.store import Store, named_by
from ork.sync.bundle import PIECE_BYTES, LogFile, Size, Source, open_bundle, pieces
from ork.sync.heads import ancestors

RUNS_TOGETHER = 256  # whose refs, or logs, are looked for together
PARTS_TOGETHER = 16  # of logs, each a MiB at most

T = TypeVar("T")


class Wish(Value, frozen=True, kw_only=True):
    """What somebody wants in a bundle.

    `runs` is how many of the newest runs of each workflow; None is all of them.
    """

    revisions: tuple[str, ...] = ()
    all: bool = False
    since: tuple[str, ...] = ()
    runs: int | None = 0
    tags: bool = True


class Selection(Value, frozen=True, kw_only=True):
    """The refs that go, what the receiver must have, and the runs that are left out: they go on."""

    refs: Mapping[str, Oid]
    needs: tuple[Oid, ...]
    going_on: tuple[str, ...]


class Created(Value, frozen=True, kw_only=True):
    """A bundle that was written, read once more: its size, and the runs that are not in it."""

    size: Size | None  # None: it went to a stream
    going_on: tuple[str, ...]

    def cells(self) -> dict[str, object]:
        size = self.size
        return {
            "refs": count(size.refs, "ref") if size else "written",
            "objects": count(size.objects, "object") if size else None,
            "bytes": f"{size.bytes:,} bytes" if size else None,
            "going_on": f"without {some(self.going_on, 3)}" if self.going_on else None,
        }


def create(store: Store, wish: Wish, target: Path | BinaryIO, *, now: datetime) -> Created:
    """Write a bundle into a file, which takes its place when it is complete, or to a stream."""
    chosen = select(store, wish, now=now)
    total = partial(object_count, store.backend) if wish.all else 0
    needs = needed(store, chosen.refs, chosen.needs)
    objects = counted("writing objects", needs, total, about=True)
    source = Source(chosen.refs, objects, logs_of(store, chosen.refs))
    written = pieces(source, chosen.needs)
    size = None
    if not isinstance(target, Path):
        target.writelines(written)
        target.flush()
    else:
        # Logs and outputs are for the owner of a store alone.
        replace_file(target, written, mode=0o666 if wish.runs == 0 else 0o600)
        if not is_special(target):
            with open_bundle(str(target)) as bundle:
                size = bundle.size
    return Created(size=size, going_on=chosen.going_on)


def select(store: Store, wish: Wish, *, now: datetime) -> Selection:
    """Return the refs that somebody wants; raise NotFound for what is not there."""
    refs: dict[str, Oid] = {}
    going_on: list[str] = []
    texts = list(wish.revisions)
    if wish.all:
        texts += [name for name, _ in store.refs("workflows/")]
    for text in texts:
        if ends := parse_range(text):
            since, revision = as_word(ends[0] or "REVISION"), as_word(ends[1] or "WORKFLOW")
            raise UsageError(
                f"{text} is a range, and a bundle has a history up to a revision",
                hint=f"`ork bundle create FILE {revision} --since {since}` leaves out the rest",
            )
        found = resolve(store, text, now=now)
        if (run_oid := run_of(found)) is not None:
            _add_runs(store, [store.get(Run, run_oid)], refs, going_on)
            continue
        oid, deploy = deploy_in(store, text, None, now=now)
        head = f"workflows/{deploy.workflow}"
        if refs.setdefault(head, oid) != oid:
            raise InvalidInput(
                f"two revisions of {deploy.workflow}, and a workflow has one head",
                hint="name the newer one: the older ones come along",
            )
        names = (deploy.workflow, *former_names(store, deploy.workflow))
        history = set(ancestors(store, [oid])) if wish.tags or len(names) > 1 else set()
        spaces = [f"former/{name}/" for name in names]
        spaces += [f"tags/{deploy.workflow}/"] if wish.tags else []
        for space in spaces:
            there = store.refs(space)
            refs |= {space + rest: target for rest, target in there if target in history}
        if has_run(store, deploy.workflow):
            entries = runs(store, deploy.workflow, limit=wish.runs)
            _add_runs(store, (entry.run for entry in entries), refs, going_on)
    if wish.all and wish.runs != 0:
        for name in store.folders("numbers/"):  # of workflows whose head was taken away, too
            newest = islice(store.refs(f"runs/{name}/", newest_first=True), wish.runs)
            _add_runs(store, _runs_at(store, newest), refs, going_on)
    if not refs:
        raise NotFound("there is nothing to put into a bundle", hint="`ork deploy FILE` first")
    needs = tuple(deploy_in(store, text, None, now=now)[0] for text in wish.since)
    _add_forgotten(store, refs, needs)
    return Selection(refs=refs, needs=needs, going_on=tuple(dict.fromkeys(going_on)))


def _add_forgotten(store: Store, refs: dict[str, Oid], needs: tuple[Oid, ...]) -> None:
    """Add the tombstones of what refs need and the store had to forget, and what these need."""
    known = 0
    while len(store.forgotten) > known:
        gone: set[Oid] = set()
        for _ in needed(store, refs, needs, gone):
            pass
        refs |= {f"forgotten/{oid}": store.forgotten[oid] for oid in gone}
        if len(gone) == known:
            return
        known = len(gone)


def _runs_at(store: Store, found: Iterator[tuple[str, Oid]]) -> Iterator[Run]:
    while page := dict(islice(found, RUNS_TOGETHER)):
        yield from store.get_all(Run, page, keep=False).values()


def _add_runs(
    store: Store, found: Iterable[Run], refs: dict[str, Oid], going_on: list[str]
) -> None:
    """Add the refs of runs, those of many looked up together, or name the run if it goes on."""
    waiting = iter(found)
    while page := list(islice(waiting, RUNS_TOGETHER)):
        going_on += (run.name for run in page if run.ended is None)
        ended = [run for run in page if run.ended is not None]
        wanted = [ref for run in ended for ref in refs_of(run)]
        there = store.refs_at(wanted)
        if lacking := next((ref for ref in wanted if ref not in there), None):
            raise Corrupt(f"the ref {lacking!r} is missing", hint="`ork fsck`")
        pins = {there[number_ref(run.workflow, run.number)]: run for run in ended}
        beside = refs_beside(store, pins)
        for run in ended:
            refs |= {ref: there[ref] for ref in refs_of(run)} | beside[run.id]


def needed(
    store: Store,
    refs: Mapping[str, Oid],
    without: Iterable[Oid] = (),
    gone: set[Oid] | None = None,
) -> Iterator[tuple[Oid, bytes]]:
    """Yield what refs need, as the backend keeps it, each once and after all that it names.

    What the deploys `without` need is left out, and what was forgotten is added to `gone`. Each is
    checked before it is given. No recursion: memory holds 32 bytes for each object, and the way
    from a ref down to where it is.
    """
    left_out = Reached()
    roots = (Named(oid, "deploy") for oid in without)
    for _ in walk(partial(read_naming, store), roots, left_out):
        pass
    done: set[bytes] = set()
    for ref, oid in refs.items():
        try:
            yield from _below(
                store, named_by(ref, oid), left_out, done, set() if gone is None else gone
            )
        except Corrupt as error:
            raise _of_run(store, ref, oid, error) from None


def _of_run(store: Store, ref: str, oid: Oid, error: Corrupt) -> Corrupt:
    """Return an error about something that a run needs as one that names the run."""
    if not ref.startswith("runs/"):
        return error
    name = ref
    with suppress(Corrupt):
        name = store.get(Run, oid).name
    return Corrupt(
        f"{name} is not whole: {error.message}",
        hint="`ork gc --damaged` says which runs lack something and, with --prune, removes them",
    )


def _below(
    store: Store, root: Named, left_out: Reached, done: set[bytes], gone: set[Oid]
) -> Iterator[tuple[Oid, bytes]]:
    path: list[tuple[Oid, list[Named]]] = []
    one: Named | None = root
    while path or one:
        if one is not None:
            key = bytes.fromhex(one.oid)
            if key not in done and one.oid not in left_out:
                done.add(key)
                if one.oid in store.forgotten:
                    gone.add(one.oid)
                else:
                    path.append((one.oid, _links(store, one)))
        elif path:
            oid, _ = path.pop()
            yield oid, _whole(store, oid)
        one = path[-1][1].pop() if path and path[-1][1] else None


def _links(store: Store, one: Named) -> list[Named]:
    """Return what an object names, last first; what may be gone only if it is there."""
    if one.kind in ENDS:
        return []
    value = decode_object(unpack(one.oid, _whole(store, one.oid)))
    found = [below for below in named(value, one.kind) if not below.weak or store.has(below.oid)]
    return found[::-1]


def read_naming(store: Store, batch: list[Named]) -> dict[Oid, Object]:
    """Return those of these objects that may name others."""
    return {one.oid: store.read(one.oid, keep=False) for one in batch if one.kind not in ENDS}


def _whole(store: Store, oid: Oid) -> bytes:
    stored = store.backend.get(oid)
    if stored is None and oid in store.held:
        return store.held[oid]
    if stored is None:
        raise Corrupt(
            f"object {oid} is missing from the store",
            hint="`ork fsck` says what suffers; if `ork gc` runs beside, try again",
        )
    if not is_whole(oid, stored):
        raise Corrupt(
            f"object {oid} is damaged: its bytes do not match its name", hint="`ork fsck`"
        )
    return stored


def logs_of(store: Store, refs: Iterable[str]) -> Iterator[LogFile]:
    """Yield the logs of the runs among some refs, sorted by their paths; what is gone is passed."""
    # With the slash at the end, which sorts after a hyphen: the order is that of whole paths.
    places = sorted(ref.partition("/")[2] + "/" for ref in refs if ref.startswith("runs/"))
    if store.shared:
        yield from _in_store(store, places)
        return
    for place in places:
        workflow, run_id, _ = place.split("/")
        for name in logs_there(store, workflow, run_id):
            path = f"{workflow}/{run_id}/{name}"
            try:
                with suppress(FileNotFoundError), opened(store, path) as file:
                    length = file.size()
                    yield LogFile(path, length, _exactly(file, length, path), file.changed())
            except PermissionError as error:
                raise unreadable(path, error) from None


def _in_store(store: Store, places: Iterable[str]) -> Iterator[LogFile]:
    """Yield the logs that a store itself has of some runs, with few questions to it."""
    waiting = iter(places)
    while some := list(islice(waiting, RUNS_TOGETHER)):
        parts: dict[str, list[tuple[int, Oid]]] = {}
        for ref, oid in store.backend.refs_many([f"logs/{place}" for place in some]):
            path, _, offset = ref.removeprefix("logs/").rpartition("/")
            if is_log(path.rpartition("/")[2]):
                parts.setdefault(path, []).append((offset_of(offset), oid))
        files = iter(sorted(parts, key=str.encode))
        while few := list(islice(files, PARTS_TOGETHER)):
            ends = store.get_all(Blob, {path: parts[path][-1][1] for path in few})
            for path in few:
                end = parts[path][-1][0], ends[path].data
                length = end[0] + len(end[1])
                yield LogFile(path, length, _joined(store, path, parts[path][:-1], end))


def _joined(
    store: Store, path: str, parts: list[tuple[int, Oid]], end: tuple[int, bytes]
) -> Iterator[bytes]:
    """Yield the parts of a log one after the other; the last is at hand."""
    follows = [*(offset for offset, _ in parts), end[0]][1:]
    at = 0
    for (offset, oid), after in zip(parts, follows, strict=True):
        piece = store.blob(oid)[: after - offset]
        if offset != at or offset + len(piece) != after:
            break
        yield piece
        at = after
    if at != end[0]:
        raise StoreError(f"a part of the log {path} is missing", hint="`ork fsck`")
    yield end[1]


def _exactly(file: Bytes, length: int, path: str) -> Iterator[bytes]:
    at = 0
    while at < length:
        piece = file.read(min(length - at, PIECE_BYTES), at)
        if not piece:
            raise StoreError(f"the log {path} became shorter while it was read", hint="try again")
        at += len(piece)
        yield piece


def reading(place: object, pieces: Iterable[T]) -> Iterator[T]:
    """Yield what is read of a place; that it cannot be read is no fault of who takes it."""
    try:
        yield from pieces
    except OSError as error:
        raise StoreError(f"{place} cannot be read: {error.strerror}") from None
