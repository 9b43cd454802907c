"""Stores whose data lie elsewhere: named by a URL, on the command line, in the environment or in
`.ork/config.toml`."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

import ork as api
from ork.backends.address import public
from ork.errors import NotFound
from ork.store import location
from tests.conftest import Ork

BY = ("init", "option", "environment", "file")

COLON = ":"  # so that no line here looks like one with a password


def choose(ork: Ork, url: str, by: str) -> tuple[str, ...]:
    """Name a store in one of the ways; return what a command line then begins with."""
    if by == "option":
        return ("--store", url)
    if by == "environment":
        ork.environ["ORK_STORE"] = url
    elif by == "file":
        ork.write(".ork/config.toml", f'store = "{url}"\n')
    else:
        assert ork("init", "--store", url).code == 0
    return ()


@pytest.mark.parametrize("kind", ["lmdb", "sqlite", "files"])
@pytest.mark.parametrize("by", BY)
@pytest.mark.turns(3)
def test_every_way_to_name_a_store_leads_to_the_same_one(
    etl: Ork, tmp_path: Path, kind: str, by: str
) -> None:
    url = f"{kind}:{tmp_path}/team.db"
    words = choose(etl, url, by)
    assert etl(*words, "run", "etl.yaml").code == 0
    assert (tmp_path / "team.db").exists()
    assert not (etl.folder / ".ork/db").exists()
    for read in ("log", "runs", "show etl#1", "outputs etl#1", "logs etl#1", "diff etl etl"):
        assert etl(*words, *read.split()).code == 0, read
    assert etl(*words, "fsck").code == 0
    etl.environ.pop("ORK_STORE", None)
    shutil.rmtree(etl.folder / ".ork", ignore_errors=True)
    assert etl("--store", url, "log").code == 0


def test_a_project_remembers_a_place_inside_of_it_by_a_path_that_moves_with_it(etl: Ork) -> None:
    assert etl("init", "--store", f"sqlite:{etl.folder}/data.db").code == 0
    assert (etl.folder / ".ork/config.toml").read_text() == 'store = "sqlite:data.db"\n'
    assert etl("deploy", "etl.yaml").code == 0
    again = etl("init", "--store", f"sqlite:{etl.folder}/other.db")
    assert (again.code, "has its store already" in again.err) == (2, True)
    assert not (etl.folder / "other.db").exists()


@pytest.mark.slow
def test_what_works_on_files_works_where_they_lie_elsewhere(
    etl: Ork, tmp_path: Path, edit: Callable[[str, str, str], None]
) -> None:
    url = f"sqlite:{tmp_path}/team.db"
    assert etl("init", "--store", url).code == 0
    assert etl("run", "etl.yaml").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "etl.yaml", "-m", "a word of it").code == 0
    before = etl("log", "--json").out
    assert etl("gc", "--repack").code == 0
    assert etl("backup", str(tmp_path / "copy.orkbackup")).code == 0
    assert etl("log", "--json").out == before
    with closing(sqlite3.connect(tmp_path / "team.db")) as connection, connection:
        connection.execute("DELETE FROM refs WHERE name = CAST('workflows/etl' AS BLOB)")
    assert etl("fsck").code == 1
    fixed = etl("fsck", "--repair")
    assert (fixed.code, "team.db-quarantine/" in fixed.out) == (0, True)
    assert etl("log", "--json").out == before
    assert etl("forget", "--yes", "--reason", "tried", "etl:extract").code == 0
    assert "[forgotten]" in etl("show", "etl:extract").out
    left = {path.name for path in tmp_path.glob("*team.db*")}
    assert left == {f"team.db{end}" for end in ("", "-gate", "-open", "-locks", "-quarantine")}


def test_a_second_project_is_told_that_it_has_the_store_of_others(etl: Ork, tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/team.db"
    assert etl("init", "--store", url).out == f"Made an empty store in {url}\n"
    assert etl("init", "--store", url).out == f"There is a store already in {url}\n"
    shutil.rmtree(etl.folder / ".ork")
    assert etl("init", "--store", url).out == f"From now on this project has the store in {url}\n"


@pytest.mark.parametrize("part", ["", "part"], ids=["whole", "part of a repository"])
@pytest.mark.parametrize("kind", ["project", "url"])
def test_each_clone_has_the_same_paths(
    ork: Ork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, part: str
) -> None:
    """A job of CI has a new folder each time, and is in any of them."""
    ork.environ["HOME"] = str(tmp_path)
    server = tmp_path / "server"
    clones = [tmp_path / f"job-{number}" for number in range(3)]
    for folder in (server, *clones):
        (folder / ".git").mkdir(parents=True)
        (folder / part / "flows").mkdir(parents=True)
        (folder / part / "flows/two.yaml").write_text(TWO)
    monkeypatch.chdir(server / part)
    if kind == "project":
        assert ork("init").code == 0
    url = f"sqlite:{tmp_path}/team.db" if kind == "url" else str(server / part)
    ork.environ["ORK_STORE"] = url
    assert ork("deploy", "flows").code == 0
    monkeypatch.chdir(clones[0] / part)
    assert "two is up to date" in ork("deploy", ".").out
    assert ork("status").out.startswith(f"unchanged {os.path.join('flows', 'two.yaml')}  two ")
    monkeypatch.chdir(clones[1] / part / "flows")
    assert "two is up to date" in ork("deploy").out
    monkeypatch.chdir("/")
    (clones[2] / part / "flows/two.yaml").write_text(TWO.replace("cat", "tac"))
    assert "two is up to date" in ork("deploy", str(clones[1] / part / "flows")).out
    done = ork("deploy", str(clones[2] / part / "flows"))
    assert (done.code, "cat made.txt" in done.out + ork("diff", "two~1", "two").out) == (0, True)
    assert len(ork("log", "two", "--oneline").out.splitlines()) == 2
    monkeypatch.chdir(server / part)
    assert ork("status").out.startswith("behind    flows/two.yaml  two ")
    assert ork("restore", "two").code == 0
    assert "tac" in (server / part / "flows/two.yaml").read_text()


def test_every_command_works_on_the_clone_that_it_is_in(
    ork: Ork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository without a file of the store is none, nor one with a store of its own."""
    server, clone, other, own = folders = [tmp_path / name for name in ("server", "a", "b", "own")]
    for folder in folders:
        (folder / ".git").mkdir(parents=True)
    for folder in (server, clone, own):
        (folder / "two.yaml").write_text(TWO)
    monkeypatch.chdir(own)
    assert ork("deploy").code == 0
    monkeypatch.chdir(server)
    assert ork("init").code == 0
    ork.environ["ORK_STORE"] = str(server)
    monkeypatch.chdir(clone)
    assert (ork("run").code, ork("status").out[:19]) == (1, "unchanged two.yaml ")
    (clone / "in.txt").write_text("in")
    assert ork("retry", "two").code == 0
    assert (clone / "made.txt").exists()
    with closing(
        location.open_here(server / ".ork", environ={})
    ) as store:  # as `ork up` does for each run
        assert store.project == clone
    (server / "two.yaml").write_text(TWO.replace("cat", "tac"))
    monkeypatch.chdir(server)
    assert ork("deploy").code == 0
    monkeypatch.chdir(clone)
    assert "`ork restore two --code` writes the newest" in ork("deploy").err
    assert ork("restore", "two", "--code").code == 0
    assert "tac" in (clone / "two.yaml").read_text()
    (server / "two.yaml").write_text(TWO)
    for folder in (other, own):
        monkeypatch.chdir(folder)
        assert "modified  ../server/two.yaml  two " in ork("status").out
    assert ork("check", "../server/two.yaml").code == 0


TWO = """
name: two
tasks:
  make: {executor: process, command: "cp in.txt made.txt"}
  use: {executor: process, command: "cat made.txt", depends_on: [make]}
"""


def test_a_run_tells_in_which_of_several_folders_it_was(
    ork: Ork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ork.environ |= {"ORK_STORE": f"sqlite:{tmp_path}/team.db", "HOME": str(tmp_path)}
    first, second = ork.folder, tmp_path / "second"
    for folder in (first, second):
        folder.mkdir(exist_ok=True)
        (folder / "two.yaml").write_text(TWO)
        (folder / "in.txt").write_text(f"{folder}\n")
    assert ork("run", "two.yaml").code == 0
    assert "note" not in ork("run", "--from", "use").err
    monkeypatch.chdir(second)
    part = ork("run", "two.yaml", "--from", "use")
    assert f"note: make ran in {first}: files that it wrote are there\n" in part.err
    assert "(good): another folder - " in part.err
    assert ork("run", "two.yaml").code == 0
    assert f"place    the project's folder {second}\n" in ork("show", "two#4").out
    told = ork("diff", "two#1", "two#4").out
    assert f'environment  folder  "{first}" -> "{second}"\n' in told
    again = ork("retry", "two#3").err
    assert "note: make ran in" in again
    shutil.move(first, tmp_path / "moved")
    assert "note" not in ork("run", "--from", "use", "--base", "two#1").err, "what moved is here"


@pytest.mark.parametrize("by", ["init --store", "--store"])
def test_a_path_that_is_not_utf8_is_refused_before_anything_is_made(
    ork: Ork, tmp_path: Path, by: str
) -> None:
    folder = tmp_path / "odd\udcff"
    folder.mkdir()
    ork.environ["XDG_STATE_HOME"] = str(tmp_path / "state")
    rest = ["log"] if by == "--store" else []
    words = [sys.executable, "-m", "ork", *by.split(), f"sqlite:{folder}/x.db", *rest]
    done = subprocess.run(words, env=ork.environ, capture_output=True, text=True)
    assert (done.returncode, "is not UTF-8" in done.stderr) == (2, True), done.stderr
    assert [*folder.iterdir(), *ork.folder.iterdir()] == []
    assert not (tmp_path / "state").exists()
    os.chdir(folder)
    assert ork("init", "--store", "sqlite:x.db").code == ork("ops").code == 0


def test_a_project_does_not_remember_a_store_that_could_not_be_made(
    ork: Ork, tmp_path: Path
) -> None:
    done = ork("init", "--store", f"sqlite:{tmp_path}/nowhere/x.db")
    assert (done.code, "no store can be made in" in done.err) == (4, True)
    done = ork("init", "--store", "sqlite:.ork/x")
    assert (done.code, "`ork init --store sqlite:` makes it" in done.err) == (2, True)
    assert not (ork.folder / ".ork").exists()


def test_what_is_in_memory_is_gone_with_the_command(etl: Ork) -> None:
    done = etl("--store", "memory:", "run", "etl.yaml")
    assert (done.code, done.out.split()[:2]) == (0, ["etl#1", "success"])
    assert etl("--store", "memory:", "log").code == 3
    assert not (etl.folder / ".ork").exists()
    assert not list((etl.folder / ".local/state/ork/stores").iterdir())


def test_a_store_that_is_not_there_is_not_made_by_looking(ork: Ork, tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/none.db"
    done = ork("--store", url, "log")
    assert done.code == 3
    assert done.err == (
        f"error: there is no store in {url}\nhint: `ork init --store {url}` makes one\n"
    )
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('store = "sqlite"', 3, 'store = "URL" is wanted'),
        ("store = 7", 3, 'store = "URL" is wanted'),
        ('store = "mysql://h/x"', 2, "is no kind of store"),
        ('store = "sqlite:', 3, "config.toml: "),
        (f'store = "sqlite://ann{COLON}secret@h/x"', 3, "there is a password"),
        ('store = "os.path:join"', 3, "may not name a class of Python"),
    ],
)
def test_a_file_that_names_no_store_is_refused(ork: Ork, text: str, code: int, words: str) -> None:
    ork.write(".ork/config.toml", text)
    for line in ("log", "fsck", "init", "fsck --repair"):
        done = ork(*line.split())
        assert (done.code, words in done.err, "secret" in done.err) == (code, True, False), line


def test_data_of_its_own_come_before_what_a_file_says(etl: Ork) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    etl.write(".ork/config.toml", 'store = "sqlite:/nowhere/x.db"\n')
    assert etl("log").code == 0


def test_no_password_is_recorded(ork: Ork, etl: Ork, tmp_path: Path) -> None:
    for url in (
        f"postgresql://ann{COLON}s3cret@h/x",
        "postgresql://ann:s3/c@ret@h/x?sslmode=require",
        "postgresql://ann:s3?c@ret@h/x?sslmode=require",
        f"postgresql://ann{COLON}3s3@h:5432/x",
        "postgresql://h/x?user=ann&password=s3cret&sslmode=require",
        "postgresql://h/x?password=s3cret",
    ):
        shown = public(url)
        assert "s3" not in shown and shown.startswith("postgresql://") and shown[-1].isalnum()
        assert "s3" not in etl("--store", url, "log").err
        assert f"`ork --store {public(url)} graph`" in etl("--store", url, "dag").err.replace(
            "'", ""
        )
    for url in ("postgresql://h:5432/x?options=a@b", "postgresql://h:1,i:2/x?a=b@c", "s3://b/a:c"):
        assert public(url) == url
    message = f"see postgresql://ann{COLON}s3cret@h/x"
    assert etl("deploy", "etl.yaml", "-m", message, "--allow-secret").code == 0
    assert "s3cret" not in etl("ops").out


def test_two_who_make_the_same_store_both_have_it(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    for number in range(8):
        url = f"{('sqlite', 'files')[number % 2]}:{tmp_path}/{number}.db"

        def make(url: str = url) -> None:
            location.make(location.of_url(url, environ=environ), environ=environ)

        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(make) for _ in range(4)]:
                done.result()
        location.open_url(url, environ=environ).close()
    assert not list(tmp_path.glob(".*tmp*"))


@pytest.mark.slow
def test_a_place_that_has_a_store_is_not_remembered_where_a_backup_was_to_go(
    etl: Ork, tmp_path: Path
) -> None:
    one, two = (f"sqlite:{tmp_path}/{name}.db" for name in ("one", "two"))
    assert etl("--store", one, "deploy", "etl.yaml").code == 0
    assert etl("deploy", "etl.yaml").code == 0
    refused = etl("init", "--from", ".", "--store", one, "copy")
    assert (refused.code, (etl.folder / "copy").exists()) == (3, False)
    assert etl("init", "--store", one, "copy").code == 0
    refused = etl("init", "--from", ".", "--store", two, "copy")
    assert refused.code == 2 and f"has its store already: {one}" in refused.err


def test_a_place_that_is_no_store_is_not_remembered(etl: Ork, tmp_path: Path) -> None:
    bad, good = (f"sqlite:{tmp_path}/{name}.db" for name in ("bad", "good"))
    assert etl("deploy", "etl.yaml").code == 0
    (tmp_path / "bad.db").write_text("nothing of a database\n" * 100)
    for more in ((), ("--from", ".")):
        refused = etl("init", "--store", bad, *more, "copy")
        assert refused.code == 4 and "not a database" in refused.err
        assert not (etl.folder / "copy/.ork").exists()
    assert etl("init", "--store", good, "copy").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("source", [(), ("--from", ".")])
def test_a_place_that_is_gone_is_in_the_way_of_none(
    etl: Ork, tmp_path: Path, source: tuple[str, ...]
) -> None:
    urls = [f"sqlite:{tmp_path}/{name}.db" for name in ("gone", "taken", "new")]
    assert etl("deploy", "etl.yaml").code == 0
    assert etl("init", "--store", urls[0], "copy").code == 0
    remembered = etl.folder / "copy/.ork/config.toml"
    remembered.write_text(remembered.read_text() + "[keep]\nruns = 7\n")
    for path in tmp_path.glob("gone.db*"):
        path.unlink()
    if source:
        assert etl("init", "--from", ".", "--store", urls[1], "taken").code == 0
        assert etl("init", *source, "--store", urls[1], "copy").code == 3
        assert "gone.db" in remembered.read_text()
    assert etl("init", *source, "--store", urls[2], "copy").code == 0
    assert remembered.read_text() == f'store = "{urls[2]}"\n[keep]\nruns = 7\n'
    assert not (tmp_path / "gone.db").exists()
    assert etl("-C", "copy", "fsck").code == 0


@pytest.mark.parametrize("kind", ["lmdb", "sqlite", "files"])
def test_what_a_writer_was_told_is_nowhere_beside_the_data_when_it_has_ended(
    etl: Ork, tmp_path: Path, kind: str
) -> None:
    url = f"{kind}:{tmp_path}/there/team.db"
    (tmp_path / "there").mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "ork", "--store", url, "deploy", "etl.yaml", "-m", "hidden-word"],
        cwd=etl.folder,
        env=etl.environ,
        check=False,
    )
    assert done.returncode == 0
    notes = [path for path in (tmp_path / "there").rglob("*gate*") if path.is_file()]
    assert notes and all(not path.read_bytes().strip() for path in notes)


@pytest.mark.parametrize("environ", [{}, {"XDG_STATE_HOME": "/proc/none"}, {"HOME": "/proc"}])
def test_where_there_is_no_folder_for_what_runs_need_it_is_said_what_to_set(
    ork: Ork, tmp_path: Path, environ: dict[str, str]
) -> None:
    for name in ("HOME", "XDG_STATE_HOME"):
        ork.environ.pop(name, None)
    ork.environ.update(environ)
    done = ork("--store", f"sqlite:{tmp_path}/x.db", "runs")
    assert (done.code, done.out) == (4, "")
    assert "hint: set XDG_STATE_HOME, or HOME, to a folder that you can write" in done.err


class Mine:
    """A backend of somebody else: it has what `Memory` has, under an address of its own."""

    exists, create = staticmethod(lambda at: at == "here"), staticmethod(lambda at: None)

    @staticmethod
    def open(at: str, *, readonly: bool = False) -> object:
        from ork.backends.memory import Memory

        if at != "here":
            raise NotFound(f"it is not {at}", hint="say here")
        return Memory.open(at)


def test_a_class_of_somebody_else_is_named_by_who_runs_ork(etl: Ork) -> None:
    assert etl("--store", f"{__name__}:Mine:here", "run", "etl.yaml").code == 0
    for url in (f"{__name__}:Mine:there", f"{__name__}:Yours", "no.such:Thing", "os.path:join"):
        done = etl("--store", url, "log")
        assert (done.code, "hint: " in done.err) == (3 if "there" in url else 2, True)


def test_python_opens_a_url(etl: Ork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(etl.folder)
    project = api.open(f"sqlite:{tmp_path}/x.db", create=True)
    project.deploy("etl.yaml")
    assert project.store.project == etl.folder
    project.close()
    project = api.open(f"sqlite:{tmp_path}/x.db")
    assert [entry.deploy.workflow for entry in project.log("etl")] == ["etl"]
    project.close()


def test_files_that_others_can_write_are_trusted_where_nothing_maps_them(
    etl: Ork, tmp_path: Path
) -> None:
    for kind, code in (("lmdb", 4), ("sqlite", 0)):
        url = f"{kind}:{tmp_path}/{kind}.db"
        assert etl("--store", url, "deploy", "etl.yaml").code == 0
        (tmp_path / f"{kind}.db").chmod(0o777)
        done = etl("--store", url, "log")
        assert (done.code, "can be written by every user" in done.err) == (code, code == 4)


@pytest.mark.parametrize("kind", ["lmdb", "sqlite", "files"])
def test_the_data_of_a_store_are_opened_by_its_own_name_only(ork: Ork, kind: str) -> None:
    """Else a run would have two owners with a lock each, and logs in two places."""
    assert ork("init", "--store", f"{kind}:").code == 0
    at = location.on_disk(ork.folder / ".ork", environ={}).at
    (ork.folder / "link").symlink_to(at)
    for place in (at, "link"):
        refused = ork("--store", f"{kind}:{place}", "log")
        assert refused.code == 4
        assert f"name that one: --store {ork.folder}/.ork" in refused.err


def test_a_project_may_be_named_in_place_of_its_store(etl: Ork, tmp_path: Path) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    for name in (f"{etl.folder}", f"{etl.folder}/.ork"):
        assert etl("--store", name, "log", "--json").out == etl("log", "--json").out
    (etl.folder / "below").mkdir()
    for variable in ("ORK_STORE", "ORK_DIR"):
        etl.environ[variable] = ".."
        assert etl("-C", f"{etl.folder}/below", "workflows").out.startswith("etl ")
        del etl.environ[variable]


def test_a_folder_that_is_no_store_is_told_what_it_lacks(ork: Ork) -> None:
    (ork.folder / "my flows").mkdir()
    ork.environ["ORK_STORE"] = "my flows"
    named = ork("log")
    del ork.environ["ORK_STORE"]
    given = ork("--store", "my flows", "log")
    assert given.code == 4
    assert given.err == named.err
    assert given.err == (
        f"error: {ork.folder}/my flows is not an ork store: it has no config.json, as a store"
        " has, and no .ork, as a project has\n"
        f"hint: `ork -C '{ork.folder}/my flows' init` makes a store in it\n"
    )
    (ork.folder / ".ork").mkdir()
    assert ork("log").err == (
        f"error: {ork.folder}/.ork is not an ork store: it has neither config.json nor db\n"
        "hint: once it is out of the way, `ork init` makes a store\n"
    )
    (ork.folder / ".ork/db").mkdir()
    assert "hint: if it was one, `ork fsck --repair` writes it anew\n" in ork("log").err


@pytest.mark.parametrize("scheme", ["files", "lmdb"])
def test_a_folder_that_is_the_data_of_a_store_is_told_by_its_url(etl: Ork, scheme: str) -> None:
    data = etl.folder.parent / "team"
    assert etl("init", "--store", f"{scheme}:../team", "../admin").code == 0
    assert etl("deploy", "etl.yaml").code == 0
    before = sorted(data.iterdir())
    lines = [
        "remote add team ../team",
        "push ../team",
        "clone ../team ../copy",
        "clone . ../team",
        "init --from ../team ../copy",
        "--store ../team log",
        "-C ../team log",
        "-C ../team init",
        "-C ../team init --store sqlite:../x.db",
    ]
    for line in lines:
        os.chdir(etl.folder)
        told = etl(*line.split())
        assert told.code == 2, line
        assert told.err.startswith(f"error: {data} is the data of a store, and no project\n"), line
        assert f"hint: write {scheme}:{data} for that store, as in `ork " in told.err
    assert sorted(data.iterdir()) == before
    assert not list(data.parent.glob("x.db*")) and not (data.parent / "copy").exists()
    os.chdir(etl.folder)
    assert etl("push", f"{scheme}:{data}").code == 0
    named = etl("--store", ".ork/db", "log").err
    assert f"hint: write {etl.folder}/.ork for that store" in named


@pytest.mark.slow
def test_who_joins_a_store_with_a_history_is_told_of_it(etl: Ork, tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path}/team.db"
    assert etl("init", "--store", url).err.endswith("keeps the first version of a workflow\n")
    assert etl("run", "etl.yaml").code == 0
    joined = etl("init", "--store", url, "../second")
    assert joined.out == f"From now on this project has the store in {url}: 1 workflow\n"
    told = "next: `ork -C ../second log` shows the history,"
    told += " `ork -C ../second restore --all --code` writes the files\n"
    assert told in joined.err
    ran = etl("-C", "../second", "run", "etl")
    assert "etl.yaml is not here" in ran.err and "is gone" not in ran.err


@pytest.mark.slow
def test_a_store_that_would_fire_what_another_fires_says_so(etl: Ork) -> None:
    assert etl("run", "etl.yaml").code == 0
    assert etl("run", "--queue", "etl").code == 0
    made = etl("init", "--from", ".", "../copy")
    assert "1 schedule and 1 waiting run came along: end the ork up of the other store" in made.err
