"""The code that a Definition calls: read from the files below its root, never executed.

What is code is told by its role: what `definition.reach` finds that the tasks execute. `include`
adds the rest; everything else is data, and so is what `exclude` means, whoever executes it.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

from ork.alike import alike
from ork.code.python.modules import compiled_among, find_module
from ork.code.python.packages import PACKAGED_BY
from ork.code.source import read_code
from ork.code.steps import Open
from ork.code.use import Code, Unreadable, Use
from ork.code.walk import Trail
from ork.definition.reach import python_path, trails
from ork.definition.workflow import HOOKS, Definition
from ork.definition.written import hook_command
from ork.errors import InvalidInput, Kind, Problem
from ork.objects.kinds import Task
from ork.objects.snapshot import CodeFile
from ork.worktree.folder import Files, Root, leads_out
from ork.worktree.globs import excluded, excluding, matching
from ork.yaml.problems import Problems

FILES_MAX = 50_000
CAPTURE_BYTES_MAX = 512 * 1024 * 1024


class Reason(NamedTuple):
    """Why a file is captured: the task that executes it, in which role, and the file that names it.

    The role is `include` for a file that a pattern means: then `task` is empty, `by` the pattern.
    """

    task: str
    role: str
    by: str = ""


# An import in all circumstances, by a path that begins in the package of the file itself.
_RELATIVE = re.compile(rb"^from[ \t]+\.[\w. \t]*import\b", re.M)


@dataclass(frozen=True)
class Captured:
    """The code of a Definition: its files, why each is among them, and what is not known."""

    files: Mapping[str, CodeFile]
    reasons: Mapping[str, tuple[Reason, ...]]
    tell: Callable[[], tuple[tuple[Problem, ...], tuple[Problem, ...]]] = field(
        repr=False, compare=False
    )

    @property
    def unknown(self) -> tuple[Problem, ...]:
        """What is not known where a person could name the code, and what is no Python."""
        return self._told[0]

    @property
    def silent(self) -> tuple[Problem, ...]:
        """What is not known where nobody can."""
        return self._told[1]

    @cached_property
    def _told(self) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        return self.tell()  # which needs the places in the text, that a deploy does not read


def capture(
    definition: Definition,
    root: Path | Files,
    *,
    file: str,
    problems: Problems | None = None,
    way_back: Callable[[str], str | None] = lambda path: None,
) -> Captured:
    """Return the code that a Definition needs, sorted by path; raise InvalidInput with all errors.

    `root` is the folder that all paths are relative to, `file` what the complaints call the
    workflow file. Nothing is imported or run, and no link out of the root is followed. Given
    `problems` take the errors, and what can be had is returned. `way_back` says how to have a file
    again that is not there.
    """
    told = problems or Problems(file, definition.text)
    root = Root(root) if isinstance(root, Path) else root
    taking = _Capture(definition, root, file, told, way_back)
    found = taking.tasks(definition.tasks)
    for pattern in definition.include:
        taking.include(pattern)
    if problems is None:
        told.check()
    reasons = {path: tuple(taking.reasons[path]) for path in sorted(taking.reasons)}
    files = {path: taking.files[path] for path in reasons}
    return Captured(files, reasons, partial(taking.open, found))


def shown_root(file: str, definition: Definition) -> Path:
    """Return what complaints call the root, of a workflow file that they call so."""
    up = str(definition.settings.get("root", "."))
    return Path(os.path.normpath(Path(file).parent / up))


class _Capture:
    def __init__(
        self,
        definition: Definition,
        root: Files,
        file: str,
        problems: Problems,
        way_back: Callable[[str], str | None],
    ) -> None:
        self.places, self.text = definition.places, definition.text
        self.settings, self.named = definition.settings, definition.tasks
        self.shown = shown_root(file, definition)
        above = "`root`" if "root" in definition.settings else "the folder of the workflow file"
        self.relative = f"paths are relative to {above}"
        self.root = root
        self.kind = excluding(root.kind, excluded(definition.settings))
        self.problems = problems
        self.way_back = way_back
        self.file = file
        self.files: dict[str, CodeFile] = {}
        self.refused: set[str] = set()
        self.reasons: dict[str, list[Reason]] = {}
        self.not_executable: list[tuple[str, str]] = []  # of a program: the task, the path
        self.windows: list[tuple[str, str]] = []  # of a script that ends its first line so
        self.parsed: set[str] = set()
        self.bytes = 0
        self.is_full = False

    def _trails(self, tasks: Mapping[str, Task]) -> dict[str, Trail]:
        installed = any(self.kind(name) == "file" for name in PACKAGED_BY)
        return trails(tasks, self._read, self.kind, self.root.names, installed=installed)

    def tasks(self, tasks: Mapping[str, Task]) -> dict[str, Trail]:
        """Take what all tasks execute."""
        found = self._trails(tasks)
        good = set()  # what most tasks name, of which there is nothing to say
        for name, trail in found.items():
            task = tasks[name]
            key = "module" if task.module else "file" if task.file else "command"
            named = task.executor, task.module, task.file, str(task.env.get("PYTHONPATH"))
            if named not in good:
                before = self.problems.count
                self._check_named(name, task)
                if self.problems.count == before:
                    good.add(named)
            for path, (role, by) in trail.files.items():
                if self._take(path, ("tasks", name, key)):
                    self.reasons.setdefault(path, []).append(Reason(name, role, by))
                    starts = task.executor == "process" and role in ("program", "file") and not by
                    if starts and not self.files[path].executable:
                        self.not_executable.append((name, path))
                    if starts and re.match(rb"#![^\n]*\r\n", self.files[path].data):
                        self.windows.append((name, path))
        return found

    def include(self, pattern: str) -> None:
        """Take the files that a pattern of `include` means."""
        at = ("include", pattern)
        try:
            paths = [p for p in matching(self.root, pattern) if self.kind(p) != "data"]
        except InvalidInput as error:
            self._say(at, error.message, error.hint)
            return
        if not paths:
            hint = "the pattern is relative to the folder of the workflow file"
            self._say(at, f"include: no file matches {pattern}", hint)
        for path in paths:
            if self._take(path, at):
                self.reasons.setdefault(path, []).append(Reason("", "include", pattern))

    def open(self, found: Mapping[str, Trail]) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
        """Return what tasks leave open, once for each place: what a person can name, and the rest.

        Whoever includes code that it may be has been told.
        """
        self.included = [
            path for path, reasons in self.reasons.items() if not any(r.task for r in reasons)
        ]
        self.written = {path for trail in found.values() for path in trail.writes}
        self.texts = {"": Problems(self.file, self.text)}
        told: dict[bool, dict[Problem, None]] = {True: {}, False: {}}
        once: set[tuple[bool, str]] = set()
        left: list[tuple[tuple[str, ...], Open]]
        left = [(("tasks", name), one) for name, trail in found.items() for one in trail.open]
        # What hooks execute is not captured, but missed all the same.
        hooks = self._trails(self._hooks())
        left += [((h,), one) for h, trail in hooks.items() for one in trail.open if one.missing]
        for path in self.included:
            if path.endswith(".py") and (reason := self._not_python(path)):
                told[True][reason] = None
        # Unless a task makes it executable.
        may = self.not_executable if "chmod" not in self.text else []
        chmod = "`chmod +x {}`, or let an interpreter execute it"
        sed = r"`sed -i 's/\r$//' {}` takes them out"
        unfit: list[tuple[Kind, list[tuple[str, str]], str, str]] = [
            ("not-executable", may, "is not executable", chmod),
            ("windows-line-ends", self.windows, "has Windows line ends", sed),
        ]
        for kind, found_in, what, hint in unfit:
            for name, path in found_in:
                way = hint.format(shlex.quote(path))
                problem = self._problem(("tasks", name), "", path, f"{path} {what}", way, kind=kind)
                told[True][problem] = None
        for problem in (*self._led_astray(), *self._without_package()):
            told[True][problem] = None
        for at, one in left:
            is_script = one.unreadable and not one.by.endswith(".ipynb")
            if is_script and (reason := self._not_python(one.by)):
                told[True][reason] = None
                continue
            is_told, message, hint = self._said(one, at)
            if one.beside or one.use.role == "loaded":
                if (is_told, message) in once:  # as of hundreds of tasks that start one program
                    continue
                once.add((is_told, message))
            problem = self._problem(at, one.by, one.use.text, message, hint, one.use)
            told[is_told][problem] = None
        return tuple(told[True]), tuple(told[False])

    def _said(self, one: Open, at: tuple[str, ...]) -> tuple[bool, str, str]:
        """Return what is said of what a task leaves open, first whether anybody need be told."""
        by, use = one.by, one.use
        if use.role == "data" and not one.beside and self._is_refused(one.target, at[-1]):
            message = f"{one.target} is data, as a task writes it, and this import is refused"
            return True, message, f"`exclude: [{one.target}]` lets Python tasks import it"
        if one.beside and one.beside == one.target:
            message = f"{one.target} is in no version: what executes it writes it as well"
            hint = f"write to another file, or `exclude: [{one.target}]` if it is no code"
            return self.kind(one.target) == "file", message, hint
        if one.beside:
            by = by if use.role == "named" and by else use.text
            what = f"{one.target} is made of" if one.target else f"{by} may execute"
            if one.beside in self.files:
                return False, f"{what} {one.beside}", ""
            which = one.among or one.beside
            hint = f"`include: [{which}]` if it is code, `exclude: [{which}]` if not"
            message = f"{what} {which}, which is not captured"
            return one.beside not in self.written, message, hint
        if one.absolute and isinstance(self.root, Root):
            below = self.root.below(one.absolute)
            message = f"an old version would take {below} as it is then, for its absolute path"
            return self.kind(below) != "data", message, f"name it from the root: {below}"
        # Of a program without such an end nobody knows that it is a script, and of this project.
        is_script = use.role != "program" or one.target.endswith((*filter(None, _SHELL), ".py"))
        if one.target and is_script and self.kind(one.target) == "outside":
            error = leads_out(one.target)
            return True, f"{error.message}: it is not captured", error.hint or ""
        if one.missing and not by and one.missing not in self.written:
            written = f"{self.relative}; what a task writes belongs into `exclude: [...]`"
            return True, f"there is no file {one.missing}", self._meant(one.missing) or written
        if use.role == "hidden":
            name = use.text.partition(".")[0]
            message = f"{use.text} is not found: {name} is a module of Python itself"
            return True, message, f"rename the folder, or add `__init__.py` to {name}"
        what = _UNKNOWN.get(use.role, "") if use.is_unclear else ""
        said = f": {use.text}" if use.text else ""
        message = f"it is not known {what or 'what this executes'}{said}"
        hint = "if it is code of this project, name it: `include: [...]`"
        return use.is_unclear and not self._is_included(use), message, hint

    def _is_refused(self, path: str, task: str) -> bool:
        """Say whether a task may not import what is written: nothing says whether that is code."""
        if path not in self.written or path in self.reasons or self.kind(path) == "data":
            return False
        return task in self.named and self.named[task].executor == "python"

    def _is_included(self, use: Use) -> bool:
        """Say whether `include` names code that a use may be."""
        if use.language == "notebook":
            return any(path.endswith(".ipynb") for path in self.included)
        if use.role == "loaded" or use.language not in ("", "shell", "python"):
            return bool(self.included)
        if use.role in ("imported", "module"):
            return any(path.endswith(".py") for path in self.included)
        return any(
            self.files[path].executable or os.path.splitext(path)[1] in _SHELL
            for path in self.included
        )

    def _led_astray(self) -> Iterator[Problem]:
        """Yield links to scripts beside whose files Python finds other modules than beside them."""
        if not isinstance(self.root, Root):
            return
        for path, reasons in self.reasons.items():
            real = self.root.below(path) if self.root.is_link(path) else path
            folder, real_folder = os.path.dirname(path), os.path.dirname(real)
            roles = ("script", "program")
            reason = next((one for one in reasons if one.role in roles and one.task), None)
            if reason is None or folder == real_folder:
                continue
            code = read_code(self.files[path].data, "python")
            for use in code.uses if isinstance(code, Code) else ():
                if use.role != "imported" or not use.text or use.text.startswith("."):
                    continue
                beside = find_module(use.text, [real_folder], self.kind)[0]
                if beside and beside != find_module(use.text, [folder], self.kind)[0]:
                    message = f"{path} is a link, and Python imports {beside[-1]} beside {real}"
                    hint = f"name {real}, as old versions have no link"
                    at = ("tasks", reason.task)
                    yield self._problem(at, reason.by, path, message, hint, kind="linked-script")

    def _without_package(self) -> Iterator[Problem]:
        """Yield what is imported by a path that begins in a package, in a file of none."""
        for path, reasons in self.reasons.items():
            # Whether it is a task that calls a function of the file, or a command that executes it.
            calls = {
                role == "file" and self.named[task].executor == "python"
                for task, role, _ in reasons
                if role in ("file", "script") and path.endswith(".py")
            }
            if f"{os.path.dirname(path)}/__init__.py" in self.files:
                calls.discard(True)  # it is imported by its name in the package
            found = _RELATIVE.search(self.files[path].data) if calls else None
            if found is None or not isinstance(code := read_code(found.string, "python"), Code):
                continue
            if b"__package__" in found.string or not any(u.text[:1] == "." for u in code.uses):
                continue
            module = path.removesuffix(".py").replace("/", ".")
            way = f"`module: {module}`" if True in calls else f"`python -m {module}`"
            hint = f"{way} executes it as part of one" if "." in module else "leave the dot out"
            use = Use("", line=found.string.count(b"\n", 0, found.start()) + 1)
            message = f"{path} is executed by its path, as part of no package, so this import fails"
            yield self._problem((), path, "", message, hint, use, kind="relative-import")

    def _problem(
        self,
        at: tuple[str, ...],
        by: str,
        text: str,
        message: str,
        hint: str,
        use: Use | None = None,
        *,
        kind: Kind = "uncaptured-code",
    ) -> Problem:
        """Return what is said, at its place in a file, or in what a task or a hook says."""
        if by not in self.texts:
            data = self.files[by].data.decode("utf-8", "replace")
            self.texts[by] = Problems(str(self.shown / by), data)
        line, column = (use.line, use.column) if use else (0, 0)
        if not by:
            line, column = self._place_of(at, text, self.texts[by])
        elif use and use.role in ("hidden", "data"):
            whole = self.files[by].data.decode("utf-8", "replace")
            found = re.search(
                rf"^.*\b(?:import|from)\b.*\b{use.text.partition('.')[0]}\b", whole, re.M
            )
            line = whole.count("\n", 0, found.start()) + 1 if found else 0
        return self.texts[by].problem(line, column, message, hint)._replace(kind=kind)

    def _hooks(self) -> dict[str, Task]:
        commands = ((hook, hook_command(self.settings, hook)) for hook in HOOKS)
        return {hook: Task(executor="process", command=line) for hook, line in commands if line}

    def _place_of(self, at: tuple[str, ...], text: str, problems: Problems) -> tuple[int, int]:
        """Return where a task, or a hook, says what it executes."""
        for key in ("command", "file", "module"):
            if node := self.places.get((*at, key)):
                return problems.place(node, text)
        return 0, 0

    def _read(self, path: str) -> bytes | None:
        """Return the bytes of a file; None where it cannot be had, which `_take` tells."""
        try:
            return self._load(path).data
        except InvalidInput:
            return None

    def _check_named(self, name: str, task: Task) -> None:
        """Complain of a file or module that a task names and that is not there."""
        if task.module is not None:
            at = ("tasks", name, "module")
            compiled = compiled_among(self.root.names)
            search = ["", *python_path(task)]
            paths, complete = find_module(task.module, search, self.kind, compiled)
            data = [path for path in paths if self.kind(path) == "data"]
            if data:
                self._say_data(at, data[-1])
            elif not complete or not paths:
                path = f"{task.module.replace('.', '/')}.py"
                hint = f"it is looked for as {path} beside the workflow file"
                if find_module(task.module, ["src"], self.kind, compiled)[1]:
                    hint = (
                        "it is in src, where `env: {PYTHONPATH: src}` at the top lets Python look"
                    )
                self._say(at, f"no module named {task.module}", self.way_back(path) or hint)
            elif paths[-1].endswith(".py"):
                self._must_be_python(paths[-1])
        elif task.file is not None:
            at = ("tasks", name, "file")
            if self.kind(task.file) == "data":
                self._say_data(at, task.file)
            elif self.root.kind(task.file) is None and not self.root.is_link(task.file):
                self.refused.add(task.file)
                hint = self._meant(task.file) or self.relative
                self._say(at, f"no such file: {task.file}", hint)
            elif task.executor == "python" and task.file.endswith(".ipynb"):
                command = f"`command: jupyter nbconvert --execute --to html {task.file}`"
                hint = f"{command} executes it; or put the function into a file of Python"
                self.refused.add(task.file)
                self._say(at, f"{task.file} is a notebook, which has no function to call", hint)
            elif task.executor == "python":
                self._must_be_python(task.file)

    def _meant(self, path: str) -> str | None:
        """Return which file was perhaps meant by one that is not there, and how to name it."""
        folder, _, wanted = path.rpartition("/")
        beside = self._beside(path)
        if self.root.kind(beside) == "file":
            return f"did you mean {beside}?"
        back = self.way_back(path)
        if near := alike(wanted, self.root.names(folder)):
            other = f"{folder and folder + '/'}{near[0]}"
            if back is None:
                return f"did you mean {other}?"
            if self.way_back(other) is None:  # so it is new: renamed, perhaps
                return f"did you mean {other}? {back}"
        if back:
            return back
        is_above = isinstance(self.root, Root) and self.root.has_above(path)
        above = "it lies in the folder above, where paths begin with `root: ..` at the top"
        return above if is_above else None

    def _beside(self, path: str) -> str:
        """Return what a path means that is relative to the workflow file, and not to the root."""
        up = os.path.normpath(str(self.settings.get("root", ".")))
        names = Path(os.path.abspath(self.file)).parent.parts
        return "/".join([*names[len(names) - up.count("..") :], path])

    def _take(self, path: str, at: tuple[str, ...]) -> bool:
        """Take a file; complain, once, where it is named if it cannot be had."""
        if path in self.refused:
            return False
        try:
            self._load(path)
        except InvalidInput as error:
            self.refused.add(path)
            self._say(at, error.message, error.hint)
            if self.is_full:
                self.problems.check()
            return False
        return True

    def _load(self, path: str) -> CodeFile:
        if path in self.files:
            return self.files[path]
        try:
            path.encode()
        except UnicodeEncodeError:
            hint = "rename it; names of code are UTF-8, so that they mean the same everywhere"
            raise InvalidInput(f"the name of {path} is not UTF-8", hint=hint) from None
        found = self.root.read(path)
        self.bytes += len(found.data)
        if len(self.files) >= FILES_MAX or self.bytes > CAPTURE_BYTES_MAX:
            limit = f"{FILES_MAX} files or {CAPTURE_BYTES_MAX // 1024**2} MiB"
            self.is_full = True
            hint = "include less"
            raise InvalidInput(f"the code of this workflow is more than {limit}", hint=hint)
        self.files[path] = found
        return found

    def _must_be_python(self, path: str) -> None:
        if path in self.parsed:  # for another task
            return
        self.parsed.add(path)
        if reason := self._not_python(path):
            hint = None if path.endswith(".py") else "execute it by a `command` if it is no Python"
            self.problems.keep(reason._replace(hint=hint))

    def _not_python(self, path: str) -> Problem | None:
        """Return a complaint about a file that is read and is no Python, or None."""
        file = self.files.get(path)
        language = "package" if path.endswith("/__init__.py") else "python"
        found = read_code(file.data, language) if file else None
        if not isinstance(found, Unreadable):
            return None
        return Problem(
            file=str(self.shown / path),
            line=found.line,
            column=found.column,
            message=f"not valid Python: {found.message}",
            source=found.source,
            kind="invalid-python",
        )

    def _say_data(self, at: tuple[str, ...], path: str) -> None:
        self.refused.add(path)
        hint = "take it out of `exclude`, or execute it by a `command`"
        self._say(
            at, f"{path} is what this task executes, but `exclude` says that it is data", hint
        )

    def _say(self, at: tuple[str, ...], message: str, hint: str | None) -> None:
        place = self.places.get(at)
        line, column = (place.line, place.column) if place else (0, 0)
        self.problems.add(line, column, message, hint)


_SHELL = ("", ".sh", ".bash", ".zsh", ".ksh")
_UNKNOWN = {
    "program": "which program this starts",
    "script": "which script this executes",
    "sourced": "which file this sources",
    "module": "where modules are searched",
    "imported": "which module this imports",
    "loaded": "which code this loads",
}
