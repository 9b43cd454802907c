"""A run as it goes on: events as plain lines, JSON lines or a live view; signals that stop it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING, Any

from ork.cli.runs.list import task_line
from ork.cli.screen import human, signals
from ork.cli.screen.line import (
    PRINTED,
    Line,
    can_redraw,
    event_text,
    hint_line,
    next_line,
    note_line,
    unread_is_no_error,
)
from ork.cli.screen.parts import column
from ork.cli.session import Session, lasts
from ork.errors import OrkError, some
from ork.executors.base import adopting
from ork.history.details import python_of
from ork.logs.begun import seconds_so_far
from ork.logs.ends import end_of_log, last_lines, says_more
from ork.logs.reading import pieces
from ork.objects.kinds import Attempt, Deploy, Run, Task, TaskRun
from ork.runner.brake import SIGNAL
from ork.runner.events import (
    CheckedOut,
    Event,
    RunFinished,
    RunStarted,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from ork.runner.loop import Control
from ork.store.contents import task_runs
from ork.store.runs import HOOK_MAX
from ork.store.verdict import failed_tasks
from ork.worktree.folder import root_of
from ork.zone import here

if TYPE_CHECKING:
    from ork.runner.start import Caller
    from ork.store.store import Store

ENDS_MAX = 3  # of logs are printed below
ENDS_READ_MAX = 100  # of the logs of tasks that failed, to find those that are alike
NAMES_MAX = 5
HOOK_SILENT_S = 5.0  # then who waits for a hook is told that there is one
HOOKS = {"on_failure", "on_success"}
ASKERS: dict[int, str] = {
    signal.SIGINT: "the user",
    signal.SIGTERM: f"{SIGNAL} TERM",
    signal.SIGHUP: f"{SIGNAL} HUP, as when a terminal is closed",
}
# What lacks in a Python, and not in the captured code.
_NO_MODULE = "(?:ModuleNotFoundError|ImportError): (?!.*(?:`include:`|relative import))"
STOPPING = b"stopping: what runs may end, for a moment; Ctrl-C again kills it\n"


@contextmanager
def stop_on_signals() -> Iterator[Control]:
    """Turn Ctrl-C, TERM and HUP into requests to stop the run, while the block lasts.

    Signals that are ignored, such as HUP under `nohup`, stay ignored. The process is the run's:
    whatever its tasks leave behind becomes its child.
    """
    control = Control()

    def stop(number: int, frame: Any) -> None:
        signals.note(number)
        if number == signal.SIGHUP and control.stops:
            return  # of a terminal that is closed, the shell tells as well as the system
        control.stop(ASKERS[number])
        if control.stops == 1 and not can_redraw(sys.stderr, os.environ):
            with suppress(OSError):
                os.write(2, STOPPING)  # sys.stderr may be in the middle of a write

    before = {
        number: signal.signal(number, stop)
        for number in signals.ENDING
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        with adopting():
            yield control
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def follow(
    session: Session,
    events: Iterator[Event],
    *,
    control: Control | None = None,
    as_json: bool,
    logs: bool = False,
    watched: bool = False,
) -> RunFinished:
    """Show events as they come; return the last one. With --quiet show how it ended, if not well.

    With `logs` what a task has printed is shown when it ends. What is `watched` may have happened
    long ago: it has the times of the events, not of the telling.
    `control` says whether a stop was asked for. If nobody reads any more, or a full disk takes no
    more, the run goes on unseen; that output is lost is told at the end.
    """
    control = control or Control()
    lasts()
    try:
        if as_json:
            return _json_lines(session, events, control)
        if session.quiet:
            *_, finished = events
            assert isinstance(finished, RunFinished)
        elif not logs and can_redraw(sys.stderr, session.world.environ):
            from ork.cli.runs.live import live

            finished = live(session, events, control)
        else:
            finished = _plain_lines(session, events, control, logs=logs, watched=watched)
    finally:
        if isinstance(events, Generator):
            events.close()  # when we fail, the run ends now, while there is a store to record it
    if not session.quiet or finished.run.state != "success":
        summary(session, finished, ends=not logs, control=control)
    elif finished.folder:
        with unread_is_no_error(session.lost):
            session.say([human.left_files(f"the tasks of {finished.run.name}", finished.folder)])
    return finished


def exit_code(finished: RunFinished) -> int:
    """Return the exit code of a command for how its run ended."""
    code = {"success": 0, "cancelled": signals.exit_code()}.get(finished.run.state, 1)
    return 124 if finished.timed_out else code


def run_hook(session: Session, run: Run, caller: Caller, *, as_json: bool) -> None:
    """Execute the hook of a run that has ended, if it has one; nothing of the run depends on it."""
    if run.deploy is None or not HOOKS.intersection(session.store.get(Deploy, run.deploy).settings):
        return
    from ork.daemon.hooks import after

    def tell() -> None:
        minutes = f"{HOOK_MAX.total_seconds() / 60:.0f} minutes at most"
        session.say(note_line(f"a hook of {run.name} goes on, for {minutes}; Ctrl-C stops it"))

    late = Timer(HOOK_SILENT_S, tell)
    late.daemon = True
    try:
        hook = after(session.store, run, caller, begins=lambda _: late.start())
    except OrkError as error:
        session.say(note_line(f"the hook of the run: {error.message}"))
        return
    finally:
        late.cancel()
    if hook is None:
        return
    if as_json:
        with unread_is_no_error(session.lost):
            sys.stdout.write(event_text("ork.run.v1", hook, name="HookFinished") + "\n")
    elif hook.state != "success":
        name = run.name
        told = f"{hook.which} of {name} {hook.state}: {hook.error}; `ork show {name}` has its end"
        session.say(note_line(told))
    elif not session.quiet:
        more = f"; `ork show {run.name}` has what it printed" if hook.output else ""
        session.say([f"{hook.which} of {run.name} was executed{more}"])


def summary(
    session: Session,
    finished: RunFinished,
    *,
    ends: bool = True,
    control: Control | None = None,
) -> None:
    """Print how the run went and what to do next; after a failure also what the task printed.

    That is left out without `ends`. `control` tells whether a save runs it again.
    """
    run = finished.run
    name = run.name
    saved = None
    if control and control.is_saved and not control.stops:
        saved = control.is_saved()
    failed: dict[str, TaskRun] = {}
    if "failed" in finished.states:
        states = task_runs(session.store, run)
        failed = failed_tasks(states)
    told = failed
    if failed and run.previous:  # a retry tells of what it executed, not of what failed before
        before = task_runs(session.store, session.store.get(Run, run.previous))
        told = {name: one for name, one in failed.items() if before.get(name) != one}
    with unread_is_no_error(session.lost):
        if ends and (more := len(told) - _say_ends(session, told)):
            session.say(
                note_line(
                    f"the ends of {human.count(more, 'more log')}: `ork logs {name} --failed`"
                )
            )
    with unread_is_no_error(session.lost):
        # What a task did wrong stands above, but for --quiet; what ended the whole, nowhere else.
        untold = session.quiet or not told or run.state != "failed" or finished.timed_out
        why = f"{run.reason.partition(chr(10))[0]}; " if untold and run.reason else ""
        how = f" in {_took(session, run)}: {why}{_counts(finished)}"
        session.print([[(name, "name"), " ", (run.state, run.state), how]])
        sys.stdout.flush()
    with unread_is_no_error(session.lost):
        if finished.tainted:
            again = "" if saved is None else "it runs again as it is now"
            means = human.how_tainted(name, finished.tainted, again=again)
            session.say([("tainted: ", "warning"), means])
        if finished.cut_logs:
            session.say(note_line(human.cut_log(name, finished.cut_logs)))
        if finished.folder:
            session.say([human.left_files("its tasks", finished.folder)])
    with unread_is_no_error(session.lost):
        if run.state == "failed":
            session.say(*after_failure(session, run, told or failed, show=True, saved=saved))
            return
        ways = () if run.state == "success" else retries(session, run)
        session.say(next_line(human.either([f"`ork show {name}`", *ways])))


def after_failure(
    session: Session,
    run: Run,
    failed: Iterable[str],
    *,
    show: bool = False,
    saved: bool | None = None,
) -> Iterator[Line]:
    """Yield what has changed since the last good run, and what to do about a failed one.

    `failed` are its tasks that did, in that order; with `show` to look at the run is told as well.
    Where every save runs it again, `saved` says whether there was one already.
    """
    from ork.cli.diff.runs import since_good

    if line := since_good(session.store, run):
        yield line
    failed = list(failed)
    if line := _python_without(session, run, failed):
        yield line
    name, first = run.name, next(iter(failed), None)
    ways = []
    if first:
        last = task_runs(session.store, run)[first].last
        is_told = last and last.log and last.log.length and _is_in_log(session.store, last)
        ways = [f"`ork {'logs' if is_told else 'show'} {name}:{first}`"]
    ways += [f"`ork show {name}`"] if show else []
    if saved is None:
        ways += retries(session, run, first)
    elif not saved:
        ways += ["a save, which runs it again"]
    yield next_line(human.either(ways))


def _is_in_log(store: Store, attempt: Attempt) -> bool:
    """Say whether the end of a log has all that an error says, but for its first line.

    It has a traceback, but not where a task was when its time was over.
    """
    lines = (attempt.error or "").splitlines()
    return len(lines) < 2 or lines[-1] in last_lines(store, attempt.log)


def retries(session: Session, run: Run, first: str | None = None) -> Iterator[str]:
    """Yield how a run can be gone on with; `first` is its first task that failed."""
    yield f"`ork retry {run.name}`"
    if kept := _kept_before(session.store, run, first) if first else None:
        yield f"`ork retry {run.name} --from {kept}` if files of {kept}, which was kept, are gone"
    if session.store.ref(f"workflows/{run.workflow}") != run.deploy:
        yield f"`ork retry --latest {run.name}` with the newest version"
    if run.scheduled:
        from ork.daemon.fires import coming_retry_of, is_up  # which other runs do without

        if again := coming_retry_of(session.store, run, now := session.now()):
            wait = "" if is_up(session.store) is False else "wait for "
            yield f"{wait}`ork up`, which retries it on {human.coming(again, now)}"


def _python_without(session: Session, run: Run, failed: Iterable[str]) -> Line | None:
    """Return in which Python a task found no module, and how another one is chosen.

    Of a module that the last good run had in its code, return where that is.
    """
    store = session.store
    with suppress(OrkError):  # no damage must take the summary away
        states = task_runs(store, run)
        lost = (states[name] for name in failed if re.match(_NO_MODULE, states[name].reason or ""))
        if (task := next(lost, None)) and (its := python_of(store, run, task)):
            python = its.path
            top = re.search(r"No module named '([^'.]+)", task.reason or "")
            files = store.snapshot(run.snapshot).files
            if top and (line := _gone(store, run, files, top[1]) or _above(store, run, top[1])):
                return line
            src = tuple(f"src/{top[1]}{end}" for end in ("/", ".py")) if top else ()
            if any(path.startswith(src) for path in files):
                cure = (
                    "`env: {PYTHONPATH: src}` at the top of the file, or `pip install -e .` with it"
                )
                return [("python: ", "hint"), f"{python}; it does not look into src: {cure}"]
            ways = "`python:` in the file, ORK_PYTHON, or a .venv beside the file"
            active = session.world.environ.get("VIRTUAL_ENV")
            if run.deploy and store.get(Deploy, run.deploy).settings.get("python"):
                ways = "`python:` in the file"
            elif active and not Path(python).is_relative_to(active):
                other = shlex.quote(f"{active}/bin/python")
                ways += f"; the environment that is active: `export ORK_PYTHON={other}`"
            return [("python: ", "hint"), f"{python}; another one is chosen by {ways}"]
    return None


def _gone(store: Store, run: Run, files: Collection[str], module: str) -> Line | None:
    """Return where the last good run had a module in its code that a run does not have."""
    from ork.cli.diff.runs import RUNS_LOOKED_AT_MAX
    from ork.history.compare_runs import last_good

    good = last_good(store, run, within=RUNS_LOOKED_AT_MAX)
    before = store.snapshot(good.snapshot).files if good else ()
    its = re.compile(rf"(?:.*/)?{re.escape(module)}(?:\.py|/.*)")
    gone = [path for path in before if its.fullmatch(path) and path not in files]
    if good is None or not gone:
        return None
    command = f"`ork show {good.name}:{shlex.quote(gone[0])}`"
    return [(f"{module}: ", "hint"), f"{good.name} had it, in {gone[0]}: {command} prints it"]


def _above(store: Store, run: Run, module: str) -> Line | None:
    """Return how a module is found that lies in the folder above the root of a run."""
    if run.deploy is None:
        return None
    deploy = store.get(Deploy, run.deploy)
    file = store.project / deploy.source.path
    above = root_of(file, deploy.settings).parent
    if not ((above / module).is_dir() or (above / f"{module}.py").is_file()):
        return None
    root = os.path.relpath(above, file.resolve().parent)
    told = f"it lies in {os.path.relpath(above)}, where imports and paths begin with"
    return [(f"{module}: ", "hint"), f"{told} `root: {root}` at the top of the file"]


def _kept_before(store: Store, run: Run, task: str) -> str | None:
    """Return a task that this one needs and of which this run has only what another recorded."""
    states = task_runs(store, run)
    needs = store.get(Task, states[task].task).depends_on
    return next((name for name in needs if states[name].is_kept), None)


def event_lines(event: Event, width: int, at: str) -> list[Line]:
    """Return the lines that tell of an event: one, or none, or a second one with a hint."""
    time = (at, "time")
    match event:
        case RunStarted(run=run, tasks=tasks):
            name, oid = run.name, run.snapshot[:12]
            size = human.count(len(tasks), "task")
            where = f", in {human.path(event.folder)}" if event.folder else ""
            return [[time, "  run ", (name, "name"), " of ", (oid, "oid"), f", {size}{where}"]]
        case CheckedOut():
            words, hint = checked_out(event)
            return [[time, "  ", *words], hint]
        case TaskStarted():
            attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
            return [[time, ("  start    ", "running"), event.task, attempt]]
        case TaskRetried():
            error = event.error.partition("\n")[0]
            again = f"again in {human.duration(event.delay)}" if event.delay else "trying again"
            return [[time, ("  retry    ", "cancelled"), event.task, f"  {error}, {again}"]]
        case TaskFinished():
            return [[time, *task_line(event.task, event.taskrun, width)]]
    return []


def _is_idle(event: Event) -> bool:
    """Say whether this tells of a task that the run, or its retry, does not execute."""
    return isinstance(event, TaskFinished) and (event.kept or not event.taskrun.attempts)


def idle_lines(
    events: Iterable[Event],
    width: int,
    at: str,
    selected: Collection[str],
    *,
    names_max: int = NAMES_MAX,
) -> Iterator[Line]:
    """Yield a line for all tasks that are not executed for the same reason, the selected first."""
    alike: dict[tuple[str, str | None], list[TaskFinished]] = {}
    idle = [event for event in events if isinstance(event, TaskFinished)]
    for event in sorted(idle, key=lambda one: one.task not in selected):
        # What a retry does not try again was told of by the attempt that it ended in.
        if not event.kept or event.taskrun.state == "success":
            word, reason = human.mark(event.taskrun), event.taskrun.reason
            alike.setdefault(("kept" if event.kept else word, reason), []).append(event)
    for (word, reason), tasks in alike.items():
        line: Line = [at, "  ", (f"{word:<8} ", tasks[0].taskrun.state)]
        names = some([one.task for one in tasks], names_max)
        yield [*line, f"{names:<{width}}  {reason}" if reason else names]


def checked_out(event: CheckedOut) -> list[Line]:
    """Return the words for a run that cannot go on in the project's folder, and what to do."""
    first, *others = event.changed
    more = f" and {human.count(len(others), 'other file')}" if others else ""
    told = f"{first}{more} {'are' if others else 'is'} no longer as recorded"
    words = f"{told}: tasks start in {human.path(event.folder)} from now on"
    hint = f"nothing to do if you edited it; if a task writes it, as data: `exclude: [{first}]`"
    return [[words], hint_line(hint)]


def _json_lines(session: Session, events: Iterator[Event], control: Control) -> RunFinished:
    for event in events:
        with unread_is_no_error(session.lost):
            sys.stdout.write(event_text("ork.run.v1", event) + "\n")
            if not control.more:
                sys.stdout.flush()
    assert isinstance(event, RunFinished)
    return event


def _plain_lines(
    session: Session, events: Iterator[Event], control: Control, *, logs: bool, watched: bool
) -> RunFinished:
    width = 0
    selected: Collection[str] = ()
    lines: list[Line] = []
    last: datetime | None = None
    clock = human.CLOCK if sys.stderr.isatty() else human.DATE

    def at() -> str:
        return (last or here(session.world.clock())).strftime(clock)

    for idle, group in groupby(events, _is_idle):
        if idle:
            lines += idle_lines(group, width, at(), selected)
            continue
        for event in group:
            if isinstance(event, RunStarted):
                width = column(event.tasks, session.width)
                selected = {*(event.run.selected or ())}
            if watched and (time := _time_of(session, event)):
                last = here(time)
            lines += event_lines(event, width, at())
            if logs and isinstance(event, TaskFinished):
                session.say(*lines)
                lines = []
                _say_log(session, event.task, event.taskrun)
            if lines and not control.more:
                session.say(*lines)
                lines = []
    assert isinstance(event, RunFinished)
    return event


def _time_of(session: Session, event: Event) -> datetime | None:
    """Return when an event happened; None where that is not known."""
    match event:
        case RunStarted(run=run):
            now, store = session.now(), session.store
            before = store.get(Run, run.previous).seconds if run.previous else None
            return now - timedelta(seconds=seconds_so_far(store, run, now) - (before or 0.0))
        case TaskStarted() | TaskRetried():
            return event.time
        case TaskFinished(taskrun=taskrun) if taskrun.last:
            return taskrun.last.ended
    return None


def _say_log(session: Session, task: str, taskrun: TaskRun) -> None:
    """Print what a task has printed in its last attempt, line by line."""
    from ork.cli.runs.logs import drawn_lines

    log = taskrun.last.log if taskrun.last else None
    for line in drawn_lines(pieces(session.store, log)):
        session.say([(f"{task} | ", "label"), (line, PRINTED)])


def _took(session: Session, run: Run) -> str:
    """Return how long a run took, and after a retry how much of that was the last attempt."""
    before = session.store.get(Run, run.previous).seconds if run.previous else None
    last = (run.seconds or 0.0) - (before or 0.0)
    if before is None or last < 0:  # older records have the last attempt alone
        return human.took(run)
    return f"{human.took(run)} ({human.duration(last)} this time)"


def _counts(finished: RunFinished) -> str:
    counts: Counter[str] = Counter()
    for state, number in finished.states.items():
        if state == "skipped":
            counts["kept"] = finished.kept
            counts["skipped"] += finished.unmet
            counts["left out"] = number - finished.kept - finished.unmet
        else:
            counts[human.STATE_WORDS.get(state, state)] += number
    words = sorted(human.OUTCOMES, key=lambda word: word != "succeeded")
    return ", ".join(f"{counts[word]} {word}" for word in words if counts[word])


def _say_ends(session: Session, failed: Mapping[str, TaskRun]) -> int:
    """Print the ends of some logs, each once; return of how many tasks all is told by now."""
    alike: dict[str, list[str]] = {}
    for task in islice(failed, ENDS_READ_MAX):
        last = failed[task].last
        text = end_of_log(session.store, last.log if last else None)
        if not (session.quiet or says_more(text.split("\n"), failed[task].reason)):
            text = ""
        alike.setdefault(text, []).append(task)
    told = len(alike.pop("", ()))  # why these failed stands in the line of each
    for text, (task, *others) in islice(alike.items(), ENDS_MAX):
        lines: list[Line] = [[(line, PRINTED)] for line in text.split("\n")]
        same = f", and the same of {some(others, NAMES_MAX)}" if others else ""
        session.say([(f"--- the end of the log of {task}{same}", "dim")], *lines, [("---", "dim")])
        told += 1 + len(others)
    return told
