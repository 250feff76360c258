"""What users of other programs type is answered with what dwork has for it."""

from __future__ import annotations

import pytest

from dwork.cli import suggestions
from dwork.cli.verbs import NAMES

OPTIONS = {"--slots", "--progress", "--fresh"}


@pytest.mark.parametrize("name", ["-j", "-P", "-n", "--jobs"])
def test_how_many_at_a_time_is_slots_where_there_are_any(name: str) -> None:
    assert suggestions.option(name, OPTIONS).startswith("--slots N ")
    assert suggestions.option(name, {"--port"}) == ""


def test_to_resume_needs_no_option() -> None:
    assert "it is the default" in suggestions.option("--resume", OPTIONS)
    assert suggestions.option("--nonsense", OPTIONS) == ""


@pytest.mark.parametrize(
    ("word", "meant"), [("staus", "status"), ("kill", "cancel"), ("logs", "log"), ("xyzzy", ""), ("", "")]
)
def test_a_command_that_is_misspelt_or_from_elsewhere(word: str, meant: str) -> None:
    assert suggestions.command(word, NAMES) == meant


def test_each_suggested_command_exists() -> None:
    assert set(suggestions._COMMANDS.values()) <= NAMES and not suggestions._COMMANDS.keys() & NAMES
