"""The schedules of a workflow, as its settings have them.

A setting is a line of cron, or a mapping with more than that, or a list of both. It is read here,
and checked; when a schedule is due is told by `ork.schedule.times`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from ork.objects.canonical import Json
from ork.objects.value import Value

Catchup: TypeAlias = Literal["latest", "none", "all"]
Overlap: TypeAlias = Literal["skip", "queue", "allow"]


class Schedule(Value, frozen=True, kw_only=True):
    """When a workflow is to run: by a line of `cron` in a time zone, or `every` so many seconds.

    `every` counts from 1970-01-01T00:00Z, so that every process counts alike. `catchup` says which
    of the slots are made up for that went by while nobody was there to fire; `overlap` what happens
    to a slot that comes while a run of this schedule goes on. A run that fails is retried up to
    `retries` times, `retry_delay_s` after its end.
    """

    cron: str | None = None
    every_s: int | None = None
    timezone: str = "UTC"
    catchup: Catchup = "latest"
    overlap: Overlap = "skip"
    params: Mapping[str, Json] = {}
    retries: int = 0
    retry_delay_s: float = 0.0


def schedules_of(settings: Mapping[str, Json]) -> tuple[Schedule, ...]:
    """Return the schedules that the settings of a deploy have."""
    found = settings.get("schedule")
    lines = found if isinstance(found, list) else [] if found is None else [found]
    return tuple(Schedule(cron=str(line)) for line in lines)
