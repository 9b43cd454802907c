"""Words of a command that name captured files, replaced by the paths of the captured bytes."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Set

# What a shell line is made of, as far as this matters: a here-document starts data, `#` a comment,
# operators part words, and a word is any run of quoted pieces, escaped and other characters.
_PIECES = re.compile(
    r"""(?P<here><<-?(?!<))
      | (?P<operator>[<>]+[&|]?|&>+|[;&|()`\n]|\$\()
      | (?P<comment>\#[^\n]*)
      | (?P<space>[ \t\r]+)
      | (?P<word>(?:'[^']*' | "(?:[^"\\]|\\.)*" | \\. | \$(?!\() | [^\s;&|()<>`'"\\$])+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_EXPANDS = frozenset("$`*?[~!{")


def captured_word(word: str, files: Set[str], code: str) -> str:
    """Return the path below `code` when the word names a captured file, else the word."""
    if word.startswith("/") or not word:
        return word
    path = posixpath.normpath(word)
    return f"{code}/{path}" if path in files else word


def captured_line(line: str, files: Set[str], code: str) -> str:
    """Return a shell line whose plain words that name captured files are replaced.

    Left alone are words that the shell expands, targets of `>`, comments, and everything that
    follows a here-document.
    """
    if not files:
        return line
    out: list[str] = []
    written = False  # the next word is the target of a redirection
    for piece in _PIECES.finditer(line):
        kind, text = piece.lastgroup, piece.group()
        if kind == "here":
            out.append(line[piece.start() :])
            break
        if kind == "operator":
            written = ">" in text
        elif kind == "word":
            if not written:
                text = _replaced(text, files, code)
            written = False
        out.append(text)
    return "".join(out)


def _replaced(text: str, files: Set[str], code: str) -> str:
    bare = text.replace("\\ ", "").replace("\\'", "")
    if not _EXPANDS.isdisjoint(re.sub(r"'[^']*'", "", bare)):
        return text
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    if len(words) != 1:
        return text
    path = captured_word(words[0], files, code)
    return text if path == words[0] else shlex.quote(path)
