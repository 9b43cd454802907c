"""How far a run is, for a notebook; of IPython it knows no more than who has imported it."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import timedelta
from html import escape
from threading import current_thread, main_thread
from typing import Any

from ork.errors import count, some
from ork.objects.kinds import Run
from ork.objects.rows import shown
from ork.runner.events import Event, RunFinished, RunStarted, TaskFinished, TaskRetried, TaskStarted

NAMES_MAX = 3  # tasks that a line names
_WORDS = {"success": "succeeded", "upstream_failed": "skipped", "skipped": "kept or left out"}


class Progress:
    """How far a run is: a line of text, in a notebook behind a bar."""

    def __init__(self) -> None:
        self._name, self._total = "", 0
        self._running: dict[str, None] = {}
        self._ended: Counter[str] = Counter()  # by the words for their states
        self._aside: Counter[str] = Counter()  # those that are not executed
        self._run: Run | None = None

    def note(self, event: Event) -> None:
        """Take in an event."""
        match event:
            case RunStarted():
                self._name, self._total = event.run.name, len(event.tasks)
            case TaskStarted():
                self._running[event.task] = None
            case TaskRetried():
                self._running.pop(event.task, None)
            case TaskFinished():
                self._running.pop(event.task, None)
                state = event.taskrun.state
                counts = self._aside if event.is_aside else self._ended
                counts[_WORDS.get(state, state)] += 1
            case RunFinished():
                self._run = event.run

    @property
    def _to_run(self) -> int:
        return self._total - self._aside.total()

    def __repr__(self) -> str:
        if self._run:
            took = shown(timedelta(seconds=(self._run.duration or 0) / 1e6))
            words = (self._ended + self._aside).items()
            counts = ", ".join(f"{number} {word}" for word, number in words)
            return f"{self._name} {self._run.state} in {took}: {counts}"
        ended = f"{self._ended.total()} of {count(self._to_run, 'task')} ended"
        failed = f", {self._ended['failed']} failed" if self._ended["failed"] else ""
        running = f"; {some(self._running, NAMES_MAX)}" if self._running else ""
        return shown(f"{self._name} running: {ended}{failed}{running}")

    def _repr_html_(self) -> str:
        bar = f'<progress value="{self._ended.total()}" max="{self._to_run}"></progress>'
        return f"{bar} {escape(repr(self))}"


def show_in_notebook(progress: Progress) -> Any:
    """Show progress below the cell; return what renews it, None where there is no notebook."""
    ipython, display = map(sys.modules.get, ("IPython", "IPython.display"))
    shell = ipython.get_ipython() if ipython else None
    if not display or not hasattr(shell, "kernel") or current_thread() is not main_thread():
        return None
    return display.display(progress, display_id=True)
