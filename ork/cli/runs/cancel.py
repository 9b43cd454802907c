"""ork cancel"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="A run; a workflow means its newest run.")] = "@",
    now: Annotated[bool, typer.Option("--now", help="Kill what runs, without a grace.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for its end.")] = False,
) -> None:
    """Stop a run, from any terminal.

    The process that owns the run starts nothing more, lets what runs end for a moment, then stops
    it, as with Ctrl-C there. Waits until the run has ended, and prints how.

    \b
    Exit codes: 0 the run was stopped, or ended by itself; 2 it had ended before.

    \b
    Example:
        ork cancel etl#57
    """
    from ork.runner.cancel import cancel, wait
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    store = session.store
    run = cancel(store, resolve(store, revision, now=session.now()), now=now)
    name = f"{run.workflow}#{run.number}"
    if no_wait:
        session.print([["asked ", (name, "name"), " to stop"]])
        return
    last = wait(store, run)
    session.print([[(name, "name"), " ", (last.state, last.state)]])
