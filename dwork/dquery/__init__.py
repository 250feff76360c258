"""dquery: asks a running hub, and tells it things, from the command line.

One module per command, which has the command's name (with _ for -); the first line of its text is the command's help,
and its `command` is what runs. Modules with a leading underscore are no commands. A command returns its exit status: 0
(or None) when it did what was asked, 1 when that failed, others as its help says; usage errors are 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from dwork.cli.program import guarded

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, program: str = "dquery") -> int:
    """Run `dquery` with these arguments, by default those of the process, and return its exit status.

    program: what people type to start it, which begins each line that it says.
    """

    def body() -> int:
        from dwork.dquery._run import run

        return run(arguments, program)

    return guarded(program, body)
