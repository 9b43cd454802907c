"""ork import"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import AllowSecret
from ork.cli.session import Session


def command(
    ctx: typer.Context,
    form: Annotated[str, typer.Argument(metavar="git", help="What to import from: git.")],
    repository: Annotated[
        Path, typer.Argument(metavar="REPO", help="A folder in a git repository, or a bare one.")
    ],
    path: Annotated[
        str,
        typer.Option(
            "--path",
            metavar="FILE|GLOB",
            help="The workflow file, or several (*, ?, **), relative to REPO.",
        ),
    ],
    branch: Annotated[
        str | None,
        typer.Option("--branch", metavar="REV", help="Up to this commit; HEAD if left out."),
    ] = None,
    allow_secret: AllowSecret = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Make deploys from the history of a file in git.

    Each commit at which the definition, its code or its settings changed becomes a deploy with the
    author, date and message of the commit, through renames of the file, by first parents. Versions
    that could not be deployed are skipped, and listed. Nothing is checked out, no code is run, and
    all deploys are written together or none. Importing again adds only what is new.

    \b
    Example:
        ork import git ../pipelines --path etl.yaml
    """
    from ork.cli.git import check_form
    from ork.cli.git_part import import_hint, import_view, skipped_view
    from ork.git.from_git import import_source, look_up

    session: Session = ctx.obj
    check_form(form)
    source = look_up(repository, path, branch=branch)  # before a store is made
    done = import_source(
        session.new_store, source, stamp=session.stamp(), allow_secret=allow_secret
    )
    if as_json:
        session.print_json("import", done)
        return
    session.print(import_view(done, session.store))
    session.say(*skipped_view(done), *import_hint(done))
