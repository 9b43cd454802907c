"""Each command, killed or failed by the disk at each call by which it changes data.

Afterwards the store is whole, what was told is there, and the same command typed again does it all
and leaves nothing behind that a command that was left in peace would not.
"""

from __future__ import annotations

import errno
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.scale import DAY, LONG, sampled
from tests.torture.conftest import Score
from tests.torture.forker import Forker, Hurt, names_below
from tests.torture.scenarios import SCENARIOS, Box, Scenario, State, newest_run, told_successes

BY_DAY = 3  # calls of each command that are hurt in each of the ways
WAYS = {
    "killed": Hurt(0),
    "killed in a write": Hurt(0, half=True),
    "EIO once": Hurt(0, errno.EIO),
    "ENOSPC once": Hurt(0, errno.ENOSPC),
    "EIO from then on": Hurt(0, errno.EIO, on=True),
    "ENOSPC from then on": Hurt(0, errno.ENOSPC, on=True),
    "ENOSPC from the middle of a write on": Hurt(0, errno.ENOSPC, on=True, half=True),
}
# What once went wrong is tried by day as well.
ALWAYS = ("ftruncate64 /project/.ork/db/lock.mdb", "fsync /project/.ork/db")
NOT_REACHED = "not reached"
OTHERS = ("sqlite:", "files:")  # kinds of stores beside that of LMDB


class Peace(NamedTuple):
    """What a command does that nobody hurts."""

    calls: list[str]
    before: State
    once: State
    twice: State
    later: State  # once, a moment later: when it is typed the second time
    codes: tuple[int, int]
    names: set[str]


def in_peace(scenario: Scenario, copied: Callable[[], Box]) -> Peace:
    box = copied()
    before = box.state()
    names, states, codes, calls = set(), [], [], []
    for token in (1, 2):
        done = scenario.type(box, token=token)
        calls.append(done.calls)
        codes.append(done.code)
        states.append(box.state())
        names |= names_below(box.folder)
        assert "Traceback" not in done.err
        assert codes[0] == 0, done
        assert errors(states[-1]) == []
    box = copied()
    scenario.type(box, token=2)
    return Peace(calls[0], before, *states, box.state(), (codes[0], codes[1]), names)


def errors(state: State) -> list[str]:
    return [error for store in state["stores"].values() for error in store["errors"]]


def same(scenario: Scenario, one: State, other: State) -> bool:
    """Say whether two states are one, but for what varies."""
    return plain(scenario, one) == plain(scenario, other)


def plain(scenario: Scenario, state: State) -> State:
    def of_store(store: State) -> State:
        return {key: value for key, value in store.items() if key not in scenario.varies}

    return {**state, "stores": {name: of_store(one) for name, one in state["stores"].items()}}


def files_of(box: Box) -> list[Path]:
    return [path for path in (box.project / ".ork").rglob("*") if path.is_file()]


def wrong(scenario: Scenario, peace: Peace, box: Box, hurt: Hurt) -> tuple[str, list[str]]:
    """Hurt the command and type it again; return the call, and all that is not as it must be."""
    first = scenario.type(box, token=1, hurt=hurt)
    call = first.calls[hurt.at - 1] if len(first.calls) >= hurt.at else NOT_REACHED
    between = box.state()
    found = []

    def check(right: object, what: str) -> None:
        if not right:
            found.append(what)

    check("Traceback" not in first.err, f"a traceback: {first.err}")
    if hurt.error:
        check(first.code in (0, 4), f"exit code {first.code}: {first.out}{first.err}")
    elif call != NOT_REACHED:
        check(first.code == -9, f"not killed but {first.code}")
    if first.code == 4:
        check("error: " in first.err or "ork.error" in first.err, f"no words: {first.err}")
    if not scenario.damaged or first.code == 0:
        check(not errors(between), f"damage: {errors(between)}")
    done = same(scenario, between, peace.once)
    if scenario.whole:
        check(done or same(scenario, between, peace.before), f"half done: {between}")
        untrue = "nothing was written" if done else "the change was written, but"
        check(untrue not in first.err, f"not true: {first.err}")
    if scenario.runs:
        told, (state, tasks) = told_successes(first.told()), newest_run(between)
        check(all(tasks.get(task) == "success" for task in told), f"lost: {told} but {tasks}")
        done = done and state == "success"
        check(first.code != 0 or done, f"exit 0, but {state}")
    else:
        check(done or not (first.told() or first.code == 0), f"told, but not done: {between}")

    second = scenario.type(box, token=2)
    after = box.state()
    again = f"{second.out}{second.err}"
    check(second.code in ((peace.codes[1],) if done else peace.codes), f"{second.code}: {again}")
    check("Traceback" not in second.err, f"a traceback: {second.err}")
    check(not errors(after), f"damage at last: {errors(after)}")
    expected = [peace.twice] if done else [peace.later, peace.once, peace.twice]
    check(any(same(scenario, after, one) for one in expected), f"not done at last: {after}")
    if scenario.runs:
        check(newest_run(after)[0] == "success", f"no run at last: {newest_run(after)}")
    if scenario.gone:
        has = [path.name for path in files_of(box) if scenario.gone.encode() in path.read_bytes()]
        check(not has, f"it is still in {has}")
    left = names_below(box.folder) - peace.names
    if left and scenario.runs:  # a retry may be refused: the next run removes what runs have left
        box.ork("run", "etl", token=3)
        left &= names_below(box.folder)
    check(not left, f"left behind: {sorted(left)}")
    return call, found


def points(name: str, calls: list[str]) -> Iterator[Hurt]:
    """Yield the places: all of them, or by day a sample, another one each day."""
    for way, hurt in WAYS.items():
        numbers = random.Random(f"{name} {way} {DAY}")
        every = [at for at, call in enumerate(calls, 1) if not hurt.half or is_write(call)]
        chosen = every if LONG else sorted(numbers.sample(every, min(BY_DAY, len(every))))
        if way == "EIO once":
            chosen += [at for at in every if calls[at - 1] in ALWAYS and at not in chosen]
        for at in chosen:
            yield hurt._replace(at=at)


def is_write(call: str) -> bool:
    return call.startswith(("write ", "pwrite ", "pwrite64 "))


CASES = [(name, "") for name in SCENARIOS]
CASES += sampled([(name, kind) for name in SCENARIOS for kind in OTHERS], one_in=5)


@pytest.mark.turns(2)
@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda text: text.rstrip(":") or "lmdb")
def test_a_command_that_is_hurt_at_any_call_can_be_typed_again(
    name: str, kind: str, forker: Forker, tmp_path: Path, score: Score
) -> None:
    scenario = SCENARIOS[name]
    template = Box(tmp_path / "template", forker, kind)
    if kind and name != "init":  # else the first deploy makes a store of LMDB
        template.ork("init")
    scenario.prepare(template)

    def copied() -> Box:
        shutil.rmtree(tmp_path / "box", ignore_errors=True)
        shutil.copytree(template.folder, tmp_path / "box", symlinks=True)
        return Box(tmp_path / "box", forker, kind)

    peace = in_peace(scenario, copied)
    complaints = []
    for hurt in points(name, peace.calls):
        call, found = wrong(scenario, peace, copied(), hurt)
        complaints += [f"{hurt}, {call}: {one}" for one in found]
        tried = call != NOT_REACHED or found != []  # a run does not make the same calls each time
        row = "an I/O error" if hurt.error else "a kill"
        row += f" at a call that changes data, then the same again{f' ({kind})' if kind else ''}"
        score(row, tried, tried and not found)
    if complaints:
        pytest.fail("\n".join(complaints), pytrace=False)
