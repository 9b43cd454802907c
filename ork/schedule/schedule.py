"""The schedules of a workflow, as its file and its settings have them.

A setting is a line of cron, or a mapping with more than that, or a list of these. It is read alike
from a file and from a deploy. Schedules with the same parameters start the same runs, so they are
one for whoever fires: its slots are those of all of them. When a schedule is due is told by
`ork.schedule.times`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from ork.errors import InvalidInput
from ork.objects.canonical import Json, encode, hash_bytes
from ork.objects.value import Value, replace
from ork.schedule import cron
from ork.schedule.durations import duration_text, seconds_of

Catchup: TypeAlias = Literal["latest", "none", "all"]
Overlap: TypeAlias = Literal["skip", "queue", "allow"]
AfterFailure: TypeAlias = Literal["fire", "hold"]
WORDS: dict[str, tuple[str, ...]] = {
    "catchup": get_args(Catchup),
    "overlap": get_args(Overlap),
    "after_failure": get_args(AfterFailure),
}
KEYS = (
    *("cron", "every", "timezone", "catchup", "overlap"),
    *("params", "retries", "retry_delay", "timeout", "after_failure"),
)

DURATION_MAX_S = 366 * 86_400
SCHEDULES_MAX = 100
RETRIES_MAX = 1000

_LONG_FORM = "as in `schedule: {cron: 0 2 * * *, timezone: Europe/Berlin}`"
# What other tools call these keys, or have where a schedule has none.
_OTHER_KEYS = {
    **dict.fromkeys(("retry", "max_retries", "attempts"), "did you mean `retries`?"),
    "max_active_runs": "it stands at the top of the file, and counts all runs; `overlap: skip`, as"
    " without it, starts no run while one of the schedule goes on",
    "depends_on_past": "`after_failure: hold` fires nothing until the run before has succeeded",
    "start_date": "it begins when it is deployed; `ork schedule backfill` makes up for the past",
    "end_date": "it ends with a deploy that has no schedule, or `ork schedule pause`",
    "dagrun_timeout": "`timeout`, as in `timeout: 2h`, ends a run that takes longer",
    "sla": "`timeout: 2h` ends a run that takes longer; `ork schedule late` tells of slots that"
    " have none",
}
_POLICIES = ("catchup", "overlap", "retries", "retry_delay_s", "timeout_s", "after_failure")


class Schedule(Value, frozen=True, kw_only=True):
    """When a workflow is to run: by a line of `cron` in a time zone, or `every` so many seconds.

    `every_s` counts from 1970-01-01T00:00Z, so that every process counts alike. `catchup` says
    which of the slots are made up for that went by while nobody was there to fire; `overlap` what
    happens to a slot that comes while a run of this schedule goes on. A run that fails is retried
    up to `retries` times, `retry_delay_s` after its end; one that takes longer than `timeout_s` has
    failed. `after_failure` says what happens to slots that come after a run that did not succeed.
    `also` has further times at which the same runs are due: of those, only `cron`,
    `every_s` and `timezone` count.
    """

    cron: str | None = None
    every_s: int | None = None
    timezone: str = "UTC"
    catchup: Catchup = "latest"
    overlap: Overlap = "skip"
    params: Mapping[str, Json] = {}
    retries: int = 0
    retry_delay_s: float = 0.0
    timeout_s: float | None = None
    after_failure: AfterFailure = "fire"
    also: tuple[Schedule, ...] = ()

    @property
    def parts(self) -> tuple[Schedule, ...]:
        """The schedules that are one here."""
        return (self, *self.also)


class Wrong(Value, frozen=True, kw_only=True):
    """One complaint about a setting, and the `path` to what it is about.

    It is about a key itself with `of_key`; about the character `at` where that is within a text.
    Where a word was not known, `known` has those that are.
    """

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None
    of_key: bool = False
    at: int | None = None
    known: tuple[str, ...] = ()


def schedules_of(settings: Mapping[str, Json]) -> tuple[Schedule, ...]:
    """Return the schedules that the settings of a deploy have, no two with the same parameters.

    Raise InvalidInput where they make no sense: settings may be older than the check of today, or
    written by somebody else.
    """
    found = settings.get("schedule")
    if found is None:
        return ()
    schedules, wrong = read(found)
    if wrong:
        shown = json.dumps(found, ensure_ascii=False)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        hint = "write a right `schedule:` into the workflow file, and `ork deploy` it"
        message = f"the schedule {shown} cannot be read: {wrong[0].message}"
        raise InvalidInput(message, hint=hint)
    grouped: dict[str, list[Schedule]] = {}
    for schedule in schedules:
        grouped.setdefault(key_of(schedule), []).append(schedule)
    return tuple(replace(first, also=tuple(rest)) for first, *rest in grouped.values())


def key_of(schedule: Schedule) -> str:
    """Return the 16 hex digits that stand for its parameters."""
    return hash_bytes(encode(dict(schedule.params)))[:16]


def slot_name(schedule: Schedule, slot: datetime) -> str:
    """Return a slot as a part of the name of a ref, such as `20261127T020000Z`."""
    moment = f"{slot.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    return f"{moment}.{key_of(schedule)}" if schedule.params else moment


# -- as it is kept


def setting_of(schedules: Sequence[Schedule]) -> Json:
    """Return how schedules are kept: one that has only a line of cron as that, several as a list.

    A mapping has the keys alone that differ from what they are when they are left out.
    """
    found = [_setting(schedule) for schedule in schedules]
    return found[0] if len(found) == 1 else found


def _setting(schedule: Schedule) -> Json:
    found: dict[str, Json] = {}
    if schedule.cron is not None:
        found["cron"] = schedule.cron
    if schedule.every_s is not None:
        found["every"] = duration_text(schedule.every_s)
    usual = Schedule()
    for key in ("timezone", "catchup", "overlap", "retries", "after_failure"):
        if (value := getattr(schedule, key)) != getattr(usual, key):
            found[key] = value
    if schedule.params:
        found["params"] = dict(schedule.params)
    if schedule.retry_delay_s:
        found["retry_delay"] = duration_text(schedule.retry_delay_s)
    if schedule.timeout_s is not None:
        found["timeout"] = duration_text(schedule.timeout_s)
    return schedule.cron if found.keys() == {"cron"} else found


def read(value: Json) -> tuple[tuple[Schedule, ...], list[Wrong]]:
    """Return the schedules that a setting has, each by itself, and all that is wrong with it.

    Where something is wrong, the schedules are of no use. Whether there are such parameters and
    time zones is not known here.
    """
    wrong: list[Wrong] = []
    if not isinstance(value, list):
        return (_Reading(wrong, ()).schedule(value),), wrong
    if not value or len(value) > SCHEDULES_MAX:
        message = f"schedule is a list of 1 to {SCHEDULES_MAX}, not of {len(value)}"
        return (), [Wrong(path=(), message=message)]
    schedules = tuple(_Reading(wrong, (at,)).schedule(one) for at, one in enumerate(value))
    wrong += _clashes(schedules)
    return schedules, wrong


def _clashes(schedules: Sequence[Schedule]) -> Iterator[Wrong]:
    """Yield complaints of what cannot stand side by side."""
    first_of: dict[str, Schedule] = {}
    settings = [repr(_setting(schedule)) for schedule in schedules]  # where true is not 1
    for place, schedule in enumerate(schedules):
        if settings[place] in settings[:place]:
            message, hint = "this schedule is given twice", "keep one of them"
            yield Wrong(path=(place,), message=message, hint=hint)
        first = first_of.setdefault(encode(dict(schedule.params)).decode(), schedule)
        for key in _POLICIES:
            if getattr(first, key) != getattr(schedule, key):
                word = key.removesuffix("_s")
                message = f"another `{word}` than a schedule above that starts the same runs"
                hint = f"give both the same `{word}`, or each other `params`"
                yield Wrong(path=(place,), message=message, hint=hint)


class _Reading:
    """Reads one schedule, which stands at a path, and collects what is wrong with it."""

    def __init__(self, wrong: list[Wrong], path: tuple[str | int, ...]) -> None:
        self.wrong, self.path = wrong, path
        self.given: dict[str, Json] = {}  # of its keys, those that are not null

    def complain(self, key: str | None, message: str, hint: str | None = None, **more: Any) -> None:
        """Complain of the value of a key; None is the whole schedule."""
        path = self.path if key is None else (*self.path, key)
        self.wrong.append(Wrong(path=path, message=message, hint=hint, **more))

    def schedule(self, value: Json) -> Schedule:
        if isinstance(value, str):
            return Schedule(cron=self._line(value, None, "schedule"))
        if not isinstance(value, dict):
            message = f"schedule must be a text, a mapping or a list of these, not {_shown(value)}"
            self.complain(None, message, cron.FORM)
            return Schedule()
        nothing = {"timeout": (None, "none")}  # what is as if the key had been left out
        given = self.given = {
            key: below for key, below in value.items() if below not in nothing.get(key, (None,))
        }
        for key in [key for key in given if key not in KEYS]:
            message = f"unknown key `{key[:60]}` in a schedule"
            hint = _OTHER_KEYS.get(key)
            known = () if hint else KEYS
            hint = hint or f"a schedule has: {', '.join(KEYS)}"
            self.complain(key, message, hint, of_key=True, known=known)
        if ("cron" in given) == ("every" in given):
            has = "both `cron` and `every`" if "cron" in given else "neither `cron` nor `every`"
            hint = "one is enough: a list may have several schedules"
            self.complain(None, f"the schedule has {has}", hint if "cron" in given else _LONG_FORM)
        schedule = Schedule(
            cron=self._line(given["cron"], "cron", "cron") if "cron" in given else None,
            every_s=self._every(),
            timezone=self._timezone(),
            catchup=self._word("catchup"),
            overlap=self._word("overlap"),
            params=self._params(),
            retries=self._retries(),
            retry_delay_s=self._duration("retry_delay", least=0),
            timeout_s=self._duration("timeout", least=1) if "timeout" in given else None,
            after_failure=self._word("after_failure"),
        )
        if schedule.overlap == "queue" and schedule.catchup == "none":
            message = "`overlap: queue` has late slots wait, and `catchup: none` leaves them out"
            self.complain("overlap", message, "choose one of the two")
        if schedule.overlap == "allow" and schedule.after_failure == "hold":
            message = (
                "`after_failure: hold` waits for how a run ends, and `overlap: allow` does not"
            )
            self.complain("after_failure", message, "choose one of the two")
        return schedule

    def _line(self, value: Json, key: str | None, what: str) -> str | None:
        if not isinstance(value, str):
            self.complain(key, f"{what} must be a text, not {_shown(value)}", cron.FORM)
        elif not value.strip():
            self.complain(key, f"{what} is empty", cron.FORM)
        else:
            try:
                cron.read(value)
            except cron.CronError as error:
                self.complain(key, str(error), error.hint, at=error.at)
            return value
        return None

    def _every(self) -> int | None:
        if "every" not in self.given:
            return None
        seconds = self._duration("every", least=1)
        if seconds != int(seconds):
            self.complain("every", "every must be a whole number of seconds")
        return int(seconds)

    def _duration(self, key: str, *, least: int) -> float:
        value = self.given.get(key, least)
        seconds = seconds_of(value) if isinstance(value, str) else value
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            hint = "as in `30s`, `5m`, `1h30m`, `2d`, or a number of seconds"
            self.complain(key, f"{key} cannot be {_shown(value)}", hint)
        elif not least <= seconds <= DURATION_MAX_S:
            most = duration_text(DURATION_MAX_S)
            self.complain(key, f"{key} must be from {least}s to {most}, not {_shown(value)}")
        else:
            return seconds
        return least

    def _timezone(self) -> str:
        value = self.given.get("timezone", "UTC")
        if not isinstance(value, str):
            hint = "a name, as in `timezone: Europe/Berlin`"
            self.complain("timezone", f"timezone cannot be {_shown(value)}", hint)
            return "UTC"
        if "timezone" in self.given and "every" in self.given:
            message = "`every` counts from 1970 in UTC, so that no time zone has a meaning for it"
            hint = "leave `timezone` out, or write a `cron`"
            self.complain("timezone", message, hint, of_key=True)
        return value

    def _word(self, key: str) -> Any:
        words = WORDS[key]
        value = self.given.get(key)
        if value is not None and value not in words:
            message = f"{key} must be one of {', '.join(words)}, not {_shown(value)}"
            self.complain(key, message, known=words if isinstance(value, str) else ())
            value = None
        return value or getattr(Schedule(), key)

    def _params(self) -> Mapping[str, Json]:
        value, hint = self.given.get("params", {}), "as in `params: {region: eu}`"
        if not isinstance(value, dict):
            self.complain("params", f"params must be a mapping, not {_shown(value)}", hint)
            return {}
        try:
            encode(value)
        except InvalidInput as error:  # what no record can hold, such as half a character
            self.complain("params", f"params: {error.message}")
            return {}
        return value

    def _retries(self) -> int:
        value = self.given.get("retries", 0)
        if type(value) is int and 0 <= value <= RETRIES_MAX:
            return value
        message = f"retries must be a whole number from 0 to {RETRIES_MAX}, not {_shown(value)}"
        self.complain("retries", message)
        return 0


def _shown(value: Json) -> str:
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "a mapping"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
