"""ork rev-parse"""

import json


def test_revisions_become_oids(history, golden):
    result = history(
        "rev-parse",
        "etl",
        "etl~1",
        "etl^{snapshot}",
        "etl:load",
        "etl:load.sh",
        "etl:",
        "file:etl.yaml",
    )
    assert (result.code, result.err) == (0, "")
    golden("rev-parse/some.txt", result.out)


def test_rev_parse_as_json(history, golden):
    golden("rev-parse/some.json", history("rev-parse", "etl", "etl:load", "--json").out)


def test_a_short_oid_is_accepted_back(history):
    for revision in ("etl", "etl~2", "etl^{snapshot}", "etl:load"):
        short = history("rev-parse", "--short", revision).out.strip()
        assert len(short) == 8
        assert history("rev-parse", short).out == history("rev-parse", revision).out


def test_one_unknown_revision_prints_nothing(history):
    result = history("rev-parse", "etl", "nowhere")
    assert (result.code, result.out) == (3, "")


def test_without_a_revision(history):
    result = history("rev-parse")
    assert result.code == 2
    assert "REVISION" in result.err


def test_the_oid_of_an_outcome_is_accepted_back(ran):
    for revision in ("etl#1:load", "etl#2:load", "etl#2:extract"):
        oid = ran("rev-parse", revision).out.strip()
        assert ran("rev-parse", oid).out.strip() == oid
        assert ran("rev-parse", "--short", revision).out.strip() == oid
        assert ran("show", oid).out == ran("show", revision).out
        assert ran("cat-object", oid).out == ran("cat-object", revision).out
        run = json.loads(ran("show", revision[:5], "--json").out)["data"]["run"]
        assert oid in ran("ls-tree", run["tasks"]).out
    unknown = ran("show", "0" * 64)
    assert (unknown.code, unknown.out) == (3, "")
    assert "no object 0000" in unknown.err
