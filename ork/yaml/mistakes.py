"""What was probably meant where a parser of YAML does not go on: another place, words and a hint.

A parser stops at the first thing that cannot stand where it is, which is often behind the mistake:
at the end of the file for a quote that is left open, a line below a missing colon.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

BRACE_HINT = "a text with braces needs quotes; a reference is `{ref: params.NAME}`"
ALIAS_HINT = 'a text that begins with `*` needs quotes, as in `schedule: "*/5 * * * *"`'
SHOWN_MAX = 60  # characters of a text that a hint writes anew


class Stop(NamedTuple):
    """Where a parser stopped, why, and where that began which it was reading, if it says so."""

    line: int
    column: int
    what: str
    begun: tuple[int, int] | None = None
    hint: str | None = None


def explain(stop: Stop, source: Callable[[int], str | None]) -> Stop:
    """Return what to say in place of a parser; `source` gives a line of the text, or None."""

    def line(number: int) -> str:
        return source(number) or ""

    for number in range(1, stop.line + 1):
        if line(number).startswith("<<<<<<< "):
            what = "here begins a conflict that a merge of git has left"
            hint = "keep one of the two sides, and delete the lines `<<<<<<<`, `=======`, `>>>>>>>`"
            return Stop(number, 1, what, hint=hint)
    for number in (stop.line, stop.line - 1):  # a word that it joins can go on to the next line
        if match := re.search(_NO_SPACE, line(number)):
            what = f"U+{ord(match[1]):04X} looks like a space and is none"
            return Stop(number, match.start(1) + 1, what, hint="write a space instead, or nothing")
    before = line(stop.line)[: stop.column - 1]
    quoted = re.match(_QUOTED, line(stop.line))
    if quoted and stop.column > quoted.end(2):
        what = "the text goes on behind the quote that ends it"
        return Stop(stop.line, quoted.end(2) + 1, what, hint=_quote_all(quoted))
    first = stop.begun[0] if stop.begun else stop.line
    block = re.match(_BLOCK, line(_above(first, line)))
    if block and "expected ':'" in stop.what and _indent(line(first)) <= block.end(1):
        what = f"a text below `{block[2]}` is not indented"
        return Stop(first, _indent(line(first)) + 1, what, hint="indent it deeper than its key")
    if stop.begun and any(sign in stop.what for sign in _EARLIER):
        stop = stop._replace(line=stop.begun[0], column=stop.begun[1])
    elif "mapping values" in stop.what and (key := re.fullmatch(_KEY, before)):
        above = _above(stop.line, line)
        outer = line(_above(above, line)).rstrip()
        is_below = outer.endswith(":")
        is_key = is_below or _indent(outer) == _indent(line(above))
        if is_key and (tight := re.match(_TIGHT, line(above))):
            return Stop(above, tight.end(), _TIGHT_COLON, hint=_SPACE_HINT)
        if is_below and re.fullmatch(_WORDS, line(above)):
            return Stop(above, _indent(line(above)) + 1, "a key without `:`", hint=_COLON_HINT)
        if above:
            hint = f"indent this as line {above}; a text of several lines with `: ` needs quotes"
            return stop._replace(column=key.start(1) + 1, hint=hint)
    elif "mapping values" in stop.what and re.fullmatch(_TWO_KEYS, before):
        return stop._replace(hint="a key within another has a line of its own; a text needs quotes")
    elif "mapping values" in stop.what and (tight := re.match(_TIGHT + r"(?=\{)", before)):
        return Stop(stop.line, tight.end(), _TIGHT_COLON, hint=_SPACE_HINT)
    elif "but got '{'" in stop.what and before.endswith(":"):
        return Stop(stop.line, len(before), _TIGHT_COLON, hint=_SPACE_HINT)
    elif stop.begun and "found '<block mapping start>'" in stop.what:
        return _between_levels(stop, stop.begun[0], line)
    elif "found '<scalar>'" in stop.what and before.rstrip().endswith(("'", '"')):
        return stop._replace(hint="is a quote left open in a line above?")
    if "'\\t'" in stop.what and before.strip():
        return stop._replace(hint="write spaces instead of this tab")
    return stop._replace(hint=next((say for sign, say in _HINTS if sign in stop.what), stop.hint))


# Where YAML wants a space, or is indented.
_NO_SPACE = "(?:[-:,?{[]|^ *)([\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff])"
_KEY = r" *(?:- +)*([\w.-]+) *"  # what stands before the first `:` of a line
_TIGHT = r" *(?:- +)*[\w.-]+:(?=[^\s:/#])"  # a key, as in `name:etl`, which is one word for YAML
_TWO_KEYS = r" *(?:- +)*[\w.-]+: +[\w.-]+"
_BLOCK = r"( *)(?:- +)*[\w.-]+: +([|>])[-+0-9]* *(?:#.*)?$"  # a key whose text is below it
_WORDS = r" *[\w.-]+(?: [^:#]*)?"
# A line that is a value in quotes, and more than that.
_QUOTED = (
    r" *(?:- +)*(?:[\w.-]+: +)?"
    r"""(("(?>(?:[^"\\]|\\.)*)"|'(?>(?:[^']|'')*)')"""
    r"(?![ \t]*(?:$|[:,\]}]|[ \t]\#)).*?) *(?:\ \#.*)?$"
)
_EARLIER = ("end of stream", "<stream end>", "expected ':'")  # what is wrong is where it began
_TIGHT_COLON, _SPACE_HINT = "no space behind the `:` of a key", "write a space there"
_COLON_HINT = "is there a `:` and a space after the key?"
_HINTS = (
    ("'\\t'", "YAML is indented with spaces, not with tabs"),
    ("mapping values are not allowed", "a text that contains `: ` needs quotes"),
    ("expected <block end>", "check the indentation of this line and of the one above"),
    ("could not find expected ':'", _COLON_HINT),
    ("scanning an alias", ALIAS_HINT),
    ("but got '{'", BRACE_HINT),
    ("but got '['", "a text with brackets needs quotes"),
    ("expected ',' or", "is a comma missing, or a bracket left open?"),
    ("cannot start any token", "a text that begins with this character needs quotes"),
    ("scanning a quoted scalar", "is this quote left open?"),
    (
        "scanning a double-quoted scalar",
        "in double quotes write `\\\\` for `\\`, or use single ones",
    ),
)


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _above(number: int, line: Callable[[int], str]) -> int:
    """Return the number of the next line above that says something, 0 without one."""
    return next((n for n in range(number - 1, 0, -1) if line(n).partition("#")[0].strip()), 0)


def _between_levels(stop: Stop, begun: int, line: Callable[[int], str]) -> Stop:
    """Return what to say of a key that no level of the lines above has, or of a task before it."""

    def indent(number: int) -> int:
        return _indent(line(number))

    def climb(number: int) -> tuple[int, int]:
        """Return the next line above that is no deeper, and the least deep one that was passed."""
        found = passed = _above(number, line)
        while found and indent(found) >= stop.column:
            passed = found if indent(found) < indent(passed) else passed
            found = _above(found, line)
        return found, passed

    outer, inner = climb(stop.line)
    beside, _ = climb(outer)
    body = (line(number) for number in range(outer + 1, stop.line))
    is_task = not line(outer).startswith("tasks:") and any("executor:" in one for one in body)
    if is_task and beside and indent(beside) == stop.column - 1:
        what = f"this task is not indented as those in line {beside} and in line {stop.line}"
        return Stop(outer, indent(outer) + 1, what, hint=f"indent it as line {beside}")
    places = dict.fromkeys((inner, begun))
    return stop._replace(hint=f"indent this as line {' or as line '.join(map(str, places))}")


def _quote_all(quoted: re.Match[str]) -> str:
    """Return how to write what begins with a quoted text, and goes on, as one text."""
    text, first = quoted[1], quoted[2]
    # 'it's' is a quote within quotes, and "echo" hi a text that begins with a quoted word.
    if text.endswith(first[0]) and text[len(first)].isalnum():
        text = text[1:-1]
    anew = "'" + text.replace("'", "''") + "'"
    shown = f": `{anew}`" if len(anew) <= SHOWN_MAX and "\\" not in text else ""
    return f"put all of it in quotes{shown}"
