"""The log of one task or code file: which deploys changed it, and what of it."""

from datetime import timedelta

import pytest

from ork.backends.memory import Memory
from ork.errors import NotFound, UsageError
from ork.history.blame import blame
from ork.history.log import log
from ork.objects.kinds import SECOND, Task
from ork.objects.value import replace
from ork.store.store import Store
from tests.history.histories import History, reading, task
from tests.stores import NOON

NOW = NOON + timedelta(days=30)
LONG = "".join(f"line {n}\n" for n in range(9))


@pytest.fixture
def etl(store):
    return History(store)


def entries(etl, revision="etl", **options):
    return list(log(etl.store, revision, now=NOW, **options))


def numbers(etl, revision="etl", **options):
    """Return the numbers of the deploys, newest first."""
    return [int(entry.deploy.message) for entry in entries(etl, revision, **options)]


@pytest.fixture
def renamed(etl):
    """Deploys of a task that is called fetch, then extract, and of its file, moved once."""
    fetch = Task(executor="python", file="a.py", function="main", timeout=60 * SECOND)
    etl.deploy({"fetch": fetch, "b": task("x", "fetch")}, {"a.py": LONG})
    etl.deploy({"fetch": fetch, "b": task("y", "fetch")}, {"a.py": LONG})
    etl.deploy(
        {"fetch": replace(fetch, timeout=90 * SECOND), "b": task("y", "fetch")}, {"a.py": LONG}
    )
    extract = replace(fetch, timeout=90 * SECOND)
    etl.deploy({"extract": extract, "b": task("y", "extract")}, {"a.py": LONG})
    etl.deploy({"extract": extract, "b": task("y", "extract")}, {"a.py": LONG + "more\n"})
    moved = replace(extract, file="b.py")
    etl.deploy({"extract": moved, "b": task("y", "extract")}, {"b.py": LONG + "more\n"})
    etl.deploy(
        {"extract": moved, "b": task("y", "extract")},
        {"b.py": LONG + "more\n"},
        settings={"schedule": "@daily"},
    )
    return etl


def test_only_deploys_that_changed_the_task_or_the_file_that_it_names(renamed):
    assert numbers(renamed) == [6, 5, 4, 3, 2, 1, 0]
    assert numbers(renamed, "etl:extract") == [5, 4, 3]
    assert numbers(renamed, "etl:b") == [1, 0]
    assert numbers(renamed, "etl:b.py") == [5]
    assert numbers(renamed, "etl~4:fetch") == [2, 0]


def test_following_renames(renamed):
    assert numbers(renamed, "etl:extract", follow=True) == [5, 4, 3, 2, 0]
    assert numbers(renamed, "etl:b.py", follow=True) == [5, 4, 0]
    assert numbers(renamed, "etl:b", follow=True) == [1, 0]
    assert numbers(renamed, names=["extract", "b"], follow=True) == [5, 4, 3, 2, 1, 0]


def test_names_that_are_gone_by_now(renamed):
    assert numbers(renamed, names=["fetch"]) == [3, 2, 0]
    assert numbers(renamed, names=["./a.py"]) == [5, 4, 0]
    assert numbers(renamed, names=["a.py", "b"]) == [5, 4, 1, 0]
    assert numbers(renamed, "etl~1..etl", names=["fetch"]) == []
    for text in (None, "etl", "etl~1..etl"):
        with pytest.raises(NotFound, match="no deploy had a task or code file named 'nothing'"):
            numbers(renamed, text, names=["fetch", "nothing"])


def test_ranges_limits_and_filters_count_what_is_left(renamed):
    assert numbers(renamed, "etl~4..etl~1:extract") == [5, 4, 3]
    assert numbers(renamed, "etl~3..etl:extract") == [5, 4]
    assert numbers(renamed, "etl:extract", limit=1, follow=True) == [5]
    assert numbers(renamed, "etl:extract", reverse=True, limit=2) == [4, 5]
    assert numbers(renamed, "etl:extract", grep="[2-4]", follow=True) == [4, 3, 2]
    assert numbers(renamed, None, names=["b"]) == [1, 0]


def test_a_diff_shows_the_part_only(renamed):
    found = entries(renamed, "etl:extract", follow=True, with_diff=True)
    shown = [
        ([task.name for task in e.diff.tasks], [file.path for file in e.diff.files]) for e in found
    ]
    assert shown == [
        (["extract"], ["b.py"]),
        ([], ["a.py"]),
        (["extract"], []),
        (["fetch"], []),
        (["fetch"], ["a.py"]),
    ]
    assert found[2].diff.tasks[0].old_name == "fetch"
    (_, first) = entries(renamed, "etl:b", with_diff=True)
    assert [edge.downstream for edge in first.diff.edges] == ["b"]
    assert [task.name for task in first.diff.tasks] == ["b"]


def test_code_that_a_task_names_in_other_ways(etl):
    tasks = {
        "m": Task(executor="python", module="pkg.mod", function="main"),
        "c": task("sh ./run.sh --fast"),
    }
    files = {"pkg/__init__.py": "", "pkg/mod.py": "1", "run.sh": "1", "other.py": "1"}
    etl.deploy(tasks, files)
    etl.deploy(tasks, {**files, "other.py": "2"})
    etl.deploy(tasks, {**files, "pkg/mod.py": "2"})
    etl.deploy(tasks, {**files, "pkg/mod.py": "2", "run.sh": "2"})
    assert numbers(etl, "etl:m") == [2, 0]
    assert numbers(etl, "etl:c") == [3, 0]


def test_a_renamed_neighbour_is_no_change(etl):
    etl.deploy({"old": task("fetch it"), "b": task("x", "old", inputs=reading("old"))})
    etl.deploy({"new": task("fetch it"), "b": task("x", "new", inputs=reading("new"))})
    assert numbers(etl, "etl:b") == [0]


def test_a_task_that_is_gone_says_where_it_was(renamed):
    with pytest.raises(NotFound) as caught:
        entries(renamed, "etl:fetch")
    assert caught.value.message == "etl has no task or code file 'fetch'"
    hint = "it was there until etl~4: `ork log etl~4:fetch`; since then it is called extract: "
    assert caught.value.hint == f"{hint}`ork log etl:extract --follow`"
    with pytest.raises(NotFound, match="etl has no task or code file"):
        blame(renamed.store, "etl:fetch", now=NOW)
    with pytest.raises(NotFound) as caught:
        entries(renamed, "etl~2:a.txt")
    assert "a.py" in caught.value.hint
    with pytest.raises(NotFound, match="no workflow or object named 'elt'"):
        entries(renamed, "elt:fetch")
    with pytest.raises(UsageError, match="the text of the workflow file, which has no log"):
        entries(renamed, "etl:")


def test_enough_is_enough():
    class Counting(Memory):
        read = 0

        def get(self, oid):
            self.read += 1
            return super().get(oid)

    backend = Counting()
    etl = History(Store(backend))
    for number in range(60):
        etl.deploy({"a": task(str(number))})
    for limit, most in ((1, 20), (60, 500)):
        backend.read = 0
        assert len(numbers(History(Store(backend)), "etl:a", limit=limit)) == limit
        assert backend.read <= most
