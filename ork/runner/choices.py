"""The parameters of a run: what the definition declares, what was given, what they then are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path

from ork.definition.types import convert
from ork.errors import InvalidInput, UsageError
from ork.objects import canonical
from ork.objects.canonical import Json

FILE_BYTES_MAX = 16 * 1024 * 1024


def parse_given(texts: list[str]) -> dict[str, str]:
    """Return name -> text of `NAME=VALUE` arguments; `NAME=@FILE` stands for the file's text."""
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"-i {text}: write -i NAME=VALUE or -i NAME=@FILE")
        if name in given:
            raise UsageError(f"-i {name} is given twice")
        given[name] = _read(value[1:]) if value.startswith("@") else value
    return given


def settle_params(
    declared: Mapping[str, dict[str, Json]],
    given: Mapping[str, object],
    recorded: Mapping[str, Json],
) -> dict[str, Json]:
    """Return the value of every declared parameter: given, else recorded, else its default.

    A given text is read by the declared type: as it is for `str` and dates, as JSON for the others.
    Raises UsageError with everything that is wrong.
    """
    problems = [_unknown(name, declared) for name in given if name not in declared]
    values: dict[str, Json] = {}
    for name, entry in declared.items():
        if name in given:
            value = _parse(given[name], entry["type"])
        elif name in recorded:
            value = recorded[name]
        elif entry["required"]:
            problems.append(f"the parameter {name} has no default: give it with -i {name}=VALUE")
            continue
        else:
            value = entry["default"]
        if entry["type"] is not None:
            value, wrong = convert(value, entry["type"])
            problems += [f"the parameter {name}: {one}" for one in wrong]
        try:
            canonical.encode(value)
        except InvalidInput as error:  # what no record can hold, such as NaN or half a character
            problems.append(f"the parameter {name}: {error.message}")
        values[name] = value
    if problems:
        raise UsageError("\n".join(problems))
    return values


def _parse(value: object, declared: Json) -> Json:
    if not isinstance(value, str):
        return value  # type: ignore[return-value]
    textual = isinstance(declared, str) and declared not in ("int", "float", "bool")
    if textual:
        return value
    try:
        return json.loads(value)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return value  # a text where no type says otherwise; with a type the check complains


def _unknown(name: str, declared: Mapping[str, object]) -> str:
    near = get_close_matches(name, declared, n=1)
    known = f"did you mean {near[0]}?" if near else f"there are: {', '.join(declared) or 'none'}"
    return f"no parameter named {name!r}; {known}"


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
        if len(data) > FILE_BYTES_MAX:
            raise UsageError(f"{path} is larger than {FILE_BYTES_MAX >> 20} MiB")
        return data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {error}") from None
