"""Print a line for each folder of dwork/: its statements, how many of them ran, and how many of its branches.

`make coverage` runs it on the JSON report of coverage.py. Programs and what runs in other processes are not measured,
so only the pure folders can be near 100 %.
"""

from __future__ import annotations

import json
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any


def folder(path: str) -> str:
    """That in dwork/, or the file itself when it is at the top."""
    return Path(path).parts[1]


def table(report: dict[str, Any]) -> list[str]:
    """report: as coverage.py writes it."""
    sums: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path, file in report["files"].items():
        counts = {name: count for name, count in file["summary"].items() if isinstance(count, int)}
        for name in (folder(path), "all"):
            sums[name].update(counts)
    lines = [f"{'dwork/':16}{'statements':>12}{'run':>8}{'branches':>12}{'taken':>8}"]
    for name in [*sorted(sums.keys() - {"all"}), "all"]:
        of = sums[name]
        run, taken = of["covered_lines"], of["covered_branches"]
        lines.append(
            f"{name:16}{of['num_statements']:12}{_percent(run, of['num_statements'])}"
            f"{of['num_branches']:12}{_percent(taken, of['num_branches'])}"
        )
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:6.1f} %" if whole else f"{'-':>8}"


if __name__ == "__main__":
    print(*table(json.loads(Path(sys.argv[1]).read_text())), sep="\n")
