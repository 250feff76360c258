"""What a run of the tests says of those that it skips."""

from __future__ import annotations

import ast

import pytest

from tests import needs
from tests.conftest import ROOT


def skipped(monkeypatch: pytest.MonkeyPatch, *names: str, rest: bool = False) -> str:
    """The reason that pytest reports."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception) as raised:
        needs.missing(*names, rest=rest)
    return f"Skipped: {raised.value}"


def test_skipped_tests_are_counted_by_what_they_need_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = [
        skipped(monkeypatch, "zsh"),
        skipped(monkeypatch, "slurm", "dot"),
        skipped(monkeypatch, "slurm", rest=True),
        "Skipped: Open MPI has it",
    ]
    assert needs.summary(reasons) == [
        "2 tests need slurm: root, and apt install slurm-wlm munge",
        "1 test needs zsh: apt install zsh",
        "1 test needs dot: apt install graphviz",
        "1 test: Open MPI has it",
    ]


def test_what_is_missing_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs zsh, and this is CI"):
        needs.missing("zsh")


def test_every_need_is_in_the_table_and_some_test_has_it() -> None:
    used = {"dot", "plotly", "slurm", "sqlite3"}  # of pages: tests/system/docs/conftest.py
    used |= {"dash", "ksh", "mksh", "yash", "lmod", "environment-modules"}  # of parametrized tests
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]
    for text in texts:
        for node in ast.walk(ast.parse(text)) if "missing(" in text else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "missing":
                used |= {word.value for word in node.args if isinstance(word, ast.Constant)}
    assert used == set(needs.HOW)
