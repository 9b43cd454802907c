"""Tasks that are alike are one box of a large picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ork.cli.pictures import fold
from ork.cli.pictures.change import nearest
from ork.cli.pictures.fold import folded
from ork.cli.pictures.graph import Graph, TaskMark
from ork.objects.kinds import TaskRun

OID = "0" * 64


def fan(count: int) -> dict[str, tuple[str, ...]]:
    shards = [f"shard_{n:03}" for n in range(count)]
    return {"plan": (), **dict.fromkeys(shards, ("plan",)), "merge": tuple(shards)}


def ended(names, state="success"):
    return {name: TaskRun(task=OID, state=state) for name in names}


def test_a_fan_is_one_box_and_what_failed_another():
    needs = fan(200)
    states = {
        **ended(needs),
        **ended(["shard_077"], "failed"),
        **ended(["merge"], "upstream_failed"),
    }
    small = folded(Graph(title="fan", needs=needs, states=states))
    assert small.needs == {
        "plan": (),
        "shard_* (199)": ("plan",),
        "shard_077": ("plan",),
        "merge": ("shard_* (199)", "shard_077"),
    }
    looks = {name: small.look(name) for name in small.needs}
    assert looks["shard_* (199)"] == "success" and looks["shard_077"] == "failed"


def test_a_notebook_shows_many_tasks_in_a_picture_that_a_browser_can_draw():
    picture = Graph(title="fan", needs=fan(9_998))._repr_svg_()
    assert "shard_* (9,998)" in picture and len(picture) < 10_000


def test_two_steps_of_each_shard_are_two_boxes():
    needs = {f"load_{n}": () for n in range(30)} | {f"fit_{n}": (f"load_{n}",) for n in range(30)}
    small = folded(Graph(title="two", needs=needs))
    assert small.needs == {"load_* (30)": (), "fit_* (30)": ("load_* (30)",)}


def test_boxes_of_one_family_have_names_of_their_own():
    needs = {f"t{n}": (f"t{n - 1}",) if n % 3 else () for n in range(60)}
    small = folded(Graph(title="chains", needs=needs))
    assert small.needs == {
        "t0 and 19 more": (),
        "t1 and 19 more": ("t0 and 19 more",),
        "t2 and 19 more": ("t1 and 19 more",),
    }


def test_a_small_graph_and_a_chain_stay():
    for needs in (fan(10), {f"t{n}": ((f"t{n - 1}",) if n else ()) for n in range(1000)}):
        graph = Graph(title="g", needs=needs)
        assert folded(graph) is graph


def test_what_a_change_does_differently_is_apart():
    needs = fan(100)
    marks = {name: TaskMark(kind="same") for name in needs}
    marks["shard_003"] = TaskMark(kind="changed", fields=("timeout",))
    marks["shard_004"] = TaskMark(kind="renamed", old_name="part_004")
    edges = {("plan", "shard_005"): "added"}
    small = folded(Graph(title="c", needs=needs, marks=marks, edge_marks=edges))
    apart = ["shard_003", "shard_004", "shard_005"]
    assert list(small.needs) == ["plan", "shard_* (97)", *apart, "merge"]
    assert small.edge_marks == edges
    assert nearest(small, 60) is small


def test_tasks_that_were_renamed_alike_are_one_box():
    needs = fan(100)
    marks = {name: TaskMark(kind="same") for name in needs}
    for number in range(60):
        marks[f"shard_{number:03}"] = TaskMark(kind="renamed", old_name=f"part_{number:03}")
    small = folded(Graph(title="c", needs=needs, marks=marks))
    assert list(small.needs) == ["plan", "shard_* (60)", "shard_* (40)", "merge"]
    assert small.marks["shard_* (60)"].old_name == "part_*"


@given(st.data())
def test_folding_keeps_every_edge_and_makes_no_circle(data):
    names = [
        f"{data.draw(st.sampled_from('abc'))}{n}" for n in range(data.draw(st.integers(2, 12)))
    ]
    needs = {
        name: tuple(data.draw(st.lists(st.sampled_from(names[:at]), unique=True)) if at else ())
        for at, name in enumerate(names)
    }
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fold, "TASKS_MIN", 0)
        small = folded(Graph(title="g", needs=needs))
    seen: set[str] = set()
    for name, below in small.needs.items():
        assert seen.issuperset(below)
        seen.add(name)
    count = sum(int(name.partition("(")[2][:-1] or 1) for name in small.needs)
    assert count == len(names)
    families = {fold.family(up) + fold.family(down) for down, ups in needs.items() for up in ups}
    drawn = {up + down for down, ups in small.needs.items() for up in ups}
    assert {fold.family(pair.replace(" ", "")).replace("(*)", "") for pair in drawn} == families
