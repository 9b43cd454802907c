"""What a command has a text about: `print` shows it in Python, and a notebook in colours."""

import re
from html import unescape

import pytest

import ork as library
from ork.objects.drawn import Drawn


@pytest.fixture
def project(etl, edit):
    with library.open(create=True) as opened:
        opened.run("etl.yaml", message="First")
        edit("etl.yaml", "timeout: 300", "timeout: 600")
        edit("load.sh", "loading", "<b>loading")
        edit("load.sh", "echo", "exit 1; echo")
        opened.run("etl.yaml", message="Break it")
        yield opened


TRAIN = """\
def fit(rate):
    assert rate < 1
    return {"loss": rate, "best": [1]}
def size():
    return 3
"""
COMMANDS = {
    "diff etl~1 etl": lambda p: p.diff("etl~1", "etl"),
    "diff etl~1 etl -- load": lambda p: p.diff("etl~1", "etl", tasks=["load"]),
    "diff etl#1 etl#2": lambda p: p.diff_runs("etl#1", "etl#2"),
    "blame etl": lambda p: p.blame("etl"),
    "blame etl --keys": lambda p: p.blame("etl", keys=True),
    "blame etl:load.sh": lambda p: p.blame("etl:load.sh"),
    "show etl^{snapshot}": lambda p: p.show("etl^{snapshot}"),
    "show etl#2": lambda p: p.show("etl#2"),
    "bisect etl": lambda p: p.bisect("etl"),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_print_shows_what_the_command_prints(project, ork, command):
    value = COMMANDS[command](project)
    text, html, short = str(value), value._repr_html_(), repr(value)
    project.close()
    assert f"{text}\n" == ork(*command.split()).out
    assert short.count("\n") == 0 and len(short) < 200
    assert str(value) in (text, short), "without its store it has what is read already"
    if command != "show etl#2":  # which is a table
        assert set(re.findall(r"<[^<]*?>", html)) <= {*re.findall(r"</?(?:pre|span).*?>", html)}
        assert unescape(re.sub("<.*?>", "", html)) == text


def test_a_change_has_its_lines_and_values(project):
    found = project.diff("etl~1", "etl")
    assert "+exit 1; echo" in str(found) and "300 -> 600" in str(found)
    assert str(found.diff) in str(found) and repr(found.diff) == "<Diff 1 task, 1 file>"
    assert "can give other results" in str(project.impact(found))
    assert found.diff.files[0].hunks
    html = found._repr_html_()
    assert '<span style="color: #859900">+exit 1; echo' in html and "&lt;b&gt;loading" in html
    assert found and not project.diff("etl", "etl")
    assert str(project.diff("etl", "etl")) == "no difference between etl and etl"
    assert (
        project.diff("etl", "etl")._repr_html_().endswith("no difference between etl and etl</pre>")
    )
    told = "no difference between etl~1 and etl in tasks/etl.py"
    assert str(project.diff("etl~1", "etl", tasks="tasks/etl.py")) == told
    assert str(project.log(with_diff=True)[0].diff).startswith("tasks\n")


def test_of_two_runs_a_diff_says_that_it_is_of_their_definitions(project):
    again = project.run("etl")
    for old in ("etl#2", project.show("etl#2")):
        assert str(project.diff(old, again)) == (
            "no difference between the definitions of etl#2 and etl#3;"
            " `project.diff_runs('etl#2', 'etl#3')` compares the runs"
        )


def test_what_no_project_has_given_is_a_short_line():
    class Some(Drawn, frozen=True, kw_only=True):
        a: int

        def cells(self):
            return {"a": self.a}

    assert str(Some(a=1)) == repr(Some(a=1)) == "<Some 1>"
    assert "<td>1</td>" in Some(a=1)._repr_html_()
    known = Some(a=1)
    known.draw_by(lambda html: "drawn")
    assert str(known) == known._repr_html_() == "drawn" and known == Some(a=1)


@pytest.mark.slow
def test_single_values_are_short(project):
    loaded = library.check("etl.yaml")
    assert repr(loaded) == "<Loaded etl, etl.yaml, 2 tasks, 2 files>"
    assert "<td>2 tasks</td>" in loaded._repr_html_()
    assert repr(project.show("etl").tasks) == "<Tasks extract, load>"
    assert re.fullmatch(r"<Tagged etl@v1, \w{12}, etl, .*, Break it>", repr(project.tag("v1")))
    assert repr(project.untag("v1")).endswith(", Break it, removed>")
    *trials, found = project.bisect_steps("etl")
    assert [re.sub(r"\b\w{12}\b", "OID", repr(one)) for one in trials] == [
        "<Trial good, recorded, etl#1, OID, First>",
        "<Trial bad, recorded, etl#2, OID, Break it>",
    ]
    assert re.fullmatch(r"<Bisected \w{12}, etl, .*, Break it, 1 failed>", repr(found))
    events = [re.sub(r"\d\S* m?s", "TIME", repr(one)) for one in project.events("etl")]
    assert events[0] == "<RunStarted etl#3, 2 tasks>"
    assert events[1:3] == ["<TaskStarted extract>", "<TaskFinished extract, success, TIME>"]
    assert events[4].startswith("<TaskFinished load, failed, TIME, exited with code 1")
    assert events[-1].startswith("<RunFinished etl#3, failed, ")


def test_one_of_a_kind_is_no_plural(ork):
    ork.write("one.yaml", 'name: one\ntasks: {a: {executor: process, command: ["true"]}}\n')
    with library.open(create=True) as project:
        run = project.run("one.yaml")
        assert repr(run).endswith(", 1 task>")
        assert repr(project.show("one")).endswith(", 1 task, 0 files>")
        assert repr(project.graph("one")) == "<Graph one, 1 task>"
        assert repr(project.blame("one")) == "<Blame one, 1 part>"


def test_a_list_of_runs_has_what_their_tasks_gave(ork):
    pytest.importorskip("pandas")
    ork.write("train.py", TRAIN)
    ork.write(
        "train.yaml",
        """
        name: train
        params: {rate: {type: float, default: 0.5}}
        tasks:
          fit: {executor: python, file: train.py, function: fit,
                inputs: {rate: {ref: params.rate}}}
          size: {executor: python, file: train.py, function: size, depends_on: [fit]}
        """,
    )
    with library.open(create=True) as project:
        for rate in (0.5, 2.0):
            project.run("train.yaml", params={"rate": rate})
        failed, good = project.runs("train", with_outputs=True)
        history = project.task_history("train:fit", with_outputs=True)
        sizes = project.task_history("train:size", with_outputs=True)
        assert project.runs("train", with_outputs=True, limit=1)[0] == failed
        assert "outputs" not in project.runs("train").to_pandas()
        runs = project.runs("train", with_outputs=True, states="cancelled")
        assert runs == [] and "outputs" in runs.to_pandas()
    assert (failed.outputs, good.outputs) == ({}, {"fit": {"loss": 0.5, "best": [1]}, "size": 3})
    assert repr(good).endswith(", rate=0.5, fit.best=[1], fit.loss=0.5, size=3>")
    assert "<th>outputs.fit.loss</th>" in library.Rows([good, failed])._repr_html_()
    table = library.Rows([good, failed]).to_pandas()
    assert list(table["outputs.fit.loss"].notna()) == [True, False]
    assert (table["outputs.fit.loss"][0], table["outputs.size"][0]) == (0.5, 3)
    assert [row.output for row in history] == [None, {"best": [1], "loss": 0.5}]
    assert history.to_pandas()["output.loss"][1] == 0.5
    assert sizes.to_pandas()["output"][1] == 3
    assert "<th>output</th>" in history._repr_html_()


@pytest.mark.slow
def test_pandas_gets_the_rows_of_each(project):
    pytest.importorskip("pandas")
    changes = project.diff("etl~1", "etl").to_pandas()
    assert list(changes.columns) == ["change", "of", "name", "field", "old", "new"]
    assert list(changes.of) == ["task", "file"] and changes.new[0] == 600
    assert list(project.diff("etl", "etl").to_pandas().columns) == list(changes.columns)
    runs = project.diff_runs("etl#1", "etl#2").to_pandas()
    assert dict(runs.set_index("name").new_state)["load"] == "failed"
    assert project.diff_runs("etl#1", "etl#1").to_pandas().kinds.empty
    parts = project.blame("etl").to_pandas()
    assert dict(zip(parts.name, parts.message, strict=True)) == {
        "extract": "Break it",
        "load": "First",
        "load.sh": "Break it",
        "tasks/etl.py": "First",
    }
    assert "First" in list(project.blame("etl:load.sh").to_pandas().message)
    run = project.show("etl#2")
    assert list(run.to_pandas().state) == list(run.tasks.to_pandas().state)
    assert list(project.show("etl").to_pandas().name) == ["extract", "load"]
    impact = project.impact(project.diff("etl~1", "etl")).to_pandas()
    affected = dict(zip(impact.name, impact.affected, strict=True))
    assert affected == {"extract": False, "load": True}, "a longer timeout is no other work"
    assert list(project.bisect("etl").to_pandas().verdict) == ["good", "bad"]
