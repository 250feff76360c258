"""Frames that nobody means well do a hub no harm."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.long import LONG, rounds, seed
from tests.simulation.hub_target import SEEDS, Target, mutated

FRAMES = st.binary(max_size=64) | st.sampled_from(SEEDS) | st.builds(
    lambda frame, seed: mutated(frame, random.Random(seed)), st.sampled_from(SEEDS), st.integers(0, 2**32)
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), FRAMES), max_size=40))
def test_a_hub_survives_any_frames(frames: list[tuple[int, bytes]]) -> None:
    target = Target()
    for peer, frame in frames:
        target.feed(peer, frame)
    target.hub.check()


@pytest.mark.skipif(not LONG, reason="takes minutes; .ci/long fuzz runs it")
def test_a_million_frames_do_not_crash_it_and_leak_nothing() -> None:
    program = Path(__file__).with_name("hub_target.py")
    words = [sys.executable, program, str(20_000 * rounds(1, 50)), str(seed())]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=3600)
    assert ran.returncode == 0, ran.stderr
    grown = re.search(r"([\d,]+) KiB more", ran.stdout)
    assert grown and int(grown[1].replace(",", "")) < 20_000, ran.stdout
