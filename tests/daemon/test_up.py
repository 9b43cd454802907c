"""`ork up`: what is due is fired, once, whatever happens to the processes that do it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from ork.cli.app import main
from ork.daemon import fires, pauses, queue
from ork.daemon.child import Retry, begin
from ork.daemon.fires import UP_REF, holder, is_up
from ork.daemon.lines import lines_of, skipped
from ork.daemon.loop import WAITS
from ork.errors import Conflict
from ork.heads.rename import rename
from ork.objects.kinds import Deploy, Run
from ork.objects.value import replace
from ork.runner import record
from ork.runner.start import Caller
from ork.store.contents import task_runs
from ork.store.resolve import run_of_id
from ork.store.runs import hooks_of
from ork.store.store import Stamp, Store
from tests.conftest import Ork
from tests.daemon.ups import (
    PATIENCE_SECONDS,
    SELDOM,
    SELDOM_RETRIED,
    Up,
    eventually,
    now,
    owners,
    running,
    set_clock,
    set_to,
)

pytestmark = pytest.mark.slow
Opened = Callable[[], Store]
QUICK = "tasks: {t: {executor: process, command: 'true'}}"
WAITING = 25  # runs in a queue that several share
SLOW = "tasks: {t: {executor: process, command: sleep 60}}"


def deploy(ork: Ork, name: str, schedule: str, tasks: str = QUICK, more: str = "") -> None:
    """Deploy a workflow with a schedule."""
    ork.write(f"{name}.yaml", f"name: {name}\nschedule: {schedule}\n{more}\n{tasks}\n")
    world = ork.world()._replace(clock=lambda: now(ork))
    assert main(["deploy", f"{name}.yaml"], world=world) == 0


def moment(text: str) -> datetime:
    """Return a time that was told."""
    return datetime.fromisoformat(text)


def runs_of(store: Store, workflow: str) -> list[Run]:
    """Return the runs of a workflow, oldest first."""
    return [run_of_id(store, workflow, run_id)[1] for run_id, _ in store.refs(f"runs/{workflow}/")]


def decided_seconds(store: Store, workflow: str) -> list[datetime]:
    """Return the slots of `every: 1s` that were fired or left out, each as often as that."""
    found = [
        datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        for name, _ in store.refs(f"fires/{workflow}/")
    ]
    for skip in skipped(store, workflow):
        found += [skip.first + timedelta(seconds=n) for n in range(skip.count)]
    return sorted(found)


def holds_each_second_once(slots: list[datetime]) -> bool:
    """Say whether none is there twice, and none is missing in between."""
    return all(later - slot == timedelta(seconds=1) for slot, later in pairwise(slots))


def test_what_is_due_is_fired_and_recorded(ork: Ork, opened: Opened) -> None:
    deploy(ork, "tick", "{every: 1s}", more="on_success: {command: 'touch hooked; exit 3'}")
    with running(ork) as up:
        told = up.until("Up")
        assert (told["schedules"], told["workflows"], told["workflow"]) == (1, 1, "tick")
        began = up.until("Began", workflow="tick", trigger="schedule")
        ended = up.until("Ended", workflow="tick", number=began["number"])
        assert "on_success of tick#1" in up.until("Trouble")["message"]
        assert (ork.folder / "hooked").exists()
        up.until("Began")
        assert up.end() == 0
    assert ended["state"] == "success"
    store = opened()
    run = runs_of(store, "tick")[0]
    assert (run.trigger, run.number, run.author) == (
        "schedule",
        1,
        "Ada Lovelace <ada@example.org>",
    )
    assert run.scheduled == moment(began["slot"])
    assert holds_each_second_once(decided_seconds(store, "tick"))
    assert all(one.state == "success" for one in runs_of(store, "tick"))


@pytest.mark.parametrize("kind", ["lmdb", "sqlite"])
def test_several_share_the_work_and_no_slot_is_fired_twice_or_lost(
    ork: Ork, opened: Opened, kind: str
) -> None:
    assert ork("init", "--store", f"{kind}:").code == 0
    for name in ("a", "b", "c"):
        deploy(ork, name, "{every: 1s, overlap: allow}")
    ork.write("q.yaml", f"name: q\n{QUICK}\n")
    assert ork("deploy", "q.yaml").code == 0
    ups = [Up(ork, "--no-web") for _ in range(3)]
    try:
        for up in ups:
            up.until("Began")
        for _ in range(WAITING):
            assert ork("run", "--queue", "q").code == 0
        store = opened()
        assert eventually(lambda: all(len(decided_seconds(store, one)) >= 3 for one in "abc"))
        assert eventually(lambda: not queue.waiting(store))
        assert [up.end() for up in ups] == [0, 0, 0]
    finally:
        for up in ups:
            up.close()
    for name in ("a", "b", "c"):
        slots = decided_seconds(store, name)
        assert holds_each_second_once(slots)
        runs = runs_of(store, name)
        assert len(runs) == len(set(store.refs(f"fires/{name}/")))
        assert len({run.scheduled for run in runs}) == len(runs)
    assert len(runs_of(store, "q")) == WAITING
    assert not any(up.all("Trouble") for up in ups)


def test_a_killed_daemon_leaves_its_runs_to_their_end(ork: Ork, opened: Opened) -> None:
    ork.write("wait", "#!/bin/sh\nuntil test -e go; do sleep 0.05; done\n", executable=True)
    tasks = "tasks: {t: {executor: process, command: ./wait}}"
    deploy(ork, "w", "{every: 1s}", tasks, "on_success: {command: echo >> hooked}")
    with running(ork) as up:
        began = up.until("Began")
        up.process.kill()
    with running(ork) as after:
        after.until("Up")
        (ork.folder / "go").touch()
        second = after.until("Began")
        assert second["number"] == 2
        assert eventually((ork.folder / "hooked").exists)
        assert after.end() == 0
    store = opened()
    first = runs_of(store, "w")[0]
    assert (first.id, first.state) == (began["run"], "success")
    assert [hook.state for hook in hooks_of(store, first)] == ["success"]
    assert first.ended is not None
    assert runs_of(store, "w")[1].created > first.ended
    assert holds_each_second_once(decided_seconds(store, "w"))


def test_a_slot_is_fired_once_when_its_process_dies_as_soon_as_that_is_recorded(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "w", "{every: 1s}")
    with running(ork, ORK_FAILPOINT="begin.pinned") as up:
        for _ in range(2):
            assert up.until("Ended")["state"] == "interrupted"
        assert up.end() == 0
    store = opened()
    assert holds_each_second_once(decided_seconds(store, "w"))
    found = runs_of(store, "w")
    assert len({run.scheduled for run in found}) == len(found) >= 2


def test_a_run_whose_process_was_killed_is_settled_and_retried(ork: Ork, opened: Opened) -> None:
    tasks = "tasks: {t: {executor: process, command: ./once}}"
    ork.write("once", "#!/bin/sh\ntest -e again || { touch there; sleep 60; }\n", executable=True)
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 2}", tasks, "on_failure: {command: touch hooked}")
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Began", attempt=1)
        assert eventually((ork.folder / "there").exists)
        (ork.folder / "again").touch()
        for pid in owners(ork.folder):
            with suppress(ProcessLookupError):  # its run has ended just now
                os.kill(pid, signal.SIGKILL)
        assert up.until("Ended")["state"] == "interrupted"
        up.until("Began", trigger="retry", attempt=2)
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0
    (run,) = runs_of(opened(), "w")
    assert (run.state, run.attempt, run.trigger) == ("success", 2, "schedule")
    assert not (ork.folder / "hooked").exists()


def test_a_store_that_is_taken_away_is_told_and_another_in_its_place_is_opened(ork: Ork) -> None:
    deploy(ork, "w", "{every: 1s}")
    with running(ork) as up:
        up.until("Ended")
        (ork.folder / ".ork").rename(ork.folder / "before")
        trouble = up.until("Trouble", workflow=None)
        assert "there is no store in" in trouble["message"]
        assert trouble["hint"] == WAITS
        assert ork("init", "--from", "before").code == 0
        up.until("Note", message="the store can be used again")
        number = up.until("Began")["number"]
        assert up.end() == 0
    assert f"w#{number}" in ork("runs", "w").out, "it is in the new store"


@pytest.mark.parametrize(("scheme", "how"), [("sqlite", "written"), ("files", "used")])
def test_data_elsewhere_that_are_taken_away_are_waited_for(ork: Ork, scheme: str, how: str) -> None:
    data = ork.folder / "data"
    assert ork("init", "--store", f"{scheme}:{data}").code == 0
    deploy(ork, "w", "{every: 1s}")
    with running(ork) as up:
        up.until("Ended")
        data.rename(ork.folder / "away")
        while "there is no store in" not in (trouble := up.until("Trouble"))["message"]:
            pass
        assert (trouble["workflow"], trouble["hint"]) == (None, WAITS)
        (ork.folder / "away").rename(data)
        up.until("Note", message=f"the store can be {how} again")
        up.until("LeftOut", reason=f"the store could not be {how}")
        up.until("Began")
        assert up.end() == 0


def test_a_run_that_went_on_when_a_backup_was_made_is_not_retried_in_its_store(
    ork: Ork, opened: Opened
) -> None:
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 2}", SLOW, "on_failure: {command: touch hooked}")
    with running(ork, "--grace", "0s", clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Began", attempt=1)
        assert ork("backup", "../b.orkbackup").code == 0
        up.end()
    (ork.folder / ".ork").rename(ork.folder / "lost")
    (ork.folder / "hooked").unlink(missing_ok=True)
    assert ork("init", "--from", "../b.orkbackup").code == 0
    (left,) = runs_of(opened(), "w")
    assert (left.state, left.reason) == ("interrupted", record.COPIED)
    with running(ork, "--grace", "0s", clock=True) as up:
        up.until("Up")
        set_to(ork, 0)  # a retry would have begun before that
        assert up.until("Began")["trigger"] == "schedule"
        up.end()
    before, _ = runs_of(opened(), "w")
    assert before == left
    assert not any(ref.startswith(f"w/{left.id}/") for ref, _ in opened().refs("hooks/"))


def test_a_run_that_fails_is_retried_as_often_as_its_schedule_says(
    ork: Ork, opened: Opened
) -> None:
    tasks = "tasks: {t: {executor: process, command: test -e hooked}}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 1}", tasks, "on_failure: {command: echo >> hooked}")
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        for attempt in (1, 2):
            up.until("Began", attempt=attempt)
            ended = up.until("Ended")
            assert (ended["state"], ended["retries"]) == ("failed", 2 - attempt)
        assert eventually(lambda: (ork.folder / "hooked").exists())
        set_to(ork, 0)
        assert up.until("Began")["number"] == 2
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0
    assert len((ork.folder / "hooked").read_text()) == 1
    assert runs_of(opened(), "w")[0].attempt == 2
    shown = ork("show", "w#1").out
    assert re.search("(?m)^retried  by its schedule on [^,]*$", shown), shown
    (ork.folder / "hooked").unlink()
    assert ork("retry", "w#1").code == 1
    assert re.search("(?m)^retried  by its schedule on .*, .* <.*> on ", ork("show", "w#1").out)
    assert ork("report", "w#1", "-o", "w.html").code == 0
    page = (ork.folder / "w.html").read_text()
    assert "<dt>retried by</dt><dd>its schedule on " in page
    assert "<dt>trigger</dt><dd>schedule, round 3</dd>" in page


@pytest.mark.parametrize("catchup", ["latest", "all"])
def test_a_retry_that_is_due_goes_before_a_slot_that_came_meanwhile(
    ork: Ork, opened: Opened, catchup: str
) -> None:
    tasks = "tasks: {t: {executor: process, command: test -e go}}"
    set_to(ork, 30)
    # By the true clock, which tells when a run has ended: after the first slot, before the last.
    deploy(ork, "w", f"{{every: 1h, catchup: {catchup}, retries: 1, retry_delay: 2h}}", tasks)
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Ended", state="failed")
        assert up.end() == 0
    (ork.folder / "go").touch()
    for minute in (0, 0, 30):  # two slots come
        set_to(ork, minute)
    fired = 1 if catchup == "latest" else 2
    with running(ork, clock=True) as up:
        for number in range(1, fired + 2):
            assert up.until("Began")["number"] == number
            up.until("Ended", number=number, state="success")
        assert up.end() == 0
    first, *others = runs_of(opened(), "w")
    assert first.attempt == 2 and len(others) == fired
    left = [(skip.count, skip.reason) for skip in skipped(opened(), "w")]
    assert left == ([(1, "ork was not up")] if catchup == "latest" else [])


def test_what_is_told_to_come_next_is_a_slot(ork: Ork) -> None:
    set_to(ork, 30)
    tasks = "tasks: {t: {executor: process, command: exit 1}}"
    deploy(ork, "w", "{every: 1h, retries: 1, retry_delay: 20m}", tasks)
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Ended")
        assert up.end() == 0
    with running(ork, clock=True) as up:
        assert moment(up.until("Up")["next"]).minute == 0
        assert up.end() == 0


@pytest.mark.parametrize("archived", [False, True])
def test_a_run_has_its_hook_whose_schedule_went_while_nobody_was_up(
    ork: Ork, opened: Opened, archived: bool
) -> None:
    tasks = "tasks: {t: {executor: process, command: exit 1}}"
    hook = "on_failure: {command: echo $ORK_RUN_NAME >> hooked}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 1, retry_delay: 20h}", tasks, hook)
    deploy(ork, "other", "{every: 300d}")
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        assert up.until("Ended")["retries"] == 1
        assert up.end() == 0
    if archived:
        pauses.archive(opened(), "w", stamp=Stamp(time=now(ork), author="Ada"))
    else:
        deploy(ork, "w", "{every: 300d, params: {n: 1}}", tasks, f"params: {{n: int}}\n{hook}")
    for _ in range(2):
        with running(ork, clock=True) as up:
            up.until("Up")
            if not (ork.folder / "hooked").exists():
                up.until("Note", message="w#1 is not retried: its schedule is gone")
            assert eventually((ork.folder / "hooked").exists)
            assert up.end() == 0
    assert (ork.folder / "hooked").read_text().split() == ["w#1"]


def test_a_run_has_its_hook_whose_schedule_went_when_nobody_had_seen_that_it_failed(
    ork: Ork, opened: Opened
) -> None:
    wait = "until test -e go; do sleep 0.02; done; exit 1"
    tasks = f"tasks: {{t: {{executor: process, command: '{wait}'}}}}"
    hook = "on_failure: {command: echo $ORK_RUN_NAME >> hooked}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 1, retry_delay: 20h}", tasks, hook)
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Began")
        up.process.send_signal(signal.SIGSTOP)
        (ork.folder / "go").touch()
        assert eventually(lambda: runs_of(opened(), "w")[0].ended)
        deploy(ork, "w", "{every: 300d}", tasks, hook)
        up.process.send_signal(signal.SIGCONT)
        up.until("Note", message="w#1 is not retried: its schedule is gone")
        assert eventually((ork.folder / "hooked").exists)
        assert up.end() == 0
    assert (ork.folder / "hooked").read_text().split() == ["w#1"]


def killed_with_all(ork: Ork, up: Up) -> None:
    """Kill an `ork up` and the processes of its runs."""
    up.process.kill()
    up.process.wait(PATIENCE_SECONDS)
    for pid in owners(ork.folder):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not owners(ork.folder))


def test_a_run_has_its_hook_whose_end_somebody_else_has_recorded(ork: Ork, opened: Opened) -> None:
    hook = "on_failure: {command: echo $ORK_RUN_NAME >> hooked}"
    deploy(ork, "w", SELDOM, SLOW, hook)
    fires.fire_now(opened(), "w", Caller(now=now(ork)))
    with running(ork) as up:
        up.until("Began")
        killed_with_all(ork, up)
    assert eventually(lambda: record.settle(opened(), now=now(ork)))
    for _ in range(2):
        with running(ork) as up:
            up.until("Up")
            assert eventually((ork.folder / "hooked").exists)
            assert up.end() == 0
    assert (ork.folder / "hooked").read_text().split() == ["w#1"]


@pytest.mark.parametrize("is_newest", [True, False])
def test_a_run_has_its_hook_though_the_end_of_another_cannot_be_recorded(
    ork: Ork, opened: Opened, is_newest: bool
) -> None:
    hook = "on_failure: {command: echo $ORK_RUN_NAME >> hooked}"
    deploy(ork, "w", SELDOM, SLOW, hook)
    with running(ork) as up:
        up.until("Up")
        for _ in range(2):
            assert ork("run", "w", "--queue").code == 0
            up.until("Began")
        killed_with_all(ork, up)
    store = opened()
    pins = [f"active/{run.id}/.run" for run in runs_of(store, "w")]
    other, damaged = pins if is_newest else reversed(pins)
    assert store.backend.write({}, {damaged: (store.ref(damaged), store.ref(other))})
    with running(ork) as up:
        assert f"{damaged}: leads to another run" in up.until("Trouble")["message"]
        assert eventually((ork.folder / "hooked").exists)
        assert up.end() == 0
    assert (ork.folder / "hooked").read_text().split() == ["w#1" if is_newest else "w#2"]


@pytest.mark.parametrize("lives", [True, False])
@pytest.mark.parametrize("point", ["end.written", "traces.after"])
def test_each_run_has_its_hook_whose_process_was_killed_when_it_had_ended(
    ork: Ork, opened: Opened, point: str, lives: bool
) -> None:
    wait = "until test -e go; do sleep 0.02; done"
    tasks = f"tasks: {{t: {{executor: process, command: '{wait}'}}}}"
    deploy(ork, "w", SELDOM, tasks, "on_success: {command: echo $ORK_RUN_NAME >> hooked}")
    hooked = ork.folder / "hooked"
    hooked.touch()
    with running(ork, "-j", "3", ORK_FAILPOINT=point) as up:
        up.until("Up")
        for _ in range(3):
            assert ork("run", "w", "--queue").code == 0
            up.until("Began")
        if not lives:
            up.process.send_signal(signal.SIGSTOP)
        (ork.folder / "go").touch()
        if lives:
            assert eventually(lambda: len(hooked.read_text().split()) == 3)
        else:
            assert eventually(lambda: len(owners(ork.folder)) == 1), "who forks them is left"
            assert all(run.ended for run in runs_of(opened(), "w")) and not hooked.read_text()
    assert ork("run", "w", "--no-hooks").code == 0
    with running(ork) as up:
        up.until("Up")
        assert eventually(lambda: len(hooked.read_text().split()) == 3)
        assert up.end() == 0
    assert sorted(hooked.read_text().split()) == ["w#1", "w#2", "w#3"]


@pytest.mark.parametrize("how", ["slot", "person", "gone"])
def test_a_run_that_will_not_be_retried_any_more_has_its_hook(
    ork: Ork, opened: Opened, how: str
) -> None:
    tasks = "tasks: {t: {executor: process, command: exit 1}}"
    hook = "on_failure: {command: echo $ORK_RUN_NAME >> hooked}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 1, retry_delay: 20h}", tasks, hook)
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        assert up.until("Ended")["retries"] == 1
        if how == "slot":
            set_to(ork, 0)
        elif how == "person":
            set_to(ork, 10)  # in another second than that of the slot, which is taken
            fires.fire_now(opened(), "w", Caller(now=now(ork)))
        else:
            deploy(ork, "w", "{every: 300d}", tasks, hook)
        why = "its schedule is gone" if how == "gone" else "w#2 was started"
        up.until("Note", message=f"w#1 is not retried: {why}")
        assert eventually(lambda: (ork.folder / "hooked").exists())
        assert up.end() == 0
    assert (ork.folder / "hooked").read_text().split() == ["w#1"]
    assert runs_of(opened(), "w")[0].attempt == 1


def test_a_run_is_retried_whose_workflow_has_another_name(ork: Ork, opened: Opened) -> None:
    tasks = "tasks: {t: {executor: process, command: exit 1}}"
    set_clock(ork, 0)
    deploy(ork, "w", "{cron: 0 0 29 2 *, retries: 1, retry_delay: 20h}", tasks)
    fires.fire_now(opened(), "w", Caller(now=now(ork)))
    with running(ork, clock=True) as up:
        assert up.until("Ended")["retries"] == 1
        rename(opened(), "w", "other", stamp=Stamp(time=now(ork), author="Ada"))
        deploy(ork, "seen", "{every: 1s}")
        up.until("Ended", workflow="seen")
        set_clock(ork, 21 * 3600)
        began = up.until("Began", workflow="w")
        assert (began["number"], began["attempt"], began["trigger"]) == (1, 2, "retry")
        up.until("Ended", workflow="w", retries=0)
        assert up.end() == 0
    with running(ork, clock=True) as later:
        later.until("Ended")
        assert later.end() == 0
    notes = up.all("Note") + later.all("Note")
    assert not [note for note in notes if "not retried" in note["message"]]


def test_each_run_of_a_schedule_has_its_time_limit(ork: Ork, opened: Opened) -> None:
    """One that hangs ends, is retried, has its hook, and the next slot is fired."""
    schedule = "{every: 1h, retries: 1, timeout: 1s}"
    set_to(ork, 30)
    deploy(ork, "w", schedule, SLOW, "on_failure: {command: echo $ORK_RUN_REASON >> hooked}")
    late = "the run took longer than 1 s"
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        for attempt in (1, 2):
            up.until("Began", number=1, attempt=attempt)
            assert up.until("Ended", number=1, state="failed")["reason"] == late
        assert eventually((ork.folder / "hooked").exists)
        set_to(ork, 0)
        assert up.until("Began")["trigger"] == "schedule"
        assert up.end() == 0
    assert (ork.folder / "hooked").read_text().strip() == late


def test_a_retry_that_another_process_has_made_is_not_made_once_more(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "w", SELDOM, "tasks: {t: {executor: process, command: 'false'}}")
    assert (ork("run", "w").code, ork("retry", "w#1").code) == (1, 1)
    store = opened()
    (run,) = runs_of(store, "w")
    work = Retry(workflow="w", id=run.id, attempt=1, now=now(ork))
    with pytest.raises(Conflict, match="another process has retried it"):
        begin(store, work, Caller())


def test_a_clock_that_is_set_fires_nothing_twice_and_what_it_jumps_over_is_left_out(
    ork: Ork, opened: Opened
) -> None:
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h}")
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        up.until("Note")
        first = up.until("Began")
        up.until("Ended")
        wrong_s = float((ork.folder / "offset").read_text())
        set_clock(ork, wrong_s - 7200)
        assert "back" in up.until("Note")["message"]
        set_clock(ork, wrong_s + 3 * 3600)
        assert "forward" in up.until("Note")["message"]
        later = up.until("Began")
        assert up.end() == 0
    assert moment(later["slot"]) - moment(first["slot"]) >= timedelta(hours=2)
    assert up.all("LeftOut")[0]["reason"] == "ork was not up"
    runs = runs_of(opened(), "w")
    assert len({run.scheduled for run in runs}) == len(runs) == 2


def test_what_a_clock_far_ahead_has_decided_is_undecided_by_resume(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "w", "{every: 1h}")  # no other slot comes while the clock goes back
    set_clock(ork, 7200)
    with running(ork, clock=True) as up:
        up.until("Ended")
        set_clock(ork, 0)
        up.until("Note")
        warning = up.until("Trouble", workflow="w")
        assert "a clock that was ahead has decided" in warning["message"]
        assert warning["hint"] == "`ork schedule resume w` begins anew now"
        pauses.resume(opened(), "w", stamp=Stamp(time=now(ork), author="Ada"), now=now(ork))
        set_to(ork, 0)
        assert moment(up.until("Began")["slot"]) <= now(ork)
        assert up.end() == 0


def test_no_more_runs_go_on_at_once_than_it_was_told(ork: Ork, opened: Opened) -> None:
    set_to(ork, 30)
    for name in ("a", "b", "c"):
        deploy(ork, name, "{every: 1h}", "tasks: {t: {executor: process, command: sleep 0.2}}")
    with running(ork, "--jobs", "1", clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        for _ in range(3):
            up.until("Began")
            up.until("Ended")
        assert up.end() == 0
    store = opened()
    spans = sorted((run.created, run.ended) for name in "abc" for run in runs_of(store, name))
    assert len(spans) == 3
    assert all(ended is not None and ended <= begun for (_, ended), (begun, _) in pairwise(spans))


def test_what_cannot_begin_is_left_out_and_told_once_for_its_slot(ork: Ork, opened: Opened) -> None:
    tasks = "tasks: {t: {executor: process, command: ./gone.sh}}"
    set_to(ork, 30)
    script = ork.write("gone.sh", "#!/bin/sh\necho forgotten-text\n", executable=True)
    deploy(ork, "w", "{every: 1h}", tasks)
    script.unlink()
    assert ork("forget", "w:gone.sh", "--yes").code == 0
    deploy(ork, "tick", "{every: 1s}")
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        trouble = up.until("Trouble", workflow="w")
        assert "forgotten" in trouble["message"]
        assert up.until("LeftOut", workflow="w")["reason"] == trouble["message"]
        for _ in range(2):
            up.until("Began", workflow="tick")
        assert up.end() == 0
        assert len(up.all("Trouble")) == 1
    store = opened()
    assert not runs_of(store, "w")
    assert [skip.reason for skip in skipped(store, "w")] == [trouble["message"]]


def test_a_secret_that_is_not_set_fails_a_run_that_everybody_sees(ork: Ork, opened: Opened) -> None:
    tasks = "tasks: {t: {executor: process, command: 'true', env: {A: {secret: NOWHERE}}}}"
    more = "on_failure: {command: touch hooked}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, retries: 1, retry_delay: 0}", tasks, more)
    deploy(ork, "q", "{every: 360d}", tasks)
    assert ork("schedule", "fire", "q").code == 0
    with running(ork, clock=True) as up:
        up.until("Up")
        assert up.until("Ended", workflow="q")["state"] == "failed"
        set_to(ork, 0)
        for attempt in (1, 2):
            assert up.until("Began", workflow="w")["attempt"] == attempt
            assert up.until("Ended", workflow="w")["state"] == "failed"
        assert eventually((ork.folder / "hooked").exists)
        assert up.end() == 0
    store = opened()
    for workflow in ("w", "q"):
        (run,) = runs_of(store, workflow)
        (state,) = task_runs(store, run).values()
        assert (run.state, state.reason) == ("failed", "the secret NOWHERE is not set")


def test_what_is_a_secret_of_one_workflow_is_shown_by_none(ork: Ork, opened: Opened) -> None:
    """Each task and hook inherits all of the environment; also of a deploy that comes later."""
    shows, hook = "{executor: process, command: env}", "on_success: {command: env}"
    asks = "tasks: {t: {executor: process, command: 'true', env: {A: {secret: %s}}}}"
    deploy(ork, "asks", "{every: 360d}", asks % "API_KEY")
    deploy(ork, "shows", "{every: 360d}", f"tasks: {{t: {shows}}}", hook)
    values = {"API_KEY": "of the other", "LATER": "of a newer one"}
    with running(ork, **values) as up:
        up.until("Up")
        for _ in range(2):
            assert ork("schedule", "fire", "shows").code == 0
            up.until("Ended", workflow="shows")
            deploy(ork, "later", "{every: 360d}", asks % "LATER")
        assert up.end() == 0
    store = opened()
    for run, later in zip(runs_of(store, "shows"), ("of a newer one", "***"), strict=True):
        for text in (ork("logs", run.name).out, hooks_of(store, run)[0].output):
            assert "\nAPI_KEY=***\n" in text and f"\nLATER={later}\n" in text


def test_a_head_that_cannot_be_read_keeps_no_other_workflow_from_being_fired(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "bad", "{every: 1s}")
    deploy(ork, "good", "{every: 1s}")
    store = opened()
    head = store.ref("workflows/bad")
    assert head is not None
    store.backend.write({}, {}, [head])
    with running(ork) as up:
        assert up.until("Trouble", workflow="bad")["message"].endswith("missing from the store")
        for _ in range(2):
            up.until("Began", workflow="good")
        assert up.end() == 0
        assert len(up.all("Trouble")) == 1


def test_a_deploy_with_a_zone_that_this_machine_lacks_ends_nothing(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "good", "{every: 1s}")
    deploy(ork, "w", '"0 2 * * *"')
    store = opened()
    with running(ork) as up:
        up.until("Up")
        head = store.ref("workflows/w")
        assert head is not None
        old = store.get(Deploy, head)
        settings = {"schedule": {"cron": "0 2 * * *", "timezone": "Nowhere/Else"}}
        tx = store.transaction()
        tx.move("workflows/w", old=head, new=tx.add(replace(old, settings=settings)))
        tx.commit()
        assert "no time zone named" in up.until("Trouble", workflow="w")["message"]
        up.until("Began", workflow="good")
        assert up.end() == 0
        assert up.all("Scheduled", workflow="w", next=None)
    with running(ork) as up:
        assert up.until("Up")["workflow"] == "good"
        up.until("Began", workflow="good")


def test_a_damaged_entry_of_the_queue_keeps_nothing_from_being_fired(
    ork: Ork, opened: Opened
) -> None:
    deploy(ork, "w", "{every: 1s}")
    assert ork("run", "w", "--queue").code == 0
    with opened().transaction() as tx:
        tx.move("queue/w/one", old=None, new=tx.add_value("nonsense"))
    listed = ork("schedule", "list")
    assert (listed.code, "waiting  w  " in listed.out) == (4, True), listed
    assert "error: queue/w/one is no run that waits: " in listed.err
    with running(ork) as up:
        assert "queue/w/one" in up.until("Trouble")["message"]
        up.until("Began", trigger="queue")
        for _ in range(2):
            up.until("Began", trigger="schedule")
        assert up.end() == 0
        assert len(up.all("Trouble")) == 1
    assert ork("run", "w", "--queue").code == 0
    taken = ork("cancel", "--all", "--queue")
    told = "w: took 1 run out of the queue\n"
    assert (taken.code, told in taken.out) == (4, True), taken
    deploy(ork, "good", "{every: 1h}")
    for command in ("schedule list good", "cancel --queue good"):
        assert ork(*command.split()).code == 0, command


def test_a_deploy_and_a_pause_are_noticed_at_once(ork: Ork, opened: Opened) -> None:
    assert ork("init").code == 0
    with running(ork) as up:
        assert up.until("Up")["schedules"] == 0
        deploy(ork, "w", "{every: 1s}")
        first = up.until("Scheduled", workflow="w", schedules=1)
        assert moment(first["time"]) < moment(first["next"])
        up.until("Ended")
        store, stamp = opened(), Stamp(time=now(ork), author="Ada")
        pauses.pause(store, "w", stamp=stamp)
        deploy(ork, "other", "{every: 1s}")
        up.until("Began", workflow="other")
        number = len(runs_of(store, "w"))
        for _ in range(2):
            up.until("Began", workflow="other")
        assert len(runs_of(store, "w")) == number
        pauses.resume(store, "w", stamp=stamp, now=now(ork))
        up.until("Began", workflow="w")
        deploy(ork, "w", "")
        assert up.until("Scheduled", workflow="w", schedules=0)["next"] is None
        assert up.end() == 0
        assert len(up.all("Scheduled")) == 3


def test_what_is_due_when_a_schedule_changes_or_goes_is_left_out(ork: Ork, opened: Opened) -> None:
    set_to(ork, 30)
    for name in ("changed", "gone"):
        deploy(ork, name, "{every: 1h}")
    set_clock(ork, float((ork.folder / "offset").read_text()) + 3 * 3600)
    deploy(ork, "changed", SELDOM)
    deploy(ork, "gone", "")
    why = "its schedule was changed"
    with running(ork, clock=True) as up:
        for name in ("gone", "changed"):
            assert up.until("LeftOut", workflow=name, reason=why)["count"] == 3
        deploy(ork, "waits", "{every: 1h, overlap: queue}", SLOW)
        set_to(ork, 0)
        up.until("Began", workflow="waits")
        set_to(ork, 30)
        set_to(ork, 0)  # its next slot waits for the run
        up.until("Note", message="waits waits: waits#1 goes on, and `overlap` is queue")
        deploy(ork, "waits", "", SLOW)
        assert up.until("LeftOut", workflow="waits", reason=why)["count"] == 1
        assert ork("cancel", "waits").code == 0
        up.until("Ended")
    with running(ork, clock=True) as up:
        up.until("Up")
        deploy(ork, "last", "{every: 1s}")
        up.until("Began")
    assert not up.all("LeftOut", reason=why)


def test_a_hook_is_executed_also_when_who_forks_is_killed_before_it_begins(ork: Ork) -> None:
    tasks = "tasks: {t: {executor: process, command: 'touch there; sleep 60'}}"
    deploy(ork, "w", SELDOM, tasks, "on_failure: {command: touch hooked}")
    with running(ork) as up:
        up.until("Up")
        assert ork("schedule", "fire", "w").code == 0
        assert eventually((ork.folder / "there").exists)
        children = Path(f"/proc/{up.process.pid}/task/{up.process.pid}/children").read_text()
        (forker,) = {int(pid) for pid in children.split()} & {*owners(ork.folder)}
        os.kill(forker, signal.SIGSTOP)  # it hears, and does nothing
        for pid in {*owners(ork.folder)} - {forker}:
            os.kill(pid, signal.SIGKILL)
        up.until("Ended", state="interrupted")
        os.kill(forker, signal.SIGKILL)
        assert eventually((ork.folder / "hooked").exists)
        assert up.end() == 0


@pytest.mark.parametrize("killed", [False, True])
def test_a_run_that_a_person_fires_is_retried_as_its_schedule_says(
    ork: Ork, opened: Opened, killed: bool
) -> None:
    tasks = "tasks: {t: {executor: process, command: 'touch there; sleep 60'}}"
    if not killed:
        tasks = tasks.replace("touch there; sleep 60", "false")
    deploy(ork, "w", SELDOM_RETRIED, tasks, "on_failure: {command: touch hooked}")
    with running(ork) as up:
        up.until("Up")
        assert ork("schedule", "fire", "w").code == 0
        for attempt, trigger in ((1, "queue"), (2, "retry")):
            up.until("Began", attempt=attempt, trigger=trigger)
            if killed:
                assert eventually((ork.folder / "there").exists)
                (ork.folder / "there").unlink()
                for pid in owners(ork.folder):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            ended = up.until("Ended")
            assert ended["state"] == ("interrupted" if killed else "failed")
            assert ended["retries"] == 2 - attempt
        assert eventually((ork.folder / "hooked").exists)
        assert up.end() == 0
    (run,) = runs_of(opened(), "w")
    assert run.attempt == 2
    assert [hook.attempt for hook in hooks_of(opened(), run)] == [2]


def test_a_run_that_another_has_taken_from_the_queue_is_retried_by_who_is_left(
    ork: Ork, opened: Opened
) -> None:
    tasks = "tasks: {t: {executor: process, command: 'touch there; test -e go || sleep 60'}}"
    deploy(ork, "w", SELDOM_RETRIED, tasks)
    with running(ork, "--jobs", "1") as first:
        first.until("Up")
        assert ork("schedule", "fire", "w").code == 0
        first.until("Began")
        assert eventually((ork.folder / "there").exists)
        with running(ork) as second:
            second.until("Up")
            first.process.kill()
            (ork.folder / "go").touch()
            for pid in owners(ork.folder):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            second.until("Began", wait_s=20.0, attempt=2)
            assert second.until("Ended", state="success")["retries"] == 0
            assert second.end() == 0


def test_a_queued_run_is_run(ork: Ork, opened: Opened) -> None:
    deploy(ork, "w", SELDOM)
    store = opened()
    with running(ork) as up:
        up.until("Up")
        queue.put(store, "w")
        assert up.until("Began", workflow="w", trigger="queue")["folder"] is None
        assert up.until("Ended")["state"] == "success"
        assert up.end() == 0
    assert next(store.refs("queue/"), None) is None


def test_a_run_without_what_was_edited_is_told_with_its_checkout(ork: Ork, opened: Opened) -> None:
    ork.write("a.sh", "echo one\n")
    deploy(ork, "w", SELDOM, "tasks: {t: {executor: process, command: sh a.sh}}")
    with running(ork) as up:
        up.until("Up")
        ork.write("a.sh", "echo two\n")
        queue.put(opened(), "w")
        assert Path(up.until("Began")["folder"]).is_relative_to(ork.folder / ".ork/work")
        assert up.until("Ended")["state"] == "success"


def test_runs_for_slots_of_the_past_come_one_after_the_other(ork: Ork, opened: Opened) -> None:
    """Another run that waits is run beside them."""
    alone = "ls going 2>/dev/null && exit 1; touch going; sleep 0.3; rm going"
    deploy(ork, "etl", "'@hourly'", f"tasks: {{t: {{executor: process, command: '{alone}'}}}}")
    wait = "until test -e over; do sleep 0.02; done"
    deploy(ork, "other", "'@yearly'", f"tasks: {{t: {{executor: process, command: '{wait}'}}}}")
    store, moment = opened(), datetime.now(UTC)
    caller = Caller(stamp=Stamp(time=moment, author="Ada"), now=moment)
    since = moment - timedelta(hours=4)
    done = fires.backfill(store, "etl", caller, since=since, until=moment - timedelta(hours=1))
    queue.put(store, "other")
    with running(ork, "--jobs", "4") as up:
        for _ in done.queued:
            assert up.until("Ended", workflow="etl")["state"] == "success"
        assert up.all("Ended", workflow="other") == []
        ork.write("over", "")
        up.until("Ended", workflow="other")
        assert up.end() == 0
    slots = [run.scheduled for run in runs_of(store, "etl")]
    assert slots[:3] == [one.entry.scheduled for one in done.queued] and len(done.queued) == 3


@pytest.mark.slow
def test_a_run_that_waits_for_a_slot_with_a_run_is_taken_out_of_the_queue(
    ork: Ork, opened: Opened
) -> None:
    """The newest slot is due, and queued twice: one of the three has it, and nothing is wrong."""
    deploy(ork, "etl", "{every: 1d, catchup: none}")
    store, moment = opened(), datetime.now(UTC)
    caller = Caller(stamp=Stamp(time=moment, author="Ada"), now=moment)
    slot = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    first = fires.fire_now(store, "etl", caller, slot=slot)
    # Who asked at the same moment had not seen that one waits.
    asked = replace(caller, scheduled=slot)
    queue.put(store, "etl", caller=asked, fire=first.entry.fire)
    with running(ork, "--jobs", "4") as up:
        up.until("Ended", workflow="etl")
        told = "a run of etl is taken out of the queue: etl#1 was started for its slot, "
        assert up.until("Note", message=f"{told}{slot:%Y-%m-%d %H:%M:%S} UTC")
        assert up.end() == 0
        assert up.all("Trouble") == []
    assert len(runs_of(store, "etl")) == 1 and queue.waiting(store) == []


ROOM = "max_active_runs: 1"


def test_runs_that_wait_come_as_there_is_room_for_them(ork: Ork, opened: Opened) -> None:
    """Other workflows do not wait, and no more are told to be lost."""
    alone = "ls going 2>/dev/null && exit 1; touch going; sleep 0.2; rm going"
    deploy(ork, "w", "'@yearly'", f"tasks: {{t: {{executor: process, command: '{alone}'}}}}", ROOM)
    deploy(ork, "other", "'@yearly'")
    store = opened()
    for name in ("w", "w", "w", "other"):
        queue.put(store, name)
    with running(ork, "--jobs", "4") as up:
        for _ in range(3):
            assert up.until("Ended", workflow="w")["state"] == "success"
        assert eventually(lambda: up.hear(0.1) and up.all("Ended", workflow="other"))
        assert up.end() == 0
        assert not up.all("Lost")


@pytest.mark.parametrize("catchup", ["latest", "none"])
def test_a_slot_waits_until_there_is_room_for_its_run(
    ork: Ork, opened: Opened, catchup: str
) -> None:
    wait = "touch there; until test -e go; do sleep 0.02; done"
    tasks = f"tasks: {{t: {{executor: process, command: '{wait}'}}}}"
    set_to(ork, 30)
    deploy(ork, "w", f"{{every: 1h, catchup: {catchup}}}", tasks, ROOM)
    words = [sys.executable, "-m", "ork", "run", "w", "-q"]
    with (
        subprocess.Popen(words, cwd=ork.folder, env=ork.environ) as by_hand,
        running(ork, clock=True) as up,
    ):
        up.until("Up")
        assert eventually((ork.folder / "there").exists)
        set_to(ork, 0)
        told = "w waits: w#1 goes on, and `max_active_runs` is 1"
        up.until("Note", message=told)
        (listed,) = fires.listed(opened(), lines_of(opened(), "w"), now(ork))
        assert listed.waits_for == ("w#1",) and listed.due is not None
        set_to(ork, 2)
        if catchup == "none":
            left = up.until("LeftOut", workflow="w")
            assert (left["count"], left["reason"]) == (1, "w#1 went on")
        (ork.folder / "go").touch()
        assert by_hand.wait(PATIENCE_SECONDS) == 0
        if catchup == "latest":
            assert up.until("Began", workflow="w")["trigger"] == "schedule"
            assert up.until("Ended", workflow="w")["state"] == "success"
        assert len(up.all("Note", message=told)) == 1
        assert up.end() == 0


def test_after_a_failure_nothing_more_is_fired_until_it_is_mended(ork: Ork, opened: Opened) -> None:
    """No slot, and no run that makes up for one; what a person asks for is run."""
    tasks = "tasks: {t: {executor: process, command: test -e mended}}"
    set_to(ork, 30)
    deploy(ork, "w", "{every: 1h, after_failure: hold}", tasks)
    with running(ork, clock=True) as up:
        up.until("Up")
        set_to(ork, 0)
        assert up.until("Ended", number=1)["state"] == "failed"
        words = "`ork retry w#1`, or `ork schedule resume w`, lets it go on"
        up.until("Note", message=f"w is held back: w#1 failed; {words}")
        caller = Caller(stamp=Stamp(time=now(ork), author="Ada"), now=now(ork))
        since = now(ork) - timedelta(hours=3.5)
        done = fires.backfill(opened(), "w", caller, since=since, until=now(ork))
        assert len(done.queued) == 3
        set_to(ork, 0)
        deploy(ork, "other", "{every: 1s}")
        for _ in range(2):
            up.until("Ended", workflow="other")
        assert len(runs_of(opened(), "w")) == 1
        ork.write("mended", "")
        assert ork("run", "w", "--queue").code == 0
        assert up.until("Ended", workflow="w", number=2)["state"] == "success"
        for _ in range(4):
            assert up.until("Ended", workflow="w")["state"] == "success"
        assert len(up.all("Note", message=f"w is held back: w#1 failed; {words}")) == 1
        assert up.end() == 0
    assert {run.trigger for run in runs_of(opened(), "w")} == {"schedule", "queue"}


def test_the_id_under_which_a_run_waited_leads_to_it(ork: Ork, opened: Opened) -> None:
    deploy(ork, "w", SELDOM)
    queued = queue.put(opened(), "w")
    watch = subprocess.Popen(
        [sys.executable, "-m", "ork", "watch", queued.id],
        cwd=ork.folder,
        env=ork.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watch.stderr is not None
    assert watch.stderr.readline() == "note: w still waits for `ork up`\n"
    with running(ork) as up:
        up.until("Ended", workflow="w")
        out, err = watch.communicate(timeout=PATIENCE_SECONDS)
        assert up.end() == 0
    assert watch.returncode == 0 and "w#1 success" in out, err
    shown = json.loads(ork("show", queued.id, "--json").out)["data"]["run"]
    assert (shown["number"], shown["trigger"]) == (1, "queue")
    assert shown["id"] > queued.id and shown["id"][-7:] == queued.id[-7:]
    assert ork("cancel", queued.id).code == 2  # it has ended


@pytest.mark.parametrize(
    ("ask", "number", "code"),
    [(os.kill, signal.SIGTERM, 0), (os.killpg, signal.SIGINT, -signal.SIGINT)],
)
def test_asked_to_end_it_lets_runs_go_on_for_the_grace(
    ork: Ork, opened: Opened, ask: Callable[[int, int], None], number: int, code: int
) -> None:
    ork.write("wait", "#!/bin/sh\nuntil test -e go; do sleep 0.05; done\n", executable=True)
    deploy(ork, "w", "{every: 1s}", "tasks: {t: {executor: process, command: ./wait}}")
    with running(ork) as up:
        up.until("Began")
        ask(up.process.pid, number)  # Ctrl-C goes to everything that was started in the terminal
        assert "30 s" in up.until("Note")["message"]
        (ork.folder / "go").touch()
        assert up.rest() == code
    assert [run.state for run in runs_of(opened(), "w")] == ["success"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_runs_that_do_not_end_in_the_grace_are_stopped_and_recorded(
    ork: Ork, opened: Opened, number: int, code: int
) -> None:
    hook = "on_failure: {command: touch told}"
    deploy(ork, "w", "{every: 1s, retries: 1}", SLOW, hook)
    with running(ork, "--grace", "0s") as up:
        up.until("Began")
        assert up.end(number) == code
        assert up.until("Ended")["state"] == "cancelled"
    (run,) = runs_of(opened(), "w")
    assert (run.state, run.reason) == ("cancelled", "stopped by signal TERM")
    assert (ork.folder / "told").exists()
    assert not owners(ork.folder)


def test_asked_twice_it_kills_what_runs(ork: Ork, opened: Opened) -> None:
    tasks = "tasks: {t: {executor: process, command: ./deaf}}"
    ork.write("deaf", "#!/bin/sh\ntrap '' TERM INT\ntouch there\nsleep 60\n", executable=True)
    deploy(ork, "w", "{every: 1s}", tasks)
    with running(ork) as up:
        up.until("Began")
        assert eventually((ork.folder / "there").exists)
        up.process.send_signal(signal.SIGTERM)
        up.until("Note")
        assert up.end() == 0
        assert up.until("Ended")["state"] == "cancelled"
    assert [run.state for run in runs_of(opened(), "w")] == ["cancelled"]


def test_hup_reads_everything_again(ork: Ork) -> None:
    deploy(ork, "w", SELDOM)
    with running(ork) as up:
        assert up.until("Up")["schedules"] == 1
        up.process.send_signal(signal.SIGHUP)
        assert up.until("Up")["schedules"] == 1
        assert up.end() == 0


def test_it_ends_with_its_terminal(ork: Ork) -> None:
    assert ork("init").code == 0
    words = [sys.executable, "-m", "ork", "up", "--no-web"]
    pid, terminal = pty.fork()
    if pid == 0:
        try:
            os.execve(sys.executable, words, ork.environ)
        finally:
            os._exit(1)
    printed = b""
    while b"no workflow has a schedule" not in printed:
        printed += os.read(terminal, 4096)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 129


def test_without_schedules_it_sleeps(ork: Ork) -> None:
    assert ork("init").code == 0
    with running(ork, "--no-schedule", "--listen", "127.0.0.1:0") as up:
        up.until("Listening")
        before = used(up)
        time.sleep(1)
        assert used(up) - before < 0.05
        assert up.end() == 0


def used(up: Up) -> float:
    """Return the processor time that it has used, in seconds."""
    fields = Path(f"/proc/{up.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_the_process_that_forks_may_be_killed(ork: Ork) -> None:
    deploy(ork, "w", "{every: 1s}")
    with running(ork) as up:
        up.until("Ended")
        for pid in owners(ork.folder):
            with suppress(ProcessLookupError):  # its run has ended just now
                os.kill(pid, signal.SIGKILL)
        up.until("Began")
        assert up.end() == 0


def test_one_that_starts_beside_another_says_once_which_that_is(ork: Ork, opened: Opened) -> None:
    deploy(ork, "w", SELDOM)
    store = opened()
    with running(ork) as first:
        assert eventually(lambda: holder(store))
        with running(ork) as second:
            note = second.until("Note")["message"]
            assert re.fullmatch(
                rf"process {first.process.pid} on \S+ is another `ork up` of this store: "
                "each slot is fired by one of them",
                note,
            )
            second.process.send_signal(signal.SIGHUP)  # it looks at everything again
            second.until("Up")
            assert second.end() == 0
        assert [one["message"] for one in second.all("Note")] == [note, "ork up has ended"]
        assert first.end() == 0
        assert [one["message"] for one in first.all("Note")] == ["ork up has ended"]


def test_it_is_told_whether_anybody_fires(ork: Ork, opened: Opened) -> None:
    deploy(ork, "w", SELDOM)
    store = opened()
    assert is_up(store) is False
    assert "no `ork up` works here now" in ork("workflows").err
    with running(ork) as first, running(ork) as second:
        for up in (first, second):
            up.until("Up")
        assert eventually(lambda: is_up(store))
        assert ork("workflows").err == ""
        told = ork("schedule").err
        pids = [one.process.pid for one in (first, second)]
        assert re.fullmatch(r"`ork up` is process (\d+) on .*, since 20.* \+0000\n", told)
        known = json.loads(ork("schedule", "--json").out)["data"]
        assert known["up"] and known["holder"]["pid"] in pids
        assert "next: `ork watch 2026" in ork("run", "w", "--queue").err
        its, other = (first, second) if holder(store).pid == pids[0] else (second, first)
        assert its.end() == 0
        other.process.send_signal(signal.SIGHUP)  # else it looks in half a minute
        assert eventually(lambda: (one := holder(store)) and one.pid == other.process.pid)
        assert holder(store).since <= datetime.fromisoformat(other.all("Up")[0]["time"])
        assert other.end() == 0
    assert is_up(store) is False
    assert list((ork.folder / ".ork" / "locks").iterdir()) == []
    assert store.ref(UP_REF) is None
    with running(ork) as killed:
        killed.until("Up")
        assert eventually(lambda: is_up(store))
    assert eventually(lambda: is_up(store) is False) and store.ref(UP_REF) is not None
    assert "no `ork up` works here now" in ork("schedule").err, "it was killed"
