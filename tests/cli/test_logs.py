"""ork logs"""

import json

import pytest


def test_logs_of_a_run_follow_each_other(ran, golden):
    result = ran("logs", "etl#1")
    assert (result.code, result.err) == (0, "")
    golden("logs/run.txt", result.out)
    golden("logs/run.json", ran("logs", "etl#1", "--json").out)


def test_a_workflow_means_its_newest_run(ran):
    assert ran("logs", "etl").out == ran("logs", "etl#2").out == ran("logs").out
    assert ran("logs", "etl~1").out == ran("logs", "etl#1").out


def test_one_log_comes_as_it_is(ran):
    assert ran("logs", "etl#2:load").out == 'loading {"rows": 4}\n'
    run = json.loads(ran("runs", "-n", "1", "--json").out)["data"][0]["run"]["id"]
    assert ran("logs", f"run:{run}:load").out == 'loading {"rows": 4}\n'


def test_only_what_failed(ran):
    assert ran("logs", "etl#2", "--failed").out.splitlines()[0] == "==> load (attempt 1) <=="
    assert ran("logs", "etl#1", "--failed").out == ""


def test_one_of_several_attempts(etl):
    etl.write(
        "etl.yaml",
        """\
        name: etl
        tasks:
          flaky: {executor: process, command: 'echo try $ORK_ATTEMPT; exit 1', retries: 1}
        """,
    )
    assert etl("run", "etl.yaml").code == 1
    assert etl("logs", "etl:flaky").out == "try 2\n"
    assert etl("logs", "etl:flaky", "--attempt", "1").out == "try 1\n"
    result = etl("logs", "etl:flaky", "--attempt", "3")
    assert (result.code, result.out) == (3, "")
    assert "no attempt 3" in result.err
    assert etl("logs", "etl:flaky", "--attempt", "0").code == 2


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("etl#9", "the newest is etl#2"), ("etl:lod", "has no task 'lod'"),
        ("elt", "did you mean etl?"), ("etl~3", "has not run"),
    ],
)  # fmt: skip
def test_logs_that_are_not_there(ran, revision, message):
    result = ran("logs", revision)
    assert (result.code, result.out) == (3, "")
    assert message in result.err


def test_no_run_yet(etl):
    etl("deploy", "etl.yaml")
    result = etl("logs")
    assert result.code == 3
    assert "has not run" in result.err
