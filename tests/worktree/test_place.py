"""What a place knows of its captured files."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ork.objects.canonical import hash_bytes
from ork.objects.kinds import Blob, FileEntry, encode_object
from ork.worktree import place
from ork.worktree.place import Project


def project(folder: Path, *paths: str) -> Project:
    """Return a place in which these files are as captured."""
    captured = {}
    for path in paths:
        data = (folder / path).read_bytes()
        blob = hash_bytes(encode_object(Blob(data)))
        captured[path] = FileEntry(blob=blob, executable=os.access(folder / path, os.X_OK))
    made = Project(folder, captured)
    assert made.renew() == []
    return made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lib.sh"
    path.write_text("one")
    return path


def test_a_place_where_nothing_happens_is_as_it_was(tmp_path: Path, file: Path) -> None:
    there = project(tmp_path, "lib.sh")
    for _ in range(3):
        there.look()
        assert (there.touched_since(0), there.wrong()) == (set(), [])


CHANGES = {
    "written": lambda file: file.write_text("two"),
    "replaced": lambda file: (
        file.with_suffix(".new").write_text("two"),
        file.with_suffix(".new").rename(file),
    ),
    "removed": lambda file: file.unlink(),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "a link to nothing": lambda file: (file.unlink(), file.symlink_to("nowhere")),
    "executable": lambda file: file.chmod(0o755),
    "longer than may be read": lambda file: os.truncate(file, place.FILE_BYTES_MAX + 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_found_and_is_wrong(tmp_path: Path, file: Path, change: str) -> None:
    there = project(tmp_path, "lib.sh")
    CHANGES[change](file)
    there.look()
    assert (there.touched_since(0), there.wrong()) == ({"lib.sh"}, ["lib.sh"])


def test_a_file_that_is_as_captured_again_is_right_but_was_touched(
    tmp_path: Path, file: Path
) -> None:
    there = project(tmp_path, "lib.sh")
    file.write_text("two")
    there.look()
    file.write_text("one")
    there.look()
    assert (there.touched_since(0), there.wrong()) == ({"lib.sh"}, [])
    since = there.looks
    there.look()
    assert there.touched_since(since) == set()


def test_of_two_writes_in_one_tick_of_the_file_system_the_second_is_found(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact, tick = place._touch, 10_000_000

    def coarse(path: str) -> place.Touch | None:
        found = exact(path)
        return found and found._replace(
            modified_ns=found.modified_ns // tick * tick, changed_ns=found.changed_ns // tick * tick
        )

    monkeypatch.setattr(place, "_touch", coarse)
    for number in range(20):
        file.write_text(f"{number:03}")
        there = project(tmp_path, "lib.sh")
        file.write_text("xyz")
        there.look()
        assert there.touched_since(0) == {"lib.sh"}


def test_only_doubtful_byte_code_of_captured_files_is_removed(tmp_path: Path) -> None:
    cache = tmp_path / place.BYTE_CODE
    cache.mkdir()
    ends = f"{sys.implementation.cache_tag}.pyc"
    for name in ("old", "fresh", "other"):
        (tmp_path / f"{name}.py").write_text("")
        (cache / f"{name}.{ends}").write_bytes(b"")
    later = os.stat(tmp_path / "fresh.py").st_mtime + 5
    os.utime(cache / f"fresh.{ends}", (later, later))
    project(tmp_path, "old.py", "fresh.py")
    assert sorted(path.name for path in cache.iterdir()) == [f"fresh.{ends}", f"other.{ends}"]


def test_byte_code_behind_a_link_is_left_alone(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "old.cpython.pyc").write_bytes(b"")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "old.py").write_text("")
    (tmp_path / "root" / place.BYTE_CODE).symlink_to(elsewhere)
    project(tmp_path / "root", "old.py")
    assert list(elsewhere.iterdir())


def test_byte_code_of_an_edit_that_was_taken_back_is_removed(tmp_path: Path) -> None:
    source = tmp_path / "lib.py"
    source.write_text("one")
    there = project(tmp_path, "lib.py")
    source.write_text("two")
    compiled = tmp_path / place.BYTE_CODE / f"lib.{sys.implementation.cache_tag}.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"")
    source.write_text("one")
    there.look()
    assert there.renew() == []
    assert not compiled.exists()
