"""What Makefiles and justfiles execute: the lines of recipes, and the files that they include.

All recipes are read, whichever is asked for. What stands for a variable is known if the file sets
it once; of anything else it is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ork.code.programs import language_of
from ork.code.shell.reader import TEXT_MAX, read_shell
from ork.code.use import UNKNOWN, WORK, Code, Use

LINES_MAX = 20_000
VALUE_MAX = 4096  # characters that stand for a variable
DEPTH_MAX = 20  # of variables and commands in one another
_ANY = "${_}"  # what a shell puts there is not known
_VARIABLE = re.compile(
    r"(?:(?:export|override|private)[ \t]+)*([\w.-]+)[ \t]*([:?+!]{0,3}=)(.*)", re.S
)
_BESIDE = re.compile(r"[^#=;:]+:[^#=;]*;(.*)", re.S)  # a rule, and its recipe in one line
_INCLUDE = re.compile(r"([-s]?)include[ \t]+(.*)")
_ONE_SHELL = re.compile(r"^\.ONESHELL\b", re.M)
_IMPLIED = {"MAKE": "make", "CURDIR": ".", "SHELL": "sh", "RM": "rm -f", "AR": "ar", "AS": "as"}
_IMPLIED |= {"CC": "cc", "CXX": "c++", "CPP": "cc -E", "FC": "f77", "LD": "ld"}
_NAME = re.compile(r"[A-Za-z_]\w*")
_HEADER = re.compile(r"@?[A-Za-z_][\w-]*(?:[ \t][^\n]*?)?:(?!=)")
_SET = re.compile(
    r"""(?:export[ \t]+)?([\w-]+)[ \t]*:=[ \t]*(?:"([^"]*)"|'([^']*)')[ \t]*(?:#.*)?"""
)
_IMPORT = re.compile(r"""(import|mod)\??[ \t]+['"]?([^\s'"]+)['"]?""")
_FIELD = re.compile(r"\{\{\s*([\w-]*)\s*(.*?)\}\}")


def read_make(text: str) -> Code:
    """Return what the recipes of a Makefile execute."""
    lines: list[tuple[int, str]] = []
    included: list[Use] = []
    values: dict[str, str | None] = dict(_IMPLIED)  # None: it is not known
    own: set[str] = set()
    in_define = False
    for number, line in _joined(text.split("\n")[:LINES_MAX], 1):
        plain = line.lstrip(" ")
        if plain.startswith(("define ", "endef")):
            in_define = plain.startswith("define ")
        elif line.startswith("\t"):
            lines.append((number, line.strip().lstrip("@-+")))
        elif in_define:
            continue
        elif found := _VARIABLE.fullmatch(plain):
            name, how, value = found.groups()
            values[name] = None if name in own or how in ("+=", "!=") else value.strip()
            own.add(name)
            if how == "!=" or "$(shell " in value:
                lines.append((number, value if how == "!=" else f": {value}"))
        elif found := _BESIDE.match(plain):
            lines.append((number, found[1].lstrip("@-+ \t")))
        elif found := _INCLUDE.match(plain):
            included += [_included(path, number) for path in found[2].split()]
    if _ONE_SHELL.search(text):
        lines = [*_one_shell(lines)]
    known: dict[str, str] = {}
    expanded = ((n, _expanded(line, values, known)) for n, line in lines)
    return _together(expanded, included, is_whole=text.count("\n") < LINES_MAX)


def _one_shell(lines: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines of each recipe as one, which one shell reads."""
    kept: list[tuple[int, str]] = []
    for number, line in lines:
        if kept and number != kept[-1][0] + kept[-1][1].count("\n") + 1:
            yield kept[0][0], "\n".join(one for _, one in kept)
            kept = []
        kept.append((number, line))
    if kept:
        yield kept[0][0], "\n".join(one for _, one in kept)


def _expanded(
    text: str, values: dict[str, str | None], known: dict[str, str], depth: int = 0
) -> str:
    """Return a line as the shell gets it, with its own variables for those that are not known."""
    parts, at, length = [], 0, 0
    while (sign := text.find("$", at)) >= 0 and length <= TEXT_MAX:
        parts.append(text[at:sign])
        following = text[sign + 1 : sign + 2]
        if following in ("(", "{"):
            at = end = _closing(text, sign + 1)
            inner = text[sign + 2 : end - 1]
        else:
            at, inner = sign + 2, following
        if following == "$":
            parts.append("$")
        elif inner.startswith("shell ") and depth < DEPTH_MAX:
            parts.append(f"$({_expanded(inner[6:], values, known, depth + 1)})")
        elif inner in values and depth < DEPTH_MAX:
            if inner not in known:
                known[inner] = _unknown(inner)  # in case that it stands for itself
                if (value := values[inner]) is not None:
                    found = _expanded(value, values, known, depth + 1)
                    known[inner] = found if len(found) <= VALUE_MAX else _unknown(inner)
            parts.append(known[inner])
        else:
            parts.append(_unknown(inner))
        length += len(parts[-1])
    return "".join([*parts, text[at:]])


def _unknown(name: str) -> str:
    return f"${{{name}}}" if _NAME.fullmatch(name) else _ANY


def _closing(text: str, start: int) -> int:
    """Return where what opens at a place is closed, or the end of the text."""
    opening = text[start]
    closing, depth = ")" if opening == "(" else "}", 0
    for at in range(start, len(text)):
        depth += (text[at] == opening) - (text[at] == closing)
        if depth == 0:
            return at + 1
    return len(text) + 1


def read_just(text: str) -> Code:
    """Return what the recipes of a justfile execute."""
    lines = text.split("\n")[:LINES_MAX]
    known = {one[1]: one[2] or one[3] or "" for one in map(_SET.fullmatch, lines) if one}
    found = ((n, one) for n, line in enumerate(lines, 1) if (one := _IMPORT.match(line)))
    included = [_included(one[2] + ".just" * (one[1] == "mod"), number) for number, one in found]

    def filled(field: re.Match[str]) -> str:
        return _ANY if field[2] else known.get(field[1], _ANY)

    recipes = ((n, _FIELD.sub(filled, line)) for n, line in _recipes(lines))
    return _together(recipes, included, is_whole=text.count("\n") < LINES_MAX)


def _recipes(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Yield the lines of the recipes of a justfile, or a whole one that begins with `#!`."""
    at = 0
    while at < len(lines):
        at += 1
        if not _HEADER.match(lines[at - 1]):
            continue
        start = at
        while at < len(lines) and (lines[at][:1] in (" ", "\t") or not lines[at].strip()):
            at += 1
        body = lines[start:at]
        begin = body[0].lstrip() if body else ""
        if begin.startswith("#!"):
            indent = len(body[0]) - len(begin)
            yield start + 1, "\n".join(line[indent:] for line in body)
        else:
            yield from ((n, line.strip().lstrip("@-")) for n, line in _joined(body, start + 1))


def _joined(lines: Sequence[str], first: int) -> Iterator[tuple[int, str]]:
    """Yield lines with their numbers, those that go on after a backslash as one."""
    at = 0
    while at < len(lines):
        start = at
        while lines[at].endswith("\\") and at + 1 < len(lines):
            at += 1
        at += 1
        yield first + start, "\n".join(lines[start:at])


def _included(path: str, line: int) -> Use:
    paths = UNKNOWN if set("$*?") & set(path) else frozenset((f"{WORK}/{path}",))
    return Use("sourced", "make", paths, path, line, is_optional=True)


def _together(lines: Iterable[tuple[int, str]], included: list[Use], *, is_whole: bool) -> Code:
    """Return what all lines execute, each of which a shell of its own reads."""
    uses = dict.fromkeys(included)
    writes: set[str] = set()
    copies: set[tuple[str, str]] = set()
    length = 0
    for number, line in lines:
        if length > TEXT_MAX:
            is_whole = False
            break
        length += len(line)
        code = _read(line)
        uses.update((use._replace(line=number + use.line - 1, column=1), None) for use in code.uses)
        writes |= code.writes
        copies |= code.copies
    if not is_whole:
        uses[Use("unclear")] = None
    return Code(tuple(uses), frozenset(writes), copies=frozenset(copies))


def _read(line: str) -> Code:
    """Return what a line executes, or a recipe that is a script of its own."""
    language = language_of(line.encode()) if line.startswith("#!") else "shell"
    if language == "shell":
        return read_shell(line)
    return Code((Use("code", language, text=line) if language == "python" else Use("unclear"),))
