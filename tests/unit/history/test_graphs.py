"""The critical path, the outline, and graphs without joins."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.history.chain import longest
from dwork.history.facts import Entry
from dwork.history.joins import past_joins
from dwork.history.kinds import kind
from dwork.history.outline import outline

#: Predecessors that come before in the list, so there is no way round.
GRAPHS = st.integers(1, 9).flatmap(
    lambda n: st.tuples(
        *(st.lists(st.integers(0, i - 1), max_size=3, unique=True) if i else st.just([]) for i in range(n))
    )
)


def entries(*names: str, **states: str) -> list[Entry]:
    """Tasks by name; one that ends with | is a join."""
    return [Entry(i, name, states.get(name, "done"), name.endswith("|")) for i, name in enumerate(names)]


# -- the critical path ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("predecessors", "seconds", "expected"),
    [
        ([], [], []),
        ([[], []], [0, 0], []),
        ([[], []], [1, 2], [1]),
        ([[], [0], [0], [1, 2]], [1, 5, 2, 1], [0, 1, 3]),
        ([[1], []], [1, 1], [1, 0]),
        ([[], [0], [1]], [3, 0, 2], [0, 1, 2]),  # a join takes no time, and belongs to it
        ([[], [0]], [3, 0], [0]),  # what was never run does not
    ],
)
def test_the_critical_path_is_the_chain_that_ran_longest(
    predecessors: list[list[int]], seconds: list[float], expected: list[int]
) -> None:
    assert longest(predecessors, seconds) == expected


@given(GRAPHS, st.lists(st.integers(0, 9), min_size=9, max_size=9))
def test_no_chain_runs_longer(predecessors: Sequence[list[int]], numbers: list[int]) -> None:
    seconds = numbers[: len(predecessors)]
    chain = longest(predecessors, seconds)
    assert all(p in predecessors[i] for p, i in pairwise(chain))
    until: list[int] = []
    for i, before in enumerate(predecessors):
        until.append(seconds[i] + max((until[p] for p in before), default=0))
    assert sum(seconds[i] for i in chain) == max(until)


def test_a_chain_of_ten_thousand_is_no_deeper_than_one() -> None:
    n = 10_000
    assert longest([[], *([i] for i in range(n - 1))], [1.0] * n) == list(range(n))


def test_tasks_that_wait_for_one_another_have_no_critical_path_and_no_outline() -> None:
    with pytest.raises(ValueError, match="wait for one another"):
        longest([[1], [0]], [1, 1])
    with pytest.raises(ValueError, match="wait for one another"):
        outline(entries("a", "b"), [[1], [0]], 1)


# -- outlines -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mesh", "mesh"), ("solve-12-3", "solve-*-*"), ("007", "*"), ("sleep 0.5 > 7", "sleep *.* > *")],
)
def test_names_that_differ_in_numbers_are_of_one_kind(name: str, expected: str) -> None:
    assert kind(name) == expected


def drawn(tasks: list[Entry], predecessors: Sequence[Sequence[int]], most: int) -> tuple[dict[str, int], set[str], str]:
    """Labels with how many tasks each has (joins none), edges, and what groups have in common."""
    found = outline(tasks, predecessors, most)
    labels = [group.label for group in found.groups]
    edges = {f"{labels[p]} -> {labels[i]}" for p, i in found.edges}
    return {group.label: group.n for group in found.groups}, edges, found.by


def test_few_tasks_stand_alone() -> None:
    tasks = entries("a1", "a2", "b")
    assert drawn(tasks, [[], [], [0, 1]], 3) == ({"a1": 1, "a2": 1, "b": 1}, {"a1 -> b", "a2 -> b"}, "")
    assert drawn(tasks, [[], [], [0, 1]], 0) == drawn(tasks, [[], [], [0, 1]], 3)


def test_tasks_of_one_kind_after_the_same_ones_are_one_group() -> None:
    tasks = entries("mesh", *(f"solve-{i}" for i in range(50)), "report")
    before = [[], *([0] for _ in range(50)), list(range(1, 51))]
    groups, edges, by = drawn(tasks, before, 5)
    assert groups == {"mesh": 1, "solve-*": 50, "report": 1}
    assert edges == {"mesh -> solve-*", "solve-* -> report"}
    assert by == "name and predecessors"


def test_the_same_kind_in_two_places_is_two_groups() -> None:
    tasks = entries("a", "b", *(f"x{i}" for i in range(10)))
    found = outline(tasks, [[], [], *([i % 2] for i in range(10))], 4)
    assert [(group.label, group.n) for group in found.groups] == [("a", 1), ("b", 1), ("x*", 5), ("x*", 5)]
    assert found.edges == [(0, 2), (1, 3)]


def test_chains_of_one_kind_are_one_group_that_comes_after_itself() -> None:
    tasks = entries("init", *(f"step-{i}-{k}" for i in range(5) for k in range(4)))
    before = [[], *([0] if k == 0 else [5 * 0 + 4 * i + k] for i in range(5) for k in range(4))]
    groups, edges, _ = drawn(tasks, before, 3)
    assert groups == {"init": 1, "step-*-*": 20}
    assert edges == {"init -> step-*-*", "step-*-* -> step-*-*"}


def test_a_loop_of_two_kinds_is_drawn_as_a_loop_when_it_is_too_long() -> None:
    tasks = entries(*(f"{name}{i}" for i in range(100) for name in ("run", "look")))
    before = [[], *([i] for i in range(199))]
    groups, edges, by = drawn(tasks, before, 10)
    assert (groups, edges, by) == ({"run*": 100, "look*": 100}, {"run* -> look*", "look* -> run*"}, "name")


def test_names_without_anything_in_common_are_put_together_by_depth() -> None:
    letters = [chr(ord("a") + i) * n for i in range(20) for n in (1, 2)]
    before = [[], *([i] for i in range(39))]
    groups, edges, by = drawn(entries(*letters), before, 8)
    assert by == "depth" and list(groups)[:2] == ["depths 0 to 4", "depths 5 to 9"] and set(groups.values()) == {5}
    assert "depths 0 to 4 -> depths 5 to 9" in edges and len(groups) == 8
    assert list(drawn(entries(*letters[:9]), [[] for _ in range(9)], 8)[0]) == ["depth 0"]
    assert list(drawn(entries(*letters), before, 11)[0])[-2:] == ["depths 32 to 35", "depths 36 to 39"]
    assert list(drawn(entries(*letters), before, 7)[0])[-1] == "depths 36 to 39"
    assert list(drawn(entries(*letters), before, 15)[0])[-1] == "depth 39"


def test_a_barrier_is_a_point_that_comes_after_the_last_ones_only() -> None:
    tasks = entries("a", "b", "c", "barrier|", "d")
    found = outline(tasks, [[], [0], [], [0, 1, 2], [3]], 9)
    assert [group.is_join for group in found.groups] == [False, False, False, True, False]
    assert found.edges == [(0, 1), (1, 3), (2, 3), (3, 4)]


def test_a_group_has_the_state_that_matters_most() -> None:
    tasks = entries("a1", "a2", "a3", "b1", "b2", a2="failed", a3="skipped", b1="waiting")
    found = outline(tasks, [[] for _ in tasks], 2)
    assert [(group.worst, dict(group.states)) for group in found.groups] == [
        ("failed", {"done": 1, "failed": 1, "skipped": 1}),
        ("waiting", {"waiting": 1, "done": 1}),
    ]


@given(GRAPHS, st.lists(st.sampled_from(["a1", "a2", "b", "c9", "d|"]), min_size=9, max_size=9), st.integers(0, 6))
def test_every_task_is_in_one_group_and_every_edge_is_drawn(
    predecessors: Sequence[list[int]], names: list[str], most: int
) -> None:
    tasks = entries(*names[: len(predecessors)])
    found = outline(tasks, predecessors, most)
    assert sum(group.n for group in found.groups) == sum(not task.is_join for task in tasks)
    assert not most or len(found.groups) <= most
    assert all(0 <= i < len(found.groups) for edge in found.edges for i in edge)
    joins = any(task.is_join for task in tasks)
    if not joins:
        assert bool(found.edges) == any(predecessors)


# -- without joins --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "predecessors", "expected"),
    [
        ("a b", [[], [0]], [[], [0]]),
        ("a b | c", [[], [], [0, 1], [2]], [[], [], [], [0, 1]]),
        ("a | | b", [[], [0], [1], [2, 0]], [[], [], [], [0]]),
        ("| a", [[], [0]], [[], []]),
    ],
)
def test_what_comes_after_a_join_comes_after_what_is_before_it(
    names: str, predecessors: list[list[int]], expected: list[list[int]]
) -> None:
    assert past_joins(entries(*names.split()), predecessors, 10) == expected


def test_a_barrier_between_thousands_is_too_much() -> None:
    n = 3000
    tasks = entries(*(f"a{i}" for i in range(n)), "|", *(f"b{i}" for i in range(n)))
    before = [*([] for _ in range(n)), list(range(n)), *([n] for _ in range(n))]
    assert past_joins(tasks, before, 5000) is None
    assert past_joins(tasks, before, 10) is None
    assert past_joins(entries("a", "b"), [[1], [0]], 10) is None  # a way round
