"""ork outputs"""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import NotFound


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="RUN or RUN:TASK; a workflow means its newest run.")
    ] = "@",
    as_json: Annotated[
        bool, typer.Option("--json", help="With the schema around it, as other commands print.")
    ] = False,
) -> None:
    """Print what the tasks of a run returned, as JSON.

    Of one task the bare value, for other programs; of a run an object, task to value.

    \b
    Example:
        ork outputs etl#1:extract
    """
    from ork.store.contents import outputs
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    found = resolve(session.store, revision, now=session.now())
    values = outputs(session.store, found)
    if found.kind == "taskrun" and not values:
        raise NotFound(f"{revision} gave no output", hint=f"`ork show {revision}` says why")
    if as_json:
        session.print_json("outputs", values)
        return
    value = values[str(found.name)] if found.kind == "taskrun" else values
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=sys.stdout.isatty()) + "\n")
