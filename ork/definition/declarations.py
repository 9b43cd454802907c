"""The types that a workflow file declares: names looked up, aliases resolved, with positions."""

from __future__ import annotations

from collections.abc import Mapping

from ork.definition.types import LEGACY, SCALARS, TYPE_DEPTH_MAX, TYPE_NODES_MAX, show
from ork.objects.canonical import Json
from ork.objects.kinds import is_name
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems

EXPANDED_NODES_MAX = 2_000_000  # of all declarations of a file, aliases written out
_PREFIX = "types."


class Declarations:
    """Reads type expressions; knows the aliases of one file and checks each exactly once."""

    def __init__(self, aliases: Mapping[str, tuple[Node, Node]], problems: Problems) -> None:
        self._aliases = aliases
        self._problems = problems
        self._resolved: dict[str, tuple[Json, int, int]] = {}  # the type, its nodes, its height
        self._known: dict[Node, tuple[Json, int, int]] = {}  # of nodes that were good
        self._open: list[str] = []  # the aliases being resolved now
        self._expanded = 0
        for name, (key, _) in aliases.items():
            if not is_name(name) or name.endswith("."):
                self._problems.at(
                    key, f"{name[:60]!r} is not a name of a type", "as in `Extracted`"
                )
            self._alias(name, key, 0)

    def read(self, node: Node) -> Json:
        """Return the type that a node says, without aliases; None after a complaint."""
        if (found := self._known.get(node)) is None:
            found = self._read(node, 1)
            if found[0] is not None:
                self._known[node] = found
        kind, nodes, _ = found
        self._expanded += nodes
        if self._expanded > EXPANDED_NODES_MAX:
            self._problems.at(node, "the types of this file, aliases written out, are too large")
            self._problems.check()
        return kind

    def is_meant(self, value: object) -> bool:
        """Say whether a value is the name of a type, or one that is mistyped."""
        if not isinstance(value, str):
            return False
        known = value in self._aliases or value.startswith(_PREFIX) or value.lower() in LEGACY
        return known or self._problems.near(value, SCALARS) is not None

    def _read(self, node: Node, depth: int) -> tuple[Json, int, int]:
        if depth > TYPE_DEPTH_MAX:
            return self._wrong(node, f"a type nested deeper than {TYPE_DEPTH_MAX} levels")
        value = node.value
        if isinstance(value, str):
            return self._word(node, value, depth)
        if isinstance(value, list):
            if len(value) != 1:
                return self._wrong(node, "a list type has exactly one element", "as in `[int]`")
            kind, nodes, height = self._read(value[0], depth + 1)
            return self._sized(node, None if kind is None else [kind], nodes + 1, height + 1)
        if isinstance(value, dict):
            return self._object(node, value, depth)
        hint = "a type, as in `str` or `{path: str, rows: int}`"
        return self._wrong(node, f"a type is expected, not {show(value)}", hint)

    def _object(
        self, node: Node, entries: dict[str, tuple[Node, Node]], depth: int
    ) -> tuple[Json, int, int]:
        fields: dict[str, Json] = {}
        nodes, height = 1, 0
        for name, (key, below) in entries.items():
            if not name or "." in name:
                self._problems.at(
                    key, f"{name[:60]!r} is not a name of a field", "a name without dots"
                )
            kind, more, high = self._read(below, depth + 1)
            fields[name] = kind
            nodes, height = nodes + more, max(height, high)
        whole = None if None in fields.values() else fields
        return self._sized(node, whole, nodes, height + 1)

    def _sized(self, node: Node, kind: Json, nodes: int, height: int) -> tuple[Json, int, int]:
        if nodes > TYPE_NODES_MAX:
            return self._wrong(node, f"a type of more than {TYPE_NODES_MAX} fields")
        if height > TYPE_DEPTH_MAX:
            return self._wrong(node, f"a type nested deeper than {TYPE_DEPTH_MAX} levels")
        return kind, nodes, height

    def _word(self, node: Node, word: str, depth: int) -> tuple[Json, int, int]:
        if word in SCALARS:
            return word, 1, 1
        if word.startswith(_PREFIX):
            return self._alias(word.removeprefix(_PREFIX), node, depth)
        if word in self._aliases:
            return self._wrong(
                node, f"unknown type `{word}`", f"an alias is used as `types.{word}`"
            )
        right = LEGACY.get(word.lower())
        hint = f"use {right}" if right else self._problems.near(word, SCALARS)
        return self._wrong(
            node, f"unknown type `{word[:60]}`", hint or f"one of {', '.join(SCALARS)}"
        )

    def _alias(self, name: str, node: Node, depth: int) -> tuple[Json, int, int]:
        if name in self._resolved:
            return self._resolved[name]
        if name not in self._aliases:
            hint = self._problems.near(name, self._aliases) or "declare it under `types:`"
            return self._wrong(node, f"no alias `{name[:60]}` under `types:`", hint)
        if name in self._open:
            cycle = " -> ".join([*self._open[self._open.index(name) :], name])
            return self._wrong(node, f"the type aliases form a cycle: {cycle}")
        self._open.append(name)
        kind, nodes, height = self._read(self._aliases[name][1], depth + 1)
        self._open.pop()
        # An alias counts as a level, so that the answer does not depend on the order of aliases.
        self._resolved[name] = self._sized(node, kind, nodes, height + 1)
        return self._resolved[name]

    def _wrong(self, node: Node, message: str, hint: str | None = None) -> tuple[Json, int, int]:
        self._problems.at(node, message, hint)
        return None, 1, 1
