"""What is particular to the backend in plain files."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from ork.backends.base import Remain
from ork.backends.plain.files import Files
from ork.errors import Corrupt, StoreError
from ork.objects.canonical import Oid, hash_bytes
from tests.backends.children import as_oid, batch
from tests.backends.conftest import SOON_S, Start, line

NAMES = ["runs/etl/1", "workflows/etl", "a b", "a%b", "new\nline", "é", "\ud800", "\0", "😀"]


@pytest.fixture
def kind() -> Any:
    return Files


def objects_in(folder: Path) -> dict[str, bytes]:
    """Return the objects as any tool finds them."""
    root = folder / "objects"
    return {
        "".join(path.relative_to(root).parts): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_any_tool_can_read_it(backend: Files, folder: Path) -> None:
    assert backend.write(batch(1), {"workflows/etl": (None, as_oid(1)), "é%": (None, as_oid(2))})
    assert objects_in(folder) == batch(1)
    first, write, *rest = (folder / "refs").read_text("ascii").splitlines()
    added, lines = rest[: rest.index("")], rest[rest.index("") + 1 :]
    assert first == "ork refs " + hash_bytes((folder / "refs").read_bytes().partition(b"\n")[2])
    assert write == "write 1"
    assert added == [f"added {oid}" for oid in sorted(batch(1))]
    assert [text.rsplit(" ", 1)[0] for text in lines] == [
        f"workflows/etl {as_oid(1)}",
        f"%C3%A9%25 {as_oid(2)}",
    ]


def test_names_of_any_bytes_are_kept_in_lines_of_plain_text(backend: Files, folder: Path) -> None:
    assert backend.write({}, {name: (None, as_oid(1)) for name in NAMES})
    backend.close()
    again = Files.open(folder)
    assert [name for name, _ in again.refs()] == sorted(NAMES)
    assert all(again.ref(name) == as_oid(1) for name in NAMES)
    assert (folder / "refs").read_bytes().isascii()
    again.close()


def test_the_refs_are_read_anew_only_when_they_have_changed(backend: Files, folder: Path) -> None:
    other = Files.open(folder)
    assert other.write({}, {"head": (None, as_oid(1))})
    before = backend._listing()
    assert backend._listing() is before
    status = (folder / "refs").stat()
    assert other.write({}, {"head": (as_oid(1), as_oid(2))})
    # As large and as old as it was, it is another one all the same.
    os.utime(folder / "refs", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (folder / "refs").stat().st_size == status.st_size
    assert backend.ref("head") == as_oid(2)
    other.close()


def test_what_is_there_is_not_written_again(backend: Files, folder: Path) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    before = {path: path.stat().st_ino for path in folder.rglob("*")}
    assert backend.write(batch(1), {"head": (as_oid(1), as_oid(1))})
    assert {path: path.stat().st_ino for path in folder.rglob("*")} == before


def test_a_writer_killed_before_its_commit_is_undone_by_the_next_to_open(
    start: Start, backend: Files, folder: Path
) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    assert start("die_inside").wait(timeout=SOON_S) != 0
    assert len(objects_in(folder)) == 2 * len(batch(1))
    assert set(backend.oids()) == set(batch(1)), "nobody sees what was not committed"
    Files.open(folder).close()
    assert objects_in(folder) == batch(1)
    assert list((folder / "new").iterdir()) == []


def test_a_writer_killed_while_it_removes_is_ended_by_the_next_to_open(
    backend: Files, folder: Path, tmp_path: Path
) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    shutil.copytree(folder / "objects", tmp_path / "objects")
    (gone,) = sorted(batch(1))[:1]
    assert backend.write({}, {"head": (as_oid(1), as_oid(2))}, remove=[gone])
    shutil.copytree(tmp_path / "objects", folder / "objects", dirs_exist_ok=True)
    (folder / "new" / "removing").touch()
    assert gone not in set(backend.oids())
    Files.open(folder).close()
    assert objects_in(folder).keys() == batch(1).keys() - {gone}
    assert backend.write({gone: batch(1)[gone]}, {})
    Files.open(folder).close()
    assert backend.get(gone) is not None, "what came back is not removed a second time"


def test_nobody_puts_right_what_a_living_writer_has_begun(
    start: Start, backend: Files, folder: Path
) -> None:
    assert line(start("stay_inside")) == "inside"
    Files.open(folder).close()
    assert (folder / "new" / "refs").exists()
    assert objects_in(folder).keys() == batch(0).keys()


def test_removed_objects_go_for_good_when_the_last_reader_of_before_ends(
    backend: Files, folder: Path
) -> None:
    assert backend.write(batch(1), {})
    (gone,) = sorted(batch(1))[:1]
    other = Files.open(folder, readonly=True)
    with backend.frozen() as first, other.frozen() as second:
        assert backend.sweep(lambda: [gone]) == 2
        assert not (folder / "objects" / gone[:2] / gone[2:]).exists()
        assert first.get(gone) == second.get(gone) == batch(1)[gone]
        assert gone in set(second.oids())
        assert backend.get(gone) is None
        assert len(list((folder / "removed").iterdir())) == 1
    assert list((folder / "removed").iterdir()) == []
    other.close()


def test_a_moment_has_all_that_its_refs_need_though_others_write_all_the_time(
    backend: Files,
) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    (gone,) = sorted(batch(1))[:1]
    listed, times = backend.oids, iter(range(2, 99))

    def oids(prefix: str = "") -> Any:
        number = next(times)
        moves = {"head": (as_oid(number - 1), as_oid(number))}
        assert backend.write(batch(number), moves, remove=[gone] if number == 6 else [])
        return listed(prefix)

    backend.oids = oids  # type: ignore[method-assign]
    with backend.frozen() as still:
        vars(still).pop("oids")
        assert still.ref("head") == as_oid(5)
        assert all(still.get(oid) == data for oid, data in batch(1).items())
        assert batch(1).keys() <= set(still.oids())


@pytest.mark.parametrize("place", ["first line", "a name", "a target", "a seal", "the number"])
def test_what_is_damaged_is_not_believed(backend: Files, folder: Path, place: str) -> None:
    assert backend.write({}, {"aa": (None, as_oid(1)), "bb": (None, as_oid(2))})
    backend.close()
    text = (folder / "refs").read_bytes()
    at = {
        "first line": 20,
        "a name": text.index(b"aa 0"),
        "a target": text.index(b"aa 0") + 30,
        "a seal": text.index(b"aa 0") + 70,
        "the number": text.index(b"write 1") + 6,
    }[place]
    (folder / "refs").write_bytes(text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :])
    assert Files.problems(folder) != []
    assert Files.written(folder) is None
    again = Files.open(folder)
    assert again.ref("bb") == as_oid(2), "its own seal proves it"
    hurt = place in ("a name", "a target", "a seal")
    if hurt:
        with pytest.raises(Corrupt):
            again.ref("aa")
    assert [oid for _, oid in again.survey()] == [None if hurt else as_oid(1), as_oid(2)]
    uses = [
        lambda: again.ref("absent"),
        lambda: list(again.refs()),
        lambda: again.sequence(),
        lambda: again.write({}, {"bb": (as_oid(2), as_oid(3))}),
    ]
    for use in uses:
        with pytest.raises(Corrupt):
            use()
    remains = list(Files.remains(folder))
    assert Remain("bb", as_oid(2), b"", True) in remains
    assert len(remains) == (1 if hurt else 2)
    again.close()


def test_what_is_no_file_is_no_object(backend: Files, folder: Path, tmp_path: Path) -> None:
    assert backend.write(batch(1), {})
    first, second, *_ = sorted(batch(1))
    (tmp_path / "elsewhere").write_bytes(b"of somebody else")
    for oid in (first, second):
        (folder / "objects" / oid[:2] / oid[2:]).unlink()
    (folder / "objects" / first[:2] / first[2:]).symlink_to(tmp_path / "elsewhere")
    (folder / "objects" / second[:2] / "notes.txt").touch()
    assert backend.get(first) is backend.get(second) is None
    assert backend.write(batch(1), {})
    assert objects_in(folder).items() >= batch(1).items()
    assert set(backend.oids()) == batch(1).keys()
    assert (tmp_path / "elsewhere").read_bytes() == b"of somebody else"


def test_a_copy_without_empty_folders_and_locks_can_be_used(backend: Files, folder: Path) -> None:
    assert backend.write(batch(1), {"head": (None, as_oid(1))})
    backend.close()
    for name in ("gate", "open", "frozen"):
        (folder / name).unlink()
    for name in ("new", "removed"):
        (folder / name).rmdir()
    again = Files.open(folder)
    with again.frozen() as still:
        assert set(still.oids()) == set(batch(1))
        assert again.write(batch(2), {"head": (as_oid(1), as_oid(2))}, remove=list(batch(1)))
    assert set(again.oids()) == set(batch(2))
    again.close()


def test_a_store_of_another_format_is_refused(folder: Path) -> None:
    for text, words in (
        ("ork files 4\n", "has store format 4"),
        ("ork files 99\n", "has store format 99"),
        ("nothing", "does not say 'ork files 3'"),
    ):
        (folder / "format").write_text(text)
        with pytest.raises(StoreError, match=re.escape(words)):
            Files.open(folder)


def test_what_a_swap_replaces_is_kept(folder: Path, tmp_path: Path) -> None:
    old = Files.open(folder)
    assert old.write({**batch(1), as_oid(9): b"damaged"}, {"head": (None, as_oid(1))})
    old.close()
    (gone,) = sorted(batch(1))[:1]
    Files.create(tmp_path / "new")
    new = Files.open(tmp_path / "new")
    rest = {oid: data for oid, data in batch(1).items() if oid != gone}
    assert new.write({**rest, as_oid(9): b"whole", as_oid(8): b"more"}, {"head": (None, as_oid(2))})
    new.close()
    with pytest.raises(StoreError, match="written meanwhile"):
        Files.swap(folder, tmp_path / "new", keep=tmp_path / "old", sequence=7)
    Files.swap(folder, tmp_path / "new", keep=tmp_path / "old", sequence=1)
    backend = Files.open(folder)
    assert (backend.ref("head"), backend.get(as_oid(9))) == (as_oid(2), b"whole")
    assert set(backend.oids()) == {*rest, as_oid(9), as_oid(8)}
    assert objects_in(folder).keys() == {*rest, as_oid(9), as_oid(8)}
    with pytest.raises(StoreError, match="another process has the store open"):
        Files.check_closed(folder)
    backend.close()
    Files.check_closed(folder)
    kept = {Oid(oid): data for oid, data in objects_in(tmp_path / "old").items()}
    assert kept == {gone: batch(1)[gone], as_oid(9): b"damaged"}
    assert b"head " in (tmp_path / "old" / "refs").read_bytes()
