"""Restore: byte for byte, never outside, never over what is kept nowhere, all or nothing."""

import os
import resource
import stat
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from ork.errors import Conflict, Corrupt, InvalidInput, NotFound, StoreError, UsageError
from ork.files import lock, open_folder
from ork.heads.deploy import deploy, status
from ork.heads.rollback import rollback
from ork.objects import tree
from ork.objects.kinds import Blob, Deploy, FileEntry, Snapshot, Source
from ork.objects.value import replace
from ork.store.store import Store
from ork.worktree import destination
from ork.worktree import restore as module
from ork.worktree.restore import restore, restored_bytes
from tests.store.test_resolve import add_run
from tests.stores import NOON, contents, stamp

NOW = NOON + timedelta(days=10)
TEXT = """\
name: etl
include: [data/*.txt]
tasks:
  extract: {executor: python, file: tasks/etl.py, timeout: NUMBER}  # seconds
  load: {executor: process, command: ./load.sh, depends_on: [extract]}
"""


def write(folder, number):
    """Write version NUMBER of a workflow in flows/, with line ends as some editors leave them."""
    (folder / "flows/tasks").mkdir(parents=True, exist_ok=True)
    (folder / "flows/data").mkdir(exist_ok=True)
    text = TEXT.replace("NUMBER", str(number)).replace("# seconds\n", "# seconds\r\n")
    (folder / "flows/etl.yaml").write_bytes(text.encode())
    (folder / "flows/tasks/etl.py").write_text(f"def main():\n    return {number}\n")
    (folder / "flows/load.sh").write_text(f"#!/bin/sh\necho {number}\n")
    (folder / "flows/load.sh").chmod(0o755)
    (folder / f"flows/data/{number}.txt").write_text(str(number))


def files(folder):
    """Return everything in a folder but the store: path -> bytes and permissions."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
        for path in folder.rglob("*")
        if path.is_file() and ".ork" not in path.parts
    }


@pytest.fixture
def etl(project, monkeypatch):
    """Two deploys of flows/etl.yaml with all their files; on disk are those of the second."""
    folder = project.project
    monkeypatch.chdir(folder)
    deploys, versions = [], []
    for number in (1, 2):
        write(folder, number)
        done = deploy(project, folder / "flows/etl.yaml", stamp=stamp(number), message=f"n{number}")
        deploys.append(done.deploy)
        versions.append(files(folder))
    return SimpleNamespace(
        store=project,
        folder=folder,
        deploys=deploys,
        versions=versions,
        back=lambda revision="etl~1", **options: restore(project, revision, now=NOW, **options),
    )


def ending_with(store, end):
    """Return the oid of the object whose bytes end so."""
    return next(oid for oid, data in contents(store)[0].items() if data.endswith(end))


def states(done):
    return {file.path: file.state for file in done.files}


def test_the_workflow_file_comes_back_byte_for_byte(etl):
    done = etl.back()
    assert states(done) == {"flows/etl.yaml": "written"}
    assert (done.workflow, done.deploy) == ("etl", etl.deploys[0])
    now, was = files(etl.folder), etl.versions[0]
    assert now["flows/etl.yaml"] == was["flows/etl.yaml"]
    assert b"# seconds\r\n" in now["flows/etl.yaml"][0]
    assert now["flows/tasks/etl.py"] == etl.versions[1]["flows/tasks/etl.py"]
    assert states(etl.back()) == {"flows/etl.yaml": "unchanged"}


def test_with_its_code_and_whether_it_can_be_executed(etl):
    (etl.folder / "flows/load.sh").chmod(0o644)
    (etl.folder / "flows/tasks/etl.py").unlink()
    done = etl.back(code=True)
    assert states(done) == {
        "flows/data/1.txt": "unchanged",
        "flows/etl.yaml": "written",
        "flows/load.sh": "written",
        "flows/tasks/etl.py": "written",
    }
    now = files(etl.folder)
    assert {path: now[path] for path in etl.versions[0]} == etl.versions[0]
    # What this version had not is left alone, and told of since the pattern finds it.
    assert done.surplus == ("flows/data/2.txt",)


def test_after_a_rollback_and_a_restore_nothing_is_changed(etl):
    (etl.folder / "flows/data/2.txt").rename(etl.folder / "2.txt")
    rollback(etl.store, "etl", "etl~1", stamp=stamp(3), now=NOW)
    etl.back("etl", code=True)
    assert [(one.path, one.state) for one in status(etl.store, etl.folder, author="Ada")] == [
        ("flows/etl.yaml", "unchanged")
    ]


@pytest.mark.parametrize(
    ("revision", "path"),
    [
        ("etl~1:", "etl.yaml"),
        ("etl~1:tasks/etl.py", "tasks/etl.py"),
        ("etl~1:./load.sh", "load.sh"),
        ("etl#1", "etl.yaml"),
        ("etl#1:load.sh", "load.sh"),
        ("etl~1^{snapshot}", "etl.yaml"),
    ],
)
def test_one_file_of_a_deploy_or_run(etl, revision, path):
    add_run(etl.store, 1, etl.deploys[0])
    assert states(etl.back(revision)) == {f"flows/{path}": "written"}
    changed = {f"flows/{path}": etl.versions[0][f"flows/{path}"]}
    assert files(etl.folder) == {**etl.versions[0], **etl.versions[1], **changed}
    assert restored_bytes(etl.store, revision, now=NOW) == changed[f"flows/{path}"][0]


@pytest.mark.parametrize("revision", ["etl~1:extract", "etl#1:extract"])
def test_one_task_of_a_deploy_or_run(etl, revision):
    add_run(etl.store, 1, etl.deploys[0])
    restored = ("flows/etl.yaml", "flows/tasks/etl.py")
    assert states(etl.back(revision)) == dict.fromkeys(restored, "written")
    changed = {path: etl.versions[0][path] for path in restored}
    assert files(etl.folder) == {**etl.versions[0], **etl.versions[1], **changed}
    code = etl.versions[0]["flows/tasks/etl.py"][0]
    assert restored_bytes(etl.store, revision, now=NOW) == code
    assert states(etl.back(revision, to=Path("old.py"))) == {"old.py": "written"}


def test_a_workflow_file_that_changes_while_a_task_is_restored_is_left_alone(etl, monkeypatch):
    file = etl.folder / "flows/etl.yaml"
    put_back = module.put_back

    def edit_meanwhile(*texts, **files):
        file.write_text("# of somebody\n" + file.read_text())
        return put_back(*texts, **files)

    monkeypatch.setattr(module, "put_back", edit_meanwhile)
    with pytest.raises(InvalidInput, match="that would lose changes"):
        etl.back("etl~1:extract", force=True)
    assert file.read_text().startswith("# of somebody\n")


def test_a_deploy_named_by_its_snapshot(etl):
    snapshot = etl.store.get(Deploy, etl.deploys[0]).snapshot
    assert etl.back(snapshot).deploy == etl.deploys[0]


def test_what_has_no_file(etl):
    assert states(etl.back("etl:load")) == dict.fromkeys(
        ("flows/etl.yaml", "flows/load.sh"), "unchanged"
    )
    for revision in ("etl:nothing", "nothing"):
        with pytest.raises(NotFound):
            etl.back(revision)
    blob = etl.store.ref("workflows/etl")
    source = etl.store.get(Deploy, blob).source.blob
    for revision in (source, etl.store.get(Snapshot, etl.store.get(Deploy, blob).snapshot).tasks):
        with pytest.raises(NotFound):
            etl.back(str(revision))
    with pytest.raises(UsageError, match="a file on disk already"):
        etl.back("file:flows/etl.yaml")
    with pytest.raises(UsageError, match="`code` restores all"):
        etl.back("etl:load.sh", code=True)


def test_elsewhere(etl):
    before = files(etl.folder)
    assert states(etl.back(to=Path("old.yaml"))) == {"old.yaml": "written"}
    assert states(etl.back(to=Path("a/b/old.yaml"))) == {"a/b/old.yaml": "written"}
    assert states(etl.back(to=Path("c"), as_folder=True)) == {"c/etl.yaml": "written"}
    (etl.folder / "d").mkdir()
    assert states(etl.back("etl~1:tasks/etl.py", to=Path("d"))) == {"d/tasks/etl.py": "written"}
    etl.back(to=Path("e"), code=True)
    now = files(etl.folder)
    assert {path: now[f"e/{path.removeprefix('flows/')}"] for path in etl.versions[0]} == (
        etl.versions[0]
    )
    assert {path: now[path] for path in before} == before


def test_changes_that_are_kept_nowhere_are_not_overwritten(etl):
    (etl.folder / "flows/etl.yaml").write_text("name: etl # my work\n")
    (etl.folder / "flows/load.sh").write_text("#!/bin/sh\n# more work\n")
    before = files(etl.folder)
    with pytest.raises(InvalidInput, match="that would lose changes") as caught:
        etl.back(code=True)
    assert [one.file for one in caught.value.problems] == ["flows/etl.yaml", "flows/load.sh"]
    assert "`ork deploy flows/etl.yaml`" in caught.value.hint
    assert "--force" in caught.value.hint
    assert files(etl.folder) == before
    etl.back(code=True, force=True)
    now = files(etl.folder)
    assert {path: now[path] for path in etl.versions[0]} == etl.versions[0]


def test_what_a_deploy_keeps_may_be_overwritten_and_comes_back(etl):
    for revision, version in (("etl~1", 0), ("etl", 1), ("etl~1", 0)):
        etl.back(revision, code=True)
        now = files(etl.folder)
        assert {path: now[path] for path in etl.versions[version]} == etl.versions[version]


def test_a_large_text_in_chunks_is_kept_as_well(etl):
    path = etl.folder / "flows/etl.yaml"
    large = path.read_bytes() + b"# a comment that says nothing at all\n" * 5000
    path.write_bytes(large + b"# v3\n")
    with pytest.raises(InvalidInput, match="would lose changes"):
        etl.back()
    text = large.replace(b"timeout: 2", b"timeout: 3")
    path.write_bytes(text)
    deploy(etl.store, path, stamp=stamp(3))
    etl.back("etl~1")
    assert len(path.read_bytes()) < 1000
    etl.back("etl")
    assert path.read_bytes() == text
    path.write_bytes(text + b"# and more\n")
    with pytest.raises(InvalidInput, match="would lose changes"):
        etl.back()


def test_what_is_only_held_for_now_is_not_kept(etl):
    from ork.worktree.load import load

    write(etl.folder, 9)
    load(etl.store, etl.folder / "flows/etl.yaml")
    with pytest.raises(InvalidInput, match="would lose changes"):
        etl.back("etl:load.sh")


def test_a_damaged_copy_in_the_store_does_not_count_as_kept(etl):
    store, path = etl.store, etl.folder / "flows/load.sh"
    oid = ending_with(store, b"echo 2\n")
    data = store.backend.get(oid)
    store.backend.sweep(lambda: [oid])
    store.backend.write({oid: data[:-2] + b"3\n"}, {})
    with pytest.raises(InvalidInput, match="would lose changes"):
        etl.back("etl~1:load.sh")
    path.unlink()
    with pytest.raises(Corrupt):
        etl.back("etl", code=True)
    assert not path.exists()


def test_links_are_not_followed(etl, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "etl.yaml").write_bytes(etl.versions[1]["flows/etl.yaml"][0])
    (etl.folder / "flows/etl.yaml").unlink()
    (etl.folder / "flows/etl.yaml").symlink_to(outside / "etl.yaml")
    (etl.folder / "flows/tasks").rename(outside / "tasks")
    (etl.folder / "flows/tasks").symlink_to(outside / "tasks")
    (etl.folder / "flows/load.sh").unlink()
    (etl.folder / "flows/load.sh").symlink_to(outside / "new")
    before = files(outside)
    with pytest.raises(InvalidInput, match="nothing was written") as caught:
        etl.back(code=True, force=True)
    assert [(one.file, one.message) for one in caught.value.problems] == [
        ("flows/etl.yaml", "is a link, which is not followed; remove it first"),
        ("flows/load.sh", "is a link, which is not followed; remove it first"),
        ("flows/tasks/etl.py", "lies below a link or a file, where nothing is restored"),
    ]
    assert files(outside) == before


def test_a_link_within_to_what_is_wanted_is_left_as_it_is(etl):
    (etl.folder / "flows/tasks").rename(etl.folder / "flows/lib")
    (etl.folder / "flows/tasks").symlink_to("lib")
    (etl.folder / "flows/data/2.txt").unlink()
    etl.back("etl:tasks/etl.py")
    assert states(etl.back("etl", code=True))["flows/tasks/etl.py"] == "unchanged"
    with pytest.raises(InvalidInput, match="nothing was written"):
        etl.back("etl~1", code=True)


def test_what_is_no_file_is_not_replaced(etl):
    (etl.folder / "flows/load.sh").unlink()
    (etl.folder / "flows/load.sh").mkdir()
    (etl.folder / "flows/tasks/etl.py").unlink()
    os.mkfifo(etl.folder / "flows/tasks/etl.py")
    with pytest.raises(InvalidInput) as caught:
        etl.back(code=True, force=True)
    assert [one.message for one in caught.value.problems] == ["is a folder", "is no regular file"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/etl.yaml",
        "/etl.yaml",
        "../etl.yaml",
        "a/../../etl.yaml",
        "./etl.yaml",
        "a//etl.yaml",
        "a/",
        "..",
        ".ork/config.json",
        ".git/config",
        "a/.GIT/hooks/pre-commit",
        "a\0b",
        ".ORK/x",
    ],
)
def test_no_path_of_the_store_leads_anywhere_else(etl, tmp_path, path):
    """A deploy of somebody else's store may name any path, for its text and for its code."""
    store, before = etl.store, files(tmp_path)
    value = store.get(Deploy, etl.deploys[0])
    snapshot = store.get(Snapshot, value.snapshot)
    with store.transaction() as tx:
        blob = tx.add(Blob(b"hostile"))
        root = tree.build({path: FileEntry(blob=blob, executable=True)}, tx.add, FileEntry)
        code = tx.add(replace(value, snapshot=tx.add(replace(snapshot, files=root))))
        text = tx.add(replace(value, source=Source(path=path, blob=blob)))
    for oid, options in (
        (code, {"code": True}),
        (text, {}),
        (code, {"code": True, "to": Path("x")}),
    ):
        with pytest.raises((InvalidInput, NotFound)) as caught:
            etl.back(oid, force=True, **options)
        assert caught.value.problems[0].message.startswith(("leads out", "lies in"))
    assert files(tmp_path) == before
    assert not (etl.folder / "x").exists()


def test_the_store_is_never_written_even_under_another_name(etl, tmp_path):
    (etl.folder / "alias").symlink_to(".ork")
    for to in (Path("alias/etl.yaml"), Path(".ork/etl.yaml"), Path(".ork/logs")):
        with pytest.raises(InvalidInput) as caught:
            etl.back(to=to)
        assert "lies in" in caught.value.problems[0].message


def test_a_name_that_is_file_and_folder_at_once(etl):
    store = etl.store
    value = store.get(Deploy, etl.deploys[0])
    with store.transaction() as tx:
        blob = tx.add(Blob(b""))
        entry = FileEntry(blob=blob, executable=False)
        root = tree.build({"new": entry, "new/b": entry, "new/b/c": entry}, tx.add, FileEntry)
        snapshot = replace(store.get(Snapshot, value.snapshot), files=root)
        oid = tx.add(replace(value, snapshot=tx.add(snapshot)))
    with pytest.raises(InvalidInput) as caught:
        etl.back(oid, code=True)
    assert "cannot be below flows/new" in caught.value.problems[0].message


def test_when_one_file_cannot_be_written_none_is(etl):
    (etl.folder / "flows/tasks/etl.py").unlink()
    (etl.folder / "flows/tasks").rmdir()
    before = files(etl.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # only the workflow file is larger
    try:
        with pytest.raises(StoreError, match=r"cannot write flows/etl.yaml: File too large"):
            etl.back(code=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(etl.folder) == before
    assert not (etl.folder / "flows/tasks").exists()


def test_when_the_last_of_several_is_damaged_none_is_written(etl):
    store = Store(etl.store.backend, folder=etl.store.folder)  # holds nothing for now
    oid = ending_with(store, b"return 1\n")
    store.backend.sweep(lambda: [oid])
    (etl.folder / "flows/tasks/etl.py").unlink()
    (etl.folder / "flows/tasks").rmdir()
    before = files(etl.folder)
    with pytest.raises(Corrupt, match="missing"):
        restore(store, "etl~1", now=NOW, code=True)
    assert files(etl.folder) == before
    assert not (etl.folder / "flows/tasks").exists()


RESTORE = """
import sys
from pathlib import Path
from ork.store import location
from ork.store.store import Store
from ork.worktree.restore import restore
from tests.worktree.test_restore import NOW
folder = Path(".ork").resolve()
store = Store(location.open_backend(folder, environ={}), folder=folder)
restore(store, "etl~1", now=NOW, code=True)
"""


def remains(folder):
    return sorted(path.name for path in folder.rglob(".ork-restore*"))


@pytest.mark.slow
def test_what_a_killed_restore_has_left_is_removed_by_the_next_one(etl):
    words = [sys.executable, "-c", RESTORE]
    root = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": str(root), "ORK_FAILPOINT": "restore.staged"}
    before = files(etl.folder)
    assert subprocess.run(words, cwd=etl.folder, env=environ).returncode == -9
    left = remains(etl.folder)
    assert len(left) == 3
    key = left[0].split(".")[2]
    (etl.folder / f"flows/.ork-restore.{key}1.0123456789ab.0").touch()  # of another store
    with open_folder(etl.folder / ".ork/locks") as at:
        assert lock(at, shared=True)  # another restore is at work
        etl.back(code=True)
        assert set(left) < set(remains(etl.folder))
    etl.back("etl", code=True)
    assert remains(etl.folder) == [f".ork-restore.{key}1.0123456789ab.0"]
    assert files(etl.folder).items() >= before.items()


def test_a_file_that_changes_while_it_is_restored_is_left_alone(etl, monkeypatch):
    stage = destination._stage

    def slowly(at, name, content, found):
        stage(at, name, content, found)
        (etl.folder / "flows/load.sh").write_text("#!/bin/sh\n# saved just now\n")

    monkeypatch.setattr(destination, "_stage", slowly)
    with pytest.raises(Conflict, match=r"flows/load.sh changed meanwhile; nothing was written"):
        etl.back(code=True)
    now = files(etl.folder)
    assert now.keys() == etl.versions[1].keys()
    assert now["flows/etl.yaml"] == etl.versions[1]["flows/etl.yaml"]
    assert b"saved just now" in now["flows/load.sh"][0]


def test_permissions_of_a_file_stay_and_new_ones_follow_the_umask(etl):
    (etl.folder / "flows/etl.yaml").chmod(0o640)
    (etl.folder / "flows/load.sh").chmod(0o6700)  # which new content does not inherit
    (etl.folder / "flows/tasks/etl.py").unlink()
    old = os.umask(0o027)
    try:
        etl.back(code=True)
    finally:
        os.umask(old)
    modes = {path: mode for path, (_, mode) in files(etl.folder).items()}
    assert modes["flows/etl.yaml"] == 0o640
    assert (etl.folder / "flows/load.sh").stat().st_mode & 0o7777 == 0o700
    assert modes["flows/tasks/etl.py"] == 0o640
