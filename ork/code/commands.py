"""What a simple command does, as its words tell: what it executes, enters, sets and writes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from itertools import pairwise
from typing import Any

from ork.code.programs import LOADERS, PREFIXES, RUNNERS, Interpreter, arguments, interpreter_named
from ork.code.use import HERE, UNKNOWN, WORK, Code, Use, Values, joined
from ork.code.words import HOME, Command, State, Word

_DECLARING = frozenset(("export", "readonly", "local", "declare", "typeset"))


class Commands(ABC):
    """Gathers what commands do; where these come from and what lines within them say is not its.

    What is gathered is shared with the reader of an outer text.
    """

    def __init__(self, outer: Commands | None) -> None:
        self.uses: list[Use] = outer.uses if outer else []
        self.writes: set[str] = outer.writes if outer else set()
        self.seen: set[str | None] = outer.seen if outer else set()  # folders that were entered
        self.in_function: int = outer.in_function if outer else 0
        self.late: list[int] = outer.late if outer else []  # uses that functions make
        self.poisoned: set[str] = outer.poisoned if outer else set()  # set by functions

    @abstractmethod
    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a place, in the outermost text."""

    @abstractmethod
    def line(self, text: str, word: Word, state: State, *, keep: bool = False) -> None:
        """Read a line that a shell is given as one word; with `keep` what it does stays done."""

    def code(self) -> Code:
        """Return all that was found, each thing once."""
        seen = frozenset(self.seen)
        for n in self.late:
            # A function may be called wherever the shell goes.
            use = self.uses[n]
            loose = {path[len(WORK) + 1 :] for path in use.paths if path and path.startswith(WORK)}
            paths = use.paths | {joined(folder, path) for folder in seen for path in loose}
            self.uses[n] = use._replace(paths=paths, folders=use.folders | seen)
        return Code(tuple(dict.fromkeys(self.uses)), frozenset(self.writes))

    def say(self, role: str, at: int, **about: Any) -> None:
        """Note a use, at a place of this text."""
        line, column = self.place(at)
        use = Use(role, line=line, column=column, **about)
        if self.in_function:
            self.late.append(len(self.uses))
        self.uses.append(use)

    def set(self, name: str, values: Values, state: State, *, sure: bool = True) -> None:
        before = state.variables.get(name, UNKNOWN)
        state.variables[name] = values if sure else values | before

    def run(self, command: Command, state: State, *, by_shell: bool = True) -> None:
        """Note what a simple command executes, enters, sets and writes."""
        words = command.words
        while words:
            name = self.program(words[0], state)
            if name is None:
                return
            base = name.rpartition("/")[2]
            if by_shell and self.builtin(name, words, command, state):
                return
            if base not in PREFIXES:
                break
            words = _after_prefix(base, words, command)
            by_shell = by_shell and base in ("command", "builtin", "time", "exec")
        if not words:
            return
        self.written(base, words, state)
        if base in LOADERS:
            self.say("unclear", words[0].start, text=words[0].text)
        if spec := interpreter_named(base):
            self.interpret(spec, words, command, state)
        elif base == "find":
            self.found(words, command, state)

    def program(self, word: Word, state: State) -> str | None:
        """Note a program that is named by its path; return its name if it is known."""
        if word.is_plain and "/" not in word.text:
            return word.text
        names = sorted(name for name in word.values if name)
        paths = {name for name in names if "/" in name or name.startswith("\0")}
        if paths or not names:
            values = frozenset(paths) or UNKNOWN
            # An interpreter may lie where it wants: what it is given is what counts.
            known = bool(names) and interpreter_named(names[0]) is not None
            about = self.about(values, word, state)
            self.say("program", word.start, is_optional=known, **about)
        return names[0] if names else None

    def about(self, values: Values, word: Word, state: State) -> dict[str, Any]:
        """Return what a use of a path says of itself."""
        paths = frozenset(joined(folder, value) for folder in state.folders for value in values)
        return {"paths": paths, "text": word.text, "folders": state.folders}

    def builtin(self, name: str, words: list[Word], command: Command, state: State) -> bool:
        """Do what a command of the shell itself does; say whether it is one."""
        given = [word for word in words[1:] if word.text[:1] != "-" or len(word.text) == 1]
        if name in ("cd", "pushd"):
            values = given[0].values if given else frozenset((HOME,))
            values = UNKNOWN if "-" in values else values
            new = frozenset(joined(folder, v) for folder in state.folders for v in values)
            state.folders = new | state.folders if command.otherwise else new
            self.seen.update(new)
        elif name == "popd":
            state.folders = frozenset(self.seen) | HERE
        elif name in (".", "source") and given:
            about = self.about(given[0].values, given[0], state)
            self.say("sourced", given[0].start, language="shell", **about)
        elif name in ("eval", "trap"):
            lines = given[:1] if name == "trap" else given
            if any(None in word.values and not word.text for word in lines):
                self.say("unclear", words[0].start)
            text = " ".join(word.text for word in lines)
            if name == "eval" and any(None in word.values for word in lines):
                self.say("unclear", words[0].start, text=text)
            elif lines:
                self.line(text, lines[0], state, keep=name == "eval")
        elif name in _DECLARING:
            for word in given:
                if word.name:
                    self.set(word.name, word.values, state, sure=not command.otherwise)
        elif name in ("read", "unset", "getopts", "mapfile"):
            for word in given:
                self.set(word.text, UNKNOWN, state)
        else:
            return False
        return True

    def interpret(
        self, spec: Interpreter, words: list[Word], command: Command, state: State
    ) -> None:
        """Note what an interpreter executes."""
        texts = [word.text if word.name else word.only for word in words]
        search = self.search(command, state) if spec.language == "python" else frozenset()
        same: dict[str, Any] = {"language": spec.language, "search": search}
        reads_input = spec.language == "shell" and "-s" in texts
        found = [] if reads_input else list(arguments(spec, texts))
        for what, index, start in found:
            word = words[index]
            values = frozenset(value and value[start:] for value in word.values)
            if what == "module":
                name = word.text[start:]
                about: dict[str, Any] = {"text": name, "folders": state.folders}
                paths = UNKNOWN if None in values else frozenset()
                self.say("module", word.start, paths=paths, **about, **same)
                if name in LOADERS:
                    self.say("unclear", word.start, text=name)
                if name in RUNNERS:
                    self.runner(words[index + 1 :], same, state)
            elif what != "code":
                self.say("script", word.start, **self.about(values, word, state), **same)
            elif spec.language == "shell":
                self.line(word.text[start:], word, state)
            elif spec.language == "python":
                self.code_given(word._replace(text=word.text[start:]), same, state)
        if found:
            return
        if spec.positional and command.stdin is not None:
            about = self.about(command.stdin.values, command.stdin, state)
            self.say("script", command.stdin.start, is_input=True, **about, **same)
        elif spec.positional and command.given is not None and spec.language == "shell":
            self.line(command.given.text, command.given, state)
        elif spec.positional and command.given is not None and spec.language == "python":
            self.code_given(command.given, same, state)
        elif spec.positional and command.piped:
            self.say("unclear", words[0].start, text=words[0].text)
        folders = state.folders
        if "-C" in texts[:-1] and spec.defaults:
            there = words[texts.index("-C") + 1].values
            folders = frozenset(joined(folder, v) for folder in folders for v in there)
        for default in spec.defaults:
            paths = frozenset(joined(folder, default) for folder in folders)
            about = {"paths": paths, "text": default, "folders": folders, "is_optional": True}
            self.say("script", words[0].start, **about, **same)

    def runner(self, words: list[Word], same: dict[str, Any], state: State) -> None:
        """Note the script that a module executes: `python -m pdb train.py`."""
        for word in words:
            if word.text.endswith(".py"):
                self.say("script", word.start, **self.about(word.values, word, state), **same)
                return

    def code_given(self, word: Word, same: dict[str, Any], state: State) -> None:
        """Note Python code that stands in the text itself."""
        about = {"text": word.text, "folders": state.folders}
        self.say("code", word.start, **about, **same)

    def search(self, command: Command, state: State) -> Values:
        """Return the folders that PYTHONPATH names."""
        values = command.assigned.get("PYTHONPATH") or state.variables.get("PYTHONPATH")
        entries = {entry for v in values or () for entry in ((v,) if v is None else v.split(":"))}
        return frozenset(
            joined(folder, entry) for entry in entries if entry != "" for folder in state.folders
        )

    def found(self, words: list[Word], command: Command, state: State) -> None:
        """Note what `find -exec` executes."""
        texts = [word.only for word in words]
        for at, text in enumerate(texts):
            if text in ("-exec", "-execdir", "-ok", "-okdir"):
                rest = words[at + 1 :]
                ends = (n for n, word in enumerate(rest) if word.text in (";", "+"))
                below = rest[: next(ends, len(rest))]
                self.run(replace(command, words=below), state.copy(), by_shell=False)

    def written(self, base: str, words: list[Word], state: State) -> None:
        """Note the files that arguments tell to write."""
        plain = [word for word in words[1:] if not word.text.startswith("-")]
        targets = [
            word for before, word in pairwise(words) if before.text in ("-o", "-O", "--output")
        ]
        if base == "tee":
            targets += plain
        elif base in ("cp", "mv", "ln", "install") and len(plain) > 1:
            targets.append(plain[-1])
            for word in plain[:-1]:
                name = word.text.rpartition("/")[2]
                below = frozenset(v and f"{v.rstrip('/')}/{name}" for v in plain[-1].values)
                targets.append(word._replace(values=below))
        for word in targets:
            self.write(word, state)

    def write(self, word: Word, state: State) -> None:
        """Note that a file is written."""
        paths = {joined(folder, value) for folder in state.folders for value in word.values}
        self.writes.update(path for path in paths if path is not None)


def _after_prefix(base: str, words: list[Word], command: Command) -> list[Word]:
    """Return the command that a program is given, which starts it; nothing if there is none."""
    spec = PREFIXES[base]
    with_word, skipped = spec.words.split(), spec.skipped
    at = 1
    if spec.after:
        if len(words) < 2 or words[1].text != spec.after:
            return []
        at = 2
    while at < len(words):
        word = words[at]
        if base == "command" and word.text in ("-v", "-V"):
            return []
        if word.text == "--":
            at += 1
        elif word.text.startswith("-"):
            at += 1 + (word.text in with_word)
        elif word.name and base in ("env", "sudo", "exec"):
            command.assigned[word.name] = word.values
            at += 1
        elif skipped:
            skipped -= 1
            at += 1
        else:
            break
    return words[at:]
