"""Impact, beside what tasks really give: Python itself imports their code from a folder.

Each task gives a value of its code, of what that imports, its constants, parameters and the values
of the tasks before it, and of nothing else. A task whose value differs must be among the affected.
"""

from __future__ import annotations

import json
import posixpath
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.graph.order import order
from ork.history.compare import diff, impact_of
from ork.objects.kinds import SECOND, Param, Task
from ork.objects.value import replace
from ork.store.store import Store
from tests.history.histories import History
from tests.history.test_blame_model import renamed
from tests.scale import examples, size
from tests.stores import NOON
from tests.worktree import test_capture_truth as truth

ENTRIES = ("t1.py", "t2.py", "pkg/t3.py", "lib/sub/t4.py")
MODULES = (
    "m.py",
    "n.py",
    "pkg/__init__.py",
    "pkg/m.py",
    "pkg/n.py",
    "lib/__init__.py",
    "lib/m.py",
    "lib/sub/__init__.py",
    "lib/sub/m.py",
    "lib/sub/n.py",
    "lib.py",
    "m/__init__.py",
    "n/deep.py",
)
SCRIPTS = ("run.sh", "lib/run.sh")
IMPORTS = (
    "import m",
    "import n",
    "import pkg",
    "import pkg.m",
    "import lib.m",
    "import lib.sub.n",
    "from lib import m",
    "from lib.sub import m, n",
    "from pkg import *",
    "import sub.m",
    "from lib.sub import *",
    "import n.deep",
    "__import__('lib.sub.m')",
)
RELATIVE = ("from . import m", "from .sub import n", "from .. import m", "from .m import V")
TASKS = ("a", "b", "c", "d", "e")

# A module tells of itself and of all that it could import. That a mere folder can be imported
# as an empty package, or no more, is nothing that it tells: no file has been executed then.
ERRORS = "(ImportError, AttributeError)"
MODULE = """\
import sys
parts = [{number}]
for words in {imports}:
    names = {{"__name__": __name__, "__package__": __package__}}
    try:
        exec(words, names)
    except (ImportError, AttributeError):
        pass
    parts += [(name, getattr(value, "V", value)) for name, value in sorted(names.items())
              if name == "V" or hasattr(value, "V")]
if 0:
{statements}
parts += [getattr(module, "V", 0) for name, module in sorted(sys.modules.items())
          if getattr(module, "__file__", None) and ROOT in str(module.__file__)]
import zlib
V = zlib.crc32(repr(parts).encode())
"""
EVALUATE = """\
import builtins, importlib, json, os, sys
sys.dont_write_bytecode = True
root, kept, libraries = os.getcwd(), set(sys.modules) | {"zlib"}, list(sys.path)
import zlib
builtins.ROOT = root
found = {}
for path in json.loads(sys.argv[1]):
    for name in set(sys.modules) - kept:
        del sys.modules[name]
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    sys.path[:] = [os.path.join(root, os.path.dirname(path)), root, *libraries]
    names = {"__name__": "task", "__package__": ""}
    try:
        exec(compile(open(path).read(), path, "exec"), names)
        found[path] = names["V"]
    except FileNotFoundError:
        found[path] = None
print(json.dumps(found))
"""


class Code:
    """Files as they are made: path -> number and imports."""

    def __init__(self, files):
        self.files = files

    def texts(self):
        return {path: self.text(path) for path in self.files}

    def text(self, path):
        number, imports = self.files[path]
        if not path.endswith(".py"):
            return f"echo {number}\n"
        exports = "__all__ = ['m', 'n']\n" if path.endswith("__init__.py") and number % 2 else ""
        statements = "".join(f"    {words}\n" for words in imports if "*" not in words)
        # `from a import *` is allowed at the top only; where it is executed, it is in `exec`.
        stars = "".join(
            f"try:\n    {words}\nexcept {ERRORS}:\n    pass\n" for words in imports if "*" in words
        )
        return (
            exports
            + stars
            + MODULE.format(
                number=number, imports=list(imports), statements=statements or "    pass\n"
            )
        )

    def values(self):
        """Return what each entry gives when Python executes it."""
        with tempfile.TemporaryDirectory() as folder:
            for path, text in self.texts().items():
                (Path(folder) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(folder) / path).write_text(text)
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", EVALUATE, json.dumps(ENTRIES)],
                cwd=folder,
                capture_output=True,
                text=True,
            )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def values(tasks, code, params):
    """Return task -> what it gives."""
    entries, found = code.values(), {}
    for name in order({name: task.depends_on for name, task in tasks.items()}):
        task = tasks[name]
        words = (task.command or "").split()
        read = [code.text(word) for word in map(posixpath.normpath, words) if word in code.files]
        given = {}
        for key, binding in task.inputs.items():
            _, _, param = binding.get("ref", "").partition("params.")
            given[key] = binding["const"] if "const" in binding else params[param].default
        before = sorted(found[up] for up in task.depends_on)
        own = (task.function, words, read, sorted(given.items()), task.env)
        found[name] = repr((entries.get(task.file), own, before))
    return found


def begun(dice):
    tasks = {}
    for name in TASKS[: dice.randrange(3, 5)]:
        needs = dice.sample(list(tasks), min(len(tasks), dice.random() < 0.3))
        tasks[name] = task_of(dice, tuple(needs))
    files = {path: module(path, dice) for path in (*ENTRIES, *SCRIPTS)}
    files |= {path: module(path, dice) for path in dice.sample(MODULES, dice.randrange(3, 10))}
    params = {name: Param(type="int", required=False, default=1) for name in ("p", "q")}
    return tasks, without_clashes(files), params


def task_of(dice, needs):
    inputs = {"n": {"const": dice.randrange(3)}}
    if dice.random() < 0.4:
        inputs["x"] = {"ref": f"params.{dice.choice('pq')}"}
    if dice.random() < 0.3:
        command = f"sh ./{dice.choice(SCRIPTS)} {dice.randrange(3)}"
        return Task(executor="process", command=command, depends_on=needs, inputs=inputs)
    return Task(
        executor="python",
        file=dice.choice(ENTRIES),
        depends_on=needs,
        inputs=inputs,
        function=dice.choice(["main", "other"]),
    )


def module(path, dice):
    known = IMPORTS + (RELATIVE if path not in ENTRIES and "/" in path else ())
    return dice.randrange(100), tuple(dice.sample(known, dice.randrange(1, 4)))


def without_clashes(files):
    """Return the files without those that cannot lie in one folder: a file that is a folder."""
    folders = {posixpath.dirname(path) for path in files}
    return {path: one for path, one in files.items() if path not in folders}


def changed(tasks, files, params, dice):
    """Return the next definition: one or two edits."""
    tasks, files, params = dict(tasks), dict(files), dict(params)
    for _ in range(dice.randrange(1, 3)):
        act = dice.choice(
            [
                "task",
                "rename",
                "both",
                "need",
                "param",
                "setting",
                "add task",
                *["file", "add", "remove", "move"] * 4,
            ]
        )
        name, free = dice.choice(list(tasks)), [one for one in TASKS if one not in tasks]
        if act in ("task", "both"):
            fresh = task_of(dice, tasks[name].depends_on)
            tasks[name] = replace(fresh, inputs=dice.choice([fresh, tasks[name]]).inputs)
        if act in ("rename", "both") and free:
            tasks = renamed(tasks, name, dice.choice(free))
        if act == "need":
            tasks[name] = replace(tasks[name], depends_on=())
        if act == "setting":
            tasks[name] = replace(
                tasks[name], timeout=dice.randrange(1, 9) * SECOND, env={"E": "1"}
            )
        if act == "param":
            default = dice.randrange(9)
            params[dice.choice("pq")] = Param(type="int", required=False, default=default)
        if act == "add task" and free:
            tasks[free[0]] = task_of(dice, (name,) if dice.random() < 0.5 else ())
        modules = [path for path in files if path not in ENTRIES]
        if act == "file":
            path = dice.choice(list(files))
            number, imports = files[path]
            files[path] = dice.choice([(number + 1, imports), module(path, dice)])
        if act == "add":
            path = dice.choice(MODULES)
            files[path] = module(path, dice)
        if act == "remove":
            files.pop(dice.choice(modules))
        if act == "move":
            old, new = dice.choice(modules), dice.choice(MODULES)
            files[new] = files.pop(old)
        files = without_clashes(files)
    return tasks, files, params


def unsound(seed):
    """Return the tasks whose values differ though they are said to be unaffected."""
    dice = random.Random(seed)
    old = begun(dice)
    new = changed(*old, dice)
    history, results = History(Store(Memory())), []
    for tasks, files, params in (old, new):
        code = Code(files)
        history.deploy(tasks, code.texts(), params=params)
        results.append(values(tasks, code, params))
    before, after = results
    comparison = diff(history.store, history.oids[0], history.oids[1], now=NOON)
    old_names = {task.name: task.old_name or task.name for task in comparison.diff.tasks}
    found = impact_of(history.store, comparison)
    assert {*(one.name for one in found.affected), *found.unaffected} == set(after)
    return [
        name for name in found.unaffected if before.get(old_names.get(name, name)) != after[name]
    ]


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(50))
@given(seed=st.integers(0, 10**9))
def test_a_task_that_gives_something_else_is_affected(seed):
    assert unsound(seed) == []


# -- scripts that source and start each other, and imports that only a run can know


def contradicted(seed):
    """Return the tasks that executed a changed file though it cannot concern them."""
    dice = random.Random(seed)
    texts = {path: truth.text_of(path, dice) for path in truth.ORDER}
    texts["lib/open.sh"] = truth.HIDDEN
    changed = set(dice.sample(truth.ORDER, dice.randrange(1, 3)))
    edited = {path: truth.text_of(path, dice) + "#\n" for path in sorted(changed)}
    if dice.random() < 0.5:
        changed.add("lib/open.sh")
        edited["lib/open.sh"] = truth.HIDDEN + "#\n"
    tasks = {
        name: Task(executor="process", command=dice.choice(truth.COMMANDS + OTHER_COMMANDS))
        for name in "abc"
    }
    # This one executes every file, so that none belongs to anybody.
    lines = (f"{'python' if path.endswith('.py') else 'bash'} {path}" for path in truth.ORDER)
    everything = Task(executor="process", command="\n".join(["bash lib/open.sh", *lines]))
    history = History(Store(Memory()))
    executed = dict.fromkeys(tasks, frozenset())
    for code in (texts, {**texts, **edited}):
        with tempfile.TemporaryDirectory() as top:
            folder = Path(top, "project")
            truth.write(folder, code)
            for name, task in tasks.items():
                executed[name] |= truth.executed(folder, task.command)
        history.deploy({**tasks, "all": everything}, code)
    found = impact_of(history.store, diff(history.store, *history.oids, now=NOON))
    return [name for name in found.unaffected if executed[name] & changed]


OTHER_COMMANDS = (
    "bash sub/run1.sh",
    ". ./lib/l0.sh",
    "python p2.py",
    "cd tools && python -m pkg",
    "PYTHONPATH=tools:src python -c 'import m0, s'",
    "cat run0.sh",
)


@pytest.mark.slow
@settings(deadline=None, max_examples=size(20, by_day=2))
@given(seed=st.integers(0, 10**9))
def test_a_task_that_executes_a_changed_file_is_affected(seed):
    assert contradicted(seed) == []
