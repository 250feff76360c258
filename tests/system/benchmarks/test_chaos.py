"""What the chaos run proves, rule by rule; a short one on real programs. `.ci/long chaos` takes an hour."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from _chaos.graphs import Task, expected, random_graph
from _chaos.pasts import Attempt, Past
from _chaos.planted import PLANTS
from _chaos.planted.sitecustomize import FAULTS
from _chaos.proof import faults
from _chaos.traces import parse

from tests.long import LONG, rounds, seed

CHAOS = Path(__file__).parents[3] / "benchmarks" / "chaos.py"
TASKS = [Task("a"), Task("b", after=("a",))]
GOOD = """\
run 1
start a 1 10 h:1
end a 1 10 h:1
start b 1 11 h:1
end b 1 11 h:1
over 1 0
"""
DONE = Attempt("done", "", "h:1")
LOST = Attempt("lost", "died", "h:1")


def past(**attempts: list[Attempt]) -> Past:
    """What a record says after these attempts of a and b, with all of their output."""
    numbered = {(name, i + 1): how for name, hows in attempts.items() for i, how in enumerate(hows)}
    states = {name: "done" if DONE in hows else "waiting" for name, hows in attempts.items()}
    output = {key: Task(key[0]).output(key[1]) for key, how in numbered.items() if how.outcome == "done"}
    return Past(states, numbered, output)


def judged(trace: str, final: Past, **pasts: Past) -> str:
    """Return the faults of a trace and a record, joined. pasts: what the record said after each run."""
    by_run = {int(name.removeprefix("run")): each for name, each in pasts.items()}
    return "; ".join(faults(TASKS, list(parse(trace)), by_run, final))


def test_a_run_in_which_all_went_well_has_no_faults() -> None:
    assert judged(GOOD, past(a=[DONE], b=[DONE])) == ""


def test_a_task_that_did_not_end_as_its_graph_demands_is_found() -> None:
    assert "b must be done in the end, but the record says waiting" in judged(GOOD, past(a=[DONE], b=[LOST]))
    assert expected([Task("a", fails=-1), Task("b", after=("a",)), Task("c", after_any=("a",))]) == {
        "a": "failed",
        "b": "skipped",
        "c": "done",
    }


def test_a_done_task_without_a_true_end_after_its_start_is_found() -> None:
    early = GOOD.replace("end a 1 10 h:1\n", "")
    assert "a, attempt 1 is done in the record, but has no true end" in judged(early, past(a=[DONE], b=[DONE]))
    other = GOOD.replace("end a 1 10", "end a 1 99")
    assert "a, attempt 1 is done in the record, but has no true end" in judged(other, past(a=[DONE], b=[DONE]))


def test_output_that_is_not_whole_is_found() -> None:
    final = past(a=[DONE], b=[DONE])
    lacking = Past(final.states, final.attempts, {("a", 1): b"a 1 end\n"})
    assert "b, attempt 1 is done with 0 bytes of output, not the 8 that it printed" in judged(GOOD, lacking)


def test_an_attempt_that_the_record_does_not_know_is_found_unless_the_hub_was_killed() -> None:
    twice = GOOD.replace("start a 1", "start a 1 9 h:1\nstart a 2")
    assert "the record does not know it" in judged(twice, past(a=[DONE], b=[DONE]))
    known = past(a=[LOST, DONE], b=[DONE])
    assert judged(twice.replace("end a 1", "end a 2"), known) == ""
    same = GOOD.replace("start a 1", "start a 1 9 h:1\nstart a 1")
    assert "a, attempt 1 started twice in one life of the hub" in judged(same, past(a=[DONE], b=[DONE]))
    killed = GOOD.replace("start a 1", "start a 1 9 h:1\nover 1 killed\nrun 2\nstart a 1").replace(
        "over 1 0", "over 2 0"
    )
    assert judged(killed, past(a=[DONE], b=[DONE])) == ""


def test_a_task_that_was_done_in_an_earlier_run_and_runs_again_is_found() -> None:
    again = GOOD + "run 2\nstart a 2 12 h:1\nend a 2 12 h:1\nover 2 0\n"
    final = past(a=[DONE, DONE], b=[DONE])
    assert "a was done when run 1 had ended, but ran again" in judged(again, final, run1=past(a=[DONE], b=[DONE]))


def test_a_task_that_starts_before_its_predecessor_has_ended_is_found() -> None:
    lines = GOOD.splitlines(keepends=True)
    early = "".join([lines[0], lines[1], lines[3], lines[2], *lines[4:]])
    assert "b, attempt 1 started before a, which it comes after, had ended" in judged(early, past(a=[DONE], b=[DONE]))


def test_a_task_that_runs_beside_itself_is_found_unless_its_worker_was_cut_off() -> None:
    beside = GOOD.replace("start a 1", "start a 1 9 h:2\nbeside a 2 10 h:1\nstart a 2").replace("end a 1", "end a 2")
    final = past(a=[LOST, DONE], b=[DONE])
    assert "a, attempt 2 ran beside an earlier one" in judged(beside, final)
    assert judged(beside.replace("run 1", "run 1\ncut h:2"), final) == ""


def test_each_seed_has_its_graph() -> None:
    graphs = [random_graph(random.Random(seed), 50) for seed in (1, 1, 2)]
    assert graphs[0] == graphs[1] != graphs[2]
    names = [task.name for task in graphs[0]]
    assert all(names.index(one) < i for i, task in enumerate(graphs[0]) for one in (*task.after, *task.after_any))


def test_each_fault_that_can_be_planted_has_a_round_that_shows_it() -> None:
    assert {plant.name for plant in PLANTS} == FAULTS.keys()


@pytest.mark.mpi
def test_whatever_is_killed_stopped_or_cut_off_record_and_traces_agree(run: Callable[..., Any]) -> None:
    """CI leaves out what `.ci/long chaos` tries as well: runs whose launcher lets the other ranks go on."""
    n, limit = rounds(4, 200), 7200 if LONG else 900
    words = (
        ["--tasks", 50]
        if LONG
        else ["--tasks", 24, *(f"--only={name}" for name in ("alone", "dhub", "mpich", "network"))]
    )
    ran = run(sys.executable, CHAOS, "--seed", seed() or 1, "--rounds", n, *words, limit=limit)
    assert ran.code == 0, ran.out
    assert f"{n} rounds, 0 with faults" in ran.out
