"""The foot of a terminal: one line that is drawn again and again, below what is printed.

It must never hold up the hub, nor end the run: the terminal is opened a second time, so as not to wait for one that
nobody reads (Ctrl-S, a laptop that sleeps), and what cannot be written is not. When what is printed goes through a
relay, the line goes the same way, so that it stays in its place; the terminal itself is only asked. A program in the
background leaves the terminal to whoever is in front. There is one line and no more, and the cursor stays as it is, so
that a program that is killed leaves nothing to be repaired.
"""

from __future__ import annotations

import os
import select
import shutil
import stat
from typing import Final, Protocol

from dwork.output.printer import Stream

_ERASE: Final = b"\r\x1b[K"


def can_redraw(descriptor: int) -> bool:
    """Whether it is a terminal on which a line can be drawn again."""
    return os.isatty(descriptor) and os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class BinaryStream(Stream, Protocol):
    """A standard stream, as a binary file."""

    def fileno(self) -> int: ...

    def isatty(self) -> bool: ...


class Terminal:
    """What is at the other end of a descriptor. It may also be a pipe to somebody who passes it on to a terminal.

    through: a descriptor whose reader passes on to that terminal what is printed, when there is one.
    """

    def __init__(self, descriptor: int, through: int | None = None) -> None:
        self._is_terminal = os.isatty(descriptor)
        self._descriptor = _open(descriptor)
        self._through = through
        self._line = b""
        self._is_drawn = False
        self._is_covered = False  # it was, and has made room for what is printed
        self._is_midline = False  # what was printed last has no end of line

    @property
    def width(self) -> int:
        """How many columns a line may have: the last one is left free, where some terminals go on to the next line."""
        try:
            columns = os.get_terminal_size(self._descriptor).columns
        except OSError:
            columns = 0
        return (columns or shutil.get_terminal_size().columns or 80) - 1

    def draw(self, line: bytes) -> None:
        """Show this line at the foot from now on."""
        if line != self._line or not self._is_drawn:
            self._line = line
            self._draw()

    def hide(self) -> None:
        """Somebody is about to print a line, or some."""
        if self._is_drawn:
            self._write(_ERASE, must=True)
            self._is_drawn, self._is_covered = False, True
        self._is_midline = False

    def restore(self) -> None:
        """It is printed, perhaps."""
        if self._is_covered:
            self._draw()

    def close(self) -> None:
        """Leave nothing behind, and draw nothing more."""
        self.hide()
        self._is_covered = False
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def above(self, file: BinaryStream) -> Stream:
        """The file, or when that may be on the same screen, what prints to it above the line."""
        is_here = file.isatty() if self._is_terminal else not stat.S_ISREG(os.fstat(file.fileno()).st_mode)
        return _Above(self, file) if is_here else file

    def leave_midline(self) -> None:
        """What was printed last has no end of line; it must not be drawn over."""
        self._is_midline = True

    def _draw(self) -> None:
        self._is_covered = False
        begin = b"\n" if self._is_midline and not self._is_drawn else b"\r"
        self._is_drawn = self._write(begin + self._line + b"\x1b[K")

    def _is_behind(self) -> bool:
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:  # it is not the terminal that controls us
            return False

    def _write(self, data: bytes, *, must: bool = False) -> bool:
        """Write it, if that is possible now; return whether it was. must: also when that waits behind something."""
        target = self._descriptor if self._through is None else self._through
        needed = {target} if must else {target, self._descriptor}
        try:
            is_free = len(select.select((), needed, (), 0)[1]) == len(needed) and not self._is_behind()
            return is_free and os.write(target, data) > 0
        except (OSError, ValueError):  # nobody is there any more
            return False


class NoTerminal:
    """Nothing is drawn anywhere, and nothing is in the way."""

    def hide(self) -> None: ...

    def restore(self) -> None: ...

    def close(self) -> None: ...

    def above(self, file: BinaryStream) -> Stream:
        return file


class _Above:
    """A file on the screen of a terminal."""

    def __init__(self, terminal: Terminal, file: BinaryStream) -> None:
        self._terminal = terminal
        self._file = file

    def write(self, data: bytes) -> int:
        self._terminal.hide()
        if data and not data.endswith(b"\n"):
            self._terminal.leave_midline()
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def _open(descriptor: int) -> int:
    """Another descriptor for the same, which does not block if it is a terminal."""
    if os.isatty(descriptor):
        try:
            return os.open(f"/dev/fd/{descriptor}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:  # it is somebody else's
            pass
    return os.dup(descriptor)
