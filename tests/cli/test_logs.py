"""ork logs"""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ork import open as open_store
from ork.cli.runs.logs import Lines, drawn_lines
from ork.errors import NotFound
from ork.logs.begun import Beginnings
from ork.logs.drawn import BARS_MAX, LastStates, last_part, last_states
from ork.logs.reading import Growing, last_line, last_words, pieces
from ork.logs.writing import Slots
from ork.objects import kinds
from tests.cli.screen import Child
from tests.runner.suite import eventually
from tests.started import Started


def test_logs_of_a_run_follow_each_other(ran, golden):
    result = ran("logs", "etl#1")
    assert (result.code, result.err) == (0, "")
    golden("logs/run.txt", result.out)
    golden("logs/run.json", ran("logs", "etl#1", "--json").out)


def test_a_workflow_means_its_newest_run(ran):
    assert ran("logs", "etl").out == ran("logs", "etl#2").out == ran("logs").out
    assert ran("logs", "etl~1").out == ran("logs", "etl#1").out


@pytest.mark.parametrize("follow", [(), ("-f",)])
def test_which_run_is_shown_is_told_who_named_none(ork, follow):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: echo one}}\n")
    assert ork("run", "w.yaml").code == ork("run", "w.yaml").code == 0
    for revision in ("w", "w:a", "@"):
        assert ork("logs", revision, *follow).err == "note: logs of w#2\n"
    assert ork("logs", "w#1", *follow).err == ""


def test_one_log_comes_as_it_is(ran):
    assert ran("logs", "etl#2:load").out == 'loading {"rows": 4}\n'
    run = json.loads(ran("runs", "-n", "1", "--json").out)["data"][0]["run"]["id"]
    assert ran("logs", f"run:{run}:load").out == 'loading {"rows": 4}\n'


@pytest.fixture
def fan(ork):
    """A run of two tasks of a group and one beside them."""
    ork.write(
        "fan.yaml",
        """\
        name: fan
        tasks:
          x_1: {executor: process, command: 'echo one; exit 3'}
          x_2: {executor: process, command: "echo 'ORK_OUTPUT:{\\"n\\": 2}'"}
          y: {executor: process, command: 'echo three'}
        """,
    )
    assert ork("run", "fan.yaml").code == 1
    return ork


def test_a_pattern_means_several_tasks(fan):
    both = fan("logs", "fan:x_*")
    assert (both.code, both.err) == (0, "")
    heads = [line for line in both.out.splitlines() if line.startswith("==>")]
    assert sorted(heads) == ["==> x_1 (attempt 1) <==", "==> x_2 (attempt 1) <=="]
    assert fan("logs", "fan:x_[1-9]").out == both.out
    assert fan("logs", "fan:x_*", "--failed").out.endswith("==> x_1 (attempt 1) <==\none\n")
    assert fan("logs", "fan:*y*").out == "three\n", "one that is meant alone comes as it is"
    assert fan("logs", "fan:[xy]_2", "--failed").err == "fan#1:x_2 has not failed\n"
    followed = fan("logs", "-f", "fan:x_*").out.splitlines()
    assert sorted(followed) == ["x_1 | one", 'x_2 | ORK_OUTPUT:{"n": 2}']
    none = fan("logs", "fan:z_*")
    assert (none.code, none.err.splitlines()[0]) == (3, "error: fan#1 has no task 'z_*'")


def test_outputs_of_several_tasks_are_an_object(fan):
    assert json.loads(fan("outputs", "fan:x_*").out) == {"x_2": {"n": 2}}
    assert json.loads(fan("outputs", "fan:x_*", "--json").out)["data"] == {"x_2": {"n": 2}}
    assert json.loads(fan("outputs", "fan:x_2", "--json").out)["data"] == {"x_2": {"n": 2}}


def test_only_what_failed(ran):
    assert ran("logs", "etl#2", "--failed").out.splitlines()[0] == "==> load (attempt 1) <=="
    none = ran("logs", "etl#1", "--failed")
    assert (none.code, none.out, none.err) == (0, "", "no task of etl#1 failed\n")
    assert ran("logs", "etl#2:extract", "--failed").err == "etl#2:extract has not failed\n"


def test_a_run_without_any_log_says_so(ork):
    ork.write(
        "s.yaml",
        "name: s\nparams: {full: {type: bool, default: false}}\ntasks:\n"
        "  a: {executor: process, command: 'true', when: {ref: params.full}}\n",
    )
    assert ork("run", "s.yaml").code == 0
    assert ork("logs", "s#1").err == "no task of s#1 has a log\n"


def test_one_of_several_attempts(etl):
    etl.write(
        "etl.yaml",
        """\
        name: etl
        tasks:
          flaky: {executor: process, command: 'echo try $ORK_ATTEMPT; exit 1', retries: 1}
        """,
    )
    assert etl("run", "etl.yaml").code == 1
    assert etl("logs", "etl:flaky").out == "try 2\n"
    assert etl("logs", "etl:flaky", "--attempt", "1").out == "try 1\n"
    result = etl("logs", "etl:flaky", "--attempt", "3")
    assert (result.code, result.out) == (3, "")
    assert "no attempt 3" in result.err
    assert etl("logs", "etl:flaky", "--attempt", "0").code == 2


@pytest.mark.parametrize(
    ("revision", "message"),
    [
        ("etl#9", "the newest is etl#2"),
        ("etl:lod", "has no task 'lod'"),
        ("etl:load.rows", "has no task 'load.rows'"),
        ("elt", "did you mean etl?"),
        ("etl~3", "has not run"),
    ],
)
def test_logs_that_are_not_there(ran, revision, message):
    result = ran("logs", revision)
    assert (result.code, result.out) == (3, "")
    assert message in result.err


NO_LOGS = """\
    name: lost
    tasks:
      give: {executor: process, command: "echo 'ORK_OUTPUT:{\\"a\\": 1, \\"b\\": 2}'"}
      take:
        executor: process
        command: 'cat'
        depends_on: [give]
        inputs: {x: {ref: tasks.give.output.y}}
      last: {executor: process, command: 'true', depends_on: [take]}
      typed: {executor: process, command: 'true', output_type: {a: int}}
"""


def test_the_reason_stands_in_place_of_a_log(ork):
    ork.write("lost.yaml", NO_LOGS)
    assert ork("run", "lost.yaml").code == 1
    take = "note: lost#1:take has no log: input x: tasks.give.output.y: there is no field 'y'"
    last = "note: lost#1:last has no log: skipped: take failed\n"
    typed = "note: lost#1:typed printed nothing: output: expected {a: int}, got null"
    typed += ": has it printed a line `ORK_OUTPUT:{...}`?\n"
    for name, told in (("take", f"{take} among a, b\n"), ("last", last), ("typed", typed)):
        result = ork("logs", f"lost:{name}")
        assert (result.code, result.out, result.err) == (0, "", told)
    assert ork("logs", "-f", "lost:last").err == last
    for argv in (("lost", "--failed"), ("lost",), ("lost:take", "--failed")):
        result = ork("logs", *argv)
        assert take in result.err
        assert "lost#1:last" not in result.err, "what it lacks has told why"
        assert "take" not in result.out
    listed = json.loads(ork("logs", "lost:take", "--json").out)["data"]
    assert [(one["attempt"], one["reason"][:8], one["data"]) for one in listed] == [
        (0, "input x:", "")
    ]
    assert "state    skipped - take failed\n" in ork("show", "lost#1:last").out
    with open_store(ork.folder) as project, pytest.raises(NotFound, match="skipped: take failed"):
        project.logs("lost#1:last")


def test_tasks_that_printed_nothing_are_counted(ork):
    ork.write(
        "quiet.yaml",
        """\
        name: quiet
        tasks:
          a: {executor: process, command: 'true'}
          b: {executor: process, command: 'echo here', depends_on: [a]}
          c: {executor: process, command: 'true', depends_on: [b]}
        """,
    )
    assert ork("run", "quiet.yaml").code == 0
    result = ork("logs", "quiet")
    assert result.out == "==> b (attempt 1) <==\nhere\n"
    assert result.err == "note: 2 tasks printed nothing\n"
    assert (ork("logs", "quiet:a").out, ork("logs", "quiet:a").err) == ("", "")


def test_names_that_are_left_out_are_counted(ork):
    tasks = "".join(f"  part_{n:02}: {{executor: process, command: 'true'}}\n" for n in range(14))
    ork.write("fan.yaml", f"name: fan\ntasks:\n{tasks}")
    ork("run", "fan.yaml")
    assert "did you mean part_" in ork("logs", "fan:part_0").err
    assert "part_09 and 4 more\n" in ork("logs", "fan:x").err


def test_no_run_yet(etl):
    etl("deploy", "etl.yaml")
    result = etl("logs")
    assert result.code == 3
    assert "has not run" in result.err


# -- following and tails

GATED = """\
    name: gated
    tasks:
      fetch:
        executor: process
        command: 'echo "try $ORK_ATTEMPT"; while ! test -e go; do sleep 0.02; done; test -e good'
        retries: 1
      load:
        executor: process
        command: 'printf "one\\\\ntwo"'
        depends_on: [fetch]
        on_upstream_failure: run
      skipped: {executor: process, command: 'true', depends_on: [fetch]}
"""


@pytest.fixture
def gated(ork):
    """A run in another process whose first task waits for a file `go`, and fails without `good`."""
    ork.write("gated.yaml", GATED)
    owner = spawn(ork, "run", "gated.yaml")
    while "start" not in owner.stderr.readline():
        pass
    yield ork
    go(ork)
    owner.communicate()


def spawn(ork, *argv):
    return Started(
        *argv,
        env=ork.environ,
        cwd=ork.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def go(ork):
    (ork.folder / "go").touch()


def test_a_run_that_goes_on_shows_what_waits(gated):
    lines = gated("show", "gated#1").out.splitlines()
    (counts,) = (line for line in lines if line.startswith("tasks "))
    assert counts == "tasks    1 running, 2 pending"
    states = [line.split()[:2] for line in lines[lines.index("") + 1 :]]
    assert states == [["running", "fetch"], ["pending", "load"], ["pending", "skipped"]]
    since = [line.split()[2] for line in lines[lines.index("") + 1 :]]
    assert since[0] != "-" and since[1:] == ["-", "-"], "how long it has run tells what hangs"
    for task, state, other in (("fetch", "running", "pending"), ("load", "pending", "running")):
        found = gated("runs", f"gated:{task}", "--status", state)
        assert found.out.startswith(f"gated#1  {state} "), found
        assert gated("runs", f"gated:{task}", "--status", other).out == ""


def test_a_log_is_followed_into_the_next_attempt(gated):
    follower = spawn(gated, "logs", "-f", "gated:fetch")
    assert follower.stdout.readline() == "try 1\n"
    go(gated)
    assert follower.communicate() == ("try 2\n", "")
    assert follower.returncode == 0


def test_a_task_that_has_not_started_is_waited_for(gated):
    result = gated("logs", "gated:load")
    assert (result.code, result.out) == (3, "")
    assert "it has not started" in result.err
    follower = spawn(gated, "logs", "-f", "gated:load")
    go(gated)
    assert follower.communicate() == ("one\ntwo", "")
    assert follower.returncode == 0


def test_what_failed_first_is_what_is_told_first(ork):
    """Everywhere: it is the one to read, and others may have failed of it."""
    waits = "while ! test -e gone; do sleep 0.02; done"
    ork.write(
        "late.yaml",
        f"""\
        name: late
        tasks:
          a_late: {{executor: process, command: '{waits}; sleep 0.1; echo late; exit 3'}}
          z_first: {{executor: process, command: 'echo first; exit 4; ', timeout: 9}}
          z_then: {{executor: process, command: 'touch gone; exit 0', on_upstream_failure: run,
            depends_on: [z_first]}}
        """,
    )
    ran = ork("run", "late.yaml")
    assert re.findall(r"the end of the log of (\w+)", ran.err) == ["z_first", "a_late"]
    shown = ork("show", "late#1")
    for done in (ran, shown):
        assert "next: `ork logs late#1:z_first`" in done.err
    assert re.findall(r"FAILED +(\w+)", shown.out) == ["z_first", "a_late"]
    assert re.findall(r"==> (\w+)", ork("logs", "--failed").out) == ["z_first", "a_late"]
    assert "z_first: exited with code 4: first (and 1 more)" in ork("runs").out


def test_of_a_task_that_never_starts_the_reason_is_told(gated):
    follower = spawn(gated, "logs", "-f", "gated:skipped")
    go(gated)
    out, err = follower.communicate()
    assert (follower.returncode, out) == (0, "")
    assert err == "note: gated#1:skipped has no log: skipped: fetch failed\n"


def test_lines_of_several_tasks_bear_their_names(gated):
    follower = spawn(gated, "logs", "-f")
    assert follower.stdout.readline() == "fetch | try 1\n"
    go(gated)
    lines = follower.communicate()[0].splitlines()
    assert lines == ["fetch | try 2", "load  | one", "load  | two"]


def test_several_tasks_are_followed_until_the_last_of_them_has_ended(ork):
    wait = "while ! test -e {}; do sleep 0.02; done"
    tasks = {"x_1": "echo one", "x_2": f"echo two; {wait.format('go')}", "y": wait.format("end")}
    lines = [f"  {n}: {{executor: process, command: '{what}'}}\n" for n, what in tasks.items()]
    ork.write("w.yaml", "name: w\ntasks:\n" + "".join(lines))
    owner = spawn(ork, "run", "w.yaml")
    assert any("start" in line and "x_2" in line for line in owner.stderr)
    follower = spawn(ork, "logs", "-f", "w:x_*")
    assert sorted(follower.stdout.readline() for _ in "12") == ["x_1 | one\n", "x_2 | two\n"]
    assert follower.poll() is None
    go(ork)
    assert follower.communicate() == ("", "")
    assert owner.poll() is None, "the run goes on"
    (ork.folder / "end").touch()
    owner.communicate()


def test_one_attempt_is_followed_to_its_own_end(gated):
    follower = spawn(gated, "logs", "-f", "gated:fetch", "--attempt", "1", "--json")
    first = json.loads(follower.stdout.readline())
    assert (first["task"], first["attempt"], first["line"]) == ("fetch", 1, "try 1")
    go(gated)
    assert follower.communicate() == ("", "")


def test_a_run_that_has_ended_is_followed_at_once(ran):
    assert ran("logs", "-f", "etl#2:load").out == ran("logs", "etl#2:load").out
    assert ran("logs", "-f", "etl#2", "--failed").code == 2


@pytest.fixture
def project(ork):
    """The store of a project."""
    assert ork("init").code == 0
    store = open_store(ork.folder).store
    yield store
    store.close()


@pytest.fixture
def printing(ork):
    """Return a function: run etl, in which `load` prints this; others print before and after."""

    def run(data):
        ork.write(
            "etl.yaml",
            "name: etl\nmax_parallel: 1\ntasks:\n"
            "  before: {executor: process, command: echo before}\n"
            "  load: {executor: process, command: cat data, depends_on: [before]}\n"
            "  after: {executor: process, command: echo after, depends_on: [load]}\n",
        )
        (ork.folder / "data").write_bytes(data)
        assert ork("run", "etl.yaml").code == 0
        return ork

    return run


@pytest.mark.slow
def test_only_the_last_lines(printing):
    data = b"".join(b"line %d\n" % n for n in range(50_000)) + b"end"
    ran = printing(data)
    assert ran("logs", "etl:load", "--tail", "3").out == "line 49998\nline 49999\nend"
    assert ran("logs", "-f", "etl:load", "--tail", "1").out == "end"
    assert ran("logs", "etl:load", "--tail", "0").out == ""
    assert ran("logs", "etl:load", "--tail", "60000").out == data.decode()
    entries = json.loads(ran("logs", "etl:load", "--tail", "2", "--json").out)["data"]
    assert [entry["data"] for entry in entries] == ["line 49999\nend"]
    (log,) = ran.folder.glob(".ork/logs/etl/*/*.log")
    assert log.read_bytes() == b"before\n" + data + b"after\n"
    log.unlink()
    assert ran("logs", "etl:load").out == ""


def test_each_attempt_can_be_exported_to_a_file(ork):
    ork.write(
        "etl.yaml",
        """\
        name: etl
        tasks:
          flaky: {executor: process, command: 'echo try $ORK_ATTEMPT; exit 1', retries: 1}
          silent: {executor: process, command: 'true'}
        """,
    )
    ork("run", "etl.yaml")
    for _ in range(2):
        result = ork("logs", "etl", "--export", "out/logs")
        assert (result.code, result.out, result.err) == (0, "", "3 logs in out/logs\n")
    files = {path.name: path.read_text() for path in (ork.folder / "out" / "logs").iterdir()}
    assert files == {"flaky.1.log": "try 1\n", "flaky.2.log": "try 2\n", "silent.1.log": ""}
    ork("logs", "etl:flaky", "--attempt", "1", "--export", "one")
    assert [path.name for path in (ork.folder / "one").iterdir()] == ["flaky.1.log"]
    ork.write("file", "")
    result = ork("logs", "etl", "--export", "file/logs")
    assert (result.code, result.err) == (2, "error: --export file/logs: Not a directory\n")
    assert ork("logs", "etl", "--export", "x", "-f").code == 2


@pytest.mark.parametrize("piece_bytes", [1, 2, 3, 100])
def test_the_tail_is_that_of_all_lines(project, monkeypatch, piece_bytes):
    monkeypatch.setattr("ork.logs.reading.PIECE_BYTES", piece_bytes)
    for text in (b"", b"\n", b"a", b"a\n", b"a\nb", b"\n\na\n", b"ab\n\nc\n\n"):
        log = written(project, text, before=b"a\nb", after=b"\nc")
        expected = text.splitlines(keepends=True)
        for lines in (0, 1, 2, 3, 9):
            found = b"".join(pieces(project, log, tail=lines))
            assert found == b"".join(expected[max(0, len(expected) - lines) :]), (text, lines)


def written(store, text, *, before=b"", after=b""):
    """Return the log with this text; others lie before it and after it."""
    path = store.folder / "logs" / "w" / "r" / "1.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(before + text + after)
    return kinds.Log(path="w/r/1.log", offset=len(before), length=len(text))


@pytest.mark.slow
@pytest.mark.turns(2)
@pytest.mark.parametrize("options", [(), ("--json",), ("--tail", "1"), ("-f",)])
def test_a_log_larger_than_memory_is_printed(printing, options):
    megabytes = 60  # a log has no more than 64
    ran = printing(bytes(megabytes << 20) + b"\nend\n")
    limit = (
        "import resource, sys; "
        f"resource.setrlimit(resource.RLIMIT_DATA, ({megabytes * 2 // 3} << 20,) * 2); "
        "from ork.cli.app import entry; entry()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", limit, "logs", "etl:load", *options],
        env=ran.environ,
        cwd=ran.folder,
        stdout=subprocess.PIPE,
    )
    count, end = 0, b""
    while part := child.stdout.read(1 << 20):
        count, end = count + len(part), part[-20:]
    child.stdout.close()
    assert child.wait() == 0
    assert b"end" in end
    assert count > (megabytes << 20) or options == ("--tail", "1")


def test_on_a_terminal_nothing_moves_the_cursor(printing, terminal):
    printing("a\x1b[2Jb\u202e\nlast".encode())
    assert terminal("logs", "etl:load") == "a^[[2Jb<U+202E>\nlast\n"
    assert terminal("logs", "-f", "etl:load") == "a^[[2Jb<U+202E>\nlast\n"
    assert terminal("--color=never", "logs", "-f", "etl").endswith(
        "load   | last\nafter  | after\n"
    )


def test_colours_of_tasks_show_on_a_terminal_and_on_request(printing, terminal):
    data = b"\x1b[1;31mred\n\x1b[2Jplain\n 10%\r\x1b[32m100%\r\n"
    ran = printing(data)
    shown = "\x1b[1;31mred\x1b[0m\n^[[2Jplain\n\x1b[32m100%\x1b[0m\n"
    assert terminal("logs", "etl:load") == shown
    assert terminal("logs", "-f", "etl:load") == shown
    assert terminal("logs", "etl:load", NO_COLOR="1") == "^[[1;31mred\n^[[2Jplain\n^[[32m100%\n"
    assert ran("logs", "etl:load").out == data.decode()
    assert "\x1b" not in ran("logs", "-f", "etl").out
    assert "\x1b[1;31mred\x1b[0m\n" in ran("--color=always", "logs", "-f", "etl").out
    assert "load   | ^[[32m100%\n" in ran("logs", "-f", "etl").out
    assert ran("logs", "-f", "etl:load").out == data.decode().replace(" 10%\r", "")


def test_a_line_is_whole_before_it_is_shown():
    lines = Lines()
    assert lines.add(b"on") == []
    assert lines.add(b"e\ntw") == ["one"]
    assert lines.add("ö".encode()[:1]) == []
    assert lines.add("ö".encode()[1:]) == []
    assert lines.add(b"", over=True) == ["twö"]
    assert list(drawn_lines([b"a\nb", b"c", b"\nd"])) == ["a", "bc", "d"]


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"a\nb", b"a\nb"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),  # line ends of Windows
        (b"\r 10%\r 20%\nnext\n", b" 20%\nnext\n"),
        (b"10%\r20%\r\n", b"20%\r\n"),
        (b"10%\r20%\r   \rdone", b"done"),
        (b"10%\r   \r  x\n", b"  x\n"),
        (b"10%\r   \r\n", b"10%\r\n"),
        ("\r\N{FULL BLOCK} 1\r\N{FULL BLOCK} 2\xff\n".encode(), "\N{FULL BLOCK} 2\xff\n".encode()),
        (b"\xff\r\xfe\n", b"\xfe\n"),
        (b"a" * (2 << 20), b"a" * (2 << 20)),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1 << 20])
def test_of_a_line_that_is_drawn_over_the_last_state_is_left(printed, shown, size):
    size = max(size, len(printed) >> 6)
    states = LastStates()
    parts = [printed[at : at + size] for at in range(0, len(printed), size)]
    assert b"".join([*map(states.add, parts), states.add(b"", over=True)]) == shown


@pytest.mark.slow
def test_a_bar_that_moves_for_days_takes_no_room():
    states = LastStates()
    for number in range(100_000):
        assert states.add(b"\r%d rows of many" % number) == b""
    assert states.open_line == "99999 rows of many"
    assert len(states._rest) < 100
    assert states.add(b"\n") == b"99999 rows of many\n"


BAR = """\
    name: bar
    tasks:
      bar:
        executor: process
        command: >-
          printf 'begin\\n\\r 10%%'; printf '\\r 20%%'; touch there;
          while ! test -e go; do sleep 0.02; done; printf '\\r 100%%\\nend\\n'
"""


@pytest.fixture
def bar(ork):
    """A run in another process whose task draws a bar until there is a file `go`."""
    ork.write("bar.yaml", BAR)
    owner = spawn(ork, "run", "bar.yaml")
    assert eventually((ork.folder / "there").exists)
    yield ork
    go(ork)
    owner.communicate()


@pytest.mark.parametrize(("what", "before"), [("bar:bar", ""), ("bar", "bar | ")])
def test_on_a_terminal_a_bar_moves(bar, what, before):
    child = Child("logs", "-f", what, environ=bar.environ, folder=bar.folder)
    child.read_until(lambda seen: "20%" in seen)
    go(bar)
    assert child.end() == 0
    assert child.window.text == f"{before}begin\n{before} 100%\n{before}end"


@pytest.mark.slow
def test_a_bar_that_is_left_behind_keeps_its_line(bar):
    child = Child("logs", "-f", "bar:bar", environ=bar.environ, folder=bar.folder)
    child.read_until(lambda seen: "20%" in seen)
    child.interrupt()
    assert child.end() == -signal.SIGINT
    assert child.window.text == "begin\n 20%"
    assert child.window.column == 0


@pytest.mark.parametrize(("what", "before"), [("bar:bar", ""), ("bar", "bar | ")])
def test_elsewhere_its_last_state_is_printed(bar, what, before):
    child = spawn(bar, "logs", "-f", what)
    assert child.stdout.readline() == f"{before}begin\n"
    go(bar)
    assert child.communicate()[0] == f"{before} 100%\n{before}end\n"


def test_the_last_line_that_is_not_blank(project):
    assert last_line(project, kinds.Log(path="w/r/1.log")) == ""
    for data, line in [
        (b"a\nb\n\n", "b"),
        (b"10%\r20%\r", "20%"),
        (b"10%\r\x1b[1m20%\r\x1b[0m\n\n", "\x1b[1m20%"),
        (b'rows\nORK_OUTPUT:{"rows": 3}\n', "rows"),
        (b"ORK_OUTPUT:1", ""),
        (b"90 %ORK_OUTPUT:1", "90 %"),
        (b"x\xff", "x\ufffd"),
        (b"a" * 9999, "a" * 4096),
    ]:
        log = written(project, data, before=b"before")
        assert last_line(project, log) == line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Parse error: no\n  selct 1;\n  ^--- error here\n", "Parse error: no"),
        ("a\n  select x from y where z;\n      error here ---^\n", "a"),
        ("ERROR:  no\nLINE 1: selct 1;\n        ^\n\n", "ERROR:  no"),
        ("\x1b[31mx.c:1:5: error: no\x1b[0m\n  1 | in x;\n    | ^~\n", "x.c:1:5: error: no"),
        ("rows: 3\n+---+\n\u2514\u2500\u2518\n", "rows: 3"),
        ("   ^\nSyntaxError: no\n", "SyntaxError: no"),
        ("---\n", ""),
        ("\u6ca1\u6709\n", "\u6ca1\u6709"),
    ],
)
def test_the_last_line_in_words_is_none_of_marks(project, text, words):
    assert last_words(project, written(project, text.encode())) == words


# As tqdm draws them: the inner bar is taken away when it has ended.
NESTED = (
    "begin\n\router: 0%\n\rinner: 0%\x1b[A\n\rinner: 50%\x1b[A\n\r          \x1b[A\router: 50%\n"
    "\rinner: 0%\x1b[A\n\rinner: 50%\x1b[A"
)
NESTED_END = "\n\r          \x1b[A\router: 99%\router: 100%\n"


@pytest.mark.parametrize("size", [1, 5, 1 << 20])
def test_of_bars_below_each_other_the_last_states_are_left(project, size):
    assert last_line(project, written(project, NESTED.encode())) == "outer: 50%"
    data = (NESTED + NESTED_END + "done\n").encode()
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert b"".join(last_states(parts)) == b"begin\nouter: 100%\ndone\n"
    states = LastStates()
    printed = [*map(states.add, parts), states.add(b"", over=True)]
    assert b"".join(printed) == b"begin\nouter: 0%\nouter: 100%\ndone\n", (
        "what follows is not known"
    )


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        ("\ra 1\n\rb 1\x1b[1A\ra 2\n", "a 2\nb 1\n"),
        ("\ra\n\n\rc 1\x1b[A\x1b[A\n\rb\x1b[A\n\n\rc 2\x1b[2A\ra 2\n\n\n.\n", "a 2\nb\nc 2\n.\n"),
        ("\r\x1b[2Ka\nb\r\x1b[2K\x1b[1A\x1b[2Ka 2\nb 2\n", "a 2\nb 2\n"),  # as rich does
        ("\ra\n\n\nb\n", "a\n\n\nb\n"),
        ("a\x1b[A\x1b[3Bb\n", "\x1b[3Bb\n"),
        ("\x1b[Aa\x1b[5A", "a\n"),
    ],
)
def test_who_goes_up_draws_over_what_is_there(printed, shown):
    assert b"".join(last_states([printed.encode()])).decode() == shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("long text\r\x1b[Kshort", "short"),
        ("long text\x1b[2Kshort\x1b[0K", "short"),
        ("long text\r\x1b[K", "long text"),
        ("\x1b[31m\x1b[Kred\x1b[m\x1b[K", "\x1b[31mred\x1b[m"),  # as grep and gcc do
        ("a\x1b[1Kb", "a\x1b[1Kb"),
    ],
)
def test_who_erases_a_line_draws_over_it(line, shown):
    assert last_part(line) == shown


@pytest.mark.slow
def test_bars_below_each_other_take_little_room():
    states = LastStates(waits=True)
    for number in range(10_000):
        states.add(b"\rbar %d\n" % number)
        states.add(b"\rinner\x1b[A" if number % 3 == 0 else b"")
    assert len(states._bars) <= BARS_MAX + 1
    assert len(states._rest) < 100


def test_a_terminal_shows_no_control_characters_of_bars(ork):
    ork.write("bar.txt", NESTED + NESTED_END + "done\n")
    ork.write("w.yaml", "name: w\ntasks: {t: {executor: process, command: cat bar.txt; exit 1}}")
    shown = ork("run", "w.yaml").err
    assert "begin\nouter: 100%\ndone\n" in shown
    child = Child("logs", "w:t", environ=ork.environ, folder=str(ork.folder))
    assert child.end() == 0
    assert child.window.text.rstrip("\n") == "begin\nouter: 100%\ndone"


@pytest.mark.parametrize(("what", "before"), [("nested:bars", ""), ("nested", "bars | ")])
def test_on_a_terminal_bars_below_each_other_move(ork, what, before):
    ork.write("first.txt", NESTED)
    ork.write("rest.txt", NESTED_END + "done\n")
    command = "cat first.txt; touch there; while ! test -e go; do sleep 0.02; done; cat rest.txt"
    task = f"{{executor: process, command: '{command}'}}"
    ork.write("nested.yaml", f"name: nested\ntasks: {{bars: {task}}}\n")
    owner = spawn(ork, "run", "nested.yaml")
    assert eventually((ork.folder / "there").exists)
    child = Child("logs", "-f", what, environ=ork.environ, folder=ork.folder)
    child.read_until(lambda seen: "inner: 50%" in seen)
    assert child.window.text == f"{before}begin\n{before}outer: 50%\n{before}inner: 50%"
    go(ork)
    assert child.end() == 0
    assert child.window.text == f"{before}begin\n{before}outer: 100%\n{before}done"
    owner.communicate()


# -- slots


def test_a_log_that_is_read_while_it_grows_ends_where_another_begins(project):
    run = SimpleNamespace(workflow="w", id="r", previous=None)
    slots, beginnings = Slots(project, run), Beginnings(project, run)
    reading = Growing(project, lambda: beginnings.log("a", 1))
    assert reading.read() == b""
    file, log = slots.take("a", 1)
    assert reading.read() == b""
    Path(file).write_text("one")
    assert reading.read() == b"one"
    assert beginnings.log("a", 1) == kinds.Log(path="w/r/1.log", offset=0, length=3)
    assert slots.give_back(log, 3).length == 3
    assert slots.take("b", 1) == (file, kinds.Log(path="w/r/1.log", offset=3))
    with open(file, "a") as more:
        more.write("two")
    assert reading.read() == b""
    assert beginnings.log("b", 1) == kinds.Log(path="w/r/1.log", offset=3, length=3)
    assert slots.take("c", 1)[1].path == "w/r/2.log"
    reading.close()
    slots.close()


@pytest.mark.parametrize(
    "text", ["", "1 2", "x\n", f"{'9' * 99} 1 0 1 a\n", "1 1 -1 1 a\n", "\0\n"]
)
def test_what_is_no_beginning_is_left_out(project, text):
    run = SimpleNamespace(workflow="w", id="r", previous=None)
    slots = Slots(project, run)
    slots.take("a", 1)
    path = project.folder / "logs" / "w" / "r" / "begun"
    path.write_text(f"{path.read_text()}{text}")
    assert list(Beginnings(project, run).now()) == [("a", 1)]
    slots.close()


def test_a_run_has_as_many_files_as_slots(ork):
    tasks = "".join(f"  t{n}: {{executor: process, command: echo {n}}}\n" for n in range(12))
    ork.write("etl.yaml", f"name: etl\ntasks:\n{tasks}")
    assert ork("run", "etl.yaml", "-j", "2").code == 0
    files = sorted(path.name for path in ork.folder.glob(".ork/logs/etl/*/*"))
    assert files == ["1.log", "2.log", "begun"]
    assert [ork("logs", f"etl:t{n}").out for n in range(12)] == [f"{n}\n" for n in range(12)]


def test_a_log_that_is_gone_is_no_silence(ork) -> None:
    tasks = "".join(
        f"  {name}: {{executor: process, command: {line}}}\n"
        for name, line in (
            ("a", "echo one"),
            ("b", "echo two"),
            ("silent", "'true'"),
        )
    )
    ork.write("w.yaml", f"name: w\ntasks:\n{tasks}")
    assert ork("run", "-j", "2").code == 0
    logs = sorted((ork.folder / ".ork/logs/w").glob("*/*.log"))
    first, *others = [one for one in logs if one.stat().st_size]
    text = first.read_text()
    first.unlink()
    done = ork("logs", "w#1")
    assert done.code == 0 and text not in done.out
    assert "is not complete: logs/w/" in done.err and "note: 1 task printed nothing" in done.err
    for one in others:
        one.unlink()
    for name in ("w#1", "w#1:a"):
        done = ork("logs", name)
        assert done.code == 3 and "the logs of w#1 are gone: logs/w/" in done.err
    assert ork("logs", "w#1:silent").code == 0
