"""ork import"""

import pytest

from tests.git.repositories import FLOW, Repository


@pytest.fixture
def repo(ork):
    repo = Repository(ork.folder.parent / "pipelines")
    repo.commit("First", {"flows/etl.yaml": FLOW, "flows/run.sh": "#!/bin/sh\n"})
    repo.commit("Break it", {"flows/etl.yaml": FLOW + "steps: 3\n"})
    repo.commit("\x1b[31mDaily", {"flows/etl.yaml": FLOW + "schedule: '@daily'\n"})
    repo("tag", "v1")
    return repo


def load(ork, *words):
    return ork("import", "git", "../pipelines", "--path", *words)


def test_a_history(ork, repo, golden):
    result = load(ork, "flows/etl.yaml")
    assert result.code == 0
    golden("import/new.txt", result.out + result.err)
    golden("import/log.txt", ork("log", "etl").out)


def test_again(ork, repo, golden):
    load(ork, "flows/*.yaml")
    again = load(ork, "flows/*.yaml")
    repo.commit("Code", {"flows/run.sh": "x"})
    more = load(ork, "flows/*.yaml")
    golden("import/again.txt", again.out + again.err + more.out + more.err)


def test_what_went_different_ways(ork, repo, golden):
    load(ork, "flows/etl.yaml")
    ork("restore", "etl", "--code")
    file = ork.folder / "flows" / "etl.yaml"
    file.write_text(file.read_text().replace("@daily", "0 5 * * *"))
    assert ork("deploy", "flows/etl.yaml", "-m", "At five").code == 0
    repo.commit("Code", {"flows/run.sh": "x"})
    refused = load(ork, "flows/etl.yaml")
    assert refused.code == 5
    forced = load(ork, "flows/etl.yaml", "--force")
    assert forced.code == 0
    shown = ork("diff", "etl~1", "etl").out
    golden("import/ways.txt", refused.err + forced.out + forced.err + shown)


def test_json(ork, repo, golden):
    golden("import/json.json", load(ork, "flows/etl.yaml", "--json").out)


def test_a_path_that_never_was(ork, repo, golden):
    result = load(ork, "flows/elt.yaml")
    assert result.code == 3
    golden("import/unknown.txt", result.err)


def test_a_workflow_with_a_history_of_its_own(etl, repo, golden):
    etl("deploy", "etl.yaml")
    result = load(etl, "flows/etl.yaml")
    assert result.code == 3
    golden("import/own.txt", result.err)


def test_a_shallow_clone_is_told(ork, repo, golden):
    repo("clone", "-q", "--depth=1", f"file://{repo.folder}", str(ork.folder / "clone"))
    result = ork("import", "git", "clone", "--path", "flows/etl.yaml")
    golden("import/shallow.txt", result.out + result.err)


def test_wrong_command_lines(ork, repo):
    assert ork("import", "svn", "../pipelines", "--path", "x").code == 2
    assert ork("import", "git", "../pipelines").code == 2
    assert ork("import", "git", "nowhere", "--path", "x").code == 3
    assert not (ork.folder / ".ork").exists()


def test_a_form_that_is_not_known_is_answered_with_one_that_is(ork):
    refused = ork("import", "svn", "../the pipelines")
    told = "'svn' is not known here: git, bundle and ork-db are\n"
    hint = "hint: as in `ork import git '../the pipelines' --path etl.yaml`\n"
    assert (refused.code, refused.err) == (2, f"error: {told}{hint}")
