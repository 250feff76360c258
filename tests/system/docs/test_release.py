"""What stands in more than one place about a release is the same everywhere."""

from __future__ import annotations

import re
from importlib.metadata import metadata

from dwork.core.version import __version__
from tests.conftest import ROOT

GROUPS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_changelog_has_a_section_for_this_version_below_what_is_unreleased() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    first, second, *_ = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert first == "Unreleased"
    assert re.fullmatch(rf"{re.escape(__version__)}( - \d{{4}}-\d\d-\d\d)?", second)
    assert {line.removeprefix("### ") for line in lines if line.startswith("### ")} <= GROUPS


def test_the_citation_names_the_authors_and_the_license_of_the_package() -> None:
    citation, package = (ROOT / "CITATION.cff").read_text(), metadata("dwork-mpi")
    assert f"\nauthors:\n  - name: {package['Author']}\nlicense: {package['License-Expression']}\n" in citation
