"""ork hash-object"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ork.cli.session import Session
from ork.errors import NotFound


def command(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files; - is standard input.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the oid of a file's bytes; store nothing.

    \b
    Example:
        ork hash-object tasks/etl.py
    """
    from ork.objects.canonical import hash_bytes
    from ork.objects.kinds import Blob, encode_object

    session: Session = ctx.obj
    rows = []
    for path in files:
        try:
            data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        except OSError as error:
            raise NotFound(f"cannot read {path}: {error.strerror}") from None
        rows.append({"file": str(path), "oid": hash_bytes(encode_object(Blob(data)))})
    if as_json:
        session.print_json("hash-object", rows)
    else:
        session.print([[(row["oid"], "oid")] for row in rows])
