"""The first-parent history of a git repository: commits, what each changed, names of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import IO, TypeAlias

from ork.alike import did_you_mean
from ork.errors import NotFound, StoreError
from ork.git.binary import Git
from ork.git.commit import place_of, read_commit
from ork.git.tree import Change, Entry
from ork.objects.value import Value

CHUNK_BYTES = 1 << 16
SIMILARITY = "50%"  # as git's own default for a rename
_MAGIC = frozenset("*?[")

Step: TypeAlias = "tuple[str, str | None]"  # a commit and its first parent


class Names(Value, frozen=True, kw_only=True):
    """One file through the history: its name at first, and where it was given another one."""

    first: str
    renames: dict[str, str] = {}  # commit -> the name from there on

    @property
    def all(self) -> set[str]:
        """Every name that the file has had."""
        return {self.first, *self.renames.values()}


def first_parents(git: Git, tip: str) -> list[Step]:
    """Return (commit, first parent) from the oldest to the tip."""
    lines = git.run("rev-list", "--first-parent", "--parents", "--reverse", tip).decode()
    commits = [line.split() for line in lines.splitlines()]
    if not commits or commits[-1][0] != tip:
        raise StoreError("git rev-list did not answer to the end")
    return [(words[0], words[1] if len(words) > 1 else None) for words in commits]


def is_shallow(git: Git) -> bool:
    """Say whether the repository lacks its older commits."""
    answer = git.run("rev-parse", "--is-shallow-repository").strip()
    if answer not in (b"true", b"false"):
        raise StoreError("git rev-parse did not answer")
    return answer == b"true"


def changes(git: Git, commits: Sequence[Step], *paths: str) -> Iterator[tuple[str, list[Change]]]:
    """Yield each commit with what it changed, or changed of these paths, in the order given."""
    with tempfile.TemporaryFile() as pairs:
        for commit, parent in commits:
            pairs.write(f"{commit} {parent}\n".encode() if parent else f"{commit}\n".encode())
        pairs.seek(0)
        # It names every commit, so that none is lost when it stops early.
        words = ["--stdin", "--always", "-r", "-z", "--raw", "--root", "--no-renames"]
        words += ["--no-abbrev", "--no-ext-diff", "--", *paths]
        with git.talk("diff-tree", *words, stdin=pairs) as process:
            assert process.stdout
            records = _records(_tokens(process.stdout))
            for commit, _ in commits:
                answered, found = next(records, ("", []))
                if answered != commit:
                    raise StoreError("git diff-tree did not answer to the end")
                yield commit, found


def chosen(git: Git, tip: str, pattern: str) -> list[str]:
    """Return the files that a path or a pattern means, sorted; raise NotFound with near ones.

    A pattern (`*`, `?`, `[...]` within a name, `**` for folders) means files of the tip; a path may
    also be that of a file which has gone since.
    """
    listed = git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", tip)
    names = [name.decode("utf-8", "replace") for name in listed.split(b"\0") if name]
    if pattern in names:
        return [pattern]
    parts = pattern.split("/")
    found = [name for name in names if _matches(parts, name.split("/"))]
    if found:
        return sorted(found)
    if _MAGIC & set(pattern):
        raise NotFound(f"no file in {tip[:12]} matches {pattern}")
    if git.run("rev-list", "-1", "--first-parent", tip, "--", pattern):
        return [pattern]
    same = [name for name in names if name.rpartition("/")[2] == pattern.rpartition("/")[2]]
    hint = did_you_mean(pattern, names) or (f"did you mean {min(same)}?" if same else None)
    raise NotFound(f"no commit has a file {pattern}", hint=hint or "the path is relative to REPO")


def follow(git: Git, commits: Sequence[Step], path: str) -> Names:
    """Return the names that a file has had, as git's rename detection sees it, or ork's export."""
    renames: dict[str, str] = {}
    while found := _renamed(git, commits, path):
        number, old = found
        renames[commits[number][0]] = path
        commits, path = commits[:number], old
    return Names(first=path, renames=renames)


def _renamed(git: Git, commits: Sequence[Step], path: str) -> tuple[int, str] | None:
    """Return the newest commit that gave a file this name, by number, and the name before."""
    numbers = {commit: number for number, (commit, _) in enumerate(commits)}
    added = [
        numbers[commit]
        for commit, found in changes(git, commits, path)
        if any(c.path == path.encode() and c.status == "A" for c in found)
    ]
    for number in reversed(added):
        commit, parent = commits[number]
        old = _source(git, parent, commit, path) if parent else None
        if old is not None:
            return number, old
    return None


def _source(git: Git, parent: str, commit: str, path: str) -> str | None:
    words = ("-r", "-z", f"--find-renames={SIMILARITY}", "--diff-filter=R", "--no-ext-diff")
    names = git.run("diff-tree", *words, parent, commit).split(b"\0")
    # Of each rename: what it was, the old name, the new name.
    for old, new in zip(names[1::3], names[2::3], strict=False):
        if new.decode("utf-8", "replace") == path:
            return old.decode("utf-8", "replace")
    # Of two commits of one export it is known, however little of the file is left.
    files = [read_commit(git.run("cat-file", "commit", one)).file for one in (parent, commit)]
    places = [place_of(file) for file in files if file]
    return places[0] if len(places) == 2 and places[1] == path else None


def _tokens(stream: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\0")
        yield from whole
    if rest:
        raise StoreError("git stopped in the middle of an answer")


def _records(tokens: Iterator[bytes]) -> Iterator[tuple[str, list[Change]]]:
    commit, found = "", list[Change]()
    for token in tokens:
        if not token.startswith(b":"):
            if commit:
                yield commit, found
            commit, found = token.decode(), []
            continue
        _, mode, _, blob, status = token.decode().split(" ")
        entry = None if status == "D" else Entry(int(mode, 8), blob)
        path = next(tokens, None)
        if path is None:
            raise StoreError("git stopped in the middle of an answer")
        found.append(Change(path, status, entry))
    if commit:
        yield commit, found


def _matches(parts: Sequence[str], names: Sequence[str]) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        rest = parts[1:]
        return any(_matches(rest, names[at:]) for at in range(len(names) + 1))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _matches(parts[1:], names[1:])
