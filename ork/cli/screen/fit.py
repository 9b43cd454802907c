"""Lines that fit a terminal: wrapped between words, or cut at their end. Columns are counted."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest

from ork.cli.screen.line import PRINTED, Line, plain, visible

WIDTH_MIN = 20  # narrower than this nothing is fitted
CODE_COLUMNS_MAX = 72  # of a line of code that has a mark, where no terminal says its width
CODE_COLUMNS_BEHIND = 12  # the mark
APART = 2  # columns between blocks that stand beside each other
# What is read, or copied, as one word: a command, a date and its time, a number and its noun.
_ONE_WORD = r"`[^`]*`|\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d [+-]\d{4})?|(?<!#)\b\d(?:[\d,]*\d)? [a-z]+"
# Chinese and Japanese have no spaces: a line may end between two letters, but not behind a mark
# that opens what follows, and not before one that ends what is before it.
_UNSPACED = "\u3000-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff01-\uff60\U00020000-\U0003ffff"
_OPENS, _ENDS = "〈《「『【〔（｛", "、。〉》」』】〕・ー！），．：；？｝"
_MAY_END = f" |(?<=[{_UNSPACED}])(?<![{_OPENS}])(?=[{_UNSPACED}])(?![{_ENDS}])"
HANG_MIN = 4
ROOM_MIN = 4  # of the last column that is cut: a letter, dots


class Verbatim(list[str | tuple[str, str]]):
    """A line that stays as it is, however wide, such as one of code."""


class Pointed(list[str | tuple[str, str]]):
    """A line of code and a mark below one of its letters, cut around that where it has no room."""

    def __init__(self, number: int, code: str, column: int) -> None:
        """`column` is the letter that is meant; the first is 1."""
        self._head = f"{number:>5} "
        self._code, self._before = visible(code), len(visible(code[: max(column, 1) - 1]))
        super().__init__([(f"{self._head}| ", "dim"), self._code])

    def lines(self, width: int | None) -> Iterator[Line]:
        """Yield both lines, for a terminal of this width."""
        code, bar = self._code, "| "
        room = CODE_COLUMNS_MAX
        if width is not None and width >= WIDTH_MIN:
            room = width - len(self._head) - len(bar)
        start, end = self._shown(room)
        before, behind = "..." if start else "", "..." if end < len(code) else ""
        yield [(self._head + bar, "dim"), f"{before}{code[start:end]}{behind}"]
        blank = " " * columns(before + code[start : self._before])
        yield [(" " * len(self._head) + bar, "dim"), blank, ("^", "error")]

    def _shown(self, room: int) -> tuple[int, int]:
        """Return from where to where the code is shown, with room for dots where it is cut."""
        code, room_cut = self._code, room - len("...")
        if len(_start(code, room)) == len(code):
            return 0, len(code)
        behind = _start(code[self._before :], min(CODE_COLUMNS_BEHIND, room_cut - len("...")))
        first, end = len(_start(code, room_cut)), self._before + len(behind)
        if end <= first:
            return 0, first
        room_cut -= len("...") if end < len(code) else 0
        return end - len(_start(code[:end][::-1], room_cut)), end


def columns(text: str) -> int:
    """Return how many columns a terminal takes for a text: two for a wide letter."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, size: int) -> str:
    """Return a text with spaces behind it, up to so many columns."""
    return text + " " * (size - columns(text))


def cut(line: Line, width: int | None, *, least: int = WIDTH_MIN) -> Line:
    """Return the line without what has no room at its end: a list keeps its columns."""
    if width is None or columns(plain(line)) <= width:
        return line
    pieces, width = _pieces(line), max(width, least)
    text, whole = "".join(piece for piece, _ in pieces), 0
    for piece, _ in pieces:
        if columns(text[: whole + len(piece)]) > width:
            break
        whole += len(piece)
    before = text[: len(text) - len(text[whole:].lstrip(" "))]
    if width - columns(before) < ROOM_MIN and before.endswith("  "):
        return _between(pieces, 0, len(before.rstrip(" ")))  # that would be nothing but dots
    return [*_between(pieces, 0, len(_start(text, width - 3))), "..."]


def after(before: Line, line: Line) -> Line:
    """Return a line behind others' pieces; one that stays as it is does so there, too."""
    whole = [*before, *line]
    return Verbatim(whole) if isinstance(line, Verbatim) else whole


def fitted_lines(lines: Iterable[Line], width: int | None) -> Iterator[Line]:
    """Yield the lines, those that are wider than the terminal wrapped between words.

    What goes on stands under where the text began that had no room; code stays as it is, or is cut
    around what is marked in it.
    """
    for line in lines:
        if isinstance(line, Pointed):
            yield from line.lines(width)
        elif width is None or width < WIDTH_MIN or columns(plain(line)) <= width or _stays(line):
            yield line
        else:
            yield from _wrapped(line, width)


def abreast(blocks: Iterable[Sequence[Line]], width: int | None) -> Iterator[Line]:
    """Yield blocks of lines beside each other, in as many columns as have room, down first."""
    if width is None:
        yield from chain.from_iterable(blocks)
        return
    blocks = list(blocks)
    sizes = [columns(plain(line)) for block in blocks for line in block]
    wide = max(sizes, default=0)
    count = max(1, (width + APART) // (wide + APART))
    high = -(-len(sizes) // count)
    beside: list[list[Line]] = [[]]
    for block in blocks:
        if len(beside) < count and beside[-1] and len(beside[-1]) + len(block) > high:
            beside.append([])
        beside[-1].extend(block)
    for row in zip_longest(*beside):
        line: Line = []
        for column, cell in enumerate(row):
            if cell is not None:
                gap = " " * (column * (wide + APART) - columns(plain(line)))
                line += [gap, *cell] if gap else cell
        yield line


def _stays(line: Line) -> bool:
    printed = (piece for piece in line if isinstance(piece, tuple) and piece[1] == PRINTED)
    return isinstance(line, Verbatim) or any(printed)


def _wrapped(line: Line, width: int) -> Iterator[Line]:
    pieces = _pieces(line)
    text = "".join(piece for piece, _ in pieces)
    whole = re.sub(_ONE_WORD, lambda found: "_" * len(found[0]), text)
    ends = [found.start() for found in re.finditer(_MAY_END, whole)]
    hang, below, start = 0, 0, 0
    while columns(text[start:]) > width - hang:
        full = start + len(_start(text[start:], width - hang))
        end = _end(text, ends, start, width, width - hang)
        if end is None:
            break
        yield [" " * hang, *_between(pieces, start, end)] if hang else _between(pieces, start, end)
        below = below or _hang(pieces, full, width)
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))
        hang = max(0, min(below, width - columns(_word(text, ends, start))))
    yield [" " * hang, *_between(pieces, start, len(text))]


def _end(text: str, ends: list[int], start: int, width: int, room: int) -> int | None:
    """Return where a line ends that starts there, of the places where it may; None at the last.

    A word that is wider than the terminal stays where it is: a line of its own would not hold it,
    and it is the terminal that breaks it, so that it can be copied.
    """
    words = start + len(text[start:]) - len(text[start:].lstrip(" "))
    while columns(text[start:]) > room:
        full = start + len(_start(text[start:], room))
        end = ends[at - 1] if (at := bisect_right(ends, full)) else 0
        if end > words and columns(_word(text, ends, end)) <= width:
            return start + len(text[start:end].rstrip(" "))
        room += width
    return None


def _word(text: str, ends: list[int], start: int) -> str:
    """Return the word that begins there, or behind the spaces that are there."""
    start += len(text[start:]) - len(text[start:].lstrip(" "))
    at = bisect_right(ends, start)
    return text[start : ends[at] if at < len(ends) else None]


def _pieces(line: Line) -> list[tuple[str, str]]:
    return [(visible(p), "") if isinstance(p, str) else (visible(p[0]), p[1]) for p in line]


def _between(pieces: list[tuple[str, str]], start: int, end: int) -> Line:
    """Return the pieces of a line from one letter to another."""
    line: Line = []
    for text, style in pieces:
        if part := text[max(start, 0) : max(end, 0)]:
            line.append((part, style) if style else part)
        start, end = start - len(text), end - len(text)
    return line


def _hang(pieces: list[tuple[str, str]], full: int, width: int) -> int:
    """Return where a line goes on: below the column that had no room, else behind the label.

    Never so far to the left that what goes on could be taken for a line of its own.
    """
    before, (first, _) = "", pieces[0]
    for text, _ in pieces:
        if len(before) + len(text) > full:
            before += text[: len(text) - len(text.lstrip(" "))]
            break
        before += text
    indent = len(first) - len(first.lstrip(" "))
    label = columns(first) if first.endswith(" ") and first.strip() else indent + 4
    below = columns(before)
    is_column = HANG_MIN <= below <= width // 2 and before.endswith("  ")
    return min(below if is_column else label, width // 2)


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
