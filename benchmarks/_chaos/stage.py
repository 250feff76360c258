"""Where a round happens: a directory, an environment by which its processes are known, and their roles."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import threading
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from _common import environment

from _chaos.traces import Trace
from tests import leftovers

_MARK: Final = "CHAOS_MARK"
_RANK: Final = re.compile(r"(?:PMI_RANK|OMPI_COMM_WORLD_RANK)=(\d+)")
_KEPT: Final = 20_000
#: Files that MPI libraries leave in the temporary directory when their processes are killed.
_OF_MPI: Final = ("prte.", "pmix", "ompi.", "openmpi", "hwloc", "mpich", "ucx")


@dataclass(frozen=True, slots=True)
class Actor:
    """A process of a round. role: hub, rank, kworker, task, or another. location: the name that the hub knows it by.

    parent: the pid of the process that has started it.
    """

    pid: int
    role: str
    location: str = ""
    parent: int = 0


class Started:
    """A program whose output is read by threads, until `blocked` is set: then nobody reads it."""

    def __init__(self, words: list[str], directory: Path, variables: dict[str, str]) -> None:
        self.words = words
        self.process = subprocess.Popen(
            words, cwd=directory, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._may_read = threading.Event()
        self._may_read.set()
        self._out, self._err = bytearray(), bytearray()
        self._threads = [
            threading.Thread(target=self._read, args=(self.process.stdout, self._out), daemon=True),
            threading.Thread(target=self._read, args=(self.process.stderr, self._err), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def block(self) -> None:
        self._may_read.clear()

    def unblock(self) -> None:
        self._may_read.set()

    @property
    def code(self) -> int | None:
        """Return the exit code; None while it runs."""
        return self.process.poll()

    @property
    def err(self) -> str:
        """Return the end of what it has printed on stderr."""
        return bytes(self._err[-_KEPT:]).decode(errors="replace")

    @property
    def out(self) -> str:
        """Return what it has printed on stdout."""
        return self._out.decode(errors="replace")

    def finish(self) -> None:
        """Read the rest of the output of a program that has ended."""
        self.unblock()
        for thread in self._threads:
            thread.join(5)

    def _read(self, stream: IO[bytes] | None, kept: bytearray) -> None:
        assert stream is not None
        descriptor = stream.fileno()
        while self._may_read.wait() and (data := os.read(descriptor, 65536)):
            kept += data


class Stage:
    """The directory of a round and the processes in it. programs: where its python, mpirun and dwork-pool are."""

    def __init__(self, directory: Path, programs: Path, variables: dict[str, str]) -> None:
        self.directory = directory
        self.trace = Trace(directory / "trace")
        self.python = str(programs / "python")
        self._mark = uuid.uuid4().hex
        self._variables = {
            **{name: value for name, value in environment().items() if not name.startswith("DWORK_")},
            "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
            "DWORK_DIR": str(self._made("connections")),
            "TMPDIR": str(self._made("tmp")),
            "OMPI_MCA_btl": "^ofi",
            "OMPI_MCA_mtl": "^ofi",
            "PMIX_MCA_gds": "hash",
            _MARK: self._mark,
            **variables,
        }
        self.started: list[Started] = []
        self._shared: set[Path] = set()

    def _made(self, name: str) -> Path:
        path = self.directory / name
        path.mkdir(0o700)
        return path

    def start(self, *words: object) -> Started:
        started = Started([str(word) for word in words], self.directory, self._variables)
        self.started.append(started)
        return started

    def dwork(self, program: str, *words: object) -> list[object]:
        return [self.python, "-m", f"dwork.{program}", *words]

    # -- processes ---------------------------------------------------------------------------------------------

    def pids(self) -> list[int]:
        """Return all living processes of this round, wherever they are now."""
        return [pid for pid in leftovers.processes(**{_MARK: self._mark}) if not leftovers.is_gone(pid)]

    def cast(self) -> list[Actor]:
        """Return the processes with a role that something may happen to."""
        pids = self.pids()
        words = {pid: _words(pid) for pid in pids}
        found = []
        for pid in pids:
            self._note_shared_memory(pid)
            role = _role(words[pid])
            if role in ("pool", "dhub") and _role(words.get(_parent(pid), [])) == role:
                role = "helper"  # such as the process that writes the output
            if role == "pool":
                rank = _RANK.search(_environ(pid))
                role = "rank" if rank is not None and rank[1] != "0" else "hub"
                found.append(Actor(pid, role, f"{_host(pid)}:{rank[1]}" if rank is not None else ""))
            elif role:
                found.append(Actor(pid, "hub" if role == "dhub" else role, f"{_host(pid)}:{pid}", _parent(pid)))
        return found

    def close(self) -> None:
        self.trace.close()

    def kill_all(self) -> None:
        leftovers.end(**{_MARK: self._mark})
        for started in self.started:
            started.process.wait()
            started.finish()

    # -- what is left ------------------------------------------------------------------------------------------

    def _note_shared_memory(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text()
            self._shared |= {Path(path) for path in re.findall(r"/dev/shm/\S+", maps)}

    def forget_shared_memory(self) -> None:
        """Remove the segments that an MPI library leaves when its processes are killed."""
        for path in self._shared:
            path.unlink(missing_ok=True)
        self._shared = set()

    def left_files(self) -> list[str]:
        """Return the files that the programs should have removed: temporary ones, connection files, shared memory."""
        temporary = [path for path in (self.directory / "tmp").iterdir() if not path.name.startswith(_OF_MPI)]
        connections = list((self.directory / "connections").glob("*.json"))
        return [str(path) for path in (*temporary, *connections, *(path for path in self._shared if path.exists()))]

    def clean(self) -> None:
        """Remove what programs that were killed could not."""
        for path in (*(self.directory / "tmp").iterdir(), *(self.directory / "connections").iterdir()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        self.forget_shared_memory()


def describe(pids: Iterable[int]) -> str:
    return "; ".join(f"{pid} {' '.join(_words(pid))[:100]}" for pid in pids)


def _role(words: list[str]) -> str:
    """Return what a process is, by its command line; empty when nothing happens to it."""
    if len(words) > 1 and words[1].endswith("step.sh") and os.path.basename(words[0]) in ("sh", "dash"):
        return "task"
    if not words or not os.path.basename(words[0]).startswith("python"):
        return "launcher" if words and os.path.basename(words[0]) in ("mpirun", "prterun") else ""
    if "-I" in words[1:2]:
        return "helper"
    if words[1:3] == ["-m", "dwork.pool"] or (len(words) > 1 and words[1].endswith("/dwork-pool")):
        return "pool"
    if words[1:3] == ["-m", "dwork.dhub"]:
        return "dhub"
    return "kworker" if words[1:3] == ["-m", "dwork.kworker"] or "--until-eof" in words else ""


def _words(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return []


def _environ(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").replace("\0", "\n")
    return ""


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _host(pid: int) -> str:
    """Return the host name that a process sees: those of network namespaces have their own."""
    name = re.search(r"^CHAOS_HOST=(.+)$", _environ(pid), re.MULTILINE)
    return name[1] if name else socket.gethostname()
