"""A directory of connection files for each test."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("DWORK_CONNECTION", "DWORK_SERVER", "DWORK_INSECURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DWORK_DIR", str(tmp_path / "place"))
    return tmp_path / "place"
