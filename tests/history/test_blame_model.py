"""Blame and the log of one task, beside a search that compares every deploy with its parent.

The search knows the differences that `ork diff` shows between neighbours, and follows the names in
them; that is all that blame and log may say, however much they leave unread.
"""

from __future__ import annotations

import random
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import NotFound
from ork.history.blame import blame
from ork.history.compare import compare_deploys
from ork.history.log import log
from ork.objects.kinds import SECOND, Deploy, Task, to_json
from ork.objects.value import replace
from ork.store.store import Store
from tests.history.histories import History, reading
from tests.scale import examples
from tests.stores import NOON

NOW = NOON + timedelta(days=30)
NAMES = ("a", "b", "c", "d", "e", "f")
PATHS = ("a.py", "b.py", "lib/c.py", "lib/d.py")
WORDS = ("fetch", "clean", "join", "load", "report")
LONG = "".join(f"line {n}\n" for n in range(6))


def made(dice):
    """Return a task like many others: they differ in a word or two."""
    if dice.random() < 0.4:
        return Task(executor="python", file=dice.choice(PATHS), function=dice.choice(WORDS))
    return Task(executor="process", command=f"run {dice.choice(WORDS)} {dice.choice(WORDS)} -v")


def edited(task, dice):
    act = dice.randrange(6)
    if act == 0:
        return replace(task, timeout=dice.choice([60, 300, 600]) * SECOND)
    if act == 1:
        return replace(task, retries=dice.randrange(3), env={"MODE": dice.choice("xyz")})
    if act == 2:
        return replace(task, env=dict.fromkeys(dice.sample("PQR", 2), "new"))
    if act == 3 and task.command:
        return replace(task, command=f"run {dice.choice(WORDS)} {dice.choice(WORDS)} -v")
    if act == 4:
        return replace(task, inputs={**task.inputs, "n": {"const": dice.choice([1, True, [1]])}})
    return replace(task, output_type={"rows": dice.choice(["int", "str"]), "ok": "bool"})


def renamed(tasks, old, new):
    """Return the tasks with one under a new name, also in what depends on it."""
    found = {}
    for name, task in tasks.items():
        needs = tuple(sorted(new if one == old else one for one in task.depends_on))
        inputs = {**task.inputs, **reading(new)} if _ref(task) == old else task.inputs
        found[new if name == old else name] = replace(task, depends_on=needs, inputs=inputs)
    return found


def _ref(task):
    return task.inputs.get("rows", {}).get("ref", "..").split(".")[1]


def step(tasks, files, dice):
    """Return the next definition: one to three edits of any kind."""
    tasks, files = dict(tasks), dict(files)
    for _ in range(dice.randrange(1, 4)):
        act = dice.choice(
            [
                "edit",
                "edit",
                "rename",
                "rename",
                "add",
                "remove",
                "need",
                "file",
                "file",
                "move",
                "swap",
                "nothing",
            ]
        )
        name, free = dice.choice(list(tasks)), [one for one in NAMES if one not in tasks]
        if act == "edit":
            tasks[name] = edited(tasks[name], dice)
        elif act == "rename" and free:
            tasks = renamed(tasks, name, dice.choice(free))
        elif act == "add" and free:
            tasks[dice.choice(free)] = made(dice)
        elif act == "remove" and not any(name in one.depends_on for one in tasks.values()):
            tasks = {one: task for one, task in tasks.items() if one != name} or tasks
        elif act == "need" and not tasks[name].depends_on:
            # Nothing depends on a task that has dependencies itself, so there is no cycle.
            ups = [one for one in tasks if one != name and not tasks[one].depends_on]
            if ups and not any(name in one.depends_on for one in tasks.values()):
                up = dice.choice(ups)
                inputs = {**tasks[name].inputs, **reading(up)}
                tasks[name] = replace(tasks[name], depends_on=(up,), inputs=inputs)
        elif act == "file":
            path = dice.choice(PATHS)
            files[path] = files.get(path, LONG) + f"more {dice.randrange(9)}\n"
        elif act == "move":
            old, new = dice.choice(list(files)), dice.choice(PATHS)
            files[new] = files.pop(old)
        elif act == "swap" and len(tasks) > 1:
            one, other = dice.sample(sorted(tasks), 2)
            tasks = renamed(renamed(renamed(tasks, one, "z"), other, one), "z", other)
    return tasks, files


def history_of(seed, count):
    dice = random.Random(seed)
    made_so_far = History(Store(Memory()))
    tasks = {name: made(dice) for name in dice.sample(NAMES, 3)}
    files = dict.fromkeys(dice.sample(PATHS, 2), LONG)
    for number in range(count):
        made_so_far.deploy(tasks, files, settings={"n": str(number // 3)})
        tasks, files = step(tasks, files, dice)
    return made_so_far


# -- the search that looks at everything


class Truth:
    """All differences of a history, and the definitions."""

    def __init__(self, history):
        store = history.store
        deploys = [store.get(Deploy, oid) for oid in history.oids]
        self.diffs = [
            compare_deploys(store, old, new)
            for old, new in zip([None, *deploys], deploys, strict=False)
        ]
        snapshots = [store.snapshot(deploy.snapshot) for deploy in deploys]
        self.tasks = [
            {name: store.get(Task, oid) for name, oid in one.tasks.items()} for one in snapshots
        ]
        self.files = [one.files for one in snapshots]

    def task(self, name):
        """Return who touched a task last: by its definition, whatever it was called."""
        for number in range(len(self.diffs) - 1, -1, -1):
            change = next((t for t in self.diffs[number].tasks if t.name == name), None)
            if change and (change.kind != "renamed" or change.fields):
                return number
            name = change.old_name if change else name
        raise AssertionError("the first deploy adds everything")

    def field(self, name, path):
        for number in range(len(self.diffs) - 1, 0, -1):
            diff = self.diffs[number]
            change = next((t for t in diff.tasks if t.name == name), None)
            if change and change.kind == "added":
                return number
            old_name = (change and change.old_name) or name
            names = {t.old_name: t.name for t in diff.tasks if t.kind == "renamed"}
            old = self.tasks[number - 1][old_name]
            for before, after in names.items():
                old = renamed({"": old}, before, after)[""]
            if value(old, path) != value(self.tasks[number][name], path):
                return number
            name = old_name
        return 0

    def file(self, path):
        for number in range(len(self.diffs) - 1, -1, -1):
            change = next((f for f in self.diffs[number].files if f.path == path), None)
            if change and (change.kind != "renamed" or change.similarity != 100):
                return number
            path = change.old_path if change else path
        raise AssertionError("the first deploy adds everything")

    def log(self, names, *, follow):
        """Return the deploys that changed one of these tasks and files, newest first."""
        found, names = [], set(names)
        for number in range(len(self.diffs) - 1, -1, -1):
            diff, tasks = self.diffs[number], self.tasks[number]
            changes = [(t.name, t.old_name) for t in diff.tasks]
            changes += [(f.path, f.old_path) for f in diff.files]
            own = {task.file for name, task in tasks.items() if name in names}
            if names & {name for pair in changes for name in pair} or own & {
                path for f in diff.files for path in (f.path, f.old_path) if path
            }:
                found.append(number)
            if follow:
                pairs = [(new, old) for new, old in changes if old and new in names]
                names = (names - {new for new, _ in pairs}) | {old for _, old in pairs}
        return found


def value(task, path):
    """Return what a task has at a path, told apart from what only equals it."""
    found = to_json(task)
    for part in path.split("."):
        found = found.get(part, "absent") if isinstance(found, dict) else "absent"
    return f"{found!r}"


# -- both


def agree(history):
    truth = Truth(history)
    index = {oid: number for number, oid in enumerate(history.oids)}
    whole = blame(history.store, "etl", now=NOW)
    assert {part.name: index[part.deploy] for part in whole.parts if part.kind == "task"} == {
        name: truth.task(name) for name in truth.tasks[-1]
    }
    assert {part.name: index[part.deploy] for part in whole.parts if part.kind == "file"} == {
        path: truth.file(path) for path in truth.files[-1]
    }
    for name in truth.tasks[-1]:
        for part in blame(history.store, f"etl:{name}", now=NOW).parts:
            assert index[part.deploy] == truth.field(name, part.field), (name, part.field)
    keys = blame(history.store, "etl", now=NOW, keys=True).parts
    for part in keys:
        if part.kind == "task":
            assert index[part.deploy] == truth.field(part.name, part.field)
    for name in (*NAMES, *PATHS):
        for follow in (False, True):
            found = log(history.store, "etl", now=NOW, names=[name], follow=follow)
            expected = truth.log([name], follow=follow)
            if expected:
                assert [index[one.oid] for one in found] == expected, name
            else:
                with pytest.raises(NotFound, match="no deploy had a task or code file named"):
                    next(found)
    three = [name for name in ("a", "b", "a.py") if truth.log([name], follow=False)]
    found = log(history.store, "etl", now=NOW, names=three, follow=True)
    assert [index[one.oid] for one in found] == truth.log(three, follow=True) or not three


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(120))
@given(seed=st.integers(0, 10**9), count=st.integers(1, 12))
def test_blame_and_log_say_what_comparing_every_deploy_with_its_parent_says(seed, count):
    agree(history_of(seed, count))
