"""The feed from ``comments.notices``, by partitions: what became of comments after they were acknowledged."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from edge.feed.cursor import Cursor
from edge.feed.reader import LEAD_SECONDS, PartitionReader
from edge.stats import Stats
from schemas.records import Notice
from schemas.routing import partition_of
from schemas.settings import Kafka
from schemas.topics import NOTICES

SERVED_SECONDS = (NOTICES.retention_ms or 0) // 1000 - LEAD_SECONDS
"""All that the topic keeps; what is older only shows repeats."""


class NoticeSink(Protocol):
    """What the feed tells."""

    def notice(self, partition: int, offset: int, notice: Notice, *, served: bool) -> None:
        """Take the next notice; ``served`` False: only so that its repeats are known."""

    def notices_lost(self, partition: int) -> None:
        """Forget a partition."""


class NoticeSource(Protocol):
    """Where notices come from; see `edge.feed.base.Feed`."""

    def partition_of(self, user_id: str) -> int:
        """Return where a user's notices are."""

    def start_of(self, partition: int) -> int:
        """Return the offset from which a partition's notices are served."""

    def next_of(self, partition: int) -> int:
        """Return the offset up to which a partition's notices were told."""

    def want(self, place: int) -> None:
        """Begin to read a partition."""

    def release(self, place: int) -> None:
        """Stop reading a partition."""

    async def reach(self, place: int, since: float, within: float) -> bool:
        """Wait until everything that was there at ``since`` was told."""


class NoNotices:
    """A `NoticeSource` for an edge that has none: nothing is ever reached."""

    tasks: Sequence[asyncio.Task[None]] = ()

    async def start(self, sink: NoticeSink) -> None:
        """Nothing is told."""

    def partition_of(self, user_id: str) -> int:
        """Return any."""
        del user_id
        return 0

    def start_of(self, partition: int) -> int:
        """Return the beginning."""
        del partition
        return 0

    def next_of(self, partition: int) -> int:
        """Return the beginning."""
        del partition
        return 0

    def want(self, place: int) -> None:
        """Nothing is read."""

    def release(self, place: int) -> None:
        """Nothing was read."""

    async def reach(self, place: int, since: float, within: float) -> bool:
        """Say no."""
        del place, since, within
        return False


class NoticeFeed(PartitionReader):
    """Reads for every user of this edge."""

    def __init__(self, kafka: Kafka, stats: Stats, wall: Callable[[], float] = time.time) -> None:
        super().__init__(NOTICES, kafka, SERVED_SECONDS, stats, wall)

    async def start(self, sink: NoticeSink) -> None:
        """Begin; does not wait for Kafka."""
        self._sink = sink
        self._begin()

    def partition_of(self, user_id: str) -> int:
        """Return where a user's notices are."""
        return partition_of(user_id, self._kafka.partitions)

    def start_of(self, partition: int) -> int:
        """Return the offset from which a partition's notices are served; 0 before that is known."""
        cursor = self._cursors.get(partition)
        return cursor.serve_from if cursor is not None else 0

    def next_of(self, partition: int) -> int:
        """Return the offset up to which a partition's notices were told; 0 before that is known."""
        cursor = self._cursors.get(partition)
        return (cursor.next or 0) if cursor is not None else 0

    def _show(self, cursor: Cursor, partition: int, offset: int, record: Any) -> None:
        self._sink.notice(partition, offset, record, served=offset >= cursor.serve_from)

    def _lost(self, partition: int) -> None:
        self._sink.notices_lost(partition)

    def _behind(self, partition: int, *, stale: bool) -> None:
        """Nothing: an author who waits for news of a comment is not misled by there being none."""
