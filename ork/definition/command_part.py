"""Words of a command that name captured files, replaced by the paths of the captured bytes."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Sequence, Set

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
_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_EXPANDS = frozenset("$`*?[~!{")


def captured_words(words: Sequence[str], files: Set[str], code: str) -> list[str]:
    """Return the words of a command with captured files for those that name one.

    The line that a shell is given with `-c` is treated as one.
    """
    result = [captured_word(word, files, code) for word in words]
    if posixpath.basename(words[0]) in _SHELLS:
        for index in range(2, len(words)):
            if words[index - 1].startswith("-") and words[index - 1].endswith("c"):
                result[index] = captured_line(words[index], files, code)
                break
    return result


def captured_word(word: str, files: Set[str], code: str, folder: str = "") -> str:
    """Return the path below `code` if the word, seen from `folder`, names a captured file."""
    if word.startswith("/") or not word:
        return word
    path = posixpath.normpath(posixpath.join(folder, word))
    return f"{code}/{path}" if path in files else word


def captured_line(line: str, files: Set[str], code: str) -> str:
    """Return a shell line whose plain words that name captured files are replaced.

    Left alone are words that the shell expands, targets of `>`, comments, and everything that
    follows a here-document. `cd DIR` is followed; after a `cd` to where only the shell knows,
    nothing is replaced until the subshell ends.
    """
    if not files:
        return line
    out: list[str] = []
    folders: list[str | None] = [""]  # where the shell is, innermost subshell last
    before = ""  # the operator or word before this one
    for piece in _PIECES.finditer(line):
        kind, text = piece.lastgroup, piece.group()
        if kind == "here":
            out.append(line[piece.start() :])
            break
        folder = folders[-1]
        new = text
        if kind == "word" and before == "cd":
            folders[-1] = _entered(folder, text)
        elif kind == "word" and ">" not in before and folder is not None:
            new = _replaced(text, files, code, folder)
        elif text in ("(", "$("):
            folders.append(folder)
        elif text == ")" and len(folders) > 1:
            folders.pop()
        if kind in ("operator", "word"):
            before = text if kind == "operator" or text == "cd" else ""
        out.append(new)
    return "".join(out)


def _replaced(text: str, files: Set[str], code: str, folder: str) -> str:
    word = _plain(text)
    if word is None:
        return text
    path = captured_word(word, files, code, folder)
    return text if path == word else shlex.quote(path)


def _entered(folder: str | None, text: str) -> str | None:
    word = _plain(text)
    if folder is None or word is None or word.startswith(("/", "-")):
        return None
    return posixpath.normpath(posixpath.join(folder, word))


def _plain(text: str) -> str | None:
    """Return what the shell makes of a word, or None when that depends on more than the word."""
    if not _EXPANDS.isdisjoint(re.sub(r"'[^']*'", "", text)):
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    return words[0] if len(words) == 1 else None
