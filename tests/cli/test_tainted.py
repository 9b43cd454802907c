"""A run under which captured files changed, in every view that shows it; and where it executed."""

import json

import pytest

from tests.runs import taint

CHANGED = "tainted: load.py changed while it ran"
PROVES_NOTHING = "ran while its code changed, so the run proves nothing: `ork retry flow#1` runs"


@pytest.fixture
def tainted(ork, opened):
    """A world with a run of two tasks; a file changed under the second one."""
    ork.write(
        "flow.yaml",
        """\
        name: flow
        tasks:
          first: {executor: process, command: "echo 'ORK_OUTPUT:1'"}
          second: {executor: process, command: "echo 'ORK_OUTPUT:2'", depends_on: [first]}
        """,
    )
    assert ork("run", "flow.yaml").code == 0
    taint(opened(), "flow", 1, second=("load.py",))
    return ork


def data(ork, *words):
    return json.loads(ork(*words, "--json").out)["data"]


def test_a_run_and_its_tasks_say_so(tainted):
    shown = tainted("show", "flow#1").out.splitlines()
    assert f"tainted  second {PROVES_NOTHING} it again" in shown
    (line,) = [line for line in shown if "  second" in line and "ok" in line]
    assert line.endswith(f"{CHANGED}  2")
    assert not any("first" in line and "tainted" in line for line in shown)
    task = tainted("show", "flow#1:second").out.splitlines()
    assert f"    {CHANGED}" in task
    attempts = data(tainted, "show", "flow#1")["tasks"]["second"]["taskrun"]["attempts"]
    assert attempts[0]["tainted"] == ["load.py"]


def test_lists_say_so(tainted):
    assert tainted("runs").out.rstrip().endswith(CHANGED)
    assert data(tainted, "runs")[0]["tainted"] == ["load.py"]
    assert "[1 tainted]" in tainted("log", "--oneline").out
    assert data(tainted, "log")[0]["runs"]["counts"] == {"tainted": 1}
    page = tainted("report", "flow", "-o", "-").out
    assert '<span class="chip interrupted">tainted</span>' in page


def test_the_heads_of_its_logs_say_so(tainted):
    heads = [line for line in tainted("logs", "flow#1").out.splitlines() if "==>" in line]
    assert heads == ["==> first (attempt 1) <==", f"==> second (attempt 1), {CHANGED} <=="]
    assert [log["tainted"] for log in data(tainted, "logs", "flow#1")] == [[], ["load.py"]]


def test_its_outputs_come_with_a_warning(tainted):
    found = tainted("outputs", "flow#1")
    assert json.loads(found.out) == {"first": 1, "second": 2}
    assert found.err == f"note: second: {CHANGED}\n"
    assert tainted("outputs", "flow#1:first").err == ""


def test_its_page_and_its_comparison_begin_with_it(tainted):
    page = tainted("report", "flow#1", "-o", "-").out
    assert PROVES_NOTHING in page
    assert CHANGED in page
    tainted("run", "flow.yaml")
    first, *_ = tainted("diff", "flow#1", "flow#2").out.splitlines()
    assert first.startswith("flow#1 is tainted: second ran while its code changed")
    assert data(tainted, "diff", "flow#1", "flow#2")["old"]["tainted"] == {"second": ["load.py"]}


def test_who_watches_is_told(tainted):
    assert f"tainted: second {PROVES_NOTHING} it again\n" in tainted("watch", "flow#1").err
    last = tainted("watch", "flow#1", "--json").out.splitlines()[-1]
    assert json.loads(last)["tainted"] == {"second": ["load.py"]}


def test_a_task_that_edits_what_it_executes_is_told_of_at_once(ork):
    ork.write("flow.yaml", "name: flow\ntasks: {edits: {executor: process, command: ./load.py}}\n")
    ork.write("load.py", "#!/bin/sh\ntouch load.py\n", executable=True)
    result = ork("run", "flow.yaml")
    assert result.code == 0
    (line,) = [line for line in result.err.splitlines() if " ok " in line]
    assert line.endswith(CHANGED)
    assert f"tainted: edits {PROVES_NOTHING} it again\n" in result.err
    assert "[1 tainted]" in ork("log", "--oneline").out
    assert ork("rev-parse", "flow@{good}").code == 3


def test_a_run_in_a_checkout_says_where_its_files_are(ork):
    ork.write(
        "flow.yaml", "name: flow\ntasks: {make: {executor: process, command: 'echo 1 > made'}}\n"
    )
    ork("run", "flow.yaml", "--checkout")
    (run,) = data(ork, "runs")
    where = f".ork/work/{run['run']['id']}"
    assert f"place    a checkout: {where} has its files\n" in ork("show", "flow#1").out
    assert (ork.folder / where / "made").read_text() == "1\n"
    ork.write("flow.yaml", "name: flow\ntasks: {none: {executor: process, command: 'true'}}\n")
    ork("run", "flow.yaml", "--checkout")
    assert "place    a checkout\n" in ork("show", "flow#2").out
    assert "place" not in ork("show", "flow#2:none").out
    ork("run", "flow.yaml")
    assert "place    the project's folder\n" in ork("show", "flow#3").out


def test_pictures_say_so(tainted):
    first, second = tainted("graph", "flow#1").out.splitlines()
    assert second.endswith(CHANGED)
    assert "tainted" not in first
    tasks = data(tainted, "graph", "flow#1")["tasks"]
    assert [task["tainted"] for task in tasks] == [[], ["load.py"]]
    assert "tainted" not in data(tainted, "graph", "flow")["tasks"][0]
    for form in ("mermaid", "dot", "svg"):
        shown = tainted("graph", "flow#1", "--format", form).out.replace("<!", "")
        assert "!" in shown.replace("#33;", "!")
        assert "!" not in tainted("graph", "flow", "--format", form).out.replace("<!", "")
