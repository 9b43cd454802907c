"""A store with one text in every field that data can reach, written as another program would.

The objects are made by hand, because the reader of workflow files refuses much of this. Names of
tasks are honest unless others are given. A text of several parts, separated by CUT, is turned from
version to version, so that each part comes first somewhere: where a view shows only a beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from ork.backends.memory import Memory
from ork.objects import tree
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import (
    SECOND,
    Attempt,
    Blob,
    Cache,
    Deploy,
    Log,
    Origin,
    Param,
    Run,
    Source,
    Task,
    TaskRun,
    When,
    is_name,
    output_of,
)
from ork.objects.snapshot import CodeFile, build
from ork.store.store import Stamp, Store, Transaction
from tests.conftest import START

CUT = "\u2702"
PATH_BYTES_MAX = 200
LINE_CHARS_MAX = 20_000  # of a command: to split one into words takes its time


def turned(text: str, version: int) -> str:
    """Return the text with as many of its parts moved from its front to its end."""
    parts = text.split(CUT)
    at = version % len(parts)
    return CUT.join(parts[at:] + parts[:at])


def path_of(text: str) -> str:
    """Return the text as one part of a path that a file system takes."""
    part = text.replace("/", "\u2215").replace("\0", "\u2400")
    return part.encode()[:PATH_BYTES_MAX].decode("utf-8", "ignore").strip(".") or "x"


def fill(store: Store, text: str, **names: Collection[str]) -> None:
    """Write the history of `etl`: four deploys, a tag, three runs, all full of the text.

    `names` gives tasks other names than their own, and a copy of the task to each.
    """
    deploys = _deploys(store, text, names)
    stamp = _stamp(text, 4)
    with store.transaction(stamp) as tx:
        tx.move("tags/etl/v1", old=None, new=deploys[0])
    for number, (deploy, state) in enumerate(
        ((deploys[0], "success"), (deploys[1], "failed"), (None, "interrupted")), start=1
    ):
        _run(store, text, number, deploy, state, names)


def snapshot_objects(
    text: str, version: int, names: Mapping[str, Collection[str]]
) -> tuple[Oid, dict[Oid, bytes]]:
    """Return a snapshot with the text in all its fields, and its objects."""
    path = f"src/{path_of(text)}"
    text = turned(text, version)
    twist = text * (1 if len(text) > 1000 else version)
    own = {
        "extract": Task(
            executor="python",
            file=path,
            function=text,
            input_type={text: "str"},
            output_type={text: ["int"]},
            inputs={text: {"const": {twist: [text]}}},
            env={text: twist, "KEY": {"secret": text}},
            timeout=(300 + version) * SECOND,
            cache=Cache(salt=text, environment=(text,)),
            when=When(ref=text, is_={text: text}),
        ),
        "load": Task(
            executor="process",
            command=twist[:LINE_CHARS_MAX],
            shell=("sh", text),
            depends_on=("extract",),
            inputs={"x": {"ref": text}},
        ),
        "lib": Task(executor="library", file=path, function=text, depends_on=("extract",)),
        "mod": Task(executor="python", module=text, function=twist),
        "words": Task(executor="process", command=("printf", "%s", text, str(version))),
    }
    if version > 1:  # a rename, and a task that comes and one that goes
        own["renamed"] = own.pop("mod")
    tasks = {new: task for name, task in own.items() for new in names.get(name, (name,))}
    lines = text.replace("\0", "")  # with which a file would be binary
    body = f"{lines}\nline\n{lines} {version}\n"
    files = {
        path: CodeFile(data=body.encode()),
        f"{path}.sh": CodeFile(data=twist.encode(), executable=True),
        f"turned/{path_of(text)}": CodeFile(data=lines.encode()),
        f"new{version}": CodeFile(data=lines.encode()),
    }
    param = Param(type={text: "str"}, required=False, default={text: twist})
    built = build(tasks, files, {"day": param})
    return built.oid, dict(built.objects)


def _deploys(store: Store, text: str, names: Mapping[str, Collection[str]]) -> list[Oid]:
    made: list[Oid] = []
    for index, action in enumerate(("deploy", "deploy", "rollback", "import")):
        version = 1 if action == "rollback" else index + 1
        snapshot, objects = snapshot_objects(text, version, names)
        words = turned(text, version)
        minute = 12 * index  # a run began each ten
        with store.transaction(_stamp(words, minute)) as tx:
            tx.add_all(objects)
            source = tx.add(Blob(f"{words}\n# {index}\n{words}".replace("\0", "").encode()))
            made.append(
                tx.add(
                    Deploy(
                        workflow="etl",
                        snapshot=snapshot,
                        parents=tuple(made[-1:]),
                        time=at(minute),
                        author=words,
                        message=words,
                        action=action,
                        settings={
                            "description": words * version if len(words) < 1000 else words,
                            "schedule": words,
                            "python": words,
                            words: {words: [words]},
                        },
                        source=Source(path=f"{path_of(text)}.yaml", blob=source),
                        origin=Origin(commit=words, dirty=True),
                        restores=made[0] if action == "rollback" else None,
                    )
                )
            )
            tx.move("workflows/etl", old=made[-2] if index else None, new=made[-1])
    return made


def _run(
    store: Store,
    text: str,
    number: int,
    deploy: Oid | None,
    state: str,
    names: Mapping[str, Collection[str]],
) -> None:
    oid, objects = snapshot_objects(text, number, names)
    text = turned(text, number)
    run_id = f"20261101T12{number:02}00.000-00000{number}"
    with store.transaction() as tx:
        tx.add_all(objects)
        tasks = store_of(objects).snapshot(oid).tasks
        outcomes = {
            name: _task_run(tx, task, text, state, f"etl/{run_id}/{name}.1.log")
            for name, task in tasks.items()
        }
        root = tree.build(outcomes, tx.add, TaskRun)
        pin = tx.add(
            Run(
                id=run_id,
                workflow="etl",
                number=number,
                snapshot=oid,
                deploy=deploy,
                state=state,
                trigger=text,
                author=text,
                host=text,
                created=at(10 * number),
                params=tx.add_value({"day": {text: text}, text: text}),
                environment=tx.add_value({"python": text, text: text, "distributions": [text]}),
                ended=at(10 * number + 5),
                duration=5 * SECOND,
                tasks=root,
                reason=None if state == "success" else text,
            )
        )
        for ref in (f"runs/etl/{run_id}", f"numbers/etl/{number:010d}", f"ran/{oid}/etl/{run_id}"):
            tx.move(ref, old=None, new=pin)
        if deploy is None:
            place: Json = {"root": text, "settings": {"description": text, text: text}}
            tx.move(f"unattached/etl/{run_id}", old=None, new=tx.add_value(place))
        else:
            tx.move(f"tally/{deploy}/{number}:{state}=1", old=None, new=deploy)
        hook = {
            "attempt": 1,
            "which": "on_success",
            "command": text,
            "started": "2026-11-01T12:00:00Z",
            "state": text,
            "error": text,
            "output": text,
        }
        tx.move(f"hooks/etl/{run_id}/1-on_success", old=None, new=tx.add_value(hook))
        slot = f"2026-11-01T12:0{number}:00Z"
        skip = {"count": 2, "first": slot, "last": slot, "reason": text}
        name = f"20261101T120{number}00Z"
        tx.move(f"skips/etl/{name}", old=None, new=tx.add_value(skip))
        waits = {"deploy": pin, "author": text, "time": slot, "params": {text: text}}
        tx.move(f"queue/etl/{run_id}", old=None, new=tx.add_value(waits))
    _write_logs(store, run_id, tasks, text)


def _task_run(tx: Transaction, task: Oid, text: str, state: str, log: str) -> TaskRun:
    output, _, objects = output_of({text: [{text: text}]})
    tx.add_all(objects)
    wrong = None if state == "success" else text
    attempt = Attempt(
        number=1,
        state=state,
        started=at(1),
        duration=1_500_000,
        exit=3 if wrong else None,
        error=wrong,
        host=text,
        tainted=(text,) if state == "interrupted" else (),  # the others are to have a verdict
        log=Log(path=log),
    )
    return TaskRun(task=task, state=state, reason=wrong, output=output, attempts=(attempt,))


def _write_logs(store: Store, run_id: str, tasks: Iterable[str], text: str) -> None:
    assert store.folder is not None
    folder = store.folder / "logs" / "etl" / run_id
    folder.mkdir(parents=True)
    for name in tasks:
        if is_name(name):
            (folder / f"{name}.1.log").write_bytes(f"{text}\n{text}".encode())


def store_of(objects: Mapping[Oid, bytes]) -> Store:
    """Return a store of these objects, in memory."""
    store = Store(Memory())
    store.hold(objects)
    return store


def at(minutes: int) -> datetime:
    """Return a moment of the day on which everything happened."""
    return START - timedelta(hours=2) + timedelta(minutes=minutes)


def _stamp(text: str, minutes: int) -> Stamp:
    return Stamp(time=at(minutes), author=text, argv=("ork", text, f"--{text}"))


def strings(value: object) -> set[str]:
    """Return all texts in a JSON value, keys too."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set(value).union(*map(strings, value.values()))
    return set().union(*map(strings, value)) if isinstance(value, list) else set()
