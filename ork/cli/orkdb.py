"""ork import ork-db: what comes out of a database of the original, and what does not"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ork.cli.screen.human import count
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.errors import UsageError

if TYPE_CHECKING:
    from ork.orkdb.importing import ImportedDatabase
    from ork.store.store import Store


def import_ork_db(
    session: Session,
    source: str,
    rename: Sequence[str],
    *,
    unfinished: bool,
    allow_secret: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take in a database of the original, and show what became of it."""
    from ork.orkdb.database import open_database
    from ork.orkdb.importing import import_database, names_of

    wishes = dict(_wish(text) for text in rename)
    database = open_database(source)  # before a store is made
    try:
        names_of(database, wishes)  # or what is wrong with these
        if dry_run:
            session.need_no_store()
        done = import_database(
            session.new_store,
            database,
            stamp=session.stamp(),
            rename=wishes,
            unfinished=unfinished,
            allow_secret=allow_secret,
            dry_run=dry_run,
        )
    finally:
        database.close()
    if as_json:
        session.print_json("import-ork-db", done)
        return
    session.print(_imported(done, session.store))
    session.say(*_told(done))


def _wish(text: str) -> tuple[str, str]:
    old, equals, new = text.rpartition("=")
    if not equals:
        raise UsageError(f"--rename {text}: say OLD=NEW", hint='as in --rename "My Flow=my_flow"')
    return old, new


def _imported(done: "ImportedDatabase", store: "Store") -> Iterator[Line]:
    added = [one for one in done.workflows if one.deploys or one.runs]
    width = column(one.workflow for one in added)
    for one in added:
        assert one.snapshot is not None
        parts = [
            count(number, f"new {noun}" if one.parent else noun)
            for number, noun in ((one.deploys, "deploy"), (one.runs, "run"))
            if number
        ]
        yield [
            (f"{one.workflow:<{width}}", "name"),
            "  ",
            (store.short(one.snapshot), "oid"),
            f"  {', '.join(parts)}",
        ]
    if not added:
        yield [f"nothing new in {quoted(done.database)}"]


def _told(done: "ImportedDatabase") -> Iterator[Line]:
    """Yield what has another name here, what was left out, and what to do next."""
    for old, new in done.renamed:
        yield [("renamed ", "warning"), f"{quoted(old)} to ", (new, "name")]
    for one in done.left_out:
        what = f": {quoted(one.what)} - {quoted(one.reason)}"
        yield [("left out ", "warning"), (quoted(one.workflow), "name"), what]
    largest = max(done.workflows, key=lambda one: one.deploys + one.runs, default=None)
    added = largest if largest and largest.deploys + largest.runs else None
    if done.dry_run:
        yield note_line("this was a dry run: nothing was written")
    elif added is not None:
        yield note_line(
            "the code of tasks was never in this database: deploy the files to run them"
        )
        yield next_line(f"`ork log {added.workflow}`")
