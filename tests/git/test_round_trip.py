"""Two workflows, exported to branches of one repository as they grow, and imported elsewhere.

Their histories have rollbacks, tags, other names, files that move and deploys of settings alone.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import InvalidInput, NotFound
from ork.git.commit import place_of
from ork.git.from_git import import_git
from ork.git.to_git import export_git
from ork.heads.deploy import deploy
from ork.heads.rename import rename
from ork.heads.rollback import rollback
from ork.heads.tags import tag, tags, untag
from ork.heads.undo import undo
from ork.objects.kinds import Deploy
from ork.objects.value import replace
from ork.store.resolve import former_names, history
from ork.store.store import Store
from tests.git.repositories import ENVIRON
from tests.scale import size
from tests.stores import NOON, contents, reachable, stamp

NAMES = ("etl", "b")
KEPT = ("workflow", "snapshot", "settings", "author", "time", "message", "source")
# So many lines stay that git sees one file, however else it changes.
PADDING = "".join(f"# {n} of the lines by which git knows the file again\n" for n in range(30))


class Project:
    """A store, a folder with the files of two workflows, and what happens to them."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self.store, self.folder, self.dice = Store(Memory()), folder, dice
        self.names = dict(zip(NAMES, NAMES, strict=True))  # by now
        self.folders = dict.fromkeys(NAMES, "")
        self.schedules = dict.fromkeys(NAMES, "")
        self.commands = dict.fromkeys(NAMES, "sh ./run.sh 0")
        self.hours = 0
        for name in NAMES:
            self.keep(name)

    def stamp(self):
        self.hours += self.dice.choice([0, 0, 1, -1])
        return stamp(self.hours)

    def keep(self, name: str) -> None:
        """Write the files of a workflow as they are now and deploy it."""
        place = self.folder / name / self.folders[name]
        place.mkdir(parents=True, exist_ok=True)
        (place / "run.sh").write_text(f"echo {self.dice.randrange(3)}\n")
        task = f"{{executor: process, command: {self.commands[name]}}}"
        text = f"name: {self.names[name]}\ntasks: {{a: {task}}}\n"
        text += f"schedule: '{self.schedules[name]}'\n" if self.schedules[name] else ""
        (place / f"{name}.yaml").write_text(PADDING + text)
        path, message = place / f"{name}.yaml", f"{self.hours}"
        try:
            deploy(self.store, path, stamp=self.stamp(), message=message, move=True)
        except InvalidInput as told:  # after a rollback
            assert "is as in" in told.message

    def act(self) -> None:
        """Do one thing that users do."""
        name = self.dice.choice(NAMES)
        now = self.names[name]
        line = [oid for oid, _ in history(self.store, now)]
        act = self.dice.choice(["code", "task", "settings", "move", "back", "tag", "untag", "name"])
        if act == "name":
            self.names[name] = f"{name}{int(now.removeprefix(name) or 0) + 1}"
            if self.dice.random() < 0.3 and now != name:
                self.names[name] = name
            rename(self.store, now, self.names[name], stamp=self.stamp())
        elif act == "back":
            rollback(self.store, now, self.dice.choice(line), stamp=self.stamp(), now=NOON)
        elif act == "tag":
            label = f"{now}@{self.dice.choice(['v1', 'v2', 'v3'])}"
            tag(self.store, label, self.dice.choice(line), stamp=self.stamp(), now=NOON, force=True)
        elif act == "untag" and (known := list(tags(self.store))):
            untag(self.store, f"{known[0].workflow}@{known[0].label}", stamp=self.stamp())
        else:
            if act == "task":
                self.commands[name] = f"sh ./run.sh {self.dice.randrange(9)}"
            if act == "settings":
                self.schedules[name] = self.dice.choice(["@daily", "@hourly", ""])
            if act == "move":
                self.folders[name] = self.dice.choice(["", "flows", "flows/deep"])
            self.keep(name)


def line_of(store: Store, name: str) -> list[Deploy]:
    return [deploy for _, deploy in history(store, name)]


def kept(store: Store, name: str) -> list[list[object]]:
    """Return what each deploy has that git can hold; what it restores as its number."""
    oids = [oid for oid, _ in history(store, name)]
    return [
        [
            *(getattr(one, field) for field in KEPT),
            one.restores and (one.action, oids.index(one.restores)),
        ]
        for one in line_of(store, name)
    ]


def git(folder: Path, *words: str) -> list[str]:
    done = subprocess.run(["git", *words], cwd=folder, env=ENVIRON, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def path_of(store: Store, name: str) -> str:
    """Return where the workflow file is in the newest commit of an export."""
    return place_of(line_of(store, name)[0].source.path)


def assert_exported(project: Project, out: Path, *, before: dict[str, int]) -> None:
    for name, now in project.names.items():
        line = line_of(project.store, now)
        done = export_git(project.store, out, now, branch=name, update=True)
        assert (done.commits, done.added) == (len(line), len(line) - before.get(name, 0))
        labels = [one.label for one in tags(project.store, now)]
        assert sorted((*done.tags, *done.left)) == labels
        log = git(out, "log", "--format=%s", name, "--")
        assert log == [one.message for one in line]
        path = path_of(project.store, now)
        followed = git(out, "log", "--follow", "--format=%H", name, "--", path)
        assert followed[-1] == git(out, "rev-list", "--max-parents=0", name, "--")[0]
        before[name] = len(line)
    assert git(out, "fsck", "--strict", "--no-dangling") == []
    assert git(out, "status", "--short") == []


def assert_imported(project: Project, out: Path, other: Store) -> None:
    for name, now in project.names.items():
        path = path_of(project.store, now)
        import_git(other, out, path, branch=name, stamp=stamp())
        assert kept(other, now) == kept(project.store, now)
        assert set(former_names(other, now)) == set(former_names(project.store, now))
        for store in (other, project.store):
            whole = contents(store)
            assert import_git(store, out, path, branch=name, stamp=stamp()).workflows == ()
            assert contents(store) == whole
    reachable(other, *contents(other)[1].values())


def grown(folder: Path, seed: int) -> None:
    """Let two histories grow, and export and import them now and then."""
    project = Project(folder / "project", random.Random(seed))
    out, other, before = folder / "out", Store(Memory()), {}
    for _ in range(3):
        for _ in range(project.dice.randrange(1, 6)):
            project.act()
        assert_exported(project, out, before=before)
        assert_imported(project, out, other)


@pytest.mark.slow
@settings(deadline=None, max_examples=size(6, by_day=2))
@given(seed=st.integers(0, 10**9))
def test_two_workflows_come_back_from_one_repository_as_they_grow(seed, tmp_path_factory):
    folder = tmp_path_factory.mktemp("round")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        grown(folder, seed)


def test_a_history_that_was_undone_is_not_written_over_what_was_exported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, random.Random(1))
    project.commands["etl"] = "sh ./run.sh 7"
    project.keep("etl")
    out = tmp_path / "out"
    export_git(project.store, out, "etl")
    refs = git(out, "for-each-ref")
    undo(project.store, stamp=project.stamp(), now=NOON)
    with pytest.raises(InvalidInput, match="not in the history of etl as it is now"):
        export_git(project.store, out, "etl", update=True)
    assert git(out, "for-each-ref") == refs
    undo(project.store, stamp=project.stamp(), now=NOON)
    assert export_git(project.store, out, "etl", update=True).added == 0


def test_names_and_rollbacks_come_back_to_who_did_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project, out, other = Project(tmp_path, random.Random(1)), tmp_path / "out", Store(Memory())
    for number, name in enumerate(["load", "etl", "load", "last"]):
        project.commands["etl"] = f"echo {number}"
        project.keep("etl")
        before, project.names["etl"] = project.names["etl"], name
        who = replace(project.stamp(), author=f"{name} <{name}@example.org>")
        rename(project.store, before, name, stamp=who)
        rollback(project.store, name, f"{name}~2", stamp=who, now=NOON)
        export_git(project.store, out, name, update=True)
        import_git(other, out, "etl/etl.yaml", stamp=stamp())
        assert kept(other, name) == kept(project.store, name)
    assert set(former_names(other, "last")) == {"etl", "load"}
    git(out, "commit", "--amend", "-m", "Another history")
    with pytest.raises(InvalidInput, match="not in this history"):
        import_git(other, out, "etl/etl.yaml", stamp=stamp())


def test_the_file_of_one_branch_is_not_looked_for_on_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path, random.Random(1))
    assert_exported(project, tmp_path / "out", before={})
    with pytest.raises(NotFound, match="no commit has a file"):
        path = path_of(project.store, "b")
        import_git(Store(Memory()), tmp_path / "out", path, branch="etl", stamp=stamp())
