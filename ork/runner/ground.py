"""Where the tasks of one run stand: the interpreter, the captured code, folders, environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ork.errors import StoreError
from ork.executors.job import Job
from ork.objects.canonical import Json
from ork.objects.kinds import Run, Snapshot, Task
from ork.runner import owner, prepare
from ork.runner.target import Target
from ork.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What all jobs of a run share."""

    python: str
    root: str
    code: str
    files: tuple[str, ...]
    logs: str
    log_prefix: str  # of the paths in attempts: WORKFLOW/RUN-ID
    base: Mapping[str, str]
    extra: Mapping[str, str]
    secrets: tuple[str, ...] = field(repr=False)

    def job(self, name: str, task: Task, inputs: Json, attempt: int) -> Job:
        """Return the job of one attempt; raise NotReady when its environment cannot be made."""
        environ = prepare.environment(task, name, base=self.base, extra=self.extra, attempt=attempt)
        return Job(
            key=f"{name}.{attempt}",
            executor=task.executor,
            file=task.file,
            module=task.module,
            command=task.command,
            function=task.function,
            inputs=inputs,
            input_type=task.input_type,
            output_type=task.output_type,
            environment=environ,
            secrets=self.secrets,
            root=self.root,
            code=self.code,
            files=self.files,
            python=self.python,
            timeout_s=task.timeout,
            log=f"{self.logs}/{self.log(name, attempt)}",
        )

    def log(self, name: str, attempt: int) -> str:
        """Return the path of an attempt's log as the record has it."""
        return f"{self.log_prefix}/{name}.{attempt}.log"


def lay(
    store: Store,
    target: Target,
    run: Run,
    *,
    python: str,
    tasks: Mapping[str, Task],
    base: Mapping[str, str],
) -> Ground:
    """Write the captured files to the private folder of the run and return where all is."""
    code = owner.code_folder(store, run.id)
    scripts = any(task.executor != "python" for task in tasks.values())
    root = target.root if target.root.is_dir() else None
    snapshot = store.get(Snapshot, run.snapshot)
    try:
        files = prepare.write_code(store, snapshot, code, beside=root if scripts else None)
    except OSError as error:
        raise StoreError(f"the code of the run cannot be written: {error}") from None
    extra = {"ORK_RUN_ID": run.id, "ORK_WORKFLOW_NAME": run.workflow, "ORK_SNAPSHOT": run.snapshot}
    return Ground(
        python=python,
        root=str(root or code),
        code=str(code),
        files=files,
        logs=str((store.folder or Path.cwd()) / "logs"),
        log_prefix=f"{run.workflow}/{run.id}",
        base=base,
        extra=extra,
        secrets=prepare.secret_values(tasks.values(), base),
    )
