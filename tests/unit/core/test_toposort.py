"""Topological order, or a way round."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dwork.core.toposort import topological

GRAPHS = st.integers(0, 8).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, max(0, n - 1)), max_size=3), min_size=n, max_size=n)
)


def test_first_come_is_first_when_nothing_forbids_it() -> None:
    assert topological([[], [], []]) == ([0, 1, 2], [])
    assert topological([[2], [], [1]]) == ([1, 2, 0], [])


def test_a_position_that_waits_for_itself_is_a_cycle() -> None:
    assert topological([[], [1]]) == ([0], [1])


def test_a_cycle_is_told_in_the_order_in_which_it_would_run() -> None:
    order, cycle = topological([[], [3, 0], [1], [2], [1]])
    assert order == [0]
    assert sorted(cycle) == [1, 2, 3]
    assert cycle[(cycle.index(1) + 1) % 3] == 2


@given(GRAPHS)
def test_every_position_comes_after_its_predecessors_or_there_is_a_way_round(predecessors: list[list[int]]) -> None:
    order, cycle = topological(predecessors)
    assert len(set(order)) == len(order)
    place = {i: k for k, i in enumerate(order)}
    assert all(place[p] < place[i] for i in order for p in predecessors[i])
    assert bool(cycle) == (len(order) < len(predecessors))
    for i, p in zip(cycle, [*cycle[-1:], *cycle[:-1]], strict=True):
        assert p in predecessors[i]
