"""Rows that come from a hub are checked once: what has not their keys and types is refused, and the reason named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dwork.core.row_json import pack, unpack
from dwork.core.rows import RunView, TaskRow, WorkerRow
from tests.rows import crew_row, run_view, task_row


def test_what_was_packed_is_unpacked() -> None:
    assert unpack(pack(run_view()), RunView) == run_view()
    rows = [task_row(1, "a", "ready"), task_row(2, "b", "done", attempt=3, ended=1e9, exit_status=0)]
    assert unpack(pack(rows), list[TaskRow]) == rows
    assert unpack(b"[]", list[WorkerRow]) == []


def test_keys_that_a_newer_hub_adds_are_kept() -> None:
    assert unpack(pack(run_view(phase="full")), RunView)["phase"] == "full"  # type: ignore[typeddict-item]


def test_a_whole_number_may_stand_for_a_time_but_not_a_fraction_for_a_count() -> None:
    assert unpack(pack(run_view(time=7)), RunView)["time"] == 7
    with pytest.raises(ValueError, match=r"its running is 7\.5"):
        unpack(pack(run_view(running=7.5)), RunView)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, "it has no time"),
        (7, "7 is not expected here"),
        ([], r"\[\] is not expected here"),
        (None, "None is not expected here"),
        (run_view(time="x"), "its time is 'x'"),
        (run_view(over=None), "its over is None"),
        (run_view(job_end="soon"), "its job_end is 'soon'"),
        (run_view(counts=[]), r"its counts is \[\]"),
        (run_view(counts={"done": "2"}), "its counts is {'done': '2'}"),
        (run_view(tasks=7), "its tasks is 7"),
        (run_view(crew=[{}]), "it has no location"),
        (run_view(crew=[crew_row("n1", cores="two")]), "its cores is 'two'"),
        (run_view(run={"tasks": "x"}), "it has no host"),
    ],
)
def test_what_has_not_the_keys_and_types_of_a_row_is_refused(value: Any, why: str) -> None:
    with pytest.raises(ValueError, match=f"^{why}$"):
        unpack(json.dumps(value).encode(), RunView)


@pytest.mark.parametrize("data", [b"", b"\xff", b"{", b"[" * 100_000])
def test_what_is_no_json_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        unpack(data, RunView)
