"""The suite, run for every executor, and what only some of them promise."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from selectors import EVENT_READ, BaseSelector, DefaultSelector
from socket import socketpair
from threading import Thread
from typing import Any

import pytest

from ork.executors.base import Job, Outcome
from ork.executors.local import Local
from tests.executors.suite import Place, Promises, Served, read_pid, run


class PythonJobs:
    def answering(self, place: Place, value: str, **fields: Any) -> Job:
        return place.python(
            "def main(value):\n    print('printed')\n    return {'value': value}\n",
            inputs={"value": value},
            **fields,
        )

    def failing(self, place: Place) -> Job:
        return place.python("def main():\n    raise ValueError('no')\n")

    def binary(self, place: Place) -> Job:
        return place.python("import os\ndef main():\n    os.write(1, bytes([255, 254, 0]))\n")

    def lasting(self, place: Place, pid: Path, *, stubborn: bool = False, **fields: Any) -> Job:
        source = """
            import os, signal, time
            def main(file, stubborn):
                if stubborn:
                    signal.signal(signal.SIGTERM, signal.SIG_IGN)
                with open(file, "w") as out:
                    out.write(f"{os.getpid()}\\n")
                time.sleep(300)
            """
        return place.python(source, inputs={"file": str(pid), "stubborn": stubborn}, **fields)

    def logging(self, place: Place, file: Path) -> Job:
        source = """
            import os, time
            def main(file):
                out = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
                os.write(out, b"+\\n")
                while open(file).read().count("+") < 2:
                    time.sleep(0.01)
                time.sleep(0.05)
                os.write(out, b"-\\n")
            """
        return place.python(source, inputs={"file": str(file)})


class ProcessJobs:
    def answering(self, place: Place, value: str, **fields: Any) -> Job:
        answer = json.dumps({"value": value})
        return place.shell(f"echo printed; printf '%s\\n' 'ORK_OUTPUT:{answer}'", **fields)

    def failing(self, place: Place) -> Job:
        return place.shell("exit 2")

    def binary(self, place: Place) -> Job:
        return place.shell(r"printf '\377\376\000'")

    def lasting(self, place: Place, pid: Path, *, stubborn: bool = False, **fields: Any) -> Job:
        trap = "trap '' TERM; " if stubborn else ""
        return place.shell(f"{trap}echo $$ > '{pid}'; while :; do sleep 300; done", **fields)

    def logging(self, place: Place, file: Path) -> Job:
        wait = f"while test $(grep -c + '{file}') -lt 2; do sleep 0.01; done; sleep 0.05"
        return place.shell(f"echo + >> '{file}'; {wait}; echo - >> '{file}'")


class TestLocalWithPython(PythonJobs, Promises):
    make = Local


class TestLocalWithProcesses(ProcessJobs, Promises):
    make = Local


class Threaded:
    """An executor whose jobs run where no selector can see them: in a thread each.

    All that it needs of the contract is a pipe to which it writes when something has happened.
    """

    def __init__(self, slots: int, selector: BaseSelector) -> None:
        self.slots = slots
        self.step_at = float("inf")
        self._selector = selector
        self._ours, self._theirs = socketpair()
        selector.register(self._ours, EVENT_READ, lambda: self._ours.recv(4096))
        self._ended: SimpleQueue[tuple[str, Outcome]] = SimpleQueue()
        self._running: dict[str, tuple[Served, Thread]] = {}

    def start(self, name: str, job: Job) -> None:
        served = Served(1)
        outcome = served.submit(job)
        thread = Thread(target=self._run, args=(name, outcome))
        self._running[name] = served, thread
        thread.start()

    def step(self) -> list[tuple[str, Outcome]]:
        ended = [self._ended.get() for _ in range(self._ended.qsize())]
        for name, _ in ended:
            served, thread = self._running.pop(name)
            thread.join()
            served.close()
        return ended

    def stop(self, *, grace_s: float) -> None:
        for served, _ in self._running.values():
            served.stop(grace_s=grace_s)

    def close(self) -> None:
        for served, thread in self._running.values():
            served.close()
            thread.join()
        if self._ours.fileno() >= 0:
            self._selector.unregister(self._ours)
            self._ours.close()
            self._theirs.close()

    def _run(self, name: str, outcome: Future[Outcome]) -> None:
        self._ended.put((name, outcome.result()))
        self._theirs.send(b"!")


class TestThreadedWithPython(PythonJobs, Promises):
    make = Threaded


class TestThreadedWithProcesses(ProcessJobs, Promises):
    make = Threaded


def test_a_run_of_shell_tasks_starts_no_worker(executor, place):
    run(executor, place.shell("true"))
    assert not executor.executor._idle


@pytest.mark.slow
def test_an_answer_on_its_way_is_not_late(executor, place):
    run(executor, place.python("def main(): pass"))
    job = place.python("def main(): return 'long' * 4_000_000", timeout_s=1.0)
    future = executor.submit(job)
    executor.stand_still(1.5)
    outcome = future.result(timeout=20)
    assert (outcome.error, len(outcome.output or "")) == (None, 16_000_000)


@pytest.mark.slow
def test_a_worker_tells_when_its_task_has_ended(executor, place):
    run(executor, place.python("def main(): pass"))
    future = executor.submit(place.python("def main(): pass"))
    executor.stand_still(1.0)
    assert future.result(timeout=20).seconds < 1.0


@pytest.mark.slow
def test_what_has_ended_before_a_stop_is_not_stopped(executor, place):
    file = place.folder / "pid"
    future = executor.submit(place.shell(f"echo $$ > '{file}'; sleep 0.5"))
    read_pid(file)
    executor.stand_still(0.1)  # until it is known that it has started
    executor.stand_still(1.0, then=lambda: executor.executor.stop(grace_s=0))
    assert future.result(timeout=20).state == "success"


def test_a_closed_executor_takes_no_job(place):
    executor = Local(1, DefaultSelector())
    executor.close()
    with pytest.raises(RuntimeError, match="closed"):
        executor.start("a", place.shell("true"))


# Process tasks.


def test_process_gets_exactly_its_environment(executor, place, monkeypatch):
    monkeypatch.setenv("SECRET_OF_ORK", "1")
    job = place.shell(("env",), environment={"PATH": "/usr/bin:/bin", "MINE": "a b\nc"})
    assert run(executor, job).state == "success"
    text = Path(job.log).read_text()
    names = {line.partition("=")[0] for line in text.replace("b\nc", "b c").splitlines()}
    assert names == {"PATH", "MINE", "ORK_INPUT_JSON", "ORK_OUTPUT_FILE", "ORK_COOKIE"}


def test_process_runs_in_the_root_with_no_input(executor, place):
    job = place.shell("pwd; cat; echo $ORK_INPUT_JSON", inputs={"a": [1, "é"]})
    assert run(executor, job).state == "success"
    root, inputs = Path(job.log).read_text().splitlines()
    assert os.path.samefile(root, place.root)
    assert json.loads(inputs) == {"a": [1, "é"]}


def test_large_inputs_come_in_a_private_file_that_is_removed(executor, place):
    command = 'test -z "${ORK_INPUT_JSON+x}" && wc -c < "$ORK_INPUT_FILE"; find "$ORK_INPUT_FILE"'
    job = place.shell(f"{command} -perm 600", inputs={"text": "x" * 300_000})
    assert run(executor, job).state == "success"
    size, path = Path(job.log).read_text().split()
    assert int(size) == len(json.dumps(job.inputs))
    assert not Path(path).exists()


@pytest.mark.parametrize(
    ("command", "value", "words"),
    [
        ("echo ${#ORK_IN_v}", "y" * 100_001, "input v is too large for a variable"),
        ("echo ${#ORK_IN_v}", "ä" * 50_001, "input v is too large for a variable"),
        (("sh", "-c", "echo $ORK_IN_v"), "y" * 100_001, "input v is too large for a variable"),
        (
            "echo $ORK_INPUT_JSON",
            "y" * 100_001,
            "the whole of its inputs is too large for a variable",
        ),
        (
            "echo $ORK_INPUT_JSON",
            ["y" * 100_001],
            "the whole of its inputs is too large for a variable",
        ),
        ("echo $ORK_IN_v", "a\0b", "input v has the character NUL"),
    ],
)
def test_a_command_that_names_a_variable_that_cannot_hold_its_value_does_not_start(
    executor, place, command, value, words
):
    outcome = run(executor, place.shell(command, inputs={"v": value}))
    assert (outcome.state, outcome.exit) == ("failed", None)
    assert outcome.error.startswith(f"cannot start: {words}")
    assert [path.name for path in (place.folder / "logs").iterdir()] in ([], ["1.log"])


@pytest.mark.parametrize(
    "command", ["true", "echo $ORK_IN_value", "jq -r .v $ORK_INPUT_FILE || echo $ORK_IN_v", "cat x"]
)
def test_a_large_input_is_left_out_where_the_command_does_not_count_on_it(executor, place, command):
    job = place.shell(f"true || {command}", inputs={"v": "y" * 100_001})
    assert run(executor, job).state == "success"


def test_output_file_wins_over_printed_output_and_is_removed(executor, place):
    job = place.shell("""echo ORK_OUTPUT:1; echo '{"a": [1, 2.5]}' > "$ORK_OUTPUT_FILE" """)
    assert run(executor, job).output == {"a": [1, 2.5]}
    assert sorted(p.name for p in Path(job.log).parent.iterdir()) == [Path(job.log).name]


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("true", None),
        ("echo ORK_OUTPUT:1; echo ORK_OUTPUT:2; echo more; echo words >&2", 2),
        ("printf ORK_OUTPUT:3", 3),
        ("echo; printf 'ORK_OUTPUT: {\"a\": null} \\r\\n'", {"a": None}),
        ("echo said: ORK_OUTPUT:4", 4),
        ("printf 'progress 50%%ORK_OUTPUT:{\"a\": 7}\\n'", {"a": 7}),
        ("printf 'ORK_OUTPUT:1ORK_OUTPUT:8\\n'", 8),
        ("set -x; echo ORK_OUTPUT:9; echo 'say ORK_OUTPUT:{}, please'", 9),
        (": > $ORK_OUTPUT_FILE; echo ORK_OUTPUT:5", 5),
        ("head -c 3000000 /dev/zero; echo; echo ORK_OUTPUT:6; head -c 3000000 /dev/zero", 6),
    ],
)
def test_the_last_printed_output_counts(executor, place, command, output):
    outcome = run(executor, place.shell(command))
    assert (outcome.state, outcome.output, outcome.exit) == ("success", output, 0)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("echo ORK_OUTPUT:{1", "not JSON: '{1'"),
        ("echo ORK_OUTPUT:", "not JSON: ''"),
        ("echo ORK_OUTPUT:NaN", "not a JSON number"),
        ("echo ORK_OUTPUT:9007199254740993", "beyond 2^53-1"),
        (r"printf 'ORK_OUTPUT:\"\377\"'", "not JSON"),
        ("printf 'ORK_OUTPUT:'; head -c 200000 /dev/zero | tr '\\0' '['", "nested"),
        ("mkfifo $ORK_OUTPUT_FILE", "not a regular file"),
        ("mkdir $ORK_OUTPUT_FILE", "directory"),
        ("truncate -s 65M $ORK_OUTPUT_FILE", "larger than 64 MiB"),
    ],
)
def test_invalid_output_is_a_failure_that_shows_it(executor, place, command, words):
    outcome = run(executor, place.shell(command))
    assert outcome.state == "failed"
    assert words in outcome.error


@pytest.mark.parametrize(
    ("command", "error", "code", "number"),
    [
        ("exit 2", "exited with code 2", 2, None),
        ("kill -9 $$", "killed by signal 9 (SIGKILL); perhaps out of memory", None, 9),
        ("kill -11 $$", "killed by signal 11 (SIGSEGV)", None, 11),
        ("nonsense_xyz", "exited with code 127 (command not found)", 127, None),
        (
            "sh -c 'kill -9 $$'; exit $?",
            "exited with code 137 (as a shell tells of a command that was killed by signal 9"
            " (SIGKILL); perhaps out of memory)",
            137,
            None,
        ),
        (
            "exit 139",
            "exited with code 139 (as a shell tells of a command that was killed by signal 11"
            " (SIGSEGV))",
            139,
            None,
        ),
    ],
)
def test_how_a_process_ended_is_told(executor, place, command, error, code, number):
    outcome = run(executor, place.shell(command))
    assert (outcome.error, outcome.exit, outcome.signal) == (error, code, number)
    assert outcome.output is None


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("nonsense_xyz", "1"), "cannot start: nonsense_xyz: No such file or directory"),
        (("./plain.sh",), "Permission denied"),
        (("./textual",), "its first line must be like `#!/bin/sh`"),
        (("echo", "a\0b"), "null byte"),
    ],
)
def test_what_cannot_be_started_is_an_outcome(executor, place, command, words):
    place.write("plain.sh", "#!/bin/sh\n")
    place.write("textual", "words\n", mode=0o755)
    outcome = run(executor, place.shell(command))
    assert outcome.state == "failed"
    assert words in outcome.error


@pytest.mark.parametrize("fields", [{"python": "a\0b"}, {"environment": {"A": "a\0b"}}])
def test_what_no_interpreter_can_be_given_is_an_outcome(executor, place, fields):
    place.write("task.py", "def main():\n    return 1\n")
    outcome = run(executor, place.job(file="task.py", function="main", **fields))
    assert outcome.state == "failed"
    assert "start" in outcome.error


def test_file_without_permission_says_what_to_do(executor, place):
    place.write("load.sh", "#!/bin/sh\nexit 0\n")
    outcome = run(executor, place.job(executor="process", file="load.sh"))
    assert outcome.error == "cannot start: load.sh: not executable; run `chmod +x load.sh`"


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (
            b"#!/bin/sh\r\n",
            r"it has Windows line ends: `sed -i 's/\r$//' bin/hi` takes them out",
        ),
        (b"#!/no/such/sh\n", "its first line names a program that is not there: #!/no/such/sh"),
        (b"#!bin/no\n", "its first line names a program that is not there: #!bin/no"),
        (
            b"\xef\xbb\xbf#!/bin/sh\n",
            "a byte order mark (U+FEFF) stands before its `#!`: save it without",
        ),
    ],
)
def test_a_script_that_is_there_and_does_not_start_says_why(executor, place, first, reason):
    place.write("bin/hi", first + b"nonsense\n", mode=0o755)
    outcome = run(executor, place.job(executor="process", file="bin/hi"))
    assert outcome.error == f"cannot start: bin/hi: {reason}"
    outcome = run(executor, place.shell(("bin/hi", "x")))
    assert outcome.error == f"cannot start: bin/hi: {reason}"
    outcome = run(executor, place.shell("bin/hi x"))
    assert outcome.error == f"exited with code 127 (bin/hi: {reason})"


@pytest.mark.parametrize("first", ["#!/bin/sh\r\n", "true\r\n"])
@pytest.mark.parametrize(
    ("line", "name"),
    [("./a.sh", "./a.sh"), ("cd . && sh a.sh", "a.sh"), ("bash -c './a.sh x' ", "./a.sh")],
)
def test_a_script_with_windows_line_ends_is_named(executor, place, first, line, name):
    place.write("a.sh", f"{first}nonsense\r\n", mode=0o755)
    place.write("data.txt", "one\r\n")
    outcome = run(executor, place.shell(f"{line} data.txt"))
    told = rf"{name}: it has Windows line ends: `sed -i 's/\r$//' {name}` takes them out"
    assert outcome.error == f"exited with code 127 ({told})"
    place.write("a.sh", "#!/bin/sh\nnonsense\n", mode=0o755)
    outcome = run(executor, place.shell(f"{line} data.txt"))
    assert outcome.error == "exited with code 127 (command not found)"


def test_a_program_that_env_cannot_find_is_told_of_a_file_as_well(executor, place):
    place.write("a.py", "#!/usr/bin/env python3\r\n", mode=0o755)
    told = r"a.py: it has Windows line ends: `sed -i 's/\r$//' a.py` takes them out"
    for job in (place.job(executor="process", file="a.py"), place.shell(("env", "./a.py"))):
        assert told in run(executor, job).error.replace("./", "")


def test_no_file_is_blamed_for_a_code_that_a_program_gives_itself(executor, place):
    place.write("a.sh", "#!/bin/sh\nexit 126\n", mode=0o755)
    for job in (place.job(executor="process", file="a.sh"), place.shell("./a.sh")):
        told = "exited with code 126 (perhaps a file is not executable: `chmod +x` it)"
        assert run(executor, job).error == told


def test_a_command_is_executed_as_it_is_written_where_its_files_lie(executor, place):
    for name in ("done", "feat.csv", "out.txt"):
        place.write(name, "old\n")
    line = "for i in 1; do echo new > out.txt; sed -i s/old/new/ feat.csv; echo $0; done"
    job = place.shell(line)
    assert run(executor, job).state == "success"
    assert Path(job.log).read_text() == "/bin/sh\n"
    assert [(place.root / name).read_text() for name in ("done", "feat.csv", "out.txt")] == [
        "old\n",
        "new\n",
        "new\n",
    ]


@pytest.mark.parametrize(
    ("command", "shell", "state"),
    [
        ("false; echo on", None, "success"),
        ("false\necho on\n", None, "failed"),
        ("\n\nfalse; true\n\n", None, "success"),  # one line, and nothing around it
        ("false | true", None, "success"),
        ("false | true", ("bash", "-euo", "pipefail", "-c"), "failed"),
        ("import sys\nsys.exit('no' not in 'none')", (sys.executable, "-c"), "success"),
    ],
)
def test_which_shell_takes_the_lines_of_a_command(executor, place, command, shell, state):
    assert run(executor, place.shell(command, shell=shell)).state == state


def test_inputs_that_a_variable_can_hold_are_variables(executor, place):
    inputs = {
        "day": "2026-11-01",
        "two": "a\nb",
        "n": 3,
        "half": 0.5,
        "whole": 1.0,
        "yes": True,
        "none": None,
        "list": [1],
        "not-a-name": 1,
        "nul": "a\0b",
        "long": "x" * 200_000,
    }
    environment = {"PATH": "/usr/bin:/bin", "ORK_IN_n": "of an outer run"}
    job = place.shell(("env", "-0"), inputs=inputs, environment=environment)
    assert run(executor, job).state == "success"
    words = Path(job.log).read_text().split("\0")
    given = dict(word.split("=", 1) for word in words if word.startswith("ORK_IN_"))
    assert given == {
        "ORK_IN_day": "2026-11-01",
        "ORK_IN_two": "a\nb",
        "ORK_IN_n": "3",
        "ORK_IN_half": "0.5",
        "ORK_IN_whole": "1",
        "ORK_IN_yes": "true",
    }


def test_words_of_a_command_and_its_path_are_what_they_say(executor, place):
    place.write("bin/load.sh", '#!/bin/sh\necho ORK_OUTPUT:\\"$0\\"\n', mode=0o755)
    for job, shown in (
        (place.job(executor="process", file="bin/load.sh"), f"{place.root}/bin/load.sh"),
        (place.shell("true && ./bin/load.sh"), "./bin/load.sh"),
        (place.shell(("sh", "bin/load.sh")), "bin/load.sh"),
    ):
        assert run(executor, job).output == shown


def test_a_background_child_that_holds_the_log_does_not_delay_the_end(executor, place):
    job = place.shell("sleep 300 & echo $! > pid; echo ORK_OUTPUT:1")
    assert run(executor, job).output == 1


# Library tasks.


@pytest.fixture
def library(place):
    import shutil
    import subprocess

    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler")
    source = place.folder / "task.c"
    source.write_text(
        """
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        char *ork_task_run(const char *json) {
            printf("from C\\n");
            if (strstr(json, "crash")) *(volatile int *)0 = 1;
            if (strstr(json, "null")) return 0;
            static int count;
            char *answer = malloc(strlen(json) + 32);
            if (strstr(json, "count")) sprintf(answer, "{\\"count\\": %d}", ++count);
            else if (strstr(json, "bad")) sprintf(answer, "{%s", json);
            else sprintf(answer, "%s{\\"got\\": %s}",
                         strstr(json, "prefix") ? "ORK_OUTPUT: " : "", json);
            return answer;
        }
        void ork_task_free(char *answer) { free(answer); }
        """
    )
    file = place.folder / "libtask.so"
    command = [compiler, "-shared", "-fPIC", "-O0", "-o", str(file), str(source)]
    subprocess.run(command, check=True)
    place.write("libtask.so", file.read_bytes())

    def job(**inputs):
        return place.job(executor="library", file="libtask.so", inputs=inputs)

    return job


def test_library_gets_and_gives_json(executor, library):
    job = library(a=[1, "é"])
    assert run(executor, job).output == {"got": {"a": [1, "é"]}}
    assert Path(job.log).read_text() == "from C\n"


def test_a_crash_in_a_library_fails_only_that_attempt(executor, library):
    crashed, fine = executor.submit(library(x="crash")), executor.submit(library(x="y"))
    assert crashed.result(timeout=60).error == "killed by signal 11 (SIGSEGV)"
    assert fine.result(timeout=60).state == "success"
    assert run(executor, library(x="z")).output == {"got": {"x": "z"}}


def test_a_library_may_answer_as_a_program_does(executor, library):
    assert run(executor, library(x="prefix")).output == {"got": {"x": "prefix"}}


@pytest.mark.slow
def test_a_library_begins_anew_for_each_attempt(executor, library):
    jobs = [library(x="count") for _ in range(3)]
    assert [run(executor, job).output["count"] for job in jobs] == [1, 1, 1]


@pytest.mark.parametrize(("word", "words"), [("null", "returned NULL"), ("bad", "no JSON")])
def test_a_library_that_answers_nonsense_fails(executor, library, word, words):
    assert words in run(executor, library(x=word)).error


def test_what_is_no_task_library_is_said(executor, place):
    place.write("libtask.so", b"not a library")
    outcome = run(executor, place.job(executor="library", file="libtask.so"))
    assert "libtask.so is no task library" in outcome.error
