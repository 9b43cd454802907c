"""The difference of two runs as lines: the answer first, then each layer, also the equal ones."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice

from ork.cli.diff.text import diff_view
from ork.cli.diff.wording import as_line, field_texts, hunk_lines, replacement, sizes, value_text
from ork.cli.screen import human
from ork.cli.screen.fit import Verbatim, after
from ork.cli.screen.line import Line, note_line, plain
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.differences import lines
from ork.differences.definitions import SHORT_DIFF_LINES, Diff, summarize, with_hunks
from ork.differences.renames import family
from ork.differences.runs import Divergence, TaskDiff
from ork.differences.tasks import together
from ork.differences.values import FieldChange, sides
from ork.errors import OrkError, some
from ork.history.compare_runs import (
    RunDiff,
    definition_diff,
    first_bad,
    last_good,
    other_environment,
    proof,
)
from ork.objects.kinds import Run, TaskRun
from ork.objects.value import replace
from ork.store.runs import Names
from ork.store.store import Store
from ork.store.verdict import of_newest, verdict

PAD = 13  # columns of the names of the layers
VALUE_CHARS_MAX = 100
VALUES_MAX = 10  # lines for what differs in one value
LINES_MAX = 24  # of a text that differs,
LINE_MAX = 200  # of which none is longer
TIMES_MAX = 10  # tasks whose time differs
NAME_COLUMNS_MAX = 32
ORIGINS_MAX = 3  # that are told of the inputs of a task
TASKS_NAMED_MAX = 10  # that ran in another environment
ORIGINS_TASKS_MAX = 10  # of which nothing else is told
EDITS, ENDS = {"definition", "code"}, {"state", "error", "added", "removed"}  # of KINDS
RUNS_LOOKED_AT_MAX = 200  # a summary must not wait for the reading of a long history


def show_runs(session: Session, found: RunDiff, *, form: str, note: str) -> bool:
    """Show what differs between two runs, layer by layer; say whether anything does.

    A `note` stands in what is read elsewhere, else beside it.
    """
    store = session.store
    hunks = with_hunks(found.definition, store.blob, lines_max=SHORT_DIFF_LINES)
    found = replace(found, definition=hunks)
    if form == "json":
        session.print_json("diff-runs", found)
    elif form == "markdown":
        text = _markdown(found, session, note)
        session.print(([line] for line in text), page=True, verbatim=True)
    else:
        session.print(diff_runs_view(found, session, session.width), page=True)
    if note and form != "markdown":
        session.say(note_line(note))
    return bool(found)


def diff_runs_view(diff: RunDiff, session: Session, width: int | None) -> Iterator[Line]:
    """Yield where the runs part and why, then every layer: one short line where it is equal."""
    yield from _answer(diff)
    yield [""]
    yield from _runs(diff, session)
    yield from _definition(diff, session, width)
    yield from _code(diff, width)
    yield from _slots(diff, session)
    yield from _values("parameters", diff.params)
    yield from _inputs(diff)
    yield from _environment(diff)
    yield from _outcome(diff)
    yield from _timing(diff)


def _markdown(diff: RunDiff, session: Session, note: str) -> Iterator[str]:
    """Yield the same lines as a block of code below a title, and what is to be noted between."""
    from ork.cli.diff.markdown import code, fenced

    yield f"### {code(diff.old.name)} → {code(diff.new.name)}"
    yield ""
    if note:
        yield f"Note: {note}"
        yield ""
    yield from fenced(map(plain, diff_runs_view(diff, session, None)), "text")


def since_good(store: Store, failed: Run) -> Line | None:
    """Return the line that tells what changed since the last good run, if there was one.

    Never fails: a store that is damaged in old parts must not take the summary of a run away.
    """
    with suppress(OrkError):
        if good := last_good(store, failed, within=RUNS_LOOKED_AT_MAX):
            name = good.name
            newest = next(iter(store.refs(f"runs/{failed.workflow}/", newest_first=True)))[0]
            workflow = Names(store).of(failed)
            is_newest = newest == failed.id and any(of_newest(store, workflow, [failed]))
            is_bad = is_newest and verdict(store, failed) == "bad"
            is_last = is_bad and first_bad(store, good, failed).id == failed.id
            ends = f"--last {failed.workflow}" if is_last else f"{name} {failed.name}"
            which = "good" if good.params == failed.params else "good, other parameters"
            told = f" ({which}): {_changes(store, good, failed)} - `ork diff {ends}`"
            return [("since ", "hint"), (name, "name"), told]
    return None


def _changes(store: Store, good: Run, failed: Run) -> str:
    clauses = []
    found, blamed = definition_diff(store, good, failed)
    if found:
        text = summarize(found, first=blamed)
        clauses.append(text[0].lower() + text[1:])
        if proved := proof(store, good, failed):
            clauses.append(str(proved))
    if environment := other_environment(store, good, failed):
        clauses.append(f"another {environment}")
    if clauses:
        return "; ".join(clauses)
    if good.params != failed.params:
        return "nothing in the definition or environment changed"
    both = good.scheduled and failed.scheduled
    slot = "only the slot differs; " if both and good.scheduled != failed.scheduled else ""
    return f"{slot}nothing in the definition, parameters or environment changed"


def _answer(diff: RunDiff) -> Iterator[Line]:
    for side in (diff.old, diff.new):
        if side.tainted:
            how = human.how_tainted(side.name, side.tainted)
            yield [(f"{side.name} is tainted: ", "warning"), how]
    if diff.first:
        told = [_divergence("first difference", diff.first)]
        if diff.outcome and diff.outcome.task != diff.first.task:
            what = "outcome" if ENDS & {*diff.outcome.kinds} else "output"
            told.append(_divergence(f"first other {what}", diff.outcome))
            # Runs of each day have other parameters: what was changed by hand tells more. But not
            # where it proved good since.
            edited = EDITS & {*diff.outcome.kinds} and not (ENDS | EDITS) & {*diff.first.kinds}
            if {*diff.first.kinds} <= {*EDITS, "maybe"} if diff.good_since else edited:
                told.reverse()
        yield from told
    else:
        about = f" in {', '.join(diff.names)}" if diff.names else ""
        equal = f"no difference between {diff.old.name} and {diff.new.name}{about}"
        yield [("no task that both executed differs" if diff else equal, "heading")]
    if diff.good_again:
        yield [("good again ", "success"), "since ", (diff.good_again, "name")]
    for side in (diff.old, diff.new):
        if side.run.ended is None:
            yield [(f"{side.name} goes on: this is how far it is", "warning")]


def _divergence(title: str, found: Divergence) -> Line:
    return [(f"{title}: ", "heading"), (quoted(found.task), "name"), f" - {found.why}"]


def _runs(diff: RunDiff, session: Session) -> Iterator[Line]:
    sides = (diff.old, diff.new)
    pads = column(side.name for side in sides), column(side.run.state for side in sides)
    for label, side in zip(("old", "new"), sides, strict=True):
        run = side.run
        remarks = [f"attempt {run.attempt}"] if run.attempt > 1 else []
        remarks += [] if run.deploy else ["unattached"]
        remarks += ["with outputs of an earlier run"] if run.base else []
        yield [
            *_lead(label),
            (f"{side.name:<{pads[0]}}", "name"),
            "  ",
            (f"{run.state:<{pads[1]}}", run.state),
            "  ",
            (human.date(run.created, session.now()), "time"),
            *(["  ", ", ".join(remarks)] if remarks else []),
        ]


def _definition(diff: RunDiff, session: Session, width: int | None) -> Iterator[Line]:
    old, new = (session.store.short(side.run.snapshot) for side in (diff.old, diff.new))
    settings = diff.definition.settings
    rest = replace(diff.definition, files=(), settings=())
    if old != new and (rest or settings):
        yield [*_lead("definition"), (old, "oid"), " -> ", (new, "oid")]
        yield from _indented(replace(rest, settings=settings), width)
        return
    same: Line = [" (", (old, "oid"), ")"] if old == new else []
    yield [*_lead("definition"), "the same", *same]
    if settings:  # which no snapshot has
        yield [*_lead("settings"), human.count(len(settings), "change")]
        yield from islice(_indented(Diff(settings=settings), width), 1, None)


def _code(diff: RunDiff, width: int | None) -> Iterator[Line]:
    files = diff.definition.files
    if unkept := [side.name for side in (diff.old, diff.new) if side.without_code]:
        yield [*_lead("code"), f"not known: that of {' and '.join(unkept)} was never kept"]
        return
    if not files:
        yield [*_lead("code"), "the same"]
        return
    yield [*_lead("code"), human.count(len(files), "file")]
    # Without its heading, "files", which has just been said.
    yield from islice(_indented(Diff(files=files), width), 1, None)


def _indented(diff: Diff, width: int | None) -> Iterator[Line]:
    for line in diff_view(diff, width=width and max(width - 2, 20)):
        yield after(["  "], line)


def _values(label: str, changes: Sequence[FieldChange]) -> Iterator[Line]:
    if not changes:
        yield [*_lead(label), "the same"]
    for index, change in enumerate(changes):
        yield [*_lead("" if index else label), *_change(change)]


def _slots(diff: RunDiff, session: Session) -> Iterator[Line]:
    """Yield for which slot of a schedule each run was started, if one was."""
    old, new = (
        human.slot(side.run.scheduled, session.now()) if side.run.scheduled else "none"
        for side in (diff.old, diff.new)
    )
    if diff.slots:
        yield [*_lead("slot"), *replacement("changed", old, new)]


def _inputs(diff: RunDiff) -> Iterator[Line]:
    tasks = [task for task in diff.tasks if task.inputs]
    yield _lead_of("inputs", tasks)
    groups = list(_families(tasks, lambda one: (_origins(one), one.own_inputs)))
    # What was received as others gave it is told there: of many tasks the first are enough.
    plain = [] if diff.names else [group for group in groups if not group[0].own_inputs]
    left_out = plain[ORIGINS_TASKS_MAX:]
    groups = [group for group in groups if group not in left_out]
    width = _columns(groups)
    for group in groups:
        origins = _origins(group[0])
        yield ["  ", (f"{_label(group):<{width if origins else 0}}", "name"), *origins]
        changes = group[0].inputs if diff.names else group[0].own_inputs
        yield from _some(changes, group[0], diff)
    if left_out:
        count = human.count(sum(map(len, left_out)), "task")
        yield [f"  and {count} more, with values from others alone (--json has all)"]


def _origins(task: TaskDiff) -> Line:
    """Return of what inputs are the same value, whose change is told there."""
    names = sorted({*task.passed_on.values()})
    return [("  from ", "dim"), some(names, ORIGINS_MAX)] if names else []


def _environment(diff: RunDiff) -> Iterator[Line]:
    missing = [side.name for side in (diff.old, diff.new) if side.run.environment is None]
    if missing and not diff.environment:
        yield [*_lead("environment"), f"not recorded by {' and '.join(missing)}"]
        return
    shown = [replace(c, path=c.path.removeprefix("distributions.")) for c in diff.environment]
    yield from _values("environment", shown)
    if diff.environment_of:
        yield [*_lead(""), ("of ", "dim"), some(diff.environment_of, TASKS_NAMED_MAX)]


def _outcome(diff: RunDiff) -> Iterator[Line]:
    tasks = [task for task in diff.tasks if _ended_otherwise(task)]
    sides = [side for task in tasks for side in (task.old, task.new) if side]
    below = [side.reason for side in sides if side.reason]
    if diff.names:
        yield _lead_of("outcome", tasks)  # that of a run may be of another task
    else:
        yield [*_lead("outcome"), *_states(diff.old.run, diff.new.run, told=below)]
    groups = list(_families(tasks, lambda one: (_task_states(one, told=()), one.output)))
    width = _columns(groups)
    first = diff.outcome or diff.first
    for group in groups:
        task, told = group[0], []
        if first and first.task == task.name and not (task.old and task.old.reason):
            told = [why for why in below if why in first.why]  # at the top
        states = _task_states(task, told=told)
        yield ["  ", (f"{_label(group):<{width}}", "name"), "  ", *states]
        yield from _some(task.output, task, diff)


def _ended_otherwise(task: TaskDiff) -> bool:
    kinds = {"state", "error", "output", "added", "removed"} & {*task.kinds}
    return bool(kinds) or task.old_name is not None or _tries(task.old) != _tries(task.new)


def _task_states(task: TaskDiff, told: Collection[str]) -> Line:
    if task.old is None or task.new is None:
        side = task.new or task.old
        which = "new" if task.old is None else "old"
        return [*_states(side, side, told=told), ("  only in the " + which + " run", "dim")]
    remarks = [f"renamed from {quoted(task.old_name)}"] if task.old_name else []
    tries = _tries(task.old), _tries(task.new)
    if tries[0] != tries[1] and 0 not in tries:
        remarks.append(f"{tries[0]} -> {human.count(tries[1], 'attempt')}")
    rest = [("  " + ", ".join(remarks), "dim")] if remarks else []
    return [*_states(task.old, task.new, told=told), *rest]


def _states(old: Run | TaskRun | None, new: Run | TaskRun | None, *, told: Collection[str]) -> Line:
    """Return how two runs, or a task in them, ended; and why, unless that is told elsewhere."""
    assert old is not None and new is not None
    if (old.state, old.reason) == (new.state, new.reason):
        return _state(new, told)
    return [*_state(old, told), (" -> ", "dim"), *_state(new, told)]


def _state(side: Run | TaskRun, told: Collection[str]) -> Line:
    word = human.outcome(side) if isinstance(side, TaskRun) else side.state
    word = side.state if word == "succeeded" else word  # in the words of its run
    why = side.reason if side.reason and not side.reason.endswith(tuple(told)) else None
    return [(word, side.state), *([f" ({why})"] if why else [])]


def _tries(side: TaskRun | None) -> int:
    return len(side.attempts) if side else 0


def _timing(diff: RunDiff) -> Iterator[Line]:
    old, new = (human.took(side.run) for side in (diff.old, diff.new))
    tasks = [(task, task.seconds) for task in diff.tasks if task.seconds]
    remark = "" if tasks else ", no task took notably longer or shorter"
    yield [*_lead("timing"), f"{old} -> {new}{remark}"]
    shown = sorted(tasks, key=lambda one: abs(one[1][1] - one[1][0]), reverse=True)[:TIMES_MAX]
    width = _columns((task,) for task, _ in shown)
    for task, (first, second) in shown:
        took = f"{human.duration(first)} -> {human.duration(second)}"
        yield ["  ", (f"{quoted(task.name):<{width}}", "name"), "  ", took]
    if len(tasks) > TIMES_MAX:
        yield [f"  and {len(tasks) - TIMES_MAX} more, that differ by less (--json has all)"]


def _some(changes: Sequence[FieldChange], task: TaskDiff, diff: RunDiff) -> Iterator[Line]:
    """Yield the changes of one value: all of them, and whole, of a task that was asked for."""
    limited = not diff.names
    for change in changes[:VALUES_MAX] if limited else changes:
        texts = _long_texts(change)
        if texts is None or (limited and max(map(len, "\n".join(texts).split("\n"))) > LINE_MAX):
            yield ["      ", *_change(change)]
            continue
        added, removed = lines.count_changes(*texts)
        yield ["      ", *_path(change), *as_line(sizes(added, removed))]
        hunks = lines.hunks(*texts, context=1)
        told = hunk_lines(hunks)
        for line in islice(told, LINES_MAX) if limited else told:
            yield Verbatim(["          ", *as_line([line])])
        if more := sum(1 for _ in told):
            ends = f"{diff.old.name}:{task.name} {diff.new.name}:{task.name}"
            yield [f"          and {human.count(more, 'line')} more: `ork diff {ends}` has all"]
    if limited and len(changes) > VALUES_MAX:
        yield [f"      and {len(changes) - VALUES_MAX} more (--json has all)"]


def _long_texts(change: FieldChange) -> tuple[str, str] | None:
    """Return two texts of which not all can be shown in a line, if they have several."""
    sides = (value_text(side, None) for side in (change.old, change.new))
    is_long = change.kind == "changed" and max(map(len, sides)) > VALUE_CHARS_MAX
    return field_texts(change) if is_long else None


def _path(change: FieldChange) -> Line:
    return [(change.path, "name"), "  "] if change.path else []


def _change(change: FieldChange) -> Line:
    where, old, new = sides(change, partial(value_text, room=VALUE_CHARS_MAX))
    place: Line = [(where, "dim"), "  "] if where else []
    return [*_path(change), *place, *replacement(change.kind, old, new)]


def _columns(groups: Iterable[Sequence[TaskDiff]]) -> int:
    return min(max((len(_label(group)) for group in groups), default=0), NAME_COLUMNS_MAX)


def _families(
    tasks: Iterable[TaskDiff], told: Callable[[TaskDiff], object]
) -> Iterator[tuple[TaskDiff, ...]]:
    """Yield the tasks, together those that a loop has made and of which the same is told."""
    return together(tasks, lambda task: (family(task.name), told(task)))


def _label(group: Sequence[TaskDiff]) -> str:
    """Return the name of a task, or what several have in common, as pictures do."""
    name = group[0].name
    return quoted(name) if len(group) == 1 else f"{quoted(family(name))} ({len(group):,})"


def _lead_of(label: str, tasks: Sequence[TaskDiff]) -> Line:
    return [*_lead(label), f"of {human.count(len(tasks), 'task')}" if tasks else "the same"]


def _lead(label: str) -> Line:
    return [(f"{label:<{PAD}}", "label")]
