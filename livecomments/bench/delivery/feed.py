"""A feed whose segments are pushed by hand, and a gateway that takes nothing: the edge without Kafka."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any

from edge.feed.base import Place, Sink
from schemas.refusals import Code, Refusal
from schemas.routing import partition_of


class PushFeed:
    """`edge.feed.base.Feed`; what is said becomes a segment of one comment."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._ends: dict[str, int] = {}
        self._sink: Sink | None = None
        self.ready = True
        self.tasks: Sequence[asyncio.Task[None]] = ()

    async def start(self, sink: Sink) -> None:
        """Begin."""
        self._sink = sink

    async def stop(self) -> None:
        """End."""

    def place_of(self, stream_id: str) -> Place:
        """Return a stream's partition."""
        return partition_of(stream_id, self._partitions)

    def want(self, place: Place) -> None:
        """Everything is told anyway."""

    def release(self, place: Place) -> None:
        """Nothing was begun."""

    async def reach(self, place: Place, since: float, within: float) -> bool:
        """There is never more than was told."""
        del place, since, within
        return True

    def say(self, stream_id: str, text: str) -> None:
        """Tell a comment."""
        if self._sink is None:
            return
        seq = self._ends[stream_id] = self._ends.get(stream_id, 0) + 1
        self._sink.segment(self.place_of(stream_id), _segment(stream_id, seq, text))


class NoDoor:
    """A gateway that is closed."""

    async def comment(self, *_: object, **__: object) -> object:
        """Refuse."""
        raise Refusal(Code.READ_ONLY)


def _segment(stream_id: str, seq: int, text: str) -> dict[str, Any]:
    origin = {"offset": seq, "index": 0}
    event = {
        "type": "comment",
        "seq": seq,
        "at": int(time.time() * 1000),
        "id": str(uuid.UUID(int=seq)),
        "user_id": "bench",
        "user_name": "Bench",
        "role": "viewer",
        "text": text,
        "sticker": None,
        "command": None,
        "mask": -1,
        "copies": 1,
    }
    return {
        "stream_id": stream_id,
        "epoch": "bench-0",
        "from_seq": seq - 1,
        "to_seq": seq,
        "origin": origin,
        "covered": origin,
        "claim": "",
        "token": 0,
        "source_token": 0,
        "viewers": -1,
        "users": -1,
        "sampled": False,
        "why": None,
        "rate": 0.0,
        "window": -1,
        "reactions": None,
        "reacted": -1,
        "events": [event],
    }
