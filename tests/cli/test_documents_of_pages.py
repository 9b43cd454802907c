"""The documents that only pages have; the others are what commands print."""

import re

import pytest

from ork.cli.screen.line import json_text
from ork.cli.web import pages
from ork.cli.web.page import Asked
from tests.conftest import START


@pytest.mark.parametrize(
    ("answer", "path", "query"),
    [
        (pages.overview, {}, {}),
        (pages.workflow, {"workflow": "etl"}, {}),
        (pages.found, {}, {"q": "wait"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_document_that_only_a_page_has(answer, path, query, ran, opened, golden, masked):
    page = answer(Asked(store=opened(), now=START, path=path, query=query))
    text = masked(json_text(page.schema, page.document))
    text = re.sub(r'"seconds": [0-9.e-]+', '"seconds": "SECONDS"', text)
    golden(f"web/{page.schema}.json", text + "\n")
