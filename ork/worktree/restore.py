"""Writing a workflow file and its code back to disk, as a deploy keeps them.

Nothing is lost: a file is replaced only if its present bytes are in the store already, or by force.
What is to be written where is data of the store, so `destination` checks the places.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from shlex import quote

from ork.definition.reach import code_file, named_files
from ork.definition.workflow import parse_good
from ork.errors import Ambiguous, InvalidInput, NotFound, OrkError, Problem, UsageError, count
from ork.objects.canonical import Oid
from ork.objects.kinds import Blob, Deploy, FileEntry, Packed, Task, TaskRun, is_path, oid_of
from ork.objects.snapshot import Contents
from ork.objects.text import split_text
from ork.objects.value import Value
from ork.store.contents import join_text
from ork.store.operations import head_moves
from ork.store.resolve import (
    Resolved,
    a_kind,
    deploy_of,
    head,
    heads,
    newest_deploy,
    present_name,
    resolve,
)
from ork.store.revision import ENDINGS, as_word
from ork.store.store import Store
from ork.worktree.destination import Content, Destination, Found, write_all
from ork.worktree.folder import Root, root_below
from ork.worktree.load import load, still_named
from ork.yaml import reader
from ork.yaml.entries import put_back
from ork.yaml.problems import Problems

_QUOTED = rb"""(?P<quote>["']?)(?P<name>[\w.-]+)(?P=quote)(?=[ \t]*(?:#.*)?\r?$)"""
_NAME_LINE = rb"""(?m)^(?P<before>(["']?)name\2[ \t]*:[ \t]+)""" + _QUOTED


class RestoredFile(Value, frozen=True, kw_only=True):
    """A file that was to be restored; its state is written or unchanged.

    When all workflows are restored it may be *newer*, as another one has it that was deployed
    later, or lie *outside* of the project, where nothing is written.
    """

    path: str
    state: str


class Restored(Value, frozen=True, kw_only=True):
    """The result of a restore, file by file, sorted by path.

    `surplus` are code files that lie there now and that the restored definition did not have, yet
    would capture if it was deployed again, `stale` those that it has and that are not here as it
    has them, where its code was not restored with it. Both are left alone.
    """

    workflow: str
    deploy: Oid
    snapshot: Oid
    files: tuple[RestoredFile, ...]
    surplus: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    def cells(self) -> dict[str, object]:
        written = sum(1 for file in self.files if file.state == "written")
        files = count(len(self.files), "file")
        return {"workflow": self.workflow, "files": f"{written} of {files} written"}


def restore(
    store: Store,
    revision: str,
    *,
    now: datetime,
    code: bool = False,
    to: Path | None = None,
    as_folder: bool = False,
    force: bool = False,
) -> Restored:
    """Write a workflow file back to where it came from, with `code` the files it calls as well.

    It has the name that the workflow has now.

    REV:PATH means one code file; REV:TASK the files that a task names, and its lines in the
    workflow file as that is now. `to` is another place, for the one file of a task: a file, or a
    folder if there is one, if `as_folder`, or for several files; they keep their paths below it.
    Everything is checked before anything is written: raises InvalidInput with all files whose
    present content is nowhere in the store, unless `force`, and with all places that are no good.
    """
    found = _resolve(store, revision, now)
    if code and found.name:  # one task or code file
        raise UsageError("--code restores all code files; leave it out, or name the whole deploy")
    if code and not as_folder:
        _refuse_file_name(to)
    oid = _deploy(store, found)
    deploy = store.get(Deploy, oid)
    contents = _wanted(store, found, deploy, code=code, is_here=to is None)
    source = deploy.source.path
    if to is None:
        root = root_below(source, deploy.settings)
        contents = {root + path: content for path, content in contents.items()}
        if found.kind in ("task", "taskrun"):
            present = newest_deploy(store, present_name(store, deploy.workflow)) or deploy
            source = present.source.path
            contents[source] = _with_task(store, found, deploy, present, force=force)
        destination = Destination(store.project, store=store.folder)
    elif code or as_folder or to.is_dir():
        destination = Destination(to, store=store.folder)
    else:
        destination = Destination(to.absolute().parent, store=store.folder)
        (one,) = contents.values()
        contents = {to.name: one}
    sources = {source: (present_name(store, deploy.workflow), contents)}
    there = _write(store, destination, contents, sources, force=force)
    files = tuple(
        RestoredFile(
            path=destination.shown(path), state="unchanged" if there[path].same else "written"
        )
        for path in sorted(contents)
    )
    return Restored(
        workflow=deploy.workflow,
        deploy=oid,
        snapshot=deploy.snapshot,
        files=files,
        surplus=_surplus(store, deploy) if code and to is None else (),
        stale=() if code or to or found.name else _stale(store, _code_of(store, deploy)),
    )


def _refuse_file_name(to: Path | None) -> None:
    """Raise UsageError where a folder would be made that is called like a workflow file."""
    if to and to.suffix in ENDINGS and not to.is_dir():
        hint = "name a folder; a single workflow, without its code, can be written into a file"
        raise UsageError(f"several files do not go into {to}", hint=hint)


def restore_all(
    store: Store, *, code: bool = False, to: Path | None = None, force: bool = False
) -> list[Restored]:
    """Write the files of all workflows as they were deployed last, but of what is archived.

    Of a file of which several have another content that of the newest deploy is written. What
    `restore` refuses of one is refused of all together; with `to` they keep their paths in there.
    """
    _refuse_file_name(to)
    newest = heads(store)
    deploys = store.get_all(Deploy, newest)
    wanted: dict[str, dict[str, Content]] = {}
    for name, deploy in deploys.items():
        root = root_below(deploy.source.path, deploy.settings)
        its = _of_deploy(store, deploy, code=code)
        wanted[name] = {root + path: content for path, content in its.items()}
    contents: dict[str, Content] = {}
    all_code: dict[str, FileEntry] = {}
    for name in sorted(deploys, key=lambda name: deploys[name].time):
        contents |= {path: one for path, one in wanted[name].items() if is_path(path)}
        all_code |= _code_of(store, deploys[name])
    destination = Destination(to or store.project, store=store.folder)
    sources = {deploys[name].source.path: (name, wanted[name]) for name in wanted}
    there = _write(store, destination, contents, sources, force=force)

    def state(path: str, content: Content) -> str:
        if path not in contents:
            return "outside"
        if content.read() != contents[path].read():
            return "newer"
        return "unchanged" if there[path].same else "written"

    def stale(deploy: Deploy) -> tuple[str, ...]:
        return _stale(store, {path: all_code[path] for path in _code_of(store, deploy)})

    return [
        Restored(
            workflow=name,
            deploy=newest[name],
            snapshot=deploy.snapshot,
            files=tuple(
                RestoredFile(path=destination.shown(path), state=state(path, content))
                for path, content in sorted(wanted[name].items())
            ),
            surplus=_surplus(store, deploy) if code and to is None else (),
            stale=() if code or to else stale(deploy),
        )
        for name, deploy in deploys.items()
    ]


def restored_bytes(store: Store, revision: str, *, now: datetime) -> bytes:
    """Return what `restore` would write for a single file."""
    found = _resolve(store, revision, now)
    deploy = store.get(Deploy, _deploy(store, found))
    (wanted,) = _wanted(store, found, deploy, code=False, is_here=False).values()
    return wanted.read()


def stale_name(store: Store, path: str, name: str) -> Iterator[str]:
    """Yield what to write where a workflow file of the project does not have this name."""
    if found := still_named(store, path, name):
        told = found.message
        if _changes_only_name(store, name):
            told = f"{told.partition(': ')[0]}: `ork restore {name}` writes `name: {name}` there"
        yield f"{found.file}:{found.line} {told}"


def _changes_only_name(store: Store, workflow: str) -> bool:
    """Say whether to restore the file of a workflow writes its name there, and nothing else."""
    with suppress(OrkError):
        deploy = store.get(Deploy, head(store, workflow))
        (content,) = _of_deploy(store, deploy, code=False).values()
        there, wanted = Root(store.project).read(deploy.source.path).data, content.read()
        if old := re.search(_NAME_LINE, there):
            named = _named(there, workflow, {old["name"].decode()})
            return named == wanted != there and _is_kept(store, there, content.names)
    return False


def _resolve(store: Store, revision: str, now: datetime) -> Resolved:
    if revision.startswith("file:"):
        raise UsageError(f"{revision} is a file on disk already", hint="name a deploy or a run")
    return resolve(store, revision, now=now)


def _deploy(store: Store, found: Resolved) -> Oid:
    return deploy_of(store, found if found.name is None else found.of or found).oid


def _wanted(
    store: Store, found: Resolved, deploy: Deploy, *, code: bool, is_here: bool
) -> dict[str, Content]:
    """Return the files to be restored, by their paths below the root: elsewhere one of a task."""
    snapshot = store.snapshot(deploy.snapshot)
    if found.name:
        paths = [found.name.removeprefix("./")]
        if found.kind != "blob":
            paths = _files_of_task(store, found, snapshot)
            if not is_here:
                _refuse_all_but_one(found, paths)
        return {path: _code_file(store, snapshot.files[path]) for path in paths}
    kinds = ("task", "blob", "tree", "taskrun", "operation")
    if found.kind in kinds and found.name != "":  # which is the workflow file
        raise NotFound(
            f"{found.text} is {a_kind(found)} without a place of its own",
            hint="write REV for the workflow file, REV:PATH or REV:TASK for one code file",
        )
    return _of_deploy(store, deploy, code=code)


def _of_deploy(store: Store, deploy: Deploy, *, code: bool) -> dict[str, Content]:
    """Return the workflow file of a deploy, and its code, by their paths below the root."""
    snapshot = store.snapshot(deploy.snapshot)
    name = deploy.source.path.removeprefix(root_below(deploy.source.path, deploy.settings))
    files = {path: _code_file(store, file) for path, file in snapshot.files.items() if code}
    # A deploy whose code includes the workflow file itself has it once. Whether that can be
    # executed is not kept, so it stays as it is.
    now = deploy.workflow if name in snapshot.files else present_name(store, deploy.workflow)
    renamed = _renamed(store)
    files[name] = Content(
        read=lambda: _named(join_text(store, deploy.source), now, renamed),
        executable=None,
        names=renamed | {deploy.workflow},
    )
    return files


def _renamed(store: Store) -> set[str]:
    """Return the names that workflows had or have that were renamed."""
    return {name for ref, _ in store.refs("former/") for name in ref.split("/")}


def _named(text: bytes, name: str, others: Collection[str]) -> bytes:
    """Return the text of a workflow file with this name in place of any of the others.

    What renames a workflow leaves files alone. A text that has its name elsewhere than in a line
    of its own, such as JSON, stays as it is.
    """

    def replaced(found: re.Match[bytes]) -> bytes:
        before, quote, old = found["before"], found["quote"], found["name"]
        return before + quote + name.encode() + quote if old.decode() in others else found[0]

    return re.sub(_NAME_LINE, replaced, text, count=1)


def _code_file(store: Store, file: FileEntry) -> Content:
    return Content(read=lambda: store.blob(file.blob), executable=file.executable)


def _task(store: Store, found: Resolved) -> Oid:
    return found.oid if found.kind == "task" else store.get(TaskRun, found.oid).task


def _files_of_task(store: Store, found: Resolved, snapshot: Contents) -> list[str]:
    task = store.get(Task, _task(store, found))
    path = code_file(task, snapshot.files)
    return [path] if path else sorted(named_files(task, snapshot.files))


def _refuse_all_but_one(found: Resolved, paths: Sequence[str]) -> None:
    if not paths:
        hint = "--code restores all code files"
        raise NotFound(f"the task {found.name} has no code file of its own", hint=hint)
    if len(paths) > 1:
        whole = found.text.removesuffix(str(found.name))
        raise Ambiguous(
            f"the task {found.name} has several code files: name one",
            candidates=[f"{whole}{path}" for path in paths],
        )


def _with_task(
    store: Store, found: Resolved, deploy: Deploy, present: Deploy, *, force: bool
) -> Content:
    """Return the workflow file as it is on disk, with the lines of one task as a deploy keeps them.

    Raise InvalidInput unless the task is then what it was, and all else what it is. Lines that it
    replaces are lost unless the newest deploy has them, or another one the whole file.
    """
    source, name = present.source.path, str(found.name)
    shown = os.path.relpath(store.project / source)
    whole = found.text.removesuffix(f":{name}")
    try:
        there = Root(store.project).read(source).data
        text = reader.decode(there, Problems(shown))
        older = reader.decode(join_text(store, deploy.source), Problems(whole))
        put = put_back(text, older, "tasks", name, file=shown, older_file=whole)
        mark = there[: len(there) - len(text.encode())]  # of its byte order
        data = mark + put.text.encode()
        definition, problems, _ = parse_good(data, file=f"{shown} with {name} back")
        if present_name(store, definition.name) != present.workflow:
            its = f"the file of {definition.name}, not of {present.workflow}"
            raise InvalidInput(f"{shown} is {its}")
        task, oid = definition.tasks.get(name), _task(store, found)
        if task is None or oid_of(task) != oid:
            told = (
                ", ".join(_other_fields(task, store.get(Task, oid))) if task else "it is not valid"
            )
            message = f"{name} would not be in {shown} what it was: {told}"
            raise InvalidInput(message, problems=problems.found)
    except InvalidInput as error:
        raise InvalidInput(
            f"nothing was written: {error.message}",
            problems=error.problems,
            hint=f"`ork show {as_word(found.text)}` prints the task as it was,"
            f" `ork restore {as_word(whole)}` writes the whole file",
        ) from None
    is_kept = force or put.replaced.encode() in join_text(store, present.source)
    is_kept = is_kept or _is_kept(store, there, _renamed(store) | {present.workflow})
    return Content(read=lambda: data, executable=None, over=there if is_kept else b"")


def _other_fields(one: Task, other: Task) -> Iterator[str]:
    return (key for key in Task.__struct_fields__ if getattr(one, key) != getattr(other, key))


def _surplus(store: Store, deploy: Deploy) -> tuple[str, ...]:
    path = store.project / deploy.source.path
    try:
        loaded = load(store, path)
    except OrkError:
        return ()
    known = store.snapshot(deploy.snapshot).files
    return tuple(
        os.path.relpath(loaded.root / one) for one in sorted(loaded.files) if one not in known
    )


def _code_of(store: Store, deploy: Deploy) -> dict[str, FileEntry]:
    """Return the code files of a deploy that lie in the project, by their paths there."""
    root = root_below(deploy.source.path, deploy.settings)
    files = {root + path: one for path, one in store.snapshot(deploy.snapshot).files.items()}
    return {path: files[path] for path in files if path != deploy.source.path and is_path(path)}


def _stale(store: Store, files: Mapping[str, FileEntry]) -> tuple[str, ...]:
    """Return which of these are not in the project like this."""
    folder = Root(store.project)
    wrong = (path for path in sorted(files) if not _is_so(folder, path, files[path]))
    return tuple(os.path.relpath(store.project / path) for path in wrong)


def _is_so(folder: Root, path: str, file: FileEntry) -> bool:
    try:
        there = folder.read(path)
    except InvalidInput:  # it is gone, or no file
        return False
    return (oid_of(Blob(there.data)), there.executable) == (file.blob, file.executable)


def _write(
    store: Store,
    destination: Destination,
    contents: Mapping[str, Content],
    sources: Mapping[str, tuple[str, Collection[str]]],
    *,
    force: bool,
) -> dict[str, Found]:
    """Write what differs, all or nothing; return how the places were.

    Raise InvalidInput with all that are no good; `sources`: workflow file -> its workflow, files.
    """
    there = destination.look(
        contents, is_kept=lambda data, names: force or _is_kept(store, data, names)
    )
    bad = [
        Problem(file=destination.shown(path), message=one.wrong)
        for path, one in sorted(there.items())
        if one.wrong
    ]
    if bad:
        raise InvalidInput(
            "nothing was written", problems=bad, hint="-o DIR/ writes to another folder"
        )
    changed = [
        Problem(file=destination.shown(path), message="has changes that no deploy keeps")
        for path, one in sorted(there.items())
        if not one.kept
    ]
    if changed:
        hint = "-o DIR/ writes elsewhere, --force overwrites them"
        if destination.folder == store.project:
            lost = {path for path, one in there.items() if not one.kept}
            its = {source: name for source, (name, files) in sources.items() if lost & {*files}}
            stale = (still_named(store, source, name) for source, name in its.items())
            changed += [one for one in stale if one]
            files = " ".join(quote(os.path.relpath(store.project / source)) for source in its)
            hint = f"`ork deploy {files}` keeps them first, {hint}"
        message = "nothing was written: that would lose changes"
        raise InvalidInput(message, problems=changed, hint=hint)
    write_all(destination, {path: contents[path] for path in there if not there[path].same}, there)
    return there


def _is_kept(store: Store, data: bytes, names: Collection[str]) -> bool:
    """Say whether the store has exactly these bytes: as a blob, or as a text in chunks.

    So too where it has them with one of these names, and what it has was the name of a workflow.
    """
    if _has(store, data):
        return True
    if not names or (found := re.search(_NAME_LINE, data)) is None:
        return False
    name = found["name"].decode()
    is_known = name in names or next(head_moves(store, name), None) is not None
    return is_known and any(_has(store, _named(data, one, {name})) for one in names)


def _has(store: Store, data: bytes) -> bool:
    if not data.strip() or store.keeps(oid_of(Blob(data))):
        return True  # of what is empty, nothing is lost
    objects = Packed()
    split_text("", data, objects.add)
    return all(map(store.keeps, objects))
