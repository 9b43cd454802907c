"""The files of a git commit, read from its objects; nothing is checked out.

`Committed` goes from commit to commit by what differs between them. `CommittedFiles` is its view of
one folder for a capture, and notes what was looked at, so that one can tell which later changes
can matter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from ork.errors import InvalidInput
from ork.git.binary import Blobs
from ork.objects.kinds import is_path
from ork.objects.snapshot import CodeFile
from ork.worktree.folder import FILE_BYTES_MAX, is_folder, leads_out, too_large

LINKS_MAX = 40  # followed for one path, as Linux does
LINK_BYTES_MAX = 4096
_LINK, _GITLINK = 0o120000, 0o160000
_EXECUTABLE = 0o100


class Entry(NamedTuple):
    """A file, link or submodule in a tree."""

    mode: int
    blob: str

    @property
    def is_file(self) -> bool:
        """Whether it is a file, neither a link nor a submodule."""
        return self.mode not in (_LINK, _GITLINK)


class Change(NamedTuple):
    """One path that two commits do not have in common; `status` is git's letter."""

    path: bytes
    status: str
    entry: Entry | None  # as it is now


Node: TypeAlias = "dict[str, Node] | Entry"


class Committed:
    """The files of one commit. A name that a checkout would refuse, or no UTF-8, is not there."""

    def __init__(self) -> None:
        self.top: dict[str, Node] = {}

    def apply(self, changes: Iterable[Change]) -> None:
        """Go on to the commit with these changes."""
        # What goes first makes room: a file may become a folder.
        for change in sorted(changes, key=lambda change: change.entry is not None):
            parts = _parts(change.path)
            if parts and change.entry is None:
                _remove(self.top, parts)
            elif parts and change.entry is not None:
                _put(self.top, parts, change.entry)

    def find(self, path: str) -> Entry | None:
        """Return the file at a path, links not followed."""
        node: Node | None = self.top
        for part in path.split("/"):
            node = node.get(part) if isinstance(node, dict) else None
        return node if isinstance(node, Entry) else None


class CommittedFiles:
    """The folder of a workflow file in a commit, for `capture`: see `ork.worktree.folder.Files`."""

    def __init__(self, tree: Committed, folder: str, blobs: Blobs) -> None:
        self._tree, self._blobs = tree, blobs
        self._folder = [part for part in folder.split("/") if part]
        self._kinds: dict[str, str | None] = {}
        self._asked: set[str] = set()  # paths, and the folders above them
        self._watched: set[str] = {folder.strip("/")}  # folders of whose names something depends

    def matters(self, changes: Iterable[Change]) -> bool:
        """Say whether these changes touch anything that was looked at."""
        return any(self._touches(change) for change in changes)

    def look_at(self, path: str) -> None:
        """Note that a path, as the repository has it, is looked at by others."""
        self._note(path.split("/"))

    def kind(self, path: str) -> str | None:
        if path not in self._kinds:
            self._kinds[path] = self._kind(path)
        return self._kinds[path]

    def names(self, path: str) -> list[str]:
        where, node = self._walk(path)
        self._watched.add("/".join(where or ()))
        return sorted(node) if isinstance(node, dict) else []

    def is_link(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        where, node = self._walk(folder)
        self._note([*(where or ()), name])
        entry = node.get(name) if isinstance(node, dict) else None
        return isinstance(entry, Entry) and entry.mode == _LINK

    def read(self, path: str) -> CodeFile:
        where, node = self._walk(path)
        if where is None or (node is not None and not self._is_inside(where)):
            raise leads_out(path)
        if node is None:
            raise InvalidInput(f"cannot read {path}: it is not in this commit")
        if isinstance(node, dict):
            raise is_folder(path)
        if node.mode == _GITLINK:
            raise InvalidInput(f"{path} is a submodule, whose files are in another repository")
        data = self._blobs.read(node.blob, FILE_BYTES_MAX)
        if data is None:
            raise InvalidInput(f"cannot read {path}: git does not have its content here")
        if len(data) > FILE_BYTES_MAX:
            raise too_large(path)
        return CodeFile(data=data, executable=bool(node.mode & _EXECUTABLE))

    def _kind(self, path: str) -> str | None:
        where, node = self._walk(path)
        if where is None:
            return "outside"
        if node is None or isinstance(node, dict) or node.mode == _GITLINK:
            self._watched.add("/".join(where))
        if node is not None and not self._is_inside(where):
            return "outside"
        if node is None:
            return None
        return "folder" if isinstance(node, dict) or node.mode == _GITLINK else "file"

    def _touches(self, change: Change) -> bool:
        path = change.path.decode("utf-8", "replace")
        if path in self._asked:
            return True
        if change.status not in ("A", "D", "T"):
            return False
        return any(path[:at] in self._watched for at in _cuts(path))

    def _is_inside(self, where: list[str]) -> bool:
        return where[: len(self._folder)] == self._folder

    def _note(self, parts: list[str]) -> None:
        path = "/".join(parts)
        if path not in self._asked:
            self._asked.update(path[:at] for at in _cuts(path) if at)
            self._asked.add(path)

    def _walk(self, path: str) -> tuple[list[str] | None, Node | None]:
        """Return where a path leads, after links, and what is there; None where it is unknown.

        Unknown is what lies outside of the repository.
        """
        if path.startswith("/"):
            return None, None
        here: list[str] = []
        node: Node | None = self._tree.top
        todo = [*reversed(path.split("/")), *reversed(self._folder)]
        links = 0
        while todo:
            part = todo.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if not here:
                    return None, None
                here.pop()
                node = self._at(here)
                continue
            here.append(part)
            node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                self._note(here + todo[::-1])
                return here + todo[::-1], None
            if isinstance(node, Entry) and node.mode == _LINK:
                self._note(here)
                target = self._target(node)
                links += 1
                if target is None or links > LINKS_MAX:
                    return here, None
                if target.startswith("/"):
                    return None, None
                here.pop()
                node = self._at(here)
                todo.extend(reversed(target.split("/")))
        self._note(here)
        return here, node

    def _at(self, parts: list[str]) -> Node:
        node: Node = self._tree.top
        for part in parts:
            assert isinstance(node, dict)
            node = node[part]
        return node

    def _target(self, link: Entry) -> str | None:
        data = self._blobs.read(link.blob, LINK_BYTES_MAX) or b""
        return None if len(data) > LINK_BYTES_MAX else data.decode("utf-8", "replace")


def _parts(path: bytes) -> list[str]:
    """Return the names of a path; none when it has one that is no text or means something else."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return []
    parts = text.split("/")
    return parts if is_path(text) and ".git" not in map(str.lower, parts) else []


def _put(top: dict[str, Node], parts: list[str], entry: Entry) -> None:
    node = top
    for part in parts[:-1]:
        below = node.get(part)
        if not isinstance(below, dict):
            below = node[part] = {}
        node = below
    node[parts[-1]] = entry


def _remove(top: dict[str, Node], parts: list[str]) -> None:
    chain = [top]
    for part in parts[:-1]:
        below = chain[-1].get(part)
        if not isinstance(below, dict):
            return
        chain.append(below)
    if isinstance(chain[-1].get(parts[-1]), Entry):
        del chain[-1][parts[-1]]
    # git knows no empty folder.
    for node, part in zip(reversed(chain[:-1]), reversed(parts[:-1]), strict=True):
        if node[part] == {}:
            del node[part]


def _cuts(path: str) -> list[int]:
    """Return where the folders above a path end: 0 for the top."""
    return [0, *(at for at, letter in enumerate(path) if letter == "/")]
