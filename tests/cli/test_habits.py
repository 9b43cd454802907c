"""What people type who come from git and from other workflow tools"""

import json
import os
import socket
import subprocess
import sys

import pytest

from ork.cli.app import COMMANDS, NO_COMMANDS, OTHER_OPTIONS, OTHER_PAIRS, OTHER_WORDS


@pytest.fixture
def two(history, edit):
    """The world of `history`, with a second workflow of two deploys between."""
    text = (history.folder / "etl.yaml").read_text().replace("name: etl", "name: other")
    history.write("other.yaml", text)
    assert history("deploy", "other.yaml", "-m", "another one").code == 0
    edit("etl.yaml", "@daily", "@hourly")
    assert history("deploy", "etl.yaml", "-m", "each hour").code == 0
    edit("other.yaml", "@daily", "@hourly")
    assert history("deploy", "other.yaml", "-m", "this as well").code == 0
    return history


def test_a_number_says_how_many(history):
    assert history("log", "-2").out == history("log", "-n", "2").out
    assert history("log", "--oneline", "-1", "etl").out.count("\n") == 1
    refused = history("log", "--", "-1")  # after -- it is a name
    assert "task or code file named '-1'" in refused.err
    refused = history("log", "--", "load", "--oneline", "-n", "3")
    assert "hint: options go before --: `ork log etl --oneline -n 3 -- load`\n" in refused.err
    assert history("log", "etl", "--oneline", "-n", "3", "--", "load").code == 0


def test_histories_are_drawn_as_lanes(two, golden):
    golden("habits/graph.txt", two("log", "--graph", "--oneline").out)
    golden("habits/graph-long.txt", two("log", "--graph", "-3").out)
    golden("habits/graph-one.txt", two("log", "--graph", "--oneline", "etl").out)
    assert two("log", "--graph", "--reverse").code == 2


def test_a_log_of_several_workflows_names_them(two, golden):
    golden("habits/several.txt", two("log", "--oneline").out)
    assert "workflow other\n" in two("log").out
    assert "workflow" not in two("log", "etl").out


def test_status_in_letters(two, golden, edit):
    assert two("status", "-s").out == ""
    edit("etl.yaml", "@hourly", "@weekly")
    (two.folder / "other.yaml").rename(two.folder / "moved.yaml")
    two.write("new.yaml", (two.folder / "moved.yaml").read_text().replace("other", "new"))
    two.write("wrong.yaml", "name: wrong\ntasks: {}\n")
    golden("habits/status.txt", two("status", "-s").out)


def test_what_follows_a_name_may_stand_alone(history):
    for text in ("~1", "^", "@{1}"):
        assert history("rev-parse", text).out == history("rev-parse", "etl" + text).out
    history("tag", "v1", "etl~1")
    assert history("rev-parse", "@v1").out == history("rev-parse", "etl~1").out
    history("run")
    assert history("rev-parse", "#1").out == history("rev-parse", "etl#1").out


def test_times_are_short(history):
    assert history("log", "--since", "1h").out == history("log").out
    none = history("log", "--until", "1w")
    assert (none.out, none.err) == ("", "no deploys\n")
    assert history("log", "--until", "1w", "--json").err == ""


def test_help_and_version(ork):
    assert ork("help", "log").out == ork("log", "--help").out
    assert ork("help").out == ork("--help").out
    assert ork("-V").out == ork("--version").out


def test_words_of_other_tools_are_answered_by_meaning(ork):
    for word, commands in OTHER_WORDS.items():
        assert word not in COMMANDS
        for command in commands.split(", "):
            assert command.split()[0] in (*COMMANDS, "--version", "help")
        refused = ork(word)
        assert (refused.code, commands.split(", ")[0] in refused.err) == (2, True), word


def test_what_needs_no_command_is_answered(ork):
    for word, told in NO_COMMANDS.items():
        assert word not in COMMANDS and word not in OTHER_WORDS
        refused = ork(word, "etl")
        assert (refused.code, f"hint: {told}\n" in refused.err) == (2, True), word


def test_two_words_of_other_tools_are_answered_by_meaning(history):
    for words, meant in OTHER_PAIRS.items():
        assert meant.split()[0] in COMMANDS
        refused = history(*words.split())
        assert (refused.code, f"`ork {meant}`\n" in refused.err) == (3, True), words
    judged = history("bisect", "run", "./judge")
    assert (judged.code, "`--cmd COMMAND`" in judged.err) == (2, True)
    history.write("list.yaml", "name: list\ntasks: {one: {executor: process, command: 'true'}}\n")
    assert history("deploy", "list.yaml").code == 0
    assert history("run", "list").code == 0  # what is there is meant
    assert "the words for that" not in history("run", "list", "--only", "nope").err


def test_options_that_only_git_has_are_explained(ork):
    for (command, option), why in OTHER_OPTIONS.items():
        refused = ork(command or "log", option)
        assert (refused.code, why in refused.err) == (2, True)


@pytest.mark.parametrize("words", ["run --wait", "run --mask"])
def test_no_option_is_named_that_is_not_like_the_one_given(ork, words):
    refused = ork(*words.split())
    assert (refused.code, "did you mean" in refused.err) == (2, False), refused.err


def test_undo_goes_back_and_redo_comes_back(history):
    heads = [history("rev-parse", f"etl~{n}").out for n in range(3)]
    for head in heads[1:]:
        assert history("undo").code == 0
        assert history("rev-parse", "etl").out == head
    for head in reversed(heads[:-1]):
        assert history("undo", "--redo").code == 0
        assert history("rev-parse", "etl").out == head
    refused = history("undo", "--redo")
    assert (refused.code, "nothing to redo" in refused.err) == (3, True)
    assert history("undo", "--redo", "@").code == 2


def test_who_did_it(history):
    def author(**environ):
        history.environ.update(environ)
        history("tag", "-f", "mine", "etl")
        history("tag", "-d", "mine")
        shown = history("ops", "-1", "--json").out
        for name in environ:
            del history.environ[name]
        return shown

    assert '"Git Author <git@example.org>"' in author(
        ORK_AUTHOR_NAME="",
        ORK_AUTHOR_EMAIL="",
        GIT_AUTHOR_NAME="Git Author",
        GIT_AUTHOR_EMAIL="git@example.org",
    )
    assert '"All Of It <one@example.org>"' in author(ORK_AUTHOR="All Of It <one@example.org>")


@pytest.mark.slow
def test_a_reader_that_has_seen_enough_is_no_failure(history):
    for _ in range(60):  # more than a pipe and a buffer hold
        history("tag", "-f", "t", "etl")
        history("tag", "-d", "t")
    command = f"{sys.executable} -m ork ops --json | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=history.folder,
        env=history.environ,
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("{\n0\n", "")


def test_many_lines_are_written_in_blocks_whatever_python_is_told(ork):
    ork.write("many.py", "def many():\n    return list(range(20_000))\n")
    task = "{executor: python, file: many.py, function: many}"
    ork.write("many.yaml", f"name: m\ntasks: {{many: {task}}}")
    assert ork("run", "-q", "many.yaml").code == 0
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)  # a packet a write
    argv = [sys.executable, "-m", "ork", "outputs", "m:many"]
    environ = ork.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(argv, cwd=ork.folder, env=environ, stdout=writer):
        writer.close()
        written = list(iter(lambda: reader.recv(1 << 20), b""))
    reader.close()
    assert json.loads(b"".join(written)) == list(range(20_000))
    assert len(written) < 100


def test_the_only_file_needs_no_name(etl):
    assert etl("check").out.startswith("etl  etl.yaml: good")
    assert etl("deploy").out.startswith("etl ")
    assert "etl#1 success" in etl("run").out + etl("run").err
    assert etl("rollback").code in (0, 3)
    (etl.folder / "etl.yaml").unlink()
    assert etl("restore").out == "written   etl.yaml\n"
    assert etl("run", "--at", "etl").code == 0


def test_a_run_without_a_name_passes_over_no_file_that_was_never_deployed(etl):
    assert etl("deploy").code == 0
    text = (etl.folder / "etl.yaml").read_text()
    etl.write("other.yaml", text.replace("name: etl", "name: other"))
    for words in (("run",), ("run", "--dry-run"), ("deploy",)):
        refused = etl(*words)
        assert "this folder has 2 workflow files: name one" in refused.err
        assert (refused.code, refused.out) == (2, "")
    assert etl("run", "etl").code == 0


def test_the_only_file_is_run_as_it_is_now(etl, edit):
    etl("deploy", "etl.yaml")
    edit("etl.yaml", "timeout: 300", "timeout: 60")
    assert "timeout 300 -> 60" in etl("run").err


def test_of_several_files_all_are_checked_and_one_is_to_be_named(etl):
    text = (etl.folder / "etl.yaml").read_text()
    etl.write("other.yaml", text.replace("name: etl", "name: other"))
    lines = [line for line in etl("check").out.splitlines() if not line.startswith(" ")]
    assert lines == ["etl  etl.yaml: good", "other  other.yaml: good"]
    refused = etl("deploy")
    assert (refused.code, "2 workflow files: name one, or some" in refused.err) == (2, True)
    assert "hint: such as etl.yaml, or . for all" in refused.err
    assert "or . for all" not in etl("run").err
    assert etl("deploy", ".").code == 0
    for name in ("etl.yaml", "other.yaml"):
        etl.write(name, (etl.folder / name).read_text().replace("timeout: 300", "timeout: 60"))
    assert "`ork deploy .` all that is here" in etl("status").err
    assert etl("deploy", ".").code == 0
    assert etl("archive", "etl").code == 0
    assert "etl is archived, and no schedule of it fires" in etl("deploy", "etl.yaml").err
    etl.write("settings.yaml", "tasks_of_mine: 1\n")
    (etl.folder / "other.yaml").unlink()
    assert etl("check").code == 0


def test_where_a_folder_has_no_workflow_that_of_the_project_is_meant(etl, edit, monkeypatch):
    etl("deploy")
    monkeypatch.chdir(etl.folder / "tasks")
    assert etl("check").out.startswith("etl  ../etl.yaml: good")
    assert "up to date" in etl("deploy").out
    edit("etl.yaml", "timeout: 300", "timeout: 60")
    assert "timeout 300 -> 60" in etl("run").err
    etl.write("tasks/own.yaml", "name: own\ntasks: {a: {executor: process, command: ls}}\n")
    assert etl("check").out.startswith("own  own.yaml: good")
    (etl.folder / "etl.yaml").unlink()
    (etl.folder / "tasks/own.yaml").unlink()
    assert "this folder has no workflow file" in etl("deploy").err
    assert etl("run").code == 0  # what is deployed


def test_a_file_that_is_not_deployed_is_named_where_its_workflow_is_meant(etl):
    etl("init")
    assert "hint: `ork run etl.yaml` deploys and runs the file of" in etl("run", "etl").err
    etl.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    assert "this folder has 2 workflow files: name one" in etl("run").err
    etl("deploy", "etl.yaml")
    etl.write("aside.yaml", (etl.folder / "etl.yaml").read_text())
    for words in ("run", "deploy"):  # of the same workflow it would be refused
        assert "hint: such as etl.yaml" in etl(words).err
    (etl.folder / "aside.yaml").unlink()
    assert "no workflow named 'other' is deployed\nhint: `ork run other" in etl("run", "other").err
    assert "a run is written etl#5, the version so many back etl~5" in etl("log", "5").err


def test_the_name_of_a_task_leads_to_its_run(etl):
    etl("deploy")
    for text in ("load", "etl:load"):
        refused = etl("run", text)
        assert (refused.code, "`ork run etl --only load` runs no other" in refused.err) == (3, True)
    assert "a part of a workflow is written etl:load" in etl("log", "load").err
    assert "no workflow or object named 'laod'" in etl("run", "laod").err
    assert "hint: did you mean etl:load?\n" in etl("logs", "laod").err
    assert "hint: did you mean etl?\n" in etl("logs", "elt").err


def test_the_path_of_a_code_file_leads_to_its_part_from_everywhere(ork, monkeypatch):
    files = ("b.py", "tasks/a.py", "tasks/deep/c.py")
    for file in files:
        ork.write(file, "def main(): return 1\n")
    tasks = ", ".join(f"t{n}: {{executor: python, file: {it}}}" for n, it in enumerate(files))
    ork.write("w.yaml", f"name: w\ntasks: {{{tasks}}}\n")
    deeper = "tasks: {c: {executor: python, file: tasks/deep/c.py}}"
    ork.write("flows/other.yaml", f"name: other\nroot: ..\n{deeper}\n")
    assert ork("deploy", "w.yaml", "flows/other.yaml").code == 0
    meant = {file: f"w:{file}" for file in files}
    meant["tasks/deep/c.py"] = "other:tasks/deep/c.py or w:tasks/deep/c.py"
    for place in (".", "tasks", "tasks/deep", "flows"):
        monkeypatch.chdir(ork.folder / place)
        for file, part in meant.items():
            path = os.path.relpath(ork.folder / file)
            for typed in (path, f"./{path}", str(ork.folder / file)):
                for command in ("blame", "log", "show", "restore", "logs"):
                    told = ork(command, typed).err
                    assert f"hint: a part of a workflow is written {part}\n" in told, told
    assert "nothing was fetched from a remote 'tasks'" in ork("show", "tasks/none.py").err
    assert "no workflow or object named 'a/b/c'" in ork("show", "a/b/c").err


def test_the_name_of_a_task_may_look_like_the_start_of_an_oid(ork):
    ork.write("s.yaml", "name: s\ntasks: {b: {executor: process, command: 'true'}}\n")
    ork("run", "s.yaml")
    assert "a part of a workflow is written s:b" in ork("logs", "b").err
    assert "an oid needs at least 4 digits" in ork("logs", "c").err


def test_what_is_no_workflow_is_called_what_it_is(etl):
    etl("deploy")
    for text, kind in (("etl#1", "run"), ("etl~1", "version"), ("etl#1:load", "part")):
        told = f"error: {text} is a {kind}; a workflow is wanted here\nhint: write etl\n"
        assert etl("archive", text).err == told


def test_a_file_whose_name_is_nearly_right_is_named(etl, monkeypatch):
    for command in ("run", "run --dry-run", "check", "deploy"):
        assert "did you mean etl.yaml?" in etl(*command.split(), "elt.yaml").err, command
    assert etl("check", "nowhere/etl.yaml").err == "error: no file nowhere/etl.yaml\n"
    etl("deploy")
    for command in ("run", "log", "graph"):
        assert "did you mean etl.yaml?" in etl(command, "elt.yaml").err, command
    monkeypatch.chdir(etl.folder / "tasks")
    assert "did you mean ../etl.yaml?" in etl("run", "etl.yaml").err


def test_a_tag_that_is_not_there_is_answered_with_those_that_are(etl):
    etl("deploy")
    assert "it has none: `ork tag prod etl` gives it this one" in etl("log", "etl@prod").err
    etl("tag", "v1.4", "etl")
    assert "its tags: v1.4" in etl("log", "etl@prod").err


def test_of_many_workflows_some_are_listed_and_the_rest_counted(ork):
    for n in range(22):
        text = f"name: flow{n:02}\ntasks: {{a: {{executor: process, command: ls}}}}\n"
        ork.write(f"flows/{n}.yaml", text)
    ork("deploy", *(f"flows/{n}.yaml" for n in range(22)))
    refused = ork("rollback")
    assert (refused.code, "  flow19\n  and 2 more\n" in refused.err) == (3, True)
    assert "did you mean flow08 or flow18?" in ork("show", "flow8").err


def test_commands_in_hints_quote_the_names_of_files(etl, edit):
    (etl.folder / "etl.yaml").rename(etl.folder / "my etl.yaml")
    etl("deploy")
    edit("my etl.yaml", "timeout: 300", "timeout: 60")
    assert "`ork deploy 'my etl.yaml'` keeps it" in etl("status").err
    assert "`ork deploy 'my etl.yaml'` keeps them first" in etl("restore", "etl").err
    assert "`ork run 'my etl.yaml'` runs with that" in etl("run", "etl").err


def test_commands_in_hints_quote_revisions_that_a_shell_would_split(etl, edit):
    etl("deploy")
    at = "etl@{2026-12-31 12:00}"
    assert f"`ork run '{at}'` runs it" in etl("logs", at).err
    assert f"`ork run '{at}' --only load` runs no other" in etl("run", f"{at}:load").err
    edit("load.sh", "", "# more\n")
    assert f"next: `ork restore '{at}' --code`" in etl("restore", at).err
    etl("tag", "v1", "etl")
    edit("etl.yaml", "timeout: 300", "timeout: 60")
    etl("deploy")
    assert f"`ork tag --force etl@v1 '{at}'` moves it" in etl("tag", "etl@v1", at).err


def test_what_a_hint_proposes_to_run_has_the_parameters_that_it_needs(ork):
    task = "a: {executor: process, command: 'true'}"
    text = f"name: p\nparams: {{day: date, n: {{type: int, default: 1}}}}\ntasks: {{{task}}}\n"
    ork.write("p.yaml", text)
    assert "next: `ork run p -i day=VALUE`\n" in ork("deploy", "p.yaml").err
    for words, hint in {
        "watch p": "`ork run p -i day=VALUE` runs it",
        "outputs p~0": "`ork run p~0 -i day=VALUE` runs it",
        "diff --last p": "`ork run p -i day=VALUE` runs it",
        "run p:a": "`ork run p --only a -i day=VALUE` runs no other",
        "schedule fire p": "`ork run --queue p -i day=VALUE` runs it all the same",
    }.items():
        refused = ork(*words.split())
        assert refused.code in (2, 3) and f"hint: {hint}\n" in refused.err, refused
    assert ork("run", "p", "-i", "day=2026-11-01").code == 0
    assert "`ork run p#1 --only a` runs no other" in ork("run", "p#1:a").err


def test_of_a_store_in_memory_nothing_comes_next(etl):
    assert "next:" in etl("run").err
    done = etl("--store", "memory:", "run")
    assert (done.code, "next:" in done.err) == (0, False)


def test_a_place_that_is_no_store_is_told_by_what_it_is(etl):
    etl("--store", "sqlite:team.db", "deploy")
    refused = etl("--store", "team.db", "runs")
    hint = f"`ork --store sqlite:{etl.folder}/team.db`"
    assert (refused.code, hint in refused.err) == (4, True)
    refused = etl("--store", "new/place", "deploy")
    assert (refused.code, "`mkdir -p " in refused.err) == (4, True)


def test_a_rollback_takes_what_follows_a_name(history):
    before = history("rev-parse", "etl~2^{snapshot}").out
    assert "`ork rollback etl etl~2`: the workflow" in history("rollback", "etl~2", "~1").err
    assert history("rollback", "etl~2").code == history("undo").code == 0
    assert history("rollback", "~2").code == 0
    assert history("rev-parse", "etl^{snapshot}").out == before


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["remote", "-v"], "`ork remote` lists each name with its place"),
        (["remote", "remove", "origin"], "it is written `ork remote rm`"),
        (["push", "-f"], "it is written out: `--force`"),
        (["status", "etl"], "`ork diff etl` compares one workflow with its file"),
    ],
)
def test_what_git_calls_otherwise_between_stores_is_told(history, words, hint):
    done = history(*words)
    assert (done.code, f"hint: {hint}" in done.err) == (2, True), done.err


SPACED = "etl@{0 seconds ago}"


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["log", "etl", f"etl~1..{SPACED}"], f"ork log 'etl~1..{SPACED}'"),
        (["log", SPACED, "load"], f"ork log '{SPACED}' -- load"),
        (["log", SPACED, "--follow"], f"ork log '{SPACED}':extract --follow"),
        (["log", f"{SPACED}:"], f"ork blame '{SPACED}:'"),
        (["log", f"{SPACED}:old"], f"ork log '{SPACED}~1:old'`, or `ork log '{SPACED}' -- old"),
        (["diff", f"{SPACED}:load", "etl~1:old"], f"ork diff '{SPACED}' etl~1 -- load old"),
        (["diff", "file:a b.yaml"], "ork deploy 'file:a b.yaml'"),
        (["rollback", SPACED, "etl~1"], f"ork rollback etl '{SPACED}'"),
        (["rollback", "etl", f"{SPACED}:a b"], f"ork rollback etl '{SPACED}'"),
        (["rollback", "etl", f"{SPACED}:a b"], f"ork restore '{SPACED}:a b'"),
        (["restore", f"{SPACED}~1:old"], f"ork show '{SPACED}~1:old'"),
        (["restore", f"{SPACED}~1:old"], f"ork restore '{SPACED}~1'"),
        (
            ["bundle", "create", "b", f"{SPACED}..etl"],
            f"ork bundle create FILE etl --since '{SPACED}'",
        ),
    ],
)
def test_a_line_to_type_has_each_revision_as_one_word(history, words, typed):
    text = (history.folder / "etl.yaml").read_text()
    task = "\n  old: {executor: process, command: ls, env: {A: b}}\n"
    history.write("etl.yaml", text.replace("\ntasks:\n", f"\ntasks:{task}"))
    assert history("deploy", "etl.yaml").code == 0
    history.write("etl.yaml", text)
    assert history("deploy", "etl.yaml").code == 0
    history.write("a b.yaml", text.replace("name: etl", "name: another"))
    if words[0] == "restore":  # so that it is none to write a task into
        history.write("etl.yaml", "name: [")
    told = history(*words)
    assert told.code in (2, 3)
    assert f"`{typed}`" in told.err
