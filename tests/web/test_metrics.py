"""/health and /metrics, the latter read by a parser of the format's own rules."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ork import __version__
from ork.cli.web.metrics import RECENT_RUNS, Metric, text
from ork.daemon import pauses
from ork.heads.deploy import deploy
from ork.heads.rename import rename
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, RunState, micros
from ork.objects.value import replace
from ork.store import location
from ork.store.resolve import head
from tests.runs import begin_run, outcome, write_run
from tests.stores import stamp
from tests.web.server import TOKEN, Served, make_project, serving

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = rf'({NAME})="((?:[^"\\\n]|\\["\\n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.e+-]+)")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(page: str) -> Samples:
    """Return the samples of a page; each metric says its kind once, before its samples."""
    found: Samples = {}
    kinds: dict[str, str] = {}
    assert page.endswith("\n")
    for line in page.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            assert re.fullmatch(rf"# HELP {NAME} .+", line)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in kinds and kind in ("counter", "gauge")
            kinds[name] = kind
        else:
            sample = SAMPLE.fullmatch(line)
            assert sample, line
            assert kinds[sample[1]]
            labels = frozenset(
                (name, value.replace('\\"', '"').replace("\\n", "\n").replace("\\\\", "\\"))
                for name, value in re.findall(LABEL, sample[2] or "")
            )
            assert (sample[1], labels) not in found
            found[sample[1], labels] = float(sample[sample.lastindex or 0])
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process that all tests of this page ask."""
    folder = tmp_path_factory.mktemp("measured")
    make_project(folder).close()
    with serving(folder, limits={"metrics.BEAT_SECONDS_MAX": 0.3}) as found:
        yield found


def metrics(served: Served) -> Samples:
    return parse(served.ask("/metrics", Authorization=f"Bearer {TOKEN}").text)


def until_health_is(served: Served, status: int) -> object:
    deadline = time.monotonic() + 15
    while (answer := served.ask("/health")).status != status:
        assert time.monotonic() < deadline
    return answer.json


@pytest.mark.slow
def test_health_tells_whether_ork_up_is_at_work(served: Served):
    served.beat()
    assert until_health_is(served, 503) == {"ok": False}
    served.beat()
    assert until_health_is(served, 200) == {"ok": True}
    served.beat(time="soon")  # which is no beat
    served.beat(ok=False)
    assert until_health_is(served, 503) == {"ok": False}


@pytest.mark.slow
def test_a_store_in_the_place_of_the_one_that_was_open_is_served(tmp_path: Path):
    make_project(tmp_path).close()
    with serving(tmp_path) as served:
        assert served.ask("/health").json == {"ok": True}  # no beats came: none are asked for
        (tmp_path / ".ork").rename(tmp_path / "away")
        location.create(tmp_path / ".ork")
        deadline = time.monotonic() + 15
        while served.get("/workflows/etl").status != 404:  # the new one has no workflows
            assert time.monotonic() < deadline
        assert served.ask("/health").status == 200


def test_metrics_ask_for_the_token(served: Served):
    assert served.ask("/metrics").status == 401
    assert served.get("/metrics").status == 200


def test_metrics_tell_of_runs_and_of_ork_up(served: Served):
    served.beat(
        fires=3, skips=2, lag_s=0.25, running=1, ended={"failed": 4}, hooks={"failed": 2}, places=4
    )
    deadline = time.monotonic() + 15
    # Beats of the tests before may be all that was read by now.
    while (found := metrics(served)).get(("ork_up_fires_total", frozenset())) != 3:
        assert time.monotonic() < deadline
    etl = ("workflow", "etl")
    assert found["ork_up_skips_total", frozenset()] == 2
    assert found["ork_up_lag_seconds", frozenset()] == 0.25
    assert found["ork_runs_total", frozenset({etl})] == 2
    assert found["ork_recent_runs", frozenset({etl, ("state", "failed")})] == 1
    assert found["ork_recent_runs", frozenset({etl, ("state", "success")})] == 1
    assert found["ork_active_runs", frozenset()] == 0
    assert found["ork_up_runs_ended_total", frozenset({("state", "failed")})] == 4
    assert found["ork_up_runs_ended_total", frozenset({("state", "success")})] == 0
    assert found["ork_last_end_timestamp_seconds", frozenset({etl, ("state", "failed")})] > 0
    assert found["ork_up_hooks_total", frozenset({("state", "failed")})] == 2
    assert found["ork_up_places", frozenset()] == 4
    assert found["ork_up_ok", frozenset()] == 1
    assert found["ork_build_info", frozenset({("version", __version__)})] == 1
    assert found["ork_schedule_next_timestamp_seconds", frozenset({etl})] > time.time()
    assert found["ork_schedule_paused", frozenset({etl})] == 0
    assert found["ork_store_bytes", frozenset()] > 0
    assert found["process_resident_memory_bytes", frozenset()] > 1 << 20
    page = (Path(__file__).parents[2] / "docs" / "web.md").read_text()
    assert {name for name, _ in found} <= set(re.findall(r"`(\w+)[{`]", page))


@pytest.mark.slow
def test_metrics_tell_of_slots_that_nobody_fires_and_of_an_old_success(tmp_path: Path):
    etl = frozenset({("workflow", "etl")})
    store = make_project(tmp_path)  # of a month ago or more, and never fired
    deployed = head(store, "etl")
    tasks = store.snapshot(store.get(Deploy, deployed).snapshot).tasks
    for _ in range(RECENT_RUNS):
        write_run(store, deployed, {name: outcome(oid) for name, oid in tasks.items()}, "failed")
    with serving(tmp_path, limits={"metrics.KEEP_SECONDS": 0.0}) as served:
        found = metrics(served)
        assert found["ork_schedule_overdue_seconds", etl] > 86_400
        assert found["ork_recent_runs", etl | {("state", "success")}] == 0
        assert found["ork_last_success_timestamp_seconds", etl] > 0
        pauses.pause(store, "etl", stamp=stamp(5))
        found = metrics(served)
        assert found["ork_schedule_overdue_seconds", etl] == 0
        assert found["ork_schedule_paused", etl] == 1
        assert ("ork_schedule_next_timestamp_seconds", etl) not in found
    store.close()


@pytest.mark.slow
def test_metrics_leave_out_what_says_nothing_of_the_newest_version(tmp_path: Path):
    store = make_project(tmp_path)
    old, file = head(store, "etl"), tmp_path / "etl.yaml"
    file.write_text(file.read_text().replace("echo loaded", "echo other"))
    new = deploy(store, file, stamp=stamp(5), message=None).deploy
    tasks = store.snapshot(store.get(Deploy, new).snapshot).tasks
    good = {name: outcome(oid) for name, oid in tasks.items()}
    partial = good | {"extract": outcome(tasks["extract"], "skipped")}

    def ran(hours: float, version: Oid, state: RunState, states=good, **fields: object) -> float:
        begun = begin_run(store, version, created=stamp(hours).time, **fields)
        ended = stamp(hours + 0.1).time
        begun.end(replace(begun.run, state=state, ended=ended, duration=micros(1)), states, {})
        return ended.timestamp()

    succeeded = ran(6, new, "success")
    failed = ran(7, new, "failed", {**good, "load": outcome(tasks["load"], "failed")})
    ran(8, old, "success")
    ran(9, new, "success", partial, selected=("load",))
    ran(10, new, "success", good, trigger="bisect")
    etl = frozenset({("workflow", "etl")})
    lost = store.get(Deploy, new).parents[0]
    with serving(tmp_path) as served:
        found = metrics(served)
        assert found["ork_last_success_timestamp_seconds", etl] == succeeded
        assert found["ork_recent_runs", etl | {("state", "failed")}] == 2
        assert found["ork_recent_runs", etl | {("state", "success")}] == 3
        assert found["ork_last_end_timestamp_seconds", etl | {("state", "success")}] > failed
    store.backend.sweep(lambda: [lost])
    with serving(tmp_path) as served:
        assert ("ork_last_success_timestamp_seconds", etl) in metrics(served)
    store.close()


@pytest.mark.slow
def test_metrics_have_each_workflow_once_by_its_present_name_until_it_is_archived(tmp_path: Path):
    def of(found: Samples, metric: str) -> dict[str, float]:
        return {
            dict(labels)["workflow"]: it for (name, labels), it in found.items() if name == metric
        }

    store = make_project(tmp_path)
    rename(store, "etl", "load", stamp=stamp(5))
    with serving(tmp_path, limits={"metrics.KEEP_SECONDS": 0.0}) as served:
        found = metrics(served)
        succeeded = of(found, "ork_last_success_timestamp_seconds")
        assert succeeded.keys() == {"load"}
        new = head(store, "load")
        tasks = store.snapshot(store.get(Deploy, new).snapshot).tasks
        write_run(store, new, {name: outcome(oid) for name, oid in tasks.items()})
        found = metrics(served)
        assert of(found, "ork_runs_total") == {"load": 3}, "with those from before it was renamed"
        recent = {labels for name, labels in found if name == "ork_recent_runs"}
        assert {dict(labels)["workflow"] for labels in recent} == {"load"}
        assert sum(found["ork_recent_runs", labels] for labels in recent) == 3
        pauses.archive(store, "load", stamp=stamp(6))
        assert {labels for _, labels in metrics(served) if "workflow" in dict(labels)} == set()
    store.close()


def test_labels_are_escaped():
    hostile = 'a"b\\c\nd\u202e'
    page = text([Metric(name="x", kind="gauge", help="h", samples=[({"workflow": hostile}, 1.5)])])
    assert parse(page) == {("x", frozenset({("workflow", hostile)})): 1.5}
