"""`ork diff` of two runs, and what the summary of a failed run says of the last good one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ork.cli.session import Session
from ork.errors import OrkError

if TYPE_CHECKING:
    from ork.cli.screen.line import Line
    from ork.objects.kinds import Run
    from ork.store.resolve import Resolved
    from ork.store.store import Store

RUNS_LOOKED_AT_MAX = 200  # a summary must not wait for the reading of a long history


def show_runs(
    session: Session, store: Store, old: Resolved, new: Resolved, *, as_json: bool
) -> bool:
    """Show what differs between two runs, layer by layer; say whether anything does."""
    from ork.cli.diff.runs import diff_runs_view
    from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks
    from ork.history.compare_runs import diff_runs

    found = diff_runs(store, old, new)
    hunks = with_hunks(found.definition, store.blob, lines_max=SHORT_DIFF_LINES)
    found = replace(found, definition=hunks)
    if as_json:
        session.print_json("diff-runs", found)
    else:
        session.print(diff_runs_view(found, store, session), page=True)
    return bool(found)


def since_good(store: Store, failed: Run) -> Line | None:
    """Return the line that tells what changed since the last good run, if there was one.

    Never fails: a store that is damaged in old parts must not take the summary of a run away.
    """
    try:
        return _since_good(store, failed)
    except OrkError:
        return None


def _since_good(store: Store, failed: Run) -> Line | None:
    from ork.history.compare_runs import last_good

    good = last_good(store, failed, within=RUNS_LOOKED_AT_MAX)
    if good is None:
        return None
    name = f"{failed.workflow}#{good.number}"
    newest = next(iter(store.refs(f"runs/{failed.workflow}/", newest_first=True)))[0]
    ends = f"{name} {failed.workflow}#{failed.number}"
    command = f"--last {failed.workflow}" if newest == failed.id else ends
    return [
        ("since ", "hint"),
        (name, "name"),
        f" (good): {_changes(store, good, failed)} - `ork diff {command}`",
    ]


def _changes(store: Store, good: Run, failed: Run) -> str:
    from ork.differences.definitions import summarize
    from ork.history.compare_runs import definition_diff, environment_changes

    clauses = []
    found, blamed = definition_diff(store, good, failed)
    if found:
        text = summarize(found, first=blamed)
        clauses.append(text[0].lower() + text[1:])
    if good.params != failed.params:
        clauses.append("other parameters")
    if environment_changes(store, good, failed):
        clauses.append("another environment")
    return "; ".join(clauses) or "nothing in the definition, parameters or environment changed"
