"""The difference between the code files of two definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from ork.differences import lines, renames
from ork.differences.lines import Hunk
from ork.objects.canonical import Oid
from ork.objects.kinds import FileEntry
from ork.objects.value import Value, replace

PERCENT_MIN = 50  # of similarity, to call a file renamed
FILES_MAX = 200  # added, or removed, beyond which only equal contents are followed
FILE_BYTES_MAX = 256 * 1024  # beyond which a file is followed only by equal content

Read: TypeAlias = Callable[[Oid], bytes]


class FileChange(Value, frozen=True, kw_only=True):
    """One code file that differs; the values of an absent side are None.

    `old_path` and `similarity` (percent; 100 for equal bytes) are those of a renamed file, else
    None. `hunks` is None unless asked for: see `with_hunks`.
    """

    kind: str  # added | removed | changed | renamed
    path: str
    old_path: str | None = None
    similarity: int | None = None
    old_blob: Oid | None = None
    new_blob: Oid | None = None
    old_executable: bool | None = None
    new_executable: bool | None = None
    binary: bool = False
    added_lines: int = 0
    removed_lines: int = 0
    hunks: tuple[Hunk, ...] | None = None


def file_changes(
    old: Mapping[str, FileEntry], new: Mapping[str, FileEntry], names: Mapping[str, str], read: Read
) -> Iterator[FileChange]:
    """Yield the files that differ, by path; a renamed one by its new path."""
    old_paths = {after: before for before, after in names.items()}
    for path in sorted((old.keys() | new.keys()) - names.keys()):
        before, after = old.get(old_paths.get(path, path)), new.get(path)
        if before == after and path not in old_paths:
            continue
        both = "renamed" if path in old_paths else "changed"
        change = FileChange(
            kind="added" if before is None else "removed" if after is None else both,
            path=path,
            old_path=old_paths.get(path),
            old_blob=before.blob if before else None,
            new_blob=after.blob if after else None,
            old_executable=before.executable if before else None,
            new_executable=after.executable if after else None,
        )
        yield _measured(change, read)


def hunks(change: FileChange, read: Read) -> tuple[Hunk, ...]:
    """Return the unified diff of one file; none of a binary one, or when only its mode differs."""
    texts = _texts(change, read)
    return lines.hunks(*texts) if texts else ()


def text_shown(data: bytes) -> str | None:
    """Return the text of which differences are shown: of a notebook its cells; None if binary."""
    if data.startswith(b"{") and b'"cells"' in data:
        from ork.code.python.notebook import cells_text

        if (text := cells_text(data)) is not None:
            return text
    return lines.as_text(data)


def renamed_files(
    old: Mapping[str, FileEntry], new: Mapping[str, FileEntry], read: Read
) -> dict[str, str]:
    """Return old path -> new path: equal bytes, like-named ones first; then similar ones."""
    gone = {path: old[path].blob for path in old.keys() - new.keys()}
    came = {path: new[path].blob for path in new.keys() - old.keys()}
    return renames.pair(
        gone,
        came,
        contents=[
            lambda path, blob: f"{blob} {path.rpartition('/')[2]}".encode(),
            lambda _, blob: blob.encode(),
        ],
        features=lambda blob: _features(read(blob)),
        percent_min=PERCENT_MIN,
        similar_max=FILES_MAX,
    )


def _measured(change: FileChange, read: Read) -> FileChange:
    """Return the change with its similarity and counts of lines, for which files are read."""
    if change.old_blob == change.new_blob:
        return replace(change, similarity=100 if change.old_path else None)
    similarity = None
    if change.old_path and change.old_blob and change.new_blob:
        alike = renames.similarity(
            _features(read(change.old_blob)), _features(read(change.new_blob))
        )
        similarity = min(alike, 99)
    texts = _texts(change, read)
    if texts is None:
        return replace(change, binary=True, similarity=similarity)
    added, removed = lines.count_changes(*texts)
    return replace(change, added_lines=added, removed_lines=removed, similarity=similarity)


def _texts(change: FileChange, read: Read) -> tuple[str, str] | None:
    """Return the two texts, empty for an absent side; None when there is nothing to compare."""
    if change.binary or change.old_blob == change.new_blob:
        return None
    old = text_shown(read(change.old_blob)) if change.old_blob else ""
    new = text_shown(read(change.new_blob)) if change.new_blob else ""
    return None if old is None or new is None else (old, new)


def _features(data: bytes) -> dict[str, int]:
    text = lines.as_text(data) if len(data) <= FILE_BYTES_MAX else None
    stripped = (line.strip() for line in lines.split(text or ""))
    return {line: len(line) for line in stripped if line}
