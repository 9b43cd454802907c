"""A line on the terminal that says how far something has come, and goes when it ends."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from ork.cli.screen.line import unread_is_no_error

SECONDS_BETWEEN_LINES = 10.0  # where lines stay


@contextmanager
def passing_line(environ: Mapping[str, str]) -> Iterator[Callable[[str], None]]:
    """Give what writes the line anew; elsewhere than on a terminal it is a line now and then."""
    passes = sys.stderr.isatty() and environ.get("TERM") not in ("dumb", "unknown")
    shown, told = "", time.monotonic()

    def write(text: str) -> None:
        with unread_is_no_error():
            sys.stderr.write(text)
            sys.stderr.flush()

    def show(text: str) -> None:
        nonlocal shown, told
        if text != shown and passes:
            shown = text
            write(f"\r{text}")
        elif text and not passes and time.monotonic() - told > SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            write(f"{text.rstrip()}\n")

    try:
        yield show
    finally:
        if shown:
            write("\r\x1b[K")
