"""Output that waits on disk comes back as it was, and takes up little more room than it has bytes."""

from __future__ import annotations

import errno
import os
import random

import pytest

from dwork.output import spool
from dwork.output.spool import Extent, Spool


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "FILE", 1000)
    monkeypatch.setattr(spool, "SLACK", 5000)


def size(spool: Spool) -> int:
    return sum(os.fstat(file.file.fileno()).st_size for file in spool._files)


def test_each_task_gets_back_its_own_pieces_in_order_and_nothing_is_left() -> None:
    rng = random.Random(1)
    spool = Spool()
    waiting: dict[int, tuple[list[Extent], bytes]] = {}
    for _ in range(5000):
        id = rng.randrange(20)
        extents, data = waiting.pop(id, ([], b""))
        if extents and rng.random() < 0.2:
            assert b"".join(spool.read(extents)) == data
        elif extents and rng.random() < 0.1:
            spool.forget(extents)
        else:
            piece = rng.randbytes(rng.randrange(1, 300))
            waiting[id] = [*extents, spool.write(piece)], data + piece
        assert spool.waiting == sum(len(data) for _, data in waiting.values())
        assert spool.size == size(spool) <= 3 * spool.waiting + 8000
    for extents, data in waiting.values():
        assert b"".join(spool.read(extents)) == data
    assert (spool.waiting, spool.size, size(spool)) == (0, 0, 0)


def test_a_slow_task_keeps_little_of_what_others_have_printed() -> None:
    spool = Spool()
    slow = []
    for i in range(2000):
        if i % 20 == 0:
            slow.append(spool.write(b"%04d" % i))
        spool.forget([spool.write(b"x" * 100)])
    assert size(spool) < 8000
    assert b"".join(spool.read(slow)) == b"".join(b"%04d" % i for i in range(0, 2000, 20))


def test_a_full_disk_loses_nothing_that_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool()
    kept = [spool.write(b"kept" * 100) for _ in range(5)]

    def full(*of: object) -> int:
        raise OSError(errno.ENOSPC, "")

    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(os, "pwrite", full)
        spool.write(b"new")
    assert b"".join(spool.read(kept)) == b"kept" * 500
    assert size(spool) == 0
