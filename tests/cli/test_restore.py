"""ork restore"""

import json
import shlex

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


ONE = "name: one\ntasks:\n  f: {{executor: python, file: m.py, function: f, timeout: {}}}\n"


def test_what_else_of_a_task_is_not_as_it_was_is_told(ork):
    ork.write("m.py", "import lib\n\ndef f():\n    return lib.a\n")
    for number in (1, 2):
        ork.write("lib.py", f"a = {number}\n")
        ork.write("one.yaml", ONE.format(number))
        assert ork("deploy", "one.yaml").code == 0
    note = "note: more of f is not as in one~1: edit lib.py"
    done = ork("restore", "one~1:f")
    written = "unchanged m.py\nwritten   one.yaml\n"
    assert (done.out, note in done.err) == (written, True), done.err
    assert "`ork diff one~1 -- f` shows it" in done.err
    shown = ork("diff", "one~1", "--", "f").out
    assert "timeout" not in shown and "+a = 2" in shown
    for words in (("one:f",), ("one~1:m.py",), ("one~1:f", "-o", "old.py")):
        assert "note" not in ork("restore", *words).err
    ork.write("one.yaml", "not a workflow\n")
    assert ork("restore", "one~1:m.py").code == 0
    refused = ork("restore", "one~1:f")
    assert refused.code == 3 and "one.yaml:1:1: no mapping" in refused.err
    assert "`ork show one~1:f` prints the task as it was" in refused.err


def test_code_that_is_not_as_it_was_is_told_with_what_brings_it(ork):
    for number in (1, 2):
        ork.write("a.sh", f"echo {number}\n")
        ork.write("b.sh", "exit 0\n")
        tasks = f"a: {{executor: process, command: sh a.sh, retries: {number}}}"
        ork.write(
            "c.yaml", f"name: c\ntasks: {{{tasks}, b: {{executor: process, command: sh b.sh}}}}\n"
        )
        assert ork("deploy", "c.yaml").code == 0
    assert ork("rollback", "c", "c~1").code == 0
    told = "note: not as in this version: a.sh\nnext: `ork restore {} --code`\n"
    done = ork("restore", "c")
    assert (done.code, done.out, done.err) == (0, "written   c.yaml\n", told.format("c"))
    assert json.loads(ork("restore", "c", "--json").out)["data"]["stale"] == ["a.sh"]
    assert ork("restore").err == told.format("c")
    assert ork("restore", "c~2").err == told.format("c~2")
    (ork.folder / "b.sh").unlink()
    assert ork("restore", "c").err.splitlines()[0] == "note: not as in this version: a.sh, b.sh"
    for words in (("c", "-o", "old.yaml"), ("c:b.sh",)):
        assert "not as in" not in ork("restore", *words).err
    assert ork("restore", "c", "--code").err == ork("restore", "c").err == "next: `ork status`\n"


def test_a_code_file_that_is_gone_is_told_how_to_have_it_again(ork):
    ork.write("tasks/a.py", "def main(): return 1\n")
    ork.write("tasks/b.py", "def main(): return 1\n")
    ork.write("run me.sh", "echo 1\n")
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          a: {executor: python, file: tasks/a.py}
          b: {executor: python, module: tasks.b}
          c: {executor: process, command: sh 'run me.sh'}
        """,
    )
    assert ork("deploy", "w.yaml").code == 0
    for path in ("tasks/a.py", "tasks/b.py", "run me.sh"):
        (ork.folder / path).unlink()
        part = shlex.quote(f"w:{path}")
        way = f"`ork restore {part}` writes {path} as it was deployed"
        checked = ork("check")
        assert f"hint: {way}\n" in checked.out + checked.err  # of a script it is a warning
        if path.endswith(".py"):
            assert f"hint: {way}\n" in ork("run").err
            assert f"hint: {way}\n" in ork("deploy", "w.yaml").err
            assert ork("status").err == "next: `ork check w.yaml` says what is wrong\n"
        if path == "tasks/a.py":
            ork.write("tasks/a2.py", "")
            assert f"hint: did you mean tasks/a2.py? {way}\n" in ork("check").out
        assert ork(*shlex.split(way.split("`")[1])[1:]).code == 0
        assert (ork.folder / path).is_file()
    assert ork("check").code == 0


def test_of_all_workflows_code_that_is_not_as_it_was_deployed_last_is_told(history):
    history.write("two.yaml", "name: two\ntasks: {a: {executor: process, command: ./load.sh}}\n")
    history.write("load.sh", "printf later\n", executable=True)
    assert history("deploy", "two.yaml").code == 0
    here = "nothing to write: 2 files as deployed\n"
    assert history("restore", "--all").err == here  # of etl's load.sh the one of two, as --code has
    for name in ("load.sh", "tasks/etl.py"):
        (history.folder / name).unlink()
    told = "note: not as in these versions: load.sh, tasks/etl.py\n"
    told += "next: `ork restore --all --code`\n"
    assert history("restore", "--all").err == here + told
    (history.folder / "two.yaml").unlink()
    done = history("restore", "--all")
    assert (done.out, done.err) == ("written   two.yaml\n", told)
    assert "not as in" not in history("restore", "--all", "-o", "../there/").err
    assert history("restore", "--all", "--code").code == 0
    assert history("restore", "--all").err == here


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
    assert (done.code, done.out) == (0, "unchanged etl.yaml\nwritten   load.sh\n")


@pytest.mark.parametrize(
    ("name", "argv", "code"),
    [
        ("unknown_file", ["etl:tasks/elt.py"], 3),
        ("task_without_file", ["tiny:ls", "-o", "-"], 3),
        ("task_with_several", ["tiny:both", "-o", "both.sh"], 3),
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


TWO = """\
name: two
tasks:
  # of the first
  a:
    executor: process
    command: echo NUMBER

  b: {executor: process, command: sh b.sh; sh c.sh, depends_on: [a]}  # NUMBER
"""


@pytest.fixture
def two(ork):
    """Two deploys of a workflow with two tasks, and a change on disk that no deploy keeps."""
    for number in "12":
        for name in ("b.sh", "c.sh"):
            ork.write(name, f"echo {number}\n")
        ork.write("two.yaml", TWO.replace("NUMBER", number))
        assert ork("deploy", "two.yaml").code == 0
    ork.write("two.yaml", TWO.replace("NUMBER", "2").replace("# 2", "# mine"))
    return ork


def test_one_task_comes_back_and_unsaved_work_on_others_stays(two):
    file = two.folder / "two.yaml"
    done = two("restore", "two~1:a")
    assert (done.code, done.out) == (0, "written   two.yaml\n"), done.err
    assert file.read_text() == TWO.replace("NUMBER", "1").replace("# 1", "# mine")
    assert two("restore", "two~1:a").out == "unchanged two.yaml\n"
    two("deploy", "two.yaml")
    assert two("rev-parse", "two:a").out == two("rev-parse", "two~2:a").out


def test_all_files_that_the_task_names_come_with_it(two):
    two.write("two.yaml", TWO.replace("NUMBER", "2"))
    assert two("restore", "two~1:b").out.splitlines() == [
        "written   b.sh",
        "written   c.sh",
        "written   two.yaml",
    ]
    assert (two.folder / "c.sh").read_text() == "echo 1\n"
    assert "echo 2" in (two.folder / "two.yaml").read_text()


def test_lines_of_a_task_that_no_deploy_keeps_are_not_overwritten(two):
    file = two.folder / "two.yaml"
    mine = file.read_text()
    for words in (("two~1:b",), ("two~1:b", "--json")):
        refused = two("restore", *words)
        assert (refused.code, refused.out, file.read_text()) == (3, "", mine)
        assert "two.yaml: has changes that no deploy keeps" in refused.err or words[1:]
    assert (two.folder / "b.sh").read_text() == "echo 2\n", "nothing else is written either"
    assert two("restore", "two~1:b", "--force").code == 0
    assert file.read_text() == TWO.replace("NUMBER", "2").replace("# 2", "# 1")


def test_each_command_says_how_an_emptied_file_comes_back_which_overwrites_nothing(two):
    two.write("two.yaml", "\n")
    way = "in this file\n    hint: `ork restore two` writes it as it was deployed\n"
    for words in ("check", "check two.yaml", "deploy", "deploy .", "run two.yaml"):
        done = two(*words.split())
        told = done.out + done.err
        assert (way in told, "more may follow" in told) == (True, False), words
    done = two("restore", "two")
    assert (done.code, done.out.split()[:2]) == (0, ["written", "two.yaml"]), done.err
    assert (two.folder / "two.yaml").read_text() == TWO.replace("NUMBER", "2")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("name: two\n", 'name: two\nenv: {X: "1"}\n'), "not be in two.yaml what it was: env"),
        (("name: two", "name: three"), "two.yaml is the file of three, not of two"),
        (("  a:", "  z:"), "no task named `a`"),
        (("tasks:", "tasks: ["), "two.yaml:5:13: not valid YAML"),
    ],
)
def test_a_file_where_the_task_would_be_another_one_is_left_alone(two, change, told):
    file = two.folder / "two.yaml"
    file.write_text(file.read_text().replace(*change))
    before = file.read_bytes()
    refused = two("restore", "two~1:b", "--force")
    assert (refused.code, refused.out, told in refused.err) == (3, "", True), refused.err
    assert "`ork show two~1:b` prints the task as it was" in refused.err
    assert file.read_bytes() == before and (two.folder / "b.sh").read_text() == "echo 2\n"


def test_a_task_comes_back_into_the_file_as_it_is_called_by_now(two):
    two("tag", "first", "two~1")
    two("mv", "two", "new")
    text = (two.folder / "two.yaml").read_text().replace("name: two", "name: new")
    (two.folder / "two.yaml").rename(two.folder / "new.yaml")
    two.write("new.yaml", "\ufeff" + text)
    assert two("deploy", "new.yaml").code == 0
    done = two("restore", "new@first:a")
    assert (done.code, done.out) == (0, "written   new.yaml\n"), done.err
    assert (two.folder / "new.yaml").read_text() == "\ufeff" + text.replace("echo 2", "echo 1")
    assert two("restore", "new@first:a", "--code").code == 2
    (two.folder / "new.yaml").unlink()
    gone = two("restore", "new@first:a")
    assert gone.code == 3 and "`ork restore new@first` writes the whole file" in gone.err


def test_a_file_that_leads_out_of_the_project_is_not_read(two, tmp_path):
    file, outside = two.folder / "two.yaml", tmp_path / "outside.yaml"
    outside.write_text(file.read_text())
    file.unlink()
    file.symlink_to(outside)
    refused = two("restore", "two~1:a", "--force")
    assert refused.code == 3 and "leads out" in refused.err
    assert outside.read_text() == TWO.replace("NUMBER", "2").replace("# 2", "# mine")


@pytest.mark.parametrize("words", [["load"], ["--all", "--code"]])
def test_a_file_has_the_name_that_its_workflow_has_now(history, words):
    file = history.folder / "etl.yaml"
    text = file.read_text()
    restores = "still says {}: `ork restore {}` writes `name: {}` there\n"
    assert restores.format("etl", "load", "load") in history("mv", "etl", "load").err
    for there in (text, text.replace(": etl", ": load"), None):
        file.write_text(there) if there else file.unlink()
        assert history("restore", *words).code == 0
        assert file.read_text() == text.replace(": etl", ": load")
        assert history("status").out.startswith("unchanged")
    assert history("restore", "load~2").code == 0
    assert "\nname: load\n" in f"\n{file.read_text()}"
    undone = history("undo")
    assert (undone.code, "still says load: write `name: etl` there\n" in undone.err) == (0, True)
    assert "`name: etl` in it keeps the name" in history("status").err
    assert history("restore", "etl").code == 0, "what it was called is no change to lose"
    assert file.read_text() == text
    assert restores.format("etl", "load", "load") in history("undo", "--redo").err
    assert history("restore", "load").code == 0
    assert restores.format("load", "etl", "etl") in history("undo").err
    file.write_text(text.replace(": etl", ": other"))
    assert history("restore", "etl").code == 3, "nothing was ever called so"


def test_what_would_be_lost_of_a_file_with_the_name_from_before_is_deployed_in_two_steps(
    history, edit
):
    edit("etl.yaml", "600", "900")
    assert "still says etl: write `name: load` there\n" in history("mv", "etl", "load").err
    refused = history("restore", "load", "--json")
    problems = json.loads(refused.err)["data"]["problems"]
    assert [one["message"] for one in problems] == [
        "has changes that no deploy keeps",
        "still says etl: write `name: load` there",
    ]
    edit("etl.yaml", "name: etl", "name: load")
    assert history("deploy", "etl.yaml").code == history("restore", "load").code == 0
    history.write("out/etl.yaml", "mine")
    refused = history("restore", "load", "-o", "out/")
    assert (refused.code, "ork deploy" in refused.err) == (3, False)


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
