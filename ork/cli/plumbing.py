"""The plain commands for scripts: ork rev-parse, cat-object, hash-object, ls-tree."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.line import Line, note_line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.errors import NotFound
from ork.objects.canonical import hash_bytes, unframe
from ork.objects.kinds import Blob, encode_object
from ork.store.contents import entries, forgotten_in_words
from ork.store.resolve import Resolved
from ork.worktree.lookup import as_revision, look_up


def rev_parse(
    ctx: typer.Context,
    revisions: Annotated[list[str], typer.Argument(metavar="REVISION...")],
    short: Annotated[bool, typer.Option("--short", help="Print a unique prefix.")] = False,
    as_json: Json = False,
) -> None:
    """Print the oid of what a revision means.

    A workflow means its newest deploy; REV^{snapshot} its snapshot.

    \b
    Example:
        ork rev-parse etl~1
    """
    session: Session = ctx.obj
    found = [_resolve(session, text) for text in revisions]
    if as_json:
        names = ("oid", "kind", "workflow", "deploy", "snapshot")
        rows = [
            {"revision": one.text, **{name: getattr(one, name) for name in names}} for one in found
        ]
        session.print_json("rev-parse", rows)
    else:
        # The outcome of a task stands in its run; only a whole oid is looked for there.
        oids = [
            session.store.short(one.oid) if short and one.kind != "taskrun" else one.oid
            for one in found
        ]
        session.print(([(oid, "oid")] for oid in oids), verbatim=True)


def cat_object(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="An oid or any revision.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="The stored bytes, header included: what is hashed.")
    ] = False,
    kind: Annotated[bool, typer.Option("--kind", help="Only the kind of the object.")] = False,
    size: Annotated[bool, typer.Option("--size", help="Only the size of the payload.")] = False,
    as_json: Json = False,
) -> None:
    """Print the payload of an object, byte for byte.

    The bytes are checked against the name first. `ork cat-object --raw OID | b3sum` prints the oid.

    \b
    Example:
        ork cat-object etl^{snapshot}
    """
    session: Session = ctx.obj
    oid = _resolve(session, revision).oid
    data = session.store.raw(oid)
    if mark := session.store.tombstone(oid):
        session.say(note_line(forgotten_in_words(mark)))
    word, payload = unframe(data)
    if as_json:
        is_blob = word == "blob"
        value = {"text": payload.decode("utf-8", "replace")} if is_blob else json.loads(payload)
        session.print_json(
            "cat-object", {"oid": oid, "kind": word, "size": len(payload), "payload": value}
        )
    elif kind or size:
        session.print([[word if kind else str(len(payload))]])
    else:
        session.print_bytes(data if raw else payload)


def hash_object(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files; - is standard input.")
    ],
    as_json: Json = False,
) -> None:
    """Print the oid of a file's bytes; store nothing.

    The oid is the one that a deploy gives to the file as a blob.

    \b
    Example:
        ork hash-object tasks/etl.py
    """
    session: Session = ctx.obj
    rows = []
    for path in paths:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise NotFound(f"cannot read {path}: {error.strerror}") from None
        rows.append({"file": str(path), "oid": hash_bytes(encode_object(Blob(data)))})
    if as_json:
        session.print_json("hash-object", rows)
    else:
        session.print(([(row["oid"], "oid")] for row in rows), verbatim=True)


def ls_tree(
    ctx: typer.Context,
    revision: Annotated[str, typer.Argument(help="A workflow, deploy, run, snapshot or tree.")],
    as_json: Json = False,
) -> None:
    """List the tasks and code files of a snapshot.

    A line is KIND OID NAME, separated by tabs; tasks come first. A file that its owner may execute
    has a fourth column, *. A name with a tab or an invisible character is written as a JSON string.

    \b
    Example:
        ork ls-tree etl
    """
    session: Session = ctx.obj
    rows = entries(session.store, _resolve(session, revision))
    if as_json:
        session.print_json("ls-tree", rows)
        return
    lines: list[Line] = []
    for row in rows:
        mark = "\t*" if row.executable else ""
        lines.append([f"{row.kind}\t", (row.oid, "oid"), f"\t{quoted(row.name)}{mark}"])
    session.print(lines, page=True, verbatim=True)


def _resolve(session: Session, text: str) -> Resolved:
    return look_up(session.store, as_revision(text), now=session.now())
