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

from typing import TYPE_CHECKING

__all__ = ["Ambiguous", "Conflict", "Control", "Corrupt", "InvalidInput", "NotFound", "Options"]
__all__ += ["OrkError", "OrkWarning", "Project", "RunFailed", "Selection", "check", "clone"]
__all__ += ["forget", "fsck", "open", "repack", "repair", "restore_backup"]

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
