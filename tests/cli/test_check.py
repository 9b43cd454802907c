"""ork check"""

import json


def test_a_good_file_needs_no_store(etl):
    result = etl("check", "etl.yaml")
    assert (result.code, result.out, result.err) == (0, "etl  etl.yaml: good\n", "")
    assert not (etl.folder / ".ork").exists()


def test_good_and_bad_files(etl, broken, golden):
    result = etl("check", "etl.yaml", "broken.yaml")
    assert (result.code, result.err) == (1, "")
    golden("check/two.txt", result.out)
    golden("check/two.json", etl("check", "etl.yaml", "broken.yaml", "--json").out)


def test_code_that_is_missing_or_no_python(etl, edit, golden):
    edit("etl.yaml", "tasks/etl.py", "tasks/elt.py")
    golden("check/missing_code.txt", etl("check", "etl.yaml").out)
    etl.write("tasks/elt.py", "def extract(:\n    pass\n")
    result = etl("check", "etl.yaml")
    assert result.code == 1
    message, source, caret = result.out.splitlines()
    assert message.startswith("tasks/elt.py:1:13: not valid Python: ")  # and what Python says
    assert source == "    1 | def extract(:"
    assert caret.index("^") == source.index(":")


def test_what_cannot_be_read_as_a_file(ork):
    (ork.folder / "folder.yaml").mkdir()
    result = ork("check", "folder.yaml")
    assert result.code == 1
    assert "folder.yaml" in result.out
    assert ork("check", "nowhere.yaml").code == 3
    assert ork("check").code == 2


def test_the_snapshot_is_the_one_that_a_deploy_makes(etl):
    checked = json.loads(etl("check", "etl.yaml", "--json").out)["data"][0]["snapshot"]
    deployed = json.loads(etl("deploy", "etl.yaml", "--json").out)["data"][0]["snapshot"]
    assert checked == deployed


def test_no_code_of_the_workflow_runs(etl):
    etl.write("tasks/etl.py", "open('ran', 'w')\ndef extract(): ...\n")
    etl("check", "etl.yaml")
    etl("deploy", "etl.yaml")
    assert not (etl.folder / "ran").exists()


def test_two_files_with_one_name(ork, golden):
    ork.write("one.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork.write("two.yaml", "# of two\nname:   w\ntasks: {z: {executor: process, command: ls}}\n")
    ork.write("three.yaml", "name: x\ntasks: {z: {executor: process, command: ls}}\n")
    result = ork("check", "one.yaml", "two.yaml", "three.yaml", "one.yaml")
    assert result.code == 1
    golden("check/same_names.txt", result.out)
    found = json.loads(ork("check", "one.yaml", "two.yaml", "--json").out)["data"]
    places = [(p["file"], p["line"], p["column"]) for one in found for p in one["problems"]]
    assert places == [("one.yaml", 1, 7), ("two.yaml", 2, 9)]
    assert ork("check", "one.yaml", "./one.yaml").code == 0
