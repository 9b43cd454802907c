"""The JSON Schema of workflow files, held against every file that the tests have read."""

from __future__ import annotations

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from ork.cli.heads.schema import document
from ork.yaml import nodes
from ork.yaml.problems import Problems


@cache
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(document())
    return Draft202012Validator(document())


def errors(text: str) -> list[str]:
    """Return what the schema has against a file; what is null counts as not given."""
    value = _given(nodes.plain(nodes.read(text, Problems("file"))))
    return [f"{error.json_path}: {error.message[:200]}" for error in validator().iter_errors(value)]


def _given(value: Any, *, below: str = "") -> Any:
    if isinstance(value, dict) and below not in ("const", "default", "params", "env"):
        return {k: _given(v, below=k) for k, v in value.items() if v is not None or k == "const"}
    return value
