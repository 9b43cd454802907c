"""Turns parser events into a tree of nodes with positions, the same with and without C.

Every meaning (types, keys, aliases, merges) is given here to plain parser events, so nothing in a
text can run code, build a cycle or grow beyond a budget. Knows no workflows.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from ork.errors import InvalidInput
from ork.objects.canonical import DEPTH_MAX, INTEGER_MAX, Json
from ork.objects.value import Value
from ork.progress import counting
from ork.yaml.mistakes import ALIAS_HINT, BRACE_HINT
from ork.yaml.problems import Problems
from ork.yaml.reader import (
    Unreadable,
    check_directives,
    complain,
    event_kinds,
    fast_events,
    is_too_long,
    json_events,
    slow_events,
    stand_ins,
)

ALIAS_NODES_MAX = 100_000  # nodes that aliases may add to any file...
ALIAS_FACTOR_MAX = 10  # ...plus this many for each node that is written out
KEYS_MAX = 200_000  # of one mapping: a million would take half a gigabyte
SECOND_OPINION_MAX = 512 * 1024  # characters up to which complaints are worth a second reading
_NUMBER_LENGTH_MAX = 400  # no double needs more digits

Scalar: TypeAlias = bool | int | float | str | None
Entries: TypeAlias = "dict[str, tuple[Node, Node]]"  # text of the key -> (key, value)
Word: TypeAlias = "Callable[[str], Node]"


class Unplaced(Exception):
    """A place is asked for that was not kept: read the text again, with its places."""


class Node(Value, frozen=True, eq=False):
    """One value of the text and where it begins, both counted from 1.

    `value` is a scalar, a list of nodes, or a dict from key to (key node, value node). The value
    of an alias is shared with its anchor, and without places equal scalars are one node.
    """

    value: Scalar | list[Node] | Entries
    # Line and column in one number: a text may have a million nodes. None where none was kept.
    place: int | None

    @property
    def line(self) -> int:
        """The line in which it begins."""
        return (self._kept_place() >> _COLUMN_BITS) + 1

    @property
    def column(self) -> int:
        """The column in which it begins."""
        return (self._kept_place() & _COLUMN_MAX) + 1

    def _kept_place(self) -> int:
        if self.place is None:
            raise Unplaced
        return self.place


def read(text: str, problems: Problems) -> Node:
    """Return the only document of a text; complain to `problems`, raise when it is unreadable.

    `problems` holds nothing else yet. Complaints that leave a readable tree (duplicate keys, tags,
    numbers that need quotes) are kept and reading goes on; the tree is then of no use but for
    finding more of them. The result is the same with and without a C parser.
    """
    if (events := json_events(text)) is not None:
        return _Builder(problems, {}).build(events, text)
    check_directives(text, problems)
    known = stand_ins(text)
    if (events := fast_events(text)) is not None:
        is_long = len(text) > SECOND_OPINION_MAX
        try:
            root = _Builder(problems, known).build(events, text)
            if is_long or problems.count == 0:
                return root
        except InvalidInput:
            if is_long:
                raise
        except Unreadable as unreadable:
            if unreadable.reason is not None and is_too_long(text):
                complain(unreadable, problems)
        # Whatever is wrong is said in the words of the slow parser, alike on every machine.
        problems.forget()
    return _Builder(problems, known).build(slow_events(text, problems), text)


def read_unplaced(text: str) -> tuple[Node, Word] | None:
    """Return what `read` does, in less time, of a text that it would say nothing of; or None.

    Who asks such a node for its place gets Unplaced. With it comes what gives the node of any word.
    """
    with suppress(Unplaced, InvalidInput, Unreadable):
        known: Mapping[str, str] = {}
        if (events := json_events(text)) is None:
            check_directives(text, Problems(""))
            known, events = stand_ins(text), fast_events(text)
        if events is not None:
            builder = _Builder(Problems(""), known, placed=False)
            return builder.build(events, text), builder.word
    return None


def plain(node: Node) -> Json:
    """Return the value of a node and all below it, without positions."""
    value = node.value
    if isinstance(value, dict):
        return {key: plain(below) for key, (_, below) in value.items()}
    if isinstance(value, list):
        return [plain(below) for below in value]
    return value


_SURROGATE = "[\ud800-\udfff]"
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")


_NUMBER_STARTS = frozenset("+-.0123456789")
_COLUMN_BITS = 32
TOLD_DEPTH = 2  # of what ends when a task does
_COLUMN_MAX = (1 << _COLUMN_BITS) - 1


class _MergeKey(Node, frozen=True, eq=False):
    """A plain `<<`, which merges where it is a key and is a text elsewhere."""


class _Builder:
    """Turns events into nodes, by recursion as deep as a text may be nested."""

    def __init__(
        self, problems: Problems, stand_ins: Mapping[str, str], *, placed: bool = True
    ) -> None:
        self.problems = problems
        self.placed = placed
        # Nodes without a place: what is written in the same way is one node.
        self.bare: dict[str, Node] = {}
        self.quoted: dict[str, Node] = {}
        self.stand_ins = stand_ins  # a character in the events, and what it stands for
        self.written = 0  # nodes written out in the text
        self.expanded = 0  # nodes added by aliases
        self.deepest = 0  # that was nested since the newest anchor began
        # What an anchor names: the node, its count of nodes, its height; None while it is open.
        self.anchors: dict[str, tuple[Node, int, int] | None] = {}
        self.last = 0 if placed else None  # the place of the newest node
        self.kinds = event_kinds()
        self.scalar = self.kinds.ScalarEvent
        self.events: Iterator[Any] = iter(())
        self.tell: Callable[[int], None] = lambda line: None

    def build(self, events: Iterator[Any], text: str) -> Node:
        """Return the root of the one document, whose text is told of as it is read."""
        lines = text.count("\n")
        self.events = events
        root: Node | None = None
        with counting("reading lines") as tell:
            self.tell = lambda line: tell(line, lines)
            for event in events:
                if isinstance(event, self.kinds.NodeEvent):
                    root = self._node(event, 0)
                elif root is not None and isinstance(event, self.kinds.DocumentStartEvent):
                    message = "a second document begins here"
                    self._stop(event, message, "one file holds one workflow")
        return root or Node(None, self.last)

    def _node(self, event: Any, depth: int) -> Node:
        """Return what begins with an event, within so many lists and mappings."""
        kind = event.__class__
        if kind is self.scalar:
            self.written += 1
            known = self.quoted.get(event.value) if event.style else self.bare.get(event.value)
            if known is None or event.anchor is not None or event.ctag is not None:
                return self._scalar(event)
            return known
        if kind is self.kinds.AliasEvent:
            return self._alias(event, depth)
        if depth >= DEPTH_MAX:
            self._stop(event, f"nested deeper than {DEPTH_MAX} levels")
        self._begin(event)
        if event.ctag is not None:
            self._tag(event)
        around = None if event.anchor is None else self._open(event.anchor)
        self.written += 1
        if self.deepest <= depth:
            self.deepest = depth + 1
        value: Any = {} if kind is self.kinds.MappingStartEvent else []
        node = Node(value, self.last)
        if value.__class__ is dict:
            self._entries(value, depth + 1)
        else:
            self._items(value, depth + 1)
        if around is not None:
            self._close(event.anchor, node, depth, around)
        if depth == TOLD_DEPTH:
            self.tell(event.start_mark.line)
        return node

    def _items(self, into: list[Node], depth: int) -> None:
        """Take the items of a list, and its end."""
        end = self.kinds.SequenceEndEvent
        for event in self.events:
            if event.__class__ is end:
                break
            into.append(self._node(event, depth))

    def _entries(self, into: Entries, depth: int) -> None:
        """Take the entries of a mapping, and its end."""
        events, read, end = self.events, self._node, self.kinds.MappingEndEvent
        merged: Node | None = None
        for event in events:
            if event.__class__ is end:
                break
            key = read(event, depth)
            text: Any = key.value
            if text.__class__ is not str:
                self._bad_key(key)
            entry = key, read(next(events), depth)
            if key.__class__ is _MergeKey:
                if merged is not None:
                    self.problems.at(key, "a second `<<`", "list all: `<<: [*a, *b]`")
                else:
                    merged = entry[1]
            elif text.__class__ is str:
                first = into.setdefault(text, entry)
                if first is not entry:
                    self._duplicate(key, first[0])
                elif len(into) > KEYS_MAX:
                    self.problems.at(key, f"a mapping with more than {KEYS_MAX:,} keys")
                    self.problems.check()
        if merged is not None:
            self._merge(into, merged)

    def _scalar(self, event: Any) -> Node:
        written = text = event.value
        if not text.isascii():
            text = self._characters(text, event)
        if event.style or text:  # the parsers disagree on where nothing is
            self._begin(event)
        if event.style:
            node = Node(text, self.last)
        elif text and text[0] in _NUMBER_STARTS:
            node = Node(self._number(text, event), self.last)
        elif text in _WORDS:
            node = Node(_WORDS[text], self.last)
        else:
            node = (_MergeKey if text == "<<" else Node)(text, self.last)
        if event.ctag is not None:
            self._tag(event)
        if event.anchor is not None:
            self.anchors[event.anchor] = (node, 1, 0)
        if not self.placed:
            (self.quoted if event.style else self.bare).setdefault(written, node)
        return node

    def word(self, text: str) -> Node:
        """Return the node of a scalar as it is written, in quotes or not, without a place."""
        if text[0] in "\"'":
            quoted = self.scalar(None, None, None, text[1:-1], style=text[0])
            return self.quoted.get(quoted.value) or self._scalar(quoted)
        return self.bare.get(text) or self._scalar(self.scalar(None, None, None, text))

    def _begin(self, event: Any) -> None:
        if self.placed:
            mark = event.start_mark
            self.last = mark.line << _COLUMN_BITS | mark.column

    def _characters(self, text: str, event: Any) -> str:
        for character, meant in self.stand_ins.items():
            text = text.replace(character, meant)
        return self._join_surrogates(text, event) if re.search(_SURROGATE, text) else text

    def _number(self, text: str, event: Any) -> Scalar:
        is_integer = _INTEGER.fullmatch(text) is not None
        if not is_integer and _FLOAT.fullmatch(text) is None:
            return text
        if len(text) <= _NUMBER_LENGTH_MAX:
            base = {"0o": 8, "0x": 16}.get(text[:2], 10)
            value = int(text, base) if is_integer else float(text)
            if math.isfinite(value) and (abs(value) <= INTEGER_MAX or not is_integer):
                return value
        what = "an integer beyond 2^53-1" if is_integer else "a number this large"
        self._say(event, f"{what} loses digits in JSON", "quote it: it is then a text")
        return 1  # valid nearly everywhere, so that one mistake is one complaint

    def _join_surrogates(self, text: str, event: Any) -> str:
        # JSON writes a character beyond U+FFFF as two escapes; either one alone is no character.
        joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        if joined.count("\ufffd") > text.count("\ufffd"):
            self._say(event, "the text has half of a surrogate pair", "write the character itself")
        return joined

    def _open(self, anchor: str) -> tuple[int, int]:
        """Begin what an anchor names; return what `_close` has to know."""
        self.anchors[anchor] = None
        around = self.written + self.expanded, self.deepest
        self.deepest = 0
        return around

    def _close(self, anchor: str, node: Node, depth: int, around: tuple[int, int]) -> None:
        before, deepest = around
        size = self.written + self.expanded - before
        self.anchors[anchor] = node, size, self.deepest - depth
        self.deepest = max(self.deepest, deepest)

    def _alias(self, event: Any, depth: int) -> Node:
        name = event.anchor
        found = self.anchors.get(name)
        if found is None:
            inside = name in self.anchors
            what = f"the alias *{name} stands inside of what it names" if inside else ""
            hint = None if inside else ALIAS_HINT
            self._stop(event, what or f"no anchor &{name} before this alias", hint)
        assert found is not None
        target, size, height = found
        self.expanded += size
        self.written += 1
        if self.expanded > ALIAS_NODES_MAX + ALIAS_FACTOR_MAX * self.written:
            self._stop(event, "the aliases of this file expand to too much", "use fewer aliases")
        self.deepest = max(self.deepest, depth + height)
        if depth + height > DEPTH_MAX:
            self._stop(event, f"with its aliases nested deeper than {DEPTH_MAX} levels")
        self._begin(event)
        return Node(target.value, self.last)

    def _duplicate(self, key: Node, first: Node) -> None:
        at = f"line {first.line}, column {first.column}"
        message = f"the key {_short(key.value)} is given twice; first at {at}"
        self.problems.at(key, message, "keep one of them")

    def _bad_key(self, key: Node) -> None:
        if isinstance(key.value, (list, dict)):
            what = "a list or mapping cannot be a key"
            hint = BRACE_HINT if isinstance(key.value, dict) else "a key is a text"
        elif key.value is None:
            what, hint = "an empty key", "a key is a text"
        else:
            what, hint = f"the key {json.dumps(key.value)} is not a text", "quote it"
        self.problems.at(key, what, hint)

    def _merge(self, entries: Entries, node: Node) -> None:
        for source in node.value if isinstance(node.value, list) else [node]:
            if not isinstance(source.value, dict):
                hint = "`<<: *name`, where &name is a mapping"
                self.problems.at(source, "`<<` merges mappings only", hint)
                continue
            for text, entry in source.value.items():
                entries.setdefault(text, entry)

    def _tag(self, event: Any) -> None:
        self._say(event, f"the tag {event.tag} is not allowed", "delete it; quotes make a text")

    def _say(self, event: Any, message: str, hint: str | None = None) -> None:
        if not self.placed:
            raise Unplaced
        mark = event.start_mark
        self.problems.add(mark.line + 1, mark.column + 1, message, hint)

    def _stop(self, event: Any, message: str, hint: str | None = None) -> None:
        self._say(event, message, hint)
        self.problems.check()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
