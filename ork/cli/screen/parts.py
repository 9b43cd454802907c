"""Parts of lines that several views share."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby, islice, takewhile
from operator import eq
from typing import TypeAlias

from ork.cli.screen.fit import columns as columns_of
from ork.cli.screen.fit import cut, padded
from ork.cli.screen.line import Line, note_line, plain
from ork.errors import count, some
from ork.objects.canonical import Json
from ork.objects.rows import name_of

CLIP_MIN = 16  # narrower than this nothing is shortened
AUTHOR_CHARS_MAX = 64
TAGS_NAMED_MAX = 5
NARROW = 80  # columns; a terminal that has less shows no authors or snapshots in a table
TOGETHER = 500  # lines that have columns together: the first of many come at once
AUTHOR_COLUMNS_FULL = 100
RANGE_MIN = 5
PARAM_CHARS_MAX = 27  # of a value: a time with its offset, in quotes, is whole
REASON_MIN = 30  # columns of a reason beside the rest: less of it tells nothing
Row: TypeAlias = tuple[Sequence[tuple[str, str]], Line, str]  # cells, the rest, the reason
# Of a workflow whose newest version is not the one on disk.
IN_CHECKOUTS = "until then its runs leave new files in their checkouts"
NAMES = ("name", "tag")  # styles of cells that are clipped
REST_MIN = 12  # columns for which a name gives way
PAD_MAX = 32  # longer names push the rest of their line to the right, or a third of a terminal


def quoted(name: str) -> str:
    """Return a name as it is, or as a JSON string if it holds what is not seen, such as a tab."""
    return name if name.isprintable() else json.dumps(name)


def clip(text: str, room: int | None) -> str:
    """Return the text, its middle left out where it is longer than the room; None is no limit."""
    if room is None or len(text) <= max(room, CLIP_MIN):
        return text
    keep = max(room, CLIP_MIN) - 3
    return f"{text[: keep - keep // 3]}...{text[len(text) - keep // 3 :]}"


def clipped(names: Iterable[str], room: int | None) -> dict[str, str]:
    """Return what is shown of each name, so that they do not look alike.

    Those that would, without their middle, have the rest from where they differ.
    """
    short = {name: clip(name, room) for name in names}
    alike: dict[str, list[str]] = {}
    for name, text in short.items():
        alike.setdefault(text, []).append(name)
    for group in alike.values():
        if len(group) > 1:
            same = sum(takewhile(bool, map(eq, min(group), max(group))))  # of all, then
            short |= {name: clip(f"...{name[same:]}", room) for name in group}
    return short


def given(params: object) -> str:
    """Return the parameters of a run as a list of runs has them behind the rest."""
    if not isinstance(params, Mapping):
        return ""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in params.items()}
    return "".join(f"  {name}={clip(text, PARAM_CHARS_MAX)}" for name, text in texts.items())


def telling_first(given: Iterable[object]) -> list[dict[str, Json]]:
    """Return the parameters of the runs of a list; those come first that differ among them."""
    found = [params if isinstance(params, dict) else {} for params in given]
    values: dict[str, set[str]] = {}
    for name, value in chain.from_iterable(params.items() for params in found):
        values.setdefault(name, set()).add(json.dumps(value))
    telling = sorted(values, key=lambda name: len(values[name]) == 1)
    return [{name: params[name] for name in telling if name in params} for params in found]


def length(line: Line) -> int:
    """Return the characters of a line."""
    return sum(len(piece if isinstance(piece, str) else piece[0]) for piece in line)


def is_narrow(width: int | None) -> bool:
    """Say whether this is a terminal where a list must do with fewer and shorter columns."""
    return width is not None and width < NARROW


def name_room(width: int | None) -> int | None:
    """Return how many columns of a list a name may have, so that the rest of its line has room."""
    return width and (width * 2 // 5 if is_narrow(width) else width // 2)


def author_room(width: int | None) -> int:
    """Return how many characters of an author a table has room for; many off a terminal."""
    if width is None:
        return AUTHOR_CHARS_MAX
    return width // 5 if width >= AUTHOR_COLUMNS_FULL else 12


def person(author: str, room: int) -> str:
    """Return the name of an author without the address, which may be all there is; its start."""
    name = name_of(author)
    return plain(cut([name], room, least=room))


def column(names: Iterable[str], width: int | None = None) -> int:
    """Return how wide a column of these names is, but for those that are too long there."""
    most = max(PAD_MAX, (width or 0) // 3)
    return max((size for name in names if (size := columns_of(name)) <= most), default=0)


def aligned(rows: Iterable[Row], width: int | None, *, below: bool = True) -> Iterator[Line]:
    """Yield a line for each row: cells in columns as wide as they must be, then the rest, cut.

    The reason has a line of its own where it has no room beside the rest. If none is to stand
    `below`, what has room of it is beside the rest, and nothing of it where that is too little.
    """
    rows = iter(rows)
    while page := list(islice(rows, TOGETHER)):
        names = (text for cells, *_ in page for text, style in cells if style in NAMES)
        short = clipped(names, _room_beside(page, width))
        table = [[(short.get(text, text), style) for text, style in cells] for cells, *_ in page]
        columns = zip(*table, strict=True)
        sizes = [column((text for text, _ in cells), width) for cells in columns]
        for cells, (_, rest, reason) in zip(table, page, strict=True):
            line: Line = []
            for (text, style), size in zip(cells, sizes, strict=True):
                if size or text:
                    line += [*(["  "] if line else []), (padded(text, size), style)]
            line = [*line, *rest] if rest or reason else [*line[:-1], cells[-1]]
            whole = columns_of(reason)
            least = columns_of(plain(line)) + (whole + 2 if below else min(whole, REASON_MIN))
            if reason and width and (is_narrow(width) or width < least):
                yield cut(line, width)
                if below:
                    yield cut(["    ", reason], width)
            else:
                yield cut([*line, f"  {reason}" if reason else ""], width)


def _room_beside(page: Sequence[Row], width: int | None) -> int | None:
    """Return how many columns a name may have beside the other cells, and what tells behind."""
    if (room := name_room(width)) is None or width is None:
        return None
    table = zip(*(cells for cells, *_ in page), strict=True)
    others = (cells for cells in table if cells[0][1] not in NAMES)
    taken = sum(column((text for text, _ in cells), width) + len("  ") for cells in others)
    telling = (
        plain([piece for piece in rest if isinstance(piece, str) or piece[1] != "dim"])
        for _, rest, _ in page
    )
    taken += min(max(map(columns_of, telling)), REST_MIN)
    return min(room, max(width - taken, CLIP_MIN))


def ranges(names: Iterable[str]) -> list[list[str]]:
    """Return the names, those together that a loop has made: of these one says first and last.

    Fewer than RANGE_MIN are not put together. Those of a loop are sorted by their numbers.
    """
    from ork.differences.renames import family, numbers  # which few commands need

    found: list[list[str]] = []
    for common, group in groupby(names, family):
        alike = list(group)
        is_long = "*" in common and len(alike) >= RANGE_MIN
        found += [sorted(alike, key=numbers)] if is_long else [[name] for name in alike]
    return found


def fitted(names: Sequence[str], room: int | None, most: int | None = None) -> str:
    """Return the names, as many as fit, and how many are left out; `most` where all would fit.

    Of those that a loop has made the first and the last.
    """
    text, left = "", len(names)
    for group in ranges(names)[:most]:
        ends = " ... ".join(quoted(name) for name in group[:: max(len(group) - 1, 1)])
        longer = f"{text}, {ends}" if text else ends
        after = left - len(group)
        rest = f" and {after} more" if after else ""
        if room is not None and len(longer) + len(rest) > room:
            text, left = (text, left) if text else (quoted(group[0]), left - 1)
            break
        text, left = longer, after
    return f"{text} and {left} more" if left else text


def left_line(
    workflow: str,
    number: int,
    receiver: str,
    tags: Collection[str] = (),
    more: str = "",
    at: str = "",
) -> Line:
    """Return how many deploys of a store left the history of a workflow, and what gives it back.

    With them went `tags` by a name that it never had.
    """
    told = f"{count(number, 'deploy')} of {receiver} left the history of {workflow}"
    if tags:
        told += f", with {count(len(tags), 'tag')} ({some(tags, TAGS_NAMED_MAX)})"
    told += more
    return note_line(f"{told}: {at}`ork undo` takes that back")
