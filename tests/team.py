"""A team: machines with folders and homes of their own, on one store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ork.store import location
from ork.store.store import Store
from tests.runner.suite import Project, kill_marked


class Machine(Project):
    """A machine of somebody of the team."""

    def __init__(self, folder: Path, url: str) -> None:
        folder.mkdir()
        super().__init__(folder)
        self.url = url

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "ORK_STORE": self.url, "ORK_AUTHOR_NAME": self.folder.name}

    def open(self) -> Store:
        return location.open_url(self.url, environ=self.environ)

    def local_logs(self) -> list[str]:
        """Return the files that logs were written to here, and that are still there."""
        return sorted(path.name for path in self.folder.glob(".local/state/ork/*/*/logs/*/*/*"))


Team = Callable[[str], Machine]


def team_on(url: str, folder: Path) -> Iterator[Team]:
    """Yield what returns a machine by the name of who sits there; no process outlives them."""
    made: dict[str, Machine] = {}

    def machine(name: str) -> Machine:
        if name not in made:
            made[name] = Machine(folder / name, url)
        return made[name]

    yield machine
    for one in made.values():
        kill_marked(one.mark)
