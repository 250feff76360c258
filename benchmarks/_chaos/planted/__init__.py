"""The self check of chaos.py: faults that are planted in dwork, each of which must be found."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from _common import environment

from _chaos.rounds import Configuration, Report, play

#: Rounds until a fault is missed.
_ROUNDS = 4
#: Seconds without any trace that a run may take: its tasks take at most 3, and its workers are missed after 4.
_STANDSTILL = (10.0, 10.0)


class Plant(NamedTuple):
    """A fault in sitecustomize.py. configuration, deeds: where it is planted, and what brings it out. sign: of it."""

    name: str
    configuration: str
    deeds: tuple[str, ...]
    sign: str


PLANTS = (
    Plant("wake-up", "alone", ("stop task",), "stands still"),
    Plant("early", "alone", ("join",), "no true end|had ended"),
    Plant("output", "alone", ("join",), "bytes of output, not"),
    Plant("forgotten", "dhub", ("kill worker", "join"), "stands still"),
    Plant("same attempt", "dhub", ("kill worker", "join"), "started twice in one life of the hub"),
    Plant("left behind", "alone", ("join",), "there are still"),
)


def check(configurations: Sequence[Configuration], place: Path) -> bool:
    """Plant each fault; return whether all were found."""
    by_name = {configuration.name: configuration for configuration in configurations}
    missed = 0
    for plant in PLANTS:
        found = None
        for seed in range(1, _ROUNDS + 1):
            report = _round(plant, by_name[plant.configuration], seed, place)
            found = next((fault for fault in report.faults if re.search(plant.sign, fault)), None)
            if found:
                break
        missed += found is None
        print(
            f"{'found' if found else 'MISSED'}  {plant.name}: {(found or 'no round shows it').splitlines()[0]}",
            flush=True,
        )
    return not missed


def _round(plant: Plant, configuration: Configuration, seed: int, place: Path) -> Report:
    directory = place / f"planted-{plant.name.replace(' ', '-')}-{seed}"
    path = os.pathsep.join([str(Path(__file__).parent), environment()["PYTHONPATH"]])
    variables = {"PYTHONPATH": path, "CHAOS_PLANTED": plant.name}
    report = play(
        configuration, seed, directory, ["plain"], 20, deeds=plant.deeds, variables=variables, standstill=_STANDSTILL
    )
    shutil.rmtree(directory, ignore_errors=True)
    return report
