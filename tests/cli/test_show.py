"""ork show"""

import json
import re
import subprocess
from datetime import timedelta

import pytest

from ork import open as open_store
from ork.cli.screen import human
from ork.history.details import waits_for_next
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import TASK_STATES, Attempt, Deploy, TaskRun
from ork.objects.value import replace
from tests.runs import write_retry, write_run
from tests.started import Started
from tests.stores import NOON


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("deploy", "etl~1"),
        ("snapshot", "etl^{snapshot}"),
        ("task", "etl:load"),
        ("file_not_deployed", "file:etl.yaml"),
    ],
)
def test_show(history, golden, name, revision):
    result = history("show", revision)
    assert (result.code, result.err) == (0, "")
    golden(f"show/{name}.txt", result.out)
    golden(f"show/{name}.json", history("show", revision, "--json").out)


def test_seconds_are_told_with_their_unit(history):
    lines = history("show", "etl:load").out.splitlines()
    assert "timeout              300s" in lines
    assert "retry_delay          0s" in lines
    assert json.loads(history("show", "etl:load", "--json").out)["data"]["payload"]["retries"] == 0


@pytest.mark.parametrize(
    ("name", "revision"),
    [
        ("run", "etl#1"),
        ("failed_run", "etl#2"),
        ("taskrun", "etl#1:load"),
        ("failed_taskrun", "etl#2:load"),
    ],
)
def test_show_what_became_of_a_run(ran, golden, masked, name, revision):
    result = ran("show", revision)
    assert (result.code, bool(result.err)) == (0, name == "failed_run")
    golden(f"show/{name}.txt", masked(result.out + result.err))
    golden(f"show/{name}.json", masked(ran("show", revision, "--json").out))


def test_the_text_of_the_workflow_file_byte_for_byte(history):
    text = (history.folder / "etl.yaml").read_text()
    assert history("show", "etl:").out == text
    assert history("show", "etl~1:").out == text.replace("@daily", "0 2 * * *")
    assert history("show", "etl.yaml").code == 0
    assert history("show", "file:etl.yaml:").out == text
    document = json.loads(history("show", "etl:", "--json").out)["data"]
    assert (document["kind"], document["text"]) == ("text", text)


def test_a_code_file_byte_for_byte(history):
    text = (history.folder / "tasks/etl.py").read_text()
    assert history("show", "etl:tasks/etl.py").out == text
    assert history("show", "etl:./tasks/etl.py").out == text
    assert json.loads(history("show", "etl:load.sh", "--json").out)["data"]["name"] == "load.sh"


def test_the_only_workflow_is_meant_when_nothing_is_named(history):
    assert history("show").out == history("show", "etl").out
    history.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    history("deploy", "other.yaml")
    result = history("show")
    assert result.code == 3
    assert "  etl\n  other\n" in result.err


def test_an_ambiguous_prefix_with_its_candidates(history, golden, ambiguous):
    result = history("show", ambiguous)
    assert (result.code, result.out) == (3, "")
    golden("show/ambiguous.txt", result.err)
    error = json.loads(history("show", ambiguous, "--json").err)["data"]
    assert len(error["candidates"]) == 2
    for line in error["candidates"]:
        assert history("show", line.split()[0]).code == 0


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("etl~9", "does not reach that far back"),
        ("etl@v9", "etl has no tag 'v9'"),
        ("etl@{9}", "etl has not moved 9 times"),
        ("etl#9", "no run etl#9"),
        ("etl:extrac", "did you mean extract?"),
        ("etl@{2020-01-01}", "not deployed yet"),
        ("run:2020", "no run has an id that starts with '2020'"),
        ("", "is not a revision"),
        ("abc", "an oid needs at least 4 digits"),
        ("etl^{tree}", "is not a revision"),
        ("nowhere.yaml", "no file and no workflow named 'nowhere.yaml'"),
        ("file:nowhere.yaml", "no file nowhere.yaml"),
        ("f" * 64, "no object fff"),
        ("etl@{soon}", "cannot read the time 'soon'"),
    ],
)
def test_what_is_not_there(history, revision, message):
    result = history("show", revision)
    assert result.code == (2 if "the time" in message else 3)
    assert result.out == ""
    assert message in result.err


def test_a_file_where_a_workflow_is_wanted_names_its_workflow(history):
    for words in (["log", "etl.yaml"], ["blame", "etl.yaml"], ["tag", "v1", "etl.yaml"]):
        result = history(*words)
        assert (result.code, result.out) == (3, "")
        assert result.err.splitlines()[1] == "hint: it is the file of etl: write that name"
    history.write("new.yaml", "name: new\ntasks: {a: {executor: process, command: ls}}\n")
    assert "`ork deploy new.yaml` makes one" in history("log", "new.yaml").err


def test_damage_is_noticed(history, damage):
    damage(hash_bytes(b"ork1 blob\n" + (history.folder / "load.sh").read_bytes()))
    result = history("show", "etl:load.sh")
    assert (result.code, result.out) == (4, "")
    assert "is damaged: its bytes do not match its name" in result.err


def test_a_deploy_heads_with_all_its_names_as_in_the_log(history, tag):
    tag("etl", "prod", "etl")
    tag("etl", "v1", "etl")
    first, *_ = history("show", "etl").out.splitlines()
    assert first == history("log", "etl", "-n", "1").out.splitlines()[0]
    assert first.endswith(" (etl, @prod, @v1)")
    shown = json.loads(history("show", "etl", "--json").out)["data"]["entry"]
    (entry,) = json.loads(history("log", "etl", "-n", "1", "--json").out)["data"]
    assert shown == entry
    assert shown["tags"] == ["prod", "v1"]


def test_what_a_workflow_takes(ork, golden):
    ork.write(
        "sales.yaml",
        """\
        name: sales
        params:
          day: date
          limit: {type: int, default: 10}
          tables: {type: [str], default: []}
          note: {default: null}
        tasks:
          fetch: {executor: process, command: ls, env: {TOKEN: {secret: API_TOKEN}}}
          send:
            executor: process
            command: ls
            env: {TOKEN: {secret: API_TOKEN}, KEY: {secret: MAIL_KEY}, DAY: {ref: params.day}}
            depends_on: [fetch]
        """,
    )
    assert ork("deploy", "sales.yaml").code == 0
    golden("show/takes.txt", ork("show", "sales^{snapshot}").out)
    shown = json.loads(ork("show", "sales", "--json").out)["data"]
    assert shown["definition"]["params"]["day"] == {
        "type": "date",
        "required": True,
        "default": None,
    }
    assert shown["secrets"] == {"API_TOKEN": ["fetch", "send"], "MAIL_KEY": ["send"]}


def test_the_time_between_attempts_is_told_but_not_that_before_a_retry_of_the_run(ork, opened):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: x}}\n")
    assert ork("deploy", "w.yaml").code == 0
    store = opened()
    deploy = store.ref("workflows/w")

    def failed(*starts):
        attempts = tuple(
            Attempt(
                number=number,
                state="failed",
                error="no file",
                started=NOON + timedelta(seconds=start),
                duration=5000,
            )
            for number, start in enumerate(starts, start=1)
        )
        task = store.snapshot(store.get(Deploy, deploy).snapshot).tasks["a"]
        return {"a": TaskRun(task=task, state="failed", reason="no file", attempts=attempts)}

    write_run(store, deploy, failed(-20, 0), "failed")
    assert "  FAILED   a      5ms of 20.0s  attempt 2  no file\n" in ork("show", "w#1").out
    assert "took     5ms of 20.0s, in 2 attempts\n" in ork("show", "w#1:a").out
    write_retry(store, "w", 1, failed(-20, 0, 3600, 3603), "failed")
    assert "  FAILED   a      5ms of 23.0s  attempt 4  no file\n" in ork("show", "w#1").out
    write_run(store, deploy, failed(-0.5, 0), "failed")
    assert "  FAILED   a      5ms  attempt 2  no file\n" in ork("show", "w#2").out


def test_tasks_are_counted_once_for_each_word(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {full: {type: bool, default: false}}
        tasks:
          a: {executor: process, command: exit 3}
          b: {executor: process, command: exit 3, when: {ref: params.full}}
          c: {executor: process, command: exit 3, depends_on: [a]}
        """,
    )
    told = ork("run", "w.yaml")
    assert ": 1 failed, 2 skipped\n" in told.out
    assert "tasks    1 failed, 2 skipped\n" in ork("show", "w#1").out
    assert ork("report", "w#1", "-o", "w.html").code == 0
    page = (ork.folder / "w.html").read_text()
    assert "2 skipped" in page and "1 skipped" not in page


def test_a_task_that_waits_for_its_next_attempt_is_told_however_many_wait_for_it(ork):
    tasks = "".join(
        f"  t{n}: {{executor: process, command: x, depends_on: [a]}}\n" for n in range(30)
    )
    a = "  a: {executor: process, command: exit 3, retries: 1, retry_delay: 1h"
    ork.write("w.yaml", f"name: w\ntasks:\n{a}}}\n{tasks}")
    owner = Started(
        "run", "w.yaml", env=ork.environ, cwd=ork.folder, text=True, stderr=subprocess.PIPE
    )
    try:
        assert any("  retry " in line for line in iter(owner.stderr.readline, ""))
        shown = ork("show", "w#1").out
    finally:
        owner.terminate()
        owner.communicate()
    assert "tasks    31 pending\n" in shown
    line = r"\n  pending  a +\d+ms  attempt 1, again in \w+  exited with code 3\n$"
    assert re.search(line, shown)


def test_a_task_is_not_tried_again_whose_ork_was_killed(ork):
    ork.write(
        "w.yaml",
        "name: w\ntasks: {a: {executor: process, command: exit 3, retries: 5, retry_delay: 1h}}\n",
    )
    owner = Started(
        "run", "w.yaml", env=ork.environ, cwd=ork.folder, text=True, stderr=subprocess.PIPE
    )
    assert any("  retry " in line for line in iter(owner.stderr.readline, ""))
    owner.kill()
    owner.communicate()
    result = ork("show", "w#1")
    shown = result.out
    assert "state    interrupted - ork was killed\n" in shown
    assert result.err.endswith("next: `ork retry w#1`\n")
    told = (
        r"\n  pending  a +\d+ms  attempt 1, not tried again: ork was killed  exited with code 3\n"
    )
    assert re.search(told, shown) and "again soon" not in shown
    seen = ork("watch", "w#1")
    assert "interrupted" in seen.out and "1 pending" in seen.out
    with open_store(ork.folder) as project:
        events = list(project.watch("w#1"))
    assert [type(event).__name__ for event in events] == [
        "RunStarted",
        "TaskStarted",
        "RunFinished",
    ]


def test_what_a_retry_is_yet_to_try_waits_for_no_next_attempt():
    attempt = Attempt(number=1, state="failed", started=NOON, duration=5000)
    waits = TaskRun(task="0" * 64, state="pending", attempts=(attempt,))
    assert waits_for_next(waits, [])
    assert not waits_for_next(waits, [NOON + timedelta(seconds=1)])
    assert waits_for_next(waits, [NOON - timedelta(seconds=1)])
    assert not waits_for_next(replace(waits, attempts=()), [])
    assert not waits_for_next(replace(waits, state="failed"), [])


def test_tasks_are_counted_in_one_order_whatever_became_of_them(ork):
    ork.write(
        "s.yaml",
        "name: s\nparams: {full: {type: bool, default: false}}\ntasks:\n"
        "  a: {executor: process, command: exit 1}\n"
        "  b: {executor: process, command: 'true', depends_on: [a]}\n"
        "  c: {executor: process, command: 'true'}\n"
        "  d: {executor: process, command: 'true', when: {ref: params.full}}\n",
    )
    assert "1 succeeded, 1 failed, 2 skipped" in ork("run", "s.yaml").out
    assert "tasks    1 failed, 1 succeeded, 2 skipped\n" in ork("show", "s#1").out
    ork("run", "s.yaml", "--only", "d")
    assert "tasks    1 skipped, 3 left out\n" in ork("show", "s#2").out
    ork("run", "s.yaml", "--except", "a", "--except", "b")
    assert "tasks    1 succeeded, 1 skipped, 2 left out\n" in ork("show", "s#3").out
    words = {human.STATE_WORDS.get(state, state) for state in TASK_STATES}
    assert words - {*human.OUTCOMES} == {human.STATE_WORDS["skipped"]}  # which has three words


def test_a_failed_attempt_comes_before_long_values_of_which_the_beginning_is_shown(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          give: {executor: python, file: w.py, function: give}
          take: {executor: python, file: w.py, function: take, depends_on: [give],
                 inputs: {text: {ref: tasks.give.output}}}
        """,
    )
    ork.write("w.py", "def give(): return 'x' * 5000\ndef take(text): raise ValueError('no')\n")
    assert ork("run", "w.yaml").code == 1
    shown = ork("show", "w#1:take").out
    assert "xxx...  `ork show w#1:take --json` prints all of it\n" in shown
    assert shown.index("ValueError: no") < shown.index("inputs ")
    assert "xxx...  `ork outputs w#1:give` prints all of it\n" in ork("show", "w#1:give").out
    assert max(map(len, shown.splitlines())) < 1100


def test_a_pattern_shows_several_tasks_of_a_run(ran):
    lines = ran("show", "etl#1").out.split("\n\n")[1].splitlines()
    assert ran("show", "etl#1:*").out.splitlines() == lines
    one = [line.split() for line in lines if " load " in line]
    assert [line.split() for line in ran("show", "etl#1:lo*").out.splitlines()] == one
    whole = json.loads(ran("show", "etl#1", "--json").out)["data"]
    some = json.loads(ran("show", "etl#1:[l]*", "--json").out)["data"]
    load = whole["tasks"]["load"]
    of_run = {"kind": "tasks", "oid": whole["oid"], "name": "etl#1"}
    assert some == {**of_run, "tasks": {"load": load}}
    assert "has no task or code file 'x*'" in ran("show", "etl#1:x*").err


def test_a_pattern_shows_several_tasks_of_a_definition(ran):
    lines = ran("show", "etl").out.partition(" tasks\n")[2].splitlines()[:2]
    (load,) = (line for line in lines if line.startswith("  load "))
    oid = ran("rev-parse", "etl^{snapshot}").out.strip()
    for definition in ("etl", "@", "file:etl.yaml", oid):
        assert ran("show", f"{definition}:*").out.splitlines() == lines
        assert ran("show", f"{definition}:lo*").out.split() == load.split()
        assert "has no task or code file 'x*'" in ran("show", f"{definition}:x*").err
    whole = json.loads(ran("show", "etl", "--json").out)["data"]
    some = json.loads(ran("show", "etl:[l]*", "--json").out)["data"]
    tasks = {"load": whole["definition"]["tasks"]["load"]}
    assert some == {"kind": "tasks", "oid": whole["oid"], "name": "etl", "tasks": tasks}
    blob = ran("rev-parse", "etl:").out.strip()
    assert "a workflow, deploy or run is wanted here" in ran("show", f"{blob}:x*").err


def test_no_pattern_means_one_task(ran):
    for words, hint in {
        "etl#1:lo*": "`ork show 'etl#1:lo*'` lists them as they were in this run",
        "etl~1:lo*": "`ork runs --tasks etl` has a line for each",
        "etl:lo*": "`ork runs --tasks etl` has a line for each",
        "@~1:lo*": "`ork runs --tasks @` has a line for each",
    }.items():
        told = f"error: {words} means several tasks; one is wanted here\nhint: {hint}\n"
        assert ran("runs", words).err == told
