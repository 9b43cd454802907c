"""A graph of tasks as rows of text, in lanes, as `git log --graph` draws history.

A task stands below those that it needs. A lane leads down from a task to one that needs it; where
many need it, one lane leads to all of them and forks on the way. A lane keeps its column.

    ● extract          * extract
    ├─╮                +-.
    ● │ clean          * | clean
    │ ● count          | * count
    ├─╯                +-'
    ● load             * load

Lanes beyond a maximum are folded into one last column, with their number: the width is bounded, and
the time for a row does not depend on the size of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

LANES_MAX = 8

_ASCII = str.maketrans("│─●├┤┬┴┼╭╮╰╯", "|-*+++++..''")
# The piece of a line that has these sides: up, down, left, right.
_SIDES = "ud lr dr dl ur ul udr udl dlr ulr udlr l r u d"
_PIECES = dict(zip(_SIDES.split(), "│─╭╮╰╯├┤┬┴┼──││", strict=True))
# The tasks that a lane leads to: it forks off to each, and ends at the last.
_Lane: TypeAlias = "deque[str]"


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the task of this name, its node being `prefix[node]`; or only lanes that meet.

    `folded` is the number of lanes that have no column of their own there.
    """

    prefix: str
    name: str | None = None
    node: int = -1
    folded: int = 0


def draw(
    needs: Mapping[str, Collection[str]], *, box: bool = False, lanes_max: int = LANES_MAX
) -> Iterator[Row]:
    """Yield the rows of an acyclic graph: one per task, and one wherever lanes fork or join.

    `needs` maps every task to those it depends on; names that are no key are ignored. Tasks come in
    an order of their own, each after what it needs and close to it; the order of the mapping only
    decides where that leaves a choice. Without `box`, the rows are drawn in ASCII.
    """
    order = in_drawing_order(needs)
    drawing = _Drawing(needs, order, lanes_max)
    for row in (row for name in order for row in drawing.task(name)):
        yield row if box else replace(row, prefix=row.prefix.translate(_ASCII))


def in_drawing_order(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Return all names: each after what it needs, long ways first, what is short close to its use.

    So few lanes stay open at a time, and what belongs together stands together.
    """
    depth: dict[str, int] = {}
    for name in _after_needs(
        needs, {n: [u for u in below if u in needs] for n, below in needs.items()}
    ):
        depth[name] = 1 + max((depth[n] for n in needs[name] if n in needs), default=0)
    rank = {name: index for index, name in enumerate(needs)}
    longest_first = {
        name: sorted({n for n in below if n in needs}, key=lambda n: (-depth[n], rank[n]))
        for name, below in needs.items()
    }
    inner = {n for below in longest_first.values() for n in below}
    ends = [name for name in needs if name not in inner]
    return list(_after_needs(ends, longest_first))


def _after_needs(
    starts: Collection[str] | Mapping[str, Collection[str]], needs: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """Yield the starts and all that they need, depth first, each once and after its needs."""
    seen: set[str] = set()
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        path = [(start, iter(needs[start]))]
        while path:
            name, rest = path[-1]
            for other in rest:
                if other not in seen:
                    seen.add(other)
                    path.append((other, iter(needs[other])))
                    break
            else:
                path.pop()
                yield name


@dataclass(slots=True)
class _Drawing:
    """The lanes that are open between one row and the next.

    The column after the last is the fold: `folded` are its lanes, by the task each leads to next.
    """

    needs: Mapping[str, Collection[str]]
    order: list[str]
    columns_max: int
    columns: list[_Lane | None] = field(init=False)
    folded: dict[str, list[_Lane]] = field(default_factory=dict)
    folded_count: int = 0
    ended: tuple[int, bool] | None = None  # where the last task ended a lane; was it all alone
    position: dict[str, int] = field(init=False)
    dependants: dict[str, list[str]] = field(init=False)

    def __post_init__(self) -> None:
        self.columns = [None] * self.columns_max
        self.position = {name: index for index, name in enumerate(self.order)}
        self.dependants = {name: [] for name in self.order}
        for name in self.order:
            for below in set(self.needs[name]):
                if below in self.dependants:
                    self.dependants[below].append(name)

    def task(self, name: str) -> Iterator[Row]:
        """Yield the rows of the next task of the order."""
        folded = self.folded.pop(name, [])
        if not any(len(lane) == 1 for _, lane in self._arriving(name)):
            yield from self._make_way(name)
        arriving = self._arriving(name)
        ending = [column for column, lane in arriving if len(lane) == 1]
        column = ending[0] if ending else self._free_column(arriving)
        above = self._open()
        for _, lane in [*arriving, *((0, lane) for lane in folded)]:
            lane.popleft()
        self._refold(folded)
        self.columns = [lane if lane else None for lane in self.columns]
        sources = {c for c, _ in arriving} | ({self.columns_max} if folded else set())
        if sources - {column}:
            yield self._link(column, sources - {column}, above, self._open() | {column})
        if not sources:
            yield from self._gap(name, column)
        yield self._node(name, column)
        alone = not sources and not self.dependants[name]
        self.ended = None if self.dependants[name] else (column, alone)
        yield from self._leave(name, column)

    def _gap(self, name: str, column: int) -> Iterator[Row]:
        """Keep a task that begins a lane apart from the one above it, whose lane has ended there.

        Tasks that have no edge at all may stand together: there is no lane to mistake them for.
        """
        if self.ended is None or self.ended[0] != column:
            return
        both_alone = self.ended[1] and not self.dependants[name]
        if not both_alone:
            yield Row(" ".join("│" if lane else " " for lane in self.columns).rstrip())

    def _arriving(self, name: str) -> list[tuple[int, _Lane]]:
        return [
            (column, lane) for column, lane in enumerate(self.columns) if lane and lane[0] == name
        ]

    def _free_column(self, arriving: list[tuple[int, _Lane]]) -> int:
        """Return a column for a task that no lane ends at; the fold when there is none."""
        after = arriving[0][0] if arriving else -1
        return next(iter(self._free(after)), self.columns_max)

    def _free(self, after: int) -> list[int]:
        """Return the columns without a lane, those to the right of `after` first."""
        free = [column for column, lane in enumerate(self.columns) if lane is None]
        return [c for c in free if c > after] + [c for c in free if c <= after]

    def _open(self) -> set[int]:
        return {column for column, lane in enumerate(self.columns) if lane}

    def _make_way(self, name: str) -> Iterator[Row]:
        """Join lanes where columns run out; fork the lane that leads to the task, and beyond."""
        hubs = self._arriving(name)
        if len(self._free(0)) <= (1 if hubs else 0):
            yield from self._join_largest()
        free = self._free(hubs[0][0] if hubs else 0)
        if not hubs or not free:
            return
        column, hub = hubs[0]
        above = self._open()
        room = max(1, len(free) - 1)  # one stays free for a task that begins meanwhile
        if len(hub) <= room + 1:
            forks = [hub.pop() for _ in range(len(hub) - 1)][::-1]
        else:
            near = self.position[name] + self.columns_max
            forks = [hub.popleft()]
            while len(forks) < room and self.position[hub[0]] <= near:
                forks.append(hub.popleft())
        taken = free[: len(forks)]
        for target, fork in zip(sorted(taken), forks, strict=True):
            self.columns[target] = deque([fork])
        yield self._link(column, set(taken), above, self._open())

    def _join_largest(self) -> Iterator[Row]:
        """Let the lanes that lead to the same task join, if there are any: the most at once."""
        groups: dict[str, list[int]] = {}
        for column, lane in enumerate(self.columns):
            if lane and len(lane) == 1:
                groups.setdefault(lane[0], []).append(column)
        group = max(groups.values(), key=len, default=[])
        if len(group) > 1:
            above = self._open()
            for column in group[1:]:
                self.columns[column] = None
            yield self._link(group[0], set(group[1:]), above, self._open())

    def _leave(self, name: str, column: int) -> Iterator[Row]:
        """Open the lanes that lead on from a task; where one leads to the same already, join it."""
        to = self.dependants[name]
        if not to:
            return
        if column == self.columns_max:
            self._refold([deque(to)])
            self.folded_count += 1
            return
        above = self._open() | {column}
        ways = {lane[0]: c for c, lane in enumerate(self.columns) if lane and len(lane) == 1}
        joined = {ways[other] for other in to if other in ways} if len(to) > 1 else set()
        new = deque(o for o in to if o not in ways) if len(to) > 1 else deque(to)
        free = [c for c in self._free(column) if c != column]
        links = set(joined)
        if new and len(new) - 1 <= max(0, len(free) - 1):
            taken = sorted(free[: len(new) - 1])
            self.columns[column] = deque([new.popleft()])
            for target in taken:
                self.columns[target] = deque([new.popleft()])
            links |= set(taken)
        elif new:
            self.columns[column] = new
        if links:
            yield self._link(column, links, above, self._open())

    def _refold(self, lanes: list[_Lane]) -> None:
        for lane in lanes:
            if lane:
                self.folded.setdefault(lane[0], []).append(lane)
            else:
                self.folded_count -= 1

    def _node(self, name: str, column: int) -> Row:
        cells = ["│" if lane else " " for lane in self.columns] + [" "]
        cells[column] = "●"
        prefix = " ".join(cells).rstrip()
        if self.folded_count:
            prefix = f"{prefix:<{2 * self.columns_max + 1}} +{self.folded_count}"
        return Row(prefix, name, 2 * column, self.folded_count)

    def _link(self, column: int, others: set[int], above: set[int], below: set[int]) -> Row:
        """Return the row in which lanes leave a column for others, or come to it from them."""
        ends = others | {column}
        first, last = min(ends), max(ends)
        text = ""
        for cell in range(max(above | below | ends) + 1):
            inside = first <= cell < last
            if cell in ends:
                sides = "u" * (cell in above) + "d" * (cell in below)
                text += _PIECES[sides + "l" * (cell > first) + "r" * inside]
            else:  # a lane that the line passes behind
                text += "│" if cell in above else "─" if first < cell < last else " "
            text += "─" if inside else " "
        return Row(text.rstrip())
