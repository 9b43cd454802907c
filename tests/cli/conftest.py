"""Worlds with a history in them, and what golden files must not depend on."""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import struct
import termios
from collections.abc import Callable

import pytest

from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Blob, encode_object
from ork.store.resolve import resolve
from ork.store.store import Stamp, Store
from tests.conftest import START, Ork, Steps
from tests.started import Started

BROKEN = """\
    name: broken
    tasks:
      extract:
        executor: python
        file: tasks/nowhere.py
        timout: 3
      load:
        executor: process
        command: "true"
        depends_on: [extrac]
"""

NIGHTLY = """\
    name: nightly_customer_report
    schedule: ["0 2 * * 1-5", "30 6 1 * *"]
    tasks:
      collect_customers_of_all_regions:
        executor: process
        command: "echo 'ORK_OUTPUT:{\\"rows\\": 48213, \\"file\\": \\"data/all.parquet\\"}'"
      send: {executor: process, command: "true", depends_on: [collect_customers_of_all_regions]}
"""

REWORKED = """\
    name: etl
    description: Fetch, clean, load
    schedule: "0 2 * * *"
    params:
      day: {type: date, default: 2026-01-01}
    tasks:
      extract:
        executor: python
        file: tasks/etl.py
        function: extract
        output_type: {rows: int}
      weather: {executor: process, command: echo sunny}
      clean:
        executor: process
        command: echo clean
        depends_on: [extract]
        timeout: 300
      join:
        executor: process
        command: |
          set -e
          echo joined
        depends_on: [clean, weather]
      summarize: {executor: process, command: ./load.sh --summary, depends_on: [join]}
      old_export: {executor: process, command: echo export, depends_on: [join]}
      notify: {executor: process, command: echo done, depends_on: [summarize, old_export]}
      archive: {executor: process, command: echo kept, depends_on: [notify]}
"""


@pytest.fixture
def history(
    etl: Ork, edit: Callable[[str, str, str], None], once: Callable[[str, Steps], None]
) -> Ork:
    """The world with three deploys of etl: First, a longer timeout, other code and schedule."""
    once("history", lambda: _deploy_thrice(etl, edit))
    return etl


def _deploy_thrice(etl: Ork, edit: Callable[[str, str, str], None]) -> None:
    assert etl("deploy", "etl.yaml", "-m", "First").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "etl.yaml", "-m", "Wait longer\n\nThe source is slow at night.").code == 0
    edit("etl.yaml", "0 2 * * *", "@daily")
    edit("tasks/etl.py", "3", "4")
    assert etl("deploy", "etl.yaml").code == 0


@pytest.fixture
def ran(
    history: Ork, edit: Callable[[str, str, str], None], once: Callable[[str, Steps], None]
) -> Ork:
    """The world of `history` with two runs: one success, and one that failed."""
    once("ran", lambda: _run_twice(history, edit))
    return history


def _run_twice(history: Ork, edit: Callable[[str, str, str], None]) -> None:
    assert history("run", "etl").code == 0
    edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
    assert history("deploy", "etl.yaml", "-m", "Break it").code == 0
    assert history("run", "etl").code == 1


@pytest.fixture
def reworked(
    etl: Ork, edit: Callable[[str, str, str], None], once: Callable[[str, Steps], None]
) -> Ork:
    """The world with two deploys of etl that differ in every way, each with a run; #2 failed."""
    once("reworked", lambda: _rework(etl, edit))
    return etl


def _rework(etl: Ork, edit: Callable[[str, str, str], None]) -> None:
    etl.write("etl.yaml", REWORKED)
    assert etl("deploy", "etl.yaml", "-m", "First").code == 0
    assert etl("run", "etl").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    edit("etl.yaml", "echo joined", "echo joined $DAY")
    edit("etl.yaml", "summarize", "summarise")
    edit(
        "etl.yaml",
        "old_export: {executor: process, command: echo export, depends_on: [join]}",
        "check: {executor: process, command: echo no rows >&2; exit 3, depends_on: [clean]}",
    )
    edit("etl.yaml", "[summarise, old_export]", "[summarise, check]")
    edit("etl.yaml", "0 2 * * *", "@daily")
    edit("etl.yaml", "2026-01-01", "2026-02-01")
    edit("load.sh", "3}", "4}")
    message = "Check rows before loading\n\nThe source sends empty files on Sundays."
    assert etl("deploy", "etl.yaml", "-m", message).code == 0
    assert etl("run", "etl").code == 1


@pytest.fixture
def day(
    reworked: Ork, edit: Callable[[str, str, str], None], once: Callable[[str, Steps], None]
) -> Ork:
    """The world of `reworked`, with tags, a second workflow, and a file that is wrong."""

    def steps() -> None:
        reworked.write("nightly.yaml", NIGHTLY)
        reworked.write("broken.yaml", BROKEN)
        for words in ("tag v1.4 etl~1", "tag prod etl~1", "deploy nightly.yaml"):
            assert reworked(*words.split()).code == 0
        edit("etl.yaml", "timeout: 600", "timeout: 900")

    once("day", steps)
    return reworked


@pytest.fixture
def masked(ork: Ork) -> Callable[[str], str]:
    """Replace what two equal worlds do not have in common: durations, folders, what hashes them."""
    keys = {
        "duration": "MICROSECONDS",
        "started": "TIME",
        "ended": "TIME",
        "environment": "OID",
        "tasks": "OID",
        "host": "HOST",
    }

    def mask(text: str) -> str:
        for key, word in keys.items():
            text = re.sub(rf'"{key}": ("[^"]*"|[0-9][0-9.e-]*)', f'"{key}": "{word}"', text)
        text = re.sub(r'"(RunFinished", "oid)": "[^"]*"', r'"\1": "OID"', text)
        text = re.sub(r'("kind": "(?:task)?run",\s*"oid": )"[^"]*"', r'\1"OID"', text)
        text = re.sub(r"(?m)^(attempt +\d+, \w+, )[^,]*", r"\1TIME", text)
        text = re.sub(r'"oid": "[0-9a-f]{64}"(?=,\s*"run": {)', '"oid": "OID"', text)
        text = re.sub(r'"time": "20[^"]*", "log"', '"time": "TIME", "log"', text)
        return text.replace(str(ork.folder), "PROJECT")

    return mask


@pytest.fixture
def terminal(ork: Ork) -> Callable[..., str]:
    """Run ork in a terminal of 80 columns and return what that shows, errors included."""

    def run(*argv: str, **environ: str) -> str:
        ours, theirs = os.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        child = Started(
            *argv,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**ork.environ, "TERM": "xterm", "PAGER": "cat", **environ},
            cwd=ork.folder,
            close_fds=True,
        )
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            seen += part
        os.close(ours)
        child.wait()
        return seen.decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    return run


@pytest.fixture
def broken(ork: Ork) -> Ork:
    """The world with a workflow file that has three errors."""
    ork.write("broken.yaml", BROKEN)
    return ork


@pytest.fixture
def tag(opened: Callable[[], Store]) -> Callable[[str, str, str], None]:
    """Give a label to a deploy: tag(workflow, label, revision)."""

    def give(workflow: str, label: str, revision: str) -> None:
        store = opened()
        oid = resolve(store, revision, now=START).oid
        with store.transaction(Stamp(time=START, author="Ada", argv=("ork", "tag"))) as tx:
            tx.move(f"tags/{workflow}/{label}", old=None, new=oid)

    return give


@pytest.fixture
def ambiguous(opened: Callable[[], Store]) -> str:
    """Store blobs until the oids of two begin with the same four digits; return these."""
    store = opened()
    seen: dict[str, bytes] = {}
    with store.transaction() as tx:
        for number in itertools.count():
            data = b"%d" % number
            prefix = hash_bytes(encode_object(Blob(data)))[:4]
            if prefix in seen:
                tx.add(Blob(data))
                tx.add(Blob(seen[prefix]))
                return prefix
            seen[prefix] = data
    raise AssertionError


@pytest.fixture
def damage(opened: Callable[[], Store]) -> Callable[[str], None]:
    """Flip a bit in the stored bytes of an object."""

    def flip(oid: str) -> None:
        backend = opened().backend
        data = bytearray(backend.get(Oid(oid)) or b"")
        assert data
        data[-1] ^= 1
        backend.sweep(lambda: [Oid(oid)])
        assert backend.write({Oid(oid): bytes(data)}, {})

    return flip
