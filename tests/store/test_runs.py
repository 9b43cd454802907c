"""The list of runs: order, bounds in time, what they executed; and the index that answers it."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.errors import NotFound, UsageError
from ork.objects import snapshot, tree
from ork.objects.canonical import Oid
from ork.objects.kinds import TASK_STATES, Blob, Run, Task, TaskRun, micros
from ork.objects.snapshot import CodeFile
from ork.objects.value import replace
from ork.params.recorded import having
from ork.store.resolve import resolve
from ork.store.runs import PAGE_RUNS, Executed, id_time, runs, wanted
from tests.runs import PIN, outcome
from tests.scale import examples
from tests.stores import NOON

SECOND = timedelta(seconds=1)


@pytest.fixture
def define(project):
    """Store a snapshot of tasks (name -> command) and files (path -> text); return its oid."""

    def store_it(tasks, files=None):
        steps = {name: Task(executor="process", command=command) for name, command in tasks.items()}
        code = {path: CodeFile(data=text.encode()) for path, text in (files or {}).items()}
        built = snapshot.build(steps, code)
        with project.transaction() as tx:
            tx.add_all(built.objects)
        return built.oid

    return store_it


@pytest.fixture
def add(project, define):
    """Record a run as `begin` does: add("etl", 1, state=..., second=..., of=SNAPSHOT).

    All its tasks have succeeded but for those that have `ended` otherwise: b=OUTCOME.
    """
    empty = define({"a": "true"})

    def record(
        workflow, number, state="success", second=0, of=empty, created=None, params=None, **ended
    ):
        time = NOON + second * SECOND
        pin = replace(
            PIN,
            id=f"{id_time(time)}-000000",
            workflow=workflow,
            number=number,
            snapshot=of,
            state=state,
            created=created or time,
        )
        with project.transaction() as tx:
            if params is not None:
                pin = replace(pin, params=tx.add_value(params))
            tasks = {n: outcome(oid) for n, oid in project.snapshot(of).tasks.items()} | ended
            pin = replace(pin, tasks=tree.build(tasks, tx.add, TaskRun))
            oid = tx.add(pin)
            tx.move(f"runs/{workflow}/{pin.id}", old=None, new=oid)
            tx.move(f"numbers/{workflow}/{number:010d}", old=None, new=oid)
            tx.move(f"ran/{of}/{workflow}/{pin.id}", old=None, new=oid)

    return record


def names(found):
    return [f"{entry.run.workflow}#{entry.run.number}" for entry in found]


def test_newest_first_of_one_or_of_all_workflows(project, add):
    add("etl", 1, second=1)
    add("other", 1, second=2)
    add("etl", 2, second=3)
    assert names(runs(project, "etl")) == ["etl#2", "etl#1"]
    assert names(runs(project)) == ["etl#2", "other#1", "etl#1"]
    assert names(runs(project, limit=1)) == ["etl#2"]
    assert names(runs(project, limit=0)) == []


def test_of_some_states(project, add):
    for number, state in enumerate(("success", "failed", "running", "failed"), 1):
        add("etl", number, state, second=number)
    assert names(runs(project, states=("failed",))) == ["etl#4", "etl#2"]
    assert names(runs(project, states=("failed", "running"), limit=2)) == ["etl#4", "etl#3"]


def test_with_some_values_of_parameters(project, add):
    given = [None, {"day": "01"}, {"day": "02", "n": 3}, {"day": "02", "n": "3"}, {"n": [1, True]}]
    for number, params in enumerate(given):
        add("etl", number, second=number, params=params)

    def found(**params):
        return names(runs(project, having=having(project, params)))

    assert found(day="01") == ["etl#1"]
    assert found(day="02", n=3) == found(n="3") == ["etl#3", "etl#2"]
    assert found(n=[1, True]) == found(n="[1,true]") == ["etl#4"]
    assert found(day=None) == found(other="01") == []
    assert names(runs(project, having=having(project, {"day": "02"}), limit=1)) == ["etl#3"]


def test_of_an_unknown_workflow(project, keep):
    keep("name: etl\ntasks: {a: {executor: process, command: 'true'}}\n")
    with pytest.raises(NotFound, match="no workflow or object named 'elt'"):
        list(runs(project, "elt"))
    assert list(runs(project, "etl")) == []


def test_a_name_that_begins_another_keeps_to_its_own_runs(project, add):
    for second, name in enumerate(("a", "a-b", "a.b", "ab")):
        add(name, 1, second=second)
    assert names(runs(project, "a")) == ["a#1"]
    assert names(runs(project)) == ["ab#1", "a.b#1", "a-b#1", "a#1"]


def test_between_two_moments(project, add):
    for number in range(1, 6):
        add("etl", number, second=number)
    assert names(runs(project, since=NOON + 4 * SECOND)) == ["etl#5", "etl#4"]
    assert names(runs(project, until=NOON + 2 * SECOND)) == ["etl#2", "etl#1"]
    between = runs(project, since=NOON + 2 * SECOND, until=NOON + 3.5 * SECOND)
    assert names(between) == ["etl#3", "etl#2"]
    elsewhere = (NOON + 4 * SECOND).astimezone(timezone(timedelta(hours=-7)))
    assert names(runs(project, since=elsewhere, limit=1)) == ["etl#5"]


def test_a_retry_is_between_two_moments_when_it_began(project, add):
    hour = timedelta(hours=1)
    add("etl", 1, "failed")
    add("etl", 2, second=10)
    run_id, first = min(project.refs("runs/etl/"))
    ref, before = f"runs/etl/{run_id}", project.get(Run, first)
    ended = replace(before, ended=NOON + SECOND, duration=micros(1))
    with project.transaction() as tx:
        old = tx.add(ended)
        retry = {"trigger": "retry", "attempt": 2, "previous": old}
        took = {"ended": NOON + 2 * hour, "duration": micros(1 + 3600)}
        retried = replace(ended, **retry, **took)
        tx.move(ref, old=first, new=tx.add(retried))

    def found(**options):
        return names(runs(project, "etl", triggers=("retry",), **options))

    assert found(since=NOON + hour) == found(since=NOON + hour, until=NOON + hour) == ["etl#1"]
    assert found(since=NOON + hour + SECOND) == found(until=NOON + hour - SECOND) == []
    assert names(runs(project, "etl", triggers=("retry", "run"), since=NOON + SECOND)) == [
        "etl#2",
        "etl#1",
    ]
    assert names(runs(project, "etl", triggers=("run",), since=NOON + hour)) == []
    with project.transaction() as tx:
        goes_on = replace(retried, state="running", ended=None, duration=None)
        tx.move(ref, old=project.ref(ref), new=tx.add(goes_on))
    assert found(since=NOON + 9 * hour) == ["etl#1"]


def test_bounds_at_the_ends_of_the_calendar(project, add):
    add("etl", 1)
    first = datetime.min.replace(tzinfo=timezone(timedelta(hours=5)))
    last = datetime.max.replace(tzinfo=timezone(timedelta(hours=-5)))
    assert names(runs(project, since=first, until=last)) == ["etl#1"]
    assert names(runs(project, since=last)) == names(runs(project, until=first)) == []


def test_a_run_is_found_by_the_time_in_its_id_where_the_clock_was_set_back(project, add):
    add("etl", 1, second=100)
    add("etl", 2, second=100.001, created=NOON)
    assert names(runs(project, since=NOON + 50 * SECOND)) == ["etl#2", "etl#1"]


def test_runs_outside_the_bounds_are_not_read(project, add, monkeypatch):
    for number in range(1, 200):
        add("etl", number, second=number)
    read = []
    original = project.backend.get_many

    def get_many(oids):
        read.extend(oids)
        return original(oids)

    monkeypatch.setattr(project.backend, "get_many", get_many)
    found = runs(project, since=NOON + 50 * SECOND, until=NOON + 52 * SECOND)
    assert names(found) == ["etl#52", "etl#51", "etl#50"]
    assert len(read) == 3
    assert names(runs(project, limit=2)) == ["etl#199", "etl#198"]
    assert len(read) == 5
    assert names(islice(runs(project), 2)) == ["etl#199", "etl#198"]
    assert len(read) == 5 + PAGE_RUNS - 2  # a page, less the two that are at hand
    assert names(islice(runs(project), 2, 40)) == [f"etl#{n}" for n in range(197, 159, -1)]
    assert len(read) == 3 + 2 * PAGE_RUNS


@pytest.mark.slow
@settings(
    deadline=None,
    max_examples=examples(40),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.datetimes(timezones=st.timezones()), st.datetimes(timezones=st.timezones()))
def test_times_in_ids_sort_as_the_times_do(one, other):
    try:
        one, other = one.astimezone(UTC), other.astimezone(UTC)
    except OverflowError:
        return
    if abs(one - other) >= timedelta(milliseconds=1):
        assert (id_time(one) < id_time(other)) == (one < other)


# -- by what they executed


@pytest.fixture
def story(project, define, add):
    """Three definitions in two workflows; the second changes a file, the third a task."""
    first = define({"get": "echo 1", "put": "./put.sh"}, {"put.sh": "one"})
    second = define({"get": "echo 1", "put": "./put.sh"}, {"put.sh": "two"})
    third = define({"fetch": "echo 1", "put": "./put.sh -v"}, {"put.sh": "two"})
    add("etl", 1, second=1, of=first)
    add("other", 1, second=2, of=first)
    add("etl", 2, second=3, of=second)
    add("etl", 3, second=4, of=third, state="failed")
    add("etl", 4, second=5, of=first)
    return project


def asked(store, workflow=None, limit=None, **texts):
    return names(runs(store, workflow, limit=limit, executed=meant(store, **texts)))


def meant(store, **texts):
    return wanted(store, **{key: resolve(store, text, now=NOON) for key, text in texts.items()})


def test_runs_of_a_snapshot(story):
    assert asked(story, snapshot="etl#1") == ["etl#4", "other#1", "etl#1"]
    assert asked(story, "etl", snapshot="etl#1^{snapshot}") == ["etl#4", "etl#1"]
    assert asked(story, "other", snapshot="etl#2") == []


def test_runs_that_executed_a_task_under_any_name(story):
    every = ["etl#4", "etl#3", "etl#2", "other#1", "etl#1"]
    task = meant(story, containing="etl#3^{snapshot}:fetch")
    assert task.kind == "task"
    for text in ("etl#1^{snapshot}:get", task.oid, task.oid[:12]):
        assert asked(story, containing=text) == every
    assert asked(story, containing=task.oid, limit=2) == every[:2]
    assert asked(story, "other", containing=task.oid) == ["other#1"]
    assert asked(story, containing="etl#3^{snapshot}:put") == ["etl#3"]


@pytest.mark.parametrize("state", [*TASK_STATES, "kept"])
def test_only_runs_that_executed_the_task_and_not_only_have_it(project, define, add, state):
    of = define({"a": "true", "b": "false"})
    oid = project.snapshot(of).tasks["b"]
    kept = TaskRun(task=oid, state="skipped", output=outcome(oid).output, reason="output of etl#1")
    ended = kept if state == "kept" else outcome(oid, state)
    never = ("kept", "pending", "skipped", "upstream_failed")
    if state in never:
        ended = replace(ended, attempts=())
    add("etl", 1, of=of, b=ended)
    add("etl", 2, of=of, second=1)
    found = asked(project, containing="etl#1^{snapshot}:b", limit=2)
    assert found == (["etl#2"] if state in never else ["etl#2", "etl#1"])
    assert asked(project, containing="etl#1^{snapshot}:a") == ["etl#2", "etl#1"]


def test_only_runs_of_what_has_the_task_are_asked_for_its_outcome(story, monkeypatch):
    read = []
    original = type(story).tree
    monkeypatch.setattr(
        type(story),
        "tree",
        lambda self, oid, **more: read.append(oid) or original(self, oid, **more),
    )
    outcomes = {one.run.tasks for one in runs(story)}
    assert asked(story, containing="etl#3^{snapshot}:put") == ["etl#3"]
    assert len(outcomes.intersection(read)) == 1


def test_outcomes_of_many_runs_are_read_together(project, define, add, monkeypatch):
    task = project.snapshot(define({"a": "true"})).tasks["a"]
    for number in range(1, PAGE_RUNS + 1):  # with other numbers, so that no two trees are equal
        add("etl", number, second=number, a=outcome(task, number=number))
    read = []
    original = project.backend.get_many
    monkeypatch.setattr(project.backend, "get_many", lambda o: read.append([*o]) or original(o))
    project._cache.clear()
    assert len(asked(project, containing="etl#1^{snapshot}:a")) == PAGE_RUNS
    outcomes = {one.run.tasks for one in runs(project)}
    assert any(outcomes <= {*together} for together in read)


def test_runs_that_executed_a_file(story):
    assert asked(story, containing="etl#1:put.sh") == ["etl#4", "other#1", "etl#1"]
    assert asked(story, containing="etl#2:put.sh") == ["etl#3", "etl#2"]


def test_runs_that_contain_a_snapshot_are_those_of_it(story):
    snapshot_oid = meant(story, snapshot="etl#2").oid
    assert asked(story, containing=snapshot_oid) == ["etl#2"]
    assert asked(story, containing="etl#2") == ["etl#2"]


def test_what_no_run_can_have_executed(story):
    with story.transaction() as tx:
        unused = tx.add(Blob(b"never captured"))
        tree = story.get(snapshot.Snapshot, meant(story, snapshot="etl#2").oid).tasks
    assert asked(story, containing=unused) == []
    with pytest.raises(NotFound, match="is no task, code file or snapshot"):
        asked(story, containing=tree)
    with pytest.raises(UsageError, match="exclude each other"):
        asked(story, containing="etl#1", snapshot="etl#1")
    with pytest.raises(NotFound):
        asked(story, containing="etl#1:nothing")


def test_the_bounds_hold_for_what_was_executed_as_well(story):
    executed = meant(story, snapshot="etl#1")
    found = runs(story, executed=executed, until=NOON + 4 * SECOND, states=("success",))
    assert names(found) == ["other#1", "etl#1"]
    assert names(runs(story, executed=executed, since=NOON + 2 * SECOND)) == ["etl#4", "other#1"]


def test_a_run_is_shown_as_it_is_now_and_not_as_it_was_pinned(story):
    ended = story.ref("runs/etl/" + next(runs(story, "etl")).run.id)
    run = story.get(Run, ended)
    with story.transaction() as tx:
        tx.move(f"runs/etl/{run.id}", old=ended, new=tx.add(replace(run, state="cancelled")))
    executed = meant(story, snapshot="etl#1")
    assert next(runs(story, executed=executed)).run.state == "cancelled"


@pytest.mark.slow
def test_equal_subtrees_of_large_snapshots_are_looked_at_once(project, define, add, monkeypatch):
    tasks = {f"t{n}": f"echo {n}" for n in range(600)}
    for number in range(1, 9):
        changed = {**tasks, "t77": f"echo changed {number}"}
        add("large", number, second=number, of=define(changed))
    executed = meant(project, containing="large#5^{snapshot}:t77")
    read = []
    original = type(project).tree
    monkeypatch.setattr(
        type(project), "tree", lambda self, oid: read.append(oid) or original(self, oid)
    )
    assert names(runs(project, executed=executed)) == ["large#5"]
    assert len(read) == len(set(read)) < 40


def test_a_blob_is_not_taken_for_a_task(story):
    task = meant(story, containing="etl#1^{snapshot}:get")
    assert names(runs(story, executed=Executed(kind="blob", oid=task.oid))) == []
    assert names(runs(story, executed=Executed(kind="task", oid=Oid("0" * 64)))) == []
