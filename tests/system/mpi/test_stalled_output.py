"""Under mpirun, too, nobody who reads nothing holds up the tasks, or has ranks taken for dead."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path


def test_nobody_is_lost_while_the_output_is_not_read(
    mpirun: list[str], start: Callable, tmp_path: Path, wait_until: Callable
) -> None:
    n = 24
    lines = [f"seq {i}000000 {i}040000; sleep 0.5; touch done{i}\n" for i in range(10, 10 + n)]  # 6 MB
    (tmp_path / "tasks.txt").write_text("".join(lines))
    pool = start(*mpirun, "-n", 3, sys.executable, "-m", "dwork.pool", "--worker-timeout", "2s", "-k", "tasks.txt")
    wait_until(lambda: len(list(tmp_path.glob("done*"))) == n, limit=40)
    assert pool.poll() is None
    out, err = pool.communicate(timeout=40)
    expected = [str(k) for i in range(10, 10 + n) for k in range(i * 1_000_000, i * 1_000_000 + 40_001)]
    assert (pool.returncode, out.splitlines()) == (0, expected), err
    assert "has left" not in err and f"{n} done, 0 failed" in err
