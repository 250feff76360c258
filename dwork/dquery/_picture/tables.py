"""The tables of a report, as HTML. All text from the run is escaped here: names may contain anything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Final

from dwork.core.text import counted, output_lines, printable, shown, size
from dwork.dquery._picture.embedded import how
from dwork.dquery._picture.words import took
from dwork.dquery._words import moment
from dwork.history.facts import Attempt, History
from dwork.history.summary import Summary, Tally, run_times

#: Maximum number of rows of each table, and of lines of stderr.
FAILED, SLOWEST, CHAIN, TALLIES, RUNS, LINES = 200, 20, 200, 20, 200, 20
_WIDTH: Final = 200


def text(value: str, width: int = _WIDTH) -> str:
    """Escape and shorten any text for HTML."""
    return escape(shown(value, width))


def failed(history: History, stderr: Mapping[int, str]) -> str:
    """Return the failed tasks, with the end of their stderr; stderr: by number of the task."""
    last = {attempt.task: attempt for attempt in history.attempts}
    rows = [i for i, task in enumerate(history.tasks) if task.state == "failed" and not task.removed]
    if not rows:
        return "<p>Nothing failed.</p>"
    return _table(
        (("", "task"), ("", "how it ended"), ("n", "attempts"), ("n", "after"), ("", "worker")),
        (_failed(history, i, last.get(i), stderr) for i in rows[:FAILED]),
        _more(len(rows) - FAILED, "failed task"),
    )


def _failed(history: History, i: int, attempt: Attempt | None, stderr: Mapping[int, str]) -> Sequence[str]:
    task = history.tasks[i]
    lines = output_lines(stderr.get(task.id, ""))
    output = "\n".join(escape(printable(line)) for line in lines[-LINES:])
    if len(lines) > LINES:
        output = f"...\n{output}"
    name = f"#{task.id} {text(task.name)}" + (f"<pre>{output}</pre>" if output else "")
    if attempt is None:
        return name, text(task.reason), "", "", ""
    after = took(attempt.seconds) if attempt.started is not None else ""
    return name, f'<span class="bad">{text(how(attempt))}</span>', str(attempt.number), after, text(attempt.worker)


def slowest(history: History) -> str:
    """Return the attempts that ran longest."""
    found = sorted(history.attempts, key=lambda attempt: attempt.seconds, reverse=True)[:SLOWEST]
    return _table(
        (("", "task"), ("n", "run time"), ("n", "CPU"), ("n", "memory"), ("", "outcome"), ("", "worker")),
        (
            (
                f"#{history.tasks[a.task].id} {text(history.tasks[a.task].name)}", took(a.seconds), took(a.cpu),
                _memory(a.max_rss), text(a.outcome), text(a.worker),
            )
            for a in found
        ),
    )  # fmt: skip


def chain(history: History, summary: Summary) -> str:
    """Return the critical path: each task, its run time, and how long it waited after the one before."""
    times = run_times(history)
    when = {attempt.task: attempt for attempt in history.attempts if attempt.started is not None}
    rows = []
    before: Attempt | None = None
    so_far = 0.0
    for i in summary.chain:
        if history.tasks[i].is_join:
            continue
        attempt = when.get(i)
        wait = "" if before is None or attempt is None else took(max(0.0, (attempt.started or 0.0) - before.ended))
        so_far += times[i]
        rows.append((f"#{history.tasks[i].id} {text(history.tasks[i].name)}", took(times[i]), wait, took(so_far)))
        before = attempt
    heads = (("", "task"), ("n", "run time"), ("n", "waited before"), ("n", "in all"))
    return _table(heads, rows[:CHAIN], _more(len(rows) - CHAIN, "task"))


def tallies(found: Sequence[Tally], what: str) -> str:
    """Return attempts grouped by what they share; what: the name of that."""
    total = sum(tally.seconds for tally in found)
    rows = (
        (
            text(tally.name), f"{tally.attempts:,}", f'<span class="bad">{tally.bad:,}</span>' if tally.bad else "0",
            took(tally.seconds), f"{tally.seconds / total:.1%}" if total else "", took(tally.seconds / tally.attempts),
            took(tally.longest), took(tally.cpu), _memory(tally.max_rss),
        )
        for tally in found[:TALLIES]
    )  # fmt: skip
    heads = ("attempts", "not done", "run time", "share", "mean", "longest", "CPU", "memory")
    return _table((("", what), *(("n", head) for head in heads)), rows, _more(len(found) - TALLIES, f"other {what}"))


def runs(history: History) -> str:
    """Return the runs: each time that a pool or dhub used the record."""
    rows = [
        (
            str(i), moment(s.started), took(s.seconds), text(s.host), text(s.job or ""),
            '<span class="bad">was killed</span>' if s.outcome is None else text(s.outcome), text(s.command),
        )
        for i, s in enumerate(history.sessions, 1)
    ]  # fmt: skip
    heads = (("n", "run"), ("", "started"), ("n", "took"), ("", "host"), ("", "job"), ("", "ended"), ("", "command"))
    return _table(heads, rows[-RUNS:], _more(len(rows) - RUNS, "earlier run"))


def _memory(max_rss: int) -> str:
    return size(max_rss) if max_rss else ""


def _more(n: int, what: str) -> str:
    return f"and {counted(n, what)}" if n > 0 else ""


def _table(heads: Sequence[tuple[str, str]], rows: Iterable[Sequence[str]], more: str = "") -> str:
    """Return a table. heads: class and heading of each column; `n` is a number. rows: HTML."""
    kinds = [kind for kind, _ in heads]
    head = "".join(f'<th class="{kind}">{words}</th>' for kind, words in heads)
    lines = ("".join(f'<td class="{kind}">{cell}</td>' for kind, cell in zip(kinds, row, strict=True)) for row in rows)
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    end = f'<p class="faint">{more}</p>' if more else ""
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>{end}'
