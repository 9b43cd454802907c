"""ork check: all that is wrong in workflow files, and what of their code is captured"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.alike import file_meant
from ork.cli.options import Json, at_most_one, files_of
from ork.cli.screen import human
from ork.cli.screen.errors import problems_view, warnings_view
from ork.cli.screen.fit import padded
from ork.cli.screen.line import Line
from ork.cli.screen.parts import column
from ork.cli.session import Session
from ork.errors import NotFound, Problem, StoreError, UsageError
from ork.store.revision import ENDINGS

if TYPE_CHECKING:
    from ork.heads.check import Checked
    from ork.store.store import Store

FORMATS = ("text", "github", "gitlab", "junit", "sarif", "json")
TASKS_SHOWN = 5
BY = {
    "program": "started by",
    "script": "executed by",
    "module": "executed by",
    "sourced": "sourced by",
    "table": "table for",
    "imported": "imported by",
    "include": "include:",
}


def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Workflow files, and folders with all in them and below; else this one.",
            metavar="[FILE|FOLDER]...",
        ),
    ] = None,
    show_files: Annotated[
        bool, typer.Option("--files", help="List what is captured as code, and why.")
    ] = False,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="|".join(FORMATS),
            help="github and gitlab mark lines; junit is for tests, sarif a log.",
        ),
    ] = "text",
    strict: Annotated[
        bool, typer.Option("--strict", help="Warnings are errors: end with 1 where there are some.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say all that is wrong in workflow files.

    Reads the files and the code they call as a deploy would, but runs nothing and writes nothing.
    Every complaint has its file, line and column. What is obviously a key or a password is a
    complaint too, because a deploy refuses it; so are two files with one name, of which one may be
    deployed. Needs no store.
    Where a mistake hides code that is to be looked at, a last line says that more may follow.

    In a folder, a workflow is a .yaml or .yml file with a line that begins with `tasks:`, or a
    .json file with tasks. Hidden folders, virtual environments, node_modules, links and
    projects with a store of their own are passed over. A folder without any is taken for a part of
    the project around it.

    For other programs, paths are relative to the top of the git repository.

    Of a good file it says when it is due: its schedules in words, and the next three times of each.

    Where the code leaves open what it executes - it sources a path with a variable, imports a name
    that it computes, or starts a program such as pytest that finds code by rules of its own - a
    warning says so, until `include` names code that it may be. There are warnings of scripts that
    are not there as well, of Python that is not valid in what a task imports or its command
    executes, of files that hide a module of Python itself, and of inputs that a task does not get.

    Exit codes: 0 all are good; 1 at least one is not or, with --strict, has a warning; 2 no file is
    named, and none is here; 3 a file that is named is not there.

    \b
    Example:
        ork check etl.yaml
    """
    session: Session = ctx.obj
    if form not in FORMATS:
        raise UsageError(f"--format {form}: say {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    at_most_one({"--json": as_json, f"--format {form}": form not in ("text", "json")})
    from ork.cli.heads.cores import each
    from ork.heads.check import check_files

    try:
        session.use_project_of(files or [Path()])
        store = session.unsettled() if session.has_store() else None
    except (StoreError, UsageError):
        store = None  # it is not needed
    paths = _files(session, files, store)
    gone = [path for path in paths if not os.path.exists(path)]  # told when all others were
    project = store.project if store else session.store_folder.parent.resolve()
    results = check_files(
        paths, now=session.now(), project=project, store=store, with_files=show_files, over=each
    )
    if as_json or form == "json":
        session.print_json("check", results)
    elif form != "text":
        from ork.cli.heads import findings

        if strict:
            results = [one.with_warnings_as_errors() for one in results]
        session.print(([line] for line in getattr(findings, form)(results)), verbatim=True)
    else:
        told = set[Problem]()  # what is wrong in code that several workflows call is told once
        for one in results:
            if Path(one.file) not in gone:
                session.print(_found_lines(one, strict=strict, told=told))
            session.say(*warnings_view(found for found in one.warnings if found not in told))
            told.update(one.problems, one.warnings)
        if any(one.more for one in results):
            from ork.worktree.load import MORE

            session.print([[MORE]])
    if gone:
        raise NotFound(f"no file {', '.join(map(str, gone))}", hint=file_meant(gone[0], ENDINGS))
    good = all(one.ok and not (strict and one.warnings) for one in results)
    raise typer.Exit(0 if good else 1)


def _files(session: Session, named: list[Path] | None, store: "Store | None") -> list[Path]:
    """Return the files that are named or in folders that are, else all here and below.

    Where there are none, those of the whole project.
    """
    from ork.worktree.lookup import files_below, files_in, named_files

    if named:
        return named_files(named, store)
    # Of what lies here, also the one that cannot be read.
    here = [*dict.fromkeys((*files_in(Path()), *files_below(Path(), store)))]
    found = here or files_below(session.project or Path(), store)
    return found or files_of(session, None)


def checked_view(one: "Checked", _: Session) -> Iterator[Line]:
    """Yield all that is said of one file, its warnings last."""
    yield from _found_lines(one)
    yield from warnings_view(one.warnings)
    if one.more:
        from ork.worktree.load import MORE

        yield [MORE]


def _found_lines(
    one: "Checked", *, strict: bool = False, told: Collection[Problem] = ()
) -> Iterator[Line]:
    if not one.ok:
        yield from problems_view(tuple(found for found in one.problems if found not in told))
        return
    is_good = not (strict and one.warnings)
    found = "good" if is_good else human.count(len(one.warnings), "warning")
    yield [(str(one.workflow), "name"), f"  {one.file}: {found}"]
    yield from _schedule_lines(one)
    yield from _captured_lines(one)


def _schedule_lines(one: "Checked") -> Iterator[Line]:
    for schedule in one.schedules:
        yield ["  ", ("schedule", "label"), f"  {schedule.words}"]
        if schedule.policies:
            yield [f"{'':12}{schedule.policies}"]
        shown = (time[:-6].replace("T", " ").removesuffix(":00") for time in schedule.next)
        yield ["  ", ("next", "label"), f"      {', '.join(shown)} ({schedule.timezone})"]


def _captured_lines(one: "Checked") -> Iterator[Line]:
    from ork.cli.diff.wording import listed

    width = column(file.path for file in one.files or ())
    before = None
    for file in one.files or ():
        shown = file.path if file.path != before else ""
        line: Line = ["  ", (padded(shown, width), "file"), "  "]
        if file.by:
            yield [*line, f"{BY[file.role]} ", (file.by, "file")]
        else:
            yield [*line, f"{file.role} of ", *listed(file.tasks, TASKS_SHOWN)]
        before = file.path
    for problem in one.open or ():
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield ["  ", (place, "file"), f": {problem.message}"]
