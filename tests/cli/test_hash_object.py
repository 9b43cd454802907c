"""ork hash-object"""

import json

from blake3 import blake3


def test_the_oid_of_a_file_is_the_one_that_a_deploy_gives_it(history):
    result = history("hash-object", "load.sh", "tasks/etl.py")
    assert (result.code, result.err) == (0, "")
    assert result.out == history("rev-parse", "etl:load.sh", "etl:tasks/etl.py").out


def test_nothing_is_stored_and_no_store_is_needed(ork, golden):
    ork.write("empty", "")
    result = ork("hash-object", "empty")
    assert result.out.strip() == blake3(b"ork1 blob\n").hexdigest()
    assert not (ork.folder / ".ork").exists()
    golden("hash-object/empty.json", ork("hash-object", "empty", "--json").out)


def test_standard_input(ork, monkeypatch, tmp_path):
    path = ork.write("file", "some text\n")
    with path.open() as file:
        monkeypatch.setattr("sys.stdin", file)
        assert ork("hash-object", "-").out == ork("hash-object", "file").out


def test_what_cannot_be_read(ork):
    for name in ("nowhere", "."):
        result = ork("hash-object", name)
        assert (result.code, result.out) == (3, "")
        assert f"cannot read {name}" in result.err
    assert ork("hash-object").code == 2
    assert json.loads(ork("hash-object", "x", "--json").err)["data"]["exit_code"] == 3
