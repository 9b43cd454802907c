"""What `ork check` found, as other programs read it.

GitHub's annotations, GitLab's reports of Code Quality, JUnit's of tests, and SARIF 2.1.0.

All want paths from the top of the git repository, wherever the user is in it.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from ork.errors import Problem
from ork.heads.check import Checked
from ork.objects.canonical import hash_bytes
from ork.store.location import project_of

# What each kind of finding is about; those without a kind are errors.
RULES = {
    "date-as-text": "A function takes a date, and gets a text",
    "doomed-task": "A task is to run however others end, and takes an output of each",
    "doubtful-command": "A command does something else than seems to be meant",
    "env-value": "A variable is set to a text that is written for a shell",
    "error": "What is wrong in a workflow file, or in the code that it calls",
    "hidden-module": "A file has the name of a module of Python itself",
    "invalid-python": "Code is not valid Python",
    "leading-zero": "A number loses the zeros with which it begins",
    "late-retry": "The next slot of a schedule comes before a retry of the one before",
    "linked-script": "A script that is a link imports what lies beside its target",
    "missing-python": "The Python that a file names is not on this machine",
    "not-executable": "A program is not executable",
    "null-output": "The output of a command is asked for that seems to give none",
    "relative-import": "A file that belongs to no package imports by a dot",
    "secret": "A key or a password stands in a file",
    "uncaptured-code": "It cannot be known which code is executed, or it is not captured",
    "windows-line-ends": "A script has Windows line ends",
}
SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def github(results: Iterable[Checked]) -> Iterator[str]:
    """Yield a workflow command for each finding, which GitHub shows at its line."""
    for level, found in _all(results):
        places = {"file": found.file, "line": found.line, "col": found.column, "title": "ork check"}
        given = (f"{key}={_escaped(str(value), ':,')}" for key, value in places.items() if value)
        yield f"::{level} {','.join(given)}::{_escaped(_text(found))}"


def gitlab(results: Iterable[Checked]) -> Iterator[str]:
    """Yield the lines of a report of Code Quality, in which each finding has a name for ever."""
    seen: Counter[tuple[str, str]] = Counter()
    report = []
    for level, found in _all(results):
        seen[found.file, found.message] += 1
        name = f"{found.file}\0{found.message}\0{seen[found.file, found.message]}"
        report.append(
            {
                "description": _text(found),
                "check_name": found.kind or level,
                "fingerprint": hash_bytes(name.encode("utf-8", "surrogateescape")),
                "severity": {"error": "major"}.get(level, "minor"),
                "location": {"path": found.file, "lines": {"begin": max(found.line, 1)}},
            }
        )
    yield from json.dumps(report, indent=2).split("\n")


def junit(results: Iterable[Checked]) -> Iterator[str]:
    """Yield the lines of a report of tests: each file is one, and fails if something is wrong."""
    results = list(results)
    failed = sum(not one.ok for one in results)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<testsuites><testsuite name="ork check" tests="{len(results)}" failures="{failed}">'
    for one in results:
        found = list(_all([one]))
        name = os.path.relpath(one.file, project_of(Path.cwd()))
        yield f'<testcase classname="ork.check" name={quoteattr(name)}>'
        for level, tag in (("error", "failure"), ("warning", "system-out")):
            if told := [problem for this, problem in found if this == level]:
                first = f" message={quoteattr(told[0].message)}" if tag == "failure" else ""
                text = "\n".join(map(_with_place, told))
                yield from f"<{tag}{first}>{escape(text)}</{tag}>".split("\n")
        yield "</testcase>"
    yield "</testsuite></testsuites>"


def sarif(results: Iterable[Checked]) -> Iterator[str]:
    """Yield the lines of a log with one run."""
    rules = [{"id": kind, "shortDescription": {"text": text}} for kind, text in RULES.items()]
    log = {
        "$schema": SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "ork", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": [
                    {
                        "ruleId": found.kind or level,
                        "level": level,
                        "message": {"text": _text(found)},
                        "locations": [{"physicalLocation": _place(found)}],
                    }
                    for level, found in _all(results)
                ],
            }
        ],
    }
    yield from json.dumps(log, indent=2).split("\n")


def _all(results: Iterable[Checked]) -> Iterable[tuple[str, Problem]]:
    """Return each finding once, also where it is in code that several workflows call."""
    top = project_of(Path.cwd())
    return dict.fromkeys(
        (level, problem._replace(file=os.path.relpath(problem.file, top)))
        for one in results
        for level, found in (("error", one.problems), ("warning", one.warnings))
        for problem in found
    )


def _text(found: Problem) -> str:
    return f"{found.message}\n{found.hint}" if found.hint else found.message


def _with_place(found: Problem) -> str:
    place = f"{found.file}:{found.line}:{found.column}" if found.line else found.file
    return f"{place}: {_text(found)}"


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
