"""Judges the facts: a few lines that describe them, for any number of ranks, and advice on what to change.

Each check gets all facts and returns one line, and advice: what is wrong, and what to type. What merely could be better
is mentioned only in the line. Nothing here reads the state of the machine.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from dwork.core.text import counted, duration, printable, size
from dwork.doctor.facts import Facts, Job

#: Seconds by which two clocks may differ before a record's times are hard to read.
SKEW: Final = 1.0
#: Seconds before the end of the job at which a pool ends, by default.
DRAIN: Final = 60.0
#: Bytes that one rank of MPICH takes in /dev/shm, and bytes that should be free for a record.
SHM_OF_RANK: Final = 5_400_000
ROOM: Final = 100 * 2**20
_EACH: Final = " for the tasks of each rank"
#: The width of the first column, the topic of a line.
_WIDTH: Final = 10


class Finding(NamedTuple):
    """The result of one check: its topic, the text of its line (no line if empty), and what to change."""

    about: str
    text: str
    advice: tuple[str, ...] = ()


class Diagnosis(NamedTuple):
    """lines: pairs of a topic and a text."""

    lines: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def text(self) -> list[str]:
        """Return the printed lines."""
        lines = [f"{about:{_WIDTH}} {what}" for about, what in self.lines]
        if not self.advice:
            return [*lines, "Nothing needs to be changed."]
        return [*lines, "What to change:", *(f"  {i}. {one}" for i, one in enumerate(self.advice, 1))]


def examine(ranks: Sequence[Facts], job: Job) -> Diagnosis:
    """Judge a job by the facts of the ranks that have answered; rank 0 is the first of them."""
    findings = [check(ranks, job) for check in CHECKS]
    lines = tuple((found.about, printable(found.text)) for found in findings if found.text)
    return Diagnosis(lines, tuple(printable(one) for found in findings for one in found.advice))


# -- launch --------------------------------------------------------------------------------------------------------


def _mpi(ranks: Sequence[Facts], job: Job) -> Finding:
    versions = Counter(f.version for f in ranks)
    others = [f for f in ranks if f.version != ranks[0].version]
    advice = [job.trouble] if job.trouble else []
    if len(versions) > 1:
        advice.append(
            f"{_who(others, ranks)} {_has(others)} a different dwork ({others[0].version}) from rank 0 "
            f"({ranks[0].version}): install the same version everywhere"
        )
    if not job.ranks:
        mpirun = f"mpirun is {job.mpirun}" if job.mpirun else "there is no mpirun on PATH"
        return Finding("MPI", f"{'not initialized' if job.trouble else 'not used here'}; {mpirun}", tuple(advice))
    by = job.launcher or "something unknown"
    return Finding("MPI", f"{job.library}, started by {by}; compatible", tuple(advice))


def _ranks(ranks: Sequence[Facts], job: Job) -> Finding:
    if not job.ranks:
        return Finding("ranks", "")
    hosts = Counter(f.host for f in ranks)
    least, most = min(hosts.values()), max(hosts.values())
    each = f"{least}" if least == most else f"{least} to {most}"
    text = f"{counted(job.ranks, 'rank')} on {counted(len(hosts), 'host')}"
    text += f", {each} on each" if len(hosts) > 1 else ""
    advice = []
    if job.silent:
        advice.append(
            f"{_names([f'rank {rank}' for rank in job.silent], 'ranks')} did not answer: "
            "run this again without the hosts of ranks that stay silent"
        )
    # One more rank than cores is fine: the hub's rank only waits.
    crowded = [f for f in _first_of_hosts(ranks) if hosts[f.host] > f.cpus + 1]
    if crowded:
        n = sum(f.cpus for f in _first_of_hosts(ranks)) + 1
        advice.append(
            f"{_hosts(crowded)} {_has(crowded)} more ranks than cores ({hosts[crowded[0].host]} on {crowded[0].cpus}): "
            f"start {n} ranks, or one per host with --slots auto"
        )
    return Finding("ranks", text, tuple(advice))


# -- resources -----------------------------------------------------------------------------------------------------


def _cores(ranks: Sequence[Facts], job: Job) -> Finding:
    text = _grouped(ranks, lambda f: f"{f.cores}", _EACH)
    if len(ranks) > 1:
        theirs: Counter[str] = Counter()
        for f in ranks:
            theirs[f.host] += f.cores
        text += f", {(theirs & Counter({f.host: f.cpus for f in ranks})).total():,} in all"
    bound = [f for f in ranks if len(f.bound) < len(f.allowed)]
    if bound:
        text += f"; {_who(bound, ranks)} {_is(bound)} bound to fewer ({len(bound[0].bound)}), but the tasks are not"
    return Finding("cores", text, _binding(ranks, job))


def _binding(ranks: Sequence[Facts], job: Job) -> tuple[str, ...]:
    """Return advice on the first harm that binding does to tasks: shared cores, or too few cores."""
    if not job.launcher:  # users who bind the process themselves know why
        return ()
    users = Counter((f.host, cpu) for f in ranks for cpu in f.allowed)
    same = [f for f in ranks if f.neighbours <= f.cpus and any(users[f.host, cpu] > 1 for cpu in f.allowed)]
    if same:
        return (
            f"{_who(same, ranks)} share cores with other ranks of their host, which has enough for all: "
            f"start them with `{job.unbound}`",
        )
    used = {f.host: set[int]() for f in ranks}
    for f in ranks:
        used[f.host].update(f.allowed)
    idle = [f for f in _first_of_hosts(ranks) if 2 * len(used[f.host]) < f.cpus]
    if idle:
        one = idle[0]
        better = f"srun --cpus-per-task={one.cpus // one.neighbours}" if job.launcher == "srun" else job.unbound
        return (
            f"on {_hosts(idle)} only {len(used[one.host])} of {one.cpus} cores are used: "
            f"start the ranks with `{better}`",
        )
    return ()


def _memory(ranks: Sequence[Facts], job: Job) -> Finding:
    text = _grouped(ranks, lambda f: size(f.memory) if f.memory else "unknown", _EACH)
    limited = [f for f in ranks if 0 <= f.address_space[0] < f.memory]
    if not limited:
        return Finding("memory", text)
    soft, hard = limited[0].address_space
    do = "put `ulimit -v unlimited` into the job script, before the ranks start"
    if hard >= 0:
        do = "request that much memory for each process from the batch system, or ask your site to raise the limit"
    return Finding(
        "memory",
        text,
        (
            f"{_who(limited, ranks)} {_is(limited)} limited to {size(soft)} for each process (`ulimit -v`), less than "
            f"the {size(limited[0].memory)} for tasks: {do}",
        ),
    )


def _gpus(ranks: Sequence[Facts], job: Job) -> Finding:
    if not any(f.gpus or f.devices for f in ranks):
        return Finding("GPUs", "none")
    return Finding("GPUs", _grouped(ranks, _gpus_of, _EACH))


def _gpus_of(f: Facts) -> str:
    if not f.gpus:
        return f"none of the {f.devices} on the node" if f.devices else "none"
    how = "number" if all(one[0].isdecimal() for one in f.gpus) else "name"
    return f"{len(f.gpus)} by {how} ({f.variable})"


def _limits(ranks: Sequence[Facts], job: Job) -> Finding:
    first = _first_of_hosts(ranks)
    text = _grouped(
        first,
        lambda f: (
            f"{_limit(f.files[0])} open files, {_limit(f.processes[0])} processes, "
            f"{size(f.shm) if f.shm else 'nothing'} in /dev/shm"
        ),
    )
    advice = _too_few(ranks, "ulimit -n", "open files", lambda f: f.files, lambda f: files_needed(f, job.ranks))
    advice += _too_few(ranks, "ulimit -u", "processes", lambda f: f.processes, processes_needed)
    small = [f for f in first if f.neighbours * SHM_OF_RANK > f.shm > 0 and job.library.startswith("MPICH")]
    if small:
        one = small[0]
        advice += (
            f"/dev/shm of {_hosts(small)} ({size(one.shm)}) is too small for {one.neighbours} ranks of MPICH: "
            f"start {max(1, one.shm // SHM_OF_RANK)} there, with --slots, or use a container with --shm-size=1g",
        )
    return Finding("limits", text, advice)


def files_needed(f: Facts, ranks: int) -> int:
    """Return how many open files a rank needs.

    MPI uses one per rank of the node, a worker two or three per task, and the hub up to one per rank.
    """
    return 64 + f.neighbours + 3 * f.cores + (0 if f.rank else ranks)


def processes_needed(f: Facts) -> int:
    """Return how many processes a rank needs.

    All ranks of the node count together, and so do threads; a task is a shell and a few programs.
    """
    return 64 + f.neighbours * (8 + 4 * f.cores)


def _too_few(
    ranks: Sequence[Facts],
    command: str,
    what: str,
    of: Callable[[Facts], tuple[int, int]],
    need: Callable[[Facts], int],
) -> tuple[str, ...]:
    few = [f for f in ranks if 0 <= of(f)[0] < need(f)]
    if not few:
        return ()
    one = max(few, key=need)
    wanted, (soft, hard) = need(one), of(one)
    do = f"put `{command} {1 << (wanted - 1).bit_length()}` into the job script, before the ranks start"
    if 0 <= hard < wanted:
        do = f"ask your site to raise the hard limit of {hard:,}, or start fewer ranks per host"
    return (
        f"{_who(few, ranks)} {_is(few)} limited to {soft:,} {what} but "
        f"{'needs' if len(few) == 1 else 'need'} {wanted:,}: {do}",
    )


# -- place and time ------------------------------------------------------------------------------------------------


def _time(ranks: Sequence[Facts], job: Job) -> Finding:
    if job.left == math.inf:
        where = f"job {job.number}, whose end is not known" if job.number else "no batch job"
        return Finding("time", f"{where}; --walltime sets an end")
    text = f"job {job.number} ends in {duration(max(0.0, job.left))}"
    if job.left < 2 * DRAIN:
        return Finding("time", text, (f"{text}, and no task is started in its last minute: request more time",))
    return Finding("time", text)


def _directory(ranks: Sequence[Facts], job: Job) -> Finding:
    first, record = ranks[0], job.record
    kind = first.mount.kind or "an unknown file system"
    text = f"{first.directory} on {kind}"
    advice = []
    if record.trouble:
        advice.append(
            f"{first.directory} cannot hold a record ({record.trouble}): use -f FILE, or start in another directory"
        )
    else:
        text += f", {size(record.free)} free, " + (
            "supports file locks" if record.locks else "no file locks: a lock file guards the record"
        )
        if record.free < ROOM:
            advice.append(
                f"{first.directory} has only {size(record.free)} free: start in another directory, or use -f and --logs"
            )
    if first.mount.is_in_memory and job.number:
        advice.append(
            f"{first.directory} is in the memory of {first.host} and lost after the job: start in another directory"
        )
    if job.unpublished:
        advice.append(f"dquery and workers cannot find a run: {job.unpublished}")
    if job.apart:
        advice.append(
            f"{_names(job.apart, 'hosts')} cannot see the {first.directory} of {first.host}: "
            "start in a directory that all hosts share, such as your home or scratch directory"
        )
    return Finding("directory", text, tuple(advice))


def _clocks(ranks: Sequence[Facts], job: Job) -> Finding:
    if not job.skew:
        return Finding("clocks", "")
    worst = max(abs(skew) for skew in job.skew.values())
    text = f"{counted(len(job.skew), 'host')} within {_short(worst)} of {ranks[0].host}'s"
    off = {host: skew for host, skew in job.skew.items() if abs(skew) > SKEW}
    if not off:
        return Finding("clocks", text)
    host = max(off, key=lambda name: abs(off[name]))
    way = "ahead of" if off[host] > 0 else "behind"
    wrong = f"the clock of {_names(list(off), 'hosts')} is wrong, {_short(abs(off[host]))} {way} {ranks[0].host}'s"
    return Finding(
        "clocks", text, (f"{wrong}: ask your site to start chronyd there; until then, times in the record are off",)
    )


def _death(ranks: Sequence[Facts], job: Job) -> Finding:
    if job.ranks < 2:
        return Finding("dead rank", "")
    if job.dies is None:
        return Finding("dead rank", "it is not known here whether it ends the others; if so, run again to continue")
    if not job.dies:
        # Hydra's proxy ends all ranks of its node, whatever its options.
        alone = job.launcher != "MPICH's mpirun" or all(f.neighbours == 1 for f in ranks)
        return Finding("dead rank", "the others continue" if alone else "the others continue, except those on its host")
    return Finding(
        "dead rank", f"ends all the others, unless you start with {job.survives_with}; run again to continue"
    )


CHECKS: Final = (_mpi, _ranks, _cores, _memory, _gpus, _limits, _time, _directory, _clocks, _death)


# -- wording -------------------------------------------------------------------------------------------------------


def _grouped(ranks: Sequence[Facts], of: Callable[[Facts], str], each: str = "") -> str:
    """Return what all ranks have, or what most have and which have something else. each: added if there are several."""
    kinds: dict[str, list[Facts]] = {}
    for f in ranks:
        kinds.setdefault(of(f), []).append(f)
    most, *others = sorted(kinds, key=lambda text: -len(kinds[text]))
    text = most + (each if len(ranks) > 1 else "")
    if not others:
        return text
    exceptions = [f"{other} for {_who(kinds[other], ranks)}" for other in others[:2]]
    rest = sum(len(kinds[other]) for other in others[2:])
    return f"{text}, but " + " and ".join(
        [*exceptions, *([f"other values for {counted(rest, 'other')}"] if rest else [])]
    )


def _who(some: Sequence[Facts], ranks: Sequence[Facts]) -> str:
    """Name ranks, as in `all 1,000 ranks`, `rank 7 on node03`, `12 ranks (node03, node04)`."""
    if len(ranks) == 1:
        return "this process"
    if len(some) == len(ranks):
        return f"all {counted(len(some), 'rank')}"
    if len(some) == 1:
        return f"rank {some[0].rank} on {some[0].host}"
    return f"{counted(len(some), 'rank')} ({_hosts(some)})"


def _hosts(some: Iterable[Facts]) -> str:
    return _names(_hostnames(some), "hosts")


def _hostnames(some: Iterable[Facts]) -> list[str]:
    return list(dict.fromkeys(f.host for f in some))


def _names(names: Sequence[str], what: str) -> str:
    if len(names) <= 3:
        return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + names[-1]
    return f"{names[0]}, {names[1]} and {len(names) - 2:,} other {what}"


def _first_of_hosts(ranks: Sequence[Facts]) -> list[Facts]:
    return list({f.host: f for f in reversed(ranks)}.values())[::-1]


def _has(some: Sequence[Facts]) -> str:
    return "has" if len(some) == 1 else "have"


def _is(some: Sequence[Facts]) -> str:
    return "is" if len(some) == 1 else "are"


def _limit(n: int) -> str:
    return "unlimited" if n < 0 else f"{n:,}"


def _short(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else duration(seconds)
