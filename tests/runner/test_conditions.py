"""Conditions: which tasks a run skips, what follows from that, and what stands in."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Ork

#   full --> refine --.
#      `---> check ----+--> last
#   fast ---^   `-> bad
FLOW = """\
    name: flow
    params:
      full: {type: bool, default: false}
      limit: {default: 3}
    tasks:
      full: {executor: python, file: code.py, function: one, when: {ref: params.full}}
      fast: {executor: python, file: code.py, function: one, when: {ref: params.full, is: false}}
      refine: {executor: python, file: code.py, function: add, depends_on: [full],
               inputs: {n: {ref: tasks.full.output.n}}}
      check: {executor: python, file: code.py, function: check, depends_on: [full, fast],
              inputs: {full: {ref: tasks.full.output.n, else: null},
                       fast: {ref: tasks.fast.output.n, else: null}}}
      bad: {executor: process, command: "false", depends_on: [check],
            when: {ref: tasks.check.output.ok, is: false}}
      last: {executor: process, command: 'echo "$FULL $ORK_UPSTREAM_JSON"',
             depends_on: [refine, check, full],
             env: {FULL: {ref: tasks.full.output.n, else: none}}}
"""
CODE = """\
    import os
    def one():
        return {"n": 1}
    def add(n):
        return {"n": n + 1}
    def check(full, fast):
        return {"ok": not os.path.exists("broken"), "seen": [full, fast]}
"""


@pytest.fixture
def flow(ork: Ork) -> Ork:
    ork.write("flow.yaml", FLOW)
    ork.write("code.py", CODE)
    return ork


def ended(ork: Ork, run: str) -> dict[str, str]:
    """Return how each task of a run ended, with the reason if there is one."""
    shown = json.loads(ork("show", run, "--json").out)["data"]["tasks"]
    outcomes = {name: task["taskrun"] for name, task in shown.items()}
    return {
        name: ": ".join(filter(None, (one["state"], one["reason"])))
        for name, one in outcomes.items()
    }


def test_a_task_whose_condition_does_not_hold_is_skipped_with_what_takes_its_output(flow):
    assert flow("run").code == 0
    assert ended(flow, "flow#1") == {
        "full": "skipped: params.full is false",
        "refine": "skipped: full was skipped",
        "bad": "skipped: tasks.check.output.ok is true",
        "fast": "success",
        "check": "success",
        "last": "success",  # it only waits for refine, and has something in place of full
    }
    assert json.loads(flow("outputs", "flow#1:check").out)["seen"] == [None, 1]
    told = {"check": "success", "full": "skipped", "refine": "skipped"}
    assert flow("logs", "flow#1:last").out == f"none {json.dumps(told)}\n"


def test_with_other_parameters_others_run(flow):
    assert flow("run", "-i", "full=true").code == 0
    skipped = {name: how for name, how in ended(flow, "flow#1").items() if how != "success"}
    assert skipped == {
        "fast": "skipped: params.full is true",
        "bad": "skipped: tasks.check.output.ok is true",
    }
    assert flow("logs", "flow#1:last").out.startswith("1 {")


@pytest.mark.slow
def test_a_run_with_skipped_tasks_is_whole_and_a_part_of_it_is_not(flow):
    assert flow("run").code == 0
    assert "1 succeeded" in flow("log").out
    flow("deploy", "flow.yaml")
    assert flow("run", "flow", "--only", "check").code == 0  # what was skipped needs no output
    assert ended(flow, "flow#2")["full"] == "skipped: params.full is false"
    assert json.loads(flow("outputs", "flow#2:check").out)["seen"] == [None, 1]
    assert "1 succeeded, 1 partial" in flow("log").out
    assert flow("run", "flow", "--from", "full", "--from", "fast").code == 0  # which are all
    assert "2 succeeded, 1 partial" in flow("log").out
    marked = ["partial" in line for line in flow("runs").out.splitlines()]
    assert marked == [False, True, False], "the list says what the log counts"


@pytest.mark.slow
@pytest.mark.parametrize("base", [(), ("--base", "flow#1")])
def test_what_the_parameters_of_a_part_skip_is_not_taken_from_a_run_of_others(flow, base):
    assert flow("run").code == 0
    assert flow("run", "--from", "full", "-i", "full=true", *base).code == 0
    assert ended(flow, "flow#2")["fast"] == "skipped: params.full is true"
    assert json.loads(flow("outputs", "flow#2:check").out)["seen"] == [1, None]


@pytest.mark.slow
def test_what_a_run_of_other_parameters_skipped_is_no_result_of_a_part(flow):
    end = "      end: {executor: process, command: pwd, depends_on: [bad]}\n"
    flow.write("flow.yaml", FLOW + end)
    assert flow("run", "-i", "full=true").code == 0
    refused = flow("run", "--only", "check", "--base", "flow#1")
    assert (refused.code, "flow#1 has no output of fast\n" in refused.err) == (2, True)
    refused = flow("run", "--only", "check")
    assert (refused.code, "no run of flow has the outputs of fast\n" in refused.err) == (2, True)
    other = ("-i", "full=true", "-i", "limit=4")
    assert flow("run", "--only", "last", *other).code == 0, "none of them takes the limit"
    assert flow("run", "--only", "end", "--base", "flow#1").code == 0
    assert ended(flow, "flow#3")["bad"] == "skipped: tasks.check.output.ok is true"


def test_a_condition_on_an_output_is_evaluated_when_the_task_would_start(flow):
    flow.write("broken", "")
    assert flow("run").code == 1
    assert ended(flow, "flow#1")["bad"].startswith("failed: exited with code 1")
    (flow.folder / "broken").unlink()
    retried = flow("retry", "flow#1", "--from", "check")
    assert (retried.code, ended(flow, "flow#1")["bad"]) == (
        0,
        "skipped: tasks.check.output.ok is true",
    )


def test_a_retry_with_the_newest_definition_keeps_what_was_skipped(flow):
    assert flow("run").code == 0
    flow.write("flow.yaml", FLOW.replace('command: "false"', 'command: "exit 3"'))
    flow("deploy")
    assert flow("retry", "flow#1", "--latest").code == 0
    kept = {name: how for name, how in ended(flow, "flow#2").items() if "flow#1" in how}
    assert kept.keys() == {"fast", "check", "last"}
    assert ended(flow, "flow#2")["refine"] == "skipped: full was skipped"
    flow.write("flow.yaml", FLOW.replace("{type: bool, default: false}", "{default: false}"))
    flow("deploy")
    flow.write(
        "flow.yaml", FLOW.replace("when: {ref: params.full}", "when: {ref: params.full, is: false}")
    )
    flow("deploy")
    assert flow("retry", "flow#1", "--latest").code == 0
    after = ended(flow, "flow#3")
    assert (after["full"], after["refine"]) == ("success", "success")


def test_what_is_no_truth_is_an_error_of_the_task(flow):
    flow.write("flow.yaml", FLOW.replace("when: {ref: params.full}", "when: {ref: params.limit}"))
    assert flow("run").code == 1
    how = ended(flow, "flow#1")
    assert how["full"] == "failed: when: params.limit: not true or false, but int 3"
    assert how["refine"] == "upstream_failed: full failed"
    assert flow("run", "-i", "limit=true").code == 0
    assert ended(flow, "flow#2")["full"] == "success"


def test_what_stands_in_is_taken_where_a_task_failed_as_well(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          a: {executor: process, command: exit 3, output_type: int}
          b: {executor: process, command: 'echo "$X"', depends_on: [a], on_upstream_failure: run,
              env: {X: {ref: tasks.a.output, else: nothing}}}
        """,
    )
    assert ork("check").err == ""
    assert ork("run").code == 1
    assert ork("logs", "w#1:b").out == "nothing\n"


def test_a_task_that_will_be_skipped_needs_no_secret(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {publish: {type: bool, default: false}}
        tasks:
          a: {executor: process, command: a=1, when: {ref: params.publish},
              env: {TOKEN: {secret: TOKEN_FOR_PUBLISH}}}
          b: {executor: process, command: "true", depends_on: [a],
              inputs: {x: {ref: tasks.a.output}}, env: {TOKEN: {secret: TOKEN_OF_B}}}
        """,
    )
    assert ork("run").code == 0
    refused = ork("run", "w", "-i", "publish=true")
    assert (refused.code, "TOKEN_FOR_PUBLISH is not set" in refused.err) == (2, True)


def test_before_a_run_only_what_is_not_known_is_a_condition(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {publish: bool}
        tasks:
          a: {executor: process, command: "echo 'ORK_OUTPUT:true'"}
          b: {executor: process, command: exit 1, when: {ref: params.publish}, depends_on: [a]}
          c: {executor: process, command: "true", when: {ref: tasks.a.output}, depends_on: [a, b]}
        """,
    )
    said = ork("run", "w.yaml", "--dry-run", "-i", "publish=true").out.splitlines()
    assert said[2:] == [
        "  run      a",
        "  run      b  after a",
        "  run      c  after a, b, if tasks.a.output is true",
    ]
    ork("run", "w.yaml", "-i", "publish=true")
    said = ork("retry", "w#1", "--dry-run").out.splitlines()
    assert said[2:] == [
        "  run      b  failed: exited with code 1",
        "  run      c  skipped: b failed",
        "  kept     a",
    ]
    said = ork("retry", "w#1", "--from", "a", "--dry-run").out.splitlines()
    assert said[4] == "  run      c  skipped: b failed; only if tasks.a.output is true"


def test_before_a_run_it_is_said_what_is_known(flow):
    said = flow("run", "flow.yaml", "--dry-run").out
    assert "4 tasks would run" in said
    assert "  run      bad     after check, if tasks.check.output.ok is false\n" in said
    assert "  skipped  full    params.full is false\n" in said
    assert "  skipped  refine  full was skipped\n" in said
    found = json.loads(flow("run", "flow.yaml", "--dry-run", "--json").out)["data"]
    assert found["conditions"]["bad"] == "tasks.check.output.ok is false"
    assert found["others"]["refine"] == {"outcome": "skipped", "reason": "full was skipped"}


def test_two_runs_of_which_one_skipped_a_task_part_there(flow):
    for full in ("false", "true"):
        assert flow("run", "-i", f"full={full}").code == 0
    first = flow("diff", "flow#1", "flow#2").out.partition("\n")[0]
    assert first == (
        "first difference: fast - the parameter full changed; it was skipped: params.full is true"
    )


def test_a_change_of_a_condition_is_one_of_its_task_and_a_rename_before_it_is_none(flow):
    flow("deploy", "flow.yaml")
    renamed = FLOW.replace("check:", "look:").replace("tasks.check", "tasks.look")
    flow.write(
        "flow.yaml", renamed.replace("[check]", "[look]").replace("refine, check", "refine, look")
    )
    shown = flow("diff").out
    assert "look  renamed from check" in shown and "bad" not in shown
    flow.write("flow.yaml", FLOW.replace("output.ok, is: false", "output.ok, is: true"))
    assert "  ~ bad  changed\n      when.is  false -> true\n" in flow("diff").out


def test_the_counts_call_it_skipped(flow):
    assert ": 3 succeeded, 3 skipped\n" in flow("run").out
    assert "tasks    3 succeeded, 3 skipped\n" in flow("show", "flow#1").out
    log = flow("logs", "flow#1:full")
    assert "skipped: params.full is false" in log.out + log.err
    again = flow("retry", "flow#1", "--only", "last")
    assert ": 1 succeeded, 2 kept, 3 skipped\n" in again.out
