"""A terminal that is acted out: a pseudo-terminal, and what stands on its screen."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import struct
import termios

#: What a program may send: text, and what erases to the end of a line, colours, moves the cursor.
_PIECES = re.compile(r"\x1b\[K|\x1b\[[0-9;]*m|[\r\n]|[^\x1b\r\n]+")


class Screen:
    """The lines that have been on a screen, the one with the cursor last."""

    def __init__(self) -> None:
        self.lines = [""]
        self._column = 0

    def show(self, text: str) -> Screen:
        assert "".join(_PIECES.findall(text)) == text, "there is something that no terminal needs to know"
        for piece in _PIECES.findall(text):
            line, at = self.lines[-1], self._column
            if piece == "\r":
                self._column = 0
            elif piece == "\n":
                self.lines.append("")
            elif piece == "\x1b[K":
                self.lines[-1] = line[:at]
            elif not piece.startswith("\x1b"):
                self.lines[-1] = line[:at].ljust(at) + piece + line[at + len(piece) :]
                self._column += len(piece)
        return self


class Pty:
    """A pseudo-terminal: `inner` is the program's end."""

    def __init__(self, columns: int = 80) -> None:
        self._outer, self.inner = os.openpty()
        self._has_ended = False
        self._has_left = False
        self.sent = b""  # by the program, so far
        self.resize(columns)

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._outer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._outer, keys)

    def read(self, wait: float = 0.0) -> bool:
        """Take in what the program has sent; False when it, and all that it has started, has ended."""
        while not self._has_ended and select.select([self._outer], (), (), wait)[0]:
            wait = 0.0
            try:
                data = os.read(self._outer, 65536)
            except OSError as error:
                assert error.errno == errno.EIO
                data = b""
            self._has_ended = not data
            self.sent += data
        return not self._has_ended

    @property
    def text(self) -> str:
        self.read()
        return self.sent.decode()

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, line by line."""
        return Screen().show(self.text).lines

    def leave(self) -> None:
        """The program's end now belongs to what has been started on it alone: `read` knows when that has ended."""
        if not self._has_left:
            os.close(self.inner)
            self._has_left = True

    def hang_up(self) -> None:
        """The terminal is gone."""
        if self._outer >= 0:
            os.close(self._outer)
            self._outer = -1

    def close(self) -> None:
        self.hang_up()
        self.leave()
