"""`ork up` says which secrets its environment lacks, before a run fails for it."""

from __future__ import annotations

import pytest

from tests.conftest import Ork
from tests.daemon.ups import running

pytestmark = pytest.mark.slow
FLOW = """\
name: {name}
{schedule}
tasks: {{t: {{executor: process, command: 'true', env: {{T: {{secret: {secret}}}}}}}}}
"""


def deploy(ork: Ork, name: str, secret: str, schedule: str = "schedule: '@yearly'") -> None:
    ork.write(f"{name}.yaml", FLOW.format(name=name, secret=secret, schedule=schedule))
    assert ork("deploy", f"{name}.yaml").code == 0


def test_secrets_that_are_not_set_are_told_with_who_needs_them(ork: Ork) -> None:
    for name, secret in (("a", "KEY_ONE"), ("b", "KEY_ONE"), ("c", "KEY_SET")):
        deploy(ork, name, secret)
    deploy(ork, "by_hand", "KEY_ONE", schedule="")
    with running(ork, KEY_SET="value") as up:
        up.until("Up")
        first = up.until("Trouble", workflow=None)
        assert first["message"] == (
            "the secret KEY_ONE, which a, b need, is not set in the environment of ork up"
        )
        assert "EnvironmentFile" in first["hint"]
        deploy(ork, "d", "KEY_TWO")
        assert "KEY_TWO, which d needs, is not set" in up.until("Trouble")["message"]
        deploy(ork, "c", "KEY_ONE")
        assert "KEY_ONE, which c needs, is not set" in up.until("Trouble")["message"]
        assert up.end() == 0
        assert len(up.all("Trouble")) == 3
