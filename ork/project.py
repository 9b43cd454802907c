"""A project in Python: what commands do, as methods.

The commands pass the moment and the author explicitly; here both have defaults.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, SupportsIndex, TypeAlias, TypedDict, TypeVar, Unpack

from ork.alike import did_you_mean, meant_or_known
from ork.bisection import Bisected, Judge, Question, Step, bisect
from ork.differences.definitions import SHORT_DIFF_LINES, Diff, with_hunks
from ork.differences.impact import Impact
from ork.errors import (
    NAME_SHOWN_MAX,
    Corrupt,
    NotFound,
    OrkError,
    StoreError,
    UsageError,
    as_calls,
    some,
)
from ork.follow.run import Events, ending_with, follow, stop_all
from ork.heads.deploy import Deployed, FileStatus, deploy, head_status, status
from ork.heads.rename import Renamed, rename
from ork.heads.rollback import RolledBack, rollback
from ork.heads.tags import Tag, Tagged, tag, tags, untag
from ork.heads.undo import Undone, undo
from ork.heads.workflows import WorkflowEntry, workflow_list
from ork.history.blame import Blame, blame
from ork.history.compare import Comparison, compare_resolved, ends, impact_of, narrow, split_parts
from ork.history.compare_runs import RunDiff, diff_runs, last_failure, other_params
from ork.history.details import (
    RunDetails,
    TaskDetails,
    details_of,
    outputs,
    run_details,
    run_with_outputs,
)
from ork.history.log import LogEntry, log
from ork.history.tasks import (
    TaskRow,
    TaskRowWithOutput,
    TaskTimes,
    refuse_unknown,
    row_with_output,
    task_rows,
    task_times,
    workflow_and_task,
)
from ork.logs.ends import end_of_log
from ork.logs.reading import logs, with_headings
from ork.objects.canonical import Oid
from ork.objects.drawn import Drawn
from ork.objects.kinds import Run, Task
from ork.objects.rows import Rows, Text, table, while_open
from ork.objects.value import Value, replace
from ork.params.arguments import all_checked
from ork.params.given import exactly, json_of
from ork.params.recorded import having, refuse_params
from ork.runner import start
from ork.runner.choices import Selection, as_names
from ork.runner.events import Event, RunFinished
from ork.runner.loop import Control
from ork.runner.record import cancel
from ork.runner.start import Caller, Options, Started, WouldRun
from ork.search.grep import Hit, grep, pattern_of
from ork.store.contents import SnapshotDetails, find_run, run_and_tasks, snapshot_details
from ork.store.location import remotes
from ork.store.operations import OperationEntry, selected
from ork.store.resolve import Resolved, a_kind, head, only_workflow
from ork.store.revision import parse_moment, parse_range, parse_span, split_part
from ork.store.runs import RunEntry, RunWithOutputs, going_on, refuse_unknown_triggers, runs, wanted
from ork.store.store import Stamp, Store, typed
from ork.store.verdict import failed_tasks, in_full
from ork.worktree.load import Loaded
from ork.worktree.lookup import (
    AnyRevision,
    as_revision,
    bytes_of,
    look_up,
    look_up_or_read,
    named_files,
    refuse_page,
)
from ork.worktree.origin import author as author_of
from ork.worktree.restore import Restored, restore, restore_all
from ork.zone import now_here

if TYPE_CHECKING:
    from ork.cli.pictures.graph import Graph
    from ork.cli.report.page import Page
    from ork.daemon.fires import Backfill, Late, Listed
    from ork.daemon.lines import Line
    from ork.daemon.pauses import Archived, Paused, Resumed
    from ork.daemon.queue import Queued
    from ork.git.from_git import Imported
    from ork.git.to_git import Exported
    from ork.heads.check import Checked
    from ork.orkdb.importing import ImportedDatabase
    from ork.sync.backup import BackedUp
    from ork.sync.receive import Received
    from ork.sync.select import Created
    from ork.sync.transfer import Direction, Transferred
    from ork.upkeep.prune import Pruned


DAMAGED_NAMED = 10  # runs that a warning names
V = TypeVar("V", bound=Value)
AnyWorkflow: TypeAlias = str | WorkflowEntry


class How(TypedDict, total=False):
    """How to run, and what of it: the fields of Options and Selection, as arguments of a call."""

    jobs: int | None
    timeout_s: float | None
    fail_fast: bool
    checkout: bool
    base: AnyRevision | None
    only: str | Collection[str]
    start: str | Collection[str]
    until: str | Collection[str]
    without: str | Collection[str]


class RunFailed(OrkError):
    """A run that was to succeed did not; `run` tells what became of it.

    Shown with it is the end of the log of the first task that failed.
    """

    def __init__(self, run: RunDetails, task: str | None = None, end: str = "") -> None:
        if end:
            self.add_note(f"the end of the log of {task}:\n{end}")
        reason = f": {run.run.reason}" if run.run.reason else ""
        log = f"`print(project.logs({f'{run.name}:{task}'!r}))` shows all that it printed, "
        super().__init__(
            f"{run.name} ended as {run.state}{reason}",
            hint=f"{log if end else ''}`project.retry({run.name!r})` goes on with the run",
        )
        self.args = (self.message,)  # as it is: a task may have said it
        self.run = run


class OrkWarning(UserWarning):
    """What ork has to say beside an answer, told from Python by `warnings.warn`."""


@all_checked
class Project:
    """A project and its store: what commands do, as methods.

    It comes from `ork.open` and is closed at the end of its `with` block, or by `close`. Every
    method raises the errors of `ork.errors`; paths of files are relative to the working directory.
    Where a revision is wanted, a text may be given, such as "etl~1", or what ork has returned: a
    run, a deploy, a tag. A moment is a date, a datetime, or a text as after `--since`: "2h".
    """

    def __init__(self, store: Store) -> None:
        if not isinstance(store, Store):  # rather a folder, or a URL
            told = f"a Project is of a store that is open, not of {str(store)!r}"
            raise UsageError(told, hint=f"`ork.open({str(store)!r})` opens it")
        self.store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Project {str(self.store.project)!r}>"

    def _repr_html_(self) -> str | None:
        if (found := while_open(self.workflows)) is None:
            return None
        return table((one.cells() for one in found), len(found), caption=repr(self)[1:-1])

    def deploy(
        self,
        path: str | Path,
        *,
        message: str | None = None,
        author: str | None = None,
        allow_secret: bool = False,
        move: bool = False,
        new: bool = False,
    ) -> Deployed:
        """Deploy a workflow file; `changed` of the result is False when the head had its content.

        Raises InvalidInput when it has what is obviously a key, unless `allow_secret`, when the
        workflow was deployed from another file, unless `move`, and when the file is deployed under
        another name, unless it is to be a `new` workflow. What seems to be a mistake in it is an
        OrkWarning, and stands in `warnings`. A file elsewhere, even one of another project, is
        deployed into this store all the same, and its tasks run where it lies.

        >>> project.deploy("etl.yaml", message="Wait even longer")
        <Deployed etl, changed, ..., Wait even longer>
        """
        deployed = deploy(
            self.store,
            Path(path),
            stamp=stamp_of(author, "deploy", str(path)),
            message=message,
            allow_secret=allow_secret,
            move=move,
            new=new,
        )
        _warn_of(deployed)
        return self._shown(deployed)

    def check(self, *files: str | Path, with_files: bool = False) -> Rows[Checked]:
        """Say all that is wrong in workflow files, in folders, or in this one; nothing is raised.

        `problems` of each are complaints, because of which it is not `ok`, `warnings` what seems to
        be a mistake; `with_files` tells what of their code is captured. `print` tells each with its
        place and what to do, as the command does. `ork.check` reads one file.

        >>> project.check("etl.yaml")
        [<Checked etl.yaml, etl, good>]
        """
        from ork.heads.check import Checked, check_files

        paths = named_files(map(Path, files or (".",)), self.store)
        found = check_files(
            paths,
            now=now_here(),
            project=self.store.project,
            store=self.store,
            with_files=with_files,
        )
        return Rows(map(self._shown, found), Checked, "workflow files")

    def status(self, folder: str | Path = ".") -> Rows[FileStatus]:
        """Return how the workflow files of the project stand to what is deployed.

        >>> project.status()
        [<FileStatus etl.yaml, etl, unchanged>]
        """
        author = author_of(os.environ, Path.cwd())
        found = status(self.store, Path(folder), author=author)
        return Rows(found, FileStatus, "workflow files")

    def workflows(
        self, *, limit: int | None = None, with_archived: bool = False
    ) -> Rows[WorkflowEntry]:
        """Return the workflows by name: last run, next slot or what is due, number of tasks, tags.

        >>> project.workflows()
        [<WorkflowEntry etl, #2 failed, ...>]
        """
        from ork.daemon.fires import with_due

        now, most = now_here(), _at_most(limit)
        damage: list[Corrupt] = []
        found = workflow_list(
            self.store, now=now, limit=most, with_archived=with_archived, damage=damage
        )
        rows = Rows(with_due(self.store, [*found], now), WorkflowEntry, "workflows")
        _warn_of_damage(damage)
        return rows

    def move(self, old: AnyWorkflow, new: str, *, author: str | None = None) -> Renamed:
        """Give a workflow another name: its history, runs and tags go with it.

        >>> project.move("etl", "load").deploy == project.resolve("load").oid
        True
        >>> _ = project.undo()
        """
        name = _workflow(old)
        stamp = stamp_of(author, "move", name, new)
        return rename(self.store, name, new, stamp=stamp)

    def archive(self, workflow: AnyWorkflow, *, author: str | None = None) -> Archived:
        """Put a workflow away: nothing but its name leads to it, and no schedule of it fires.

        >>> project.archive("etl")
        <Archived etl>
        >>> project.workflows()
        []
        """
        from ork.daemon.pauses import archive

        name = _workflow(workflow)
        return archive(self.store, name, stamp=stamp_of(author, "archive", name))

    def unarchive(self, workflow: AnyWorkflow, *, author: str | None = None) -> Resumed:
        """Take an archived workflow out again; its schedules fire from now on.

        >>> project.unarchive("etl").workflow
        'etl'
        """
        from ork.daemon.pauses import unarchive

        name = _workflow(workflow)
        stamp = stamp_of(author, "unarchive", name)
        return unarchive(self.store, name, stamp=stamp, now=now_here())

    def resolve(self, revision: AnyRevision) -> Resolved:
        """Return what a revision means: "etl~1", "etl@v1", "etl#57", an oid, "file:PATH"...

        >>> project.resolve("etl~1")
        <ResolvedDeploy etl~1, deploy, ...>
        """
        return look_up(self.store, as_revision(revision), now=now_here())

    def log(
        self,
        revision: AnyRevision | None = None,
        *others: AnyRevision,
        limit: int | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
        author: str | None = None,
        grep: str | None = None,
        text: str | None = None,
        reverse: bool = False,
        with_diff: bool = False,
        names: str | Sequence[str] = (),
        follow: bool = False,
    ) -> Rows[LogEntry]:
        """Return deploys, newest first, with how their runs went; see `ork.history.log.log`.

        Of "etl:extract", or with `names` of tasks and code files, only those that changed these;
        with `text` those that brought it or took it away. Of several revisions it is what any has,
        of "A...B" what one of both alone has.

        >>> for entry in project.log("etl", limit=2):
        ...     print(entry.deploy.message)
        Wait even longer
        Start later
        """
        begin, end = parse_span(since, until, now_here())
        found = log(
            self.store,
            _text(revision),
            others=[as_revision(other) for other in others],
            now=now_here(),
            limit=_at_most(limit),
            since=begin,
            until=end,
            author=author,
            grep=grep,
            text=text,
            reverse=reverse,
            with_diff=with_diff,
            names=as_names(names),
            follow=follow,
        )
        return Rows(map(self._shown, found), LogEntry, "deploys")

    def grep(
        self,
        pattern: str,
        *revisions: AnyRevision,
        fixed: bool = False,
        ignore_case: bool = False,
    ) -> Rows[Hit]:
        """Return the lines of definitions and code that match a regular expression, and names.

        With `fixed` it is a text. Where no revision is named, all workflows are searched.

        >>> [hit.place for hit in project.grep("ORK_OUTPUT", "etl")]
        ['etl:load.sh:3']
        """
        wanted = pattern_of(pattern, fixed=fixed, ignore_case=ignore_case)
        texts = list(map(as_revision, revisions))
        return Rows(grep(self.store, wanted, texts, now=now_here()), Hit, "hits")

    def blame(self, revision: AnyRevision, *, keys: bool = False) -> Blame:
        """Return which deploy last touched each task and code file, or with `keys` each field.

        Of "etl:extract" it is each field, of "etl:tasks/etl.py" and "etl:" each line, also of those
        that were moved from another file.

        >>> project.blame("etl")
        <Blame etl, ... parts>
        """
        text = as_revision(revision)
        found = blame(self.store, text, now=now_here(), keys=keys)
        return self._shown(found)

    def diff(
        self,
        old: AnyRevision,
        new: AnyRevision | None = None,
        *,
        rename: bool = True,
        tasks: str | Collection[str] = (),
    ) -> Comparison:
        """Compare the definitions that two revisions mean; `diff` of the result says what differs.

        They may be one text, A..B, and a workflow alone is compared with its file. The result is
        false when nothing differs. Of two runs `diff_runs` compares all else, too. With `tasks`,
        names of tasks or paths of code files, only what concerns these, as with "etl~1..etl:load".

        >>> project.diff("etl~1", "etl")
        <Comparison etl~1, etl, 1 task>
        """
        texts = [as_revision(one) for one in (old, new) if one is not None]
        whole, names, _ = split_parts(texts, as_names(tasks))
        before, after = map(self.resolve, ends(self.store, whole, now=now_here()))
        found = compare_resolved(self.store, before, after, rename=rename)
        if names:
            found = narrow(self.store, found, names)
        return self._shown(replace(found, diff=self._with_hunks(found.diff)))

    def graph(self, revision: AnyRevision | Comparison) -> Graph:
        """Return the picture of a revision, a run or a change: which task needs which.

        A change is A..B, or what `diff` has returned.

        `print` draws it, and a notebook shows it as SVG, where many tasks that are alike are one
        box. `to_text("mermaid")` of it, or "dot" or "svg", is for a file.

        >>> print(project.graph("etl"))
        ● extract
        ● load
        """
        from ork.cli.pictures.change import change_of, graph_of

        if isinstance(revision, Comparison):
            return change_of(self.store, revision).graph
        return graph_of(self.store, as_revision(revision), now=now_here())

    def report(self, subject: AnyRevision | Comparison) -> Page:
        """Return the HTML page about a change, a run or a workflow.

        A change is A..B, or what `diff` has returned.

        It is a text, to be written to a file; a notebook shows it.

        >>> _ = Path("etl.html").write_text(project.report("etl#2"))
        """
        from ork.cli.report.page import Page
        from ork.cli.report.subject import report_of

        about = subject if isinstance(subject, Comparison) else as_revision(subject)
        damage: list[Corrupt] = []
        page = Page("".join(report_of(self.store, about, now=now_here(), damage=damage)))
        _warn_of_damage(damage)
        return page

    def impact(self, change: AnyRevision | Comparison) -> Impact:
        """Return which tasks can give other results after a change, and which cannot.

        A change is A..B, or what `diff` has returned.

        >>> project.impact(project.diff("etl#1", "etl#2"))
        <Impact 1 of 2 tasks can give other results>
        """
        comparison = change if isinstance(change, Comparison) else self.diff(change)
        return self._shown(impact_of(self.store, comparison))

    def diff_runs(self, old: AnyRevision, new: AnyRevision | None = None) -> RunDiff:
        """Compare two runs in layers; `first` of the result is the task where they part.

        They may be one text, A..B.

        >>> project.diff_runs("etl#1", "etl#2").first.why
        'its code changed: load.sh; it failed: exited with code 1: loading {"rows": 3}'
        """
        if new is None and not parse_range(text := as_revision(old)):
            hint = "write `project.diff_runs(OLD, NEW)`, or `project.diff_last(WORKFLOW)`"
            raise UsageError(f"{text} is one: two runs are compared", hint=hint)
        texts = [as_revision(one) for one in (old, new) if one is not None]
        before, after = map(self.resolve, ends(self.store, texts, now=now_here()))
        found = diff_runs(self.store, before, after)
        return self._shown(replace(found, definition=self._with_hunks(found.definition)))

    def diff_last(self, workflow: AnyWorkflow = "@") -> RunDiff:
        """Compare the last good run of a workflow with the first bad one after it.

        The good run has the parameters of the bad one if there is such a run shortly before; else a
        warning says that they differ. `good_since` of the result is the newest good run between
        them of the version of the bad one, if there is one, and `good_again` names the first good
        run after it. Runs of another version than the newest then are passed over.

        >>> project.diff_last("etl")
        <RunDiff etl#1, etl#2, ...>
        """
        name = only_workflow(self.store) if workflow == "@" else _workflow(workflow)
        failure = last_failure(self.store, name)
        found = self.diff_runs(failure.good, failure.bad)
        if told := other_params(found):
            _warn(told)
        return self._shown(replace(found, good_again=failure.good_again))

    def runs(
        self,
        workflow: AnyWorkflow | None = None,
        *,
        limit: int | None = None,
        states: str | Collection[str] = (),
        since: str | date | None = None,
        until: str | date | None = None,
        containing: AnyRevision | None = None,
        snapshot: AnyRevision | None = None,
        params: Mapping[str, Any] | None = None,
        author: str | None = None,
        triggers: str | Collection[str] = (),
        with_archived: bool = False,
        with_outputs: bool = False,
    ) -> Rows[RunEntry]:
        """Return runs, newest first: of one workflow or of all; `states` such as "failed".

        Those that failed are also those that were stopped when a task had failed.

        `containing` names a task that they executed, "etl:load", or a code file that they have,
        perhaps by its path on disk; `snapshot` a definition; `params` are values that they were
        given, or texts of these, as after `ork run -i`. Raises NotFound for a parameter that there
        has never been, UsageError for a value that it cannot have. `author` is a regular
        expression, `triggers` why they began: "run", "retry", "schedule", "queue", "bisect";
        NotFound for what none began by. With "retry", `since` and `until` mean when that began.

        With `with_outputs` each is a RunWithOutputs: `outputs` of it are what its tasks gave, and
        `to_pandas()` has a column for each field of these, `outputs.load.loaded`.

        >>> project.runs("etl", states="failed")
        [<RunEntry etl#2, failed, ...>]
        """
        name = None if workflow is None else _workflow(workflow)
        executed = wanted(
            self.store,
            containing=look_up_or_read(self.store, as_revision(containing), now=now_here())
            if containing
            else None,
            snapshot=self.resolve(snapshot) if snapshot else None,
        )
        begin, end = parse_span(since, until, now_here())
        given = json_of(params or {})
        damage: list[Corrupt] = []
        found = runs(
            self.store,
            name,
            limit=_at_most(limit),
            states=as_names(states),
            since=begin,
            until=end,
            executed=executed,
            having=having(self.store, given) if given else None,
            author=pattern_of(author) if author is not None else None,
            triggers=as_names(triggers),
            without=() if with_archived else None,
            damage=damage,
        )
        found = in_full(self.store, found)
        if with_outputs:
            found = (run_with_outputs(self.store, entry) for entry in found)
        rows = Rows(found, RunWithOutputs if with_outputs else RunEntry, "runs")
        _warn_of_damage(damage)
        if not rows and not damage:
            refuse_unknown_triggers(self.store, name, as_names(triggers))
            if given:
                refuse_params(self.store, name, given)
        return rows

    def task_history(
        self,
        task: str,
        *,
        limit: int | None = None,
        states: str | Collection[str] = (),
        since: str | date | None = None,
        until: str | date | None = None,
        params: Mapping[str, Any] | None = None,
        with_outputs: bool = False,
    ) -> Rows[TaskRow]:
        """Return what became of a task, "etl:load", in each run, newest first.

        `changed` of each is what was new there, against the run before: its name, definition, code,
        inputs or output; `inputs` names those, and `maybe` the changed files that it may use.
        `states` are those of the task. `project.task(row)` has the values; with `with_outputs` each
        is a TaskRowWithOutput, which has the `output`.

        >>> project.task_history("etl:load")[0].changed
        ('code',)
        """
        workflow, name = workflow_and_task(self.store, task)
        begin, end = parse_span(since, until, now_here())
        given = json_of(params or {})
        had = having(self.store, given) if given else None
        damage: list[Corrupt] = []
        found = runs(self.store, workflow, since=begin, until=end, having=had, damage=damage)
        rows = task_rows(self.store, found, workflow, name, states=as_names(states))
        rows = islice(rows, _at_most(limit))
        if with_outputs:
            rows = (row_with_output(self.store, row) for row in rows)
        found_rows = Rows(rows, TaskRowWithOutput if with_outputs else TaskRow, "runs")
        _warn_of_damage(damage)
        if not found_rows and not damage:
            refuse_unknown(self.store, workflow, name, now=now_here())
            refuse_params(self.store, workflow, given)
        return found_rows

    def task_times(
        self,
        workflow: AnyWorkflow = "@",
        *,
        limit: int | None = 20,
        since: str | date | None = None,
        until: str | date | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Rows[TaskTimes]:
        """Return how long each task of the newest version takes, by so many of the newest runs.

        First are those that have become slower, by the most time, then those that take longest.

        >>> project.task_times("etl")[0].median < 60
        True
        """
        name = _workflow(workflow)
        name = only_workflow(self.store) if name == "@" else name
        begin, end = parse_span(since, until, now_here())
        given = json_of(params or {})
        had = having(self.store, given) if given else None
        damage: list[Corrupt] = []
        found = runs(self.store, name, since=begin, until=end, having=had, damage=damage)
        lost: list[str] = []
        times = task_times(self.store, found, name, limit=_at_most(limit), damaged=lost)
        _warn_of_damage(damage)
        if lost:
            _warn(f"damaged, and not counted: {some(lost, DAMAGED_NAMED)}")
        if not times and not damage:
            refuse_params(self.store, name, given)
        return Rows(times, TaskTimes, "runs")

    def show(self, revision: AnyRevision) -> SnapshotDetails | RunDetails:
        """Return a whole definition, or for a run everything that became of it, values included.

        >>> project.show("etl#1").tasks["load"].inputs
        {'rows': 3}
        """
        found = self.resolve(revision)
        if found.name is not None:
            hint = "`task` returns one task of it, `text` a code file or the workflow file"
            raise UsageError(f"{found.text} is only a part: {a_kind(found)}", hint=hint)
        if found.kind == "run":
            return self._run_details(*find_run(self.store, found))
        return self._shown(snapshot_details(self.store, found))

    def task(self, revision: AnyRevision) -> Task | TaskDetails:
        """Return a task of a definition, "etl:load", or of a run what became of it, "etl#5:load".

        >>> project.task("etl#1:load").output
        {'loaded': 3}
        """
        found = self.resolve(revision)
        if found.kind == "taskrun":
            return details_of(self.store, found)
        if found.kind != "task":
            raise UsageError(f"{found.text} is {a_kind(found)}, and no task", hint="write REV:TASK")
        return self.store.get(Task, found.oid)

    def text(self, revision: AnyRevision) -> str:
        """Return the text of a code file, "etl~1:load.sh", or of the workflow file, "etl~1:".

        What is no UTF-8 in it is replaced; `restore` writes the bytes as they are.

        >>> print(project.text("etl#1:tasks/etl.py").splitlines()[0])
        def extract():
        """
        found = self.resolve(revision)
        data = bytes_of(self.store, found)
        if data is None:
            hint = "write REV:PATH, or `REV:` for the workflow file"
            raise UsageError(f"{found.text} is {a_kind(found)}, and no text", hint=hint)
        return data.decode("utf-8", "replace")

    def run(
        self,
        what: AnyRevision | Loaded,
        *,
        params: Mapping[str, Any] = {},
        options: Options | None = None,
        check: bool = False,
        message: str | None = None,
        author: str | None = None,
        control: Control | None = None,
        no_deploy: bool = False,
        with_code: AnyRevision | None = None,
        allow_secret: bool = False,
        move: bool = False,
        hooks: bool = True,
        **how: Unpack[How],
    ) -> RunDetails:
        """Run a workflow file or a revision to its end, and return the run, however it ended.

        As with `subprocess.run`, a failure is an answer: `ok` and `state` of the run tell it. With
        `check` RunFailed is raised instead, whose `run` it is. The rest is as for `events`. Ctrl-C,
        or the interrupt of a notebook, stops the run as it does for `ork run`, again at once:
        KeyboardInterrupt tells how it ended. A notebook shows how far it is.

        >>> run = project.run("etl")
        >>> run.state, dict(run.outputs)
        ('failed', {'extract': {'rows': 3}})
        """
        control = control or Control()
        events = self.events(
            what,
            params=params,
            options=options,
            message=message,
            author=author,
            control=control,
            no_deploy=no_deploy,
            with_code=with_code,
            allow_secret=allow_secret,
            move=move,
            hooks=hooks,
            **how,
        )
        return self._ended(follow(events.begin(), control), check=check)

    def events(
        self,
        what: AnyRevision | Loaded,
        *,
        params: Mapping[str, Any] = {},
        options: Options | None = None,
        message: str | None = None,
        author: str | None = None,
        control: Control | None = None,
        no_deploy: bool = False,
        with_code: AnyRevision | None = None,
        allow_secret: bool = False,
        move: bool = False,
        hooks: bool = True,
        **how: Unpack[How],
    ) -> Events:
        """Run a workflow file or a revision; yield what happens, each thing after it is recorded.

        A file, or what `ork.check` has read of one, is deployed first if it differs from its head,
        unless `no_deploy`. A workflow runs as it is deployed: an OrkWarning tells when its file was
        edited since, or when a task is given an output of another definition. `params` are values,
        taken as they are, dates as ISO texts; those that `options` gives may be texts, as after
        `ork run -i`. What else `options` has, `jobs` and such, and a selection, `only`, `start`,
        `until` or `without`, may be given here as well.

        Nothing happens before the first event is asked for: what is wrong with the file is raised
        there, too. Closing the iterator or the project, or `control.stop()` from another thread or
        a signal handler, stops the run and records it as cancelled. Its hook is executed after the
        last event.

        >>> [type(event).__name__ for event in project.events("etl")]
        ['RunStarted', ..., 'RunFinished']
        """
        source, chosen = _to_run(what), _chosen(options, params, how)

        def begin() -> Iterator[Event]:
            caller = _caller(author, control, "run", _name_of(source))
            self._warn_of_edits(source, caller)
            started = start.start(
                self.store,
                source,
                options=chosen,
                caller=caller,
                message=message,
                no_deploy=no_deploy,
                with_code=_text(with_code),
                allow_secret=allow_secret,
                move=move,
            )
            _warn_of(started.deployed, message)
            return self._events_of(started, caller, hooks=hooks)

        return Events(_name_of(source), begin)

    def retry(
        self,
        what: AnyRevision,
        *,
        options: Options | None = None,
        check: bool = False,
        latest: bool = False,
        author: str | None = None,
        control: Control | None = None,
        hooks: bool = True,
        **how: Unpack[How],
    ) -> RunDetails:
        """Go on with a run that has ended, to its end: what succeeded is kept, the rest runs again.

        What is returned, or raised, is as for `run`.

        >>> project.retry("etl#2")
        <RunDetails etl#2, failed, ...>
        """
        control = control or Control()
        events = self.retry_events(
            what, options=options, latest=latest, author=author, control=control, hooks=hooks, **how
        )
        return self._ended(follow(events.begin(), control), check=check)

    def retry_events(
        self,
        what: AnyRevision,
        *,
        options: Options | None = None,
        latest: bool = False,
        author: str | None = None,
        control: Control | None = None,
        hooks: bool = True,
        **how: Unpack[How],
    ) -> Events:
        """Go on with a run that has ended; yield what happens, as `events` does.

        >>> *_, finished = project.retry_events("etl#2")
        >>> finished.run.attempt
        3
        """
        name, chosen = as_revision(what), _chosen(options, how=how, takes_params=False)

        def begin() -> Iterator[Event]:
            from ork.daemon.fires import retried

            caller = _caller(author, control, "retry", name)
            full = chosen if latest else retried(self.store, name, chosen, now=caller.now)
            started = start.retry(self.store, name, options=full, latest=latest, caller=caller)
            return self._events_of(started, caller, hooks=hooks)

        return Events(f"a retry of {name}", begin)

    def would_run(
        self,
        what: AnyRevision | Loaded,
        *,
        params: Mapping[str, Any] = {},
        options: Options | None = None,
        with_code: AnyRevision | None = None,
        allow_secret: bool = False,
        **how: Unpack[How],
    ) -> WouldRun:
        """Return which tasks `run` would execute; nothing is deployed, run or written.

        >>> print(project.would_run("etl", only="load"))
        etl ...  1 task would run
          run      load     after extract
          kept     extract  output of etl#...
        """
        source = _to_run(what)
        ready = start.prepare(
            self.store,
            source,
            options=_chosen(options, params, how),
            caller=_caller(None, None, "would_run", _name_of(source)),
            with_code=_text(with_code),
            allow_secret=allow_secret,
            dry=True,
        )
        return self._shown(start.would_run(self.store, ready))

    def would_retry(
        self,
        what: AnyRevision,
        *,
        options: Options | None = None,
        latest: bool = False,
        **how: Unpack[How],
    ) -> WouldRun:
        """Return which tasks `retry` would execute again, and why; nothing is run or written.

        >>> print(project.would_retry("etl#2"))
        etl#2 ...  1 task would run
          run      load     failed: exited with code 1: loading {"rows": 3}
          kept     extract
        """
        name = as_revision(what)
        ready = start.prepare_retry(
            self.store,
            name,
            options=_chosen(options, how=how, takes_params=False),
            caller=_caller(None, None, "would_retry", name),
            latest=latest,
        )
        return self._shown(start.would_run(self.store, ready))

    def _ended(self, last: RunFinished, *, check: bool) -> RunDetails:
        """Return what became of a run."""
        run = self._run_details(last.oid, last.run)
        if check and not run.ok:
            first, taskrun = next(iter(failed_tasks(run.tasks.states).items()), (None, None))
            attempt = taskrun.last if taskrun else None
            raise RunFailed(run, first, end_of_log(self.store, attempt.log if attempt else None))
        return run

    def _run_details(self, oid: Oid, run: Run) -> RunDetails:
        """Return a run, whole."""
        details = run_details(self.store, oid, run)
        if run.scheduled:
            from ork.daemon.fires import with_retry  # which other runs do without

            details = with_retry(self.store, details, now_here())
        return self._shown(details)

    def _with_hunks(self, diff: Diff) -> Diff:
        return with_hunks(diff, self.store.blob, lines_max=SHORT_DIFF_LINES)

    def _shown(self, value: V) -> V:
        """Return a value that shows itself, and what is in it, as the command does."""
        for field in value.__struct_fields__:
            if isinstance(inner := getattr(value, field), Value):
                self._shown(inner)
        if isinstance(value, Drawn):
            value.draw_by(lambda html: self._drawn(value, html))
        return value

    def _drawn(self, value: Drawn, html: bool) -> str | None:
        """Return what a command shows of a value; None once the store is closed."""
        from ork.cli.history.drawn import drawn

        return while_open(lambda: drawn(self.store, value, html=html))

    def _warn_of_edits(self, what: str | Loaded, caller: Caller) -> None:
        """Tell when what is to run is a workflow whose file is another by now."""
        workflow = only_workflow(self.store) if what == "@" else what
        if isinstance(workflow, Loaded) or self.store.ref(f"workflows/{workflow}") is None:
            return
        author = caller.signed().author
        one = head_status(self.store, workflow, author=author)
        path = os.path.relpath(self.store.project / one.path)
        if one.state == "modified" and one.workflow == workflow:
            told = f"{workflow} runs without what you changed: {one.summary}"
            _warn(f"{told}; `project.run({path!r})` runs with that")
        elif one.state == "missing" and not one.summary:  # which an import has never had
            told = (
                f"{path} is not here: `project.restore({workflow!r}, code=True)` writes what is run"
            )
            _warn(f"{told}; if it has moved, `project.deploy` tells where it is now")

    def _events_of(self, started: Started, caller: Caller, *, hooks: bool) -> Iterator[Event]:
        from ork.daemon.hooks import with_hooks

        for note in started.notes:
            _warn(note)
        events = started.events
        return ending_with(self, with_hooks(self.store, events, caller) if hooks else events)

    def logs(
        self,
        what: AnyRevision,
        *,
        failed: bool = False,
        attempt: int | None = None,
        tail: int | None = None,
    ) -> str:
        """Return what the tasks of a run printed, or one of it, "etl#5:load", as one text.

        A pattern means several: "etl#5:load_*". Several follow each other, each under its name.

        Of each it is what its last attempt printed, or that `attempt`; with `failed` only of those
        that failed, and of each log at most `tail` lines at its end.

        >>> print(project.logs("etl#1:load"))
        loading {"rows": 3}
        ORK_OUTPUT:{"loaded": 3}
        <BLANKLINE>
        """
        name = as_revision(what)
        now = now_here()
        found = logs(self.store, name, now=now, failed=failed, attempt=attempt)
        if split_part(name)[1] and found and not any(one.attempt for one in found):
            raise NotFound(f"{name} has no log: {found[0].reason}")
        tail = _at_most(tail, "tail")
        one = len(run_and_tasks(self.store, name, now=now)[1]) == 1
        parts = []
        for _, heading, pieces in with_headings(self.store, found, one=one, tail=tail):
            text = b"".join(pieces).decode("utf-8", "replace")
            end = "\n" if text and not text.endswith("\n") else ""
            parts.append(f"{heading}\n{text}{end}" if heading else text)
        return Text("".join(parts))

    def bisect(
        self,
        workflow: AnyWorkflow,
        *,
        good: AnyRevision | None = None,
        bad: AnyRevision | None = None,
        options: Options | None = None,
        judge: Judge | None = None,
        author: str | None = None,
        control: Control | None = None,
    ) -> Bisected:
        """Find the deploy that made a workflow fail: `suspects` of what is returned.

        Takes recorded outcomes first and runs what is missing. Without a `judge` success is good;
        else that is called with the oid of a deploy and its run, recorded or just ended, and says
        "good", "bad" or "skip": `lambda deploy, run: "good" if ... else "bad"`. The outputs of a
        run are `project.show(run.name).outputs`. Where all before the bad end turns out good, that
        is judged as well: NotFound where it is good, too. See `ork.bisection.bisect`.

        >>> [entry.deploy.message for entry in project.bisect("etl").suspects]
        ['Say what is loaded']
        """
        *_, found = self.bisect_steps(
            workflow,
            good=good,
            bad=bad,
            options=options,
            judge=judge,
            author=author,
            control=control,
        )
        assert isinstance(found, Bisected)
        return found

    def bisect_steps(
        self,
        workflow: AnyWorkflow,
        *,
        good: AnyRevision | None = None,
        bad: AnyRevision | None = None,
        options: Options | None = None,
        judge: Judge | None = None,
        author: str | None = None,
        control: Control | None = None,
    ) -> Iterator[Step]:
        """Find the deploy that made a workflow fail; yield each verdict, at last what was found.

        >>> [type(step).__name__ for step in project.bisect_steps("etl")]
        ['Trial', 'Trial', 'Bisected']
        """
        name = _workflow(workflow)
        question = Question(
            options=_chosen(options),
            judge=judge,
            caller=lambda: _caller(author, control, "bisect", name),
        )
        ends = {"good": _text(good), "bad": _text(bad)}
        steps = bisect(self.store, name, **ends, question=question)
        return map(self._shown, steps)

    def watch(self, what: AnyRevision = "@") -> Iterator[Event]:
        """Yield what happens in a run that another process owns, as `events` does, until its end.

        It begins with what has happened so far. Closing the iterator does not stop the run.

        >>> [type(event).__name__ for event in project.watch("etl#1")]
        ['RunStarted', ..., 'RunFinished']
        """
        from ork.runner.watch import watch

        found = self.resolve(going_on(self.store, as_revision(what)))
        _, run = find_run(self.store, found)
        return watch(self.store, run, clock=now_here)

    def cancel(self, what: AnyRevision, *, now: bool = False, author: str | None = None) -> Run:
        """Ask the process that runs a run to stop it, with `now` at once; return at once.

        >>> project.cancel("etl#2")
        Traceback (most recent call last):
        ork.errors.UsageError: etl#2 has ended: failed
        """
        name = as_revision(what)
        found = self.resolve(going_on(self.store, name))
        stamp = stamp_of(author, "cancel", name)
        _, run = find_run(self.store, found)
        return cancel(self.store, run, author=stamp.author, now=now)

    def schedules(self, workflow: AnyWorkflow | None = None) -> Rows[Listed]:
        """Return the schedules of a workflow, or of all: next, last run, who paused it.

        >>> project.schedules()
        [<Listed etl, next 2...>]
        """
        from ork.daemon.fires import Listed, listed

        damage: list[Corrupt] = []
        found = listed(self.store, self._lines(workflow), now_here(), damage)
        _warn_of_damage(damage)
        return Rows(found, Listed, "schedules")

    def late(
        self,
        workflow: AnyWorkflow | None = None,
        *,
        since: str | date = "1 day ago",
        grace_s: float = 600.0,
    ) -> Rows[Late]:
        """Return the slots that have no run: due longer than `grace_s`, or left out `since`.

        >>> project.late()
        [<Late etl, slot 2..., no `ork up` works here>]
        """
        from ork.daemon.fires import Late, late

        now = now_here()
        moment = parse_moment(since, now)
        grace = timedelta(seconds=grace_s)
        damage: list[Corrupt] = []
        found = late(
            self.store, self._lines(workflow), now, grace=grace, since=moment, damage=damage
        )
        _warn_of_damage(damage)
        return Rows(found, Late, "slots")

    def _lines(self, workflow: AnyWorkflow | None) -> list[Line]:
        """Return the schedules of a workflow, or of all, as whoever fires sees them."""
        from ork.daemon.lines import Lines, lines_of

        if workflow is None:
            return Lines(self.store).look()
        name = _workflow(workflow)
        head(self.store, name)
        return lines_of(self.store, name)

    def pause(self, workflow: AnyWorkflow, *, author: str | None = None) -> Paused:
        """Let no schedule of a workflow fire until it is resumed, or the pause undone.

        >>> project.pause("etl").workflow
        'etl'
        """
        from ork.daemon.pauses import pause

        name = _workflow(workflow)
        return pause(self.store, name, stamp=stamp_of(author, "pause", name))

    def resume(self, workflow: AnyWorkflow, *, author: str | None = None) -> Resumed:
        """Let the schedules of a workflow fire again from now on; what went by is left out.

        What a run holds back that failed, with `after_failure: hold`, goes on as `catchup` says.

        >>> project.resume("etl").workflow
        'etl'
        """
        from ork.daemon.pauses import resume

        name = _workflow(workflow)
        stamp = stamp_of(author, "resume", name)
        return resume(self.store, name, stamp=stamp, now=now_here())

    def pause_all(self, *, author: str | None = None) -> Rows[Paused]:
        """Let no schedule of any workflow fire: one operation, so `undo` takes all of it back.

        >>> project.pause_all()
        [<Paused etl, ...>]
        """
        from ork.daemon.pauses import Paused, pause_all

        return Rows(pause_all(self.store, stamp=stamp_of(author, "pause_all")), Paused, "pauses")

    def resume_all(self, *, author: str | None = None) -> Rows[Resumed]:
        """Let all schedules fire again, whether they were paused together or one by one.

        >>> project.resume_all()
        [<Resumed etl, ...>]
        """
        from ork.daemon.pauses import Resumed, resume_all

        stamp = stamp_of(author, "resume_all")
        return Rows(resume_all(self.store, stamp=stamp, now=now_here()), Resumed, "pauses")

    def fire(
        self,
        workflow: AnyWorkflow,
        *,
        params: Mapping[str, Any] = {},
        slot: str | date | None = None,
        author: str | None = None,
    ) -> Queued:
        """Put a run into the queue as if a schedule were due now, or for a slot left out.

        >>> project.unqueue(project.fire("etl"))
        """
        from ork.daemon.fires import fire_now

        name = _workflow(workflow)
        caller = _caller(author, None, "fire", name)
        given = exactly(json_of(params))
        return fire_now(self.store, name, caller, given=given, slot=slot)

    def backfill(
        self,
        workflow: AnyWorkflow,
        *,
        since: str | date,
        until: str | date | None = None,
        params: Mapping[str, Any] = {},
        dry_run: bool = False,
        author: str | None = None,
    ) -> Backfill:
        """Put a run into the queue for each slot of the past that has none.

        With `dry_run` it only says which.

        >>> done = project.backfill("etl", since="5 days ago")
        >>> for waiting in done.queued:
        ...     project.unqueue(waiting)
        """
        from ork.daemon.fires import backfill

        name = _workflow(workflow)
        caller = _caller(author, None, "backfill", name)
        begin, end = parse_span(since, until, caller.now)
        if begin is None:
            raise UsageError("since when is not said", hint="write since='7 days ago'")
        return backfill(
            self.store,
            name,
            caller,
            since=begin,
            until=end or caller.now,
            given=exactly(json_of(params)),
            dry_run=dry_run,
        )

    def queue(
        self,
        what: AnyRevision,
        *,
        params: Mapping[str, Any] = {},
        options: Options | None = None,
        message: str | None = None,
        author: str | None = None,
        with_code: AnyRevision | None = None,
        allow_secret: bool = False,
        move: bool = False,
        **how: Unpack[How],
    ) -> Queued:
        """Let `ork up` run a workflow file, deployed first, or a revision; return at once.

        `params` are as for `run`.

        >>> waiting = project.queue("etl")
        """
        from ork.daemon.queue import put

        source = _to_run(what)
        caller = _caller(author, None, "queue", _name_of(source))
        self._warn_of_edits(source, caller)
        queued = put(
            self.store,
            source,
            options=_chosen(options, params, how),
            caller=caller,
            message=message,
            with_code=_text(with_code),
            allow_secret=allow_secret,
            move=move,
        )
        _warn_of(queued.deployed, message)
        return queued

    def queued(self) -> Rows[Queued]:
        """Return the runs that wait for `ork up`, those that wait longest first.

        >>> project.queued()
        [<Queued etl, ...>]
        """
        from ork.daemon.queue import Queued, waiting

        damage: list[Corrupt] = []
        rows = Rows(waiting(self.store, damage), Queued, "runs that wait")
        _warn_of_damage(damage)
        return rows

    def unqueue(self, waiting: Queued) -> None:
        """Take a run that waits out of the queue; raise Conflict when it has begun, or is gone.

        >>> project.unqueue(waiting)
        """
        from ork.daemon.queue import Queued, remove

        if not isinstance(waiting, Queued):
            hint = "give an entry of `project.queued()`"
            raise UsageError(f"a {type(waiting).__name__} is no run that waits", hint=hint)
        remove(self.store, waiting)

    def outputs(self, what: AnyRevision) -> Any:
        """Return the outputs of a run, task -> value, or of one task, "etl#1:load", its value.

        Of "etl#1:load.tables[0].rows" it is that part of the value.

        >>> project.outputs("etl#1")
        {'extract': {'rows': 3}, 'load': {'loaded': 3}}
        >>> project.outputs("etl#1:load.loaded")
        3
        """
        values, value = outputs(self.store, as_revision(what), now=now_here())
        return dict(values) if value is values else value

    def rollback(
        self,
        workflow: AnyWorkflow,
        revision: AnyRevision | None = None,
        *,
        message: str | None = None,
        author: str | None = None,
    ) -> RolledBack:
        """Deploy older content again; without a revision the newest that had a good run.

        >>> project.rollback("etl")
        <RolledBack etl, changed, ...>
        """
        name = _workflow(workflow)
        stamp = stamp_of(author, "rollback", name)
        return rollback(
            self.store, name, _text(revision), message=message, now=now_here(), stamp=stamp
        )

    def restore_all(
        self, *, code: bool = False, to: str | Path | None = None, force: bool = False
    ) -> Rows[Restored]:
        """Write the files of all workflows as they were deployed last, but of archived ones.

        Refused is all that `restore` refuses of one. Of a file of which several workflows have
        another content that of the newest deploy is written.

        >>> project.restore_all(to="../before")
        [<Restored etl, 1 of 1 file written>]
        """
        place = Path(to) if to is not None else None
        found = restore_all(self.store, code=code, to=place, force=force)
        return Rows(found, Restored, "workflows")

    def restore(
        self,
        revision: AnyRevision,
        *,
        code: bool = False,
        to: str | Path | None = None,
        force: bool = False,
    ) -> Restored:
        """Write a workflow file, with `code` the files it calls too, back to disk, or to a folder.

        "etl~1:load" puts one task back: its lines in the workflow file, and files that it names.
        Raises InvalidInput when that would lose changes which are not deployed, unless `force`.

        >>> project.restore("etl", code=True)
        <Restored etl, ... of 3 files written>
        """
        folder = Path(to) if to else None
        return restore(
            self.store, as_revision(revision), now=now_here(), code=code, force=force, to=folder
        )

    def tag(
        self,
        name: str,
        revision: AnyRevision | None = None,
        *,
        force: bool = False,
        author: str | None = None,
    ) -> Tagged:
        """Give a label to a deploy: "v1.4", or "etl@v1.4"; `force` moves one that is elsewhere.

        By a run it is on the deploy that this ran, of which an OrkWarning tells: the parameters of
        the run do not come with it.

        >>> project.tag("v1").tag
        <Tag etl@v1, ...>
        """
        text, stamp = _text(revision), stamp_of(author, "tag", name)
        tagged = tag(self.store, name, text, now=now_here(), force=force, stamp=stamp)
        if text and "#" in text:
            where = f"{tagged.revision} is on the deploy that {text} ran"
            _warn(f"{where}; `project.run({text!r})` repeats that run, with its parameters")
        return tagged

    def tags(self, workflow: AnyWorkflow | None = None) -> Rows[Tag]:
        """Return the tags of a workflow, or of all, sorted.

        >>> project.tags("etl")
        [<Tag etl@v1, ...>]
        """
        name = None if workflow is None else _workflow(workflow)
        return Rows(tags(self.store, name), Tag, "tags")

    def untag(self, name: str, *, author: str | None = None) -> Tagged:
        """Remove a tag: "etl@v1.4", or "v1.4" when one workflow only has it.

        >>> project.untag("v1").removed
        True
        """
        return untag(self.store, name, stamp=stamp_of(author, "untag", name))

    def operations(
        self,
        workflow: AnyWorkflow | None = None,
        *,
        limit: int | None = None,
        author: str | None = None,
        since: str | date | None = None,
        until: str | date | None = None,
    ) -> Rows[OperationEntry]:
        """Return the commands that moved heads and tags, of one workflow or of all, newest first.

        >>> project.operations(limit=1)
        [<OperationEntry project.untag('v1'), ...>]
        """
        begin, end = parse_span(since, until, now_here())
        found = selected(
            self.store,
            None if workflow is None else _workflow(workflow),
            author=pattern_of(author) if author is not None else None,
            since=begin,
            until=end,
        )
        some = islice(found, _at_most(limit))
        entries = (OperationEntry(oid=oid, operation=operation) for oid, operation in some)
        return Rows(entries, OperationEntry, "operations")

    def undo(
        self,
        operation: AnyRevision | None = None,
        *,
        workflows: str | Collection[str] = (),
        redo: bool = False,
        author: str | None = None,
    ) -> Undone:
        """Move the refs of an operation back to where they were.

        If none is named it is the newest that was not undone; with `redo` the newest undo. Of one
        that is named, with `workflows`, those of these alone.

        >>> project.undo()
        <Undone project.untag('v1'), etl@v1 created>
        """
        named = _text(operation)
        only = as_names(workflows)
        words = [named, *only] if named else ["--redo"] if redo else []
        stamp = stamp_of(author, "undo", *words)
        return undo(self.store, named, only, redo=redo, stamp=stamp, now=now_here())

    def export_git(
        self,
        destination: str | Path,
        workflow: AnyWorkflow | None = None,
        *,
        branch: str = "main",
        update: bool = False,
    ) -> Exported:
        """Write the history of a workflow as a git repository, with `update` what is new.

        >>> project.export_git("../pipelines").commits
        5
        """
        from ork.git.to_git import export_git, the_workflow

        name = the_workflow(self.store, None if workflow is None else _workflow(workflow))
        return export_git(self.store, Path(destination), name, branch=branch, update=update)

    def import_git(
        self,
        repository: str | Path,
        path: str,
        *,
        branch: str | None = None,
        author: str | None = None,
        allow_secret: bool = False,
        force: bool = False,
    ) -> Imported:
        """Deploy the versions that a git repository has of a workflow file, or of a pattern.

        `skipped` of the result are versions that could not be deployed. What was deployed here
        meanwhile, and is in none of the new commits, stays on top unless `force` is true: then
        Conflict is raised, and nothing is imported.

        >>> project.import_git("../pipelines", "*.yaml").commits
        5
        """
        from ork.git.from_git import import_git

        folder, stamp = Path(repository), stamp_of(author, "import_git", str(repository), path)
        return import_git(
            self.store,
            folder,
            path,
            branch=branch,
            stamp=stamp,
            allow_secret=allow_secret,
            force=force,
        )

    def import_ork_db(
        self,
        source: str | Path,
        *,
        rename: Mapping[str, str] = {},
        unfinished: bool = False,
        allow_secret: bool = False,
        dry_run: bool = False,
        author: str | None = None,
    ) -> ImportedDatabase:
        """Take in a database of the original ork: a file, its folder, or postgresql://USER@HOST/DB.

        `left_out` of the result is what did not come over, and why; `dry_run` only says all that.

        >>> brought = project.import_ork_db("../old", dry_run=True)
        >>> brought.left_out[0].reason
        'it is switched off there'
        """
        from ork.orkdb.database import open_database
        from ork.orkdb.importing import import_database

        database = open_database(source)
        try:
            return import_database(
                self.store,
                database,
                stamp=stamp_of(author, "import_ork_db", str(source)),
                rename=rename,
                unfinished=unfinished,
                allow_secret=allow_secret,
                dry_run=dry_run,
            )
        finally:
            database.close()

    def backup(self, target: str | Path) -> BackedUp:
        """Copy a whole store into a folder or a file (NAME.orkbackup) that does not exist yet.

        >>> project.backup("../etl.orkbackup").errors
        0
        """
        from ork.sync.backup import backup

        return backup(self.store, Path(target), environ=os.environ)

    def gc(
        self,
        *,
        prune: bool = False,
        keep_runs: int | None = None,
        keep_days: int | None = None,
        keep_logs_days: int | None = None,
        keep_checkouts_days: int | None = None,
        undo_days: int | None = None,
        force: bool = False,
        damaged: bool = False,
        author: str | None = None,
    ) -> Pruned:
        """Say what need not stay in a store; with `prune`, remove it, while others work.

        What is None is as the store's own configuration says; else no run and no log goes, and what
        was moved in the last 30 days can be undone. With `damaged` runs go of which something is
        lost.

        >>> project.gc().done
        False
        """
        from ork.upkeep.keep import chosen
        from ork.upkeep.prune import gc

        keep = chosen(
            self.store.folder,
            runs=keep_runs,
            days=keep_days,
            logs_days=keep_logs_days,
            checkouts_days=keep_checkouts_days,
            undo_days=undo_days,
        )
        return gc(
            self.store,
            keep=keep,
            now=now_here(),
            stamp=stamp_of(author, "gc", "--prune") if prune else None,
            force=force,
            damaged=damaged,
        )

    def create_bundle(
        self,
        file: str | Path,
        *revisions: AnyRevision,
        since: AnyRevision | Sequence[AnyRevision] = (),
        runs: int | None = 0,
        tags: bool = True,
    ) -> Created:
        """Write workflows, all if none is named, and what they need, into a file for others.

        `runs` is how many of the newest runs of each come along; None is all of them.

        >>> project.create_bundle("../etl.bundle", "etl", runs=1).going_on
        ()
        """
        from ork.sync.select import Wish, create

        wish = Wish(
            revisions=tuple(map(as_revision, revisions)),
            all=not revisions,
            since=tuple(map(as_revision, since if isinstance(since, (list, tuple)) else [since])),
            runs=_at_most(runs, "runs"),
            tags=tags,
        )
        return create(self.store, wish, Path(file), now=now_here())

    def import_bundle(
        self,
        file: str | Path,
        *,
        author: str | None = None,
        force: bool = False,
        runs: bool = True,
        dry_run: bool = False,
    ) -> Received:
        """Take in what a bundle holds, at once; `dry_run` only says what is new.

        Runs that would have taken the place of what is here are left out, and `refused`.

        >>> project.import_bundle("../etl.bundle").moves
        ()
        """
        from ork.sync.bundle import open_bundle
        from ork.sync.receive import receive

        stamp = stamp_of(author, "import_bundle", str(file))
        with open_bundle(str(file)) as bundle:
            return receive(bundle, self.store, stamp=stamp, force=force, runs=runs, dry_run=dry_run)

    def add_remote(self, name: str, place: str | Path, *, force: bool = False) -> str:
        """Name another store, a folder or a URL; `force` lets a name lead elsewhere than before.

        >>> project.add_remote("team", "../team")
        '.../team'
        """
        from ork.sync.remotes import add

        return add(self._folder_of(), name, str(place), start=Path.cwd(), force=force)

    def remotes(self) -> dict[str, str]:
        """Return the names that a store has for others, and where these are.

        >>> project.remotes()
        {'team': '.../team'}
        """
        return remotes(self._folder_of())

    def fetch(
        self,
        remote: str | None = None,
        *workflows: AnyWorkflow,
        dry_run: bool = False,
    ) -> Transferred:
        """Look at the heads of a remote, without moving your own: they are `team/etl` then.

        >>> [moved.workflow for moved in project.fetch("team").workflows]
        []
        """
        return self._transfer("fetch", remote, workflows, None, False, False, dry_run, None)

    def push(
        self,
        remote: str | Path | None = None,
        *workflows: AnyWorkflow,
        runs: int | None = None,
        tags: bool = True,
        force: bool = False,
        dry_run: bool = False,
        author: str | None = None,
    ) -> Transferred:
        """Bring to another store, a remote, folder or URL, what it lacks of this one.

        `runs` is how many of the newest of each workflow move; None is all of them. "etl@v1" is a
        tag alone. What would lose something stays, and is `refused`.

        >>> [moved.workflow for moved in project.push("team").workflows]
        ['etl']
        """
        return self._transfer("push", remote, workflows, runs, tags, force, dry_run, author)

    def pull(
        self,
        remote: str | Path | None = None,
        *workflows: AnyWorkflow,
        runs: int | None = None,
        tags: bool = True,
        force: bool = False,
        dry_run: bool = False,
        author: str | None = None,
    ) -> Transferred:
        """Take from another store, a remote, folder or URL, what this one lacks; see `push`.

        >>> project.pull("team").objects
        0
        """
        return self._transfer("pull", remote, workflows, runs, tags, force, dry_run, author)

    def _transfer(
        self,
        direction: Direction,
        remote: str | Path | None,
        workflows: tuple[AnyWorkflow, ...],
        runs: int | None,
        tags: bool,
        force: bool,
        dry_run: bool,
        author: str | None,
    ) -> Transferred:
        from ork.sync.remotes import exchange
        from ork.sync.transfer import Choice

        names = tuple(map(_workflow, workflows))
        place = None if remote is None else str(remote)
        words = filter(None, (direction, place, *names))
        choice = Choice(workflows=names, runs=_at_most(runs, "runs"), tags=tags)
        _, done = exchange(
            self.store,
            self._folder_of(),
            direction,
            place,
            choice,
            start=Path.cwd(),
            environ=os.environ,
            stamp=stamp_of(author, *words),
            force=force,
            dry_run=dry_run,
        )
        return done

    def remove_remote(self, name: str) -> str | None:
        """Take a name away, and what was fetched from there; return where it led, if it did.

        >>> project.remove_remote("team")
        '.../team'
        """
        from ork.sync.remotes import remove

        return remove(self.store, self._folder_of(), name)

    def close(self) -> None:
        """Stop the runs whose events nobody has taken to the end, and close the store.

        The project is not to be used after that.

        >>> project.close()
        """
        try:
            stop_all(self)
        finally:
            self.store.close()

    def _folder_of(self) -> Path:
        if self.store.folder is None:
            raise StoreError("a store in memory has no remotes")
        return self.store.folder


def _to_run(what: AnyRevision | Loaded) -> str | Loaded:
    if callable(what):
        hint = (
            "a task of a workflow file names it, with `executor: python`, `file:` and `function:`"
        )
        raise UsageError("a Python function is no workflow", hint=hint)
    return what if isinstance(what, Loaded) else as_revision(what)


def _chosen(
    options: Options | None,
    params: Mapping[str, Any] = {},
    how: How | None = None,
    *,
    takes_params: bool = True,
) -> Options:
    """Return the options of a call with its parameters, whose texts are values as they are."""
    options = Options() if options is None else options
    if not isinstance(options, Options):
        hint = "write options=ork.Options(jobs=2)"
        raise UsageError(f"options are no {type(options).__name__}", hint=hint)
    chosen: dict[str, Any] = {**(how or {})}
    for name, value in chosen.items():
        if name not in How.__annotations__:
            hint = meant_or_known(name, How.__annotations__)
            if takes_params and not did_you_mean(name, How.__annotations__):
                told = shown if len(shown := repr(value)) <= NAME_SHOWN_MAX else "VALUE"
                hint = f"`params={{{name!r}: {told}}}` gives a parameter of the workflow; {hint}"
            raise UsageError(f"there is no argument {name!r}", hint=hint)
    part = {name: chosen.pop(name) for name in Selection.__struct_fields__ if name in chosen}
    if part:
        chosen["selection"] = Selection(**part)
    values = exactly(json_of(params))
    if twice := options.given.keys() & values.keys():
        told = f"params and options both give {', '.join(sorted(twice))}"
        raise UsageError(told, hint="let one of them give it")
    return replace(options, given={**options.given, **values}, **chosen)


def _workflow(named: AnyWorkflow) -> str:
    name = named.workflow if isinstance(named, WorkflowEntry) else named
    if not isinstance(name, str):
        hint = "give its name, or an entry of `project.workflows()`"
        raise UsageError(f"a {type(named).__name__} names no workflow", hint=hint)
    refuse_page(name)
    return name


def _at_most(limit: int | None, name: str = "limit") -> int | None:
    if limit is not None and not (isinstance(limit, SupportsIndex) and limit >= 0):
        raise UsageError(f"{name}={limit!r}: say how many at most, 0 or more, or None for all")
    return limit


def _text(revision: AnyRevision | None) -> str | None:
    return None if revision is None else as_revision(revision)


def stamp_of(author: str | None, *words: str, of: str = "project") -> Stamp:
    """Return who does something now, from Python; None is as the environment says."""
    author = author or author_of(os.environ, Path.cwd())
    return Stamp(time=now_here(), author=author, argv=(of, *typed(words)))


def _caller(author: str | None, control: Control | None, *words: str) -> Caller:
    if not (control is None or isinstance(control, Control)):
        hint = "write control=ork.Control()"
        raise UsageError(f"control is no {type(control).__name__}", hint=hint)
    return Caller(stamp=stamp_of(author, *words), now=now_here(), control=control)


def _warn_of(deployed: Deployed | None, message: str | None = None) -> None:
    """Tell what seems to be a mistake in what was deployed, or that nothing has the message."""
    for one in deployed.warnings if deployed else ():
        place = f"{one.file}:{one.line}" if one.line else one.file
        _warn(f"{place}: {one.message}{f'; {one.hint}' if one.hint else ''}")
    if message is not None and not (deployed and (deployed.changed or deployed.moved)):
        _warn("nothing was deployed: the message is not kept")


def _warn_of_damage(damage: Iterable[Corrupt]) -> None:
    """Tell what a list lacks, or has marked, since it is lost."""
    for one in damage:
        _warn(f"{one.message}; {one.hint}" if one.hint else one.message)


def _name_of(source: str | Loaded) -> str:
    return source.removeprefix("file:") if isinstance(source, str) else str(source.path)


def _warn(text: str) -> None:
    """Tell it at the line outside of ork that asked."""
    frame, level = sys._getframe(), 1
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] == "ork":
        frame, level = frame.f_back, level + 1
    warnings.warn(as_calls(text), OrkWarning, stacklevel=level)
