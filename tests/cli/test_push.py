"""ork clone, ork push, ork pull, ork remote"""

import io
import json
import os
import re
import sys
from pathlib import Path

import pytest

TWO = """\
name: two
tasks:
  a: {executor: process, command: "true"}
"""
PAIR = """\
name: pair
tasks:
  extract: {executor: process, command: sh extract.sh}
  transform: {executor: process, command: sh transform.sh, depends_on: [extract]}
"""
PAIRED = TWO.replace("two", "pair").replace('"true"', "echo 2")
OLDER = "note: etl.yaml is as in etl~1: `ork restore etl --code` writes the new one"
IN_CHECKOUTS = "; until then its runs leave new files in their checkouts"
COLON = ":"  # so that no line here looks like one with a password


@pytest.fixture
def team(ran, tmp_path):
    """An empty store, which is `origin`."""
    folder = tmp_path / "team"
    folder.mkdir()
    assert ran("init", str(folder)).code == 0
    assert ran("remote", "add", "origin", "../team").code == 0
    return str(folder)


def alone(out: str) -> str:
    """Return what a store prints, as if it had never seen its `origin`."""
    return out.replace("(etl, origin/etl)", "(etl)")


def test_push_and_pull(ran, team, edit, golden):
    dry = ran("push", "--dry-run")
    pushed = ran("push")
    assert (dry.code, dry.out) == (0, pushed.out)
    assert dry.err == "note: this was a dry run: nothing was moved\n"
    golden("push/new.txt", pushed.out)
    assert ran("push").out == "nothing new\n"
    for words in (["log", "etl"], ["runs"], ["logs", "etl#1"], ["tag"]):
        assert ran("--store", team + "/.ork", *words).out == alone(ran(*words).out)
    assert ran("--store", team + "/.ork", "fsck", "--full").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == 0
    golden("push/forward.txt", ran("push").out)
    golden("push/ops.txt", ran("--store", team + "/.ork", "ops", "-n", "1").out)


def test_pull_takes_what_is_new_and_undo_takes_it_back(ran, team, golden):
    assert ran("push", "--runs", "none").code == 0
    before = ran("--store", team + "/.ork", "log", "etl").out
    assert ran("--store", team + "/.ork", "rollback", "etl", "etl~1").code == 0
    pulled = ran("pull", "origin", "etl", "--json")
    golden("push/pull.json", pulled.out)
    assert ran("log", "etl").out.count("snapshot") == before.count("snapshot") + 1
    assert ran("pull").out == "nothing new\n"
    assert ran("undo").code == 0
    pulled = ran("pull")
    assert pulled.err == f"{OLDER}{IN_CHECKOUTS}\nnext: `ork log etl`\n"
    assert "as in etl~1  before a rollback by" in ran("status").out


def test_different_ways_are_told(ran, team, golden):
    assert ran("push", "--runs", "none").code == 0
    assert ran("--store", team + "/.ork", "rollback", "etl", "etl~1").code == 0
    assert ran("rollback", "etl", "etl~2").code == 0
    assert ran("deploy", str(ran.write("two.yaml", TWO))).code == 0
    for command in ("push", "pull"):
        refused = ran(command, "--runs", "none")
        assert refused.code == 5
        said = (refused.out + refused.err).replace(team, "TEAM")
        golden(f"push/{command}-diverged.txt", said)
        quiet = ran(command, "--runs", "none", "--quiet")
        assert (quiet.code, quiet.out) == (5, "")
        assert quiet.err in refused.err and quiet.err.startswith("error: etl stayed")
        assert "hint: " in quiet.err and not re.search("^(note|next): ", quiet.err, re.MULTILINE)
        tried = ran(command, "--runs", "none", "--dry-run")
        assert (tried.out + tried.err).count("nothing was moved") == 1
    told = ran("pull", "--runs", "none", "--json")
    assert told.code == 5
    golden("push/diverged.json", told.out)
    golden("push/forced.txt", ran("push", "--force", "--runs", "none").out)
    assert ran("--store", team + "/.ork", "undo").code == 0


def test_what_is_printed_of_different_ways_keeps_the_work_of_both(ran, tmp_path):
    (tmp_path / "bob").mkdir()
    os.chdir(tmp_path / "bob")
    texts = {"pair.yaml": PAIR, "extract.sh": "echo 1\n", "transform.sh": "echo 1\n"}
    for name, text in texts.items():
        (tmp_path / "bob" / name).write_text(text)
    assert ran("deploy", "pair.yaml").code == 0
    assert ran("clone", ".", "../me").code == 0
    assert ran("-C", "../me", "restore", "pair", "--code").code == 0
    os.chdir(tmp_path / "bob")
    (tmp_path / "bob/extract.sh").write_text("echo 2\n")
    assert ran("deploy", "pair.yaml", "-m", "Extract more\n\nof it").code == 0
    os.chdir(tmp_path / "me")
    (tmp_path / "me/transform.sh").write_text("echo 3\n")
    assert ran("deploy", "pair.yaml", "-m", "Transform better").code == 0
    refused = ran("pull")
    assert refused.code == 5
    assert re.search("pair in this store  [0-9a-f]{8}  .*  Transform better\n", refused.err)
    assert re.search("pair in origin      [0-9a-f]{8}  .*  Extract more\n", refused.err)
    look, take, _, _ = re.findall("`ork ([^`]*)`", refused.err)
    changed = ran(*look.split()).out
    os.chdir(tmp_path / "me")
    assert "+echo 2" in changed and "echo 3" not in changed
    assert ran(*take.split()).code == 0
    assert "-echo 3" in ran("diff", "pair@{1}", "pair").out, "what was the newest here is at hand"


@pytest.mark.parametrize(
    ("file", "old", "new"), [("etl.yaml", "@daily", "@hourly"), ("tasks/etl.py", "4", "5")]
)
def test_a_file_that_is_older_now_is_named(ran, team, edit, file, old, new):
    edit(file, old, new)
    assert ran("deploy").code == 0
    assert ran("push").code == 0
    newest = "next: `ork log etl`\n"

    def pull_anew():
        assert ran("undo").code == 0
        return ran("pull").err

    assert pull_anew() == newest  # the file is the new one
    edit(file, new, old)
    is_code = file.endswith(".py")  # of a run that is all the same to other settings
    assert pull_anew() == f"{OLDER}{IN_CHECKOUTS if is_code else ''}\n{newest}"
    edit(file, old, "@monthly" if old == "@daily" else "6")
    assert pull_anew() == newest  # its author has changed it
    edit(file, "@monthly" if old == "@daily" else "6", old)
    assert ran("restore", "etl", "--code").code == 0
    assert ran("deploy").out.startswith("etl is up to date")


def test_a_file_of_a_workflow_that_was_renamed_and_edited_is_named(ran, team, edit):
    assert ran("push").code == 0
    file = Path(team, "etl.yaml")

    def there(*words):
        done = ran("-C", team, *words)
        os.chdir(ran.folder)
        return done

    assert there("restore", "etl", "--code").code == there("mv", "etl", "load").code == 0
    only_name = "next: etl.yaml:1 still says etl: `ork restore load` writes `name: load` there\n"
    assert only_name in ran("pull").err
    assert ran("undo").code == 0
    assert there("restore", "load").code == 0
    file.write_text(file.read_text().replace("@daily", "@hourly"))
    assert there("deploy").code == 0
    told = "note: etl.yaml still says etl, and is as in load~2, before `ork pull`: "
    assert f"{told}`ork restore load --code` writes the new one\n" in ran("pull").err
    status = ran("status")
    assert "deployed as load  as in load~2, before `ork pull`\n" in status.out
    assert status.err == "next: `ork restore load --code` writes the newest version here\n"
    assert ran("undo").code == 0
    moved = file.rename(file.with_name("load.yaml"))
    moved.write_text(moved.read_text().replace("    executor:", "    retries: 3\n    executor:", 1))
    assert there("deploy", "--move", "load.yaml").code == 0
    told = "note: etl.yaml was the file of load, which is load.yaml now: `ork restore load --code`"
    assert f"{told} writes the new one, etl.yaml is not needed then\n" in ran("pull").err
    status = ran("status")
    told = "new       etl.yaml   etl  was the file of load, which is load.yaml now\n"
    assert told in status.out and "next: `ork restore load --code` writes" in status.err
    told = "note: etl.yaml was the file of load: it is not needed any more\n"
    assert told in ran("restore", "load", "--code").err
    assert told not in ran("restore", "load~2").err, "it is written just now"
    assert told in ran("restore", "--all").err
    (ran.folder / "load.yaml").unlink()
    assert ran("undo").code == 0
    edit("etl.yaml", "name: load", "name: other")
    assert "etl.yaml" not in ran("pull").err, "it is none of that workflow"
    assert "etl.yaml" not in ran("restore", "load", "--code").err
    assert (ran.folder / "load.yaml").read_text() == moved.read_text()


def test_other_runs_of_a_name_are_told(ran, team, tmp_path, golden):
    assert ran("push", "--runs", "none").code == 0
    assert ran("-C", team, "run", "etl").code == 1
    os.chdir(ran.folder)
    dry, told = ran("push", "--dry-run"), ran("push")
    assert told.code == 0, "it will stay for ever, and nothing can be done about it"
    assert dry.out == told.out and told.err in dry.err
    golden("push/push-clash.txt", (told.out + told.err).replace(str(tmp_path), "TOP"))
    for command in ("push", "pull"):
        again = ran(command)
        assert (again.code, again.out, again.err) == (0, "nothing new\n", ""), "it is known"
    (one,) = json.loads(ran("pull", "--json").out)["data"]["refused"]
    assert (one["runs"], one["older"]) == (["etl#1"], ["etl#1"])
    assert ran("run", "etl").code == ran("-C", team, "run", "etl").code == 1
    os.chdir(ran.folder)
    for _ in range(2):  # as long as there is no newer one on both sides
        told = ran("-C", "tasks/..", "pull")
        os.chdir(ran.folder)
        assert told.out == "nothing was moved\n"
        assert "note: 1 run stayed (etl#3)" in told.err
        assert f"; `ork -C {team} show etl#3` shows" in told.err
    assert ran("push", "--runs", "1").code == 0


def retried_twice(ran, team):
    """Retry etl#2 here and in the team, after it was pushed."""
    assert ran("push").code == ran("-C", team, "restore", "etl", "--code").code == 0
    for folder in (team, str(ran.folder)):
        assert ran("-C", folder, "retry", "etl#2").code == 1


@pytest.mark.parametrize("takes", ["pull", "push"])
def test_a_run_that_was_retried_on_both_sides_has_a_way_out(ran, team, golden, takes):
    retried_twice(ran, team)
    for command in ("push", "pull"):
        dry, refused = ran(command, "--dry-run"), ran(command)
        assert (dry.code, refused.code) == (5, 5)
        assert refused.err in dry.err
        golden(f"push/{command}-retried.txt", refused.err.replace(team, "TEAM"))
    look, pull, push = re.findall("`ork ([^`]*)`", refused.err)

    def shown():
        theirs = ran(*look.split(), "--json").out
        os.chdir(ran.folder)
        return ran("show", "etl#2", "--json").out, theirs

    mine, theirs = shown()
    assert mine != theirs
    taken = ran(*(pull if takes == "pull" else push).split())
    assert taken.code == 0
    side = "this store" if takes == "pull" else "origin"
    assert f"note: etl#2 was retried in {side} as well: nothing stays of that retry\n" in taken.err
    kept = theirs if takes == "pull" else mine
    assert shown() == (kept, kept)
    assert ran("push").out == ran("pull").out == "nothing new\n"


@pytest.mark.parametrize("place", ["sqlite:../new.db", "files:../new", "../new", "../empty"])
@pytest.mark.parametrize("named", ["", "--store", "ORK_STORE"])
def test_a_remote_without_a_store_gets_one_as_the_hint_says(ran, tmp_path, place, named):
    (tmp_path / "empty").mkdir()
    assert ran("remote", "add", "new", place).code == 0
    if named == "ORK_STORE":
        ran.environ["ORK_STORE"] = ".ork"
    refused = ran(*(["--store", ".ork"] if named == "--store" else []), "push", "new")
    assert refused.code == 3 and "there is no store in" in refused.err
    (typed,) = re.findall("hint: `ork ([^`]*)` makes one of this store", refused.err)
    assert typed.startswith("clone . ")
    assert ran(*typed.split()).code == 0
    assert ran("push", "new").out == "nothing new\n"


@pytest.mark.parametrize("named", ["--store", "ORK_STORE", "ORK_DIR"])
@pytest.mark.parametrize("place", ["sqlite:../new.db", "../new"])
def test_of_a_store_that_is_named_one_is_made_as_the_hint_says(etl, named, place):
    own = "../own" if named == "ORK_DIR" else "sqlite:own.db"
    option = [named, own] if named == "--store" else []
    etl.environ |= {} if option else {named: own}
    assert etl(*option, "deploy", "etl.yaml").code == 0
    refused = etl(*option, "push", place)
    (typed,) = re.findall("hint: `ork ([^`]*)` makes one of this store", refused.err)
    assert etl(*typed.split()).code == 0
    assert etl(*option, "push", place).out == "nothing new\n"


@pytest.mark.parametrize("place", ["sqlite:../gone.db", "../gone"])
def test_of_a_store_that_is_to_give_something_none_is_to_be_made(ran, place):
    assert ran("remote", "add", "gone", place).code == 0
    for command in ("pull gone", f"pull {place}", "fetch gone", f"clone {place} new"):
        hint = ran(*command.split()).err.splitlines()[-1]
        assert hint == "hint: is it mounted, is its address right?", command


@pytest.mark.parametrize("empty", [False, True])
def test_of_a_remote_that_was_there_before_no_new_one_is_to_be_made(ran, team, empty):
    assert ran("push").code == 0
    Path(team).rename(f"{team}-away")
    if empty:  # as where a disk is mounted
        Path(team).mkdir()
    told = "hint: origin was there before: is it mounted, is its address right?\n"
    for command in ("push", "pull", "fetch"):
        refused = ran(command)
        assert refused.code == 3
        assert refused.err == f"error: there is no store in {team}\n{told}"


def test_a_tag_that_is_elsewhere_is_told(ran, team, golden):
    assert ran("tag", "etl@v1", "etl~1").code == 0
    assert ran("push").code == 0
    assert ran("tag", "etl@v1", "etl", "--force").code == 0
    refused = ran("push")
    assert refused.code == 5
    golden("push/tag-clash.txt", refused.out + refused.err)
    assert ran("push", "origin", "etl", "--no-tags").code == 0
    pulled = ran("pull")
    golden("push/tag-moved-here.txt", pulled.out + pulled.err)
    (forced, _) = re.findall("`ork ([^`]*)`", refused.err)
    assert ran(*forced.split()).code == 0
    assert ran("push").out == "nothing new\n"


def test_a_tag_that_was_moved_there_is_told(ran, team, golden):
    assert ran("tag", "etl@v1", "etl~1").code == 0
    assert ran("push").code == 0
    assert ran("--store", team + "/.ork", "tag", "-f", "etl@v1", "etl").code == 0
    pushed, pulled = ran("push"), ran("pull")
    assert pushed.code == pulled.code == 0
    golden("push/tag-moved-there.txt", pushed.out + pushed.err + pulled.out + pulled.err)
    assert ran("fsck").code == ran("remote", "rm", "origin").code == 0


def test_a_tag_that_is_removed_is_told_where_a_remote_has_it(ran, team):
    assert ran("tag", "-f", "etl@v1", "etl~1").code == ran("push").code == 0
    there = "`ork tag -d etl@v1` removes it\n"
    known = "note: origin has it as well, as far as is known: "
    removed = ran("tag", "-d", "etl@v1")
    assert removed.err == f"{known}`ork pull origin` brings it here again, there {there}"
    pulled = ran("pull", "origin")
    assert pulled.out == "etl  1 tag\n  etl@v1  new\n"
    assert ran("--store", team + "/.ork", "tag", "-d", "etl@v1").err == ""
    assert ran("tag", "-d", "etl@v1").code == 0
    assert ran("pull").out == "nothing new\n"


def test_a_tag_of_a_remote_that_was_removed_is_remembered_no_more(ran, team):
    assert ran("tag", "etl@v1", "etl~1").code == ran("push").code == 0
    assert ran("--store", team + "/.ork", "tag", "-f", "etl@v1", "etl").code == 0
    assert ran("remote", "rm", "origin").code == 0
    assert ran("remote", "add", "origin", "../team").code == 0
    assert ran("pull").code == 5


def test_what_moves_of_a_workflow_that_is_archived_there_is_told(ran, team, edit):
    assert ran("push").code == 0
    assert ran("--store", team + "/.ork", "archive", "etl").code == 0
    assert "archived" not in ran("push").err
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == 0
    told = "note: etl is archived in origin: no schedule of it fires there\n"
    assert ran("push").err == told
    for words in (["archive", "--undo", "etl"], ["rollback", "etl", "etl~1"], ["archive", "etl"]):
        assert ran("--store", team + "/.ork", *words).code == 0
    assert ran("fetch").err.startswith(told)
    assert ran("pull").err.startswith(told)
    assert "archived" not in ran("fetch").err


def test_who_is_further_is_told(ran, team, golden):
    assert ran("push").code == 0
    assert ran("--store", team + "/.ork", "rollback", "etl", "etl~1").code == 0
    further = ran("push")
    assert (further.code, further.out) == (0, "nothing new\n")
    golden("push/further.txt", further.err)


def test_force_takes_back_nothing_of_a_store_that_is_further_and_says_what_does(ran, team, edit):
    assert ran("push").code == 0
    edit("etl.yaml", "600", "900")
    assert ran("deploy", "etl.yaml").code == 0
    newest, back = ran("rev-parse", "etl").out, "`ork rollback etl origin/etl` goes back to that"
    assert back not in ran("pull").err
    pulled = ran("pull", "--force")
    assert (pulled.code, back in pulled.err) == (0, True)
    assert ran("rev-parse", "etl").out == newest
    assert ran("rollback", "etl", "origin/etl").code == 0
    snapshots = {ran("rev-parse", f"{one}^{{snapshot}}").out for one in ("etl", "origin/etl")}
    assert len(snapshots) == 1
    assert ran("undo").code == 0 and ran("rev-parse", "etl").out == newest


def test_what_was_undone_in_a_remote_is_told_and_comes_back_by_force_alone(ran, team, edit, golden):
    theirs = ("--store", team + "/.ork")
    assert ran("push").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == ran("push").code == 0
    undone = ran("rev-parse", "etl").out
    assert ran(*theirs, "undo").code == 0
    refused = ran("push")
    assert (refused.code, refused.out) == (5, "nothing was moved\n")
    golden("push/gone_back.txt", refused.err)
    assert ran("push", "--dry-run").code == 5
    ends = json.loads(ran("push", "--json").out)["data"]["refused"][0]["heads"]
    assert [one["gone_back"] for one in ends] == [True]
    dry, pulled = ran("pull", "--dry-run"), ran("pull")
    assert (pulled.code, pulled.out) == (0, "nothing new\n")
    assert pulled.err in dry.err and ran("rev-parse", "etl").out == undone
    golden("push/pull_gone_back.txt", pulled.err)
    assert "this store is further" in ran("pull").err, "it is told once, as by ork fetch"
    assert ran("rollback", "etl", "origin/etl").code == 0
    assert ran("push").code == 0, "it was seen"


def test_what_was_undone_in_a_remote_is_brought_there_again(ran, team, edit):
    theirs = ("--store", team + "/.ork")
    assert ran("push").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == ran("push").code == 0
    assert ran(*theirs, "undo").code == 0
    edit("etl.yaml", "@hourly", "@weekly")
    assert ran("deploy", "etl.yaml").code == 0
    assert ran("push").code == 5, "it would come with what was deployed since"
    assert ran("push", "--force").code == 0
    assert ran(*theirs, "rev-parse", "etl").out == ran("rev-parse", "etl").out


def test_an_undo_of_what_a_remote_has_tells_that_a_pull_brings_it_again(ran, team, edit):
    assert ran("push").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == 0
    assert "origin" not in ran("undo").err, "nobody else has it"
    assert ran("undo", "--redo").code == ran("push").code == 0
    undone = ran("undo")
    assert "note: origin still has that, and `ork pull` brings it here again: " in undone.err
    before = ran("rev-parse", "etl^{snapshot}").out
    redo, back, push = re.findall("`(ork (?:undo|rollback|push)[^`]*)`", undone.err)[1:4]
    for command in (redo, back, push):
        assert ran(*command.split()[1:]).code == 0
    assert ran("--store", team + "/.ork", "rev-parse", "etl^{snapshot}").out == before


PLACES = ["git@host.example:team/etl.git", "host.example:/srv/etl", "SQLITE:etl.db", "a:b"]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_as_git_and_scp_have_it_is_no_folder(ran, team, place):
    lines = (("remote", "add", "hub"), ("fetch",), ("push",), ("init", "--from"))
    for words in lines:
        refused = ran(*words, place)
        assert (refused.code, f"{place!r} is no kind of store" in refused.err) == (2, True), words
        assert "remote add NAME" not in refused.err
    assert "is no kind of store" in ran("--store", place, "deploy", "etl.yaml").err
    assert ran("remote").out == f"origin  {team}\n"


def test_remotes(ran, team, tmp_path, golden):
    assert ran("remote").out == f"origin  {team}\n"
    assert ran("remote", "add", "more", "../more").code == 0
    golden("push/remotes.json", ran("remote", "list", "--json").out.replace(str(tmp_path), "TOP"))
    assert ran("remote", "add", "more", "../more").code == 0
    assert ran("remote", "add", "more", "../other").code == 3
    assert ran("remote", "add", "more", "../other", "--force").code == 0
    assert ran("remote", "rm", "more").code == 0
    assert ran("remote", "rm", "more").code == 3
    assert ran("push", "more").code == 3
    assert ran("push", "etl").code == 3
    assert ran("remote", "rm", "origin").code == 0
    assert (ran("remote").out, ran("remote").err) == ("", "no remotes\n")
    assert ran("push").code == 3
    assert ran("push", "../nothing").code == 3
    assert ran("pull", "../team", "nothing").code == 3
    assert oct((ran.folder / ".ork/remotes.json").stat().st_mode)[-3:] == "600"
    assert (
        ran("remote", "add", "url", "sqlite:../team.db").out == f"url  sqlite:{tmp_path}/team.db\n"
    )
    assert ran("remote", "add", "no", "nonsense:x").code == 2
    assert ran("remote", "add", "no", "tests.nowhere:Class").code == 2
    (ran.folder / ".ork/remotes.json").write_text('{"evil": "tests.nowhere:Class"}')
    assert "may not name a class" in ran("push", "evil").err
    (ran.folder / ".ork/remotes.json").write_text("{")
    assert ran("remote").code == 4
    assert ran("gc").code == 0


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ada{COLON}secret@host/db",
        "postgresql://host/db?password=secret",
        f"s3://key{COLON}secret@bucket/prefix",
    ],
)
def test_a_password_is_not_kept_and_not_repeated(ran, team, url):
    refused = ran("remote", "add", "db", url)
    assert refused.code == 2
    assert "PGPASSWORD" in refused.err
    assert "secret" not in refused.err
    assert "secret" not in ran("push", url).err


@pytest.mark.parametrize(
    "words",
    [
        "remote make",
        "remote add origin",
        "remote rm",
        "remote list origin",
        "push --runs some",
        "pull origin --runs -1",
        "--at-op @ push",
        "--at-op @ remote rm origin",
    ],
)
def test_what_makes_no_sense_is_usage(ran, team, words):
    assert ran(*words.split()).code == 2


def test_the_store_may_be_named_by_its_own_folder_or_a_url(ran, team):
    assert ran("init", "--store", "sqlite:../team.db", "..").code == 0
    assert ran("push", "sqlite:../team.db").out.startswith("etl  ")
    assert ran("pull", "sqlite:../team.db").out == "nothing new\n"
    assert ran("push", team + "/.ork").code == 0
    assert ran("pull", "../team").out == "nothing new\n"


def test_a_clone_into_this_folder_is_told_of_without_its_name(ran, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    hint = ran("clone", str(ran.folder), ".").err
    assert "next: `ork restore --all --code` writes the files, `ork pull` brings" in hint


def test_clone(ran, tmp_path, golden):
    (tmp_path / "mine").mkdir()
    cloned = ran("clone", ".", "../mine")
    assert cloned.code == 0
    golden("push/clone.txt", cloned.out)
    there = ("--store", "../mine/.ork")
    for words in (["log", "etl"], ["runs"], ["logs", "etl#2"]):
        assert alone(ran(*there, *words).out) == ran(*words).out
    assert ran(*there, "remote").out == f"origin  {ran.folder}\n"
    assert ran(*there, "pull").out == "nothing new\n"
    golden("push/clone-ops.txt", ran(*there, "ops").out)
    assert ran(*there, "fsck", "--full").code == 0
    assert ran("clone", ".", "../mine").code == 3
    assert ran("clone", "../nothing", "../other").code == 3
    assert not (tmp_path / "other").exists()
    assert ran(*there, "clone", ".", "../other").code == 2
    cloned = ran("clone", ".", "../other", "--store", "sqlite:", "--json")
    steady = re.sub(r'"(objects|logs)": \d+', r'"\1": MANY', cloned.out)
    golden("push/clone.json", steady.replace(str(tmp_path), "TOP"))
    assert (tmp_path / "other/.ork/db/store.db").is_file()


@pytest.mark.slow
def test_a_clone_to_a_url_and_a_store_made_of_it(ran, tmp_path):
    url = "sqlite:../team.db"
    assert ran("clone", ".", url).code == 0
    assert ran("clone", ".", url).code == 3
    assert ran("--store", url, "pull").out == "nothing new\n"
    for words in (["log", "etl"], ["logs", "etl#1"], ["logs", "etl#2"]):
        assert alone(ran("--store", url, *words).out) == ran(*words).out
    for name in ("back", "by-url"):
        (tmp_path / name).mkdir()
    assert ran("init", "--from", url, "../back").code == 0
    assert alone(ran("--store", "../back/.ork", "log", "etl").out) == ran("log", "etl").out
    assert ran("init", "--from", ".", "--store", "sqlite:../moved.db", "../by-url").code == 0
    for words in (["log", "etl"], ["ops"], ["runs"]):
        assert ran("--store", "../by-url/.ork", *words).out == ran(*words).out
    assert ran("init", "--from", ".", "--store", "sqlite:../moved.db", "../by-url").code == 3


@pytest.mark.slow
def test_a_project_goes_to_postgresql_and_back(ran, postgres, edit, tmp_path):
    url = postgres.url()
    assert ran("clone", ".", url).code == 0
    there = ("--store", url)
    for words in (["log", "etl"], ["runs"], ["logs", "etl#1"], ["logs", "etl#2"]):
        assert alone(ran(*there, *words).out) == ran(*words).out
    assert ran(*there, "fsck", "--full").code == 0
    assert ran("remote", "add", "origin", url).code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert ran("deploy", "etl.yaml").code == 0
    assert ran("push").out == "etl  ecb4c3b7  1 deploy\n"
    assert ran("pull").out == "nothing new\n"
    (tmp_path / "back").mkdir()
    assert ran("init", "--from", url, "../back").code == 0
    back = ("--store", "../back/.ork")
    for words in (["log", "etl"], ["ops"], ["logs", "etl#1"], ["logs", "etl#2"]):
        assert ran(*back, *words).out == ran(*there, *words).out
    assert ran(*back, "fsck", "--full").code == 0
    again = postgres.url()
    assert ran("init", "--from", ".", "--store", again, "../back/../").code == 0
    assert ran("--store", again, "ops").out == ran("ops").out


def test_a_run_that_printed_nothing_lacks_no_log(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: exit 1}}\n")
    assert ork("run").code == 1
    assert ork("init", "../silent").code == 0
    pushed = ork("push", "../silent")
    assert pushed.code == 0 and "log" not in pushed.err


def test_one_note_tells_of_all_that_a_side_had_to_forget(ran, team, edit, monkeypatch):
    edit("load.sh", "exit", "echo hidden-word; exit")
    assert ran("run", "etl.yaml", "-m", "with hidden-word").code in (0, 1)
    assert ran("push").code == 0

    def forget(at):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hidden-word\n")))
        assert ran("-C", at, "forget", "--text", "--yes").code == 0
        os.chdir(ran.folder)

    forget(team)
    for command, told in (
        ("pull", "note: origin had to forget 4 objects that this store has, and logs may have"),
        ("push", ""),
    ):
        said = ran(command).err
        assert said.count("forget --text") == bool(told) and told in said, said
    assert "hidden-word" in ran("logs", "etl").out
    forget(".")
    assert "forget" not in ran("pull").err
    assert "hidden-word" not in ran("logs", "etl").out + ran("log", "etl").out


def test_who_had_to_forget_tells_the_other_where_that_is_typed(ran, team):
    assert ran("push").code == 0
    assert ran("forget", "etl:tasks/etl.py", "--yes").code == 0
    said = ran("push").err
    assert "note: this store had to forget 1 object that origin has" in said
    assert "there `ork forget --text`" in said


def test_a_rename_is_not_followed_while_a_run_waits(ran, team, golden):
    assert ran("push", "--runs", "none").code == 0
    assert ran("mv", "etl", "load").code == 0
    server = "--store", f"{team}/.ork"
    assert ran(*server, "run", "--queue", "etl").code == 0
    stays = ran("push", "--runs", "none")
    assert stays.code == 5
    golden("push/renamed-at-work.txt", stays.out + stays.err)
    (refused,) = json.loads(ran("push", "--json").out)["data"]["refused"]
    assert refused["at_work"] == "a run of etl waits for `ork up`"
    assert ran(*server, "cancel", "--queue", "etl").code == 0
    assert ran("push", "--runs", "none").code == 0


def test_a_rename_is_followed_and_told(ran, team, golden):
    assert ran("push", "--runs", "none").code == 0
    assert ran("clone", "../team", "../bob").code == 0
    assert ran("mv", "etl", "load").code == 0
    assert ran("status").out.startswith("renamed ")
    assert "etl was renamed: write `name: load` in it;" in ran("status").err
    golden("push/renamed.txt", ran("push", "--runs", "none").out)
    bob = ("-C", "../bob")
    assert ran(*bob, "rollback", "etl", "etl~1").code == 0
    os.chdir(ran.folder)
    for command in ("push", "pull"):
        refused = ran(*bob, command, "--runs", "none")
        os.chdir(ran.folder)
        assert refused.code == 5
        golden(f"push/renamed-{command}.txt", refused.out + refused.err)
    refused = ran(*bob, "push", "--force", "--runs", "none")
    os.chdir(ran.folder)
    why = (
        "hint: etl keeps the name load in origin, by --force as well: else there would be two of it"
    )
    assert (refused.code, refused.err.splitlines()[3]) == (5, why)
    assert ran(*bob, "pull", "origin", "load", "--force", "--runs", "none").code == 0
    os.chdir(ran.folder)
    assert ran(*bob, "workflows").out.startswith("load ")


def test_tags_of_another_new_name_that_gives_way_are_named(ran, team):
    assert ran("push", "--runs", "none").code == 0
    server = "--store", f"{team}/.ork"
    assert ran(*server, "mv", "etl", "alpha").code == ran(*server, "tag", "alpha@v1").code == 0
    assert ran("mv", "etl", "beta").code == 0
    assert ran("push", "--runs", "none").code == 5
    file = f"{team}/beta.bundle"
    assert ran("bundle", "create", file, "beta").code == 0
    forced = ran(*server, "import", "bundle", file, "--force", "--dry-run")
    assert "left the history of beta, with 1 tag (alpha@v1): `ork --store" in forced.err
    forced = ran("push", "origin", "beta", "--force", "--runs", "none")
    assert "left the history of beta, with 1 tag (alpha@v1): there `ork undo`" in forced.err
    assert ran(*server, "fsck").code == 0
    assert ran("clone", "../team", "../bob").code == 0


@pytest.fixture
def merged(ran, tmp_path):
    """Ada has renamed two and pushed, Bob has deployed and run it; git has merged both."""
    for name in ("bob", "ada"):
        (tmp_path / name).mkdir()
        os.chdir(tmp_path / name)
        if name == "ada":
            assert ran("clone", "../bob", ".").code == 0
        (tmp_path / name / "two.yaml").write_text(TWO)
        assert ran("deploy", "two.yaml").code == 0
    assert ran("run", "two").code == 0
    assert ran("push").code == 0
    assert ran("mv", "two", "pair").code == 0
    assert ran("clone", ".", "../team").code == 0
    os.chdir(tmp_path / "bob")
    assert ran("remote", "add", "origin", "../team").code == 0
    (tmp_path / "bob/two.yaml").write_text(TWO.replace('"true"', "echo 2"))
    assert ran("deploy", "two.yaml").code == 0
    (tmp_path / "bob/two.yaml").write_text(PAIRED)
    return tmp_path / "bob"


def test_where_somebody_else_has_renamed_it_the_way_that_works_is_told(ran, merged):
    assert ran("fetch").code == 0
    status, refused = ran("status"), ran("deploy", "two.yaml")
    assert (status.out[:8], refused.code) == ("renamed ", 3)
    for told in (status.err, refused.err):
        (way,) = re.findall("origin has it as pair: `ork ([^`]*)` renames it here", told)
        assert "`ork mv" not in told
    assert ran(*way.split()).code == 0
    assert "as in" not in ran("status").out
    assert ran("deploy", "two.yaml").code == ran("push").code == 0
    assert ran("status").out.startswith("unchanged")


def test_a_rename_without_own_deploys_is_pulled(ran, merged):
    assert ran("undo").code == ran("fetch").code == 0
    assert "`ork pull origin pair` renames it here; `ork deploy --new" in ran("status").err
    assert ran("pull", "origin", "pair").code == 0
    assert ran("deploy", "two.yaml").code == 0


def test_after_a_rename_on_both_sides_files_with_both_changes_are_not_behind(ran, merged):
    assert ran("run", "two").code == ran("mv", "two", "pair").code == 0
    refused = ran("push")
    assert (refused.code, "`ork pull origin pair --force`" in refused.err) == (5, True)
    assert ran("pull", "--force").code == 0
    assert ran("deploy", "two.yaml").out.startswith("pair ")
    assert ran("push").code == 0
    assert ran("show", "pair#2").out == ran("show", "two#2").out != ""


def test_the_name_of_another_store_leads_to_any_folder_and_to_urls_that_can_be_opened(ran):
    odd = ran.folder.parent / "odd\udcff"
    odd.mkdir()
    assert ran("init", str(odd)).code == 0
    assert ran("remote", "add", "odd", str(odd)).code == 0
    assert ran("push", "odd").code == 0
    refused = ran("remote", "add", "url", f"sqlite:{odd}/db")
    assert (refused.code, "is not UTF-8" in refused.err) == (2, True)
    assert ran("remote", "list").out.splitlines()[1:] == []
