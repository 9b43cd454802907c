"""What a task needs before it can start: its code on disk, its inputs, its environment."""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from ork.definition.bindings import split_ref
from ork.definition.parameters import split_param
from ork.definition.types import convert
from ork.errors import Corrupt
from ork.objects import tree
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Snapshot, Task, is_name
from ork.objects.shapes import is_path
from ork.store.store import Store

LINKS_PER_FOLDER_MAX = 1000
RETRY_DELAY_SECONDS_MAX = 3600.0


class NotReady(Exception):
    """A task cannot start; the text says why. The task has failed, the run goes on."""


def write_code(
    store: Store, snapshot: Snapshot, folder: Path, *, beside: Path | None
) -> tuple[str, ...]:
    """Write the captured files below `folder`, each checked, and return their paths.

    With `beside`, the root, everything else that lies there in the same folders appears as a link
    to the real thing, so that a script finds its data although its code is the captured one.
    """
    folder.mkdir(parents=True, mode=0o700)
    entries = tree.entries(store.tree, snapshot.files)
    for path, entry in entries.items():
        if not isinstance(entry, dict) or not is_path(path):
            raise Corrupt(f"the snapshot has a file entry that is not one: {path!r}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.write_bytes(store.blob(Oid(str(entry["blob"]))))
        target.chmod(0o700 if entry["executable"] else 0o600)
    if beside:
        for base in sorted({str(Path(path).parent) for path in entries}):
            _link_neighbours(beside / base, folder / base)
    return tuple(entries)


def task_oids(store: Store, snapshot: Oid) -> dict[str, Oid]:
    """Return name -> task of a snapshot; raise Corrupt if a name is none, since logs have it."""
    entries = tree.entries(store.tree, store.get(Snapshot, snapshot).tasks)
    for name in entries:
        if not is_name(name):
            raise Corrupt(f"the snapshot has a task with a name that is none: {name[:100]!r}")
    return {name: Oid(str(oid)) for name, oid in entries.items()}


def bind(task: Task, outputs: Mapping[str, Json], params: Mapping[str, Json]) -> dict[str, Json]:
    """Return the inputs of a task, from constants, outputs and parameters, as their types say."""
    inputs: dict[str, Json] = {}
    for field, binding in task.inputs.items():
        if "const" in binding:
            inputs[field] = binding["const"]
        else:
            inputs[field] = _follow(field, str(binding["ref"]), outputs, params)
    converted = checked(inputs, task.input_type, "input")
    return converted if isinstance(converted, dict) else {}


def checked(value: Json, declared: Json, what: str) -> Json:
    """Return a value converted to its declared type; raise NotReady naming field and types."""
    if declared is None:
        return value
    converted, problems = convert(value, declared)
    if problems:
        raise NotReady("\n".join(f"{what} {problem}" for problem in problems))
    return converted


def environment(
    task: Task, name: str, *, base: Mapping[str, str], extra: Mapping[str, str], attempt: int
) -> dict[str, str]:
    """Return the whole environment of an attempt: ork's own, the task's, secrets, ORK_*."""
    environ = dict(base)
    for variable, entry in task.env.items():
        if isinstance(entry, dict):
            secret = str(entry["secret"])
            if secret not in base:
                raise NotReady(f"the secret {secret} is not set in the environment of ork")
            environ[variable] = base[secret]
        else:
            environ[variable] = str(entry)
    environ.update(extra)
    environ["ORK_TASK_NAME"] = name
    environ["ORK_ATTEMPT"] = str(attempt)
    return environ


def secret_values(tasks: Iterable[Task], base: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of all secrets that any of the tasks has.

    Each task inherits ork's environment, so it may show a secret that only another one asks for.
    """
    names = {
        str(entry["secret"])
        for task in tasks
        for entry in task.env.values()
        if isinstance(entry, dict)
    }
    return tuple(sorted({base[name] for name in names if base.get(name)}))


def interpreter(settings: Mapping[str, Json], root: Path, environ: Mapping[str, str]) -> str:
    """Return the Python of the tasks: `python:`, ORK_PYTHON, a .venv beside the file, ork's own."""
    chosen = str(settings.get("python") or "") or environ.get("ORK_PYTHON", "")
    if chosen:
        if "/" in chosen:
            return str(root / Path(chosen).expanduser())
        return shutil.which(chosen, path=environ.get("PATH")) or chosen
    beside = root / ".venv" / "bin" / "python"
    return str(beside) if beside.exists() else sys.executable


def delay(task: Task, failed: int) -> float:
    """Return the seconds before the next attempt: exponential, capped, with full jitter.

    Without backoff the delay is the same each time, as written.
    """
    seconds = min(task.retry_delay * task.retry_backoff ** (failed - 1), RETRY_DELAY_SECONDS_MAX)
    return random.uniform(0, seconds) if task.retry_backoff > 1 else seconds


def _follow(field: str, ref: str, outputs: Mapping[str, Json], params: Mapping[str, Json]) -> Json:
    param = split_param(ref)
    source, path = param or split_ref(ref) or ("", ())
    values = params if param else outputs
    if source not in values:
        raise NotReady(f"input {field}: {ref}: {source} gave no output")
    value = values[source]
    for step in path:
        if not isinstance(value, dict) or step not in value:
            raise NotReady(f"input {field}: {ref}: there is no field {step!r}")
        value = value[step]
    return value


def _link_neighbours(real: Path, private: Path) -> None:
    try:
        names = sorted(path.name for path in real.iterdir())[:LINKS_PER_FOLDER_MAX]
    except OSError:
        return  # the folder is gone: an old snapshot still runs with its own code
    for name in names:
        if name != ".ork" and not (private / name).exists():
            (private / name).symlink_to(real / name)
