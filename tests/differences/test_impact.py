"""Tasks that can give other results after a change: laws, and one test for each reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.definition.reach import Reach
from ork.differences import impact as impacts
from ork.differences.definitions import Diff, FieldChange, FileChange
from ork.differences.impact import Affected, Impact, code_of, same_work
from ork.graph.order import order
from ork.objects.kinds import SECOND, Task
from ork.objects.value import replace
from tests.differences.test_definitions import compare_tasks, renamed, workflows

RUN = Task(executor="process", command="run")
PATIENT = {"timeout": 9 * SECOND, "retries": 3, "retry_delay": 1_500_000, "retry_backoff": 2000}


def impact(diff, *, tasks, reach):
    """Return what a diff affects of these tasks, by the edges that they have."""
    needs = {name: task.depends_on for name, task in tasks.items()}
    needs = {name: needs[name] for name in order(needs)}
    return impacts.impact(diff, tasks=tasks, reach=reach, needs=needs)


# -- laws

PATHS = st.sampled_from(["a.py", "b.py", "c.sql"])
FILES = st.lists(PATHS, unique=True).map(lambda paths: tuple(map(changed_file, sorted(paths))))
REACHES = st.builds(
    lambda files, complete: Reach(files=files, complete=complete),
    st.frozensets(PATHS),
    st.booleans(),
)
REACH = st.dictionaries(st.sampled_from(["a", "b", "c", "e", "gone"]), REACHES)


@given(workflows(), workflows(), FILES, REACH, st.booleans())
@settings(deadline=None)
def test_whoever_comes_after_an_affected_task_is_affected(old, new, files, reach, rename):
    found = impact(
        replace(compare_tasks(old, new, rename=rename), files=files), tasks=new, reach=reach
    )
    affected = {task.name for task in found.affected}
    for name, task in new.items():
        assert name in affected or affected.isdisjoint(task.depends_on)


@given(workflows(), workflows(), FILES, REACH, st.booleans())
@settings(deadline=None)
def test_every_task_of_the_new_side_is_either_affected_or_not(old, new, files, reach, rename):
    diff = replace(compare_tasks(old, new, rename=rename), files=files)
    found = impact(diff, tasks=new, reach=reach)
    assert sorted([task.name for task in found.affected] + list(found.unaffected)) == sorted(new)
    before: set[str] = set()
    for task in found.affected:
        assert task.why != "upstream" or set(task.via) <= before
        assert (not task.via) == (task.why in ("added", "changed", "renamed"))
        before.add(task.name)


@given(workflows(), REACH)
@settings(deadline=None)
def test_nothing_is_affected_by_no_change(tasks, reach):
    found = impact(compare_tasks(tasks, dict(tasks)), tasks=tasks, reach=reach)
    assert found.affected == () and len(found.unaffected) == len(tasks)


@pytest.mark.slow
@given(workflows(), st.data())
@settings(deadline=None)
def test_a_mere_rename_affects_nobody(tasks, data):
    tasks = {name: replace(task, command=f"./{name}.sh") for name, task in tasks.items()}
    chosen = data.draw(st.sets(st.sampled_from(sorted(tasks)))) if tasks else set()
    names = {name: f"new_{name}" for name in chosen}
    new = {names.get(name, name): renamed(task, names) for name, task in tasks.items()}
    assert impact(compare_tasks(tasks, new), tasks=new, reach={}).affected == ()


@given(workflows(), workflows(), st.sampled_from(["a", "b", "c", "a.b", "d.output", "e"]))
@settings(deadline=None)
def test_a_task_that_is_as_before_and_needs_only_such_is_not_affected(old, new, name):
    found = impact(compare_tasks(old, new, rename=False), tasks=new, reach={})
    todo, above = [name], set()
    while todo:
        if (one := todo.pop()) in new and one not in above:
            above.add(one)
            todo += new[one].depends_on
    same = name in new and all(one in old and same_work(old[one], new[one]) for one in above)
    assert (name in found.unaffected) == same


# -- reasons


def test_a_changed_task_affects_itself_and_what_comes_after_it():
    # extract -> clean -> load -> report;  audit
    old = {
        "extract": RUN,
        "clean": replace(RUN, depends_on=("extract",)),
        "load": replace(RUN, depends_on=("clean",)),
        "report": replace(RUN, depends_on=("extract", "load")),
        "audit": RUN,
    }
    new = {**old, "clean": replace(old["clean"], env={"A": "b"})}
    assert impact(compare_tasks(old, new), tasks=new, reach={}) == Impact(
        affected=(
            Affected(name="clean", why="changed"),
            Affected(name="load", why="upstream", via=("clean",)),
            Affected(name="report", why="upstream", via=("load",)),
        ),
        unaffected=("audit", "extract"),
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("on_upstream_failure", "run"),
        ("env", {"A": "b"}),
        ("output_type", "str"),
        ("inputs", {"n": {"const": 1}}),
    ],
)
def test_any_field_counts_with_which_the_result_can_differ(field, value):
    new = {"a": replace(RUN, **PATIENT, **{field: value})}
    (found,) = impact(compare_tasks({"a": RUN}, new), tasks=new, reach={}).affected
    assert found == Affected(name="a", why="changed")
    assert not same_work(RUN, new["a"])


@pytest.mark.parametrize("name", ["a", "b"])
def test_how_long_and_how_often_a_task_is_tried_is_no_reason(name):
    old = {"a": RUN, "z": replace(RUN, command="z", depends_on=("a",))}
    new = {name: replace(RUN, **PATIENT), "z": replace(old["z"], depends_on=(name,))}
    found = compare_tasks(old, new)
    assert {"timeout", "retries", "retry_delay", "retry_backoff"} == {
        field.path for task in found.tasks for field in task.fields
    }
    assert impact(found, tasks=new, reach={}) == Impact(unaffected=(name, "z"))
    assert same_work(RUN, new[name])


def test_an_added_task_is_affected_and_whoever_lost_one_has_changed():
    old = {"a": RUN, "b": replace(RUN, command="b", depends_on=("a",))}
    new = {"b": replace(RUN, command="b"), "c": Task(executor="python", file="c.py")}
    found = impact(compare_tasks(old, new), tasks=new, reach={})
    assert [(task.name, task.why) for task in found.affected] == [("b", "changed"), ("c", "added")]


def test_a_task_renamed_and_edited_is_affected():
    new = {"b": replace(RUN, env={"A": "b"})}
    (found,) = impact(compare_tasks({"a": RUN}, new), tasks=new, reach={}).affected
    assert found == Affected(name="b", why="renamed")


def test_code_affects_the_tasks_that_execute_it():
    tasks = {"a": RUN, "b": RUN, "c": replace(RUN, depends_on=("a",))}
    diff = Diff(files=(changed_file("x.py"), changed_file("y.py")))
    found = impact(diff, tasks=tasks, reach=executing(a={"y.py", "x.py"}, c={"z.py"}))
    assert found.affected == (
        Affected(name="a", why="code", via=("x.py", "y.py")),
        Affected(name="c", why="upstream", via=("a",)),
    )


def test_a_task_that_may_execute_anything_is_affected_by_any_code():
    diff = Diff(files=(changed_file("x.py"), changed_file("y.py")))
    reach = executing(a={"x.py"}, c={"y.py"}) | {"b": Reach(complete=False)}
    assert code_of(diff, tasks=["a", "b", "c"], reach=reach) == {
        "a": (("x.py",), ()),
        "b": ((), ("x.py", "y.py")),
        "c": (("y.py",), ()),
    }
    reach["b"] = Reach(files=frozenset({"y.py"}), complete=False)
    assert code_of(diff, tasks=["b"], reach=reach) == {"b": (("y.py",), ("x.py",))}


def test_a_file_that_nobody_executes_may_be_read_by_anybody():
    diff = Diff(files=(changed_file("data.sql"), changed_file("x.py")))
    found = impact(diff, tasks={"a": RUN, "b": RUN}, reach=executing(a={"x.py"}))
    assert found.affected == (
        Affected(name="a", why="code", via=("x.py",)),
        Affected(name="b", why="maybe", via=("data.sql",)),
    )


def test_a_file_that_only_a_removed_task_executed_is_nobody_elses():
    diff = Diff(files=(FileChange(kind="removed", path="x.py"),))
    assert impact(diff, tasks={"a": RUN}, reach=executing(gone={"x.py"})).affected == ()


def test_a_moved_file_counts_by_either_path_and_is_named_by_the_new_one():
    diff = Diff(files=(FileChange(kind="renamed", path="new.py", old_path="old.py"),))
    reach = executing(a={"old.py"}, b={"new.py"})
    assert code_of(diff, tasks=["a", "b", "c"], reach=reach) == {
        "a": (("new.py",), ()),
        "b": (("new.py",), ()),
    }


def test_a_parameter_affects_the_tasks_that_take_it():
    day = replace(RUN, inputs={"day": {"ref": "params.day"}, "n": {"ref": "params.n.rows"}})
    env = {"DAY": {"ref": "params.day"}, "TEXT": "params.n", "NONE": {"const": None}}
    tasks = {"a": day, "b": replace(RUN, inputs={"x": {"const": "params.day"}})}
    tasks["c"] = replace(RUN, env=env)
    diff = Diff(
        params=(
            FieldChange(kind="changed", path="day.default", old="1", new="2"),
            FieldChange(kind="added", path="n", new={"type": "int"}),
            FieldChange(kind="removed", path="other", old={"type": "int"}),
        )
    )
    found = impact(diff, tasks=tasks, reach={})
    assert found.affected == (
        Affected(name="a", why="param", via=("day", "n")),
        Affected(name="c", why="param", via=("day",)),
    )


def test_another_interpreter_affects_what_it_executes():
    diff = Diff(settings=(FieldChange(kind="added", path="python", new="python3.13"),))
    shell, code = Task(executor="process", command="true"), Task(executor="python", file="a.py")
    found = impact(diff, tasks={"sh": shell, "py": code}, reach={})
    assert found == Impact(
        affected=(Affected(name="py", why="setting", via=("python",)),), unaffected=("sh",)
    )


def test_other_settings_affect_nobody():
    diff = Diff(settings=(FieldChange(kind="changed", path="schedule", old="a", new="b"),))
    assert impact(diff, tasks={"a": RUN}, reach={}) == Impact(unaffected=("a",))


def changed_file(path: str) -> FileChange:
    return FileChange(kind="changed", path=path, old_blob="1", new_blob="2")


def executing(**files: set[str]) -> dict[str, Reach]:
    return {name: Reach(files=frozenset(paths)) for name, paths in files.items()}
