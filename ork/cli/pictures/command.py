"""`ork graph`, in each of its formats."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import at_most_one, files_here, files_of
from ork.cli.screen.line import has_boxes, plain
from ork.cli.session import Session
from ork.errors import UsageError

ENDINGS = {".mmd": "mermaid", ".dot": "dot", ".gv": "dot", ".svg": "svg", ".json": "json"}


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="A revision, a workflow file or a run; A..B draws a change.")
    ] = "@",
    form: Annotated[
        str | None,
        typer.Option(
            "--format", metavar="text|mermaid|dot|svg|json", help="Else as the ending of -o says."
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as --format json.")] = False,
) -> None:
    """Draw which task needs which.

    What a task needs stands above it. Of a run, each task shows what became of it; pictures mark
    one whose code changed while it ran with !. Of a change, A..B, each shows whether it was added
    (+), removed (-), changed (~) or renamed (>), or can give another result because of what changed
    before it (● or *); what cannot is ○ or o. A wide terminal has room for more lines; +3 before a
    task says that 3 more pass there than have room, and a picture (svg, mermaid, dot) has them all.

    \b
    Example:
        ork graph etl -o etl.svg
        ork graph etl~1..etl
    """
    from ork.cli.pictures.change import graph_of, lanes
    from ork.cli.pictures.graph import written
    from ork.worktree.lookup import as_revision

    session: Session = ctx.obj
    at_most_one({"--json": as_json, f"--format {form}": form not in (None, "json")})
    form = _format("json" if as_json else form, output)
    revision = _named(session, as_revision(revision))
    if revision.startswith("file:"):
        session.need_no_store()
    graph = graph_of(session.store, revision, now=session.now())
    if form == "text":
        box = sys.stdout.isatty() and output is None and has_boxes(session.world.environ)
        drawn = lanes(graph, box=box, columns=None if output else session.width)
        if output is None:
            session.print(drawn, page=True, verbatim=True)
            return
        text: Iterable[str] = (plain(line) for line in drawn)
    else:
        text = written(graph, form)
    if output is None:
        sys.stdout.writelines(f"{line}\n" for line in text)
        return
    from ork.cli.screen.output import write_text

    write_text(output, (f"{line}\n" for line in text))
    session.say([f"wrote {output}"])


def _format(asked: str | None, output: Path | None) -> str:
    """Return the format that is asked for, else that of the file's ending, else text."""
    from ork.cli.pictures.graph import FORMATS

    if asked not in (None, *FORMATS):
        raise UsageError(f"--format {asked}: say {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    by_name = ENDINGS.get(output.suffix.lower()) if output else None
    if output and not asked and not by_name and output.suffix.lower() not in ("", ".txt"):
        names = ", ".join(ENDINGS)
        hint = f"the endings are {names}, or --format says which it is"
        raise UsageError(f"-o {output}: no format has this ending", hint=hint)
    if asked and by_name and asked != by_name:
        raise UsageError(f"-o {output}: a file of this name is {by_name}, and not {asked}")
    return asked or by_name or "text"


def _named(session: Session, revision: str) -> str:
    """Return the revision; before anything is deployed, the only file in this folder."""
    from ork.store.resolve import workflows

    if revision != "@":
        return revision
    if not session.has_store():
        return f"file:{files_of(session, None)[0]}"
    found = [] if workflows(session.store) else files_here(session)
    return f"file:{found[0]}" if len(found) == 1 else revision
