"""Signs that a file read as plain commands is something else: a task file of another system, a job script, data."""

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

_JOB_SCRIPT: Final = re.compile(r"#(?:SBATCH|PBS|BSUB|COBALT|PJM|OAR|FLUX:|flux:|\$)[ \t]+-[-\w]")
#: What the first line that is no comment would never be in a shell, and does begin with in another kind of file.
_KINDS: Final = (
    (re.compile(r'\{\s*"(?:command|name|after)"\s*:.*\}[ \t]*(?:\n|\Z)'), "jsonl"),
    (re.compile(r'\{\s*"[^"\n]*"\s*:|\[\[?(?:\s*\n\s*)?["{]'), "JSON"),
    (re.compile(r"---[ \t]*(?:\n|\Z)|(?:- )?[A-Za-z_][\w-]*:(?:[ \t\n]|\Z)"), "YAML"),
    (re.compile(r"rule [A-Za-z_]\w*:[ \t]*(?:\n|\Z)"), "a Snakemake workflow"),
    (
        re.compile(
            r"from [\w.]+ import |import \w+(?:\.\w+)* as \w|import (?:argparse|glob|json|math|os|re|sys)\b(?!\.)"
        ),
        "Python",
    ),
    (re.compile(r"<(?:\?xml|!DOCTYPE|html|adag)\b", re.IGNORECASE), "XML or HTML"),
    (re.compile(r"(?:TASK|EDGE)[ \t]+\S+[ \t]+\S"), "dag"),
)
_FIRST_LINE: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*")
_C_SOURCE: Final = re.compile(r"#(?:include[ \t]*[<\"]|define[ \t]+\w|pragma[ \t]+\w)")


def refuse_kind(draft: Draft, text: str) -> None:
    """Raise TaskFileError when the first command of a file shows that the file is of another kind."""
    found = _FIRST_LINE.match(text)
    at = 0 if found is None else found.end()
    for pattern, kind in _KINDS:
        if pattern.match(text, at):
            mend = f"use --format {kind}" if kind in ("jsonl", "dag") else "give a file with one command per line"
            line = text.count("\n", 0, at) + 1
            raise draft.problem(line, f"this looks like {kind}, not like a command; {mend}")


def refuse(line: str) -> None:
    """Raise ValueError when a line makes no sense in a shell, but does in a file of another system."""
    if _JOB_SCRIPT.match(line):
        raise ValueError(
            f'"{shown(line, 40)}" is for a batch system, and this is a task file; put the commands into another file, '
            "and start dwork-pool in the job script"
        )
    if _C_SOURCE.match(line):
        raise ValueError(f'"{shown(line, 40)}" looks like C, not like a command; give a file with one command per line')
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
