"""ork grep, and ork log -S"""

import json

import pytest

from tests.cli.screen import TERMINAL, on_terminal


def test_where_a_text_stands(ran, golden):
    ran("tag", "etl@load-more")
    for name, words in {
        "names_values_and_code": ("load",),
        "revisions": ("-i", "ORK_output", "etl~1", "etl#1"),
        "names_only": ("-l", "load"),
        "setting": ("daily|2 \\*",),
    }.items():
        result = ran("grep", *words)
        assert (result.code, result.err) == (0, "")
        golden(f"grep/{name}.txt", result.out)
    golden("grep/hits.json", ran("grep", "load", "--json").out)


def test_nothing_is_found(ran):
    assert (ran("grep", "nowhere").code, ran("grep", "nowhere").out) == (1, "")
    nothing = ran("grep", "nowhere", "--json")
    assert (nothing.code, json.loads(nothing.out)["data"]) == (1, [])
    assert (ran("grep", "LOAD").code, ran("grep", "LOAD").err) == (1, "")
    ran.environ |= TERMINAL
    told = "hint: `ork log -S TEXT` searches what versions before had"
    assert [on_terminal(ran, 80, "grep", "nowhere", *of).text for of in ((), ("etl~1",))] == [
        told,
        "",
    ]
    assert ran("grep", "-F", "l.ad").code == 1
    wrong = ran("grep", "(")
    assert (wrong.code, wrong.err[:40]) == (2, "error: not a regular expression: '(': mi")
    assert ran("grep", "x", "nope").code == 3


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("exit 7",), ["etl:load.sh:3"]),
        (("exit 7", "etl~1"), []),
        (("loaded", "etl#1"), ["etl#1:load:output_type.loaded", "etl#1:load.sh:3"]),
        (("rows", "etl:extract"), ["etl:extract:output_type.rows"]),
        (("rows", "etl:tasks/etl.py"), ["etl:tasks/etl.py:3"]),
        (("tasks:", "etl:"), ["etl::4"]),
        (("exit", "etl.yaml"), ["file:etl.yaml:load.sh:3"]),
        (("^etl$",), ["etl"]),
        (("timeout",), ["etl:extract:timeout"]),
        (("timeout: 6",), ["etl:extract:timeout"]),
    ],
)
def test_what_is_searched_may_be_named(ran, words, found):
    data = json.loads(ran("grep", *words, "--json").out)["data"]
    lines = ran("grep", *words).out.splitlines()
    assert len(data) == len(lines) == len(found), lines
    assert [line.partition(": ")[0] for line in lines] == found


def test_all_workflows_are_searched_but_those_that_are_archived(ran):
    ran.write("other.yaml", "name: other\ntasks: {a: {executor: process, command: ./load.sh}}\n")
    assert ran("deploy", "other.yaml").code == 0
    places = [line.split(": ")[0] for line in ran("grep", "exit 7").out.splitlines()]
    assert places == ["etl:load.sh:3", "other:load.sh:3"]
    assert ran("archive", "other").code == 0
    assert ran("grep", "exit 7").out == 'etl:load.sh:3: exit 7 #:{"loaded": 3}\'\n'
    assert ran("grep", "exit 7", "other").code == 0


def test_a_value_of_many_lines_and_bytes_that_are_no_text(ork):
    ork.write(
        "etl.yaml",
        """
        name: etl
        params: {day: {type: str, default: x}}
        include: [data.bin]
        tasks:
          a:
            executor: process
            env: {REGION: north}
            command: |
              echo one
              echo two
        """,
    )
    (ork.folder / "data.bin").write_bytes(b"echo\0two")
    assert ork("deploy", "etl.yaml").code == 0
    assert ork("grep", "two").out == "etl:a:command: echo two\n"
    assert ork("grep", "command").out == "etl:a:command: echo one\n"
    assert ork("grep", "REGION").out == "etl:a:env.REGION: north\n"
    assert "etl:params.day.default: x\n" in ork("grep", "day").out


def test_what_matched_is_painted(ran):
    ran.environ |= {"TERM": "xterm"}
    painted = ran("--color", "always", "grep", "exit 7").out
    assert "\x1b[1;31mexit 7\x1b[0m" in painted
    assert "\x1b[1;31mexit 7\x1b[0m" in ran("--color", "always", "grep", "[exi]|t 7").out


def test_the_deploys_that_brought_a_text_or_took_it_away(ran, edit):
    def messages(*words):
        data = json.loads(ran("log", *words, "--json").out)["data"]
        return [entry["deploy"]["message"].partition("\n")[0] for entry in data]

    assert messages("-S", "exit 7") == ["Break it"]
    assert messages("etl", "-S", "timeout") == ["Wait longer"]
    assert messages("etl", "-S", "timeout: 600") == ["Wait longer"]
    assert messages("etl", "-S", "600") == ["Wait longer"]
    assert messages("etl", "-S", "@daily") == [
        'Change schedule "0 2 * * *" -> "@daily"; edit tasks/etl.py'
    ]
    edit("load.sh", "exit 7 #", "exit 7; exit 7 #")
    assert ran("deploy", "etl.yaml", "-m", "Twice").code == 0
    assert messages("-S", "exit 7", "-n", "1") == ["Twice"]
    edit("etl.yaml", "load:", "store:")
    assert ran("deploy", "etl.yaml", "-m", "Rename").code == 0
    assert messages("-S", "./load.sh") == ["First"]
    assert messages("-S", "exit 7", "etl:load.sh") == ["Twice", "Break it"]
    assert messages("etl", "-S", "store") == ["Rename"]
    assert ran("log", "-S", "nowhere").err.splitlines() == [
        "no deploys",
        "hint: values are searched as `ork grep` prints them: 60 for `1m`",
    ]


def test_other_words_for_it_lead_there(ran):
    assert "`ork grep`" in ran("search", "x").err
    assert "`ork grep`" in ran("find", "x").err
    assert "a pattern is a regular expression" in ran("grep", "-n", "x").err


def test_a_match_of_each_mark_of_many_lets_none_pile_up(ork):
    piled = "e" + "\u0301" * 60
    ork.write(
        "etl.yaml", f"name: etl\ntasks: {{a: {{executor: process, command: 'echo {piled}'}}}}\n"
    )
    assert ork("deploy", "etl.yaml").code == 0
    assert "\u0301" * 5 not in ork("grep", ".", "etl:a").out


def test_on_a_terminal_a_long_line_is_cut_around_its_first_match(ork):
    line = f"#{'x' * 1_000} needle {'y' * 1_000} needle needle"
    ork.write("a.sh", f"{line}\n# needle\n")
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: sh a.sh}}\n")
    assert ork("deploy", "w.yaml").code == 0
    assert ork("grep", "needle").out == f"w:a.sh:1: {line}\nw:a.sh:2: # needle\n"
    ork.environ |= TERMINAL
    shown = f"{'x' * 99} needle {'y' * 293}"
    assert on_terminal(ork, 600, "grep", "needle").text.splitlines() == [
        f"w:a.sh:1: ...{shown}...  and 2 more",
        "w:a.sh:2: # needle",
    ]
    assert on_terminal(ork, 600, "grep", "#x").text == f"w:a.sh:1: #{'x' * 399}..."
    last = on_terminal(ork, 600, "grep", "needle$").text.splitlines()[0]
    assert last == f"w:a.sh:1: ...{line[-106:]}"
