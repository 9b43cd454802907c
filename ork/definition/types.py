"""The type expressions of a workflow file, as JSON values: checking, comparing, converting.

A type is the name of a scalar, `[type]` (a list), or `{field: type}` (an object with exactly these
fields). Dates are ISO texts; `convert` gives each a single text, so equal values have equal bytes.
Used for constants at deploy and for inputs and outputs at run time.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from functools import partial

from ork.objects.canonical import INTEGER_MAX, Json
from ork.objects.kinds import SCALARS as SCALARS
from ork.objects.value import Value

TYPE_DEPTH_MAX = 32
TYPE_NODES_MAX = 10_000
MISMATCHES_MAX = 20  # in one value: then nobody looks further

# What other tools call these types.
LEGACY = {
    **dict.fromkeys(("string", "text", "char", "varchar"), "str"),
    **dict.fromkeys(("integer", "long", "bigint", "int32", "int64"), "int"),
    **dict.fromkeys(("number", "double", "decimal", "real", "float32", "float64"), "float"),
    **dict.fromkeys(("datetime", "date_time"), "datetime_notz, datetime_tz or datetime_utc"),
    "boolean": "bool",
    "timestamp": "datetime_utc",
    "timestamptz": "datetime_tz",
    **dict.fromkeys(("path", "filepath", "uuid", "bytes", "time"), "str"),
    "timedelta": "float, of seconds",
    **dict.fromkeys(("list", "array", "set", "tuple"), "[type]"),
    **dict.fromkeys(("dict", "map", "object"), "{field: type}"),
    **dict.fromkeys(("any", "json"), "a type, or leave the declaration out"),
}

_EXAMPLES: dict[str, list[Json]] = {
    "str": ["a", "b"],
    "int": [1, 2],
    "float": [0.5, 1.5],
    "bool": [True, False],
    "date": ["2026-11-01", "2026-11-02"],
    "datetime_notz": ["2026-11-01T12:30:00"],
    "datetime_tz": ["2026-11-01T12:30:00+01:00"],
    "datetime_utc": ["2026-11-01T12:30:00Z"],
}


class Mismatch(Value, frozen=True):
    """One place where a value is not of its type; prints as `rows: expected int, got str "12"`."""

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None  # how to write it in a workflow file

    def __str__(self) -> str:
        return self.of("").lstrip(".") if self.path else self.message

    def of(self, what: str) -> str:
        """Return it with a name for the whole value: `output.rows: expected int, ...`."""
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path)
        return f"{what}{place}: {self.message}"


def describe(expression: Json) -> str:
    """Return a type as a workflow file writes it."""
    if isinstance(expression, list):
        return f"[{', '.join(map(describe, expression))}]"
    if isinstance(expression, dict):
        return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in sorted(expression.items())) + "}"
    return str(expression)


def example(expression: Json) -> Json:
    """Return a value of a type, for somebody who is to write one."""
    if isinstance(expression, list):
        element = expression[0]
        return _EXAMPLES[element] if isinstance(element, str) else [example(element)]
    if isinstance(expression, dict):
        return {field: example(kind) for field, kind in expression.items()}
    return _EXAMPLES[str(expression)][0]


def assignable(source: Json, target: Json) -> bool:
    """Say whether every value of one type is accepted where the other is asked."""
    if isinstance(source, list) and isinstance(target, list):
        return assignable(source[0], target[0])
    if isinstance(source, dict) and isinstance(target, dict):
        return source.keys() == target.keys() and all(
            assignable(source[field], target[field]) for field in target
        )
    return source == target or (source, target) in _WIDENS


def convert(value: Json, expression: Json) -> tuple[Json, list[Mismatch]]:
    """Return a value in the one form that its type has, and where it is not of the type.

    Without a mismatch, equal values come back equal: dates in one ISO text, `1` for `1.0` where an
    int is declared, a float for an int where a float is. With a mismatch the value is not to be
    used. The value given is not changed.
    """
    found: list[Mismatch] = []
    return _convert(value, expression, (), found), found


# What other tools, and YAML 1.1, take for these.
_FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "y", "1"), "true"),
    **dict.fromkeys(("false", "no", "off", "n", "0"), "false"),
}
_WIDENS = (("int", "float"), ("datetime_utc", "datetime_tz"))
_DATE = r"(?a)\d{4}-\d{2}-\d{2}"
_DATETIME = (
    r"(?a)(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2})(:\d{2})?(?:[.,](\d{1,12}))?"
    r"([Zz]|[+-]\d{2}(?::?\d{2})?)?"
)


def _convert(
    value: Json, expression: Json, path: tuple[str | int, ...], found: list[Mismatch]
) -> Json:
    if len(found) >= MISMATCHES_MAX:
        return None
    if isinstance(expression, list):
        if not isinstance(value, list):
            found.append(_mismatch(value, expression, path))
            return None
        element = expression[0]
        return [_convert(item, element, (*path, i), found) for i, item in enumerate(value)]
    if isinstance(expression, dict):
        return _convert_object(value, expression, path, found)
    try:
        return _SCALAR[str(expression)](value)
    except TypeError:
        found.append(_mismatch(value, expression, path))
        return None
    except (ValueError, OverflowError) as error:
        reason = f" ({error})" if type(error) is ValueError else ""
        found.append(Mismatch(path, f"expected {expression}, got {show(value)}{reason}"))
        return None


def _convert_object(
    value: Json, expression: dict[str, Json], path: tuple[str | int, ...], found: list[Mismatch]
) -> Json:
    if not isinstance(value, dict):
        found.append(_mismatch(value, expression, path))
        return None
    for field in sorted(expression.keys() - value.keys()):
        found.append(Mismatch((*path, field), f"missing; expected {describe(expression[field])}"))
    for field in sorted(value.keys() - expression.keys()):
        found.append(Mismatch((*path, field), "not a field of the declared type"))
    return {
        field: _convert(value[field], kind, (*path, field), found)
        for field, kind in expression.items()
        if field in value
    }


def _mismatch(value: Json, expression: Json, path: tuple[str | int, ...]) -> Mismatch:
    wanted = describe(expression)
    wanted = wanted if len(wanted) <= 80 else wanted[:77] + "..."
    return Mismatch(path, f"expected {wanted}, got {show(value)}", _mend(value, expression))


def _mend(value: Json, expression: Json) -> str | None:
    """Return how a file writes what seems to be meant by a value that is not of its type."""
    if expression == "bool" and isinstance(value, str) and value.lower() in _FLAGS:
        return f"write `{_FLAGS[value.lower()]}`"
    if expression in ("int", "float") and isinstance(value, str) and is_number(value):
        if expression == "int" and "." in value:
            return None
        # Quotes are not all that keeps a text with such zeros from being a number.
        is_padded = re.match(r"[-+]?0[0-9]", value) is not None
        plain = float(value) if "." in value else int(value)
        return f"write `{plain}`" if is_padded else "write it without quotes"
    return "quote it" if expression == "str" and isinstance(value, (bool, int, float)) else None


def is_number(text: str) -> bool:
    """Say whether a text is a number in quotes."""
    return re.fullmatch(r"[-+]?[0-9]+(\.[0-9]+)?", text) is not None


def show(value: object) -> str:
    """Return a JSON value in a few words, as `str \"12\"` or `a list`."""
    if value is None:
        return "null"
    if isinstance(value, (list, dict)):
        return "a list" if isinstance(value, list) else "an object"
    if type(value) is int and abs(value) > 10**40:
        return "int of many digits"
    text = json.dumps(value, ensure_ascii=False)
    return f"{type(value).__name__} {text if len(text) <= 40 else text[:37] + '...'}"


# -- scalars: the value in its one form; TypeError for another type, ValueError for a wrong text


def _str(value: Json) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _int(value: Json) -> int:
    # JSON has one kind of number: 1.0 comes back from the store as 1.
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is not int:
        raise TypeError
    if abs(value) > INTEGER_MAX:
        raise ValueError("beyond 2^53-1")
    return value


def _float(value: Json) -> float:
    if type(value) is not int and type(value) is not float:
        raise TypeError
    if type(value) is int and abs(value) > INTEGER_MAX:
        raise ValueError("beyond 2^53-1")
    if not math.isfinite(value):
        raise ValueError("not finite")
    return float(value) + 0.0  # -0.0 becomes 0.0


def _bool(value: Json) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _date(value: Json) -> str:
    text = _str(value)
    if not re.fullmatch(_DATE, text):
        raise ValueError("a date is written YYYY-MM-DD")
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("no such day") from None


def _moment(fits: Callable[[timedelta | None], bool], wrong: str, value: Json) -> str:
    moment = _datetime(_str(value))
    if not fits(moment.utcoffset()):
        raise ValueError(wrong)
    return moment.isoformat().replace("+00:00", "Z")


def _datetime(text: str) -> datetime:
    match = re.fullmatch(_DATETIME, text)
    if match is None:
        raise ValueError("a datetime is written YYYY-MM-DDTHH:MM:SS")
    day, clock, seconds, fraction, offset = match.groups()
    fraction = (fraction or "").rstrip("0")
    if len(fraction) > 6 or (fraction and not seconds):
        raise ValueError("a fraction has at most six digits, after the seconds")
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{seconds or ':00'}.{fraction:0<6}")
    except ValueError:
        raise ValueError("no such day or time") from None
    return moment if offset is None else moment.replace(tzinfo=_offset(offset))


def _offset(text: str) -> timezone:
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2] or 0), int(digits[2:4] or 0)
    if text in "Zz" or hours == minutes == 0:
        return UTC
    if hours > 23 or minutes > 59:
        raise ValueError("no such offset")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if text[0] == "-" else span)


_SCALAR: dict[str, Callable[[Json], Json]] = {
    "str": _str,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "date": _date,
    "datetime_notz": partial(
        _moment, lambda offset: offset is None, "it has an offset; a datetime_notz has none"
    ),
    "datetime_tz": partial(
        _moment, lambda offset: offset is not None, "the offset is missing, as in +01:00 or Z"
    ),
    "datetime_utc": partial(
        _moment, lambda offset: offset == timedelta(0), "a datetime_utc ends in Z"
    ),
}
