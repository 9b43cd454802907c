"""`make bench-peers`: ork beside tools that people run workflows with, as ratios within one run.

    python benchmarks/peers.py [--write]

`peers.sh` installs them first. Every tool runs Python functions that do nothing, as a whole
process, cold, with its own database new, and in the way of its own that costs it least. The slow
ones run fewer tasks than ork and fewer rounds: the table says how many. Nothing leaves the machine.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bench
from measure import Row, Times, clean_environment, interleaved, number, row
from running import PEERS, TASKS, further, run_noop

from ork.errors import count

DOIT_AT_MOST = 2.0
REDUN_AT_LEAST = 8.0
ROUNDS = 3
SECONDS = 400  # no round of the slow ones begins later than this
PROCESS_SECONDS = 120
BEGIN, END = "<!-- peers -->\n", "<!-- end of peers -->\n"
HEAD = "| Beside other tools | median | ratio | budget | |\n|---|--:|--:|--:|---|\n"

DOIT = """\
def noop():
    pass


def task_noop():
    return {"actions": [noop]}
"""
REDUN = """\
from redun import task

redun_namespace = "bench"


@task()
def noop(n: int) -> None:
    return None


@task()
def main() -> list:
    return [noop(n) for n in range(%d)]
"""
DAGSTER = """\
from dagster import in_process_executor, job, op


@op
def noop():
    pass


@job(executor_def=in_process_executor)
def flow():
    for n in range(%d):
        noop.alias(f"noop_{n}")()
"""
PREFECT = """\
from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner


@task
def noop(n):
    return None


@flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
def main():
    for future in noop.map(range(%d)):
        future.result()


main()
"""

SNAKEMAKE = """\
rule all:
    input: expand("done/{n}", n=range(%d))

rule noop:
    output: touch("done/{n}")
    run: pass
"""
LUIGI = """\
import luigi


class Noop(luigi.Task):
    n = luigi.IntParameter()
    done = False

    def complete(self):
        return self.done

    def run(self):
        self.done = True


assert luigi.build([Noop(n=n) for n in range(%d)], local_scheduler=True, log_level="ERROR")
"""
DASK = """\
import dask


@dask.delayed
def noop(n):
    return None


dask.compute(*(noop(n) for n in range(%d)), scheduler="threads", num_workers=2)
"""
AIRFLOW = """\
import datetime

from airflow.sdk import dag, task


@task
def noop():
    return None


@dag(schedule=None, start_date=datetime.datetime(2026, 1, 1))
def flow():
    for n in range(%d):
        noop.override(task_id=f"noop_{n}")()


made = flow()
if __name__ == "__main__":
    made.test()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A tool, how it is told what to run, and how it is kept quiet and to itself."""

    words: tuple[str, ...]  # the first is a program of its environment
    file: str
    text: str  # with room for the number of tasks
    files: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    mode: str
    few: int = 200  # tasks, and twice as many, to see what one more costs
    before: tuple[str, ...] = ()  # the words that make its database, which does not count
    database: str = ""
    at_least: float | None = None  # times ork


PEER = {
    "doit": Peer(words=("doit",), file="dodo.py", text=DOIT, mode="in its own process"),
    "redun": Peer(
        words=("redun", "run", "flow.py", "main"),
        file="flow.py",
        text=REDUN,
        mode="threads, SQLite",
        at_least=50,
    ),
    "dagster": Peer(
        words=("dagster", "job", "execute", "-f", "flow.py", "-j", "flow"),
        file="flow.py",
        text=DAGSTER,
        files={"home/dagster.yaml": "telemetry:\n  enabled: false\n"},
        environ={"DAGSTER_HOME": "home"},
        mode="in its own process, SQLite",
        at_least=50,
    ),
    "prefect": Peer(
        words=("python", "flow.py"),
        file="flow.py",
        text=PREFECT,
        environ={
            "PREFECT_HOME": "home",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        },
        mode="two threads, a server of its own, SQLite",
        few=1_000,  # its start alone takes 15 s and varies by 3 s, in which fewer would be lost
        at_least=20,
    ),
    "apache-airflow": Peer(
        words=("python", "dags/flow.py"),
        file="dags/flow.py",
        text=AIRFLOW,
        environ={
            "AIRFLOW_HOME": "home",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__DAGS_FOLDER": "dags",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        },
        mode="`dag.test()` in its own process, SQLite",
        few=20,
        before=("airflow", "db", "migrate"),
        database="home/airflow.db",
    ),
    "snakemake": Peer(
        words=("snakemake", "--cores", "2", "--quiet", "all"),
        file="Snakefile",
        text=SNAKEMAKE,
        mode="`run:`, no history",
    ),
    "luigi": Peer(
        words=("python", "flow.py"),
        file="flow.py",
        text=LUIGI,
        mode="in its own process, no history",
        few=1_000,
    ),
    "dask": Peer(
        words=("python", "flow.py"),
        file="flow.py",
        text=DASK,
        mode="two threads, no history",
        few=1_000,
    ),
}


class Unable(Exception):
    """A tool is not there or does not run; the text says which."""


def main() -> int:
    """Measure, print, and with --write keep the table."""
    start = time.monotonic()
    lines = _machine()
    print("\n".join(lines) + "\n")
    with tempfile.TemporaryDirectory(prefix="ork-peers-") as folder:
        rows = list(bench._shown("Beside other tools", _rows(Path(folder), start + SECONDS)))
    missed = sum(row.ok is False for row in rows)
    print(f"\n{missed} over budget" if missed else "\nno budget that was judged is missed")
    if "--write" in sys.argv:
        table = [f"| {' | '.join(bench._cells(row))} |\n" for row in rows]
        _write("".join(["\n", *(f"{line}  \n" for line in lines), "\n", HEAD, *table, "\n"]))
    return 1 if missed else 0


def _machine() -> list[str]:
    versions = [f"{name} {_version(name)}" for name in ("ninja", *PEER)]
    words = " ".join(["benchmarks/peers.sh", *sys.argv[1:]])
    return [f"Command: `{words}`", *bench._machine(False)[1:3], ", ".join(versions)]


def _version(name: str) -> str:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    python = PEERS / name / "bin" / "python"
    if not python.exists():
        return "absent"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "absent"


def _rows(folder: Path, until: float) -> Iterator[Row]:
    yield from _one(folder)
    yield from _further(folder, until)


def _one(folder: Path) -> Iterator[Row]:
    """Yield one task in a whole process, new store."""
    actions: dict[str, Callable[[], None]] = {"ork": run_noop(folder, 1)}
    unable: dict[str, str] = {}
    for name in ("doit", "redun"):
        _try(name, folder, unable)
        if name not in unable:
            actions[name] = _action(name, folder, 1)
    times = interleaved(actions, 9)
    yield row("ork run: 1 python task, new store", times, "ork")
    if "doit" in times:
        yield row("doit: the same task (= 1)", times, "doit")
        yield row("ork run, as times of doit", times, "ork", "doit", at_most=DOIT_AT_MOST)
    if "redun" in times:
        yield _faster("redun: the same task", times, REDUN_AT_LEAST)
    for name, why in unable.items():
        yield Row(what=f"{name}: 1 python task", ratio=why)


def _faster(what: str, times: Times, least: float) -> Row:
    values = [a / b for a, b in zip(times["redun"], times["ork"], strict=True)]
    value, fastest = statistics.median(values), min(times["redun"]) / min(times["ork"])
    return Row(
        what=what,
        seconds=statistics.median(times["redun"]),
        ok=value >= least,
        ratio=f"{number(value)} x ork ({number(fastest)})",
        budget=f"at least {least:g} x",
    )


def _further(folder: Path, until: float) -> Iterator[Row]:
    """Yield what one more independent task costs each of the tools; not doit, which is for few."""
    unable: dict[str, str] = {}
    names = [name for name in PEER if name != "doit"]
    for name in names:
        _try(name, folder, unable)
    run_noop(folder, 1)()
    times: Times = {}
    rounds = 0
    while rounds < ROUNDS and (rounds == 0 or time.monotonic() < until):
        rounds += 1
        _measure("ork", run_noop(folder, TASKS), run_noop(folder, 2 * TASKS), times)
        for name in (name for name in names if name not in unable):
            few = PEER[name].few
            try:
                _measure(name, _action(name, folder, few), _action(name, folder, 2 * few), times)
            except Unable as problem:
                unable[name] = str(problem)
    ours, our_fastest = (value / TASKS for value in further(times, "ork", "ork twice"))
    yield Row(
        what=f"ork run: one more python task ({2 * TASKS:,} minus {TASKS:,})",
        seconds=ours,
        ratio=f"{ours * 1e6:.0f} us",
    )
    for name in names:
        few, mode, least = PEER[name].few, PEER[name].mode, PEER[name].at_least
        what = f"{name}: one more ({2 * few:,} minus {few:,}, {count(rounds, 'round')}; {mode})"
        if name in unable:
            yield Row(what=what, ratio=unable[name])
            continue
        theirs, fastest = (value / few for value in further(times, name, f"{name} twice"))
        value = theirs / ours
        yield Row(
            what=what,
            seconds=theirs,
            ok=None if least is None else value >= least,
            ratio=f"{number(value)} x ork ({number(fastest / our_fastest)})",
            budget="" if least is None else f"at least {least:g} x",
        )


def _measure(name: str, once: Callable[[], None], twice: Callable[[], None], times: Times) -> None:
    for key, action in ((name, once), (f"{name} twice", twice)):
        start = time.perf_counter()
        action()
        times.setdefault(key, []).append(time.perf_counter() - start)


def _try(name: str, folder: Path, unable: dict[str, str]) -> None:
    """Run one task, which also writes the .pyc files; note why it cannot be done."""
    try:
        _action(name, folder, 1)()
    except Unable as problem:
        unable[name] = str(problem)


def _action(name: str, folder: Path, count: int) -> Callable[[], None]:
    """Return an action: the tool runs so many tasks in a new folder, and has to succeed.

    Raises Unable, and so does the action.
    """
    peer = PEER[name]
    programs = PEERS / name / "bin"
    if not (programs / peer.words[0]).exists():
        raise Unable("not installed here")
    empty = folder / f"{name}-empty"
    if peer.before and not empty.exists():
        empty.mkdir()
        _run([str(programs / peer.before[0]), *peer.before[1:]], empty, peer.environ)
    text = peer.text % count if "%d" in peer.text else peer.text

    def run() -> None:
        place = Path(tempfile.mkdtemp(dir=folder, prefix=f"{name}-"))
        for file, content in {peer.file: text, **peer.files}.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_text(content)
        if peer.database:
            (place / peer.database).parent.mkdir(exist_ok=True)
            shutil.copy(empty / peer.database, place / peer.database)
        _run([str(programs / peer.words[0]), *peer.words[1:]], place, peer.environ)

    return run


def _run(words: list[str], place: Path, own: Mapping[str, str]) -> None:
    others = {k: v for k, v in clean_environment().items() if not k.startswith(("PREFECT", "DAG"))}
    own = {k: str(place / v) if k.endswith("_HOME") else v for k, v in own.items()}
    process = subprocess.Popen(
        words,
        cwd=place,
        env={**others, **own, "DO_NOT_TRACK": "1"},
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code = process.wait(PROCESS_SECONDS)
    except subprocess.TimeoutExpired:
        raise Unable(f"not done after {PROCESS_SECONDS} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if code:
        raise Unable(f"does not run here (exit {code})")


def _write(table: str) -> None:
    before, _, rest = bench.PAGE.read_text("utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    bench.PAGE.write_text(before + BEGIN + table + END + after, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
