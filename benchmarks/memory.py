"""The most memory that commands take: a deploy and a run of many tasks, and each that reads.

It counts what a process has at its largest, and with that the part of the store's file that it has
looked at, which the system takes back when it needs it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from material import AUTHOR, START, new_store, small_workflow
from measure import Row, clean_environment

from ork.objects import snapshot
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import (
    SECOND,
    Attempt,
    Blob,
    Deploy,
    Log,
    Run,
    Source,
    Task,
    TaskRun,
    output_of,
)
from ork.objects.tree import build
from ork.store.store import Stamp, Store

MB = 1 << 20
TASKS_MB, OUTPUTS_MB, RUN_MB = 250, 200, 300
OUTPUTS, OUTPUT_BYTES = 64, 1 << 20
# A process begins with the size of the one that starts it, so a small one has to.
ASK = """\
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
OF_TASKS = (
    "log big",
    "runs big",
    "show big@v1",
    "show big@v1 --json",
    "show big#1",
    "show big#1 --json",
    "outputs big#1",
    "logs big#1",
    "ls-tree big@v1",
    "report big#1 -o page.html",
    "report big@v1..big@v2 -o page.html",
    "diff big@v1 big@v2",
    "diff big@v1 big@v2 --json",
    "diff big#1 big#2",
)
LOGS, SLOTS = "big/none", 2  # where all runs have printed a letter for each task
OF_OUTPUTS = ("show big#1", "show big#1 --json", "outputs big#1", "report big#1 -o page.html")


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield the peak of a deploy and of a run, then of commands that read.

    These in a store of many tasks, and in one of large outputs.
    """
    count = 2_000 if quick else 100_000
    steps, noop = folder / "steps", folder / "noop"  # each with a store of its own
    steps.mkdir()
    (steps / "steps.yaml").write_text(_steps(count))
    yield _row(steps, "deploy steps.yaml", f"{count:,} tasks, each with a command", TASKS_MB)
    noop.mkdir()
    (noop / "noop.py").write_text("def main():\n    pass\n")
    (noop / "noop.yaml").write_text(small_workflow(count, "python"))
    yield _row(noop, "run noop.yaml", f"{count:,} python tasks", RUN_MB)
    tasks, outputs = folder / "tasks", folder / "outputs"
    _make(tasks, count, output_bytes=0)
    for words in OF_TASKS:
        yield _row(tasks, words, f"{count:,} tasks", TASKS_MB)
    _make(outputs, OUTPUTS, output_bytes=OUTPUT_BYTES)
    size = OUTPUTS * OUTPUT_BYTES // MB
    for words in OF_OUTPUTS:
        yield _row(outputs, words, f"{size} MiB of outputs", OUTPUTS_MB)


def peak(words: Sequence[str], folder: Path) -> int:
    """Run a process to its end, which has to be good; return the most bytes that it had."""
    found = subprocess.run(
        [sys.executable, "-S", "-c", ASK, *words],
        cwd=folder,
        env=clean_environment(),
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return int(found.stdout) * (1 if sys.platform == "darwin" else 1024)


def _row(project: Path, words: str, size: str, at_most: int) -> Row:
    found = peak([sys.executable, "-m", "ork", *words.split()], project) / MB
    return Row(
        what=f"ork {words}; {size}",
        ratio=f"{found:.0f} MB",
        budget=f"under {at_most} MB",
        ok=found < at_most,
    )


def _make(project: Path, count: int, *, output_bytes: int) -> None:
    """Make a store with two deploys, of which the second changes one task, and two equal runs."""
    store = new_store(project)
    tasks = {_name(number): _task(number, number) for number in range(count)}
    first = _deploy(store, tasks, None, 1)
    tasks[_name(count // 2)] = _task(count // 2, count)
    _deploy(store, tasks, first, 2)
    for number in (1, 2):
        _run(store, first, number, output_bytes)
    assert store.folder is not None
    logs = store.folder / "logs" / LOGS
    logs.mkdir(parents=True)
    for slot in range(SLOTS):
        (logs / f"{slot}.log").write_text("\n" * count)
    store.close()


def _steps(count: int) -> str:
    lines = (
        f"  {_name(number)}: {{executor: process, command: {task.command},"
        f" depends_on: [{', '.join(task.depends_on)}]}}"
        for number in range(count)
        for task in (_task(number, number),)
    )
    return "\n".join(["name: steps", "tasks:", *lines, ""])


def _name(number: int) -> str:
    return f"task_{number:06d}"


def _task(number: int, rows: int) -> Task:
    needs = (_name(number - 1),) if number % 10 else ()
    return Task(executor="process", command=f"./step.sh --rows {rows}", depends_on=needs)


def _deploy(store: Store, tasks: dict[str, Task], parent: Oid | None, number: int) -> Oid:
    built = snapshot.build(tasks, {})
    with store.transaction(Stamp(time=START, author=AUTHOR)) as tx:
        tx.add_all(built.objects)
        deploy = tx.add(
            Deploy(
                workflow="big",
                snapshot=built.oid,
                parents=(parent,) if parent else (),
                time=START + timedelta(hours=number),
                author=AUTHOR,
                message=f"Version {number}",
                settings={},
                source=Source(path="big.yaml", blob=tx.add(Blob(b"name: big\n"))),
            )
        )
        tx.move("workflows/big", old=parent, new=deploy)
        tx.move(f"tags/big/v{number}", old=None, new=deploy)
    return deploy


def _run(store: Store, deploy: Oid, number: int, output_bytes: int) -> None:
    snapshot_oid = store.get(Deploy, deploy).snapshot
    created = START + timedelta(days=number)
    states: dict[str, TaskRun] = {}
    with store.transaction() as tx:
        for index, (name, task) in enumerate(store.snapshot(snapshot_oid).tasks.items()):
            text = f"data/{index}" if not output_bytes else str(index % 10) * output_bytes
            value: dict[str, Json] = {"rows": index, "path": text}
            output, _, blobs = output_of(value)
            tx.add_all(blobs)
            attempt = Attempt(
                number=1,
                state="success",
                started=created + timedelta(milliseconds=index),
                duration=SECOND // 4,
                exit=0,
                log=Log(path=f"{LOGS}/{index % SLOTS}.log", offset=index, length=1),
            )
            states[name] = TaskRun(task=task, state="success", attempts=(attempt,), output=output)
        root = build(states, tx.add, TaskRun)
        run_id = f"{created:%Y%m%dT%H%M%S}.000-{number:06d}"
        run = tx.add(
            Run(
                id=run_id,
                workflow="big",
                number=number,
                snapshot=snapshot_oid,
                deploy=deploy,
                state="success",
                trigger="run",
                author=AUTHOR,
                host="laptop",
                environment=None,
                created=created,
                ended=created + timedelta(seconds=50),
                duration=50 * SECOND,
                tasks=root,
            )
        )
        tx.move(f"numbers/big/{number:010d}", old=None, new=run)
        tx.move(f"runs/big/{run_id}", old=None, new=run)
        tx.move(f"ran/{snapshot_oid}/big/{run_id}", old=None, new=run)
