"""ork status"""

import json


def test_each_state_of_a_file(history, broken, edit, golden):
    history.write("below/new.yaml", "name: fresh\ntasks: {a: {executor: process, command: ls}}\n")
    history.write("gone.yaml", "name: gone\ntasks: {a: {executor: process, command: pwd}}\n")
    history("deploy", "gone.yaml")
    (history.folder / "gone.yaml").unlink()
    edit("etl.yaml", "600", "900")
    result = history("status")
    assert result.code == 0
    golden("status/all_states.txt", result.out + result.err)


def test_nothing_changed(history, golden):
    history("tag", "etl@v1")
    result = history("status")
    assert result.code == 0
    golden("status/unchanged.txt", result.out + result.err)


def test_a_file_that_is_gone_need_not_stay_in_the_list(history, golden):
    (history.folder / "etl.yaml").unlink()
    result = history("status")
    golden("status/gone.txt", result.out + result.err)
    assert history("archive", "etl").code == 0
    assert history("status").out == ""


def test_only_a_new_file(etl, golden):
    etl("init")
    result = etl("status")
    golden("status/new.txt", result.out + result.err)


def test_status_as_json(history, edit, golden):
    edit("etl.yaml", "600", "900")
    result = history("status", "--json")
    assert (result.code, result.err) == (0, "")
    golden("status/modified.json", result.out)


def test_edited_code_counts_as_modified(history, edit):
    edit("tasks/etl.py", "extracting", "fetching")
    assert "modified" in history("status").out


def test_no_workflow_files(ork):
    ork("init")
    ork.write("data.yaml", "rows: []\n")
    result = ork("status")
    assert (result.code, result.out, result.err) == (0, "", "no workflow files here\n")
    assert json.loads(ork("status", "--json").out)["data"] == []


def test_files_of_archived_workflows_are_not_said_to_be_missing(etl):
    etl("deploy")
    etl("archive", "etl")
    told = ", but for those of archived workflows: `ork workflows --all` lists them"
    assert etl("status").err == f"no workflow files here{told}\n"


def test_no_store(ork, golden, masked):
    result = ork("status")
    assert result.code == 3
    golden("status/no_store.txt", masked(result.out + result.err))


def test_hidden_folders_are_not_searched(etl):
    etl.write(".cache/old.yaml", (etl.folder / "etl.yaml").read_text())
    etl("init")
    assert ".cache" not in etl("status").out


def test_a_file_that_has_another_name_now(history, edit):
    edit("etl.yaml", "name: etl", "name: load")
    assert history("status").out == "renamed   etl.yaml  load  deployed as etl\n"
    history("deploy", "--new", "etl.yaml")
    assert history("status").out.split()[:3] == ["unchanged", "etl.yaml", "load"]


def test_files_that_share_a_name(history, golden):
    text = "name: {}\ntasks: {{a: {{executor: process, command: ls}}}}\n"
    history.write("copy.yaml", text.format("etl"))
    history.write("new1.yaml", text.format("fresh"))
    history.write("new2.yaml", text.format("fresh"))
    result = history("status")
    golden("status/duplicates.txt", result.out + result.err)
    (history.folder / "copy.yaml").rename(history.folder / "away")
    assert "hint: new2.yaml needs a name of its own\n" in history("status").err
    (history.folder / "away").rename(history.folder / "copy.yaml")
    (history.folder / "etl.yaml").unlink()
    history.write("copy2.yaml", text.format("etl"))
    golden("status/two_moved.txt", history("status").out)


def test_a_file_from_before_a_move_is_told_apart_from_a_copy(history):
    before, moved = history.folder / "etl.yaml", history.folder / "moved.yaml"
    before.rename(moved)
    assert history("deploy", "moved.yaml").code == 0
    before.write_bytes(moved.read_bytes())
    told = "etl.yaml was the file of etl before moved.yaml: remove it, or give it a name of its own"
    assert f"hint: {told}\n" in history("status").err
    assert "note: etl.yaml was the file of etl: it is not needed" in history("restore", "etl").err


def test_paths_are_as_one_would_type_them_here(history, edit, monkeypatch):
    edit("etl.yaml", "600", "900")
    monkeypatch.chdir(history.folder / "tasks")
    result = history("status")
    assert result.out.split()[:2] == ["modified", "../etl.yaml"]
    assert "`ork deploy ../etl.yaml`" in result.err
    assert json.loads(history("status", "--json").out)["data"][0]["path"] == "etl.yaml"


def test_a_file_that_moved_is_found_from_every_folder(etl, monkeypatch):
    assert etl("deploy", "etl.yaml").code == 0
    etl.write("far/new.yaml", "name: far\ntasks: {a: {executor: process, command: 'true'}}\n")
    (etl.folder / "here").mkdir()
    (etl.folder / "etl.yaml").rename(etl.folder / "moved.yaml")
    monkeypatch.chdir("here")
    told = etl("status", "-s")
    assert (told.code, told.out) == (0, "R  ../moved.yaml\n")


def test_one_long_path_leaves_the_other_lines_short(ork):
    ork("init")
    long = "of_a_folder_with_a_name_that_fills_much/of_the_line.yaml"
    for path, name in (("a.yaml", "a"), (long, "long")):
        ork.write(path, f"name: {name}\ntasks: {{t: {{executor: process, command: 'true'}}}}\n")
    assert ork("status").out.splitlines() == ["new       a.yaml  a", f"new       {long}  long"]
