import json
import re

import pytest

from ork.store.runs import END_LOST
from tests.damage import data_file, flip


def test_a_whole_store(ran, golden):
    result = ran("fsck")
    assert result.code == 0
    golden("fsck/whole.txt", result.out)


@pytest.mark.slow
def test_what_is_damaged_is_a_line_each(ran, golden):
    assert ran("tag", "etl@prod", "etl~1").code == 0
    flip(ran.folder / ".ork", b"rtags/etl/prod", 12)
    flip(ran.folder / ".ork", b"def extract", 4)
    for form, name in ((["fsck"], "damaged.txt"), (["fsck", "--json"], "damaged.json")):
        result = ran(*form)
        assert result.code == 1
        golden(f"fsck/{name}", result.out)
        assert result.err.startswith("hint: `ork fsck --repair`") == (form == ["fsck"])
    assert "hint: `ork fsck` says what suffers" in ran("show", "etl:tasks/etl.py").err


@pytest.mark.slow
def test_what_is_repaired_is_told_step_by_step(ran, golden):
    assert ran("tag", "etl@prod", "etl~1").code == 0
    flip(ran.folder / ".ork", b"rtags/etl/prod", 12)
    flip(ran.folder / ".ork", b"def extract", 4)
    kept = f"-{data_file(ran.folder / '.ork').name}"
    result = ran("fsck", "--repair")
    assert result.code == 1  # the older code is nowhere any more
    assert "`ork init --from BACKUP FOLDER`" in result.err
    # Objects that nothing leads to any more are found or not, as pages were used again.
    told = re.sub("data file: [0-9]+", "data file: COUNT", result.out)
    golden("fsck/repaired.txt", told.replace(kept, "-data.mdb"))
    result = ran("fsck", "--repair", "--json")
    assert result.code == 1
    golden("fsck/repaired.json", result.out.replace(kept, "-data.mdb"))


def test_it_needs_a_store(ork):
    assert ork("fsck").code == 3
    assert ork("--store", "nowhere", "fsck").code == 3


def test_it_looks_at_the_present_and_in_one_way(ran):
    assert ran("fsck", "--quick", "--full").code == 2
    assert ran("--at-op", "@{1}", "fsck").code == 2


@pytest.fixture
def lose(ork):
    """Remove an object from a store of files, which two workflows are deployed into."""
    assert ork("init", "--store", "files:").code == 0
    for name in ("etl", "load"):
        tasks = f"{{t: {{executor: process, command: test -e {name}}}}}"
        ork.write(f"{name}.yaml", f"name: {name}\ntasks: {tasks}\n")
        ork.write(name, "")
        assert ork("run", f"{name}.yaml").code == 0
    ork.write("load.yaml", "name: load\ntasks: {u: {executor: process, command: 'true'}}\n")

    def remove(oid):
        (ork.folder / ".ork/db/objects" / oid[:2] / oid[2:]).unlink()

    return remove


@pytest.mark.parametrize("lost", ["etl:t", "etl^{snapshot}", "etl"])
def test_a_run_whose_end_is_lost_ends_though_what_it_executed_is_lost_as_well(ork, lose, lost):
    for oid in [ork("rev-parse", name).out.strip() for name in ("etl#1", lost)]:
        lose(oid)
    assert ork("fsck", "--repair").code == 1
    told = ork("runs")
    assert (told.code, told.err) == (0, "")
    assert re.search(f"etl#1 +interrupted .*{END_LOST}", told.out)
    for line in ("log load", "run load.yaml"):
        assert (ork(*line.split()).code, line) == (0, line)
    listed = ork("workflows")
    assert listed.code == (4 if "snapshot" in lost else 0)
    assert re.search("^load ", listed.out, re.M)
    if listed.code:
        assert "error: etl is damaged: object" in listed.err
    if lost == "etl":  # no history has it
        assert "error: etl has lost its newest deploy, " in ork("log", "etl").err
        assert "1 run of etl: #1\n" in ork("gc", "--damaged", "--prune").out
        assert "E101" not in ork("fsck").out


def test_a_run_that_no_repair_can_end_stops_no_other_command(ork, lose):
    (ork.folder / "etl").unlink()
    assert ork("run", "etl").code == 1
    first = ork("rev-parse", "etl#2").out.strip()
    ork.write("etl", "")
    assert ork("retry", "etl#2").code == 0
    lose(ork("rev-parse", "etl#2").out.strip())
    lose(first)
    assert ork("fsck", "--repair").code == 1
    for line in ("runs", "log load", "workflows", "show load#1", "run load.yaml", "retry load#1"):
        result = ork(*line.split())
        assert result.code == (2 if line.startswith("retry") else 0), (line, result)
        assert "though nobody executes it: etl#2: object" in result.err


def test_a_damaged_run_is_marked_as_such_and_the_others_are_shown(ork, lose):
    for _ in range(2):
        assert ork("run", "etl").code == 0
    _, second, _ = json.loads(ork("runs", "etl", "--json").out)["data"]
    lose(second["run"]["tasks"])
    rows = ork("runs", "etl:t").out.splitlines()
    assert [re.split(" +", row)[:2] for row in rows] == [
        ["etl#3", "ok"],
        ["etl#2", "damaged"],
        ["etl#1", "ok"],
    ]
    failed = json.loads(ork("runs", "etl:t", "--status", "failed", "--json").out)["data"]["runs"]
    assert [(one["name"], one["damaged"]) for one in failed] == [("etl#2:t", True)]
    times = ork("runs", "etl", "--tasks")
    assert "2 runs" in times.out and "damaged, and not counted: etl#2\n" in times.err
    shown = ork("show", "etl#2")
    assert shown.code == 4 and "error: etl#2 is damaged: object" in shown.err
    for words in ("state    success\n", "author   ", "date     2026"):
        assert words in shown.out
    assert ork("fsck", "--repair").code == 1
    assert "[2 succeeded, 1 damaged]" in ork("log", "etl", "--oneline").out
    assert re.findall(r"(etl#\d) .* damaged$", ork("runs").out, re.M) == ["etl#2"]
    err = ork("fsck").err
    assert "hint: no repair has what is missing: make a store" in err and "--repair" not in err
    assert ork("gc", "--damaged", "--prune").code == 0
    assert "[2 succeeded]" in ork("log", "etl", "--oneline").out
    assert ork("fsck").code == 0


def test_a_run_whose_record_is_lost_is_marked_and_the_others_are_shown(ork, lose):
    import ork as library

    for _ in range(2):
        assert ork("run", "etl").code == 0
    lose(ork("rev-parse", "etl#2").out.strip())
    listed = ork("runs", "etl")
    assert re.findall(r"(etl#\d).*?( damaged)?$", listed.out, re.M) == [
        ("etl#3", ""),
        ("etl#2", " damaged"),
        ("etl#1", ""),
    ]
    page = ork("report", "etl", "-o", "-")
    assert (page.code, listed.code) == (4, 4)
    assert page.err == listed.err and "error: etl#2 is damaged: object" in page.err
    assert re.search(">etl#3<.*>etl#2<.*>damaged<.*>etl#1<", page.out, re.S)
    assert ork("report", "etl", "-o", "page.html").code == 4
    assert ">damaged<" in (ork.folder / "page.html").read_text()

    def told(ask):
        with pytest.warns(library.OrkWarning, match="etl#2( is damaged: |$)") as warned:
            found = ask()
        assert all(one.filename == __file__ for one in warned)
        return found

    with library.open(ork.folder) as project:
        for with_outputs in (False, True):
            rows = told(lambda it=with_outputs: project.runs("etl", with_outputs=it))
            assert [one.damaged for one in rows] == [False, True, False]
        rows = told(lambda: project.task_history("etl:t"))
        assert [one.state for one in rows] == ["success", "damaged", "success"]
        assert told(lambda: project.task_times("etl"))[0].succeeded == 2
        assert ">damaged<" in told(lambda: project.report("etl"))
        assert [one.workflow for one in project.workflows()] == ["etl", "load"]
        lose(project.resolve("etl#3").oid)
    with library.open(ork.folder) as project, pytest.warns(library.OrkWarning, match="etl#3 is d"):
        assert [one.workflow for one in project.workflows()] == ["etl", "load"]


def test_what_is_missing_has_its_article_and_a_hint_that_helps(ork, lose):
    lose(json.loads(ork("ops", "--json").out)["data"][-1]["oid"])
    lose(ork("hash-object", "etl.yaml").out.strip())
    found = ork("fsck")
    assert re.findall("  (an? [a-z ]+) is missing", found.out) == ["a blob", "an operation"]
    assert "hint: `ork fsck --repair` makes whole" in found.err, "the file has those bytes"
    assert "have their bytes: 1\n" in ork("fsck", "--repair").out
    assert "--repair" not in ork("fsck").err
