"""The task at which two runs part, and the words for it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.differences.runs import (
    KINDS,
    Around,
    TaskDiff,
    first_difference,
    first_other_outcome,
    judged,
    paired,
    value_words,
)
from ork.differences.values import FieldChange
from ork.objects.canonical import Oid
from ork.objects.kinds import TASK_STATES, ZERO_TIME, Attempt, Output, TaskRun, micros
from ork.objects.value import replace

A, B = Oid("a" * 64), Oid("b" * 64)
ROWS = FieldChange(kind="changed", path="rows", old=3, new=4)


def side(state="success", *, seconds=1.0, attempts=1, output=None, reason=None):
    tries = tuple(
        Attempt(
            number=n + 1, state=state, started=ZERO_TIME + timedelta(n), duration=micros(seconds)
        )
        for n in range(attempts)
    )
    return TaskRun(task=A, state=state, attempts=tries, output=output, reason=reason)


FAILED = side("failed", reason="exited with code 7")
WAITS = side("pending", attempts=0)
SKIPPED = side("skipped", attempts=0, reason="not selected")
GOOD = side(output=Output(oid=A))


def around(*tasks, needs=None, **more):
    needs = needs or {task.name: () for task in tasks}
    return Around(tasks=[judged(task) for task in tasks], needs=needs, **more)


def why(found):
    return found and f"{found.task} - {found.why}"


def first(*tasks, **more):
    found = around(*tasks, **more)
    return why(first_difference(found, found.tasks))


def outcome(*tasks, **more):
    found = around(*tasks, **more)
    return why(first_other_outcome(found, found.tasks))


def task(name="load", old=GOOD, new=GOOD, **more):
    return TaskDiff(name=name, old=old, new=new, **more)


def test_equal_tasks_are_no_difference():
    assert first(task("a"), task("b")) is None
    assert outcome(task("a")) is None


def test_what_changed_of_the_task_itself_is_the_cause():
    timeout = FieldChange(kind="changed", path="timeout", old=1, new=2)
    assert first(task(definition=(timeout,))) == "load - its definition changed: timeout"
    assert first(task(code=("a.py", "b.py"))) == "load - its code changed: a.py, b.py"
    assert first(task(params=("day",), inputs=(ROWS,))) == "load - the parameter day changed"
    assert first(task(params=("a", "b"))) == "load - the parameters a, b changed"
    assert first(task(inputs=(ROWS,))) == "load - it got other inputs: rows 3 -> 4"
    assert first(task(new=FAILED, code=("a.py",), definition=(timeout,))) == (
        "load - its definition changed: timeout; its code changed: a.py; "
        "it failed: exited with code 7"
    )


def test_tasks_that_only_one_run_has():
    assert first(task(old=None)) == "load - it was added"
    assert first(task(new=None)) == "load - it was removed"
    assert first(task(old=None, new=FAILED)) == "load - it was added; it failed: exited with code 7"
    assert outcome(task(old=None)) is None
    assert outcome(task(new=None)) is None
    assert outcome(task(old=None, new=FAILED)) == first(task(old=None, new=FAILED))


def test_where_nothing_of_the_task_changed_it_says_where_to_look():
    same = "load - same definition, code and inputs; it failed: exited with code 7; "
    assert first(task(new=FAILED)) == same + (
        "nothing recorded explains it: time, chance or something outside"
    )
    python = FieldChange(kind="changed", path="python", old="3.11.2", new="3.13.0")
    numpy = FieldChange(kind="changed", path="distributions.numpy", old="1.0", new="2.0")
    assert first(task(new=FAILED), environment=lambda _: [numpy, python]) == same + (
        'the environment differs: python "3.11.2" -> "3.13.0", numpy "1.0" -> "2.0"'
    )
    told = first(task(new=FAILED), since=lambda task, above: [f"x ran since {task.name}"])
    assert told == same + "x ran since load"
    harmless = task("extract", code=("a.py",))
    found = outcome(harmless, task(new=FAILED), needs={"extract": (), "load": ("extract",)})
    assert found == same + "what runs before it changed: extract"
    elsewhere = outcome(harmless, task(new=FAILED), needs={"extract": (), "load": ()})
    assert elsewhere.endswith("something outside")


def test_another_output_of_the_same_task():
    assert first(task(output=(ROWS,))).startswith(
        "load - same definition, code and inputs; it gave another output: rows 3 -> 4; nothing"
    )


def test_a_task_that_works_again():
    assert first(task(old=FAILED, code=("a.py",))) == (
        "load - its code changed: a.py; it succeeded, before it failed: exited with code 7"
    )
    killed = side("interrupted", reason="ork was killed")
    assert "it succeeded, before it was interrupted" in first(task(old=killed))
    assert "it was interrupted: ork was killed" in first(task(new=killed))


@pytest.mark.parametrize("state", ["cancelled", "interrupted"])
def test_what_was_stopped_comes_after_what_made_the_runs_part(state):
    stopped = side(state)
    assert first(task("a", new=stopped), task("b", new=FAILED)).startswith("b - ")
    assert first(task("a", old=stopped), task("b", old=FAILED)).startswith("b - ")
    assert outcome(task("a", new=stopped), task("b", new=FAILED)).startswith("b - ")
    other = (task("a", new=stopped), task("b", output=(ROWS,)))
    assert (first(*other)[0], outcome(*other)[0]) == ("b", "a")
    edited = (task("a", new=stopped, code=("a.py",)), task("b", new=FAILED))
    assert (first(*edited)[0], outcome(*edited)[0]) == ("a", "b")


def test_a_failure_tells_also_where_the_task_was_stopped_before():
    assert first(task("a", old=side("cancelled"), new=FAILED), task("b", new=FAILED))[0] == "a"


def test_what_was_stopped_says_why_and_asks_for_no_other_explanation():
    same = "load - same definition, code and inputs; "
    late = side("cancelled", reason="the run took longer than 1 s")
    assert first(task(new=late)) == same + "it was cancelled: the run took longer than 1 s"
    assert first(task(old=late)) == (
        same + "it succeeded, before it was cancelled: the run took longer than 1 s"
    )
    user = (None, "stopped by the user")
    assert first(task(new=side("cancelled")), reasons=user) == (
        same + "it was cancelled: stopped by the user"
    )


def test_two_failures_with_other_words_differ():
    other = side("failed", reason="timed out")
    assert "it failed: timed out" in outcome(task(old=FAILED, new=other))
    assert first(task(old=FAILED, new=FAILED)) is None


@pytest.mark.parametrize("state", [WAITS, SKIPPED, side("running"), side("upstream_failed")])
def test_what_one_run_did_not_execute_says_nothing(state):
    assert first(task(new=state, code=("a.py",))) is None
    assert first(task(old=state, new=FAILED)) is None
    assert first(task(old=None, new=state)) is None
    assert first(task("a", new=state), task("b", new=FAILED)).startswith("b - ")


def test_an_output_that_stands_in_counts_only_where_it_differs():
    stood_in = TaskRun(task=A, state="skipped", output=Output(oid=B), reason="output of etl#1")
    assert first(task(new=stood_in, code=("a.py",))) is None
    assert first(task(new=stood_in, output=(ROWS,))) == (
        "load - it was not run: output of etl#1; it gave another output: rows 3 -> 4"
    )


def test_the_first_that_failed_comes_before_the_first_that_gave_something_else():
    tasks = (task("a", code=("a.py",)), task("b", output=(ROWS,)), task("c", new=FAILED))
    assert first(*tasks).startswith("a - its code changed")
    assert outcome(*tasks).startswith("c - ")
    assert outcome(*tasks[:2]).startswith("b - ")


def test_what_surely_differs_comes_before_what_may_use_what_changed():
    needs = {"a": (), "b": ("a",)}
    maybe = task("a", maybe=("x.sql",))
    assert first(maybe, task("b", code=("x.sql",)), needs=needs).startswith("b - its code changed")
    assert first(maybe, task("b"), needs=needs) == "a - it may use what changed: x.sql"
    assert first(maybe, task("b", new=side("interrupted"))).startswith("a - it may")
    other = task("b", output=(ROWS,))
    assert "; what runs before it may use what changed: a" in first(maybe, other, needs=needs)
    assert first(task("a", maybe=("x.sql",), output=(ROWS,)), other, needs=needs) == (
        "a - it may use what changed: x.sql; it gave another output: rows 3 -> 4"
    )


def test_long_lists_and_values_are_shortened():
    paths = tuple(f"p{n}.py" for n in range(5))
    assert first(task(code=paths)) == "load - its code changed: p0.py, p1.py, p2.py and 2 more"
    change = FieldChange(kind="added", path="text", new="x" * 1000)
    assert len(value_words(change)) < 60
    assert value_words(FieldChange(kind="removed", path="", old=1)) == "- 1"


def test_values_that_are_only_counted_are_not_written():
    no_json = replace(ROWS, new=object())
    found = first(task(output=(ROWS, ROWS, *[no_json] * 9)))
    assert "it gave another output: rows 3 -> 4, rows 3 -> 4 and 9 more;" in found


def test_times_count_where_they_differ_by_a_lot():
    def seconds(old, new):
        return judged(task(old=side(seconds=old), new=side(seconds=new))).seconds

    assert seconds(1, 2) == (1, 2)
    assert seconds(0.3, 0.1) == (0.3, 0.1)
    assert seconds(1, 1.9) is None
    assert seconds(0.001, 0.09) is None
    assert seconds(0, 0.1) == (0, 0.1)
    assert judged(task(old=side(seconds=9), new=FAILED)).seconds is None
    late = side("failed", seconds=9, reason="timed out after 9 s")
    assert judged(task(old=side(), new=late)).seconds == (1, 9)
    assert judged(task(old=late, new=side())).seconds == (9, 1)
    assert judged(task(old=FAILED, new=late)).seconds is None


def test_renamed_tasks_are_paired():
    found = paired(["a", "b", "gone"], ["a", "c", "more"], {"c": "b"})
    assert found == {"a": "a", "c": "b", "more": "more", "gone": "gone"}
    assert list(found) == ["a", "c", "more", "gone"]


SIDES = st.none() | st.builds(
    side,
    st.sampled_from(TASK_STATES),
    attempts=st.integers(0, 2),
    output=st.sampled_from([None, GOOD.output]),
)


@given(st.lists(st.tuples(SIDES, SIDES).filter(lambda pair: pair != (None, None)), max_size=6))
def test_no_pair_of_sides_is_without_words(pairs):
    tasks = [task(f"t{n}", old=old, new=new) for n, (old, new) in enumerate(pairs)]
    found = around(*tasks)
    assert all(set(one.kinds) <= set(KINDS) for one in found.tasks)
    for tell in (first_difference, first_other_outcome):
        divergence = tell(found, found.tasks)
        assert divergence is None or (divergence.kinds and divergence.why)


@given(st.lists(SIDES.filter(bool), max_size=6))
def test_a_run_does_not_part_from_itself(sides):
    tasks = [task(f"t{n}", old=one, new=one) for n, one in enumerate(sides)]
    assert first(*tasks) is outcome(*tasks) is None
