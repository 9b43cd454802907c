"""What a disk may hold after a loss of power, from notes of all that was done to its files.

Certain is what was flushed. Everything else may be there or not, more than any one file system
permits:

- Each sector of 512 bytes of a file is as it was at some moment since it was last flushed: by fsync
  or fdatasync of its file, or by a write through a descriptor that was opened with O_DSYNC.
- Names in a folder (made, renamed, linked, removed) come to the disk in the order in which they
  were changed; how far, each folder decides for itself, unless it was flushed. A file that is moved
  gets its new name first: no file system loses both. To flush a file flushes none of its names,
  although most file systems do.
- A file is as long as its last sector that is there; to shorten one takes effect at once.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

SECTOR = 512
RECORDER = Path(__file__).with_name("recorder.c")
# The process that is recorded: it forks for each command.
_FORKS = """
import subprocess, sys
exec(sys.argv[1])
from ork.cli.app import COMMANDS, find_command
from tests.started import Started
for command in COMMANDS:
    find_command(command)
with open(sys.argv[2], "ab") as told:
    for line in sys.stdin:
        ork = Started(*line.split(), stdin=subprocess.DEVNULL, stdout=told)
        print(ork.wait(), flush=True)
"""
_NOTE = struct.Struct("=BBHHHQQ")


class Note(NamedTuple):
    """One call as the recorder saw it."""

    kind: str  # write, truncate, sync; create, dir, unlink, rename, link: by their first letters
    flushed: bool
    start: int
    path: str
    other: str
    data: bytes


def compile_recorder(folder: Path) -> Path:
    """Return the library to be loaded before a program."""
    library = folder / "recorder.so"
    words = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(RECORDER), "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    return library


def recorded(
    library: Path, below: Path, notes: Path, commands: Iterable[str], *, patch: str = ""
) -> list[Note]:
    """Run commands of ork in `below/project`; return what was done to files below `below`.

    Among it is what they print, to `below/told`. `patch` is Python that is executed first.
    """
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(below),
        "ORK_AUTHOR_NAME": "Ada Lovelace",
        "ORK_AUTHOR_EMAIL": "ada@example.org",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "LD_PRELOAD": str(library),
        "RECORD_BELOW": str(below),
        "RECORD_TO": str(notes),
    }
    told = below / "told"
    told.touch()
    with subprocess.Popen(
        [sys.executable, "-c", _FORKS, patch, str(told)],
        cwd=below / "project",
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as forks:
        assert forks.stdin is not None and forks.stdout is not None
        for words in commands:
            print(words, file=forks.stdin, flush=True)
            assert forks.stdout.readline() == "0\n", words
    return list(_read(notes.read_bytes()))


def _read(data: bytes) -> Iterator[Note]:
    at = 0
    while at < len(data):
        kind, flushed, path, other, _, start, length = _NOTE.unpack_from(data, at)
        at += _NOTE.size
        pieces = []
        for size in (path, other, length):
            pieces.append(data[at : at + size])
            at += size
        names = (os.fsdecode(piece) for piece in pieces[:2])
        yield Note(chr(kind), bool(flushed), start, *names, pieces[2])


@dataclass(eq=False)
class File:
    """The bytes of a file: those that are flushed, and what was written since."""

    flushed: bytearray = field(default_factory=bytearray)
    writes: list[tuple[int, bytes, bool]] = field(default_factory=list)  # start, data, flushed

    def flush(self) -> None:
        for start, data, _ in self.writes:
            _put(self.flushed, start, data)
        self.writes.clear()

    def truncate(self, length: int) -> None:
        self.flush()
        del self.flushed[length:]
        self.flushed.extend(bytes(length - len(self.flushed)))

    def left(self, keeps: Callable[[], Callable[[], bool]]) -> bytes:
        """Return what may be left; `keeps` says of each write, and then of each sector, whether."""
        newest: dict[int, int] = {}  # sector -> the last write of which it has something
        for number, (start, data, flushed) in enumerate(self.writes):
            keep = (lambda: True) if flushed else keeps()
            for sector in range(start // SECTOR, (start + len(data) - 1) // SECTOR + 1):
                if keep():
                    newest[sector] = number
        left = bytearray(self.flushed)
        for number, (start, data, _) in enumerate(self.writes):
            for sector in range(start // SECTOR, (start + len(data) - 1) // SECTOR + 1):
                if number <= newest.get(sector, -1):
                    begin, end = max(start, sector * SECTOR), (sector + 1) * SECTOR
                    _put(left, begin, data[begin - start : end - start])
        return bytes(left)


@dataclass(eq=False)
class Folder:
    """The names in a folder as they are now, and how many changes of them are flushed."""

    names: dict[str, Node] = field(default_factory=dict)
    changes: int = 0
    flushed: int = 0


Node: TypeAlias = "File | Folder"
# Places that get a node, or lose theirs for None.
Change: TypeAlias = "list[tuple[Folder, str, Node | None]]"
Tree: TypeAlias = "dict[str, bytes | Tree]"


class Disk:
    """A folder on a disk: what is certain to be there, and what may be."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self._root = self._found(top)
        self._before = self._copy(self._root)
        self._changes: list[Change] = []

    def _found(self, path: Path) -> Node:
        if not path.is_dir():
            return File(bytearray(path.read_bytes()))
        return Folder({one.name: self._found(one) for one in path.iterdir()})

    def _copy(self, node: Node) -> dict[Folder, dict[str, Node]]:
        if isinstance(node, File):
            return {}
        below = [self._copy(one) for one in node.names.values()]
        return {node: dict(node.names), **{key: one for part in below for key, one in part.items()}}

    def do(self, note: Note) -> None:
        """Do what was noted."""
        folder, name = self._place(note.path)
        node = folder.names.get(name) if name else folder
        if note.kind == "w" and isinstance(node, File):
            node.writes.append((note.start, note.data, note.flushed))
        elif note.kind == "t" and isinstance(node, File):
            node.truncate(note.start)
        elif note.kind == "s" and isinstance(node, File):
            node.flush()
        elif note.kind == "s" and isinstance(node, Folder):
            node.flushed = node.changes
        elif note.kind in "cd":
            self._change([(folder, name, File() if note.kind == "c" else Folder())])
        elif note.kind == "u":
            self._change([(folder, name, None)])
        elif note.kind in "rl":
            target = (*self._place(note.other), node)
            self._change([target] if note.kind == "l" else [target, (folder, name, None)])

    def _place(self, path: str) -> tuple[Folder, str]:
        *above, name = Path(path).relative_to(self.top).parts or ("",)  # itself has no name
        node = self._root
        for part in above:
            assert isinstance(node, Folder)
            node = node.names[part]
        assert isinstance(node, Folder)
        return node, name

    def _change(self, change: Change) -> None:
        self._changes.append(change)
        for folder, name, node in change:
            folder.names.pop(name, None)
            if node is not None:
                folder.names[name] = node
        for folder in {folder for folder, _, _ in change}:
            folder.changes += 1

    def left(self, numbers: random.Random) -> Tree:
        """Return one of the states that a loss of power may leave."""
        chance = numbers.choice([0.0, 0.1, 0.5, 0.9, 1.0])  # with which a write is kept, not torn
        torn = numbers.choice([0.0, 0.5])  # how many of the writes are kept in part

        def keeps() -> Callable[[], bool]:
            if numbers.random() < torn:
                return lambda: numbers.random() < 0.5
            kept = numbers.random() < chance
            return lambda: kept

        names = {folder: dict(before) for folder, before in self._before.items()}
        reach: dict[Folder, int] = {}
        seen: dict[Folder, int] = {}
        for change in self._changes:
            folders = {folder for folder, _, _ in change}
            for folder in folders - reach.keys():
                most = numbers.choice([folder.flushed, folder.changes])
                reach[folder] = numbers.choice([most, numbers.randint(folder.flushed, most)])
            for folder, name, node in change:
                if seen.get(folder, 0) >= reach[folder]:
                    break
                names.setdefault(folder, {}).pop(name, None)
                if node is not None:
                    names[folder][name] = node
            for folder in folders:
                seen[folder] = seen.get(folder, 0) + 1
        return self._tree(self._root, names, keeps)

    def _tree(
        self,
        folder: Node,
        names: Mapping[Folder, Mapping[str, Node]],
        keeps: Callable[[], Callable[[], bool]],
    ) -> Tree:
        assert isinstance(folder, Folder)
        return {
            name: node.left(keeps) if isinstance(node, File) else self._tree(node, names, keeps)
            for name, node in sorted(names.get(folder, {}).items())
        }


def _put(data: bytearray, start: int, piece: bytes) -> None:
    data.extend(bytes(max(0, start - len(data))))
    data[start : start + len(piece)] = piece


def write(tree: Tree, folder: Path) -> None:
    """Let a folder hold just this."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    for name, content in tree.items():
        if isinstance(content, dict):
            write(content, folder / name)
        else:
            (folder / name).write_bytes(content)
            (folder / name).chmod(0o600)
