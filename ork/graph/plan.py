"""The tasks that may start next. Bookkeeping only: it starts nothing, knows no clock, no store."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping


class Plan:
    """The order of one run.

    Tasks in `done` are not to be run: they count as ended well.

    `needs` maps every task to the tasks that it depends on; all of them are known and there is no
    cycle (`ork.graph.order` has checked). Tasks in `run_anyway` also run when an upstream failed.
    Ready tasks come in the order of `needs`, so a run with one slot is deterministic.
    """

    def __init__(
        self,
        needs: Mapping[str, Collection[str]],
        run_anyway: Collection[str] = (),
        done: Collection[str] = (),
    ) -> None:
        ended = frozenset(done)
        tasks = [task for task in needs if task not in ended]
        # Of those that need nothing more, which may be most of a large run, nothing is kept.
        self._needs = {task: above for task in tasks if (above := tuple({*needs[task]} - ended))}
        self._run_anyway = frozenset(run_anyway)
        self._waiting = {task: len(upstream) for task, upstream in self._needs.items()}
        self._dependants: dict[str, list[str]] = {}
        for task, upstream in self._needs.items():
            for name in upstream:
                self._dependants.setdefault(name, []).append(task)
        self._ready = deque(task for task in tasks if task not in self._needs)
        self._causes: dict[str, str] = {}  # of what did not succeed: the task with which it began
        self._open = len(tasks)

    def next(self) -> str | None:
        """Take a task that may start now, or None."""
        return self._ready.popleft() if self._ready else None

    def finish(self, task: str, *, ok: bool) -> list[tuple[str, str]]:
        """Note that a task ended; return the tasks that this dooms, each with the one that failed.

        A doomed task counts as ended: it is not to be finished again.
        """
        doomed: list[tuple[str, str]] = []
        ended = [(task, None if ok else task)]
        while ended:
            name, cause = ended.pop()
            self._open -= 1
            if cause is not None:
                self._causes[name] = cause
            for dependant in self._dependants.get(name, ()):
                self._waiting[dependant] -= 1
                if self._waiting[dependant]:
                    continue
                failed = sorted(need for need in self._needs[dependant] if need in self._causes)
                if failed and dependant not in self._run_anyway:
                    first = self._causes[failed[0]]
                    doomed.append((dependant, first))
                    ended.append((dependant, first))
                else:
                    self._ready.append(dependant)
        return doomed

    def drop_ready(self) -> list[str]:
        """Take all tasks that may start now: nothing else is to start."""
        dropped = list(self._ready)
        self._ready.clear()
        return dropped

    @property
    def done(self) -> bool:
        """Say whether every task has ended."""
        return self._open == 0
