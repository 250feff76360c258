"""`make bench`: one HTML and one JSON of all benchmarks, whatever becomes of one of them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _report import figures, markdown, missed

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
GOOD = """
import json, sys
row = {"what": "a <thing>", "ours": 2.0, "unit": "s", "peer": 1.0, "ratio": 0.5, "bar": "ratio >= 1", "met": False}
lines = {"1 s": [[10, 100], [0.9, 0.5]]}
result = {"title": "Good & fine", "conditions": {}, "rows": [row, {**row, "what": "other", "met": True}],
          "notes": ["a | note"], "charts": [{"title": "t", "x": "cores", "y": "share", "lines": lines, "log": "x"}],
          "details": {"all": [1, 2, 3]}}
open(sys.argv[sys.argv.index("--json") + 1], "w").write(json.dumps(result))
print("measured")
"""
SCRIPTS = {
    "good": GOOD,
    "bad": "import sys; sys.exit('this cannot be measured')",
    "slow": "import threading; threading.Event().wait()",
    "mute": "print('nothing')",
}


@pytest.fixture
def suite(tmp_path: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """Runs the driver over scripts that stand for benchmarks."""
    for name, text in SCRIPTS.items():
        (tmp_path / f"{name}.py").write_text(text)

    def go(*names: str, limit: float = 30.0) -> Any:
        options = ("--scripts", tmp_path, "--place", tmp_path / "out", "--limit", limit)
        return run(sys.executable, BENCHMARKS / "run.py", *options, *names)

    return go


def test_a_benchmark_that_fails_is_told_and_the_others_run(suite: Callable[..., Any], tmp_path: Path) -> None:
    ran = suite("bad", "mute", "good")
    assert ran.code == 1
    assert "bad has failed: this cannot be measured" in ran.err
    assert "mute has failed: it wrote no results" in ran.err
    results = json.loads((tmp_path / "out" / "bench.json").read_text())
    assert list(results["benchmarks"]) == ["bad", "mute", "good"]
    assert results["benchmarks"]["good"]["rows"][0]["ours"] == 2.0
    assert "good: a <thing>: 2 s, ratio 0.50; the bar is ratio >= 1" in ran.out
    assert (tmp_path / "out" / "good.txt").read_text() == "measured\n"


def test_a_benchmark_that_never_ends_is_ended(suite: Callable[..., Any], tmp_path: Path) -> None:
    ran = suite("slow", "good", limit=3)
    assert "slow has failed: it took longer than 3 s" in ran.err
    assert "good" in json.loads((tmp_path / "out" / "bench.json").read_text())["benchmarks"]


def test_the_page_needs_nothing_else_and_says_first_what_is_missed(suite: Callable[..., Any], tmp_path: Path) -> None:
    assert suite("good").code == 0
    page = (tmp_path / "out" / "bench.html").read_text()
    assert "a &lt;thing&gt;" in page
    assert "<thing>" not in page.replace("\\u003cthing>", "")
    assert page.index("Missed bars") < page.index("Good &amp; fine")
    assert all(word in page for word in ("machine", "load at the start", "peers found", "a | note"))
    assert "<link" not in page
    assert "<script src" not in page


def test_an_unknown_benchmark_is_refused_with_the_names_of_those_that_are(suite: Callable[..., Any]) -> None:
    ran = suite("speed")
    assert ran.code == 2
    assert "there is no benchmark speed; there are core" in ran.err


def test_the_docs_page_has_the_tables_and_what_is_missed(suite: Callable[..., Any], tmp_path: Path) -> None:
    suite("bad", "good")
    results = json.loads((tmp_path / "out" / "bench.json").read_text())
    page = markdown(results)
    assert "| a &lt;thing> | 2 | 1 | s | 0.50 | ratio >= 1 | MISSED |" in page
    assert "a \\| note" in page
    assert page.index("## Missed bars") < page.index("## Good & fine")
    assert len(missed(results)) == 2
    ratios, curve = figures(results["benchmarks"]["good"])
    assert ratios["data"][0]["x"] == [0.5, 0.5]
    assert ratios["data"][1]["x"] == [1.0, 1.0]
    assert curve["layout"]["xaxis"]["type"] == "log"
    assert curve["data"][0]["name"] == "1 s"


def test_the_simulation_runs_as_a_benchmark(tmp_path: Path, run: Callable[..., Any]) -> None:
    out = tmp_path / "simulate.json"
    options = ("--ranks", 4, 40, "--seconds", 0.001, 0.1, "--slots", 4, "--rounds", 0, "--json", out)
    ran = run(sys.executable, BENCHMARKS / "simulate.py", *options)
    assert ran.code == 0, ran.err
    result = json.loads(out.read_text())
    assert {row["what"] for row in result["rows"]} >= {"METG(50%), 40 cores, one rank a core"}
    assert len(result["charts"]) == 3
    assert "METG(50%) is flat" in ran.out


def test_a_pool_with_fixed_batches_tells_what_the_simulation_needs(mpirun: list[str], run: Callable[..., Any]) -> None:
    ran = run(*mpirun, "-n", 3, sys.executable, BENCHMARKS / "_ranks.py", "fixed", 24, 2000)
    assert ran.code == 0, ran.err
    rate, batch, hub, worker = map(float, ran.out.split())
    assert rate > 0
    assert 1 <= batch <= 24
    assert 0 < hub < 1e6
    assert worker > 0
