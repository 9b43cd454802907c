"""The files below a root that a pattern of `include:` or `exclude:` means."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import count
from typing import TYPE_CHECKING

from ork.errors import InvalidInput
from ork.objects.canonical import Json

if TYPE_CHECKING:
    from ork.worktree.folder import Files

VISITS_MAX = 200_000  # names looked at for one pattern
_NEVER = frozenset((".ork", ".git", "__pycache__"))
_MAGIC = frozenset("*?[")
_ANY = r"(?!\.)[^/]+"  # a name that `**` goes through
_TOKEN = r"(?s)\*+|\[!?+(?:\][^]]*|[^]]+)\]|."  # `]` may come first in [...]


def matching(root: Files, pattern: str) -> tuple[str, ...]:
    """Return the paths that a pattern matches, sorted; folders only give what is below them.

    `*`, `?`, `[...]` match within one name, `**` any number of folders. Names that begin with a
    dot need a pattern that does; `.ork`, `.git` and `__pycache__` are never searched. What is
    no regular file, and every link that leads out, is among the matches: reading it will tell.
    """
    parts: list[str] = []
    for part in pattern.split("/"):
        if part != "**" or parts[-1:] != ["**"]:
            parts.append(part)
    return tuple(sorted(_Search(root, pattern, parts).run()))


def excluded(settings: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the patterns of `exclude:`, which are a setting of the workflow."""
    found = settings.get("exclude")
    return tuple(map(str, found)) if isinstance(found, list) else ()


def expression(patterns: Iterable[str]) -> str:
    """Return a regular expression of the paths that patterns of `exclude:` mean.

    A pattern means the same as in `include:`, and with a folder all that is below it. However it is
    written, a match takes little time: anybody's patterns are tried on anybody's names.
    """
    groups = count()
    return "|".join(f"{_translated(pattern.split('/'), groups)}(?:/.*)?" for pattern in patterns)


def excluding(
    kind: Callable[[str], str | None], patterns: Iterable[str]
) -> Callable[[str], str | None]:
    """Return what tells the kind of a path: "data" for what is excluded, be it there or not."""
    split = [pattern.split("/") for pattern in patterns]
    if not split:
        return kind
    data = re.compile(expression("/".join(parts) for parts in split))
    # Folders of data may come into being while the workflow runs.
    starts = [parts[:end] for parts in split for end in range(1, len(parts))]
    groups = count()
    folders = re.compile("|".join(_translated(parts, groups) for parts in starts))

    def told(path: str) -> str | None:
        found = kind(path)
        if found != "folder" and data.fullmatch(path):
            return "data"
        return found or ("folder" if folders.fullmatch(path) else None)

    return told


def _translated(parts: list[str], groups: Iterator[int]) -> str:
    """Return the regular expression of a pattern; `groups` number what is taken only once."""
    *before, last = [*_split(parts, "**")]
    text = "".join(f"{_name(part, groups)}/" for part in before[0]) if before else ""
    for run in before[1:]:
        names = "".join(f"{_name(part, groups)}/" for part in run)
        text += _once(f"(?:{_ANY}/)*?{names}", groups)
    if before:
        text += f"(?:{_ANY}/)*"
    return text + ("/".join(_name(part, groups) for part in last) or _ANY)


def _name(part: str, groups: Iterator[int]) -> str:
    """Return the regular expression of one name in a pattern."""
    tokens = [match.group() for match in re.finditer(_TOKEN, part)]
    stars = ["*" if token[0] == "*" else token for token in tokens]
    first, *rest = ["".join(map(_letters, piece)) for piece in _split(stars, "*")]
    text = first if part.startswith(".") else r"(?!\.)" + first
    for piece in rest[:-1]:
        text += _once(f"[^/]*?{piece}", groups)
    return f"{text}[^/]*{rest[-1]}" if rest else text


def _once(text: str, groups: Iterator[int]) -> str:
    """Return an expression of which the first match is taken, without going back for another.

    The shortest way to a piece of a pattern leaves the most for the pieces that follow. Python has
    such groups itself from 3.11 on, and tasks may have an older one.
    """
    name = f"g{next(groups)}"
    return f"(?=(?P<{name}>{text}))(?P={name})"


def _split(items: list[str], separator: str) -> Iterator[list[str]]:
    """Yield what stands between the separators of a list."""
    rest = items
    while separator in rest:
        at = rest.index(separator)
        yield rest[:at]
        rest = rest[at + 1 :]
    yield rest


def _letters(token: str) -> str:
    if token == "?":
        return "[^/]"
    if len(token) < 3:
        return re.escape(token)
    negated = "^/" if token[1] == "!" else ""
    letters = re.escape(token[2:-1] if negated else token[1:-1]).replace(r"\-", "-")
    try:
        return re.compile(f"[{negated}{letters}]").pattern
    except re.error:  # a range that goes backwards
        return re.escape(token)


class _Search:
    def __init__(self, root: Files, pattern: str, parts: list[str]) -> None:
        self.root = root
        self.pattern = pattern
        # A last `**` means every file below.
        self.parts = [*parts, "*"] if parts[-1] == "**" else parts
        self.regexes = [re.compile(fnmatch.translate(part)) for part in self.parts]
        self.visits = 0

    def run(self) -> set[str]:
        """Return the paths of all matches."""
        found: set[str] = set()
        # Each folder is met at most once per part, so that many `**` cost no more than one.
        seen = {("", 0)}
        todo = [("", 0)]
        while todo:
            folder, number = todo.pop()
            for path, following in self._step(folder, number):
                if following == len(self.parts):
                    found.add(path)
                elif (path, following) not in seen:
                    seen.add((path, following))
                    todo.append((path, following))
        return found

    def _step(self, folder: str, number: int) -> list[tuple[str, int]]:
        part = self.parts[number]
        if part == "**":
            below = [(path, number) for path in self._names(folder, "*") if self._is_tree(path)]
            return [(folder, number + 1), *below]
        if not _MAGIC & set(part):
            path = f"{folder}/{part}" if folder else part
            paths = [path] if self.root.kind(path) or self.root.is_link(path) else []
        else:
            matches = self.regexes[number].match
            paths = [p for p in self._names(folder, part) if matches(p.rpartition("/")[2])]
        if number + 1 < len(self.parts):
            return [(path, number + 1) for path in paths if self.root.kind(path) == "folder"]
        literal = not _MAGIC & set(self.pattern)
        return [(path, number + 1) for path in paths if literal or self.root.kind(path) != "folder"]

    def _names(self, folder: str, part: str) -> list[str]:
        names = [
            name
            for name in self.root.names(folder)
            if name not in _NEVER and (not name.startswith(".") or part.startswith("."))
        ]
        self.visits += len(names)
        if self.visits > VISITS_MAX:
            raise InvalidInput(
                f"include: {self.pattern} looks at more than {VISITS_MAX} names",
                hint="name the folders that hold code",
            )
        return [f"{folder}/{name}" if folder else name for name in names]

    def _is_tree(self, path: str) -> bool:
        # `**` follows no link, so that a link to a folder above is no endless tree.
        return self.root.kind(path) == "folder" and not self.root.is_link(path)
