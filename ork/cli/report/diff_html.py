"""A comparison -> one HTML page, the same parts that `ork report` is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ork.cli.diff.wording import headline
from ork.cli.pictures.graph import Graph
from ork.cli.report.change import change_header, change_sections
from ork.cli.report.page import page

if TYPE_CHECKING:
    from ork.differences.impact import Impact
    from ork.history.compare import Comparison


def html_view(comparison: Comparison, impact: Impact, graph: Graph) -> Iterator[str]:
    """Yield the lines of the page; it loads nothing, and the same change gives the same bytes."""
    parts = [change_header(comparison, impact), *change_sections(comparison.diff, impact, graph)]
    text = "".join(page(headline(comparison, impact), parts))
    yield from text.removesuffix("\n").split("\n")
