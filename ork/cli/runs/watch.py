"""ork watch"""

import time
from typing import Annotated

import typer

from ork.cli import options as shared
from ork.cli.runs.list import suspended
from ork.cli.runs.plain import exit_code, follow, summary
from ork.cli.runs.queued import find_queued
from ork.cli.screen.line import note_line
from ork.cli.session import Session, lasts
from ork.runner import watch as events_of
from ork.store.contents import find_run
from ork.store.resolve import resolve, run_of_id
from ork.store.runs import going_on

LOOK_SECONDS = 0.5  # between two looks at whether a run from the queue has begun


def watch(
    ctx: typer.Context,
    revision: Annotated[
        str,
        typer.Argument(
            metavar="[RUN]",
            help="A run, or the id of one that waits; a workflow means its run that goes on, else"
            " its newest. When left out, the one that goes on.",
        ),
    ] = "@",
    as_json: shared.AsJson = False,
) -> None:
    """Watch a run that was started elsewhere.

    Shows what `ork run` shows, from what has happened so far on, and ends when the run ends. Of a
    run that has ended only the summary is printed. Ctrl-C ends the looking on, not the run. What
    waits for `ork up` is waited for.

    Exit codes: those of `ork run`.

    \b
    Example:
        ork watch etl#57
    """
    session: Session = ctx.obj
    store = session.store
    lasts()
    _await_begin(session, revision)
    found = resolve(store, going_on(store, revision), now=session.now())
    _, run = find_run(store, found)
    oid, run = run_of_id(store, run.workflow, run.id)
    if run.ended is not None and not as_json:
        end = events_of.finished(store, oid, run)
        summary(session, end)
    else:
        if told := suspended(store, run):
            session.say(note_line(f"{run.name} is {told}"))
        events = events_of.watch(store, run, clock=session.world.clock)
        try:
            end = follow(session, events, as_json=as_json, watched=True)
        except KeyboardInterrupt:
            session.say(note_line(f"{run.name} goes on"))
            raise
    raise typer.Exit(exit_code(end))


def _await_begin(session: Session, name: str) -> None:
    """Return when no run waits for `ork up` under this id any more."""
    if (waiting := find_queued(session.store, name)) is None:
        return
    session.say(note_line(f"{waiting.workflow} still waits for `ork up`"))
    while find_queued(session.store, name) is not None:
        time.sleep(LOOK_SECONDS)
