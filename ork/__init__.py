"""ork: workflows kept the way git keeps source, and run; every run records what it executed.

    import ork

    store = ork.open(".")
    ork.deploy(store, "etl.yaml", message="Fetch twice a day")
    for event in ork.run(store, "etl"):
        print(event)
    for entry in ork.log(store, "etl", limit=5):
        print(entry.deploy.time, entry.deploy.message)
    print(ork.diff(store, "etl~1", "etl").diff)

Names are resolved on first use, so `import ork` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ork.api import (
        bisect,
        blame,
        cancel,
        deploy,
        diff,
        diff_runs,
        export_git,
        impact,
        import_git,
        log,
        open,
        operations,
        outputs,
        resolve,
        restore,
        retry,
        rollback,
        run,
        runs,
        show,
        status,
        tag,
        tags,
        undo,
        untag,
    )
    from ork.errors import Ambiguous, Conflict, Corrupt, InvalidInput, NotFound, OrkError
    from ork.runner.choices import Selection
    from ork.runner.loop import Control
    from ork.runner.start import Options
    from ork.store.store import Stamp, Store
    from ork.worktree.load import check

_NAMES = {
    **dict.fromkeys(
        (
            "bisect",
            "blame",
            "cancel",
            "deploy",
            "diff",
            "diff_runs",
            "export_git",
            "impact",
            "import_git",
            "log",
            "open",
            "operations",
            "outputs",
            "resolve",
            "restore",
            "retry",
            "rollback",
            "run",
            "runs",
            "show",
            "status",
            "tag",
            "tags",
            "undo",
            "untag",
        ),
        "ork.api",
    ),
    **dict.fromkeys(
        ("Ambiguous", "Conflict", "Corrupt", "InvalidInput", "NotFound", "OrkError"), "ork.errors"
    ),
    "Control": "ork.runner.loop",
    "Options": "ork.runner.start",
    "Selection": "ork.runner.choices",
    "check": "ork.worktree.load",
    "Stamp": "ork.store.store",
    "Store": "ork.store.store",
}
__all__ = [
    "Ambiguous",
    "Conflict",
    "Control",
    "Corrupt",
    "InvalidInput",
    "NotFound",
    "Options",
    "OrkError",
    "Selection",
    "Stamp",
    "Store",
    "bisect",
    "blame",
    "cancel",
    "check",
    "deploy",
    "diff",
    "diff_runs",
    "export_git",
    "impact",
    "import_git",
    "log",
    "open",
    "operations",
    "outputs",
    "resolve",
    "restore",
    "retry",
    "rollback",
    "run",
    "runs",
    "show",
    "status",
    "tag",
    "tags",
    "undo",
    "untag",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _NAMES:
        return getattr(import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'ork' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
