"""`ork diff --git-driver`: what git shows instead of the lines of a workflow file (docs/git.md).

git calls it for each file of `diff=ork`, with the two versions in temporary files. The code that a
workflow calls is not there, so definitions and settings are compared, and no code.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from ork.cli.screen.line import Line
from ork.cli.session import Session
from ork.definition.workflow import Definition, parse
from ork.errors import InvalidInput, NotFound, UsageError

ARGUMENTS = (1, 7, 9)  # an unmerged path; a pair of versions; of a renamed file
LINES_MAX = 2000  # of a text diff, for a file that is no workflow
OID_DIGITS = 8
_NOTHING = "/dev/null"


def show(session: Session, args: list[str]) -> None:
    """Print the structural diff of two versions of a workflow file.

    `args` are those that git gives to a diff driver. A version that is no workflow makes it a diff
    of the texts, which says why.
    """
    if len(args) not in ARGUMENTS:
        raise UsageError(
            "--git-driver is for git, which gives it seven arguments",
            hint='`git config diff.ork.command "ork diff --git-driver --"`',
        )
    if session.color == "auto" and session.world.environ.get("GIT_PAGER_IN_USE") == "true":
        environ = session.world.environ
        plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
        session.color = "never" if plain else "always"
    if len(args) == 1:
        session.print([[("unmerged ", "heading"), (args[0], "file")]])
    else:
        session.print(_lines(session, args))


def _lines(session: Session, args: list[str]) -> Iterator[Line]:
    path, old_file, old_name, _, new_file, new_name, _ = args[:7]
    names = path if len(args) == 7 else f"{path} -> {args[7]}"
    oids = f"{_version(old_file, old_name)}..{_version(new_file, new_name)}"
    yield [("workflow ", "heading"), (names, "file"), "  ", (oids, "dim")]
    try:
        yield from _structure(session, path, old_file, new_file)
    except InvalidInput as error:
        first = error.problems[0] if error.problems else None
        why = f"line {first.line}: {first.message}" if first else error.message
        yield [("lines, because one side is no workflow: ", "dim"), why]
        yield from _text(_read(old_file), _read(new_file))


def _version(file: str, name: str) -> str:
    """Return git's name of a version; it has none for a file that is not committed."""
    if file == _NOTHING:
        return "none"
    return name[:OID_DIGITS] if name.strip("0") else "work tree"


def _structure(session: Session, path: str, old_file: str, new_file: str) -> Iterator[Line]:
    from ork.cli.diff.text import diff_view
    from ork.cli.diff.wording import replacement
    from ork.differences.definitions import compare, declared

    old = _definition(old_file, f"{path} (old)")
    new = _definition(new_file, f"{path} (new)")
    before, after = (side.tasks if side else {} for side in (old, new))
    tasks = {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
    diff = compare(
        tasks=tasks,
        files={},
        read=lambda _: b"",
        settings=(old.settings if old else {}, new.settings if new else {}),
        params=(declared(old.params if old else {}), declared(new.params if new else {})),
    )
    if old and new and old.name != new.name:
        yield [("name", "heading"), "  ", *replacement("changed", old.name, new.name)]
    if old and new and old.include != new.include:
        names = (", ".join(side.include) or "none" for side in (old, new))
        yield [("include", "heading"), "  ", *replacement("changed", *names)]
    elif not diff and (old and old.name) == (new and new.name):
        yield [("the same definition: only comments, order or notation differ", "dim")]
    yield from diff_view(diff, width=session.width)


def _definition(file: str, name: str) -> Definition | None:
    return None if file == _NOTHING else parse(_read(file), file=name)


def _read(file: str) -> bytes:
    from ork.worktree.load import read_text

    if file == _NOTHING:
        return b""
    try:
        return read_text(Path(file))
    except NotFound as error:
        raise InvalidInput(error.message) from None


def _text(old: bytes, new: bytes) -> Iterator[Line]:
    from ork.cli.diff.text import text_view

    found = text_view(old, new)
    yield from islice(found, LINES_MAX)
    if next(found, None):
        yield [("... and more", "dim")]
