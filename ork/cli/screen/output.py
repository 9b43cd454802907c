"""Writing a file that a command was asked for: whole, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ork.errors import UsageError
from ork.files import replace_file


def write_text(path: Path, text: Iterable[str]) -> None:
    """Put text into a file, part by part, beside it first: a reader sees the old one or all of it.

    What is no regular file, such as /dev/stdout or a pipe, is written to as it is.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as file:
                file.writelines(text)
            return
        # A link stays, and leads to the new text.
        replace_file(path.resolve(), (part.encode() for part in text))
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from None
