"""A revision, or a workflow file on disk in place of one: what it means."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ork.errors import InvalidInput, NotFound, UsageError, count, quoted
from ork.objects.canonical import Json
from ork.objects.kinds import Blob, Deploy, Packed, is_name
from ork.store import revision as grammar
from ork.store.contents import join_text
from ork.store.location import NAME
from ork.store.resolve import Resolved, ResolvedObject, deploy_of, part_of, resolve, sources
from ork.store.revision import ENDINGS
from ork.store.store import Store

if TYPE_CHECKING:
    from ork.worktree.load import Loaded

NO_FILE = "no workflow file is in this folder, or below it"
FILES_MAX = 2000  # that are looked at
START_BYTES = 1 << 20  # of a file, in which its tasks are looked for
SKIPPED_FOLDERS = ("node_modules", "__pycache__", "venv", "site-packages")
_TASKS_LINE = rb"""(?m)^(["']?)tasks\1\s*:"""
_NAME_LINE = rb"""(?m)^\s*(["']?)name\1\s*:"""
_EXECUTOR = rb"""\bexecutor["']?\s*:\s*["']?(?:python|process|library)\b"""
_FLOW_PARTS = rb'(?s)(?P<tasks>(?<![\w-])("?)tasks\2\s*:\s*(?=\{))|"(?:[^"\\]|\\.)*"|[{}\[\]]'
VENV = "pyvenv.cfg"  # in the folder of a virtual environment, whatever that is called


class NamesRevision(Protocol):
    """What ork returns of a run, a deploy or a tag: `revision` is a text that means the same."""

    @property
    def revision(self) -> str:
        """The text."""


AnyRevision: TypeAlias = str | Path | NamesRevision


class ResolvedFile(ResolvedObject, frozen=True, kw_only=True):
    """The snapshot of a workflow file that need not be deployed."""

    loaded: Loaded

    @property
    def workflow(self) -> str:
        return self.loaded.definition.name

    @property
    def revision(self) -> str:
        return self.text


def look_up(store: Store, text: str, *, now: datetime) -> Resolved:
    """Return what a revision or file:PATH means; raise NotFound or Ambiguous.

    The file is loaded, and the store can then read its objects.
    """
    parsed = grammar.parse(text)
    if parsed.file is None:
        return resolve(store, text, now=now)
    from ork.worktree.load import load  # with all that it takes to read YAML

    found = resolved_file(load(store, Path(parsed.file)), text)
    if parsed.path == "":
        return ResolvedObject(text=text, oid=found.oid, kind=found.kind, name="", of=found)
    return part_of(store, found, parsed.path) if parsed.path else found


def look_up_or_read(store: Store, text: str, *, now: datetime) -> Resolved:
    """Return what a revision means, or else what a file of this path holds, as a code file."""
    try:
        return look_up(store, text, now=now)
    except (NotFound, InvalidInput):
        if not is_other_file(text):
            raise
    from ork.worktree.folder import Root  # which no revision needs

    held = Packed()
    oid = held.add(Blob(Root(Path("/")).read(os.path.realpath(_path(text))).data))
    store.hold(held)
    return ResolvedObject(text=text, oid=oid, kind="blob")


def is_other_file(text: str) -> bool:
    """Say whether there is a file of this path that is no workflow file, by its name or text."""
    path = Path(_path(text))
    return path.is_file() and not (path.suffix in ENDINGS and _is_one(path))


def _path(text: str) -> str:
    return text.removeprefix("file:")


def source_text(store: Store, found: Resolved) -> bytes:
    """Return the text of the workflow file of a deploy, a run or a file."""
    if isinstance(found, ResolvedFile):
        return found.loaded.text
    return join_text(store, store.get(Deploy, deploy_of(store, found).oid).source)


def settings_of(store: Store, found: Resolved) -> Mapping[str, Json] | None:
    """Return the settings of a deploy, a run or a file; None of what has none."""
    if isinstance(found, ResolvedFile):
        return found.loaded.definition.settings
    return store.get(Deploy, found.deploy).settings if found.deploy else None


def bytes_of(store: Store, found: Resolved) -> bytes | None:
    """Return a blob or the text of a workflow file, which are shown as they are; else None."""
    if found.name == "" and found.of is not None:
        return source_text(store, found.of)
    return store.blob(found.oid) if found.kind == "blob" else None


def resolved_file(loaded: Loaded, text: str) -> ResolvedFile:
    """Return the snapshot of a file that has been loaded."""
    return ResolvedFile(text=text, oid=loaded.snapshot, kind="snapshot", loaded=loaded)


def as_revision(named: AnyRevision) -> str:
    """Return the text that means it: `file:PATH` for a workflow file, any other text as it is."""
    if isinstance(named, Path):
        return f"file:{named}"
    text = named if isinstance(named, str) else getattr(named, "revision", None)
    if not isinstance(text, str):
        raise UsageError(
            f"a {type(named).__name__} names no revision",
            hint="give a text, such as 'etl', 'etl~1', 'etl#57' or 'etl.yaml', or what ork has"
            " returned: a run, a deploy, a tag",
        )
    refuse_page(text)
    is_file = text.endswith(ENDINGS) and ":" not in text
    return f"file:{text}" if is_file and os.path.exists(text) else text


def refuse_page(name: str) -> None:
    """Raise NotFound for what begins with several lines, as str(run) does, and names nothing."""
    if "\n" in name.partition(":")[0]:
        raise NotFound(
            f"{quoted(name)} is no name: it has {count(len(name.splitlines()), 'line')}",
            hint="give what ork has returned as it is, or the name that its `revision` is:"
            " f'{run.revision}:load'",
        )


def relative(store: Store, path: Path) -> str:
    """Return a path as the store records it: relative to the project."""
    return os.path.relpath(os.path.realpath(path), store.project)


def workflow_files(folder: Path, *, at_most: int | None = None) -> Iterator[Path]:
    """Yield the workflow files in a folder and below, of so many YAML and JSON files looked at.

    Hidden folders are skipped, what others have installed, projects of their own, and links.
    """
    counts: Counter[bool] = Counter()  # where there are many, most JSON files are data
    for base, folders, names in os.walk(folder):
        if VENV in names or (NAME in folders and base != os.fspath(folder)):
            folders.clear()
            continue
        folders[:] = sorted(f for f in folders if f[0] != "." and f not in SKIPPED_FOLDERS)
        for name in sorted(names):
            path = Path(base) / name
            if path.suffix not in ENDINGS or path.is_symlink() or not path.is_file():
                continue
            is_json = path.suffix == ".json"
            counts[is_json] += 1
            if at_most is not None and counts[is_json] > at_most:
                continue
            if _is_one(path):
                yield path


def named_files(paths: Iterable[Path], store: Store | None) -> list[Path]:
    """Return the files that are named, in place of a folder those in it and below.

    A folder that has none stays, to be complained of. Raise NotFound for the name of a workflow.
    """
    found: list[Path] = []
    for path in paths:
        if store and not path.exists():
            _refuse_name(store, str(path))
        found += (path.is_dir() and files_below(path, store)) or [path]
    return found


def _refuse_name(store: Store, name: str) -> None:
    if is_name(name) and (head := store.ref(f"workflows/{name}")):
        file = os.path.relpath(store.project / store.get(Deploy, head).source.path)
        hint = f"a file is wanted here: the workflow {name} is in {file}"
        raise NotFound(f"no file {name}", hint=hint)


def files_below(folder: Path, store: Store | None) -> list[Path]:
    """Return the workflow files in a folder and below: also what is deployed and no more like one.

    So one that was emptied is complained of.
    """
    found = dict.fromkeys(workflow_files(folder))
    whole = Path(os.path.abspath(folder))
    for path in deployed_files(store) if store else ():
        if path.is_relative_to(whole) and not path.is_symlink():
            found.setdefault(folder / path.relative_to(whole))
    return [*found]


def deployed_files(store: Store) -> list[Path]:
    """Return the files that are there and from which workflows are deployed, with full paths."""
    paths = (Path(os.path.abspath(store.project / source)) for source in sorted(sources(store)))
    return [path for path in paths if path.is_file()]


def no_file_in(folder: Path) -> InvalidInput:
    """Return the error for a folder that has no workflow file, nor any below it."""
    return InvalidInput(f"{folder}: {NO_FILE}")


def files_in(folder: Path, deployed: Callable[[], Iterable[Path]] = tuple) -> list[Path]:
    """Return the names of the workflow files in a folder, sorted.

    Also of those that are `deployed`, with full paths, which is asked where a file is no more like
    one. Where none can be told, of those that cannot be read: whoever opens one says why.
    """
    names = sorted(name for name in os.listdir(folder) if name.endswith(ENDINGS))
    paths = [Path(name) for name in names[:FILES_MAX] if (folder / name).is_file()]
    found = [path for path in paths if _is_one(folder / path)]
    if len(found) < len(paths):
        known, whole = {*deployed()}, Path(os.path.abspath(folder))
        found = [path for path in paths if path in found or whole / path in known]
    return found or [path for path in paths if not os.access(folder / path, os.R_OK)]


def _is_one(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return looks_like_one(file.read(START_BYTES))
    except OSError:
        return False


def looks_like_one(start: bytes) -> bool:
    """Say whether a text has tasks at its top: a line `tasks:`, or in JSON an object of that name.

    It is not parsed, so that one with a mistake is found as well; where that is in this line, by
    its name and the executor of a task.
    """
    if not start.lstrip().startswith(b"{"):
        has_both = re.search(_NAME_LINE, start) and re.search(_EXECUTOR, start)
        return bool(re.search(_TASKS_LINE, start) or has_both)
    depth = 0
    # Others have a key of this name, too; their tasks have no executor.
    for found in re.finditer(_FLOW_PARTS, start) if b"executor" in start else ():
        if found["tasks"] and depth == 1:
            return True
        depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(found[0], 0)
    return False
