"""ork check: all that is wrong in workflow files, and what of their code is captured"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from ork.cli.heads.cores import each
from ork.cli.options import Json, at_most_one, files_of
from ork.cli.screen.errors import problems_view, warnings_view
from ork.cli.screen.line import Line
from ork.cli.session import Session
from ork.errors import InvalidInput, Problem, UsageError
from ork.objects.canonical import Json as Data
from ork.objects.value import Value

if TYPE_CHECKING:
    from ork.worktree.capture import Captured

FORMATS = ("text", "github", "sarif", "json")
TASKS_SHOWN = 5
TIMES_SHOWN = 3
BY = {
    "program": "started by",
    "script": "executed by",
    "module": "executed by",
    "sourced": "sourced by",
    "imported": "imported by",
    "include": "include:",
}


class CheckedFile(Value, frozen=True, kw_only=True):
    """One captured file, and one of the reasons why it is: its role, for which tasks.

    `by` is the file that names it, or the pattern of `include`; None for the tasks themselves.
    """

    path: str
    role: str  # file | module | program | script | sourced | imported | include
    by: str | None = None
    tasks: tuple[str, ...] = ()


class CheckedSchedule(Value, frozen=True, kw_only=True):
    """One schedule of a file: in words, and the next times in its zone, as ISO 8601."""

    words: str
    timezone: str
    params: dict[str, Data]
    next: tuple[str, ...]


class Checked(Value, frozen=True, kw_only=True):
    """One file: the snapshot that a deploy would make of it, or all that is wrong with it.

    With `more`, what is wrong may hide more of that. `schedules` tell when it is due. `warnings`
    tell what seems to be wrong, and where it cannot be known what is executed, `files` with --files
    what is captured, and `open` then the places of which nobody could know more.
    """

    file: str
    workflow: str | None = None
    snapshot: str | None = None
    problems: tuple[Problem, ...] = ()
    more: bool = False
    schedules: tuple[CheckedSchedule, ...] = ()
    warnings: tuple[Problem, ...] = ()
    files: tuple[CheckedFile, ...] | None = None
    open: tuple[Problem, ...] | None = None


Looked: TypeAlias = tuple[str | None, Checked]


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
            "--format", metavar="text|github|sarif|json", help="github marks lines; sarif is a log."
        ),
    ] = "text",
    as_json: Json = False,
) -> None:
    """Say all that is wrong in workflow files.

    Reads the files and the code they call as a deploy would, but runs nothing and writes nothing.
    Every complaint has its file, line and column. What is obviously a key or a password is a
    complaint too, because a deploy refuses it; so are two files with one name. Needs no store.
    Where a mistake hides code that is to be looked at, a last line says that more may follow.

    In a folder, a workflow is a .yaml or .yml file with a line that begins with `tasks:`, or a
    .json file with tasks. Hidden folders, virtual environments, node_modules and links are passed
    over. A folder without any is taken for a part of the project around it.

    For GitHub and in SARIF, paths are relative to the top of the git repository.

    Of a good file it says when it is due: its schedules in words, and the next three times of each.

    Where the code leaves open what it executes - it sources a path with a variable, or imports a
    name that it computes - a warning says so, until `include` names code that it may be. There are
    warnings of scripts that are not there as well, and of inputs that a task does not get.

    Exit codes: 0 all are good; 1 at least one is not.

    \b
    Example:
        ork check etl.yaml
    """
    session: Session = ctx.obj
    if form not in FORMATS:
        raise UsageError(f"--format {form}: say {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    at_most_one({"--json": as_json, f"--format {form}": form not in ("text", "json")})
    results = _check(_files(session, files), show_files=show_files, now=session.now())
    if as_json or form == "json":
        session.print_json("check", results)
    elif form in ("github", "sarif"):
        from ork.cli.heads import findings

        session.print(([line] for line in getattr(findings, form)(results)), verbatim=True)
    else:
        for one in results:
            if one.snapshot:
                session.print([[(str(one.workflow), "name"), f"  {one.file}: good"]])
                session.print(_schedule_lines(one))
                session.print(_captured_lines(one))
                session.say(*warnings_view(one.warnings))
            else:
                session.print(problems_view(one.problems))
        if any(one.more for one in results):
            from ork.worktree.load import MORE

            session.print([[MORE]])
    raise typer.Exit(0 if all(one.snapshot for one in results) else 1)


def _files(session: Session, named: list[Path] | None) -> list[Path]:
    """Return the files that are named or in folders that are, else all here and below.

    Where there are none, those of the whole project.
    """
    from ork.worktree.lookup import workflow_files

    whole = session.project or Path()
    return files_of(session, named or [*workflow_files(Path())] or [*workflow_files(whole)])


def _check(files: Sequence[Path], *, show_files: bool, now: datetime) -> list[Checked]:
    from ork.worktree.load import check, same_names

    paths = list(dict.fromkeys(files))
    looked = each(partial(_checked, show_files=show_files, now=now), paths, Looked)
    names, found = zip(*looked, strict=True)
    checked = dict(zip(paths, found, strict=True))
    many = {name for name, count in Counter(names).items() if name and count > 1}
    doubled = [path for path, name in zip(paths, names, strict=True) if name in many]
    for problem in same_names([check(path) for path in doubled]):
        path = Path(problem.file)
        problems = (problem, *checked[path].problems)
        checked[path] = Checked(file=str(path), problems=problems)
    return [checked[path] for path in files]


def _checked(path: Path, *, show_files: bool, now: datetime) -> Looked:
    """Return the name in a file that can be read, and all that is to be said of it."""
    from ork.worktree.load import MORE, examine, warnings_in

    if path.is_dir():
        problem = Problem(file=str(path), message="no workflow file is in this folder, or below it")
        return None, Checked(file=str(path), problems=(problem,))
    try:
        loaded, error = examine(path)
    except InvalidInput as unread:
        loaded, error = None, unread
    name = loaded.definition.name if loaded else None
    if error or not loaded:
        assert error
        problems = error.problems or (Problem(file=str(path), message=error.message),)
        return name, Checked(file=str(path), problems=problems, more=error.hint == MORE)
    captured = loaded.captured
    return name, Checked(
        file=str(path),
        workflow=name,
        snapshot=loaded.snapshot,
        schedules=tuple(_schedules(loaded.definition.settings.get("schedule"), now)),
        warnings=warnings_in(loaded),
        files=tuple(_captured(captured)) if show_files else None,
        open=captured.silent if show_files else None,
    )


def _schedules(setting: Data, now: datetime) -> Iterator[CheckedSchedule]:
    if setting is None:
        return
    from ork.schedule.schedule import read
    from ork.schedule.times import slots, zone
    from ork.schedule.words import in_words

    for schedule in read(setting)[0]:
        there = zone(schedule.timezone)
        coming = islice(slots(schedule, now), TIMES_SHOWN)
        yield CheckedSchedule(
            words=in_words(schedule),
            timezone=schedule.timezone,
            params=dict(schedule.params),
            next=tuple(slot.astimezone(there).isoformat() for slot in coming),
        )


def _schedule_lines(one: Checked) -> Iterator[Line]:
    for schedule in one.schedules:
        yield ["  ", ("schedule", "label"), f"  {schedule.words}"]
        shown = (time[:-6].replace("T", " ").removesuffix(":00") for time in schedule.next)
        yield ["  ", ("next", "label"), f"      {', '.join(shown)} ({schedule.timezone})"]


def _captured(captured: "Captured") -> Iterator[CheckedFile]:
    """Yield the captured files; one that has several reasons comes as often."""
    for path, reasons in captured.reasons.items():
        tasks: dict[tuple[str, str], list[str]] = {}
        for task, role, by in reasons:
            tasks.setdefault((role, by), []).extend([task] if task else [])
        for (role, by), names in tasks.items():
            yield CheckedFile(path=path, role=role, by=by or None, tasks=tuple(names))


def _captured_lines(one: Checked) -> Iterator[Line]:
    from ork.cli.diff.wording import listed

    width = max((len(file.path) for file in one.files or ()), default=0)
    before = None
    for file in one.files or ():
        shown = file.path if file.path != before else ""
        line: Line = ["  ", (f"{shown:<{width}}", "file"), "  "]
        if file.by:
            yield [*line, f"{BY[file.role]} ", (file.by, "file")]
        else:
            yield [*line, f"{file.role} of ", *listed(file.tasks, TASKS_SHOWN)]
        before = file.path
    for problem in one.open or ():
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        yield ["  ", (place, "file"), f": {problem.message}"]
