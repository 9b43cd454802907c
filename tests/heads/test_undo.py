"""Undo, redo, and the store as it was at an operation."""

import re
from datetime import timedelta
from itertools import islice
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ork.backends.memory import Memory
from ork.errors import Ambiguous, Conflict, Corrupt, NotFound, UsageError
from ork.heads.deploy import deploy, status
from ork.heads.rollback import rollback
from ork.heads.tags import tag, tags, untag
from ork.heads.undo import at_operation, undo
from ork.history.log import log
from ork.objects.canonical import Oid
from ork.objects.kinds import Blob, Deploy, Operation
from ork.objects.value import replace
from ork.store.operations import find_operation, operations
from ork.store.resolve import history, resolve, workflows, workflows_with_runs
from ork.store.store import RECORDED, Stamp, Store
from tests.heads.conftest import version
from tests.scale import examples, size
from tests.store.test_resolve import add_run
from tests.stores import ADA, NOON, contents, plant, reachable, stamp

NOW = NOON + timedelta(days=10)


def heads_and_tags(store):
    return {name: oid for name, oid in store.backend.refs() if name.startswith(RECORDED)}


@pytest.fixture
def etl(project, keep):
    """Two deploys, a tag, a rollback, the tag moved and removed; the refs after each of these."""
    states = []

    def act(function, *words, **options):
        done = function(*words, **options)
        states.append(heads_and_tags(project))
        return done

    first = act(keep, version(1), hours=1)
    second = act(keep, version(2), hours=2)
    act(tag, project, "v1", stamp=stamp(3), now=NOW)
    act(rollback, project, "etl", "etl~1", stamp=stamp(4), now=NOW)
    act(tag, project, "v1", stamp=stamp(5), now=NOW, force=True)
    act(untag, project, "v1", stamp=stamp(6))
    return SimpleNamespace(store=project, states=states, first=first.deploy, second=second.deploy)


def back(store, text=None):
    return undo(store, text, stamp=stamp(20), now=NOW)


def test_everything_can_be_undone_step_by_step(etl):
    for number in range(len(etl.states) - 1):
        # An undo is an operation itself, so the one to undo next is two further back each time.
        back(etl.store, f"@{{{2 * number}}}")
        assert heads_and_tags(etl.store) == etl.states[-2 - number]
    back(etl.store, "@{10}")
    assert heads_and_tags(etl.store) == {}


def test_an_undo_of_an_undo_is_a_redo(etl):
    before = heads_and_tags(etl.store)
    back(etl.store)
    assert heads_and_tags(etl.store) == etl.states[-2]
    back(etl.store)
    assert heads_and_tags(etl.store) == before


def test_each_undo_goes_one_further_back_and_each_redo_comes_back(etl):
    who = replace(stamp(20), argv=("ork", "undo"))
    for before in [*reversed(etl.states[:-1]), {}]:
        undo(etl.store, stamp=who, now=NOW)
        assert heads_and_tags(etl.store) == before
    with pytest.raises(NotFound, match="nothing to undo"):
        undo(etl.store, stamp=who, now=NOW)
    again = replace(who, argv=("ork", "undo", "--redo"))
    for after in etl.states[:3]:
        undo(etl.store, stamp=again, now=NOW, redo=True)
        assert heads_and_tags(etl.store) == after
    # What was redone is undone next; then what was redone before it.
    undo(etl.store, stamp=who, now=NOW)
    tag(etl.store, "v2", stamp=stamp(21), now=NOW)
    for _ in range(2):
        undo(etl.store, stamp=who, now=NOW)
    assert heads_and_tags(etl.store) == etl.states[0]
    undo(etl.store, stamp=again, now=NOW, redo=True)
    assert heads_and_tags(etl.store) == etl.states[1]


@settings(deadline=None, max_examples=examples(100))
@given(st.lists(st.sampled_from(["tag", "untag", "undo", "undo", "redo"]), max_size=14))
@example(["tag", "untag", "undo", "undo", "undo"])
def test_undo_takes_back_what_stands_however_often_a_tag_came_and_went(acts):
    store = Store(Memory())
    (target,) = plant(store, Blob(b"x"))
    standing: dict[bool, list[Oid]] = {False: [], True: []}  # of undos, and of all else
    for number, act in enumerate(acts):
        took_back = act in ("undo", "redo")
        words = ("ork", "undo", *(["--redo"] if act == "redo" else [])) if took_back else ("ork",)
        who = replace(stamp(number), argv=words)
        if took_back and not standing[act == "redo"]:
            with pytest.raises(NotFound, match=f"nothing to {act}"):
                undo(store, stamp=who, now=NOW, redo=act == "redo")
            continue
        if took_back:
            try:
                done = undo(store, stamp=who, now=NOW, redo=act == "redo")
            except NotFound as told:  # a redo, after the tag has moved otherwise
                assert act == "redo" and "nothing to redo: a@x moved after" in told.message
                continue
            assert done.oid == standing[act == "redo"].pop()
        else:
            old = store.ref("tags/a/x")
            new = target if act == "tag" else None
            if old == new:
                continue
            with store.transaction(who) as tx:
                tx.move("tags/a/x", old=old, new=new)
        standing[act == "undo"].append(store.ref("ops"))


def test_there_is_nothing_to_redo_but_undos(etl):
    with pytest.raises(NotFound, match="nothing to redo"):
        undo(etl.store, stamp=stamp(20), now=NOW, redo=True)


def test_an_undo_deletes_no_object_and_is_recorded(etl):
    objects, _ = contents(etl.store)
    done = back(etl.store)
    after, refs = contents(etl.store)
    assert objects.items() <= after.items()
    (oid, newest), (undone, _) = islice(operations(etl.store), 2)
    assert set(after) - set(objects) == {oid}
    assert done.oid == undone
    assert newest.moves == done.moves
    assert newest.argv == stamp().argv
    assert reachable(etl.store, *refs.values()) >= set(objects)


def test_the_first_deploy_can_be_undone_and_its_runs_stay(project, keep):
    first = keep(version(1), hours=1)
    run = add_run(project, 1, first.deploy)
    back(project)
    assert workflows(project) == []
    assert workflows_with_runs(project) == ["etl"]
    for text in ("etl#1", "run:2026"):
        assert resolve(project, text, now=NOW).oid == run
    assert resolve(project, "etl#1^{deploy}", now=NOW).oid == first.deploy
    assert resolve(project, "etl@{1}", now=NOW).oid == first.deploy
    assert resolve(project, "etl@{2026-11-01T13:30Z}", now=NOW).oid == first.deploy
    for text in ("etl@{0}", "etl@{now}"):
        with pytest.raises(NotFound, match="had no head at"):
            resolve(project, text, now=NOW)
    with pytest.raises(NotFound, match="not deployed yet at 2026-10-31"):
        resolve(project, "etl@{2026-10-31}", now=NOW)
    with pytest.raises(NotFound, match="not deployed any more: its first deploy was undone"):
        resolve(project, "etl", now=NOW)
    back(project)
    assert resolve(project, "etl", now=NOW).oid == first.deploy
    assert resolve(project, "etl@{2}", now=NOW).oid == first.deploy


def test_what_was_live_comes_from_the_log_and_not_from_parents(etl):
    # Deployed at 13:00 and 14:00, rolled back at 16:00.
    moments = {"13:30": etl.first, "14:30": etl.second, "15:59": etl.second}
    for time, oid in moments.items():
        assert resolve(etl.store, f"etl@{{2026-11-01T{time}Z}}", now=NOW).oid == oid
    rolled = resolve(etl.store, "etl@{2026-11-01T16:01Z}", now=NOW).oid
    assert etl.store.get(Deploy, rolled).restores == etl.first
    back(etl.store, "@{2}")
    assert resolve(etl.store, "etl@{yesterday}", now=NOW).oid == etl.second
    assert resolve(etl.store, "etl@{1}", now=NOW).oid == rolled


def test_an_undo_is_refused_when_a_ref_moved_since(etl):
    before = contents(etl.store)
    with pytest.raises(Conflict, match="etl moved after") as caught:
        back(etl.store, "@{4}")
    rolled = find_operation(etl.store, "@{2}", now=NOW)[0]
    assert f"{rolled[:8]}  ork test" in caught.value.message
    assert caught.value.hint.endswith(f"`ork undo {rolled[:8]}`")
    with pytest.raises(Conflict, match="etl@v1 moved after"):
        back(etl.store, "@{1}")
    with pytest.raises(Conflict, match="its refs are where they were before it"):
        back(etl.store, "@{3}")
    assert contents(etl.store) == before


def test_an_operation_with_many_moves_is_undone_whole_or_not_at_all(etl):
    head = etl.store.ref("workflows/etl")
    with etl.store.transaction(stamp(7)) as tx:
        tx.move("workflows/etl", old=head, new=etl.second)
        tx.move("tags/etl/a", old=None, new=etl.first)
        tx.move("tags/etl/b", old=None, new=etl.first)
    states = heads_and_tags(etl.store)
    tag(etl.store, "b", "etl", stamp=stamp(8), now=NOW, force=True)
    with pytest.raises(Conflict, match="etl@b moved after"):
        back(etl.store, "@{1}")
    back(etl.store)
    assert heads_and_tags(etl.store) == states
    back(etl.store, "@{2}")
    assert heads_and_tags(etl.store) == etl.states[-1]


def test_nothing_to_undo(project):
    with pytest.raises(NotFound, match="nothing to undo"):
        back(project)


def test_operations_by_prefix_number_and_time(etl):
    entries = list(operations(etl.store))
    for index, (oid, operation) in enumerate(entries):
        for text in (oid, oid[:8], f"@{{{index}}}", f"@{{{operation.time.isoformat()}}}"):
            assert find_operation(etl.store, text, now=NOW) == (oid, operation)
    assert find_operation(etl.store, "@", now=NOW) == entries[0]
    assert find_operation(etl.store, "@{yesterday}", now=NOW) == entries[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not name"),
        ("abc", "does not name"),
        ("etl", "does not name"),
        ("@{}", "cannot read the time"),
        ("@{6}", "not that many"),
        ("@{9" + "9" * 50 + "}", "not"),
        ("@{2020-01-01}", "no operation yet"),
        ("@{soon}", "cannot read the time"),
        ("0" * 64, "no operation starts"),
        ("0000", "no operation starts"),
        ("@1", "does not name"),
    ],
)
def test_what_is_no_operation(etl, text, message):
    with pytest.raises((NotFound, UsageError), match=message):
        find_operation(etl.store, text, now=NOW)


def test_a_prefix_of_another_object_is_no_operation(etl):
    with pytest.raises(NotFound, match="no operation starts with"):
        back(etl.store, etl.first)


def test_a_prefix_of_several_operations():
    store, seen = Store(Memory()), {}
    old = None
    for number in range(100_000):
        operation = Operation(parent=old, time=NOON, author="", argv=(str(number),), moves=())
        with store.transaction() as tx:
            new = tx.add(operation)
            tx.move("ops", old=old, new=new)
        old = new
        if new[:4] in seen:
            break
        seen[new[:4]] = new
    with pytest.raises(Ambiguous) as caught:
        find_operation(store, new[:4], now=NOW)
    assert [line[:16] for line in caught.value.candidates] == [new[:16], seen[new[:4]][:16]]


def test_the_store_as_it_was_at_each_operation(etl):
    now = dict(etl.store.backend.refs())
    for number, state in enumerate(reversed(etl.states)):
        then = at_operation(etl.store, f"@{{{number}}}", now=NOW)
        assert heads_and_tags(then) == state
        assert {name: then.ref(name) for name in now if name.startswith(RECORDED)} == {
            name: state.get(name) for name in now if name.startswith(RECORDED)
        }
        listed = list(then.backend.refs())
        assert listed == sorted(listed)
        assert list(then.backend.refs(newest_first=True)) == listed[::-1]
        assert list(then.backend.refs(below="tags/")) == [i for i in listed if i[0] < "tags/"]
        for prefix, below in (
            ("tags/etl/", None),
            ("tags/", "tags/etl/v2"),
            ("w", "workflows/f"),
            ("workflows/", "tags/"),
            ("t", "zzz"),
            ("none/", None),
        ):
            wanted = [
                one
                for one in listed
                if one[0].startswith(prefix) and (below is None or one[0] < below)
            ]
            assert list(then.backend.refs(prefix, below=below)) == wanted
            found = then.backend.refs(prefix, below=below, newest_first=True)
            assert list(found) == wanted[::-1]
        others = {name: oid for name, oid in now.items() if not name.startswith((*RECORDED, "ops"))}
        assert others.items() <= dict(listed).items()
        assert len(list(operations(then))) == len(etl.states) - number


def test_reading_at_an_operation(etl):
    then = at_operation(etl.store, "@{4}", now=NOW)
    assert [entry.oid for entry in log(then, "etl", now=NOW)] == [etl.second, etl.first]
    assert next(log(then, "etl", now=NOW)).head
    assert list(tags(then)) == []
    assert [one.state for one in status(then, then.project, author="Ada")] == ["unchanged"]
    assert resolve(then, "etl@{1}", now=NOW).oid == etl.first
    assert find_operation(then, "@{1}", now=NOW) == find_operation(etl.store, "@{5}", now=NOW)


def test_the_past_cannot_be_written(etl, project):
    then = at_operation(etl.store, "@{1}", now=NOW)
    before = contents(etl.store)
    (project.project / "etl.yaml").write_text(version(77))
    for act in (
        lambda: tag(then, "x", "etl", stamp=stamp(), now=NOW),
        lambda: rollback(then, "etl", "etl~1", stamp=stamp(), now=NOW),
        lambda: undo(then, stamp=stamp(), now=NOW),
        lambda: deploy(then, project.project / "etl.yaml", stamp=stamp()),
        lambda: then.backend.sweep(list),
    ):
        with pytest.raises(UsageError, match="the past can only be read"):
            act()
    assert contents(etl.store) == before


@pytest.mark.slow
def test_many_deploys_and_a_long_log_are_no_recursion(project, keep):
    first = keep(version(1)).deploy
    value = project.get(Deploy, first)
    oid, count = first, size(100_000, by_day=2000)
    with project.transaction(stamp()) as tx:
        for number in range(count):
            oid = tx.add(replace(value, parents=(oid,), message=str(number)))
        tx.move("workflows/etl", old=first, new=oid)
    newest = before = project.ref("ops")
    with project.transaction() as tx:
        for number in range(5000):
            move = (None, first) if number % 2 == 0 else (first, None)
            newest = tx.add(
                Operation(
                    parent=newest,
                    time=NOON,
                    author="Ada",
                    argv=("ork",),
                    moves=(("tags/etl/v1", *move),),
                )
            )
        tx.move("ops", old=before, new=newest)
    assert sum(1 for _ in history(project, "etl")) == count + 1
    assert resolve(project, f"etl~{count}", now=NOW).oid == first
    assert resolve(project, "etl@{1}", now=NOW).oid == first
    assert heads_and_tags(at_operation(project, "@{5001}", now=NOW)) == {"workflows/etl": first}
    assert not rollback(project, "etl", first, stamp=stamp(), now=NOW).changed


def test_a_parent_that_is_missing_or_of_another_workflow(project, keep):
    first = keep(version(1)).deploy
    other = keep(version(1, "other"), path="other.yaml").deploy
    value = project.get(Deploy, first)
    for parent, words in ((Oid("f" * 64), "missing"), (other, "a deploy of other")):
        (new,) = plant(project, replace(value, parents=(parent,)))
        plant(project, workflows__etl=new)
        assert resolve(project, "etl", now=NOW).oid == new
        for act in (
            lambda: resolve(project, "etl~1", now=NOW),
            lambda: list(history(project, "etl")),
            lambda: list(log(project, "etl", now=NOW)),
            lambda: rollback(project, "etl", stamp=stamp(), now=NOW),
        ):
            with pytest.raises(Corrupt, match=words):
                act()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["move", "undo", "undo", "undo"]),
        st.integers(0, 6),
        st.dictionaries(
            st.sampled_from(["workflows/a", "workflows/b", "tags/a/x"]),
            st.none() | st.integers(0, 3),
            min_size=1,
        ),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_any_operations_and_undos_leave_a_log_that_tells_every_state(steps):
    store, states = Store(Memory()), []
    targets = plant(store, *(Blob(b"%d" % n) for n in range(4)))
    for number, (act, index, moves) in enumerate(steps):
        who = Stamp(time=NOON + timedelta(seconds=number), author=ADA, argv=(str(number),))
        before = heads_and_tags(store)
        if act == "undo":
            try:
                done = undo(store, f"@{{{index}}}", stamp=who, now=NOW)
            except NotFound:
                assert index >= len(states)
                continue
            except Conflict:
                assert heads_and_tags(store) == before
                continue
            assert all(store.ref(ref) == new for ref, _, new in done.moves)
        else:
            with store.transaction(who) as tx:
                for ref, target in moves.items():
                    tx.move(
                        ref, old=store.ref(ref), new=None if target is None else targets[target]
                    )
        states.append(heads_and_tags(store))
    for index, state in enumerate(reversed(states)):
        assert heads_and_tags(at_operation(store, f"@{{{index}}}", now=NOW)) == state
    if states:
        undo(store, stamp=stamp(), now=NOW)
        assert heads_and_tags(store) == ([{}, *states])[-2]


def test_what_another_author_did_is_only_undone_by_its_name(etl):
    bob = replace(stamp(60), author="Bob <bob@example.org>", argv=("ork", "undo"))
    with pytest.raises(UsageError, match=f"is by {ADA}: nothing was undone") as caught:
        undo(etl.store, stamp=bob, now=NOW)
    assert caught.value.hint.endswith("; `ork ops --author Bob` lists yours")
    (short,) = re.findall(r"`ork undo (\w+)`", caught.value.hint)
    assert undo(etl.store, short, stamp=bob, now=NOW).operation.author == ADA
    with pytest.raises(UsageError, match="is by Bob"):
        undo(etl.store, stamp=stamp(61), now=NOW, redo=True)
    assert undo(etl.store, stamp=bob, now=NOW, redo=True).operation.author == bob.author
