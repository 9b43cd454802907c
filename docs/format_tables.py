"""The tables of docs/format.md, and docs/format.schema.json, made from the kinds by `make docs`.

A table stands after a line `<!-- Task -->`. Fields and types are written anew, what the page says
of each field is kept.
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from ork.objects import kinds
from ork.objects.value import Value

# What docs/format.md has a table for: kinds, and the records inside them.
RECORDS: dict[str, type[Value]] = {
    cls.__name__: cls
    for cls in (
        kinds.Task,
        kinds.Cache,
        kinds.When,
        kinds.OidLeaf,
        kinds.FileLeaf,
        kinds.RunLeaf,
        kinds.Node,
        kinds.FileEntry,
        kinds.Snapshot,
        kinds.Param,
        kinds.Deploy,
        kinds.Source,
        kinds.Origin,
        kinds.Run,
        kinds.TaskRun,
        kinds.Attempt,
        kinds.Log,
        kinds.Output,
        kinds.Operation,
        kinds.Tombstone,
    )
}
_WORDS = {
    inspect.AnyType: "any",
    inspect.BoolType: "true or false",
    inspect.IntType: "integer",
    inspect.NoneType: "null",
    inspect.StrType: "text",
}


def rows(record: type[Value]) -> list[tuple[str, str]]:
    """Return the fields of a record in their order, each with its type in words."""
    told = inspect.type_info(record)
    assert isinstance(told, inspect.StructType)
    found = [(field.encode_name, _words(field.type)) for field in told.fields]
    if told.tag_field:
        found.append((told.tag_field, f"`{told.tag}`"))
    return sorted(found)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of every kind: `$defs` holds them by the names of their classes."""
    classes = list(RECORDS.values())
    _, components = msgspec.json.schema_components(classes, ref_template="#/$defs/{name}")
    for told in components.values():
        if "description" in told:  # which Python itself does from 3.13 on
            told["description"] = cleandoc(told["description"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "The payloads of ork's objects (docs/format.md)",
        "$defs": components,
    }


def _words(told: inspect.Type) -> str:
    if isinstance(told, inspect.Metadata):
        return str((told.extra_json_schema or {}).get("title") or _words(told.type))
    if isinstance(told, inspect.UnionType):
        return " or ".join(map(_words, told.types))
    if isinstance(told, inspect.VarTupleType):
        return f"[{_words(told.item_type)}]"
    if isinstance(told, inspect.TupleType):
        return f"[{', '.join(map(_words, told.item_types))}]"
    if isinstance(told, inspect.DictType):
        return f"{{{_words(told.key_type)}: {_words(told.value_type)}}}"
    if isinstance(told, inspect.LiteralType):
        return " ".join(f"`{value}`" for value in told.values)
    if isinstance(told, inspect.StructType):
        return told.cls.__name__
    return _WORDS[type(told)]


def refreshed(page: str) -> str:
    """Return the page with the fields and types of every table as the kinds have them."""
    return re.sub(r"<!-- (\w+) -->\n((?:\|.*\n)*)", _table, page)


def _table(found: re.Match[str]) -> str:
    cells = [line.strip("| ").split(" | ") for line in found[2].splitlines()]
    notes = {row[0]: row[2] for row in cells if len(row) == 3}
    lines = [f"<!-- {found[1]} -->", "| field | type | |", "|---|---|---|"]
    for name, words in rows(RECORDS[found[1]]):
        lines.append(
            f"| `{name}` | {words} | {notes.get(f'`{name}`', '')} |".replace("|  |", "| |")
        )
    return "\n".join(lines) + "\n"


def schema_text() -> str:
    """Return the text of docs/format.schema.json."""
    return msgspec.json.format(msgspec.json.encode(json_schema())).decode() + "\n"


if __name__ == "__main__":
    here = Path(__file__).parent
    page = here / "format.md"
    page.write_text(refreshed(page.read_text("utf-8")), "utf-8")
    (here / "format.schema.json").write_text(schema_text(), "utf-8")
