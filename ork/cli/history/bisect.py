"""ork bisect"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli import options as shared
from ork.cli.session import Session

if TYPE_CHECKING:
    from ork.bisection import Question
    from ork.runner.loop import Control


def command(
    ctx: typer.Context,
    workflow: Annotated[
        str, typer.Argument(help="A workflow; the only one there is when left out.")
    ] = "@",
    good: Annotated[
        str | None, typer.Option("--good", metavar="REV", help="A deploy or run that was good.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option("--bad", metavar="REV", help="A later one that was bad.")
    ] = None,
    cmd: Annotated[
        str | None,
        typer.Option(
            "--cmd",
            metavar="COMMAND",
            help="A shell command that judges: exit 0 good, 125 skip, else bad.",
        ),
    ] = None,
    jobs: shared.Jobs = None,
    inputs: shared.Inputs = None,
    timeout: shared.Timeout = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find the deploy that made a workflow fail.

    Takes the outcomes of recorded runs first, and runs only what is missing between the last good
    deploy and the bad one: each deploy with its own code, with the parameters of the run that was
    named. Without --good and --bad, the newest turn from good to bad in the recorded runs is meant:
    of those with the parameters that a run now would have or, if none of them failed, of those with
    the parameters of the newest failed run.

    --cmd judges each run instead of its success; it finds the run in $ORK_RUN, such as etl#57, so
    it may look at `ork outputs $ORK_RUN`. What cannot be run, or judged, is skipped.

    \b
    Exit codes: 0 the deploy was found; 1 it is one of several that cannot be told apart.

    \b
    Example:
        ork bisect etl --good etl~4 --bad etl
        ork bisect etl --good etl~4 --bad etl --cmd 'ork outputs $ORK_RUN | grep -q rows'
    """
    from ork.bisection import Bisected, bisect
    from ork.cli.history.bisect_part import bisected_view, next_lines, step_line, stopped_line
    from ork.cli.runs.plain import stop_on_signals

    session: Session = ctx.obj
    store = session.store
    with stop_on_signals() as control:
        question = _question(session, control, cmd, jobs, inputs, timeout)
        try:
            for step in bisect(store, workflow, good=good, bad=bad, question=question):
                if isinstance(step, Bisected):
                    break
                session.say(step_line(step, store, judged=cmd is not None))
        except KeyboardInterrupt:
            session.say(stopped_line())
            raise
    assert isinstance(step, Bisected)
    if as_json:
        session.print_json("bisect", step)
    else:
        session.print(bisected_view(step, store, session))
        session.say(*next_lines(step, store))
    raise typer.Exit(0 if len(step.suspects) == 1 else 1)


def _question(
    session: Session,
    control: Control,
    cmd: str | None,
    jobs: int | None,
    inputs: list[str] | None,
    timeout: float | None,
) -> Question:
    from ork.bisection import Question, judge_by

    options = shared.options_of(
        jobs=jobs, inputs=inputs, timeout=timeout, fail_fast=False, only=None, start=None
    )
    judge = judge_by(cmd, session.world.environ) if cmd else None
    return Question(options=options, judge=judge, caller=lambda: shared.caller_of(session, control))
