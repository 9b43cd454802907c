"""Names, texts and messages are data: none can paint, hide, reorder, or crash the terminal."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.cli.screen.line import PRINTED, json_parts, json_text, plain, styled, visible
from tests.cli.naughty import harmless
from tests.scale import size

NAUGHTY = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[H",
    "a\rb",
    "a\bb",
    "\x00",
    "\x7f",
    "\x9b31m",
    "\u202eevil",
    "\u2066iso\u2069",
    "zero\u200bwidth",
    "\ufeffbom",
    "soft\u00adhyphen",
    "\u2028",
    "a" + "\u0301" * 100_000,
    "\u0e01" + "\u0e47" * 50,
    "\u0645" + "\u064b" * 50,
    "\ufffa",
    "\u3164",
    "tag\U000e0041",
    "\U000e0100",
    "[bold]x[/]",
    "[/]",
    "{}%s%n",
    "\u2800",
    "line\nnext",
    "\t",
]


@pytest.mark.parametrize("text", NAUGHTY, ids=lambda text: ascii(text)[:20])
def test_what_controls_a_terminal_is_spelt_out(text):
    assert harmless(visible(text))
    assert "\n" not in visible(text)


@given(st.text(st.characters(), max_size=50))
def test_any_text_becomes_harmless(text):
    assert harmless(visible(text))


@given(st.text(st.characters(categories=["L", "Nd", "P", "Sm", "So", "Zs"])))
def test_ordinary_text_stays_as_it_is(text):
    if not any(letter in text for letter in "\u115f\u1160\u3164\uffa0"):
        assert visible(text) == text


def test_ordinary_marks_stay_as_they_are():
    for text in ("Vie\u0302\u0301t", "\u0e17\u0e35\u0e48", "\U0001f44d\U0001f3fd", "e\u0301"):
        assert visible(text) == text


def test_colours_are_ours_only():
    assert styled([("\x1b[31mx", "oid")]) == "\x1b[33m^[[31mx\x1b[0m"
    assert plain([("\x1b[31mx", "oid"), "\x07"]) == "^[[31mx^G"


@given(st.recursive(st.text(st.characters()), lambda inner: st.lists(inner)))
def test_json_holds_every_text_exactly(value):
    document = json_text("test", value)
    assert document.isascii()
    assert json.loads(document)["data"] == value


@pytest.mark.slow
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    ),
    st.booleans(),
)
def test_json_in_parts_is_laid_out_as_python_does(value, ascii):
    text = "".join(json_parts(value, ascii=ascii))
    assert text == json.dumps(value, indent=2, ensure_ascii=ascii)


def test_json_in_parts_takes_one_value_after_the_other():
    taken = []
    parts = json_parts(taken.append(number) or number for number in range(3))
    assert [next(parts), next(parts)] == ["[\n  0", ",\n  1"]
    assert taken == [0, 1]


MARKS = "\u0301" * size(50_000, by_day=20_000)  # a command may have 128 KiB
TEXT = "\x1b[31mred\x07 \u202eevil\u202c \r\x9b1m\nnext a" + MARKS
ESCAPED = json.dumps(TEXT)
MESSAGE = TEXT[:30_000]  # of at most 64 KiB
FILE = """\
name: naughty
description: TEXT
tasks:
  first:
    executor: process
    command: TEXT
    env: {A: TEXT}
    inputs: {"\\e[31m\\u202E": {const: TEXT}}
  second:
    executor: process
    command: ["echo", TEXT]
    depends_on: [first]
"""


@pytest.fixture
def naughty(ork):
    """A store full of texts that nobody wants to see as they are, and a run of them."""
    name = "\x1b[31m\u202e\n.txt"
    ork.write(name, TEXT)
    ork.write("naughty.yaml", FILE.replace("TEXT", ESCAPED) + "include: ['*.txt']\n")
    ork.environ["ORK_AUTHOR_NAME"] = MESSAGE
    assert ork("deploy", "naughty.yaml", "-m", MESSAGE).code == 0
    changed = FILE.replace("TEXT", json.dumps("\x1b[32m" + TEXT))
    ork.write("naughty.yaml", changed + "include: ['*.txt']\n")
    ork.write(name, "\x1b[33m" + TEXT)
    assert ork("run", "naughty.yaml").code == 1
    return ork


VIEWS = [
    ["log"],
    ["log", "-p"],
    ["log", "--stat"],
    ["log", "--oneline"],
    ["show"],
    ["status"],
    ["show", "naughty^{snapshot}"],
    ["show", "naughty:first"],
    ["show", "naughty:second"],
    ["show", "naughty#1"],
    ["show", "naughty#1:first"],
    ["runs"],
    ["runs", "naughty", "--tasks"],
    ["ls-tree", "naughty"],
    ["diff", "naughty~1", "naughty"],
    ["diff", "naughty~1", "naughty", "-p"],
    ["diff", "naughty~1", "naughty", "--stat"],
    ["diff", "naughty~1", "naughty", "--name-status"],
    ["log", "\x1b[31m"],
    ["show", "naughty:\x1b[31m"],
    ["\x1b[31m"],
    ["log", "--\x1b[31m"],
    ["log", "--grep", "(\x1b[31m"],
    ["log", "--since", "\x1b[31m"],
    ["deploy", "\x1b[31m.yaml"],
    ["-C", "\x1b[31m", "log"],
    ["check", "naughty.yaml"],
    ["--color", "\x1b[31m", "log"],
    ["hash-object", "\x1b[31m"],
    ["run", "naughty"],
    ["show", "naughty@\x1b"],
    ["logs", "a:\x1b"],
    ["--store", "\x1b[31m", "log"],
    ["runs", "--status", "\x1b[31m"],
    ["init", "\x1b[31m"],
]


@pytest.mark.slow
def test_no_view_lets_a_text_through_raw(naughty):
    for argv in VIEWS:
        result = naughty(*argv)
        assert result.code != 70, argv
        assert harmless(result.out), argv
        assert harmless(result.err), argv


@pytest.mark.slow
def test_json_documents_hold_the_texts_exactly(naughty):
    entry = json.loads(naughty("log", "naughty~1", "--json").out)["data"][0]["deploy"]
    assert entry["message"] == MESSAGE
    assert entry["author"] == f"{MESSAGE} <ada@example.org>"
    assert entry["settings"]["description"] == TEXT
    task = json.loads(naughty("show", "naughty~1:first", "--json").out)["data"]["payload"]
    assert task["command"] == TEXT
    assert task["env"] == {"A": TEXT}
    assert task["inputs"] == {"\x1b[31m\u202e": {"const": TEXT}}
    files = json.loads(naughty("ls-tree", "naughty", "--json").out)["data"]
    assert files[-1]["name"] == "\x1b[31m\u202e\n.txt"
    diff = json.loads(naughty("diff", "naughty~1", "naughty", "--json").out)["data"]["diff"]
    fields = {field["path"]: field for field in diff["tasks"][0]["fields"]}
    assert fields["command"]["old"] == TEXT


def test_even_raw_bytes_are_harmless_on_a_terminal(ork, terminal):
    ork.write("t.yaml", "name: t\ntasks: {a: {executor: process, command: ./a.sh}}\n")
    ork.write("a.sh", "#!/bin/sh\nprintf '\\033[31mred\\n'\n", executable=True)
    ork.write("a.sh", (ork.folder / "a.sh").read_text() + "# \x1b[31m\n", executable=True)
    ork("run", "t.yaml")
    for argv in (
        ["show", "t:a.sh"],
        ["logs", "t"],
        ["logs", "t:a"],
        ["cat-object", "t:a.sh"],
        ["cat-object", "--raw", "t:a.sh"],
    ):
        shown = terminal("--color", "never", *argv)
        assert "^[[31m" in shown, argv
        assert "\x1b" not in shown, argv


def test_an_output_is_readable_on_a_terminal_and_harmless(ork, terminal):
    ork.write("t.yaml", "name: t\ntasks: {a: {executor: process, command: ./a.sh}}\n")
    value = json.dumps({"café": ["Zürich", "東京", TEXT]}, ensure_ascii=False)
    ork.write("a.sh", f"#!/bin/sh\ncat <<'E'\nORK_OUTPUT:{value}\nE\n", executable=True)
    assert ork("run", "t.yaml").code == 0
    shown = terminal("--color", "never", "outputs", "t#1:a")
    assert '{\n  "café": [\n    "Zürich",\n    "東京",\n    "\\u001b[31mred' in shown
    assert "<U+202E>evil" in shown
    assert harmless(shown)
    assert '"Zürich"' in terminal("--color", "never", "show", "t#1:a")
    assert (
        ork("outputs", "t#1:a").out
        == json.dumps(json.loads(value), indent=2, ensure_ascii=False) + "\n"
    )


def test_a_live_run_shows_no_raw_names(ork, terminal):
    ork.write("t.yaml", 'name: t\ntasks: {a: {executor: process, command: ["\\e[31mx"]}}\n')
    assert "\x1b[31mx" not in terminal("--color", "never", "run", "t.yaml")


TASK_COLOR = re.compile(r"\x1b\[[0-9;]*m")


@given(
    st.lists(
        st.sampled_from([*NAUGHTY, "\x1b[1;31m", "\x1b[0m", "\x1b[38;5;9m", "\x1b[8", "\u0301" * 3])
        | st.text(st.characters())
    ).map("".join)
)
def test_what_a_task_printed_keeps_its_colours_and_nothing_else(text):
    shown = styled([(text, PRINTED), "rest"]).removesuffix("rest")
    assert harmless(TASK_COLOR.sub("", shown))
    assert "\n" not in shown
    assert shown.endswith("\x1b[0m") or not TASK_COLOR.search(shown)
    assert plain([(text, PRINTED)]) == visible(text)


def test_colours_of_a_task_end_with_its_text():
    assert styled([("\x1b[1;31mred", PRINTED), "x"]) == "\x1b[1;31mred\x1b[0mx"
    assert styled([("\x1b[2J\x1b[?25l\x1b]0;t\x07\x9b1m", PRINTED)]).count("\x1b") == 0
    assert styled([("plain", PRINTED)]) == "plain"
    piled = "e" + "\u0301\u0301\u0301\x1b[31m" * 50
    assert styled([(piled, PRINTED)]) == visible(piled)
