"""The tables of a record: their columns, how they are created, and how older ones are migrated.

docs/record.md is the manual for people who query them. This uses only what SQLite 3.24 has (2018, the version of the
oldest clusters), so no generated columns, STRICT tables or RETURNING.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from dwork.core.errors import UsageError
from dwork.core.text import shown
from dwork.record.transaction import transaction

#: SQLite's application_id, which file(1) shows: "dwrk".
APPLICATION_ID: Final = 0x6477726B

#: One script per version, oldest first, which migrates from the version before. Never change one that was released.
MIGRATIONS: Final = (
    """
    CREATE TABLE runs (              -- each time that a pool or dhub worked on this record
        id INTEGER PRIMARY KEY,
        started REAL NOT NULL,       -- all times are seconds since the epoch
        ended REAL,                  -- NULL: it runs, or was killed
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        job TEXT,                    -- number of the batch job
        version TEXT NOT NULL,       -- of dwork
        command TEXT NOT NULL,       -- its command line
        outcome TEXT                 -- how it ended, in words
    );
    CREATE TABLE tasks (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL,
        command TEXT,                -- what a shell would be given; NULL: a join, which has nothing to run
        arguments TEXT,              -- JSON: the argument list, when it is started without a shell
        options TEXT,                -- JSON: what the task asks for, when it asks for something
        origin TEXT,                 -- the host that added it while the pool ran; NULL: it is from a task file
        state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, done, failed, skipped, cancelled
        held INTEGER NOT NULL DEFAULT 0,        -- 1: kept from starting until it is released
        reason TEXT,                 -- why it failed, was skipped (after whom) or cancelled
        queued REAL NOT NULL,        -- when it was added
        removed REAL,                -- when it was found to be in the task files no more
        forgiven INTEGER NOT NULL DEFAULT 0     -- failures of attempts up to this one count no more against `retries`
    );
    CREATE TABLE predecessors (      -- task runs after predecessor
        task INTEGER NOT NULL,
        position INTEGER NOT NULL,   -- 0, 1, 2, ... in the order of the task file
        predecessor INTEGER,         -- NULL: name is unknown, and counts as done
        name TEXT,
        added REAL,                  -- when, if that was after the task itself (a transfer)
        PRIMARY KEY (task, position)
    ) WITHOUT ROWID;
    CREATE TABLE attempts (          -- each time that a task was run
        task INTEGER NOT NULL,
        attempt INTEGER NOT NULL,    -- 1, 2, ...
        outcome TEXT NOT NULL DEFAULT 'done',   -- done, failed, timeout, cancelled, interrupted, lost
        worker TEXT NOT NULL,        -- host:rank or host:pid
        host TEXT NOT NULL,
        stolen REAL,                 -- when a worker was given it
        started REAL,
        ended REAL,
        exit_status INTEGER DEFAULT 0,          -- as $? of a shell; NULL: not known
        signal INTEGER DEFAULT 0,               -- what ended it, or 0
        user REAL,                   -- CPU seconds, with all children
        system REAL,
        max_rss INTEGER,             -- bytes; NULL: not known
        reason TEXT,                 -- why it was ended, did not start, or is lost
        stderr BLOB,                 -- the end of it, when it did not end well
        PRIMARY KEY (task, attempt)
    ) WITHOUT ROWID;
    CREATE TABLE output (            -- where in the log files the output of an attempt is
        task INTEGER NOT NULL,
        attempt INTEGER NOT NULL,
        stream INTEGER NOT NULL,     -- 1 stdout, 2 stderr
        position INTEGER NOT NULL,   -- 0, 1, 2, ... when it came in pieces
        file TEXT NOT NULL,          -- from the directory of the record
        offset INTEGER NOT NULL,     -- bytes
        length INTEGER NOT NULL,
        PRIMARY KEY (task, attempt, stream, position)
    ) WITHOUT ROWID;
    CREATE TABLE finished (          -- ends of tasks that are still to be entered above: a batch a row
        id INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        worker TEXT NOT NULL,
        columns BLOB NOT NULL        -- see batch.py
    );
    CREATE TABLE workers (
        id INTEGER PRIMARY KEY,
        location TEXT NOT NULL,
        slots INTEGER NOT NULL,
        joined REAL NOT NULL,
        left REAL,
        reason TEXT
    );
    CREATE TABLE hands (             -- who was given what, or (worker NULL) gave it back: for finding what was running
        id INTEGER PRIMARY KEY,
        time REAL NOT NULL,
        worker TEXT,
        tasks TEXT NOT NULL          -- JSON: [[task, ...], [attempt, ...] or null when all are 1]
    );
    """,
    """
    ALTER TABLE tasks ADD COLUMN culprit INTEGER;   -- the task because of which it was skipped
    ALTER TABLE attempts ADD COLUMN cause TEXT;     -- why dwork ended it, a word of cause.py; NULL: it ended by itself
    CREATE INDEX names ON tasks(name);
    UPDATE tasks SET culprit = (
        SELECT id FROM tasks c WHERE c.name = substr(tasks.reason, 7) ORDER BY c.removed IS NOT NULL, c.id DESC LIMIT 1
    ) WHERE state = 'skipped' AND reason LIKE 'after %';
    DROP INDEX names;
    UPDATE attempts SET cause = CASE
        WHEN reason LIKE 'it % goodbye' THEN 'left'
        WHEN reason = 'it never arrived' THEN 'never arrived'
        WHEN reason = 'it was finished elsewhere' THEN 'elsewhere'
        WHEN reason = 'the pool ended while it ran' THEN 'run died'
        WHEN reason LIKE 'it did not end within %' THEN 'stopped'
        WHEN reason LIKE '%some of its output never arrived' THEN 'no output'
        WHEN outcome = 'lost' THEN 'died'
        WHEN outcome = 'timeout' OR reason LIKE 'timed out%' THEN 'timeout'
        WHEN reason LIKE 'out of memory%' THEN 'memory'
        WHEN reason LIKE 'cannot start %' OR reason LIKE 'cannot be started: %' THEN 'not started'
        WHEN reason LIKE 'its output cannot be stored%' THEN 'output'
        WHEN reason IN ('a task that it depends on must run again', 'its worker was being terminated') THEN 'revoked'
        WHEN outcome = 'cancelled' THEN 'cancelled'
        WHEN outcome = 'interrupted' THEN 'stopped'
        WHEN reason LIKE '% died while running it%' OR reason LIKE 'its worker %died%' THEN 'died'
        WHEN reason IS NOT NULL THEN 'other'
    END WHERE outcome != 'done';
    """,
    """
    CREATE TABLE shells (            -- the number in `options` of the tasks that a shell runs; without one: /bin/sh
        id INTEGER PRIMARY KEY,
        words TEXT NOT NULL,         -- JSON: the program and its flags
        setup TEXT NOT NULL,         -- JSON: the commands that it runs before each line
        places TEXT NOT NULL         -- JSON: where each of these stands, file:line
    );
    ALTER TABLE runs ADD COLUMN directory TEXT;     -- where a pool ran; NULL: a dhub, whose workers are anywhere
    ALTER TABLE runs ADD COLUMN relative TEXT;      -- the same, from the directory of the record
    ALTER TABLE runs ADD COLUMN environment TEXT;   -- JSON: salted digests of --env and the like, by name
    ALTER TABLE attempts ADD COLUMN left_behind INTEGER;   -- how many processes it left in the background; NULL: none
    ALTER TABLE predecessors ADD COLUMN after_any INTEGER NOT NULL DEFAULT 0;   -- 1: it need only have ended
    """,
)
VERSION: Final = len(MIGRATIONS)


class Foreign(UsageError):
    """The file is a database, but not a record."""


def prepare(connection: sqlite3.Connection, path: str) -> None:
    """Create the tables, or migrate those of an older version; UsageError when that is not possible."""
    version = version_of(connection, path)
    if version == VERSION:
        return
    with transaction(connection):
        for number in range(version, VERSION):
            for statement in _statements(MIGRATIONS[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def version_of(connection: sqlite3.Connection, path: str) -> int:
    """Return the version of a record, 0 for an empty file; UsageError if it is not a record, or from a newer dwork."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and application != APPLICATION_ID:
        raise Foreign(f"{shown(path)} is a database of another program; choose another file with -f")
    if version > VERSION:
        raise UsageError(
            f"{shown(path)} was written by a newer dwork (format {version}, this one knows {VERSION}); "
            "use that version, or choose another file with -f"
        )
    if version < 0 or bool(version) != bool(tables):
        raise sqlite3.DatabaseError(f"its format is {version}, but it has {tables} tables")
    return int(version)


def _statements(script: str) -> list[str]:
    """Split a script, since `executescript` commits first, and half a migration must not be kept."""
    statements = []
    text = ""
    for line in script.splitlines(keepends=True):
        text += line
        if sqlite3.complete_statement(text):
            statements.append(text)
            text = ""
    return statements
