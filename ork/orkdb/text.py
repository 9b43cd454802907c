"""Writes the text of a workflow file, as a person would: what `ork restore` gives back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from ork.objects.canonical import Json

INDENT = "  "
FLOW_KEYS = ("input_type", "output_type", "const", "ref")
_PLAIN = re.compile(r"[A-Za-z_./][A-Za-z0-9_./-]*", re.ASCII)
_RESERVED = re.compile(r"(?i:true|false|null|yes|no|on|off|y|n)|\.*|\.(?i:inf|nan)")
# A JSON text is one of YAML but for what may not stand there unescaped.
_UNWRITTEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_BLOCK_LINE = re.compile(r"[^\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]*")


def written(content: Mapping[str, Json]) -> bytes:
    """Return the text of a workflow file with this content."""
    return ("\n".join(_mapping(content, "")) + "\n").encode()


def _mapping(content: Mapping[str, Json], indent: str) -> Iterator[str]:
    for key, value in content.items():
        lead = f"{indent}{_scalar(key)}:"
        if isinstance(value, dict) and value and key not in FLOW_KEYS and not _is_binding(value):
            yield lead
            yield from _mapping(value, indent + INDENT)
        elif isinstance(value, str) and (lines := _block(value)) is not None:
            yield f"{lead} {lines[0]}"
            yield from (f"{indent}{INDENT}{line}" if line else "" for line in lines[1:])
        else:
            yield f"{lead} {_flow(value)}"


def _is_binding(value: Mapping[str, Json]) -> bool:
    return value.keys() in ({"const"}, {"ref"})


def _block(text: str) -> list[str] | None:
    """Return a text of several lines as a block, its mark first; None where that cannot hold it."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    fits = all(_BLOCK_LINE.fullmatch(line) for line in lines)
    if len(lines) < 2 or not fits or not lines[0].strip() or lines[0][0] in " \t" or not lines[-1]:
        return None
    return ["|" if text.endswith("\n") else "|-", *lines]


def _flow(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(k)}: {_flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return _scalar(value) if isinstance(value, str) else json.dumps(value)


def _scalar(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _RESERVED.fullmatch(text):
        return text
    return _UNWRITTEN.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(text, ensure_ascii=False))
