"""Where a pattern matches: in names, settings, parameters, tasks and code, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial

from ork.errors import UsageError
from ork.objects.value import Value
from ork.search.texts import texts_of
from ork.store.resolve import ResolvedObject, heads
from ork.store.revision import split_part
from ork.store.store import Store
from ork.worktree.lookup import look_up


class Hit(Value, frozen=True, kw_only=True):
    """A line that has what was looked for; of a name that has it there is no text.

    `name` is that of a task, a code file or a tag, `field` the path of a value as a diff has it,
    and `line` the number of a line of code.
    """

    workflow: str | None
    revision: str  # in which it was found, as that was named
    kind: str  # workflow | tag | setting | param | task | file
    name: str | None = None
    field: str | None = None
    line: int | None = None
    text: str | None = None

    @property
    def place(self) -> str:
        """Where it is: "etl:load:command", "etl:tasks/load.py:6", "etl@v1.4"."""
        if self.kind == "tag":
            return f"{self.revision}@{self.name}"
        parts = (self.revision, self.name, self.field, self.line)
        return ":".join(str(part) for part in parts if part is not None)

    def cells(self) -> dict[str, object]:
        return {"place": self.place, "text": self.text and self.text.strip()}


def pattern_of(text: str, *, fixed: bool = False, ignore_case: bool = False) -> re.Pattern[str]:
    """Return what a text looks for: a regular expression, or with `fixed` the text as it is."""
    try:
        return re.compile(re.escape(text) if fixed else text, re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise UsageError(f"not a regular expression: {text!r}: {error}") from None


def grep(
    store: Store, pattern: re.Pattern[str], revisions: Sequence[str] = (), *, now: datetime
) -> Iterator[Hit]:
    """Yield what has it: of some revisions, or of one task or file of them; else of all workflows.

    A workflow is searched in its newest version, and has tags.
    """
    for text in revisions or heads(store)[0]:
        found = look_up(store, text, now=now)
        is_part = isinstance(found, ResolvedObject) and found.name is not None
        revision, part = split_part(text) if is_part else (text, None)
        in_it = partial(Hit, workflow=found.workflow, revision=revision)
        if text == found.workflow:
            if pattern.search(text):
                yield in_it(kind="workflow")
            for label, _ in store.refs(f"tags/{text}/"):
                if pattern.search(label):
                    yield in_it(kind="tag", name=label)
        before: tuple[str, str | None] = ("", None)
        for one in texts_of(store, found, part):
            of_it = partial(in_it, kind=one.kind, name=one.name)
            if before != (one.kind, one.name) and one.name and pattern.search(one.name):
                yield of_it()
            before = one.kind, one.name
            named = one.field is not None and pattern.search(one.field)  # told at its first line
            for number, line in enumerate(one.text.split("\n"), 1):
                if pattern.search(line) or (named and number == 1):
                    at = number if one.kind == "file" else None
                    yield of_it(field=one.field, line=at, text=line.removesuffix("\r"))
