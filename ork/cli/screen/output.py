"""Writing a file that a command was asked for: whole, or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path

from ork.errors import StoreError, UsageError
from ork.files import is_special, replace_file

DISK_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
HINTS = {
    errno.ENOSPC: "make room on the disk, then run the command again",
    errno.EMFILE: "allow more open files (`ulimit -n`), then run the command again",
    errno.ENOLCK: "keep the store on a file system that has locks (flock), such as a local disk",
}


def write_text(path: Path, text: Iterable[str]) -> None:
    """Put text into a file, part by part, beside it first: a reader sees the old one or all of it.

    What is no regular file, such as /dev/stdout or a pipe, is written to as it is.
    """
    try:
        # A link stays, and leads to the new text.
        target = path if is_special(path) else path.resolve()
        replace_file(target, (part.encode() for part in text))
    except OSError as error:
        raise unwritten(f"-o {path}", error) from None


def unwritten(what: str, error: OSError) -> UsageError | StoreError:
    """Return the error for what cannot be written: another place would do, or the disk failed."""
    words = f"{what}: {error.strerror}"
    if error.errno in DISK_FAILED:
        return StoreError(words, hint=HINTS.get(error.errno))
    return UsageError(words)
