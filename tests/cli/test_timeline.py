"""The timeline of a run: lanes, the scale, the critical path."""

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.cli.report.timeline import Bar, Lane, Scale, critical_path, lanes
from ork.cli.report.timeline import timeline as placed
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import Attempt, TaskRun, micros
from tests.cli.html_page import drawn_part
from tests.cli.naughty import NAUGHTY
from tests.scale import examples

BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)


def timeline(found, path):
    """Return the lanes as a piece of a page."""
    return drawn_part("timeline", "timeline", placed(found, path))


def tried(*spans, state="success"):
    attempts = tuple(
        Attempt(
            number=n,
            state=state if n == len(spans) else "failed",
            started=BEGAN + timedelta(seconds=start),
            duration=micros(end - start),
        )
        for n, (start, end) in enumerate(spans, 1)
    )
    return TaskRun(task=hash_bytes(b"t"), state=state, attempts=attempts)


def bar(start, end):
    return Bar(start=start, end=end, state="success", number=1)


def test_lanes_begin_when_their_tasks_do_and_know_since_when_they_could():
    tasks = {
        "b": tried((5, 6)),
        "a": tried((0, 2)),
        "c": tried((1, 2), (4, 5)),
        "d": TaskRun(task=hash_bytes(b"t"), state="skipped"),
    }
    found = lanes(tasks, {"a": (), "b": ("a", "c"), "c": (), "d": ("b",)}, BEGAN)
    assert [(lane.name, lane.ready) for lane in found] == [("a", 0), ("c", 0), ("b", 5)]
    assert [(b.start, b.end, b.state) for b in found[1].bars] == [
        (1, 2, "failed"),
        (4, 5, "success"),
    ]


def test_a_clock_that_was_set_back_turns_no_bar_round():
    found = lanes({"a": tried((-60, -50))}, {"a": ()}, BEGAN)
    assert found[0].bars == (bar(0, 10),)


def test_the_axis_begins_with_the_first_task_since_before_it_a_run_is_being_started():
    tasks = {"a": tried((3, 4)), "b": tried((5, 7))}
    a, b = lanes(tasks, {"a": (), "b": ()}, BEGAN)
    assert (a.bars[0].start, b.ready, b.bars[0].start) == (0, 0, 2)
    (row,) = placed(lanes({"a": tried((3, 4))}, {}, BEGAN), ()).rows
    assert row.waits == ()
    (a,) = lanes({}, {}, BEGAN, going={"a": (BEGAN + timedelta(seconds=3), BEGAN)})
    assert a.bars[0].start == 0


def test_a_task_that_runs_has_a_bar_up_to_now():
    began = BEGAN + timedelta(seconds=20)
    going = {"a": (began, BEGAN + timedelta(seconds=50)), "b": (began, BEGAN)}
    a, b = lanes({"a": tried((0, 10))}, {"a": (), "b": ()}, BEGAN, going=going)
    assert [(bar.start, bar.end, bar.state, bar.number) for bar in a.bars][1:] == [
        (20, 50, "running", 2)
    ]
    assert (b.bars[0].start, b.bars[0].end) == (20, 20)


def test_the_critical_path_goes_back_from_the_last_to_end():
    needs = {"a": (), "b": (), "c": ("a", "b"), "d": ("a",)}
    tasks = {"a": tried((0, 1)), "b": tried((0, 3)), "c": tried((3, 4)), "d": tried((1, 2))}
    assert critical_path(lanes(tasks, needs, BEGAN), needs) == ("b", "c")
    assert critical_path([], {}) == ()


def test_a_long_gap_is_cut_and_a_short_one_is_not():
    scale = Scale([bar(0, 10), bar(11, 20), bar(86_400, 86_410)])
    ((place, seconds),) = scale.cuts()
    assert seconds == 86_380
    assert scale(20) < place < scale(86_400)
    assert scale(86_400) - scale(20) < 10
    assert scale(10) < scale(11)
    marks = [x for x, _ in scale.ticks()]
    assert marks == sorted(marks) and 2 <= len(marks) <= 14


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e4)), min_size=1, max_size=12))
def test_the_scale_rises_from_0_to_100_and_ticks_keep_apart(spans):
    bars = [bar(start, start + length) for start, length in spans]
    scale = Scale(bars)
    times = sorted(time for one in bars for time in (one.start, one.end))
    places = [scale(time) for time in times]
    assert all(0 <= x <= 100 + 1e-6 for x in places)
    assert all(a <= b + 1e-6 for a, b in pairwise(places))
    marks = list(scale.ticks())
    assert all(b - a >= 6.99 for (a, _), (b, _) in pairwise(marks))
    assert len({label for _, label in marks}) == len(marks)


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e3)), min_size=1, max_size=12))
def test_words_on_the_axis_stand_apart_and_within_it(spans):
    found = placed([Lane(name="a", bars=tuple(bar(s, s + took) for s, took in sorted(spans)))], ())
    marks = sorted(mark.span for mark in (*found.ticks, *found.cuts) if mark.text)
    assert all(start >= -1e-6 and end <= 100 + 1e-6 for start, end in marks)
    assert all(one[1] <= other[0] + 1e-6 for one, other in pairwise(marks))
    assert all(x + width <= 100 + 1e-6 for row in found.rows for x, width, *_ in row.bars)


def test_where_time_is_cut_out_no_tick_stands_in_the_way():
    found = placed([Lane(name="a", bars=(bar(0, 9.4), bar(34, 35), bar(35.2, 44)))], ())
    ((cut),) = found.cuts
    assert cut.text == "... 24.6s ..."
    assert all(tick.span[1] <= cut.span[0] or tick.span[0] >= cut.span[1] for tick in found.ticks)
    assert len(found.ticks) >= 3


def test_the_key_shows_the_critical_path_as_it_is_drawn():
    tasks = {"a": tried((0, 5)), "b": tried((5, 9), state="failed"), "c": tried((0, 1))}
    needs = {"a": (), "b": ("a",), "c": ()}
    found = lanes(tasks, needs, BEGAN)
    text = timeline(found, critical_path(found, needs))
    drawn, key = text.split('class="key"')
    assert 'class="bar failed"' in key and 'class="bar failed"' in drawn and "plain" not in key
    assert "critical path" not in timeline(found, ())


def test_no_bar_is_too_thin_to_see():
    text = timeline(lanes({"a": tried((0, 0)), "b": tried((0, 1000))}, {}, BEGAN), ())
    widths = [float(width) for width in re.findall(r'width="([\d.]+)%"', text)]
    assert min(widths) >= 0.4


def test_a_run_of_many_tasks_shows_the_first_ones():
    found = [Lane(name=f"t{n}", bars=(bar(n, n + 1),)) for n in range(1_000)]
    text = timeline(found, ())
    assert "and 700 tasks that started later" in text
    assert len(text) < 800_000


@pytest.mark.parametrize("name", NAUGHTY.values(), ids=NAUGHTY)
def test_names_are_data(name):
    expected = timeline(lanes({"x": tried((0, 1))}, {}, BEGAN), ("x",))
    text = timeline(lanes({name: tried((0, 1))}, {}, BEGAN), (name,))
    assert re.findall("<[^>]*?[ >]", text) == re.findall("<[^>]*?[ >]", expected)
