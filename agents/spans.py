"""Traces of what stages and sinks do: one span for a sampled comment and hop (`schemas.spans`).

A stage's span lasts from the append of the oldest record of its step to when its output is durable: the
wait in the log and the inbox, deciding, and writing. A sink's is its write, of all the segments that
it stores together. Only what is written is looked at, and only where tracing is set.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from agents.log import Entry, Record
from agents.sink import Segment, Sink
from schemas.codec import Codec
from schemas.spans import Spans, Value, comments_of

SHOWN = ("seq", "verdict", "refusal", "mask")
"""What a hop says of a comment, where its record has it."""


def stage_hops(
    spans: Spans, stage: str, codec: Codec, wall_ms: Callable[[], float] = lambda: time.time() * 1000
) -> Callable[[int, Sequence[Record], Sequence[Entry]], None]:
    """Return what a runner calls with partition, input and output once the output is durable."""

    def durable(partition: int, taken: Sequence[Record], written: Sequence[Entry]) -> None:
        now = wall_ms()
        since = min((record.timestamp for record in taken), default=now)
        for _, value in written:
            for comment in comments_of(codec.decode(value)):
                if spans.wants(comment["id"]):
                    more = {"partition": partition, "records": len(taken)} | _said(comment)
                    spans.hop(stage, comment["id"], since, now, more, root=False)

    return durable


class TracedSink(Sink):
    """A sink whose writes are traced."""

    def __init__(
        self, sink: Sink, spans: Spans, wall_ms: Callable[[], float] = lambda: time.time() * 1000
    ) -> None:
        self._sink = sink
        self._spans = spans
        self._wall_ms = wall_ms
        # Of this instance: the class stands for any sink.
        self.name, self.source = sink.name, sink.source  # type: ignore[misc]

    async def run(self) -> None:
        """Do what the sink does beside."""
        await self._sink.run()

    def taken(self, partition: int) -> None:
        """Hand on."""
        self._sink.taken(partition)

    def left(self, partition: int) -> None:
        """Hand on."""
        self._sink.left(partition)

    async def write(self, partition: int, segments: Sequence[Segment]) -> None:
        """Write, and tell how long it took."""
        begun = self._wall_ms()
        await self._sink.write(partition, segments)
        now = self._wall_ms()
        for segment in segments:
            for comment in comments_of(segment.record):
                if self._spans.wants(comment["id"]):
                    more: dict[str, Value] = {"partition": partition, "segments": len(segments)}
                    more |= _said(comment)
                    self._spans.hop(self._sink.name, comment["id"], begun, now, more, root=False)


def _said(comment: Any) -> dict[str, Value]:
    return {name: comment[name] for name in SHOWN if comment.get(name) is not None}
