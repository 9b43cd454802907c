"""A workflow with a history that can be rolled back and tagged."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from ork.heads.rollback import rollback
from ork.objects.kinds import Deploy
from ork.store.store import Store
from ork.store.verdict import Tally, tally_text
from tests.stores import NOON, stamp

NOW = NOON + timedelta(days=10)


def version(number, name="etl", schedule="@daily"):
    return (
        f"name: {name}\nschedule: '{schedule}'\n"
        f"tasks: {{a: {{executor: process, command: echo {number}}}}}\n"
    )


def succeed(store, deploy, state="success"):
    """Count one run of a deploy that ended so."""
    with store.transaction() as tx:
        counted = tally_text(Tally(counts={state: 1}, last=1))
        tx.move(f"tally/{deploy}/{counted}", old=None, new=deploy)


@pytest.fixture
def etl(project, keep):
    """Four deploys of etl; the second had a good run, the third a bad one."""
    deploys = [keep(version(n), message=f"n{n}", hours=n).deploy for n in range(1, 5)]
    succeed(project, deploys[1])
    succeed(project, deploys[2], "failed")
    return SimpleNamespace(
        store=project,
        deploys=deploys,
        keep=keep,
        back=lambda *words, **options: rollback(
            project, "etl", *words, stamp=stamp(50), now=NOW, **options
        ),
        get=lambda oid: project.get(Deploy, oid),
    )


class Raced(Store):
    """Somebody deploys between our look and our write."""

    meanwhile = None

    def transaction(self, stamp=None):
        if self.meanwhile:
            act, self.meanwhile = self.meanwhile, None
            act()
        return super().transaction(stamp)
