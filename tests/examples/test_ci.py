"""The script that tells what a pull request changes, in a real repository."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples/ci/diff.sh"
WORKFLOW = "name: {0}\ntasks: {{load: {{executor: process, command: sh load.sh}}}}\n"


@pytest.fixture
def repo(ork):
    """A repository with two workflows on main, of which a branch changes one."""

    def git(*words):
        options = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        subprocess.run(["git", *options, *words], cwd=ork.folder, env=environ, check=True)

    environ = {**ork.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    git("init", "-q", "-b", "main")
    ork.write("load.sh", "echo 1\n")
    for name in ("etl", "gone"):
        ork.write(f"{name}.yaml", WORKFLOW.format(name))
    git("add", ".")
    git("commit", "-qm", "First")
    git("checkout", "-q", "-b", "branch")
    return ork, git, environ


def tell(repo):
    ork, _, environ = repo
    done = subprocess.run(
        ["sh", str(SCRIPT), "main", "*.yaml"],
        cwd=ork.folder,
        env=environ,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.slow
def test_a_merge_request_gets_what_is_wrong_and_does_not_pass(repo):
    ork, _, environ = repo
    job = YAML(typ="safe").load((ROOT / "examples/ci/gitlab.yml").read_text())["workflows"]
    _, *steps = job["script"]
    ork.write(job["variables"]["ORK_DIFF"], SCRIPT.read_text())
    script = "\n".join(steps)
    words = ["bash", "-e", "-o", "pipefail", "-c", script]

    def run(files="*.yaml"):
        done = subprocess.run(
            words,
            cwd=ork.folder,
            env={
                **environ,
                **job["variables"],
                "ORK_FILES": files,
                "CI_MERGE_REQUEST_DIFF_BASE_SHA": "main",
            },
            capture_output=True,
            text=True,
        )
        report = ork.folder / job["artifacts"]["reports"]["codequality"]
        return done, json.loads(report.read_text())

    done, report = run()
    assert (done.returncode, report) == (0, [])
    ork.write("etl.yaml", WORKFLOW.format("etl").replace("process", "proces"))
    done, report = run()
    assert done.returncode != 0 and "etl.yaml:2:26: executor must be" in done.stdout
    assert [one["location"]["path"] for one in report] == ["etl.yaml"]
    assert "### `etl.yaml` is not valid" in (ork.folder / "ork.md").read_text()
    done, _ = run("no/*.yaml")
    assert (done.returncode, done.stderr) == (1, "no file is called no/*.yaml\n")


GH = """#!/bin/sh
# Keeps one comment in a file, and says what it was asked.
echo "$1 $2 $3" >>"$SAID"
case "$*" in
    *PATCH*body=@*) cp "${7#body=@}" "$COMMENT" ;;
    *DELETE*) rm "$COMMENT" ;;
    "pr comment"*) cp "$5" "$COMMENT" ;;
    *) if [ -e "$COMMENT" ]; then echo 7; fi ;;
esac
"""


@pytest.mark.slow
def test_a_pull_request_is_checked_and_told_of_what_is_wrong(repo, tmp_path):
    ork, _, environ = repo
    action = YAML(typ="safe").load((ROOT / "examples/ci/github/action.yml").read_text())
    *_, check, comment = action["runs"]["steps"]
    words = ["bash", "-e", "-o", "pipefail", "-c", check["run"]]

    def run(files="*.yaml"):
        env = {**environ, "FILES": files, "RUNNER_TEMP": str(tmp_path)}
        done = subprocess.run(words, cwd=ork.folder, env=env, capture_output=True, text=True)
        return done.returncode, done.stdout

    assert run()[0] == 0
    assert run("no/*.yaml") == (1, "::error::no file is called no/*.yaml\n")
    ork.write("etl.yaml", WORKFLOW.format("etl").replace("process", "proces"))
    code, told = run()
    assert code != 0 and told.startswith("::error file=etl.yaml,line=2,")
    assert comment["if"] == "success() || failure()"


@pytest.mark.slow
def test_the_comment_on_a_pull_request_is_renewed_and_goes_with_what_it_tells(repo, tmp_path):
    ork, git, environ = repo
    action = YAML(typ="safe").load((ROOT / "examples/ci/github/action.yml").read_text())
    script = action["runs"]["steps"][-1]["run"]
    comment, fake = tmp_path / "comment", tmp_path / "bin" / "gh"
    fake.parent.mkdir()
    fake.write_text(GH)
    fake.chmod(0o755)
    git("update-ref", "refs/remotes/origin/main", "main")
    given = {
        **environ,
        "PATH": f"{fake.parent}:{environ['PATH']}",
        "ACTION": str(ROOT / "examples/ci/github"),
        "BASE": "main",
        "FILES": "*.yaml",
        "NUMBER": "3",
        "GITHUB_REPOSITORY": "ada/flows",
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
        "RUNNER_TEMP": str(tmp_path),
        "COMMENT": str(comment),
        "SAID": str(tmp_path / "said"),
    }

    def pushed(text):
        ork.write("etl.yaml", text)
        git("commit", "-qam", "Next")
        words = ["bash", "-e", "-o", "pipefail", "-c", script]
        subprocess.run(words, cwd=ork.folder, env=given, check=True)
        return comment.read_text() if comment.exists() else None

    first = WORKFLOW.format("etl")
    assert "daily" in pushed(first + "schedule: '@daily'\n")
    assert "hourly" in pushed(first + "schedule: '@hourly'\n")
    assert comment.read_text().startswith("<!-- ork -->\n### etl: ")
    assert pushed(first) is None
    assert (tmp_path / "said").read_text().count("pr comment 3") == 1


@pytest.mark.slow
def test_nothing_is_told_of_nothing(repo):
    ork, git, _ = repo
    ork.write("README", "about\n")
    git("add", ".")
    git("commit", "-qm", "Second")
    assert tell(repo) == ""
    assert not (ork.folder / ".ork").exists()


@pytest.mark.slow
def test_code_that_a_workflow_calls_is_told_as_well(repo):
    ork, git, _ = repo
    ork.write("load.sh", "echo 2\n")
    ork.write("new.yaml", WORKFLOW.format("new"))
    (ork.folder / "gone.yaml").unlink()
    git("add", "-A")
    git("commit", "-qm", "Second")
    page = tell(repo)
    assert page.startswith("### `gone.yaml` is gone\n\n### etl: ")
    assert "### `new.yaml` is new\n\n```mermaid\nflowchart TD\n" in page
    assert "-echo 1\n+echo 2\n" in page
    assert ":etl.yaml` (" in page and str(ork.folder.parent) not in page
    left = subprocess.run(
        ["git", "worktree", "list"], cwd=ork.folder, capture_output=True, text=True, check=True
    )
    assert left.stdout.count("\n") == 1, "the old version is left behind"


@pytest.mark.slow
def test_a_workflow_that_was_not_valid_before_is_told_beside_the_others(repo):
    ork, git, _ = repo
    ork.write("etl.yaml", WORKFLOW.format("etl").replace("process", "proces"))
    git("commit", "-qam", "Wrong")
    git("branch", "-f", "main")
    ork.write("etl.yaml", WORKFLOW.format("etl"))
    ork.write("gone.yaml", WORKFLOW.format("gone").replace("load.sh", "load.sh -v"))
    git("commit", "-qam", "Right")
    page = tell(repo)
    assert page.startswith("### `etl.yaml` is valid now\n\n```mermaid\nflowchart TD\n")
    assert "### gone: " in page


@pytest.mark.parametrize("name", ["etl", "new"])
def test_a_workflow_that_is_not_valid_is_told_beside_the_others(repo, name):
    ork, git, _ = repo
    ork.write(f"{name}.yaml", WORKFLOW.format(name).replace("process", "proces"))
    ork.write("gone.yaml", WORKFLOW.format("gone").replace("load.sh", "load.sh 2"))
    git("add", ".")
    page = tell(repo)
    told = f"### `{name}.yaml` is not valid\n\n    {name}.yaml:2:26: executor must be"
    assert told in page
    assert "### gone: " in page and "load.sh 2" in page


@pytest.mark.slow
def test_code_that_several_workflows_share_is_told_once(repo):
    ork, git, _ = repo
    two = "{0}, b: {{executor: process, command: ls, depends_on: [load]}}}}\n"
    for name in ("etl", "gone"):
        ork.write(f"{name}.yaml", two.format(WORKFLOW.format(name).rstrip("}\n") + "}"))
    git("commit", "-qam", "Second")
    git("branch", "-f", "main")
    ork.write("load.sh", "echo 2\n")
    git("commit", "-qam", "Third")
    page = tell(repo)
    assert page.count("-echo 1\n+echo 2\n") == page.count("```mermaid\n") == 1
    first, second = page.split("### gone: ")
    assert "(as above" not in first and second.count("\n(as above, of etl)\n") == 2
    assert second.count("`load.sh` +1 -1") == 1


@pytest.mark.slow
def test_what_one_comment_has_no_room_for_has_its_title(repo):
    ork, git, _ = repo
    names = ("a", "b", "c")
    for name in names:
        ork.write(f"{name}.yaml", WORKFLOW.format(name).replace("load.sh", f"{name}.sh"))
        ork.write(f"{name}.sh", "echo 1\n")
    git("add", ".")
    git("commit", "-qm", "Second")
    git("branch", "-f", "main")
    for name in names:
        ork.write(f"{name}.sh", "".join(f"echo {'x' * 90} {name}\n" for _ in range(350)))
    git("commit", "-qam", "Third")
    page = tell(repo)
    assert len(page) < 65_536
    assert [page.count(f" {name}\n") for name in names] == [350, 0, 0]
    for name in names[1:]:
        assert f"### {name}: 1 code file changed" in page
    assert page.count("(there is no room to show more)\n") == 2


@pytest.mark.slow
def test_a_file_that_was_renamed_is_compared_with_what_it_was(repo):
    ork, git, _ = repo
    text = WORKFLOW.format("etl").replace("load.sh", "load.sh --all")
    ork.write("nightly etl.yaml", text)
    (ork.folder / "etl.yaml").unlink()
    git("add", "-A")
    git("commit", "-qm", "Second")
    page = tell(repo)
    assert page.startswith("### `etl.yaml` is `nightly etl.yaml` now\n\n### etl: 1 task changed")
    assert "`sh load.sh` | `sh load.sh --all`" in page.replace('"', "")


def test_two_files_need_no_store(ork):
    for name, command in (("a", "ls"), ("b", "ls -l")):
        text = f"name: etl\ntasks: {{t: {{executor: process, command: {command}}}}}\n"
        ork.write(f"{name}.yaml", text)
    said = ork("diff", "a.yaml", "b.yaml", "--exit-code")
    assert (said.code, said.err) == (1, "")
    assert 'command  "ls" -> "ls -l"' in said.out
    assert not (ork.folder / ".ork").exists()
