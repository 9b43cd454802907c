"""Several processes move heads and tags at once, and some are killed: nothing told of is lost."""

import json
import os
import random
import subprocess
import time
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import pytest

from ork.heads.deploy import deploy
from ork.heads.undo import at_operation
from ork.objects.kinds import Deploy
from ork.store import location
from ork.store.operations import operations
from ork.store.resolve import history, workflows
from ork.store.store import Store
from tests.forked import Forked
from tests.heads import deployers, movers
from tests.heads.conftest import version
from tests.scale import TRIES_MAX
from tests.started import Started
from tests.stores import NOON, assert_sound, contents, reachable, stamp

ROOT = Path(__file__).parents[2]
MOVERS = 4
MADE = b"note: made an empty store in .ork\n"
FOREVER = 1_000_000_000
pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path):
    """The folder of a project with an empty store."""
    location.create(tmp_path / ".ork")
    return tmp_path


@contextmanager
def looking(folder):
    """Open the store of a project, as the next process would."""
    store = Store(location.open_backend(folder / ".ork", environ={}), folder=folder / ".ork")
    yield store
    store.close()


def start(folder, kind, name, who, times):
    return Forked(lambda: deployers.main(folder, kind, name, who, times))


def let_go(children):
    """Let all begin at the same moment."""
    assert [child.hear() for child in children] == ["ready"] * len(children)
    for child in children:
        child.tell("go")


def deploy_at_once(folder, kind, names, times):
    """Run one deployer per name; return the deploys that they reported, per deployer."""
    children = [start(folder, kind, name, f"who{n}", times) for n, name in enumerate(names)]
    let_go(children)
    return [child.rest().split() for child in children]


def deploys_of(store, name):
    return [oid for oid, _ in history(store, name)][::-1]


def test_deployers_of_one_workflow_lose_nothing(folder):
    reported = deploy_at_once(folder, "Lmdb", ["etl"] * 4, 12)
    with looking(folder) as store:
        found = deploys_of(store, "etl")
        assert sorted(found) == sorted(chain.from_iterable(reported))
        assert len(set(found)) == 4 * 12
        for mine in reported:
            assert [oid for oid in found if oid in mine] == mine
        parents = [store.get(Deploy, oid).parents for oid in found]
        assert parents == [(), *((oid,) for oid in found[:-1])]
        # The log of operations tells the same, in the same order.
        moves = [move for _, operation in operations(store) for move in operation.moves][::-1]
        assert [new for _, _, new in moves] == found
        assert [old for _, old, _ in moves] == [None, *found[:-1]]
        assert reachable(store, *contents(store)[1].values()) >= set(found)


def test_deployers_of_different_workflows_lose_nothing(folder):
    names = ["a", "b", "c", "d"]
    reported = deploy_at_once(folder, "Lmdb", names, 12)
    with looking(folder) as store:
        assert workflows(store) == names
        for name, mine in zip(names, reported, strict=True):
            assert deploys_of(store, name) == mine
        moved = [move[2] for _, operation in operations(store) for move in operation.moves]
        assert sorted(moved) == sorted(chain.from_iterable(reported))


@pytest.mark.lmdb
@pytest.mark.turns(3)
def test_without_compare_and_set_the_same_deployers_lose_deploys(folder):
    reported = set()
    for _ in range(TRIES_MAX):
        reported |= set(chain(*deploy_at_once(folder, "Unchecked", ["etl"] * 4, 12)))
        with looking(folder) as store:
            if (found := set(deploys_of(store, "etl"))) != reported:
                break
    assert found < reported


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.turns(4)
def test_killed_deployers_leave_every_deploy_that_was_told_of(folder, seed):
    numbers = random.Random(seed)
    told = {"etl": [], "other": []}
    for round_ in range(3):
        names = ["etl", "etl", "other"]
        children = [
            start(folder, "Lmdb", name, f"who{round_}{n}", FOREVER) for n, name in enumerate(names)
        ]
        let_go(children)
        for name, child in zip(names, children, strict=True):
            told[name].append(child.hear())
        for name, child in numbers.sample(list(zip(names, children, strict=True)), len(names)):
            time.sleep(numbers.uniform(0, 0.15))
            child.kill()
            lines = child.rest().splitlines(keepends=True)
            told[name] += [line.strip() for line in lines if line.endswith("\n")]
        with looking(folder) as store:
            for name, deploys in told.items():
                found = deploys_of(store, name)
                assert set(deploys) <= set(found)
                # Each that was killed may have written one more, of which it could not tell.
                assert len(found) <= len(deploys) + len(children) * (round_ + 1)
            reachable(store, *contents(store)[1].values())
    (folder / "after.yaml").write_text("name: etl\ntasks: {a: {executor: process, command: ls}}\n")
    with looking(folder) as store:
        assert (
            deploy(store, folder / "after.yaml", stamp=stamp(), move=True).parent
            == deploys_of(store, "etl")[-2]
        )


def test_the_first_deploys_of_a_project_make_one_store(tmp_path):
    environ = {**os.environ, "HOME": str(tmp_path), "ORK_AUTHOR_NAME": "Ada"}
    environ.pop("ORK_DIR", None)
    children = []
    for number in range(4):
        text = f"name: etl{number % 2}\ntasks: {{a: {{executor: process, command: echo {number}}}}}"
        (tmp_path / f"{number}.yaml").write_text(text)
        children.append(
            Started(
                *("deploy", f"{number}.yaml", "--json", "--move"),
                cwd=tmp_path,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        )
    told, made = {"etl0": set(), "etl1": set()}, 0
    for child in children:
        out, err = child.communicate(timeout=120)
        assert (child.returncode, err.replace(MADE, b"")) == (0, b"")
        made += MADE in err
        (done,) = json.loads(out)["data"]
        told[done["workflow"]].add(done["deploy"])
    with looking(tmp_path) as store:
        assert {name: set(deploys_of(store, name)) for name in told} == told
    assert [path.name for path in tmp_path.glob(".ork*")] == [".ork"]
    assert made, "of those who make it at once several may say so"


def move_at_once(folder, kind, times, part=0):
    """Let several processes move the same refs; return who made which moves, as they told."""
    names = [f"who{part}{n}" for n in range(MOVERS)]
    with looking(folder) as store:
        for number in range(4):
            (folder / "etl.yaml").write_text(version(4 * part + number))
            deploy(store, folder / "etl.yaml", stamp=stamp(number))
    children = [Forked(lambda who=who: movers.main(folder, kind, who, times)) for who in names]
    let_go(children)
    return {
        (who, number)
        for who, child in zip(names, children, strict=True)
        for number in child.rest().split()
    }


def recorded(store):
    """Return who made which moves, by the log, without the deploys at its begin."""
    return [
        (one.argv[-2], one.argv[-1]) for _, one in operations(store) if one.author != stamp().author
    ]


def test_movers_of_the_same_refs_lose_nothing(folder):
    told = move_at_once(folder, "Lmdb", 25)
    with looking(folder) as store:
        found = recorded(store)
        assert len(found) == len(set(found)) > MOVERS
        assert set(found) == told
        assert_sound(store)
        first = at_operation(store, f"@{{{len(found) + 3}}}", now=NOON)
        assert list(first.refs("tags/")) == []


@pytest.mark.lmdb
@pytest.mark.turns(3)
def test_without_compare_and_set_the_same_movers_lose_moves(folder):
    told = set()
    for part in range(TRIES_MAX):
        told |= move_at_once(folder, "Unchecked", 25, part)
        with looking(folder) as store:
            if (found := set(recorded(store))) != told:
                break
    assert found < told
