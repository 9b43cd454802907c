"""Options that several commands share."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.session import Session
from ork.errors import OrkError, UsageError

FILE_BYTES_MAX = 16 * 1024 * 1024

if TYPE_CHECKING:
    from ork.runner.loop import Control
    from ork.runner.start import Caller, Options
    from ork.store.store import Store

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Workflow files, and folders with all in them and below; when left out the only one"
        " here, else at the project's root.",
        metavar="[FILE|FOLDER]...",
    ),
]
RunOrTask = Annotated[
    str,
    typer.Argument(
        metavar="[RUN[:TASK]]",
        help="A workflow means its newest run; TASK may be a pattern: load_*.",
    ),
]
Limit = Annotated[
    int | None, typer.Option("-n", min=0, metavar="N", help="Show at most this many; -3 is -n 3.")
]
NotBefore = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Not before: 2026-11-01, 20:15, tuesday, 2h, '2 days ago'."),
]
NotAfter = Annotated[str | None, typer.Option(metavar="TIME", help="Not after; a day is its end.")]
Author = Annotated[str | None, typer.Option(metavar="REGEX", help="Only authors that match.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        "-j", "--jobs", min=1, metavar="N", help="Tasks at once; else the cores, at least 4."
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "-i",
        "--input",
        help="A parameter; NAME=@FILE takes the text of a file, @@ is @ itself.",
        metavar="NAME=VALUE",
    ),
]


def seconds(text: str) -> float:
    """Return the seconds that a text says: a number of them, or as in a workflow file, 1h30m."""
    from ork.schedule.durations import seconds_of

    found = float(text) if text.replace(".", "", 1).isdecimal() else seconds_of(text)
    if found is None:
        raise typer.BadParameter("write 90, 30s, 5m or 1h30m")
    return found


def limit(text: str) -> float:
    """Return the seconds of a limit, of which some must be left to do anything."""
    if (found := seconds(text)) <= 0:
        raise typer.BadParameter("it must be longer than 0")
    return found


Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", parser=limit, metavar="TIME", help="For the whole run: 90, 5m, 1h30m."
    ),
]
FailFast = Annotated[
    bool,
    typer.Option(
        "--fail-fast/--keep-going", help="Stop at the first failure, or run what does not need it."
    ),
]
Checkout = Annotated[
    bool,
    typer.Option("--checkout", help="Run in a checkout, also when the project's folder would do."),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="TASK", help="Run only this task; give it again for more."),
]
From = Annotated[
    list[str] | None,
    typer.Option(
        "--from", metavar="TASK", help="Run this task and what depends on it; may be given again."
    ),
]
Until = Annotated[
    list[str] | None,
    typer.Option("--until", metavar="TASK", help="Run this task and what it depends on; likewise."),
]
Except = Annotated[
    list[str] | None,
    typer.Option("--except", metavar="TASK", help="Run all but this task; likewise."),
]
NoHooks = Annotated[
    bool, typer.Option("--no-hooks", help="Execute no `on_failure:` and no `on_success:`.")
]
AllowSecret = Annotated[
    bool, typer.Option("--allow-secret", help="Keep what looks like a key or a password.")
]
Move = Annotated[
    bool, typer.Option("--move", help="The file takes the place of the one deployed before.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only say what would run; nothing is written.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print events, one JSON a line.")]
Logs = Annotated[
    bool, typer.Option("--logs", help="Print what each task has printed, when it ends.")
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print only warnings, and what went wrong.")
]


def at_most_one(options: Mapping[str, bool]) -> None:
    """Raise UsageError when several of these options are given: one would be ignored."""
    given = [name for name, on in options.items() if on]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other", hint="leave one out")


def options_of(
    *,
    jobs: int | None,
    timeout: float | None,
    fail_fast: bool,
    checkout: bool = False,
    inputs: list[str] | None = None,
    only: list[str] | None = None,
    start: list[str] | None = None,
    until: list[str] | None = None,
    without: list[str] | None = None,
    base: str | None = None,
) -> Options:
    """Return the options of a run from those of the command line."""
    from ork.runner.choices import Selection
    from ork.runner.start import Options

    if only and (start or until or without):
        raise UsageError("--only excludes --from, --until and --except")
    selection = Selection(
        only=tuple(only or ()),
        start=tuple(start or ()),
        until=tuple(until or ()),
        without=tuple(without or ()),
    )
    return Options(
        jobs=jobs,
        timeout_s=timeout,
        fail_fast=fail_fast,
        checkout=checkout,
        base=base,
        given=parse_given(inputs or []),
        selection=selection,
    )


def parse_given(texts: list[str]) -> dict[str, str]:
    """Return name -> text of `NAME=VALUE` arguments.

    `NAME=@FILE` stands for the file's text, `NAME=@@TEXT` for the text `@TEXT`.
    """
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-i {text}: write `-i NAME=VALUE` or `-i NAME=@FILE`")
        if name in given:
            raise UsageError(f"-i {name} is given twice")
        if value.startswith("@"):
            value = value[1:] if value.startswith("@@") else _read(value[1:])
        given[name] = value
    return given


def _read(path: str) -> str:
    hint = f"`@@{path}` is the text `@{path}`, not a file"
    if not path:
        raise UsageError("no file is named behind the `@`", hint=hint)
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise UsageError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {path}: {reason}", hint=hint) from None


def caller_of(session: Session, control: Control | None = None) -> Caller:
    """Return who asks for a run, when, and how it is stopped, if that can be."""
    from ork.runner.start import Caller

    return Caller(
        stamp=session.stamp(),
        now=session.now(),
        environ=session.world.environ,
        control=control,
        token=session.world.token(),
    )


def matching(author: str | None) -> re.Pattern[str] | None:
    """Return what `--author` looks for."""
    if author is None:
        return None
    from ork.search.grep import pattern_of  # with all that it can look through

    return pattern_of(author)


def files_of(session: Session, files: list[Path] | None, *, several: bool = False) -> list[Path]:
    """Return the workflow files that are named or in folders that are, else the only one here.

    `several` says that the command takes more than one.
    """
    from ork.worktree.lookup import FILES_MAX, named_files, workflow_files

    if files:
        return named_files(files, known_store(session))
    found = files_here(session)
    if not found:
        below = next(workflow_files(Path(), at_most=FILES_MAX), None)
        raise UsageError(
            "no FILE is named, and this folder has no workflow file",
            hint=f"name one of a folder below, such as {shlex.quote(str(below))}"
            if below
            else "`ork init --example shell` writes one",
        )
    if len(found) > 1:
        place = "this folder" if found[0].parent == Path() else "the project's root"
        hint = f"such as {shlex.quote(str(_deployed(session, found) or found[0]))}"
        raise UsageError(
            f"{place} has {len(found)} workflow files: name one{', or some' if several else ''}",
            hint=f"{hint}, or {shlex.quote(str(found[0].parent))} for all" if several else hint,
        )
    return found


def _deployed(session: Session, found: list[Path]) -> Path | None:
    """Return the first of these files from which a workflow is deployed, if there is one."""
    from ork.worktree.lookup import deployed_files

    store = known_store(session)
    known = {os.path.realpath(path) for path in deployed_files(store)} if store else ()
    return next((path for path in found if os.path.realpath(path) in known), None)


def known_store(session: Session) -> Store | None:
    """Return the store that says what is deployed, if there is one that can be opened."""
    with suppress(OrkError):  # which is no reason to find no files
        return session.store
    return None


def files_here(session: Session) -> list[Path]:
    """Return the workflow files in this folder; where it has none, those at the project's root.

    Also what is deployed and no more like one.
    """
    from ork.worktree.lookup import deployed_files, files_in

    def known() -> list[Path]:
        store = known_store(session)
        return deployed_files(store) if store else []

    root = session.project or Path()
    return files_in(Path(), known) or [root / path for path in files_in(root, known)]


def runs_of(text: str) -> int | None:
    """Return how many runs are asked for, None for all."""
    if text in ("all", "none"):
        return None if text == "all" else 0
    if text.isascii() and text.isdigit():
        return int(text)
    raise UsageError(f"--runs {text}: say a number, all or none")
