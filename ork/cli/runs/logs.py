"""ork logs"""

import codecs
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from ork.cli import options as shared
from ork.cli.screen import human
from ork.cli.screen.fit import cut
from ork.cli.screen.line import PRINTED, Line, Pieces, can_redraw, note_line, texts_of
from ork.cli.screen.output import unwritten
from ork.cli.session import Session, lasts
from ork.errors import Corrupt, UsageError
from ork.files import replace_file
from ork.logs.drawn import LINE_BYTES_MAX, LastStates, last_part, last_states
from ork.logs.reading import Log, refuse_removed, with_headings, with_pieces
from ork.logs.reading import logs as logs_of
from ork.objects.kinds import is_name
from ork.objects.value import replace
from ork.store.contents import run_and_tasks, task_runs
from ork.store.runs import going_on

if TYPE_CHECKING:
    from ork.runner.watch import NotStarted, Printed, Quiet

    Told: TypeAlias = NotStarted | Printed | Quiet

NAME_COLUMNS_MAX = 32
ROWS_DRAWN_MAX = 10  # of bars that move at a time: a window is hardly lower than that


def logs(
    ctx: typer.Context,
    revision: shared.RunOrTask = "@",
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Print what is added, until the end.")
    ] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Only tasks that failed.")] = False,
    attempt: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Only this attempt; the last otherwise.")
    ] = None,
    tail: Annotated[
        int | None,
        typer.Option(
            "-n", "--tail", min=0, metavar="N", help="So many lines at the end of each log."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a file for each attempt instead of printing."),
    ] = None,
    as_json: shared.Json = False,
) -> None:
    """Print what the tasks of a run wrote.

    One task's log comes as it is, byte for byte; several follow each other, each under its name;
    how many are empty is told at the end. On a terminal a log has the colours that the task gave
    it, and of a progress bar its last state. With -f a bar is drawn there as it moves, and
    elsewhere its last state is printed.

    With -f it goes on until the task, or the run, has ended, from one attempt to the next, and
    waits for a task that has not started; a workflow means its run that goes on. The lines of
    several tasks then come as they are printed, each with the name of its task before it.

    A pattern, quoted, means several tasks: 'etl:load_*'.

    With --export each attempt, not only the last, becomes a file DIR/TASK.ATTEMPT.log.

    \b
    Example:
        ork logs etl#57:extract
    """
    session: Session = ctx.obj
    if follow and failed:
        raise UsageError(
            "--failed: who fails is known when the run has ended", hint="leave out -f or --failed"
        )
    if export and (follow or as_json):
        raise UsageError("--export writes files: it goes with neither -f nor --json")
    if follow:
        _follow(session, revision, attempt=attempt, tail=tail, as_json=as_json)
        return
    found = logs_of(
        session.store,
        revision,
        now=session.now(),
        failed=failed,
        attempt=attempt,
        every=export is not None,
    )
    if export:
        _export(session, found, export, tail)
        return
    if as_json:
        both = with_pieces(session.store, found, tail=tail)
        session.print_json("logs", (_fields(log, data) for log, data in both))
        return
    run, tasks = run_and_tasks(session.store, revision, now=session.now())
    one = len(tasks) == 1
    for log in found[:1]:
        _say_which(session, revision, log.run)
    silent = 0
    for log, heading, data in with_headings(session.store, found, one=one, tail=tail):
        if heading:
            session.print([[(heading, "heading")]])
        elif not one and log.attempt:
            silent += log.reason is None and log.error is None  # which are told below
        if sys.stdout.isatty():
            session.print([(line, PRINTED)] for line in drawn_lines(data))
            _say_missing(session, log)
            continue
        last = b"\n"
        for piece in data:
            session.print_bytes(piece)
            last = piece[-1:]
        if not one and last != b"\n":
            session.print([[""]])
        _say_missing(session, log)
    if silent:
        session.say(note_line(f"{human.count(silent, 'task')} printed nothing"))
    if not found:
        none = f"no task of {revision if tasks else run.name} {'failed' if failed else 'has a log'}"
        session.say([f"{run.name}:{tasks[0]} has not failed" if one else none])


def _say_which(session: Session, revision: str, run: str) -> None:
    """Tell whose logs are shown, if who asked did not name a run, and there are several."""
    if "#" in revision or revision.startswith("run:"):
        return
    if len([*islice(session.store.refs(f"runs/{run.partition('#')[0]}/"), 2)]) > 1:
        session.say(note_line(f"logs of {run}"))


def _say_missing(session: Session, log: Log) -> None:
    """Tell that there is no log, or that a part of it is missing, if that is so."""
    if log.reason is not None:
        what = "printed nothing" if log.attempt else "has no log"
        told = log.reason.partition("\n")[0]
        session.say(note_line(f"{log.run}:{log.task} {what}: {told}"))
    if log.error is not None:
        session.say(note_line(human.cut_log(log.run, {log.task: log.error})))


def _export(session: Session, found: list[Log], folder: Path, tail: int | None) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for log, data in with_pieces(session.store, found, tail=tail):
            if not is_name(log.task):
                raise Corrupt(f"{log.run} has a task with a name that is none: {log.task!r}")
            path = folder / f"{log.task}.{log.attempt}.log"
            replace_file(path, data)
            _say_missing(session, log)
    except OSError as error:
        raise unwritten(f"--export {folder}", error) from None
    session.say([f"{human.count(len(found), 'log')} in {human.path(str(folder))}"])


def _follow(
    session: Session, revision: str, *, attempt: int | None, tail: int | None, as_json: bool
) -> None:
    from ork.runner.watch import follow

    lasts()
    store = session.store
    run, tasks = run_and_tasks(store, going_on(store, revision), now=session.now())
    if run.ended is not None:
        last = (taskrun.attempts[-1:] for taskrun in task_runs(store, run).values())
        refuse_removed(store, run, [attempt.log for attempts in last for attempt in attempts])
    printed = follow(store, run, clock=session.world.clock, tasks=tasks, attempt=attempt, tail=tail)
    name, one = run.name, len(tasks) == 1
    if as_json:
        for part, line in _lines(_texts(session, name, printed)):
            where = {"run": name, "task": part.task, "attempt": part.attempt}
            document = {"schema": "ork.log.v1", **where, "line": line}
            sys.stdout.write(json.dumps(document) + "\n")
            sys.stdout.flush()
        return
    _say_which(session, revision, name)
    states: dict[tuple[str, int], LastStates] = {}  # of what attempts have printed
    redraws = can_redraw(sys.stdout, session.world.environ)
    told = _drawn(session, printed, states, one=one) if redraws else printed
    texts = _last_states(_texts(session, name, told), states, waits=redraws)
    if one and not sys.stdout.isatty():
        for part in texts:
            session.print_bytes(part.data)
        return
    width = 0
    for part, line in _lines(texts):
        width = min(max(width, len(part.task)), NAME_COLUMNS_MAX)
        before = [] if one else [(f"{part.task:<{width}} | ", "label")]
        session.print([[*before, (last_part(line), PRINTED)]])
        sys.stdout.flush()


def _drawn(
    session: Session,
    printed: "Iterable[Told]",
    states: "Mapping[tuple[str, int], LastStates]",
    *,
    one: bool,
) -> "Iterator[Told]":
    """Pass on what is told; while nothing is, draw the lines that may yet be drawn over."""
    from ork.runner.watch import Quiet

    drawn = ""
    try:
        for told in printed:
            lines: list[Line] = []
            for (name, _), state in states.items() if isinstance(told, Quiet) else ():
                before = [] if one else [(f"{name} | ", "label")]
                lines += [[*before, (line, PRINTED)] for line in state.open_lines]
            shown = (cut(line, (session.width or 80) - 1) for line in lines[-ROWS_DRAWN_MAX:])
            text = "".join(texts_of(shown, color=session.color_on())).rstrip("\n")
            if text != drawn:
                rows = drawn.count("\n")
                up = f"\x1b[{rows}A" if rows else ""
                drawn = text
                sys.stdout.write(f"\r{up}\x1b[J{text}")
                sys.stdout.flush()
            yield told
    finally:
        if drawn:
            sys.stdout.write("\n")


def _lines(printed: "Iterable[Printed]") -> "Iterator[tuple[Printed, str]]":
    """Yield whole lines, each with the attempt that printed it."""
    lines: dict[tuple[str, int], Lines] = {}
    for part in printed:
        key = (part.task, part.attempt)
        for line in lines.setdefault(key, Lines()).add(part.data, over=part.over):
            yield part, line
        if part.over:
            del lines[key]


def _last_states(
    printed: "Iterable[Printed]", states: "dict[tuple[str, int], LastStates]", *, waits: bool
) -> "Iterator[Printed]":
    """Yield what was printed without what was drawn over; who printed last is last in `states`."""
    for part in printed:
        key = (part.task, part.attempt)
        state = states[key] = states.pop(key, LastStates(waits=waits))
        data = state.add(part.data, over=part.over)
        if part.over:
            del states[key]
        yield replace(part, data=data)


def _texts(session: Session, run: str, printed: "Iterable[Told]") -> "Iterator[Printed]":
    """Yield what was printed; tell of the tasks that have no log."""
    from ork.runner.watch import NotStarted, Printed

    for part in printed:
        if isinstance(part, Printed):
            yield part
            if part.error is not None:
                session.say(note_line(human.cut_log(run, {part.task: part.error})))
        elif isinstance(part, NotStarted):
            session.say(note_line(f"{run}:{part.task} has no log: {part.reason}"))


def drawn_lines(data: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of a log that comes piece by piece, of progress bars their last state."""
    lines = Lines()
    for piece in last_states(data):
        yield from map(last_part, lines.add(piece))
    yield from map(last_part, lines.add(b"", over=True))


def _fields(log: Log, data: "Iterable[bytes]") -> dict[str, Any]:
    """Return what the JSON document of some logs has of one."""
    names = ("run", "task", "attempt", "tainted", "error", "reason")
    text = codecs.iterdecode(data, "utf-8", "replace")
    return {**{name: getattr(log, name) for name in names}, "data": Pieces(text)}


class Lines:
    """The lines that an attempt prints: bytes come in as they arrive, whole lines go out."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, data: bytes, *, over: bool = False) -> list[str]:
        """Return the lines that are complete by now; when it is `over`, also one that is not."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if self._rest and (over or len(self._rest) > LINE_BYTES_MAX):
            lines.append(self._rest)
            self._rest = b""
        return [line.decode("utf-8", "backslashreplace") for line in lines]
