"""Loss of power at any moment: what is left is a whole store with all that was acknowledged.

What commands do to the disk is recorded; then every state is tried that the disk may be in after a
cut between two calls (see `power`).
"""

from __future__ import annotations

import faulthandler
import json
import random
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from blake3 import blake3

from ork.errors import OrkError
from ork.heads.deploy import deploy
from ork.objects.kinds import Run
from ork.store import location
from ork.store.contents import task_runs
from ork.store.operations import operations
from ork.store.store import Store
from ork.sync.backup import check_file
from ork.sync.bundle import BACKUP, open_bundle
from tests.damage import raw
from tests.scale import size
from tests.stores import stamp
from tests.sync.bundles import taken_apart
from tests.torture.conftest import Score
from tests.torture.power import Disk, Note, Tree, compile_recorder, recorded, write
from tests.upkeep.looks import in_child, look_here

ETL = """\
name: etl
tasks:
  first: {executor: process, command: "echo hunter2"}
  second: {executor: process, command: ./second.sh, depends_on: [first]}
"""
SECOND = "#!/bin/sh\necho 'ORK_OUTPUT:{\"n\": 1}'\n"
SECRET = b"hunter2"
STATES = size(100_000, by_day=2_000)
SHARES = 4  # in which they are tried, each of a life of its own
TOGETHER = 50  # as many are looked at by one process


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records, where there is a compiler of C."""
    if sys.platform != "linux" or not shutil.which("cc"):
        pytest.skip("NO LOSS OF POWER IS TRIED: that needs Linux and a compiler of C (cc)")
    return compile_recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def below(tmp_path: Path) -> Path:
    """A folder with a project in it that has no store yet."""
    project = tmp_path / "below" / "project"
    project.mkdir(parents=True)
    (project / "etl.yaml").write_text(ETL)
    (project / "second.sh").write_text(SECOND)
    (project / "second.sh").chmod(0o755)
    (project / "secret").write_bytes(SECRET)
    return project.parent


def a_life(project: Path, kind: str = "lmdb:") -> Iterator[str]:
    """All that writes a store, from its making on."""

    def edit(old: str, new: str) -> None:
        text = (project / "etl.yaml").read_text()
        assert old in text
        (project / "etl.yaml").write_text(text.replace(old, new))

    yield f"init --store {kind}"
    yield "deploy etl.yaml --json"
    yield "run etl --json"
    edit("echo", "printf")
    yield "tag etl@v1 etl --json"
    yield "run etl.yaml --json"
    yield "rollback etl etl~1 --json"
    yield "undo --json"
    edit("printf", "sleep 0; echo")
    yield "deploy etl.yaml --json"
    yield "gc --undo-days 0 --prune --json"
    yield "gc --prune --repack --json"
    yield "forget --text-file secret --yes --json"
    yield "tag etl@v2 etl --json"


def a_bundle(project: Path) -> Iterator[str]:
    """What makes `below/etl.bundle`."""
    yield "run etl.yaml"
    yield "tag etl@v1 etl"
    yield "bundle create ../etl.bundle etl --runs all"


def an_import(project: Path) -> Iterator[str]:
    """What takes the bundle into another project."""
    yield "-C ../other init"
    yield "-C ../other import bundle ../etl.bundle --json"
    yield "-C ../other tag etl@v2 etl --json"


def a_backup(project: Path) -> Iterator[str]:
    """Backups of both forms, and a store made of one."""
    yield "backup ../copy.orkbackup --json"
    yield "backup ../copy --json"
    yield "init --from ../copy.orkbackup ../restored"


def a_repair(project: Path) -> Iterator[str]:
    """The repair of a store, and a command after it."""
    yield "fsck --repair --json"
    yield "tag etl@v3 etl --json"


def told(text: str) -> list[Any]:
    """Return what was printed whole: lines of words, and the documents of JSON."""
    found: list[Any] = []
    while text := text.lstrip():
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError:
            value, _, rest = text.partition("\n")
            if not rest or value.startswith("{"):
                return found
            end = len(text) - len(rest)
        found.append(value)
        text = text[end:]
    return found


def missing(store: Store, said: Any) -> str | None:
    """Say what of an acknowledgement the store does not have."""
    if isinstance(said, str):
        return None
    data = said.get("data")
    wanted: set[tuple[str, str]] = set()
    if said["schema"] == "ork.deploy.v1":
        wanted = {(f"workflows/{one['workflow']}", one["deploy"]) for one in data}
    elif said["schema"] == "ork.rollback.v1":
        wanted = {("workflows/etl", data["deploy"])}
    elif said["schema"] == "ork.undo.v1":
        wanted = {(ref, new) for ref, _, new in data["moves"]}
    elif said["schema"] == "ork.tag.v1":
        wanted = {(f"tags/{one['workflow']}/{one['label']}", one["oid"]) for one in data}
    elif said["schema"] == "ork.run.v1":
        return _missing_of_run(store, said)
    elif said["schema"] == "ork.import-bundle.v1":
        return _missing_of_import(store, data)
    wanted -= {(ref, new) for _, one in operations(store) for ref, _, new in one.moves}
    return str(wanted) if wanted else None


def not_forgotten(folder: Path, acknowledged: list[Any]) -> list[str]:
    """Say which files of a store that nobody has opened have what was forgotten.

    To recover its journal, SQLite copies memory of the process into `store.db-shm` that it has not
    cleared, and the memory of this process has the secret.
    """
    if not any(isinstance(one, dict) and one["schema"] == "ork.forget.v1" for one in acknowledged):
        return []
    files = (path for path in folder.rglob("*") if path.is_file())
    return [f"{one.name} has what was forgotten" for one in files if SECRET in one.read_bytes()]


def _missing_of_import(store: Store, data: Any) -> str | None:
    assert store.folder is not None
    for ref, _, new in data["moves"]:
        if store.ref(ref) != new:
            return ref
    bundle = taken_apart((store.project.parent / "etl.bundle").read_bytes())
    for path, text in bundle.logs:
        log = store.folder / "logs" / path.decode()
        if not log.is_file() or log.read_bytes() != text:
            return f"the log {path!r}"
    return None


def _missing_of_run(store: Store, said: Any) -> str | None:
    runs = dict(store.refs("runs/etl/"))
    if said["event"] == "RunStarted":
        pin = store.ref(f"numbers/etl/{said['run']['number']:010d}")
        return None if pin and said["run"]["id"] in runs else "a run that has begun"
    if said["event"] == "RunFinished":
        return None if said["oid"] in runs.values() else "the end of a run"
    if said["event"] == "TaskFinished":
        oid = said["taskrun"]["task"]
        for run in (store.get(Run, oid) for oid in runs.values()):
            if any(
                one.task == oid and one.state == said["taskrun"]["state"]
                for one in task_runs(store, run).values()
            ):
                return None
        return f"that {said['task']} has ended"
    return None


def digest(tree: Tree | bytes, told: int = 0) -> bytes:
    """Return what tells states apart, by what is in them and how much was acknowledged."""
    if isinstance(tree, bytes):
        return blake3(tree).digest()
    parts = [name.encode() + b"/" + digest(below) for name, below in tree.items()]
    return blake3(b"%d %d " % (told, len(parts)) + b"".join(parts)).digest()


def judge(
    project: Path,
    acknowledged: list[Any],
    *,
    goes_on: bool,
    known: Collection[str],
    lacks: Callable[[Store], str | None],
) -> list[str]:
    """Say what is wrong with a store, where that is not known; `goes_on`: also after a deploy."""
    folder = project / ".ork"
    if not folder.exists():
        return ["the store is gone"] if acknowledged else []
    wrong = [
        f"{one.code} {one.message}" for one in look_here(folder, "full") if one.level == "error"
    ]
    wrong = [words for words in wrong if words[:4] not in known]
    store = location.open_store(folder, environ={})
    wrong += [words for said in acknowledged if (words := missing(store, said))]
    if acknowledged and (words := lacks(store)):
        wrong.append(words)
    if goes_on and not wrong:
        made = deploy(store, project / "next.yaml", stamp=stamp())
        assert store.ref("workflows/next") == made.deploy
        store.close()
        return judge(project, acknowledged, goes_on=False, known=known, lacks=lambda _: None)
    store.close()
    return wrong


class State(NamedTuple):
    """What a disk may hold after a cut, and what must be in it."""

    cut: str
    store: Tree
    acknowledged: list[Any]
    known: Collection[str]


def tried(
    below: Path,
    disk: Disk,
    notes: list[Note],
    states: int,
    *,
    name: str = "project",
    before: Sequence[Any] = (),
    known: Collection[str] = (),
    seed: int = 0,
    after: int = 0,
    lacks: Callable[[Store], str | None] = lambda _: None,
) -> tuple[int, list[str]]:
    """Cut the power after each call; return how many states were tried, and what is wrong.

    The store of the project `name` has what was acknowledged `before`, and perhaps errors of
    `known` codes until something is acknowledged. Of all that is, only what comes `after` so many
    concerns it; from then on `lacks` may say what else it has not.
    """
    project = below / "cut"
    shutil.copytree(below / name, project, ignore=shutil.ignore_patterns(".ork*"))
    (project / "next.yaml").write_text("name: next\ntasks: {a: {executor: process, command: ls}}\n")

    def left() -> Iterator[State]:
        numbers = random.Random(seed)
        seen: set[bytes] = set()
        calls = sum(note.path != str(below / "told") for note in notes)
        text, done = "", 0
        acknowledged = list(before)
        for note in notes:
            if note.path == str(below / "told"):
                text += note.data.decode()
                acknowledged = [*before, *told(text)[after:]]
                continue
            disk.do(note)
            done += 1
            cut = f"after call {done}, {note.kind} {note.path}"
            codes = () if len(acknowledged) > len(before) else known
            wanted = states * done // calls
            for _ in range(2 * (wanted - len(seen))):
                tree = disk.left(numbers).get(name, {})
                assert isinstance(tree, dict)
                content = tree.get(".ork", {})
                assert isinstance(content, dict)
                state = digest(content, len(acknowledged))
                if state not in seen:
                    seen.add(state)
                    yield State(cut, content, acknowledged, codes)
                if len(seen) == wanted:
                    break

    count, wrong = 0, []
    waiting = left()
    while some := list(islice(waiting, TOGETHER)):
        count += len(some)
        wrong += _judged(project, some, lacks)
    shutil.rmtree(project)
    return count, wrong


def _judged(project: Path, states: list[State], lacks: Callable[[Store], str | None]) -> list[str]:
    def work() -> list[str]:
        faulthandler.disable()  # to die of a damaged store is an answer
        wrong = []
        for number, (cut, tree, acknowledged, known) in enumerate(states):
            shutil.rmtree(project / ".ork", ignore_errors=True)
            if tree:
                write(tree, project / ".ork")
            goes_on = number % 20 == 10
            try:
                found = not_forgotten(project / ".ork", acknowledged)
                found += judge(project, acknowledged, goes_on=goes_on, known=known, lacks=lacks)
            except Exception as error:
                found = [repr(error)]
            wrong += [f"{cut}: {words}" for words in found[:1]]
        return wrong

    found = in_child(work)
    if isinstance(found, str):  # it has died of one of them
        if len(states) == 1:
            return [f"{states[0].cut}: {found}"]
        half = len(states) // 2
        return [
            one for part in (states[:half], states[half:]) for one in _judged(project, part, lacks)
        ]
    assert isinstance(found, list)
    return found


ROW = "states after a loss of power: whole, nothing acknowledged lost"


@pytest.mark.parametrize(
    ("kind", "seed"), [*(("lmdb:", seed) for seed in range(SHARES)), ("sqlite:", 0), ("files:", 0)]
)
def test_a_loss_of_power_leaves_a_whole_store_with_all_that_was_acknowledged(
    recorder: Path, below: Path, score: Score, kind: str, seed: int
) -> None:
    disk = Disk(below)
    notes = recorded(recorder, below, below.parent / "notes", a_life(below / "project", kind))
    count, wrong = tried(below, disk, notes, STATES // SHARES, seed=seed)
    score(f"{ROW}{f' ({kind})' if kind != 'lmdb:' else ''}", count, count - len(wrong))
    assert wrong == []
    assert count > STATES // SHARES * 0.9


def test_a_loss_of_power_during_a_repair_leaves_a_store_to_be_repaired(
    recorder: Path, below: Path, score: Score
) -> None:
    recorded(recorder, below, below.parent / "notes", a_life(below / "project"))
    before = told((below / "told").read_text())
    (below / "told").unlink()
    with raw(below / "project" / ".ork") as txn:
        (tally,) = [key for key, _ in txn.cursor() if key.startswith(b"rtally/")][:1]
        assert txn.delete(tally)
    disk = Disk(below)
    notes = recorded(recorder, below, below.parent / "others", a_repair(below / "project"))
    count, wrong = tried(below, disk, notes, STATES // 10, before=before, known={"E205"})
    score(ROW, count, count - len(wrong))
    assert wrong == []
    assert count > STATES // 20


def test_a_loss_of_power_during_an_import_leaves_all_of_it_or_nothing(
    recorder: Path, below: Path, score: Score
) -> None:
    recorded(recorder, below, below.parent / "notes", a_bundle(below / "project"))
    (below / "told").unlink()
    (below / "other").mkdir()
    disk = Disk(below)
    notes = recorded(recorder, below, below.parent / "others", an_import(below / "project"))
    count, wrong = tried(below, disk, notes, STATES // 10, name="other")
    score(ROW, count, count - len(wrong))
    assert wrong == []
    assert count > STATES // 20


def test_a_loss_of_power_leaves_backups_and_stores_made_of_them_whole_or_not_there(
    recorder: Path, below: Path, score: Score
) -> None:
    recorded(recorder, below, below.parent / "notes", a_bundle(below / "project"))
    (below / "told").unlink()
    (below / "restored").mkdir()
    disks = [Disk(below) for _ in range(3)]
    notes = recorded(recorder, below, below.parent / "others", a_backup(below / "project"))
    original = below / "project" / ".ork"
    with closing(location.open_store(original, environ={})) as store:
        refs = dict(store.backend.refs())
    logs = {
        path.relative_to(original): path.read_bytes() for path in original.glob("logs/*/*/*.log")
    }

    def lacks(store: Store) -> str | None:
        assert store.folder is not None
        for path, text in logs.items():
            if not (store.folder / path).is_file() or (store.folder / path).read_bytes() != text:
                return f"the log {path}"
        return None if dict(store.backend.refs()) == refs else "refs"

    for after, name in enumerate(["copy", "restored"], 1):
        disk = disks[after]
        count, wrong = tried(below, disk, notes, STATES // 100, name=name, after=after, lacks=lacks)
        score(ROW, count, count - len(wrong))
        assert wrong == []
        assert count > 2  # nothing has its name before it is whole
    count, wrong = _files_tried(below, disks[0], notes)
    score(ROW, count, count - len(wrong))
    assert wrong == []


def _files_tried(below: Path, disk: Disk, notes: list[Note]) -> tuple[int, list[str]]:
    """Look at the backup that is a file in the same way."""
    numbers = random.Random(0)
    text, count, wrong = "", 0, []
    for note in notes:
        if note.path == str(below / "told"):
            text += note.data.decode()
            continue
        disk.do(note)
        for _ in range(2):
            count += 1
            left = disk.left(numbers).get("copy.orkbackup")
            if left is None:
                wrong += ["the backup is gone"] if told(text) else []
                continue
            assert isinstance(left, bytes)
            (below / "cut").write_bytes(left)
            try:
                with open_bundle(str(below / "cut"), (BACKUP,)) as backup:
                    check_file(backup)
            except OrkError as error:
                wrong.append(error.message)
    return count, wrong


FLUSHES = {
    "of data": "import lmdb; real = lmdb.open\n"
    "lmdb.open = lambda *a, **k: real(*a, sync=False, **k)",
    "of a commit": "import lmdb; real = lmdb.open\n"
    "lmdb.open = lambda *a, **k: real(*a, metasync=False, **k)",
    "of a folder": "import ork.files; ork.files.sync_folder = lambda path: None",
    "of the anchor": "import ork.backends.anchor as a; a.os = type(a.os)('os')\n"
    "import os; vars(a.os).update(vars(os)); a.os.fsync = lambda file: None",
    "of names in plain files": "from ork.backends.plain import files, folder\n"
    "files.sync = folder.sync = lambda path: None",
}


@pytest.mark.parametrize("flush", FLUSHES)
def test_without_a_flush_a_loss_of_power_is_seen_to_do_harm(
    recorder: Path, below: Path, flush: str
) -> None:
    disk = Disk(below)
    life = a_life(below / "project", "files:" if "plain" in flush else "lmdb:")
    notes = recorded(recorder, below, below.parent / "notes", life, patch=FLUSHES[flush])
    _, wrong = tried(below, disk, notes, 100)
    assert wrong
