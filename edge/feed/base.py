"""The interface between a source of segments and the hub that shows them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Sink(Protocol):
    """What a feed tells. All calls are from the event loop, and none of them waits."""

    def segment(self, partition: int, record: Mapping[str, Any]) -> None:
        """Take the next segment (`schemas.records.Fanout`) of a partition, in the order of the log."""

    def lost(self, partition: int) -> None:
        """Forget a partition: what comes next does not follow from what was told."""

    def behind(self, partition: int, *, stale: bool) -> None:
        """Note that what a partition holds can (not) be read any more."""


class Feed(Protocol):
    """Reads the partitions that are wanted. ``time``: seconds of the event loop's clock."""

    @property
    def ready(self) -> bool:
        """Whether it is connected."""

    def want(self, partition: int) -> None:
        """Begin to read a partition; again is no harm."""

    def release(self, partition: int) -> None:
        """Stop reading a partition."""

    async def reach(self, partition: int, since: float, within: float) -> bool:
        """Wait until everything that was in the partition at ``since`` was told; False: not in time.

        ``since`` -inf: until its end was reached once. ``within``: seconds.
        """

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until `stop`; one that ends by itself is a fault."""

    async def start(self, sink: Sink) -> None:
        """Begin; does not wait for the source."""

    async def stop(self) -> None:
        """End."""
