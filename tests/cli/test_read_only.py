"""A project where nothing can be written: what is in the way is said, and nothing is half done."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ORK = [sys.executable, "-P", "-m", "ork"]
# Root may write everywhere, unless it gives that up.
BOUND = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
BOUND = BOUND if os.geteuid() == 0 else []
MOUNTED = 'mount --bind . . && mount -o remount,ro,bind . && cd . && exec "$@"'
HINT = "hint: its folder and its files must be writable by you\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(BOUND) and not shutil.which("setpriv"), reason="root may do anything"),
]


@pytest.fixture
def protected(ran):
    """Run commands where permissions bind everybody, with these folders protected."""
    changed: list[Path] = []

    def run(*words: str, folders: str = ".ork", first: list[str] = BOUND):
        for folder in map(ran.folder.__truediv__, folders.split()):
            below = [folder, *folder.rglob("*")] if folder.name == ".ork" else [folder]
            changed.extend(below)
            for path in below:
                path.chmod(path.stat().st_mode & ~0o222)
        command = [*first, *ORK, *words]
        done = subprocess.run(
            command, cwd=ran.folder, env=ran.environ, capture_output=True, text=True
        )
        return done.returncode, done.stderr.replace(str(ran.folder), "HERE")

    yield run
    for path in changed:
        path.chmod(path.stat().st_mode | 0o200)


def everything(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("words", ["run etl", "run --checkout etl~1", "retry etl#2", "tag etl@v1"])
def test_a_store_that_can_only_be_read_is_told_and_stays_as_it_is(ran, protected, words):
    before = everything(ran.folder)
    code, told = protected(*words.split())
    assert code == 4
    assert told.startswith("error: the store HERE/.ork/db")
    assert told.endswith(f" is open for reading only\n{HINT}")
    assert everything(ran.folder) == before
    assert protected("runs")[0] == protected("log", "etl")[0] == protected("fsck")[0] == 0


def test_a_read_only_file_system_is_told(ran, protected):
    first = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh"]
    if subprocess.run([*first, "true"], cwd=ran.folder, capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    before = everything(ran.folder)
    code, told = protected("run", "etl", folders="", first=first)
    assert code == 4
    assert told.startswith("error: the store HERE/.ork/db")
    assert told.endswith(
        " cannot be written: its file system is read-only\n"
        "hint: mount it for writing, or keep a store elsewhere: `ork --store FOLDER ...`\n"
    )
    assert everything(ran.folder) == before


def test_what_lies_beside_the_data_is_told_by_its_name(ran, protected):
    (ran.folder / ".ork/locks").mkdir(exist_ok=True)
    code, told = protected("run", "etl", folders=".ork/locks")
    assert code == 4
    assert "/locks/" in told and told.partition(" cannot be used: ")[2] == (
        "Permission denied\nhint: HERE/.ork/locks must be there, and writable by you\n"
    )
    assert not [run for run in ran("runs").out.splitlines() if "etl#3" in run]


@pytest.mark.parametrize(
    ("folder", "words", "hint"),
    [
        (".ork/logs/etl", "run etl", "HERE/.ork/logs and what is in it must be writable by you"),
        (
            ".ork/work",
            "run --checkout etl",
            "it lies in .ork/work, which must be writable by you and have room",
        ),
    ],
)
def test_logs_and_checkouts_that_cannot_be_written_end_the_run(ran, protected, folder, words, hint):
    (ran.folder / folder).mkdir(exist_ok=True)
    code, told = protected(*words.split(), folders=folder)
    assert code == 4
    retried = "then `ork retry etl#3` goes on with it"
    assert told.endswith(f": Permission denied\nhint: {hint}; {retried}\n")
    assert ran("runs").out.count("interrupted") == 1


def test_a_file_that_cannot_be_made_has_its_own_name(ran, protected):
    made = protected("bundle", "create", "etl.bundle", "etl", folders=".")
    assert made == (4, "error: etl.bundle: Permission denied\n")


@pytest.mark.parametrize("words", ["init new", "init new/store"])
def test_a_folder_that_cannot_be_made_is_told_as_what_it_is(ran, protected, words):
    code, told = protected(*words.split(), folders=".")
    assert (code, "Permission denied" in told, "mkdir" in told) == (4, True, False)


def test_a_file_that_cannot_be_read_is_not_passed_over(ran, protected):
    (ran.folder / "etl.yaml").chmod(0)
    for words in ("run", "check", "deploy", "run etl.yaml"):
        code, told = protected(*words.split())
        assert code, words
        assert words == "check" or "cannot read etl.yaml: Permission denied" in told, words
    ran.write("below/good.yaml", "name: good\ntasks: {a: {executor: process, command: ls}}\n")
    assert protected("check")[0] == 1
    code, told = protected("run", "etl", "--dry-run", folders="")
    assert "note: etl runs as it was deployed: cannot read" in told
    assert "hint: `ork check etl.yaml` says what is wrong" in told


def test_a_store_elsewhere_is_enough_for_a_folder_that_can_only_be_read(ran, protected, tmp_path):
    code, _ = protected("--store", str(tmp_path / "store"), "run", "etl.yaml", folders=". .ork")
    assert code == 1  # its task fails, as ever
