"""What `analyse` knows of each stream, in Redis for the API: rewritten when a slice is durable.

All of it expires by itself; Redis being away costs nothing but this.
"""

import asyncio
import json
from collections.abc import Sequence

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.analyse import AnalyseState
from agents.core.counting import MINUTE_MS, Tally
from schemas import stores

WRITE_SECONDS = 1.0
STREAMS_PER_WRITE = 200
RISING_MAX = 20

log = structlog.get_logger()


class Analytics:
    """Writes this worker's streams."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._changed: dict[str, AnalyseState] = {}
        self.away = False

    def changed(self, partition: int, state: AnalyseState, streams: Sequence[str] | None) -> None:
        """Note streams of which a slice is durable; None: all of a partition that was taken."""
        del partition
        for stream_id in state.tallies if streams is None else streams:
            self._changed[stream_id] = state

    async def run(self) -> None:
        """Write, until cancelled."""
        while True:
            try:
                await self.write()
                self.away = False
            except (RedisError, OSError, TimeoutError) as error:
                if not self.away:
                    log.warning("redis away; analytics wait", error=type(error).__name__)
                self.away = True
            await asyncio.sleep(WRITE_SECONDS)

    async def write(self) -> None:
        """Write what changed. What could not be written is written with the stream's next slice."""
        changed, self._changed = self._changed, {}
        streams = list(changed.items())
        for start in range(0, len(streams), STREAMS_PER_WRITE):
            pipe = self._redis.pipeline(transaction=False)
            for stream_id, state in streams[start : start + STREAMS_PER_WRITE]:
                tally = state.tallies.get(stream_id)
                if tally is not None:
                    pipe.set(stores.analytics(stream_id), text_of(tally), ex=stores.ANALYTICS_SECONDS)
            await pipe.execute()


def text_of(tally: Tally) -> str:
    """Return a stream's analytics as they are stored; see `schemas.stores`."""
    minutes = [
        {"at": each.minute * MINUTE_MS, "comments": each.comments, "actions": each.actions}
        | {"authors": each.authors}
        for each in tally.minutes
    ]
    rising = [each._asdict() for each in tally.rising(RISING_MAX)]
    return json.dumps({"minutes": minutes, "rising": rising}, ensure_ascii=False)
