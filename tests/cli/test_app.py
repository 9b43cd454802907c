"""The command line as a whole: options for all commands, help, errors, exit codes."""

import errno
import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from ork.cli.app import COMMANDS, PLUMBING, WRITERS, find_command
from ork.cli.reference import reference
from tests.started import Started


def test_a_number_below_the_least_is_said_to_be_so(ork):
    ork("init")
    for words in (("runs", "-n", "-1"), ("log", "-n", "-1"), ("logs", "etl", "--tail", "-1")):
        refused = ork(*words)
        assert refused.code == 2 and "-1 is less than 0" in refused.err
    assert "0 is less than 1" in ork("run", "etl", "-j", "0").err
    assert ork("runs", "-1").code == 0


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ("runs --since", "--since"),
        ("runs --status", "--status"),
        ("log --author", "--author"),
        ("log -S", "-S"),
        ("run etl --only load --only", "--only"),
        ("schedule late --since", "--since"),
    ],
)
def test_an_empty_value_of_an_option_is_refused(ork, argv, name):
    refused = ork(*argv.split(), "")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(f"error: {name} is empty\n")


def test_the_list_of_commands_fits_a_screen(ork):
    result = ork("--help")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    for name, (section, line, _) in COMMANDS.items():
        shown = f"{name:<9}  {line}"
        if section == PLUMBING:
            shown = ", ".join(one for one in COMMANDS if COMMANDS[one][0] == PLUMBING)
        assert [one[13:] for one in lines].count(shown) == 1
    for section in {section for section, _, _ in COMMANDS.values()}:
        assert [one[:13].strip() for one in lines].count(section) == 1
    assert len(lines) <= 56
    assert max(map(len, lines)) < 80
    assert ork("-h").out == result.out


@pytest.mark.slow
def test_the_list_of_commands_is_shown_without_importing_any():
    heavy = ("lmdb", "ruamel", "msgspec", "rich", "blake3")
    rooms = ("history", "heads", "runs", "pictures", "plumbing", "git", "diff", "report")
    for option in ("--help", "--version"):
        script = (
            f"from ork.cli.app import main\nimport sys\nmain([{option!r}])\nprint(*sys.modules)"
        )
        words = [sys.executable, "-c", script]
        shown = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        loaded = set(shown.splitlines()[-1].split())
        assert loaded.isdisjoint({*heavy, *(f"ork.cli.{room}" for room in rooms)})


SLOW = {"asyncio", "ssl", "http", "email", "multiprocessing", "concurrent", "ruamel", "jinja2"}
SLOW |= {"rich", "tomllib", "logging", "xml", "sqlite3", "random"}  # Typer itself imports more
ROOMS = {"ork.runner", "ork.executors", "ork.heads", "ork.worker", "ork.git"}
# What reads files and code; and dataclasses, which cost half a millisecond each to define.
READERS = {"ork.yaml", "ork.code", "ork.definition.task", "ork.definition.reach", "dataclasses"}
WITHOUT = {
    "log": {*SLOW, *ROOMS, *READERS, "ork.differences", "ork.definition"},
    "runs": {*SLOW, *ROOMS, *READERS, "ork.differences", "ork.definition"},
    "show etl": {*SLOW, *ROOMS, *READERS, "ork.differences", "ork.history.details"},
    "show etl:a": {*SLOW, *ROOMS, *READERS, "ork.differences", "ork.history.details"},
    "show etl#1": {*SLOW, *ROOMS, "ork.differences", "ork.code"},
    "diff etl~1 etl": {*SLOW, *ROOMS, *READERS, "ork.store.runs", "ork.worktree.folder"},
    "status": {*SLOW - {"ruamel"}, "ork.runner", "ork.executors", "ork.worker", "ork.git"},
    "deploy etl.yaml": {*SLOW - {"ruamel"}, "ork.runner", "ork.executors", "ork.git"},
    "run etl.yaml": {*SLOW - {"ruamel", "logging", "concurrent", "random"}, "hashlib", "ork.git"},
}


@pytest.mark.slow
@pytest.mark.lmdb
@pytest.mark.turns(3)
@pytest.mark.parametrize("command", WITHOUT)
def test_a_command_imports_nothing_that_it_does_not_use(ork, command):
    text = "name: etl\ntasks:\n  a: {executor: process, command: 'true'}\n"
    ork.write("etl.yaml", text)
    assert ork("run", "etl.yaml").code == 0
    ork.write("etl.yaml", text + "  b: {executor: process, command: 'true'}\n")
    assert ork("deploy", "etl.yaml").code == 0
    script = (
        "import sys\nfrom ork.cli.app import main\ncode = main(sys.argv[1:])\n"
        "assert code == 0\nprint()\nprint(*sys.modules)"
    )
    words = [sys.executable, "-c", script, *command.split()]
    shown = subprocess.run(words, check=True, capture_output=True, text=True, cwd=ork.folder)
    loaded = shown.stdout.splitlines()[-1].split()
    assert {name for name in loaded if _or_above(name) & WITHOUT[command]} == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_no_annotation_of_a_command_has_to_be_compiled_when_it_starts(command):
    # Typer reads them three times; with `from __future__ import annotations` they are texts.
    annotations = find_command(command).__annotations__.values()
    assert [one for one in annotations if isinstance(one, str)] == []


def test_cycles_are_not_looked_for_while_modules_are_imported():
    script = (
        "import gc, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        assert not gc.isenabled() or name.startswith('ork.__main__'), name\n"
        "gc.enable()\nimport ork\nsys.meta_path.insert(0, Finder())\nimport ork.__main__\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    "command",
    ["run etl", "watch etl#1", "logs -f etl#1", "bisect etl --good etl~1 --bad etl", "up"],
)
def test_cycles_are_collected_in_a_command_that_may_last(etl, edit, command):
    """Else `ork up` would grow with each run, without end."""
    assert etl("run", "etl.yaml").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "etl.yaml").code == 0
    script = (
        "import gc, sys, threading, time\n"
        "import ork.__main__\n"
        "from ork.cli.app import main\n"
        "def look():\n"  # while it goes on, or when it has ended
        "    while not gc.isenabled() and command.is_alive():\n"
        "        time.sleep(0.01)\n"
        "    print('collected' if gc.isenabled() else 'never', flush=True)\n"
        "command = threading.main_thread()\n"
        "threading.Thread(target=look).start()\n"
        "main(sys.argv[1].split())\n"
    )
    words = [sys.executable, "-c", script, command]
    done = subprocess.Popen(words, cwd=etl.folder, env=etl.environ, stdout=subprocess.PIPE)
    with done:
        assert done.stdout is not None
        try:
            assert any(b"collected" in line for line in done.stdout)
        finally:
            done.kill()


def test_at_the_end_all_is_printed_and_nothing_taken_down():
    script = (
        "import atexit, sys\nfrom ork.__main__ import entry\nsys.argv[1:] = ['log', '--nosuch']\n"
        "atexit.register(lambda: print('taken down'))\nprint('waits')\nentry()"
    )
    words = [sys.executable, "-c", script]
    shown = subprocess.run(words, check=False, capture_output=True, text=True)
    assert shown.stdout == "waits\n"
    assert shown.returncode == 2


def _or_above(name: str) -> set[str]:
    """Return the name of a module, and of the packages that it lies in."""
    parts = name.split(".")
    return {".".join(parts[:end]) for end in range(1, len(parts) + 1)}


def test_no_arguments_show_the_help(ork):
    result = ork()
    assert result.code == 2
    assert "Usage: ork" in result.out


# What a usage line has in small letters: words that are typed as they stand.
TYPED = {
    *("git", "bundle", "ork-db", "create", "verify", "list", "add", "rm", "bash", "zsh", "fish"),
    *("next", "skips", "late", "pause", "resume", "fire", "backfill"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(ork, command):
    result = ork(command, "--help")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Usage: ork {command} ")
    assert ork(command, "-h").out == result.out
    usage = result.out.partition("\n\n")[0].removeprefix(f"Usage: ork {command} ")
    assert TYPED.issuperset(re.findall("[a-z][a-z-]+", usage)), "a name is written in capitals"


def test_version(ork):
    result = ork("--version")
    assert result.code == 0
    assert result.out.startswith("ork 0.")


@pytest.mark.parametrize(
    ("name", "argv"),
    [
        ("unknown_command", ["lgo"]),
        ("unknown_word", ["xyzzy"]),
        ("bad_color", ["--color", "red", "log"]),
        ("bad_folder", ["-C", "nowhere", "log"]),
    ],
)
def test_a_wrong_command_line(ork, golden, name, argv):
    result = ork(*argv)
    assert (result.code, result.out) == (2, "")
    golden(f"app/{name}.txt", result.err)


def test_help_says_what_an_option_takes_and_not_of_which_type_it_is():
    assert not re.findall(r"<(?:int|float|str|path)\b.*", reference())


@pytest.mark.parametrize(
    ("argv", "word"),
    [
        (["log", "--onelin"], "--oneline"),
        (["log", "-n", "many"], "'many'"),
        (["deploy"], "FILE"),
        (["log", "-n"], "-n"),
        (["status", "surplus"], "surplus"),
    ],
)
def test_a_wrong_option_or_argument(ork, argv, word):
    result = ork(*argv)
    assert (result.code, result.out) == (2, "")
    error, hint = result.err.splitlines()
    assert (error[:7], hint[:6]) == ("error: ", "hint: ")
    assert word in (hint if word == "--oneline" else error)


def test_quiet_commands_tell_only_what_went_wrong(history, tmp_path):
    for line in (
        *("tag -q v1", "rollback etl etl~1 -q", "restore -q", "mv etl load -q", "undo -q"),
        *("archive etl -q", "archive etl --undo -q", "cancel -q --all", "restore etl~1 -q"),
        *(f"backup -q {tmp_path}/b", f"clone -q . {tmp_path}/c"),
        *(f"push {tmp_path}/c -q", f"pull {tmp_path}/c -q"),
    ):
        done = history(*line.split())
        assert (done.code, done.out, done.err) == (0, "", ""), line
    refused = history("mv", "none", "load", "-q")
    assert (refused.code, refused.err.startswith("error: ")) == (3, True)
    refused = history("mv", "etl", "load", "-q", "--json")
    assert (refused.code, "--quiet and --json exclude each other" in refused.err) == (2, True)


# Of those that list or look as well, what they print is the answer.
ANSWER = {"bisect", "gc", "up"}


@pytest.mark.parametrize("command", sorted({*WRITERS, "tag", "restore", "backup"} - ANSWER))
def test_a_command_that_writes_can_be_quiet(ork, command):
    assert "-q, --quiet" in ork(command, "-h").out


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["log", "--at-op", "@{1}"], "`ork --at-op ... log`"),
        (["log", "--no-pager"], "`ork --no-pager log`"),
        (["runs", "-C", "folder"], "`ork -C ... runs`"),
    ],
)
def test_an_option_of_ork_itself_behind_a_command_is_told_its_place(ork, argv, shown):
    result = ork(*argv)
    assert (result.code, result.out) == (2, "")
    assert f"hint: it stands before the command: {shown}" in result.err


def test_errors_as_json(ork):
    written = (["check", "nofile", "--format", "json"], ["graph", "nofile", "--format=json"])
    for argv in (["lgo", "--json"], ["log", "--json", "--nope"], ["log", "--json"], *written):
        result = ork(*argv)
        document = json.loads(result.err)
        assert document["schema"] == "ork.error.v1"
        assert document["data"]["exit_code"] == result.code
        assert document["data"]["message"]


def test_a_store_that_is_not_there_is_named(ork, masked, monkeypatch):
    result = ork("--store", "nowhere", "log")
    assert result.code == 3
    assert masked(result.err).startswith("error: no ork store in PROJECT/nowhere\n")
    ork.environ["ORK_DIR"] = str(ork.folder / "chosen")
    assert masked(ork("log").err).startswith("error: no ork store in PROJECT/chosen\n")


def test_another_store_can_be_chosen(etl, tmp_path, monkeypatch):
    store = str(tmp_path / "elsewhere")
    assert etl("--store", store, "deploy", "etl.yaml").code == 0
    assert not (etl.folder / ".ork").exists()
    assert etl("log").code == 3
    assert etl("--store", store, "log").code == 0
    etl.environ["ORK_DIR"] = store
    assert etl("log").code == 0


@pytest.mark.parametrize("argv", [["log"], ["status"], ["runs", "--json"], ["deploy", "etl.yaml"]])
def test_a_store_of_a_later_format_is_refused(history, argv):
    history.write(".ork/config.json", '{"backend":"lmdb","format":4}')
    result = history(*argv)
    assert (result.code, result.out) == (4, "")
    assert "format 4" in result.err


@pytest.mark.parametrize("argv", [["log"], ["deploy", "etl.yaml"], ["undo"]])
def test_a_store_of_the_first_format_is_refused_with_the_way_on(history, argv):
    history.write(".ork/config.json", '{"backend":"lmdb","format":1}')
    result = history(*argv)
    assert (result.code, result.out) == (4, "")
    assert "made by an ork that was never released" in result.err
    assert "`ork export git REPOSITORY WORKFLOW`" in result.err


def test_a_lost_race_has_its_own_exit_code(etl, monkeypatch):
    # Whoever else moves the head between our look and our write, again and again, wins.
    from ork.errors import Conflict
    from ork.heads import deploy as deploying

    def lose(*_args, **_options):
        raise Conflict("workflows/etl was moved by somebody else; nothing was written")

    monkeypatch.setattr(deploying, "refuse_archived", lose)
    assert etl("deploy", "etl.yaml").code == 5


def test_a_terminal_is_shown_short_oids_and_relative_dates(history, terminal):
    shown = terminal("--color", "never", "log", "etl~2")
    short = history("rev-parse", "--short", "etl~2^{snapshot}").out
    assert f"snapshot {short}" in shown
    assert "ago)" in shown or "(in " in shown


@pytest.mark.slow
def test_the_pager_gets_long_answers(history, terminal):
    assert terminal("log", "etl", PAGER="sed s/^/paged:/").startswith("paged:")
    assert terminal("log", "etl", PAGER="cat", ORK_PAGER="sed s/^/mine:/").startswith("mine:")
    assert "paged" not in terminal("--no-pager", "log", "etl", PAGER="sed s/^/paged:/")
    assert "snapshot" not in terminal("log", "etl", PAGER="true")
    shown = terminal("log", "etl", PAGER="echo $LESSCHARSET", LC_ALL="C")
    assert shown.startswith("utf-8")  # as which it is written, whatever the locale is
    cannot = [
        {"PAGER": "sed s/^/paged:/ | grep -v snapshot", "TERM": term} for term in ("", "dumb")
    ]
    for there_is_none in (*cannot, {"PAGER": "nosuch -x"}, {"PAGER": "less", "PATH": ""}):
        assert "snapshot" in terminal("log", "etl", **there_is_none)


def start(ork, *argv, **options):
    return Started(
        *argv,
        cwd=ork.folder,
        env=ork.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def test_a_reader_that_goes_away_is_no_error(history):
    read, write = os.pipe()
    os.close(read)
    child = subprocess.run(
        [sys.executable, "-m", "ork", "log", "-p"],
        cwd=history.folder,
        env=history.environ,
        stdout=write,
        stderr=subprocess.PIPE,
    )
    os.close(write)
    assert child.stderr == b""
    assert child.returncode == 0


def test_output_is_utf8_in_every_locale(history):
    history("run", "etl")
    history.write("etl.yaml", (history.folder / "etl.yaml").read_text().replace("600", "601"))
    history("deploy", "etl.yaml", "-m", "Grüße \U0001f600")
    history.environ["LC_ALL"] = "POSIX"
    out, err = start(history, "log", "--oneline", "-n", "1").communicate()
    assert "Grüße \U0001f600" in out.decode()
    assert err == b""


@pytest.mark.slow
def test_names_of_files_are_the_same_in_every_locale(ork):
    task = "{executor: python, file: größe.py, env: {WORD: 日本}}"
    ork.write("w.yaml", f"name: w\ninclude: ['*.txt']\ntasks: {{a: {task}}}\n")
    ork.write("größe.py", "import os\ndef main(): return os.environb[b'WORD'].decode()\n")
    ork.write("日.txt", "")
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "ork", "run", "w.yaml", "-m", "日本"],
        cwd=ork.folder,
        env=ork.environ | ascii_only,
        capture_output=True,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert ork("status").out.startswith("unchanged")
    assert "日本" in ork("outputs", "w").out
    assert "日本" in ork("log").out


def test_a_bug_is_told_with_a_traceback(history, monkeypatch):
    from ork.history import log as module

    monkeypatch.setattr(module, "tags_of", lambda *_: 1 // 0)
    result = history("log")
    assert result.code == 70
    assert "ZeroDivisionError" in result.err
    assert "this is a bug in ork" in result.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--json runs", ("--json is an option of `ork runs`", "`ork runs --json`")),
        ("--oneline log etl", ("--oneline is an option of `ork log`", "`ork log --oneline`")),
        ("--nope log", ("there is no option --nope", "`ork --help` explains it")),
        ("--json --help", ("there is no option --json", "`ork --help` explains it")),
    ],
)
def test_an_option_of_a_command_before_it_is_told_its_place(ork, words, told):
    refused = ork(*words.split())
    assert (refused.code, refused.out) == (2, "")
    assert all(one in refused.err for one in told)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("log -n x", "-n: 'x' is no whole number"),
        ("logs --tail -1", "-n / --tail: -1 is less than 0"),
        ("log -n", "-n needs a value"),
        ("run --timeout soon", "--timeout: write 90, 30s, 5m or 1h30m"),
        ("runs --json=x", "--json takes no value"),
        ("report etl", "-o / --output is missing"),
        ("bundle", "`ork bundle` needs a word behind it: create or verify or list"),
        ("export", "`ork export` needs a word behind it: git"),
        ("import x.bundle", "`ork import` needs a word before 'x.bundle': git or bundle or ork-db"),
        ("bundle etl", "`ork bundle` needs a word before 'etl': create or verify or list"),
        ("bundle create", "FILE is missing"),
        ("log --wrong", "there is no option --wrong"),
    ],
)
def test_what_is_wrong_with_a_line_is_told_as_anything_else(ork, words, told):
    refused = ork(*words.split())
    name = words.split()[0]
    assert refused.err == f"error: {told}\nhint: `ork {name} --help` explains it\n"
    assert (refused.code, refused.out) == (2, "")


def test_an_option_that_is_like_a_parameter_is_told_how_it_is_given(ork):
    text = """
        name: etl
        params: {day: {type: str, default: "1"}}
        tasks: {a: {executor: process, command: 'true'}}
        """
    ork.write("etl.yaml", text)
    meant = "hint: a parameter is given as `-i day=VALUE`\n"
    assert meant in ork("run", "etl.yaml", "--day", "2").err  # which is not deployed yet
    assert ork("deploy", "etl.yaml").code == 0
    assert meant in ork("run", "etl", "--dya=2").err
    assert meant in ork("runs", "--day", "2").err
    for words in ("runs --trigger", "run --help-grid", "bisect --frobnicate", "run etl -x"):
        assert "-i" not in ork(*words.split()).err


@pytest.fixture
def typed(etl):
    """A function that types a command, and then each that its hints name: these it returns."""
    here = {"cwd": etl.folder, "env": etl.environ, "capture_output": True, "text": True}
    (etl.folder / "my flows/below").mkdir(parents=True)
    assert etl("init", "my flows").code == 0

    def type_(*words):
        said = subprocess.run([sys.executable, "-m", "ork", *words], **here, check=True)
        hints = re.findall("`(ork [^`]+)`", said.stderr)
        for hint in hints:
            done = subprocess.run(["sh", "-c", hint], **here)
            assert done.returncode == 0, (hint, done)
        return hints

    return type_


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("logs etl#1 load", "a part is written with a colon: `ork logs etl#1:load`"),
        ("outputs etl load", "a part is written with a colon: `ork outputs etl:load`"),
        ("show etl:load extract", "`ork show --help` explains it"),
        ("run etl -i day 2026-01-01", "a parameter is given as `-i day=2026-01-01`"),
        ("run etl 2026-01-01", "a parameter is given as `-i NAME=2026-01-01`"),
        ("run day.yaml today", "a parameter is given as `-i day=today`"),
        ("run etl day=2026-01-01", "a parameter is given as `-i day=2026-01-01`"),
        (
            "run etl -i day=2026-01-01 load",
            "`--only load` runs that task alone, `--until load` what it needs as well",
        ),
        ("run etl.yaml other.yaml", "`ork run --help` explains it"),
        ("run etl 'why=a b'", "a parameter is given as `-i 'why=a b'`"),
        ("run etl -i why 'a b'", "a parameter is given as `-i 'why=a b'`"),
        ("logs 'etl@{a b}' x", "a part is written with a colon: `ork logs 'etl@{a b}:x'`"),
        (
            "run etl 'a b'",
            "`--only 'a b'` runs that task alone, `--until 'a b'` what it needs as well",
        ),
    ],
)
def test_a_word_too_many_is_told_its_place(ran, words, hint):
    ran.write(
        "day.yaml", "name: d\nparams: {day: date}\ntasks: {a: {executor: shell, command: ls}}"
    )
    typed = shlex.split(words)
    result = ran(*typed)
    assert (result.code, result.out) == (2, "")
    word = shlex.quote(typed[-1])
    assert result.err == f"error: too many arguments: {word}\nhint: {hint}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("-C", "my flows"),
        ("-C", "my flows/below", "-C", ".."),
        ("--store", "my flows"),
        ("-C", "my flows/below", "--store", "../../another one"),
    ],
)
def test_what_a_hint_says_to_type_works_where_the_command_was_typed(typed, etl, options):
    asked = ("deploy", str(etl.folder / "etl.yaml")), ("run", "etl"), ("schedule", "pause", "etl")
    hints = [hint for words in asked for hint in typed(*options, *words)]
    assert [hint.rpartition("etl")[0].split()[-1] for hint in hints[:3]] == [
        "run",
        "show",
        "resume",
    ]
    assert len(hints) == 4
    refused = etl(*options[:2], "dag", "--json")
    assert f"`ork {options[0]} '{options[1]}' graph`" in json.loads(refused.err)["data"]["hint"]


@pytest.mark.slow
def test_a_hint_that_names_a_place_names_it_from_where_the_command_worked(typed, etl):
    typed("-C", "my flows", "deploy", str(etl.folder / "etl.yaml"))
    hints = typed("-C", "my flows", "clone", ".", "../copy of it")
    verbs = ("restore --all --code", "pull")
    assert hints == [f"ork -C 'my flows' -C '../copy of it' {verb}" for verb in verbs]
    told = etl("init", "--example", "shell", "first one").err
    assert "next: `ork -C 'first one' run hello.yaml`\n" in told
    assert "hint: `ork init --store sqlite:" in etl("--store", "sqlite:nowhere", "log").err


def test_a_machine_without_room_for_a_thread_is_told(ork, monkeypatch):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")

    def refuse(*_):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading._start_new_thread", refuse)
    done = ork("run", "w.yaml")
    assert (done.code, "Traceback" in done.err) == (4, False)
    assert "error: no thread can be started\nhint: end some processes" in done.err


@pytest.mark.parametrize("kind", ["lmdb", "sqlite", "files"])
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_told(ork, monkeypatch, kind, code):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")
    assert ork("init", "--store", f"{kind}:").code == 0

    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", refuse)
    done = ork("run", "w.yaml")
    assert done.code == 4
    assert f"{ork.folder}/.ork/" in done.err
    assert os.strerror(code) in done.err
    assert "hint: " in done.err
    assert "(flock)" in done.err or "on a local disk" in done.err


@pytest.mark.parametrize("words", ["log", "run w.yaml", "init", "check w.yaml", "clone a b"])
def test_a_folder_that_was_removed_below_us_is_told(ork, tmp_path, monkeypatch, words):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = ork(*words.split())
    assert (done.code, done.err.partition("\n")[0]) == (
        4,
        "error: the folder that you are in was removed",
    )
