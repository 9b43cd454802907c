"""ork ls-tree"""

import json


def test_tasks_first_then_code_files(history, golden):
    result = history("ls-tree", "etl")
    assert (result.code, result.err) == (0, "")
    golden("ls-tree/etl.txt", result.out)
    golden("ls-tree/etl.json", history("ls-tree", "etl", "--json").out)


def test_everything_that_has_a_snapshot_has_entries(history):
    expected = history("ls-tree", "etl").out
    history("run", "etl")
    for revision in ("@", "etl^{snapshot}", "etl#1", "file:etl.yaml", "etl.yaml"):
        assert history("ls-tree", revision).out == expected


def test_a_tree_object_lists_its_own_entries(history):
    snapshot = json.loads(history("cat-object", "etl^{snapshot}").out)
    tasks = history("ls-tree", snapshot["tasks"]).out
    files = history("ls-tree", snapshot["files"]).out
    assert tasks + files == history("ls-tree", "etl").out


def test_a_name_with_a_tab_is_quoted(history, edit):
    history.write("a\tb.txt", "")
    edit("etl.yaml", "name: etl\n", 'name: etl\ninclude: ["*.txt"]\n')
    assert history("deploy", "etl.yaml").code == 0
    assert '\t"a\\tb.txt"\n' in history("ls-tree", "etl").out


def test_a_task_has_no_entries(history):
    result = history("ls-tree", "etl:load")
    assert result.code == 3
    assert "etl:load is a task; a workflow, deploy or run is wanted here" in result.err
