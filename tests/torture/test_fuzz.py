"""Coverage-guided fuzzing of all that ork reads and did not write itself (see `fuzz`)."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest

from ork.store import location
from ork.sync.select import Wish, create
from tests.cli.conftest import history, ran
from tests.conftest import ETL, START, Ork
from tests.scale import size
from tests.torture.conftest import Score

__all__ = ["history", "ran"]

ROOT = Path(__file__).parents[2]
SECONDS = size(20 * 60, by_day=6)
OPTIONS = ("-timeout=60", "-rss_limit_mb=512", "-verbosity=1", "-print_final_stats=1")
HASH_BYTES = 32
REVISIONS = [
    "etl",
    "etl~1",
    "etl~",
    "etl^",
    "@",
    "@~2",
    "etl@v1.4",
    "etl@{2}",
    "etl@{yesterday}",
    "etl@{2026-11-01}",
    "@{2026-11-01T12:00:00Z}",
    "etl#57",
    "etl#-1",
    "etl#57:load",
    "etl~2:tasks/etl.py",
    "etl~1..etl",
    "etl#56..#57",
    "file:etl.yaml",
    "run:20261101T120000",
    "e3b0c44298fc",
    "2.days.ago",
    "3.weeks.ago",
    "monday",
    "last.friday",
    "2026-11-01",
    "12:30",
    ":load",
    "etl:",
    "#7",
    "~1",
]


def seeds(target: str, folder: Path, ork: Ork) -> None:
    """Fill a folder with inputs that are right, to begin with."""
    found: list[bytes] = []
    if target == "workflow":
        cases = json.loads((ROOT / "tests/yaml/suite/cases.json").read_text())
        found = [case["yaml"].encode() for case in cases.values()]
        found += [path.read_bytes() for path in ROOT.glob("examples/**/*.yaml")]
        found.append(ETL.encode())
    elif target == "words":
        found = [text.encode() for text in REVISIONS]
    else:
        with closing(location.open_store(ork.folder / ".ork", environ={})) as store:
            if target == "object":
                found = [store.raw(oid) for oid in store.backend.oids()]
            for number, wish in enumerate([Wish(all=True), Wish(all=True, runs=None)]):
                create(store, wish, folder / f"bundle{number}", now=START)
                whole = (folder / f"bundle{number}").read_bytes()
                (folder / f"bundle{number}").unlink()
                found += [whole[:-HASH_BYTES]] if target == "bundle" else []
    for number, data in enumerate(found):
        (folder / str(number)).write_bytes(data)


def fuzzed(target: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Fuzz a target in a process of its own; what it finds it writes into the folder."""
    words = [sys.executable, "-m", "tests.torture.fuzz", target, *options, *OPTIONS]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        words, cwd=folder, env=environ, capture_output=True, text=True, errors="replace"
    )


@pytest.mark.parametrize("target", ["workflow", "object", "words", "bundle"])
def test_nothing_that_is_read_brings_another_error_than_orks(
    target: str,
    ran: Ork,
    tmp_path: Path,
    score: Score,
) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("NOTHING IS FUZZED: atheris is missing; it has wheels for CPython on Linux")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    seeds(target, corpus, ran)
    done = fuzzed(target, tmp_path, f"-max_total_time={SECONDS}", f"-seed={len(target)}", "corpus")
    found = [path for path in tmp_path.iterdir() if re.match("crash|timeout|oom|leak", path.name)]
    # What is slow on a busy machine alone is not slow when it is read again.
    bad = [path.read_bytes() for path in found if fuzzed(target, tmp_path, path.name).returncode]
    runs = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    count = int(runs[1]) if runs else 0
    score(f"inputs made up for a reader by its coverage: {target}", count, count - len(bad))
    assert bad == [], done.stderr[-4000:]
    assert count > 100, done.stderr[-4000:]


def test_what_is_missing_is_in_the_group_that_setup_tries_to_install() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    assert any(one.startswith("atheris") for one in groups["fuzz"])
