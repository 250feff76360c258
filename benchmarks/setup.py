"""Measure what a setup block costs: the same lines without one, with a small one, and with `module load`.

Beside each: xargs with a script that does the same before each line. The block that loads a module needs Lmod, and is
left out without it.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from _common import PoolRun, alternate, arguments, environment, pool, row, show, write

TITLE = "Setup: seconds for many short lines whose shell runs a setup block first, two at a time"
LINE = "/bin/true && :"
LMOD = Path("/etc/profile.d/lmod.sh")


class Block(NamedTuple):
    """A setup block for one shell, and how many lines to run with it."""

    name: str
    shell: str
    commands: tuple[str, ...]
    n: int


def blocks(n: int, place: Path) -> list[Block]:
    small = ("export A=1", "umask 022", "f() { :; }")
    found = [Block(f"{shell}: {name}", shell, commands, n) for shell in ("sh", "bash")
             for name, commands in (("no setup", ()), ("small setup", small))]  # fmt: skip
    if LMOD.exists():
        (place / "prog.lua").write_text('setenv("PROG_HOME", "/opt/prog")\n')
        load = (f". {LMOD}", f"export MODULEPATH={place}", "module load prog")
        found.append(Block("bash: module load", "bash", load, max(1, n // 10)))
    return found


def xargs(script: Path, block: Block, numbers: Path) -> float:
    command = ["xargs", "-P2", "-n1", block.shell, str(script)]
    with numbers.open() as stdin:
        begin = time.perf_counter()
        subprocess.run(command, stdin=stdin, stdout=subprocess.DEVNULL, env=environment(), check=True)
    return time.perf_counter() - begin


def runs(block: Block, place: Path) -> dict[str, partial[float | PoolRun]]:
    """Return the pool and xargs, each with the lines of a block."""
    file = place / "tasks.txt"
    setup = ("#DWORK setup", *block.commands, "#DWORK end") if block.commands else ()
    file.write_text("\n".join((f"#!/usr/bin/env {block.shell}", *setup, *[LINE] * block.n)) + "\n")
    script, numbers = place / "script", place / "numbers"
    script.write_text("\n".join((*block.commands, LINE)) + "\n")
    numbers.write_text("\n".join(map(str, range(block.n))))
    return {"dwork": partial(pool, str(file), block.n), "xargs": partial(xargs, script, block, numbers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=1_000, help="lines of a run (1000)")
    parser.add_argument("--repeats", type=int, default=3, help="rounds (3)")
    options = arguments(parser)
    rows, details = [], {}
    with TemporaryDirectory(prefix="dwork-bench-") as directory:
        place = Path(directory)
        for block in blocks(options.tasks, place):
            results = alternate(runs(block, place), options.repeats)
            ours = [1000 * result.wall / block.n for result in results["dwork"]]
            theirs = [1000 * seconds / block.n for seconds in results["xargs"]]
            rows.append(row(f"{block.name}, a line / xargs", ours, "ms", theirs))
            details[block.name] = {"dwork": ours, "xargs": theirs}
    show(TITLE, rows)
    write(options.json, TITLE, rows, details)


if __name__ == "__main__":
    main()
