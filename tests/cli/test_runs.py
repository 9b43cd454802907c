"""ork runs"""

import json
import re
from datetime import timedelta

import pytest

from ork.objects.kinds import SECOND
from ork.objects.value import replace
from ork.store.resolve import number_ref, resolve
from ork.store.runs import runs as runs_of
from tests.cli.screen import TERMINAL, on_terminal
from tests.runs import outcome, write_run
from tests.stores import NOON


def test_runs_newest_first(ran, golden, masked):
    result = ran("runs", "etl")
    assert (result.code, result.err) == (0, "")
    golden("runs/two.txt", result.out)
    golden("runs/two.json", masked(ran("runs", "etl", "--json").out))
    assert ran("runs").out == result.out


def test_filters(ran):
    assert len(ran("runs", "-n", "1").out.splitlines()) == 1
    assert "etl#2" in ran("runs", "--status", "failed").out
    assert "etl#1" not in ran("runs", "--status", "failed").out
    both = ran("runs", "--status", "failed", "--status", "success").out
    assert len(both.splitlines()) == 2
    assert ran("runs", "--status", "cancelled").out == ""


def test_runs_by_who_began_them_and_why(ran):
    ran.environ["ORK_AUTHOR_NAME"] = "Bob"
    assert (ran("run", "etl~1").code, ran("retry", "etl#2").code) == (0, 1)
    assert listed(ran, "--author", "^Bob") == ["etl#3", "etl#2"]
    assert listed(ran, "--author", "Ada", "etl") == ["etl#2", "etl#1"]
    assert listed(ran, "--trigger", "retry") == ["etl#2"]
    assert listed(ran, "--trigger", "run,schedule") == ["etl#3", "etl#2", "etl#1"]
    assert listed(ran, "--trigger", "queue") == []
    assert listed(ran, "--status", "failed,success") == ["etl#3", "etl#2", "etl#1"]
    assert ran("runs", "--status", "failed,broken").code == 2
    ran.environ["ORK_AUTHOR_NAME"] = "Cy"
    assert ran("retry", "etl#2").code == 1
    assert ran("retry", "etl#2").code == 1
    for who in ("Ada", "Bob", "Cy"):
        assert listed(ran, "--author", who, "--trigger", "retry") == ["etl#2"]
    shown = [line.split() for line in ran("show", "etl#2").out.splitlines()]
    author, retried = (line for line in shown if line and line[0] in ("author", "retried"))
    assert author[1:4] == ["Ada", "Lovelace", "<ada@example.org>"]
    assert [word for word in retried if word in ("Ada", "Bob", "Cy")] == ["Bob", "Cy"]
    assert ran("report", "etl#2", "-o", "page.html").code == 0
    page = (ran.folder / "page.html").read_text()
    starter, retriers = (page.split(f"<dt>{word} by</dt>")[1] for word in ("started", "retried"))
    assert starter.startswith("<dd>Ada Lovelace &lt;ada@example.org&gt; on ")
    assert re.match(r"<dd>Bob .*, Cy .*</dd>", retriers)


def test_runs_of_all_workflows_are_merged_by_time(ran):
    ran.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: 'true'}}\n")
    ran("run", "other.yaml")
    ran("run", "etl~1")
    data = json.loads(ran("runs", "--json").out)["data"]
    names = [f"{entry['run']['workflow']}#{entry['run']['number']}" for entry in data]
    assert names == ["etl#3", "other#1", "etl#2", "etl#1"]


def test_an_unknown_state_or_workflow(ran):
    result = ran("runs", "--status", "broken")
    assert result.code == 2
    assert "interrupted" in result.err
    result = ran("runs", "elt")
    assert result.code == 3
    assert "did you mean etl?" in result.err


def test_no_runs(etl):
    etl("deploy", "etl.yaml")
    result = etl("runs", "etl")
    assert (result.code, result.out, result.err) == (0, "", "no runs\n")
    assert json.loads(etl("runs", "--json").out)["data"] == []


def listed(ork, *words):
    """Return the names of the runs that a command lists, which must succeed."""
    result = ork("runs", *words)
    assert (result.code, result.err) == (0, "" if result.out else "no runs\n")
    return [line.split()[1] for line in result.out.splitlines()]


@pytest.mark.slow
def test_runs_by_what_they_executed(ran, golden):
    ran("run", "etl~1")
    assert listed(ran, "--snapshot", "etl") == ["etl#2"]
    assert listed(ran, "--snapshot", "etl#1") == ["etl#3", "etl#1"]
    assert listed(ran, "--containing", "etl:extract") == ["etl#3", "etl#2", "etl#1"]
    assert listed(ran, "--containing", "etl#1:extract", "-n", "1") == ["etl#3"]
    assert listed(ran, "--containing", "etl~1:load.sh", "--status", "success") == ["etl#3", "etl#1"]
    assert listed(ran, "--containing", "etl~3:extract") == []
    golden("runs/containing.txt", ran("runs", "etl", "--containing", "etl:load.sh").out)


def test_a_task_that_no_attempt_was_made_of_was_not_executed(ork):
    ork.write(
        "two.yaml",
        """
        name: two
        params: {full: {type: bool, default: false}}
        tasks:
          a: {executor: process, command: 'true'}
          b: {executor: process, command: 'test -e fine'}
          c: {executor: process, command: 'true', depends_on: [b]}
          d: {executor: process, command: 'true', when: {ref: params.full}}
        """,
    )
    ork("run", "two.yaml")
    ork("run", "two", "--only", "a")
    for name, executed in {"a": ["two#2", "two#1"], "b": ["two#1"], "c": [], "d": []}.items():
        assert listed(ork, "--containing", f"two:{name}") == executed
    ork.write("fine", "")
    ork("retry", "two#1")
    assert listed(ork, "--containing", "two:c") == ["two#1"]


def test_an_unattached_run_is_found_by_what_it_executed(ran, edit):
    edit("load.sh", "exit 7", "exit 8")
    ran("run", "etl.yaml", "--no-deploy")
    assert listed(ran, "--containing", "etl#3:load.sh") == ["etl#3"]
    assert listed(ran, "--snapshot", "etl#3") == ["etl#3"]
    assert listed(ran, "--containing", "file:etl.yaml:load.sh") == ["etl#3"]


def test_runs_since_and_until(ran):
    assert listed(ran, "--since", "2026-11-01T12:00:10") == ["etl#2"]
    assert listed(ran, "--until", "2026-11-01T12:00:10") == ["etl#1"]
    assert listed(ran, "--since", "yesterday", "--until", "2026-11-01") == ["etl#2", "etl#1"]
    assert listed(ran, "--since", "2026-11-02") == []


def test_what_cannot_be_looked_for(ran):
    result = ran("runs", "--containing", "etl", "--snapshot", "etl")
    assert result.code == 2
    assert "exclude each other" in result.err
    result = ran("runs", "--containing", "etl:")
    assert result.code == 3
    assert "is no task, code file or snapshot" in result.err
    assert ran("runs", "--containing", "etl:nothing").code == 3
    assert "cannot read the time" in ran("runs", "--since", "soon").err
    assert "hint: did you mean `failed`?\n" in ran("runs", "--status", "fail").err
    listed = "hint: say one of running, success, failed, cancelled, interrupted\n"
    assert listed in ran("runs", "--status", "waiting").err
    of_task = "hint: a task is, as in `ork runs etl:load --status pending`\n"
    assert of_task in ran("runs", "--status", "pending").err


def test_runs_by_their_parameters(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        params: {day: {type: str, default: "2026-11-01"}}
        tasks: {a: {executor: process, command: 'true'}}
        """,
    )
    assert ork("run", "etl.yaml").code == 0
    assert ork("run", "etl", "-i", "day=2026-11-02").code == 0
    assert listed(ork, "-i", "day=2026-11-02") == ["etl#2"]
    assert listed(ork, "etl", "-i", "day=2026-11-01") == ["etl#1"]
    none = ork("runs", "-i", "day=2026-11-01", "-i", "hour=3")
    told = "no runs\nnote: no run had a parameter named 'hour'\nhint: there are: day\n"
    assert (none.code, none.out, none.err) == (0, "", told)
    named = ork("runs", "-i", "dya=2026-11-02")
    assert (named.code, named.out) == (0, "")
    told = "no runs\nnote: no run had a parameter named 'dya'\nhint: did you mean day?\n"
    assert named.err == told
    assert ork("runs", "-i", "day=2026-11-09").err == "no runs\n"
    assert ork("runs", "--trigger", "retry").err == "no runs\n"
    none = ork("runs", "--trigger", "retry,schedul")
    told = "no runs\nnote: no run began by 'schedul'\nhint: did you mean schedule?\n"
    assert (none.code, none.out, none.err) == (0, "", told)
    wrong = ork("runs", "-i", "day")
    assert (wrong.code, wrong.err.splitlines()[0]) == (
        2,
        "error: -i day: write `-i NAME=VALUE` or `-i NAME=@FILE`",
    )


def test_a_value_is_read_as_a_run_reads_it(ork):
    ork.write(
        "w.yaml",
        """
        name: w
        params:
          l: {default: [1, 2]}
          o: {default: {a: 1, b: [x]}}
          n: {type: int, default: 10}
          ratio: {type: float, default: 2}
          t: {type: datetime_tz, default: "2026-01-01T00:00:00+01:00"}
          s: {type: str, default: "1e1"}
          free: {default: null}
        tasks: {a: {executor: process, command: 'true'}}
        """,
    )
    assert ork("run", "w.yaml").code == 0
    ork.write("day.json", "[1,\n 2]")
    for text in (
        *("l=[1, 2]", "l=[1,2]", "l=@day.json", 'o={"b": ["x"], "a": 1}', "n=10", "n=10.0"),
        *("n=1e1", "ratio=2", "ratio=2.0", "t=2026-01-01 00:00:00+01:00", "s=1e1", "free=null"),
    ):
        assert listed(ork, "-i", text) == ["w#1"], text
        assert ork("run", "w", "-i", text, "--dry-run").code == 0, text
    for text in ("l=[2, 1]", "s=10", "n=11", "ratio=2.5", "t=2026-01-01 00:00:00+02:00", "free=0"):
        assert ork("runs", "-i", text).err == "no runs\n", text


def test_a_value_that_no_run_can_have_is_told(ork):
    for kind in ("int", "str"):
        ork.write(
            f"{kind}.yaml",
            f"""
            name: {kind}
            params: {{limit: {{type: {kind}, default: {"1" if kind == "int" else "x"}}}}}
            tasks: {{a: {{executor: process, command: 'true'}}}}
            """,
        )
        assert ork("run", f"{kind}.yaml").code == 0
    assert ork("runs", "-i", "limit=abc").err == "no runs\n", "it may be a text in one of them"
    wrong = ork("runs", "int", "-i", "limit=abc")
    told = 'no runs\nnote: the parameter limit: expected int, got str "abc"\n'
    assert (wrong.code, wrong.out, wrong.err) == (0, "", told)
    edited = (ork.folder / "int.yaml").read_text().replace("type: int, default: 1", "default: abc")
    ork.write("int.yaml", edited)
    assert ork("run", "int.yaml").code == 0
    assert listed(ork, "int", "-i", "limit=abc") == ["int#2"], "each by its own definition"
    assert listed(ork, "int", "-i", "limit=1.0") == ["int#1"]


def test_one_task_over_time(ran, golden, masked):
    result = ran("runs", "etl:load")
    assert (result.code, result.err) == (0, "")
    golden("runs/task.txt", result.out)
    golden("runs/task.json", masked(ran("runs", "etl:load", "--json").out))
    assert ran("runs", "@:load").out == result.out
    only = ran("runs", "etl:extract", "--status", "success", "-n", "1").out
    assert only.split()[:2] == ["etl#2", "ok"]
    assert ran("runs", "etl:load", "--status", "cancelled").err == "no runs\n"
    assert json.loads(ran("runs", "etl:load", "-n", "0", "--json").out)["data"]["runs"] == []


def test_a_task_over_time_is_marked_where_something_of_it_is_new(ork, edit):
    ork.write(
        "etl.yaml",
        """
        name: etl
        tasks:
          a: {executor: process, command: sh other.sh}
          load:
            executor: process
            command: ./load.sh
            timeout: 60
            depends_on: [a]
        """,
    )
    ork.write("load.sh", "#!/bin/sh\n. ./lib.sh\n", executable=True)
    ork.write("lib.sh", "echo ORK_OUTPUT:1\n")
    ork.write("other.sh", "")

    def new():
        assert ork("run", "etl.yaml").code == 0
        data = json.loads(ork("runs", "etl:load", "--json").out)["data"]["runs"]
        return data[0]["changed"], data[0]["task"], len(data)

    assert new() == ([], "load", 1)
    assert new() == ([], "load", 2)
    edit("etl.yaml", "sh other.sh", "sh -e other.sh")  # of another task
    ork.write("other.sh", "true\n")
    assert new() == ([], "load", 3)
    edit("lib.sh", "1", "2")  # which the script executes that the task names
    assert new() == (["code", "output"], "load", 4)
    edit("etl.yaml", "timeout: 60", "timeout: 70")
    assert new() == (["definition"], "load", 5)
    edit("etl.yaml", "  a:", "  b:")
    edit("etl.yaml", "[a]", "[b]")  # a neighbour is called otherwise
    assert new() == ([], "load", 6)


def test_the_inputs_and_variables_that_are_new_are_named(ork, edit):
    ork.write(
        "w.yaml",
        """
        name: w
        params: {rate: {type: float, default: 0.1}, other: {type: int, default: 1}}
        tasks:
          count: {executor: process, command: "echo ORK_OUTPUT:3"}
          train:
            executor: process
            command: 'echo "ORK_OUTPUT:[$ORK_IN_lr]"'
            depends_on: [count]
            inputs: {lr: {ref: params.rate}, rows: {ref: tasks.count.output}, fixed: {const: 1}}
            env: {SEED: {ref: params.other}, PLAIN: text}
          report: {executor: process, command: "true", depends_on: [train]}
        """,
    )

    def new(*words):
        assert ork("run", "w.yaml", *words).code == 0
        row = json.loads(ork("runs", "w:train", "--json").out)["data"]["runs"][0]
        line = ork("runs", "w:train").out.splitlines()[0]
        return row["changed"], row["inputs"], line.partition("  new ")[2]

    assert new() == ([], [], "")
    assert new() == ([], [], "")
    told = "inputs (lr), output  [0.2]"
    assert new("-i", "rate=0.2") == (["inputs", "output"], ["lr"], told)
    assert new("-i", "rate=0.2", "-i", "other=2") == (["inputs"], ["SEED"], "inputs (SEED)  [0.2]")
    edit("w.yaml", "ORK_OUTPUT:3", "ORK_OUTPUT:4")
    assert new("-i", "rate=0.2", "-i", "other=2")[1] == ["rows"], "what another task gave"
    assert ork("run", "w.yaml", "-i", "rate=0.2", "-i", "other=2", "--only", "report").code == 0
    assert new("-i", "rate=0.3", "-i", "other=2")[1] == ["lr"], "than those that it was kept with"


def test_a_task_over_time_is_followed_through_its_renames(ran, edit):
    edit("etl.yaml", "load:", "store:")
    ran("deploy", "etl.yaml")
    before = [line.split()[0] for line in ran("runs", "etl:store").out.splitlines()]
    assert before == ["etl#2", "etl#1"]  # no run has the new name yet
    ran("run", "etl")
    ran("run", "etl~1")  # which has the old one
    rows = json.loads(ran("runs", "etl:store", "--json").out)["data"]["runs"]
    assert [(row["run"]["number"], row["task"], row["changed"]) for row in rows] == [
        (4, "load", ["name"]),
        (3, "store", ["name"]),
        (2, "load", ["code"]),
        (1, "load", []),
    ]
    edit("etl.yaml", "store:", "gone:")
    edit("etl.yaml", "./load.sh", "ls >out; ls >more; ls >rest")
    assert ran("deploy", "etl.yaml").code == 0
    told = [line.split()[0] for line in ran("runs", "etl:store").out.splitlines()]
    assert told == ["etl#3", "etl#2", "etl#1"]  # which no version has any more


def test_a_run_that_has_not_come_to_a_task_or_keeps_it_says_so(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        tasks:
          a: {executor: process, command: "echo 'ORK_OUTPUT:1'"}
          b: {executor: process, command: 'test -e ready', depends_on: [a]}
          c: {executor: process, command: 'true', depends_on: [b]}
        """,
    )
    assert ork("run", "etl.yaml").code == 1
    ork.write("ready", "")
    assert ork("run", "etl", "--only", "b").code == 0
    lines = ork("runs", "etl:a").out.splitlines()
    assert lines[0].split("-  ")[-1] == "output of etl#1  1"
    for word in ("upstream_failed", "skipped"):
        assert " skipped " in ork("runs", "etl:c", "--status", word).out
    for task, shown in (("a", "kept"), ("c", "left out")):
        assert f"#2  {shown} " in ork("runs", f"etl:{task}", "--status", shown).out
        assert "etl#2" not in ork("runs", f"etl:{task}", "--status", "skipped").out
    of_task = "hint: a task is, as in `ork runs etl:load --status 'left out'`\n"
    assert of_task in ork("runs", "--status", "left out").err
    assert "needs b" in ork("runs", "etl:c").out or "b failed" in ork("runs", "etl:c").out


def test_no_history_of_what_is_no_task(ran):
    for word, told in (
        ("etl:lod", "etl has no task or code file 'lod'\nhint: did you mean load?"),
        (
            "etl:load.sh",
            "load.sh is a code file of etl, and no task\n"
            "hint: `ork runs --containing etl:load.sh` lists the runs that have it",
        ),
        (
            "etl#1:load",
            "etl#1:load is of one version; a workflow is wanted here\n"
            "hint: `ork runs etl:load` lists all runs of the task",
        ),
        (
            "@~1:load",
            "@~1:load is of one version; a workflow is wanted here\n"
            "hint: `ork runs @:load` lists all runs of the task",
        ),
        ("etl:", "etl: names no task\nhint: write WORKFLOW:TASK"),
        ("elt:load", "no workflow or object named 'elt'\nhint: did you mean etl?"),
    ):
        result = ran("runs", word)
        assert (result.code in (2, 3), result.out) == (True, "")
        assert result.err == f"error: {told}\n", word
    assert "did you mean `failed`?" in ran("runs", "etl:load", "--status", "fail").err


def test_a_task_over_time_reads_as_much_of_many_runs_as_it_shows(ran, opened, monkeypatch):
    store, read = opened(), []
    run = next(runs_of(store, "etl")).run
    with store.transaction() as tx:
        for number in range(3, 300):
            run_id = f"20991231T000000.000-{number:06x}"
            oid = tx.add(replace(run, number=number, id=run_id))
            for ref in (f"runs/etl/{run_id}", number_ref("etl", number)):
                tx.move(ref, old=None, new=oid)
    get_many = type(store.backend).get_many
    monkeypatch.setattr(
        type(store.backend),
        "get_many",
        lambda backend, oids: read.append(found := get_many(backend, oids)) or found,
    )
    assert len(ran("runs", "etl:load", "-n", "5").out.splitlines()) == 5
    assert sum(map(len, read)) < 50


def test_parameters_that_differ_come_first(ork):
    ork.write(
        "w.yaml",
        """\
        name: w
        params: {a: {default: long}, b: {default: 1}, c: {default: x}}
        tasks: {t: {executor: process, command: "true"}}
        """,
    )
    assert ork("run").code == 0
    assert ork("runs").out.endswith('  a="long"  b=1  c="x"\n')
    assert ork("run", "w", "-i", "b=2").code == 0
    ends = [line.partition("ms")[2].strip() for line in ork("runs").out.splitlines()]
    assert ends == ['b=2  a="long"  c="x"', 'b=1  a="long"  c="x"']


def test_tags_stand_behind_parameters(ork):
    flow = "name: w\nparams: {day: str}\ntasks: {a: {executor: process, command: 'true%s'}}\n"
    ork.write("w.yaml", flow % "")
    for day in ("monday", "tuesday"):
        assert ork("run", "w.yaml", "-i", f"day={day}").code == 0
    assert ork("tag", "best", "w#1").code == 0
    assert "@best" in ork("show", "w#2").out
    ork.write("w.yaml", flow % " ")
    assert ork("run", "w.yaml", "-i", "day=wednesday").code == 0
    ends = [line.rpartition("ms  ")[2] for line in ork("runs").out.splitlines()]
    assert ends == ['day="wednesday"', 'day="tuesday"  @best', 'day="monday"  @best']


def test_of_a_task_that_is_gone_the_filters_tell_as_of_others(ork):
    text = "name: p\ntasks:\n  a: {executor: process, command: 'true'}\n"
    gone = "  b: {executor: process, command: 'true'}\n"
    file = ork.write("p.yaml", text + gone)
    assert ork("run", "p.yaml").code == 0
    file.write_text(text)
    assert ork("run", "p.yaml").code == 0
    assert ork("runs", "p:b").out.count("\n") == 1
    for options in (["--status", "failed"], ["--since", "2030-01-01"]):
        for task in ("a", "b"):
            told = ork("runs", f"p:{task}", *options)
            assert (told.code, told.err) == (0, "no runs\n")
    assert ork("runs", "p:c").code == 3


def test_why_a_run_failed_is_read_beside_its_parameters(ork, terminal):
    ork.write(
        "w.yaml",
        "name: w\nparams: {channel: str, version: str}\n"
        "tasks: {a: {executor: process, command: exit 3}}\n",
    )
    ork("run", "w.yaml", "-i", "channel=beta", "-i", "version=1")
    lines = terminal("--color", "never", "runs").splitlines()
    assert 'channel="beta"' in lines[0]
    assert lines[1:] == ["    a: exited with code 3"]


@pytest.mark.parametrize("wide", [60, 80, 100, 120])
def test_a_long_name_gives_way_to_what_tells_of_the_run(ork, wide):
    name = "the_orders_of_all_customers_of_the_northern_warehouse_by_the_hour"
    tasks = "tasks: {a: {executor: process, command: 'true'}, b: {executor: process, command: ls}}"
    ork.write("w.yaml", f"name: {name}\nparams: {{day: {{type: str, default: today}}}}\n{tasks}\n")
    assert ork("run", "w.yaml", "--only", "a").code == ork("run", "-q").code == 0
    ork.environ |= TERMINAL
    whole, part = on_terminal(ork, wide, "runs").text.splitlines()
    assert re.search(r"the_orde\S*\.\.\.\S+r#1  success  .* \d+ms  partial", part)
    assert "r#2  success  " in whole and len(whole) <= wide


MANY = """\
name: etl
tasks:
  fetch: {executor: process, command: "true"}
  reconcile_customers_with_the_ledger: {executor: process, command: "true", depends_on: [fetch]}
  publish: {executor: process, command: "true", depends_on: [fetch]}
  report: {executor: process, command: "true", depends_on: [publish]}
  never: {executor: process, command: "true", depends_on: [report]}
"""


@pytest.fixture
def timed(ork, opened):
    """A workflow with 14 runs, since the eleventh of which one task is slow, and one is fast."""
    ork.write("etl.yaml", MANY)
    assert ork("deploy", "etl.yaml").code == 0
    store = opened()
    head = resolve(store, "etl", now=NOON)
    oids = store.snapshot(head.snapshot).tasks
    for number in range(1, 15):
        late = number > 10
        took = {
            "fetch": 3.0 + number % 3 / 10,
            "reconcile_customers_with_the_ledger": (125 if late else 61) + number % 4,
            "publish": 9.0 if number != 12 else 40.0,
            "report": 0.4 if late else 4.1,
        }
        states = {name: took_so_long(oids[name], seconds) for name, seconds in took.items()}
        states["never"] = outcome(oids["never"], "upstream_failed")
        if number in (3, 8):
            states["publish"] = outcome(oids["publish"], "failed")
        write_run(store, head.oid, states, created=NOON + timedelta(hours=number))
    return ork


def took_so_long(oid, seconds):
    """Return the outcome of a task that succeeded, in so many seconds, when it was tried again."""
    one = outcome(oid)
    failed = replace(one.attempts[0], state="failed", duration=300 * SECOND)
    good = replace(one.attempts[0], number=2, duration=round(seconds * SECOND))
    return replace(one, attempts=(failed, good))


def test_how_long_each_task_takes_and_which_got_slower(timed, golden):
    result = timed("runs", "etl", "--tasks")
    assert (result.code, result.err) == (0, "")
    golden("runs/tasks.txt", result.out)
    golden("runs/tasks.json", timed("runs", "etl", "--tasks", "--json").out)
    assert timed("runs", "--tasks").out == timed("runs", "@", "--tasks").out == result.out
    assert "since" not in timed("runs", "etl", "--tasks", "-n", "4").out
    assert "14 runs" in timed("runs", "etl", "--tasks", "--since", "2026-11-01").out
    for nothing in (["-n", "0"], ["--status", "cancelled"]):
        none = timed("runs", "etl", "--tasks", *nothing)
        assert (none.out, none.err) == ("", "no runs\n")
    wrong = timed("runs", "etl:fetch", "--tasks")
    assert (wrong.code, wrong.out) == (2, "")
    assert "hint: `ork runs etl:fetch` tells of this task, run by run" in wrong.err
    assert timed("runs", "elt", "--tasks").code == 3


@pytest.mark.slow
@pytest.mark.parametrize("wide", [60, 100, 160])
def test_times_of_tasks_on_terminals_of_any_width(timed, golden, wide):
    timed.environ |= TERMINAL
    window = on_terminal(timed, wide, "runs", "etl", "--tasks")
    assert not window.broken
    golden(f"runs/tasks.{wide}.txt", window.text)


def test_a_task_is_timed_by_what_it_executed_itself(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        tasks:
          a: {executor: process, command: "echo 'ORK_OUTPUT:1'"}
          b: {executor: process, command: 'test -e ready', depends_on: [a]}
        """,
    )

    def counts():
        rows = json.loads(ork("runs", "etl", "--tasks", "--json").out)["data"]
        return {row["task"]: (row["succeeded"], row["failed"]) for row in rows}

    assert ork("run", "etl.yaml").code == 1
    assert counts() == {"a": (1, 0), "b": (0, 1)}
    ork.write("ready", "")
    assert ork("retry", "etl").code == 0
    assert counts() == {"a": (1, 0), "b": (1, 0)}
    assert ork("run", "etl", "--only", "b").code == 0
    assert counts() == {"a": (1, 0), "b": (2, 0)}


def test_tasks_are_timed_through_their_renames(ran, edit):
    edit("etl.yaml", "load:", "store:")
    assert ran("run", "etl.yaml").code == 1
    assert ran("mv", "etl", "elt").code == 0
    rows = json.loads(ran("runs", "elt", "--tasks", "--json").out)["data"]
    assert {row["task"]: (row["succeeded"], row["failed"]) for row in rows} == {
        "extract": (3, 0),
        "store": (1, 2),
    }


@pytest.mark.parametrize("prefix", ["", "file:"])
def test_runs_that_had_what_a_file_on_disk_holds(ran, edit, prefix):
    (ran.folder / "kept").write_bytes((ran.folder / "load.sh").read_bytes())
    edit("load.sh", "exit 7", "exit 9")
    assert listed(ran, "--containing", f"{prefix}./load.sh") == []
    assert listed(ran, "--containing", f"{prefix}kept") == listed(
        ran, "--containing", "etl:load.sh"
    )
    assert listed(ran, "--containing", f"{prefix}kept") != []
    assert ran("runs", "--containing", f"{prefix}nowhere").code == 3
