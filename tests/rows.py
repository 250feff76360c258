"""Rows as a hub sends them, for tests that need one without a hub."""

from __future__ import annotations

from typing import Any

from dwork.core.rows import CrewRow, FailureRow, RunningRow, RunView, TaskRow

BEFORE_IT_RAN = dict.fromkeys(("culprit", "attempt", "worker", "started", "ended", "exit_status", "signal", "cause"))


def task_row(id: int, name: str, state: str, **more: Any) -> TaskRow:
    row = {"id": id, "name": name, "state": state, "held": False, "command": name, "reason": None, **BEFORE_IT_RAN}
    return {**row, **more}  # type: ignore[typeddict-item]


def crew_row(location: str, **more: Any) -> CrewRow:
    row = {
        **{"location": location, "workers": 1, "busy": 0, "slots": None, "held": 0, "ended": 0},
        **{"rate": None, "silent": None, "excluded": ""},
    }
    return {**row, **more}  # type: ignore[typeddict-item]


def run_view(time: float = 100.0, **more: Any) -> RunView:
    tasks: list[RunningRow] = [
        {"id": 4, "name": "solve-4", "worker": "n1:1", "since": 90.0, "attempt": 1},
        {"id": 5, "name": "mesh", "worker": "n1:1", "since": 99.0, "attempt": 2},
    ]
    failures: list[FailureRow] = [
        {"id": 3, "name": "solve-3", "worker": "n2:1", "attempt": 1, "time": 95.0, "how": "exit status 3",
         "again": False, "stderr": "one\n\n1%\r2%\rtwo\n\x1b[2J\tthree\n"},
    ]  # fmt: skip
    row: RunView = {
        "time": time,
        "run": {"tasks": "/home/me/tasks.txt", "host": "n1", "pid": 1, "job": "4711", "started": 40.0},
        "counts": {"waiting": 1, "ready": 5, "assigned": 2, "done": 2, "failed": 1},
        "running": 2,
        "cores": 2,
        "busy": 2,
        "slots": 4,
        "ended": 3,
        "seconds": 6.0,
        "stopping": "",
        "over": False,
        "job_end": None,
        "workers": 2,
        "crew": [crew_row("n1:1", busy=2, slots=2, ended=3, rate=0.5, silent=1.0), crew_row("n2:1")],
        "tasks": tasks,
        "failures": failures,
    }
    return {**row, **more}  # type: ignore[typeddict-item]
