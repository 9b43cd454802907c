"""What every backend promises. `test_backends.py` runs this for each of them.

A module that takes these tests in provides the fixture `backend`, an empty one.
"""

from __future__ import annotations

import threading
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.backends.base import Backend, Span
from ork.objects.canonical import Oid, hash_bytes
from tests.scale import examples, size

A, B, C = (Oid(digit * 64) for digit in "abc")


def fill(backend: Backend, *contents: bytes) -> list[Oid]:
    """Write these objects; return their oids, sorted."""
    objects = {hash_bytes(data): data for data in contents}
    assert backend.write(objects, {})
    return sorted(objects)


def point(backend: Backend, *names: str) -> None:
    """Create these refs, all at A."""
    assert backend.write({}, dict.fromkeys(names, (None, A)))


def names(backend: Backend, prefix: str = "", *, newest_first: bool = False) -> list[str]:
    return [name for name, _ in backend.refs(prefix, newest_first=newest_first)]


def test_absent_is_none(backend: Backend) -> None:
    assert backend.get(A) is None
    assert backend.ref("workflows/etl") is None
    assert backend.ref("") is None
    assert list(backend.oids()) == []
    assert list(backend.refs()) == []


def test_written_can_be_read(backend: Backend) -> None:
    (oid,) = fill(backend, b"hello")
    assert backend.get(oid) == b"hello"


def test_a_write_removes_what_it_names_together_with_its_moves(backend: Backend) -> None:
    old, other = Oid("1" * 64), Oid("2" * 64)
    assert backend.write({old: b"old", other: b"other"}, {})
    assert backend.write({}, {"active/run": (None, old)})
    new = Oid("b" * 64)
    assert not backend.write({new: b"new"}, {"active/run": (other, new)}, [old])
    assert backend.get(old) == b"old"
    assert backend.write({new: b"new"}, {"active/run": (old, new)}, [old, Oid("c" * 64)])
    assert (backend.get(old), backend.get(new)) == (None, b"new")
    assert backend.get(other) == b"other"
    assert backend.write({new: b"newer"}, {}, [new])
    assert backend.get(new) == b"newer", "what is written in the same step stays"


def test_many_objects_are_read_at_once(backend: Backend) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(300)), b"")
    found = backend.get_many([*oids, B, *oids[:3], A])
    assert found == {oid: backend.get(oid) for oid in oids}
    assert backend.get_many([]) == {}
    assert backend.get_many([A]) == {}


def test_what_to_read_may_be_read_from_the_backend_itself(backend: Backend) -> None:
    (oid,) = fill(backend, b"hello")
    assert backend.get_many(backend.oids()) == {oid: b"hello"}


def test_writing_twice_is_harmless(backend: Backend) -> None:
    (oid,) = fill(backend, b"hello")
    fill(backend, b"hello", b"other")
    assert backend.get(oid) == b"hello"


def test_writing_nothing_succeeds(backend: Backend) -> None:
    assert backend.write({}, {})


def test_oids_are_sorted(backend: Backend) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(300)))
    assert list(backend.oids()) == oids


def test_oids_are_found_by_prefixes_of_even_and_odd_length(backend: Backend) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(300)))
    wanted = oids[150]
    for length in (0, 1, 2, 3, 4, 5, 31, 63, 64):
        prefix = wanted[:length]
        assert list(backend.oids(prefix)) == [oid for oid in oids if oid.startswith(prefix)]


@pytest.mark.parametrize(
    "prefix", ["f" * 64, "A", "ab cd", "xyz", "0x", "a" * 65, "\N{GREEK SMALL LETTER ALPHA}"]
)
def test_no_oid_starts_with_what_is_not_there(backend: Backend, prefix: str) -> None:
    fill(backend, b"hello")
    assert backend.write({A: b"", Oid("ab" + "cd" * 31): b""}, {})
    assert list(backend.oids(prefix)) == []


def test_first_and_last_oid_are_found(backend: Backend) -> None:
    first, last = Oid("0" * 64), Oid("f" * 64)
    assert backend.write({first: b"", last: b""}, {"zzz": (None, A)})
    assert list(backend.oids()) == [first, last]
    assert list(backend.oids("f")) == [last]


@pytest.mark.slow
def test_more_oids_than_a_page_are_all_found(backend: Backend) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(size(10_000, by_day=5000))))
    assert list(backend.oids()) == oids


def test_a_ref_is_created_moved_and_removed(backend: Backend) -> None:
    assert backend.write({}, {"head": (None, A)})
    assert backend.ref("head") == A
    assert backend.write({}, {"head": (A, B)})
    assert backend.ref("head") == B
    assert backend.write({}, {"head": (B, None)})
    assert backend.ref("head") is None
    assert list(backend.refs()) == []


def test_a_ref_may_stay_where_it_is(backend: Backend) -> None:
    point(backend, "head")
    assert backend.write({}, {"head": (A, A)})
    assert not backend.write({}, {"head": (B, B)})
    assert backend.ref("head") == A


def test_absence_can_be_asked_for(backend: Backend) -> None:
    point(backend, "taken")
    assert backend.write({}, {"free": (None, None)})
    assert not backend.write({}, {"taken": (None, None)})
    assert names(backend) == ["taken"]


@pytest.mark.parametrize("stale", [(None, B), (B, C), (B, None)])
def test_a_stale_move_writes_nothing(
    backend: Backend, stale: tuple[Oid | None, Oid | None]
) -> None:
    point(backend, "head")
    moves = {"a/new": (None, B), "head": stale, "z/new": (None, B)}
    assert not backend.write({C: b"data"}, moves)
    assert list(backend.refs()) == [("head", A)]
    assert list(backend.oids()) == []


def test_names_are_text_and_not_patterns(backend: Backend) -> None:
    everything = ["a", "a%", "a%b", "a*", "a_", "a_b", "a?", "aXb", "ab", "[a]", "A", "é", "😀"]
    point(backend, *everything)
    assert names(backend) == sorted(everything)
    for prefix in everything:
        assert names(backend, prefix) == sorted(n for n in everything if n.startswith(prefix))
        assert backend.ref(prefix) == A
    assert names(backend, "a/") == []


def test_newest_first_is_the_same_backwards(backend: Backend) -> None:
    point(backend, "runs/a/1", "runs/a/2", "runs/a/3", "runs/a0", "runs/b/1", "x")
    assert names(backend, "runs/a/", newest_first=True) == ["runs/a/3", "runs/a/2", "runs/a/1"]
    assert names(backend, newest_first=True) == names(backend)[::-1]
    assert names(backend, "none", newest_first=True) == []


@pytest.mark.parametrize("count", [3, 40, 1300])
def test_refs_below_a_name(backend: Backend, count: int) -> None:
    expected = [f"runs/a/{number:05}" for number in range(count)]
    point(backend, *expected, "runs/a0", "runs/Z")
    for below in ("runs/a/00001", f"runs/a/{count // 2:05}x", "runs/b", "runs/a/", "a", ""):
        wanted = [name for name in expected if name < below]
        assert [name for name, _ in backend.refs("runs/a/", below=below)] == wanted
        backwards = backend.refs("runs/a/", below=below, newest_first=True)
        assert [name for name, _ in backwards] == wanted[::-1]


def test_many_prefixes_are_looked_up_at_once(backend: Backend) -> None:
    point(backend, "a/1", "a/2", "b/1", "c%", "c1")
    wanted = ["b/", "a/", "none/", "c%", "a/2"]
    found = [name for name, target in backend.refs_many(wanted) if target == A]
    assert found == ["b/1", "a/1", "a/2", "c%", "a/2"]
    assert list(backend.refs_many([])) == list(backend.oids_many([])) == []
    oids = fill(backend, *(b"%d" % number for number in range(300)))
    prefixes = [oids[200][:5], oids[7], "xyz", "", oids[1][:1]]
    expected = [oid for prefix in prefixes for oid in oids if oid.startswith(prefix)]
    assert list(backend.oids_many(prefixes)) == expected


def test_the_newest_of_many_spans_are_looked_up_at_once(backend: Backend) -> None:
    every = [f"runs/{name}/{number:02}" for name in ("a", "b", "b%") for number in range(5)]
    point(backend, *every, "runs/a0", "runs/Z", "runs/é/1")
    spans = [Span("runs/b/"), Span("runs/a/", "runs/a/03"), Span("runs/c/"), Span("runs/a/", "")]
    spans += [Span("runs/b/"), Span("runs/é/", "runs/z"), Span("runs/b")]
    found = backend.newest_many(spans, 2)
    assert [[name.removeprefix("runs/") for name, _ in refs] for refs in found] == [
        *(["b/04", "b/03"], ["a/02", "a/01"], [], [], ["b/04", "b/03"], [], ["b/04", "b/03"]),
    ]
    assert {target for refs in found for _, target in refs} == {A}
    assert backend.newest_many([Span("runs/a/")], 100) == [
        list(backend.refs("runs/a/", newest_first=True))
    ]
    assert backend.newest_many([], 2) == []


def test_folders_are_what_stands_before_the_next_slash(backend: Backend) -> None:
    point(backend, *(f"runs/{name}/{number}" for name in "ab" for number in range(3)))
    point(backend, "runs/a", "runs/a-b/1", "runs/a0", "runs/c/d/e", "runs/é/1", "runs/", "run/x/1")
    assert list(backend.folders("runs/")) == ["é", "c", "b", "a", "a-b"]
    assert list(backend.folders("runs/a")) == ["", "-b"]
    assert list(backend.folders("runs/c/")) == ["d"]
    assert list(backend.folders("none/")) == []


def test_refs_and_objects_do_not_meet(backend: Backend) -> None:
    assert backend.write({Oid("ff" * 32): b"data"}, {"\x00": (None, A), "o": (None, B)})
    assert names(backend) == ["\x00", "o"]
    assert names(backend, newest_first=True) == ["o", "\x00"]
    assert list(backend.oids()) == ["ff" * 32]


@pytest.mark.parametrize("count", [511, 512, 513, 1300])
def test_more_refs_than_a_page_come_in_order_both_ways(backend: Backend, count: int) -> None:
    expected = [f"runs/etl/{number:05}" for number in range(count)]
    point(backend, *expected, "runs/etk", "runs/etm")
    assert names(backend, "runs/etl/") == expected
    assert names(backend, "runs/etl/", newest_first=True) == expected[::-1]


def test_refs_may_change_while_they_are_read(backend: Backend) -> None:
    point(backend, *(f"{number:05}" for number in range(1200)))
    reading = backend.refs(newest_first=True)
    assert [name for name, _ in islice(reading, 2)] == ["01199", "01198"]
    assert backend.write({}, {f"{number:05}": (A, None) for number in range(600, 1200)})
    rest = [name for name, _ in reading]
    assert rest[-600:] == [f"{number:05}" for number in reversed(range(600))]


def test_an_object_that_is_there_with_other_bytes_is_put_right(backend: Backend) -> None:
    assert backend.write({A: b"damaged", B: b"whole"}, {})
    assert backend.write({A: b"right", B: b"whole", C: b"new"}, {})
    assert backend.get_many([A, B, C]) == {A: b"right", B: b"whole", C: b"new"}


def test_a_write_without_what_it_needs_writes_nothing(backend: Backend) -> None:
    (oid,) = fill(backend, b"there")
    assert not backend.write({C: b"data"}, {"head": (None, C)}, [oid], [oid, B])
    assert list(backend.oids()) == [oid]
    assert backend.ref("head") is None
    assert backend.write({C: b"data"}, {"head": (None, C)}, (), [oid])
    assert backend.ref("head") == C


def test_sweep_deletes_what_is_chosen(backend: Backend) -> None:
    first, second, third = fill(backend, b"1", b"2", b"3")
    point(backend, "head")
    sequence = backend.sequence()
    assert backend.sweep(lambda: [first, third, B]) == backend.sequence()
    assert list(backend.oids()) == [second]
    assert backend.get(first) is None
    assert backend.ref("head") == A
    assert backend.sequence() > sequence


def test_sweep_chooses_from_what_it_deletes_of(backend: Backend) -> None:
    oids = fill(backend, b"1", b"2")
    point(backend, "head")
    chosen: list[Oid] = []

    def choose() -> list[Oid]:
        chosen.extend(oid for oid in backend.oids() if backend.ref("head") == A)
        assert backend.get_many(chosen).keys() == {*oids}
        return chosen

    backend.sweep(choose)
    assert chosen == oids
    assert list(backend.oids()) == []


def test_nobody_writes_while_sweep_chooses(backend: Backend) -> None:
    (oid,) = fill(backend, b"1")
    began, wrote = threading.Event(), threading.Event()

    def write() -> None:
        began.set()
        assert backend.write({}, {"head": (None, oid)})
        wrote.set()

    writer = threading.Thread(target=write)

    def choose() -> list[Oid]:
        writer.start()
        began.wait()
        assert not wrote.wait(0.05)
        return [] if backend.ref("head") else [oid]

    backend.sweep(choose)
    writer.join()
    assert (backend.get(oid), backend.ref("head")) == (None, oid)


def test_what_fails_while_it_chooses_deletes_nothing(backend: Backend) -> None:
    oids = fill(backend, b"1", b"2")
    with pytest.raises(ZeroDivisionError):
        backend.sweep(lambda: [oid for oid in oids if 1 // 0])
    assert list(backend.oids()) == oids
    assert backend.write({}, {"head": (None, A)})


def test_one_of_many_threads_wins(backend: Backend) -> None:
    wins: list[int] = []
    start = threading.Barrier(8)

    def race(number: int) -> None:
        start.wait()
        if backend.write({}, {"head": (None, Oid(f"{number:064x}"))}):
            wins.append(number)

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = wins
    assert backend.ref("head") == f"{winner:064x}"


def test_threads_that_write_and_read_lose_nothing(backend: Backend) -> None:
    def add(number: int) -> None:
        for step in range(20):
            data = b"%d %d" % (number, step)
            assert backend.write({hash_bytes(data): data}, {f"{number}/{step:02}": (None, A)})
            assert backend.get(hash_bytes(data)) == data
            assert len(list(backend.refs(f"{number}/"))) == step + 1

    threads = [threading.Thread(target=add, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(backend.oids())) == len(names(backend)) == 80


TEXTS = st.text("ab/%\0é😀\U0010ffff", min_size=1, max_size=4)
TARGETS = st.sampled_from([None, A, B])


@settings(
    deadline=None,
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.dictionaries(TEXTS, st.tuples(TARGETS, TARGETS), max_size=3), max_size=12))
def test_moves_are_what_a_dictionary_would_do(
    backend: Backend, writes: list[dict[str, tuple[Oid | None, Oid | None]]]
) -> None:
    model = dict(backend.refs())  # of the example before
    for moves in writes:
        fits = all(model.get(name) == old for name, (old, _) in moves.items())
        assert backend.write({}, moves) == fits
        if fits:
            model |= {name: new for name, (_, new) in moves.items() if new is not None}
            for name in [name for name, (_, new) in moves.items() if new is None]:
                model.pop(name, None)
        assert list(backend.refs()) == sorted(model.items())
        assert list(backend.refs("a", newest_first=True)) == sorted(
            (item for item in model.items() if item[0].startswith("a")), reverse=True
        )


def test_the_sequence_rises_with_each_write_and_never_falls(backend: Backend) -> None:
    before = backend.sequence()
    (oid,) = fill(backend, b"hello")
    after = backend.sequence()
    assert after > before
    assert not backend.write({}, {"head": (A, B)})
    assert backend.get(oid) == b"hello"
    assert backend.sequence() == after
    assert backend.write({}, {"head": (None, A)})
    assert backend.sequence() > after


def test_frozen_shows_one_moment(backend: Backend) -> None:
    (oid,) = fill(backend, b"hello")
    point(backend, "a", "b")
    sequence = backend.sequence()
    with backend.frozen() as still:
        assert backend.write({B: b"new"}, {"a": (A, None), "b": (A, B), "c": (None, B)}, [oid])
        assert (still.get(oid), still.get(B)) == (b"hello", None)
        assert still.get_many([oid, B]) == {oid: b"hello"}
        assert list(still.oids()) == [oid]
        assert list(still.refs()) == [("a", A), ("b", A)]
        assert list(still.refs("", newest_first=True)) == [("b", A), ("a", A)]
        assert (still.ref("c"), still.sequence()) == (None, sequence)
    assert dict(backend.refs()) == {"b": B, "c": B}


def test_close_may_be_called_twice(backend: Backend) -> None:
    backend.close()
    backend.close()


def test_a_lease_has_one_holder_until_it_is_released(backend: Backend) -> None:
    first, other = backend.lease("20260102T030405.678-ab12"), backend.lease("other")
    assert first is not None
    assert other is not None
    assert backend.lease("other") is None
    assert first.held()
    first.release()
    assert not first.held()
    assert other.held()
    again = backend.lease("20260102T030405.678-ab12")
    assert again is not None
    first.release()
    assert again.held(), "what was released before is nobody's to release again"
    assert backend.lease("20260102T030405.678-ab12") is None
    again.release()
    other.release()
    assert backend.leased() == set()


def test_of_many_who_ask_for_a_lease_one_gets_it(backend: Backend) -> None:
    ready = threading.Barrier(8)
    got = []

    def ask() -> None:
        ready.wait()
        got.append(backend.lease("it"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (lease,) = filter(None, got)
    assert lease.held()
    lease.release()


def test_leases_are_no_refs_and_no_writes(backend: Backend) -> None:
    before = backend.sequence()
    lease = backend.lease("run")
    assert lease is not None
    assert list(backend.refs()) == []
    assert backend.sequence() == before
    with backend.frozen() as still:
        assert still.lease("run") is None
    lease.release()


STRANGE = [
    *("\0", "\n", "\x7f", " ", "a", "a\0", "a\nb", "a b", "a/", "a0", "a%0A", "A", "~", "\\", '"'),
    *(
        "é",
        "e\u0301",
        "\ud7ff",
        "\ud800",
        "\udcff",
        "\udfff",
        "\ue000",
        "\uffff",
        "\U00010000",
        "😀",
    ),
]


def test_any_text_is_a_name_and_sorted_by_its_characters(backend: Backend) -> None:
    targets = {name: Oid(f"{number:064x}") for number, name in enumerate(STRANGE)}
    assert backend.write({}, {name: (None, oid) for name, oid in targets.items()})
    assert list(backend.refs()) == sorted(targets.items())
    assert list(backend.refs(newest_first=True)) == sorted(targets.items(), reverse=True)
    assert list(backend.survey()) == sorted(targets.items())
    for name, oid in targets.items():
        assert backend.ref(name) == oid
        assert names(backend, name) == sorted(one for one in targets if one.startswith(name))
        below = [one for one, _ in backend.refs(below=name)]
        assert below == sorted(one for one in targets if one < name)
    assert backend.write({}, {name: (oid, None) for name, oid in targets.items()})
    assert names(backend) == []


@pytest.mark.parametrize("backwards", [False, True])
def test_what_stays_is_listed_once_whatever_others_write_meanwhile(
    backend: Backend, backwards: bool
) -> None:
    staying = [f"{number:05}" for number in range(0, 2000, 2)]
    point(backend, *staying)
    seen: list[str] = []
    for number, (name, oid) in enumerate(backend.refs(newest_first=backwards)):
        assert oid in (A, B)
        seen.append(name)
        if number % 200 == 0:
            moves: dict[str, tuple[Oid | None, Oid | None]] = {
                f"{other:05}x": (None, B) for other in range(number, 2000, 400)
            }
            moves |= {one: (A, B) for one in staying[number // 2 :: 100] if number == 0}
            gone = f"{2 * number + 1:05}"
            assert backend.write({}, {**moves, gone: (None, A)})
            assert backend.write({}, {**{one: (B, None) for one in moves if "x" in one}})
    assert seen == sorted(set(seen), reverse=backwards)
    assert set(staying) <= set(seen)


def test_objects_may_come_and_go_while_they_are_listed(backend: Backend) -> None:
    oids = fill(backend, *(b"%d" % number for number in range(size(5000, by_day=500))))
    listing = backend.oids()
    seen = [next(listing)]
    stay = [*oids[:10], *oids[-10:]]
    backend.sweep(lambda: oids[10:-10])
    new = fill(backend, *(b"new %d" % number for number in range(10)))
    seen += listing
    assert seen == sorted(set(seen))
    assert {*stay} <= {*seen} <= {*oids, *new}
    assert list(backend.oids()) == sorted([*stay, *new])


@pytest.mark.parametrize("length", [0, 1, 511, 4095, 4096, 1 << 16, (1 << 20) + 1])
def test_objects_of_any_length_are_kept_as_they_are(backend: Backend, length: int) -> None:
    data = bytes(range(251)) * (length // 251 + 1)
    (oid,) = fill(backend, data[:length])
    assert backend.get(oid) == data[:length]
    assert backend.get_many([oid]) == {oid: data[:length]}
    fill(backend, data[:length])
    assert list(backend.oids()) == [oid]
