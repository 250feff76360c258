"""Globs that select tasks."""

from __future__ import annotations

from dwork.core.messages import Verb
from tests.stage import Stage


def test_a_glob_that_means_nothing_is_refused_with_its_text(stage: Stage) -> None:
    stage.create("a")
    assert "a[1" in stage.refused(Verb.CANCEL, "a[1")
