"""Which of the known names a name may stand for that is none of them, for the hint of an error.

A wrong guess costs more than none: one mistake is forgiven in three letters, and no more than
four. Mistakes are a letter that is missing, one too many, a wrong one, and two that are swapped.
The beginning of a name stands for it as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ork.errors import some

MISTAKES_MAX = 4
BEGINNING_MIN = 3  # letters that are the beginning of a name
_LETTERS_MAX = 200  # of a word for which names are looked for
_NAMES_MAX = 2000  # with more names only those are looked at that begin with the same two letters
_SHOWN = 10


def alike(word: str, known: Iterable[str]) -> list[str]:
    """Return the known names that are most like a word, all of them equally, sorted."""
    names = sorted(known)
    if len(names) > _NAMES_MAX:
        names = [name for name in names if name[:2] == word[:2]][:_NAMES_MAX]
    word = word.casefold()
    least = min(MISTAKES_MAX, max(1, len(word) // 3))
    found: list[str] = []
    for name in names if len(word) <= _LETTERS_MAX else ():
        count = _mistakes(word, name.casefold(), least)
        if count < least:
            found.clear()
        if count <= least:
            least = count
            found.append(name)
    return found


def did_you_mean(
    word: str, known: Iterable[str], *, at_most: int = 1, form: str = "{}"
) -> str | None:
    """Return a hint with the names that are like a word, written in this form; None for none."""
    found = alike(word, known)[:at_most]
    return f"did you mean {' or '.join(map(form.format, found))}?" if found else None


def meant_or_known(word: str, known: Iterable[str], *, at_most: int = 1) -> str | None:
    """Return the same hint, else one with names that begin so, or with the first that there are."""
    known = list(known)
    if found := did_you_mean(word, known, at_most=at_most):
        return found
    begun = [name for name in known if word and name.casefold().startswith(word.casefold())]
    if begun:
        return f"did you mean {'one of ' if len(begun) > 1 else ''}{some(begun, _SHOWN)}?"
    return f"there are: {some(known, _SHOWN)}" if known else None


def file_meant(path: Path, endings: tuple[str, ...]) -> str | None:
    """Return the same hint for a file that is not there: with those beside it of these endings.

    The ending counts for nothing, so that no other short name is named for it alone.
    """
    with suppress(OSError, ValueError):
        there = (Path(one) for one in os.listdir(path.parent) if one.endswith(endings))
        # A link that leads nowhere has the very name.
        names = {one.stem: one.name for one in there if one.name != path.name}
        near = alike(path.stem if path.suffix in endings else path.name, names)
        return f"did you mean {path.with_name(names[near[0]])}?" if near else None
    return None


def _mistakes(word: str, name: str, at_most: int) -> int:
    """Return how many mistakes lead from a name to a word, or more than `at_most`.

    >>> _mistakes("nigthly", "nightly", 2), _mistakes("dep", "deploy", 1), _mistakes("a", "b", 1)
    (1, 1, 2)
    """
    if len(word) >= BEGINNING_MIN and name.startswith(word):
        return min(1, len(name) - len(word))
    if abs(len(word) - len(name)) > at_most or len({*word} - {*name}) > at_most:
        return at_most + 1
    if word != name and at_most >= max(len(word), len(name)):
        return at_most + 1  # nothing of it need be the same
    far = at_most + 1
    before: list[int] = []
    row = list(range(len(name) + 1))
    for i, letter in enumerate(word, 1):
        earlier, before, row = before, row, [i]
        for j, other in enumerate(name, 1):
            if abs(i - j) > at_most:
                row.append(far)
                continue
            least = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and (letter, word[i - 2]) == (name[j - 2], other):
                least = min(least, earlier[j - 2] + 1)
            row.append(least)
        if min(row) > at_most:
            return far
    return row[-1]
