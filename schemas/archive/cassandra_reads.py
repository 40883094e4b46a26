"""Reading the archive in Cassandra: which buckets a stream has, slices of them, what hides what was found."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from heapq import merge
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from schemas.archive.base import LISTED_MAX, Listed, Stored
from schemas.archive.cassandra_cql import EVENT_TABLES
from schemas.archive.cassandra_rows import READERS, SEQ_MAX, Partition, bucket_of, milliseconds
from schemas.archive.cassandra_session import Session
from schemas.archive.paging import EpochRow, oldest_first
from schemas.overlay import Overlay
from schemas.records import Event

TARGETS_PER_QUERY = 250
TOKEN_MIN = -(2**63)
ALL_EVENTS = tuple(EVENT_TABLES)
COMMENTS_ALONE = ("comments_by_stream",)


class Place(NamedTuple):
    """An epoch that a stream may have, and the buckets in it, ascending; perhaps nothing of it is stored."""

    stream_id: str
    epoch: str
    buckets: Sequence[int]

    def partition(self, bucket: int) -> Partition:
        """Return the key of one of its partitions."""
        return Partition(self.stream_id, self.epoch, bucket)


class Reads:
    """The questions, on a session and its prepared statements."""

    def __init__(self, session: Session, prepared: Mapping[str, Any]) -> None:
        self._session = session
        self._prepared = prepared

    async def places(self, stream_id: str, epoch: str | None = None) -> list[Place]:
        """Return every epoch that the stream may have: every one of the cluster, or the one named."""
        asked = [self._rows("buckets", (stream_id,))]
        if epoch is None:
            asked.append(self._rows("epochs", ()))
        listed, *epochs = await asyncio.gather(*asked)
        names = {epoch} if epoch is not None else {row[0] for row in (*listed, *epochs[0])}
        return [
            Place(stream_id, name, [0, *sorted(bucket for each, bucket in listed if each == name)])
            for name in names
        ]

    async def stored(self, places: Sequence[Place]) -> list[tuple[Place, Stored]]:
        """Return those of which events are stored, oldest first, with their ends."""
        ends = await asyncio.gather(*map(self.end, places))
        found = {
            place.epoch: (place, end) for place, end in zip(places, ends, strict=True) if end is not None
        }
        if len(found) < 2:
            return list(found.values())
        firsts = await asyncio.gather(*(self.first(place, 1) for place, _ in found.values()))
        order = oldest_first(
            EpochRow(end.epoch, end.seq, first[1] if first else 0)
            for (_, end), first in zip(found.values(), firsts, strict=True)
        )
        return [found[each.epoch] for each in order]

    async def listing(self, after: int) -> Sequence[Listed]:
        """Return epochs of streams whose first partition has a token above ``after``, by token."""
        while True:
            parts = await self._both("listed", (after, LISTED_MAX), ALL_EVENTS)
            # Where one table's rows end before the other's, what the rest holds is not known yet.
            ends = [part[-1][3] for part in parts if len(part) == LISTED_MAX]
            found = {row[3]: Partition(*row[:3]) for part in parts for row in part}
            tokens = sorted(token for token in found if not ends or token <= min(ends))[:LISTED_MAX]
            first = await asyncio.gather(*(self._is_first(found[token]) for token in tokens))
            listed = [
                Listed(found[token].stream_id, found[token].epoch, str(token))
                for token, is_first in zip(tokens, first, strict=True)
                if is_first
            ]
            if listed or not tokens:
                return listed
            after = tokens[-1]

    async def _is_first(self, partition: Partition) -> bool:
        """Whether it is the first of its epoch of which anything is stored: lower ones may have expired."""
        if partition.bucket == 0:
            return True
        (place,) = await self.places(partition.stream_id, partition.epoch)
        first = await self.first(place, 1)
        return first is not None and bucket_of(first[0]) == partition.bucket

    async def end(self, place: Place) -> Stored | None:
        """Return where an epoch ends; None: nothing of it is stored."""
        for bucket in reversed(place.buckets):
            key = (*place.partition(bucket), 0, SEQ_MAX)
            ends = await self._both("last", key, ALL_EVENTS)
            seqs = [row[0] for end in ends for row in end]
            if seqs:
                return Stored(place.epoch, max(seqs))
        return None

    async def first(self, place: Place, seq: int) -> tuple[int, int] | None:
        """Return (seq, at) of the first event stored at or behind a number."""
        for bucket in place.buckets:
            if bucket >= bucket_of(seq):
                firsts = await self._both("first", (*place.partition(bucket), seq, SEQ_MAX), ALL_EVENTS)
                found = [row for part in firsts for row in part if row[1] is not None]
                if found:
                    first = min(found)
                    return first[0], milliseconds(first[1])
        return None

    async def slice(
        self, place: Place, seqs: tuple[int, int], limit: int, tables: Sequence[str]
    ) -> list[Event]:
        """Return the first ``limit`` stored events of [from, to], ascending."""
        found: list[Event] = []
        for bucket in place.buckets:
            if bucket_of(seqs[0]) <= bucket <= bucket_of(seqs[1]):
                key = (*place.partition(bucket), *seqs, limit - len(found))
                parts = await self._both("page", key, tables)
                events = (
                    [READERS[table](row) for row in part] for table, part in zip(tables, parts, strict=True)
                )
                found += list(merge(*events, key=itemgetter("seq")))[: limit - len(found)]
                if len(found) == limit:
                    break
        return found

    async def overlay(self, place: Place, found: Sequence[Event]) -> Overlay:
        """Return what hides any of these events, whenever it came."""
        targets = sorted({event[name] for event in found for name in ("id", "user_id")})
        cuts = [*range(0, len(targets), TARGETS_PER_QUERY), len(targets)]
        asked = [(place.stream_id, place.epoch, targets[start:end]) for start, end in pairwise(cuts)]
        overlay = Overlay()
        for part in await asyncio.gather(*(self._rows("hides", each) for each in asked)):
            for kind, target, seq in part:
                overlay.hide(kind, target, seq)
        return overlay

    def seqs(self, place: Place, upto: int) -> Iterator[int]:
        """Yield the numbers that are stored, ascending; blocks."""
        for bucket in place.buckets:
            key = (*place.partition(bucket), 1, upto)
            tables = (self._session.all_rows(self._prepared[f"seqs {table}"], key) for table in ALL_EVENTS)
            yield from (seq for (seq,) in merge(*tables))

    async def _both(self, name: str, key: Sequence[Any], tables: Sequence[str]) -> Sequence[Sequence[Any]]:
        return list(await asyncio.gather(*(self._rows(f"{name} {table}", key) for table in tables)))

    async def _rows(self, name: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        return await self._session.rows(self._prepared[name], parameters)
