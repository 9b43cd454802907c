"""From a task to a job: its code on disk, its inputs, its environment, its interpreter."""

from __future__ import annotations

import math
import random
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from ork.definition.bindings import NotReady
from ork.errors import Corrupt, StoreError
from ork.executors.base import Job
from ork.objects import canonical
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import BACKOFF_UNIT, SECOND, Run, Task, is_name, is_path
from ork.runner import owner
from ork.store.store import Store
from ork.worker import probe

RETRY_DELAY_SECONDS_MAX = 3600.0
PROBE_SECONDS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """Where the tasks of one run work: all that their jobs share."""

    python: str
    root: str
    code: str
    files: tuple[str, ...]
    logs: str
    log_prefix: str  # of the paths in attempts: WORKFLOW/RUN-ID
    base: Mapping[str, str]  # the environment of ork
    extra: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)

    def job(self, name: str, task: Task, inputs: Json, attempt: int) -> Job:
        """Return the job of one attempt; raise NotReady when its environment cannot be made."""
        return Job(
            executor=task.executor,
            file=task.file,
            module=task.module,
            command=task.command,
            function=task.function,
            inputs=inputs,
            input_type=task.input_type,
            shell=task.shell,
            fresh=task.fresh,
            environment=self._environment(name, task, attempt),
            secrets=self.secrets,
            root=self.root,
            code=self.code,
            files=self.files,
            python=self.python,
            timeout_s=math.inf if task.timeout is None else task.timeout / SECOND,
            log=f"{self.logs}/{self.log(name, attempt)}",
        )

    def log(self, name: str, attempt: int) -> str:
        """Return the path of an attempt's log as the record has it."""
        return f"{self.log_prefix}/{name}.{attempt}.log"

    def _environment(self, name: str, task: Task, attempt: int) -> dict[str, str]:
        """Return the whole environment of an attempt: ork's own, the task's, secrets, ORK_*."""
        environ = dict(self.base)
        for variable, entry in task.env.items():
            if isinstance(entry, dict):
                secret = str(entry["secret"])
                if secret not in self.base:
                    raise NotReady(f"the secret {secret} is not set in the environment of ork")
                environ[variable] = self.base[secret]
            else:
                environ[variable] = str(entry)
        return {**environ, **self.extra, "ORK_TASK_NAME": name, "ORK_ATTEMPT": str(attempt)}


def set_up(
    store: Store,
    run: Run,
    root: Path,
    *,
    python: str,
    tasks: Mapping[str, Task],
    base: Mapping[str, str],
) -> Workplace:
    """Write the captured files to the private folder of the run and return its workplace."""
    code = owner.code_folder(store, run.id)
    there = root.is_dir()
    scripts = any(task.executor != "python" for task in tasks.values())
    try:
        files = write_code(store, run.snapshot, code, beside=root if there and scripts else None)
    except OSError as error:
        raise StoreError(f"the code of the run cannot be written: {error}") from None
    return Workplace(
        python=python,
        root=str(root if there else code),
        code=str(code),
        files=files,
        logs=str((store.folder or Path.cwd()) / "logs"),
        log_prefix=f"{run.workflow}/{run.id}",
        base=base,
        extra={
            "ORK_RUN_ID": run.id,
            "ORK_WORKFLOW_NAME": run.workflow,
            "ORK_SNAPSHOT": run.snapshot,
        },
        secrets=_secrets(tasks, base),
    )


def write_code(
    store: Store, snapshot: Oid, folder: Path, *, beside: Path | None
) -> tuple[str, ...]:
    """Write the captured files below `folder`, each checked, and return their paths.

    With `beside`, the root, everything else that lies there in the same folders appears as a link
    to the real thing, so that a script finds its data although its code is the captured one.
    """
    folder.mkdir(parents=True, mode=0o700)
    files = store.snapshot(snapshot).files
    for path, file in files.items():
        if not is_path(path):
            raise Corrupt(f"the snapshot has a file entry that is not one: {path!r}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        target.write_bytes(store.blob(file.blob))
        target.chmod(0o700 if file.executable else 0o600)
    if beside:
        for base in sorted({str(Path(path).parent) for path in files}):
            _link_neighbours(beside / base, folder / base)
    return tuple(files)


def task_oids(store: Store, snapshot: Oid) -> dict[str, Oid]:
    """Return name -> task of a snapshot; raise Corrupt if a name is none, since logs have it."""
    tasks = store.snapshot(snapshot).tasks
    for name in tasks:
        if not is_name(name):
            raise Corrupt(f"the snapshot has a task with a name that is none: {name[:100]!r}")
    return dict(tasks)


def interpreter(settings: Mapping[str, Json], root: Path, environ: Mapping[str, str]) -> str:
    """Return the Python of the tasks: `python:`, ORK_PYTHON, a .venv beside the file, ork's own."""
    chosen = str(settings.get("python") or "") or environ.get("ORK_PYTHON", "")
    if chosen:
        if "/" in chosen:
            return str(root / Path(chosen).expanduser())
        return shutil.which(chosen, path=environ.get("PATH")) or chosen
    beside = root / ".venv" / "bin" / "python"
    return str(beside) if beside.exists() else sys.executable


@lru_cache(maxsize=8)
def describe(python: str) -> bytes:
    """Return canonical JSON about an interpreter: version, platform, installed distributions.

    Of one that does not start only its path is known.
    """
    if python == sys.executable:
        return canonical.encode(probe.describe())
    import json
    import subprocess

    try:
        done = subprocess.run(
            [python, "-B", str(probe.__file__)],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_SECONDS_MAX,
            cwd="/",
        )
        return canonical.encode(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return canonical.encode({"executable": python})


def delay(task: Task, failed: int) -> float:
    """Return the seconds before the next attempt: exponential, capped, with full jitter.

    Without backoff the delay is the same each time, as written.
    """
    seconds, factor = task.retry_delay / SECOND, task.retry_backoff / BACKOFF_UNIT
    try:
        seconds = min(seconds * factor ** (failed - 1), RETRY_DELAY_SECONDS_MAX)
    except OverflowError:
        seconds = RETRY_DELAY_SECONDS_MAX if seconds else 0.0
    return random.uniform(0, seconds) if factor > 1 else seconds


def _secrets(tasks: Mapping[str, Task], base: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of all secrets that any of the tasks has.

    Each task inherits ork's environment, so it may show a secret that only another one asks for.
    """
    entries = [entry for task in tasks.values() for entry in task.env.values()]
    names = {str(entry["secret"]) for entry in entries if isinstance(entry, dict)}
    return tuple(sorted({base[name] for name in names if base.get(name)}))


def _link_neighbours(real: Path, private: Path) -> None:
    try:
        names = sorted(path.name for path in real.iterdir())
    except OSError:
        return  # the folder is gone: an old snapshot still runs with its own code
    for name in names:
        if name != ".ork" and not (private / name).exists():
            (private / name).symlink_to(real / name)
