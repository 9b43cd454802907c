"""The values of parameters that runs had: of one run, and which runs had these."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ork.errors import UsageError
from ork.objects import canonical
from ork.objects.canonical import Json, Oid
from ork.objects.kinds import Deploy, Param, Run
from ork.params.given import parsed, settled
from ork.store.resolve import workflows
from ork.store.runs import params_of, refuse_unknown_params, runs
from ork.store.store import Store


def recorded_params(store: Store, run: Run | None) -> Mapping[str, Json]:
    """Return the parameters with which a run was made."""
    value = store.value(run.params) if run and run.params else {}
    return value if isinstance(value, dict) else {}


def having(store: Store, wanted: Mapping[str, Json]) -> Callable[[Run], bool]:
    """Return what says whether a run had these values, read by the types that it declares.

    Runs share their definitions and their parameters, so each pair of these is looked at once.
    """
    known: dict[tuple[Oid, Oid | None], bool] = {}

    def had(run: Run) -> bool:
        key = run.snapshot, run.params
        if key not in known:
            declared, values = store.snapshot(run.snapshot).params, params_of(store, run.params)
            known[key] = all(
                name in values and _is_meant(value, values[name], declared.get(name))
                for name, value in wanted.items()
            )
        return known[key]

    return had


def refuse_params(store: Store, workflow: str | None, wanted: Mapping[str, Json]) -> None:
    """Raise what is wrong with values for which no run was found, if anything is.

    NotFound for a parameter that there has never been, UsageError for a value that none can have.
    """
    refuse_unknown_params(store, workflow, wanted)
    names = [workflow] if workflow else workflows(store)
    heads = store.get_all(Deploy, store.refs_at(f"workflows/{name}" for name in names))
    snapshots = {deploy.snapshot for deploy in heads.values()}
    snapshots.update(entry.run.snapshot for entry in runs(store, workflow, without=()))
    declared = [store.snapshot(oid).params for oid in sorted(snapshots)]
    for name, value in wanted.items():
        types = [params[name].type for params in declared if name in params]
        wrong = [settled(parsed(value, one), one)[1] for one in types]
        if types and all(wrong):
            raise UsageError(f"the parameter {name}: {wrong[0][0]}")


def _is_meant(given: Json, recorded: Json, entry: Param | None) -> bool:
    """Say whether a value, or the text of one, is what was recorded of a parameter."""
    declared = entry.type if entry else None
    value, wrong = settled(parsed(given, declared), declared)
    return _as_text(recorded) in (_as_text(given), *([] if wrong else [_as_text(value)]))


def _as_text(value: Json) -> str:
    return value if isinstance(value, str) else canonical.encode(value).decode()
