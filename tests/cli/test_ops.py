"""ork ops, ork undo and ork --at-op"""

import json
import re

import pytest

from ork.cli.app import WRITERS, program
from ork.cli.screen.line import visible
from ork.objects.kinds import OWN_OPTIONS, Deploy, Operation
from ork.objects.value import replace
from ork.store.store import Stamp
from tests.cli.naughty import NAUGHTY
from tests.conftest import START


@pytest.fixture
def moved(history):
    """The world of `history` with a tag, a rollback and an undo of it."""
    history("tag", "v1", "etl~1")
    history("rollback", "etl", "~2", "-m", "It's broken; back")
    history("undo")
    return history


def test_operations_newest_first(moved, golden):
    result = moved("ops")
    assert (result.code, result.err) == (0, "")
    golden("ops/all.txt", result.out)
    assert moved("ops", "-n", "1").out == "".join(result.out.splitlines(keepends=True)[:2])


@pytest.mark.parametrize("own", [(), ("-C", "undo"), ("--at-op=@", "--color", "undo"), ("-V",)])
@pytest.mark.parametrize("words", [("deploy", "undo"), ("tag", "undo", "--redo"), ("rollback",)])
def test_what_an_operation_did_is_told_by_its_command_alone(own, words):
    operation = Operation(
        argv=("ork", *own, *words), author="Ada", moves=(), parent=None, time=START
    )
    assert operation.words == words


def test_options_with_a_value_before_the_command_are_known():
    taken = {name for param in program().params for name in param.opts if not param.is_flag}
    assert taken == set(OWN_OPTIONS)


@pytest.mark.parametrize("label", ["undo", "redo"])
def test_a_word_that_a_user_chose_is_no_undo(history, label):
    history.write("undo/empty", "")
    before = history("rev-parse", "etl").out
    assert history("-C", "undo", "rollback", "etl", "~1", "-m", "undo").code == 0
    assert history("tag", label, "etl").code == 0
    assert f"etl@{label}" in history("undo").out
    assert history("undo").code == 0
    assert history("rev-parse", "etl").out == before
    assert history("undo", "--redo").code == history("undo", "--redo").code == 0
    assert history("undo", "--redo").code == 3


OTHER = "name: {}\ntasks: {{t: {{executor: process, command: echo {}}}}}\n"


def test_operations_of_one_workflow_by_somebody_at_some_time(history, golden):
    history.write("other.yaml", OTHER.format("other", 1))
    assert history("deploy", "etl.yaml", "other.yaml").code == 0
    history("tag", "v1", "etl")
    history.environ |= {"ORK_AUTHOR_NAME": "Bob", "ORK_AUTHOR_EMAIL": "bob@example.org"}
    history.write("other.yaml", OTHER.format("other", 2))
    history.write("more.yaml", OTHER.format("more", 1))
    assert history("deploy", "other.yaml", "more.yaml").code == 0
    assert history("mv", "other", "else").code == 0
    golden("ops/of_one.txt", history("ops", "else").out)
    assert history("ops", "etl").out.count("\n") == 2 * 4
    for words, count in (("(?i)ada", 5), ("^Bob", 2), ("Ada else", 1)):
        told = json.loads(history("ops", "--author", *words.split(), "--json").out)
        assert len(told["data"]) == count, words
    times = [one["operation"]["time"] for one in json.loads(history("ops", "--json").out)["data"]]
    assert history("ops", "--since", times[1]).out.count("ork ") == 2
    assert history("ops", "--until", times[1], "-n", "9").out.count("ork ") == len(times) - 1
    assert history("ops", "--author", "Carol").err == "no operations\n"
    assert history("ops", "--author", "(").code == 2
    refused = history("ops", "esle")
    assert (refused.code, "did you mean else?" in refused.err) == (3, True)


def test_a_move_between_deploys_of_one_snapshot_says_what_changed(history, edit):
    edit("etl.yaml", "@daily", "@hourly")
    assert history("deploy", "etl.yaml").code == 0
    snapshot = history("log", "-n", "1").out.split()[1][:8]
    assert history("ops", "-n", "1").out.splitlines()[1].split("  ")[-1] == (
        f"{snapshot} (schedule changed)"
    )
    assert f"{snapshot} (schedule changed)" in history("undo").out
    history("tag", "prod", "@{1}")
    history("tag", "-f", "prod", "@{1}")


def test_a_long_command_fits_a_terminal_and_is_whole_elsewhere(history, terminal):
    words = "It " + "really " * 20 + "is"
    history("rollback", "etl", "~1", "-m", words)
    lines = terminal("--color", "never", "ops", "-n", "1").splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert words in history("ops", "-n", "1").out


def test_operations_as_json(moved, golden):
    golden("ops/two.json", moved("ops", "-n", "2", "--json").out)


def test_operations_on_a_terminal(moved, terminal):
    shown = terminal("ops", "-n", "1")
    assert "\x1b[" in shown
    assert "ago" in shown


def test_no_operations(ork):
    ork("init")
    result = ork("ops")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no operations: nothing is deployed here yet\n"
    assert ork("undo").code == 3


def test_undo_says_what_moved_back(moved, golden):
    result = moved("undo", "--redo")
    assert result.code == 0
    golden("undo/redo.txt", result.out + result.err)
    assert moved("log", "etl", "-n", "1", "--oneline").out.count("It's broken") == 1
    golden("undo/tag.json", moved("undo", "@{3}", "--json").out)


def test_a_ref_that_moved_since_is_said(moved, golden):
    result = moved("undo", "@{1}")
    assert (result.code, result.out) == (5, "")
    golden("undo/undone_already.txt", result.err)
    moved("deploy", "etl.yaml")
    moved("rollback", "etl", "~1", "-m", "Back again")
    result = moved("undo", "@{2}")
    assert (result.code, result.out) == (5, "")
    golden("undo/moved_since.txt", result.err)


def test_the_first_deploy_is_undone_and_its_runs_stay(etl, golden):
    etl("run", "etl.yaml")
    result = etl("undo")
    assert result.code == 0
    golden("undo/first_deploy.txt", result.out + result.err)
    assert etl("runs", "etl").out.count("etl#1") == 1
    assert etl("show", "etl#1").code == 0
    golden("undo/no_head.txt", etl("log", "etl").err)
    assert etl("status").out.split()[:2] == ["new", "etl.yaml"]
    assert etl("undo", "--redo").code == 0
    assert etl("status").out.split()[:2] == ["unchanged", "etl.yaml"]


def test_of_one_operation_what_it_did_to_some_workflows_is_undone(ork, golden):
    for number in (1, 2):
        for name in ("a", "b", "c"):
            ork.write(f"{name}.yaml", OTHER.format(name, number))
        assert ork("deploy", ".").code == 0
    ork.write("b.yaml", OTHER.format("b", 3))
    assert ork("deploy", "b.yaml").code == 0
    refused = ork("undo", "@{1}")
    assert refused.code == 5
    (rest,) = re.findall("; `ork (undo [^`]*)`", refused.err)
    assert rest.split()[2:] == ["a", "c"]
    done = ork(*rest.split())
    assert done.code == 0
    golden("undo/some.txt", refused.err + done.out + done.err)
    assert [ork("show", f"{name}:").out.split()[-1] for name in "abc"] == ["1}}", "3}}", "1}}"]
    assert ork("undo", "--redo").code == 0
    assert [ork("show", f"{name}:").out.split()[-1] for name in "abc"] == ["2}}", "3}}", "2}}"]
    refused = ork("undo", "@{1}", "a", "elsewhere")
    assert (refused.code, "moved nothing of elsewhere" in refused.err) == (3, True)
    assert ork("mv", "a", "new").code == 0
    refused = ork("undo", "@", "new")
    assert (refused.code, "which is undone as a whole" in refused.err) == (2, True)
    assert ork("undo", "@").code == 0


@pytest.mark.parametrize("argv", [["@{99}"], ["abcd"], ["etl"], [""], ["@{soon}"]])
def test_what_is_no_operation(moved, argv):
    result = moved("undo", *argv)
    assert result.code in (2, 3)
    assert "hint: " in result.err


def test_reading_at_an_operation(moved, golden):
    golden("ops/log_then.txt", moved("--at-op", "@{4}", "log", "--oneline").out)
    assert moved("--at-op", "@{5}", "tag").err == "no tags\n"
    then = json.loads(moved("--at-op", "@{4}", "ops", "--json").out)["data"]
    assert then == json.loads(moved("ops", "--json").out)["data"][4:]
    head = moved("--at-op", then[0]["oid"][:8], "rev-parse", "etl").out
    assert head == moved("rev-parse", "etl@{3}").out
    assert moved("--at-op", "@{77}", "log").code == 3


def test_what_writes_is_refused_at_an_operation(moved, golden):
    before = moved("ops").out
    for argv in (
        ["deploy", "etl.yaml"],
        ["run", "etl"],
        ["undo"],
        ["rollback", "etl"],
        ["tag", "v9"],
        ["tag", "-d", "v1"],
        ["retry", "etl"],
        ["init"],
    ):
        result = moved("--at-op", "@{1}", *argv)
        assert (result.code, result.out) == (2, "")
        assert "read" in result.err
    golden("ops/deploy_then.txt", moved("--at-op", "@", "deploy", "etl.yaml").err)
    assert moved("ops").out == before
    assert {"deploy", "run", "undo", "rollback"} <= set(WRITERS)
    assert moved("--at-op", "@{1}", "restore", "etl", "-o", "old.yaml").code == 0


def test_a_command_with_strange_words_is_quoted_and_seen(history):
    history("tag", "v1", "-f")
    history("rollback", "etl", "~1", "-m", "a 'b' \x1b[31m\nc")
    line = history("ops", "-n", "1").out.splitlines()[0]
    assert line.endswith("""ork rollback etl '~1' -m 'a '"'"'b'"'"' ^[[31m^Jc'""")


@pytest.mark.parametrize("text", NAUGHTY.values(), ids=NAUGHTY)
def test_authors_messages_and_commands_cannot_paint(history, opened, text):
    store = opened()
    head = store.ref("workflows/etl")
    who = Stamp(time=START, author=text, argv=("ork", text))
    with store.transaction(who) as tx:
        old = store.get(Deploy, head)
        new = tx.add(replace(old, message=text, author=text, parents=(head,), settings={}))
        tx.move("workflows/etl", old=head, new=new)
    shown = [history("ops").out]
    for argv in (
        ["tag", "v1"],
        ["tag"],
        ["tag", "-d", "v1"],
        ["rollback", "etl", "~1"],
        ["rollback", "etl", "~1", "-m", text],
        ["show", "etl"],
        ["undo", "@{5}"],
        ["undo"],
        ["ops"],
    ):
        result = history(*argv)
        assert "Traceback" not in result.err
        shown += [result.out, result.err]
    for line in "".join(shown).split("\n"):
        assert visible(line) == line
        assert len(line) < 2000


def test_an_undo_says_that_the_file_has_still_what_was_undone(etl, edit):
    assert etl("deploy", "etl.yaml").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "etl.yaml").code == 0
    note = "etl.yaml, or code that it calls, is not as in this version: `ork restore etl --code`"
    assert note in etl("undo").err
    assert "note" not in etl("undo", "--redo").err
    etl("undo")
    assert etl("restore", "etl", "--code", "--force").code == 0
    assert etl("status").out.startswith("unchanged")


def test_where_all_was_undone_the_way_back_is_named(etl):
    assert etl("init").code == 0
    assert "nothing is deployed here yet" in etl("log").err
    assert etl("deploy", "etl.yaml").code == 0
    etl("undo")
    for words in (("log",), ("show",), ("rollback", "etl"), ("show", "nosuch")):
        done = etl(*words)
        assert done.code == 3 and "`ork undo --redo` takes back the newest undo" in done.err, words


def test_what_was_undone_in_parts_is_undone_further(ork):
    for number in (1, 2):
        for name in ("p", "q"):
            ork.write(f"{name}.yaml", OTHER.format(name, number))
        assert ork("deploy", ".", "-m", str(number)).code == 0
    assert ork("undo", "@", "p").code == 0
    rest = ork("undo")
    assert rest.code == 0 and " q " in rest.out and " p " not in rest.out
    assert [ork("show", f"{name}:").out.split()[-1] for name in "pq"] == ["1}}", "1}}"]
    assert ork("undo", "--redo").out.count("  q  ") == 1
    assert ork("undo", "--redo").out.count("  p  ") == 1
    assert [ork("show", f"{name}:").out.split()[-1] for name in "pq"] == ["2}}", "2}}"]
    for _ in ("the second redo", "the first", "the first deploy"):
        assert ork("undo").code == 0
    assert "nothing is deployed here" in ork("log").err
    assert "there is nothing to undo" in ork("undo").err


def test_gc_does_not_stand_in_the_way_of_an_undo(history):
    assert history("undo").code == 0
    assert history("gc", "--prune", "--undo-days", "0").code == 0
    done = history("undo")
    assert done.code == 0
    assert "note: `ork gc --prune --undo-days 0` came later: what that took away" in done.err


def test_a_workflow_in_the_place_of_an_operation_is_told(history):
    told = history("undo", "etl")
    assert (told.code, "`ork undo @ etl` takes back what the newest did" in told.err) == (3, True)
    assert history("remote", "add", "origin", "../team").code == 0
    assert "hint: etl is a workflow: `ork push origin etl`" in history("push", "etl").err
