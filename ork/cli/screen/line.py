"""Lines, their colours, and values as JSON: how ork prints.

A view is a generator of lines; a line is a list of pieces, plain text or (text, style). Names and
messages from a store are data: `visible` shows what could paint or confuse a terminal.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import groupby
from math import isfinite
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

if TYPE_CHECKING:
    import subprocess

Line: TypeAlias = "list[str | tuple[str, str]]"

# The one colour table: how each kind of text looks on a terminal, in words that rich knows too.
# Only colours that a theme chooses, and neither blue, which many show too dark on black, nor white,
# black or a ground: who reads on paper white or on black sees all of it.
_LOOKS = {
    "bold": "name heading file",
    "dim": "time label dim pending skipped",
    "red": "removed failed damaged",
    "green": "added success string",
    "yellow": "oid changed cancelled interrupted upstream_failed tainted partial",
    "magenta": "renamed",
    "cyan": "author affected hunk key running",
    "bold red": "error match",
    "bold yellow": "tag warning",
    "bold cyan": "head hint",
}
STYLES = {style: look for look, styles in _LOOKS.items() for style in styles.split()}
_SGR = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "magenta": 35, "cyan": 36}
_CSS = {
    "bold": "font-weight: bold",
    "dim": "opacity: 0.65",
    "red": "color: #dc322f",
    "green": "color: #859900",
    "yellow": "color: #b58900",
    "magenta": "color: #d33682",
    "cyan": "color: #2aa198",
}  # each as easily read on white as on black
CODES = {style: ";".join(str(_SGR[word]) for word in STYLES[style].split()) for style in STYLES}

# C0 but tab, DEL, C1, bidi controls, zero-width and line separators, lone surrogates, tags, and
# letters that look like nothing.
_UNSAFE = (
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
MARKS = {
    "success": "ok",
    "failed": "FAILED",
    "cancelled": "cancelled",
    "interrupted": "interrupted",
    "skipped": "skipped",
    "upstream_failed": "skipped",
    "pending": "pending",
    "running": "running",
    "damaged": "damaged",
}
_MARKS_MAX = 4  # on one letter; more only serve to paint over the lines above and below
_PERHAPS_MARKS = f"[\u0300-\U0010ffff]{{{_MARKS_MAX + 1},}}"

PRINTED = "printed"  # the style of what a task printed: its own colours, and nothing else of it
_COLOR = r"(\x1b\[[0-9;]{0,32}m)"

NO_PAGES = ("", "dumb", "unknown")  # values of TERM that say nothing of how to show a page
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
UNREAD = (errno.EPIPE, errno.EIO, errno.EBADF, *FULL)


def visible(text: str) -> str:
    """Return a text that cannot move the cursor, hide or reorder: such characters are spelt out."""
    if text.isascii() and text.isprintable():
        return text
    # Compiled when first needed (and kept by `re`): most commands never see such a text.
    text = re.sub(_UNSAFE, _spell, text)
    return re.sub(_PERHAPS_MARKS, _count_marks, text)


def plain(line: Line) -> str:
    """Return a line without its styles."""
    parts = [part if isinstance(part, str) else part[0] for part in line]
    text = "".join(parts)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(visible, parts))


def styled(line: Line) -> str:
    """Return a line painted for a terminal."""
    return "".join(visible(p) if isinstance(p, str) else paint(*p) for p in line)


def as_html(lines: Iterable[Line]) -> str:
    """Return lines as they look on a terminal, for a page that may be white or black."""
    from html import escape

    def painted(part: str | tuple[str, str]) -> str:
        text, style = (part, "") if isinstance(part, str) else part
        css = ";".join(_CSS[word] for word in STYLES.get(style, "").split())
        shown = escape(visible(text))
        return f'<span style="{css}">{shown}</span>' if css and text else shown

    text = "\n".join("".join(map(painted, line)) for line in lines)
    return f'<pre style="white-space: pre; overflow-x: auto">{text}</pre>'


def paint(text: str, style: str) -> str:
    """Return the text, made visible, in a style; an unknown style is plain."""
    if style == PRINTED and len(parts := colors(text)) > 1:
        return "".join(parts) + "\x1b[0m"
    code, text = CODES.get(style), visible(text)
    return f"\x1b[{code}m{text}\x1b[0m" if code and text else text


def colors(text: str) -> list[str]:
    """Return what a task printed in parts: text made visible, a change of colour, text..."""
    parts = re.split(_COLOR, text)
    words = "".join(parts[::2])
    if re.sub(_PERHAPS_MARKS, _count_marks, words) != words:  # piled up, with colours between
        return [visible(text)]
    parts[::2] = map(visible, parts[::2])
    return parts


def without_colors(text: str) -> str:
    """Return what a task printed without its colours, made visible."""
    return "".join(colors(text)[::2])


def texts_of(lines: Iterable[Line], *, color: bool) -> Iterator[str]:
    """Yield each line as text that ends with a newline."""
    render = styled if color else plain
    return (render(line) + "\n" for line in lines)


def page_lines(lines: Iterable[Line], *, color: bool, environ: Mapping[str, str]) -> None:
    """Write lines through the pager: ORK_PAGER, else PAGER, else less."""
    texts = texts_of(lines, color=color)
    pager = _pager(environ)
    if pager is None:
        sys.stdout.writelines(texts)
        return
    assert pager.stdin is not None
    try:
        with suppress(BrokenPipeError):  # the reader quit the pager
            pager.stdin.writelines(texts)
    finally:
        with suppress(BrokenPipeError):
            pager.stdin.close()
        while pager.returncode is None:
            with suppress(KeyboardInterrupt):  # Ctrl-C is for the pager
                pager.wait()


def _pager(environ: Mapping[str, str]) -> subprocess.Popen[str] | None:
    import subprocess

    command = environ.get("ORK_PAGER", environ.get("PAGER", "less"))
    if (
        command in ("", "cat")
        or environ.get("TERM", "") in NO_PAGES
        or not _is_there(command, environ)
    ):
        return None
    words = ["/bin/sh", "-c", command]
    env = {"LESS": "FRX", "LV": "-c", "LESSCHARSET": "utf-8", **environ}  # as it is written
    with suppress(OSError):
        return subprocess.Popen(words, stdin=subprocess.PIPE, encoding="utf-8", env=env)
    return None


def _is_there(command: str, environ: Mapping[str, str]) -> bool:
    """Say whether a pager can be started; the shell would eat the page where there is none."""
    from shutil import which

    program = command.split()[:1]
    if not program or set(program[0]) & set("$`'\"=(;&|<>~"):
        return True  # the shell has to make something of it
    return which(program[0], path=environ.get("PATH")) is not None


@contextmanager
def unread_is_no_error(lost: list[OSError] | None = None) -> Iterator[None]:
    """Print to nowhere from when the reader or the terminal has gone, or the disk is full.

    That a full disk did not take something is noted in `lost`.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in UNREAD:
            raise
        if lost is not None and error.errno in FULL:
            lost.append(error)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            if not _is_open(stream):
                os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _is_open(stream: TextIO) -> bool:
    try:
        stream.flush()
    except OSError:
        return False
    return True


def to_json(value: Any) -> Any:
    """Return a value as JSON: records by their fields, times as text, tuples as lists."""
    if value is None or type(value) in (str, int, bool, float):
        return value
    if (pairs := members(value)) is not None:
        return {key: to_json(item) for key, item in pairs}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_json(item) for item in value]
    if isinstance(value, datetime):
        from ork.objects.kinds import format_time

        return format_time(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def members(value: Any) -> Iterable[tuple[str, Any]] | None:
    """Return the keys and the values of what JSON calls an object; None of anything else."""
    if names := getattr(value, "__struct_fields__", None):
        keys = value.__struct_encode_fields__
        return ((key, getattr(value, name)) for key, name in zip(keys, names, strict=True))
    if isinstance(value, Mapping):
        return ((str(key), item) for key, item in value.items())
    if hasattr(value, "_asdict"):  # a named tuple
        return members(value._asdict())
    return None


def as_object(value: Any) -> dict[str, Any]:
    """Return what JSON calls an object, for a document that has more than its members."""
    return dict(members(value) or ())


def with_name(value: Any) -> dict[str, Any]:
    """Return what JSON calls an object, with the name that the value makes of its members."""
    return {"name": value.name, **as_object(value)}


def with_names(value: Any) -> dict[str, Any]:
    """Return what JSON calls an object that has runs, with the name of each."""
    return as_object(value) | {"runs": list(map(with_name, value.runs))}


def document(schema: str, value: Any) -> dict[str, Any]:
    """Return the document that `--json` prints: {"schema": "ork.NAME.v1", "data": ...}."""
    return {"schema": f"ork.{schema}.v1", "data": value}


def json_text(schema: str, value: Any) -> str:
    """Return a document as text."""
    return "".join(json_parts(document(schema, value)))


def event_text(schema: str, event: Any, *, name: str = "") -> str:
    """Return one of many events as a line of JSON: what it is, by its name, and its fields."""
    head = {"schema": schema, "event": name or type(event).__name__}
    return json.dumps(head | to_json(event))


class Pieces:
    """A text in a document that comes part by part: it may be larger than the memory."""

    def __init__(self, parts: Iterable[str]) -> None:
        self.parts = parts


_SCALARS = (str, int, float, bool, type(None))


def json_parts(value: Any, *, ascii: bool = True, indent: str = "\n") -> Iterator[str]:
    """Yield the text of a value as JSON, part by part.

    What is in it is made when it is asked for: a mapping that reads, or an iterator, may be larger
    than the memory. `indent` is the end of a line and what the next begins with.
    """
    if isinstance(value, Pieces):
        yield '"'
        yield from (_scalar_text(part, ascii)[1:-1] for part in value.parts)
        yield '"'
        return
    items: Iterable[tuple[str | None, Any]] | None = members(value)
    begin, end = "{}"
    if items is None and isinstance(value, (list, tuple, set, frozenset, Iterator)):
        begin, end = "[]"
        items = ((None, item) for item in value)
    if items is None:
        yield _scalar_text(to_json(value), ascii)
        return
    inner = f"{indent}  "
    before = f"{begin}{inner}"
    last = f"{begin}{end}"
    for key, item in items:
        start = before if key is None else f"{before}{_scalar_text(key, ascii)}: "
        if type(item) in _SCALARS:  # most are, and a generator for each would cost twice the time
            yield f"{start}{_scalar_text(item, ascii)}"
        else:
            yield start
            yield from json_parts(item, ascii=ascii, indent=inner)
        before, last = f",{inner}", f"{indent}{end}"
    yield last


def _scalar_text(value: Any, ascii: bool) -> str:
    """Return a text, a number, a truth value or null as JSON.

    The encoders of `json` that write many lines leave cycles behind, which nobody collects here.
    """
    if isinstance(value, str):
        encoder = json.encoder
        return encoder.encode_basestring_ascii(value) if ascii else encoder.encode_basestring(value)
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)  # most of a large output, and `dumps` takes its time
    return json.dumps(value)


def terminal_width(stream: TextIO, environ: Mapping[str, str]) -> int | None:
    """Return the columns of a terminal, COLUMNS if it says so; None when the stream is none."""
    try:
        columns = os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return None
    said = environ.get("COLUMNS", "")
    return int(said) if said.isdecimal() and int(said) else columns


def can_redraw(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Say whether this is a terminal that can draw over what it shows."""
    return stream.isatty() and environ.get("TERM") not in ("dumb", "unknown")


def has_boxes(environ: Mapping[str, str]) -> bool:
    """Say whether a terminal shows lines and bullets: whether the locale is a UTF-8 one."""
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    return "utf" in locale.lower()


def note_line(text: str) -> Line:
    """Return what there is to know beside an answer."""
    return [("note: ", "warning"), text]


def hint_line(text: str) -> Line:
    """Return what to do about something."""
    return [("hint: ", "hint"), text]


def next_line(text: str) -> Line:
    """Return the likely next command."""
    return [("next: ", "hint"), text]


def body_lines(text: str) -> Iterator[Line]:
    """Yield the lines of a message, indented; blank lines stay."""
    for line in text.rstrip("\n").split("\n"):
        yield [f"    {line}"] if line else [""]


def _count_marks(found: re.Match[str]) -> str:
    from unicodedata import category

    text, marks = "", {letter for letter in set(found[0]) if category(letter) in ("Mn", "Me")}
    for is_mark, run in groupby(found[0], marks.__contains__):
        letters = "".join(run)
        too_many = is_mark and len(letters) > _MARKS_MAX
        text += f"<{len(letters)} combining marks>" if too_many else letters
    return text


def _spell(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return "^" + chr(code + 0x40)
    return "^?" if code == 0x7F else f"<U+{code:04X}>"
