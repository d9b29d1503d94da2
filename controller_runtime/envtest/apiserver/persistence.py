"""Keeps the store in a directory, by SQLite.

One row per object, one transaction per write. In WAL mode with `synchronous=NORMAL` a committed transaction is in the
file as soon as the statement returns, so a process that is killed at any moment loses nothing that it acknowledged; a
machine that loses power may lose the last writes, and is consistent all the same.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from controller_runtime.envtest.apiserver.store import Key, Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, revision INTEGER NOT NULL, raw BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""
_REVISION = "INSERT INTO state VALUES ('revision', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
_PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)"
_REMOVE = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"


class DataDirectoryError(Exception):
    """The data directory cannot be used; the message says why."""


class SQLiteDisk:
    """A `Disk` in `state.db` below a directory, which is created with mode 0700 where it is missing.

    Raises:
        DataDirectoryError: another process uses it, it cannot be written, or the file is no database of this server.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = _locked(directory)
        try:
            self._database = sqlite3.connect(directory / "state.db", isolation_level=None, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            os.close(self._lock)
            raise DataDirectoryError(
                f"{directory / 'state.db'} cannot be used as the API server's data: {error}; name another directory, "
                "or remove the file to start empty"
            ) from error

    def load(self) -> Iterator[tuple[str, Key, int, bytes]]:
        """See `Disk.load`."""
        rows = self._database.execute("SELECT resource, namespace, name, revision, raw FROM objects")
        for resource, namespace, name, revision, raw in rows:
            yield resource, Key(namespace, name), revision, raw

    def last_revision(self) -> int:
        """See `Disk.last_revision`."""
        row = self._database.execute("SELECT value FROM state WHERE name = 'revision'").fetchone()
        return int(row[0]) if row else 0

    def put(self, resource: str, record: Record) -> None:
        """See `Disk.put`."""
        key = record.key
        self._write(_PUT, (resource, key.namespace, key.name, record.revision, record.raw), record.revision)

    def remove(self, resource: str, key: Key, revision: int) -> None:
        """See `Disk.remove`."""
        self._write(_REMOVE, (resource, key.namespace, key.name), revision)

    def _write(self, statement: str, values: tuple[object, ...], revision: int) -> None:
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            database.execute(statement, values)
            database.execute(_REVISION, (revision,))
            database.execute("COMMIT")
        except sqlite3.Error as error:
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise OSError(f"the API server's data cannot be written: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
        os.close(self._lock)


def _locked(directory: Path) -> int:
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise DataDirectoryError(f"{directory} cannot be used as the API server's data directory: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise DataDirectoryError(
            f"another API server uses the data directory {directory}: stop it or name another directory"
        ) from error
    return lock
