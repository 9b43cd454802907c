"""Every form of a revision, and what is said when there is no such thing."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from ork.errors import Ambiguous, Corrupt, NotFound, UsageError
from ork.objects import tree
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Blob, Deploy, Run, TaskRun, encode_object
from ork.objects.value import replace
from ork.store.contents import find_run, task_runs
from ork.store.resolve import deploy_of, history, resolve, run_of, snapshot_of
from tests.runs import PIN
from tests.stores import NOON, keep_in, plant, project_in, stamp

TEXT = """\
name: etl
tasks:
  extract: {executor: process, command: ./run.sh, timeout: NUMBER}
  load: {executor: process, command: "true", depends_on: [extract]}
"""
NOW = NOON + timedelta(days=10)


def version(number):
    return TEXT.replace("NUMBER", str(number))


def add_run(store, number, deploy, *, ended=True):
    """Record a run of every task, or one that goes on and has begun with `extract`."""
    snapshot = store.get(Deploy, deploy).snapshot
    tasks = store.snapshot(snapshot).tasks
    name = f"20261111T00000{number}.000-abcdef"
    pin = replace(PIN, id=name, number=number, deploy=deploy, snapshot=snapshot)
    with store.transaction() as tx:
        first = newest = tx.add(pin)
        states = {name: TaskRun(task=oid, state="success") for name, oid in tasks.items()}
        if ended:
            root = tree.build(states, tx.add, TaskRun)
            newest = tx.add(replace(pin, tasks=root, state="success"))
        else:
            tx.move(f"active/{pin.id}/.run", old=None, new=first)
            tx.move(f"active/{pin.id}/extract", old=None, new=tx.add(states["extract"]))
        tx.move(f"runs/etl/{pin.id}", old=None, new=newest)
        tx.move(f"numbers/etl/{number:010d}", old=None, new=first)
        tx.move(f"ran/{snapshot}/etl/{pin.id}", old=None, new=first)
    return newest


def with_history(project):
    """Four deploys of etl, a day apart; the third is tagged v1; the first and the last have run."""
    (project.project / "run.sh").write_text("#!/bin/sh\n")
    deploys = [
        keep_in(project, version(n), message=f"n{n}", hours=24 * n).deploy for n in range(1, 5)
    ]
    with project.transaction(stamp(97)) as tx:
        tx.move("tags/etl/v1", old=None, new=deploys[2])
    runs = [add_run(project, 1, deploys[0]), add_run(project, 2, deploys[3])]
    return SimpleNamespace(
        store=project,
        deploys=deploys,
        runs=runs,
        snapshots=[project.get(Deploy, oid).snapshot for oid in deploys],
        resolve=lambda text: resolve(project, text, now=NOW),
    )


@pytest.fixture(scope="module")
def etl(tmp_path_factory):
    """That history for all tests that only read it."""
    with project_in(tmp_path_factory.mktemp("etl")) as project:
        yield with_history(project)


@pytest.fixture
def own(project):
    """That history for one test, which adds to it."""
    return with_history(project)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("etl", 4),
        ("@", 4),
        ("etl~0", 4),
        ("etl~", 3),
        ("etl~1", 3),
        ("etl~3", 1),
        ("etl^", 3),
        ("etl^^", 2),
        ("etl^~2", 1),
        ("@~1", 3),
        ("etl@{0}", 4),
        ("etl@{2}", 2),
        ("etl@{3}", 1),
        ("etl@v1", 3),
        ("etl@v1~1", 2),
        ("@@v1", 3),
        ("etl@{0}~1", 3),
        ("etl^{deploy}", 4),
        # The deploys were made on the 2nd to the 5th at noon; it is the 11th.
        ("etl@{2026-11-02}", 1),
        ("etl@{2026-11-03}", 2),
        ("etl@{2026-11-03T11:59}", 1),
        ("etl@{2026-11-03T12:00:00Z}", 2),
        ("etl@{2026-11-03 12:00}", 2),
        ("etl@{yesterday}", 4),
        ("etl@{7 days ago}", 3),
        ("etl@{now}", 4),
        ("etl@{today}", 4),
        ("@{2026-11-04}", 3),
        ("etl@{1 week ago}~1", 2),
        ("etl#1^{deploy}", 1),
        ("etl#2~1", 3),
        ("etl#2^{deploy}~1", 3),
        ("etl^{deploy}^", 3),
        ("HEAD~1", 3),
        ("HEAD@{1}", 3),
    ],
)
def test_revisions_of_deploys(etl, text, number):
    found = etl.resolve(text)
    assert (found.oid, found.kind) == (etl.deploys[number - 1], "deploy")
    assert (found.text, found.workflow) == (text, "etl")
    assert found.snapshot == etl.snapshots[number - 1]


def test_a_moment_may_hold_colons_and_a_path_may_follow(etl):
    old, new = (etl.resolve(f"etl@{{2026-11-03T{time}}}:extract") for time in ("11:59", "12:01"))
    assert (old.kind, old.deploy, new.deploy) == ("task", *etl.deploys[:2])


def test_where_the_ref_was_counts_moves_and_not_parents(own):
    with own.store.transaction(stamp(200)) as tx:
        tx.move("workflows/etl", old=own.deploys[3], new=own.deploys[0])
    assert own.resolve("etl").oid == own.deploys[0]
    assert own.resolve("etl@{1}").oid == own.deploys[3]
    assert own.resolve("etl@{4}").oid == own.deploys[0]


@pytest.mark.parametrize("digits", [4, 8, 63, 64])
def test_any_object_by_a_prefix(etl, digits):
    deploy, snapshot, run = etl.deploys[1], etl.snapshots[1], etl.runs[0]
    task = etl.resolve("etl:extract").oid
    for oid, kind in ((deploy, "deploy"), (snapshot, "snapshot"), (run, "run"), (task, "task")):
        found = etl.resolve(oid[:digits])
        assert (found.oid, found.kind) == (oid, kind)
    assert etl.resolve(deploy[:digits] + "~1").oid == etl.deploys[0]
    assert etl.resolve(snapshot[:digits] + "^{deploy}").oid == deploy


def test_runs_by_number_and_by_id(etl):
    first, second = etl.runs
    assert etl.resolve("etl#1").oid == first
    assert run_of(etl.resolve("etl#2")) == second
    assert etl.resolve("@#2").oid == second
    for text in ("run:20261111T000001", "run:20261111T000001.000-abcdef"):
        assert etl.resolve(text).oid == first
        assert etl.resolve(text).deploy == etl.deploys[0]
    assert etl.resolve("run:20261111T000002~1").oid == etl.deploys[2]


def test_a_snapshot_of_anything(etl):
    for text, number in (("etl", 4), ("etl~2", 2), ("etl#1", 1), (etl.snapshots[0], 1)):
        found = etl.resolve(text + "^{snapshot}")
        assert (found.oid, found.kind) == (etl.snapshots[number - 1], "snapshot")


def test_tasks_files_and_the_text(etl):
    task = etl.resolve("etl:load")
    assert (task.kind, task.name) == ("task", "load")
    assert etl.resolve("etl~3:load").oid == task.oid
    assert etl.resolve("etl~3:extract").oid != etl.resolve("etl:extract").oid
    script = etl.resolve("etl@v1:run.sh")
    assert etl.store.blob(script.oid) == b"#!/bin/sh\n"
    assert etl.resolve("etl:./run.sh").oid == script.oid
    assert etl.resolve(f"{etl.snapshots[0]}:run.sh").oid == script.oid
    text = etl.resolve("etl~3:")
    assert (text.name, text.kind) == ("", "blob")
    assert etl.store.blob(text.oid) == version(1).encode()
    assert etl.resolve("etl#1:run.sh").oid == script.oid
    assert etl.resolve("etl#1:").oid == text.oid


def test_a_task_of_a_run_is_what_became_of_it(etl):
    found = etl.resolve("etl#1:load")
    assert found.kind == "taskrun"
    assert etl.store.get(TaskRun, found.oid).state == "success"
    assert etl.resolve("etl#1^{snapshot}:load").kind == "task"


def test_a_run_that_goes_on(own):
    add_run(own.store, 3, own.deploys[3], ended=False)
    run = own.store.get(Run, own.resolve("etl#3").oid)
    assert task_runs(own.store, run).keys() == {"extract"}
    assert own.resolve("etl#3:extract").kind == "taskrun"
    with pytest.raises(NotFound, match="the task load has not started"):
        own.resolve("etl#3:load")


def test_a_run_that_ends_while_it_is_looked_at(own):
    going = add_run(own.store, 3, own.deploys[3], ended=False)
    run = own.store.get(Run, going)
    tasks = own.store.snapshot(run.snapshot).tasks
    with own.store.transaction() as tx:
        states = {n: TaskRun(task=t, state="failed") for n, t in tasks.items()}
        root = tree.build(states, tx.add, TaskRun)
        ended = tx.add(replace(run, tasks=root, state="failed"))
        tx.move(f"runs/etl/{run.id}", old=going, new=ended)
        tx.move(f"active/{run.id}/.run", old=going, new=None)
        started = own.store.ref(f"active/{run.id}/extract")
        tx.move(f"active/{run.id}/extract", old=started, new=None)
    assert {name: t.state for name, t in task_runs(own.store, run).items()} == {
        "extract": "failed",
        "load": "failed",
    }
    found = own.resolve(f"{going}:extract")
    assert own.store.get(TaskRun, found.oid).state == "failed"


def test_the_newest_deploy_of_a_snapshot_is_meant(own, keep):
    again = keep(version(1), hours=200)
    assert again.snapshot == own.snapshots[0]
    assert own.resolve(f"{again.snapshot}^{{deploy}}").oid == again.deploy


def test_of_a_snapshot_in_several_workflows_the_newest_deploy_is_meant(own, keep):
    snapshot = f"{own.snapshots[3]}^{{deploy}}"
    before = keep(version(4).replace("etl", "abc", 1), path="abc.yaml", hours=1)
    assert before.snapshot == own.snapshots[3]
    assert own.resolve(snapshot).oid == own.deploys[3]
    after = keep(version(4).replace("etl", "zebra", 1), path="zebra.yaml", hours=300)
    assert own.resolve(snapshot).oid == after.deploy
    assert deploy_of(own.store, own.resolve(own.snapshots[3]), "abc").oid == before.deploy


def test_the_deploy_of_a_run_that_had_none_is_of_its_own_workflow(own, keep):
    keep(version(4).replace("etl", "abc", 1), path="abc.yaml", hours=300)
    run = own.store.get(Run, own.runs[1])
    with own.store.transaction() as tx:
        oid = tx.add(replace(run, deploy=None))
        tx.move("runs/etl/" + run.id, old=own.runs[1], new=oid)
    assert own.resolve("etl#2^{deploy}").oid == own.deploys[3]


def test_a_workflow_comes_before_an_object(own, keep):
    name = own.deploys[0][:8]
    other = keep(version(1).replace("etl", name, 1), path="other.yaml")
    assert own.resolve(name).oid == other.deploy


def test_a_workflow_may_be_called_head(own, keep):
    other = keep(version(1).replace("etl", "HEAD", 1), path="head.yaml")
    assert own.resolve("HEAD").oid == other.deploy


def test_a_range_is_no_revision(etl):
    for text in ("etl~1..etl", "..", "etl..", "..etl"):
        with pytest.raises(NotFound):
            etl.resolve(text)


def test_what_a_whole_is_asked_for_takes_no_part(etl):
    for text in ("etl:load", "etl:run.sh", "etl:", "etl#1:load"):
        found = etl.resolve(text)
        with pytest.raises(NotFound, match="wanted here"):
            snapshot_of(found)
        with pytest.raises(NotFound, match="wanted here"):
            deploy_of(etl.store, found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("elt", "no workflow or object named 'elt'"),
        ("etl~4", "does not reach that far back"),
        ("etl~9999999", "does not reach that far back"),
        ("etl@v2", "etl has no tag 'v2'"),
        ("etl@{4}", "has not moved 4 times"),
        ("etl#3", "no run etl#3"),
        ("etl@{2026-11-01}", "not deployed yet"),
        ("run:2020", "no run has an id"),
        ("etl:nothing", "has no task or code file 'nothing'"),
        ("abc", "named 'abc'"),
        ("0000", "named '0000'"),
        ("0" * 64, "no object 0000"),
        ("other#1", "no run other#1"),
        ("other@v1", "no workflow or object named .other."),
        ("other@{1}", "named 'other'"),
        ("file:none.yaml", "is a file on disk; a revision is wanted here"),
        ("x.yaml", "no file and no workflow"),
        ("../etl", "no workflow or object named '../etl'"),
        ("/etl~1:load", "no workflow or object named '/etl~1'"),
        ("a/\0/\udcff", "no workflow or object named 'a/"),
        *(
            (text, "is not a revision")
            for text in (
                "",
                "-x",
                "~x",
                "etl~x",
                "etl^{tree}",
                "etl^{}",
                "etl@",
                "etl#",
                "etl#x",
                "etl@{",
                "etl@{}",
                "a b",
                "etl~1@v1",
                "etl#1#2",
                "etl^{snapshot}~1",
                "run:",
                "run:@",
                ":load",
                "etl#1@v1",
                "run:x@v1",
                "etl^{deploy}@v1",
                "etl^{deploy}#1",
                "~~@",
                "etl@{1}@{1}",
                "etl#1@{1}",
                "etl@v1#1",
                "etl\n",
                "é",
                "etl@{a}{b}",
                "etl~12345678",
            )
        ),
    ],
)
def test_what_is_not_there(etl, text, message):
    with pytest.raises(NotFound, match=message):
        etl.resolve(text)


def test_hints(etl):
    for text, hint in {
        "elt": "did you mean etl?",
        "etl~4": "`ork log etl`",
        "etl#9": "the newest is etl#2",
        "etl@v2": "its tags: v1",
        "etl:lod": "did you mean load",
        "abc": "at least 4 digits",
        "load": "is written etl:load",
    }.items():
        with pytest.raises(NotFound) as caught:
            etl.resolve(text)
        assert hint in caught.value.hint


def test_a_time_that_cannot_be_read(etl):
    with pytest.raises(UsageError, match="cannot read the time 'soon'"):
        etl.resolve("etl@{soon}")


def test_a_prefix_of_several_objects(own):
    seen = {}
    for number in range(100_000):
        blob = Blob(b"%d" % number)
        prefix = hash_bytes(encode_object(blob))[:4]
        if prefix in seen:
            break
        seen[prefix] = blob
    with own.store.transaction() as tx:
        oids = sorted([tx.add(blob), tx.add(seen[prefix])])
    with pytest.raises(Ambiguous) as caught:
        own.resolve(prefix)
    assert [line.split() for line in caught.value.candidates] == [[o[:16], "blob"] for o in oids]


def test_several_runs_and_several_workflows(own, keep):
    with pytest.raises(Ambiguous, match="start of several run ids") as caught:
        own.resolve("run:20261111")
    assert caught.value.candidates == (
        "20261111T000001.000-abcdef  etl",
        "20261111T000002.000-abcdef  etl",
    )
    keep(version(1).replace("etl", "other", 1), path="other.yaml")
    with pytest.raises(Ambiguous) as caught:
        own.resolve("@")
    assert caught.value.candidates == ("etl", "other")


def test_an_empty_store(project):
    for text in ("@", "etl", "abcd", "etl#1", "run:1", "etl@v1", "etl@{1}"):
        with pytest.raises(NotFound):
            resolve(project, text, now=NOW)


def test_an_object_that_is_no_whole(etl):
    task = etl.resolve("etl:load").oid
    for text in (f"{task}^{{snapshot}}", f"{task}~1", f"{task}:load"):
        with pytest.raises(NotFound):
            etl.resolve(text)


def test_the_history_is_walked_by_first_parents_and_ends(etl):
    assert [oid for oid, _ in history(etl.store, "etl")] == etl.deploys[::-1]
    assert [oid for oid, _ in history(etl.store, "etl", etl.deploys[1])] == etl.deploys[1::-1]
    assert list(history(etl.store, "none")) == []


def test_the_run_that_a_workflow_or_deploy_means(etl):
    for text, run in (("etl", 2), ("@", 2), ("etl~3", 1), ("etl#1", 1)):
        assert find_run(etl.store, etl.resolve(text))[0] == etl.runs[run - 1]
    with pytest.raises(NotFound, match="etl~1 has not run"):
        find_run(etl.store, etl.resolve("etl~1"))
    with pytest.raises(NotFound, match="is a task, not a run"):
        find_run(etl.store, etl.resolve(etl.resolve("etl:load").oid))


def test_a_head_that_is_damaged_is_not_believed(own):
    plant(own.store, workflows__etl=Oid("f" * 64))
    with pytest.raises(Corrupt):
        own.resolve("etl")
