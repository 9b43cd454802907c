"""docs/format.md is enough to read a store: a reader that was written from it alone does."""

from __future__ import annotations

import pytest

from tests.objects.second_reader import RECORDS, TABLES, Reader, fits

FLOW = """\
name: etl
params: {{rows: {{type: int, default: 3}}}}
tasks:
  extract: {{executor: python, file: etl.py, function: extract,
    inputs: {{rows: {{ref: params.rows}}}}, input_type: {{rows: int}}}}
  load: {{executor: process, command: "echo {word}; test {word} != bad", depends_on: [extract]}}
{more}"""


@pytest.fixture
def history(ork):
    """A store with three deploys, a rollback, a tag, good and bad runs, and a large output."""
    (ork.folder / "etl.py").write_text("def extract(rows): return {'text': 'x' * rows}\n")
    more = "".join(f"  t{n}: {{executor: process, command: 'true'}}\n" for n in range(100))
    for word, extra, rows in (("good", "", "3"), ("bad", more, "5000"), ("fine", more, "3")):
        (ork.folder / "etl.yaml").write_text(FLOW.format(word=word, more=extra))
        assert ork("run", "etl.yaml", "-i", f"rows={rows}").code == (word == "bad")
    assert ork("tag", "v1", "etl").code == 0
    assert ork("rollback", "etl").code == 0
    return Reader(ork.folder / ".ork")


@pytest.mark.slow
def test_a_second_reader_reads_and_checks_all_that_is_alive(history):
    kinds = history.check()
    assert kinds["deploy"] == 4
    assert kinds["operation"] == 5
    assert kinds["run"] == 6  # the pin and the end of each
    assert history.seen.keys() <= history.data.keys()


@pytest.mark.slow
def test_it_would_see_a_field_that_the_page_does_not_have(history):
    run = next(oid for name, oid in history.refs.items() if name.startswith("runs/"))
    _, value = history.object(run)
    assert fits("Run", value)
    assert not fits("Run", {**value, "later": 1})
    assert not fits("Run", {**value, "number": -1})
    assert not fits("Run", {**value, "place": None})


def test_every_kind_has_its_tables():
    assert {table for tables in RECORDS.values() for table in tables} <= TABLES.keys()
