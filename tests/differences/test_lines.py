import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences import lines
from tests.scale import examples

few_words = st.lists(st.sampled_from("abcde"), max_size=40)
texts = st.lists(st.sampled_from(["a", "b", "c\r", "", "d\n"]), max_size=30).map("\n".join)


@given(few_words, few_words)
@settings(deadline=None)
def test_matches_are_equal_rising_and_never_touch(old, new):
    i_end = j_end = -1
    for i, j, length in lines.matches(old, new):
        assert length > 0 and i >= i_end and j >= j_end and (i, j) != (i_end, j_end)
        assert old[i : i + length] == new[j : j + length]
        i_end, j_end = i + length, j + length


@given(few_words, few_words)
@settings(deadline=None)
def test_swapping_the_sides_swaps_the_matches(old, new):
    assert lines.matches(new, old) == [(j, i, n) for i, j, n in lines.matches(old, new)]


def test_what_both_keep_is_found_among_repeated_lines():
    kept = sum(length for *_, length in lines.matches(list("abcabba"), list("cbabac")))
    assert kept == 4


@given(texts, texts)
@settings(deadline=None)
def test_hunks_applied_to_the_old_text_give_the_new_one(old, new):
    assert apply(old, lines.hunks(old, new)) == new


@given(texts, texts)
@settings(deadline=None)
def test_hunks_have_the_lines_that_their_header_says(old, new):
    for hunk in lines.hunks(old, new):
        signs = [line[0] for line in hunk.lines]
        assert hunk.old_lines == signs.count(" ") + signs.count("-")
        assert hunk.new_lines == signs.count(" ") + signs.count("+")


@given(texts, texts)
@settings(deadline=None)
def test_counts_are_those_of_the_hunks(old, new):
    signs = [line[0] for hunk in lines.hunks(old, new) for line in hunk.lines]
    assert lines.count_changes(old, new) == (signs.count("+"), signs.count("-"))


@given(texts)
def test_lines_joined_are_the_text(text):
    assert "".join(lines.split(text)) == text


def test_equal_texts_have_no_hunks():
    assert lines.hunks("a\nb\n", "a\nb\n") == ()


def test_a_hunk_has_three_lines_of_context():
    old = "".join(f"{n}\n" for n in range(20))
    (hunk,) = lines.hunks(old, old.replace("10\n", "ten\n"))
    assert (hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) == (8, 7, 8, 7)
    assert hunk.lines == (" 7", " 8", " 9", "-10", "+ten", " 11", " 12", " 13")


def test_changes_far_apart_are_two_hunks_and_near_ones_are_one():
    old = "".join(f"{n}\n" for n in range(30))
    far = old.replace("5\n", "five\n", 1).replace("\n20\n", "\ntwenty\n")
    near = old.replace("\n5\n", "\nfive\n").replace("\n12\n", "\ntwelve\n")
    assert [len(lines.hunks(old, text)) for text in (far, near)] == [2, 1]


def test_a_new_text_is_one_hunk_from_line_zero():
    (hunk,) = lines.hunks("", "a\nb\n")
    assert (hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) == (0, 0, 1, 2)


def test_a_newline_missing_at_the_end_is_a_difference():
    (hunk,) = lines.hunks("a\n", "a")
    assert hunk.lines == ("-a", "+a", "\\ No newline at end of file")


def test_only_a_newline_ends_a_line():
    assert lines.split("a\u2028b\x0bc\rd\n") == ["a\u2028b\x0bc\rd\n"]


def test_bytes_with_a_nul_or_not_utf8_are_binary():
    assert lines.as_text(b"a\0b") is None
    assert lines.as_text(b"\xff") is None
    assert lines.as_text("grün".encode()) == "grün"


@pytest.mark.slow
def test_a_search_that_costs_too_much_settles_for_less_and_stays_right():
    old = "".join(f"{n // 2}\n" for n in range(20_000))
    new = "".join(line for n, line in enumerate(lines.split(old)) if n % 7)
    assert apply(old, lines.hunks(old, new)) == new
    assert lines.count_changes(old, new) == (0, len(lines.split(old)) - len(lines.split(new)))


def test_a_hopeless_search_ends_in_replacing_all(monkeypatch):
    monkeypatch.setattr(lines, "STEPS_MAX", 100)
    old, new = "ab\n" * 3 + "a\nb\n" * 500, "b\na\n" * 400 + "cd\n" * 2
    assert apply(old, lines.hunks(old, new)) == new
    assert lines.count_changes(old, new) == (802, 1003)


def test_one_stranger_in_a_long_text_does_not_hide_what_is_kept():
    old = [str(n) for n in range(50_000)]
    new = [*old[:25_000], "stranger", *old[25_000:]]
    assert lines.matches(old, new) == [(0, 0, 25_000), (25_000, 25_001, 25_000)]


def apply(old: str, hunks: tuple[lines.Hunk, ...]) -> str:
    before, after, at = lines.split(old), [], 0
    for hunk in hunks:
        start = hunk.old_start - (hunk.old_lines > 0)
        after += before[at:start]
        at = start + hunk.old_lines
        for previous, line in zip(("", *hunk.lines), hunk.lines, strict=False):
            if line[0] in " +":
                after.append(line[1:] + "\n")
            elif line[0] == "\\" and previous[0] != "-":
                after[-1] = after[-1].removesuffix("\n")
    return "".join([*after, *before[at:]])


letters = st.lists(st.sampled_from("abcdef"), max_size=12)


@settings(deadline=None, max_examples=examples(300))
@given(letters, letters, st.data())
def test_lines_are_carried_as_the_diff_says(old, new, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(new))), unique=True)) if new else []
    before = {j + n: i + n for i, j, length in lines.matches(old, new) for n in range(length)}
    kept, rest = lines.carried(old, new, [(place, place * 10) for place in chosen])
    assert kept == [(before[p], p * 10) for p in chosen if p in before]
    assert rest == [(p, p * 10) for p in chosen if p not in before]
