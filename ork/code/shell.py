"""What a shell text executes: the one reader of command lines and of shell scripts.

Code is told from data by its role: the program of each simple command, the script that a known
interpreter is given, what the shell sources. Nothing is run. A text is followed from its begin to
its end, with the folders that `cd` enters and the literals that variables hold; where it
branches, with all that is possible. What depends on more than the text is told as not known.
"""

from __future__ import annotations

import posixpath
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import Any, NamedTuple

from ork.code.programs import LOADERS, PREFIXES, RUNNERS, Interpreter, arguments, interpreter_named
from ork.code.use import HERE, OWN, UNKNOWN, WORK, ZERO, Code, Use, Values, above, joined

POSSIBLE_MAX = 32  # texts that a word may have; with more it can be anything
PATH_MAX = 4096  # characters
DEPTH_MAX = 40  # of substitutions, subshells and lines within lines
TURNS_MAX = 3  # of a loop, and of all loops together, before its state can be anything
ALL_TURNS_MAX = 100
TEXT_MAX = 1024 * 1024  # characters: no shell script that a person wrote is longer

_BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_OPERATOR = re.compile(r";;&?|;&|&&|\|\||\|&|(?![&]>)[;&|()\n]")
_REDIRECTION = re.compile(r"(\d*|\{\w+\})(<<<|<<-?|<&|<>|&>>?|>>|>\||>&|<(?!\()|>(?!\())")
_SPECIAL = frozenset(";&|()\n<>{0123456789")  # what begins an operator or a redirection
_SIMPLE = re.compile(r"[\w./:,@%+-]+(?=[\s;]|\Z)")  # a whole word that is what it says
_ONE_COMMAND = re.compile(r"[\w./:,@%+-]+(?: +[\w./:,@%+-]+)*")
_WORDS = "if then elif else fi for while until do done case esac select function time"
_RESERVED = frozenset(_WORDS.split(" "))
_LITERAL = re.compile(r"""[^\s;&|()<>'"\\$`]+""")
_PARAMETER = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_BRACED = re.compile(r"(BASH_SOURCE(?:\[0\])?|[A-Za-z_]\w*|[0-9@*#?$!-])(.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_TIME = re.compile(r"(?:[ \t]+-p\b)?")
_NAME = re.compile(r"[A-Za-z_][\w.:-]*\Z")
_GLOB = frozenset("*?[")
_CLOSING = {"fi": "if", "done": "do", "esac": "case", "}": "{"}
_DECLARING = frozenset(("export", "readonly", "local", "declare", "typeset"))
_HOME = "/~"  # somebody's own folder, which is none of the project


class Word(NamedTuple):
    """One word of a command: what it can be, and its source text."""

    values: Values
    text: str  # with its quotes gone and what the shell expands as it is written
    start: int
    is_plain: bool = False  # no quotes and nothing to expand
    name: str = ""  # of NAME=VALUE, whose value alone the values are

    @property
    def only(self) -> str | None:
        """The one text that the word can be, None when that is not known."""
        return next(iter(self.values)) if len(self.values) == 1 else None


@dataclass(slots=True)
class _State:
    """Where the shell may be, and what its variables may hold."""

    folders: Values = HERE
    variables: dict[str, Values] = field(default_factory=dict)

    def copy(self) -> _State:
        return _State(self.folders, dict(self.variables))

    def take(self, other: _State) -> None:
        """Become what may be either of the two."""
        self.folders |= other.folders
        for name in self.variables.keys() | other.variables.keys():
            both = self.variables.get(name, UNKNOWN) | other.variables.get(name, UNKNOWN)
            self.variables[name] = both

    def beyond(self, other: _State) -> list[str]:
        """Return the variables that may hold what they cannot in the other state."""
        both = other.variables.items()
        return [name for name, values in both if not self.variables.get(name, UNKNOWN) <= values]

    def is_within(self, other: _State) -> bool:
        """Say whether nothing is possible here that is not there; new variables do not count."""
        return self.folders <= other.folders and not self.beyond(other)


@dataclass(slots=True)
class _Frame:
    """A compound command that is open: if, do, case, { or a function."""

    kind: str
    before: _State
    ends: list[_State] = field(default_factory=list)  # of the branches so far
    is_whole: bool = False  # one of its branches is always taken
    start: int = 0  # where a loop is read again from
    turns: int = 0


@dataclass(slots=True)
class _Command:
    """A simple command while it is read."""

    words: list[Word] = field(default_factory=list)
    assigned: dict[str, Values] = field(default_factory=dict)
    stdin: Word | None = None  # the file that it reads
    given: Word | None = None  # the text that it reads: a here-document
    piped: bool = False
    otherwise: bool = False  # runs only if what is before it fails
    has_redirection: bool = False


class _Broken(Exception):
    """The text is not what a shell would read to its end."""


def read_shell(
    text: str, variables: Mapping[str, str] | None = None, *, folder: str | None = WORK
) -> Code:
    """Return what a shell line or script executes and writes.

    `variables` are set beforehand; `folder` is where it starts, None for no matter where.
    """
    reader = _Reader(text[:TEXT_MAX])
    state = _begin(variables, folder)
    if _ONE_COMMAND.fullmatch(text) and text.partition(" ")[0] not in _RESERVED:
        reader.run(_Command([_simple(match) for match in _SIMPLE.finditer(text)]), state)
        return reader.code()
    reader.read(state)
    if len(text) > TEXT_MAX:
        reader.say("unclear", 0)
    return reader.code()


def read_words(
    words: Sequence[str | None],
    variables: Mapping[str, str] | None = None,
    *,
    folder: str | None = WORK,
) -> Code:
    """Return what a command executes that is given in words, without a shell; None is any word."""
    reader = _Reader("")
    command = _Command(words=[Word(frozenset((word,)), word or "", 0) for word in words])
    reader.run(command, _begin(variables, folder), by_shell=False)
    return reader.code()


def _begin(variables: Mapping[str, str] | None, folder: str | None) -> _State:
    known: dict[str, Values] = {
        name: frozenset((value,)) for name, value in (variables or {}).items()
    }
    return _State(frozenset((folder,)), known)


class _Reader:
    def __init__(self, text: str, *, outer: _Reader | None = None, origin: int = 0) -> None:
        self.text = text
        self.at = 0
        self.outer = outer
        self.origin = origin  # where the outer text has this one
        self.depth: int = outer.depth + 1 if outer else 0
        self.uses: list[Use] = outer.uses if outer else []
        self.writes: set[str] = outer.writes if outer else set()
        self.seen: set[str | None] = outer.seen if outer else set()  # folders that were entered
        self.skips: dict[int, int] = {}  # where a line ends -> where its here-documents end
        self.in_function: int = outer.in_function if outer else 0
        self.late: list[int] = outer.late if outer else []  # uses that functions make
        self.turns: list[int] = outer.turns if outer else [0]  # of all loops, read again
        self.poisoned: set[str] = outer.poisoned if outer else set()  # set by functions
        self._lines: list[int] | None = None

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

    def read(self, state: _State) -> list[list[Values]]:
        """Read the whole text; return the words of its simple commands."""
        try:
            if self.depth > DEPTH_MAX:
                raise _Broken
            return self.commands(state, "")
        except _Broken:
            self.say("unclear", min(self.at, len(self.text)))
            if self.outer is not None:
                raise
            return []

    # -- commands

    def commands(self, state: _State, closing: str) -> list[list[Values]]:
        """Read commands until the closing parenthesis, or to the end of the text."""
        ran: list[list[Values]] = []
        frames: list[_Frame] = []
        command, begin = _Command(), True  # begin: where a reserved word is one
        while True:
            self.blank()
            if self.at >= len(self.text):
                self.finish(command, state, ran)
                if closing:
                    raise _Broken
                return ran
            special = self.text[self.at] in _SPECIAL
            if special and (operator := self.operator()):
                if operator == "(" and self.is_function(command):
                    command, begin = self.function(command, state, frames), True
                    continue
                if operator == "(" and begin and not command.words and not command.assigned:
                    self.subshell(state)
                    begin = False
                    continue
                if operator == "(":
                    self.skip_array()
                    continue
                in_case = bool(frames) and frames[-1].kind == "case"
                if operator == ")" and not closing and not in_case:
                    raise _Broken
                self.finish(command, state, ran)
                if operator == ")" and closing and not in_case:
                    return ran
                command, begin = _Command(), True
                command.piped = operator in ("|", "|&")
                command.otherwise = operator == "||"
                if operator == "\n":
                    self.at = self.skips.pop(self.at - 1, self.at)
                if operator.startswith(";") and len(operator) > 1:
                    self.branch(frames, state, "case")
                    self.pattern(state, frames)
                continue
            if special and self.redirection(command, state):
                begin = False
                continue
            word = self.word(state)
            text = word.text if word.is_plain else ""
            if begin and not command.words and text and self.reserved(text, state, frames, command):
                begin = text not in _CLOSING
                continue
            begin = False
            if word.name and not command.words:
                command.assigned[word.name] = word.values
            else:
                command.words.append(word)

    def finish(self, command: _Command, state: _State, ran: list[list[Values]]) -> None:
        """Run a simple command as far as the text tells."""
        if not command.words:
            for name, values in command.assigned.items():
                self.set(name, values, state, sure=not command.otherwise)
            if command.assigned or not command.has_redirection:
                return
        ran.append([word.values for word in command.words])
        self.run(command, state)

    def reserved(self, text: str, state: _State, frames: list[_Frame], command: _Command) -> bool:
        """Take a reserved word where a command begins; say whether it is one."""
        if text in ("then", "do", "!"):
            return True
        if text == "time":
            self.at = _TIME.match(self.text, self.at).end()  # type: ignore[union-attr]
            return True
        if text in ("if", "while", "until", "{"):
            kind = "do" if text in ("while", "until") else text
            frames.append(_Frame(kind, state.copy(), start=self.at))
        elif text in ("for", "select"):
            self.loop_words(state)
            frames.append(_Frame("do", state.copy(), start=self.at))
        elif text == "case":
            frames.append(_Frame("case", state.copy()))
            self.blank()
            self.word(state)
            self.lines()
            if self.word(state).text == "in":
                self.pattern(state, frames)
        elif text in ("elif", "else"):
            self.branch(frames, state, "if")
            if frames and text == "else":
                frames[-1].is_whole = True
        elif text in _CLOSING:
            if not frames:
                return False
            self.close(frames, state, _CLOSING[text])
        elif text == "[[":
            self.skip_to("]]", state)
        elif text == "function":
            self.blank()
            self.word(state)
            self.blank()
            if self.text.startswith("()", self.at):
                self.at += 2
            self.lines()
            self.begin_function(state, frames)
        else:
            return False
        return True

    def branch(self, frames: list[_Frame], state: _State, kind: str) -> None:
        """End one branch of a compound command, and go back to before it."""
        if frames and frames[-1].kind == kind:
            frames[-1].ends.append(state.copy())
            before = frames[-1].before.copy()
            state.folders, state.variables = before.folders, before.variables

    def close(self, frames: list[_Frame], state: _State, kind: str) -> None:
        """End a compound command: what is possible after any of its branches is so now."""
        frame = frames.pop()
        if frame.kind == "do" and not state.is_within(frame.before):
            self.turn(frame, frames, state)
            return
        if frame.kind == "function":
            self.end_function(frame, state)
            return
        if frame.kind == "{":
            return
        for end in frame.ends:
            state.take(end)
        if not frame.is_whole:
            state.take(frame.before)

    def turn(self, frame: _Frame, frames: list[_Frame], state: _State) -> None:
        """Read a loop again, since its next turn begins where this one has ended."""
        before = state.copy()
        state.take(frame.before)
        if frame.turns == TURNS_MAX or self.turns[0] == ALL_TURNS_MAX:
            self.say("unclear", frame.start)
            return
        self.turns[0] += 1
        if frame.turns == TURNS_MAX - 1:
            # It goes on and on, as `cd ..` does.
            changed = before.beyond(frame.before)
            state.variables.update(dict.fromkeys(changed, UNKNOWN))
            if not before.folders <= frame.before.folders:
                state.folders = UNKNOWN
        self.at = frame.start
        frames.append(_Frame("do", state.copy(), start=frame.start, turns=frame.turns + 1))

    def is_function(self, command: _Command) -> bool:
        words = command.words
        return (
            len(words) == 1
            and words[0].is_plain
            and _NAME.match(words[0].text) is not None
            and re.compile(r"[ \t]*\)").match(self.text, self.at) is not None
        )

    def function(self, command: _Command, state: _State, frames: list[_Frame]) -> _Command:
        """Begin a function: its name and the opening parenthesis are read."""
        self.at = self.text.index(")", self.at) + 1
        self.lines()
        self.begin_function(state, frames)
        return _Command()

    def begin_function(self, state: _State, frames: list[_Frame]) -> None:
        self.in_function += 1
        frame = _Frame("function", state.copy())
        if self.text.startswith("{", self.at):
            self.at += 1
            frames.append(frame)
        elif self.text.startswith("(", self.at):
            self.at += 1
            self.subshell(state)
            self.end_function(frame, state)
        else:
            raise _Broken

    def end_function(self, frame: _Frame, state: _State) -> None:
        self.in_function -= 1
        before = frame.before.variables
        self.poisoned.update(
            name for name, values in state.variables.items() if before.get(name) != values
        )
        # It may have been called by now, or not.
        state.take(frame.before)

    def subshell(self, state: _State) -> None:
        """Read what stands in parentheses; (( arithmetic )) is skipped."""
        if self.text.startswith("(", self.at):
            end = self.text.find("))", self.at)
            if end < 0:
                raise _Broken
            self.at = end + 2
            return
        self.inside(state.copy())

    def inside(self, state: _State) -> list[list[Values]]:
        """Read commands up to a parenthesis that closes them."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise _Broken
        ran = self.commands(state, ")")
        self.depth -= 1
        return ran

    def loop_words(self, state: _State) -> None:
        """Read NAME in WORDS, after `for`."""
        self.blank()
        if self.text.startswith("((", self.at):
            self.at += 1
            self.subshell(state)
            return
        name = self.word(state).text
        self.lines()
        values: Values = UNKNOWN
        if re.compile(r"in\b").match(self.text, self.at):
            self.at += 2
            values = frozenset()
            while True:
                self.blank()
                if self.at >= len(self.text) or _OPERATOR.match(self.text, self.at):
                    break
                values |= self.word(state).values
        self.set(name, values if len(values) <= POSSIBLE_MAX else UNKNOWN, state)

    def pattern(self, state: _State, frames: list[_Frame]) -> None:
        """Read the patterns of the next branch of `case`, or its end."""
        self.lines()
        if re.compile(r"esac\b").match(self.text, self.at):
            return
        while self.at < len(self.text):
            self.blank()
            operator = self.operator()
            if operator == ")":
                return
            if not operator and self.word(state).text == "*" and frames:
                frames[-1].is_whole = True

    def skip_to(self, end: str, state: _State) -> None:
        """Skip the words of a `[[ ... ]]`, in which operators are others."""
        while self.at < len(self.text):
            self.lines()
            if self.operator() or self.redirection(_Command(), state):
                continue
            if self.at >= len(self.text) or self.word(state).text == end:
                return

    def skip_array(self) -> None:
        """Skip the rest of `name=(...)`, or of another use of parentheses."""
        depth = 1
        while depth and self.at < len(self.text):
            self.lines()
            operator = self.operator()
            depth += (operator == "(") - (operator == ")")
            if not operator and not self.redirection(_Command(), _State()):
                self.word(_State())

    # -- tokens

    def blank(self) -> None:
        """Skip blanks and comments."""
        while True:
            if match := _BLANK.match(self.text, self.at):
                self.at = match.end()
            if not self.text.startswith("#", self.at):
                return
            end = self.text.find("\n", self.at)
            self.at = len(self.text) if end < 0 else end

    def lines(self) -> None:
        """Skip blanks, comments and ends of lines."""
        self.blank()
        while self.text.startswith("\n", self.at):
            self.at = self.skips.pop(self.at, self.at + 1)
            self.blank()

    def operator(self) -> str:
        """Take an operator, if there is one."""
        match = _OPERATOR.match(self.text, self.at)
        if match is None:
            return ""
        self.at = match.end()
        return match.group()

    def redirection(self, command: _Command, state: _State) -> bool:
        """Take a redirection with its word, if there is one."""
        match = _REDIRECTION.match(self.text, self.at)
        if match is None:
            return False
        number, operator = match.groups()
        self.at = match.end()
        command.has_redirection = True
        self.blank()
        if operator in ("<<", "<<-"):
            given = self.here_document(state, strip=operator == "<<-")
            if number in ("", "0"):
                command.given = given
            return True
        if self.at >= len(self.text) or self.text[self.at] in "\n;&|":
            raise _Broken
        word = self.word(state)
        if operator == "<<<":
            command.given = word
        elif operator == "<" and number in ("", "0"):
            command.stdin = word
        elif ">" in operator and not (operator == ">&" and word.text.strip("0123456789-") == ""):
            self.write(word, state)
        return True

    def write(self, word: Word, state: _State) -> None:
        """Note that a file is written."""
        paths = {joined(folder, value) for folder in state.folders for value in word.values}
        self.writes.update(path for path in paths if path is not None)

    def here_document(self, state: _State, *, strip: bool) -> Word:
        """Take the delimiter, and return the text below the line."""
        begin = self.at
        quoted = self.text.startswith(("'", '"', "\\"), self.at)
        delimiter = self.word(_State()).text
        line_end = self.text.find("\n", self.at)
        start = self.skips.get(line_end, line_end + 1)
        if line_end < 0:
            return Word(UNKNOWN, "", begin)
        end = start
        while end < len(self.text):
            after = self.text.find("\n", end)
            after = len(self.text) if after < 0 else after
            line = self.text[end:after].rstrip("\r")
            if (line.lstrip("\t") if strip else line) == delimiter:
                break
            end = after + 1
        body = self.text[start:end]
        self.skips[line_end] = min(len(self.text), self.text.find("\n", end) + 1 or len(self.text))
        if not quoted and ("$(" in body or "`" in body):
            _Reader(body, outer=self, origin=start).quoted(state, "")
        return Word(frozenset((body,)), body, start)

    def word(self, state: _State) -> Word:
        """Read one word."""
        start = self.at
        if match := _SIMPLE.match(self.text, start):
            self.at = match.end()
            return _simple(match)
        parts: list[Values] = []
        texts: list[str] = []
        is_plain, name = True, ""
        text = self.text
        if match := _ASSIGNMENT.match(text, start):
            name, self.at = match.group(1), match.end()
            texts.append(match.group())
            parts += [UNKNOWN] if match.group(2) else []
        while self.at < len(text):
            letter = text[self.at]
            if match := _LITERAL.match(text, self.at):
                part = match.group()
                self.at = match.end()
                values = _literal(part, is_first=not parts)
            elif letter == "'":
                end = text.find("'", self.at + 1)
                if end < 0:
                    raise _Broken
                part, self.at = text[self.at + 1 : end], end + 1
                values = frozenset((part,))
            elif letter == '"':
                self.at += 1
                values, part = self.quoted(state, '"')
            elif letter == "\\":
                part = text[self.at + 1 : self.at + 2]
                self.at += 2
                if part == "\n":
                    continue
                values = frozenset((part,))
            elif letter in "$`":
                values, part = self.expansion(state, in_quotes=False)
            elif text.startswith(("<(", ">("), self.at):
                begin, self.at = self.at, self.at + 2
                self.inside(state.copy())
                values, part = UNKNOWN, text[begin : self.at]
            else:
                break
            is_plain = is_plain and letter not in "'\"\\$`<>"
            parts.append(values)
            texts.append(part)
        if self.at == start:
            # An operator out of its place.
            raise _Broken
        return Word(_together(parts), "".join(texts), start, is_plain, name)

    def quoted(self, state: _State, end: str) -> tuple[Values, str]:
        """Read up to the closing double quote; without one, to the end of a here-document."""
        parts: list[Values] = []
        texts: list[str] = []
        text = self.text
        plain = re.compile(r'[^"\\$`]+' if end else r"[^\\$`]+")
        while self.at < len(text):
            letter = text[self.at]
            if match := plain.match(text, self.at):
                part, self.at = match.group(), match.end()
                values: Values = frozenset((part,))
            elif letter == end:
                self.at += 1
                return _together(parts), "".join(texts)
            elif letter == "\\":
                escaped = text[self.at + 1 : self.at + 2]
                part = "" if escaped == "\n" else escaped if escaped in '$`"\\' else "\\" + escaped
                self.at += 2
                values = frozenset((part,))
            else:
                values, part = self.expansion(state, in_quotes=True)
            parts.append(values)
            texts.append(part)
        if end:
            raise _Broken
        return _together(parts), "".join(texts)

    def expansion(self, state: _State, *, in_quotes: bool) -> tuple[Values, str]:
        """Read what begins with $ or a backquote; return what it can be, and its text."""
        text, start = self.text, self.at
        values: Values = UNKNOWN
        if text[start] == "`":
            match = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL).match(text, start)
            if match is None:
                raise _Broken
            self.at = match.end()
            inner = re.sub(r"\\([`\\$])", r"\1", match.group(1))
            below = state.copy()
            values = _answer(_Reader(inner, outer=self, origin=start).read(below), below)
        elif text.startswith("$((", start):
            end = text.find("))", start)
            if end < 0:
                raise _Broken
            self.at = end + 2
        elif text.startswith("$(", start):
            self.at += 2
            below = state.copy()
            values = _answer(self.inside(below), below)
        elif text.startswith("${", start):
            values = self.braced(state)
        elif text.startswith(("$'", '$"'), start) and not in_quotes:
            self.at += 1
            return self.one_quoted(state)
        elif match := _PARAMETER.match(text, start + 1):
            self.at = match.end()
            values = self.value(match.group(), state)
        else:
            self.at += 1
            return frozenset(("$",)), "$"
        return values, text[start : self.at]

    def one_quoted(self, state: _State) -> tuple[Values, str]:
        if self.text[self.at] == '"':
            self.at += 1
            return self.quoted(state, '"')
        match = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if match is None:
            raise _Broken
        self.at = match.end()
        part = match.group(1)
        return (UNKNOWN if "\\" in part else frozenset((part,))), part

    def braced(self, state: _State) -> Values:
        """Read ${...}."""
        start = self.at + 2
        depth, at = 1, start
        find = re.compile(r"[{}]|\\.|'[^']*'", re.DOTALL)
        while depth:
            match = find.search(self.text, at)
            if match is None:
                raise _Broken
            at = match.end()
            depth += (match.group() == "{") - (match.group() == "}")
        self.at = at
        content = _BRACED.match(self.text[start : at - 1])
        if content is None:
            return UNKNOWN
        name, rest = content.groups()
        values = self.value(name, state)
        if rest == "":
            return values
        if rest == "%/*":
            return frozenset(map(above, values))
        if rest == "##*/":
            known = (v and "\0" not in v and posixpath.basename(v) for v in values)
            return frozenset(v or None for v in known)
        if rest.startswith((":-", "-", ":=", "=")) and None in values:
            default = _Reader(rest.lstrip(":")[1:], outer=self, origin=start)
            return values | default.quoted(state, "")[0]
        if rest.startswith((":+", "+")):
            chosen = _Reader(rest.lstrip(":")[1:], outer=self, origin=start)
            return frozenset(("",)) | (chosen.quoted(state, "")[0] if any(values) else frozenset())
        return values if rest.startswith((":-", "-", ":?", "?", ":=", "=")) else UNKNOWN

    def value(self, name: str, state: _State) -> Values:
        """Return what a variable may hold."""
        if name == "0":
            return frozenset((ZERO,))
        if name.startswith("BASH_SOURCE"):
            return frozenset((OWN,))
        if name == "PWD":
            return state.folders
        if name == "PYTHONPATH" and name not in state.variables:
            return frozenset(("",))  # what comes from outside has no code of the project
        if name == "HOME":
            return frozenset((_HOME,))
        values = state.variables.get(name, UNKNOWN)
        return values | UNKNOWN if name in self.poisoned else values

    # -- what a command does

    def set(self, name: str, values: Values, state: _State, *, sure: bool = True) -> None:
        before = state.variables.get(name, UNKNOWN)
        state.variables[name] = values if sure else values | before

    def say(self, role: str, at: int, **about: Any) -> None:
        """Note a use, at a place of this text."""
        line, column = self.place(at)
        use = Use(role, line=line, column=column, **about)
        if self.in_function:
            self.late.append(len(self.uses))
        self.uses.append(use)

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a place, in the outermost text."""
        if self.outer is not None:
            return self.outer.place(self.origin)
        if at == 0:
            return 1, 1
        if self._lines is None:
            self._lines = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def run(self, command: _Command, state: _State, *, by_shell: bool = True) -> None:
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

    def program(self, word: Word, state: _State) -> str | None:
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

    def about(self, values: Values, word: Word, state: _State) -> dict[str, Any]:
        """Return what a use of a path says of itself."""
        paths = frozenset(joined(folder, value) for folder in state.folders for value in values)
        return {"paths": paths, "text": word.text, "folders": state.folders}

    def builtin(self, name: str, words: list[Word], command: _Command, state: _State) -> bool:
        """Do what a command of the shell itself does; say whether it is one."""
        given = [word for word in words[1:] if word.text[:1] != "-" or len(word.text) == 1]
        if name in ("cd", "pushd"):
            values = given[0].values if given else frozenset((_HOME,))
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

    def line(self, text: str, word: Word, state: _State, *, keep: bool = False) -> None:
        """Read a line that a shell is given as one word."""
        try:
            _Reader(text, outer=self, origin=word.start).read(state if keep else state.copy())
        except _Broken:
            pass  # it has been told; what stands around it goes on

    def interpret(
        self, spec: Interpreter, words: list[Word], command: _Command, state: _State
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

    def runner(self, words: list[Word], same: dict[str, Any], state: _State) -> None:
        """Note the script that a module executes: `python -m pdb train.py`."""
        for word in words:
            if word.text.endswith(".py"):
                self.say("script", word.start, **self.about(word.values, word, state), **same)
                return

    def code_given(self, word: Word, same: dict[str, Any], state: _State) -> None:
        """Note Python code that stands in the text itself."""
        about = {"text": word.text, "folders": state.folders}
        self.say("code", word.start, **about, **same)

    def search(self, command: _Command, state: _State) -> Values:
        """Return the folders that PYTHONPATH names."""
        values = command.assigned.get("PYTHONPATH") or state.variables.get("PYTHONPATH")
        entries = {entry for v in values or () for entry in ((v,) if v is None else v.split(":"))}
        return frozenset(
            joined(folder, entry) for entry in entries if entry != "" for folder in state.folders
        )

    def found(self, words: list[Word], command: _Command, state: _State) -> None:
        """Note what `find -exec` executes."""
        texts = [word.only for word in words]
        for at, text in enumerate(texts):
            if text in ("-exec", "-execdir", "-ok", "-okdir"):
                rest = words[at + 1 :]
                ends = (n for n, word in enumerate(rest) if word.text in (";", "+"))
                below = rest[: next(ends, len(rest))]
                self.run(replace(command, words=below), state.copy(), by_shell=False)

    def written(self, base: str, words: list[Word], state: _State) -> None:
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


def _after_prefix(base: str, words: list[Word], command: _Command) -> list[Word]:
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


def _simple(match: re.Match[str]) -> Word:
    return Word(frozenset((match.group(),)), match.group(), match.start(), True)


def _literal(part: str, *, is_first: bool) -> Values:
    """Return what an unquoted piece of a word can be."""
    if is_first and part.startswith("~") and part[1:2] in ("", "/"):
        return frozenset((_HOME + part[1:],))
    if part == "[" or (_GLOB.isdisjoint(part) and not ("{" in part and "," in part)):
        return frozenset((part,))
    return UNKNOWN


def _together(parts: Sequence[Values]) -> Values:
    """Return what a word of several parts can be."""
    number = 1
    for values in parts:
        number *= len(values)
    if number > POSSIBLE_MAX:
        return UNKNOWN
    return frozenset(map(_one_text, product(*parts)))


def _one_text(parts: tuple[str | None, ...]) -> str | None:
    text = ""
    for part in parts:
        # A path that has a beginning cannot go on after something else, but in a list of paths.
        if part is None or (part.startswith("\0") and text and not text.endswith(":")):
            return None
        text += part
    return text if len(text) <= PATH_MAX else None


def _answer(ran: list[list[Values]], state: _State) -> Values:
    """Return what the output of these commands can be; most commands are not known."""
    if not ran:
        return UNKNOWN
    name, *rest = ran[-1]
    if name == frozenset(("pwd",)):
        return state.folders
    if len(ran) > 1 or not rest:
        return UNKNOWN
    if name == frozenset(("dirname",)):
        return frozenset(map(above, rest[-1]))
    if name in (frozenset(("realpath",)), frozenset(("readlink",))):
        return rest[-1]
    if name == frozenset(("echo",)) and len(rest) == 1:
        return rest[0]
    return UNKNOWN
