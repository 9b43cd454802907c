"""The versions of workflow files through a git history, each loaded as a deploy would load it.

Nothing is checked out. A commit matters to a workflow file when it changes the file or anything
that the last capture looked at; then the file is loaded from that commit's tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ork.definition.secrets import secret_problems
from ork.definition.workflow import Definition, parse
from ork.errors import InvalidInput, Problem
from ork.git.binary import Blobs
from ork.git.history import Names
from ork.git.tree import Change, Committed, CommittedFiles
from ork.objects import snapshot
from ork.objects.value import Value
from ork.worktree.capture import capture
from ork.worktree.folder import root_below
from ork.worktree.load import TEXT_BYTES_MAX, Loaded, secrets_in

REMEMBERED_MAX = 4096  # files that are known to have no secrets, from an earlier commit


class Skipped(Value, frozen=True, kw_only=True):
    """A version that was not imported, and all that is wrong with it."""

    commit: str
    path: str
    reason: str
    problems: tuple[Problem, ...] = ()


class Version(Value, frozen=True, kw_only=True):
    """A workflow file as a commit has it."""

    commit: str
    path: str
    file: int  # which of the files that are followed
    loaded: Loaded


@dataclass(slots=True)
class _File:
    number: int
    names: Names
    path: str
    before: str  # its path at the last commit that is not wanted
    seen: CommittedFiles | None = None
    parsed: tuple[str, str, Definition] | None = None  # path and blob, and what they gave


class Versions:
    """Goes through a history once, commit by commit, for several files at the same time."""

    def __init__(self, blobs: Blobs, names: Sequence[Names], after: Sequence[int]) -> None:
        self._tree = Committed()
        self._blobs = blobs
        self._files = [_File(n, one, one.first, one.first) for n, one in enumerate(names)]
        self._after = after  # of each file: the number of the last commit that is not wanted
        self._clean = lru_cache(REMEMBERED_MAX)(lambda data: not secret_problems(data, file=""))

    def of(self, number: int, commit: str, changes: list[Change]) -> Iterator[Version | Skipped]:
        """Yield what the next commit, the one with this number, makes of each file."""
        self._tree.apply(changes)
        for file in self._files:
            renamed = file.names.renames.get(commit)
            file.path = renamed or file.path
            if number <= self._after[file.number]:
                file.before = file.path
                continue
            if file.seen is None or renamed or file.seen.matters(changes):
                try:
                    loaded = self._load(file)
                except InvalidInput as error:
                    yield Skipped(
                        commit=commit,
                        path=file.path,
                        problems=error.problems,
                        reason=_reason(error),
                    )
                    continue
                if loaded:
                    yield Version(commit=commit, path=file.path, file=file.number, loaded=loaded)

    def file_at(self, path: str, number: int) -> int | None:
        """Return which file has this path by now, if the commit with this number is wanted."""
        found = (file.number for file in self._files if file.path == path)
        return next((one for one in found if number > self._after[one]), None)

    def path_before(self, file: int) -> str:
        """Return the path that a file had at the last commit that is not wanted."""
        return self._files[file].before

    def secrets(self, loaded: Loaded) -> list[Problem]:
        """Return a complaint for each obvious key in a version."""
        texts = [loaded.text, *(file.data for file in loaded.files.values())]
        return [] if all(map(self._clean, texts)) else secrets_in(loaded)

    def _load(self, file: _File) -> Loaded | None:
        """Return the version of the commit that the tree has come to; None where there is none."""
        path = file.path
        file.seen = CommittedFiles(self._tree, path.rpartition("/")[0], self._blobs)
        file.seen.look_at(path)
        entry = self._tree.find(path)
        if entry is None:
            return None
        if not entry.is_file:
            raise InvalidInput("it is a link or a submodule, not a file")
        text = self._blobs.read(entry.blob, TEXT_BYTES_MAX)
        if text is None:
            raise InvalidInput("git does not have its content here")
        if len(text) > TEXT_BYTES_MAX:
            raise InvalidInput(f"it is larger than {TEXT_BYTES_MAX >> 20} MiB")
        if file.parsed is None or file.parsed[:2] != (path, entry.blob):
            file.parsed = path, entry.blob, parse(text, file=path)
        definition = file.parsed[2]
        if "root" in definition.settings:
            root = root_below(path, definition.settings)
            if root.startswith("../"):
                raise InvalidInput("its root lies outside of the repository")
            file.seen = CommittedFiles(self._tree, root, self._blobs)
            file.seen.look_at(path)
        captured = capture(definition, file.seen, file=path)
        built = snapshot.build(definition.tasks, captured.files, definition.params)
        return Loaded(
            path=Path(path), text=text, definition=definition, built=built, captured=captured
        )


def _reason(error: InvalidInput) -> str:
    """Return an error in one line: the first complaint, and how many more there are."""
    if not error.problems:
        return error.message
    first, *more = error.problems
    others = f" (and {len(more)} more)" if more else ""
    place = f"line {first.line}: " if first.line else ""
    return f"{place}{first.message}{others}"
