"""ork run"""

import json


def test_a_run_of_a_revision(history, golden, masked):
    result = history("run", "etl", "-j", "1")
    assert result.code == 0
    golden("run/success.out", masked(result.out))
    golden("run/success.err", masked(result.err))


def test_a_run_of_a_file_deploys_first(etl, golden, masked):
    result = etl("run", "etl.yaml", "-m", "First", "-j", "1")
    assert result.code == 0
    golden("run/file.out", masked(result.out))
    golden("run/file.err", masked(result.err))
    again = etl("run", "etl.yaml")
    assert "First" not in again.err
    assert len(json.loads(etl("log", "--json").out)["data"]) == 1


def test_a_run_that_fails(etl, golden, masked):
    etl.write("load.sh", "#!/bin/sh\necho one\necho two >&2\nexit 7\n", executable=True)
    result = etl("run", "etl.yaml", "-j", "1")
    assert result.code == 1
    golden("run/failure.out", masked(result.out))
    golden("run/failure.err", masked(result.err))


def test_events_are_one_json_a_line(history, golden, masked):
    result = history("run", "etl", "-j", "1", "--json")
    assert (result.code, result.err) == (0, "")
    golden("run/events.json", masked(result.out))
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["event"] for event in events] == [
        "RunStarted",
        "TaskStarted",
        "TaskFinished",
        "TaskStarted",
        "TaskFinished",
        "RunFinished",
    ]
    assert {event["schema"] for event in events} == {"ork.run.v1"}


def test_an_old_revision_runs_with_its_own_code(history):
    assert history("run", "etl~2").code == 0
    assert history("run", "etl").code == 0
    outputs = [
        json.loads(history("show", f"etl#{n}:extract", "--json").out)["data"]["output"]
        for n in (1, 2)
    ]
    assert outputs == [{"rows": 3}, {"rows": 4}]


def test_a_deployed_workflow_runs_when_its_file_is_gone(history):
    (history.folder / "etl.yaml").unlink()
    (history.folder / "load.sh").unlink()
    assert history("run", "etl").code == 0
    assert history("run", "etl#1").code == 0


def test_what_cannot_be_run(etl, broken):
    assert etl("run", "etl").code == 3
    result = etl("run", "nowhere.yaml")
    assert result.code == 3
    assert not (etl.folder / ".ork").exists()
    assert etl("run", "broken.yaml").code == 3
    etl("deploy", "etl.yaml")
    result = etl("run", "etl:extract")
    assert result.code == 3
    assert "etl:extract is a task" in result.err
    assert etl("run", "etl", "-j", "0").code == 2
