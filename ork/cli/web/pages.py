"""The pages: what each is asked by its address, and what it shows."""

from __future__ import annotations

from ork.cli.web.page import Answer, Asked, Page
from ork.store.resolve import workflows


def overview(asked: Asked) -> Page:
    """Show all workflows."""
    names = workflows(asked.store)
    values = {"title": "Workflows", "names": names}
    return Page(
        template="web/templates/workflows.html", values=values, schema="workflows", document=names
    )


PAGES: tuple[tuple[str, Answer], ...] = (("/", overview),)
