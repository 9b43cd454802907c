"""Six and seven fields become five that mean the same moments, or nothing."""

import pytest

from ork.orkdb.schedules import five_fields


@pytest.mark.parametrize(
    ("there", "here"),
    [
        ("0 0 2 * * *", "0 2 * * *"),
        ("00 */15 8-18 * * Mon-Fri", "*/15 8-18 * * 1-5"),
        ("0 30 2 * * 2-6", "30 2 * * 1-5"),
        ("0 30 2 * * 1", "30 2 * * 0"),
        ("0 30 2 * * 7", "30 2 * * 6"),
        ("0 30 2 * * 1,3,SAT", "30 2 * * 0,2,6"),
        ("0 30 2 * * 1-7", "30 2 * * *"),
        ("0 30 2 * * */2", "30 2 * * 0,2,4,6"),
        ("0 30 2 * * 2/2", "30 2 * * 1,3,5"),
        ("0 30 2 * * 2/6", "30 2 * * 1"),
        ("0 30 2 1 jan ? *", "30 2 1 jan *"),
        ("0 30 2 ? * 2 *", "30 2 * * 1"),
        ("@daily", "@daily"),
    ],
)
def test_what_five_fields_can_say_is_kept(there, here):
    assert five_fields(there) == here


@pytest.mark.parametrize(
    ("there", "why"),
    [
        ("0 2 * * *", "five fields, which never started"),
        ("30 0 2 * * *", "seconds"),
        ("*/10 * * * * *", "seconds"),
        ("0 0 2 * * * 2026", "years"),
        ("0 0 2 1 * 2", "both"),
        ("0 0 2 * * 0", "cannot be read"),
        ("0 0 2 * * 8", "cannot be read"),
        ("0 0 2 * * 6-2", "cannot be read"),
        ("0 0 2 * * someday", "cannot be read"),
        ("0 0 25 * * *", "hour"),
        ("", "0 fields"),
        ("0 0 2 * * * * *", "8 fields"),
    ],
)
def test_what_five_fields_cannot_say_is_told(there, why):
    with pytest.raises(ValueError, match=why):
        five_fields(there)
