"""`ork diff`: which two things are compared, and which view, JSON or page shows the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ork.cli.session import Session
from ork.errors import UsageError
from ork.history.compare import Comparison, as_revision, compare_resolved, ends, impact_of, narrow
from ork.store.resolve import Resolved, resolve

if TYPE_CHECKING:
    from ork.cli.screen.line import Line
    from ork.differences.definitions import Diff
    from ork.differences.impact import Impact
    from ork.store.store import Store

FORMATS = ("text", "markdown", "html")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a diff is to be shown, and of which tasks and code files; no names are all of them."""

    names: tuple[str, ...] = ()
    form: str = "text"  # text | stat | name-status | json | markdown | html
    patch: bool = False
    word_diff: bool = False
    rename: bool = True


def split_words(
    argv: Sequence[str], words: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a command line before and after its `--`, which the parser has dropped.

    `argv` is the command line as it was given: what stands behind its `--` are the last words.
    """
    for index, word in enumerate(argv):
        behind = tuple(argv[index + 1 :])
        start = len(words) - len(behind)
        if word == "--" and start >= 0 and tuple(words[start:]) == behind:
            return tuple(words[:start]), behind
    return tuple(words), ()


def split_parts(
    revisions: Sequence[str], names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the revisions without :TASK or :PATH, and the names with what stood there.

    Raises UsageError for two different ones: only the same part of two versions is compared.
    """
    from ork.store.revision import split_part

    split = [split_part(as_revision(text)) for text in revisions]
    parts = tuple(dict.fromkeys(part for _, part in split if part))
    if len(parts) > 1:
        raise UsageError(
            f"{parts[0]} and {parts[1]} are two parts: a diff compares two versions",
            hint=f"write `ork diff OLD NEW -- {' '.join(parts)}`",
        )
    whole = tuple(
        base if part else text for text, (base, part) in zip(revisions, split, strict=True)
    )
    return whole, (*names, *parts)


def form(output_format: str, *, as_json: bool, name_status: bool, stat: bool) -> str:
    """Return the one form that these options mean; raise UsageError on an unknown format."""
    if output_format not in FORMATS:
        raise UsageError(f"--format {output_format}: say text, markdown or html")
    if as_json:
        return "json"
    if name_status:
        return "name-status"
    return "stat" if stat and output_format == "text" else output_format


def show(session: Session, revisions: Sequence[str], asked: Asked, *, last: bool) -> bool:
    """Show what differs, and say whether anything does. Two runs are compared as runs.

    With `last`, `revisions` is empty or names one workflow: its newest failed run is compared with
    the last good one before.
    """
    store, now = session.store, session.now()
    if last:
        old, new = _last_failure(session, store, revisions)
    else:
        old, new = ends(store, revisions, now=now)
    before, after = resolve(store, old, now=now), resolve(store, new, now=now)
    if before.kind == after.kind == "run":
        return _show_runs(session, store, before, after, asked)
    found = compare_resolved(store, before, after, rename=asked.rename)
    if asked.names:
        found = narrow(store, found, asked.names)
    _show_definitions(session, store, found, asked)
    return bool(found.diff)


def _last_failure(session: Session, store: Store, words: Sequence[str]) -> tuple[str, str]:
    from ork.history.compare_runs import last_failure
    from ork.objects.kinds import is_name

    if len(words) > 1:
        raise UsageError("--last takes one workflow", hint="write `ork diff --last NAME`")
    workflow = as_revision(words[0]) if words else "@"
    if not is_name(workflow):
        workflow = str(resolve(store, workflow, now=session.now()).workflow)
    return last_failure(store, workflow)


def _show_runs(
    session: Session, store: Store, before: Resolved, after: Resolved, asked: Asked
) -> bool:
    from ork.cli.diff.diff_runs import show_runs

    if asked not in (Asked(), Asked(form="json")):
        raise UsageError(
            "two runs are compared whole, without options but --json and --exit-code",
            hint=f"for their definitions write `ork diff {before.text}^{{snapshot}} "
            f"{after.text}^{{snapshot}}`",
        )
    return show_runs(session, store, before, after, as_json=asked.form == "json")


def _show_definitions(session: Session, store: Store, found: Comparison, asked: Asked) -> None:
    from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks

    if asked.form in ("markdown", "html"):
        _show_page(session, store, found, asked.form)
        return
    lines_max = None if asked.patch else SHORT_DIFF_LINES
    changes = with_hunks(found.diff, store.blob, lines_max=lines_max)
    if asked.form == "json":
        value = {
            "old": found.old,
            "new": found.new,
            "diff": changes,
            "impact": impact_of(store, found),
        }
        session.print_json("diff", value)
        return
    if found.diff:
        # All that is read from the store is read before the first line is shown.
        impact = impact_of(store, found) if asked.form == "text" else None
        session.print(_lines(session, changes, impact, asked), page=True)
    else:
        about = f" in {', '.join(asked.names)}" if asked.names else ""
        session.say([f"no difference between {found.old.text} and {found.new.text}{about}"])


def _lines(session: Session, diff: Diff, impact: Impact | None, asked: Asked) -> Iterator[Line]:
    from ork.cli.diff.text import diff_view, name_status_view

    if asked.form == "name-status":
        yield from name_status_view(diff)
    elif asked.form == "stat":
        from ork.cli.diff.stat import stat_view

        yield from stat_view(diff, width=session.width)
    else:
        marks = not session.color_on() if asked.word_diff else None
        yield from diff_view(diff, width=session.width, patch=asked.patch, word_marks=marks)
    if impact is not None:
        from ork.cli.diff.impact import impact_view

        yield from impact_view(impact, width=session.width, patch=asked.patch)


def _show_page(session: Session, store: Store, found: Comparison, form: str) -> None:
    from ork.cli.pictures.comparing import change_of

    if form == "html":
        from ork.cli.report.diff_html import html_view as view
    else:
        from ork.cli.diff.markdown import markdown_view as view

    change = change_of(store, found, hunks=True)
    lines = view(change.comparison, change.impact, change.graph)
    session.print(([line] for line in lines), page=form == "markdown")
