"""ork cat-object"""

from __future__ import annotations

from typing import Annotated

import typer

from ork.cli.session import Session


def command(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="An oid or any revision.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="The stored bytes, header included: what is hashed.")
    ] = False,
    kind: Annotated[bool, typer.Option("--kind", help="Only the kind of the object.")] = False,
    size: Annotated[bool, typer.Option("--size", help="Only the size of the payload.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the payload of an object, byte for byte.

    The bytes are checked against the name first. `ork cat-object --raw OID | b3sum` prints the oid.

    \b
    Example:
        ork cat-object etl^{snapshot}
    """
    from ork.history.compare import as_revision
    from ork.objects.canonical import unframe
    from ork.store.resolve import resolve

    session: Session = ctx.obj
    store = session.store
    oid = resolve(store, as_revision(revision), now=session.now()).oid
    data = store.raw(oid)
    word, payload = unframe(data)
    if as_json:
        import json

        value = {"text": payload.decode("utf-8", "replace")} if word == "blob" else None
        content = json.loads(payload) if word != "blob" else value
        session.print_json(
            "cat-object", {"oid": oid, "kind": word, "size": len(payload), "payload": content}
        )
    elif kind or size:
        session.print([[word if kind else str(len(payload))]])
    else:
        session.print_bytes(data if raw else payload)
