"""The files that a task executes, in a folder that is only a dictionary."""

from ork.code import walk
from ork.definition.reach import Reach, own_files, reach
from ork.objects.kinds import Task
from ork.worktree.globs import excluding

FILES = {
    "tasks/etl.py": "import near, lib.deep\nfrom pkg import *",
    "tasks/near.py": "import missing",
    "near.py": "",
    "lib/deep.py": "from . import beside",
    "lib/beside.py": "import lib.deep",
    "pkg/__init__.py": "__all__ = ['inner']",
    "pkg/inner.py": "",
    "unused.py": "import near",
    "run.sh": "",
    "broken.py": "import (",
}


def kind(path: str) -> str | None:
    if path in FILES:
        return "file"
    return "folder" if any(name.startswith(path + "/") for name in FILES) else None


def read(path: str) -> bytes | None:
    return FILES[path].encode() if path in FILES else None


def reached(**tasks: Task) -> dict[str, list[str]]:
    found = reach(tasks, read=read, kind=kind)
    return {name: sorted(one.files) for name, one in found.items()}


def test_a_python_task_executes_its_file_and_all_that_it_imports():
    assert reached(a=Task(executor="python", file="tasks/etl.py")) == {
        "a": [
            "lib/beside.py",
            "lib/deep.py",
            "pkg/__init__.py",
            "pkg/inner.py",
            "tasks/etl.py",
            "tasks/near.py",
        ]
    }


def test_a_module_is_searched_from_the_root():
    there, nowhere = (Task(executor="python", module=name) for name in ("unused", "nowhere"))
    assert reached(a=there, b=nowhere) == {"a": ["near.py", "unused.py"], "b": []}


def test_a_process_executes_its_file_and_what_its_command_names():
    assert reached(
        a=Task(executor="process", file="run.sh"),
        b=Task(executor="process", command="sh ./run.sh ../run.sh | python3 unused.py > near.py"),
        c=Task(executor="process", command="true"),
    ) == {"a": ["run.sh"], "b": ["run.sh", "unused.py"], "c": []}


def test_a_file_that_is_no_python_imports_nothing():
    assert reached(a=Task(executor="python", file="broken.py")) == {"a": ["broken.py"]}


def test_what_a_task_names_itself_is_told_without_reading():
    task = Task(executor="process", command=("sh", "run.sh", "near.py"))
    assert own_files(task, kind) == ["run.sh"]
    assert own_files(Task(executor="python", file="tasks/etl.py"), kind) == ["tasks/etl.py"]


def test_absolute_paths_which_a_foreign_store_may_hold_come_to_an_end(monkeypatch):
    monkeypatch.setitem(FILES, "/a.py", "from . import b\nfrom .. import c")
    monkeypatch.setitem(FILES, "/__init__.py", "from . import a")
    monkeypatch.setitem(FILES, "../x.py", "from ... import y")
    for path in ("/a.py", "../x.py"):
        assert path in reached(a=Task(executor="python", file=path))["a"]


def reach_of(task: Task):
    return reach({"a": task}, read=read, kind=kind)["a"]


def test_the_line_is_read_as_its_shell_reads_it():
    line = "./run.sh x"
    for shell in (
        ("bash", "-euo", "pipefail", "-c"),
        ("/bin/sh", "-ec"),
        ("env", "A=1", "zsh", "-c"),
    ):
        task = Task(executor="process", command=line, shell=shell)
        assert reach_of(task).files == {"run.sh"}
    code = Task(executor="process", command="import unused", shell=("python", "-c"))
    assert reach_of(code).files == {"unused.py", "near.py"}
    other = Task(executor="process", command=line, shell=("perl", "-e"))
    assert reach_of(other).files == frozenset()


def test_literal_variables_of_a_task_are_known_in_its_line():
    task = Task(executor="process", command="sh $SCRIPT", env={"SCRIPT": "run.sh"})
    assert reach_of(task) == Reach(files=frozenset({"run.sh"}))
    secret = Task(executor="process", command="sh $SCRIPT", env={"SCRIPT": {"secret": "X"}})
    assert not reach_of(secret).complete


def test_what_is_not_followed_leaves_the_reach_open(monkeypatch):
    monkeypatch.setitem(FILES, "plot.R", "source('x.R')")
    monkeypatch.setitem(FILES, "tool", "\x7fELF\0")
    monkeypatch.setitem(FILES, "sum.awk", "{ print }")
    monkeypatch.setitem(FILES, "late.py", "import importlib\nimportlib.import_module(name)")
    for command in (
        "Rscript plot.R",
        "./tool",
        "python late.py",
        "sh nowhere.sh",
        "pytest",
        ". $X",
        "cd $X; python -m near",
        "cd $X; python -c 'import near'",
        "PYTHONPATH=$X python near.py",
    ):
        assert not reach_of(Task(executor="process", command=command)).complete
    for command in (
        "awk -f sum.awk",
        "cat $X",
        "sh run.sh",
        "python near.py",
        "python -m json.tool",
    ):
        assert reach_of(Task(executor="process", command=command)).complete


def test_scripts_that_source_each_other_in_a_circle_come_to_an_end(monkeypatch):
    monkeypatch.setitem(FILES, "x.sh", "cd deeper; . ./y.sh; sh x.sh")
    monkeypatch.setitem(FILES, "y.sh", ". ./x.sh; . x.sh")
    monkeypatch.setitem(FILES, "deep.sh", 'cd a; sh "$(dirname "$0")/deep.sh"')
    deep = reach_of(Task(executor="process", command="sh deep.sh"))
    assert deep.files == {"deep.sh"}
    monkeypatch.setitem(FILES, "z.py", "sys.path.append('lib')\nimport z")
    assert reach_of(Task(executor="process", command=". ./x.sh; . ./y.sh")).files == {
        "x.sh",
        "y.sh",
    }
    assert reach_of(Task(executor="process", command="python z.py")).files == {"z.py"}


def test_a_walk_that_would_not_end_is_left_open(monkeypatch):
    monkeypatch.setattr(walk, "NODES_MAX", 10)
    for number in range(30):
        monkeypatch.setitem(FILES, f"s{number}.sh", f". ./s{number + 1}.sh")
    found = reach_of(Task(executor="process", command="sh s0.sh"))
    assert not found.complete and len(found.files) < 30


def test_what_is_data_leaves_whoever_executes_it_open(monkeypatch):
    monkeypatch.setitem(FILES, "gen/use.py", "import near, gen.names")
    monkeypatch.setitem(FILES, "use.py", "from gen import names")
    known = excluding(kind, ["gen/names.py", "gen/*.sh"])

    def of(command: str) -> Reach:
        task = Task(executor="process", command=command)
        return reach({"a": task}, read=read, kind=known)["a"]

    # Whether it is there or not: another task writes it.
    for command in ("sh gen/new.sh", "sh run.sh; . ./gen/a.sh", "python use.py", "python -m use"):
        assert not of(command).complete
    assert of("python use.py").files == {"use.py"}
    assert of("cat gen/a.sh; sh run.sh") == Reach(files=frozenset({"run.sh"}))


def test_a_file_that_code_has_the_name_of_counts_as_executed(monkeypatch):
    monkeypatch.setitem(FILES, "sql.py", "load('run.sh')")
    task = Task(executor="python", file="sql.py")
    found = reach({"a": task}, read=read, kind=kind)["a"]
    assert found == Reach(files=frozenset(("sql.py", "run.sh")), complete=True)
    monkeypatch.setitem(FILES, "sql.py", "load(f'r{name}.sh')")
    assert reach({"a": task}, read=read, kind=kind, names=lambda _: FILES)["a"] == found
