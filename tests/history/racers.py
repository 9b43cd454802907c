"""What the processes of `test_history_races.py` do.

For every line they read they do their act once, and print how it ended: `ok` and a number, or the
exit code and the message that a user would get.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ork.bisection import bisect
from ork.errors import OrkError
from ork.git.from_git import import_git
from ork.git.to_git import export_git
from ork.heads.deploy import deploy
from ork.heads.undo import undo
from ork.store import location
from ork.store.resolve import history
from ork.store.store import Stamp, Store
from ork.worktree.restore import restore
from tests.git.repositories import ENVIRON

FILE = "etl.yaml"
FLOW = "name: etl\ntasks: {{a: {{executor: process, command: 'sh ./run.sh {}'}}}}\n"


class Racer:
    """The acts, each with the folder or the numbers that it is given."""

    def __init__(self, store: Store, who: str) -> None:
        self.store, self.who, self.count = store, who, 0

    def stamp(self) -> Stamp:
        """Return a stamp of this moment; no two of them are equal."""
        self.count += 1
        argv = ("ork", self.who, str(self.count))
        return Stamp(time=datetime.now(UTC), author=self.who, argv=argv)

    def export(self, word: str) -> int:
        """Make a repository in a folder."""
        return export_git(self.store, Path(word), "etl").commits

    def update(self, word: str) -> int:
        """Bring a repository up to date."""
        return export_git(self.store, Path(word), "etl", update=True).added

    def load(self, word: str) -> int:
        """Import what is new in a repository."""
        found = import_git(self.store, Path(word), "*.yaml", stamp=self.stamp()).workflows
        return sum(len(one.added) for one in found)

    def undo(self, word: str) -> int:
        """Undo the newest operation, so often."""
        for _ in range(int(word)):
            undo(self.store, "@", stamp=self.stamp(), now=datetime.now(UTC))
        return int(word)

    def deploy(self, word: str) -> int:
        """Deploy versions of a file of its own."""
        folder = self.store.project / self.who
        folder.mkdir(exist_ok=True)
        (folder / "run.sh").write_text("exit 0\n")
        for _ in range(int(word)):
            stamp = self.stamp()
            (folder / "etl.yaml").write_text(FLOW.format(" ".join(stamp.argv)))
            assert deploy(self.store, folder / "etl.yaml", stamp=stamp, move=True).changed
        return int(word)

    def restore(self, word: str) -> int:
        """Write one version after the other to etl.yaml."""
        deploys = [oid for oid, one in history(self.store, "etl") if one.source.path == FILE]
        for oid in deploys[: int(word)]:
            restore(self.store, oid, now=datetime.now(UTC), code=True, force=True)
        return int(word)

    def redeploy(self, word: str) -> int:
        """Deploy the etl.yaml that others write, whatever it is at the moment."""
        return sum(
            deploy(self.store, self.store.project / FILE, stamp=self.stamp(), move=True).changed
            for _ in range(int(word))
        )

    def bisect(self, word: str) -> int:
        """Find the first bad deploy; return how many runs that took."""
        *steps, _ = bisect(self.store, "etl", good=word.split("..")[0], bad=word.split("..")[1])
        return sum(getattr(step, "how", "") == "ran" for step in steps)


def main(project: Path, act: str, who: str) -> None:
    """Answer line by line."""
    os.chdir(project)
    os.environ.update(ENVIRON)
    store = Store(location.open_backend(project / ".ork", environ={}), folder=project / ".ork")
    do: Callable[[str], int] = getattr(Racer(store, who), act)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            print("ok", do(line.strip()), flush=True)
        except OrkError as error:
            print(error.exit_code, " ".join(error.message.split()), flush=True)
    store.close()
