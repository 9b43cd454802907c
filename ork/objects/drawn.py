"""Values that a command has a text about: in Python, `print` and a notebook show the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from ork.objects.rows import Framed
from ork.objects.value import Value

Draw: TypeAlias = Callable[[bool], str | None]  # as HTML? -> the text; None if it cannot be had


class Drawn(Framed, Value, frozen=True, kw_only=True, dict=True):
    """A value that shows itself as its command does, once it knows how; else it is a short line."""

    def draw_by(self, draw: Draw) -> None:
        """Show it by this function from now on, which is no part of the value."""
        self.__dict__["draw"] = draw

    def __str__(self) -> str:
        return self._drawn(html=False) or repr(self)

    def _repr_html_(self) -> str | None:
        return self._drawn(html=True) or super()._repr_html_()

    def _drawn(self, *, html: bool) -> str | None:
        draw: Draw | None = self.__dict__.get("draw")
        return draw(html) if draw else None
