"""What scripts in other languages than shell and Python load: files that they name as literals.

Only those forms are understood that most people write.
"""

from __future__ import annotations

import re
import shlex
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ork.code.programs import NODE_ENDS
from ork.code.recipes import read_just, read_make
from ork.code.shell.reader import read_shell
from ork.code.use import INC, OWN, UNKNOWN, WORK, Code, Use, joined

SCRIPT_MAX = 1024 * 1024  # characters
LOADED_MAX = 5000  # files, in each form
HERE = f"{OWN}/.."  # the folder of the script itself
_QUOTED = r"""(?:"[^"\n]*"|'[^'\n]*'|`[^`\n]*`)"""
# What stands for a folder is taken for the character NUL before it is read.
_SEVERAL = rf"{_QUOTED}(?:\s*,\s*(?:\[\s*)?{_QUOTED})*"
_LITERAL = rf"(?P<folder>\0\s*)?(?P<path>{_SEVERAL})"
_WORD = r"(?P<path>\"[^\"\n]+\"|'[^'\n]+'|[^\s;'\"]+)"
_CODE_CHARACTERS = 60  # that a complaint quotes
# Programs of bars and of backquotes, paths of variables; then what clients and servers load.
_OPAQUE_SQL = (
    r"^[ \t]*\.(?:imp|o|rea)[^\n]*\||\\(?:o|out|g|gx|w|write)\b[^\n\\]*\||\\[^\n\\]*`|\\P\b"
    r"|\\i(?:r|nclude\w*)?[ \t][^\n\\]*:|^[ \t]*\.loa?d?[ \t]|^[ \t]*(?:!(?!=)|:!|:r\b|:source\b)"
    r"|(?i:\b(?:from|to)\s+program\b|\b(?:load|install)\s+'|\bload_extension\b|\bxp_cmdshell\b"
    r"|\bexecutable\s*\(|\busing\s+(?:jar\b|['\"])|\badd\s+(?:jar|file|archive)s?\b)"
)


class _Form(NamedTuple):
    """How a file is loaded: a pattern with its path, what that is relative to, how it may end."""

    pattern: str
    base: str = WORK
    ends: tuple[str, ...] = ("",)
    dots: str = ""  # of a module: what stands between the parts of its name
    language: str = ""  # of the file, if it is another one


class _Language(NamedTuple):
    """How scripts of a language begin comments, load files, name folders, and start commands."""

    comment: str
    forms: tuple[_Form, ...]
    folder: str = ""  # what stands before a path for the folder of the script
    at: str = HERE  # or for this one
    search: str = ""  # what stands before a folder where modules are searched
    computed: str = ""  # how a file is loaded whose path is no literal
    start: str = ""  # how a command is started: a line for a shell, or words
    opaque: str = ""  # what may begin a program, or load code, in a way that is not followed


_NODE = ("", *NODE_ENDS)
_LANGUAGES: dict[str, _Language] = {
    "r": _Language(
        "#",
        (
            _Form(rf"(?<![\w.$])(?:sys\.)?source\s*\(\s*(?:file\s*=\s*)?{_LITERAL}"),
            _Form(rf"(?<![\w.$])(?:render|knit|quarto_render)\s*\(\s*(?:input\s*=\s*)?{_LITERAL}"),
            _Form(rf"(?<![\w.$])source_python\s*\(\s*{_LITERAL}", language="python"),
            _Form(r"\btar_make\w*\s*\((?P<path>)", WORK, ("_targets.R",)),
        ),
        folder=r"\b(?:here::)?(?:here|file\.path)\s*\(",
        at=WORK,
        computed=r"(?<![\w.$])source\s*\(\s*[\w(\0]|,\s*(?:sys\.)?source\s*[,)]|\bload_all\s*\("
        r"|\btar_source\s*\(|\bbox::use\s*\([^)]{0,1000}\./",
        start=rf"(?<![\w.$])system2?\s*\(\s*(?:command\s*=\s*)?{_LITERAL}",
    ),
    "js": _Language(
        "//",
        (
            _Form(rf"(?<![\w.$])(?:require|import)\s*\(\s*{_LITERAL}", HERE, _NODE),
            _Form(rf"^[ \t]*(?:import|export)\b[^;'\"`()]{{0,1000}}{_LITERAL}", HERE, _NODE),
            _Form(rf"\b(?:Worker\)?|fork)\s*\(\s*{_LITERAL}", WORK, _NODE),
        ),
        folder=r"\b(?:path\.)?(?:join|resolve)\s*\(\s*__dirname\s*,"
        r"|\b__dirname\s*\+|\$\{__dirname\}",
        computed=r"(?<![\w.$])(?:require|import)\s*\(\s*[\w$`\0]",
        start=rf"\b(?:exec|spawn|execFile)(?:Sync)?\s*\(\s*{_LITERAL}",
    ),
    "perl": _Language(
        "#",
        (
            _Form(rf"(?<![\w$>])(?:require|do)\s+{_LITERAL}"),
            _Form(
                r"(?<![\w$>])(?:use|require)\s+(?P<path>[A-Z]\w*(?:::\w+)*)",
                INC,
                (".pm",),
                dots="::",
            ),
        ),
        folder=r"\$(?:FindBin::)?(?:Real)?Bin\b(?:\s*\.)?"
        r"|\bdirname\s*(?:\(\s*)?__FILE__\s*(?:\)\s*)?\.",
        search=r"(?:\buse\s+lib\b|@INC\s*,)\s*(?:(?:qw\s*[(/]|\()\s*)?"
        rf"(?P<folder>\0\s*)?(?P<path>{_SEVERAL}|[\w./]+)",
        computed=r"(?<![\w$>])(?:require|do)\s+[\"']?\$\w|^[ \t]*use\s+lib\s+[\"']?\$",
        start=rf"(?<![\w$>])(?:system|exec)\s*(?:\(\s*)?{_LITERAL}|(?P<line>`[^`\n]*`)",
    ),
    "ruby": _Language(
        "#",
        (
            _Form(rf"\brequire_relative\s*(?:\(\s*)?{_LITERAL}", HERE, ("", ".rb")),
            _Form(rf"(?<![\w.])(?:load|require)\s*(?:\(\s*)?{_LITERAL}", WORK, ("", ".rb")),
            _Form(rf"(?<![\w.])require\s*(?:\(\s*)?{_LITERAL}", INC, (".rb",)),
        ),
        folder=r"\bFile\.join\s*(?:\(\s*)?__dir__\s*,",
        search=rf"(?:\$LOAD_PATH|\$:)\s*(?:<<|\.unshift|\.push)\s*(?:\(\s*)?{_LITERAL}",
        start=rf"(?<![\w.])(?:system|exec|spawn)\s*(?:\(\s*)?{_LITERAL}|(?P<line>`[^`\n]*`)",
    ),
    "php": _Language(
        "//|#",
        tuple(
            _Form(rf"\b(?:require|include)(?:_once)?\s*(?:\(\s*)?{_LITERAL}", at)
            for at in (WORK, HERE)
        ),
        folder=r"(?:\b__DIR__|\bdirname\s*\(\s*__FILE__\s*\))\s*\.",
        computed=r"\b(?:require|include)(?:_once)?\s*(?:\(\s*)?\$",
        start=rf"(?<![\w>:$])(?:exec|system|shell_exec|passthru|popen)\s*\(\s*{_LITERAL}",
    ),
    "lua": _Language(
        "--",
        (
            _Form(rf"\b(?:dofile|loadfile)\s*(?:\(\s*)?{_LITERAL}"),
            _Form(rf"\brequire\s*(?:\(\s*)?{_LITERAL}", WORK, (".lua", "/init.lua"), dots="."),
        ),
        start=rf"\b(?:os\.execute|io\.popen)\s*(?:\(\s*)?{_LITERAL}",
    ),
    "julia": _Language(
        "#",
        (
            _Form(rf"(?<![\w.])include\s*\(\s*{_LITERAL}", HERE),
            _Form(r"^[ \t]*(?:using|import)\s+(?P<path>\w+)", INC, (".jl",)),
            _Form(r"^[ \t]*(?:using|import)\s+(?P<path>\w+)", f"{WORK}/src", (".jl",)),
        ),
        folder=r"\bjoinpath\s*\(\s*@__DIR__\s*,",
        search=rf"\bpush(?:first)?!\s*\(\s*LOAD_PATH\s*,\s*{_LITERAL}",
        computed=r"(?<![\w.])include\s*\(\s*[\w@\0]",
        start=rf"\brun\s*\(\s*{_LITERAL}",
    ),
    "sql": _Language(
        "--",
        (
            _Form(
                rf"(?:(?:\\(?:i|include|\.)|^[ \t]*(?:\.rea\w*|!?source))[ \t]+|^[ \t]*@){_WORD}"
            ),
            _Form(rf"(?:\\(?:ir|include_relative)[ \t]+|^[ \t]*@@){_WORD}", HERE),
        ),
        start=r"(?:\\!|^[ \t]*(?:\.sh(?:ell?)?|\.sy\w*|system|pager)[ \t])[ \t]*(?P<path>[^\n]+)",
        opaque=_OPAQUE_SQL,
    ),
    "tcl": _Language("#", (_Form(rf"^[ \t]*source\s+{_WORD}"),)),
    "gnuplot": _Language("#", (_Form(rf"^[ \t]*(?:load|call)\s+{_LITERAL}"),)),
    "awk": _Language(
        "#",
        (_Form(rf"^[ \t]*@include\s+{_LITERAL}", WORK, ("", ".awk")),),
        start=rf"\bsystem\s*\(\s*{_LITERAL}|(?:\||(?={_QUOTED}\s*\|))\s*(?P<line>{_QUOTED})"
        rf"|{_QUOTED}",  # any other text, which may have a bar as well
    ),
}


def read_script(text: str, language: str, *, here: str = HERE) -> Code:
    """Return what a script loads that lies in the folder `here`."""
    if language in ("make", "just"):
        return (read_make if language == "make" else read_just)(text)
    uses = dict.fromkeys(_uses(text[:SCRIPT_MAX], language, here))
    if len(text) > SCRIPT_MAX:
        uses[Use("unclear")] = None
    return Code(tuple(uses))


def _uses(text: str, language: str, here: str) -> Iterator[Use]:
    spec = _LANGUAGES[language]
    text = re.sub(rf"(^|[\s;])(?:{spec.comment})[^\n]*", r"\1", text.replace("\0", " "), flags=re.M)
    if spec.folder:
        text = re.sub(spec.folder, "\0", text)
    ends = [found.end() for found in re.finditer("\n", text)]
    folder = here if spec.at == HERE else spec.at
    search = [INC, *_searched(text, spec, folder)]
    literal = set()
    for form in spec.forms:
        base = here if form.base == HERE else form.base
        for found in islice(re.finditer(form.pattern, text, re.M), LOADED_MAX):
            literal.add(found.start())
            path = _path(found, form, folder)
            if language == "js" and path is not None and not path.startswith((".", "/", "\0")):
                yield _placed(
                    found, Use("package", language, text=path, is_optional=True), text, ends
                )
                continue
            bases = search if base == INC else [base]
            paths = {
                path if path is None else joined(one, path + end)
                for one in bases
                for end in form.ends
            }
            if language == "js" and path and path.endswith(".js"):
                paths.add(joined(base, path[:-3] + ".ts"))
            role = "script" if form.language else "sourced"
            use = Use(role, form.language or language, frozenset(paths), is_optional=True)
            yield _placed(found, use, text, ends)
    if spec.start:
        for found in islice(re.finditer(spec.start, text, re.M), LOADED_MAX):
            code = read_shell(_line(found))
            yield from (_placed(found, use.within_program(), text, ends) for use in code.uses)
    opaque = re.finditer(spec.opaque, text, re.M) if spec.opaque else ()
    for found in islice(opaque, LOADED_MAX):
        yield _placed(found, Use("unclear"), text, ends)
    computed = re.finditer(spec.computed, text, re.M) if spec.computed else iter(())
    for found in islice(computed, LOADED_MAX):
        if found.start() not in literal:
            yield _placed(found, Use("sourced", language, UNKNOWN), text, ends)


def _searched(text: str, spec: _Language, folder: str) -> Iterator[str]:
    """Yield the folders that a script adds to those where modules are searched."""
    for found in re.finditer(spec.search, text, re.M) if spec.search else ():
        is_below = "folder" in found.re.groupindex and found["folder"] is not None
        for quoted in re.findall(_QUOTED, found["path"]) or [f" {found['path']} "]:
            path = quoted[1:-1].strip()
            base = folder if is_below or path.startswith("\0") else WORK
            yield joined(base, path.lstrip("\0/") if base == folder else path) or WORK


def _path(found: re.Match[str], form: _Form, folder: str) -> str | None:
    """Return the path in a form; None for one that the script itself puts together."""
    parts = [quoted[1:-1] for quoted in re.findall(_QUOTED, found["path"])] or [found["path"]]
    is_below = "folder" in found.re.groupindex and found["folder"] is not None
    path = "/".join(parts) if is_below else parts[0]
    if "$" in path or "#{" in path:
        return None
    if form.dots:
        path = path.replace(form.dots, "/")
    if is_below or path.startswith("\0"):
        return joined(folder, path.lstrip("\0/"))
    return path


def _line(found: re.Match[str]) -> str:
    """Return the line for a shell that a form starts, which may give the words of it."""
    groups = found.groupdict()
    whole = groups.get("line") or groups["path"] or ""
    words = [quoted[1:-1].replace("\0", "$_/") for quoted in re.findall(_QUOTED, whole)]
    return shlex.join(words) if len(words) > 1 else words[0] if words else whole


def _placed(found: re.Match[str], use: Use, text: str, ends: list[int]) -> Use:
    """Return a use with its place, and the text there."""
    at = found.end() - len(found[0].lstrip())
    line = bisect_right(ends, at)
    shown = text[at : at + _CODE_CHARACTERS].partition("\n")[0].replace("\0", "")
    shown = use.text if use.role in ("command", "given", "loaded", "package") else shown
    column = at - (ends[line - 1] if line else 0) + 1
    return use._replace(text=shown, line=line + 1, column=column)
