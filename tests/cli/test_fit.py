"""Lines that fit a terminal: wrapped between words, or cut at their end"""

from hypothesis import given
from hypothesis import strategies as st

from ork.cli.screen.fit import Pointed, Verbatim, abreast, columns, cut, fitted_lines
from ork.cli.screen.line import PRINTED, plain

PIECES = st.tuples(st.text("ab é漢", max_size=30), st.sampled_from(["", "name", "oid"]))


def wrapped(line, width):
    return [plain(one) for one in fitted_lines([line], width)]


@given(st.lists(PIECES, min_size=1, max_size=6), st.integers(20, 80))
def test_no_letter_is_lost_and_nothing_is_wider(pieces, width):
    line = [*pieces]
    lines = wrapped(line, width)
    assert all(columns(one) <= width for one in lines)
    assert "".join("".join(lines).split()) == "".join(plain(line).split())
    short = cut(line, width)
    assert columns(plain(short)) <= width
    assert plain(line).startswith(plain(short).removesuffix("..."))


@given(st.text("ab é漢", min_size=1, max_size=300), st.integers(20, 100), st.data())
def test_a_mark_stands_below_its_letter_however_narrow_the_terminal_is(code, width, data):
    at = data.draw(st.integers(1, len(code)))
    source, mark = (plain(one) for one in fitted_lines([Pointed(7, code, at)], width))
    assert columns(source) <= width and columns(mark) <= min(width, 80)
    before, head = mark.index("^"), len("    7 | ")
    shown = next(n for n in range(head, len(source)) if columns(source[:n]) == before)
    assert source[head:] in code and source[shown] == code[at - 1]
    assert source[shown:].startswith(code[at - 1 : at + 5])


@given(st.lists(st.text("abc", min_size=1, max_size=12), min_size=1), st.integers(30, 80))
def test_no_word_is_broken_that_has_room(words, width):
    assert " ".join(wrapped([" ".join(words)], width)).split() == words


def test_what_goes_on_stands_below_what_had_no_room():
    line = [("hint: ", "hint"), "as in `ork diff etl~1 etl`, which tells what changed"]
    assert wrapped(line, 30) == [
        "hint: as in",
        "      `ork diff etl~1 etl`,",
        "      which tells what changed",
    ]
    assert wrapped(["etl#1 failed: 16 succeeded, 1 failed"], 31) == [
        "etl#1 failed: 16 succeeded,",
        "    1 failed",
    ]
    # What just fits stands as far to the right as it has room.
    assert wrapped([("newest run ", "label"), "x" * 18], 20) == ["newest run", f"  {'x' * 18}"]
    # The number of a run has no noun.
    assert wrapped(["transform#12 failed in 3.0s"], 20) == ["transform#12 failed", "    in 3.0s"]
    assert wrapped(["transform_all#12 failed"], 22) == ["transform_all#12", "    failed"]
    assert wrapped(["from 2026-11-01 12:00 to 2026-11-02 12:00"], 36) == [
        "from 2026-11-01 12:00 to",
        "    2026-11-02 12:00",
    ]
    assert wrapped(["  ", "a" * 30, "  ", "b" * 20], 40) == [f"  {'a' * 30}", f"      {'b' * 20}"]
    # What is longer than a line stays whole, since an address that is broken cannot be copied, and
    # behind its label, which would stand there alone.
    assert wrapped([("ok ", "success"), "x" * 45], 20) == [f"ok {'x' * 45}"]
    assert wrapped(["at ", "x" * 45, " and so on and on"], 20) == [
        f"at {'x' * 45} and so on",
        "   and on",
    ]
    styles = [*fitted_lines([[("one two", "name"), " ", ("three four five", "oid")]], 20)]
    assert styles[0] == [("one two", "name"), " ", ("three four", "oid")]


def test_a_text_without_spaces_is_broken_between_its_letters():
    line = [("failed  ", "failed"), "学習率が大きすぎます（三）。「小さく」して"]
    assert wrapped(line, 24) == [
        "failed  学習率が大きすぎ",
        "        ます（三）。「小",
        "        さく」して",
    ]
    # No mark stands at the edge that closes, or opens, what is on the other line.
    assert wrapped(["漢" * 9 + "字。" + "漢" * 3], 20) == ["漢" * 9, "    字。漢漢漢"]
    assert wrapped(["漢" * 9 + "「字" + "漢" * 3], 20) == ["漢" * 9, "    「字漢漢漢"]
    assert wrapped(["at `ork tag 漢字漢字` now"], 20) == ["at", "  `ork tag 漢字漢字`", "    now"]


@given(st.lists(st.lists(PIECES.map(lambda one: [one]), max_size=3)), st.integers(20, 200))
def test_blocks_stand_beside_each_other_where_they_have_room(blocks, width):
    lines = [plain(line) for block in blocks for line in block]
    shown = [plain(line) for line in abreast(blocks, width)]
    wide = max(map(columns, lines), default=0)
    assert all(columns(line) <= max(width, wide) for line in shown)
    assert len(shown) <= len(lines)
    assert sorted("".join(shown).replace(" ", "")) == sorted("".join(lines).replace(" ", ""))
    assert [plain(line) for line in abreast(blocks, None)] == lines


def test_beside_each_other_is_down_first_and_breaks_no_block():
    letters = [[[letter]] for letter in "abcdefg"]
    assert [plain(line) for line in abreast(letters, 20)] == ["a  b  c  d  e  f  g"]
    assert [plain(line) for line in abreast(letters, 8)] == ["a  d  g", "b  e", "c  f"]
    blocks = [[["History"], ["  log"]], [["Runs"], ["  run"], ["  retry"]], [["Upkeep"]]]
    assert [plain(line) for line in abreast(blocks, 18)] == [
        "History  Runs",
        "  log      run",
        "           retry",
        "         Upkeep",
    ]


def test_code_and_what_a_task_printed_stay_as_they_are():
    for line in (Verbatim(["a b " * 30]), [("a b " * 30, PRINTED)]):
        assert [*fitted_lines([line], 40)] == [line]
    long = ["a b " * 30]
    assert [*fitted_lines([long], None)] == [long] == [*fitted_lines([long], 19)]


def test_a_list_keeps_its_columns():
    line = [("etl#1", "name"), "  ", ("failed", "failed"), "  no such table: customers"]
    assert plain(cut(line, 30)) == "etl#1  failed  no such tabl..."
    assert plain(cut(["etl#1  ", ("cancelled", "cancelled"), line[-1]], 20)) == "etl#1  cancelled"
    cells = ["daily_load", "  ", ("success", "success"), "  ", "10 tasks"]
    assert plain(cut(cells, 26)) == "daily_load  success  10..."
    assert plain(cut(cells, 24)) == "daily_load  success"
    padded = ["daily_load  ", ("-       ", "time"), "  3 tasks"]
    assert plain(cut(padded, 25)) == "daily_load  -"
    assert plain(cut(padded, 26)) == "daily_load  -         3..."
    assert cut(line, 80) is line is cut(line, None)
    assert plain(cut(["漢" * 20], 21)) == f"{'漢' * 9}..."
