"""What a task of a HyperQueue job runs: its program, directory and streams, with `%{...}` filled in.

A stream that goes to a file, or comes from the job file, needs a shell around the program. As in HyperQueue, paths of
streams are relative to the directory where the pool was started, not to the task's, and missing directories are
created.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable
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
_UNSET: Final = Unset(
    "HQ_",
    {
        "HQ_INSTANCE_ID": "use DWORK_ATTEMPT, which starts at 1",
        "HQ_SUBMIT_DIR": "a task without cwd starts in that directory: use $PWD, or write the directory",
        "HQ_TASK_DIR": "create a directory in the command with mktemp -d",
        "HQ_ERROR_FILENAME": "write to stderr, which is stored",
        "HQ_CPUS": "a task is bound to its CPUs: nproc and taskset -cp $$ show them",
        "HQ_PIN": "the pool's --pin decides whether tasks are bound to CPUs; remove it",
        "HQ_RESOURCE_VALUES_": "use CUDA_VISIBLE_DEVICES or its equivalent, which lists the task's GPUs",
        "HQ_NUM_NODES": "a task runs on one node; remove it",
        "HQ_NODE_FILE": "a task runs on one node; remove it",
        "HQ_HOST_FILE": "a task runs on one node; remove it",
    },
)


@dataclass(frozen=True, slots=True)
class Program:
    """A program, its directory and its streams, as the file defines them for one task or for all of an array."""

    command: tuple[str, ...]
    cwd: str | None = None
    stdin: str = ""
    stdout: str | None = None
    stderr: str | None = None

    def of(self, id: int) -> tuple[tuple[str, ...], str | None]:
        """Return the command and the directory of the task with this id."""
        values = {"JOB_ID": JOB_ID, "TASK_ID": str(id), "SUBMIT_DIR": "."}
        cwd = None if self.cwd is None else checked("cwd", _filled, self.cwd, values)
        if not self.stdin and self.stdout is None and self.stderr is None:
            return self.command, cwd
        values["CWD"] = cwd or "."
        steps = []
        for key, stream, path in (("stdout", 1, self.stdout), ("stderr", 2, self.stderr)):
            if path is not None:
                steps += _to_file(stream, checked(key, _filled, path, values))
        if cwd is not None:
            steps.append(f"cd -- {shlex.quote(as_path(cwd))}")
        begin = f"printf %s {shlex.quote(self.stdin)} | exec" if self.stdin else "exec"
        script = " && ".join([*steps, f'{begin} "$@"'])
        fit_command(script)
        return (SHELL, "-c", script, SHELL, *self.command), None


def program(found: dict[str, Any], remark: Callable[[str], None]) -> Program:
    """Return the program of a task of the file. Raise ValueError for a key that is wrong or not supported."""
    if "command" not in found:
        raise ValueError('the command is missing; write command = ["program", "argument"]')
    command = checked("command", _command, found["command"])
    stdin = checked("stdin", string, found.get("stdin", ""))
    for text in (*command, stdin):
        _UNSET.refuse(text)
    return Program(
        command,
        checked("cwd", _directory, found["cwd"]) if "cwd" in found else None,
        stdin,
        *(checked(key, _stream, found[key], remark) if key in found else None for key in ("stdout", "stderr")),
    )


def _command(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('must be a list of strings; write ["program", "argument"]')
    return arguments(value)


def _directory(value: object) -> str:
    return directory(string(value))


def _stream(value: object, remark: Callable[[str], None]) -> str:
    """Return the path of a stream."""
    if isinstance(value, dict):
        for key in value:
            if key not in ("path", "on_close"):
                raise unknown_key(key, ("path", "on_close"))
        if value.get("on_close", "none") not in ("none", "rm-if-finished"):
            raise ValueError('on_close: unknown value; write "none" or "rm-if-finished"')
        if value.get("on_close") == "rm-if-finished":
            remark("on_close is ignored: the file is kept; remove it in the command")
        value = value.get("path")
    text = string(value)
    if not text:
        raise ValueError('must not be empty; write a file, or "none"')
    return _NOTHING if text == "none" else text


def _to_file(stream: int, path: str) -> list[str]:
    """Return the shell commands that redirect a stream to a file."""
    above = posixpath.dirname(path)
    make = [f"mkdir -p -- {shlex.quote(above)}"] if above and path != _NOTHING else []
    return [*make, f"exec {stream}>{shlex.quote(path)}"]


def _filled(text: str, values: dict[str, str]) -> str:
    """Return the text with its placeholders filled in."""
    if "%{" not in text:
        return text

    def value_of(match: re.Match[str]) -> str:
        name = match[1]
        if name in ("INSTANCE_ID", "SERVER_UID"):
            raise ValueError(f"%{{{name}}} is not known in advance; remove it")
        if name not in values:
            raise ValueError(f'unknown placeholder "{shown(match[0])}"; use one of %{{{"}, %{".join(values)}}}')
        if match.start() and name in ("SUBMIT_DIR", "CWD"):
            raise ValueError(f"%{{{name}}} is a directory; put it first")
        return values[name]

    return _PLACEHOLDER.sub(value_of, text)
