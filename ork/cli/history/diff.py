"""ork diff: the two things that are compared, and the text, JSON or page that shows the answer"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import Json, at_most_one
from ork.cli.screen.line import note_line
from ork.cli.session import Session
from ork.differences.definitions import SHORT_DIFF_LINES, with_hunks
from ork.differences.lines import as_text
from ork.errors import Ambiguous, OrkError, UsageError
from ork.history.compare import Comparison, compare_resolved, ends, impact_of, narrow, split_parts
from ork.objects.kinds import is_name
from ork.objects.value import Value, replace
from ork.store.resolve import Resolved, only_workflow, workflows
from ork.store.revision import as_word, parse
from ork.worktree.lookup import as_revision, is_other_file, look_up, look_up_or_read, source_text

if TYPE_CHECKING:
    from ork.cli.screen.line import Line
    from ork.differences.definitions import Diff
    from ork.differences.impact import Impact
    from ork.history.compare_runs import LastFailure

FORMATS = ("text", "markdown", "html")


class Asked(Value, frozen=True, kw_only=True):
    """The form of a diff, and the tasks and code files of interest; no names are all of them."""

    names: tuple[str, ...] = ()
    form: str = "text"  # text | stat | name-status | json | markdown | html
    patch: bool = False
    word_diff: bool = False
    rename: bool = True


def diff(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[REVISIONS]... [-- TASKS...]",
            help="Two revisions, A..B, or one workflow: its head against its file. After --, the "
            "tasks and code files of interest.",
        ),
    ] = None,
    patch: Annotated[bool, typer.Option("-p", "--patch", help="All lines of the code.")] = False,
    stat: Annotated[bool, typer.Option("--stat", help="Only how much changed where.")] = False,
    name_status: Annotated[
        bool, typer.Option("--name-status", help="Only what changed: STATUS KIND NAME, by tabs.")
    ] = False,
    word_diff: Annotated[
        bool, typer.Option("--word-diff", help="Show which words of a line changed.")
    ] = False,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 1 when there is a difference.")
    ] = False,
    no_renames: Annotated[
        bool, typer.Option("--no-renames", help="Show a rename as removed and added.")
    ] = False,
    last: Annotated[
        bool,
        typer.Option(
            "--last",
            help="The first bad run after the last good one, with its parameters if there is one.",
        ),
    ] = False,
    output_format: Annotated[
        str, typer.Option("--format", metavar="text|markdown|html", help="What to write it for.")
    ] = "text",
    git_driver: Annotated[
        bool, typer.Option("--git-driver", help="Be git's diff driver: see docs/git.md.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what changed between two revisions.

    It also says which tasks can therefore give other results. A revision is a workflow, etl~1, a
    tag etl@v1, a run etl#57, an oid, or file:PATH, a file that need not be deployed; with :TASK or
    :PATH only this part is compared, with a colon alone the text of the workflow file, line by
    line; etl#57:PATH may be compared with a file on disk. A...B compares B with the newest deploy
    that is in both histories. One workflow alone is compared with its file: the diff is what a
    deploy would change; of several without a name, all whose files differ. Two runs are compared as
    runs, with --stat and --name-status what they executed; `etl#56^{snapshot}` means only that. Of
    one task, as in the last example, all that differs is shown. Two tasks, or two code files, may
    be named by their oids.

    Exit codes: 0, or with --exit-code 1 when something differs.

    \b
    Example:
        ork diff etl~1 etl
        ork diff etl~1..etl:load
        ork diff etl#56:load etl#57:load
    """
    session: Session = ctx.obj
    if git_driver:
        from ork.cli.diff import driver

        driver.show(session, words or [])
        return
    if output_format not in FORMATS:
        raise UsageError(f"--format {output_format}: say text, markdown or html")
    forms = {"stat": stat, "name-status": name_status, "json": as_json}
    given = {f"--{name}": on for name, on in forms.items()}
    given[f"--format {output_format}"] = output_format != "text"
    at_most_one({"--word-diff": word_diff, **given})
    at_most_one({"-p": patch, **given, "--json": False})  # which has all lines with -p
    form = next((name for name, on in forms.items() if on), output_format)
    revisions, names = split_words(session.argv, words or [])
    files = None if names else _files(session, revisions)
    if files is None:
        revisions, names, are_texts = split_parts(revisions, names)
    asked = Asked(names=names, form=form, patch=patch, word_diff=word_diff, rename=not no_renames)
    if files is not None:
        raise typer.Exit(1 if _show_text(session, *files, asked) and exit_code else 0)
    if not (revisions or names or last) and (several := _several(session, asked)):
        raise typer.Exit(1 if _show_several(session, several, asked) and exit_code else 0)
    if len(revisions) == 2 and all(as_revision(text).startswith("file:") for text in revisions):
        session.need_no_store()
    if len(revisions) == 1 and (file := as_revision(revisions[0])).startswith("file:"):
        session.use_project_of([Path(file.removeprefix("file:"))])
    failure = _last_failure(session, revisions) if last else None
    if failure:
        revisions = (failure.good, failure.bad)
    before, after = _ends(session, revisions)
    if before.kind == after.kind == "run" and asked.form in ("stat", "name-status"):
        ends = (f"{run.text}^{{snapshot}}" for run in (before, after))
        before, after = (look_up(session.store, text, now=session.now()) for text in ends)
    if are_texts or before.kind == after.kind == "blob":
        differ = _show_text(session, before, after, asked)
    elif before.kind == after.kind == "run":
        differ = _show_runs(session, before, after, asked, failure)
    else:
        differ = _show_definitions(session, before, after, asked)
    raise typer.Exit(1 if exit_code and differ else 0)


def split_words(
    argv: Sequence[str], words: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words of a command line before and after its `--`, which the parser has dropped.

    `argv` is the command line as it was given: the words behind its `--` are the last words.
    """
    for index, word in enumerate(argv):
        behind = tuple(argv[index + 1 :])
        start = len(words) - len(behind)
        if word == "--" and start >= 0 and tuple(words[start:]) == behind:
            return tuple(words[:start]), behind
    return tuple(words), ()


def _files(session: Session, revisions: Sequence[str]) -> tuple[Resolved, Resolved] | None:
    """Return the two ends if they are code files, and one of them is on disk."""
    if len(revisions) != 2 or not any(map(is_other_file, revisions)):
        return None
    store, now = session.store, session.now()
    before, after = (look_up_or_read(store, as_revision(text), now=now) for text in revisions)
    return (before, after) if before.kind == after.kind == "blob" else None


def _ends(session: Session, revisions: Sequence[str]) -> tuple[Resolved, Resolved]:
    store, now = session.store, session.now()
    old, new = ends(store, revisions, now=now)
    return look_up(store, old, now=now), look_up(store, new, now=now)


def _several(session: Session, asked: Asked) -> list[str]:
    """Return all workflows if there is more than one that `@` may mean, and the form has room."""
    if asked.form not in ("text", "stat", "markdown"):
        return []
    try:
        only_workflow(session.store)
    except Ambiguous:
        return workflows(session.store)
    return []


def _last_failure(session: Session, revisions: Sequence[str]) -> "LastFailure":
    """Return the last good run and the first bad one after it, and since when it is good again."""
    from ork.history.compare_runs import last_failure

    if len(revisions) > 1:
        raise UsageError("--last takes one workflow", hint="write `ork diff --last NAME`")
    store = session.store
    workflow = as_revision(revisions[0]) if revisions else "@"
    if not is_name(workflow):
        workflow = str(look_up(store, workflow, now=session.now()).workflow)
    return last_failure(store, workflow)


def _show_runs(
    session: Session,
    before: Resolved,
    after: Resolved,
    asked: Asked,
    failure: "LastFailure | None",
) -> bool:
    from ork.cli.diff.runs import show_runs
    from ork.history.compare_runs import diff_runs, other_params

    if replace(asked, names=(), form="text") != Asked() or asked.form == "html":
        definitions = (as_word(f"{end.text}^{{snapshot}}") for end in (before, after))
        raise UsageError(
            f"{before.text} and {after.text} are runs, which are compared whole: only --json,"
            " --format markdown, --exit-code, --stat and --name-status go with them",
            hint=f"`ork report {as_word(f'{before.text}..{after.text}')} -o FILE` makes a page; for"
            f" their definitions write `ork diff {' '.join(definitions)}`",
        )
    found = diff_runs(session.store, before, after, names=asked.names)
    found = replace(found, good_again=failure and failure.good_again)
    note = other_params(found) if failure else ""
    return show_runs(session, found, form=asked.form, note=note)


def _show_definitions(session: Session, before: Resolved, after: Resolved, asked: Asked) -> bool:
    from ork.cli.diff.wording import unkept

    store = session.store
    found = compare_resolved(store, before, after, rename=asked.rename)
    if asked.names:
        found = narrow(store, found, asked.names)
    if asked.form in ("markdown", "html"):
        _show_page(session, found, asked.form)
        return bool(found.diff)
    changes, impact = _told(session, found, asked)
    if asked.form == "json":
        ends_and_diff = {"old": found.old, "new": found.new, "diff": changes}
        session.print_json("diff", {**ends_and_diff, "impact": impact})
    elif found.diff:
        session.print(_lines(session, changes, impact, asked), page=True)
    else:
        session.say([_nothing(found)])
    if asked.form != "json" and (told := unkept(found)):
        session.say(note_line(told))
    return bool(found.diff)


def _told(session: Session, found: Comparison, asked: Asked) -> "tuple[Diff, Impact | None]":
    """Return what is shown, with hunks: all that is read is read before the first line is shown."""
    lines_max = None if asked.patch else SHORT_DIFF_LINES
    changes = with_hunks(found.diff, session.store.blob, lines_max=lines_max)
    with_impact = asked.form == "json" or (asked.form == "text" and found.diff)
    return changes, impact_of(session.store, found) if with_impact else None


def _show_several(session: Session, names: Sequence[str], asked: Asked) -> bool:
    """Show each workflow whose file differs, under its name, and say which files are no good."""
    found = []
    for name in names:
        try:
            before, after = _ends(session, [name])
        except OrkError as error:
            session.say(note_line(error.message))
            continue
        found.append(compare_resolved(session.store, before, after, rename=asked.rename))
    found = [one for one in found if one.diff]
    if asked.form == "markdown":
        for one in found:
            _show_page(session, one, asked.form)
    elif found:
        session.print(_each(session, found, asked), page=True)
    else:
        session.say(["no workflow file differs from what is deployed"])
    return bool(found)


def _each(session: Session, found: Sequence[Comparison], asked: Asked) -> "Iterator[Line]":
    for one in found:
        yield [("workflow ", "heading"), (str(one.new.workflow), "name")]
        yield from _lines(session, *_told(session, one, asked), asked)


def _show_text(session: Session, before: Resolved, after: Resolved, asked: Asked) -> bool:
    from ork.cli.diff.text import text_view

    if asked.names or asked.form != "text":
        raise UsageError("the text of a file is compared whole, and by lines alone")
    store = session.store
    old, new = (
        store.blob(side.oid) if side.kind == "blob" else source_text(store, side)
        for side in (before, after)
    )
    if old == new:
        session.say([f"no difference between the texts of {before.text} and {after.text}"])
    elif None in map(as_text, (old, new)):
        session.say([f"{before.text} and {after.text} differ, and are no texts"])
        return True
    session.print(text_view(old, new, words=asked.word_diff), page=True)
    return old != new


def comparison_view(found: Comparison, session: Session) -> "Iterator[Line]":
    """Yield what differs, with the hunks that are there, and the impact."""
    from ork.cli.diff.wording import unkept

    if found.diff:
        yield from _lines(session, found.diff, impact_of(session.store, found), Asked())
    else:
        yield [_nothing(found)]
    if told := unkept(found):
        yield note_line(told)


def _nothing(found: Comparison) -> str:
    ends = (found.old.text, found.new.text)
    about = f" in {', '.join(found.names)}" if found.names else ""
    but = " but perhaps in code" if found.unkept else ""
    if all(parse(end).is_run for end in ends):  # which a command compares whole
        told = f"no difference between the definitions of {' and '.join(ends)}{about}{but}"
        return f"{told}; `project.diff_runs({', '.join(map(repr, ends))})` compares the runs"
    return f"no difference between {' and '.join(ends)}{about}{but}"


def _lines(
    session: Session, diff: "Diff", impact: "Impact | None", asked: Asked
) -> "Iterator[Line]":
    from ork.cli.diff.text import diff_view, name_status_view

    if asked.form == "name-status":
        yield from name_status_view(diff)
    elif asked.form == "stat":
        from ork.cli.diff.stat import stat_view

        yield from stat_view(diff, width=session.width)
    else:
        yield from diff_view(diff, width=session.width, patch=asked.patch, words=asked.word_diff)
    if impact is not None:
        from ork.cli.diff.impact import impact_view

        yield from impact_view(impact, width=session.width, patch=asked.patch)


def _show_page(session: Session, found: Comparison, form: str) -> None:
    from ork.cli.pictures.change import change_of

    if form == "html":
        from ork.cli.report.change import html_view as view
    else:
        from ork.cli.diff.markdown import markdown_view as view

    change = change_of(session.store, found, hunks=True)
    lines = view(change.comparison, change.impact, change.graph)
    session.print(([line] for line in lines), page=form == "markdown", verbatim=True)
