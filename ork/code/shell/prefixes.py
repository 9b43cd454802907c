"""Programs that start another one: the command that their words leave."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile

from ork.code.programs import PREFIXES
from ork.code.shell.words import Command, Word
from ork.code.use import UNKNOWN, Values

_SPLIT = re.compile("-[iv0]*S|--split-string=?")  # the option of env that has a whole command


def after_prefix(base: str, words: list[Word], command: Command) -> tuple[list[Word], Values]:
    """Return the command that a program is given, which starts it, and the folder where.

    The command is empty if there is none, the folder if it is the same.
    """
    spec = PREFIXES[base]
    with_word, skipped, after = spec.words.split(), spec.skipped, spec.after
    entered: Values = frozenset()
    at = 1
    while at < len(words):
        word = words[at]
        name, equals, _ = word.text.partition("=")
        if base == "command" and word.text in ("-v", "-V"):
            return [], entered
        if base == "env" and (found := _SPLIT.match(word.text)):
            glued = word.after(found.end())
            at += not glued.text
            line = [glued] if glued.text else words[at : at + 1]
            parts = [part for one in line for part in one._replace(is_split=True).split()]
            return parts + words[at + 1 :], entered
        if base == "flock" and word.text in ("-c", "--command"):
            return [word.as_text("sh"), *words[at:]], entered
        if spec.scripts and not after and word.text in ("-m", "--module", "-s", "--script"):
            option = [] if word.text[-1] in "st" else [word.as_text("-m")]
            return [word.as_text("python"), *option, *words[at + 1 :]], entered
        if word.text == "--":
            at += 1
        elif word.text.startswith("-"):
            takes = word.text in with_word
            if name in spec.folder.split() and (equals or at + 1 < len(words)):
                entered = word.after(len(name) + 1).values if equals else words[at + 1].values
            at += 1 + takes
        elif word.name and base in ("env", "sudo", "exec"):
            command.assigned[word.name] = word.values
            at += 1
        elif after:
            if word.text != after.rstrip("?"):
                if not after.endswith("?"):
                    return [], entered
                at -= 1
            at, after = at + 1, ""
        elif skipped:
            skipped -= 1
            at += 1
        else:
            break
    words, options = words[at:], words[1:at]
    if base in ("watch", "parallel") and (lines := _as_lines(words, options)):
        words = lines
    elif base in ("xargs", "parallel"):
        words = _with_input(base, options, words)
    if spec.scripts and words and words[0].text.endswith(".py"):
        words = [words[0].as_text("python"), *words]
    return words, entered


def filled(word: Word, mark: str) -> Word:
    """Return a word in which another one may stand where it has a mark."""
    return word._replace(values=UNKNOWN, is_plain=False) if mark in word.text else word


def _as_lines(words: list[Word], options: list[Word]) -> list[Word]:
    """Return the shell that reads the lines which are given; none where they are a command."""
    plain = [*takewhile(lambda word: not word.text.startswith(":::"), words)]
    texts = [word.text for word in words[len(plain) + 1 :]]
    if plain and " " in plain[0].text:
        texts = [" ".join(word.text for word in plain)]
    elif plain:
        return []
    near = words[0] if words else options[0] if options else Word(UNKNOWN, "", 0)
    line = "\n".join(texts)
    files = [file for option, file in pairwise(options) if option.text in ("-a", "--arg-file")]
    given = [near.as_text("-c"), near.as_text(line)] if texts else files
    return [near.as_text("sh"), *given]


def _with_input(base: str, options: list[Word], words: list[Word]) -> list[Word]:
    """Return a command to which words are added that a program such as xargs reads."""
    mark = "{}" if base == "parallel" else ""
    for before, option in zip([None, *options], options, strict=False):
        if option.text.startswith("-I"):
            mark = option.text[2:]
        elif before and before.text == "-I":
            mark = option.text
    words = [*takewhile(lambda word: not word.text.startswith(":::"), words)]
    if mark and any(mark in word.text for word in words):
        return [filled(word, mark) for word in words]
    return [*words, Word(UNKNOWN, base, words[-1].start)] if words else []
