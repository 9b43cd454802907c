"""ork export"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    form: Annotated[str, typer.Argument(metavar="git", help="What to export to: git.")],
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEST] [WORKFLOW]",
            help="The folder of the repository, which --stream has not; the workflow, if there "
            "are several.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Add what is new to a repository made before.")
    ] = False,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="NAME", help="The branch; main if left out.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print a stream for `git fast-import` instead.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Write the history of a workflow to git.

    A commit has the workflow file and the code that it calls, with the author, time and message of
    the deploy, and the oids as trailers; tags come along. The same history gives the same commit
    ids everywhere. With --update the branch, and the files if they show it, go on to the newest
    deploy; whatever is not of this history is never overwritten.

    \b
    Example:
        ork export git etl-history etl
    """
    session: Session = ctx.obj
    check_form(form)
    if stream:
        _stream(session, words or [], branch, odd=update or as_json)
        return
    if not words or len(words) > 2:
        raise UsageError(
            "name the folder to write to, and at most one workflow",
            hint="as in `ork export git etl-history etl`",
        )
    from ork.cli.git_part import export_hint, export_view
    from ork.git.to_git import BRANCH, export_git, the_workflow

    workflow = the_workflow(session.store, words[1] if len(words) > 1 else None)
    done = export_git(
        session.store, Path(words[0]), workflow, branch=branch or BRANCH, update=update
    )
    if as_json:
        session.print_json("export", done)
        return
    session.print(export_view(done))
    session.say(*export_hint(done))


def check_form(form: str) -> None:
    """Refuse to read or write anything that is not git."""
    if form != "git":
        raise UsageError(
            f"{form!r} is not known here: only git is", hint="as in `ork export git etl-history`"
        )


def _stream(session: Session, words: list[str], branch: str | None, *, odd: bool) -> None:
    import sys

    from ork.git.to_git import BRANCH, stream_git, the_workflow

    if odd or len(words) > 1:
        raise UsageError("--stream takes a workflow and --branch, nothing else")
    if sys.stdout.isatty():
        raise UsageError("--stream is for git: `ork export git --stream | git fast-import`")
    workflow = the_workflow(session.store, words[0] if words else None)
    sys.stdout.flush()
    for piece in stream_git(session.store, workflow, branch=branch or BRANCH):
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
