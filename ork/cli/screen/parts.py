"""Parts of lines that several views share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ork.cli.screen.line import Line

CLIP_MIN = 16  # narrower than this nothing is shortened
AUTHOR_CHARS_MAX = 64
AUTHOR_COLUMNS_MIN = 80  # of a terminal; a narrower one shows no authors in a table
AUTHOR_COLUMNS_FULL = 100
PAD_MAX = 32  # longer names push the rest of their line to the right


def quoted(name: str) -> str:
    """Return a name as it is, or as a JSON string if it holds what is not seen, such as a tab."""
    return name if name.isprintable() else json.dumps(name)


def clip(text: str, room: int | None) -> str:
    """Return the text, its middle left out where it is longer than the room; None is no limit."""
    if room is None or len(text) <= max(room, CLIP_MIN):
        return text
    keep = max(room, CLIP_MIN) - 3
    return f"{text[: keep - keep // 3]}...{text[len(text) - keep // 3 :]}"


def length(line: Line) -> int:
    """Return the characters of a line."""
    return sum(len(piece if isinstance(piece, str) else piece[0]) for piece in line)


def author_room(width: int | None) -> int:
    """Return how many characters of an author a table has room for; many off a terminal."""
    if width is None:
        return AUTHOR_CHARS_MAX
    return 20 if width >= AUTHOR_COLUMNS_FULL else 12


def person(author: str, room: int) -> str:
    """Return the name of an author without the address, which may be all there is; its start."""
    name = author.partition(" <")[0] or author
    return name if len(name) <= room else name[: room - 3] + "..."


def column(names: Iterable[str]) -> int:
    """Return how wide a column of these names is, but for those that are too long."""
    return max((len(name) for name in names if len(name) <= PAD_MAX), default=0)


def fitted(names: Sequence[str], room: int | None, most: int | None = None) -> str:
    """Return the names, as many as fit, and how many are left out; `most` where all would fit."""
    if room is None:
        first = names[:most]
        rest = f" and {len(names) - len(first)} more" if len(first) < len(names) else ""
        return ", ".join(map(quoted, first)) + rest
    text, shown = quoted(names[0]), 1
    for name in names[1:]:
        left = f" and {len(names) - shown - 1} more" if shown + 1 < len(names) else ""
        longer = f"{text}, {quoted(name)}"
        if len(longer) + len(left) > room:
            return f"{text} and {len(names) - shown} more"
        text, shown = longer, shown + 1
    return text
