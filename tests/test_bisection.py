"""Bisection: the verdicts that it asks for, and where it ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ork.bisection import BAD, GOOD, SKIP, bracket, judgements_left, pick


def search(line: list[str]) -> tuple[int, int, int]:
    """Bisect a line whose verdicts are known; return the bracket and how many were asked for."""
    verdicts = {0: GOOD, len(line) - 1: BAD}
    asked = 0
    while (index := pick(*bracket(verdicts), verdicts)) is not None:
        assert index not in verdicts
        verdicts[index] = line[index]
        asked += 1
    return (*bracket(verdicts), asked)


@given(st.integers(1, 2000), st.data())
@settings(deadline=None)
def test_the_first_bad_entry_is_found_in_log2_steps(count, data) -> None:
    first = data.draw(st.integers(1, count))
    good, bad, asked = search([GOOD] * first + [BAD] * (count - first + 1))
    assert (good, bad) == (first - 1, first)
    assert asked <= (count - 1).bit_length()


@given(st.lists(st.sampled_from([GOOD, BAD, SKIP]), max_size=40))
@settings(deadline=None)
def test_any_line_ends_where_good_turns_bad_with_nothing_but_skipped_between(middle) -> None:
    line = [GOOD, *middle, BAD]
    good, bad, _ = search(line)
    assert line[good] == GOOD
    assert line[bad] == BAD
    assert set(line[good + 1 : bad]) <= {SKIP}


def test_a_skipped_middle_gives_way_to_the_nearest_one() -> None:
    assert pick(0, 8, {0: GOOD, 8: BAD}) == 4
    assert pick(0, 8, {0: GOOD, 8: BAD, 4: SKIP}) == 3
    assert pick(0, 8, {0: GOOD, 8: BAD, 4: SKIP, 3: SKIP}) == 5
    assert pick(0, 2, {0: GOOD, 2: BAD, 1: SKIP}) is None


def test_the_newest_turn_is_meant_where_there_are_two() -> None:
    assert bracket({0: GOOD, 2: BAD, 5: GOOD, 7: BAD, 9: BAD}) == (5, 7)


def test_what_is_left_is_told() -> None:
    assert [judgements_left(0, bad, {}) for bad in (1, 2, 3, 5, 9)] == [0, 1, 2, 3, 4]
