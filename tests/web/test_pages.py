"""What pages show, without a server: the values of the commands, a bounded part of the store."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from ork import open as open_project
from ork.cli.report.charts import Moment, chart
from ork.cli.screen.line import json_text
from ork.cli.web import pages, runs, search
from ork.cli.web.page import Asked, Page, link
from ork.daemon import fires
from ork.daemon.lines import Lines, lines_of
from ork.errors import Corrupt, NotFound, OrkError, UsageError
from ork.objects.canonical import Oid
from ork.objects.kinds import Run
from ork.objects.value import replace
from ork.runner.start import Caller, start
from ork.schedule.policy import Skip
from ork.store.resolve import number_ref, resolve
from ork.store.runs import END_LOST
from ork.store.store import Stamp, Store
from tests.conftest import START, Ork, Steps
from tests.web.server import serving

Ask = Callable[..., Page]
SECOND = {"workflow": "etl", "number": "2"}
NO_NAMES = ("..", "a/b", "\0", "x" * 5000, "", "file:etl.yaml", "\udcff", "é")


@pytest.fixture
def store(
    etl: Ork,
    opened: Callable[[], Store],
    edit: Callable[[str, str, str], None],
    once: Callable[[str, Steps], None],
) -> Store:
    """A store with two deploys and three runs, the newest of which failed."""

    def build() -> None:
        assert etl("deploy", "etl.yaml", "-m", "First").code == 0
        assert etl("run", "etl").code == 0
        assert etl("tag", "etl@v1").code == 0
        edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
        assert etl("deploy", "etl.yaml", "-m", "Break it").code == 0
        assert etl("run", "etl").code == 1
        assert etl("run", "etl").code == 1

    once("pages", build)
    return opened()


@pytest.fixture
def ask(store: Store) -> Ask:
    """Ask a page: the words of its address, then the fields of its query."""

    def asking(
        answer: Callable[[Asked], Page], path: dict[str, str] | None = None, **query: str
    ) -> Page:
        return answer(Asked(store=store, now=START, path=path or {}, query=query))

    return asking


@pytest.mark.parametrize(
    ("line", "answer", "path", "query"),
    [
        ("runs --json", runs.listed, {}, {}),
        ("runs etl --json", runs.listed, {"workflow": "etl"}, {}),
        ("runs etl --status failed --json", runs.listed, {"workflow": "etl"}, {"state": "failed"}),
        ("log etl --json", pages.history, {"workflow": "etl"}, {}),
        ("show etl --json", pages.deploy, {"revision": "etl"}, {}),
        ("show etl#2 --json", runs.run, SECOND, {}),
        (
            "show etl#2:load --json",
            runs.log,
            {**SECOND, "task": "load"},
            {},
        ),
        ("show etl#2:load.sh --json", runs.code, {"revision": "etl#2", "path": "load.sh"}, {}),
        ("show etl: --json", runs.code, {"revision": "etl", "path": ""}, {}),
        ("diff etl~1 etl --json", pages.compare, {}, {"old": "etl~1", "new": "etl"}),
        ("diff etl#1 etl#2 --json", pages.compare, {}, {"old": "etl#1", "new": "etl#2"}),
        ("runs etl:load --json", runs.task, {"workflow": "etl", "task": "load"}, {}),
        ("ops --json", pages.moves, {}, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_document_is_what_the_command_prints(
    line: str,
    answer: Callable[[Asked], Page],
    path: dict[str, str],
    query: dict[str, str],
    ask: Ask,
    etl: Ork,
) -> None:
    page = ask(answer, path, **query)
    assert page.schema is not None
    assert json.loads(json_text(page.schema, page.document)) == json.loads(etl(*line.split()).out)


def test_schedules_are_told_as_the_command_tells_them(ask: Ask, etl: Ork) -> None:
    page = ask(pages.schedules)
    told, printed = (
        json.loads(text)["data"]
        for text in (
            json_text("schedules", page.document),
            etl("schedule", "list", "--json").out,
        )
    )
    assert told.keys() == printed.keys() and (told["up"], told["holder"]) == (False, None)
    assert [row.keys() for row in told["schedules"]] == [row.keys() for row in printed["schedules"]]
    assert told["schedules"][0]["words"] == "every day at 02:00, UTC"


def test_what_needs_somebody_comes_first(
    ask: Ask, etl: Ork, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = 'name: {}\nschedule: "@hourly"\ntasks: {{a: {{executor: process, command: ls}}}}\n'
    for name in ("able", "zebra"):
        etl.write(f"{name}.yaml", text.format(name))
        assert etl("deploy", f"{name}.yaml").code == 0
    assert [row.name for row in ask(pages.overview).values["rows"]] == ["etl", "able", "zebra"]
    assert etl("archive", "etl").code == 0
    hold = '{cron: "0 * * * *", retries: 2, after_failure: hold}'
    bad = text.format("zz").replace("ls", "test -e ok").replace('"@hourly"', hold)
    etl.write("zz.yaml", bad)
    assert etl("deploy", "zz.yaml").code == 0
    now = START.replace(hour=START.hour + 1)
    (one,) = fires.due(store, lines_of(store, "zz"), now)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=etl.environ)
    list(fires.fire(store, "zz", one.line.schedule, one.decision, caller).events)
    assert [row.name for row in ask(pages.overview).values["rows"]] == ["zz", "able", "zebra"]
    monkeypatch.setattr(pages, "WORKFLOWS_A_PAGE", 1)
    for shown, after in (("zz", ""), ("able", "zz"), ("zebra", "able")):
        assert [row.name for row in ask(pages.overview, after=after).document] == [shown]
    assert ask(pages.overview, after="zebra").document == []
    told = ask(pages.schedules).values["rows"]
    assert [row.workflow for row in told] == ["zz", "able", "zebra"]
    assert told[0].held_by == "zz#1"
    asked = Asked(store=store, now=now, path={"workflow": "zz"})
    for answer in (pages.overview, pages.workflow, pages.schedules):
        page = drawn(answer, asked)
        assert re.search('>held</span> <span class="soft">by zz#1<', page), answer
        assert re.search("zz#1 (to be retried )?by <code>ork up</code> .* \\(1 of 2\\)", page), (
            answer
        )
        assert answer is pages.overview or "retries: 2; after_failure: hold" in page
        assert "cron" not in page  # it stands in words


def test_a_run_whose_record_is_lost_is_marked_and_breaks_no_list(
    ork: Ork, opened: Callable[[], Store]
) -> None:
    assert ork("init", "--store", "files:").code == 0
    for name in ("able", "other", "zebra"):
        tasks = "tasks: {a: {executor: process, command: ls}}"
        ork.write(f"{name}.yaml", f'name: {name}\nschedule: "@hourly"\n{tasks}\n')
        assert ork("deploy", f"{name}.yaml").code == 0
    store, now = opened(), START.replace(hour=START.hour + 1)
    caller = Caller(stamp=Stamp(time=now, author="ork up"), now=now, environ=ork.environ)
    for one in fires.due(store, [*lines_of(store, "able"), *lines_of(store, "zebra")], now):
        begun = fires.fire(store, one.line.workflow, one.line.schedule, one.decision, caller)
        list(begun.events)

    def lose(oid: str | None) -> None:
        assert oid is not None
        (ork.folder / ".ork/db/objects" / oid[:2] / oid[2:]).unlink()

    lost = ork("rev-parse", "zebra#1").out.strip()
    lose(lost)
    for line, marks in {
        "runs": ["able#1 +success", f"zebra#1 +interrupted .* damaged +{END_LOST}"],
        "runs zebra": ["zebra#1 .* damaged"],
        "runs zebra:a": ["zebra#1 +damaged"],
        "workflows": ["able +#1 success", "zebra +#1 interrupted damaged .* - "],
        "schedule list": ["able#1 +success", f"damaged +object {lost} .*: nothing is fired"],
        "schedule next": ["able"],
        "schedule late": [],
    }.items():
        told = ork(*line.split())
        assert (told.code, told.err.count("error: zebra")) == (4, 1), (line, told)
        assert all(re.search(mark, told.out) for mark in marks), (line, told)
        document = ork(*line.split(), "--json")
        assert (document.code, json.loads(document.out)["schema"][:4]) == (4, "ork."), line
        is_marked = re.search('"damaged": (true|"obj)', document.out)
        assert is_marked or line in ("schedule next", "schedule late"), line
    asked = Asked(store=opened(), now=now, path={"workflow": "zebra", "task": "a"})
    for answer in (pages.overview, pages.workflow, runs.listed, runs.task, pages.schedules):
        assert ">damaged</span>" in drawn(answer, asked), answer
        told = json_text("any", answer(asked).document)
        assert re.search('"damaged": (true|"obj)', told), (answer, told)
    rows = [(row.name, [one.damaged for one in row.runs]) for row in pages.overview(asked).document]
    assert rows == [("zebra", [True]), ("able", [False]), ("other", [])]
    damage: list[Corrupt] = []
    some = Lines(asked.store).look()
    late = fires.late(asked.store, some, now, grace=timedelta(), since=now, damage=damage)
    assert ([one.workflow for one in late], len(damage)) == (["other"], 1)
    lose(store.ref(number_ref("zebra", 1)))
    told = ork("runs")
    assert (told.code, "able#1" in told.out, "zebra" in told.out) == (4, True, False)
    assert re.search("error: the run [^ ]+ of zebra is damaged: object", told.err)
    asked = replace(asked, store=opened())
    for answer in (pages.overview, pages.workflow, runs.listed):
        assert '<p class="notice wrong">the run' in drawn(answer, asked), answer


def test_lists_go_on_behind_what_was_shown(
    ask: Ask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS_A_PAGE", 2)
    monkeypatch.setattr(pages, "LOG_A_PAGE", 1)
    monkeypatch.setattr(pages, "OPERATIONS_A_PAGE", 2)
    monkeypatch.setattr(runs, "TASK_RUNS", 2)

    def all_of(answer: Any, path: dict[str, str], key: Callable[[Page], list[Any]]) -> list[Any]:
        found, before = [], ""
        while before is not None:
            page = ask(answer, path, **({"before": before} if before else {}))
            found.append(key(page))
            before = page.values["before"]
        return found

    def of_runs(page: Page) -> list[Any]:
        return [entry.run.number for entry in page.values["runs"]]

    assert all_of(runs.listed, {"workflow": "etl"}, of_runs)[:2] == [[3, 2], [1]]
    assert all_of(runs.listed, {}, of_runs)[:2] == [[3, 2], [1]]
    deploys = all_of(
        pages.history,
        {"workflow": "etl"},
        lambda page: [entry.deploy.message for entry in page.values["entries"]],
    )
    assert deploys == [["Break it"], ["First"]]
    moves = all_of(pages.moves, {}, lambda page: [row["oid"] for row in page.values["rows"]])
    assert [len(some) for some in moves] == [2, 1] and len({*moves[0], *moves[1]}) == 3
    tasks = all_of(
        runs.task,
        {"workflow": "etl", "task": "load"},
        lambda page: [(row.run.number, row.taskrun.state) for row in page.values["rows"]],
    )
    assert tasks == [[(3, "failed"), (2, "failed")], [(1, "success")]]


def test_a_search_for_a_state_looks_at_so_many_runs_and_says_where_it_stopped(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RUNS_LOOKED_AT_MAX", 2)
    page = ask(runs.listed, {"workflow": "etl"}, state="success")
    assert page.values["runs"] == [] and page.values["looked_at"] == 2
    older = ask(runs.listed, {"workflow": "etl"}, state="success", before=page.values["before"])
    assert [entry.run.number for entry in older.values["runs"]] == [1]


class Counting:
    """A backend that counts what is read of it."""

    def __init__(self, backend: Any) -> None:
        self._backend, self.reads = backend, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    def refs(self, *words: Any, **more: Any) -> Iterator[Any]:
        for item in self._backend.refs(*words, **more):
            self.reads += 1
            yield item

    def get_many(self, oids: Iterable[Oid]) -> Mapping[Oid, bytes]:
        found: Mapping[Oid, bytes] = self._backend.get_many(oids)
        self.reads += len(found)
        return found


def test_pages_read_as_much_of_many_runs_as_of_few(
    ask: Ask, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reads() -> int:
        counting = Counting(store.backend)
        with monkeypatch.context() as patched:
            patched.setattr(store, "backend", counting)
            ask(pages.overview)
            ask(pages.workflow, {"workflow": "etl"})
            ask(runs.listed)
            ask(runs.listed, {"workflow": "etl"}, state="failed")
            ask(runs.task, {"workflow": "etl", "task": "load"})
            ask(runs.run, {"workflow": "etl", "number": "3"})
            ask(pages.deploy, {"revision": "etl"})
        return counting.reads

    _copy_runs(store, 200)
    some = reads()
    _copy_runs(store, 1000)
    assert reads() <= some


def _copy_runs(store: Store, count: int) -> None:
    """Give the newest run so many more: of the same deploy, each a moment later."""
    from ork.objects.value import replace
    from ork.store.resolve import newest_number, number_ref

    last = newest_number(store, "etl")
    pin = store.ref(number_ref("etl", last))
    assert pin
    run = store.get(Run, store.ref(f"runs/etl/{store.get(Run, pin).id}") or pin)
    with store.transaction() as tx:
        for number in range(last + 1, last + 1 + count):
            run_id = f"20991231T000000.000-{number:06x}"
            oid = tx.add(replace(run, number=number, id=run_id))
            for ref in (f"runs/etl/{run_id}", number_ref("etl", number)):
                tx.move(ref, old=None, new=oid)
            tx.move(f"ran/{run.snapshot}/etl/{run_id}", old=None, new=oid)


@pytest.mark.parametrize("text", NO_NAMES)
def test_what_is_no_name_is_refused_in_words(text: str, ask: Ask) -> None:
    for answer, path, query in (
        (pages.workflow, {"workflow": text}, {}),
        (pages.history, {"workflow": text}, {}),
        (pages.history, {"workflow": "etl"}, {"before": text}),
        (pages.deploy, {"revision": text}, {}),
        (pages.start, {"workflow": text}, {}),
        (pages.back, {"workflow": "etl"}, {"to": text}),
        (pages.moves, {}, {"before": text}),
        (runs.listed, {"workflow": text}, {}),
        (runs.listed, {}, {"before": text}),
        (runs.run, {"workflow": text, "number": "1"}, {}),
        (runs.run, {"workflow": "etl", "number": "9" * 30}, {}),
        (runs.log, {"workflow": "etl", "number": "1", "task": text}, {}),
        (runs.task, {"workflow": "etl", "task": text}, {}),
        (runs.code, {"revision": text, "path": "load.sh"}, {}),
    ):
        with pytest.raises(OrkError):
            ask(answer, path, **query)


def test_a_page_never_reads_a_file_of_the_disk(ask: Ask) -> None:
    with pytest.raises(NotFound, match="is a file on disk"):
        ask(pages.compare, old="file:etl.yaml", new="etl")
    with pytest.raises(NotFound):
        ask(runs.code, {"revision": "etl", "path": "../../etc/passwd"})


def test_a_code_file_whose_name_ends_as_documents_do_has_its_document(
    ork: Ork, opened: Callable[[], Store]
) -> None:
    for name in ("rules.json", "data", "load.sh"):
        ork.write(name, f"{name}\n")
    tasks = "tasks: {a: {executor: process, command: sh load.sh}}"
    ork.write("w.yaml", f"name: w\ninclude: [rules.json, data]\n{tasks}\n")
    assert ork("deploy", "w.yaml").code == 0
    store = opened()

    def document(address: str) -> object:
        path = {"revision": "w", "path": address.removesuffix(".json")}
        return runs.code(
            Asked(store=store, now=START, path=path, url=f"/code/w/{address}")
        ).document

    for address in ("rules.json", "rules.json.json", "data.json"):
        name = "data" if address == "data.json" else "rules.json"
        oid = resolve(store, f"w:{name}", now=START).oid
        expected = {"kind": "blob", "oid": oid, "name": name, "text": f"{name}\n".encode()}
        assert document(address) == expected
    with pytest.raises(NotFound):
        document("rules")


def test_a_log_is_shown_from_its_end_in_parts(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOG_BYTES", 12)
    where = {"workflow": "etl", "number": "1", "task": "extract"}
    part = ask(runs.log, where).values["part"]
    assert (part.text, part.start, part.end, part.size) == ("extracting\n", 0, 11, 11)
    monkeypatch.setattr(runs, "LOG_BYTES", 4)
    part = ask(runs.log, where).values["part"]
    assert (part.start, part.size) == (7, 11)
    before = ask(runs.log, where, before=str(part.start)).values["part"]
    assert (before.start, before.end) == (3, 7)
    with pytest.raises(UsageError):
        ask(runs.log, where, before="x")
    with pytest.raises(NotFound):
        ask(runs.log, where, attempt="7")


def test_a_table_has_the_first_line_of_an_error_and_one_deploy_was_looked_at(etl: Ork) -> None:
    etl.write("bad.yaml", "name: bad\ntasks: {a: {executor: python, file: bad.py}}\n")
    etl.write("bad.py", "def main():\n    raise ValueError('no')\n")
    assert etl("run", "bad.yaml").code == 1
    with serving(etl.folder) as served:
        text = served.get("/runs/bad/1/log/a").text
        assert re.findall('<span class="why">([^<]*)</span>', text) == ["ValueError: no"]
        assert "1 deploy was looked at." in served.get("/search?q=bad").text


def test_a_search_finds_names_messages_authors_tags_and_what_a_revision_means(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(text: str) -> search.Found:
        return search.search(store, text, now=START)

    assert found("ETL").workflows == ("etl",)
    assert [part.name for part in found("loa").parts] == ["load", "load.sh"]
    assert [entry.deploy.message for entry in found("break").deploys] == ["Break it"]
    assert len(found("lovelace").deploys) == 2
    assert found("v1").tags == (("etl", "v1"),)
    one = found("etl#2").one
    assert one is not None and one.kind == "run"
    assert not found("nothing like this")
    assert found("loa").more == ()
    monkeypatch.setattr(search, "FOUND_MAX", 1)
    some = found("loa")
    assert ([part.name for part in some.parts], some.more) == (["load"], ("parts",))
    monkeypatch.setattr(search, "DEPLOYS_LOOKED_AT_MAX", 1)
    some = found("first")
    assert (some.looked_at, some.complete, some.deploys) == (1, False, ())


def test_a_workflow_that_was_never_deployed_is_shown_by_its_runs(
    etl: Ork, opened: Callable[[], Store]
) -> None:
    assert etl("run", "--no-deploy", "etl.yaml").code == 0
    asked = Asked(store=opened(), now=START, path={"workflow": "etl"})
    [row] = pages.overview(asked).values["rows"]
    assert row.head is None and len(row.runs) == 1
    values = pages.workflow(asked).values
    assert values["entries"] == [] and set(values["graph"].needs) == {"extract", "load"}
    lost = Oid(etl("rev-parse", "etl#1").out.strip())
    asked.store.backend.sweep(lambda: [lost])
    asked = replace(asked, store=opened())
    assert ">damaged</span>" in drawn(pages.workflow, asked)
    pin = asked.store.ref(number_ref("etl", 1))
    asked.store.backend.sweep(lambda: [Oid(str(pin))])
    with pytest.raises(Corrupt, match=r"the run [^ ]+ of etl is damaged"):
        pages.workflow(replace(asked, store=opened()))


def drawn(answer: Callable[[Asked], Page], asked: Asked) -> str:
    """Return a page as a browser gets it."""
    pytest.importorskip("starlette")
    from ork.cli.web.app import _made

    return _made(answer, asked, False)[1]


def test_an_operation_is_what_was_typed_or_called(etl: Ork, opened: Callable[[], Store]) -> None:
    assert etl("deploy", "etl.yaml", "-m", "Two words").code == 0
    with open_project(etl.folder) as project:
        project.tag("etl@v1")
    shown = html.unescape(drawn(pages.moves, Asked(store=opened(), now=START)))
    assert "<code>ork deploy etl.yaml -m 'Two words'</code>" in shown
    assert "<code>project.tag('etl@v1')</code>" in shown


def test_what_is_due_is_marked_and_what_a_clock_ahead_has_decided(store: Store) -> None:
    slot = (START + timedelta(days=2)).replace(hour=2)
    late = Asked(store=store, now=slot + timedelta(hours=1))
    shown = drawn(pages.overview, late), drawn(pages.schedules, late)
    assert all("1 day ago</time>: no `ork up` works here" in one for one in shown)
    assert pages.overview(late).values["rows"][0].due == slot - timedelta(days=1)
    skip = Skip(count=2, first=slot - timedelta(days=1), last=slot, reason="ork was not up")
    (line,) = lines_of(store, "etl")
    fires.leave_out(store, "etl", line.schedule, [skip])
    for answer in (pages.overview, pages.schedules):
        now = Asked(store=store, now=START)
        [row] = answer(now).values["rows"]
        assert (row.ahead, row.next) == (slot, slot + timedelta(days=1))
        assert "a clock that was ahead has decided up to 2026-11-03 02:00" in drawn(answer, now)
        assert "<code>ork schedule resume etl</code>" in drawn(answer, now)


def test_lists_tell_for_which_slot_a_run_is_that_began_long_after_it(
    etl: Ork, store: Store
) -> None:
    slots = [START - timedelta(days=1), START - timedelta(seconds=30)]
    for slot in slots:
        begun = start(store, "etl", caller=Caller(trigger="queue", scheduled=slot, now=START))
        assert list(begun.events)
    of_task = {"workflow": "etl", "task": "load"}
    asked = [
        (runs.listed, {}),
        (runs.task, of_task),
        (pages.workflow, {"workflow": "etl"}),
        (pages.deploy, {"revision": "etl"}),
    ]
    pages_shown = [
        drawn(answer, Asked(store=store, now=START, path=path)) for answer, path in asked
    ]
    for shown in (*pages_shown, etl("runs", "etl").out, etl("runs", "etl:load").out):
        assert (shown.count("for 2026-10-31 12:00"), shown.count("for 2026-")) == (1, 1)


def test_nothing_is_wrong_with_an_empty_store(ork: Ork, opened: Callable[[], Store]) -> None:
    assert ork("init").code == 0
    asked = Asked(store=opened(), now=START)
    for answer in (pages.overview, pages.moves, pages.schedules, runs.listed, pages.compare):
        assert answer(asked).status == 200
    assert "No runs yet." in drawn(runs.listed, asked)
    failed = Asked(store=asked.store, now=START, query={"state": "failed"})
    assert "No such run." in drawn(runs.listed, failed)


def test_a_description_has_lines_and_a_default_its_own_letters(
    ork: Ork, opened: Callable[[], Store]
) -> None:
    ork.write(
        "etl.yaml",
        """\
        name: etl
        description: |
          Load what was sold.

          Ask Ada first.
        params: {names: {default: {de: "Größe", ja: "東京"}}}
        tasks: {load: {executor: process, command: "true"}}
        """,
    )
    assert ork("deploy", "etl.yaml").code == 0
    lines = ["  description   Load what was sold.", "", f"{'':16}Ask Ada first.", ""]
    assert "\n".join(lines) in ork("show", "etl").out
    words = {"workflow": "etl"}
    asked = Asked(store=opened(), now=START, path=words, allow_changes=True)
    assert ">Load what was sold. Ask Ada first.<" in drawn(pages.overview, asked)
    assert ">Load what was sold.\n\nAsk Ada first.<" in drawn(pages.workflow, asked)
    shown = html.unescape(drawn(pages.start, asked))
    assert '{"de": "Größe", "ja": "東京"}' in shown


def test_addresses_hold_any_text() -> None:
    assert link("runs", "etl", 57) == "/runs/etl/57"
    assert link("") == "/"
    assert link("", after="a b") == "/?after=a+b"
    assert link("tasks", "etl", "a/b?c#d\"'<>") == "/tasks/etl/a%2Fb%3Fc%23d%22%27%3C%3E"
    assert link("runs", state=None, before="") == "/runs"
    assert link("code", "etl#1", "config.json") == "/code/etl%231/config.json/"
    assert re.fullmatch(r"[!-~]+", link("search", q="é\u202e\n"))


def test_a_chart_has_a_place_for_each_that_ended() -> None:
    moments = [
        Moment(name="etl", number=number, state="success", seconds=seconds)
        for number, seconds in enumerate((1.0, None, 3.0, 0.0))
    ]
    found = chart(moments)
    assert [one.number for *_, one in found.marks] == [0, 2, 3]
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y, _ in found.marks)
    assert chart([]).marks == () and chart(moments[:1]).marks[0][0] == 50.0
