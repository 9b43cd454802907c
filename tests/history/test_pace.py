"""How long a run still takes, by the newest good run before it."""

import pytest

from ork.history.pace import Pace, pace_of
from ork.store.resolve import resolve
from tests.history.histories import History, task
from tests.runs import in_memory, outcome, write_run
from tests.stores import NOON


def pace(lasted=10.0, **seconds):
    found = Pace(lasted, seconds)
    found.begin(list(seconds))
    return found


def test_nothing_is_done_yet():
    assert pace(a=5, b=5).left(0.0, {}) == 10.0


def test_as_fast_as_before():
    found = pace(a=5, b=5)
    found.end("a", executed=True)
    assert found.left(5.0, {}) == pytest.approx(5.0)


def test_twice_as_slow_as_before():
    found = pace(a=5, b=5)
    found.end("a", executed=True)
    assert found.left(10.0, {}) == pytest.approx(10.0)


def test_of_many_tasks_the_first_tell_that_all_are_slower():
    found = pace(**{f"t{n}": 0.1 for n in range(1000)})
    for n in range(50):
        found.end(f"t{n}", executed=True)
    assert found.left(5.0, {}) == pytest.approx(95.0)
    few = pace(long=1, rest=9)
    assert few.left(5.0, {"long": 5.0}) == pytest.approx(9.0)  # one alone may be an exception


def test_a_task_that_runs_counts_by_its_age():
    found = pace(a=5, b=5)
    assert found.left(0.5, {"a": 0.5}) == pytest.approx(9.5)
    found.end("a", executed=True)
    assert found.left(9.0, {"b": 4.0}) == pytest.approx(1.0)


def test_a_task_that_takes_longer_than_ever_tells_nothing_of_its_end():
    found = pace(a=5, b=5)
    found.end("a", executed=True)
    assert found.left(1000.0, {"b": 990.0}) == 0


def test_what_is_not_executed_takes_no_time():
    found = pace(a=5, b=5)
    found.end("a", executed=False)
    assert found.left(0.0, {}) == 5.0
    found.end("b", executed=True)
    assert found.left(10.0, {}) == 0.0


@pytest.mark.parametrize("executed", [True, False])
def test_nothing_tells_until_a_new_task_has_ended(executed):
    found = Pace(10.0, {"a": 4.0, "b": 6.0})
    found.begin(["a", "b", "c"])
    assert found.left(0.0, {}) is None
    found.end("a", executed=True)
    assert found.left(5.0, {"c": 1.0}) is None
    found.end("c", executed=executed)
    assert found.left(4.0, {}) == pytest.approx(6.0)


def test_new_tasks_do_not_tell_how_slow_the_others_are():
    found = Pace(10.0, {"a": 10.0})
    new = [f"new_{n}" for n in range(20)]
    found.begin(["a", *new])
    for name in new:
        found.end(name, executed=True)
    assert found.left(60.0, {}) == 10.0


def test_nothing_tells():
    found = pace(lasted=0.0, a=0.0)
    assert found.left(3.0, {}) is None


def test_the_earlier_run_is_the_newest_good_one():
    history = History(in_memory())
    history.deploy({"a": task("a"), "b": task("b", "a")})
    head = history.oids[0]
    oids = history.store.snapshot(resolve(history.store, "etl", now=NOON).snapshot).tasks
    good = {name: outcome(oid) for name, oid in oids.items()}
    first = write_run(history.store, head, good)
    assert pace_of(history.store, first) is None
    bad = {"a": outcome(oids["a"], "failed"), "b": outcome(oids["b"], "upstream_failed")}
    second = write_run(history.store, head, bad, "failed")
    third = write_run(history.store, head, bad, "failed")
    for run in (second, third):
        found = pace_of(history.store, run)
        assert found is not None
        assert (found.lasted, found.seconds) == (first.seconds, {"a": 1.0, "b": 1.0})


def test_where_no_run_was_good_one_that_failed_tells_of_what_it_executed():
    history = History(in_memory())
    names = [f"part_{n}" for n in range(10)]
    history.deploy({name: task(name) for name in names})
    oids = history.store.snapshot(resolve(history.store, "etl", now=NOON).snapshot).tasks

    def failed(*skipped):
        how = {name: outcome(oid) for name, oid in oids.items()}
        how |= {name: outcome(oids[name], "upstream_failed") for name in skipped}
        how["part_9"] = outcome(oids["part_9"], "failed")
        return write_run(history.store, history.oids[0], how, "failed")

    first = failed("part_0")
    assert pace_of(history.store, first) is None
    found = pace_of(history.store, failed())
    assert found is not None
    found.begin(names)
    assert found.left(0.0, {}) is None, "nobody knows how long part_0 takes"
    found.end("part_0", executed=True)
    assert found.left(0.0, {}) == pytest.approx(first.seconds)
