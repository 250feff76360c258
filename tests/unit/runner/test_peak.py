"""The memory of a task, which is known only where it is more than the worker's."""

from __future__ import annotations

import pytest

from dwork.runner import peak
from dwork.runner.peak import Peaks

MIB = 1 << 20


def test_what_is_not_more_than_the_worker_s_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    own, reads = [40 * MIB], []
    monkeypatch.setattr(peak, "_own_peak", lambda: reads.append(1) or own[0])
    peaks = Peaks()
    assert [peaks.known(n * MIB) for n in (40, 1, 42, 44)] == [0, 0, 0, 0]
    assert len(reads) == 1, "it costs nothing for most"
    assert peaks.known(60 * MIB) == 60 * MIB
    own[0] = 80 * MIB
    assert [peaks.known(n * MIB) for n in (80, 60, 200)] == [0, 0, 200 * MIB]


def test_the_peak_of_this_process_is_read() -> None:
    assert MIB < peak._own_peak() < 1024 * 1024 * MIB
