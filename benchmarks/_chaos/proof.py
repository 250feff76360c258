"""What must hold whatever was done to a run: its record compared with the traces of its tasks. Values in, values out.

- Each task has ended as its graph demands.
- What the record calls done has a start and after it a true end in the traces, and its output is whole.
- A task that started more than once has a reason in the record for each attempt but the last; the same attempt starts
  twice only when the hub was killed in between, which forgets its last moments.
- What was done when a run ended does not run again, except after a predecessor that was not, or that ran again.
- A task starts after the ends of its predecessors.
- No task runs beside itself, unless the worker of one of the two was cut off, stopped or killed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from _chaos.graphs import Task, expected
from _chaos.pasts import Past
from _chaos.traces import Line


def faults(tasks: Sequence[Task], trace: Sequence[Line], pasts: Mapping[int, Past], final: Past) -> list[str]:
    """Return everything that does not hold. pasts: what the record said when run N had ended."""
    judge = _Judge(tasks, trace, final)
    return [
        *judge.states(),
        *judge.ends(),
        *judge.output(),
        *judge.attempts(),
        *judge.repeats(pasts),
        *judge.order(),
        *judge.company(),
    ]


class _Judge:
    def __init__(self, tasks: Sequence[Task], trace: Sequence[Line], final: Past) -> None:
        self._tasks = {task.name: task for task in tasks}
        self._trace = trace
        self._final = final
        self._of: dict[tuple[str, str], list[Line]] = defaultdict(list)  # by kind and task
        for line in trace:
            self._of[line.kind, line.name].append(line)
        self._killed = [line.at for line in trace if line.kind == "over" and line.text.endswith("killed")]

    def _is_forgotten(self, since: int, until: float) -> bool:
        """Whether the hub was killed in between, so that its record may lack what happened last."""
        return any(since < at < until for at in self._killed)

    def _end_of(self, start: Line, *kinds: str) -> Line | None:
        """Return the end of what this line started; None when it was killed."""
        ends = [line for kind in kinds for line in self._of[kind, start.name]]
        return next((end for end in ends if end.at > start.at and end.pid == start.pid), None)

    def states(self) -> Iterator[str]:
        for name, state in expected(list(self._tasks.values())).items():
            if (found := self._final.states.get(name)) != state:
                yield f"{name} must be {state} in the end, but the record says {found}"

    def ends(self) -> Iterator[str]:
        for (name, attempt), how in self._final.attempts.items():
            if how.outcome == "done":
                starts = [line for line in self._of["start", name] if line.attempt == attempt]
                if not any(self._end_of(start, "end") for start in starts):
                    yield f"{name}, attempt {attempt} is done in the record, but has no true end in the traces"

    def output(self) -> Iterator[str]:
        for (name, attempt), how in self._final.attempts.items():
            if how.outcome == "done":
                wanted, found = self._tasks[name].output(attempt), self._final.output.get((name, attempt), b"")
                if found != wanted:
                    kept = f"{len(found):,} bytes of output, not the {len(wanted):,} that it printed"
                    yield f"{name}, attempt {attempt} is done with {kept}"

    def attempts(self) -> Iterator[str]:
        """Each start is an attempt of its own in the record, unless the hub was killed before it could enter it."""
        for name in self._tasks:
            before: dict[int, Line] = {}
            for start in self._of["start", name]:
                first = before.get(start.attempt)
                before[start.attempt] = start
                if first is not None and not self._is_forgotten(first.at, start.at):
                    yield f"{name}, attempt {start.attempt} started twice in one life of the hub"
                elif (name, start.attempt) not in self._final.attempts and not self._is_forgotten(start.at, 1e18):
                    yield f"{name}, attempt {start.attempt} started, but the record does not know it"

    def repeats(self, pasts: Mapping[int, Past]) -> Iterator[str]:
        for line in self._trace:
            if line.kind != "over":
                continue
            past = pasts.get(int(line.text.split()[0]), Past())
            for name in past.done:
                again = next((start for start in self._of["start", name] if start.at > line.at), None)
                if again is not None and not self._follows(name, past, line.at, again.at):
                    yield f"{name} was done when run {line.text.split()[0]} had ended, but ran again"

    def _follows(self, name: str, past: Past, since: int, until: int) -> bool:
        """Whether a predecessor was not done, or ran again: then all that comes after it runs again."""
        before = (*self._tasks[name].after, *self._tasks[name].after_any)
        return any(
            one not in past.done or any(since < start.at < until for start in self._of["start", one]) for one in before
        )

    def order(self) -> Iterator[str]:
        for name, task in self._tasks.items():
            for start in self._of["start", name]:
                for one in task.after:
                    if not any(end.at < start.at for end in self._of["end", one]):
                        yield f"{name}, attempt {start.attempt} started before {one}, which it comes after, had ended"
        for (name, attempt), how in self._final.attempts.items():
            if how.outcome == "done" and self._final.states.get(name) == "done":
                starts = [line.at for line in self._of["start", name] if line.attempt == attempt]
                yield from self._of_the_last(name, attempt, max(starts, default=0))

    def _of_the_last(self, name: str, attempt: int, start: int) -> Iterator[str]:
        """The attempt that counts started after those of its predecessors that count."""
        if attempt != self._that_counts(name, "done"):
            return
        task = self._tasks[name]
        for one in (*task.after, *task.after_any):
            counts = self._that_counts(one, "done", "failed")
            ends = [end.at for end in (*self._of["end", one], *self._of["failed", one]) if end.attempt == counts]
            if ends and min(ends) > start:
                yield f"{name}, attempt {attempt} counts, but started before the attempt of {one} that counts had ended"

    def _that_counts(self, name: str, *outcomes: str) -> int:
        """Return the last attempt with one of these outcomes; 0 when there is none."""
        attempts = self._final.attempts.items()
        return max((number for (of, number), how in attempts if of == name and how.outcome in outcomes), default=0)

    def company(self) -> Iterator[str]:
        for name in self._tasks:
            for beside in self._of["beside", name]:
                others = [start for start in self._of["start", name] if start.at < beside.at]
                if not any(self._was_cut_off(other.worker, beside.at) for other in others):
                    yield f"{name}, attempt {beside.attempt} ran beside an earlier one, whose worker was not cut off"

    def _was_cut_off(self, worker: str, until: int) -> bool:
        cuts = [line for line in self._trace[:until] if line.kind == "cut"]
        return any(line.text in ("*", worker) for line in cuts) or self._is_forgotten(0, until)
