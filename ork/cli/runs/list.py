"""ork runs and ork outputs; a run and its tasks as text"""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli import options as shared
from ork.cli.screen import human
from ork.cli.screen.fit import Verbatim, abreast, cut
from ork.cli.screen.line import (
    Line,
    hint_line,
    json_parts,
    note_line,
    visible,
    with_name,
    with_names,
)
from ork.cli.screen.parts import (
    AUTHOR_CHARS_MAX,
    Row,
    aligned,
    clipped,
    column,
    given,
    is_narrow,
    person,
    telling_first,
)
from ork.cli.session import Session
from ork.errors import Corrupt, NotFound, UsageError, some
from ork.logs.begun import Beginnings, seconds_so_far
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import RUN_STATES, SECOND, Deploy, Run, Task, TaskRun, TaskRuns
from ork.objects.value import replace
from ork.store.resolve import newest_deploy, workflow_meant
from ork.store.revision import as_word, parse_span, split_part
from ork.store.runs import (
    HOOK_MAX,
    PAGE_RUNS,
    Hook,
    Names,
    RunEntry,
    records_of,
    refuse_unknown_triggers,
)
from ork.store.store import Store
from ork.store.verdict import failed_tasks, in_full, taint, taint_text, tainted
from ork.worktree.lookup import look_up, look_up_or_read

if TYPE_CHECKING:
    from ork.history.details import Python, RunDetails, TaskDetails

WRONG = ("failed", "interrupted", "cancelled")  # states of tasks that are shown first
PLACES_SHOWN = 5
DAMAGED_SHOWN = 10  # names of runs
VALUE_CHARS_MAX = 100
VALUE_OF_ONE_MAX = 1000  # characters of a value where one task is shown
BEFORE_MIN = 1.0  # seconds before its last attempt that are worth a word
TASK_COLUMNS = 12  # of its line beside that and the name: how long it took
BELOW_MAX = 20  # tasks that stand below each other even where there is room beside them


def runs(
    ctx: typer.Context,
    workflow: Annotated[
        str | None,
        typer.Argument(
            metavar="[WORKFLOW[:TASK]]",
            help="A workflow, or one task of it over time; all workflows when left out.",
        ),
    ] = None,
    by_task: Annotated[
        bool,
        typer.Option("--tasks", help="How long each task usually takes, and which got slower."),
    ] = False,
    limit: shared.Limit = None,
    status: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STATE",
            help=f"Only {', '.join(RUN_STATES)}, or several: failed,interrupted; of a task also "
            "pending, skipped, kept, 'left out', upstream_failed or damaged.",
        ),
    ] = None,
    containing: Annotated[
        str | None,
        typer.Option(
            metavar="OBJECT",
            help="Only runs that executed this task, or have this code file: REV:NAME, REV:PATH, "
            "an oid or a file on disk.",
        ),
    ] = None,
    snapshot: Annotated[
        str | None, typer.Option(metavar="REV", help="Only runs of exactly this definition.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "-i",
            "--input",
            metavar="NAME=VALUE",
            help="Only runs with this value of a parameter, read as `ork run` does.",
        ),
    ] = None,
    since: shared.NotBefore = None,
    until: shared.NotAfter = None,
    author: shared.Author = None,
    trigger: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHY",
            help=f"Only those that began by {', '.join(human.BEGAN_BY)}, or several; with retry, "
            "--since and --until mean when that began.",
        ),
    ] = None,
    with_archived: Annotated[
        bool, typer.Option("-a", "--all", help="Those of archived workflows as well.")
    ] = False,
    as_json: shared.Json = False,
) -> None:
    """List runs, newest first.

    etl:load lists what became of this task in each run, how long its attempts took, its output or
    the reason, and what was new there, against the run below: its definition, its code, its output.
    It is followed through its renames. `ork log etl:load` lists the deploys that changed it.

    With --tasks there is a line for each task of the newest version: how long it usually takes,
    which is the median of the attempts that succeeded, how long the last of these took, in how many
    runs it failed, and since which run it is slower or faster. Tasks that have become slower come
    first, then those that take longest. What an earlier run gave does not count. The newest 20 runs
    tell, or those that -n, --since and the like choose.

    --status failed has runs as well that were stopped when a task had failed.

    With --containing a task or file counts under whatever name it ran, also unattached and in other
    workflows. A task that was kept, left out or skipped was not executed. --author and --trigger
    find who began a run, and why, and those who retried it.

    \b
    Example:
        ork runs etl -n 10 --status failed,interrupted
        ork runs --author ada --trigger retry --since 2d
        ork runs etl:load
        ork runs etl --tasks
        ork runs --containing etl~1:load
        ork runs etl -i day=2026-11-01
    """
    from ork.store.runs import runs, tags_of, wanted

    session: Session = ctx.obj
    store, now = session.store, session.now()
    params: Mapping[str, Json] = {}
    had = None
    if inputs:
        from ork.params.recorded import having

        params = shared.parse_given(inputs)
        had = having(store, params)
    task = None
    if by_task:
        workflow = _of_all_tasks(store, workflow)
    elif workflow and ":" in workflow:
        from ork.history.tasks import workflow_and_task

        workflow, task = workflow_and_task(store, workflow)
    elif workflow:
        workflow = workflow_meant(store, workflow)

    own = f"{workflow}/" if workflow else ""
    kinds = ("archived", "queue", "tags")
    refs: dict[str, list[tuple[str, Oid]]] = {kind: [] for kind in kinds}
    # Together: one round trip.
    for ref, oid in store.refs_many("", ("archived/", f"queue/{own}", f"tags/{own}")):
        kind, _, name = ref.partition("/")
        refs[kind].append((name, oid))
    put_away = [name for name, _ in refs["archived"]]
    begin, end = parse_span(since or None, until or None, now)
    states, triggers = _listed(status), _listed(trigger)
    damage: list[Corrupt] = []
    found = runs(
        store,
        workflow,
        limit=None if task or by_task else limit,
        states=() if task else states,
        since=begin,
        until=end,
        executed=wanted(
            store,
            containing=look_up_or_read(store, containing, now=now) if containing else None,
            snapshot=look_up(store, snapshot, now=now) if snapshot else None,
        ),
        having=had,
        author=shared.matching(author),
        triggers=triggers,
        without=() if with_archived else put_away,
        damage=damage,
    )
    lines: Iterator[Line] | None = None
    if workflow and by_task:
        from ork.cli.runs.task import task_times_view
        from ork.history.tasks import TIMED_RUNS, task_times

        some_runs = TIMED_RUNS if limit is None and not since else limit
        damaged: list[str] = []
        times = task_times(store, found, workflow, limit=some_runs, damaged=damaged)
        if damaged:
            told = f"damaged, and not counted: {some(damaged, DAMAGED_SHOWN)}"
            session.say(note_line(told), hint_line("`ork fsck` says what they lack"))
        if as_json:
            session.print_json("task-times", times)
        else:
            lines = task_times_view(times, session)
    elif workflow and task:
        from ork.cli.runs.task import task_rows_view
        from ork.history.tasks import refuse_unknown, task_history, task_rows

        of_task = task_rows(store, found, workflow, task, states=states)
        shown = islice(of_task, limit)
        newest = next(shown, None)
        if newest is None:
            refuse_unknown(store, workflow, task, now=now)
        rows = chain([newest] if newest else [], shown)
        if as_json:
            session.print_json("task", with_names(task_history(store, workflow, task, rows)))
        else:
            lines = task_rows_view(rows, session)
    else:
        found = in_full(store, found, tags=tags_of(refs["tags"]))
        if as_json:
            session.print_json("runs", list(map(with_name, found)))
        else:
            lines = runs_view(found, session)
    if lines is not None:
        if waiting := len(refs["queue"]):
            told = f"{human.count(waiting, 'run')} wait{'s' if waiting == 1 else ''} for `ork up`"
            session.say(note_line(f"{told}: `ork schedule list`"))
        first = next(lines, None)
        if first is not None:
            session.print(chain([first], lines), page=True)
        elif not damage:
            session.say(["no runs"], *_what_is_wrong(store, workflow, params, triggers))
    if damage:
        raise damage[0]


def _of_all_tasks(store: Store, workflow: str | None) -> str:
    """Return the workflow that is named, else the only one; raise UsageError for one task of it."""
    if workflow and ":" in workflow:
        hint = f"`ork runs {as_word(workflow)}` tells of this task, run by run"
        raise UsageError("--tasks tells of all tasks: name a workflow alone", hint=hint)
    return workflow_meant(store, workflow or "@")


def _what_is_wrong(
    store: Store, workflow: str | None, params: Mapping[str, Json], triggers: tuple[str, ...]
) -> Iterator[Line]:
    """Yield a note where no run can have had these values, or have begun in this way."""
    from ork.params.recorded import refuse_params

    try:
        refuse_unknown_triggers(store, workflow, triggers)
        if params:
            refuse_params(store, workflow, params)
    except (NotFound, UsageError) as error:
        yield note_line(error.message)
        if error.hint:
            yield hint_line(error.hint)


def _listed(words: Iterable[str] | None) -> tuple[str, ...]:
    """Return the words of an option that may be given several times, or have a list."""
    return tuple(one for word in words or () for one in word.split(","))


def outputs(
    ctx: typer.Context,
    revision: Annotated[
        str,
        typer.Argument(
            metavar="[RUN[:TASK[.FIELD]]]",
            help="A workflow means its newest run; TASK may be a pattern: load_*.",
        ),
    ] = "@",
    as_json: Annotated[
        bool, typer.Option("--json", help="With the schema around it, as other commands print.")
    ] = False,
) -> None:
    """Print what tasks of a run returned, as JSON.

    Of one task the bare value, for other programs, or a part of it, by its path as `ork diff` shows
    it: `etl#1:load.tables[0].rows`. Of a run, and of several tasks, an object, task to value.

    \b
    Example:
        ork outputs etl#1:extract
        ork outputs etl#1:extract.rows
    """
    from ork.history.details import outputs

    session: Session = ctx.obj
    store = session.store
    values, value = outputs(store, revision, now=session.now())
    run = values.run
    workflow = Names(store).of(run)
    newest = newest_deploy(store, workflow) if "#" not in revision else None
    if newest and newest.snapshot != run.snapshot:
        session.say(note_line(f"{run.name} executed another version than the newest of {workflow}"))
    for name, changed in tainted(values.states).items():
        if name in values:
            session.say(note_line(f"{name}: {taint_text(changed)}"))
    if as_json:
        shown = values if value is values else {split_part(revision)[1]: value}
        session.print_json("outputs", shown)
        return
    parts = json_parts(value, ascii=False)
    if sys.stdout.isatty():
        parts = ("\n".join(map(visible, part.split("\n"))) for part in parts)
    sys.stdout.writelines(parts)
    sys.stdout.write("\n")


def runs_view(entries: Iterable[RunEntry], session: Session) -> Iterator[Line]:
    """Yield one line per run: snapshot if there is room, name, state, time, duration, reason.

    Of a run that goes on the duration is how long it has done so.
    """
    store = session.store
    now, width = session.now(), session.width
    narrow = is_narrow(width)

    def row(entry: RunEntry) -> Row:
        run = entry.run
        cells = [
            ("" if narrow else store.short(run.snapshot), "oid"),
            (run.name, "name"),
            (run.state, run.state),
            (human.moment(run.created, now, width), "time"),
            (f"{_took(store, run, now):>7}", ""),
        ]
        told = suspended(store, run)
        rest = f"  {told}" if told else ""
        rest += "" if run.deploy else "  unattached"
        rest += "  by bisect" if run.trigger == "bisect" else ""
        rest += f"  {made_up}" if (made_up := human.made_up(run, now)) else ""
        rest += "  partial" if entry.partial else ""
        rest += "  damaged" if entry.damaged else ""
        rest += "" if run.attempt == 1 else f"  {human.count(run.attempt, 'attempt')}"
        rest += "".join(f"  hook {which} failed" for which in entry.failed_hooks)
        rest += f"  {taint_text(entry.tainted)}" if entry.tainted else ""
        # What qualifies the state comes first: the end may be cut.
        line: Line = [rest, (given(entry.params), "dim")]
        line += [(f"  @{tag}", "tag") for tag in entry.tags]
        return cells, line, run.reason or ""

    shortened = store.shortened(_telling_first(entries), lambda entry: [entry.run.snapshot])
    return aligned(map(row, shortened), width)


def _telling_first(entries: Iterable[RunEntry]) -> Iterator[RunEntry]:
    """Yield runs; of those of a page of the list, parameters come first that differ among them."""
    waiting = iter(entries)
    while page := list(islice(waiting, PAGE_RUNS)):
        ordered = telling_first([entry.params for entry in page])
        for entry, params in zip(page, ordered, strict=True):
            yield replace(entry, params=params)


def run_view(details: "RunDetails", session: Session) -> Iterator[Line]:
    """Yield a run: what it executed, how it went, and a line per task."""
    store = session.store
    from ork.worktree.place import checkout_of

    run, now = details.run, session.now()
    short = store.short if session.width else str
    yield [("run      ", "label"), (run.name, "name"), "  ", run.id]
    states = _states(details, store)
    failed = failed_tasks(states).values() if run.state == "failed" else ()
    told_below = [one.reason or "" for one in failed]
    partial = "  partial" if details.partial else ""
    told = suspended(store, run)
    yield [*_state_line(run, unless_in=told_below), partial, f"  {told}" if told else ""]
    if changed := tainted(states):
        yield [
            ("tainted  ", "label"),
            (human.how_tainted(run.name, changed), "warning"),
        ]
    yield [("snapshot ", "label"), (short(run.snapshot), "oid")]
    deploy = short(run.deploy) if run.deploy else "none: the snapshot was run unattached"
    yield [
        ("deploy   ", "label"),
        deploy,
        *_of_deploy(store, run.deploy),
        *[(f" @{tag}", "tag") for tag in details.tags],
    ]
    *retries, first = records_of(store, run)
    by = human.BEGAN_BY.get(first.trigger) if first.trigger != "run" else None
    yield [("author   ", "label"), *human.people([first]), f"  {by}" if by else ""]
    if retries:
        yield [("retried  ", "label"), "by ", ", ".join(human.people(reversed(retries)))]
    if again := details.retry:
        yield [("retry    ", "label"), "by `ork up` on ", human.coming(again, now)]
    if details.params:
        yield [("params   ", "label"), _json(details.params)]
    took = ", took " if run.ended else ", goes on for "
    took = "" if run.ended and run.seconds is None else took + _took(store, run, now)
    tries = "" if run.attempt == 1 else f" in {human.count(run.attempt, 'attempt')}"
    last = ""
    if retries and run.ended and run.state != "interrupted":  # perhaps only noticed then
        last = f", ended {human.date(run.ended, now)}"
    yield [("date     ", "label"), human.date(run.created, now), took, tries, last]
    if run.scheduled:
        yield [("slot     ", "label"), human.date(run.scheduled, now)]
    if run.host:  # else the run was imported from where neither was recorded
        yield [("place    ", "label"), *_where(store, details, checkout_of(store, run))]
    if len(states) > 1:
        yield [("tasks    ", "label"), *_how_many(states)]
    yield [""]
    yield from _tasks(details, states, session, now)
    for hook in details.hooks:
        yield [""]
        yield from _hook(hook, session)


def tasks_view(details: "RunDetails", names: Iterable[str], session: Session) -> Iterator[Line]:
    """Yield some tasks of a run as it has them, in that order."""
    states = _states(details, session.store)
    some = {name: states[name] for name in names if name in states}
    yield from _tasks(details, some, session, session.now())


def _tasks(
    details: "RunDetails", states: Mapping[str, TaskRun], session: Session, now: datetime
) -> Iterator[Line]:
    """Yield a line for each of these tasks, first those that went wrong."""
    from ork.history.details import retried_at, waited, waits_for_next

    store, run, columns = session.store, details.run, session.width
    retried = retried_at(store, run)
    wrong, again, waiting = dict[str, str](), dict[str, str](), set[str]()
    for name, one in chain(failed_tasks(states).items(), states.items()):
        if one.state in WRONG:
            wrong[name] = one.reason or ""
        elif waits_for_next(one, retried):
            again[name] = _again(store, run, one, now)
        elif one.state == "pending":
            waiting.add(name)
    begun = Beginnings(store, run).now() if run.ended is None else {}
    hidden = waiting if len(waiting) > BELOW_MAX else set()  # then their number tells enough
    others = [name for name in states if name not in wrong and name not in hidden]
    marks = human.mark_columns(one.state for one in states.values())
    shown = clipped(others, columns and columns - marks - TASK_COLUMNS)
    width = column([*wrong, *shown.values()], columns)

    def line_of(name: str) -> Line:
        taskrun = states[name]
        value = details.tasks.gist(name, VALUE_CHARS_MAX) if taskrun.output else ""
        between = waited(taskrun, retried)
        attempt = begun.get((name, len(taskrun.attempts) + 1))
        took = ""
        if attempt and taskrun.state == "running":
            took = human.duration(max(0.0, (now - attempt.started).total_seconds()))
        told = again.get(name)
        name = shown.get(name, name)  # of what went wrong all is told, on several lines
        return task_line(
            name, taskrun, width, marks=marks, value=value, waited=between, again=told, took=took
        )

    # What went wrong comes first; of what follows from it, the cause is among that.
    yield from map(line_of, wrong)
    room = columns if len(others) > BELOW_MAX else None
    yield from abreast(([cut(line_of(name), columns)] for name in others), room)


def _of_deploy(store: Store, oid: Oid | None) -> Line:
    """Return the message of a deploy, and who made it; nothing of one that is gone."""
    with suppress(Corrupt):
        if oid is not None:
            deploy = store.get(Deploy, oid)
            by = person(deploy.author, AUTHOR_CHARS_MAX)
            return [f"  {deploy.message.partition(chr(10))[0]} (by {by})"]
    return []


def _took(store: Store, run: Run, now: datetime) -> str:
    """Return how long a run took, or has gone on by now, unless what it was before is lost."""
    if run.ended:
        return human.took(run)
    with suppress(Corrupt):
        return human.duration(seconds_so_far(store, run, now))
    return human.duration(None)


def suspended(store: Store, run: Run) -> str:
    """Return that the process of a run that goes on is suspended, and what to do; "" if not so."""
    if run.ended is not None:
        return ""
    from ork.runner import owner

    pid = owner.suspended(store, run)
    return f"suspended: `fg` continues it (process {pid})" if pid else ""


def _states(details: "RunDetails", store: Store) -> Mapping[str, TaskRun]:
    """Return the state of each task, of a run that goes on also of those not yet recorded."""
    recorded, run = details.tasks.states, details.run
    if run.ended is not None:
        return recorded
    begun = Beginnings(store, run).now()
    oids = store.snapshot(run.snapshot).tasks
    others = (
        (name, TaskRun(task=oids[name], state="running" if (name, 1) in begun else "pending"))
        for name in details.tasks.needs
    )
    return TaskRuns(chain(others, recorded.items()))


def _how_many(states: Mapping[str, TaskRun]) -> Line:
    """Return how many tasks are in each state, what went wrong first."""
    line: Line = []
    for (state, word), number in human.outcomes(states.values()):
        line += [*([", "] if line else []), (f"{number} {word}", state)]
    return line


def _hook(hook: Hook, session: Session) -> Iterator[Line]:
    """Yield how a hook went, and what is kept of what it printed."""
    from ork.cli.runs.logs import drawn_lines

    seconds = None if hook.duration is None else hook.duration / SECOND
    now = session.now()
    how, took = hook.state or "begun, and its end is not known", ""
    if hook.state is None and now - hook.started < HOOK_MAX:
        how = f"begun {human.near(hook.started, now)}; it goes on, unless its ork was killed"
    elif hook.state:
        took = f", took {human.duration(seconds)}"
    yield [
        (f"{hook.which:<10} ", "label"),
        (how, hook.state or "interrupted"),
        f", {human.date(hook.started, now)}{took}",
    ]
    yield ["    ", hook.line]
    if hook.error:
        yield ["    ", hook.error.partition("\n")[0]]
    label = "printed "
    for line in drawn_lines([hook.output.rstrip("\n").encode()]):
        yield Verbatim(["    ", (label, "dim"), line])
        label = " " * len(label)


def _where(
    store: Store, details: "RunDetails", checkout: Path | None
) -> Iterator[str | tuple[str, str]]:
    """Say where the tasks of a run executed, and where files that they wrote in a checkout are."""
    from ork.cli.diff.wording import listed
    from ork.history.details import Where

    run = details.run
    words = {"project": "the project's folder"}
    yield words.get(run.place, f"a {run.place}")
    if run.place == "project" and (folder := Where(run.host, run.environment).folder(store)):
        yield f" {folder}"
    others: dict[str, list[str]] = {}
    for name, it in details.tasks.states.items():
        for last in it.attempts[-1:]:
            if last.place:
                others.setdefault(words.get(last.place, f"a {last.place}"), []).append(name)
    for place, names in others.items():
        yield f", and {place} for "
        yield from listed(names, PLACES_SHOWN)
    if checkout is not None:
        yield f": {human.path(str(checkout))}" + (" has its files" if run.ended else "")


def _again(store: Store, run: Run, taskrun: TaskRun, now: datetime) -> str:
    """Return when the next attempt of a task begins that waits for it, or why there is none."""
    from ork.runner.watch import next_in

    if run.ended is not None:
        return f", not tried again: {run.reason or run.state}"
    left = next_in(store.get(Task, taskrun.task), taskrun.attempts[-1], now)
    return f", again in {human.about(left)}" if left else ", again soon"


def task_line(
    name: str,
    taskrun: TaskRun,
    width: int,
    *,
    marks: int = human.MARK_COLUMNS,
    value: str = "",
    waited: float = 0.0,
    again: str | None = None,
    took: str = "",
) -> Line:
    """Return one line about a task: state, name, duration, and its output or what went wrong."""
    line: Line = [
        "  ",
        (f"{human.mark(taskrun):<{marks}} ", taskrun.state),
        f"{name:<{width}}  {took or human.took(taskrun):>7}{_of_whole(taskrun, waited)}",
    ]
    if len(taskrun.attempts) > 1 or again:
        line.append((f"  attempt {len(taskrun.attempts)}{again or ''}", "dim"))
    if changed := taint(taskrun):
        line += ["  ", (taint_text(changed), "warning")]
    if taskrun.reason and taskrun.state != "success":
        line += ["  ", taskrun.reason]
    elif value:
        line += ["  ", (value, "dim")]
    return line


def _of_whole(taskrun: TaskRun, waited: float) -> str:
    """Return of how much time a task's last attempt was a part, if that was notably more.

    That is with all attempts, and what it waited between them.
    """
    before = sum(attempt.seconds for attempt in taskrun.attempts[:-1]) + waited
    whole = before + (taskrun.seconds or 0.0)
    return "" if before < BEFORE_MIN else f" of {human.duration(whole)}"


def taskrun_view(
    name: str,
    details: "TaskDetails",
    session: Session,
    *,
    whole: tuple[str, str],
    python: "Python | None" = None,
    waited: float = 0.0,
) -> Iterator[Line]:
    """Yield one task of a run: its state, values, and every attempt; of a failed one these first.

    `whole` are the commands that print all of a long input, and of a long output.
    """
    taskrun = details.taskrun
    short = session.store.short if session.width else str
    yield [("task     ", "label"), (name, "name"), "  ", (short(taskrun.task), "oid")]
    yield _state_line(taskrun, unless_in=[one.error or "" for one in taskrun.attempts])
    if python:
        version: Line = [f" ({python.version})"] if python.version else []
        yield [("python   ", "label"), human.path(python.path), *version]
    if of_whole := _of_whole(taskrun, waited):
        tries = human.count(len(taskrun.attempts), "attempt")
        yield [("took     ", "label"), f"{human.took(taskrun)}{of_whole}, in {tries}"]
    made: Line = (
        [("  when its output was made", "dim")] if taskrun.is_kept and details.inputs else []
    )
    values = [
        Verbatim([("inputs   ", "label"), *_value(details.inputs, whole[0]), *made]),
        Verbatim([("output   ", "label"), *_value(details.output, whole[1])]),
    ]
    if taskrun.last is None or taskrun.state != "failed":
        yield from values
        yield from _attempts(taskrun, session)
    else:
        yield from _attempts(taskrun, session)
        yield [""]
        yield from values


def _value(value: Json, whole: str) -> Line:
    """Return a value, of a long one the beginning and which command prints the whole of it."""
    text = _json(value)
    if len(text) <= VALUE_OF_ONE_MAX:
        return [text]
    return [f"{text[: VALUE_OF_ONE_MAX - 3]}...", (f"  `{whole}` prints all of it", "hint")]


def _attempts(taskrun: TaskRun, session: Session) -> Iterator[Line]:
    for attempt in taskrun.attempts:
        yield [""]
        date, took = human.date(attempt.started, session.now()), human.took(attempt)
        state = (attempt.state, attempt.state)
        where = f", in a {attempt.place}" if attempt.place else ""
        yield [
            ("attempt  ", "label"),
            f"{attempt.number}, ",
            state,
            f", {date}, took {took}{where}",
        ]
        if attempt.tainted:
            yield ["    ", (taint_text(attempt.tainted), "warning")]
        yield from (Verbatim(["    ", line]) for line in _error_lines(attempt.error or ""))


def _error_lines(error: str) -> list[str]:
    """Return the lines of an error; not the first where a traceback follows that ends with it."""
    lines = error.rstrip("\n").split("\n") if error else []
    return lines[2:] if len(lines) > 2 and lines[0] == lines[-1] and not lines[1] else lines


def _state_line(ended: Run | TaskRun, *, unless_in: Iterable[str]) -> Line:
    """Return how a run or a task ended, and why unless one of the texts below it says so."""
    heads = [text.partition("\n")[0] for text in unless_in if text]
    first = re.sub(r" \(and \d+ more\)$", "", ended.reason or "")  # of several that failed
    said = ended.reason is not None and first.endswith(tuple(heads))
    reason = f" - {ended.reason}" if ended.reason and not said else ""
    word: str = ended.state
    if isinstance(ended, TaskRun) and word != "success":
        word = human.outcome(ended)
    return [("state    ", "label"), (word, ended.state), reason]


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
