"""The values of parameters as they are given: by whom a run is begun, or looked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from shlex import quote

from ork.alike import meant_or_known
from ork.definition.types import convert, example
from ork.errors import InvalidInput, UsageError
from ork.objects import canonical
from ork.objects.canonical import Json
from ork.objects.kinds import Param
from ork.worker.values import Unfit, to_json
from ork.zone import now_here

_DAYS = {"today": 0, "yesterday": 1}  # words for a date, each with how many days ago it was
_EXAMPLE_CHARS_MAX = 200  # a type can be large


class Exact(str):
    """A text that is given as the value itself, and not to be read."""


def exactly(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return parameters as they are given when their texts are values, and not to be read."""
    return {name: Exact(it) if isinstance(it, str) else it for name, it in values.items()}


def json_of(params: Mapping[str, object], *, what: str = "parameter") -> dict[str, Json]:
    """Return parameters, or `what` they are, as JSON: dates as ISO texts, tuples as lists.

    They may be what a task may return. Raises InvalidInput with all that have no such form.
    """
    if not isinstance(params, Mapping):
        word = "params" if what == "parameter" else f"{what}s"
        told = f"{word} are names with values, and no {type(params).__name__}"
        raise UsageError(told, hint=f'write {word}={{"day": "2026-11-01"}}')
    found: dict[str, Json] = {}
    problems = []
    for name, value in params.items():
        try:
            found[name] = to_json(value)
        except Unfit as error:
            problems += [f"the {what} {name}{one}" for one in error.found]
    if problems:
        raise InvalidInput("\n".join(problems))
    return found


def settle_params(
    declared: Mapping[str, Param],
    given: Mapping[str, object],
    recorded: Mapping[str, Json],
) -> dict[str, Json]:
    """Return the value of every declared parameter: given, else recorded, else its default.

    A given text is read by the declared type: as it is for `str` and dates, as JSON for the others;
    `today` and `yesterday` are dates, which the local time tells.
    Raises UsageError with everything that is wrong.
    """
    problems = [
        f"no parameter named {name!r}; {meant_or_known(name, declared) or 'it has none'}"
        for name in given
        if name not in declared
    ]
    values: dict[str, Json] = {}
    for name, entry in declared.items():
        if name in given:
            value = parsed(given[name], entry.type)
        elif name in recorded:
            value = recorded[name]
        elif entry.required:
            problems.append(f"the parameter {name} has no default: give it with `-i {name}=VALUE`")
            continue
        else:
            value = entry.default
        values[name], wrong = settled(value, entry.type)
        form = _form(name, given[name], value, entry.type) if wrong and name in given else ""
        problems += [f"the parameter {name}: {one}{form}" for one in wrong]
    if problems:
        raise UsageError("\n".join(problems))
    return values


def _form(name: str, given: object, value: Json, declared: Json) -> str:
    """Return how a value is written of which what is given has not the form at all."""
    is_text = isinstance(given, str) and not isinstance(given, Exact)
    if is_text and declared == "date":
        return f"; {' and '.join(_DAYS)} are dates, too"
    if not isinstance(declared, (list, dict)) or type(value) is type(declared):
        return ""
    right = json.dumps(example(declared), ensure_ascii=False)
    if len(right) > _EXAMPLE_CHARS_MAX:
        return ""
    what = "a list" if isinstance(declared, list) else "an object"
    if not is_text:
        return f", such as {right}"
    return f"; {what} is JSON: `-i {quote(f'{name}={right}')}`"


def in_words(params: Mapping[str, Json]) -> str:
    """Return parameters for a sentence: `day="2026-11-01", n=3`."""
    given = (f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in params.items())
    return ", ".join(given) or "none"


def parsed(value: object, declared: Json) -> Json:
    """Return a value as it is meant: a text is read as its type says, unless that is a text too."""
    if isinstance(value, Exact):
        return str(value)
    if not isinstance(value, str):
        return value  # type: ignore[return-value]
    if declared == "date" and value in _DAYS:
        return (now_here().date() - timedelta(days=_DAYS[value])).isoformat()
    textual = isinstance(declared, str) and declared not in ("int", "float", "bool")
    if textual:
        return value
    try:
        return json.loads(value)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return value  # a text where no type says otherwise; with a type the check complains


def settled(value: Json, declared: Json) -> tuple[Json, list[str]]:
    """Return a value as a record has it, in the form of its type, and what is wrong with it."""
    try:
        value = canonical.settled(value)  # as a retry gets it, which reads the record
    except InvalidInput as error:  # what no record can hold, such as NaN or half a character
        return value, [error.message]
    if declared is None:
        return value, []
    value, wrong = convert(value, declared)
    return value, [f"{one}; {one.hint}" if one.hint else str(one) for one in wrong]
