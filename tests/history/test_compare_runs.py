"""Two runs -> what differs; the last failure, and what was good before it. All of real runs."""

import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

import ork
from ork.differences.runs import Proof
from ork.errors import NotFound
from ork.history.compare_runs import (
    LastFailure,
    diff_runs,
    environment_changes,
    last_failure,
    last_good,
    other_environment,
)
from ork.history.details import RunValues
from ork.objects import canonical
from ork.objects.kinds import Run
from ork.objects.tree import entries
from ork.objects.value import replace
from ork.runner.choices import Selection
from ork.runner.start import Caller, Options, start
from ork.store.contents import task_runs
from ork.store.resolve import resolve, run_of_number
from tests.history.histories import History, task
from tests.runs import in_memory, outcome, write_run
from tests.stores import NOON

ROOT = Path(__file__).parents[2]

ETL = """\
name: etl
params: {day: {type: str, default: monday}}
tasks:
  extract:
    executor: process
    command: ./extract.sh
    inputs: {day: {ref: params.day}}
  load:
    executor: process
    command: ./load.sh
    depends_on: [extract]
    timeout: 30
    inputs: {rows: {ref: tasks.extract.output.rows}}
  tell: {executor: process, command: "true", depends_on: [load]}
"""
EXTRACT = """\
#!/bin/sh
echo "ORK_OUTPUT:{\\"rows\\": $(cat rows)}"
"""
LOAD = """\
#!/bin/sh
echo "ORK_OUTPUT:$ORK_INPUT_JSON"
"""


@pytest.fixture
def flow(project):
    """The project with a pipeline: extract tells what the file `rows` says, load repeats it."""
    for name, text in (("etl.yaml", ETL), ("extract.sh", EXTRACT), ("load.sh", LOAD)):
        (project.project / name).write_text(text)
        (project.project / name).chmod(0o755)
    (project.project / "rows").write_text("3")
    return project


def run(store, what=None, **options):
    """Run etl.yaml or a revision, to its end; return the run."""
    *_, last = ork.Project(store).events(
        what or store.project / "etl.yaml", options=Options(**options)
    )
    return last.run


def edit(store, path, old, new):
    target = store.project / path
    text = target.read_text()
    assert old in text
    target.write_text(text.replace(old, new))


def compared(store, old, new):
    return diff_runs(store, *(resolve(store, text, now=NOON) for text in (old, new)))


def why(divergence):
    return divergence and f"{divergence.task} - {divergence.why}"


def kinds(found):
    """Return what differs of each task; not of those that are listed since they took longer."""
    return {task.name: task.kinds for task in found.tasks if task.kinds}


def kinds_of(found):
    return {kind for task in found.tasks for kind in task.kinds}


def test_equal_runs_do_not_differ(flow):
    run(flow)
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    assert not found
    assert (found.first, found.outcome, kinds_of(found)) == (None, None, set())
    assert found.alike + len(found.tasks) == 3  # one that took longer, by chance, is listed
    assert (found.old.name, found.new.name) == ("etl#1", "etl#2")


def test_another_slot_may_be_the_reason(flow):
    (flow.project / "extract.sh").write_text(
        '#!/bin/sh\necho "ORK_OUTPUT:{\\"rows\\": \\"$ORK_SCHEDULED_TIME\\"}"\n'
    )
    for slot in (NOON, NOON, NOON + timedelta(days=1)):
        caller = Caller(trigger="schedule", scheduled=slot)
        assert list(start(flow, str(flow.project / "etl.yaml"), caller=caller).events)
    same, other = compared(flow, "etl#1", "etl#2"), compared(flow, "etl#2", "etl#3")
    assert (bool(same), same.slots, other.slots) == (False, False, True)
    assert "; a schedule started them for different slots" in why(other.first)
    edit(flow, "extract.sh", '\\"}', '!\\"}')
    list(start(flow, str(flow.project / "etl.yaml"), caller=Caller()).events)
    assert why(compared(flow, "etl#3", "etl#4").first).startswith("extract - its code changed")
    caller = Caller(trigger="schedule", scheduled=NOON)
    list(start(flow, "etl", caller=caller).events)
    assert "; only one of them was started by a sch" in why(compared(flow, "etl#4", "etl#5").first)


@pytest.mark.slow
def test_runs_that_went_on_at_the_same_time_may_be_the_reason(flow):
    """They share the project's folder: here a file that one writes and the other reads."""
    (flow.project / "extract.sh").write_text(
        "#!/bin/sh\nmkdir $ORK_RUN_ID.begun; while [ ! -e go ]; do sleep 0.02; done\n"
        'echo "ORK_OUTPUT:{\\"rows\\": \\"$$\\"}"\n'
    )
    words = [sys.executable, "-m", "ork", "run", "etl.yaml", "-q"]
    both = [subprocess.Popen(words, cwd=flow.project) for _ in range(2)]
    while len([*flow.project.glob("*.begun")]) < 2:
        time.sleep(0.02)
    (flow.project / "go").touch()
    assert [one.wait(60) for one in both] == [0, 0]
    told = why(compared(flow, "etl#1", "etl#2").first)
    assert "; etl#2, etl#1 went on at the same time, perhaps with the same files" in told
    run(flow)
    assert "; etl#1 went on at the same time, perhaps" in why(
        compared(flow, "etl#2", "etl#3").first
    )


def test_a_parameter_is_followed_to_where_it_is_taken(flow):
    run(flow)
    run(flow, given={"day": "sunday"})
    found = compared(flow, "etl#1", "etl#2")
    assert [(c.path, c.old, c.new) for c in found.params] == [("day", "monday", "sunday")]
    assert why(found.first) == "extract - the parameter day changed"
    assert kinds(found) == {"extract": ("params", "inputs")}


CONDITION = """\
name: etl
tasks:
  count: {executor: process, command: "echo ORK_OUTPUT:$(cat rows)"}
  load: {executor: process, command: "echo ORK_OUTPUT:true", depends_on: [count],
         when: {ref: tasks.count.output, is: 3}}
  tell: {executor: process, command: "true", depends_on: [load], when: {ref: tasks.load.output}}
  send: {executor: process, command: "test $ROWS = 3", depends_on: [count],
         env: {ROWS: {ref: tasks.count.output}}}
"""


def test_an_output_explains_what_a_condition_or_a_variable_made_of_it(flow):
    (flow.project / "etl.yaml").write_text(CONDITION)
    run(flow)
    (flow.project / "rows").write_text("4")
    run(flow)

    def told(old, new, task):
        ends = (resolve(flow, text, now=NOON) for text in (old, new))
        return why(diff_runs(flow, *ends, names=[task]).outcome)

    changed = "the output of count changed: 3 -> 4; it"
    skipped = f"load - {changed} was skipped: tasks.count.output is 4"
    assert told("etl#1", "etl#2", "load") == skipped
    assert told("etl#2", "etl#1", "load") == (
        "load - the output of count changed: 4 -> 3; it succeeded, before it was skipped: "
        "tasks.count.output is 4"
    )
    assert told("etl#1", "etl#2", "send") == f"send - {changed} failed: exited with code 1"
    assert told("etl#1", "etl#2", "tell") == (
        "tell - load ended in another way; it was skipped: load was skipped"
    )


def test_code_that_breaks_a_task(flow):
    run(flow)
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    assert why(found.first) == "load - its code changed: load.sh; it failed: exited with code 7"
    assert found.outcome == found.first
    assert kinds(found) == {"load": ("code", "state"), "tell": ("state",)}
    assert [file.path for file in found.definition.files] == ["load.sh"]
    back = compared(flow, "etl#2", "etl#1")
    assert why(back.first).endswith("it succeeded, before it failed: exited with code 7")


def test_a_harmless_change_before_and_the_failure_after(flow):
    run(flow)
    edit(flow, "extract.sh", "#!/bin/sh\n", "#!/bin/sh\n# the same\n")
    edit(flow, "etl.yaml", "timeout: 30", "timeout: 0.2")
    edit(flow, "load.sh", "echo", "sleep 5; echo")
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    assert why(found.first) == "extract - its code changed: extract.sh"
    assert why(found.outcome).startswith(
        "load - its definition changed: timeout; its code changed: load.sh; it failed: "
    )


def test_what_comes_from_outside_is_said_to(flow):
    run(flow)
    (flow.project / "rows").write_text("4")
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    assert why(found.first) == (
        "extract - same definition, code and inputs; it gave another output: rows 3 -> 4; "
        "nothing recorded explains it: time, chance or something outside"
    )
    by_name = {task.name: task for task in found.tasks}
    assert [(c.path, c.old, c.new) for c in by_name["load"].inputs] == [("rows", 3, 4)]
    assert [(c.path, c.old, c.new) for c in by_name["load"].output] == [("rows", 3, 4)]


def test_renamed_added_and_removed_tasks(flow):
    run(flow)
    edit(flow, "etl.yaml", "  load:\n", "  store:\n")
    edit(
        flow,
        "etl.yaml",
        "depends_on: [load]}",
        "depends_on: [store]}\n  more: {executor: process, command: 'false'}",
    )
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    assert kinds(found) == {"more": ("added",)}
    assert why(found.first) == "more - it was added; it failed: exited with code 1"
    back = compared(flow, "etl#2", "etl#1")
    assert (back.first.task, back.first.kinds) == ("more", ("removed",))


def test_a_part_of_a_workflow_is_compared_as_far_as_it_ran(flow):
    run(flow)
    edit(flow, "extract.sh", "rows", "more")
    with pytest.warns(ork.OrkWarning, match="extract: output of etl#1, of another definition"):
        run(flow, selection=Selection(only=("load",)))
    found = compared(flow, "etl#1", "etl#2")
    assert found.new.run.base == found.old.run.id
    assert found.first is None
    assert kinds(found)["extract"] == ("code", "state")
    run(flow, selection=Selection(only=("extract",)))
    assert compared(flow, "etl#1", "etl#3").first.task == "extract"
    edit(flow, "extract.sh", "more", "rows")
    (flow.project / "rows").write_text("4")
    run(flow)
    run(flow, selection=Selection(only=("load",)), base="etl#1")
    assert why(compared(flow, "etl#4", "etl#5").first) == (
        "extract - same definition, code and inputs; it gave another output: rows 4 -> 3; nothing "
        "recorded explains it: time, chance or something outside; it was not run: output of etl#1"
    )


def test_the_cause_is_looked_for_where_a_kept_output_was_made(flow):
    run(flow)
    run(flow, selection=Selection(only=("load",)))
    run(flow, selection=Selection(only=("tell",)))
    edit(flow, "extract.sh", "cat rows", "wc -c <rows")
    run(flow, given={"day": "sunday"})
    changed = "extract - its code changed: extract.sh; the parameter day changed; it gave another "
    kept = "it was not run: output of etl#1"
    told = why(compared(flow, "etl#3", "etl#4").first)
    assert told == f"{changed}output: rows 3 -> 1; {kept}"
    assert why(compared(flow, "etl#4", "etl#2").first) == f"{changed}output: rows 1 -> 3; {kept}"
    again = pytest.warns(ork.OrkWarning, match="extract ran again in etl#4 since, with new code")
    with again, pytest.warns(ork.OrkWarning, match="of another definition"):
        run(flow, selection=Selection(only=("load",)), base="etl#1")
    told = why(compared(flow, "etl#5", "etl#4").first)
    assert told == f"{changed}output: rows 3 -> 1; {kept}, of another definition"
    ork.Project(flow).move("etl", "load")
    edit(flow, "etl.yaml", "name: etl", "name: load")
    again = pytest.warns(ork.OrkWarning, match="extract ran again in etl#4 since, with new code")
    with again, pytest.warns(ork.OrkWarning, match="of another definition"):
        run(flow, selection=Selection(only=("load",)), base="etl#2")
    told = why(compared(flow, "load#6", "load#4").first)
    assert told == f"{changed}output: rows 3 -> 1; {kept}, of another definition"


def test_a_run_that_goes_on_is_compared_as_far_as_it_is(flow):
    run(flow)
    second = run(flow)
    oid, _ = run_of_number(flow, "etl", 2)
    states = task_runs(flow, second)
    with flow.transaction() as tx:
        pin = tx.add(replace(second, state="running", ended=None, duration=None, tasks=None))
        failed = tx.add(replace(states["extract"], state="failed", output=None, reason="boom"))
        tx.move(f"runs/etl/{second.id}", old=oid, new=pin)
        tx.move(f"active/{second.id}/.run", old=None, new=pin)
        tx.move(f"active/{second.id}/extract", old=None, new=failed)
    found = compared(flow, "etl#1", "etl#2")
    same = "extract - same definition, code and inputs; it failed: boom"
    assert why(found.first).startswith(same)
    assert kinds(found)["tell"] == ("state",)
    assert {task.name: task.new.state for task in found.tasks}["tell"] == "pending"
    assert found


def test_a_retry_is_compared_as_it_is_now(flow):
    run(flow)
    (flow.project / "rows").write_text("x")
    run(flow)
    (flow.project / "rows").write_text("3")
    *_, last = ork.Project(flow).retry_events("etl#2")
    assert (last.run.state, last.run.attempt) == ("success", 2)
    found = compared(flow, "etl#1", "etl#2")
    assert not found
    assert task_runs(flow, last.run)["extract"].attempts[-1].number == 2


def test_unattached_runs_are_compared_too(flow):
    run(flow)
    edit(flow, "load.sh", "echo", "exit 7 #")
    *_, _ = ork.Project(flow).events(flow.project / "etl.yaml", no_deploy=True)
    found = compared(flow, "etl#1", "etl#2")
    assert found.new.run.deploy is None
    assert found.first.task == "load"


@pytest.mark.slow
def test_two_names_of_one_interpreter_are_one_environment(flow):
    script = f"import ork; print(ork.open({str(flow.project)!r}).run('etl', hooks=False).ok)"
    run(flow)
    for name in ("python", "python3"):
        words = [Path(sys.executable).with_name(name), "-c", script]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
        assert done.stdout == "True\n", done.stderr
    first, second = (run_of_number(flow, "etl", number)[1] for number in (2, 3))
    paths = [flow.value(one.environment)["executable"] for one in (first, second)]
    assert [Path(path).name for path in paths] == ["python", "python3"]
    assert not other_environment(flow, first, second)
    assert not compared(flow, "etl#2", "etl#3")


def around(store, *runs):
    return environment_changes(*(RunValues(store, it, task_runs(store, it)) for it in runs), {})


def test_what_is_around_two_runs(flow):
    run(flow)
    first = run(flow)
    value = flow.value(first.environment)
    value["python"] = "3.99.1"
    value["distributions"] = ["numpy==1.0", "old==1", "twice==1", "twice==2"]
    other = {**value, "python": "4.0.0", "distributions": ["new==1", "numpy==2.0", "twice==2"]}
    runs = []
    with flow.transaction() as tx:
        for one in (value, other):
            runs.append(replace(first, environment=tx.add_value(one)))
    changes, _ = around(flow, *runs)
    assert [(c.path, c.old, c.new) for c in changes] == [
        ("distributions.new", None, "1"),
        ("distributions.numpy", "1.0", "2.0"),
        ("distributions.old", "1", None),
        ("distributions.twice", "1, 2", "2"),
        ("python", "3.99.1", "4.0.0"),
    ]
    nothing = replace(first, environment=None, host="elsewhere")
    assert [c.path for c in around(flow, runs[0], nothing)[0]] == ["host"]
    assert around(flow, first, first) == ((), ())


def test_values_are_read_only_where_they_differ(flow, monkeypatch):
    run(flow)
    run(flow)
    read = []
    original = type(flow).value
    monkeypatch.setattr(
        type(flow), "value", lambda self, oid: read.append(oid) or original(self, oid)
    )
    compared(flow, "etl#1", "etl#2")
    assert len(read) <= 4, "parameters and environments"


def test_a_workflow_stands_for_its_newest_run(flow):
    run(flow)
    run(flow)
    assert compared(flow, "etl#1", "etl").new.name == "etl#2"
    assert ork.Project(flow).diff_runs("etl#1", "etl").new.name == "etl#2"
    with pytest.raises(NotFound, match="is a task; two runs are compared whole"):
        compared(flow, "etl#1", "etl#1^{snapshot}:load")


# -- the last failure


@pytest.mark.slow
def test_the_last_failure_and_what_was_good_before(flow):
    run(flow)
    run(flow)
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow)
    run(flow)
    began = LastFailure(good="etl#2", bad="etl#3")  # in which it began to fail
    assert last_failure(flow, "etl") == began
    edit(flow, "load.sh", "exit 7 #", "echo")
    run(flow, selection=Selection(only=("extract",)))  # which says nothing
    assert last_failure(flow, "etl") == began
    run(flow)
    run(flow)
    assert last_failure(flow, "etl") == replace(began, good_again="etl#6")
    assert ork.Project(flow).diff_last("etl").good_again == "etl#6"


@pytest.mark.parametrize(
    ("ended", "found"),
    [
        (["good", "bad of a bisection", "bad"], ("etl#1", "etl#3", None)),
        (["good", "good of a bisection", "bad"], ("etl#1", "etl#3", None)),
        (["good", "bad", "good", "bad of a bisection"], ("etl#1", "etl#2", "etl#3")),
        (["good", "bad", "good of a bisection"], ("etl#1", "etl#2", None)),
    ],
)
def test_what_a_bisection_runs_is_no_failure_and_nothing_good_before(ended, found):
    history = History(in_memory())
    history.deploy({"a": task("a")})
    oids = history.store.snapshot(resolve(history.store, "etl", now=NOON).snapshot).tasks
    for how in ended:
        state = "success" if how.startswith("good") else "failed"
        trigger = "bisect" if how.endswith("bisection") else "run"
        states = {"a": outcome(oids["a"], state)}
        write_run(history.store, history.oids[0], states, state, trigger=trigger)
    good, bad, again = found
    assert last_failure(history.store, "etl") == LastFailure(good=good, bad=bad, good_again=again)


def test_a_run_of_an_older_version_is_no_proof_of_the_newest(flow):
    run(flow)
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow)
    edit(flow, "load.sh", "exit 7", "exit 8")
    run(flow)
    began = LastFailure(good="etl#1", bad="etl#2")
    assert run(flow, "etl#1").state == "success"
    assert last_failure(flow, "etl") == began
    assert last_good(flow, run(flow, "etl")).number == 1
    assert last_failure(flow, "etl") == began
    edit(flow, "load.sh", "exit 8 #", "echo")
    run(flow)
    assert run(flow, "etl#2").state == "failed"
    assert last_failure(flow, "etl") == replace(began, good_again="etl#6")


def test_where_only_older_versions_failed_the_newest_did_not(flow):
    for number in (1, 2):
        edit(flow, "load.sh", "\n", f"\n# {number}\n")
        assert run(flow).state == "success"
    (flow.project / "rows").unlink()
    assert run(flow, "etl#1").state == "failed"
    with pytest.raises(NotFound, match="the newest version of etl has failed; etl#3 ran another"):
        last_failure(flow, "etl")


def test_a_version_that_was_brought_back_or_undone_was_the_newest(flow):
    run(flow)
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow)
    project = ork.Project(flow)
    project.rollback("etl")
    assert run(flow, "etl#1").state == "success"
    began = LastFailure(good="etl#1", bad="etl#2", good_again="etl#3")
    assert last_failure(flow, "etl") == began
    edit(flow, "load.sh", "exit 7", "exit 8")
    run(flow)
    assert last_failure(flow, "etl") == LastFailure(good="etl#3", bad="etl#4")
    project.undo()
    edit(flow, "load.sh", "exit 8 #", "echo")
    run(flow, "etl")
    undone = LastFailure(good="etl#3", bad="etl#4", good_again="etl#5")
    assert last_failure(flow, "etl") == undone


def test_there_may_be_no_failure_or_nothing_good_before(flow):
    with pytest.raises(NotFound, match="nothing is deployed here yet"):
        last_failure(flow, "etl")
    ork.Project(flow).deploy(flow.project / "etl.yaml")
    with pytest.raises(NotFound, match="etl has not run yet"):
        last_failure(flow, "etl")
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow)
    with pytest.raises(NotFound, match="no good run of etl before etl#1"):
        last_failure(flow, "etl")
    other = flow.project / "other.yaml"
    other.write_text("name: other\ntasks: {a: {executor: process, command: 'true'}}\n")
    run(flow, other)
    with pytest.raises(NotFound, match="no run of other has failed") as caught:
        last_failure(flow, "other")
    assert "other#" not in str(caught.value.hint), "only one is there"


def test_a_good_run_with_the_same_parameters_comes_before_a_newer_one_with_others(flow):
    run(flow)
    run(flow, given={"day": "sunday"})
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow, given={"day": "tuesday"})
    assert last_failure(flow, "etl") == LastFailure(good="etl#2", bad="etl#3")
    run(flow)
    assert last_failure(flow, "etl") == LastFailure(good="etl#1", bad="etl#4")
    failed = run(flow)
    assert last_failure(flow, "etl") == LastFailure(good="etl#1", bad="etl#4")
    assert [last_good(flow, failed, within=many).number for many in (3, 4)] == [2, 1]
    run(flow, given={"day": "friday"})
    assert last_failure(flow, "etl") == LastFailure(good="etl#2", bad="etl#3")


def test_both_runs_of_the_last_failure_go_with_the_first_that_failed(flow):
    run(flow)
    run(flow, given={"day": "sunday"})
    (flow.project / "rows").unlink()
    for day in ("monday", "tuesday"):
        assert run(flow, given={"day": day}).state == "failed"
        assert last_failure(flow, "etl") == LastFailure(good="etl#1", bad="etl#3")


def test_what_was_changed_may_have_succeeded_since_with_other_parameters(flow):
    edit(flow, "load.sh", "echo", "[ ! -e bad ] && echo")
    run(flow)
    edit(flow, "extract.sh", "echo", "\\echo")
    for day in ("saturday", "sunday"):
        assert run(flow, given={"day": day}).state == "success"
    (flow.project / "bad").touch()
    assert run(flow).state == run(flow, given={"day": "tuesday"}).state == "failed"
    found = compared(flow, "etl#1", "etl#4")
    assert found.good_since == Proof(name="etl#3", params={"day": "sunday"})
    proved = 'the same version succeeded since, in etl#3 with day="sunday"'
    assert why(found.first) == f"extract - its code changed: extract.sh; {proved}"
    same = "same definition, code and inputs; it failed: exited with code 1"
    assert why(found.outcome) == (f"load - {same}; what runs before it changed: extract; {proved}")
    for ends in (("etl#1", "etl#3"), ("etl#3", "etl#4"), ("etl#4", "etl#5"), ("etl#4", "etl#1")):
        assert compared(flow, *ends).good_since is None


def test_a_run_that_left_out_tasks_is_neither_good_nor_bad(flow):
    run(flow)
    run(flow, selection=Selection(only=("extract",)))
    edit(flow, "load.sh", "echo", "exit 7 #")
    run(flow, selection=Selection(only=("load",)))
    with pytest.raises(NotFound, match="whole and untainted has failed; etl#3 is partial"):
        last_failure(flow, "etl")
    failed = run(flow)
    assert last_failure(flow, "etl") == LastFailure(good="etl#1", bad="etl#4")
    assert last_good(flow, failed).number == 1
    assert last_good(flow, failed, within=2) is None


def test_ids_of_runs_are_in_utc_wherever_they_are_started(flow, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    found = run(flow)
    monkeypatch.undo()
    time.tzset()
    assert found.id.startswith(f"{found.created:%Y%m%dT%H%M%S}.")
    assert [e.run.number for e in ork.Project(flow).runs(since=found.created)] == [1]


def test_every_run_is_in_the_index_of_what_it_executed(flow):
    run(flow)
    run(flow)
    for name, oid in flow.refs("runs/"):
        found = flow.get(Run, oid)
        pin = flow.ref(f"ran/{found.snapshot}/{name}")
        assert flow.get(Run, pin).state == "running"
    assert len(list(flow.refs("ran/"))) == 2
    loads = [states["load"].task for states in _trees(flow)]
    assert len(set(loads)) == 1
    found = ork.Project(flow).runs(containing=loads[0][:12])
    assert [entry.run.number for entry in found] == [2, 1]
    assert [e.run.number for e in ork.Project(flow).runs(snapshot="etl", since=NOON)] == [2, 1]


def _trees(store):
    return [entries(store.tree, store.get(Run, oid).tasks) for _, oid in store.refs("runs/")]


def test_outputs_that_are_no_objects_are_compared_as_a_whole(flow):
    edit(flow, "extract.sh", '{\\"rows\\": $(cat rows)}', "$(cat rows)")
    (flow.project / "etl.yaml").write_text(
        ETL.replace("{ref: tasks.extract.output.rows}", "{const: 1}")
    )
    run(flow)
    (flow.project / "rows").write_text("[1]")
    run(flow)
    found = compared(flow, "etl#1", "etl#2")
    task = found.tasks[0]  # on a busy machine another may have taken notably longer
    assert [(c.path, c.old, c.new) for c in task.output] == [("", 3, [1])]
    assert canonical.encode(task.output[0].new) == b"[1]"
