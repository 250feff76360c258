"""What users of other programs may mean by an option or a command that dwork does not have."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final

_SLOTS: Final = "--slots N sets how many tasks run at a time"
#: Options of GNU parallel, xargs, make and others, with dwork's option (empty: none is needed) and advice.
_OPTIONS: Final = {
    **dict.fromkeys(("-j", "--jobs", "-P", "--max-procs", "-n", "--ntasks", "--workers"), ("--slots", _SLOTS)),
    **dict.fromkeys(
        ("--resume", "--resume-failed", "--restart", "--continue"),
        ("", "it is the default: the same command, run again, continues"),
    ),
    **dict.fromkeys(("-a", "--arg-file"), ("", "give the task file without an option")),
    **dict.fromkeys(("--bar", "--eta"), ("--progress", "--progress bar shows how far the run is")),
}
#: Commands of batch systems and of other programs, with dquery's.
_COMMANDS: Final = {
    "add": "create", "submit": "create", "kill": "cancel", "rm": "cancel", "delete": "cancel", "stop": "drain",
    "pause": "hold", "suspend": "hold", "resume": "release", "rerun": "retry", "resubmit": "retry", "tasks": "list",
    "jobs": "list", "queue": "list", "logs": "log", "output": "log", "info": "show", "top": "watch", "ps": "status",
    "run": "pool", "start": "pool",
}  # fmt: skip


def option(name: str, known: Collection[str]) -> str:
    """Return advice for an option that a program lacks, or an empty text. known: the options that it has."""
    instead, advice = _OPTIONS.get(name, ("", ""))
    return advice if not instead or instead in known else ""


def command(word: str, known: Collection[str]) -> str:
    """Return the command that is probably meant by a word that is none, or an empty text. known: all commands."""
    if _COMMANDS.get(word) in known:
        return _COMMANDS[word]
    return next(iter(get_close_matches(word, sorted(known), n=1)), "")
