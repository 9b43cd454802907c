"""The live view of a run on a terminal: what ended scrolls up, what runs stays at the bottom."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ork.cli import words
from ork.cli.running import event_line
from ork.cli.session import Session
from ork.cli.show import Line, styled, visible
from ork.runner.events import (
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.loop import Control

FRAMES_PER_SECOND = 8
SPINNER = "|/-\\"


class _Board:
    """What the bottom of the screen shows: counts, and the tasks that run with their times."""

    def __init__(self, console: Console, control: Control) -> None:
        self.console, self.control = console, control
        self.started = time.monotonic()
        self.total = self.ended = 0
        self.running: dict[str, float] = {}

    def note(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.total = len(event.tasks)
        elif isinstance(event, TaskStarted):
            self.running[event.task] = time.monotonic()
        elif isinstance(event, (TaskFinished, TaskRetried)):
            self.running.pop(event.task, None)
            self.ended += isinstance(event, TaskFinished)

    def __rich__(self) -> Text:
        now = time.monotonic()
        room = max(1, self.console.height - 3)
        mark = SPINNER[int(now * FRAMES_PER_SECOND) % len(SPINNER)]
        lines = [f"{mark} {self.ended}/{self.total} tasks, "
                 f"{words.duration(now - self.started)}"]  # fmt: skip
        running = list(self.running.items())
        for name, began in running[:room]:
            lines.append(f"  running {words.duration(now - began):>7}  {visible(name)}")
        if len(running) > room:
            lines.append(f"  and {len(running) - room} more")
        if self.control.stops:
            lines[0] += "; stopping, Ctrl-C again kills what runs"
        return Text("\n".join(lines), style="blue", no_wrap=True, overflow="ellipsis")


def live(session: Session, events: Iterator[Event], control: Control) -> RunFinished:
    """Draw events until the run ends; at most eight frames a second, never more than the window."""
    color = session.color_on()
    console = Console(stderr=True, no_color=not color, highlight=False, markup=False)
    board = _Board(console, control)
    width = 0
    with Live(board, console=console, refresh_per_second=FRAMES_PER_SECOND, transient=True) as view:
        for event in events:
            board.note(event)
            if isinstance(event, RunStarted):
                width = min(max(map(len, event.tasks), default=0), 32)
            if isinstance(event, TaskStarted):
                continue  # the board shows what runs
            line = event_line(event, width, session.now())
            if line:
                view.console.print(_text(line), soft_wrap=True)
    assert isinstance(event, RunFinished)
    return event


def _text(line: Line) -> Text:
    return Text.from_ansi(styled(line))
