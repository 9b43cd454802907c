"""Going on with a run: who may, what is kept, and what the record says afterwards."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable

import pytest

from tests.conftest import Ork, Steps
from tests.runner.suite import Project, eventually, shell
from tests.runs import taint
from tests.scale import examples

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
def failed(ork: Ork, once: Callable[[str, Steps], None]) -> Ork:
    """A world with a run in which b failed; it would succeed by now."""

    def steps() -> None:
        ork.write("flow.yaml", FLOW)
        assert ork("run", "flow.yaml", "-j", "1").code == 1
        ork.write("fixed", "")

    once("failed", steps)
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


def test_what_ran_all_the_same_runs_again_with_what_it_needs(ork: Ork) -> None:
    """A task that was told of a failure, and what follows it; others are kept."""
    ork.write(
        "flow.yaml",
        """\
        name: flow
        tasks:
          a: {executor: process, command: "echo a >> done; test -e fixed"}
          good: {executor: process, command: "echo good >> done"}
          clean: {executor: process, depends_on: [a, good], on_upstream_failure: run,
                  command: "echo clean >> done; echo \\"$ORK_UPSTREAM_JSON\\" >> told"}
          mail: {executor: process, command: "echo mail >> done", depends_on: [clean]}
          calm: {executor: process, depends_on: [good], on_upstream_failure: run,
                 command: "echo calm >> done"}
        """,
    )
    assert ork("run", "flow.yaml", "-j", "1").code == 1
    ork.write("fixed", "")
    (ork.folder / "done").write_text("")
    again = ork("retry", "flow#1", "--dry-run", "--json").out
    assert json.loads(again)["data"]["why"]["clean"] == "needs a"
    assert ork("retry", "flow#1", "-j", "1").code == 0
    assert done(ork) == ["a", "clean", "mail"]
    first, last = map(json.loads, (ork.folder / "told").read_text().splitlines())
    assert (first["a"], last["a"]) == ("failed", "success")


def test_a_task_alone_is_not_retried_before_what_it_needs(failed: Ork) -> None:
    refused = failed("retry", "flow#1:c")
    assert (refused.code, refused.err) == (
        2,
        "error: c needs b, which did not succeed in flow#1\n"
        "hint: `ork retry flow#1 --from b` runs that again as well\n",
    )
    assert failed("retry", "flow#1", "--from", "b").code == 0


@pytest.mark.slow
def test_what_a_task_receives_is_the_same_at_first_and_in_a_retry(ork: Ork) -> None:
    ork.write(
        "code.py",
        """\
        from pathlib import Path


        def give():
            return {"zip": 1.0, "name": "x", "rows": [{"b": 2.0, "a": 0.5}]}


        def measure():
            return {"loss": 1.0, "steps": 3.0, "scores": [0.5, 2.0, -0.0]}


        def take(value, given, typed, measured):
            with open("received", "a") as file:
                print(repr((value, given, typed, measured)), file=file)
            assert Path("fixed").exists()
        """,
    )
    ork.write(
        "flow.yaml",
        """\
        name: flow
        params: {given: {default: null}, typed: {type: {share: float, count: int}}}
        tasks:
          give: {executor: python, file: code.py, function: give}
          measure:
            executor: python
            file: code.py
            function: measure
            output_type: {loss: float, steps: int, scores: [float]}
          take:
            executor: python
            file: code.py
            function: take
            depends_on: [give, measure]
            inputs: {value: {ref: tasks.give.output}, given: {ref: params.given},
                     typed: {ref: params.typed}, measured: {ref: tasks.measure.output}}
        """,
    )
    given = ('given={"y": 1.0, "x": 2.5}', 'typed={"share": 1, "count": 2}')
    assert ork("run", "flow.yaml", "-i", given[0], "-i", given[1]).code == 1
    ork.write("fixed", "")
    assert ork("retry", "flow#1").code == 0
    assert ork("run", "flow#1").code == 0
    received = (ork.folder / "received").read_text().splitlines()
    value = {"name": "x", "rows": [{"a": 0.5, "b": 2}], "zip": 1}
    measured = {"loss": 1.0, "scores": [0.5, 2.0, 0.0], "steps": 3}
    given_value = {"x": 2.5, "y": 1}
    assert received == [repr((value, given_value, {"count": 2, "share": 1.0}, measured))] * 3


def test_a_task_that_fails_before_it_begins_again_shows_no_log_of_before(ork: Ork) -> None:
    ork.write(
        "flow.yaml",
        """\
        name: flow
        tasks:
          a: {executor: process, command: "cat given"}
          b:
            executor: process
            command: "echo old words; test -e fixed"
            depends_on: [a]
            inputs: {n: {ref: tasks.a.output.n}}
        """,
    )
    ork.write("given", 'ORK_OUTPUT:{"n": 1}\n')
    assert "old words" in ork("run", "flow.yaml").err
    ork.write("given", 'ORK_OUTPUT:{"m": 1}\n')
    done = ork("retry", "flow#1", "--from", "a")
    assert "there is no field 'n' among m" in done.err and "old words" not in done.err
    for words in (("flow#1",), ("flow#1:b",), ("flow#1", "--failed")):
        told = ork("logs", *words)
        assert "old words" not in told.out and "there is no field 'n'" in told.err
    assert "old words" in ork("logs", "flow#1:b", "--attempt", "1").out
    assert ork("report", "flow#1", "-o", "report.html").code == 0
    assert "old words" not in (ork.folder / "report.html").read_text()


def test_attempts_and_logs_are_counted_on(failed: Ork) -> None:
    failed("retry", "flow#1")
    attempts = tasks(failed)["b"]["attempts"]
    assert [(a["number"], a["state"]) for a in attempts] == [(1, "failed"), (2, "success")]
    printed = [failed("logs", "flow#1:b", "--attempt", str(n)).out for n in (1, 2)]
    assert printed == ["b1\n", "b2\n"]


def test_the_time_of_a_run_is_that_of_all_attempts_as_it_is_of_a_task(failed: Ork) -> None:
    def seen() -> tuple[int, int]:
        run = json.loads(failed("show", "flow#1", "--json").out)["data"]["run"]
        attempts = [a for task in tasks(failed).values() for a in task["attempts"]]
        return run["duration"], sum(attempt["duration"] for attempt in attempts)

    first, _ = seen()
    done = failed("retry", "flow#1", "-j", "1").out
    both, of_tasks = seen()
    assert both > first
    assert both >= of_tasks
    assert re.match(r"flow#1 success in \S+ \(\S+ this time\): 4 succeeded", done)
    assert re.search(r"\ndate .*, took \S+ in 2 attempts, ended .*\n", failed("show", "flow#1").out)
    assert "  2 attempts" in failed("runs").out
    assert failed("watch", "flow#1").out == done


@pytest.mark.slow
def test_the_time_of_a_retry_that_was_killed_begins_with_it(project: Project) -> None:
    project.workflow(shell("t", "touch here; test -e there && sleep 300"))
    project.ork("run", "flow.yaml", code=1)
    first = project.run_of()[0].seconds
    (project.folder / "here").unlink()
    project.write("there", "")
    time.sleep(1)  # which is no time of the run
    began = time.time()
    child = project.start("retry", "flow#1")
    assert eventually((project.folder / "here").exists)
    child.kill()
    child.communicate()
    project.ork("runs")
    run, _ = project.run_of()
    assert run.state == "interrupted"
    assert first is not None and run.seconds is not None
    assert first <= run.seconds <= first + time.time() - began


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


CALLS = """\
    name: flow
    tasks:
      a: {executor: python, file: a.py}
      b: {executor: python, file: b.py, depends_on: [a], inputs: {n: {ref: tasks.a.output}}}
      c: {executor: python, file: c.py}
      last: {executor: process, command: ./last.sh, depends_on: [b, c]}
"""


@pytest.fixture
def calls(ork: Ork) -> Ork:
    """A world with a run whose last task failed; a imports shared, and b what it imports."""
    ork.write("flow.yaml", CALLS)
    ork.write("a.py", "import shared\ndef main():\n    return shared.number()\n")
    ork.write("b.py", "import deep.inner\ndef main(n):\n    return n + deep.inner.MORE\n")
    ork.write("c.py", "def main():\n    return 7\n")
    ork.write("shared.py", "def number():\n    return 1\n")
    ork.write("deep/inner.py", "MORE = 1\n")
    ork.write("last.sh", "#!/bin/sh\nexit 1\n", executable=True)
    assert ork("run", "flow.yaml").code == 1
    return ork


def kept(ork: Ork, run: str) -> list[str]:
    return [name for name, task in tasks(ork, run).items() if task["state"] == "skipped"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "old", "new", "same"),
    [
        ("shared.py", "1", "2", ["c"]),
        ("deep/inner.py", "1", "2", ["a", "c"]),
        ("c.py", "7", "8", ["a", "b"]),
        ("flow.yaml", "file: c.py", "file: c.py, env: {A: b}", ["a", "b"]),
        ("flow.yaml", "file: c.py", "file: c.py, retries: 1, timeout: 9s", ["a", "b", "c"]),
        ("flow.yaml", "name: flow", "name: flow\npython: python3", []),
    ],
)
def test_latest_runs_again_what_reaches_code_that_changed(
    calls: Ork, edit: Callable[[str, str, str], None], path, old, new, same
) -> None:
    edit(path, old, new)
    edit("last.sh", "exit 1", "exit 0")
    calls("deploy", "flow.yaml")
    assert calls("retry", "flow#1", "--latest").code == 0
    assert kept(calls, "flow#2") == same


@pytest.mark.slow
def test_latest_keeps_nothing_of_a_task_whose_code_leaves_open_what_it_loads(
    calls: Ork, edit: Callable[[str, str, str], None]
) -> None:
    lines = ["import importlib", "def main():", "    name = 'sha' + 'red'"]
    calls.write("c.py", "\n".join([*lines, "    return importlib.import_module(name).number()\n"]))
    assert calls("run", "flow.yaml").code == 1
    edit("deep/inner.py", "1", "2")
    calls("deploy", "flow.yaml")
    assert calls("retry", "flow#2", "--latest").code == 1
    assert kept(calls, "flow#3") == ["a"]


@pytest.mark.parametrize("seed", range(examples(20)))
@pytest.mark.turns(2)
def test_what_latest_keeps_is_what_a_whole_run_would_give(ork: Ork, seed: int) -> None:
    chance = random.Random(seed)

    def some(names: list[str]) -> list[str]:
        return chance.sample(names, k=chance.randint(0, min(len(names), 2)))

    parts, steps = [[f"{kind}{number}" for number in range(5)] for kind in "mt"]
    sources = {name: some(parts[:number]) for number, name in enumerate(parts)}
    needs = {name: some(steps[:number]) for number, name in enumerate(steps)}
    called = {name: chance.choice(parts) for name in steps}
    versions = dict.fromkeys((*parts, *steps, "day"), 1)

    def deploy() -> None:
        """Write all as their versions say: scripts that source each other, tasks that call them."""
        for name, others in sources.items():
            value = " + ".join([str(versions[name]), *(f"$V_{other}" for other in others)])
            lines = [f". ./{other}.sh\n" for other in others]
            ork.write(f"{name}.sh", "".join([*lines, f"V_{name}=$(({value}))\n"]))
        flow = {}
        for name in steps:
            answer = f'echo "ORK_OUTPUT:[$V_{called[name]}, $ORK_INPUT_JSON]"'
            inputs = {up: {"ref": f"tasks.{up}.output"} for up in needs[name]}
            flow[name] = {
                "executor": "process",
                "command": f". ./{called[name]}.sh; {answer}",
                "depends_on": needs[name],
                "timeout": versions[name],
                "inputs": {"day": {"ref": "params.day"}, **inputs},
            }
        flow["last"] = {"executor": "process", "command": "test -e fixed", "depends_on": steps}
        params = {"day": {"default": versions["day"]}}
        ork.write("flow.yaml", json.dumps({"name": "flow", "params": params, "tasks": flow}))
        assert ork("deploy", "flow.yaml").code == 0

    versions |= dict.fromkeys(steps, 300)
    deploy()
    assert ork("run", "flow").code == 1
    for name in chance.sample([*versions], k=2):
        versions[name] += 1
    deploy()
    ork.write("fixed", "")
    assert ork("retry", "flow#1", "--latest").code == 0
    assert ork("run", "flow", "-i", "day=1").code == 0
    assert ork("outputs", "flow#2").out == ork("outputs", "flow#3").out


def why(ork: Ork, *words: str) -> dict[str, str]:
    would = json.loads(ork("retry", *words, "--dry-run", "--json").out)["data"]
    kept = {name: f"({one['outcome']})" for name, one in would["others"].items()}
    assert would["tasks"].keys() == would["why"].keys()
    return {**would["why"], **kept}


def test_what_a_dry_retry_tells_is_what_a_retry_does(failed: Ork) -> None:
    assert why(failed, "flow#1") == {
        "b": "failed: exited with code 1: b1",
        "c": "skipped: b failed",
        "a": "(kept)",
        "aside": "(kept)",
    }
    assert why(failed, "flow#1", "--from", "a")["a"] == "asked for"
    assert why(failed, "flow#1", "--only", "b") == {
        "a": "(kept)",
        "b": "failed: exited with code 1: b1",
        "c": "(left out)",
        "aside": "(kept)",
    }
    assert sorted(done(failed)) == ["a", "aside", "b"]
    assert failed("retry", "flow#1").code == 0
    assert sorted(done(failed)) == ["a", "aside", "b", "b", "c"]


def test_why_a_task_would_run_again(calls: Ork, opened, edit) -> None:
    edit("flow.yaml", "  c: {", "  d: {executor: python, file: a.py}\n  c: {")
    edit("shared.py", "1", "2")
    calls("deploy", "flow.yaml")
    assert why(calls, "flow#1", "--latest") == {
        "a": "its code changed: shared.py",
        "b": "needs a",
        "c": "(kept)",
        "d": "it is new",
        "last": "failed: exited with code 1",
    }
    edit("flow.yaml", "  c: {", "  see: {")
    edit("flow.yaml", "c]", "see]")
    calls("deploy", "flow.yaml")
    assert why(calls, "flow#1", "--latest")["see"] == "renamed from c"
    taint(opened(), "flow", 1, a=("shared.py",))
    assert why(calls, "flow#1") == {
        "a": "tainted: shared.py changed while it ran",
        "b": "needs a",
        "c": "(kept)",
        "last": "failed: exited with code 1",
    }


def test_latest_keeps_what_latest_kept(calls: Ork, edit: Callable[[str, str, str], None]) -> None:
    edit("last.sh", "exit 1", "exit 2")
    calls("deploy", "flow.yaml")
    assert calls("retry", "flow#1", "--latest").code == 1
    edit("last.sh", "exit 2", "exit 0")
    calls("deploy", "flow.yaml")
    assert calls("retry", "flow#2", "--latest").code == 0
    assert kept(calls, "flow#3") == ["a", "b", "c"]
    assert "[1 succeeded]" in calls("log", "flow", "-n", "1", "--oneline").out


def test_what_latest_keeps_of_a_more_patient_task_is_of_the_task_that_there_is_now(
    calls: Ork, edit: Callable[[str, str, str], None]
) -> None:
    for number, (old, new) in enumerate((("a.py", "a.py, timeout: 9s"), ("9s", "8s")), start=2):
        edit("flow.yaml", old, new)
        calls("deploy", "flow.yaml")
        assert calls("retry", f"flow#{number - 1}", "--latest").code == 1
        assert kept(calls, f"flow#{number}") == ["a", "b", "c"]
        task = calls("rev-parse", "flow:a").out.strip()
        assert tasks(calls, f"flow#{number}")["a"]["task"] == task


@pytest.mark.slow
def test_latest_runs_again_what_had_received_something_else(
    calls: Ork, edit: Callable[[str, str, str], None]
) -> None:
    assert calls("retry", "flow#1", "--only", "a").code == 1
    assert calls("retry", "flow#1", "--latest").code == 1
    assert kept(calls, "flow#2") == ["a", "b", "c"], "a gave the same as before"
    calls.write("a.py", "import shared, random\ndef main():\n    return random.random()\n")
    calls("run", "flow.yaml")
    assert calls("retry", "flow#3", "--only", "a").code == 1
    assert calls("retry", "flow#3", "--latest").code == 1
    assert kept(calls, "flow#4") == ["a", "c"]


@pytest.mark.slow
def test_latest_keeps_of_what_stood_in_only_what_the_newest_would_give(
    calls: Ork, edit: Callable[[str, str, str], None]
) -> None:
    assert calls("run", "flow", "--only", "last").code == 1
    edit("shared.py", "1", "2")
    calls("deploy", "flow.yaml")
    for run in ("flow#3", "flow#4"):  # each on top of the one before
        assert calls("run", "flow", "--only", "last").code == 1
        assert tasks(calls, run)["a"]["reason"] == "output of flow#1, of another definition"
        before = f"flow#{int(run[-1]) - 1}"
        made, gave = (
            json.loads(calls("show", name, "--json").out)["data"]["run"] for name in (run, before)
        )
        assert made["base"] == gave["id"]
    assert calls("retry", "flow#2", "--latest").code == 1
    assert kept(calls, "flow#5") == ["c"], "the others were made by the code of flow#1"
    assert calls("retry", "flow#4", "--latest").code == 1
    assert kept(calls, "flow#6") == ["c"], "the others were made by the code of flow#1"
    assert calls("run", "flow#5", "--only", "last").code == 1
    assert calls("retry", "flow#7", "--latest").code == 1
    assert kept(calls, "flow#8") == ["a", "b", "c"]


def test_latest_keeps_nothing_that_stood_in_from_other_parameters(ork: Ork) -> None:
    give = 'echo "ORK_OUTPUT:$N"'
    ork.write(
        "flow.yaml",
        f"""\
        name: flow
        params: {{n: {{default: 1}}}}
        tasks:
          a: {{executor: process, command: {json.dumps(give)}, env: {{N: {{ref: params.n}}}}}}
          b: {{executor: process, command: 'false', depends_on: [a]}}
        """,
    )
    assert ork("run", "flow.yaml").code == 1
    assert ork("run", "flow", "-i", "n=2", "--only", "b", "--base", "flow#1").code == 1
    assert tasks(ork, "flow#2")["a"]["output"]["text"] == "1"
    assert ork("retry", "flow#2", "--latest").code == 1
    assert tasks(ork, "flow#3")["a"]["output"]["text"] == "2"


def test_latest_keeps_the_values_of_parameters_whatever_their_defaults_are(ork: Ork) -> None:
    """`given` and `b` take lim, and `b` fails with what lim was; `a` takes nothing."""
    echo = 'echo "ORK_OUTPUT:$LIM"'
    text = f"""\
        name: flow
        params: {{lim: {{type: float, default: 1}}, day: {{type: str, default: monday}}}}
        tasks:
          a: {{executor: process, command: 'echo ORK_OUTPUT:1'}}
          given: {{executor: process, command: {json.dumps(echo)},
                  env: {{LIM: {{ref: params.lim}}}}}}
          b: {{executor: process, command: 'test $LIM -gt 10', depends_on: [a, given],
              env: {{LIM: {{ref: params.lim}}}}}}
        """
    ork.write("flow.yaml", text)
    assert ork("run", "flow.yaml", "-i", "day=sunday").code == 1
    ork.write("flow.yaml", text.replace("default: 1}", "default: 50}"))
    assert ork("deploy", "flow.yaml").code == 0
    note = "note: lim is 1 as in flow#1; its default is 50 now\n"
    dry = ork("retry", "flow#1", "--latest", "--dry-run")
    assert (note in dry.err, "day" in dry.err) == (True, False), "that of day is as it was"
    assert dry.out.count("kept") == 2
    retried = ork("retry", "flow#1", "--latest")
    assert (note in retried.err, retried.code) == (True, 1)
    assert kept(ork, "flow#2") == ["a", "given"]
    assert tasks(ork, "flow#2")["given"]["reason"] == "output of flow#1"
    assert "note" not in ork("retry", "flow#2").err
    assert "note" not in ork("run", "flow", "--only", "b", "-i", "lim=1").err
    assert ork("run", "flow", "-i", "lim=5").code == 1
    assert "lim is 5 as in flow#4; its" not in ork("retry", "flow#4", "--latest").err
    ork.write("flow.yaml", text.replace(", default: 1}", "}"))
    assert ork("deploy", "flow.yaml").code == 0
    told = ork("retry", "flow#1", "--latest").err
    assert [line for line in told.splitlines() if "note" in line] == [
        "note: given ran again in flow#4 since, with new inputs (LIM), output:"
        " files that it wrote may be of that"
    ]


def test_latest_runs_again_what_takes_a_parameter_that_is_read_in_another_way(ork: Ork) -> None:
    echo = 'printf \'ORK_OUTPUT:"%s"\\n\' "$DAY"'
    text = f"""\
        name: flow
        params: {{day: {{default: "2026-11-01 10:00"}}}}
        tasks:
          a: {{executor: process, command: {json.dumps(echo)}, env: {{DAY: {{ref: params.day}}}}}}
          b: {{executor: process, command: 'false', depends_on: [a]}}
        """
    ork.write("flow.yaml", text)
    assert ork("run", "flow.yaml").code == 1
    ork.write("flow.yaml", text.replace("{default: ", "{type: datetime_notz, default: "))
    assert ork("deploy", "flow.yaml").code == 0
    assert ork("retry", "flow#1", "--latest").code == 1
    given = [tasks(ork, f"flow#{number}")["a"]["output"]["text"] for number in (1, 2)]
    assert given == ['"2026-11-01 10:00"', '"2026-11-01T10:00:00"']


def test_latest_runs_again_what_is_selected_and_what_follows(calls: Ork) -> None:
    assert calls("retry", "flow#1", "--latest", "--only", "a").code == 1
    assert kept(calls, "flow#2") == ["c"]


@pytest.mark.parametrize(
    ("latest", "run", "executed"),
    [([], "flow#1", (2, 2, 1, 2)), (["--latest"], "flow#2", (1, 1, 0, 1))],
)
def test_what_is_tainted_is_never_kept_nor_what_follows_it(
    calls: Ork, opened, latest, run, executed
) -> None:
    taint(opened(), "flow", 1, a=("shared.py",))
    assert calls("retry", "flow#1", *latest).code == 1
    attempts = {name: task["attempts"] for name, task in tasks(calls, run).items()}
    assert tuple(len(attempts[name]) for name in ("a", "b", "c", "last")) == executed
    assert not any(tried[-1]["tainted"] for tried in attempts.values() if tried)


@pytest.fixture
def good(calls: Ork, edit: Callable[[str, str, str], None]) -> Ork:
    """The world of `calls` where the second run succeeds."""
    edit("last.sh", "exit 1", "test ! -e broken")
    assert calls("run", "flow.yaml").code == 0
    return calls


@pytest.mark.slow
def test_a_retry_of_a_good_run_is_a_new_run_and_leaves_it_as_it_is(good: Ork) -> None:
    before = good("show", "flow#2", "--json").out
    good.write("broken", "")
    result = good("retry", "flow#2", "--from", "b")
    assert result.code == 1
    assert "note: flow#2 succeeded and stays: a new run begins\n" in result.err
    assert good("show", "flow#2", "--json").out == before
    assert {name: task["state"] for name, task in tasks(good, "flow#3").items()} == {
        "a": "skipped",
        "b": "success",
        "c": "skipped",
        "last": "failed",
    }
    assert tasks(good, "flow#3")["a"]["reason"] == "output of flow#2"
    assert "[1 succeeded, 1 partial]" in good("log", "flow", "-n", "1", "--oneline").out


@pytest.mark.slow
def test_a_success_that_was_tainted_is_made_good_in_a_new_run(good: Ork, opened) -> None:
    taint(opened(), "flow", 2, b=("b.py",))
    assert "[1 tainted]" in good("log", "flow", "-n", "1", "--oneline").out
    assert good("retry", "flow#2").code == 0
    assert kept(good, "flow#3") == ["a", "c"]
    assert "[1 succeeded, 1 tainted]" in good("log", "flow", "-n", "1", "--oneline").out
    assert good("retry", "flow#3").code == 2


@pytest.mark.slow
def test_a_tainted_output_never_stands_in(good: Ork, opened) -> None:
    taint(opened(), "flow", 2, b=("b.py",))
    result = good("run", "flow", "--only", "last", "--base", "flow#2")
    assert (result.code, result.out) == (2, "")
    assert "flow#2 has no untainted output of b" in result.err
    assert good("run", "flow", "--only", "last").code == 0
    assert tasks(good, "flow#3")["b"]["reason"] == "output of flow#1"


@pytest.mark.slow
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
        def late(*args, **room):
            open("reading", "w").close()
            while not __import__("os").path.exists("ended"):
                time.sleep(0.02)
            return resume(*args, **room)
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
        events = store.events(project.folder / "flow.yaml")
        assert [type(next(events)).__name__ for _ in "12"] == ["RunStarted", "TaskStarted"]
        assert eventually((project.folder / "here").exists)
        events.close()  # type: ignore[attr-defined]
        project.write("fixed", "")
        *_, last = store.retry_events("flow#1")
    finally:
        store.close()
    assert last.run.state == "success"  # type: ignore[union-attr]
    attempts = project.run_of()[1]["a"].attempts
    assert [(a.number, a.state) for a in attempts] == [(1, "cancelled"), (2, "success")]
