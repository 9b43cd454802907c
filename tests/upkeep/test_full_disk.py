"""On a disk without a byte left, what maps a file into memory says so: it is not killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Ork

ROOT = Path(__file__).parents[2]
FULL = """
mount -t tmpfs -o size=2m none "$1" || exit 77
cp -a .ork "$1" && cd "$1" || exit 77
dd if=/dev/zero of=fill bs=4k 2>&-
shift
exec "$@"
"""


def on_a_full_disk(ork: Ork, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in a disk of its own, with a copy of the store, that is full."""
    disk = ork.folder.parent / "disk"
    disk.mkdir()
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", FULL, "sh", str(disk), sys.executable, *words],
        cwd=ork.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("nobody may mount a disk here")
    return done


def test_a_repack_says_how_much_room_it_needs(ran: Ork) -> None:
    done = on_a_full_disk(ran, "-m", "ork", "gc", "--repack")
    assert done.returncode == 4, done
    assert "bytes, and the disk has 0 left" in done.stderr


def test_a_store_that_has_no_room_for_its_locks_is_not_made(ran: Ork) -> None:
    script = (
        "from pathlib import Path; from ork.backends.lmdb import Lmdb; Lmdb.create(Path('new'))"
    )
    done = on_a_full_disk(ran, "-c", script)
    assert done.returncode == 1, done
    assert "StoreError: the disk is full: new/lock.mdb needs 65664 bytes" in done.stderr


def test_a_store_that_is_there_is_read(ran: Ork) -> None:
    done = on_a_full_disk(ran, "-m", "ork", "log", "etl")
    assert (done.returncode, done.stderr) == (0, "")
