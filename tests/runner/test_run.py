"""The loop over a real store and real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from threading import Event

import pytest

import ork as api
from ork.backends.base import Moves
from ork.backends.memory import Memory
from ork.definition.workflow import parse
from ork.errors import UsageError
from ork.history.details import RunDetails, run_details
from ork.logs.reading import pieces
from ork.objects.canonical import Oid, unpack
from ork.objects.kinds import Deploy, Log, TaskRun
from ork.objects.value import replace
from ork.runner.choices import Selection
from ork.runner.events import RunFinished, RunStarted, TaskFinished, TaskRetried, TaskStarted
from ork.runner.loop import Control, retry_delay
from ork.runner.start import Caller, Options, retry, start
from ork.store.contents import task_runs
from ork.store.resolve import run_of_number
from ork.store.store import Store
from ork.worktree.load import check
from tests.runner.suite import IMPATIENT, MAIN


class Project:
    """A folder with a store, and a way to write and run workflows in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store: Store = api.open(folder, create=True).store

    def write(self, path: str, text: str, *, mode: int = 0o644) -> Path:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
        target.chmod(mode)
        return target

    def workflow(self, tasks: str, *, head: str = "") -> Path:
        body = textwrap.indent(textwrap.dedent(tasks), "  ")
        return self.write("flow.yaml", f"name: flow\n{textwrap.dedent(head)}tasks:\n{body}")

    def run(self, what: str = "flow.yaml", **options: object) -> RunFinished:
        path = str(self.folder / what) if what.endswith(".yaml") else what
        *_, last = api.Project(self.store).events(path, **options)  # type: ignore[arg-type]
        assert isinstance(last, RunFinished)
        return last

    def states(self, number: int = 1) -> dict[str, str]:
        _, run = run_of_number(self.store, "flow", number)
        return {name: taskrun.state for name, taskrun in task_runs(self.store, run).items()}

    def output(self, task: str, number: int = 1) -> object:
        details = api.Project(self.store).show(f"flow#{number}")
        assert isinstance(details, RunDetails)
        return details.tasks[task].output


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.chdir(tmp_path)
    made = Project(tmp_path)
    yield made
    made.store.close()


def python(name: str, *, function: str = "main", more: str = "") -> str:
    return f"{name}: {{executor: python, file: code.py, function: {function}{more}}}\n"


def shell(name: str, command: str, more: str = "") -> str:
    return f"{name}: {{executor: process, command: {json.dumps(command)}{more}}}\n"


def test_outputs_travel_by_reference(project: Project) -> None:
    project.write(
        "code.py",
        """\
        def main():
            return {"n": 2, "deep": {"m": [1, 2]}}
        def double(n, m):
            return {"n": 2 * n, "m": m}
    """,
    )
    project.workflow("""\
        one: {executor: python, file: code.py}
        two:
          executor: python
          file: code.py
          function: double
          depends_on: [one]
          inputs: {n: {ref: tasks.one.output.n}, m: {ref: tasks.one.output.deep.m}}
    """)
    assert project.run().run.state == "success"
    assert project.output("two") == {"n": 4, "m": [1, 2]}


def test_the_pin_is_durable_before_the_first_task_starts(project: Project) -> None:
    project.workflow(shell("one", "true"))
    events = iter(api.Project(project.store).events(project.folder / "flow.yaml"))
    first = next(events)
    assert isinstance(first, RunStarted)
    _, pinned = run_of_number(project.store, "flow", 1)
    assert pinned.state == "running"
    assert pinned.snapshot == api.Project(project.store).resolve("flow").snapshot
    (begun,) = project.folder.glob(".ork/logs/flow/*/begun")
    assert begun.read_bytes() == b""
    assert isinstance(next(events), TaskStarted)
    list(events)


def test_the_time_of_a_run_begins_when_it_was_asked_for(project: Project) -> None:
    """As its record says, and as those count who watch it; of a later attempt none says that."""
    flow = project.workflow(shell("one", "test -e there"))
    before = Caller(clock=time.monotonic() - 1000)
    *_, finished = start(project.store, str(flow), caller=before).events
    assert finished.run.seconds >= 1000
    project.write("there", "")
    *_, finished = retry(project.store, "flow#1", caller=before).events
    assert 1000 < finished.run.seconds < 2000
    options = Options(timeout_s=500)
    *_, finished = start(project.store, str(flow), caller=before, options=options).events
    assert finished.run.state == "success", "which is for what it executes"


def test_outcomes_are_recorded_before_they_are_told(project: Project) -> None:
    project.workflow(shell("one", "true") + shell("two", "false"))
    told = 0
    for event in api.Project(project.store).events(project.folder / "flow.yaml"):
        if isinstance(event, TaskFinished):
            _, run = run_of_number(project.store, "flow", 1)
            assert task_runs(project.store, run)[event.task] == event.taskrun
            told += 1
    assert told == 2


@pytest.mark.slow
def test_an_outcome_is_not_told_while_it_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.workflow(shell("one", "true"))
    write, is_told = project.store.backend.write, Event()

    def late(objects: Mapping[Oid, bytes], moves: Moves, *more: Iterable[Oid]) -> bool:
        if any(ref.endswith("/one") for ref in moves):
            is_told.wait(1.0)
        return write(objects, moves, *more)

    monkeypatch.setattr(project.store.backend, "write", late)
    for event in api.Project(project.store).events(project.folder / "flow.yaml"):
        if isinstance(event, TaskFinished):
            _, run = run_of_number(project.store, "flow", 1)
            states = task_runs(project.store, run)
            is_told.set()
            assert states.get("one") == event.taskrun


class Swept(Memory):
    """A backend whose garbage is collected after every write."""

    def write(
        self,
        objects: Mapping[Oid, bytes],
        moves: Moves,
        remove: Iterable[Oid] = (),
        needs: Iterable[Oid] = (),
    ) -> bool:
        done = super().write(objects, moves, remove, needs)
        self.sweep(self.garbage)
        return done

    def garbage(self) -> set[Oid]:
        waiting, reached = [oid for _, oid in self.refs()], set()
        while waiting:
            oid = waiting.pop()
            data = self.get(oid)
            if oid not in reached and data is not None:
                reached.add(oid)
                waiting += [
                    Oid(found) for found in re.findall(r"[0-9a-f]{64}", unpack(oid, data).decode())
                ]
        return set(self.oids()) - reached


def test_garbage_that_is_collected_beside_a_run_is_nothing_of_it(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import os, time

        def main(number):
            time.sleep(0.02)
            return number

        def slow(number):
            time.sleep(0.3)
            return number

        def second(number):
            if os.environ["ORK_ATTEMPT"] == "1":
                raise ValueError(number)
            return number
        """,
    )
    functions = ["slow", "second", *["main"] * 6]
    tasks = [
        python(f"t{n}", function=name, more=f", inputs: {{number: {{const: {n}}}}}, retries: 1")
        for n, name in enumerate(functions)
    ]
    path = project.workflow("".join(tasks))
    store = Store(Swept())
    *_, last = start(store, str(path), options=Options(jobs=2)).events
    assert isinstance(last, RunFinished)
    tasks = run_details(store, last.oid, last.run).tasks
    assert tasks.keys() == {f"t{n}" for n in range(len(functions))}
    for name, details in tasks.items():
        assert details.inputs == {"number": int(name[1])}
        assert details.output == int(name[1])


def test_a_file_that_was_read_before_is_run_as_it_was_read(project: Project) -> None:
    path = project.workflow(shell("one", "true"))
    read = check(path)
    project.workflow(shell("one", "false"))
    *_, last = start(project.store, read).events
    assert isinstance(last, RunFinished)
    assert last.run.state == "success"
    assert last.run.snapshot == read.snapshot == api.Project(project.store).resolve("flow").snapshot


def test_no_event_is_held_back_while_a_task_runs(project: Project) -> None:
    go = project.folder / "go"
    wait = f"while ! test -e {go}; do sleep 0.01; done"
    project.workflow(shell("long", wait) + shell("short", "true"))
    control = Control()
    started = start(
        project.store,
        str(project.folder / "flow.yaml"),
        options=Options(jobs=2),
        caller=Caller(control=control),
    )
    for event in started.events:
        if isinstance(event, TaskFinished) and event.task == "short":
            assert not control.more
            go.touch()
    assert isinstance(event, RunFinished)
    assert not control.more


def test_what_depends_on_a_failure_is_not_run_and_says_why(project: Project) -> None:
    project.workflow(
        shell("bad", "exit 3")
        + shell("after", "true", ", depends_on: [bad]")
        + shell("later", "true", ", depends_on: [after]")
        + shell("aside", "true")
    )
    done = project.run()
    assert done.run.state == "failed"
    assert done.run.reason == "bad: exited with code 3"
    expected = {
        "bad": "failed",
        "after": "upstream_failed",
        "later": "upstream_failed",
        "aside": "success",
    }
    assert project.states() == expected
    _, run = run_of_number(project.store, "flow", 1)
    states = task_runs(project.store, run)
    assert states["after"].reason == "bad failed"
    assert states["bad"].attempts[0].exit == 3


LAST_LINES = {
    "what it said": ("echo one; echo $TOKEN two >&2; echo", "exited with code 3: *** two"),
    "a colour": (r"printf '\033[1;31mred\033[0m: no'", "exited with code 3: red: no"),
    "a link": (r"printf '\033]8;;x:y\033\\here\033]8;;\007'", "exited with code 3: here"),
    "a bar": (r"printf '10%%\r90%%'", "exited with code 3: 90%"),
    "an answer": ("echo why; echo 'ORK_OUTPUT:{}'", "exited with code 3: why"),
    "long": ("printf '%0500d' 0", "exited with code 3: " + "0" * 200),
    "nothing": ("true", "exited with code 3"),
}


def test_why_a_command_failed_is_its_exit_code_and_what_it_printed_last(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hidden-value")
    secret = ", env: {TOKEN: {secret: TOKEN}}"
    names = {f"task_{number}": name for number, name in enumerate(LAST_LINES)}
    tasks = [shell(task, f"{LAST_LINES[name][0]}; exit 3", secret) for task, name in names.items()]
    last = shell("lost", "no_such_command") + python("leaves", function="leave")
    project.workflow("".join(tasks) + last)
    project.write("code.py", "def leave():\n    print('no rows')\n    raise SystemExit(4)\n")
    project.run()
    _, run = run_of_number(project.store, "flow", 1)
    states = task_runs(project.store, run)
    for task, name in names.items():
        assert states[task].reason == LAST_LINES[name][1], name
    assert states["leaves"].reason == "exited with code 4: no rows"
    assert "(command not found): " in states["lost"].reason
    assert "no_such_command: " in states["lost"].reason


def test_on_upstream_failure_run_runs_anyway(project: Project) -> None:
    project.workflow(
        shell("bad", "exit 1")
        + shell("clean", "true", ", depends_on: [bad], on_upstream_failure: run")
    )
    assert project.run().run.state == "failed"
    assert project.states() == {"bad": "failed", "clean": "success"}


def test_retries_run_again_and_keep_every_attempt(project: Project) -> None:
    project.workflow(
        shell("flaky", 'echo try $ORK_ATTEMPT; test "$ORK_ATTEMPT" = 3', ", retries: 2")
    )
    events = list(api.Project(project.store).events(project.folder / "flow.yaml"))
    assert [e.attempt for e in events if isinstance(e, TaskRetried)] == [1, 2]
    _, run = run_of_number(project.store, "flow", 1)
    taskrun = task_runs(project.store, run)["flaky"]
    assert [a.state for a in taskrun.attempts] == ["failed", "failed", "success"]
    logs = [b"".join(pieces(project.store, a.log)) for a in taskrun.attempts]
    assert logs == [b"try 1\n", b"try 2\n", b"try 3\n"]


def test_a_retry_waits_for_its_delay(project: Project) -> None:
    project.workflow(shell("flaky", 'test "$ORK_ATTEMPT" = 2', ", retries: 1, retry_delay: 0.3"))
    project.run()
    _, run = run_of_number(project.store, "flow", 1)
    first, second = task_runs(project.store, run)["flaky"].attempts
    assert (second.started - first.started).total_seconds() >= 0.3


@pytest.mark.parametrize(
    ("seconds", "backoff", "failed", "waited"),
    [
        ("1.5", "1", 9, 1.5),
        ("0.5", "1.5", 1, 0.5),
        ("0.5", "1.5", 3, 1.125),
        ("0.1", "2", 2000, 3600),
        ("1", "9007199254740", 99, 3600),
        ("0", "2", 2000, 0),
    ],
)
def test_a_delay_grows_by_its_factor_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch, seconds: str, backoff: str, failed: int, waited: float
) -> None:
    monkeypatch.setattr("random.uniform", lambda _, most: most)
    keys = f"retry_delay: {seconds}, retry_backoff: {backoff}"
    text = f"name: n\ntasks: {{t: {{executor: process, command: x, {keys}}}}}"
    task = parse(text.encode(), file="flow.yaml").tasks["t"]
    assert retry_delay(task, failed) == waited


def test_a_backoff_waits_no_less_than_without_it() -> None:
    keys = "retry_delay: 3, retry_backoff: 2"
    text = f"name: n\ntasks: {{t: {{executor: process, command: x, {keys}}}}}"
    task = parse(text.encode(), file="flow.yaml").tasks["t"]
    waits = [retry_delay(task, 4) for _ in range(100)]
    assert retry_delay(task, 1) == 3 and 3 <= min(waits) < max(waits) <= 24


def test_a_timeout_of_a_part_of_a_second_is_told_in_seconds(project: Project) -> None:
    project.workflow(shell("slow", "sleep 5", ", timeout: 0.25"))
    assert project.run().run.state == "failed"
    _, run = run_of_number(project.store, "flow", 1)
    taskrun = task_runs(project.store, run)["slow"]
    assert taskrun.reason == "timed out after 0.25 s"
    assert taskrun.attempts[0].seconds >= 0.25


def test_the_longest_timeout_there_is_lets_a_task_end(project: Project) -> None:
    project.workflow(shell("one", "true", ", timeout: 9007199254"))
    assert project.run().run.state == "success"


def test_an_output_of_the_wrong_type_is_a_failure(project: Project) -> None:
    project.write("code.py", 'def main():\n    return {"rows": "three"}\n')
    project.workflow(python("one", more=", output_type: {rows: int}"))
    assert project.run().run.state == "failed"
    _, run = run_of_number(project.store, "flow", 1)
    reason = task_runs(project.store, run)["one"].reason
    assert reason is not None
    assert "rows" in reason
    assert "int" in reason


def test_a_missing_field_of_an_undeclared_output_is_a_failure(project: Project) -> None:
    project.write("code.py", "def main(**inputs):\n    return {}\n")
    project.workflow("""\
        one: {executor: python, file: code.py}
        two:
          executor: python
          file: code.py
          depends_on: [one]
          inputs: {n: {ref: tasks.one.output.n}}
    """)
    project.run()
    assert project.states() == {"one": "success", "two": "failed"}
    _, run = run_of_number(project.store, "flow", 1)
    assert "no field 'n'" in str(task_runs(project.store, run)["two"].reason)


def test_secrets_that_are_not_set_are_all_named_before_anything_is_recorded(
    project: Project,
) -> None:
    secret = ", env: {TOKEN: {secret: NOT_SET_A}, KEY: {secret: NOT_SET_B}}"
    project.workflow(
        shell("one", "true", secret)
        + shell("two", "true", ", env: {TOKEN: {secret: NOT_SET_A}}")
        + shell("three", "true", ", depends_on: [two]")
    )
    with pytest.raises(UsageError) as caught:
        project.run()
    assert caught.value.message.splitlines() == [
        "the secret NOT_SET_A is not set: one, two need it",
        "the secret NOT_SET_B is not set: the task one needs it",
    ]
    assert caught.value.hint == "`export NOT_SET_A=... NOT_SET_B=...` sets what is needed"
    assert list(project.store.refs("")) == []


def test_only_secrets_of_tasks_that_are_executed_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.workflow(
        shell("one", "true", ", env: {TOKEN: {secret: SET_FOR_ONE}}")
        + shell("two", "test -e ready", ", depends_on: [one]")
    )
    monkeypatch.setenv("SET_FOR_ONE", "")
    project.run()
    assert project.states() == {"one": "success", "two": "failed"}
    monkeypatch.delenv("SET_FOR_ONE")
    project.write("ready", "")
    *_, last = api.Project(project.store).retry_events("flow#1")
    assert isinstance(last, RunFinished) and last.run.state == "success"
    with pytest.raises(UsageError, match="SET_FOR_ONE"):
        project.run("flow")


def test_variables_come_from_parameters_and_outputs(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIDDEN", "inherited")
    monkeypatch.setenv("GONE", "inherited")
    monkeypatch.setenv("ORK_IN_day", "of the task in which this ork runs")
    env = (
        "{DAY: {ref: params.day}, ROWS: {ref: tasks.up.output.rows}, ALL: {ref: tasks.up.output},"
        " NONE: {ref: tasks.up.output.no}, HIDDEN: {ref: tasks.up.output.no}, GONE: {const: null}}"
    )
    project.write(
        "show.py",
        """
        import os
        def main():
            names = "DAY", "ROWS", "ALL", "NONE", "HIDDEN", "GONE", "TOP", "ORK_IN_day"
            return {name: os.environ[name] for name in names if name in os.environ}
    """,
    )
    project.workflow(
        """
        up: {executor: process, command: "echo 'ORK_OUTPUT:{\\"rows\\": 3, \\"no\\": null}'"}
        down: {executor: python, file: show.py, depends_on: [up], env: ENV}
        """.replace("ENV", env),
        head="params: {day: {type: date, default: 2026-11-01}}\nenv: {TOP: {ref: params.day}}\n",
    )
    assert project.run().run.state == "success"
    assert project.output("down") == {
        "DAY": "2026-11-01",
        "ROWS": "3",
        "ALL": '{"no":null,"rows":3}',
        "TOP": "2026-11-01",
    }


def test_a_variable_that_has_no_value_yet_fails_its_task(project: Project) -> None:
    project.workflow(
        shell("up", "true # without ORK_OUTPUT")
        + shell("gone", "true", ", depends_on: [up], env: {A: {ref: tasks.up.output.rows}}")
        + shell("nul", "true", ", env: {A: {ref: params.text}}"),
        head='params: {text: {type: str, default: "a\\0b"}}\n',
    )
    project.run()
    assert project.states() == {"up": "success", "gone": "failed", "nul": "failed"}
    found = task_runs(project.store, run_of_number(project.store, "flow", 1)[1])
    reasons = {name: found[name].reason for name in ("gone", "nul")}
    assert reasons == {
        "gone": "env A: tasks.up.output.rows: there is no field 'rows' in null",
        "nul": "env A: the value has the character NUL",
    }


def test_a_task_is_told_how_what_it_needs_has_ended(project: Project) -> None:
    project.workflow(
        shell("good", "echo ORK_OUTPUT:1")
        + shell("bad", "exit 3")
        + shell("lost", "true", ", depends_on: [bad]")
        + shell(
            "report",
            'echo "ORK_OUTPUT:$ORK_UPSTREAM_JSON"',
            ", depends_on: [good, bad, lost], on_upstream_failure: run",
        )
        + shell("again", 'echo "ORK_OUTPUT:$ORK_UPSTREAM_JSON"', ", depends_on: [good]")
    )
    project.run()
    ended = {"good": "success", "bad": "failed", "lost": "upstream_failed"}
    assert project.output("report") == ended
    project.run("flow", options=Options(selection=Selection(only=("again",))))
    assert project.output("again", 2) == {"good": "success"}  # its output stands in


def test_secrets_and_variables_reach_the_task_and_the_secret_is_not_stored(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "canary-4711")
    project.workflow(
        shell(
            "one",
            'test ${#TOKEN} = 11 && test "$MODE $DEEP" = "fast yes"',
            ", env: {TOKEN: {secret: MY_SECRET}, DEEP: 'yes'}",
        ),
        head="env: {MODE: fast}\n",
    )
    assert project.run().run.state == "success"
    project.store.close()
    for path in project.folder.glob(".ork/**/*"):
        if path.is_file() and path.name != "lock.mdb":
            assert b"canary-4711" not in path.read_bytes()
    project.store = api.open(project.folder).store


def test_code_that_is_edited_after_the_run_began_does_not_count(project: Project) -> None:
    project.write(
        "code.py",
        """\
        import time
        from pathlib import Path
        def main():
            here = Path(__file__).parent
            (here / "started").touch()
            while not (here / "edited").exists():
                time.sleep(0.01)
            return "old"
        def second(**inputs):
            import helper
            return [helper.WORD, Path(__file__).name]
    """,
    )
    project.write("helper.py", 'WORD = "old"\n')
    project.write("say.sh", "#!/bin/sh\necho 'ORK_OUTPUT:\"old\"'\n", mode=0o755)
    project.workflow(
        python("one")
        + python("two", function="second", more=", depends_on: [one]")
        + shell("three", "./say.sh", ", depends_on: [one]")
    )
    for event in api.Project(project.store).events(project.folder / "flow.yaml"):
        if isinstance(event, TaskStarted) and event.task == "one":
            while not (project.folder / "started").exists():
                time.sleep(0.01)
            project.write("helper.py", 'WORD = "new"\n')
            project.write("say.sh", "#!/bin/sh\necho 'ORK_OUTPUT:\"new\"'\n", mode=0o755)
            project.write("code.py", "raise SystemExit\n")
            project.write("edited", "")
    assert project.output("one") == "old"
    assert project.output("two") == ["old", "code.py"]
    assert project.output("three") == "old"


def test_an_old_revision_runs_with_its_own_code_when_the_files_are_gone(project: Project) -> None:
    code = project.write("code.py", 'def main():\n    return "first"\n')
    flow = project.workflow(python("one"))
    project.run()
    code.unlink()
    flow.unlink()
    assert project.run("flow#1").run.state == "success"
    assert project.output("one", number=2) == "first"


def test_data_beside_the_code_is_found(project: Project) -> None:
    project.write("tasks/data.txt", "from beside")
    project.write(
        "tasks/code.py",
        """\
        from pathlib import Path
        def main():
            return (Path(__file__).parent / "data.txt").read_text()
    """,
    )
    project.write(
        "tasks/read.sh",
        """\
        #!/bin/sh
        printf 'ORK_OUTPUT:"%s"\\n' "$(cat "$(dirname "$0")/data.txt")"
    """,
        mode=0o755,
    )
    project.workflow(
        "one: {executor: python, file: tasks/code.py}\n"
        "two: {executor: process, file: tasks/read.sh}\n"
    )
    assert project.run().run.state == "success"
    assert project.output("one") == project.output("two") == "from beside"


def test_equal_outputs_are_stored_once_and_runs_compare_by_hash(project: Project) -> None:
    project.write("code.py", 'def main():\n    return {"b": 1.0, "a": [True]}\n')
    project.workflow(python("one"))
    project.run()
    project.run("flow")
    outputs = {
        task_runs(project.store, run_of_number(project.store, "flow", n)[1])["one"].output
        for n in (1, 2)
    }
    assert len(outputs) == 1


def test_stop_cancels_what_runs_and_records_it(project: Project) -> None:
    project.workflow(shell("long", "sleep 60") + shell("next", "true", ", depends_on: [long]"))
    control = Control()
    for event in api.Project(project.store).events(project.folder / "flow.yaml", control=control):
        if isinstance(event, TaskStarted):
            control.stop()
            control.stop()
    assert isinstance(event, RunFinished)
    assert event.run.state == "cancelled"
    assert project.states() == {"long": "cancelled", "next": "cancelled"}


def test_closing_the_events_stops_the_run(project: Project) -> None:
    project.workflow(shell("long", "sleep 60"))
    events = api.Project(project.store).events(project.folder / "flow.yaml")
    assert isinstance(next(events), RunStarted)
    assert isinstance(next(events), TaskStarted)
    events.close()
    _, run = run_of_number(project.store, "flow", 1)
    assert run.state == "cancelled"
    assert project.states() == {"long": "cancelled"}


def test_jobs_bounds_what_runs_at_once(project: Project) -> None:
    tasks = "".join(shell(f"t{n}", "sleep 0.05") for n in range(6))
    project.workflow(tasks)
    running = most = 0
    for event in api.Project(project.store).events(
        project.folder / "flow.yaml", options=api.Options(jobs=2)
    ):
        running += isinstance(event, TaskStarted) - isinstance(event, TaskFinished)
        most = max(most, running)
    assert most == 2


def test_max_parallel_bounds_what_runs_at_once(project: Project) -> None:
    project.workflow(shell("a", "true") + shell("b", "true"), head="max_parallel: 1\n")
    events = list(
        api.Project(project.store).events(project.folder / "flow.yaml", options=api.Options(jobs=8))
    )
    assert isinstance(events[0], RunStarted)
    assert events[0].slots == 1


def test_a_bound_of_nothing_in_a_store_does_not_make_a_run_wait_for_ever(project: Project) -> None:
    deployed = api.Project(project.store).deploy(project.workflow(shell("a", "true")))
    deploy = project.store.get(Deploy, deployed.deploy)
    with project.store.transaction() as tx:
        odd = tx.add(replace(deploy, settings={"max_parallel": 0}))
        tx.move("workflows/flow", old=deployed.deploy, new=odd)
    with pytest.warns(api.OrkWarning, match="Change max_parallel"):
        assert project.run("flow", options=Options(timeout_s=20)).run.state == "success"


def test_nothing_private_is_left_after_a_run(project: Project) -> None:
    project.workflow(shell("one", "true"))
    project.run()
    assert not (project.folder / ".ork" / "work").exists()
    assert list((project.folder / ".ork" / "locks").iterdir()) == []
    assert list((project.folder / ".ork" / "locks").iterdir()) == []
    assert list(project.store.refs("active/")) == []


def test_numbers_count_up_and_ids_sort_by_time_even_when_the_clock_jumps_back(
    project: Project,
) -> None:
    from datetime import UTC, datetime

    from ork.runner import record

    project.workflow(shell("one", "true"))
    project.run()
    _, first = run_of_number(project.store, "flow", 1)
    pin = replace(
        first,
        tasks=None,
        state="running",
        created=datetime(2001, 1, 1, tzinfo=UTC),
        ended=None,
        duration=None,
    )
    owned = record.begin(project.store, pin, {}, random="0")
    assert owned.run.number == 2
    assert owned.run.id > first.id
    owned.release()


def test_no_run_ends_before_it_began_though_the_clock_was_set_back(project: Project) -> None:
    from datetime import UTC, datetime

    ahead = datetime(9998, 1, 1, tzinfo=UTC)
    flow = project.workflow(shell("one", "true"))
    *_, finished = start(project.store, str(flow), caller=Caller(now=ahead)).events
    assert (finished.run.created, finished.run.ended) == (ahead, ahead)


CHILD = """
import sys
import ork
store = ork.open(".")
for event in store.events("flow.yaml"):
    print(type(event).__name__, getattr(event, "task", ""), flush=True)
"""


def start_child(project: Project) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD], cwd=project.folder, text=True, stdout=subprocess.PIPE
    )


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_run_whose_owner_was_killed_is_settled_as_interrupted(project: Project) -> None:
    project.workflow(shell("quick", "true") + shell("long", "touch here; sleep 60"))
    child = start_child(project)
    assert child.stdout is not None
    assert "TaskFinished quick\n" in child.stdout  # read as far as that line
    wait_for((project.folder / "here").exists)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    listed = subprocess.run(
        [sys.executable, "-m", "ork", "runs"],
        cwd=project.folder,
        text=True,
        capture_output=True,
        check=True,
    )
    assert "interrupted" in listed.stdout
    assert project.states() == {"quick": "success", "long": "interrupted"}
    assert list(project.store.refs("active/")) == []


@pytest.mark.slow
def test_a_raw_answer_does_not_outlive_a_killed_ork(project: Project) -> None:
    project.workflow(shell("one", 'echo 1 > "$ORK_OUTPUT_FILE"; touch here; sleep 60'))
    child = start_child(project)
    wait_for((project.folder / "here").exists)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()  # type: ignore[union-attr]
    answers = project.folder.glob(".ork/logs/flow/*/*.output")
    assert list(answers)
    subprocess.run(
        [sys.executable, "-m", "ork", "runs"], cwd=project.folder, check=True, capture_output=True
    )
    assert not list(project.folder.glob(".ork/logs/flow/*/*.output"))


@pytest.mark.slow
def test_a_living_run_is_not_settled(project: Project) -> None:
    project.workflow(shell("long", "touch here; while [ ! -e stop ]; do sleep 0.02; done"))
    child = start_child(project)
    wait_for((project.folder / "here").exists)
    subprocess.run(
        [sys.executable, "-m", "ork", "runs"], cwd=project.folder, check=True, capture_output=True
    )
    _, run = run_of_number(project.store, "flow", 1)
    assert run.state == "running"
    project.write("stop", "")
    assert child.wait() == 0
    child.stdout.close()  # type: ignore[union-attr]
    assert project.states() == {"long": "success"}


def children_with(cookie: str) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and cookie in Path(f"/proc/{name}/environ").read_text("latin-1"):
                found.append(int(name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_leaves_no_child_and_an_honest_record(project: Project, presses: int) -> None:
    project.write(
        "code.py", "import time\ndef main():\n    open('py', 'w').close()\n    time.sleep(60)\n"
    )
    project.workflow(shell("sh", "(setsid sleep 60 &) ; touch here; sleep 60") + python("py"))
    environ = {**os.environ, "TEST_COOKIE": f"cookie-{os.getpid()}-{presses}"}
    main = MAIN.format(
        patch=IMPATIENT if presses == 1 else ""
    )  # asked twice, it is quick by itself
    child = subprocess.Popen(
        [sys.executable, "-c", main, "run", "flow.yaml", "-j", "2"],
        env=environ,
        cwd=project.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: all((project.folder / name).exists() for name in ("here", "py")))
    for _ in range(presses):
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == -signal.SIGINT
    assert b"cancelled" in out
    assert project.states() == {"sh": "cancelled", "py": "cancelled"}
    assert children_with(environ["TEST_COOKIE"]) == []


@pytest.mark.slow
@pytest.mark.turns(2)
def test_two_runs_at_the_same_time_get_different_numbers(project: Project) -> None:
    project.workflow(shell("one", "sleep 0.2"))
    api.Project(project.store).deploy(project.folder / "flow.yaml")
    children = [start_child(project) for _ in range(4)]
    for child in children:
        out, _ = child.communicate(timeout=60)
        assert "RunFinished" in out
    runs = list(api.Project(project.store).runs("flow"))
    assert sorted(entry.run.number for entry in runs) == [1, 2, 3, 4]
    (entry,) = api.Project(project.store).log("flow")
    assert entry.runs.counts == {"success": 4}


def test_a_task_run_reads_back(project: Project) -> None:
    project.workflow(shell("one", "exit 7"))
    project.run()
    _, run = run_of_number(project.store, "flow", 1)
    taskrun = task_runs(project.store, run)["one"]
    assert isinstance(taskrun, TaskRun)
    assert taskrun.attempts[0].log == Log(path=f"flow/{run.id}/1.log", offset=0, length=0)
