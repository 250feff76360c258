"""The simulated pool: the same each time, never better than perfect, and with a hub that does one thing at a time."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _costs import Costs, measured
from _simulation import DISTRIBUTIONS, Outcome, Setup, simulate


def facts(outcome: Outcome) -> Outcome:
    """Without what depends on the machine."""
    return replace(outcome, core=0.0)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("slots", [1, 4])
def test_the_same_seed_gives_the_same_run_and_another_seed_another(distribution: str, slots: int) -> None:
    setup = Setup(6, 0.02, slots, 5, distribution)
    once = simulate(setup, Costs())
    assert facts(simulate(setup, Costs())) == facts(once)
    assert facts(simulate(replace(setup, seed=2), Costs())).makespan != once.makespan


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("shape", ["independent", "chains", "stencil"])
@pytest.mark.parametrize("seconds", [0.001, 0.1, 3.0])
def test_no_pool_is_better_than_perfect(distribution: str, shape: str, seconds: float) -> None:
    outcome = simulate(Setup(5, seconds, 2, 6, distribution, shape), Costs())
    assert 0 < outcome.efficiency <= 1
    assert 0 < outcome.load <= 1
    assert outcome.tasks == 60


def test_the_hub_is_one_server_which_no_number_of_workers_makes_quicker() -> None:
    costs = replace(Costs(), hub_message=0.001, hub_task=0.001, naps=False)
    outcome = simulate(Setup(200, 0.01, 1, 10), costs)
    least = outcome.messages * costs.hub_message + outcome.tasks * costs.hub_task
    assert outcome.hub_busy == pytest.approx(least, rel=0.01)
    assert outcome.makespan >= outcome.hub_busy
    assert outcome.load > 0.95


def test_a_pool_whose_messages_cost_nothing_loses_what_processes_cost_and_no_more() -> None:
    free = Costs(0, 0, 0, 0, 0, start=0.01, reap=0.01, child=0.08, naps=False)
    outcome = simulate(Setup(1, 0.9, 1, 20), free)
    assert outcome.makespan == pytest.approx(20 * 1.0, rel=0.001)


def test_many_slots_save_messages_when_the_hub_is_slow() -> None:
    """Each end of a task by itself, as it was once, would be more than a message a task."""
    outcome = simulate(Setup(20, 0.05, 64, 10), replace(Costs(), hub_message=0.0005))
    assert outcome.messages < outcome.tasks / 2


def test_tasks_without_processes_take_few_messages() -> None:
    outcome = simulate(Setup(2, 0.0, 1, 5_000), Costs())
    assert outcome.messages < outcome.tasks / 20
    assert outcome.work == 0.0


def test_costs_are_read_from_what_was_measured_and_defaults_are_told() -> None:
    fixed = {
        f"fixed {name}": [[rate, batch, 60 / batch + 4, 40 / batch + 8]]
        for name, rate, batch in (("1 lockstep", 4000, 1), ("16 pipelined", 60_000, 16), ("64 pipelined", 120_000, 64))
    }
    slots = {"tasks": 1000, "rate, 1 slots": {"dwork": [[2, 1.2, 900]]}, "rate, 64 slots": {"dwork": [[2, 0.8, 900]]}}
    conditions = {"time": "2026-01-01"}
    costs, sources = measured({"dispatch": {"details": fixed, "conditions": conditions}})
    assert (costs.hub_message, costs.hub_task) == (pytest.approx(30e-6), pytest.approx(4e-6))
    assert (costs.worker_message, costs.no_op) == (pytest.approx(40e-6), pytest.approx(8e-6))
    assert costs.start == Costs().start
    busy, _ = measured({"dispatch": {"details": {**fixed, "crowd": [[13_000, 1, 44, 90]]}, "conditions": conditions}})
    assert busy == replace(costs, hub_message=pytest.approx(20e-6))
    assert [source.split()[0] for source in sources] == ["dispatch.py", "defaults"]
    costs, sources = measured({"slots": {"details": slots, "conditions": conditions}})
    assert costs.start + costs.reap == pytest.approx(0.0008)
    assert costs.child == pytest.approx(0.0004)
    assert measured({})[0] == Costs()
