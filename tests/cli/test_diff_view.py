from collections.abc import Iterable

import pytest

from ork.cli.diff.stat import stat_view
from ork.cli.diff.text import diff_view, name_status_view
from ork.cli.screen.line import Line
from ork.cli.screen.parts import clip, quoted
from ork.differences.definitions import (
    Diff,
    EdgeChange,
    FieldChange,
    FileChange,
    TaskChange,
    summarize,
)
from ork.differences.lines import Hunk
from ork.objects.value import replace


def changed(path: str, old: object, new: object) -> FieldChange:
    return FieldChange(kind="changed", path=path, old=old, new=new)


def added(path: str, new: object) -> FieldChange:
    return FieldChange(kind="added", path=path, new=new)


HUNK = Hunk(
    old_start=1, old_lines=2, new_start=1, new_lines=2, lines=(" import os", "-\tx = 1", "+\tx = 2")
)
DIFF = Diff(
    tasks=(
        TaskChange(
            kind="changed",
            name="extract",
            fields=(
                added("output_type.rows", "int"),
                changed("timeout", 300, 600.0),
                changed("inputs.url.const", "https://a", "https://b"),
            ),
        ),
        TaskChange(
            kind="changed",
            name="load",
            fields=(FieldChange(kind="removed", path="depends_on", old="old"),),
        ),
        TaskChange(
            kind="removed",
            name="old",
            fields=(
                FieldChange(kind="removed", path="executor", old="python"),
                FieldChange(kind="removed", path="file", old="tasks/old.py"),
                FieldChange(kind="removed", path="function", old="main"),
            ),
        ),
        TaskChange(
            kind="added",
            name="report",
            fields=(added("command", ["./report.sh", "now"]), added("executor", "process")),
        ),
        TaskChange(kind="renamed", name="summarise", old_name="summarize", similarity=100),
    ),
    edges=(
        EdgeChange(kind="removed", upstream="old", downstream="load"),
        EdgeChange(kind="added", upstream="load", downstream="report"),
    ),
    settings=(changed("schedule", "0 2 * * *", "@daily"),),
    files=(
        FileChange(kind="added", path="data.bin", binary=True, new_blob="1"),
        FileChange(
            kind="changed",
            path="run.sh",
            old_blob="1",
            new_blob="1",
            old_executable=False,
            new_executable=True,
        ),
        FileChange(
            kind="renamed",
            path="tasks/etl.py",
            old_path="etl.py",
            similarity=91,
            old_blob="1",
            new_blob="2",
            added_lines=1,
            removed_lines=1,
            hunks=(HUNK,),
        ),
    ),
)


def test_the_whole_structure_is_drawn():
    assert drawn(diff_view(DIFF)) == [
        "tasks",
        "  ~ extract    changed",
        '      output_type.rows  + "int"',
        "      timeout           300 -> 600",
        '      inputs.url.const  "https://a" -> "https://b"',
        "  ~ load       changed (depends_on)",
        "  - old        removed (python: tasks/old.py:main)",
        "  + report     added (process: ./report.sh now)",
        "  > summarise  renamed from summarize (100% similar)",
        "edges",
        "  - old -> load",
        "  + load -> report",
        "settings",
        '  schedule  "0 2 * * *" -> "@daily"',
        "files",
        "  + data.bin      added, binary",
        "  ~ run.sh        now executable",
        "  > tasks/etl.py  renamed from etl.py (91% similar)  +1 -1",
        "      @@ -1,2 +1,2 @@",
        "       import os",
        "      -\tx = 1",
        "      +\tx = 2",
    ]


def test_no_difference_draws_nothing():
    for view in (diff_view, stat_view, name_status_view):
        assert list(view(Diff())) == []


def test_equal_changes_of_several_tasks_are_told_once():
    fields = (changed("timeout", 300, 60),)
    tasks = [TaskChange(kind="changed", name=f"shard_{n:03}", fields=fields) for n in range(200)]
    tasks.insert(1, TaskChange(kind="changed", name="shard_000b", fields=(added("retries", 1),)))
    tasks += [
        TaskChange(
            kind="added",
            name=f"new_{n}",
            fields=(added("command", "ls"), added("executor", "process")),
        )
        for n in range(3)
    ]
    diff = Diff(tasks=tuple(tasks))
    assert drawn(diff_view(diff, width=60)) == [
        "tasks",
        "  ~ 200 tasks  changed: shard_000 ... shard_199",
        "      timeout  300 -> 60",
        "  ~ shard_000b  changed",
        "      retries  + 1",
        "  + 3 tasks  added (process: ls): new_0, new_1, new_2",
    ]
    for view in (diff_view(diff, patch=True), name_status_view(diff)):
        whole = "\n".join(drawn(view))
        assert all(task.name in whole for task in tasks), "all names can be searched for"
    assert len(drawn(diff_view(diff, patch=True))) > 400
    few = Diff(tasks=(tasks[0], tasks[2]))
    assert len(drawn(diff_view(few))) == 5


def renamed_loop(fields, *, similarity=92, olds="load"):
    return tuple(
        TaskChange(
            kind="renamed",
            name=f"fetch_{n:03}",
            old_name=f"{olds}_{n:03}",
            similarity=similarity,
            fields=fields(n),
        )
        for n in range(200)
    )


def test_tasks_that_were_renamed_alike_are_told_once():
    tasks = renamed_loop(lambda n: (changed("retries", 1, 3),))
    assert drawn(diff_view(Diff(tasks=tasks))) == [
        "tasks",
        "  > 200 tasks  renamed from load_000 ... load_199 (92% similar): fetch_000 ... fetch_199",
        "      retries  1 -> 3",
    ]
    assert len(drawn(diff_view(Diff(tasks=tasks), patch=True))) == 401
    assert summarize(Diff(tasks=tasks)) == "Rename 200 tasks load_* to fetch_*"
    shifted = [replace(one, name=f"fetch_{n + 1:03}") for n, one in enumerate(tasks)]
    assert len(drawn(diff_view(Diff(tasks=tuple(shifted))))) == 401, "who was who is told"


def test_numbers_of_the_names_do_not_make_changes_of_a_loop_different():
    tasks = renamed_loop(lambda n: (changed("command", f"echo shop {n} 7", f"echo shop {n} 7 -v"),))
    assert drawn(diff_view(Diff(tasks=tasks)))[2:] == [
        '      command  "echo shop * 7" -> "echo shop * 7 -v"',
        "  > fetch_007  renamed from load_007 (92% similar)",
        '      command  "echo shop 7 7" -> "echo shop 7 7 -v"',
    ]


def test_a_patch_shows_what_an_added_task_is_made_of():
    diff = Diff(tasks=(DIFF.tasks[3],))
    assert drawn(diff_view(diff, patch=True)) == [
        "tasks",
        "  + report  added (process: ./report.sh now)",
        '      command   + ["./report.sh", "now"]',
        '      executor  + "process"',
    ]


def test_a_command_of_several_lines_is_compared_by_line():
    diff = of_field(changed("command", "set -e\nrun a", "set -e\nrun b"))
    assert drawn(diff_view(diff))[2:] == [
        "      command  +1 -1",
        "          @@ -1,2 +1,2 @@",
        "           set -e",
        "          -run a",
        "          +run b",
    ]


def test_a_newline_that_one_side_lacks_is_shown():
    diff = of_field(changed("command", "a\nb\n", "a\nb"))
    assert drawn(diff_view(diff))[-3:] == [
        "          -b",
        "          +b",
        "          \\ No newline at end of file",
    ]


def test_a_long_change_of_a_command_is_only_counted_without_a_patch():
    old = "".join(f"run {n}\n" for n in range(41))
    diff = of_field(changed("command", old, "gone\n"))
    assert drawn(diff_view(diff))[2:] == ["      command  +1 -41"]
    assert len(drawn(diff_view(diff, patch=True))[2:]) == 44


def test_a_value_is_never_shortened_in_a_pipe():
    value = "x" * 1000
    assert value in drawn(diff_view(of_field(added("env.A", value))))[2]


def test_a_long_value_that_was_added_is_shortened_on_a_terminal():
    lines = drawn(diff_view(of_field(added("env.A", "x" * 1000)), width=60))
    assert all(len(line) <= 60 for line in lines)


def test_values_without_room_for_both_are_below_each_other_and_whole():
    old, new = (f"aws s3 cp s3://bucket/{year}/orders.csv ." for year in (2024, 2025))
    diff = of_field(changed("command", old, new))
    assert drawn(diff_view(diff, width=60))[2:] == [
        "      command",
        f'          - "{old}"',
        f'          + "{new}"',
    ]
    assert drawn(diff_view(diff, width=120))[2:] == [f'      command  "{old}" -> "{new}"']


def test_of_values_of_many_lines_it_is_seen_where_they_part():
    url = "https://example.com/" + "a" * 500
    diff = of_field(changed("url", f"{url}/2024", f"{url}/2025"))
    _, old, new = drawn(diff_view(diff, width=60))[2:]
    assert old.startswith("          - ...aaa") and old.endswith('/2024"')
    assert new.startswith("          + ...aaa") and new.endswith('/2025"')
    long = of_field(changed("env.A", "x" * 1000, "y" * 1000))
    assert all(len(line) <= 260 for line in drawn(diff_view(long, width=60)))


def test_the_gist_of_a_long_command_is_its_first_line():
    task = TaskChange(
        kind="added",
        name="a",
        fields=(added("command", "one\ntwo\n"), added("executor", "process")),
    )
    assert drawn(diff_view(Diff(tasks=(task,))))[1] == "  + a  added (process: one ...)"


def test_names_that_hold_control_characters_are_quoted():
    hostile = "a\x1b[31m\tb\n\u202ec"
    diff = Diff(
        tasks=(TaskChange(kind="renamed", name=hostile, old_name=hostile, similarity=1),),
        edges=(EdgeChange(kind="added", upstream=hostile, downstream=hostile),),
        files=(FileChange(kind="renamed", path=hostile, old_path=hostile, similarity=1),),
    )
    for view in (diff_view, stat_view, name_status_view):
        for line in drawn(view(diff)):
            assert line.replace("\t", "").isprintable()
            assert line.count("\t") <= 3


def test_every_style_is_one_the_theme_knows():
    lines = [
        *diff_view(DIFF, patch=True),
        *stat_view(DIFF),
        *name_status_view(DIFF),
        *diff_view(DIFF, words=True),
    ]
    styles = {part[1] for line in lines for part in line if isinstance(part, tuple)}
    known = {"added", "removed", "changed", "renamed", "heading", "hunk", "dim", "name", "file"}
    assert styles == known


def test_words_are_marked_and_painted():
    diff = of_field(changed("command", "set -e\nrun  a b", "set -e\nrun a c"))
    lines = list(diff_view(diff, words=True))[2:]
    assert drawn(lines) == [
        "      command  +1 -1",
        "          @@ -1,2 +1,2 @@",
        "          set -e",
        "          run[-  -]{+ +}a [-b-]{+c+}",
    ]
    painted = list(diff_view(diff, words=True))[-1]
    assert painted == [
        "          ",
        "run",
        ("[-  -]", "removed"),
        ("{+ +}", "added"),
        "a ",
        ("[-b-]", "removed"),
        ("{+c+}", "added"),
    ]


def test_words_of_a_long_value_leave_out_what_did_not_change():
    url = f"https://example.org/{'deep/' * 40}data-"
    diff = of_field(changed("inputs.url.const", url + "2024", url + "2025"))
    (line,) = drawn(diff_view(diff, width=80, words=True))[2:]
    assert len(line) <= 80 and line.endswith('data-[-2024-]{+2025+}"')


def test_words_are_of_texts_only():
    diff = of_field(changed("timeout", 300, 600))
    assert drawn(diff_view(diff, words=True))[2:] == ["      timeout  300 -> 600"]


def test_stat_has_one_row_for_each_change_and_the_totals():
    assert drawn(stat_view(DIFF)) == [
        " task extract                | 3 ~~+",
        " task load                   | 1 -",
        " task old                    | removed",
        " task report                 | added",
        " task summarize => summarise | renamed",
        " setting schedule            | 1 ~",
        " data.bin                    | added, binary",
        " run.sh                      | mode",
        " etl.py => tasks/etl.py      | 2 +-",
        " 5 tasks, 1 setting, 3 files changed, 1 edge added, 1 edge removed,"
        " 1 line added, 1 line removed",
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("jobs/extract.py", "etl/extract.py", "{jobs => etl}/extract.py"),
        ("x/a.py", "x/b.py", "x/{a.py => b.py}"),
        ("a/b/c.py", "a/c.py", "a/{b => }/c.py"),
        ("a/c.py", "a/b/c.py", "a/{ => b}/c.py"),
        ("a.py", "d/a.py", "a.py => d/a.py"),
        ("w/jobs/x.py", "w/etl/y.py", "w/{jobs/x.py => etl/y.py}"),
        ("j/a\nb.py", "e/a\nb.py", '"j/a\\nb.py" => "e/a\\nb.py"'),
    ],
)
def test_stat_has_what_two_paths_share_once_as_git_has_it(old, new, told):
    moved = FileChange(kind="renamed", path=new, old_path=old, similarity=100)
    assert drawn(stat_view(Diff(files=(moved,)), width=60))[0] == f" {told} | renamed"


def test_bars_of_stat_are_scaled_to_the_width_and_never_vanish():
    big = FileChange(kind="changed", path="a.py", new_blob="1", added_lines=5000, removed_lines=1)
    row, *_ = drawn(stat_view(Diff(files=(big,)), width=40))
    assert len(row) <= 40 and row.startswith(" a.py | 5001 +++++") and row.endswith("+-")


def test_long_names_in_stat_leave_room_on_a_terminal_and_are_whole_in_a_pipe():
    path = "deep/" * 30 + "a.py"
    diff = Diff(files=(FileChange(kind="changed", path=path, new_blob="1", added_lines=3),))
    assert len(drawn(stat_view(diff, width=60))[0]) <= 60
    assert path in drawn(stat_view(diff))[0]


def test_name_status_is_one_line_of_fields_for_each_change():
    assert drawn(name_status_view(DIFF)) == [
        "M\ttask\textract",
        "M\ttask\tload",
        "D\ttask\told",
        "A\ttask\treport",
        "R\ttask\tsummarise\tsummarize",
        "D\tedge\told -> load",
        "A\tedge\tload -> report",
        "M\tsetting\tschedule",
        "A\tfile\tdata.bin",
        "M\tfile\trun.sh",
        "R\tfile\ttasks/etl.py\tetl.py",
    ]


def test_a_file_that_lost_its_mode_says_so():
    file = replace(DIFF.files[1], old_executable=True, new_executable=False)
    assert drawn(diff_view(Diff(files=(file,))))[1] == "  ~ run.sh  no longer executable"


def test_clip_keeps_both_ends():
    assert clip("a" * 50 + "b" * 50, 20) == "aaaaaaaaaaaa...bbbbb"
    assert clip("short", 20) == "short" and clip("x" * 99, None) == "x" * 99


def test_visible_leaves_ordinary_names_alone():
    assert quoted("tâches/été.py") == "tâches/été.py"
    assert quoted("a\tb") == '"a\\tb"'


def of_field(field: FieldChange) -> Diff:
    return Diff(tasks=(TaskChange(kind="changed", name="a", fields=(field,)),))


def drawn(lines: Iterable[Line]) -> list[str]:
    return ["".join(part if isinstance(part, str) else part[0] for part in line) for line in lines]
