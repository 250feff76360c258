"""What a setup block prints: it goes to the task's standard error, where each line is marked.

The shell announces each command of the block, and then the line, by a record of a NUL, a word, its position and a line
end (see core/shell.py). These records are removed, and tell how far the shell got.
"""

from __future__ import annotations

import re
from typing import Final

from dwork.core.shell import MARK, RECORD
from dwork.runner.stream import TaskStream

_MARK: Final = MARK.encode()
_RECORD: Final = re.compile(rb"\0%b([0-9]*)\n" % RECORD.encode())
#: What may be the beginning of a record.
_OPEN: Final = re.compile(rb"\0[a-z0-9 -]{0,30}\Z")


class SetupOutput:
    """The output of the setup block of one attempt.

    position: of the command of the block that was announced last; None: the block succeeded, and the line was begun.
    """

    __slots__ = ("_err", "_is_in_line", "_rest", "position")

    def __init__(self, err: TaskStream) -> None:
        self.position: int | None = 0
        self._err = err
        self._rest = b""
        self._is_in_line = False

    def add(self, data: bytes, limit: int) -> None:
        """Store printed data. limit: as for the stream of standard error."""
        data = self._rest + data
        rest = _OPEN.search(data)
        self._rest = b"" if rest is None else rest[0]
        text, *records = _RECORD.split(data[: len(data) - len(self._rest)])
        self._print(text, limit)
        for position, text in zip(records[::2], records[1::2], strict=True):
            self.position = int(position) if position else None
            if self.position is None and self._is_in_line:
                self._print(b"\n", limit)
            self._print(text, limit)

    def end(self, limit: int) -> None:
        """Store what might have been the beginning of a record, since no more comes."""
        rest, self._rest = self._rest, b""
        self._print(rest, limit)

    def _print(self, text: bytes, limit: int) -> None:
        for line in text.splitlines(keepends=True):
            self._err.add(line if self._is_in_line else _MARK + line, limit)
            self._is_in_line = not line.endswith(b"\n")
