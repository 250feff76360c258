"""The entry points for programs: gather the facts, collect those of the other ranks, judge, print."""

from __future__ import annotations

from dwork.cli.program import ExitCode
from dwork.core.errors import UsageError
from dwork.doctor import gather
from dwork.doctor.judge import examine
from dwork.doctor.rounds import hear, tell
from dwork.transport import mpi

#: Seconds without any answer after which the missing ranks count as silent.
PATIENCE = 5.0


def examine_ranks(ranks: mpi.Mpi | None, trouble: UsageError | None) -> int:
    """Print what all ranks have found, and return the exit code: 1 if something should be changed.

    ranks: None without MPI. trouble: why MPI could not start, when it should have.
    """
    with gather.record() as (record, file):
        job = gather.job(record)
        all_facts = [gather.facts()]
        if trouble is not None:
            job = job._replace(trouble=str(trouble))
        if ranks is not None:
            answers = hear(ranks, all_facts[0], ranks.peers, file, PATIENCE)
            all_facts = answers.ranks
            job = job._replace(
                ranks=ranks.size, library=mpi.library(), silent=answers.silent, skew=answers.skew, apart=answers.apart
            )
    report = examine(all_facts, job)
    print("\n".join(report.text()), flush=True)
    if ranks is not None and job.silent:
        ranks.abort(ExitCode.FAILED)  # silent ranks would not end by themselves
    return ExitCode.FAILED if report.advice else ExitCode.DONE


def be_examined(transport: mpi.Mpi, rank: int, patience: float) -> int:
    """Send the facts of another rank to rank 0, and return the exit code."""
    tell(transport, gather.facts(rank), patience)
    return ExitCode.DONE
