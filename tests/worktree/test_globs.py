"""Patterns of `exclude` as a regular expression: what they mean, whatever somebody has written."""

from __future__ import annotations

import fnmatch
import re
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.worktree.globs import expression
from tests.scale import examples

PARTS = ("*", "**", "a", "b", "a*", "*b", "*a*b*", "?", "[ab]", "[!a]*", ".x", "a*a", "[]a]")
NAMES = ("a", "b", "ab", "ba", "aab", ".x", "x.sh", "abab", "]a")


def means(parts: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Say part by part whether a pattern of `include` means a path."""

    @cache
    def from_here(part: int, name: int) -> bool:
        rest = names[name:]
        if part == len(parts):
            return not rest
        if parts[part] == "**":
            goes_on = bool(rest) and not rest[0].startswith(".")
            if part == len(parts) - 1:
                return goes_on and (len(rest) == 1 or from_here(part, name + 1))
            return from_here(part + 1, name) or (goes_on and from_here(part, name + 1))
        seen = bool(rest) and (not rest[0].startswith(".") or parts[part].startswith("."))
        fits = seen and re.match(fnmatch.translate(parts[part]), rest[0]) is not None
        return fits and from_here(part + 1, name + 1)

    return from_here(0, 0)


@pytest.mark.slow
@settings(max_examples=examples(2000))
@given(
    st.lists(st.sampled_from(PARTS), min_size=1, max_size=4),
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=5),
)
def test_a_pattern_means_what_it_means_in_include_and_all_below(
    parts: list[str], names: list[str]
) -> None:
    above = (tuple(names[:end]) for end in range(1, len(names) + 1))
    meant = any(means(tuple(parts), path) for path in above)
    found = re.fullmatch(expression(["no/such", "/".join(parts)]), "/".join(names))
    assert (found is not None) == meant


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*a" * 20 + "*b", "a" * 2000),
        ("**/a/" * 12 + "b", "a/" * 400 + "a"),
        ("**/" * 10 + "*a*a*a*b", "a/" * 200 + "a" * 200),
    ],
)
def test_a_hostile_pattern_ends(pattern: str, path: str) -> None:
    assert re.fullmatch(expression([pattern]), path) is None
