"""What an import makes of a database: deploys, runs, outputs and logs; again, and later."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ork.backends.memory import Memory
from ork.errors import Conflict
from ork.heads.rename import rename
from ork.logs.reading import logs, pieces
from ork.objects.kinds import Deploy, Task, kind_of
from ork.orkdb.database import open_database
from ork.orkdb.importing import import_database
from ork.store.contents import join_text, task_runs
from ork.store.operations import operations
from ork.store.resolve import history, run_of_number, workflows
from ork.store.runs import runs
from ork.store.store import Store
from ork.upkeep.fsck import fsck
from tests.conftest import START
from tests.orkdb.conftest import STAMP
from tests.orkdb.databases import EXTRACT, FIRST, SECOND, fill, step


def chain(store, workflow="etl"):
    """Return the deploys of a workflow, oldest first."""
    return [deploy for _, deploy in history(store, workflow)][::-1]


def run(store, number, workflow="etl"):
    return run_of_number(store, workflow, number)[1]


def refs(store):
    return dict(store.backend.refs())


def left(done, workflow):
    return [(one.what, one.reason) for one in done.left_out if one.workflow == workflow]


def log_of(store, text):
    (log,) = logs(store, text, now=START)
    return b"".join(pieces(store, log.log)).decode()


# -- what comes over


def test_versions_become_deploys_in_their_order_and_a_way_back_is_one(original, take, store):
    fill(original)
    done = take()
    deploys = chain(store)
    days = [(one.time.day, store.get(Deploy, oid).snapshot) for oid, one in history(store, "etl")]
    assert [day for day, _ in days] == [12, 9, 5]
    assert days[0][1] == days[2][1] != days[1][1]
    assert {(one.author, one.action, one.origin) for one in deploys} == {("ork-db", "import", None)}
    assert deploys[1].message == "Add report; change extract.timeout 300 -> 600"
    assert deploys[0].settings == {"description": "Users, nightly", "schedule": "30 2 * * 1-5"}
    assert [(one.workflow, one.deploys, one.runs) for one in done.workflows] == [
        ("My_Flow_prod", 1, 1),
        ("etl", 3, 5),
    ]


def test_the_text_of_a_deploy_gives_its_tasks(original, take, store):
    fill(original)
    take()
    deploy = chain(store)[0]
    text = join_text(store, deploy.source).decode()
    assert deploy.source.path == "etl.yaml"
    assert "file: tasks/etl.py\n" in text  # relative to the folder of the workflow
    assert "command: ./load.sh\n" in text
    tasks = store.get_all(Task, store.snapshot(deploy.snapshot).tasks)
    assert tasks["extract"].retries == 2
    assert tasks["extract"].output_type == {"path": "str", "rows": "int"}
    assert tasks["load"].input_type == {"path": "str"}
    assert tasks["load"].output_type is None  # `types.Loaded`, which nobody kept
    assert not store.snapshot(deploy.snapshot).files


def test_runs_keep_their_outcomes(original, take, store):
    fill(original)
    take()
    first, failed = run(store, 1), run(store, 2)
    assert (first.state, first.trigger, first.seconds) == ("success", "manual", 29.488)
    assert first.created == datetime(2026, 1, 5, 3, tzinfo=UTC)
    assert first.id.startswith("20260105T030000.000-")
    assert (failed.state, failed.trigger) == ("failed", "ui")
    assert failed.reason == "extract: ValueError: no rows"
    states = task_runs(store, first)
    assert store.output(states["extract"].output) == {"path": "u.json", "rows": 41}
    (attempt,) = states["extract"].attempts
    # One failed before it, and what that said is not the error of this one.
    assert (attempt.number, attempt.state, attempt.error) == (2, "success", None)
    assert attempt.seconds == 10
    states = task_runs(store, failed)
    assert states["extract"].attempts[0].error == "ValueError: no rows\nin line 3"
    assert states["extract"].attempts[0].number == 3
    assert (states["load"].state, states["load"].attempts) == ("upstream_failed", ())
    assert run(store, 5).state == "cancelled"


def test_a_run_belongs_to_the_deploy_that_was_there(original, take, store):
    fill(original)
    take()
    places = [(store.get(Deploy, run(store, n).deploy).time.day) for n in range(1, 6)]
    assert places == [5, 5, 9, 12, 12]
    for number in range(1, 6):
        one = run(store, number)
        assert store.get(Deploy, one.deploy).snapshot == one.snapshot


def test_logs_are_kept_as_they_were(original, take, store):
    fill(original)
    take()
    assert log_of(store, "etl#1:extract") == "stderr: boom\nstdout: 41 rows\n"
    assert log_of(store, "etl#2:extract") == "stderr: no rows\n"


def test_what_ork_cannot_keep_as_a_value_is_in_the_log(original, take, store):
    fill(original)
    done = take()
    assert [what for what, _ in left(done, "My Flow (prod)")] == [
        "the schedule '0 0 2 * * *'",
        "the output of My_Flow_prod#1:step_one",
        "the output of My_Flow_prod#1:step_two",
    ]
    assert log_of(store, "My_Flow_prod#1:step_one") == (
        "deferred: bigquery p/US/job_1 completed, 2026-01-05T03:00:02Z to 2026-01-05T03:00:09Z\n"
        f'output: {{"n": {2**60}}}\n'
    )
    assert log_of(store, "My_Flow_prod#1:step_two") == f"output: {'[' * 70}0{']' * 70}\n"


def test_references_follow_tasks_that_have_another_name(original, take, store):
    fill(original)
    done = take()
    tasks = store.get_all(Task, store.snapshot(chain(store, "My_Flow_prod")[0].snapshot).tasks)
    assert tasks["step_two"].inputs == {"n": {"ref": "tasks.step_one.output.n"}}
    assert tasks["step_two"].depends_on == ("step_one",)
    assert done.renamed == (
        ("My Flow (prod)", "My_Flow_prod"),
        ("My_Flow_prod:step one", "My_Flow_prod:step_one"),
        ("My_Flow_prod:step/two", "My_Flow_prod:step_two"),
    )


def test_everything_that_is_left_out_is_told_with_its_reason(original, take):
    fill(original)
    done = take()
    (what, reason), *rest = left(done, "etl")
    assert what.endswith(" of 2026-01-14 03:00")
    assert reason == "it is running: --unfinished takes it as interrupted"
    assert rest == [
        (
            "a part of its definition",
            'load: its output_type is "types.Loaded", and `types` were not kept',
        ),
    ]
    assert left(done, "empty") == [("the workflow", "it has no tasks")]
    ((what, reason),) = left(done, "hard")
    assert what == "the workflow"
    assert "has a secret: this looks like a GitHub token (ghp_...)" in reason
    assert "a1a1" not in str(done)


def test_a_secret_comes_in_when_somebody_wants_that(original, take, store):
    fill(original)
    done = take(allow_secret=True)
    assert "hard" in [one.workflow for one in done.workflows]


def test_runs_that_have_not_ended_come_as_interrupted_when_somebody_wants_that(
    original, take, store
):
    fill(original)
    take(unfinished=True)
    one = run(store, 6)
    assert (one.state, one.reason) == ("interrupted", "it was running when it was imported")
    assert {t.state for t in task_runs(store, one).values()} == {"interrupted"}


def test_the_store_is_whole_and_one_operation_tells_of_it(original, take, store):
    fill(original)
    take()
    ((_, operation),) = operations(store)
    assert operation.argv == STAMP.argv
    assert {ref for ref, *_ in operation.moves} == {"workflows/etl", "workflows/My_Flow_prod"}
    folder = store.folder
    store.close()
    found = fsck(folder, environ=os.environ, depth="full")
    assert found.errors == 0 and not found.findings


# -- before snapshots, and before tasks


def test_without_snapshots_a_version_is_what_its_runs_executed(tmp_path, store, take):
    from tests.orkdb.databases import sqlite

    original = sqlite(tmp_path / "old" / "ork.db", snapshots=False)
    etl = original.workflow("etl")
    original.run(etl, FIRST, "2026-01-05T03:00:00.000Z")
    original.run(etl, SECOND, "2026-01-06T03:00:00.000Z")
    original.run(etl, SECOND, "2026-01-07T03:00:00.000Z")
    original.deploy(etl, FIRST, "2026-01-08T01:00:00.000Z")
    take(tmp_path / "old")
    assert [one.time.day for one in chain(store)] == [5, 6, 8]
    # The tasks of a run had no types: they are those of the version that is else the same.
    assert chain(store)[0].snapshot == chain(store)[2].snapshot
    # And when that is gone in its turn, the same version is recognized without them.
    third = [step("only", executor="process", command="true")]
    original.deploy(etl, third, "2026-01-09T01:00:00.000Z")
    original.run(etl, FIRST, "2026-01-08T05:00:00.000Z")
    done = take(tmp_path / "old")
    assert [one.time.day for one in chain(store)] == [5, 6, 8, 9]
    assert (done.workflows[0].deploys, done.workflows[0].runs) == (1, 1)
    original.close()


def test_the_present_version_was_there_since_its_deploy(original, take, store):
    etl = original.workflow("etl")
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z", keep=False)
    original.run(etl, FIRST, "2026-01-05T03:00:00.000Z")
    take()
    assert [one.time.day for one in chain(store)] == [2]


def test_workflows_of_before_there_were_tasks_have_so_many_of_one(original, take, store):
    batch = original.workflow(
        "batch", executor_type="process", job_name="./job.sh", task_params={"task_count": 2}
    )
    cloud = original.workflow(
        "cloud", executor_type="cloudrun", job_name="job", region="eu", project="p", task_params={}
    )
    steps = [step("task_0", executor="cloudrun") | {"params": {}}]
    steps[0]["params"] = {"max_retries": 0, "timeout_seconds": None}
    original.run(cloud, steps, "2025-11-07T02:00:00.000Z")
    take()
    tasks = store.get_all(Task, store.snapshot(chain(store, "batch")[0].snapshot).tasks)
    assert {name: one.command for name, one in tasks.items()} == dict.fromkeys(
        ("task_0", "task_1"), "./job.sh"
    )
    first, now = chain(store, "cloud")
    (task,) = store.get_all(Task, store.snapshot(first.snapshot).tasks).values()
    assert " ".join(task.command) == "gcloud run jobs execute job --region eu --project p --wait"
    assert store.get(Deploy, run(store, 1, "cloud").deploy) == first
    assert len(store.snapshot(now.snapshot).tasks) == 3  # which was the default there
    assert batch


def test_equal_versions_from_two_folders_are_one(original, take, store):
    moved = json.loads(json.dumps(FIRST).replace("/home/ann", "/srv"))
    etl = original.workflow("etl")
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    original.deploy(etl, moved, "2026-01-03T01:00:00.000Z")
    take()
    assert len(chain(store)) == 1


def test_a_path_outside_of_its_folder_is_told(original, take, store):
    etl = original.workflow("etl")
    steps = [EXTRACT, step("other", task_file="/opt/shared/x.py")]
    original.deploy(etl, steps, "2026-01-02T01:00:00.000Z")
    done = take()
    tasks = store.get_all(Task, store.snapshot(chain(store)[0].snapshot).tasks)
    assert tasks["other"].file == "opt/shared/x.py"
    assert left(done, "etl") == [
        (
            "a part of its definition",
            "other: /opt/shared/x.py is not below /home/ann/pipelines",
        )
    ]


def test_types_that_ork_would_refuse_are_left_out(original, take, store):
    old = EXTRACT | {"signature": {"output_type": {"rows": "integer"}}}
    original.deploy(original.workflow("etl"), [old], "2026-01-02T01:00:00.000Z")
    done = take()
    (task,) = store.get_all(Task, store.snapshot(chain(store)[0].snapshot).tasks).values()
    assert task.output_type is None
    assert "types left out" in left(done, "etl")[0][1]


# -- again, and later


def test_a_second_import_moves_nothing(original, take, store):
    fill(original)
    take()
    before, sequence = refs(store), store.backend.sequence()
    done = take()
    assert refs(store) == before
    assert store.backend.sequence() == sequence
    assert {(one.deploys, one.runs) for one in done.workflows} == {(0, 0)}


def test_the_same_rows_give_the_same_objects_anywhere(original, take, store):
    fill(original)
    take()
    other = Store(Memory())
    take(into=other)
    mine = {ref: oid for ref, oid in refs(store).items() if ref.startswith("workflows/")}
    assert {ref: other.ref(ref) for ref in mine} == mine
    assert [one.run.id for one in runs(other)] == [one.run.id for one in runs(store)]


def test_a_dry_run_writes_nothing_and_tells_the_same(original, take, store):
    fill(original)
    told = take(dry_run=True)
    assert refs(store) == {}
    assert not list((store.folder / "logs").iterdir())
    done = take()
    assert told.left_out == done.left_out
    assert told.workflows == done.workflows


def test_a_database_that_grew_adds_what_is_new(original, take, store):
    etl = original.workflow("etl", schedule="0 0 2 * * *", schedule_enabled=True)
    first = original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    original.run(etl, FIRST, "2026-01-02T02:00:00.000Z", snapshot=first)
    late = original.run(
        etl, FIRST, "2026-01-02T03:00:00.000Z", status="running", snapshot=first, finished_at=None
    )
    take()
    second = original.deploy(etl, SECOND, "2026-01-03T01:00:00.000Z")
    original.run(etl, SECOND, "2026-01-03T02:00:00.000Z", snapshot=second)
    original.execute("UPDATE runs SET status = 'success' WHERE id = ?", late)
    original.execute("UPDATE workflows SET schedule = '0 0 4 * * *'")
    done = take()
    assert (done.workflows[0].deploys, done.workflows[0].runs) == (1, 2)
    assert [one.settings["schedule"] for one in chain(store)] == ["0 2 * * *", "0 4 * * *"]
    numbers = [(one.run.number, one.run.created.hour) for one in runs(store)][::-1]
    assert numbers == [(1, 2), (2, 3), (3, 2)]
    assert not take().workflows[0].deploys


def test_another_schedule_alone_is_a_deploy_as_well(original, take, store):
    etl = original.workflow("etl", schedule="0 0 2 * * *", schedule_enabled=True)
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    take()
    original.execute("UPDATE workflows SET schedule = '0 0 4 * * *'")
    assert take().workflows[0].deploys == 1
    assert chain(store)[1].message == 'Change schedule "0 2 * * *" -> "0 4 * * *"'
    assert take().workflows[0].deploys == 0
    original.deploy(etl, SECOND, "2026-01-04T01:00:00.000Z")
    take()
    assert [one.time.day for one in chain(store)] == [2, 2, 4]


def test_own_deploys_stay_on_top_and_old_runs_come_below(original, take, store):
    etl = original.workflow("etl")
    first = original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    take()
    own = own_deploy(store, "etl")
    original.run(etl, FIRST, "2026-01-03T02:00:00.000Z", snapshot=first)
    original.deploy(etl, SECOND, "2026-01-04T01:00:00.000Z")
    done = take()
    assert store.ref("workflows/etl") == own
    assert (done.workflows[0].deploys, done.workflows[0].runs) == (0, 1)
    assert ("the version of 2026-01-04 01:00", "here there are newer deploys") in left(done, "etl")


def own_deploy(store, workflow):
    """Deploy something on a workflow as a user would."""
    head = store.ref(f"workflows/{workflow}")
    old = store.get(Deploy, head) if head else None
    from ork.objects.snapshot import build
    from ork.objects.text import split_text

    built = build({"a": Task(executor="process", command="true")}, {})
    with store.transaction(STAMP) as tx:
        tx.add_all(built.objects)
        source = split_text(f"{workflow}.yaml", b"", tx.add)
        oid = tx.add(
            Deploy(
                workflow=workflow,
                snapshot=built.oid,
                parents=(head,) if head else (),
                time=START,
                author="Ada",
                message="own",
                settings=old.settings if old else {},
                source=source,
            )
        )
        tx.move(f"workflows/{workflow}", old=head, new=oid)
    return oid


def test_a_history_of_its_own_is_left_alone(original, take, store):
    own = own_deploy(store, "etl")
    original.deploy(original.workflow("etl"), FIRST, "2026-01-02T01:00:00.000Z")
    done = take()
    assert store.ref("workflows/etl") == own
    assert left(done, "etl")[0][1] == "here etl has a history of its own: --rename helps"
    take(rename={"etl": "etl_old"})
    assert store.ref("workflows/etl_old") is not None


def test_what_was_renamed_here_goes_on_by_its_new_name(original, take, store):
    etl = original.workflow("etl")
    first = original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    original.run(etl, FIRST, "2026-01-02T02:00:00.000Z", snapshot=first)
    take()
    rename(store, "etl", "load", stamp=STAMP)
    before = refs(store)
    take()
    assert refs(store) == before
    second = original.deploy(etl, SECOND, "2026-01-03T01:00:00.000Z")
    original.run(etl, SECOND, "2026-01-03T02:00:00.000Z", snapshot=second)
    take()
    assert workflows(store) == ["load"]
    assert [one.workflow for one in chain(store, "load")] == ["etl", "load", "load"]
    assert [one.name for one in runs(store, "load")] == ["load#2", "etl#1"]


def test_a_database_that_is_another_one_is_told(original, take, store):
    etl = original.workflow("etl")
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    take()
    original.execute("DELETE FROM workflow_snapshots")
    original.deploy(etl, SECOND, "2026-01-03T01:00:00.000Z")
    before = refs(store)
    done = take()
    assert refs(store) == before
    assert "version 1, of 2026-01-03 01:00, is not what etl has here" in left(done, "etl")[0][1]


def test_a_copy_that_is_older_takes_nothing_away(original, file, take, store):
    etl = original.workflow("etl")
    original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    original.execute(f"VACUUM INTO '{file.parent / 'copy.db'}'")
    original.deploy(etl, SECOND, "2026-01-03T01:00:00.000Z")
    take()
    before = refs(store)
    take(file.parent / "copy.db")
    assert refs(store) == before


def test_a_run_that_came_as_interrupted_and_has_ended_is_told(original, take, store):
    fill(original)
    take(unfinished=True)
    original.execute("UPDATE runs SET status = 'success' WHERE status = 'running'")
    done = take()
    assert "it came as interrupted, and has ended since: success" in [
        reason for _, reason in left(done, "etl")
    ]
    assert run(store, 6).state == "interrupted"


def test_what_gc_has_removed_does_not_come_back(original, take, store):
    from ork.upkeep.keep import chosen
    from ork.upkeep.prune import gc

    fill(original)
    take()
    keep = chosen(
        store.folder, runs=2, days=None, logs_days=None, checkouts_days=None, undo_days=None
    )
    gc(store, keep=keep, now=START, stamp=STAMP, force=True)
    before = [one.run.id for one in runs(store, "etl")]
    assert 0 < len(before) < 5
    done = take()
    assert [one.run.id for one in runs(store, "etl")] == before
    assert "`ork gc` has removed older runs here" in [reason for _, reason in left(done, "etl")]


# -- beside others


@pytest.mark.slow
@pytest.mark.parametrize(
    "kinds", [("blob",), ("blob", "deploy", "run", "snapshot", "task", "tree")]
)
def test_objects_that_gc_takes_meanwhile_are_written_again(
    original, file, store, monkeypatch, kinds
):
    fill(original)
    from ork.orkdb import importing

    def sweep(place):
        if place == "orkdb.objects":
            found = [oid for oid in store.backend.oids() if kind_of(store.read(oid)) in kinds]
            store.backend.sweep(lambda: found)

    monkeypatch.setattr(importing, "failpoint", sweep)
    database = open_database(file)
    import_database(store, database, stamp=STAMP)
    database.close()
    folder = store.folder
    store.close()
    assert fsck(folder, environ=os.environ, depth="full").errors == 0


def test_a_head_that_moves_meanwhile_stops_the_import(original, file, store, monkeypatch):
    fill(original)
    from ork.orkdb import importing

    monkeypatch.setattr(
        importing,
        "failpoint",
        lambda place: own_deploy(store, "etl") if place == "orkdb.objects" else None,
    )
    database = open_database(file)
    with pytest.raises(Conflict):
        import_database(store, database, stamp=STAMP)
    database.close()
    assert list(runs(store)) == []


def test_times_that_are_none_are_told(original, take, store):
    etl = original.workflow("etl")
    first = original.deploy(etl, FIRST, "2026-01-02T01:00:00.000Z")
    original.run(etl, FIRST, "2026-01-02T02:00:00.000Z", snapshot=first, created_at="yesterday")
    original.run(etl, FIRST, "2026-01-03T02:00:00.000Z", snapshot=first, finished_at="0000-00-00")
    done = take()
    assert "it does not say when it was" in left(done, "etl")[0][1]
    assert run(store, 1).ended == datetime(2026, 1, 3, 2, 0, 11, 7000, tzinfo=UTC)


@pytest.mark.slow
def test_thousands_of_runs_take_bounded_memory(original, take, store):
    import tracemalloc

    etl = original.workflow("etl")
    only = step("only", executor="process", command="true")
    first = original.deploy(etl, [only], "2026-01-02T01:00:00.000Z")
    wide = "x" * 1_000_000
    for number in range(16):
        at = f"2026-01-03T00:{number:02}:00.000Z"
        one = original.run(etl, [], at, snapshot=first)
        original.task(one, 0, only, at, logs=wide, output={"text": wide})
    tracemalloc.start()
    take()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(list(runs(store, "etl"))) == 16
    assert peak < 16 << 20  # of 32 MB


def test_a_store_that_machines_share_has_the_logs(original, take, tmp_path):
    fill(original)
    backend = Memory()
    here, there = (Store(backend, folder=tmp_path / name, shared=True) for name in "ab")
    for one in (here, there):
        one.folder.mkdir()
    take(into=here)
    assert log_of(there, "etl#1:extract") == "stderr: boom\nstdout: 41 rows\n"
    assert not [path for path in here.folder.rglob("*") if path.is_file()]
    assert take(into=there).workflows[0].runs == 0


# -- killed


IMPORT = """
import sys
from pathlib import Path
from ork.orkdb.database import open_database
from ork.orkdb.importing import import_database
from ork.store import location
from tests.orkdb.conftest import STAMP
store = location.open_store(Path(sys.argv[1]), environ={})
import_database(store, open_database(sys.argv[2]), stamp=STAMP)
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["objects", "logs", "written"])
@pytest.mark.turns(3)
def test_an_import_that_is_killed_shows_nothing_and_can_be_repeated(
    original, file, take, store, point
):
    fill(original)
    killed = subprocess.run(
        [sys.executable, "-c", IMPORT, str(store.folder), str(file)],
        env={**os.environ, "ORK_FAILPOINT": f"orkdb.{point}", "PYTHONPATH": os.getcwd()},
        cwd=Path(__file__).parents[2],
    )
    assert killed.returncode == -9
    assert bool(refs(store)) == (point == "written")
    take()
    assert len(list(runs(store, "etl"))) == 5
    assert log_of(store, "etl#1:extract") == "stderr: boom\nstdout: 41 rows\n"
    folder = store.folder
    store.close()
    assert not fsck(folder, environ=os.environ, depth="full").findings
