"""ork watch"""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from ork.cli.session import Session


def watch(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(metavar="RUN", help="A run; a workflow means its newest one.")
    ] = "@",
    as_json: Annotated[bool, typer.Option("--json", help="Print events, one JSON a line.")] = False,
) -> None:
    """Watch a run that was started elsewhere.

    Shows what `ork run` shows, from what has happened so far on, and ends when the run ends. Of a
    run that has ended only the summary is printed. Ctrl-C ends the looking on, not the run.

    \b
    Exit codes: those of `ork run`.

    \b
    Example:
        ork watch etl#57
    """
    from ork.cli.options import exit_code
    from ork.cli.runs.plain import follow, summary
    from ork.runner.watch import finished, watch
    from ork.store.contents import find_run
    from ork.store.resolve import resolve, run_of_id

    session: Session = ctx.obj
    store = session.store
    _, run = find_run(store, resolve(store, revision, now=session.now()))
    oid, run = run_of_id(store, run.workflow, run.id)
    if run.ended is not None and not as_json:
        end = finished(store, oid, run)
        summary(session, end)
    else:
        # A terminal is put in order when this ends, also when it is asked to from elsewhere.
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        events = watch(store, run, clock=session.world.clock)
        try:
            end = follow(session, events, control=None, as_json=as_json)
        except KeyboardInterrupt:
            session.say([("note: ", "warning"), f"{run.workflow}#{run.number} goes on"])
            raise
        finally:
            signal.signal(signal.SIGTERM, before)
    raise typer.Exit(exit_code(end.run.state, timed_out=end.timed_out))
