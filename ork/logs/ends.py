"""The end of a log, by which one sees what went wrong.

Of a traceback that ends deep in libraries, the last lines have none of the project's own code: its
last frame is put in front of them.
"""

from __future__ import annotations

import re

from ork.logs.drawn import last_part, last_states, undrawn
from ork.logs.reading import pieces
from ork.objects.kinds import Log
from ork.store.store import Store

LINES_MAX = 10
FRAME_LINES_MAX = 4  # the place, the code there, and marks below it
CHARACTERS_MAX = 8192  # one line may be as long as the log
TRACEBACK_LINES_MAX = 200
TRACEBACK_BYTES_MAX = 1 << 15
_FRAME = r'[ |]+File "([^"]+)", line \d+'
_LIBRARY = r"/lib/python\d|/(?:site|dist)-packages/|\A<"


def end_of_log(store: Store, log: Log | None) -> str:
    """Return the lines at the end of a log, nothing where it is empty."""
    return "\n".join(_last(last_lines(store, log)))[-CHARACTERS_MAX:]


def says_more(lines: list[str], reason: str | None) -> bool:
    """Say whether lines at the end of a log are any, and not the reason of a failure alone."""
    return bool(lines) and (len(lines) > 1 or undrawn(lines[0]) not in ("", reason))


def last_lines(store: Store, log: Log | None) -> list[str]:
    """Return more lines of the end of a log than are shown, of progress bars their last state."""
    data = b""
    for piece in pieces(store, log, tail=TRACEBACK_LINES_MAX):
        data = (data + piece)[-TRACEBACK_BYTES_MAX:]
    text = b"".join(last_states([data])).decode("utf-8", "backslashreplace")
    return [last_part(line) for line in text.rstrip("\n").split("\n")] if text else []


def _last(lines: list[str]) -> list[str]:
    start = max(0, len(lines) - LINES_MAX)
    frames = [n for n, line in enumerate(lines) if re.match(_FRAME, line)]
    own = next((n for n in reversed(frames) if not _is_library(lines[n])), start)
    after = min([own + FRAME_LINES_MAX, *(n for n in frames if n > own)])
    rest = start + (after - own) + 1
    # A line that is not indented ends a traceback. One from before what was printed last is over.
    if own >= start or not all(line.startswith(" ") for line in lines[own:rest]):
        return lines[start:]
    whole = (n for n in range(rest, len(lines)) if n in frames or lines[n][:1] != " ")
    rest = next(whole, rest)
    return [*lines[own:after], "  ...", *lines[rest:]]


def _is_library(frame: str) -> bool:
    found = re.match(_FRAME, frame)
    return found is not None and re.search(_LIBRARY, found[1]) is not None
