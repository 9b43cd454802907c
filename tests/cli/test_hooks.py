"""Hooks, as they are told: a note when one fails, and what `ork show` has of them."""

import json
import re
from datetime import timedelta

import pytest

from ork.cli.runs import plain
from tests.conftest import START


@pytest.fixture
def flow(ork):
    ork.write(
        "etl.yaml",
        """\
        name: etl
        on_failure: {command: "echo one; echo two; exit 3"}
        on_success: {command: "cat > facts.json"}
        params: {code: {type: int, default: 0}}
        tasks:
          a: {executor: process, command: exit $ORK_IN_code, inputs: {code: {ref: params.code}}}
        """,
    )
    return ork


def test_one_that_fails_is_told_and_changes_no_exit_code(flow, golden):
    done = flow("run", "etl.yaml", "-i", "code=7")
    assert done.code == 1
    golden("hooks/failed.err", done.err)
    shown = flow("show", "etl#1").out
    golden("hooks/show.txt", re.sub(r"(on_failure failed, ).*(, took)", r"\1NOW\2", shown))
    assert json.loads(flow("show", "etl#1", "--json").out)["data"]["hooks"][0]["exit"] == 3


def test_one_that_succeeds_is_told_in_a_line(flow):
    done = flow("run", "etl.yaml")
    assert done.code == 0 and done.err.endswith("on_success of etl#1 was executed\n")
    facts = json.loads((flow.folder / "facts.json").read_text())
    assert facts["name"] == "etl#1" and facts["run"]["state"] == "success"
    (run,) = json.loads(flow("runs", "--json").out)["data"]
    assert facts["params"] == run["params"] == {"code": 0}
    assert flow("run", "etl.yaml", "-q").err == ""
    assert flow("retry", "etl#1", "--only", "a", "-q").err == ""


def test_one_that_takes_long_is_told_while_it_does(flow, edit, monkeypatch):
    monkeypatch.setattr(plain, "HOOK_SILENT_S", 0.01)
    edit("etl.yaml", "cat > facts.json", "sleep 0.3")
    told = flow("run", "etl.yaml").err.splitlines()
    assert told[-2:] == [
        "note: a hook of etl#1 goes on, for 5 minutes at most; Ctrl-C stops it",
        "on_success of etl#1 was executed",
    ]


def test_their_variables_say_of_which_run_they_are(flow, edit):
    edit("etl.yaml", "cat > facts.json", "echo $ORK_HOOK $ORK_RUN_NAME $ORK_RUN_STATE $ORK_RUN_ID")
    told = flow("run", "etl.yaml").err
    assert told.endswith("on_success of etl#1 was executed; `ork show etl#1` has what it printed\n")
    (run,) = json.loads(flow("runs", "--json").out)["data"]
    hook = json.loads(flow("show", "etl#1", "--json").out)["data"]["hooks"][0]
    assert hook["output"] == f"on_success etl#1 success {run['run']['id']}\n"


def test_all_that_is_kept_of_what_they_printed_is_shown(flow, edit):
    edit("etl.yaml", "cat > facts.json", "seq 2000; printf '10%%\\\\r20%%\\\\n\\\\n  é'")
    flow("run", "etl.yaml")
    kept = json.loads(flow("show", "etl#1", "--json").out)["data"]["hooks"][0]["output"]
    printed = flow("show", "etl#1").out.partition("    printed ")[2].splitlines()
    assert len(printed) > 800 and printed[-4:-1] == [" " * 12 + "2000", " " * 12 + "20%", " " * 12]
    assert [line[12:] for line in printed[1:-3]] == kept.split("\n")[1:-3]
    assert printed[-1] == " " * 12 + "  é"


def test_they_are_events_as_well(flow):
    lines = flow("run", "etl.yaml", "--json").out.splitlines()
    last = json.loads(lines[-1])
    assert last["event"] == "HookFinished" and last["which"] == "on_success"


def test_a_retry_has_its_own(flow):
    flow("run", "etl.yaml", "-i", "code=7")
    flow("retry", "etl#1")
    hooks = json.loads(flow("show", "etl#1", "--json").out)["data"]["hooks"]
    assert [(hook["attempt"], hook["which"]) for hook in hooks] == [
        (1, "on_failure"),
        (2, "on_failure"),
    ]


def test_one_that_failed_has_a_mark_in_lists(flow):
    flow("run", "etl.yaml")
    flow("run", "etl.yaml", "-i", "code=7")
    assert (
        re.sub(r"\d+ms", "TIME", flow("runs").out)
        .splitlines()[0]
        .endswith("TIME  hook on_failure failed  code=7  a: exited with code 7")
    )
    assert flow("runs").out.count("hook") == 1
    listed = json.loads(flow("runs", "--json").out)["data"]
    assert [one["failed_hooks"] for one in listed] == [["on_failure"], []]


def test_they_can_be_left_out(flow):
    flow("run", "etl.yaml", "--no-hooks")
    assert not (flow.folder / "facts.json").exists()
    assert flow("retry", "etl#1", "--no-hooks", "--only", "a").code == 0
    assert not (flow.folder / "facts.json").exists()


def test_one_that_has_just_begun_is_told_to_go_on(flow, opened):
    flow("run", "etl.yaml")
    store = opened()
    ((ref, oid),) = store.refs("hooks/")
    hook = json.loads(store.blob(oid))
    goes_on, unknown = "seconds ago; it goes on, unless its ork was killed", "its end is not known"
    for seconds, words in ((42, goes_on), (301, unknown)):
        flow._seconds = 400
        started = START + timedelta(seconds=400 - seconds)
        begun = hook | {"state": None, "started": f"{started:%FT%TZ}"}
        with store.transaction() as tx:
            tx.move(f"hooks/{ref}", old=store.ref(f"hooks/{ref}"), new=tx.add_value(begun))
        assert words in flow("show", "etl#1").out
