"""Where attempts execute: the project's own folder while it is the snapshot, else a checkout.

Both are folders in which every captured file has the bytes of the snapshot. What the files hold is
read once; from then on `stat` tells whether one was touched.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ork import files
from ork.errors import Corrupt
from ork.objects import kinds
from ork.objects.canonical import Json, hash_bytes
from ork.objects.kinds import Blob, FileEntry, Run, encode_object, is_name, is_path
from ork.store.store import Store
from ork.worktree.folder import FILE_BYTES_MAX

# A file that was written so shortly before it was read may be written once more and keep its time,
# for many file systems count in steps of some milliseconds. Until then its content is compared.
YOUNG_NS = 50_000_000
BYTE_CODE = "__pycache__"
WORK = "work"  # the folder of the store for checkouts
NO_DATA = (".ork", BYTE_CODE)  # is not linked to


class Touch(NamedTuple):
    """What changes whenever a file is written, replaced or made executable."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int
    mode: int


class Place(ABC):
    """The captured files of a snapshot in a folder, and what is known of them."""

    kind: kinds.Place

    def __init__(self, folder: Path, captured: Mapping[str, FileEntry]) -> None:
        self.folder = folder
        self.captured = captured
        self._paths = {path: os.path.join(folder, path) for path in captured}
        self._seen: dict[str, Touch | None] = {}
        self._young: set[str] = set()
        self._unsure: set[str] = set(captured)  # touched since they were read
        self._touched: dict[str, int] = {}  # a path -> the look that found it touched
        self.looks = 0  # how often it was looked

    def look(self) -> None:
        """Find the files that were touched since the last look."""
        self.looks += 1
        for path in self._young - self._unsure:
            before = self._seen[path]
            if not self._holds(path) or self._seen[path] != before:
                self._note(path)
        for path, before in self._seen.items():
            if _touch(self._paths[path]) != before:
                self._note(path)

    def touched_since(self, look: int) -> set[str]:
        """Return the files that a later look found touched."""
        return {path for path, found in self._touched.items() if found > look}

    def wrong(self) -> list[str]:
        """Return the files that do not have the bytes of the snapshot."""
        self._unsure = {path for path in self._unsure if not self._holds(path)}
        return sorted(self._unsure)

    @abstractmethod
    def renew(self) -> list[str]:
        """Make the place fit for the next attempt; return the files that are wrong all the same."""

    def _note(self, path: str) -> None:
        self._seen[path] = _touch(self._paths[path])
        self._touched[path] = self.looks
        self._unsure.add(path)

    def _holds(self, path: str) -> bool:
        """Say whether a file has the bytes of the snapshot, and remember how it was then."""
        entry, name = self.captured[path], self._paths[path]
        touch = self._seen[path] = _touch(name)
        self._young.discard(path)
        if touch is None or bool(touch.mode & stat.S_IXUSR) != entry.executable:
            return False
        try:
            data = files.read_file(name, min(touch.size, FILE_BYTES_MAX), follow=True)
        except OSError:
            return False
        if time.time_ns() - max(touch.modified_ns, touch.changed_ns) < YOUNG_NS:
            self._young.add(path)
        return hash_bytes(encode_object(Blob(data))) == entry.blob and _touch(name) == touch


class Project(Place):
    """The project's own folder. Of what people write nothing is changed: it is fit or it is not."""

    kind = "project"

    def renew(self) -> list[str]:
        """Return the files that are wrong; if none is, no stale byte code stands for one either."""
        if not self._unsure:
            return []
        wrong = self.wrong()
        if not wrong:
            self._forget_byte_code()
        return wrong

    def _forget_byte_code(self) -> None:
        """Remove compiled files that may be older than the captured files that they stand for.

        Python takes one for fresh if its source had the same size in the same second.
        """
        for folder, stems in _modules(self.captured).items():
            parts = [*filter(None, folder.split("/")), BYTE_CODE]
            with suppress(OSError), files.open_folder(self.folder, parts) as at:
                for name in os.listdir(at):
                    source = self._seen.get(stems.get(name.partition(".")[0], ""))
                    if source is None:
                        continue
                    compiled = os.stat(name, dir_fd=at, follow_symlinks=False).st_mtime_ns
                    newest = max(source.modified_ns, source.changed_ns)
                    if compiled // 10**9 <= newest // 10**9:
                        os.unlink(name, dir_fd=at)


class Checkout(Place):
    """A folder below `.ork/work/` that belongs to one run.

    Captured files are read-only, and written again before an attempt if a task has changed them.
    What tasks write beside them stays here; what lay in the project is written there, by the link.
    """

    kind = "checkout"

    def __init__(
        self,
        store: Store,
        run_id: str,
        captured: Mapping[str, FileEntry],
        *,
        root: Path | None,
        other_code: Collection[str] = (),
    ) -> None:
        """Make the folder, or take up what an earlier attempt at the run has left there.

        `root` is the folder to link to, None when there is none. `other_code` are the paths that
        other versions have captured: these are no data, and not linked to.
        """
        for path in captured:
            if not is_path(path):
                raise Corrupt(f"the snapshot has a file entry that is not one: {path!r}")
        self._top = _top(store)
        self._parts = _parts(store, run_id)
        super().__init__(self._top.joinpath(*self._parts), captured)
        self._store, self._root = store, root
        self._other_code = {*other_code}.difference(captured)
        self._linked: dict[str, int] = {}  # a folder -> the time of the real one when it was read
        inner = (_parents(path) for path in (*captured, *self._other_code))
        self._folders = sorted({"", *(folder for parents in inner for folder in parents)})

    def renew(self) -> list[str]:
        """Write what is missing or changed, and link to what is new in the project."""
        for folder in self._folders:
            with self._open(folder, make=True):
                pass
        for folder, paths in groupby(self.wrong(), key=lambda path: path.rpartition("/")[0]):
            self._write(folder, [*paths])
        if self._root is not None:
            for folder in self._folders:
                self._link(self._root / folder, folder)
        return self.wrong()

    def _open(self, folder: str, *, make: bool = False) -> AbstractContextManager[int]:
        parts = [*self._parts, *filter(None, folder.split("/"))]
        return files.open_folder(self._top, parts, make=0o700 if make else None)

    def _write(self, folder: str, paths: list[str]) -> None:
        """Write captured files of one folder; nobody else can write there before they are seen."""
        blobs = self._store.get_all(Blob, {path: self.captured[path].blob for path in paths})
        flags = os.O_WRONLY | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._open(folder) as at:
            for path in paths:
                name = path.rpartition("/")[2]
                files.remove(name, at=at)
                mode = 0o500 if self.captured[path].executable else 0o400
                with open(files.create(name, flags, mode, at=at), "wb") as file:
                    file.write(blobs[path].data)
                self._seen[path] = _touch(self._paths[path])
                self._unsure.discard(path)

    def _link(self, real: Path, folder: str) -> None:
        """Link to what lies in a folder of the project, but for what the checkout has itself."""
        try:
            changed = real.stat().st_mtime_ns
            if self._linked.get(folder) == changed:
                return
            names = os.listdir(real)
        except OSError:
            return  # it is gone: its code is here all the same
        with self._open(folder) as at:
            own = {*os.listdir(at), *NO_DATA}
            for name in names:
                path = f"{folder}/{name}" if folder else name
                if name not in own and path not in self._other_code:
                    os.symlink(real / name, name, dir_fd=at)
        if time.time_ns() - changed > YOUNG_NS:
            self._linked[folder] = changed


def interpreter(settings: Mapping[str, Json], root: Path, environ: Mapping[str, str]) -> str:
    """Return the Python of the tasks: `python:`, ORK_PYTHON, a .venv beside the file, ork's own."""
    chosen = str(settings.get("python") or "") or environ.get("ORK_PYTHON", "")
    if chosen:
        if "/" in chosen:
            return str(root / Path(chosen).expanduser())
        return shutil.which(chosen, path=environ.get("PATH")) or chosen
    beside = root / ".venv" / "bin" / "python"
    # A link that leads nowhere, as after an upgrade of Python, has to be told.
    return str(beside) if os.path.lexists(beside) else sys.executable


def packaged_by(root: Path) -> list[str]:
    """Return the files of a project by which it is installed."""
    from ork.code.python.packages import PACKAGED_BY  # what does not run does without that room

    return [path for path in PACKAGED_BY if (root / path).is_file()]


def modules_of(root: Path, captured: Collection[str]) -> tuple[str, ...]:
    """Return the modules of a project that may be installed from where they are developed."""
    is_file = dict.fromkeys(packaged_by(root), "file")
    if not is_file:
        return ()
    from ork.code.python.packages import package_folders

    folders = package_folders(lambda path: (root / path).read_bytes(), is_file.get)
    starts = "|".join(re.escape(folder) for folder in folders if folder)
    below = (re.sub(f"^(?:{starts})/", "", path).partition("/") for path in captured)
    names = {name if slash else name.removesuffix(".py") for name, slash, _ in below}
    return tuple(sorted(name for name in names if name.isidentifier()))


def checkout_of(store: Store, run: Run) -> Path | None:
    """Return where the checkout of a run lies, None when it has none."""
    folder = _top(store).joinpath(*_parts(store, run.id))
    return folder if folder.is_dir() and not folder.is_symlink() else None


def tidy(store: Store, run: Run) -> Path | None:
    """Remove the checkout of a run that has ended; return it if tasks have left files there."""
    folder = checkout_of(store, run)
    if folder is None or _left(folder, store.snapshot(run.snapshot).files):
        return folder
    *above, name = _parts(store, run.id)
    with suppress(OSError), files.open_folder(_top(store), above) as at:
        files.remove(name, at=at)
    return None


def _modules(paths: Collection[str]) -> dict[str, dict[str, str]]:
    """Return folder -> stem -> path of the Python files."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        folder, _, name = path.rpartition("/")
        if name.endswith(".py"):
            found.setdefault(folder, {})[name.removesuffix(".py")] = path
    return found


def _touch(path: str) -> Touch | None:
    """Return how a file is now, None when it is not there."""
    try:
        now = os.stat(path)
    except (OSError, ValueError):
        return None
    return Touch(now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_mode)


def _left(folder: Path, captured: Collection[str]) -> bool:
    """Say whether a checkout holds a file that is neither captured nor a link."""
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != BYTE_CODE]
        for name in names:
            path = os.path.join(here, name)
            if os.path.relpath(path, folder) not in captured and not os.path.islink(path):
                return True
    return False


def _top(store: Store) -> Path:
    if store.folder is not None:
        return store.folder
    from tempfile import gettempdir  # which only a store in memory needs

    return Path(gettempdir())


def _parts(store: Store, run_id: str) -> list[str]:
    """Return where the checkout lies; the id may come from a store that somebody else has made."""
    if not is_name(run_id):
        raise Corrupt(f"{run_id!r} is not the id of a run")
    return [WORK, run_id] if store.folder else [f"ork-{run_id}"]


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
