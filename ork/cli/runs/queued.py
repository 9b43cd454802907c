"""Runs that wait for `ork up`, as text"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from ork.cli.screen import human
from ork.cli.screen.line import Line, next_line
from ork.cli.screen.parts import AUTHOR_CHARS_MAX, clip, given, is_narrow, name_room, person
from ork.cli.session import Session
from ork.errors import Conflict, Corrupt, some

NAMES_MAX = 3

if TYPE_CHECKING:
    from ork.daemon.queue import Queued
    from ork.store.store import Store


def find_queued(store: "Store", name: str) -> "Queued | None":
    """Return the run that waits under this id; the queue is imported only if something waits."""
    if next(iter(store.refs("queue/")), None) is None:
        return None
    from ork.daemon.queue import find

    return find(store, name)


def tell_queued(session: Session, queued: "Queued", as_json: bool) -> None:
    """Tell that a run waits, and what to do about it."""
    from ork.daemon.fires import is_up

    if as_json:
        session.print_json("queued", queued)
        return
    session.print([[(queued.workflow, "name"), f" waits for `ork up` as {queued.id}"]])
    soon = f"`ork watch {queued.id}`" if is_up(session.store) else "`ork up` runs it"
    session.say(next_line(f"{soon}, or `ork cancel {queued.id}`"))


def take_back(store: "Store", workflow: str, damage: list[Corrupt]) -> "list[Queued]":
    """Take all runs of a workflow out of the queue, of every workflow for `@`; return them."""
    from ork.daemon.queue import remove, waiting

    taken = []
    for one in waiting(store, damage, workflow=None if workflow == "@" else workflow):
        with suppress(Conflict):  # its run has begun, or somebody else has taken it back
            remove(store, one)
            taken.append(one)
    return taken


def taken_view(taken: "Iterable[Queued]", *, each: bool) -> Iterator[Line]:
    """Yield what was taken out of the queue: each run, or how many of each workflow."""
    if each:
        for one in taken:
            yield [(one.workflow, "name"), f" does not wait any more: {one.id}"]
    else:
        for name, count in Counter(one.workflow for one in taken).items():
            yield [(name, "name"), f": took {human.count(count, 'run')} out of the queue"]


def waiting_view(waiting: Iterable["Queued"], session: Session) -> Iterator[Line]:
    """Yield a line for each run that waits."""
    now = session.now()
    for one in waiting:
        since = human.moment(one.entry.time, now, session.width)
        if not is_narrow(session.width):
            since = f"by {person(one.entry.author, AUTHOR_CHARS_MAX)}, {since}"
        slot = one.entry.scheduled if one.entry.fire else None
        whose = f"  for {human.slot(slot, now)}" if slot else ""
        params = (given(one.entry.params), "dim")
        yield [
            ("waiting  ", "label"),
            (clip(one.workflow, name_room(session.width)), "name"),
            f"  {one.id}{whose}  {since}",
            params,
            *waits_for(one.waits_for),
        ]


def waits_for(names: Sequence[str]) -> Line:
    """Return that the runs of these names have to end before, if there are any."""
    return ["  waits for ", (some(names, NAMES_MAX), "name")] if names else []
