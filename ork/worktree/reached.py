"""The code that the tasks of what is stored execute, told by the rule that captured it.

A deploy that was imported from a database lacks its code, which that did not have. What executes no
code of its own, but `curl` for instance, lacks nothing and can be run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ork.errors import NotFound
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Task
from ork.objects.snapshot import FileMap
from ork.store.contents import run_command
from ork.store.store import Store
from ork.worktree.globs import excluding

if TYPE_CHECKING:  # what reads code is loaded where some is read
    from ork.definition.reach import Reach


def reached(
    store: Store, captured: FileMap, tasks: Mapping[str, Task], exclude: Iterable[str]
) -> dict[str, Reach]:
    """Return for each task which files of a snapshot it executes.

    `exclude` are the patterns of what is data to its workflow.
    """
    from ork.definition.reach import reach

    files = dict(captured)
    folders = {path[:end] for path in files for end, letter in enumerate(path) if letter == "/"}

    def kind(path: str) -> str | None:
        return "file" if path in files else "folder" if path in folders else None

    def read(path: str) -> bytes | None:
        return store.blob(files[path].blob) if path in files else None

    within: dict[str, list[str]] = {}
    for path in (*files, *folders):
        above, _, name = path.rpartition("/")
        within.setdefault(above, []).append(name)

    def names(folder: str) -> list[str]:
        return within.get(folder, [])

    return reach(tasks, read=read, kind=excluding(kind, exclude), names=names)


def lacks_code(store: Store, deploy: Deploy | None) -> bool:
    """Say whether tasks of a deploy execute code that was never kept, so that nobody has it."""
    if deploy is not None and deploy.restores is not None:
        deploy = store.get(Deploy, deploy.restores)
    if deploy is None or not deploy.is_without_code:
        return False
    from ork.definition.reach import own_files

    tasks = store.get_all(Task, store.snapshot(deploy.snapshot).tasks)
    return any(own_files(task, _is_there) for task in tasks.values())


def refuse_without_code(store: Store, oid: Oid | None) -> None:
    """Raise NotFound when a deploy, or the one that it restores, lacks its code."""
    deploy = store.get(Deploy, oid) if oid else None
    if deploy is not None and lacks_code(store, deploy):
        name = deploy.workflow
        run = run_command(name, store.snapshot(deploy.snapshot).params)
        raise NotFound(
            f"this deploy of {name} was imported without its code, which was never recorded",
            hint=f"`ork deploy FILE` adds it as it is now, then `{run}`;"
            f" `ork restore {name}` writes the workflow file",
        )


def _is_there(path: str) -> str | None:
    """Return the kind of a path where all code is, and none of it belongs to an environment."""
    return None if path.endswith("pyvenv.cfg") else "file"
