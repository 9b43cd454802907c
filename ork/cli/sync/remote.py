"""ork remote: names for other stores."""

from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.line import next_line
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.errors import UsageError

# How many words each action takes, and which.
ACTIONS = {"add": (2, "NAME and URL or FOLDER"), "list": (0, "nothing else"), "rm": (1, "NAME")}


def remote(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(metavar="[add|list|rm]", help="What to do.")] = "list",
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="add, rm: what it is called here.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Argument(metavar="[URL|FOLDER]", help="add: where it is; a project is a folder."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="add: let a name lead elsewhere than before.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Name other stores, for fetch, push and pull.

    The names lie in .ork/remotes.json. With a name goes what was fetched from there. A URL with a
    password in it is refused: PGPASSWORD, ~/.pgpass and the like are read by themselves.

    \b
    Example:
        ork remote add origin ../team
        ork remote list
        ork remote rm origin
    """
    from ork.store.location import remotes
    from ork.sync.remotes import add, remove

    session: Session = ctx.obj
    if action not in ACTIONS:
        meant = {"remove": "rm", "delete": "rm", "set-url": "add --force"}.get(action)
        hint = f"it is written `ork remote {meant}`" if meant else None
        raise UsageError(f"{action!r}: say add, list or rm", hint=hint)
    count, words = ACTIONS[action]
    if sum(word is not None for word in (name, place)) != count:
        hint = "as in `ork remote add origin ../team`"
        raise UsageError(f"{action} takes {words}", hint=hint)
    if session.at_op is not None:
        raise UsageError("--at-op is for looking back; remotes have no history")
    folder = session.folder
    if action == "add":
        assert name is not None and place is not None
        led = add(folder, name, place, start=Path.cwd(), force=force)
        _tell(session, {name: led}, as_json)
        session.say(next_line(f"`ork push {name}`, `ork pull {name}` or `ork fetch {name}`"))
    elif action == "rm":
        assert name is not None
        gone = remove(session.store, folder, name)
        session.print([["removed ", (name, "name"), f"  {quoted(gone)}" if gone else ""]])
    else:
        _tell(session, remotes(folder), as_json)


def _tell(session: Session, known: dict[str, str], as_json: bool) -> None:
    if as_json:
        found = [{"name": name, "place": place} for name, place in known.items()]
        session.print_json("remotes", {"remotes": found})
        return
    if not known:
        session.say(["no remotes"])
    width = column(known)
    session.print(
        [[(f"{name:<{width}}", "name"), f"  {quoted(place)}"] for name, place in known.items()]
    )
