"""What the other processes of `test_races.py` do."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ork.backends.address import BACKENDS
from ork.backends.lmdb import Lmdb
from ork.heads.deploy import deploy
from ork.store import location
from ork.store.store import Stamp, Store

FILE = """\
name: {name}
tasks:
  first: {{executor: process, command: ./run.sh, env: {{BY: "{who}", NUMBER: "{number}"}}}}
  second: {{executor: process, command: "true", depends_on: [first]}}
"""


class Unchecked(Lmdb):
    """The negative control: moves refs wherever they are."""

    def _unmoved(self, txn: Any, moves: Any) -> bool:
        return True


def main(project: Path, kind: str, name: str, who: str, times: int) -> None:
    """Deploy version after version of a workflow; print each deploy once it is done."""
    BACKENDS["lmdb"] = {"Lmdb": "ork.backends.lmdb:Lmdb"}.get(kind, f"{__name__}:{kind}")
    store = Store(location.open_backend(project / ".ork", environ={}), folder=project / ".ork")
    folder = project / who
    folder.mkdir(exist_ok=True)
    (folder / "run.sh").write_text(f"#!/bin/sh\necho {who}\n")
    file = folder / "flow.yaml"
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(times):
        file.write_text(FILE.format(name=name, who=who, number=number))
        stamp = Stamp(time=datetime.now(UTC), author=who, argv=("ork", "deploy"))
        done = deploy(store, file, stamp=stamp, message=f"{who} {number}", move=True)
        assert done.changed
        print(done.deploy, flush=True)
    store.close()
