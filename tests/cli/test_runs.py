"""ork runs"""

import json


def test_runs_newest_first(ran, golden, masked):
    result = ran("runs", "etl")
    assert (result.code, result.err) == (0, "")
    golden("runs/two.txt", result.out)
    golden("runs/two.json", masked(ran("runs", "etl", "--json").out))
    assert ran("runs").out == result.out


def test_filters(ran):
    assert len(ran("runs", "-n", "1").out.splitlines()) == 1
    assert "etl#2" in ran("runs", "--status", "failed").out
    assert "etl#1" not in ran("runs", "--status", "failed").out
    both = ran("runs", "--status", "failed", "--status", "success").out
    assert len(both.splitlines()) == 2
    assert ran("runs", "--status", "cancelled").out == ""


def test_runs_of_all_workflows_are_merged_by_time(ran):
    ran.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: 'true'}}\n")
    ran("run", "other.yaml")
    ran("run", "etl~1")
    data = json.loads(ran("runs", "--json").out)["data"]
    names = [f"{entry['run']['workflow']}#{entry['run']['number']}" for entry in data]
    assert names == ["etl#3", "other#1", "etl#2", "etl#1"]


def test_an_unknown_state_or_workflow(ran):
    result = ran("runs", "--status", "broken")
    assert result.code == 2
    assert "interrupted" in result.err
    result = ran("runs", "elt")
    assert result.code == 3
    assert "did you mean etl?" in result.err


def test_no_runs(etl):
    etl("deploy", "etl.yaml")
    result = etl("runs", "etl")
    assert (result.code, result.out) == (0, "")
    assert json.loads(etl("runs", "--json").out)["data"] == []
