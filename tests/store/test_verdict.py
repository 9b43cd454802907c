"""What a run says of its snapshot, and the tally that follows from it."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import NotFound
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import Blob, Run, encode_object, to_json
from ork.objects.value import replace
from ork.store.contents import task_runs
from ork.store.resolve import resolve
from ork.store.runs import PAGE_RUNS, Hook, runs
from ork.store.store import Store
from ork.store.verdict import (
    counts_as,
    failures,
    has_failed,
    in_full,
    is_partial,
    taint_text,
    tainted,
    tally,
    verdict,
)
from tests.history.histories import History, task
from tests.runs import in_memory, outcome, write_retry, write_run
from tests.stores import NOON

_ENDS = ("success", "failed")
TASKS = {"a": task("a"), "b": task("b", "a")}


@pytest.fixture
def etl():
    """A history of one deploy with two tasks."""
    history = History(in_memory())
    history.deploy(TASKS)
    return history


def states_of(etl, *states, tainted=()):
    """Return outcomes of a and b; the files changed under every attempt of those in `tainted`."""
    oids = etl.store.snapshot(resolve(etl.store, "etl", now=NOON).snapshot).tasks
    return {
        name: outcome(oids[name], state, tainted=("x.py",) if name in tainted else ())
        for name, state in zip("ab", states, strict=True)
    }


@pytest.mark.parametrize(
    ("state", "tasks", "selected", "said"),
    [
        ("success", ("success", "success"), None, "good"),
        ("success", ("success", "success"), ("a", "b"), "good"),
        ("success", ("success", "skipped"), ("a",), None),
        ("success", ("skipped", "success"), None, "good"),  # what --latest kept
        ("failed", ("success", "failed"), None, "bad"),
        ("failed", ("failed", "upstream_failed"), None, "bad"),
        ("failed", ("failed", "skipped"), ("a",), None),
        ("cancelled", ("success", "cancelled"), None, None),
        ("interrupted", ("success", "interrupted"), None, None),
        ("cancelled", ("success", "failed"), None, "bad"),
        ("interrupted", ("failed", "upstream_failed"), None, "bad"),
        ("cancelled", ("failed", "skipped"), ("a",), None),
    ],
)
def test_only_a_whole_run_has_a_verdict(etl, state, tasks, selected, said):
    run = write_run(etl.store, etl.oids[0], states_of(etl, *tasks), state, selected=selected)
    assert verdict(etl.store, run) == said
    assert is_partial(etl.store, run) == (selected == ("a",))


@pytest.mark.parametrize(
    ("tasks", "failed"),
    [
        (("success", "cancelled"), ["b"]),
        (("success", "interrupted"), ["b"]),
        (("success", "pending"), ["b"]),
        (("success", "success"), []),
        (("cancelled", "success"), []),
        (("failed", "success"), ["a"]),
    ],
)
def test_a_task_that_a_retry_was_stopped_at_is_as_it_was_before(etl, tasks, failed):
    first = write_run(etl.store, etl.oids[0], states_of(etl, "success", "failed"), "failed")
    write_retry(etl.store, "etl", 1, states_of(etl, "success", "cancelled"), "cancelled")
    again = write_retry(etl.store, "etl", 1, states_of(etl, *tasks), "cancelled")
    assert list(failures(etl.store, again, task_runs(etl.store, again))) == failed
    assert has_failed(etl.store, again, {}) == bool(failed)
    listed = [entry.run.id for entry in runs(etl.store, "etl", states=("failed",))]
    assert listed == ([first.id] if failed else [])
    assert verdict(etl.store, again) == ("bad" if failed else None)
    counted = tally(etl.store, etl.oids[0]).counts
    assert counted == {"failed" if failed else "cancelled": 1}


@pytest.mark.parametrize(("state", "last"), [("success", "success"), ("failed", "failed")])
@pytest.mark.parametrize("changed", ["a", "b"])
def test_a_tainted_run_says_nothing(etl, state, last, changed):
    states = states_of(etl, "success", last, tainted=changed)
    run = write_run(etl.store, etl.oids[0], states, state)
    assert verdict(etl.store, run) is None
    assert counts_as(etl.store, run, states) == "tainted"
    assert tainted(states) == {changed: ("x.py",)}


def test_a_retry_that_was_stopped_before_what_a_taint_had_failed_says_nothing(etl):
    states = states_of(etl, "success", "failed", tainted="b")
    write_run(etl.store, etl.oids[0], states, "failed")
    states = states_of(etl, "success", "cancelled")
    again = write_retry(etl.store, "etl", 1, states, "cancelled")
    assert counts_as(etl.store, again, states) == "tainted"


def test_an_attempt_that_was_tainted_and_tried_again_is_forgotten(etl):
    states = states_of(etl, "success", "success")
    first = outcome(states["b"].task, "failed", tainted=("x.py",)).attempts[0]
    again = outcome(states["b"].task, number=2)
    states["b"] = replace(again, attempts=(first, *again.attempts))
    run = write_run(etl.store, etl.oids[0], states)
    assert verdict(etl.store, run) == "good"


def test_a_run_that_goes_on_has_no_verdict(etl):
    run = write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
    assert verdict(etl.store, replace(run, state="running")) is None


def test_the_tasks_of_listed_runs_are_read_only_where_a_tainted_one_was_counted(etl, monkeypatch):
    read = []

    def counted(store, run):
        read.append(run.state)
        return task_runs(store, run)

    monkeypatch.setattr("ork.store.verdict.task_runs", counted)
    for state in ("success", "failed", "cancelled"):
        write_run(etl.store, etl.oids[0], states_of(etl, "success", state), state)
    assert not any(entry.tainted for entry in in_full(etl.store, runs(etl.store)))
    assert read == ["cancelled"]
    write_run(etl.store, etl.oids[0], states_of(etl, "success", "success", tainted="b"))
    found = [entry.tainted for entry in in_full(etl.store, runs(etl.store))]
    assert found == [("x.py",), (), (), ()]


@pytest.mark.parametrize(
    ("left", "selected", "tainted"),
    [("success", None, ""), ("skipped", ("a",), ""), ("success", None, "a")],
)
def test_the_tasks_of_stopped_runs_are_read_only_where_a_failure_was_counted(
    etl, monkeypatch, left, selected, tainted
):
    read = []

    def counted(store, run):
        read.append(run.id)
        return task_runs(store, run)

    quiet = write_run(etl.store, etl.oids[0], states_of(etl, "success", "cancelled"), "cancelled")
    monkeypatch.setattr("ork.store.verdict.task_runs", counted)
    assert not has_failed(etl.store, quiet, {}) and not read
    states = states_of(etl, "failed", left, tainted=tainted)
    stopped = write_run(etl.store, etl.oids[0], states, "cancelled", selected=selected)
    assert has_failed(etl.store, stopped, {}) and not has_failed(etl.store, quiet, {})
    assert read == [stopped.id, quiet.id]


def hook_of(etl, run, attempt, which, state):
    """Write how a hook of a run went; return its oid."""
    hook = Hook(attempt=attempt, which=which, command="x", started=NOON, state=state)
    with etl.store.transaction() as tx:
        oid = tx.add_value(to_json(hook))
        tx.move(f"hooks/{run.workflow}/{run.id}/{attempt}-{which}", old=None, new=oid)
    return oid


@pytest.mark.parametrize(
    ("hooks", "failed"),
    [
        ([], ()),
        ([(1, "on_success", "success")], ()),
        ([(1, "on_failure", "failed")], ("on_failure",)),
        ([(1, "on_failure", "cancelled")], ()),
        ([(1, "on_failure", None)], ()),  # it goes on, or nobody knows
        ([(1, "on_failure", "failed"), (2, "on_failure", "success")], ()),
        ([(1, "on_failure", "failed"), (2, "on_failure", None)], ()),
        ([(9, "on_failure", "success"), (10, "on_failure", "failed")], ("on_failure",)),
        ([(9, "on_failure", "failed"), (10, "on_failure", "success")], ()),
        ([(1, "on_failure", "failed"), (2, "on_success", "success")], ("on_failure",)),
        (
            [(1, "on_failure", "failed"), (2, "on_success", "failed")],
            ("on_failure", "on_success"),
        ),
    ],
)
def test_a_listed_run_tells_which_hooks_failed_when_last_executed(etl, hooks, failed):
    run = write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
    write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
    for attempt, which, state in hooks:
        hook_of(etl, run, attempt, which, state)
    assert [one.failed_hooks for one in in_full(etl.store, runs(etl.store))] == [(), failed]


def test_hooks_of_a_page_of_runs_are_looked_up_together(etl, monkeypatch):
    looked_up, read = [], []
    refs_many, get_all = Store.refs_many, Store.get_all

    def looking(store, prefix, names):
        wanted = list(names)
        looked_up.append((prefix, len(wanted)))
        return refs_many(store, prefix, wanted)

    def reading(store, kind, oids, **how):
        read.append((kind, len(oids)))
        return get_all(store, kind, oids, **how)

    made = [
        write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
        for _ in range(PAGE_RUNS + 3)
    ]
    monkeypatch.setattr(Store, "refs_many", looking)
    monkeypatch.setattr(Store, "get_all", reading)
    for hooks in (0, 5):
        for run in made[:hooks]:
            hook_of(etl, run, 1, "on_failure", "failed")
        looked_up.clear()
        read.clear()
        found = list(in_full(etl.store, runs(etl.store)))
        assert [one for one in looked_up if one[0] == "hooks/"] == [
            ("hooks/", PAGE_RUNS),
            ("hooks/", 3),
        ]
        assert sum(number for kind, number in read if kind is Blob) == hooks
        assert sum(bool(one.failed_hooks) for one in found) == hooks


def test_a_hook_that_is_damaged_keeps_no_run_from_being_listed(etl):
    run = write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
    hook_of(etl, run, 1, "on_failure", "failed")
    with etl.store.transaction() as tx:
        text = tx.add(Blob(b"no hook"))
        tx.move(f"hooks/{run.workflow}/{run.id}/2-on_failure", old=None, new=text)
    (one,) = in_full(etl.store, runs(etl.store))
    assert one.failed_hooks == ("on_failure",)
    etl.store.backend.sweep(lambda: [text])
    (one,) = in_full(Store(etl.store.backend), runs(etl.store))
    assert one.run == run and one.failed_hooks == ()


def test_only_the_newest_runs_are_searched_for_the_oid_of_an_outcome(etl, monkeypatch):
    monkeypatch.setattr("ork.store.resolve.RUNS_SEARCHED_MAX", 1)
    old, new = (write_run(etl.store, etl.oids[0], states_of(etl, state, state)) for state in _ENDS)
    oids = [hash_bytes(encode_object(task_runs(etl.store, run)["a"])) for run in (old, new)]
    assert resolve(etl.store, oids[1], now=NOON).kind == "taskrun"
    with pytest.raises(NotFound, match="no object"):
        resolve(etl.store, oids[0], now=NOON)


def test_a_taint_is_told_by_the_names_of_the_files():
    assert taint_text(["load.py"]) == "tainted: load.py changed while it ran"
    many = taint_text([f"{number}.py" for number in range(9)])
    assert many == "tainted: 0.py, 1.py, 2.py, 3.py, 4.py and 4 more changed while it ran"


# -- the tally, and what it is asked for

RUNS = st.tuples(
    st.sampled_from(["success", "failed", "cancelled", "interrupted"]),
    st.sampled_from([None, ("a",), ("a", "b")]),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["success", "failed", "skipped", "upstream_failed", "cancelled"]),
)


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["deploy", "run", "retry"]), RUNS), max_size=12))
@settings(max_examples=60)
def test_a_tally_equals_a_recount_by_verdicts(steps):
    etl = History(in_memory())
    etl.deploy(TASKS)
    ended = 0
    for step, (state, selected, changed, last) in steps:
        states = states_of(etl, "success", last, tainted=changed)
        if step == "deploy":
            etl.deploy({**TASKS, "b": task(f"b{len(etl.oids)}", "a")})
        elif step == "run" or ended == 0:
            write_run(etl.store, etl.oids[-1], states, state, selected=selected)
            ended += 1
        else:
            write_retry(etl.store, "etl", 1 + len(changed) % ended, states, state)
    said, words = Counter(), Counter()
    runs = [etl.store.get(Run, oid) for _, oid in etl.store.refs("runs/etl/")]
    for run in runs:
        said[run.deploy, verdict(etl.store, run)] += 1
        words[run.deploy, counts_as(etl.store, run, task_runs(etl.store, run))] += 1
    for deploy in etl.oids:
        found = tally(etl.store, deploy).counts
        assert found == {word: count for (of, word), count in words.items() if of == deploy}
        assert found.get("success", 0) == said[deploy, "good"]
        assert found.get("failed", 0) == said[deploy, "bad"]
    good = [oid for oid in etl.oids if said[oid, "good"]]
    if good:
        assert resolve(etl.store, "etl@{good}", now=NOON).oid == good[-1]
    else:
        with pytest.raises(NotFound, match="no deploy of etl has a good run"):
            resolve(etl.store, "etl@{good}", now=NOON)


def test_good_is_a_revision_like_any_other(etl):
    write_run(etl.store, etl.oids[0], states_of(etl, "success", "success"))
    etl.deploy({**TASKS, "c": task("c")})
    write_run(etl.store, etl.oids[1], states_of(etl, "success", "skipped"), selected=("a",))
    etl.deploy({**TASKS, "d": task("d")})
    at = {
        text: resolve(etl.store, text, now=NOON) for text in ("etl@{good}", "@@{good}", "@{good}")
    }
    assert {found.oid for found in at.values()} == {etl.oids[0]}
    write_run(etl.store, etl.oids[1], states_of(etl, "success", "success"))
    assert resolve(etl.store, "etl@{good}", now=NOON).oid == etl.oids[1]
    assert resolve(etl.store, "etl@{good}~1", now=NOON).oid == etl.oids[0]
    assert resolve(etl.store, "etl@{good}:c", now=NOON).kind == "task"
    with pytest.raises(NotFound, match="no workflow or object named 'other'"):
        resolve(etl.store, "other@{good}", now=NOON)
