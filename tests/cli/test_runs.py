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
    assert (result.code, result.out, result.err) == (0, "", "no runs\n")
    assert json.loads(etl("runs", "--json").out)["data"] == []


def listed(ork, *words):
    """Return the names of the runs that a command lists, which must succeed."""
    result = ork("runs", *words)
    assert (result.code, result.err) == (0, "" if result.out else "no runs\n")
    return [line.split()[1] for line in result.out.splitlines()]


def test_runs_by_what_they_executed(ran, golden):
    ran("run", "etl~1")
    assert listed(ran, "--snapshot", "etl") == ["etl#2"]
    assert listed(ran, "--snapshot", "etl#1") == ["etl#3", "etl#1"]
    assert listed(ran, "--containing", "etl:extract") == ["etl#3", "etl#2", "etl#1"]
    assert listed(ran, "--containing", "etl#1:extract", "-n", "1") == ["etl#3"]
    assert listed(ran, "--containing", "etl~1:load.sh", "--status", "success") == ["etl#3", "etl#1"]
    assert listed(ran, "--containing", "etl~3:extract") == []
    golden("runs/containing.txt", ran("runs", "etl", "--containing", "etl:load.sh").out)


def test_an_unattached_run_is_found_by_what_it_executed(ran, edit):
    edit("load.sh", "exit 7", "exit 8")
    ran("run", "etl.yaml", "--no-deploy")
    assert listed(ran, "--containing", "etl#3:load.sh") == ["etl#3"]
    assert listed(ran, "--snapshot", "etl#3") == ["etl#3"]
    assert listed(ran, "--containing", "file:etl.yaml:load.sh") == ["etl#3"]


def test_runs_since_and_until(ran):
    assert listed(ran, "--since", "2026-11-01T12:00:10") == ["etl#2"]
    assert listed(ran, "--until", "2026-11-01T12:00:10") == ["etl#1"]
    assert listed(ran, "--since", "yesterday", "--until", "2026-11-01") == ["etl#2", "etl#1"]
    assert listed(ran, "--since", "2026-11-02") == []


def test_what_cannot_be_looked_for(ran):
    result = ran("runs", "--containing", "etl", "--snapshot", "etl")
    assert result.code == 2
    assert "exclude each other" in result.err
    result = ran("runs", "--containing", "etl:")
    assert result.code == 3
    assert "is no task, code file or snapshot" in result.err
    assert ran("runs", "--containing", "etl:nothing").code == 3
    assert "cannot read the time" in ran("runs", "--since", "soon").err
    assert "hint: did you mean `failed`?\n" in ran("runs", "--status", "fail").err
    listed = "hint: say one of running, success, failed, cancelled, interrupted\n"
    assert listed in ran("runs", "--status", "pending").err


def test_runs_by_their_parameters(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        params: {day: {type: str, default: "2026-11-01"}}
        tasks: {a: {executor: process, command: 'true'}}
        """,
    )
    assert ork("run", "etl.yaml").code == 0
    assert ork("run", "etl", "-i", "day=2026-11-02").code == 0
    assert listed(ork, "-i", "day=2026-11-02") == ["etl#2"]
    assert listed(ork, "etl", "-i", "day=2026-11-01") == ["etl#1"]
    none = ork("runs", "-i", "day=2026-11-01", "-i", "hour=3")
    told = "no runs\nnote: no run had a parameter named 'hour'\nhint: there are: day\n"
    assert (none.code, none.out, none.err) == (0, "", told)
    named = ork("runs", "-i", "dya=2026-11-02")
    assert (named.code, named.out) == (0, "")
    told = "no runs\nnote: no run had a parameter named 'dya'\nhint: did you mean day?\n"
    assert named.err == told
    assert ork("runs", "-i", "day=2026-11-09").err == "no runs\n"
    wrong = ork("runs", "-i", "day")
    assert (wrong.code, wrong.err.splitlines()[0]) == (2, "error: -i day: say NAME=VALUE")
