"""ork tag"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError


def command(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="LABEL or WORKFLOW@LABEL; with -l a workflow.")
    ] = None,
    revision: Annotated[
        str | None, typer.Argument(help="The deploy; the head when left out.")
    ] = None,
    delete: Annotated[bool, typer.Option("-d", "--delete", help="Remove the tag.")] = False,
    as_list: Annotated[bool, typer.Option("-l", "--list", help="List the tags.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Move a tag that exists.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Give a deploy a name, such as etl@v1.4 or etl@prod.

    Tags are revisions: `ork diff etl@prod etl`, `ork run etl@v1.4`. Without WORKFLOW@ the revision
    says which workflow is meant. A tag stays where it is until -f moves it or -d removes it.

    \b
    Example:
        ork tag v1.4 etl~1
    """
    from ork.cli.heads.moving import tagged_view, tags_view
    from ork.heads.tags import tag, tags, untag

    session: Session = ctx.obj
    if (as_list or delete) and (revision is not None or force or (as_list and delete)):
        raise UsageError(
            "-l and -d take one name and nothing else", hint="`ork tag -h` explains them"
        )
    if delete and name is None:
        raise UsageError("-d needs the name of a tag", hint="`ork tag` lists them")
    store = session.store
    if as_list or name is None:
        found = list(tags(store, name))
        if as_json:
            session.print_json("tag", found)
            return
        session.print(tags_view(found, store, session), page=True)
        if not found:
            session.say([f"no tags of {name}" if name else "no tags"])
        return
    if delete:
        done = untag(store, name, stamp=session.stamp())
    else:
        done = tag(store, name, revision, stamp=session.stamp(), now=session.now(), force=force)
    if as_json:
        session.print_json("tag", [done.tag])
        return
    session.print(tagged_view(done, store))
