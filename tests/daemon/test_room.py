"""`max_active_runs`: no more runs of a workflow go on at once, whoever begins them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ork.errors import Conflict
from ork.heads.deploy import Deployed
from ork.heads.rename import rename
from ork.objects.canonical import Oid
from ork.runner import owner, record
from ork.runner.events import Event, RunFinished
from ork.runner.start import Caller, retry, start
from ork.store.resolve import run_of_number
from ork.store.store import Store
from tests.forked import Forked
from tests.runs import begin_run
from tests.stores import NOON, stamp

Keep = Callable[..., Deployed]
FLOW = """\
name: etl
max_active_runs: {most}
tasks:
  load: {{executor: process, command: '{command}'}}
"""


def keep_most(keep: Keep, most: int, command: str = "true", hours: float = 0) -> Oid:
    """Deploy the workflow with this bound."""
    return keep(FLOW.format(most=most, command=command), hours=hours).deploy


def caller(hours: float = 2) -> Caller:
    return Caller(stamp=stamp(hours), now=NOON, environ={})


def begin(store: Store, what: str = "etl", hours: float = 2) -> Iterator[Event]:
    return start(store, what, caller=caller(hours)).events


def ended(events: Iterator[Event]) -> str:
    """Return how a run ended."""
    *_, last = events
    assert isinstance(last, RunFinished)
    return last.run.state


def test_one_more_than_may_go_on_is_refused_and_deploys_nothing(project: Store, keep: Keep) -> None:
    deploy = keep_most(keep, 2)
    first, second = (begin_run(project, deploy) for _ in range(2))
    file = project.project / "etl.yaml"
    file.write_text(file.read_text().replace("true", "false"))
    for what in ("etl", str(file)):
        with pytest.raises(Conflict, match="etl#2, etl#1 go on, and `max_active_runs`") as caught:
            next(begin(project, what))
        assert "`ork run --queue etl`" in str(caught.value.hint)
    assert project.ref("workflows/etl") == deploy and project.ref("numbers/etl/0000000003") is None
    second.release()
    assert ended(begin(project)) == "success", "one that was killed is none that goes on"
    first.release()


def test_the_version_that_is_to_be_run_says_how_many(project: Store, keep: Keep) -> None:
    one, three = keep_most(keep, 1), keep_most(keep, 3, hours=1)
    none = keep(FLOW.format(most="~", command="true"), hours=2).deploy
    begin_run(project, one)
    with pytest.raises(Conflict):
        next(begin(project, one))
    for deploy in (three, none):
        assert ended(begin(project, deploy)) == "success"


def test_other_workflows_do_not_count_and_earlier_names_do(project: Store, keep: Keep) -> None:
    keep_most(keep, 1, command="false")
    other = keep(FLOW.format(most=1, command="true").replace("etl", "other"), path="other.yaml")
    begin_run(project, other.deploy)
    assert ended(begin(project)) == "failed"
    rename(project, "etl", "load", stamp=stamp(3))
    newer, older = begin(project, "load", 4), retry(project, "load#1", caller=caller(4)).events
    next(newer)
    with pytest.raises(Conflict, match="load#2 goes on"):
        next(older)
    assert ended(newer) == "failed"
    older = retry(project, "load#1", caller=caller(5)).events
    next(older)
    with pytest.raises(Conflict, match="etl#1 goes on"):
        next(begin(project, "load", 6))
    assert ended(older) == "failed"


@pytest.mark.parametrize("first", ["run", "retry"])
@pytest.mark.parametrize("second", ["run", "retry"])
def test_of_two_that_begin_at_the_same_moment_one_is_refused(
    project: Store, keep: Keep, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    """The other begins when the first has counted the runs, and has not written yet."""
    keep_most(keep, 1, command="false")
    for _ in range(2):
        assert ended(begin(project)) == "failed"
    count = owner.in_the_way
    going: list[Iterator[Event]] = []

    def events(how: str, number: int) -> Iterator[Event]:
        if how == "run":
            return begin(project)
        return retry(project, f"etl#{number}", caller=caller()).events

    mine = events(first, 1)

    def count_and_begin(*args: object, **more: object) -> list[object]:
        found = count(*args, **more)  # type: ignore[arg-type]
        if more.get("but") and not going:
            going.append(events(second, 2))
            next(going[0])
        return found  # type: ignore[return-value]

    monkeypatch.setattr(owner, "in_the_way", count_and_begin)
    with pytest.raises(owner.Full):
        next(mine)
    assert ended(going[0]) == "failed"
    assert ended(begin(project)) == "failed"


@pytest.mark.parametrize("first", ["run", "retry"])
def test_where_there_is_room_for_both_both_begin(
    project: Store, keep: Keep, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    keep_most(keep, 2, command="false")
    for _ in range(2):
        assert ended(begin(project)) == "failed"
    count = owner.in_the_way
    going: list[Iterator[Event]] = []
    mine = begin(project) if first == "run" else retry(project, "etl#1", caller=caller()).events

    def count_and_begin(*args: object, **more: object) -> list[object]:
        found = count(*args, **more)  # type: ignore[arg-type]
        if more.get("but") and not going:
            going.append(retry(project, "etl#2", caller=caller()).events)
            next(going[0])
        return found  # type: ignore[return-value]

    monkeypatch.setattr(owner, "in_the_way", count_and_begin)
    assert ended(mine) == "failed"
    assert ended(going[0]) == "failed"


def test_of_many_processes_no_two_go_on_at_once(project: Store, keep: Keep) -> None:
    alone = "ls going 2>/dev/null && touch twice; touch going; sleep 0.1; rm going"
    keep_most(keep, 1, command=alone)
    folder = project.folder
    project.close()

    def run() -> None:
        from ork.store import location

        store = Store(location.open_backend(folder, environ={}), folder=folder)
        try:
            print(ended(begin(store)))
        except Conflict:
            print("refused")

    said = [child.rest().strip() for child in [Forked(run) for _ in range(4)]]
    assert {*said} <= {"success", "refused"} and "success" in said
    assert not (folder.parent / "twice").exists()


def test_a_run_that_is_gone_on_with_is_not_in_its_own_way(project: Store, keep: Keep) -> None:
    keep_most(keep, 1, command="false")
    assert ended(begin(project)) == "failed"
    begun = project.ref("begun/etl")
    assert ended(retry(project, "etl#1", caller=caller()).events) == "failed"
    assert project.ref("begun/etl") not in (None, begun)
    oid, run = run_of_number(project, "etl", 1)
    again = record.resume(project, oid, run, run, {}, room=owner.room_of("etl", {}))
    again.release()
