"""The shells in a record: each is a row, to which the options of tasks refer by its number."""

from __future__ import annotations

import json
import sqlite3

from dwork.core.shell import Shell


class Shells:
    """The shells of a record that is open for writing."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._numbers = {shell: number for number, shell in shells(connection).items()}

    def number(self, shell: Shell) -> int:
        """Return the number of a shell, with which it is recorded if it is new."""
        number = self._numbers.get(shell)
        if number is None:
            number = self._numbers[shell] = max(self._numbers.values(), default=0) + 1
            columns = map(json.dumps, (shell.words, shell.setup, shell.places))
            self._connection.execute("INSERT INTO shells VALUES (?, ?, ?, ?)", (number, *columns))
        return number


def shells(connection: sqlite3.Connection) -> dict[int, Shell]:
    """Return the shells of a record by number."""
    rows = connection.execute("SELECT id, words, setup, places FROM shells")
    return {int(id): Shell(*map(_unpacked, columns)) for id, *columns in rows}


def _unpacked(text: str) -> tuple[str, ...]:
    return tuple(str(each) for each in json.loads(text))
