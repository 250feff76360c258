"""Whether, how far and why a hub stops: a later stop never takes back an earlier one."""

from __future__ import annotations

from dwork.hub.stop import OPEN, Phase


def test_the_first_reason_of_a_stop_stays() -> None:
    assert OPEN.further(Phase.CLOSED, "a", for_later=True).further(Phase.KILLING, "b", for_later=True).reason == "a"


def test_a_later_phase_of_a_stop_never_goes_back() -> None:
    stop = OPEN.further(Phase.IN_DOUBT, "a", for_later=True).further(Phase.CLOSED, "b", for_later=True)
    assert stop.phase is Phase.IN_DOUBT


def test_what_is_left_to_another_run_stays_so_when_too_much_fails() -> None:
    stop = OPEN.further(Phase.CLOSED, "a", for_later=True).further(Phase.KILLING, "b", for_later=False)
    assert stop.interrupts
