"""What a Jupyter notebook executes: the code of its cells, and the files that their magics name.

Of a cell that is not Python as it stands, lines of IPython (`%matplotlib inline`, `!ls`, `x?`) are
taken out; what they execute themselves is told beside what the rest imports, runs and starts.
For people a notebook is a text of its cells.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from ork.code.python.reader import parse, read_python
from ork.code.shell.reader import read_shell
from ork.code.shell.words import PATH_MAX
from ork.code.use import UNKNOWN, WORK, Code, Unreadable, Use
from ork.objects.canonical import hash_bytes
from ork.objects.value import Value, of_line

CODE_MAX = 256 * 1024  # characters in all cells: more than a person writes
CELLS_MAX = 10_000
MAGICS_MAX = 1000
SHORT_CHARS_MAX = 80  # of metadata that is told; of others the size

_MAGIC = re.compile(r"([\w.,\[\]'\" ]+=\s*)?(%%?(?=[^=\s])|!!?(?=[^=]))(.*)")
_HELP = re.compile(r"\?{1,2}[\w.*%]+|%{0,2}[\w.*]+\?{1,2}")
_TOKEN = re.compile(r"""'{3}|"{3}|'(?:[^'\\]|\\.)*'?|"(?:[^"\\]|\\.)*"?|\#.*|[()\[\]{}]""")
_OPTIONS = re.compile(r"(?:(?:-\w+|\d+)\s+)*")
_FIELD = re.compile(r"\{[^{}]*\}")
_SHELLS = frozenset(("!", "sx", "system", "bash", "sh", "zsh", "ksh"))
_TIMED = frozenset(("time", "timeit", "prun", "memit", "mprun", "lprun"))
_RUN_OPTIONS = frozenset(("-N", "-b", "-D", "-l", "-s", "-T"))  # that take a word


class _Cell(Value, frozen=True, kw_only=True, forbid_unknown_fields=False):
    cell_type: str
    source: str | list[str] = ""


class _Named(Value, frozen=True, kw_only=True, forbid_unknown_fields=False):
    name: str | None = None
    language: str | None = None


class _Metadata(Value, frozen=True, kw_only=True, forbid_unknown_fields=False):
    kernelspec: _Named | None = None
    language_info: _Named | None = None

    def language(self) -> str:
        """Return the language of the kernel, "" when none is said."""
        kernel, info = self.kernelspec, self.language_info
        return (kernel and kernel.language) or (info and info.name) or ""


class _Notebook(
    Value, frozen=True, kw_only=True, forbid_unknown_fields=False, rename={"parts": "cells"}
):
    parts: list[_Cell]
    metadata: _Metadata = _Metadata()


class _Folded(
    Value, frozen=True, kw_only=True, forbid_unknown_fields=False, rename={"parts": "cells"}
):
    parts: list[dict[str, Any]]
    metadata: Any = None
    nbformat: int
    nbformat_minor: int = 0


def cells_text(data: bytes) -> str | None:
    """Return a notebook as lines for people: its cells, the outputs of each folded to one line.

    Where it differs, more than the layout of the notebook does. None of what is no notebook.
    """
    try:
        whole: _Folded = of_line(data, _Folded)
    except (ValueError, RecursionError):
        return None
    lines = [line for cell in whole.parts for line in _cell_lines(dict(cell))]
    rest = {"metadata": whole.metadata, "nbformat": [whole.nbformat, whole.nbformat_minor]}
    return "\n".join([*lines, f"# notebook {_short(rest)}", ""])


def _cell_lines(cell: dict[str, Any]) -> Iterator[str]:
    source, outputs = cell.pop("source", ""), cell.pop("outputs", [])
    kind, count = cell.pop("cell_type", ""), cell.pop("execution_count", None)
    rest = {key: value for key, value in cell.items() if value}
    yield f"# %% {kind} {_short(rest) if rest else ''}".rstrip()
    yield from "".join(map(str, source if isinstance(source, list) else [source])).split("\n")
    if outputs or count is not None:
        kinds = ", ".join(dict.fromkeys(_kinds(outputs)))
        told = f" {kinds}: {_size(outputs)}" if outputs else ""
        yield f"# output{'' if count is None else f' [{count}]'}{told}"


def _kinds(outputs: Any) -> Iterator[str]:
    """Yield what outputs are: stdout, image/png, ValueError."""
    for one in outputs if isinstance(outputs, list) else ():
        if isinstance(one, dict):
            data = one.get("data")
            yield from data if isinstance(data, dict) else [str(one.get("name", one.get("ename")))]


def _short(fields: dict[str, Any]) -> str:
    text = json.dumps(fields, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= SHORT_CHARS_MAX else f"{', '.join(sorted(fields))}: {_size(fields)}"


def _size(value: object) -> str:
    text = json.dumps(value, sort_keys=True)
    return f"{len(text):,} characters, {hash_bytes(text.encode())[:8]}"


def read_notebook(data: bytes) -> Code | Unreadable:
    """Return what the cells of a notebook import, run and start.

    Of one for a kernel of another language than Python that is not known.
    """
    try:
        # Outputs, of which there may be much, are skipped.
        whole: _Notebook = of_line(data, _Notebook)
    except (ValueError, RecursionError):
        return Unreadable(0, 0, "no notebook that can be read")
    if whole.metadata.language().lower() not in ("", "python"):
        return Code((Use("unclear", line=0, column=0),))
    code_cells = (cell.source for cell in whole.parts if cell.cell_type == "code")
    sources = [[one] if isinstance(one, str) else one for one in code_cells]
    size = sum(len(part) + 1 for source in sources for part in source)
    if size > CODE_MAX or len(sources) > CELLS_MAX:
        return Unreadable(0, 0, "too much code")
    cells = _Cells()
    for source in sources:
        cells.take("".join(source))
    if cells.magics > MAGICS_MAX:
        return Unreadable(0, 0, "too many magics")
    code = read_python("\n".join(cells.lines).encode())
    if isinstance(code, Unreadable):
        return Unreadable(0, 0, code.message)
    uses = [*cells.uses, *code.uses]
    if any(use.role != "imported" or use.paths for use in uses):
        places = [(0, 0), (0, 0), *_places(data.decode("utf-8", "replace"), sources)]
        uses = [_placed(use, places) for use in uses]
    found = tuple(dict.fromkeys(uses))
    written, copies = code.writes | cells.writes, code.copies | cells.copies
    return Code(found, written, code.search | cells.search, copies)


class _Cells:
    """Gathers what magics name, and the lines of Python that are left."""

    def __init__(self) -> None:
        # An encoding line counts in the first two lines alone, and in no cell.
        self.lines = ["", ""]
        self.uses: list[Use] = []
        self.writes: set[str] = set()
        self.copies: set[tuple[str, str]] = set()
        self.search: set[str] = set()
        self.magics = 0

    def take(self, source: str) -> None:
        """Take one cell."""
        count = source.count("\n") + 1
        first = len(self.lines) + 1
        is_whole = True
        while source.lstrip().startswith("%%") and self.magics <= MAGICS_MAX:
            head, _, source = source.lstrip().partition("\n")
            is_whole = False
            if self._cell_magic(head[2:], source, first):
                source = ""
        lines = source.split("\n")
        blank = [""] * (count - len(lines))
        if not _is_python(source):
            lines = list(self._without_magics(lines, first + len(blank)))
            if not _is_python("\n".join(lines)):
                lines = [""] * len(lines)
                if count == 1:
                    # IPython takes a line for a magic that lacks its sign.
                    self._line_magic(source.strip(), first)
                elif is_whole:
                    self.uses.append(Use("unclear", line=first))
        self.lines += [*blank, *lines]

    def _without_magics(self, lines: list[str], first: int) -> Iterator[str]:
        """Yield the lines of a cell, Python in the place of those that are for IPython.

        Where a string or brackets go on from the line before, there is none.
        """
        at, depth, quote = 0, 0, ""
        goes_on = False
        while at < len(lines):
            line, end = lines[at], at + 1
            found = None if quote or depth or goes_on else _MAGIC.fullmatch(line.strip())
            if found is not None:
                while end < len(lines) and lines[end - 1].rstrip().endswith("\\"):
                    end += 1
                joined_line = " ".join(one.strip().removesuffix("\\") for one in lines[at:end])
                found = _MAGIC.fullmatch(joined_line) or found
                target, sign, rest = found.groups("")
                line = f"{_indent(line)}{target}{self._magic(sign, rest, first + at)}"
            elif not (quote or depth or goes_on) and _HELP.fullmatch(line.strip().rstrip("; ")):
                line = f"{_indent(line)}pass"
            else:
                depth, quote = _open_after(line, depth, quote)
                goes_on = not quote and line.endswith("\\")
            yield line
            yield from [""] * (end - at - 1)
            at = end

    def _magic(self, sign: str, rest: str, line: int) -> str:
        """Note what a line for IPython executes; return an expression in its place."""
        if sign.startswith("%"):
            return self._line_magic(rest, line)
        self._shell(_FIELD.sub("$_", rest), line)
        return "None"

    def _line_magic(self, text: str, line: int) -> str:
        self.magics += 1
        name, _, rest = text.partition(" ")
        if self.magics > MAGICS_MAX:
            pass
        elif name in _TIMED:
            options = _OPTIONS.match(rest)
            statement = rest[options.end() :] if options else rest
            return statement if _is_python(statement) else "None"
        elif name == "run":
            self._run(rest[:PATH_MAX], line)
        elif name == "cd":
            # Nobody follows where all that comes after it happens.
            self.uses.append(Use("unclear", text=f"%cd {rest}"[:PATH_MAX], line=line))
            self.search.add(_here(rest.strip()[:PATH_MAX]))
        elif name in ("load_ext", "reload_ext"):
            self.uses.append(Use("imported", text=rest.strip()[:PATH_MAX]))
        elif name in _SHELLS:
            self._shell(_FIELD.sub("$_", rest), line)
        return "None"

    def _cell_magic(self, head: str, body: str, line: int) -> bool:
        """Note what a cell for a magic executes; say whether its lines are not Python."""
        self.magics += 1
        words = head[:PATH_MAX].split() or [""]
        name = words[1] if words[0] == "script" and len(words) > 1 else words[0]
        if name in _SHELLS:
            self._shell(body, line)
        elif name in ("writefile", "file"):
            self.writes.add(_here(words[-1]))
        else:
            return False
        return True

    def _run(self, rest: str, line: int) -> None:
        """Note the file that `%run` executes, in whose folder it searches as well."""
        try:
            words = shlex.split(rest)
        except ValueError:
            words = ["$"]
        while words and words[0].startswith("-") and words[0] != "-m":
            del words[: 2 if words[0] in _RUN_OPTIONS else 1]
        if not words:
            return
        path, use = words[0], Use("imported", "python", UNKNOWN, f"%run {rest}", line)
        if path == "-m":
            self.uses += [Use("module", "python", text=word, line=line) for word in words[1:2]]
        elif "$" in path or "{" in path:
            self.uses.append(use)
        else:
            path = path if path.endswith((".py", ".ipy", ".ipynb")) else f"{path}.py"
            self.uses.append(use._replace(paths=frozenset((_here(path),))))
            if "/" in path:
                self.search.add(f"{_here(path)}/..")

    def _shell(self, text: str, line: int) -> None:
        self.magics += 1
        if self.magics > MAGICS_MAX:
            return
        code = read_shell(text)
        self.writes |= code.writes
        self.copies |= code.copies
        told = (use.within_program() for use in code.uses)
        self.uses += (use._replace(line=line, column=1) for use in told)


def _here(path: str) -> str:
    return path if path.startswith("/") else f"{WORK}/{path}"


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _open_after(line: str, depth: int, quote: str) -> tuple[int, str]:
    """Return how many brackets are open after a line, and the quotes of a string that goes on."""
    at = 0
    while at < len(line):
        if quote:
            at = line.find(quote, at) + 3
            if at < 3:
                break
            quote = ""
        elif found := _TOKEN.search(line, at):
            at, token = found.end(), found.group()
            if token in ("'''", '"""'):
                quote = token
            elif token in ("(", "[", "{"):
                depth += 1
            elif token in (")", "]", "}"):
                depth = max(0, depth - 1)
        else:
            break
    return depth, quote


def _is_python(source: str) -> bool:
    try:
        parse(b"\n\n" + source.encode())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _places(text: str, sources: Iterable[list[str]]) -> Iterator[tuple[int, int]]:
    """Yield line and column where the text of a notebook has each line of its cells, 0 for none.

    Jupyter writes them one by one.
    """
    at, line, begin = 0, 1, 0
    for source in sources:
        places = []
        for part in source:
            before, at = at, text.find(json.dumps(part, ensure_ascii=False), at)
            place = 0, 0
            if at < 0:
                at = len(text)
            else:
                line += text.count("\n", before, at)
                begin = max(begin, text.rfind("\n", before, at) + 1)
                place = line, at - begin + 1
            places += [place] * max(1, part.count("\n"))
        count = sum(part.count("\n") for part in source) + 1
        yield from [*places, *[(0, 0)] * count][:count]


def _placed(use: Use, places: list[tuple[int, int]]) -> Use:
    line, column = places[use.line - 1] if use.line <= len(places) else (0, 0)
    return use._replace(line=line, column=column + use.column if line else 0)
