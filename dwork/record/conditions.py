"""What the tasks of a pool depend on beside their definitions: its directory, and its options for the environment.

A record keeps of these options their names and a salted digest of each value, never the value, which may be a secret.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from dwork.core.errors import UsageError
from dwork.core.messages import Execution
from dwork.core.task import Task
from dwork.core.text import from_system, shown, user_bytes, user_text
from dwork.record.rows import text, untext

if TYPE_CHECKING:
    import sqlite3

_DIGEST: Final = 16  # bytes
#: The last run whose conditions are known.
_LAST: Final = "FROM runs WHERE environment IS NOT NULL ORDER BY id DESC LIMIT 1"


class Conditions(NamedTuple):
    """directory: an absolute path. options: the values of the options for the environment, by what people call them."""

    directory: str
    options: Mapping[str, str]


def here(execution: Execution) -> Conditions:
    """Return the conditions of a pool in the working directory of this process."""
    options: dict[str, str] = {f"--env {name}": value for name, value in execution.set}
    options |= {"--env-keep": "\0".join(execution.keep)} if execution.keep else {}
    options |= {"--env-drop": "\0".join(execution.drop)} if execution.drop else {}
    return Conditions(from_system(os.path.realpath(".")), options)


def note(connection: sqlite3.Connection, record: str, run: int, conditions: Conditions) -> None:
    """Record the conditions of a run."""
    salt = secrets.token_bytes(_DIGEST)
    digests = {name: _digest(salt, value) for name, value in conditions.options.items()}
    connection.execute(
        "UPDATE runs SET directory = ?, relative = ?, environment = ? WHERE id = ?",
        (
            text(conditions.directory),
            text(_relative(conditions.directory, record)),
            json.dumps({"salt": salt.hex(), "digests": digests}),
            run,
        ),
    )


def changes(connection: sqlite3.Connection, conditions: Conditions) -> list[str]:
    """Return the names of the options for the environment that differ from those of the last run."""
    found = connection.execute(f"SELECT environment {_LAST}").fetchone()
    if found is None:
        return []
    kept = json.loads(found[0])
    salt, digests = bytes.fromhex(kept["salt"]), kept["digests"]
    now = {name: _digest(salt, value) for name, value in conditions.options.items()}
    return sorted(name for name in digests.keys() | now.keys() if digests.get(name) != now.get(name))


def refuse_elsewhere(connection: sqlite3.Connection, record: str, conditions: Conditions, done: Iterable[Task]) -> None:
    """Raise UsageError when tasks are done in another directory, where their files have other names.

    A directory that was moved together with the record is still the same.
    """
    found = connection.execute(f"SELECT directory, relative {_LAST}").fetchone()
    if found is None:
        return
    directory, relative = map(untext, found)
    if conditions.directory == directory or _relative(conditions.directory, record) == relative:
        return
    if any(task.command is not None and not (task.options.cwd or "").startswith("/") for task in done):
        raise UsageError(
            f"{shown(record)} is the record of a run in {shown(directory)}, not in this directory; "
            "use a record of its own with -f FILE, start over with --fresh, or run it in that directory"
        )


def _relative(directory: str, record: str) -> str:
    """Return the way to a directory from that of the record, which stays when both are moved."""
    own = os.path.dirname(os.path.realpath(user_bytes(record)))
    return user_text(os.path.relpath(user_bytes(directory), own))


def _digest(salt: bytes, value: str) -> str:
    return hashlib.blake2b(user_bytes(value), key=salt, digest_size=_DIGEST).hexdigest()
