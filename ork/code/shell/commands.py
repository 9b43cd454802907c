"""What a simple command does, as its words tell: what it executes, enters, sets and writes."""

from __future__ import annotations

import posixpath
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, pairwise, product
from typing import Any

from ork.code.programs import (
    INPUTS,
    KERNELS,
    LANGUAGES,
    LOADERS,
    PASSIVE,
    PREFIXES,
    PROFILES,
    RUNNERS,
    SERVERS,
    STARTING,
    Interpreter,
    Kernel,
    arguments,
    interpreter_named,
    is_named_as_code,
    kernel_arguments,
    language_of,
    reads_script,
)
from ork.code.shell.prefixes import after_prefix, filled
from ork.code.shell.words import HOME, PATH_MAX, POSSIBLE_MAX, Command, Printed, Word
from ork.code.use import OWN, UNKNOWN, WORK, ZERO, Code, Use, Values, above, joined

_ENDS: dict[str | None, str] = {"notebook": ".ipynb", "script": ".py", "python": ".py"}
# Variables that mean an interpreter, whichever that is.
_MEANT = {"PYTHON": "python", "PYTHON3": "python", "PY": "python", "BASH": "bash", "SHELL": "sh"}
STARTS_MAX = 40  # commands that start one another
COPIES_MAX = 1000  # of files, by one command
GUESSES_MAX = 8  # words of one command that may begin another
GUESSED_WORDS_MAX = 1000  # of that
_PRELOADING = {
    "BASH_ENV": "shell",
    "LD_PRELOAD": "closed",
    **dict.fromkeys(("R_PROFILE", "R_PROFILE_USER"), "r"),
}
_OPTIONS = {"NODE_OPTIONS": "node", "PERL5OPT": "perl", "RUBYOPT": "ruby"}  # that they have more of
# Options of programs which otherwise execute nothing: what follows is a line for a shell.
_STARTED = re.compile(
    r"--(?:to-command|use-compress-program|checkpoint-action=exec)=|alias\.[\w.-]+=!"
)
_STARTED_NEXT = frozenset(("--to-command", "--use-compress-program", "-I"))
_CONTAINERS = frozenset(("docker", "podman", "nerdctl"))
# A folder outside, which is none that they keep themselves, and its place inside.
_MOUNT = re.compile(
    r"((?:[./\0]|[^:,=]*/)[^:,=]*):(/[^:]*)"
    r"|(?:type=)?bind,(?:source|src)=([^,]+),(?:target|destination|dst)=([^,]+)"
)
# What code in other languages has that loads a file.
_LOADING = (
    r"source|require|import|include|load|use|do|render|knit|read|system|exec|spawn|shell|run|popen"
    r"|tar_make|\||`|@|!|\\"
)
_REQUIRING = ("js", "ruby")  # whose options name what they load as the language itself does
_GUESSED = frozenset(("script", "module", "code"))
_READ = frozenset(("program", "script", "sourced"))
_LINE = r"(?:^|[;&|(]\s*)(?:python[\d.]*|bash|sh|Rscript|node|uv run|poetry run)\s"
_WRITING = frozenset(("cp", "mv", "ln", "install", "tee"))
_DECLARING = frozenset(("export", "readonly", "local", "declare", "typeset"))


class Commands(ABC):
    """Gathers what commands do; where these come from and what lines within them say is not its.

    A variable that is set more than once, or not surely, is not known, nor is the folder after a
    `cd` of that kind.
    """

    def __init__(
        self, variables: Mapping[str, str], folder: str | None, changing: Iterable[str]
    ) -> None:
        self.uses: list[Use] = []
        self.writes: set[str] = set()
        self.copies: set[tuple[str, str]] = set()
        self.folders: Values = frozenset((folder,))  # where the shell may be
        self.maybe: Values = frozenset()  # where else it may be at the end of `a && cd b`
        self.variables: dict[str, Values] = {n: frozenset((v,)) for n, v in variables.items()}
        self.once = set(self.variables)  # variables that were set
        self.changing = set(changing)  # variables
        self.branches: list[tuple[str, int]] = []  # that are open: kind, and number of uses before
        self.late: list[int] = []  # the uses of functions
        self.arguments: dict[str, Values] = {}  # of a line that is read
        self.texts: dict[str, list[Word]] = {}  # files that are written, and their texts
        self.is_guess = False  # whether what is read may be no command

    @abstractmethod
    def place(self, at: int) -> tuple[int, int]:
        """Return line and column of a place, in the whole text."""

    @abstractmethod
    def line(self, word: Word, kind: str = "shell") -> None:
        """Read a line that is given as one word: to another shell, or to this one for some time."""

    def code(self) -> Code:
        """Return all that was found, each thing once."""
        uses = tuple(dict.fromkeys(self.uses))
        return Code(uses, frozenset(self.writes), copies=frozenset(self.copies))

    def say(self, role: str, at: int, **about: Any) -> None:
        """Note a use, at a place of this text."""
        if self.is_guess:
            paths = about.get("paths", frozenset())
            is_input = about.get("is_input", False)
            if role not in _GUESSED or None in paths:
                return
            if is_input and not all(map(is_named_as_code, paths)):
                return  # who reads it may be another one
            about["is_optional"] = True
        line, column = self.place(at)
        self.uses.append(Use(role, line=line, column=column, **about))

    # -- what the shell goes through

    def open(self, kind: str) -> None:
        """Begin a branch, a loop or a function."""
        self.branches.append((kind, len(self.uses)))

    def close(self) -> bool:
        """End it; say whether there was one."""
        if not self.branches:
            return False
        kind, first = self.branches.pop()
        if kind in ("function", "trap"):
            self.late.extend(range(first, len(self.uses)))
        return True

    def end_list(self) -> None:
        """End a list of commands, such as `a && cd b`."""
        self.folders |= self.maybe
        self.maybe = frozenset()

    def enter(self, values: Values, command: Command) -> None:
        """Enter a folder."""
        new = {joined(folder, value) for folder in self.folders for value in values}
        new = {None if path and len(path) > PATH_MAX else path for path in new}
        self.lose(self.late)
        self.late.clear()
        if self.branches:
            # What stands before it in a loop may come after it.
            kind, first = self.branches[0]
            self.lose(range(first, len(self.uses)))
            self.branches[0] = kind, len(self.uses)
        elif command.before == "&&":
            self.maybe |= self.folders
        sure = not self.branches and command.before != "||" and not command.is_apart
        self.folders = frozenset(new) if sure and len(new) <= POSSIBLE_MAX else UNKNOWN | new

    def lose(self, numbers: Iterable[int]) -> None:
        """Note that these uses may start in other folders as well."""
        for number in numbers:
            use = self.uses[number]
            moves = any(path is not None and path.startswith(WORK) for path in use.paths)
            paths = use.paths | UNKNOWN if moves else use.paths
            self.uses[number] = use._replace(paths=paths, folders=use.folders | UNKNOWN)

    def set(self, name: str, values: Values, command: Command) -> None:
        """Set a variable."""
        sure = not self.branches and command.before not in ("&&", "||") and not command.is_apart
        if name in self.once or not sure:
            self.changing.add(name)
        self.once.add(name)
        self.variables[name] = values

    def value(self, name: str) -> Values:
        """Return what a variable may hold."""
        if name in self.arguments:
            return self.arguments[name]
        known = {"0": frozenset((ZERO,)), "PWD": self.folders, "HOME": frozenset((HOME,))}
        if name in known:
            return known[name]
        if name.startswith("BASH_SOURCE"):
            return frozenset((OWN,))
        # What comes from outside has no code of the project.
        unset = frozenset(("",)) if name in ("PATH", "PYTHONPATH") else UNKNOWN
        if name in _MEANT:
            unset = frozenset((None, _MEANT[name]))
        return self.variables.get(name, unset) | (UNKNOWN if name in self.changing else frozenset())

    # -- what commands do

    def run(self, command: Command, *, by_shell: bool = True, depth: int = 0) -> None:
        """Note what a simple command executes, enters, sets and writes.

        `depth` is how many others it stands in, such as that of `env`.
        """
        words = command.words
        if depth > STARTS_MAX:
            self.say("unclear", words[0].start if words else 0)
            return
        if words and len(words[0].values) > 1 and (split := words[0].split_values):
            # Such as ${DRY_RUN:+echo}, after which the command may be that or the next word.
            others = words[0].values - split
            for one in (*({value} for value in sorted(map(str, split))), others):
                first = words[0]._replace(values=frozenset(one))
                if first.values - UNKNOWN:
                    within = replace(command, words=[first, *words[1:]])
                    self.run(within, by_shell=by_shell, depth=depth + 1)
            return
        if any(word.is_split for word in words):
            words = [part for word in words for part in word.split()]
        name = self.program(words[0], command) if words else None
        if name is None:
            return
        base = name.rpartition("/")[2]
        if by_shell and self.builtin(name, words, command):
            return
        if base in PREFIXES:
            self.start(base, words, command, by_shell=by_shell, depth=depth)
            return
        if self.notebooks(base, words, command):
            return
        if command.assigned or self.variables:
            self.preloaded(words[0], command)
        self.written(base, words, command)
        is_loaded = base in LOADERS and self.loaded(words)
        if spec := interpreter_named(base):
            self.interpret(spec, words, command)
        elif base == "find":
            self.found(words, command, depth)
        elif base in ("git", "tar"):
            for before, word in pairwise(words):
                if found := _STARTED.match(word.text):
                    self.line(word.after(found.end()))
                elif base == "tar" and before.text in _STARTED_NEXT:
                    self.line(word)
        elif base not in PASSIVE:
            self.named(words[0], command)
            kept = self.folders
            words = self.mounted(words) if base in _CONTAINERS else words
            self.guess(words, command, depth)
            if not is_loaded and (name == base or name.startswith("/")):
                self.given(words[0], [*words[1:], *_read_by(command)])
            self.folders = kept

    def start(
        self, base: str, words: list[Word], command: Command, *, by_shell: bool, depth: int
    ) -> None:
        """Note what a program starts that is given a command."""
        words, entered = after_prefix(base, words, command)
        kept = self.folders
        if entered:
            self.folders = frozenset(joined(f, v) for f in kept for v in entered)
        by_shell = by_shell and base in ("command", "builtin", "time", "exec")
        if words and PREFIXES[base].after:
            self.named(words[0], command)
        self.run(replace(command, words=words), by_shell=by_shell, depth=depth + 1)
        if entered:
            self.folders = kept  # the shell itself stays where it is

    def program(self, word: Word, command: Command) -> str | None:
        """Note a program that is named by its path; return its name if it is known."""
        if word.is_plain and "/" not in word.text:
            self.on_path(word, command)
            return word.text
        names = sorted(name for name in word.values if name)
        paths = {name for name in names if "/" in name or name.startswith("\0")}
        if paths or not names:
            # An interpreter may lie where it wants: what it is given is what counts.
            base = names[0].rpartition("/")[2] if names else ""
            known = base in (*KERNELS, "jupyter") or interpreter_named(base) is not None
            word = word._replace(values=(word.values & UNKNOWN) | paths or UNKNOWN)
            self.file("program", word, is_optional=known)
        else:
            self.on_path(word, command)
        return names[0] if names else None

    def preloaded(self, near: Word, command: Command) -> None:
        """Note the files that variables let a program load before all else."""
        for name, language in _PRELOADING.items():
            if name in command.assigned or name in self.variables:
                values = command.assigned.get(name) or self.value(name)
                word = Word(values - UNKNOWN, name, near.start)
                self.file("script", word, language=language, is_optional=True)
        for name, program in _OPTIONS.items():
            spec = interpreter_named(program)
            if spec and (name in command.assigned or name in self.variables):
                for value in sorted(command.assigned.get(name) or self.value(name), key=str):
                    words = [near.as_text(part) for part in (program, *(value or "").split())]
                    self.interpret(spec, words, Command())
                    if value is None:
                        self.say("unclear", near.start, text=name)

    def named(self, word: Word, command: Command) -> None:
        """Note the name of a program, which a table of the project may give a meaning."""
        search = self.listed("PYTHONPATH", command)
        for name in sorted(name for name in word.values if name):
            paths = frozenset((name,) if "/" in name else ())
            base = name.rpartition("/")[2]
            at = word._replace(text=base, values=paths)
            self.file("command", at, search=search)

    def mounted(self, words: list[Word]) -> list[Word]:
        """Return the words of a container with its paths as they are outside; enter its folder."""
        mounts: dict[str, Values] = {}
        for before, word in pairwise(words):
            given = word.only if before.text in ("-v", "--volume", "--mount") else None
            glued = re.fullmatch(r"(?:-v|--volume=|--mount=)(.+)", word.only or "")
            if found := _MOUNT.match(given or (glued[1] if glued else "")):
                source, target = found[1] or found[3], found[2] or found[4]
                mounts[target.rstrip("/")] = frozenset(joined(f, source) for f in self.folders)

        def outside(word: Word) -> Word:
            path = word.only or ""
            inner = (target for target in mounts if f"{path}/".startswith(f"{target}/"))
            target = max(inner, key=len, default=None)
            if target is None:
                return word
            values = frozenset(one and one + path[len(target) :] for one in mounts[target])
            return word._replace(values=values, is_plain=False)

        if mounts:
            words = [words[0], *map(outside, words[1:])]
            for before, word in pairwise(words):
                if before.text in ("-w", "--workdir"):
                    self.folders = frozenset(
                        joined(f, v) for f in self.folders for v in word.values
                    )
        return words

    def loaded(self, words: list[Word]) -> bool:
        """Note, and say, whether a program loads code by rules of its own."""
        name = words[0].text
        only = LOADERS[name.rpartition("/")[2]]
        is_loaded = not only or any(word.text in only for word in words[1:])
        if is_loaded:
            self.say("loaded", words[0].start, paths=UNKNOWN, text=name)
        return is_loaded

    def guess(self, words: list[Word], command: Command, depth: int) -> None:
        """Note what a program executes of which nothing is known, if it starts what it is given.

        Words that begin with an interpreter are a command, as in `docker exec x python y.py`.
        """
        if self.is_guess or len(words) == 1:
            return
        self.is_guess = True
        starts = (n for n in range(1, len(words)) if _starts(words[n].text))
        for start in islice(starts, GUESSES_MAX):
            below = words[start : start + GUESSED_WORDS_MAX]
            begun = replace(command, words=below, assigned=dict(command.assigned))
            self.run(begun, by_shell=False, depth=depth + 1)
        lines = (w for w in words[1:] if " " in w.text and re.search(_LINE, w.only or ""))
        for word in islice(lines, GUESSES_MAX):
            self.line(word)
        self.is_guess = False

    def given(self, near: Word, words: Iterable[Word]) -> None:
        """Note the files that a program may execute of those that it is given."""
        files = (file for word in words for file in (word, *(one.file for one in word.printed)))
        for word in files:
            values = (value.rpartition("=")[2].partition(":")[0] for value in word.values if value)
            if paths := frozenset(value.lstrip("@") for value in values if is_named_as_code(value)):
                self.file("given", word._replace(values=paths, text=near.text))

    def output(self, near: Word, printed: Iterable[Printed], role: str, **about: Any) -> None:
        """Note the files that are executed, as they are or not, as the output of other programs."""
        for file, is_whole in printed:
            if is_whole:
                self.file(role, file, is_input=True, **about)
            else:
                self.given(near, [file])

    def on_path(self, word: Word, command: Command) -> None:
        """Note a program that may lie in a folder which the text itself puts into PATH."""
        if "PATH" in command.assigned or "PATH" in self.variables:
            folders = self.listed("PATH", command) - UNKNOWN
            paths = frozenset(joined(one, name) for one in folders for name in word.values)
            if paths:
                self.file("program", word._replace(values=paths), is_optional=True)

    def file(self, role: str, word: Word, **about: Any) -> None:
        """Note a file that is executed."""
        paths = frozenset(joined(folder, v) for folder in self.folders for v in word.values)
        self.say(
            role, word.start, paths=paths, text=word.text, **{"folders": self.folders, **about}
        )
        if self.texts and role in _READ:
            for path in sorted(self.texts.keys() & set(map(_shortest, paths))):
                if parts := self.texts.pop(path, []):  # which are read but once
                    text = parts[0]._replace(text="\n".join(part.text for part in parts))
                    language = about.get("language") or language_of(text.text.encode())
                    self.code_given(text, {**about, "language": language})

    def builtin(self, name: str, words: list[Word], command: Command) -> bool:
        """Do what a command of the shell itself does; say whether it is one."""
        given = [word for word in words[1:] if word.text[:1] != "-" or len(word.text) == 1]
        if name in ("cd", "pushd"):
            values = given[0].values if given else frozenset((HOME,))
            self.enter(UNKNOWN if "-" in values else values, command)
        elif name == "popd":
            self.enter(UNKNOWN, command)
        elif name in (".", "source") and given and given[0].only in INPUTS:
            spec = interpreter_named("sh")
            if spec is not None:
                self.fed(spec, words[:1], command, {"language": "shell"})
        elif name in (".", "source") and given and not (given[0].is_printed and given[0].is_file):
            self.file("sourced", given[0], language="shell")
        elif name in (".", "source", "eval") and any(None in word.values for word in given):
            for word in given:
                self.output(words[0], word.printed, "sourced", language="shell")
            self.say("unclear", words[0].start, text=" ".join(word.text for word in given))
        elif name in ("eval", "trap") and given:
            lines = given[:1] if name == "trap" else given
            self.line(given[0]._replace(text=" ".join(word.text for word in lines)), name)
        elif name == "alias":
            for word in given:
                self.line(word.after(len(word.name) + 1))
        elif name in _DECLARING:
            for word in given:
                if word.name:
                    self.set(word.name, word.values, command)
        elif name in ("read", "unset", "getopts", "mapfile", "readarray", "let", "printf"):
            for word in given:
                self.set(word.name or word.text.strip("+-"), UNKNOWN, command)
        else:
            return False
        return True

    def interpret(self, spec: Interpreter, words: list[Word], command: Command) -> None:
        """Note what an interpreter executes."""
        texts = [word.text if word.name else word.only for word in words]
        found = [*arguments(spec, texts)]
        about: dict[str, Any] = {"language": spec.language}
        variable = "PYTHONPATH" if spec.language == "python" else spec.variable
        if variable:
            searched = (words[one.word].after(one.start) for one in found if one.what == "search")
            listed = self.listed(variable, command)
            about["search"] = listed.union(*(self.places(word.values) for word in searched))
        for one in (one for one in found if one.what == "list"):
            self.listed_files(words[one.word].after(one.start))
        found = [one for one in found if one.what not in ("search", "list")]
        if spec.language == "shell" and "-s" in texts:
            found = []
        for word in words if spec.language == "perl" else ():
            if word.text[:2] in ("-M", "-m"):
                self.code_given(word._replace(text=f"use {word.text[2:]};"), about)
        kept = self.folders
        for word in _entered(spec, words) if spec.folder else ():
            self.folders = frozenset(joined(f, v) for f in kept for v in word.values)
        profiles = self.places(PROFILES.get(spec.language, ()))
        if profiles and {"--vanilla", "--no-init-file"}.isdisjoint(texts):
            self.say(
                "script",
                words[0].start,
                paths=profiles,
                folders=self.folders,
                language=spec.language,
                is_optional=True,
            )
        for what, index, start in found:
            word = words[index].after(start)
            if what == "module":
                self.module(word, words[index + 1 :], command, about)
            elif what == "file" and spec.language in _REQUIRING and word.text[:1] not in "./":
                self.code_given(word._replace(text=f'require("{word.text}")'), about)
            elif what == "code" and not word.is_printed:
                self.code_given(word, about, words[index + 1 :])
            elif word.is_printed and (what == "code" or word.is_file):
                self.output(words[0], word.printed, "script", **about)
                self.say("unclear", word.start, text=word.text)
            else:
                if spec.language == "just" and self.folders == kept:  # it goes where the file lies
                    about["folders"] = frozenset(
                        above(joined(f, v)) for f in kept for v in word.values
                    )
                self.file("script", word, **about)
        if not found:
            self.fed(spec, words, command, about)
        self.folders = kept

    def listed_files(self, word: Word) -> None:
        """Note the files of code in a list."""
        for path in (path for value in word.values for path in re.split("[,:]", value or "")):
            language = "python" if path.endswith(".py") else "closed"
            one = word._replace(values=frozenset((path,)))
            self.file("script", one, language=language, is_optional=True)

    def fed(
        self, spec: Interpreter, words: list[Word], command: Command, about: dict[str, Any]
    ) -> None:
        """Note what an interpreter executes of which no argument is a script."""
        texts = [word.only for word in words]
        reads = reads_script(spec, texts)
        if reads and command.stdin is not None:
            self.file("script", command.stdin, is_input=True, **about)
        elif reads and command.given is not None:
            self.code_given(command.given, about)
        elif reads and command.piped and (text := command.piped.text()):
            self.code_given(text, about)
        elif reads and command.piped:
            printed = [*command.piped.printed()]
            self.output(words[0], printed, "script", **about)
            if not printed or not all(one.is_whole for one in printed):
                self.say("unclear", words[0].start, text=words[0].text)
        elif spec.language == "sql":
            for word in words[1:]:
                self.output(words[0], word.printed, "script", **about)
                if " " in word.text:
                    self.code_given(word, about)
        elif not spec.defaults and spec.language not in ("closed", "awk"):
            self.given(words[0], words[1:])
        for default in spec.defaults if not self.is_guess else ():
            word = Word(frozenset((default,)), default, words[0].start)
            self.file("script", word, is_optional=True, **about)

    def module(
        self, word: Word, following: list[Word], command: Command, about: dict[str, Any]
    ) -> None:
        """Note what `python -m` executes, and with `python -m pdb train.py` the script."""
        paths = UNKNOWN if None in word.values else frozenset()
        self.say("module", word.start, paths=paths, text=word.text, folders=self.folders, **about)
        if self.notebooks(word.text, [word, *following], command):
            return
        if word.text in LOADERS:
            self.loaded([word, *following])
        if word.text == "timeit":
            for one in following:
                self.code_given(one, about)
        if word.text in RUNNERS:
            # `python -m pdb train.py`, `python -m coverage run -m pkg`, `python -m runpy pkg`
            at = next((n for n, one in enumerate(following) if one.text == "-m"), -1)
            if word.text == "runpy" or 0 <= at < len(following) - 1:
                for module in following[at + 1 : at + 2]:
                    self.module(module, [], command, about)
                return
            scripts = [one for one in following if one.text.endswith(".py")]
            for script in scripts[:1]:
                self.file("script", script, **about)

    def notebooks(self, base: str, words: list[Word], command: Command) -> bool:
        """Note the notebooks that a program executes; say whether it is one for notebooks."""
        if base == "jupyter" and len(words) > 1:
            base, words = f"jupyter-{words[1].text}", words[1:]
        spec = KERNELS.get(base)
        if spec is None:
            return base in SERVERS
        plain, given = kernel_arguments(spec, [word.only for word in words])
        options = {
            name: words[one.word].after(one.start).values
            for name, one in given.items()
            if one.word < len(words)
        }
        # What only converts takes a notebook for data.
        executes = not spec.asked or not options.keys().isdisjoint(spec.asked.split())
        found = [words[at] for at in plain]
        if not spec.many:
            self.write(found[1:], [Printed(word, True) for word in found[:1]])
            del found[1:]
        search = self.listed("PYTHONPATH", command)
        if executes and (not found or found[0].text == "-"):
            if command.before in ("|", "|&"):
                self.say("unclear", words[0].start, text=words[0].text)
            if command.stdin is not None:
                self.file("script", command.stdin, language="notebook", search=search)
            return True
        for word in found:
            if "://" in word.text:
                continue
            if spec.many:
                word = word._replace(values=frozenset(map(_notebook_named, word.values)))
            if executes:
                folders = self.started(spec, word, options)
                self.file("script", word, language="notebook", search=search, folders=folders)
            self.converted(spec, word, options)
        return True

    def started(self, spec: Kernel, word: Word, options: Mapping[str, Values]) -> Values:
        """Return the folders in which the code of a notebook may start."""
        if spec.beside:
            return frozenset(above(joined(f, v)) for f in self.folders for v in word.values)
        entered = options.get("--cwd", frozenset((".",)))
        return frozenset(joined(folder, value) for folder in self.folders for value in entered)

    def converted(self, spec: Kernel, word: Word, options: Mapping[str, Values]) -> None:
        """Note what a notebook is written to that could be executed."""
        if "--output" not in options and not options.keys().isdisjoint(spec.inplace.split()):
            self.write([word], [Printed(word, True)])
        ends = {_ENDS[form] for form in options.get("--to", ("notebook",)) if form in _ENDS}
        own = {path and path.rpartition("/")[2] for path in word.values if ".py" in ends}
        for path, name, end in product(word.values, options.get("--output", own), ends):
            if path is not None and name is not None:
                name = name.removesuffix(".ipynb").removesuffix(".py") + end
                folders = options.get("--output-dir", (above(path),))
                made = word._replace(values=frozenset(joined(one, name) for one in folders))
                self.write([made], [Printed(word, True)])

    def code_given(self, word: Word, about: dict[str, Any], following: Sequence[Word] = ()) -> None:
        """Note code that stands in the text itself; for a shell what follows are its arguments."""
        if about["language"] == "shell":
            kept = self.arguments
            self.arguments = {str(n): one.values for n, one in enumerate(following[:10])}
            self.line(word)
            self.arguments = kept
        elif about["language"] == "python" or (
            about["language"] in LANGUAGES and re.search(_LOADING, word.text)
        ):
            self.say("code", word.start, text=word.text, folders=self.folders, **about)

    def listed(self, name: str, command: Command) -> Values:
        """Return the folders that a variable such as PYTHONPATH names."""
        if not (name in command.assigned or name in self.variables or name in self.changing):
            return frozenset()
        values = command.assigned.get(name) or self.value(name)
        entries = {entry for v in values for entry in ((v,) if v is None else v.split(":"))}
        return frozenset(
            joined(folder, entry) for entry in entries if entry != "" for folder in self.folders
        )

    def found(self, words: list[Word], command: Command, depth: int) -> None:
        """Note what `find -exec` executes."""
        at = 0
        while at < len(words):
            at += 1
            if words[at - 1].text in ("-exec", "-execdir", "-ok", "-okdir"):
                ends = (n for n in range(at, len(words)) if words[n].text in (";", "+"))
                end = next(ends, len(words))
                below = [filled(word, "{}") for word in words[at:end]]
                self.run(replace(command, words=below), by_shell=False, depth=depth + 1)
                at = end

    def written(self, base: str, words: list[Word], command: Command) -> None:
        """Note the files that arguments tell to write."""
        if base in _WRITING:
            plain = [word for word in words[1:] if not word.text.startswith("-")]
            if base == "tee":
                self.write(plain, command.piped.printed() if command.piped else ())
            for word in plain[:-1] if base != "tee" else ():
                name = word.text.rpartition("/")[2]
                below = frozenset(v and f"{v.rstrip('/')}/{name}" for v in plain[-1].values)
                self.write([plain[-1], word._replace(values=below)], [Printed(word, True)])
        for before, word in pairwise(words):
            if before.text in ("-o", "-O", "--output"):
                self.write([word], command.printed())

    def write(
        self, targets: list[Word], printed: Iterable[Printed] = (), text: Word | None = None
    ) -> None:
        """Note the files that are written, and those that they are made of, or their text."""
        if not targets:
            return
        places = [place for word in targets for place in self.places(word.values)]
        self.writes.update(places)
        if text is not None:
            for path in map(_shortest, places):
                self.texts.setdefault(path, []).append(text)  # as `>>` goes on with it
        sources = (
            place
            for one in islice(printed, COPIES_MAX)
            for place in self.places(
                one.file.values if one.is_whole else filter(is_named_as_code, one.file.values)
            )
        )
        self.copies.update(islice(product(places, sources), COPIES_MAX))

    def places(self, values: Iterable[str | None]) -> frozenset[str]:
        """Return the files that a word may name which can be this."""
        found = (joined(folder, value) for value in values for folder in self.folders)
        return frozenset(path for path in found if path is not None)


def _read_by(command: Command) -> Iterator[Word]:
    """Yield the files that a command reads, as far as they are named."""
    if command.stdin is not None:
        yield command.stdin
    if command.piped is not None:
        yield from (one.file for one in command.piped.printed())


def _shortest(path: str | None) -> str:
    return posixpath.normpath(path or "")


def _entered(spec: Interpreter, words: list[Word]) -> Iterator[Word]:
    """Yield the folders where an interpreter is told to start."""
    options = spec.folder.split()
    for option, word in pairwise(words):
        if option.text in options:
            yield word
        for name in options:
            glued = f"{name}=" if name.startswith("--") else name
            if word.text.startswith(glued) and word.text != name:
                yield word.after(len(glued))


def _starts(name: str) -> bool:
    """Say whether a word is the name of a program that executes what comes after it."""
    base = name.rpartition("/")[2]
    return base in STARTING or (base[-1:].isdigit() and interpreter_named(base) is not None)


def _notebook_named(name: str | None) -> str | None:
    """Return the notebook that a name means, which may lack its end; None for a pattern."""
    if name is None or "*" in name or "?" in name or "[" in name:
        return None
    return name if "." in name.rpartition("/")[2] else f"{name}.ipynb"
