"""ork cat-object"""

import json

from ork.objects.canonical import hash_bytes


def test_the_stored_bytes_hash_to_the_oid(history):
    for revision in ("etl", "etl^{snapshot}", "etl:load", "etl:load.sh", "etl:"):
        oid = history("rev-parse", revision).out.strip()
        assert hash_bytes(history("cat-object", "--raw", oid).out.encode()) == oid


def test_the_payload_byte_for_byte(history, golden):
    golden("cat-object/deploy.txt", history("cat-object", "etl").out)
    assert history("cat-object", "etl:load.sh").out == (history.folder / "load.sh").read_text()
    assert history("cat-object", "etl:").out == (history.folder / "etl.yaml").read_text()


def test_kind_and_size(history):
    assert history("cat-object", "--kind", "etl").out == "deploy\n"
    assert history("cat-object", "--kind", "etl:tasks/etl.py").out == "blob\n"
    assert history("cat-object", "--size", "etl:load.sh").out == "73\n"


def test_cat_object_as_json(history, golden):
    golden("cat-object/blob.json", history("cat-object", "etl:load.sh", "--json").out)
    document = json.loads(history("cat-object", "etl^{snapshot}", "--json").out)["data"]
    assert document["kind"] == "snapshot"
    assert document["payload"]["task_count"] == 2


def test_an_object_that_is_not_there(history):
    assert history("cat-object", "f" * 64).code == 3
    assert history("cat-object", "ffff").code == 3
    assert history("cat-object").code == 2


def test_damage_is_noticed(history, damage):
    oid = history("rev-parse", "etl:load").out.strip()
    damage(oid)
    for command in (["cat-object", "--raw", oid], ["cat-object", oid], ["show", "etl:load"]):
        result = history(*command)
        assert (result.code, result.out) == (4, "")
        assert f"object {oid} is damaged" in result.err
