"""Formats by ending."""

from __future__ import annotations

import pytest

from dwork.taskfile import Source, format_of


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tasks.txt", "lines"),
        ("a.b/t.CSV", "csv"),
        ("t.jsonl", "jsonl"),
        ("t.dag", "dag"),
        ("t.sh", "csv"),
        ("dir.dag/tasks", "csv"),
        ("-", "csv"),
        ("", "csv"),
    ],
)
def test_the_ending_tells_the_format(path: str, name: str) -> None:
    assert format_of(path, "csv") == name


def test_a_source_has_a_format_that_exists() -> None:
    with pytest.raises(ValueError, match="the formats are lines, csv, jsonl, dag"):
        Source("t.txt", b"", "yaml")
