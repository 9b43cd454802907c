"""The values of a run, computed: what each task received and gave. All of real runs."""

import json
import shlex
from html import escape

import pytest

import ork
from ork.errors import StoreError
from ork.history.details import run_details, task_details
from ork.objects.kinds import TaskRun
from ork.objects.value import replace
from ork.runner.choices import Selection
from ork.runner.start import Options
from ork.store.contents import find_run, task_runs
from ork.store.resolve import resolve
from tests.stores import NOON

ETL = """\
name: etl
params: {day: {type: str, default: monday}}
tasks:
  fetch:
    executor: process
    command: ./answer.sh fetch
    inputs: {day: {ref: params.day}, limit: {const: [1, 2.5]}}
  load:
    executor: process
    command: ./answer.sh load
    depends_on: [fetch]
    inputs: {rows: {ref: tasks.fetch.output.rows}, all: {ref: tasks.fetch.output}}
  tell: {executor: process, command: ./answer.sh tell, depends_on: [load]}
"""
ANSWER = """\
#!/bin/sh
printf %s "$ORK_INPUT_JSON" > PROJECT/received.$1
echo "ORK_OUTPUT:$(cat PROJECT/$1.json)"
"""


@pytest.fixture
def flow(project):
    """A pipeline of three tasks: each gives what is in a file of its name."""
    (project.project / "etl.yaml").write_text(ETL)
    (project.project / "answer.sh").write_text(
        ANSWER.replace("PROJECT", shlex.quote(str(project.project)))
    )
    (project.project / "answer.sh").chmod(0o755)
    for name, text in (("fetch", '{"rows": 3}'), ("load", "true"), ("tell", "null")):
        gives(project, name, text)
    return project


def run(store, what=None, *, given=None, base=None, **selection):
    """Run etl.yaml or a revision, to its end; return the run."""
    options = Options(given=given or {}, base=base, selection=Selection(**selection))
    *_, last = ork.Project(store).events(what or store.project / "etl.yaml", options=options)
    return last.run


def retry(store, what, *, latest=False, **selection):
    options = Options(selection=Selection(**selection))
    *_, last = ork.Project(store).retry_events(what, options=options, latest=latest)
    return last.run


def details(store, text):
    return run_details(store, *find_run(store, resolve(store, text, now=NOON)))


def inputs(store, text):
    return {name: task.inputs for name, task in details(store, text).tasks.items()}


def gives(store, name, text):
    (store.project / f"{name}.json").write_text(text)


def received(store, name):
    """Return what a task was really given the last time."""
    return json.loads((store.project / f"received.{name}").read_text())


def test_what_each_task_received_and_gave(flow):
    run(flow, given={"day": "sunday"})
    found = details(flow, "etl#1")
    assert found.params == {"day": "sunday"}
    assert [(name, one.inputs, one.output) for name, one in found.tasks.items()] == [
        ("fetch", {"day": "sunday", "limit": [1, 2.5]}, {"rows": 3}),
        ("load", {"rows": 3, "all": {"rows": 3}}, True),
        ("tell", {}, None),
    ]
    assert {name: one.inputs for name, one in found.tasks.items()} == {
        name: received(flow, name) for name in found.tasks
    }
    for name, task in found.tasks.items():
        assert task_details(flow, found.run, name) == task


def test_a_large_output_is_followed_as_well(flow):
    gives(flow, "fetch", json.dumps({"rows": ["x" * 100] * 50}))
    run(flow)
    found = details(flow, "etl#1").tasks
    assert found["fetch"].taskrun.output.text is None
    assert found["load"].inputs == received(flow, "load")
    assert found["load"].inputs["all"] == found["fetch"].output


def test_a_task_that_never_started_received_nothing(flow):
    gives(flow, "fetch", '{"other": 1}')
    run(flow)
    found = details(flow, "etl#1").tasks
    assert [one.taskrun.state for one in found.values()] == ["success", "failed", "upstream_failed"]
    assert "there is no field 'rows' among other" in found["load"].taskrun.reason
    fetch, *rest = (one.inputs for one in found.values())
    assert (fetch, rest) == ({"day": "monday", "limit": [1, 2.5]}, [None, None])


def test_a_task_that_failed_has_its_inputs(flow):
    gives(flow, "load", "no json")
    run(flow)
    found = details(flow, "etl#1").tasks["load"]
    assert (found.taskrun.state, found.output) == ("failed", None)
    assert found.inputs == {"rows": 3, "all": {"rows": 3}}


def test_a_task_that_runs_at_this_moment_has_its_inputs_already(flow):
    ended = run(flow)
    oid, _ = find_run(flow, resolve(flow, "etl#1", now=NOON))
    states = task_runs(flow, ended)
    going = replace(ended, state="running", ended=None, duration=None, tasks=None)
    with flow.transaction() as tx:
        pin = tx.add(going)
        tx.move(f"runs/etl/{ended.id}", old=oid, new=pin)
        tx.move(f"active/{ended.id}/.run", old=None, new=pin)
        begun = TaskRun(task=states["load"].task, state="running")
        for name, one in (("fetch", states["fetch"]), ("load", begun)):
            tx.move(f"active/{ended.id}/{name}", old=None, new=tx.add(one))
    assert inputs(flow, "etl#1") == {
        "fetch": {"day": "monday", "limit": [1, 2.5]},
        "load": {"rows": 3, "all": {"rows": 3}},
    }


def test_a_retried_run_has_the_inputs_of_the_last_attempt(flow):
    gives(flow, "fetch", "no json")
    run(flow, given={"day": "sunday"})
    assert inputs(flow, "etl#1")["load"] is None
    gives(flow, "fetch", '{"rows": 4}')
    gives(flow, "load", "no json")
    retry(flow, "etl#1")
    gives(flow, "load", "true")
    assert retry(flow, "etl#1").state == "success"
    assert inputs(flow, "etl#1") == {
        "fetch": {"day": "sunday", "limit": [1, 2.5]},
        "load": {"rows": 4, "all": {"rows": 4}},
        "tell": {},
    }


def test_what_a_retry_kept_has_the_inputs_that_it_had(flow):
    """The output that it got is not that of the run any more."""
    gives(flow, "tell", "no json")  # a run that succeeded would not be gone on with
    run(flow)
    gives(flow, "fetch", '{"rows": 5}')
    for _ in range(2):
        retry(flow, "etl#1", only=("fetch",))
    found = details(flow, "etl#1").tasks
    assert found["fetch"].output == {"rows": 5}
    assert found["load"].inputs == received(flow, "load") == {"rows": 3, "all": {"rows": 3}}
    retry(flow, "etl#1", only=("load",))
    assert inputs(flow, "etl#1")["load"] == received(flow, "load")
    assert inputs(flow, "etl#1")["load"]["rows"] == 5


def test_a_part_of_a_run_takes_what_stands_in(flow):
    run(flow)
    gives(flow, "fetch", '{"rows": 6}')
    with pytest.warns(ork.OrkWarning, match="made with day="):
        run(flow, "etl", only=("load",), given={"day": "sunday"}, base="etl#1")
    found = details(flow, "etl#2").tasks
    assert found["load"].inputs == received(flow, "load") == {"rows": 3, "all": {"rows": 3}}
    stand_in = found["fetch"]
    assert (stand_in.taskrun.state, stand_in.output) == ("skipped", {"rows": 3})
    assert stand_in.inputs["day"] == "monday", "it was not executed on sunday"
    assert (found["tell"].inputs, found["tell"].output) == ({}, None)


def test_a_retry_with_the_newest_definition_takes_what_stands_in(flow):
    gives(flow, "load", "no json")
    run(flow)
    gives(flow, "load", "true")
    (flow.project / "etl.yaml").write_text(ETL.replace("answer.sh load", "answer.sh load --again"))
    ork.Project(flow).deploy(flow.project / "etl.yaml")
    retry(flow, "etl#1", latest=True)
    found = details(flow, "etl#2").tasks
    assert found["fetch"].taskrun.state == "skipped"
    assert found["fetch"].inputs == details(flow, "etl#1").tasks["fetch"].inputs != {}
    assert found["load"].inputs == received(flow, "load") == {"rows": 3, "all": {"rows": 3}}


def test_what_was_kept_has_the_inputs_with_which_it_was_made(flow):
    gives(flow, "tell", "no json")
    run(flow)
    run(flow, "etl", only=("tell",))
    run(flow, "etl", only=("tell",), base="etl#2")
    gives(flow, "fetch", '{"rows": 5}')
    retry(flow, "etl#1", only=("fetch", "load"))
    retry(flow, "etl#1", only=("fetch",))
    made = {"rows": 3, "all": {"rows": 3}}
    assert [details(flow, f"etl#{n}").tasks["load"].inputs for n in (2, 3)] == [made, made]
    assert details(flow, "etl#1").tasks["load"].inputs["rows"] == 5
    before = details(flow, "etl#2").run.base
    with flow.transaction() as tx:
        tx.move(f"runs/etl/{before}", old=flow.ref(f"runs/etl/{before}"), new=None)
    assert details(flow, "etl#3").tasks["load"].inputs is None, "nobody knows"
    assert details(flow, "etl#3").tasks["load"].output is True


def test_to_compare_two_runs_equal_values_are_not_read_and_others_once(flow, monkeypatch):
    gives(flow, "fetch", json.dumps({"rows": ["x" * 100] * 50}))
    run(flow)
    run(flow)
    large = details(flow, "etl#1").tasks["fetch"].taskrun.output.oid
    read = []
    original = type(flow).value
    monkeypatch.setattr(
        type(flow), "value", lambda self, oid: read.append(oid) or original(self, oid)
    )
    assert not ork.Project(flow).diff_runs("etl#1", "etl#2")
    assert large not in read
    gives(flow, "fetch", json.dumps({"rows": ["x" * 100] * 49 + ["y"]}))
    run(flow)
    (change,) = ork.Project(flow).diff_runs("etl#1", "etl#3").tasks[0].output
    assert (change.path, change.old, change.new) == ("rows[49]", "x" * 100, "y")
    assert read.count(large) == 1, "of a task that gave it and of one that took it"


@pytest.mark.slow
def test_inputs_that_a_retry_changed_are_compared(flow):
    run(flow)
    gives(flow, "tell", "no json")
    run(flow)
    gives(flow, "fetch", '{"rows": 5}')
    retry(flow, "etl#2", only=("fetch",))
    found = {task.name: task for task in ork.Project(flow).diff_runs("etl#1", "etl#2").tasks}
    assert [(c.path, c.old, c.new) for c in found["fetch"].output] == [("rows", 3, 5)]
    assert "load" not in found or found["load"].inputs == ()


def test_what_is_shown_of_a_large_output_is_cut_before_it_is_read(flow, monkeypatch):
    gives(flow, "fetch", json.dumps({"rows": [{"a": 1.5, "b": "é, :"}] * 500}))
    run(flow)
    found = ork.Project(flow).show("etl#1")
    start = json.dumps({"rows": [{"a": 1.5, "b": "é, :"}] * 50}, ensure_ascii=False)
    monkeypatch.setattr(type(flow), "output", None)
    assert f"{start[:97]}...\n" in str(found)
    assert f"<td>{escape(start[:77])}...</td>" in found._repr_html_()
    assert repr(found.outputs).startswith(f"<Outputs fetch: {start[:60]}")
    assert found.tasks.gist("tell", 100) == "", "of null there is nothing to show"


def test_a_run_is_shown_when_its_store_is_closed(flow):
    gives(flow, "fetch", json.dumps({"rows": ["x" * 100] * 50}))
    run(flow)
    with ork.Project(flow) as project:
        found = project.show("etl#1")
    assert "<td>etl#1</td>" in found._repr_html_()
    assert repr(found.outputs) == "<Outputs fetch: ..., load: true, tell: null>"
    assert str(found) == repr(found)
    assert found.tasks._repr_html_() is None and project._repr_html_() is None
    assert "<td>...</td>" in found.outputs._repr_html_()
    with pytest.raises(StoreError) as raised:
        found.outputs["fetch"]
    assert "`ork.open` opens it again" in raised.value.hint


def test_what_gave_no_output_says_why(flow):
    gives(flow, "load", "no json")
    run(flow)
    outputs = details(flow, "etl#1").outputs
    assert ("load" in outputs, outputs.get("load"), list(outputs)) == (False, None, ["fetch"])
    for name, words in (
        ("load", r"load gave no output \(failed\): [^;]*JSON[^;]*$"),
        ("tell", r"tell gave no output \(skipped\): load failed: [^;]*JSON[^;]*$"),
        ("laod", r"no task named 'laod' has started: did you mean load\?; etl#1 failed: load: "),
    ):
        with pytest.raises(KeyError, match=words):
            outputs[name]
