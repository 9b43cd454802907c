"""Repairs a store: makes a new one beside it of all that can be proven, and puts that in its place.

Nothing is deleted: the data file as it was stays below `.ork/quarantine`. Objects prove themselves
by their hashes, refs by their seals; what other records say is made again from these. It is killed
at any moment without harm, and begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime
from itertools import chain, islice
from pathlib import Path

from ork.backends import anchor
from ork.backends.address import OnDisk
from ork.backends.base import Backend, Remain, object_count, write_all
from ork.errors import Corrupt, InvalidInput, OrkError, StoreError, count, some
from ork.files import lock, make_folder, open_folder, read_file, remove, sync_folder
from ork.objects.canonical import Oid, hash_bytes, is_proven, pack
from ork.objects.kinds import Blob, Deploy, encode_object
from ork.objects.value import Value
from ork.progress import counted
from ork.runner.record import settle
from ork.store import location
from ork.store.location import DATA, Data, Home
from ork.store.operations import record_removal
from ork.store.resolve import newest_number, spent_ref
from ork.store.runs import END_LOST, newest_pin
from ork.store.store import Stamp, Store
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import Examined, fsck
from ork.upkeep.keep import with_logs
from ork.upkeep.rebuild import NAMES_MAX, Rebuilt
from ork.worktree.folder import root_of
from ork.worktree.load import TEXT_BYTES_MAX
from ork.worktree.origin import author

QUARANTINE = "quarantine"
BESIDE = "data.tmp-"  # how the name of a folder begins in which new data are made
PAGE_OBJECTS = 256  # that are read together
_ANCHOR = {"E301", "W302", "W303"}  # what to tell the anchor anew is enough for
_MISSING, _CONFIG = "E101", "E004"


class Repaired(Value, frozen=True, kw_only=True):
    """What was found, what was done about it, step by step, and what is still wrong.

    `refs` has a line for each ref that was made again, moved or left out; the steps sum them up.
    `lost` is, in words, what the store had and has no more.
    """

    before: Examined
    steps: tuple[str, ...]
    refs: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    after: Examined

    def cells(self) -> dict[str, object]:
        return {"after": self.after.cells()["errors"], "steps": count(len(self.steps), "step")}


def repair(
    folder: Path,
    *,
    environ: Mapping[str, str],
    now: datetime,
    say: Callable[[str], None] = lambda _: None,
) -> Repaired:
    """Repair the store in a folder; it must not be open.

    Raise StoreError, with the store as it was, where that cannot be, or where nothing is left of it
    to which a name leads: an empty store in its place would look like a whole one.
    """
    with alone(location.home(folder, environ=environ)):
        return _Repair(folder, environ, now, say).repaired()


class _Repair:
    def __init__(
        self, folder: Path, environ: Mapping[str, str], now: datetime, say: Callable[[str], None]
    ) -> None:
        self._folder, self._environ, self._now, self._say = folder, environ, now, say
        self._steps: list[str] = []

    def _step(self, words: str) -> None:
        self._steps.append(words)
        self._say(words)

    def repaired(self) -> Repaired:
        before = found = fsck(self._folder, environ=self._environ)
        if any(one.code == _CONFIG for one in before.findings):
            found = self._renew_config()
            self._step(f"{location.CONFIG} was written anew")
        codes = {one.code for one in found.findings if one.level != "note" and one.code != "W401"}
        rebuilt: Rebuilt | None = None
        told = anchor.read(self._folder)
        if not codes:
            return Repaired(before=before, steps=tuple(self._steps), after=found)
        if codes - _ANCHOR - {_MISSING}:
            rebuilt = self._rebuild(found.findings)
        else:
            for one in found.findings:
                if one.code == "E301":
                    self._step(f"accepted: {one.message}")
            self._heal_in_place(found.findings)
        changes = rebuilt.changes if rebuilt else {}
        self._spend(told, changes)
        tell_anchor(self._folder, self._environ)
        self._step("the anchor tells of the store as it is now")
        after = fsck(self._folder, environ=self._environ)
        return Repaired(
            before=before,
            steps=tuple(self._steps),
            refs=tuple(changes.values()),
            lost=tuple(rebuilt.lost) if rebuilt else (),
            after=after,
        )

    def _renew_config(self) -> Examined:
        """Write anew what says how to open the store, and check the store with that.

        Raise StoreError, with all as it was, if the data file is whole and not of this form.
        """
        old = self._folder / location.CONFIG
        keep = self._quarantine(Home(folder=self._folder), location.CONFIG)
        with suppress(FileNotFoundError):
            old.rename(keep)
        location.renew_config(self._folder)
        try:
            found = fsck(self._folder, environ=self._environ)
            codes = {one.code: one.message for one in found.findings}
            if "E003" in codes and "E001" not in codes:
                raise StoreError(codes["E003"], hint="perhaps it needs a newer ork")
        except StoreError:
            old.unlink()
            with suppress(FileNotFoundError):
                keep.rename(old)
            raise
        return found

    def _quarantine(self, home: Home, name: str) -> Path:
        """Return where a file of the store is kept that another one replaces."""
        quarantine = home.named(QUARANTINE)
        with suppress(FileExistsError):
            make_folder(quarantine)
        return quarantine / f"{self._now:%Y%m%dT%H%M%S.%f}-{name}"

    def _rebuild(self, findings: tuple[Finding, ...]) -> Rebuilt:
        data = location.on_disk(self._folder, environ=self._environ)
        sequence = data.kind.written(data.at)
        made = data.home.new(BESIDE)
        make_folder(made)
        try:
            data.kind.create(made / DATA)
            rebuilt = self._fill(made / DATA, data, findings)
            keep = self._quarantine(data.home, data.kind.files(data.at)[0].name)
            swap(self._folder, made / DATA, keep=keep, sequence=sequence, environ=self._environ)
        except OrkError:  # the store is as it was
            remove(made)
            raise
        sync_folder(keep.parent)
        remove(made)
        kept = keep.relative_to(data.home.folder.parent)
        self._step(f"the data file as it was is {kept}")
        self._end(rebuilt.endless)
        return rebuilt

    def _fill(self, new: Path, data: Data, findings: tuple[Finding, ...]) -> Rebuilt:
        """Put into a new data file what proves whole in the old one, and what follows from that."""
        with closing(data.kind.open(new)) as backend:
            file_is_whole = not any(one.code.startswith("E0") for one in findings)
            rebuilt = Rebuilt(Store(backend, folder=self._folder), file_is_whole=file_is_whole)
            copied = _copy(data.kind.remains(data.at), backend, rebuilt)
            self._step(f"objects that are whole, copied into a new data file: {copied}")
            self._heal(rebuilt, findings)
            for words in rebuilt.decide():
                self._step(words)
            if data.home.store is None and (told := anchor.read(self._folder)):
                rebuilt.compare(told)
            if next(rebuilt.store.refs(""), None) is None:
                raise StoreError(
                    "no workflow, tag or run was found in what is left of the store: it stays as it"
                    " is",
                    hint="move .ork away, then `ork init --from BACKUP`, or `ork clone` a store"
                    " that has them",
                )
        return rebuilt

    def _heal_in_place(self, findings: tuple[Finding, ...]) -> None:
        """Heal a store that lacks nothing but objects: no other data file would have them."""
        if all(one.code != _MISSING for one in findings):
            return
        with location.open_unchecked(self._folder, environ=self._environ) as store:
            rebuilt = Rebuilt(store, file_is_whole=True)
            for oid in store.backend.oids():
                rebuilt.has(oid)
            self._heal(rebuilt, findings)

    def _heal(self, rebuilt: Rebuilt, findings: tuple[Finding, ...]) -> None:
        """Take missing texts and code from the files they came from, if those have the bytes."""
        store = rebuilt.store
        wanted = {
            one.object for one in findings if one.object and store.backend.get(one.object) is None
        }
        files = (
            files_of(store, self._folder.parent, deploy) for deploy in rebuilt.deploys if wanted
        )
        paths = {path for path, blob in chain.from_iterable(files) if blob in wanted}
        found: dict[Oid, bytes] = {}
        for path in paths:
            with suppress(OSError):
                data = encode_object(Blob(read_file(path, TEXT_BYTES_MAX, follow=True)))
                if (oid := hash_bytes(data)) in wanted:
                    found[oid] = pack(data)
        if found:
            store.backend.write(found, {})
            number = len(found)
            self._step(f"objects taken from files of the project that have their bytes: {number}")

    def _end(self, runs: Collection[str]) -> None:
        """End the runs whose end was lost: the next command would take them for killed."""
        with location.open_unchecked(self._folder, environ=self._environ) as store:
            for run_id in runs:
                with suppress(Corrupt):  # what it executed is lost as well
                    settle(store, now=self._now, why=END_LOST, only=[run_id])

    def _spend(self, told: anchor.Anchor | None, left_out: Iterable[str]) -> None:
        """Let no run get a number again that one had which is lost, as an operation tells.

        Which ones were there is known from the anchor, from refs that lead nowhere now, and from
        logs: each of a run later than all that are left is one of those that are lost.
        """
        with location.open_unchecked(self._folder, environ=self._environ) as store:
            names = [told.pin] if told and told.pin else []
            highest: dict[str, int] = {}
            for ref in (*names, *left_out):
                if ref.startswith("numbers/"):
                    _, workflow, number = ref.split("/")
                    highest[workflow] = max(int(number), highest.get(workflow, 0))
            for workflow in () if store.shared else with_logs(store):
                last = next(store.refs(f"runs/{workflow}/", newest_first=True), ("", None))[0]
                later = sum(run_id > last for run_id in with_logs(store, workflow))
                most = newest_number(store, workflow) + later
                highest[workflow] = max(most, highest.get(workflow, 0))
            spent = {
                spent_ref(workflow, number): f"{workflow}#{number}"
                for workflow, number in highest.items()
                if number > newest_number(store, workflow)
            }
            if not spent:
                return
            by = author(self._environ, self._folder.parent)
            with store.transaction() as tx:
                stamp = Stamp(argv=("ork", "fsck", "--repair"), author=by, time=self._now)
                oid = record_removal(tx, stamp, spent)
                for ref in spent:
                    tx.move(ref, old=None, new=oid)
            names = sorted(spent.values())
            self._step(
                f"runs are lost up to {some(names, NAMES_MAX)}: no other run gets these numbers"
            )


@contextmanager
def alone(home: Home) -> Iterator[None]:
    """Keep out others that make a new data file, and remove what one that was killed has left.

    The kernel lets them in again, however this process ends.
    """
    with open_folder(home.folder) as at:
        if not lock(at):
            words = "another process is making a new data file for this store"
            raise StoreError(words, hint="let it end")
        for path in home.begun(BESIDE):
            remove(path)
        yield


def swap(
    folder: Path, new: Path, *, keep: Path, sequence: int | None, environ: Mapping[str, str]
) -> None:
    """Let a store have the data in a new folder, keep what it had, and tell the anchor.

    Raise StoreError, with the store as it was, while it is open or when it was written meanwhile;
    OSError, with the new data and an anchor that tells nothing, when nobody knows if they stay.
    """
    data = location.on_disk(folder, environ=environ)
    with _untold(folder) if data.home.store is None else nullcontext():
        data.kind.swap(data.at, new, keep=keep, sequence=sequence)
    sync_folder(data.at if data.at.is_dir() else data.at.parent)
    tell_anchor(folder, environ)


@contextmanager
def _untold(folder: Path) -> Iterator[None]:
    """Let the anchor tell nothing for the block, and as before should that raise StoreError.

    Else, killed in there, the new store would seem to have gone back.
    """
    told = anchor.read(folder)
    anchor.reset(folder, None)
    try:
        yield
    except StoreError:
        anchor.reset(folder, told)
        raise


def copy_data(
    store: Store,
    kind: OnDisk,
    new: Path,
    *,
    without: Collection[Oid] = (),
    add: Callable[[dict[str, Oid]], Mapping[Oid, bytes]] = lambda _: {},
) -> int:
    """Make new data of all that a store has, but for some objects; return its sequence number.

    `add` is given the refs, which it may change, and returns what objects come besides.
    """
    kind.create(new)
    with closing(kind.open(new)) as backend, store.backend.frozen() as still:
        every = counted("copying objects", still.oids(), lambda: object_count(still), about=True)
        oids = (oid for oid in every if oid not in without)
        pages = iter(lambda: list(islice(oids, PAGE_OBJECTS)), [])
        write_all(backend, (found for page in pages for found in still.get_many(page).items()))
        refs = dict(still.refs())
        objects = add(refs)
        backend.write(objects, {ref: (None, oid) for ref, oid in refs.items()})
        return still.sequence()


def _copy(remains: Iterator[Remain], backend: Backend, rebuilt: Rebuilt) -> int:
    """Write all objects that prove whole, and remember the refs; return how many objects."""

    def whole() -> Iterator[tuple[Oid, bytes]]:
        for ref, oid, stored, live in remains:
            if ref is not None:
                rebuilt.saw(ref, oid, live=live)
            elif is_proven(oid, stored):
                yield oid, stored

    write_all(backend, whole())
    copied = 0  # what the old file has twice is there once
    for copied, oid in enumerate(backend.oids(), 1):  # noqa: B007
        rebuilt.has(oid)
    return copied


def files_of(store: Store, project: Path, deploy: Oid) -> Iterator[tuple[Path, Oid | None]]:
    """Yield where the text of a deploy and its code lie, each with its blob, as far as is known."""
    with suppress(Corrupt, InvalidInput, ValueError):
        value = store.get(Deploy, deploy, keep=False)
        file = project / value.source.path
        yield file, value.source.blob
        root = root_of(file, value.settings)
        for path, entry in store.snapshot(value.snapshot).files.items():
            yield root / path, entry.blob


def tell_anchor(folder: Path, environ: Mapping[str, str]) -> None:
    """Let the anchor, if there is one, tell of the store as it is now, and of nothing before."""
    if location.elsewhere(folder, environ=environ) is not None:
        return
    anchor.reset(folder, None)
    with location.open_unchecked(folder, environ=environ) as store:
        try:
            store.tell_anchor(newest_pin(store))
        except Corrupt:
            store.tell_anchor()
    if anchor.read(folder) is None:
        raise StoreError(f"{folder / anchor.NAME} cannot be written")
