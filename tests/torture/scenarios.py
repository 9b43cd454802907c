"""The commands that change something, each in a project that is prepared for it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from tests.damage import flip
from tests.torture.forker import Done, Forker, Hurt, names_below

State: TypeAlias = dict[str, Any]


class Box:
    """A folder with a project in it, and whatever commands write beside the project."""

    def __init__(self, folder: Path, forker: Forker, kind: str = "") -> None:
        """Make it, if need be; `kind` is that of its stores, such as `sqlite:`."""
        self.folder = folder
        self.project = folder / "project"
        self.project.mkdir(parents=True, exist_ok=True)
        self._forker = forker
        self._kind = kind

    def write(self, path: str, text: str, *, at: str = "project") -> None:
        target = self.folder / at / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))

    def ork(self, *argv: str, code: int | None = 0, at: str = "project", **options: Any) -> Done:
        """Run a command in the project, or in another folder of the box."""
        if argv[0] == "init" and self._kind:
            argv = (*argv, "--store", self._kind)
        done = self._forker.ork(self.folder / at, *argv, box=self.folder, **options)
        assert code is None or done.code == code, f"{argv}: {done}"
        return done

    def git(self, *words: str, at: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.folder / at), *words],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", **GIT},
        )
        return done.stdout

    def state(self) -> State:
        """Return what all stores, files and git repositories of the box hold."""
        stores, files, repositories = {}, {}, {}
        for folder in sorted(self.folder.glob("[!.]*")):
            if (folder / ".ork").exists():
                stores[folder.name] = self._forker.look(folder)
            if (folder / ".git").exists():
                repositories[folder.name] = self.git("for-each-ref", at=folder.name)
        for name in names_below(self.folder):
            path = self.folder / name
            if ".ork" not in path.parts and path.is_file():
                files[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        return {"stores": stores, "files": files, "git": repositories}


GIT = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.org"), ("DATE", "@1793534400 +0"))
}
CODE = """\
    import os
    def main():
        print("loading {text}")
        assert {works}
        return {{"rows": 3}}
"""


FLOW = """\
    name: {name}
    description: number {number}
    tasks:
      extract: {{executor: process, command: "echo extracting {number}"}}
      clean: {{executor: process, command: "echo cleaning", depends_on: [extract]}}
      load: {{executor: python, file: tasks/load.py, depends_on: [extract]}}
"""


def written(
    box: Box,
    number: int = 1,
    *,
    name: str = "etl",
    works: str = "True",
    text: str = "",
    file: str = "etl.yaml",
    at: str = "project",
) -> None:
    """Write the file and the code of a workflow; no two numbers give the same."""
    box.write(file, FLOW.format(name=name, number=number), at=at)
    box.write("tasks/load.py", CODE.format(works=works, text=text or number), at=at)


def deployed(box: Box, versions: int = 3) -> None:
    """Deploy some versions; the last is on the disk."""
    for number in range(versions):
        written(box, number)
        box.ork("deploy", "etl.yaml")


def changed(box: Box) -> None:
    """Have a version on the disk that is not deployed."""
    deployed(box)
    written(box, 9)


def failed(box: Box) -> None:
    """Have a run that failed and would succeed now."""
    written(box, works="os.path.exists('fixed')")
    box.ork("run", "etl.yaml", code=1)
    box.write("fixed", "")


def tagged(box: Box) -> None:
    deployed(box)
    box.ork("tag", "etl@v1", "etl~1")


def committed(box: Box) -> None:
    """Have a git repository with a history beside a project without one."""
    (box.folder / "origin").mkdir()
    box.git("init", "-q", "-b", "main", at="origin")
    for number in range(3):
        written(box, number, at="origin")
        box.git("add", ".", at="origin")
        box.git("commit", "-q", "-m", f"number {number}", at="origin")
    box.ork("init")


def exported(box: Box) -> None:
    """Have a git repository that lacks the newest deploys."""
    deployed(box)
    box.ork("export", "git", "../out", "etl")
    written(box, 7)
    box.ork("deploy", "etl.yaml")


def littered(box: Box) -> None:
    """Have objects that nothing needs."""
    deployed(box, 6)
    box.ork("tag", "etl@v1", "etl~1")
    for number in range(10, 14):
        written(box, number, text=f"{number}" * 3000)
        box.ork("deploy", "etl.yaml")
        box.ork("undo")


def damaged(box: Box) -> None:
    """Have a tag that is damaged, which repair can make again."""
    ran(box)
    flip(box.project / ".ork", b"rtags/etl/v1", len(b"rtags/etl/v1"))


def ran(box: Box) -> None:
    """Have deploys, a tag and a run."""
    deployed(box)
    box.ork("tag", "etl@v1", "etl~1")
    box.ork("run", "etl", token=0xA)


def stopped(box: Box) -> None:
    """Have a run that was killed in its midst, which the next command settles."""
    deployed(box)
    calls = box.ork("run", "etl", "--checkout", token=0xA).calls
    box.ork("run", "etl", "--checkout", token=0xB, code=-9, hurt=Hurt(len(calls) // 2))


def bundled(box: Box) -> None:
    """Have a bundle of another project, and a store that has none of it."""
    ran(box)
    box.ork("bundle", "create", "../etl.bundle", "etl", "--runs", "all")
    (box.folder / "other").mkdir()
    box.ork("init", at="other")


def diverged(box: Box) -> None:
    """Have a bundle of another project, and a workflow with a tag that are elsewhere here."""
    bundled(box)
    written(box, 8, at="other")
    box.ork("deploy", "etl.yaml", at="other")
    box.ork("tag", "etl@v1", at="other")


def pruned(box: Box) -> None:
    """Have a data file with free room in it."""
    littered(box)
    box.ork("gc", "--prune", "--undo-days", "0", "--force")


def worn(box: Box) -> None:
    """Have runs of which some may go."""
    deployed(box)
    for number in range(4):
        box.ork("run", "etl~1" if number == 1 else "etl", token=number)


def backed_up(box: Box) -> None:
    """Have a backup in a file."""
    ran(box)
    box.ork("backup", "../etl.orkbackup")
    (box.folder / "restored").mkdir()


def leaked(box: Box) -> None:
    """Have a secret in code and in logs."""
    deployed(box)
    written(box, 4, text=SECRET)
    box.ork("run", "etl.yaml", token=0xA)
    written(box, 5)
    box.ork("deploy", "etl.yaml")
    (box.folder / "secret").write_text(SECRET)


SECRET = "hunter2-is-no-word-of-ours"


class Scenario(NamedTuple):
    """A command, and what makes the project in which it is typed."""

    prepare: Callable[[Box], None]
    argv: tuple[str, ...]
    at: str = "project"
    whole: bool = True  # it is done as a whole or not at all
    damaged: bool = False  # the store is, until the command has been here
    runs: bool = False  # tasks run
    gone: str = ""  # a text that is nowhere in the store when the command is done
    varies: tuple[str, ...] = ("objects",)  # what of a store may be other than left in peace

    def type(self, box: Box, *, token: int, hurt: Hurt | None = None) -> Done:
        return box.ork(*self.argv, code=None, token=token, hurt=hurt, at=self.at)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


RUN = ("runs", "objects")
LOG = ("operations",)
SCENARIOS = {
    "init": Scenario(lambda box: None, _words("init")),
    "deploy-new": Scenario(written, _words("deploy etl.yaml"), whole=False),
    "deploy-changed": Scenario(changed, _words("deploy etl.yaml")),
    "run": Scenario(changed, _words("run etl.yaml --json"), whole=False, runs=True, varies=RUN),
    "run-checkout": Scenario(
        deployed, _words("run etl~1 --json"), whole=False, runs=True, varies=RUN
    ),
    "retry": Scenario(failed, _words("retry etl#1 --json"), whole=False, runs=True, varies=RUN),
    "retry-killed": Scenario(
        stopped, _words("retry etl --json"), whole=False, runs=True, varies=RUN
    ),
    "rollback": Scenario(deployed, _words("rollback etl etl~1")),
    "restore": Scenario(deployed, _words("restore etl~1 --code"), whole=False),
    "tag": Scenario(deployed, _words("tag etl@v1 etl~1")),
    "tag-moved": Scenario(tagged, _words("tag -f etl@v1 etl")),
    "untag": Scenario(tagged, _words("tag -d etl@v1")),
    "undo": Scenario(tagged, _words("undo")),
    "import-git": Scenario(committed, _words("import git ../origin --path etl.yaml")),
    "export-git": Scenario(deployed, _words("export git ../out etl"), whole=False),
    "export-git-update": Scenario(exported, _words("export git ../out etl --update"), whole=False),
    "gc": Scenario(littered, _words("gc --prune --undo-days 0 --force"), whole=False, varies=LOG),
    "gc-runs": Scenario(
        worn, _words("gc --prune --keep-runs 1 --undo-days 0 --force"), whole=False, varies=LOG
    ),
    "fsck-repair": Scenario(damaged, _words("fsck --repair"), whole=False, damaged=True),
    "bundle-create": Scenario(ran, _words("bundle create ../etl.bundle etl --runs all")),
    "import-bundle": Scenario(bundled, _words("import bundle ../etl.bundle"), at="other"),
    "import-bundle-force": Scenario(
        diverged, _words("import bundle ../etl.bundle --force"), at="other"
    ),
    "report": Scenario(ran, _words("report etl -o ../page.html")),
    "logs-export": Scenario(ran, _words("logs etl#1 --export ../logs"), whole=False),
    "backup": Scenario(ran, _words("backup ../copy")),
    "backup-file": Scenario(ran, _words("backup ../etl.orkbackup")),
    "init-from": Scenario(backed_up, _words("init --from ../etl.orkbackup"), at="restored"),
    "gc-repack": Scenario(pruned, _words("gc --repack"), whole=False),
    "forget": Scenario(
        leaked, _words("forget --text-file ../secret --yes"), whole=False, gone=SECRET
    ),
}


def told_successes(out: str) -> set[str]:
    """Return the tasks whose success a run with --json has told, in whole lines."""
    events = [json.loads(line) for line in out.splitlines()]
    return {
        event["task"]
        for event in events
        if event["event"] == "TaskFinished" and event["taskrun"]["state"] == "success"
    }


def newest_run(state: State) -> tuple[str, dict[str, str]]:
    runs = state["stores"]["project"]["runs"]
    return runs[max(runs)] if runs else ("none", {})
