"""ork completion: what may follow on a line, and in the shells themselves"""

import os
import pty
import re
import select
import shutil
import subprocess
import time
import warnings

import pytest
import typer

from ork.cli.app import COMMANDS, program
from ork.cli.completion import LISTS, SCRIPTS, VALUES

FLOW = "name: new\ntasks: {a: {executor: process, command: ls}}\n"
ORDERED = re.compile("report.*restore.*retry.*remote.*rev-parse", re.DOTALL)
BREAKS = " \t\n\"'@><=;|&(:"  # those of bash


@pytest.fixture
def ready(history, once):
    """The world of `history` with a tag and a run."""

    def steps():
        history("tag", "v1", "etl~1")
        history("remote", "add", "origin", "../team")
        assert history("run", "etl", "--only", "extract").code == 0

    once("ready", steps)
    return history


def words(ork, line):
    said = ork("completion", "fish", "--line", line)
    assert (said.code, said.err) == (0, "")
    return [one.partition("\t")[0] for one in said.out.splitlines()]


def test_commands_and_options(ork, golden):
    assert words(ork, "ork ") == [*COMMANDS, "help"]
    assert words(ork, "ork help re") == [name for name in COMMANDS if name.startswith("re")]
    assert words(ork, "ork help log ") == []
    assert words(ork, "ork ls") == ["ls-tree"]
    assert words(ork, "ork log --o") == ["--oneline"]
    golden("completion/commands.txt", ork("completion", "fish", "--line", "ork l").out)


def test_names_come_from_the_store(ready, golden):
    for line in ("ork log ", "ork retry --latest ", "ork show etl#", "ork undo "):
        said = ready("completion", "fish", "--line", line).out
        name = re.sub(r"\W+", "-", line).strip("-")
        golden(f"completion/{name}.txt", re.sub(r"\d+ \w+ ago|in \d+ \w+", "AGO", said))


def test_beside_a_renamed_workflow_its_last_run_is_told_as_it_ran(ready):
    assert ready("mv", "etl", "load").code == 0
    assert ready("completion", "fish", "--line", "ork runs l").out.startswith("load\tetl#1 ")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ork show etl:ex", ["etl:extract"]),
        ("ork show etl:ta", ["etl:tasks/etl.py"]),
        ("ork diff etl@v1..etl@", ["etl@v1..etl@v1"]),
        ("ork run etl --only ex", ["extract"]),
        ("ork run etl.yaml --until ex", ["extract"]),
        ("ork run et", ["etl.yaml", "etl", "etl@v1"]),
        ("ork check ", ["etl.yaml", "tasks/"]),
        ("ork check tasks/", []),
        ("ork runs --status=fa", ["--status=failed"]),
        ("ork runs --status fa", ["failed"]),
        ("ork runs --status failed,su", ["failed,success"]),
        ("ork runs --status failed,fa", []),
        ("ork runs etl:", ["etl:extract", "etl:load"]),
        ("ork logs etl#1:", ["etl#1:extract", "etl#1:load"]),
        ("ork show @#", ["@#1"]),
        ("ork logs @#1:", ["@#1:extract", "@#1:load"]),
        ("ork bundle ver", ["verify"]),
        ("ork export ", ["git"]),
        ("ork graph --format s", ["svg"]),
        ("ork -C tasks run et", ["etl", "etl@v1"]),
        ("ork blame 'etl:ta", ["etl:tasks/etl.py"]),
        ("ork -C t", ["tasks/"]),
        ("ork -C e", []),
        ("ork log etl ", []),
        ("ork log etl -- ", ["extract", "load", "load.sh", "tasks/etl.py"]),
        ("ork log -- load ex", ["extract"]),
        ("ork diff etl@v1 ", ["etl"]),
        ("ork diff etl etl@v1 ", []),
        ("ork diff etl@v1..etl -- ta", ["tasks/etl.py"]),
        ("ork check etl.yaml ", ["tasks/"]),
        ("ork nonsense ", []),
        ("ork show nonsense:", []),
        ("ork mv ", ["etl"]),
        ("ork mv etl ", []),
        ("ork tag ", []),
        ("ork tag -d ", ["etl@v1"]),
        ("ork tag -l ", ["etl"]),
        ("ork remote rm ", ["origin"]),
        ("ork remote add ", []),
        ("ork push ", ["origin"]),
        ("ork log --since ", []),
        ("ork runs --until ", []),
        ("ork runs --trigger s", ["schedule"]),
        ("ork runs etl --ta", ["--tasks"]),
        ("ork push --runs ", ["all", "none"]),
        ("ork init --store s", ["sqlite:", "s3:"]),
        ("ork clone there --store s", ["sqlite:"]),
        ("ork init --from ta", ["tasks/"]),
        ("ork bundle create f --since etl@", ["etl@v1"]),
        ("ork export git ", ["tasks/"]),
        ("ork export git there ", ["etl"]),
        ("ork export git --stream ", ["etl"]),
        ("ork hash-object load", ["load.sh"]),
        ("ork diff 'unfinished", []),
    ],
)
def test_what_may_follow(ready, line, found):
    assert words(ready, line) == found


# Of such a value nobody but the user knows what it may be.
ANY = re.compile(
    "N|TEXT|TIME|DURATION|REGEX|PATTERN|COMMAND|NEW|NAME|HEADER|ADDRESS:PORT|OLD=NEW|FILE.GLOB"
)
THERE = [("import", "--branch"), ("export", "--branch")]  # in a repository of git


@pytest.mark.parametrize("command", COMMANDS)
def test_of_each_parameter_the_values_are_known_or_anything_goes(command):
    main = program()
    for param in main.get_command(typer.Context(main), command).params:
        if not getattr(param, "is_flag", False) and not getattr(param, "hidden", False):
            listed = re.search(r"(^|[|\[])[a-z-]+([|\]]|$)", param.metavar)
            known = listed or param.name in LISTS or param.name in VALUES
            anything = bool(ANY.fullmatch(param.metavar)) or (command, param.opts[0]) in THERE
            assert anything is not bool(known) or command == "tag", (command, param.opts)


def test_params_are_named(etl):
    etl("deploy", "etl.yaml")
    text = (etl.folder / "etl.yaml").read_text()
    etl.write(
        "etl.yaml",
        text.replace(
            "tasks:\n", "params: {day: {default: today}, all: {default: false}}\ntasks:\n", 1
        ),
    )
    etl("deploy", "etl.yaml")
    said = etl("completion", "fish", "--line", "ork run etl -i ").out
    assert said == "all=\telse false\nday=\telse today\n"


def test_parameters_of_a_file_that_is_not_deployed(ork):
    ork.write("new.yaml", FLOW + "params: {day: date, size: {type: int, default: 3}}\n")
    said = ork("completion", "fish", "--line", "ork run new.yaml -i ").out
    assert said == "day=\trequired\nsize=\telse 3\n"


def test_a_rollback_is_offered_versions_of_its_workflow_alone(ready):
    ready("tag", "new@v1", ready("deploy", str(ready.write("new.yaml", FLOW))).out.split()[0])
    assert words(ready, "ork log ") == ["etl", "new", "etl@v1", "new@v1"]
    assert words(ready, "ork rollback ") == ["etl", "new"]
    assert words(ready, "ork rollback etl ") == ["etl", "etl@v1"]
    assert words(ready, "ork rollback etl etl#") == ["etl#1"]
    assert words(ready, "ork rollback new ") == ["new", "new@v1"]


def test_who_cancels_is_offered_what_goes_on(ready):
    look = "ork completion fish --line 'ork cancel '"
    ready.write(
        "look.yaml", f'name: look\ntasks: {{a: {{executor: process, command: "{look}"}}}}\n'
    )
    assert ready("run", "look.yaml").code == 0
    assert ready("logs", "look#1").out.split("\t")[0].endswith("look#1")
    assert words(ready, "ork cancel ") == []
    for option in ("--all", "-a", "--queue"):
        assert words(ready, f"ork cancel {option} ") == ["etl", "look"]


def test_who_retries_is_offered_what_did_not_succeed(ready):
    ready.write("bad.yaml", "name: bad\ntasks: {a: {executor: process, command: test -e ok}}\n")
    assert ready("run", "bad.yaml").code == 1
    assert words(ready, "ork retry ") == ["bad", "bad#1"]
    assert words(ready, "ork retry etl#") == []
    assert words(ready, "ork retry --only a etl#") == ["etl#1"], "a new run begins"
    assert words(ready, "ork retry --failed ") == ["bad", "etl", "bad#1", "etl#1"]
    ready.write("ok", "")
    assert ready("retry", "bad").code == 0
    assert words(ready, "ork retry bad") == []


@pytest.mark.slow
def test_who_retries_is_offered_versions_of_which_a_run_failed_and_tasks_of_that(ready):
    task = "executor: process, command: test -e ok"
    ready.write("bad.yaml", f"name: bad\ntasks: {{a: {{{task}}}, b: {{{task}}}}}\n")
    ready.write("never.yaml", "name: never\ntasks: {a: {executor: process, command: ls}}\n")
    assert ready("run", "bad.yaml").code == 1
    assert ready("deploy", "never.yaml").code == 0
    for name in ("bad", "never", "etl"):
        assert ready("tag", f"{name}@now", name).code == 0
    for line in ("clone . ../team", "remote add origin ../team --force", "fetch"):
        assert ready(*line.split()).code == 0
    assert words(ready, "ork retry ") == ["bad", "bad#1", "bad@now", "origin/bad"]
    assert words(ready, "ork logs ne") == words(ready, "ork watch never@") == []
    assert words(ready, "ork show nev") == ["never", "never@now"]
    for option in ("--from", "--only"):
        assert words(ready, f"ork retry bad#1 {option} ") == ["a", "b"]


def test_of_put_away_and_paused_workflows_those_are_offered_that_are(ready):
    for name in ("day", "night"):
        ready.write(f"{name}.yaml", f'name: {name}\nschedule: "@daily"\n{FLOW[10:]}')
    assert ready("deploy", "day.yaml", "night.yaml").code == 0
    assert words(ready, "ork archive --undo ") == []
    assert words(ready, "ork schedule resume ") == []
    assert words(ready, "ork schedule next ") == ["day", "etl", "night"]
    assert ready("schedule", "pause", "night").code == 0
    assert words(ready, "ork schedule resume ") == ["night"]
    assert words(ready, "ork schedule pause ") == ["day", "etl"]
    assert ready("archive", "day").code == 0
    assert words(ready, "ork archive ") == ["etl", "night"]
    assert words(ready, "ork archive --undo ") == ["day"]


def test_without_a_store_there_are_files(ork):
    ork.write("new.yaml", FLOW)
    assert words(ork, "ork run ") == ["new.yaml"]
    assert words(ork, "ork show ") == []


def test_bash_replaces_what_follows_a_break(ready):
    def given(line):
        return ready("completion", "bash", "--line", line, "--breaks", BREAKS).out.splitlines()

    assert given("ork show etl:ex") == ["extract "]
    assert given("ork show etl@") == ["@v1 "]
    assert given("ork show etl#") == ["etl#1 "]
    assert given("ork runs --status=fa") == ["failed "]
    assert given("ork init --store sq") == ["sqlite:"]
    ready.write("a b.yaml", "")
    assert given("ork check a") == ["a\\ b.yaml "]
    assert given("ork check a\\ ") == ["a\\ b.yaml "]
    assert given('ork check "a b') == ["a b.yaml"]
    assert given('ork check a" ') == [" b.yaml"]
    assert given('ork check "a "b') == ["a\\ b.yaml "]
    assert given("ork show etl\\:ex") == ["etl:extract "]
    assert given("ork show 'etl:ex") == ["etl:extract"]


def test_a_shell_that_is_unknown(ork):
    refused = ork("completion", "tcsh")
    assert (refused.code, "bash, zsh and fish" in refused.err) == (2, True)


def shell(name):
    """Return the path of a shell; the test is left out, loudly, where it is not installed."""
    path = shutil.which(name)
    if path is None:
        warnings.warn(f"{name} is not installed: its completion was not tried", stacklevel=2)
        pytest.skip(f"{name} is not installed")
    return path


@pytest.mark.slow
def test_in_bash(ready):
    script = (
        'eval "$(ork completion bash)"; COMP_LINE="ork show etl:ex"; COMP_POINT=${#COMP_LINE};'
        ' _ork ork; printf "<%s>" "${COMPREPLY[@]}"; complete -p ork'
    )
    done = subprocess.run(
        [shell("bash"), "-c", script],
        cwd=ready.folder,
        env=ready.environ,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (
        "<extract >complete -o nosort -o nospace -F _ork ork\n",
        "",
    )


@pytest.mark.slow
def test_in_fish(ready):
    done = subprocess.run(
        [shell("fish"), "-c", 'ork completion fish | source; complete -C "ork show etl:ex"'],
        cwd=ready.folder,
        env=ready.environ,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("etl:extract\ttask\n", "")


STARTED = {
    "bash": (["--norc", "--noprofile", "-i"], 'eval "$(ork completion bash)"'),
    "zsh": (["-f", "-i"], 'eval "$(ork completion zsh)"'),
    "zsh with compinit": (
        ["-f", "-i"],
        'autoload -U compinit; compinit -u; eval "$(ork completion zsh)"',
    ),
    "fish": (["--no-config", "-i"], "ork completion fish | source"),
}
SHELLS = ["bash", *(pytest.param(name, marks=pytest.mark.slow) for name in ("zsh", "fish"))]


@pytest.fixture
def typing(ready):
    """A function that starts a shell and returns another, which types keys and waits for a text."""
    begun = []

    def start(name):
        path, (options, line) = shell(name.split()[0]), STARTED[name]
        child, terminal = pty.fork()
        if child == 0:
            os.chdir(ready.folder)
            os.execve(path, [path, *options], {**ready.environ, "TERM": "xterm", "PS1": "% "})
        begun.append((child, terminal))
        type_and_wait(terminal, f"{line}\r", "")
        type_and_wait(terminal, "echo rea''dy\r", "ready")
        return lambda keys, wanted: type_and_wait(terminal, keys, wanted)

    yield start
    for child, terminal in begun:
        os.close(terminal)
        os.waitpid(child, 0)


@pytest.mark.parametrize(
    "name", [*SHELLS, pytest.param("zsh with compinit", marks=pytest.mark.slow)]
)
def test_in_the_shell_itself(typing, name):
    typing(name)("ork show etl:ex\t", "etl:extract")


@pytest.mark.parametrize("name", SHELLS)
def test_the_path_of_a_url_goes_on_where_its_scheme_ends(typing, name):
    keys = typing(name)
    keys("ork init --store sq\t", "sqlite:")
    keys("here\x01echo \r", re.compile("ork init --store sqlite:here"))


@pytest.mark.parametrize("name", SHELLS)
def test_a_tag_is_completed_behind_its_sign(typing, name):
    keys = typing(name)
    keys("ork show etl@\t", "v1")
    keys("\x01echo \r", "ork show etl@v1")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHELLS)
def test_what_may_follow_stands_in_the_order_of_ork(typing, name):
    typing(name)("ork help re\t\t" if name == "bash" else "ork help re\t", ORDERED)


@pytest.mark.slow
def test_a_list_in_zsh_is_no_taller_or_wider_than_its_window(typing):
    keys = typing("zsh")
    keys("stty columns 40 rows 20; echo $COLUMNS''x$LINES\r", "40x20")
    shown = keys("ork help re\t", ORDERED)
    assert "report  -- Write a change" in shown
    assert all(len(line) < 40 for line in shown.splitlines() if " -- " in line)
    assert " -- " not in keys("\x15ork \t", "ls-tree")


@pytest.mark.slow
@pytest.mark.parametrize("name", SHELLS)
def test_paths_with_spaces_are_completed_part_after_part(ready, typing, name):
    ready.write("my flows/deep er/x y.yaml", FLOW)
    keys = typing(name)
    keys("ork check my\t", "my\\ flows/")
    keys("\t", "deep\\ er/")
    keys("\t", "x\\ y.yaml")
    keys("\r", "x y.yaml: good")
    keys("ork -C my\\ flows check dee\t", "deep\\ er/")
    keys("\t\r", "x y.yaml: good")


@pytest.mark.slow
def test_a_quote_that_is_open_is_gone_on_with_in_bash(ready, typing):
    ready.write("my $flows/x y.yaml", FLOW)
    keys = typing("bash")
    keys('ork check "my\t', '"my \\$flows/"')
    keys("\t", "x\\ y.yaml")
    keys("\r", "x y.yaml: good")
    keys('ork check "my "\\$flows/"x "\t', "y.yaml")
    keys("\r", "x y.yaml: good")
    keys("ork check 'my $flows/x\t", "'my $flows/x y.yaml'")
    keys("\r", "x y.yaml: good")


def type_and_wait(terminal, keys, wanted):
    """Type keys, and read what the terminal shows until a text or pattern is in it; return it."""
    os.write(terminal, keys.encode())
    shown, deadline = "", time.monotonic() + 20
    pattern = wanted if isinstance(wanted, re.Pattern) else re.compile(re.escape(wanted))
    while not pattern.search(text := re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]|.\x08|\x07", "", shown)):
        assert time.monotonic() < deadline, repr(shown)
        if select.select([terminal], [], [], 1)[0]:
            shown += os.read(terminal, 65536).decode("utf-8", "replace")
    return text


def test_each_shell_has_a_script_that_says_where_it_goes(ork):
    for name, script in SCRIPTS.items():
        assert ork("completion", name).out == script
        assert f"ork completion {name}" in script.splitlines()[0] + script.splitlines()[1]
