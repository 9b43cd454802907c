"""Secrets that tasks show in every way they can think of are nowhere below .ork/ afterwards."""

from __future__ import annotations

import base64
import json
import os
import textwrap
import urllib.parse
from pathlib import Path

import pytest

import ork as api
from ork.logs.reading import pieces
from ork.mask import Masker
from ork.objects.canonical import Json
from ork.objects.value import as_line
from ork.runner.events import RunFinished, TaskFinished
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number

# Each its own value, so that a hit says which way out was open.
PLAIN = [
    "printed",
    "split",
    "half_line",
    "stderr",
    "traceback",
    "message",
    "output",
    "output_key",
    "output_list",
    "child",
    "binary",
    "written",
    "shell",
    "shell_split",
    "shell_output",
    "shell_output_file",
    "shell_failure",
    "shell_trace",
    "retried",
    "number",
]
CANARIES = {name: f"canary-{number:02d}/{name}+x9Q zürich" for number, name in enumerate(PLAIN)}
CANARIES["number"] = "7350246813579"
CANARIES["pem"] = "-----BEGIN CANARY-----\n" + "".join(
    f"line{number:02d}ofThePrivateKeyMIIEvQIBADANBgkqhkiG9w0\n" for number in range(8)
)

TASKS = """
import base64, json, os, subprocess, sys, time, urllib.parse

S = os.environ

def printed():
    print("token:", S["PRINTED"])
    print(repr(S["PRINTED"]), json.dumps([S["PRINTED"]]), ascii(S["PRINTED"]))
    print(urllib.parse.quote(S["PRINTED"]), urllib.parse.quote_plus(S["PRINTED"]))
    print(base64.b64encode(S["PRINTED"].encode()).decode())
    print(base64.b64encode(("user:" + S["PRINTED"]).encode()).decode())

def split():
    for byte in S["SPLIT"].encode() + b"\\n":
        os.write(1, bytes([byte]))
        time.sleep(0.001)

def half_line():
    sys.stdout.write("no end: " + S["HALF_LINE"])

def stderr():
    print(S["STDERR"], file=sys.stderr)

def traceback():
    secret = S["TRACEBACK"]
    try:
        {}[secret]
    except KeyError as error:
        raise RuntimeError("because of " + secret) from error

def message():
    raise ValueError(S["MESSAGE"])

def output():
    return {"text": "<" + S["OUTPUT"] + ">", "url": urllib.parse.quote(S["OUTPUT"])}

def output_key():
    return {S["OUTPUT_KEY"]: 1}

def output_list():
    return [[S["OUTPUT_LIST"]], base64.b64encode(S["OUTPUT_LIST"].encode()).decode()]

def child():
    subprocess.run(["/bin/sh", "-c", 'printf %s "$CHILD"; printf %s "$CHILD" | base64 >&2'])

def binary():
    os.write(1, b"\\x00\\xff" + S["BINARY"].encode() + b"\\xfe")

def written():
    with open("/dev/stdout", "w") as file:
        file.write(S["WRITTEN"])

def number():
    print(int(S["NUMBER"]) * 10)
    return {"pin": int(S["NUMBER"])}

def retried():
    raise OSError(5, S["RETRIED"], S["RETRIED"])

def pem():
    print(S["PEM"])
    for line in S["PEM"].splitlines():
        print("   ", line)
    return S["PEM"]

def inherited():
    for name, value in sorted(S.items()):
        print(name, value)
"""
COMMANDS = {
    "shell": 'echo "$SHELL_"; echo "$SHELL_" >&2; env',
    "shell_split": """v=$SHELL_SPLIT
        while [ -n "$v" ]; do printf %s "${v%"${v#?}"}"; v=${v#?}; done""",
    "shell_output": """printf 'ORK_OUTPUT:{"a": "%s"}\\n' "$SHELL_OUTPUT" """,
    "shell_output_file": """printf '["%s"]' "$SHELL_OUTPUT_FILE" > "$ORK_OUTPUT_FILE" """,
    "shell_failure": """printf 'ORK_OUTPUT:no json: %s' "$SHELL_FAILURE" """,
    "shell_trace": 'set -x; : "$SHELL_TRACE"; exit 3',
}
PYTHON = [name for name in CANARIES if name not in COMMANDS] + ["inherited"]


def variable(name: str) -> str:
    """Return the name of the variable in which a task finds its canary."""
    return "SHELL_" if name == "shell" else name.upper()


@pytest.fixture
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project in which all these tasks have run."""
    return run_all(tmp_path, monkeypatch)


def run_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tasks: dict[str, Json] = {}
    for name in [*PYTHON, *COMMANDS]:
        how: dict[str, Json] = (
            {"executor": "process", "command": COMMANDS[name]}
            if name in COMMANDS
            else {"executor": "python", "file": "tasks.py", "function": name}
        )
        if name != "inherited":
            how["env"] = {variable(name): {"secret": f"CANARY_{name.upper()}"}}
        if name == "retried":
            how["retries"] = 2
        tasks[name] = how
    (folder / "flow.yaml").write_text(json.dumps({"name": "flow", "tasks": tasks}))
    (folder / "tasks.py").write_text(textwrap.dedent(TASKS))
    for name, value in CANARIES.items():
        monkeypatch.setenv(f"CANARY_{name.upper()}", value)
    project = api.open(folder, create=True)
    try:
        events = list(project.events(folder / "flow.yaml"))
        assert isinstance(events[-1], RunFinished)
        states = {e.task: e.taskrun.state for e in events if isinstance(e, TaskFinished)}
        failed = {name for name, state in states.items() if state != "success"}
        assert failed == {"traceback", "message", "shell_failure", "shell_trace", "retried"}
        assert found_in(b"".join(map(as_line, events))) == []
    finally:
        project.close()
    return folder


def log_of(folder: Path, task: str) -> bytes:
    """Return what was printed by a task, as it was kept."""
    project = api.open(folder)
    try:
        _, run = run_of_number(project.store, "flow", 1)
        return b"".join(pieces(project.store, task_runs(project.store, run)[task].attempts[-1].log))
    finally:
        project.close()


def forms(value: str) -> set[bytes]:
    """Return a value as it might be written."""
    data = value.encode()
    texts = {
        value,
        repr(value)[1:-1],
        ascii(value)[1:-1],
        repr(data)[2:-1],
        json.dumps(value)[1:-1],
        urllib.parse.quote(value),
        urllib.parse.quote_plus(value),
        urllib.parse.quote(value, ""),
        base64.b64encode(data).decode(),
        base64.b64encode(b"user:" + data).decode()[8:-4],
        *value.splitlines(),
    }
    return {text.encode() for text in texts}


def found_in(data: bytes) -> list[str]:
    return [name for name, value in CANARIES.items() if any(f in data for f in forms(value))]


def found_below(folder: Path) -> dict[str, list[str]]:
    """Return which canaries are in which files; the lock of LMDB is not to be opened."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock.mdb"]
    assert any(path.suffix == ".log" and path.stat().st_size for path in files)
    found = {str(path.relative_to(folder)): found_in(path.read_bytes()) for path in files}
    return {name: canaries for name, canaries in found.items() if canaries}


@pytest.mark.slow
def test_no_canary_is_below_ork(finished: Path) -> None:
    assert len(CANARIES) >= 20
    assert found_below(finished / ".ork") == {}


@pytest.mark.slow
def test_what_is_masked_is_still_there_to_be_read(finished: Path) -> None:
    assert log_of(finished, "printed").startswith(
        b"token: ***\n'***' [\"***\"] '***'\n*** ***\n***\n"
    )
    assert log_of(finished, "split") == b"***\n"
    assert log_of(finished, "binary") == b"\x00\xff***\xfe"


@pytest.mark.slow
@pytest.mark.turns(3)
def test_without_masking_every_canary_would_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(Masker):
        """A masker that knows no value."""

        def __init__(self, values: object) -> None:
            super().__init__(())

    monkeypatch.setattr("ork.executors.attempt.Masker", Blind)
    monkeypatch.setitem(globals(), "found_in", lambda data: [])
    run_all(tmp_path, monkeypatch)
    monkeypatch.undo()
    found = found_below(tmp_path / ".ork")
    assert {name for names in found.values() for name in names} == set(CANARIES)
    assert any(name.startswith("db/") for name in found)
    assert not any(os.environ.get(f"CANARY_{name.upper()}") for name in CANARIES)
