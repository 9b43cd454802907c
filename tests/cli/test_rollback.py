"""ork rollback"""

import json

import pytest


@pytest.fixture
def counted(history, edit, opened):
    """The world of `history` with a fourth deploy; the third had a good run, the fourth has not."""
    edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
    assert history("deploy", "etl.yaml", "-m", "Break it").code == 0
    oid = history("rev-parse", "etl~1").out.strip()
    with opened().transaction() as tx:
        tx.move(f"tally/{oid}/1:success=1", old=None, new=oid)
    return history


def test_back_to_the_newest_that_ran_well(counted, golden):
    result = counted("rollback", "etl")
    assert result.code == 0
    golden("rollback/default.txt", result.out + result.err)
    golden("rollback/shown.txt", counted("show", "etl").out)
    golden("rollback/log.txt", counted("log", "etl", "--oneline").out)


def test_rollback_as_json(counted, golden):
    result = counted("rollback", "etl", "~2", "-m", "It lost rows", "--json")
    assert (result.code, result.err) == (0, "")
    golden("rollback/named.json", result.out)


def test_a_version_says_of_which_workflow_it_is(counted):
    done = counted("rollback", "etl~2", "--json")
    assert done.code == 0
    assert counted("rollback", "etl", "etl~3").out.startswith("etl has that content already")


def test_the_head_has_that_content(counted, golden):
    result = counted("rollback", "@", "etl~0")
    assert (result.code, result.err) == (0, "")
    golden("rollback/nothing_to_do.txt", result.out)
    assert json.loads(counted("ops", "-n", "1", "--json").out)["data"][0]["operation"]["argv"][
        1
    ] == ("deploy")


def test_the_head_of_the_only_workflow_may_be_called_as_in_git(ran):
    assert ran("rollback", "HEAD~1").out.startswith("etl ")
    assert ran("rollback", "HEAD", "HEAD~1").out.startswith("etl ")


def test_without_a_name_the_only_workflow_with_a_file_here_is_meant(ran):
    """So does `ork run`: these are of one mind, wherever the other workflows are."""
    text = "name: NAME\ntasks: {a: {executor: process, command: ls}}\n"
    for name in ("gone.yaml", "below/other.yaml"):
        ran.write(name, text.replace("NAME", name[-6]))
        assert ran("deploy", name).code == 0
    (ran.folder / "gone.yaml").unlink()
    for words in ("diff", "show", "tag v1", "show @v1", "log ~1 -n 1", "runs @", "retry", "run"):
        done = ran(*words.split())
        assert "several workflows" not in done.err, words
    assert ran("rev-parse", "@").out == ran("rev-parse", "etl").out
    assert ran("rollback").out.startswith("etl ")
    ran.write("more.yaml", text.replace("NAME", "more"))
    assert ran("deploy", "more.yaml", "--new").code == 0
    assert "several workflows" in ran("show").err
    assert ran("-C", "below", "rev-parse", "@").out == ran("rev-parse", "r").out


@pytest.mark.parametrize(
    ("name", "argv", "code"),
    [
        ("no_good_run", ["etl"], 3),
        ("other_workflow", ["etl", "other"], 3),
        ("revision_as_workflow", ["etl~1", "~1"], 2),
        ("task_of_workflow", ["etl:load", "etl~1"], 2),
        ("task_of_revision", ["etl", "~2:load"], 3),
        ("unknown_workflow", ["elt"], 3),
        ("unknown_revision", ["etl", "etl~7"], 3),
        ("several", ["@"], 3),
    ],
)
def test_what_cannot_be_gone_back_to(history, golden, name, argv, code):
    history.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    history("deploy", "other.yaml")
    result = history("rollback", *argv)
    assert (result.code, result.out) == (code, "")
    golden(f"rollback/{name}.txt", result.err)


def test_one_deploy_alone_has_nothing_to_go_back_to(etl):
    etl("deploy", "etl.yaml")
    result = etl("rollback", "etl")
    assert (result.code, result.out) == (3, "")
    assert result.err == "error: etl has only one deploy: there is nothing to go back to\n"


def test_a_rollback_and_a_restore_leave_nothing_changed(ran):
    assert ran("rollback", "etl").code == 0
    assert ran("status").out.startswith("behind")
    assert ran("restore", "etl", "--code").code == 0
    assert ran("status").out.startswith("unchanged")
    assert ran("run", "etl").code == 0


@pytest.mark.slow
def test_a_run_of_a_part_does_not_make_a_deploy_one_to_go_back_to(history, edit):
    assert history("run", "etl~2").code == 0
    assert history("run", "etl~1", "--only", "extract").code == 0
    edit("load.sh", "echo 'ORK_OUTPUT", "exit 7 #")
    assert history("run", "etl.yaml").code == 1
    log = history("log", "etl", "--oneline").out.splitlines()
    assert [line.partition("  [")[2] for line in log] == [
        "1 failed]",
        "",
        "1 partial]",
        "1 succeeded]",
    ]
    assert history("rollback", "etl").code == 0
    first = history("rev-parse", "etl~4").out
    (shown,) = [line for line in history("show", "etl").out.splitlines() if "restores" in line]
    assert shown.split()[1] == first.strip()
    assert history("rev-parse", "etl@{good}").out == first


def test_the_old_file_is_not_run_over_what_was_brought_back(counted, golden):
    counted("rollback", "etl")
    shown = [counted("status"), counted("status", "-s"), counted("run", "etl.yaml")]
    assert [result.code for result in shown] == [0, 0, 3]
    golden("rollback/behind.txt", "".join(result.out + result.err for result in shown))
    counted("restore", "etl", "--code")
    assert counted("status").out.startswith("unchanged")


FILES = """\
name: files
params: {day: str}
tasks: {make: {executor: process, command: ./make.sh, inputs: {day: {ref: params.day}}}}
"""


def test_where_new_files_of_runs_stay_is_told_until_a_restore(ork):
    ork.write("files.yaml", FILES)
    ork.write("make.sh", 'echo rows > "out_$ORK_IN_day.csv"\n').chmod(0o755)
    assert ork("run", "files.yaml", "-q", "-i", "day=1").err == ""
    ork.write("make.sh", "exit 1\n")
    assert ork("run", "files.yaml", "-q", "-i", "day=2").code == 1
    told = ork("rollback").err
    assert "until `ork restore files --code` its runs leave new files in their checkouts" in told
    assert "ran well" not in told and "next: `ork run files -i day=VALUE`" in told
    assert "checkouts" not in ork("undo").err, "the file is as in that version"
    assert ork("undo", "--redo").err.count("; until then its runs leave new files") == 1
    quiet = ork("run", "files", "-q", "-i", "day=3")
    assert (quiet.code, quiet.out) == (0, "")
    assert quiet.err.startswith("files that the tasks of files#3 wrote are in .ork/work/")
    assert not (ork.folder / "out_3.csv").exists()
    assert ork("restore", "--code").code == 0
    assert ork("run", "files", "-q", "-i", "day=4").err == ""
    assert (ork.folder / "out_4.csv").exists()


def test_a_rollback_of_what_ran_well_says_so(ork):
    for step in ("echo one", "echo two"):
        ork.write("w.yaml", f"name: w\ntasks: {{a: {{executor: process, command: {step}}}}}\n")
        assert ork("run", "w.yaml").code == 0
    assert ork("rollback", "--json").err == ""
    ork("undo")
    back = ork("rollback").err
    assert "ran well: `ork undo` brings it back" in back and "checkouts" not in back
    assert ork("run", "w", "-q").err == ""
    ork("undo")
    assert "ran well" not in ork("rollback", "w", "~1").err
