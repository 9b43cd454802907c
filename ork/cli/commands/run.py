"""ork run"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    what: Annotated[
        str, typer.Argument(metavar="FILE|REVISION", help="A workflow file, or any revision.")
    ] = "@",
    jobs: Annotated[
        int | None, typer.Option("-j", "--jobs", min=1, help="Tasks at once; cores when left out.")
    ] = None,
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="For the deploy, when there is one.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print events, one JSON a line.")] = False,
) -> None:
    """Run a workflow, and record exactly what ran.

    A file is deployed first if it differs from its workflow's newest deploy. A revision, such as
    etl~1, a tag or the run etl#57, runs with its own code, whatever lies on disk by now. What is to
    run is recorded before the first task starts, every outcome before it is shown.

    Ctrl-C once lets running tasks end for a moment and then stops them; twice kills them.

    \b
    Exit codes: 0 success; 1 a task failed; 130 stopped by Ctrl-C.

    \b
    Example:
        ork run etl.yaml
    """
    from ork.cli.running import follow, stop_on_signals
    from ork.runner.api import start
    from ork.store.compare import as_revision

    session: Session = ctx.obj
    what = as_revision(what)
    store = session.new_store if what.startswith("file:") else session.store
    with stop_on_signals() as control:
        started = start(store, what, stamp=session.stamp(), now=session.now(), jobs=jobs,
                        message=message, environ=session.world.environ, control=control,
                        token=session.world.token())  # fmt: skip
        if started.deployed and started.deployed.changed and not as_json:
            from ork.cli.views.deploy import deploy_view

            session.say(*deploy_view(started.deployed, store))
        finished = follow(session, started.events, control=control, as_json=as_json)
    state = finished.run.state
    raise typer.Exit({"success": 0, "cancelled": 130}.get(state, 1))
