"""Which variables the workflows of a store ask for as secrets."""

from __future__ import annotations

from contextlib import suppress

from ork.errors import Corrupt
from ork.objects.canonical import Oid
from ork.objects.kinds import Deploy, Task
from ork.store.store import Store


class Secrets:
    """The secrets of all heads of a store; a head is read again when it has moved."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._heads: dict[str, tuple[Oid, frozenset[str]]] = {}

    def look(self) -> dict[str, list[str]]:
        """Return each variable, with the workflows that ask for it; none of a damaged head."""
        before, self._heads = self._heads, {}
        found: dict[str, list[str]] = {}
        for ref, oid in self._store.backend.survey("workflows/"):
            workflow = ref.partition("/")[2]
            if oid is not None:
                known = before.get(workflow)
                names = known[1] if known and known[0] == oid else self._of(oid)
                self._heads[workflow] = oid, names
                for name in names:
                    found.setdefault(name, []).append(workflow)
        return found

    def _of(self, oid: Oid) -> frozenset[str]:
        with suppress(Corrupt):  # told by whoever runs it
            deploy = self._store.get(Deploy, oid, keep=False)
            oids = self._store.snapshot(deploy.snapshot, keep=False).tasks
            tasks = self._store.get_all(Task, oids, keep=False)
            return frozenset(name for task in tasks.values() for name in task.secrets)
        return frozenset()
