"""Two revisions -> what differs, and what is read for it."""

import pytest

from ork.errors import NotFound, UsageError
from ork.history import compare
from ork.history.compare import diff, ends
from ork.objects.kinds import Deploy
from ork.store.resolve import resolve
from tests.stores import NOON, stamp

TEXT = """\
name: etl
schedule: "@daily"
tasks:
  extract: {executor: process, command: ./run.sh, timeout: 1}
  load: {executor: process, command: "true", depends_on: [extract]}
"""


@pytest.fixture
def etl(project, keep, monkeypatch):
    """Three deploys: a longer timeout, then another script and schedule."""
    monkeypatch.chdir(project.project)
    (project.project / "run.sh").write_text("echo one\n")
    keep(TEXT)
    keep(TEXT.replace("timeout: 1", "timeout: 2"), hours=1)
    (project.project / "run.sh").write_text("echo two\n")
    keep(TEXT.replace("timeout: 1", "timeout: 2").replace("@daily", "@hourly"), hours=2)
    return project


def changes(store, old, new):
    found = diff(store, old, new, now=NOON).diff
    return (
        [f"{task.kind} {task.name}.{field.path}" for task in found.tasks for field in task.fields],
        [f"{setting.kind} {setting.path}" for setting in found.settings],
        [f"{file.kind} {file.path}" for file in found.files],
    )


def test_deploys_are_compared_with_their_settings(etl):
    assert changes(etl, "etl~2", "etl~1") == (["changed extract.timeout"], [], [])
    assert changes(etl, "etl~1", "etl") == ([], ["changed schedule"], ["changed run.sh"])
    assert changes(etl, "etl~2", "etl") == (
        ["changed extract.timeout"],
        ["changed schedule"],
        ["changed run.sh"],
    )


def test_a_revision_does_not_differ_from_itself(etl):
    for text in ("etl", "etl~2", "etl^{snapshot}", "file:etl.yaml"):
        assert not diff(etl, text, text, now=NOON).diff


def test_a_file_is_compared_as_it_is(etl, monkeypatch):
    assert not diff(etl, "etl", "file:etl.yaml", now=NOON).diff
    (etl.project / "run.sh").write_text("echo three\n")
    found = diff(etl, "etl", "file:etl.yaml", now=NOON)
    assert [(file.added_lines, file.removed_lines) for file in found.diff.files] == [(1, 1)]
    assert (found.old.workflow, found.new.workflow, found.new.deploy) == ("etl", "etl", None)


def test_both_ends_say_what_they_are(etl):
    found = diff(etl, "etl~1", "etl@{2}", now=NOON)
    assert (found.old.text, found.new.text) == ("etl~1", "etl@{2}")
    assert found.new.deploy == resolve(etl, "etl~2", now=NOON).oid
    assert found.old.snapshot != found.new.snapshot


def test_two_workflows_can_be_compared(etl, keep):
    keep(TEXT.replace("name: etl", "name: other"), path="other.yaml")
    assert changes(etl, "etl~1", "other") == (["changed extract.timeout"], [], ["changed run.sh"])


def test_equal_subtrees_are_not_read(etl, keep, monkeypatch):
    rows = "".join(f"  t{n}: {{executor: process, command: echo {n}}}\n" for n in range(600))
    keep("name: large\ntasks:\n" + rows, path="large.yaml")
    keep("name: large\ntasks:\n" + rows.replace("echo 77}", "echo x}"), path="large.yaml")
    read = []
    original = type(etl).raw
    monkeypatch.setattr(type(etl), "raw", lambda self, oid: read.append(oid) or original(self, oid))
    etl._cache.clear()
    found = diff(etl, "large~1", "large", now=NOON).diff
    assert [task.name for task in found.tasks] == ["t77"]
    assert len(read) < 20


def test_the_two_ends_of_a_diff(etl):
    def both(*revisions):
        return ends(etl, revisions, now=NOON)

    assert both("etl~1", "etl") == ("etl~1", "etl")
    assert both("etl~1..etl") == ("etl~1", "etl")
    assert both("etl~1..") == ("etl~1", "etl")
    assert both("..etl~1") == ("@", "etl~1")
    assert both() == ("etl", "file:etl.yaml")
    assert both("etl") == ("etl", "file:etl.yaml")
    assert both("etl~1") == ("etl~1", "file:etl.yaml")
    assert both("etl.yaml") == ("etl", "file:etl.yaml")
    assert both("etl~1", "etl.yaml") == ("etl~1", "file:etl.yaml")
    with pytest.raises(UsageError, match="two ends"):
        both("a", "b", "c")


def test_a_file_that_is_gone_has_no_end(etl):
    (etl.project / "etl.yaml").unlink()
    with pytest.raises(NotFound, match="which is not here"):
        ends(etl, ["etl"], now=NOON)


def test_a_first_deploy_is_compared_with_nothing(etl):
    first = etl.get(Deploy, resolve(etl, "etl~2", now=NOON).oid)
    found = compare.compare_deploys(etl, None, first)
    assert {task.kind for task in found.tasks} == {"added"}
    assert len(found.settings) == 1
    assert stamp().time == first.time
