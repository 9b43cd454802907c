"""Objects of a repository, read through one git process."""

import pytest

from ork.git.binary import Git, blobs
from tests.git.repositories import Repository


@pytest.fixture
def repo(tmp_path):
    return Repository(tmp_path / "repo")


def test_objects_are_read_whole_up_to_a_limit(repo):
    names = [
        repo("hash-object", "-w", "--stdin", feed=data).strip()
        for data in (b"", b"small", b"x" * 5_000_000)
    ]
    with blobs(Git(repo.folder / ".git")) as objects:
        assert objects.read(names[1], 5) == b"small"
        assert len(objects.read(names[2], 100)) == 101
        assert objects.read(names[0], 0) == b""
        assert objects.read("0" * 40, 100) is None
        # What was cut short is not remembered.
        assert objects.read(names[2], 5_000_000) == b"x" * 5_000_000
        assert objects.read(names[1], 100) == b"small"


def test_what_went_wrong_is_raised_whatever_was_not_sent_yet(repo):
    with (
        pytest.raises(ValueError, match="mine"),
        Git(repo.folder / ".git").talk("cat-file", "--batch") as process,
    ):
        process.stdin.write(b"HEAD\n")  # which waits to be sent, for more
        process.kill()
        process.wait()
        raise ValueError("mine")
