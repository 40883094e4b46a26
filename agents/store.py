"""The Faust store behind a checkpoint table: the higher entry of a key holds, whatever the order.

Faust's own memory store takes the last entry. A worker that was paused in the middle of a checkpoint
may append entries behind those of its successor; taking the last would set a stream back.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from faust.stores import STORES
from faust.stores.memory import Store

from agents.core.positions import is_watermark, rank
from agents.errors import RecoveryError
from agents.log import Log
from schemas.codec import UndecodableError
from schemas.routing import partition_of
from schemas.topics import Topic

SCHEME = "folding"
STORES.aliases[SCHEME] = "agents.store:FoldingStore"


class FoldingStore(Store):  # type: ignore[misc]  # Faust is untyped
    """In-memory, folded by `agents.core.positions.rank`."""

    record = ""
    stale: set[bytes]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stale = set()

    def apply_changelog_batch(
        self, batch: Iterable[Any], to_key: Callable[[Any], Any], to_value: Callable[[Any], Any]
    ) -> None:
        """Fold a batch of recovered entries."""
        del to_key, to_value  # raw bytes, as the table declares
        for event in batch:
            message = event.message
            try:
                new = rank(self.record, message.value)
            except UndecodableError:
                continue  # not ours
            self._key_partition[message.key] = message.partition
            known = self.data.get(message.key)
            if known is not None and rank(self.record, known) > new:
                self.stale.add(message.key)
            else:
                self.data[message.key] = message.value
                self.stale.discard(message.key)


class FaustTable:
    """`agents.log.Table` on a Faust table that Faust has recovered."""

    def __init__(self, app: Any, table: Any, topic: Topic, log: Log, partitions: int) -> None:
        self._app = app
        self._topic = topic
        self._log = log
        self._partitions = partitions
        self._store: FoldingStore = table.data
        self._store.record = topic.record

    async def load(self, partition: int) -> Sequence[tuple[bytes, bytes]]:
        """Return the partition's entries.

        Raises:
            RecoveryError: Faust did not read the changelog to its end (it may stop silently).

        """
        offsets = self._app.tables.recovery.active_offsets
        reached = next(
            (
                offset
                for at, offset in offsets.items()
                if at.topic == self._topic.name and at.partition == partition
            ),
            None,
        )
        end = await self._log.end_offset(self._topic.name, partition)
        if end > 0 and (reached is None or reached < end - 1):
            raise RecoveryError(f"{self._topic.name}-{partition}: recovered to {reached}, it ends at {end}")
        return [(key, value) for key, value in self._store.data.items() if self._is_of(key, partition)]

    def put(self, partition: int, key: bytes, value: bytes) -> None:
        """Apply an entry that the changelog has."""
        self._store._key_partition[key] = partition  # noqa: SLF001 - so that losing the partition drops it
        self._store.data[key] = value

    def stale(self, partition: int) -> Sequence[str]:
        """Return streams whose last entry is not their highest."""
        keys = [key for key in self._store.stale if not is_watermark(key) and self._is_of(key, partition)]
        return [key.decode() for key in keys]

    def _is_of(self, key: bytes, partition: int) -> bool:
        if is_watermark(key):
            return key.endswith(b"/%d" % partition)
        return partition_of(key.decode(), self._partitions) == partition
