"""Behind: a file that is, as a whole or in part, as before the newest came from elsewhere."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import dropwhile, islice, pairwise
from shlex import quote

from ork.differences.definitions import Diff, summarize
from ork.differences.files import FileChange
from ork.differences.reverse import inverse, taken_back
from ork.errors import InvalidInput, Problem, some
from ork.history.compare import compare_deploys, compare_with_loaded
from ork.objects.canonical import Oid, hash_bytes
from ork.objects.kinds import Blob, Deploy, Operation, Origin
from ork.objects.rows import name_of
from ork.objects.value import Value, replace
from ork.store.location import is_beside, remotes
from ork.store.operations import head_moves, operations
from ork.store.resolve import apart, former_names, history, remote_ref
from ork.store.store import Store, Transaction
from ork.worktree.load import Loaded
from ork.worktree.lookup import relative
from ork.worktree.origin import common_commit, host, later_commit
from ork.zone import here

COMMIT_CHARS = 12  # of a git commit, as people are shown it
NOTED = "read/{}/git/"  # begins the ref of a commit, which counts while its version is the newest
SEEN = "read/{}/file/"  # begins the ref of a file, to the newest version that it is known to be of
FILES_MAX = 100  # of a workflow, in as many folders, that are known
LOOKED_AT_MAX = 100  # operations and deploys, for what the file was made of


class Behind(Value, frozen=True, kw_only=True):
    """The version that a file has, as one would type it, and what made another the newest."""

    workflow: str
    version: str
    then: str
    path: str = ""  # of a file that may be deployed all the same

    def __str__(self) -> str:
        """Say it as of a file."""
        return f"as in {self.version}, before {self.then}"

    @property
    def way(self) -> str:
        """What makes the newest of it, where it is meant."""
        again = f"rollback {self.workflow} {self.version}"
        if self.path:
            again = f"deploy {quote(self.path)}"
        return f"`ork {again}` makes that version the newest"


class Asked:
    """A workflow file, and who asks what others did to its workflow since they had deployed it."""

    def __init__(self, store: Store, loaded: Loaded, author: str) -> None:
        self.store, self.loaded, self.author = store, loaded, author
        self.name = loaded.definition.name
        self.ref = f"workflows/{self.name}"

    @cached_property
    def head(self) -> Oid | None:
        """The newest version when it was asked for first: what is judged is what is deployed on."""
        return self.store.ref(self.ref)

    def lately(self, start: Oid) -> Iterator[tuple[Oid, Deploy]]:
        """Yield a version and those before it, newest first, as many as are looked at."""
        return islice(history(self.store, self.name, start), LOOKED_AT_MAX)

    def is_own(self, oid: Oid, deploy: Deploy) -> bool:
        """Say whether who asks has made a version by deploying this file."""
        is_by = (deploy.action, deploy.author) == ("deploy", self.author)
        return is_by and oid not in self.elsewhere

    @cached_property
    def elsewhere(self) -> set[Oid]:
        """The versions that came after the newest one that the file is known to have been as.

        Where that was undone, after what it came after. None where nothing is known: then the
        author tells whose a version is.
        """
        store, name = self.store, self.name
        names = (name, *former_names(store, name))
        seen = {*store.refs_at(_seen_ref(store, self.loaded, one) for one in names).values()}
        ends = (apart(store, name, self.head, oid) for oid in seen if self.head)
        newer = min((found[0] for found in ends if found), default=0)
        return {oid for oid, _ in islice(history(store, name, self.head), newer)}


def behind(file: Asked) -> Behind | None:
    """Return the older version that a file has, if the newest one was not made of this file.

    It was not when a rollback, an undo, a pull, a clone, another author or a deploy from another
    folder made it the newest.
    Whoever edits a file back to what it was is not behind: what they deployed was the newest, or
    their git commit comes after that of the newest. Nor is who left their own deploy for the newest
    by a forced pull, and has what that brought as well, as after a merge in git.
    """
    store, loaded, author, name, head = file.store, file.loaded, file.author, file.name, file.head
    if head is None or loaded.is_as(store.get(Deploy, head)):
        return None
    moved = next(_moves(store, name, operations(store)), None)
    if moved is None:
        return None
    operation, before, end = moved
    line = dropwhile(lambda one: one[1][0] != end, enumerate(history(store, name, head)))
    _, (end, newest) = next(line, (0, (None, None)))
    if end is None or newest is None:
        return None
    is_made = newest.action == "deploy" and newest.time == operation.time
    if is_made and file.is_own(end, newest):
        return None
    left_by, then = "", _told(operation, author)
    if is_made or newest.action == "rollback":  # which may have come by a push or pull
        then = f"a {newest.action} by {newest.author}"
        if (newest.action, newest.author) == ("deploy", author):
            then = "a deploy in another folder"
            if newest.source.path != relative(store, loaded.path):
                then = f"a deploy of {newest.source.path}"
    # Without anything before, a clone brought the head, and all that is older with it.
    older = line if before is None else dropwhile(lambda one: one[1][0] != before, line)
    found = {f"{name}~{back}": deploy for back, (_, deploy) in islice(older, LOOKED_AT_MAX)}
    if before and not found:
        if _is_undone(store, name, before, head):
            return _as_undone(file)
        # The line that was left for the head.
        left_by, then = operation.author, _told(operation, author)
        left, came = [*file.lately(before)], {oid for oid, _ in file.lately(head)}
        both = next((deploy for oid, deploy in left if oid in came), None)
        if both and store.get(Deploy, head).has(both.snapshot, both.settings):
            return None  # what came, such as another name, has nothing that the file could lack
        was = _was_head(store, name, before)
        found = {f"{was}~{back}": deploy for back, (_, deploy) in enumerate(left)}
    for version, deploy in found.items():
        if loaded.is_as(deploy):
            if _comes_after(file, newest, end):
                return None
            if author == deploy.author == left_by:
                change = compare_with_loaded(store, store.get(Deploy, head), loaded)
                if not takes_back(file, change):
                    return None
            return Behind(workflow=name, version=version.removesuffix("~0"), then=then)
    return None


def outdated(file: Asked) -> Behind | None:
    """Return what `behind` does, also of a file that came before the newest commit of a deploy.

    So has a job of CI which is late or runs again, whoever deployed. Whoever goes back in git, and
    deploys that, may mean it: nothing is refused for this.
    """
    return behind(file) or of_older_commit(file)


def of_older_commit(file: Asked) -> Behind | None:
    """Return the commit of a file that differs from the newest, which was made of a later one.

    It differs by its path as well.
    """
    if file.head is None:
        return None
    newest = file.store.get(Deploy, file.head)
    is_there = newest.source.path == relative(file.store, file.loaded.path)
    return None if is_there and file.loaded.is_as(newest) else before_newest_commit(file)


def before_newest_commit(file: Asked) -> Behind | None:
    """Return the commit of a file if the newest version was made of a later one."""
    if file.head is None:
        return None
    loaded, commit = file.loaded, _newest_commit(file.store, file.name, file.head)
    common = commit and common_commit(loaded.root, commit)
    if common in ("", commit) or loaded.origin() != Origin(commit=common, dirty=False):
        return None
    then = f"commit {commit[:COMMIT_CHARS]} was deployed"
    version = f"commit {common[:COMMIT_CHARS]}"
    return Behind(workflow=file.name, version=version, then=then, path=str(loaded.path))


def note_commits(tx: Transaction, files: Iterable[Loaded]) -> None:
    """Note the git commit of files that are as the newest versions, made of earlier ones.

    No version tells of it, as of a revert of what was never deployed.
    """
    store, later = tx.store, cache(later_commit)
    for loaded in files:
        name = loaded.definition.name
        head = store.ref(f"workflows/{name}")
        if head and (commit := later(loaded.root, _newest_commit(store, name, head))):
            folder = NOTED.format(name)
            tx.moves |= {folder + noted: (oid, None) for noted, oid in store.refs(folder)}
            tx.move(folder + commit, old=None, new=head)


def _newest_commit(store: Store, name: str, head: Oid) -> str:
    """Return the git commit of the newest version, or which is noted since, or "".

    A rollback has that of what it rolled back, another name that of the version which got it.
    """
    noted = {oid: commit for commit, oid in store.refs(NOTED.format(name))}
    for oid, deploy in islice(history(store, name, head), LOOKED_AT_MAX):
        if oid in noted:
            return noted[oid]
        if deploy.action != "rollback" and not _is_new_name(store, deploy):
            return deploy.origin.commit if deploy.origin else ""
    return ""


def _is_new_name(store: Store, deploy: Deploy) -> bool:
    return any(store.get(Deploy, one).workflow != deploy.workflow for one in deploy.parents[:1])


def refuse_behind(files: Sequence[Loaded], found: Sequence[Behind | None]) -> None:
    """Raise InvalidInput when a deploy of these files would take back what others did."""
    late = [(loaded.path, one) for loaded, one in zip(files, found, strict=True) if one]
    if not late:
        return
    path, one = late[0]
    of_it = f" of {one.workflow}" if len(late) > 1 else ""
    hint = f"`ork restore {one.workflow} --code` writes the newest version{of_it} here, {one.way}"
    if len(files) > 1:
        hint += ", `ork deploy --skip-behind` deploys the others"
    if len(late) == 1:
        raise InvalidInput(f"{path} is {one}: nothing was deployed", hint=hint)
    problems = [Problem(file=str(path), message=str(one)) for path, one in late]
    message = f"{len(late)} files are as in older versions: nothing was deployed"
    raise InvalidInput(message, problems=problems, hint=hint)


def as_fetched(store: Store, loaded: Loaded) -> str:
    """Return the version of a remote that a file has, of those that are new there, or ""."""
    name = loaded.definition.name
    for remote in remotes(store.folder):
        if (theirs := store.ref(remote_ref(remote, name))) is None:
            continue
        head = store.ref(f"workflows/{name}")
        ends = apart(store, name, head, theirs) if head else None
        new = ends[1] if ends else None
        for back, (_, deploy) in enumerate(islice(history(store, name, theirs), new)):
            if loaded.is_as(deploy):
                return f"{remote}/{name}~{back}".removesuffix("~0")
    return ""


def takes_back(file: Asked, change: Diff) -> str:
    """Return in words what others did that a change of the head to this file takes back, or "".

    Others did what came after the last version that was deployed here by whoever asks: by a pull,
    a rollback, an undo, another author. What the file has as it was before may be meant, or not
    have come.
    """
    if file.head is None:
        return ""
    who, back = _back_to_undone(file, file.head, change)
    if not back:
        who, back = _back_before(file, file.head, change)
    if not (back and who):
        return ""
    text = summarize(inverse(back))
    return f"takes back what {some(who, 2)}: {text[0].lower()}{text[1:]}"


def what_it_loses(file: Asked, change: Diff) -> str:
    """Return in words what a deploy of this file loses: see `takes_back` and `outdated`; or ""."""
    if told := takes_back(file, change):
        return told
    older = of_older_commit(file)
    return f"is {older}" if older else ""


def _back_to_undone(file: Asked, head: Oid, change: Diff) -> tuple[list[str], Diff]:
    """Return which undos a change takes back, and what of it does."""
    store, newest, who, diffs, back = file.store, file.store.get(Deploy, head), [], [], Diff()
    for operation, before, _ in _undos(store, file.name):
        undone = store.get(Deploy, before)
        if file.author == undone.author == operation.author:
            continue
        diffs.append(compare_deploys(store, undone, newest))
        if (more := taken_back(diffs, change)) != back:
            who.append(f"{_told(operation, file.author)} did")
            back = more
    return who, back


def _back_before(file: Asked, head: Oid, change: Diff) -> tuple[list[str], Diff]:
    """Return who made the newest versions that a change takes back, and what of it does."""
    if (found := _made_of(file, head)) is None:
        return [], Diff()
    base, since = found
    entries, diffs, back = [], [Diff()], Diff()
    in_part: dict[str, FileChange] = {}
    line = [*islice(_since(file, head, base), LOOKED_AT_MAX)]
    store, newest = file.store, file.store.get(Deploy, head)
    for one, (_, before) in pairwise(line):
        diffs.append(compare_deploys(store, before, newest))
        in_part |= _taken_back_in_part(store, diffs[-2:], change, file.loaded)
        more = taken_back(diffs, change)
        files = {one.path: one for one in more.files} | in_part
        more = replace(more, files=tuple(one for _, one in sorted(files.items())))
        if more != back:
            entries.append(one)
            back = more
    who = [
        f"{name_of(one.author)} did in {store.short(one.snapshot)}"
        f" ({here(one.time):%Y-%m-%d %H:%M})"
        for oid, one in entries
        if one.author != file.author or (oid in file.elsewhere and one.action == "deploy")
    ]
    return who or [f"{_told(one, file.author)} did" for one in [since] if one], back


def _taken_back_in_part(
    store: Store, since: Sequence[Diff], change: Diff, loaded: Loaded
) -> dict[str, FileChange]:
    """Return the code files that a change edits and that lack what somebody did there before.

    Since then, and since before it, there is one difference to the head. Such a file has lines
    again that were taken away, or, where some were only added, none of these.
    """
    found = {}
    for file in change.files:
        after, before = (
            next((one.old_blob for one in diff.files if one.path == file.path), file.old_blob)
            for diff in since
        )
        if file.kind != "changed" or before is None or before == after:
            continue
        blobs = (oid and store.get(Blob, oid).data for oid in (file.old_blob, after, before))
        own_data = loaded.captured.files[file.path].data
        now, then, old, own = (_lines(data or b"") for data in (*blobs, own_data))
        come = [(end - old) & now for end in (then, now) if not old - end]
        if (old - now) & (own - now) or any(one and one <= now - own for one in come):
            found[file.path] = file
    return found


def _lines(data: bytes) -> Counter[bytes]:
    return Counter(line for line in data.splitlines() if line.strip())


def _since(file: Asked, head: Oid, base: Oid | None) -> Iterator[tuple[Oid, Deploy]]:
    """Yield the newest deploys, and at the end the one that they came after.

    After a forced pull what others did began where the two were one, and not with our own.
    """
    had = {oid for oid, _ in file.lately(base)} if base else set()
    for oid, deploy in history(file.store, file.name, head):
        yield oid, deploy
        if oid in had or (base is None and file.is_own(oid, deploy)):
            return


def _made_of(file: Asked, head: Oid) -> tuple[Oid | None, Operation | None] | None:
    """Return the version that the file was made of, and the newest operation since then.

    That of somebody who has not deployed it here, or not for long, is not known.
    """
    store, name = file.store, file.name
    # When each was first made the newest: undo and redo make it so again, and leave files alone.
    moves = [*_moves(store, name, islice(operations(store), LOOKED_AT_MAX))]
    made = {new: (operation, old) for operation, old, new in moves if new}
    wanted, newest = next((new for _, _, new in moves if new), head), None
    while wanted in made:
        operation, old = made[wanted]
        deploy = store.get(Deploy, wanted)
        if deploy.time == operation.time and file.is_own(wanted, deploy):
            return wanted, newest
        if old is None:
            break
        if _is_undone(store, name, old, wanted):
            return None
        wanted, newest = old, newest or operation
    return None, newest


def _is_undone(store: Store, name: str, before: Oid, head: Oid) -> bool:
    """Say whether a head went back to an ancestor, as by an undo, which leaves files as they were.

    After a forced pull neither is an ancestor of the other. What gc has removed was undone as well.
    """
    if not store.has(before):
        return True
    return any(oid == head for oid, _ in islice(history(store, name, before), LOOKED_AT_MAX))


def _as_undone(file: Asked) -> Behind | None:
    """Return the version that a file has which undos took away, if they are the newest moves."""
    store, name = file.store, file.name
    for operation, before, end in _undos(store, name):
        for back, (oid, deploy) in enumerate(history(store, name, before)):
            if oid == end:
                break
            if file.loaded.is_as(deploy):
                if file.author == deploy.author == operation.author:
                    return None  # who may deploy it once more
                version = f"{_was_head(store, name, before)}~{back}".removesuffix("~0")
                return Behind(workflow=name, version=version, then=_told(operation, file.author))
    return None


def _undos(store: Store, name: str) -> Iterator[tuple[Operation, Oid, Oid]]:
    """Yield the newest moves of a head as long as each went back, as `_moves` does."""
    for operation, before, end in _moves(store, name, operations(store)):
        if not (before and end and store.has(before) and _is_undone(store, name, before, end)):
            return
        yield operation, before, end


def _was_head(store: Store, name: str, oid: Oid) -> str:
    """Return what means a deploy that was the head before."""
    moves = enumerate(head_moves(store, name))
    return next((f"{name}@{{{at}}}" for at, (_, new) in moves if new == oid), oid)


def _comes_after(file: Asked, newest: Deploy, moved_to: Oid) -> bool:
    """Say whether git has the file later than what the newest deploy was made of, as by a revert.

    Not where that one was made of changes that no commit had, until it is noted that one has them.
    """
    noted = file.store.refs(NOTED.format(file.name))
    commit = next((commit for commit, oid in noted if oid in (moved_to, file.head)), "")
    if not commit and newest.origin and not newest.origin.dirty:
        commit = newest.origin.commit
    return bool(commit) and common_commit(file.loaded.root, commit) == commit


def _told(operation: Operation, author: str) -> str:
    """Return an operation in words, as to this author: with who typed it, if that is another."""
    by = f" by {operation.author}" if operation.author != author else ""
    return f"`{operation.command}`{by}"


def note_seen(tx: Transaction, loaded: Loaded, deploy: Oid) -> None:
    """Note that a file is as a version, the newest one.

    By that other folders, which may have the same author, are told apart. Of many those are known
    that were as the newest versions.
    """
    store, name = tx.store, loaded.definition.name
    folder, ref = SEEN.format(name), _seen_ref(store, loaded, name)
    if (old := store.ref(ref)) == deploy:
        return
    others = {folder + name: oid for name, oid in store.refs(folder) if folder + name != ref}
    if len(others) >= FILES_MAX:
        times = {name: it.time for name, it in store.get_all(Deploy, others).items()}
        for name in sorted(others, key=times.__getitem__)[: 1 - FILES_MAX]:
            tx.move(name, old=others[name], new=None)
    tx.move(ref, old=old, new=deploy)


def _seen_ref(store: Store, loaded: Loaded, name: str) -> str:
    path = loaded.path.resolve()
    place = relative(store, path) if is_beside(store, path) else f"{host()}:{path}"
    return SEEN.format(name) + hash_bytes(os.fsencode(place))


def _moves(
    store: Store, name: str, found: Iterable[tuple[Oid, Operation]]
) -> Iterator[tuple[Operation, Oid | None, Oid | None]]:
    """Yield which operations moved the head of a workflow, from where and to where, newest first.

    One that gave it another name and no other content, or took that back, is left out: no file is
    behind that.
    """
    for _, operation in found:
        ends = {ref: both for ref, *both in operation.moves}
        if (moved := ends.get(f"workflows/{name}")) is None:
            continue
        old, new = moved
        pairs = (ref.split("/")[1:] for ref in ends if ref.startswith("former/"))
        other = next((one for pair in pairs if name in pair for one in pair if one != name), None)
        if old is None and other is not None:
            name, (old, _) = other, ends.get(f"workflows/{other}", (None, None))
            if _is_renamed(store, old, new):
                continue
        yield operation, old, new


def _is_renamed(store: Store, old: Oid | None, new: Oid | None) -> bool:
    """Say whether one of two deploys did nothing but give the other another name."""
    if old is None or new is None or not (store.has(old) and store.has(new)):
        return False
    before, after = store.get(Deploy, old), store.get(Deploy, new)
    return old in after.parents or new in before.parents
