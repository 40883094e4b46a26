"""The embedded archive's statements, each a function of a connection. Transactions are the caller's."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from schemas.archive.base import Listed
from schemas.archive.paging import EpochRow, seek
from schemas.overlay import Overlay
from schemas.records import Command, Event

COLUMNS = (
    "seq, type, at, id, user_id, user_name, role, text, sticker, mask, target, seconds, reason, settings"
)
_PUT = (
    f"INSERT INTO events (stream, {COLUMNS}) VALUES (?{', ?' * 14}) "  # noqa: S608 - constants
    "ON CONFLICT (stream, seq) DO NOTHING"
)
_HIDE = "INSERT OR IGNORE INTO hides (stream, target, seq, kind) VALUES (?, ?, ?, ?)"
HIDING = frozenset({"delete", "clear"})
TARGETS_PER_QUERY = 500
"""Variables of one statement; SQLite takes 32,766."""


class Known(NamedTuple):
    """An epoch of a stream: its number in this file, and where it stands."""

    number: int
    place: EpochRow

    @property
    def epoch(self) -> str:
        """Its name."""
        return self.place.epoch


class Asked(NamedTuple):
    """What a read is for. ``stream``: a number of `Known`. ``to_seq`` None: to the end."""

    stream: int
    from_seq: int
    to_seq: int | None
    comments_only: bool


def enter(connection: sqlite3.Connection, stream_id: str, epoch: str) -> int:
    """Return the number of an epoch of a stream, which it gets now if it has none."""
    connection.execute("INSERT OR IGNORE INTO streams (stream_id, epoch) VALUES (?, ?)", (stream_id, epoch))
    found = number(connection, stream_id, epoch)
    if found is None:
        raise LookupError("a row just written is not there")
    return found


def number(connection: sqlite3.Connection, stream_id: str, epoch: str) -> int | None:
    """Return the number of an epoch of a stream; None: unknown."""
    query = "SELECT id FROM streams WHERE stream_id = ? AND epoch = ?"
    row = connection.execute(query, (stream_id, epoch)).fetchone()
    return row and int(row[0])


def put(connection: sqlite3.Connection, stream: int, events: Iterable[Event]) -> None:
    """Write events, unless their numbers are taken: the first content stays, and so does an erased one."""
    hides = []
    values = []
    for event in events:
        command = event["command"]
        target = command["target"] if command else None
        values.append(
            (
                stream,
                event["seq"],
                event["type"],
                event["at"],
                event["id"],
                event["user_id"],
                event["user_name"],
                event["role"],
                event["text"],
                event["sticker"],
                event["mask"],
                target,
                *((command["seconds"], command["reason"], command["settings"]) if command else _NOTHING),
            )
        )
        if target and event["type"] in HIDING:
            hides.append((stream, target, event["seq"], event["type"]))
    connection.executemany(_PUT, values)
    if hides:
        connection.executemany(_HIDE, hides)


def events(connection: sqlite3.Connection, asked: Asked, limit: int) -> list[Event]:
    """Return rows of a range, ascending, at most ``limit``."""
    query = f"SELECT {COLUMNS} FROM events WHERE stream = ? AND seq BETWEEN ? AND ?"  # noqa: S608
    query += " AND type = 'comment'" if asked.comments_only else ""
    last = SEQ_MAX if asked.to_seq is None else asked.to_seq
    cursor = connection.execute(query + " ORDER BY seq LIMIT ?", (asked.stream, asked.from_seq, last, limit))
    return [_event(row) for row in cursor]


def overlay(connection: sqlite3.Connection, stream: int, found: Sequence[Event]) -> Overlay:
    """Return what hides any of these events, whenever it came."""
    targets = {row[name] for row in found if row["type"] == "comment" for name in ("id", "user_id")}
    result = Overlay()
    rest = sorted(targets)
    while rest:
        part, rest = rest[:TARGETS_PER_QUERY], rest[TARGETS_PER_QUERY:]
        marks = ", ".join("?" * len(part))
        query = f"SELECT kind, target, seq FROM hides WHERE stream = ? AND target IN ({marks})"  # noqa: S608
        for kind, target, seq in connection.execute(query, (stream, *part)):
            result.hide(kind, target, seq)
    return result


def epochs(connection: sqlite3.Connection, stream_id: str) -> list[Known]:
    """Return a stream's epochs of which events are stored, in no order."""
    query = """
        SELECT s.id, s.epoch,
            (SELECT max(seq) FROM events WHERE stream = s.id),
            (SELECT at FROM events WHERE stream = s.id ORDER BY seq LIMIT 1)
        FROM streams s WHERE s.stream_id = ?
    """
    rows = connection.execute(query, (stream_id,))
    return [Known(at, EpochRow(epoch, seq, began)) for at, epoch, seq, began in rows if seq is not None]


def listing(connection: sqlite3.Connection, behind: int, limit: int) -> Iterator[Listed]:
    """Yield epochs of streams by their numbers in this file, those above ``behind``."""
    query = "SELECT stream_id, epoch, id FROM streams WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(query, (behind, limit))
    return (Listed(stream_id, epoch, str(at)) for stream_id, epoch, at in rows)


def seqs(connection: sqlite3.Connection, stream: int, upto: int) -> Iterator[int]:
    """Yield the numbers that are stored, ascending."""
    query = "SELECT seq FROM events WHERE stream = ? AND seq BETWEEN 1 AND ? ORDER BY seq"
    return (seq for (seq,) in connection.execute(query, (stream, upto)))


def seq_at(connection: sqlite3.Connection, stream: int, at_ms: int) -> int | None:
    """Return the first number at or after a time; None: all are before."""
    # Both in one SELECT would look at every row; alone, each is one step of the index.
    ends = "SELECT min(seq) FROM events WHERE stream = ?1", "SELECT max(seq) FROM events WHERE stream = ?1"
    first, last = (connection.execute(query, (stream,)).fetchone()[0] for query in ends)
    if first is None:
        return None
    search = seek(first, last, at_ms)
    query = "SELECT seq, at FROM events WHERE stream = ? AND seq >= ? ORDER BY seq LIMIT 1"
    try:
        asked = next(search)
        while True:
            asked = search.send(connection.execute(query, (stream, asked)).fetchone())
    except StopIteration as done:
        found: int | None = done.value
        return found


def erase(connection: sqlite3.Connection, stream: int, user_id: str) -> int:
    """Blank a user's events on one stream; return how many had content. The rows are their own tombstones."""
    statement = """
        UPDATE events SET user_name = '', text = '', sticker = NULL, reason = NULL
        WHERE stream = ? AND user_id = ?
            AND (user_name <> '' OR text <> '' OR sticker IS NOT NULL OR reason IS NOT NULL)
    """
    return connection.execute(statement, (stream, user_id)).rowcount


def prune(connection: sqlite3.Connection, before_ms: int, rows_max: int) -> bool:
    """Delete events older than a time, about ``rows_max``; return whether there are more."""
    left = rows_max
    for (stream,) in connection.execute("SELECT id FROM streams ORDER BY id").fetchall():
        query = "SELECT at FROM events WHERE stream = ? ORDER BY seq LIMIT 1"
        oldest = connection.execute(query, (stream,)).fetchone()
        if oldest is None or oldest[0] >= before_ms:
            continue
        upto = seq_at(connection, stream, before_ms) or SEQ_MAX
        statement = """
            DELETE FROM events WHERE stream = ?1 AND seq < ?2 AND seq <= (
                SELECT max(seq) FROM (SELECT seq FROM events WHERE stream = ?1 ORDER BY seq LIMIT ?3)
            )
        """
        left -= connection.execute(statement, (stream, upto, left)).rowcount
        statement = """
            DELETE FROM hides
            WHERE stream = ?1 AND seq < (SELECT coalesce(min(seq), ?2) FROM events WHERE stream = ?1)
        """
        connection.execute(statement, (stream, upto))
        if left <= 0:
            return True
    return False


SEQ_MAX = 2**63 - 1
_NOTHING = (None, None, None)


def _event(
    row: tuple[
        int,
        str,
        int,
        str,
        str,
        str,
        str,
        str,
        str | None,
        int,
        str | None,
        int | None,
        str | None,
        str | None,
    ],
) -> Event:
    seq, type_, at, id_, user_id, user_name, role, text, sticker, mask, *arguments = row
    command = None
    if type_ != "comment":
        target, seconds, reason, settings = arguments
        command = Command(target=target, seconds=seconds, reason=reason, settings=settings)  # type: ignore[typeddict-item]
    return Event(
        type=type_,
        seq=seq,
        at=at,
        id=id_,
        user_id=user_id,
        user_name=user_name,
        role=role,
        text=text,
        sticker=sticker,
        command=command,
        mask=mask,
    )
