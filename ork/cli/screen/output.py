"""Writing a file that a command was asked for: whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ork.errors import UsageError


def write_text(path: Path, text: Iterable[str]) -> None:
    """Put text into a file, part by part, beside it first: a reader sees the old one or all of it.

    What is no regular file, such as /dev/stdout or a pipe, is written to as it is.
    """
    try:
        if path.exists() and not path.is_file():
            with path.open("w", encoding="utf-8") as file:
                file.writelines(text)
            return
        target = path.resolve()  # a link stays, and leads to the new text
        beside = target.with_name(f".{target.name[:200]}.{os.getpid()}.part")
        try:
            with beside.open("x", encoding="utf-8") as file:
                file.writelines(text)
            if target.exists():
                beside.chmod(target.stat().st_mode)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}") from None
