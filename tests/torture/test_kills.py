"""Commands two at a time in one project, killed at random moments: nothing told is lost."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scale import size
from tests.torture.conftest import Score
from tests.torture.forker import Done, Forker, Running, names_below
from tests.torture.scenarios import Box, State, told_successes, written

ROUNDS = size(400, by_day=40)
BUNDLES = 4
ENDS = (0, 5)  # done, or somebody else was faster


class Told:
    """What commands have told, which must be there from then on."""

    def __init__(self) -> None:
        self.deploys: set[str] = set()
        self.heads: set[str] = set()  # workflows and tags
        self.tasks: set[tuple[str, str]] = set()  # run, task that succeeded

    def missing(self, state: State) -> list[object]:
        store = state["stores"]["project"]
        tasks = {
            (name.partition("/")[2], task)
            for name, (_, states) in store["runs"].items()
            for task, one in states.items()
            if one == "success"
        }
        lost = [self.deploys - {*store["deploys"]}, self.heads - {*store["heads"]}]
        return [*lost[0], *lost[1], *(self.tasks - tasks)]


class Commands:
    """Things to do in a project, and what is told when they are done."""

    def __init__(self, box: Box, forker: Forker, numbers: random.Random, told: Told) -> None:
        self.box, self.forker, self.numbers, self.told = box, forker, numbers, told
        self.count = 0

    def start(self) -> tuple[str, str, Running]:
        """Start one of them; return which, on what, and the process."""
        self.count += 1
        act = self.numbers.choice(("deploy", "run", "gc", "import", "tag"))
        name = f"n{self.count}"
        if act in ("deploy", "run"):
            box_file = f"{self.count % 2}.yaml"
            written(self.box, self.count, file=box_file)
            argv = [act, box_file, "--move", "--json"]
        elif act == "gc":
            argv = ["gc", "--prune", "--undo-days", "0", "--force", "--json"]
        elif act == "import":
            argv = ["import", "bundle", f"../{self.count % BUNDLES}.bundle", "--force", "--json"]
        else:
            argv = ["tag", f"etl@{name}", "etl", "--json"]
        running = self.forker.start(self.box.project, *argv, token=self.count)
        return act, name, running

    def note(self, act: str, name: str, done: Done) -> None:
        """Note what a command has told before its end."""
        out = done.told()
        if act == "run":
            lines = [json.loads(line) for line in out.splitlines()]
            for line in lines[:1]:
                self.told.tasks |= {(line["run"]["id"], task) for task in told_successes(out)}
        elif data := whole(out):
            if act == "deploy":
                self.told.deploys |= {one["deploy"] for one in data}
            elif act == "tag":
                self.told.heads.add(f"etl/{name}")
            elif act == "import":
                refs = (ref.split("/", 1) for ref, _, _ in data["moves"])
                self.told.heads |= {name for space, name in refs if space in ("workflows", "tags")}


def whole(out: str) -> Any:
    """Return what a JSON document says; nothing when its end was not told."""
    try:
        return json.loads(out)["data"]
    except ValueError:
        return None


@pytest.fixture
def box(forker: Forker, tmp_path: Path) -> Box:
    """A project, and bundles of other workflows beside it."""
    made = Box(tmp_path / "box", forker)
    (made.folder / "other").mkdir()
    for number in range(BUNDLES):
        written(made, number, at="other", name=f"other{number}")
        made.ork("deploy", "etl.yaml", "--new", at="other")
        made.ork("run", "etl.yaml", token=number, at="other")
        name = f"other{number}"
        made.ork("bundle", "create", f"../{number}.bundle", name, "--runs", "all", at="other")
    written(made)
    made.ork("deploy", "etl.yaml")
    return made


def ended(running: Running, forker: Forker, at: float) -> Done:
    """Kill a command at a moment, unless it has ended before; return what it has told."""
    time.sleep(max(0, at - time.monotonic()))
    os.kill(running.pid, signal.SIGKILL)  # a process that has ended is there until it is waited for
    return forker.wait(running)


@pytest.mark.parametrize("seed", range(2))
def test_commands_that_are_killed_at_random_lose_nothing(
    box: Box, forker: Forker, seed: int, score: Score
) -> None:
    numbers = random.Random(seed)
    told = Told()
    commands = Commands(box, forker, numbers, told)
    for round_ in range(ROUNDS):
        begun = [commands.start() for _ in range(2)]
        now = time.monotonic()
        moments = [now + numbers.expovariate(1 / 0.05) for _ in begun]
        killed = 0
        for (act, name, running), moment in sorted(
            zip(begun, moments, strict=True), key=lambda pair: pair[1]
        ):
            done = ended(running, forker, moment)
            commands.note(act, name, done)
            killed += done.code == -signal.SIGKILL
            assert done.code in (-signal.SIGKILL, *ENDS), f"{act}: {done}"
            assert "Traceback" not in done.err
        state = box.state()
        errors = state["stores"]["project"]["errors"]
        missing = told.missing(state) if not errors else []
        score(
            "a kill at random, two commands at a time", killed, killed * (not (errors or missing))
        )
        assert (errors, missing) == ([], []), f"round {round_}: {[act for act, _, _ in begun]}"
        written(box, 1000 + round_)
        box.ork("deploy", "etl.yaml", "--move", token=1000 + round_)
    for number in range(BUNDLES):
        box.ork("import", "bundle", f"../{number}.bundle", "--force")
    box.ork("run", "etl.yaml", token=0xFFFF)
    left = names_below(box.folder)
    assert not [name for name in left if ".part" in name or ".tmp-" in name or "/work/" in name]
    assert sorted(path.name for path in (box.project / ".ork" / "locks").iterdir()) == []
