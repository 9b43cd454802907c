"""A line on the terminal that says how far something has come, and goes when it ends."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ork.cli.screen.line import unread_is_no_error


@contextmanager
def passing_line(environ: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
    """Give what writes the line anew; where nobody sees it, nothing is written."""
    if not sys.stderr.isatty() or environ.get("TERM") in ("dumb", "unknown"):
        yield lambda _: None
        return
    shown = ""

    def write(text: str) -> None:
        with unread_is_no_error():
            sys.stderr.write(text)
            sys.stderr.flush()

    def show(text: str) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            write(f"\r{text}")

    try:
        yield show
    finally:
        if shown:
            write("\r\x1b[K")
