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
from xml.etree import ElementTree

import pytest

from tests.scale import sampled
from tests.torture.conftest import Score
from tests.torture.faults import FAULTS, ROOT, Fault

SECONDS_MAX = 120  # for one of the named tests
TRIED = sampled(FAULTS, one_in=7)
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


def failed_tests(folder: Path, tests: Sequence[str], fault: Fault | None = None) -> dict[str, str]:
    """Run tests in a copy of ork, perhaps with a fault; return those that failed, and how."""
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
    done = subprocess.run(
        [*words, *(f"tests/{test}" for test in tests)],
        cwd=copy,
        env={name: text for name, text in os.environ.items() if not name.startswith(steered)},
        capture_output=True,
        text=True,
    )
    if done.returncode < 0:  # damage that was believed may kill whoever reads
        how = f"killed by {signal.Signals(-done.returncode).name}"
        return dict.fromkeys(map(called, tests), how)
    assert done.returncode in (0, 1), done.stdout[-2000:] + done.stderr[-2000:]
    return {
        f"{case.get('classname')}.{case.get('name')}": problem.get("message", "")
        for case in ElementTree.parse(report).iter("testcase")
        for problem in case
        if problem.tag in ("failure", "error")
    }


def called(test: str) -> str:
    """Return a test of the table as a report calls it."""
    return re.sub(r"/|\.py::|::", ".", f"tests/{test}")


def seen(fault: Fault, failed: dict[str, str]) -> list[str]:
    """Return which of its tests a fault has let fail, by what ork did."""
    found = {test.partition("[")[0] for test, how in failed.items() if not NO_ANSWER.search(how)}
    return [test for test in fault.tests if called(test).partition("[")[0] in found]


@pytest.mark.parametrize("fault", TRIED, ids=str)
def test_a_planted_fault_is_caught(fault: Fault, tmp_path: Path, score: Score) -> None:
    failed = failed_tests(tmp_path, fault.tests, fault)
    is_caught = seen(fault, failed) == [*fault.tests]
    score("planted faults", 1, is_caught)
    assert is_caught, failed


def test_without_a_fault_the_same_tests_pass(tmp_path: Path) -> None:
    tests = sorted({test for fault in TRIED for test in fault.tests})
    assert failed_tests(tmp_path, tests) == {}


# What the harness calls caught is a fault that a test has seen.

HARMLESS = replace(FAULTS[0], instead=f"{FAULTS[0].text}  # as it was")


def test_a_fault_that_is_none_is_not_caught(tmp_path: Path) -> None:
    assert failed_tests(tmp_path, HARMLESS.tests, HARMLESS) == {}


def test_a_name_that_is_not_there_is_not_caught(tmp_path: Path) -> None:
    broken = replace(HARMLESS, instead=HARMLESS.text.replace("oid", "oid_"))
    failed = failed_tests(tmp_path, broken.tests, broken)
    assert failed and not seen(broken, failed)


def test_a_copy_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    broken = replace(HARMLESS, instead="import nowhere\n" + HARMLESS.text)
    with pytest.raises(AssertionError):
        failed_tests(tmp_path, broken.tests, broken)
