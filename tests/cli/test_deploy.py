"""ork deploy"""

import json
import os

import pytest


def test_the_first_deploy_of_a_workflow(etl, golden):
    result = etl("deploy", "etl.yaml", "-m", "First")
    assert result.code == 0
    golden("deploy/first.txt", result.out + result.err)


def test_a_deploy_that_changes_nothing_says_so(etl, golden):
    etl("deploy", "etl.yaml")
    result = etl("deploy", "etl.yaml", "-m", "Nothing new")
    assert result.code == 0
    golden("deploy/up_to_date.txt", result.out + result.err)


def test_a_second_deploy_makes_its_message_from_the_difference(etl, edit, golden):
    etl("deploy", "etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    result = etl("deploy", "etl.yaml")
    assert result.code == 0
    golden("deploy/second.txt", result.out + result.err)


def test_deploy_as_json(history, edit, golden):
    edit("etl.yaml", "@daily", "@hourly")
    edit("load.sh", "loading", "storing")
    result = history("deploy", "etl.yaml", "--json")
    assert result.code == 0
    assert result.err == ""
    golden("deploy/changed.json", result.out)


def test_everything_wrong_in_a_file_is_said_at_once(broken, golden):
    result = broken("deploy", "broken.yaml")
    assert result.code == 3
    assert result.out == ""
    golden("deploy/broken.txt", result.err)


def test_everything_wrong_in_a_file_as_json(broken, golden):
    result = broken("deploy", "broken.yaml", "--json")
    assert result.code == 3
    assert result.out == ""
    golden("deploy/broken.json", result.err)
    problems = json.loads(result.err)["data"]["problems"]
    assert {problem["line"] for problem in problems} >= {6, 10}


def test_a_file_that_is_wrong_makes_no_store(broken):
    broken("deploy", "broken.yaml")
    broken("deploy", "nowhere.yaml")
    assert not (broken.folder / ".ork").exists()


def test_of_several_files_none_is_deployed_when_one_is_wrong(etl, broken):
    assert etl("deploy", "etl.yaml", "broken.yaml").code == 3
    assert etl("log").code == 3


def test_of_several_files_all_that_is_wrong_is_told(etl, broken):
    etl.write("z.yaml", "name: z\ntasks: {a: {executor: proces}}\n")
    result = etl("deploy", "etl.yaml", "broken.yaml", "nowhere.yaml", "z.yaml")
    assert (result.code, result.out) == (3, "")
    assert "nowhere.yaml: no file nowhere.yaml" in result.err
    assert result.err.count("broken.yaml:") > 1 and "z.yaml:2:" in result.err
    assert "error: 3 files have problems: nothing was deployed\n" in result.err
    assert not (etl.folder / ".ork").exists()
    key = f"api_key: {'a1' * 6}"
    etl.write("z.yaml", f"name: z\ntasks: {{a: {{executor: process, command: 'echo {key}'}}}}\n")
    etl.write("y.yaml", f"name: y\ntasks: {{a: {{executor: process, command: 'echo {key}'}}}}\n")
    told = etl("deploy", "y.yaml", "etl.yaml", "z.yaml").err
    assert "y.yaml:2:" in told and "z.yaml:2:" in told


def test_several_files_are_deployed_in_one_command(etl, edit, golden):
    etl.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: 'true'}}\n")
    result = etl("deploy", "etl.yaml", "other.yaml", "-m", "Both")
    assert result.code == 0
    golden("deploy/two_files.txt", result.out + result.err)


def test_the_files_of_one_command_are_one_operation(etl):
    text = "name: {0}\ntasks: {{t: {{executor: process, command: ls}}}}\n"
    etl.write("flows/a.yaml", text.format("a"))
    etl.write("flows/deep/b.yaml", text.format("b"))
    etl("deploy", "etl.yaml")
    done = etl("deploy", "flows")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == ["a", "b"]
    operations = etl("ops").out.splitlines()
    assert [line.split()[-1] for line in operations if "ork deploy" in line][:1] == ["flows"]
    assert etl("undo").code == 0
    assert [line.split()[0] for line in etl("workflows").out.splitlines()] == ["etl"]
    assert etl("deploy", "flows", "etl.yaml").code == 0


FLOW = "name: {0}\ntasks: {{t: {{executor: process, command: echo {1}}}}}\n"


def test_of_several_files_all_that_are_behind_are_named_or_left_out(ork, golden):
    for name in ("a", "b", "c"):
        ork.write(f"flows/{name}.yaml", FLOW.format(name, 1))
    assert ork("deploy", "flows").code == 0
    for name in ("a", "b"):
        ork.write(f"flows/{name}.yaml", FLOW.format(name, 2))
    assert ork("deploy", "flows").code == 0
    assert [ork("rollback", name, f"{name}~1").code for name in "ab"] == [0, 0]
    ork.write("flows/c.yaml", FLOW.format("c", 2))
    refused = ork("deploy", "flows")
    assert (refused.code, refused.out) == (3, "")
    done = ork("deploy", "flows", "--skip-behind")
    assert done.code == 0
    golden("deploy/behind.txt", refused.err + done.out + done.err)
    heads = {name: ork("show", f"{name}:").out.split()[-1] for name in "abc"}
    assert heads == {"a": "1}}", "b": "1}}", "c": "2}}"}
    told = json.loads(ork("deploy", "flows", "--skip-behind", "--json").out)["data"]
    assert [one["left_out"][:8] for one in told] == ["as in a~", "as in b~", ""]
    assert ork("undo").code == 0
    ork.write("flows/a.yaml", FLOW.format("a", 1))
    one = ork("deploy", "flows").err
    assert "hint: `ork restore b --code` writes" in one and "`ork deploy --skip-behind`" in one
    assert "--skip-behind" not in ork("run", "flows/b.yaml").err


def test_of_a_folder_a_workflow_whose_file_is_gone_is_told(ork, monkeypatch):
    for name in ("flows/a", "flows/deep/b", "flows/c", "other/d", "flows/e"):
        ork.write(f"{name}.yaml", FLOW.format(name[-1], 1))
    assert ork("deploy", ".").err.count("note: ") == 1  # of the store
    for name in ("flows/a", "flows/deep/b", "other/d", "flows/e"):
        (ork.folder / f"{name}.yaml").unlink()
    ork.write("flows/moved.yaml", FLOW.format("a", 1))
    assert ork("archive", "e").code == 0
    monkeypatch.chdir("flows")
    done = ork("deploy", ".")
    assert (done.code, done.err) == (
        0,
        "note: b stays deployed, deep/b.yaml is gone: `ork archive b` puts it away\n",
    )
    assert ork("deploy", "moved.yaml").err == ""


def test_of_a_folder_the_file_of_an_archived_workflow_is_left_alone(ork):
    for name in "ab":
        ork.write(f"flows/{name}.yaml", FLOW.format(name, 1))
    assert ork("deploy", "flows").code == ork("archive", "a").code == 0
    assert ork("deploy", "flows").out.count("is up to date") == 2
    for name in "ab":
        ork.write(f"flows/{name}.yaml", FLOW.format(name, 2))
    told = "a is left out: flows/a.yaml is of an archived workflow: "
    done = ork("deploy", "flows")
    assert (done.code, told + "`ork archive --undo a` takes it out\n" in done.out) == (0, True)
    apart = ork("-C", "flows", "deploy", ".").out
    assert " is of an archived workflow: `ork -C flows archive --undo a` takes it out\n" in apart
    os.chdir(ork.folder)
    assert [ork("show", f"{name}:").out.split()[-1] for name in "ab"] == ["1}}", "2}}"]
    for words in (["flows/a.yaml"], ["flows", "flows/a.yaml"]):
        refused = ork("deploy", *words)
        assert (refused.code, "a is archived" in refused.err) == (3, True)


def test_the_file_of_an_archived_workflow_may_have_the_name_from_before(ork):
    ork.write("a.yaml", FLOW.format("a", 1))
    assert ork("deploy", "a.yaml").code == ork("mv", "a", "b").code == 0
    assert ork("archive", "b").code == 0
    assert ork("status").err.startswith("no workflow files here, but for those of archived")
    assert ork("deploy", ".").out.startswith("b is up to date")
    refused = ork("deploy", "a.yaml")
    assert (refused.code, "write `name: b` in it" in refused.err) == (3, True)
    (ork.folder / "a.yaml").rename(ork.folder / "other.yaml")
    assert "new       other.yaml  a" in ork("status").out
    assert ork("deploy", "other.yaml").code == 0, "another file may have that name"


def test_what_is_archived_and_of_which_every_deploy_is_undone_says_how_it_comes_back(ork):
    ork.write("a.yaml", FLOW.format("a", 1))
    assert ork("deploy", "a.yaml").code == ork("archive", "a").code == 0
    assert ork("undo", "@{1}").code == 0
    for what in ("a.yaml", "."):
        assert "`ork archive --undo a` takes it out first" in ork("deploy", what).err
    assert ork("archive", "--undo", "a").code == ork("deploy", ".").code == 0


@pytest.mark.parametrize("command", ["deploy", "run"])
def test_a_folder_without_a_workflow_file(etl, command):
    (etl.folder / "empty").mkdir()
    refused = etl(command, "empty")
    assert (refused.code, refused.out) == (3, "")
    assert refused.err == "error: empty: no workflow file is in this folder, or below it\n"
    assert etl("check", "empty").out == refused.err.removeprefix("error: ")


def test_a_file_that_is_not_there(ork):
    result = ork("deploy", "nowhere.yaml")
    assert (result.code, result.out) == (3, "")
    assert result.err == "error: no file nowhere.yaml\n"


@pytest.mark.parametrize("command", ["deploy", "check"])
def test_who_names_a_workflow_in_the_place_of_its_file_is_told_where_that_is(ork, command):
    ork.write("flows/w.yaml", "name: daily\ntasks: {a: {executor: process, command: 'true'}}\n")
    assert ork("deploy", "flows").code == 0
    result = ork(command, "daily")
    hint = "a file is wanted here: the workflow daily is in flows/w.yaml"
    assert (result.code, result.err) == (3, f"error: no file daily\nhint: {hint}\n")


def test_invalid_yaml_is_shown_with_a_caret(ork, golden):
    ork.write("bad.yaml", 'name: bad\ntasks:\n  a: {executor: process, command: "true"\n')
    result = ork("deploy", "bad.yaml")
    assert result.code == 3
    golden("deploy/invalid_yaml.txt", result.err)


def test_a_message_that_is_too_long(etl):
    result = etl("deploy", "etl.yaml", "-m", "x" * 65537)
    assert result.code == 3
    assert "longer than 64 KiB" in result.err
    assert etl("deploy", "etl.yaml", "-m", "x" * 65536).code == 0


def test_an_empty_message_is_none(etl):
    assert "First deploy of 2 tasks" in etl("deploy", "etl.yaml", "-m", "").out


def test_a_message_that_no_deploy_has_is_told(etl, edit):
    assert "note: nothing" not in etl("deploy", "etl.yaml", "-m", "First").err
    note = "note: nothing was deployed: the message is not kept; `ork tag LABEL` marks a version"
    assert etl("deploy", "etl.yaml", "-m", "why").err == f"{note} that is there\n"
    assert etl("deploy", "etl.yaml").err == etl("deploy", "etl.yaml", "-m", "").err == ""
    etl.write("new.yaml", "name: new\ntasks: {a: {executor: process, command: ls}}\n")
    assert note not in etl("deploy", "etl.yaml", "new.yaml", "-m", "why").err
    (etl.folder / "new.yaml").rename(etl.folder / "moved.yaml")
    assert note not in etl("deploy", "moved.yaml", "-m", "why").err


def test_bytes_that_are_no_utf8_are_refused_or_spelt_out(etl, edit):
    result = etl("deploy", "etl.yaml", "-m", os.fsdecode(b"caf\xe9"))
    assert (result.code, result.err) == (3, "error: the message is not UTF-8\n")
    folder = etl.folder / os.fsdecode(b"caf\xe9")
    folder.symlink_to(".")
    assert etl("-C", str(folder), "deploy", "etl.yaml").code == 0
    assert etl("show", "etl").code == 0


def test_deploy_without_a_file(ork):
    result = ork("deploy")
    assert result.code == 2
    assert "FILE" in result.err


def test_deploy_from_another_folder(etl, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert etl("-C", str(etl.folder), "deploy", "etl.yaml").code == 0
    monkeypatch.chdir(tmp_path)
    assert not (tmp_path / ".ork").exists()
    assert etl("-C", str(etl.folder), "show", "etl:").out.startswith("name: etl")
    monkeypatch.chdir(etl.folder / "tasks")
    assert "up to date" in etl("deploy", "../etl.yaml").out
    assert not (etl.folder / "tasks/.ork").exists()


def test_a_project_behind_a_link_is_the_same_project(etl, monkeypatch, tmp_path):
    first = etl("deploy", "etl.yaml", "--json")
    (tmp_path / "link").symlink_to(etl.folder)
    monkeypatch.chdir(tmp_path / "link")
    assert "up to date" in etl("deploy", str(tmp_path / "link/etl.yaml")).out
    again = etl("deploy", "etl.yaml", "--json")
    oids = [json.loads(r.out)["data"][0]["deploy"] for r in (first, again)]
    assert oids[0] == oids[1]
    assert etl("status").out.split()[:2] == ["unchanged", "etl.yaml"]


def test_an_author_of_the_environment_is_recorded(etl):
    etl.environ.update(ORK_AUTHOR_NAME="Grace Hopper", ORK_AUTHOR_EMAIL="grace@example.org")
    etl("deploy", "etl.yaml")
    assert "Grace Hopper <grace@example.org>" in etl("log").out


OTHER = "name: etl\ntasks: {zzz: {executor: process, command: 'true'}}\n"


def test_two_files_with_one_name_are_refused_before_anything_is_written(ork, golden):
    ork.write("one.yaml", "name: w\ntasks: {a: {executor: process, command: 'true'}}\n")
    ork.write(
        "two.yaml", "# the same name\nname: w\ntasks: {z: {executor: process, command: ls}}\n"
    )
    result = ork("deploy", "one.yaml", "two.yaml")
    assert (result.code, result.out) == (3, "")
    golden("deploy/same_names.txt", result.err)
    assert not (ork.folder / ".ork").exists()
    assert ork("deploy", "one.yaml", "./one.yaml").code == 0


def test_another_file_with_the_name_of_a_workflow_wants_move(etl, golden):
    etl("deploy", "etl.yaml")
    etl.write("other.yaml", OTHER)
    result = etl("deploy", "other.yaml")
    assert (result.code, result.out) == (3, "")
    golden("deploy/other_file.txt", result.err)
    refused = etl("run", "other.yaml")
    assert (refused.code, refused.err) == (3, result.err)
    assert "other.yaml" not in etl("log", "etl").out
    assert etl("run", "other.yaml", "--no-deploy").code == 0
    assert etl("run", "other.yaml", "--move").code == 0
    assert "(moved from etl.yaml)" in etl("log", "etl").out
    assert etl("deploy", "etl.yaml").code == 3


def test_of_several_files_none_is_deployed_when_one_is_a_move(etl):
    etl("deploy", "etl.yaml")
    etl.write("other.yaml", OTHER)
    etl.write("fresh.yaml", OTHER.replace("etl", "fresh"))
    assert etl("deploy", "fresh.yaml", "other.yaml").code == 3
    assert etl("log", "fresh").code == 3


def test_a_file_that_was_only_renamed_is_no_new_version(etl, edit, golden):
    etl("deploy", "etl.yaml", "-m", "First")
    snapshot = etl("rev-parse", "etl^{snapshot}").out
    (etl.folder / "etl.yaml").rename(etl.folder / "pipeline.yaml")
    result = etl("status")
    golden("deploy/renamed_status.txt", result.out + result.err)
    result = etl("deploy", "pipeline.yaml")
    golden("deploy/renamed.txt", result.out + result.err + etl("log").out)
    assert etl("rev-parse", "etl^{snapshot}").out == snapshot
    assert etl("status").out.split()[:2] == ["unchanged", "pipeline.yaml"]
    edit("pipeline.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "pipeline.yaml").code == 0
    assert etl("rollback", "etl").code == 3  # no good run yet
    assert etl("rollback", "etl", "etl~2").code == 0
    assert etl("restore", "etl").code == 0
    assert not (etl.folder / "etl.yaml").exists()
    assert etl("status").out.split()[:2] == ["unchanged", "pipeline.yaml"]


def test_a_second_workflow_of_the_former_file_and_name_is_told(etl):
    import ork as library

    assert etl("deploy", "etl.yaml").code == 0
    assert etl("mv", "etl", "load").code == 0
    text = (etl.folder / "etl.yaml").read_text()
    etl.write("load.yaml", text.replace("name: etl\n", "name: load\n"))
    assert etl("deploy", "--move", "load.yaml").code == 0
    told = "was the file of load, which is load.yaml now"
    assert told in etl("status").out
    told = f"etl.yaml: warning: this {told}"
    for words in (("deploy", "."), ("deploy", "etl.yaml", "-q"), ("run", "etl.yaml")):
        done = etl(*words)
        assert (done.code, told in done.err) == (0, True)
        assert "etl is another workflow: `ork undo` takes it back\n" in done.err
        assert told not in etl("deploy", ".").err
        if words[0] == "deploy":
            assert etl("undo").code == 0
    etl.write("other.yaml", text.replace("name: etl\n", "name: other\n"))
    assert told not in etl("deploy", ".").err
    assert etl("undo").code == 0 and etl("undo").code == 0
    with (
        library.open(etl.folder) as project,
        pytest.warns(library.OrkWarning, match="another workflow"),
    ):
        project.deploy("etl.yaml")


def test_a_file_that_was_renamed_and_edited_looks_like_a_move(etl, edit, golden):
    etl("deploy", "etl.yaml")
    (etl.folder / "etl.yaml").rename(etl.folder / "pipeline.yaml")
    edit("pipeline.yaml", "timeout: 300", "timeout: 600")
    result = etl("deploy", "pipeline.yaml")
    assert result.code == 3
    golden("deploy/moved.txt", result.err)
    golden("deploy/moved_status.txt", etl("status").out + etl("status").err)
    assert etl("deploy", "pipeline.yaml", "--move").code == 0
    assert etl("status").out.split()[:2] == ["unchanged", "pipeline.yaml"]


def test_what_comes_next_names_the_parameters_that_a_run_needs(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        params: {day: date, limit: {type: int, default: 3}}
        tasks: {a: {executor: process, command: 'true'}}
        """,
    )
    assert ork("init").code == 0
    assert ork("deploy", "etl.yaml").err == "next: `ork run etl -i day=VALUE`\n"


def test_what_seems_to_be_a_mistake_is_told_when_it_is_new(ork) -> None:
    text = "name: w\ntasks: {t: {executor: process, command: 'echo $ORK_IN_day'}}\n"
    ork.write("w.yaml", text)
    warning = "w.yaml:2:47: warning: this task has no input `day`"
    assert warning in ork("deploy").err
    assert "warning" not in ork("deploy").err
    ork.write("w.yaml", text.replace("echo", "echo -n"))
    assert warning.replace("47", "50") in ork("run").err
    assert "warning" not in ork("run").err
    ork.write("w.yaml", text)
    (done,) = json.loads(ork("deploy", "--json").out)["data"]
    assert [one["message"] for one in done["warnings"]] == ["this task has no input `day`"]


def test_quiet_tells_only_of_what_may_be_wrong(etl, edit):
    result = etl("deploy", "etl.yaml", "-q")
    assert (result.code, result.out, result.err) == (0, "", "")
    result = etl("deploy", "etl.yaml", "--quiet", "-m", "the same")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert "--quiet and --json exclude" in etl("deploy", "-q", "--json").err
    edit("etl.yaml", "timeout: 300", "timeout: 600")
    assert etl("deploy", "etl.yaml").code == 0
    assert etl("rollback", "etl", "etl~1").code == 0
    result = etl("deploy", "etl.yaml", "-q", "--skip-behind")
    assert result.out.startswith("etl is left out: etl.yaml is ")
    edit("etl.yaml", "timeout: 600", "timeout: zero")
    result = etl("deploy", "etl.yaml", "-q")
    assert (result.code, result.out) == (3, "") and "timeout" in result.err
