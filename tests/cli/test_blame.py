"""ork blame"""

import json

import pytest

from ork.cli.screen.fit import columns


@pytest.fixture
def moved(history, edit):
    """The world of `history`, after a rename of a task and one of its file."""
    edit("etl.yaml", "extract:", "fetch:")
    edit("etl.yaml", "[extract]", "[fetch]")
    edit("etl.yaml", "tasks.extract", "tasks.fetch")
    history.environ["ORK_AUTHOR_NAME"] = "Grace Hopper"
    assert history("deploy", "etl.yaml").code == 0
    (history.folder / "tasks/etl.py").rename(history.folder / "tasks/pull.py")
    edit("etl.yaml", "tasks/etl.py", "tasks/pull.py")
    edit("tasks/pull.py", '"extracting"', '"pulling"')
    assert history("deploy", "etl.yaml", "-m", "Move the code\n\nIt pulls.").code == 0
    return history


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("parts", ["etl"]),
        ("keys", ["etl", "--keys"]),
        ("task", ["etl:fetch"]),
        ("file", ["etl:tasks/pull.py"]),
        ("text", ["etl:"]),
        ("range", ["etl~2..etl"]),
        ("range_of_lines", ["etl~1..etl:tasks/pull.py"]),
        ("older", ["etl~2"]),
    ],
)
def test_blame(moved, golden, name, arguments):
    result = moved("blame", *arguments)
    assert (result.code, result.err) == (0, "")
    golden(f"blame/{name}.txt", result.out)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("parts", ["etl"]), ("keys", ["etl", "--keys"]), ("file", ["etl:tasks/pull.py"])],
)
def test_blame_as_json(moved, golden, name, arguments):
    result = moved("blame", *arguments, "--json")
    assert (result.code, result.err) == (0, "")
    golden(f"blame/{name}.json", result.out)


def test_the_environment_of_a_workflow_is_one_line(ork):
    tasks = "".join(f"  t{n}: {{executor: process, command: 'true'}}\n" for n in range(4))
    for value in "123":
        ork.write("env.yaml", f"name: env\nenv: {{A: '{value}', B: x}}\ntasks:\n{tasks}")
        assert ork("deploy", "env.yaml").code == 0
    shown = ork("blame", "--keys").out
    (line,) = (line for line in shown.splitlines() if "env.A" in line)
    assert line.split()[-4:] == ["4", "tasks:", "env.A", '"3"']
    first, _, last = ork("log", "--oneline").out.splitlines()[::-1]
    assert ork("blame").out.count(first.split()[0]) == 4
    assert ork("log", "env:t1", "--oneline").out == first + "\n"
    assert last.split()[0] in ork("blame", "env:t1").out


def test_the_only_workflow_is_meant_when_nothing_is_named(moved):
    assert moved("blame").out == moved("blame", "etl").out


def test_a_run_stands_for_its_deploy(ran):
    assert ran("blame", "etl#1").out == ran("blame", "etl~1").out
    assert ran("blame", "etl#1:extract").out == ran("blame", "etl~1:extract").out


def test_the_hashes_are_those_of_log_and_are_accepted_back(moved):
    words = moved("blame", "etl:tasks/pull.py").out.split()
    assert words[0] in moved("log", "--oneline").out
    assert moved("show", words[0]).code == 0


def test_in_a_terminal_lines_fit(moved, terminal):
    for arguments in (["etl"], ["etl", "--keys"]):
        lines = terminal("--color", "never", "blame", *arguments).splitlines()
        assert [line for line in lines if len(line) > 80] == []
    assert "Ada Lovelace" in terminal("blame", "etl")
    assert "ago" in terminal("blame", "etl:tasks/pull.py")


def test_in_a_terminal_author_and_date_stand_once_for_lines_of_one_deploy(moved, terminal):
    def leads(lines):
        return [line.rpartition(str(at))[0].split() for at, line in enumerate(lines, 1)]

    shown = leads(terminal("--color", "never", "blame", "etl:").splitlines()[:4])
    assert ["ago" in words for words in shown] == [True, False, True, True]
    assert len(shown[1]) == 1
    assert moved("blame", "etl:").out.count("Ada Lovelace") > 2


def test_texts_of_the_store_cannot_paint(moved):
    moved.write("tasks/pull.py", "def extract():\n    return {'rows': '\x1b[31m\u202e'}\n")
    moved.environ["ORK_AUTHOR_NAME"] = "\u202eeve\x1b[2J"
    assert moved("deploy", "etl.yaml", "-m", "\x1b]0;title\x07").code == 0
    for arguments in (["etl"], ["etl:tasks/pull.py"], ["etl:"], ["etl", "--keys"]):
        out = moved("blame", *arguments).out
        assert not {"\x1b", "\u202e", "\x07"} & set(out)
    assert "^[[31m<U+202E>" in moved("blame", "etl:tasks/pull.py").out


@pytest.mark.parametrize(
    ("revision", "code", "message"),
    [
        ("elt", 3, "no workflow or object named 'elt'"),
        ("etl:fetc", 3, "did you mean fetch?"),
        ("etl..etl~1", 2, "etl is not in the history of etl~1"),
        ("etl~9", 3, "that far back"),
    ],
)
def test_what_cannot_be_blamed(moved, revision, code, message):
    result = moved("blame", revision)
    assert (result.code, result.out) == (code, "")
    assert message in result.err


def test_binary_code(moved):
    (moved.folder / "load.sh").write_bytes(b"#!/bin/sh\n\0")
    moved("deploy", "etl.yaml")
    result = moved("blame", "etl:load.sh")
    assert (result.code, result.out) == (3, "")
    assert "load.sh is binary: it has no lines" in result.err


def test_damage_is_noticed(moved, damage):
    oid = json.loads(moved("rev-parse", "etl~4", "--json").out)["data"][0]["oid"]
    damage(oid)
    result = moved("blame", "etl")
    assert (result.code, result.out) == (4, "")
    assert "is damaged" in result.err


def test_columns_line_up_however_wide_the_letters_are(ork):
    text = "name: w\ntasks:\n  a: {executor: process, command: sh 読取.sh}\n"
    ork.write("読取.sh", "true\n")
    ork.write("w.yaml", text)
    ork.environ["ORK_AUTHOR_NAME"] = "山田太郎"
    assert ork("deploy", "w.yaml", "-m", "First").code == 0
    ork.write("b.sh", "true\n")
    ork.write("w.yaml", f"{text}  b: {{executor: process, command: sh b.sh}}\n")
    ork.environ["ORK_AUTHOR_NAME"] = "Ada Lovelace"
    assert ork("deploy", "w.yaml", "-m", "First").code == 0
    for words, last in (("blame", "First"), ("check --files", "script")):
        lines = [line for line in ork(*words.split()).out.splitlines() if ".sh  " in line]
        assert len(lines) == 2
        assert len({columns(line.partition(last)[0]) for line in lines}) == 1, lines
