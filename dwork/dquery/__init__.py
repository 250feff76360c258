"""dquery: inspects and controls a running pool or dhub from the command line.

One module per command, named after it (with _ for -). The module's docstring is the command's help, and its `command`
is what runs. Modules with a leading underscore are not commands. A command returns its exit status: 0 (or None) on
success, 1 on failure, other values as its help says; usage errors are 2.
"""

from __future__ import annotations

from collections.abc import Sequence

from dwork.cli.program import guarded

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None, program: str = "dquery") -> int:
    """Run `dquery` with these arguments, by default those of the process, and return its exit status.

    program: the name that its user types; it begins each line of its messages.
    """

    def body() -> int:
        from dwork.dquery._run import run

        return run(arguments, program)

    return guarded(program, body)
