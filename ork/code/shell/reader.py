"""What a shell text executes: the one reader of command lines and of shell scripts.

Code is told from data by its role: the program of each simple command, the script that a known
interpreter is given, what the shell sources. Nothing is run, and no branch, loop or function is
followed: their commands are read in the order in which they stand. What depends on more than the
text, or on the way that the shell takes through it, is told as not known.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

from ork.code.shell.commands import Commands
from ork.code.shell.words import POSSIBLE_MAX, Command, Printed, Word, literal, together
from ork.code.use import UNKNOWN, WORK, Code, Values, above

DEPTH_MAX = 40  # of substitutions, subshells and lines within lines
TEXT_MAX = 1024 * 1024  # characters: no person writes a longer script, or more in lines within it,
COMMANDS_MAX = 50_000  # nor has more

_BLANK = re.compile(r"(?:[ \t\r]|\\\r?\n|#[^\n]*)+")
_OPERATOR = re.compile(r";;&?|;&|&&|\|\||\|&|(?![&]>)[;&|()\n]")
_REDIRECTION = re.compile(r"(\d*|\{\w+\})(<<<|<<-?|<&|<>|&>>?|>>|>\||>&|<(?!\()|>(?!\())")
_SIMPLE = re.compile(r"[ \t]*([\w./:,@%+-]+)(?=[\s;]|\Z)")  # a whole word that is what it says
_PLAIN = {  # what goes on to the end of a word, of a quote, of ${...}, of a here-document
    " ": re.compile(r"""[^\s;&|()<>'"\\$`]+"""),
    '"': re.compile(r'[^"\\$`]+'),
    "}": re.compile(r"""[^}"'\\$`]+"""),
    "": re.compile(r"[^\\$`]+"),
}
_EXPANDED = frozenset("'\"\\$`<>")
_BACKQUOTED = re.compile(r"`(?:[^`\\]|\\.)*`", re.DOTALL)
_SINGLE = re.compile(r"'([^']*)'")
_ESCAPED = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.DOTALL)
_KEPT = re.compile(r"\\([$`\\])")  # what a shell leaves as it is in a here-document
_PARAMETER = re.compile(r"BASH_SOURCE\[0\]|[A-Za-z_]\w*|[0-9@*#?$!-]")
_CHOICE = re.compile(r":?[-=+?]")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)(\[[^]\s]*\]|\+)?=")
_NAME = re.compile(r"[A-Za-z_]\w*")
_PARENTHESES = re.compile(r"\([ \t]*\)")
_FUNCTION = re.compile(r"[ \t]*\)")
_IN = re.compile(r"in\b")
_ESAC = re.compile(r"esac\b")
_CLOSING = frozenset(("fi", "done", "esac", "}"))
_PLAIN_OPTIONS = frozenset(("--", "-f", "-e", "-m", "-L", "-P"))

T = TypeVar("T")


class _Broken(Exception):
    """The text is not what a shell would read to its end."""


def read_shell(
    text: str, variables: Mapping[str, str] | None = None, *, folder: str | None = WORK
) -> Code:
    """Return what a shell line or script executes and writes.

    `variables` are set beforehand; `folder` is where it starts, None for no matter where.
    """
    reader = _Reader(text, variables, folder)
    reader.read()
    if reader.changing:
        # Read again, since what is set later can be what is used in a loop or a function.
        reader = _Reader(text, variables, folder, reader.changing)
        reader.read()
    return reader.code()


def read_words(
    words: Sequence[str | None],
    variables: Mapping[str, str] | None = None,
    *,
    folder: str | None = WORK,
    stdin: str | None = None,
) -> Code:
    """Return what a command executes that is given in words, without a shell; None is any word.

    `stdin` is the file that it reads.
    """
    reader = _Reader("", variables, folder)
    read = None if stdin is None else _whole(stdin)
    reader.run(Command(words=[_whole(word) for word in words], stdin=read), by_shell=False)
    return reader.code()


def _whole(word: str | None) -> Word:
    """Return a word that no shell has to read."""
    match = _ASSIGNMENT.match(word or "")
    value = word if word is None or match is None else word[match.end() :]
    return Word(frozenset((value,)), word or "", 0, False, match.group(1) if match else "")


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    """Return where a pattern that must be there ends."""
    match = pattern.match(text, start)
    if match is None:
        raise _Broken
    return match.end()


class _Reader(Commands):
    def __init__(
        self,
        text: str,
        variables: Mapping[str, str] | None,
        folder: str | None,
        changing: frozenset[str] | set[str] = frozenset(),
    ) -> None:
        super().__init__(variables or {}, folder, changing)
        self.text = self.whole = text[:TEXT_MAX]
        self.at = 0
        self.is_cut = len(text) > TEXT_MAX
        self.origin: int | None = None  # where the whole text has what is read, if not all of it
        self.depth = 0
        self.number = 0  # of commands
        self.length = 0  # of all lines within lines
        self.printed: list[Printed] = []  # of programs in the word that is read
        self.is_split = False  # whether the word that is read has an expansion outside of quotes
        self.skips: dict[int, int] = {}  # where a line ends -> where its here-documents end
        self._lines: list[int] | None = None

    def read(self) -> None:
        try:
            self.commands()
        except _Broken:
            self.say("unclear", min(self.at, len(self.text)))
        if self.is_cut:
            self.say("unclear", 0)

    # -- commands

    def commands(self, closing: str = "") -> list[Command]:
        """Read commands until the closing parenthesis, or to the end; return their words."""
        ran: list[Command] = []
        command, begin = Command(), True  # begin: where a reserved word is one
        while True:
            word = self.simple()
            if word is None:
                self.blank()
                if self.at >= len(self.text):
                    self.finish(command, "", ran)
                    if closing:
                        raise _Broken
                    return ran
                operator = self.operator()
                if operator == "(" and begin:
                    self.parenthesis()
                    begin = False
                elif operator == "(":
                    if self.begins_function(command):
                        command, begin = Command(), True
                elif operator:
                    self.finish(command, operator, ran)
                    if operator == ")":
                        if not closing:
                            raise _Broken
                        return ran
                    piped = command if operator in ("|", "|&") else None
                    command, begin = Command(operator, piped=piped), True
                    if operator == "\n":
                        self.at = self.skips.pop(self.at - 1, self.at)
                    elif operator in (";;", ";&", ";;&"):
                        self.pattern()
                elif self.redirection(command):
                    begin = False
                else:
                    word = self.word()
            if word is None:
                continue
            if begin and word.is_plain and self.reserved(word.text, command):
                begin = word.text not in _CLOSING
            elif word.name and not command.words:
                command.assigned[word.name], begin = word.values, False
            else:
                command.words.append(word)
                begin = False

    def finish(self, command: Command, after: str, ran: list[Command]) -> None:
        """Do what a simple command does, which ends with an operator."""
        self.number += 1
        if self.number > COMMANDS_MAX:
            raise _Broken
        command.is_apart = after in ("|", "|&", "&") or command.before in ("|", "|&")
        if command.words:
            ran.append(command)
            self.run(command)
        elif command.stdin is not None:
            ran.append(command)
        else:
            for name, values in command.assigned.items():
                self.set(name, values, command)
        if command.targets:
            text = command.text()
            self.write(command.targets, command.printed() if command.words else (), text)
        if after != "&&":
            self.end_list()

    def reserved(self, text: str, command: Command) -> bool:
        """Take a reserved word where a command begins; say whether it is one."""
        if text in ("then", "do", "!", "elif", "else"):
            return True
        if text == "time":
            self.blank()
            if self.text.startswith("-p ", self.at):
                self.at += 3
        elif text in ("if", "while", "until", "{"):
            self.open(text)
        elif text in ("for", "select"):
            self.loop_words(command)
            self.open(text)
        elif text == "case":
            self.open(text)
            self.blank()
            self.word()
            self.lines()
            if self.word().text == "in":
                self.pattern()
        elif text in _CLOSING:
            return self.close()
        elif text == "[[":
            self.skip_to("]]")
        elif text == "function":
            self.blank()
            self.word()
            self.blank()
            if match := _PARENTHESES.match(self.text, self.at):
                self.at = match.end()
            self.function()
        else:
            return False
        return True

    def begins_function(self, command: Command) -> bool:
        """Read `name ()`, of which one parenthesis is read, or the rest of `name=(...)`."""
        words = command.words
        if len(words) == 1 and words[0].is_plain and (end := _FUNCTION.match(self.text, self.at)):
            self.at = end.end()
            self.function()
            return True
        self.skip_to(")")
        if words:
            words[-1] = words[-1]._replace(values=UNKNOWN)
        elif command.assigned:
            command.assigned[next(reversed(command.assigned))] = UNKNOWN
        return False

    def function(self) -> None:
        """Begin the body of a function."""
        self.lines()
        self.open("function")
        opening = self.text[self.at : self.at + 1]
        self.at += 1
        if opening == "(":
            self.parenthesis()
            self.close()
        elif opening != "{":
            raise _Broken

    def parenthesis(self) -> None:
        """Read what stands in parentheses, of which the first is read."""
        if self.text.startswith("(", self.at) and self.text.find("))", self.at) >= 0:
            self.arithmetic(1)
        else:
            self.inside()

    def arithmetic(self, opening: int) -> None:
        """Read (( arithmetic )): it can set variables, and execute what stands in $( ).

        So many letters open it.
        """
        start, inner = self.at, 0
        self.at += opening
        with self.deeper():
            while inner or not self.text.startswith("))", self.at):
                letter = self.text[self.at : self.at + 1]
                inner += {"(": 1, ")": -1}.get(letter, 0)
                if not letter or inner < 0:
                    raise _Broken
                if letter in "$`":
                    self.expansion()
                else:
                    self.at += 2 if letter == "\\" else 1
        self.at += 2
        skipped = self.text[start : self.at]
        if "=" in skipped or "++" in skipped or "--" in skipped:
            for name in _NAME.findall(skipped):
                self.set(name, UNKNOWN, Command())

    def loop_words(self, command: Command) -> None:
        """Read NAME in WORDS, after `for`."""
        self.blank()
        if self.text.startswith("((", self.at):
            self.arithmetic(2)
            return
        name = self.word().text
        self.lines()
        values: Values = UNKNOWN
        if match := _IN.match(self.text, self.at):
            self.at = match.end()
            values = frozenset()
            self.blank()
            while self.at < len(self.text) and not _OPERATOR.match(self.text, self.at):
                values |= self.word().values
                self.blank()
        self.set(name, values if len(values) <= POSSIBLE_MAX else UNKNOWN, command)

    def pattern(self) -> None:
        """Read the patterns of the next branch of `case`, if it is not at its end."""
        self.lines()
        while self.at < len(self.text) and not _ESAC.match(self.text, self.at):
            operator = self.operator()
            if operator == ")":
                return
            if not operator:
                self.word()
            self.blank()

    def skip_to(self, end: str) -> None:
        """Skip words in which operators are others, up to `]]` or a parenthesis."""
        depth = 1
        while self.at < len(self.text):
            self.lines()
            operator = self.operator()
            depth += (operator == "(") - (operator == ")")
            if operator == end and depth == 0:
                return
            if operator or self.redirection(Command()) or self.at >= len(self.text):
                continue
            if self.word().text == end:
                return

    # -- shells within

    @contextmanager
    def deeper(self) -> Iterator[None]:
        self.depth += 1
        try:
            if self.depth > DEPTH_MAX:
                raise _Broken
            yield
        finally:
            self.depth -= 1

    def inside(self, closing: str = ")") -> Values:
        """Read what a shell of its own does; return what its output can be, if that is known."""
        kept = self.folders, self.maybe, self.branches, self.variables
        self.maybe, self.branches, self.variables = frozenset(), [], dict(self.variables)
        try:
            with self.deeper():
                return self.answer(self.commands(closing))
        finally:
            # It changes nothing in the shell around it.
            self.folders, self.maybe, self.branches, self.variables = kept

    def answer(self, ran: list[Command]) -> Values:
        """Return what the output of these commands can be."""
        if not ran:
            return UNKNOWN
        *before, last = ran
        self.printed += last.printed()
        words = last.words
        if not words:
            return UNKNOWN
        name, values = words[0].only, words[-1].values
        if name == "pwd" and all(one.words and one.words[0].only == "cd" for one in before):
            return self.folders
        if before or len(words) < 2 or not {w.text for w in words[1:-1]} <= _PLAIN_OPTIONS:
            return UNKNOWN
        if name == "dirname":
            return frozenset(map(above, values))
        return values if name in ("realpath", "readlink") else UNKNOWN

    def within(self, text: str, origin: int, read: Callable[[], T]) -> T:
        """Read a text that stands in this one."""
        self.length += len(text)
        if self.length > TEXT_MAX:
            raise _Broken
        kept = self.text, self.at, self.skips, self.origin
        self.text, self.at, self.skips = text, 0, {}
        self.origin = origin if self.origin is None else self.origin
        try:
            with self.deeper():
                return read()
        finally:
            self.text, self.at, self.skips, self.origin = kept

    def line(self, word: Word, kind: str = "shell") -> None:
        """Read a line that is given as one word: to another shell, or to this one for some time."""
        number = len(self.branches)
        try:
            if kind == "shell":
                self.within(word.text, word.start, lambda: self.inside(""))
            else:
                self.open(kind)
                self.within(word.text, word.start, self.commands)
        except _Broken:
            self.say("unclear", word.start)
        while len(self.branches) > number:
            self.close()

    # -- tokens

    def blank(self) -> None:
        """Skip blanks and comments."""
        if match := _BLANK.match(self.text, self.at):
            self.at = match.end()

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

    def redirection(self, command: Command) -> bool:
        """Take a redirection with its word, if there is one."""
        match = _REDIRECTION.match(self.text, self.at)
        if match is None:
            return False
        number, operator = match.groups()
        self.at = match.end()
        self.blank()
        if operator in ("<<", "<<-"):
            given = self.here_document(strip=operator == "<<-")
            if number in ("", "0"):
                command.given = given
            return True
        word = self.word()
        if operator == "<<<":
            command.given = word
        elif operator == "<" and number in ("", "0"):
            command.stdin = word
        elif operator == "<&" and number in ("", "0") and word.text != "-":
            command.stdin = word._replace(values=UNKNOWN)
        elif ">" in operator and not (operator == ">&" and word.text.strip("0123456789-") == ""):
            command.targets.append(word)
        return True

    def here_document(self, *, strip: bool) -> Word:
        """Take the delimiter, and return the text below the line."""
        begin = self.at
        quoted = self.text.startswith(("'", '"', "\\"), begin)
        delimiter = self.word().text
        line_end = self.text.find("\n", self.at)
        if line_end < 0:
            return Word(UNKNOWN, "", begin)
        start = end = self.skips.get(line_end, line_end + 1)
        following = start
        while end < len(self.text):
            following = self.text.find("\n", end) + 1 or len(self.text)
            line = self.text[end:following].rstrip("\r\n")
            if (line.lstrip("\t") if strip else line) == delimiter:
                break
            end = following
        self.skips[line_end] = following
        body = self.text[start:end]
        if not quoted and ("$(" in body or "`" in body):
            self.within(body, start, lambda: self.pieces(""))
        if not quoted:
            body = _KEPT.sub(r"\1", body)
        return Word(frozenset((body,)), body, start)

    def simple(self) -> Word | None:
        """Take a word that is what it says, and blanks before it, if there is one."""
        match = _SIMPLE.match(self.text, self.at)
        if match is None:
            return None
        self.at, text = match.end(), match[1]
        return Word(frozenset((text,)), text, match.start(1), True)

    def word(self) -> Word:
        """Read one word."""
        if found := self.simple():
            return found
        start, name = self.at, ""
        before: list[Values] = []
        if match := _ASSIGNMENT.match(self.text, start):
            name, self.at = match.group(1), match.end()
            before += [UNKNOWN] if match.group(2) else []
        begin = self.at
        kept, kept_printed = self.is_split, self.printed
        self.is_split, self.printed = False, []
        values, text = self.pieces(" ")
        is_split, printed = self.is_split, tuple(self.printed)
        self.is_split, self.printed = kept, kept_printed
        if self.at == start:
            # An operator out of its place.
            raise _Broken
        is_plain = not name and text == self.text[start : self.at] and not set(text) & _EXPANDED
        return Word(
            together([*before, values]),
            self.text[start:begin] + text,
            start,
            is_plain,
            name,
            is_split,
            printed,
        )

    def pieces(self, end: str) -> tuple[Values, str]:
        """Read up to a quote or brace; with " " to the end of a word, with "" to that of the text.

        Return what this can be, and its text without quotes.
        """
        parts: list[Values] = []
        texts: list[str] = []
        text = self.text
        while self.at < len(text):
            start, letter = self.at, text[self.at]
            if match := _PLAIN[end].match(text, start):
                part, self.at = match.group(), match.end()
                values = literal(part, is_first=not parts) if end == " " else frozenset((part,))
            elif letter == end != " ":
                self.at += 1
                return together(parts), "".join(texts)
            elif letter == "\\":
                self.at += 2
                part = text[start + 1 : self.at].strip("\n")
                if end in ('"', "") and part not in ("", *'$`"\\'):
                    part = "\\" + part
                values = frozenset((part,))
            elif letter == '"':
                self.at += 1
                values, part = self.pieces('"')
            elif match := _SINGLE.match(text, start):
                part, self.at = match.group(1), match.end()
                values = frozenset((part,))
            elif text.startswith("$'", start) and end == " ":
                self.at, values = _end(_ESCAPED, text, start), UNKNOWN
                part = text[start : self.at]
            elif letter in "$`":
                values, part = self.expansion()
                self.is_split = self.is_split or end == " "
            elif end == " " and text.startswith(("<(", ">("), start):
                self.at += 2
                self.inside()
                values, part = UNKNOWN, text[start : self.at]
            elif end == " " and letter != "'":
                return together(parts), "".join(texts)
            else:
                raise _Broken
            parts.append(values)
            texts.append(part)
        if end.strip():
            raise _Broken
        return together(parts), "".join(texts)

    def expansion(self) -> tuple[Values, str]:
        """Read what begins with $ or a backquote; return what it can be, and its text."""
        text, start = self.text, self.at
        values: Values = UNKNOWN
        if text[start] == "`":
            self.at = _end(_BACKQUOTED, text, start)
            inner = re.sub(r"\\([`\\$])", r"\1", text[start + 1 : self.at - 1])
            values = self.within(inner, start, lambda: self.inside(""))
        elif text.startswith("$((", start):
            self.arithmetic(3)
        elif text.startswith("$(", start):
            self.at += 2
            values = self.inside()
        elif text.startswith("${", start):
            self.at += 2
            values = self.braced()
        elif match := _PARAMETER.match(text, start + 1):
            self.at = match.end()
            values = self.value(match.group())
        else:
            self.at += 1
            # Of $"..." the quotes come next.
            part = "" if text.startswith('$"', start) else "$"
            return frozenset((part,)), part
        return values, text[start : self.at]

    def braced(self) -> Values:
        """Read the rest of ${...}: a parameter, and what it is to become."""
        match = _PARAMETER.match(self.text, self.at)
        name = match.group() if match else ""
        self.at += len(name)
        with self.deeper():
            rest, text = self.pieces("}")
        values = self.value(name)
        if text in ("", "%/*"):
            return frozenset(map(above, values)) if text else values
        choice = _CHOICE.match(text)
        if choice is None:
            return UNKNOWN
        other = frozenset(value and value[choice.end() :] for value in rest)
        sign = choice.group()[-1]
        if sign == "=":
            self.set(name, UNKNOWN, Command())
        if sign == "+":
            return frozenset(("",)) | (other if any(values) or None in values else frozenset())
        return values if sign == "?" or values.isdisjoint((None, "")) else values | other

    # -- what Commands asks for

    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a place, in the whole text."""
        at = at if self.origin is None else self.origin
        if at == 0:
            return 1, 1
        if self._lines is None:
            self._lines = [0, *(m.end() for m in re.finditer("\n", self.whole))]
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1
