"""MPI as a transport, under a real mpirun."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("conformance.py")


@pytest.mark.parametrize("ranks", [2, 4])
def test_mpi_does_what_every_transport_must_do(mpirun: list[str], run: Callable, ranks: int) -> None:
    ran = run(*mpirun, "-n", ranks, sys.executable, SUITE, limit=120)
    assert (ran.code, ran.out) == (0, "conforms\n"), ran.err


def test_a_frame_that_nobody_reads_does_not_keep_the_ranks_from_leaving(mpirun: list[str], run: Callable) -> None:
    ran = run(*mpirun, "-n", 2, sys.executable, SUITE, "unread", limit=120)
    assert (ran.code, ran.out) == (0, "conforms\n"), ran.err
