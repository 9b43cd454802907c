"""ork grep: where a text stands in what is deployed"""

import re
from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import Annotated

import typer

from ork.cli.options import Json
from ork.cli.screen.fit import Verbatim
from ork.cli.screen.line import Line, hint_line, visible
from ork.cli.screen.parts import quoted
from ork.cli.session import Session
from ork.objects.value import replace
from ork.search.grep import Hit, pattern_of
from ork.search.grep import grep as search
from ork.worktree.lookup import as_revision

SHOWN_MAX = 400  # characters of a line on a terminal
SHOWN_BEFORE = 100  # of these before what matches


def grep(
    ctx: typer.Context,
    pattern: Annotated[
        str, typer.Argument(metavar="PATTERN", help="A regular expression; with -F a text.")
    ],
    revisions: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISION]...",
            help="What to search, with :TASK or :PATH one part of it; when left out, the newest"
            " version of each workflow.",
        ),
    ] = None,
    ignore_case: Annotated[
        bool, typer.Option("-i", "--ignore-case", help="Take A for a as well.")
    ] = False,
    fixed: Annotated[
        bool, typer.Option("-F", "--fixed-strings", help="Look for the pattern as it is.")
    ] = False,
    only_names: Annotated[
        bool, typer.Option("-l", "--name-only", help="Only which tasks, files and names have it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Find a text in what is deployed.

    Looks into the names of workflows, tags, tasks and code files, into settings, parameters, each
    field of each task and each line of code, and prints WORKFLOW:TASK:FIELD: or WORKFLOW:PATH:LINE:
    before each line that has it. Archived workflows are searched if they are named.

    Values are searched as they are printed: `timeout: 1m` is 60. etl: searches the text of the
    workflow file as somebody wrote it, with comments.

    On a terminal a line of more than 400 characters is cut around the first match in it.

    `ork log -S` tells which deploys brought a text or took it away: all that is searched here but
    names of workflows and tags. `ork log --grep` looks into messages.

    Exit codes: 0 something was found; 1 nothing.

    \b
    Example:
        ork grep ORK_OUTPUT
        ork grep -i extract etl~1
    """
    session: Session = ctx.obj
    wanted = pattern_of(pattern, fixed=fixed, ignore_case=ignore_case)
    named = [as_revision(text) for text in revisions or ()]
    hits = search(session.store, wanted, named, now=session.now())
    if only_names:
        hits = _names_of(hits)
    first = next(hits, None)
    hits = chain([first] if first else [], hits)
    if as_json:
        session.print_json("grep", list(hits))
    else:
        session.print((_line(hit, wanted, whole=session.width is None) for hit in hits), page=True)
    if first is None:
        if session.width and not (named or as_json):
            session.say(hint_line("`ork log -S TEXT` searches what versions before had"))
        raise typer.Exit(1)


def _names_of(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Yield each task, file, setting or other name that has hits once, without its lines."""
    seen = set[str]()
    for hit in hits:
        field = hit.field if hit.name is None else None
        named = replace(hit, field=field, line=None, text=None)
        if named.place not in seen:
            seen.add(named.place)
            yield named


def _line(hit: Hit, pattern: re.Pattern[str], *, whole: bool) -> Line:
    """Return where a hit is, and its line; unless `whole`, of a long one what is around a match."""
    place = (quoted(hit.place), "name" if hit.text is None else "key")
    if hit.text is None:
        return Verbatim([place])
    spans = [match.span() for match in pattern.finditer(hit.text) if match[0]]
    start, end = 0, len(hit.text)
    if not whole and end > SHOWN_MAX:
        start = max(0, (spans[0][0] if spans else 0) - SHOWN_BEFORE)
        end = min(end, start + SHOWN_MAX)
    ends = [start]  # of what matches, and of what lies between
    for begin, over in ((min(begin, end), min(over, end)) for begin, over in spans):
        if begin == ends[-1] and len(ends) > 1:  # one after the other: they are shown as one
            ends[-1] = over
        elif begin < over:
            ends += [begin, over]
    parts = [hit.text[begin:over] for begin, over in pairwise([*ends, end])]
    shown = hit.text[start:end]
    if "".join(map(visible, parts)) != visible(shown):  # cut to pieces it may pile up marks
        parts = [shown]
    texts: Line = [(part, "match") if at % 2 else part for at, part in enumerate(parts)]
    before, behind = ("..." if is_cut else "" for is_cut in (start, end < len(hit.text)))
    more = sum(1 for begin, _ in spans if begin >= end)
    others = [(f"  and {more:,} more", "dim")] if more else []
    return Verbatim([place, ": ", before, *texts, behind, *others])
