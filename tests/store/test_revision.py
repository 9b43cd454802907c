"""What a revision says, read from its text alone."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.errors import NotFound, UsageError
from ork.store.revision import Revision, parse, parse_moment, parse_range, parse_span, split_part

NOW = datetime(2026, 11, 11, 12, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("etl", {"name": "etl"}),
        ("@", {"name": "@"}),
        ("7f3a9c1", {"name": "7f3a9c1"}),
        ("a.b-c_1", {"name": "a.b-c_1"}),
        ("etl~", {"name": "etl", "back": 1}),
        ("etl~3", {"name": "etl", "back": 3}),
        ("etl^^~2", {"name": "etl", "back": 4}),
        ("etl@v1.4", {"name": "etl", "tag": "v1.4"}),
        ("@@v1", {"name": "@", "tag": "v1"}),
        ("etl@{2}", {"name": "etl", "at": "2"}),
        ("@{2}", {"name": "@", "at": "2"}),
        ("etl@{2026-11-01T12:30:00+02:00}", {"name": "etl", "at": "2026-11-01T12:30:00+02:00"}),
        ("~1", {"name": "@", "back": 1}),
        ("^", {"name": "@", "back": 1}),
        ("#7", {"name": "@", "number": 7}),
        ("@v1", {"name": "@", "tag": "v1"}),
        ("etl@{2 days ago}~1", {"name": "etl", "at": "2 days ago", "back": 1}),
        ("etl#57", {"name": "etl", "number": 57}),
        ("etl#0", {"name": "etl", "number": 0}),
        ("run:20261101T09", {"run": "20261101T09"}),
        (
            "run:20261101T093000.000-7a3f01:load",
            {"run": "20261101T093000.000-7a3f01", "path": "load"},
        ),
        ("run:2026~1", {"run": "2026", "back": 1}),
        ("etl^{snapshot}", {"name": "etl", "peel": "snapshot"}),
        ("etl#1^{deploy}", {"name": "etl", "number": 1, "peel": "deploy"}),
        ("etl:extract", {"name": "etl", "path": "extract"}),
        ("etl:", {"name": "etl", "path": ""}),
        ("etl~1:a/b.py", {"name": "etl", "back": 1, "path": "a/b.py"}),
        ("etl:a:b{c}", {"name": "etl", "path": "a:b{c}"}),
        ("etl@{12:30}:a", {"name": "etl", "at": "12:30", "path": "a"}),
        ("etl^{snapshot}:a", {"name": "etl", "peel": "snapshot", "path": "a"}),
        ("file:a/b.yaml", {"file": "a/b.yaml"}),
        ("file:/a b.yml:", {"file": "/a b.yml", "path": ""}),
        ("file:a.yaml:load", {"file": "a.yaml", "path": "load"}),
        ("file:a.json:x:y", {"file": "a.json", "path": "x:y"}),
        ("file:odd", {"file": "odd"}),
    ],
)
def test_what_a_text_means(text, fields):
    assert parse(text) == Revision(text=text, **fields)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "etl ",
        "-etl",
        ".etl",
        "é",
        "etl\n",
        "etl\x00",
        "~~~x",
        ":",
        ":a",
        "etl~-1",
        "etl~x",
        "etl@",
        "etl@{",
        "etl@{}",
        "etl@{a",
        "etl@-x",
        "etl#",
        "etl#-1",
        "etl^{",
        "etl^{}",
        "etl^{tree}",
        "etl^{snapshot}~1",
        "etl#1#2",
        "etl@v1@v2",
        "etl~1@v1",
        "etl~1#1",
        "run:",
        "run:@",
        "run:-",
        "run:a#1",
        "run:a@v",
        "run:a@{1}",
        "x" * 129,
        "etl~12345678",
        "etl#12345678901",
        "etl@{" + "1" * 65 + "}",
        "etl@" + "v" * 129,
    ],
)
def test_what_is_no_revision(text):
    with pytest.raises(NotFound, match="is not a revision") as caught:
        parse(text)
    assert "NAME~2" in caught.value.hint


@pytest.mark.parametrize("text", ["etl...origin/etl", "etl~2..etl", "etl...etl~1:load", "..etl"])
def test_a_range_is_no_one_revision(text):
    with pytest.raises(NotFound, match="names two revisions") as refused:
        parse(text)
    assert "`ork log A..B`" in str(refused.value.hint)


def test_too_far_back():
    with pytest.raises(NotFound, match="does not reach that far back"):
        parse("etl~1000001")
    assert parse("etl~1000000").back == 1_000_000


@given(st.text(max_size=30) | st.text("etl@{}~^#:12ab./-", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        found = parse(text)
    except NotFound:
        return
    starts = (found.name, found.run, found.file)
    assert sum(start is not None for start in starts) == 1
    assert found.text == text


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("a..b", ("a", "b")),
        ("a..", ("a", "")),
        ("..b", ("", "b")),
        ("..", ("", "")),
        ("etl~1..etl@v1", ("etl~1", "etl@v1")),
        ("etl", None),
        ("file:../a.yaml", None),
        ("etl:../a", None),
        ("../etl.yaml", None),
    ],
)
def test_ranges(text, ends):
    assert parse_range(text) == ends


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("etl", ("etl", None)),
        ("etl:a", ("etl", "a")),
        ("etl:", ("etl", "")),
        ("etl~3..etl:a/b.py", ("etl~3..etl", "a/b.py")),
        ("etl~3..", ("etl~3..", None)),
        ("etl@{2026-11-01T12:30}", ("etl@{2026-11-01T12:30}", None)),
        ("etl@{2026-11-01T12:30}:a:b", ("etl@{2026-11-01T12:30}", "a:b")),
        ("file:etl.yaml", ("file:etl.yaml", None)),
        ("file:etl.yaml:a", ("file:etl.yaml", "a")),
    ],
)
def test_a_part_of_a_revision(text, parts):
    assert split_part(text) == parts


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", "2026-11-11T12:30:00+02:00"),
        ("NOW ", "2026-11-11T12:30:00+02:00"),
        ("today", "2026-11-11T00:00:00+02:00"),
        ("yesterday", "2026-11-10T00:00:00+02:00"),
        ("tomorrow", "2026-11-12T00:00:00+02:00"),
        ("in 3 days", "2026-11-14T12:30:00+02:00"),
        ("in 2h", "2026-11-11T14:30:00+02:00"),
        ("2 days ago", "2026-11-09T12:30:00+02:00"),
        ("3.hours.ago", "2026-11-11T09:30:00+02:00"),
        ("1 week", "2026-11-04T12:30:00+02:00"),
        ("90 seconds ago", "2026-11-11T12:28:30+02:00"),
        ("2h", "2026-11-11T10:30:00+02:00"),
        ("1w", "2026-11-04T12:30:00+02:00"),
        ("5minutes", "2026-11-11T12:25:00+02:00"),
        ("12:30", "2026-11-11T12:30:00+02:00"),
        ("07:05:30", "2026-11-11T07:05:30+02:00"),
        ("20:15", "2026-11-10T20:15:00+02:00"),
        ("noon", "2026-11-11T12:00:00+02:00"),
        ("Midnight", "2026-11-11T00:00:00+02:00"),
        ("tuesday", "2026-11-10T00:00:00+02:00"),
        ("last tuesday", "2026-11-10T00:00:00+02:00"),
        ("Thu", "2026-11-05T00:00:00+02:00"),
        ("last wednesday", "2026-11-04T00:00:00+02:00"),
        ("wed", "2026-11-04T00:00:00+02:00"),
        ("2026-11-01", "2026-11-01T00:00:00+02:00"),
        ("2026-11-01T12:30", "2026-11-01T12:30:00+02:00"),
        ("2026-11-01 12:30:15", "2026-11-01T12:30:15+02:00"),
        ("2026-11-01T12:30:00Z", "2026-11-01T12:30:00+00:00"),
        ("2026-11-01T12:30:00-05:00", "2026-11-01T12:30:00-05:00"),
        ("2026-11-01 12:30:00 +0530", "2026-11-01T12:30:00+05:30"),
    ],
)
def test_moments(text, moment):
    assert parse_moment(text, NOW) == datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("2026-11-01", "2026-11-02"),
        ("today", "2026-11-12"),
        ("yesterday", "2026-11-11"),
        ("Tomorrow", "2026-11-13"),
        ("tuesday", "2026-11-11"),
    ],
)
def test_a_day_alone_can_mean_its_end(text, end):
    moment = parse_moment(text, NOW, end_of_day=True)
    assert moment == datetime.fromisoformat(f"{end}T00:00:00+02:00")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "25:00",
        "7:5",
        "2026-13-01",
        "2026-02-30",
        "-1 days ago",
        "1 fortnight ago",
        "ago",
        "9999-12-31x",
        "1e3 days ago",
        "last noon",
        "last last tuesday",
        "tuesd",
        "9" * 30,
        "999999 weeks ago",
    ],
)
def test_times_that_cannot_be_read(text):
    with pytest.raises(UsageError, match="cannot read the time"):
        parse_moment(text, NOW)


def test_the_last_day_there_is():
    with pytest.raises(UsageError, match="cannot read the time"):
        parse_moment("9999-12-31", NOW, end_of_day=True)
    assert parse_moment("9999-12-31", NOW).year == 9999


@pytest.mark.slow
@given(
    st.text(max_size=20)
    | st.from_regex(r"\d{1,6} (second|minute|hour|day|week)s? ago", fullmatch=True)
)
def test_any_time_is_read_or_refused(text):
    for now in (NOW, datetime(1, 1, 2, tzinfo=UTC)):
        try:
            assert parse_moment(text, now).tzinfo
        except UsageError as error:
            assert "2026-11-01" in error.hint


@pytest.mark.parametrize(
    ("since", "until", "begin", "end"),
    [
        (None, "23:59", None, "2026-11-05 23:59"),
        (None, "09:00", None, "2026-11-05 09:00"),
        ("09:00", "23:59", "2026-11-05 09:00", "2026-11-05 23:59"),
        ("22:00", "06:00", "2026-11-04 22:00", "2026-11-05 06:00"),
        ("22:00", "23:00", "2026-11-04 22:00", "2026-11-04 23:00"),
        ("22:00", "midnight", "2026-11-04 22:00", "2026-11-05 00:00"),
        ("tuesday", "noon", "2026-11-03 00:00", "2026-11-03 12:00"),
        ("tuesday", "last tuesday", "2026-11-03 00:00", "2026-11-04 00:00"),
        ("mon", "wed", "2026-11-02 00:00", "2026-11-05 00:00"),
        ("2026-11-01", "08:30", "2026-11-01 00:00", "2026-11-01 08:30"),
        ("2026-11-01", "2026-11-01", "2026-11-01 00:00", "2026-11-02 00:00"),
        ("today", "today", "2026-11-05 00:00", "2026-11-06 00:00"),
        ("yesterday", "yesterday", "2026-11-04 00:00", "2026-11-05 00:00"),
        ("yesterday", "08:30", "2026-11-04 00:00", "2026-11-04 08:30"),
    ],
)
def test_a_time_of_the_day_ends_what_begins_before_it(since, until, begin, end) -> None:
    now = datetime(2026, 11, 5, 12, tzinfo=UTC)
    found = parse_span(since, until, now)
    assert [moment and f"{moment:%Y-%m-%d %H:%M}" for moment in found] == [begin, end]


def test_an_end_before_its_begin_is_refused() -> None:
    with pytest.raises(UsageError, match="2026-11-01 is 2026-11-02 00:00, which is not after"):
        parse_span("2026-11-03", "2026-11-01", datetime(2026, 11, 5, 12, tzinfo=UTC))
