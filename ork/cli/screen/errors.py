"""Errors -> lines: what, where with a caret, what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ork.cli.screen.fit import Pointed
from ork.cli.screen.line import Line, document, hint_line, to_json
from ork.errors import Ambiguous, InvalidInput, OrkError, Problem

if TYPE_CHECKING:
    from ork.cli.session import Session

PROBLEMS_MAX = 50
CANDIDATES_MAX = 20


def print_error(session: Session, error: OrkError) -> None:
    """Tell an error on standard error, as one document to a program that asked for JSON."""
    session.muted = False
    sys.stdout.flush()
    argv = session.argv
    if {"--json", "--format=json"} & {*argv} or ("--format", "json") in pairwise(argv):
        fields = fields_of_error(error, error.hint and session.pasted(error.hint))
        sys.stderr.write(json.dumps(to_json(document("error", fields))) + "\n")
        return
    session.say(*error_view(error))


def fields_of_error(error: OrkError, hint: str | None) -> dict[str, Any]:
    """Return what the document about an error has, with this hint."""
    return {
        "message": error.message,
        "hint": hint,
        "exit_code": error.exit_code,
        "problems": error.problems if isinstance(error, InvalidInput) else (),
        "candidates": error.candidates if isinstance(error, Ambiguous) else (),
    }


def error_view(error: OrkError) -> Iterator[Line]:
    """Yield an error for standard error."""
    if isinstance(error, InvalidInput) and error.problems:
        yield from problems_view(error.problems)
        yield [("error: ", "error"), error.message]
    else:
        first, *rest = error.message.split("\n")
        yield [("error: ", "error"), first]
        for line in rest:
            yield ["       ", line]
    if isinstance(error, Ambiguous):
        for candidate in error.candidates[:CANDIDATES_MAX]:
            yield ["  ", candidate]
        if (more := len(error.candidates) - CANDIDATES_MAX) > 0:
            yield [f"  and {more:,} more"]
    if error.hint:
        yield hint_line(error.hint)


def warnings_view(warnings: Iterable[Problem]) -> Iterator[Line]:
    """Yield what seems to be a mistake, in the same way."""
    yield from problems_view(
        tuple(one._replace(message=f"warning: {one.message}") for one in warnings)
    )


def problems_view(problems: tuple[Problem, ...]) -> Iterator[Line]:
    """Yield complaints about files, each with its line and a caret, and each long hint once."""
    hints: set[str] = set()
    for problem in problems[:PROBLEMS_MAX]:
        place = problem.file
        if problem.line:
            place += f":{problem.line}:{problem.column}"
        yield [(place, "file"), ": ", problem.message]
        if (
            problem.source is not None
            and problem.line > 0
            and problem.column <= len(problem.source) + 1
        ):
            source = problem.source.rstrip("\r\n").replace("\t", " ")
            yield Pointed(problem.line, source, problem.column)
        if problem.hint and (problem.hint not in hints or problem.hint.startswith("did you mean")):
            hints.add(problem.hint)
            yield ["    ", ("hint: ", "hint"), problem.hint]
    if len(problems) > PROBLEMS_MAX:
        yield [f"... and {len(problems) - PROBLEMS_MAX} more"]
