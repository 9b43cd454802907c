"""Names that ork does not have become names that it has, each its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.definition.workflow import RESERVED
from ork.errors import NotFound, UsageError
from ork.objects.kinds import is_name
from ork.orkdb.names import fitting, renamed


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("etl", "etl"),
        ("My Flow (prod)", "My_Flow_prod"),
        ("a..b", "a.b"),
        (".hidden", "hidden"),
        ("täglich", "t_glich"),
        ("日次", "unnamed"),
        ("", "unnamed"),
        ("a.output", "a_output_"),
        ("x" * 200, "x" * 100),
    ],
)
def test_a_name_stays_as_much_as_it_can(old, new):
    assert fitting([old]) == {old: new}


def test_words_that_begin_revisions_are_no_names_of_workflows():
    assert renamed(["run", "file"], {}) == {"run": "run_", "file": "file_"}


@given(st.lists(st.text(max_size=8) | st.text("a .", max_size=4), unique=True))
def test_names_fit_and_stay_apart(names):
    found = fitting(names, reserved=RESERVED)
    assert found.keys() == set(names)
    assert all(is_name(new) and new not in RESERVED for new in found.values())
    assert len(set(found.values())) == len(names)
    assert found == fitting(reversed(names), reserved=RESERVED)


def test_a_name_that_fits_is_taken_from_nobody():
    found = fitting(["a b", "a_b"])
    assert found["a_b"] == "a_b"
    assert found["a b"].startswith("a_b_")


def test_somebody_may_choose():
    assert renamed(["a b", "c"], {"a b": "ab"}) == {"a b": "ab", "c": "c"}
    with pytest.raises(NotFound, match="no workflow named 'a c'") as caught:
        renamed(["a b"], {"a c": "x"})
    assert "'a b'" in str(caught.value.hint)
    with pytest.raises(UsageError, match="cannot be named"):
        renamed(["a b"], {"a b": "a b"})
    with pytest.raises(UsageError, match="would both be named c"):
        renamed(["a b", "c"], {"a b": "c"})
