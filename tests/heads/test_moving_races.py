"""Several processes roll back, tag and undo at once: each move is appended whole, or not at all."""

import subprocess
import sys

import pytest

from ork.heads.deploy import deploy
from ork.heads.undo import at_operation
from ork.store.operations import operations
from ork.store.store import RECORDED
from tests.heads.test_moving import version
from tests.heads.test_races import ROOT, folder, let_go, looking, rest
from tests.stores import NOON, contents, reachable, stamp

__all__ = ["folder"]  # the fixture
pytestmark = pytest.mark.slow
MOVERS = 4


def move_at_once(folder, kind, times):
    """Let several processes move the same refs; return who made which moves, as they told."""
    with looking(folder) as store:
        for number in range(4):
            (folder / "etl.yaml").write_text(version(number))
            deploy(store, folder / "etl.yaml", stamp=stamp(number))
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.heads.movers", folder, kind, f"who{n}", str(times)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(MOVERS)
    ]
    let_go(children)
    told = {
        (f"who{n}", number) for n, child in enumerate(children) for number in rest(child).split()
    }
    assert [child.returncode for child in children] == [0] * MOVERS
    return told


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
        # From its begin the log moves no ref from where it was not, and it leads to the present.
        refs = {}
        for _, operation in list(operations(store))[::-1]:
            for ref, old, new in operation.moves:
                assert refs.pop(ref, None) == old
                if new is not None:
                    refs[ref] = new
        now = {name: oid for name, oid in contents(store)[1].items() if name.startswith(RECORDED)}
        assert refs == now
        first = at_operation(store, f"@{{{len(found) + 3}}}", now=NOON)
        assert list(first.refs("tags/")) == []
        reachable(store, *contents(store)[1].values())


def test_without_compare_and_set_the_same_movers_lose_moves(folder):
    told = move_at_once(folder, "Unchecked", 25)
    with looking(folder) as store:
        assert set(recorded(store)) < told
