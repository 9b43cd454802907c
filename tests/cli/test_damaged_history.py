"""Histories that no ork has written: each walk ends in one clear error, what need not walk works.

A hash cannot contain itself, so parents that form a cycle cannot be written. What another program
or a lost object can leave are parents that are missing, of another kind, or of another workflow.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import cache

import pytest

from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import (
    SECOND,
    Blob,
    Deploy,
    FileEntry,
    Operation,
    Run,
    Source,
    Task,
    TaskRun,
    encode_object,
)
from ork.objects.snapshot import Built, CodeFile, build
from ork.objects.tree import build as build_tree
from ork.objects.value import replace
from ork.store.store import Stamp, Store, Transaction
from tests.conftest import START, Ork
from tests.scale import size
from tests.stores import Careless

NOWHERE = Oid("0" * 64)
DEPLOYS = size(100_000, by_day=2000)  # in either case more than calls may be nested
STEP = DEPLOYS // 100  # deploys with the same content


@cache
def definition_of(version: int) -> Built:
    """Return a definition with a task that changes with each version, and one that does not."""
    code = CodeFile(data=f"def main():\n    return {version}\n".encode())
    tasks = {
        "same": Task(executor="process", command="true"),
        "task": Task(
            executor="python", file="task.py", function="main", timeout=(1 + version) * SECOND
        ),
    }
    return build(tasks, {"task.py": code})


def deploy_of(
    tx: Transaction, index: int, parent: Oid | None, *, workflow: str = "etl", step: int = 1
) -> Oid:
    """Write a deploy of a task that changes every `step` deploys, and return its oid."""
    built = definition_of(index // step)
    tx.add_all(built.objects)
    source = tx.add(Blob(f"name: {workflow}\n# {index // step}\n".encode()))
    return tx.add(
        Deploy(
            workflow=workflow,
            snapshot=built.oid,
            parents=(parent,) if parent else (),
            time=START - timedelta(days=1) + timedelta(seconds=index),
            author="Ada",
            settings={},
            message=f"number {index}",
            source=Source(path=f"{workflow}.yaml", blob=source),
        )
    )


def stamp(hours: float) -> Stamp:
    author = "Ada Lovelace <ada@example.org>"
    return Stamp(time=START + timedelta(hours=hours - 24), author=author, argv=("ork", "deploy"))


def run_of(store: Store, deploy: Oid, number: int, state: str) -> None:
    """Record a run of a deploy."""
    with Careless(store) as tx:
        snapshot = store.get(Deploy, deploy).snapshot
        task = hash_bytes(encode_object(Task(executor="process", command="true")))
        root = build_tree({"same": TaskRun(task=task, state=state)}, tx.add, TaskRun)
        run_id = f"20261101T1{number:02}000.000-00000{number}"
        run = tx.add(
            Run(
                id=run_id,
                workflow="etl",
                number=number,
                snapshot=snapshot,
                deploy=deploy,
                state=state,
                trigger="run",
                author="Ada",
                host="lab",
                environment=None,
                created=START,
                duration=SECOND,
                ended=START,
                tasks=root,
            )
        )
        for ref in (
            f"runs/etl/{run_id}",
            f"numbers/etl/{number:010d}",
            f"ran/{snapshot}/etl/{run_id}",
        ):
            tx.move(ref, old=None, new=run)
        tx.move(f"tally/{deploy}/{number}:{state}=1", old=None, new=deploy)


def bad_parent(store: Store, kind: str) -> Oid:
    """Write what stands where a deploy should."""
    with Careless(store) as tx:
        if kind == "missing":
            return NOWHERE
        if kind == "blob":
            return tx.add(Blob(b"no deploy"))
        if kind == "snapshot":
            return _empty(tx)
        return deploy_of(tx, 0, None, workflow="other")


def _empty(tx: Transaction) -> Oid:
    built = build({}, {})
    tx.add_all(built.objects)
    return built.oid


@pytest.fixture(params=["missing", "blob", "snapshot", "other workflow"])
def damaged(request: pytest.FixtureRequest, ork: Ork, opened: Callable[[], Store]) -> Ork:
    """Three deploys of etl, two runs and a tag above a parent that is none; `good` is whole."""
    assert ork("init").code == 0
    store = opened()
    head: Oid | None = bad_parent(store, request.param)
    old = None
    for index in range(3):
        with Careless(store, stamp(index)) as tx:
            head = deploy_of(tx, index, head)
            tx.move("workflows/etl", old=old, new=head)
        run_of(store, head, index + 1, "failed")
        old = head
    with Careless(store, stamp(4)) as tx:
        tx.move("workflows/good", old=None, new=deploy_of(tx, 1, None, workflow="good"))
        tx.move("tags/etl/v1", old=None, new=head)
    return ork


WALKS = (
    "log etl",
    "log",
    "log --oneline",
    "log --json",
    "log -p etl",
    "log etl:same",
    "log etl -- gone",
    "show etl~5",
    "log etl:task --follow -p",
    "log --reverse etl",
    "log etl --grep nothing",
    "blame etl",
    "blame etl:same",
    "blame etl:task",
    "blame etl:",
    "blame etl --keys",
    "rev-parse etl~3",
    "diff etl~3 etl",
    "diff etl~3..etl",
    "restore etl~3 -o old.yaml",
    "rollback etl etl~3",
    "rollback etl",
    "export git repo etl",
    "export git --stream etl",
    "run etl~3",
    "bisect etl --good etl~3 --bad etl",
    "bisect etl --bad etl",
    "tag old etl~3",
    "graph etl~3..etl",
    "report etl~3..etl -o page.html",
)
STANDS = (
    "log etl -n 2",
    "log etl~1..etl",
    "log good",
    "show etl",
    "show etl~1",
    "show etl#1",
    "show etl:task",
    "diff etl~1 etl",
    "runs",
    "runs etl",
    "ls-tree etl",
    "tag",
    "ops",
    "runs --containing etl:task",
    "rev-parse etl@{0} etl@{1} etl@{2026-11-01} etl@v1 etl~2",
    "export git good.git good",
    "graph etl",
    "outputs etl#1",
    "logs etl#1",
    "blame etl~1..etl",
    "diff etl#1 etl#2",
    "--at-op @{1} log etl -n 1",
    "restore etl -o now.yaml",
    "tag now etl",
    "rollback etl etl~1",
    "undo",
    "report etl#1 -o run.html",
    "report good -o good.html",
)


def test_every_walk_into_damage_is_one_clear_error(damaged: Ork) -> None:
    for line in WALKS:
        result = damaged(*line.split())
        assert (result.code, "Traceback" in result.err) == (4, False), (line, result)
        assert result.err.count("error: ") + result.err.count('"ork.error.v1"') == 1, (line, result)


def test_a_log_has_all_that_is_left_of_a_history_that_breaks_off(damaged: Ork) -> None:
    line = re.compile("number [0-9]")
    for words, left in (
        ("log etl --oneline", ["number 2", "number 1", "number 0"]),
        ("log etl", ["number 2", "number 1", "number 0"]),
        ("log --reverse --oneline", ["number 0", "number 1", "number 1", "number 2"]),
        ("log --oneline -n 9", ["number 2", "number 1", "number 1", "number 0"]),
    ):
        result = damaged(*words.split())
        assert (result.code, line.findall(result.out)) == (4, left), (words, result)


def test_what_need_not_walk_into_damage_works(damaged: Ork) -> None:
    for line in STANDS:
        result = damaged(*line.split())
        assert result.code == 0, (line, result)


@pytest.mark.parametrize("kind", ["missing", "blob"])
def test_a_broken_chain_of_operations_stops_only_what_reads_that_far(
    kind: str, ork: Ork, opened: Callable[[], Store]
) -> None:
    assert ork("init").code == 0
    store = opened()
    with Careless(store) as tx:
        parent = NOWHERE if kind == "missing" else tx.add(Blob(b"no operation"))
        first = deploy_of(tx, 0, None)
        moves = (("workflows/etl", None, first),)
        tx.move("workflows/etl", old=None, new=first)
        operation = Operation(parent=parent, time=START, author="Ada", argv=("ork",), moves=moves)
        tx.move("ops", old=None, new=tx.add(operation))
    with Careless(store, stamp(25)) as tx:
        tx.move("workflows/etl", old=first, new=deploy_of(tx, 1, first))
    for line in (
        "ops",
        "ops --json",
        "rev-parse etl@{2}",
        "rev-parse etl@{2020-01-01}",
        "undo ffff",
        "undo @{2}",
        "--at-op @{2} log",
        "--at-op ffff log",
        "undo @{2020-01-01}",
    ):
        result = ork(*line.split())
        assert (result.code, "Traceback" in result.err) == (4, False), (line, result)
    for line in (
        "ops -n 2",
        "rev-parse etl@{1}",
        "log etl",
        "blame",
        "--at-op @{1} log",
        "tag v1 etl",
        "undo",
        "undo",
        "undo @{0}",
    ):
        assert ork(*line.split()).code == 0, (line, ork(*line.split()))


def no_tasks(kind: str, tx: Transaction) -> Oid:
    """Write a snapshot whose tree of tasks has what no ork writes."""
    built = build({"a": Task(executor="process", command="true")}, {"a.py": CodeFile(data=b"1")})
    tx.add_all(built.objects)
    whole = built.snapshot
    task = hash_bytes(encode_object(Task(executor="process", command="true")))
    blob = tx.add(Blob(b"1"))
    entry = {"a blob": blob, "missing": NOWHERE}.get(kind, task)
    if kind == "a cycle":
        entry = tx.add(Task(executor="process", command="true", depends_on=("a",)))
    file = FileEntry(blob=blob, executable=kind == "a file")
    tasks = build_tree({"a": entry}, tx.add)
    code = build_tree({"a.py": file}, tx.add, FileEntry)
    if kind == "a file":
        tasks = build_tree({"a": file}, tx.add, FileEntry)
    if kind == "a task as a file":
        code = build_tree({"a.py": task}, tx.add)
    if kind == "a blob as tree":
        tasks = blob
    return tx.add(replace(whole, tasks=tasks, files=code))


@pytest.mark.parametrize(
    "kind",
    ["a file", "a blob", "missing", "a cycle", "a task as a file", "a blob as tree", "no snapshot"],
)
def test_a_definition_that_is_none_is_one_clear_error(
    kind: str, ork: Ork, opened: Callable[[], Store]
) -> None:
    assert ork("init").code == 0
    store = opened()
    with Careless(store, stamp(0)) as tx:
        first = deploy_of(tx, 0, None)
        snapshot = NOWHERE if kind == "no snapshot" else no_tasks(kind, tx)
        source = tx.add(Blob(b"name: etl\n"))
        head = tx.add(
            Deploy(
                workflow="etl",
                snapshot=snapshot,
                parents=(first,),
                time=START,
                author="Ada",
                message="x",
                settings={},
                source=Source(path="etl.yaml", blob=source),
            )
        )
        tx.move("workflows/etl", old=None, new=head)
    run_of(store, first, 1, "success")
    run_of(store, head, 2, "failed")
    for line in (*READS, "run etl", "retry etl#2", "rollback etl etl~1"):
        result = ork(*line.split())
        assert 0 <= result.code <= 5, (line, result)
        if result.code > 1:  # 1 is how the run ended
            assert result.err.count("error: ") == 1, (line, result)


READS = (
    "show etl",
    "show etl:a",
    "show etl:a.py",
    "show etl#2",
    "show etl#2:same",
    "log -p",
    "log --stat",
    "log etl:a",
    "log etl:a.py --follow -p",
    "blame etl",
    "blame etl --keys",
    "blame etl:a",
    "blame etl:a.py",
    "diff etl~1 etl",
    "diff -p etl~1 etl",
    "diff etl~1 etl -- a",
    "diff --format html etl~1 etl",
    "diff etl#1 etl#2",
    "diff --last etl",
    "graph etl",
    "graph etl~1..etl",
    "graph etl#2",
    "ls-tree etl",
    "cat-object etl^{snapshot}",
    "runs",
    "runs --containing etl:a",
    "logs etl#2",
    "logs etl#2:a",
    "outputs etl#2",
    "watch etl#2",
    "restore etl -o out/ --code",
    "restore etl:a -o a",
    "export git repo etl",
    "report etl -o -",
    "report etl#2 -o -",
    "report etl~1..etl -o -",
    "status",
    "tag v1 etl",
    "undo",
    "bisect etl --good etl#1 --bad etl#2",
    "rev-parse etl:a",
)


@pytest.mark.slow
def test_a_very_long_history_needs_no_recursion(ork: Ork, opened: Callable[[], Store]) -> None:
    assert ork("init").code == 0
    store, head = opened(), None
    for start in range(0, DEPLOYS, 5000):
        with Careless(store) as tx:
            for index in range(start, min(start + 5000, DEPLOYS)):
                head = deploy_of(tx, index, head, step=STEP)
            tx.move("workflows/etl", old=store.ref("workflows/etl"), new=head)
    last = DEPLOYS - 1
    for line, shown in (
        ("log etl -n 5 --oneline", f"number {last}"),
        (f"log etl~{last} --oneline", "number 0"),
        ("log etl:same --oneline", "number 0"),
        ("blame etl", "number 0"),
        (f"rollback etl etl~{last - 1}", "Roll back"),
    ):
        result = ork(*line.split())
        assert result.code == 0, (line, result)
        assert shown in result.out, line
    run_of(store, Oid(ork("rev-parse", f"etl~{1 + STEP}").out.strip()), 1, "success")
    run_of(store, head, 2, "failed")
    result = ork("bisect", "etl", "--good", "etl#1", "--bad", "etl#2")
    assert (result.code, f"number {DEPLOYS - STEP}" in result.out) == (0, True)
    result = ork("export", "git", "--stream", "etl")
    assert result.out.count("\ncommit refs/heads/main\n") == DEPLOYS + 1  # with the rollback
