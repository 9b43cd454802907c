"""A file that is still as an older version was is not deployed over what others made newest."""

import re

import pytest

from ork.errors import InvalidInput
from ork.heads.deploy import deploy, status
from ork.heads.undo import undo
from ork.store.store import Stamp
from tests.heads.conftest import NOW, version
from tests.stores import ADA, stamp

BOB = "Bob <bob@example.org>"


def state(etl, author=ADA):
    (one,) = status(etl.store, etl.store.project, author=author)
    return one.state, one.other


def refused(etl, author=ADA):
    """Return what a deploy of the file complains about, after which all is as it was."""
    before = etl.store.ref("workflows/etl")
    with pytest.raises(InvalidInput, match="nothing was deployed") as caught:
        again = Stamp(time=stamp(90).time, author=author)
        deploy(etl.store, etl.store.project / "etl.yaml", stamp=again)
    assert etl.store.ref("workflows/etl") == before
    return caught.value.message


def test_after_a_rollback_the_file_is_behind(etl):
    etl.back()
    assert state(etl) == ("behind", "etl~1")
    assert "is still as in etl~1, before `" in refused(etl)


def test_what_a_rollback_passed_over_is_behind_as_well(etl):
    etl.back("etl~3")
    (etl.store.project / "etl.yaml").write_text(version(3))
    assert state(etl) == ("behind", "etl~2")


def test_what_somebody_else_deployed_is_not_taken_back(etl):
    path = etl.store.project / "etl.yaml"
    path.write_text(version(5))
    bob = Stamp(time=stamp(5).time, author=BOB)
    deploy(etl.store, path, stamp=bob)
    path.write_text(version(4))
    assert state(etl) == ("behind", "etl~1")
    assert f"before a deploy by {BOB}" in refused(etl)
    assert state(etl, BOB) == ("modified", None)


def test_who_edits_a_file_back_is_not_behind(etl, keep):
    (etl.store.project / "etl.yaml").write_text(version(2))
    assert state(etl) == ("modified", None)
    assert keep(version(2), hours=9).changed


def test_new_content_is_not_behind_whoever_made_the_newest(etl, keep):
    etl.back()
    assert keep(version(7), hours=60).changed


def test_what_was_undone_can_be_deployed_again(etl, keep):
    undo(etl.store, stamp=stamp(9), now=NOW)
    assert state(etl) == ("modified", None)
    assert keep(version(4), hours=10).changed


def test_after_the_cure_nothing_is_behind(etl):
    etl.back()
    message = refused(etl)
    etl.back(re.search(r"as in (etl~\d)", message)[1])
    assert state(etl) == ("unchanged", None)
