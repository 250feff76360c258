"""When a log is told how far a run is."""

from __future__ import annotations

from dwork.core import events as e
from dwork.progress.lines import LEAST, Lines, due
from dwork.progress.listener import Progress, Silence
from tests.unit.progress.stage import BEGIN, Play, stand

WEEK = 7 * 86_400.0
SOMETHING = [e.Stopping(BEGIN, "something", False)]


def test_a_log_of_a_week_has_some_hundred_lines() -> None:
    told, n = 0.0, 0
    while (told := due(0.0, told)) < WEEK:
        n += 1
        assert n < 300
    assert n > 100


def test_the_first_line_comes_soon_and_the_others_ever_more_rarely() -> None:
    assert due(BEGIN, BEGIN) == BEGIN + LEAST
    assert due(BEGIN, BEGIN + 100) == BEGIN + 100 + LEAST
    assert due(BEGIN, BEGIN + 10_000) == BEGIN + 10_500


class Log:
    """A pool that is acted out, with a log: it sleeps as the real one does, until it is time or something happens."""

    def __init__(self, play: Play) -> None:
        self.play = play
        self.lines: list[str] = []
        self.looks = 0
        self.progress = Progress(Lines(self.lines.append), self._stand)

    def _stand(self, now: float) -> object:
        self.looks += 1
        return self.play.at(now - BEGIN)

    def run(self, moments: list[float]) -> list[str]:
        """Something happens at these moments."""
        self.progress.begin(BEGIN)
        for moment in moments:
            while self.progress.next < BEGIN + moment:
                self.progress.look(self.progress.next)
            self.progress.hear(SOMETHING)
            self.progress.look(BEGIN + moment)
        return self.lines


def test_a_run_of_some_seconds_leaves_no_line() -> None:
    play = Play([0.5] * 36, 2)
    assert Log(play).run([0.5 * i for i in range(1, 19)]) == []


def test_a_week_of_tasks_leaves_a_log_that_can_be_read() -> None:
    play = Play([600.0] * 1008 * 4, 4)
    lines = Log(play).run([600.0 * i for i in range(1, 1009)])
    assert 90 < len(lines) < 300
    assert lines[0].startswith("4 of 4,032 done after 10:00, 4 running, 4,024 ready; ")
    assert all("about" in line for line in lines[:-1])


def test_nothing_is_told_while_nothing_changes_and_nobody_wakes_up_for_it() -> None:
    log = Log(Play([86_400.0] * 2, 1))
    lines = log.run([0.1, 86_400.1])
    assert [line.split(",")[0] for line in lines] == ["1 of 2 done after 24:00:00"]
    assert log.looks < 10


def test_what_has_changed_before_it_was_time_is_told_when_it_is() -> None:
    log = Log(Play([3.0, 1000.0], 1))
    lines = log.run([3.0, 4.5, 1003.0])
    assert lines[0].startswith("1 of 2 done after 10 s")


def test_silence_is_never_broken() -> None:
    progress = Progress(Silence(), lambda now: stand(done=1))
    progress.begin(BEGIN)
    progress.hear(SOMETHING)
    assert progress.next == float("inf")
    progress.look(BEGIN + WEEK)


def test_a_pace_needs_looks_between_two_lines() -> None:
    log = Log(Play([1.0] * 10_000, 1))
    lines = log.run([float(i) for i in range(1, 5000)])
    assert "1.0 tasks/s" in lines[-1] and "about 8" in lines[-1], lines[-1]
