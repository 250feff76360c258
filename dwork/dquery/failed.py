"""List the failed tasks: how each one failed, and the end of its stderr.

The last line counts the skipped tasks, and names the failed tasks that caused them to be skipped. Exit status: 1 when
any task failed, 0 when none did. --json prints one object per failed task, one per line: as list does, with stderr (its
end) and skipped (the number of tasks skipped because of it).

\b
Examples:
  dquery failed
  dquery failed -f tasks.txt.db -n 3
  dquery failed --json | jq -r .name
"""

from __future__ import annotations

from collections import Counter

import click

from dwork.core.rows import TaskRow
from dwork.core.text import counted, output_lines, shown
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option
from dwork.dquery._source import file_option, source
from dwork.dquery._words import ending, lasting, named

#: Maximum number of culprits that the last line names.
NAMED = 5


@click.command(help=__doc__)
@click.option(
    "-n", "lines", type=click.IntRange(0), default=10, metavar="N", help="Lines of stderr per task. Default 10."
)
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, lines: int, file: str | None, as_json: bool) -> int:
    with source(session, file) as tasks:
        skipped = Counter(row["culprit"] or "" for row in tasks.tasks(("skipped",)))
        n = 0
        for row in tasks.tasks(("failed",)):
            n += 1
            details = tasks.task(row["name"])
            stderr = details["attempts"][-1]["stderr"] if details and details["attempts"] else ""
            if as_json:
                say_json({**row, "stderr": stderr, "skipped": skipped[row["name"]]})
            else:
                _print(row, output_lines(stderr), lines)
    if not as_json:
        say(f"{n:,} failed, {_skipped(skipped)}")
    return 1 if n else 0


def _print(row: TaskRow, stderr: list[str], lines: int) -> None:
    attempt = f", attempt {row['attempt']}" if (row["attempt"] or 0) > 1 else ""
    say(f"{named(row)}: {ending(row)}{lasting(row)} on {row['worker']}{attempt}")
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
