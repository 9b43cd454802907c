"""The fields of tasks, and those that changed."""

from ork.differences.tasks import changed_fields, changed_paths, given_fields
from ork.objects.kinds import SECOND, Task

TASK = Task(
    executor="python",
    file="a.py",
    function="main",
    depends_on=("x", "y"),
    timeout=600 * SECOND,
    inputs={"url": {"const": {"host": "h", "port": 1}}, "rows": {"ref": "tasks.x.output.rows"}},
    env={"MODE": "fast", "KEY": {"secret": "API"}},
    output_type={"rows": "int", "at": ["date"]},
)


def test_fields_are_those_not_at_their_default_by_the_paths_of_a_diff():
    assert given_fields(TASK) == {
        "depends_on": ["x", "y"],
        "env.KEY.secret": "API",
        "env.MODE": "fast",
        "executor": "python",
        "file": "a.py",
        "function": "main",
        "inputs.rows.ref": "tasks.x.output.rows",
        "inputs.url.const.host": "h",
        "inputs.url.const.port": 1,
        "output_type.at": ["date"],
        "output_type.rows": "int",
        "timeout": 600,
    }
    assert given_fields(Task(executor="process", inputs={"a b": {"const": {}}})) == {
        "executor": "process",
        'inputs."a b".const': {},
    }


def test_fields_that_changed():
    other = Task(executor="python", timeout=600 * SECOND, inputs={"url": {"const": {"host": "h"}}})
    paths = ["timeout", "inputs.url.const.host", "inputs.url.const.port", "inputs.rows.ref"]
    assert changed_fields(TASK, TASK) == changed_paths(TASK, TASK, paths) == []
    assert changed_paths(other, TASK, paths) == ["inputs.url.const.port", "inputs.rows.ref"]
    assert changed_paths(Task(executor="python", env={}), TASK, ["env.MODE"]) == ["env.MODE"]
