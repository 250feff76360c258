"""The content of connection files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dwork.connection.file import Connection, read
from dwork.core.errors import UsageError
from tests.unit.connection.me import ME


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 1, "addresses": []}', "\0", "nonsense"])
def test_what_is_no_connection_file_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(UsageError, match="cannot be used") as caught:
        read(str(path))
    assert "\n" not in str(caught.value)


def test_what_is_not_a_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(UsageError, match="pipe cannot be used: it is not a regular file"):
        read(str(tmp_path / "pipe"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.dictionaries(st.sampled_from([*json.loads(ME.to_json()), "more"]), JSON))
def test_a_changed_file_is_a_connection_or_refused(changes: dict[str, object]) -> None:
    text = json.dumps({**json.loads(ME.to_json()), **changes})
    try:
        connection = Connection.from_json(text)
    except ValueError:
        return
    assert Connection.from_json(connection.to_json()) == connection
