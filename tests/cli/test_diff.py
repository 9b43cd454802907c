"""ork diff"""

import json

import pytest


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("plain", []), ("patch", ["-p"]), ("stat", ["--stat"]), ("json", ["--json"]),
        ("name_status", ["--name-status"]),
    ],
)  # fmt: skip
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


def test_no_difference_is_said_on_standard_error(history):
    result = history("diff")
    assert (result.code, result.out) == (0, "")
    assert result.err == "no difference between etl and file:etl.yaml\n"


def test_exit_code(history):
    assert history("diff", "etl~1", "etl", "--exit-code").code == 1
    assert history("diff", "etl", "etl", "--exit-code").code == 0
    assert history("diff", "etl~1", "etl", "--exit-code", "--json").code == 1
    assert history("diff", "etl~1", "etl", "--exit-code", "--stat").code == 1


def test_a_rename_and_how_not_to_see_it(history, edit, golden):
    edit("etl.yaml", "  load:", "  store:")
    edit("etl.yaml", "./load.sh", "./load.sh --all")
    golden("diff/renamed.txt", history("diff").out)
    golden("diff/no_renames.txt", history("diff", "--no-renames").out)


def test_two_runs_differ_by_what_they_executed(ran):
    assert ran("diff", "etl#1", "etl#2").out == ran("diff", "etl~1", "etl").out


def test_the_json_has_both_ends(history):
    document = json.loads(history("diff", "etl~1..etl", "--json").out)
    assert document["schema"] == "ork.diff.v1"
    assert document["data"]["old"]["text"] == "etl~1"
    assert document["data"]["new"]["workflow"] == "etl"


def test_what_cannot_be_compared(history):
    assert history("diff", "a", "b", "c").code == 2
    assert history("diff", "etl:load", "etl~1:load").code == 3
    assert history("diff", "etl", "nowhere").code == 3
    (history.folder / "etl.yaml").unlink()
    result = history("diff", "etl")
    assert result.code == 3
    assert "which is gone" in result.err
    assert "hint: name two revisions" in result.err
