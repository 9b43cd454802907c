"""ork diff"""

import json

import pytest


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", []),
        ("patch", ["-p"]),
        ("stat", ["--stat"]),
        ("json", ["--json"]),
        ("name_status", ["--name-status"]),
        ("words", ["--word-diff"]),
        ("one_task", ["--", "extract"]),
    ],
)
def test_diff_of_two_deploys(history, golden, name, options):
    result = history("diff", "etl~2", "etl", *options)
    assert (result.code, result.err) == (0, "")
    golden(f"diff/{name}.txt", result.out)


def test_ways_to_name_two_ends(history):
    expected = history("diff", "etl~2", "etl").out
    assert expected
    for ends in (["etl~2..etl"], ["etl~2.."], ["etl^^", "etl.yaml"], ["etl@{2}", "file:etl.yaml"]):
        assert history("diff", *ends).out == expected


def test_a_workflow_alone_is_compared_with_its_file(history, edit, golden):
    edit("etl.yaml", "600", "900")
    expected = history("diff", "etl", "etl.yaml").out
    assert "600 -> 900" in expected
    assert history("diff").out == expected
    assert history("diff", "etl").out == expected
    assert history("diff", "etl.yaml").out == expected


def test_a_file_without_any_line_is_called_empty(ork):
    flow = "name: w\ntasks: {a: {executor: process, command: ls}}\n"
    ork.write("w.yaml", flow)
    assert ork("deploy", "w.yaml").code == 0
    ork.write("w.yaml", flow + "include: [p/*]\n")
    ork.write("p/__init__.py", "")
    assert "+ p/__init__.py  added, empty" in ork("diff").out
    assert ork("deploy", "w.yaml").code == 0
    assert "- p/__init__.py  removed, empty" in ork("diff", "w", "w~1").out


def test_no_difference_is_said_on_standard_error(history):
    result = history("diff")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no difference between etl and file:etl.yaml\n"


@pytest.mark.parametrize(
    "form",
    [
        [],
        ["-p"],
        ["--stat"],
        ["--name-status"],
        ["--word-diff"],
        ["--json"],
        ["--no-renames"],
        ["--format", "markdown"],
        ["--format", "html"],
        ["--", "extract"],
    ],
)
def test_the_exit_code_tells_of_a_difference_in_every_form(history, form):
    assert history("diff", "etl~1", "etl", "--exit-code", *form).code == 1
    assert history("diff", "etl~1", "etl", *form).code == 0
    assert history("diff", "etl", "etl", "--exit-code", *form).code == 0


def test_the_exit_code_is_that_of_the_tasks_that_were_asked_for(history):
    assert history("diff", "etl~2", "etl~1", "--exit-code", "--", "extract").code == 1
    result = history("diff", "etl~2", "etl~1", "--exit-code", "--", "load")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no difference between etl~2 and etl~1 in load\n"


def test_tasks_and_files_stand_behind_two_dashes(history):
    whole = history("diff", "etl~2", "etl").out
    assert history("diff", "etl~2..etl", "--", "extract").out == whole.replace(
        'settings\n  schedule  "0 2 * * *" -> "@daily"\n', ""
    )
    files = history("diff", "--name-status", "etl~2", "etl", "--", "tasks/etl.py", "load").out
    assert files == "M\tfile\ttasks/etl.py\n"
    assert history("diff", "etl~2", "etl", "--").out == whole
    assert (
        "no difference between etl and file:etl.yaml in load" in history("diff", "--", "load").err
    )


def test_a_task_that_nobody_has_is_not_found(history):
    result = history("diff", "etl~2", "etl", "--", "extrakt", "load")
    assert (result.code, result.out) == (3, "")
    assert result.err == (
        "error: neither side has a task or code file named 'extrakt'\nhint: did you mean extract?\n"
    )


def test_a_form_that_there_is_none_of(history):
    result = history("diff", "etl~2", "etl", "--format", "pdf")
    assert (result.code, result.err) == (2, "error: --format pdf: say text, markdown or html\n")


def test_parameters_and_who_takes_them(ork, golden):
    text = """\
        name: etl
        params: {day: {type: str, default: "2026-01-01"}, size: int}
        tasks:
          extract: {executor: process, command: "true", inputs: {day: {ref: params.day}}}
          load: {executor: process, command: "true", depends_on: [extract]}
          audit: {executor: process, command: "true"}
    """
    ork("deploy", str(ork.write("etl.yaml", text)))
    ork.write("etl.yaml", text.replace("01-01", "01-02").replace("size: int", "rows: int"))
    golden("diff/params.txt", ork("diff").out)


def test_a_parameter_is_compared_by_the_keys_that_a_file_has(ork):
    """So a new default is one row, and null is a default."""
    text = "name: w\nparams: {PARAM}\ntasks: {a: {executor: process, command: 'true'}}\n"
    for declared in ("day: str", "day: {type: str, default: us}", "day: {default: null}"):
        ork("deploy", str(ork.write("w.yaml", text.replace("PARAM", declared))))
    assert ork("diff", "w~2", "w~1").out.splitlines()[1:2] == ['  day.default  + "us"']
    assert ork("diff", "w~1", "w").out.splitlines()[1:3] == [
        '  day.default  "us" -> null',
        '  day.type     - "str"',
    ]


def test_settings_alone_can_change_no_result(history, edit, golden):
    edit("etl.yaml", "@daily", "@hourly")
    golden("diff/settings.txt", history("diff").out)


def test_a_rename_and_how_not_to_see_it(history, edit, golden):
    edit("etl.yaml", "  load:", "  store:")
    edit("etl.yaml", "./load.sh", "./load.sh --all")
    golden("diff/renamed.txt", history("diff").out)
    golden("diff/no_renames.txt", history("diff", "--no-renames").out)


def test_a_file_is_compared_with_what_it_was_deployed_as(history, edit):
    assert history("mv", "etl", "pipeline").code == 0
    edit("etl.yaml", "./load.sh", "./load.sh --all")
    renamed = history("diff", "etl.yaml")
    assert (renamed.code, renamed.out) == (0, history("diff", "pipeline").out)
    assert "./load.sh --all" in renamed.out
    edit("etl.yaml", "name: etl", "name: other")
    assert history("diff", "etl.yaml") == renamed
    history.write("new.yaml", (history.folder / "etl.yaml").read_text())
    assert "other was never deployed" in history("diff", "new.yaml").err


def test_the_definitions_of_two_runs_differ_by_what_they_executed(ran):
    found = ran("diff", "etl#1^{snapshot}", "etl#2^{snapshot}")
    assert found.out == ran("diff", "etl~1", "etl").out
    assert "load  code of load.sh" in found.out


def test_two_runs_have_no_diff_of_their_definitions_alone_but_its_size(ran):
    result = ran("diff", "etl#1", "etl#2", "-p")
    assert result.code == 2
    assert "`ork diff etl#1^{snapshot} etl#2^{snapshot}`" in result.err
    for options in (["--word-diff"], ["--format", "html"]):
        assert ran("diff", "etl#1", "etl#2", *options).code == 2


def test_two_runs_are_compared_as_runs_also_the_last_failure(ran):
    runs = ran("diff", "etl#1", "etl#2", "--exit-code")
    assert runs.code == 1
    for words in (["--last"], ["--last", "etl"], ["--last", "etl.yaml"]):
        assert ran("diff", *words).out == runs.out
    assert ran("diff", "--last", "etl", "other").code == 2


def test_the_words_of_a_command_that_differ(history, edit, terminal):
    edit("etl.yaml", "./load.sh", "./load.sh --all")
    assert '  command  "./load.sh{+ --all+}"\n' in history("diff", "--word-diff").out
    assert '"./load.sh\x1b[32m{+ --all+}\x1b[0m"' in terminal("diff", "--word-diff")


@pytest.mark.slow
def test_no_line_is_wider_than_the_terminal(ork, edit, terminal):
    names = [f"a_task_with_a_rather_long_name_{number:02}" for number in range(60)]
    lines = [
        f"  {name}: {{executor: process, command: echo, depends_on: [{up}]}}"
        for name, up in zip(names[1:], names, strict=False)
    ]
    head = f"name: long\ntasks:\n  {names[0]}: {{executor: process, command: echo}}\n"
    ork("deploy", str(ork.write("long.yaml", head + "\n".join(lines))))
    edit(
        "long.yaml",
        f"  {names[30]}: {{executor: process, command: echo",
        f"  {names[30]}: {{executor: process, command: ls",
    )
    shown = terminal("diff", NO_COLOR="1")
    assert "30 of 60 tasks can give other results" in shown
    assert "and 10 more (-p shows all)" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert names[59] in terminal("diff", "-p", NO_COLOR="1")
    others = ork("diff").out.splitlines()[-1]
    assert others == f"  the other 30 cannot: {names[0]} ... {names[29]}"
    assert all(name in ork("diff", "-p").out for name in names[:30])


def test_the_json_has_both_ends(history):
    document = json.loads(history("diff", "etl~1..etl", "--json").out)
    assert document["schema"] == "ork.diff.v1"
    assert document["data"]["old"]["text"] == "etl~1"
    assert document["data"]["new"]["workflow"] == "etl"


def test_one_part_may_stand_behind_a_revision_as_for_log(history):
    """Otherwise what `ork log`, `ork show` and `ork blame` take would be an error here."""
    whole = history("diff", "etl~2", "etl", "--", "extract")
    assert whole.out
    for words in (
        ["etl~2:extract", "etl:extract"],
        ["etl~2..etl:extract"],
        ["etl~2", "etl:extract"],
    ):
        assert history("diff", *words) == whole
    by_path = history("diff", "etl~2..etl", "--", "tasks/etl.py")
    assert history("diff", "etl~2..etl:tasks/etl.py") == by_path


def test_the_text_of_the_workflow_file_is_compared_by_lines(history, edit):
    edit("etl.yaml", "name: etl", "name: etl  # extract, load")
    told = history("diff", "etl:", "--exit-code")
    assert (told.code, told.err) == (1, "")
    assert told.out.startswith("@@ -1,")
    assert "-name: etl\n+name: etl  # extract, load\n" in told.out
    assert history("diff", "etl:", "file:etl.yaml:") == history("diff", "etl:")
    assert "[-" in history("diff", "etl~2..etl:", "--word-diff").out
    assert history("diff", "etl~2..etl:").out == history("diff", "etl~2:", "etl:").out != ""
    same = history("diff", "etl:", "etl:", "--exit-code")
    assert (same.code, same.out) == (0, "")
    assert same.err == "no difference between the texts of etl and etl\n"
    assert history("diff", "etl~1:", "etl:", "--stat").code == 2


@pytest.mark.parametrize(
    ("options", "both"),
    [
        (["--stat", "--name-status"], "--stat and --name-status"),
        (["--stat", "--json"], "--stat and --json"),
        (["-p", "--stat"], "-p and --stat"),
        (["--json", "--format", "markdown"], "--json and --format markdown"),
        (["--stat", "--format", "html"], "--stat and --format html"),
        (["--word-diff", "--json"], "--word-diff and --json"),
    ],
)
def test_an_option_that_another_would_hide_is_refused(history, options, both):
    refused = history("diff", "etl~1", "etl", *options)
    assert refused.code == 2
    assert f"{both} exclude each other" in refused.out + refused.err


def test_of_several_workflows_all_whose_files_differ_are_shown(history, edit):
    for name in ("a", "b"):
        text = f"name: {name}\ntasks: {{t: {{executor: process, command: ls}}}}\n"
        ork_file = history.write(f"{name}.yaml", text)
        history("deploy", str(ork_file))
    none = history("diff", "--exit-code")
    assert (none.code, none.out) == (0, "")
    assert none.err == "no workflow file differs from what is deployed\n"
    edit("etl.yaml", "600", "900")
    edit("b.yaml", "ls", "ls -l")
    history.write("a.yaml", "name: a\ntasks: {t: }\n")
    told = history("diff", "--exit-code")
    assert told.code == 1
    etl, b = history("diff", "etl").out, history("diff", "b").out
    assert told.out == f"workflow b\n{b}workflow etl\n{etl}"
    assert told.err == "note: a.yaml: 1 problem\n"
    pages = [history("diff", name, "--format", "markdown").out for name in ("b", "etl")]
    assert history("diff", "--format", "markdown").out == "".join(pages)
    assert history("diff", "--stat").out.startswith("workflow b\n task t | 1 ~\n")
    one = history("diff", "--json")
    assert one.code == 3 and "there are several workflows: name one" in one.out + one.err


def test_the_second_may_be_named_as_of_the_workflow_of_the_first(history):
    text = "name: other\ntasks: {t: {executor: process, command: ls}}\n"
    history("deploy", str(history.write("other.yaml", text)))
    history("tag", "etl@v1", "etl~1")
    for second in ("~1", "@v1"):
        assert (
            history("diff", "etl", second).out == history("diff", "etl", f"etl{second}").out != ""
        )
    assert history("diff", "etl~2", "~1").out == history("diff", "etl~2..etl~1").out


def test_a_file_that_was_never_deployed_has_nothing_to_be_compared_with(history):
    text = "name: other\ntasks: {t: {executor: process, command: ls}}\n"
    said = history("diff", str(history.write("other.yaml", text)))
    assert (said.code, said.out) == (3, "")
    assert said.err.startswith("error: other was never deployed: nothing is there to compare with")
    assert "`ork deploy " in said.err


def test_two_tasks_and_two_code_files_are_compared_by_their_oids(history):
    def both(part):
        return [history("rev-parse", f"{one}:{part}").out.strip() for one in ("etl~2", "etl")]

    def told(*words):
        return history("diff", "--exit-code", *words)

    old, new = tasks = both("extract")
    whole = told(*tasks)
    assert (whole.code, "  ~ task  changed\n      timeout  300 -> 600\n" in whole.out) == (1, True)
    assert told(old[:9], new[:9]).out == told(f"{old}..{new}").out == whole.out
    assert json.loads(told(*tasks, "--json").out)["data"]["diff"]["tasks"][0]["name"] == "task"
    assert (told(old, old).code, told(old, old).out) == (0, "")
    files = both("tasks/etl.py")
    assert "+" in told(*files).out and told(*files).code == 1
    assert told(files[0], files[0]).code == 0
    for words in ((old, files[0]), (old, "etl"), ("etl", files[1])):
        refused = told(*words)
        assert (refused.code, "a workflow, deploy or run is wanted here" in refused.err) == (
            3,
            True,
        )


def test_what_cannot_be_compared(history):
    assert history("diff", "a", "b", "c").code == 2
    assert history("diff", "etl:load", "etl~1:extract").code == 2
    assert history("diff", "etl:lod", "etl~1").code == 3
    assert history("diff", "etl:", "etl~1").code == 3
    two_parts = history("diff", "etl~1:load", "etl:extract").err
    assert two_parts.endswith("hint: write `ork diff etl~1 etl -- load extract`\n")
    assert history("diff", "etl", "nowhere").code == 3
    (history.folder / "etl.yaml").unlink()
    result = history("diff", "etl")
    assert result.code == 3
    assert "which is not here" in result.err
    assert "hint: name two revisions" in result.err


def test_a_task_that_imports_what_is_excluded_may_be_affected_by_any_code(ork):
    ork.write("use.py", "from gen import names\n\ndef main():\n    return names.main()\n")
    text = """\
name: w
exclude: [gen]
tasks:
  use: {executor: python, file: use.py}
  other: {executor: process, command: sh x.sh}
"""
    ork.write("w.yaml", text)
    for number in (1, 2):
        ork.write("x.sh", f"echo {number}\n")
        assert ork("deploy", "w.yaml").code == 0
    impact = json.loads(ork("diff", "w~1", "w", "--json").out)["data"]["impact"]
    assert impact["unaffected"] == []


@pytest.mark.parametrize(
    ("revision", "ends"),
    [
        ("etl~2..~1", ("etl~2", "etl~1")),
        ("etl~2..", ("etl~2", "etl")),
        ("etl~2...~1", ("etl~2", "etl~1")),
        ("etl~2...", ("etl~2", "etl")),
    ],
)
def test_the_ends_of_a_range_are_of_one_workflow(history, revision, ends):
    ork = history
    ork.write("two.yaml", "name: two\ntasks:\n  a: {executor: process, command: 'true'}\n")
    assert ork("deploy", "two.yaml").code == 0
    assert ork("diff", revision).out == ork("diff", *ends).out != ""
    assert ork("graph", revision).out == ork("graph", f"{ends[0]}..{ends[1]}").out
    if "..." not in revision:
        assert ork("log", revision).out == ork("log", f"{ends[0]}..{ends[1]}").out


def test_a_code_file_is_compared_with_one_on_disk(history, edit):
    path = history.folder / "load.sh"
    same = history("diff", "etl:load.sh", "load.sh", "--exit-code")
    assert (same.code, same.out) == (0, "")
    path.write_text(path.read_text() + "echo more\n")
    for name in ("load.sh", "./load.sh", "file:load.sh", str(path)):
        told = history("diff", "etl:load.sh", name, "--exit-code")
        assert (told.code, told.out.splitlines()[-1]) == (1, "+echo more")
    assert history("diff", "load.sh", "etl:load.sh").out.splitlines()[-1] == "-echo more"
    (history.folder / "binary").write_bytes(bytes(range(256)) * 99)
    told = history("diff", "etl:load.sh", "binary", "--exit-code")
    assert (told.code, told.err) == (1, "etl:load.sh and binary differ, and are no texts\n")
    assert history("diff", "etl:load.sh", "load.sh", "--stat").code == 2
    assert history("diff", "etl", "load.sh").code == 3
    assert "a code file is REV:sh/ared.sh" in history("diff", "etl", "sh/ared.sh").err


@pytest.mark.parametrize(("name", "text"), [("rows.json", '{"a": 1}\n'), ("p.yaml", "a: 1\n")])
def test_a_yaml_file_without_tasks_is_a_code_file(history, edit, name, text):
    history.write(name, text)
    edit("etl.yaml", "tasks:", f"include: [{name}]\ntasks:")
    assert history("deploy", "etl.yaml").code == 0
    assert history("run", "etl").code == 0
    run = history("runs", "-n", "1").out
    edit(name, "1", "2")
    for path in (name, f"./{name}", f"file:{name}"):
        told = history("diff", f"etl:{name}", path, "--exit-code")
        assert (told.code, told.out.splitlines()[-1]) == (1, "+" + text.replace("1", "2").strip())
    assert history("runs", "--containing", name).out == ""
    edit(name, "2", "1")
    assert history("runs", "--containing", name).out == run
    for other in ("etl", "etl.yaml"):
        refused = history("diff", name, other)  # of a workflow file that lacks them it is told
        assert (refused.code, "`tasks` is missing" in refused.err) == (3, True)


def test_three_dots_are_for_a_diff_and_a_log(history):
    told = history("show", "etl~1...etl")
    assert told.code == 3
    assert "'etl~1...etl' names two revisions" in told.err


def test_three_dots_tell_what_one_side_has_since_the_two_were_one(history):
    assert history("clone", ".", "../team").code == 0
    assert history("remote", "add", "origin", "../team").code == 0
    for words in (["--store", "../team/.ork", "rollback", "etl", "etl~1"], ["fetch"]):
        assert history(*words).code == 0
    assert history("rollback", "etl", "etl~2").code == 0
    theirs = history("diff", "etl...origin/etl")
    assert theirs.out == history("diff", "etl~1", "origin/etl").out != ""
    assert history("diff", "origin/etl...etl").out == history("diff", "etl~1", "etl").out != ""
    assert history("diff", "etl...origin/etl:load").code == 0
