import io
import json
import sys

import pytest


def give(monkeypatch, text):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_a_text_is_read_from_standard_input(ran, golden, monkeypatch):
    give(monkeypatch, "return {\n")
    result = ran("forget", "--text")
    assert result.code == 0
    golden("forget/dry.txt", result.out + result.err)
    give(monkeypatch, "return {\n")
    result = ran("forget", "--text", "--reason", "a test", "--yes")
    assert result.code == 0
    golden("forget/done.txt", result.out + result.err)
    golden("forget/ops.txt", ran("ops", "-n", "1").out)
    golden("forget/undo.txt", ran("undo", "@").err)


def test_what_only_a_file_has_is_told_apart(ran, monkeypatch):
    ran.write("etl.yaml", (ran.folder / "etl.yaml").read_text() + "# a-new-secret\n")
    give(monkeypatch, "a-new-secret\n")
    result = ran("forget", "--text")
    assert result.err.splitlines()[:2] == [
        "nothing in the store has it",
        "1 file in the working folder has it",
    ]


PARAMS = """\
name: w
params: {key: str, other: {type: str, default: x}}
tasks: {a: {executor: process, command: "printf 'ORK_OUTPUT:\\"%s\\"' $ORK_IN_k",
    inputs: {k: {ref: params.key}}}}
"""


def test_runs_parameters_and_commands_that_have_a_text_are_named(ork, monkeypatch):
    ork.write("w.yaml", PARAMS)
    for number in range(1, 6):
        assert ork("run", "w.yaml", "-q", "-i", "key=a-new-secret").code == 0, number
    assert ork("run", "w.yaml", "-q", "-i", "key=another").code == 0
    give(monkeypatch, "a-new-secret\n")
    lines = ork("forget", "--text").out.splitlines()
    told = [line.removesuffix("  read as [forgotten]")[78:] for line in lines if "object" in line]
    five = "of w#1, w#2, w#3 and 2 more"
    assert f"blob parameter key {five}" in told
    assert f"output {five.replace(',', ':a,').replace('w#3', 'w#3:a')}" in told
    assert "tree of w#4" in told
    assert "operation `ork run w.yaml -q -i 'key=[forgotten]'`" in told


def test_an_object_is_forgotten_by_its_name(ran, golden):
    result = ran("forget", "etl:tasks/etl.py", "--json", "--yes")
    assert result.code == 0
    golden("forget/object.json", result.out)
    shown = ran("show", "etl:tasks/etl.py")
    assert (shown.out, shown.code) == ("[forgotten]", 0)
    assert (
        json.loads(ran("show", "etl:tasks/etl.py", "--json").out)["data"]["forgotten"]["reason"]
        == ""
    )
    golden("forget/run.txt", ran("run", "etl").err)
    assert ran("forget", "etl:tasks/etl.py").code == 3


FLOW = "name: {0}\ntasks: {{t: {{executor: process, command: ./{0}.sh}}}}\n"


def test_what_cannot_run_again_is_named_before_and_after(ork, monkeypatch):
    for name, text in (("a", "echo a-new-secret"), ("b", "echo another")):
        ork.write(f"{name}.sh", f"#!/bin/sh\n{text}\n", executable=True)
        ork.write(f"{name}.yaml", FLOW.format(name))
        assert ork("run", f"{name}.yaml", "-q").code == 0
        assert ork("tag", f"{name}@prod", name).code == 0
    ork.write("a.sh", "#!/bin/sh\nexit 0\n", executable=True)
    assert ork("run", "a.yaml", "-q").code == 0
    told = "a~1, a@prod can neither run again nor be rolled back to, nor can a#1 be repeated\n"
    for words, begin in (((), "then "), (("--yes",), "")):
        give(monkeypatch, "a-new-secret\n")
        result = ork("forget", "--text", *words)
        assert f"note: {begin}{told}" in result.err
        (log,) = (line for line in result.out.splitlines() if line.startswith("log"))
        assert log.endswith(".log  of a#1  overwritten with *")
    for words in (("run", "a~1"), ("run", "a@prod"), ("run", "a#1"), ("rollback", "a", "a~1")):
        assert ork(*words).code == 3, words
    give(monkeypatch, "echo another\n")
    found = json.loads(ork("forget", "--text", "--json").out)["data"]
    assert (found["versions"], found["runs"]) == (["b", "b@prod"], ["b#1"])


def test_what_names_others_is_not_forgotten(ran):
    assert ran("forget", "etl").code == 2
    assert ran("forget").code == 2
    assert ran("forget", "etl:tasks/etl.py", "--text").code == 2
    assert ran("forget", "--text-file", "nowhere").code == 3


@pytest.mark.slow
def test_a_message_that_was_forgotten_goes_by_a_bundle_and_by_a_pull(ran, tmp_path, monkeypatch):
    ran.write("load.sh", (ran.folder / "load.sh").read_text() + "# more\n")
    assert ran("deploy", "etl.yaml", "-m", "the first: a-new-secret").code == 0
    ran("run", "etl")
    give(monkeypatch, "a-new-secret\n")
    assert ran("forget", "--text", "--yes").code == 0
    assert ran("bundle", "create", "etl.bundle", "etl", "--runs", "all").code == 0
    home, bundle = str(ran.folder), str(ran.folder / "etl.bundle")
    for name, line in (("a", ("import", "bundle", bundle)), ("b", ("pull", home))):
        there = str(tmp_path / name)
        (tmp_path / name).mkdir()
        assert ran("-C", there, "init").code == 0
        done = ran("-C", there, *line)
        assert (done.code, "error" in done.err) == (0, False), done.err
        assert "the first: [forgotten]" in ran("-C", there, "log", "etl").out
        assert ran("-C", there, "fsck").code == 0
    ran.write("load.sh", "exit 0\n")
    assert ran("-C", home, "deploy", "etl.yaml").code == 0
    assert ran("-C", home, "bundle", "create", bundle, "etl", "--since", "etl~1").code == 0
    assert ran("-C", str(tmp_path / "a"), "import", "bundle", bundle).code == 0
