"""Signs that a file read as plain commands is a task file of another system."""

from __future__ import annotations

import re
from typing import Final

from dwork.core.text import shown
from dwork.taskfile.draft import Draft
from dwork.taskfile.foreign.pylauncher import CORES

_BEGINNINGS: Final = {"#DISBATCH ": "disbatch", "[#": "greasy", "[@": "greasy"}
_TABLES: Final = frozenset({"[[task]]", "[array]", "[[array]]"})
#: The first characters of all of these.
FIRST: Final = "#[0123456789"
_VARIABLE: Final = re.compile(
    r"\$\{?(?:(?P<disbatch>DISBATCH_(?:TASKID|STREAM_INDEX|REPEAT_INDEX|NAMETASKS|JOBID))"
    r"|(?P<launcher>LAUNCHER_(?:JID|NJOBS|TSK_ID)))"
)


def refuse(line: str) -> None:
    """Raise ValueError when a line makes no sense in a shell, but does in a file of another system."""
    form = next((form for begin, form in _BEGINNINGS.items() if line.startswith(begin)), None)
    if form is None and line in _TABLES:
        form = "hyperqueue"
    elif form is None and CORES.match(line):
        form = "pylauncher"
    if form is not None:
        raise ValueError(f'"{shown(line)}" is not a shell command; if this is a {form} file, use --format {form}')


def remark_variables(draft: Draft, text: str) -> None:
    """Remark on variables that only another system sets."""
    if "DISBATCH_" not in text and "LAUNCHER_" not in text:
        return
    match = _VARIABLE.search(text)
    if match:
        form = match.lastgroup
        draft.remark(
            text.count("\n", 0, match.start()) + 1,
            f"{match[form or 0]} is not set in the lines format; if this is a {form} file, use --format {form}",
        )
