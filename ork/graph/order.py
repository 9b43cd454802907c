"""The order of tasks. A graph is a mapping from each name to the names it needs.

Everything here is iterative, so that a chain of 100,000 tasks is as easy as one of ten, and depends
on the names alone, never on the order of a mapping. Needed names that are no key are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from heapq import heapify, heappop, heappush
from typing import TypeAlias

from ork.errors import InvalidInput

Needs: TypeAlias = Mapping[str, Collection[str]]
NUMBER_DIGITS = 16  # of a number that counts as such in a name
_DIGITS = re.compile("[0-9]+")


def order(needs: Needs) -> tuple[str, ...]:
    """Return all names, each after what it needs; by name where the graph leaves a choice.

    Numbers in names count as such: task_2 comes before task_10.
    """
    names = sorted(sorted(needs), key=_by_numbers)
    ranks = {name: rank for rank, name in enumerate(names)}
    waiting = {name: sum(1 for n in set(below) if n in needs) for name, below in needs.items()}
    above = dependants(needs)
    ready = [ranks[name] for name, count in waiting.items() if count == 0]
    heapify(ready)
    done: list[str] = []
    while ready:
        name = names[heappop(ready)]
        done.append(name)
        for other in above[name]:
            waiting[other] -= 1
            if waiting[other] == 0:
                heappush(ready, ranks[other])
    if len(done) < len(needs):
        raise InvalidInput(f"a cycle: {' -> '.join(find_cycle(needs) or ())}")
    return tuple(done)


def _by_numbers(name: str) -> str:
    return _DIGITS.sub(lambda found: found[0].rjust(NUMBER_DIGITS, "0"), name)


def find_cycle(needs: Needs) -> tuple[str, ...] | None:
    """Return one cycle as (a, b, a), where a needs b and b needs a; None when there is none."""
    finished: set[str] = set()
    for start in sorted(needs):
        if start in finished:
            continue
        path, at = [start], {start: 0}
        todo = [iter(sorted(needs[start]))]
        while path:
            for name in todo[-1]:
                if name in at:
                    return (*path[at[name] :], name)
                if name in needs and name not in finished:
                    at[name] = len(path)
                    path.append(name)
                    todo.append(iter(sorted(needs[name])))
                    break
            else:
                todo.pop()
                finished.add(path[-1])
                del at[path.pop()]
    return None


def ancestors(needs: Needs, names: Iterable[str]) -> frozenset[str]:
    """Return everything that these names need, directly or not; not the names themselves, unless
    one of them needs another."""
    found: set[str] = set()
    todo = list(names)
    while todo:
        for name in needs.get(todo.pop(), ()):
            if name in needs and name not in found:
                found.add(name)
                todo.append(name)
    return frozenset(found)


def descendants(needs: Needs, names: Iterable[str]) -> frozenset[str]:
    """Return everything that needs one of these names, directly or not."""
    return ancestors(dependants(needs), names)


def dependants(needs: Needs) -> dict[str, list[str]]:
    """Return the graph turned round: for each name, sorted, the names that need it directly."""
    above: dict[str, list[str]] = {name: [] for name in needs}
    for name in sorted(needs):
        for below in set(needs[name]):
            if below in above:
                above[below].append(name)
    return above
