"""What runs again: ork retry; ork run --watch, on every save of what a workflow consists of"""

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from ork.cli import options as shared
from ork.cli.runs.plain import NAMES_MAX, exit_code, follow, run_hook, stop_on_signals
from ork.cli.runs.run import edited
from ork.cli.screen import human
from ork.cli.screen.errors import error_view, print_error
from ork.cli.screen.line import Line, hint_line, note_line
from ork.cli.session import Session
from ork.errors import InvalidInput, NotFound, OrkError, StoreError, UsageError, some
from ork.objects.canonical import Oid
from ork.objects.kinds import Run
from ork.objects.value import Value
from ork.runner import start
from ork.runner.brake import was_cut_off
from ork.runner.events import RunFinished
from ork.runner.loop import Control
from ork.store.contents import find_run
from ork.store.resolve import newest_deploy, resolve, workflow_meant
from ork.store.revision import parse_span, split_part
from ork.store.runs import Names, runs
from ork.store.verdict import Tally, has_failed
from ork.worktree.load import Loaded, check

if TYPE_CHECKING:
    from watchfiles.main import FileChange

TOGETHER_MS = 200  # saves that belong together, as of all open files of an editor
LOOK_MS = 2000  # between two looks, for what was saved just before the watching began


class _Again(Value, frozen=True, kw_only=True):
    """A run that is to be retried, and the tasks of it that are named."""

    run: Run
    tasks: tuple[str, ...] = ()


class _How(Value, frozen=True, kw_only=True):
    """How runs are retried."""

    options: Callable[[Sequence[str]], start.Options]  # from the tasks of a run that are named
    latest: bool
    hooks: bool
    logs: bool
    as_json: bool


def retry(
    ctx: typer.Context,
    revisions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN|RUN:TASK]...",
            help="Runs; a workflow means its newest run; when left out, that of the only workflow.",
        ),
    ] = None,
    failed: Annotated[
        bool,
        typer.Option(
            "--failed",
            help="All runs of these workflows that failed or were interrupted since --since.",
        ),
    ] = False,
    since: shared.NotBefore = None,
    until: shared.NotAfter = None,
    jobs: shared.Jobs = None,
    only: shared.Only = None,
    start_at: shared.From = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="A new run, of the newest definition.")
    ] = False,
    timeout: shared.Timeout = None,
    fail_fast: shared.FailFast = False,
    checkout: shared.Checkout = False,
    no_hooks: shared.NoHooks = False,
    logs: shared.Logs = False,
    quiet: shared.Quiet = False,
    dry: shared.DryRun = False,
    as_json: shared.AsJson = False,
) -> None:
    """Go on with runs that failed or were stopped.

    A run keeps its number and its snapshot: what succeeded is kept, everything else runs again. A
    task whose outcome was not recorded, because ork was killed, runs again: at least once.
    A run of a schedule has the `timeout` of that, unless --timeout gives another.
    --from and --only run tasks again although they succeeded; etl#1:load is etl#1 with --only load.
    They take patterns as `ork run` does.
    A run that succeeded stays as it is, and a new one begins with its outputs. What is tainted
    always runs again, and what follows it.
    With --latest a new run begins, of the newest definition: it keeps the outputs of tasks that are
    the same, as are the code that they execute and what they receive. It is refused where the
    newest definition is the one that failed, and its file was edited since: deploy that first.
    --dry-run says which tasks would run again, and why, and which are kept.

    Several runs go on one after the other, the oldest first, whether or not those before them
    succeed. --failed --since 01:30 takes all that failed or were interrupted since then: also those
    that a signal ended, as when a terminal was closed, or that were stopped when a task had failed.

    Exit codes: 0 success; 1 a task failed; 2 nothing would run again; 5 another process goes on
    with this run, or as many go on as `max_active_runs` allows; 124 --timeout; 129, 130, 143
    stopped by HUP, Ctrl-C, TERM. Of several runs the highest.

    \b
    Example:
        ork retry etl#1 --dry-run
        ork retry etl#1
        ork retry etl --failed --since 2h
    """
    session: Session = ctx.obj
    session.quiet = quiet
    shared.at_most_one({"--quiet": quiet, "--dry-run": dry})
    shared.at_most_one({"--logs": logs, "--quiet": quiet, "--json": as_json and not dry})
    how = _How(
        options=lambda tasks: shared.options_of(
            jobs=jobs,
            timeout=timeout,
            fail_fast=fail_fast,
            checkout=checkout,
            only=[*(only or ()), *tasks],
            start=start_at,
        ),
        latest=latest,
        hooks=not no_hooks,
        logs=logs,
        as_json=as_json,
    )
    if failed:
        found = _that_failed(session, revisions or [], since, until)
    elif since or until:
        hint = "`ork retry --failed --since 2d`, or name the runs"
        raise UsageError("--since and --until are for --failed", hint=hint)
    else:
        found = _named(session, revisions or ["@"])
    if dry:
        _dry_run(session, found, how, several=failed)
    elif not found:
        session.say(["no run failed or was interrupted in this time"])
    elif len(found) == 1:
        with stop_on_signals() as control:
            raise typer.Exit(exit_code(_retry(session, found[0], how, control)))
    else:
        raise typer.Exit(_one_after_the_other(session, found, how))


def _named(session: Session, revisions: Sequence[str]) -> list[_Again]:
    """Return the runs that are meant, the oldest first, each once."""
    found: dict[str, _Again] = {}
    for text in revisions:
        revision, task = split_part(text)
        try:
            _, run = find_run(session.store, resolve(session.store, revision, now=session.now()))
        except NotFound as error:
            before = next(iter(found.values()), None)
            if before and text in session.store.snapshot(before.run.snapshot).tasks:
                hint = f"a part is written with a colon: `ork retry {before.run.name}:{text}`"
                raise UsageError(f"{text} is a task, and no run", hint=hint) from None
            raise error
        tasks = found[run.id].tasks if run.id in found else ()
        found[run.id] = _Again(run=run, tasks=(*tasks, task) if task else tasks)
    return [found[run_id] for run_id in sorted(found)]


def _that_failed(
    session: Session, workflows: Sequence[str], since: str | None, until: str | None
) -> list[_Again]:
    """Return the runs of some workflows, or of all, that did not succeed in a time."""
    if since is None:
        raise UsageError(
            "--failed needs --since: how far back",
            hint="`ork runs --status failed` lists what there is",
        )
    begin, end = parse_span(since, until, session.now())
    store, known = session.store, dict[Oid, Tally]()
    meant = dict.fromkeys(workflow_meant(store, one) for one in workflows)
    names: list[str | None] = [*meant] or [None]

    def is_meant(run: Run) -> bool:
        return run.state == "interrupted" or was_cut_off(run) or has_failed(store, run, known)

    found = [
        _Again(run=entry.run)
        for name in names
        for entry in runs(store, name, since=begin, until=end, having=is_meant)
        if entry.run.trigger != "bisect"
    ]
    return sorted(found, key=lambda one: one.run.id)


def _one_after_the_other(session: Session, found: Sequence[_Again], how: _How) -> int:
    """Retry runs, whatever becomes of those before them; return the highest exit code."""
    told = not (how.as_json or session.quiet)
    if told:
        names = some([one.run.name for one in found], NAMES_MAX)
        session.say([f"{human.count(len(found), 'run')}, the oldest first: {names}"])
    codes: dict[str, int] = {}
    with stop_on_signals() as control:
        for one in found:
            try:
                codes[one.run.name] = exit_code(_retry(session, one, how, control))
            except StoreError:
                raise
            except OrkError as error:
                print_error(session, error)
                codes[one.run.name] = error.exit_code
            if control.stops:
                break
    if told:
        good = sum(1 for code in codes.values() if code == 0)
        line: Line = [f"{good} of {human.count(len(found), 'run')} succeeded"]
        if bad := [name for name, code in codes.items() if code]:
            line.append(f"; not {some(bad, NAMES_MAX)}")
        if left := [one.run.name for one in found[len(codes) :]]:
            line.append(f"; stopped before {some(left, NAMES_MAX)}")
        session.print([line])
    return max(codes.values())


def _retry(session: Session, one: _Again, how: _How, control: Control) -> RunFinished:
    """Go on with a run, to its end."""
    caller = shared.caller_of(session, control)
    text, options = f"run:{one.run.id}", how.options(one.tasks)
    if not how.latest:
        from ork.daemon.fires import retried

        options = retried(session.store, text, options, now=caller.now)
    started = start.retry(session.store, text, options=options, latest=how.latest, caller=caller)
    if not (how.as_json or session.quiet):
        if good := started.beside:
            session.say(note_line(f"{good.name} succeeded and stays: a new run begins"))
        session.say(*_older(session, one.run, latest=how.latest), *map(note_line, started.notes))
    last = follow(session, started.events, control=control, as_json=how.as_json, logs=how.logs)
    if how.hooks:
        run_hook(session, last.run, caller, as_json=how.as_json)
    return last


def _dry_run(session: Session, found: Sequence[_Again], how: _How, *, several: bool) -> None:
    """Say what each would run; of several as one document."""
    from ork.cli.runs.dry_run import would_run_view

    store = session.store
    would: list[start.WouldRun] = []
    lines: list[Line] = []
    for one in found:
        caller = shared.caller_of(session)
        text, options = f"run:{one.run.id}", how.options(one.tasks)
        ready = start.prepare_retry(store, text, options=options, caller=caller, latest=how.latest)
        would.append(start.would_run(store, ready))
        if not how.as_json:
            session.say(*_older(session, one.run, latest=how.latest), *map(note_line, ready.notes))
            lines += would_run_view(would[-1], session)
    if not how.as_json:
        session.print(lines, page=True)
    elif several or len(would) > 1:
        session.print_json("dry-run-list", would)
    else:
        session.print_json("dry-run", would[0])


def _older(session: Session, run: Run, *, latest: bool) -> Iterator[Line]:
    """Yield a note when there is something newer than what a retry runs: a file, or a deploy."""
    workflow = Names(session.store).of(run)
    if (newest := newest_deploy(session.store, workflow)) is None:
        return
    again = f"`ork retry {run.name} --latest`"
    new = list(edited(session, workflow, f"`ork deploy {{}}`, then {again} runs with that"))
    yield from new
    if not new and not latest and newest.snapshot != run.snapshot:
        yield note_line(f"{run.name} goes on with the version that it had")
        yield hint_line(f"{again} runs the newest")


def on_every_save(session: Session, path: Path, run: Callable[[Control], object]) -> NoReturn:
    """Run whenever the definition in a file, or the code that it calls, is another than before.

    What is wrong with it is told once, and then waited for; so is what is saved while it runs.
    Only KeyboardInterrupt ends this, also for a signal that came while it ran, or a bug in `run`.
    """
    done: object = None
    wrong, root = "", path.parent
    while True:
        try:
            loaded = check(path)
        except (InvalidInput, NotFound) as error:  # as while git writes it anew
            if (now := f"{error.message}{getattr(error, 'problems', '')}") != wrong:
                session.say(*error_view(error))
            wrong = now
            _wait(root)
            continue
        root, found = loaded.root, _content(loaded)
        if found == done:
            if wrong:
                session.say([("good again: ", "success"), f"{path} is as it ran, nothing to run"])
            wrong = ""
            _wait(root)
            continue
        done, wrong = found, ""
        with stop_on_signals() as control, _telling_saves(session, loaded, control):
            try:
                run(control)
            except OrkError as error:
                session.say(*error_view(error))
        if control.stops:
            raise KeyboardInterrupt
        session.say([("watching ", "hint"), f"{path}, and the code that it calls; Ctrl-C ends"])


@contextmanager
def _telling_saves(session: Session, loaded: Loaded, control: Control) -> Iterator[None]:
    """Say of each save that makes another version of what runs that it was seen."""
    root, over = loaded.root.resolve(), Event()
    known = {*loaded.files, os.path.relpath(loaded.path.resolve(), root)}

    def is_saved() -> bool:
        with suppress(OrkError):  # told when the run has ended
            return _content(check(loaded.path)) != _content(loaded)
        return False

    control.is_saved = is_saved

    def look() -> None:
        told = done = _content(loaded)
        looked = False  # since the watching began: something may have been saved just before
        for changes in _saves(root, over):
            paths = (os.path.relpath(path, root) for _, path in changes)
            if looked and known.isdisjoint(paths):
                continue
            looked = True
            try:
                found = check(loaded.path)
            except OrkError:  # told when the run has ended
                continue
            if (now := _content(found)) == told:
                continue
            told = now
            text = (
                "" if now == done else f"{_edited(loaded, found)} was saved: runs again after this"
            )
            if control.notice:
                control.notice(text)
            elif text:
                session.say(note_line(text))

    watching = Thread(target=look, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _edited(old: Loaded, new: Loaded) -> str:
    """Return the first file of which two versions of a workflow have another content."""
    names = sorted(old.files.keys() | new.files.keys())
    return next((one for one in names if old.files.get(one) != new.files.get(one)), new.path.name)


def _content(loaded: Loaded) -> object:
    return loaded.snapshot, loaded.definition.settings


def _wait(root: Path) -> None:
    """Wait until something below a folder was saved, or a moment."""
    if root.is_dir():
        changes = _saves(root)
        next(changes, None)
        changes.close()
    else:  # it is away, as the file may be
        time.sleep(LOOK_MS / 1000)


def _saves(root: Path, over: Event | None = None) -> "Generator[set[FileChange], None, None]":
    """Yield what was saved below a folder, or nothing after a moment, until it is over."""
    from watchfiles import DefaultFilter, watch

    return watch(
        root,
        watch_filter=DefaultFilter(ignore_dirs=(*DefaultFilter.ignore_dirs, ".ork")),
        debounce=TOGETHER_MS,
        rust_timeout=LOOK_MS,
        yield_on_timeout=True,
        stop_event=over,
    )
