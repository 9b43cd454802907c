"""Turns bytes into the events of a YAML parser: the C one of ruamel.yaml where both read alike.

The only file that knows ruamel.yaml. Events have no meaning yet: `ork.yaml.nodes` gives it. What
the Python parser accepts is what counts; the C one is ten times as fast, so it goes first, and what
it rejects is read again. Where it would accept something else it is not asked (found by fuzzing).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ork.yaml.problems import Problems

TEXT_BYTES_MAX = 16 * 1024 * 1024
# Characters of a text, and of a line, that the slow parser may read. On long lines it is quadratic.
SLOW_TEXT_MAX = 4 * 1024 * 1024
SLOW_LINE_MAX = 256 * 1024
# Stands for a colon within a word, as in {url: http://x}, which this C parser takes for an error.
COLON = "\ue000"
ALIAS_HINT = 'a text that begins with `*` needs quotes, as in `schedule: "*/5 * * * *"`'


def decode(data: bytes, problems: Problems) -> str:
    """Return the characters of a file, without a leading byte order mark; raise when not UTF-8."""
    if len(data) > TEXT_BYTES_MAX:
        mebibytes = TEXT_BYTES_MAX // 1024**2
        problems.add(0, 0, f"the file is larger than {mebibytes} MiB", "split the workflow")
        problems.check()
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        hint = "it looks like UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None
        message = f"not UTF-8: the byte 0x{data[error.start]:02x} cannot stand here"
        problems.add(*_place(before, len(before)), message, hint or "save the file as UTF-8")
        problems.check()
    return text


def check_characters(text: str, problems: Problems) -> None:
    """Raise when the text has a character that YAML does not allow: NUL, other controls."""
    if text.isascii() and not text.encode("ascii").translate(None, _ASCII):
        return
    match = _FORBIDDEN.search(text)
    if match:
        number = ord(match[0])
        hint = None if number == 0 else f'in double quotes it can be written as "\\u{number:04x}"'
        place = _place(text, match.start())
        problems.add(*place, f"the character U+{number:04X} is not allowed", hint)
        problems.check()


def event_kinds() -> Any:
    """Return the module with the classes of events."""
    from ruamel.yaml import events

    return events


def is_too_long(text: str) -> bool:
    """Say whether the slow parser is not to be used for this text."""
    return len(text) > SLOW_TEXT_MAX or (
        len(text) > SLOW_LINE_MAX and max(map(len, text.split("\n"))) > SLOW_LINE_MAX
    )


def fast_events(text: str) -> Iterator[Any] | None:
    """Return the C parser's events, where COLON stands for a colon; None when it is not to be used.

    The iterator raises one of `parser_errors` where the parser does not go on.
    """
    parser = _c_parser()
    text = _as_yaml(text)
    if parser is None or not _parsers_agree(text):
        return None
    return iter(parser(_COLON.sub(COLON, text)).get_event, None)


def parser_errors() -> tuple[type[Exception], ...]:
    """Return the errors that a parser raises for a text that it does not accept."""
    from ruamel.yaml.error import YAMLError

    return YAMLError, ValueError, OverflowError


def slow_events(text: str, problems: Problems) -> Iterator[Any]:
    """Yield the Python parser's events; turn its error into a complaint and raise."""
    from ruamel.yaml import YAML

    if is_too_long(text):
        message = "a file, or a line, this long can only be read by the C parser of ruamel.yaml"
        hint = "break long lines, install ruamel.yaml.clib, use no tabs and no unusual characters"
        problems.add(0, 0, message, hint)
        problems.check()
    try:
        yield from YAML(typ="safe", pure=True).parse(_as_yaml(text))
    except parser_errors() as error:
        complain(error, problems)


def complain(error: BaseException, problems: Problems) -> None:
    """Turn a parser's error into a complaint and raise."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    what = getattr(error, "problem", None)
    context, begun = getattr(error, "context", None), getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if what and context and begun is not None:
        what = f"{what}, {context} that begins in line {begun.line + 1}"
    what = what or context or "a number or an escape is out of range"
    what = " ".join(what.replace("('", "'").replace("',)", "'").split())
    hint = next((hint for sign, hint in _HINTS if sign in what), None)
    if "'\\t'" in what and (problems.source(line) or "")[: column - 1].strip():
        hint = "write spaces instead of this tab"
    for number in (line, line - 1):  # a word that such a character joins can go on to the next line
        if match := _NO_SPACE.search(problems.source(number) or ""):
            line, column = number, match.start(1) + 1
            what = f"U+{ord(match[1]):04X} looks like a space and is none"
            hint = "write a space instead"
            break
    problems.add(line, column, f"not valid YAML: {what}", hint)
    problems.check()


_ASCII = bytes([9, 10, 13, *range(32, 127)])
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Where YAML wants a space, or is indented.
_NO_SPACE = re.compile("(?:[-:,?{[]|^ *)([\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff])")
_COLON = re.compile(r":(?<=[\w:]:)(?=[\w/\\.:])")
_ODD = ("\t", "\x85", "\u2028", "\u2029", "\ufeff", "\n%", "\n...", COLON)
# A surrogate; a block text that begins, or after a comment may begin, with a line of spaces. Each
# alternative is linear in the text.
_ODD_PATTERN = re.compile(r"\\u[dD][89a-fA-F]|[|>][-+0-9]* *(?:\r?\n)++ ++\r?\n|[|>][-+0-9]* *#")
_HINTS = (
    ("'\\t'", "YAML is indented with spaces, not with tabs"),
    ("mapping values are not allowed", "a text that contains `: ` needs quotes"),
    ("expected <block end>", "check the indentation of this line and of the one above"),
    ("could not find expected ':'", "is there a `:` and a space after the key?"),
    ("scanning an alias", ALIAS_HINT),
    ("cannot start any token", "a text that begins with this character needs quotes"),
    ("found unexpected end of stream", "is a quote or a bracket left open?"),
)


def _place(text: str, index: int) -> tuple[int, int]:
    lines = text[:index].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _as_yaml(text: str) -> str:
    """Return JSON with its tabs as spaces, which moves nothing; any other text unchanged."""
    if "\t" not in text or not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return text
    try:
        # Strict JSON has no tab inside a string, so every tab of it is mere white space.
        json.loads(text, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _parsers_agree(text: str) -> bool:
    return not (
        any(odd in text for odd in _ODD)
        or text.startswith("%")
        or text.count("\r") != text.count("\r\n")
        or (any(sign in text for sign in "\\|>") and _ODD_PATTERN.search(text) is not None)
    )


def _c_parser() -> Any:
    try:
        from _ruamel_yaml import CParser  # type: ignore[import-not-found]
    except ImportError:
        return None
    return CParser
