"""Reads the task files that a command line names."""

from __future__ import annotations

import gc
import os
import stat
import sys
from collections.abc import Callable, Collection, Sequence

from dwork import taskfile
from dwork.core.errors import TaskFileError
from dwork.core.messages import DEFAULT_EXECUTION, Execution
from dwork.core.shell import Shell
from dwork.core.task import Options, Task
from dwork.core.text import NO_TEXT, UserText, counted, from_system, shown, user_text
from dwork.host import shell as shells
from dwork.runner.environment import of_tasks
from dwork.taskfile import Problems, ShellChoice


def load(
    paths: Sequence[str],
    format: str | None,
    *,
    known: Collection[str] | None = (),
    tell: Callable[[str], None] = lambda text: None,
    shell: tuple[str, ...] = (),
    setup: str | None = None,
    execution: Execution = DEFAULT_EXECUTION,
    problems: Problems | None = None,
) -> list[Task]:
    """Return the tasks of all files as one graph, without those that the `.rescue` file of a dag lists as done.

    `-` is standard input. format: one of taskfile.FORMATS, or None to choose by each file's extension. known: as for
    taskfile.parse. tell(text) prints a notice for the user. shell: the words of the shell that runs all lines; setup: a
    file with commands that it runs before each. execution: how the tasks will be run. problems: where mistakes are
    reported; by default, TaskFileError is raised for the first. After any mistake, no tasks are returned.
    """
    reported = problems or Problems()
    sources = []
    rescues = []
    seen: dict[object, str] = {}
    for path in paths:
        try:
            _refuse_twice(path, seen)
            form = format or taskfile.format_of(path)
            sources.append(taskfile.Source(from_system(path), _read(path), form))
            if form == "dag" and os.path.exists(f"{path}.rescue"):
                rescues.append(taskfile.Rescue(f"{path}.rescue", _read(f"{path}.rescue")))
        except TaskFileError as error:
            reported.report(error)
            known = None  # any task may be in this file
    choice = ShellChoice(shell)
    if setup is not None:
        try:
            choice.add(from_system(setup), 1, taskfile.decoded(from_system(setup), _read(setup)))
        except TaskFileError as error:
            reported.report(error)
    where = _invocation()
    collects = gc.isenabled()
    gc.disable()  # it would scan a million tasks again and again, none of which is garbage
    try:
        tasks = taskfile.parse(
            sources,
            known=known,
            tell=tell,
            dialect=shells.dialect(),
            runs=shells.runs,
            unfit=_unfit(of_tasks(where.environ, execution).get("PATH")),
            shell=choice,
            invocation=where,
            problems=reported,
        )
    finally:
        if collects:
            gc.enable()
    if reported.count:
        return []
    for rescue in rescues:
        rescue.check(tasks, reported)
        tell(f"{shown(rescue.name)}: {counted(len(rescue.done), 'task')} already done")
    done = [name for rescue in rescues for name in rescue.done]
    return taskfile.without(tasks, done) if done else tasks


def _unfit(path: str | None) -> Callable[[Options], str]:
    """Return what finds out why a shell can run no line here. path: the PATH of tasks that do not set it."""
    found: dict[tuple[str, ...], str] = {}

    def unfit(options: Options) -> str:
        shell = options.shell
        if shell is None or not _is_here(shell, options):
            return ""
        if shell.words not in found:
            found[shell.words] = shells.unfit(shell, path)
        return found[shell.words]

    return unfit


def _is_here(shell: Shell, options: Options) -> bool:
    """Return whether the file of a shell can be known: its task may set another PATH, or start elsewhere."""
    name = shell.words[0]
    if "/" in name:
        return name[0] == "/" or options.cwd is None
    return all(variable != "PATH" for variable, _ in options.env)


def _invocation() -> taskfile.Invocation:
    """Return where this program was started."""
    try:
        directory = user_text(os.getcwdb())
    except OSError:  # it was removed
        directory = NO_TEXT
    environ: dict[str, UserText] = {user_text(name): user_text(value) for name, value in os.environb.items()}
    return taskfile.Invocation(directory, environ)


def _refuse_twice(path: str, seen: dict[object, str]) -> None:
    """Raise TaskFileError for a file that was given before: each of its tasks would run twice. seen: all so far."""
    key: object = path
    if path != "-":
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            return  # which is reported when it is read
        if not stat.S_ISREG(found.st_mode):
            return
        key = found.st_dev, found.st_ino
    if key in seen:
        also = "" if seen[key] == path else f", also as {shown(from_system(seen[key]))}"
        raise TaskFileError(f"{shown(from_system(path))}: is given twice{also}; give it once, or a copy of it")
    seen[key] = path


def _read(path: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise TaskFileError(f"{shown(path)}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise TaskFileError(f"{shown(path)}: not a valid file name") from None
