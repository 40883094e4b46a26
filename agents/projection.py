"""Redis as the gateways see it: bans and settings a stream, written whenever they change.

A projection of ``moderate``'s rules. Redis being away costs the stage nothing: what changed is
remembered (a set of streams, no larger than the state) and written when it is back. A flush is seen
by a missing sentinel, and everything is written again.
"""

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from agents.core.bans import Ban
from agents.core.rules import Rules
from agents.moderate import ModerateState
from schemas import stores
from schemas.policies import EVERYWHERE

POLL_SECONDS = 1.0
STREAMS_PER_WRITE = 200
WHOLE_SECONDS = 60.0
"""What changes within this of a stream's bans written whole is written by itself: whatever a replaced worker
wrote late is put right by the next whole."""

log = structlog.get_logger()


class Projection:
    """Writes the rules of this worker's partitions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._states: dict[int, ModerateState] = {}
        self._changed: dict[str, int] = {}
        self._bans: dict[str, tuple[float, dict[str, Ban]]] = {}
        """Of each stream, as they are in Redis, when last written whole: there may be 50,000."""
        self._wake = asyncio.Event()
        self.away = False

    def changed(self, partition: int, state: ModerateState, streams: Sequence[str] | None) -> None:
        """Note streams whose commands are durable; None: all of a partition that was taken."""
        self._states[partition] = state
        if streams is None:
            streams = (*state.rules, EVERYWHERE)
            for stream in streams:
                self._bans.pop(stream, None)
        for stream in streams:
            self._changed[stream] = partition
        self._wake.set()

    def forget(self, partition: int) -> None:
        """Leave a partition to its next owner."""
        state = self._states.pop(partition, None)
        for stream in (*state.rules, EVERYWHERE) if state is not None else ():
            self._bans.pop(stream, None)
        self._changed = {stream: at for stream, at in self._changed.items() if at != partition}

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            try:
                await self._notice_flush()
                await self._write()
            except (RedisError, OSError, TimeoutError) as error:
                if not self.away:
                    log.warning("redis away; projection waits", error=type(error).__name__)
                self.away = True
                await asyncio.sleep(POLL_SECONDS)
                continue
            if self.away:
                log.info("redis back")
            self.away = False
            self._wake.clear()
            if not self._changed:
                try:
                    await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
                except TimeoutError:
                    continue

    async def _notice_flush(self) -> None:
        states = list(self._states.items())
        # One round trip: a ban that waits behind it is to bind in time.
        pipe = self._redis.pipeline(transaction=False)
        for partition, _ in states:
            # Set only where it is missing: then it was flushed, or never written.
            pipe.set(f"{stores.SENTINEL}:rules:{partition}", b"1", nx=True)
        for (partition, state), missing in zip(states, await pipe.execute(), strict=True):
            if missing:
                self.changed(partition, state, None)

    async def _write(self) -> None:
        while self._changed:
            batch = list(self._changed.items())[:STREAMS_PER_WRITE]
            pipe = self._redis.pipeline(transaction=True)
            for stream, partition in batch:
                state = self._states[partition]
                rules = state.rules.get(stream)
                if stream == EVERYWHERE:
                    self._put_bans(pipe, stream, state.policy.bans)
                elif rules is not None:
                    self._put_bans(pipe, stream, rules.bans)
                    _put(pipe, stream, rules)
            for stream, _ in batch:
                del self._changed[stream]
            try:
                await pipe.execute()
            except BaseException:
                self._changed |= dict(batch)
                for stream, _ in batch:
                    self._bans.pop(stream, None)
                raise

    def _put_bans(self, pipe: Any, stream: str, bans: Mapping[str, Ban]) -> None:
        """Write what is other than before; all of them where that is not known."""
        key, now = stores.bans(stream), asyncio.get_running_loop().time()
        whole_at, before = self._bans.get(stream, (-math.inf, {}))
        if now - whole_at > WHOLE_SECONDS:
            pipe.delete(key)
            whole_at, before = now, {}
        lifted = before.keys() - bans.keys()
        if lifted:
            pipe.hdel(key, *lifted)
        rows = {
            user: json.dumps({"kind": ban.kind, "until": ban.until, "reason": ban.reason}, ensure_ascii=False)
            for user, ban in bans.items()
            if before.get(user) != ban
        }
        if rows:
            pipe.hset(key, mapping=rows)
        self._bans[stream] = (whole_at, dict(bans))


def _put(pipe: Any, stream: str, rules: Rules) -> None:
    pipe.delete(stores.held(stream), stores.members(stream))
    if rules.held.waiting:
        held = {id_: json.dumps(asdict(held)) for id_, held in rules.held.waiting.items()}
        pipe.hset(stores.held(stream), mapping=held)
    if rules.members:
        pipe.sadd(stores.members(stream), *rules.members)
    pipe.hset(stores.stream(stream), mapping=_settings(rules))
    if rules.opened_at:
        pipe.zadd(stores.STREAMS, {stream: rules.opened_at})


def _settings(rules: Rules) -> Mapping[str, str]:
    settings = rules.settings()
    return {
        "creator": rules.creator or "",
        "title": rules.title or "",
        "moderators": json.dumps(sorted(rules.moderators)),
        "settings": json.dumps(settings, ensure_ascii=False),
        "state": "ended" if rules.ended else "open",
        "modes": " ".join(mode for mode in ("members_only", "emote_only") if settings[mode]),
        "slow_mode_seconds": str(rules.slow_seconds),  # the gateways' bucket reads it by itself
    }
