"""Which edges there are: each says so in Redis every second, and who is silent is gone.

An edge that dies takes itself out by its silence; nobody watches over it. Times are Redis's own, so that
all share one clock. Redis may be flushed or away: a second after its return everything is there again, and
who asks meanwhile goes on with what was last known.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from secrets import randbelow
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from edge.placement import Offer, Rules, Stream, choose
from edge.tasks import end
from schemas import stores
from schemas.redisclient import redis_client
from schemas.routing import partition_of
from schemas.settings import Settings

HEARTBEAT_SECONDS = 1.0
SILENCE_MS = 4_000
"""An edge that said nothing for this long is gone."""
KNOWN_SECONDS = 1.0
"""How long an answer of Redis serves who asks."""
LEAVE_SECONDS = 1.0
"""For Redis to hear that an edge leaves; it would notice anyway."""

# Value of a field: "<valid until, ms> <JSON>".
_SAY = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return redis.call('HSET', KEYS[1], ARGV[1], string.format('%d %s', now + ARGV[2], ARGV[3]))
"""
_LIST = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rows, found = redis.call('HGETALL', KEYS[1]), {}
for at = 1, #rows, 2 do
  local valid, said = string.match(rows[at + 1], '^(%d+) (.*)$')
  if valid and tonumber(valid) > now then found[#found + 1] = said
  else redis.call('HDEL', KEYS[1], rows[at]) end
end
return found
"""

log = structlog.get_logger()
_AWAY = (RedisError, OSError, TimeoutError)


class Registrar:
    """Says for one edge process that it is there. ``offer`` is asked at each heartbeat."""

    def __init__(self, redis: Redis, name: str, offer: Callable[[], Offer]) -> None:
        self._redis = redis
        self._name = name
        self._offer = offer
        self._task: asyncio.Task[None] | None = None
        self._now = asyncio.Event()

    def start(self) -> None:
        """Begin; does not wait for Redis."""
        self._task = asyncio.create_task(self._run(), name="registrar")

    def say_now(self) -> None:
        """Do not wait for the next heartbeat: something changed that matters, such as a drain's begin."""
        self._now.set()

    async def stop(self) -> None:
        """Leave."""
        if self._task is None:
            return
        await end([self._task])
        with contextlib.suppress(*_AWAY):
            async with asyncio.timeout(LEAVE_SECONDS):
                await self._redis.hdel(stores.EDGES, self._name)

    async def _run(self) -> None:
        away = False
        while True:
            self._now.clear()
            try:
                await self._redis.eval(_SAY, 1, stores.EDGES, self._name, SILENCE_MS, _text(self._offer()))
                away = False
            except _AWAY as error:
                if not away:
                    log.warning("redis away; this edge cannot be found there", error=type(error).__name__)
                away = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._now.wait()


class Roster:
    """Knows the edges that are there. ``now``: seconds, monotonic."""

    def __init__(self, redis: Redis, now: Callable[[], float]) -> None:
        self._redis = redis
        self._now = now
        self._offers: Sequence[Offer] = ()
        self._asked_at = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def offers(self) -> Sequence[Offer]:
        """Return what the edges offer, one entry an address, at most a second old while Redis answers."""
        if self._now() - self._asked_at > KNOWN_SECONDS:
            if self._asking is None:
                self._asking = asyncio.create_task(self._ask())
            await asyncio.shield(self._asking)
        return self._offers

    async def _ask(self) -> None:
        try:
            rows = await self._redis.eval(_LIST, 1, stores.EDGES)
            self._offers = merged(_offers(rows))
        except _AWAY as error:
            log.warning("redis away; edges are those last known", error=type(error).__name__)
        finally:
            self._asked_at, self._asking = self._now(), None


class Enrolment:
    """An edge process's place among the others; see `enrolment`."""

    def __init__(self, registrar: Registrar, roster: Roster, offer: Callable[[], Offer]) -> None:
        self._registrar = registrar
        self._roster = roster
        self._offer = offer

    def begin(self) -> None:
        """Say that it is there, from now on."""
        self._registrar.start()

    async def leave(self) -> int:
        """Say that it takes nobody any more; return how many other edges do."""
        self._registrar.say_now()
        mine = self._offer().address
        return sum(not each.draining and each.address != mine for each in await self._roster.offers())


@contextlib.asynccontextmanager
async def enrolment(settings: Settings, offer: Callable[[], Offer]) -> AsyncIterator[Enrolment]:
    """Make a process's place in the registry; at the end it is taken out."""
    redis = redis_client(settings.redis)
    registrar = Registrar(redis, settings.edge.name, offer)
    try:
        yield Enrolment(registrar, Roster(redis, asyncio.get_running_loop().time), offer)
    finally:
        await registrar.stop()
        await redis.aclose()


class Finder:
    """Finds edges for a stream. ``draw(n)``: a random number below n."""

    def __init__(self, settings: Settings, roster: Roster, draw: Callable[[int], int] = randbelow) -> None:
        self._roster = roster
        self._draw = draw
        self._rules = Rules(settings.placement.viewers_per_edge, settings.placement.cell_edges)
        self._partitions = settings.kafka.partitions if settings.edge.feed == "kafka" else None

    async def find(self, stream_id: str, viewers: int) -> Sequence[str]:
        """Return the URLs where one more viewer may connect, the best first; empty: no edge takes anybody."""
        partition = partition_of(stream_id, self._partitions) if self._partitions is not None else None
        offers = await self._roster.offers()
        return choose(Stream(stream_id, viewers, partition), offers, self._rules, self._draw)


def merged(offers: Iterable[Offer]) -> Sequence[Offer]:
    """Join the offers of processes that share an address: nobody can choose between them."""
    found: dict[str, Offer] = {}
    for offer in offers:
        known = found.get(offer.address)
        if known is not None:
            offer = Offer(  # noqa: PLW2901 - it is the same offer, joined
                offer.address,
                known.load + offer.load,
                known.capacity + offer.capacity,
                known.draining and offer.draining,
            )
        found[offer.address] = offer
    return tuple(found.values())


def _text(offer: Offer) -> str:
    return json.dumps(
        {
            "address": offer.address,
            "load": offer.load,
            "capacity": offer.capacity,
            "draining": offer.draining,
        }
    )


def _offers(rows: Iterable[Any]) -> Iterable[Offer]:
    for row in rows:
        try:
            said = json.loads(row)
            offer = Offer(said["address"], int(said["load"]), int(said["capacity"]), bool(said["draining"]))
        except (ValueError, KeyError, TypeError):
            log.warning("an edge's registration is not understood")
            continue
        if offer.capacity > 0:
            yield offer
