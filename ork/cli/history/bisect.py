"""ork bisect: each verdict as it is reached, the deploy that was found, and what to do next"""

from collections.abc import Iterator
from typing import Annotated

import typer

from ork.bisection import Bisected, Question, Testing, Trial, judge_by
from ork.cli import options as shared
from ork.cli.history.log import deploy_header, deploy_line
from ork.cli.runs.plain import stop_on_signals
from ork.cli.screen.human import count
from ork.cli.screen.line import Line, body_lines, next_line, note_line
from ork.cli.screen.parts import given
from ork.cli.session import Session, lasts
from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks
from ork.objects.kinds import Deploy
from ork.store.contents import forgotten_part
from ork.store.resolve import head, history
from ork.store.store import Store
from ork.store.verdict import tally

VERDICT_STYLES = {"good": "success", "bad": "failed", "skip": "skipped"}


def bisect(
    ctx: typer.Context,
    workflow: Annotated[
        str, typer.Argument(help="A workflow; the only one there is when left out.")
    ] = "@",
    good: Annotated[
        str | None, typer.Option(metavar="REV", help="A deploy or run that was good.")
    ] = None,
    bad: Annotated[
        str | None, typer.Option(metavar="REV", help="A later one that was bad.")
    ] = None,
    cmd: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="A shell command that judges: exit 0 good, 1 to 124 bad, 125 skip.",
        ),
    ] = None,
    jobs: shared.Jobs = None,
    inputs: shared.Inputs = None,
    timeout: shared.Timeout = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run at most, and run nothing.")
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """Find the deploy that made a workflow fail.

    Looks at the recorded runs first, and runs only what is missing between the last good deploy and
    the bad one: each deploy with its own code, with the parameters of the run that was named.
    Without --good and --bad, it takes the newest turn from good to bad in the recorded runs: among
    those with the parameters that a run now would have or, if none of them failed, among those with
    the parameters of the newest failed run. If none of these was good, the newest good run before
    it is taken, whatever its parameters.

    A first bad deploy was always seen to be bad: where all before the bad end turned out good, and
    no run with these parameters says that it is bad, it is judged as well. So is the good end,
    where it was named by a run that had other parameters, and all after it turned out bad.

    --cmd judges each run, in place of whether it succeeded. The command finds the run in $ORK_RUN,
    such as etl#57, so it may look at `ork outputs $ORK_RUN`. What cannot be run, or judged, is
    skipped. It is tried on recorded runs of the two ends first: where it does not say of them what
    you said, or ends with 126 or more, nothing is searched. With --dry-run it is not asked.

    Exit codes: 0 the deploy was found; 1 it is one of several that cannot be told apart.

    \b
    Example:
        ork bisect etl --good etl~4 --bad etl
        ork bisect etl --good etl~4 --bad etl \\
            --cmd 'ork outputs $ORK_RUN | grep -q rows'
    """
    from ork.bisection import bisect

    session: Session = ctx.obj
    shared.at_most_one({"--dry-run": dry_run, "--json": as_json})
    store = session.store
    options = shared.options_of(jobs=jobs, inputs=inputs, timeout=timeout, fail_fast=False)
    told = False
    lasts()
    with stop_on_signals() as control:
        question = Question(
            options=options,
            judge=judge_by(cmd, session.world.environ) if cmd else None,
            try_ends=not dry_run,
            caller=lambda: shared.caller_of(session, control),
        )
        try:
            for step in bisect(store, workflow, good=good, bad=bad, question=question):
                if isinstance(step, Bisected):
                    break
                if isinstance(step, Testing) and not told:
                    told = True
                    session.say(_at_most(step))
                    if dry_run:
                        session.print([_step(step, store, judged=cmd is not None)])
                        return
                session.say(_step(step, store, judged=cmd is not None))
                if isinstance(step, Trial) and step.other_params:
                    other = "it had other parameters: no good run had those of the bad one"
                    session.say(note_line(other))
        except KeyboardInterrupt:
            session.say(
                ["stopped; the runs that ended are kept: the same command goes on from there"]
            )
            raise
    assert isinstance(step, Bisected)
    if as_json:
        session.print_json("bisect", step)
    else:
        session.print(bisected_view(step, session))
        session.say(next_line(_next(step, store, judged=cmd is not None)))
    raise typer.Exit(0 if len(step.suspects) == 1 else 1)


def _at_most(step: Testing) -> Line:
    """Return how many runs there may be, of what, with which parameters."""
    runs = f"{count(step.left, 'run')} of {count(step.tasks, 'task')}"
    params = f", with{given(step.params)[1:]}" if step.params else ""
    return [("plan  ", "label"), f"at most {runs}{params}, if each can be judged"]


def _step(step: Trial | Testing, store: Store, *, judged: bool) -> Line:
    """Return one line: a verdict and its grounds, or the run that starts and how much is left.

    `judged` says that a command is asked, which may look at a run that there is already.
    """
    entry = step.entry
    subject = entry.message.partition("\n")[0]
    name: Line = [(store.short(entry.snapshot), "oid"), "  ", subject]
    if isinstance(step, Testing):
        verb, noun = ("judge", "step") if judged else ("run", "run")
        what = f"{count(step.between, 'deploy')} left" if step.between else "this end is left"
        left = f"{what}, about {count(step.left, noun)}"
        return [(f"{verb:<6}", "running"), *name, (f"  ({left})", "dim")]
    run = step.name or ""
    reason = step.reason.partition("\n")[0]
    grounds = {
        "given": f"given as {run}" if run else "given",
        "recorded": f"{'judged on' if judged else 'recorded by'} {run}",
    }.get(step.how, f"{run}: {reason}" if run and reason else run + reason)
    return [(f"{step.verdict:<6}", VERDICT_STYLES[step.verdict]), *name, (f"  ({grounds})", "dim")]


def bisected_view(found: Bisected, session: Session) -> Iterator[Line]:
    """Yield the deploy that was found, with its change; or those that cannot be told apart."""
    from ork.cli.diff.text import diff_view

    if len(found.suspects) > 1:
        yield ["The first bad deploy is one of these:"]
        for entry in reversed(found.suspects):
            yield deploy_line(entry, session)
        return
    entry = found.suspects[0]
    snapshot = (session.store.short(entry.deploy.snapshot), "oid")
    yield [snapshot, " is the first bad deploy of ", (found.workflow, "name")]
    yield [""]
    yield from deploy_header(entry, session)
    yield [""]
    yield from body_lines(entry.deploy.message)
    if entry.diff:
        yield [""]
        shown = with_hunks(entry.diff, session.store.blob, lines_max=SHORT_DIFF_LINES)
        yield from diff_view(shown, width=session.width)


def _next(found: Bisected, store: Store, *, judged: bool) -> str:
    """Return the likely next command: no way back where the newest version has run well.

    `judged` says that a command was asked: then no run tells that.
    """
    good = store.short(store.get(Deploy, found.good).snapshot)
    bad = store.short(found.suspects[-1].deploy.snapshot)
    if len(found.suspects) > 1:
        return f"`ork diff {good} {bad}` shows what they changed together"
    newest = head(store, found.workflow)
    ran_well = not judged and tally(store, newest).counts.get("success")
    if ran_well and newest != found.suspects[0].oid:
        return f"`ork diff {good} {bad}` shows the change; the newest version has run well"
    back = f"`ork rollback {found.workflow}"
    for oid, deploy in history(store, found.workflow, found.good):
        ran_well = oid == found.good or tally(store, oid).counts.get("success")
        if ran_well and not forgotten_part(store, deploy.snapshot):
            whole = "" if oid == found.good else " of which no part was forgotten"
            return f"{back} {store.short(deploy.snapshot)}` brings the last good one back{whole}"
    return f"`ork diff {good} {bad}` shows the change: of what was good a part was forgotten"
