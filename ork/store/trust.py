"""Judges whether the folder of a store may be trusted: it is the user's own, or named as safe."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from shlex import quote

from ork.errors import StoreError
from ork.objects.value import Value

_SQLITE = b"SQLite format 3\0"  # how such a file begins


class Layout(Value, frozen=True, kw_only=True):
    """The names that may stand in the folder of a store."""

    data: str  # the folder whose insides count as well
    folders: tuple[str, ...]
    files: tuple[str, ...]


def judge(folder: Path, layout: Layout, *, environ: Mapping[str, str]) -> None:
    """Raise StoreError unless the store is the user's own, or named in their configuration.

    Whoever can write a store can write what LMDB, which trusts its file, is going to map.
    """
    resolved = folder.resolve()
    complaint = _complaint(folder, resolved, layout, _own_ids(environ))
    if complaint and not _is_safe(resolved, environ):
        raise StoreError(
            complaint,
            hint=f"if you trust it, add safe_stores = [{json.dumps(str(resolved))}]"
            f" to {_configuration(environ)}",
        )


def _complaint(folder: Path, resolved: Path, layout: Layout, owners: set[int]) -> str | None:
    """Say what makes a store somebody else's; raise StoreError where it is no store at all."""
    complaint = None
    for path in _parts(folder, resolved, layout):
        try:
            status = path.lstat()
        except FileNotFoundError:
            continue  # another process removed it since it was listed
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror}") from None
        link = stat.S_ISLNK(status.st_mode)
        if link and path != folder:
            raise StoreError(f"{path} is a link; nothing in a store is", hint="remove it")
        if path not in (folder, resolved) and (wrong := _wrong_kind(path, status.st_mode, layout)):
            raise StoreError(f"{path} is {wrong}", hint="no ork made it: remove it")
        if status.st_uid not in owners:
            complaint = complaint or f"{path} belongs to another user (id {status.st_uid})"
        elif status.st_mode & stat.S_IWOTH and not link:
            complaint = complaint or f"{path} can be written by every user"
    return complaint


def _wrong_kind(path: Path, mode: int, layout: Layout) -> str | None:
    """Say what is there instead of the folder or the file that ork makes by this name."""
    if stat.S_ISDIR(mode):
        in_data = path.parent.name == layout.data and path.name not in layout.folders
        is_file = path.name in layout.files or in_data
        return "a folder, not a file" if is_file else None
    if stat.S_ISREG(mode):
        return "a file, not a folder" if path.name in layout.folders else None
    return "neither a file nor a folder"


def _parts(folder: Path, resolved: Path, layout: Layout) -> Iterator[Path]:
    """Yield what decides about a store: the folder, if a link then its target, and the insides.

    Everything that lies in it counts: ork writes into its folders, and removes from them, by name.
    """
    if not resolved.is_dir():
        hint = "`ork init` makes one"
        if resolved.exists():
            hint = f"once this file is out of the way, {hint}"
        with suppress(OSError), resolved.open("rb") as file:
            if file.read(len(_SQLITE)) == _SQLITE:
                hint = f"it is a file of SQLite: `ork --store sqlite:{quote(str(folder))}`"
        raise StoreError(f"there is no store in {folder}", hint=hint)
    yield folder
    yield resolved
    try:
        for inside in (resolved, resolved / layout.data):
            if inside.is_dir() and not inside.is_symlink():
                yield from sorted(inside.iterdir())
    except OSError as error:
        raise StoreError(f"{inside} cannot be read: {error.strerror}") from None


def _own_ids(environ: Mapping[str, str]) -> set[int]:
    """Return the user's id; for root by way of sudo, the id of who called it as well."""
    own = {os.geteuid()}
    caller = environ.get("SUDO_UID", "")
    if own == {0} and caller.isascii() and caller.isdigit():
        own.add(int(caller))
    return own


def _is_safe(resolved: Path, environ: Mapping[str, str]) -> bool:
    """Say whether `safe_stores` names the store, or the project that holds it."""
    import tomllib

    path = _configuration(environ)
    try:
        found = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return False
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    entries = found.pop("safe_stores", [])
    if found:
        name = json.dumps(min(found), ensure_ascii=False)
        raise StoreError(f"{path}: {name} is not known", hint="it has `safe_stores` alone")
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise StoreError(f'{path}: safe_stores must be a list of paths, or ["*"]')
    if "*" in entries:
        return True
    home = environ.get("HOME", "")
    paths = [Path(home + entry[1:] if entry.startswith("~/") else entry) for entry in entries]
    named = {path.resolve() for path in paths if path.is_absolute()}
    return not named.isdisjoint({resolved, resolved.parent})


def _configuration(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CONFIG_HOME") or str(Path(environ.get("HOME", "/")) / ".config")
    return Path(base) / "ork" / "config.toml"
