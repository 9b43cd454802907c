"""How far long work has come: on a terminal, elsewhere, of every command that can take long"""

import os
import re
import sys
from contextlib import contextmanager

import pytest

from ork.cli.screen import progress
from ork.cli.screen.progress import Shown
from ork.progress import counted, counting, watched
from tests.cli.screen import Window

UTF_8 = {"LC_ALL": "C.UTF-8"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    for name in ("SECONDS_BEFORE", "SECONDS_BETWEEN", "SECONDS_BETWEEN_LINES"):
        monkeypatch.setattr(progress, name, -1.0)


@contextmanager
def window(monkeypatch):
    """Make a terminal of sys.stderr; give what returns all that was written to it until now."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    seen = []

    def read():
        try:
            while True:
                seen.append(os.read(ours, 65536).decode())
        except BlockingIOError:
            return "".join(seen)

    with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", stream)
        yield read
    os.close(ours)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "columns", "line"),
    [
        (0, 10, 0.4, 0, "reading runs:   0% (0 of 10), 0s"),
        (2500, 10_000, 60, 0, "reading runs:  25% (2,500 of 10,000), 1m00s, about 3m left"),
        (10, 10, 5, 0, "reading runs:  99% (10), 5s"),
        (7, 0, 5, 0, "reading runs: (7), 5s"),
        (1, 2, 9, 60, "reading runs ━━━━━━───────  50% (1 of 2), 9s, about 9s left"),
        (1, 2, 9, 40, "reading runs  50% (1 of 2), 9s, about 9s"[:39]),
    ],
)
def test_the_line(done, total, seconds, columns, line):
    shown = Shown(UTF_8)
    shown.begin("reading runs", about=False)
    assert shown.line(done, total, seconds, columns) == line


def test_on_a_terminal_it_is_one_line_which_goes(monkeypatch):
    with window(monkeypatch) as read:
        with watched(Shown({"TERM": "xterm", **UTF_8})):
            for letter in counted("reading tasks", "abc", 3):
                assert ("━" in read()) == (letter != "a")
        text = read()
    assert text.count("\r") == 4
    assert "\n" not in text
    screen = Window(24, 80)
    screen.write(text)
    assert set(screen.lines) == {""}


def test_elsewhere_it_is_a_line_now_and_then(capfd, monkeypatch):
    with watched(Shown({})):
        list(counted("reading\x1b tasks", "ab", lambda: 2, about=True))
        assert capfd.readouterr().err.splitlines() == [
            "reading^[ tasks:   0% (0 of about 2), 0s",
            "reading^[ tasks:  50% (1 of about 2), 0s",
        ]
        # What begins at once goes on with the same wait; a line every minute is not due again.
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 60.0)
        list(counted("writing tasks", "ab", 2))
        assert capfd.readouterr().err.splitlines() == ["writing tasks:   0% (0 of 2), 0s"]
    with watched(Shown({})):
        list(counted("reading tasks", "ab", 2))
    assert capfd.readouterr().err == ""


def test_work_after_a_pause_is_another_wait(capfd, monkeypatch):
    with watched(Shown({})):
        list(counted("reading tasks", "ab", 2))  # the next line is due
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 60.0)
        monkeypatch.setattr(progress, "SECONDS_OF_PAUSE", -1.0)
        capfd.readouterr()
        list(counted("reading tasks", "ab", 2))
    assert capfd.readouterr().err == ""


def test_work_inside_of_other_work_is_not_told_of(capfd):
    with watched(Shown({})):
        for _ in counted("outer", "ab", 2):
            with pytest.raises(ZeroDivisionError), counting("inner") as tell:
                tell(1, 2)
                raise ZeroDivisionError
        with counting("next") as tell:
            tell(1, 1)
    words = [line.partition(":")[0] for line in capfd.readouterr().err.splitlines()]
    assert words == ["outer", "outer", "next"]


def test_an_error_leaves_no_line_behind(monkeypatch):
    with window(monkeypatch) as read:
        with pytest.raises(ZeroDivisionError), watched(Shown({"TERM": "xterm"})):
            for _ in counted("reading tasks", "abc", 3):
                raise ZeroDivisionError
        text = read()
    assert "reading tasks" in text
    assert text.endswith("\r\x1b[K")


def test_nobody_watches():
    things = iter("ab")
    assert counted("reading tasks", things, lambda: 1 // 0) is things
    with counting("reading tasks") as tell:
        tell(1, 2)


LONG = [
    (
        ["deploy", "etl.yaml"],
        {"reading lines", "checking tasks", "reading code", "hashing tasks"},
    ),
    (["export", "git", "out", "etl"], {"writing commits"}),
    (["--store", "other", "import", "git", "out", "--path", "etl.yaml"], {"reading commits"}),
    (["push"], {"sending deploys of etl", "sending runs of etl", "writing logs"}),
    (["clone", "team", "copy"], {"sending deploys of etl", "sending runs of etl"}),
    (["backup", "copy.orkbackup"], {"copying objects", "checking objects"}),
    (["bundle", "create", "etl.bundle", "--all"], {"writing objects"}),
    (["import", "bundle", "etl.bundle"], {"checking objects"}),
    (["fsck"], {"checking objects"}),
    (["rollback", "etl", "etl~1"], set()),
    (["undo"], set()),
    (["gc", "--prune", "--undo-days", "0"], {"finding what is needed", "removing objects"}),
    (["forget", "--text-file", "secret"], {"looking at objects"}),
]


@pytest.mark.slow
def test_every_command_that_can_take_long_tells_of_it(ran, edit):
    assert ran("init", "team").code == 0
    assert ran("remote", "add", "origin", "team").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    ran.write("secret", "fetch")
    for words, wanted in LONG:
        result = ran(*words)
        assert result.code == 0, result.err
        told = set(re.findall(r"(?m)^(.+):  ?.*\(\d.*\), \d+s", result.err))
        assert wanted <= told, words
