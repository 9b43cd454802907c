"""Order, cycles, ancestors and dependants of tasks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.errors import InvalidInput
from ork.graph.order import ancestors, dependants, descendants, find_cycle, order
from tests.scale import size

#     a
#    / \
#   b   c
#    \ / \
#     d   e
DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["c"]}
NAMES = "abcdefgh"
graphs = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4), max_size=8
)


def test_order_is_by_need_then_by_name() -> None:
    assert order(DIAMOND) == ("a", "b", "c", "d", "e")
    assert order({"z": [], "y": ["z"], "a": ["y"], "b": []}) == ("b", "z", "y", "a")


def test_numbers_in_names_count_as_such() -> None:
    names = ("a", "a02b10", "a2b9", "a2b10", "a010", "a10", "b", "task", "task_9", "task_10")
    by_number = ("a", "a2b9", "a02b10", "a2b10", *names[4:])
    assert order({name: [] for name in names}) == by_number
    long = "9" * 20
    assert order({"a" + long: [], "a1": [], "a" + long + "0": []})[0] == "a1"


def test_ancestors_and_descendants_are_all_the_way() -> None:
    assert ancestors(DIAMOND, ["d"]) == {"a", "b", "c"}
    assert descendants(DIAMOND, ["c"]) == {"d", "e"}
    assert ancestors(DIAMOND, ["d", "b"]) == {"a", "b", "c"}
    assert descendants(DIAMOND, ["d"]) == ancestors(DIAMOND, ["a"]) == frozenset()


def test_dependants_turn_the_graph_round() -> None:
    assert dependants(DIAMOND)["a"] == ["b", "c"]
    assert dependants({"a": ["a", "x"]}) == {"a": ["a"]}


def test_a_cycle_is_shown_as_a_way_round() -> None:
    assert find_cycle({"a": ["b"], "b": ["a"]}) == ("a", "b", "a")
    assert find_cycle({"a": ["a"]}) == ("a", "a")
    assert find_cycle({"x": ["c"], "c": ["d"], "d": ["e"], "e": ["c"]}) == ("c", "d", "e", "c")
    with pytest.raises(InvalidInput, match="a -> b -> a"):
        order({"a": ["b"], "b": ["a"]})


@pytest.mark.slow
def test_a_long_chain_is_no_recursion() -> None:
    length = size(100_000, by_day=5000)
    chain = {f"t{i:06}": [f"t{i - 1:06}"] if i else [] for i in range(length)}
    assert order(chain) == tuple(chain)
    assert find_cycle(chain) is None
    *_, last = chain
    assert len(ancestors(chain, [last])) == length - 1
    chain["t000000"] = [last]
    assert len(find_cycle(chain) or ()) == length + 1


@settings(deadline=None)
@given(graphs)
def test_there_is_an_order_or_there_is_a_cycle(needs: dict[str, list[str]]) -> None:
    cycle = find_cycle(needs)
    if cycle is not None:
        assert cycle[0] == cycle[-1]
        assert all(b in needs[a] for a, b in pairwise(cycle))
        with pytest.raises(InvalidInput):
            order(needs)
        return
    done = order(needs)
    assert sorted(done) == sorted(needs)
    for name, below in needs.items():
        assert all(done.index(n) < done.index(name) for n in below if n in needs)


@settings(deadline=None)
@given(graphs, st.randoms())
def test_the_order_of_a_mapping_never_counts(needs: dict[str, list[str]], random: object) -> None:
    items = list(needs.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    shuffled = dict(items)
    assert find_cycle(shuffled) == find_cycle(needs)
    assert dependants(shuffled) == dependants(needs)
    assert ancestors(shuffled, ["a"]) == ancestors(needs, ["a"])
