"""Erasure in Cassandra: look through every partition for a user's rows, and blank them.

There is no index by user: a storage-attached one was tried, halved the rate of writes and filled a heap of
512 MiB. Erasure is rare and may take its time.

A blank is written one microsecond behind the row it covers (``WRITETIME`` + 1), so that a replay of the log,
which carries the event's own time, never brings the content back. The old content leaves the disk when its
file is compacted.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from schemas.archive.cassandra_cql import EVENT_TABLES
from schemas.archive.cassandra_session import Session

PARTITIONS_AT_ONCE = 32


def erase(session: Session, prepared: Mapping[str, Any], user_id: str) -> int:
    """Blank a user's rows; return how many had content; blocks."""
    changed = 0

    def counted(blanks: Iterator[Any]) -> Iterator[Any]:
        nonlocal changed
        for blank in blanks:
            changed += 1
            yield blank

    for table in EVENT_TABLES:
        session.send([blank] for blank in counted(_blanks(session, prepared, table, user_id)))
    return changed


def _blanks(session: Session, prepared: Mapping[str, Any], table: str, user_id: str) -> Iterator[Any]:
    blank, said = prepared[f"blank {table}"], prepared[f"said {table}"]
    partitions = iter(session.all_rows(prepared[f"partitions {table}"], ()))
    while together := list(islice(partitions, PARTITIONS_AT_ONCE)):
        answers = session.many_rows(said, [(*partition, user_id) for partition in together])
        for partition, answer in zip(together, answers, strict=True):
            for seq, written_us, ttl, *content in answer:
                if written_us is not None and any(content):
                    yield blank.bind((written_us + 1, ttl or 0, *partition, seq))
