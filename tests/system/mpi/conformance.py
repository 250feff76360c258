"""The conformance suite of transports over MPI; every rank runs this, rank 0 prints `conforms` at the end.

Not a test by itself: test_mpi_transport.py starts it under mpirun.
"""

from __future__ import annotations

import sys
import time

from dwork.transport import HUB, Peer
from dwork.transport.mpi import Mpi, start

MIB = 1024 * 1024
SIZES = (0, 1, MIB, 64 * MIB)
N = 1000
#: Whether worker 1 says something at the very end, which the hub may or may not still take in.
UNREAD = len(sys.argv) > 1


def receive(end: Mpi, n: int) -> list[tuple[Peer, bytes]]:
    """n frames, looked for as often as nap says."""
    frames: list[tuple[Peer, bytes]] = []
    while len(frames) < n:
        frames += end.receive()
        if len(frames) < n:
            time.sleep(end.nap())
    assert len(frames) == n or UNREAD, "no frame comes twice"
    return frames[:n]


def hub(end: Mpi) -> None:
    """Echo each size to each worker, then check that frames kept their order."""
    assert end.peers == list(range(1, len(end.peers) + 1))
    for size in SIZES:
        for peer, frame in receive(end, len(end.peers)):
            assert len(frame) == size
            end.send(peer, frame)
    counts = dict.fromkeys(end.peers, 0)
    for peer, frame in receive(end, N * len(end.peers)):
        assert frame == b"%d" % counts[peer], "frames of one peer arrive in order"
        counts[peer] += 1
    assert end.lost() == []
    print("conforms")


def worker(end: Mpi) -> None:
    for size in SIZES:
        frame = b"\x5a" * size
        end.send(HUB, frame)
        assert receive(end, 1) == [(HUB, frame)]
    for i in range(N):
        end.send(HUB, b"%d" % i)


def main() -> None:
    world = start()
    end = Mpi(world)
    (hub if world.rank == 0 else worker)(end)
    if UNREAD and world.rank == 1:
        end.send(HUB, b"said at the very end, and read by nobody")
    end.close()


main()
