"""The scorecard: what each test of torture tried, and how much of it was survived and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from _pytest.terminal import TerminalReporter

from tests.torture.forker import Forker, compiled

Score = Callable[[str, int, int], None]


@pytest.fixture
def score(record_property: Callable[[str, object], None]) -> Score:
    """Count for a row of the scorecard: how many were tried, and how many came out as they must."""

    def note(row: str, tried: int, right: int) -> None:
        record_property("score", (row, tried, right))

    return note


@pytest.fixture(scope="session")
def forker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """A process that forks for each command, and can fail its calls."""
    folder = tmp_path_factory.mktemp("forker")
    library = compiled(folder)
    if library is None:
        pytest.skip("no C compiler (cc): nothing can fail the calls of a process")
    made = Forker(folder, library)
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print the scorecard, each row a sum over all tests, and why some were left out."""
    rows: dict[str, list[int]] = {}
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "score" and report.when == "call":
                    row, tried, right = value
                    sums = rows.setdefault(row, [0, 0])
                    sums[0] += tried
                    sums[1] += right
    if rows:
        terminalreporter.section("scorecard")
        for row, (tried, right) in sorted(rows.items()):
            terminalreporter.write_line(f"{tried:>9,} tried {right:>9,} right  {row}")
    skipped = {str(report.longrepr[-1]) for report in terminalreporter.getreports("skipped")}
    for reason in sorted(skipped):
        terminalreporter.write_line(f"left out: {reason.removeprefix('Skipped: ')}", yellow=True)
