"""The order of a run: needs are respected, what cannot succeed is given up, nothing is lost."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ork.graph.plan import Plan
from tests.scale import examples


def take_all(plan):
    taken = []
    while (name := plan.next()) is not None:
        taken.append(name)
    return taken


DIAMOND = {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")}
#     a
#    / \
#   b   c
#    \ /
#     d


def test_a_task_is_ready_when_all_that_it_needs_has_ended():
    plan = Plan(DIAMOND)
    assert take_all(plan) == ["a"]
    assert plan.finish("a", ok=True) == []
    assert take_all(plan) == ["b", "c"]
    plan.finish("c", ok=True)
    assert take_all(plan) == []
    plan.finish("b", ok=True)
    assert take_all(plan) == ["d"]
    assert not plan.done
    plan.finish("d", ok=True)
    assert plan.done


def test_no_tasks_at_all():
    assert Plan({}).done
    assert Plan({}).next() is None


def test_a_task_is_taken_once():
    plan = Plan({"a": ()})
    assert (plan.next(), plan.next()) == ("a", None)


def test_ready_tasks_come_in_the_order_given():
    names = [f"t{number}" for number in random.Random(1).sample(range(100), 100)]
    assert take_all(Plan(dict.fromkeys(names, ()))) == names


def upstream(needs, task):
    found = set(needs[task])
    return found.union(*(upstream(needs, need) for need in found))


def test_a_failure_dooms_what_needs_it_and_names_the_reason():
    plan = Plan(DIAMOND)
    take_all(plan)
    assert plan.finish("a", ok=False) == [("b", "a"), ("c", "a"), ("d", "a")]
    assert plan.done
    assert take_all(plan) == []


def test_half_a_failure_waits_for_the_other_half():
    plan = Plan(DIAMOND)
    take_all(plan)
    plan.finish("a", ok=True)
    take_all(plan)
    assert plan.finish("b", ok=False) == []
    assert plan.finish("c", ok=True) == [("d", "b")]
    assert plan.done


def test_a_task_that_runs_anyway_runs_after_a_failure():
    plan = Plan(DIAMOND, ["d"])
    take_all(plan)
    assert plan.finish("a", ok=False) == [("b", "a"), ("c", "a")]
    assert take_all(plan) == ["d"]
    plan.finish("d", ok=True)
    assert plan.done


def test_what_follows_a_task_that_ran_anyway_depends_on_that_task():
    needs = {"a": (), "clean": ("a",), "b": ("clean",)}
    for ok, doomed in ((True, []), (False, [("b", "clean")])):
        plan = Plan(needs, ["clean"])
        take_all(plan)
        plan.finish("a", ok=False)
        assert take_all(plan) == ["clean"]
        assert plan.finish("clean", ok=ok) == doomed
        assert take_all(plan) == ([] if doomed else ["b"])


def test_a_need_named_twice_counts_once():
    plan = Plan({"a": (), "b": ("a", "a")})
    take_all(plan)
    plan.finish("a", ok=True)
    assert take_all(plan) == ["b"]


def test_what_is_done_already_is_not_run_and_holds_nothing_up():
    plan = Plan(DIAMOND, done=["a", "b"])
    assert take_all(plan) == ["c"]
    plan.finish("c", ok=True)
    assert take_all(plan) == ["d"]
    assert Plan(DIAMOND, done=DIAMOND).done


def test_dropping_what_is_ready_starts_nothing_more():
    plan = Plan(DIAMOND)
    assert plan.drop_ready() == ["a"]
    assert plan.next() is None
    assert plan.finish("a", ok=False) == [("b", "a"), ("c", "a"), ("d", "a")]
    assert plan.drop_ready() == []
    assert plan.done


def test_a_chain_of_ten_thousand_tasks_is_no_recursion():
    needs = {"0": (), **{str(n): (str(n - 1),) for n in range(1, 10_000)}}
    plan = Plan(needs)
    take_all(plan)
    assert len(plan.finish("0", ok=False)) == 9_999
    assert plan.done


@st.composite
def graphs(draw):
    """Tasks t0, t1...; each needs some of those before it, in no particular order."""
    size = draw(st.integers(1, 12))
    names = [f"t{number}" for number in range(size)]
    needs = {
        name: tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else ())
        for index, name in enumerate(names)
    }
    order = draw(st.permutations(names))
    chosen = st.sets(st.sampled_from(names))
    return {name: needs[name] for name in order}, draw(chosen), draw(chosen), draw(chosen)


def expected_states(needs, failing, anyway, done):
    """Say what becomes of each task, from the meaning of needs alone."""
    states = dict.fromkeys(done, "success")

    def state(name):
        if name not in states:
            well = all(state(need) == "success" for need in needs[name])
            runs = well or name in anyway
            states[name] = ("failed" if name in failing else "success") if runs else "doomed"
        return states[name]

    return {name: state(name) for name in needs}


@pytest.mark.slow
@pytest.mark.parametrize("with_done", [False, True])
@given(graphs(), st.randoms(use_true_random=False), st.integers(1, 4))
@settings(deadline=None, max_examples=examples(300))
def test_any_graph_in_any_order_of_completion(with_done, graph, rng, slots):
    needs, failing, anyway, done = graph
    done = done if with_done else set()
    plan = Plan(needs, anyway, done) if with_done else Plan(needs, anyway)
    states = dict.fromkeys(done, "success")
    running = []
    while not plan.done:
        while len(running) < slots and (name := plan.next()) is not None:
            assert name not in states
            assert name not in running
            assert all(need in states for need in needs[name]), "started before its needs ended"
            running.append(name)
        assert running, "nothing runs and it is not done"
        name = running.pop(rng.randrange(len(running)))
        states[name] = "failed" if name in failing else "success"
        for doomed, cause in plan.finish(name, ok=name not in failing):
            assert doomed not in states
            assert states[cause] == "failed"
            assert cause in upstream(needs, doomed)
            states[doomed] = "doomed"
    assert running == []
    assert plan.next() is None
    assert states == expected_states(needs, failing, anyway, done)


@given(graphs())
@settings(deadline=None)
def test_with_one_slot_the_order_is_always_the_same(graph):
    needs, failing, anyway, _ = graph

    def order():
        plan, taken = Plan(needs, anyway), []
        while not plan.done:
            name = plan.next()
            taken.append((name, tuple(plan.finish(name, ok=name not in failing))))
        return taken

    assert order() == order()
