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
from dataclasses import dataclass, field

from ork.code.commands import Commands
from ork.code.use import OWN, UNKNOWN, WORK, ZERO, Code, Values, above
from ork.code.words import (
    HOME,
    POSSIBLE_MAX,
    SIMPLE,
    Command,
    State,
    Word,
    answer,
    literal,
    simple,
    together,
)

DEPTH_MAX = 40  # of substitutions, subshells and lines within lines
TURNS_MAX = 3  # of a loop, and of all loops together, before its state can be anything
ALL_TURNS_MAX = 100
TEXT_MAX = 1024 * 1024  # characters: no shell script that a person wrote is longer

_BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n)+")
_OPERATOR = re.compile(r";;&?|;&|&&|\|\||\|&|(?![&]>)[;&|()\n]")
_REDIRECTION = re.compile(r"(\d*|\{\w+\})(<<<|<<-?|<&|<>|&>>?|>>|>\||>&|<(?!\()|>(?!\())")
_SPECIAL = frozenset(";&|()\n<>{0123456789")  # what begins an operator or a redirection
_ONE_COMMAND = re.compile(r"[\w./:,@%+-]+(?: +[\w./:,@%+-]+)*")
_WORDS = "if then elif else fi for while until do done case esac select function time"
_RESERVED = frozenset(_WORDS.split(" "))
_LITERAL = re.compile(r"""[^\s;&|()<>'"\\$`]+""")
_PARAMETER = re.compile(r"[A-Za-z_]\w*|[0-9@*#?$!-]")
_BRACED = re.compile(r"(BASH_SOURCE(?:\[0\])?|[A-Za-z_]\w*|[0-9@*#?$!-])(.*)", re.DOTALL)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\+?)=")
_TIME = re.compile(r"(?:[ \t]+-p\b)?")
_NAME = re.compile(r"[A-Za-z_][\w.:-]*\Z")
_CLOSING = {"fi": "if", "done": "do", "esac": "case", "}": "{"}


@dataclass(slots=True)
class _Frame:
    """A compound command that is open: if, do, case, { or a function."""

    kind: str
    before: State
    ends: list[State] = field(default_factory=list)  # of the branches so far
    is_whole: bool = False  # one of its branches is always taken
    start: int = 0  # where a loop is read again from
    turns: int = 0


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
        reader.run(Command([simple(match) for match in SIMPLE.finditer(text)]), state)
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
    command = Command([_whole(word) for word in words])
    reader.run(command, _begin(variables, folder), by_shell=False)
    return reader.code()


def _whole(word: str | None) -> Word:
    """Return a word that no shell has to read."""
    match = _ASSIGNMENT.match(word or "")
    value = word if word is None or match is None else word[match.end() :]
    return Word(frozenset((value,)), word or "", 0, False, match.group(1) if match else "")


def _begin(variables: Mapping[str, str] | None, folder: str | None) -> State:
    known: dict[str, Values] = {
        name: frozenset((value,)) for name, value in (variables or {}).items()
    }
    return State(frozenset((folder,)), known)


class _Reader(Commands):
    def __init__(self, text: str, *, outer: _Reader | None = None, origin: int = 0) -> None:
        super().__init__(outer)
        self.text = text
        self.at = 0
        self.outer = outer
        self.origin = origin  # where the outer text has this one
        self.depth: int = outer.depth + 1 if outer else 0
        self.skips: dict[int, int] = {}  # where a line ends -> where its here-documents end
        self.turns: list[int] = outer.turns if outer else [0]  # of all loops, read again
        self._lines: list[int] | None = None

    def read(self, state: State) -> list[list[Values]]:
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

    def commands(self, state: State, closing: str) -> list[list[Values]]:
        """Read commands until the closing parenthesis, or to the end of the text."""
        ran: list[list[Values]] = []
        frames: list[_Frame] = []
        command, begin = Command(), True  # begin: where a reserved word is one
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
                command, begin = Command(), True
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

    def finish(self, command: Command, state: State, ran: list[list[Values]]) -> None:
        """Run a simple command as far as the text tells."""
        if not command.words:
            for name, values in command.assigned.items():
                self.set(name, values, state, sure=not command.otherwise)
            if command.assigned or not command.has_redirection:
                return
        ran.append([word.values for word in command.words])
        self.run(command, state)

    def reserved(self, text: str, state: State, frames: list[_Frame], command: Command) -> bool:
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

    def branch(self, frames: list[_Frame], state: State, kind: str) -> None:
        """End one branch of a compound command, and go back to before it."""
        if frames and frames[-1].kind == kind:
            frames[-1].ends.append(state.copy())
            before = frames[-1].before.copy()
            state.folders, state.variables = before.folders, before.variables

    def close(self, frames: list[_Frame], state: State, kind: str) -> None:
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

    def turn(self, frame: _Frame, frames: list[_Frame], state: State) -> None:
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

    def is_function(self, command: Command) -> bool:
        words = command.words
        return (
            len(words) == 1
            and words[0].is_plain
            and _NAME.match(words[0].text) is not None
            and re.compile(r"[ \t]*\)").match(self.text, self.at) is not None
        )

    def function(self, command: Command, state: State, frames: list[_Frame]) -> Command:
        """Begin a function: its name and the opening parenthesis are read."""
        self.at = self.text.index(")", self.at) + 1
        self.lines()
        self.begin_function(state, frames)
        return Command()

    def begin_function(self, state: State, frames: list[_Frame]) -> None:
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

    def end_function(self, frame: _Frame, state: State) -> None:
        self.in_function -= 1
        before = frame.before.variables
        self.poisoned.update(
            name for name, values in state.variables.items() if before.get(name) != values
        )
        # It may have been called by now, or not.
        state.take(frame.before)

    def subshell(self, state: State) -> None:
        """Read what stands in parentheses; (( arithmetic )) is skipped."""
        if self.text.startswith("(", self.at):
            end = self.text.find("))", self.at)
            if end < 0:
                raise _Broken
            self.at = end + 2
            return
        self.inside(state.copy())

    def inside(self, state: State) -> list[list[Values]]:
        """Read commands up to a parenthesis that closes them."""
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise _Broken
        ran = self.commands(state, ")")
        self.depth -= 1
        return ran

    def loop_words(self, state: State) -> None:
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

    def pattern(self, state: State, frames: list[_Frame]) -> None:
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

    def skip_to(self, end: str, state: State) -> None:
        """Skip the words of a `[[ ... ]]`, in which operators are others."""
        while self.at < len(self.text):
            self.lines()
            if self.operator() or self.redirection(Command(), state):
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
            if not operator and not self.redirection(Command(), State()):
                self.word(State())

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

    def redirection(self, command: Command, state: State) -> bool:
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

    def here_document(self, state: State, *, strip: bool) -> Word:
        """Take the delimiter, and return the text below the line."""
        begin = self.at
        quoted = self.text.startswith(("'", '"', "\\"), self.at)
        delimiter = self.word(State()).text
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

    def word(self, state: State) -> Word:
        """Read one word."""
        start = self.at
        if match := SIMPLE.match(self.text, start):
            self.at = match.end()
            return simple(match)
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
                values = literal(part, is_first=not parts)
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
        return Word(together(parts), "".join(texts), start, is_plain, name)

    def quoted(self, state: State, end: str) -> tuple[Values, str]:
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
                return together(parts), "".join(texts)
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
        return together(parts), "".join(texts)

    def expansion(self, state: State, *, in_quotes: bool) -> tuple[Values, str]:
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
            values = answer(_Reader(inner, outer=self, origin=start).read(below), below)
        elif text.startswith("$((", start):
            end = text.find("))", start)
            if end < 0:
                raise _Broken
            self.at = end + 2
        elif text.startswith("$(", start):
            self.at += 2
            below = state.copy()
            values = answer(self.inside(below), below)
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

    def one_quoted(self, state: State) -> tuple[Values, str]:
        if self.text[self.at] == '"':
            self.at += 1
            return self.quoted(state, '"')
        match = re.compile(r"'((?:[^'\\]|\\.)*)'", re.DOTALL).match(self.text, self.at)
        if match is None:
            raise _Broken
        self.at = match.end()
        part = match.group(1)
        return (UNKNOWN if "\\" in part else frozenset((part,))), part

    def braced(self, state: State) -> Values:
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

    def value(self, name: str, state: State) -> Values:
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
            return frozenset((HOME,))
        values = state.variables.get(name, UNKNOWN)
        return values | UNKNOWN if name in self.poisoned else values

    # -- what Commands asks for

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

    def line(self, text: str, word: Word, state: State, *, keep: bool = False) -> None:
        """Read a line that a shell is given as one word."""
        try:
            _Reader(text, outer=self, origin=word.start).read(state if keep else state.copy())
        except _Broken:
            pass  # it has been told; what stands around it goes on
