"""Cassandra's schema: numbered migrations under a lock, and how its tables are compacted.

Statements of the schema are no transactions there: a migration is noted as begun, run, and noted as finished.
Each statement may be run again. One lock row, taken by a lightweight transaction with a time to live, keeps a
second migration out; nothing else here uses one.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Any

from schemas import settings as config
from schemas.archive import migrations
from schemas.archive.base import ArchiveUnavailable
from schemas.archive.migrations import Applied, Migration

DDL_SECONDS = 60.0
LOCK_TTL_SECONDS = 300
LOCK_WAIT_SECONDS = 60.0
LOCK_POLL_SECONDS = 0.5
BY_AGE = "TimeWindowCompactionStrategy"
TWCS_WINDOWS = 30
"""How many windows the retention is cut into; fewer than 50, since each is at least one file."""

EXPIRING = (
    "comments_by_stream",
    "moderation_by_stream",
    "hides_by_stream",
    "buckets_by_stream",
    "epochs",
)
"""Tables whose rows carry the retention."""

MIGRATIONS: Sequence[Migration] = (
    Migration(
        1,
        "comments, moderation, hides, buckets, epochs",
        (
            # Bucket = seq >> 14: numbers are contiguous, so a bucket is computed, and stays below 10 MB.
            """CREATE TABLE IF NOT EXISTS comments_by_stream (
                stream_id text, epoch text, bucket int, seq bigint,
                at timestamp, id text, user_id text, user_name text, role text,
                text text, sticker text, mask bigint,
                PRIMARY KEY ((stream_id, epoch, bucket), seq)
            ) WITH comment = 'One row a comment, as said; deletes and clears are in hides_by_stream'""",
            # The same partition key: what a segment has of both is one mutation.
            """CREATE TABLE IF NOT EXISTS moderation_by_stream (
                stream_id text, epoch text, bucket int, seq bigint,
                type text, at timestamp, id text, user_id text, user_name text, role text,
                text text, sticker text, mask bigint,
                target text, seconds bigint, reason text, settings text,
                PRIMARY KEY ((stream_id, epoch, bucket), seq)
            ) WITH comment = 'Every numbered event that is no comment'""",
            # By what they hide: a read asks for those of its page alone.
            """CREATE TABLE IF NOT EXISTS hides_by_stream (
                stream_id text, epoch text, target text, seq bigint, kind text,
                PRIMARY KEY ((stream_id, epoch), target, seq)
            ) WITH comment = 'Deletes (target: comment id) and clears (target: user id, up to seq)'""",
            # Bucket 0 is not listed: most streams have no other, and a comment costs one write.
            """CREATE TABLE IF NOT EXISTS buckets_by_stream (
                stream_id text, epoch text, bucket int,
                PRIMARY KEY ((stream_id), epoch, bucket)
            ) WITH comment = 'Buckets above 0 that a stream has'""",
            """CREATE TABLE IF NOT EXISTS epochs (
                part int, epoch text, PRIMARY KEY ((part), epoch)
            ) WITH comment = 'Every epoch of this cluster; part is 0'""",
        ),
    ),
)

_BOOK = (
    """CREATE TABLE IF NOT EXISTS migrations (
        number int PRIMARY KEY, name text, checksum text, finished boolean
    )""",
    "CREATE TABLE IF NOT EXISTS migration_lock (name text PRIMARY KEY, owner text)",
)


def exists(session: Any, keyspace: str) -> bool:
    """Whether anything was ever migrated there."""
    query = (
        "SELECT table_name FROM system_schema.tables WHERE keyspace_name = %s AND table_name = 'migrations'"
    )
    return bool(list(session.execute(query, (keyspace,))))


def is_locked(session: Any, keyspace: str) -> bool:
    """Whether a migration is under way."""
    return bool(list(session.execute(f"SELECT owner FROM {keyspace}.migration_lock WHERE name = 'schema'")))  # noqa: S608


def check(session: Any, keyspace: str) -> None:
    """Raise ArchiveError unless the schema is this version's, and finished."""
    migrations.check(_applied(session, keyspace), MIGRATIONS, _where(keyspace))


def migrate(session: Any, cassandra: config.Cassandra, retention_days: int | None) -> Sequence[str]:
    """Bring the keyspace to this version; return what was done.

    Raises:
        ArchiveError: it is of a later version, or of another origin.
        ArchiveUnavailable: another migration is under way.

    """
    keyspace = cassandra.keyspace
    _run(
        session,
        f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = "
        f"{{'class': 'NetworkTopologyStrategy', '{cassandra.datacenter}': {cassandra.replication}}}",
    )
    session.set_keyspace(keyspace)
    for statement in _BOOK:
        _run(session, statement)
    owner = f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"
    _lock(session, owner)
    try:
        done = [_apply(session, each) for each in _left(session, keyspace)]
        return [*done, *_compact(session, keyspace, retention_days)]
    finally:
        session.execute("DELETE FROM migration_lock WHERE name = 'schema' IF owner = %s", (owner,))


def compaction(retention_days: int | None, found: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return how a table is to be compacted; None: as it is now.

    By age where rows expire, so that whole files do. Where they do not, as the cluster does by default.
    """
    by_age = found["class"].rpartition(".")[2] == BY_AGE
    if retention_days is None:
        return {"class": "UnifiedCompactionStrategy"} if by_age else None
    hours = str(max(1, -(-retention_days * 24 // TWCS_WINDOWS)))
    if by_age and found.get("compaction_window_unit") == "HOURS" and found["compaction_window_size"] == hours:
        return None
    return {"class": BY_AGE, "compaction_window_unit": "HOURS", "compaction_window_size": hours}


def _left(session: Any, keyspace: str) -> Sequence[Migration]:
    return migrations.pending(_applied(session, keyspace), MIGRATIONS, _where(keyspace))


def _apply(session: Any, migration: Migration) -> str:
    note = "INSERT INTO migrations (number, name, checksum, finished) VALUES (%s, %s, %s, %s)"
    row = (migration.number, migration.name, migration.checksum)
    session.execute(note, (*row, False))
    for statement in migration.statements:
        _run(session, statement)
    session.execute(note, (*row, True))
    return str(migration)


def _compact(session: Any, keyspace: str, retention_days: int | None) -> Sequence[str]:
    """Hold the tables' compaction against the setting, which may have changed since they were made."""
    query = "SELECT table_name, compaction FROM system_schema.tables WHERE keyspace_name = %s"
    done = []
    for table, found in session.execute(query, (keyspace,)):
        wanted = compaction(retention_days, found) if table in EXPIRING else None
        if wanted is not None:
            options = ", ".join(f"'{name}': '{value}'" for name, value in wanted.items())
            _run(session, f"ALTER TABLE {table} WITH compaction = {{{options}}}")
            done.append(f"{table}: {wanted['class']}")
    return done


def _lock(session: Any, owner: str) -> None:
    take = "INSERT INTO migration_lock (name, owner) VALUES ('schema', %s) IF NOT EXISTS USING TTL %s"
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while not (taken := next(iter(session.execute(take, (owner, LOCK_TTL_SECONDS)))))[0]:
        if time.monotonic() > deadline:
            raise ArchiveUnavailable(
                f"another migration is under way ({taken[-1]}); if it died, its lock ends within "
                f"{LOCK_TTL_SECONDS} s"
            )
        time.sleep(LOCK_POLL_SECONDS)


def _applied(session: Any, keyspace: str) -> Sequence[Applied]:
    rows = session.execute(f"SELECT number, checksum, finished FROM {keyspace}.migrations")  # noqa: S608 - checked
    return [Applied(*row) for row in rows]


def _run(session: Any, statement: str) -> None:
    session.execute(statement, timeout=DDL_SECONDS)


def _where(keyspace: str) -> str:
    return f"Cassandra, keyspace {keyspace}"
