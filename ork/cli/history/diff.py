"""ork diff"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISIONS]... [-- TASKS...]",
            help="Two revisions, A..B, or one workflow: its head against its file. After --, the "
            "tasks and code files of interest.",
        ),
    ] = None,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="All lines of the code.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Only how much changed where.")] = False,
    name_status: Annotated[
        bool, typer.Option("--name-status", help="Only what changed: STATUS KIND NAME, by tabs.")
    ] = False,
    word_diff: Annotated[
        bool, typer.Option("--word-diff", help="Show which words of a line changed.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when there is a difference.")
    ] = False,
    no_renames: Annotated[
        bool, typer.Option("--no-renames", help="Show a rename as removed and added.")
    ] = False,
    last: Annotated[
        bool, typer.Option("--last", help="The newest failed run against the last good one.")
    ] = False,
    output_format: Annotated[
        str, typer.Option("--format", help="text, markdown or html.")
    ] = "text",
    git_driver: Annotated[
        bool, typer.Option("--git-driver", help="Be git's diff driver: see docs/git.md.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what changed between two revisions.

    A revision is a workflow, etl~1, a tag etl@v1, a run etl#57, an oid, or a file that need not be
    deployed, file:PATH; with :TASK or :PATH only this part is compared. One workflow alone means:
    what a deploy of its file would change. Two runs are compared as runs; `etl#56^{snapshot}` means
    only what that run executed.

    \b
    Exit codes: 0, or with --exit-code 1 when something differs.

    \b
    Example:
        ork diff etl~1 etl
        ork diff etl~1..etl:load
    """
    from ork.cli.history import diffing

    session: Session = ctx.obj
    if git_driver:
        from ork.cli.diff import driver

        driver.show(session, words or [])
        return
    revisions, names = diffing.split_parts(*diffing.split_words(session.argv, words or []))
    form = diffing.form(output_format, as_json=as_json, name_status=name_status, stat=stat)
    asked = diffing.Asked(
        names=names, form=form, patch=patch, word_diff=word_diff, rename=not no_renames
    )
    differ = diffing.show(session, revisions, asked, last=last)
    raise typer.Exit(1 if exit_code and differ else 0)
