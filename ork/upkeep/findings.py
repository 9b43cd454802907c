"""What a check may find, by codes that never change their meaning (docs/reliability.md)."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from ork.objects.canonical import Oid
from ork.objects.value import Value

Level: TypeAlias = Literal["error", "warning", "note"]


class Meaning(NamedTuple):
    """What a code stands for: its word, how bad it is, and what it says, for the page of docs."""

    word: str
    level: Level
    text: str


CODES: dict[str, Meaning] = {
    "E001": Meaning("damaged-file", "error", "a page of the data file is wrong or missing"),
    "E002": Meaning("deadly-file", "error", "reading the data file ended the process"),
    "E003": Meaning("cannot-open", "error", "the store cannot be opened"),
    "E004": Meaning(
        "damaged-config", "error", "what says how to open the store is damaged or lost"
    ),
    "E005": Meaning("lacking-schema", "error", "the schema on the server lacks a part of a store"),
    "E101": Meaning("missing-object", "error", "something names an object that is not there"),
    "E102": Meaning("damaged-object", "error", "the bytes of an object do not match its name"),
    "E103": Meaning("malformed-object", "error", "an object is not of the form of its kind"),
    "E104": Meaning("wrong-kind", "error", "an object is of another kind than what names it needs"),
    "E105": Meaning("wrong-tree", "error", "a tree has not the shape that its entries demand"),
    "E106": Meaning("wrong-count", "error", "a snapshot has another number of tasks than it says"),
    "E201": Meaning("damaged-ref", "error", "the seal of a ref does not match its name and target"),
    "E202": Meaning("wrong-ref", "error", "a ref leads to something else than its name says"),
    "E203": Meaning("lost-ref", "error", "a ref is missing that another one, or a run, needs"),
    "E204": Meaning("moved-ref", "error", "a head or tag is not where the operations left it"),
    "E205": Meaning("wrong-tally", "error", "the tally of a deploy is not what its runs say"),
    "E206": Meaning("broken-chain", "error", "a history has a deploy of another workflow in it"),
    "E301": Meaning("gone-back", "error", "the store lacks what its anchor was told"),
    "W302": Meaning("no-anchor", "warning", "there is no anchor, or nothing whole in it"),
    "W303": Meaning("torn-anchor", "warning", "a record of the anchor is damaged"),
    "W401": Meaning("unknown-ref", "warning", "a ref of a kind that this ork does not know"),
    "N501": Meaning("no-undo", "note", "what an operation moved is gone: it cannot be undone"),
    "N502": Meaning("unreachable", "note", "an object that nothing needs"),
}


class Finding(Value, frozen=True, kw_only=True):
    """One thing that is wrong: what, where, and which workflows, deploys and runs suffer."""

    code: str
    message: str
    object: Oid | None = None
    ref: str | None = None
    affects: tuple[str, ...] = ()

    @property
    def level(self) -> str:
        """How bad it is; only errors make the answer no."""
        return CODES[self.code].level

    @property
    def word(self) -> str:
        """The code in words."""
        return CODES[self.code].word
