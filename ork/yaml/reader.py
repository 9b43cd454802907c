"""Turns bytes into the events of a YAML parser: the C one of ruamel.yaml where both read alike.

The only file that knows ruamel.yaml. Events have no meaning yet: `ork.yaml.nodes` gives it. What
the Python parser accepts is what counts; the C one is ten times as fast, so it goes first, and what
it rejects is read again. Where it would accept something else it is not asked (found by fuzzing).
JSON needs neither of them.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

from ork.yaml.mistakes import Stop, explain
from ork.yaml.problems import Problems

TEXT_BYTES_MAX = 16 * 1024 * 1024
# Characters of a text, and of a line, that the slow parser may read. On long lines it is quadratic.
SLOW_TEXT_MAX = 4 * 1024 * 1024
SLOW_LINE_MAX = 256 * 1024
# Stands for a colon within a word, as in {url: http://x}, which this C parser takes for an error.
COLON = "\ue000"
# Stands for the question mark of a word, as in {?x: 1}, which no parser here takes for one.
QUESTION = "\ue001"


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
    match = re.search(_FORBIDDEN, text)
    if match:
        number = ord(match[0])
        hint = None if number == 0 else f'in double quotes it can be written as "\\u{number:04x}"'
        place = _place(text, match.start())
        problems.add(*place, f"the character U+{number:04X} is not allowed", hint)
        problems.check()


def check_directives(text: str, problems: Problems) -> None:
    """Raise when the text begins with a directive, which would change what the rest means."""
    if match := re.match(_DIRECTIVE, text):
        place = _place(text, match.end() - 1)
        problems.add(*place, "directives are not allowed", "delete the `%` line")
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


class Unreadable(Exception):
    """A parser did not go on after this event. Without a reason it is the C one, and doubtful."""

    def __init__(self, reason: Exception | None, after: Any) -> None:
        super().__init__(reason)
        self.reason, self.after = reason, after


def stand_ins(text: str) -> Mapping[str, str]:
    """Return the characters that stand for others in the events of a text, with what they mean."""
    return {one: meant for one, meant in _STAND_INS.items() if one not in text}


def json_events(text: str) -> Iterator[Any] | None:
    """Return the events of a text that is strict JSON; None when it is none.

    So keys may have any length, as in JSON, and tabs and unusual characters do no harm.
    """
    if not text.lstrip(" \t\r\n").startswith(("{", "[")):
        return None
    try:
        # NaN is no integer, so it is an error, as in strict JSON.
        json.loads(text, parse_int=len, parse_float=len, parse_constant=int, object_pairs_hook=len)
    except (ValueError, RecursionError):
        return None
    return _json_events(text)


def fast_events(text: str) -> Iterator[Any] | None:
    """Return the C parser's events; None when it is not to be used for this text.

    The iterator raises Unreadable where the parser does not go on.
    """
    parser = _c_parser()
    if parser is None:
        return None
    hidden: list[int] = []
    if not _parsers_agree(text):
        text = _hide_comments(text, hidden)
        if not hidden or not _parsers_agree(text):
            return None
    text = _COLON.sub(COLON, _parsed_text(text))
    get = parser(text).get_event
    return _outside(hidden, text, get) if hidden else _told_apart(get)


def slow_events(text: str, problems: Problems) -> Iterator[Any]:
    """Yield the Python parser's events; turn its error into a complaint and raise."""
    from ruamel.yaml import YAML

    if is_too_long(text):
        message = "a file, or a line, this long can only be read by the C parser of ruamel.yaml"
        hint = "break long lines, install ruamel.yaml.clib, use no tabs and no unusual characters"
        problems.add(0, 0, message, hint)
        problems.check()
    try:
        events = YAML(typ="safe", pure=True).parse(_parsed_text(text))
        yield from _told_apart(partial(next, events, None))
    except Unreadable as unreadable:
        complain(unreadable, problems)


def complain(unreadable: Unreadable, problems: Problems) -> None:
    """Turn what a parser raised into a complaint with a place, and raise that."""
    error = unreadable.reason
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    mark = mark or getattr(unreadable.after, "end_mark", None)
    what = getattr(error, "problem", None)
    context, begun = getattr(error, "context", None), getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    if what and context and begun is not None:
        first, _ = problems.inside(begun.line + 1, 1)
        what = f"{what}, {context} that begins in line {first}"
    what = what or context or "the parser cannot go on after this"
    what = " ".join(what.replace("('", "'").replace("',)", "'").split())
    out_of_range = isinstance(error, (ValueError, OverflowError))
    hint = "is a number or an escape out of range?" if out_of_range else None
    begins = (begun.line + 1, begun.column + 1) if begun is not None else None
    stop = explain(Stop(line, column, what, begins, hint), problems.source)
    problems.add(stop.line, stop.column, f"not valid YAML: {stop.what}", stop.hint)
    problems.check()


_ASCII = bytes([9, 10, 13, *range(32, 127)])
_FORBIDDEN = "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
_COLON = re.compile(r":(?<=[\w:]:)(?=[\w/\\.:])")
_QUESTION = re.compile(r"\?(?<![^\s,\[{]\?)(?=[^\s,\[\]{}])")
_STAND_INS = {COLON: ":", QUESTION: "?"}
_DIRECTIVE = r"(?>(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n?|\n))*)%"
_COMMENT = "(?m)(?:^|(?<=[ \t]))#[^\r\n\x85\u2028\u2029]*"
_JSON_TOKEN = (
    r'(?P<text>"(?>(?:[^"\\]|\\.)*)")|(?P<open>[{\[])|(?P<close>[}\]])|(?P<line>\n)'
    r"|(?P<word>[^\s:,}\]]++)"
)
_ODD_IN_COMMENT = ("\t", "\ufeff")
_ODD = ("\t", "\x85", "\u2028", "\u2029", "\ufeff", "\n%", "\n...", COLON)
# A surrogate; a block text that begins, or after a comment may begin, with a line of spaces. Each
# alternative is linear in the text, and all begin with few characters, so that others are skipped.
_ODD_PATTERN = r"[\\|>](?:(?<=\\)u[dD][89a-fA-F]|(?<!\\)[-+0-9]* *(?:(?>(?:\r?\n)+) ++\r?\n|#))"


def _place(text: str, index: int) -> tuple[int, int]:
    lines = text[:index].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return len(lines), len(lines[-1]) + 1


def _parsed_text(text: str) -> str:
    """Return a text as it is given to a parser, with every character in its place."""
    if "?" in text and QUESTION not in text:  # to look for it is cheaper than to replace it
        text = _QUESTION.sub(QUESTION, text)
    # Without its line end, parsers leave out a last line of spaces that a block text ends with.
    return text + "\n" if text.endswith(" ") and not text[text.rfind("\n") + 1 :].strip() else text


def _told_apart(get: Callable[[], Any]) -> Iterator[Any]:
    """Yield events; what the parser raises, of whatever type, and only that is Unreadable."""
    event = None
    try:
        while (found := get()) is not None:
            event = found
            yield event
    except MemoryError:
        raise
    except Exception as error:
        raise Unreadable(error, event) from None


def _json_events(text: str) -> Iterator[Any]:
    """Yield the events of a text that is known to be strict JSON."""
    kinds = event_kinds()
    line, line_start = 0, 0
    for token in re.finditer(_JSON_TOKEN, text):
        sign = token.lastgroup
        begin = token.start()
        mark = _Mark(line, begin - line_start)
        if sign == "line":
            line, line_start = line + 1, token.end()
        elif sign == "text":
            value = token[0][1:-1]
            value = json.loads(token[0]) if "\\" in value else value
            yield kinds.ScalarEvent(None, None, None, value, mark, mark, '"')
        elif sign == "word":
            yield kinds.ScalarEvent(None, None, None, token[0], mark, mark)
        elif sign == "open":
            kind = kinds.MappingStartEvent if token[0] == "{" else kinds.SequenceStartEvent
            yield kind(None, None, None, mark, mark)
        elif sign == "close":
            yield (kinds.MappingEndEvent if token[0] == "}" else kinds.SequenceEndEvent)(mark, mark)


class _Mark(NamedTuple):
    line: int
    column: int


def _hide_comments(text: str, hidden: list[int]) -> str:
    """Cover what looks like a comment and would keep the C parser out; note where each begins."""

    def cover(match: re.Match[str]) -> str:
        begin, length = match.start(), len(match[0])
        before = text[text.rfind("\n", 0, begin) + 1 : begin].rstrip(" ")
        if before.rstrip("-+0123456789").endswith(("|", ">")):
            cover = " " * length
        elif re.search(_ODD_PATTERN, match[0]) or any(odd in match[0] for odd in _ODD_IN_COMMENT):
            cover = "#" + "x" * (length - 1)
        else:
            return match[0]
        hidden.append(begin)
        return cover

    return re.sub(_COMMENT, cover, text)


def _outside(hidden: list[int], text: str, get: Callable[[], Any]) -> Iterator[Any]:
    """Yield events; raise Unreadable where what was taken for a comment may be part of a text."""
    try:
        for event in _told_apart(get):
            if getattr(event, "value", None):
                begin, end = event.start_mark.index, event.end_mark.index
                if event.style in ("|", ">"):
                    begin = text.find("\n", begin)  # behind the sign there can be a comment
                at = bisect_right(hidden, begin)
                if at < len(hidden) and hidden[at] < end:
                    raise Unreadable(None, event)
            yield event
    except Unreadable as unreadable:
        raise Unreadable(None, unreadable.after) from None


def _parsers_agree(text: str) -> bool:
    return not (
        any(odd in text for odd in _ODD)
        or text.startswith("%")
        or text.count("\r") != text.count("\r\n")
        or (any(sign in text for sign in "\\|>") and re.search(_ODD_PATTERN, text) is not None)
    )


def _c_parser() -> Any:
    try:
        from _ruamel_yaml import CParser  # type: ignore[import-not-found]
    except ImportError:
        return None
    return CParser
