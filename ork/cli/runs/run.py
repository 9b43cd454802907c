"""ork run, ork cancel"""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ork.cli import options as shared
from ork.cli.heads.deploy import deploy_line, warnings_of, without_message
from ork.cli.heads.workflows import slots_left_out
from ork.cli.runs.plain import NAMES_MAX, exit_code, follow, run_hook, stop_on_signals
from ork.cli.runs.queued import find_queued, take_back, taken_view, tell_queued
from ork.cli.screen.line import Line, hint_line, note_line
from ork.cli.session import Session
from ork.errors import Corrupt, UsageError, pip_install, some
from ork.heads.deploy import Deployed, head_status
from ork.objects.kinds import Deploy, Run
from ork.runner import owner, record, start
from ork.runner.events import RunFinished
from ork.runner.loop import Control
from ork.store.contents import find_run
from ork.store.resolve import all_heads, archived, head, only_workflow, resolve, workflows
from ork.store.revision import ENDINGS
from ork.store.runs import all_going_on, going_on
from ork.store.store import Stamp, Store
from ork.worktree.load import Loaded, check
from ork.worktree.lookup import as_revision, files_in, no_file_in, workflow_files

if TYPE_CHECKING:
    from ork.daemon.queue import Queued


def run(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="FILE|REVISION",
            help="A workflow file, its folder, or any revision; when left out, the only file here,"
            " else the only one at the project's root, else the only workflow.",
        ),
    ] = None,
    jobs: shared.Jobs = None,
    inputs: shared.Inputs = None,
    only: shared.Only = None,
    start_at: shared.From = None,
    stop_at: shared.Until = None,
    without: shared.Except = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="RUN",
            help="The run whose outputs stand in; else the newest with these parameters, as far as"
            " what is kept takes them.",
        ),
    ] = None,
    timeout: shared.Timeout = None,
    fail_fast: shared.FailFast = False,
    checkout: shared.Checkout = False,
    at: Annotated[
        str | None,
        typer.Option(metavar="REVISION", help="Run this revision; as `ork run REVISION`."),
    ] = None,
    with_code: Annotated[
        str | None,
        typer.Option(
            metavar="REVISION", help="This definition, with the parameters of the run named."
        ),
    ] = None,
    no_deploy: Annotated[
        bool, typer.Option("--no-deploy", help="Run the file as it is, outside of the history.")
    ] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Let `ork up` run it; return at once.")
    ] = False,
    no_hooks: shared.NoHooks = False,
    logs: shared.Logs = False,
    quiet: shared.Quiet = False,
    dry: shared.DryRun = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Run a file again on every save of it or its code.")
    ] = False,
    message: Annotated[
        str | None,
        typer.Option("-m", "--message", metavar="TEXT", help="For the deploy, when there is one."),
    ] = None,
    allow_secret: shared.AllowSecret = False,
    move: shared.Move = False,
    as_json: shared.AsJson = False,
) -> None:
    """Run a workflow, and record exactly what ran.

    A file is deployed first if it differs from its workflow's newest deploy. A revision, such as
    etl~1, a tag or the run etl#57, runs with its own code, whatever lies on disk by now; a run also
    with its parameters. What is to run is recorded before the first task starts, every outcome
    before it is shown.

    Tasks run in the project's folder as long as every captured file there is as recorded; else, and
    with --checkout, in a checkout: those files as recorded, and links to everything else.

    --only, --from, --until and --except run a part: what a task needs and that is left out gives
    the outputs that it had in an earlier run; without one nothing runs. A note says which of these
    are of another definition. They take names, or patterns with *, ? and [...], as 'load_*'.

    With --queue the run waits for `ork up`, with all its options; the secrets of its tasks are read
    there. When a run has ended, its `on_failure:` or `on_success:` is executed.

    With --watch a file is deployed and run again on every save of it, or of the code that it calls;
    that needs the library watchfiles. A run that goes on then is brought to its end first. Ctrl-C
    ends the watching, with 130 however the runs went.

    Ctrl-C once lets running tasks end for a moment and then stops them; twice kills them.

    Exit codes: 0 success; 1 a task failed; 2 a parameter or a secret is not given; 5 as many runs
    go on as `max_active_runs` allows; 124 --timeout; 129, 130, 143 stopped by HUP, Ctrl-C, TERM.

    \b
    Example:
        ork run etl.yaml
        ork run etl --except load
    """
    session: Session = ctx.obj
    if at is not None and what is not None:
        raise UsageError("--at names what to run; leave the other name out")
    session.quiet = quiet
    what = as_revision(at or (what and _file_in(session, what)) or _only_one(session))
    if what.startswith("file:"):
        session.use_project_of([Path(what.removeprefix("file:"))])
    if quiet:
        shared.at_most_one({"--quiet": True, "--json": as_json, "--dry-run": dry, "--watch": watch})
    shared.at_most_one({"--logs": logs, "--quiet": quiet, "--json": as_json and not dry})
    if watch and (dry or queue):
        raise UsageError("--watch runs at once: leave --dry-run and --queue out")
    if watch and find_spec("watchfiles") is None:
        raise UsageError("--watch needs watchfiles", hint=pip_install("watchfiles"))
    named = any(os.path.isfile(what + ending) for ending in ENDINGS)  # not written as a file
    if (dry and what.startswith("file:")) or (named and session.chosen is None):
        session.need_no_store()
    if queue and (no_deploy or no_hooks or watch):
        raise UsageError("--queue excludes --no-deploy, --no-hooks and --watch")
    source = _read(session, what)
    if source == "@":
        source = only_workflow(session.store)
    if isinstance(source, str) and not as_json:
        session.say(*_archived(session, source))
        if source in workflows(session.store):
            session.say(*edited(session, source, "`ork run {}` runs with that"))
    options = shared.options_of(
        jobs=jobs,
        timeout=timeout,
        fail_fast=fail_fast,
        checkout=checkout,
        inputs=inputs,
        only=only,
        start=start_at,
        until=stop_at,
        without=without,
        base=base,
    )
    how: dict[str, Any] = {
        "options": options,
        "message": message,
        "with_code": with_code,
        "allow_secret": allow_secret,
        "move": move,
    }
    if dry:
        from ork.cli.runs import dry_run

        caller = shared.caller_of(session)
        ready = start.prepare(
            session.store, source, caller=caller, no_deploy=no_deploy, dry=True, **how
        )
        dry_run.show(session, ready, as_json=as_json)
        return
    if isinstance(source, Loaded):
        _make_store(session, source, {"no_deploy": no_deploy, "elsewhere": queue, **how})
    if queue:
        _queue(session, source, how, as_json=as_json)
        return
    how["no_deploy"] = no_deploy
    to_its_end = partial(_run, session, how=how, no_hooks=no_hooks, as_json=as_json, logs=logs)
    if watch:
        from ork.cli.runs.again import on_every_save

        if not what.startswith("file:"):
            hint = None
            store = session.store
            if head := store.ref(f"workflows/{source}"):
                path = os.path.relpath(store.project / store.get(Deploy, head).source.path)
                hint = f"`ork run {shlex.quote(path)} --watch`"
            raise UsageError("--watch needs a workflow file to watch", hint=hint)

        file = Path(what.removeprefix("file:"))
        on_every_save(session, file, lambda control: to_its_end([what], control))
    sources = [source]
    del source
    with stop_on_signals() as control:
        raise typer.Exit(exit_code(to_its_end(sources, control)))


def cancel(
    ctx: typer.Context,
    revisions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs; a workflow means its run that goes on, else its newest. Or ids of those"
            " that wait. When left out, the one that goes on.",
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option("-a", "--all", help="All runs that go on, or those of these workflows."),
    ] = False,
    now: Annotated[bool, typer.Option("--now", help="Kill what runs, without a grace.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait for its end.")] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="All runs that wait, or those of these workflows.")
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """Stop runs, from any terminal.

    The process that owns the run starts nothing more, lets what runs end for a moment, then stops
    it, as with Ctrl-C there. Waits until the run has ended, and prints how; several are all asked
    first. A run that waits for `ork up` is taken out of the queue. --all leaves the queue as it is,
    unless --queue is given as well. Where the process of a run is suspended (Ctrl-Z), a note says
    so, and --now lets it go on, so that it ends.

    Exit codes: 0 the runs were stopped, or ended by themselves; 2 one had ended before.

    \b
    Example:
        ork cancel etl#57
        ork cancel --all --queue etl
    """
    session: Session = ctx.obj
    store, names = session.store, list(dict.fromkeys(revisions or ["@"]))
    damage: list[Corrupt] = []
    if every or queue:
        taken, found = _all(store, names, damage, queue=queue, going=every)
    else:
        taken, found = _named(session, names)
    asked, ended = _ask(session, found, now=now)
    ended = [] if every else ended  # of all, one that has just ended by itself is no mistake
    session.say(*([] if now else _suspended(store, asked)))
    stopped = asked if no_wait else [record.wait(store, run) for run in asked]
    if as_json and (stopped or taken or not ended):
        one = stopped[0] if len(stopped) == 1 else None
        session.print_json("cancel", {"run": one, "runs": stopped, "queued": taken})
    elif not as_json:
        session.print(taken_view(taken, each=not queue))
        session.print(_stopped(stopped, asked=no_wait))
        none = "no run" if "@" in names else f"no run of {some(names, NAMES_MAX)}"
        session.print([[f"{none} waits"]] if queue and not taken else [])
        session.print([[f"{none} goes on"]] if every and not stopped else [])
    if damage:
        raise damage[0]
    if ended:
        raise UsageError("; ".join(ended))


def _all(
    store: Store, names: Sequence[str], damage: list[Corrupt], *, queue: bool, going: bool
) -> "tuple[list[Queued], list[Run]]":
    """Return all that waited and was taken back, and all that goes on, of workflows or of all."""
    for name in names:
        if name != "@":
            head(store, name)
    # What waits comes first: it would begin when another run ends.
    taken = [one for name in names for one in take_back(store, name, damage)] if queue else []
    whose = [None if name == "@" else name for name in names] if going else []
    runs = {run.id: run for name in whose for run in all_going_on(store, name)}
    return taken, list(runs.values())


def _named(session: Session, names: Sequence[str]) -> "tuple[list[Queued], list[Run]]":
    """Return what waited under an id and was taken back, and the runs that are meant, each once.

    All are found before the first is asked; one asked twice would be killed.
    """
    store = session.store
    waiting = {name: one for name in names if (one := find_queued(store, name))}
    others = (going_on(store, name) for name in names if name not in waiting)
    found = (find_run(store, resolve(store, o, now=session.now())) for o in others)
    runs = {run.id: run for _, run in found}
    if waiting:
        from ork.daemon.queue import remove

        for one in waiting.values():
            remove(store, one)
    return list(waiting.values()), list(runs.values())


def _ask(session: Session, runs: Iterable[Run], *, now: bool) -> tuple[list[Run], list[str]]:
    """Ask the owners of runs to stop them; return those asked, and which had ended before."""
    asked, ended = list[Run](), list[str]()
    for run in runs:
        try:
            asked.append(record.cancel(session.store, run, author=session.author(), now=now))
        except UsageError as error:
            ended.append(error.message)
    return asked, ended


def _suspended(store: Store, runs: Iterable[Run]) -> Iterator[Line]:
    """Yield why runs that were asked to stop do not end: their owners cannot see it."""
    for run in runs:
        if pid := owner.suspended(store, run):
            yield note_line(
                f"{run.name} ends when its process {pid} goes on: it is suspended (Ctrl-Z)"
            )
            yield hint_line(f"`fg` in its terminal, or `ork cancel {run.name} --now`")


def _stopped(runs: Iterable[Run], *, asked: bool) -> Iterator[Line]:
    for run in runs:
        if asked:
            yield ["asked ", (run.name, "name"), " to stop"]
        else:
            yield [(run.name, "name"), " ", (run.state, run.state)]


def _run(
    session: Session,
    sources: list[str | Loaded],
    control: Control,
    *,
    how: Mapping[str, Any],
    no_hooks: bool,
    as_json: bool,
    logs: bool,
) -> RunFinished:
    """Run it to its end.

    It is taken from the list: what was read may be large, and is in the store when the run begins.
    """
    caller = shared.caller_of(session, control)
    started = start.start(session.store, sources.pop(), caller=caller, **how)
    if not as_json:
        session.say(*_deployed(session, started.deployed, how["message"]))
    if not (as_json or session.quiet):
        session.say(*_beside(started.others), *map(note_line, started.notes))
    last = follow(session, started.events, control=control, as_json=as_json, logs=logs)
    if not no_hooks:
        run_hook(session, last.run, caller, as_json=as_json)
    return last


def _only_one(session: Session) -> str:
    """Return the only file; where there is none, the only workflow.

    Of several files none is passed over because it was never deployed: a deploy asks as well.
    """
    if not shared.files_here(session) and session.has_store() and workflows(session.store):
        return "@"
    return str(shared.files_of(session, None)[0])


def _file_in(session: Session, what: str) -> str:
    """Return the only workflow file of a folder that is named; what is none stays as it is."""
    if not os.path.isdir(what) or (session.has_store() and what in all_heads(session.store)[0]):
        return what
    found = files_in(Path(what))
    if not found and not any(workflow_files(Path(what))):
        raise no_file_in(Path(what))
    if len(found) != 1:
        raise UsageError(
            f"{what} is a folder, with {len(found) or 'no'} workflow files", hint="name a file"
        )
    return str(Path(what) / found[0])


def _read(session: Session, what: str) -> str | Loaded:
    """Return what is to run; a file for which there is no store yet is read, before one is made."""
    is_file = what.startswith("file:") or what.endswith(ENDINGS)
    return what if session.has_store() or not is_file else check(what.removeprefix("file:"))


def _make_store(session: Session, loaded: Loaded, how: Mapping[str, Any]) -> None:
    """Make the store in which a file is to run first, if nothing that was asked for is wrong."""
    stamp = Stamp(time=datetime.now(UTC), author=session.author())
    caller = start.Caller(stamp=stamp, environ=session.world.environ)
    session.new_store_for(
        lambda store: start.prepare(store, loaded, caller=caller, dry=True, **how)
    )


def _queue(session: Session, what: str | Loaded, how: Mapping[str, Any], *, as_json: bool) -> None:
    from ork.daemon.queue import put

    queued = put(session.store, what, caller=shared.caller_of(session), **how)
    if not as_json:
        session.say(*_deployed(session, queued.deployed, how["message"]))
    if not session.quiet:
        tell_queued(session, queued, as_json)


def _deployed(session: Session, deployed: Deployed | None, message: str | None) -> Iterator[Line]:
    """Yield what was deployed, or a note that nothing was which could have the message.

    With --quiet what is warned of alone: -m is for a deploy, where there is one.
    """
    if deployed:
        yield from _archived(session, deployed.workflow)
    if deployed and (deployed.changed or deployed.moved):
        if not session.quiet:
            yield deploy_line(deployed, session.store)
        yield from warnings_of(deployed)
        if deployed.changed:
            yield from slots_left_out(session.store)
    if not session.quiet:
        yield from without_message([deployed] if deployed else [], message)


def _archived(session: Session, workflow: str) -> Iterator[Line]:
    """Yield a note when a workflow is archived: a list of all runs has none of it."""
    if workflow in archived(session.store):
        told = f"{workflow} is archived: `ork runs {workflow}` lists its runs"
        yield note_line(f"{told}, `ork archive --undo {workflow}` takes it out")


def _beside(others: Sequence[Run]) -> Iterator[Line]:
    """Yield a note of the runs of the workflow that go on as well."""
    if others:
        names = some([run.name for run in others], NAMES_MAX)
        verb = "goes" if len(others) == 1 else "go"
        watch = f"`ork watch {others[0].name}`"
        yield note_line(f"{names} {verb} on at the same time: {watch}")


def edited(session: Session, workflow: str, hint: str) -> Iterator[Line]:
    """Yield a note when the file of a workflow differs from the head, which is what runs.

    In the hint braces stand for the path of the file. --quiet hides alone that there is none.
    """
    one = head_status(session.store, workflow, author=session.author())
    path = os.path.relpath(session.store.project / one.path)
    if one.state == "missing":
        if session.quiet or one.summary:  # an import has never had it
            return
        told = f"{path} is not here: `ork restore {workflow} --code` writes what is run"
        yield note_line(f"{told}; if it has moved, `ork deploy FILE` tells where it is now")
    elif one.state == "modified" and one.workflow == workflow:
        yield note_line(f"{workflow} runs without what you changed: {one.summary}")
        yield hint_line(hint.format(shlex.quote(path)))
    elif one.state == "invalid":
        yield note_line(f"{workflow} runs as it was deployed: {one.summary}")
        yield hint_line(f"`ork check {shlex.quote(path)}` says what is wrong")
