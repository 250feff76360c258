"""Globs over names."""

from __future__ import annotations

import re

import pytest

from dwork.core import glob


def test_a_pattern_that_cannot_be_read_is_refused_with_a_whole_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python before 3.10.5 makes an expression of it that `re` refuses."""

    def old(_pattern: str) -> str:
        return "[z-a]"

    monkeypatch.setattr(glob, "translate", old)
    with pytest.raises(ValueError, match=re.escape("'a\\n[z-a]' is not a valid pattern: it contains a reversed range")):
        glob.matcher("a\n[z-a]")
