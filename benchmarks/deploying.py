"""How fast a large workflow file becomes history, beside reading it naively."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from material import AUTHOR, START, large_workflow, new_store
from measure import Row, Times, interleaved, number, process, ratio, row, timed
from starting import ork

from ork.code import source
from ork.definition import signature
from ork.heads.deploy import Deployed, deploy
from ork.store.store import Stamp, Store

TASKS = 10_000
FIRST_AT_MOST = 2.4
AGAIN_AT_MOST = 2.2
SAME_AT_MOST = 0.6
BYTES_AT_MOST = 64 * 1024
STAMP = Stamp(time=START, author=AUTHOR)


def naive(text: bytes) -> object:
    """Build dicts, lists and texts from the fastest events that ruamel.yaml has, and no more.

    Nothing is checked and nothing has a type or a position: the least that reading can cost.
    """
    get_event, events = _parser(text)
    scalar = events.ScalarEvent
    list_start, list_end = events.SequenceStartEvent, events.SequenceEndEvent
    dict_start, dict_end = events.MappingStartEvent, events.MappingEndEvent

    def value(event: Any) -> object:
        if isinstance(event, scalar):
            return event.value
        if isinstance(event, list_start):
            items = []
            while not isinstance(event := get_event(), list_end):
                items.append(value(event))
            return items
        entries = {}
        while not isinstance(event := get_event(), dict_end):
            entries[value(event)] = value(get_event())
        return entries

    while not isinstance(event := get_event(), (scalar, list_start, dict_start)):
        pass
    return value(event)


def _parser(text: bytes) -> tuple[Any, Any]:
    from ruamel.yaml import events

    try:
        from _ruamel_yaml import CParser
    except ImportError:
        from ruamel.yaml import YAML

        stream = YAML(typ="safe", pure=True).parse(text.decode())
        return lambda: next(stream, None), events
    return CParser(text).get_event, events


def rows(folder: Path, quick: bool) -> Iterator[Row]:
    """Yield first deploy, redeploy and its size, in the process and as whole commands."""
    tasks = 1_000 if quick else TASKS
    repeats = 3 if quick else 7
    project = folder / "large"
    text = large_workflow(project, tasks)
    changed = large_workflow(project, tasks, changed=tasks // 2)
    (project / "first.yaml").write_bytes(text)
    (project / "changed.yaml").write_bytes(changed)
    (project / "naive.py").write_text(
        f"import sys\nsys.path[:0] = {sys.path!r}\nfrom deploying import naive\n"
        "import gc\ngc.disable()\nnaive(open('first.yaml', 'rb').read())\n"
    )
    bench = _Deploys(project, text)
    times = interleaved(
        {"naive": bench.naive, "first": bench.first, "again": bench.again, "same": bench.unchanged},
        repeats,
    )
    size = f"{tasks:,} tasks, {len(text) / 1e6:.1f} MB of YAML"
    yield row(f"parser events + naive building (= 1), {size}", times, "naive")
    yield row("first deploy", times, "first", "naive", at_most=FIRST_AT_MOST)
    yield row("redeploy, one task changed", times, "again", "naive", at_most=AGAIN_AT_MOST)
    yield row("redeploy, nothing changed", times, "same", "naive", at_most=SAME_AT_MOST)
    written = bench.written
    yield Row(
        what="bytes written by the redeploy",
        ratio=f"{written / 1024:.1f} KiB",
        budget="under 64 KiB",
        ok=written < BYTES_AT_MOST,
    )
    yield from _whole_commands(project, repeats)


class _Deploys:
    """Every action has a store of its own, made outside of what is measured."""

    def __init__(self, project: Path, text: bytes) -> None:
        self.project = project
        self.text = text
        self.count = 0
        self.written = 0

    def naive(self) -> float:
        return timed(lambda: naive(self.text))

    def first(self) -> float:
        store = self._store()
        return timed(lambda: self._deploy(store, "first.yaml"))

    def again(self) -> float:
        store = self._store()
        self._deploy(store, "first.yaml")
        # A store as another process would open it: nothing is cached.
        store = Store(store.backend, folder=store.folder)
        found: list[Deployed] = []
        # As if it were the same file, edited: the path makes no difference to the time.
        taken = timed(lambda: found.append(self._deploy(store, "changed.yaml", move=True)))
        self.written = found[0].bytes_written
        return taken

    def unchanged(self) -> float:
        store = self._store()
        self._deploy(store, "first.yaml")
        store = Store(store.backend, folder=store.folder)
        return timed(lambda: self._deploy(store, "first.yaml"))

    def _store(self) -> Store:
        self.count += 1
        return new_store(self.project.parent / f"deploys-{self.count}")

    def _deploy(self, store: Store, name: str, *, move: bool = False) -> Deployed:
        source._known.clear()  # as in another process, no code is known
        signature.read_module.cache_clear()
        return deploy(store, self.project / name, stamp=STAMP, move=move)


def _whole_commands(project: Path, repeats: int) -> Iterator[Row]:
    stores = iter(range(10**6))

    def first() -> None:
        process([*ork(), "--store", f"../cli-{next(stores)}", "deploy", "first.yaml"], project)()

    def naive_process() -> None:
        process([sys.executable, "naive.py"], project)()

    times: Times = interleaved({"naive": naive_process, "first": first}, max(3, repeats // 2))
    value, least = ratio(times, "first", "naive")
    yield Row(
        what="`ork deploy` as a whole, a process of naive building = 1",
        seconds=sorted(times["first"])[len(times["first"]) // 2],
        ratio=f"{number(value)} ({number(least)})",
    )
