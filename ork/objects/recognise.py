"""Deploys, snapshots, leaves, tallies: as they mostly are, they are recognised by one pattern.

To walk a long history is to read many of these. A pattern says in one pass that stored bytes are
canonical, that they have exactly the fields of their kind, and what these are. It takes only what
the long way (`canonical.decode`, then each field by its shape) takes as well, with equal values;
everything else, errors included, is left to the long way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from ork.errors import Corrupt
from ork.objects import canonical
from ork.objects.canonical import Json
from ork.objects.tree_payload import LEAF_ENTRIES_MAX

PATIENCE = 100  # objects read the long way first: to compile the patterns costs as much as these

_COUNT = "(?:0|[1-9][0-9]{0,14})"
_OID = '"([^"]{64})"'  # whether these are digits is asked of all together, which is quicker
# As canonical JSON writes them. Control characters without a letter of their own are too rare here.
_LETTERS = r'(?:[^"\\\x00-\x1f]++|\\["\\bfnrt])*+'
_TEXT = f'"({_LETTERS})"'
_SETTING = rf'"[a-z_]++":(?:"{_LETTERS}"|[0-9]++)'
_DEPLOY = {
    "action": '"(deploy|rollback|import)"',
    "author": _TEXT,
    "message": _TEXT,
    "origin": rf'(?:null|\{{"commit":{_TEXT},"dirty":(true|false)\}})',
    "parents": rf"\[(?:{_OID})?\]",
    "restores": f"(?:null|{_OID})",
    "settings": rf"(\{{(?:{_SETTING}(?:,{_SETTING})*+)?\}})",
    "snapshot": _OID,
    "source": rf'\{{"(blob|chunks)":{_OID},"path":{_TEXT}\}}',
    "time": r'"([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z)"',
    "workflow": r'"((?![^"]*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}+)"',
}
_SNAPSHOT = {
    "files": _OID,
    "params": r"\{\}",
    "task_count": f"({_COUNT})",
    "tasks": _OID,
}
_patience = PATIENCE


def deploy(data: bytes) -> tuple[Any, ...] | None:
    """Return the fields of a deploy, sorted by their names; None where the long way must tell."""
    text = _decoded(data)
    found = _deploy_pattern().fullmatch(text) if text else None
    if found is None:
        return None
    (
        action,
        author,
        message,
        commit,
        dirty,
        parent,
        restores,
        settings,
        snapshot,
        place,
        source,
        path,
        time,
        workflow,
    ) = found.groups()
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    given = {} if settings == "{}" else _settings(settings)
    if given is None or not _are_digits(snapshot + source + (parent or "") + (restores or "")):
        return None
    return (
        action,
        _unescaped(author),
        _unescaped(message),
        {"commit": _unescaped(commit), "dirty": dirty == "true"} if dirty else None,
        (parent,) if parent else (),
        restores,
        given,
        snapshot,
        {place: source, "path": _unescaped(path)},
        moment,
        workflow,
    )


def snapshot(data: bytes) -> tuple[Any, ...] | None:
    """Return the fields of a snapshot, sorted by their names; None as for a deploy."""
    text = _decoded(data)
    found = _snapshot_pattern().fullmatch(text) if text else None
    if found is None or not _are_digits(found[1] + found[3]):
        return None
    return found[1], {}, int(found[2]), found[3]


def leaf(data: bytes) -> tuple[Any, ...] | None:
    """Return the fields of a tree that is a leaf of oids, in the same way."""
    text = _decoded(data) if data.startswith(b'ork1 tree\n{"entries":[["') else None
    pairs = _leaf_pattern().findall(text) if text else []
    names = [name for name, _ in pairs]
    # What is equal to the canonical text of the pairs is one: nothing in them needs an escape.
    again = ",".join([f'["{name}","{oid}"]' for name, oid in pairs])
    if not pairs or text != f'ork1 tree\n{{"entries":[{again}]}}':
        return None
    if not _are_digits("".join([oid for _, oid in pairs])):
        return None
    if len(pairs) > LEAF_ENTRIES_MAX or names != sorted(set(names)):
        return None
    return (), 0, tuple(pairs)


def tally(data: bytes) -> tuple[Mapping[str, int], int | None] | None:
    """Return the counts and the newest run that a blob of a tally holds, in the same way."""
    text = _decoded(data)
    found = _tally_pattern().fullmatch(text) if text else None
    if found is None:
        return None
    counts = _counts(found[1])
    return None if counts is None else (counts, None if found[2] == "null" else int(found[2]))


def _decoded(data: bytes) -> str | None:
    global _patience
    if _patience > 0:  # less than none when threads race
        _patience -= 1
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _are_digits(oids: str) -> bool:
    try:
        return bytes.fromhex(oids).hex() == oids
    except ValueError:
        return False


def _unescaped(text: str) -> str:
    return str(json.loads(f'"{text}"')) if "\\" in text else text


@lru_cache(maxsize=64)
def _settings(text: str) -> Json:
    # A value for ever, like all that an object holds; most deploys of a workflow have the same.
    try:
        return canonical.decode(text.encode())
    except Corrupt:
        return None


@lru_cache(maxsize=64)
def _counts(text: str) -> dict[str, int] | None:
    # Most deploys of a workflow have been run about as often, so many tallies share their counts.
    counts: dict[str, int] = json.loads(text)
    return counts if list(counts) == sorted(counts) and len(counts) == text.count(":") else None


def _compiled(kind: str, fields: Mapping[str, str]) -> re.Pattern[str]:
    inside = ",".join(f'"{name}":{pattern}' for name, pattern in fields.items())
    return re.compile(rf"ork1 {kind}\n\{{{inside}\}}")


@lru_cache(maxsize=1)
def _deploy_pattern() -> re.Pattern[str]:
    return _compiled("deploy", _DEPLOY)


@lru_cache(maxsize=1)
def _snapshot_pattern() -> re.Pattern[str]:
    return _compiled("snapshot", _SNAPSHOT)


@lru_cache(maxsize=1)
def _leaf_pattern() -> re.Pattern[str]:
    return re.compile(rf'\["([^"\\\x00-\x1f]*+)",{_OID}\]')


@lru_cache(maxsize=1)
def _tally_pattern() -> re.Pattern[str]:
    one = f'"[a-z_]+":{_COUNT}'
    counts = rf"\{{(?:{one}(?:,{one})*+)?\}}"
    return re.compile(rf'ork1 blob\n\{{"counts":({counts}),"last":(null|{_COUNT})\}}')
