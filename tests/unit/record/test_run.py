"""What a record knows of the process that wrote it."""

from __future__ import annotations

import pytest

from tests.desk import RUN


def test_the_run_that_stands_in_the_table_is_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    from dwork.record.run import this_run

    monkeypatch.setattr("sys.argv", ["dwork", "a b", "\udcff"])
    for name in ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    assert this_run(5.0)[2:4] == (os.getpid(), None)
    monkeypatch.setenv("PBS_JOBID", "123.server")
    assert (this_run(5.0).job, this_run(5.0).command) == ("123.server", "dwork 'a b' '\\xff'")
    monkeypatch.setattr("sys.argv", ["dwork", "--env", "A=secret", "--env=B=secret", "--env", "tasks.txt", "C=x"])
    assert this_run(5.0).command == "dwork --env A=... --env=B=... --env tasks.txt C=x"
    assert RUN._fields == this_run(5.0)._fields
