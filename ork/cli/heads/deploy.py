"""ork init, deploy, status: from a workflow file to its newest deploy"""

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.backends.address import Address, parse_url, public
from ork.cli.heads.workflows import slots_left_out
from ork.cli.options import AllowSecret, Files, Json, Move, Quiet, at_most_one, files_of
from ork.cli.screen.fit import padded
from ork.cli.screen.human import count
from ork.cli.screen.line import Line, hint_line, next_line, note_line
from ork.cli.screen.parts import column, quoted
from ork.cli.session import Session
from ork.errors import InvalidInput, UsageError
from ork.objects.value import replace
from ork.store import location

if TYPE_CHECKING:
    from ork.heads.deploy import Deployed, FileStatus
    from ork.store.store import Store
    from ork.worktree.load import Loaded

_HISTORY = "`ork log` shows the history, `ork restore --all --code` writes the files"
STATE_STYLES = {
    "unchanged": "dim",
    "modified": "changed",
    "new": "added",
    "behind": "changed",
    "moved": "changed",
    "renamed": "changed",
    "duplicate": "failed",
    "missing": "removed",
    "invalid": "failed",
}
# As `git status -s` has them.
LETTERS = {"modified": "M", "moved": "R", "renamed": "R", "missing": "D", "new": "??"}
LETTERS |= {"invalid": "!", "duplicate": "!", "behind": "B"}


def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The root of the project.")] = Path(),
    backup: Annotated[
        str | None,
        typer.Option("--from", metavar="BACKUP|URL", help="Make it out of this backup or store."),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Where the data are, and how they are kept."),
    ] = None,
    example: Annotated[
        str | None,
        typer.Option(
            metavar="penguins|shell|empty", help="Write a small project that runs, to begin with."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make a store: an empty one, or of a backup.

    `ork deploy` and `ork run` make one by themselves when there is none here or above, but for one
    on a server: at the top of the git repository, else in this folder. init is for choosing the
    folder, which is made if need be. Running it again changes nothing.

    With --from the store has all that a file or folder of `ork backup` has, or another project, or
    the store that a URL names, under the same ids and numbers. All of it is checked before the
    store is there; one that is there is never replaced. What .ork/config.toml said there, such as
    what `ork gc` keeps, and the names of remotes do not come along.

    With --store sqlite: the data are one file, .ork/db/store.db, which SQLite and what is built on
    it can read; with files: they are plain files in .ork/db, for every tool and for folders that
    machines share, and slow; the default is lmdb:, which is fastest. A longer URL, such as
    sqlite:PATH, names a place elsewhere: its store is made if need be, and .ork/config.toml says
    so. Together with --from a store moves from one to the other.

    With --example there is a workflow as well, to try ork with: of shell commands, of Python
    functions with real data, or one task to begin with; and the schema that lets an editor complete
    its keys. A file that is there is never replaced.

    \b
    Example:
        ork init
        ork init --example shell first
        ork init --from ../etl.orkbackup ../restored
        ork init --store sqlite: second
        ork init --store sqlite:../team.db third
    """
    session: Session = ctx.obj
    session.quiet = quiet
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder")
    if backup is not None and example is not None:
        raise UsageError("--example and --from: a store of a backup has its files already")
    environ = session.world.environ
    store = session.chosen or folder.resolve() / location.NAME
    address = None if url is None else parse_url(url, base=Path.cwd())
    root = folder if session.chosen is None else Path()  # where the store is found from
    above = None if session.chosen else location.find(store.parent.parent, environ={})
    written: list[Path] = []
    if example is not None:
        from ork.cli.heads.example import write_example

        written = write_example(example, folder)
    if backup is not None:
        _init_from(session, backup, root, store, address)
        session.say(*_above(store, above))
        return
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise location.not_made(store, error) from None
    verb = "There is a store already in"
    if address is not None and store.exists():
        location.refuse_other(store, address, environ=environ)
    if not (existed := location.is_there(store, environ=environ)):
        made = location.make(store, environ=environ, address=address)
        verb = "Made an empty store in" if made else "From now on this project has the store in"
    place = location.elsewhere(store, environ=environ)
    if place and url:  # it may have a password, which the project does not remember
        environ = {**environ, "ORK_STORE": url}
    with closing(location.open_backend(store, environ=environ)) as backend:
        workflows = sum(1 for _ in backend.survey("workflows/"))
    session.started_in /= root  # for what is to be typed next
    has = f": {count(workflows, 'workflow')}" if workflows else ""
    if not quiet:
        session.print([[f"{verb} {place or store}{has}"]])
    if not existed and not place and not quiet:
        told = "history is kept there and nowhere else"
        if location.is_in_git(store):
            told = "git ignores it: `git clean -fdx` deletes all history"
        session.say(note_line(f"{told}; `ork backup FILE` copies it"))
    if not existed:
        session.say(*_above(store, above))
    if place and url:
        session.say(*_password(url))
    if quiet:
        return
    if written:
        session.print(["wrote ", (os.path.relpath(path), "file")] for path in written)
        told = f"`ork run {shlex.quote(os.path.relpath(written[0], root))}`"
    elif workflows:
        told = _HISTORY
    else:
        told = "`ork deploy FILE` keeps the first version of a workflow"
    session.say(next_line(told))


def _init_from(
    session: Session, backup: str, root: Path, store: Path, address: Address | None
) -> None:
    from ork.sync.from_backup import restore

    environ = session.world.environ
    done = restore(backup, store, environ=environ, address=address)
    session.started_in /= root
    place = location.elsewhere(store, environ=environ) or store
    parts = (count(done.refs, "ref"), count(done.objects, "object"), count(done.logs, "log"))
    if not session.quiet:
        made_of = quoted(public(backup))
        session.print([[f"Made a store of {made_of} in {place}: {', '.join(parts)}"]])
    if done.errors:
        wrong = f"{count(done.errors, 'ref')} wrong in it, as in the store that it is of"
        session.say(note_line(f"{wrong}: `ork fsck` names them"))
    if address and isinstance(address.at, str):  # it may have a password
        environ = {**environ, "ORK_STORE": address.at}
        session.say(*_password(address.at))
    with closing(location.open_unchecked(store, environ=environ)) as made:
        session.say(*_both_fire(made))
    if not session.quiet:
        told = "[keep] of .ork/config.toml and names of remotes do not come along"
        session.say(note_line(told))
        session.say(next_line(_HISTORY))


def _above(store: Path, above: Path | None) -> Iterator[Line]:
    """Yield a note where a store was made in a folder that had one above it until now."""
    if above:
        told = f"it takes the place of the store above, {above}, which stays as it is"
        yield note_line(f"{told}: `rm -r {shlex.quote(str(store))}` goes back to that")


def _password(url: str) -> Iterator[Line]:
    """Yield a note where there is a password in a URL."""
    if public(url) != url:
        told = "the password is kept nowhere: PGPASSWORD, ~/.pgpass and service files are read"
        yield note_line(told)


def _both_fire(store: "Store") -> Iterator[Line]:
    """Yield a note where the store and the one that it was made of would fire the same."""
    from ork.daemon.lines import Lines

    schedules, waiting = len(Lines(store).look()), sum(1 for _ in store.backend.survey("queue/"))
    parts = ((schedules, "schedule"), (waiting, "waiting run"))
    if came := " and ".join(count(number, noun) for number, noun in parts if number):
        told = "end the ork up of the other store before one works on this, or both fire"
        yield note_line(f"{came} came along: {told}")


def deploy(
    ctx: typer.Context,
    files: Files = None,
    message: Annotated[
        str | None,
        typer.Option(
            "-m", "--message", metavar="TEXT", help="Why; made from the diff when left out."
        ),
    ] = None,
    allow_secret: AllowSecret = False,
    move: Move = False,
    new: Annotated[
        bool, typer.Option("--new", help="A file with another name is another workflow.")
    ] = False,
    skip_behind: Annotated[
        bool,
        typer.Option("--skip-behind", help="Leave out files of an older version or git commit."),
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Keep the present version of a workflow.

    The definition in the file and the code that it calls become a snapshot, the newest of the
    workflow's history. When nothing changed since the last deploy, nothing is written: comments,
    key order, quoting and defaults do not count. No code of the workflow is run or imported. What
    is obviously a key or a password is refused, because it would be kept for ever; what seems to
    be a mistake is warned of, as by `ork check`, in files of up to 20,000 tasks.

    Of a folder all workflow files in it and below are deployed. Several files are one operation:
    all are deployed or none, and `ork undo` takes all of it back. A file that is as in an older
    version, while a rollback, an undo, a pull, somebody else or a deploy from another folder made
    the newest, is refused, unless it lies in a git commit after that of the newest: then it was
    reverted. With --skip-behind it is left out, and the others are deployed; so is then a file of a
    git commit before that of the newest, such as a job of CI that runs again has, whoever deployed.
    Left out is also the file of an archived workflow that is in a folder and not named itself. Of a
    folder, a workflow whose file in there is gone is told: it stays deployed until `ork archive`
    puts it away.

    A workflow is one file. Another one with its name is refused, unless --move says that it takes
    the place of the first; a file that was only renamed needs no --move. Where its `name:` is
    another than before, `ork mv` renames the workflow, and --new begins another one; so too where
    the file has another path as well, and still the same tasks.

    \b
    Example:
        ork deploy etl.yaml -m "Fetch twice a day"
    """
    from ork.heads.deploy import deploy_all, gone
    from ork.worktree.load import check, each_good, same_names
    from ork.worktree.lookup import no_file_in

    session: Session = ctx.obj
    at_most_one({"--quiet": quiet, "--json": as_json})
    session.quiet = quiet
    session.use_project_of(files or [Path()])
    known = session.store if session.has_store() else None
    # All, before any is deployed or a store made.
    paths = files_of(session, files, several=True)

    def look(path: Path) -> "Loaded":
        if path.is_dir():  # of one that has workflow files, `paths` has these
            raise no_file_in(path)
        return check(path, known)

    checked = each_good(paths, lambda path: path, look)
    if problems := same_names(checked):
        raise InvalidInput("nothing was deployed", problems=problems)
    stamp = session.stamp()

    def keep(store: "Store", *, dry: bool = False) -> "list[Deployed]":
        for loaded in checked:
            store.hold(loaded.built.objects)
        return deploy_all(
            store,
            checked,
            stamp=stamp,
            message=message,
            allow_secret=allow_secret,
            move=move,
            new=new,
            skip_behind=skip_behind,
            found=set(paths) - set(files or ()),
            dry=dry,
        )

    store = session.new_store_for(partial(keep, dry=True))
    done = keep(store)
    if as_json:
        session.print_json("deploy", done)
        return
    session.print(
        _left_out(one, loaded.path, session) if one.left_out else deploy_line(one, store)
        for one, loaded in zip(done, checked, strict=True)
        if one.left_out or not quiet
    )
    for one in done:
        session.say(*warnings_of(one))
        if store.ref(f"archived/{one.workflow}") and not one.left_out:
            told = f"{one.workflow} is archived, and no schedule of it fires"
            session.say(note_line(f"{told}: `ork archive --undo {one.workflow}` takes it out"))
    if any(one.changed for one in done):
        session.say(*slots_left_out(store))
    if quiet:
        return
    session.say(*without_message(done, message))
    if folders := [path for path in files or () if path.is_dir()]:
        there = {one.workflow for one in done}
        for name, path in gone(store, folders).items():
            if name in there:  # its file has another path here, as in an earlier commit
                continue
            told = f"{name} stays deployed, {os.path.relpath(path)} is gone"
            session.say(note_line(f"{told}: `ork archive {name}` puts it away"))
    session.say(*_after_deploy(done, checked))


def deploy_line(done: "Deployed", store: "Store") -> Line:
    """Return one line: the workflow, its snapshot, and what changed."""
    snapshot = (store.short(done.snapshot), "oid")
    if not done.changed and not done.moved:
        return [(done.workflow, "name"), " is up to date at ", snapshot]
    return [(done.workflow, "name"), " ", snapshot, "  ", done.message.partition("\n")[0]]


def _left_out(done: "Deployed", path: Path, session: Session) -> Line:
    told = f" is {done.left_out}: {session.pasted(done.hint)}"
    return [(done.workflow, "name"), " is left out: ", (str(path), "file"), told]


def warnings_of(done: "Deployed") -> "Iterator[Line]":
    """Yield what seems to be a mistake in what was deployed."""
    if done.warnings:
        from ork.cli.screen.errors import warnings_view

        yield from warnings_view(done.warnings)


def without_message(done: "Iterable[Deployed]", message: str | None) -> Iterator[Line]:
    """Yield a note where nothing was deployed that could have the message, and what marks one."""
    if message and not any(one.changed or one.moved for one in done):
        told = "nothing was deployed: the message is not kept"
        yield note_line(f"{told}; `ork tag LABEL` marks a version that is there")


def _after_deploy(done: "Iterable[Deployed]", files: "Iterable[Loaded]") -> Iterator[Line]:
    from ork.store.contents import run_command

    for one, loaded in zip(done, files, strict=True):
        if one.changed:
            name = one.workflow
            diff = f"`ork diff {name}~1 {name}` or " if one.parent else ""
            yield next_line(f"{diff}`{run_command(name, loaded.definition.params)}`")
            return


def status(
    ctx: typer.Context,
    short: Annotated[
        bool, typer.Option("-s", "--short", help="Letters as git has them, and only differences.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show which files differ from what is deployed.

    Looks at every file that a deploy came from, and below the working directory for workflow files
    that are not deployed yet. With -s: M modified, R moved, D missing, ?? new, ! wrong,
    B behind: as in another version, while a rollback, an undo, a pull, somebody else or a deploy
    from another folder made the newest. A warning tells what others did that an edited file lacks,
    and a deploy of it would take back, or that it is of a git commit before that of the newest.
    How many deploys a head is ahead or behind is by what `ork fetch` saw last. A file that is as in
    what is new there, such as origin/etl, needs no deploy: `ork pull` takes that.

    \b
    Example:
        ork status
    """
    from ork.heads.deploy import naming_hint, status

    session: Session = ctx.obj
    at_most_one({"--short": short, "--json": as_json})
    found = list(status(session.store, Path.cwd(), author=session.author()))
    if as_json:
        session.print_json("status", found)
        return
    found = [_seen_from_here(session.store, one) for one in found]
    if short:
        rows = [(LETTERS[one.state], one) for one in found if one.state in LETTERS]
        session.print(
            [(f"{letter:<2}", STATE_STYLES[one.state]), " ", one.path] for letter, one in rows
        )
        return
    found.sort(key=lambda one: one.state != "unchanged")  # what differs last, above what to do
    session.print(_status_lines(found, session.store))
    first = {one.state: one for one in reversed(found)}
    changed = (one for one in found if one.state in ("modified", "moved"))
    modified = next((one for one in changed if not (one.lost and one.state == "moved")), None)
    edited = (one for one in found if one.state in ("modified", "new"))
    fetched = next((one for one in edited if one.other), None)
    if duplicate := first.get("duplicate"):
        session.say(hint_line(_about_duplicate(session.store, duplicate)))
    newest = "`ork restore {} --code` writes the newest version here"
    if renamed := first.get("renamed"):
        names = str(renamed.other), str(renamed.workflow)
        told = naming_hint(session.store, *names, renamed.path)
        session.say(next_line(newest.format(renamed.other) if renamed.summary else told))
    elif fetched:
        remote = str(fetched.other).partition("/")[0]
        apart = any(one.ahead for one in fetched.remotes if one.remote == remote)
        force = " --force" if apart else ""
        pull = f"`ork pull {remote} {fetched.workflow}{force}`"
        session.say(next_line(f"{pull} takes what {remote} has"))
    elif modified and modified.state == "moved":
        move = "--move " if modified.summary else ""
        kept = f"`ork deploy {move}{shlex.quote(modified.path)}` keeps its new path"
        session.say(next_line(kept))
    elif modified:
        several = sum(one.state == "modified" for one in found) > 1
        kept = f"`ork deploy {shlex.quote(modified.path)}` keeps it"
        kept += ", `ork deploy .` all that is here" if several else ""
        session.say(next_line(f"`ork diff {modified.workflow}` shows what changed, {kept}"))
    elif behind := first.get("behind"):
        session.say(next_line(newest.format(behind.workflow)))
    elif fresh := next((one for one in found if one.state == "new" and not one.summary), None):
        session.say(next_line(f"`ork deploy {shlex.quote(fresh.path)}`"))
    elif missing := first.get("missing"):
        name = missing.workflow
        if sum(one.state == "missing" for one in found) > 1:
            told = "`ork restore --all --code` writes what is missing"
        elif missing.summary:  # which an import has: it never had a file, and no code
            told = f"`ork restore {name}` writes a file of its deploy"
        else:
            told = f"`ork restore {name} --code` writes the file and the code of its deploy"
        if not missing.summary and not session.store.shared:  # others may have it
            told += f", `ork archive {name}` puts the workflow away"
        session.say(next_line(told))
    elif invalid := first.get("invalid"):
        session.say(next_line(f"`ork check {shlex.quote(invalid.path)}` says what is wrong"))
    elif not found:
        put_away = next(session.store.refs("archived/"), None)
        but = ", but for those of archived workflows: `ork workflows --all` lists them"
        session.say([f"no workflow files here{but if put_away else ''}"])


def _about_duplicate(store: "Store", one: "FileStatus") -> str:
    """Return what to do with a file whose name another one has; it may be what that was before."""
    from ork.heads.deploy import former_file

    former = former_file(store, str(one.workflow)) if one.deploy else None
    if former and os.path.relpath(store.project / former) == one.path:
        was = f"was the file of {one.workflow} before {one.other}"
        return f"{one.path} {was}: remove it, or give it a name of its own"
    return f"{one.path} needs a name of its own"


def _seen_from_here(store: "Store", one: "FileStatus") -> "FileStatus":
    """Return a status with its paths as one would type them in the working directory."""
    path, other = (p and os.path.relpath(store.project / p) for p in (one.path, one.other))
    is_path = one.state in ("moved", "duplicate")
    return replace(one, path=path, other=other if is_path else one.other)


def _status_lines(found: "Sequence[FileStatus]", store: "Store") -> Iterator[Line]:
    width = column(one.path for one in found)
    for one in store.shortened(found, lambda one: [one.snapshot] if one.snapshot else []):
        line: Line = [(f"{one.state:<10}", STATE_STYLES[one.state]), padded(one.path, width)]
        if one.workflow:
            line += ["  ", (one.workflow, "name")]
        if one.snapshot and one.state == "unchanged":
            line += [" ", (store.short(one.snapshot), "oid")]
        line += [(f" @{label}", "tag") for label in one.tags if one.state == "unchanged"]
        if one.other:
            words = {"moved": "from ", "renamed": "deployed as "}
            line += ["  ", words.get(one.state, "as in "), one.other]
        if one.summary:
            line += ["  ", one.summary]
        for apart in one.remotes:
            line += [(f"  {apart.words}", "time")] if apart.words else []
        yield line
        if one.lost:
            yield [" " * 10, ("warning: ", "warning"), f"this {one.lost}"]
