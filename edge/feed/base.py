"""The interface between a source of segments and the hub that shows them.

A feed is read by *places*: what it reads as a whole. On Kafka that is a partition, with all the streams that
live there; on Redis a stream's own channel.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Place = int | str
"""A partition's number, or a stream's id."""


class Sink(Protocol):
    """What a feed tells. All calls are from the event loop, and none of them waits."""

    def segment(self, place: Place, record: Mapping[str, Any], appended_ms: int | None = None) -> None:
        """Take the next segment (`schemas.records.Fanout`) of a place, in the order of the log.

        ``appended_ms``: when, by the broker's clock; None: not known, or it was read from the window.
        """

    def lost(self, place: Place) -> None:
        """Forget a place: what comes next does not follow from what was told."""

    def behind(self, place: Place, *, stale: bool) -> None:
        """Note that what a place holds can (not) be read any more."""


class Feed(Protocol):
    """Reads the places that are wanted. ``time``: seconds of the event loop's clock."""

    @property
    def ready(self) -> bool:
        """Whether it is connected."""

    def place_of(self, stream_id: str) -> Place:
        """Return where a stream is to be read."""

    def want(self, place: Place) -> None:
        """Begin to read a place; again is no harm."""

    def release(self, place: Place) -> None:
        """Stop reading a place."""

    async def reach(self, place: Place, since: float, within: float) -> bool:
        """Wait until everything that was in the place at ``since`` was told; False: not in time.

        ``since`` -inf: until its end was reached once. ``within``: seconds.
        """

    @property
    def tasks(self) -> Sequence[asyncio.Task[None]]:
        """What runs until `stop`; one that ends by itself is a fault."""

    async def start(self, sink: Sink) -> None:
        """Begin; does not wait for the source."""

    async def stop(self) -> None:
        """End."""
