"""Library tasks: the example in C; libraries that crash, answer nonsense or are none."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.runner.suite import Project, python, shell
from tests.scale import bundled

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "library"
HEAD = "#include <stdlib.h>\n#include <string.h>\n#include <signal.h>\n#include <unistd.h>\n"
FREE = "void ork_task_free(char *answer) { free(answer); }\n"


def compile_c(source: Path, target: Path) -> None:
    compiler = shutil.which("cc")
    assert compiler, "these tests compile C: install a compiler (Debian: apt install gcc libc6-dev)"
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-w", "-shared", "-fPIC", "-o", target, source], check=True)


@pytest.fixture
def example(project: Project) -> Project:
    shutil.copytree(
        EXAMPLE, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.so", ".ork")
    )
    compile_c(project.folder / "add.c", project.folder / "libadd.so")
    return project


def library(project: Project, body: str, *, free: str = FREE, name: str = "lib") -> str:
    """Compile `char *ork_task_run(...) {body}`; return a task of it."""
    source = project.folder / f"{name}.c"
    source.write_text(f"{HEAD}char *ork_task_run(const char *json) {{ {body} }}\n{free}")
    compile_c(source, project.folder / f"{name}.so")
    return f"{name}: {{executor: library, file: {name}.so, output_type: {{n: int}}}}"


def reason(project: Project, task: str = "lib") -> str:
    return str(project.run_of()[1][task].reason)


def test_the_example_runs_and_gives(example: Project) -> None:
    example.ork("check", "library.yaml")
    example.ork("run", "library.yaml")
    outputs = json.loads(example.ork("outputs", "library#1", "--json").stdout)["data"]
    assert outputs["add"] == {"sum": 2525, "count": 100}
    assert outputs["check"] == {"mean": 25.25}
    assert "added 100 numbers" in example.ork("logs", "library#1:add").stdout


def test_the_bytes_of_the_library_are_captured_and_run_when_it_is_gone(example: Project) -> None:
    example.ork("run", "library.yaml")
    for path in example.folder.glob("[a-z]*.*"):
        path.unlink()
    example.ork("run", "library#1")
    outputs = json.loads(example.ork("outputs", "library#2:add").stdout)
    assert outputs == {"sum": 2525, "count": 100}


def test_another_build_is_another_snapshot(example: Project) -> None:
    example.ork("run", "library.yaml")
    code = (example.folder / "add.c").read_text().replace("sum += number", "sum += 2 * number")
    (example.folder / "add.c").write_text(code)
    compile_c(example.folder / "add.c", example.folder / "libadd.so")
    example.ork("run", "library.yaml")
    assert json.loads(example.ork("outputs", "library#2:add").stdout)["sum"] == 5050
    assert "libadd.so" in example.ork("diff", "library#1", "library#2").stdout
    example.ork("run", "library#1")
    assert json.loads(example.ork("outputs", "library#3:add").stdout)["sum"] == 2525


# What the library does -> a part of the reason.
CRASHES = {
    "segfault": ("*(volatile int *)0 = 1; return 0;", "SIGSEGV"),
    "abort": ("abort();", "SIGABRT"),
    "kill": ("kill(getpid(), SIGKILL); return 0;", "SIGKILL"),
    "exit": ("exit(3);", "exited with code 3"),
    "exit 0": ("_exit(0);", "exited with code 0 before answering"),
    "deep": (
        "volatile char a[1 << 16]; *a = *json; return ork_task_run((const char *)a);",
        "SIGSEGV",
    ),
}


@pytest.mark.parametrize("names", bundled(CRASHES, size=6), ids=" and ".join)
def test_a_crash_fails_that_attempt_alone(project: Project, names: tuple[str, ...]) -> None:
    tasks = {f"lib{number}": name for number, name in enumerate(names)}
    crashing = [library(project, CRASHES[name][0], name=task) for task, name in tasks.items()]
    project.write("code.py", "def main():\n    return 1\n")
    project.workflow(*crashing, *(python(f"p{n}") for n in range(4)), shell("sh", "true"))
    project.ork("run", "flow.yaml", "-j", "2", code=1)
    states = project.states()
    for task, name in tasks.items():
        assert states.pop(task) == "failed", name
        assert CRASHES[name][1] in reason(project, task), name
    assert set(states.values()) == {"success"}


def test_a_crash_is_tried_again(project: Project) -> None:
    body = 'if (getenv("ORK_ATTEMPT")[0] != \'3\') abort(); return strdup("{\\"n\\": 3}");'
    project.workflow(library(project, body).replace("}}", "}, retries: 2}"))
    project.ork("run", "flow.yaml")
    assert [a.signal for a in project.run_of()[1]["lib"].attempts] == [6, 6, None]
    assert project.output("lib") == {"n": 3}


WRONG = {
    "null": ("return 0;", "ork_task_run returned NULL"),
    "empty": ('return strdup("");', "no JSON"),
    "cut": ('return strdup("{\\"n\\": 1");', "no JSON"),
    "bytes": ('return strdup("\\xff");', "no JSON"),
    "nan": ('return strdup("{\\"n\\": NaN}");', "n"),
    "text": ('return strdup("{\\"n\\": \\"x\\"}");', "n"),
    "field": ('return strdup("{\\"m\\": 1}");', "n"),
    "large": ('return strdup("{\\"n\\": 99999999999999999999}");', "n"),
    "deep": ("char *a = malloc(200001); memset(a, 91, 200000); a[200000] = 0; return a;", ""),
}


@pytest.mark.parametrize("names", bundled(WRONG, size=9), ids=" and ".join)
def test_a_wrong_answer_fails_with_what_is_wrong(project: Project, names: tuple[str, ...]) -> None:
    tasks = {f"lib{number}": name for number, name in enumerate(names)}
    wrong = [library(project, WRONG[name][0], name=task) for task, name in tasks.items()]
    project.workflow(*wrong, shell("sh", "true"))
    project.ork("run", "flow.yaml", code=1)
    assert project.states() == {**dict.fromkeys(tasks, "failed"), "sh": "success"}
    for task, name in tasks.items():
        assert WRONG[name][1] in reason(project, task), name
        assert "killed" not in reason(project, task), name


def test_what_is_no_task_library_is_told(project: Project) -> None:
    library(project, "return 0;", free="")
    project.write("text.so", "this is no library")
    project.write("empty.so", "")
    project.workflow(
        "lib: {executor: library, file: lib.so}",
        "text: {executor: library, file: text.so}",
        "empty: {executor: library, file: empty.so}",
        shell("sh", "true"),
    )
    project.ork("run", "flow.yaml", code=1)
    assert project.states() == {
        "lib": "failed",
        "text": "failed",
        "empty": "failed",
        "sh": "success",
    }
    assert "ork_task_free" in reason(project)
    for task in ("lib", "text", "empty"):
        assert f"{task}.so is no task library" in reason(project, task)


def test_a_library_that_does_not_return_is_stopped_in_time(project: Project) -> None:
    task = library(project, "for (;;) pause();").replace("}}", "}, timeout: 0.5}")
    project.workflow(task, shell("sh", "true"))
    project.ork("run", "flow.yaml", code=1)
    assert reason(project) == "timed out after 0.5 s"


def test_every_answer_is_freed_once(project: Project) -> None:
    free = """
        #include <stdio.h>
        void ork_task_free(char *answer) { printf("free %s\\n", answer); free(answer); }
    """
    project.workflow(library(project, 'return strdup("{\\"n\\": 1}");', free=free))
    project.ork("run", "flow.yaml")
    assert project.log("lib") == b'free {"n": 1}\n'
