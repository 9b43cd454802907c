"""What `ork check` found, as other programs read it: GitHub's annotations, and SARIF 2.1.0.

Both want paths from the top of the git repository, wherever the user is in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ork.errors import Problem
from ork.heads.check import Checked
from ork.store.location import project_of

RULES = {
    "error": "What is wrong in a workflow file, or in the code that it calls",
    "warning": "Code of which it is not known what it executes",
}
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def github(results: Iterable[Checked]) -> Iterator[str]:
    """Yield a workflow command for each finding, which GitHub shows at its line."""
    for level, found in _all(results):
        places = {"file": found.file, "line": found.line, "col": found.column, "title": "ork check"}
        given = (f"{key}={_escaped(str(value), ':,')}" for key, value in places.items() if value)
        yield f"::{level} {','.join(given)}::{_escaped(_text(found))}"


def sarif(results: Iterable[Checked]) -> Iterator[str]:
    """Yield the lines of a log with one run."""
    yield from json.dumps(_log(results), indent=2).split("\n")


def _log(results: Iterable[Checked]) -> dict[str, Any]:
    rules = [{"id": level, "shortDescription": {"text": text}} for level, text in RULES.items()]
    return {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ork", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": level,
                        "level": level,
                        "message": {"text": _text(found)},
                        "locations": [{"physicalLocation": _place(found)}],
                    }
                    for level, found in _all(results)
                ],
            }
        ],
    }


def _all(results: Iterable[Checked]) -> Iterator[tuple[str, Problem]]:
    top = project_of(Path.cwd())
    for one in results:
        for level, found in (("error", one.problems), ("warning", one.warnings)):
            for problem in found:
                yield level, problem._replace(file=os.path.relpath(problem.file, top))


def _text(found: Problem) -> str:
    return f"{found.message}\n{found.hint}" if found.hint else found.message


def _place(found: Problem) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(found.file)}}
    if found.line:
        region = {"startLine": found.line, "startColumn": found.column}
        place["region"] = {key: value for key, value in region.items() if value}
    return place


def _escaped(text: str, signs: str = "") -> str:
    """Return a text in which what ends it, or a part of it, is percent-encoded."""
    for sign in ("%", "\r", "\n", *signs):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text
