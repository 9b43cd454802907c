"""A RunDiff -> lines for people: the answer first, then each layer, also those that are equal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from ork.cli.diff.text import diff_view
from ork.cli.screen import human as words
from ork.cli.screen.line import Line
from ork.cli.screen.parts import clip, column, quoted
from ork.cli.session import Session
from ork.differences.definitions import Diff
from ork.differences.runs import TaskDiff
from ork.differences.values import FieldChange
from ork.history.compare_runs import RunDiff
from ork.objects.kinds import Run, TaskRun
from ork.store.store import Store

PAD = 13  # columns of the names of the layers
VALUE_CHARS_MAX = 100
VALUES_MAX = 10  # lines for what differs in one value


def diff_runs_view(diff: RunDiff, store: Store, session: Session) -> Iterator[Line]:
    """Yield where the runs part and why, then every layer: one short line where it is equal."""
    yield from _answer(diff)
    yield [""]
    yield from _runs(diff, session)
    yield from _definition(diff, store, session)
    yield from _code(diff, session)
    yield from _values("parameters", diff.params)
    yield from _inputs(diff)
    yield from _environment(diff)
    yield from _outcome(diff)
    yield from _timing(diff)


def _answer(diff: RunDiff) -> Iterator[Line]:
    if diff.first:
        yield [
            ("first difference: ", "heading"),
            (quoted(diff.first.task), "name"),
            f" - {diff.first.why}",
        ]
    else:
        equal = f"no difference between {diff.old.name} and {diff.new.name}"
        yield [("no task that both executed differs" if diff else equal, "heading")]
    if diff.outcome and diff.first and diff.outcome.task != diff.first.task:
        what = "end" if {"state", "error", "added"} & {*diff.outcome.kinds} else "output"
        yield [
            (f"first other {what}: ", "heading"),
            (quoted(diff.outcome.task), "name"),
            f" - {diff.outcome.why}",
        ]
    for side in (diff.old, diff.new):
        if side.run.ended is None:
            yield [(f"{side.name} goes on: this is how far it is", "warning")]


def _runs(diff: RunDiff, session: Session) -> Iterator[Line]:
    pads = [
        column(texts)
        for texts in ((diff.old.name, diff.new.name), (diff.old.run.state, diff.new.run.state))
    ]
    for label, side in (("old", diff.old), ("new", diff.new)):
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
            (words.date(run.created, session.now()), "time"),
            *(["  ", ", ".join(remarks)] if remarks else []),
        ]


def _definition(diff: RunDiff, store: Store, session: Session) -> Iterator[Line]:
    old, new = (store.short(side.run.snapshot) for side in (diff.old, diff.new))
    rest = replace(diff.definition, files=())
    if not rest:
        same: Line = [" (", (old, "oid"), ")"] if old == new else []
        yield [*_lead("definition"), "the same", *same]
        return
    yield [*_lead("definition"), (old, "oid"), " -> ", (new, "oid")]
    yield from _indented(rest, session)


def _code(diff: RunDiff, session: Session) -> Iterator[Line]:
    files = diff.definition.files
    if not files:
        yield [*_lead("code"), "the same"]
        return
    yield [*_lead("code"), words.count(len(files), "file")]
    lines = _indented(Diff(files=files), session)
    next(lines)  # its heading, "files", has just been said
    yield from lines


def _indented(diff: Diff, session: Session) -> Iterator[Line]:
    width = session.width and max(session.width - 2, 20)
    for line in diff_view(diff, width=width):
        yield ["  ", *line]


def _values(label: str, changes: tuple[FieldChange, ...]) -> Iterator[Line]:
    if not changes:
        yield [*_lead(label), "the same"]
    for index, change in enumerate(changes):
        yield [*_lead("" if index else label), *_change(change)]


def _inputs(diff: RunDiff) -> Iterator[Line]:
    tasks = [task for task in diff.tasks if task.inputs]
    yield [*_lead("inputs"), f"of {words.count(len(tasks), 'task')}" if tasks else "the same"]
    for task in tasks:
        yield ["  ", (quoted(task.name), "name")]
        yield from _some(task.inputs)


def _environment(diff: RunDiff) -> Iterator[Line]:
    missing = [side.name for side in (diff.old, diff.new) if side.run.environment is None]
    if missing and not diff.environment:
        yield [*_lead("environment"), f"not recorded by {' and '.join(missing)}"]
        return
    shown = (
        replace(change, path=change.path.removeprefix("distributions."))
        for change in diff.environment
    )
    yield from _values("environment", tuple(shown))


def _outcome(diff: RunDiff) -> Iterator[Line]:
    tasks = [task for task in diff.tasks if _ended_otherwise(task)]
    yield [*_lead("outcome"), *_states(diff.old.run, diff.new.run)]
    width = min(max((len(quoted(task.name)) for task in tasks), default=0), 32)
    for task in tasks:
        yield ["  ", (f"{quoted(task.name):<{width}}", "name"), "  ", *_task_states(task)]
        yield from _some(task.output)


def _ended_otherwise(task: TaskDiff) -> bool:
    kinds = {"state", "error", "output", "added", "removed"} & {*task.kinds}
    return bool(kinds) or task.old_name is not None or _tries(task.old) != _tries(task.new)


def _task_states(task: TaskDiff) -> Line:
    if task.old is None or task.new is None:
        side = task.new or task.old
        which = "new" if task.old is None else "old"
        return [*_states(side, side), ("  only in the " + which + " run", "dim")]
    remarks = [f"renamed from {quoted(task.old_name)}"] if task.old_name else []
    tries = _tries(task.old), _tries(task.new)
    if tries[0] != tries[1] and 0 not in tries:
        remarks.append(f"{tries[0]} -> {words.count(tries[1], 'attempt')}")
    rest = [("  " + ", ".join(remarks), "dim")] if remarks else []
    return [*_states(task.old, task.new), *rest]


def _states(old: Run | TaskRun | None, new: Run | TaskRun | None) -> Line:
    """Return how two runs, or a task in them, ended, and why; once where that is the same."""
    assert old is not None and new is not None
    if (old.state, old.reason) == (new.state, new.reason):
        return _state(new)
    return [*_state(old), (" -> ", "dim"), *_state(new)]


def _state(side: Run | TaskRun) -> Line:
    word = "skipped" if side.state == "upstream_failed" else side.state
    return [(word, side.state), *([f" ({side.reason})"] if side.reason else [])]


def _tries(side: TaskRun | None) -> int:
    return len(side.attempts) if side else 0


def _timing(diff: RunDiff) -> Iterator[Line]:
    old, new = (words.duration(side.run.seconds) for side in (diff.old, diff.new))
    tasks = [(task, task.seconds) for task in diff.tasks if task.seconds]
    remark = "" if tasks else ", no task took notably longer or shorter"
    yield [*_lead("timing"), f"{old} -> {new}{remark}"]
    width = min(max((len(quoted(task.name)) for task, _ in tasks), default=0), 32)
    for task, (before, after) in tasks:
        yield [
            "  ",
            (f"{quoted(task.name):<{width}}", "name"),
            f"  {words.duration(before)} -> {words.duration(after)}",
        ]


def _some(changes: tuple[FieldChange, ...]) -> Iterator[Line]:
    for change in changes[:VALUES_MAX]:
        yield ["      ", *_change(change)]
    if len(changes) > VALUES_MAX:
        yield [f"      and {len(changes) - VALUES_MAX} more (--json has all)"]


def _change(change: FieldChange) -> Line:
    old, new = (
        clip(json.dumps(value, ensure_ascii=False), VALUE_CHARS_MAX)
        for value in (change.old, change.new)
    )
    path: Line = [(change.path, "name"), "  "] if change.path else []
    if change.kind == "added":
        return [*path, (f"+ {new}", "added")]
    if change.kind == "removed":
        return [*path, (f"- {old}", "removed")]
    return [*path, (old, "removed"), (" -> ", "dim"), (new, "added")]


def _lead(label: str) -> Line:
    return [(f"{label:<{PAD}}", "label")]
