"""Objects with an error in them: ork takes exactly those that docs/format.md allows.

Seeded mutants of real objects are read by ork and by the second reader, which follows the page.
Both must say the same of each, and what ork takes it writes back to the byte.
"""

from __future__ import annotations

import json
import random
import re

import pytest
import rfc8785
from blake3 import blake3

from ork.errors import Corrupt
from ork.objects.canonical import unframe
from ork.objects.kinds import decode_object, encode_object
from tests.objects.second_reader import PAGE, is_object
from tests.scale import LONG

MUTANTS = 500_000 if LONG else 600  # of each kind
VECTORS = re.findall(r"^```vector\noid \w+\nkind (\w+)\npayload (.*)\n```$", PAGE, re.MULTILINE)
SEEDS: dict[str, list[str]] = {}
for _kind, _payload in VECTORS:
    SEEDS.setdefault(_kind, []).append(_payload)
VALUES = [
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    1e20,
    1e-7,
    2**53 - 1,
    2**53,
    "",
    "a",
    "\ufb33",
    "😀",
    "\x7f",
    "a" * 64,
    "A" * 64,
    "tasks.a.output",
    "2026-11-01T09:30:00Z",
    "2026-11-01T09:30:00.000000Z",
    "2026-11-01T09:30:00.250000Z",
    "2026-02-30T09:30:00Z",
    "int",
    "success",
    "skip",
    "a..b",
    [],
    {},
    ["int"],
    {"a": "int"},
    {"const": {"\ufb33": 1, "😀": 2.5}},
    {"ref": "a", "else": None},
    {"each": []},
    {"file": "a"},
    {"secret": "A"},
]


def places(value, path=()):
    """Yield the path of everything inside a value."""
    yield path
    if isinstance(value, (dict, list)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def changed(value, path, change):
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = changed(copy[path[0]], path[1:], change)
    return copy


def bent(value, rng):
    """Return a value with a part taken away, added, moved, or put in another's place."""
    path = rng.choice(list(places(value)))

    def change(part):
        act = rng.randrange(4)
        if isinstance(part, dict) and part and act < 2:
            name = rng.choice(sorted(part))
            rest = {key: item for key, item in part.items() if key != name}
            return (
                rest if act else {**rest, rng.choice(["later", "\ufb33", name + "x"]): part[name]}
            )
        if isinstance(part, list) and part and act < 2:
            return [*part, rng.choice(part)] if act else rng.sample(part, len(part))
        if isinstance(part, str) and part and act < 2:
            at = rng.randrange(len(part))
            return part[:at] + rng.choice(["", "a", "Z", "0", "\n", "é"]) + part[at + 1 :]
        return rng.choice(VALUES)

    return changed(value, path, change)


def torn(payload, rng):
    """Return bytes with one of them changed, taken away, or doubled."""
    at = rng.randrange(len(payload))
    middle = rng.choice(
        [b"", payload[at : at + 1] * 2, b" ", b"0", b"\\", bytes([rng.randrange(256)])]
    )
    return payload[:at] + middle + payload[at + 1 :]


@pytest.mark.slow
@pytest.mark.timeout(3600 if LONG else 120)
@pytest.mark.parametrize("kind", sorted(SEEDS.keys() - {"blob"}))
def test_ork_and_the_page_agree_on_every_mutant(kind):
    rng = random.Random(f"{kind} 1")
    taken = 0
    for number in range(MUTANTS):
        payload = rng.choice(SEEDS[kind]).encode()
        try:
            value = json.loads(payload)
            for _ in range(rng.randrange(1, 3)):
                value = bent(value, rng)
            if kind == "taskrun" and rng.random() < 0.3:
                value = renamed(value)
            payload = rfc8785.dumps(value)
        except (rfc8785.CanonicalizationError, UnicodeEncodeError):
            continue
        if rng.random() < 0.2:
            payload = torn(payload, rng)
        stored = f"ork1 {kind}\n".encode() + payload
        try:
            read = decode_object(stored)
        except Corrupt:
            assert not is_object(kind, payload), (number, payload)
            continue
        assert is_object(kind, payload), (number, payload)
        assert encode_object(read) == stored
        assert unframe(stored)[0] == kind
        taken += 1
    assert taken > MUTANTS // 200, "nearly everything is refused: the mutants are no test"


def renamed(value):
    """Give a changed output the name of its text, so that more than the name can be wrong."""
    output = value.get("output") if isinstance(value, dict) else None
    if not isinstance(output, dict) or not isinstance(output.get("text"), str):
        return value
    oid = blake3(b"ork1 blob\n" + output["text"].encode()).hexdigest()
    return {**value, "output": {**output, "oid": oid}}
