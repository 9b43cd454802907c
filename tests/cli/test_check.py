"""ork check"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest

import ork as api
from ork.cli.heads import cores
from ork.errors import Kind
from ork.heads import check
from ork.worktree.load import MORE
from tests.cli.screen import TERMINAL, on_terminal


def test_a_good_file_needs_no_store(etl):
    result = etl("check", "etl.yaml")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "etl  etl.yaml: good",
        "  schedule  every day at 02:00, UTC",
        "  next      2026-11-02 02:00, 2026-11-03 02:00, 2026-11-04 02:00 (UTC)",
    ]
    assert not (etl.folder / ".ork").exists()


def test_strict_is_a_check_that_warnings_fail(etl):
    assert etl("check", "etl.yaml", "--strict").code == 0
    etl.write("warned.yaml", "name: w\ntasks:\n  a: {executor: shell, command: ./gone.sh}\n")
    assert etl("check", "warned.yaml").code == 0
    strict = etl("check", "warned.yaml", "etl.yaml", "--strict")
    assert (strict.code, "w  warned.yaml: 1 warning\n" in strict.out) == (1, True)
    assert ("etl  etl.yaml: good\n" in strict.out, "no file gone.sh" in strict.err) == (True, True)
    told = {
        form: etl("check", "warned.yaml", "etl.yaml", "--strict", "--format", form).out
        for form in ("github", "gitlab", "junit", "sarif")
    }
    assert told["github"].startswith("::error file=warned.yaml,")
    assert json.loads(told["gitlab"])[0]["severity"] == "major"
    assert ElementTree.fromstring(told["junit"])[0].attrib["failures"] == "1"
    assert json.loads(told["sarif"])["runs"][0]["results"][0]["level"] == "error"


def test_what_is_called_otherwise_and_has_no_tasks_is_no_workflow_file(etl):
    result = etl("check", "tasks/etl.py", "load.sh")
    hint = "    hint: one ends in .yaml, .yml or .json, and has `tasks:`\n"
    told = "tasks/etl.py: tasks/etl.py is no workflow file\n" + hint
    assert (result.code, result.out) == (1, f"{told}load.sh: load.sh is no workflow file\n{hint}")
    assert "load.sh is no workflow file" in etl("deploy", "load.sh").err
    (etl.folder / "etl.yaml").rename(etl.folder / "etl.txt")
    assert etl("check", "etl.txt").code == 0


@pytest.mark.parametrize("there", ["one", "two"])
def test_what_is_deployed_is_no_less_a_workflow_file_when_its_tasks_are_misspelt(etl, there):
    """Else a run of the version before would say that all is well."""
    text = (etl.folder / "etl.yaml").read_text()
    assert etl("deploy", "etl.yaml").code == 0
    if there == "two":
        etl.write("flows/b.yaml", "name: b\ntasks: {b: {executor: process, command: 'true'}}\n")
    for wrong, told in (
        (text.replace("tasks:", "task:", 1), "did you mean `tasks`?"),
        (text.replace("\n", "\n "), "etl.yaml:2:"),
        ("", "there is no workflow in this file"),
    ):
        (etl.folder / "etl.yaml").write_text(wrong)
        for command in ("run", "deploy", "deploy ."):
            done = etl(*command.split())
            assert (done.code, told in done.err) == (3, True), command
        for command in ("check", "check ."):
            done = etl(*command.split())
            assert (done.code, told in done.out) == (1, True), command
        with api.open(etl.folder) as project:
            assert not next(one.ok for one in project.check(etl.folder) if "etl.yaml" in one.file)


def test_a_first_file_whose_tasks_are_misspelt_is_found(ork):
    ork.write("new.yaml", "name: new\ntask: {a: {executor: process, command: 'true'}}\n")
    assert "did you mean `tasks`?" in ork("run").err
    assert "did you mean `tasks`?" in ork("check").out
    ork.write("ci.yaml", "name: ci\njobs: {a: {executor: default}}\n")
    (ork.folder / "new.yaml").unlink()
    assert "this folder has no workflow file" in ork("run").err, "of another tool"


def test_a_name_that_another_deployed_file_has_is_a_complaint(etl):
    etl("deploy", "etl.yaml")
    etl.write("other.yaml", (etl.folder / "etl.yaml").read_text())
    refused = etl("check", "other.yaml")
    assert (refused.code, "the workflow etl is deployed from etl.yaml" in refused.out) == (1, True)
    assert etl("check", "etl.yaml").code == 0
    (etl.folder / "etl.yaml").unlink()  # it has moved
    assert etl("check", "other.yaml").code == 0


def test_good_and_bad_files(etl, broken, golden):
    result = etl("check", "etl.yaml", "broken.yaml")
    assert (result.code, result.err) == (1, "")
    golden("check/two.txt", result.out)
    golden("check/two.json", etl("check", "etl.yaml", "broken.yaml", "--json").out)


def test_code_that_is_missing_or_no_python(etl, edit, golden):
    edit("etl.yaml", "tasks/etl.py", "tasks/elt.py")
    golden("check/missing_code.txt", etl("check", "etl.yaml").out)
    etl.write("tasks/elt.py", "def extract(:\n    pass\n")
    result = etl("check", "etl.yaml")
    assert result.code == 1
    message, source, caret, more = result.out.splitlines()
    assert message.startswith("tasks/elt.py:1:13: not valid Python: ")  # and what Python says
    assert source == "    1 | def extract(:"
    assert caret.index("^") == source.index(":")
    assert more == MORE


def test_a_long_line_is_cut_around_its_mark_in_a_narrow_terminal(ork):
    task = 'a: {executor: process, command: "echo one two three four five six", timout: 5}'
    ork.write("long.yaml", f"name: long\ntasks:\n  {task}\n")
    ork.environ |= TERMINAL
    for wide in (40, 60, 80):
        window = on_terminal(ork, wide, "check", "long.yaml")
        source, mark = (line for line in window.text.splitlines() if "| " in line)
        assert max(len(source), len(mark)) <= wide
        assert source[mark.index("^") :].startswith("timout: 5}")
        assert ("..." in source) == (len(task) + 10 > wide)


@pytest.mark.parametrize("words", ["один two", "数据 two", "e\u0301 two"])
def test_a_line_is_as_long_as_a_terminal_is_wide_and_dots_say_where_it_is_cut(ork, words):
    task = f'a: {{executor: process, command: "echo {words * 12}", timout: 5, env: {{A: {words}}}}}'
    ork.write("long.yaml", f"name: long\ntasks:\n  {task}\n")
    ork.environ |= TERMINAL
    for wide in (30, 60, 100, 220):
        window = on_terminal(ork, wide, "check", "long.yaml")
        source, mark = (line for line in window.text.splitlines() if "| " in line)
        shown = source.partition("| ")[2]
        assert len(source) <= wide, "a wide letter is two"
        assert shown.startswith("...") == (wide < 220)
        assert source.index("timout") == mark.index("^")


def test_of_a_line_that_a_complaint_has_no_room_for_nothing_else_is_shown(ork):
    task = {"executor": "process", "command": "echo " + "x" * 600, "timout": 5}
    ork.write("one.json", json.dumps({"name": "a", "tasks": {"a": task}}))
    said = ork("check", "one.json")
    assert (said.code, "unknown key `timout`" in said.out, "| " in said.out) == (1, True, False)


ALL_AT_ONCE = """\
name: w
catchup: false
params: {day: {type: date}}
tasks:
  typo: {executor: python, file: never_looked_at.py, timout: 3}
  missing: {executor: python, file: nope.py}
  syntax: {executor: python, file: syntax.py, depends_on: [mising]}
  again: {executor: python, file: syntax.py}
  inputs: {executor: python, file: good.py, inputs: {dya: {ref: params.day}}}
  secret: {executor: process, command: ./load.sh}
"""


def test_what_is_wrong_at_one_stage_hides_nothing_of_the_next(ork, golden):
    ork.write("w.yaml", ALL_AT_ONCE)
    ork.write("syntax.py", "def main(:\n")
    ork.write("good.py", "def main(day):\n    pass\n")
    ork.write("load.sh", f"export DB_PASSWORD={'a1' * 6}\n")
    result = ork("check", "w.yaml")
    assert result.code == 1
    # Python says in words of its own what is wrong with its syntax.
    golden("check/at_once.txt", re.sub("(not valid Python): .*", r"\1", result.out))
    deployed = ork("deploy", "w.yaml")
    assert deployed.code == 3
    assert deployed.err.endswith("error: w.yaml: 7 problems\nhint: " + MORE + "\n")


def test_what_all_has_been_looked_at_for_hides_nothing(ork):
    ork.write("w.yaml", "name: w\ncatchup: 1\ntasks: {a: {executor: process, command: 'true'}}\n")
    result = ork("check", "w.yaml")
    assert (result.code, MORE in result.out) == (1, False)


WRONG_AND_WARNED = """\
name: w
params: {n: {type: int, default: x}}
tasks:
  t: {executor: process, command: ./gone.sh, env: {DAY: "$(date +%F)"}}
"""


def test_one_mistake_hides_no_warning(ork):
    ork.write("w.yaml", WRONG_AND_WARNED)
    warned = ["env: DAY is this text, in which nothing is replaced", "there is no file gone.sh"]
    result = ork("check", "w.yaml")
    assert (result.code, result.out.count("w.yaml:")) == (1, 1)
    assert sorted(re.findall("warning: (.*)", result.err)) == warned
    (found,) = json.loads(ork("check", "w.yaml", "--json").out)["data"]
    assert sorted(one["message"] for one in found["warnings"]) == warned
    ork.write("w.yaml", WRONG_AND_WARNED.replace("int", "str") + f"# ghp_{'a1' * 18}\n")
    result = ork("check", "w.yaml")
    assert (result.code, result.err.count("warning: ")) == (1, 2)


def test_no_warning_is_of_what_a_task_that_is_wrong_may_mend(ork):
    ork.write(
        "w.yaml", WRONG_AND_WARNED + "  a: {executor: process, command: make > gone.sh, x: 1}"
    )
    result = ork("check", "w.yaml")
    assert (result.code, result.out.endswith(f"{MORE}\n")) == (1, True)
    assert ("DAY" in result.err, "no file" in result.err) == (True, False)


@pytest.mark.parametrize("line", ["rooot: ..", "root: lib", "env: [PYTHONPATH]", "excludes: []"])
def test_no_file_is_missed_where_it_is_not_sure_where_files_are(ork, line):
    ork.write("w.yaml", f"name: w\n{line}\ntasks: {{a: {{executor: python, file: nope.py}}}}\n")
    result = ork("check", "w.yaml")
    assert result.code == 1
    assert "no such file" not in result.out
    assert result.out.endswith(f"{MORE}\n")


def test_a_secret_is_told_of_a_text_that_is_no_yaml(ork):
    ork.write("w.yaml", f"tasks: [\n# api_key: {'a1' * 6}\n")
    places = [line for line in ork("check", "w.yaml").out.splitlines() if line.startswith("w.yaml")]
    assert ["secret" in place for place in places] == [True, False]


def test_what_cannot_be_read_as_a_file(ork):
    (ork.folder / "folder.yaml").mkdir()
    result = ork("check", "folder.yaml")
    assert result.code == 1
    assert "folder.yaml" in result.out
    assert ork("check", "nowhere.yaml").code == 3
    assert ork("check").code == 2


SCHEDULES = """\
name: w
params: {region: {type: str, default: us}}
schedule:
  - {cron: "30 2 * * *", timezone: Europe/Berlin, params: {region: eu}}
  - "*/7 * * * *"
  - every: 90s
tasks: {a: {executor: process, command: "true"}}
"""


def test_schedules_are_told_in_words_with_their_next_times(ork, golden):
    ork.write("w.yaml", SCHEDULES)
    golden("check/schedules.txt", ork("check", "w.yaml").out)
    told = "retries: 2; retry_delay: 5m; timeout: 1h; after_failure: hold"
    patient = f"{{every: 7m, {told.replace(';', ',')}}}"
    ork.write(
        "patient.yaml", SCHEDULES.replace('"*/7 * * * *"', patient).replace("- every: 90s", "")
    )
    assert f"every 7 minutes\n            {told}\n" in ork("check", "patient.yaml").out
    (found,) = json.loads(ork("check", "w.yaml", "--json").out)["data"]
    assert found["schedules"][0] == {
        "words": 'every day at 02:30, Europe/Berlin, with region="eu"',
        "policies": "",
        "timezone": "Europe/Berlin",
        "params": {"region": "eu"},
        "next": [f"2026-11-0{day}T02:30:00+01:00" for day in (2, 3, 4)],
    }


def test_a_wrong_schedule_is_shown_at_its_place(ork, golden):
    wrong = SCHEDULES.replace("Berlin", "Berln").replace("*/7 *", "*/7 24").replace("90s", "90x")
    ork.write("w.yaml", wrong.replace("region: eu", "regoin: eu"))
    result = ork("check", "w.yaml")
    assert result.code == 1
    golden("check/wrong_schedules.txt", result.out)


def test_the_snapshot_is_the_one_that_a_deploy_makes(etl):
    checked = json.loads(etl("check", "etl.yaml", "--json").out)["data"][0]["snapshot"]
    deployed = json.loads(etl("deploy", "etl.yaml", "--json").out)["data"][0]["snapshot"]
    assert checked == deployed


def test_no_code_of_the_workflow_runs(etl):
    etl.write("tasks/etl.py", "open('ran', 'w')\ndef extract(): ...\n")
    etl("check", "etl.yaml")
    etl("deploy", "etl.yaml")
    assert not (etl.folder / "ran").exists()


def test_two_files_with_one_name(ork, golden):
    ork.write("one.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork.write("two.yaml", "# of two\nname:   w\ntasks: {z: {executor: process, command: ls}}\n")
    ork.write("three.yaml", "name: x\ntasks: {z: {executor: process, command: ls}}\n")
    result = ork("check", "one.yaml", "two.yaml", "three.yaml", "one.yaml")
    assert result.code == 1
    golden("check/same_names.txt", result.out)
    found = json.loads(ork("check", "one.yaml", "two.yaml", "--json").out)["data"]
    places = [(p["file"], p["line"], p["column"]) for one in found for p in one["problems"]]
    assert places == [("one.yaml", 1, 7), ("two.yaml", 2, 9)]
    assert ork("check", "one.yaml", "./one.yaml").code == 0


CODE = """\
name: w
include: ["sql/*.sql"]
tasks:
  load: {executor: process, command: "./load.sh data.csv > out.csv"}
  again: {executor: process, command: "./load.sh", depends_on: [load]}
  train: {executor: python, file: train.py}
  plot: {executor: process, command: "Rscript plot.R"}
"""


def with_code(ork):
    ork.write("w.yaml", CODE)
    ork.write("load.sh", '#!/bin/sh\n. ./lib.sh\n. "$HOME_OF_LIBS/more.sh"\n', executable=True)
    ork.write("lib.sh", "")
    ork.write(
        "train.py",
        "import importlib\nimport model\nimportlib.import_module(NAME)\ndef main(): ...\n",
    )
    ork.write("model.py", "")
    ork.write("plot.R", "")
    ork.write("sql/a.sql", "")
    ork.write("data.csv", "")


def test_what_is_captured_and_why(ork, golden):
    with_code(ork)
    result = ork("check", "w.yaml", "--files")
    assert result.code == 0
    golden("check/files.txt", result.out)
    golden("check/files.json", ork("check", "w.yaml", "--files", "--json").out)


def test_what_cannot_be_known_is_a_warning(ork, golden):
    with_code(ork)
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n")
    golden("check/warnings.txt", result.err)
    found = json.loads(ork("check", "w.yaml", "--json").out)["data"][0]
    assert [(one["file"], one["line"]) for one in found["warnings"]] == [
        ("load.sh", 3),
        ("train.py", 3),
    ]


SEEMS_WRONG = """\
name: w
params: {day: {type: date, default: 2026-01-01}}
tasks:
  extract:
    executor: process
    command: |
      echo {{ds}} ${ORK_IN_mode:-fast} "$ORK_IN_day"
      docker ps --format '{{.Names}}' {{ params.day }} ${ORK_IN_rows}-x
      wc "$row" ${file}; cat {{ inputs.row }}; for mode in a b; do echo $mode; done
      echo \\$row $ROW $file
    inputs: {row: {const: 1}, mode: {const: a}, file: {const: a}}
    env: {file: b}
  count: {executor: process, command: wc -l data.csv}
  other: {executor: process, command: echo 1, output_type: int}
  script: {executor: process, command: sh count.sh}
  reads:
    executor: process
    command: echo "$total"
    depends_on: [count, other, script]
    inputs:
      n: {ref: tasks.count.output}
      o: {ref: tasks.other.output}
      s: {ref: tasks.script.output}
    env: {total: {ref: tasks.count.output.total}}
  load:
    executor: python
    file: load.py
    depends_on: [extract]
    inputs: {day: {ref: params.day}, rows: {const: 1}}
"""


@pytest.mark.parametrize("command", ["sh link.sh", "./link.sh", ". ./link.sh"])
def test_a_script_behind_a_link_that_leads_out_is_a_warning(ork, tmp_path_factory, command):
    outside = tmp_path_factory.mktemp("outside") / "x.sh"
    outside.write_text("echo outside\n")
    (ork.folder / "link.sh").symlink_to(outside)
    (ork.folder / "tool").symlink_to("/bin/ls")
    ork.write(
        "w.yaml", f"name: w\ntasks:\n  a: {{executor: shell, command: '{command}; ./tool'}}\n"
    )
    told = ork("check", "w.yaml").err
    assert "link.sh is, or lies behind, a link that leads out" in told
    assert "not captured" in told and "tool" not in told.partition("\n")[0]


def test_what_seems_to_be_wrong_is_a_warning(ork, golden):
    ork.write("w.yaml", SEEMS_WRONG)
    ork.write("count.sh", "echo 1")
    ork.write("load.py", "import datetime as dt\ndef main(day: dt.date, rows: int): pass\n")
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n")
    golden("check/seems_wrong.txt", result.err)


TASK = "tasks: {a: {executor: process, command: echo}}\n"
DAILY = """\
name: w
params: {day: {type: date, default: 2026-01-01}}
tasks:
  t:
    executor: process
    inputs: {path: {const: a}, total: {const: 1}}
"""


def warned(ork, command, more=""):
    ork.write("w.yaml", f"{DAILY}    command: {command}\n{more}")
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n"), result.err
    return result.err


@pytest.mark.parametrize(
    ("command", "column", "message", "hint"),
    [
        ('wc -l < "$path"', 23, "`$path` is not the input `path`", "`$ORK_IN_path` is it"),
        ("[sh, -c, wc $path]", 26, "`$path` is not", "`$ORK_IN_path` is it, in a command that"),
        ("[wc, '${path}']", 20, "`${path}` is not", "`$ORK_IN_path` is it, in a command that is"),
        ("echo '{{ total }}'", 20, "`{{ total }}` is not the input", "`$ORK_IN_total` is it"),
        ("echo {{day}}", 19, "`{{day}}` stands in a command", "{day: {ref: params.day}}`, and"),
        ("load.sh {{ ds }}", 22, "`{{ ds }}` stands in a command", "params: {day: slot - 1d}}`"),
        ("x '{{ macros.ds_add(ds, -1) }}'", 17, "`{{ macros.ds_add(ds, -1) }}`", "slot - 1d"),
        ("x {{ execution_date.year }}", 16, "`{{ execution_date.year }}`", "slot - 1d"),
        ("x {{ data_interval_end | ds }}", 16, "`{{ data_interval_end | ds }}`", "slot - 1d"),
        ("x {{ ti.xcom_pull('a') }}", 16, "`{{ ti.xcom_pull('a') }}`", "by `inputs` and `env`"),
        ("x {{ var.value.bucket }}", 16, "`{{ var.value.bucket }}`", "by `inputs` and `env`"),
        ("cat out/{day}/x", 22, "`{day}` stands in a command", "{day: {ref: params.day}}`, and"),
        ('cat "{path}"', 19, "`{path}` is not the input", "`$ORK_IN_path` is it"),
        ("\u201cecho\u201d hi", 14, "`\u201c` is no quote for a shell", "write `\"` or `'`"),
        ("grep -e=\u2018x\u2019 f", 22, "`\u2018` is no quote for a shell", "write"),
        ("echo \u201ehi\u201c # x", 19, "`\u201e` is no quote for a shell", "write"),
    ],
)
def test_a_value_in_the_way_of_another_tool_is_a_warning(ork, command, column, message, hint):
    told = warned(ork, command)
    assert f"w.yaml:7:{column}: warning: {message}" in told
    assert hint in told and told.count("warning") == 1


@pytest.mark.parametrize(
    "command",
    [
        "awk '{print $total}' f",
        "x=\"$(awk '{print $total}' f)\"; echo $x",
        "[Rscript, -e, sum(df$total)]",
        "echo ${path:-y} \\$path $(path) ${#path}",
        "path=$ORK_IN_path; cat $path ${path}",
        "while read -r total; do echo $total; done",
        '"for path in *; do echo $path; done # $total"',
        "echo {a,b} {1..3} ${day} @{day} {other} {} {{other}} '{{.day}}' {{ var }} {{dsx}} {{.ds}}",
        "jq -n '{day}'",
        "python3 -c \"print(f'{total}')\"",
        "python3 -c \"print('{total}'.format(total=1))\"",
        "xargs -I {path} cp {path} x",
        "echo '{day}'",
        "\"curl -w '%{total}' x; git show HEAD@{day}\"",
        "echo 'he said \u201chi\u201d' \"\u201cyou\u201d\" # \u201cwe\u201d",
        "echo it\u2019s",
        "|\n      cat <<EOF\n      \u201chi\u201d\n      EOF",
    ],
)
def test_what_other_programs_take_is_no_warning(ork, command):
    assert warned(ork, command) == ""


def test_another_interpreter_reads_a_command_in_its_own_way(ork):
    command = "|\n      total = 1; x = {total}; print('\u201cx\u201d', $total)"
    assert warned(ork, command, "    shell: [python3, -c]\n") == ""


@pytest.mark.parametrize(
    ("lines", "line"),
    [
        (("echo one", "echo two"), 9),
        (("cp a b", "  c", "cp d e"), None),  # in which these are lines
        (("load one a", "--fast", "load one b"), None),
        (("load one a", "b", "c d", "load one b"), 11),
        (("cd sub", "make all"), 9),
        (("set -e", "make all"), 9),
        (("set -o pipefail", "make all"), 9),
        (("cd sub", "&& make all"), None),
        (("cd sub &&", "make all"), None),
        (("cd sub;", "make all"), None),
        (("echo one |", "echo two"), None),
        (("echo 'one", "echo two'"), None),
        (("echo one \\\\", "echo two"), None),
        (("echo one", "", "echo two"), None),
        (("docker run image", "ls x"), None),
        (("python -m compileall", "tests --fast"), None),
        (("for x in a b; do", "echo $x; done"), None),
    ],
)
def test_commands_that_are_folded_into_one_are_a_warning(ork, lines, line):
    text = "".join(f"      {one}\n" for one in lines)
    for sign in (">", ">-"):
        told = warned(ork, f"{sign}\n{text}", "    timeout: 3s\n")
        message = f"w.yaml:{line}:7: warning: `>` makes one line of these, and so one command"
        assert (message in told) if line else told == "", told
    assert warned(ork, f"|\n{text}") == ""


NOT_THERE = """\
name: w
exclude: [excluded.sh]
on_failure: {command: "python tell.py"}
on_success: {command: [sh, there.sh]}
tasks:
  script: {executor: process, command: "python nope.py --fast"}
  program: {executor: process, command: "./nope.sh; sh there.sh; sh excluded.sh; make; /bin/nope"}
  words: {executor: process, command: [bash, scripts/run.sh]}
  lines:
    executor: process
    command: |
      set -e
      cd sub && ./tool
  write: {executor: process, command: "echo 1 > made.sh"}
  made: {executor: process, command: "sh made.sh", depends_on: [write]}
"""


def test_a_script_that_is_not_there_is_a_warning(ork, golden):
    """But not one that a command is seen to write, or that is excluded."""
    ork.write("w.yaml", NOT_THERE)
    ork.write("there.sh", "./may_come_later.sh\n")
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n")
    golden("check/not_there.txt", result.err)


@pytest.mark.parametrize("chosen", ["no-such-python", "./w.yaml", ".venv/bin/python", "."])
def test_a_python_that_is_not_there_is_a_warning(ork, chosen):
    ork.write("w.yaml", f"name: w\npython: {chosen}\n{TASK}")
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n")
    told = f"w.yaml:2:9: warning: this machine has no Python `{chosen}`, so no task starts in it"
    assert told in result.err
    assert told in ork("deploy", "w.yaml").err


@pytest.mark.parametrize("chosen", ["python3", sys.executable, "bin/my"])
def test_a_python_that_is_there_is_none(ork, chosen):
    ork.write("bin/my", "#!/bin/sh\n", executable=True)
    ork.write("w.yaml", f"name: w\npython: {chosen}\n{TASK}")
    assert ork("check", "w.yaml").err == ""


HIDES = "hides Python's own module"


@pytest.mark.parametrize(
    ("path", "source", "told"),
    [
        ("json.py", "import json", f"json.py: warning: {HIDES} `json`, which jobs/t.py imports"),
        ("jobs/csv.py", "import csv", f"jobs/csv.py: warning: {HIDES} `csv`, which jobs/t.py imp"),
        ("random.py", "import statistics", f"{HIDES} `random`, which statistics imports"),
        ("jobs/copy/__init__.py", "import dataclasses", f"{HIDES} `copy`, which dataclasses imp"),
        ("random.py", "import sklearn.svm", f"{HIDES} `random`, which sklearn may import"),
        ("email.py", "from http import client", f"{HIDES} `email`, which http imports"),
        ("random.py", "import json", ""),  # which needs nothing of it
        ("code.py", "import csv, subprocess, asyncio", ""),
        ("jobs/own/json.py", "import own.json, csv", ""),
        ("data/json.py", "import json", ""),
        ("os.py", "import os", ""),  # it is there before any program
    ],
)
def test_a_file_that_hides_a_module_of_python_is_a_warning(ork, path, source, told):
    ork.write(path, "")
    ork.write("jobs/t.py", f"{source}\ndef main(): pass\n")
    ork.write("w.yaml", "name: w\ntasks: {t: {executor: python, file: jobs/t.py}}\n")
    result = ork("check", "w.yaml")
    assert (result.code, result.out) == (0, "w  w.yaml: good\n")
    assert (told in result.err) if told else (result.err == "")
    assert told in ork("deploy", "w.yaml").err
    command = "name: c\ntasks: {t: {executor: process, command: python jobs/t.py}}\n"
    ork.write("c.yaml", command)
    assert ork("check", "c.yaml").err == "", "of a command ork says not where it imports from"


def test_whoever_includes_code_that_it_may_be_is_not_warned_any_more(ork):
    with_code(ork)
    ork.write("libs/more.sh", "")
    ork.write("libs/other.py", "")
    for pattern, warned in (("sql/*.sql", 2), ("libs/*.sh", 1), ("libs/*", 0)):
        ork.write("w.yaml", CODE.replace("sql/*.sql", pattern))
        assert ork("check", "w.yaml").err.count("warning: ") == warned


def test_a_name_that_is_not_utf8_is_a_complaint(ork, golden):
    ork.write(
        "b.yaml", 'name: b\ninclude: ["*.txt"]\ntasks: {a: {executor: process, command: x}}\n'
    )
    try:
        os.close(os.open(os.fsencode(ork.folder) + b"/bad\xffname.txt", os.O_CREAT))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    result = ork("check", "b.yaml")
    assert result.code == 1
    golden("check/not_utf8.txt", result.out)
    assert ork("run", "b.yaml").code == 3


@pytest.mark.parametrize("path", [b"w\xff.yaml", b"d\xff/w.yaml"])
def test_a_workflow_file_whose_path_is_not_utf8_is_a_complaint(ork, path):
    at = os.path.join(os.fsencode(ork.folder), path)
    try:
        os.makedirs(os.path.dirname(at), exist_ok=True)
        with open(at, "w") as file:
            file.write(FLOW.format(name="w", executor="process"))
    except OSError:
        pytest.skip("this file system has only names in UTF-8")
    ork("init")
    told = f"the path {os.fsdecode(path)} is not UTF-8".replace("\udcff", "<U+DCFF>")
    for command, code in (("check", 1), ("deploy", 3), ("run", 3)):
        result = ork(command, os.fsdecode(path))
        assert result.code == code
        assert told in result.out + result.err


@pytest.fixture
def in_parallel(ork, monkeypatch):
    """Ten files, each third wrong or odd, checked in one process and then in several."""
    for number in range(10):
        body = "executor: process, command: ls" if number % 3 else "executor: proces"
        name = f"w{number}" if number != 8 else "w7"
        ork.write(f"{number}.yaml", f"name: {name}\ntasks: {{a: {{{body}}}}}\n")
    files = [f"{number}.yaml" for number in range(10)]
    fork, forked = os.fork, []

    def noted():
        if pid := fork():
            forked.append(pid)
        return pid

    def check(*words):
        alone = ork("check", *files, *words)
        monkeypatch.setattr(cores, "PARALLEL_FILES_MIN", 2)
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2})
        monkeypatch.setattr(os, "fork", noted)
        found = ork("check", *files, *words)
        assert (found.code, found.out, found.err) == (alone.code, alone.out, alone.err)
        assert len(forked) >= 2
        for pid in forked:  # each was waited for
            with pytest.raises(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return found

    return check


@pytest.mark.parametrize("words", [(), ("--json",), ("--files",)])
def test_many_files_are_checked_at_once_and_told_in_their_order(in_parallel, words):
    assert "w1" in in_parallel(*words).out


@pytest.mark.parametrize("file", ["0.yaml", "4.yaml", "9.yaml"])
def test_what_is_not_there_is_told_when_all_others_were_on_all_cores(ork, in_parallel, file):
    (ork.folder / file).unlink()
    result = in_parallel()
    assert result.code == 3
    assert f"no file {file}" in result.err
    assert all((f"{n}.yaml" in result.out) == (f"{n}.yaml" != file) for n in range(10))


def test_who_names_a_file_that_is_not_there_is_told_of_all_that_is_wrong(ork):
    ork.write("etl.yaml", "name: etl\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork.write("z.yaml", "name: z\ntasks: {a: {executor: proces}}\n")
    result = ork("check", "etk.yaml", "etl.yaml", "y.yaml", "z.yaml")
    assert result.code == 3
    assert result.err == "error: no file etk.yaml, y.yaml\nhint: did you mean etl.yaml?\n"
    assert result.out.startswith("etl  etl.yaml: good\n") and "z.yaml:2:" in result.out
    found = json.loads(ork("check", "etk.yaml", "z.yaml", "--json").out)["data"]
    assert [one["problems"][0]["line"] for one in found] == [0, 2]


def test_a_child_that_is_killed_is_no_loss(in_parallel, monkeypatch):
    here, look = os.getpid(), check._checked

    def killed(path, **options):
        if path.name == "4.yaml" and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return look(path, **options)

    monkeypatch.setattr(check, "_checked", killed)
    in_parallel()


def test_ctrl_c_ends_all_that_check(ork):
    names = [f"{number}.yaml" for number in range(200)]
    tasks = "".join(f"  t{n}: {{executor: process, command: ls}}\n" for n in range(40))
    for name in names:
        ork.write(name, f"name: w{name}\ntasks:\n{tasks}")
    words = [sys.executable, "-m", "ork", "check", *names]
    with subprocess.Popen(words, stdout=-1, stderr=-1, start_new_session=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not children.read_text():
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate()  # ends when nobody holds the pipes any more
    assert (process.returncode, out) == (-signal.SIGINT, b"")
    assert b"Traceback" not in err


@pytest.fixture
def found(ork):
    """A file with two mistakes under a name that needs escapes, and one with a warning."""
    ork.write("a,b: 5%.yaml", "name: x\ntasks:\n  a: {executor: bash}\n  b: {retries: 'a%\\nb'}\n")
    ork.write("warn.yaml", "name: y\ntasks: {a: {executor: process, command: '. $X/lib.sh'}}\n")
    return ork


def test_findings_for_github(found, golden):
    said = found("check", "a,b: 5%.yaml", "warn.yaml", "--format", "github")
    assert (said.code, said.err) == (1, "")
    golden("check/github.txt", said.out)
    assert found("check", "warn.yaml", "--format", "github").code == 0


def test_findings_as_sarif(found, golden):
    said = found("check", "a,b: 5%.yaml", "warn.yaml", "--format", "sarif")
    assert (said.code, said.err) == (1, "")
    golden("check/findings.sarif", said.out)
    assert json.loads(said.out)["version"] == "2.1.0"


KINDS = """\
name: w
schedule: {every: 1h, retries: 1, retry_delay: 1h}
python: no-such-python
params: {zip: {default: 007}, day: {type: date, default: 2026-01-01}}
env: {OUT: $HOME/out}
tasks:
  bash: {executor: process, command: "echo {{ ds }}; . $LIB/a.sh"}
  mode: {executor: process, command: ./mode.sh}
  ends: {executor: process, command: ./ends.sh}
  link: {executor: process, command: python tools/run.py}
  part: {executor: python, file: part.py}
  code: {executor: process, command: python code.py}
  date: {executor: python, file: date.py, inputs: {day: {ref: params.day}}}
  none: {executor: process, command: ls, depends_on: [mode, bash], on_upstream_failure: run,
         inputs: {n: {ref: tasks.bash.output}}}
  last: {executor: process, command: ls, depends_on: [part], on_upstream_failure: run,
         inputs: {n: {ref: tasks.part.output}}}
"""


def test_each_finding_has_its_kind(ork):
    ork.write("w.yaml", KINDS)
    ork.write("mode.sh", "#!/bin/sh\n")
    ork.write("ends.sh", "#!/bin/sh\r\n", executable=True)
    ork.write("real/run.py", "import beside\n")
    ork.write("real/beside.py", "")
    ork.write("tools/beside.py", "")
    (ork.folder / "tools/run.py").symlink_to("../real/run.py")
    ork.write("part.py", "from .other import x\ndef main(): pass\n")
    ork.write("code.py", "def\n")
    ork.write("date.py", "import datetime\ndef main(day: datetime.date): pass\n")
    ork.write("key.yaml", f"name: key\nenv: {{A: sk_live_{'51H8xk2LqW9v' * 2}}}\n{TASK}")
    (run,) = json.loads(ork("check", "--format", "sarif").out)["runs"]
    kinds = {one["ruleId"] for one in run["results"]}
    assert kinds == {*get_args(Kind)}
    assert kinds | {"error"} == {rule["id"] for rule in run["tool"]["driver"]["rules"]}
    told = json.loads(ork("check", "--json").out)["data"]
    found = [problem for one in told for problem in (*one["problems"], *one["warnings"])]
    assert {problem["kind"] for problem in found} == kinds
    assert all(problem["kind"] for one in told for problem in one["warnings"])


def test_findings_for_gitlab(found, golden):
    said = found("check", "a,b: 5%.yaml", "warn.yaml", "--format", "gitlab")
    assert (said.code, said.err) == (1, "")
    golden("check/gitlab.json", said.out)
    report = json.loads(said.out)
    assert len({one["fingerprint"] for one in report}) == len(report)
    found.write("a,b: 5%.yaml", "\n" + (found.folder / "a,b: 5%.yaml").read_text())
    moved = json.loads(found("check", ".", "--format", "gitlab").out)
    assert [one["fingerprint"] for one in moved] == [one["fingerprint"] for one in report]
    assert [one["location"]["lines"] for one in moved] != [
        one["location"]["lines"] for one in report
    ]


def test_findings_as_tests(found, golden):
    found.write("<&\x01.yaml", "name: '<&\\x01'\n")
    said = found("check", "a,b: 5%.yaml", "warn.yaml", "<&\x01.yaml", "--format", "junit")
    assert (said.code, said.err) == (1, "")
    golden("check/junit.xml", said.out)
    (suite,) = ElementTree.fromstring(said.out)
    assert (suite.get("tests"), suite.get("failures")) == ("3", "2")


def test_a_mistake_of_many_tasks_is_one_finding_at_the_code(found):
    tasks = "".join(
        f"  t{n}: {{executor: python, file: code.py, inputs: {{n: {{const: 1}}}}}}\n"
        for n in range(20)
    )
    found.write("flows/many.yaml", f"name: many\ntasks:\n{tasks}")
    found.write("flows/code.py", "\ndef main(n, new):\n    return n\n")
    told = (
        "`main` in code.py needs `new`, which no input gives; 20 tasks call it so: t0, t1, t10 and"
    )
    said = found("check", "flows").out
    assert said.count("\n") == 4 and said.startswith(f"flows/code.py:2:1: {told} 17 more\n")
    said = found("check", "flows", "--format", "github").out
    assert said.count("\n") == 1 and "file=flows/code.py,line=2,col=1" in said
    (run,) = json.loads(found("check", "flows", "--format", "sarif").out)["runs"]
    (one,) = run["results"]
    place = one["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "flows/code.py"}
    assert place["region"]["startLine"] == 2


@pytest.fixture
def shared(ork):
    """Two workflows that call a file with a mistake, and one that seems to be one."""
    for name in ("a", "b"):
        task = "{executor: python, file: code.py}"
        ork.write(f"{name}.yaml", f"name: {name}\ntasks: {{t: {task}}}\n")
    ork.write("code.py", f"API_KEY = 'sk_live_{'51H8xk2LqW9v' * 2}'\ndef main(): pass\n")
    return ork


def test_what_is_wrong_in_code_that_workflows_share_is_told_once(shared):
    for words in (["check"], ["deploy", "a.yaml", "b.yaml"], ["check", "--format", "github"]):
        said = shared(*words)
        assert (said.out + said.err).count("this looks like a") == 1, words
        assert said.code
    (run,) = json.loads(shared("check", "--format", "sarif").out)["runs"]
    assert len(run["results"]) == 1
    assert len(json.loads(shared("check", "--format", "gitlab").out)) == 1
    suite = ElementTree.fromstring(shared("check", "--format", "junit").out)[0]
    assert suite.get("failures") == "2"
    assert all(one["problems"] for one in json.loads(shared("check", "--json").out)["data"])


def test_what_seems_to_be_a_mistake_in_code_that_workflows_share_is_told_once(shared):
    shared.write(
        "code.py", "import importlib, sys\nimportlib.import_module(sys.argv[1])\ndef main(): pass\n"
    )
    said = shared("check")
    assert (said.code, said.out.count("good"), said.err.count("warning: ")) == (0, 2, 1)


def test_a_format_that_is_none(found):
    assert found("check", "warn.yaml", "--format", "json").out.startswith('{\n  "schema"')
    refused = found("check", "warn.yaml", "--format", "xml")
    assert (refused.code, "say text, github, gitlab, junit, sarif or json" in refused.err) == (
        2,
        True,
    )


FLOW = "name: {name}\ntasks: {{a: {{executor: {executor}, command: ls}}}}\n"


@pytest.fixture
def tree(ork):
    """A git repository with workflows in folders, and with files that are none of them."""
    for path in (
        *("one.yaml", "flows/two.yml", "flows/deep/three.yaml"),
        *(".git/no.yaml", ".ork/no.yaml", ".hidden/no.yaml", "node_modules/x/no.yaml"),
        *("venv/no.yaml", "env-3.11/lib/no.yaml", "flows/no.txt"),
    ):
        name = Path(path).stem
        executor = "bash" if name in ("three", "no") else "process"
        ork.write(path, FLOW.format(name=name, executor=executor))
    ork.write("env-3.11/pyvenv.cfg", "")
    ork.write("flows/compose.yaml", "services: {a: {image: x}}\n")
    ork.write("flows/play.yaml", "- hosts: all\n  tasks: []\n")
    (ork.folder / "flows/deep/up").symlink_to(ork.folder)
    (ork.folder / "flows/link.yaml").symlink_to(ork.folder / ".hidden/no.yaml")
    return ork


def test_two_formats_are_one_too_many(found):
    for words in (("check", "warn.yaml", "--format", "sarif"), ("graph", "--format", "svg")):
        refused = found(*words, "--json")
        assert refused.code == 2
        assert f"--json and {' '.join(words[-2:])} exclude" in refused.out + refused.err


def test_a_folder_is_checked_with_all_below(tree):
    found = tree("check", "--json")
    files = [(one["file"], not one["problems"]) for one in json.loads(found.out)["data"]]
    three = "flows/deep/three.yaml"
    assert (found.code, files) == (1, [("one.yaml", True), ("flows/two.yml", True), (three, False)])
    assert tree("check", ".", "--json").out == found.out
    below = tree("check", "flows", "one.yaml")
    assert below.code == 1
    assert [line.partition(": ")[0] for line in below.out.splitlines() if ".y" in line] == [
        "two  flows/two.yml",
        f"{three}:2:23",
        "one  one.yaml",
    ]


def test_a_folder_without_a_workflow_is_a_complaint(tree):
    (tree.folder / "empty").mkdir()
    found = tree("check", "empty", "one.yaml")
    assert found.code == 1
    assert found.out.splitlines() == [
        "empty: no workflow file is in this folder, or below it",
        "one  one.yaml: good",
    ]


@pytest.mark.parametrize("form", ["github", "gitlab", "sarif"])
def test_findings_name_files_from_the_top_of_the_repository(tree, monkeypatch, form):
    for start, name in ((".", "flows"), ("flows", "deep"), ("flows/deep", "three.yaml")):
        monkeypatch.chdir(tree.folder / start)
        found = tree("check", name, "--format", form)
        assert (found.code, found.out.count("flows/deep/three.yaml")) == (1, 1)
    assert tree("check", "three.yaml").out.startswith("three.yaml:2:23: ")


@pytest.mark.parametrize(
    ("schedule", "warned"),
    [
        ("{every: 10s, retries: 3, retry_delay: 15s}", True),
        ("{every: 10s, retries: 3, retry_delay: 10s}", True),
        ("{every: 10s, retries: 3, retry_delay: 9s}", False),
        ("{every: 10s, retries: 3, retry_delay: 15s, after_failure: hold}", False),
        ("{every: 10s, retry_delay: 15s}", False),
        ("{cron: 0 2 * * *, retries: 3, retry_delay: 15s}", False),
    ],
)
def test_retries_that_no_run_can_have_are_warned_of(ork, schedule, warned):
    tasks = "tasks: {a: {executor: process, command: ls}}"
    ork.write("w.yaml", f"name: w\nschedule: {schedule}\n{tasks}\n")
    done = ork("check", "w.yaml")
    told = [line for line in (done.out + done.err).splitlines() if "warning: " in line]
    message = "no run is retried: a newer one is started before, every 10s"
    assert told == ([f"w.yaml:2:11: warning: {message}"] if warned else [])
    assert ork("check", "--strict", "w.yaml").code == (1 if warned else 0)


def test_a_number_that_loses_the_zeros_it_begins_with_is_warned_of(ork):
    ork.write(
        "w.yaml",
        "name: w\n"
        "schedule: '0 02 * * *'\n"
        "params: {shop: {default: 007}, day: {type: date, default: 2026-01-01}}\n"
        "tasks:\n"
        "  a: {executor: process, command: ls 01, timeout: 08, inputs: {zip: {const: 00501}}}\n"
        "  b: {executor: process, command: ls, inputs: {n: {const: [0, 0.5, 0x1F, -05, '01']}}}\n",
    )
    done = ork("check", "w.yaml")
    told = [line for line in (done.out + done.err).splitlines() if "warning: " in line]
    assert (done.code, told) == (
        0,
        [
            "w.yaml:3:26: warning: 007 is the number 7",
            "w.yaml:5:77: warning: 00501 is the number 501",
            "w.yaml:6:74: warning: -05 is the number -5",
        ],
    )
    ork.write("w.yaml", "name: w\nparams: {n: int}\ntasks: {a: {executor: process, command: ls}}\n")
    assert "write `7`" in ork("run", "w.yaml", "-i", "n=007").err


def test_a_task_that_cannot_start_however_others_ended_is_warned_of(ork):
    tasks = """\
name: w
tasks:
  make: {executor: python, file: a.py}
  other: {executor: process, command: ls}
  report: {executor: process, command: ls, depends_on: [make], on_upstream_failure: run,
           inputs: {n: {ref: tasks.make.output.n}}}
  tidy: {executor: process, command: ls, depends_on: [make, other], on_upstream_failure: run,
         inputs: {n: {ref: tasks.make.output.n}}}
  free: {executor: process, command: ls, on_upstream_failure: run}
"""
    ork.write("w.yaml", tasks)
    ork.write("a.py", "def main():\n    return {'n': 1}\n")
    done = ork("check", "w.yaml")
    assert done.code == 0
    (warned,) = [line for line in (done.out + done.err).splitlines() if "warning: " in line]
    assert warned.startswith("w.yaml:5:") and "`report` takes an output of all that" in warned


def test_variables_in_a_list_of_words_are_warned_of(ork):
    shells = ('[sh, -c, "ls $D"]', '[env, bash, -c, "echo $D"]', '[awk, "{print $D}"]', 'echo "$D"')
    read = [f"  s{n}: {{executor: process, command: {one}}}" for n, one in enumerate(shells)]
    ork.write(
        "l.yaml",
        """\
name: l
params: {day: date}
env: {D: {ref: params.day}}
on_failure: {command: [echo, "$ORK_WORKFLOW_NAME failed"]}
tasks:
  a: {executor: process, command: [echo, "on $ORK_IN_day", "$D", "$HOME"],
      inputs: {day: {ref: params.day}}}
"""
        + "\n".join(read),
    )
    done = ork("check", "l.yaml")
    told = [line for line in (done.out + done.err).splitlines() if "warning: " in line]
    text = "stands in a list of words, in which nothing is replaced"
    assert (done.code, told) == (
        0,
        [
            f"l.yaml:4:31: warning: `$ORK_WORKFLOW_NAME` {text}",
            f"l.yaml:6:46: warning: `$ORK_IN_day` {text}",
            f"l.yaml:6:61: warning: `$D` {text}",
        ],
    )


def test_what_a_deploy_refuses_for_the_project_or_the_store_is_a_complaint(ork):
    one = "tasks: {one: {executor: process, command: pwd}}\n"
    ork.write("flows/x.yaml", f"name: x\nroot: ../..\n{one}")
    assert (done := ork("check")).code == 1
    assert "flows/x.yaml:2:7: root leads out of the project" in done.out
    ork.write("flows/x.yaml", f"name: x\nroot: ..\n{one}")
    ork.write("a.yaml", f"name: a\n{one}")
    ork("deploy", "a.yaml")
    ork("mv", "a", "b")
    assert (done := ork("check")).code == 1
    assert "a.yaml:1:7: this file is deployed as b" in done.out and "x.yaml: good" in done.out
    ork("archive", "b")
    assert ork("check").code == 0  # a deploy of the folder leaves it out
