"""The difference between two texts, line by line, at a bounded cost.

Lines that occur once on both sides are matched first, then the gaps between them by a shortest edit
script; where that would cost too much, by one that is not the shortest, and in the end by replacing
all. Swapping the two sides swaps the answer, exactly.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TypeAlias

from ork.objects.value import Value

CONTEXT_LINES = 3
STEPS_MAX = 2_000_000  # of the search for the shortest edit script, per pair of texts
EDITS_MAX = 256  # after which the search settles for the way that came furthest, and goes on there
DEPTH_MAX = 32  # of gaps within gaps

Match: TypeAlias = tuple[int, int, int]  # start in old, start in new, length
_Gap: TypeAlias = tuple[int, int, int, int]  # start and end in old, start and end in new


class Hunk(Value, frozen=True, kw_only=True):
    """One stretch of a unified diff; starts count from 1, and are one less where a side is empty.

    The first character of each line says what it is: " " on both sides, "-" old only, "+" new only,
    and "\\" a remark that the line above has no newline at its end.
    """

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[str, ...]


def as_text(data: bytes) -> str | None:
    """Return the text of these bytes, or None for binary ones: with a NUL, or not UTF-8."""
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def split(text: str) -> list[str]:
    """Return the lines, each with its newline; only "\\n" ends a line."""
    lines = [line + "\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def count_changes(old: str, new: str) -> tuple[int, int]:
    """Return how many lines are added, and how many are removed."""
    before, after = split(old), split(new)
    kept = sum(length for _, _, length in matches(before, after))
    return len(after) - kept, len(before) - kept


def hunks(old: str, new: str, *, context: int = CONTEXT_LINES) -> tuple[Hunk, ...]:
    """Return the unified diff of two texts: nothing when they are equal."""
    before, after = split(old), split(new)
    found: list[list[_Gap]] = []
    for gap in _gaps(matches(before, after), len(before), len(after)):
        # Two changes whose context would touch are one hunk.
        if found and gap[0] - found[-1][-1][1] <= 2 * context:
            found[-1].append(gap)
        else:
            found.append([gap])
    return tuple(_hunk(before, after, gaps, context) for gaps in found)


def matches(old: Sequence[str], new: Sequence[str]) -> list[Match]:
    """Return the runs of equal items that both sides keep, in order, none touching the next."""
    # One order of the two sides for the search, so that ties fall the same way in both directions.
    if list(new) < list(old):
        return [(i, j, length) for j, i, length in _matches(new, old)]
    return _matches(old, new)


def carried(
    old: Sequence[str], new: Sequence[str], places: Sequence[tuple[int, int]]
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return which lines the old text has as well, by their places in it; and the other ones.

    `places` are pairs of a line's place in the new text, and of what it is known by.
    """
    before = _kept(old, new, [place for place, _ in places])
    kept: list[tuple[int, int]] = []
    rest: list[tuple[int, int]] = []
    for place, key in places:
        if place in before:
            kept.append((before[place], key))
        else:
            rest.append((place, key))
    return kept, rest


def _kept(old: Sequence[str], new: Sequence[str], wanted: Sequence[int]) -> dict[int, int]:
    """Return place in new -> place in old, of the lines that both have; of the wanted at least."""
    least = min(len(old), len(new))
    start = next((n for n in range(least) if old[n] != new[n]), least)
    end = next((n for n in range(least - start) if old[-1 - n] != new[-1 - n]), least - start)
    shift = len(old) - len(new)
    inside = range(start, len(new) - end)
    gone = set(old[start : len(old) - end])
    # What is left of an old text is mostly in its unchanged parts, where no search is needed.
    if not any(place in inside and new[place] in gone for place in wanted):
        return {
            place: place if place < start else place + shift
            for place in wanted
            if place not in inside
        }
    return {j + n: i + n for i, j, length in matches(old, new) for n in range(length)}


def _matches(old: Sequence[str], new: Sequence[str]) -> list[Match]:
    runs: list[Match] = []
    steps = STEPS_MAX
    todo: list[tuple[_Gap, int]] = [((0, len(old), 0, len(new)), 0)]
    while todo:
        gap, depth = todo.pop()
        gap = _trim(old, new, gap, runs)
        if gap[0] == gap[1] or gap[2] == gap[3]:
            continue
        anchors = _anchors(old, new, gap) if depth < DEPTH_MAX else []
        if not anchors:
            found, rest, steps = _short_edit(old, new, gap, steps)
            runs += found
            todo.append((rest, DEPTH_MAX))
            continue
        i, i_end, j, j_end = gap
        for i_next, j_next in [*anchors, (i_end, j_end)]:
            # The anchor itself opens the next gap, whose common start then takes it.
            todo.append(((i, i_next, j, j_next), depth + 1))
            i, j = i_next, j_next
    return _joined(sorted(runs))


def _trim(old: Sequence[str], new: Sequence[str], gap: _Gap, runs: list[Match]) -> _Gap:
    """Add the equal items at both ends to the runs; return the gap that is left between them."""
    i, i_end, j, j_end = gap
    start = (i, j)
    while i < i_end and j < j_end and old[i] == new[j]:
        i, j = i + 1, j + 1
    if i > start[0]:
        runs.append((*start, i - start[0]))
    end = i_end
    while i < i_end and j < j_end and old[i_end - 1] == new[j_end - 1]:
        i_end, j_end = i_end - 1, j_end - 1
    if i_end < end:
        runs.append((i_end, j_end, end - i_end))
    return i, i_end, j, j_end


def _anchors(old: Sequence[str], new: Sequence[str], gap: _Gap) -> list[tuple[int, int]]:
    """Return the longest rising chain of places whose item occurs once on each side."""
    once_old, once_new = _once(old, gap[0], gap[1]), _once(new, gap[2], gap[3])
    places = [(i, once_new[item]) for item, i in once_old.items() if item in once_new]
    tails: list[int] = []  # the smallest place in new that ends a chain of each length
    chain: list[int] = []  # index of the place that is at each tail
    before: list[int] = []
    for index, (_, j) in enumerate(places):
        length = bisect_left(tails, j)
        tails[length : length + 1] = [j]
        chain[length : length + 1] = [index]
        before.append(chain[length - 1] if length else -1)
    found: list[tuple[int, int]] = []
    at = chain[-1] if chain else -1
    while at >= 0:
        found.append(places[at])
        at = before[at]
    return found[::-1]


def _once(items: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Return item -> place of the items that occur once between start and end, by place."""
    places: dict[str, int] = {}
    again: set[str] = set()
    for place in range(start, end):
        if places.setdefault(items[place], place) != place:
            again.add(items[place])
    return {item: place for item, place in places.items() if item not in again}


def _short_edit(
    old: Sequence[str], new: Sequence[str], gap: _Gap, steps: int
) -> tuple[list[Match], _Gap, int]:
    """Return runs kept by a short edit script (Myers 1986), the gap left, and the steps left.

    Diagonal k holds the places with i - j == k. After d edits `reach[k]` is how far into old one
    can be on it; `trace` keeps each of these, to walk back the way that arrived first.
    """
    i_start, i_end, j_start, j_end = gap
    size_old, size_new = i_end - i_start, j_end - j_start
    reach = {1: 0}
    trace: list[list[int]] = []
    for edits in range(EDITS_MAX + 1):
        for k in range(-edits, edits + 1, 2):
            down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
            i = start = reach[k + 1] if down else reach[k - 1] + 1
            while i < size_old and i - k < size_new:
                if old[i_start + i] != new[j_start + i - k]:
                    break
                i += 1
            reach[k] = i
            steps -= i - start + 1
            if i >= size_old and i - k >= size_new:
                return _walk_back(trace, k, i, (i_start, j_start)), (0, 0, 0, 0), steps
        if steps < 0:
            return [], (0, 0, 0, 0), steps
        trace.append([reach[k] for k in range(-edits, edits + 1, 2)])
    ends = range(-EDITS_MAX, EDITS_MAX + 1, 2)
    inside = [k for k in ends if reach[k] <= size_old and reach[k] - k <= size_new]
    k = max(inside, key=lambda k: 2 * reach[k] - k)
    i, j = i_start + reach[k], j_start + reach[k] - k
    runs = _walk_back(trace[:-1], k, reach[k], (i_start, j_start))
    return runs, (i, i_end, j, j_end), steps


def _walk_back(trace: list[list[int]], k: int, i: int, start: tuple[int, int]) -> list[Match]:
    runs: list[Match] = []
    for edits in range(len(trace), 0, -1):
        reach = dict(zip(range(1 - edits, edits, 2), trace[edits - 1], strict=True))
        down = k == -edits or (k != edits and reach[k - 1] < reach[k + 1])
        came = reach[k + 1] if down else reach[k - 1] + 1
        if i > came:
            runs.append((start[0] + came, start[1] + came - k, i - came))
        k = k + 1 if down else k - 1
        i = reach[k]
    if i > 0:
        runs.append((*start, i))
    return runs


def _joined(runs: list[Match]) -> list[Match]:
    joined: list[Match] = []
    for i, j, length in runs:
        if joined and (i, j) == (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]):
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + length)
        else:
            joined.append((i, j, length))
    return joined


def _gaps(runs: list[Match], old_end: int, new_end: int) -> list[_Gap]:
    gaps: list[_Gap] = []
    i = j = 0
    for i_next, j_next, length in [*runs, (old_end, new_end, 0)]:
        if i < i_next or j < j_next:
            gaps.append((i, i_next, j, j_next))
        i, j = i_next + length, j_next + length
    return gaps


def _hunk(old: Sequence[str], new: Sequence[str], gaps: list[_Gap], context: int) -> Hunk:
    before = min(context, gaps[0][0])
    after = min(context, len(old) - gaps[-1][1])
    i = i_start = gaps[0][0] - before
    j_start, j_end = gaps[0][2] - before, gaps[-1][3] + after
    lines: list[str] = []
    for i_from, i_to, j_from, j_to in gaps:
        _mark(" ", old[i:i_from], lines)
        _mark("-", old[i_from:i_to], lines)
        _mark("+", new[j_from:j_to], lines)
        i = i_to
    _mark(" ", old[i : i + after], lines)
    i_end = i + after
    return Hunk(
        old_start=i_start + (i_end > i_start),
        old_lines=i_end - i_start,
        new_start=j_start + (j_end > j_start),
        new_lines=j_end - j_start,
        lines=tuple(lines),
    )


def _mark(sign: str, items: Sequence[str], lines: list[str]) -> None:
    for item in items:
        lines.append(sign + item.removesuffix("\n"))
        if not item.endswith("\n"):
            lines.append("\\ No newline at end of file")
