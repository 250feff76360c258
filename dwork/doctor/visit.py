"""The whole of it, as programs call it: gather, hear the other ranks, judge, print."""

from __future__ import annotations

from dwork.cli.program import ExitCode
from dwork.core.errors import UsageError
from dwork.doctor import gather
from dwork.doctor.judge import examine
from dwork.doctor.rounds import hear, tell
from dwork.transport import mpi

#: Seconds without any answer after which those that are still missing are taken for silent.
PATIENCE = 5.0


def examine_ranks(ranks: mpi.Mpi | None, trouble: UsageError | None) -> int:
    """Print what rank 0 and the others have found, and return the exit code: 1 when something should be changed.

    ranks: None without MPI; trouble: why there should be one and is none.
    """
    with gather.record() as (record, file):
        job = gather.job(record)
        all_facts = [gather.facts()]
        if trouble is not None:
            job = job._replace(trouble=str(trouble))
        if ranks is not None:
            heard = hear(ranks, all_facts[0], ranks.peers, file, PATIENCE)
            all_facts = heard.ranks
            job = job._replace(
                ranks=ranks.size, library=mpi.library(), silent=heard.silent, skew=heard.skew, apart=heard.apart
            )
    report = examine(all_facts, job)
    print("\n".join(report.text()), flush=True)
    if ranks is not None and job.silent:
        ranks.abort(ExitCode.FAILED)  # they would not leave by themselves
    return ExitCode.FAILED if report.advice else ExitCode.DONE


def be_examined(transport: mpi.Mpi, rank: int, patience: float) -> int:
    """What another rank does meanwhile."""
    tell(transport, gather.facts(rank), patience)
    return ExitCode.DONE
