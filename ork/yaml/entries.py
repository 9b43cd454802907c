"""Puts one entry of a mapping back as an older text has it: its lines, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ork.errors import InvalidInput
from ork.objects.canonical import Json
from ork.yaml import nodes
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems


class Put(NamedTuple):
    """A text with an entry put back, and the lines that this took the place of: maybe none."""

    text: str
    replaced: str


def put_back(text: str, older: str, key: str, name: str, *, file: str, older_file: str) -> Put:
    """Return a text in which an entry of the mapping under this key is as in an older text.

    To an entry belong the lines from its name to the end of its value, and the comments right
    above that are indented as the name is. Where it is gone, it comes behind the one that it stood
    behind. All else stays byte for byte, and means what it meant. Raises InvalidInput where that
    cannot be done by whole lines.
    """
    now, before = _lines(text, key, file), _lines(older, key, older_file)
    if name not in before.places:
        raise InvalidInput(f"the text of {older_file} has no {name}")
    begin, end = before.places[name]
    entry = before.lines[begin:end]
    if name in now.places:
        first, last = now.places[name]
    elif (behind := _behind(now, before, name)) is not None:
        first = last = behind
        entry = [""] * _is_blank(before, begin - 1) + entry
    else:
        first = last = min(now.places.values())[0]
        entry += [""] * _is_blank(before, end)
    entry = [*_indented(_ended(entry, text), now.indent - before.indent)]
    found = "\n".join((*now.lines[:first], *entry, *now.lines[last:]))
    if _others(found, key, name, f"{file} with {name} back") != _others(text, key, name, file):
        raise InvalidInput(f"something else in {file} would then mean something else")
    return Put(found, "\n".join(now.lines[first:last]))


class _Lines(NamedTuple):
    """The lines of a text, and those of each entry: the number of the first, and the one behind."""

    lines: list[str]
    places: dict[str, tuple[int, int]]
    indent: int


def _lines(text: str, key: str, file: str) -> _Lines:
    root, problems = _root(text, file)
    above, node = root[key] if key in root else (Node(None, 0), Node(None, 0))
    entries = node.value if isinstance(node.value, dict) else {}
    lines, keys = text.split("\n"), [named for named, _ in entries.values()]
    numbers = [above.line, *(one.line for one in keys)]
    if not keys or any(a >= b for a, b in pairwise(numbers)):
        problems.at(node, f"no mapping with one line or more for each of its {key}")
    for one in keys:
        if lines[one.line - 1][: one.column - 1].strip(" "):
            problems.at(one, "something stands before it in its line")
    problems.check()
    indent = keys[0].column - 1
    after = (one.line for one, _ in root.values() if one.line > numbers[-1])
    begins = [_begin(lines, a, b - 1, indent) for a, b in pairwise(numbers)]
    bounds = [*begins[1:], min(after, default=len(lines) + 1) - 1]
    ends = (_end(lines, *both, indent) for both in zip(numbers[1:], bounds, strict=True))
    return _Lines(lines, dict(zip(entries, zip(begins, ends, strict=True), strict=True)), indent)


def _root(text: str, file: str) -> tuple[nodes.Entries, Problems]:
    problems = Problems(file, text)
    root = nodes.read(text, problems)
    problems.check()
    return (root.value if isinstance(root.value, dict) else {}), problems


def _begin(lines: list[str], least: int, begin: int, indent: int) -> int:
    """Return where the comments begin that stand right above a line, indented as it is."""
    while begin > least and lines[begin - 1].startswith(f"{' ' * indent}#"):
        begin -= 1
    return begin


def _end(lines: list[str], least: int, end: int, indent: int) -> int:
    """Return where an entry ends, without what is no part of it: blank lines, outer comments."""

    def is_apart(line: str) -> bool:
        inner = line.lstrip(" ")
        outer = len(line) - len(inner) <= indent and inner.startswith(("#", "..."))
        return outer or not line.strip()

    while end > least and is_apart(lines[end - 1]):
        end -= 1
    return end


def _ended(lines: list[str], text: str) -> list[str]:
    """Return lines that end as all those of a text do; where these differ, as they are."""
    windows = text.count("\r\n")
    if 0 < windows < text.count("\n"):
        return lines
    return [line.removesuffix("\r") + "\r" * bool(windows) for line in lines]


def _behind(now: _Lines, before: _Lines, name: str) -> int | None:
    """Return the end of the last entry that stood before one and is still there."""
    above = [*before.places][: [*before.places].index(name)]
    return next((now.places[one][1] for one in reversed(above) if one in now.places), None)


def _is_blank(text: _Lines, number: int) -> bool:
    return not "".join(text.lines[number : number + 1]).strip()


def _indented(lines: Iterable[str], further: int) -> Iterator[str]:
    for line in lines:
        if further < 0 and line.startswith(" " * -further):
            yield line[-further:]
        else:
            yield " " * further + line if line.strip() else line


def _others(text: str, key: str, name: str, file: str) -> Json:
    """Return what all means but this entry."""
    root, _ = _root(text, file)
    found = {one: nodes.plain(node) for one, (_, node) in root.items()}
    entries = found.get(key)
    assert isinstance(entries, dict)
    entries.pop(name, None)
    return found
