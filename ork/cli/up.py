"""ork up"""

import importlib.util
import json
import os
import re
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ork.cli import options as shared
from ork.cli.screen import human, signals
from ork.cli.screen.line import Line, event_text, note_line, unread_is_no_error
from ork.cli.session import Session, lasts
from ork.errors import UsageError, pip_install

if TYPE_CHECKING:
    import socket

    from ork.daemon.loop import Control
    from ork.daemon.told import Told, Up

LISTEN = "127.0.0.1:8080"
TOKEN = "ORK_UP_TOKEN"
TOKEN_CHARS_MIN = 16
# What of the environment a unit for systemd has; secrets belong into a file.
KEPT = ("PATH", "ORK_PYTHON")
# In it, runs that are stopped take a moment to end, and a store is waited for for a minute.
MORE_GRACE_SECONDS = 90


def up(
    ctx: typer.Context,
    no_web: Annotated[bool, typer.Option("--no-web", help="Serve no page.")] = False,
    no_schedule: Annotated[
        bool, typer.Option("--no-schedule", help="Start no run: only serve the page.")
    ] = False,
    listen: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help=f"Where the page answers; else {LISTEN}."),
    ] = None,
    allow_changes: Annotated[
        bool, typer.Option("--allow-changes", help="The page can run, retry, cancel, roll back.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            "-j", "--jobs", min=1, metavar="N", help="Runs at once; else the cores, at least 4."
        ),
    ] = None,
    grace: Annotated[
        str, typer.Option(metavar="DURATION", help="How long runs may go on when asked to end.")
    ] = "30s",
    host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which the page may be asked for, too."),
    ] = None,
    proxy_user_header: Annotated[
        str | None, typer.Option(metavar="HEADER", help="Where a proxy in front says who asks.")
    ] = None,
    systemd: Annotated[
        bool, typer.Option("--systemd", help="Print a unit for systemd instead.")
    ] = False,
    as_json: shared.AsJson = False,
) -> None:
    """Fire what is due, and serve a page.

    Runs what schedules and `ork run --queue` ask for, and retries what failed. Each run is a
    process of its own, and is recorded as every other: `ork runs`, `ork watch` and `ork cancel`
    work on it. Killed at any instant, it has fired a slot or it has not, and what was missed is
    made up for as `catchup:` says. Several on one store share the work.

    The page answers on this machine only, to whoever has the address that is printed; where its
    libraries are not installed there is none. ORK_UP_TOKEN, if set, is its token.

    TERM or Ctrl-C lets runs go on for the grace, then stops them as `ork cancel` does; a second one
    kills what they run, a third one ends ork up alone. HUP reads everything again, and starts the
    page again; when its terminal is closed, ork up ends.

    Exit codes: 0 ended by TERM; 130 by Ctrl-C; 129 with its terminal; 2 --listen is no address, or
    none that is free here, or --host no name.

    \b
    Example:
        ork up --no-web
    """
    session: Session = ctx.obj
    if no_web and no_schedule:
        raise UsageError("--no-web and --no-schedule leave nothing to do")
    of_page = {
        "--listen": listen,
        "--allow-changes": allow_changes,
        "--host": host,
        "--proxy-user-header": proxy_user_header,
    }
    if no_web and (useless := next(filter(of_page.get, of_page), None)):
        raise UsageError(f"{useless} is for the page, and --no-web serves none")
    grace_s = _seconds(grace)
    from ork.daemon.page import refuse_host, split_address

    if listen is not None:
        split_address(listen)
    for name in host or ():
        refuse_host(name)
    folder = session.folder
    if not (no_web or systemd) and (missing := _missing()):
        message = f"the page needs {' and '.join(missing)}"
        hint = pip_install(*missing)
        if no_schedule or any(of_page.values()):
            raise UsageError(message, hint=hint)
        session.say(note_line(f"{message}, so there is none: {hint}"))
        no_web = True
    if systemd:
        options = {
            "--no-web": no_web,
            "--no-schedule": no_schedule,
            **of_page,
            "--jobs": jobs,
            "--grace": grace,
        }
        sys.stdout.write(_unit(session, folder, _words(options), grace_s))
        return
    environ = dict(session.world.environ)
    token = environ.pop(TOKEN, None) or secrets.token_urlsafe(18)  # for the page, not for tasks
    page = None
    if not no_web:
        if len(token) < TOKEN_CHARS_MIN:
            raise UsageError(
                f"{TOKEN} has {human.count(len(token), 'character')}: so short a one is guessed",
                hint=f"at least {TOKEN_CHARS_MIN}: `openssl rand -hex 16` makes one",
            )
        from ork.daemon.page import Page

        listening = _chosen(session, listen)
        setup = {
            "store": str(folder),
            "host": (listen or LISTEN).rpartition(":")[0],
            "socket": listening.fileno(),
            "token": None,  # a command line could be read by every user of the machine
            "allow_changes": allow_changes,
            "hosts": host or [],
            "proxy_user_header": proxy_user_header,
            "schedule": not no_schedule,
        }
        page = Page(json.dumps(setup), {**environ, TOKEN: token}, listening)
        page.start()  # while we import what we need
    from ork.daemon.loop import Daemon, Options
    from ork.runner.start import at_once
    from ork.store import location

    place = str(location.elsewhere(folder, environ=session.world.environ) or folder)
    how = Options(jobs=jobs or at_once(), grace_s=grace_s, schedule=not no_schedule)
    lasts()
    with _listening() as control:
        daemon = Daemon(
            lambda: location.open_here(folder, environ=session.world.environ),
            how,
            control,
            clock=session.world.clock,
            environ=environ,
            author=session.author(),
            page=page,
        )
        for told in daemon.events():
            with unread_is_no_error():
                if as_json:
                    sys.stdout.write(told_json(told))
                else:
                    clock = human.CLOCK if session.width else human.DATE
                    session.print(told_lines(told, session.now(), place, clock=clock))
                sys.stdout.flush()
    code = signals.exit_code()
    raise typer.Exit(0 if code == 143 else code)  # TERM is how a service is asked to end


def told_json(told: "Told") -> str:
    """Return the line of JSON that tells of something."""
    return event_text("ork.up.v1", told) + "\n"


def told_lines(told: "Told", now: datetime, store: str, *, clock: str) -> list[Line]:
    """Return the lines that tell of something: none, one, or some.

    `clock` is how the time is written at their begin; slots are told in the same zone.
    """
    from ork.daemon import told as tell

    time: tuple[str, str] = (f"{now.strftime(clock)}  ", "time")
    match told:
        case tell.Up():
            return [[time, line] for line in _up(told, now, store)]
        case tell.Listening(url=url):
            return [[time, "the page is ", (url, "name")]]
        case tell.Began(workflow=workflow, number=number, trigger=trigger):
            name = (f"{workflow}#{number}", "name")
            if trigger == "retry":
                how = f" is retried, attempt {told.attempt}"
            elif told.slot is None:
                how = " is run from the queue"
            else:
                how = f" fired for {_slot(told.slot, now)}"
            if told.folder is not None:
                how += f", in a checkout, as the files here differ: {human.path(told.folder)}"
            return [[time, name, how]]
        case tell.Scheduled(schedules=number, next=coming):
            what = f"{human.count(number, 'schedule')} now" if number else "no schedule any more"
            then = f", next at {_slot(coming, now)}" if coming else ""
            return [[time, (told.workflow, "name"), f": {what}{then}"]]
        case tell.Ended(state=state, reason=reason):
            least = ">" if state == "interrupted" else ""  # only its last sign of life is known
            took = f" in {least}{human.duration(told.seconds)}" if told.seconds is not None else ""
            why = f": {reason.partition(chr(10))[0]}" if reason else ""
            name = (f"{told.workflow}#{told.number}", "name")
            left = told.retries
            again = f"; to be retried, {human.count(left, 'time')} at most" if left else ""
            ended: Line = [time, name, " ", (state, state), f"{took}{why}{again}"]
            if told.folder is None:
                return [ended]
            whose = f"the tasks of {told.workflow}#{told.number}"
            return [ended, [time, human.left_files(whose, told.folder)]]
        case tell.LeftOut(count=number, first=first, last=last):
            until = f" to {_slot(last, first.astimezone(now.tzinfo))}" if number > 1 else ""
            which = f"{human.count(number, 'slot')} left out, {_slot(first, now)}{until}"
            return [[time, (told.workflow, "name"), f": {which}: {told.reason}"]]
        case tell.Trouble(message=message, hint=hint):
            whose = f"{told.workflow}: " if told.workflow else ""
            line, *others = message.splitlines() or [""]
            lines: list[Line] = [[time, ("warning: ", "warning"), f"{whose}{line}"]]
            lines += [[f"          {other}"] for other in others]
            return [*lines, [("          hint: ", "hint"), hint]] if hint else lines
        case tell.Note(message=message):
            return [[time, message]]
    return []  # what another process was faster with, it tells itself


def _up(told: "Up", now: datetime, store: str) -> Iterator[str]:
    from ork.backends.address import is_url

    yield f"ork up in {store if is_url(store) else human.path(store)}"
    if not told.jobs:
        yield "it starts no run, nor what waits: --no-schedule"
    elif told.schedules:
        schedules = human.count(told.schedules, "schedule")
        paused = f", {told.paused} paused" if told.paused else ""
        workflows = human.count(told.workflows, "workflow")
        yield f"{schedules} of {workflows}{paused}; {human.count(told.jobs, 'run')} at once"
    else:
        yield "no workflow has a schedule: `schedule:` in its file gives it one"
    if told.next is not None:
        yield f"next: {told.workflow} at {_slot(told.next, now)}"


def _slot(slot: datetime, now: datetime) -> str:
    """Return a slot as people read it, in the zone of `now`: with its day if that is another."""
    return human.slot(slot, now).removeprefix(f"{now:%Y-%m-%d} ")


@contextmanager
def _listening() -> Iterator["Control"]:
    """Turn signals into what the daemon is told to do, while the block lasts."""
    from ork.daemon.loop import Control

    control = Control()

    def stop(number: int, frame: Any) -> None:
        signals.note(number)
        control.stop()
        if control.stops > 2:  # whatever it waits for
            raise KeyboardInterrupt

    def hang_up(number: int, frame: Any) -> None:
        if on_terminal and not _has_terminal():
            stop(number, frame)
        else:
            control.reread()

    on_terminal = sys.stdin.isatty()
    handlers = {signal.SIGINT: stop, signal.SIGTERM: stop, signal.SIGHUP: hang_up}
    before = {number: signal.signal(number, act) for number, act in handlers.items()}
    try:
        yield control
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _has_terminal() -> bool:
    """Say whether the terminal is there that started this process."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _seconds(text: str) -> float:
    from ork.schedule.durations import seconds_of

    seconds = seconds_of(text)
    if seconds is None:
        raise UsageError(f"--grace {text}: no duration", hint="write 30s or 5m")
    return seconds


def _missing() -> list[str]:
    """Return the libraries of the page that are not installed."""
    return [one for one in ("starlette", "uvicorn") if importlib.util.find_spec(one) is None]


def _chosen(session: Session, listen: str | None) -> "socket.socket":
    """Return what listens there, else at a port that nobody has.

    What cannot be is said before anything is fired.
    """
    from ork.daemon.page import listening

    try:
        return listening(listen or LISTEN)
    except UsageError:
        if listen is not None:
            raise
        told = f"{LISTEN} is taken: the page has another port; --listen names one"
        session.say(note_line(told))
        return listening("127.0.0.1:0")


UNIT = """\
# For you alone: ~/.config/systemd/user/{name}.service, then
#     systemctl --user daemon-reload
#     systemctl --user enable --now {name}
#     loginctl enable-linger
# the last so that it works on when you are not logged in. For the machine:
# /etc/systemd/system/{name}.service, with `User=` below [Service] and `multi-user.target` below
# [Install], and the same without `--user`; `EnvironmentFile=` is then /etc/{name}.env.
# `journalctl -u {name}` shows what it tells, with `--user` where that is yours.

[Unit]
Description=ork up in {project}
Wants=network-online.target
After=network-online.target

[Service]
Type=exec
WorkingDirectory={folder}
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
# Where tasks find programs, and which Python they have: as where this was printed.
Environment={environ}
# Secrets, NAME=VALUE a line, in a file that you alone can read: those of tasks, PGPASSWORD where
# the store needs it, and ORK_UP_TOKEN, without which each start gives the page another address.
{needs}EnvironmentFile=%h/.config/{name}.env
# Only ork up is asked to end; it lets runs go on for the grace, then stops them. What is left when
# it has ended is killed.
KillMode=mixed
TimeoutStopSec={timeout:.0f}
Restart=on-failure
RestartSec=5

[Install]
WantedBy=default.target
"""


def _words(options: Mapping[str, Any]) -> list[str]:
    """Return options as they are typed."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif isinstance(value, list):
            words += [word for one in value for word in (name, one)]
        elif value not in (None, False):
            words += [name, str(value)]
    return words


def _unit(session: Session, folder: Path, words: list[str], grace_s: float) -> str:
    """Return the unit for `ork up` with these options, here."""
    from ork.backends.address import is_url, public
    from ork.daemon.lines import Lines
    from ork.heads.secrets import Secrets

    here, store = Path.cwd(), session.world.environ.get("ORK_STORE", "")
    chosen = ["--store", public(store) if is_url(store) else str(folder)]
    command = [sys.executable, "-P", "-m", "ork", *chosen, "up", *words]
    here_set = {"PATH": os.defpath, **session.world.environ}
    environ = [f"{name}={here_set[name]}" for name in KEPT if here_set.get(name)]
    if any(not text.isprintable() for text in (str(here), *environ, *command)):
        raise UsageError("a unit cannot have a path with such a name", hint="rename the folder")
    fired = {line.workflow for line in Lines(session.store).look()}
    needed = [
        name for name, its in Secrets(session.store).look().items() if fired.intersection(its)
    ]
    return UNIT.format(
        name=re.sub(r"[^A-Za-z0-9_.]+", "-", f"ork-{here.name}").strip("-"),
        # Of which no variable is made there.
        environ=" ".join(_quoted(one).replace("$$", "$") for one in environ),
        needs=f"# Scheduled workflows need {', '.join(sorted(needed))}.\n" if needed else "# ",
        project=str(here).replace("%", "%%"),
        folder=str(here).replace("%", "%%"),
        command=" ".join(_quoted(word) for word in command),
        timeout=grace_s + MORE_GRACE_SECONDS,
    )


def _quoted(word: str) -> str:
    """Return a word as systemd reads it: no variable, no specifier, no escape."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{word}"'
