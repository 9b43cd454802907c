"""A store that somebody sent: looking at it, and running in it, touches no file of the reader."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from ork.errors import Conflict, Corrupt, StoreError
from ork.objects.kinds import Blob, Run
from ork.objects.value import replace
from ork.runner import owner, record
from ork.store import location
from ork.store.runs import id_time
from tests.runs import begin_run

FLOW = 'name: w\ntasks: {t: {executor: process, command: "true"}}\n'


@pytest.fixture
def sent(ork):
    """A project that has run once, beside a folder of the reader."""
    (ork.folder / "w.yaml").write_text(FLOW)
    assert ork("run", "w.yaml").code == 0
    thesis = ork.folder / "Documents" / "thesis.txt"
    thesis.parent.mkdir()
    thesis.write_text("years of work")
    yield ork
    assert thesis.read_text() == "years of work"


def add_ref(ork, name):
    backend = location.open_backend(ork.folder / ".ork", environ=ork.environ)
    [(_, oid)] = backend.refs("runs/w/")
    assert backend.write({}, {name: (None, oid)})
    backend.close()


@pytest.mark.parametrize("command", [("log",), ("runs",), ("run", "w"), ("retry", "w#1")])
def test_checkouts_that_are_a_link_to_the_readers_folders_are_refused(sent, command):
    add_ref(sent, "active/Documents/.run")
    (sent.folder / ".ork/work").symlink_to("..")
    result = sent(*command)
    assert (result.code, "work is a link" in result.err) == (4, True)


@pytest.mark.parametrize("name", ["Documents", "..", ".", "a b"])
def test_a_run_in_progress_by_another_name_is_damage(sent, name):
    add_ref(sent, f"active/{name}/.run")
    assert sent("log").code == 4


def test_locks_that_are_a_link_to_the_readers_folder_are_refused(sent):
    shutil.rmtree(sent.folder / ".ork/locks")
    (sent.folder / ".ork/locks").symlink_to("../Documents")
    result = sent("run", "w")
    assert (result.code, "locks is a link" in result.err) == (4, True)


def test_a_file_among_the_locks_that_is_no_lock_stays(sent):
    note = sent.folder / ".ork/locks/.note"
    note.write_text("mine")
    assert sent("run", "w").code == 0
    assert note.read_text() == "mine"


def test_a_lock_that_is_a_link_is_not_followed(sent):
    (sent.folder / ".ork/locks/victim").symlink_to("../../new.txt")
    sent("run", "w")
    assert not (sent.folder / "new.txt").exists()


# Whatever ork makes below `.ork` may be something else in a store that somebody sent.
FILES = (".gitignore", "anchor", "config.json", "db/data.mdb", "db/gate", "db/lock.mdb")
FOLDERS = ("db", "locks", "logs", "work")
LOOKS = ("log", "runs", "status", "show w", "diff w#1 w", "logs w#1", "watch w#1", "cancel w#1")
CHANGES = ("deploy w.yaml", "run w", "retry w#1", "tag w@v2", "rollback w~1", "undo")
# In the folders of a run: what the commands that come to them are, by name.
OF_RUN = {
    "logs/w": ("run w", "retry w#1"),
    "logs/w/RUN": ("retry w#1",),
    "logs/w/RUN/begun": ("retry w#1",),
    "logs/w/RUN/1.log": ("logs w#1", "retry w#1"),
    "locks/RUN": ("retry w#1",),
    "work/RUN": ("retry w#1 --checkout",),
}
KINDS = ("pipe", "socket", "device", "link", "dangling", "folder", "file")


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A store with a run that failed, to be copied."""
    return tmp_path_factory.mktemp("template")


@pytest.fixture
def hostile(ork, template):
    """A project whose run has failed, beside a folder of the reader; no command may take long."""
    ork.write("w.yaml", "name: w\ntasks: {t: {executor: process, command: echo seen; exit 1}}\n")
    if not (template / ".ork").exists():
        assert ork("run", "w.yaml").code == 1
        shutil.copytree(ork.folder / ".ork", template / ".ork")
    else:
        shutil.copytree(template / ".ork", ork.folder / ".ork")
    ork.write("Documents/thesis.txt", "years of work")
    before = signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(30)
    yield ork
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    assert os.listdir(ork.folder / "Documents") == ["thesis.txt"]
    assert (ork.folder / "Documents/thesis.txt").read_text() == "years of work"


def _too_long(number, frame):
    pytest.fail("a command waits for ever")


def put(place: Path, kind: str, documents: Path) -> None:
    """Put something of this kind in a place."""
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        here = os.getcwd()
        os.chdir(place.parent)  # the path of a socket must be short
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(place.name)
        os.chdir(here)
    elif kind == "device":
        try:
            os.mknod(place, 0o600 | 0o020000, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("only root makes devices")
    elif kind == "folder":
        place.mkdir(mode=0o700)
        (place / "kept.txt").touch()
    elif kind == "file":
        place.write_text("kept")
    else:
        name = "new" if kind == "dangling" else ""
        place.symlink_to(os.path.relpath(documents / name, place.parent))


def told(ork, place: Path, command: str) -> None:
    """Check that a command says what is wrong with a place, and leaves it as it is."""
    before = place.lstat()
    result = ork(*command.split())
    assert result.code == 4, (command, result)
    assert place.name in result.err, (command, result.err)
    after = place.lstat()
    assert (after.st_ino, after.st_mode, after.st_size) == (
        before.st_ino,
        before.st_mode,
        before.st_size,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
@pytest.mark.turns(3)
def test_no_command_uses_what_is_not_what_ork_makes(hostile, name, kind):
    if kind == ("file" if name in FILES else "folder"):
        pytest.skip("so it is to be")
    place = hostile.folder / ".ork" / name
    put(place, kind, hostile.folder / "Documents")
    for command in (*LOOKS, *CHANGES):
        told(hostile, place, command)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", OF_RUN)
@pytest.mark.turns(3)
def test_no_command_uses_what_is_not_what_a_run_makes(hostile, name, kind):
    last = name.rpartition("/")[2]
    is_file = "." in last or last == "begun" or name == "locks/RUN"
    if kind == ("file" if is_file else "folder"):
        pytest.skip("so it is to be")
    [run] = os.listdir(hostile.folder / ".ork/logs/w")
    place = hostile.folder / ".ork" / name.replace("RUN", run)
    put(place, kind, hostile.folder / "Documents")
    for command in OF_RUN[name]:
        told(hostile, place, command)


@pytest.mark.parametrize("text", ["2", "{}", '{"times":-1}', '{"times":true}'])
def test_who_is_asked_to_stop_by_what_is_no_request_says_so(sent, opened, text):
    store = opened()
    run = begin_run(store, store.ref("workflows/w")).run
    with store.transaction() as tx:
        tx.move(f"stops/{run.id}", old=None, new=tx.add(Blob(text.encode())))
    with pytest.raises(Corrupt, match="no request to stop"):
        owner.stops_asked(store, run)


# No loop without an end: what may have moved is looked at again; when it has not, that is told.


@pytest.fixture
def pin(hostile, opened):
    """A run that is to begin, and the store."""
    store = opened()
    [(_, oid)] = store.refs("numbers/w/")
    before = store.get(Run, oid)
    return replace(before, state="running", created=before.created + timedelta(days=1)), store


def write_ref(store, name):
    [(_, oid)] = store.refs("numbers/w/", newest_first=True)
    assert store.backend.write({}, {name: (None, oid)})


def test_a_run_whose_place_is_taken_for_ever_does_not_begin(pin):
    run, store = pin
    write_ref(store, f"active/{id_time(run.created)}-x/.run")
    with pytest.raises(Conflict):
        record.begin(store, run, {}, random="x")


def test_a_run_that_lost_the_record_of_a_task_does_not_end_for_ever(pin):
    run, store = pin
    begun = record.begin(store, run, {}, random="x")
    begun.saved["t"] = begun.oid
    with pytest.raises(Conflict):
        begun.fold(replace(begun.run, state="failed", ended=run.created), {}, {})
    begun.release()


@pytest.mark.parametrize("name", ["latest", "\u0663", "9" * 5000, "12"])
def test_a_number_that_is_none_is_damage(pin, name):
    run, store = pin
    try:
        write_ref(store, f"numbers/w/{name}")
    except StoreError:
        return  # so long a name cannot even be stored
    with pytest.raises(Corrupt):
        record.begin(store, run, {}, random="x")


def test_an_id_that_begins_with_no_time_is_damage(pin):
    run, store = pin
    write_ref(store, "runs/w/zzz")
    with pytest.raises(Corrupt):
        record.begin(store, run, {}, random="x")
