"""What `ork up` prints of what happens, and the unit that it prints for systemd."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from subprocess import PIPE

import pytest

from ork.cli.screen.line import texts_of
from ork.cli.up import told_json, told_lines
from ork.daemon import told as tell
from ork.errors import pip_install
from tests.conftest import Ork

TWO = datetime(2026, 11, 27, 2, tzinfo=UTC)
NOW = TWO + timedelta(seconds=1)
YESTERDAY = TWO - timedelta(days=1)


TOLD: list[tuple[tell.Told, str]] = [
    (
        tell.Up(time=NOW, workflows=1, schedules=2, paused=1, jobs=4, next=TWO, workflow="etl"),
        "02:00:01  ork up in .ork\n"
        "02:00:01  2 schedules of 1 workflow, 1 paused; 4 runs at once\n"
        "02:00:01  next: etl at 02:00\n",
    ),
    (
        tell.Up(time=NOW, workflows=0, schedules=0, paused=0, jobs=1),
        "02:00:01  ork up in .ork\n"
        "02:00:01  no workflow has a schedule: `schedule:` in its file gives it one\n",
    ),
    (
        tell.Up(time=NOW, workflows=0, schedules=0, paused=0, jobs=0),
        "02:00:01  ork up in .ork\n02:00:01  it starts no run, nor what waits: --no-schedule\n",
    ),
    (
        tell.Listening(time=NOW, url="http://127.0.0.1:8080/?token=abc"),
        "02:00:01  the page is http://127.0.0.1:8080/?token=abc\n",
    ),
    (
        tell.Began(time=NOW, workflow="etl", number=58, run="r", trigger="schedule", slot=TWO),
        "02:00:01  etl#58 fired for 02:00\n",
    ),
    (
        tell.Began(time=NOW, workflow="etl", number=58, run="r", trigger="retry", attempt=2),
        "02:00:01  etl#58 is retried, attempt 2\n",
    ),
    (
        tell.Began(time=NOW, workflow="etl", number=59, run="r", trigger="queue"),
        "02:00:01  etl#59 is run from the queue\n",
    ),
    (
        tell.Began(time=NOW, workflow="etl", number=59, run="r", trigger="queue", folder="/srv/r"),
        "02:00:01  etl#59 is run from the queue, in a checkout, as the files here differ: /srv/r\n",
    ),
    (
        tell.Scheduled(time=NOW, workflow="etl", schedules=1, next=TWO),
        "02:00:01  etl: 1 schedule now, next at 02:00\n",
    ),
    (
        tell.Scheduled(time=NOW, workflow="etl", schedules=0),
        "02:00:01  etl: no schedule any more\n",
    ),
    (
        tell.Ended(
            time=NOW,
            workflow="etl",
            number=58,
            run="r",
            state="failed",
            reason="load: exited with code 3\nmore",
            seconds=2.1,
            retries=2,
        ),
        "02:00:01  etl#58 failed in 2.1s: load: exited with code 3;"
        " to be retried, 2 times at most\n",
    ),
    (
        tell.LeftOut(
            time=NOW, workflow="etl", count=2, first=YESTERDAY, last=TWO, reason="etl#5 went on"
        ),
        "02:00:01  etl: 2 slots left out, 2026-11-26 02:00 to 2026-11-27 02:00: etl#5 went on\n",
    ),
    (
        tell.Ended(time=NOW, workflow="etl", number=58, run="r", state="interrupted", seconds=0.2),
        "02:00:01  etl#58 interrupted in >200ms\n",
    ),
    (
        tell.Ended(
            time=NOW, workflow="etl", number=58, run="r", state="success", folder="/srv/etl/r"
        ),
        "02:00:01  etl#58 success\n"
        "02:00:01  files that the tasks of etl#58 wrote are in /srv/etl/r\n",
    ),
    (
        tell.Trouble(time=NOW, workflow="etl", message="the\n\x1b[2J", hint="`ork fsck`"),
        "02:00:01  warning: etl: the\n          ^[[2J\n          hint: `ork fsck`\n",
    ),
    (tell.Lost(time=NOW, workflow="etl", reason="another was faster"), ""),
]


@pytest.mark.parametrize(("told", "text"), TOLD)
def test_what_happens_is_told_in_plain_lines(told: tell.Told, text: str, ork: Ork) -> None:
    lines = told_lines(told, NOW, str(ork.folder / ".ork"), clock="%H:%M:%S")
    assert "".join(texts_of(lines, color=False)) == text


def test_the_place_of_a_store_that_lies_elsewhere_is_told() -> None:
    up = tell.Up(time=NOW, workflows=0, schedules=0, paused=0, jobs=0)
    first, _ = told_lines(up, NOW, "postgresql://host/team?schema=etl", clock="%H:%M:%S")
    told = "02:00:01  ork up in postgresql://host/team?schema=etl\n"
    assert "".join(texts_of([first], color=False)) == told


def test_slots_are_told_in_the_zone_of_the_clock(ork: Ork) -> None:
    began = tell.Began(
        time=NOW, workflow="etl", number=5, run="r", attempt=1, trigger="schedule", slot=TWO
    )
    here = NOW.astimezone(timezone(timedelta(hours=-5)))
    lines = told_lines(began, here, str(ork.folder), clock="%Y-%m-%d %H:%M:%S %z")
    told = "2026-11-26 21:00:01 -0500  etl#5 fired for 21:00\n"
    assert "".join(texts_of(lines, color=False)) == told


def test_json_is_a_line_for_each_thing(golden: Callable[[str, str], None]) -> None:
    golden("up/events.json", "".join(told_json(told) for told, _ in TOLD))


def test_a_unit_starts_the_same_again(etl: Ork) -> None:
    etl("deploy", "etl.yaml")
    unit = etl("up", "--systemd", "--no-web", "--grace", "2m", "--jobs", "3")
    assert unit.code == 0
    lines = dict(line.split("=", 1) for line in unit.out.splitlines() if "=" in line[1:30])
    assert lines["WorkingDirectory"] == str(etl.folder)
    words = shlex.split(lines["ExecStart"])
    assert words[1:] == [
        *("-P", "-m", "ork", "--store", str(etl.folder / ".ork")),
        *("up", "--no-web", "--jobs", "3", "--grace", "2m"),
    ]
    assert lines["TimeoutStopSec"] == "210"
    assert (lines["KillMode"], lines["Restart"]) == ("mixed", "on-failure")
    assert shlex.split(lines["Environment"]) == [f"PATH={etl.environ['PATH']}"]
    assert f"systemctl --user enable --now ork-{etl.folder.name}\n" in unit.out


def test_a_unit_has_what_tasks_need(ork: Ork) -> None:
    secret = "executor: process, command: env, env: {{X: {{secret: {}}}}}"
    for name, schedule in {"a": "schedule: '@daily'\n", "b": ""}.items():
        task = f"tasks: {{t: {{{secret.format(f'KEY_OF_{name.upper()}')}}}}}\n"
        ork.write(f"{name}.yaml", f"name: {name}\n{schedule}{task}")
    assert ork("deploy", "b.yaml").code == 0
    assert "\n# EnvironmentFile=" in ork("up", "--systemd", "--no-web").out
    assert ork("deploy", "a.yaml").code == 0
    ork.environ["ORK_PYTHON"] = "/opt/a b/python"
    unit = ork("up", "--systemd", "--no-web").out
    assert "\n# Scheduled workflows need KEY_OF_A.\nEnvironmentFile=%h/.config/ork-" in unit
    (line,) = re.findall("(?m)^Environment=(.*)$", unit)
    assert shlex.split(line)[1:] == ["ORK_PYTHON=/opt/a b/python"]


def test_a_unit_has_a_name_that_systemd_takes(ork: Ork, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ork.folder / "a b/é @c"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert ork("init").code == 0
    ork.environ["PATH"] = "/a b:/$x:/%i"
    out = ork("up", "--systemd", "--no-web").out
    assert "/ork-c.service, with" in out
    assert 'Environment="PATH=/a b:/$x:/%%i"\n' in out


def test_what_means_something_to_systemd_is_quoted(
    ork: Ork, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ork.folder / 'a "b" %i $HOME \\n'
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert ork("init").code == 0
    out = ork("up", "--systemd", "--no-web").out
    assert '"a' not in out
    assert r'a \"b\" %%i $$HOME \\n/.ork"' in out
    assert f"WorkingDirectory={folder}".replace("%", "%%") in out.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_takes_the_unit(etl: Ork, tmp_path: Path) -> None:
    etl("deploy", "etl.yaml")
    (tmp_path / "ork.service").write_text(etl("up", "--systemd", "--no-web").out)
    words = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "ork.service")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        (("--no-web",), 3, "no ork store here"),
        (("--no-web", "--no-schedule"), 2, "leave nothing to do"),
        (("--no-web", "--allow-changes"), 2, "--allow-changes is for the page, and --no-web"),
        (("--no-web", "--listen", "[::1]:80"), 2, "--listen is for the page, and --no-web serves"),
        (("--no-web", "--host", "a.example.org"), 2, "--host is for the page"),
        (("--no-web", "--grace", "soon"), 2, "--grace soon: no duration"),
    ],
)
def test_what_cannot_be_is_said(ork: Ork, argv: tuple[str, ...], code: int, message: str) -> None:
    done = ork("up", *argv)
    assert done.code == code
    assert message in done.err


NEEDED = "the page needs starlette and uvicorn"
WITHOUT_LIBRARIES = """
import importlib.util
import sys
from ork.cli.app import main

importlib.util.find_spec = lambda name: None
sys.exit(main(["up"]))
"""


@pytest.mark.parametrize("argv", [("--no-schedule",), ("--listen", "127.0.0.1:0")])
def test_who_asks_for_a_page_is_told_which_libraries_it_needs(
    etl: Ork, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]
) -> None:
    etl("deploy", "etl.yaml")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = etl("up", *argv)
    assert done.code == 2
    assert f"{NEEDED}\nhint: {pip_install('starlette', 'uvicorn')}" in done.err


@pytest.mark.slow
def test_without_the_libraries_of_the_page_what_is_due_is_fired_all_the_same(etl: Ork) -> None:
    etl("deploy", "etl.yaml")
    words = [sys.executable, "-c", WITHOUT_LIBRARIES]
    with subprocess.Popen(
        words, cwd=etl.folder, env=etl.environ, stdout=PIPE, stderr=PIPE, text=True
    ) as up:
        assert up.stdout and up.stderr
        note = f"note: {NEEDED}, so there is none: {pip_install('starlette', 'uvicorn')}\n"
        assert up.stderr.readline() == note
        assert " up " in up.stdout.readline()
        up.terminate()
    assert up.returncode == 0
