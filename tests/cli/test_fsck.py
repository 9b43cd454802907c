import re

import pytest

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


def test_a_run_that_no_repair_can_end_stops_no_other_command(ork):
    assert ork("init", "--store", "files:").code == 0
    for name in ("etl", "load"):
        tasks = f"{{t: {{executor: process, command: echo {name}}}}}"
        ork.write(f"{name}.yaml", f"name: {name}\ntasks: {tasks}\n")
        assert ork("run", f"{name}.yaml").code == 0
    ork.write("load.yaml", "name: load\ntasks: {u: {executor: process, command: 'true'}}\n")
    for name in ("etl#1", "etl:t"):
        oid = ork("rev-parse", name).out.strip()
        (ork.folder / ".ork/db/objects" / oid[:2] / oid[2:]).unlink()
    assert ork("fsck", "--repair").code == 1
    for line in ("runs", "log load", "workflows", "show load#1", "run load.yaml", "retry load#1"):
        result = ork(*line.split())
        assert result.code == (2 if line.startswith("retry") else 0), (line, result)
        assert "though nobody executes it: etl#1: object" in result.err
