"""What runs say of what they executed: the verdict of one, and the tally of a deploy's.

There is one definition of a good run, and whoever asks for one asks here: it succeeded, it is
whole, and nothing changed under its tasks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Literal, TypeAlias

from ork.backends.base import Moves
from ork.errors import Corrupt, some
from ork.objects.canonical import Json, Oid, decode
from ork.objects.kinds import STOPPED, Blob, Deploy, Run, TaskRun
from ork.objects.value import Value, replace
from ork.store.contents import outcomes, task_runs
from ork.store.resolve import history
from ork.store.runs import PAGE_RUNS, RunEntry, failed_hooks, records_of, tags_of
from ork.store.store import Store

Verdict: TypeAlias = Literal["good", "bad"]
NAMES_MAX = 5  # of the files that a line names
_VERDICTS: dict[str, Verdict] = {"success": "good", "failed": "bad"}
DAMAGED = "damaged"  # the word under which a run is counted whose tasks cannot be read
_OF_FAILURES = ("failed", "tainted", "partial")  # words under which one may be counted
_TALLY = re.compile(r"(\d+):([a-z]+=\d+(?:,[a-z]+=\d+)*)", re.ASCII)


class Tally(Value, frozen=True, kw_only=True):
    """The runs of one deploy that have ended: how they count -> how many; the newest's number.

    In a log those that go on are counted as well. Those that say nothing of the deploy count as
    tainted, partial or damaged, not as what they ended with.
    """

    counts: Mapping[str, int]
    last: int | None = None

    def cells(self) -> dict[str, object]:
        words = {word: "succeeded" if word == "success" else word for word in sorted(self.counts)}
        return {word: f"{self.counts[word]} {told}" for word, told in words.items()}


def failed_tasks(states: Mapping[str, TaskRun]) -> dict[str, TaskRun]:
    """Return the tasks that failed in the order in which they did; those without an attempt last.

    The first is the one to read: others may have failed of it.
    """
    failed = [(name, one) for name, one in states.items() if one.state == "failed"]
    never = datetime.max.replace(tzinfo=UTC)
    return dict(sorted(failed, key=lambda item: item[1].last.ended if item[1].last else never))


def verdict(store: Store, run: Run) -> Verdict | None:
    """Return what a run says of its snapshot; None when it says nothing.

    It speaks when it succeeded or a task failed, no task was left out by a selection, and no
    captured file changed under the last attempt at a task.
    """
    if run.state not in (*_VERDICTS, *STOPPED):
        return None
    return _VERDICTS.get(counts_as(store, run, task_runs(store, run)))


def of_newest(
    store: Store, workflow: str, found: Iterable[Run], *, head: Oid | None = None
) -> Iterator[Run]:
    """Yield those of a workflow's runs, newest first, that ran what was its newest version then.

    `head` is its newest deploy, for whoever knows it: else it is looked up.
    A run of another version, or in a bisection, is no proof of what the newest one does.
    """
    line = (deploy for _, deploy in history(store, workflow, head))
    newest = next(line, None)
    for run in found:
        while newest and newest.time > run.created:
            newest = next(line, None)
        if run.trigger != "bisect" and (newest is None or _is_of(store, run, newest)):
            yield run


def _is_of(store: Store, run: Run, deploy: Deploy) -> bool:
    """Say whether a run executed the same as this deploy has, or a later one, undone by now."""
    if run.snapshot == deploy.snapshot:
        return True
    return run.deploy is not None and store.get(Deploy, run.deploy).time > deploy.time


def counts_as(store: Store, run: Run, states: Mapping[str, TaskRun]) -> str:
    """Return the word under which a run that ended is counted.

    It is `success` exactly where the verdict is good, `failed` where it is bad; a run that has none
    although it succeeded or failed is `tainted` or `partial`.
    """
    state: str = run.state
    if state in STOPPED and (failed := failures(store, run, states)):
        state, states = "failed", {**states, **failed}
    return (_shortfall(run, states) if state in _VERDICTS else None) or state


def has_failed(store: Store, run: Run, known: dict[Oid, Tally]) -> bool:
    """Say whether a run failed, or a task of it had when the run was stopped.

    Its tasks are only read where its deploy has counted a failure: `known` keeps what was counted.
    """
    if run.state not in STOPPED:
        return run.state == "failed"
    if run.deploy is not None:
        if run.deploy not in known:
            known[run.deploy] = tally(store, run.deploy)
        if known[run.deploy].counts.keys().isdisjoint(_OF_FAILURES):
            return False
    return bool(failures(store, run, task_runs(store, run)))


def failures(store: Store, run: Run, states: Mapping[str, TaskRun]) -> dict[str, TaskRun]:
    """Return the tasks of a run that failed by themselves, in the order in which they did.

    One that its stop ended did not. A task that a retry was stopped before, or while, it ran is as
    it was before that retry.
    """
    found: dict[str, TaskRun] = {}
    records = records_of(store, run)
    next(records)
    while True:
        found |= {name: one for name, one in states.items() if one.state == "failed"}
        cut = [name for name, one in states.items() if one.state in (*STOPPED, "pending")]
        before = next(records, None) if cut else None
        if before is None:
            return failed_tasks(found)
        known = task_runs(store, before)
        states = {name: known[name] for name in cut if name in known}


def tainted(states: Mapping[str, TaskRun]) -> dict[str, tuple[str, ...]]:
    """Return task -> the captured files that changed while its last attempt executed them."""
    return {name: files for name, taskrun in states.items() if (files := taint(taskrun))}


def taint(taskrun: TaskRun) -> tuple[str, ...]:
    """Return the captured files that changed under the last attempt at a task."""
    return taskrun.attempts[-1].tainted if taskrun.attempts else ()


def changed_files(store: Store, run: Run) -> tuple[str, ...]:
    """Return the captured files that changed under any task of a run, sorted."""
    return tuple(sorted({*chain(*tainted(task_runs(store, run)).values())}))


def in_full(
    store: Store, entries: Iterable[RunEntry], *, tags: Mapping[Oid, tuple[str, ...]] | None = None
) -> Iterator[RunEntry]:
    """Tell of listed runs all that an entry has of each. Lazy.

    The tasks of a run with a verdict are only read where its deploy has counted a tainted one, or a
    damaged one. The tags are looked up unless they are given.
    """
    if tags is None:
        tags = tags_of(store.refs("tags/"))
    counted: dict[Oid, bool] = {}
    waiting = iter(entries)
    while page := list(islice(waiting, PAGE_RUNS)):
        deploys = {entry.run.deploy for entry in page if entry.run.deploy} - counted.keys()
        found = tallies(store, sorted(deploys))
        for oid, tally in found.items():
            counted[oid] = not tally.counts.keys().isdisjoint(("tainted", DAMAGED))
        params = _values(store, {entry.run.params for entry in page if entry.run.params})
        hooks = failed_hooks(store, (entry.run for entry in page))
        for entry in page:
            run = entry.run
            told = replace(
                entry,
                partial=is_partial(store, run),
                tags=tags.get(run.deploy, ()) if run.deploy else (),
                params=params.get(run.params) if run.params else None,
                failed_hooks=hooks.get(run.id, ()),
            )
            if run.state in _VERDICTS and run.deploy and not counted[run.deploy]:
                yield told
                continue
            try:
                yield replace(told, tainted=changed_files(store, run))
            except Corrupt:
                yield replace(told, damaged=True)


def _values(store: Store, oids: Collection[Oid]) -> dict[Oid, Json]:
    """Return the values of some blobs; not those that are damaged or were forgotten."""
    found: dict[Oid, Json] = {}
    with suppress(Corrupt):
        for oid, blob in store.get_all(Blob, {oid: oid for oid in sorted(oids)}).items():
            with suppress(Corrupt):
                found[oid] = decode(blob.data)
    return found


def taint_text(names: Collection[str]) -> str:
    """Return how a taint is told, in words."""
    return f"tainted: {some(names, NAMES_MAX)} changed while it ran"


def _shortfall(run: Run, states: Mapping[str, TaskRun]) -> str | None:
    """Return why a run says nothing of its snapshot, in a word.

    What --latest kept is not left out: the task, its code and its inputs were the same.
    """
    if tainted(states):
        return "tainted"
    return "partial" if leaves_out(run, states.values()) else None


def is_partial(store: Store, run: Run) -> bool:
    """Say whether tasks were left out of a run by a selection; no more is read than that takes.

    Where an outcome is damaged it is not said: `ork show` and `ork fsck` name that.
    """
    with suppress(Corrupt):
        return run.selected is not None and leaves_out(run, (it for _, it in outcomes(store, run)))
    return False


def leaves_out(run: Run, taskruns: Iterable[TaskRun]) -> bool:
    """Say whether some of these tasks of a run were left out by a selection."""
    left_out = (one.state == "skipped" and not one.is_unmet for one in taskruns)
    return run.selected is not None and any(left_out)


def tally(store: Store, deploy: Oid) -> Tally:
    """Return how the runs of a deploy went."""
    return read_tally(name for name, _ in store.refs(f"tally/{deploy}/"))


def runs_well(store: Store, deploy: Oid) -> bool:
    """Say whether a deploy has good runs and no bad ones."""
    counts = tally(store, deploy).counts
    return "success" in counts and "failed" not in counts


def tallies(store: Store, deploys: Iterable[Oid]) -> dict[Oid, Tally]:
    """Return how the runs of some deploys went, looked up together."""
    wanted = list(dict.fromkeys(deploys))
    texts: dict[Oid, list[str]] = {oid: [] for oid in wanted}
    for name, _ in store.refs_many("tally/", (f"{oid}/" for oid in wanted)):
        oid, _, text = name.partition("/")
        texts[Oid(oid)].append(text)
    return {oid: read_tally(found) for oid, found in texts.items()}


def read_tally(texts: Iterable[str]) -> Tally:
    """Return the tally that the last part of its ref says, as in `57:failed=1,success=3`.

    It stands in the name of the ref, so that a log reads no object for it. When the first runs of a
    deploy end at the same moment, each leaves a ref: together they are the tally.
    """
    counts: dict[str, int] = {}
    last = None
    for found in filter(None, map(_TALLY.fullmatch, texts)):
        last = max(last or 0, int(found[1]))
        for pair in found[2].split(","):
            state, count = pair.split("=")
            counts[state] = counts.get(state, 0) + int(count)
    return Tally(counts=counts, last=last)


def recounted(deploy: Oid, found: Mapping[str, Oid], counts: Counter[str], last: int) -> Moves:
    """Return the moves that let the tally of a deploy count more runs, or fewer, up to a number.

    `found` are the refs of the tally, by the last part of each.
    """
    before = read_tally(found)
    total = Counter(before.counts)
    total.update(counts)
    after = Tally(counts={**+total}, last=max(last, before.last or 0))
    return {} if after == before else retold(deploy, found, after)


def retold(deploy: Oid, found: Mapping[str, Oid], after: Tally) -> Moves:
    """Return the moves that let the tally of a deploy be this one; no ref tells of no runs."""
    folder, text = f"tally/{deploy}/", tally_text(after)
    gone = {folder + other: (oid, None) for other, oid in found.items()}
    return {**gone, folder + text: (found.get(text), deploy)} if after.counts else {**gone}


def tally_text(tally: Tally) -> str:
    """Return the last part of the ref of a tally."""
    counts = ",".join(f"{state}={tally.counts[state]}" for state in sorted(tally.counts))
    return f"{tally.last}:{counts}"
