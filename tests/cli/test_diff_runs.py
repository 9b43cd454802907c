"""ork diff of two runs, ork diff --last, and what the summary of a failed run says"""

import json
import re

import pytest

from ork.cli.diff import runs as runs_view
from ork.cli.screen.line import plain
from ork.history.compare_runs import diff_runs
from ork.objects.kinds import Run
from ork.objects.value import replace
from ork.runner.start import Caller, start
from ork.store.resolve import resolve
from tests.cli.screen import TERMINAL, on_terminal
from tests.conftest import START

PARAMS = "name: etl\nparams: {day: {type: str, default: monday}}\n"


pytestmark = pytest.mark.usefixtures("steady")


@pytest.fixture
def explained(ran, edit):
    """The world of `ran` with a third run: mended code of load, other rows, and a parameter."""
    edit("load.sh", "exit 7 #", "echo 'ORK_OUTPUT")
    edit("tasks/etl.py", "4", "5")
    edit("etl.yaml", "name: etl\n", PARAMS)
    assert ran("run", "etl.yaml").code == 0
    return ran


def test_a_run_that_failed_against_a_good_one(ran, golden, masked):
    result = ran("diff", "etl#1", "etl#2")
    assert (result.code, result.err) == (0, "")
    golden("diff-runs/failed.txt", result.out)
    assert ran("diff", "etl#1..etl#2").out == result.out
    assert ran("diff", "--last", "etl").out == ran("diff", "--last").out == result.out
    golden("diff-runs/failed.json", masked(ran("diff", "--last", "--json").out))
    assert ran("diff", "--last", "--exit-code").code == 1


def test_a_run_that_works_again(explained, golden):
    golden("diff-runs/mended.txt", explained("diff", "etl#2", "etl#3").out)


def test_equal_runs(ran, golden):
    ran("run", "etl#1")
    result = ran("diff", "etl#1", "etl#3", "--exit-code")
    assert result.code == 0
    golden("diff-runs/equal.txt", result.out)


def test_other_parameters(explained, golden):
    explained("run", "etl", "-i", "day=sunday")
    golden("diff-runs/params.txt", explained("diff", "etl#3", "etl#4").out)


@pytest.mark.slow
def test_of_what_a_task_may_use_it_is_not_said_that_its_code_changed(ork):
    ork.write(
        "w.yaml",
        """
        name: w
        include: [sql/*.sql]
        tasks:
          open: {executor: process, command: sh open.sh}
          a: {executor: process, command: sh a.sh, depends_on: [open]}
        """,
    )
    ork.write("open.sh", '. "./${FILE:-empty}"\n')
    for path in ("empty", "a.sh", "sql/z.sql"):
        ork.write(path, "")
    assert ork("run", "w.yaml").code == 0
    ork.write("a.sh", "exit 3\n")
    assert ork("run", "w.yaml").code == 1
    ork.write("sql/z.sql", "select 1\n")
    assert ork("run", "w.yaml").code == 1

    first, *_ = ork("diff", "w#1", "w#2").out.splitlines()
    assert first == "first difference: a - its code changed: a.sh; it failed: exited with code 3"
    first, *_ = ork("diff", "w#2", "w#3").out.splitlines()
    assert first == "first difference: open - it may use what changed: sql/z.sql"
    found = json.loads(ork("diff", "w#1", "w#3", "--json").out)["data"]
    told = {task["name"]: (task["code"], task["maybe"], task["kinds"]) for task in found["tasks"]}
    assert told == {
        "open": ([], ["a.sh", "sql/z.sql"], ["maybe"]),
        "a": (["a.sh"], [], ["code", "state"]),
    }
    for name, told in (("open", ["sql/z.sql", "a.sh"]), ("a", ["sql/z.sql", None])):
        new, old, _ = (
            line.partition("ms  ")[2] for line in ork("runs", f"w:{name}").out.splitlines()
        )
        assert new.startswith(f"may use {told[0]}  ")
        assert old.startswith(f"may use {told[1]}  " if told[1] else "new code  ")
        rows = json.loads(ork("runs", f"w:{name}", "--json").out)["data"]["runs"]
        assert [row["maybe"] for row in rows] == [[one] if one else [] for one in (*told, None)]
    assert "* open  affected  may use a.sh\n" in ork("graph", "w~2..w~1").out
    part = ork("run", "w", "--only", "a", "--base", "w#1")
    assert "open ran again in w#3 since, and may use a.sh, sql/z.sql: files that it" in part.err


def test_how_much_of_the_definitions_of_two_runs_differs(ran):
    for option in ("--stat", "--name-status"):
        said = ran("diff", "--last", option)
        snapshots = ran("diff", "etl#1^{snapshot}", "etl#2^{snapshot}", option)
        assert (said.code, said.out, "load.sh" in said.out) == (0, snapshots.out, True)
    assert ran("diff", "etl#1", "etl#2", "--stat", "--exit-code").code == 1
    ran("run", "etl#1")
    same = ran("diff", "etl#1", "etl#3", "--stat", "--exit-code")
    told = "no difference between etl#1^{snapshot} and etl#3^{snapshot}\n"
    assert (same.code, same.out, same.err) == (0, "", told)


def test_markdown_has_the_same_lines_in_a_block(ran):
    told = ran("diff", "--last", "--format", "markdown", "--exit-code")
    lines = told.out.splitlines()
    assert (told.code, lines[:3]) == (1, ["### `etl#1` → `etl#2`", "", "```text"])
    assert lines[3:-1] == ran("diff", "--last").out.splitlines()
    assert lines[-1] == "```"
    page = ran("diff", "--last", "--format", "html")
    assert (page.code, page.err.split(",")[0]) == (2, "error: etl#1 and etl#2 are runs")


def test_markdown_is_fitted_to_no_terminal(explained):
    words = "diff", "etl#2", "etl#3", "--format", "markdown"
    piped = explained(*words).out
    explained.environ |= TERMINAL
    shown = on_terminal(explained, 40, *words).text
    assert "".join(shown.split()) == "".join(piped.split())


def test_a_part_of_a_workflow(ran, golden):
    ran("run", "etl#1", "--only", "load", "--base", "etl#1")
    golden("diff-runs/part.txt", ran("diff", "etl#1", "etl#3").out)


def test_of_one_task_it_is_not_told_how_the_others_ended(ran):
    shown = ran("diff", "etl#1:extract", "etl#2:extract").out
    assert "\noutcome      the same\ntiming " in shown
    shown = ran("diff", "etl#1:load", "etl#2:load").out
    assert "\noutcome      of 1 task\n  load  success -> failed\n" in shown


def test_a_retry_and_an_unattached_run_say_so(ran, edit):
    edit("load.sh", "exit 7", "exit 8")
    assert ran("run", "etl.yaml", "--no-deploy").code == 1
    assert ran("retry", "etl#2").code == 1
    out = ran("diff", "etl#2", "etl#3").out
    assert "etl#2  failed  2026-11-01 12:00:12 +0000  attempt 2\n" in out
    assert out.count("unattached") == 1
    failed = 'failed (exited with code {}: loading {{"rows": 4}})'.format
    assert f"load  {failed(7)} -> {failed(8)}  2 -> 1 atte" in out


FAN = """\
name: fan
params: {day: date}
tasks:
  list:
    executor: python
    file: list.py
    inputs: {day: {ref: params.day}}
"""
PART = """\
  part_%02d:
    executor: python
    file: part.py
    depends_on: [list]
    inputs: {files: {ref: tasks.list.output.files}, weight: {const: %d}}
"""
LIST = """\
def main(day):
    return {"files": [f"{day}-{n}.csv" for n in range(12)], "late": [f"{day}.late"]}
"""


@pytest.mark.slow
def test_an_output_is_told_once_and_not_of_all_who_received_it(ork, golden):
    ork.write("list.py", LIST)
    ork.write("part.py", "def main(files, weight):\n    return {'first': files[0]}\n")
    ork.write("fan.yaml", FAN + "".join(PART % (n, 1) for n in range(1, 13)))
    assert ork("run", "fan.yaml", "-i", "day=2026-11-01").code == 0
    # Two of them are changed themselves, too: one gets another weight, one another list.
    parts = [PART % (n, 1 + (n == 7)) for n in range(1, 13)]
    parts[7] = parts[7].replace("output.files", "output.late")
    ork.write("fan.yaml", FAN + "".join(parts))
    assert ork("run", "fan.yaml", "-i", "day=2026-11-02").code == 0
    golden("diff-runs/fan.txt", ork("diff", "fan#1", "fan#2").out)
    data = json.loads(ork("diff", "fan#1", "fan#2", "--json").out)["data"]
    passed_on = {task["name"]: task["passed_on"] for task in data["tasks"]}
    assert passed_on["list"] == {"day": "params.day"}
    assert passed_on["part_07"] == passed_on["part_01"] == {"files": "list.files"}
    assert passed_on["part_08"] == {}
    assert all(len(task["inputs"]) >= 12 for task in data["tasks"] if task["name"] != "list")


@pytest.mark.slow
def test_an_input_that_its_origin_explains_no_more_is_told(ork):
    """The task that gave it was run again since, and gave something else."""
    ork.write("list.py", "def main(day):\n    return {'files': [open('data').read()]}\n")
    ork.write("part.py", "def main(files, weight):\n    assert weight == 1 or files == ['a']\n")
    ork.write("fan.yaml", FAN + PART % (1, 1) + PART % (2, 2))
    for text in ("a", "b"):
        ork.write("data", text)
        ork("run", "fan.yaml", "-i", "day=2026-11-01")
    for text in ("a", "c", "b"):
        ork.write("data", text)
        ork("retry", "fan#2", "--only", "list")
        data = json.loads(ork("diff", "fan#1", "fan#2", "--json").out)["data"]
        (part,) = (task for task in data["tasks"] if task["name"] == "part_01")
        explained = {"files": "list.files"} if text == "b" else {}
        assert (part["inputs"][0]["new"], part["passed_on"]) == ("b", explained)


@pytest.mark.slow
def test_tasks_that_failed_alike_are_one_line(ork):
    ork.write("list.py", LIST)
    ork.write("fan.yaml", FAN + "".join(PART % (n, 1) for n in range(1, 13)))
    for text in ("return 1", "raise ValueError(f'no {files[0]}')"):
        ork.write("part.py", f"def main(files, weight):\n    {text}\n")
        ork("run", "fan.yaml", "-i", "day=2026-11-01")
    out = ork("diff", "--last", "fan").out
    assert "\n  part_* (12)  success -> failed\n" in out
    assert out.count("no 2026-11-01-0.csv") == 2


def test_long_values_are_shortened_and_many_are_counted(ork):
    ork.write("etl.yaml", "name: etl\ntasks: {a: {executor: python, file: a.py}}\n")
    ork.write(
        "a.py",
        """\
        def main():
            return {f"k{n}": "x" * 500 + open("v").read() for n in range(99)}
    """,
    )
    for value in ("1", "2"):
        ork.write("v", value)
        assert ork("run", "etl.yaml").code == 0
    out = ork("diff", "etl#1", "etl#2").out
    assert max(map(len, out.splitlines())) < 300
    assert "and 89 more (--json has all)" in out
    data = json.loads(ork("diff", "etl#1", "etl#2", "--json").out)["data"]
    assert len(data["tasks"][0]["output"]) == 99


def test_long_texts_that_begin_and_end_alike_are_shown_where_they_part(ork):
    ork.write(
        "w.yaml",
        """
        name: w
        params: {x: str}
        tasks:
          t:
            executor: python
            file: t.py
            inputs: {x: {ref: params.x}}
        """,
    )
    ork.write(
        "t.py",
        """
        def main(x):
            line = "z" * 300
            return {"lines": "a\\n" * 60 + x + "\\na" * 60, "one": f"{line}{x}{line}", "Köln": x}
        """,
    )
    for x in ("first", "second"):
        assert ork("run", "w.yaml", "-i", f"x={x}").code == 0
    shown = ork("diff", "w#1", "w#2").out
    assert '      Köln  "first" -> "second"\n' in shown
    hunk = [
        "lines  +1 -1",
        "    @@ -60,3 +60,3 @@",
        "     a",
        "    -first",
        "    +second",
        "     a",
    ]
    assert "".join(f"      {line}\n" for line in hunk) in shown
    assert 'lines line 61 "first" -> "second"' in shown.split("\n")[0]
    assert re.search(r'one  line 1  "\.\.\.z{20}first.* -> "\.\.\.z{20}second', shown)


MANY = """\
def main(x):
    many = "".join(f"{x} {n}\\n" for n in range(40))
    return {"many": many, "list": [x] * 8, "x": "x" * 300 + x, "y": x}

def after(many):
    return len(many)
"""


@pytest.fixture
def many(ork):
    """The world with two runs whose outputs differ in many lines."""
    ork.write(
        "w.yaml",
        """
        name: w
        params: {x: str}
        tasks:
          t: {executor: python, file: t.py, inputs: {x: {ref: params.x}}}
          after:
            executor: python
            file: t.py
            function: after
            depends_on: [t]
            inputs: {many: {ref: tasks.t.output.many}}
          other: {executor: process, command: echo}
        """,
    )
    ork.write("t.py", MANY)
    for x in ("first", "second"):
        assert ork("run", "w.yaml", "-i", f"x={x}").code == 0
    return ork


def test_of_long_texts_the_lines_that_differ_are_shown(many):
    shown = many("diff", "w#1", "w#2").out
    assert "      many  +40 -40\n          @@ -1,40 +1,40 @@\n          -first 0\n" in shown
    assert (
        "          -first 22\n          and 57 lines more: `ork diff w#1:t w#2:t` has all\n"
        in shown
    )
    assert "+second" not in shown
    assert "      and 1 more (--json has all)\n" in shown


@pytest.mark.slow
def test_one_task_of_two_runs_is_shown_whole(many):
    shown = many("diff", "w#1:t", "w#2:t").out
    assert shown.startswith("first difference: t - the parameter x changed; it gave another")
    assert '\nparameters   x  "first" -> "second"\n' in shown
    assert "          -first 39\n          +second 0\n" in shown and "+second 39\n" in shown
    assert 'y  "first" -> "second"\n' in shown and " more" not in shown.partition("\n")[2]
    assert "\n  after" not in shown

    below = many("diff", "w#1..w#2:after").out
    assert below.startswith("first difference: after - it got other inputs: many ")
    assert "\nparameters   the same\n" in below
    assert "\n  after  from t.many\n      many  +40 -40\n" in below and "+second 39\n" in below
    assert below == many("diff", "w#1", "w#2", "--", "after").out
    data = json.loads(many("diff", "w#1:after", "w#2:after", "--json").out)["data"]
    assert [task["name"] for task in data["tasks"]] == data["names"] == ["after"]


def test_a_task_that_is_alike_in_two_runs_that_differ(many):
    same = many("diff", "w#1:other", "w#2:other", "--exit-code")
    assert (same.code, same.err) == (0, "")
    assert same.out.startswith("no difference between w#1 and w#2 in other\n")
    assert many("diff", "w#1:t", "w#2:t", "--exit-code").code == 1
    assert many("diff", "w#1", "w#2", "--exit-code").code == 1
    missing = many("diff", "w#1:nope", "w#2:nope")
    assert missing.code == 3 and "neither side has a task or code file named 'nope'" in missing.err
    code = many("diff", "w#1:t.py", "w#2:t.py", "--exit-code")
    assert code.code == 0 and "\ncode         the same\n" in code.out


def test_a_task_is_alike_although_one_of_the_runs_failed(ran):
    assert ran("diff", "etl#1:extract", "etl#2:extract", "--exit-code").code == 0
    assert ran("diff", "etl#1:load", "etl#2:load", "--exit-code").code == 1


def test_naughty_names_and_values_cannot_paint(ork):
    ork.write("etl.yaml", "name: etl\ntasks: {a: {executor: process, command: ./a.sh}}\n")
    for value in ("\x1b[31m", "\u202e"):
        ork.write("a.sh", f"#!/bin/sh\necho 'ORK_OUTPUT:{json.dumps(value)}'\n", executable=True)
        assert ork("run", "etl.yaml").code == 0
    out = ork("diff", "etl#1", "etl#2").out
    assert "<U+202E>" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_of_many_tasks_that_took_longer_those_are_told_that_differ_most(ran, opened):
    store = opened()
    ends = (resolve(store, f"etl#{number}", now=START) for number in (1, 2))
    diff = diff_runs(store, *ends)
    tasks = (replace(diff.tasks[0], name=f"t{n}", seconds=(20.0, 20.0 - n)) for n in range(1, 13))
    lines = [plain(line) for line in runs_view._timing(replace(diff, tasks=tuple(tasks)))]
    assert lines[1:3] == ["  t12  20.0s -> 8.0s", "  t11  20.0s -> 9.0s"]
    assert lines[10:] == [
        "  t3   20.0s -> 17.0s",
        "  and 2 more, that differ by less (--json has all)",
    ]


def test_colours_are_on_a_terminal_only(ran, terminal):
    assert "\x1b[" not in ran("diff", "--last").out
    shown = terminal("diff", "--last")
    assert "\x1b[1mfirst difference: \x1b[0m" in shown
    assert "\x1b[" not in terminal("diff", "--last", NO_COLOR="1")


# -- the answer


DAILY = """\
name: daily
params: {day: date}
tasks:
  fetch: {executor: process, command: "echo ORK_OUTPUT:1", inputs: {day: {ref: params.day}}}
  load: {executor: process, command: ./load.sh, depends_on: [fetch]}
"""


def test_what_was_edited_leads_where_each_run_has_other_parameters(ork):
    ork.write("daily.yaml", DAILY)
    ork.write("load.sh", "#!/bin/sh\n", executable=True)
    assert ork("run", "-i", "day=2026-11-01").code == 0
    ork.write("load.sh", "#!/bin/sh\nexit 7\n", executable=True)
    assert ork("run", "-i", "day=2026-11-02").code == 1
    first, second, _ = ork("diff", "--last").out.split("\n", 2)
    assert (
        first
        == "first other outcome: load - its code changed: load.sh; it failed: exited with code 7"
    )
    assert second == "first difference: fetch - the parameter day changed"


def test_files_that_are_named_after_their_run_are_no_difference(ork):
    ork.write(
        "train.yaml",
        """\
        name: train
        params: {rate: {type: float, default: 0.1}}
        tasks:
          features:
            executor: process
            command: 'echo "ORK_OUTPUT:{\\"files\\": [\\"data/$ORK_RUN_ID.csv\\"], \\"rows\\": 3}"'
          fit:
            executor: process
            command: 'echo "ORK_OUTPUT:{\\"model\\": \\"$ORK_RUN_ID-$ORK_IN_rate.pkl\\"}"'
            depends_on: [features]
            inputs: {files: {ref: tasks.features.output.files}, rate: {ref: params.rate}}
        """,
    )
    for rate in ("0.1", "0.1", "0.5"):
        assert ork("run", "-i", f"rate={rate}").code == 0
    assert ork("diff", "train#1", "train#2", "--exit-code").code == 0
    for task, new in {"features": [[], [], []], "fit": [["inputs", "output"], [], []]}.items():
        rows = json.loads(ork("runs", f"train:{task}", "--json").out)["data"]["runs"]
        assert [row["changed"] for row in rows] == new
    told = ork("diff", "train#1", "train#3").out
    assert told.startswith("first difference: fit - the parameter rate changed; it gave another")
    assert "features" not in told
    for base in ("train#1", "train#2"):  # what is kept has the ids of these
        assert ork("run", "--from", "fit", "--base", base, "-i", "rate=0.1").code == 0
    assert ork("diff", "train#4", "train#5", "--exit-code").code == 0
    for task, new in {"features": [[], []], "fit": [[], ["inputs", "output"]]}.items():
        rows = json.loads(ork("runs", f"train:{task}", "-n", "2", "--json").out)["data"]["runs"]
        assert [row["changed"] for row in rows] == new


@pytest.mark.slow
def test_of_many_tasks_that_got_what_others_gave_the_first_are_told(ork):
    def part(number):
        binding = "{files: {ref: tasks.list.output.%s}, weight: {const: 1}}"
        given = binding % ("files" if number % 2 else "late")
        head = f"{chr(96 + number)}: {{executor: python, file: part.py, depends_on: [list]"
        return f"  {head}, inputs: {given}}}\n"

    ork.write("list.py", LIST)
    ork.write("part.py", "def main(files, weight):\n    return {'first': files[0]}\n")
    ork.write("fan.yaml", FAN + "".join(map(part, range(1, 15))))
    for day in ("2026-11-01", "2026-11-02"):
        assert ork("run", "-i", f"day={day}").code == 0
    shown = ork("diff", "fan#1", "fan#2").out
    assert "inputs       of 15 tasks\n  list  from params.day\n" in shown
    assert "\n  i     from list.files\n  and 5 tasks more, with values from" in shown
    assert "\n  n  from list.late\n" in ork("diff", "fan#1:n", "fan#2:n").out


def test_the_slots_of_scheduled_runs_are_told(ork, opened):
    ork.write("etl.yaml", "name: etl\ntasks: {t: {executor: process, command: 'true'}}\n")
    assert ork("init").code == 0
    for day in (1, 2):
        caller = Caller(scheduled=START.replace(day=day), now=START)
        list(start(opened(), str(ork.folder / "etl.yaml"), caller=caller).events)
    shown = ork("diff", "etl#1", "etl#2").out
    assert "\nslot         2026-11-01 12:00 -> 2026-11-02 12:00\nparameters   the same\n" in shown
    page = ork("report", "etl#1..etl#2", "-o", "-").out
    assert "<dt>slot</dt><dd>2026-11-01 12:00 → 2026-11-02 12:00</dd>" in page
    page = ork("report", "etl#2", "-o", "-").out
    assert "<dt>slot</dt><dd>2026-11-02 12:00:00 +0000</dd>" in page


# -- the last failure


def test_a_workflow_that_is_good_again_says_since_when(explained):
    assert "\ngood again since etl#3\n" in explained("diff", "--last").out
    explained("run", "etl")
    document = json.loads(explained("diff", "--last", "--json").out)
    assert document["data"]["good_again"] == "etl#3"
    assert "good again" not in explained("diff", "etl#1", "etl#2").out


def test_the_summary_of_a_part_that_failed_names_both_runs(ran):
    assert "`ork diff etl#1 etl#3`" in ran("run", "etl").err  # etl#2 began to fail
    assert "`ork diff etl#1 etl#4`" in ran("run", "etl", "--only", "load", "--base", "etl#1").err


def test_nothing_failed_or_nothing_was_good_before(etl, edit):
    etl("deploy", "etl.yaml")
    result = etl("diff", "--last")
    assert (result.code, result.out) == (3, "")
    assert "etl has not run yet" in result.err
    assert "`ork run etl` runs it" in result.err
    edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
    etl("run", "etl.yaml")
    assert "no good run of etl before etl#1" in etl("diff", "--last", "etl").err


def test_the_summary_of_a_failure_tells_what_changed(history, edit, golden):
    history("run", "etl")
    edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
    edit("etl.yaml", "timeout: 600", "timeout: 700")
    result = history("run", "etl.yaml")
    assert result.code == 1
    golden("diff-runs/summary.err", result.err.partition("---\n")[2])


def test_the_summary_of_a_failure_tells_settings_after_all_code(ork, edit):
    ork.write(
        "w.yaml",
        """\
        name: w
        schedule: "@daily"
        python: python3
        tasks:
          extract: {executor: process, command: ./extract_all_of_it.sh}
          load: {executor: process, command: ./load.sh}
        """,
    )
    for name in ("extract_all_of_it.sh", "load.sh"):
        ork.write(name, "#!/bin/sh\nexit 0\n", executable=True)
    assert ork("run", "w.yaml").code == 0
    edit("w.yaml", "@daily", "@hourly")
    edit("w.yaml", "python3", "python")
    edit("extract_all_of_it.sh", "0", "00")
    edit("load.sh", "0", "7")
    said = 'edit load.sh; change python "python3" -> "python" and 2 more'
    assert f"since w#1 (good): {said} - `ork" in ork("run", "w.yaml").err
    edit("w.yaml", "python: python\n", "python: python3\n")
    said = "edit load.sh, extract_all_of_it.sh and 1 more"
    assert f"since w#1 (good): {said} - `ork" in ork("run", "w.yaml").err


def test_a_change_that_succeeded_since_is_not_the_first_to_blame(ork, edit):
    command = "{executor: process, command: sh"
    tasks = f"tasks:\n  a: {command} a.sh}}\n  b: {command} b.sh, depends_on: [a]}}\n"
    ork.write("w.yaml", f"name: w\nparams: {{day: str}}\n{tasks}")
    ork.write("a.sh", "true\n")
    ork.write("b.sh", "test ! -e bad\n")
    ork("run", "w.yaml", "-i", "day=monday")
    edit("a.sh", "true", "true # so")
    ork("run", "w.yaml", "-i", "day=sunday")
    ork.write("bad", "")
    proved = 'the same version succeeded since, in w#2 with day="sunday"'
    said = ork("run", "w.yaml", "-i", "day=monday").err
    assert f"since w#1 (good): edit a.sh; {proved} - `ork diff --last w`" in said
    assert ork("run", "w.yaml", "-i", "day=friday").code == 1
    result = ork("diff", "--last")
    first, second, *_ = result.out.splitlines()
    assert first.startswith("first other outcome: b - same definition, code and inputs; it failed")
    assert second == f"first difference: a - its code changed: a.sh; {proved}"
    assert "parameters   the same\n" in result.out and not result.err
    data = json.loads(ork("diff", "--last", "--json").out)["data"]
    assert data["good_since"] == {"name": "w#2", "params": {"day": "sunday"}}


def test_settings_alone_leave_the_definition_the_same(ork, edit):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: echo hi}}\n")
    assert ork("run", "w.yaml").code == 0
    edit("w.yaml", "name: w\n", "name: w\ndescription: x\n")
    assert ork("run", "w.yaml").code == 0
    said = ork("diff", "w#1", "w#2").out
    assert "definition   the same (5be403e6)\nsettings     1 change\n" in said
    assert '    description  + "x"\ncode         the same\n' in said


def test_the_summary_of_a_failure_that_nothing_explains(etl):
    etl.write(
        "load.sh",
        "#!/bin/sh\ntest -e fixed && echo 'ORK_OUTPUT:{\"loaded\": 3}'\n",
        executable=True,
    )
    etl.write("fixed", "")
    etl("run", "etl.yaml")
    (etl.folder / "fixed").unlink()
    said = etl("run", "etl.yaml").err
    nothing = "nothing in the definition, parameters or environment changed"
    assert f"since etl#1 (good): {nothing} - `ork diff --last etl`" in said
    etl("run", "etl.yaml")
    assert "since etl#1 (good)" in etl("run", "etl.yaml").err


def test_the_summary_names_both_runs_where_the_failed_one_is_not_the_newest(ran):
    ran("run", "etl#1")
    said = ran("retry", "etl#2").err
    assert "since etl#1 (good): edit load.sh - `ork diff etl#1 etl#2`" in said


def test_the_summary_names_both_runs_where_the_failed_one_is_of_a_part(ork):
    tasks = "tasks:\n  a: {executor: process, command: test ! -e bad}\n"
    ork.write("w.yaml", f"name: w\n{tasks}  b: {{executor: process, command: ls}}\n")
    ork("run", "w.yaml")
    ork.write("bad", "")
    assert " - `ork diff w#1 w#2`" in ork("run", "w", "--only", "a").err
    assert " - `ork diff --last w`" in ork("run", "w").err


def test_a_summary_does_without_what_is_damaged(ran, opened, damage):
    store = opened()
    good = next(iter(store.refs("runs/etl/")))[1]
    tasks = store.get(Run, good).tasks
    store.close()
    damage(tasks)
    result = ran("run", "etl")
    assert result.code == 1
    assert "since" not in result.err
    assert "next: `ork logs etl#3:load`" in result.err


def test_it_is_said_where_no_good_run_had_the_same_parameters(ork):
    ork.write(
        "w.yaml",
        "name: w\nparams: {day: str}\ntasks: {a: {executor: process, command: test ! -e bad}}\n",
    )
    assert ork("run", "w.yaml", "-i", "day=monday").code == 0
    ork.write("bad", "")
    for day, which, told in (("friday", "good, other parameters", 1), ("monday", "good", 0)):
        failed = ork("run", "w", "-i", f"day={day}")
        assert f"since w#1 ({which}): nothing in the definition" in failed.err + failed.out
        said = ork("diff", "--last").err
        assert said.count("note: the parameters differ: no good run shortly before had") == told
        sent = ork("diff", "--last", "--format", "markdown")
        assert (sent.out.count("\n\nNote: the parameters differ: no "), sent.err) == (told, "")
