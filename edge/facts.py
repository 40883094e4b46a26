"""The rim of `edge.checks`: what Redis knows, many authors in one round trip.

Requests that come while a round trip is on the way share the next one. A Redis that does not answer
is left alone (the circuit is open: every request is answered «not known» at once) until a ping in the
background says that it is back, so that it costs nothing per comment.
"""

import asyncio
import contextlib
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import NoScriptError, RedisError

from edge.checks import Ban, Facts, Spent
from edge.tasks import end
from schemas import stores
from schemas.policies import EVERYWHERE
from schemas.refusals import Code

REQUESTS_PER_TRIP_MAX = 256
REQUESTS_WAITING_MAX = 10_000
PROBE_SECONDS = 0.5
BURST_FACTOR = 5
IDS_KEPT_MAX = 512
"""Ids that a bucket remembers, at most, so that a retry is not counted again: all of a duplicate window."""
RETRIES_MAX = 100
"""Of remembered ids, between two new comments: a retry is free, a flood of them is not."""

# One atomic step, and one command a request: five of them were most of what a comment cost a gateway.
# What is known comes first; then, for a comment, its bucket. A retry of an id that went on before goes on
# again, whatever has changed since: the log alone knows what became of it, and a comment has one outcome.
# Else bans and the stream's end (nothing is spent), slow mode, and the tokens. Time is Redis's, so that all
# gateways share one clock. Reply: {ban, {state, creator, moderators, modes, slow}, ban from everywhere,
# member, {0 pass | 1 rate | 2 slow | 3 banned or ended | 4 retry, wait in ms}}.
_ASK = """
local author, id = ARGV[1], ARGV[2]
local rate, burst, retries_max, ids_chars, window_ms = LIMITS
local banned = redis.call('HGET', KEYS[3], author)
local stream = redis.call('HMGET', KEYS[2], 'state', 'creator', 'moderators', 'modes', 'slow_mode_seconds')
local function spend()
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local row = redis.call('HMGET', KEYS[1], 'tokens', 'at', 'ids')
  local at, ids = tonumber(row[2]) or 0, row[3] or ''
  if string.find(ids, id, 1, true) then
    if redis.call('HINCRBY', KEYS[1], 'retries', 1) > retries_max then return {1, 1000} end
    return {4, 0}
  end
  if stream[1] == 'ended' then return {3, 0} end
  local known, ban = pcall(cjson.decode, banned or 'null')
  if known and type(ban) == 'table' and (ban.kind == 'ban' or ban.kind == 'timeout') then
    if type(ban['until']) ~= 'number' or ban['until'] > now then return {3, 0} end
  end
  local slow = 0
  if ARGV[3] == '1' then slow = 1000 * (tonumber(stream[5]) or 0) end
  if at > 0 and now - at < slow then return {2, slow - (now - at)} end
  local tokens = math.min(burst, (tonumber(row[1]) or burst) + math.max(0, now - at) * rate / 1000)
  if tokens < 1 then return {1, math.ceil((1 - tokens) * 1000 / rate)} end
  redis.call('HSET', KEYS[1], 'tokens', string.format('%.6f', tokens - 1), 'at', now, 'retries', 0,
    'ids', string.sub(ids .. id .. ' ', -ids_chars))
  redis.call('PEXPIRE', KEYS[1], math.max(window_ms, slow, math.ceil(burst * 1000 / rate)))
  return {0, 0}
end
local spent = {0, 0}
if id ~= '' then spent = spend() end
return {banned, stream, redis.call('HGET', KEYS[4], author), redis.call('SISMEMBER', KEYS[5], author), spent}
"""
# What was refused for another reason did not go on: the same id is no retry.
_FORGET = """
local ids = redis.call('HGET', KEYS[1], 'ids')
local from, to = string.find(ids or '', ARGV[1] .. ' ', 1, true)
if from then redis.call('HSET', KEYS[1], 'ids', string.sub(ids, 1, from - 1) .. string.sub(ids, to + 1)) end
return from or 0
"""
_ID_CHARS = 37
_CODES = {1: Code.RATE_LIMITED, 2: Code.SLOW_MODE}
_RETRY = 4

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Request:
    stream_id: str
    user_id: str
    comment_id: str | None
    slow: bool
    until: float
    """By the loop's clock: then Redis counts as away."""
    answer: asyncio.Future[Facts | None]


class FactStore:
    """Asks Redis. ``rate_per_second``: a user's comments on a stream; the burst is five times that.

    ``window_seconds``: within which a retry is known as one.
    """

    def __init__(
        self, redis: Redis, *, rate_per_second: float, timeout_ms: int, window_seconds: int = 120
    ) -> None:
        self._redis = redis
        burst = max(1.0, rate_per_second * BURST_FACTOR)
        ids = min(IDS_KEPT_MAX, math.ceil(rate_per_second * window_seconds + burst))
        limits = (rate_per_second, burst, RETRIES_MAX, ids * _ID_CHARS, window_seconds * 1000)
        self._ask = _ASK.replace("LIMITS", ", ".join(map(repr, limits)))
        self._ask_sha = hashlib.sha1(self._ask.encode(), usedforsecurity=False).hexdigest()
        self._timeout = timeout_ms / 1000
        self._waiting: list[_Request] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.away = False
        """Whether the circuit is open."""

    async def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._run(), name="fact-store")

    async def stop(self) -> None:
        """Answer what waits with «not known», and stop."""
        if self._task is not None:
            await end([self._task])
        self._answer(self._waiting, [None] * len(self._waiting))
        self._waiting = []

    async def facts(
        self, stream_id: str, user_id: str, *, comment_id: str | None = None, slow: bool = True
    ) -> Facts | None:
        """Return what is known; None when Redis did not say within the time-out.

        With ``comment_id`` one comment is taken from the author's bucket, unless that id was before.
        ``slow``: whether slow mode binds this author.
        """
        if self.away or len(self._waiting) >= REQUESTS_WAITING_MAX:
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Facts | None] = loop.create_future()
        until = loop.time() + self._timeout
        self._waiting.append(_Request(stream_id, user_id, comment_id, slow, until, answer))
        self._wake.set()
        return await answer

    async def forget(self, stream_id: str, user_id: str, comment_id: str) -> None:
        """Note that a comment did not go on although its bucket let it; what it cost stays spent."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(self._timeout):
                await self._redis.eval(_FORGET, 1, stores.bucket(stream_id, user_id), comment_id)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            batch = self._waiting[:REQUESTS_PER_TRIP_MAX]
            del self._waiting[:REQUESTS_PER_TRIP_MAX]
            if not self._waiting:
                self._wake.clear()
            # Nobody waits for these any more: their tokens stay where they are.
            batch = [each for each in batch if not each.answer.done()]
            try:
                # One time-out for all: each author has one of at most that length, at a fraction of the cost.
                async with asyncio.timeout_at(batch[0].until if batch else None):
                    rows = await self._trip(batch) if batch else []
            except Exception as error:  # noqa: BLE001 - whatever it is, authors do not wait for it
                self._answer(batch, [None] * len(batch))
                await self._wait_until_back(error)
            except asyncio.CancelledError:
                self._answer(batch, [None] * len(batch))
                raise
            else:
                self._answer(batch, rows)

    async def _trip(self, batch: Sequence[_Request]) -> list[Facts | None]:
        rows = await self._asked(batch)
        if any(isinstance(row, NoScriptError) for row in rows):
            await self._redis.script_load(self._ask)
            rows = await self._asked(batch)  # what was asked before is a retry of its id
        for row in rows:
            if isinstance(row, Exception):
                raise row
        return [_facts(*row) for row in rows]

    async def _asked(self, batch: Sequence[_Request]) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for each in batch:
            stream, user = each.stream_id, each.user_id
            pipe.evalsha(
                self._ask_sha,
                5,
                stores.bucket(stream, user),
                stores.stream(stream),
                stores.bans(stream),
                stores.bans(EVERYWHERE),
                stores.members(stream),
                user,
                each.comment_id or "",
                "1" if each.slow else "0",
            )
        rows: list[Any] = await pipe.execute(raise_on_error=False)
        return rows

    def _answer(self, batch: Sequence[_Request], rows: Sequence[Facts | None]) -> None:
        for each, facts in zip(batch, rows, strict=True):
            if not each.answer.done():
                each.answer.set_result(facts)

    async def _wait_until_back(self, error: BaseException) -> None:
        log.warning("redis away; bans and rates are left to the log", error=type(error).__name__)
        self.away = True
        waiting, self._waiting = self._waiting, []
        self._answer(waiting, [None] * len(waiting))
        while self.away:
            await asyncio.sleep(PROBE_SECONDS)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._redis.ping()
                self.away = False
        log.info("redis back")


def _facts(
    ban: str | None,
    stream: Sequence[str | None],
    everywhere: str | None,
    member: int,
    spent: Sequence[int],
) -> Facts:
    state, creator, moderators, modes, _ = stream
    return Facts(
        everywhere=_ban(everywhere),
        modes=frozenset((modes or "").split()),
        member=bool(member),
        ban=_ban(ban),
        state=state,
        creator=creator or None,
        moderators=frozenset(_json(moderators, list)),
        spent=Spent(_CODES.get(int(spent[0])), int(spent[1]) / 1000, retry=int(spent[0]) == _RETRY),
    )


def _ban(text: str | None) -> Ban | None:
    row = _json(text, dict)
    return Ban(str(row.get("kind", "")), row.get("until"), row.get("reason")) if row else None


def _json(text: str | None, kind: type) -> Any:
    """Read a value that a projection wrote; what cannot be read counts as not there."""
    if not text:
        return kind()
    with contextlib.suppress(ValueError):
        value = json.loads(text)
        if isinstance(value, kind):
            return value
    return kind()
