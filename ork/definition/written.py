"""A task as a workflow file writes it: the order of its keys, and their units; what hooks execute.

What shows or compares tasks needs this of a file and nothing more, so it loads no reader of YAML.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ork.objects.canonical import Json
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Task, to_json

NO_TIMEOUT = "none"
SECONDS = frozenset(("timeout", "retry_delay"))  # the keys that are given in these
# What it executes, what it takes and gives, how it is run.
_ORDER = (
    *("executor", "file", "module", "command", "function", "shell", "depends_on", "when"),
    *("input_type", "output_type", "inputs", "env", "timeout"),
    *("retries", "retry_delay", "retry_backoff", "on_upstream_failure"),
    *("fresh", "cache", "resources", "max_parallel", "runs_on"),
)


def as_written(task: Task, fields: Iterable[str] = _ORDER) -> dict[str, Json]:
    """Return fields of a task, in the units of a workflow file: seconds.

    All of them come in the order of such a file.
    """
    payload = {field: to_json(getattr(task, field)) for field in fields}
    for field in payload.keys() & SECONDS:
        payload[field] = _number(payload[field], SECOND)
    if "timeout" in payload and task.timeout is None:
        payload["timeout"] = NO_TIMEOUT
    if "retry_backoff" in payload:
        payload["retry_backoff"] = _number(task.retry_backoff, BACKOFF_UNIT)
    return payload


def hook_command(settings: Mapping[str, Json], hook: str) -> str | tuple[str, ...] | None:
    """Return the command of a hook, a line or words; settings are data."""
    found = settings.get(hook)
    command = found.get("command") if isinstance(found, dict) else None
    if isinstance(command, list) and all(isinstance(word, str) for word in command):
        return tuple(map(str, command)) or None
    return command if isinstance(command, str) else None


def _number(count: int | None, unit: int) -> float | None:
    if count is None:
        return None
    return count // unit if count % unit == 0 else count / unit
