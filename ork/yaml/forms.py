"""Reads a text whose entries are much alike: the parser is given one part of each form.

A part is a key of an entry with all that belongs to it, and its form is what is left of it without
its words. A parser that has come to a key knows nothing but how far it is indented, and what
belongs to the key ends before the next line that is not further indented, whatever that is. So a
part that it finds to be a key of one entry says the same in each; and where it finds the words to
be scalars by themselves, other words in their place are so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from ork.yaml import nodes
from ork.yaml.nodes import Entries, Node, Unplaced, Word
from ork.yaml.pieces import INDENT, cut

KEY_MAX = 1000  # characters; for a parser a longer one is none
# A scalar in quotes, without escapes; or one without, of which only the first sign may mean
# something to a parser.
_SIGN = r"[A-Za-z0-9_./=+@%$&;()^~-]"
_BARE = rf"(?:-(?=\w))?[A-Za-z0-9_./]{_SIGN}*+(?>(?:\ {_SIGN}+)*)"
_WORD = re.compile(rf"""(?a){_BARE}|"[ !#-\[\]-~]*+"|'[ -&(-~]*+'""")
# In which each word seems to be a scalar by itself, and each scalar a word.
_PLAIN = re.compile(r"(?:x(?!x| +x|\n *x(?!:))|[ \n,\[\]{}]|-(?= )|:(?=[ \n]))+")
_Item: TypeAlias = tuple[str, tuple[Node, Node]]  # of a mapping: the text of a key, (key, value)


def read_unplaced(text: str, key: str) -> Node | None:
    """Return what `nodes.read_unplaced` does; the mapping under this key has the entries."""
    with suppress(Unplaced):
        if (brief := _shorten(text, key)) and (found := nodes.read_unplaced(brief.text)):
            root, word = found
            _lengthen(root, key, brief, word)
            return root
    found = nodes.read_unplaced(text)
    return found and found[0]


class _Brief(NamedTuple):
    """A text without the parts that have the form of one before."""

    text: str
    left: dict[str, list[str]]  # the entries that are there still, and which parts of them
    entries: dict[str, list[int] | int]  # the numbers of all their parts; or their own, if not cut
    parts: dict[str, str]  # every part once, in order, with its form; empty where it is unsure


def _shorten(text: str, key: str) -> _Brief | None:
    """Leave out what the parser need not read; None in doubt."""
    pieces = cut(text, key)
    if pieces is None:
        return None
    first, last = next(iter(pieces.entries.values())), next(reversed(pieces.entries))
    indent = INDENT.search(first, first.find("\n") + 1)
    between = f"\n{indent[1] if indent else ' '}"
    begins = re.compile(rf"{between}(?=[^ \n#\-\]}}])")
    brief = _Brief("", {}, {}, {})
    texts, forms, numbers = [pieces.before], {"": ""}, dict[str, int]()
    for name, entry in pieces.entries.items():
        head, *parts = begins.split(entry[:-1])
        # The last one may end without a line end, and so with another text.
        is_cut = parts and head.strip(" ") == f"{name}:" and len(head) < KEY_MAX and name != last
        parts, new = parts if is_cut else [entry[:-1]], []
        for part in parts:
            if part in numbers:
                continue
            form = _WORD.sub("x", part) if len(part) < KEY_MAX and name != last else ""
            if form not in forms:
                forms[form] = form if _PLAIN.fullmatch(form) else ""
                new.append(part)
            elif not forms[form]:
                new.append(part)
            numbers[part] = len(numbers)
            brief.parts[part] = forms[form]
        every = [numbers[part] for part in parts]
        brief.entries[name] = every if is_cut else every[0]
        if new:
            brief.left[name] = new
            texts.append(between.join((head, *new)) + "\n" if is_cut else entry)
    return brief._replace(text="".join((*texts, pieces.after)))


def _lengthen(root: Node, key: str, brief: _Brief, word: Word) -> None:
    """Put in what was left out; raise Unplaced in doubt, or where there is something to say."""
    top = root.value if isinstance(root.value, dict) else {}
    entries: Any = top[key][1].value if key in top else None
    if not isinstance(entries, dict) or [*entries] != [*brief.left]:
        raise Unplaced
    found: dict[str, _Item] = {}
    for (name, entry), parts in zip(entries.items(), brief.left.values(), strict=True):
        if isinstance(brief.entries[name], int):
            found[parts[0]] = name, entry
            continue
        below = entry[1].value if isinstance(entry[1].value, dict) else {}
        if [*below] != [part.partition(":")[0] for part in parts]:
            raise Unplaced
        found.update(zip(parts, below.items(), strict=True))
    models: dict[str, Entries] = {}
    items: list[_Item] = []
    for part, form in brief.parts.items():
        words = map(word, _WORD.findall(part))
        if part not in found:
            items += _like(models[form], words).items()
            continue
        items.append(found[part])
        if form:
            models[form] = dict(items[-1:])
            if [*_scalars(items[-1][1])] != [repr(node.value) for node in words]:
                raise Unplaced
    for name, numbers in brief.entries.items():
        known = entries.pop(name, None)
        if isinstance(numbers, int):
            known = items[numbers][1]
        else:
            value = dict(map(items.__getitem__, numbers))
            known = known[0] if known else word(name), Node(value, None)
            if len(value) != len(numbers) or not isinstance(known[0].value, str):
                raise Unplaced
        entries[known[0].value] = known


def _scalars(nodes: Iterable[Node]) -> Iterator[str]:
    """Yield the scalars in some nodes as they are told apart: `1` is no text."""
    for node in nodes:
        if isinstance(node.value, dict):
            for item in node.value.values():
                yield from _scalars(item)
        elif isinstance(node.value, list):
            yield from _scalars(node.value)
        else:
            yield repr(node.value)


def _like(model: Entries, words: Iterator[Node]) -> Entries:
    """Return entries of the form of others, with these words."""
    entries: Entries = {}
    for _, value in model.values():
        key = next(words)
        if not isinstance(key.value, str) or key.value in entries:
            raise Unplaced
        entries[key.value] = key, _value_like(value, words)
    return entries


def _value_like(model: Node, words: Iterator[Node]) -> Node:
    if isinstance(model.value, dict):
        return Node(_like(model.value, words), None)
    if isinstance(model.value, list):
        return Node([_value_like(below, words) for below in model.value], None)
    return next(words)


# In which each word seems to be a scalar by itself, and each scalar a word.
_PLAIN = re.compile(r"(?:x(?!x| +x|\n *x(?!:))|[ \n,\[\]{}]|-(?= )|:(?=[ \n]))+")
