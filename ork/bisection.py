"""Find the deploy that broke a workflow: by recorded outcomes first, then by running the rest.

A verdict belongs to a snapshot: deploys with the same content share it. A run counts when it is
whole and untainted (see `ork.store.verdict`), with the parameters that a run made now would have
or, where none of those failed, with those of the newest failed run. Where none of those was good,
the newest good run before it counts, and its trial says so. What has no such run is run,
each deploy with its own code; if that one is tainted, once more.

An end rests on what somebody said, or on a run that may have had other parameters. Where the answer
would rest on such an end, it is judged as the others are: a first bad deploy was seen to be bad.
Only of a good deploy, named without a run, the word is enough, as it is for `git bisect`.

The line is halved as `git bisect` halves a history without branches: every verdict on the deploy in
the middle halves what is left. One that cannot be judged is skipped, and the one nearest to it is
judged instead; where only skipped ones are left, the first bad deploy is one of several suspects.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeAlias

from ork.errors import Corrupt, InvalidInput, NotFound, UsageError, count
from ork.follow.run import follow
from ork.history.compare import compare_deploys
from ork.history.log import LogEntry, entry_of
from ork.objects import canonical
from ork.objects.canonical import Json, Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import Deploy, Run
from ork.objects.value import Value, columns_of, field, fields_of, replace
from ork.params.given import in_words, settle_params
from ork.params.recorded import recorded_params
from ork.runner.loop import Control
from ork.runner.start import Caller, Options, start
from ork.store.resolve import (
    Resolved,
    ResolvedDeploy,
    deploy_of,
    history,
    resolve,
    run_of,
)
from ork.store.revision import in_workflow
from ork.store.runs import Executed, Names, earlier, runs
from ork.store.store import Store
from ork.store.verdict import changed_files, taint_text, tally, verdict

GOOD, BAD, SKIP = "good", "bad", "skip"
CANNOT_JUDGE = 125  # the exit code by which a command says so, as for `git bisect run`
ENDS_IT = 126  # from here on, a command could not be started, or was killed, and judges nothing


class Trial(Value, frozen=True, kw_only=True):
    """One deploy and the verdict on it. `run` is the number of the run that it rests on, if any.

    `name` is the name of that run: the workflow may have had another then.

    how: given (by the caller), recorded (an earlier run), ran (for this search). `other_params`
    says that the run had other parameters than the bad one.
    """

    deploy: Oid
    entry: Deploy
    verdict: str  # good | bad | skip
    how: str
    run: int | None = None
    name: str | None = None
    reason: str = ""
    other_params: bool = False

    def cells(self) -> dict[str, object]:
        return {"verdict": self.verdict, "how": self.how, "run": self.name, **_cells(self)}


class Testing(Value, frozen=True, kw_only=True):
    """A deploy is about to run; `between` are not judged, about `left` verdicts are missing.

    No more than these are, unless one cannot be judged. It has `tasks`, and `params` are those with
    which it runs.
    """

    deploy: Oid
    entry: Deploy
    between: int
    left: int
    tasks: int
    params: Mapping[str, Json]

    def cells(self) -> dict[str, object]:
        return {**_cells(self), "left": f"about {self.left} left"}


class Bisected(Drawn, frozen=True, kw_only=True):
    """The end. One suspect: the first bad deploy, with its diff. Several: it is one of them.

    `good` is the last good deploy, and suspects are in the order of history.
    """

    workflow: str
    good: Oid
    suspects: tuple[LogEntry, ...]
    trials: tuple[Trial, ...]

    def _columns(self) -> Iterable[str]:
        return columns_of(Trial)

    def _records(self) -> Iterator[Mapping[str, object]]:
        """Yield a row for each verdict."""
        return map(fields_of, self.trials)

    def cells(self) -> dict[str, object]:
        first, *others = (entry.cells() for entry in self.suspects)
        return (
            first
            if not others
            else {"workflow": self.workflow, "suspects": count(len(self.suspects), "suspect")}
        )


def _cells(step: Trial | Testing) -> dict[str, object]:
    return {"deploy": step.deploy[:12], "message": step.entry.cells()["message"]}


Step: TypeAlias = Trial | Testing | Bisected
Judge: TypeAlias = Callable[[Oid, Run], str]  # deploy, ended run -> good, bad or skip


class Question(Value, frozen=True, kw_only=True):
    """How deploys are judged: with which parameters and options they run, and by whom.

    `judge` is asked about every run, also about recorded ones; without it, success is good. With
    `try_ends` it is asked about recorded runs of the two ends first: a judge that is wrong there
    judges nothing in the middle. `caller` is asked once per run, for the moment when it begins.
    """

    options: Options = field(default_factory=Options)
    caller: Callable[[], Caller] = Caller
    judge: Judge | None = None
    try_ends: bool = False


def bisect(
    store: Store,
    workflow: str,
    *,
    good: str | None = None,
    bad: str | None = None,
    question: Question | None = None,
) -> Iterator[Step]:
    """Find the first bad deploy between a good and a bad revision; yield each step, then the end.

    `good` and `bad` are deploys or runs; of a run its parameters are taken, those of the bad one
    first. Left out, they are the newest deploys, by recorded outcomes, between which good turned
    bad. Raises NotFound when there are no such outcomes, or an end turns out to be the contrary of
    what was said, UsageError when good is not an ancestor of bad, and KeyboardInterrupt when a run
    was stopped.
    """
    question = question or Question()
    if question.judge and not (good and bad):
        raise UsageError(
            "--cmd judges only what lies between two ends",
            hint="name both: `--good REV` and `--bad REV`",
        )
    now = question.caller().now
    named = None
    if workflow != "@":
        named = deploy_of(store, resolve(store, workflow, now=now)).workflow
    texts = (text and in_workflow(named or "@", text) for text in (good, bad))
    ends = [resolve(store, text, now=now) if text else None for text in texts]
    head = deploy_of(store, ends[1] or resolve(store, workflow, now=now), named)
    time = store.get(Deploy, head.oid).time
    now_called = Names(store).of_deploy(head.workflow, head.oid, head.snapshot, time)
    head = replace(head, workflow=now_called)
    if named not in (None, head.workflow):
        raise UsageError(f"{bad} is of {head.workflow}, not of {named}")
    line = list(history(store, str(head.workflow), head.oid))
    if ends[0]:
        line = _down_to(line, deploy_of(store, ends[0], head.workflow), head)
    line.reverse()
    search = _Search(store, str(head.workflow), line, question, _like(store, ends))
    yield from search.given(ends)
    yield from search.recorded()
    while (index := search.next()) is not None:
        yield search.testing(index)
        yield (trial := search.judge(index))
        search.settle(index, trial)
    yield search.end()


def judge_by(command: str, environ: Mapping[str, str]) -> Judge:
    """Return a judge that asks a shell command: exit 0 is good, 125 cannot tell, up to 124 bad.

    The command finds the run in ORK_RUN (etl#57), its end in ORK_RUN_STATE, the deploy in
    ORK_DEPLOY and the snapshot in ORK_SNAPSHOT. Raises UsageError when it was killed, or could not
    be started at all: 126, 127.
    """

    def judge(deploy: Oid, run: Run) -> str:
        about = {
            "ORK_RUN": run.name,
            "ORK_RUN_STATE": run.state,
            "ORK_DEPLOY": deploy,
            "ORK_SNAPSHOT": run.snapshot,
        }
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env={**environ, **about},
            stdin=subprocess.DEVNULL,
            stdout=2,
            check=False,
        )
        if done.returncode == -signal.SIGINT:
            raise KeyboardInterrupt
        if done.returncode < 0 or done.returncode >= ENDS_IT:
            raise UsageError(
                f"the command ended with {done.returncode} on {about['ORK_RUN']}",
                hint="0 says good, 125 cannot tell, others to 124 bad",
            )
        return {0: GOOD, CANNOT_JUDGE: SKIP}.get(done.returncode, BAD)

    return judge


def bracket(verdicts: Mapping[int, str]) -> tuple[int, int]:
    """Return the entries between which good turns bad: the last good one and the bad one after it.

    `verdicts` has at least one good entry and a bad one after it. Where the line turned bad more
    than once, the newest turn is meant.
    """
    last = max(index for index, verdict in verdicts.items() if verdict == BAD)
    good = max(index for index, verdict in verdicts.items() if verdict == GOOD and index < last)
    bad = min(index for index, verdict in verdicts.items() if verdict == BAD and index > good)
    return good, bad


def pick(good: int, bad: int, verdicts: Mapping[int, str]) -> int | None:
    """Return the entry to judge next, the nearest one to the middle; None when there is none.

    Of two that are equally near, the older one.
    """
    middle = (good + bad) // 2
    left = [index for index in range(good + 1, bad) if index not in verdicts]
    return min(left, key=lambda index: (abs(index - middle), index), default=None)


def judgements_left(good: int, bad: int, verdicts: Mapping[int, str], ends: int = 0) -> int:
    """Return about how many more verdicts the search needs; some of its ends may need one, too.

    Where something lies between the ends, the answer will rest on one of them at most.
    """
    halvings = sum(index not in verdicts for index in range(good + 1, bad)).bit_length()
    return halvings + (min(ends, 1) if halvings else ends)


class _Search:
    """The verdicts so far on a line of deploys, oldest first."""

    def __init__(
        self,
        store: Store,
        workflow: str,
        line: list[tuple[Oid, Deploy]],
        question: Question,
        like: Run | None,
    ) -> None:
        self.store, self.workflow, self.line = store, workflow, line
        self.question, self.like = question, like
        self.verdicts: dict[int, str] = {}
        self.unseen: dict[int, Run | None] = {}  # end that rests on a word, or on this run
        self.known: dict[Oid, Run | None] = {}  # snapshot -> its newest run that counts
        self.trials: list[Trial] = []

    def given(self, ends: list[Resolved | None]) -> Iterator[Trial]:
        """Take the verdicts that were given with the question."""
        for end, index, said in zip(ends, (0, len(self.line) - 1), (GOOD, BAD), strict=True):
            if end is None:
                continue
            _, entry = self.line[index]
            run = self.store.get(Run, oid) if (oid := run_of(end)) else None
            seen = run is None and said == GOOD
            if self.question.judge and self.question.try_ends:
                tried = run or self._recorded(entry.snapshot)
                seen = self._try(self.question.judge, index, tried, said) or seen
            elif run and not self.question.judge and verdict(self.store, run) not in (None, said):
                raise UsageError(f"{run.name} is not {said}: {run.state}")
            elif not run and not self.question.judge:
                self._refuse_contrary(index, said)
            # A verdict by hand is on this deploy alone; elsewhere its content may have run.
            yield self._note(index, said, "given", run)
            self.verdicts[index] = said
            if not seen:
                self.unseen[index] = run

    def _refuse_contrary(self, index: int, said: str) -> None:
        """Raise UsageError where recorded runs of a deploy say nothing but the contrary of it."""
        oid, entry = self.line[index]
        run = self._recorded(entry.snapshot)
        counts = tally(self.store, oid).counts
        if run is None or verdict(self.store, run) in (None, said):
            return
        if not counts.get("success" if said == GOOD else "failed"):
            raise UsageError(
                f"{self.store.short(oid)} is not {said}: {run.name} of it ended with {run.state}",
                hint="with --cmd runs are judged by something else than how they ended",
            )

    def _try(self, judge: Judge, index: int, run: Run | None, said: str) -> bool:
        """Say whether a judge says of a recorded run, with the parameters of now, what was given.

        Raises UsageError when it says the contrary.
        """
        if run is None or verdict(self.store, run) is None:
            return False
        judged = judge(self.line[index][0], run)
        if judged not in (SKIP, said):
            raise UsageError(
                f"--cmd says that {run.name}, given as {said}, is {judged}",
                hint=f"try it: `ORK_RUN={run.name} sh -c COMMAND; echo $?`",
            )
        return judged == said and self._had_the_same(run)

    def recorded(self) -> Iterator[Trial]:
        """Take the verdicts of recorded runs, newest first, until they show where good turns bad.

        With a judge of its own a search takes none: it is asked about what lies in the middle.
        Where none is bad with the parameters so far, those of the newest failed run are taken.
        Raises NotFound where that failed by other parameters than a good one of the newest deploy.
        """
        found, newest = self._look_up(), len(self.line) - 1
        failed = self._newest_failed()
        if failed and self.verdicts.get(newest) == GOOD and found[newest].id < failed.id:
            self._refuse_same(found[newest], failed, newest)
        if BAD not in self.verdicts.values() and failed:
            for index in found:
                del self.verdicts[index]
            self.like, self.known = failed, {}
            found = self._look_up()
        other = self._look_up_otherwise(found)
        if other is not None:
            self.unseen[other] = found[other]
        self._check()
        for index in bracket(self.verdicts):
            if index in found:
                run, said = found[index], self.verdicts[index]
                yield self._note(index, said, "recorded", run, index == other)

    def _look_up(self) -> dict[int, Run]:
        """Note what recorded runs say, and return them by their places in the line."""
        found: dict[int, Run] = {}
        for index in range(len(self.line) - 1, -1, -1):
            if self.question.judge or index in self.verdicts:
                continue
            deploy, entry = self.line[index]
            if run := self._recorded(entry.snapshot):
                self.verdicts[index], found[index] = self._verdict(deploy, run), run
                if self.verdicts[index] == GOOD and BAD in self.verdicts.values():
                    break  # what is older cannot say more about the newest turn
        return found

    def _look_up_otherwise(self, found: dict[int, Run]) -> int | None:
        """Where nothing was good before it was bad, note the newest good run of other parameters.

        Return its place. Raises NotFound when it had the content of the bad one: there is no turn.
        """
        bad = min((index for index, said in self.verdicts.items() if said == BAD), default=None)
        if bad is None or self._turns() or not (failed := found.get(bad) or self.like):
            return None
        line = [entry.snapshot for _, entry in self.line[: bad + 1]]
        before = (run for run in earlier(self.store, failed) if run.snapshot in line)
        good = next((run for run in before if verdict(self.store, run) == GOOD), None)
        if good is None:
            return None
        self._refuse_same(good, failed, bad)
        index = max(index for index in range(bad) if line[index] == good.snapshot)
        self.verdicts[index], found[index] = GOOD, good
        return index

    def _refuse_same(self, good: Run, failed: Run, index: int) -> None:
        """Raise NotFound where a good and a failed run had the content of this one deploy."""
        if good.snapshot == failed.snapshot == self.line[index][1].snapshot:
            names = [good.name, failed.name]
            raise NotFound(
                f"no deploy made {names[1]} fail: {names[0]} was good with the same version",
                hint=f"`ork diff {' '.join(names)}` shows what else differs",
            )

    def next(self) -> int | None:
        """Return the entry to judge next: at last an end that the answer would rest on unseen."""
        between = pick(*bracket(self.verdicts), self.verdicts)
        return next(iter(self._doubtful()), None) if between is None else between

    def _doubtful(self) -> list[int]:
        """Return the ends, the bad one first, of which nothing judged so far says the same."""
        good, bad = bracket(self.verdicts)
        return [end for end in (bad, good) if end in self.unseen and not self._is_told(end)]

    def _is_told(self, end: int) -> bool:
        """Say whether a recorded run with the parameters of now says of an end what was said."""
        if self.question.judge:
            return False
        counting = self._counting(self.line[end][1].snapshot)
        return any(verdict(self.store, run) == self.verdicts[end] for run in counting)

    def testing(self, index: int) -> Testing:
        """Tell what is about to run."""
        deploy, entry = self.line[index]
        good, bad = bracket(self.verdicts)
        snapshots = (self.line[end][1].snapshot for end in self._doubtful())
        ends = sum(self._recorded(oid) is None for oid in snapshots)
        left = judgements_left(good, bad, self.verdicts, ends)
        snapshot = self.store.snapshot(entry.snapshot)
        params = self._params(entry.snapshot) or {}
        return Testing(
            deploy=deploy,
            entry=entry,
            between=bad - good - 1,
            left=left,
            tasks=len(snapshot.tasks),
            params={n: canonical.settled(it) for n, it in params.items()},
        )

    def judge(self, index: int) -> Trial:
        """Judge one deploy, run if it must be; the verdict is that of all with its content."""
        deploy, entry = self.line[index]
        run, how, reason = self._recorded(entry.snapshot), "recorded", ""
        if run is None:
            how = "ran"
            try:
                run = self._run(deploy)
                if verdict(self.store, run) is None:  # somebody edits: that may be over by now
                    run = self._run(deploy)
            except (UsageError, InvalidInput, NotFound, Corrupt) as error:
                reason = error.message
        if run:
            changed = changed_files(self.store, run)
            reason = taint_text(changed) if changed else run.reason or ""
        found = self._verdict(deploy, run) if run else SKIP
        good, bad = bracket(self.verdicts)
        for other in range(good + 1, bad):
            if self.line[other][1].snapshot == entry.snapshot:
                self.verdicts.setdefault(other, found)
        return self._note(index, found, how, run, reason=reason)

    def settle(self, index: int, trial: Trial) -> None:
        """Raise NotFound where an end, judged at last, leaves no deploy that was seen to turn bad.

        One that cannot be judged is what was said of it, unless it would be the only suspect.
        """
        if index not in self.unseen:
            return
        named, said = self.unseen.pop(index), self.verdicts[index]
        good, bad = bracket(self.verdicts)
        name = self.store.short(trial.entry.snapshot)
        if trial.verdict == SKIP and index == bad == good + 1:
            raise NotFound(
                f"found no first bad deploy: {name}, the only suspect, cannot be judged: "
                f"{trial.reason or trial.name}",
                hint="name another end with `--bad REV`",
            )
        if trial.verdict in (SKIP, said):
            return
        params = self._params(trial.entry.snapshot)
        found = f"{trial.verdict} with {in_words(params)}" if params else trial.verdict
        hint = "`--bad RUN` takes the parameters of a run that was bad"
        if named and named.name != trial.name:
            hint = f"`ork diff {named.name} {trial.name}` shows what differs"
        raise NotFound(
            f"found no first bad deploy: {name}, taken as {said}, is {found}, by {trial.name}",
            hint=hint,
        )

    def end(self) -> Bisected:
        """Return what was found."""
        good, bad = bracket(self.verdicts)
        last, before = self.line[good]
        suspects = []
        for oid, entry in self.line[good + 1 : bad + 1]:
            diff = compare_deploys(self.store, before, entry) if bad == good + 1 else None
            suspects.append(entry_of(self.store, oid, entry, diff=diff))
        return Bisected(
            workflow=self.workflow, good=last, suspects=tuple(suspects), trials=tuple(self.trials)
        )

    def _note(
        self,
        index: int,
        verdict: str,
        how: str,
        run: Run | None,
        other_params: bool = False,
        *,
        reason: str = "",
    ) -> Trial:
        deploy, entry = self.line[index]
        trial = Trial(
            deploy=deploy,
            entry=entry,
            verdict=verdict,
            how=how,
            run=run.number if run else None,
            name=run.name if run else None,
            reason=reason,
            other_params=other_params,
        )
        self.trials.append(trial)
        return trial

    def _run(self, deploy: Oid) -> Run:
        caller = self.question.caller()
        control = caller.control or Control()
        caller = replace(caller, trigger="bisect", control=control)
        what, code = (f"run:{self.like.id}", deploy) if self.like else (deploy, None)
        options = self.question.options
        started = start(self.store, what, options=options, caller=caller, with_code=code)
        last = follow(started.events, control)
        if last.run.state == "cancelled":
            raise KeyboardInterrupt
        return last.run

    def _verdict(self, deploy: Oid, run: Run) -> str:
        found = verdict(self.store, run)
        if found is not None and self.question.judge:
            return self.question.judge(deploy, run)
        return found or SKIP

    def _recorded(self, snapshot: Oid) -> Run | None:
        """Return the newest run that counts, or None; looked up only once."""
        if snapshot not in self.known:
            self.known[snapshot] = next(self._counting(snapshot), None)
        return self.known[snapshot]

    def _counting(self, snapshot: Oid) -> Iterator[Run]:
        """Yield the runs of a snapshot that count, newest first."""
        executed = Executed(kind="snapshot", oid=snapshot)
        for run in (one.run for one in runs(self.store, self.workflow, executed=executed)):
            if self._had_the_same(run) and verdict(self.store, run):
                yield run

    def _had_the_same(self, run: Run) -> bool:
        """Say whether a run had the parameters of now, of those that its version takes."""
        params, had = self._params(run.snapshot), recorded_params(self.store, run)
        return params is not None and {n: had[n] for n in params if n in had} == params

    def _params(self, snapshot: Oid) -> dict[str, Json] | None:
        """Return the parameters with which a snapshot would run; None where they do not fit."""
        declared = self.store.snapshot(snapshot).params
        recorded = recorded_params(self.store, self.like)
        try:
            return settle_params(declared, self.question.options.given, recorded)
        except UsageError:
            return None

    def _newest_failed(self) -> Run | None:
        """Return the newest failed run of these deploys, unless parameters have been given."""
        if self.question.options.given or self.question.judge:
            return None
        line = {entry.snapshot for _, entry in self.line}
        failed = (one.run for one in runs(self.store, self.workflow, states=("failed",)))
        return next(
            (run for run in failed if run.snapshot in line and verdict(self.store, run)), None
        )

    def _turns(self) -> bool:
        """Say whether good turns bad somewhere."""
        values = [self.verdicts[index] for index in sorted(self.verdicts)]
        return BAD in values and GOOD in values[: len(values) - values[::-1].index(BAD)]

    def _check(self) -> None:
        """Raise NotFound unless good turns bad somewhere, UsageError if nothing changed there."""
        values = [self.verdicts[index] for index in sorted(self.verdicts)]
        name = self.workflow
        if len(self.line) == 1:
            raise NotFound(
                f"{name} has only one deploy: there is none that could have broken it",
                hint=f"`ork runs {name}` lists its runs",
            )
        if BAD not in values:
            raise NotFound(
                f"no recorded run says that {name} is bad",
                hint=f"name a bad deploy or run, as in `--bad {name}`",
            )
        if not self._turns():
            raise NotFound(
                f"no recorded run says that {name} was good before it was bad",
                hint=f"name a good deploy or run, as in `--good {name}~1`",
            )
        ends = {self.line[index][1].snapshot for index in bracket(self.verdicts)}
        if len(ends) == 1:
            version = self.store.short(ends.pop())
            raise UsageError(
                f"what is good and what is bad are the same version of {name}, {version}",
                hint=f"`ork log {name}` lists the versions; no deploy made the difference",
            )


def _down_to(
    line: list[tuple[Oid, Deploy]], good: ResolvedDeploy, bad: ResolvedDeploy
) -> list[tuple[Oid, Deploy]]:
    for index, (oid, _) in enumerate(line):
        if oid == good.oid:
            if index == 0:
                raise UsageError(f"{good.text} and {bad.text} are the same deploy")
            return line[: index + 1]
    raise UsageError(
        f"{good.text} is not an earlier deploy of {bad.workflow} than {bad.text}",
        hint=f"`ork log {bad.workflow}` lists them, newest first",
    )


def _like(store: Store, ends: list[Resolved | None]) -> Run | None:
    """Return the run whose parameters are taken: that of the bad end, else of the good one."""
    oids = [run_of(end) for end in reversed(ends) if end]
    return next((store.get(Run, oid) for oid in oids if oid), None)
