"""Parts that several pages share: the two ends of a change, deploys, runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from ork.cli.report.markup import Html, Part, chip, code, el, join, multiline, table
from ork.cli.screen import human as words
from ork.cli.screen.human import STATE_WORDS

if TYPE_CHECKING:
    from ork.history.compare import Comparison, Side
    from ork.history.log import LogEntry
    from ork.objects.kinds import Run

OID_DIGITS = 12


def short(oid: str) -> Html:
    """Return the begin of an oid, the whole of it to point at."""
    return el("code", oid[:OID_DIGITS], class_="thin", title=oid)


def ends_line(comparison: Comparison) -> Html:
    """Return from what to what: both revisions, each with its snapshot."""
    return join([_side(comparison.old), " → ", _side(comparison.new)])


def state_chip(state: str) -> Html:
    """Return the state of a run or a task in its colour."""
    return chip(STATE_WORDS.get(state, state), state)


def deploys_table(entries: Iterable[LogEntry], now: datetime) -> Html:
    """Return deploys with who made them, when, why, and how their runs went."""
    rows: list[list[Part]] = []
    for entry in entries:
        deploy = entry.deploy
        title, _, body = deploy.message.rstrip("\n").partition("\n")
        tags: list[Part] = [[" ", chip(f"@{tag}", "renamed")] for tag in entry.tags]
        if deploy.action != "deploy":
            tags.append([" ", chip(deploy.action, "same")])
        more = multiline(body.strip("\n")) if body.strip() else None
        message = [el("span", title), tags, more and el("div", more, class_="message soft")]
        runs: list[Part] = [
            [chip(f"{number:,} {STATE_WORDS.get(state, state)}", state), " "]
            for state, number in sorted(
                entry.runs.counts.items(), key=lambda item: item[0] != "success"
            )
        ]
        if entry.runs.last is not None:
            runs.append(el("span", f"newest #{entry.runs.last}", class_="soft thin"))
        who = [
            el("span", deploy.author.partition(" <")[0], title=deploy.author),
            " ",
            el("div", words.date(deploy.time, now)[:16], class_="soft thin"),
        ]
        none = el("span", "none", class_="soft")
        rows.append([short(deploy.snapshot), message, who, runs or none])
    return table(("snapshot", "message", "by", "runs"), rows)


def runs_table(runs: Iterable[Run], now: datetime) -> Html:
    """Return runs: how each went, when, for how long, and why it did not succeed."""
    rows = [
        [
            code(f"{run.workflow}#{run.number}"),
            state_chip(run.state),
            short(run.snapshot),
            el("span", words.date(run.created, now)[:16], class_="thin"),
            el("span", words.duration(run.seconds), class_="thin"),
            run.reason and el("span", run.reason, class_="why"),
        ]
        for run in runs
    ]
    return table(("run", "state", "snapshot", "began", "took", "why"), rows)


def _side(side: Side) -> Html:
    text = side.text if side.text != "@" else side.workflow or "@"
    return join([text, " ", el("span", short(side.snapshot), class_="soft")])
