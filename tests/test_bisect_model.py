"""Bisect beside a line of deploys of which it is known how each ends.

Content comes back in the line, some of it has run, some must run, some cannot be judged: what is
found is a turn from good to bad, the newest that the records allow, and in as few runs as halving
takes.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.bisection import BAD, GOOD, SKIP, Bisected, Question, Trial, bisect
from ork.errors import NotFound
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Run, TaskRun
from ork.store import location
from ork.store.store import Store
from tests.history.histories import History, task
from tests.runs import write_run
from tests.scale import examples

STATES = {GOOD: "success", BAD: "failed"}


@contextmanager
def on_disk() -> Iterator[Store]:
    """Yield an empty store of a project."""
    with tempfile.TemporaryDirectory() as folder:
        location.create(Path(folder, ".ork"))
        store = Store(
            location.open_backend(Path(folder, ".ork"), environ={}), folder=Path(folder, ".ork")
        )
        yield store
        store.close()


def deployed(store: Store, line: list[int], truth: dict[int, str]) -> History:
    """Deploy contents by their numbers; each really ends as the truth says."""
    made = History(store)
    for content in line:
        exit_code = {GOOD: 0, BAD: 1, SKIP: 0}[truth[content]]
        made.deploy({"a": task(f"exit {exit_code} # {content}")})
    return made


def ran(store: Store, deploy: Oid, state: str) -> int:
    """Record a run of a deploy that ended so; return its number."""
    tasks = store.snapshot(store.get(Deploy, deploy).snapshot).tasks
    states = {name: TaskRun(task=oid, state=state) for name, oid in tasks.items()}
    return write_run(store, deploy, states, state).number


def search(store: Store, **options) -> tuple[Bisected, list[Trial]]:
    """Return what was found, and the trials for which something ran."""
    *steps, end = bisect(store, "etl", **options)
    assert isinstance(end, Bisected)
    trials = [step for step in steps if isinstance(step, Trial)]
    assert tuple(trials) == end.trials
    return end, [trial for trial in trials if trial.how == "ran"]


def turn(line: list[int], known: dict[int, str]) -> tuple[int, int] | None:
    """Return the newest place where contents that are known go from good to bad."""
    verdicts = [known.get(content) for content in line]
    for bad in range(len(line) - 1, -1, -1):
        if verdicts[bad] == BAD:
            for good in range(bad - 1, -1, -1):
                if verdicts[good] == GOOD:
                    return good, next(n for n in range(good + 1, bad + 1) if verdicts[n] == BAD)
            return None
    return None


def without_repeats(line: list[int]) -> list[int]:
    """Return the line without deploys that would change nothing."""
    return [one for n, one in enumerate(line) if n == 0 or line[n - 1] != one]


LINES = st.lists(st.integers(0, 40), min_size=2, max_size=30).map(without_repeats)
LINES = LINES.filter(lambda line: len(line) > 1)


@settings(deadline=None, max_examples=examples(60))
@given(line=LINES, bits=st.integers(0, 2**41), recorded=st.sets(st.integers(0, 40), max_size=12))
def test_recorded_outcomes_say_between_which_deploys_to_look(line, bits, recorded):
    truth = {content: BAD if bits >> content & 1 else GOOD for content in range(41)}
    store = Store(Memory())
    made = deployed(store, line, truth)
    known = {content: truth[content] for content in line if content in recorded}
    for content in known:
        ran(store, made.oids[line.index(content)], STATES[truth[content]])
    expected = turn(line, known)
    steps = bisect(store, "etl")
    if expected is None:
        with pytest.raises(NotFound, match="no recorded run says"):
            list(steps)
        return
    trials = [next(steps), next(steps)]
    assert [(made.oids.index(trial.deploy), trial.verdict, trial.how) for trial in trials] == [
        (expected[0], GOOD, "recorded"),
        (expected[1], BAD, "recorded"),
    ]
    if expected[1] == expected[0] + 1:
        (end,) = steps
        assert [entry.oid for entry in end.suspects] == [made.oids[expected[1]]]
    steps.close()


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(100))
@given(line=LINES, first=st.integers(1, 29), recorded=st.booleans())
def test_a_judge_is_asked_as_often_as_halving_takes(line, first, recorded):
    line = list(dict.fromkeys(line))
    first = min(first, len(line) - 1)
    truth = {content: BAD if n >= first else GOOD for n, content in enumerate(line)}
    store = Store(Memory())
    made = deployed(store, line, truth)
    # What the runs ended with is nothing to a judge of one's own.
    for oid in made.oids:
        ran(store, oid, "success" if recorded else "failed")
    asked = []

    def judge(deploy: Oid, run: Run) -> str:
        asked.append(deploy)
        return truth[line[made.oids.index(deploy)]]

    end, runs = search(store, good=made.oids[0], bad="etl", question=Question(judge=judge))
    assert [entry.oid for entry in end.suspects] == [made.oids[first]]
    assert end.good == made.oids[first - 1]
    assert runs == []
    at_the_end = first == len(line) - 1
    assert len(asked) == len(set(asked)) <= math.ceil(math.log2(len(line) - 1)) + at_the_end


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(100))
@given(line=LINES, verdicts=st.lists(st.sampled_from([GOOD, BAD, SKIP]), min_size=41, max_size=41))
def test_whatever_a_judge_says_a_turn_is_found_or_only_skipped_ones_are_between(line, verdicts):
    truth = dict(enumerate(verdicts))
    assume(line[0] != line[-1])
    store = Store(Memory())
    made = deployed(store, line, truth)
    for oid in made.oids:
        ran(store, oid, "success")
    asked: dict[int, str] = {}

    def judge(deploy: Oid, run: Run) -> str:
        content = line[made.oids.index(deploy)]
        assert content not in asked
        return asked.setdefault(content, truth[content])

    try:
        end, _ = search(store, good=made.oids[0], bad="etl", question=Question(judge=judge))
    except NotFound:
        last = asked.pop(line[-1])
        assert last == GOOD or (last == SKIP and {*asked.values()} <= {GOOD})
        return
    good, *suspects = [made.oids.index(oid) for oid in (end.good, *(e.oid for e in end.suspects))]
    assert suspects == list(range(good + 1, suspects[-1] + 1))
    assert good == 0 or asked[line[good]] == GOOD
    last = asked[line[suspects[-1]]]
    assert last == BAD or (last == SKIP and suspects[-1] == len(line) - 1 and len(suspects) > 1)
    assert all(asked[line[n]] == SKIP for n in suspects[:-1])


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(40))
@given(line=LINES, bits=st.integers(0, 2**41), recorded=st.sets(st.integers(0, 40), max_size=8))
def test_what_is_missing_is_run_and_gives_the_newest_turn(line, bits, recorded):
    truth = {content: BAD if bits >> content & 1 else GOOD for content in range(41)}
    truth[line[0]], truth[line[-1]] = GOOD, BAD
    if line[0] == line[-1]:
        return
    with on_disk() as store:
        made = deployed(store, line, truth)
        known = {
            content: truth[content]
            for content in line
            if content in recorded or content in (line[0], line[-1])
        }
        for content in known:
            ran(store, made.oids[line.index(content)], STATES[truth[content]])
        good, bad = turn(line, known) or (0, 0)
        end, runs = search(store)
        (suspect,) = [made.oids.index(entry.oid) for entry in end.suspects]
        assert good < suspect <= bad
        assert (truth[line[suspect - 1]], truth[line[suspect]]) == (GOOD, BAD)
        assert len(runs) <= math.ceil(math.log2(bad - good))
        assert all(trial.verdict == truth[line[made.oids.index(trial.deploy)]] for trial in runs)
        # What it ran is recorded now. Where content comes back, that may show a newer turn.
        again, more = search(store)
        found = made.oids.index(again.suspects[0].oid)
        assert (found, more) == (suspect, []) or (found > suspect and len(set(line)) < len(line))


def test_ends_that_are_neighbours_run_nothing():
    store = Store(Memory())
    made = deployed(store, [0, 1, 2], dict.fromkeys(range(3), GOOD))
    ran(store, made.oids[2], "failed")
    end, runs = search(store, good="etl~1", bad="etl")
    assert runs == []
    assert (end.good, [entry.oid for entry in end.suspects]) == (made.oids[1], [made.oids[2]])
