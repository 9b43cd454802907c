"""Reading YAML strictly: what scalars mean, what is refused and where, and C beside Python."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ork.errors import InvalidInput, Problem
from ork.objects.canonical import Json
from ork.yaml import nodes, reader
from ork.yaml.nodes import Node
from ork.yaml.problems import Problems
from tests.scale import examples

needs_c = pytest.mark.skipif(reader._c_parser() is None, reason="the C parser is not installed")


def load(text: str) -> Json:
    return nodes.plain(tree(text))


def tree(text: str) -> Node:
    problems = Problems("test.yaml", text)
    reader.check_characters(text, problems)
    root = nodes.read(text, problems)
    problems.check()
    return root


def unplaced(text: str) -> Node | None:
    found = nodes.read_unplaced(text)
    return found and found[0]


def complaints(text: str) -> list[Problem]:
    with pytest.raises(InvalidInput) as caught:
        tree(text)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("nULL", "nULL"),
        ("true", True),
        ("FALSE", False),
        ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("012", 12),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("0b1", "0b1"),
        ("12:30", "12:30"),
        ("0o8", "0o8"),
        ("9007199254740991", 2**53 - 1),
        ("-9007199254740991", -(2**53) + 1),
        ("1.5", 1.5),
        ("1.", 1.0),
        (".5", 0.5),
        ("-1e3", -1000.0),
        ("1E-2", 0.01),
        ("1e", "1e"),
        (".", "."),
        ("-", [None]),
        ("+", "+"),
        ("1.2.3", "1.2.3"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("-.Inf", "-.Inf"),
        ("nan", "nan"),
        ("2026-11-22", "2026-11-22"),
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00Z"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("'it''s'", "it's"),
        ('"\\u00e9\\n"', "é\n"),
        ("|-\n  1\n  2", "1\n2"),
        (">-\n  a\n  b", "a b"),
        ("=", "="),
        ("<<", "<<"),
        ("?x", "?x"),
        ("[?x, y?]", ["?x", "y?"]),
        ("{?x: 1}", {"?x": 1}),
    ],
)
def test_scalars_are_of_the_core_schema(written: str, value: Json) -> None:
    found = load(f"key:\n  {written}\n" if written == "-" else f"key: {written}\n")
    assert found == {"key": value}
    assert type(found["key"]) is type(value)


@pytest.mark.parametrize("written", ["9007199254740992", "-" + "9" * 5000, "0x" + "f" * 14])
def test_an_integer_that_json_cannot_hold_is_to_be_quoted(written: str) -> None:
    (problem,) = complaints(f"a: 1\nb: {written}\n")
    assert (problem.line, problem.column) == (2, 4)
    assert "2^53-1" in problem.message
    assert problem.hint is not None and "quote it" in problem.hint
    assert load(f"b: '{written}'") == {"b": written}


@pytest.mark.parametrize("written", ["1e400", "1" + "0" * 350 + ".0", "-1e309"])
def test_a_float_beyond_all_floats_is_to_be_quoted(written: str) -> None:
    (problem,) = complaints(f"b: {written}\n")
    assert problem.hint is not None and "quote it" in problem.hint


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("1: a", 1, 1, "the key 1 is not a text"),
        ("a: 1\ntrue: a", 2, 1, "the key true is not a text"),
        ("null: a", 1, 1, "an empty key"),
        ("? [a]\n: b", 1, 3, "a list or mapping cannot be a key"),
        ("? {a: b}\n: b", 1, 3, "a list or mapping cannot be a key"),
        ("a: !!str 1", 1, 4, "the tag tag:yaml.org,2002:str is not allowed"),
        ("a: !thing {b: c}", 1, 4, "the tag !thing is not allowed"),
        ("a: ! b", 1, 4, "the tag ! is not allowed"),
        ("a: !!python/object/apply:os.system [x]", 1, 4, "is not allowed"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3", 5, 3, "first at line 3, column 3"),
        ("{a: 1, 'a': 2}", 1, 8, "the key 'a' is given twice; first at line 1, column 2"),
        ("<<: {a: 1}\nb: 1\nb: 2", 3, 1, "the key 'b' is given twice"),
        ("<<: {a: 1}\n<<: {b: 1}", 2, 1, "a second `<<`"),
        ("<<: [1]", 1, 6, "`<<` merges mappings only"),
        ("a: 1\n---\nb: 1", 2, 1, "a second document begins here"),
        ("%YAML 1.1\n---\na: 1", 1, 1, "directives are not allowed"),
        ("%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "directives are not allowed"),
        ("# one\n\n%YAML 1.3\n---\na: 1", 3, 1, "directives are not allowed"),
        ("%OTHER x\n---\na: 1", 1, 1, "directives are not allowed"),
        ("a: *b", 1, 4, "no anchor &b before this alias"),
        ("a: &a [*a]", 1, 8, "the alias *a stands inside of what it names"),
        ("a: &a 1\nb: &a [*a]", 2, 8, "the alias *a stands inside of what it names"),
        ('a: "\\ud800"', 1, 4, "half of a surrogate pair"),
        ('a: "\\ude00\\ud83d"', 1, 4, "half of a surrogate pair"),
        ("a: 1\nb: x\0y", 2, 5, "the character U+0000 is not allowed"),
        ("a: x\x1b[0m", 1, 5, "the character U+001B is not allowed"),
        ("é: x\x7f", 1, 5, "the character U+007F is not allowed"),
        ("a: \ufffe", 1, 4, "the character U+FFFE is not allowed"),
        ("a:\n\t- b", 2, 1, "not valid YAML"),
        ("a: b: c", 1, 5, "not valid YAML: mapping values are not allowed here"),
        ("a: 'b", 1, 4, "not valid YAML"),
        ("a: 1\nb: 'c\nd: 1\n\n", 2, 4, "not valid YAML"),
        ("{a: [b}", 1, 7, "not valid YAML"),
    ],
)
def test_what_is_refused_is_named_with_its_place(
    text: str, line: int, column: int, message: str
) -> None:
    problem = complaints(text)[0]
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)
    assert problem.file == "test.yaml"
    assert problem.source == text.split("\n")[line - 1]


def test_many_complaints_come_at_once_in_order() -> None:
    found = complaints("b: !x 1\na: 1\na: 2\n3: 99999999999999999999\n")
    assert [(p.line, p.column) for p in found] == [(1, 4), (3, 1), (4, 1), (4, 4)]


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n\n", "\n# more"])
@pytest.mark.parametrize("open_at", ["tasks: [", "tasks: {", "tasks: '", 'tasks: "'])
def test_a_complaint_has_a_line_of_the_file_to_stand_at(open_at: str, end: str) -> None:
    text = f"name: x\n{open_at}{end}"
    lines = text.splitlines()
    for problem in complaints(text):
        assert 1 <= problem.line <= len(lines) and problem.source is not None
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1
        for number in re.findall(r"in line (\d+)", problem.message):
            assert int(number) <= len(lines)


def test_nodes_know_where_they_begin() -> None:
    root = tree('é: {k: [1, "two"]}\nnext:\n  - x\n')
    assert isinstance(root.value, dict)
    key, value = root.value["next"]
    assert (key.line, key.column) == (2, 1)
    assert isinstance(value.value, list)
    assert (value.value[0].line, value.value[0].column) == (3, 5)
    inner = root.value["é"][1].value
    assert isinstance(inner, dict) and isinstance(inner["k"][1].value, list)
    assert [(n.line, n.column) for n in inner["k"][1].value] == [(1, 9), (1, 12)]


@needs_c
def test_what_is_read_without_places_says_that_it_has_none() -> None:
    root = unplaced(SEED)
    assert root is not None
    with pytest.raises(nodes.Unplaced):
        _ = root.line


@needs_c
def test_without_places_equal_scalars_are_one_node_but_a_quoted_number_is_a_text() -> None:
    root = unplaced("[1, '1', \"1\", 1, <<, '<<', &a 1, *a, &b ~, *b]")
    assert root is not None and isinstance(root.value, list)
    assert nodes.plain(root) == [1, "1", "1", 1, "<<", "<<", 1, 1, None, None]
    assert root.value[0] is root.value[3]


@needs_c
@pytest.mark.parametrize(
    "text",
    ["a: 1e999", "{a: 1, a: 2}", "[1, !x 1]", "{1: a}", "*a", "&a [*a]", "a: [", "--- a\n--- b"],
)
def test_what_there_is_something_to_say_of_is_not_read_without_places(text: str) -> None:
    assert nodes.read_unplaced(text) is None


def test_an_alias_has_its_own_place() -> None:
    root = tree("a: &x {k: 1}\nb: *x\n")
    assert isinstance(root.value, dict)
    assert (root.value["b"][1].line, root.value["b"][1].column) == (2, 4)


def test_anchors_and_merges_give_their_values() -> None:
    text = "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\nd: {<<: *b}\ne: *a\n"
    found = load(text)
    assert found["c"] == {"x": 9, "y": 2, "z": 4}
    assert found["d"] == {"y": 3, "z": 4}
    assert found["e"] == {"x": 1, "y": 2}


def test_a_key_beside_a_merge_wins_wherever_it_stands() -> None:
    assert load("a: &a {x: 1}\nb: {x: 2, <<: *a}") == load("a: &a {x: 1}\nb: {<<: *a, x: 2}")


def test_a_quoted_merge_sign_is_an_ordinary_key() -> None:
    assert load("'<<': 1\na: <<") == {"<<": 1, "a": "<<"}


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    data = b"\xef\xbb\xbfa:\r\n  - b\r\n"
    assert load(reader.decode(data, Problems("x"))) == {"a": ["b"]}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "latin-1"])
def test_only_utf_8_is_read(encoding: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        problems = Problems("x")
        text = reader.decode("a: 1\nb: é\n".encode(encoding), problems)
        reader.check_characters(text, problems)
    assert len(caught.value.problems) == 1


def test_json_is_read_also_with_tabs_and_surrogate_pairs() -> None:
    value = {"a": ["😀", {"b": None, "c/d": -1.5e-7}], "é": "tab\there", "e": {}, "url": "http://x"}
    assert load(json.dumps(value)) == value
    assert load(json.dumps(value, indent="\t")) == value
    assert load(json.dumps(value, separators=(",", ":"))) == value


def test_json_is_read_with_keys_of_any_length_and_any_character() -> None:
    value = {
        "k" * 100_000: [{"x" * 1025: 1}],
        "a\u2028b": "\u0085",
        "\ue000": "\ue001?x",
        "": "# c",
    }
    assert load(json.dumps(value)) == value
    assert load(json.dumps(value, ensure_ascii=False, indent="\t")) == value


def test_json_is_read_as_strictly_as_yaml() -> None:
    (problem,) = complaints('{"a": 1,\n "b": {"c": 1, "c": 2}}')
    assert (problem.line, problem.column) == (2, 16)
    assert "half of a surrogate pair" in complaints('{"a": "\\ud800"}')[0].message
    assert "loses digits" in complaints('{"a": 9007199254740993}')[0].message
    assert load('{"a": NaN}') == {"a": "NaN"}  # no JSON, but YAML


def test_a_tab_in_json_does_not_move_places() -> None:
    (problem,) = complaints('{\n\t"a": 1,\n\t"a": 2\n}')
    assert (problem.line, problem.column) == (3, 2)


def test_depth_has_a_limit() -> None:
    assert load("[" * 64 + "]" * 64) is not None
    assert "deeper than 64" in complaints("[" * 65 + "]" * 65)[0].message
    links = "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 80))
    assert "deeper than 64" in complaints("a0: &a0 []\n" + links)[0].message


def test_aliases_have_a_budget() -> None:
    block = "a: &a [" + "x," * 999 + "]\nb:\n"
    assert load(block + "- *a\n" * 100) is not None
    assert "expand to too much" in complaints(block + "- *a\n" * 200)[0].message


def test_a_mapping_has_so_many_keys_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "KEYS_MAX", 2)
    assert load("a: 1\nb: {c: 1, d: 2}\n") == {"a": 1, "b": {"c": 1, "d": 2}}
    (problem,) = complaints("a: 1\nb: {c: 1, d: 2, e: 3}\n")
    assert (problem.line, problem.column) == (2, 17)
    assert "more than 2 keys" in problem.message


def test_a_large_text_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "TEXT_BYTES_MAX", 10)
    assert reader.decode(b"a: 4567890", Problems("x")) == "a: 4567890"
    with pytest.raises(InvalidInput) as caught:
        reader.decode(b"a: 45678901", Problems("x"))
    assert "larger than" in caught.value.problems[0].message


@pytest.mark.parametrize("limit", ["SLOW_TEXT_MAX", "SLOW_LINE_MAX"])
def test_a_long_text_needs_the_c_parser(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, limit, 10)
    assert load("a: 'x\ty z'") == {"a": "x\ty z"}
    (problem,) = complaints("a: 'x\ty zz'")
    assert "C parser" in problem.message


COMMENTED = [
    "a: 1 # x\ty\n",
    "# x\ty\na: 1\n",
    "a: |  # x\ty\n  b # c\n",
    "a: >-   # x\n  b\n  c\n",
    "# a > # b\na: 1\n",
    "a: 1 # \\ud83d \ufeff\n",
]


@needs_c
@pytest.mark.parametrize("text", COMMENTED)
def test_a_comment_keeps_no_text_from_the_c_parser(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = load(text)
    monkeypatch.setattr(reader, "SLOW_TEXT_MAX", 0)
    assert load(text) == value


@needs_c
@pytest.mark.parametrize("text", ["a: |\n  # x\ty\n", "a: '\n # x\ty'\n", 'a: "b # > # \\ud83d"'])
def test_what_only_looks_like_a_comment_is_left_to_the_python_parser(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "SLOW_TEXT_MAX", 0)
    assert "C parser" in complaints(text)[0].message


@pytest.mark.parametrize("kind", [AssertionError, ValueError, AttributeError, KeyError])
def test_whatever_a_parser_raises_is_a_complaint_with_a_place(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    from ruamel.yaml.scanner import Scanner

    def fail(self: object) -> None:
        raise kind("of the parser's own")

    monkeypatch.setattr(reader, "_c_parser", lambda: None)
    monkeypatch.setattr(Scanner, "fetch_double", fail)
    (problem,) = complaints('a: 1\nb: "x"\n')
    assert (problem.line, problem.column) == (2, 2)
    assert "the parser cannot go on" in problem.message


def test_what_ork_itself_raises_while_it_reads_is_no_complaint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes, "_FLOAT", None)
    with pytest.raises(AttributeError):
        load("a: 1.5")


# -- the C parser and the Python one


def both(text: str, monkeypatch: pytest.MonkeyPatch) -> tuple[object, object]:
    with_c = outcome(text)
    with monkeypatch.context() as patch:
        patch.setattr(reader, "_c_parser", lambda: None)
        return with_c, outcome(text)


def outcome(text: str) -> object:
    try:
        root = tree(text)
    except InvalidInput as error:
        assert is_forbidden(text) or nodes.read_unplaced(text) is None
        return error.problems
    bare = unplaced(text)
    assert bare is None or repr(nodes.plain(bare)) == repr(nodes.plain(root))
    # A workflow is a mapping; of other roots the parsers may think differently.
    return places(root) if isinstance(root.value, dict) else "not a mapping"


def is_forbidden(text: str) -> bool:
    try:
        reader.check_characters(text, Problems("test.yaml", text))
    except InvalidInput:
        return True
    return False


def places(node: Node) -> object:
    value: object = node.value
    if isinstance(node.value, dict):
        value = [(k, a.line, a.column, places(b)) for k, (a, b) in node.value.items()]
    elif isinstance(node.value, list):
        value = [places(below) for below in node.value]
    return node.line, node.column, type(node.value), value


SEED = """\
name: my_etl # comment
description: >
  folded

  end
env: &e {A: "x", B: 'it''s', C: {secret: K}, U: http://x:80/y}
tasks:
  a: &a
    executor: python
    file: "x/\\u0041.py"
    timeout: 1.5e2
    inputs: {u: {const: [1, -2, ~, true, "x y", 12:30, {k: v}]}}
  b:
    <<: *a
    depends_on:
    - a
    - 'c'
    command: |-
      echo "hi" > out
        indented
  c: {executor: shell, command: [a,
     b, "multi
     line"], depends_on: []}
"""
PIECES = [
    ": ",
    "- ",
    "? ",
    "\n",
    "\n  ",
    "'",
    '"',
    "{",
    "}",
    "[",
    "]",
    ",",
    "&a ",
    "*a",
    "!!str ",
    "!",
    "|",
    ">\n",
    "#",
    " #",
    "%",
    "@",
    "---\n",
    "...\n",
    "\t",
    "\x85",
    "\u2028",
    "\ufeff",
    "é",
    "😀",
    "<<: *a",
    "<<",
    "null",
    "1e3",
    "\\",
    "\\ud83d\\ude00",
    "\r\n",
    "\r",
    "~",
    "a",
    ":",
    "-",
    "=",
    "|\n   \n",
    "http://x",
    "{a:b}",
    "x::y",
    "key: value\n",
    "  - x\n",
    "|2\n",
    "\ue000",
    "\ue001",
    " # a\tb\n",
    " # > # c",
    "| # c\n",
    "\n   # \\ud83d\n",
    " ?x",
    "\n   ",
    "%YAML 1.3\n---\n",
]


@pytest.mark.slow
@needs_c
@settings(
    deadline=None,
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_the_c_parser_never_changes_a_result(
    data: st.DataObject, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SEED
    for _ in range(data.draw(st.integers(0, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 5))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[at + cut :]
    with_c, without = both(text, monkeypatch)
    assert with_c == without


@needs_c
@settings(
    deadline=None,
    max_examples=examples(150),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(pieces=st.lists(st.sampled_from(PIECES), max_size=12))
def test_the_c_parser_never_changes_a_result_of_noise(
    pieces: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_c, without = both("a: " + "".join(pieces), monkeypatch)
    assert with_c == without


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("a: *\n", (1, 5), "scanning an alias", "needs quotes"),
        ("a: */5 * * * *\n", (1, 4), "no anchor &/5", "needs quotes"),
        ("a: * * * * *\n", (1, 5), "scanning an alias", "needs quotes"),
        ("a: &x [*x]\n", (1, 8), "stands inside", None),
        ("a: x\t\nb: 1\n", (1, 5), "'\\t'", "write spaces instead of this tab"),
        ('a: "x"\t\nb: 1\n', (1, 7), "'\\t'", "write spaces instead of this tab"),
        ("a: 'x' \t# y\nb: 1\n", (1, 8), "'\\t'", "write spaces instead of this tab"),
        ("a:\n\tb: 1\n", (2, 1), "'\\t'", "indented with spaces"),
        ("a:\u00a0x\nb: 1\n", (1, 3), "U+00A0 looks like a space", "write a space"),
        ("a:\u200b1\nb: 1\n", (1, 3), "U+200B looks like a space", "or nothing"),
        ("a:\n  b: |\n  c d\n  e: f\n", (3, 3), "a text below `|` is not indented", "deeper"),
        ("a: |  # x\nb\n", (2, 1), "a text below `|` is not indented", "deeper than its key"),
        ("a: {b: c [d]}\n", (1, 10), "but got '['", "brackets needs quotes"),
        ("a:\n  b: c: d\n", (2, 7), "mapping values", "has a line of its own"),
        ("a:b\nc: d\n", (1, 2), "no space behind the `:`", "write a space there"),
        ("a:\n  b:c\n  d: e\n", (2, 4), "no space behind the `:`", "write a space there"),
        ("a:\n  b:{c: d, e: f}\n", (2, 4), "no space behind the `:`", "write a space there"),
        ("a: {b:{c: d}}\n", (1, 6), "no space behind the `:`", "write a space there"),
        ("a: docker run\n  b:c\n  d: e\n", (3, 3), "mapping values", "indent this as line 2"),
        ("a: b\n\n  d: e\n", (3, 3), "mapping values", "indent this as line 1"),
        ("a: b\n  - c: d\n", (2, 5), "mapping values", "indent this as line 1"),
        ("a: b\n  c d: e\n", (2, 6), "mapping values", "needs quotes"),
        ("a:\n  b: 1\n c: 2\n", (3, 2), "<block end>", "as line 2 or as line 1"),
        ("a:\n    b:\n      c: 1\n  d: 2\n", (4, 3), "<block end>", "as line 2 or as line 1"),
        (
            "tasks:\n  a:\n    executor: x\nb:\n    executor: y\n  c:\n    executor: z\n",
            (4, 1),
            "not indented as those in line 2 and in line 6",
            "indent it as line 2",
        ),
        (
            "params:\n  day: date\ntasks:\n    a: {executor: x}\n  b: {executor: y}\n",
            (5, 3),
            "<block end>",
            "as line 4 or as line 1",
        ),
        ("a:\n  b\n    c: 1\n", (2, 3), "a key without `:`", "a `:` and a space"),
        ("a:\n  b\n  c: 1\n", (2, 3), "a key without `:`", "a `:` and a space"),
        ("a:\n  run x\n  c: 1\n", (2, 3), "a key without `:`", "a `:` and a space"),
        ("x: 1\na\nb: 1\n", (2, 1), "could not find expected ':'", "a `:` and a space"),
        ("a:\n  b: 1\n  c d\n", (3, 3), "could not find expected ':'", "a `:` and a space"),
        ("a: x\n  y\n  b: c\n", (3, 3), "mapping values", "indent this as line 2"),
        ("a: 1\n<<<<<<< HEAD\nb: 1\n=======\n", (2, 1), "merge of git", "one of the two sides"),
        ('a: "echo" hi\nb: 1\n', (1, 10), "behind the quote", """: `'"echo" hi'`"""),
        ('a: "$A" "$B"\n', (1, 8), "behind the quote", """: `'"$A" "$B"'`"""),
        ('a: "$A"/x | y  # c\n', (1, 8), "behind the quote", """: `'"$A"/x | y'`"""),
        ('- "a" > b\n', (1, 6), "behind the quote", """: `'"a" > b'`"""),
        ("a: 'it's'\n", (1, 8), "behind the quote", "`'it''s'`"),
        ('a: "say "hi""\n', (1, 10), "behind the quote", """`'say "hi"'`"""),
        ('a: "b\\n" c\n', (1, 9), "behind the quote", "put all of it in quotes"),
        ('a: "x" # y\nb: c: d\n', (2, 5), "mapping values", "needs quotes"),
        ('a: "x\nb: 1\n', (1, 4), "end of stream", "is this quote left open?"),
        ('a: "x\nb: "y"\n', (2, 5), "<block end>", "quote left open in a line above"),
        ('a: "C:\\Users"\n', (1, 9), "escape sequence", "or use single ones"),
        ('a: "\\."\n', (1, 6), "escape character", "or use single ones"),
        ("a: [x, y\nb: 1\n", (2, 2), "expected ',' or ']'", "bracket left open"),
        ("a: {x: 1\n", (1, 4), "expected ',' or '}'", "bracket left open"),
        ('t: "5\u00a0x"\na: b: c\n', (2, 5), "mapping values", "needs quotes"),
        ("a: 1\nb c\nd: e\n", (2, 1), "could not find expected ':'", "a `:` and a space"),
        ('a: "b\nc: d\n', (1, 4), "unexpected end of stream", "left open"),
        (
            "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n",
            (2, 1),
            "merge of git",
            "the two sides",
        ),
    ],
)
def test_what_looks_right_and_is_not_is_told(
    text: str, place: tuple[int, int], message: str, hint: str | None
) -> None:
    (found,) = complaints(text)
    assert (found.line, found.column) == place
    assert message in found.message
    assert hint is None or hint in (found.hint or "")
