"""Job files of the TACC launcher: each line that is not empty is a job for bash.

Rules. Jobs are numbered from 1, as by the launcher: lines without any character are not counted; lines of only blanks
or a comment are, though they run nothing. Each job has its own shell, which gets the line unchanged, whereas the
launcher's `eval $CMD` first splits it at blanks and expands its globs. Each job runs once, and the last line needs no
line end.

As by the launcher, jobs start in LAUNCHER_WORKDIR, or in the directory of the pool where that is not set. What the user
sets for the launcher (LAUNCHER_PPN and so on) reaches the jobs; a job that uses such a variable without a value is
refused. So is one that asks on which slot it runs.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dwork.core.shell import BASH
from dwork.core.task import Options
from dwork.core.text import shown
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.invocation import UNKNOWN, Invocation
from dwork.taskfile.foreign.pylauncher import refuse_signs
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.text import BLANKS, SHORT, fit_command, trimmed

Env = tuple[tuple[str, str], ...]

_DIRECTORY: Final = "LAUNCHER_WORKDIR"
_PLACE: Final = "use DWORK_SLOT, the number of the slot on its worker, and DWORK_WORKER, the worker's name"
_EXPORT: Final = "export it where the pool is started, or write the value"
_SERVER: Final = "it belongs to the launcher's own server; remove it"
_BOUND: Final = "tasks of a worker with several slots are bound to CPUs of their own; remove it"
#: Variables that users set for the launcher, or that it computes from their batch job.
_GIVEN: Final = (
    _DIRECTORY, "LAUNCHER_PPN", "LAUNCHER_NHOSTS", "LAUNCHER_NPROCS", "LAUNCHER_SCHED", "LAUNCHER_DIR",
    "LAUNCHER_HOSTFILE", "LAUNCHER_RMI_PPN", "LAUNCHER_RMI_NHOSTS", "LAUNCHER_RMI_HOSTFILE",
)  # fmt: skip
_UNSET: Final = Unset(
    "LAUNCHER_",
    {
        **dict.fromkeys(_GIVEN, _EXPORT),
        "LAUNCHER_TSK_ID": _PLACE,
        "LAUNCHER_HOST_ID": _PLACE,
        "LAUNCHER_DYN_COUNT": _SERVER,
        "LAUNCHER_DYN_COUNT_PORT": _SERVER,
        "LAUNCHER_HWLOC_CMD": _BOUND,
        "LAUNCHER_PUPT": _BOUND,
        "LAUNCHER_BIND_HT": _BOUND,
    },
)
#: Variables that only the jobs that use them get: otherwise one more line or host would change all jobs.
_ASKED: Final = re.compile(
    rf"(?<![A-Za-z0-9_])(?:LAUNCHER_NJOBS|LAUNCHER_JOB_FILE|CMD|{'|'.join(_GIVEN[1:])})(?!\w)", re.ASCII
)


def read(draft: Draft, text: str, _pool: Pool, invocation: Invocation = UNKNOWN) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    lines = text.split("\n")
    values, of_all = _directory(draft, invocation)
    variables = _Variables(draft.source, len(lines) - lines.count(""), invocation, of_all)
    job = 0
    for number, line in enumerate(lines, 1):
        job += line != ""
        command = line.strip(BLANKS)
        if not command:
            continue
        try:
            if command[0] == "#":
                ask(values, command)
                continue
            refuse_options(command)
            if command[-1] == "\\":
                command = trimmed(line)
            if len(command) > SHORT:
                fit_command(command)
            refuse_signs(command)
            env = variables.of(job, command)
            draft.add(number, None, (BASH, "-c", command), (), Options(env=env, **values), command)
        except ValueError as error:
            draft.lose(number, error, line)


def _directory(draft: Draft, invocation: Invocation) -> tuple[dict[str, Any], Env]:
    """Return the options and the variables of all jobs that name their directory."""
    here = invocation.directory
    name = next((name for name in (_DIRECTORY, "WORKDIR") if invocation.environ.get(name)), "")
    wanted = invocation.environ[name] if name else here
    if not here or wanted == here:
        return {}, ((_DIRECTORY, here),) if here else ()
    if not wanted.startswith("/"):
        draft.report(1, f'{name} is "{shown(wanted)}"; export an absolute path, or unset it')
    draft.remark(1, f"tasks start in {shown(wanted)}, since {name} is set")
    return {"cwd": wanted}, ((_DIRECTORY, wanted),)


class _Variables:
    """The variables of the jobs. of_all: those that each of them has."""

    def __init__(self, source: str, jobs: int, invocation: Invocation, of_all: Env) -> None:
        self._of_all = of_all
        self._asked: dict[str, str] = {"LAUNCHER_SCHED": "dynamic"}
        self._asked |= {name: value for name, value in invocation.environ.items() if name in _GIVEN}
        self._asked |= {"LAUNCHER_NJOBS": str(jobs), "LAUNCHER_JOB_FILE": source}
        self._given = {*self._asked, *dict(of_all)}

    def of(self, job: int, command: str) -> Env:
        """Return the variables of a job. Raise ValueError when it uses one that has no value."""
        _UNSET.refuse(command, self._given)
        env = (("LAUNCHER_JID", str(job)), *self._of_all)
        if "LAUNCHER_" not in command and "CMD" not in command:
            return env
        asked = {**self._asked, "CMD": command}
        return (*env, *((name, asked[name]) for name in dict.fromkeys(_ASKED.findall(command))))
