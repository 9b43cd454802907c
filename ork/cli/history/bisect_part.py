"""A bisection -> lines: each verdict as it is reached, the deploy that was found, what to do."""

from __future__ import annotations

from collections.abc import Iterator

from ork.bisection import Bisected, Testing, Trial
from ork.cli.history.log_part import deploy_header, oneline_view
from ork.cli.screen import human as words
from ork.cli.screen.line import Line, wrap_body
from ork.cli.session import Session
from ork.objects.kinds import Deploy
from ork.store.store import Store

VERDICT_STYLES = {"good": "success", "bad": "failed", "skip": "skipped"}


def step_line(step: Trial | Testing, store: Store, *, judged: bool = False) -> Line:
    """Return one line: a verdict and what it rests on, or what runs now and how much is left.

    `judged` says that a command is asked, which may look at a run that there is already.
    """
    name: Line = [(store.short(step.entry.snapshot), "oid"), "  ", _title(step.entry)]
    if isinstance(step, Testing):
        what, noun = ("judge", "step") if judged else ("run", "run")
        left = f"{words.count(step.between, 'deploy')} left, about {words.count(step.left, noun)}"
        return [(f"{what:<6}", "running"), *name, (f"  ({left})", "dim")]
    run = f"{step.entry.workflow}#{step.run}" if step.run is not None else ""
    by = "judged on" if judged else "recorded by"
    how = {"given": f"given{run and ' as ' + run}", "recorded": f"{by} {run}"}
    reason = step.reason.partition("\n")[0]
    why = how.get(step.how, run + (": " if run and reason else "") + reason)
    return [(f"{step.verdict:<6}", VERDICT_STYLES[step.verdict]), *name, (f"  ({why})", "dim")]


def stopped_line() -> Line:
    """Return what is said of a search that was stopped."""
    return ["stopped; the runs that ended are kept: the same command goes on from there"]


def bisected_view(found: Bisected, store: Store, session: Session) -> Iterator[Line]:
    """Yield the deploy that was found, with its change; or those that cannot be told apart."""
    from ork.cli.diff.text import diff_view
    from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks

    if len(found.suspects) > 1:
        yield ["The first bad deploy is one of these:"]
        yield from oneline_view(reversed(found.suspects), store, session)
        return
    entry = found.suspects[0]
    deploy = entry.deploy
    yield [
        (store.short(deploy.snapshot), "oid"),
        " is the first bad deploy of ",
        (found.workflow, "name"),
    ]
    yield [""]
    yield from deploy_header(entry, store, session)
    yield [""]
    yield from wrap_body(deploy.message, "    ")
    if entry.diff:
        yield [""]
        shown = with_hunks(entry.diff, store.blob, lines_max=SHORT_DIFF_LINES)
        yield from diff_view(shown, width=session.width)


def next_lines(found: Bisected, store: Store) -> list[Line]:
    """Return the likely next command."""
    good = store.get(Deploy, found.good).snapshot
    if len(found.suspects) > 1:
        bad = found.suspects[-1].deploy.snapshot
        return [
            [
                ("next: ", "hint"),
                f"`ork diff {store.short(good)} {store.short(bad)}` shows "
                "what they changed together",
            ]
        ]
    return [
        [
            ("next: ", "hint"),
            f"`ork rollback {found.workflow} {store.short(good)}` brings the last good one back",
        ]
    ]


def _title(entry: Deploy) -> str:
    return entry.message.partition("\n")[0]
