"""Lists to look at: a line for each value in a shell, a table in a notebook or in pandas."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

from ork.errors import Corrupt, OrkError, StoreError, pip_install
from ork.objects.value import Value, columns_of, fields_of
from ork.zone import here

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T", bound=Value)
Found = TypeVar("Found")

ROWS_MAX = 50  # that are shown; the others are counted
TEXT_CHARS_MAX = 80
VALUES = ("params.", "outputs.")  # begin the titles of a parameter, and of what a task gave
NAMED = ("next", "since", "slot")  # times that are not when a thing began or was made
# Columns of a data frame; before them the name of what has a state, a run or a task.
FIRST = ("workflow", "number", "state", "partial", "created", "seconds")


def while_open(read: Callable[[], Found]) -> Found | None:
    """Return what is read of a store; None once that is closed."""
    try:
        return read()
    except Corrupt:
        raise
    except StoreError:
        return None


class Framed:
    """What pandas can have as a table."""

    def _records(self) -> Iterable[Mapping[str, object]]:
        """Return its rows, each field under its name."""
        raise NotImplementedError

    def _columns(self) -> Iterable[str]:
        """Return the names that are there in any case, be there no rows."""
        return ()

    def to_pandas(self) -> DataFrame:
        """Return it as a DataFrame: a column for each field, also of the records within a value.

        Those that one looks for come first.
        """
        try:
            import pandas
        except ImportError:
            hint = f"install it beside ork: {pip_install('pandas')}"
            raise OrkError("pandas is not installed", hint=hint) from None
        records = list(self._records())
        names = dict.fromkeys([*self._columns(), *(name for one in records for name in one)])
        wanted = ("name", *FIRST) if "state" in names else FIRST
        first = [name for name in wanted if name in names]
        rest = [name for name in names if name not in first]
        return pandas.DataFrame(records, columns=[*first, *rest])


class Rows(list[T], Framed):
    """A list, with all that a list can; a shell and a notebook show it well.

    `kind` is the class of its values, and `what` they are called where there are none.
    """

    def __init__(
        self, values: Iterable[T] = (), kind: type[Value] = Value, what: str = "rows"
    ) -> None:
        super().__init__(values)
        self._kind, self._what = kind, what

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Rows[T]:
        if isinstance(index, slice):
            return Rows(super().__getitem__(index), self._kind, self._what)
        return super().__getitem__(index)

    def _columns(self) -> Iterable[str]:
        return () if self else columns_of(self._kind)

    def _records(self) -> Iterable[Mapping[str, object]]:
        """Return the fields of each value."""
        return (value._row() for value in self)

    def __repr__(self) -> str:
        more = [f"... and {len(self) - ROWS_MAX} more"] if len(self) > ROWS_MAX else []
        lines = ",\n ".join([*map(repr, self[:ROWS_MAX]), *more])
        return f"[{lines}]"

    def __str__(self) -> str:
        """Return what a command shows of them, where it does of each, else a line for each."""
        return "\n".join(map(str, self)) if self and issubclass(self._kind, Framed) else repr(self)

    def _repr_html_(self) -> str:
        if not self:
            return f"<p>no {self._what}</p>"
        if issubclass(self._kind, Framed):
            return "".join(one._repr_html_() or "" for one in self)
        return table((value.cells() or fields_of(value) for value in self), len(self))


class Text(str):
    """A text of lines, which IPython shows as it is; a shell of Python shows it as a text."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self)


def line(name: str, cells: Iterable[object]) -> str:
    """Return cells as a shell shows them: "<Run etl#5, failed>"."""
    return f"<{name} {', '.join(filter(None, map(shown, cells)))}>".replace(" >", ">")


def told(cells: Mapping[str, object]) -> Iterator[object]:
    """Yield what a line says of cells: of values, and of some times, with their names."""
    for title, value in cells.items():
        if title.startswith(VALUES):
            text = json.dumps(value, ensure_ascii=False)
            yield f"{title.partition('.')[2]}={text}"
        elif isinstance(value, datetime) and title in NAMED:
            yield f"{title} {shown(value)}"
        else:
            yield value


def columns(title: str, value: object) -> dict[str, object]:
    """Return a value as cells of a table: an object has one for each of its fields."""
    if isinstance(value, dict):
        return {f"{title}.{name}": it for name, it in value.items()}
    return {title: value}


def record(name: str, fields: Iterable[tuple[str, object]]) -> str:
    """Return fields as a shell shows them: "Side(text='etl', deploy='05b037223798')"."""
    texts = (f"{field}={_short(value)}" for field, value in fields)
    return f"{name}({', '.join(texts)})"


def _short(value: object) -> str:
    if isinstance(value, datetime):
        return shown(value)
    return shown(re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1", repr(value)))


def name_of(author: str) -> str:
    """Return the name of an author without the address, which may be all there is."""
    return author.partition(" <")[0] or author


def table(rows: Iterable[Mapping[str, object]], count: int, *, caption: str = "") -> str:
    """Return the first of so many rows as a table in HTML; the others are not looked at.

    Whatever is in them is data: it is escaped, and cut.
    """
    from html import escape

    first = [{title: shown(it) for title, it in row.items()} for row in islice(rows, ROWS_MAX)]
    titles = list(dict.fromkeys(title for row in first for title, text in row.items() if text))
    head = _row("th", map(escape, titles))
    body = "".join(_row("td", (escape(row.get(title, "")) for title in titles)) for row in first)
    rest = f"<p>and {count - ROWS_MAX} more</p>" if count > ROWS_MAX else ""
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}\n{head}{body}</table>{rest}"


def _row(tag: str, texts: Iterable[str]) -> str:
    return f"<tr>{''.join(f'<{tag}>{text}</{tag}>' for text in texts)}</tr>\n"


def shown(value: object) -> str:
    """Return a value as one short line of text, in which nothing moves a cursor or hides."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{here(value):%Y-%m-%d %H:%M:%S}"
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
        if seconds < 1:
            return f"{seconds * 1000:.0f} ms"
        return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
    text = str(value)
    if len(text) > TEXT_CHARS_MAX:
        text = f"{text[: TEXT_CHARS_MAX - 3]}..."
    return text if text.isprintable() else repr(text)[1:-1]
