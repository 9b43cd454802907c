"""ork bisect: recorded outcomes, runs of what is missing, commands that judge, what is skipped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

import pytest

from ork.errors import NotFound
from ork.objects.value import replace
from ork.runner.events import RunFinished
from ork.store.resolve import run_of_number
from tests.conftest import Ork, Steps
from tests.runs import taint

FLOW = """\
    name: flow
    params:
      level: {type: int, default: 1}
    tasks:
      load:
        executor: python
        file: load.py
        inputs: {level: {ref: params.level}}
"""
LOAD = """\
    STEP = %d
    def main(level):
        if STEP >= %d and level > 0:
            raise ValueError("no such column")
        return {"step": STEP}
"""


@pytest.fixture
def line(ork: Ork, once: Callable[[str, Steps], None]) -> Callable[..., Ork]:
    """Deploy a line of steps, the first bad one named; run those that are named."""

    def make(count: int, *, bad: int, ran: Sequence[int] = ()) -> Ork:
        def steps() -> None:
            ork.write("flow.yaml", FLOW)
            for step in range(1, count + 1):
                ork.write("load.py", LOAD % (step, bad))
                assert ork("deploy", "flow.yaml", "-m", f"Step {step}").code == 0
                if step in ran:
                    ork("run", "flow")

        once(f"line of {count}, {bad} is bad, {ran} ran", steps)
        return ork

    return make


def found(done) -> tuple[str, list[str]]:
    """Return the message of the first bad deploy, and what the verdicts rest on."""
    value = json.loads(done.out)["data"]
    assert len(value["suspects"]) == 1
    how = [f"{t['verdict']} {t['entry']['message']} {t['how']}" for t in value["trials"]]
    return value["suspects"][0]["deploy"]["message"], how


@pytest.mark.slow
def test_only_the_missing_midpoints_are_run(line, golden, masked) -> None:
    ork = line(8, bad=6, ran=(2, 8))
    done = ork("bisect", "flow")
    assert done.code == 0
    golden("bisect/found.out", done.out)
    golden("bisect/found.err", done.err)
    golden("bisect/runs.txt", ork("runs").out)
    again = ork("bisect", "flow", "--json")
    assert again.code == 0
    golden("bisect/found.json", masked(again.out))


@pytest.mark.slow
def test_what_would_run_is_told_before_and_may_be_all(line) -> None:
    ork = line(8, bad=6, ran=(2, 8))
    before = ork("runs").out
    done = ork("bisect", "flow", "-i", "level=2", "--good", "flow~6", "--bad", "flow", "--dry-run")
    assert (done.code, done.err.splitlines()[-1]) == (
        0,
        "plan  at most 4 runs of 1 task, with level=2, if each can be judged",
    )
    assert re.fullmatch(r"run   [0-9a-f]{8}  Step 5  \(5 deploys left, about 4 runs\)\n", done.out)
    judged = ork("bisect", "--good", "#1", "--bad", "#2", "--cmd", "touch judged", "--dry-run")
    assert judged.code == 0 and "plan  at most 3 runs" in judged.err
    assert ork("runs").out == before and not (ork.folder / "judged").exists()
    done = ork("bisect", "flow")
    assert done.err.count("plan  at most") == 1
    assert ork("bisect", "flow", "--dry-run").out == ork("bisect", "flow").out == done.out
    assert ork("bisect", "--dry-run", "--json").code == 2


def test_a_whole_number_is_told_as_of_a_run_whatever_its_type_is(ork) -> None:
    ork.write("flow.yaml", FLOW.replace("{type: int,", "{type: float,"))
    for step in range(3):
        ork.write("load.py", LOAD % (step, 9))
        assert ork("deploy", "flow.yaml").code == 0
    done = ork("bisect", "-i", "level=2", "--good", "flow~2", "--bad", "flow", "--dry-run")
    assert "of 1 task, with level=2, if" in done.err


@pytest.mark.slow
def test_runs_of_a_search_are_not_the_newest_of_a_workflow(line) -> None:
    ork = line(8, bad=6, ran=(2, 8))
    ork.write("load.py", LOAD % (9, 99))
    assert ork("run", "flow.yaml", "-m", "Mended").code == 0  # flow#3
    before = ork("diff", "--last", "--json").out
    assert ork("bisect", "flow", "--good", "flow#1", "--bad", "flow#2").code == 0
    assert "by bisect" in ork("runs", "-n", "1").out
    assert "  by bisect\n" in ork("show", "flow#4").out
    for words in (("show", "flow#3"), ("logs", "flow"), ("outputs", "flow")):
        of = ork(words[0], words[1], "--json")
        assert of.code == 0 and of.out == ork(words[0], "flow#3", "--json").out, words
    (one,) = json.loads(ork("workflows", "--json").out)["data"]
    assert (one["last"]["number"], one["last"]["state"]) == (3, "success")
    assert ork("diff", "--last", "--json").out == before


@pytest.mark.slow
def test_an_end_of_another_workflow_is_refused(line) -> None:
    ork = line(4, bad=3, ran=(1, 2, 3, 4))
    ork.write("other.yaml", FLOW.replace("name: flow", "name: other"))
    assert ork("run", "other.yaml").code == 1
    done = ork("bisect", "flow", "--bad", "other#1")
    assert (done.code, done.err) == (2, "error: other#1 is of other, not of flow\n")
    snapshot = ork("rev-parse", "flow^{snapshot}").out.strip()
    assert found(ork("bisect", "flow", "--bad", snapshot, "--json"))[0] == "Step 3"
    assert ork("bisect", "--bad", "flow", "--json").code == 0


@pytest.mark.slow
def test_an_end_may_be_named_as_of_the_workflow(line) -> None:
    ork = line(4, bad=3, ran=(1, 2, 3, 4))
    ork.write("other.yaml", FLOW.replace("name: flow", "name: other"))
    assert ork("deploy", "other.yaml").code == 0
    assert ork("tag", "v1", "flow~3").code == 0
    for good in ("@v1", "~3", "#1"):
        done = ork("bisect", "flow", "--good", good, "--bad", "#4", "--json")
        assert found(done)[0] == "Step 3"


def test_recorded_outcomes_are_enough(line) -> None:
    ork = line(4, bad=3, ran=(1, 2, 3, 4))
    before = ork("runs").out
    assert found(ork("bisect", "--json")) == (
        "Step 3",
        ["good Step 2 recorded", "bad Step 3 recorded"],
    )
    assert ork("runs").out == before


def test_a_run_is_told_by_its_own_name_after_a_rename(line) -> None:
    ork = line(3, bad=2, ran=(1, 3))
    assert ork("mv", "flow", "load").code == 0
    trials = json.loads(ork("bisect", "load", "--json").out)["data"]["trials"]
    names = [trial["name"] for trial in trials]
    assert all(ork("show", name).code == 0 for name in names)
    assert names == ["flow#1", "flow#2", "load#3"]
    again = ork("bisect", "load")
    assert f"Step 2  (recorded by {names[-1]})" in again.err


@pytest.mark.slow
def test_a_second_search_runs_nothing(line) -> None:
    ork = line(8, bad=6, ran=(2, 8))
    ork("bisect", "flow")
    before = ork("runs").out
    assert found(ork("bisect", "flow", "--json"))[0] == "Step 6"
    assert ork("runs").out == before


def test_the_ends_may_be_named_though_nothing_ran(line) -> None:
    ork = line(5, bad=2)
    done = ork("bisect", "--good", "flow~4", "--bad", "flow", "--json")
    assert found(done) == (
        "Step 2",
        [
            "good Step 1 given",
            "bad Step 5 given",
            "bad Step 3 ran",
            "bad Step 2 ran",
        ],
    )


def test_a_named_run_gives_its_parameters(line) -> None:
    ork = line(4, bad=2, ran=(1,))
    assert ork("run", "flow", "-i", "level=0").code == 0  # does not show the fault
    assert ork("run", "flow", "-i", "level=7").code == 1
    done = ork("bisect", "--good", "flow#1", "--bad", "flow#3", "--json")
    assert found(done)[0] == "Step 2"
    shown = json.loads(ork("show", "flow#4", "--json").out)["data"]
    assert shown["params"] == {"level": 7}
    assert shown["run"]["trigger"] == "bisect"


def test_runs_with_other_parameters_do_not_count(line) -> None:
    ork = line(3, bad=2, ran=(1, 3))
    ork("run", "flow~1", "-i", "level=0")
    assert found(ork("bisect", "--json"))[0] == "Step 2"


@pytest.mark.slow
def test_the_parameters_of_the_newest_failed_run_count_where_others_did_not_fail(line) -> None:
    """A parameter without a default, or one that each night gives anew, has no other runs."""
    ork = line(4, bad=3)
    for revision in ("flow~3", "flow"):
        ork("run", revision, "-i", "level=7")
    assert ork("run", "flow", "-i", "level=0").code == 0
    done = ork("bisect", "--json")
    assert found(done) == (
        "Step 3",
        ["good Step 1 recorded", "bad Step 4 recorded", "good Step 2 ran", "bad Step 3 ran"],
    )
    shown = json.loads(ork("show", "flow#4", "--json").out)["data"]
    assert shown["params"] == {"level": 7}


@pytest.mark.slow
def test_a_good_run_with_other_parameters_is_taken_where_there_is_no_other(line, golden) -> None:
    """A scheduled run gets another parameter each time."""
    ork = line(5, bad=3)
    for back, level in ((4, 5), (3, 6), (2, 7), (0, 8)):
        ork("run", f"flow~{back}" if back else "flow", "-i", f"level={level}")
    done = ork("bisect", "flow", "--json")
    golden("bisect/other_params.err", done.err)
    assert found(done) == (
        "Step 3",
        ["good Step 2 recorded", "bad Step 5 recorded", "bad Step 3 ran", "good Step 2 ran"],
    )
    trials = json.loads(done.out)["data"]["trials"]
    assert [one["other_params"] for one in trials] == [True, False, False, False]
    again = ork("bisect", "flow", "--json")
    assert found(again) == ("Step 3", ["good Step 2 recorded", "bad Step 3 recorded"])
    trials = json.loads(again.out)["data"]["trials"]
    assert [one["other_params"] for one in trials] == [False, False]


@pytest.mark.slow
@pytest.mark.parametrize("ends", [(), ("--good", "flow#1", "--bad", "flow#2")])
def test_a_good_end_that_is_bad_with_the_parameters_of_the_bad_one_blames_no_deploy(
    line, ends
) -> None:
    ork = line(4, bad=1)
    assert ork("run", "flow~3", "-i", "level=0").code == 0
    assert ork("run", "flow", "-i", "level=8").code == 1
    done = ork("bisect", "flow", *ends)
    assert (done.code, done.out) == (3, "")
    assert "taken as good, is bad with level=8, by flow#4\n" in done.err
    assert "`ork diff flow#1 flow#4` shows what differs" in done.err


@pytest.mark.slow
@pytest.mark.parametrize("judge", [(), ("--cmd", "test $ORK_RUN_STATE = success")])
@pytest.mark.parametrize("bad", ["flow", "flow#2"])
def test_a_bad_end_is_not_named_unseen(line, judge, bad) -> None:
    """Whoever named it may have had other parameters in mind."""
    ork = line(4, bad=4, ran=(1, 4))
    told = ("bisect", "--good", "flow~3", "--bad", bad, *judge)
    done = ork(*told, "-i", "level=0")
    assert (done.code, done.out) == (3, "")
    assert "taken as bad, is good with level=0, by flow#5\n" in done.err
    assert ("`ork diff flow#2 flow#5`" in done.err) == (bad == "flow#2")
    again = ork(*told, "-i", "level=7", "--json")
    assert found(again)[1][-1] == "bad Step 4 ran"
    assert found(ork(*told, "--json"))[0] == "Step 4"


def test_a_bad_end_that_cannot_be_judged_is_no_answer_alone(line) -> None:
    ork = line(2, bad=2)
    done = ork("bisect", "--good", "flow~1", "--bad", "flow", "--cmd", "exit 125")
    assert (done.code, done.out) == (3, "")
    assert "the only suspect, cannot be judged: load: ValueError: no such column" in done.err


def test_where_the_same_version_was_good_no_deploy_is_blamed(line) -> None:
    ork = line(3, bad=2)
    ork("run", "flow~2", "-i", "level=5")
    ork("run", "flow", "-i", "level=0")
    ork("run", "flow", "-i", "level=7")
    done = ork("bisect", "flow")
    assert (done.code, done.out) == (3, "")
    assert "no deploy made flow#3 fail: flow#2 was good with the same version" in done.err
    assert "`ork diff flow#2 flow#3`" in done.err


def test_two_deploys_of_the_same_version_are_no_ends(ork) -> None:
    ork.write("flow.yaml", FLOW)
    for step in (1, 2, 1):
        ork.write("load.py", LOAD % (step, 9))
        assert ork("deploy", "flow.yaml").code == 0
    done = ork("bisect", "flow", "--good", "flow~2", "--bad", "flow")
    assert (done.code, done.out) == (2, "")
    assert "are the same version of flow" in done.err
    assert ork("runs").out == ""


def test_one_deploy_alone_cannot_have_broken_anything(line) -> None:
    ork = line(1, bad=1, ran=(1,))
    done = ork("bisect")
    assert (done.code, done.out) == (3, "")
    assert "flow has only one deploy" in done.err


def test_a_command_judges_each_run(line, golden) -> None:
    ork = line(6, bad=99)
    judge = "case $ORK_RUN in flow#1) exit 1;; *) exit 0;; esac"
    done = ork("bisect", "--good", "flow~5", "--bad", "flow", "--cmd", judge)
    assert done.code == 0
    golden("bisect/judged.err", done.err)


def test_a_command_needs_both_ends(line) -> None:
    ork = line(2, bad=2)
    done = ork("bisect", "--good", "flow~1", "--cmd", "true")
    assert done.code == 2
    assert "`--good REV` and `--bad REV`" in done.err


def test_a_command_that_was_killed_ends_the_search(line) -> None:
    ork = line(3, bad=2)
    done = ork("bisect", "--good", "flow~2", "--bad", "flow", "--cmd", "kill -9 $$")
    assert done.code == 2
    assert "ended with -9 on flow#1" in done.err


@pytest.mark.parametrize("judge", ["/nosuch/program", "exit 126", "exit 200"])
def test_a_command_that_could_not_judge_ends_the_search(line, judge) -> None:
    ork = line(3, bad=2)
    done = ork("bisect", "--good", "flow~2", "--bad", "flow", "--cmd", judge)
    assert (done.code, done.out) == (2, "")
    assert re.search("the command ended with (126|127|200) on flow#1", done.err)


@pytest.mark.parametrize(
    ("judge", "which"),
    [("false", "flow#1, given as good, is bad"), ("true", "flow#2, given as bad, is good")],
)
@pytest.mark.parametrize("ends", [("flow#1", "flow#2"), ("flow~2", "flow")])
def test_a_command_that_is_wrong_about_an_end_judges_nothing(line, judge, which, ends) -> None:
    ork = line(3, bad=2, ran=(1, 3))
    done = ork("bisect", "--good", ends[0], "--bad", ends[1], "--cmd", judge)
    assert (done.code, done.out) == (2, "")
    assert f"--cmd says that {which}" in done.err
    assert len(ork("runs").out.splitlines()) == 2, "nothing was run"


def test_what_cannot_be_judged_is_skipped_and_the_suspects_are_named(line, golden) -> None:
    ork = line(4, bad=2)
    done = ork("bisect", "--good", "flow~3", "--bad", "flow", "--cmd", "exit 125")
    assert done.code == 1
    golden("bisect/suspects.out", done.out)
    golden("bisect/suspects.err", done.err)


def test_what_cannot_run_is_skipped(ork) -> None:
    for step in (1, 2, 3):
        level = "" if step == 2 else ", default: 1"
        ork.write("flow.yaml", FLOW.replace(", default: 1", level))
        ork.write("load.py", LOAD % (step, 3))
        assert ork("deploy", "flow.yaml", "-m", f"Step {step}").code == 0
    done = ork("bisect", "--good", "flow~2", "--bad", "flow", "--json")
    assert done.code == 1
    assert "the parameter level has no default" in done.err
    value = json.loads(done.out)["data"]
    assert [entry["deploy"]["message"] for entry in value["suspects"]] == ["Step 2", "Step 3"]
    given = ork("bisect", "--good", "flow~2", "--bad", "flow", "-i", "level=1", "--json")
    assert found(given)[0] == "Step 3"


def test_equal_content_shares_its_verdict(ork, edit) -> None:
    ork.write("flow.yaml", FLOW)
    for step in (1, 2, 1, 4):
        ork.write("load.py", LOAD % (step, 4))
        assert ork("deploy", "flow.yaml", "-m", f"Step {step}").code == 0
    done = ork("bisect", "--good", "flow~3", "--bad", "flow", "--json")
    assert found(done)[0] == "Step 4"
    assert len(json.loads(ork("runs", "--json").out)["data"]) <= 3


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (["--good", "flow", "--bad", "flow~1"], 2, "not an earlier deploy"),
        (["--good", "flow", "--bad", "flow"], 2, "the same deploy"),
        (["--good", "flow#9"], 3, "no run flow#9"),
        (["--bad", "flow#1"], 2, "flow#1 is not bad: success"),
        (["nothing"], 3, "no workflow or object named 'nothing'"),
        ([], 3, "no recorded run says that flow is bad"),
        (["--bad", "flow"], 3, "no recorded run says that flow was good before it was bad"),
    ],
)
def test_a_question_without_an_answer_says_why(line, argv, code, says) -> None:
    ork = line(3, bad=9, ran=() if argv == ["--bad", "flow"] else (1,))
    done = ork("bisect", *argv)
    assert done.code == code
    assert says in done.err
    assert done.out == ""


def test_an_end_of_which_runs_say_the_contrary_is_refused(line) -> None:
    ork = line(3, bad=9, ran=(1, 3))
    done = ork("bisect", "--good", "flow~2", "--bad", "flow")
    assert (done.code, "is not bad: flow#2 of it ended with success" in done.err) == (2, True)
    judged = ork("bisect", "--good", "flow~2", "--bad", "flow", "--cmd", "exit 1")
    assert "ended with" not in judged.err


def test_the_same_from_python(line) -> None:
    import ork as library
    from ork.bisection import Bisected

    world = line(4, bad=3, ran=(1, 4))
    store = library.open(world.folder)
    end = store.bisect("flow", author="Bo <bo@example.org>")
    assert isinstance(end, Bisected)
    assert [entry.deploy.message for entry in end.suspects] == ["Step 3"]
    judge = {1: "good", 2: "bad", 3: "good", 4: "good"}  # flow#2 is of Step 4
    end = store.bisect("flow", good="flow~3", bad="flow", judge=lambda _, run: judge[run.number])
    assert [entry.deploy.message for entry in end.suspects] == ["Step 4"]
    with pytest.raises(NotFound, match="taken as bad, is good with level=1, by flow#2"):
        store.bisect("flow", good="flow~3", bad="flow", judge=lambda *_: "good")
    store.close()


CODE = {
    "flow.yaml": """\
        name: flow
        include: [sql/*.sql]
        tasks:
          read: {executor: python, file: read.py}
          tell: {executor: process, command: ./tell.sh, depends_on: [read]}
          late: {executor: python, file: late.py, depends_on: [tell]}
        """,
    "read.py": """\
        from pathlib import Path
        def main():
            assert "good" in Path("sql/rows.sql").read_text()
        """,
    "sql/rows.sql": "select good\n",
    "tell.sh": "#!/bin/sh\n. lib/words.sh\ntest $WORD = good\n",
    "lib/words.sh": "WORD=good\n",
    "late.py": """\
        def main():
            from pkg.deep import word
            assert word() == "good"
        """,
    "pkg/deep.py": "from pkg import base\ndef word():\n    return base.WORD\n",
    "pkg/base.py": "WORD = 'good'\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("path", ["sql/rows.sql", "lib/words.sh", "pkg/base.py"])
@pytest.mark.turns(3)
def test_the_deploy_is_found_that_broke_what_a_task_only_reads_sources_or_imports(
    ork: Ork, path
) -> None:
    # What lies on disk is the newest version, which is bad.
    for name, text in CODE.items():
        ork.write(name, text, executable=name == "tell.sh")
    for step in range(1, 6):
        words = ork.folder / "lib" / "words.sh"
        words.write_text(f"{words.read_text()}# {step}\n")
        if step == 3:
            code = ork.folder / path
            code.write_text(code.read_text().replace("good", "bad"))
        assert ork("deploy", "flow.yaml", "-m", f"Step {step}").code == 0
    done = ork("bisect", "flow", "--good", "flow~4", "--bad", "flow", "--json")
    assert done.code == 0, done.err
    assert found(done)[0] == "Step 3"
    runs = json.loads(ork("runs", "flow", "--json").out)["data"]
    assert {one["run"]["place"] for one in runs} == {"checkout"}
    assert not any(one["tainted"] for one in runs)
    assert ork("run", "flow.yaml").code == 1
    assert ork("run", "flow@{good}").code == 0


def test_a_run_that_was_tainted_is_made_again_once_and_then_skipped(
    ork: Ork, monkeypatch: pytest.MonkeyPatch, opened
) -> None:
    from ork import bisection

    for step in range(1, 4):
        command = f"test {step} -lt 3"
        ork.write(
            "flow.yaml",
            f"name: flow\ntasks: {{a: {{executor: process, command: {command}}}}}\n",
        )
        ork("deploy", "flow.yaml", "-m", f"Step {step}")
    start, store, disturbed = bisection.start, opened(), []

    def edited_meanwhile(*args, **options):
        """Run, and then say that a file changed under the run."""
        begun = start(*args, **options)

        def events():
            yield from begun.events
            disturbed.append(len(disturbed) + 1)
            if len(disturbed) <= often:
                taint(store, "flow", disturbed[-1], a=("a.sh",))
                last = run_of_number(store, "flow", disturbed[-1])
                yield RunFinished(oid=last[0], run=last[1], states={})

        return replace(begun, events=events())

    monkeypatch.setattr(bisection, "start", edited_meanwhile)
    often = 2
    skipped = ork("bisect", "flow", "--good", "flow~2", "--bad", "flow")
    assert skipped.code == 1
    assert "skip" in skipped.err
    assert "tainted: a.sh changed while it ran" in skipped.err
    often = 3
    done = ork("bisect", "flow", "--good", "flow~2", "--bad", "flow", "--json")
    assert found(done)[0] == "Step 3"
    assert disturbed == [1, 2, 3, 4]


@pytest.mark.slow
def test_no_way_back_is_advised_where_the_newest_version_is_good_again(line) -> None:
    ork = line(2, bad=2, ran=(1, 2))
    assert "`ork rollback flow" in ork("bisect", "flow").err
    ork.write("load.py", LOAD % (3, 9))
    assert ork("run", "flow.yaml").code == 0
    told = ork("bisect", "flow").err
    assert "the newest version has run well" in told
    assert "rollback" not in told


def test_no_way_back_is_advised_where_the_newest_version_failed_by_its_parameters(line) -> None:
    ork = line(2, bad=2, ran=(1, 2))
    ork.write("load.py", "def main(level):\n    return 1 // (level - 7)\n")
    assert ork("run", "flow.yaml").code == 0
    assert ork("run", "flow.yaml", "-i", "level=7").code == 1
    done = ork("bisect", "flow")
    assert (done.code, done.out) == (3, "")
    assert "no deploy made flow#4 fail: flow#3 was good with the same version" in done.err
    assert "`ork diff flow#3 flow#4`" in done.err
    done = ork("bisect", "flow", "--bad", "flow#2")
    assert done.code == 0
    assert "the newest version has run well" in done.err
    assert "rollback" not in done.err


def test_the_advice_passes_over_what_was_forgotten(line) -> None:
    ork = line(3, bad=3, ran=(1, 2, 3))
    assert ork("forget", "flow~1:load.py", "--yes").code == 0
    whole = ork("log", "flow~2", "-n", "1", "--json").out
    whole = json.loads(whole)["data"][0]["deploy"]["snapshot"][:8]
    assert f"`ork rollback flow {whole}` brings" in ork("bisect", "flow").err
    done = ork("rollback", "flow")
    assert f"flow {whole}" in done.out
    assert "which ran well: a part of it was forgotten" in done.err
    assert ork("run", "flow").code == 0
