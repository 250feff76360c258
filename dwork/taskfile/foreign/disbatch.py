"""Task files of disBatch: one bash command per line, and `#DISBATCH` directives.

Rules, as in disBatch. A directive is at the beginning of its line, in capitals. The text of PREFIX and of SUFFIX begins
after one space and is used unchanged; it surrounds all commands below, until the next PREFIX or SUFFIX. A barrier takes
a task number. DISBATCH_* variables give a task its position.

Unlike there, an unknown directive is an error, and so is one that dwork does not support.
"""

from __future__ import annotations

import re
from itertools import repeat
from typing import Any, Final

from dwork.core.shell import BASH
from dwork.core.task import Options
from dwork.core.text import shown
from dwork.taskfile.directive import ask, refuse_options
from dwork.taskfile.draft import Draft, Pool
from dwork.taskfile.foreign.unset import Unset
from dwork.taskfile.text import BLANKS, SHORT, fit_command

_MARK: Final = "#DISBATCH"
_WHITE: Final = " \t\r\v\f"
_REPEAT: Final = re.compile(
    r"REPEAT\s+([0-9]+)(?:\s+start\s+([0-9]+))?(?:\s+step\s+([0-9]+))?(?: (.+))?\s*", re.IGNORECASE | re.ASCII
)
_WORD: Final = re.compile(r"\w*")
_MOST_DIGITS: Final = 18

_REPEATED: Final = "write #DISBATCH REPEAT n [start s] [step t] [command]"
_DIRECTIVES: Final = "write #DISBATCH followed by PREFIX, SUFFIX, REPEAT or BARRIER, separated by one space"
_ONCE: Final = "run it in the job script, for example with srun --ntasks-per-node=1 ..."
_UNSET: Final = Unset(
    "DISBATCH_",
    {
        "DISBATCH_CYLINDER_RANK": "use DWORK_SLOT, the number of the slot on its worker",
        "DISBATCH_ENGINE_RANK": "use DWORK_WORKER, the worker's name",
    },
)


def read(draft: Draft, text: str, _pool: Pool) -> None:
    """Read the text of a file into its draft; mistakes name the line."""
    reader = _Reader(draft)
    for number, line in enumerate(text.split("\n"), 1):
        content = line.lstrip(_WHITE)
        if not content:
            continue
        try:
            if "\r" in line:
                raise ValueError("a carriage return, which disBatch reads as the end of a line; split the line there")
            if content[0] != "#":
                reader.add(number, line)
            elif line.startswith(_MARK):
                reader.directive(number, line)
            else:
                reader.ask(content)
        except ValueError as error:
            draft.lose(number, error, line)


class _Reader:
    """Reads line by line, and keeps what applies to the lines below."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._prefix = self._suffix = ""
        self._next = 0  # the number of the next task
        self._options: dict[str, Any] = {}
        self._name = draft.source.rpartition("/")[2] if draft.source != "-" else "stdin"
        self.ask("")

    def ask(self, comment: str) -> None:
        """Read a comment, which may set the options of the tasks below."""
        ask(self._options, comment)
        self._env = (
            ("DISBATCH_NAMETASKS", self._name),
            # The same in every run, so that tasks do not count as changed: the job id depends only on the file.
            ("DISBATCH_JOBID", f"{self._name}_dwork"),
            ("DISBATCH_CORES_PER_TASK", str(self._options.get("cores", 1))),
        )
        self._env_of_line = (*self._env, *_numbered("REPEAT_INDEX", -1))

    def add(self, number: int, line: str) -> None:
        """Add a line that is a task."""
        command = self._fit(self._prefix + line + self._suffix)
        self._add(number, command.strip(BLANKS), (BASH, "-c", command), self._env_of_line)

    def _add(self, number: int, name: str, words: tuple[str, ...], env: tuple[tuple[str, str], ...]) -> None:
        env = (*env, *_numbered("STREAM_INDEX", number), *_numbered("TASKID", self._next))
        self._draft.add(number, None, words, (), Options(env=env, **self._options), name)
        self._next += 1

    @staticmethod
    def _fit(command: str) -> str:
        if len(command) > SHORT:
            fit_command(command)
        _UNSET.refuse(command)
        refuse_options(command)
        return command

    def directive(self, number: int, line: str) -> None:
        """Apply a line that is a directive."""
        text = line.removeprefix(f"{_MARK} ")
        kind = _WORD.match(text)[0]  # type: ignore[index]
        rest = text[len(kind) :]
        match kind.upper():
            case "PREFIX" if rest[:1] == " ":
                self._prefix = rest[1:]
            case "SUFFIX" if rest[:1] == " ":
                self._suffix = rest[1:]
            case "REPEAT":
                self._repeat(number, text)
            case "BARRIER" if kind == "BARRIER":
                self._barrier(number, rest.strip(_WHITE))
            case "PERENGINE":
                raise ValueError(f"PERENGINE is not supported: dwork runs no command once per node; {_ONCE}")
            case _:
                raise ValueError(f'"{shown(line)}" is not a valid directive; {_DIRECTIVES}')

    def _repeat(self, number: int, text: str) -> None:
        match = _REPEAT.fullmatch(text)
        if not match or max(len(n or "") for n in match.groups()[:3]) > _MOST_DIGITS:
            raise ValueError(f"invalid REPEAT; {_REPEATED}")
        n, start, step = int(match[1]), int(match[2] or 0), int(match[3] or 1)
        command = self._fit(self._prefix + (match[4] or "") + self._suffix)
        if not command.strip(_WHITE):
            raise ValueError(f"REPEAT has nothing to run: no command, PREFIX or SUFFIX; {_REPEATED}")
        self._draft.expect(n)
        name, words = command.strip(BLANKS), (BASH, "-c", command)
        for index in range(start, start + n * step, step) if step else repeat(start, n):
            self._add(number, f"{name} #{index}", words, (*self._env, *_numbered("REPEAT_INDEX", index)))

    def _barrier(self, number: int, text: str) -> None:
        if text not in ("", "CHECK"):
            raise ValueError(
                f'BARRIER does not support the key "{shown(text)}"; write #DISBATCH BARRIER or #DISBATCH BARRIER CHECK'
            )
        draft = self._draft
        position = len(draft.tasks)
        if not text:
            draft.after_any.add(number)
        elif draft.barriers and draft.barriers[-1][0] == position:  # right below another one, which comes to nothing
            draft.after_any.discard(draft.barriers[-1][1])
        draft.barriers.append((position, number))
        self._next += 1


def _numbered(name: str, value: int) -> tuple[tuple[str, str], tuple[str, str]]:
    """Return a variable and its counterpart padded with zeros."""
    return (f"DISBATCH_{name}", str(value)), (f"DISBATCH_{name}_ZP", f"{value:06d}")
