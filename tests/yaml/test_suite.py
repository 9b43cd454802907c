"""All cases of yaml-test-suite: what ork reads has the suite's value, and what it refuses stays so.

`suite/cases.json` holds the cases of the branch `data` of yaml/yaml-test-suite at commit
6ad3d2c62885d82fc349026c136ef560838fdf3d, under the licence beside it. Of each case: the text,
whether the suite calls it valid, the value it gives, and ork's verdict as it was frozen. ork
refuses tags, several documents, directives and keys that are no texts; a few invalid texts are
read, because ruamel.yaml reads them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ork.errors import InvalidInput
from ork.yaml import nodes, reader
from ork.yaml.problems import Problems

CASES = json.loads((Path(__file__).parent / "suite" / "cases.json").read_text())


def verdict(text: str) -> tuple[str, object]:
    """Return "read" and the value of a text, or "refused" and where that is complained of."""
    problems = Problems("case.yaml", text)
    try:
        text = reader.decode(text.encode(), problems)
        reader.check_characters(text, problems)
        root = nodes.read(text, problems)
        problems.check()
    except InvalidInput as error:
        return "refused", [(problem.line, problem.column) for problem in error.problems]
    return "read", nodes.plain(root)


def verdicts() -> dict[str, tuple[str, object]]:
    return {name: verdict(case["yaml"]) for name, case in CASES.items()}


def test_every_case_has_the_verdict_it_had() -> None:
    assert len(CASES) == 402
    found = {name: word for name, (word, _) in verdicts().items()}
    assert found == {name: case["ork"] for name, case in CASES.items()}


def test_every_valid_case_that_is_read_has_the_value_of_the_suite() -> None:
    valid = [name for name, case in CASES.items() if case["suite"] == "valid"]
    found = {name: verdict(CASES[name]["yaml"]) for name in valid}
    read = {name: value for name, (word, value) in found.items() if word == "read"}
    assert len(read) > 190
    assert read == {name: CASES[name]["value"] for name in read}


def test_every_refusal_names_a_place() -> None:
    places = [place for word, found in verdicts().values() if word == "refused" for place in found]  # type: ignore[attr-defined]
    assert all(line and column for line, column in places)


@pytest.mark.slow
def test_the_c_parser_changes_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with_c = verdicts()
    monkeypatch.setattr(reader, "_c_parser", lambda: None)
    assert verdicts() == with_c
