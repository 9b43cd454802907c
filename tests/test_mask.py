"""No value is left in what comes out, wherever the stream was cut; all else is as it was."""

from __future__ import annotations

import base64
import html
import json
import re
import urllib.parse

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ork.mask import MASK, Masker
from tests.scale import examples

TOKEN = "s3cret/Tok+en é\"'\\ 42"
PEM = "-----BEGIN KEY-----\n" + "\n".join(f"MIIEvQIBADANBg{n:03d}kqhkiG9w0BAQ" for n in range(9))


def masked(values: list[str], *pieces: bytes) -> bytes:
    """Return what becomes of a stream that comes in these pieces."""
    masker = Masker(values)
    return b"".join([*map(masker.feed, pieces), masker.flush()])


def plainly(values: list[str], text: bytes) -> bytes:
    """Return the same, found without any skill: mark every byte of every value, then replace."""
    spans = sorted(
        (start, start + len(value))
        for value in map(str.encode, values)
        for start in range(len(text))
        if text.startswith(value, start)
    )
    out, done = b"", 0
    for start, end in spans:
        if start >= done:
            out += text[done:start] + MASK.encode()
        done = max(done, end)
    return out + text[done:]


def cut(text: bytes, places: list[int]) -> list[bytes]:
    """Return the pieces of a text cut at these places."""
    ends = sorted({place % (len(text) + 1) for place in places})
    return [text[a:b] for a, b in zip([0, *ends], [*ends, len(text)], strict=True)]


# Few letters, so that values overlap, repeat and contain each other; no form of one is another.
VALUES = st.lists(st.text(alphabet="ab-", min_size=4, max_size=20), min_size=1, max_size=5)


@pytest.mark.slow
@settings(deadline=None, max_examples=examples(300))
@given(VALUES, st.data())
def test_a_stream_is_masked_alike_however_it_is_cut(values: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([*values, "a", "b-", "\n", "x"]), max_size=30))
    text = "".join(parts).encode()
    places = data.draw(st.lists(st.integers(0, 400), max_size=12))
    whole = masked(values, text)
    assert whole == plainly(values, text)
    assert masked(values, *cut(text, places)) == whole
    assert masked(values, *(bytes([byte]) for byte in text)) == whole
    assert not any(value.encode() in whole for value in values)


@settings(deadline=None)
@given(st.lists(st.text(min_size=4), min_size=1, max_size=4), st.data())
def test_no_value_is_left_whatever_it_is_made_of(values: list[str], data: st.DataObject) -> None:
    parts = data.draw(st.lists(st.sampled_from([*values, " ", "=", "é"]), max_size=20))
    text = "".join(parts).encode()
    out = masked(values, *cut(text, data.draw(st.lists(st.integers(0, 999), max_size=5))))
    assert not any(value.encode() in out for value in values if MASK[0] not in value)


@settings(deadline=None)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
@example(b"\xff\x00\xc3", [2])
def test_bytes_without_a_value_come_out_as_they_went_in(data: bytes, places: list[int]) -> None:
    assert masked(["a value that is not there"], *cut(data, places)) == data


@pytest.mark.parametrize(
    "form",
    [
        TOKEN,
        urllib.parse.quote(TOKEN),
        urllib.parse.quote(TOKEN, safe=""),
        urllib.parse.quote_plus(TOKEN),
        urllib.parse.quote(TOKEN, safe="!*'()"),
        re.sub("%..", lambda code: code[0].lower(), urllib.parse.quote(TOKEN)),
        json.dumps(TOKEN)[1:-1],
        json.dumps(TOKEN, ensure_ascii=False)[1:-1],
        repr(TOKEN)[1:-1],
        ascii(TOKEN)[1:-1],
        repr(TOKEN.encode())[2:-1],
        base64.b64encode(TOKEN.encode()).decode(),
        base64.urlsafe_b64encode(TOKEN.encode()).decode(),
        TOKEN.replace("'", "'\\''"),
        TOKEN.replace("'", "''"),
        TOKEN.replace('"', '""'),
        json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
        TOKEN.encode().hex(),
        TOKEN.encode().hex().upper(),
        base64.b32encode(TOKEN.encode()).decode(),
        base64.b32encode(TOKEN.encode()).decode().rstrip("="),
        html.escape(TOKEN),
        html.escape(TOKEN, quote=False),
        html.escape(TOKEN).encode("ascii", "xmlcharrefreplace").decode(),
        html.escape(TOKEN).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    ],
)
def test_a_value_is_masked_as_programs_write_it(form: str) -> None:
    assert masked([TOKEN], f"<{form}>".encode()) == b"<***>"


@pytest.mark.parametrize(
    "form",
    [
        r"p\u0026s$ \u003c`w\u003e\"+é/",  # Go
        r"p\u0026s$ \u003C\u0060w\u003E\u0022\u002B\u00E9/",  # .NET
        r"p&s$ <`w>\"+\u00e9\/",  # PHP
        r"p&s\$ <\`w>\"+é/",  # declare -p
        r"p\&s\$\ \<\`w\>\"+é/",  # printf %q
    ],
)
def test_a_value_is_masked_as_programs_of_other_languages_escape_it(form: str) -> None:
    assert masked(['p&s$ <`w>"+é/'], f"<{form}>".encode()) == b"<***>"


def test_a_number_is_masked_however_it_is_written() -> None:
    mask = Masker(["48151623", "007123", "0001", "2.50"]).mask_json
    assert mask([48151623, 48151623.0, 7123, 4.8151623e7, 1, 2.5, -48151623, True]) == [
        *[MASK] * 4,
        1,
        2.5,
        -48151623,
        True,
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_a_value_in_two_bytes_a_character_is_masked(encoding: str) -> None:
    # Half a character beside it may be taken for half of its own.
    assert masked([TOKEN], f"<{TOKEN}>".encode(encoding)).replace(b"\0", b"") == b"<***>"


@pytest.mark.parametrize("user", ["", "u", "us", "user"])
def test_a_value_within_something_in_base64_is_masked(user: str) -> None:
    basic = base64.b64encode(f"{user}:{TOKEN}:tail".encode())
    out = masked([TOKEN], basic)
    assert MASK.encode() in out
    # What is left beside the rest are parts of the first and the last byte.
    assert len(out) <= len(base64.b64encode(f"{user}::tail".encode())) + len(MASK) + 4


def test_a_long_value_is_masked_in_base64_of_many_lines() -> None:
    value = "0123456789abcdef" * 12
    for text in (base64.encodebytes(value.encode()), base64.b64encode(value.encode())):
        assert len(masked([value], text).replace(b"***", b"").strip()) < 8


def test_each_line_of_a_value_of_several_lines_is_masked() -> None:
    lines = PEM.splitlines()
    assert masked([PEM], PEM.encode()) == b"***"
    assert masked([PEM], f"| {lines[3]}\n| {lines[5]}".encode()) == b"| ***\n| ***"
    assert masked([PEM], PEM.replace("\n", "\r\n").encode()) == b"\r\n".join([b"***"] * len(lines))


def test_the_line_end_of_a_value_read_from_a_file_may_be_missing() -> None:
    assert masked(["from a file\n"], b"<from a file>") == b"<***>"


def test_values_of_less_than_four_characters_are_not_masked() -> None:
    assert masked(["abc", ""], b"abcd") == b"abcd"
    assert masked(["abcd"], b"abcd") == b"***"


def test_what_cannot_become_a_value_is_not_held_back() -> None:
    masker = Masker(["password-1", "x" * 5000])
    assert masker.feed(b"progress 10%") == b"progress 10%"
    assert masker.feed(b" pass") == b" "
    assert masker.feed(b"ed\n") == b"passed\n"


def test_a_value_that_repeats_for_ever_is_not_gathered() -> None:
    masker = Masker(["aaaaaaaa"])
    assert masker.feed(b"a" * 10_000) == b"***"
    assert masker.feed(b"a" * 10_000) == b""
    assert masker.feed(b"b") + masker.flush() == b"b"


def test_bytes_of_the_environment_that_are_not_utf8_are_masked() -> None:
    value = b"caf\xe9-token".decode("utf-8", "surrogateescape")
    assert masked([value], b"<caf\xe9-token>") == b"<***>"
    assert Masker([value]).mask_text(f"<{value}>") == "<***>"


def test_a_json_value_is_masked_in_texts_keys_and_numbers() -> None:
    masker = Masker(["hunter22", "73502"])
    value = {"a": ["x hunter22 y", 73502, 73502.5, True, None], "hunter22": {"b": "none"}}
    assert masker.mask_json(value) == {  # type: ignore[arg-type]
        "a": ["x *** y", "***", 73502.5, True, None],
        "***": {"b": "none"},
    }


def test_a_masker_tells_nothing_of_its_values() -> None:
    assert "hunter22" not in repr(Masker(["hunter22"]))
