"""Sessions, lanes, bins and histograms: what is when."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.history.bins import Bins, shared
from dwork.history.facts import Presence, Session
from dwork.history.lanes import Lanes
from dwork.history.sessions import ended, presences
from dwork.history.spread import SHORTEST, spread

SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30).map(
    lambda pairs: sorted((float(start), float(start + length)) for start, length in pairs)
)


# -- sessions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "moments", "expected"),
    [
        ([], [1.0], []),
        ([(0, 10)], [3.0, 99.0], [(0, 10)]),
        ([(0, None)], [3.0, 7.0, 5.0], [(0, 7)]),
        ([(0, None)], [], [(0, 0)]),
        ([(0, None), (20, 30)], [7.0, 25.0], [(0, 7), (20, 30)]),
        ([(20, 30), (0, 10)], [], [(0, 10), (20, 30)]),
        ([(0, 25), (20, 30)], [], [(0, 20), (20, 30)]),  # the clocks of two hosts
        ([(10, 5)], [], [(10, 10)]),
        ([(10, None)], [5.0], [(10, 10)]),
    ],
)
def test_a_run_that_was_killed_ends_with_the_last_that_is_known_of_it(
    runs: list[tuple[float, float | None]], moments: list[float], expected: list[tuple[float, float]]
) -> None:
    given_ = [(Session(start, end or 0.0), end is not None) for start, end in runs]
    assert [(s.started, s.ended) for s in ended(given_, moments)] == expected


def test_a_worker_is_there_until_it_leaves_or_its_session_ends() -> None:
    sessions = [Session(0, 10), Session(20, 30)]
    workers = [
        Presence("stays", 1, 1.0, None),
        Presence("leaves", 1, 2.0, 5.0),
        Presence("late", 1, 21.0, 99.0),
        Presence("early", 1, -1.0, 4.0),  # its hub's clock was set
        Presence("gone", 1, 12.0, 13.0),  # between sessions
    ]
    found = [(worker.worker, begin, end) for worker, begin, end in presences(workers, sessions)]
    assert found == [("stays", 1.0, 10), ("leaves", 2.0, 5.0), ("late", 21.0, 30), ("early", 0, 4.0)]
    assert presences(workers, []) == []


# -- lanes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], []),
        ([(0, 1), (1, 2), (2, 3)], [0, 0, 0]),
        ([(0, 5), (1, 2), (2, 3), (3, 9), (5, 6)], [0, 1, 1, 1, 0]),
        ([(0, 9), (1, 9), (2, 9)], [0, 1, 2]),
        ([(0, 0), (0, 0), (0, 1)], [0, 0, 0]),
    ],
)
def test_what_overlaps_is_in_lanes_of_its_own_and_what_does_not_is_in_the_first_free_one(
    spans: list[tuple[float, float]], expected: list[int]
) -> None:
    lanes = Lanes()
    assert [lanes.take(*span) for span in spans] == expected
    assert len(lanes) == len(set(expected))


@given(SPANS.map(lambda spans: [(start, end + 1) for start, end in spans]))
def test_no_two_in_a_lane_overlap_and_there_are_no_more_lanes_than_ever_ran_at_once(
    spans: list[tuple[float, float]],
) -> None:
    lanes = Lanes()
    placed = [(lanes.take(*span), span) for span in spans]
    for i, (lane, (start, end)) in enumerate(placed):
        assert all(other != lane or until <= start for other, (_, until) in placed[:i]), (lane, start, end)
    most = max((sum(s <= at < e for s, e in spans) for at, _ in spans), default=0)
    assert len(lanes) == most


# -- bins -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [[0, 0, 0, 0], [0, 0, 0, 0]]),
        ([(0, 0, 40, 1)], [[10, 10, 10, 10], [0, 0, 0, 0]]),
        ([(1, 12, 15, 1)], [[0, 0, 0, 0], [0, 3, 0, 0]]),
        ([(0, 5, 25, 2)], [[10, 20, 10, 0], [0, 0, 0, 0]]),
        ([(0, -5, 5, 1), (0, 35, 99, 1)], [[5, 0, 0, 5], [0, 0, 0, 0]]),
        ([(0, -9, -1, 1), (0, 40, 50, 1), (0, 7, 7, 1)], [[0, 0, 0, 0], [0, 0, 0, 0]]),
    ],
)
def test_a_span_is_shared_among_the_bins_that_it_touches(
    spans: list[tuple[int, float, float, float]], expected: list[list[float]]
) -> None:
    assert [list(row) for row in Bins(0, 40, 4).spent(spans, 2)] == expected


@given(SPANS, st.integers(1, 40))
def test_no_second_is_lost_or_counted_twice(spans: list[tuple[float, float]], n: int) -> None:
    bins = Bins(-1.0, 71.0, n)
    (row,) = bins.spent(((0, start, end, 1.0) for start, end in spans), 1)
    assert math.isclose(sum(row), sum(end - start for start, end in spans), abs_tol=1e-9)
    assert all(value > -1e-9 for value in row)


def test_counts_grow_and_what_is_before_or_after_counts_from_the_first_or_last_bin_on() -> None:
    bins = Bins(0, 40, 4)
    assert bins.edges() == [0, 10, 20, 30, 40]
    assert bins.counted([-5.0, 0.0, 9.9, 25.0, 40.0, 40.1]) == [3, 3, 4, 6]


def test_bins_are_shared_by_length_and_each_stretch_has_one() -> None:
    assert shared([30.0, 10.0], 100) == [75, 25]
    assert shared([1e6, 0.1], 100) == [100, 1]
    assert shared([0.0], 100) == [1]


# -- histograms -----------------------------------------------------------------------------------------------------


def test_over_powers_of_ten_bins_grow_and_else_they_are_equal() -> None:
    found = spread([[1.0, 2.0, 4.0], [3.0]], 4)
    assert (found.edges, found.counts, found.grows) == ([0, 1, 2, 3, 4], [[0, 1, 1, 1], [0, 0, 0, 1]], False)
    found = spread([[0.01, 0.1, 100.0]], 4)
    assert found.grows and found.edges == pytest.approx([0.01, 0.1, 1, 10, 100])
    assert [sum(row) for row in found.counts] == [3]


@given(st.lists(st.lists(st.floats(-1, 1e6, allow_nan=False), max_size=20), max_size=3), st.integers(1, 20))
def test_every_duration_is_in_some_bin(series: list[list[float]], n: int) -> None:
    found = spread(series, n)
    assert [sum(row) for row in found.counts] == [len(values) for values in series]
    assert found.edges == sorted(found.edges) and len(found.edges) == n + 1
    assert not found.grows or found.edges[0] >= SHORTEST
