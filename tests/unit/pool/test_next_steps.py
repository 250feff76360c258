"""What a pool advises to type when something is left of a run."""

from __future__ import annotations

import pytest

from dwork.connection.endpoint import Endpoint
from dwork.core.task import State
from dwork.hub.policy import Policy
from dwork.pool.next_steps import again, next_steps
from dwork.pool.settings import PoolSettings

COUNTS = dict.fromkeys(State, 0)


def settings(record: str = "my tasks.txt.db") -> PoolSettings:
    return PoolSettings(policy=Policy(), endpoint=Endpoint(), record=record, again="dwork-pool 'my tasks.txt'")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["--slots", "4", "a b.txt"], "dwork-pool --slots 4 'a b.txt'"),
        (["--fresh", "a.txt"], "dwork-pool a.txt"),
        (["--env", "TOKEN=secret", "a.txt"], "the same command"),
        (["--env=TOKEN=secret", "a.txt"], "the same command"),
        (["-f", "x.db", "-"], "the same command"),
    ],
)
def test_the_command_goes_on_and_shows_no_secret(words: list[str], command: str) -> None:
    assert again("dwork-pool", words, has_ranks=False) == command
    if command != "the same command":
        assert again("dwork pool", words, has_ranks=True) == f"mpirun ... {command.replace('dwork-pool', 'dwork pool')}"


def test_after_failures_come_the_two_commands_to_type() -> None:
    assert next_steps(settings(), {**COUNTS, State.DONE: 2, State.FAILED: 1}, 17) == [
        "to see why: dquery failed -f 'my tasks.txt.db'; for one task: dquery show '#17' -f 'my tasks.txt.db'",
        "to run what is left: dwork-pool 'my tasks.txt'",
    ]


def test_what_was_stopped_or_failed_in_earlier_runs_is_only_to_be_run_again() -> None:
    assert next_steps(settings(), {**COUNTS, State.READY: 2}, None) == [
        "to run what is left: dwork-pool 'my tasks.txt'"
    ]


def test_nothing_is_advised_when_all_is_done_or_no_record_can_go_on() -> None:
    assert next_steps(settings(), {**COUNTS, State.DONE: 2}, None) == []
    assert next_steps(settings(""), {**COUNTS, State.FAILED: 2}, 1) == []
