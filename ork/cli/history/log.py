"""ork log"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError

if TYPE_CHECKING:
    from ork.history.log import LogEntry


def command(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISION] [-- NAMES...]",
            help="A workflow, deploy or range A..B, with :TASK or :PATH only what changed that; "
            "all workflows when left out. After --, tasks and code files of interest.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("-n", min=0, help="Show at most this many.")] = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="One line per deploy.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="With a summary of each change.")] = False,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="With the whole change.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="With names: go on under the name before a rename.")
    ] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Oldest first.")] = False,
    since: Annotated[str | None, typer.Option(help="Not before: 2026-11-01, '2 days ago'.")] = None,
    until: Annotated[str | None, typer.Option(help="Not after.")] = None,
    author: Annotated[str | None, typer.Option(help="Only authors that match this regex.")] = None,
    grep: Annotated[str | None, typer.Option(help="Only messages that match this regex.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the deploys of a workflow, newest first.

    Each entry leads with its snapshot: the same content has the same hash on every machine.

    etl:extract lists the deploys that changed this task: its definition, or a code file that it
    names itself; what that file imports does not count. --stat and -p then show this part only.
    `-- NAMES` is for several parts, and for those that are gone by now.

    \b
    Example:
        ork log etl -n 5 --oneline
        ork log etl:extract -p --follow
    """
    from ork.cli.history.log_part import log_view, oneline_view
    from ork.history.log import log
    from ork.store.revision import parse_moment, split_part

    session: Session = ctx.obj
    revision, names = _asked(session, words or [])
    if follow and not names and (revision is None or split_part(revision)[1] is None):
        raise UsageError(
            "--follow needs a task or code file to follow",
            hint=f"as in `ork log {revision or 'etl'}:extract --follow`",
        )
    store, now = session.store, session.now()
    entries = log(
        store,
        revision,
        now=now,
        limit=limit,
        author=author,
        grep=grep,
        reverse=reverse,
        since=parse_moment(since, now) if since else None,
        until=parse_moment(until, now, end_of_day=True) if until else None,
        with_diff=stat or patch,
        names=names,
        follow=follow,
    )
    found = _peeked(entries) if names else entries
    if found is None:
        session.say([f"no deploy changed {' or '.join(names)}"])
    entries = found or iter(())
    if as_json:
        session.print_json("log", list(entries))
        return
    if oneline and not (stat or patch):
        session.print(oneline_view(entries, store, session), page=True)
    else:
        session.print(
            log_view(entries, store, session, stat=stat, patch=patch, oneline=oneline), page=True
        )


def _peeked(entries: Iterator[LogEntry]) -> Iterator[LogEntry] | None:
    """Return the same entries, or None when there are none."""
    from itertools import chain

    first = next(entries, None)
    return None if first is None else chain((first,), entries)


def _asked(session: Session, words: Sequence[str]) -> tuple[str | None, Sequence[str]]:
    """Return the revision, and the names after `--`."""
    names: Sequence[str] = ()
    if "--" in session.argv:
        from ork.cli.history.diffing import split_words

        words, names = split_words(session.argv, words)
    if len(words) > 1:
        raise UsageError(
            f"one revision is enough, and there are {len(words)}",
            hint=f"names of tasks come after --: `ork log {words[0]} -- {words[1]}`",
        )
    return words[0] if words else None, names
