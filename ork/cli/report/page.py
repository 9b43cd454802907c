"""Pages from templates. What a template is given is data: escaped, with nothing hidden in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ork.cli.diff import wording
from ork.cli.pictures.change import nearest
from ork.cli.pictures.fold import folded
from ork.cli.pictures.graph import Graph
from ork.cli.pictures.looks import ALL_COLORS, COLORS, PLAIN_COLOR, SIGNS, STATE_SIGNS
from ork.cli.pictures.svg import svg
from ork.cli.report.charts import bars
from ork.cli.screen import human
from ork.cli.screen.line import visible, without_colors
from ork.cli.screen.parts import clip, telling_first
from ork.differences.impact import by_reason
from ork.differences.tasks import alike, in_common
from ork.objects.canonical import Json, indented
from ork.objects.kinds import format_time, is_name
from ork.store.verdict import taint_text

if TYPE_CHECKING:
    from jinja2 import Environment

Link: TypeAlias = Callable[..., str | None]

VALUE_CHARS_MAX = 4_000
LINES_MAX = 200  # of one error, value or log
LINE_CHARS_MAX = 1_000
CODE_LINES_MAX = 5_000  # of one diff
PIECES_AT_ONCE = 200  # of a page that is being written


class Page(str):
    """The text of a page, which a notebook shows in a frame of its own, where no script runs."""

    def __repr__(self) -> str:
        return f"<Page of {len(self):,} characters>"

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 40em; border: 1px solid #8888"
        return f'<iframe sandbox="" style="{style}" srcdoc="{escape(self)}"></iframe>'


def render(template: str, **values: Any) -> Iterator[str]:
    """Yield the text of a page as it is drawn, since a report may be long."""
    stream = environment().get_template(f"report/templates/{template}.html").stream(**values)
    stream.enable_buffering(PIECES_AT_ONCE)
    return stream


def leads_nowhere(kind: str, *names: object) -> None:
    """Return the address of a page about something: a report has none beside itself."""


@cache
def environment(
    frame: str = "report/templates/page.html", link: Link = leads_nowhere
) -> Environment:
    """Return what all templates share. Only the SVG that ork draws itself is marked as safe.

    `frame` is what a page stands in; `link` tells the address of the page about a run, a task...
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    names = "LEGEND counts field_hunks many reach reason unkept"
    found.globals |= {name: getattr(wording, name) for name in names.split()}
    found.globals |= {
        "frame": frame,
        "link": link,
        "COLORS": {**ALL_COLORS, "plain": PLAIN_COLOR},
        "SIGNS": SIGNS,
        "STATE_SIGNS": STATE_SIGNS,
        "STATE_WORDS": human.STATE_WORDS,
        "BEGAN_BY": human.BEGAN_BY,
        "alike": alike,
        "by_reason": by_reason,
        "in_common": in_common,
        "outcome_of": human.outcome,
        "became": lambda *changes: wording.drawn(wording.became(*changes), name=str, aside=", {}"),
        "code_lines": _code_lines,
        "looks_of": _looks_of,
        "small": lambda graph, tasks_max: nearest(folded(graph), tasks_max),
        "remarks": lambda file: wording.drawn(wording.remarks(file), name=str, aside=", {}"),
        "run_counts": lambda counts: sorted(counts.items(), key=lambda one: one[0] != "success"),
        "taint_text": taint_text,
        "telling_first": telling_first,
        "bars": bars,
        "on_web": link is not leads_nowhere,
        "svg": lambda graph, leads: "\n".join(
            svg(graph, lambda task: link(*leads, task) if leads and is_name(task) else None)
        ),
    }
    found.filters |= {
        "clip": clip,
        "combined": lambda one, other: {**one, **other},
        "date": human.date,
        "duration": human.duration,
        "made_up": human.made_up,
        "took": human.took,
        "iso": format_time,
        "json": _json,
        "log_lines": _log_lines,
        "log_text": without_colors,
        "near": human.near,
        "slot": human.slot,
        "value": wording.value_text,
    }
    found.tests["by_line"] = lambda field: wording.field_texts(field) is not None
    return found


def _shown(value: object) -> object:
    """Return what a template shows of a value: markup as it is, a text with all that is in it."""
    if value is None:
        return ""
    is_data = isinstance(value, str) and not hasattr(value, "__html__")
    return visible(str(value)) if is_data else value


def _looks_of(graph: Graph) -> list[str]:
    """Return the looks that a legend explains, in one order for all pictures."""
    found = {graph.look(name) for name in graph.needs}
    return [look for look in dict.fromkeys((*wording.LEGEND, *COLORS)) if look in found]


def _code_lines(hunks: Any) -> list[tuple[str, str]]:
    """Return the lines of a diff and what each means, up to a limit."""
    found = list(wording.hunk_lines(hunks))
    if len(found) <= CODE_LINES_MAX:
        return found
    rest = f"and {len(found) - CODE_LINES_MAX:,} more lines: `ork diff -p` shows them"
    return [*found[:CODE_LINES_MAX], (rest, "hunk")]


def _log_lines(text: str) -> list[tuple[str, str]]:
    """Return the lines of an error, a value or a log, the middle of a long one left out."""
    found = [(clip(line, LINE_CHARS_MAX), "") for line in text.rstrip("\n").split("\n")]
    if len(found) <= LINES_MAX:
        return found
    rest = f"... {len(found) - LINES_MAX:,} lines ..."
    return [*found[: LINES_MAX // 2], (rest, "hunk"), *found[-LINES_MAX // 2 :]]


def _json(value: Json) -> str:
    text = indented(value)
    if len(text) > VALUE_CHARS_MAX:
        rest = len(text) - VALUE_CHARS_MAX
        text = f"{text[:VALUE_CHARS_MAX]}\n... and {rest:,} more characters"
    return text
