"""A store that somebody sent: looking at it, and running in it, touches no file of the reader."""

from __future__ import annotations

import shutil

import pytest

from ork.backends.lmdb import Lmdb

FLOW = 'name: w\ntasks: {t: {executor: process, command: "true"}}\n'


@pytest.fixture
def sent(ork):
    """A project that has run once, beside a folder of the reader."""
    (ork.folder / "w.yaml").write_text(FLOW)
    assert ork("run", "w.yaml").code == 0
    thesis = ork.folder / "Documents" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    yield ork
    assert thesis.read_text() == "years of work"


def add_ref(ork, name):
    backend = Lmdb.open(ork.folder / ".ork/db")
    [(_, oid)] = backend.refs("runs/w/")
    assert backend.write({}, {name: (None, oid)})
    backend.close()


@pytest.mark.parametrize("command", [("log",), ("runs",), ("run", "w"), ("retry", "w#1")])
def test_checkouts_that_are_a_link_to_the_readers_folders_are_refused(sent, command):
    add_ref(sent, "active/Documents/.run")
    (sent.folder / ".ork/work").symlink_to("..")
    result = sent(*command)
    assert (result.code, "work is a link" in result.err) == (4, True)


@pytest.mark.parametrize("name", ["Documents", "..", ".", "a b"])
def test_a_run_in_progress_by_another_name_is_damage(sent, name):
    add_ref(sent, f"active/{name}/.run")
    assert sent("log").code == 4


def test_locks_that_are_a_link_to_the_readers_folder_are_refused(sent):
    shutil.rmtree(sent.folder / ".ork/locks")
    (sent.folder / ".ork/locks").symlink_to("../Documents")
    result = sent("run", "w")
    assert (result.code, "locks is a link" in result.err) == (4, True)


def test_a_file_among_the_locks_that_is_no_lock_stays(sent):
    note = sent.folder / ".ork/locks/.note"
    note.write_text("mine")
    assert sent("run", "w").code == 0
    assert note.read_text() == "mine"


def test_a_lock_that_is_a_link_is_not_followed(sent):
    (sent.folder / ".ork/locks/victim").symlink_to("../../new.txt")
    sent("run", "w")
    assert not (sent.folder / "new.txt").exists()
