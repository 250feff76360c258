"""The foot of a terminal: one line that is redrawn below the printed output.

It must never block the hub, nor end the run. So the terminal is opened a second time, without blocking, in case nobody
reads it (Ctrl-S, a laptop that sleeps), and a line that cannot be written is dropped. When output goes through a relay,
the line goes through it, too, so that it stays in order; the terminal itself is only queried. A background process
does not draw. There is only one line, and the cursor is not hidden or moved, so that a killed program leaves nothing to
repair.
"""

from __future__ import annotations

import os
import select
import shutil
import stat
from typing import Final

from dwork.output.streams import Stream

_ERASE: Final = b"\r\x1b[K"


def can_redraw(descriptor: int) -> bool:
    """Whether the descriptor is a terminal that can redraw a line."""
    return os.isatty(descriptor) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Terminal:
    """The terminal at the other end of a descriptor, which may also be a pipe to a program that writes to a terminal.

    through: a descriptor whose reader passes output on to that terminal; None when there is none.
    """

    def __init__(self, descriptor: int, through: int | None = None) -> None:
        self._is_terminal = os.isatty(descriptor)
        self._descriptor = _open(descriptor)
        self._through = through
        self._line = b""
        self._is_drawn = False
        self._is_covered = False  # the line was erased to make room for output
        self._is_midline = False  # the last output did not end with a newline

    @property
    def width(self) -> int:
        """The most columns of a line; the last column stays free, since some terminals wrap there."""
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            columns = 0
        return (columns or shutil.get_terminal_size().columns or 80) - 1

    def draw(self, line: bytes) -> None:
        """Show this line at the foot until the next one."""
        if line != self._line or not self._is_drawn:
            self._line = line
            self._draw()

    def hide(self) -> None:
        """Erase the line before output is printed."""
        if self._is_drawn:
            self._write(_ERASE, must=True)
            self._is_drawn, self._is_covered = False, True
        self._is_midline = False

    def restore(self) -> None:
        """Draw the line again after output was printed."""
        if self._is_covered:
            self._draw()

    def close(self) -> None:
        """Erase the line, and draw nothing more."""
        self.hide()
        self._is_covered = False
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def above(self, file: Stream) -> Stream:
        """Return the file or, if it may be on the same screen, a stream that prints to it above the line."""
        is_here = file.isatty() if self._is_terminal else not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return _Above(self, file) if is_here else file

    def leave_midline(self) -> None:
        """Note that the last output did not end with a newline, and must not be drawn over."""
        self._is_midline = True

    def _draw(self) -> None:
        self._is_covered = False
        begin = b"\n" if self._is_midline and not self._is_drawn else b"\r"
        self._is_drawn = self._write(begin + self._line + b"\x1b[K")

    def _is_behind(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:  # not our controlling terminal
            return False

    def _write(self, data: bytes, *, must: bool = False) -> bool:
        """Write data if that is possible without blocking; return whether it was written.

        must: even if the terminal is busy, as long as the descriptor that is written to is not.
        """
        target = self._descriptor if self._through is None else self._through
        needed = {target} if must else {target, self._descriptor}
        try:
            is_free = len(select.select((), needed, (), 0)[1]) == len(needed) and not self._is_behind()
            return is_free and os.write(target, data) > 0
        except (OSError, ValueError):  # the terminal is gone
            return False


class NoTerminal:
    """A terminal that draws nothing."""

    def hide(self) -> None: ...

    def restore(self) -> None: ...

    def close(self) -> None: ...

    def above(self, file: Stream) -> Stream:
        return file


class _Above:
    """A file on the screen of a terminal, which is printed above the line."""

    def __init__(self, terminal: Terminal, file: Stream) -> None:
        self._terminal = terminal
        self._file = file

    def write(self, data: bytes) -> int:
        self._terminal.hide()
        if data and not data.endswith(b"\n"):
            self._terminal.leave_midline()
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()

    def isatty(self) -> bool:
        return self._file.isatty()


def _open(descriptor: int) -> int:
    """Return another descriptor for the same file, which does not block if it is a terminal."""
    if os.isatty(descriptor):
        try:
            return os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # the terminal of another user
            pass
    return os.dup(descriptor)
