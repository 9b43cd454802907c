"""ork: workflows kept the way git keeps source, and run; every run records what it executed.

    import ork

    with ork.open(".") as store:
        ork.deploy(store, "etl.yaml", message="Fetch twice a day")
        for event in ork.run(store, "etl"):
            print(event)
        for entry in ork.log(store, "etl", limit=5):
            print(entry.deploy.time, entry.deploy.message)
        print(ork.diff(store, "etl~1", "etl").diff)

Names are resolved on first use, so `import ork` costs next to nothing.
"""

# ruff: noqa: F405

from typing import TYPE_CHECKING

__all__ = ["Ambiguous", "Conflict", "Control", "Corrupt", "InvalidInput", "NotFound"]
__all__ += ["Options", "OrkError", "Selection", "Stamp", "Store", "add_remote", "backup"]
__all__ += ["bisect", "blame", "cancel", "check", "clone", "create_bundle", "deploy", "diff"]
__all__ += ["diff_runs", "export_git", "forget", "fsck", "gc", "impact", "import_bundle"]
__all__ += ["import_git", "import_ork_db", "log", "open", "operations", "outputs", "pause"]
__all__ += ["pull", "push", "queue", "queued", "remotes", "remove_remote", "repack", "repair"]
__all__ += ["resolve", "restore", "restore_backup", "resume", "retry", "rollback", "run"]
__all__ += ["runs", "schedules", "show", "status", "tag", "tags", "undo", "unqueue", "untag"]

if TYPE_CHECKING:
    from ork.api import *  # noqa: F403

    __version__: str
else:

    def __getattr__(name):
        if name == "__version__":
            from importlib.metadata import version

            return version("ork-workflows")
        if name in __all__:
            from ork import api

            return getattr(api, name)
        raise AttributeError(f"module 'ork' has no attribute {name!r}")

    def __dir__():
        return sorted(__all__)
