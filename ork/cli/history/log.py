"""ork log, and how other commands show a deploy"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, islice
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Author, Json, Limit, NotAfter, NotBefore, at_most_one
from ork.cli.screen import human
from ork.cli.screen.fit import WIDTH_MIN, after, columns, cut, fitted_lines
from ork.cli.screen.line import MARKS, Line, body_lines, hint_line, plain
from ork.cli.screen.parts import clip, column, is_narrow
from ork.cli.session import Session
from ork.errors import Corrupt, NotFound, UsageError
from ork.history import log as history
from ork.history.log import LogEntry
from ork.objects.canonical import Oid
from ork.store.resolve import workflows
from ork.store.revision import (
    as_word,
    in_workflow,
    parse_range,
    parse_since,
    parse_span,
    split_part,
    workflow_in,
)
from ork.store.store import Store
from ork.store.verdict import Tally
from ork.worktree.lookup import look_up

if TYPE_CHECKING:
    from ork.differences.definitions import Diff

MESSAGE_MIN = 8  # columns of a message that is cut


def log(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISION]... [-- NAMES...]",
            help="A workflow, deploy or range A..B, with :TASK or :PATH only what changed that; "
            "several: what any has; all workflows when left out. After --, tasks and code files of "
            "interest.",
        ),
    ] = None,
    limit: Limit = None,
    oneline: Annotated[bool, typer.Option("--oneline", help="One line per deploy.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="With a summary of each change.")] = False,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="With the whole change.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="With names: go on under the name before a rename.")
    ] = False,
    graph: Annotated[
        bool, typer.Option("--graph", help="Draw the line of each history on the left.")
    ] = False,
    reverse: Annotated[bool, typer.Option("--reverse", help="Oldest first.")] = False,
    since: NotBefore = None,
    until: NotAfter = None,
    author: Author = None,
    grep: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Only messages that match.")
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(
            "-S",
            metavar="TEXT",
            help="Only deploys that brought this text or took it away, in definition or code as "
            "`ork grep` prints them.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the deploys of a workflow, newest first.

    Each entry has its deploy, which is that entry and what `ork blame` names, and its snapshot,
    which is the content: what has the same content has the same snapshot on every machine, and
    `ork deploy`, `ork status`, `ork runs` and messages name it. --oneline has both, in this order;
    below 80 columns the deploy alone. It also says how the runs of that deploy went.

    etl:extract lists the deploys that changed this task: its definition, or a code file that it
    names itself; what that file imports does not count, nor what `env` of the workflow changed in
    most tasks alike. --stat and -p then show this part only.
    `-- NAMES` is for several parts, and for those that are gone by now.

    A..B is what B has and A has not, A...B what one of both alone has: < marks that of A, > that
    of B. `--graph etl origin/etl` draws where the two went different ways.

    \b
    Example:
        ork log etl -n 5 --oneline
        ork log etl:extract -p --follow
        ork log etl -S ORK_OUTPUT --oneline
        ork log etl...origin/etl --oneline
    """
    session: Session = ctx.obj
    at_most_one({"--stat": stat, "-p": patch})
    for name, given in {"--oneline": oneline, "--graph": graph}.items():
        at_most_one({"--json": as_json, name: given})
    revisions: tuple[str, ...] = tuple(words or ())
    names: tuple[str, ...] = ()
    if "--" in session.argv:
        from ork.cli.history.diff import split_words

        revisions, names = split_words(session.argv, revisions)
    revision = revisions[0] if revisions else None
    others = _others(session, revisions)
    sides = parse_since(split_part(revision)[0]) if revision else None
    if follow and (others or sides):
        raise UsageError("--follow goes back in one history, and there are several")
    if follow and not names and (revision is None or split_part(revision)[1] is None):
        raise UsageError(
            "--follow needs a task or code file to follow",
            hint=f"as in `ork log {as_word(revision or 'etl')}:extract --follow`",
        )
    if graph and reverse:
        raise UsageError("--graph draws from the newest on: leave --reverse out")
    store, now = session.store, session.now()
    all_names = [] if revision else workflows(store)
    if len(all_names) == 1:
        revision = all_names[0]
    begin, end = parse_span(since or None, until or None, now)
    damage: list[Corrupt] = []
    entries = history.log(
        store,
        revision,
        others=others,
        now=now,
        limit=limit,
        author=author,
        grep=grep,
        text=text,
        reverse=reverse,
        since=begin,
        until=end,
        with_diff=stat or patch,
        names=names,
        follow=follow,
        damage=None if as_json else damage,
    )
    if as_json:
        session.print_json("log", list(entries))
        return
    first = next(entries, None)
    if first is None and not damage:
        session.say([f"no deploy changed {' or '.join(names)}" if names else "no deploys"])
        if text:
            session.say(hint_line("values are searched as `ork grep` prints them: 60 for `1m`"))
        return
    entries = chain([first] if first else [], entries)
    oldest: list[LogEntry] = []
    entries = _noting_oldest(entries, oldest, reverse=reverse)
    if oneline or session.width:
        entries = store.shortened(entries, lambda entry: [entry.deploy.snapshot, entry.oid])
    shown_names = [_shown_name(name, session) for name in all_names]
    named = max(1, column(shown_names)) if len(all_names) > 1 else 0
    width = None if stat or patch else session.width  # of one line for each
    if width and (graph or sides):
        width -= 2 * max(len(all_names), len(sides or revisions) if graph else 1, 1)
    shown = (
        (entry, _entry(entry, session, width, patch=patch, oneline=oneline, named=named))
        for entry in entries
    )
    marks = dict(zip(sides, "<>", strict=True)) if sides else {}
    if graph:
        lines = _graph(shown, session.width, marks)
    else:
        lines = _lines(shown, marks, apart=not oneline)
    session.print(lines, page=True)
    if damage:
        raise damage[0]
    part = split_part(revision)[1] if revision else None
    parts = (*names, part) if part else names
    if parts and oldest and not follow:
        from ork.history.filters import renamed_by

        for name, was in renamed_by(store, oldest[0].deploy, parts).items():
            session.say(hint_line(f"{name} was called {was} before: `--follow` goes on from there"))


def _others(session: Session, revisions: tuple[str, ...]) -> list[str]:
    """Return the revisions behind the first one, ~1 and @v1 as those of its workflow."""
    others = [in_workflow(workflow_in(revisions[0]), text) for text in revisions[1:]]
    for text in others:
        if ranged := next((one for one in revisions if parse_range(one) or parse_since(one)), None):
            raise UsageError(
                f"{ranged} is a range, and one is enough",
                hint=f"a range says both ends itself: `ork log {as_word(ranged)}`",
            )
        try:
            look_up(session.store, text, now=session.now())
        except NotFound as error:
            with suppress(NotFound):
                look_up(session.store, f"{revisions[0]}:{text}", now=session.now())
                typed = f"`ork log {as_word(revisions[0])} -- {as_word(text)}`"
                raise UsageError(
                    error.message, hint=f"names of tasks come after --: {typed}"
                ) from None
            raise
    return others


def _noting_oldest(
    entries: Iterable[LogEntry], oldest: list[LogEntry], *, reverse: bool
) -> Iterator[LogEntry]:
    for entry in entries:
        if not (reverse and oldest):
            oldest[:] = [entry]
        yield entry


def _entry(
    entry: LogEntry, session: Session, width: int | None, *, patch: bool, oneline: bool, named: int
) -> Iterator[Line]:
    """Yield the lines of one deploy; of several workflows `named` is how wide their names are."""
    if oneline:
        yield deploy_line(entry, session, named=named, width=width)
    else:
        yield from deploy_header(entry, session, named=named)
        yield [""]
        yield from body_lines(entry.deploy.message)
    if entry.diff:
        if not oneline:
            yield [""]
        for line in _change(entry.diff, session.store, session.width, patch=patch):
            yield after(["  "], line)


def _lines(
    entries: Iterable[tuple[LogEntry, Iterable[Line]]], marks: Mapping[str, str], *, apart: bool
) -> Iterator[Line]:
    for index, (entry, lines) in enumerate(entries):
        if apart and index:
            yield [""]
        mark = marks.get("".join(entry.reached_from))
        for line in lines:
            yield after([(f"{mark} ", "dim")], line) if mark else line
            mark = mark and " "


def _graph(
    entries: Iterable[tuple[LogEntry, Iterable[Line]]],
    width: int | None,
    marks: Mapping[str, str],
) -> Iterator[Line]:
    """Yield the lines of deploys with a lane for each history, from its newest to its first.

    Where histories of several revisions become one, their lanes do.
    """
    lanes: list[LogEntry | None] = []  # the deploy that was drawn last in each
    for entry, lines in entries:
        place = _lane(entry, lanes)
        for joined in range(len(lanes) - 1, place, -1):
            if (last := lanes[joined]) and {*last.reached_from} & {*entry.reached_from}:
                yield [(_join(lanes, place, joined), "dim")]
                lanes[joined] = None
                while lanes[-1] is None:
                    lanes.pop()
        lanes[place : place + 1] = [entry]
        mark = marks.get("".join(entry.reached_from), "*")
        for line in fitted_lines(lines, width and width - 2 * len(lanes)):
            drawn = (" " if one is None else mark if one is entry else "|" for one in lanes)
            yield after([(" ".join(drawn), "dim"), " "], line)
            mark = "|" if entry.deploy.parents else " "
        if not entry.deploy.parents:
            lanes[place] = None


def _lane(entry: LogEntry, lanes: list[LogEntry | None]) -> int:
    """Return the lane of a deploy: of the one after it, else of its workflow, else a new one.

    The one after it has another name where the workflow was renamed. Of several revisions it is the
    lane of the first that has it.
    """
    there = [(place, last) for place, last in enumerate(lanes) if last]
    if starts := {*entry.reached_from}:
        found = (place for place, last in there if starts & {*last.reached_from})
        return next(found, lanes.index(None) if None in lanes else len(lanes))
    for place, last in there:
        if entry.oid in last.deploy.parents:
            return place
    for place, last in there:
        if last.deploy.workflow == entry.deploy.workflow:
            return place
    return lanes.index(None) if None in lanes else len(lanes)


def _join(lanes: Sequence[LogEntry | None], place: int, joined: int) -> str:
    """Return the line that leads from one lane to another at its left, behind those between."""
    cells = [" " if one is None else "|" for one in lanes]
    left, between, right = cells[: place + 1], cells[place + 1 : joined], cells[joined + 1 :]
    behind = "".join("_" + cell.replace(" ", "_") for cell in between)
    return f"{' '.join(left)}{behind}/ {''.join(' ' + cell for cell in right)}".rstrip()


def deploy_header(entry: LogEntry, session: Session, *, named: int = 0) -> Iterator[Line]:
    """Yield the head of the long form: hashes, author, date, how the runs went."""
    now, deploy = session.now(), entry.deploy
    snapshot = (shown_oid(deploy.snapshot, session), "oid")
    yield [("snapshot ", "label"), snapshot, *_names(entry)]
    if named:
        yield [("workflow ", "label"), (deploy.workflow, "name")]
    yield [("deploy   ", "label"), shown_oid(entry.oid, session)]
    if deploy.action != "deploy":
        yield [("action   ", "label"), deploy.action]
    if deploy.restores:
        yield [("restores ", "label"), shown_oid(deploy.restores, session)]
    yield [("author   ", "label"), deploy.author]
    ago = f" ({human.near(deploy.time, now)})" if session.width else ""
    yield [("date     ", "label"), human.date(deploy.time, now), ago]
    if entry.runs.counts:
        newest = f", newest {deploy.workflow}#{entry.runs.last}" if entry.runs.last else ""
        yield [("runs     ", "label"), *_counts(entry.runs), newest]


def deploy_line(
    entry: LogEntry, session: Session, *, named: int = 0, width: int | None = None
) -> Line:
    """Return a deploy in one line: its id and that of its content, time, message, names, runs.

    `named` is how wide the names of workflows are, where they are told. Where there is no room it
    tells less of the runs, and then the message is cut: names stay whole.
    """
    deploy, now = entry.deploy, session.now()
    narrow = is_narrow(session.width)
    oids = [entry.oid] if narrow else [entry.oid, deploy.snapshot]
    head: Line = [part for oid in oids for part in ((session.store.short(oid), "oid"), "  ")]
    head += [(human.padded_moment(deploy.time, now, session.width), "time"), "  "]
    head += [(f"{_shown_name(deploy.workflow, session):<{named}}", "name"), "  "] if named else []
    message = deploy.message.partition("\n")[0]
    names = _names(entry, width, with_workflow=not (named and session.width))
    for counts in islice(_all_counts(entry.runs), 1 if narrow else 0, None):
        behind: Line = [*names, "  [", *counts, "]"] if counts else names
        room = width and width - columns(plain([*head, *behind]))
        if room is None or columns(message) <= room:
            break
    if room is not None and room < MESSAGE_MIN:
        room = WIDTH_MIN  # the names go on below it
    return [*head, *cut([message], room, least=MESSAGE_MIN), *behind]


def _shown_name(workflow: str, session: Session) -> str:
    """Return the name of one of several workflows: on a terminal the message needs room, too."""
    return clip(workflow, session.width and session.width // 4)


def shown_oid(oid: Oid, session: Session) -> str:
    """Return an oid: short on a terminal, else whole."""
    return session.store.short(oid) if session.width else oid


def _change(diff: "Diff", store: Store, width: int | None, *, patch: bool) -> Iterator[Line]:
    from ork.cli.diff.stat import stat_view
    from ork.cli.diff.text import diff_view
    from ork.differences.definitions import with_hunks

    if patch:
        return diff_view(with_hunks(diff, store.blob), width=width, patch=True)
    return stat_view(diff, width=width)


def _names(entry: LogEntry, width: int | None = None, *, with_workflow: bool = True) -> Line:
    """Return the names of a deploy in brackets: the workflow at its head, and the tags.

    Each has room in a line.
    """
    room = width and width - len("(), ")
    names = [(entry.deploy.workflow, "head")] if entry.head and with_workflow else []
    names += [(f"@{tag}", "tag") for tag in entry.tags]
    names += [(name, "head") for name in entry.remotes]
    line: Line = []
    for name, style in names:
        line += [", " if line else " (", (clip(name, room), style)]
    return [*line, ")"] if line else []


def _all_counts(runs: Tally) -> Iterator[Line]:
    """Yield how runs went: in words, in shorter ones, and in two numbers."""
    yield _counts(runs)
    yield _counts(runs, MARKS)
    good = runs.counts.get("success", 0)
    others = sum(runs.counts.values()) - good - runs.counts.get("running", 0)
    told: Line = [(f"{good} ok", "success")] if good else []
    yield [*told, ", ", (f"{others} not", "warning")] if told and others else _counts(runs, MARKS)


def _counts(runs: Tally, words: Mapping[str, str] = human.STATE_WORDS) -> Line:
    line: Line = []
    for state, number in sorted(runs.counts.items(), key=lambda item: item[0] != "success"):
        if line:
            line.append(", ")
        line.append((f"{number} {words.get(state, state).lower()}", state))
    return line
