"""What is measured: workflow files, stores with a long history, a git repository of equal length.

Everything comes from a seed, so two runs of the benchmark measure the same bytes.
"""

from __future__ import annotations

import random
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import clean_environment

from ork.core import snapshot
from ork.core.canonical import Oid
from ork.core.objects import Attempt, Blob, Deploy, Run, Task, TaskRun, encode_object
from ork.core.tree import build
from ork.store import place
from ork.store.store import Stamp, Store

SEED = 20261122
START = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = "Ada Example <ada@example.org>"


def large_workflow(folder: Path, tasks: int, *, changed: int | None = None) -> bytes:
    """Return the YAML of a workflow with so many typed tasks, and write the code that it names.

    With `changed` one constant of that task is another.
    """
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for part in range(40):
        steps = "\n\n".join(f"def step_{n}(path, rows):\n    return {{'path': path, 'rows': rows}}"
                            for n in range(10))  # fmt: skip
        (folder / f"tasks/part_{part:02d}.py").write_text(f'"""Part {part}."""\n\n{steps}\n')
    dice = random.Random(SEED)
    lines = ["name: large", "types:", "  Table: {path: str, rows: int}", "tasks:"]
    for index in range(tasks):
        lines += _large_task(index, dice, index == changed)
    return ("\n".join(lines) + "\n").encode()


def _large_task(index: int, dice: random.Random, changed: bool) -> list[str]:
    name, part, step = f"task_{index:05d}", dice.randrange(40), dice.randrange(10)
    above = sorted({f"task_{dice.randrange(index):05d}" for _ in range(2)}) if index else []
    path = f"{{ref: tasks.{above[0]}.output.path}}" if above else "{const: data/start.csv}"
    rows = dice.randrange(10**6) + 10**6 * changed
    return [
        f"  {name}:",
        "    executor: python",
        f"    file: tasks/part_{part:02d}.py",
        f"    function: step_{step}",
        f"    timeout: {dice.choice((60, 300, 900))}",
        f"    retries: {dice.randrange(4)}",
        f"    depends_on: [{', '.join(above)}]",
        "    input_type: {path: str, rows: int}",
        "    output_type: types.Table",
        f"    env: {{REGION: eu-{dice.randrange(9)}}}",
        "    inputs:",
        f"      path: {path}",
        f"      rows: {{const: {rows}}}",
    ]


def small_workflow(tasks: int, kind: str, *, shape: str = "flat") -> str:
    """Return a workflow of no-op tasks: flat, a chain, or fan (one, all others, one)."""
    body = {"python": "executor: python, file: noop.py",
            "process": 'executor: process, command: "true"'}[kind]  # fmt: skip
    lines = ["name: noop", "tasks:"]
    for index in range(tasks):
        needs: list[str] = []
        if shape == "chain" and index:
            needs = [f"t{index - 1}"]
        elif shape == "fan" and index == tasks - 1:
            needs = [f"t{n}" for n in range(1, tasks - 1)]
        elif shape == "fan" and index:
            needs = ["t0"]
        lines.append(f"  t{index}: {{{body}, depends_on: [{', '.join(needs)}]}}")
    return "\n".join(lines) + "\n"


def new_store(project: Path) -> Store:
    """Return an empty store in a new project folder."""
    project.mkdir(parents=True, exist_ok=True)
    folder = project / ".ork"
    place.create(folder)
    return Store(place.open_backend(folder, environ={}), folder=folder)


def long_history(project: Path, deploys: int, runs: int) -> None:
    """Make a store with one workflow of 20 tasks, deployed and run so many times.

    Every deploy is one transaction, as the command makes it, and changes one task.
    """
    store = new_store(project)
    dice = random.Random(SEED)
    tasks = {f"task_{n:02d}": Task(executor="process", command=f"true {n}") for n in range(20)}
    head: Oid | None = None
    counts: dict[Oid, list[int]] = {}
    for number in range(deploys):
        chosen = dice.choice(sorted(tasks))
        tasks[chosen] = Task(executor="process", command=f"true {chosen} {number}")
        head = _deploy(store, tasks, head, number, f"Change {chosen} for the {number}th time")
        if number >= deploys - runs // 2:
            counts[head] = [len(counts) * 2 + 1, len(counts) * 2 + 2]
    for deploy, numbers in counts.items():
        _run_twice(store, deploy, numbers)
    store.close()


def _deploy(
    store: Store, tasks: dict[str, Task], head: Oid | None, number: int, message: str
) -> Oid:
    built = snapshot.build(tasks, {})
    text = encode_object(Blob(f"name: etl  # version {number}\n".encode() * 40))
    time = START + timedelta(minutes=30 * number)
    with store.transaction(Stamp(time=time, author=AUTHOR, argv=("ork", "deploy"))) as tx:
        tx.add_all(built.objects)
        blob = tx.add(Blob(text))
        oid = tx.add(
            Deploy(
                workflow="etl", snapshot=built.oid, parents=(head,) if head else (), time=time,
                author=AUTHOR, message=message, settings={},
                source={"path": "etl.yaml", "blob": blob},
            )
        )  # fmt: skip
        tx.move("workflows/etl", old=head, new=oid)
    return oid


def _run_twice(store: Store, deploy: Oid, numbers: list[int]) -> None:
    found = store.get(Deploy, deploy)
    with store.transaction() as tx:
        for number in numbers:
            created = found.time + timedelta(minutes=number % 7)
            attempt = Attempt(number=1, state="success", started=created, seconds=0.25, exit=0)
            task_run = tx.add(TaskRun(task=found.snapshot, state="success", attempts=(attempt,)))
            root, trees = build({f"task_{n:02d}": task_run for n in range(20)})
            tx.add_all(trees)
            run_id = f"{created:%Y%m%dT%H%M%S}-{number:06d}"
            run = tx.add(
                Run(
                    id=run_id, workflow="etl", number=number, snapshot=found.snapshot,
                    deploy=deploy, state="success", trigger="run", author=AUTHOR, host="laptop",
                    environment=None, created=created, ended=created + timedelta(seconds=5),
                    seconds=5.0, tasks=root,
                )
            )  # fmt: skip
            tx.move(f"numbers/etl/{number:010d}", old=None, new=run)
            tx.move(f"runs/etl/{run_id}", old=None, new=run)
        tally = tx.add_value({"counts": {"success": len(numbers)}, "last": numbers[-1]})
        tx.move(f"tally/{deploy}", old=None, new=tally)


def git_history(folder: Path, commits: int) -> None:
    """Make a packed git repository with so many commits of one file."""
    environ = clean_environment()

    def git(*words: str, data: bytes | None = None) -> None:
        subprocess.run(["git", *words], cwd=folder, env=environ, input=data, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip

    folder.mkdir()
    git("init", "-q", "-b", "main")
    stream: list[bytes] = []
    for number in range(commits):
        text = f"name: etl  # version {number}\n".encode() * 40
        message = f"Change task_{number % 20:02d} for the {number}th time".encode()
        seconds = int(START.timestamp()) + 1800 * number
        stream.append(b"commit refs/heads/main\nmark :%d\ncommitter %s %d +0000\ndata %d\n%s\n" % (
            number + 1, AUTHOR.encode(), seconds, len(message), message))  # fmt: skip
        stream.append(b"M 100644 inline etl.yaml\ndata %d\n%s\n" % (len(text), text))
    git("fast-import", "--quiet", data=b"".join(stream))
    git("reset", "-q", "--hard")
