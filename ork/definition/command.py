"""A command line in words, for whoever looks for files in it. Reads it, never expands or runs it.

Capture asks for every word that may name a file. An attempt replaces the words that do name a
captured file, as far as only the word decides what the shell makes of it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

# A word is any run of quoted pieces, escaped and other characters; "broken" is a quote that is left
# open, or a backslash at the end.
_PIECE = re.compile(
    r"""(?P<here><<-?(?!<))
      | (?P<operator>[<>]+[&|]?|&>+|[;&|()`\n]|\$\()
      | (?P<space>[ \t\r]+)
      | (?P<word>(?:'[^']*' | "(?:[^"\\]|\\.)*" | \\. | \$(?!\() | [^ \t\r\n;&|()<>`'"\\$])+)
      | (?P<broken>.)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTED = re.compile(r"""'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)""", re.DOTALL)
_BREAK = re.compile(r"[\s;|&()<>'\"`]+")
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_EXPANDS = frozenset("$`*?[~!{")


class Piece(NamedTuple):
    """A part of a shell line: here (a `<<`), operator, space, word, comment or broken."""

    kind: str
    text: str
    start: int


def pieces(line: str, *, comments: bool = True) -> Iterator[Piece]:
    """Yield the parts of a shell line, in order and without a gap.

    Without `comments`, what stands behind a `#` is read like the rest.
    """
    at = 0
    while match := _PIECE.match(line, at):
        kind, text = match.lastgroup or "", match.group()
        if comments and kind == "word" and text.startswith("#"):
            kind, text = "comment", line[at:].partition("\n")[0]
        yield Piece(kind, text, at)
        at += len(text)


def file_words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that may name files, relative to the working directory, without repeats.

    Left out of a line are the words that redirections write to. After `cd DIR` a word may lie in
    DIR as well. Of a list of words all count, and the line after `-c` of a shell is read too.
    """
    if isinstance(command, str):
        return tuple(dict.fromkeys(_line_words(command)))
    at = _shell_line(command)
    inside = _line_words(command[at]) if at else ()
    return tuple(dict.fromkeys((*command, *inside)))


def captured_words(words: Sequence[str], files: Set[str], code: str) -> list[str]:
    """Return the words of a command with the path below `code` for each that names one of `files`.

    The line that a shell is given with `-c` is treated as one.
    """
    result = [_captured(word, files, code) or word for word in words]
    if at := _shell_line(words):
        result[at] = captured_line(words[at], files, code)
    return result


def captured_line(line: str, files: Set[str], code: str) -> str:
    """Return a shell line whose plain words that name captured files are replaced.

    Left alone are words that the shell expands, targets of `>`, comments, and everything that
    follows a here-document. `cd DIR` is followed; after a `cd` to where only the shell knows,
    nothing is replaced until the subshell ends.
    """
    from shlex import quote

    if not files:
        return line
    out: list[str] = []
    folders: list[str | None] = [""]  # where the shell is, innermost subshell last
    before = ""  # the operator before this piece, or `cd`
    for kind, text, start in pieces(line):
        if kind == "here":
            out.append(line[start:])
            break
        folder = folders[-1]
        new = text
        if kind == "word":
            word = None if folder is None else _plain(text)
            if before == "cd":
                folders[-1] = _entered(folder, word)
            elif ">" not in before and word and (path := _captured(word, files, code, folder)):
                new = quote(path)
            before = text if text == "cd" else ""
        elif kind == "operator":
            if text in ("(", "$("):
                folders.append(folder)
            elif text == ")" and len(folders) > 1:
                folders.pop()
            before = text
        out.append(new)
    return "".join(out)


def _shell_line(words: Sequence[str]) -> int | None:
    """Return the index of the line that a shell is given with `-c`, if these words start one."""
    if posixpath.basename(words[0]) not in _SHELLS:
        return None
    flags = (n for n in range(1, len(words) - 1) if words[n][:1] == "-" and words[n][-1:] == "c")
    flag = next(flags, None)
    return None if flag is None else flag + 1


def _line_words(line: str) -> Iterator[str]:
    # A comment or the data of a here-document may name a file as well.
    parts = [(kind, _unquoted(text)) for kind, text, _ in pieces(line, comments=False)]
    if any(kind == "broken" for kind, _ in parts):
        parts = [("word", word) for word in _BREAK.split(line) if word]
    folder = before = ""
    for kind, word in parts:
        if kind in ("here", "operator"):
            before = word
        if kind != "word":
            continue
        # What stands after > is written, and after << it is no file at all.
        if ">" not in before and "<<" not in before:
            yield word
            if before == "cd":
                folder = posixpath.join(folder, word)
            elif folder:
                yield posixpath.join(folder, word)
        before = "cd" if word == "cd" else ""


def _captured(word: str, files: Set[str], code: str, folder: str | None = "") -> str | None:
    """Return the path below `code` if the word, seen from `folder`, names a captured file."""
    if folder is None or word.startswith("/") or not word:
        return None
    path = posixpath.normpath(posixpath.join(folder, word))
    return f"{code}/{path}" if path in files else None


def _entered(folder: str | None, word: str | None) -> str | None:
    if folder is None or word is None or word.startswith(("/", "-")):
        return None
    return posixpath.normpath(posixpath.join(folder, word))


def _plain(text: str) -> str | None:
    """Return what the shell makes of a word, or None when that depends on more than the word."""
    return _unquoted(text) if _EXPANDS.isdisjoint(re.sub(r"'[^']*'", "", text)) else None


def _unquoted(text: str) -> str:
    """Return a word without its quotes and escapes."""

    def inside(match: re.Match[str]) -> str:
        single, double, escaped = match.groups()
        if double is not None:
            return re.sub(r'\\(["\\])', r"\1", double)
        return escaped if single is None else single

    return _QUOTED.sub(inside, text)
