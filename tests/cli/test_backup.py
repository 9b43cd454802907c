"""ork backup"""

import pytest


@pytest.mark.slow
def test_backup(ran, golden):
    result = ran("backup", "../copy")
    golden("backup/made.txt", result.out + result.err)
    assert result.code == 0
    assert ran("--store", "../copy/.ork", "fsck", "--full").code == 0
    assert ran("--store", "../copy/.ork", "log").out == ran("log").out
    assert ran("backup", "../copy").code == 3
    assert ran("backup", ".ork/copy").code == 2
    archive = ran("backup", "../copy.tar.gz")
    assert (archive.code, "hint: name it copy.orkbackup" in archive.err) == (2, True)
    assert ran("backup", "../nowhere/copy").code == 4


def test_what_people_told_the_store_is_in_no_backup_and_named(ran):
    note = "note: not in the backup: "
    assert note not in ran("backup", "../first").err
    ran.write(".ork/config.toml", "[keep]\nruns = 5\n")
    assert f"{note}.ork/config.toml\n" in ran("backup", "../second.orkbackup").err
    assert ran("remote", "add", "copy", "../first").code == 0
    assert f"{note}.ork/config.toml, .ork/remotes.json\n" in ran("backup", "../third").err


def test_where_the_data_lie_is_nothing_that_a_backup_lacks(ork):
    ork.write("w.yaml", "name: w\ntasks: {a: {executor: process, command: echo}}\n")
    assert ork("init", "--store", "sqlite:../data.db").code == 0
    assert ork("deploy", "w.yaml").code == 0
    assert "note: " not in ork("backup", "../copy").err


def test_json(ran, golden):
    text = ran("backup", "../copy", "--json").out
    golden("backup/made.json", text.replace(str(ran.folder.parent), ""))


@pytest.mark.slow
def test_a_file_and_a_store_made_of_it(ran, golden, monkeypatch):
    result = ran("backup", "../copy.orkbackup")
    golden("backup/file.txt", result.out + result.err)
    assert ran("bundle", "verify", "../copy.orkbackup").code == 0
    assert ran("bundle", "list", "../copy.orkbackup").code == 0
    (ran.folder.parent / "new").mkdir()
    result = ran("init", "--from", "../copy.orkbackup", "../new")
    golden("init/from.txt", (result.out + result.err).replace(str(ran.folder.parent), ""))
    assert result.code == 0
    for words in (("log",), ("runs",), ("ops",), ("logs", "etl#1")):
        assert ran("--store", "../new/.ork", *words) == ran(*words)
    assert ran("--store", "../new/.ork", "fsck", "--full").code == 0
    assert ran("init", "--from", "../copy.orkbackup", "../new").code == 3
    assert ran("init", "--from", "../nowhere", "..").code == 3
    assert ran("init", "--from", "../nowhere", "../new/er/still").code == 3
    assert not (ran.folder.parent / "new/er").exists() and (ran.folder.parent / "new").exists()
    assert ran("import", "bundle", "../copy.orkbackup").code == 3
    monkeypatch.chdir("../new")
    assert ran("restore", "etl", "--code").code == 0
    for name in ("etl.yaml", "load.sh", "tasks/etl.py"):
        assert (ran.folder.parent / "new" / name).read_text() == (ran.folder / name).read_text()


def test_what_was_seen_in_a_remote_counts_not_without_its_address_and_can_be_removed(ran, edit):
    ran("clone", ".", "../team")
    ran("remote", "add", "origin", "../team")
    ran("fetch")
    edit("load.sh", "#!/bin/sh\n", "#!/bin/sh\n# x\n")
    ran("deploy")
    assert "1 ahead of origin" in ran("status").out
    ran("backup", "../copy.orkbackup")
    ran("init", "--from", "../copy.orkbackup", "../new")
    new = ("--store", "../new/.ork")
    assert "ahead of" not in ran(*new, "status").out
    assert "origin/etl" in ran(*new, "log").out
    assert ran(*new, "push").code == 3
    assert ran(*new, "remote", "rm", "origin").out == "removed origin\n"
    assert "origin/etl" not in ran(*new, "log").out
    assert ran(*new, "remote", "rm", "origin").code == 3


@pytest.mark.parametrize("url", ["sqlite:../copy", "postgresql://ada:{}@host/team"])
def test_a_backup_is_not_written_to_the_url_of_a_store(etl, url):
    assert etl("deploy", "etl.yaml").code == 0
    refused = etl("backup", url.format("secret"))
    assert refused.code == 2 and "secret" not in refused.err
    assert "hint: `ork init --store URL --from BACKUP`" in refused.err
    assert not [path for path in etl.folder.parent.iterdir() if path.name == "copy"]
    assert not [path for path in etl.folder.iterdir() if ":" in path.name]


def test_a_backup_is_not_written_to_a_stream(etl):
    assert etl("deploy", "etl.yaml").code == 0
    refused = etl("backup", "-")
    assert (refused.code, (etl.folder / "-").exists()) == (2, False)
