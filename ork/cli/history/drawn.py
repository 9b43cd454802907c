"""What commands show of a value, for those who have it in Python."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from ork.bisection import Bisected
from ork.cli.diff.impact import impact_view
from ork.cli.diff.runs import diff_runs_view
from ork.cli.diff.text import diff_view
from ork.cli.heads.check import checked_view
from ork.cli.history.bisect import bisected_view
from ork.cli.history.blame import blame_view
from ork.cli.history.diff import comparison_view
from ork.cli.history.show import snapshot_view
from ork.cli.runs.dry_run import would_run_view
from ork.cli.runs.list import run_view
from ork.cli.screen.fit import fitted_lines
from ork.cli.screen.line import Line, as_html, plain
from ork.cli.session import Session, World
from ork.differences.definitions import Diff
from ork.differences.impact import Impact
from ork.heads.check import Checked
from ork.history.blame import Blame
from ork.history.compare import Comparison
from ork.history.compare_runs import RunDiff
from ork.history.details import RunDetails
from ork.objects.drawn import Drawn
from ork.runner.start import WouldRun
from ork.store.contents import SnapshotDetails
from ork.store.store import Store


class _NoTerminal(Session):
    """What a view asks about a command, where there is none: lines are as long as they are."""

    def __init__(self, store: Store) -> None:
        super().__init__(World(environ=os.environ), ())
        self._store = store

    @property
    def width(self) -> None:
        return None


def drawn(store: Store, value: Drawn, *, html: bool) -> str:
    """Return the text that a command prints of a value, plain or in colours."""
    if (view := VIEWS.get(type(value))) is None:
        raise TypeError(f"no command shows a {type(value).__name__}")
    lines = fitted_lines(view(value, _NoTerminal(store)), None)
    return as_html(lines) if html else "\n".join(map(plain, lines))


VIEWS: dict[type, Callable[[Any, Session], Iterator[Line]]] = {
    Comparison: comparison_view,
    Diff: lambda diff, _: diff_view(diff),
    Impact: lambda impact, _: impact_view(impact),
    RunDiff: lambda diff, session: diff_runs_view(diff, session, None),
    Blame: blame_view,
    Bisected: bisected_view,
    SnapshotDetails: snapshot_view,
    RunDetails: run_view,
    Checked: checked_view,
    WouldRun: would_run_view,
}
