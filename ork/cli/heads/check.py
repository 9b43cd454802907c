"""ork check"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import InvalidInput, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One file: what it would be deployed as, or all that is wrong with it."""

    file: str
    workflow: str | None = None
    snapshot: str | None = None
    problems: tuple[Problem, ...] = ()


def command(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Workflow files.", metavar="FILE...")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say all that is wrong in workflow files.

    Reads the files and the code they call as a deploy would, without running any of it. Every
    complaint has its file, line and column; so has what is obviously a key or a password, which a
    deploy refuses. Needs no store.

    \b
    Exit codes: 0 all are good; 1 at least one is not.

    \b
    Example:
        ork check etl.yaml
    """
    session: Session = ctx.obj
    results = [_check(path) for path in files]
    if as_json:
        session.print_json("check", results)
    else:
        from ork.cli.screen.errors import problems_view

        for one in results:
            if one.snapshot:
                session.print([[(str(one.workflow), "name"), f"  {one.file}: good"]])
            else:
                session.print(problems_view(one.problems))
    raise typer.Exit(0 if all(one.snapshot for one in results) else 1)


def _check(path: Path) -> Checked:
    from ork.worktree.load import check, secrets_in

    try:
        loaded = check(path)
    except InvalidInput as error:
        problems = error.problems or (Problem(file=str(path), message=error.message),)
        return Checked(file=str(path), problems=problems)
    if secrets := secrets_in(loaded):
        return Checked(file=str(path), problems=tuple(secrets))
    return Checked(file=str(path), workflow=loaded.definition.name, snapshot=loaded.snapshot)
