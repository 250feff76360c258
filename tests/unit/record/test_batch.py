"""Batches of good ends, and ranges of numbers."""

from __future__ import annotations

import random

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from dwork.record.batch import pack, ranges, unpack


def test_a_batch_comes_out_as_it_went_in() -> None:
    numbers = random.Random(1)
    n = 1000
    ids = [numbers.randrange(2**63) for _ in range(n)]
    attempts = [numbers.randrange(1, 2**32) for _ in range(n)]
    started = [numbers.random() * 2e9 for _ in range(n)]
    seconds, user, system = ([numbers.random() * 10 ** numbers.randrange(7) for _ in range(n)] for _ in range(3))
    rss = [numbers.randrange(2**42) for _ in range(n)]
    hands = [(attempt, "w", begin - 0.5) for attempt, begin in zip(attempts, started, strict=True)]
    columns = (attempts, [0] * n, [0] * n, started, seconds, user, system, rss)
    for got, wanted in zip(
        zip(*unpack(pack(ids, columns, hands)), strict=True),
        (ids, started, [0.5] * n, seconds, user, system, [b >> 10 for b in rss], attempts),
        strict=True,
    ):
        assert got == pytest.approx(wanted, rel=1e-6)
    assert len(pack(ids, columns, hands)) == 40 * n


def test_a_batch_is_the_same_on_a_machine_of_the_other_byte_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its numbers would be swapped there, packing and unpacking."""
    columns = ([1], [0], [0], [5.0], [2.0], [1.0], [0.5], [4096])
    packed = pack([7], columns, [None])
    row = list(unpack(packed))
    assert packed[:8] == (7).to_bytes(8, "little")
    monkeypatch.setattr("sys.byteorder", "big")
    swapped = pack([7], columns, [None])
    assert swapped[:8] == (7).to_bytes(8, "big")
    assert list(unpack(swapped)) == row


@for_all(st.lists(st.integers(0, 30)))
def test_ranges_cover_just_these_numbers(ids: list[int]) -> None:
    covered = [id for first, last in ranges(ids) for id in range(first, last + 1)]
    assert set(covered) == set(ids)
    assert list(ranges(range(100))) == [(0, 99)]
