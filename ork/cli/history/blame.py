"""ork blame: the deploy that last touched each part of a definition, or each line of a text"""

import json
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.fit import Verbatim, cut, padded
from ork.cli.screen.fit import columns as columns_of
from ork.cli.screen.line import Line, plain
from ork.cli.screen.parts import author_room, clipped, column, is_narrow, person, quoted
from ork.cli.session import Session
from ork.differences.tasks import together

if TYPE_CHECKING:
    from ork.history.blame import Blame, BlamedLine, Part

HEADINGS = {"task": "tasks", "setting": "settings", "param": "params", "file": "files"}


def blame(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="A revision or range; with :TASK, :PATH or : one part of it.")
    ] = "@",
    keys: Annotated[
        bool, typer.Option("--keys", help="Each field, parameter and setting for itself.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which deploy last touched each part.

    etl shows tasks and code files, etl:extract each field of a task, etl:tasks/etl.py each line of
    a code file, and `etl:` each line of the YAML text. First stands the deploy, as `ork log
    --oneline` has it. Tasks and files are followed through their renames, and blocks of lines into
    the files that have lost them. What `env` of the workflow changed in most tasks alike touched
    none of them: --keys has that, in one line. A range A..B looks at nothing before A, and ^ marks
    what is still as it was in A.

    \b
    Example:
        ork blame etl:extract
    """
    from ork.history.blame import blame

    session: Session = ctx.obj
    store = session.store
    found = blame(store, revision, now=session.now(), keys=keys)
    if as_json:
        session.print_json("blame", found)
    else:
        session.print(blame_view(found, session), page=True)


def blame_view(found: "Blame", session: Session) -> Iterator[Line]:
    """Yield a line for each part of a definition, or for each line of a text."""
    return (_lines if found.lines else _parts)(found, session)


def _parts(found: "Blame", session: Session) -> Iterator[Line]:
    """Yield a line for each part: deploy, author, date, name, and its value or the message."""
    columns = _Columns(found, session)
    alone = found.name is not None
    for kind, group in groupby(found.parts, key=lambda part: part.kind):
        groups = sorted(together(group, _as_env), key=lambda some: len(some) == 1)
        parts = [some[0] for some in groups]
        if found.name is None:
            yield [(HEADINGS[kind], "heading")]
        else:
            was = columns.old_name(parts[0])
            yield [(quoted(found.name), "heading"), *(f"  {text}" for text in was)]
        names = [
            _name(some[0], alone=alone) if len(some) == 1 else f"{len(some)} tasks: {some[0].field}"
            for some in groups
        ]
        room = session.width and session.width - columns_of(plain(columns.of(parts[0]))) - 2
        shown = clipped(names, room)
        names = [shown[name] for name in names]
        pad = column(names)
        for part, name in zip(parts, names, strict=True):
            line: Line = [*columns.of(part), "  ", (padded(name, pad), "name")]
            if part.field is not None or part.kind in ("setting", "param"):
                rest = [json.dumps(part.value, ensure_ascii=False)]
            else:
                subject = found.deploys[part.deploy].message.partition("\n")[0]
                rest = [*columns.old_name(part), subject]
            # The most important first: the end is cut.
            yield cut([*line, *(f"  {text}" for text in rest)], session.width)


def _lines(found: "Blame", session: Session) -> Iterator[Line]:
    """Yield each line of the text after the deploy that last touched it, as git blame does.

    On a terminal the author and date of a deploy stand on the first of its lines only.
    """
    columns = _Columns(found, session)
    paths = {line.path for line in found.lines}
    path_pad = column(paths)
    digits = len(str(len(found.lines)))
    above = None
    for line in found.lines:
        again = session.width is not None and line.deploy == above
        above = line.deploy
        path: Line = ["  ", (padded(quoted(line.path), path_pad), "file")] if len(paths) > 1 else []
        number = (f"{line.number:>{digits}}", "dim")
        yield Verbatim([*columns.of(line, again=again), *path, "  ", number, "  ", line.text])


class _Columns:
    """The first columns, equally wide in all lines: short hash, author, date."""

    def __init__(self, found: "Blame", session: Session) -> None:
        now, width = session.now(), session.width
        shown: Iterable[Part | BlamedLine] = found.parts or found.lines
        self.with_mark = any(one.boundary for one in shown)
        self.with_time = not is_narrow(width)  # who it was is what people ask
        short = session.store.shorten(found.deploys)
        self.texts = {
            oid: (
                short[oid],
                person(one.author, author_room(width)),
                human.moment(one.time, now, width),
            )
            for oid, one in found.deploys.items()
        }
        self.pads = [
            max(map(columns_of, texts)) for texts in zip(*self.texts.values(), strict=True)
        ]

    def of(self, one: "Part | BlamedLine", *, again: bool = False) -> Line:
        """Return the columns of a part or line; ^ says that nothing before it was looked at.

        `again` leaves out what the line above says already, but for the hash.
        """
        mark = ("^" if one.boundary else " ") if self.with_mark else ""
        oid, author, time = self.texts[one.deploy]
        if again:
            author = time = ""
        line: Line = [(f"{mark}{oid:<{self.pads[0]}}", "oid"), "  "]
        line += [(padded(author, self.pads[1]), "author")]
        return [*line, "  ", (f"{time:<{self.pads[2]}}", "time")] if self.with_time else line

    def old_name(self, part: "Part") -> list[str]:
        """Return the name before the newest rename, if there was one."""
        if part.old_name is None or part.renamed_by is None:
            return []
        return [f"(was {quoted(part.old_name)} until {self.texts[part.renamed_by][0]})"]


def _as_env(part: "Part") -> str:
    """Return what parts have in common that are one line: a variable of the workflow's `env`."""
    if part.field is None or not part.field.startswith("env."):
        return f"{part.name} {part.field}"
    return json.dumps([part.field, part.value, part.deploy, part.boundary])


def _name(part: "Part", *, alone: bool) -> str:
    if part.field is None:
        return quoted(part.name)
    return part.field if alone else f"{quoted(part.name)}.{part.field}"
