"""How long tasks take: what is told of durations, and what is noise."""

import random
from datetime import timedelta

from ork.history.tasks import task_times
from ork.objects.kinds import micros
from ork.objects.value import replace
from ork.store.resolve import resolve
from ork.store.runs import runs
from tests.history.histories import History, task
from tests.runs import in_memory, outcome, write_run
from tests.stores import NOON


class Timed:
    """A workflow of some tasks, and runs of it in which these take as long as is said."""

    def __init__(self, *names):
        self.history = History(in_memory())
        self.store = self.history.store
        self.deploy(*names)

    def deploy(self, *names, **commands):
        commands = {name: f"run {name}" for name in names} | commands
        self.history.deploy({name: task(command) for name, command in commands.items()})

    def run(self, trigger="run", **seconds):
        head = resolve(self.store, "etl", now=NOON)
        oids = self.store.snapshot(head.snapshot).tasks
        took = {name: self._took(oids[name], it) for name, it in seconds.items()}
        self.last = getattr(self, "last", NOON) + timedelta(hours=1)
        write_run(self.store, head.oid, took, trigger=trigger, created=self.last)

    def _took(self, oid, seconds):
        one = outcome(oid)
        return replace(one, attempts=(replace(one.attempts[0], duration=micros(seconds)),))

    def times(self, limit=None):
        found = task_times(self.store, runs(self.store, "etl"), "etl", limit=limit)
        return {one.task: one for one in found}


def since(*seconds):
    """Return since which run a task takes another time that takes so long in each."""
    timed = Timed("a")
    for one in seconds:
        timed.run(a=one)
    return timed.times()["a"].since


def test_a_task_is_slower_since_the_first_of_several_runs():
    usual = (10.0, 10.4, 9.7, 10.1, 10.2, 9.9, 10.0)
    assert since(*usual, 15.0, 15.3, 14.8) == "etl#8"
    assert since(*usual, 15.0, 15.3) is None, "too few"
    assert since(*usual[1:], 15.0, 15.3, 14.8, 15.0) != "etl#7", "too few before"
    assert since(*usual, 11.0, 11.0, 11.0) is None, "less than a fifth"
    assert since(*[it / 1000 for it in (*usual, 15.0, 15.3, 14.8)]) is None, "a few milliseconds"
    assert since(*usual, 6.0, 5.9, 6.1) == "etl#8", "it is faster"


def test_no_other_run_is_named_where_too_few_are_before_or_since_the_change():
    for before, after in ((3, 17), (6, 14), (10, 2), (10, 1)):
        assert since(*[0.02] * before, *[0.5] * after) is None
    assert since(*[0.02] * 7, *[0.5] * 13) == "etl#8"


def test_one_run_that_is_far_off_changes_nothing():
    usual = (10.0, 10.4, 9.7, 10.1, 10.2, 9.9, 10.0)
    assert since(*usual, 10.1, 300.0, 10.2) is None
    assert since(*usual[:4], 300.0, *usual[4:], 15.0, 15.3, 14.8) == "etl#9"


def test_what_differs_a_lot_each_time_is_noise():
    chance = random.Random(7)
    told = [
        since(*(chance.lognormvariate(2, 0.3) for _ in range(20))) is not None for _ in range(30)
    ]
    assert sum(told) <= 1


def test_the_median_is_of_the_runs_since_the_change():
    timed = Timed("a", "b", "c")
    for number in range(12):
        timed.run(a=20.0 if number >= 8 else 10.0, b=300.0, c=1.0)
    found = timed.times()
    assert list(found) == ["a", "b", "c"], "what got slower comes first, then what takes long"
    one = found["a"]
    assert (one.median, one.before, one.since, one.last, one.slower) == (20, 10, "etl#9", 20, 10)
    assert (one.succeeded, one.failed) == (12, 0)
    assert (found["b"].median, found["b"].before, found["b"].slower) == (300, None, 0)
    assert list(timed.times(limit=4)) == ["b", "a", "c"]


def test_runs_of_a_bisection_do_not_count():
    timed = Timed("a")
    timed.run(a=1.0)
    timed.run(a=9.0, trigger="bisect")
    assert (timed.times(limit=1)["a"].last, timed.times()["a"].succeeded) == (1.0, 1)


def test_without_any_run_nothing_is_told():
    assert Timed("a").times() == {}


def test_tasks_are_those_of_the_newest_version_under_all_their_names():
    timed, other = Timed("a", "b", "gone"), "python -m report --all"
    timed.run(a=1.0, b=2.0, gone=3.0)
    timed.deploy(new=other, a="run a", kept="run b")
    timed.run(a=1.0, kept=4.0, new=5.0)
    timed.deploy(new=other, x="run a", kept="run b")
    found = timed.times()
    assert {name: (it.succeeded, it.median) for name, it in found.items()} == {
        "new": (1, 5.0),
        "kept": (2, 3.0),
        "x": (2, 1.0),
    }


def test_of_many_runs_the_first_of_the_slow_ones_is_found():
    assert since(*[10.0 + number % 3 for number in range(100)], *[20.0] * 30) == "etl#101"
