"""Deploys whose code was never kept: they were imported from a database, which had none.

What executes no code of its own, but `curl` for instance, lacks nothing and can be run.
"""

from __future__ import annotations

from ork.errors import NotFound
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Task
from ork.store.store import Store


def lacks_code(store: Store, deploy: Deploy | None) -> bool:
    """Say whether tasks of a deploy execute code that was never kept, so that nobody has it."""
    if deploy is not None and deploy.restores is not None:
        deploy = store.get(Deploy, deploy.restores)
    if deploy is None or not deploy.is_without_code:
        return False
    from ork.definition.reach import own_files  # which other deploys do without

    tasks = store.get_all(Task, store.snapshot(deploy.snapshot).tasks)
    return any(own_files(task, _is_there) for task in tasks.values())


def refuse_without_code(store: Store, oid: Oid | None) -> None:
    """Raise NotFound when a deploy, or the one that it restores, lacks its code."""
    deploy = store.get(Deploy, oid) if oid else None
    if deploy is not None and lacks_code(store, deploy):
        name = deploy.workflow
        raise NotFound(
            f"this deploy of {name} was imported without its code, which was never recorded",
            hint=f"`ork deploy FILE` adds it as it is now, then `ork run {name}`;"
            f" `ork restore {name}` writes the workflow file",
        )


def _is_there(path: str) -> str | None:
    """Return the kind of a path where all code is, and none of it belongs to an environment."""
    return None if path.endswith("pyvenv.cfg") else "file"
