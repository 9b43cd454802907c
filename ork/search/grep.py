"""Where a pattern matches: in names, settings, parameters, tasks and code, line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import NamedTuple

from ork.errors import UsageError
from ork.objects.kinds import Deploy, Kind, Snapshot
from ork.objects.value import Value
from ork.search.texts import TOGETHER, Piece, pieces_of, texts_of
from ork.store.resolve import Resolved, ResolvedDeploy, heads
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
    named = (look_up(store, text, now=now) for text in revisions)
    before: tuple[_Place, str, str | None] | None = None
    for place, one in texts_of(store, _pieces(store, named if revisions else _newest(store))):
        name = None if one.kind == "workflow" else one.name
        of_it = partial(
            Hit, workflow=place.workflow, revision=place.revision, kind=one.kind, name=name
        )
        here = place, one.kind, one.name
        if before != here and one.name and pattern.search(one.name):
            yield of_it()
        before = here
        for number, line in enumerate([] if one.text is None else one.text.split("\n"), 1):
            told = [line]
            if one.field is not None and number == 1:  # it tells of the path as well
                told += [one.field, f"{one.field}: {line}"]
            if any(map(pattern.search, told)):
                at = number if one.kind == "file" else None
                yield of_it(field=one.field, line=at, text=line.removesuffix("\r"))


class _Place(NamedTuple):
    """Where a piece is: its workflow, and the revision without the name of a part."""

    workflow: str | None
    revision: str


def _newest(store: Store) -> Iterator[Resolved]:
    """Yield the newest version of each workflow; what leads to their tasks is read together."""
    left = iter(heads(store).items())
    while page := dict(islice(left, TOGETHER)):
        deploys = store.get_all(Deploy, page)
        snapshots = store.get_all(Snapshot, {name: one.snapshot for name, one in deploys.items()})
        trees = {oid for one in snapshots.values() for oid in (one.tasks, one.files)}
        store.get_all(Kind, {oid: oid for oid in trees})  # at hand for who reads them
        for name, oid in page.items():
            snapshot = deploys[name].snapshot
            yield ResolvedDeploy(text=name, oid=oid, workflow=name, snapshot=snapshot)


def _pieces(store: Store, found: Iterable[Resolved]) -> Iterator[tuple[_Place, Piece]]:
    left = iter(found)
    while page := list(islice(left, TOGETHER)):
        tags: dict[str, list[str]] = {one.text: [] for one in page if one.text == one.workflow}
        for ref, _ in store.refs_many("tags/", (f"{text}/" for text in tags)):
            name, _, label = ref.partition("/")
            tags[name].append(label)
        for one in page:
            revision, part = (one.text, None) if one.name is None else split_part(one.text)
            place = _Place(one.workflow, revision)
            if one.text in tags:
                yield place, Piece("workflow", one.text)
                for label in tags[one.text]:
                    yield place, Piece("tag", label)
            for piece in pieces_of(store, one, part):
                yield place, piece
