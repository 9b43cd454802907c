import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences import renames

old_names = st.text("ab", min_size=1, max_size=3).map("x".__add__)
new_names = st.text("ab", min_size=1, max_size=3).map("y".__add__) | st.sampled_from("abcz")
contents = st.sampled_from([b"1", b"2", b"3"])
features = st.sets(st.sampled_from("pqrstu"), max_size=5).map(
    lambda keys: {key: "pqrstu".index(key) + 1 for key in keys}
)


@given(st.dictionaries(old_names, contents), st.dictionaries(new_names, contents))
@settings(deadline=None)
def test_equal_contents_are_paired_one_to_one_as_far_as_they_go(olds, news):
    pairs = renames.pair_equal(olds, news)
    assert len(set(pairs.values())) == len(pairs)
    assert all(olds[old] == news[new] for old, new in pairs.items())
    left_old = {olds[name] for name in olds.keys() - pairs.keys()}
    assert left_old.isdisjoint(news[name] for name in news.keys() - set(pairs.values()))


@given(st.dictionaries(old_names, contents), st.dictionaries(new_names, contents))
@settings(deadline=None)
def test_swapping_the_sides_swaps_equal_pairs(olds, news):
    assert inverse(renames.pair_equal(news, olds)) == renames.pair_equal(olds, news)


@given(st.dictionaries(old_names, features), st.dictionaries(new_names, features))
@settings(deadline=None)
def test_swapping_the_sides_swaps_similar_pairs(olds, news):
    there = renames.pair_similar(olds, news, percent_min=50)
    assert inverse(renames.pair_similar(news, olds, percent_min=50)) == there
    assert all(renames.similarity(olds[old], news[new]) >= 50 for old, new in there.items())


def test_the_most_similar_pair_wins():
    olds = {"a": {"x": 1, "y": 1, "z": 1}}
    news = {"b": {"x": 1, "y": 1}, "c": {"x": 1, "y": 1, "z": 1}}
    assert renames.pair_similar(olds, news, percent_min=50) == {"a": "c"}


def test_among_equals_the_nearest_names_are_paired():
    olds = {f"step_{n}": b"same" for n in range(1, 21)}
    news = {f"stage_{n}": b"same" for n in range(1, 21)}
    pairs = renames.pair_equal(olds, news)
    assert pairs == {f"step_{n}": f"stage_{n}" for n in range(1, 21)}


def test_what_all_have_in_common_makes_no_pairs():
    olds = {f"old{n}": {"common": 9, f"only old {n}": 1} for n in range(3_000)}
    news = {f"new{n}": {"common": 9, f"only new {n}": 1} for n in range(3_000)}
    assert renames.pair_similar(olds, news, percent_min=50) == {}


def test_more_equal_names_than_can_be_weighed_are_paired_in_order():
    olds = {f"a{n:04}": b"same" for n in range(3_000)}
    news = {f"b{n:04}": b"same" for n in range(3_000)}
    assert renames.pair_equal(olds, news) == {f"a{n:04}": f"b{n:04}" for n in range(3_000)}


@pytest.mark.slow
def test_many_groups_of_equal_names_are_paired_each_in_order_at_last():
    # 50 names of each content make 2,500 pairs, of which 20 groups have room.
    contents = [str(number // 50).encode() for number in range(2_000)]
    olds = {f"old_{number:04}": content for number, content in enumerate(contents)}
    news = {f"new_{number:04}": content for number, content in enumerate(contents)}
    pairs = renames.pair_equal(olds, news)
    assert pairs == {f"old_{number:04}": f"new_{number:04}" for number in range(2_000)}
    assert inverse(renames.pair_equal(news, olds)) == pairs


def test_no_more_pairs_are_weighed_than_there_is_room_for(monkeypatch):
    weighed = []
    monkeypatch.setattr(renames, "_closeness", lambda *pair: weighed.append(pair) or 0)
    names = {f"{number:04}": str(number // 50).encode() for number in range(2_000)}
    renames.pair_equal({f"a{name}": one for name, one in names.items()}, names)
    assert len(weighed) <= renames.PAIRS_MAX


def inverse(pairs: dict[str, str]) -> dict[str, str]:
    return {new: old for old, new in pairs.items()}
