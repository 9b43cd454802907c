"""What a page is asked, and what it answers with: the shapes between `pages` and `app`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote, urlencode

from ork.objects.value import Value
from ork.store.store import Store

JSON_END = ".json"


class Asked(Value, frozen=True, kw_only=True):
    """A request for a page, after everything about it was checked.

    `path` are the words that the pattern names, `query` the fields behind the question mark; of a
    field that comes more than once the last. All of it is text that anybody may have written.
    """

    store: Store
    now: datetime  # in the time zone of whom `ork up` runs for
    path: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    url: str = "/"  # path and query as they were written: where a form leads back to
    allow_changes: bool = False
    schedule: bool = True  # the daemon fires what is due
    form_token: str = ""  # the value of the field `form_token` of every form
    notice: str | None = None  # what a change that was just made has to say


class Page(Value, frozen=True, kw_only=True):
    """The answer: a template drawn with the values, and the same as a document.

    `template` is one of web/templates, by its name; it is given `asked`, too. `document` is what
    the command prints by `--json` under `schema`; without one the page has no `.json`.
    """

    template: str
    values: Mapping[str, Any] = {}
    schema: str | None = None
    document: Any = None
    status: int = 200


Answer: TypeAlias = Callable[[Asked], Page]


def link(kind: str, *words: object, **query: object) -> str:
    """Return the address of a page: `link("runs", "etl", 57)` is /runs/etl/57.

    A slash follows a name that ends as the addresses of documents do. Of the fields behind the
    question mark those that are None or empty are left out.
    """
    path = "/".join(("", kind, *(quote(str(word), safe="@~:,") for word in words)))
    path = f"{path}/" if path.endswith(JSON_END) else path
    fields = urlencode({name: one for name, one in query.items() if one not in (None, "")})
    return f"{path}?{fields}" if fields else path
