"""Two stores that have deployed the same content, and what a pull of it leaves behind."""

import json
import os
import re

import pytest

TWO = """\
name: two
tasks:
  a: {executor: process, command: echo 1}
  b: {executor: process, command: "true"}
"""
CHANGED = TWO.replace("echo 1", "echo 2")
LEFT = "note: 1 deploy of this store left the history of two"


@pytest.fixture
def both(ran, tmp_path):
    """Ann has pushed what she deployed on top of what Bo has; what writes his file, in his folder.

    He has fetched it.
    """
    for name in ("team", "ann", "bo"):
        (tmp_path / name).mkdir()
        os.chdir(tmp_path / name)
        assert ran("init").code == 0
    os.chdir(tmp_path / "ann")
    (tmp_path / "ann/two.yaml").write_text(TWO)
    assert ran("deploy", "two.yaml").code == ran("remote", "add", "origin", "../team").code == 0
    assert ran("push").code == 0
    os.chdir(tmp_path / "bo")
    assert ran("remote", "add", "origin", "../team").code == ran("pull").code == 0
    os.chdir(tmp_path / "ann")
    (tmp_path / "ann/two.yaml").write_text(CHANGED)
    assert ran("deploy", "two.yaml", "-m", "Ann's").code == ran("push").code == 0
    os.chdir(tmp_path / "bo")
    assert ran("fetch").code == 0
    return (tmp_path / "bo/two.yaml").write_text


def own(ran, revision="two"):
    return ran("rev-parse", revision).out


def test_a_file_that_a_remote_has_so_is_pulled_and_not_deployed_again(ran, both):
    both(CHANGED)
    status = ran("status")
    assert "  as in origin/two  " in status.out
    (way,) = re.findall("`ork ([^`]*)`", status.err)
    assert ran(*way.split()).code == 0
    assert own(ran) == own(ran, "origin/two")
    assert ran("status").out.startswith("unchanged")
    both(TWO)
    assert "as in origin" not in ran("status").out, "what it had before is no news of a remote"


def test_a_file_of_a_version_before_that_of_a_remote_is_as_in_that(ran, both, tmp_path):
    os.chdir(tmp_path / "ann")
    (tmp_path / "ann/two.yaml").write_text(TWO.replace("echo 1", "echo 3"))
    assert ran("deploy", "two.yaml").code == ran("push").code == 0
    os.chdir(tmp_path / "bo")
    assert ran("fetch").code == 0
    both(CHANGED)
    assert "  as in origin/two~1  " in ran("status").out
    warned = ran("deploy", "two.yaml")
    assert "two.yaml: warning: this is as in origin/two~1\n" in warned.err
    assert LEFT in ran("pull").err
    assert own(ran) == own(ran, "origin/two")


def test_a_new_file_that_a_remote_has_so_is_pulled(ran, both, tmp_path):
    (tmp_path / "new").mkdir()
    os.chdir(tmp_path / "new")
    assert ran("init").code == ran("remote", "add", "origin", "../team").code == 0
    assert ran("fetch").code == 0
    (tmp_path / "new/two.yaml").write_text(CHANGED)
    status = ran("status")
    assert status.out == "new       two.yaml  two  as in origin/two\n"
    assert status.err == "next: `ork pull origin two` takes what origin has\n"
    assert "this is as in origin/two" in ran("deploy", "two.yaml").err
    assert LEFT in ran("pull").err, "neither of the two first deploys has a parent"
    assert own(ran) == own(ran, "origin/two")


@pytest.mark.parametrize("command", [("deploy", "two.yaml"), ("run", "two.yaml")])
def test_two_deploys_of_one_content_become_that_of_the_remote(ran, both, command):
    both(CHANGED)
    done = ran(*command)
    (way,) = re.findall("this is as in origin/two\n    hint: `ork ([^`]*)`", done.err)
    mine, runs = own(ran), ran("runs", "two").out
    refused = ran("push")
    assert refused.code == 5 and "1 deploy of origin left" not in refused.err
    assert "two stayed, origin has the same content by another deploy:" in refused.err
    assert f"`ork {way}` takes that" in refused.err
    pulled = ran(*way.split())
    assert pulled.code == 0
    assert f"{LEFT}, origin has its content: `ork undo` takes that back\n" in pulled.err
    assert "forced" not in pulled.out
    assert own(ran) == own(ran, "origin/two") != mine
    assert ran("runs", "two").out == runs
    assert ran("push").code == 0
    assert ran("undo").code == 0 and own(ran) == mine
    assert ran("fsck").code == 0


def test_own_deploys_that_lead_to_the_content_of_a_remote_give_way(ran, both):
    for text in (TWO.replace("true", "false"), CHANGED):
        both(text)
        assert ran("deploy", "two.yaml").code == 0
    pulled = ran("pull")
    told = "2 deploys of this store left the history of two, origin has what they led to"
    assert (pulled.code, told in pulled.err) == (0, True)
    assert own(ran) == own(ran, "origin/two")


@pytest.mark.parametrize("more", ["schedule: '@daily'\n", "description: Other\n"])
def test_other_settings_are_another_content(ran, both, more):
    both(CHANGED + more)
    assert "as in origin" not in ran("status").out
    assert "as in origin" not in ran("deploy", "two.yaml").err
    refused = ran("pull")
    assert (refused.code, "went different ways" in refused.err) == (5, True)


def test_first_deploys_of_an_own_history_do_not_give_way(ran, both, tmp_path):
    (tmp_path / "new").mkdir()
    os.chdir(tmp_path / "new")
    for text in (TWO, CHANGED):
        (tmp_path / "new/two.yaml").write_text(text.replace("true", "true new"))
        assert ran("deploy", "two.yaml").code == 0
    (tmp_path / "new/two.yaml").write_text(CHANGED)
    assert ran("deploy", "two.yaml").code == 0
    assert ran("remote", "add", "origin", "../team").code == 0
    assert ran("pull").code == 5


def test_what_is_ahead_and_edited_to_what_a_remote_has_is_pulled_by_force(ran, both):
    both(TWO.replace("true", "false"))
    assert ran("deploy", "two.yaml").code == 0
    both(CHANGED)
    mine = own(ran)
    (way,) = re.findall("`ork ([^`]*)`", ran("status").err)
    forced = ran(*way.split())
    assert re.search(r"^two  \w{8}\.\.\.\w{8}  forced: 1 deploy\n", forced.out)
    assert f"{LEFT}: `ork undo` takes that back\n" in forced.err
    assert ran("status").out.startswith("unchanged")
    assert ran("undo").code == 0 and own(ran) == mine


def test_a_push_by_force_tells_what_is_left_there(ran, both):
    both(TWO.replace("true", "false"))
    assert ran("deploy", "two.yaml").code == 0
    forced = ran("push", "--force")
    told = "note: 1 deploy of origin left the history of two: there `ork undo` takes that back\n"
    assert told in forced.err
    assert json.loads(ran("push", "--json").out)["data"]["workflows"] == []
    theirs = own(ran, "two")
    assert ran("--store", "../team/.ork", "undo").code == 0
    assert ran("--store", "../team/.ork", "rev-parse", "two").out != theirs


def test_forced_is_said_where_the_code_is_the_same_and_settings_are_not(ran, both):
    both(CHANGED + "description: Other\n")
    assert ran("deploy", "two.yaml").code == 0
    assert re.search(r"^two  \w{8}  forced: 1 deploy\n", ran("pull", "--force").out)


def test_after_a_forced_pull_a_file_that_was_merged_in_git_is_deployed(ran, both):
    both(CHANGED.replace("true", "false"))
    assert (ran("deploy", "two.yaml").code, ran("push").code) == (0, 5)
    told = ran("pull", "--force").err
    ways = "`ork deploy two.yaml` keeps what it has, `ork restore two --code` writes the new one"
    assert f"note: two.yaml differs from the new one: {ways}\n" in told
    assert "`ork deploy two.yaml` keeps it" in ran("status").err
    assert ran("restore", "two", "--code").code == 0
    assert ran("status").out.startswith("unchanged")
    both(CHANGED.replace("true", "false"))
    assert ran("deploy").out.startswith("two ") and ran("push").code == 0


def test_forced_is_said_where_the_other_side_has_given_another_name(ran, both):
    both(TWO.replace("true", "false"))
    assert ran("deploy", "two.yaml").code == 0
    mine = own(ran)
    assert ran("--store", "../team/.ork", "mv", "two", "pair").code == 0
    assert ran("pull").code == 5
    forced = ran("pull", "--force")
    assert re.search(r"^pair  \w{8}\.\.\.\w{8}  forced: 2 deploys\n", forced.out)
    assert f"{LEFT.replace('two', 'pair')}: `ork undo` takes that back\n" in forced.err
    assert ran("undo").code == 0 and own(ran) == mine


def test_what_was_pushed_and_undone_is_as_in_the_remote(ran, both, tmp_path):
    os.chdir(tmp_path / "ann")
    assert ran("undo").code == 0
    assert "  as in origin/two  " in ran("status").out
    assert "`ork pull` brings it here" in ran("push").err
    assert "this is as in origin/two" in ran("deploy", "two.yaml").err
    assert "1 ahead of, 1 behind origin" in ran("status").out
    assert (ran("push").code, ran("pull").code, ran("push").code) == (5, 0, 0)
    assert own(ran) == own(ran, "origin/two")
