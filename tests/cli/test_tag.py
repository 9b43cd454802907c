"""ork tag"""

import re

import pytest


def test_a_tag_is_given_listed_moved_and_removed(history, golden):
    outputs = []
    for argv in (
        ["v1.4", "etl~1"],
        ["etl@prod"],
        ["etl@prod"],
        ["-f", "etl@prod", "~2"],
        [],
        ["-d", "v1.4"],
        ["-l", "etl"],
    ):
        result = history("tag", *argv)
        assert (result.code, result.err) == (0, "")
        outputs.append(f"$ ork tag {' '.join(argv)}\n{result.out}")
    golden("tag/story.txt", "".join(outputs))
    assert history("diff", "etl@prod", "etl", "--exit-code").code == 1


def test_a_tag_by_a_run_is_on_its_deploy(history):
    assert history("run", "etl").code == 0
    told = history("tag", "best", "etl#1").err
    assert told.startswith(
        "note: it is on the deploy that etl#1 ran; `ork run etl#1` repeats that run"
    )


def test_tags_as_json(history, golden):
    golden("tag/given.json", history("tag", "v1", "--json").out)
    golden("tag/list.json", history("tag", "--json").out)
    golden("tag/removed.json", history("tag", "-d", "v1", "--json").out)


def test_no_tags(history):
    assert (history("tag").out, history("tag").err) == ("", "no tags\n")
    assert history("tag", "-l", "etl").err == "no tags of etl\n"


@pytest.mark.parametrize(
    ("name", "argv", "code"),
    [
        ("there_already", ["v1", "etl~1"], 3),
        ("bad_label", ["a b"], 3),
        ("no_such", ["-d", "v2"], 3),
        ("order", ["etl", "v2"], 3),
        ("unknown", ["v2", "nothing"], 3),
        ("both", ["-l", "-d", "v1"], 2),
        ("nothing_to_remove", ["-d"], 2),
        ("too_much", ["-d", "v1", "etl"], 2),
    ],
)
def test_what_is_no_tag(history, golden, name, argv, code):
    history("tag", "v1")
    result = history("tag", *argv)
    assert (result.code, result.out) == (code, "")
    golden(f"tag/{name}.txt", result.err)
    assert history("tag").out.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "typed"),
    [
        (["prod"], "ork tag prod etl"),
        (["-f", "prod", "~1"], "ork tag --force prod etl~1"),
        (["prod", "@{2 days ago}"], "ork tag prod 'etl@{2 days ago}'"),
        (["two"], "ork tag LABEL two"),
    ],
)
def test_of_several_workflows_the_hint_names_one(history, argv, typed):
    history.write("two.yaml", "name: two\ntasks: {a: {executor: process, command: ls}}\n")
    assert history("deploy", "two.yaml").code == 0
    told = history("tag", *argv)
    assert told.code == 3
    assert "there are several workflows: name one\n  etl\n  two\n" in told.err
    assert f"hint: `{typed}`" in told.err


def test_of_a_version_of_several_workflows_no_deploy_is_guessed(history):
    text = "name: {}\ntasks: {{a: {{executor: process, command: ls}}}}\n"
    for name in ("one", "two"):
        history.write(f"{name}.yaml", text.format(name))
        assert history("deploy", f"{name}.yaml").code == 0
    snapshot = history("rev-parse", "two^{snapshot}").out.strip()[:10]
    for words in (("tag", "prod"), ("run",), ("bundle", "create", "some.bundle")):
        told = history(*words, snapshot)
        assert (told.code, history("runs").out, history("tag").out) == (3, "", "")
        assert f"{snapshot} is a version of several workflows: name the deploy of one" in told.err
        candidates = dict(re.findall(r"^  ([0-9a-f]+)  (one|two)$", told.err, re.M))
        assert sorted(candidates.values()) == ["one", "two"]
    deploy = next(oid for oid, name in candidates.items() if name == "one")
    assert history("tag", "prod", deploy).out.startswith("one@prod ")
    assert history("tag", "two@prod", snapshot).out.startswith("two@prod ")


def test_a_label_that_looks_like_an_oid_hides_none(history):
    oid = history("rev-parse", "etl~1").out.strip()
    assert history("tag", oid[:8]).code == 0
    assert history("rev-parse", oid[:8]).out.strip() == oid
    assert history("rev-parse", f"etl@{oid[:8]}").out == history("rev-parse", "etl").out


def test_a_workflow_that_looks_like_an_oid_is_meant_first(history):
    oid = history("rev-parse", "etl~1").out.strip()
    history.write(
        "hex.yaml", f"name: '{oid[:8]}'\ntasks: {{a: {{executor: process, command: ls}}}}\n"
    )
    assert history("deploy", "hex.yaml").code == 0
    assert history("rev-parse", oid[:8]).out != history("rev-parse", oid[:9]).out
    assert history("rev-parse", oid[:9]).out.strip() == oid
