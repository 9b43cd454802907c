r"""A graph of tasks -> rows of text, in lanes, as `git log --graph` draws history. Pure.

What a task needs stands above it. A lane leads down from a task to one that needs it; where many
need it, one lane leads to all of them and forks on the way. A lane keeps its column.

    * extract          ● extract
    |\                 ├─╮
    * | clean          ● │ clean
    | * count          │ ● count
    |/                 ├─╯
    * load             ● load

Lanes beyond a maximum are folded into one last column, with their number: the width is bounded, and
the time for a row does not depend on the size of the graph.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

LANES_MAX = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the task of this name, its node being `prefix[node]`; or only lanes that meet."""

    prefix: str
    name: str | None = None
    node: int = -1


def draw(
    needs: Mapping[str, Collection[str]], *, box: bool = False, lanes_max: int = LANES_MAX
) -> Iterator[Row]:
    """Yield the rows of an acyclic graph: one per task, and one wherever lanes fork or join.

    `needs` maps every task to those it depends on; names that are no key are ignored. Tasks come in
    an order of their own, each after what it needs and close to it; the order of the mapping only
    decides where that leaves a choice. `box` draws with lines instead of slashes.
    """
    order = in_drawing_order(needs)
    drawing = _Drawing(needs, order, lanes_max, box)
    for name in order:
        yield from drawing.task(name)


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


@dataclass(slots=True, eq=False)
class _Lane:
    """A line downwards; it ends at the last of `to`, and forks off to those before."""

    to: deque[str]

    @property
    def single(self) -> bool:
        return len(self.to) == 1


@dataclass(slots=True)
class _Drawing:
    """The lanes that are open between one row and the next.

    The column after the last is the fold: `folded` are its lanes, by the task each leads to next.
    """

    needs: Mapping[str, Collection[str]]
    order: list[str]
    columns_max: int
    box: bool
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
        if not any(lane.single for _, lane in self._arriving(name)):
            yield from self._make_way(name)
        arriving = self._arriving(name)
        ending = [column for column, lane in arriving if lane.single]
        column = ending[0] if ending else self._free_column(arriving)
        above = self._open()
        for _, lane in [*arriving, *((0, lane) for lane in folded)]:
            lane.to.popleft()
        self._refold(folded)
        self.columns = [lane if lane and lane.to else None for lane in self.columns]
        sources = {c for c, _ in arriving} | ({self.columns_max} if folded else set())
        if sources - {column}:
            yield self._link(column, sources - {column}, above, self._open() | {column}, out=False)
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
            lane = "│" if self.box else "|"
            yield Row(" ".join(lane if other else " " for other in self.columns).rstrip())

    def _arriving(self, name: str) -> list[tuple[int, _Lane]]:
        return [
            (column, lane)
            for column, lane in enumerate(self.columns)
            if lane and lane.to[0] == name
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
        if len(hub.to) <= room + 1:
            forks = [hub.to.pop() for _ in range(len(hub.to) - 1)][::-1]
        else:
            near = self.position[name] + self.columns_max
            forks = [hub.to.popleft()]
            while len(forks) < room and self.position[hub.to[0]] <= near:
                forks.append(hub.to.popleft())
        taken = free[: len(forks)]
        for target, fork in zip(sorted(taken), forks, strict=True):
            self.columns[target] = _Lane(deque([fork]))
        yield self._link(column, set(taken), above, self._open(), out=True)

    def _join_largest(self) -> Iterator[Row]:
        """Let the lanes that lead to the same task join, if there are any: the most at once."""
        groups: dict[str, list[int]] = {}
        for column, lane in enumerate(self.columns):
            if lane and lane.single:
                groups.setdefault(lane.to[0], []).append(column)
        group = max(groups.values(), key=len, default=[])
        if len(group) > 1:
            above = self._open()
            for column in group[1:]:
                self.columns[column] = None
            yield self._link(group[0], set(group[1:]), above, self._open(), out=False)

    def _leave(self, name: str, column: int) -> Iterator[Row]:
        """Open the lanes that lead on from a task; where one leads to the same already, join it."""
        to = self.dependants[name]
        if not to:
            return
        if column == self.columns_max:
            self._refold([_Lane(deque(to))])
            self.folded_count += 1
            return
        above = self._open() | {column}
        ways = {lane.to[0]: c for c, lane in enumerate(self.columns) if lane and lane.single}
        joined = {ways[other] for other in to if other in ways} if len(to) > 1 else set()
        new = deque(o for o in to if o not in ways) if len(to) > 1 else deque(to)
        free = [c for c in self._free(column) if c != column]
        links = set(joined)
        if new and len(new) - 1 <= max(0, len(free) - 1):
            taken = sorted(free[: len(new) - 1])
            self.columns[column] = _Lane(deque([new.popleft()]))
            for target in taken:
                self.columns[target] = _Lane(deque([new.popleft()]))
            links |= set(taken)
        elif new:
            self.columns[column] = _Lane(new)
        if links:
            yield self._link(column, links, above, self._open(), out=True)

    def _refold(self, lanes: list[_Lane]) -> None:
        for lane in lanes:
            if lane.to:
                self.folded.setdefault(lane.to[0], []).append(lane)
            else:
                self.folded_count -= 1

    def _node(self, name: str, column: int) -> Row:
        lane, node = ("│", "●") if self.box else ("|", "*")
        cells = [lane if open_ else " " for open_ in self.columns] + [" "]
        cells[column] = node
        prefix = " ".join(cells).rstrip()
        if self.folded_count:
            prefix = f"{prefix:<{2 * self.columns_max + 1}} +{self.folded_count}"
        return Row(prefix, name, 2 * column)

    def _link(
        self, column: int, others: set[int], above: set[int], below: set[int], *, out: bool
    ) -> Row:
        """Return the row in which lanes leave a column for others, or come to it from them."""
        if self.box:
            return Row(_box_link(column, others, above, below))
        return Row(_slash_link(column, others, above, below, out=out))


# Which sides a piece of a line has: up, down, left, right.
_BOX = {
    "ud": "│",
    "lr": "─",
    "dr": "╭",
    "dl": "╮",
    "ur": "╰",
    "ul": "╯",
    "udr": "├",
    "udl": "┤",
    "dlr": "┬",
    "ulr": "┴",
    "udlr": "┼",
    "l": "─",
    "r": "─",
    "u": "│",
    "d": "│",
}


def _box_link(column: int, others: set[int], above: set[int], below: set[int]) -> str:
    ends = others | {column}
    first, last = min(ends), max(ends)
    text = ""
    for cell in range(max(above | below | ends) + 1):
        inside = first <= cell < last
        if cell in ends:
            sides = ("u" if cell in above else "") + ("d" if cell in below else "")
            text += _BOX[sides + ("l" if cell > first else "") + ("r" if inside else "")]
        else:  # a lane that the line passes behind
            text += "│" if cell in above else "─" if first < cell < last else " "
        text += "─" if inside else " "
    return text.rstrip()


def _slash_link(
    column: int, others: set[int], above: set[int], below: set[int], *, out: bool
) -> str:
    """Draw with slashes: each lies where its lane leaves the line, and underscores lead to it."""
    last = max(above | below | others | {column})
    text = [" "] * (2 * last + 1)
    for cell in above & below:
        text[2 * cell] = "|"

    def rule(start: int, end: int) -> None:
        for place in range(start, end):
            if text[place] == " ":
                text[place] = "_"

    before = column
    for cell in sorted(other for other in others if other > column):
        text[2 * cell - 1] = "\\" if out else "/"
        if not out or cell - before > 1:
            rule(2 * before + 1 if out or before == column else 2 * before, 2 * cell - 1)
        before = cell
    left = sorted((other for other in others if other < column), reverse=True)
    if out and len(left) == 1:
        text[2 * column - 1] = "/"
        rule(2 * left[0] + 1, 2 * column - 1)
        return "".join(text).rstrip()
    before = column
    for cell in left:
        text[2 * cell + 1] = "/" if out else "\\"
        rule(2 * cell + 2, 2 * before + (before != column))
        before = cell
    return "".join(text).rstrip()
