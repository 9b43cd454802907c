"""Takes a text, or objects, out of a store for good; the rest goes on under the names that it has.

A new data file is made record by record: without the objects that have the text, with others that
are read in their place, and with tombstones that lead from one to the other. So nothing is left in
pages that are free. Logs are overwritten in place, since records tell where in them an attempt
begins. What is killed on the way is typed again; until then a folder says so.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

from ork import files, mask
from ork.backends import anchor
from ork.errors import Corrupt, NotFound, StoreError, UsageError, count, some
from ork.objects import canonical, redact
from ork.objects.canonical import Oid, unframe
from ork.objects.kinds import (
    Blob,
    Deploy,
    FileLeaf,
    Object,
    OidLeaf,
    Operation,
    Packed,
    Run,
    Tombstone,
    decode_object,
    encode_object,
    kind_of,
    oid_of,
)
from ork.objects.redact import Find
from ork.objects.value import Value
from ork.progress import counted
from ork.store import location
from ork.store.contents import outcomes
from ork.store.location import DATA, UNFINISHED, Data
from ork.store.resolve import history, resolve
from ork.store.runs import all_going_on, params_of
from ork.store.store import Stamp, Store
from ork.upkeep.repair import BESIDE, QUARANTINE, copy_data, files_of, swap
from ork.worktree.load import TEXT_BYTES_MAX

TEXT_CHARACTERS_MIN = mask.VALUE_CHARACTERS_MIN
PIECE_BYTES = 1 << 20
NAMED_MAX = 3  # runs that have the same, in words

T = TypeVar("T")
Where: TypeAlias = Literal["object", "log", "checkout", "quarantine", "note", "ref", "file"]
Action: TypeAlias = Literal["replaced", "overwritten", "removed", "stays"]


class Found(Value, frozen=True, kw_only=True):
    """A place where it is, and what becomes of that; `why` says it of what stays."""

    where: Where
    name: str  # an oid, the name of a ref, a path
    what: str = ""  # in words
    action: Action
    why: str = ""


class Forgotten(Value, frozen=True, kw_only=True):
    """What is found, and when it is `done`, what has become of it.

    `versions` are revisions that for want of it never run again, `runs` those that executed them.
    """

    done: bool
    found: tuple[Found, ...]
    versions: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()

    @property
    def stays(self) -> bool:
        """Whether the store itself still has it afterwards."""
        return any(one.action == "stays" and one.where != "file" for one in self.found)

    def cells(self) -> dict[str, object]:
        found = count(len(self.found), "place")
        return {"done": "taken away" if self.done else "not taken away", "found": found}


def forget(
    folder: Path,
    *,
    environ: Mapping[str, str],
    stamp: Stamp,
    text: str | None = None,
    objects: Sequence[str] = (),
    reason: str = "",
    yes: bool = False,
) -> Forgotten:
    """Say where a text is, in any of the forms that masking knows, or what objects hold.

    With `yes`, take it away and record that as an operation. Raise StoreError, with nothing
    changed, when a run goes on or another process has the store open.
    """
    if text is not None and len(text.strip()) < TEXT_CHARACTERS_MIN:
        raise UsageError(f"a text of less than {TEXT_CHARACTERS_MIN} characters is everywhere")
    find = partial(mask.find, text) if text is not None else lambda _: ()
    with location.open_store(folder, environ=environ) as store:
        data = location.on_disk(folder, environ=environ)
        if yes and (active := all_going_on(store)):
            name = f"{active[0].workflow}#{active[0].number}"
            hint = (
                f"end each `ork up`, and let it end, or `ork cancel {name}`;"
                " of one that was killed `ork runs` takes note"
            )
            raise StoreError(f"{name} goes on", hint=hint)
        search = _Search(store, find, mask.longest(text) - 1 if text is not None else 0)
        search.look()
        for one in objects:
            search.choose(one, stamp)
        own = {os.path.relpath(path, folder) for path in data.kind.files(data.at)} | {anchor.NAME}
        beside = [path for path in _notes(data) if find(path.read_bytes())]
        found = (
            *search.found(),
            *_in_files(store, folder, text, search.replaced, own),
            *(Found(where="note", name=str(path), action="overwritten") for path in beside),
            *search.outside(),
        )
        versions, runs = search.not_run_again()
        if not yes:
            return Forgotten(done=False, found=found, versions=versions, runs=runs)
        marks = search.marks(stamp, reason)
        with _unfinished(data) as made:
            # Also when no object has it: it may stand in a page that is free.
            sequence = _copy(store, search.replaced, marks, stamp, made / DATA, data)
            store.close()
            keep = made / "before"
            swap(folder, made / DATA, keep=keep, sequence=sequence, environ=environ)
            _clean(folder, found, text)
            for path in beside:
                assert text is not None  # which stands in there
                with files.open_folder(path.parent) as at:
                    _overwrite(at, path.name, text)
    return Forgotten(done=True, found=found, versions=versions, runs=runs)


@dataclass(slots=True)
class _Search:
    """What has to go of the objects of a store, and what is read in its place."""

    store: Store
    find: Find
    reach: int  # of what it may stand in, all but one byte
    replaced: dict[Oid, Object] = field(default_factory=dict)
    words: dict[Oid, str] = field(default_factory=dict)
    refs: list[str] = field(default_factory=list)
    stuck: dict[Oid, str] = field(default_factory=dict)
    _trees: list[Oid] = field(default_factory=list)
    _deploys: list[Oid] = field(default_factory=list)
    _runs: list[Oid] = field(default_factory=list)

    def look(self) -> None:
        """Look at all objects, and at the names of all refs."""
        oids = {oid: oid for oid in self.store.backend.oids()}
        for oid, data in counted("looking at objects", self.store.raws(oids), len(oids)):
            kind, _ = unframe(data)
            if kind == "tree":
                self._trees.append(oid)
            elif kind == "deploy":
                self._deploys.append(oid)
            elif kind == "run":
                self._runs.append(oid)
            if self.find(data):
                self._take(oid, decode_object(data))
        self._look_at_texts()
        if self.reach:
            self._look_at_logs()
        self.refs = [ref for ref, _ in self.store.backend.refs() if self.find(ref.encode())]

    def choose(self, text: str, stamp: Stamp) -> None:
        """Add an object that is to go as a whole."""
        found = resolve(self.store, text, now=stamp.time)
        if found.oid in self.store.forgotten:
            raise NotFound(f"{text} is forgotten already")
        value = self.store.read(found.oid)
        new = redact.emptied(value)
        if new is None:
            raise UsageError(
                f"{text} is a {kind_of(value)}, which others need",
                hint="--text forgets a text in all objects",
            )
        if self.store.backend.get(found.oid) is not None:
            self.replaced[found.oid] = new
            self.words[found.oid] = kind_of(value)

    def found(self) -> Iterator[Found]:
        """Yield objects and refs."""
        names = self._names()
        for oid in sorted(self.replaced):
            what = " ".join(filter(None, [self.words[oid], names.get(oid, "")]))
            yield Found(where="object", name=oid, what=what, action="replaced")
        for oid, kind in sorted(self.stuck.items()):
            why = "it is in a name, which others go by"
            yield Found(where="object", name=oid, what=kind, action="stays", why=why)
        for ref in self.refs:
            yield Found(where="ref", name=ref, action="stays", why="a name cannot be changed")

    def outside(self) -> Iterator[Found]:
        """Yield the files of the project, as it was deployed, that still have it."""
        heads = self.store.refs("workflows/")
        files_of_all = (files_of(self.store, self.store.project, head) for _, head in heads)
        for path in sorted({path for found in files_of_all for path, _ in found}):
            with suppress(OSError, ValueError):
                data = files.read_file(path, TEXT_BYTES_MAX, follow=True)
                if self.find(data) or oid_of(Blob(data)) in self.replaced:
                    name = os.path.relpath(path, self.store.project)
                    why = "the file is yours: change it, then deploy"
                    yield Found(where="file", name=name, action="stays", why=why)

    def not_run_again(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the revisions of which a part has to go that runs need, and runs of them."""
        if not self.replaced:
            return (), ()

        @cache
        def is_hit(snapshot: Oid) -> bool:
            with suppress(Corrupt, NotFound):  # what is damaged does not run either
                content = self.store.snapshot(snapshot)
                blobs = (file.blob for file in content.files.values())
                parts = snapshot, *content.tasks.values(), *blobs
                return not self.replaced.keys().isdisjoint(parts)
            return False

        versions = []
        for name, head in self.store.refs("workflows/"):
            with suppress(Corrupt, NotFound):
                for number, (_, deploy) in enumerate(history(self.store, name, head)):
                    if is_hit(deploy.snapshot):
                        versions.append(f"{name}~{number}" if number else name)
        tags = self.store.get_all(Deploy, dict(self.store.refs("tags/")), keep=False)
        versions += [
            name.replace("/", "@") for name, deploy in tags.items() if is_hit(deploy.snapshot)
        ]
        found = (self.store.get(Run, oid, keep=False) for _, oid in self.store.refs("runs/"))
        return tuple(versions), tuple(run.name for run in found if is_hit(run.snapshot))

    def marks(self, stamp: Stamp, reason: str) -> dict[Oid, Tombstone]:
        """Return the tombstones, by what they stand for; raise UsageError if they would have it."""
        marks = {
            oid: Tombstone(
                author=stamp.author,
                object=oid,
                reason=reason,
                replacement=oid_of(new),
                time=stamp.time,
            )
            for oid, new in self.replaced.items()
            if not isinstance(new, Tombstone)
        }
        if any(self.find(encode_object(mark)) for mark in marks.values()) or any(
            self.find(word.encode()) for word in (reason, stamp.author, *stamp.argv)
        ):
            raise UsageError("what is to be forgotten stands in the command, reason or author")
        return marks

    def _take(self, oid: Oid, value: Object) -> None:
        kind = kind_of(value)
        result = redact.redacted(value, self.find)
        if result is None:
            self.stuck[oid] = kind
            return
        self.replaced[oid], outputs = result
        self.words[oid] = kind
        for output, new in outputs.items():
            self.replaced[output] = new
            self.words[output] = "output"

    def _look_at_texts(self) -> None:
        """Look at large texts of workflow files as a whole: it may stand where two chunks meet."""
        seen = set()
        for deploy in self._deploys:
            root = self.store.get(Deploy, deploy, keep=False).source.chunks
            if root is None or root in seen:
                continue
            seen.add(root)
            chunks = list(self.store.named(root).items())
            blobs = {oid: self.store.blob(oid) for _, oid in chunks}
            for (_, oid), inside in self._found_in(chunks, [blobs[oid] for _, oid in chunks]):
                if inside and oid not in self.replaced:
                    self.replaced[oid] = Blob(redact.cover(blobs[oid], inside))
                    self.words[oid] = "blob"

    def _found_in(
        self, parts: Iterable[T], data: Sequence[bytes]
    ) -> Iterator[tuple[T, list[tuple[int, int]]]]:
        """Yield parts of one text, and where in each it stands, be it where two of them meet."""
        spans = self.find(b"".join(data))
        start = 0
        for part, piece in zip(parts, data, strict=True):
            end = start + len(piece)
            inside = ((max(a, start) - start, min(b, end) - start) for a, b in spans)
            yield part, [(begin, last) for begin, last in inside if begin < last]
            start = end

    def _look_at_logs(self) -> None:
        """Cover it in the logs that a store has, by as many bytes: records tell where one begins.

        It may stand where parts meet, which are as long as what was printed in a second.
        """
        covered: dict[Oid, bytearray] = {}
        file, parts = "", list[tuple[Oid, bytes]]()
        for ref, oid in self.store.refs("logs/"):
            before, file = file, ref.rpartition("/")[0]
            parts = [*(parts if file == before else ()), (oid, self.store.blob(oid))]
            for (one, data), inside in self._found_in(parts, [data for _, data in parts]):
                for begin, end in inside:
                    covered.setdefault(one, bytearray(data))[begin:end] = b"*" * (end - begin)
                    self.words[one] = f"log {file}"
            while parts and sum(len(data) for _, data in parts[1:]) >= self.reach:
                del parts[0]
        self.replaced |= {oid: Blob(bytes(data)) for oid, data in covered.items()}

    def _names(self) -> dict[Oid, str]:
        """Return what objects are called that have to go: paths, runs, commands."""
        names: dict[Oid, str] = {}
        for oid, new in self.replaced.items():
            if isinstance(new, Operation):
                names[oid] = f"`{new.command}`"
        for oid in self._trees if self.replaced else ():
            value = self.store.read(oid, keep=False)
            if isinstance(value, OidLeaf):
                names |= {below: name for name, below in value.entries if below in self.replaced}
            elif isinstance(value, FileLeaf):
                names |= {
                    one.blob: path for path, one in value.entries if one.blob in self.replaced
                }
        for oid in self._deploys if self.replaced else ():
            deploy = self.store.get(Deploy, oid, keep=False)
            if oid in self.replaced:
                names[oid] = f"of {deploy.workflow}"
            if deploy.source.blob in self.replaced:
                names[deploy.source.oid] = deploy.source.path
        return names | self._names_of_runs()

    def _names_of_runs(self) -> dict[Oid, str]:
        """Return of which runs objects are that have to go: records, parameters, outputs."""
        holders: dict[Oid, set[tuple[str, int, str]]] = {}
        what = dict.fromkeys(self.replaced, "")
        for oid in self._runs if self.replaced else ():
            run = self.store.get(Run, oid, keep=False)
            parts = {one: "" for one in (oid, run.tasks, run.params) if one}
            with suppress(Corrupt, NotFound):  # what is damaged stays findable
                parts |= {
                    taskrun.output.oid: f":{name}"
                    for name, taskrun in outcomes(self.store, run)
                    if taskrun.output
                }
            for one in parts.keys() & self.replaced.keys():
                whose = run.workflow, run.number, f"{run.name}{parts[one]}"
                holders.setdefault(one, set()).add(whose)
            if run.params in self.replaced and not what[run.params]:
                values = params_of(self.store, run.params)
                has = [key for key, one in values.items() if self.find(canonical.encode(one))]
                what[run.params] = f"parameter {some(has, NAMED_MAX)} "
        return {
            oid: f"{what[oid]}of {some([text for *_, text in sorted(runs)], NAMED_MAX)}"
            for oid, runs in holders.items()
        }


def _in_files(
    store: Store,
    folder: Path,
    text: str | None,
    replaced: Mapping[Oid, Object],
    own: Collection[str],
) -> Iterator[Found]:
    """Yield the files below `.ork`, but `own`, that have a text, and what has to become of each."""
    others = (UNFINISHED, BESIDE, *(f"{one}/" for one in own))  # some are folders
    for path, at, name in _own_files(folder):
        top = path.partition("/")[0]
        if top == QUARANTINE:
            if replaced or _has(at, name, text):
                what = "a copy of the store as it was"
                yield Found(where="quarantine", name=path, what=what, action="removed")
        elif path in own or path.startswith(others):
            continue
        elif top == "work":
            if _has(at, name, text) or _is_one(at, name, replaced):
                yield Found(where="checkout", name=path, action="removed")
        elif _has(at, name, text):
            if top == "logs":
                run = store.ref(path.replace("logs", "runs", 1).rpartition("/")[0])
                what = f"of {store.get(Run, run).name}" if run else ""
                yield Found(where="log", name=path, what=what, action="overwritten")
            elif top == DATA and path.endswith("gate"):
                yield Found(where="note", name=path, action="overwritten")
            else:
                why = "no part of the store: change it yourself"
                yield Found(where="note", name=path, action="stays", why=why)


def _notes(data: Data) -> Iterator[Path]:
    """Yield what says who writes, beside data that lie elsewhere: who was killed has left it."""
    if data.home.store is not None:
        names = (data.at / "gate", data.at.with_name(f"{data.at.name}-gate"))
        yield from (path for path in names if path.is_file())


def _own_files(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Yield the regular files below a folder: path, the folder's descriptor, name. No link."""
    with files.open_folder(folder) as top:
        for base, folders, names, at in os.fwalk(".", dir_fd=top, follow_symlinks=False):
            folders.sort()
            for name in sorted(names):
                if stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                    yield os.path.normpath(os.path.join(base, name)), at, name


def _has(at: int, name: str, text: str | None) -> bool:
    return text is not None and next(_places(at, name, text), None) is not None


def _is_one(at: int, name: str, replaced: Mapping[Oid, Object]) -> bool:
    """Say whether a file has the bytes of an object that has to go as a whole."""
    with suppress(OSError):
        data = files.read_file(name, TEXT_BYTES_MAX, at=at)
        return oid_of(Blob(data)) in replaced
    return False


def _places(at: int, name: str, text: str) -> Iterator[tuple[int, int]]:
    """Yield where a text stands in a file of any size; the places may overlap."""
    keep = mask.longest(text) - 1
    with files.open_file(name, at=at) as file:
        held, start = b"", 0
        while piece := file.read(PIECE_BYTES):
            data = held + piece
            for begin, end in mask.find(text, data):
                yield start + begin, start + end
            held = data[max(0, len(data) - keep) :]
            start += len(data) - len(held)


def _clean(folder: Path, found: Sequence[Found], text: str | None) -> None:
    """Overwrite and remove files."""
    actions = {one.name: one.action for one in found if one.where not in ("object", "ref", "file")}
    for path, at, name in _own_files(folder):
        if actions.get(path) == "removed":
            files.remove(name, at=at)
        elif actions.get(path) == "overwritten" and text is not None:
            _overwrite(at, name, text)


def _overwrite(at: int, name: str, text: str) -> None:
    """Put signs in the place of a text, wherever it stands in a file."""
    places = list(_places(at, name, text))
    file = os.open(name, os.O_WRONLY | os.O_NOFOLLOW, dir_fd=at)
    try:
        for begin, end in places:
            os.pwrite(file, b"*" * (end - begin), begin)
        os.fsync(file)
    finally:
        os.close(file)


@contextmanager
def _unfinished(data: Data) -> Iterator[Path]:
    """Give a folder that says, as long as it is there, that a forgetting has not ended.

    What another one, or another maker of a data file, has left that was killed goes with it.
    """
    before = [*data.home.begun(UNFINISHED), *data.home.begun(BESIDE)]
    made = data.home.new(UNFINISHED)
    files.make_folder(made)
    files.sync_folder(data.home.folder)
    try:
        yield made
    except BaseException:
        files.remove(made)  # nothing was killed: the error says what to do
        raise
    for path in (*before, made):
        files.remove(path)
    files.sync_folder(data.home.folder)


def _copy(
    store: Store,
    replaced: Mapping[Oid, Object],
    marks: Mapping[Oid, Tombstone],
    stamp: Stamp,
    new: Path,
    data: Data,
) -> int:
    """Write a data file with all that stays; return the sequence number of what was copied."""

    def instead(refs: dict[str, Oid]) -> dict[Oid, bytes]:
        objects = Packed()
        moves = ((f"forgotten/{oid}", None, None) for oid in sorted(marks))
        refs["ops"] = objects.add(stamp.operation(moves, refs.get("ops")))
        refs |= {f"forgotten/{oid}": objects.add(mark) for oid, mark in marks.items()}
        for one in replaced.values():
            oid = objects.add(one)
            if isinstance(one, Tombstone):  # nothing but this ref leads to it
                refs[f"forgotten/{one.object}"] = oid
        return objects

    return copy_data(store, data.kind, new, without=replaced, add=instead)
