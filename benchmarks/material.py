"""What is measured: workflow files, stores with a long history, a git repository of equal length.

Everything comes from a seed, so two runs of the benchmark measure the same bytes.
"""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from measure import clean_environment

from ork.objects import snapshot
from ork.objects.canonical import Oid
from ork.objects.kinds import SECOND, Attempt, Blob, Deploy, Run, Source, Task, TaskRun
from ork.objects.tree import build
from ork.store import location
from ork.store.store import Stamp, Store
from ork.store.verdict import Tally, tally_text

SEED = 20261122
START = datetime(2026, 1, 1, tzinfo=UTC)
AUTHOR = "Ada Example <ada@example.org>"


def large_workflow(folder: Path, tasks: int, *, changed: int | None = None) -> bytes:
    """Return the YAML of a workflow with so many typed tasks, and write the code that it names.

    With `changed` one constant of that task is another.
    """
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    for part in range(40):
        steps = "\n\n".join(
            f"def step_{n}(path, rows):\n    return {{'path': path, 'rows': rows}}"
            for n in range(10)
        )
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
    body = {
        "python": "executor: python, file: noop.py",
        "process": 'executor: process, command: "true"',
    }[kind]
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
    location.create(folder)
    return Store(location.open_backend(folder, environ={}), folder=folder)


def long_history(project: Path, deploys: int, runs: int, *, each: int = 2) -> Store:
    """Make a store with one workflow of 20 tasks, deployed and run so many times, and return it.

    Every deploy is one transaction, as the command makes it, and changes one task. The newest
    deploys have the runs, so many `each`.
    """
    store = new_store(project)
    head: Oid | None = None
    number = 1
    for index, (tasks, message) in enumerate(_versions(deploys)):
        head = _deploy(store, tasks, head, index, message)
        if index >= deploys - runs // each:
            _run(store, head, range(number, number + each))
            number += each
    return store


def _versions(count: int) -> Iterator[tuple[dict[str, Task], str]]:
    """Yield the tasks and the message of each version; one task changes from one to the next."""
    dice = random.Random(SEED)
    tasks = {f"task_{n:02d}": Task(executor="process", command=f"true {n}") for n in range(20)}
    for number in range(count):
        chosen = dice.choice(sorted(tasks))
        tasks[chosen] = Task(executor="process", command=f"true {chosen} {number}")
        yield tasks, f"Change {chosen} for the {number}th time"


def _text(tasks: dict[str, Task]) -> bytes:
    lines = [f"  {name}: {{executor: process, command: {t.command}}}" for name, t in tasks.items()]
    return "\n".join(["name: etl", "tasks:", *lines, ""]).encode()


def _deploy(
    store: Store, tasks: dict[str, Task], head: Oid | None, number: int, message: str
) -> Oid:
    built = snapshot.build(tasks, {})
    time = START + timedelta(minutes=30 * number)
    with store.transaction(Stamp(time=time, author=AUTHOR, argv=("ork", "deploy"))) as tx:
        tx.add_all(built.objects)
        oid = tx.add(
            Deploy(
                workflow="etl",
                snapshot=built.oid,
                parents=(head,) if head else (),
                time=time,
                author=AUTHOR,
                message=message,
                settings={},
                source=Source(path="etl.yaml", blob=tx.add(Blob(_text(tasks)))),
            )
        )
        tx.move("workflows/etl", old=head, new=oid)
    return oid


def _run(store: Store, deploy: Oid, numbers: range) -> None:
    found = store.get(Deploy, deploy)
    with store.transaction() as tx:
        attempt = Attempt(
            number=1, state="success", started=found.time, duration=SECOND // 4, exit=0
        )
        outcomes = {
            name: TaskRun(task=oid, state="success", attempts=(attempt,))
            for name, oid in store.snapshot(found.snapshot).tasks.items()
        }
        root = build(outcomes, tx.add, TaskRun)
        for index, number in enumerate(numbers):
            created = found.time + index * timedelta(minutes=30) / len(numbers)
            run_id = f"{created:%Y%m%dT%H%M%S}.000-{number:06d}"
            run = tx.add(
                Run(
                    id=run_id,
                    workflow="etl",
                    number=number,
                    snapshot=found.snapshot,
                    deploy=deploy,
                    state="success",
                    trigger="run",
                    author=AUTHOR,
                    host="laptop",
                    environment=None,
                    created=created,
                    ended=created + timedelta(seconds=5),
                    duration=5 * SECOND,
                    tasks=root,
                )
            )
            tx.move(f"numbers/etl/{number:010d}", old=None, new=run)
            tx.move(f"runs/etl/{run_id}", old=None, new=run)
            tx.move(f"ran/{found.snapshot}/etl/{run_id}", old=None, new=run)
        tally = Tally(counts={"success": len(numbers)}, last=numbers[-1])
        tx.move(f"tally/{deploy}/{tally_text(tally)}", old=None, new=deploy)


def git_history(folder: Path, commits: int) -> None:
    """Make a packed git repository with the same versions of one file as `long_history`."""
    environ = clean_environment()

    def git(*words: str, data: bytes | None = None) -> None:
        subprocess.run(
            ["git", *words],
            cwd=folder,
            env=environ,
            input=data,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    folder.mkdir()
    git("init", "-q", "-b", "main")
    stream: list[bytes] = []
    for number, (tasks, words) in enumerate(_versions(commits)):
        text, message = _text(tasks), words.encode()
        seconds = int(START.timestamp()) + 1800 * number
        stream.append(
            b"commit refs/heads/main\nmark :%d\ncommitter %s %d +0000\ndata %d\n%s\n"
            % (number + 1, AUTHOR.encode(), seconds, len(message), message)
        )
        stream.append(b"M 100644 inline etl.yaml\ndata %d\n%s\n" % (len(text), text))
    git("fast-import", "--quiet", data=b"".join(stream))
    git("gc", "--quiet")
    git("reset", "-q", "--hard")
