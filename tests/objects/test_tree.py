"""Trees: the shape depends on the set alone, what did not change is shared, damage is noticed."""

from __future__ import annotations

import random
from collections import Counter
from itertools import count, islice

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import Corrupt
from ork.objects import tree
from ork.objects.canonical import hash_bytes
from ork.objects.kinds import (
    LEAF_ENTRIES_MAX,
    FileEntry,
    Node,
    OidLeaf,
    TaskRun,
    decode_object,
    encode_object,
)
from tests.scale import examples, size

ABSENT = "f" * 64


def oid(number):
    return f"{number:064x}"


def numbered(size, start=0):
    return {f"task_{index}": oid(index) for index in range(start, start + size)}


def with_first_digit(digit, size):
    """Names whose hashes begin alike, so that they meet again one level down."""
    names = (f"n{index}" for index in count())
    return list(
        islice((name for name in names if blake3(name.encode()).hexdigest()[0] == digit), size)
    )


class Shelf(dict):
    """Objects by oid, and how many times each was read."""

    def __init__(self):
        super().__init__()
        self.reads = []

    def add(self, entries, kind=str):
        return tree.build(entries, self.put, kind)

    def put(self, value):
        data = encode_object(value)
        self[hash_bytes(data)] = data
        return hash_bytes(data)

    def read(self, wanted):
        self.reads.append(wanted)
        return decode_object(self[wanted])


@pytest.fixture
def shelf():
    return Shelf()


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
maps = st.dictionaries(names, st.integers(0, 3).map(oid), max_size=12)
# A base on one side of a boundary and edits that may carry it across.
sizes = st.sampled_from([0, 1, 50, 63, 64, 65, 70, 600, 1100])
SLOW = settings(deadline=None, max_examples=examples(40))


def difference(old, new):
    both = sorted(old.keys() | new.keys(), key=str.encode)
    return {n: (old.get(n), new.get(n)) for n in both if old.get(n) != new.get(n)}


@SLOW
@given(sizes, maps, st.randoms(use_true_random=False))
def test_the_shape_depends_on_the_set_alone(size, more, order):
    wanted = numbered(size) | more
    shuffled = list(wanted.items())
    order.shuffle(shuffled)
    one, other = Shelf(), Shelf()
    assert one.add(dict(shuffled)) == other.add(wanted)
    assert one == other


@SLOW
@given(sizes, maps)
def test_every_entry_comes_back_in_the_order_of_its_utf8_bytes(size, more):
    shelf = Shelf()
    wanted = numbered(size) | more
    found = tree.entries(shelf.read, shelf.add(wanted))
    assert found == wanted
    assert list(found) == sorted(wanted, key=str.encode)


@SLOW
@given(sizes, maps, maps, st.integers(0, 40))
def test_changes_are_those_of_the_two_maps(size, before, after, removed):
    shelf = Shelf()
    old = numbered(size) | before
    new = numbered(size - min(removed, size), start=min(removed, size)) | after
    found = tree.changes(shelf.read, shelf.add(old), shelf.add(new))
    assert found == difference(old, new)
    assert list(found) == sorted(found, key=str.encode)


@SLOW
@given(sizes, maps)
def test_a_map_of_other_content_has_another_oid(size, more):
    base = numbered(size)
    shelf = Shelf()
    assert (shelf.add(base) == shelf.add(base | more)) == (base | more == base)


def test_order_is_by_bytes_not_by_utf16_units():
    shelf = Shelf()
    root = shelf.add({"😀": oid(1), "\ufb33": oid(2)})
    assert [name for name, _ in shelf.read(root).entries] == ["\ufb33", "😀"]


@pytest.mark.parametrize("size", [0, 1, 64, 65, 5000])
def test_lookup_finds_each_name_and_no_other(shelf, size):
    wanted = numbered(size)
    root = shelf.add(wanted)
    for name in list(wanted)[::7]:
        assert tree.lookup(shelf.read, root, name) == wanted[name]
    assert tree.lookup(shelf.read, root, "absent") is None
    assert tree.lookup(shelf.read, root, "") is None


def test_several_names_are_looked_up_with_no_part_read_twice(shelf):
    wanted, reads = numbered(5000), Counter()
    root = shelf.add(wanted)

    def read(oid):
        reads[oid] += 1
        return shelf.read(oid)

    some = list(wanted)[::7]
    assert dict(tree.among(read, root, [*some, "absent"])) == {name: wanted[name] for name in some}
    assert set(reads.values()) == {1}
    assert list(tree.among(read, root, ())) == []


def test_64_entries_are_a_leaf_and_65_a_node(shelf):
    assert shelf.add(numbered(LEAF_ENTRIES_MAX)) in shelf and len(shelf) == 1
    root = shelf.read(shelf.add(numbered(LEAF_ENTRIES_MAX + 1)))
    assert root.depth == 0
    assert {digit for digit, _ in root.children} == {
        blake3(name.encode()).digest()[0] >> 4 for name in numbered(LEAF_ENTRIES_MAX + 1)
    }


def test_a_part_of_more_than_64_entries_fans_out_by_the_second_half_byte(shelf):
    wanted = dict.fromkeys(with_first_digit("7", 300), oid(1))
    root = shelf.add(wanted)
    top = shelf.read(root)
    ((digit, below),) = top.children
    assert (digit, top.depth) == (7, 0)
    assert shelf.read(below).depth == 1
    assert tree.entries(shelf.read, root).keys() == wanted.keys()
    assert all(tree.lookup(shelf.read, root, name) == oid(1) for name in wanted)


def test_changes_across_a_level_that_one_side_does_not_have(shelf):
    alike = with_first_digit("7", 300)
    others = numbered(300)
    small = shelf.add(dict.fromkeys(alike[:250], oid(1)) | others)
    large = shelf.add(dict.fromkeys(alike, oid(1)) | others)
    assert tree.changes(shelf.read, small, large).keys() == set(alike[250:])
    assert tree.changes(shelf.read, large, small).keys() == set(alike[250:])
    assert tree.changes(shelf.read, shelf.add({}), large).keys() == {*alike, *others}


def test_one_change_in_10_000_entries_writes_three_small_objects(shelf):
    wanted = numbered(10_000)
    shelf.add(wanted)
    before = len(shelf)
    shelf.add(wanted | {"task_4711": ABSENT})
    assert len(shelf) == before + 3
    assert sum(map(len, list(shelf.values())[before:])) < 9000


def test_a_comparison_reads_only_where_the_trees_differ(shelf):
    wanted = numbered(10_000)
    old, new = shelf.add(wanted), shelf.add(wanted | {"task_4711": ABSENT})
    shelf.reads.clear()
    assert tree.changes(shelf.read, old, new) == {"task_4711": (oid(4711), ABSENT)}
    assert len(set(shelf.reads)) == 6
    shelf.reads.clear()
    assert tree.changes(shelf.read, old, old) == {}
    assert shelf.reads == []


@pytest.mark.parametrize("size", [0, 64, 65, 5000])
def test_oids_names_every_object_of_the_tree_root_first(shelf, size):
    root = shelf.add(numbered(size))
    found = list(tree.oids(shelf.read, root))
    assert found[0] == root
    assert set(found) == shelf.keys()


@SLOW
@given(sizes, sizes, maps)
def test_fresh_objects_are_those_that_the_old_tree_does_not_share(old_size, new_size, more):
    shelf = Shelf()
    old, new = shelf.add(numbered(old_size)), shelf.add(numbered(new_size) | more)
    olds, news = (set(tree.oids(shelf.read, root)) for root in (old, new))
    fresh = list(tree.fresh(shelf.read, old, new))
    assert set(fresh) >= news - olds
    assert set(fresh) <= news


def test_fresh_objects_below_the_second_level(shelf):
    alike = with_first_digit("7", 600)
    old = shelf.add(dict.fromkeys(alike[:500], oid(1)))
    new = shelf.add(dict.fromkeys(alike, oid(1)) | {"other": oid(2)})
    olds, news = (set(tree.oids(shelf.read, root)) for root in (old, new))
    assert set(tree.fresh(shelf.read, old, new)) == news - olds


@pytest.mark.slow
def test_a_tree_of_tens_of_thousands_of_entries(shelf):
    wanted = numbered(size(80_000, by_day=20_000))
    root = shelf.add(wanted)
    assert all(shelf.read(below).depth == 1 for _, below in shelf.read(root).children)
    assert tree.entries(shelf.read, root) == wanted
    edits = random.Random(1).sample(sorted(wanted), 50)
    changed = wanted | dict.fromkeys(edits[:25], ABSENT) | {"new": ABSENT}
    for name in edits[25:]:
        del changed[name]
    assert tree.changes(shelf.read, root, shelf.add(changed)) == difference(wanted, changed)


WALKS = {
    "entries": lambda read, root: tree.entries(read, root),
    "oids": lambda read, root: list(tree.oids(read, root)),
    "lookup": lambda read, root: [tree.lookup(read, root, f"n{index}") for index in range(400)],
    "changes": lambda read, root: tree.changes(read, root, "other"),
    "changes back": lambda read, root: tree.changes(read, "other", root),
    "fresh": lambda read, root: list(tree.fresh(read, "other", root)),
}


def everywhere(depth, below):
    return Node(children=tuple((digit, below) for digit in range(16)), depth=depth)


@pytest.mark.parametrize("walk", WALKS)
def test_a_tree_inside_itself_is_corrupt(walk):
    # No such tree can be named by its hash; a backend that lies may still hand one out.
    with pytest.raises(Corrupt):
        WALKS[walk](lambda wanted: everywhere(0, wanted), "loop")


@pytest.mark.parametrize("walk", WALKS)
def test_a_node_at_a_wrong_depth_is_corrupt(walk):
    shelf = {
        "root": everywhere(0, "deep"),
        "deep": everywhere(2, "leaf"),
        "leaf": OidLeaf(),
        "other": everywhere(0, "leaf"),
    }
    with pytest.raises(Corrupt, match="depth"):
        WALKS[walk](shelf.__getitem__, "root")


@pytest.mark.parametrize("walk", WALKS)
def test_a_tree_deeper_than_a_hash_is_corrupt(walk):
    def chain(wanted):
        level = -1 if wanted == "other" else int(wanted)
        if level < 0:
            return OidLeaf()
        return Node(children=((0, str(level + 1)),), depth=min(level, 63))

    if walk == "lookup":
        deep = {str(n): everywhere(min(n, 63), str(n + 1)) for n in range(65)}
        chain = deep.__getitem__
    with pytest.raises(Corrupt):
        WALKS[walk](chain, "0")


def test_a_stored_tree_is_what_build_says(shelf):
    root = shelf.add({"a": oid(1)})
    assert shelf[root] == encode_object(OidLeaf(entries=(("a", oid(1)),)))


def test_a_name_that_has_no_bytes_is_in_no_tree(shelf):
    assert tree.lookup(shelf.read, shelf.add({"a": "0" * 64}), "\udcff") is None


def test_a_tree_holds_code_files_or_outcomes_as_well(shelf):
    for kind, entry in (
        (FileEntry, FileEntry(blob=oid(1), executable=True)),
        (TaskRun, TaskRun(task=oid(1), state="pending")),
    ):
        wanted = dict.fromkeys(numbered(100), entry)
        root = shelf.add(wanted, kind)
        assert tree.entries(shelf.read, root) == wanted
        assert tree.lookup(shelf.read, root, "task_7") == entry
    assert shelf.add({}, FileEntry) != shelf.add({}, TaskRun)
