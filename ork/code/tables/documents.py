"""Files of a project as JSON or TOML says what they hold, and what stands at a path in them."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ork.objects.canonical import Json

SIZE_MAX = 1024 * 1024  # bytes


def read_document(path: str, data: bytes) -> tuple[str, Json]:
    """Return the text of a file, and what it says; nothing where it cannot be read."""
    name = path.rpartition("/")[2]
    text = data.decode("utf-8", "replace") if len(data) <= SIZE_MAX else ""
    if name.startswith("setup."):
        return text, None
    import tomllib  # which takes its time, and few projects need

    try:
        return text, json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    except (ValueError, RecursionError):
        return text, None


def texts_at(value: Json, *path: str) -> Iterator[str]:
    """Yield the texts at a path, through lists."""
    if isinstance(value, list):
        for one in value:
            yield from texts_at(one, *path)
    elif path:
        yield from texts_at(value.get(path[0]), *path[1:]) if isinstance(value, dict) else ()
    elif isinstance(value, str):
        yield value


def items_at(value: Json, *path: str) -> Iterator[tuple[str, Json]]:
    """Yield the items of the tables at a path, of which `*` stands for any name."""
    if not isinstance(value, dict):
        return
    if not path:
        yield from value.items()
    elif path[0] == "*":
        for one in value.values():
            yield from items_at(one, *path[1:])
    else:
        yield from items_at(value.get(path[0]), *path[1:])
