"""Lines that fit a terminal: wrapped between words, or cut at their end. Columns are counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ork.cli.screen.line import PRINTED, Line, plain, visible

WIDTH_MIN = 20  # narrower than this nothing is fitted
# A line with this piece in it, such as one of code, stays as it is, however long.
VERBATIM = ("", "verbatim")


def columns(text: str) -> int:
    """Return how many columns a terminal takes for a text: two for a wide letter."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(letter) in ("Mn", "Me") else 1 + (east_asian_width(letter) in ("W", "F"))
        for letter in text
    )


def cut(line: Line, width: int | None) -> Line:
    """Return the line, its end left out where it is wider; the line of a list keeps its columns."""
    if width is None or columns(plain(line)) <= width:
        return line
    room, short = max(width, WIDTH_MIN) - 3, []
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        text = visible(text)
        shown = text if columns(text) <= room else _start(text, room)
        short.append((shown, style) if style else shown)
        room -= columns(shown)
        if shown != text:
            break
    return [*short, "..."]


def fitted_lines(lines: Iterable[Line], width: int | None) -> Iterator[Line]:
    """Yield the lines, those that are wider than the terminal wrapped between words.

    What goes on stands under where the text began that had no room; code stays as it is.
    """
    for line in lines:
        if width is None or width < WIDTH_MIN or columns(plain(line)) <= width or _is_code(line):
            yield line
        else:
            yield from _wrapped(line, width)


def _is_code(line: Line) -> bool:
    return any(isinstance(piece, tuple) and piece[1] in (VERBATIM[1], PRINTED) for piece in line)


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    hang: int | None = None
    used = 0
    shown: Line = []
    for piece in line:
        text, style = (piece, "") if isinstance(piece, str) else piece
        text = visible(text)
        if hang is None and used + columns(text) > width:
            before = used + len(text) - len(text.lstrip(" "))
            # Never at the margin: what goes on may be data, and must not pass for a line of ork's.
            fits = 0 < before <= width // 2
            hang = before if fits else min(_indent(line) + 4, width // 2)
        for word in re.findall(r" *[^ ]+| +", text):
            rest = word
            if used + columns(rest) > width and used > (hang or 0):
                yield shown
                shown, used, rest = [" " * (hang or 0)], hang or 0, rest.lstrip(" ")
            while used + columns(rest) > width:  # longer than a line of its own
                start = _start(rest, width - used)
                _add(shown, start, style)
                yield shown
                shown, used, rest = [" " * (hang or 0)], hang or 0, rest[len(start) :]
            if rest:
                _add(shown, rest, style)
                used += columns(rest)
    yield shown


def _add(line: Line, text: str, style: str) -> None:
    """Add to a line, the words of a piece as one piece."""
    if line and isinstance(last := line[-1], tuple) and last[1] == style:
        line[-1] = (last[0] + text, style)
    else:
        line.append((text, style) if style else text)


def _indent(line: Line) -> int:
    text = plain(line)
    return len(text) - len(text.lstrip(" "))


def _start(text: str, room: int) -> str:
    """Return as much of the beginning of a text as has room, at least a letter."""
    if text.isascii():
        return text[: max(room, 1)]
    used = 0
    for index, letter in enumerate(text):
        used += columns(letter)
        if used > room:
            return text[: max(index, 1)]
    return text
