"""ork fetch, and what it remembers: origin/etl"""

import json
import re
import shlex
from pathlib import Path

import pytest

from ork.store import location

TWO = """\
name: two
tasks:
  a: {executor: process, command: "true"}
"""


@pytest.fixture
def team(ran, tmp_path):
    """A clone of the store, which is `origin`."""
    assert ran("clone", ".", "../team").code == 0
    assert ran("remote", "add", "origin", "../team").code == 0
    return str(tmp_path / "team/.ork")


def refs(store: str | Path) -> dict[str, str]:
    opened = location.open_store(Path(store), environ={})
    try:
        return dict(opened.refs(""))
    finally:
        opened.close()


def remembered(store: str | Path, remote: str = "origin") -> dict[str, str]:
    start = f"remotes/{remote}/"
    return {ref.removeprefix(start): o for ref, o in refs(store).items() if ref.startswith(start)}


def test_what_a_remote_has_renamed_is_told_by_its_new_name(ran, team):
    assert ran("--store", team, "mv", "etl", "load").code == 0
    unseen = ran("show", "load#1").err
    assert unseen.startswith("error: no run load#1: no workflow or object named 'load'\n")
    assert ran("fetch").code == 0
    for words in (("show", "load#1"), ("log", "load"), ("runs", "load")):
        told = ran(*words)
        assert told.code == 3
        assert "load is etl here: origin has renamed it\n" in told.err
        assert "hint: `ork pull origin load` renames it here as well\n" in told.err
    assert ran("pull", "origin", "load").code == 0
    assert ran("show", "load#1").out == ran("show", "etl#1").out


def test_what_only_a_remote_has_is_told(ran, team):
    ran.write("two.yaml", TWO)
    assert ran("--store", team, "deploy", "two.yaml").code == ran("fetch").code == 0
    told = ran("log", "two")
    assert told.code == 3 and "no workflow named 'two' is here, but in origin" in told.err
    assert "`ork pull origin two` brings it, origin/two is what was fetched" in told.err


@pytest.mark.slow
def test_what_a_remote_has_is_seen_and_nothing_of_ours_moves(ran, team, golden):
    ran("--store", team, "rollback", "etl", "etl~1", "-m", "Theirs")
    assert ran("--store", team, "run", "etl").code == 0
    assert ran("--store", team, "tag", "theirs", "etl~1").code == 0
    ran("rollback", "etl", "etl~2", "-m", "Ours")
    before = {ref: oid for ref, oid in refs(".ork").items() if not ref.startswith("remotes/")}
    dry = ran("fetch", "--dry-run")
    assert (dry.code, remembered(".ork")) == (0, {})
    fetched = ran("fetch")
    assert (fetched.code, fetched.out) == (0, dry.out)
    golden("fetch/apart.txt", fetched.out + fetched.err)
    after = {ref: oid for ref, oid in refs(".ork").items() if not ref.startswith("remotes/")}
    assert after == before
    again = ran("fetch")
    assert again.out == "no new deploys\n"
    assert again.err == "next: `ork pull origin --dry-run` tells of new tags and runs as well\n"
    golden("fetch/status.txt", ran("status").out)
    golden("fetch/log.txt", ran("log", "etl", "--oneline", "-n", "3").out)
    theirs = ran("log", "etl..origin/etl", "--oneline").out
    assert "Theirs" in theirs and theirs.count("\n") == 1
    assert "Ours" in ran("log", "origin/etl..etl", "--oneline").out
    assert ran("rev-parse", "origin/etl").out == ran("--store", team, "rev-parse", "etl").out
    assert ran("rev-parse", "origin/etl~1").out == ran("rev-parse", "etl~1").out
    assert ran("diff", "etl", "origin/etl", "--exit-code").code == 1
    assert ran("fsck", "--full").code == 0


def test_a_status_tells_in_json_how_heads_stand(ran, team):
    ran("--store", team, "rollback", "etl", "etl~1")
    ran("fetch")
    (etl,) = [f for f in json.loads(ran("status", "--json").out)["data"] if f["workflow"] == "etl"]
    (one,) = etl["remotes"]
    assert one == {"remote": "origin", "ahead": 0, "behind": 1, "name": None, "related": True}
    (head, *_) = json.loads(ran("log", "origin/etl", "--json").out)["data"]
    assert (head["remotes"], head["head"]) == (["origin/etl"], False)


def test_what_has_no_deploy_in_common_is_compared_as_it_is(ran, team):
    for store, command in ((".ork", "true"), (team, "false")):
        file = ran.write("two.yaml", TWO.replace('"true"', f'"{command}"'))
        assert ran("--store", store, "deploy", str(file)).code == 0
    told = ran("fetch").err
    assert "next: `ork log two..origin/two`, `ork diff two origin/two`\n" in told
    refused = ran("diff", "two...origin/two")
    assert (refused.code, "two and origin/two have no deploy in common" in refused.err) == (3, True)
    (way,) = re.findall("`ork ([^`]*)`", refused.err)
    for words in (way, *re.findall("`ork ([^`]*)`", told)):
        assert ran(*words.split()).code == 0


@pytest.mark.slow
def test_what_was_fetched_can_be_run_and_stays_after_gc(ran, team):
    ran("--store", team, "rollback", "etl", "etl~1", "-m", "Theirs")
    ran("fetch")
    assert ran("gc", "--prune", "--undo-days", "0").code == 0
    assert ran("run", "origin/etl").code == 0
    (run, *_) = json.loads(ran("runs", "-n", "1", "--json").out)["data"]
    assert run["run"]["deploy"] == remembered(".ork")["etl"]
    assert ran("fsck", "--full").code == 0


def test_a_pull_that_stays_shows_the_other_side(ran, team):
    ran("--store", team, "rollback", "etl", "etl~1")
    ran("rollback", "etl", "etl~2")
    pulled = ran("pull", "--runs", "none")
    assert pulled.code == 5
    assert remembered(".ork")["etl"] == refs(team)["workflows/etl"]
    look = re.findall("`ork (diff [^`]*)`", pulled.err)[0].split()
    assert look[-1] == "etl...origin/etl" and ran(*look).code == 0


def test_a_push_and_a_clone_remember_what_is_there(ran, team):
    assert ran("push").code == 0
    assert remembered(".ork")["etl"] == refs(".ork")["workflows/etl"]
    ran("rollback", "etl", "etl~1")
    assert "1 ahead of origin" in ran("status").out
    assert ran("push", "--dry-run").code == 0
    assert "1 ahead of origin" in ran("status").out
    assert ran("push").code == 0
    assert "ahead" not in ran("status").out
    assert ran("clone", "../team", "../third").code == 0
    assert remembered("../third/.ork")["etl"] == refs(team)["workflows/etl"]


def test_a_first_fetch_of_what_is_here_already_says_so(ran, team):
    told = ran("fetch")
    assert re.fullmatch("origin/etl  [0-9a-f]{8}  no new deploys\n", told.out)
    assert ran("fetch").out == "no new deploys\n"


def test_a_push_that_stays_remembers_nothing_new(ran, team):
    ran("fetch")
    before = remembered(".ork")
    ran("--store", team, "rollback", "etl", "etl~1")
    ran("rollback", "etl", "etl~2")
    pushed = ran("push", "--runs", "none")
    assert pushed.code == 5
    assert remembered(".ork") == before
    first, then = re.findall("`ork (fetch [^`]*|diff [^`]*)`", pushed.err)
    assert ran(*first.split()).code == 0
    assert ran(*then.split()).code == 0


def test_a_workflow_that_is_gone_there_is_forgotten_here(ran, team, tmp_path):
    path = tmp_path / "team/two.yaml"
    path.write_text(TWO)
    assert ran("--store", team, "deploy", str(path)).code == 0
    fetched = ran("fetch")
    assert "origin/two" in fetched.out
    assert "next: `ork log origin/two`, `ork pull origin two` takes it\n" in fetched.err
    assert ran("--store", team, "undo").code == 0
    assert ran("fetch", "origin", "etl").out == "no new deploys\n"
    assert "two" in remembered(".ork"), "it was not asked for"
    gone = ran("fetch")
    assert re.search("^origin/two +is not there any more$", gone.out, re.MULTILINE)
    assert "two" not in remembered(".ork")


def test_heads_that_went_back_are_told(ran, team):
    ran("--store", team, "rollback", "etl", "etl~1")
    ran("fetch")
    ran("--store", team, "undo")
    ran("--store", team, "rollback", "etl", "etl~2")
    assert "forced: " in ran("fetch").out


def test_a_name_that_is_removed_takes_along_what_was_seen(ran, team):
    ran("fetch")
    assert ran("remote", "rm", "origin").code == 0
    assert remembered(".ork") == {}
    told = ran("log", "origin/etl")
    assert told.code == 3
    assert "nothing was fetched from a remote 'origin'" in told.err


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("origin/elt", "origin had no workflow 'elt' when it was last looked at"),
        ("origin/etl@v1", "of origin/etl the head is known here"),
        ("origin/etl#1", "of origin/etl the head is known here"),
        ("origin/etl@{yesterday}", "of origin/etl the head is known here"),
        ("origin/etl~99", "the history does not reach that far back"),
        ("flows/etl.yaml", "no file and no workflow named 'flows/etl.yaml'"),
        ("origin/", "'origin/' is not a revision"),
        ("/etl", "no workflow or object named '/etl'"),
        ("a/b/c", "no workflow or object named 'a/b/c'"),
        ("@/etl", "'@/etl' is not a revision"),
    ],
)
def test_what_is_no_head_of_a_remote_is_told(ran, team, revision, words):
    ran("fetch")
    told = ran("log", revision)
    assert (told.code, words in told.err) == (3, True), told.err


def test_only_what_has_a_name_is_fetched(ran, team):
    told = ran("fetch", "../team")
    assert told.code == 2
    assert "`ork remote add NAME ../team` gives it one" in told.err
    assert ran("pull", "../team").code == 0
    assert remembered(".ork") == {}


def test_fsck_finds_a_head_of_another_workflow(ran, team, tmp_path):
    ran("fetch")
    (tmp_path / "two.yaml").write_text(TWO)
    assert ran("deploy", str(tmp_path / "two.yaml")).code == 0
    store = location.open_store(Path(".ork"), environ={})
    with store.transaction() as tx:
        ref = "remotes/origin/etl"
        tx.move(ref, old=store.ref(ref), new=store.ref("workflows/two"))
    store.close()
    found = ran("fsck")
    assert found.code == 1
    assert "remotes/origin/etl" in found.out and "a deploy of two" in found.out


def test_what_was_renamed_there_is_known_by_its_former_name(ran, team):
    ran("fetch")
    assert ran("--store", team, "mv", "etl", "load").code == 0
    fetched = ran("fetch")
    assert re.search("^origin/load +[0-9a-f]{8}  new: 1 deploy$", fetched.out, re.MULTILINE)
    assert "note: etl is 1 behind origin/load\n" in fetched.err
    assert "note: Ada Lovelace renamed etl to load in origin\n" in fetched.err
    assert fetched.err.endswith("next: `ork log etl..origin/load`\n")
    assert "1 behind origin/load" in ran("status").out
    assert ran("log", "etl..origin/load", "--oneline").out.count("\n") == 1
    assert ran("diff", "etl...origin/load").code == 0
    assert ran("pull").code == 0
    assert "behind" not in ran("status").out


def test_what_was_renamed_here_is_ahead_until_it_is_pushed(ran, team):
    ran("fetch")
    assert ran("mv", "etl", "load").code == 0
    assert ran("status").out == "renamed   etl.yaml  etl  deployed as load  1 ahead of origin/etl\n"
    ran("--store", team, "rollback", "etl", "etl~1")
    assert "note: load is 1 ahead of, 1 behind origin/etl\n" in ran("fetch").err
    told = "load was renamed here: bring what origin has into its file and `ork deploy` that; `ork "
    (push,) = re.findall(f"{told}([^`]*)` gives it this name there too\n", ran("pull").err)
    assert push == "push origin load --force"
    assert ran(*push.split()).code == 0
    assert list(remembered(".ork")) == ["load"]
    assert "origin" not in ran("status").out


def test_what_was_renamed_here_and_there_is_told_in_steps_that_work(ran, team):
    ran("fetch")
    assert ran("--store", team, "mv", "etl", "load").code == 0
    assert ran("mv", "etl", "take").code == 0
    fetched = ran("fetch")
    assert "note: take is 1 ahead of, 1 behind origin/load\n" in fetched.err
    (told,) = re.findall("next: (.*)", fetched.err)
    steps = re.findall("`ork ([^`]*)`", told)
    assert steps == ["log take..origin/load"], "a diff of what is equal shows nothing"
    assert [ran(*step.split()).code for step in steps] == [0]
    apart = "renamed   etl.yaml  etl  deployed as take  1 ahead of, 1 behind origin/load\n"
    assert ran("status").out == apart
    (step,) = re.findall("`ork (pull [^`]*)` renames it here as well", ran("log", "load").err)
    assert step == "pull origin load --force"
    assert ran(*step.split()).code == 0
    assert "origin" not in ran("status").out
    assert ran("undo").code == 0
    assert ran("status").out == apart


def test_what_only_had_the_same_name_once_is_not_the_same(ran, team):
    assert ran("--store", team, "mv", "etl", "load").code == 0
    assert ran("mv", "etl", "take").code == ran("deploy", "--new", "etl.yaml").code == 0
    ran("fetch")
    status = ran("status")
    assert status.out.startswith("unchanged etl.yaml  etl ") and "origin" not in status.out
    assert ran("log", "load").err.startswith("error: load is take here: origin has renamed it\n")


def test_a_clone_of_the_project_around_this_folder_needs_a_target(ran):
    told = ran("clone", ".")
    copy = f"../{ran.folder.name}-copy"
    assert (told.code, told.err.splitlines()[1:]) == (2, [f"hint: `ork clone . {copy}`"])
    assert not (ran.folder / ran.folder.name).exists()
    assert ran("clone", ".", copy).code == 0


def test_a_clone_without_a_target_has_the_name_of_the_other(ran, tmp_path, monkeypatch):
    source = Path.cwd()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cloned = ran("clone", str(source))
    assert cloned.code == 0
    assert f"`ork -C {source.name} restore" in cloned.err
    assert "workflows/etl" in refs(Path(source.name, ".ork"))
    assert ran("clone", str(source)).code == 3, "there is one by now"
    of_url = ran("clone", "sqlite:../x.db")
    assert of_url.code == 2
    assert "hint: `ork clone URL FOLDER`" in of_url.err


def test_a_run_of_another_store_is_looked_at_in_there(ran, tmp_path):
    assert ran("clone", ".", "../copy").code == 0
    home = str(ran.folder)
    assert ran("-C", home, "run", "etl", "-q").code == 1
    copy = str(tmp_path / "copy")
    assert ran("-C", copy, "restore", "etl", "--code").code == 0
    assert ran("-C", copy, "run", "etl", "-q").code == 1
    assert "each side has its own" in ran("-C", copy, "pull").err
    refused = ran("-C", copy, "show", "origin/etl#3")
    (command,) = re.findall("hint: `ork ([^`]*)` looks there", refused.err)
    assert ran(*shlex.split(command)).out == ran("-C", home, "show", "etl#3").out
    remotes = tmp_path / "copy/.ork/remotes.json"
    remotes.write_text('{"origin": "tests.nowhere:Class"}')
    assert "nowhere" not in ran("-C", copy, "show", "origin/etl#3").err
