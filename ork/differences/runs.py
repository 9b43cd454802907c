"""The task at which two runs part, the first in the order in which tasks can run, and why.

What a task did in two runs is comparable where both have a result of it: it was executed, or an
output of an earlier run stood in for it. What waits, was skipped or not selected says nothing. What
was stopped with its run says so only where nothing else differs: it did not make the runs part.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from ork.differences.values import FieldChange, changes_in, lies_in, place_of, sides
from ork.errors import some
from ork.graph.order import Needs, ancestors
from ork.objects.canonical import Json
from ork.objects.kinds import STOPPED, TaskRun
from ork.objects.value import Value, replace

NAMED_MAX = 3  # things that a sentence names; what follows is counted
VALUES_MAX, VALUE_CHARS_MAX = 2, 30
NOTABLE_RATIO, NOTABLE_SECONDS = 2.0, 0.1
CAUSES = ("added", "removed", "definition", "code", "maybe", "params", "inputs")
KINDS = (*CAUSES, "state", "error", "output")
OWN = {"definition", "code", "params"}
EDITS = {"added", "definition", "code", "maybe"}
_DISTRIBUTIONS = "distributions."  # how their paths begin in an environment


class TaskDiff(Value, frozen=True, kw_only=True):
    """One task in two runs. `old` or `new` is None where that run's definition has no such task.

    `kinds` and `seconds` follow from the others: see `judged`.
    """

    name: str  # in the new run; in the old one if only that has it
    old_name: str | None = None  # when it was renamed
    old: TaskRun | None = None
    new: TaskRun | None = None
    definition: tuple[FieldChange, ...] = ()  # of the task itself
    code: tuple[str, ...] = ()  # changed files that it executes
    maybe: tuple[str, ...] = ()  # those that it may use, where none is known to be its code
    params: tuple[str, ...] = ()  # parameters that it takes and whose values changed
    inputs: tuple[FieldChange, ...] = ()
    passed_on: Mapping[str, str] = {}  # inputs that changed as what they are: list.files
    output: tuple[FieldChange, ...] = ()

    kinds: tuple[str, ...] = ()  # of KINDS, those that hold
    seconds: tuple[float, float] | None = None  # of the last attempts, where notably different

    @property
    def own_inputs(self) -> tuple[FieldChange, ...]:
        """What differs in its inputs and is told nowhere else."""
        told = [place_of(name) for name in self.passed_on]
        return tuple(
            one for one in self.inputs if not any(lies_in(one.path, place) for place in told)
        )


class Divergence(Value, frozen=True, kw_only=True):
    """A task at which two runs part: what differs there, and why, in words."""

    task: str
    kinds: tuple[str, ...]
    why: str


class Proof(Value, frozen=True, kw_only=True):
    """A good run of the version of a bad one, and its parameters that have other values there."""

    name: str  # etl#57
    params: Mapping[str, Json] = {}

    def __str__(self) -> str:
        given = [f"{name}={_clipped(value)}" for name, value in self.params.items()]
        told = f" with {some(given, NAMED_MAX)}" if given else ""
        return f"the same version succeeded since, in {self.name}{told}"


class Around(Value, frozen=True, kw_only=True):
    """The rest of two runs, which may explain why a task differs."""

    tasks: Sequence[TaskDiff]  # all of them, in the order in which they can run
    needs: Needs
    # What differs between the environments in which a task was executed.
    environment: Callable[[TaskDiff], Sequence[FieldChange]] = lambda _: ()
    code: bool = True  # whether that of both runs was kept
    proof: Proof | None = None  # that what was changed did not make the new run fail by itself
    slots: str = ""  # how the slots differ for which a schedule started them, in words
    # What of these, before a task, another run had executed anew when the task began, in words.
    since: Callable[[TaskDiff, Collection[str]], Sequence[str]] = lambda _, __: ()
    beside: Callable[[], Sequence[str]] = list  # runs that went on while one of them did
    # The outputs that a task takes otherwise than as inputs: those before it, and where in them.
    taken: Callable[[TaskDiff], Iterable[tuple[str, tuple[str, ...]]]] = lambda _: ()
    reasons: tuple[str | None, str | None] = (None, None)  # why each of the runs did not succeed
    # The difference of a task between the runs that executed it, where its output was kept.
    executed: Callable[[TaskDiff], Divergence | None] = lambda _: None


def judged(task: TaskDiff) -> TaskDiff:
    """Return the task with its `kinds` filled in, and its `seconds` where they differ notably."""
    return replace(task, kinds=_kinds(task), seconds=_seconds(task.old, task.new))


def first_difference(around: Around, among: Sequence[TaskDiff]) -> Divergence | None:
    """Return the first task of which anything differs, its definition and code included.

    One of which that is not sure comes after those, and last one that was stopped.
    """
    told = [(task, _telling(task)) for task in among]
    sure = (task for task, kinds in told if kinds - {"maybe"})
    maybe = (task for task, kinds in told if kinds)
    stopped = filter(_was_stopped, among)
    task = next(chain(sure, maybe, stopped), None)
    return _divergence(task, around) if task else None


def first_other_outcome(around: Around, among: Sequence[TaskDiff]) -> Divergence | None:
    """Return the first task that ended in another way; if none did, that gave another output.

    One that was stopped comes after all that ended by themselves.
    """
    told = [(task, _telling(task)) for task in among]
    failed = (
        task
        for task, kinds in told
        if {"state", "error"} & kinds or (not task.old and task.new and task.new.state == "failed")
    )
    other = (task for task, kinds in told if "output" in kinds)
    stopped = filter(_was_stopped, among)
    task = next(chain(failed, stopped, other), None)
    return _divergence(task, around) if task else None


def value_words(change: FieldChange) -> str:
    """Return a change of a value in a few words: `rows 3 -> 4`."""
    where, old, new = sides(change, _clipped)
    words = {"added": f"+ {new}", "removed": f"- {old}", "changed": f"{old} -> {new}"}[change.kind]
    return " ".join(word for word in (change.path, where, words) if word)


def definition_words(changes: Iterable[FieldChange]) -> str:
    """Return that the definition of a task changed, and which fields of it."""
    return f"its definition changed: {some([one.path for one in changes], NAMED_MAX)}"


def environment_words(changes: Iterable[FieldChange]) -> tuple[str, ...]:
    """Return what differs between two environments, each in a few words, the interpreter first."""
    last = sorted(changes, key=lambda change: change.path.startswith(_DISTRIBUTIONS))
    short = (replace(one, path=one.path.removeprefix(_DISTRIBUTIONS)) for one in last)
    return tuple(map(value_words, short))


def _kinds(task: TaskDiff) -> tuple[str, ...]:
    old, new = task.old, task.new
    if old is None or new is None:
        return ("added" if old is None else "removed",)
    differs = {
        "definition": task.definition,
        "code": task.code,
        "maybe": task.maybe,
        "params": task.params,
        "inputs": task.inputs,
        "state": old.state != new.state,
        "error": old.state == new.state == "failed" and old.reason != new.reason,
        "output": task.output,
    }
    return tuple(kind for kind, found in differs.items() if found)


def _seconds(old: TaskRun | None, new: TaskRun | None) -> tuple[float, float] | None:
    if old is None or new is None or old.seconds is None or new.seconds is None:
        return None
    before, after = old.seconds, new.seconds
    low, high = sorted((before, after))
    notable = high - low >= NOTABLE_SECONDS and high >= NOTABLE_RATIO * low
    shorter = old if before < after else new  # what failed early says nothing of how long it takes
    return (before, after) if notable and shorter.state == "success" else None


def _telling(task: TaskDiff) -> set[str]:
    """Return the kinds of difference that can have made the runs part.

    Of a stand-in only its output counts, and not how a task ended that was stopped.
    """
    sides = [side for side in (task.old, task.new) if side is not None]
    if not all(map(_has_result, sides)):
        return set()
    if _was_stopped(task):
        return {*task.kinds} - {"state"}
    return {*task.kinds} & {"output"} if _stand_ins(task) else {*task.kinds}


def _was_stopped(task: TaskDiff) -> bool:
    """Say whether a task ended in another way only because one of the runs was stopped."""
    if task.old is None or task.new is None or "state" not in task.kinds or _stand_ins(task):
        return False
    was, now = task.old.state, task.new.state
    stopped = now in STOPPED or (was in STOPPED and now == "success")
    return stopped and _has_result(task.old) and _has_result(task.new)


def _stand_ins(task: TaskDiff) -> list[TaskRun]:
    sides = (side for side in (task.old, task.new) if side and side.state == "skipped")
    return [side for side in sides if not side.is_unmet]


def _divergence(task: TaskDiff, around: Around) -> Divergence:
    causes = list(_causes(task, around))
    same = "same definition, code and inputs"
    if not around.code:
        same = "same definition and inputs, and code that was never kept"
    made = around.executed(task) if _stand_ins(task) else None
    words = [made.why, *causes] if made else [*(causes or [same]), *_endings(task, around)]
    if not causes and not _was_stopped(task):
        words.append(_elsewhere(task, around))
    return Divergence(task=task.name, kinds=task.kinds, why="; ".join(words))


def _causes(task: TaskDiff, around: Around) -> Iterator[str]:
    if stand_ins := _stand_ins(task):
        yield f"it was not run: {', '.join(str(one.reason) for one in stand_ins)}"
        return
    if task.old is None or task.new is None:
        yield "it was added" if task.old is None else "it was removed"
    if task.definition:
        yield definition_words(task.definition)
    if task.code:
        yield f"its code changed: {some(task.code, NAMED_MAX)}"
    if task.maybe:
        yield f"it may use what changed: {some(task.maybe, NAMED_MAX)}"
    if around.proof and EDITS & {*task.kinds}:
        yield str(around.proof)
    if task.params:
        many = "s" if len(task.params) > 1 else ""
        yield f"the parameter{many} {some(task.params, NAMED_MAX)} changed"
    if task.inputs and not task.params:
        yield f"it got other inputs: {_values(task.inputs)}"
    others = {other.name: other for other in around.tasks}
    for name, fields in around.taken(task):
        if name not in others:
            continue
        if changes := changes_in(others[name].output, *fields):
            yield f"the output of {name} changed: {_values(changes)}"
        elif "state" in others[name].kinds:
            yield f"{name} ended in another way"


def _endings(task: TaskDiff, around: Around) -> Iterator[str]:
    old, new = task.old, task.new
    if task.output:
        yield f"it gave another output: {_values(task.output)}"
    elif new is None or (old is not None and old.state == new.state == "success"):
        return
    elif new.state != "success":
        yield _ended(new, around.reasons[1])
    elif old is not None:
        how = _ended(old, around.reasons[0])
        yield f"it succeeded, before {how}"


def _ended(side: TaskRun, of_run: str | None) -> str:
    words = "it failed" if side.state == "failed" else f"it was {side.state}"
    reason = side.reason or (of_run if side.state in STOPPED else None)
    return f"{words}: {reason}" if reason else words


def _elsewhere(task: TaskDiff, around: Around) -> str:
    """Return the next place to look, where the records of the task itself explain nothing."""
    above = ancestors(around.needs, [task.name])
    before = [other for other in around.tasks if other.name in above]
    for kinds, how in ((OWN, "changed"), ({"maybe"}, "may use what changed")):
        if changed := [other.name for other in before if kinds & {*other.kinds}]:
            told = f"what runs before it {how}: {some(changed, NAMED_MAX)}"
            return f"{told}; {around.proof}" if around.proof else told
    if since := around.since(task, above):
        return "; ".join(since)
    if around.slots:
        return around.slots
    if environment := around.environment(task):
        return f"the environment differs: {some(environment_words(environment), VALUES_MAX)}"
    if beside := around.beside():
        return f"{some(beside, NAMED_MAX)} went on at the same time, perhaps with the same files"
    return "nothing recorded explains it: time, chance or something outside"


def _has_result(side: TaskRun) -> bool:
    ended = side.state in ("success", "failed", "interrupted") or side.is_unmet
    return ended or side.output is not None or (side.state == "cancelled" and bool(side.attempts))


def _values(changes: Sequence[FieldChange]) -> str:
    return some(changes, VALUES_MAX, value_words)


def _clipped(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 3] + "..."


def paired(
    old: Collection[str], new: Collection[str], renamed: Mapping[str, str]
) -> dict[str, str]:
    """Return each name of a task in two runs -> its name in the old one, if that has it at all.

    `renamed` maps new names to old. What only the old run has comes last.
    """
    found = {name: renamed.get(name, name) for name in new}
    before = set(found.values())
    return found | {name: name for name in old if name not in before}
