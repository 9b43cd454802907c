"""Real files, links, pipes, sockets and folders in place of files: one clear error, no hang."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time

import pytest

from ork import files
from ork.files import (
    NotRegular,
    lock,
    new_file,
    open_file,
    open_folder,
    open_lock,
    place_new,
    read_file,
    remove,
    replace_file,
    take_lock,
    unlock,
)


@pytest.fixture
def place(tmp_path):
    """Return a folder with a file, links, a pipe, a socket and a folder, and one outside of it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(b"secret")
    place = tmp_path / "place"
    (place / "folder" / "deep").mkdir(parents=True)
    (place / "folder" / "deep" / "file").write_bytes(b"deep")
    (place / "file").write_bytes(b"content")
    (place / "link").symlink_to("file")
    (place / "dangling").symlink_to("nowhere")
    (place / "loop").symlink_to("loop")
    (place / "away").symlink_to("../outside")
    os.mkfifo(place / "pipe")
    with socket.socket(socket.AF_UNIX) as one, open_folder(place) as at:
        one.bind(f"/proc/self/fd/{at}/socket")
    return place


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def descriptors():
    return len(os.listdir("/proc/self/fd"))


# -- folders


def test_a_folder_below_is_opened(place):
    with open_folder(place, ["folder", "deep"]) as at:
        assert os.listdir(at) == ["file"]
        assert read_file("file", 4, at=at) == b"deep"


def test_the_top_may_be_a_link(place):
    with open_folder(place / "away") as at:
        assert os.listdir(at) == ["secret"]


@pytest.mark.parametrize("make", [None, 0o700])
@pytest.mark.parametrize("name", ["away", "link", "dangling", "loop"])
def test_a_link_on_the_way_to_a_folder_is_not_followed(place, name, make):
    before, opened = everything(place.parent), descriptors()
    with (
        pytest.raises(OSError, match="it is a link, which is not followed") as error,
        open_folder(place, [name, "new"], make=make),
    ):
        pass
    assert error.value.errno == errno.ELOOP
    assert (everything(place.parent), descriptors()) == (before, opened)


@pytest.mark.parametrize("name", ["file", "pipe", "socket"])
def test_what_is_no_folder_is_not_opened_as_one(place, name):
    with pytest.raises(NotADirectoryError), open_folder(place, [name], make=0o700):
        pass


def test_missing_folders_are_made_and_told(place):
    made = []
    with open_folder(place, ["folder", "a", "b"], make=0o700, made=made) as at:
        assert os.listdir(at) == []
    assert made == ["folder/a", "folder/a/b"]
    assert (place / "folder" / "a").stat().st_mode & 0o777 == 0o700


def test_a_missing_folder_is_an_error_unless_it_is_to_be_made(place):
    with pytest.raises(FileNotFoundError), open_folder(place, ["folder", "a"]):
        pass
    assert not (place / "folder" / "a").exists()
    with pytest.raises(FileNotFoundError), open_folder(place / "gone", ["a"], make=0o700):
        pass
    assert not (place / "gone").exists(), "nobody asks for a folder that others may have renamed"


# -- reading


def test_a_file_is_read_up_to_its_limit(place):
    assert read_file(place / "file", 7) == b"content"
    with pytest.raises(OSError, match="larger than 6 bytes") as error:
        read_file(place / "file", 6)
    assert error.value.errno == errno.EFBIG


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("link", "it is a link"),
        ("dangling", "it is a link"),
        ("loop", "it is a link"),
        ("away", "it is a link"),
        ("pipe", "it is not a regular file"),
        ("socket", "it is not a regular file"),
        ("folder", "Is a directory"),
        ("nothing", "No such file"),
    ],
)
@pytest.mark.parametrize("below", [True, False])
@pytest.mark.parametrize("opened", [open_file, open_lock, take_lock])
def test_what_is_no_regular_file_is_told_at_once(place, opened, name, words, below):
    if name == "nothing" and opened is not open_file:
        pytest.skip("a lock is made")
    before, count = everything(place.parent), descriptors()
    with pytest.raises(OSError, match=words), open_folder(place) as at:
        opened(name, at=at) if below else opened(place / name)
    assert (everything(place.parent), descriptors()) == (before, count)


def test_a_link_is_followed_where_that_is_wanted(place):
    assert read_file(place / "link", 100, follow=True) == b"content"
    with pytest.raises(NotRegular):
        read_file(place / "away", 100, follow=True)
    with pytest.raises(FileNotFoundError):
        read_file(place / "dangling", 100, follow=True)


# -- writing


def test_a_new_file_replaces_nothing_and_follows_nothing(place):
    for name in ("file", "link", "dangling", "away", "pipe", "folder"):
        with pytest.raises(FileExistsError), new_file(place / name):
            pass
    with new_file(place / "new", mode=0o600) as file:
        file.write(b"new")
    assert (place / "new").read_bytes() == b"new"
    assert (place / "new").stat().st_mode & 0o777 == 0o600
    assert (place / "file").read_bytes() == b"content"
    assert not (place / "nowhere").exists()


def test_a_file_is_replaced_whole_and_keeps_its_permissions(place):
    (place / "file").chmod(0o640)
    replace_file(place / "file", [b"one ", b"two"])
    assert (place / "file").read_bytes() == b"one two"
    assert (place / "file").stat().st_mode & 0o777 == 0o640


def test_a_replacement_that_fails_leaves_everything_as_it_was(place):
    def pieces():
        yield b"half"
        raise ValueError("no more")

    before = everything(place)
    with pytest.raises(ValueError, match="no more"):
        replace_file(place / "file", pieces())
    with pytest.raises(OSError, match="directory"):
        replace_file(place / "folder", [b"x"])
    assert everything(place) == before
    assert (place / "file").read_bytes() == b"content"


def test_of_a_replacement_the_first_failure_is_told(tmp_path):
    def pieces():
        yield b"half"
        (beside,) = tmp_path.iterdir()
        beside.unlink()
        beside.mkdir()  # what was begun cannot be removed
        raise OSError(errno.ENOSPC, "the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        replace_file(tmp_path / "file", pieces())


@pytest.mark.parametrize("name", ["pipe", "to_the_pipe"])
def test_a_pipe_is_written_into_and_stays(place, name):
    (place / "to_the_pipe").symlink_to("pipe")
    with subprocess.Popen(["cat", str(place / "pipe")], stdout=subprocess.PIPE) as reader:
        replace_file(place / name, [b"one ", b"two"])
        assert reader.communicate() == (b"one two", None)
    assert stat.S_ISFIFO((place / name).stat().st_mode)


@pytest.mark.parametrize("has_it", [True, False])
def test_a_replacement_that_is_taken_for_abandoned_begins_again(tmp_path, monkeypatch, has_it):
    """Who removes what is abandoned has it locked already, or has removed it."""
    real = files.lock

    def late(descriptor):
        monkeypatch.setattr(files, "lock", real)
        with files.open_folder(tmp_path) as at:
            files.remove_abandoned(re.compile(r"\.ork-.*"), at=at)
        return real(descriptor) and has_it

    monkeypatch.setattr(files, "lock", late)
    replace_file(tmp_path / "file", [b"new"])
    assert (everything(tmp_path), (tmp_path / "file").read_bytes()) == (["file"], b"new")


def test_a_link_is_replaced_and_its_target_is_not_touched(place):
    replace_file(place / "link", [b"new"])
    assert not (place / "link").is_symlink()
    assert (place / "file").read_bytes() == b"content"


def test_a_reader_never_sees_a_part(place):
    code = (
        "import sys, pathlib; from ork.files import replace_file\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "while True:\n"
        "    replace_file(path, [bytes([65 + n % 26]) * 50_000 for n in range(2)])\n"
        "    replace_file(path, [b'x' * 100_000])\n"
    )
    (place / "file").write_bytes(b"x" * 100_000)
    writer = subprocess.Popen([sys.executable, "-c", code, str(place / "file")])
    try:
        for _ in range(300):
            assert len((place / "file").read_bytes()) == 100_000
    finally:
        writer.kill()
        writer.wait()


# -- removing


def test_a_link_is_removed_and_not_what_it_leads_to(place):
    (place / "folder" / "away").symlink_to("../../outside")
    with open_folder(place) as at:
        for name in ("away", "folder", "link", "pipe", "socket", "nothing"):
            remove(name, at=at)
    assert everything(place) == ["dangling", "file", "loop"]
    assert (place.parent / "outside" / "secret").read_bytes() == b"secret"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_what_cannot_be_removed_is_told(place):
    (place / "folder").chmod(0o500)
    with pytest.raises(PermissionError):
        remove(place / "folder" / "deep")


# -- locking

HOLDER = (
    "import sys, time; from ork.files import take_lock\n"
    "assert take_lock(sys.argv[1]) is not None\n"
    "print('held', flush=True); time.sleep(60)\n"
)


@pytest.fixture
def holder(place):
    """Return a process that holds the lock `place / "lock"`."""
    words = [sys.executable, "-c", HOLDER, str(place / "lock")]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_lock_is_held_until_its_process_ends(place, holder):
    count = descriptors()
    assert take_lock(place / "lock") is None
    assert descriptors() == count
    waiting = open_lock(place / "lock")
    began = time.monotonic()
    assert not lock(waiting, wait_s=0.1)
    assert time.monotonic() - began >= 0.1
    holder.kill()
    assert lock(waiting, wait_s=60)
    os.close(waiting)


def test_waiting_for_a_lock_can_be_interrupted(place, holder):
    waiting = open_lock(place / "lock")

    def interrupt(_number, _frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            lock(waiting, wait_s=float("inf"))
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(waiting)


def test_a_lock_can_be_given_back_and_taken_again(place):
    one, other = open_lock(place / "lock"), open_lock(place / "lock")
    assert lock(one)
    assert not lock(other)
    unlock(one)
    assert lock(other)
    os.close(one)
    os.close(other)


@pytest.mark.parametrize("made_again", [False, True])
def test_a_lock_file_that_was_removed_before_it_was_locked_does_not_count(
    place, monkeypatch, made_again
):
    removed = []

    def locked(descriptor):
        if not removed:
            removed.append(os.unlink(place / "lock"))
            if made_again:
                (place / "lock").touch()
        return lock(descriptor)

    monkeypatch.setattr("ork.files.lock", locked)
    held = take_lock(place / "lock")
    assert os.path.samestat(os.fstat(held), (place / "lock").stat())
    os.close(held)


def test_folders_are_locked_too(place):
    with open_folder(place) as one, open_folder(place) as other:
        assert lock(one)
        assert not lock(other)


def test_what_a_killed_writer_left_is_removed_and_what_is_in_use_is_not(place):
    dead, alive = place / ".ork-0123456789ab.part", place / ".ork-0123456789cd.part"
    others = [place / ".ork-mine.part", place / ".ork-0123456789AB.part"]
    for path in (dead, alive, *others):
        path.write_text("x")
    folder = place / ".ork-0123456789ef.part"
    folder.mkdir()
    with alive.open() as file:
        assert lock(file.fileno())
        replace_file(place / "new", [b"new"])
        assert not dead.exists()
        assert alive.exists()
    assert all(path.exists() for path in (*others, folder))
    assert (place / "new").read_bytes() == b"new"


# -- places that must be free


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_gets_its_place(place, monkeypatch, links):
    if not links:  # as on the file systems of sticks
        monkeypatch.setattr(os, "link", lambda *_: os.close(-1))
    place_new(place / "file", place / "moved")
    assert (place / "moved").read_bytes() == b"content"


def test_what_is_in_the_place_stays(place):
    (place / "other").write_bytes(b"other")
    for name in ("other", "dangling", "pipe"):
        with pytest.raises(FileExistsError):
            place_new(place / "file", place / name)
    with pytest.raises(FileExistsError):
        place_new(place / "folder", place.parent / "outside")
    assert (place / "other").read_bytes() == b"other"
    assert (place.parent / "outside" / "secret").exists()
