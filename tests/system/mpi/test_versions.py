"""Ranks of different versions in one MPI job."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dwork.core.messages import OURS, PROTOCOL


@pytest.mark.parametrize("stranger", [0, 1, 2])
@pytest.mark.parametrize("transport", ["mpi", "zmq"])
def test_a_rank_of_another_protocol_ends_the_job_with_one_line(
    mpirun: list[str], run: Callable, tmp_path: Path, other_dwork: dict[str, str], stranger: int, transport: str
) -> None:
    (tmp_path / "tasks.txt").write_text("sleep 600\n" * 4)
    pool = [sys.executable, "-m", "dwork.pool", "-q", "--transport", transport, "tasks.txt"]
    words: list[str] = []
    for rank in range(3):
        other = ["env", f"PYTHONPATH={other_dwork['PYTHONPATH']}"] if rank == stranger else []
        words += [*([":"] if rank else []), "-n", "1", *other, *pool]
    ran = run(*mpirun, *words)
    assert ran.code != 0
    other = f"protocol {PROTOCOL + 1} (dwork 0.2.0)"
    hub, worker = (other, OURS) if stranger == 0 else (OURS, other)
    text = f"the hub speaks {hub}, this worker {worker}: use the same dwork on both"
    ranks = [1, 2] if stranger == 0 else [stranger]
    # Not by lines: an mpirun may put those of two ranks on one.
    said = re.findall(rf"dwork: rank (\d): {re.escape(text)}", ran.err)
    assert said and len(said) == len(set(said))
    assert {int(rank) for rank in said} <= set(ranks)
