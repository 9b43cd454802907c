"""Whose the files of a store are, and what is said of those that cannot be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ORK = [sys.executable, "-P", "-m", "ork"]
SOMEBODY = 65534
FLOW = "name: etl\ntasks: {a: {executor: process, command: 'echo hi'}}\n"
WITH_CODE = FLOW.replace("echo hi", "sh a.sh")
# Root may read everything, unless it gives that up.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
BOUND = BOUND if os.geteuid() == 0 else []


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files for others")
@pytest.mark.parametrize("store", [[], ["--store", "files:data"], ["--store", "sqlite:data"]])
def test_what_sudo_adds_to_a_store_belongs_to_its_owner(ork, store):
    folder = Path.cwd()
    (folder / "etl.yaml").write_text(WITH_CODE)
    (folder / "a.sh").write_text("true\n")
    environ = {**ork.environ, "SUDO_UID": str(SOMEBODY), "SUDO_GID": str(SOMEBODY)}
    assert ork("init", *store).code == 0
    assert ork("deploy", "etl.yaml").code == 0
    for path in (folder, *folder.rglob("*")):
        os.chown(path, SOMEBODY, SOMEBODY)
    (folder / "etl.yaml").unlink()
    for line in (
        *("restore etl", "run etl", "run --checkout etl", "tag etl@v1", "remote add there ../team"),
        *("gc --prune --repack --keep-runs 1", "forget etl:a.sh --yes --reason x"),
    ):
        words = line.split()
        subprocess.run([*ORK, *words], env=environ, check=True, capture_output=True)
    others = [path for path in folder.rglob("*") if path.stat().st_uid != SOMEBODY]
    assert [*map(str, others)] == []
    assert Path(".ork/work").exists()


@pytest.mark.slow
@pytest.mark.skipif(bool(BOUND) and not shutil.which("setpriv"), reason="root may do anything")
@pytest.mark.parametrize("which", ["", "1.log"])
def test_logs_that_cannot_be_read_are_not_gone(ork, which):
    (Path.cwd() / "etl.yaml").write_text(FLOW)
    assert ork("run", "etl.yaml").code == 0
    (run,) = Path(".ork/logs/etl").iterdir()
    (run / which).chmod(0)
    try:
        for words in (["logs", "etl#1"], ["backup", "../copy"], ["clone", ".", "../other"]):
            command = [*BOUND, *ORK, *words]
            done = subprocess.run(command, env=ork.environ, capture_output=True, text=True)
            assert done.returncode == 4
            assert f"logs/etl/{run.name}" in done.stderr
            assert "cannot be read: Permission denied" in done.stderr
    finally:
        (run / which).chmod(0o700)
    assert not Path("../copy").exists()
    assert not Path("../other").exists()
