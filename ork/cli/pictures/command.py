"""`ork graph`, in each of its formats."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ork.cli.session import Session
from ork.errors import UsageError

if TYPE_CHECKING:
    from ork.cli.pictures.graph import Graph
    from ork.store.store import Store

FORMATS = ("text", "mermaid", "dot", "svg", "json")


def command(
    ctx: typer.Context,
    revision: Annotated[
        str, typer.Argument(help="A revision, a workflow file or a run; A..B draws a change.")
    ] = "@",
    form: Annotated[
        str, typer.Option("--format", help="text, mermaid, dot, svg or json.")
    ] = "text",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as --format json.")] = False,
) -> None:
    """Draw which task needs which.

    What a task needs stands above it. Of a run, each task shows what became of it; pictures mark
    one whose code changed while it ran with !. Of a change, A..B, each shows whether it was added
    (+), removed (-), changed (~) or renamed (>), or can give another result because of what changed
    before it (● or *); what cannot is ○ or o.

    \b
    Example:
        ork graph etl --format svg -o etl.svg
        ork graph etl~1..etl
    """
    from ork.cli.pictures.graph import text_view
    from ork.cli.screen.line import has_boxes, plain

    session: Session = ctx.obj
    form = "json" if as_json else form
    if form not in FORMATS:
        raise UsageError(f"--format {form}: say {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    graph = _graph(session, revision)
    if form == "text":
        box = sys.stdout.isatty() and output is None and has_boxes(session.world.environ)
        if graph.marks is None:
            lines = text_view(graph, box=box)
        else:
            from ork.cli.pictures.change import change_lanes

            lines = change_lanes(graph, box=box)
        if output is None:
            session.print(lines, page=True)
            return
        text: Iterable[str] = (plain(line) for line in lines)
    else:
        text = _text(graph, form)
    if output is None:
        sys.stdout.writelines(f"{line}\n" for line in text)
        return
    from ork.cli.screen.output import write_text

    write_text(output, (f"{line}\n" for line in text))


def _graph(session: Session, revision: str) -> "Graph":
    from ork.cli.pictures.graph import Graph
    from ork.objects.kinds import Run
    from ork.store.contents import needs_of, task_runs
    from ork.store.resolve import snapshot_of
    from ork.store.revision import parse_range
    from ork.worktree.lookup import as_revision, look_up

    revision = as_revision(revision)
    store = _store(session, revision)
    if parse_range(revision):
        from ork.cli.pictures.change import change_of
        from ork.history.compare import diff, ends

        old, new = ends(store, [revision], now=session.now())
        return change_of(store, diff(store, old, new, now=session.now())).graph
    found = look_up(store, revision, now=session.now())
    needs = needs_of(store, store.snapshot(snapshot_of(found)))
    if found.kind == "run":
        run = store.get(Run, found.oid)
        return Graph(
            title=f"{run.workflow}#{run.number}", needs=needs, states=task_runs(store, run)
        )
    title = found.workflow or found.oid[:12]
    return Graph(title=title, needs=needs)


def _store(session: Session, revision: str) -> "Store":
    """Return the store of this folder; for a file one in memory does when there is none."""
    from ork.backends.memory import Memory
    from ork.errors import NotFound
    from ork.store.store import Store

    try:
        return session.store
    except NotFound:
        if not revision.startswith("file:"):
            raise
        return Store(Memory())


def _text(graph: "Graph", form: str) -> Iterable[str]:
    from ork.cli.pictures.graph import as_json, dot, mermaid
    from ork.cli.screen.line import json_text

    if form == "mermaid":
        return mermaid(graph)
    if form == "dot":
        return dot(graph)
    if form == "svg":
        from ork.cli.pictures.svg import svg

        return svg(graph)
    return [json_text("graph", as_json(graph))]
