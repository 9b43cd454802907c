"""A deploy of content that the store has, damaged: it is put right before anything names it."""

from __future__ import annotations

import pytest

from ork.errors import Corrupt
from ork.heads.deploy import deploy
from ork.heads.rollback import rollback
from ork.heads.tags import tag
from ork.objects.kinds import Deploy
from ork.store.store import Store
from tests.heads.conftest import version
from tests.stores import NOON, contents, reachable, stamp


def rot(store, oid):
    """Flip a bit of an object, as a failing disk would."""
    data = bytearray(store.backend.get(oid))
    data[-1] ^= 1
    assert store.backend.write({oid: bytes(data)}, {})


def test_whatever_is_damaged_a_deploy_of_the_same_content_heals(project, keep):
    first = keep(version(1))
    text = version(1).replace("etl", "other")
    (project.project / "other.yaml").write_text(text)
    for oid in reachable(project, project.get(Deploy, first.deploy).snapshot):
        rot(project, oid)
        with pytest.raises(Corrupt):
            reachable(project, first.deploy)
        fresh = Store(project.backend, folder=project.folder)
        other = deploy(fresh, project.project / "other.yaml", stamp=stamp())
        reachable(project, first.deploy, other.deploy)
        with project.transaction() as tx:  # so that it is a first deploy again
            for name in ("workflows/other", *(n for n, _ in project.backend.refs("read/other/"))):
                tx.move(name, old=project.ref(name), new=None)


def test_nothing_is_moved_to_a_deploy_that_is_damaged(project, keep):
    first = keep(version(1)).deploy
    keep(version(2))
    rot(project, project.get(Deploy, first).snapshot)
    before = contents(project)
    fresh = Store(project.backend, folder=project.folder)
    with pytest.raises(Corrupt):
        rollback(fresh, "etl", "etl~1", stamp=stamp(), now=NOON)
    rot(project, first)
    fresh = Store(project.backend, folder=project.folder)
    with pytest.raises(Corrupt):
        tag(fresh, "etl@v1", first, stamp=stamp(), now=NOON)
    assert contents(project)[1] == before[1]
