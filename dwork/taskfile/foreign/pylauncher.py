"""Files of command lines of pylauncher: one bash command per line, each after a number of cores or none of them.

Rules, as in pylauncher. Blank lines and comments are not tasks. `5,command` asks for five cores, as with
`ClassicLauncher(cores="file")`. PYL_ID and PYLTID anywhere in a command are the number of the task, from 0.

Unlike there, a file in which only some lines begin with a number of cores is an error.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dwork.core.shell import BASH
from dwork.core.task import Options
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.options import checked, whole
from dwork.taskfile.text import SHORT, fit_command

#: Signs of such a file.
CORES: Final = re.compile(r"([0-9]{1,18})[ \t]*,", re.ASCII)
_NUMBER: Final = re.compile(r"PYL_ID|PYLTID")
_FORM: Final = "write CORES,command on each line, or on none"


def refuse_signs(command: str) -> None:
    """Raise ValueError when a command of another format is one of pylauncher."""
    if found := CORES.match(command) or _NUMBER.search(command):
        raise ValueError(f'"{found[0]}" has no meaning here; if this is a pylauncher file, use --format pylauncher')


def read(draft: Draft, text: str, pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    values: dict[str, Any] = {}
    first: tuple[int, bool] | None = None  # the line of the first command, and whether it has a number of cores
    for number, line in enumerate(text.split("\n"), 1):
        command = line.strip()
        if not command:
            continue
        try:
            if command[0] == "#":
                ask(values, command)
                continue
            found = CORES.match(command)
            first = first or (number, found is not None)
            if first[1] != (found is not None):
                other, first = first[0], (number, found is not None)  # those below are compared with this one
                some = "has a number of cores" if found else "has no number of cores"
                raise ValueError(f"this line {some}, unlike line {other}; {_FORM}")
            cores = {"cores": checked("cores", whole, "cores", int(found[1]))} if found else {}
            options = Options(**{**values, **cores})
            command = _command(command[found.end() :].lstrip() if found else command, len(draft.tasks))
            draft.add(number, None, (BASH, "-c", command), (), pool.setdefault(options, options), command)
        except ValueError as error:
            draft.lose(number, error, line)


def _command(command: str, index: int) -> str:
    refuse_options(command)
    if "PYL_MPIEXEC" in command:
        raise ValueError("PYL_MPIEXEC is not filled in; write the launcher, such as mpirun -n 4")
    if command in ("barrier", "__barrier__"):
        raise ValueError(f'"{command}" is not supported; use the lines format, with #DWORK barrier')
    if not command:
        raise ValueError("the command is missing; write CORES,command")
    command = _NUMBER.sub(str(index), command)
    if len(command) > SHORT:
        fit_command(command)
    return command
