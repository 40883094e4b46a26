"""Traces of what stages and sinks do: one span for a sampled comment and hop (`schemas.spans`).

A stage's span lasts from the append of the oldest record of its step to when its output is durable: the
wait in the log and the inbox, deciding, and writing. A sink's is its write, of all the segments that
it stores together. Only what is written is looked at, and only where tracing is set.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

from agents.log import Entry, Record
from agents.sink import Segment, Stored
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


def sink_hops(spans: Spans, sink: str, wall_ms: Callable[[], float] = lambda: time.time() * 1000) -> Stored:
    """Return what a runner calls with partition and segments once they are stored."""

    def stored(partition: int, segments: Sequence[Segment], seconds: float) -> None:
        now = wall_ms()
        for segment in segments:
            for comment in comments_of(segment.record):
                if spans.wants(comment["id"]):
                    more: dict[str, Value] = {"partition": partition, "segments": len(segments)}
                    more |= _said(comment)
                    spans.hop(sink, comment["id"], now - 1000 * seconds, now, more, root=False)

    return stored


def _said(comment: Any) -> dict[str, Value]:
    return {name: comment[name] for name in SHOWN if comment.get(name) is not None}
