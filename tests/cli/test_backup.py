"""ork backup"""


def test_backup(ran, golden):
    result = ran("backup", "../copy")
    golden("backup/made.txt", result.out + result.err)
    assert result.code == 0
    assert ran("--store", "../copy/.ork", "fsck", "--full").code == 0
    assert ran("--store", "../copy/.ork", "log").out == ran("log").out
    assert ran("backup", "../copy").code == 3
    assert ran("backup", ".ork/copy").code == 2
    assert ran("backup", "../nowhere/copy").code == 4


def test_json(ran, golden):
    text = ran("backup", "../copy", "--json").out
    golden("backup/made.json", text.replace(str(ran.folder.parent), ""))
