"""Files as users of other systems have them: each is the tasks, or the refusal, below it in data/FORMAT.txt.

A case is a title after `== `, the file, `--`, and what becomes of it: a line that begins with `! ` is the refusal, one
with `~ ` a remark, and any other a task: its name, `<-` and its predecessors, `::` and its command, and in braces the
options and variables that differ from the default.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from dwork.core.errors import TaskFileError
from dwork.core.task import PLAIN, Options, Task
from dwork.core.text import UserText, printable
from dwork.taskfile import Invocation, Source, parse

DATA = Path(__file__).parent / "data"
AT = Invocation(UserText("/start"), {"LAUNCHER_PPN": UserText("4")})
FIELDS = ("cores", "memory", "gpus", "timeout", "retries", "priority", "cwd", "min_time")


def cases(path: Path) -> Iterator[tuple[str, str, str]]:
    """The title of each case, its file, and what becomes of it."""
    _, *found = path.read_text().split("\n== ")
    assert len(found) >= 30
    for case in found:
        title, _, rest = case.partition("\n")
        text, _, expected = rest.partition("\n--\n")
        yield title, text, expected.rstrip("\n")


def expected_variables(form: str, task: Task) -> dict[str, str]:
    """The variables that follow from the format and the name of a task, in every case."""
    own = dict(task.options.env)
    if form == "dag":
        return {"PMC_TASK": task.name}
    if form == "hyperqueue":
        id = task.name.rpartition("-")[2]
        return {"HQ_JOB_ID": "1", "HQ_TASK_ID": id, "HQ_SUBMIT_DIR": "/start"}
    if form == "launcher":
        return {"LAUNCHER_WORKDIR": "/start"}
    if form == "disbatch" and task.command is not None:
        names = [f"DISBATCH_{name}" for name in ("STREAM_INDEX", "REPEAT_INDEX", "TASKID")]
        padded = {f"{name}_ZP": f"{int(own[name]):06d}" for name in names}
        return {"DISBATCH_NAMETASKS": "t", "DISBATCH_JOBID": "t_dwork", **padded}
    return {}


def shown_options(options: Options, variables: dict[str, str]) -> str:
    parts = [f"{key}={getattr(options, key)}" for key in FIELDS if getattr(options, key) != getattr(PLAIN, key)]
    return " ".join([*parts, *(shlex.quote(f"{name}={value}") for name, value in variables.items())])


def shown_task(form: str, task: Task) -> str:
    implied, own = expected_variables(form, task), dict(task.options.env)
    assert implied.items() <= own.items()
    if task.command is None:
        command = "(join)"
    elif isinstance(task.command, str):
        command = task.command
    elif task.command[:2] == ("/bin/bash", "-c") and len(task.command) == 3:
        command = f"[bash] {task.command[2]}"
    else:
        command = f"[argv] {shlex.join(task.command)}"
    after = f" <- {', '.join(task.after)}" if task.after else ""
    after += f" <~ {', '.join(task.after_any)}" if task.after_any else ""
    options = shown_options(task.options, {name: value for name, value in own.items() if name not in implied})
    return printable(f"{task.name}{after} :: {command}" + (f" {{{options}}}" if options else ""))


def outcome(form: str, text: str) -> str:
    remarks: list[str] = []
    try:
        tasks = parse([Source("t", text.encode(), form)], tell=remarks.append, invocation=AT)
    except TaskFileError as error:
        return f"! {error}"
    return "\n".join([*(f"~ {remark}" for remark in remarks), *(shown_task(form, task) for task in tasks)])


@pytest.mark.parametrize("path", sorted(DATA.glob("*.txt")), ids=lambda path: path.stem)
def test_a_file_of_another_system_becomes_its_tasks_or_is_refused(path: Path, subtests: pytest.Subtests) -> None:
    for title, text, expected in cases(path):
        with subtests.test(title):
            assert outcome(path.stem, text) == expected
