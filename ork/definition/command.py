"""Which words of a command may name files. Reads the command, never expands or runs it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from itertools import pairwise

_SHELLS = ("sh", "bash", "dash", "zsh", "ksh")
_PUNCTUATION = frozenset("();<>|&")
_LINE_CHARS_MAX = 1 << 17  # Linux starts no shell with a longer line; shlex takes minutes for 1 MB
_BREAK = re.compile(r"[\s;|&()<>'\"`]+")


def file_words(command: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that may name files, relative to the working directory, without repeats.

    A line is split as the shell does; left out are the words that redirections write to. After
    `cd DIR` a word may lie in DIR as well. Of a list of words all count, and the line after `-c`
    of a shell is split.
    """
    if isinstance(command, str):
        words = _line_words(command)
    else:
        words = _list_words(command)
    return tuple(dict.fromkeys(words))


def _list_words(command: tuple[str, ...]) -> Iterator[str]:
    yield from command
    if len(command) >= 3 and posixpath.basename(command[0]) in _SHELLS:
        for flag, line in pairwise(command[1:]):
            if flag.startswith("-") and flag.endswith("c"):
                yield from _line_words(line)
                return


def _line_words(line: str) -> Iterator[str]:
    folder, previous = "", ""
    for word in _split(line):
        operator = not set(word) - _PUNCTUATION
        # What stands after > is written, and after << it is no file at all.
        skipped = (
            bool(previous)
            and not set(previous) - _PUNCTUATION
            and (">" in previous or "<<" in previous)
        )
        if not operator and not skipped:
            yield word
            if previous == "cd":
                folder = posixpath.join(folder, word)
            elif folder:
                yield posixpath.join(folder, word)
        previous = word


def _split(line: str) -> list[str]:
    import shlex

    if len(line) > _LINE_CHARS_MAX:
        return [word for word in _BREAK.split(line) if word]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # a quote is left open, or a comment has an apostrophe
        return [word for word in _BREAK.split(line) if word]
