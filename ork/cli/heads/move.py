"""ork rollback, restore, tag: back to an older version, and names for versions"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.heads.workflows import slots_left_out
from ork.cli.options import Json
from ork.cli.screen import human
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.screen.parts import Row, aligned, quoted
from ork.cli.session import Session
from ork.errors import OrkError, UsageError, some
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.store.contents import run_command
from ork.store.resolve import AGREED, agreed_ref, present_name, workflow_meant
from ork.store.revision import as_word, split_part
from ork.store.verdict import runs_well

if TYPE_CHECKING:
    from ork.heads.rollback import RolledBack
    from ork.heads.tags import Tag, Tagged
    from ork.store.store import Store
    from ork.worktree.restore import Restored

SURPLUS_SHOWN_MAX = 5
PASSED_SHOWN_MAX = 5


def rollback(
    ctx: typer.Context,
    workflow: Annotated[
        str, typer.Argument(help="A workflow; the only one there is when left out.")
    ] = "@",
    revision: Annotated[
        str | None,
        typer.Argument(
            help="The version to go back to: etl~2, ~2, @v1.4, a run etl#56; when left out, the"
            " newest deploy with other content and a good run, but what a rollback has left and"
            " what was forgotten in part."
        ),
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            "-m", "--message", metavar="TEXT", help="Why; says what it restores if left out."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Deploy an older version of a workflow again.

    Its definition, code, settings and YAML text become the newest entry of the history, which
    records what it restored; nothing in between goes away. Runs of the workflow use it at once. The
    files on disk stay as they are: `ork restore` writes them back. Until then runs work in
    checkouts, where new files that they make stay.

    \b
    Example:
        ork rollback etl etl~1 -m "It lost rows"
    """
    from ork.heads.rollback import rollback

    session: Session = ctx.obj
    store = session.store
    alone = re.split("[~^@#]", workflow)[0]
    if revision is None and alone != workflow != "@":  # a version, which says of which one
        workflow, revision = alone or "@", workflow
    name = workflow_meant(store, workflow)
    done = rollback(
        store, name, revision, stamp=session.stamp(), now=session.now(), message=message
    )
    if as_json:
        session.print_json("rollback", done)
        return
    session.print(_rolled_back(done, store))
    if done.passed_over:
        snapshots = [store.get(Deploy, oid).snapshot for oid in done.passed_over]
        passed = some([store.short(oid) for oid in dict.fromkeys(snapshots)], PASSED_SHOWN_MAX)
        session.say(note_line(f"passed over {passed}, which ran well: a part of it was forgotten"))
    if done.changed and revision is None and runs_well(store, done.parent):
        told = (
            f"the version before, {store.short(store.get(Deploy, done.parent).snapshot)}, ran well"
        )
        session.say(note_line(f"{told}: `ork undo` brings it back"))
    if done.changed:
        session.say(*slots_left_out(store))
        run = run_command(name, store.snapshot(done.snapshot).params)
        session.say(*_not_on_disk(session, name), next_line(f"`{run}`"))


def _not_on_disk(session: Session, name: str) -> Iterator[Line]:
    """Yield what becomes of files that tasks make while the project's folder is another version."""
    from ork.heads.deploy import head_status, runs_in_checkouts

    file = head_status(session.store, name, author=session.author())
    if runs_in_checkouts(session.store, file):
        told = "its runs leave new files in their checkouts"
        yield note_line(f"until `ork restore {name} --code` {told}")


def _rolled_back(done: "RolledBack", store: "Store") -> Iterator[Line]:
    name, snapshot = (done.workflow, "name"), (store.short(done.snapshot), "oid")
    if done.changed:
        yield [name, " ", snapshot, "  ", done.message.partition("\n")[0]]
        yield ["  ", done.summary]
    else:
        yield [name, " has that content already, at ", snapshot]


def restore(
    ctx: typer.Context,
    revision: Annotated[
        str,
        typer.Argument(
            help="A deploy or run; REV:TASK for one task, REV:PATH for one code file. The only"
            " workflow when left out."
        ),
    ] = "@",
    every: Annotated[
        bool, typer.Option("-a", "--all", help="All workflows, each as it was deployed last.")
    ] = False,
    code: Annotated[bool, typer.Option("--code", help="The code files as well.")] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PATH",
            help="Another file, a folder with / at its end, or - for stdout.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite changes.")] = False,
    as_json: Json = False,
) -> None:
    """Write a workflow file back as it was deployed.

    It goes back to where it came from, byte for byte, but for its `name:` where `ork mv` has given
    the workflow another one. A file on disk is replaced only if the store
    has its present content already, so that nothing is lost; otherwise nothing at all is written,
    and all such files are listed. No path leaves the project, and no link is followed. What of its
    code is not as that version has it is told, and written as well by --code.

    REV:TASK puts one task back into the workflow file: its lines, with the comments right above
    it. The rest of that file stays as it is on disk. The code files that the task names are
    written as well; other code that it reaches and that is not as it was is told. With -o the one
    code file of the task is written there, and nothing else.

    --all writes the files of all workflows but archived ones, as after `ork clone`. A file of which
    several workflows have different contents gets that of the newest deploy.

    \b
    Example:
        ork restore etl~1:load
        ork restore etl~1 --code -o ../before/
        ork restore --all --code -o ../all/
    """
    from ork.worktree.restore import restore, restore_all, restored_bytes

    session: Session = ctx.obj
    store = session.store
    if every:
        if revision != "@" or to == "-":
            raise UsageError("--all takes no revision, and not -o -", hint="leave one of them out")
        found = restore_all(store, code=code, force=force, to=Path(to) if to else None)
        if as_json:
            session.print_json("restore-list", found)
        else:
            _tell_all(session, found, to)
        return
    if to == "-":
        if code or as_json:
            raise UsageError("-o - writes one file to standard output: no --code and no --json")
        session.print_bytes(restored_bytes(store, revision, now=session.now()))
        return
    done = restore(
        store,
        revision,
        now=session.now(),
        code=code,
        force=force,
        to=Path(to) if to else None,
        as_folder=bool(to) and str(to).endswith("/"),
    )
    if as_json:
        session.print_json("restore", done)
        return
    session.print(_restored(done), page=True)
    if done.surplus:
        session.say(_surplus(done))
    session.say(*_beside(done, store, to))
    if to is None:
        session.say(*_not_restored(session, done, revision))
        whole = present_name(store, done.workflow) if revision == "@" else revision
        session.say(*_other_code(done.stale, "this version", as_word(whole)))


def _tell_all(session: Session, found: "Sequence[Restored]", to: str | None) -> None:
    """Print what was written, and say what there is to know beside it."""
    files = [file for done in found for file in done.files]
    written = sorted({file.path for file in files if file.state == "written"})
    session.print(([("written   ", "changed"), path] for path in written), page=True)
    for done in found:
        newer = [file.path for file in done.files if file.state == "newer"]
        outside = [file.path for file in done.files if file.state == "outside"]
        if newer:
            shown = some(newer, SURPLUS_SHOWN_MAX)
            session.say(
                note_line(f"{done.workflow} has another {shown}: a later deploy has this one")
            )
        if outside:
            shown = some(outside, SURPLUS_SHOWN_MAX)
            way = f"`ork restore {done.workflow} -o DIR/` writes it elsewhere"
            session.say(note_line(f"{shown} lies outside of the project: {way}"))
        if done.surplus:
            session.say(_surplus(done))
        session.say(*_beside(done, session.store, to))
    stale = sorted({path for done in found for path in done.stale})
    if not written:
        here = len({file.path for file in files if file.state == "unchanged"})
        as_deployed = f"nothing to write: {human.count(here, 'file')} as deployed"
        session.say([as_deployed if found else "no workflows"])
    if (written or stale) and to is None:
        session.say(*_other_code(stale, "these versions", "--all"))


def _other_code(stale: Sequence[str], whose: str, words: str) -> Iterator[Line]:
    """Yield which code is not on disk as it was deployed, and what writes it."""
    if stale:
        yield note_line(f"not as in {whose}: {some(stale, SURPLUS_SHOWN_MAX)}")
    yield next_line(f"`ork restore {words} --code`" if stale else "`ork status`")


def _beside(done: "Restored", store: "Store", to: str | None) -> Iterator[Line]:
    """Yield that a workflow file has the name from before a rename, or is a second one here."""
    from ork.heads.deploy import former_file
    from ork.worktree.restore import stale_name

    name, source = present_name(store, done.workflow), store.get(Deploy, done.deploy).source.path
    if to is None:
        yield from map(next_line, stale_name(store, source, name))
        left = former_file(store, name)
        shown = left and os.path.relpath(store.project / left)
        if shown and shown not in {one.path for one in done.files}:
            yield note_line(f"{quoted(shown)} was the file of {name}: it is not needed any more")
        return
    first = (store.project / source).resolve()
    for file in (Path(one.path) for one in done.files):
        if file.name != first.name or file.resolve() == first:
            continue
        if file.resolve().is_relative_to(store.project):
            told = f"{file} is a second file of {name} in this project, for `ork check` as well"
            yield note_line(told)


def _not_restored(session: Session, done: "Restored", revision: str) -> Iterator[Line]:
    """Yield what else of a task that was restored is on disk not as it was: code it reaches."""
    from ork.differences.definitions import summarize
    from ork.history.compare import compare_resolved, ends, narrow
    from ork.worktree.lookup import look_up

    store, (base, task) = session.store, split_part(revision)
    if not task or task not in store.snapshot(done.snapshot).tasks:
        return
    with suppress(OrkError):  # the file may be gone, or wrong
        before, after = (
            look_up(store, end, now=session.now()) for end in ends(store, [base], now=session.now())
        )
        diff = narrow(store, compare_resolved(store, before, after), [task]).diff
        if found := replace(diff, edges=()):  # those that are left are of other tasks
            text, shown = summarize(found), f"`ork diff {as_word(base)} -- {task}` shows it"
            changed = f"{text[0].lower()}{text[1:]}"
            yield note_line(f"more of {task} is not as in {base}: {changed}; {shown}")


def _restored(done: "Restored") -> Iterator[Line]:
    for file in done.files:
        yield [(f"{file.state:<10}", "changed" if file.state == "written" else "dim"), file.path]


def _surplus(done: "Restored") -> Line:
    shown = some(done.surplus, SURPLUS_SHOWN_MAX)
    kept = "a deploy would add what is there now"
    return note_line(f"this version did not have {shown}; {kept}")


def tag(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="LABEL or WORKFLOW@LABEL; with -l a workflow.")
    ] = None,
    revision: Annotated[
        str | None, typer.Argument(help="The deploy; the head when left out.")
    ] = None,
    delete: Annotated[bool, typer.Option("-d", "--delete", help="Remove the tag.")] = False,
    as_list: Annotated[bool, typer.Option("-l", "--list", help="List the tags.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Move a tag that exists.")] = False,
    as_json: Json = False,
) -> None:
    """Give a deploy a name, such as etl@prod.

    Without arguments, list the tags. A tag is a revision: `ork diff etl@prod etl`,
    `ork run etl@v1.4`. Without WORKFLOW@ the revision says which workflow is meant. A tag stays
    where it is until -f moves it or -d removes it.

    \b
    Example:
        ork tag v1.4 etl~1
    """
    from ork.heads.tags import tag, tags, untag

    session: Session = ctx.obj
    if (as_list or delete) and (revision is not None or force or (as_list and delete)):
        raise UsageError(
            "-l and -d take one name and nothing else", hint="`ork tag -h` explains them"
        )
    if delete and name is None:
        raise UsageError("-d needs the name of a tag", hint="`ork tag` lists them")
    store = session.store
    if as_list or name is None:
        name = name and workflow_meant(store, name)
        found = list(tags(store, name))
        if as_json:
            session.print_json("tag", found)
            return
        session.print(_tags(found, session), page=True)
        if not found:
            session.say([f"no tags of {name}" if name else "no tags"])
        return
    if delete:
        done = untag(store, name, stamp=session.stamp())
    else:
        done = tag(store, name, revision, stamp=session.stamp(), now=session.now(), force=force)
    if as_json:
        session.print_json("tag", [done.tag])
        return
    session.print(_tagged(done, store))
    if done.removed:
        session.say(*_still_elsewhere(store, done.tag))
    if revision and "#" in revision and not done.removed:
        again = f"`ork run {as_word(revision)}` repeats that run, with its parameters"
        session.say(note_line(f"it is on the deploy that {revision} ran; {again}"))


def _still_elsewhere(store: "Store", gone: "Tag") -> Iterator[Line]:
    """Yield a note for each remote that had a tag as well when both were last alike."""
    for remote in store.folders(AGREED):
        if store.ref(agreed_ref(remote, f"{gone.workflow}/{gone.label}")):
            ways = f"`ork pull {remote}` brings it here again, there `ork tag -d {gone.revision}`"
            yield note_line(f"{remote} has it as well, as far as is known: {ways} removes it")


def _tags(found: "Iterable[Tag]", session: Session) -> Iterator[Line]:
    now, width = session.now(), session.width

    def row(one: "Tag") -> Row:
        oid, message = _deploy(session.store, one.deploy)
        time = human.moment(one.deploy.time, now, width)
        return [(f"{one.workflow}@{one.label}", "tag"), oid, (time, "time")], [message], ""

    return aligned(map(row, found), width)


def _tagged(done: "Tagged", store: "Store") -> Iterator[Line]:
    one = done.tag
    name, now = (f"{one.workflow}@{one.label}", "tag"), _deploy(store, one.deploy)
    if done.removed:
        yield [name, " is removed; it was ", *now]
    elif done.old == one.oid:
        yield [name, " is there already: ", *now]
    else:
        yield [name, " ", *now]
        if done.old is not None:
            yield ["  it was ", *_deploy(store, store.get(Deploy, done.old))]


def _deploy(store: "Store", deploy: Deploy) -> tuple[tuple[str, str], str]:
    subject = deploy.message.partition("\n")[0]
    return (store.short(deploy.snapshot), "oid"), f"  {subject}"
