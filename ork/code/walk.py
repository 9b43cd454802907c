"""The walk from what a task names to all that it executes, from file to file."""

from __future__ import annotations

from typing import NamedTuple

from ork.code.steps import SEARCHED_MAX, File, Node, Open, Step, Steps, Written
from ork.code.use import Use

NODES_MAX = 100_000  # files of one task, in all circumstances in which it executes them


class Named(NamedTuple):
    """Why a file is executed: its role, and the file that names it, "" for the task itself."""

    role: str
    by: str


class Trail(NamedTuple):
    """All that one task executes, as far as reading tells."""

    files: dict[str, Named]
    open: tuple[Open, ...]
    writes: frozenset[str]
    copies: frozenset[tuple[str, str]] = frozenset()  # files, each with one that it is made of


def follow(steps: Steps, first: Step) -> Trail:
    """Return all that is executed by what executes these."""
    files: dict[str, Named] = {}
    opened: dict[Open, None] = {}
    writes: set[str] = set()
    copies: set[tuple[str, str]] = set()
    seen: set[Node] = set()
    added: dict[Node, frozenset[str]] = {}  # of each program, by all of its files
    todo = [(first, "")]
    while todo:
        step, by = todo.pop()
        if len(seen) > NODES_MAX:
            opened[Open("", Use("unclear"))] = None
            break
        nodes = []
        for item in step:
            if isinstance(item, File):
                files.setdefault(item.path, Named(item.role, by))
            elif isinstance(item, Open):
                opened[item] = None
            elif isinstance(item, Written):
                writes.add(item.path)
                copies.update([(item.path, item.source)] if item.source else ())
            else:
                if item.added and item.file == item.zero:
                    program = item._replace(added=frozenset())
                    item = item._replace(added=added.get(program, item.added) | item.added)
                    if len(item.added) > SEARCHED_MAX:
                        opened[Open(by, Use("unclear", text="sys.path"))] = None
                        continue
                    added[program] = item.added
                item = steps.shared(item)
                if item in seen:
                    continue
                seen.add(item)
                nodes.append((steps.of(item), item.file))
        todo += reversed(nodes)
    return Trail(files, tuple(opened), frozenset(writes), frozenset(copies))
