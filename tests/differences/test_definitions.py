import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.differences.definitions import Diff, TaskChange, compare, hunks, summarize, with_hunks
from ork.differences.reverse import inverse, taken_back
from ork.differences.values import FieldChange
from ork.objects.kinds import SECOND, Task, When, to_json
from ork.objects.snapshot import FileEntry
from ork.objects.value import replace
from tests.scale import size

EXTRACT = Task(
    executor="python",
    file="tasks/etl.py",
    function="extract",
    input_type={"url": "str"},
    output_type={"path": "str", "rows": "int"},
    inputs={"url": {"const": "https://a"}},
)
LOAD = Task(
    executor="process",
    command="./load.sh --fast",
    depends_on=("extract",),
    inputs={"path": {"ref": "tasks.extract.output.path"}},
)


# -- laws


@st.composite
def workflows(draw) -> dict[str, Task]:
    """A small graph of tasks, some of which are equal but for their edges."""
    tasks: dict[str, Task] = {}
    for name in draw(
        st.lists(st.sampled_from(["a", "b", "c", "a.b", "d.output", "e"]), unique=True)
    ):
        upstream = draw(st.sets(st.sampled_from(sorted(tasks)), max_size=2)) if tasks else set()
        tasks[name] = Task(
            executor=draw(st.sampled_from(["python", "process"])),
            command=draw(st.sampled_from([None, "run it", ("run", "it", "now"), "set\nrun\n"])),
            function=draw(st.sampled_from([None, "main", "load"])),
            depends_on=tuple(sorted(upstream)),
            inputs={f"in_{up}": {"ref": f"tasks.{up}.output.x"} for up in upstream}
            | draw(st.sampled_from([{}, {"n": {"const": [1, 2]}}, {"n": {"const": [True]}}])),
            env={"MODE": "fast"} | {f"IN_{up}": {"ref": f"tasks.{up}.output"} for up in upstream},
            timeout=draw(st.sampled_from([300, 5])) * SECOND,
        )
    return tasks


@given(workflows())
@settings(deadline=None)
def test_nothing_differs_from_itself(tasks):
    assert not compare_tasks(tasks, dict(tasks))


@given(workflows(), workflows(), st.booleans())
@settings(deadline=None)
def test_comparing_the_other_way_round_gives_the_inverse(old, new, rename):
    there, back = compare_tasks(old, new, rename=rename), compare_tasks(new, old, rename=rename)
    assert comparable(inverse(there)) == comparable(back)


@given(workflows(), workflows(), st.booleans())
@settings(deadline=None)
def test_comparing_the_other_way_round_takes_all_back(old, new, rename):
    there, back = compare_tasks(old, new, rename=rename), compare_tasks(new, old, rename=rename)
    assert taken_back([there], back) == replace(back, edges=())
    assert not taken_back([there], there).tasks


@given(workflows(), workflows(), st.booleans())
@settings(deadline=None)
def test_the_changes_applied_to_the_old_tasks_give_the_new_ones(old, new, rename):
    diff = compare_tasks(old, new, rename=rename)
    names = {change.old_name: change.name for change in diff.tasks if change.old_name}
    removed = {change.name for change in diff.tasks if change.kind == "removed"}
    added = {change.name for change in diff.tasks if change.kind == "added"}
    moved = {names.get(name, name): task for name, task in old.items() if name not in removed}
    assert moved.keys() | added == new.keys()
    touched = {change.name for change in diff.tasks}
    for name, task in moved.items():
        if name not in touched:
            assert renamed(task, names) == new[name]
    for change in diff.tasks:
        if change.kind in ("changed", "renamed"):
            fields = {field.path.partition(".")[0].partition("[")[0] for field in change.fields}
            before, after = to_json(renamed(moved[change.name], names)), to_json(new[change.name])
            assert {field for field in after if before[field] != after[field]} == fields


@given(workflows(), workflows(), st.booleans())
@settings(deadline=None)
def test_the_edges_applied_to_the_old_graph_give_the_new_one(old, new, rename):
    diff = compare_tasks(old, new, rename=rename)
    names = {change.old_name: change.name for change in diff.tasks if change.old_name}
    kept = edges(old) - {(e.upstream, e.downstream) for e in diff.edges if e.kind == "removed"}
    moved = {(names.get(up, up), names.get(down, down)) for up, down in kept}
    came = {(e.upstream, e.downstream) for e in diff.edges if e.kind == "added"}
    assert moved.isdisjoint(came) and moved | came == edges(new)


@given(workflows(), st.data())
@settings(deadline=None)
def test_renaming_alone_is_shown_as_renaming_alone(tasks, data):
    # Different commands, since of equal tasks nobody can say which one was renamed to which.
    tasks = {n: replace(task, command=f"./{n}.sh") for n, task in tasks.items()}
    chosen = data.draw(st.sets(st.sampled_from(sorted(tasks)))) if tasks else set()
    names = {name: f"new_{name}" for name in chosen}
    new = {names.get(name, name): renamed(task, names) for name, task in tasks.items()}
    assert compare_tasks(tasks, new) == Diff(
        tasks=tuple(
            TaskChange(kind="renamed", name=names[name], old_name=name, similarity=100)
            for name in sorted(chosen)
        )
    )


# -- tasks


def test_a_changed_field_is_named_with_both_values():
    diff = compare_tasks({"extract": EXTRACT}, {"extract": replace(EXTRACT, timeout=600 * SECOND)})
    (change,) = diff.tasks
    assert (change.kind, change.name) == ("changed", "extract")
    assert change.fields == (FieldChange(kind="changed", path="timeout", old=300, new=600),)


def test_a_binding_and_a_type_are_compared_by_field():
    new = replace(
        EXTRACT, inputs={"url": {"const": "https://b"}}, output_type={"path": "str", "n": "int"}
    )
    (change,) = compare_tasks({"extract": EXTRACT}, {"extract": new}).tasks
    assert [(f.kind, f.path) for f in change.fields] == [
        ("added", "output_type.n"),
        ("removed", "output_type.rows"),
        ("changed", "inputs.url.const"),
    ]


def test_a_field_that_was_not_set_is_added():
    new = replace(LOAD, file="load.sh", command=None)
    (change,) = compare_tasks({"load": LOAD}, {"load": new}).tasks
    assert [(f.kind, f.path) for f in change.fields] == [("removed", "command"), ("added", "file")]


def test_an_added_task_lists_what_is_not_default():
    task = replace(LOAD, timeout=5 * SECOND)
    (change,) = compare_tasks({}, {"load": task}).tasks
    assert change.kind == "added"
    assert {f.path: f.new for f in change.fields} == {
        "command": "./load.sh --fast",
        "executor": "process",
        "timeout": 5,
        "inputs.path": {"ref": "tasks.extract.output.path"},
        "depends_on": "extract",
    }
    assert all(f.kind == "added" and f.old is None for f in change.fields)


def test_a_renamed_task_does_not_change_those_that_depend_on_it():
    new_load = replace(
        LOAD, depends_on=("fetch",), inputs={"path": {"ref": "tasks.fetch.output.path"}}
    )
    diff = compare_tasks({"extract": EXTRACT, "load": LOAD}, {"fetch": EXTRACT, "load": new_load})
    assert [(t.kind, t.old_name, t.name, t.similarity) for t in diff.tasks] == [
        ("renamed", "extract", "fetch", 100)
    ]
    assert diff.edges == ()


def test_a_ref_to_another_field_of_a_renamed_task_is_a_change():
    new_load = replace(
        LOAD, depends_on=("fetch",), inputs={"path": {"ref": "tasks.fetch.output.rows"}}
    )
    diff = compare_tasks({"extract": EXTRACT, "load": LOAD}, {"fetch": EXTRACT, "load": new_load})
    assert diff.tasks[1].fields == (
        FieldChange(
            kind="changed",
            path="inputs.path.ref",
            old="tasks.extract.output.path",
            new="tasks.fetch.output.rows",
        ),
    )


def test_what_else_a_binding_to_a_renamed_task_says_is_a_change():
    def load(name: str, value: int) -> Task:
        ref = f"tasks.{name}.output.path"
        inputs = {"path": {"ref": ref, "else": value}}
        return replace(LOAD, depends_on=(name,), inputs=inputs, when=When(ref=ref, is_=value))

    old = {"extract": EXTRACT, "load": load("extract", 1)}
    diff = compare_tasks(old, {"fetch": EXTRACT, "load": load("fetch", 2)})
    assert diff.tasks[1].fields == (
        FieldChange(kind="changed", path="inputs.path.else", old=1, new=2),
        FieldChange(kind="changed", path="when.is", old=1, new=2),
    )


def test_a_whole_chain_can_be_renamed_at_once():
    old = chain("step")
    assert {t.kind for t in compare_tasks(old, chain("stage")).tasks} == {"renamed"}
    assert compare_tasks(old, chain("stage")).edges == ()


def test_a_task_equal_but_for_renamed_neighbours_is_renamed():
    (change,) = [t for t in compare_tasks(joined("part"), joined("piece")).tasks if "all" in t.name]
    assert (change.kind, change.similarity) == ("renamed", 100)


def test_a_task_renamed_and_slightly_edited_is_still_renamed():
    (change,) = compare_tasks({"extract": EXTRACT}, {"fetch": replace(EXTRACT, retries=2)}).tasks
    assert (change.kind, change.old_name) == ("renamed", "extract")
    assert change.similarity is not None and 60 <= change.similarity < 100
    assert [field.path for field in change.fields] == ["retries"]


def test_another_function_of_the_same_file_is_another_task():
    other = replace(EXTRACT, function="audit", inputs={"url": {"const": "https://b"}})
    kinds = [t.kind for t in compare_tasks({"extract": EXTRACT}, {"audit": other}).tasks]
    assert kinds == ["added", "removed"]


def test_without_rename_a_renamed_task_is_removed_and_added():
    diff = compare_tasks({"extract": EXTRACT}, {"fetch": EXTRACT}, rename=False)
    assert [(t.kind, t.name) for t in diff.tasks] == [("removed", "extract"), ("added", "fetch")]


def test_an_edge_follows_a_rename_and_only_new_ones_show():
    old = {"extract": EXTRACT, "load": LOAD, "clean": replace(LOAD, command="clean")}
    new = {
        "fetch": EXTRACT,
        "load": replace(LOAD, depends_on=("clean",), inputs={}),
        "clean": replace(
            LOAD,
            command="clean",
            depends_on=("fetch",),
            inputs={"path": {"ref": "tasks.fetch.output.path"}},
        ),
    }
    diff = compare_tasks(old, new)
    assert [(e.kind, e.upstream, e.downstream) for e in diff.edges] == [
        ("removed", "extract", "load"),
        ("added", "clean", "load"),
    ]


@pytest.mark.slow
def test_thousands_of_renamed_and_edited_tasks_are_found():
    count = size(10_000, by_day=2000)
    old = {f"old_{n}": replace(EXTRACT, function=f"f{n}") for n in range(count)}
    new = {f"new_{n}": replace(EXTRACT, function=f"f{n}", timeout=9 * SECOND) for n in range(count)}
    pairs = {(t.kind, t.old_name, t.name) for t in compare_tasks(old, new).tasks}
    assert pairs == {("renamed", f"old_{n}", f"new_{n}") for n in range(count)}


# -- settings and files


BERLIN = {"cron": "@daily", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ("@daily", "@hourly", ["schedule"]),
        ("@daily", BERLIN, ["schedule.timezone"]),
        ({"every": "5m"}, BERLIN, ["schedule"]),
        (BERLIN, [BERLIN, "@hourly"], ["schedule[1]"]),
        ("@daily", [BERLIN, "@hourly"], ["schedule[0]", "schedule[0]", "schedule[1]"]),
        (["@daily", "@hourly"], ["@daily", {"every": "5m"}], ["schedule[1]"]),
        (["@daily", "@hourly"], ["@daily"], ["schedule[1]"]),
        (BERLIN, None, ["schedule"]),
    ],
)
def test_schedules_are_compared_in_one_form(old, new, changes):
    sides = [{"schedule": side} if side else {} for side in (old, new)]
    diff = compare(tasks={}, files={}, settings=tuple(sides), read=no_read)
    assert [change.path for change in diff.settings] == changes
    assert compare(tasks={}, files={}, settings=(sides[0], sides[0]), read=no_read).settings == ()


def test_settings_are_compared_by_key():
    diff = compare(
        tasks={},
        files={},
        settings=({"schedule": "@daily", "python": "python3"}, {"schedule": "@hourly"}),
        read=no_read,
    )
    assert [(s.kind, s.path, s.old, s.new) for s in diff.settings] == [
        ("removed", "python", "python3", None),
        ("changed", "schedule", "@daily", "@hourly"),
    ]


def test_a_changed_file_counts_its_lines():
    (change,) = compare_files({"a.py": b"x\ny\n"}, {"a.py": b"x\nz\nw\n"}).files
    assert (change.kind, change.added_lines, change.removed_lines) == ("changed", 2, 1)
    assert hunks(change, read_blob)[0].lines == (" x", "-y", "+z", "+w")


def test_a_moved_file_is_renamed_without_being_read():
    old, new = FileEntry(blob="1", executable=False), FileEntry(blob="1", executable=True)
    diff = compare(
        tasks={},
        files={"a.py": (old, None), "b/a.py": (None, new)},
        settings=({}, {}),
        read=no_read,
    )
    (change,) = diff.files
    assert (change.kind, change.old_path, change.path) == ("renamed", "a.py", "b/a.py")
    assert (change.similarity, change.old_executable, change.new_executable) == (100, False, True)


def test_of_equal_files_those_of_one_file_name_are_paired():
    old = {"a/__init__.py": b"", "a/empty.py": b""}
    new = {"z/__init__.py": b"", "b/empty.py": b""}
    pairs = {(f.old_path, f.path) for f in compare_files(old, new).files}
    assert pairs == {("a/__init__.py", "z/__init__.py"), ("a/empty.py", "b/empty.py")}


def test_a_file_moved_and_edited_is_renamed():
    text = b"".join(b"line %d of the file\n" % n for n in range(20))
    (change,) = compare_files({"a.py": text}, {"b.py": text + b"one more\n"}).files
    assert (change.kind, change.old_path, change.added_lines) == ("renamed", "a.py", 1)
    assert change.similarity is not None and 90 < change.similarity < 100


def test_a_binary_file_has_no_lines():
    (change,) = compare_files({"a.bin": b"\0a"}, {"a.bin": b"\0b"}).files
    assert change.binary and (change.added_lines, change.removed_lines) == (0, 0)
    assert hunks(change, no_read) == ()


def test_a_mode_alone_is_a_change_that_reads_nothing():
    old, new = FileEntry(blob="1", executable=False), FileEntry(blob="1", executable=True)
    diff = compare(tasks={}, files={"a.sh": (old, new)}, settings=({}, {}), read=no_read)
    (change,) = diff.files
    assert (change.kind, change.old_executable, change.new_executable) == ("changed", False, True)
    assert summarize(diff) == "Make a.sh executable"
    back = compare(tasks={}, files={"a.sh": (new, old)}, settings=({}, {}), read=no_read)
    assert summarize(back) == "Make a.sh not executable"


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sampled_from([b"", b"x\n", b"x\ny\n", b"\0"])),
    st.dictionaries(st.sampled_from("cdef"), st.sampled_from([b"", b"x\n", b"y\nx\n", b"\0"])),
)
@settings(deadline=None)
def test_files_compared_the_other_way_round_give_the_inverse(old, new):
    there, back = compare_files(old, new), compare_files(new, old)
    assert comparable(inverse(there)) == comparable(back)
    assert taken_back([there], back) == back
    names = {f.old_path: f.path for f in there.files if f.kind == "renamed"}
    moved = {names.get(path, path): data for path, data in old.items()}
    for file in there.files:
        if file.kind == "removed":
            del moved[file.path]
        else:
            moved[file.path] = read_blob(file.new_blob)
    assert moved == new


def test_hunks_are_filled_in_for_short_changes_of_files_that_both_sides_have():
    diff = compare_files({"a.py": b"x\n"}, {"a.py": b"y\n", "b.py": b"new\n" * 100})
    filled = {f.path: f.hunks for f in with_hunks(diff, read_blob, lines_max=2).files}
    assert filled["a.py"] and filled["b.py"] is None
    assert with_hunks(diff, read_blob, lines_max=1) == diff
    assert all(file.hunks for file in with_hunks(diff, read_blob).files)


# -- summary


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ({}, {}, "No changes"),
        ({}, {"a": LOAD}, "Add a"),
        ({"a": LOAD}, {"b": LOAD}, "Rename a to b"),
        ({"a": LOAD}, {"a": replace(LOAD, timeout=9 * SECOND)}, "Change a.timeout 300 -> 9"),
        (
            {"a": LOAD},
            {"a": replace(LOAD, timeout=9 * SECOND, file="x")},
            "Change a (file, timeout)",
        ),
        ({"a": LOAD}, {"a": replace(LOAD, command="x" * 99)}, "Change a.command"),
        ({"a": LOAD}, {"a": EXTRACT}, "Change a (command, executor, file, ...)"),
    ],
)
def test_a_summary_says_what_was_done(old, new, text):
    assert summarize(compare_tasks(old, new)) == text


def test_a_summary_does_not_quote_the_environment():
    old, new = replace(LOAD, env={"TOKEN": "abc"}), replace(LOAD, env={"TOKEN": "def"})
    assert summarize(compare_tasks({"a": old}, {"a": new})) == "Change a.env.TOKEN"


def test_a_summary_joins_tasks_settings_and_files():
    diff = compare(
        tasks={
            "report": (None, EXTRACT),
            "load": (LOAD, replace(LOAD, timeout=9 * SECOND, retries=1)),
        },
        files={"etl.py": (entry(b"a"), entry(b"b"))},
        settings=({}, {}),
        read=read_blob,
    )
    assert summarize(diff) == "Add report; change load (retries, timeout); edit etl.py"
    assert summarize(Diff()) == "No changes"


def test_a_summary_without_room_for_all_leaves_out_settings_before_code():
    old = {"schedule": {"catchup": "none", "every": "2h"}}
    files = {"a.sh": (entry(b"a"), entry(b"b"))}

    def summary(**new):
        both = old, {"schedule": old["schedule"] | new}
        return summarize(compare(tasks={}, files=files, settings=both, read=read_blob))

    assert summary(every="1h") == 'Change schedule.every "2h" -> "1h"; edit a.sh'
    many = summary(every="1h", catchup="latest", retries=3)
    assert many == 'Edit a.sh; change schedule.catchup "none" -> "latest" and 2 more'


def test_a_long_summary_counts_what_it_leaves_out():
    slower = replace(LOAD, timeout=7 * SECOND)
    names = [f"task_{n:02}" for n in range(50)]
    diff = compare_tasks(dict.fromkeys(names, LOAD), dict.fromkeys(names, slower))
    assert summarize(diff) == "Change timeout 300 -> 7 of 50 tasks"
    text = summarize(compare_tasks({}, {f"task_{n:02}": LOAD for n in range(50)}))
    assert text == "Add task_00, task_01, task_02, task_03, task_04, task_05 and 44 more"
    text = summarize(compare_tasks({}, {"x" * 128: LOAD, "y" * 128: EXTRACT}))
    assert len(text) == 72 and text.endswith("... and 1 more")


def test_a_summary_counts_tasks_together_whose_changes_are_too_long_to_be_told():
    names = [f"task_{n}" for n in range(9)]
    diff = compare_tasks(
        {name: replace(LOAD, command=f"{int(name[-1]) // 3}" * 40) for name in names},
        {name: replace(LOAD, command=f"x{int(name[-1]) // 3}" * 40) for name in names},
    )
    assert summarize(diff) == "Change command of 9 tasks"


@pytest.mark.slow
@given(workflows(), workflows())
@settings(deadline=None)
def test_a_summary_is_one_short_line(old, new):
    text = summarize(compare_tasks(old, new))
    assert 0 < len(text) <= 72 and text.isprintable()


# -- what the tests share

_blobs: dict[str, bytes] = {}


def compare_tasks(old: dict[str, Task], new: dict[str, Task], *, rename: bool = True) -> Diff:
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    tasks = {name: (old.get(name), new.get(name)) for name in names}
    return compare(tasks=tasks, files={}, settings=({}, {}), read=no_read, rename=rename)


def compare_files(old: dict[str, bytes], new: dict[str, bytes]) -> Diff:
    files = {
        path: tuple(entry(side[path]) if path in side else None for side in (old, new))
        for path in old.keys() | new.keys()
        if old.get(path) != new.get(path)
    }
    return compare(tasks={}, files=files, settings=({}, {}), read=read_blob)


def entry(data: bytes) -> FileEntry:
    _blobs[data.hex()] = data
    return FileEntry(blob=data.hex() or "empty", executable=False)


def read_blob(oid: str) -> bytes:
    return b"" if oid == "empty" else _blobs[oid]


def no_read(oid: str) -> bytes:
    raise AssertionError("nothing had to be read")


def chain(name: str) -> dict[str, Task]:
    return {
        f"{name}_{n}": Task(
            executor="process",
            command=f"./run.sh {n}",
            depends_on=(f"{name}_{n - 1}",) if n else (),
            inputs={"x": {"ref": f"tasks.{name}_{n - 1}.output.x"}} if n else {},
        )
        for n in range(10)
    }


def joined(name: str) -> dict[str, Task]:
    """Many small tasks, and one that is little more than its edges to them."""
    parts = {f"{name}_{n}": Task(executor="process", command=f"./make.sh {n}") for n in range(9)}
    inputs = {f"x{n}": {"ref": f"tasks.{part}.output.x"} for n, part in enumerate(parts)}
    whole = Task(executor="process", command="join", depends_on=tuple(sorted(parts)), inputs=inputs)
    return {**parts, f"all_{name}s": whole}


def renamed(task: Task, names: dict[str, str]) -> Task:
    inputs, env = dict(task.inputs), dict(task.env)
    for up in task.depends_on:
        if f"in_{up}" in inputs:
            inputs[f"in_{up}"] = {"ref": f"tasks.{names.get(up, up)}.output.x"}
        if f"IN_{up}" in env:
            env[f"IN_{up}"] = {"ref": f"tasks.{names.get(up, up)}.output"}
    upstream = tuple(sorted(names.get(up, up) for up in task.depends_on))
    return replace(task, depends_on=upstream, inputs=inputs, env=env)


def edges(tasks: dict[str, Task]) -> set[tuple[str, str]]:
    return {(up, name) for name, task in tasks.items() for up in task.depends_on}


def comparable(diff: Diff) -> tuple[list[str], ...]:
    """Return all changes in one order, telling true from 1."""
    tasks = [(replace(t, fields=()), sorted(map(repr, t.fields))) for t in diff.tasks]
    parts = (tasks, diff.edges, diff.settings, diff.files)
    return tuple(sorted(map(repr, part)) for part in parts)
