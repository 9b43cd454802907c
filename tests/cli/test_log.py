"""ork log"""

import json
import re
from datetime import timedelta

import pytest

from ork.objects.kinds import Deploy
from tests.cli.screen import TERMINAL, on_terminal
from tests.history.histories import another_line
from tests.runs import outcome, write_run
from tests.stores import NOON


def subjects(result):
    assert (result.code, result.err) == (0, "" if result.out else "no deploys\n")
    return [line[47:] for line in result.out.splitlines()]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", []),
        ("oneline", ["--oneline"]),
        ("stat", ["--stat"]),
        ("patch", ["-p"]),
        ("oneline_stat", ["--oneline", "--stat"]),
        ("reverse", ["--reverse", "--oneline"]),
    ],
)
def test_log_of_a_workflow(history, golden, name, options):
    result = history("log", "etl", *options)
    assert (result.code, result.err) == (0, "")
    golden(f"log/{name}.txt", result.out)


def test_log_shows_how_runs_went_and_which_tags_there_are(ran, tag, golden):
    tag("etl", "v1", "etl~1")
    golden("log/with_runs.txt", ran("log", "etl").out)
    golden("log/with_runs_oneline.txt", ran("log", "etl", "--oneline").out)


def test_log_as_json(ran, golden):
    result = ran("log", "etl", "-n", "2", "--json")
    assert (result.code, result.err) == (0, "")
    golden("log/two.json", result.out)


def test_log_of_all_workflows_is_merged_by_time(history, golden):
    history.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ls}}\n")
    history("deploy", "other.yaml")
    history.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ps}}\n")
    history("deploy", "other.yaml")
    shown = [line.split("  ", 4) for line in history("log", "--oneline").out.splitlines()[-5:]]
    assert [(name, subject.lstrip()) for *_, name, subject in shown] == [
        ("other", 'Change a.command "ls" -> "ps" (other)'),
        ("other", "First deploy of 1 task"),
        ("etl", 'Change schedule "0 2 * * *" -> "@daily"; edit tasks/etl.py (etl)'),
        ("etl", "Wait longer"),
        ("etl", "First"),
    ]


def test_at_most_n(history):
    assert len(subjects(history("log", "--oneline", "-n", "2"))) == 2
    assert subjects(history("log", "--oneline", "-n", "0")) == []
    assert subjects(history("log", "--oneline", "-n", "1", "--reverse"))[0].startswith("Change")
    assert history("log", "-n", "-1").code == 2


def test_a_range(history):
    assert len(subjects(history("log", "etl~2..etl", "--oneline"))) == 2
    assert len(subjects(history("log", "etl~1..", "--oneline"))) == 1
    assert len(subjects(history("log", "..etl~1", "--oneline"))) == 2
    assert subjects(history("log", "etl..etl~2", "--oneline")) == []
    assert "`ork log etl~2..etl`" in history("log", "etl", "etl~2..etl").err


def test_from_an_older_deploy(history):
    assert subjects(history("log", "etl~1", "--oneline")) == ["Wait longer", "First"]


def test_filters(history):
    assert subjects(history("log", "--oneline", "--grep", "slow at n.ght")) == ["Wait longer"]
    assert len(subjects(history("log", "--oneline", "--author", "^Ada"))) == 3
    assert subjects(history("log", "--oneline", "--author", "Grace")) == []
    assert len(subjects(history("log", "--oneline", "--since", "2026-11-01"))) == 3
    assert subjects(history("log", "--oneline", "--since", "2026-11-02")) == []
    assert len(subjects(history("log", "--oneline", "--until", "2026-11-01"))) == 3
    assert subjects(history("log", "--oneline", "--until", "2026-10-31")) == []
    assert len(subjects(history("log", "--oneline", "--since", "1 hour ago"))) == 3
    assert subjects(history("log", "--oneline", "--until", "2026-11-01T12:00:00Z")) == ["First"]


def test_a_time_that_cannot_be_read(history, golden):
    result = history("log", "etl", "--since", "wednesdayish")
    assert (result.code, result.out) == (2, "")
    golden("log/bad_since.txt", result.err)


def test_what_is_no_regular_expression(history):
    result = history("log", "--grep", "(")
    assert result.code == 2
    assert "not a regular expression" in result.err


def test_an_unknown_workflow_with_a_suggestion(history, golden):
    result = history("log", "elt")
    assert (result.code, result.out) == (3, "")
    golden("log/unknown.txt", result.err)
    golden("log/unknown.json", history("log", "elt", "--json").err)


def test_empty_stores(ork, golden, masked):
    result = ork("log")
    assert result.code == 3
    golden("log/no_store.txt", masked(result.out + result.err))
    ork("init")
    result = ork("log")
    assert result.code == 3
    golden("log/nothing_deployed.txt", result.out + result.err)


def test_the_log_of_one_task_or_file(history, golden):
    assert subjects(history("log", "etl:load", "--oneline")) == ["First"]
    assert len(subjects(history("log", "etl:extract", "--oneline"))) == 3
    assert len(subjects(history("log", "etl:tasks/etl.py", "--oneline"))) == 2
    assert subjects(history("log", "etl~2..etl:tasks/etl.py", "-n", "1", "--oneline"))
    golden("log/task_patch.txt", history("log", "etl:extract", "-p").out)
    golden("log/file_stat.txt", history("log", "etl:tasks/etl.py", "--stat", "--oneline").out)


def test_names_after_two_dashes(history):
    one = history("log", "--oneline", "etl:load")
    assert history("log", "--oneline", "etl", "--", "load").out == one.out
    assert history("log", "--oneline", "--", "load").out == one.out
    both = history("log", "--oneline", "etl", "--", "load", "tasks/etl.py")
    assert len(subjects(both)) == 2
    result = history("log", "etl", "--", "nothing")
    assert (result.code, result.out) == (3, "")
    told = "error: no deploy had a task or code file named 'nothing'\n"
    assert result.err == f"{told}hint: `ork blame etl --keys` tells of parameters and settings\n"
    late = history("log", "--", "load", "--oneline").err
    assert late.endswith("hint: options go before --: `ork log etl --oneline -- load`\n")
    near = history("log", "--", "load", "tasks/elt.py").err
    assert near.endswith("'tasks/elt.py'\nhint: did you mean tasks/etl.py?\n")
    result = history("log", "etl~1..etl", "--", "load")  # which is there, and did not change
    assert (result.code, result.out, result.err) == (0, "", "no deploy changed load\n")


@pytest.mark.parametrize(
    "options", [["--stat", "-p"], ["--json", "--oneline"], ["--json", "--graph"]]
)
def test_an_option_that_another_would_hide_is_refused(history, options):
    refused = history("log", "etl", *options)
    assert refused.code == 2
    assert f"{' and '.join(options)} exclude each other" in refused.out + refused.err


def test_a_task_that_is_gone_and_its_older_name(history, edit, golden):
    edit("etl.yaml", "extract:", "fetch:")
    edit("etl.yaml", "[extract]", "[fetch]")
    edit("etl.yaml", "tasks.extract", "tasks.fetch")
    history("deploy", "etl.yaml")
    result = history("log", "etl:extract")
    assert (result.code, result.out) == (3, "")
    golden("log/gone.txt", result.err)
    assert len(subjects(history("log", "etl~1:extract", "--oneline"))) == 3
    for reverse in ([], ["--reverse"]):
        renamed = history("log", "etl:fetch", "--oneline", *reverse)
        assert len(renamed.out.splitlines()) == 1
        assert (
            renamed.err == "hint: fetch was called extract before: `--follow` goes on from there\n"
        )
    assert history("log", "etl:fetch", "--follow").err == history("log", "etl:load").err == ""
    assert len(subjects(history("log", "etl:fetch", "--oneline", "--follow"))) == 4


def test_wrong_use_of_names(history):
    result = history("log", "etl", "load")
    assert result.code == 2
    assert "`ork log etl -- load`" in result.err
    result = history("log", "etl", "--follow")
    assert result.code == 2
    assert "--follow needs a task or code file" in result.err


def test_a_fork_is_not_a_range_into_the_past(history):
    assert json.loads(history("log", "etl..etl", "--json").out)["data"] == []


def test_a_line_of_a_graph_fits_a_narrow_terminal(history, edit, terminal):
    edit("etl.yaml", "600", "900")
    history("deploy", "etl.yaml", "-m", "Wait much longer " * 9)
    shown = terminal("log", "etl", "--oneline", "--graph", NO_COLOR="1").splitlines()
    assert len(shown) == 4 and all(len(line) <= 80 for line in shown)
    assert shown[0].endswith("... (etl)")


def test_a_line_in_a_narrow_terminal_keeps_its_order_and_its_tags_whole(history, edit):
    edit("etl.yaml", "600", "900")
    history("deploy", "etl.yaml", "-m", "Wait much longer " * 9)
    history("tag", "prod")
    history.environ |= TERMINAL
    for wide, message in ((60, r"Wait much longer Wait mu\.\.\."), (45, r"Wait .*\.\.\.")):
        line = on_terminal(history, wide, "log", "etl", "--oneline").text.splitlines()[0]
        assert len(line) <= wide and re.fullmatch(rf"\w{{8}}  .*  {message} \(etl, @prod\)", line)
    history("tag", "of-the-night-shift-in-the-east")
    lines = on_terminal(history, 60, "log", "etl", "--oneline").text.splitlines()
    assert re.fullmatch(r"\w{8}  .*  Wait much longer \.\.\. \(etl,", lines[0])
    assert lines[1].strip() == "@of-the-night-shift-in-the-east, @prod)"


def test_a_line_tells_less_of_the_runs_before_it_cuts_the_message(history, opened, edit):
    message = "Invoices must take the rate of the day"
    edit("etl.yaml", "600", "900")
    history("deploy", "etl.yaml", "-m", message)
    store = opened()
    for number, state in enumerate(("success", "cancelled", "interrupted", "failed"), start=1):
        task = dict(store.snapshot(store.get(Deploy, store.ref("workflows/etl")).snapshot).tasks)
        states = {name: outcome(oid, state) for name, oid in task.items()}
        run = {"created": NOON + timedelta(hours=number)}
        write_run(store, store.ref("workflows/etl"), states, state, **run)
    history.environ |= TERMINAL
    ends = {}
    for wide in (90, 100, 130, 150):
        lines = on_terminal(history, wide, "log", "etl", "--oneline").text.splitlines()
        assert len(lines) == 4 and all(len(line) <= wide for line in lines)
        assert wide == 90 or message in lines[0]
        ends[wide] = lines[0].partition(" (etl)  ")[2]
    assert ends[90] == ends[100] == "[1 ok, 3 not]"
    assert ends[130] == "[1 ok, 1 cancelled, 1 failed, 1 interrupted]"
    assert ends[150] == "[1 succeeded, 1 cancelled, 1 failed, 1 interrupted]"


@pytest.fixture
def apart(history, edit, tmp_path):
    """The world of `history`, and origin/etl: two deploys after the newest, and here another."""
    team = str(tmp_path / "team/.ork")
    assert history("clone", ".", "../team").code == 0
    assert history("remote", "add", "origin", "../team").code == 0
    for message in ("Theirs", "Theirs, too"):
        back = "etl~1" if message == "Theirs" else "etl~3"
        assert history("--store", team, "rollback", "etl", back, "-m", message).code == 0
    edit("etl.yaml", "timeout: 600", "timeout: 900")
    assert history("deploy", "etl.yaml", "-m", "Ours").code == 0
    assert history("fetch").code == 0
    return history


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("two_drawn", ["etl", "origin/etl", "--graph", "--oneline"]),
        ("two_drawn_in_full", ["etl", "origin/etl", "--graph"]),
        ("apart", ["etl...origin/etl", "--oneline"]),
        ("apart_in_full", ["etl...origin/etl"]),
        ("apart_drawn", ["etl...origin/etl", "--oneline", "--graph"]),
    ],
)
def test_two_lines_of_history(apart, golden, name, words):
    piped = apart("log", *words)
    assert (piped.code, piped.err) == (0, "")
    golden(f"log/{name}.txt", piped.out)
    apart.environ |= TERMINAL | {"NO_COLOR": "1"}
    for wide in (60, 100):
        lines = on_terminal(apart, wide, "log", *words).text.splitlines()
        assert all(len(line) <= wide for line in lines)
        golden(f"log/{name}_{wide}.txt", "".join(f"{line.rstrip()}\n" for line in lines))


def test_three_lines_of_history_become_one(history, opened):
    store = opened()
    for remote, back, hour in (("a", "etl~1", 3), ("b", "etl~2", 2)):
        another_line(store, store.find(history("rev-parse", back).out.strip()), remote, hour)
    drawn = history("log", "etl", "a/etl", "b/etl", "--graph", "--oneline").out
    assert re.sub(r"\w{8}  .* \+0000  (\w+).*", r"\1", drawn).splitlines() == [
        "* a1",
        "| * b1",
        "| | * Change",
        "|_|/",
        "* | Wait",
        "|/",
        "* First",
    ]


def test_two_lines_of_history_in_json(apart):
    def told(*words):
        data = json.loads(apart("log", *words, "--json").out)["data"]
        return [(one["deploy"]["message"].split()[0], one["reached_from"]) for one in data]

    ours, theirs = ("Ours", ["etl"]), ("Theirs,", ["origin/etl"])
    alone = [ours, theirs, ("Theirs", ["origin/etl"])]
    assert sorted(told("etl...origin/etl")) == sorted(alone)
    both = ["etl", "origin/etl"]
    assert told("etl", "origin/etl")[3:] == [
        ("Change", both),
        ("Wait", both),
        ("First", both),
    ]
    assert [message for message, _ in told("etl~2...")] == ["Ours", "Change"]
    assert [message for message, _ in told("...etl~2")] == ["Ours", "Change"]
    assert told("etl...etl") == []
    assert told("etl", "~1", "-n", "1") == [("Ours", ["etl"])]


def test_several_revisions_that_are_none(apart):
    for words, told in (
        (["etl", "load"], "names of tasks come after --: `ork log etl -- load`"),
        (["etl~1..etl", "etl"], "a range says both ends itself: `ork log etl~1..etl`"),
        (["etl", "etl...origin/etl"], "a range says both ends itself: `ork log etl...origin/etl`"),
        (["etl...origin/etl:load", "--follow"], "--follow goes back in one history"),
        (["etl:load", "origin/etl"], "'load' is a part of one revision"),
    ):
        refused = apart("log", *words)
        assert refused.code in (2, 3) and told in refused.err and not refused.out
    assert apart("log", "etl...origin/etl:load", "--oneline").code == 0
    assert apart("log", "etl", "origin/etl", "--oneline", "--", "load").out.count("First") == 1


def test_a_graph_goes_on_in_one_lane_before_a_rename(history, edit):
    assert history("mv", "etl", "load").code == 0
    edit("etl.yaml", "name: etl", "name: load")
    edit("etl.yaml", "600", "900")
    assert history("deploy", "etl.yaml").code == 0
    drawn = history("log", "--oneline", "--graph").out.splitlines()
    assert len(drawn) == 5 and all(line[:2] == "* " and line[2] != " " for line in drawn)


def test_what_other_commands_name_is_found_in_one_line(history):
    said = history("rollback", "etl", "etl~1").out
    snapshot = said.split()[1]
    deploy, content = history("log", "etl", "--oneline").out.split()[:2]
    assert snapshot == content
    assert history("rev-parse", "--short", "etl").out.strip() == deploy


RENAMED = """\
name: w
tasks:
  a: {executor: process, command: ./a.sh}
"""


@pytest.mark.parametrize("between", [False, True])
def test_follow_goes_on_before_another_name_of_the_workflow(ork, between):
    file, script = ork.write("w.yaml", RENAMED), ork.write("a.sh", "#!/bin/sh\necho a1\n")
    script.chmod(0o755)
    assert ork("deploy", "w.yaml", "-m", "1").code == 0
    script.write_text("#!/bin/sh\necho a2\n")
    assert ork("deploy", "w.yaml", "-m", "2").code == 0
    assert ork("mv", "w", "x").code == 0
    text = RENAMED.replace("name: w", "name: x")
    if between:
        file.write_text(text + "  z: {executor: process, command: 'true'}\n")
        assert ork("deploy", "w.yaml", "-m", "z").code == 0
    file.write_text(text.replace("  a:", "  aa:"))
    assert ork("deploy", "w.yaml", "-m", "ren").code == 0
    lines = ork("log", "x:aa", "--follow", "--oneline").out.splitlines()
    assert [line.split("  ")[3].split(" (")[0] for line in lines] == ["ren", "2", "1"]
    assert ork("log", "x:aa", "-S", "a1", "--follow", "--oneline").out.count("\n") == 2


def test_env_that_both_of_two_tasks_got_is_that_of_the_workflow(ork):
    text = "name: p\nenv: {G: 'x'}\ntasks:\n  a: {executor: process, command: 'true'}\n"
    text += "  b: {executor: process, command: 'true'}\n"
    file = ork.write("p.yaml", text)
    assert ork("deploy", "p.yaml", "-m", "one").code == 0
    file.write_text(text.replace("'x'", "'y'"))
    assert ork("deploy", "p.yaml", "-m", "two").code == 0
    assert ork("log", "p:a", "--oneline").out.count("\n") == 1
