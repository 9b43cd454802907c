"""ork forget: a secret that got in leaves the store for good."""

import getpass
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.line import Line, as_object, note_line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.errors import NotFound, UsageError, some
from ork.upkeep.forget import Forgotten, Found
from ork.upkeep.forget import forget as take_away

NAMED_MAX = 10  # versions, or runs, in a note
_HAVE = ("has", "have")
_DONE = {
    "replaced": "read as [forgotten]",
    "overwritten": "overwritten with *",
    "removed": "removed",
}


def forget(
    ctx: typer.Context,
    objects: Annotated[
        list[str] | None,
        typer.Argument(help="Code files or tasks, as in etl:tasks/etl.py.", metavar="[OBJECT]..."),
    ] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Ask for a text, or read it from standard input.")
    ] = False,
    text_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A file that holds the text.")
    ] = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever looks later.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else only say what is found.")] = False,
    as_json: Json = False,
) -> None:
    """Take a secret out of the store for good.

    Looks in all objects (code, texts, tasks, outputs, messages, command lines), in logs, checkouts
    and names, also for the text as JSON, base64 and other forms that masking knows. With --yes,
    each object that has it is read without it from then on, under the same oid, so that log, diff
    and blame go on; logs are overwritten; the data file is written anew. It cannot be undone.
    Nobody else may have the store open. The text is never an argument, which shells keep.

    It says which versions never run again for want of it. Backups, git and other machines are not
    reached: make the secret worthless first.

    Exit codes: 0 done, or nothing has it; 1 the store still has it, in a name.

    \b
    Example:
        ork forget etl:tasks/etl.py --reason "a password"
    """
    session: Session = ctx.obj
    if session.at_op is not None:
        raise UsageError("--at-op is for looking back; forget takes away from all of the history")
    if text + (text_file is not None) + bool(objects) != 1:
        hint = "--text asks for the text, or reads it from standard input" if text else None
        raise UsageError("say one of objects, --text and --text-file", hint=hint)
    found = take_away(
        session.folder,
        environ=session.world.environ,
        stamp=session.stamp(),
        text=_text(text_file) if text or text_file else None,
        objects=objects or (),
        reason=reason,
        yes=yes,
    )
    if as_json:
        session.print_json("forget", {"done": found.done, "stays": found.stays, **as_object(found)})
    else:
        session.print(map(_line, found.found), page=True)
        session.say(*_end(found))
    if found.done and found.stays:
        raise typer.Exit(1)


def _text(path: Path | None) -> str:
    try:
        if path is not None:
            data = path.read_bytes()
        elif sys.stdin.isatty():
            return getpass.getpass("the text to forget, which is not shown: ")
        else:
            data = sys.stdin.buffer.read()
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from None
    return data.decode("utf-8", "surrogateescape").removesuffix("\n")


def _line(one: Found) -> Line:
    line: Line = [f"{one.where:<10}  ", (quoted(one.name), "oid")]
    if one.what:
        line.append(f"  {quoted(one.what)}")
    if one.action == "stays":
        return [*line, "  ", ("stays", "warning"), f": {one.why}"]
    return [*line, "  ", (_DONE[one.action], "dim")]


def _end(found: Forgotten) -> Iterator[Line]:
    files = sum(one.where == "file" for one in found.found)
    inside = len(found.found) - files
    count = human.count(inside, "place")
    if found.done:
        yield [f"{count}; the data file was written anew"]
    elif inside:
        yield [f"{count}; nothing was changed: --yes does it"]
    else:
        yield ["nothing in the store has it" if files else "nothing has it"]
    if files:
        yield [f"{human.count(files, 'file')} in the working folder {_HAVE[files > 1]} it"]
    if found.versions:
        told = f"{some(found.versions, NAMED_MAX)} can neither run again nor be rolled back to"
        runs = f", nor can {some(found.runs, NAMED_MAX)} be repeated" if found.runs else ""
        yield note_line(f"{told if found.done else f'then {told}'}{runs}")
    if found.found:
        yield note_line(
            "backups, exports, the git history of the project, other machines, the disk's free"
            " blocks and the shell's history may have it still: make the secret worthless"
        )
