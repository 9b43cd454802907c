"""ork init"""


def test_init_makes_an_empty_store_and_says_where(ork, golden, masked):
    result = ork("init")
    assert result.code == 0
    golden("init/first.txt", masked(result.out + result.err))
    assert sorted(path.name for path in (ork.folder / ".ork").iterdir()) == [
        ".gitignore",
        "anchor",
        "config.json",
        "db",
        "logs",
    ]


def test_init_again_changes_nothing(etl):
    etl("deploy", "etl.yaml", "-m", "First")
    result = etl("init")
    assert result.code == 0
    assert "a store already" in result.out
    assert "First" in etl("log").out


def test_init_of_another_folder(ork):
    (ork.folder / "below").mkdir()
    assert ork("init", "below").code == 0
    assert (ork.folder / "below/.ork/config.json").is_file()
    assert not (ork.folder / ".ork").exists()


def test_init_of_a_chosen_store(ork, tmp_path):
    assert ork("--store", str(tmp_path / "chosen"), "init").code == 0
    assert (tmp_path / "chosen/config.json").is_file()
    assert not (ork.folder / ".ork").exists()


def test_init_of_what_is_no_folder(ork):
    ork.write("file", "")
    for name in ("file", "nowhere"):
        result = ork("init", name)
        assert result.code == 2
        assert f"{name} is not a folder" in result.err


def test_init_where_nothing_can_be_made(ork):
    result = ork("--store", "/proc/nowhere/.ork", "init")
    assert result.code == 4
    assert "no store can be made" in result.err
    assert "hint: " in result.err


def test_a_store_in_a_folder_above_is_found(etl, monkeypatch):
    etl("init")
    etl("deploy", "etl.yaml")
    monkeypatch.chdir(etl.folder / "tasks")
    assert etl("log", "etl").code == 0
