"""ork fsck: what is wrong with a store, a line for each finding."""

from collections.abc import Iterator
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.line import Line, as_object, hint_line
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.errors import StoreError, UsageError
from ork.store import location
from ork.upkeep.findings import Finding
from ork.upkeep.fsck import Depth, Examined
from ork.upkeep.fsck import fsck as check
from ork.upkeep.objects import missing

_REPAIR = "`ork fsck --repair` makes whole what can be proven, and deletes nothing"
_BESIDE = "make a store beside this one: `ork init --from BACKUP FOLDER`, `ork clone OTHER FOLDER`"
_GONE = f"no repair has what is missing: {_BESIDE}"
_ELSEWHERE = (
    "what is still missing is nowhere here: put a file back to where it was and repair again, or"
    f" {_BESIDE}"
)
_LOST = (
    "`ork init --from BACKUP FOLDER` makes a store of a backup, which may have it, beside this one"
)
_RUNS = "`ork gc --damaged --prune` removes the runs that lack something, which no backup can have"
_LOOKS = {"error": "error", "warning": "warning", "note": "dim"}


def fsck(
    ctx: typer.Context,
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not read code, texts and outputs, nor every page.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Look at objects that nothing needs, too.")
    ] = False,
    mend: Annotated[
        bool, typer.Option("--repair", help="Make what can be proven whole again; delete nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check that nothing is lost or damaged.

    Reads the data file page by page, then every ref and every object that something needs, and
    compares them: objects with their names, heads and tags with the log of operations, what is
    kept of runs with the runs. Each finding is a line with a code, which docs/reliability.md
    explains, and what suffers. Nothing is written. Other commands may go on meanwhile. Warnings and
    notes are no errors.

    With --repair a new data file is made of all objects and refs that prove whole, and of what
    follows from them; the old one stays below .ork/quarantine. Nobody else may have the store open.
    A store that has gone back is accepted as it is.

    Where no name is left that leads to anything, it refuses, and the store stays as it is.

    Exit codes: 0 whole; 1 there are errors, or still are, or --repair could not save all.

    \b
    Example:
        ork fsck
    """
    session: Session = ctx.obj
    if quick + full + mend > 1:
        raise UsageError("--quick, --full and --repair exclude each other")
    if session.at_op is not None:
        raise UsageError("--at-op is for looking back; fsck checks the store as it is now")
    if mend:
        _repair(session, as_json)
        return
    depth: Depth = "quick" if quick else "full" if full else "default"
    found = check(session.folder, environ=session.world.environ, depth=depth)
    if as_json:
        session.print_json("fsck", _json(found))
    else:
        session.print(_lines(found), page=True)
        if found.errors:
            session.say(hint_line(_mended(session, found)))
            _say_of_runs(session, found)
    if found.errors:
        raise typer.Exit(1)


def _say_of_runs(session: Session, found: Examined) -> None:
    """Say what to do about runs that lack an object: a repair has not brought it, or would not.

    Not where a history lacks it too: that is not mended when the runs are gone.
    """
    lost = (one.affects for one in found.findings if one.code == "E101")
    if any("#" in "".join(names) and ": deploy " not in "".join(names) for names in lost):
        session.say(hint_line(_RUNS))


def _mended(session: Session, found: Examined) -> str:
    """Return what to do; to repair a store where all is lost but texts and code brings nothing."""
    errors = [one for one in found.findings if one.level == "error"]
    if all(one.code == "E101" and one.message != missing("blob") for one in errors):
        return _GONE
    try:
        location.home(session.folder, environ=session.world.environ)
    except StoreError as error:  # it is on a server
        return error.hint or error.message
    return _REPAIR


def _repair(session: Session, as_json: bool) -> None:
    from ork.upkeep.repair import repair

    environ, now = session.world.environ, session.world.clock()
    done = repair(session.folder, environ=environ, now=now)
    if as_json:
        both = {"before": _json(done.before), "after": _json(done.after)}
        session.print_json("repair", as_object(done) | both)
    else:
        session.print([step] for step in done.steps)
        session.print(
            _lines(done.after, "what is left is whole" if done.lost else "whole"), page=True
        )
        for words in done.lost:
            session.say([("lost: ", "error"), words])
        if hint := _ELSEWHERE if done.after.errors else _LOST if done.lost else None:
            session.say(hint_line(hint))
        _say_of_runs(session, done.after)
    if done.after.errors or done.lost:
        raise typer.Exit(1)


def _lines(found: Examined, whole: str = "whole") -> Iterator[Line]:
    for finding in found.findings:
        yield _line(finding)
    words = f"{human.count(found.objects, 'object')} and {human.count(found.refs, 'ref')}"
    if found.errors:
        yield [(f"{human.count(found.errors, 'error')}", "error"), f" in {words}"]
    else:
        yield [(whole, "success"), f": {words}"]


def _line(finding: Finding) -> Line:
    line: Line = [(finding.code, _LOOKS[finding.level]), f" {finding.word}"]
    if finding.ref is not None:
        line += ["  ", (quoted(finding.ref), "name")]
    if finding.object is not None:
        line += ["  ", (finding.object, "oid")]
    line.append(f"  {finding.message}")
    if finding.affects:
        line += ["; ", ("affects ", "label"), (", ".join(finding.affects), "affected")]
    return line


def _json(found: Examined) -> dict[str, object]:
    names = ("code", "word", "level", "message", "object", "ref", "affects")
    findings = [{name: getattr(one, name) for name in names} for one in found.findings]
    counts = {name: getattr(found, name) for name in ("depth", "objects", "refs", "errors")}
    return {**counts, "findings": findings}
