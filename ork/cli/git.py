"""ork export, ork import: histories written to git, and read from it or from a bundle"""

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.options import AllowSecret, Json
from ork.cli.screen.human import count
from ork.cli.screen.line import Line, next_line, note_line
from ork.cli.session import Session
from ork.errors import Conflict, UsageError, some

if TYPE_CHECKING:
    from ork.git.from_git import Imported
    from ork.git.to_git import Exported
    from ork.store.store import Store

COMMIT_DIGITS = 12
TAGS_MAX = 5  # that a note names


def export(
    ctx: typer.Context,
    form: Annotated[str, typer.Argument(metavar="git", help="The only form: git.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[DEST] [WORKFLOW]",
            help="The folder of the repository, but not with --stream; the workflow, if there are"
            " several.",
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Add what is new to a repository made before.")
    ] = False,
    branch: Annotated[
        str | None, typer.Option(metavar="NAME", help="The branch; main if left out.")
    ] = None,
    stream: Annotated[
        bool, typer.Option("--stream", help="Print a stream for `git fast-import` instead.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the history of a workflow to git.

    Each deploy becomes a commit: the workflow file and the code that it calls, with the author,
    time and message of the deploy, and the oids as trailers. Tags come along. The same history
    gives the same commit ids everywhere. --update moves the branch on to the newest deploy, and the
    files too if they show that branch; nothing else in the repository is overwritten.

    \b
    Example:
        ork export git etl-history etl
    """
    from ork.git.to_git import BRANCH, export_git, stream_git, the_workflow

    session: Session = ctx.obj
    if form != "git":
        hint = "as in `ork export git etl-history`"
        raise UsageError(f"{form!r} is not known here: only git is", hint=hint)
    folders = 0 if stream else 1
    folder, names = (places or [])[:folders], (places or [])[folders:]
    if stream:
        if update or as_json or len(names) > 1:
            raise UsageError("--stream takes a workflow and --branch, nothing else")
        if sys.stdout.isatty():
            raise UsageError("--stream is for git: `ork export git --stream | git fast-import`")
    elif not folder or len(names) > 1:
        raise UsageError(
            "name the folder to write to, and at most one workflow",
            hint="as in `ork export git etl-history etl`",
        )
    store = session.store
    workflow = the_workflow(store, names[0] if names else None)
    if stream:
        sys.stdout.flush()
        for piece in stream_git(store, workflow, branch=branch or BRANCH):
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return
    done = export_git(store, Path(folder[0]), workflow, branch=branch or BRANCH, update=update)
    if as_json:
        session.print_json("export", done)
        return
    session.print([_exported(done)])
    for label in done.left:
        session.say(
            note_line(
                f"tag {label} was left out: it is on no deploy of this history, or "
                "the repository has another tag of that name"
            )
        )
    if done.added:
        look = shlex.join(["git", "-C", done.repository, "log", "--stat", done.branch])
        session.say(next_line(f"`{look}`"))


def import_(
    ctx: typer.Context,
    form: Annotated[str, typer.Argument(metavar="git|bundle|ork-db", help="Where it comes from.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="REPO|FILE|URL",
            help="A folder in a git repository, or a bare one; a bundle, - is standard input; "
            "a database of the original ork, its folder, or postgresql://...",
        ),
    ],
    path: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|GLOB",
            help="git: the workflow file, or several (*, ?, **), relative to REPO.",
        ),
    ] = None,
    branch: Annotated[
        str | None, typer.Option(metavar="REV", help="git: up to this commit; HEAD if left out.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="bundle: move heads and tags that are elsewhere, too, and take runs that were"
            " retried here as well; git: put what is new there on what was deployed here.",
        ),
    ] = False,
    runs: Annotated[
        str, typer.Option(metavar="all|none", help="bundle: with the runs, or without.")
    ] = "all",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="bundle, ork-db: say what is new, write nothing.")
    ] = False,
    rename: Annotated[
        list[str] | None,
        typer.Option(metavar="OLD=NEW", help="ork-db: take in a workflow by another name."),
    ] = None,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="ork-db: runs that have not ended, too: interrupted."),
    ] = False,
    allow_secret: AllowSecret = False,
    as_json: Json = False,
) -> None:
    """Take in a history from elsewhere.

    git: each commit that changed the definition, its code or its settings becomes a deploy with the
    author, date and message of the commit. The file is followed through renames, along first
    parents. Versions that could not be deployed are skipped, and listed. Nothing is checked out, no
    code is run, and all deploys are written together or none. What was deployed here meanwhile, and
    is in none of the new commits, is not taken back, unless --force.

    bundle: everything in it is checked first, then all of it becomes visible at once. A head moves
    only forward and a tag not at all, unless --force: else nothing is taken. A run never takes the
    number of another: such a one is left out and named, as is one that was retried here as well,
    unless --force; the exit code is 5 then. `ork undo` takes the moves back.

    ork-db: all workflows of a database of the ork that was written in Rust, with their versions,
    runs, outputs, logs and schedules; the code of tasks was never in it. What does not come over is
    listed with the reason. The database is only read, while others may write it.

    Importing again adds only what is new.

    \b
    Example:
        ork import git ../pipelines --path etl.yaml
        ork import bundle ../etl.bundle
        ork import ork-db ../pipelines/.ork/ork.db --dry-run
    """
    session: Session = ctx.obj
    if form != "ork-db" and (rename or unfinished):
        raise UsageError("--rename and --unfinished are for ork-db")
    if form == "ork-db":
        if path is not None or branch is not None or force or runs != "all":
            raise UsageError("--path, --branch, --force and --runs are not for ork-db")
        from ork.cli.orkdb import import_ork_db

        options = {"unfinished": unfinished, "allow_secret": allow_secret, "dry_run": dry_run}
        import_ork_db(session, source, rename or [], as_json=as_json, **options)
        return
    if form == "bundle":
        if path is not None or branch is not None or allow_secret:
            raise UsageError("--path and --branch are for git, --allow-secret not for bundles")
        _import_bundle(session, source, force, runs, dry_run, as_json)
        return
    hint = f"as in `ork import git {shlex.quote(source)} --path etl.yaml`"
    if form != "git":
        raise UsageError(f"{form!r} is not known here: git, bundle and ork-db are", hint=hint)
    if dry_run or runs != "all":
        raise UsageError("--runs is for bundles, --dry-run not for git")
    if path is None:
        raise UsageError("name the workflow file", hint=hint)
    from ork.git.from_git import import_source, look_up

    found = look_up(Path(source), path, branch=branch)  # before a store is made
    done = import_source(
        session.new_store, found, stamp=session.stamp(), allow_secret=allow_secret, force=force
    )
    if as_json:
        session.print_json("import", done)
        return
    session.print(_imported(done, session.store))
    session.say(*_skipped(done))
    if names := [one.workflow for one in done.workflows if one.added]:
        session.say(next_line(f"`ork log {names[0]}`"))


def _import_bundle(
    session: Session, file: str, force: bool, runs: str, dry_run: bool, as_json: bool
) -> None:
    from ork.cli.sync.transfer import arrived_lines, tell_dry_run
    from ork.cli.upkeep.bundle import left_out_lines, received_lines
    from ork.sync.bundle import open_bundle
    from ork.sync.receive import apart_from_here, beside, check, receive

    if runs not in ("all", "none"):
        raise UsageError(f"--runs {runs}: say all or none")
    with open_bundle(file) as found:
        needs = None if session.has_store() else check(found, None)  # before a store is made
        if dry_run:
            session.need_no_store()
        done = receive(
            found,
            session.new_store,
            needs=needs,
            stamp=session.stamp(),
            force=force,
            runs=runs == "all",
            dry_run=dry_run,
        )
        if as_json:
            session.print_json("import-bundle", done)
        else:
            arrived = beside(found, session.new_store)
            session.print(received_lines(done, found.refs, arrived))
            session.say(*left_out_lines(done, found.name, apart_from_here(found)))
            if dry_run:
                tell_dry_run(session, done.moves)
    if not (dry_run or as_json):
        refs = [ref.partition("/") for ref, _, _ in done.moves]
        heads = [name for space, _, name in refs if space == "workflows"]
        session.say(*arrived_lines(session, heads))
    if done.refused:
        raise typer.Exit(Conflict.exit_code)


def _exported(done: "Exported") -> Line:
    name, branch = (done.workflow, "name"), (done.branch, "head")
    commit = (done.commit[:COMMIT_DIGITS], "oid")
    new = [count(done.added, "commit" if done.created else "new commit")] if done.added else []
    new += [count(len(done.new_tags), "tag")] if done.new_tags else []
    if not new:
        return [name, " is up to date at ", commit, " on ", branch, f" of {done.repository}"]
    return [name, f": {', '.join(new)} on ", branch, f" of {done.repository}, now at ", commit]


def _imported(done: "Imported", store: "Store") -> Iterator[Line]:
    added = [one for one in done.workflows if one.added]
    for one in added:
        newest = one.added[-1]
        deploys = count(len(one.added), "new deploy" if one.parent else "deploy")
        yield [
            (one.workflow, "name"),
            " ",
            (store.short(newest.snapshot), "oid"),
            f"  {deploys} from {one.path}, the newest of ",
            (newest.commit[:COMMIT_DIGITS], "oid"),
            f", {count(len(one.tags), 'tag')}" if one.tags else "",
            f", was {', '.join(one.was)}" if one.was else "",
        ]
    if not added:
        commit = (done.commit[:COMMIT_DIGITS], "oid")
        yield [f"nothing new in {count(done.commits, 'commit')} up to ", commit]


def _skipped(done: "Imported") -> Iterator[Line]:
    """Yield each version that was skipped, then how many were, and what a shallow clone lacks."""
    for one in done.skipped:
        commit = (one.commit[:COMMIT_DIGITS], "oid")
        yield [("skipped ", "warning"), commit, f"  {one.path}: {one.reason}"]
    if done.skipped:
        many = count(len(done.skipped), "version")
        yield note_line(f"skipped {many} of a file that could not be deployed")
    if done.left and any(one.added for one in done.workflows):
        why = (
            "they are on no commit of this line, or on a version that was skipped, or have a name"
            " that no tag here can have"
        )
        yield note_line(f"left out {some(done.left, TAGS_MAX)}: {why}")
    if done.shallow:
        yield note_line(
            f"{done.repository} is a shallow clone: what came before its oldest commit is not here"
        )
