"""A history of ork 0.1 comes into a new store by git: its stores themselves are refused."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from ork.git.from_git import import_git
from ork.store.contents import join_text
from ork.store.resolve import history
from ork.store.store import Store
from tests.git.repositories import ENVIRON
from tests.stores import ADA, stamp

# What `ork export git --stream --branch etl` of ork 0.1 wrote: three deploys of one workflow.
STREAM = Path(__file__).with_name("exported-by-0.1.txt")


def test_a_history_of_ork_0_1_is_imported(project: Store, tmp_path: Path) -> None:
    repository = tmp_path / "exported"
    git = ["git", "-C", str(repository)]
    repository.mkdir()
    subprocess.run([*git, "init", "-q", "-b", "etl"], env=ENVIRON, check=True)
    with STREAM.open("rb") as stream:
        subprocess.run([*git, "fast-import", "--quiet"], stdin=stream, env=ENVIRON, check=True)
    import_git(project, repository, "etl.yaml", stamp=stamp(9))
    deploys = [deploy for _, deploy in history(project, "etl")]
    assert [deploy.message for deploy in deploys] == [
        'Change schedule "0 2 * * *" -> "@daily"; edit tasks/etl.py',
        "Wait longer\n\nThe source is slow at night.",
        "First",
    ]
    assert [deploy.author for deploy in deploys] == [ADA] * 3
    assert [deploy.time.astimezone(UTC) for deploy in deploys] == [
        datetime(2026, 11, 1, 12, 0, second, tzinfo=UTC) for second in (2, 1, 0)
    ]
    assert deploys[0].settings == {"description": "Fetch, then load", "schedule": "@daily"}
    assert b"timeout: 300" in join_text(project, deploys[2].source)
    newest = project.snapshot(deploys[0].snapshot)
    assert sorted(newest.tasks) == ["extract", "load"]
    assert project.blob(newest.files["tasks/etl.py"].blob).endswith(b'return {"rows": 4}\n')
    assert newest.files["load.sh"].executable
