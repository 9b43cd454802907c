"""Which names a word may stand for"""

import pytest

from ork.alike import MISTAKES_MAX, alike, did_you_mean, file_meant, meant_or_known
from ork.cli.app import COMMANDS
from ork.definition.task import TASK_KEYS


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("stat", "status"),
        ("stauts", "status"),
        ("chek", "check"),
        ("rnu", "run"),
        ("rollbak", "rollback"),
        ("Deploy", "deploy"),
        ("workflow", "workflows"),
        ("show_", "show"),
    ],
)
def test_a_mistake_leads_to_the_name(word, name):
    assert alike(word, COMMANDS) == [name]


@pytest.mark.parametrize("word", ["repro", "create", "top", "rebase", "clear", "x", "", "de"])
def test_what_is_like_no_command_is_not_guessed(word):
    assert alike(word, COMMANDS) == []


@pytest.mark.parametrize("word", ["resources", "outs", "requires", "cwd", "allow_failure"])
def test_what_is_like_no_key_is_not_guessed(word):
    assert alike(word, TASK_KEYS) == []


def test_among_equals_all_are_named_in_order():
    flows = [f"flow{n:02}" for n in reversed(range(48))]
    assert alike("flow8", flows) == ["flow08", "flow18", "flow28", "flow38"]
    assert did_you_mean("flow8", flows, at_most=2) == "did you mean flow08 or flow18?"


def test_the_nearest_alone_is_named():
    assert alike("extrct", ["extract", "extracts"]) == ["extract"]
    assert did_you_mean("modul", ["module"], form="`{}`") == "did you mean `module`?"


def test_no_more_than_a_few_mistakes_are_forgiven_in_a_long_name():
    name = "collect_customers_of_all_regions"
    assert alike(name.replace("s", "", MISTAKES_MAX), [name]) == [name]
    assert alike(name.replace("o", "0").replace("l", "1"), [name]) == []


def test_where_nothing_is_alike_some_that_there_are_are_named():
    assert meant_or_known("zzz", ["a", "b"]) == "there are: a, b"
    assert meant_or_known("zzz", map(str, range(12))) == (
        "there are: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
    )
    assert meant_or_known("zzz", []) is None


def test_names_that_begin_with_the_word_go_before_others():
    known = ["a", "b", *(f"z_{n}" for n in range(12))]
    assert meant_or_known("Z", known[:3]) == "did you mean z_0?"
    assert meant_or_known("z", known[:4]) == "did you mean one of z_0, z_1?"
    shown = ", ".join(known[2:12])
    assert meant_or_known("z", known) == f"did you mean one of {shown} and 2 more?"
    assert meant_or_known("", ["a"]) == "there are: a"


def test_a_file_is_named_that_is_like_one_by_its_name_and_not_by_its_ending(tmp_path):
    for name in ("d.yaml", "etl.yml"):
        (tmp_path / name).touch()
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    endings = (".yaml", ".yml")
    assert file_meant(tmp_path / "l.yaml", endings) is None
    assert file_meant(tmp_path / "gone.yaml", endings) is None
    for name in ("elt.yaml", "etl.yaml", "etl"):
        assert file_meant(tmp_path / name, endings) == f"did you mean {tmp_path / 'etl.yml'}?"


def test_a_file_with_a_name_of_one_letter_is_found_by_another_ending(tmp_path):
    (tmp_path / "w.yaml").write_text("")
    assert file_meant(tmp_path / "w.yml", (".yaml", ".yml")) == f"did you mean {tmp_path}/w.yaml?"
    assert file_meant(tmp_path / "v.yml", (".yaml", ".yml")) is None
