"""Many processes at once: no deploy is lost, and no attempt of a run is started twice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ork.objects.kinds import Deploy
from ork.store import location
from tests.heads.test_races import deploy_at_once, deploys_of, looking
from tests.scale import size
from tests.torture.conftest import Score
from tests.torture.forker import Forker, Hurt
from tests.torture.scenarios import Box, newest_run

DEPLOYERS = 16
TIMES = size(500, by_day=25)
RACES = size(500, by_day=25)


@pytest.mark.parametrize("workflows", [1, 16])
def test_every_deploy_of_many_processes_is_in_one_chain(
    workflows: int, tmp_path: Path, score: Score
) -> None:
    location.create(tmp_path / ".ork")
    names = [f"etl{number % workflows}" for number in range(DEPLOYERS)]
    reported = deploy_at_once(tmp_path, "Lmdb", names, TIMES)
    found = 0
    with looking(tmp_path) as store:
        for workflow in set(names):
            chain = deploys_of(store, workflow)
            told = [
                oid
                for name, deploys in zip(names, reported, strict=True)
                for oid in deploys
                if name == workflow
            ]
            assert sorted(chain) == sorted(told)
            parents = [store.get(Deploy, oid).parents for oid in chain]
            assert parents == [(), *((oid,) for oid in chain[:-1])]
            found += len(chain)
    score(f"a deploy of {DEPLOYERS} processes, told and in its chain", DEPLOYERS * TIMES, found)


RACED = """\
    name: etl
    tasks:
      one: {executor: process, command: "echo one $ORK_ATTEMPT >> done; test -e fixed"}
      two: {executor: process, command: "echo two $ORK_ATTEMPT >> done"}
      three: {executor: process, command: "echo three $ORK_ATTEMPT >> done", depends_on: [one]}
"""


@pytest.mark.parametrize("ended", ["failed", "killed"])
def test_two_that_go_on_with_one_run_start_every_attempt_once(
    ended: str, forker: Forker, tmp_path: Path, score: Score
) -> None:
    template = Box(tmp_path / "template", forker)
    template.write("etl.yaml", RACED)
    template.ork("deploy", "etl.yaml")
    calls = template.ork("run", "etl.yaml", code=1).calls
    if ended == "killed":
        template.ork("run", "etl.yaml", code=-9, token=1, hurt=Hurt(len(calls) // 2))
    (template.project / "done").unlink()
    template.write("fixed", "")
    for _ in range(RACES):
        shutil.copytree(template.folder, tmp_path / "box")
        box = Box(tmp_path / "box", forker)
        begun = [forker.start(box.project, "retry", "etl", token=n) for n in range(2)]
        codes = sorted(forker.wait(one).code for one in begun)
        attempts = Counter((box.project / "done").read_text().splitlines())
        newest = newest_run(box.state())
        right = [
            codes in ([0, 2], [0, 5]),
            max(attempts.values()) == 1,
            newest[0] == "success",
        ]
        score("two that retry one run at once: each attempt started once", 1, all(right))
        assert all(right), (codes, attempts, newest)
        shutil.rmtree(box.folder)
