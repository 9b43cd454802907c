"""A task as a workflow file writes it: the order of its keys, and their units.

What shows or compares tasks needs this of a file and nothing more, so it loads no reader of YAML.
"""

from __future__ import annotations

from ork.objects.canonical import Json
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Task, to_json

NO_TIMEOUT = "none"
# What it executes, what it takes and gives, how it is run.
_ORDER = (
    *("executor", "file", "module", "command", "function", "shell", "depends_on", "when"),
    *("input_type", "output_type", "inputs", "env", "timeout"),
    *("retries", "retry_delay", "retry_backoff", "on_upstream_failure"),
    *("fresh", "cache", "resources", "max_parallel", "runs_on"),
)


def as_written(task: Task) -> dict[str, Json]:
    """Return the fields of a task in the order and the units of a workflow file: seconds."""
    payload = to_json(task)
    for key in ("timeout", "retry_delay"):
        payload[key] = _number(payload[key], SECOND)
    if task.timeout is None:
        payload["timeout"] = NO_TIMEOUT
    payload["retry_backoff"] = _number(payload["retry_backoff"], BACKOFF_UNIT)
    return {key: payload[key] for key in _ORDER}


def _number(count: int | None, unit: int) -> float | None:
    if count is None:
        return None
    return count // unit if count % unit == 0 else count / unit
