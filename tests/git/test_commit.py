"""Deploys as the text of git commits, and back."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.git.commit import (
    MESSAGE_BYTES_MAX,
    YEAR_MAX,
    YEAR_MIN,
    ident,
    message_of,
    read_commit,
    seconds,
)
from ork.objects.canonical import Oid
from ork.objects.kinds import ZERO_TIME, Deploy, Source
from ork.objects.value import replace

OID = Oid("a" * 64)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
TIMES = st.datetimes(datetime(YEAR_MIN, 1, 2), datetime(YEAR_MAX, 12, 30), timezones=st.just(UTC))
AUTHORS = TEXT | st.builds("{} <{}>".format, TEXT, TEXT) | st.just("a@b.example")
# What git and the trailers could stumble over.
MESSAGES = TEXT | st.lists(
    st.sampled_from(["\n", "\0", "Fix", "\r", " ", "Ork-Deploy: " + "b" * 64, "Ork-Time: x"])
).map("".join)


def deploy(author="Ada <ada@example.org>", time=ZERO_TIME, message="First", **fields):
    return Deploy(
        workflow="etl",
        snapshot=OID,
        parents=(),
        time=time,
        author=author,
        message=message,
        settings={},
        source=Source(path="etl.yaml", blob=OID),
        **fields,
    )


def commit(value, *, author=None, time=None, more=""):
    """Return the commit object that fast-import makes for a deploy."""
    who = f"{author or ident(value.author)} {seconds(value.time) if time is None else time} +0000"
    head = f"tree {'0' * 40}\nauthor {who}\ncommitter {who}\n\n".encode()
    return head + message_of(OID, value) + more.encode()


def plain(author="Ada <ada@example.org> 1700000000 +0100", message=b"Fix it\n", more=b""):
    head = b"tree 0\nauthor " + author.encode("utf-8", "surrogateescape") + b"\n" + more
    return read_commit(head + b"committer x <y> 0 +0000\n\n" + message)


@settings(deadline=None)
@given(author=AUTHORS, time=TIMES, message=MESSAGES)
def test_what_was_written_is_read_back(author, time, message):
    value = deploy(author, time, message)
    found = read_commit(commit(value))
    assert (found.author, found.time, found.message) == (author, time, message)
    assert found.deploy == OID


@settings(deadline=None)
@given(path=TEXT.filter(bool))
def test_the_path_of_the_file_is_read_back(path):
    value = replace(deploy(), source=Source(path=path, blob=OID))
    assert read_commit(commit(value)).file == path


@settings(deadline=None)
@given(author=AUTHORS)
def test_an_author_is_always_one_that_git_takes(author):
    name, _, email = ident(author).partition(" <")
    assert name
    assert email.endswith(">")
    assert ident(author).count("<") == ident(author).count(">") == 1
    assert not {"\n", "\0"} & set(ident(author))
    assert ident(ident(author)) == ident(author)


@pytest.mark.parametrize(
    ("author", "expected"),
    [
        ("Ada Lovelace <ada@example.org>", "Ada Lovelace <ada@example.org>"),
        ("Ada", "Ada <>"),
        ("ada@example.org", "ada <ada@example.org>"),
        ("", "unknown <>"),
        ("<ada@example.org>", "unknown <ada@example.org>"),
        ("a\n<b>\n<c>", "a b c <>"),
    ],
)
def test_authors_as_git_takes_them(author, expected):
    assert ident(author) == expected


def test_an_author_of_many_blanks_costs_no_more_than_its_length():
    assert ident(" " * 300_000) == ident("\n" + " " * 300_000 + "<") == "unknown <>"


def test_a_plain_deploy_has_only_the_trailers_that_say_what_it_is():
    lines = message_of(OID, deploy()).decode().splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "First",
        "",
        "Ork-Snapshot",
        "Ork-Deploy",
        "Ork-Workflow",
        "Ork-File",
        "Ork-Action",
    ]


def test_what_a_rollback_restored_is_a_trailer():
    value = deploy(action="rollback", restores=Oid("c" * 64))
    assert f"Ork-Restores: {'c' * 64}\n" in message_of(OID, value).decode()


def test_a_time_before_1970_is_told_by_a_trailer():
    value = deploy(time=datetime(1950, 1, 1, tzinfo=UTC))
    assert seconds(value.time) == 0
    assert read_commit(commit(value)).time == value.time


def test_trailers_that_an_amended_commit_contradicts_do_not_count():
    value = deploy("Ada", ZERO_TIME + timedelta(microseconds=5), "a\0b")
    data = commit(value, author="Eve <eve@example.org>", time=60).replace(b"a\xef", b"c\xef")
    found = read_commit(data)
    assert found.author == "Eve <eve@example.org>"
    assert found.time == ZERO_TIME + timedelta(minutes=1)
    assert found.message == "c\ufffdb"


def test_other_peoples_trailers_stay_in_the_message():
    message = b"Fix\n\nSigned-off-by: Ada <a@b>\nOrk-Deploy: " + OID.encode() + b"\n"
    found = plain(message=message)
    assert found.deploy is None
    assert found.message == message.decode().rstrip("\n")


def test_a_commit_of_git():
    found = plain()
    assert found.author == "Ada <ada@example.org>"
    assert found.time == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert found.message == "Fix it"


@pytest.mark.parametrize(
    ("line", "author"),
    [
        ("Ada <> 1 +0000", "Ada <>"),
        ("<ada@example.org> 1 +0000", "ada@example.org"),
        (" <> 1 +0000", "unknown"),
        ("Ada ada@example.org 1 +0000", "unknown"),
        ("", "unknown"),
        ("A <a@b> <c@d> 1 +0000", "A <a@b> <c@d>"),
        ("\udcff\udcfe <a> 1 +0000", "\ufffd\ufffd <a>"),
    ],
)
def test_malformed_authors_give_some_author(line, author):
    assert plain(line).author == author


def test_a_commit_without_author_and_message():
    found = read_commit(b"tree 0\n")
    assert (found.author, found.time, found.message) == ("unknown", ZERO_TIME, "")
    assert read_commit(b"").author == "unknown"


@pytest.mark.parametrize(
    ("when", "year"),
    [
        ("-1000000000 +0000", 1938),
        ("99999999999999999999 +0000", 1970),
        ("x", 1970),
        ("", 1970),
        ("-99999999999 +0000", 1970),
        ("253402300799 +0000", 1970),
        ("5 +9999", 1970),
        ("1700000000 -0000", 2023),
        ("1700000000", 2023),
    ],
)
def test_dates_before_1970_are_kept_and_absurd_ones_are_not(when, year):
    assert plain(f"Ada <a@b> {when}").time.year == year


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        (b"ISO-8859-1", b"caf\xe9", "caf\xe9"),
        (b"shift_jis", "\u65e5\u672c".encode("shift_jis"), "\u65e5\u672c"),
        (b"no-such", b"caf\xe9", "caf\ufffd"),
        (b"hex", b"6162", "6162"),
        (b"unicode_escape", b"\\ud800", "?"),
        (b"undefined", b"abc", "abc"),
        (b"idna", b"abc", "abc"),
        (b"utf-8\0", b"abc", "abc"),
    ],
)
def test_messages_in_other_encodings(encoding, data, text):
    assert plain(message=data, more=b"encoding " + encoding + b"\n").message == text


def test_a_message_is_cut_where_a_deploy_would_refuse_it():
    found = plain(message=("\u65e5" * MESSAGE_BYTES_MAX).encode())
    assert len(found.message.encode()) <= MESSAGE_BYTES_MAX
    assert set(found.message) == {"\u65e5"}


@pytest.mark.parametrize("value", ["1", "[" * 100_000, '{"a": 1}', '"\\ud800"', '"x'])
def test_trailers_that_are_no_text_do_not_count(value):
    keys = ("Author", "Time", "Message", "File")
    data = commit(deploy(), more="".join(f"Ork-{key}: {value}\n" for key in keys))
    assert read_commit(data).author == "Ada <ada@example.org>"
    assert read_commit(data).time == ZERO_TIME


def test_a_time_of_a_trailer_beyond_all_calendars_does_not_count():
    data = commit(deploy(), more="Ork-Time: 0001-01-01T00:00:00.000000Z\n")
    assert read_commit(data).time == ZERO_TIME
