"""The commands that draw: graph and trace, of the record of a real run; and what report says before it draws."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dwork.core.text import shown
from tests.conftest import ROOT
from tests.needs import missing

STRANGE = 'x"; bad \\" &lt;b&gt; <script>alert(1)</script> `[{}]` #1'
TASKS = f"""\
echo mesh #DWORK name=mesh
exit 3 #DWORK name=bad after=mesh
echo never #DWORK name=never after=bad
sleep 0.05 #DWORK name=case-1 after=mesh
sleep 0.05 #DWORK name=case-2 after=mesh
sleep 0.05 #DWORK name=case-3 after=mesh
no-such-program-here #DWORK name=missing
true #DWORK {json.dumps("name=" + STRANGE)}
#DWORK barrier
true #DWORK name=last
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a pool that has run to its end, three tasks at a time."""
    directory = tmp_path_factory.mktemp("pictured")
    (directory / "tasks.txt").write_text(TASKS)
    pool = [sys.executable, "-m", "dwork.pool", "tasks.txt", "--no-bridge", "--slots", "3", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(pool, cwd=directory, env=environment, capture_output=True, timeout=60)
    assert ran.returncode == 1, ran.stderr
    return directory / "tasks.txt.db"


@pytest.fixture
def draw(dquery: Any, record: Path) -> Callable[..., Any]:
    return lambda *words: dquery(*words, "-f", str(record))


# -- graph ----------------------------------------------------------------------------------------------------------


def test_graph_has_a_box_for_each_task_a_point_for_a_barrier_and_the_arrows_between(draw: Any) -> None:
    ran = draw("graph")
    lines = [line.strip() for line in ran.out.splitlines()]
    assert (ran.status, ran.err, lines[0], lines[-1]) == (0, "", "digraph tasks {", "}")
    assert sum("label=" in line for line in lines) == 9 and sum("shape=point" in line for line in lines) == 1
    assert 't1 [label="bad", tooltip="bad: 1 failed", fillcolor="#d55e00"];' in lines
    assert {"t0 -> t1;", "t1 -> t2;", "t0 -> t3;"} < set(lines)


def test_graph_puts_tasks_together_when_they_are_too_many_and_says_so(draw: Any) -> None:
    ran = draw("graph", "--most", "8", "--json")
    found = json.loads(ran.out)
    assert {"label": "case-*", "tasks": 3, "states": {"done": 3}, "join": False} in found["groups"]
    assert found["by"] == "name and predecessors"
    ran = draw("graph", "--most", "8")
    assert ran.err == "9 tasks drawn as 8, by name and predecessors\n"
    assert '[label="case-*\\n3 tasks"' in ran.out
    striped = draw("graph", "--most", "1").out
    assert 'label="depths 0 to 4\\n9 tasks\\n5 done, 2 skipped, 2 failed"' in striped
    assert 'style=striped, fillcolor="#d55e00;0.222:#a894c8;0.222:#4c9bd6"' in striped


def test_graph_is_written_to_a_file_whose_ending_tells_what_it_is(draw: Any, tmp_path: Path) -> None:
    for name, start in (("g.dot", "digraph"), ("g", "digraph"), ("g.mmd", "flowchart LR"), ("g.MERMAID", "flowchart")):
        assert draw("graph", "-o", str(tmp_path / name)) == (0, "", "")
        assert (tmp_path / name).read_text().startswith(start)
    assert draw("graph", "-o", str(tmp_path / "g.mmd"), "--format", "dot").status == 0
    assert (tmp_path / "g.mmd").read_text().startswith("digraph")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g", "g.MERMAID", "g.dot", "g.mmd"]


def test_graph_as_mermaid_has_nothing_in_its_labels_that_means_something(draw: Any) -> None:
    lines = draw("graph", "--format", "mermaid").out.splitlines()
    assert '  t0["mesh"]:::done' in lines and '  t8(("&nbsp;")):::join' in lines and "  t0 --> t1" in lines
    (strange,) = (line for line in lines if line.startswith('  t7["'))
    label = strange.removeprefix('  t7["').partition('"]')[0]
    assert label.startswith("x#34;; bad #92;#34; #38;lt;b#38;gt;") and not set(label) & set('"<>`[]{}&\\')


def test_graphviz_draws_it_and_shows_names_as_they_are(draw: Any, tmp_path: Path) -> None:
    if shutil.which("dot") is None:
        missing("dot")
    svg = tmp_path / "graph.svg"
    assert draw("graph", "-o", str(svg)) == (0, "", "")
    tree = ElementTree.parse(svg)
    texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert {"mesh", "bad", "case-3"} < set(texts)
    assert [text for text in texts if text and text.startswith("x")] == [shown(STRANGE, 40)]
    assert not list(tree.iter("{http://www.w3.org/2000/svg}script"))


def test_without_graphviz_svg_is_one_line_and_no_file(
    draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    old = tmp_path / "graph.svg"
    old.write_text("old")
    ran = draw("graph", "-o", str(old))
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "SVG needs Graphviz's program dot" in ran.err
    assert old.read_text() == "old" and list(tmp_path.iterdir()) == [old]


def test_what_dot_complains_of_is_one_line(draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dot = tmp_path / "dot"
    dot.write_text("#!/bin/sh\necho 'Error: no\x1b[2J idea' >&2\nexit 3\n")
    dot.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert draw("graph", "--format", "svg")[1:] == ("", "dquery: dot cannot draw it: Error: no\\x1b[2J idea\n")


def test_a_file_that_cannot_be_written_is_one_line(draw: Any, here: Path) -> None:
    for command in ("graph", "trace"):
        complaint = "dquery: no/file cannot be written: No such file or directory; choose another with -o\n"
        assert draw(command, "-o", "no/file") == (2, "", complaint)
    assert draw("graph", "-o", str(here)).status == 2
    if os.path.exists("/dev/full"):
        assert "No space left" in draw("trace", "-o", "/dev/full").err


# -- trace ----------------------------------------------------------------------------------------------------------


def traced(draw: Any, tmp_path: Path) -> list[dict[str, Any]]:
    """The events that trace writes, each found to be as the format asks."""
    path = tmp_path / "trace.json"
    assert draw("trace", "-o", str(path)) == (0, "", "")
    whole = json.loads(path.read_text())
    assert whole["displayTimeUnit"] == "ms"
    for event in whole["traceEvents"]:
        assert_well_formed(event)
    return list(whole["traceEvents"])


def assert_well_formed(event: dict[str, Any]) -> None:
    """The fields of the kinds of events that there are here, with their types."""
    numbers = {"X": ("ts", "dur"), "i": ("ts",), "s": ("ts", "id"), "f": ("ts", "id"), "M": ()}[event["ph"]]
    assert all(type(event[field]) is int and event[field] >= 0 for field in (*numbers, "pid", "tid")), event
    assert isinstance(event["name"], str)
    if event["ph"] == "M":
        name = "sort_index" if event["name"].endswith("sort_index") else "name"
        assert event["name"] in {"process_name", "process_sort_index", "thread_name", "thread_sort_index"}
        assert set(event["args"]) == {name}
    else:
        assert isinstance(event["cat"], str)
    assert event["ph"] != "i" or event["s"] == "t"
    assert event["ph"] != "f" or event["bp"] == "e"


def test_trace_has_each_attempt_in_a_thread_of_its_slot(draw: Any, tmp_path: Path) -> None:
    events = traced(draw, tmp_path)
    slices = [event for event in events if event["ph"] == "X" and event["cat"] != "run"]
    assert {event["name"] for event in slices} == {
        "mesh", "case-1", "case-2", "case-3", STRANGE, "bad [failed]", "missing [failed]"
    }  # fmt: skip
    bad = next(event for event in slices if event["name"].startswith("bad"))
    assert bad["args"].items() >= {"task": 1, "attempt": 1, "outcome": "failed", "exit_status": 3}.items()
    assert bad["args"].get("max_rss", 1) > 0 and bad["cname"] == "terrible"
    gone = next(event for event in slices if event["name"].startswith("missing"))
    assert gone["args"]["exit_status"] == 127 and "cannot start" in gone["args"]["reason"]
    run = next(event for event in events if event["ph"] == "X" and event["cat"] == "run")
    assert run["name"] == "run 1: some failed" and "tasks.txt" in run["args"]["command"]
    assert all(run["ts"] <= event["ts"] <= event["ts"] + event["dur"] <= run["ts"] + run["dur"] for event in slices)


def test_slices_of_a_thread_do_not_overlap_and_every_thread_and_process_has_a_name(draw: Any, tmp_path: Path) -> None:
    events = traced(draw, tmp_path)
    slices = sorted((e["tid"], e["ts"], e["ts"] + e["dur"]) for e in events if e["ph"] == "X")
    for (tid, _, end), (next_tid, start, _) in itertools.pairwise(slices):
        assert tid != next_tid or end <= start
    threads = {event["tid"] for event in events if event["ph"] == "X" and event["cat"] != "run"}
    named = {event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"}
    assert set(named) == threads and len(threads) == 3
    assert sum(name.endswith((", slot 2", ", slot 3")) for name in named.values()) == 2
    processes = {event["pid"] for event in events}
    assert {event["pid"] for event in events if event["name"] == "process_name"} == processes and len(processes) == 2
    assert not processes & threads


def test_arrows_lead_from_within_a_slice_to_the_start_of_one_after_it(draw: Any, tmp_path: Path) -> None:
    events = traced(draw, tmp_path)
    slices = {event["args"]["task"]: event for event in events if event["ph"] == "X" and event["cat"] != "run"}
    starts = {event["id"]: event for event in events if event["ph"] == "s"}
    ends = {event["id"]: event for event in events if event["ph"] == "f"}
    assert len(starts) == len(ends) == 3  # mesh to each case; those of tasks that failed or never ran are not drawn
    for number, start in starts.items():
        assert start["tid"] == slices[0]["tid"] and ends[number]["tid"] in {slices[i]["tid"] for i in (3, 4, 5)}
        assert slices[0]["ts"] <= start["ts"] < slices[0]["ts"] + max(1, slices[0]["dur"])
        assert ends[number]["ts"] in {slices[i]["ts"] for i in (3, 4, 5)}


def test_trace_goes_to_standard_output(draw: Any) -> None:
    ran = draw("trace")
    assert ran == draw("trace", "--json") and (ran.status, ran.err) == (0, "")
    assert json.loads(ran.out)["traceEvents"]


# -- report ---------------------------------------------------------------------------------------------------------


def test_report_without_plotly_is_one_line_that_says_what_to_install(
    draw: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    ran = draw("report", "-o", str(tmp_path / "report.html"))
    assert ran == (2, "", "dquery: a report needs Plotly; run pip install plotly\n")
    assert not list(tmp_path.iterdir())


def test_report_tells_its_numbers_as_json_without_plotly(draw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    ran = draw("report", "--json")
    found = json.loads(ran.out)
    assert (ran.status, ran.err) == (0, "")
    assert found["states"] == {"done": 5, "failed": 2, "skipped": 2}
    assert found["outcomes"] == {"done": 5, "failed": 2}
    assert found["chain"][0] == "mesh" and found["chain"][1].startswith("case-")
    assert found["chain_seconds"] >= 0.05 and 0 < found["used"] <= 1
    assert {kind["name"]: kind["attempts"] for kind in found["kinds"]}["case-*"] == 3
    assert [run["outcome"] for run in found["runs"]] == ["some failed"]
