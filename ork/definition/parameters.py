"""The parameters that a workflow file declares: name -> type, required or not, default."""

from __future__ import annotations

from ork.definition import fields
from ork.definition.declarations import Declarations
from ork.definition.types import convert
from ork.objects.canonical import Json
from ork.yaml.nodes import Node, plain
from ork.yaml.problems import Problems

PARAM_KEYS = ("type", "default")
_HINT = "as in `params: {day: {type: date, default: 2026-01-01}}`"

Params = dict[str, dict[str, Json]]


def split_param(ref: str) -> tuple[str, tuple[str, ...]] | None:
    """Return name and field path of `params.NAME.FIELD...`; None for any other text."""
    parts = ref.split(".")
    if len(parts) < 2 or parts[0] != "params" or not all(parts):
        return None
    return parts[1], tuple(parts[2:])


def read_params(node: Node | None, types: Declarations, problems: Problems) -> Params:
    """Return the declared parameters, sorted; each has "type", "required" and "default".

    A parameter without a type takes any value; one without a default must be given to a run.
    """
    if node is None:
        return {}
    if not isinstance(node.value, dict):
        fields.complain(problems, node, "params must be a mapping", _HINT)
        return {}
    found: Params = {}
    for name, (key, below) in sorted(node.value.items()):
        fields.name(key, "the name of a parameter", problems)
        if "." in name:
            fields.complain(problems, key, "the name of a parameter has no dots", "use `_`")
        found[name] = _param(name, below, types, problems)
    return found


def _param(name: str, node: Node, types: Declarations, problems: Problems) -> dict[str, Json]:
    if not isinstance(node.value, dict):
        # `day: date` is short for `day: {type: date}`.
        return {"type": types.read(node), "required": True, "default": None}
    title = f"the parameter `{name[:60]}`"
    nodes = fields.mapping(node, title, PARAM_KEYS, problems, {})
    declared = types.read(nodes["type"]) if "type" in nodes else None
    given = node.value.get("default")
    if given is None:
        return {"type": declared, "required": True, "default": None}
    default = plain(given[1])
    if declared is not None:
        default, mismatches = convert(default, declared)
        for mismatch in mismatches:
            fields.complain(problems, given[1], f"the default of {title}: {mismatch}")
    return {"type": declared, "required": False, "default": default}
