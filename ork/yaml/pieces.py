"""Cuts a text into the entries of one of its mappings without a parser, where that is certain."""

from __future__ import annotations

import re
from typing import NamedTuple


class Pieces(NamedTuple):
    """A text in pieces of whole lines: before the entries, each of these under its key, after."""

    before: str
    entries: dict[str, str]
    after: str


def cut(text: str, key: str) -> Pieces | None:
    """Return the pieces of a text whose top level has a mapping under this key; None in doubt.

    Each entry of the mapping begins with a line that begins a piece. A line within quotes or
    brackets can look like one as well: but not if a parser finds as many entries as pieces. Then
    it is always between two entries where a piece begins, and there is no alias: so what a piece
    means depends on no other one, and the last with `after` on no other one too.
    """
    if any(sign in text for sign in _UNSURE) or ("*" in text and _ALIAS.search(text)):
        return None
    # The root is a mapping in column 0, for nothing is before its first key; and so each of its
    # keys is at the beginning of a line.
    top = list(_TOP.finditer(text))
    if top and top[0][0].rstrip(" ") == "---":
        del top[0]
    names = [found and found[1] for found in (_KEY.match(line[0]) for line in top)]
    if None in names or names.count(key) != 1 or INDENT.search(text, 0, top[0].start()):
        return None
    at = names.index(key)
    # And below is one too: there is nothing behind the key, and the next thing is another key.
    begin = top[at].end() + 1
    end = top[at + 1].start() if at + 1 < len(top) else len(text)
    indent = INDENT.search(text, begin, end)
    if indent is None or top[at][0].rstrip(" ") != f"{key}:":
        return None
    width = len(indent[1])
    outer = re.compile(rf"^ {{{width}}}[^ \n#]", re.MULTILINE)
    if outer.search(text, end):  # within quotes there can be what looks like the end
        return None
    starts = [line.start() for line in outer.finditer(text, begin, end)]
    entry = re.compile(" " * width + _KEY.pattern)
    entries = {
        found[1]: text[start:stop]
        for start, stop in zip(starts, [*starts[1:], end], strict=True)
        if (found := entry.match(text, start))
    }
    return Pieces(text[: starts[0]], entries, text[end:]) if len(entries) == len(starts) else None


# Line ends and white space that are not alike everywhere.
_UNSURE = "\t\r\x85\u2028\u2029\ufeff"
# Where an alias can begin.
_ALIAS = re.compile(r"(?:^|[-:?,\[{]) *\*[^ \n]", re.MULTILINE)
_TOP = re.compile(r"^[^ \n#].*", re.MULTILINE)
_KEY = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]*):(?![^ \n])")
INDENT = re.compile(r"^( +)[^ \n#]", re.MULTILINE)
