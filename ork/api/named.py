"""What Python gets from ork, or gives to it, to be named in annotations and patterns.

Loaded only for such a name: it takes all of ork with it.
"""

from __future__ import annotations

from ork.bisection import Bisected as Bisected
from ork.bisection import Step as Step
from ork.cli.pictures.graph import Graph as Graph
from ork.cli.report.page import Page as Page
from ork.daemon.fires import Backfill as Backfill
from ork.daemon.fires import Late as Late
from ork.daemon.fires import Listed as Listed
from ork.daemon.pauses import Archived as Archived
from ork.daemon.pauses import Paused as Paused
from ork.daemon.pauses import Resumed as Resumed
from ork.daemon.queue import Queued as Queued
from ork.differences.definitions import Diff as Diff
from ork.differences.impact import Impact as Impact
from ork.errors import Problem as Problem
from ork.follow.run import Events as Events
from ork.git.from_git import Imported as Imported
from ork.git.to_git import Exported as Exported
from ork.heads.check import Checked as Checked
from ork.heads.deploy import Deployed as Deployed
from ork.heads.deploy import FileStatus as FileStatus
from ork.heads.rename import Renamed as Renamed
from ork.heads.rollback import RolledBack as RolledBack
from ork.heads.tags import Tag as Tag
from ork.heads.tags import Tagged as Tagged
from ork.heads.undo import Undone as Undone
from ork.heads.workflows import WorkflowEntry as WorkflowEntry
from ork.history.blame import Blame as Blame
from ork.history.compare import Comparison as Comparison
from ork.history.compare_runs import RunDiff as RunDiff
from ork.history.details import DetailsOfTasks as DetailsOfTasks
from ork.history.details import RunDetails as RunDetails
from ork.history.details import TaskDetails as TaskDetails
from ork.history.log import LogEntry as LogEntry
from ork.history.tasks import TaskRow as TaskRow
from ork.history.tasks import TaskRowWithOutput as TaskRowWithOutput
from ork.history.tasks import TaskTimes as TaskTimes
from ork.objects.kinds import Deploy as Deploy
from ork.objects.kinds import Run as Run
from ork.objects.kinds import Task as Task
from ork.objects.kinds import TaskRun as TaskRun
from ork.objects.rows import Rows as Rows
from ork.orkdb.importing import ImportedDatabase as ImportedDatabase
from ork.project import AnyWorkflow as AnyWorkflow
from ork.project import How as How
from ork.runner.events import CheckedOut as CheckedOut
from ork.runner.events import Event as Event
from ork.runner.events import RunFinished as RunFinished
from ork.runner.events import RunStarted as RunStarted
from ork.runner.events import TaskFinished as TaskFinished
from ork.runner.events import TaskRetried as TaskRetried
from ork.runner.events import TaskStarted as TaskStarted
from ork.runner.start import WouldRun as WouldRun
from ork.search.grep import Hit as Hit
from ork.store.contents import SnapshotDetails as SnapshotDetails
from ork.store.operations import OperationEntry as OperationEntry
from ork.store.resolve import Resolved as Resolved
from ork.store.runs import RunEntry as RunEntry
from ork.store.runs import RunWithOutputs as RunWithOutputs
from ork.sync.backup import BackedUp as BackedUp
from ork.sync.clone import Cloned as Cloned
from ork.sync.receive import Received as Received
from ork.sync.select import Created as Created
from ork.sync.transfer import Transferred as Transferred
from ork.upkeep.forget import Forgotten as Forgotten
from ork.upkeep.fsck import Examined as Examined
from ork.upkeep.prune import Pruned as Pruned
from ork.upkeep.prune import Repacked as Repacked
from ork.upkeep.repair import Repaired as Repaired
from ork.worktree.load import Loaded as Loaded
from ork.worktree.lookup import AnyRevision as AnyRevision
from ork.worktree.restore import Restored as Restored
