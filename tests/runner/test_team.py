"""A team on one store: what runs on one machine is seen, followed and stopped from another.

Two machines are two folders with homes of their own; what they share is the data of a store.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ork.logs.begun import Beginnings
from ork.logs.bytes import size_of
from ork.servers.postgresql import Postgresql
from ork.store import location
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.upkeep.keep import Keep
from ork.upkeep.prune import gc
from tests.postgres import Running
from tests.runner.suite import IMPATIENT, Project, check_whole, eventually, python, shell
from tests.stores import stamp
from tests.team import Machine, Team, team_on

pytestmark = pytest.mark.slow


# For what a backend may do in its own way; the rest is the same code on one of them.
EVERYWHERE = pytest.mark.parametrize("team", ["sqlite", "postgresql"], indirect=True)
WAIT = "touch here; until test -e on; do sleep 0.02; done"


@pytest.fixture
def team(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Team]:
    """Return a machine by the name of who sits there."""
    url = f"sqlite:{tmp_path}/team.db"
    if getattr(request, "param", "sqlite") == "postgresql":
        running: Running = request.getfixturevalue("postgres")
        url = running.url()
        Postgresql.create(url)
    yield from team_on(url, tmp_path)


@EVERYWHERE
@pytest.mark.turns(2)
def test_two_machines_on_one_store(team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(
        shell("load", "echo loading"),
        shell("long", f"echo begun; {WAIT}; echo more; sleep 300", ", depends_on: [load]"),
    )
    ada.ork("init", "--store", ada.url)
    ada.ork("deploy", "flow.yaml")
    running = ada.start("run", "flow.yaml", patch=IMPATIENT)
    assert eventually((ada.folder / "here").exists)
    assert "running" in bob.ork("runs").stdout
    following = bob.start("logs", "-f", "flow#1")
    assert following.stdout is not None
    lines = [following.stdout.readline() for _ in range(2)]
    assert [line.split()[-1] for line in lines] == ["loading", "begun"]
    ada.write("on", "")
    assert following.stdout.readline().split()[-1] == "more"
    bob.ork("cancel", "flow#1")
    assert following.communicate(timeout=60)[0] == ""
    running.communicate(timeout=60)
    assert running.returncode == 130
    assert bob.states() == {"load": "success", "long": "cancelled"}
    assert ada.local_logs() == []
    # The code is in the store, so that bob can go on without having the files.
    bob.write("on", "")
    again_logs = ("logs", "flow#1:long", "--attempt", "2")
    again = bob.start("retry", "flow#1", patch=IMPATIENT)
    assert eventually(lambda: "more" in ada.ork(*again_logs, code=None).stdout)
    listed = json.loads(ada.ork("runs", "--json").stdout)["data"]
    assert [(one["run"]["number"], one["run"]["state"]) for one in listed] == [(1, "running")]
    ada.ork("cancel", "--now")
    again.communicate(timeout=60)
    assert ada.log("load") == b"loading\n"
    assert ada.log("long") == bob.log("long") == b"begun\nmore\n"
    assert ada.log("long", 2) == bob.log("long", 2) == b"begun\nmore\n"
    assert "begun\nmore\n" in ada.ork("logs", "flow#1:long").stdout
    assert "cancelled" in ada.ork("show", "flow#1").stdout
    assert "flow#1 cancelled" in ada.ork("watch", "flow#1", code=130).stdout
    ada.ork("fsck", "--full")


KILLS = ["end.before", "logs.shipped:2", "save.before:3", "save.after:3"]


@pytest.mark.parametrize("at", KILLS)
@pytest.mark.turns(4)
def test_no_outcome_is_recorded_without_its_log(team: Team, at: str) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(
        *(
            shell(f"t{n}", f"head -c {n * 200_000} /dev/zero | tr '\\0' x; echo end {n}")
            for n in range(5)
        ),
        *(shell(f"long{n}", f"sleep {n}") for n in (1, 2)),
    )
    done = ada.ork("run", "flow.yaml", "-j", "3", failpoint=at, code=None)
    assert done.returncode == -signal.SIGKILL
    with closing(bob.open()) as store:
        _, run = run_of_number(store, "flow", 1)
        attempts = [a for t in task_runs(store, run).values() for a in t.attempts]
        assert attempts or at != "end.before", "all have ended by then"
        for attempt in attempts:
            assert attempt.log is not None
            assert attempt.log.length is not None
            assert size_of(store, attempt.log.path) >= attempt.log.offset + attempt.log.length
    assert "flow#1 was interrupted" in bob.ork("runs").stderr
    bob.ork("retry", "flow#1")
    for n in range(5):
        assert ada.log(f"t{n}", tries(ada, f"t{n}")) == b"x" * n * 200_000 + f"end {n}\n".encode()
    ada.ork("fsck", "--full")
    ada.workflow(shell("t", "true"))
    ada.ork("run", "flow.yaml")
    assert ada.local_logs() == [], "what a killed process left here is removed"


def tries(machine: Machine, task: str) -> int:
    return len(machine.run_of()[1][task].attempts)


@EVERYWHERE
@pytest.mark.turns(2)
def test_a_stopped_owner_is_alive(team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(shell("a", WAIT))
    running = ada.start("run", "flow.yaml")
    assert eventually((ada.folder / "here").exists)
    os.kill(running.pid, signal.SIGSTOP)
    for _ in range(3):
        assert bob.ork("runs").stderr == ""
    refused = bob.ork("retry", "flow#1", code=5)
    assert "flow#1 runs in another process" in refused.stderr
    os.kill(running.pid, signal.SIGCONT)
    ada.write("on", "")
    assert running.communicate(timeout=60)[0].startswith("flow#1 success")


AWAY = """\
    import os, time
    from ork.backends.sqlite import Sqlite
    from ork.errors import StoreError
    from ork.runner import record
    record.PAUSE_SECONDS = 0.05
    record.PATIENCE_SECONDS = {patience}
    real = Sqlite.write
    def write(*words):
        if os.path.exists("away"):
            done = {arrives} and real(*words)
            open("refused", "w").close()
            raise StoreError("the server is away")
        return real(*words)
    Sqlite.write = write
"""


@pytest.mark.parametrize("arrives", [False, True])
@pytest.mark.turns(2)
def test_a_run_waits_for_a_store_that_is_away(team: Team, arrives: bool) -> None:
    """What is written meanwhile does not arrive, or does, and nobody says so."""
    ada = team("ada")
    ada.workflow(
        shell("first", f"{WAIT}; echo first"),
        shell("next", "echo next", ", depends_on: [first]"),
    )
    running = ada.start("run", "flow.yaml", patch=AWAY.format(patience=60, arrives=arrives))
    assert eventually(
        lambda: (ada.folder / "here").exists() and ada.states() == {"first": "running"}
    )
    ada.write("away", "")
    ada.write("on", "")
    assert eventually((ada.folder / "refused").exists)
    (ada.folder / "away").unlink()
    _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert ada.states() == {"first": "success", "next": "success"}
    assert (ada.log("first"), ada.log("next")) == (b"first\n", b"next\n")
    ada.ork("fsck", "--full")


def test_a_run_ends_when_the_store_stays_away(team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(shell("first", WAIT), shell("long", "sleep 300"))
    patch = AWAY.format(patience=0.3, arrives=False)
    running = ada.start("run", "flow.yaml", "-j", "2", patch=patch)
    assert eventually((ada.folder / "here").exists)
    ada.write("away", "")
    ada.write("on", "")
    _, err = running.communicate(timeout=60)
    assert (running.returncode, "the server is away" in err) == (4, True), err
    assert not ada.survivors()
    assert "flow#1 was interrupted" in bob.ork("runs").stderr


def test_the_logs_of_a_team_are_kept_as_long_as_it_says(team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    for number in range(3):
        ada.workflow(shell("a", f"echo number {number}"))
        ada.ork("run", "flow.yaml")
    with closing(bob.open()) as store:
        now = stamp(24 * 365)
        done = gc(store, now=now.time, keep=Keep(logs_days=100), stamp=now)
        assert done.logs.count == 3
        assert list(store.refs("logs/")) == []
        assert done.kinds["blob"] >= 3, "what they led to goes at once"
        check_whole(store)
    assert "were removed by gc" in ada.ork("logs", "flow#1", code=3).stderr
    ada.ork("run", "flow")
    assert ada.log("a", number=4) == b"number 2\n"


def test_logs_go_with_the_runs(team: Team) -> None:
    ada = team("ada")
    ada.workflow(shell("a", "echo something"))
    for _ in range(3):
        ada.ork("run", "flow.yaml")
    with closing(ada.open()) as store:
        now = stamp(24 * 365)
        gc(store, now=now.time, keep=Keep(runs=1), stamp=now)
        kept = {ref.split("/")[1] for ref, _ in store.refs("logs/")}
        assert len(kept) == 1
    assert ada.log("a", number=3) == b"something\n"


def test_copies_of_the_store_have_the_logs(team: Team, tmp_path: Path) -> None:
    """As files where only one machine has the store, and as blobs in another one for a team."""
    ada, bob = team("ada"), Project(tmp_path)  # who has no store yet
    ada.workflow(shell("a", "echo it is $((40 + 2)); exit 1"))
    ada.ork("run", "flow.yaml", code=1)
    ada.ork("bundle", "create", f"{tmp_path}/some.bundle", "--all", "--runs", "all")
    ada.ork("backup", f"{tmp_path}/copy")
    ada.ork("backup", f"{tmp_path}/copy.orkbackup")
    shown = ada.ork("logs", "flow#1").stdout
    assert "it is 42" in shown
    ada.ork("report", "flow#1", "-o", "report.html")
    assert "it is 42" in (ada.folder / "report.html").read_text()
    for place in ("copy", "elsewhere"):
        if place == "elsewhere":
            (tmp_path / place).mkdir()
            bob.ork("init", "--from", f"{tmp_path}/copy.orkbackup", f"{tmp_path}/elsewhere")
        store = f"{tmp_path}/{place}/.ork"
        assert list(Path(store).glob("logs/flow/*/1.log"))
        bob.ork("--store", store, "fsck", "--full")
        with closing(location.open_store(Path(store), environ={})) as copied:
            assert list(copied.refs("logs/")) == []
        assert bob.ork("--store", store, "logs", "flow#1").stdout == shown
    other = f"sqlite:{tmp_path}/other.db"
    bob.ork("--store", other, "init")
    bob.ork("--store", other, "import", "bundle", f"{tmp_path}/some.bundle")
    assert bob.ork("--store", other, "logs", "flow#1").stdout == shown
    bob.ork("--store", other, "fsck", "--full")


def test_a_secret_is_forgotten_in_logs_where_it_lies(team: Team) -> None:
    """Also where two parts meet; and the logs of others stay where they are."""
    ada, bob = team("ada"), team("bob")
    ada.write(
        "code.py",
        """\
        import time
        def main():
            print("the key is hunter2", end="", flush=True)
            time.sleep(1)
            print("-hunter3")
    """,
    )
    ada.workflow(python("a"), shell("b", "echo after", ", depends_on: [a]"))
    quick = "from ork.runner import loop; loop.TEND_SECONDS = 0.05"
    ada.ork("run", "flow.yaml", "-j", "1", patch=quick)
    assert ada.log("a") == b"the key is hunter2-hunter3\n"
    with closing(ada.open()) as store:
        assert len([ref for ref, _ in store.refs("logs/") if "/1.log/" in ref]) > 1
    secret = bob.write("secret", "hunter2-hunter3")
    bob.ork("forget", "--text-file", str(secret), "--yes")
    assert ada.log("a") == b"the key is ***************\n"
    assert ada.log("b") == b"after\n"
    ada.ork("fsck", "--full")


def test_what_was_begun_is_known_elsewhere(team: Team) -> None:
    ada, bob = team("ada"), team("bob")
    ada.workflow(shell("a", f"echo printed; {WAIT}"))
    running = ada.start("run", "flow.yaml")
    assert eventually((ada.folder / "here").exists)
    with closing(bob.open()) as store:
        _, run = run_of_number(store, "flow", 1)
        log = Beginnings(store, run).log
        assert eventually(lambda: (begun := log("a", 1)) and begun.length)
    running.kill()
    running.communicate()
    bob.ork("runs")
    (attempt,) = bob.run_of()[1]["a"].attempts
    assert attempt.state == "interrupted"
    assert bob.log("a") == b"printed\n"
