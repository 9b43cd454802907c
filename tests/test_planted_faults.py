"""The table of planted faults is up to date: each can be planted, and the tests of each are there.

Whether those tests see the faults, `make torture` tells.
"""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.torture.faults import FAULTS, ROOT


@pytest.mark.parametrize("file", sorted({fault.file for fault in FAULTS}))
def test_the_faults_of_a_file_can_be_planted_and_have_their_tests(file: str) -> None:
    source = (ROOT / file).read_text()
    whole = ast.dump(ast.parse(source))
    for fault in FAULTS:
        if fault.file == file:
            assert ast.dump(ast.parse(fault.planted(source))) != whole, fault.name
            assert fault.tests, fault.name
            for test in fault.tests:
                assert is_there(test), (fault.name, test)


def is_there(test: str) -> bool:
    """Say whether a test is written in the file that is named, or in the suite beside it."""
    file, _, name = test.partition("::")
    folder = (ROOT / "tests" / file).parent
    files = (ROOT / "tests" / file, folder / "suite.py")
    text = "".join(path.read_text() for path in files if path.exists())
    function = name.rpartition("::")[2].partition("[")[0]
    return f"def {function}(" in text


def test_there_are_thirty_with_names_of_their_own() -> None:
    assert len(FAULTS) >= 30
    assert max(Counter(str(fault) for fault in FAULTS).values()) == 1
