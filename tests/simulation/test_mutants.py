"""Each broken rule of the hub is noticed by the test of that rule (`.ci/long mutants`: a process for each)."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from tests.long import LONG, rounds, seed
from tests.simulation.mutants import MUTANTS, ROOT, Mutant, Nursery


def test_the_text_of_each_mutant_is_in_the_package_once() -> None:
    for mutant in MUTANTS:
        assert (ROOT / "dwork" / "hub" / mutant.file).read_text().count(mutant.text) == 1, mutant


def test_each_mutant_is_listed_once_and_its_test_exists() -> None:
    assert max(Counter((mutant.file, mutant.text, mutant.replacement) for mutant in MUTANTS).values()) == 1
    for mutant in MUTANTS:
        assert mutant.place


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Nursery:
    return Nursery(tmp_path_factory.mktemp("mutants"))


#: All, or as many as DWORK_ROUNDS asks for.
CHOSEN = random.Random(seed()).sample(MUTANTS, min(rounds(1, len(MUTANTS)), len(MUTANTS)))


@pytest.mark.skipif(not LONG, reason="takes minutes; .ci/long mutants runs it")
@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: f"{mutant.file[:-3]}: {mutant.test}")
def test_a_broken_rule_is_noticed_by_its_test(nursery: Nursery, mutant: Mutant) -> None:
    assert not nursery.complaint(mutant)
