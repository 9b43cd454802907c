"""Going on with a run: who may, what is kept, and what the record says afterwards."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Ork
from tests.runner.suite import Project, eventually, shell

FLOW = """\
    name: flow
    tasks:
      a: {executor: process, command: "echo a >> done; echo 'ORK_OUTPUT:{\\"n\\": 1}'"}
      b: {executor: process, command: "echo b >> done; echo b$ORK_ATTEMPT; test -e fixed",
          depends_on: [a]}
      c: {executor: process, command: "echo c >> done", depends_on: [b]}
      aside: {executor: process, command: "echo aside >> done"}
"""


@pytest.fixture
def failed(ork: Ork) -> Ork:
    """A world with a run in which b failed; it would succeed by now."""
    ork.write("flow.yaml", FLOW)
    assert ork("run", "flow.yaml", "-j", "1").code == 1
    ork.write("fixed", "")
    return ork


def tasks(ork: Ork, run: str = "flow#1") -> dict[str, dict]:
    shown = json.loads(ork("show", run, "--json").out)["data"]["tasks"]
    return {name: task["taskrun"] for name, task in shown.items()}


def done(ork: Ork) -> list[str]:
    return (ork.folder / "done").read_text().split()


def test_only_what_did_not_succeed_runs_again(failed: Ork) -> None:
    assert sorted(done(failed)) == ["a", "aside", "b"]
    assert failed("retry", "flow#1").code == 0
    assert sorted(done(failed)) == ["a", "aside", "b", "b", "c"]
    assert {task["state"] for task in tasks(failed).values()} == {"success"}


def test_attempts_and_logs_are_counted_on(failed: Ork) -> None:
    failed("retry", "flow#1")
    attempts = tasks(failed)["b"]["attempts"]
    assert [(a["number"], a["state"]) for a in attempts] == [(1, "failed"), (2, "success")]
    logs = failed.folder / ".ork" / "logs"
    assert [(logs / a["log"]["path"]).read_text() for a in attempts] == ["b1\n", "b2\n"]


def test_the_run_keeps_its_number_and_says_that_it_was_gone_on_with(failed: Ork) -> None:
    before = json.loads(failed("show", "flow#1", "--json").out)["data"]["run"]
    failed("retry", "flow#1")
    after = json.loads(failed("show", "flow#1", "--json").out)["data"]["run"]
    same = ("id", "number", "snapshot", "deploy", "created", "workflow")
    assert [after[key] for key in same] == [before[key] for key in same]
    assert (before["attempt"], after["attempt"], after["trigger"]) == (1, 2, "retry")
    assert after["previous"] is not None
    assert len(json.loads(failed("runs", "--json").out)["data"]) == 1


def test_the_tally_of_the_deploy_counts_the_run_once_as_it_ended_last(failed: Ork) -> None:
    def tally() -> dict[str, int]:
        (entry,) = json.loads(failed("log", "flow", "--json").out)["data"]
        return entry["runs"]["counts"]

    assert tally() == {"failed": 1}
    (failed.folder / "fixed").unlink()
    assert failed("retry", "flow#1").code == 1
    assert tally() == {"failed": 1}
    failed.write("fixed", "")
    assert failed("retry", "flow#1").code == 0
    assert tally() == {"success": 1}
    assert failed("run", "flow").code == 0
    assert tally() == {"success": 2}


def test_retries_of_a_task_are_granted_anew(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        """\
        name: flow
        tasks:
          b: {executor: process, command: "test $ORK_ATTEMPT -ge 4", retries: 1}
    """,
    )
    assert ork("run", "flow.yaml").code == 1
    assert ork("retry", "flow#1").code == 0
    assert [a["number"] for a in tasks(ork)["b"]["attempts"]] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("option", "again"),
    [
        (("--from", "b"), ["b", "c"]),
        (("--from", "a"), ["a", "b", "c"]),
        (("--only", "a"), ["a"]),
        (("--only", "aside", "--only", "b"), ["aside", "b"]),
    ],
)
def test_a_selection_runs_again_even_what_succeeded(
    failed: Ork, option: tuple[str, ...], again: list[str]
) -> None:
    failed("retry", "flow#1")
    (failed.folder / "done").unlink()
    assert failed("retry", "flow#1", *option).code == 0
    assert sorted(done(failed)) == again


def test_only_leaves_the_rest_as_it_was(failed: Ork) -> None:
    result = failed("retry", "flow#1", "--only", "b")
    states = {name: task["state"] for name, task in tasks(failed).items()}
    assert states == {"a": "success", "b": "success", "c": "upstream_failed", "aside": "success"}
    assert result.code == 1, "c has still not succeeded"
    assert failed("retry", "flow#1").code == 0
    assert {task["state"] for task in tasks(failed).values()} == {"success"}


def test_a_retry_is_pinned_to_the_definition_of_the_run(
    failed: Ork, edit: Callable[[str, str, str], None]
) -> None:
    edit("flow.yaml", "test -e fixed", "echo changed >> done; false")
    failed("deploy", "flow.yaml")
    assert failed("retry", "flow#1").code == 0
    assert "changed" not in done(failed)
    (failed.folder / "flow.yaml").unlink()
    assert failed("retry", "flow#1", "--from", "a").code == 0


def test_latest_is_a_new_run_of_the_newest_definition_that_keeps_what_is_unchanged(
    failed: Ork, edit: Callable[[str, str, str], None]
) -> None:
    (failed.folder / "done").unlink()
    edit("flow.yaml", "echo c >> done", "echo new >> done")
    failed("deploy", "flow.yaml")
    assert failed("retry", "flow#1", "--latest").code == 0
    assert sorted(done(failed)) == ["b", "new"]
    assert {task["state"] for task in tasks(failed, "flow#1").values()} >= {"failed"}
    second = tasks(failed, "flow#2")
    assert {name: task["state"] for name, task in second.items()} == {
        "a": "skipped",
        "b": "success",
        "c": "success",
        "aside": "skipped",
    }
    assert second["a"]["reason"] == "output of flow#1"


def test_what_succeeded_is_not_retried_and_the_error_says_what_to_do(failed: Ork) -> None:
    failed("retry", "flow#1")
    result = failed("retry", "flow#1")
    assert result.code == 2
    assert "flow#1 succeeded" in result.err
    assert "`ork run flow#1`" in result.err


def test_an_unknown_run_is_not_found(failed: Ork) -> None:
    result = failed("retry", "flow#7")
    assert result.code == 3
    assert "the newest is flow#1" in result.err


@pytest.mark.slow
def test_of_two_processes_that_retry_a_run_one_wins(project: Project) -> None:
    project.workflow(
        shell("a", "echo a >> done; test -e fixed && sleep 1"),
        shell("b", "false", ", depends_on: [a]"),
    )
    project.ork("run", "flow.yaml", code=1)
    project.write("fixed", "")
    children = [project.start("retry", "flow#1") for _ in range(4)]
    ended = [(*child.communicate(timeout=120), child.returncode) for child in children]
    assert sorted(code for _, _, code in ended) == [1, 5, 5, 5]
    for _, err, code in ended:
        if code == 5:
            assert "Traceback" not in err
            assert "flow#1 runs in another process" in err or "somebody else" in err
    assert project.lines("done") == ["a", "a"]
    assert project.run_of()[0].attempt == 2


@pytest.mark.slow
def test_a_run_that_goes_on_cannot_be_retried(project: Project) -> None:
    project.workflow(shell("a", "touch here; until test -e stop; do sleep 0.02; done"))
    child = project.start("run", "flow.yaml")
    assert eventually((project.folder / "here").exists)
    refused = project.ork("retry", "flow#1", code=5)
    assert "flow#1 runs in another process" in refused.stderr
    assert "ork cancel flow#1" in refused.stderr
    project.write("stop", "")
    child.communicate()
    assert child.returncode == 0


@pytest.mark.slow
def test_a_stale_reader_loses_to_one_that_retried_meanwhile(project: Project) -> None:
    project.workflow(shell("a", "false"))
    project.ork("run", "flow.yaml", code=1)
    late = project.start(
        "retry",
        "flow#1",
        patch="""\
        import time
        from ork.runner import record
        resume = record.resume
        def late(*args):
            open("reading", "w").close()
            while not __import__("os").path.exists("ended"):
                time.sleep(0.02)
            return resume(*args)
        record.resume = late
    """,
    )
    assert eventually((project.folder / "reading").exists)
    project.ork("retry", "flow#1", code=1)
    project.write("ended", "")
    _, err = late.communicate()
    assert late.returncode == 5
    assert "moved by somebody else" in err
    assert project.run_of()[0].attempt == 2


@pytest.mark.slow
def test_a_run_that_a_library_closed_is_retried_with_new_numbers_and_logs(project: Project) -> None:
    import ork as api

    project.workflow(shell("a", "touch here; test -e fixed || sleep 300"))
    store = api.open(project.folder, create=True)
    try:
        events = api.run(store, project.folder / "flow.yaml")
        assert [type(next(events)).__name__ for _ in "12"] == ["RunStarted", "TaskStarted"]
        assert eventually((project.folder / "here").exists)
        events.close()  # type: ignore[attr-defined]
        project.write("fixed", "")
        *_, last = api.retry(store, "flow#1")
    finally:
        store.close()
    assert last.run.state == "success"  # type: ignore[union-attr]
    attempts = project.run_of()[1]["a"].attempts
    assert [(a.number, a.state) for a in attempts] == [(1, "cancelled"), (2, "success")]
