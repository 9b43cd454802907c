"""The text that names all refs of a store, a line for each, sorted; its top says what is proven.

    ork refs HASH          of all that follows, so that this line is another one after each write
    write NUMBER           of writes so far
    added OID              an object that this write has put where none was; a line for each
    removed OID            an object that has to go now that this is written
    writer TOKEN           of a write, the newest first, where a writer may have to ask for its own

    NAME OID SEAL          a ref, its target, and the seal over both; a line for each

In a name all but plain characters is written as in URLs. Knows nothing of where the text lies.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ork.backends.base import Moves, key_of, name_of, refs_between, sealed, unsealed
from ork.errors import Corrupt
from ork.objects.canonical import Oid, hash_bytes

TITLE = b"ork refs "
FIRST_BYTES = len(TITLE) + 64 + 1  # of the first line
_END_BYTES = 1 + 64 + 1 + 16  # of a line: what comes after the name
_OID = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"[0-9]{1,18}")


class Listing(NamedTuple):
    """What a file of refs says."""

    first: bytes  # the first line, which is another one whenever anything else is
    whole: bool  # whether the hash in it fits
    sequence: int  # -1 where damage hides it
    added: tuple[Oid, ...]  # objects that the newest write has put where none was
    removed: tuple[Oid, ...]
    writers: tuple[str, ...]  # a token for each of the newest writes, if at all
    lines: list[bytes]  # one for each ref, sorted by name

    def proven(self) -> Listing:
        """Return it, if it is whole."""
        if not self.whole:
            raise damaged()
        return self

    def ref(self, name: str) -> Oid | None:
        """Return the target of one ref; raise Corrupt where damage may have hidden it."""
        key = key_of(name)
        near = self.lines
        if self.whole:
            at = bisect_left(near, key, key=named_in)
            near = near[at : at + 1]
        for line in near:
            if named_in(line) == key:
                return self.target(line)
        self.proven()
        return None

    def unmoved(self, moves: Moves) -> bool:
        """Say whether all refs are at the old values of some moves."""
        return all(self.ref(name) == old for name, (old, _) in moves.items())

    def target(self, line: bytes) -> Oid:
        """Return where a line of these leads; raise Corrupt when it is damaged."""
        try:
            value = bytes.fromhex(str(line[1 - _END_BYTES :], "ascii"))
        except ValueError:
            value = b""
        # The seal of each line is for a file of which the hash does not fit.
        return Oid(value[:32].hex()) if self.whole and value else unsealed(named_in(line), value)

    def refs(self, prefix: str, below: str | None, *, backwards: bool) -> Iterator[tuple[str, Oid]]:
        """Yield refs as a backend does; raise Corrupt where damage may have hidden one."""
        self.proven()
        ends = refs_between(prefix, below)
        places = range(*(bisect_left(self.lines, key, key=named_in) for key in ends))
        for place in reversed(places) if backwards else places:
            line = self.lines[place]
            yield name_of(named_in(line)), self.target(line)

    def survey(self, prefix: str) -> Iterator[tuple[str, Oid | None]]:
        """Yield all refs, with None for the target of one that is damaged."""
        start = key_of(prefix)
        for line in self.lines:
            if not (key := named_in(line)).startswith(start):
                continue
            try:
                yield name_of(key), self.target(line)
            except Corrupt:
                yield str(key, "utf-8", "backslashreplace"), None

    def moved(self, moves: Mapping[bytes, Oid | None]) -> list[bytes]:
        """Return the lines after some refs were moved."""
        lines = self.lines.copy()
        for key, new in moves.items():
            at = bisect_left(lines, key, key=named_in)
            there = at < len(lines) and named_in(lines[at]) == key
            lines[at : at + there] = [] if new is None else [_line(key, new)]
        return lines


def text_of(
    sequence: int,
    added: Iterable[Oid],
    removed: Iterable[Oid],
    lines: Iterable[bytes],
    *,
    writers: Iterable[str] = (),
) -> tuple[bytes, bytes]:
    """Return a file of refs in two pieces, the first line and the others."""
    head = [f"write {sequence}"]
    head += [f"added {oid}" for oid in added] + [f"removed {oid}" for oid in removed]
    head += [f"writer {token}" for token in writers]
    rest = b"\n".join(("\n".join(head).encode(), b"", *lines, b""))
    return TITLE + hash_bytes(rest).encode() + b"\n", rest


def parsed(first: bytes, rest: bytes) -> Listing:
    """Return what a text says, be it damaged, given its first line and the others."""
    head, _, body = rest.partition(b"\n\n")
    whole = first == TITLE + hash_bytes(rest).encode() + b"\n"
    told = [str(line, "ascii", "replace").partition(" ")[::2] for line in head.split(b"\n")]
    number = told[0][1] if _NUMBER.fullmatch(told[0][1]) else "-1"
    added, removed = (
        tuple(Oid(oid) for found, oid in told if found == word and _OID.fullmatch(oid))
        for word in ("added", "removed")
    )
    return Listing(
        first=first,
        whole=whole,
        sequence=int(number),
        added=added,
        removed=removed,
        writers=tuple(token for word, token in told if word == "writer"),
        lines=[line for line in body.split(b"\n") if line],
    )


def _line(key: bytes, oid: Oid) -> bytes:
    """Return the line of a ref: its name, all but plain characters as in URLs; target; seal."""
    quoted = re.sub(rb"[^!-$&-~]", lambda found: b"%%%02X" % ord(found[0]), key)
    value = sealed(key, oid).hex().encode()
    return b"%s %s %s" % (quoted, value[:64], value[64:])


def named_in(line: bytes) -> bytes:
    """Return the name of a ref in bytes, by which lines are sorted."""
    name = line[:-_END_BYTES]
    if b"%" not in name:
        return name
    return re.sub(rb"%([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), name)


def damaged() -> Corrupt:
    """Return the error for a text that its first line does not prove."""
    words = "the list of the refs is damaged: it is not what its first line says"
    return Corrupt(words, hint="`ork fsck`")
