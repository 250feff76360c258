"""Judges facts: lines that say what there is, however many ranks there are, and what should be changed.

Each check sees all facts and says one line, and advice: what is wrong, and what to type. Of what merely could be better
only the line tells. Nothing here looks at the world.
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
#: Seconds of the job that a pool ends before, by default.
DRAIN: Final = 60.0
#: What one rank of MPICH takes in /dev/shm, and the least that should be free for a record, in bytes.
SHM_OF_RANK: Final = 5_400_000
ROOM: Final = 100 * 2**20
_EACH: Final = " for the tasks of each rank"
#: The width of what a line is about.
_WIDTH: Final = 10


class Finding(NamedTuple):
    """What one check says: about what, in a line (none when it is empty), and what to change."""

    about: str
    text: str
    advice: tuple[str, ...] = ()


class Diagnosis(NamedTuple):
    """lines: about what, and what there is."""

    lines: tuple[tuple[str, str], ...]
    advice: tuple[str, ...]

    def text(self) -> list[str]:
        """As it is printed."""
        lines = [f"{about:{_WIDTH}} {what}" for about, what in self.lines]
        if not self.advice:
            return [*lines, "Nothing needs to be changed."]
        return [*lines, "What to change:", *(f"  {i}. {one}" for i, one in enumerate(self.advice, 1))]


def examine(ranks: Sequence[Facts], job: Job) -> Diagnosis:
    """Judge a job by the facts of the ranks that have answered; rank 0 is the first of them."""
    findings = [check(ranks, job) for check in CHECKS]
    lines = tuple((found.about, printable(found.text)) for found in findings if found.text)
    return Diagnosis(lines, tuple(printable(one) for found in findings for one in found.advice))


# -- what starts them ----------------------------------------------------------------------------------------------


def _mpi(ranks: Sequence[Facts], job: Job) -> Finding:
    versions = Counter(f.version for f in ranks)
    others = [f for f in ranks if f.version != ranks[0].version]
    advice = [job.trouble] if job.trouble else []
    if len(versions) > 1:
        advice.append(
            f"{_who(others, ranks)} {_has(others)} another dwork ({others[0].version}) than rank 0 "
            f"({ranks[0].version}): install the same one everywhere"
        )
    if not job.ranks:
        mpirun = f"mpirun is {job.mpirun}" if job.mpirun else "there is no mpirun on PATH"
        return Finding("MPI", f"{'not up' if job.trouble else 'not used here'}; {mpirun}", tuple(advice))
    by = job.launcher or "something unknown"
    return Finding("MPI", f"{job.library}, started by {by}; they fit", tuple(advice))


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
            "run this again, and leave out the hosts of those that stay silent"
        )
    # One more than cores is right: the hub's rank only waits.
    crowded = [f for f in _first_of_hosts(ranks) if hosts[f.host] > f.cpus + 1]
    if crowded:
        n = sum(f.cpus for f in _first_of_hosts(ranks)) + 1
        advice.append(
            f"{_hosts(crowded)} {_has(crowded)} more ranks than cores ({hosts[crowded[0].host]} on {crowded[0].cpus}): "
            f"start {n}, or one on each host with --slots auto"
        )
    return Finding("ranks", text, tuple(advice))


# -- what they have ------------------------------------------------------------------------------------------------


def _cores(ranks: Sequence[Facts], job: Job) -> Finding:
    text = _grouped(ranks, lambda f: f"{f.cores}", _EACH)
    if len(ranks) > 1:
        theirs: Counter[str] = Counter()
        for f in ranks:
            theirs[f.host] += f.cores
        text += f", {(theirs & Counter({f.host: f.cpus for f in ranks})).total():,} in all"
    bound = [f for f in ranks if len(f.bound) < len(f.allowed)]
    if bound:
        text += f"; {_who(bound, ranks)} {_is(bound)} bound to fewer ({len(bound[0].bound)}), but not the tasks"
    return Finding("cores", text, _binding(ranks, job))


def _binding(ranks: Sequence[Facts], job: Job) -> tuple[str, ...]:
    """The first trap that tasks have been caught in by what their ranks are bound to: the same cores, or too few."""
    if not job.launcher:  # who binds himself knows why
        return ()
    users = Counter((f.host, cpu) for f in ranks for cpu in f.allowed)
    same = [f for f in ranks if f.neighbours <= f.cpus and any(users[f.host, cpu] > 1 for cpu in f.allowed)]
    if same:
        return (
            f"{_who(same, ranks)} are bound to the same cores as others of their host, which has enough for all: "
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
    return Finding("memory", _grouped(ranks, lambda f: size(f.memory) if f.memory else "unknown", _EACH))


def _gpus(ranks: Sequence[Facts], job: Job) -> Finding:
    if not any(f.gpus or f.devices for f in ranks):
        return Finding("GPUs", "none")
    return Finding("GPUs", _grouped(ranks, _gpus_of, _EACH))


def _gpus_of(f: Facts) -> str:
    if not f.gpus:
        return f"none of the {f.devices} at the node" if f.devices else "none"
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
            f"start {max(1, one.shm // SHM_OF_RANK)} there, with --slots, or a container with --shm-size=1g",
        )
    return Finding("limits", text, advice)


def files_needed(f: Facts, ranks: int) -> int:
    """MPI has one for each neighbour, and a worker two or three for each task; the hub may have one for each rank."""
    return 64 + f.neighbours + 3 * f.cores + (0 if f.rank else ranks)


def processes_needed(f: Facts) -> int:
    """All ranks of the node count together, as threads do; a task is a shell and a few programs."""
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
    do = f"`{command} {1 << (wanted - 1).bit_length()}` in the job script, before the ranks start"
    if 0 <= hard < wanted:
        do = f"ask your site for more than {hard:,}, or start fewer ranks on each host"
    return (
        f"{_who(few, ranks)} may have {soft:,} {what}, and {'needs' if len(few) == 1 else 'need'} {wanted:,}: {do}",
    )


# -- where and how long --------------------------------------------------------------------------------------------


def _time(ranks: Sequence[Facts], job: Job) -> Finding:
    if job.left == math.inf:
        where = f"job {job.number}, of which no end is told" if job.number else "no batch job"
        return Finding("time", f"{where}; --walltime tells when to end")
    text = f"job {job.number} ends in {duration(max(0.0, job.left))}"
    if job.left < 2 * DRAIN:
        return Finding("time", text, (f"{text}, and nothing is started in its last minute: ask for more time",))
    return Finding("time", text)


def _directory(ranks: Sequence[Facts], job: Job) -> Finding:
    first, record = ranks[0], job.record
    kind = first.mount.kind or "an unknown file system"
    text = f"{first.directory} on {kind}"
    advice = []
    if record.trouble:
        advice.append(
            f"no record can be kept in {first.directory} ({record.trouble}): give -f FILE, or start elsewhere"
        )
    else:
        text += f", {size(record.free)} free, " + (
            "has locks" if record.locks else "has no locks: a lock file guards the record"
        )
        if record.free < ROOM:
            advice.append(
                f"{first.directory} has room for {size(record.free)} only: start elsewhere, or give -f and --logs"
            )
    if first.mount.is_in_memory and job.number:
        advice.append(f"{first.directory} is in the memory of {first.host}, gone after the job: start elsewhere")
    if job.apart:
        advice.append(
            f"{_names(job.apart, 'hosts')} {'does' if len(job.apart) == 1 else 'do'} not see the {first.directory} of "
            f"{first.host}: start in a directory that all hosts share, as your home or scratch"
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
    wrong = f"the clock of {_names(list(off), 'hosts')} is wrong, by {_short(abs(off[host]))} {way} {ranks[0].host}'s"
    return Finding(
        "clocks", text, (f"{wrong}: have your site start chronyd there; times in the record are off till then",)
    )


def _death(ranks: Sequence[Facts], job: Job) -> Finding:
    if job.ranks < 2:
        return Finding("dead rank", "")
    if job.dies is None:
        return Finding("dead rank", "whether it ends the others is not known here; if so, run the pool again to go on")
    if not job.dies:
        # Hydra's proxy ends all ranks of its node, whatever it was told.
        alone = job.launcher != "MPICH's mpirun" or all(f.neighbours == 1 for f in ranks)
        return Finding("dead rank", "the others go on" if alone else "the others go on, but not those of its host")
    return Finding(
        "dead rank", f"ends all the others, and you run the pool again to go on; not with {job.survives_with}"
    )


CHECKS: Final = (_mpi, _ranks, _cores, _memory, _gpus, _limits, _time, _directory, _clocks, _death)


# -- in few words --------------------------------------------------------------------------------------------------


def _grouped(ranks: Sequence[Facts], of: Callable[[Facts], str], each: str = "") -> str:
    """What all have; or what most have, and who has something else. each: what is said behind it of several."""
    kinds: dict[str, list[Facts]] = {}
    for f in ranks:
        kinds.setdefault(of(f), []).append(f)
    most, *others = sorted(kinds, key=lambda text: -len(kinds[text]))
    text = most + (each if len(ranks) > 1 else "")
    if not others:
        return text
    told = [f"{other} for {_who(kinds[other], ranks)}" for other in others[:2]]
    rest = sum(len(kinds[other]) for other in others[2:])
    return f"{text}, but " + " and ".join([*told, *([f"something else for {counted(rest, 'other')}"] if rest else [])])


def _who(some: Sequence[Facts], ranks: Sequence[Facts]) -> str:
    """`all 1,000 ranks`, `rank 7 on node03`, `12 ranks (node03, node04)`."""
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
