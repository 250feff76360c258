"""A shell, and a Python, that are told one thing after the other, as by somebody at a terminal."""

from __future__ import annotations

import json
import os
import secrets
import select
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

#: Seconds that one command may take.
LIMIT: Final = 60.0


class Session:
    """An interpreter that prints a mark and the exit status when it has done what it was told."""

    def __init__(self, words: list[str], directory: Path, environment: dict[str, str]) -> None:
        self._mark = f"<{secrets.token_hex(8)}>"
        self._process = subprocess.Popen(
            [*words, self._mark],
            cwd=directory,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def tell(self, line: str) -> tuple[int, str]:
        """Say a line to it, and return the exit status and all that was printed meanwhile."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()
        until, printed = time.monotonic() + LIMIT, b""
        mark = f"\n{self._mark} ".encode()
        while mark not in printed or not printed.endswith(b"\n"):
            left = until - time.monotonic()
            ready, _, _ = select.select([self._process.stdout], [], [], max(left, 0))
            piece = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                what = "it has ended the shell" if ready else f"it has not ended after {LIMIT:.0f} s"
                raise AssertionError(f"{what}; printed was:\n{printed.decode(errors='replace')}")
            printed += piece
        text, _, status = printed.decode(errors="replace").rpartition(f"\n{self._mark} ")
        return int(status), text

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class Shell(Session):
    """bash; what a command leaves (directory, variables, background jobs, `$?`) the next one finds."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        super().__init__(["bash", "--noprofile", "--norc", "-s", "--"], directory, environment)

    def type(self, command: str, output: Path | None = None) -> tuple[int, str]:
        """Run a command. output: where all that it prints goes instead, also when it goes on in the background."""
        where = "" if output is None else f">{shlex.quote(str(output))} 2>&1"
        return self.tell(
            f"eval {shlex.quote(command)} </dev/null {where}\n"
            r"""_status=$?; printf '\n%s %d\n' "$1" $_status; (exit $_status)"""
        )


class Python(Session):
    """The interpreter of these tests."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        program = str(Path(__file__).with_name("interpreter.py"))
        super().__init__([sys.executable, program], directory, environment)

    def type(self, source: str, where: str) -> tuple[int, str]:
        return self.tell(json.dumps([source, where]))
