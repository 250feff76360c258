"""Show the details and the history of a task.

The history shows which worker held the task when, how each attempt ended, and where its output is. TASK is a name or a
number such as '#12'. Times are local; in --json they are seconds since the epoch.

\b
Examples:
  dquery show solve-7
  dquery show '#12' -f tasks.txt.db
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator

import click

from dwork.core.cause import Cause
from dwork.core.rows import AttemptRow, OptionsRow, OutputPiece, PredecessorRow, TaskDetails
from dwork.core.task import EndWarning, worded
from dwork.core.text import counted, duration, output_lines, shown, size
from dwork.dquery._completion import tasks
from dwork.dquery._output import say, say_json
from dwork.dquery._session import HubChoice, json_option, name
from dwork.dquery._source import file_option, found, source
from dwork.dquery._words import ending, lasting, moment, named

#: Maximum number of predecessors, and of lines of stderr, that are shown.
PREDECESSORS, LINES = 10, 10
_KINDS = ("after", "after-any")
_STREAMS = {1: "stdout", 2: "stderr"}


@click.command(help=__doc__)
@click.argument("task", type=name, shell_complete=tasks())
@file_option
@json_option
@click.pass_obj
def command(session: HubChoice, task: str, file: str | None, as_json: bool) -> None:
    with source(session, file) as tasks:
        row = found(tasks, task)
    if as_json:
        say_json(row)
        return
    say(named(row, 1000))
    for line in described(row):
        say(f"  {line}")


def described(row: TaskDetails) -> Iterator[str]:
    """Yield the description of a task, line by line."""
    for heading, text in _facts(row):
        yield f"{heading:<9} {text}"
    yield from _history(row)
    for heading, text in _output(row):
        yield f"{heading:<9} {text}"
    yield from (f"  {line}" for line in _tail(row))


def _facts(row: TaskDetails) -> Iterator[tuple[str, str]]:
    yield "state", _state(row)
    if row["arguments"]:
        yield "arguments", " ".join(map(repr, row["arguments"]))
    elif row["command"] is None:
        yield "command", "none: it is done as soon as its predecessors are"
    elif row["command"] != row["name"]:
        yield "command", row["command"]
    if row["options"]:
        yield "options", _options(row["options"])
        for i, text in enumerate(row["options"].get("setup", ())):
            yield "" if i else "setup", text
    before = row["predecessors"]
    if before["total"]:
        first = before["first"][:PREDECESSORS]
        kinds = {kind: [each for each in first if each["after_any"] is (kind == "after-any")] for kind in _KINDS}
        shown_kinds = [kind for kind in _KINDS if kinds[kind]]
        more = before["total"] - len(first)
        for kind in shown_kinds:
            text = ", ".join(f"{named(each, 40)}{_state_of(each)}" for each in kinds[kind])
            yield kind, text + (f", and {more:,} more" if more > 0 and kind == shown_kinds[-1] else "")
    if row["successors"] and row["successors"]["total"]:
        yield "before", counted(row["successors"]["total"], "other task")


def _state(row: TaskDetails) -> str:
    state = worded(row["state"])
    if row["removed"] is not None:
        return f"{state}, but will not run: removed from the task files at {moment(row['removed'])}"
    if row["reason"]:
        return f"{state} {row['reason']}" if state == "skipped" else f"{state}: {row['reason']}"
    if row["hand"]:
        return f"{state} for {duration(max(0.0, time.time() - row['hand']['stolen']))}"
    return f"{state}, held" if row["held"] else state


def _state_of(row: PredecessorRow) -> str:
    """The state of a predecessor; empty for a join in a record, which does not store that."""
    return "" if row["join"] and row["state"] == "waiting" else f" ({worded(row['state'])})"


def _options(options: OptionsRow) -> str:
    words = {key: str(value) for key, value in options.items() if key != "setup"}
    if "shell" in options:
        words["shell"] = shlex.quote(shlex.join(options["shell"]))
    if "memory" in options:
        words["memory"] = size(options["memory"])
    if (timeout := options.get("timeout")) is not None:
        words["timeout"] = duration(timeout)
    if (grace := options.get("grace")) is not None:
        words["grace"] = duration(grace)
    if "warn" in options:
        words["warn"] = str(EndWarning(int(options["warn"][0]), options["warn"][1]))
    if "min_time" in options:
        words["min_time"] = duration(options["min_time"])
    if "env" in options:
        words["env"] = " ".join(f"{variable}={text}" for variable, text in options["env"])
    if "creates" in options:
        words["creates"] = shown(",".join(options["creates"]), 1000)
    return " ".join(f"{key.replace('_', '-')}={text}" for key, text in words.items())


def _history(row: TaskDetails) -> Iterator[str]:
    """Yield what happened, in the order of time; what has no time comes last."""
    yield f"{moment(row['queued'])} queued" + (f" by {row['origin']}" if row["origin"] else "")
    attempts = row["attempts"]
    for i, attempt in enumerate(attempts):
        yield from _attempt(attempt, again=i + 1 < len(attempts) or row["state"] in ("waiting", "ready", "assigned"))
    hand = row["hand"]
    if hand:
        yield f"{moment(hand['stolen'])} given to {hand['worker']} (attempt {hand['attempt']}), which holds it now"
    elif row["state"] == "assigned":
        yield f"held by {row['worker']}"


def _attempt(attempt: AttemptRow, again: bool) -> Iterator[str]:
    number, worker, start = attempt["attempt"], attempt["worker"], attempt["started"]
    if attempt["stolen"] is not None:
        yield f"{moment(attempt['stolen'])} given to {worker} (attempt {number})"
    if start is not None:
        yield f"{moment(start)} started" + ("" if attempt["stolen"] is not None else f" by {worker} ({number})")
    took = lasting(attempt)
    outcome = attempt["outcome"]
    how = ending(attempt)
    if outcome == "done":
        text = f"done{took}"
    elif outcome == "lost":
        text = f"lost: {how}"
    else:
        text = f"{outcome if outcome in ('cancelled', 'interrupted') else 'failed'}: {how}{took}"
    yield f"{moment(attempt['ended'])} {text}{_used(attempt)}{'; to be retried' if outcome != 'done' and again else ''}"


def _used(attempt: AttemptRow) -> str:
    times = {"user": attempt["user"], "system": attempt["system"]}
    used = [f"{name} {duration(seconds)}" for name, seconds in times.items() if seconds and seconds >= 0.005]
    if attempt["max_rss"]:
        used.append(size(attempt["max_rss"]))
    left = 0 if attempt["cause"] == Cause.LEFTOVERS.value else attempt.get("left_behind", 0)
    return (f" ({', '.join(used)})" if used else "") + (f"; left {counted(left, 'process')} behind" if left else "")


def _output(row: TaskDetails) -> Iterator[tuple[str, str]]:
    """Yield, per attempt and stream, the size of the output and where it begins."""
    places: dict[tuple[int, int], list[OutputPiece]] = {}
    for piece in row["output"]:
        places.setdefault((piece["attempt"], piece["stream"]), []).append(piece)
    for (attempt, stream), pieces in places.items():
        first = pieces[0]
        n = sum(piece["length"] for piece in pieces)
        where = f"{first['file']}, from byte {first['offset']:,}"
        in_pieces = f", in {len(pieces):,} pieces" if len(pieces) > 1 else ""
        yield _STREAMS[stream], f"{size(n)} of attempt {attempt} in {where}{in_pieces}"


def _tail(row: TaskDetails) -> Iterator[str]:
    lines = output_lines(row["attempts"][-1]["stderr"]) if row["attempts"] else []
    if len(lines) > LINES:
        yield "..."
    yield from (shown(line, 1000) for line in lines[-LINES:])
