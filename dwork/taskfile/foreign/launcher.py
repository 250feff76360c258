"""Job files of the TACC launcher: each line that is not empty is a job for bash.

Rules. Jobs are numbered as the launcher does it, from 1, and only lines without any character are not counted; those
of nothing but blanks or a comment are, though they run nothing. Each job has a shell of its own, and its line is what
the shell gets, where the launcher's `eval $CMD` splits it at blanks and expands its globs once before. Each runs once,
and the last is no less a job without a line end.
"""

from __future__ import annotations

from typing import Any, Final

from dwork.core.argv import BASH
from dwork.core.task import Options
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.text import BLANKS, SHORT, fit_command, trimmed

_JOBS: Final = "LAUNCHER_NJOBS"
_PLACE: Final = "the worker is not known in advance; use DWORK_WORKER, the worker's name"
_UNSET: Final = Unset(
    "LAUNCHER_",
    {
        "LAUNCHER_TSK_ID": _PLACE,
        "LAUNCHER_HOST_ID": _PLACE,
        "LAUNCHER_NPROCS": "the number of workers can change during a run; write a number",
    },
)


def read(source: str, text: str, _pool: Pool) -> Draft:
    """Return the tasks of a file; a TaskFileError names the line."""
    draft = Draft(source)
    lines = text.split("\n")
    jobs = (_JOBS, str(len(lines) - lines.count("")))
    job = 0
    asked: dict[str, Any] = {}
    for number, line in enumerate(lines, 1):
        job += line != ""
        command = line.strip(BLANKS)
        if not command:
            continue
        try:
            if command[0] == "#":
                ask(asked, command)
                continue
            refuse_options(command)
            if command[-1] == "\\":
                command = trimmed(line)
            if len(command) > SHORT:
                fit_command(command)
            _UNSET.refuse(command)
        except ValueError as error:
            raise draft.problem(number, str(error)) from None
        # How many jobs there are is told only to whom it matters: else one more line would change all of them.
        env = (("LAUNCHER_JID", str(job)), jobs) if _JOBS in command else (("LAUNCHER_JID", str(job)),)
        draft.add(number, None, (BASH, "-c", command), (), Options(env=env, **asked), command)
    return draft
