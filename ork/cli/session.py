"""One invocation of ork: the world around it, the options for all commands, the store."""

from __future__ import annotations

import gc
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ork.cli.screen.fit import fitted_lines
from ork.cli.screen.line import (
    Line,
    document,
    hint_line,
    json_parts,
    note_line,
    page_lines,
    plain,
    terminal_width,
    texts_of,
    unread_is_no_error,
)
from ork.errors import Corrupt, NotFound, StoreError, UsageError
from ork.zone import LOCAL

if TYPE_CHECKING:
    from ork.store.store import Stamp, Store


# In a hint, to be typed here; -C with a whole path says all by itself, and so does a clone.
_COMMAND = "(?<!there )`ork (?!-C '?/)(-C |clone |[^`]*--store )?"
_HINTING = ("hint", "warning")  # styles of what begins a hint, or a note
FORCE_COLOR = ("FORCE_COLOR", "CLICOLOR_FORCE")


def lasts() -> None:
    """Have cycles collected, which `ork.__main__` turned off: this command may last."""
    if not gc.isenabled():
        gc.freeze()  # objects that exist by now stay, so they need not be looked at
        gc.enable()


class World(NamedTuple):
    """The world around a command: environment, clock, randomness. Tests give their own."""

    environ: Mapping[str, str] = os.environ
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    token: Callable[[], str] = lambda: os.urandom(3).hex()


class Session:
    """One invocation of ork."""

    def __init__(self, world: World, argv: tuple[str, ...]) -> None:
        self.world = world
        self.argv = argv
        self._store_path: Path | None = None
        self._named: list[Path] = []  # files, whose project the store is used for
        self._author: str | None = None
        self.started_in = Path()  # what -C says
        self.store_option = ""  # what --store says, or would have to say
        self.at_op: str | None = None  # heads and tags are read as they were after this operation
        self.color = "auto"
        self.pager = True
        self.quiet = False  # nothing is said of what went well
        self.muted = False  # nor is anything printed: the command does not look at this itself
        self.lost: list[OSError] = []  # why something printed is lost, where that ended nothing
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store of this folder; raises NotFound when there is none. Dead runs are settled."""
        return self._open(create=False)

    @property
    def new_store(self) -> Store:
        """The store of this folder, made in the root of the project when there is none.

        One on a server is made by `ork init` alone: where it is gone, an empty one would begin to
        fire, give numbers a second time, and be in the way of a backup.
        """
        return self._open(create=True)

    def new_store_for(self, act: Callable[[Store], object]) -> Store:
        """Return the store; where there is none, make it once this went well in an empty one.

        That one is in memory, and what is refused leaves no store behind.
        """
        from ork.store import location

        if not self.has_store():
            empty = location.not_yet_made(self.store_folder, environ=self.world.environ)
            act(self._place(empty))
        return self.new_store

    @property
    def folder(self) -> Path:
        """The folder of the store, for what does not open it; raises NotFound as `store` does."""
        folder = self._found
        if folder is not None and folder.exists():
            return folder.resolve()
        if folder is not None:
            raise NotFound(f"no ork store in {folder}", hint="`ork init` makes one")
        from ork.store import location

        location.refuse_data(Path.cwd())
        raise NotFound(
            f"no ork store here: no .ork in {Path.cwd()} or above",
            hint="`ork deploy FILE` makes one, so does `ork init`",
        )

    @cached_property
    def chosen(self) -> Path | None:
        """The folder of the store that --store or the environment names; it may not be there."""
        from ork.store import location

        return self._store_path or location.chosen(Path.cwd(), environ=self.world.environ)

    @cached_property
    def _found(self) -> Path | None:
        """The folder of the store that was chosen, else of the one around."""
        from ork.store import location

        return self.chosen or location.find(Path.cwd(), environ={})

    @property
    def store_folder(self) -> Path:
        """The folder of the store that is there, or would be made."""
        from ork.store import location

        return self._found or location.project_of(Path.cwd()) / location.NAME

    @property
    def project(self) -> Path | None:
        """The folder above this one in which the store was found, if there is one, from here."""
        found = None if self.chosen else self._found
        return None if found is None else Path(os.path.relpath(found.parent))

    def has_store(self) -> bool:
        """Say whether there is a store already."""
        from ork.store import location

        return self._found is not None and location.is_there(
            self._found, environ=self.world.environ
        )

    def use(self, text: str) -> None:
        """Use the store of a path or a URL, whatever the environment says."""
        from ork.backends.address import is_url

        self.close()
        for found in ("chosen", "_found"):  # before, perhaps
            self.__dict__.pop(found, None)
        if not is_url(text):
            from ork.store import location

            self._store_path = location.store_of(Path(text).absolute())
            return
        # Processes that are started for this command find the same one.
        self._store_path = None
        environ = {**self.world.environ, "ORK_STORE": text}
        self.world = self.world._replace(environ=environ)

    def use_project_of(self, paths: Iterable[Path]) -> None:
        """Use the store of the project in which files lie, if no store was chosen.

        Where they have none yet, its place is the top of their git repository, else this folder if
        they lie below it, else their own. Hints name a store that is not the one of this folder.
        A store that was chosen is used for the clone in which they lie.
        """
        from ork.store import location

        self._named = [*paths]
        if self.chosen is not None:
            if self._store is not None:
                self._place(self._store)
            return
        here = Path.cwd()
        found: dict[Path, Path] = {}  # the project of each
        for path in self._named:
            folder = Path(os.path.realpath(path if path.is_dir() else path.parent))
            store = location.find(folder, environ={}) or self._found
            top = location.project_of(folder)
            inside = here if not (top / ".git").exists() and folder.is_relative_to(here) else top
            found.setdefault(store.parent if store else inside, path)
        if len(found) > 1:
            first, second, *_ = found.values()
            raise UsageError(
                f"{first} and {second} lie in two projects",
                hint="name the files of one, or one store for all: `ork --store PROJECT ...`",
            )
        for project in found:
            if project != (self._found.parent if self._found else location.project_of(here)):
                self.use(str(project / location.NAME))
                self.store_option = os.path.relpath(project)

    def _place(self, store: Store) -> Store:
        """Return a store that was chosen as one of the project of the files that are named."""
        from ork.store import location

        if self.chosen and self._named:
            environ = self.world.environ
            store.project = location.project_of_files(self.chosen, self._named, environ=environ)
        return store

    def need_no_store(self) -> None:
        """Work in memory where there is no store: files are compared, and nothing is kept."""
        if not self.has_store():
            self.use("memory:")

    def now(self) -> datetime:
        """Return the present moment in the user's time zone."""
        return self.world.clock().astimezone(LOCAL)

    def author(self) -> str:
        """Return who is to be recorded; git may be asked, once."""
        from ork.worktree.origin import author

        if self._author is None:
            self._author = author(self.world.environ, Path.cwd())
        return self._author

    def stamp(self) -> Stamp:
        """Return who does what, when: for the record of this command."""
        from ork.store.store import Stamp, typed

        argv = ("ork", *typed(self.argv))
        return Stamp(time=self.world.clock(), author=self.author(), argv=argv)

    def color_on(self, stream: Any = None) -> bool:
        """Say whether to paint.

        --color says so, else NO_COLOR, FORCE_COLOR and CLICOLOR_FORCE, else CLICOLOR=0, and whether
        the stream is a terminal that can.
        """
        environ = self.world.environ
        if self.color in ("always", "never"):
            return self.color == "always"
        if environ.get("NO_COLOR"):
            return False
        if any(environ.get(name, "0") not in ("", "0") for name in FORCE_COLOR):
            return True
        can = environ.get("TERM") != "dumb" and environ.get("CLICOLOR") != "0"
        return can and (stream or sys.stdout).isatty()

    def print(self, lines: Iterable[Line], *, page: bool = False, verbatim: bool = False) -> None:
        """Show lines on standard output; `page` when they may be many.

        On a terminal long ones are wrapped between words, but for those that are `verbatim`.
        """
        if self.muted:
            return
        color = self.color_on()
        lines = lines if verbatim else fitted_lines(lines, self.width)
        if page and self.pager and sys.stdout.isatty():
            page_lines(lines, color=color, environ=self.world.environ)
        else:
            sys.stdout.writelines(texts_of(lines, color=color))

    def print_json(self, schema: str, value: Any) -> None:
        """Show a value as the JSON document of a command."""
        sys.stdout.writelines(json_parts(document(schema, value)))
        sys.stdout.write("\n")

    def print_bytes(self, data: bytes) -> None:
        """Write bytes to standard output as they are; to a terminal without control characters."""
        sys.stdout.flush()
        if sys.stdout.isatty() and data:
            text = data.decode("utf-8", "backslashreplace").removesuffix("\n")
            sys.stdout.writelines(texts_of([[line] for line in text.split("\n")], color=False))
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()

    def say(self, *lines: Line) -> None:
        """Tell the user something that is not the answer: on standard error, if anybody reads.

        Commands in hints and notes work when pasted.
        """
        sys.stdout.flush()
        if self.store_option == "memory:":  # it goes with this command: none can come next
            lines = tuple(line for line in lines if ("next: ", "hint") not in line)
        if self.muted:
            lines = tuple(_gone_wrong(lines))
        lines = tuple(self._pasted_line(line) for line in lines)
        with unread_is_no_error():
            width = terminal_width(sys.stderr, self.world.environ)
            shown = texts_of(fitted_lines(lines, width), color=self.color_on(sys.stderr))
            sys.stderr.write("".join(shown))
            sys.stderr.flush()

    def pasted(self, text: str) -> str:
        """Return a hint in which each command names the folder and the store that this one names.

        A store only where the hint names no place itself, and nothing behind the word `there`, as
        in "there `ork fsck` says more": that is to be typed where another store is.
        """
        from ork.backends.address import public

        at = f"-C {shlex.quote(str(self.started_in))} " if self.started_in != Path() else ""
        store = f"--store {shlex.quote(public(self.store_option))} " if self.store_option else ""

        def named(found: re.Match[str]) -> str:
            return f"`ork {at}{found[1] or store}"

        return re.sub(_COMMAND, named, text)

    def _pasted_line(self, line: Line) -> Line:
        if not any(isinstance(part, tuple) and part[1] in _HINTING for part in line):
            return line
        return [self.pasted(one) if isinstance(one, str) else one for one in line]

    @property
    def width(self) -> int | None:
        """The columns of the terminal, None when standard output is none."""
        return terminal_width(sys.stdout, self.world.environ)

    def close(self) -> None:
        """Release the store."""
        if self._store is not None:
            from ork.store import location

            self._store.close()
            if self._store.folder is not None:
                location.remove_passing(self._store.folder)
            self._store = None

    def unsettled(self) -> Store:
        """Return the store as it is, for what writes nothing: dead runs are not settled."""
        from ork.store import location

        if self._store is None:
            opened = location.open_here(self.folder, environ=self.world.environ)
            self._store = self._place(opened)
        return self._store

    def _open(self, *, create: bool) -> Store:
        if self._store is not None:
            return self._store
        from ork.store import location

        environ = self.world.environ
        folder = self.store_folder if create else self.folder
        if create:
            is_ours = not location.is_distant(folder, environ=environ)
            if is_ours and not location.is_there(folder, environ=environ):
                made = location.make(folder, environ=environ)
                if made and not self.quiet:
                    place = location.elsewhere(folder, environ=environ)
                    in_git = place is None and location.is_in_git(folder)
                    more = "; git ignores it: `git clean -fdx` deletes all history"
                    told = f"made an empty store in {place or os.path.relpath(folder)}"
                    self.say(note_line(told + more * in_git))
        self._store = self._place(location.open_here(folder, environ=environ))
        if location.is_unfinished(folder, environ=environ):
            told = "`ork forget` was stopped before its end: type the same command again"
            self.say(note_line(told))
        self._settle(self._store)
        if self.at_op is not None:
            from ork.heads.undo import at_operation

            self._store = at_operation(self._store, self.at_op, now=self.now())
        self._store.here = Path.cwd()
        return self._store

    def _settle(self, store: Store) -> None:
        """Mark runs whose owner was killed; costs one look-up when nothing runs."""
        if next(iter(store.refs("active/")), None) is None:
            return
        from ork.runner.record import Unsettled, settling

        try:
            for run in settling(store, now=self.world.clock()):
                self.say(note_line(f"{run.name} was interrupted: {run.reason}"))
        except Unsettled as error:  # what is asked for may have nothing to do with that run
            told = f"shown as running, though nobody executes it: {error.message}"
            self.say(note_line(told), hint_line(error.hint or "`ork fsck`"))
        except Corrupt:
            raise
        except StoreError as error:
            # A full disk or a store that may only be read: looking at it works nevertheless.
            self.say(note_line(f"runs that nobody executes are shown as running: {error}"))


def _gone_wrong(lines: Iterable[Line]) -> Iterator[Line]:
    """Yield errors and warnings, with what is told below each, and what to do about it."""
    told = False
    for line in lines:
        text = plain(line)
        if not text.startswith((" ", "hint: ")):
            told = text.startswith(("error: ", "warning: "))
        if told:
            yield line
