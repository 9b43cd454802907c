"""Faults planted into a copy of ork, one at a time: the tests of each must fail because of it.

The copy has an interpreter of its own (see `interpreter`), so that whatever a test starts imports
the copy as well. A test that fails since the copy cannot be imported, or that takes too long, has
seen nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

from tests.scale import sampled
from tests.torture.conftest import Score
from tests.torture.faults import FAULTS, ROOT, Fault

SECONDS_MAX = 250  # for one of the named tests
TRIED = sampled(FAULTS, one_in=15)
# What says that the fault is no fault but nonsense, or that nothing was said in time.
NO_ANSWER = re.compile(
    r"collection failure|Timeout \(>|\b(Import|ModuleNotFound|Syntax|Indentation|Name)Error\b"
)


def interpreter(copy: Path) -> Path:
    """Make a Python that imports `ork` and `tests` from the copy, and all else as we do."""
    made = copy / ".venv"
    venv.create(made, symlinks=True)
    (site,) = made.glob("lib/python*/site-packages")
    ours = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    # Lines of ours that point elsewhere, as of an editable installation, are not read.
    (site / "copy.pth").write_text("\n".join([str(copy), *ours]) + "\n")
    return made / "bin" / "python"


class Ran(NamedTuple):
    """What became of tests, by what a report calls them, without their parameters."""

    failed: dict[str, list[str]]  # and how
    skipped: set[str]  # which need what this machine does not have


def run(folder: Path, tests: Sequence[str], fault: Fault | None = None) -> Ran:
    """Run tests in a copy of ork, perhaps with a fault in it."""
    copy, report = folder / "copy", folder / "report.xml"
    for name in ("ork", "tests"):
        shutil.copytree(ROOT / name, copy / name)
    shutil.copy2(ROOT / "pyproject.toml", copy)
    words = [str(interpreter(copy)), "-m", "pytest", "--quiet", "-p", "no:cacheprovider"]
    words += ["-o", "junit_family=xunit1"]  # which holds what counts for the scorecard
    words += [f"--basetemp={folder / 'temporary'}", f"--junitxml={report}"]
    if fault is not None:
        file = copy / fault.file
        file.write_text(fault.planted(file.read_text()))
        words.append(f"--timeout={SECONDS_MAX}")
    steered = ("ORK_", "PYTEST_", "PYTHON")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(steered)}
    done = subprocess.run(
        [*words, *(f"tests/{test}" for test in tests)],
        cwd=copy,
        env={**kept, "ORK_DAY": "0"},  # each fault meets the same cases, whenever it has its turn
        capture_output=True,
        text=True,
    )
    if done.returncode < 0:  # damage that was believed may kill whoever reads
        how = f"killed by {signal.Signals(-done.returncode).name}"
        return Ran({called(test): [how] for test in tests}, set())
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    ran = Ran({}, set())
    for case in ElementTree.parse(report).iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}".partition("[")[0]
        for problem in case:
            if problem.tag == "skipped":
                ran.skipped.add(name)
            elif problem.tag in ("failure", "error"):
                ran.failed.setdefault(name, []).append(problem.get("message", ""))
    return ran


def called(test: str) -> str:
    """Return a test of the table as a report calls it, without its parameters."""
    return re.sub(r"/|\.py::|::", ".", f"tests/{test}".partition("[")[0])


def missed(fault: Fault, ran: Ran) -> list[str]:
    """Return the tests of a fault that have not failed because of what ork did."""
    seen = {test for test, ways in ran.failed.items() if not all(map(NO_ANSWER.search, ways))}
    return [test for test in fault.tests if called(test) not in seen]


@pytest.mark.parametrize("fault", TRIED, ids=str)
def test_a_planted_fault_is_caught(fault: Fault, tmp_path: Path, score: Score) -> None:
    ran = run(tmp_path, fault.tests, fault)
    left = missed(fault, ran)
    if left and ran.skipped.issuperset(map(called, left)):
        pytest.skip(f"the fault {fault.name!r}: {', '.join(left)} cannot run here")
    score("planted faults", 1, not left)
    assert left == [], ran.failed


def test_without_a_fault_the_same_tests_pass(tmp_path: Path) -> None:
    tests = sorted({test for fault in TRIED for test in fault.tests})
    assert run(tmp_path, tests).failed == {}


# What the harness calls caught is a fault that a test has seen.

HARMLESS = replace(FAULTS[0], instead=f"{FAULTS[0].text}  # as it was")


def test_a_fault_that_is_none_is_not_caught(tmp_path: Path) -> None:
    assert run(tmp_path, HARMLESS.tests, HARMLESS).failed == {}


def test_a_name_that_is_not_there_is_not_caught(tmp_path: Path) -> None:
    broken = replace(HARMLESS, instead=HARMLESS.text.replace("oid", "oid_"))
    ran = run(tmp_path, broken.tests, broken)
    assert ran.failed and missed(broken, ran)


def test_a_copy_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    broken = replace(HARMLESS, instead="import nowhere\n" + HARMLESS.text)
    with pytest.raises(AssertionError):
        run(tmp_path, broken.tests, broken)
