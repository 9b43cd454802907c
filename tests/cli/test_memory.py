"""What is printed of a run may be larger than the memory that printing it takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import ork as library
from ork.objects.kinds import Blob, Deploy, Output
from ork.objects.value import replace
from tests.runs import outcome, write_run

TASKS, OUTPUT_BYTES = 40, 1 << 20
FILE = """\
name: wide
tasks:
  first: {executor: python, file: wide.py, function: first}
""" + "".join(
    f"  t{number}: {{executor: python, file: wide.py, inputs: {{n: {{const: {number}}}}}}}\n"
    for number in range(TASKS)
)
CODE = f"""\
def first():
    return 0

def main(n):
    return {{"text": str(n % 10) * {OUTPUT_BYTES}}}
"""
# A process begins with the size of the one that starts it, so a small one has to.
ASK = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a run whose outputs, together, have many MiB."""
    folder = tmp_path_factory.mktemp("wide")
    (folder / "wide.yaml").write_text(FILE)
    (folder / "wide.py").write_text(CODE)
    peak(folder, "run", "wide.yaml")
    return folder


def peak(folder: Path, *words: str) -> int:
    """Run a command to its end in a process of its own; return the most bytes that it had."""
    found = subprocess.run(
        [sys.executable, "-S", "-c", ASK, sys.executable, "-m", "ork", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        text=True,
    )
    return int(found.stdout) * (1 if sys.platform == "darwin" else 1024)


SMALL = {"report": ("report", "wide", "-o", "page.html")}


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ("show", "wide#1"),
        ("show", "wide#1", "--json"),
        ("outputs", "wide#1"),
        ("report", "wide#1", "-o", "page.html"),
    ],
    ids=" ".join,
)
@pytest.mark.turns(4)
def test_one_output_is_in_memory_at_a_time(project, words):
    least = peak(project, *SMALL.get(words[0], (words[0], "wide#1:first")))
    assert peak(project, *words) - least < TASKS * OUTPUT_BYTES // 2


def with_large_outputs(folder: Path, kind: str, runs: int = TASKS) -> library.Project:
    """Return a store with so many runs, each of which has an output of its own."""
    folder.mkdir(exist_ok=True)
    flow = "name: w\ntasks:\n  t: {executor: process, command: echo}\n"
    (folder / "w.yaml").write_text(flow)
    project = library.open(folder, create=True, store=kind)
    project.deploy(folder / "w.yaml")
    store = project.store
    head = store.ref("workflows/w")
    task = store.snapshot(store.get(Deploy, head).snapshot).tasks["t"]
    for _ in range(runs):
        with store.transaction() as tx:
            big = tx.add(Blob(os.urandom(OUTPUT_BYTES)))
        write_run(store, head, {"t": replace(outcome(task), output=Output(oid=big))})
    return project


@pytest.mark.slow
@pytest.mark.turns(3)
def test_a_bundle_is_checked_object_by_object(tmp_path):
    project = with_large_outputs(tmp_path, "lmdb:")
    (tmp_path / "elsewhere").mkdir()
    project.create_bundle(tmp_path / "elsewhere/w.bundle", runs=None)
    project.create_bundle(tmp_path / "elsewhere/small.bundle", runs=1)
    project.close()
    least = peak(tmp_path / "elsewhere", "bundle", "verify", "small.bundle")
    most = peak(tmp_path / "elsewhere", "bundle", "verify", "w.bundle")
    assert most - least < TASKS * OUTPUT_BYTES // 4


@pytest.mark.slow
@pytest.mark.turns(3)
def test_a_clone_holds_a_part_at_a_time(tmp_path):
    # In SQLite, which maps nothing: mapped pages of both stores would count as well.
    with_large_outputs(tmp_path / "small", "sqlite:", 1).close()
    with_large_outputs(tmp_path / "large", "sqlite:").close()
    least = peak(tmp_path, "clone", "small", "one", "--store", "sqlite:")
    most = peak(tmp_path, "clone", "large", "two", "--store", "sqlite:")
    assert most - least < TASKS * OUTPUT_BYTES * 3 // 4
