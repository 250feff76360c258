"""A stand-in for PBS: qsub, `qstat -f`, and what pbs_mom does with a job. It is not PBS.

It reads the #PBS lines of a script and refuses those that it does not know; it gives the job the variables and the
working directory that PBS gives, and no others; at the walltime it sends SIGTERM to the job's session, and SIGKILL
later; what the job prints arrives when it has ended. It starts each job at once, and all nodes are this machine. So it
shows that a script's lines, its use of variables and its way with signals are right, and nothing about scheduling.

    standin.py qsub [OPTION]... SCRIPT      options as in #PBS lines, before which they go
    standin.py qstat -f JOB

$PBS_STANDIN is the directory where it keeps its jobs; environment.json in it is what a login shell has there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

#: The options that it knows, and of `-l` the resources.
OPTIONS = {"-N", "-l", "-j", "-r", "-v", "-q"}
RESOURCES = {"select", "place", "walltime"}
#: Seconds between SIGTERM and SIGKILL.
KILL_DELAY = 10.0
PLACE = Path(os.environ.get("PBS_STANDIN", "."))


def main(program: str, *words: str) -> int:
    if program == "qsub":
        return qsub(list(words))
    if program == "qstat" and words[:1] == ("-f",):
        return qstat(words[1])
    if program == "mom":
        return mom(PLACE / words[0])
    return refuse(f"{program} {shlex.join(words)} is not known here")


def refuse(text: str) -> int:
    print(f"standin: {text}", file=sys.stderr)
    return 1


# -- submitting -------------------------------------------------------------------------------------------------------


def qsub(words: list[str]) -> int:
    *options, script = words
    text = Path(script).read_text()
    job: dict[str, Any] = {"N": Path(script).name, "l": {}, "v": "", "j": "n", "r": "y", "q": "workq"}
    for line in (*directives(text), options):  # the command line has the last word
        for option, value in zip(line[::2], line[1::2], strict=True):
            if option not in OPTIONS:
                return refuse(f"illegal option -- {option}")
            if option == "-l":
                name, _, amount = value.partition("=")
                if name not in RESOURCES:
                    return refuse(f"Unknown resource: Resource_List.{name}")
                job["l"][name] = amount
            else:
                job[option[1:]] = value
    number = len(list(PLACE.glob("*.standin"))) + 1
    place = PLACE / f"{number}.standin"
    job |= {"id": place.name, "number": number, "directory": os.getcwd()}
    job["variables"] = dict(entry.split("=", 1) for entry in filter(None, job["v"].split(",")))
    new = place.with_suffix(".new")
    new.mkdir()
    (new / "script").write_text(text)
    write(new, job)
    new.rename(place)
    subprocess.Popen(
        [sys.executable, __file__, "mom", place.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    print(place.name)
    return 0


def directives(text: str) -> Iterator[list[str]]:
    """The words of each #PBS line before the first command."""
    for line in text.splitlines():
        if line.startswith("#PBS "):
            yield shlex.split(line.removeprefix("#PBS "))  # no comments: PBS takes them for words, too
        elif line and not line.startswith("#"):
            return


def qstat(id: str) -> int:
    place = PLACE / id
    if not place.exists():
        return refuse(f"Unknown Job Id {id}")
    job = read(place)
    print(f"Job Id: {id}\n    Job_Name = {job['N']}\n    job_state = {'F' if 'status' in job else 'R'}")
    hours, seconds = divmod(walltime(job), 3600)
    print(f"    Resource_List.walltime = {hours:02}:{seconds // 60:02}:{seconds % 60:02}")
    if "started" in job:
        print(f"    stime = {time.ctime(job['started'])}")
    if "status" in job:
        print(f"    Exit_status = {job['status']}")
    return 0


# -- running ----------------------------------------------------------------------------------------------------------


def mom(place: Path) -> int:
    """Run a job to its end."""
    job = read(place)
    nodes, cpus, ranks = chunks(job["l"].get("select", "1"))
    (place / "nodes").write_text("localhost\n" * nodes * ranks)
    environment = {
        **json.loads((PLACE / "environment.json").read_text()),
        "PBS_JOBID": job["id"],
        "PBS_JOBNAME": job["N"],
        "PBS_ENVIRONMENT": "PBS_BATCH",
        "PBS_QUEUE": job["q"],
        "PBS_NODEFILE": str(place / "nodes"),
        "PBS_O_WORKDIR": job["directory"],
        "PBS_O_HOST": os.uname().nodename,
        "NCPUS": str(cpus),
        "OMP_NUM_THREADS": str(cpus),
        **job["variables"],
    }
    job["started"] = time.time()
    write(place, job)
    with (place / "output").open("wb") as output:
        process = subprocess.Popen(
            ["/bin/bash", place / "script"],
            env=environment,
            cwd=environment["HOME"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        job["session"] = process.pid
        write(place, job)
        status = wait(process, walltime(job))
    os.replace(place / "output", Path(job["directory"]) / f"{job['N']}.o{job['number']}")
    job["status"] = status if status >= 0 else 256 - status
    write(place, job)
    return 0


def wait(process: subprocess.Popen[bytes], limit: float) -> int:
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        end(process.pid, signal.SIGTERM)
    try:
        return process.wait(KILL_DELAY)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL
    finally:
        end(process.pid, signal.SIGKILL)
        process.wait()


def end(session: int, number: signal.Signals) -> None:
    """Send a signal to all processes of a session."""
    for entry in os.listdir("/proc"):
        if entry.isdecimal():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[3]) == session:
                    os.kill(int(entry), number)


# -- what a job says --------------------------------------------------------------------------------------------------


def walltime(job: dict[str, Any]) -> int:
    seconds = 0
    for part in job["l"].get("walltime", "1:00:00").split(":"):
        seconds = 60 * seconds + int(part)
    return seconds


def chunks(select: str) -> tuple[int, int, int]:
    """Nodes, and the CPUs and ranks of each, of `N:ncpus=N:mpiprocs=N`."""
    n, *rest = select.split(":")
    amounts = dict(entry.split("=") for entry in rest)
    return int(n), int(amounts.get("ncpus", 1)), int(amounts.get("mpiprocs", 1))


def read(place: Path) -> dict[str, Any]:
    return dict(json.loads((place / "job.json").read_text()))


def write(place: Path, job: dict[str, Any]) -> None:
    (place / "job.new").write_text(json.dumps(job))
    os.replace(place / "job.new", place / "job.json")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
