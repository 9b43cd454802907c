"""Deploy: a workflow file becomes the newest entry of a workflow's history. And its status."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from shlex import quote

from ork.definition.secrets import find_secrets
from ork.differences.definitions import Diff, summarize
from ork.errors import Conflict, Corrupt, InvalidInput, NotFound, OrkError, Problem, count
from ork.heads.behind import (
    LOOKED_AT_MAX,
    NOTED,
    SEEN,
    Asked,
    Behind,
    as_fetched,
    before_newest_commit,
    behind,
    note_commits,
    note_seen,
    of_older_commit,
    outdated,
    refuse_behind,
    what_it_loses,
)
from ork.history.compare import compare_with_loaded
from ork.history.log import Standing, standings
from ork.objects import tree
from ork.objects.canonical import Oid, pack
from ork.objects.kinds import Deploy, Packed, Snapshot
from ork.objects.text import split_text
from ork.objects.value import Value, replace
from ork.store.contents import refuse_forgotten
from ork.store.resolve import (
    all_heads,
    archived_ref,
    former_names,
    head,
    heads,
    history,
    newest_deploy,
    present_name,
)
from ork.store.runs import tags_of
from ork.store.store import Stamp, Store, Transaction
from ork.worktree.load import (
    Loaded,
    Read,
    each_good,
    load,
    name_problem,
    read_ref,
    refuse_place,
    secrets_in,
    what_was_read,
)
from ork.worktree.lookup import FILES_MAX, relative, workflow_files

MESSAGE_BYTES_MAX = 64 * 1024
MESSAGE_HINT = "write another one; --allow-secret keeps it anyway"
RACES_MAX = 1000  # lost one after the other: then nobody would get anywhere


class Deployed(Value, frozen=True, kw_only=True):
    """The result of a deploy; `changed` is False when the head had this content already.

    `moved` is the path that the workflow file had before, relative to the project, when it has
    another one now: then there is a new entry, which has the same snapshot if nothing else changed.
    `left_out` says why the file was passed over, it is behind (see there), or of an archived one;
    then `hint` says how it is deployed all the same.
    `warnings` say what in the new content seems to be a mistake.
    """

    workflow: str
    deploy: Oid
    snapshot: Oid
    parent: Oid | None
    changed: bool
    message: str
    task_count: int
    bytes_written: int
    diff: Diff | None = None
    moved: str | None = None
    warnings: tuple[Problem, ...] = ()
    left_out: str = ""
    hint: str = ""

    @property
    def revision(self) -> str:
        """The text that means this deploy, also when it is the head no more: its oid."""
        return self.deploy

    def cells(self) -> dict[str, object]:
        return {
            "workflow": self.workflow,
            "changed": "changed" if self.changed else "left out" if self.left_out else "unchanged",
            "deploy": self.deploy[:12],
            "message": self.message,
        }


class FileStatus(Value, frozen=True, kw_only=True):
    """A workflow file compared with the head of its workflow.

    state: unchanged, modified, new (not deployed; where a workflow that was renamed came from it
    before, `summary` says so), renamed (deployed under the name `other`; where
    it is as in an older version of that, `summary` says so), moved
    (the file it was deployed from is gone), behind (as in the older version
    `other`, and a deploy is refused), duplicate (another file has this name), missing
    (deployed, the file is gone), invalid. A modified or new one may be as in the version `other` of
    a remote, see `as_fetched`.
    `tags` are the labels of the head, and `remotes` how it stands to those of other stores, where
    all files are looked at.
    """

    path: str
    workflow: str | None
    state: str
    deploy: Oid | None = None
    snapshot: Oid | None = None
    summary: str = ""
    other: str | None = None  # the file or workflow that it is compared with, or the version
    tags: tuple[str, ...] = ()
    remotes: tuple[Standing, ...] = ()
    lost: str = ""  # in words what a deploy would lose: see `what_it_loses`

    def cells(self) -> dict[str, object]:
        return {
            "path": self.path,
            "workflow": self.workflow,
            "state": self.state,
            "summary": self.summary,
        }


def deploy(
    store: Store,
    path: Path,
    *,
    stamp: Stamp,
    message: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
    new: bool = False,
) -> Deployed:
    """Deploy a workflow file; when nothing changed, write nothing and say so.

    Without a message one is made from the difference. Raises InvalidInput when the workflow was
    deployed from another file, unless `move`, or that file is gone and nothing else changed; when
    the file was deployed under another name, unless it is to be a `new` workflow; and when the
    workflow is archived. Loses no race: when another deploy of the workflow came first, this one
    becomes its child, or finds that nothing changed. Raises Conflict only if that happens again and
    again.
    """
    (done,) = deploy_all(
        store,
        [load(store, path)],
        stamp=stamp,
        message=message,
        allow_secret=allow_secret,
        move=move,
        new=new,
    )
    return done


def deploy_all(
    store: Store,
    files: Sequence[Loaded],
    *,
    stamp: Stamp,
    message: str | None = None,
    allow_secret: bool = False,
    move: bool = False,
    new: bool = False,
    skip_behind: bool = False,
    found: Collection[Path] = (),
    dry: bool = False,
) -> list[Deployed]:
    """Deploy files that `load` has read, all or none, as one operation; `dry`, only say what for.

    Files that are behind are refused, or left out on request: then they are in nobody's way, and
    those of an earlier git commit are left out as well (see `outdated`). So are those of archived
    workflows that nobody has named: these were `found` in a folder.
    See `refuse_move`, `refuse_renamed` and `refuse_secrets`. Raises NotFound when a part of one was
    forgotten.
    """
    if message is not None:
        check_message(message)
    aside = {
        one.path: _put_away(store, one, its)
        for one in files
        if one.path in found and (its := archived_of(store, one))
    }
    if skip_behind:
        aside |= _of_former_names(store, files, stamp.author)
    wanted = [one for one in files if one.path not in aside]
    if not new:
        refuse_renamed(store, wanted)

    def look(loaded: Loaded) -> None:
        if not allow_secret:
            refuse_secrets(store, loaded, message)
        refuse_place(store.project, loaded)
        if store.forgotten:
            objects = Packed()
            split_text("", loaded.text, objects.add)
            refuse_forgotten(store, loaded.snapshot, objects)

    each_good(wanted, _path, look)

    def deploy_in(tx: Transaction) -> list[Deployed]:
        # What is judged is what a write goes on from: else it would lose what others do meanwhile.
        asked = [Asked(store, one, stamp.author) for one in wanted]
        late = [outdated(one) if skip_behind else behind(one) for one in asked]
        if not skip_behind:
            refuse_behind(wanted, late)

        def add(file: tuple[Asked, Behind | None]) -> Deployed:
            one, late = file
            if late:
                return _unchanged(store, one.loaded, late.workflow, str(late), late.way)
            return _add(tx, one, stamp, message, move=move)

        added = each_good(zip(asked, late, strict=True), lambda file: file[0].loaded.path, add)
        if skip_behind:
            both = zip(wanted, added, strict=True)
            same = (file for file, its in both if not (its.left_out or its.bytes_written))
            note_commits(tx, same)
        for one in asked if tx.moves else ():
            if one.ref not in tx.moves:
                tx.expect(one.ref, one.head)
        done = iter(added)
        return [aside.get(one.path) or next(done) for one in files]

    if dry:
        return deploy_in(store.transaction(stamp))  # which nobody commits
    for _ in range(RACES_MAX):
        with suppress(Conflict), store.transaction(stamp) as tx:  # a head moved, and perhaps back
            return deploy_in(tx)
    with store.transaction(stamp) as tx:
        return deploy_in(tx)


def refuse_secrets(store: Store, loaded: Loaded, message: str | None = None) -> None:
    """Raise InvalidInput when a deploy would keep what is obviously a key for ever.

    Content that the head has already is not refused: nothing would be written.
    """
    old = newest_deploy(store, loaded.definition.name)
    if old and loaded.is_as(old) and not _moved_from(store, old, loaded):
        return
    if problems := secrets_in(loaded):
        many = count(len(problems), "problem")
        raise InvalidInput(f"{loaded.path}: {many}", problems=problems)
    if message and (found := find_secrets(message)):
        raise InvalidInput(f"the message has what looks like {found[0].what}", hint=MESSAGE_HINT)


def refuse_renamed(
    store: Store, files: Sequence[Loaded], *, besides: Collection[str | None] = ()
) -> None:
    """Raise InvalidInput when a file was deployed under another name, and the one it has is new.

    That it was under another path as well is seen by its tasks: see `_gone`. `besides` are
    workflows that have other files.
    """
    new = [one for one in files if store.ref(f"workflows/{one.definition.name}") is None]
    known = _deployed_files(store) if new else {}
    names = {*besides, *(one.definition.name for one in files)}
    left = _gone(store, known, besides=names) if known else {}

    def look(loaded: Loaded) -> None:
        path = relative(store, loaded.path)
        before = path if path in known else left.get(loaded.built.snapshot.tasks)
        was, name = known.get(before or ""), loaded.definition.name
        if was is None and (was := archived_of(store, loaded)):
            before = path
        if was is None or before is None:
            return
        told = f"this file is deployed as {was}"
        if before != path:
            shown = os.path.relpath(store.project / before)
            told = f"{was} was deployed from {shown}, which is gone: this looks like a rename"
        problem = name_problem(loaded, told, naming_hint(store, was, name, str(loaded.path)))
        raise InvalidInput(f"{loaded.path}: nothing was deployed", problems=[problem])

    each_good(new, _path, look)


def perhaps_renamed(
    store: Store, paths: Sequence[Path], *, besides: Collection[str | None]
) -> list[Path]:
    """Return those of these files, whose names are new, that `refuse_renamed` need look at."""
    known = _deployed_files(store) if paths else {}
    left = _gone(store, known, besides=besides)
    return [path for path in paths if left or relative(store, path) in known]


def naming_hint(store: Store, deployed: str, name: str, path: str) -> str:
    """Return what may be meant by a file that has another name than it is deployed under."""
    another = f"`ork deploy --new {quote(path)}` makes another workflow"
    if present_name(store, name) == deployed:  # by `ork mv`, which leaves files alone
        return f"{name} was renamed: write `name: {deployed}` in it; {another}"
    for one in standings(store, [deployed]).get(deployed, ()):
        if one.name == name:  # by somebody else
            way = f"`ork pull {one.remote} {name}{' --force' if one.ahead else ''}` renames it"
            back = (
                " (`ork undo` gives yours back, a deploy puts the file on top)" if one.ahead else ""
            )
            return f"{one.remote} has it as {name}: {way} here{back}; {another}"
    back = f"`name: {deployed}` in it keeps the name"
    return f"`ork mv {deployed} {name}` renames it, {back}, {another}"


def refuse_archived(store: Store, workflow: str, tx: Transaction | None = None) -> None:
    """Raise InvalidInput, or Conflict when this is written, if a workflow is archived."""
    if store.ref(archived_ref(workflow)):
        hint = f"`ork archive --undo {workflow}` takes it out first"
        raise InvalidInput(f"{workflow} is archived", hint=hint)
    if tx is not None:
        tx.expect(archived_ref(workflow), None)


def status(store: Store, folder: Path, *, author: str) -> Iterator[FileStatus]:
    """Compare every workflow file of the project with its head, sorted by path.

    `author` is who asks: a file is behind when others made the head. Looks at the files that
    deploys came from, and for files that are not deployed below `folder`. Those of archived
    workflows are left out.
    """
    every, put_away = all_heads(store)
    deployed = {name: oid for name, oid in every.items() if name not in put_away}
    known = _files_of(store, deployed)
    read = what_was_read(store, every)
    files = {name: path for path, name in known.items()}  # and of those not deployed, the first
    moved = set()
    found = []
    near = {relative(store, path) for path in workflow_files(folder, at_most=FILES_MAX)}
    around = set()  # where a file that is gone may be by now
    if not all((store.project / path).exists() for path in known):
        others = workflow_files(store.project, at_most=FILES_MAX)
        around = {relative(store, path) for path in others} - near
    for path in sorted({*known, *near, *around}):
        one = _file_status(store, path, known.get(path), every, author, read)
        other = files.setdefault(one.workflow, path) if one.workflow and one.snapshot else path
        if other != path:
            gone = other in known and other not in moved and not (store.project / other).exists()
            one = replace(one, state="moved" if gone else "duplicate", other=other)
            moved |= {other} if gone else set()
        found.append(one)
    left = _gone(store, known, besides={one.workflow for one in found if one.snapshot})
    renamed = {one.path: before for one in found if (before := _before(store, one, left))}
    moved.update(renamed.values())
    tags = tags_of(store.refs_many("tags/", (f"{name}/" for name in deployed)))
    remotes = standings(store, deployed)
    for one in found:
        if one.path in moved or one.workflow in put_away:
            continue
        if one.state == "new" and _archived_as(store, str(one.workflow), one.path):
            continue
        far = one.path in around and one.path not in known
        if far and one.state != "moved" and one.path not in renamed:
            continue
        if before := renamed.get(one.path):
            one = replace(one, state="renamed", other=known[before])
        elif one.state == "new":
            one = replace(one, summary=_was_file_of(store, str(one.workflow), one.path))
        name = str(one.other if one.state == "renamed" else one.workflow)
        its = tags.get(deployed[name], ()) if name in deployed else ()
        yield replace(one, tags=its, remotes=remotes.get(name, ()))


def head_status(store: Store, workflow: str, *, author: str) -> FileStatus:
    """Compare the head of a workflow with the file that it came from."""
    path = store.get(Deploy, head(store, workflow)).source.path
    return _file_status(store, path, workflow, all_heads(store)[0], author)


def runs_in_checkouts(store: Store, file: FileStatus) -> bool:
    """Say whether runs of a head leave the project alone, since the code there is another."""
    if file.snapshot is None or file.deploy is None:
        return True  # what a file that is gone, or wrong, would capture is not known
    newest = store.get(Deploy, file.deploy).snapshot
    return store.snapshot(file.snapshot).files != store.snapshot(newest).files


def _path(loaded: Loaded) -> Path:
    return loaded.path


def _unchanged(
    store: Store, loaded: Loaded, workflow: str, left_out: str = "", hint: str = ""
) -> Deployed:
    """Return what is said of a file of which nothing is written; its workflow is there."""
    oid = head(store, workflow)
    newest = store.get(Deploy, oid)
    return Deployed(
        workflow=newest.workflow,
        deploy=oid,
        snapshot=newest.snapshot,
        parent=oid,
        changed=False,
        message=newest.message,
        task_count=loaded.built.snapshot.task_count,
        bytes_written=0,
        left_out=left_out,
        hint=hint,
    )


def _of_former_names(store: Store, files: Sequence[Loaded], author: str) -> dict[Path, Deployed]:
    """Return what is said of files from before their workflows got other names, by their paths."""
    found = {}
    for one in files:
        now = present_name(store, one.definition.name)
        if now == one.definition.name or store.ref(f"workflows/{now}") is None:
            continue
        asked = Asked(store, _by_name(one, now), author)
        if late := before_newest_commit(asked) or behind(asked):
            found[one.path] = _unchanged(store, one, now, str(late), late.way)
    return found


def _put_away(store: Store, loaded: Loaded, workflow: str) -> Deployed:
    """Return what is said of a file whose workflow is archived: it may be as it was deployed."""
    if loaded.is_as(store.get(Deploy, head(store, workflow))):
        return _unchanged(store, loaded, workflow)
    hint = f"`ork archive --undo {workflow}` takes it out"
    return _unchanged(store, loaded, workflow, "of an archived workflow", hint)


def _add(
    tx: Transaction, file: Asked, stamp: Stamp, message: str | None, *, move: bool
) -> Deployed:
    """Add to a transaction what deploys a file after the head, unless nothing changed."""
    store, loaded, parent = file.store, file.loaded, file.head
    definition, new = loaded.definition, loaded.built.snapshot
    old = store.get(Deploy, parent) if parent else None
    if old and not move:
        refuse_move(store, old, loaded)
    moved = _moved_from(store, old, loaded) if old else None
    if parent and old and loaded.is_as(old) and not moved:
        note_seen(tx, loaded, parent)
        return _unchanged(store, loaded, definition.name)
    path = relative(store, loaded.path)
    diff = compare_with_loaded(store, old, loaded) if old else None
    if not message:
        tasks = count(new.task_count, "task")
        message = summarize(diff) if diff else f"First deploy of {tasks}"
        if old and not diff:
            message = "Add the code, which was never kept"
        if moved:
            message = f"{message} (moved from {moved})" if diff else f"Move {moved} to {path}"
    warnings = _seen_in(file, diff)
    objects = Packed()
    source = split_text(path, loaded.text, objects.add)
    before = len(tx.objects)
    refuse_archived(store, definition.name, tx)
    tx.add_all(_fresh_text(store, old, objects))
    tx.add_all(_needed(store, old, loaded))
    oid = tx.add(
        Deploy(
            workflow=definition.name,
            snapshot=loaded.snapshot,
            parents=(parent,) if parent else (),
            time=stamp.time,
            author=stamp.author,
            message=message,
            settings=dict(definition.settings),
            source=source,
            origin=loaded.origin(),
        )
    )
    tx.move(file.ref, old=parent, new=oid)
    if parent is None:  # what is decided is of the schedules of another that had this name
        folder = f"decided/{definition.name}/"
        tx.moves |= {folder + key: (decided, None) for key, decided in store.refs(folder)}
    note_seen(tx, loaded, oid)
    _note_reading(tx, loaded, oid)
    written = sum(map(len, islice(tx.objects.values(), before, None)))
    changed = old is None or not loaded.is_as(old)
    return Deployed(
        workflow=definition.name,
        deploy=oid,
        snapshot=loaded.snapshot,
        parent=parent,
        changed=changed,
        message=message,
        task_count=new.task_count,
        bytes_written=written,
        diff=diff,
        moved=moved,
        warnings=(*warnings, *(loaded.warnings if changed else ())),
    )


def _seen_in(file: Asked, diff: Diff | None) -> tuple[Problem, ...]:
    """Return a warning if a remote has it already, it loses what is newer, or has a former name."""
    store, loaded, name = file.store, file.loaded, file.name
    if there := as_fetched(store, loaded):
        remote = there.partition("/")[0]
        told, hint = f"is as in {there}", f"`ork pull {remote} {name}` takes that for this deploy"
    elif diff is None:
        told = _was_file_of(store, name, relative(store, loaded.path))
        hint = f"{name} is another workflow: `ork undo` takes it back"
    else:
        told = what_it_loses(file, diff)
        shows = f"`ork diff {name}~1 {name}` shows it; " if diff else ""
        hint = f"{shows}if it is not meant: `ork undo`"
    return (Problem(file=str(loaded.path), message=f"this {told}", hint=hint),) if told else ()


def _note_reading(tx: Transaction, loaded: Loaded, deploy: Oid) -> None:
    """Note that the store has what this text says; of each workflow one text is known."""
    store, name = tx.store, loaded.definition.name
    folder = f"read/{name}/"
    others = NOTED.format(name), SEEN.format(name)  # the former count again after an undo
    for rest, oid in store.refs(folder):
        if not (ref := folder + rest).startswith(others):
            tx.move(ref, old=oid, new=None)
    if not loaded.definition.include:  # which a snapshot does not keep
        ref = read_ref(name, loaded.text)
        tx.move(ref, old=store.ref(ref), new=deploy)


def refuse_move(store: Store, old: Deploy, loaded: Loaded) -> None:
    """Raise InvalidInput when the head, `old`, was deployed from another file than this one.

    A file that only moved is not refused: the other is gone, and nothing differs but the path.
    """
    before = _moved_from(store, old, loaded)
    if before is None:
        return
    name, shown = loaded.definition.name, os.path.relpath(store.project / before)
    if (store.project / before).exists():
        message = f"the workflow {name} is deployed from {shown}"
        hint = "give this one another name, or --move if this file takes the place of the other"
    elif not loaded.is_as(old):
        message = f"{name} was deployed from {shown}, which is gone: this looks like a move"
        hint = "--move goes on with its history in this file"
    else:
        return
    problem = name_problem(loaded, message, hint)
    raise InvalidInput(f"{loaded.path}: nothing was deployed", problems=[problem])


def archived_of(store: Store, loaded: Loaded) -> str | None:
    """Return the archived workflow that a file is of."""
    return _archived_as(store, loaded.definition.name, relative(store, loaded.path))


def _archived_as(store: Store, name: str, path: str) -> str | None:
    """Return the archived workflow that a file is of; it may have the name from before a rename."""
    now = present_name(store, name)
    if store.ref(archived_ref(now)) is None or (newest := newest_deploy(store, now)) is None:
        return None
    return now if now == name or newest.source.path == path else None


def _moved_from(store: Store, old: Deploy, loaded: Loaded) -> str | None:
    """Return the path that the workflow was deployed from, when that is another file."""
    before = old.source.path
    if before == relative(store, loaded.path):
        return None
    if old.is_without_code and not loaded.is_as(old) and not (store.project / before).exists():
        return None  # an import that had no file gave it a path
    with suppress(OSError, ValueError):  # one file may have two spellings, where case is ignored
        if (store.project / before).samefile(loaded.path):
            return None
    return before


def check_message(message: str) -> None:
    """Raise InvalidInput when a message is too long, or no text."""
    try:
        size = len(message.encode())
    except UnicodeEncodeError:
        raise InvalidInput("the message is not UTF-8") from None
    if size > MESSAGE_BYTES_MAX:
        raise InvalidInput(f"the message is longer than {MESSAGE_BYTES_MAX >> 10} KiB")


def _needed(store: Store, old: Deploy | None, loaded: Loaded) -> Mapping[Oid, bytes]:
    """Return the objects of the new snapshot that the old one does not have at the same place.

    Those that it has are kept by the old head, which this deploy names as parent.
    """
    objects = loaded.built.objects
    if old is None:
        return objects
    added = store.snapshot(loaded.snapshot).added_to(store.snapshot(old.snapshot))
    return {oid: objects[oid] if oid in objects else pack(store.raw(oid)) for oid in added}


def _fresh_text(store: Store, old: Deploy | None, objects: dict[Oid, bytes]) -> dict[Oid, bytes]:
    """Return the objects of the new text that are no part of the old one."""
    if old is None:
        return objects
    kept = {old.source.blob}
    if old.source.chunks:
        root = old.source.oid
        kept.update(store.named(root).values(), tree.oids(store.tree, root))
    return {oid: data for oid, data in objects.items() if oid not in kept}


def former_file(store: Store, workflow: str) -> str | None:
    """Return another file that a workflow was deployed from before, where that is still here."""
    deploys = islice(history(store, workflow), LOOKED_AT_MAX)
    before = [*dict.fromkeys(deploy.source.path for _, deploy in deploys)][1:]
    if not before:
        return None
    names = {workflow, *(former_names(store, workflow).keys() - heads(store).keys())}
    for path in before:
        with suppress(OrkError):  # it is not there, or something else by now
            if load(store, store.project / path).definition.name in names:
                return path
    return None


def _was_file_of(store: Store, workflow: str, path: str) -> str:
    """Return in words which workflow came from a file that is not deployed, or ""."""
    now = present_name(store, workflow)
    if now == workflow or former_file(store, now) != path:
        return ""
    return f"was the file of {now}, which is {store.get(Deploy, head(store, now)).source.path} now"


def _by_name(loaded: Loaded, name: str) -> Loaded:
    """Return a file as it were if it had this name."""
    return replace(loaded, definition=dataclasses.replace(loaded.definition, name=name))


def _file_status(
    store: Store,
    path: str,
    workflow: str | None,
    heads: Mapping[str, Oid],
    author: str,
    read: Read | None = None,
) -> FileStatus:
    full = store.project / path
    oid = heads.get(workflow) if workflow else None
    try:
        loaded = load(store, full, read)
    except NotFound:
        imported = oid is not None and store.get(Deploy, oid).is_without_code
        summary = "imported without its file and code" if imported else ""
        return FileStatus(
            path=path, workflow=workflow, state="missing", deploy=oid, summary=summary
        )
    except OrkError as error:
        problems = getattr(error, "problems", ())
        first = problems[0].message if problems else error.message
        return FileStatus(path=path, workflow=workflow, state="invalid", deploy=oid, summary=first)
    name = loaded.definition.name
    oid = heads.get(name)
    if oid is None:
        old = outdated(Asked(store, _by_name(loaded, workflow), author)) if workflow else None
        return FileStatus(
            path=path,
            workflow=name,
            state="renamed" if workflow else "new",
            snapshot=loaded.snapshot,
            summary=str(old) if old else "",
            other=workflow or as_fetched(store, loaded) or None,
        )
    deployed, asked = store.get(Deploy, oid), Asked(store, loaded, author)
    other, lost = None, ""
    if loaded.is_as(deployed):
        state, summary = "unchanged", ""
        older = of_older_commit(asked) if deployed.source.path != path else None
        lost = f"is {older}" if older else ""
    elif old := behind(asked):
        state, other, summary = "behind", old.version, f"before {old.then}"
    else:
        diff = compare_with_loaded(store, deployed, loaded)
        state, summary = "modified", summarize(diff)
        other = as_fetched(store, loaded) or None
        lost = "" if other else what_it_loses(asked, diff)
    return FileStatus(
        path=path,
        workflow=name,
        state=state,
        deploy=oid,
        snapshot=loaded.snapshot,
        summary=summary,
        other=other,
        lost=lost,
    )


def gone(store: Store, folders: Sequence[Path]) -> dict[str, Path]:
    """Return workflows whose files in these folders, or below, are gone; each with its path.

    Not what is archived, and what an import has brought without a file.
    """
    below = [folder.resolve() for folder in folders]
    found = {}
    for name, deploy in store.get_all(Deploy, heads(store)).items():
        path = Path(os.path.normpath(store.project / deploy.source.path))
        inside = any(path.is_relative_to(folder) for folder in below)
        if inside and not deploy.is_without_code and not path.exists():
            found[name] = path
    return found


def _deployed_files(store: Store) -> dict[str, str]:
    """Return the files that all heads came from; a head that goes meanwhile is in nobody's way."""
    there = heads(store)
    while True:
        try:
            return _files_of(store, there)
        except Corrupt:  # gc may have removed it since
            if (now := heads(store)) == there:
                raise
            there = now


def _files_of(store: Store, there: Mapping[str, Oid]) -> dict[str, str]:
    """Return the files that heads came from, each with its workflow."""
    return {deploy.source.path: name for name, deploy in store.get_all(Deploy, there).items()}


def _gone(
    store: Store, known: Mapping[str, str], *, besides: Collection[str | None]
) -> dict[Oid, str]:
    """Return the files that are gone of which workflows were deployed, each by its tasks.

    Not where several had the same, nor what an import has brought without a file. `besides` are
    workflows that have another file.
    """
    away = {path: name for path, name in known.items() if name not in besides}
    lost = {path: name for path, name in away.items() if not (store.project / path).exists()}
    oids = {path: store.ref(f"workflows/{name}") for path, name in lost.items()}
    with suppress(Corrupt):  # what is damaged stands in nobody's way
        deploys = store.get_all(Deploy, {path: oid for path, oid in oids.items() if oid})
        content = {path: it.snapshot for path, it in deploys.items() if not it.is_without_code}
        tasks = {path: it.tasks for path, it in store.get_all(Snapshot, content).items()}
        times = Counter(tasks.values())
        return {oid: path for path, oid in tasks.items() if times[oid] == 1}
    return {}


def _before(store: Store, one: FileStatus, left: Mapping[Oid, str]) -> str | None:
    """Return the path that a file which is not deployed seems to have had under another name."""
    if one.state != "new" or not left or one.snapshot is None:
        return None
    return left.get(store.get(Snapshot, one.snapshot).tasks)
