"""The place of execution of 1,000 captured files: to make sure of it, and to make a checkout."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from blake3 import blake3
from material import AUTHOR, START, new_store
from measure import Row, interleaved, row

from ork.heads.deploy import deploy
from ork.objects.kinds import Deploy
from ork.store.store import Stamp
from ork.worktree.place import Checkout, Project

FILES, QUICK_FILES = 1_000, 50
LINES = 40
REPEATS, QUICK_REPEATS = 15, 2


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield what a run in the project's folder and one in a checkout cost before they start."""
    store = new_store(folder / "project")
    project = store.project
    paths = [f"code/{n % 20}/q{n}.sql" for n in range(QUICK_FILES if quick else FILES)]
    for path in paths:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(f"select '{path}';\n" * LINES)
    (project / "w.yaml").write_text(
        'name: w\ninclude: ["code/**"]\ntasks: {a: {executor: process, command: "true"}}\n'
    )
    done = deploy(store, project / "w.yaml", stamp=Stamp(time=START, author=AUTHOR))
    captured = dict(store.snapshot(store.get(Deploy, done.deploy).snapshot).files)
    there = Project(project, captured)
    there.wrong()
    made = iter(range(10_000))

    def read() -> None:
        for path in paths:
            blake3((project / path).read_bytes()).digest()

    def make_sure() -> None:
        assert not Project(project, captured).wrong()

    def copy() -> None:
        shutil.copytree(project / "code", folder / f"copy{next(made)}")

    def check_out() -> None:
        assert not Checkout(store, f"run{next(made)}", captured, root=project).renew()

    actions = {
        "naive: read and hash": read,
        "ork: make sure of the project": make_sure,
        "ork: look again": there.look,
        "naive: copy": copy,
        "ork: a checkout": check_out,
    }
    times = interleaved(actions, QUICK_REPEATS if quick else REPEATS)
    count = f"{len(paths):,} files"
    yield row(f"{count} read and hashed (= 1)", times, "naive: read and hash")
    for name, what in (
        ("ork: make sure of the project", "when a run starts in the project: their content"),
        ("ork: look again", "before and after attempts: whether one was touched"),
    ):
        yield row(what, times, name, "naive: read and hash")
    yield row(f"{count} copied by shutil.copytree (= 1)", times, "naive: copy")
    what = "a checkout of them, for each run that needs one"
    yield row(what, times, "ork: a checkout", "naive: copy")
    store.close()
