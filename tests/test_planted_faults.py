"""The table of planted faults is up to date: each can be planted, and the tests of each are there.

Whether those tests see the faults, `make torture` tells.
"""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest

from tests.torture.faults import FAULTS, ROOT, Fault


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_can_be_planted_and_has_its_tests(fault: Fault) -> None:
    source = (ROOT / fault.file).read_text()
    planted = fault.planted(source)
    assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(source))
    assert fault.tests
    for test in fault.tests:
        file, _, name = test.partition("::")
        folder = (ROOT / "tests" / file).parent
        texts = [
            path.read_text()
            for path in (ROOT / "tests" / file, folder / "suite.py")
            if path.exists()
        ]
        words = rf"def {re.escape(name.rpartition('::')[2].partition('[')[0])}\("
        assert re.search(words, "".join(texts)), test


def test_there_are_thirty_with_names_of_their_own() -> None:
    assert len(FAULTS) >= 30
    assert max(Counter(str(fault) for fault in FAULTS).values()) == 1
