"""ork restore"""

import pytest


def test_the_file_and_its_code(history, golden):
    result = history("restore", "etl~2", "--code")
    assert result.code == 0
    golden("restore/code.txt", result.out + result.err)
    assert history("status").out.startswith("modified")


def test_restore_as_json(history, golden):
    result = history("restore", "etl~1:extract", "--json")
    assert (result.code, result.err) == (0, "")
    golden("restore/task.json", result.out)


ONE = "name: one\ntasks: {{f: {{executor: python, file: m.py, function: f, timeout: {}}}}}\n"


def test_what_else_of_a_task_is_not_as_it_was_is_told(ork):
    ork.write("m.py", "import lib\n\ndef f():\n    return lib.a\n")
    for number in (1, 2):
        ork.write("lib.py", f"a = {number}\n")
        ork.write("one.yaml", ONE.format(number))
        assert ork("deploy", "one.yaml").code == 0
    note = "note: more of f is not as in one~1: change f.timeout 1 -> 2; edit lib.py"
    done = ork("restore", "one~1:f")
    assert (done.out, note in done.err) == ("unchanged m.py\n", True), done.err
    assert "`ork diff one~1 -- f` shows it" in done.err
    shown = ork("diff", "one~1", "--", "f").out
    assert "timeout  1 -> 2" in shown and "+a = 2" in shown
    for words in (("one:f",), ("one~1:m.py",), ("one~1:f", "-o", "old.py")):
        assert "note" not in ork("restore", *words).err
    ork.write("one.yaml", "not a workflow\n")
    assert ork("restore", "one~1:f").code == 0


def test_from_a_folder_below(history, monkeypatch):
    monkeypatch.chdir(history.folder / "tasks")
    assert history("restore", "etl~1", "--code").out.splitlines() == [
        "written   ../etl.yaml",
        "unchanged ../load.sh",
        "written   etl.py",
    ]


def test_to_another_place(history, golden):
    result = history("restore", "etl~2", "--code", "-o", "before/")
    assert result.code == 0
    golden("restore/elsewhere.txt", result.out + result.err)
    assert history("restore", "etl~2", "-o", "old.yaml").out == "written   old.yaml\n"
    old = (history.folder / "old.yaml").read_bytes()
    assert old == (history.folder / "before/etl.yaml").read_bytes()
    assert history("restore", "etl~2", "-o", "-").out == old.decode()
    assert history("restore", "etl:tasks/etl.py", "-o", "-").out.startswith("def extract")


def test_changes_are_not_overwritten(history, edit, golden):
    edit("etl.yaml", "600", "900")
    edit("load.sh", "echo", "printf")
    result = history("restore", "etl~1", "--code")
    assert (result.code, result.out) == (3, "")
    golden("restore/changes.txt", result.err)
    golden("restore/changes.json", history("restore", "etl~1", "--code", "--json").err)
    assert history("restore", "etl~1", "--code", "--force").code == 0


def test_a_file_that_only_the_newer_version_has(etl, golden):
    etl.write("etl.yaml", (etl.folder / "etl.yaml").read_text() + "include: [sql/*]\n")
    etl.write("sql/one.sql", "select 1")
    etl("deploy", "etl.yaml")
    etl.write("sql/two.sql", "select 2")
    etl("deploy", "etl.yaml")
    etl("rollback", "etl", "~1")
    result = etl("restore", "etl", "--code")
    assert result.code == 0
    golden("restore/surplus.txt", result.out + result.err)


def test_the_script_of_a_task_is_its_file_as_for_the_log(history, edit):
    edit("load.sh", "echo", "# echo")
    assert history("log", "etl:load").code == 0
    refused = history("restore", "etl:load")
    assert refused.code == 3 and "load.sh" in refused.err
    done = history("restore", "etl:load", "--force")
    assert (done.code, done.out) == (0, "written   load.sh\n")


@pytest.mark.parametrize(
    ("name", "argv", "code"),
    [
        ("unknown_file", ["etl:tasks/elt.py"], 3),
        ("task_without_file", ["tiny:ls"], 3),
        ("task_with_several", ["tiny:both"], 3),
        ("on_disk", ["file:etl.yaml"], 2),
        ("part_with_code", ["etl:load.sh", "--code"], 2),
        ("json_to_stdout", ["etl", "-o", "-", "--json"], 2),
        ("into_the_store", ["etl", "-o", ".ork/"], 3),
    ],
)
def test_what_cannot_be_restored(history, golden, name, argv, code):
    history.write("b.sh", "echo b\n")
    commands = {"ls": "ls", "both": "sh load.sh; sh b.sh"}
    tasks = "".join(
        f"  {key}: {{executor: shell, command: {one}}}\n" for key, one in commands.items()
    )
    history("deploy", str(history.write("tiny.yaml", f"name: tiny\ntasks:\n{tasks}")))
    result = history("restore", *argv)
    assert (result.code, result.out) == (code, "")
    golden(f"restore/{name}.txt", result.err)


@pytest.mark.parametrize("words", [["load"], ["--all", "--code"]])
def test_a_file_has_the_name_that_its_workflow_has_now(history, words):
    file = history.folder / "etl.yaml"
    text = file.read_text()
    history("mv", "etl", "load")
    for there in (text, text.replace(": etl", ": load"), None):
        file.write_text(there) if there else file.unlink()
        assert history("restore", *words).code == 0
        assert file.read_text() == text.replace(": etl", ": load")
        assert history("status").out.startswith("unchanged")
    assert history("restore", "load~2").code == 0
    assert "\nname: load\n" in f"\n{file.read_text()}"
    assert history("undo").code == history("restore", "etl", "--force").code == 0
    assert file.read_text() == text
    file.write_text(text.replace(": etl", ": other"))
    assert history("restore", "etl").code == 3, "nothing was ever called so"


def test_a_file_with_the_name_from_before_is_told(ork):
    file = ork.write(
        "etl.json", '{"name": "etl", "tasks": {"a": {"executor": "process", "command": ":"}}}'
    )
    ork("deploy", "etl.json")
    ork("mv", "etl", "load")
    file.unlink()
    assert (
        "next: etl.json:1 still says etl: write `name: load` there\n" in ork("restore", "load").err
    )
    file.write_text(file.read_text().replace("etl", "load"))
    assert "still says" not in ork("restore", "load").err


def test_all_workflows_come_back_and_what_would_lose_changes_is_refused_together(
    history, edit, golden
):
    task = "tasks: {a: {executor: process, command: sh load.sh}}"
    history.write("sub/two.yaml", f"name: two\nroot: ..\n{task}\n")
    history.write("gone.yaml", f"name: gone\n{task}\n")
    assert history("deploy", "sub/two.yaml", "gone.yaml").code == 0
    assert history("archive", "gone").code == 0
    nothing = history("restore", "--all", "--code")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "nothing to write: 4 files as deployed\n"
    was = {name: (history.folder / name).read_bytes() for name in ("etl.yaml", "sub/two.yaml")}
    edit("etl.yaml", "600", "900")
    edit("sub/two.yaml", "sh load.sh", "bash load.sh")
    for name in ("tasks/etl.py", "gone.yaml"):
        (history.folder / name).unlink()
    refused = history("restore", "--all", "--code")
    assert (refused.code, refused.out) == (3, "")
    golden("restore/all_changes.txt", refused.err)
    assert not (history.folder / "tasks/etl.py").exists()
    done = history("restore", "--all", "--code", "--force")
    golden("restore/all.txt", done.out + done.err)
    assert {name: (history.folder / name).read_bytes() for name in was} == was
    assert not (history.folder / "gone.yaml").exists()
    assert history("restore", "--all", "-o", "../there/").code == 0
    assert (history.folder / "../there/sub/two.yaml").read_bytes() == was["sub/two.yaml"]
    golden("restore/all.json", history("restore", "--all", "--json").out)
    for words in (["etl"], ["-o", "-"]):
        assert history("restore", *words, "--all").code == 2


def test_of_a_file_that_two_have_otherwise_the_one_deployed_later_comes_back(history, edit):
    history.write("two.yaml", "name: two\ntasks: {a: {executor: process, command: ./load.sh}}\n")
    edit("load.sh", "echo", "printf")
    assert history("deploy", "two.yaml").code == 0
    (history.folder / "load.sh").unlink()
    done = history("restore", "--all", "--code")
    assert done.out == "written   load.sh\n"
    assert "note: etl has another load.sh: a later deploy has this one\n" in done.err
    assert "printf" in (history.folder / "load.sh").read_text()


def test_what_lies_outside_of_the_project_is_told_and_the_rest_comes_back(history):
    task = "tasks: {a: {executor: process, command: 'true'}}"
    history.write("../beside/far.yaml", f"name: far\n{task}\n")
    assert history("deploy", "../beside/far.yaml").code == 0
    (history.folder / "etl.yaml").unlink()
    done = history("restore", "--all")
    assert (done.code, done.out) == (0, "written   etl.yaml\n")
    assert "note: ../beside/far.yaml lies outside of the project: `ork restore far -o" in done.err


def test_a_second_file_in_the_project_is_told(history):
    said = history("restore", "etl~1", "--code", "-o", "old/")
    assert said.err.startswith("note: old/etl.yaml is a second file of etl in this project")
    assert history("restore", "etl~1", "--code", "-o", "../elsewhere/").err == ""


@pytest.mark.parametrize("words", [("--all",), ("etl",)])
def test_the_first_file_is_no_second_one_wherever_it_was_said_to_go(history, words):
    for name in ("etl.yaml", "load.sh"):
        (history.folder / name).unlink()
    assert history("restore", *words, "--code", "-o", ".").err == ""
    assert history("status").out.startswith("unchanged")
    assert "second file" in history("restore", *words, "--code", "-o", "old/").err


@pytest.mark.parametrize("words", [("--all",), ("etl", "--code"), ("--all", "--code")])
def test_no_folder_is_made_with_the_name_of_a_workflow_file(history, words):
    refused = history("restore", *words, "-o", "new.yaml")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith("error: several files do not go into new.yaml\nhint: name a fold")
    assert not (history.folder / "new.yaml").exists()
    assert history("restore", "etl", "-o", "new.yaml").out == "written   new.yaml\n"
    assert history("restore", "etl", "--code", "-o", "folder").code == 0


def test_a_file_that_another_workflow_has_by_now_keeps_its_name(ork):
    text = "name: stock\ntasks:\n  a: {executor: process, command: 'true'}\n"
    file = ork.write("stock.yaml", text)
    assert ork("deploy", "stock.yaml").code == 0
    file.write_text(text.replace("stock", "inventory"))
    assert ork("deploy", "--new", "stock.yaml").code == 0
    file.unlink()
    done = ork("restore", "--all", "--code")
    assert done.code == 0
    assert "name: inventory" in file.read_text()
    assert "note: stock has another stock.yaml" in done.err
    assert "still says" not in done.err
