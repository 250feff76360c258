"""Tell which tasks failed, how, and what they said last.

How many were skipped is told at the end, and after whom. Exit status: 1 when any failed, 0 when none. --json prints an
object for each failed task, a line each: as list, with stderr (its end) and skipped (how many tasks for it).

\b
Examples:
  dquery failed
  dquery failed -f tasks.txt.db -n 3
  dquery failed --json | jq -r .name
"""

from __future__ import annotations

from collections import Counter

import click

from dwork.core.text import counted, shown
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option
from dwork.dquery._source import Row, file_option, source
from dwork.dquery._words import ending, lasting, named

#: Culprits that the last line names.
NAMED = 5


@click.command(help=__doc__)
@click.option(
    "-n", "lines", type=click.IntRange(0), default=10, metavar="N", help="Lines of stderr of each task. Default 10."
)
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, lines: int, file: str | None, as_json: bool) -> int:
    with source(session, file) as tasks:
        skipped = Counter(str(row.get("reason") or "").removeprefix("after ") for row in tasks.tasks(("skipped",)))
        n = 0
        for row in tasks.tasks(("failed",)):
            n += 1
            whole = tasks.task(row["name"]) or row
            attempts = whole.get("attempts") or [{}]
            stderr = attempts[-1].get("stderr") or ""
            if as_json:
                say_json({**row, "stderr": stderr, "skipped": skipped[row["name"]]})
            else:
                _tell(row, stderr.splitlines(), lines)
    if not as_json:
        say(f"{n:,} failed, {_skipped(skipped)}")
    return 1 if n else 0


def _tell(row: Row, stderr: list[str], lines: int) -> None:
    attempt = f", attempt {row['attempt']}" if (row.get("attempt") or 0) > 1 else ""
    say(f"{named(row)}: {ending(row)}{lasting(row)} on {row.get('worker')}{attempt}")
    if len(stderr) > lines > 0:
        say("    ...")
    for line in stderr[-lines:] if lines else ():
        say(f"    {shown(line, 1000)}")


def _skipped(skipped: Counter[str]) -> str:
    text = f"{skipped.total():,} skipped"
    if not skipped:
        return text
    culprits = [f"{n:,} after {shown(culprit, 40)}" for culprit, n in skipped.most_common(NAMED)]
    more = len(skipped) - len(culprits)
    return f"{text}: {', '.join(culprits)}" + (f", and after {counted(more, 'other')}" if more else "")
