"""A second reader of ork's stores, written from docs/format.md alone: no line of ork is used.

The tables of that page say which fields an object has; this file knows the words of their types,
RFC 8785, BLAKE3, zlib and LMDB. `Reader(folder).check()` visits whatever the refs keep alive.
"""

from __future__ import annotations

import json
import re
import zlib
from datetime import datetime
from pathlib import Path

import lmdb
import rfc8785
from blake3 import blake3

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "format.md").read_text("utf-8")
TABLES = {
    found[0]: dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", found[1], re.MULTILINE))
    for found in re.findall(r"<!-- (\w+) -->\n((?:\|.*\n)*)", PAGE)
}
RECORDS = {
    "task": ["Task"],
    "tree": ["OidLeaf", "FileLeaf", "RunLeaf", "Node"],
    "snapshot": ["Snapshot"],
    "deploy": ["Deploy"],
    "run": ["Run"],
    "taskrun": ["TaskRun"],
    "operation": ["Operation"],
    "tombstone": ["Tombstone"],
}
SCALARS = ["str", "int", "float", "bool", "date", "datetime_notz", "datetime_tz", "datetime_utc"]
BINDINGS = (["const"], ["ref"], ["else", "ref"], ["each"], ["file"])


def is_text(pattern):
    return lambda value: type(value) is str and re.fullmatch(pattern, value, re.ASCII) is not None


def is_time(value):
    if not is_text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z")(value):
        return False
    try:
        return bool(datetime.fromisoformat(value)) and not value.endswith(".000000Z")
    except ValueError:
        return False


def is_type(value):
    if type(value) is dict:
        return all(map(is_type, value.values()))
    if type(value) is list:
        return len(value) == 1 and is_type(value[0])
    return value in SCALARS


def is_binding(value):
    if type(value) is not dict or sorted(value) not in BINDINGS:
        return False
    each = type(value.get("each", "")) in (str, list)
    return each and all(type(value[word]) is str for word in ("ref", "file") if word in value)


WORDS = {
    "any": lambda value: True,
    "null": lambda value: value is None,
    "text": lambda value: type(value) is str,
    "true or false": lambda value: type(value) is bool,
    "integer": lambda value: type(value) is int and abs(value) < 2**53,
    "count": lambda value: type(value) is int and 0 <= value < 2**53,
    "microseconds": lambda value: type(value) is int and 0 <= value < 2**53,
    "half byte": lambda value: type(value) is int and 0 <= value < 16,
    "name": is_text(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"),
    "oid": is_text(r"[0-9a-f]{64}"),
    "time": is_time,
    "type": is_type,
    "binding": is_binding,
    "variable": lambda value: (
        is_binding(value)
        or (type(value) is dict and list(value) == ["secret"] and type(value["secret"]) is str)
    ),
}


def parts(words, separator):
    """Split at a separator that stands in no bracket."""
    found, depth = [""], 0
    for piece in re.split(rf"([\[\]{{}}]|{re.escape(separator)})", words):
        depth += (piece in ("[", "{")) - (piece in ("]", "}"))
        if piece == separator and depth == 0:
            found.append("")
        else:
            found[-1] += piece
    return found


def fits(words, value):
    """Say whether a value has the type that the page gives in these words."""
    if words in WORDS:
        return WORDS[words](value)
    if words in TABLES:
        table = TABLES[words]
        if type(value) is not dict or value.keys() != table.keys():
            return False
        return all(fits(table[name], value[name]) for name in table)
    if words.startswith("`"):
        return (type(value) is str and f"`{value}`" in words.removesuffix(" or null").split()) or (
            words.endswith(" or null") and value is None
        )
    if len(choices := parts(words, " or ")) > 1:
        return any(fits(choice, value) for choice in choices)
    inner = words[1:-1]
    if words.startswith("{"):
        key, below = parts(inner, ": ")
        pairs = value.items() if type(value) is dict else [(0, 0)]
        return all(fits(key, k) and fits(below, v) for k, v in pairs)
    if type(value) is not list:
        return False
    columns = parts(inner, ", ")
    if len(columns) > 1:
        return len(value) == len(columns) and all(map(fits, columns, value))
    return all(fits(inner, item) for item in value)


def is_object(kind, payload):
    """Say whether these bytes are the payload of an object of this kind, as the page has it."""
    try:
        value = json.loads(payload.decode(), parse_int=number)
        canonical = rfc8785.dumps(value) == payload
    except (ValueError, RecursionError, OverflowError, rfc8785.CanonicalizationError):
        return False
    fitting = canonical and depth_of(value) <= 64
    return fitting and any(fits(one, value) for one in RECORDS[kind]) and is_whole(kind, value)


def number(digits):
    whole = int(digits)
    return whole if abs(whole) < 2**53 else float(whole)


def depth_of(value):
    inside = list(value.values()) if type(value) is dict else value if type(value) is list else None
    return 0 if inside is None else 1 + max(map(depth_of, inside), default=0)


def is_whole(kind, value):
    """Say whether what the page says beside its tables holds."""
    if kind == "tree":
        rows = [row[0] for row in value.get("entries", value.get("children"))]
        small = len(rows) <= 64 and (value["of"] != "trees" or (rows and value["depth"] <= 63))
        entries = [entry for _, entry in value.get("entries", ())]
        return small and rows == sorted(set(rows)) and all(map(is_short, entries))
    if kind == "deploy":
        return (value["source"]["blob"] is None) != (value["source"]["chunks"] is None)
    return kind != "taskrun" or is_short(value)


def is_short(taskrun):
    """Say whether an output has its text exactly where that is short, under the right name."""
    output = taskrun.get("output") if type(taskrun) is dict else None
    if output is None or output["text"] is None:
        return True
    data = b"ork1 blob\n" + output["text"].encode()
    return len(data) <= 1024 and blake3(data).hexdigest() == output["oid"]


def tree_of(entries, depth, of):
    """Return the root of the tree that this set must have."""
    if len(entries) <= 64:
        value = {"entries": [[name, entries[name]] for name in sorted(entries)], "of": of}
    else:
        groups = {}
        for name, entry in entries.items():
            digit = int(blake3(name.encode()).hexdigest()[depth], 16)
            groups.setdefault(digit, {})[name] = entry
        children = [[digit, tree_of(groups[digit], depth + 1, of)] for digit in sorted(groups)]
        value = {"children": children, "depth": depth, "of": "trees"}
    return blake3(b"ork1 tree\n" + rfc8785.dumps(value)).hexdigest()


class Reader:
    """One store, read by the page."""

    def __init__(self, folder):
        assert json.loads((folder / "config.json").read_text())["format"] == 3
        self.data, self.refs, self.seen = {}, {}, {}
        with lmdb.open(str(folder / "db"), readonly=True, lock=False) as env, env.begin() as txn:
            for key, value in txn.cursor():
                if key[:1] == b"o":
                    plain = zlib.decompress(value[1:]) if value[:1] == b"\x01" else value[1:]
                    self.data[key[1:].hex()] = plain
                elif key[:1] == b"r":
                    target = value[:32]
                    assert value[32:] == blake3(b"ork ref\n" + key[1:] + target).digest()[:8]
                    self.refs[key[1:].decode()] = target.hex()

    def found(self, oid):
        """Return the oid itself, or of a forgotten object that of what is read in its place."""
        while oid not in self.data:
            oid = self.object(self.refs["forgotten/" + oid])[1]["replacement"]
        return oid

    def object(self, oid):
        """Return kind and value of one object, checked against its name and the page."""
        data = self.data[oid]
        assert blake3(data).hexdigest() == oid
        header, _, payload = data.partition(b"\n")
        kind = header.removeprefix(b"ork1 ").decode()
        if kind == "blob":
            return kind, payload
        value = json.loads(payload, parse_int=number)
        assert rfc8785.dumps(value) == payload
        assert any(fits(record, value) for record in RECORDS[kind]), (kind, value)
        return kind, value

    def check(self):
        """Visit everything that is alive; return how many objects of each kind there are."""
        todo = list(self.refs.values())
        while todo:
            oid = todo.pop()
            if oid in self.seen:
                continue
            kind, value = self.object(self.found(oid))
            self.seen[oid] = kind
            if kind == "tombstone":
                assert self.refs["forgotten/" + value["object"]] == oid
                todo.append(value["replacement"])
            elif kind not in ("blob", "task"):
                todo += self.named(value)
            if kind == "snapshot":
                tasks = self.entries(value["tasks"], 0)
                assert tree_of(tasks, 0, "oids") == value["tasks"]
                assert tree_of(self.entries(value["files"], 0), 0, "files") == value["files"]
                assert len(tasks) == value["task_count"]
        kinds = list(self.seen.values())
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def named(self, value):
        """Yield the oids in a value. That of a short output is the name of the text beside it."""
        if type(value) is dict and value.keys() == {"oid", "text"} and value["text"] is not None:
            assert blake3(b"ork1 blob\n" + value["text"].encode()).hexdigest() == value["oid"]
        elif type(value) is str:
            if WORDS["oid"](value):
                yield value
        elif type(value) in (list, dict):
            inside = value.values() if type(value) is dict else value
            for item in inside:
                yield from self.named(item)

    def entries(self, oid, depth):
        """Return a whole map."""
        _, value = self.object(self.found(oid))
        if value["of"] != "trees":
            return dict(value["entries"])
        assert value["depth"] == depth
        parts = [self.entries(below, depth + 1) for _, below in value["children"]]
        return {name: entry for part in parts for name, entry in part.items()}
