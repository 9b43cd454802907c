"""ork: workflows kept the way git keeps source, and run; every run records what it executed.

    import ork

    with ork.open(create=True) as project:
        project.deploy("etl.yaml", message="Fetch twice a day")
        run = project.run("etl")
        print(run.state, dict(run.outputs))
        for entry in project.log("etl", limit=5):
            print(entry.deploy.time, entry.deploy.message)
        print(project.graph(run))

Names are resolved on first use, so `import ork` costs next to nothing.
"""

# ruff: noqa: F405

TYPE_CHECKING = False  # that of typing would be most of what `import ork` takes

__all__ = ["Ambiguous", "AnyRevision", "AnyWorkflow", "Archived", "BackedUp", "Backfill"]
__all__ += ["Bisected", "Blame"]
__all__ += ["Checked", "CheckedOut", "Cloned", "Comparison", "Conflict", "Control", "Corrupt"]
__all__ += ["Created", "Deploy", "Deployed", "DetailsOfTasks", "Diff", "Event", "Events"]
__all__ += ["Examined", "Exported", "FileStatus", "Forgotten", "Graph", "Hit", "How", "Impact"]
__all__ += ["Imported", "ImportedDatabase", "InvalidInput", "Late", "Listed", "Loaded", "LogEntry"]
__all__ += ["NotFound", "OperationEntry", "Options", "OrkError", "OrkWarning", "Page", "Paused"]
__all__ += ["Problem", "Project", "Pruned", "Queued", "Received", "Renamed", "Repacked", "Repaired"]
__all__ += ["Resolved", "Restored", "Resumed", "RolledBack", "Rows", "Run", "RunDetails", "RunDiff"]
__all__ += ["RunEntry", "RunFailed", "RunFinished", "RunStarted", "RunWithOutputs", "Selection"]
__all__ += ["SnapshotDetails", "Step", "StoreError", "Tag", "Tagged", "Task", "TaskDetails"]
__all__ += ["TaskFinished", "TaskRetried", "TaskRow", "TaskRowWithOutput", "TaskRun", "TaskStarted"]
__all__ += ["TaskTimes", "Transferred", "Undone", "UsageError", "WorkflowEntry", "WouldRun"]
__all__ += ["check", "clone", "forget", "fsck", "open", "repack", "repair", "restore_backup"]

if TYPE_CHECKING:
    from ork.api.functions import *  # noqa: F403
    from ork.api.named import *  # noqa: F403

    __version__: str
else:

    def __getattr__(name):
        if name == "__version__":
            from importlib.metadata import version

            return version("ork-workflows")
        if name in __all__:
            from ork.api import functions

            if hasattr(functions, name):
                return getattr(functions, name)
            from ork.api import named

            return getattr(named, name)
        raise AttributeError(f"module 'ork' has no attribute {name!r}")

    def __dir__():
        return sorted(__all__)
