"""What is returned, as a shell, a notebook and pandas show it."""

import re
import sys
from datetime import UTC, datetime, timedelta

import pytest

import ork as library
from ork.cli.report.page import Page
from ork.objects.rows import ROWS_MAX, Rows, line, shown, table, told
from ork.objects.value import Value
from tests.runs import taint


class Inner(Value, frozen=True, kw_only=True):
    state: str
    seconds: float = 0.5


class Outer(Value, frozen=True, kw_only=True):
    oid: str
    inner: Inner
    state: str = "outer"


class Kept(Value, frozen=True, kw_only=True):
    oid: str
    at: datetime
    text: str
    empty: tuple[str, ...]
    size: int = 3


class Told(Value, frozen=True, kw_only=True):
    text: str

    def cells(self):
        return {"text": self.text, "nothing": None}


TASK_COLUMNS = ["started", "attempts", "reason", "error", "inputs", "output"]


@pytest.fixture
def project(etl, edit):
    with library.open(create=True) as opened:
        opened.deploy("etl.yaml", message="First")
        edit("etl.yaml", "timeout: 300", "timeout: 600")
        opened.deploy("etl.yaml", message="<b>Second</b>")
        opened.run("etl")
        yield opened


def test_a_value_is_a_short_line():
    assert repr(Told(text="a")) == "<Told a>"
    assert repr(Inner(state="a")) == "Inner(state='a')"  # no more than what is not as always
    assert repr(Rows([Told(text="a"), Told(text="b")])) == "[<Told a>,\n <Told b>]"
    assert repr(Rows([])) == "[]"
    many = Rows([Told(text="a")] * (ROWS_MAX + 3))
    assert repr(many).endswith(",\n ... and 3 more]")
    assert "<p>and 3 more</p>" in many._repr_html_()


def test_a_record_has_its_fields_short():
    at = datetime(2026, 11, 1, tzinfo=UTC)
    found = repr(Kept(oid="0123456789ab" + "c" * 52, at=at, text="x" * 200, empty=()))
    assert found == f"Kept(oid='0123456789ab', at={shown(at)}, text='{'x' * 76}...)"


def test_a_line_names_parameters_and_times_to_come():
    at = datetime(2026, 11, 1, tzinfo=UTC)
    cells = {"began": at, "next": at, "params.day": "2026-11-01", "params.n": 2}
    assert line("Run", told(cells)) == (
        f'<Run {shown(at)}, next {shown(at)}, day="2026-11-01", n=2>'
    )


@pytest.mark.parametrize("text", ["\x1b[2J", "a\nb", "\u202eabc", "\x00"])
def test_nothing_in_a_line_moves_the_cursor_or_hides(text):
    assert shown(text).isprintable()
    assert repr(Told(text=text)).isprintable()
    assert shown("x" * 1000) == "x" * 77 + "..."


def test_times_are_in_words():
    moment = datetime(2026, 11, 1, 12, tzinfo=UTC)
    assert shown(moment) == f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"
    assert [shown(timedelta(seconds=s)) for s in (0.04, 3.14, 125.4)] == [
        "40 ms",
        "3.1 s",
        "0:02:05",
    ]
    assert line("Outputs", []) == "<Outputs>"


def test_a_table_takes_nothing_for_a_tag():
    found = table([{"<i>": "<script>"}, {"b": "&"}], 2, caption="<u>")
    assert re.findall(r"</?(\w+)>", found) == (
        ["table", "caption", "caption", "tr", "th", "th", "th", "th", "tr"]
        + ["tr", "td", "td", "td", "td", "tr"] * 2
        + ["table"]
    )
    assert "&lt;script&gt;" in found and "<td>&amp;</td>" in found


@pytest.mark.slow
def test_what_a_project_returns_is_short(project):
    shorts = {
        "runs": r"\[<RunEntry etl#1, success, 2\S+ \S+, \S+ m?s>\]",
        "log": r"\[<LogEntry \w{12}, etl, 2\S+ .*, <b>Second</b>, 1 succeeded>,\n <LogEntry .*>\]",
        "status": r"\[<FileStatus etl.yaml, etl, unchanged>\]",
    }
    for name, pattern in shorts.items():
        assert re.fullmatch(pattern, repr(getattr(project, name)())), name
    assert re.fullmatch(r"<RunDetails etl#1, success, .*, 2 tasks>", repr(project.show("etl#1")))
    run = project.show("etl#1")
    assert repr(run.tasks) == "<DetailsOfTasks extract success, load success>"
    assert re.fullmatch(r"<TaskDetails success, \S+ m?s, {'rows': 3}>", repr(run.tasks["extract"]))
    assert repr(run.outputs) == '<Outputs extract: {"rows": 3}, load: {"loaded": 3}>'
    assert re.fullmatch(r"<SnapshotDetails \w{12}, 2 tasks, 2 files>", repr(project.show("etl")))
    assert repr(project.diff("etl~1", "etl")) == "<Comparison etl~1, etl, 1 task>"
    assert repr(project.diff("etl", "etl")) == "<Comparison etl, etl, nothing differs>"
    assert repr(project.graph("etl~1..etl")) == "<Graph etl~1..etl, 2 tasks>"
    assert re.fullmatch(
        r"<Undone project.deploy\('etl.yaml'\), etl \w{12} -> \w{12}>", repr(project.undo())
    )
    assert re.fullmatch(r"<Page of \d+,\d+ characters>", repr(project.report("etl#1")))


def test_a_notebook_shows_tables_and_pictures(project):
    assert "&lt;b&gt;Second&lt;/b&gt;" in project.log()._repr_html_()
    run = project.show("etl#1")
    assert "<td>extract</td>" in run._repr_html_()
    output = "<td>{&quot;rows&quot;: 3}</td>"
    assert "<td>extract</td><td>success</td>" in run.tasks._repr_html_()
    assert output in run.tasks._repr_html_() and output in run.outputs._repr_html_()
    assert "<td>after extract</td>" in project.show("etl").tasks._repr_html_()
    assert "<td>#1 success</td>" in project._repr_html_()
    assert project.graph("etl#1")._repr_svg_().startswith("<svg")
    assert project.graph("etl#1")._repr_html_() is None
    assert "<td>unchanged</td>" in project.deploy("etl.yaml")._repr_html_()
    assert "extract" in str(project.graph("etl")) and "changed" in str(project.graph("etl~1..etl"))
    frame = project.report("etl~1..etl")._repr_html_()
    assert frame.startswith('<iframe sandbox="" ') and frame.count("<") == 2
    assert isinstance(project.report("etl"), Page)


def test_pandas_gets_the_fields_and_those_within(project):
    pandas = pytest.importorskip("pandas")
    runs = project.runs().to_pandas()
    assert isinstance(runs, pandas.DataFrame)
    assert list(runs.state) == ["success"] and runs.seconds[0] > 0
    first = ["name", "workflow", "number", "state", "partial", "created", "seconds"]
    assert list(runs.columns)[:7] == first and "duration" not in runs.columns
    assert list(project.runs(states="failed").to_pandas().columns)[:7] == first
    assert list(project.task_history("etl:load").to_pandas().name) == ["etl#1:load"]
    assert {"oid", "tags"} <= set(runs.columns) and len(set(runs.columns)) == len(runs.columns)
    assert Rows([]).to_pandas().empty
    assert set(Rows([], Outer).to_pandas().columns) == {"oid", "state", "seconds"}
    assert list(project.log().to_pandas().message) == ["<b>Second</b>", "First"]
    tasks = project.show("etl#1").tasks.to_pandas()
    assert list(tasks.name) == list(project.show("etl#1").tasks) and set(tasks.state) == {"success"}
    assert list(tasks.columns) == ["name", "state", "seconds", *TASK_COLUMNS]
    assert tasks.started.min() >= runs.created[0] and set(tasks.attempts) == {1}
    workflows = project.workflows().to_pandas()
    assert (list(workflows.workflow), list(workflows["last"])) == (["etl"], ["etl#1"])
    assert "name" not in workflows.columns  # as if it were that of the workflow
    assert set(project.workflows()[:0].to_pandas().columns) == set(workflows.columns)
    (row,) = Rows([Outer(oid="1", inner=Inner(state="in"))]).to_pandas().to_dict("records")
    assert row == {"oid": "1", "state": "outer", "seconds": 0.5}


def test_pandas_has_a_column_for_each_parameter(project, edit):
    pytest.importorskip("pandas")
    edit("etl.yaml", "tasks:\n", "params: {n: {default: 1}, day: {default: monday}}\ntasks:\n")
    project.run("etl.yaml", params={"n": 2})
    runs = project.runs().to_pandas()
    assert list(runs["params.n"].dropna()) == [2] and runs["params.day"][0] == "monday"
    assert re.fullmatch(r'<RunEntry etl#2, .*, day="monday", n=2>', repr(project.runs()[0]))
    assert "<th>params.day</th>" in project.runs()._repr_html_()


def test_a_run_tells_what_changed_under_it_its_tags_and_hooks_that_failed(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        on_success: {command: exit 1}
        tasks:
          a: {executor: process, command: echo a}
        """,
    )
    with library.open(create=True) as project:
        project.run("w.yaml")
        project.tag("v1")
        taint(project.store, "w", 1, a=("a.sh",))
        (entry,) = project.runs()
        assert repr(project.show("w#1")).endswith(", 1 task, tainted: a.sh changed while it ran>")
        assert repr(entry).endswith(
            ", tainted: a.sh changed while it ran, hook on_success failed, @v1>"
        )
        table = project.runs()._repr_html_()
        assert "<th>tainted</th>" in table and "reason" not in table


def test_a_part_of_rows_is_rows(project):
    part = project.log()[:1]
    assert isinstance(part, Rows) and part == [project.log()[0]] and part[0].deploy.message
    assert part._repr_html_().count("<tr>") == 2
    assert project.log()[5:]._repr_html_() == "<p>no deploys</p>"


def test_where_there_are_no_rows_it_says_so_and_has_the_columns(project):
    pytest.importorskip("pandas")
    lists = {
        "runs": ("runs", {"states": ("cancelled",)}),
        "deploys": ("log", {"grep": "nothing"}),
        "tags": ("tags", {}),
        "workflows": ("workflows", {"limit": 0}),
        "operations": ("operations", {"limit": 0}),
        "runs that wait": ("queued", {}),
    }
    found = {what: getattr(project, name)(**given) for what, (name, given) in lists.items()}
    assert {what: one._repr_html_() for what, one in found.items()} == {
        what: f"<p>no {what}</p>" for what in found
    }
    project.tag("v1")
    project.queue("etl")
    for what in ("runs", "deploys", "tags", "workflows", "operations", "runs that wait"):
        there = getattr(project, lists[what][0])().to_pandas()
        assert set(there.columns) <= set(found[what].to_pandas().columns), what


def test_without_pandas_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(library.OrkError, match="pandas is not installed") as caught:
        Rows([]).to_pandas()
    assert caught.value.hint == f"install it beside ork: `{sys.executable} -m pip install pandas`"
