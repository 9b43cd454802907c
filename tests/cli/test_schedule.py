"""ork schedule: the list, what is next, pauses, slots that were left out, runs that wait."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from ork.cli.web import runs as web_runs
from ork.cli.web.page import Asked
from ork.daemon import fires, lines
from ork.heads.decisions import decided_ref
from ork.objects.kinds import Blob
from ork.runner.start import Caller
from ork.store import location
from ork.store.store import Stamp
from tests.cli.screen import TERMINAL, on_terminal
from tests.conftest import START, Ork
from tests.runs import begin_run

FLOW = """\
    name: {name}
    schedule: {schedule}
    params: {{n: {{type: int, default: 1}}}}
    tasks:
      load: {{executor: process, command: "true", inputs: {{n: {{ref: params.n}}}}}}
"""
ID = re.compile(r"\d{8}T\d{6}\.\d{3}-[0-9a-f]{6}")


@pytest.fixture
def flow(ork: Ork) -> Ork:
    """A workflow that is due every ten minutes, deployed at noon."""
    ork.write("etl.yaml", FLOW.format(name="etl", schedule='"*/10 * * * *"'))
    assert ork("deploy", "etl.yaml").code == 0
    return ork


@pytest.fixture
def two(flow: Ork, opened) -> Ork:
    """Another one, too; the first was fired at half past twelve, and it is one o'clock."""
    schedule = "{every: 6h, overlap: queue}"
    flow.write("report.yaml", FLOW.format(name="report", schedule=schedule))
    assert flow("deploy", "report.yaml").code == 0
    now = START.replace(minute=30)
    one = next(iter(fires.due(opened(), lines.lines_of(opened(), "etl"), now)))
    stamp = Stamp(time=now, author="ork up")
    caller = Caller(stamp=stamp, now=now, environ=flow.environ, token="abc123")
    list(fires.fire(opened(), "etl", one.line.schedule, one.decision, caller).events)
    flow._seconds += 3600
    return flow


def test_list(two, golden):
    two("schedule", "pause", "report")
    two("schedule", "fire", "etl", "-i", "n=2")
    golden("schedule/list.txt", two("schedule").out)
    document = two("schedule", "list", "--json").out
    golden("schedule/list.json", re.sub('"ended": ".*"', '"ended": "NOW"', document))
    two.environ |= TERMINAL
    for wide in (60, 100, 160):
        golden(f"schedule/list.{wide}.txt", on_terminal(two, wide, "schedule", "list").text + "\n")


def test_what_waits_for_room_names_the_runs_that_go_on(flow, opened, golden):
    flow.write("etl.yaml", "max_active_runs: 1\n" + (flow.folder / "etl.yaml").read_text())
    assert flow("deploy", "etl.yaml").code == 0
    begun = begin_run(opened(), opened().ref("workflows/etl"), created=START)
    flow._seconds += 3600
    done = flow("run", "etl")
    assert done.code == 5 and opened().ref("numbers/etl/0000000002") is None
    flow("run", "--queue", "etl")
    golden("schedule/room.txt", done.err + flow("schedule").out)
    document = json.loads(flow("schedule", "--json").out)["data"]
    for one in (*document["schedules"], *document["waiting"]):
        assert one["waits_for"] == ["etl#1"]
    begun.release()


def test_a_run_that_its_schedule_is_to_retry_is_told(flow, opened, golden):
    text = (flow.folder / "etl.yaml").read_text()
    retried = "{every: 1h, retries: 3, retry_delay: 30m}"
    text = text.replace('"*/10 * * * *"', retried).replace('"true"', '"false"')
    flow.write("etl.yaml", text)
    assert flow("deploy", "etl.yaml").code == 0
    now = START + timedelta(hours=1)
    (one,) = fires.due(opened(), lines.lines_of(opened(), "etl"), now)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=flow.environ)
    *_, last = fires.fire(opened(), "etl", one.line.schedule, one.decision, caller).events
    expected = {"run": "etl#1", "number": 1, "retries": 3}
    found = json.loads(flow("schedule", "--json").out)["data"]["schedules"][0]["retry"]
    assert datetime.fromisoformat(found.pop("time")) == last.run.ended + timedelta(minutes=30)
    assert found == expected
    assert re.search(r"(?m)^  retry  \S.*, of etl#1 \(1 of 3\)$", flow("schedule").out)
    told = r"(?m)^retry    by `ork up` on .* \(1 of 3\)$"
    assert re.search(told, flow("show", "etl#1").out)
    shown = json.loads(flow("show", "etl#1", "--json").out)["data"]["retry"]
    assert datetime.fromisoformat(shown.pop("time")) == last.run.ended + timedelta(minutes=30)
    assert shown == expected
    ways = r"next: .*`ork retry etl#1` or {}`ork up`, which retries it on \S+ \S+ \S+ \(1 of 3\)\n"
    assert re.search(ways.format(""), flow("show", "etl#1").err)
    lease = fires.hold(opened(), now, jobs=1)
    assert re.search(ways.format("wait for "), flow("show", "etl#1").err)
    fires.let_go(opened(), lease)
    page = r"by <code>ork up</code> on \S+ \S+ \(1 of 3\)"
    assert re.search(page, flow("report", "etl#1", "-o", "-").out)
    asked = Asked(store=opened(), now=now, path={"workflow": "etl", "number": "1"})
    assert web_runs.run(asked).document["retry"].number == 1
    # A person's retry is one of those that the schedule makes.
    assert re.search(ways.format("").replace("1 of", "2 of"), flow("retry", "etl#1").err)
    flow("schedule", "pause")
    assert json.loads(flow("schedule", "--json").out)["data"]["schedules"][0]["retry"] is None
    assert not re.search(told.replace("1 of", "2 of"), flow("show", "etl#1").out)
    assert json.loads(flow("show", "etl#1", "--json").out)["data"]["retry"] is None
    assert "`ork up`" not in flow("show", "etl#1").err
    assert not re.search(page.replace("1 of", "2 of"), flow("report", "etl#1", "-o", "-").out)


def test_what_a_failure_holds_back_names_the_run(flow, opened, golden):
    text = (flow.folder / "etl.yaml").read_text()
    text = text.replace('"*/10 * * * *"', '{cron: "*/10 * * * *", after_failure: hold}')
    flow.write("etl.yaml", text.replace('"true"', '"false"'))
    assert flow("deploy", "etl.yaml").code == 0
    now = START.replace(minute=10)
    (one,) = fires.due(opened(), lines.lines_of(opened(), "etl"), now)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=flow.environ)
    list(fires.fire(opened(), "etl", one.line.schedule, one.decision, caller).events)
    flow._seconds += 3600
    golden("schedule/held.txt", flow("schedule").out)
    document = json.loads(flow("schedule", "--json").out)["data"]["schedules"][0]
    assert (document["held_by"], document["next"]) == ("etl#1", None)
    offered = flow("completion", "fish", "--line", "ork schedule resume ").out
    assert offered.startswith("etl\t"), "as what is paused"
    done = flow("schedule", "resume")
    golden("schedule/goes_on.txt", done.out + done.err)
    assert flow("completion", "fish", "--line", "ork schedule resume ").out == ""
    assert "held" not in flow("schedule").out


def fire(flow, opened, now):
    """Fire what is due of etl at a moment."""
    (one,) = fires.due(opened(), lines.lines_of(opened(), "etl"), now)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=flow.environ)
    list(fires.fire(opened(), "etl", one.line.schedule, one.decision, caller).events)


def test_what_a_clock_that_was_ahead_has_decided_is_told_with_what_to_type(flow, opened, golden):
    fire(flow, opened, START.replace(hour=15))
    golden("schedule/ahead.txt", flow("schedule").out + flow("workflows").out)
    document = json.loads(flow("schedule", "--json").out)["data"]["schedules"][0]
    assert document["ahead"] == "2026-11-01T15:00:00Z"
    assert flow("schedule", "resume").code == 0
    assert "ahead" not in flow("schedule").out


def test_what_waits_for_a_place_is_due_since_its_first_slot(flow, opened, golden):
    store, now = opened(), START.replace(hour=13)
    lease = fires.hold(store, now, 1)
    flow.write("long.yaml", FLOW.format(name="long", schedule='"@yearly"'))
    assert flow("deploy", "long.yaml").code == 0
    its = {"trigger": "queue", "host": fires.holder(store).host, "created": START}
    begun = begin_run(store, store.ref("workflows/long"), **its)
    flow._seconds += 3600
    told = flow("schedule", "list", "etl").out + flow("workflows").out
    golden("schedule/places.txt", told)
    (late,) = json.loads(flow("schedule", "late", "--json", "etl").out)["data"]
    assert late["reason"] == "the only place is taken" and late["count"] == 6
    begun.release()
    fires.let_go(store, lease)


def test_who_fires_is_told_and_where_others_may(flow):
    for place, more in ((".", ""), ("sqlite:team.db", "; others may work beside it")):
        if more:
            shutil.rmtree(flow.folder / ".ork")
            assert flow("init", "--store", place).code == 0
        with closing(location.open_store(flow.folder / ".ork", environ=flow.environ)) as store:
            lease = fires.hold(store, START, 1)
            told = flow("schedule").err.splitlines()[-1]
            fires.let_go(store, lease)
        who = rf"`ork up` is process {os.getpid()} on \S+, since 2026-11-01 12:00:00 \+0000"
        assert re.fullmatch(who + more, told)


def test_what_is_late_has_no_run(two, golden):
    done = two("schedule", "late", "--grace", "10s")
    assert done.code == 1
    golden("schedule/late.txt", done.out)
    golden("schedule/late.json", two("schedule", "late", "--json").out)
    since = ("--since", "2026-11-01T12:59:00+00:00")
    none = two("schedule", "late", *since, "--grace", "1h")
    assert (none.code, none.out, none.err) == (0, "", "")
    two._seconds += 600
    late = two("schedule", "late", *since)
    assert (late.code, late.out.count("no `ork up` works here  4 slots")) == (1, 1)
    two("schedule", "pause", "etl")
    assert two("schedule", "late", *since).code == 0


@pytest.mark.slow
def test_the_line_of_cron_mails_what_is_late_and_else_nothing(two):
    page = (Path(__file__).parents[2] / "docs/schedules.md").read_text()
    line = re.search(r"^\*/15 \* \* \* \*  (cd .*schedule late.*)$", page, re.M).group(1)
    two.write("bin/mail", '#!/bin/sh\n{ echo "$@"; cat; } > mailed\n', executable=True)
    two.write("bin/ork", f'#!/bin/sh\nexec "{sys.executable}" -m ork "$@"\n', executable=True)
    environ = {"PATH": f"{two.folder}/bin:{os.environ['PATH']}", "HOME": str(two.folder)}

    def by_cron():
        words = line.replace("/srv/etl", shlex.quote(str(two.folder)))
        return subprocess.run(
            ["/bin/sh", "-c", words], env=environ, capture_output=True, text=True, timeout=60
        )

    done = by_cron()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    subject, *told = (two.folder / "mailed").read_text().splitlines()
    assert subject == "-s etl is late team@example.org" and "no `ork up` works here" in told[0]
    (two.folder / "mailed").unlink()
    two("schedule", "pause", "--all")
    done = by_cron()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (two.folder / "mailed").exists()


def test_nothing_to_list(ork, golden):
    ork("init")
    result = ork("schedule")
    golden("schedule/none.txt", result.out + result.err)


def test_next(two, golden):
    golden("schedule/next.txt", two("schedule", "next", "-n", "8").out)
    golden("schedule/next.json", two("schedule", "next", "report", "-n", "2", "--json").out)
    since = two("schedule", "next", "etl", "-n", "1", "--since", "2026-12-24T18:00").out
    assert since.startswith("2026-12-24 18:00:00 +0000")


def test_next_ends_before_a_moment_and_begins_now(two, golden):
    asked = (
        "next --until 18:00",
        "next etl --since 12:20 --until 13:30",
        "next --since 12:20 --until 12:50",
        "next etl --until 14:00 -n 2",
        "next report --until 13:30",
        "next --until 2026-11-01T12:00",
        "next --until 07:00 report",
    )
    results = [(one, two("schedule", *one.split())) for one in asked]
    told = (f"$ ork schedule {one}\n{done.out}{done.err}" for one, done in results)
    golden("schedule/next_until.txt", "".join(told))
    assert [done.code for _, done in results] == [0, 0, 0, 0, 0, 2, 0]
    many = two("schedule", "next", "etl", "--until", "2026-12-01")
    assert len(many.out.splitlines()) == 1000 and "more come before" in many.err


def test_next_lists_what_fires(two, opened, golden):
    """Neither what is paused, nor what a failure holds back, nor what is decided already."""
    text = FLOW.format(name="bad", schedule="{every: 10m, after_failure: hold}")
    two.write("bad.yaml", text.replace('"true"', '"false"'))
    assert two("deploy", "bad.yaml").code == 0
    now = START.replace(hour=13, minute=10)
    (one,) = fires.due(opened(), lines.lines_of(opened(), "bad"), now)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=two.environ)
    list(fires.fire(opened(), "bad", one.line.schedule, one.decision, caller).events)
    two("schedule", "pause", "report")
    (one,) = fires.due(opened(), lines.lines_of(opened(), "etl"), START.replace(hour=15))
    fires.leave_out(opened(), "etl", one.line.schedule, one.decision.skips)
    done = two("schedule", "next", "-n", "2")
    golden("schedule/next_fires.txt", done.out + done.err)
    golden("schedule/next_fires.json", two("schedule", "next", "-n", "2", "--json").out)


def test_skips(two, golden):
    golden("schedule/skips.txt", two("schedule", "skips").out)
    golden("schedule/skips.json", two("schedule", "skips", "etl", "--json").out)


def test_pause_and_resume(flow, golden):
    done = [flow("schedule", "pause"), flow("schedule", "pause")]
    golden("schedule/pause.txt", "".join(one.out + one.err for one in done))
    golden("schedule/ops.txt", flow("ops", "-n", "1").out)
    flow._seconds += 1500
    done = [flow("schedule", "resume"), flow("schedule", "resume")]
    golden("schedule/resume.txt", "".join(one.out + one.err for one in done))
    assert [one.code for one in done] == [0, 0]
    assert [flow("schedule", how, "none").code for how in ("pause", "resume")] == [3, 3]
    golden("schedule/paused.json", flow("schedule", "pause", "etl", "--json").out)
    golden("schedule/resumed.json", flow("schedule", "resume", "etl", "--json").out)


def test_all_are_paused_and_resumed_at_once(two, golden):
    done = [two("schedule", "pause", "--all"), two("schedule", "pause", "--all")]
    golden("schedule/pause_all.txt", "".join(one.out + one.err for one in done))
    assert [one.code for one in done] == [0, 0]
    assert two("schedule").out.count("paused by Ada Lovelace") == 2
    assert two("undo").out.count("  goes on") == 2
    golden("schedule/paused_list.json", two("schedule", "pause", "--all", "--json").out)
    two._seconds += 1500
    done = two("schedule", "resume", "--all")
    again = two("schedule", "resume", "--all")
    golden("schedule/resume_all.txt", done.out + done.err + again.out + again.err)
    assert (done.code, again.code) == (0, 0)
    two("undo")
    golden("schedule/resumed_list.json", two("schedule", "resume", "--all", "--json").out)


def test_an_undo_takes_a_pause_back_and_catches_up(flow):
    flow("schedule", "pause")
    flow._seconds += 1500
    assert "etl  goes on" in flow("undo").out
    schedule = json.loads(flow("schedule", "--json").out)["data"]["schedules"][0]
    assert schedule["paused"] is None and schedule["due"] == "2026-11-01T12:10:00Z"


def test_a_run_waits_and_is_taken_back(flow, golden):
    done = flow("run", "etl.yaml", "--queue", "-i", "n=2")
    golden("schedule/queued.txt", done.out + done.err)
    name = ID.search(done.out)[0]
    quiet = flow("run", "etl", "--queue", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert flow("schedule", "list").out.count("waiting") == 2
    assert flow("cancel", "--queue").code == 0
    name = ID.search(flow("run", "etl", "--queue").out)[0]
    done = flow("runs")
    assert "1 run waits for `ork up`" in done.err and "no runs" in done.err
    assert flow("cancel", name).out == f"etl does not wait any more: {name}\n"
    gone = flow("cancel", name)
    assert gone.code == 3 and "no run has an id" in gone.err
    golden("schedule/queued.json", flow("schedule", "fire", "--json").out)
    name = ID.search(flow("schedule", "list").out)[0]
    done = flow("show", name)
    assert done.code == 3 and f"`ork watch {name}` waits for its begin" in done.err


def test_backfill(flow, golden):
    """A day of two slots, of which one is in the queue already; it is noon."""
    text = FLOW.format(name="day", schedule="{cron: '0 6,18 * * *', params: {day: slot}}")
    flow.write("day.yaml", text.replace("params: {n:", "params: {day: date, n:"))
    assert flow("deploy", "day.yaml").code == 0
    asked = "schedule backfill day --since 2026-10-29"
    commands = (
        f"{asked} --until 2026-10-29T07:00",
        f"{asked} --until 2026-10-30 -i n=2",
        f"{asked} --until 2026-10-30",
        f"{asked} --dry-run",
        "schedule backfill day --since 'in 3 hours'",
        "schedule backfill day",
        "schedule backfill --since 2026-10-29",
        "schedule fire day --until 2026-10-30",
        "schedule fire day --dry-run",
    )
    results = [(one, flow(*shlex.split(one))) for one in commands]
    told = (f"$ ork {one}\n{done.out}{done.err}" for one, done in results)
    golden("schedule/backfill.txt", "".join(told))
    assert [done.code for _, done in results] == [0, 0, 0, 0, 2, 2, 2, 2, 2]
    golden("schedule/waiting.txt", flow("schedule", "day").out)
    asked = ("--since", "2026-10-30T12:00", "--until", "2026-10-31T12:00", "--json")
    golden("schedule/backfill.json", flow("schedule", "backfill", "day", *asked).out)
    assert "every day at 06:00 and 18:00, UTC, with day=slot" in flow("schedule", "day").out


def test_all_that_wait_are_taken_back(two, golden):
    for _ in range(2):
        two("schedule", "fire", "etl")
    two("schedule", "fire", "report")
    name = ID.search(two("schedule", "fire", "report").out)[0]
    taken = json.loads(two("cancel", name, "--json").out)["data"]
    assert [one["id"] for one in taken["queued"]] == [name]
    assert two("cancel", "--queue", "etl").out == "etl: took 2 runs out of the queue\n"
    assert two("cancel", "--queue", "etl").out == "no run of etl waits\n"
    golden("cancel/queue.json", two("cancel", "--queue", "--json").out)
    assert two("cancel", "--queue").out == "no run waits\n"
    assert two("cancel", "--queue", "nowhere").code == 3


def test_what_makes_no_sense(flow, golden):
    lines_ = (
        "schedule stop",
        "schedule pause nowhere",
        "schedule list --slot now",
        "schedule fire --all",
        "schedule pause etl --all",
        "schedule fire --slot 2026-11-01T12:05",
        "schedule fire --slot 2026-11-02",
        "schedule fire -i m=1",
        "--at-op @ schedule pause",
        "run etl.yaml --queue --no-deploy",
        "run etl --queue -i n=x",
    )
    results = [(one, flow(*one.split())) for one in lines_]
    golden("schedule/wrong.txt", "".join(f"$ ork {one}\n{done.err}" for one, done in results))
    assert [done.code for _, done in results] == [2, 3, *[2] * 9]


def test_a_workflow_alone_means_its_schedule(two):
    assert two("schedule", "etl", "--json").out == two("schedule", "list", "etl", "--json").out
    assert "did you mean `ork schedule next`?" in two("schedule", "nxt").err


def test_the_clock_of_the_zone_of_a_schedule_is_shown_where_it_differs(ork):
    zone = "{cron: 30 2 * * *, timezone: America/New_York}"
    ork.write("w.yaml", FLOW.format(name="w", schedule=zone))
    ork.write("here.yaml", FLOW.format(name="here", schedule='"30 2 * * *"'))
    assert ork("deploy", "w.yaml", "here.yaml").code == 0
    here, there = ork("schedule", "next", "-n", "2", "--since", "tomorrow").out.splitlines()
    assert here == "2026-11-02 02:30:00 +0000  in 14 hours     here"
    assert there == "2026-11-02 07:30:00 +0000  in 19 hours     w     (02:30 America/New_York)"
    shown = ork("schedule").out
    assert "every day at 02:30, America/New_York\n  next   2026-11-02 07:30:00 +0000" in shown
    ork.environ |= TERMINAL
    wide, narrow = (
        on_terminal(ork, columns, "schedule", "next", "w", "-n", "1").text for columns in (100, 60)
    )
    assert "(02:30 America/New_York)" in wide and "New_York" not in narrow


def test_which_workflow_must_be_said_if_there_are_several(two):
    done = two("schedule", "pause")
    assert done.code == 2 and "etl, report" in done.err


def test_a_workflow_without_a_schedule_is_told(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: ls}}\n")
    ork("deploy", "w.yaml")
    told = "w has no schedule: `schedule:` in its file makes one\n"
    every = "no schedules: `schedule:` in a workflow file makes one\n"
    for action in ("next", "list"):
        for words, wanted in (([action, "w"], told), ([action], every)):
            said = ork("schedule", *words)
            assert (said.code, said.out, said.err) == (0, "", wanted)
    assert json.loads(ork("schedule", "next", "w", "--json").out)["data"]["slots"] == []


def test_whoever_changes_a_schedule_is_told_of_the_slots_that_were_due(flow):
    """Each time of those alone that this change leaves out."""
    told = "note: the schedule of etl was changed: {} left out\n"
    flow._seconds += 1800
    file = flow.folder / "etl.yaml"
    file.write_text(file.read_text().replace("*/10", "*/5"))
    assert told.format("3 slots that were due are") in flow("deploy", "etl.yaml", "-q").err
    flow._seconds += 300
    assert told.format("1 slot that was due is") in flow("rollback", "etl", "etl~1").err
    flow._seconds += 600
    assert told.format("1 slot that was due is") in flow("undo").err
    assert "left out" not in flow("undo", "--redo").err
    flow._seconds += 1200
    file.write_text(FLOW.format(name="etl", schedule="").replace("    schedule: \n", ""))
    assert told.format("2 slots that were due are") in flow("run", "-q", "etl.yaml").err


def test_what_was_left_out_in_the_last_week_is_counted_by_the_times_of_then(flow):
    day = 24 * 3600
    for schedule in ("0 4 * * *", "0 3 * * *"):
        flow.write("etl.yaml", FLOW.format(name="etl", schedule=f'"{schedule}"'))
        assert flow("deploy", "etl.yaml").code == 0
        flow._seconds += 10 * day

    def counted():
        return re.search(r"(\d+) slots left out", flow("schedule", "list").out)[1]

    flow._seconds -= 6 * day  # ten days of the first schedule, and four of the second
    assert counted() == "3"
    flow("rollback", "etl", "etl~1")
    assert counted() == "7"
    flow("undo")
    assert counted() == "7"


def test_what_is_decided_may_be_damaged_where_the_schedule_is_changed(flow, opened):
    with closing(opened()) as store, store.transaction(Stamp(time=START, author="nobody")) as tx:
        ref = decided_ref("etl", lines.lines_of(store, "etl")[0].schedule)
        tx.move(ref, old=store.ref(ref), new=tx.add(Blob(b"no slot")))
    flow.write("etl.yaml", FLOW.format(name="etl", schedule='"0 * * * *"'))
    done = flow("deploy", "etl.yaml")
    assert (done.code, "error" in done.err) == (0, False), done.err
