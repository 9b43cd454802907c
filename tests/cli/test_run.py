"""ork run"""

import json
import platform
import re
import shutil
import sys

import pytest

from ork import OrkWarning
from ork import open as open_project
from ork.cli import options
from ork.runner.start import at_once
from ork.store import location
from tests.cli.screen import TERMINAL, on_terminal


def test_a_run_of_a_revision(history, golden, masked):
    result = history("run", "etl", "-j", "1")
    assert result.code == 0
    golden("run/success.out", masked(result.out))
    golden("run/success.err", masked(result.err))


def test_a_run_of_a_file_deploys_first(etl, golden, masked):
    result = etl("run", "etl.yaml", "-m", "First", "-j", "1")
    assert result.code == 0
    golden("run/file.out", masked(result.out))
    golden("run/file.err", masked(result.err))
    again = etl("run", "etl.yaml")
    assert "First" not in again.err
    assert len(json.loads(etl("log", "--json").out)["data"]) == 1


def test_a_run_that_fails(etl, golden, masked):
    etl.write("load.sh", "#!/bin/sh\necho one\necho two >&2\nexit 7\n", executable=True)
    result = etl("run", "etl.yaml", "-j", "1")
    assert result.code == 1
    golden("run/failure.out", masked(result.out))
    golden("run/failure.err", masked(result.err))


def test_a_very_long_name_pushes_nothing_but_its_own_line_to_the_right(ork):
    long = "the_task_whose_name_says_all_that_it_does"
    tasks = "".join(f"  {name}: {{executor: process, command: echo}}\n" for name in ("a", long))
    ork.write("w.yaml", f"name: w\ntasks:\n{tasks}")
    told = ork("run", "w.yaml").err
    assert re.search(r"ok       a  +\d+ms\n", told) and f"ok       {long}  " in told
    assert max(len(gap) for gap in re.findall(r"ok       a( +)", told)) < 10


def test_events_are_one_json_a_line(history, golden, masked):
    result = history("run", "etl", "-j", "1", "--json")
    assert (result.code, result.err) == (0, "")
    golden("run/events.json", masked(result.out))
    events = [json.loads(line) for line in result.out.splitlines()]
    assert [event["event"] for event in events] == [
        "RunStarted",
        "TaskStarted",
        "TaskFinished",
        "TaskStarted",
        "TaskFinished",
        "RunFinished",
    ]
    assert {event["schema"] for event in events} == {"ork.run.v1"}


@pytest.mark.slow
def test_an_old_revision_runs_with_its_own_code(history):
    assert history("run", "etl~2").code == 0
    assert history("run", "etl").code == 0
    outputs = [
        json.loads(history("show", f"etl#{n}:extract", "--json").out)["data"]["output"]
        for n in (1, 2)
    ]
    assert outputs == [{"rows": 3}, {"rows": 4}]


@pytest.mark.slow
def test_a_deployed_workflow_runs_when_its_file_is_gone(history):
    (history.folder / "etl.yaml").unlink()
    (history.folder / "load.sh").unlink()
    assert history("run", "etl").code == 0
    assert history("run", "etl#1").code == 0


def test_what_cannot_be_run(etl, broken):
    assert etl("run", "etl").code == 3
    result = etl("run", "nowhere.yaml")
    assert result.code == 3
    assert not (etl.folder / ".ork").exists()
    assert etl("run", "broken.yaml").code == 3
    etl("deploy", "etl.yaml")
    result = etl("run", "etl:extract")
    assert result.code == 3
    assert "etl:extract is a task; a workflow is wanted here" in result.err
    assert "`ork run etl --only extract` runs no other" in result.err
    etl("run", "etl")
    assert "etl#1:load is a task of a run;" in etl("run", "etl#1:load").err
    assert "`ork run etl#1 --only load` runs no other" in etl("run", "etl#1:load").err
    assert etl("run", "etl#1", "--only", "load").code == 0
    several = etl("run", "etl", "--from", "extract,load")
    assert (several.code, "`--from extract --from load`" in several.err) == (3, True)
    assert etl("run", "etl", "-j", "0").code == 2


def test_what_runs_whatever_became_of_the_others_runs_alone_after_their_failure(ork):
    ork.write(
        "tidy.yaml",
        """\
        name: tidy
        tasks:
          up: {executor: process, command: 'exit 1'}
          tidy:
            executor: process
            command: 'echo $ORK_UPSTREAM_JSON'
            depends_on: [up]
            on_upstream_failure: run
          after: {executor: process, command: 'true', depends_on: [tidy]}
          strict: {executor: process, command: 'true', depends_on: [up]}
        """,
    )
    assert ork("run", "tidy.yaml").code == 1
    assert ork("run", "tidy", "--only", "tidy").code == 0
    assert ork("logs", "tidy:tidy").out == '{"up": "skipped"}\n'
    assert ork("retry", "tidy#1", "--only", "tidy").code == 1  # up has failed in it
    refused = ork("run", "tidy", "--only", "strict")
    assert (refused.code, "no run of tidy has the outputs of up" in refused.err) == (2, True)
    refused = ork("run", "tidy", "--only", "strict", "--only", "tidy")
    assert (refused.code, "no run of tidy has the outputs of up" in refused.err) == (2, True)


def test_a_dry_run_refuses_what_the_run_would(ran):
    assert ran("rollback", "etl", "etl~1").code == 0
    refused = ran("run", "etl.yaml")
    assert (refused.code, ran("run", "etl.yaml", "--dry-run")) == (3, refused)
    assert "nothing was deployed" in refused.err
    outside = ran("run", "etl.yaml", "--dry-run", "--no-deploy")
    assert (outside.code, "  2 tasks would run\n" in outside.out) == (0, True)
    assert ran("run", "etl.yaml", "--no-deploy").code == 1
    assert "deployed first" not in ran("run", "etl#3", "--dry-run").out


def test_a_dry_run_has_parameters_as_the_record_will_have_them(etl, edit):
    edit("etl.yaml", "tasks:\n", "params: {lr: {type: float, default: 2.0}}\ntasks:\n")
    assert 'params {"lr": 2}\n' in etl("run", "etl.yaml", "--dry-run").out
    assert '"lr": 2\n' in etl("run", "--dry-run", "--json").out
    etl("run", "etl.yaml")
    assert 'params   {"lr": 2}\n' in etl("show", "etl#1").out


@pytest.mark.parametrize("command", ["run", "run --dry-run", "graph", "deploy"])
def test_of_several_files_one_is_to_be_named_before_there_is_a_store(etl, command):
    etl.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    refused = etl(*command.split())
    assert (refused.code, "this folder has 2 workflow files: name one" in refused.err) == (2, True)
    for name in ("other.yaml", "etl.yaml"):
        (etl.folder / name).unlink()
    refused = etl(*command.split()).err
    assert "this folder has no workflow file\nhint: `ork init --example shell` writes" in refused
    etl.write("below/other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    assert "folder below, such as below/other.yaml\n" in etl(*command.split()).err
    assert not (etl.folder / ".ork").exists()


def test_a_folder_stands_for_the_only_file_in_it(etl):
    etl.write("sub/one.yaml", "name: sub\ntasks: {a: {executor: process, command: ls}}\n")
    assert etl("run", "sub").code == 0
    etl.write("sub/two.yaml", "name: two\ntasks: {a: {executor: process, command: ls}}\n")
    assert etl("run", "sub").code == 0  # of the workflow of that name
    assert etl("run", ".").code == 0
    etl.write("above/sub/one.yaml", "name: one\ntasks: {a: {executor: process, command: ls}}\n")
    for name, many in (("above", "no"), ("./sub", "2")):
        result = etl("run", name)
        assert result.code == 2
        assert f"{name} is a folder, with {many} workflow files\n" in result.err


@pytest.mark.slow
def test_a_head_that_differs_from_its_file_is_run_with_a_note(etl, edit):
    etl("deploy", "etl.yaml")
    assert "note" not in etl("run", "etl").err
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    note = "note: etl runs without what you changed: Change extract.timeout 300 -> 600\n"
    note += "hint: `ork run etl.yaml` runs with that\n"
    for name in ("etl", "@"):
        result = etl("run", name)
        assert result.code == 0
        assert result.err.startswith(note)
    assert "note" not in etl("run", "etl@{0}").err
    edit("etl.yaml", "timeout: 600", "timeout: 300")
    edit("tasks/etl.py", "extracting", "fetching")
    assert "what you changed: Edit tasks/etl.py\n" in etl("run", "etl").err
    edit("etl.yaml", "name: etl", "name: other")
    assert etl("deploy", "--new", "etl.yaml").code == 0
    edit("etl.yaml", "timeout: 300", "timeout: 900")
    assert "note" not in etl("run", "etl").err
    (etl.folder / "etl.yaml").unlink()
    gone = "note: etl.yaml is not here: `ork restore etl --code` writes what is run; if it has"
    assert etl("run", "etl").err.startswith(gone)


@pytest.mark.slow
def test_a_message_that_no_deploy_has_is_told(etl, edit):
    note = "note: nothing was deployed: the message is not kept; `ork tag LABEL` marks a"
    assert etl("init").code == 0
    assert "note" not in etl("run", "etl.yaml", "-m", "First").err
    for words in (("etl.yaml",), ("etl",), ("etl.yaml", "--no-deploy"), ("etl.yaml", "--queue")):
        assert note in etl("run", *words, "-m", "why").err, words
    assert "note" not in etl("run", "etl.yaml", "-m", "why", "--json").err
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert "note" not in etl("run", "etl.yaml", "-m", "Wait longer").err


def test_a_failure_offers_a_retry(etl, edit):
    edit("load.sh", "echo", "false; echo")
    edit("load.sh", "echo 'ORK", "exit 1 #")
    result = etl("run", "etl.yaml")
    assert result.code == 1
    assert "next: `ork logs etl#1:load`, `ork show etl#1` or `ork retry etl#1`\n" in result.err
    assert "retry" not in etl("run", "etl.yaml", "--only", "extract").err


def test_a_version_of_before_a_move_finds_its_data_where_the_file_lies_now(ork):
    text = "name: t\ntasks: {a: {executor: process, command: cat data/in.txt}}\n"
    ork.write("old/t.yaml", text)
    ork.write("old/data/in.txt", "rows")
    assert ork("run", "old/t.yaml").code == 0
    (ork.folder / "old").rename(ork.folder / "new")
    ork.write("new/t.yaml", text + "max_parallel: 2\n")
    assert ork("run", "new/t.yaml", "--move").code == 0
    for version in ("t~1", "t#1"):
        assert ork("run", version).code == 0
        assert ork("logs", "t:a").out == "rows"
    assert not (ork.folder / "old").exists()


def test_a_dry_run_says_what_would_run_and_writes_nothing(etl, golden):
    said = etl("run", "etl.yaml", "--dry-run")
    assert (said.code, said.err) == (0, "")
    golden("run/dry.txt", said.out)
    assert not (etl.folder / ".ork").exists()
    assert etl("run", "etl.yaml").code == 0
    before = _writes(etl)
    golden("run/dry_again.txt", etl("run", "etl", "--dry-run", "--from", "load").out)
    golden("run/dry.json", etl("run", "--dry-run", "--json").out)
    assert _writes(etl) == before
    assert etl("run", "--dry-run", "--only", "nope").code == 3


def _writes(ork):
    """Return how many writes the store has taken."""
    store = location.open_store(ork.folder / ".ork", environ={})
    try:
        return store.backend.sequence()
    finally:
        store.close()


def test_quiet_prints_only_what_went_wrong(etl):
    result = etl("run", "etl.yaml", "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")
    result = etl("retry", "etl#1", "-q", "--from", "load")
    assert (result.code, result.out, result.err) == (0, "", "")
    etl.write("load.sh", "#!/bin/sh\necho one\nexit 7\n", executable=True)
    result = etl("run", "etl.yaml", "-q")
    assert result.code == 1 and result.out.startswith("etl#3 failed")
    assert result.err.startswith("--- the end of the log of load\none\n")
    assert ": load: exited with code 7: one; 1 succeeded, 1 failed\n" in result.out
    etl.write("load.sh", "#!/bin/sh\nexit 7\n", executable=True)
    result = etl("run", "etl.yaml", "-q")
    assert ": load: exited with code 7; 1 succeeded, 1 failed\n" in result.out
    assert "the end of the log" not in result.err, "nothing was printed"
    for other in ("--json", "--dry-run", "--watch"):
        assert f"--quiet and {other} exclude" in etl("run", "etl.yaml", "-q", other).err


@pytest.mark.slow
def test_quiet_prints_what_is_warned_of(etl, edit):
    etl("deploy", "etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("run", "etl", "-q").err == (
        "note: etl runs without what you changed: Change extract.timeout 300 -> 600\n"
        "hint: `ork run etl.yaml` runs with that\n"
    )
    etl("deploy", "etl.yaml")
    etl("rollback", "etl", "etl~1")
    edit("etl.yaml", "Fetch, then load", "Fetch and load")
    result = etl("run", "etl.yaml", "-q", "-m", "kept")
    assert (result.code, result.out) == (0, "")
    assert "etl.yaml: warning: this takes back what `ork rollback etl" in result.err
    assert etl("run", "etl.yaml", "-q", "-m", "not kept").err == ""
    (etl.folder / "etl.yaml").rename(etl.folder / "gone.txt")
    assert "etl.yaml is not here" in etl("run", "etl").err
    assert etl("run", "etl", "-q").err == ""


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("0.5", 0.5), ("500ms", 0.5), ("1h30m", 5400)]
)
def test_a_time_limit_is_written_as_in_a_file(text, seconds):
    assert options.seconds(text) == seconds


def test_what_is_no_time_limit_is_told(etl):
    for wrong in ("-1", "soon", "1x"):
        refused = etl("run", "etl.yaml", f"--timeout={wrong}")
        assert refused.code == 2 and "write 90, 30s, 5m or 1h30m" in refused.err
    for nothing in ("0", "0.0", "0s"):
        refused = etl("run", "etl.yaml", "--timeout", nothing)
        assert refused.code == 2, nothing
        assert etl("retry", "etl", "--timeout", nothing).code == 2
    assert not (etl.folder / ".ork").exists()


def test_logs_are_printed_when_tasks_end(etl):
    etl.write("load.sh", "#!/bin/sh\necho one\nprintf 'half\\rtwo' >&2\nexit 7\n", executable=True)
    result = etl("run", "etl.yaml", "--logs")
    assert result.code == 1
    begin, end = result.err.index("FAILED   load"), result.err.index("next:")
    assert result.err[begin:end].splitlines()[1:] == ["load | one", "load | two"]
    retried = etl("retry", "etl#1", "--logs").err
    assert retried.count("load | one") == 1 and "the end of the log" not in retried
    for other in ("--json", "--quiet"):
        assert f"--logs and {other} exclude" in etl("run", "etl.yaml", "--logs", other).err


def test_a_name_that_its_file_has_is_told_to_run_the_file_before_there_is_a_store(etl):
    refused = etl("run", "etl")
    assert (refused.code, (etl.folder / ".ork").exists()) == (3, False)
    assert "hint: `ork run etl.yaml` deploys and runs the file of that name" in refused.err
    assert "no ork store here" in etl("run", "elt").err


def test_lines_have_the_date_where_they_may_be_read_another_day(etl):
    begin = "run etl#1 of "
    assert f"\n2026-11-01 12:00:02 +0000  {begin}" in etl("run", "etl.yaml").err
    etl.environ |= TERMINAL
    shown = on_terminal(etl, 80, "run", "etl.yaml", "--logs").text
    assert re.search(r"(?m)^12:\d\d:\d\d  run etl#2 of ", shown)


def test_a_package_in_src_that_python_does_not_find_is_told_as_such(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: python, file: src/churn/a.py}}\n")
    ork.write("pyproject.toml", "[project]\nname = 'churn'\n")
    ork.write("src/churn/__init__.py", "")
    ork.write("src/churn/shared.py", "ROWS = 3\n")
    ork.write("src/churn/a.py", "from churn.shared import ROWS\n\ndef main():\n    return ROWS\n")
    told = f"python: {sys.executable}; it does not look into src: `env: {{PYTHONPATH: src}}` at"
    assert told in ork("run", "w.yaml").err
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: python, module: churn.a}}\n")
    assert "hint: it is in src, where `env: {PYTHONPATH: src}` at the" in ork("check", "w.yaml").out
    ork.write("w.yaml", "env: {PYTHONPATH: src}\n" + (ork.folder / "w.yaml").read_text())
    assert ork("run", "w.yaml").code == 0
    assert ork("outputs", "w#2:a").out == "3\n"


def test_a_module_that_is_gone_from_the_code_is_no_matter_of_the_python(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: python, file: a.py}}\n")
    ork.write("a.py", "import helpers.one\n\ndef main():\n    return 1\n")
    ork.write("helpers/one.py", "ROWS = 3\n")
    assert ork("run", "w.yaml").code == 0
    shutil.rmtree(ork.folder / "helpers")
    failed = ork("run", "w.yaml").err
    assert "another one is chosen" not in failed
    told = "helpers: w#1 had it, in helpers/one.py: `ork show w#1:helpers/one.py` prints it\n"
    assert told in failed
    assert ork("show", "w#1:helpers/one.py").out == "ROWS = 3\n"


@pytest.mark.slow
def test_a_module_that_is_missing_names_the_python_that_looked_for_it(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: python, file: a.py}}\n")
    ork.write("a.py", "def main():\n    import no_such_module\n")
    told = f"python: {sys.executable}; another one is chosen by `python:` in the file, ORK_"
    active = ork.folder / "my env"
    ork.environ["VIRTUAL_ENV"] = str(active)
    failed = ork("run", "w.yaml").err
    assert told in failed
    assert f"; the environment that is active: `export ORK_PYTHON='{active}/bin/python'`" in failed
    ork.environ["VIRTUAL_ENV"] = sys.prefix
    shown = ork("show", "w#1").err
    assert told in shown and "export" not in shown
    version = platform.python_version()
    assert f"python   {sys.executable} ({version})\n" in ork("show", "w#1:a").out
    assert json.loads(ork("show", "w#1:a", "--json").out)["data"]["python"] == sys.executable

    ork.write("w.yaml", f"python: {sys.executable}\n" + (ork.folder / "w.yaml").read_text())
    assert "another one is chosen by `python:` in the file\n" in ork("run", "w.yaml").err

    ork.write("a.py", "def main():\n    raise ImportError('add it to `include:`')\n")
    assert "another one is" not in ork("run", "w.yaml").err
    ork.write("a.py", "from .b import main\n")
    failed = ork("run", "w.yaml").err
    assert "another one is" not in failed and "attempted relative import" in failed


def test_a_command_has_no_python_of_its_own(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: exit 1}}\n")
    assert "another one is" not in ork("run", "w.yaml").err
    assert json.loads(ork("show", "w#1:a", "--json").out)["data"]["python"] is None


def test_that_fewer_tasks_run_at_once_than_the_file_allows_is_told(ork):
    tasks = "".join(
        f"  t{n}: {{executor: process, command: 'true'}}\n" for n in range(at_once() + 1)
    )
    ork.write("w.yaml", f"name: w\nmax_parallel: 999\ntasks:\n{tasks}")
    note = f"note: {at_once()} tasks run at once, though max_parallel is 999: --jobs allows more\n"
    for words in (["w.yaml"], ["w", "--dry-run"]):
        assert note in ork("run", *words).err
    for words in (["-j", "2"], ["--only", "t0"], ["-q"]):
        assert "max_parallel" not in ork("run", "w.yaml", *words).err
    with pytest.warns(OrkWarning, match="though max_parallel is 999: `jobs` allows more"):
        open_project(ork.folder).run("w")
    ork.write("w.yaml", f"name: w\nmax_parallel: {at_once()}\ntasks:\n{tasks}")
    assert "though max_parallel" not in ork("run", "w.yaml").err
    ork.write("w.yaml", f"name: w\nmax_parallel: 999\ntasks:\n{tasks.replace('true', 'exit 1')}")
    ork("run", "w.yaml")
    assert note in ork("retry", "w").err
