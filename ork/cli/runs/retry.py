"""ork retry"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli import options as shared
from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="A run; a workflow means its newest run.")] = "@",
    jobs: shared.Jobs = None,
    only: shared.Only = None,
    start_at: shared.From = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="A new run, of the newest definition.")
    ] = False,
    timeout: shared.Timeout = None,
    fail_fast: shared.FailFast = False,
    as_json: shared.AsJson = False,
) -> None:
    """Go on with a run that failed, was stopped or was killed.

    The run keeps its number and its snapshot: what succeeded is kept, everything else runs again. A
    task whose outcome was not recorded, because ork was killed, runs again: at least once.
    --from and --only run tasks again although they succeeded. With --latest a new run begins, of
    the newest definition, which keeps the outputs of tasks that are unchanged.

    \b
    Exit codes: 0 success; 1 a task failed; 5 another process goes on with this run; 124 --timeout;
    130 stopped by Ctrl-C.

    \b
    Example:
        ork retry etl#1
    """
    from ork.cli.runs.plain import follow, stop_on_signals
    from ork.runner.start import retry

    session: Session = ctx.obj
    options = shared.options_of(
        jobs=jobs, inputs=None, timeout=timeout, fail_fast=fail_fast, only=only, start=start_at
    )
    with stop_on_signals() as control:
        started = retry(
            session.store,
            revision,
            options=options,
            latest=latest,
            caller=shared.caller_of(session, control),
        )
        last = follow(session, started.events, control=control, as_json=as_json)
    raise typer.Exit(shared.exit_code(last.run.state, timed_out=last.timed_out))
