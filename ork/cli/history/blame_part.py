"""Who last touched what -> lines: parts of a definition, or the lines of a text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import groupby

from ork.cli.screen import human as words
from ork.cli.screen.line import Line
from ork.cli.screen.parts import (
    AUTHOR_COLUMNS_MIN,
    CLIP_MIN,
    author_room,
    clip,
    length,
    person,
    quoted,
)
from ork.cli.session import Session
from ork.history.blame import Blame, BlamedLine, Part
from ork.objects.canonical import Oid
from ork.store.store import Store

HEADINGS = {"task": "tasks", "setting": "settings", "param": "params", "file": "files"}
NAME_CHARS_MAX = 32  # longer names push the rest of their line to the right


def parts_view(blame: Blame, store: Store, session: Session) -> Iterator[Line]:
    """Yield a line for each part: deploy, author, date, name, and its value or the message."""
    leads = _Leads(blame, store, session)
    for kind, group in groupby(blame.parts, key=lambda part: part.kind):
        parts = list(group)
        if blame.name is None:
            yield [(HEADINGS[kind], "heading")]
        else:
            yield [(quoted(blame.name), "heading"), *(f"  {was}" for was in _was(parts[0], leads))]
        texts = [_name(part, alone=blame.name is not None) for part in parts]
        pad = _pad(texts, NAME_CHARS_MAX)
        for part, text in zip(parts, texts, strict=True):
            line: Line = [
                *leads.of(part.deploy, boundary=part.boundary),
                "  ",
                (f"{text:<{pad}}", "name"),
            ]
            yield _with_rest(line, _rest(part, blame, leads), session.width)


def lines_view(blame: Blame, store: Store, session: Session) -> Iterator[Line]:
    """Yield each line of the text after the deploy that last touched it, as git blame does.

    On a terminal the author and date of a deploy stand on the first of its lines only.
    """
    leads = _Leads(blame, store, session)
    moved = len({line.path for line in blame.lines}) > 1
    path_pad = _pad({line.path for line in blame.lines}, NAME_CHARS_MAX) if moved else 0
    digits = len(str(len(blame.lines)))
    above = None
    for line in blame.lines:
        again = session.width is not None and line.deploy == above
        above = line.deploy
        path: Line = ["  ", (f"{quoted(line.path):<{path_pad}}", "file")] if moved else []
        yield [
            *leads.of(line.deploy, boundary=line.boundary, again=again),
            *path,
            "  ",
            (f"{line.number:>{digits}}", "dim"),
            "  ",
            line.text,
        ]


class _Leads:
    """The first columns, one width for all lines: short hash, author, date."""

    def __init__(self, blame: Blame, store: Store, session: Session) -> None:
        self.deploys = blame.deploys
        now = session.now()
        shown: Iterable[Part | BlamedLine] = blame.parts or blame.lines
        self.wide = session.width is None or session.width >= AUTHOR_COLUMNS_MIN
        room = author_room(session.width)
        self.mark = any(one.boundary for one in shown)
        self.oids = {oid: store.short(one.snapshot) for oid, one in blame.deploys.items()}
        self.authors = {oid: person(one.author, room) for oid, one in blame.deploys.items()}
        self.times = {
            oid: words.ago(one.time, now) if session.width else words.date(one.time, now)
            for oid, one in blame.deploys.items()
        }
        self.pads = [_pad(texts.values(), 64) for texts in (self.oids, self.authors, self.times)]

    def of(self, oid: Oid, *, boundary: bool, again: bool = False) -> Line:
        """Return the columns of one deploy; ^ says that nothing before it was looked at.

        `again` leaves out what the line above says already, but for the hash.
        """
        mark = ("^" if boundary else " ") if self.mark else ""
        author, time = ("", "") if again else (self.authors[oid], self.times[oid])
        column: Line = [(f"{author:<{self.pads[1]}}", "author"), "  "] if self.wide else []
        return [
            (f"{mark}{self.oids[oid]:<{self.pads[0]}}", "oid"),
            "  ",
            *column,
            (f"{time:<{self.pads[2]}}", "time"),
        ]


def _name(part: Part, *, alone: bool) -> str:
    if part.field is None:
        return quoted(part.name)
    return part.field if alone else f"{quoted(part.name)}.{part.field}"


def _rest(part: Part, blame: Blame, leads: _Leads) -> list[str]:
    """Return what is told of a part behind its name, the most important first."""
    if part.field is not None or part.kind in ("setting", "param"):
        return [json.dumps(part.value, ensure_ascii=False)]
    return [*_was(part, leads), blame.deploys[part.deploy].message.partition("\n")[0]]


def _was(part: Part, leads: _Leads) -> list[str]:
    """Return the name before the newest rename, if there was one."""
    if part.old_name is None or part.renamed_by is None:
        return []
    return [f"(was {quoted(part.old_name)} until {leads.oids[part.renamed_by]})"]


def _with_rest(line: Line, rest: list[str], width: int | None) -> Line:
    """Return a line with what there is room for."""
    line = [*line, "  ", clip(rest[0], width and width - length(line) - 2)]
    for text in rest[1:]:
        room = width and width - length(line) - 2
        if room is None or room >= min(len(text), CLIP_MIN):
            line += ["  ", clip(text, room)]
    return line


def _pad(texts: Iterable[str], most: int) -> int:
    return max((len(text) for text in texts if len(text) <= most), default=0)
