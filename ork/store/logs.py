"""The logs of a run: plain files below `.ork/logs/`, one per attempt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ork.core.objects import Run
from ork.errors import NotFound
from ork.store.contents import find_run
from ork.store.resolve import resolve, task_runs
from ork.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What one attempt printed."""

    run: str
    task: str
    attempt: int
    data: bytes


def logs(
    store: Store, text: str, *, now: datetime, failed: bool = False, attempt: int | None = None
) -> Iterator[Log]:
    """Yield the logs of RUN or RUN:TASK, in the order in which the tasks started."""
    scheme = "run:" if text.startswith("run:") else ""
    name, _, task = text.removeprefix(scheme).partition(":")
    _, run = find_run(store, resolve(store, scheme + name, now=now))
    states = task_runs(store, run)
    if task and task not in states:
        known = ", ".join(sorted(states)[:10])
        raise NotFound(f"{run.workflow}#{run.number} has no task {task!r}", hint=f"it has {known}")
    found = []
    for one, taskrun in states.items():
        if (task and one != task) or (failed and taskrun.state != "failed"):
            continue
        attempts = [a for a in taskrun.attempts if attempt in (None, a.number)]
        number = attempts[-1].number if attempts else attempt or len(taskrun.attempts) + 1
        if attempts or taskrun.state in ("running", "interrupted"):
            began = attempts[-1].started if attempts else now
            found.append((began, one, number))
    if attempt is not None and not found:
        raise NotFound(f"{text} has no attempt {attempt}")
    if task and not found:
        raise NotFound(f"{name}:{task} has no log: it is {states[task].state}")
    for _, one, number in sorted(found):
        yield Log(run=f"{run.workflow}#{run.number}", task=one, attempt=number,
                  data=_read(store, run, one, number))  # fmt: skip


def _read(store: Store, run: Run, task: str, attempt: int) -> bytes:
    if store.folder is None:
        return b""
    path = store.folder / "logs" / run.workflow / run.id / f"{task}.{attempt}.log"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
