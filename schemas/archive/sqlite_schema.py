"""The embedded archive's schema: numbered migrations, each one transaction with the row that notes it."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from schemas.archive import migrations
from schemas.archive.base import ArchiveError
from schemas.archive.migrations import Applied, Migration

APPLICATION_ID = 0x4C434152
"""``LCAR``, in the file's header: an archive of ours."""

MIGRATIONS: Sequence[Migration] = (
    Migration(
        1,
        "streams, events, hides",
        (
            """CREATE TABLE IF NOT EXISTS streams (
                id INTEGER PRIMARY KEY,
                stream_id TEXT NOT NULL,
                epoch TEXT NOT NULL,
                UNIQUE (stream_id, epoch)
            ) STRICT""",
            # Clustered by (stream, seq): a page is one range, and an upsert one look-up.
            """CREATE TABLE IF NOT EXISTS events (
                stream INTEGER NOT NULL REFERENCES streams (id),
                seq INTEGER NOT NULL,
                type TEXT NOT NULL,
                at INTEGER NOT NULL,
                id TEXT NOT NULL,
                user_id TEXT NOT NULL,
                user_name TEXT NOT NULL,
                role TEXT NOT NULL,
                text TEXT NOT NULL,
                sticker TEXT,
                mask INTEGER NOT NULL,
                target TEXT,
                seconds INTEGER,
                reason TEXT,
                settings TEXT,
                PRIMARY KEY (stream, seq)
            ) STRICT, WITHOUT ROWID""",
            # Deletes and clears by what they hide: a read asks for those of its page alone.
            """CREATE TABLE IF NOT EXISTS hides (
                stream INTEGER NOT NULL REFERENCES streams (id),
                target TEXT NOT NULL,
                seq INTEGER NOT NULL,
                kind TEXT NOT NULL,
                PRIMARY KEY (stream, target, seq)
            ) STRICT, WITHOUT ROWID""",
        ),
    ),
)

_BOOK = """CREATE TABLE IF NOT EXISTS migrations (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum TEXT NOT NULL, finished INTEGER NOT NULL
) STRICT"""


def is_new(connection: sqlite3.Connection) -> bool:
    """Whether there is nothing in the file yet."""
    return not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise ArchiveError unless the file is an archive of this version."""
    _check_ours(connection, path)
    migrations.check(_applied(connection), MIGRATIONS, str(path))


def migrate(connection: sqlite3.Connection, path: Path) -> Sequence[str]:
    """Bring the file to this version; return what was done. The file's own lock keeps others out.

    Raises:
        ArchiveError: it is of a later version, or no archive.

    """
    done = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        if is_new(connection):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        _check_ours(connection, path)
        connection.execute(_BOOK)
        for migration in migrations.pending(_applied(connection), MIGRATIONS, str(path)):
            for statement in migration.statements:
                connection.execute(statement)
            connection.execute(
                "INSERT OR REPLACE INTO migrations VALUES (?, ?, ?, 1)",
                (migration.number, migration.name, migration.checksum),
            )
            done.append(str(migration))
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return done


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise ArchiveError(f"{path}: this is a database of something else: name another file")


def _applied(connection: sqlite3.Connection) -> Sequence[Applied]:
    rows = connection.execute("SELECT number, checksum, finished FROM migrations").fetchall()
    return [Applied(number, checksum, bool(finished)) for number, checksum, finished in rows]
