"""Job files of the TACC launcher: each line that is not empty is a job for bash.

Rules. Jobs are numbered from 1, as by the launcher: lines without any character are not counted; lines of only blanks
or a comment are, though they run nothing. Each job has its own shell, which gets the line unchanged, whereas the
launcher's `eval $CMD` first splits it at blanks and expands its globs. Each job runs once, and the last line needs no
line end.
"""

from __future__ import annotations

from typing import Any, Final

from dwork.core.shell import BASH
from dwork.core.task import Options
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.text import BLANKS, SHORT, fit_command, trimmed

_JOBS: Final = "LAUNCHER_NJOBS"
_PLACE: Final = "use DWORK_WORKER, the worker's name, and DWORK_SLOT, a number that no other task there has meanwhile"
_UNSET: Final = Unset(
    "LAUNCHER_",
    {
        "LAUNCHER_TSK_ID": _PLACE,
        "LAUNCHER_HOST_ID": _PLACE,
        "LAUNCHER_NPROCS": "the number of workers can change during a run; write a number",
    },
)


def read(source: str, text: str, _pool: Pool) -> Draft:
    """Return the tasks of a file. Raise TaskFileError, which names the line."""
    draft = Draft(source)
    lines = text.split("\n")
    jobs = (_JOBS, str(len(lines) - lines.count("")))
    job = 0
    values: dict[str, Any] = {}
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
            _UNSET.refuse(command)
        except ValueError as error:
            raise draft.problem(number, str(error)) from None
        # Only jobs that use the number of jobs get it: otherwise one more line would change all of them.
        env = (("LAUNCHER_JID", str(job)), jobs) if _JOBS in command else (("LAUNCHER_JID", str(job)),)
        draft.add(number, None, (BASH, "-c", command), (), Options(env=env, **values), command)
    return draft
