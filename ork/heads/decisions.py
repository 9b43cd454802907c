"""Up to which slot all is decided of each schedule of a workflow, whatever name that takes.

In `decided/WORKFLOW/KEY`, where KEY stands for the parameters of the schedule.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from ork.errors import Corrupt, OrkError
from ork.objects.canonical import Oid
from ork.objects.kinds import Blob, Time
from ork.objects.value import Value, of_line, replace
from ork.schedule.policy import Skip
from ork.schedule.schedule import Schedule, key_of, schedules_of
from ork.store.resolve import newest_deploy
from ork.store.store import Store


class Passed(Value, frozen=True, kw_only=True):
    """Who let a schedule go on after a run of it had failed, in which attempt, and when."""

    run: str
    attempt: int
    author: str
    time: Time


class Decided(Value, frozen=True, kw_only=True):
    """Up to which slot all is decided of a line, and the newest that was fired, as refs name it."""

    slot: Time
    fire: str | None = None
    passed: Passed | None = None
    out: tuple[Skip, ...] = ()  # later slots that were left out while earlier ones were due
    oid: Oid | None = None  # where the ref is


def decided_ref(workflow: str, schedule: Schedule) -> str:
    """Return the ref that says up to which slot all is decided."""
    return f"decided/{workflow}/{key_of(schedule)}"


def decided(store: Store, ref: str) -> Decided | None:
    """Return what such a ref says."""
    return decided_at(store, [ref]).get(ref)


def decided_at(store: Store, refs: Iterable[str]) -> dict[str, Decided]:
    """Return what those of such refs say that are there, looked up together."""
    there = store.refs_at(refs)
    values = store.get_all(Blob, there)
    return {ref: _decided(ref, oid, values[ref]) for ref, oid in there.items()}


def decided_of(store: Store, workflow: str) -> dict[str, Oid | None]:
    """Return what is decided of the schedules of a workflow, by key; also that nothing is."""
    found: dict[str, Oid | None] = {}
    with suppress(OrkError):  # what cannot be read fires nothing
        found = dict.fromkeys(map(key_of, schedules_now(store, workflow)))
    return found | dict(store.refs(f"decided/{workflow}/"))


def schedules_now(store: Store, workflow: str) -> tuple[Schedule, ...]:
    """Return the schedules of the head of a workflow; none of one that is not deployed."""
    deploy = newest_deploy(store, workflow)
    return schedules_of(deploy.settings) if deploy else ()


def slot_of(store: Store, oid: Oid) -> datetime:
    """Return up to which slot all is decided; what is damaged decides nothing."""
    with suppress(OrkError):
        return _decided("it", oid, store.get(Blob, oid)).slot
    return datetime.min.replace(tzinfo=UTC)


def _decided(ref: str, oid: Oid, blob: Blob) -> Decided:
    try:
        found: Decided = of_line(blob.data, Decided)
    except ValueError:
        raise Corrupt(f"{ref} does not say a slot", hint="no ork wrote this store") from None
    return replace(found, oid=oid)
