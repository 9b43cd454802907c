"""Export: the history of a workflow as a real git repository, made or brought up to date.

git computes every commit anew, and equal deploys give equal commits. So a branch is an older state
of the history if its tip is among these commits, and only then it moves on.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from pathlib import Path
from shlex import quote

from ork.errors import Conflict, InvalidInput, StoreError, UsageError, count
from ork.files import lock, open_folder, read_file, remove
from ork.git.binary import Git, make_repository, repository_at, tell
from ork.git.commit import ident, message_of, place_of, read_commit, seconds
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, FileEntry, is_name, is_path
from ork.objects.snapshot import changes
from ork.objects.value import Value
from ork.progress import counted
from ork.store.contents import join_text
from ork.store.resolve import head, history, workflow_meant
from ork.store.store import Store
from ork.worktree.folder import root_below

BRANCH = "main"
_INCOMING = "refs/ork/incoming"  # holds what is new until the branch moves
_MARKS = "ork-marks"
_REPORT = re.compile(r"fast_import_crash_\d+", re.ASCII)
_REPORT_BYTES_MAX = 1 << 20
_MARK = ".ork-export"  # in a folder whose content is moved up when it is whole
_UNFINISHED = re.compile(r"\.ork-export-[0-9a-f]{12}")
_ABSENT = "0" * 40
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)  # of a name
_BAD_REF = re.compile(
    r"[\ud800-\udfff\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.$|/$|^[-/.]|^@$"
)
_Files = dict[str, tuple[str, Oid]]  # path -> mode and content


class Exported(Value, frozen=True, kw_only=True):
    """The result of an export: `commits` counts all of the branch, `added` those that are new.

    `new_tags` are those of the labels in `tags` that were not there, or elsewhere.

    `left` are labels that were not exported: on no deploy of the history, or a tag of the
    repository's own has that name.
    """

    workflow: str
    repository: str
    branch: str
    commit: str
    created: bool
    commits: int
    added: int
    tags: tuple[str, ...] = ()
    new_tags: tuple[str, ...] = ()
    left: tuple[str, ...] = ()

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "repository": self.repository,
            "branch": self.branch,
            "added": f"{self.added} of {count(self.commits, 'commit')} new",
        }


def the_workflow(store: Store, name: str | None) -> str:
    """Return the name, or that of the only workflow if there is none."""
    name = workflow_meant(store, name or "@")
    head(store, name)
    return name


def stream_git(store: Store, workflow: str, *, branch: str = BRANCH) -> Iterator[bytes]:
    """Yield the history of a workflow as a stream for `git fast-import`."""
    _check_branch(branch)
    marks: dict[Oid, int] = {}
    yield b"feature done\n"
    yield from _commits(store, workflow, f"refs/heads/{branch}", marks)
    for label, oid in _labels(store, workflow).items():
        if oid in marks:
            yield f"reset refs/tags/{label}\nfrom :{marks[oid]}\n\n".encode()
    yield b"done\n"


def export_git(
    store: Store, destination: Path, workflow: str, *, branch: str = BRANCH, update: bool = False
) -> Exported:
    """Write the history of a workflow as a git repository.

    `destination` must not exist or be an empty folder, unless `update`: then the branch of the
    repository there goes on to the newest deploy, and so do its files if they show that branch. If
    it has this history already, or a part of it from an export that was killed, that is fine too.
    Refuses, and changes nothing, when the branch has commits that are not of this history.
    """
    _check_branch(branch)
    if destination.exists() and not destination.is_dir():
        raise UsageError(f"{destination} is not a folder")
    finished = destination.is_dir() and _finish(destination)
    if not destination.is_dir() or not any(destination.iterdir()):
        return _create(store, destination, workflow, branch)
    git = repository_at(destination.resolve())
    if not (update or finished or (git and _has(git, store, workflow, branch))):
        raise UsageError(
            f"{destination} is not empty",
            hint="name a folder that does not exist, or --update a repository that is there",
        )
    if git is None:
        raise UsageError(f"{destination} is not a git repository: nothing to update")
    return _update(store, git, destination, workflow, branch)


def _create(store: Store, destination: Path, workflow: str, branch: str) -> Exported:
    """Make the repository in a folder inside of the destination, and move it up when it is whole.

    So it is on the right file system, and the shell of a user who is in there is not lost. That the
    folder is locked says that somebody is at work; `_finish` looks at one that nobody has locked.
    """
    existed = destination.exists()
    destination.mkdir(parents=True, exist_ok=True)
    made = destination / f".ork-export-{os.urandom(6).hex()}"
    made.mkdir(mode=0o700)
    moved: list[Path] = []
    try:
        with _locked(made):
            (made / _MARK).touch()
            git = make_repository(made, branch=branch)
            done = _update(store, git, destination, workflow, branch)
            # Of several exports at once only one can put its `.git` there, so that goes first.
            for path in _parts(made):
                _move_up(path, destination)
                moved.append(destination / path.name)
            (made / _MARK).unlink()
            made.rmdir()
    except BaseException:
        for path in (made, *moved):
            with suppress(OSError):
                remove(path)
        if not existed:
            with suppress(OSError):  # somebody else has written there, too
                destination.rmdir()
        raise
    return done


def _finish(destination: Path) -> bool:
    """Look after exports that were killed in a folder; say whether one of them is whole now.

    It has put its `.git` there already, so the rest follows. What is of no use is removed.
    """
    finished = False
    for made in sorted(destination.glob(".ork-export-*")):
        if not _UNFINISHED.fullmatch(made.name) or made.is_symlink() or not made.is_dir():
            continue
        with _locked(made):
            if any(made.iterdir()) and not (made / _MARK).is_file():
                continue  # it only has such a name
            if (destination / ".git").is_dir() and not (made / ".git").exists():
                for path in _parts(made):
                    _move_up(path, destination)
                finished = True
            remove(made)
    return finished


@contextmanager
def _locked(made: Path) -> Iterator[None]:
    """Keep a folder of an export for oneself; raise Conflict where another one has it or had it."""
    at_work = Conflict(f"another export is at work in {made.parent}", hint="wait for its end")
    with ExitStack() as stack:
        try:
            at = stack.enter_context(open_folder(made))
        except FileNotFoundError:
            raise at_work from None
        try:
            free = lock(at)
        except OSError:
            free = True  # a file system without locks
        # Who had the lock before may have moved all of it up, or taken it for remains.
        if not free or os.fstat(at).st_nlink == 0:
            raise at_work
        yield


def _parts(made: Path) -> list[Path]:
    """Return what is to be moved up, `.git` first."""
    parts = [path for path in made.iterdir() if path.name != _MARK]
    return sorted(parts, key=lambda path: (path.name != ".git", path.name))


def _has(git: Git, store: Store, workflow: str, branch: str) -> bool:
    """Say whether a branch ends with the newest deploy, so that nothing is to be written."""
    tip = git.commit(f"refs/heads/{branch}")
    commit = read_commit(git.run("cat-file", "commit", tip)) if tip else None
    return commit is not None and commit.deploy == head(store, workflow)


def _move_up(path: Path, destination: Path) -> None:
    target = destination / path.name
    try:
        # A folder never takes the place of one that has something in it; a file would.
        if not path.is_dir() and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        path.rename(target)
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        raise Conflict(
            f"{destination} was written by somebody else meanwhile: {error.strerror}",
            hint="look at what is there; --update goes on with an export",
        ) from None


@contextmanager
def _alone(git: Git) -> Iterator[None]:
    """Keep other exports out of a repository: they wait, then see what this one has done."""
    with open_folder(git.common) as at:
        # Where a file system has no such locks, those of git keep the refs whole.
        with suppress(OSError):
            lock(at, wait_s=float("inf"))
        yield


def _update(store: Store, git: Git, destination: Path, workflow: str, branch: str) -> Exported:
    with _alone(git):
        _remove_remains(git)  # of an export that was killed
        try:
            return _go_on(store, git, destination, workflow, branch)
        finally:
            git.ask("update-ref", "-d", _INCOMING)
            _remove_remains(git)


def _remove_remains(git: Git) -> None:
    """Remove the marks that git has written for an export, and what it told of one that broke off.

    A pack that it had begun is left to `git gc`, which knows whether somebody still writes there.
    """
    with open_folder(git.folder) as at:
        for name in os.listdir(at):
            with suppress(OSError):
                if name in (_MARKS, f"{_MARKS}.lock") or (
                    _REPORT.fullmatch(name)
                    and f"/{_MARKS}\n".encode() in read_file(name, _REPORT_BYTES_MAX, at=at)
                ):
                    remove(name, at=at)


def _go_on(store: Store, git: Git, destination: Path, workflow: str, branch: str) -> Exported:
    ref = f"refs/heads/{branch}"
    old = git.commit(ref)
    commits = _write(git, store, workflow)
    ids = list(commits.values())
    if old is not None and old not in ids:
        raise _rewritten(git, old, destination, workflow, branch)
    moves, tags, left = _tag_moves(store, git, workflow, commits)
    new_tags = tuple(ref.removeprefix("refs/tags/") for ref in moves)
    if old != ids[-1]:
        moves[ref] = (old, ids[-1])
    shown = git.work_tree and _shows(git, ref) and ref in moves
    if ref in moves and not shown and (tree := _worktree_of(git, ref)):
        raise Conflict(
            f"{tree} shows the branch {branch}, and its files would stay behind",
            hint=f"`ork export git {quote(tree)} {workflow} --branch {branch} --update`"
            " brings them along",
        )
    # The files go first: an export that is killed in between is made good by the next one, while
    # a branch that has gone on without its files would look like changes of the user.
    if shown:
        _files(git, old, ids[-1], destination)
    try:
        _move(git, moves, destination)
    except Conflict:
        if shown:
            _files(git, ids[-1], old or git.run("mktree").decode().strip(), destination)
        raise
    return Exported(
        workflow=workflow,
        repository=str(destination),
        branch=branch,
        commit=ids[-1],
        created=old is None,
        commits=len(ids),
        tags=tuple(tags),
        new_tags=new_tags,
        left=tuple(left),
        added=len(ids) - (ids.index(old) + 1 if old else 0),
    )


def _write(git: Git, store: Store, workflow: str) -> dict[Oid, str]:
    """Let git write the commits; return deploy -> commit, oldest first."""
    marks: dict[Oid, int] = {}
    file = git.folder / _MARKS  # one export at a time writes there
    words = ("fast-import", "--quiet", "--force", "--done", f"--export-marks={file.absolute()}")
    with git.talk(*words) as process:
        tell(process, chain(_commits(store, workflow, _INCOMING, marks), [b"done\n"]))
    with suppress(FileNotFoundError):
        lines = file.read_text().splitlines()
        names = dict(line.split(" ", 1) for line in lines if " " in line)
        if all(f":{mark}" in names for mark in marks.values()):
            return {oid: names[f":{mark}"] for oid, mark in marks.items()}
    raise StoreError("git fast-import did not answer to the end")


def _commits(store: Store, workflow: str, ref: str, marks: dict[Oid, int]) -> Iterator[bytes]:
    """Yield the commits of a workflow for git, and note the mark of each deploy, oldest first.

    A commit holds the workflow file at its path, its code below its folder, and the author, time
    and message of the deploy. Nothing else counts, so equal deploys give equal commit ids.
    """
    head(store, workflow)
    blobs: dict[Oid, int] = {}
    before: _Files = {}
    old = None
    deploys = [oid for oid, _ in history(store, workflow)][::-1]
    for oid in counted("writing commits", deploys, len(deploys)):
        deploy = store.get(Deploy, oid)
        files = _files_of(store, deploy, old, before)
        order = sorted(files) if before else files
        fresh = {path: files[path] for path in order if before.get(path) != files[path]}
        for path, (_, blob) in fresh.items():
            _check_path(deploy, path)
            if blob not in blobs:
                blobs[blob] = len(blobs) + len(marks) + 1
                text = blob == deploy.source.oid
                data = join_text(store, deploy.source) if text else store.blob(blob)
                yield _data(f"blob\nmark :{blobs[blob]}\n", data)
        marks[oid] = len(blobs) + len(marks) + 1
        who = f"{ident(deploy.author)} {seconds(deploy.time)} +0000"
        lines = f"commit {ref}\nmark :{marks[oid]}\nauthor {who}\ncommitter {who}\n"
        yield _data(lines, message_of(oid, deploy))
        yield b"" if before else b"deleteall\n"
        # Files that go make room: one may become a folder.
        for path in sorted(before.keys() - files.keys()):
            yield f"D {_quote(path)}\n".encode()
        for path, (mode, blob) in fresh.items():
            yield f"M {mode} :{blobs[blob]} {_quote(path)}\n".encode()
        yield b"\n"
        old, before = deploy, files


def _files_of(store: Store, deploy: Deploy, old: Deploy | None, before: _Files) -> _Files:
    """Return the files of a deploy as its commit has them, given those of the deploy before."""
    path = place_of(deploy.source.path)
    folder = root_below(path, deploy.settings)
    captured = store.snapshot(deploy.snapshot).files
    found: Iterable[tuple[str, FileEntry | None]]
    if old is not None and _stays(old, deploy):
        differing = changes(store.snapshot(old.snapshot).files, captured)
        found = ((below, file) for below, (_, file) in differing.items())
        files = dict(before)
    else:
        found = captured.items()
        files = {}
    for below, file in found:
        if file is None:
            del files[folder + below]
        else:
            files[folder + below] = ("100755" if file.executable else "100644", file.blob)
    # The workflow file may be among the captured ones as well.
    mode, _ = files.get(path, ("100644", None))
    files[path] = (mode, deploy.source.oid)
    return files


def _stays(old: Deploy, new: Deploy) -> bool:
    """Say whether the workflow file and its root lie where they did."""
    before, after = place_of(old.source.path), place_of(new.source.path)
    return before == after and old.settings.get("root") == new.settings.get("root")


def _check_path(deploy: Deploy, path: str) -> None:
    """Refuse what git would not write out, or would write elsewhere."""
    if not is_path(path) or any(part.lower() in (".git", "git~1") for part in path.split("/")):
        raise InvalidInput(
            f"git cannot hold the file {path!r} of a deploy of {deploy.workflow} "
            f"({deploy.snapshot[:12]})",
            hint="`ork deploy` keeps such a file, git never does: capture it under another name",
        )


def _data(lines: str, data: bytes) -> bytes:
    return b"%sdata %d\n%s\n" % (lines.encode(), len(data), data)


def _quote(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _labels(store: Store, workflow: str) -> dict[str, Oid]:
    """Return the tags of a workflow by the names that git allows for them."""
    # Another program may have given a tag any text, even lines that would be commands to git.
    given = {label: oid for label, oid in store.refs(f"tags/{workflow}/") if is_name(label)}
    found: dict[str, Oid] = {}
    # Names that git takes as they are come first, so that no other takes their place.
    for label in sorted(given, key=lambda label: (_fit(label) != label, label)):
        name = _fit(label)
        while name in found:
            name += "_"
        found[name] = given[label]
    return dict(sorted(found.items()))


def _fit(label: str) -> str:
    return label + "_" if label.endswith((".", ".lock")) else label


def _tag_moves(
    store: Store, git: Git, workflow: str, commits: Mapping[Oid, str]
) -> tuple[dict[str, tuple[str | None, str]], list[str], list[str]]:
    """Return ref -> (old, new) of the tags that move, and the labels exported and left out."""
    moves: dict[str, tuple[str | None, str]] = {}
    tags = []
    left = [label for label, _ in store.refs(f"tags/{workflow}/") if not is_name(label)]
    ours = set(commits.values())
    for label, oid in _labels(store, workflow).items():
        ref = f"refs/tags/{label}"
        old = git.ask("rev-parse", "--verify", "--quiet", ref)
        was = old.decode().strip() if old else None
        if oid not in commits or (was is not None and was not in ours):
            left.append(label)
            continue
        tags.append(label)
        if was != commits[oid]:
            moves[ref] = (was, commits[oid])
    return moves, tags, left


def _move(git: Git, moves: Mapping[str, tuple[str | None, str]], destination: Path) -> None:
    lines = [f"update {ref} {new} {old or _ABSENT}\n" for ref, (old, new) in moves.items()]
    try:
        git.run("update-ref", "--stdin", feed="".join(lines).encode())
    except StoreError as error:
        raise Conflict(f"{destination}: {error.message}; nothing was changed") from None


def _worktree_of(git: Git, ref: str) -> str | None:
    """Return which worktree of a repository shows a branch, of those that are still there."""
    listed = git.run("worktree", "list", "--porcelain").decode("utf-8", "replace")
    for lines in (part.splitlines() for part in listed.split("\n\n")):
        if f"branch {ref}" in lines and Path(lines[0].removeprefix("worktree ")).exists():
            return lines[0].removeprefix("worktree ")
    return None


def _shows(git: Git, ref: str) -> bool:
    return (git.ask("symbolic-ref", "--quiet", "HEAD") or b"").decode().strip() == ref


def _files(git: Git, old: str | None, new: str, destination: Path) -> None:
    """Bring the files of the work tree from one commit to another, as a fast-forward does."""
    git.ask("update-index", "-q", "--refresh")
    try:
        git.run("read-tree", "-m", "-u", *((old,) if old else ()), new)
    except StoreError as error:
        raise Conflict(
            f"{destination} has changes of its own: {error.message}",
            hint="commit them elsewhere or undo them (`git status` shows them), then try again",
        ) from None


def _rewritten(git: Git, old: str, destination: Path, workflow: str, branch: str) -> InvalidInput:
    commit = read_commit(git.run("cat-file", "commit", old))
    other = commit.trailers.get("Workflow")
    hint = "--branch NAME exports to another branch; a new folder always works"
    if other and other != workflow:
        what = f"holds the history of {other}, not of {workflow}"
    elif other:
        what = f"ends with a deploy that is not in the history of {workflow} as it is now"
    else:
        what = f"ends with a commit that is not from ork: {commit.message.partition(chr(10))[0]!r}"
    return InvalidInput(f"branch {branch} of {destination} {what} ({old[:12]})", hint=hint)


def _check_branch(branch: str) -> None:
    if not branch or _BAD_REF.search(branch):
        raise UsageError(f"{branch!r} is no name for a branch")
