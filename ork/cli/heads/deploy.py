"""ork init, check, deploy, status: from a workflow file to its newest deploy"""

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, TypeAlias

import typer

from ork.cli.options import AllowSecret, Json, Move
from ork.cli.screen import signals
from ork.cli.screen.errors import problems_view
from ork.cli.screen.line import Line
from ork.cli.session import Session
from ork.errors import InvalidInput, Problem, UsageError
from ork.objects.value import Value, as_line, of_line, replace
from ork.store import location

if TYPE_CHECKING:
    from ork.heads.deploy import Deployed, FileStatus
    from ork.store.store import Store
    from ork.worktree.capture import Captured

Files = Annotated[list[Path], typer.Argument(help="Workflow files.", metavar="FILE...")]
TASKS_SHOWN = 5
PARALLEL_FILES_MIN = 100  # of fewer, starting processes costs more than it gains
BY = {
    "program": "started by",
    "script": "executed by",
    "module": "executed by",
    "sourced": "sourced by",
    "imported": "imported by",
    "include": "include:",
}
STATE_STYLES = {
    "unchanged": "dim",
    "modified": "changed",
    "new": "added",
    "moved": "changed",
    "duplicate": "failed",
    "missing": "removed",
    "invalid": "failed",
}


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The root of the project.")] = Path(),
) -> None:
    """Make an empty store in a project.

    `ork deploy` and `ork run` make one by themselves when there is none; init is for choosing the
    folder. Running it again changes nothing.

    \b
    Example:
        ork init
    """
    session: Session = ctx.obj
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    store = session.store_path or folder.resolve() / ".ork"
    existed = store.exists()
    if not existed:
        location.create(store)
    location.open_backend(store, environ=session.world.environ).close()
    verb = "There is a store already in" if existed else "Made an empty store in"
    session.print([[f"{verb} {store}"]])
    session.say([("next: ", "hint"), "`ork deploy FILE` keeps the first version of a workflow"])


class CheckedFile(Value, frozen=True, kw_only=True):
    """One captured file, and one of the reasons why it is: its role, for which tasks.

    `by` is the file that names it, or the pattern of `include`; None for the tasks themselves.
    """

    path: str
    role: str  # file | module | program | script | sourced | imported | include
    by: str | None = None
    tasks: tuple[str, ...] = ()


class Checked(Value, frozen=True, kw_only=True):
    """One file: the snapshot that a deploy would make of it, or all that is wrong with it.

    `warnings` tell where it cannot be known what is executed, `files` with --files what is
    captured, and `open` then the places of which nobody could know more.
    """

    file: str
    workflow: str | None = None
    snapshot: str | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    files: tuple[CheckedFile, ...] | None = None
    open: tuple[Problem, ...] | None = None


Looked: TypeAlias = tuple[str | None, Checked]


def check(
    ctx: typer.Context,
    files: Files,
    show_files: Annotated[
        bool, typer.Option("--files", help="List what is captured as code, and why.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say all that is wrong in workflow files.

    Reads the files and the code they call as a deploy would, but runs nothing and writes nothing.
    Every complaint has its file, line and column. What is obviously a key or a password is a
    complaint too, because a deploy refuses it; so are two files with one name. Needs no store.

    Where the code leaves open what it executes - it sources a path with a variable, or imports a
    name that it computes - a warning says so, until `include` names code that it may be.

    \b
    Exit codes: 0 all are good; 1 at least one is not.

    \b
    Example:
        ork check etl.yaml
    """
    session: Session = ctx.obj
    results = _check(files, show_files=show_files)
    if as_json:
        session.print_json("check", results)
    else:
        for one in results:
            if one.snapshot:
                session.print([[(str(one.workflow), "name"), f"  {one.file}: good"]])
                session.print(_captured_lines(one))
                warnings = (w._replace(message=f"warning: {w.message}") for w in one.warnings)
                session.say(*problems_view(tuple(warnings)))
            else:
                session.print(problems_view(one.problems))
    raise typer.Exit(0 if all(one.snapshot for one in results) else 1)


def _check(files: Sequence[Path], *, show_files: bool) -> list[Checked]:
    from ork.worktree.load import check, same_names

    paths = list(dict.fromkeys(files))
    looked = _each(partial(_checked, show_files=show_files), paths)
    names, found = zip(*looked, strict=True)
    checked = dict(zip(paths, found, strict=True))
    many = {name for name, count in Counter(names).items() if name and count > 1}
    doubled = [path for path, name in zip(paths, names, strict=True) if name in many]
    for problem in same_names([check(path) for path in doubled]):
        path = Path(problem.file)
        problems = (problem, *checked[path].problems)
        checked[path] = Checked(file=str(path), problems=problems)
    return [checked[path] for path in files]


def _each(look: Callable[[Path], Looked], files: Sequence[Path]) -> Iterator[Looked]:
    """Look at files, in their order; at many of them on all cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    if cores == 1 or len(files) < PARALLEL_FILES_MIN:
        yield from map(look, files)
        return
    children = [_child(look, files[first::cores]) for first in range(cores)]
    try:
        for number, path in enumerate(files):
            line = children[number % cores][1].readline()
            # What ended the child ends us, in our own words.
            found = of_line(line, Looked) if line.endswith(b"\n") else look(path)
            yield found
    finally:
        for pid, answers in children:
            answers.close()
            os.kill(pid, signal.SIGKILL)  # where we gave up; else it has ended, or is about to
            os.waitpid(pid, 0)


def _child(look: Callable[[Path], Looked], files: Sequence[Path]) -> tuple[int, BinaryIO]:
    """Return a process that looks at files, and what reads its answers."""
    reading, writing = os.pipe()
    # Ctrl-C in the middle of a fork would be a traceback; the child is to end without a word.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals.ENDING)
    if pid := os.fork():
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(writing)
        return pid, os.fdopen(reading, "rb")
    try:
        for number in signals.ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        os.close(reading)
        with os.fdopen(writing, "wb") as answers:
            for path in files:
                answers.write(as_line(look(path)))
    finally:
        os._exit(0)


def _checked(path: Path, *, show_files: bool) -> Looked:
    """Return the name in a file that can be read, and all that is to be said of it."""
    from ork.worktree.load import check, secrets_in

    try:
        loaded = check(path)
    except InvalidInput as error:
        problems = error.problems or (Problem(file=str(path), message=error.message),)
        return None, Checked(file=str(path), problems=tuple(problems))
    name = loaded.definition.name
    if secrets := secrets_in(loaded):
        return name, Checked(file=str(path), problems=tuple(secrets))
    captured = loaded.captured
    return name, Checked(
        file=str(path),
        workflow=name,
        snapshot=loaded.snapshot,
        warnings=captured.unknown,
        files=tuple(_captured(captured)) if show_files else None,
        open=captured.silent if show_files else None,
    )


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


def deploy(
    ctx: typer.Context,
    files: Files,
    message: Annotated[
        str | None, typer.Option("-m", "--message", help="Why; made from the diff when left out.")
    ] = None,
    allow_secret: AllowSecret = False,
    move: Move = False,
    as_json: Json = False,
) -> None:
    """Keep the present version of a workflow.

    The definition in the file and the code that it calls become a snapshot, the newest of the
    workflow's history. When nothing changed since the last deploy, nothing is written: comments,
    key order, quoting and defaults do not count. No code of the workflow is run or imported. What
    is obviously a key or a password is refused, because it would be kept for ever.

    A workflow is one file. Another one with its name is refused, unless --move says that it takes
    the place of the first; a file that was only renamed needs no --move.

    \b
    Example:
        ork deploy etl.yaml -m "Fetch twice a day"
    """
    from ork.heads.deploy import deploy_loaded, refuse_move, refuse_secrets
    from ork.worktree.load import check, same_names

    session: Session = ctx.obj
    known = session.store if session.has_store() else None
    checked = [check(path, known) for path in files]  # all, before any is deployed or a store made
    if problems := same_names(checked):
        raise InvalidInput("nothing was deployed", problems=problems)
    store = session.new_store
    for loaded in checked:
        store.hold(loaded.built.objects)
        if not move:
            refuse_move(store, loaded)
        if not allow_secret:
            refuse_secrets(store, loaded, message)
    done = [
        deploy_loaded(
            store,
            one,
            stamp=session.stamp(),
            message=message,
            allow_secret=allow_secret,
            move=move,
        )
        for one in checked
    ]
    if as_json:
        session.print_json("deploy", done)
        return
    session.print(deploy_line(one, store) for one in done)
    session.say(*_after_deploy(done))


def deploy_line(done: "Deployed", store: "Store") -> Line:
    """Return one line: the workflow, its snapshot, and what changed."""
    snapshot = (store.short(done.snapshot), "oid")
    if not done.changed and not done.moved:
        return [(done.workflow, "name"), " is up to date at ", snapshot]
    return [(done.workflow, "name"), " ", snapshot, "  ", done.message.partition("\n")[0]]


def _after_deploy(done: "Iterable[Deployed]") -> Iterator[Line]:
    changed = next((one for one in done if one.changed), None)
    if changed:
        name = changed.workflow
        diff = f"`ork diff {name}~1 {name}` or " if changed.parent else ""
        yield [("next: ", "hint"), f"{diff}`ork run {name}`"]


def status(ctx: typer.Context, as_json: Json = False) -> None:
    """Show which files differ from what is deployed.

    Looks at every file that a deploy came from, and below the working directory for workflow files
    that are not deployed yet.

    \b
    Example:
        ork status
    """
    from ork.heads.deploy import status

    session: Session = ctx.obj
    found = list(status(session.store, Path.cwd()))
    if as_json:
        session.print_json("status", found)
        return
    found = [_seen_from_here(session.store, one) for one in found]
    session.print(_status_lines(found, session.store))
    duplicate = next((one for one in found if one.state == "duplicate"), None)
    modified = next((one for one in found if one.state in ("modified", "moved")), None)
    fresh = next((one for one in found if one.state == "new"), None)
    if duplicate:
        session.say([("hint: ", "hint"), f"{duplicate.path} needs a name of its own"])
    if modified and modified.state == "moved":
        move = "--move " if modified.summary else ""
        session.say([("next: ", "hint"), f"`ork deploy {move}{modified.path}` keeps its new path"])
    elif modified:
        shown, kept = f"`ork diff {modified.workflow}`", f"`ork deploy {modified.path}`"
        session.say([("next: ", "hint"), f"{shown} shows what changed, {kept} keeps it"])
    elif fresh:
        session.say([("next: ", "hint"), f"`ork deploy {fresh.path}`"])
    elif not found:
        session.say(["no workflow files here"])


def _seen_from_here(store: "Store", one: "FileStatus") -> "FileStatus":
    """Return a status with its paths as one would type them in the working directory."""
    path, other = (p and os.path.relpath(store.project / p) for p in (one.path, one.other))
    return replace(one, path=path, other=other)


def _status_lines(found: "Sequence[FileStatus]", store: "Store") -> Iterator[Line]:
    width = max((len(one.path) for one in found), default=0)
    for one in found:
        line: Line = [(f"{one.state:<10}", STATE_STYLES[one.state]), f"{one.path:<{width}}"]
        if one.workflow:
            line += ["  ", (one.workflow, "name")]
        if one.snapshot and one.state == "unchanged":
            line += [" ", (store.short(one.snapshot), "oid")]
        if one.other:
            line += ["  ", "from " if one.state == "moved" else "as in ", one.other]
        if one.summary:
            line += ["  ", one.summary]
        yield line
