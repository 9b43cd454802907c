from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import lmdb
import pytest
from blake3 import blake3

from ork.errors import Corrupt, StoreError
from ork.files import lock, open_folder
from ork.objects.canonical import Oid
from ork.store import location

ROOT = Path(__file__).parents[2]
A = Oid("a" * 64)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    location.create(tmp_path / ".ork")
    return tmp_path / ".ork"


@pytest.fixture
def foreign(store: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that belongs to somebody else, as seen by who runs the test."""
    monkeypatch.setattr(os, "geteuid", lambda: store.stat().st_uid + 4242)
    return store


def open_and_close(folder: Path, **environ: str) -> None:
    location.open_backend(folder, environ=environ).close()


def configure(home: Path, text: str) -> None:
    (home / ".config/ork").mkdir(parents=True)
    (home / ".config/ork/config.toml").write_text(text, "utf-8")


def modes(folder: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), path.stat().st_mode & 0o7777) for path in [folder, *folder.rglob("*")]}


def test_a_new_store_can_be_used(store: Path) -> None:
    backend = location.open_backend(store, environ={})
    assert backend.write({A: b"data"}, {"head": (None, A)})
    backend.close()
    backend = location.open_backend(store, environ={})
    assert backend.ref("head") == A
    backend.close()


@pytest.mark.lmdb
def test_a_store_is_laid_out_as_documented(store: Path) -> None:
    assert sorted(path.name for path in store.iterdir()) == [
        ".gitignore",
        "anchor",
        "config.json",
        "db",
        "logs",
    ]
    assert json.loads((store / "config.json").read_bytes()) == {"format": 3, "backend": "lmdb"}


def test_git_never_sees_a_store(store: Path) -> None:
    git = ["git", "-C", str(store.parent), "-c", "safe.directory=*"]
    subprocess.run([*git, "init", "-q"], check=True)
    status = subprocess.run([*git, "status", "--porcelain"], check=True, capture_output=True)
    assert status.stdout == b""


def test_nothing_unfinished_stays_behind(store: Path) -> None:
    assert [path.name for path in store.parent.iterdir()] == [".ork"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o777])
def test_only_the_owner_has_access_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        location.create(tmp_path / ".ork")
        open_and_close(tmp_path / ".ork")
    finally:
        os.umask(before)
    assert modes(tmp_path / ".ork") == {(True, 0o700), (False, 0o600)}


def test_making_a_store_again_keeps_the_first(store: Path) -> None:
    backend = location.open_backend(store, environ={})
    backend.write({}, {"head": (None, A)})
    location.create(store)
    assert backend.ref("head") == A
    backend.close()
    assert [path.name for path in store.parent.iterdir()] == [".ork"]


@pytest.mark.slow
def test_of_two_processes_one_makes_the_store_and_both_use_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from ork.store import location\n"
        "folder = Path(sys.argv[1]); print(flush=True); sys.stdin.readline()\n"
        "location.create(folder); backend = location.open_backend(folder, environ={})\n"
        "assert backend.write({}, {sys.argv[2]: (None, 'a' * 64)}); backend.close()\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / ".ork"), f"racer/{number}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        for number in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None and racer.stdout.readline() == b"\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"go\n")
        racer.stdin.flush()
    for racer in racers:
        racer.communicate(timeout=60)
        assert racer.returncode == 0
    backend = location.open_backend(tmp_path / ".ork", environ={})
    assert [name for name, _ in backend.refs("racer/")] == [f"racer/{n}" for n in range(4)]
    backend.close()
    assert [path.name for path in tmp_path.iterdir()] == [".ork"]


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".ork").mkdir()
    (tmp_path / ".ork/mine").write_text("precious")
    with pytest.raises(StoreError, match="no store can be made"):
        location.create(tmp_path / ".ork")
    assert [path.name for path in tmp_path.rglob("*")] == [".ork", "mine"]


def test_a_store_in_no_folder_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="No such file"):
        location.create(tmp_path / "absent" / ".ork")


def test_a_store_is_found_here_and_from_below(store: Path) -> None:
    below = store.parent / "a/b"
    below.mkdir(parents=True)
    assert location.find(store.parent, environ={}) == store
    assert location.find(below, environ={}) == store


def test_the_nearest_store_is_found(store: Path) -> None:
    inner = store.parent / "inner"
    inner.mkdir()
    location.create(inner / ".ork")
    assert location.find(inner, environ={}) == inner / ".ork"


def test_a_file_of_that_name_is_no_store(store: Path) -> None:
    inner = store.parent / "inner"
    inner.mkdir()
    (inner / ".ork").write_text("")
    assert location.find(inner, environ={}) == store


def test_where_there_is_none_none_is_found(tmp_path: Path) -> None:
    assert location.find(tmp_path, environ={}) is None
    assert location.find(tmp_path / "absent", environ={}) is None


def test_ork_dir_decides_and_need_not_exist(store: Path, tmp_path: Path) -> None:
    assert location.find(tmp_path, environ={"ORK_DIR": "/else/where"}) == Path("/else/where")
    assert location.find(tmp_path, environ={"ORK_DIR": "other"}) == tmp_path / "other"
    assert location.find(tmp_path, environ={"ORK_DIR": ""}) == store


def test_the_way_up_ends_where_the_file_system_does(store: Path) -> None:
    (store.parent / "disk").mkdir()
    code = (
        "from pathlib import Path; from ork.store import location\n"
        "import os; print(location.find(Path(os.environ['DISK']), environ={}))"
    )
    script = 'mount -t tmpfs none "$DISK" && exec "$PYTHON" -c "$CODE"'
    environ = {**os.environ, "DISK": str(store.parent / "disk"), "PYTHON": sys.executable}
    try:
        found = subprocess.run(
            ["unshare", "-rm", "sh", "-c", script],
            env={**environ, "CODE": code},
            capture_output=True,
            cwd=ROOT,
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if found.returncode != 0:
        pytest.skip("nothing can be mounted here")
    assert found.stdout == b"None\n"


@pytest.mark.parametrize("version", [4, 0, "1", "3", 2.5, True, None])
def test_another_format_is_refused_by_its_name(store: Path, version: object) -> None:
    (store / "config.json").write_text(json.dumps({"format": version, "backend": "lmdb"}))
    with pytest.raises(StoreError, match="store format") as error:
        open_and_close(store)
    assert repr(version) in error.value.message
    assert repr(version) in (error.value.hint or "")


def test_a_store_of_the_first_format_is_refused_before_it_is_touched(tmp_path: Path) -> None:
    db = tmp_path / ".ork/db"
    db.mkdir(parents=True, mode=0o700)
    (tmp_path / ".ork").chmod(0o700)
    (tmp_path / ".ork/config.json").write_text('{"backend":"lmdb","format":1}\n')
    with lmdb.open(str(db), lib_version=0) as env, env.begin(write=True) as txn:
        txn.put(b"format", b"1")
        txn.put(b"o" + blake3(b"ork1 blob\n").digest(), b"ork1 blob\n")
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in db.iterdir()}
    with pytest.raises(StoreError, match="made by an ork that was never released") as error:
        open_and_close(tmp_path / ".ork")
    assert error.value.exit_code == 4
    assert "ork export git" in (error.value.hint or "")
    assert "ork import git" in (error.value.hint or "")
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in db.iterdir()}


def test_a_store_of_an_ork_that_was_never_released_is_refused_with_the_way_on(store: Path) -> None:
    (store / "config.json").write_text('{"backend":"lmdb","format":2}')
    with pytest.raises(StoreError, match="never released") as error:
        open_and_close(store)
    assert "ork export git" in (error.value.hint or "")


def test_an_unknown_backend_is_refused(store: Path) -> None:
    (store / "config.json").write_text('{"format":3,"backend":"os:system"}')
    with pytest.raises(StoreError, match="backend 'os:system'"):
        open_and_close(store)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "{}", '{"format":3}', "\xff", "[" * 9999])
def test_a_damaged_config_is_damage(store: Path, text: str) -> None:
    (store / "config.json").write_text(text, "latin-1")
    with pytest.raises(Corrupt, match="is damaged"):
        open_and_close(store)


def test_a_folder_without_config_is_no_store(tmp_path: Path) -> None:
    (tmp_path / ".ork").mkdir(mode=0o700)
    with pytest.raises(StoreError, match="not an ork store"):
        open_and_close(tmp_path / ".ork")
    with pytest.raises(StoreError, match="there is no store in"):
        open_and_close(tmp_path / "absent")


@pytest.mark.lmdb
def test_a_store_without_its_data_is_an_error(store: Path) -> None:
    (store / "db/data.mdb").unlink()
    with pytest.raises(StoreError, match="there is no store in"):
        open_and_close(store)


def test_a_store_of_another_user_is_refused(foreign: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="belongs to another user") as error:
        open_and_close(foreign, HOME=str(tmp_path))
    assert f'safe_stores = ["{foreign}"]' in (error.value.hint or "")
    assert str(tmp_path / ".config/ork/config.toml") in (error.value.hint or "")


@pytest.mark.parametrize("entry", ["*", "{project}", "{project}/.ork", "{project}/", "~/project"])
def test_a_store_of_another_user_is_opened_when_it_is_named(foreign: Path, entry: str) -> None:
    home = foreign.parent / "home"
    home.mkdir()
    (home / "project").symlink_to(foreign.parent)
    configure(home, f"safe_stores = ['/other', '{entry.format(project=foreign.parent)}']")
    open_and_close(foreign, HOME=str(home))


def test_the_configuration_may_lie_elsewhere(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "xdg/ork").mkdir(parents=True)
    (tmp_path / "xdg/ork/config.toml").write_text("safe_stores = ['*']")
    open_and_close(foreign, HOME="/nowhere", XDG_CONFIG_HOME=str(tmp_path / "xdg"))


@pytest.mark.parametrize("text", ["", "safe_stores = []", "safe_stores = ['.', '.ork', '/']"])
def test_a_configuration_that_does_not_name_the_store_does_not_open_it(
    foreign: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(foreign.parent)
    configure(tmp_path, text)
    with pytest.raises(StoreError, match="belongs to another user"):
        open_and_close(foreign, HOME=str(tmp_path))


def test_a_key_that_is_not_known_is_told(foreign: Path, tmp_path: Path) -> None:
    configure(tmp_path, 'safe_store = ["*"]')
    with pytest.raises(StoreError, match='"safe_store" is not known') as error:
        open_and_close(foreign, HOME=str(tmp_path))
    assert error.value.hint == "it has `safe_stores` alone"


@pytest.mark.parametrize("text", ["safe_stores = '*'", "safe_stores = [1]", "safe_stores = ["])
def test_a_configuration_that_is_wrong_says_so(foreign: Path, text: str, tmp_path: Path) -> None:
    configure(tmp_path, text)
    with pytest.raises(StoreError, match=r"config\.toml"):
        open_and_close(foreign, HOME=str(tmp_path))


def test_the_users_own_store_needs_no_configuration(store: Path, tmp_path: Path) -> None:
    configure(tmp_path, "this is no TOML")
    open_and_close(store, HOME=str(tmp_path))


def test_root_by_way_of_sudo_may_open_the_callers_store(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = store.stat().st_uid
    if owner == 0:
        for path in [store, *store.rglob("*")]:
            os.chown(path, owner := 4242, -1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    open_and_close(store, SUDO_UID=str(owner))
    for caller in ("", str(owner + 1), "-1", "x", "²"):
        with pytest.raises(StoreError, match="belongs to another user"):
            open_and_close(store, SUDO_UID=caller)


def test_sudo_uid_means_nothing_to_others(foreign: Path) -> None:
    with pytest.raises(StoreError, match="belongs to another user"):
        open_and_close(foreign, SUDO_UID=str(foreign.stat().st_uid))


@pytest.mark.lmdb
@pytest.mark.parametrize("name", ["", "db", "db/data.mdb", "config.json"])
def test_a_store_that_everybody_can_write_is_refused(store: Path, name: str) -> None:
    path = store / name
    path.chmod(path.stat().st_mode | 0o002)
    with pytest.raises(StoreError, match="can be written by every user"):
        open_and_close(store)


@pytest.mark.lmdb
@pytest.mark.parametrize("name", ["db", "config.json", "db/data.mdb", "db/lock.mdb", "db/gate"])
def test_a_link_inside_a_store_is_refused(store: Path, name: str) -> None:
    (store / name).rename(store.parent / "elsewhere")
    (store / name).symlink_to(store.parent / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        open_and_close(store)


@pytest.mark.parametrize("name", ["locks", "code", "logs", "work", "db/more"])
def test_a_link_in_place_of_a_folder_of_a_store_is_refused(store: Path, name: str) -> None:
    elsewhere = store.parent / "elsewhere"
    elsewhere.mkdir()
    (store / name).rmdir() if (store / name).exists() else None
    (store / name).symlink_to("../elsewhere" if "/" not in name else "../../elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        open_and_close(store)


def test_a_store_behind_a_link_of_ones_own_is_opened(store: Path) -> None:
    project = store.parent / "project"
    project.mkdir()
    (project / ".ork").symlink_to(store)
    found = location.find(project, environ={})
    assert found == project / ".ork"
    open_and_close(found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a link away")
def test_a_link_of_another_user_to_ones_own_store_is_refused(store: Path) -> None:
    link = store.parent / "link"
    link.symlink_to(store)
    os.chown(link, 4242, -1, follow_symlinks=False)
    with pytest.raises(StoreError, match="link belongs to another user"):
        open_and_close(link)


def test_what_a_killed_init_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    dead, alive = tmp_path / ".ork.tmp-0123456789ab", tmp_path / ".ork.tmp-0123456789cd"
    mine, empty = tmp_path / ".ork.tmp-0123456789ef", tmp_path / ".ork.tmp-mine"
    for folder in (dead, alive, mine, empty):
        folder.mkdir()
    (dead / "db").mkdir()
    (mine / "notes.txt").write_text("x")
    with open_folder(alive) as at:
        assert lock(at)
        location.create(tmp_path / ".ork")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [".ork", alive.name, mine.name, empty.name]
