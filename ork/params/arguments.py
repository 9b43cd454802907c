"""What a caller hands to a function of ork, checked by what that says it takes.

What is of another kind is told as such at once, and not by what goes wrong with it further inside.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from inspect import CO_VARARGS, CO_VARKEYWORDS
from numbers import Real
from os import PathLike
from types import FunctionType, NoneType
from typing import Any, ParamSpec, TypeAlias, TypeVar

from ork.alike import meant_or_known
from ork.errors import UsageError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

_Kind: TypeAlias = tuple[type, str]  # what fits, and what people call it
_KINDS: dict[str, _Kind] = {  # by the word of an annotation
    "str": (str, "a text"),
    "Path": (PathLike, "a path"),
    "float": (Real, "a number"),
    "Collection[str]": (Collection, "a list of texts"),
    "Sequence[str]": (Collection, "a list of texts"),
    "None": (NoneType, ""),
}


def all_checked(kind: type[C]) -> type[C]:
    """Return a class of which each public method checks what it is given."""
    for name, one in list(vars(kind).items()):
        if isinstance(one, FunctionType) and not name.startswith("_"):
            setattr(kind, name, checked(one))
    return kind


def checked(function: Callable[P, R]) -> Callable[P, R]:
    """Return a function that raises UsageError for an argument that it does not take.

    That is one of another name, or of no kind that the function names.
    """
    kinds, listed, rest = _taken(function)
    known = _named(function)

    @wraps(function)
    def call(*args: P.args, **given: P.kwargs) -> R:
        if known is not None and (other := next((it for it in given if it not in known), None)):
            hint = meant_or_known(other, known)
            raise UsageError(f"there is no argument {other!r}", hint=hint)
        several = ((rest, value) for value in args[len(listed) :] if rest)
        for name, value in (*zip(listed, args, strict=False), *several, *given.items()):
            if (fitting := kinds.get(name)) and not any(_fits(value, one) for one, _ in fitting):
                wanted = " or ".join(filter(None, (word for _, word in fitting)))
                kind = None if value is None else type(value).__name__
                called = function.__qualname__.replace("Project.", "project.")
                called = called if "." in called else f"ork.{called}"
                hint = f"`help({called})` tells more"
                raise UsageError(f"`{name}` takes {wanted}, not {kind}", hint=hint)
        return function(*args, **given)

    return call


def _named(function: Any) -> tuple[str, ...] | None:
    """Return which arguments a function takes by name; None of one that takes any."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return None if code.co_flags & CO_VARKEYWORDS else tuple(it for it in names if it != "self")


def _taken(function: Any) -> tuple[dict[str, list[_Kind]], tuple[str, ...], str]:
    """Return what fits the arguments of a function, those by place, and that of all further ones.

    Nothing is known to fit where an annotation has other words: who takes that looks at it.
    """
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount + 1]
    kinds = {}
    for name, said in function.__annotations__.items():
        words = said.split(" | ")
        if name in names and _KINDS.keys() >= {*words}:
            kinds[name] = [_KINDS[word] for word in words]
    return kinds, names[: code.co_argcount], names[-1] if code.co_flags & CO_VARARGS else ""


def _fits(value: object, kind: type) -> bool:
    if kind is Collection:
        return isinstance(value, Collection) and all(isinstance(one, str) for one in value)
    return isinstance(value, kind)
