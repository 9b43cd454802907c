"""Writing what -o asks for."""

import os
import resource
import stat

import pytest

from ork.cli.screen.output import write_text
from ork.errors import StoreError, UsageError


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "page.html"
    write_text(path, ["a", "b"])
    assert path.read_text() == "ab"

    def broken():
        yield "c"
        raise KeyError("while it is made")

    with pytest.raises(KeyError):
        write_text(path, broken())
    assert path.read_text() == "ab"
    assert os.listdir(tmp_path) == ["page.html"]


def test_a_link_stays_and_so_does_the_mode(tmp_path):
    path, link = tmp_path / "page.html", tmp_path / "link.html"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path)
    write_text(link, ["new"])
    assert (link.is_symlink(), path.read_text()) == (True, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_no_file_is_written_to_as_it_is(tmp_path):
    write_text(tmp_path.__class__("/dev/null"), ["x"])
    assert not os.path.isfile("/dev/null")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_text(pipe, ["through"])
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        write_text(tmp_path / "nowhere" / "page.html", ["x"])
    with pytest.raises(UsageError, match="Is a directory"):
        write_text(tmp_path, ["x"])


def test_a_disk_that_is_full_is_no_wrong_use(tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(StoreError, match=r"page\.html: File too large"):
            write_text(tmp_path / "page.html", ["x" * 1000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []
