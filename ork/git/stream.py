"""The history of a workflow -> a stream for `git fast-import`, the same wherever it is made.

Each deploy by first parents becomes one commit: the workflow file at its path, its code below its
folder, the author, the time and the message of the deploy, and ork's trailers. Nothing else goes
into a commit, so equal deploys give equal commit ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ork.errors import InvalidInput
from ork.git.commit import ident, message_of, place_of, seconds
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy
from ork.objects.shapes import is_path
from ork.objects.snapshot import FileEntry, FileMap, changes
from ork.store.resolve import head, history
from ork.store.store import Store
from ork.store.text import join_text, text_of

_FILE, _EXECUTABLE = "100644", "100755"
_Delta = dict[str, "tuple[str, Oid] | None"]  # path -> mode and content, None when it goes


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the files of a deploy lie in its commit, and what they are."""

    path: str
    root: str
    files: FileMap


@dataclass(slots=True)
class Stream:
    """The commits of one workflow; iterating gives the bytes and fills in `marks`, once."""

    store: Store
    workflow: str
    ref: str
    tags: Mapping[str, Oid] = field(default_factory=dict)  # label -> deploy: written as refs/tags
    marks: dict[Oid, int] = field(default_factory=dict)  # deploy -> its commit, oldest first
    _blobs: dict[Oid, int] = field(default_factory=dict)
    _count: int = 0

    def __iter__(self) -> Iterator[bytes]:
        head(self.store, self.workflow)
        deploys = [oid for oid, _ in history(self.store, self.workflow)]
        yield b"feature done\n"
        before: tuple[Deploy, _Place] | None = None
        for oid in reversed(deploys):
            deploy = self.store.get(Deploy, oid)
            place = self._place(deploy)
            yield from self._commit(oid, deploy, place, before)
            before = deploy, place
        for label, oid in self.tags.items():
            if oid in self.marks:
                yield f"reset refs/tags/{label}\nfrom :{self.marks[oid]}\n\n".encode()
        yield b"done\n"

    def _place(self, deploy: Deploy) -> _Place:
        path = place_of(str(deploy.source["path"]))
        _check(deploy, path)
        files = self.store.snapshot(deploy.snapshot).files
        return _Place(path, path.rpartition("/")[0], files)

    def _commit(
        self, oid: Oid, deploy: Deploy, place: _Place, before: tuple[Deploy, _Place] | None
    ) -> Iterator[bytes]:
        fresh = before is None or before[1].path != place.path
        delta = (
            self._whole(deploy, place)
            if before is None or fresh
            else self._changes(deploy, place, *before)
        )
        for path, entry in delta.items():
            _check(deploy, path)
            if entry and entry[1] not in self._blobs:
                self._blobs[entry[1]] = self._mark()
                yield _data(f"blob\nmark :{self._count}\n", self._content(deploy, entry[1]))
        self.marks[oid] = self._mark()
        who = f"{ident(deploy.author)} {seconds(deploy.time)} +0000"
        head_lines = f"commit {self.ref}\nmark :{self._count}\nauthor {who}\ncommitter {who}\n"
        yield _data(head_lines, message_of(oid, deploy))
        yield b"deleteall\n" if fresh else b""
        for path, entry in delta.items():
            words = f"M {entry[0]} :{self._blobs[entry[1]]}" if entry else "D"
            yield f"{words} {_quote(path)}\n".encode()
        yield b"\n"

    def _whole(self, deploy: Deploy, place: _Place) -> _Delta:
        delta: _Delta = {_below(place.root, name): _entry(e) for name, e in place.files.items()}
        delta[place.path] = self._source(deploy, place)
        return delta

    def _changes(self, deploy: Deploy, place: _Place, old: Deploy, was: _Place) -> _Delta:
        delta: _Delta = {
            _below(place.root, name): _entry(file) if file else None
            for name, (_, file) in changes(was.files, place.files).items()
        }
        source = self._source(deploy, place)
        if source != self._source(old, was) or place.path in delta:
            delta[place.path] = source
        # What goes first makes room: a file may become a folder.
        return dict(sorted(delta.items(), key=lambda item: (item[1] is not None, item[0])))

    def _source(self, deploy: Deploy, place: _Place) -> tuple[str, Oid]:
        """Return the workflow file, which may be among the captured ones as well."""
        name = place.path.rpartition("/")[2]
        captured = place.files.get(name)
        mode = _FILE if captured is None else _entry(captured)[0]
        return mode, text_of(deploy.source)

    def _content(self, deploy: Deploy, oid: Oid) -> bytes:
        if oid == text_of(deploy.source):
            return join_text(self.store, deploy.source)
        return self.store.blob(oid)

    def _mark(self) -> int:
        self._count += 1
        return self._count


def _entry(file: FileEntry) -> tuple[str, Oid]:
    return _EXECUTABLE if file.executable else _FILE, file.blob


def _below(root: str, name: str) -> str:
    return f"{root}/{name}" if root else name


def _check(deploy: Deploy, path: str) -> None:
    """Refuse what git would not write out, or would write elsewhere."""
    if not is_path(path) or any(part.lower() in (".git", "git~1") for part in path.split("/")):
        raise InvalidInput(
            f"git cannot hold the file {path!r} of a deploy of {deploy.workflow} "
            f"({deploy.snapshot[:12]})",
            hint="`ork deploy` keeps such a file, git never does: capture it under another name",
        )


def _data(lines: str, data: bytes) -> bytes:
    return b"%sdata %d\n%s\n" % (lines.encode(), len(data), data)


def _quote(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
