"""What Redis knows of streams: what `moderate` projected there, and where windows end. The rim.

Whatever it holds may be a few milliseconds behind the log. A Redis that does not answer is `Away`:
nothing is made up for it.
"""

import contextlib
import json
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.api.fresh import Taken
from edge.api.problems import Away
from schemas import stores
from schemas.codec import UndecodableError, codec
from schemas.routing import partition_of
from schemas.topics import FANOUT

TAKEN_SECONDS = 60
"""For longer than that nothing is read that was written before (`edge.api.freshness`)."""
TAKEN_MAX = 2_000
"""Of one stream; beyond it, what is taken away waits for the log like everybody else's."""
# A retry does not make a clear reach further. Time is Redis's, one clock for all processes: by that of one
# that is an hour ahead, a clear hid what its user said afterwards (found by `livecomments nemesis`).
_TAKE = """
local most, seconds, time = tonumber(ARGV[2]), tonumber(ARGV[3]), redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('HLEN', KEYS[1]) >= most then
  local rows = redis.call('HGETALL', KEYS[1])
  for at = 1, #rows, 2 do
    if now - tonumber(rows[at + 1]) > seconds * 1000 then redis.call('HDEL', KEYS[1], rows[at]) end
  end
  if redis.call('HLEN', KEYS[1]) >= most then return 0 end
end
redis.call('HSETNX', KEYS[1], ARGV[1], string.format('%d', now))
return redis.call('EXPIRE', KEYS[1], seconds)
"""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream. ``created_at``: ms since 1970, 0 when not known; ``settings``: as `moderate` wrote them."""

    id: str
    creator: str
    title: str | None
    state: str
    created_at: int
    moderators: frozenset[str] = frozenset()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BanState:
    """One ban. ``kind``: ban | timeout | shadow; ``until``: ms since 1970, None for good."""

    user: str
    kind: str
    until: int | None
    reason: str | None


class Directory:
    """Reads Redis; ``redis`` gives bytes. Every method may raise Away.

    What is missing there says nothing while its partition's sentinel is missing too: Redis was flushed, and
    is being filled again.
    """

    def __init__(self, redis: Redis, partitions: int) -> None:
        self._redis = redis
        self._partitions = partitions
        self._away = False

    async def ready(self) -> bool:
        """Whether Redis answers."""
        return bool(await self._ask(self._redis.ping()))

    async def stream(self, stream_id: str) -> StreamState | None:
        """Return a stream's state; None: nobody has opened it, or the projection does not show it yet."""
        [found] = await self.streams([stream_id])
        if found is None:
            sentinel = stores.rules_sentinel(self._partition(stream_id))
            if not await self._ask(self._redis.exists(sentinel)):
                raise Away("the stores are being filled again")
        return found

    async def streams(self, stream_ids: Sequence[str]) -> list[StreamState | None]:
        """Return several streams' states, in one round trip."""
        if not stream_ids:
            return []
        pipe = self._redis.pipeline(transaction=False)
        for stream_id in stream_ids:
            pipe.hgetall(stores.stream(stream_id))
            pipe.zscore(stores.STREAMS, stream_id)
        rows = await self._ask(pipe.execute())
        return [
            _state(stream_id, row, score)
            for stream_id, row, score in zip(stream_ids, rows[::2], rows[1::2], strict=True)
        ]

    async def newest(self, after: str | None, limit: int) -> list[str] | None:
        """Return ids of streams, the newest first, behind ``after``; None: there is no such ``after``."""
        begin = 0
        if after is not None:
            rank: int | None = await self._ask(self._redis.zrevrank(stores.STREAMS, after))
            if rank is None:
                return None
            begin = rank + 1
        rows = await self._ask(self._redis.zrevrange(stores.STREAMS, begin, begin + limit - 1))
        return [row.decode() for row in rows]

    async def head(self, stream_id: str) -> stores.Head | None:
        """Return where the stream's window ends; None: it has none."""
        head, _ = await self.tail(stream_id)
        return head

    async def tail(self, stream_id: str) -> tuple[stores.Head | None, Taken]:
        """Return where the stream's window ends, and what was taken away just now."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.mget(stores.head(stream_id), stores.window_sentinel(self._partition(stream_id)))
        pipe.hgetall(stores.taken(stream_id))
        pipe.time()
        (text, whole), taken, (seconds, micros) = await self._ask(pipe.execute())
        if whole is None:
            raise Away("the window is being built again")
        return self._head(text), _taken(taken, (seconds - TAKEN_SECONDS) * 1000 + micros // 1000)

    async def take_away(self, stream_id: str, type_: str, target: str) -> None:
        """Note that a ``delete`` or ``clear`` is durable, for reads that come before the log does."""
        key = stores.taken(stream_id)
        await self._ask(self._redis.eval(_TAKE, 1, key, f"{type_} {target}", TAKEN_MAX, TAKEN_SECONDS))

    @staticmethod
    def _head(text: bytes | None) -> stores.Head | None:
        try:
            return stores.Head.from_text(text.decode()) if text is not None else None
        except ValueError:
            log.warning("head of a window not understood")
            return None

    async def last(self, stream_id: str, epoch: str, count: int) -> list[Mapping[str, Any]]:
        """Return the last segments of a window, the newest first; but for those that cannot be read."""
        rows = await self._ask(self._redis.zrevrange(stores.window(stream_id, epoch), 0, count - 1))
        found = []
        for row in rows:
            with contextlib.suppress(UndecodableError):
                found.append(codec(FANOUT.record).decode(row))
        return found

    async def live(self, stream_id: str) -> Mapping[str, str]:
        """Return what `sample` says of a stream that is watched now (``live:``); empty: nobody watches it."""
        row = await self._ask(self._redis.hgetall(stores.live(stream_id)))
        return {name.decode(): value.decode() for name, value in row.items()}

    async def analytics(self, stream_id: str) -> str | None:
        """Return what `analyse` counted of a stream, as JSON; None: nothing, or it does not run."""
        text: bytes | None = await self._ask(self._redis.get(stores.analytics(stream_id)))
        return None if text is None else text.decode()

    async def watched(self, limit: int) -> list[tuple[str, Mapping[str, str]]]:
        """Return the watched streams with the most viewers, and what `sample` says of each."""
        ids = await self._ask(self._redis.zrevrange(stores.LIVE, 0, limit - 1))
        pipe = self._redis.pipeline(transaction=False)
        for stream_id in ids:
            pipe.hgetall(stores.live(stream_id.decode()))
        rows = await self._ask(pipe.execute()) if ids else []
        over = [stream_id for stream_id, row in zip(ids, rows, strict=True) if not row]
        if over:  # their last report expired with the worker that would have taken them out
            await self._ask(self._redis.zrem(stores.LIVE, *over))
        return [
            (stream_id.decode(), {name.decode(): value.decode() for name, value in row.items()})
            for stream_id, row in zip(ids, rows, strict=True)
            if row
        ]

    async def ban(self, stream_id: str, user: str) -> BanState | None:
        """Return one user's ban; None: not banned."""
        text = await self._ask(self._redis.hget(stores.bans(stream_id), user))
        return _ban(user, text) if text is not None else None

    async def held(self, stream_id: str) -> list[Mapping[str, Any]]:
        """Return the comments that wait for a moderator, the oldest first (`agents/core/held.py`)."""
        rows = await self._ask(self._redis.hvals(stores.held(stream_id)))
        found = [row for text in rows if (row := _json(text, dict))]
        return sorted(found, key=lambda row: (row["at"], row["id"]))

    async def bans(self, stream_id: str, cursor: int, count: int) -> tuple[int, list[BanState]]:
        """Return about ``count`` bans, and the cursor of the next ones (0: no more)."""
        key = stores.bans(stream_id)
        following, rows = await self._ask(self._redis.hscan(key, cursor, count=count))
        found = (_ban(user.decode(), text) for user, text in rows.items())
        return int(following), [ban for ban in found if ban is not None]

    def _partition(self, stream_id: str) -> int:
        return partition_of(stream_id, self._partitions)

    async def _ask(self, question: Awaitable[Any]) -> Any:
        try:
            answer = await question
        except (RedisError, OSError, TimeoutError) as error:
            if not self._away:
                log.warning("redis away", error=type(error).__name__)
            self._away = True
            raise Away("the stores do not answer now") from None
        if self._away:
            log.info("redis back")
        self._away = False
        return answer


def _state(stream_id: str, row: Mapping[bytes, bytes], score: float | None) -> StreamState | None:
    if not row:
        return None
    texts = {name.decode(): value.decode() for name, value in row.items()}
    return StreamState(
        id=stream_id,
        creator=texts.get("creator", ""),
        title=texts.get("title") or None,
        state=texts.get("state", "open"),
        created_at=int(score or 0),
        moderators=frozenset(_json(texts.get("moderators"), list)),
        settings=_json(texts.get("settings"), dict),
    )


def _taken(row: Mapping[bytes, bytes], since_ms: int) -> Taken:
    deleted, cleared = set(), {}
    for name, at in row.items():
        if int(at) < since_ms:
            continue
        kind, _, target = name.decode().partition(" ")
        if kind == "delete":
            deleted.add(target)
        else:
            cleared[target] = int(at)
    return Taken(frozenset(deleted), cleared)


def _ban(user: str, text: bytes) -> BanState | None:
    row = _json(text, dict)
    return BanState(user, str(row.get("kind", "ban")), row.get("until"), row.get("reason")) if row else None


def _json(text: str | bytes | None, kind: type) -> Any:
    """Read what the projection wrote; what cannot be read counts as not there."""
    try:
        value = json.loads(text or "null")
    except ValueError:
        value = None
    return value if isinstance(value, kind) else kind()
