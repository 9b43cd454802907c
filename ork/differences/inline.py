"""The difference between two short texts, word by word, at a bounded cost.

A word is a run of letters, digits and underscores, or a run of blanks, or any other character. What
both sides share between two changes counts as changed when it holds no word, such as a comma.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

from ork.differences import lines

CHARS_MAX = 10_000  # of a side; a longer one is replaced as a whole
PERCENT_MIN = 25  # of words that both sides share, below which showing each would only confuse

Piece: TypeAlias = tuple[str, str]  # " " on both sides, "-" old only or "+" new only; the text


def word_changes(old: str, new: str) -> list[Piece]:
    """Return the pieces of both texts in order: those with " " and "-" make up the old one, those
    with " " and "+" the new one. What is removed stands before what is added in its place."""
    if old == new:
        return [(" ", old)] if old else []
    if max(len(old), len(new)) > CHARS_MAX:
        return _replaced(old, new)
    before, after = _words(old), _words(new)
    if not _alike(before, after):
        return _replaced(old, new)
    found: list[Piece] = []
    i = j = 0
    for i_next, j_next, length in [*lines.matches(before, after), (len(before), len(after), 0)]:
        removed, added = "".join(before[i:i_next]), "".join(after[j:j_next])
        found += _replaced(removed, added)
        i, j = i_next + length, j_next + length
        if length:
            found.append((" ", "".join(before[i_next:i])))
    return _joined(found)


def hunk_words(hunk: Iterable[str]) -> Iterator[list[Piece]]:
    """Yield the lines of a hunk as pieces; removed lines become one with the added ones after them.

    `hunk` has lines as `ork.differences.lines.Hunk` has; remarks, which begin with a backslash,
    are left out.
    """
    removed: list[str] = []
    added: list[str] = []
    for line in hunk:
        if line[0] == "-" and added:
            yield from _merged(removed, added)
            removed, added = [], []
        if line[0] == "-":
            removed.append(line[1:])
        elif line[0] == "+":
            added.append(line[1:])
        elif line[0] == " ":
            yield from _merged(removed, added)
            removed, added = [], []
            yield [(" ", line[1:])]
    yield from _merged(removed, added)


def _merged(removed: list[str], added: list[str]) -> Iterator[list[Piece]]:
    """Yield the pieces of removed and added lines, broken where either side has a line end."""
    old, new = ("".join(f"{line}\n" for line in side) for side in (removed, added))
    line: list[Piece] = []
    for sign, text in word_changes(old, new):
        first, *more = text.split("\n")
        line += [(sign, first)] if first else []
        for part in more:
            yield line
            line = [(sign, part)] if part else []
    if line:
        yield line


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[^\S\n]+|\W", text)


def _alike(old: list[str], new: list[str]) -> bool:
    before, after = (Counter(word for word in side if not word.isspace()) for side in (old, new))
    return 200 * (before & after).total() >= PERCENT_MIN * (before.total() + after.total())


def _replaced(old: str, new: str) -> list[Piece]:
    return [piece for piece in (("-", old), ("+", new)) if piece[1]]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces, with changes that only a wordless text parts made one."""
    found: list[Piece] = []
    removed = added = ""
    for index, (sign, text) in enumerate(pieces):
        if sign == "-":
            removed += text
        elif sign == "+":
            added += text
        elif (removed or added) and index + 1 < len(pieces) and _is_wordless(text):
            removed, added = removed + text, added + text
        else:
            found += [*_replaced(removed, added), (sign, text)]
            removed = added = ""
    return found + _replaced(removed, added)


def _is_wordless(text: str) -> bool:
    return "\n" not in text and not any(letter.isalnum() for letter in text)
