"""ork workflows"""

import json
import re
import shlex
from collections.abc import Callable
from datetime import timedelta

import pytest

from ork.daemon import fires
from ork.heads.workflows import workflow_list
from tests.cli.screen import TERMINAL, on_terminal
from tests.conftest import START, Ork, Steps

FLOW = """\
    name: {name}
    {schedule}
    tasks:
      one: {{executor: process, command: "{command}"}}
      two: {{executor: process, command: "true"}}
"""


@pytest.fixture
def flows(ork: Ork, once: Callable[[str, Steps], None]) -> Ork:
    """One that failed and has tags, one that is paused, one that nobody has run."""
    once("flows", lambda: make_flows(ork))
    return ork


def make_flows(ork: Ork) -> None:
    for name, schedule, command in (
        ("etl", 'schedule: ["0 2 * * *", {every: 6h}]', "exit 1"),
        ("report", "schedule: '@weekly'", "true"),
        ("by_hand", "", "true"),
    ):
        ork.write(f"{name}.yaml", FLOW.format(name=name, schedule=schedule, command=command))
        assert ork("deploy", f"{name}.yaml").code == 0
    assert ork("run", "report").code == 0
    assert ork("run", "etl").code == 1
    for label in ("v1", "prod"):
        assert ork("tag", label, "etl").code == 0
    assert ork("schedule", "pause", "report").code == 0


def test_a_row_for_each(flows, golden):
    golden("workflows/list.txt", flows("workflows").out)
    document = flows("workflows", "--json").out
    golden("workflows/list.json", re.sub('"ended": ".*"', '"ended": "NOW"', document))
    flows.environ |= TERMINAL
    for wide in (60, 100, 160):
        golden(f"workflows/list.{wide}.txt", on_terminal(flows, wide, "workflows").text + "\n")


def test_a_long_name_leaves_room_for_when_it_runs(ork):
    name = "slow-warehouse-export-nightly-of-the-east"
    text = FLOW.format(name=name, schedule="schedule: {every: 6h}", command="exit 1")
    ork.write("flow.yaml", text)
    assert ork("run", "flow.yaml").code == 1
    ork.environ |= TERMINAL
    row, *_ = on_terminal(ork, 60, "workflows").text.splitlines()
    assert len(row) <= 60 and re.match(r"slow-\S+  #1 failed  \S+ ago  in \d", row)
    assert on_terminal(ork, 100, "workflows").text.startswith(name)
    *slots, _ = on_terminal(ork, 60, "schedule", "next", "-n", "2").text.splitlines()
    assert [len(line) for line in slots] == [60, 60]
    assert all(re.search(r"  slow-\w+\S*\.\.\.\S*-east$", line) for line in slots)
    assert ork("mv", name, "export").code == 0
    row, *_ = on_terminal(ork, 60, "workflows").text.splitlines()
    assert re.match(r"export  slow-\S+\.\.\.-east#1 failed  \S+ ago  in ", row)


def test_a_tag_of_an_earlier_deploy_is_not_shown(flows):
    flows.write("etl.yaml", FLOW.format(name="etl", schedule="", command="true"))
    assert flows("deploy", "etl.yaml").code == 0
    first = json.loads(flows("workflows", "--json").out)["data"][1]
    assert (first["workflow"], first["tags"], first["next"]) == ("etl", [], None)


def test_a_run_of_another_version_than_the_newest_says_so(flows):
    flows.write("report.yaml", FLOW.format(name="report", schedule="", command="exit 1"))
    assert flows("run", "report.yaml").code == 1
    assert flows("run", "report#1").code == 0
    assert "report   #3 success of another version  " in flows("workflows").out
    last = [one["last"] for one in json.loads(flows("workflows", "--json").out)["data"]]
    assert [one and one["other_version"] for one in last] == [None, False, True]


def test_at_most_so_many(flows):
    assert [line.split()[0] for line in flows("workflows", "-2").out.splitlines()] == [
        "by_hand",
        "etl",
    ]


def test_one_is_archived_and_taken_out_again(flows, golden):
    story = ("archive etl", "archive etl", "workflows", "workflows --all", "runs", "runs --all")
    story += ("status", "deploy etl.yaml", "schedule list etl", "ops -n 1")
    story += ("archive --undo etl", "archive --undo etl", "ops -n 1")
    told = []
    for line in story:
        if line.startswith("deploy"):
            flows.write("etl.yaml", FLOW.format(name="etl", schedule="", command="true"))
        result = flows(*line.split())
        assert result.code == (3 if line.startswith("deploy") else 0)
        told.append(f"$ ork {line}\n{result.out}{result.err}")
    golden("workflows/archive.txt", "".join(told))
    assert flows("deploy", "etl.yaml").code == 0


def test_a_run_of_an_archived_one_says_so(flows):
    flows("archive", "by_hand")
    (flows.folder / "by_hand").mkdir()  # a folder of its name does not hide it
    note = "note: by_hand is archived: `ork runs by_hand` lists its runs, `ork archive --undo"
    for words in ("run by_hand", "run -q by_hand", "run -q by_hand.yaml", "run --queue by_hand"):
        done = flows(*words.split())
        assert (done.code, done.err.count(note)) == (0, 1), words
    assert note not in flows("run", "--json", "by_hand").err
    waits = "note: what waits for `ork up` begins all the same: `ork cancel --queue by_hand` takes"
    assert waits in flows("archive", "by_hand").err
    assert flows("cancel", "--queue", "by_hand").code == 0
    assert waits not in flows("archive", "by_hand").err
    assert "by_hand#1 " in flows("runs", "by_hand").out and "by_hand" not in flows("runs").out


def test_archived_as_json(flows, golden):
    golden("workflows/archive.json", flows("archive", "by_hand", "--json").out)
    golden("workflows/unarchive.json", flows("archive", "by_hand", "--undo", "--json").out)


def test_when_all_are_archived_that_is_said(flows):
    for name in ("etl", "report", "by_hand"):
        flows("archive", name)
    assert flows("workflows").err == "note: all are archived: `ork workflows --all`\n"
    told = "error: all workflows are archived\nhint: `ork workflows --all` lists them\n"
    assert flows("log").err == flows("show").err == told
    assert flows("completion", "fish", "--line", "ork runs ").out.splitlines() == []
    undo = flows("completion", "fish", "--line", "ork archive --undo ").out
    assert [line.split("\t")[0] for line in undo.splitlines()] == ["by_hand", "etl", "report"]


def test_a_workflow_takes_another_name(flows, golden):
    story = ("mv etl load", "workflows", "log load --oneline", "runs load", "show load@v1", "tag")
    story += ("log etl", "ops -n 1", "mv load report", "undo", "mv none other", "mv etl 'a b'")
    told = []
    for line in story:
        result = flows(*shlex.split(line))
        told.append(f"$ ork {line}\n{result.out}{result.err}")
    golden("workflows/mv.txt", "".join(told))
    golden("workflows/mv.json", flows("mv", "etl", "load", "--json").out)
    flows.write("etl.yaml", FLOW.format(name="load", schedule="", command="exit 1"))
    assert flows("run", "load").out.count("load#2")
    assert flows("deploy", "etl.yaml").code == 0


def test_a_changed_name_may_mean_two_things(flows, golden):
    flows.write("etl.yaml", FLOW.format(name="load", schedule="", command="exit 1"))
    story = ("status", "status -s", "deploy etl.yaml", "run etl.yaml", "mv etl load", "status")
    story += ("deploy etl.yaml",)
    told = []
    for line in story:
        result = flows(*line.split())
        told.append(f"$ ork {line}\n{result.out}{result.err}")
    golden("workflows/name.txt", "".join(told))
    assert flows("run", "etl.yaml").out.startswith("load#2 failed")
    assert flows("retry", "etl#1", "--latest").out.startswith("load#3 failed")
    flows.write("etl.yaml", FLOW.format(name="other", schedule="", command="true"))
    assert flows("deploy", "--new", "etl.yaml").code == 0
    assert flows("log", "load", "--oneline").code == flows("deploy", "etl.yaml").code == 0


def test_a_file_of_another_path_and_name_may_mean_two_things(flows, golden, monkeypatch):
    """Where one workflow has lost its file, and the new one has the same tasks."""
    (flows.folder / "etl.yaml").unlink()
    flows.write("sub/load.yaml", FLOW.format(name="load", schedule="", command="exit 1"))
    there = flows("-C", "sub", "deploy", "load.yaml")
    assert "`ork -C sub deploy --new load.yaml` makes another workflow" in there.err
    monkeypatch.chdir(flows.folder)
    story = ("status", "deploy sub/load.yaml", "run sub/load.yaml", "mv etl load")
    story += ("deploy sub/load.yaml --move", "status")
    told = []
    for line in story:
        result = flows(*line.split())
        told.append(f"$ ork {line}\n{result.out}{result.err}")
    golden("workflows/path_and_name.txt", "".join(told))
    (flows.folder / "sub/load.yaml").unlink()
    flows.write("other.yaml", FLOW.format(name="other", schedule="", command="exit 1"))
    assert flows("deploy", "other.yaml").code == 3
    flows.write("load.yaml", FLOW.format(name="load", schedule="", command="exit 1"))
    assert flows("deploy", "load.yaml", "other.yaml").code == 0
    (flows.folder / "load.yaml").unlink()
    flows.write("next.yaml", FLOW.format(name="next", schedule="", command="exit 1"))
    assert flows("deploy", "next.yaml").code == 3
    assert flows("deploy", "next.yaml", "--new").code == 0
    for name in ("by_hand", "report"):
        (flows.folder / f"{name}.yaml").unlink()
    flows.write("third.yaml", FLOW.format(name="third", schedule="", command="true"))
    assert flows("deploy", "third.yaml").code == 0, "either may be meant, or none"


def test_the_only_one_needs_no_name_of_its_own(ork):
    ork.write("etl.yaml", FLOW.format(name="etl", schedule="schedule: '@daily'", command="exit 1"))
    assert ork("run").code == 1
    for words in (
        "ops {}",
        "runs {}",
        "runs {} --tasks",
        "schedule list {}",
        "schedule next {}",
        "retry --failed {} --since 1h --dry-run",
        "export git --stream {}",
        "tag -l {}",
    ):
        meant, by_name = (ork(*words.format(name).split()) for name in ("@", "etl"))
        assert meant.out == by_name.out and meant.code == 0, (words, meant.err)
    assert ork("schedule", "pause", "@").out == "etl is paused\n"
    assert ork("mv", "@", "load").out == "etl is load now\n"
    assert ork("archive", "@").out == "load is archived\n"


def test_none(ork):
    ork("init")
    assert (ork("workflows").out, ork("workflows").err) == ("", "no workflows\n")


def test_what_is_due_is_in_json_and_in_short_as_on_the_screen(flows, opened):
    flows._seconds += 24 * 3600
    assert "due 2026-11-01 18:00" in flows("workflows").out
    rows = {row["workflow"]: row for row in json.loads(flows("workflows", "--json").out)["data"]}
    assert rows["etl"]["due"] == "2026-11-01T18:00:00Z"
    assert [rows[name]["due"] for name in ("report", "by_hand")] == [None, None]
    now = START + timedelta(days=1)
    found = fires.with_due(opened(), [*workflow_list(opened(), now=now)], now)
    (short,) = (repr(one) for one in found if one.workflow == "etl")
    assert "due 2026-11-01 18:00" in short
