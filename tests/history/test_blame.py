"""Which deploy last touched a task, a field, a line: through renames, within a range."""

import os
import random
import subprocess
from datetime import timedelta

import pytest

from ork.backends.memory import Memory
from ork.errors import Corrupt, InvalidInput, NotFound, UsageError
from ork.history.blame import blame
from ork.objects.kinds import SECOND, Deploy, Param
from ork.objects.value import replace
from ork.store.store import Store
from tests.history.histories import History, reading, task
from tests.scale import size
from tests.stores import NOON, Careless, stamp

NOW = NOON + timedelta(days=30)


class Counting(Memory):
    """A backend in memory that counts what is read."""

    def __init__(self):
        super().__init__()
        self.read = []

    def get(self, oid):
        self.read.append(oid)
        return super().get(oid)


class Blamed(History):
    """A history, with the answers of blame as the numbers of its deploys."""

    def blame(self, revision="etl", **options):
        return blame(self.store, revision, now=NOW, **options)

    def parts(self, revision="etl", **options):
        """Return the number of the deploy by name, or by name and field."""
        found = self.blame(revision, **options).parts
        return {
            p.name if p.field is None else f"{p.name}.{p.field}": self.oids.index(p.deploy)
            for p in found
        }

    def lines(self, revision):
        return [self.oids.index(line.deploy) for line in self.blame(revision).lines]


@pytest.fixture
def etl(store):
    return Blamed(store)


LONG = "".join(f"line {n}\n" for n in range(9))


def test_each_task_and_each_file_in_the_order_in_which_tasks_run(etl):
    etl.deploy({"a": task("1", "z"), "z": task("1"), "m": task("1")}, {"a.py": "1", "b.py": "1"})
    etl.deploy({"a": task("1", "z"), "z": task("2"), "m": task("1")}, {"a.py": "1", "b.py": "2"})
    etl.deploy({"a": task("3", "z"), "z": task("2"), "m": task("1")}, {"a.py": "1", "b.py": "2"})
    etl.deploy({"a": task("3", "z"), "z": task("2"), "m": task("1")}, text="name: etl # more\n")
    assert list(etl.parts().items()) == [("m", 0), ("z", 1), ("a", 2)]
    found = etl.parts("etl~1")
    assert list(found.items()) == [("m", 0), ("z", 1), ("a", 2), ("a.py", 0), ("b.py", 1)]
    assert etl.parts("etl~2") == {"m": 0, "z": 1, "a": 0, "a.py": 0, "b.py": 1}
    assert [p.kind for p in etl.blame("etl~1").parts] == ["task"] * 3 + ["file"] * 2


def test_what_the_environment_of_all_changes_touches_none_of_them(etl):
    names = [f"t{n}" for n in range(5)]

    def deploy(first="1", last="1", *, other="1", own="1"):
        """Deploy five tasks: the first three may have another environment than the last two."""
        values = zip(names, [first] * 3 + [last] * 2, strict=True)
        tasks = {name: replace(task("x"), env={"A": it, "B": "1"}) for name, it in values}
        tasks["other"] = replace(task(other), env={"A": last, "B": "1"})
        tasks["own"] = replace(task("x"), env={"A": own, "B": "1"})
        etl.deploy(tasks)

    deploy()
    deploy("2", "2")  # of all but the one that has its own
    assert etl.parts() == dict.fromkeys([*names, "other", "own"], 0)
    assert etl.parts(keys=True)["t0.env.A"] == etl.parts("etl:t0")["t0.env.A"] == 1
    assert etl.parts(keys=True)["own.env.A"] == etl.parts(keys=True)["t0.env.B"] == 0
    deploy("3", "3", other="2")  # together with another change of one task
    deploy("3", "3", other="2", own="2")  # of this task alone
    deploy("4", "3", other="2", own="2")  # alike, but in no more than half of the tasks
    last = {"t0": 4, "t2": 4, "t3": 0, "other": 2, "own": 3}
    found = etl.parts()
    assert {name: found[name] for name in last} == last


def test_the_deploys_that_are_named_come_along(etl):
    etl.deploy({"a": task("1")})
    etl.deploy({"a": task("1"), "b": task("2")})
    found = etl.blame()
    assert (found.workflow, found.deploy, found.name) == ("etl", etl.oids[1], None)
    assert {oid: deploy.message for oid, deploy in found.deploys.items()} == {
        etl.oids[0]: "0",
        etl.oids[1]: "1",
    }


def test_a_task_is_followed_through_its_renames(etl):
    etl.deploy({"old": task("fetch it"), "b": task("x")})
    etl.deploy({"newer": task("fetch it"), "b": task("x")})
    etl.deploy({"newest": task("fetch it"), "b": task("y")})
    assert etl.parts() == {"newest": 0, "b": 2}
    renamed = etl.blame().parts[1]
    assert (renamed.name, renamed.old_name, renamed.renamed_by) == ("newest", "newer", etl.oids[2])


def test_a_rename_with_an_edit_is_a_touch_but_older_fields_keep_theirs(etl):
    before = task("fetch it well", timeout=60, env={"MODE": "fast"}, output_type={"rows": "int"})
    etl.deploy({"old": before})
    etl.deploy({"new": replace(before, timeout=90 * SECOND)})
    assert etl.parts() == {"new": 1}
    assert etl.parts("etl:new") == {
        "new.command": 0,
        "new.env.MODE": 0,
        "new.executor": 0,
        "new.output_type.rows": 0,
        "new.timeout": 1,
    }
    assert {part.old_name for part in etl.blame("etl:new").parts} == {"old"}


def test_a_renamed_neighbour_does_not_touch_a_task(etl):
    etl.deploy({"old": task("fetch it"), "b": task("x", "old", inputs=reading("old"))})
    etl.deploy({"new": task("fetch it"), "b": task("x", "new", inputs=reading("new"))})
    etl.deploy({"newest": task("fetch it"), "b": task("x", "newest", inputs=reading("newest"))})
    assert etl.parts() == {"newest": 0, "b": 0}
    assert etl.parts("etl:b")["b.inputs.rows.ref"] == 0
    assert etl.parts("etl:b")["b.depends_on"] == 0


def test_two_tasks_that_swap_names_are_changed_tasks(etl):
    etl.deploy({"a": task("one"), "b": task("two")})
    etl.deploy({"a": task("two"), "b": task("one")})
    assert etl.parts() == {"a": 1, "b": 1}


def test_a_task_that_was_away_is_as_old_as_its_return(etl):
    etl.deploy({"a": task("1"), "b": task("1")})
    etl.deploy({"b": task("1")})
    etl.deploy({"a": task("1"), "b": task("1")})
    assert etl.parts() == {"a": 2, "b": 0}


def test_a_rollback_touches_what_it_brings_back(etl):
    etl.deploy({"a": task("1"), "b": task("1")})
    etl.deploy({"a": task("2"), "b": task("1")})
    etl.deploy({"a": task("1"), "b": task("1")})
    assert etl.parts() == {"a": 2, "b": 0}


def test_fields_settings_and_parameters_with_keys(etl):
    day = Param(type="date", required=True, default=None)
    etl.deploy({"a": task("1", timeout=5)}, settings={"schedule": "@daily"}, params={"day": day})
    etl.deploy(
        {"a": task("2", timeout=5)},
        settings={"schedule": "@daily", "max_parallel": 2},
        params={"day": day},
    )
    etl.deploy(
        {"a": task("2", timeout=5, retries=1)},
        {"a.py": "1"},
        settings={"schedule": "@hourly", "max_parallel": 2},
        params={"day": replace(day, required=False)},
    )
    assert etl.parts(keys=True) == {
        "a.command": 1,
        "a.executor": 0,
        "a.retries": 2,
        "a.timeout": 0,
        "max_parallel": 1,
        "schedule": 2,
        "day.default": 2,
        "day.type": 0,
        "a.py": 2,
    }
    values = {part.name: part.value for part in etl.blame(keys=True).parts if part.field is None}
    assert (values["schedule"], values["day.default"]) == ("@hourly", None)


def test_true_that_becomes_one_is_a_change(etl):
    etl.deploy({"a": task("1", inputs={"x": {"const": True}})})
    etl.deploy({"a": task("1", inputs={"x": {"const": 1}})})
    assert etl.parts() == {"a": 1}
    assert etl.parts("etl:a")["a.inputs.x.const"] == 1


def test_lines_of_a_code_file(etl):
    for text in ("a\nb\nc\n", "a\nB\nc\n", "new\na\nB\nc\nd"):
        etl.deploy({"t": task("x")}, {"f.py": text})
    assert etl.lines("etl:f.py") == [2, 0, 1, 0, 2]
    assert etl.lines("etl:./f.py") == etl.lines("etl:f.py")
    assert etl.lines("etl~1:f.py") == [0, 1, 0]
    line = etl.blame("etl:f.py").lines[3]
    assert (line.number, line.old_number, line.text, line.path) == (4, 3, "c", "f.py")


def test_lines_are_followed_through_renames_of_their_file(etl):
    etl.deploy({"t": task("x")}, {"old.py": LONG})
    etl.deploy({"t": task("x")}, {"sub/mid.py": LONG})
    etl.deploy({"t": task("x")}, {"new.py": LONG.replace("line 4", "other")})
    assert etl.lines("etl:new.py") == [0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert {line.path for line in etl.blame("etl:new.py").lines} == {"old.py", "new.py"}
    assert etl.parts()["new.py"] == 2
    file = etl.blame("etl~1").parts[1]
    assert (file.name, file.old_name, file.renamed_by) == ("sub/mid.py", "old.py", etl.oids[1])
    assert etl.parts("etl~1")["sub/mid.py"] == 0


FUNCTION = "def train(rows):\n    model = fit(rows)\n    return model\n"


def test_lines_are_followed_into_the_files_that_have_lost_them(etl):
    tasks = {"a": task("true")}
    other = "import numpy\n\n\ndef other():\n    pass\n"
    etl.deploy(tasks, files={"steps.py": other})
    etl.deploy(tasks, files={"steps.py": f"{other}\n\n{FUNCTION}"})
    etl.deploy(tasks, files={"steps.py": f"# top\n{other}\n\n{FUNCTION}"})
    etl.deploy(tasks, files={"steps.py": other, "shop/model.py": f"import pandas\n\n{FUNCTION}"})
    renamed = FUNCTION.replace("return model", "return model, rows")
    etl.deploy(tasks, files={"steps.py": other, "shop/model.py": f"import pandas\n\n{renamed}"})
    assert etl.lines("etl:shop/model.py") == [3, 1, 1, 1, 4]
    moved = etl.blame("etl~1:shop/model.py").lines[2]
    assert (moved.path, moved.old_number) == ("steps.py", 8)
    assert etl.lines("etl~3..etl~1:shop/model.py") == [3, 1, 1, 1, 1]
    assert etl.lines("etl~2..etl~1:shop/model.py") == [3, 2, 2, 2, 2]  # the boundary


def test_into_a_file_that_is_damaged_no_line_is_followed():
    backend = Memory()
    etl = Blamed(Store(backend))
    etl.deploy({"a": task("true")}, files={"steps.py": FUNCTION, "model.py": "import fit\n"})
    etl.deploy({"a": task("true")}, files={"steps.py": "", "model.py": f"import fit\n{FUNCTION}"})
    assert etl.lines("etl:model.py") == [0, 0, 0, 0]
    lost = etl.store.snapshot(etl.store.get(Deploy, etl.oids[0]).snapshot).files["steps.py"].blob
    del backend._objects[lost]
    etl.store._cache.clear()
    assert etl.lines("etl:model.py") == [0, 1, 1, 1]


def test_lines_that_stay_in_the_other_file_or_are_too_few_are_no_move(etl):
    tasks = {"a": task("true")}
    few = "}\n" * 5
    etl.deploy(tasks, files={"steps.py": FUNCTION, "few.sh": few, "bin": "\0\n" * 30})
    etl.deploy(
        tasks, files={"steps.py": FUNCTION, "copy.py": FUNCTION, "few2.sh": f"set -e\n{few}"}
    )
    assert etl.lines("etl:copy.py") == [1, 1, 1]
    assert etl.lines("etl:few2.sh") == [1] * 6


def test_a_file_that_came_without_a_forebear(etl):
    etl.deploy({"t": task("x")}, {"old.py": LONG})
    etl.deploy({"t": task("x")}, {"old.py": LONG, "copy.py": LONG})
    assert set(etl.lines("etl:copy.py")) == {1}


def test_a_file_that_was_binary_before(etl):
    etl.deploy({"t": task("x")}, {"f": "\0\n"})
    etl.deploy({"t": task("x")}, {"f": "a\nb\n"})
    assert etl.lines("etl:f") == [1, 1]
    with pytest.raises(InvalidInput, match="f is binary: it has no lines"):
        etl.blame("etl~1:f")


def test_an_empty_file_has_no_lines(etl):
    etl.deploy({"t": task("x")}, {"f": ""})
    assert etl.blame("etl:f").lines == ()


def test_lines_of_the_workflow_file_large_ones_too(store, etl):
    long = "".join(f"# {n:04d} {'x' * 60}\n" for n in range(2000))
    for number in range(3):
        etl.deploy({"t": task("x")}, text=f"name: etl\n# {number}\n{long}")
    assert etl.lines("etl:")[:3] == [0, 2, 0]
    found = etl.blame("etl:")
    assert (found.name, found.lines[1].path) == ("", "etl.yaml")


def test_nothing_before_the_range_is_looked_at(etl):
    for number in range(5):
        etl.deploy({"a": task("1"), "b": task(str(number // 3))}, {"f": f"x\n{number // 3}\n"})
    found = etl.blame("etl~3..etl").parts
    assert [(p.name, etl.oids.index(p.deploy), p.boundary) for p in found] == [
        ("a", 1, True),
        ("b", 3, False),
        ("f", 3, False),
    ]
    assert etl.parts("etl~3..") == etl.parts("etl~3..etl")
    found = etl.blame("etl~3..etl:f").lines
    assert [(etl.oids.index(line.deploy), line.boundary) for line in found] == [
        (1, True),
        (3, False),
    ]
    assert [part.boundary for part in etl.blame("etl..etl").parts] == [True] * 3
    assert not any(part.boundary for part in etl.blame().parts)
    with pytest.raises(UsageError, match="etl is not in the history of etl~2"):
        etl.blame("etl..etl~2")


def test_what_is_not_there(etl):
    etl.deploy({"extract": task("1")})
    with pytest.raises(NotFound, match="no workflow or object named 'elt'"):
        etl.blame("elt")
    with pytest.raises(NotFound) as caught:
        etl.blame("etl:extrac")
    assert caught.value.hint == "did you mean extract?"


# -- histories that are wrong, or long


def test_a_parent_of_another_workflow(etl):
    etl.deploy({"a": task("1")})
    etl.deploy({"a": task("1")}, text="name: etl # 2\n")
    deploy = etl.store.get(Deploy, etl.oids[0])
    move(etl.store, replace(deploy, workflow="other", settings={"max_parallel": 2}), then=deploy)
    with pytest.raises(Corrupt, match=r"the history of etl leads to .* a deploy of other"):
        etl.blame()


def test_a_parent_that_is_missing(etl):
    etl.deploy({"a": task("1")})
    deploy = replace(etl.store.get(Deploy, etl.oids[0]), parents=("f" * 64,))
    move(etl.store, deploy)
    with pytest.raises(Corrupt, match=r"object f{64} is missing from the store"):
        etl.blame()


def test_a_deploy_that_is_its_own_ancestor_does_not_hang(etl):
    etl.deploy({"a": task("1")})
    # No bytes can hold their own hash; a broken hash function or cache could.
    oid = etl.oids[0]
    etl.store._cache[oid] = replace(etl.store.get(Deploy, oid), parents=(oid,))
    with pytest.raises(Corrupt, match="is its own ancestor"):
        etl.blame()


def move(store, *deploys, then=None):
    """Make these the newest deploys of etl, each the parent of the next."""
    oid = None
    with Careless(store, stamp()) as tx:
        for deploy in [*deploys, *([then] if then else [])]:
            oid = tx.add(replace(deploy, parents=(oid,) if oid else deploy.parents))
        tx.move("workflows/etl", old=store.ref("workflows/etl"), new=oid)


def test_of_deploys_that_change_nothing_only_deploy_and_snapshot_are_read():
    backend = Counting()
    history = Blamed(Store(backend))
    for number in range(50):
        history.deploy({"a": task("1")}, {"f.py": f"{LONG}{number}"}, settings={"n": str(number)})
    backend.read = []
    fresh = Store(backend)
    assert history.parts() and blame(fresh, "etl:a", now=NOW).parts
    backend.read = []
    blame(Store(backend), "etl:a", now=NOW)
    # Twice the deploys: the first for what is meant, and their trees of tasks are all one.
    assert len(backend.read) <= 2 * 50 + 10
    assert len(set(backend.read)) <= 2 * 50 + 5


def test_the_walk_ends_when_everything_is_attributed():
    backend = Counting()
    history = Blamed(Store(backend))
    for number in range(50):
        history.deploy({"a": task(str(number // 40))}, {"f.py": f"{number // 45}"})
    backend.read = []
    blame(Store(backend), "etl:f.py", now=NOW)
    read = set(backend.read)
    assert history.oids[44] in read and history.oids[43] not in read
    blame(Store(backend), "etl", now=NOW)
    assert history.oids[38] not in set(backend.read)


@pytest.mark.slow
def test_a_history_longer_than_the_stack_is_deep_is_no_recursion(etl):
    etl.deploy({"a": task("1")}, {"f": "x\n"})
    deploy, oid = etl.store.get(Deploy, etl.oids[0]), etl.oids[0]
    with etl.store.transaction() as tx:
        for number in range(size(10_000, by_day=2000)):
            oid = tx.add(replace(deploy, parents=(oid,), message=str(number)))
        tx.move("workflows/etl", old=etl.oids[0], new=oid)
    assert etl.parts() == {"a": 0, "f": 0}
    assert etl.lines("etl:f") == [0]


# -- beside git


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.turns(2)
def test_lines_are_those_of_git_blame(tmp_path, seed):
    dice = random.Random(seed)
    history = Blamed(Store(Memory()))
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    texts: list[list[str]] = [[f"begin {n}" for n in range(30)]]
    path = "f0.py"
    for number in range(40):
        texts.append(edited(texts[-1], number, dice))
        if number and dice.random() < 0.1:
            git(folder, "mv", path, f"g{number}.py")
            path = f"g{number}.py"
        text = "\n".join(texts[-1]) + "\n" * (dice.random() < 0.8)
        (folder / path).write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "--allow-empty", "-m", str(number))
        history.deploy({"a": task("1")}, {path: text})
    porcelain = git(folder, "blame", "--line-porcelain", path).splitlines()
    theirs = [int(line.partition(" ")[2]) for line in porcelain if line.startswith("summary ")]
    old_numbers = [
        int(line.split()[1])
        for line in porcelain
        if len(line.split(" ")[0]) == 40 and line[:1] != "\t"
    ]
    found = history.blame(f"etl:{path}").lines
    assert [history.oids.index(line.deploy) for line in found] == theirs
    assert [line.old_number for line in found] == old_numbers


def edited(lines, number, dice):
    """Return the lines with some removed, replaced and added.

    No line is ever repeated or moved, so there is one shortest edit, which both must find.
    """
    lines = list(lines)
    for edit in range(dice.randrange(4)):
        at = dice.randrange(len(lines) - 4)
        new = [f"new {number} {edit} {n}" for n in range(dice.randrange(4))]
        lines[at : at + dice.randrange(3)] = new
    return [*lines, *(f"more {number} {n}" for n in range(20 - len(lines)))]


def git(folder, *words):
    who = {
        f"GIT_{role}_{what}": "a@example.org"
        for role in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
        **who,
    }
    return subprocess.run(
        ["git", *words], cwd=folder, env=environ, check=True, text=True, capture_output=True
    ).stdout
