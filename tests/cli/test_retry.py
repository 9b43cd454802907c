"""ork retry, cancel and outputs on the command line."""

from __future__ import annotations

import json
import re

import pytest


def test_where_a_kept_task_wrote_files_the_way_to_write_them_anew_is_told(ork):
    ork.write(
        "files.yaml",
        """\
        name: files
        tasks:
          fetch: {executor: process, command: 'echo 1 > data'}
          sum: {executor: process, command: 'cat data', depends_on: [fetch]}
        """,
    )
    assert ork("run").code == 0
    (ork.folder / "data").unlink()
    way = "`ork retry files#2 --from fetch` if files of fetch, which was kept, are gone"
    failed = ork("run", "files", "--from", "sum")
    assert (failed.code, way in failed.err) == (1, True)
    assert ork("retry", "files#2", "--from", "fetch").code == 0


def test_a_kept_task_whose_file_a_newer_run_wrote_is_named(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {n: {type: int, default: 1}}
        tasks:
          make:
            executor: process
            command: 'echo $N > rows.txt; echo ORK_OUTPUT:1'
            env: {N: {ref: params.n}}
          between: {executor: process, command: 'echo ORK_OUTPUT:0', depends_on: [make]}
          use:
            executor: process
            command: 'echo "ORK_OUTPUT:$(cat rows.txt)"'
            depends_on: [between]
        """,
    )
    told = "make ran again in w#2 since, with new inputs (N): files that it wrote may be of that"
    assert ork("run", "-i", "n=1").code == 0
    assert "since" not in ork("run", "w", "--only", "use", "--dry-run").err
    assert ork("run", "-i", "n=8").code == 0
    assert f"note: {told}\n" in ork("run", "w", "--only", "use", "--dry-run").err
    assert f"note: {told}\n" in ork("retry", "w#1", "--from", "use", "--dry-run").err
    assert f"note: {told}\n" in ork("run", "w", "--only", "use").err
    first = ork("diff", "w#1", "w#3").out.splitlines()[0]
    assert first.startswith("first difference: use - ") and first.endswith(told)
    assert "since" not in ork("run", "w", "--only", "use", "--dry-run", "-i", "n=8").err
    assert ork("run", "-i", "n=1").code == 0  # which wrote the file as it was
    assert "since" not in ork("retry", "w#1", "--from", "use", "--dry-run").err
    assert told in ork("diff", "w#1", "w#3").out.splitlines()[0]


def test_a_retry_goes_on_and_keeps_what_succeeded(etl, edit, golden) -> None:
    etl.write(
        "load.sh",
        "#!/bin/sh\ntest -e ready && echo 'ORK_OUTPUT:{\"loaded\": 3}'\n",
        executable=True,
    )
    assert etl("run", "etl.yaml").code == 1
    etl.write("ready", "")
    done = etl("retry", "etl#1")
    assert done.code == 0
    golden("retry/goes_on.out", done.out)
    golden("retry/goes_on.err", done.err)
    shown = re.sub("ended .*", "ended NOW", etl("show", "etl#1").out)
    golden("retry/shown.txt", shown)
    golden("retry/runs.txt", etl("runs").out)


def test_there_is_nothing_to_retry_after_a_success(etl, golden) -> None:
    etl("run", "etl.yaml")
    done = etl("retry")
    assert done.code == 2
    golden("retry/nothing.txt", done.err)


def test_there_is_nothing_to_retry_where_the_newest_definition_succeeded(
    etl, edit, golden, opened
) -> None:
    etl("run", "etl.yaml")
    before = opened().backend.sequence()
    done = etl("retry", "--latest")
    assert (done.code, done.out) == (2, "")
    golden("retry/nothing_newer.txt", done.err)
    assert etl("retry", "--latest", "--dry-run").err == done.err
    assert opened().backend.sequence() == before
    edit("etl.yaml", "name: etl\n", "name: etl\nparams: {unused: {default: 1}}\n")
    changed = etl("retry", "--latest")
    assert changed.code == 2
    assert "hint: `ork deploy etl.yaml` keeps what was changed since; `ork run" in changed.err
    assert etl("deploy", "etl.yaml").code == 0
    for words in ((), ("--dry-run",)):
        refused = etl("retry", "--latest", *words)
        assert (refused.code, refused.out) == (2, "")
        golden("retry/nothing_newer_would_run.txt", refused.err)
    assert "1 succeeded" not in etl("log", "-n", "1").out
    assert etl("run", "etl#1", "--with-code", "etl").code == 0, "as the hint says"
    assert etl("retry", "--latest", "--only", "load").code == 0
    edit("load.sh", "3", "4")
    etl("deploy", "etl.yaml")
    assert etl("retry", "etl#1", "--latest").code == 0


def test_there_is_nothing_to_retry_where_what_failed_is_gone_from_the_newest_definition(ork):
    flow = "name: w\ntasks:\n  good: {executor: process, command: 'true'}\n"
    ork.write("w.yaml", flow + "  bad: {executor: process, command: 'false'}\n")
    assert ork("run", "w.yaml").code == 1
    ork.write("w.yaml", flow)
    assert ork("deploy", "w.yaml").code == 0
    for words in ((), ("--dry-run",)):
        refused = ork("retry", "--latest", *words)
        assert (refused.code, refused.out) == (2, "")
        told = "w#1 did not succeed, and nothing of the newest definition would run again: there is"
        assert refused.err.startswith(f"error: {told} nothing to go on with\nhint: ")
    assert len(ork("runs").out.splitlines()) == 1
    assert "`ork run w#1 --with-code w`" in refused.err
    assert ork("run", "w#1", "--with-code", "w").code == 0


def test_from_runs_again_although_it_succeeded(etl) -> None:
    etl("run", "etl.yaml")
    assert etl("retry", "etl#1", "--from", "load").code == 0
    shown = json.loads(etl("show", "etl#2", "--json").out)["data"]["tasks"]
    assert len(shown["extract"]["taskrun"]["attempts"]) == 0
    assert len(shown["load"]["taskrun"]["attempts"]) == 1


def test_a_task_of_a_run_is_run_again_alone(etl, edit) -> None:
    edit("load.sh", "echo", "exit 1; echo")
    assert etl("run", "etl.yaml").code == 1
    etl("retry", "etl#1:extract")
    tasks = json.loads(etl("show", "etl#1", "--json").out)["data"]["tasks"]
    assert {name: len(one["taskrun"]["attempts"]) for name, one in tasks.items()} == {
        "extract": 2,
        "load": 1,
    }
    assert "did you mean load?" in etl("retry", "etl:lod").err
    assert "--only excludes" in etl("retry", "etl:load", "--from", "load").err


@pytest.mark.slow
def test_a_retry_says_what_of_the_file_it_runs_without(etl, edit) -> None:
    edit("load.sh", "echo", "exit 1; echo")
    assert etl("run", "etl.yaml").code == 1
    assert "note" not in etl("retry", "etl#1").err
    edit("load.sh", "exit 1; echo", "echo")
    note = "note: etl runs without what you changed: Edit load.sh\n"
    note += "hint: `ork deploy etl.yaml`, then `ork retry etl#1 --latest` runs with that\n"
    for words in (("etl#1",), ("etl#1:load",)):
        refused = etl("retry", *words)
        assert (refused.code, refused.err.startswith(note)) == (1, True), words
    assert "note" not in etl("retry", "etl#1", "--json").err
    told = "error: etl#1 failed with the newest definition: what you changed is not deployed:"
    told += " Edit load.sh\nhint: `ork deploy etl.yaml`, then `ork retry etl#1 --latest` runs with"
    told += " that; `ork retry etl#1` tries the same again\n"
    for words in (("etl#1",), ("--dry-run",)):
        refused = etl("retry", "--latest", *words)
        assert (refused.code, refused.out, refused.err) == (2, "", told)
    assert len(etl("runs").out.splitlines()) == 1
    etl("deploy", "etl.yaml")
    done = etl("retry", "etl#1", "--latest")
    assert (done.code, "note" in done.err) == (0, False)


@pytest.mark.slow
def test_a_retry_says_that_there_is_a_newer_version(etl, edit) -> None:
    edit("load.sh", "echo", "exit 1; echo")
    assert etl("run", "etl.yaml").code == 1
    edit("load.sh", "exit 1; echo", "echo")
    etl("deploy", "etl.yaml")
    done = etl("retry", "etl#1")
    assert done.code == 1
    assert "note: etl#1 goes on with the version that it had\n" in done.err
    assert "hint: `ork retry etl#1 --latest` runs the newest\n" in done.err
    assert "note" not in etl("retry", "etl#1", "--latest").err


def test_why_a_task_would_run_again_in_the_newest_definition_is_told_as_by_diff(ork) -> None:
    flow = """\
        name: w
        params: {day: {default: 1}}
        tasks:
          up: {executor: process, command: "echo ORK_OUTPUT:$ORK_ATTEMPT"}
          down:
            executor: process
            command: "echo ORK_OUTPUT:%d"
            depends_on: [up]
            inputs: {n: {ref: tasks.up.output}, day: {ref: params.day}}
          bad: {executor: process, command: "false", depends_on: [down]}
        """
    ork.write("w.yaml", flow % 1)
    assert ork("run", "w.yaml").code == 1

    def why(run: str) -> dict[str, str]:
        done = ork("retry", run, "--latest", "--dry-run", "--json")
        return json.loads(done.out)["data"]["why"]

    assert ork("retry", "w#1", "--only", "up").code == 1
    failed = {"bad": "failed: exited with code 1"}
    assert why("w#1") == {"down": "the output of up changed", **failed}
    assert ork("run", "w", "--only", "bad", "--base", "w#1", "-i", "day=2").code == 1
    assert why("w#2") == {"up": "it was not run: output of w#1", "down": "needs up", **failed}
    shown = ork("show", "w#2:down").out
    assert 'inputs   {"day": 1, "n": 1}  when its output was made\n' in shown
    ork.write("w.yaml", flow % 2)
    assert ork("deploy", "w.yaml").code == 0
    assert why("w#1") == {"down": "its definition changed: command", **failed}


def test_a_dry_retry_says_what_would_run_again_and_why_and_writes_nothing(
    etl, edit, golden, opened
) -> None:
    edit("load.sh", "echo", "exit 1; echo")
    assert etl("run", "etl.yaml").code == 1
    before = opened().backend.sequence()
    said = etl("retry", "etl#1", "--dry-run")
    assert (said.code, said.err) == (0, "")
    golden("retry/dry.txt", said.out)
    golden("retry/dry.json", etl("retry", "etl#1", "--dry-run", "--from", "extract", "--json").out)
    assert opened().backend.sequence() == before
    edit("load.sh", "exit 1; echo", "echo")
    said = etl("retry", "--latest", "--dry-run")
    assert (said.code, "what you changed is not deployed" in said.err) == (2, True)
    etl("deploy", "etl.yaml")
    before = opened().backend.sequence()
    golden("retry/dry_latest.txt", etl("retry", "--latest", "--dry-run").out)
    assert opened().backend.sequence() == before
    assert etl("retry", "--latest").code == 0
    assert etl("retry", "--dry-run").code == 2
    assert "etl#2 succeeded" in etl("retry", "--dry-run").err
    golden("retry/dry_good.txt", etl("retry", "etl#2:load", "--dry-run").out)
    assert etl("retry", "etl#1", "--dry-run", "-q").code == 2


def test_only_takes_the_rest_from_an_earlier_run(etl, golden) -> None:
    etl("run", "etl.yaml")
    done = etl("run", "etl", "--only", "load")
    assert done.code == 0
    golden("run/only.out", done.out)
    golden("run/only.err", done.err)


def test_only_without_an_earlier_run_says_what_to_do(etl, golden) -> None:
    done = etl("run", "etl.yaml", "--only", "load")
    assert done.code == 2
    golden("run/only_first.err", done.err)


def test_an_unknown_task_is_not_found(etl) -> None:
    etl("run", "etl.yaml")
    done = etl("run", "etl", "--from", "lod")
    assert done.code == 3
    assert "did you mean load?" in done.err


def test_outputs_of_a_run_and_of_a_task(etl, golden) -> None:
    etl("run", "etl.yaml")
    golden("outputs/run.txt", etl("outputs", "etl#1").out)
    assert json.loads(etl("outputs", "etl#1:load").out) == {"loaded": 3}
    golden("outputs/run.json", etl("outputs", "etl", "--json").out)


def test_outputs_of_another_version_than_the_newest_come_with_a_note(etl, edit) -> None:
    etl("run", "etl.yaml")
    assert etl("outputs", "etl:load").err == ""
    edit("load.sh", "echo", "echo  ")
    etl("deploy")
    told = "note: etl#1 executed another version than the newest of etl\n"
    assert etl("outputs", "etl:load").err == etl("outputs").err == told
    assert etl("outputs", "etl#1:load").err == ""


def test_a_part_of_an_output_is_named_by_its_path(ork, edit) -> None:
    value = {"rmse": 0.5, "sizes": [{"a b": 1, 'c:\\d "e"\n': 4}, {"x": [2, 3]}], "new.x": 7}
    ork.write(
        "w.yaml",
        """\
        name: w
        tasks:
          fit: {executor: python, file: fit.py}
          fit.all: {executor: python, file: fit.py}
        """,
    )
    ork.write("fit.py", f"def main():\n    return {value}\n")
    assert ork("run").code == 0
    for path, part in (
        (".rmse", 0.5),
        (".all.rmse", 0.5),
        (".sizes[1].x", [2, 3]),
        (".sizes[1].x[0]", 2),
        ('.sizes[0]."a b"', 1),
        (r'.sizes[0]."c:\\d \"e\"\n"', 4),
        (".all", value),
    ):
        assert json.loads(ork("outputs", f"w#1:fit{path}").out) == part
    found = json.loads(ork("outputs", "w:fit.rmse", "--json").out)
    assert found == {"schema": "ork.outputs.v1", "data": {"fit.rmse": 0.5}}
    found = json.loads(ork("outputs", "w@{2026-11-01T13:00}:fit.rmse", "--json").out)
    assert found["data"] == {"fit.rmse": 0.5}
    for path, told in (
        (".rmsee", "no rmsee in it\nhint: did you mean rmse?"),
        (".sizes[2]", "no [2] among 2 elements"),
        (".rmse.x", "no x in it"),
        (".new.x", 'no new in it\nhint: there are: "new.x", rmse, sizes'),
        ('."new.y"', 'no "new.y" in it\nhint: did you mean "new.x"?'),
        (".sizes[", "'sizes[' leads to no value: what does [ mean?"),
        ('."rmse', 'leads to no value: what does " mean?'),
        (r'."\x"', "leads to no value"),
    ):
        refused = ork("outputs", f"w#1:fit{path}")
        assert (refused.code, told in refused.err) == (3, True), refused.err
    assert "has no task 'fit.rmse'" in ork("logs", "w#1:fit.rmse").err


def test_outputs_of_a_task_that_failed_are_not_found(etl, edit) -> None:
    edit("tasks/etl.py", 'return {"rows": 3}', "raise ValueError('no rows')")
    etl("run", "etl.yaml")
    done = etl("outputs", "etl#1:extract")
    assert done.code == 3
    assert "ork show etl#1:extract" in done.err


def test_a_run_that_has_ended_cannot_be_cancelled(etl, golden) -> None:
    etl("run", "etl.yaml")
    done = etl("cancel", "etl#1")
    assert done.code == 2
    golden("cancel/ended.txt", done.err)


def test_a_run_takes_parameters(ork, golden) -> None:
    ork.write(
        "p.yaml",
        """\
        name: p
        params:
          day: date
          n: {type: int, default: 2}
        tasks:
          say:
            executor: process
            command: echo "ORK_OUTPUT:$ORK_INPUT_JSON"
            inputs: {day: {ref: params.day}, n: {ref: params.n}}
    """,
    )
    done = ork("run", "p.yaml")
    assert done.code == 2
    golden("run/params_missing.err", done.err)
    assert not (ork.folder / ".ork" / "db").exists() or ork("log").code == 3
    assert ork("run", "p.yaml", "-i", "day=2026-01-02").code == 0
    assert json.loads(ork("outputs", "p#1:say").out) == {"day": "2026-01-02", "n": 2}
    assert ork("run", "p#1", "-i", "n=7").code == 0
    assert json.loads(ork("outputs", "p#2:say").out) == {"day": "2026-01-02", "n": 7}
    golden("show/run_with_params.txt", ork("show", "p#2").out)
    bad = ork("run", "p", "-i", "day=x", "-i", "m=1")
    assert bad.code == 2
    golden("run/params_wrong.err", bad.err)


FLAKY = """\
    name: etl
    params: {day: {type: str, default: a}}
    tasks:
      load:
        executor: process
        command: 'test -e $ORK_DAY'
        env: {ORK_DAY: {ref: params.day}}
      note: {executor: process, command: 'true', depends_on: [load]}
"""


@pytest.fixture
def flaky(ork, once):
    """Four runs: those of a, b and c failed, that of d did not."""

    def steps():
        ork.write("etl.yaml", FLAKY)
        ork.write("d", "")
        for day, code in (("a", 1), ("b", 1), ("d", 0), ("c", 1)):
            assert ork("run", "etl.yaml", "-i", f"day={day}").code == code

    once("flaky", steps)
    return ork


def runs_begun(done) -> list[str]:
    return re.findall(r" \+0000  run (\S+) of", done.err)


def test_several_runs_go_on_one_after_the_other_the_oldest_first(flaky, golden) -> None:
    flaky.write("a", "")
    flaky.write("c", "")
    done = flaky("retry", "etl#4", "etl#2", "etl#1")
    assert (done.code, runs_begun(done)) == (1, ["etl#1", "etl#2", "etl#4"])
    golden("retry/several.out", done.out)
    golden("retry/several.err", done.err)
    flaky.write("b", "")
    assert (flaky("retry", "etl#2", "-q").out, flaky("runs", "--status", "failed").out) == ("", "")


def test_all_that_failed_since_a_time_go_on(flaky) -> None:
    for day in "abc":
        flaky.write(day, "")
    created = {
        one["run"]["number"]: one["run"]["created"]
        for one in json.loads(flaky("runs", "--json").out)["data"]
    }
    asked = flaky("retry", "etl", "--failed", "--since", created[2], "--until", created[3], "-q")
    assert (asked.code, asked.out, asked.err) == (0, "", "")
    states = {line.split()[1]: line.split()[2] for line in flaky("runs").out.splitlines()}
    assert states == dict.fromkeys(("etl#1", "etl#4"), "failed") | dict.fromkeys(
        ("etl#2", "etl#3"), "success"
    )
    done = flaky("retry", "--failed", "--since", "1h")
    assert (done.code, runs_begun(done)) == (0, ["etl#1", "etl#4"])
    assert done.out.splitlines()[-1] == "2 of 2 runs succeeded"
    done = flaky("retry", "--failed", "--since", "1h")
    assert (done.code, done.out, done.err) == (
        0,
        "",
        "no run failed or was interrupted in this time\n",
    )


def test_a_run_that_cannot_go_on_holds_up_no_other(flaky) -> None:
    flaky.write("c", "")
    done = flaky("retry", "etl#3", "etl#4")
    assert (done.code, runs_begun(done)) == (2, ["etl#4"])
    assert "error: etl#3 succeeded: there is nothing to go on with\n" in done.err
    assert done.out.splitlines()[-1] == "1 of 2 runs succeeded; not etl#3"
    done = flaky("retry", "etl#1", "etl#3", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert {one["schema"] for one in events} == {"ork.run.v1"}
    (error,) = map(json.loads, done.err.splitlines())
    assert (error["schema"], done.code) == ("ork.error.v1", 2)


@pytest.mark.slow
def test_who_stops_a_retry_stops_all_that_would_come(flaky, edit) -> None:
    edit("etl.yaml", "test -e $ORK_DAY", "kill -INT $PPID; sleep 9")
    assert flaky("deploy", "etl.yaml").code == 0
    done = flaky("retry", "etl#1", "etl#2", "--latest")
    assert done.code == 130
    assert done.out.splitlines()[-1] == "0 of 2 runs succeeded; not etl#1; stopped before etl#2"


def test_what_several_runs_would_do_is_one_document(flaky, golden) -> None:
    one = json.loads(flaky("retry", "etl#1", "--dry-run", "--json").out)
    assert one["schema"] == "ork.dry-run.v1"
    both = json.loads(flaky("retry", "etl#2", "etl#1", "--dry-run", "--json").out)
    assert both["schema"] == "ork.dry-run-list.v1"
    assert [would["run"] for would in both["data"]] == ["etl#1", "etl#2"]
    assert both["data"][0] == one["data"]
    golden("retry/several.json", flaky("retry", "etl#2", "etl#1", "--dry-run", "--json").out)
    told = flaky("retry", "--failed", "--since", "1h", "--dry-run").out
    assert [line.split()[0] for line in told.splitlines() if line[0] == "e"] == [
        "etl#1",
        "etl#2",
        "etl#4",
    ]
    assert "etl#1" in flaky("runs", "--status", "failed").out


def test_tasks_of_several_runs_run_again(flaky) -> None:
    for day in "abc":
        flaky.write(day, "")
    done = flaky("retry", "etl#1:load", "etl#2", "etl#1:note")
    assert (done.code, runs_begun(done)) == (0, ["etl#1", "etl#2"])
    wrong = flaky("retry", "etl#4", "load")
    assert (wrong.code, wrong.out) == (2, "")
    told = "error: load is a task, and no run\n"
    assert wrong.err == f"{told}hint: a part is written with a colon: `ork retry etl#4:load`\n"
    for words, said in (
        (("--failed",), "--failed needs --since: how far back"),
        (("etl", "--since", "1h"), "--since and --until are for --failed"),
        (("etl#1", "--failed", "--since", "1h"), "etl#1 is a run; a workflow is wanted here"),
    ):
        assert flaky("retry", *words).err.startswith(f"error: {said}\n")


def test_a_retry_of_one_task_tells_of_that_alone(ork):
    task = "{executor: process, command: 'echo NAME; false'}"
    tasks = ", ".join(f"{name}: {task.replace('NAME', name)}" for name in ("first", "second"))
    ork.write("w.yaml", f"name: w\ntasks: {{{tasks}}}\n")
    assert ork("run", "w.yaml").err.count("--- the end of the log of") == 2
    told = ork("retry", "w#1:second").err
    assert "--- the end of the log of second" in told
    assert "the log of first" not in told
    assert "next: `ork logs w#1:second`" in told


def test_a_retry_shows_no_log_of_what_failed_before_and_did_not_run_again(ork):
    tasks = "first: {executor: process, command: 'echo one; false'}"
    tasks += ", second: {executor: process, command: test -e ok}"
    ork.write("w.yaml", f"name: w\ntasks: {{{tasks}}}\n")
    assert "the end of the log of first" in ork("run", "w.yaml").err
    ork.write("ok", "")
    done = ork("retry", "w#1", "--only", "second")
    assert "--- the end of the log" not in done.err
    assert done.err.endswith("next: `ork logs w#1:first`, `ork show w#1` or `ork retry w#1`\n")
    assert done.out.endswith(": first: exited with code 1: one; 1 succeeded, 1 failed\n")
