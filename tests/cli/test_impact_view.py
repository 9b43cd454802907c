"""Which tasks can give other results -> lines."""

from itertools import islice, product
from string import ascii_lowercase

from ork.cli.diff.impact import impact_view
from ork.differences.impact import Affected, Impact
from tests.cli.test_diff_view import drawn

IMPACT = Impact(
    affected=(
        Affected(name="fetch", why="code", via=("tasks/etl.py",)),
        Affected(name="clean", why="upstream", via=("fetch",)),
        Affected(name="load", why="renamed"),
        Affected(name="late", why="param", via=("day", "size")),
        Affected(name="report", why="added"),
        Affected(name="zip", why="upstream", via=("a", "b", "c", "d", "e")),
    ),
    unaffected=("audit", "check"),
)


def test_each_task_has_its_reason():
    assert drawn(impact_view(IMPACT)) == [
        "impact  6 of 8 tasks can give other results",
        "  fetch   code of tasks/etl.py",
        "  clean   after fetch",
        "  load    renamed and changed",
        "  late    parameters day, size",
        "  report  added",
        "  zip     after a, b, c and 2 more",
        "  the other 2 cannot: audit, check",
    ]
    assert drawn(impact_view(IMPACT, patch=True))[-2] == "  zip     after a, b, c, d, e"


def test_none_and_all():
    one, others = (Affected(name="a", why="changed"),), ("b", "c")
    assert drawn(impact_view(Impact(unaffected=others))) == [
        "impact  no task can give other results"
    ]
    assert drawn(impact_view(Impact(affected=one)))[0] == (
        "impact  the only task can give other results"
    )
    assert drawn(impact_view(Impact(affected=one * 2)))[0] == (
        "impact  all 2 tasks can give other results"
    )
    assert drawn(impact_view(Impact(affected=one, unaffected=("b",))))[-1] == (
        "  the other cannot: b"
    )


def test_a_long_list_is_folded_and_with_patch_it_is_not():
    found = (Affected(name=f"t{n}", why="upstream", via=(f"u{n}",)) for n in range(500))
    impact = Impact(affected=tuple(found))
    lines = drawn(impact_view(impact))
    assert len(lines) == 22 and lines[-1] == "  and 480 more (-p shows all)"
    assert len(drawn(impact_view(impact, patch=True))) == 501


def test_tasks_with_the_same_reason_are_told_together():
    found = [Affected(name=f"t{n}", why="changed") for n in range(200)]
    found.insert(1, Affected(name="other", why="upstream", via=("t0",)))
    impact = Impact(affected=tuple(found))
    together, alone = drawn(impact_view(impact, width=60))[1:]
    assert together == "  200 tasks  changed: t0 ... t199"
    assert alone.split() == ["other", "after", "t0"]
    two = Impact(affected=tuple(found[2:4]))
    assert len(drawn(impact_view(two))) == 3
    assert len(drawn(impact_view(impact, patch=True))) == 202


def test_names_of_the_others_fill_one_line_of_a_terminal_and_are_folded_late_in_a_pipe():
    names = ("task_" + "".join(letters) for letters in product(ascii_lowercase, repeat=3))
    impact = Impact(affected=IMPACT.affected[:1], unaffected=tuple(islice(names, 1000)))
    for width in (60, 80, 200):
        line = drawn(impact_view(impact, width=width))[-1]
        assert width - 30 < len(line) <= width and line.endswith(" more")
        shown = line.count(",") + 1
        assert line.endswith(f" and {1000 - shown} more")
    assert drawn(impact_view(impact))[-1].endswith("task_adu, task_adv and 900 more")
    assert drawn(impact_view(impact, patch=True))[-1].count("task_") == 1000


def test_names_that_hold_control_characters_are_quoted():
    hostile = "a\x1b[31m\tb\n\u202ec"
    impact = Impact(
        affected=(Affected(name=hostile, why="code", via=(hostile,)),), unaffected=(hostile,) * 2
    )
    for width in (None, 80):
        assert all(line.isprintable() for line in drawn(impact_view(impact, width=width)))


def test_the_names_of_a_loop_are_its_first_and_last():
    others = ("before", *(f"t{n}" for n in sorted(map(str, range(200)))), "end")
    impact = Impact(affected=IMPACT.affected[:1], unaffected=others)
    last = "  the other 202 cannot: before, t0 ... t199, end"
    assert drawn(impact_view(impact))[-1] == last
    assert drawn(impact_view(impact, width=60))[-1] == last
    assert drawn(impact_view(impact, width=40))[-1] == "  the other 202 cannot: before and 201 more"
