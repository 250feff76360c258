"""What a line says of a run, in a log and on terminals of any width."""

from __future__ import annotations

from typing import Any

import pytest

from dwork.progress.pace import Pace
from dwork.progress.words import GAP, NARROW, about, line, rate, sentence
from tests.unit.progress.stage import BEGIN, stand

WIDTHS = [200, 120, 100, 80, 60, 45, 40, 39, 30, 20, 12, 5, 1]


def paced(rate: float = 0.0, left: float | None = None) -> Pace:
    """A pace that has seen tasks of a second end at a rate, of which some are left."""
    pace = Pace()
    if rate:
        pace.see(stand(0.0, ready=1))
        pace.see(stand(100.0, done=int(100 * rate), ready=int(rate * (left or 0.0)), slots=1, seconds=100 * rate))
    return pace


def shown(width: int, **how: Any) -> str:
    return GAP.join(part.text for part in line(stand(100.0, **how), paced(12.3, 3190.0), width).parts)


def test_a_sentence_tells_all_that_there_is() -> None:
    at = stand(100.0, done=1200, failed=3, running=16, ready=38_781, slots=16)
    assert sentence(at, paced(12.3, 3190.0), BEGIN) == (
        "1,200 of 40,000 done after 1:40, 3 failed, 16 running, 38,781 ready; "
        "12.3 tasks/s, 16 of 16 slots busy, about 53 min left"
    )


def test_a_sentence_tells_nothing_of_what_there_is_not() -> None:
    assert sentence(stand(10.0, ready=7), Pace(), BEGIN) == "0 of 7 done after 10 s, 7 ready"
    at = stand(4000.0, done=1, failed=1, skipped=2, cancelled=3, assigned=5, running=2, waiting=8, slots=4, busy=3)
    assert sentence(at, Pace(), BEGIN) == (
        "1 of 20 done after 1:06:40, 1 failed, 2 skipped, 3 cancelled, 2 running, 3 ready, 8 waiting; 3 of 4 slots busy"
    )


def test_a_wide_line_tells_all() -> None:
    how = {"done": 1200, "failed": 3, "skipped": 2, "running": 16, "ready": 30_000, "waiting": 8779, "slots": 16}
    assert shown(200, **how) == (
        "  3%  1,200/40,000  3 failed  2 skipped  16 running  30,000 ready  8,779 waiting  "
        "12.3/s  ~53 min left  16/16 busy"
    )


def test_a_narrower_one_tells_less_and_what_matters_most_remains() -> None:
    how = {"done": 1200, "failed": 3, "running": 16, "ready": 38_781, "slots": 16}
    assert shown(79, **how) == "  3%  1,200/40,000  3 failed  16 running  12.3/s  ~53 min left"
    assert shown(60, **how) == "  3%  1,200/40,000  3 failed  ~53 min left"
    assert shown(45, **how) == "  3%  1,200/40,000  3 failed"
    assert shown(39, **how) == "  3%  1,200/40,000  3 failed"
    assert shown(12, **how) == "1,200/40,000"
    assert shown(5, **how) == "1,200"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("n", [0, 1, 40_000, 10_000_000])
def test_no_line_is_wider_than_its_terminal(width: int, n: int) -> None:
    drawn = line(stand(100.0, done=n, failed=n, running=n, ready=n, waiting=n, slots=n), paced(12.3, 3190.0), width)
    text = GAP.join(part.text for part in drawn.parts)
    assert len(text) + (drawn.bar + len(GAP) if drawn.bar else 0) <= width
    assert bool(drawn.bar) == (width >= NARROW)


def test_a_hundred_percent_is_all() -> None:
    assert line(stand(done=39_999, running=1), Pace(), 80).parts[0].text == " 99%"
    assert line(stand(done=39_998, failed=1, skipped=1), Pace(), 80).parts[0].text == "100%"
    assert line(stand(), Pace(), 80).done == 1.0


def test_a_pool_that_stops_says_so_instead_of_a_time() -> None:
    assert "stopping" in shown(80, done=1, running=1, ready=5, stopping=True)
    assert "left" not in shown(80, done=1, running=1, ready=5, stopping=True)


@pytest.mark.parametrize(
    ("a_second", "text"),
    [
        (0.0, " "),
        (123_456.7, "123,457 tasks/s"),
        (12.34, "12.3 tasks/s"),
        (1.0, "1.0 tasks/s"),
        (0.5, "30.0 tasks/min"),
        (1 / 600, "6.0 tasks/h"),
        (1 / 86_400, " "),
    ],
)
def test_a_rate_has_the_unit_that_suits_it(a_second: float, text: str) -> None:
    assert " ".join(rate(a_second)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.1, "5 s"),
        (5.1, "10 s"),
        (89, "90 s"),
        (90, "2 min"),
        (53 * 60 + 20, "53 min"),
        (89 * 60, "89 min"),
        (90 * 60, "1.5 h"),
        (2 * 3600, "2 h"),
        (11.6 * 3600, "12 h"),
        (35.4 * 3600, "35 h"),
        (36 * 3600, "1.5 days"),
        (40 * 86_400, "40 days"),
    ],
)
def test_a_time_that_is_not_known_well_is_told_roughly(seconds: float, text: str) -> None:
    assert about(seconds) == text
