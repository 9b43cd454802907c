"""The live view of a run: its graph, with what each task does, for as long as it goes on.

A graph that does not fit the window gives way to what failed, what runs, and all tasks by groups.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from threading import Lock

from rich.cells import cell_len

from ork.cli.pictures.graph import node_mark, node_row
from ork.cli.runs.plain import ENDS_MAX, NAMES_MAX, checked_out, idle_lines
from ork.cli.screen import human
from ork.cli.screen.fit import fitted_lines
from ork.cli.screen.line import MARKS, PRINTED, Line, has_boxes, plain
from ork.cli.screen.parts import clip, is_narrow, length, name_room
from ork.cli.screen.terminal import Region
from ork.cli.session import Session
from ork.differences.renames import family
from ork.graph.lanes import Row, draw
from ork.history.pace import Pace, pace_of
from ork.logs.begun import Beginnings
from ork.logs.bytes import size_of
from ork.logs.drawn import undrawn
from ork.logs.ends import last_lines, says_more
from ork.logs.reading import last_line
from ork.objects.kinds import TaskRun
from ork.runner.events import (
    CheckedOut,
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.loop import Control
from ork.store.store import Store
from ork.store.verdict import taint, taint_text

TASKS_MAX = 200  # larger graphs are never drawn: no window is so tall
ENDED_LINES_MAX = 100
FAILED_MAX = 50  # whose logs are kept at hand
FAILED_LINES = 3  # of the end of a log
IDLE_LINES_MAX = 3  # about tasks that are not executed
BAR_COLUMNS_MAX = 60
# The order in which states are told: where room is short, the last are left out.
NOT_ASKED = ("kept", "left out")  # the words for both kinds of skipped
FIRST = ("failed", "running", "cancelled", "interrupted")
TOLD = (*FIRST, "success", *NOT_ASKED, "skipped", "upstream_failed", "pending")


def live(session: Session, events: Iterator[Event], control: Control) -> RunFinished:
    """Draw events until the run ends; leave the picture of its end, whatever ended it."""
    board = Board(session.store, control, box=has_boxes(session.world.environ))
    with Region(sys.stderr, board.frame, color=session.color_on(sys.stderr)) as region:
        control.notice = board.notice
        try:
            for event in events:
                board.note(event)
        finally:
            region.frame = board.last
    session.say(*board.left)
    assert isinstance(event, RunFinished)
    return event


class Board:
    """The state of the view; events come in from one thread, another one asks for frames."""

    def __init__(self, store: Store, control: Control, *, box: bool) -> None:
        self._store, self._control, self._box = store, control, box
        self._lock = Lock()
        self._name = ""
        self._folder: str | None = None  # the checkout in which tasks start
        self.left: list[Line] = []  # what is to be said of it at the end
        self._since = time.monotonic()
        self._needs: dict[str, tuple[str, ...]] = {}  # of the tasks that are executed
        self._idle: list[TaskFinished] = []  # of the others
        self._drawn: tuple[Row, ...] | None = None
        self._counts: Counter[str] = Counter()
        self._groups: dict[str, Counter[str]] = {}  # of tasks whose names differ in numbers
        self._running: dict[str, _Attempt] = {}
        self._waiting: dict[str, tuple[str, float]] = {}  # task -> why it is tried again, when
        self._ended: dict[str, TaskRun] = {}
        self._failed: dict[str, list[str]] = {}  # task -> the end of its log
        self._pace: Pace | None = None
        self._notice = ""

    def note(self, event: Event) -> None:
        """Take in an event."""
        with self._lock:
            match event:
                case RunStarted():
                    self._begin(event)
                case CheckedOut():
                    self._folder = event.folder
                    self.left = checked_out(event)
                case TaskStarted():
                    self._move(event.task, "running")
                    self._running[event.task] = _Attempt(event, self._store, self._beginnings)
                case TaskRetried():
                    self._move(event.task, "pending")
                    again = time.monotonic() + event.delay
                    self._waiting[event.task] = event.error.partition("\n")[0], again
                case TaskFinished() if event.is_aside:
                    self._set_aside(event)
                case TaskFinished():
                    state = event.taskrun.state
                    self._move(event.task, state)
                    self._ended[event.task] = event.taskrun
                    if event.taskrun.state == "failed":
                        self._failed[event.task] = self._end_of_log(event.taskrun)
                    if self._pace:
                        executed = bool(event.taskrun.attempts)
                        self._pace.end(event.task, executed=executed)

    def notice(self, text: str) -> None:
        """Show a text beside the state of the run, in place of the one before."""
        with self._lock:
            self._notice = text

    def frame(self, rows: int, columns: int) -> list[Line]:
        """Return the lines to show in a window of this size: never more than it has."""
        with self._lock:
            if not self._name:
                return [[("starting", "running"), f" {_elapsed(self._since)}"]]
            if not 0 < len(self._rows) < rows:
                return [self._head(columns), *self._busy(rows - 1, columns)]
            bar = [self._bar(columns)] if len(self._rows) + 1 < rows else []
            lines = [self._head(columns), *bar, *self._graph(columns)]
            return [*lines, *self._idle_in_words(columns)][:rows]

    def last(self, rows: int, columns: int) -> list[Line]:
        """Return the lines that stay: the graph if it fits, else the tasks that failed.

        Why one failed has lines of its own below, where the window is too narrow for it, and is not
        told in full where the end of its log follows, which says it.
        """
        with self._lock:
            room = max(1, rows - 2)
            followed = len(self._failed) <= ENDS_MAX
            names = list(self._failed)[:room]
            idle: list[Line] = []
            if 0 < len(self._rows) < rows:
                names = [row.name or "" for row in self._rows]
                lines = self._graph(columns, followed=followed)
                idle = self._idle_in_words(columns)
            else:
                self._widen(names)
                lines = [self._task(name, columns, followed=followed) for name in names]
                if len(self._failed) > room:
                    lines.append([f"and {len(self._failed) - room} more that failed"])
            wide = zip(names, lines[: len(names)], strict=True)
            cut = [name for name, line in wide if cell_len(plain(line)) >= columns]
            cut = [name for name in cut if name in self._failed and self._ended[name].reason]
            cut = [name for name in cut if not (followed and self._is_told(name))]
            for number, name in enumerate(cut, 1):
                reason = str(self._ended[name].reason).partition("\n")[0]
                why: list[Line] = [
                    [(name, "failed")],
                    *fitted_lines([["    ", reason]], columns - 1),
                ]
                if len(lines) + len(why) + (number < len(cut)) > rows:
                    left = human.count(len(cut) - number + 1, "more task")
                    lines.append([f"`ork show {self._name}` says why {left} failed"])
                    break
                lines += why
            return [*lines, *idle][:rows]

    def _is_told(self, name: str) -> bool:
        """Say whether the end of its log has what was wrong behind the reason."""
        if not (log := self._failed.get(name)):
            return False
        message = (self._ended[name].reason or "").partition(": ")[2]
        return bool(message) and message in undrawn(log[-1])

    def _begin(self, event: RunStarted) -> None:
        run = event.run
        self._name = run.name
        self._beginnings = Beginnings(self._store, run)
        self._folder = event.folder
        if event.folder:
            self.left = [["its tasks executed in a checkout, not in the project's folder"]]
        self._since = time.monotonic()
        if run.attempt == 1:  # the record does not say when a retry began
            self._since -= max(0.0, (datetime.now(UTC) - run.created).total_seconds())
        self._needs = dict(event.tasks)
        self._counts["pending"] = len(event.tasks)
        sizes = Counter(map(family, event.tasks))
        self._groups = {group: Counter(pending=n) for group, n in sizes.items() if n > 1}
        self._pace = pace_of(self._store, run)
        if self._pace:
            self._pace.begin(event.tasks)

    def _set_aside(self, event: TaskFinished) -> None:
        """Take note that a task is not executed, and why."""
        taskrun = event.taskrun
        self._idle.append(event)
        state = human.mark(taskrun) if taskrun.state == "skipped" else taskrun.state
        self._counts["pending"] -= 1
        self._counts["kept" if event.kept and state == "success" else state] += 1
        group = family(event.task)
        if counts := self._groups.get(group):
            counts["pending"] -= 1
            if not counts.total():
                del self._groups[group]
        del self._needs[event.task]
        self._drawn = None
        if self._pace:
            self._pace.end(event.task, executed=False)

    def _idle_in_words(self, columns: int) -> list[Line]:
        """Return a few lines for all tasks that are not executed."""
        names_max = 1 if is_narrow(columns) else NAMES_MAX
        lines = islice(idle_lines(self._idle, 0, "", (), names_max=names_max), IDLE_LINES_MAX)
        return [*fitted_lines(lines, columns - 1)]

    @property
    def _rows(self) -> tuple[Row, ...]:
        """The graph of the tasks that are executed; none where it is too large."""
        if self._drawn is None:
            small = len(self._needs) <= TASKS_MAX
            self._drawn = tuple(draw(self._needs, box=self._box)) if small else ()
        return self._drawn

    def _move(self, task: str, state: str) -> None:
        before = "running" if task in self._running else "pending"
        for counts in (self._counts, self._groups.get(family(task))):
            if counts:
                counts[before] -= 1
                counts[state] += 1
        self._running.pop(task, None)
        self._waiting.pop(task, None)

    def _head(self, columns: int) -> Line:
        stops = self._control.stops
        doing = ("running", "stopping", "killing")[min(stops, 2)]
        again = "Ctrl-C again kills what runs" if stops == 1 else "" if stops else self._notice
        again = f"; {again}" if again else ""
        style = "warning" if stops else "running"
        rest = f" {_elapsed(self._since)}{self._left_in_words()}{again}: "
        room = columns - 2 - len(doing) - cell_len(rest)
        all_states, one = (len(_in_words(self._counts, most)) for most in (columns, 0))
        least = min(name_room(columns) or 0, room - one)  # beside one state, where all are too long
        name = clip(self._name, max(room - all_states, least))
        rest += _in_words(self._counts, room - len(name))
        where = f", in {human.path(self._folder)}" if self._folder else ""
        has_room = len(name) + 1 + len(doing) + cell_len(rest) + cell_len(where) <= columns
        return [(name, "name"), " ", (doing, style), rest, where if has_room else ""]

    def _left_in_words(self) -> str:
        if self._pace is None or self._control.stops:
            return ""
        now = time.monotonic()
        ages = {task: now - attempt.since for task, attempt in self._running.items()}
        left = self._pace.left(now - self._since, ages)
        return f", about {human.about(left)} left" if left is not None and left >= 1 else ""

    def _bar(self, columns: int) -> Line:
        total, done = len(self._needs), len(self._ended)
        words = f" {done:,} of {total:,}"
        room = max(0, min(BAR_COLUMNS_MAX, columns - 1 - len(words)))
        full = room * done // total if total else 0
        solid, thin = "━─" if self._box else "#-"
        style = "failed" if self._failed else "success"
        return [(solid * full, style), (thin * (room - full), "dim"), words]

    def _end_of_log(self, taskrun: TaskRun) -> list[str]:
        log = taskrun.last.log if taskrun.last else None
        if log is None or len(self._failed) >= FAILED_MAX:
            return []
        lines = last_lines(self._store, log)
        return lines[-FAILED_LINES:] if says_more(lines, taskrun.reason) else []

    def _widen(self, names: Iterable[str]) -> None:
        """Let the column of names be as wide as these, each with a node before it."""
        self._width = max(map(cell_len, names), default=0) + 2

    def _graph(self, columns: int, *, followed: bool = False) -> list[Line]:
        self._width = max(cell_len(f"{row.prefix} {row.name}") for row in self._rows if row.name)
        return [
            self._task(row.name, columns, row, followed=followed)
            if row.name
            else [(row.prefix, "dim")]
            for row in self._rows
        ]

    def _busy(self, room: int, columns: int) -> list[Line]:
        """Return a bar, what failed last, what runs, all by groups, and what ended last."""
        if room < 1:
            return []
        lines = [self._bar(columns)]
        running = [*self._running, *self._waiting]
        last = list(islice(reversed(self._ended), ENDED_LINES_MAX))
        self._widen([*running[:room], *self._failed, *last[:room]])
        spare = room - 1 - len(running) - len(self._groups)
        lines += self._failures(max(room // 2, spare), columns)
        free = room - len(lines) - min(len(self._groups), room // 4)
        shown = running[: max(0, free - 1)] if len(running) > free else running
        lines += [self._task(name, columns) for name in shown]
        if len(running) > len(shown) and free:
            lines.append([f"and {len(running) - len(shown)} more that run or are tried again"])
        lines += self._folded(room - len(lines), columns)
        others = [name for name in last if name not in self._failed]
        return lines + [self._task(name, columns) for name in others[: max(0, room - len(lines))]]

    def _failures(self, room: int, columns: int) -> list[Line]:
        """Return the tasks that failed, the first of them first, with the ends of their logs."""
        lines: list[Line] = []
        shown = 0
        for name, log in self._failed.items():
            own = [self._task(name, columns)]
            if not (self._is_told(name) and len(log) == 1 and cell_len(plain(own[0])) < columns):
                own = [self._task(name, columns, followed=True)]
                own += [[("    " + line, PRINTED)] for line in log]
            if len(lines) + len(own) >= room:
                break
            lines += own
            shown += 1
        if len(self._failed) > shown and room > len(lines):
            more = f"{len(self._failed) - shown} {'more ' if shown else ''}failed"
            lines.append([("and " if shown else "", ""), (more, "failed")])
        return lines

    def _folded(self, room: int, columns: int) -> list[Line]:
        """Return a line for each group, those first that failed or run."""
        states = {group: _state_of(counts) for group, counts in self._groups.items()}
        groups = sorted(states, key=lambda group: TOLD.index(states[group]))
        wide = max(min(max(map(cell_len, groups), default=0), columns // 2 - 2), 8)
        lines: list[Line] = []
        for group in groups if len(groups) <= room else groups[: max(0, room - 1)]:
            mark = (node_mark(states[group], box=self._box), states[group])
            name = f" {clip(group, wide):<{wide}}  "
            lines.append([mark, name, _in_words(self._groups[group], columns - wide - 5)])
        if len(groups) > len(lines) and len(lines) < room:
            lines.append([f"and {human.count(len(groups) - len(lines), 'other group')}"])
        return lines

    def _task(
        self, name: str, columns: int, row: Row | None = None, *, followed: bool = False
    ) -> Line:
        """Return one line: node, name, state, time, attempt, then its last line or what failed.

        Of what failed not all is told where the end of the log that follows tells it.
        """
        attempt, ended = self._running.get(name), self._ended.get(name)
        state = "running" if attempt else ended.state if ended else "pending"
        node = node_mark(state, box=self._box)
        lanes: Line = node_row(row, node, state) if row else [(node, state), " "]
        room = max(min(self._width, name_room(columns) or 0) - length(lanes), 8)
        shown = clip(name, room)
        marks = human.mark_columns(state for state, number in self._counts.items() if number)
        took, number, text, style, mark = "", 0, "", "dim", MARKS[state]
        if waiting := self._waiting.get(name):
            text, again = waiting
            left = again - time.monotonic()
            text = f"again in {human.about(left)}: {text}" if left > 0 else text
        if attempt:
            took, number, text = _elapsed(attempt.since), attempt.number, attempt.line()
            style = PRINTED
        elif ended:
            took = human.took(ended) if ended.attempts else ""
            number, mark = len(ended.attempts), human.mark(ended)
            text = (ended.reason or "").partition("\n")[0] if state != "success" else ""
            text = text.partition(": ")[0] if followed and self._is_told(name) else text
            if changed := taint(ended):
                text, style = "; ".join(filter(None, (taint_text(changed), text))), "warning"
        return [
            *lanes,
            f"{shown}{' ' * (room - cell_len(shown))}  ",
            (f"{mark:<{marks}}", state),
            f" {took:>7}" if took or not is_narrow(columns) else "",
            (f"  attempt {number}" if number > 1 else "", "dim"),
            (f"  {text}" if text else "", style),
        ]


class _Attempt:
    """An attempt that runs, and the last line of its log."""

    def __init__(self, event: TaskStarted, store: Store, beginnings: Beginnings) -> None:
        age = (datetime.now(UTC) - event.time).total_seconds()
        self.since = time.monotonic() - max(0.0, age)
        self.number = event.attempt
        self._task, self._store, self._beginnings = event.task, store, beginnings
        self._log = event.log
        self._size = -1
        self._line = ""

    def line(self) -> str:
        """Return the last line of the log; the file is read only when it has grown."""
        size = size_of(self._store, self._log.path) if self._log else 0
        if self._log and size != self._size:
            self._size = size
            # The attempt may have ended, untold so far, and another one print to the same file.
            log = self._beginnings.log(self._task, self.number)
            self._line = last_line(self._store, log) if log else ""
        return self._line


def _elapsed(since: float) -> str:
    """Return the time since then, in tenths: smaller steps only flicker."""
    seconds = time.monotonic() - since
    return f"{seconds:.1f}s" if seconds < 60 else human.duration(seconds)


def _state_of(counts: Counter[str]) -> str:
    """Return the state of a group: what is to be seen first, of those that its tasks have."""
    found = next(state for state in (*FIRST, "pending", *TOLD) if counts[state])
    return "skipped" if found in NOT_ASKED else found


def _in_words(counts: Counter[str], room: int) -> str:
    """Return how many tasks are in which state, as many states as fit; dots stand for others."""
    words: Counter[str] = Counter()
    for state in TOLD:
        words[MARKS.get(state, state).lower()] += counts[state]
    parts = [f"{number:,} {word}" for word, number in words.items() if number]
    shown = parts
    while len(parts) > 1 and len(", ".join(shown)) > room:
        parts = parts[:-1]
        shown = [*parts, "..."]
    return ", ".join(shown if len(", ".join(shown)) <= room else parts[:1])
