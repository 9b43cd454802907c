"""Deploys in a log -> lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ork.cli.screen import human as words
from ork.cli.screen.human import STATE_WORDS
from ork.cli.screen.line import Line, wrap_body
from ork.cli.session import Session
from ork.history.log import LogEntry, Tally
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.differences.definitions import Diff


def log_view(
    entries: Iterable[LogEntry],
    store: Store,
    session: Session,
    *,
    stat: bool,
    patch: bool,
    oneline: bool,
) -> Iterator[Line]:
    """Yield each deploy in its long form, with its change when it was asked for."""
    for index, entry in enumerate(entries):
        if oneline:
            yield next(oneline_view([entry], store, session))
        else:
            if index:
                yield [""]
            yield from deploy_header(entry, store, session)
            yield [""]
            yield from wrap_body(entry.deploy.message, "    ")
        if entry.diff and (stat or patch):
            if not oneline:
                yield [""]
            for line in _change(entry.diff, store, session.width, patch=patch):
                yield ["  ", *line]


def deploy_header(entry: LogEntry, store: Store, session: Session) -> Iterator[Line]:
    """Yield the head of the long form: hashes, author, date, how the runs went."""
    now, deploy = session.now(), entry.deploy
    yield [
        ("snapshot ", "label"),
        (_oid(deploy.snapshot, store, session), "oid"),
        *_decoration(entry),
    ]
    yield [("deploy   ", "label"), _oid(entry.oid, store, session)]
    if deploy.action != "deploy":
        yield [("action   ", "label"), deploy.action]
    if deploy.restores:
        yield [("restores ", "label"), _oid(deploy.restores, store, session)]
    yield [("author   ", "label"), deploy.author]
    yield [
        ("date     ", "label"),
        words.date(deploy.time, now),
        f" ({words.ago(deploy.time, now)})" if session.width else "",
    ]
    if entry.runs.counts:
        yield [("runs     ", "label"), *_runs(entry.runs, deploy.workflow)]


def oneline_view(entries: Iterable[LogEntry], store: Store, session: Session) -> Iterator[Line]:
    """Yield one line per deploy: snapshot, time, message, names, runs."""
    now = session.now()
    for entry in entries:
        deploy = entry.deploy
        time = words.ago(deploy.time, now) if session.width else words.date(deploy.time, now)
        line: Line = [
            (store.short(deploy.snapshot), "oid"),
            "  ",
            (f"{time:<14}", "time"),
            "  ",
            deploy.message.partition("\n")[0],
            *_decoration(entry),
        ]
        if entry.runs.counts:
            line += ["  [", *_runs(entry.runs, deploy.workflow, short=True), "]"]
        yield line


def _change(diff: Diff, store: Store, width: int | None, *, patch: bool) -> Iterator[Line]:
    from ork.cli.diff.stat import stat_view
    from ork.cli.diff.text import diff_view
    from ork.differences.definitions import with_hunks

    if patch:
        return diff_view(with_hunks(diff, store.blob), width=width, patch=True)
    return stat_view(diff, width=width)


def _decoration(entry: LogEntry) -> Line:
    names: Line = []
    if entry.head:
        names.append((entry.deploy.workflow, "head"))
    names += [("@" + tag, "tag") for tag in entry.tags]
    if not names:
        return []
    line: Line = [" ("]
    for index, name in enumerate(names):
        line += [", ", name] if index else [name]
    return [*line, ")"]


def _runs(tally: Tally, workflow: str, *, short: bool = False) -> Line:
    line: Line = []
    for state, number in sorted(tally.counts.items(), key=lambda item: item[0] != "success"):
        if line:
            line.append(", ")
        line.append((f"{number} {STATE_WORDS.get(state, state)}", state))
    if tally.last is not None and not short:
        line.append(f", newest {workflow}#{tally.last}")
    return line


def _oid(oid: str, store: Store, session: Session) -> str:
    return store.short(oid) if session.width else oid  # type: ignore[arg-type]
