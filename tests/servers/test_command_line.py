"""The command line with its store in PostgreSQL: complete, and in few round trips."""

from __future__ import annotations

import json
import os
import re
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

import ork
from ork.cli.web import pages
from ork.cli.web.page import Asked
from ork.daemon import fires
from ork.daemon.lines import Lines
from ork.runner.events import RunFinished
from ork.runner.start import Caller
from ork.servers.driver import psycopg
from ork.servers.postgresql import Postgresql
from ork.servers.schema import PARTS, PARTS_THERE
from ork.store import location
from ork.store.runs import hooks_of, newest_of
from ork.upkeep import fsck
from tests.conftest import Ork
from tests.postgres import PASSWORD, USER, Running, Server, free_port, new_schema
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.turns(2)

ASKED_MAX = 10  # one for the connection, the others each a round trip


@pytest.fixture
def far(etl: Ork, postgres: Running) -> Ork:
    """The small pipeline, and a store for it on the server."""
    made = etl("init", "--store", postgres.url())
    assert (made.code, made.err.count("password")) == (0, 0)
    return etl


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What the driver is asked for, a line for each round trip and one for each connection."""
    lines: list[str] = []
    connect, execute = psycopg.connect, psycopg.Connection.execute

    def connecting(*args: object, **options: object) -> object:
        lines.append("connect")
        return connect(*args, **options)  # type: ignore[arg-type]

    def executing(self: object, query: bytes | str, *args: object, **options: object) -> object:
        lines.append(query.decode() if isinstance(query, bytes) else query)
        return execute(self, query, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(psycopg, "connect", connecting)
    monkeypatch.setattr(psycopg.Connection, "execute", executing)
    yield lines


def test_everything_works(far: Ork, edit: Callable[[str, str, str], None]) -> None:
    assert far("deploy", "etl.yaml", "-m", "First").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert far("run", "etl.yaml").code == 0
    assert far("run", "etl").code == 0
    assert far("tag", "etl@prod", "etl~1").code == 0
    assert far("rollback", "etl", "etl~1").code == 0
    assert far("undo").code == 0
    for line in (
        *("log", "log -p", "runs", "show etl#1", "show etl#1:load", "outputs etl#2", "ops"),
        *("logs etl#1", "diff etl~1 etl", "diff etl#1 etl#2", "blame etl", "status", "fsck --full"),
        *("graph etl", "rev-parse etl@{good}", "--at-op @{1} log", "report etl -o page.html"),
    ):
        done = far(*line.split())
        assert (done.code, done.err.startswith("error")) == (0, False), (line, done.err)
    assert far("gc", "--keep-runs", "1").code == 0
    assert far("gc", "--keep-runs", "1", "--prune").code == 0
    for line in ("gc --prune --repack", "forget --yes --reason x etl:extract", "fsck --repair"):
        refused = far(*line.split())
        assert (refused.code, "use the means of its server" in refused.err) == (4, True), line
        assert "--store sqlite: ../copy`" in refused.err
    assert far("fsck", "--full").code == 0
    assert "etl#2" in far("runs").out
    assert not (far.folder / ".ork/db").exists()
    assert not (far.folder / ".ork/anchor").exists()


@pytest.mark.slow
@pytest.mark.parametrize("by", ["option", "environment", "file"])
def test_a_store_that_is_not_there_is_made_by_init_alone(
    etl: Ork, postgres: Running, by: str
) -> None:
    url, words = postgres.url(), []
    if by == "option":
        words = ["--store", url]
    elif by == "environment":
        etl.environ["ORK_STORE"] = url
    else:
        etl.write(".ork/config.toml", f'store = "{url}"\n')
    told = f"there is no store in schema {url.rpartition('=')[2]!r}"
    for lost in (False, True):
        if lost:
            assert etl(*words, "init").code == 0
            assert etl(*words, "run", "etl.yaml").code == 0
            postgres.sql(f"DROP SCHEMA {url.rpartition('=')[2]} CASCADE")
        for line in ("run etl.yaml", "deploy etl.yaml", "log"):
            refused = etl(*words, *line.split())
            assert (refused.code, told in refused.err) == (3, True)
            assert f"hint: `ork init --store '{url}'` makes one" in refused.err
        refused = etl(*words, "fsck")
        assert (refused.code, refused.out) == (3, ""), "what is not there is not damaged"
        assert f"hint: `ork init --store '{url}'` makes one" in refused.err


def test_a_server_that_does_not_answer_is_no_damage(etl: Ork, tmp_path: Path) -> None:
    url = f"postgresql://{USER}@127.0.0.1:{free_port()}/postgres"
    for line in (f"--store {url} fsck", f"init --from {url} {tmp_path}/copy"):
        refused = etl(*line.split())
        assert (refused.code, refused.out) == (4, "")
        assert f"error: {url} cannot be reached" in refused.err
        assert "is the server running" in refused.err
    for url in (f"files:{tmp_path}/gone", f"sqlite:{tmp_path}/gone"):
        refused = etl("--store", url, "fsck")
        assert (refused.code, refused.out) == (3, "")
        assert f"error: there is no store in {url}" in refused.err


SHOWS = """\
    name: shows
    on_success: {{command: env}}
    tasks:
      t: {{executor: process, command: env{more}}}
"""
ASKS = ", env: {PGPASSWORD: {secret: PGPASSWORD}}"


def test_what_opens_the_store_is_handed_to_no_task_and_hook(ork: Ork, postgres: Running) -> None:
    """But where a task asks for it as a secret, and then it is shown nowhere."""
    shown = postgres.url()
    url = shown.replace("@", f":{quote(PASSWORD, safe='')}@", 1)
    ork.environ |= {"PGPASSWORD": PASSWORD, "ORK_STORE": url}
    assert ork("init").code == 0
    for more, told in (("", None), (ASKS, "***")):
        ork.write("shows.yaml", SHOWS.format(more=more))
        assert ork("run", "shows.yaml").code == 0
        with closing(location.open_url(url, environ=ork.environ)) as store:
            (one,) = newest_of(store, ["shows"], 1)["shows"]
            texts = ork("logs", one.name).out, hooks_of(store, one.run)[0].output
        for text in texts:
            variables = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
            assert (variables["ORK_STORE"], variables.get("PGPASSWORD")) == (shown, told)


@pytest.mark.slow
def test_looking_costs_a_handful_of_round_trips(
    far: Ork,
    edit: Callable[[str, str, str], None],
    asked: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(21):
        edit("etl.yaml", f"timeout: {300 + number}", f"timeout: {301 + number}")
        assert far("deploy" if number % 5 else "run", "etl.yaml").code == 0
    for width in (None, 100):  # on a terminal, names are short
        monkeypatch.setattr("ork.cli.session.terminal_width", lambda *_, width=width: width)
        for line in ("log -n 20", "log -n 20 --oneline", "runs", "show etl#3", "ops", "status"):
            for state in ("cold", "warm"):
                if state == "cold":
                    for path in (far.folder / ".ork/cache").iterdir():
                        path.unlink()
                asked.clear()
                done = far(*line.split())
                assert (done.code, done.err) == (0, "")
                assert len(asked) <= ASKED_MAX + 1, (line, state, asked)


FLOW = """\
    name: {name}
    schedule: "*/5 * * * *"
    tasks:
      only: {{executor: process, command: "true"}}
"""
OF_MANY = (
    *("schedule", "schedule next", "schedule skips", "workflows", "status", "check", "runs"),
    *("grep nowhere", "runs w00:only"),
    *("log", "-C ../other pull", "-C ../other push", "overview", "schedules"),
)


def test_twice_the_workflows_do_not_cost_twice_the_round_trips(
    far: Ork, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = re.search('store = "(.*)"', (far.folder / ".ork/config.toml").read_text())
    assert url
    (far.folder / "etl.yaml").unlink()
    monkeypatch.setattr("ork.cli.session.terminal_width", lambda *_: 100)

    def add(first: int, end: int) -> None:
        """Add workflows, with a run that was fired and a slot that was left out."""
        names = [f"w{number:02}" for number in range(first, end)]
        for name in names:
            far.write(f"{name}.yaml", FLOW.format(name=name))
        assert far("deploy", *(f"{name}.yaml" for name in names)).code == 0
        with ork.open() as project:
            store, now = project.store, datetime.now(UTC) + timedelta(days=1 + end)
            for one in fires.due(store, Lines(store).look(), now):
                line, decision = (one.line.workflow, one.line.schedule), one.decision
                assert decision and decision.fire and decision.skips
                *_, ended = fires.fire(store, *line, decision, Caller(now=now)).events
                assert isinstance(ended, RunFinished) and ended.run.state == "success"

    def cost(line: str) -> int:
        asked.clear()
        if line in ("overview", "schedules"):
            with ork.open() as project:
                getattr(pages, line)(Asked(store=project.store, now=datetime.now(UTC)))
        else:
            done = far(*line.split())
            os.chdir(far.folder)  # from where -C has led
            nothing = line.startswith("grep")
            assert (done.code, "error" in done.err) == (int(nothing), False), done.err
        return len(asked)

    add(0, 6)
    assert far("clone", url[1], "../other").code == 0
    few = {line: cost(line) for line in OF_MANY}
    add(6, 12)
    assert far("-C", "../other", "pull").code == 0
    os.chdir(far.folder)
    many = {line: cost(line) for line in OF_MANY}
    assert {line: (few[line], many[line]) for line in OF_MANY if many[line] > few[line] + 1} == {}


@pytest.mark.slow
def test_twice_the_runs_do_not_cost_twice_the_round_trips(far: Ork, asked: list[str]) -> None:
    def cost(depth: fsck.Depth | None) -> int:
        asked.clear()
        if depth is None:
            assert far("bundle", "create", "all.bundle", "--all", "--runs", "all").code == 0
            return len(asked)
        with ork.open() as project:
            *_, counts = fsck.inspect(project.store, depth=depth)
        assert isinstance(counts, fsck.Counts) and counts.done
        return len(asked)

    found = []
    for _ in range(2):
        for _ in range(4):
            assert far("run", "etl.yaml").code == 0
        found.append([cost(one) for one in (None, "quick", "default", "full")])
    few, many = found
    assert all(then <= now + 1 for now, then in zip(few, many, strict=True)), found


def test_twice_the_tasks_do_not_cost_twice_the_round_trips_for_their_logs(
    far: Ork, asked: list[str]
) -> None:
    found = []
    for count in (4, 8):
        tasks = "".join(f"  t{i}: {{executor: process, command: echo {i}}}\n" for i in range(count))
        far.write("many.yaml", f"name: many\ntasks:\n{tasks}")
        assert far("run", "many.yaml", "-j", "1").code == 0
        asked.clear()
        said = far("logs", "many")
        assert (said.code, said.out.count("==>")) == (0, count)
        cost = len(asked)
        with ork.open() as project:  # who has written faster has written in fewer parts
            parts = [*project.store.refs(f"logs/many/{project.runs('many')[0].run.id}/")]
        found.append(cost - len(parts))
    few, many = found
    assert many <= few + 1, found


@pytest.mark.slow
def test_a_history_moves_there_and_back(etl: Ork, postgres: Running) -> None:
    lines = ("log", "runs", "ops", "show etl#1", "outputs etl#1")
    assert etl("run", "etl.yaml").code == 0
    before = [etl(*line.split(), "--json").out for line in lines]
    url = postgres.url()
    for source, target in ((str(etl.folder), url), (url, "sqlite:")):
        folder = etl.folder / f"as-{target.partition(':')[0]}"
        folder.mkdir()
        made = etl("init", "--from", source, "--store", target, str(folder))
        assert made.code == 0, made.err
        os.chdir(folder)
        assert [etl(*line.split(), "--json").out for line in lines] == before
        assert etl("fsck", "--full").code == 0


def test_a_machine_that_was_never_here_sees_the_same(
    far: Ork, postgres: Running, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert far("run", "etl.yaml").code == 0
    before = far("log", "--json").out, far("runs", "--json").out
    url = re.search(r'store = "(.*)"', (far.folder / ".ork/config.toml").read_text())
    assert url
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    os.chdir(elsewhere)
    environ = {**far.environ, "HOME": str(elsewhere), "ORK_STORE": url[1]}
    far.environ = environ
    assert (far("log", "--json").out, far("runs", "--json").out) == before
    assert list(elsewhere.rglob("*.copies"))


def test_a_password_stays_where_it_was_given(etl: Ork, postgres: Running) -> None:
    bare = postgres.tcp_url()
    secret = quote(PASSWORD, safe="")
    url = bare.replace("@", f":{secret}@", 1)
    done = [etl("--store", url, *line.split()) for line in ("init", "run etl.yaml", "ops", "fsck")]
    assert [one.code for one in done] == [0] * 4
    refused = etl("--store", url.replace(secret, "wrong-secret"), "log")
    assert refused.code == 4
    said = "".join(one.out + one.err for one in [*done, refused])
    kept = "".join(
        path.read_bytes().decode("latin-1")
        for path in etl.folder.rglob("*")
        if path.is_file() and ".copies" not in path.name
    )
    for word in (secret, PASSWORD, "wrong-secret"):
        assert word not in said + kept
    rows = postgres.sql(f"SELECT data FROM {bare.rpartition('=')[2]}.objects")
    assert all(secret.encode() not in data and PASSWORD.encode() not in data for (data,) in rows)


SLOW = """\
    name: slow
    tasks:
      first: {executor: process, command: "touch started; while ! test -e go; do sleep 0.02; done"}
      second: {executor: process, command: "echo done", depends_on: [first]}
"""


@pytest.mark.slow
def test_a_run_goes_on_when_the_server_is_started_again(etl: Ork, server: Server) -> None:
    etl.write("slow.yaml", SLOW)
    assert etl("init", "--store", server.url()).code == 0

    def restart() -> None:
        while not (etl.folder / "started").exists():
            pass
        server.stop()
        starter = threading.Timer(0.3, server.start)
        starter.start()
        (etl.folder / "go").touch()
        starter.join()

    other = threading.Thread(target=restart)
    other.start()
    done = etl("run", "slow.yaml")
    other.join()
    assert (done.code, "success" in etl("show", "slow#1").out) == (0, True), done.err
    assert etl("fsck", "--full").code == 0


def test_a_run_goes_on_when_its_connections_are_cut(
    etl: Ork, postgres: Running, proxy: Proxy
) -> None:
    etl.environ["PGPASSWORD"] = PASSWORD
    etl.write("slow.yaml", SLOW)
    assert etl("init", "--store", postgres.tcp_url(proxy.port)).code == 0

    def cut() -> None:
        while not (etl.folder / "started").exists():
            pass
        proxy.cut()
        assert etl.folder.exists()
        (etl.folder / "go").touch()

    other = threading.Thread(target=cut)
    other.start()
    done = etl("run", "slow.yaml")
    other.join()
    assert done.code == 0, done.err
    assert json.loads(etl("show", "slow#1", "--json").out)["data"]["run"]["state"] == "success"


def test_a_text_is_forgotten_by_way_of_a_file_as_the_hint_says(
    far: Ork, postgres: Running, tmp_path: Path
) -> None:
    assert far("run", "etl.yaml", "-m", "with hidden-word").code == 0
    (tmp_path / "text").write_text("hidden-word")
    words = ("forget", "--text-file", str(tmp_path / "text"), "--yes")
    refused = far(*words)
    hint = re.search("`ork (init --from .*? ../copy)`", refused.err)
    assert refused.code == 4 and hint
    assert far(*shlex.split(hint[1])).code == 0
    assert far("-C", "../copy", *words).code == 0
    os.chdir(far.folder)
    new = postgres.url()
    assert far("init", "--from", "../copy", "--store", new, "../new").code == 0
    told = far("-C", "../new", "log", "etl").out
    assert "[forgotten]" in told and "hidden-word" not in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ("ALTER TABLE refs DROP CONSTRAINT refs_pkey", ["key of refs: PRIMARY KEY (name)"]),
        ("DROP INDEX objects_number", ["index objects_number"]),
        (
            "ALTER TABLE objects ALTER number DROP DEFAULT, ALTER data DROP NOT NULL",
            ["column objects.data bytea NOT NULL", "column objects.number bigint NOT NULL DEFAULT"],
        ),
        ("DROP FUNCTION leased", ["function leased"]),
    ],
)
def test_a_schema_that_was_restored_in_part_is_told(
    etl: Ork, postgres: Running, change: str, parts: list[str]
) -> None:
    schema = new_schema()
    assert etl("init", "--store", postgres.url(schema=schema)).code == 0
    assert etl("run", "etl.yaml").code == 0
    found = postgres.sql(PARTS_THERE.replace("%b", f"'{schema}'"))
    assert {part for (part,) in found} >= PARTS
    assert etl("fsck").code == 0
    postgres.sql(f"SET search_path = {schema}; {change}")
    done = etl("fsck")
    lines = [f"E005 lacking-schema  there is no {part}" for part in parts]
    assert (done.code, done.out.splitlines()[:-1]) == (1, lines)
    if "refs" in change or "FUNCTION" in change:
        refused = etl("run", "etl")
        assert (refused.code, "`ork fsck` says what" in refused.err) == (4, True)


def test_every_part_that_is_made_is_one_that_is_looked_for(postgres: Running) -> None:
    schema = new_schema()
    Postgresql.create(postgres.url(schema=schema))
    found = {part for (part,) in postgres.sql(PARTS_THERE.replace("%b", f"'{schema}'"))}
    tables = {part.split()[2].rstrip(":") for part in PARTS if part.startswith("key")} | {"store"}
    columns = {part for part in found if part.partition(".")[0][7:] in tables}
    others = {part for part in found if not part.startswith("column") and "_pkey" not in part}
    assert columns | {part for part in others if "NOT NULL" not in part} == PARTS


@pytest.mark.slow
def test_a_server_with_a_store_of_a_newer_ork_says_so(far: Ork, postgres: Running) -> None:
    url = re.search('store = "(.*)"', (far.folder / ".ork/config.toml").read_text())
    assert url and far("run", "etl.yaml").code == 0
    postgres.sql(f"UPDATE {url[1].rpartition('=')[2]}.store SET format = 99")
    for line in ("log", "fsck", "fsck --quick"):
        said = far(*line.split())
        assert (said.code, said.out) == (4, "")
        assert "has store format 99" in said.err and "--repair" not in said.err


@pytest.mark.slow
def test_a_backup_goes_to_a_server_whose_password_is_in_the_url(
    etl: Ork, postgres: Running
) -> None:
    assert etl("deploy", "etl.yaml").code == 0
    url = postgres.tcp_url().replace("@", f":{quote(PASSWORD, safe='')}@", 1)
    made = etl("init", "--from", ".", "--store", url, "../copy")
    assert (made.code, "the password is kept nowhere" in made.err) == (0, True)
    assert quote(PASSWORD, safe="") not in (etl.folder / "../copy/.ork/config.toml").read_text()
    refused = etl("init", "--from", ".", "--store", url, "../other")
    assert refused.code == 3 and not (etl.folder / "../other").exists()
