"""Forgetting: afterwards the bytes are nowhere below .ork, and all the rest goes on as before."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ork.errors import StoreError, UsageError
from ork.mask import find
from ork.store import location
from ork.store.store import Stamp
from ork.upkeep import forget as module
from ork.upkeep import repair
from ork.upkeep.forget import Forgotten, forget
from tests.conftest import START, Ork
from tests.damage import data_file, raw
from tests.upkeep.looks import findings

STAMP = Stamp(time=START, author="Ada Lovelace", argv=("ork", "forget", "--text"))
PLACES = (
    "env",
    "const",
    "argv",
    "message",
    "author",
    "text",
    "code",
    "command",
    "log",
    "split",
    "error",
    "output",
    "large",
    "key",
    "number",
    "base64",
    "json",
    "url",
    "included",
    "unattached",
    "description",
    "checkout",
    "quarantine",
    "gate",
)
SECRETS = {place: f"s3cr3t-{number:02d}/{place}+x9Q" for number, place in enumerate(PLACES)}
SECRETS["number"] = "7350246813579"
CODE = """\
# {code}
import base64, json, sys, urllib.parse

def main():
    print("{log}")
    sys.stdout.write("{split}"[:9]); sys.stdout.flush(); sys.stdout.write("{split}"[9:] + chr(10))
    return {{"large": ["{large}"] * 200, "{key}": 1, "number": {number},
             "base64": base64.b64encode(b"user:{base64}").decode(),
             "json": json.dumps(["{json}"]), "url": urllib.parse.quote("{url}", safe="")}}

def short():
    return {{"small": "{output}"}}

def fail():
    raise ValueError("{error}")
"""
FLOW = """\
name: etl
description: "{description}"
include: [data/*.txt]
# {text}
tasks:
  extract: {{executor: python, file: etl.py}}
  short: {{executor: python, file: etl.py, function: short}}
  fail: {{executor: python, file: etl.py, function: fail}}
  load: {{executor: process, command: "true {command}", env: {{A: "{env}"}},
    inputs: {{a: {{const: "{const}"}}}}, depends_on: [extract]}}
"""


@pytest.fixture
def leaky(ork: Ork, once: Callable[[str, Callable[[], object]], None]) -> Ork:
    """A project in whose store a secret stands in each place that there is."""
    once("leaky", lambda: leak(ork))
    return ork


def leak(ork: Ork) -> None:
    """Let a secret get into each place that there is."""
    ork.write("etl.py", CODE.format(**SECRETS))
    ork.write("data/a.txt", SECRETS["included"])
    (ork.folder / "etl.yaml").write_text(FLOW.format(**SECRETS))
    ork.environ["ORK_AUTHOR_NAME"] = SECRETS["author"]
    assert ork("deploy", "etl.yaml", "-m", SECRETS["message"], "--allow-secret").code == 0
    assert ork("run", "etl.yaml", "--allow-secret").code == 1
    ork.environ["ORK_AUTHOR_NAME"] = "Ada Lovelace"
    other = FLOW.format(**SECRETS | {"description": SECRETS["unattached"]})
    (ork.folder / "etl.yaml").write_text(other.replace("true", "true 1"))
    assert ork("run", "etl.yaml", "--no-deploy", "--allow-secret").code == 1
    (ork.folder / "etl.yaml").write_text(FLOW.format(**SECRETS).replace("true", "true 1"))
    assert ork("deploy", "etl.yaml", "-m", f"x {SECRETS['argv']}", "--allow-secret").code == 0
    ork.write(str(Path(".ork", "work", "run", "etl.py")), SECRETS["checkout"])
    ork.write(".ork/quarantine/data.mdb", SECRETS["quarantine"])
    (ork.folder / ".ork/db/gate").write_text(f"process 1 (ork {SECRETS['gate']})".ljust(256))


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that is below a folder: files as they are, and objects unpacked."""
    for path in folder.rglob("*"):
        yield str(path), b""
        if path.is_file():
            yield str(path), path.read_bytes()
    store = location.open_store(folder, environ={})
    for oid in list(store.backend.oids()):
        yield oid, store.raw(oid)
    store.close()


def hits(folder: Path, secrets: dict[str, str]) -> dict[str, list[str]]:
    """Return where secrets are, in any form."""
    data = list(everything(folder))
    return {
        place: found
        for place, secret in secrets.items()
        if (found := [name for name, one in data if find(secret, one) or secret in name])
    }


def take_away(folder: Path, text: str) -> Forgotten:
    return forget(folder, environ={}, stamp=STAMP, text=text, reason="a test", yes=True)


@pytest.mark.slow
def test_the_bytes_are_nowhere_afterwards(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    assert hits(folder, SECRETS).keys() == SECRETS.keys()  # else the test proves nothing
    for secret in SECRETS.values():
        assert take_away(folder, secret).stays is False
    assert hits(folder, SECRETS) == {}
    assert [one for one in findings(folder, "full") if one.level == "error"] == []


@pytest.mark.parametrize("kind", ["lmdb", "sqlite", "files"])
def test_the_note_of_a_writer_who_was_killed_is_found_elsewhere(
    ork: Ork, tmp_path: Path, kind: str
) -> None:
    assert ork("init", "--store", f"{kind}:{tmp_path}/there").code == 0
    (note,) = (path for path in tmp_path.rglob("*gate") if ork.folder not in path.parents)
    note.write_text("process 1 (ork run -m s3cr3t-note)".ljust(255) + "\n")
    for yes, left in ((False, True), (True, False)):
        done = forget(
            ork.folder / ".ork", environ=ork.environ, stamp=STAMP, text="s3cr3t-note", yes=yes
        )
        assert [(one.where, one.name) for one in done.found] == [("note", str(note))]
        assert ("s3cr3t-note" in note.read_text()) is left


@pytest.mark.slow
def test_the_rest_goes_on_under_the_same_names(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    oids = leaky("rev-parse", "etl", "etl~1", "etl#1", "etl:extract", "etl:etl.py").out
    for secret in SECRETS.values():
        take_away(folder, secret)
    assert leaky("rev-parse", "etl", "etl~1", "etl#1", "etl:extract", "etl:etl.py").out == oids
    for line in (
        "log -p",
        "show etl",
        "show etl#1",
        "diff etl~1 etl",
        "diff etl#1 etl#2",
        "blame etl --keys",
        "runs",
        "outputs etl#1",
        "logs etl#1",
        "ops",
        "status",
    ):
        result = leaky(*line.split())
        assert result.code == 0, (line, result.err)
    assert leaky("export", "git", "../exported", "etl").code == 0
    assert leaky("show", "etl:etl.py").out.startswith("# [forgotten]\n")
    outputs = json.loads(leaky("outputs", "etl#1").out)
    assert outputs["extract"]["number"] == "[forgotten]"
    assert outputs["short"] == {"small": "[forgotten]"}
    assert "forgotten 2026-11-01 by Ada Lovelace: a test" in leaky("show", "etl:etl.py").err


def test_what_was_forgotten_neither_runs_nor_comes_back(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    take_away(folder, SECRETS["code"])
    for line in (
        "run etl",
        "run etl.yaml --allow-secret",
        "retry etl#1",
        "deploy etl.yaml --allow-secret",
    ):
        result = leaky(*line.split())
        assert (result.code, "forgotten 2026-11-01" in result.err) == (3, True), (line, result.err)
    assert hits(folder, {"code": SECRETS["code"]}) == {}
    text = (leaky.folder / "etl.py").read_text().replace(SECRETS["code"], "nothing")
    (leaky.folder / "etl.py").write_text(text)
    assert leaky("deploy", "etl.yaml", "--allow-secret").code == 0
    assert leaky("undo", "@{1}").code == 2


def test_a_dry_run_changes_nothing(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    before = data_file(folder).read_bytes()
    found = forget(folder, environ={}, stamp=STAMP, text=SECRETS["log"])
    assert {one.where for one in found.found} >= {"object", "log", "file"}
    assert data_file(folder).read_bytes() == before
    assert hits(folder, {"log": SECRETS["log"]})


def test_logs_keep_their_length(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    logs = {path: path.stat().st_size for path in folder.glob("logs/**/*.log")}
    before = leaky("logs", "etl#1:extract").out
    take_away(folder, SECRETS["log"])
    assert {path: path.stat().st_size for path in logs} == logs
    secret = SECRETS["log"]
    assert leaky("logs", "etl#1:extract").out == before.replace(secret, "*" * len(secret))


def test_names_are_told_and_stay(leaky: Ork) -> None:
    assert leaky("tag", "s3cr3t-tag", "etl").code == 0
    found = take_away(leaky.folder / ".ork", "s3cr3t-tag")
    assert found.stays
    assert {(one.where, one.action) for one in found.found} == {
        ("ref", "stays"),
        ("object", "stays"),
    }


def test_pages_that_are_free_are_not_kept(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    with raw(folder) as txn:
        txn.put(b"o" + b"\7" * 32, b"\0ork1 blob\ndropped-long-ago")
    with raw(folder) as txn:
        txn.delete(b"o" + b"\7" * 32)
    assert b"dropped-long-ago" in data_file(folder).read_bytes()
    take_away(folder, "dropped-long-ago")
    assert b"dropped-long-ago" not in data_file(folder).read_bytes()


def test_it_waits_for_nobody(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    reading, telling = os.pipe(), os.pipe()
    if (child := os.fork()) == 0:
        store = location.open_store(folder, environ={})
        os.write(telling[1], b"x")
        os.read(reading[0], 1)
        store.close()
        os._exit(0)
    os.read(telling[0], 1)
    with pytest.raises(StoreError, match="another process has the store open"):
        take_away(folder, SECRETS["log"])
    os.write(reading[1], b"x")
    os.waitpid(child, 0)
    assert hits(folder, {"log": SECRETS["log"]})
    assert not list(folder.glob("forget.tmp-*"))
    assert not [one for one in findings(folder) if one.level != "note"]
    take_away(folder, SECRETS["log"])


def test_what_is_written_meanwhile_is_not_lost(leaky: Ork, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = leaky.folder / ".ork"
    real = module.swap

    def deploy_first(*args: Any, **options: Any) -> None:
        assert leaky("tag", "meanwhile", "etl").code == 0
        real(*args, **options)

    monkeypatch.setattr(module, "swap", deploy_first)
    with pytest.raises(StoreError, match="written meanwhile"):
        take_away(folder, SECRETS["log"])
    assert leaky("rev-parse", "etl@meanwhile").code == 0


KILLED: list[tuple[str, bool]] = [
    ("_copy", False),
    ("_copy", True),
    ("swap", True),
    ("tell_anchor", False),
    ("_clean", False),
    ("_clean", True),
]


def dying(real: Callable[..., object], after: bool) -> Callable[..., object]:
    def die(*args: object, **options: object) -> None:
        if after:
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    return die


@pytest.mark.parametrize(("where", "after"), KILLED)
@pytest.mark.turns(3)
def test_killed_anywhere_it_is_typed_again(leaky: Ork, where: str, after: bool) -> None:
    folder = leaky.folder / ".ork"
    there = repair if where == "tell_anchor" else module
    if (child := os.fork()) == 0:
        try:
            setattr(there, where, dying(getattr(there, where), after))
            take_away(folder, SECRETS["log"])
        finally:
            os._exit(1)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])
    told = leaky("log")
    assert (told.code, "stopped before its end" in told.err) == (0, True)
    take_away(folder, SECRETS["log"])
    assert hits(folder, {"log": SECRETS["log"]}) == {}
    assert not list(folder.glob("forget.tmp-*"))
    assert not [one for one in findings(folder) if one.level == "error"]
    assert leaky("log").err == ""


def test_a_text_where_two_chunks_meet_is_found(ork: Ork) -> None:
    lines = "".join(f"# {number:05d} {'x' * 90}\n" for number in range(1500))
    flow = "name: etl\ntasks:\n  a: {executor: process, command: 'true'}\n"
    secret = "y" * 100 + "z" * 100  # a line is cut after 16384 bytes
    (ork.folder / "etl.yaml").write_text(f"{flow}{lines}#{'.' * 16283}{secret}\n{lines}")
    assert ork("deploy", "etl.yaml").code == 0
    take_away(ork.folder / ".ork", secret)
    text = ork("show", "etl:").out
    assert "yyyy" not in text and "zzzz" not in text and "[forgotten]" in text


def test_it_is_refused_while_a_run_goes_on(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    store = location.open_store(folder, environ={})
    _, run = next(iter(store.refs("runs/etl/")))
    with store.transaction() as tx:
        tx.move("active/20261101T120000.000-1/.run", old=None, new=run)
    store.close()
    with pytest.raises(StoreError, match=r"#[0-9]+ goes on"):
        take_away(folder, SECRETS["log"])
    assert hits(folder, {"log": SECRETS["log"]})


def test_a_second_forgetting_takes_from_what_the_first_left(ork: Ork) -> None:
    ork.write("a.sh", "echo first-secret second-secret\n")
    ork.write("etl.yaml", "name: etl\ntasks:\n  a: {executor: process, command: sh a.sh}\n")
    assert ork("deploy", "etl.yaml").code == 0
    folder = ork.folder / ".ork"
    take_away(folder, "first-secret")
    take_away(folder, "second-secret")
    assert ork("show", "etl:a.sh").out == "echo [forgotten] [forgotten]\n"
    assert hits(folder, {"1": "first-secret", "2": "second-secret"}) == {}
    assert not [one for one in findings(folder, "full") if one.level == "error"]


def test_what_the_command_itself_says_is_refused(leaky: Ork) -> None:
    folder = leaky.folder / ".ork"
    with pytest.raises(UsageError, match="stands in the command"):
        forget(folder, environ={}, stamp=STAMP, text="a reason", reason="a reason", yes=True)
    with pytest.raises(UsageError, match="less than 4"):
        take_away(folder, "abc")
