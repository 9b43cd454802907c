"""The screens of a day, on terminals of 60, 100 and 160 columns, through a pipe, and as JSON

One file below golden/screens has all screens of one width, to be read as a user would.
"""

import json
import re
import shlex
from itertools import zip_longest

import pytest

from ork.cli.app import COMMANDS, TEXT_COLUMNS_MAX
from tests.cli.screen import TERMINAL, on_terminal

pytestmark = pytest.mark.usefixtures("steady")

DAY = """\
check etl.yaml
check broken.yaml
status
deploy etl.yaml -m 'Check the rows of each region before loading, and wait longer for the source'
log
log etl
log --oneline
show etl
show etl:check
show etl#2
show etl#2:check
runs
diff --last etl
diff etl#1 etl#2
diff etl~2 etl
workflows
show nightly_customer_report
schedule list
schedule next -n 3
tag
blame etl
ops
graph etl
outputs etl#1
bisect etl
run nightly.yaml
show elt
runs etl:extract
grep sunny
"""


@pytest.mark.slow
@pytest.mark.parametrize("wide", [60, 100, 160])
def test_terminals_of_any_width_are_read_with_ease(day, golden, masked, wide):
    day.environ |= TERMINAL
    screens = []
    for line in ["--help", *DAY.splitlines()]:
        window = on_terminal(day, wide, *shlex.split(line))
        assert not window.broken, line
        screens.append(f"$ ork {line}\n{window.text}\n")
    golden(f"screens/{wide}.txt", masked("\n".join(screens)))


def test_pipes_have_all_of_it(day, golden, masked):
    screens = []
    for line in ["--help", *DAY.splitlines()]:
        done = day(*shlex.split(line))
        screens.append(f"$ ork {line}\n{done.out}{done.err}")
    golden("screens/pipe.txt", masked("\n".join(screens)))


@pytest.mark.slow
def test_programs_have_the_same_json_on_a_terminal(day):
    day.environ |= TERMINAL
    for line in DAY.splitlines():
        if line.split()[0] not in ("deploy", "run"):
            words = [*shlex.split(line), "--json"]
            piped = day(*words)
            answer = piped.out or piped.err
            assert json.loads(answer)["schema"].startswith("ork."), line
            shown = on_terminal(day, 100, *words).text
            assert "".join(answer.split()) in "".join(shown.split()), line


@pytest.mark.parametrize("wide", [0, 160])
def test_what_columns_says_is_obeyed(ork, wide):
    ork.environ |= TERMINAL
    told = on_terminal(ork, 60, "--help").text
    assert on_terminal(ork, wide, "--help").text != told
    ork.environ["COLUMNS"] = "60"
    assert on_terminal(ork, wide, "--help").text == told


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_is_wrapped_between_words(ork, command):
    ork.environ |= TERMINAL
    assert not on_terminal(ork, 60, command, "--help").broken
    wide = on_terminal(ork, 160, command, "--help").text
    assert max(map(len, wide.splitlines())) <= TEXT_COLUMNS_MAX


def test_commands_stand_beside_each_other_where_a_window_has_room(ork):
    ork.environ |= TERMINAL
    windows = [on_terminal(ork, wide, "--help") for wide in (100, 120)]
    assert [window.broken for window in windows] == [0, 0]
    below, beside = (len(window.text.splitlines()) for window in windows)
    assert beside < below - 10  # and all of it in most windows


def test_many_tasks_stand_beside_each_other_where_a_window_has_room(ork):
    names = [f"t{number:02}" for number in range(60)]
    tasks = "".join(f"  {name}: {{executor: process, command: 'true'}}\n" for name in names)
    bad = "  bad: {executor: process, command: exit 3}\n"
    ork.write("many.yaml", f"name: many\ntasks:\n{bad}{tasks}")
    assert ork("run", "many.yaml").code == 1
    ork.environ |= TERMINAL
    shown = on_terminal(ork, 160, "show", "many#1").text.partition("\n\n")[2].splitlines()
    assert shown[0].startswith("  FAILED   bad")  # on a line of its own
    assert shown.pop().startswith("next: `ork show many#1:bad`")
    rows = [line.split()[1::3] for line in shown[1:]]
    assert len(rows) < 20
    assert [name for column in zip_longest(*rows) for name in column if name] == names  # down first
    narrow = on_terminal(ork, 45, "show", "many#1").text.partition("\n\n")[2].splitlines()
    assert [line.split()[1] for line in narrow[1:] if line.startswith("  ok")] == names


@pytest.mark.parametrize("wide", [60, 100])
def test_long_names_hide_nothing_of_what_is_told_of_them(ork, wide):
    name = "reconcile_" + "all_regions_" * 8
    ends = [f"{region}_into_the_warehouse_of_the_company" for region in ("north", "south")]
    tasks = [f"load_{'customer_orders_' * 5}{end}" for end in ends]
    task = "{executor: process, command: 'true'}"
    ork.write("etl.yaml", f"name: {name}\ntasks: {{{tasks[0]}: {task}, {tasks[1]}: {task}}}\n")
    assert ork("run", "etl.yaml").code == 0
    ork.write("other.yaml", f"name: other\ntasks: {{load: {task}}}\n")
    assert ork("run", "other.yaml").code == 0
    ork.environ |= TERMINAL
    for words in (["runs"], ["runs", f"{name}:{tasks[0]}"]):
        runs = on_terminal(ork, wide, *words).text.split("\n")
        [run] = [line for line in runs if "reconcile" in line]
        assert run.partition("#1 ")[2].split()[0] in ("success", "ok"), words
    shown = on_terminal(ork, wide, "show", f"{name}#1").text.split("\n")
    assert [line.count("ms") for line in shown if line.startswith("  ok")] == [1, 1]
    for revision in ([], [name]):
        shown = on_terminal(ork, wide, "log", "--oneline", *revision)
        assert not shown.broken and shown.text.count("  First dep") == 2 - len(revision)
    for command in (f"show {name}#1", f"blame {name}", f"run {name} --dry-run"):
        shown = on_terminal(ork, wide, *command.split()).text
        assert all(f"...{end[:12]}" in shown for end in ends), command


@pytest.mark.parametrize("wide", [60, 100])
def test_lists_have_a_line_for_each_entry_however_long_names_are(ork, wide):
    name, label = "nightly_" + "reconciliation_" * 7, "the_version_" + "before_the_move_" * 3
    script = f"{'scripts_of_the_warehouse_' * 3}.sh"
    ork.write(script, "exit 0\n")
    ork.write("b.sh", "exit 0\n")
    scripts = {"a": script, "b": "b.sh"}.items()
    tasks = {task: {"executor": "process", "command": f"sh {file}"} for task, file in scripts}
    ork.write("long.yaml", f"name: {name}\nschedule: 0 2 * * *\ntasks: {json.dumps(tasks)}\n")
    assert ork("deploy", "long.yaml", "-m", "First").code == 0
    assert ork("tag", label, name).code == ork("schedule", "pause", name).code == 0
    assert ork("run", name, "--queue").code == ork("schedule", "resume", name).code == 0
    assert ork("init", "../team").code == 0
    assert all(ork("remote", "add", remote, "../team").code == 0 for remote in ("origin", "team"))
    ork.environ |= TERMINAL
    lists = ("tag", "ops", "workflows", "schedule list", "schedule next", "push", "fetch team")
    for command in lists:
        shown = on_terminal(ork, wide, *command.split())
        assert not shown.broken, command
        lines = [line for line in shown.text.split("\n") if "nightly" in line]
        assert lines and all("..." in line for line in lines), command
    [tag] = on_terminal(ork, wide, "tag").text.split("\n")
    assert tag.endswith("  First")
    files = on_terminal(ork, wide, "check", "--files", "long.yaml").text.split("\n")
    assert any(line.split() == ["b.sh", "script", "of", "b"] for line in files)


def test_long_names_stand_in_a_column_where_a_window_has_room(ork):
    names = [name.ljust(length, "x") for name, length in (("a", 51), ("b", 48), ("c", 5))]
    tasks = {name: {"executor": "process", "command": "true"} for name in names}
    ork.write("etl.yaml", f"name: etl\ntasks: {json.dumps(tasks)}\n")
    assert ork("run", "etl.yaml").code == 0
    ork.environ |= TERMINAL
    for command, begin in (("show etl#1", "  ok"), ("runs etl --tasks", "")):
        lines = on_terminal(ork, 160, *command.split()).text.split("\n")
        rows = [line for line in lines if line.startswith(begin) and "xxx" in line]
        assert len({re.search(r"ms|-$", line).start() for line in rows}) == 1, command


def test_a_state_has_one_name_in_counts_and_in_rows(ork):
    commands = {"aa": "true", "bb": "exit 3", "cc": "true"}
    tasks = {name: {"executor": "process", "command": it} for name, it in commands.items()}
    ork.write("w.yaml", f"name: w\ntasks: {json.dumps(tasks)}\n")
    told = ork("run", "w.yaml", "-j", "1", "--fail-fast")
    assert "1 cancelled" in told.out and "  cancelled cc  " in told.err
    counts, _, rows = ork("show", "w#1").out.partition("\n\n")
    assert counts.endswith("1 failed, 1 cancelled, 1 succeeded")
    lines = rows.splitlines()
    told = ["FAILED bb", "cancelled cc", "ok aa"]
    assert [" ".join(line.split()[:2]) for line in lines] == told
    assert len({re.search("aa|bb|cc", line).start() for line in lines}) == 1
    assert "cc  cancelled" in ork("graph", "w#1").out
    assert ork("runs", "w:cc").out.split()[1] == "cancelled"
