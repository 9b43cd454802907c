"""A store in plain files: made, used, read with other tools, damaged, repaired, cleared, moved."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ork.objects.canonical import Oid, unpack
from ork.store.store import Store
from tests.cli.test_sqlite_store import SAME
from tests.conftest import Ork, Result
from tests.damage import flip


@pytest.fixture
def kept(etl: Ork, edit: Callable[[str, str, str], None]) -> Ork:
    """The small pipeline in a store of plain files: deployed twice, tagged, and run."""
    assert etl("init", "--store", "files:").code == 0
    assert etl("deploy", "etl.yaml", "-m", "First").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("run", "etl.yaml").code == 0
    assert etl("tag", "etl@prod", "etl~1").code == 0
    return etl


def objects(ork: Ork) -> list[Path]:
    return [path for path in (ork.folder / ".ork/db/objects").rglob("*") if path.is_file()]


def test_a_store_in_plain_files_is_read_without_ork(kept: Ork) -> None:
    deploy = json.loads(kept("rev-parse", "etl", "--json").out)["data"][0]["oid"]
    lines = (kept.folder / ".ork/db/refs").read_text("ascii").splitlines()
    (head,) = (line for line in lines if line.startswith("workflows/etl "))
    assert head.split(" ")[1] == deploy
    stored = (kept.folder / ".ork/db/objects" / deploy[:2] / deploy[2:]).read_bytes()
    assert stored.startswith(b"\0ork1 deploy\n")


@pytest.mark.slow
def test_a_history_moves_from_lmdb_to_plain_files_and_back(ran: Ork, tmp_path: Path) -> None:
    def answers() -> list[tuple[int, str]]:
        found = (ran(*line.split(), "--json") for line in SAME[:-1])
        return [(one.code, one.out) for one in found]

    before = answers()
    for number, url in enumerate(("files:", "lmdb:")):
        file = tmp_path / f"{number}.orkbackup"
        assert ran("backup", str(file)).code == 0
        (ran.folder / ".ork").rename(tmp_path / f"old-{number}")
        assert ran("init", "--store", url, "--from", str(file)).code == 0
        assert answers() == before
        assert ran("fsck", "--full").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("place", [3, 12, 40, 90])
@pytest.mark.turns(2)
def test_damage_is_found_and_repaired(kept: Ork, place: int) -> None:
    before = kept("log").out
    flip(kept.folder / ".ork", b"rworkflows/etl", place)
    assert kept("log").code == 4
    assert kept("fsck").code == 1
    done = kept("fsck", "--repair")
    assert "made the ref 'workflows/etl' again" in done.out
    assert (done.code, kept("fsck", "--full").code, kept("log").out) == (0, 0, before)
    (old,) = (kept.folder / ".ork/quarantine").iterdir()
    assert old.name.endswith("-refs")


@pytest.mark.slow
def test_a_list_of_refs_that_is_gone_is_made_again(kept: Ork) -> None:
    before = kept("log").out
    (kept.folder / ".ork/db/refs").unlink()
    done = kept("log")
    assert (done.code, "missing" in done.err) == (4, True)
    assert kept("fsck").code == 1
    done = kept("fsck", "--repair")
    assert (done.code, "the store has lost the run of" in done.err) == (1, True)
    assert kept("fsck").code == 0
    assert [text for text in before.splitlines() if text.startswith("deploy")] == [
        text for text in kept("log").out.splitlines() if text.startswith("deploy")
    ]


@pytest.mark.slow
def test_an_object_that_is_damaged_is_found_and_kept(kept: Ork) -> None:
    deploy = Oid(json.loads(kept("rev-parse", "etl~1", "--json").out)["data"][0]["oid"])
    path = kept.folder / ".ork/db/objects" / deploy[:2] / deploy[2:]
    damaged = path.read_bytes()[:-1]
    path.write_bytes(damaged)
    found = kept("fsck")
    assert (found.code, deploy in found.out) == (1, True)
    assert kept("fsck", "--repair").code == 1, "nothing has its bytes"
    (old,) = (kept.folder / ".ork/quarantine").iterdir()
    assert (old / "objects" / deploy[:2] / deploy[2:]).read_bytes() == damaged
    assert not path.exists()


@pytest.mark.slow
def test_what_nothing_needs_goes_and_a_secret_leaves_no_trace(kept: Ork) -> None:
    secret = "a-secret-of-someone"
    kept.write("load.sh", f"#!/bin/sh\necho {secret}\n", executable=True)
    assert kept("deploy", "etl.yaml").code == 0
    kept.write("secret.txt", secret)
    assert kept("forget", "--text-file", "secret.txt", "--yes").code == 0
    for path in objects(kept):
        oid = Oid("".join(path.relative_to(kept.folder / ".ork/db/objects").parts))
        assert secret.encode() not in unpack(oid, path.read_bytes())
    for path in (kept.folder / ".ork").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes()
    kept.write("load.sh", "#!/bin/sh\necho other\n", executable=True)
    assert kept("deploy", "etl.yaml").code == kept("undo").code == 0
    count = len(objects(kept))
    assert kept("gc", "--prune", "--undo-days", "0", "--force").code == 0
    assert len(objects(kept)) < count
    assert kept("gc", "--prune", "--repack").code == 0
    assert kept("fsck", "--full").code == 0


def test_it_is_not_replaced_while_somebody_has_it_open(
    kept: Ork, opened: Callable[[], Store]
) -> None:
    opened()
    done = kept("gc", "--repack")
    assert (done.code, "another process has the store open" in done.err) == (4, True)


@pytest.mark.slow
def test_two_machines_share_a_folder(
    etl: Ork,
    tmp_path: Path,
    edit: Callable[[str, str, str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(etl.folder, tmp_path / "other")

    def here(line: str) -> Result:
        monkeypatch.chdir(etl.folder)
        return etl(*line.split())

    def there(line: str) -> Result:
        monkeypatch.chdir(tmp_path / "other")
        return etl(*line.split())

    for machine in (here, there):
        assert machine(f"init --store files:{tmp_path}/team").code == 0
    assert here("run etl.yaml").code == 0
    for line in ("log", "runs", "logs etl#1", "outputs etl#1", "show etl#1"):
        assert there(line).out == here(line).out != "", line
    assert there("run etl").code == 0
    assert here("logs etl#2").out == there("logs etl#2").out != ""
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert here("deploy etl.yaml").code == here("undo").code == 0
    assert there("gc --prune --undo-days 0 --force").code == 0
    before = here("log").out
    refs = tmp_path / "team" / "refs"
    refs.write_bytes(refs.read_bytes().replace(b"workflows/etl ", b"workflows/atl "))
    assert here("log").code == 4
    fixed = here("fsck --repair")
    assert (fixed.code, "team-quarantine/" in fixed.out) == (0, True)
    assert there("fsck --full").code == 0
    assert there("log").out == here("log").out == before
    assert {path.name for path in tmp_path.glob("*team*")} == {"team", "team-quarantine"}
