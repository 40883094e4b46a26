"""Tokens that no longer count although they have not expired: ``livecomments revoke``.

A sorted set in Redis holds them: ``token:<jti>`` stands for one token, ``user:<id>`` for all of a user's that
were issued up to its score (Redis's clock, ms). Every edge and API process keeps a copy and asks each second
for what is new, so that a revocation holds everywhere within two. Redis holds nothing for good: who finds it
flushed writes back what it knows.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.auth import Viewer
from schemas import stores

POLL_SECONDS = 0.8
ASK_SECONDS = 1.0
OVERLAP_MS = 60_000
"""Asked for again each time: what another Redis, with a slower clock, may have taken meanwhile."""
REVOKED_MAX = 200_000
"""Kept by one process; beyond it the oldest are forgotten."""
ENTRIES_PER_WRITE = 500

_REVOKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1])
for at = 2, #ARGV do redis.call('ZADD', KEYS[1], 'GT', now, ARGV[at]) end
return now
"""

log = structlog.get_logger()
_AWAY = (RedisError, OSError, TimeoutError)


def of_user(user_id: str) -> str:
    """Return the entry for a user's tokens."""
    return f"user:{user_id}"


def of_token(token_id: str) -> str:
    """Return the entry for one token, by its ``jti``."""
    return f"token:{token_id}"


class Revoked:
    """What is revoked, as far as this process knows. ``on_new`` are called when that grows."""

    def __init__(self) -> None:
        self.entries: dict[str, int] = {}
        """Entry → when it was revoked, ms since 1970."""
        self.on_new: list[Callable[[], None]] = []

    def refuses(self, viewer: Viewer) -> bool:
        """Whether the token that a viewer came with was revoked. One that does not say its age is old."""
        if not self.entries:
            return False
        if viewer.token_id is not None and of_token(viewer.token_id) in self.entries:
            return True
        at = self.entries.get(of_user(viewer.user_id))
        return at is not None and (viewer.issued_at is None or viewer.issued_at * 1000 <= at)

    def take(self, entries: Iterable[tuple[str, int]]) -> None:
        """Take note of entries; again is no harm."""
        before = len(self.entries)
        grown = False
        for entry, at in entries:
            if at > self.entries.get(entry, -1):
                self.entries[entry] = at
                grown = True
        if len(self.entries) > REVOKED_MAX:
            log.error("too many revoked tokens; the oldest count again", kept=REVOKED_MAX, known=before)
            newest = sorted(self.entries.items(), key=lambda each: each[1])[-REVOKED_MAX:]
            self.entries = dict(newest)
        if grown:
            for told in self.on_new:
                told()

    def forget(self, before_ms: int) -> None:
        """Drop what was revoked before a time: no token lives that long."""
        if self.entries and min(self.entries.values()) < before_ms:
            self.entries = {entry: at for entry, at in self.entries.items() if at >= before_ms}


class RevocationWatch:
    """Keeps ``revoked`` up to date. ``kept_ms``: the longest that a token lives."""

    def __init__(self, redis: Redis, revoked: Revoked, kept_ms: int) -> None:
        self._redis = redis
        self._revoked = revoked
        self._kept_ms = kept_ms
        self.away = False

    async def run(self) -> None:
        """Ask each second, until cancelled."""
        since = 0
        while True:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    since = await self._ask(since)
            except _AWAY as error:
                if not self.away:
                    log.warning("redis away; what is revoked now is not known", error=type(error).__name__)
                self.away = True
            else:
                self.away = False
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, since: int) -> int:
        pipe = self._redis.pipeline(transaction=True)
        pipe.time()
        pipe.zcard(stores.REVOKED)
        pipe.zrange(stores.REVOKED, max(0, since - OVERLAP_MS), "+inf", byscore=True, withscores=True)
        (seconds, microseconds), count, rows = await pipe.execute()
        now = int(seconds) * 1000 + int(microseconds) // 1000
        self._revoked.take((_text(entry), int(at)) for entry, at in rows)
        self._revoked.forget(now - self._kept_ms)
        if count < len(self._revoked.entries):
            await self._write_back(self._revoked.entries)
            return 0
        return now

    async def _write_back(self, entries: Mapping[str, int]) -> None:
        log.warning("revoked tokens are missing in redis; written back", entries=len(entries))
        rows = list(entries.items())
        for at in range(0, len(rows), ENTRIES_PER_WRITE):
            await self._redis.zadd(stores.REVOKED, dict(rows[at : at + ENTRIES_PER_WRITE]), gt=True)


async def revoke(redis: Redis, entries: Iterable[str], kept_ms: int) -> int:
    """Revoke now; return when that was, ms since 1970 by Redis's clock. Raises RedisError, OSError."""
    return int(await redis.eval(_REVOKE, 1, stores.REVOKED, str(kept_ms), *entries))


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
