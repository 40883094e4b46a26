"""The archive's rows in Cassandra: what is bound to the statements, and rows back to events. No I/O.

Every row is written ``USING TIMESTAMP`` of its event's log-append time, so that a replay changes nothing and
no machine's clock outranks another's. What an event leaves empty is not set: a null would be a tombstone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any, NamedTuple

from cassandra.query import UNSET_VALUE, BatchStatement, BatchType

from schemas.records import Command, Event, Sequenced

BUCKET_BITS = 14
BATCH_BYTES_MAX = 16 * 1024
"""Of an unlogged batch, by estimate.

Cassandra's limits (5 KiB to warn, 50 KiB to refuse) are for batches of several partitions. Within one, as
measured, its processor time a comment was 92 µs at 4 KB, 55 at 8, 42 at 16 and 30 at 32; but the more is
under way, the nearer is its time-out.
"""
ROW_BYTES = 120
"""What a row takes beside its texts and ids."""

SEQ_MAX = 2**63 - 1
_SEQ, _PARTITION = itemgetter("seq"), itemgetter(0)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the driver's timestamps are UTC and say no zone
_MS = timedelta(milliseconds=1)


class Partition(NamedTuple):
    """The key of a partition of the event tables."""

    stream_id: str
    epoch: str
    bucket: int


@dataclass(slots=True)
class Split:
    """What a write has, by where it goes."""

    partitions: defaultdict[Partition, list[Event]] = field(default_factory=lambda: defaultdict(list))
    hides: list[tuple[str, str, Event]] = field(default_factory=list)
    """(stream id, epoch, a delete or clear)."""


def bucket_of(seq: int) -> int:
    """Return the bucket of a number."""
    return seq >> BUCKET_BITS


def split(segments: Iterable[Sequenced]) -> Split:
    """Sort the events of segments by partition."""
    result = Split()
    for segment in segments:
        stream_id, epoch, events = segment["stream_id"], segment["epoch"], segment["events"]
        if not events:
            continue
        first, last = bucket_of(events[0]["seq"]), bucket_of(events[-1]["seq"])
        if first == last:
            result.partitions[Partition(stream_id, epoch, first)].extend(events)
        else:
            for event in events:
                result.partitions[Partition(stream_id, epoch, bucket_of(event["seq"]))].append(event)
        for event in events:
            if event["type"] in {"delete", "clear"} and event["command"] and event["command"]["target"]:
                result.hides.append((stream_id, epoch, event))
    return result


def by_stream(parts: Split) -> Iterator[Sequence[tuple[Partition, Sequence[Event]]]]:
    """Yield what each epoch of each stream has, its partitions and their events ascending."""
    streams: defaultdict[tuple[str, str], list[tuple[Partition, Sequence[Event]]]] = defaultdict(list)
    for partition, events in parts.partitions.items():
        streams[partition[:2]].append((partition, sorted(events, key=_SEQ)))
    for partitions in streams.values():
        yield sorted(partitions, key=_PARTITION) if len(partitions) > 1 else partitions


def size(event: Event) -> int:
    """Estimate an event's share of a batch, in bytes, rather too much."""
    text, name = event["text"], event["user_name"]
    length = ROW_BYTES + len(event["id"]) + len(event["user_id"])
    length += len(text) if text.isascii() else 4 * len(text)
    length += len(name) if name.isascii() else 4 * len(name)
    command = event["command"]
    if command is not None:
        length += 4 * sum(len(command[part] or "") for part in ("target", "reason", "settings"))
    return length


def chunks(events: Sequence[Event]) -> Iterator[Sequence[Event]]:
    """Cut a partition's events into batches of at most `BATCH_BYTES_MAX`, or one event."""
    start = total = 0
    for index, event in enumerate(events):
        bytes_ = size(event)
        if index > start and total + bytes_ > BATCH_BYTES_MAX:
            yield events[start:index]
            start, total = index, 0
        total += bytes_
    if start < len(events):
        yield events[start:]


class Binder:
    """Binds events to prepared statements. ``ttl``: seconds a row has left; 0: for ever."""

    def __init__(self, prepared: dict[str, Any]) -> None:
        self._prepared = prepared

    def statements(self, partition: Partition, events: Sequence[tuple[Event, int]]) -> Any:
        """Return one statement for (event, seconds to live) rows of one partition."""
        bound = [self._bound(partition, event, ttl) for event, ttl in events]
        if len(bound) == 1:
            return bound[0][0].bind(bound[0][1])
        batch = BatchStatement(BatchType.UNLOGGED)
        batch.is_idempotent = True
        for statement, values in bound:
            batch.add(statement, values)
        return batch

    def hide(self, stream_id: str, epoch: str, event: Event, ttl: int) -> Any:
        """Return the statement for a delete or clear."""
        target = (event["command"] or _NOTHING)["target"]
        values = (stream_id, epoch, target, event["seq"], event["type"], _micros(event), ttl)
        return self._prepared["put hide"].bind(values)

    def epoch(self, epoch: str, at_us: int, ttl: int) -> Any:
        """Return the statement that lists an epoch."""
        return self._prepared["put epoch"].bind((epoch, at_us, ttl))

    def bucket(self, partition: Partition, at_us: int, ttl: int) -> Any:
        """Return the statement that lists a bucket."""
        return self._prepared["put bucket"].bind((*partition, at_us, ttl))

    def _bound(self, partition: Partition, event: Event, ttl: int) -> tuple[Any, tuple[Any, ...]]:
        values = (
            *partition,
            event["seq"],
            event["at"],
            event["id"],
            event["user_id"],
            event["user_name"],
            event["role"],
            event["text"],
            event["sticker"] if event["sticker"] is not None else UNSET_VALUE,
            event["mask"],
        )
        if event["type"] == "comment":
            return self._prepared["put comments_by_stream"], (*values, _micros(event), ttl)
        command = event["command"] or _NOTHING
        arguments = (
            event["type"],
            *(
                UNSET_VALUE if part is None else part
                for part in (command["target"], command["seconds"], command["reason"], command["settings"])
            ),
        )
        return self._prepared["put moderation_by_stream"], (*values, *arguments, _micros(event), ttl)


def comment(row: Sequence[Any]) -> Event:
    """Return the event of a row of ``cassandra_cql.COMMENT``."""
    seq, at, id_, user_id, user_name, role, text, sticker, mask = row
    if at is None:  # what is left, for a second, of a row that expired while it was erased
        at, id_, user_id, user_name, role, text, mask = _EPOCH, "", "", "", "", "", 0
    return Event(
        type="comment",
        seq=seq,
        at=milliseconds(at),
        id=id_,
        user_id=user_id,
        user_name=user_name or "",
        role=role,
        text=text or "",
        sticker=sticker,
        command=None,
        mask=mask,
    )


def moderation(row: Sequence[Any]) -> Event:
    """Return the event of a row of ``cassandra_cql.MODERATION``."""
    event = comment(row[:9])
    event["type"] = row[9]
    event["command"] = Command(target=row[10], seconds=row[11], reason=row[12], settings=row[13])
    return event


READERS = {"comments_by_stream": comment, "moderation_by_stream": moderation}


def milliseconds(at: datetime) -> int:
    """Return a row's time in ms since 1970."""
    return (at - _EPOCH) // _MS


def _micros(event: Event) -> int:
    return event["at"] * 1000


_NOTHING = Command(target=None, seconds=None, reason=None, settings=None)
