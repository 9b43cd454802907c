"""Values on their way into and out of a Python function; runs in the worker, Python 3.9 or newer.

Inputs arrive as JSON and become dates where a type says so, and floats where an annotation does. A
returned value becomes JSON again, or an Unfit error that names each place.
"""

from __future__ import annotations

import datetime
import functools
import math
import sys
from collections.abc import Iterable, Mapping

INTEGER_MAX = 2**53 - 1
DEPTH_MAX = 64
UNFIT_MAX = 20  # in one value: then nobody looks further

# What a value has that JSON can be made of, by its library and class, or one that this is made of.
_CURES = {
    "pandas.DataFrame": "`.to_dict('records')`",
    "polars.DataFrame": "`.to_dicts()`",
    "polars.Series": "`.to_list()`",
    "builtins.set": "`sorted(...)`",
    "builtins.frozenset": "`sorted(...)`",
    "builtins.bytes": "`.decode()`",
    "builtins.bytearray": "`.decode()`",
    "builtins.BaseException": "`str(...)`",
    "datetime.timedelta": "`.total_seconds()`",
    "datetime.time": "`.isoformat()`",
    "enum.Enum": "`.value`",
    "decimal.Decimal": "`str(...)`, or `float(...)`,",
    "numbers.Real": "`str(...)`, or `float(...)`,",
}
BUILT_IN = {kind.__name__: kind for kind in (int, float, str, list, dict)}
TEXTUAL = {"pathlib.PurePath", "uuid.UUID"}  # whose text is all that they are

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Unfit(Exception):
    """What cannot be in an output; `found` is what is wrong, each with its place in the output."""

    def __init__(self, message: str, innermost: Any = None) -> None:
        self.found = [f": {message}"]
        self._innermost = innermost  # of a value that is nested too deep

    def add(self, place: str, of: Any, before: Unfit | None) -> Unfit:
        """Note where in a list or an object the value stands, after what was found there before."""
        if of is self._innermost:
            self.found = [": it contains itself"]
        else:
            self.found = [place + one for one in self.found]
        if before is not None:
            self.found[:0] = before.found
        return self

    def is_enough(self) -> bool:
        """Say whether nobody looks further: what is nested too deep may go on without end."""
        return len(self.found) >= UNFIT_MAX or self._innermost is not None

    def __str__(self) -> str:
        """Return a line for each: "output.rows[3]: ...", and in the first how many there are."""
        first, *others = (f"output{one}" for one in self.found[:UNFIT_MAX])
        least = "at least " if len(self.found) >= UNFIT_MAX else ""
        more = f" (and {least}{len(others)} more)" if others else ""
        return "\n".join([first + more, *others])


def from_json(value: Any, declared: Any) -> Any:
    """Return the value with dates where the declared type has them."""
    if declared is None or value is None:
        return value
    if isinstance(declared, str):
        if declared == "date" and isinstance(value, str):
            return datetime.date.fromisoformat(value)
        if declared.startswith("datetime") and isinstance(value, str):
            return _moment(value)
        return value
    if isinstance(declared, dict) and isinstance(value, dict):
        return {key: from_json(item, declared.get(key)) for key, item in value.items()}
    if isinstance(declared, list) and isinstance(value, list) and len(declared) == 1:
        return [from_json(item, declared[0]) for item in value]
    return value


def with_floats(value: Any, annotation: Any, function: Any) -> Any:
    """Return a value of which 1 is 1.0 where an annotation of a function says `float`."""
    if type(value) not in (int, list, dict):
        return value
    fields = functools.lru_cache(maxsize=None)(_fields)
    return _fitted(value, _said(annotation, function), fields)


def _said(annotation: Any, function: Any) -> list[Any]:
    """Return the kinds that an annotation of a function means, which may be a text."""
    kind = BUILT_IN.get(annotation, annotation) if isinstance(annotation, str) else annotation
    if kind in BUILT_IN.values():
        return [kind]
    import typing  # which takes 5 ms, and few tasks need it
    from types import SimpleNamespace

    alone = SimpleNamespace(__annotations__={"it": annotation}, __wrapped__=function)
    return _kinds(typing.get_type_hints(alone)["it"])


def _kinds(hint: Any) -> list[Any]:
    """Return the members of a union, or the one kind that a hint is."""
    import types
    import typing

    if (named := getattr(hint, "__value__", getattr(hint, "__supertype__", None))) is not None:
        return _kinds(named)
    if typing.get_origin(hint) in (typing.Union, getattr(types, "UnionType", typing.Union)):
        return [kind for member in typing.get_args(hint) for kind in _kinds(member)]
    return [hint]


def _fields(kind: Any) -> dict[str, list[Any]]:
    """Return the kinds of the fields of a class, such as a dataclass or a TypedDict."""
    import typing

    return {name: _kinds(hint) for name, hint in typing.get_type_hints(kind).items()}


def _fitted(value: Any, kinds: list[Any], fields: Any) -> Any:
    """Return a value in which an integer is a float where only that is among its kinds."""
    if type(value) is int:
        return float(value) if float in kinds and int not in kinds else value
    if type(value) is list:
        return _items_fitted(value, kinds, fields)
    if type(value) is not dict:
        return value
    shared, named = [], []
    for kind in kinds:
        origin = getattr(kind, "__origin__", None)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            shared += _kinds(kind.__args__[-1])
        elif origin is None and isinstance(kind, type) and kind is not dict:
            named.append(fields(kind))
    if not (shared or named):
        return value  # as of a plain `dict`
    if not named:
        return {key: _fitted(item, shared, fields) for key, item in value.items()}
    return {
        key: _fitted(item, [*shared, *(one for of in named for one in of.get(key, ()))], fields)
        for key, item in value.items()
    }


def _items_fitted(value: list[Any], kinds: list[Any], fields: Any) -> list[Any]:
    shared, placed = [], []
    for kind in kinds:
        origin, of = getattr(kind, "__origin__", None), getattr(kind, "__args__", ())
        if origin is tuple and of[-1:] != (...,):
            placed.append([_kinds(one) for one in of])
        elif isinstance(origin, type) and issubclass(origin, Iterable) and of:
            shared += [] if issubclass(origin, Mapping) else _kinds(of[0])
    if not placed:
        return [_fitted(item, shared, fields) for item in value] if shared else value
    return [
        _fitted(item, [*shared, *(k for of in placed if at < len(of) for k in of[at])], fields)
        for at, item in enumerate(value)
    ]


def to_json(value: Any, depth: int = 1) -> Any:
    """Return the JSON of a value that a task returned; raise Unfit if it has none."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(str.__str__(value))
    if isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise Unfit(
                "an integer beyond 2^53-1 loses digits in JSON; `str(...)` of it keeps them"
            )
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            hint = _missing(depth) if math.isnan(value) else ""
            raise Unfit(f"{float(value)} is not a JSON number{hint}")
        return float(value)
    if depth > DEPTH_MAX:
        raise Unfit(f"nested deeper than {DEPTH_MAX} levels", value)
    if isinstance(value, dict):
        return _object(value, depth)
    if isinstance(value, (list, tuple)):
        return _array(value, depth)
    if isinstance(value, datetime.date):  # a datetime is one, too
        if value != value:  # as only NaT of pandas does, which is a datetime by its class
            raise Unfit(f"NaT is not a time{_missing(depth)}")
        return value.isoformat()
    return _special(value, depth)


def _special(value: Any, depth: int) -> Any:
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        names = [field.name for field in dataclasses.fields(value)]
        return _object({name: getattr(value, name) for name in names}, depth)
    if callable(getattr(kind, "model_dump", None)):
        try:
            dumped = value.model_dump(mode="json")
        except TypeError:  # it takes no mode
            dumped = value.model_dump()
        return to_json(dumped, depth + 1)
    library = str(kind.__module__).partition(".")[0]
    if library == "numpy" and getattr(value, "shape", None) == ():
        return to_json(value.item(), depth + 1)  # one number, which Python has as well
    names = [f"{str(one.__module__).partition('.')[0]}.{one.__qualname__}" for one in kind.__mro__]
    if not TEXTUAL.isdisjoint(names):
        return _text(str(value))
    cure = next((_CURES[name] for name in names if name in _CURES), None)
    if "pandas.DataFrame" in names and [*value.columns] != sorted(value.columns, key=str):
        cure = "`.to_dict('split')`, in which its columns keep their order,"
    if "pandas.Series" in names and _is_labelled(value.index):
        cure = "`.to_dict()`, which keeps its labels,"
    if cure is None and callable(getattr(kind, "tolist", None)):  # arrays, columns and their names
        cure = "`.tolist()`"
    if cure is None and hasattr(kind, "__getitem__") and callable(getattr(kind, "keys", None)):
        cure = "`dict(...)`"  # mappings, rows of sqlite3
    if cure is None and hasattr(kind, "__iter__"):
        cure = "`list(...)`"
    hint = f"; {cure} of it is one" if cure else "; write it to a file, and give its path"
    if names[0] == "pandas.NAType":
        hint = _missing(depth)
    raise Unfit(f"{_a(kind)} is not a JSON value{hint}")


def _is_labelled(index: Any) -> bool:
    """Say whether a column has texts for its rows, and each but once."""
    return bool(index.is_unique) and all(isinstance(label, str) for label in index)


def _missing(depth: int) -> str:
    """Return what to do about NaN, and what else stands for nothing in a table."""
    cure = "`df.astype(object).where(df.notna(), None)`"
    in_table = f": of a DataFrame {cure}" if depth > 1 and "pandas" in sys.modules else ""
    return f"; None stands for what is missing{in_table}"


def _array(values: Any, depth: int) -> Any:
    result: list[Any] = []
    unfit: Unfit | None = None
    for item in values:
        try:
            result.append(to_json(item, depth + 1))
        except Unfit as error:
            unfit = error.add(f"[{len(result)}]", values, unfit)
            if unfit.is_enough():
                break
            result.append(None)
    if unfit:
        raise unfit
    return result


def _object(values: Any, depth: int) -> Any:
    result: dict[str, Any] = {}
    unfit: Unfit | None = None
    for key, item in values.items():
        try:
            result[_key(key, item)] = to_json(item, depth + 1)
        except Unfit as error:
            is_text = isinstance(key, str)
            unfit = error.add(f".{key}" if is_text else "", values, unfit)
            if unfit.is_enough() or not is_text:  # other keys are most probably no texts either
                break
    if unfit:
        raise unfit
    return result


def _key(key: Any, item: Any) -> str:
    if isinstance(key, str):
        return _text(str.__str__(key))
    if key is None and isinstance(item, list):
        cure = "csv.DictReader keeps there what it finds behind the last column"
        raise Unfit(f"a row has more fields than the header: the key None holds them; {cure}")
    cure = "`{str(key): value for key, value in ...items()}` makes it one"
    raise Unfit(f"the key {key!r:.100} is {_a(type(key))}, not a string; {cure}")


def _text(text: str) -> str:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Unfit("the text has a lone surrogate") from None
    return text


def _a(kind: type) -> str:
    name, parts = kind.__qualname__, str(kind.__module__ or "builtins").split(".")
    if parts != ["builtins"]:  # pathlib.PosixPath of pathlib._local, which nobody writes
        name = ".".join([*(part for part in parts if part[:1] != "_"), name])
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _moment(text: str) -> datetime.datetime:
    if sys.version_info < (3, 11):  # noqa: UP036 (ork is newer, the worker need not be)
        # These read neither "Z" nor fractions of other than three or six digits.
        if text.endswith(("Z", "z")):
            text = text[:-1] + "+00:00"
        head, dot, tail = text.partition(".")
        if dot:
            digits = len(tail) - len(tail.lstrip("0123456789"))
            text = f"{head}.{tail[:digits][:6].ljust(6, '0')}{tail[digits:]}"
    return datetime.datetime.fromisoformat(text)
