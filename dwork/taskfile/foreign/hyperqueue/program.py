"""What a task of a HyperQueue job runs: its program, directory and streams, with `%{...}` filled in.

A directory, a stream that goes to a file, or input from the job file needs a shell around the program. As in
HyperQueue, a directory is relative to the one where the pool was started, the files of streams are relative to the
task's directory, and missing directories are created.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Container
from dataclasses import dataclass
from typing import Any, Final

from dwork.core.argv import as_path
from dwork.core.shell import SHELL
from dwork.core.text import shown
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.options import checked, directory, unknown_key
from dwork.taskfile.text import fit_command
from dwork.taskfile.typed import arguments, string

#: The id of the job: a file is one job, the same in every run.
JOB_ID: Final = "1"

_PLACEHOLDER: Final = re.compile(r"%\{([^}]*)\}")
_NOTHING: Final = "/dev/null"
_REMOVED: Final = "rm-if-finished"
#: Words of a shell: its directory, the one before, and the number of runs of the task before this one.
_HERE: Final = '"$PWD"'
_BEFORE: Final = '"$OLDPWD"'
_INSTANCE: Final = '"$((DWORK_ATTEMPT - 1))"'
_UNSET: Final = Unset(
    "HQ_",
    {
        "HQ_INSTANCE_ID": "use DWORK_ATTEMPT, which starts at 1",
        "HQ_SUBMIT_DIR": "write the directory: the hub's workers may run in another one",
        "HQ_TASK_DIR": "create a directory in the command with mktemp -d",
        "HQ_ERROR_FILENAME": "write to stderr, which is stored",
        "HQ_CPUS": "a task is bound to its CPUs: nproc and taskset -cp $$ show them",
        "HQ_PIN": "the pool's --pin decides whether tasks are bound to CPUs; remove it",
        "HQ_RESOURCE_VALUES_": "use CUDA_VISIBLE_DEVICES or its equivalent, which lists the task's GPUs",
        "HQ_NUM_NODES": "a task runs on one node; remove it",
        "HQ_NODE_FILE": "a task runs on one node; remove it",
        "HQ_HOST_FILE": "a task runs on one node; remove it",
        "HQ_ACCESS_KEY": "there is no HyperQueue server to notify; write to stdout, which is stored",
    },
)


@dataclass(frozen=True, slots=True)
class _Stream:
    """The file of a stream; removed: whether it is removed when the task has succeeded."""

    path: str
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Program:
    """A program, its directory and its streams, as the file defines them for one task or for all of an array."""

    command: tuple[str, ...]
    cwd: str | None = None
    stdin: str = ""
    stdout: _Stream | None = None
    stderr: _Stream | None = None

    def of(self, id: int) -> tuple[str, ...]:
        """Return the command of the task with this id."""
        streams = [("stdout", 1, self.stdout), ("stderr", 2, self.stderr)]
        if self.cwd is None and not self.stdin and not any(stream for _, _, stream in streams):
            return self.command
        here = {"JOB_ID": JOB_ID, "TASK_ID": str(id), "INSTANCE_ID": _INSTANCE, "SUBMIT_DIR": _HERE}
        steps = []
        if self.cwd is None:
            there = {**here, "CWD": _HERE}
        else:
            there = {**here, "CWD": _HERE, "SUBMIT_DIR": _BEFORE}
            directory = checked("cwd", _word, self.cwd, here)
            steps += [f"mkdir -p {directory}", f"cd -P {directory}"]
        run, removed = 'exec "$@"', ""
        for key, number, stream in streams:
            if stream:
                steps += checked(key, _directory_above, stream.path, there)
                file = checked(key, _word, stream.path, there)
                run += f" {number}>{file}"
                removed += f" {file}" if stream.removed else ""
        if self.stdin:
            run = f"printf %s {shlex.quote(self.stdin)} | {run}"
        if removed:
            run = f"({run}) && rm -f{removed}"
        script = " && ".join([*steps, run])
        fit_command(script)
        return (SHELL, "-c", script, SHELL, *self.command)


def program(found: dict[str, Any], given: Container[str]) -> Program:
    """Return the program of a task of the file. Raise ValueError for a key that is wrong or not supported.

    given: the names of the variables that the task has.
    """
    if "command" not in found:
        raise ValueError('the command is missing; write command = ["program", "argument"]')
    command = checked("command", _command, found["command"])
    stdin = checked("stdin", string, found.get("stdin", ""))
    for text in (*command, stdin):
        _UNSET.refuse(text, given)
    return Program(
        command,
        checked("cwd", _directory, found["cwd"]) if "cwd" in found else None,
        stdin,
        *(checked(key, _stream, found[key]) if key in found else None for key in ("stdout", "stderr")),
    )


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('must be a list of strings; write ["program", "argument"]')
    return arguments(value)


def _directory(value: object) -> str:
    return directory(string(value))


def _stream(value: object) -> _Stream:
    """Return the file of a stream."""
    if value == "none":
        return _Stream(_NOTHING)
    on_close = "none"
    if isinstance(value, dict):
        for key in value:
            if key not in ("path", "on_close"):
                raise unknown_key(key, ("path", "on_close"))
        on_close = value.get("on_close", on_close)
        if on_close not in ("none", _REMOVED):
            raise ValueError(f'on_close: unknown value; write "none" or "{_REMOVED}"')
        value = value.get("path")
    path = string(value)
    if not path:
        raise ValueError('must not be empty; write a file, or "none"')
    return _Stream(path, on_close == _REMOVED and path != _NOTHING)


def _directory_above(path: str, values: dict[str, str]) -> list[str]:
    """Return the shell command that creates the directory of a file, if it may be missing."""
    above = path.rpartition("/")[0]
    return [f"mkdir -p {_word(above, values)}"] if above and path != _NOTHING else []


def _word(path: str, values: dict[str, str]) -> str:
    """Return a path as a word of a shell that begins with `/`, `./` or `../`. values: words, by name of placeholder."""
    parts = _PLACEHOLDER.split(path)
    is_path = parts[0] == "" and parts[1] in ("SUBMIT_DIR", "CWD")
    word = "" if is_path else shlex.quote(as_path(parts[0]))
    for name, literal in zip(parts[1::2], parts[2::2], strict=True):
        if name == "SERVER_UID":
            raise ValueError("%{SERVER_UID} is not supported: there is no HyperQueue server; remove it")
        if name not in values:
            raise ValueError(f'unknown placeholder "%{{{shown(name)}}}"; use one of %{{{"}, %{".join(values)}}}')
        word += values[name] + (shlex.quote(literal) if literal else "")
    return word
