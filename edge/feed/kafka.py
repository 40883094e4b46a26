"""The feed from ``comments.fanout``, by partitions."""

import time
from collections.abc import Callable
from typing import Any

from edge.feed.base import Place, Sink
from edge.feed.cursor import Cursor
from edge.feed.reader import PartitionReader
from edge.stats import Stats
from schemas.routing import partition_of
from schemas.settings import Kafka
from schemas.topics import FANOUT


class KafkaFeed(PartitionReader):
    """`edge.feed.base.Feed` on Kafka. ``served_seconds``: how much of the past is told."""

    def __init__(
        self, kafka: Kafka, served_seconds: int, stats: Stats, wall: Callable[[], float] = time.time
    ) -> None:
        super().__init__(FANOUT, kafka, served_seconds, stats, wall)

    async def start(self, sink: Sink) -> None:
        """Begin; does not wait for Kafka."""
        self._sink = sink
        self._begin()

    def place_of(self, stream_id: str) -> Place:
        """Return the stream's partition."""
        return partition_of(stream_id, self._kafka.partitions)

    def _show(self, cursor: Cursor, partition: int, offset: int, record: Any) -> None:
        if cursor.admits(offset, record):
            self._sink.segment(partition, record, self._appended_ms)
        elif not record["claim"] and record["token"] < cursor.token:
            self._stats.records_fenced += 1

    def _lost(self, partition: int) -> None:
        self._sink.lost(partition)

    def _behind(self, partition: int, *, stale: bool) -> None:
        self._sink.behind(partition, stale=stale)
