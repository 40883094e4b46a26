"""The live board in Redis: who watches what, what of it is shown, how late; rewritten every second.

A projection of what `sample` knows, for the API and its pages. All of it expires by itself; Redis being
away costs nothing but the board. That sampling began or ended is logged here.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.core.lanes import LANES
from agents.core.live import Live
from agents.samplestate import SampleState
from schemas import stores

WRITE_SECONDS = 1.0
STREAMS_PER_WRITE = 200
EDGES_SECONDS = 2.0

log = structlog.get_logger()


class Board:
    """Writes this worker's streams, and knows which edges are registered."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._changed: dict[str, SampleState] = {}
        self._sampled: set[str] = set()
        self._edges: frozenset[str] | None = None
        self.away = False

    def edges(self) -> frozenset[str] | None:
        """Return the names of the registered edges; None while Redis does not say."""
        return self._edges

    def changed(self, partition: int, state: SampleState, streams: Sequence[str] | None) -> None:
        """Note streams that were looked at; None: all of a partition that was taken."""
        del partition
        for stream_id in state.lives if streams is None else streams:
            self._changed[stream_id] = state
            if streams is None and stream_id in state.sampled:
                self._sampled.add(stream_id)  # as it was before this worker came
            self._log_switch(stream_id, state)

    async def run(self) -> None:
        """Write, and read the edges' names, until cancelled."""
        loop = asyncio.get_running_loop()
        edges_at = loop.time()
        while True:
            try:
                if loop.time() >= edges_at:
                    edges_at = loop.time() + EDGES_SECONDS
                    self._edges = frozenset(_text(name) for name in await self._redis.hkeys(stores.EDGES))
                await self._write()
                self.away = False
            except (RedisError, OSError, TimeoutError) as error:
                if not self.away:
                    log.warning("redis away; the live board waits", error=type(error).__name__)
                self.away, self._edges = True, None
            await asyncio.sleep(WRITE_SECONDS)

    async def _write(self) -> None:
        changed, self._changed = self._changed, {}
        streams = list(changed.items())
        for start in range(0, len(streams), STREAMS_PER_WRITE):
            pipe = self._redis.pipeline(transaction=False)
            for stream_id, state in streams[start : start + STREAMS_PER_WRITE]:
                live = state.lives.get(stream_id)
                key = stores.live(stream_id)
                if live is None or not live.audience.edges:
                    pipe.delete(key)
                    pipe.zrem(stores.LIVE, stream_id)
                    continue
                fields: Any = row(stream_id, state, live)
                pipe.hset(key, mapping=fields)
                pipe.expire(key, stores.LIVE_SECONDS)
                pipe.zadd(stores.LIVE, {stream_id: live.audience.viewers})
            await pipe.execute()

    def _log_switch(self, stream_id: str, state: SampleState) -> None:
        live = state.sampled.get(stream_id)
        if live is not None and stream_id not in self._sampled:
            self._sampled.add(stream_id)
            log.info("sampling began", stream=stream_id, why=live.why, viewers=live.audience.viewers)
        elif live is None and stream_id in self._sampled:
            self._sampled.discard(stream_id)
            log.info("sampling ended", stream=stream_id)


def row(stream_id: str, state: SampleState, live: Live) -> dict[str, str | int | float]:
    """Return a stream's fields; see `schemas.stores`."""
    audience, sampler, totals = live.audience, live.sampler, state.reactions.get(stream_id)
    lanes = sampler.lanes_lately() if sampler is not None else [0] * LANES
    return {
        "viewers": audience.viewers,
        "users": audience.users,
        "edges": audience.edges,
        "p50_ms": round(audience.p50_ms, 1),
        "p99_ms": round(audience.p99_ms, 1),
        "queue_ms": round(audience.queue_ms, 1),
        "sampled": int(sampler is not None),
        "why": live.why if sampler is not None else "",
        "rate": live.control.rate if sampler is not None else 0,
        "arrivals_per_s": round(live.pace.arrivals, 1),
        "shown_per_s": round(live.pace.shown, 1),
        "lanes": json.dumps(lanes),
        "reactions": json.dumps(totals.counts if totals else {}, ensure_ascii=False),
    }


def _text(name: bytes | str) -> str:
    return name if isinstance(name, str) else name.decode()
