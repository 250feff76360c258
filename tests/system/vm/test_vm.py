"""What needs a kernel of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import ROOT
from tests.system.vm import machine


def test_tasks_are_held_to_their_memory_by_control_groups(tmp_path: Path) -> None:
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--color=no",
        "-p",
        "no:cacheprovider",
        "tests/system/vm/held_tasks.py",
    ]
    status, said = machine.run(words, ROOT, tmp_path, limit=300)
    assert status == 0, said
    assert " passed" in said
