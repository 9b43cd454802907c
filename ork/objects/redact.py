"""The same object without a text: what is read in the place of one that has to be forgotten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from ork.errors import Corrupt, InvalidInput
from ork.objects import canonical
from ork.objects.canonical import DEPTH_MAX, Json, Oid
from ork.objects.kinds import (
    TREES,
    Blob,
    Node,
    Object,
    Operation,
    RunLeaf,
    Task,
    TaskRun,
    decode_object,
    encode_object,
    kind_of,
    to_json,
)

MARK = "[forgotten]"
Spans: TypeAlias = Sequence[tuple[int, int]]
Find: TypeAlias = Callable[[bytes], Spans]


def redacted(value: Object, find: Find) -> tuple[Object, dict[Oid, Object]] | None:
    """Return an object without what is found in it, and what is read in the place of its outputs.

    It has the same links; an output that stood in it as a text is one more. None where that cannot
    be: what is found is a name, or so near to one that the object would not be valid without it.
    """
    outputs: dict[Oid, Object] = {}
    if isinstance(value, Blob):
        new: Object = Blob(_bytes(value.data, find))
    else:
        payload: Any = to_json(value)
        if isinstance(value, RunLeaf | TaskRun):
            _take_outputs(payload, find, outputs)
        payload = _keep_names(value, payload, _without(payload, find))
        try:
            data = canonical.encode(payload)
            new = decode_object(canonical.frame(kind_of(value), data))
        except (Corrupt, InvalidInput):
            return None
        if _links(value, outputs) != _links(new, outputs):
            return None
    whole = all(not find(encode_object(one)) for one in (new, *outputs.values()))
    return (new, outputs) if whole else None


def emptied(value: Object) -> Object | None:
    """Return an object with nothing of the content of this one; None if it names others."""
    if isinstance(value, Blob):
        return Blob(MARK.encode())
    if isinstance(value, Task):
        return Task(executor="process", command=MARK, depends_on=value.depends_on)
    return None


def cover(data: bytes, spans: Spans, mark: bytes = MARK.encode()) -> bytes:
    """Return bytes with a mark in the place of each span; these are sorted and apart."""
    out, done = [], 0
    for start, end in spans:
        out += [data[done:start], mark]
        done = end
    return b"".join((*out, data[done:]))


def _bytes(data: bytes, find: Find) -> bytes:
    try:
        value = canonical.decode(data)
    except (Corrupt, InvalidInput):
        return cover(data, find(data))
    return canonical.encode(_without(value, find))  # JSON stays JSON, also where it is a number


def _without(value: Json, find: Find, depth: int = DEPTH_MAX) -> Json:
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        return cover(data, find(data)).decode("utf-8", "replace")
    if isinstance(value, dict):
        pairs = value.items()
        return {str(_without(key, find)): _without(item, find, depth - 1) for key, item in pairs}
    if isinstance(value, list):
        return [_without(item, find, depth - 1) for item in value]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return MARK if number and find(json.dumps(value).encode()) else value


def _take_outputs(payload: Any, find: Find, outputs: dict[Oid, Object]) -> None:
    """Take away the texts of short outputs in which something is found."""
    taskruns = [one for _, one in payload["entries"]] if "entries" in payload else [payload]
    for taskrun in taskruns:
        output = taskrun["output"]
        if output and output["text"] is not None and find(output["text"].encode()):
            outputs[output["oid"]] = Blob(_bytes(output["text"].encode(), find))
            output["text"] = None


def _keep_names(value: Object, old: Any, new: Any) -> Any:
    """Put back what other objects and files go by: names in trees, refs, paths of logs."""
    if isinstance(value, Operation):
        return {**new, "moves": old["moves"]}
    if isinstance(value, TREES) and not isinstance(value, Node):
        pairs = zip(old["entries"], new["entries"], strict=True)
        new = {**new, "entries": [[name, entry] for (name, _), (_, entry) in pairs]}
        entries = zip(old["entries"], new["entries"], strict=True)
        taskruns = [(a, b) for (_, a), (_, b) in entries] if isinstance(value, RunLeaf) else []
    else:
        taskruns = [(old, new)] if isinstance(value, TaskRun) else []
    for before, after in taskruns:
        for a, b in zip(before["attempts"], after["attempts"], strict=True):
            b["log"] = a["log"]
    return new


def _links(value: Any, outputs: Iterable[Oid]) -> list[Oid]:
    return [oid for oid in value.links() if oid is not None and oid not in outputs]
