"""METG and knees, by tables."""

from __future__ import annotations

import pytest
from _efficiency import flat_until, keeps_up_to, metg


@pytest.mark.parametrize(
    ("curve", "found"),
    [
        ({}, None),
        ({1.0: 0.4}, None),
        ({1.0: 0.6}, 1.0),  # the truth is below
        ({1.0: 0.5}, 1.0),
        ({0.01: 0.25, 1.0: 0.75}, 0.1),  # half of the way, over the logarithm
        ({0.01: 0.0, 0.1: 0.5, 1.0: 0.9}, 0.1),
        ({0.01: 0.6, 0.1: 0.4, 1.0: 0.6}, 0.1 * 10**0.5),  # by chance good at 0.01: it counts from where it stays
        ({0.1: 0.9, 1.0: 0.2}, None),
    ],
)
def test_metg_is_the_shortest_run_time_from_which_on_half_of_the_time_is_work(
    curve: dict[float, float], found: float | None
) -> None:
    assert metg(curve) == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("metgs", "size"),
    [
        ({}, None),
        ({10: None}, None),
        ({10: 0.001, 100: 0.0014, 1000: 0.002}, 100),
        ({10: 0.001, 100: 0.001}, 100),
        ({10: 0.001, 100: 0.1, 1000: 0.001}, 10),
    ],
)
def test_metg_is_flat_up_to_the_first_size_at_which_it_has_grown(
    metgs: dict[int, float | None], size: int | None
) -> None:
    assert flat_until(metgs) == size


def test_a_pool_keeps_up_to_the_first_size_at_which_it_does_not() -> None:
    assert keeps_up_to({10: 0.9, 100: 0.8, 1000: 0.3, 10_000: 0.9}, 0.8) == 100
    assert keeps_up_to({10: 0.1}, 0.8) is None
