"""Carrying out a fault. What begins here also ends here; healing is waited for by the caller."""

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Awaitable, Callable

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from livecomments.nemesis import clock, kinds
from livecomments.nemesis.book import Book
from livecomments.nemesis.proxy import Mode, Proxy
from livecomments.nemesis.stack import Stack
from livecomments.stack.processes import is_alive
from livecomments.verify import facts as f

GONE_SECONDS = 20.0
PRODUCE_SECONDS = 10.0
POISONED = (
    "comments.submitted",
    "comments.ingested",
    "comments.moderated",
    "comments.sequenced",
    "comments.fanout",
)
POISON_BYTES = 100_000
POLL_SECONDS = 0.05


class Faults:
    """What can be done to a stack."""

    def __init__(self, stack: Stack, book: Book, rng: random.Random) -> None:
        self._stack = stack
        self._book = book
        self._rng = rng
        self._doing: dict[str, Callable[[str], Awaitable[str]]] = {
            "kill": self._kill,
            "pause": lambda kind: self._stop(kind, kinds.PAUSE_SECONDS),
            "freeze": self._freeze,
            "restart": self._restart,
            "flush": self._flush,
            "cut": self._cut,
            "stall": lambda kind: self._mode(kind, Mode.STALL),
            "deaf": lambda kind: self._mode(kind, Mode.DEAF),
            "halfclose": self._half_close,
            "clock": self._clock,
            "roll": self._roll,
            "poison": self._poison,
        }

    async def do(self, kind: str) -> str:
        """Carry out a fault; return to what it was done."""
        what, _, whom = kind.partition("-")
        return await self._doing[what](whom)

    async def _kill(self, kind: str) -> str:
        return await self._end(kind, signal.SIGKILL)

    async def _end(self, kind: str, number: signal.Signals) -> str:
        name = self._one(kind)
        await self._kill_one(name, number)
        return name

    async def _kill_one(self, name: str, number: signal.Signals) -> None:
        process = self._stack.signal(name, number)
        async with asyncio.timeout(GONE_SECONDS):
            while process is not None and is_alive(process):  # noqa: ASYNC110 - it is no child of ours
                await asyncio.sleep(POLL_SECONDS)

    async def _freeze(self, kind: str) -> str:
        ours = kind in {*kinds.OURS, kinds.FUSED}
        return await self._stop(kind, kinds.FREEZE_SECONDS if ours else kinds.STORE_FREEZE_SECONDS)

    async def _stop(self, kind: str, seconds: float) -> str:
        name = self._one(kind)
        process = self._stack.signal(name, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            if process is not None and is_alive(process):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGCONT)
        return name

    async def _restart(self, kind: str) -> str:
        return await self._end(kind, signal.SIGTERM)

    async def _roll(self, kind: str) -> str:
        for name in self._stack.names(kind):
            self._stack.signal(name, signal.SIGTERM)
            await asyncio.sleep(1.0)
            await self._stack.until_ready(GONE_SECONDS)
        return kind

    async def _flush(self, kind: str) -> str:
        redis: Redis = Redis.from_url(self._stack.settings.redis.url, socket_timeout=PRODUCE_SECONDS)
        with contextlib.suppress(RedisError, OSError):
            await redis.flushall()
        await redis.aclose()
        return kind

    async def _cut(self, kind: str) -> str:
        proxy, name = self._proxy(kind)
        proxy.be(Mode.REFUSE)
        proxy.cut()
        await asyncio.sleep(self._rng.uniform(*kinds.NETWORK_SECONDS))
        proxy.be(Mode.PASS)
        return name

    async def _mode(self, kind: str, mode: Mode) -> str:
        proxy, name = self._proxy(kind)
        proxy.be(mode)
        await asyncio.sleep(self._rng.uniform(*kinds.NETWORK_SECONDS))
        proxy.be(Mode.PASS)
        return name

    async def _half_close(self, kind: str) -> str:
        proxy, name = self._proxy(kind)
        proxy.half_close()
        return name

    async def _clock(self, kind: str) -> str:
        """Shift a process's clock and back while it runs; it is killed before and after, for the loading."""
        name, shift = self._one(kind), self._rng.choice((-1, 1)) * kinds.CLOCK_SECONDS
        self._stack.load_clock(name)
        try:
            await self._kill_one(name, signal.SIGKILL)
            await self._stack.until_ready(GONE_SECONDS)
            self._stack.shift(name, shift)
            await asyncio.sleep(kinds.CLOCK_HOLD_SECONDS)
            self._stack.shift(name, 0)
            await asyncio.sleep(clock.CACHE_SECONDS)
        finally:
            self._stack.unload_clock(name)
            await self._kill_one(name, signal.SIGKILL)
        return f"{name} {shift:+d} s"

    async def _poison(self, kind: str) -> str:
        """Put rubbish into topics, and note where it is."""
        del kind
        producer = AIOKafkaProducer(bootstrap_servers=self._stack.kafka, request_timeout_ms=5_000)
        done = 0
        try:
            async with asyncio.timeout(PRODUCE_SECONDS):
                await producer.start()
                for topic in POISONED:
                    partitions = sorted(await producer.partitions_for(topic))
                    for rubbish in self._rubbish():
                        partition = self._rng.choice(partitions)
                        at = await producer.send_and_wait(topic, rubbish, partition=partition)
                        place = (topic, partition, at.offset)
                        self._book.write(f.Fault(self._book.now(), 0, "poison", "poison", "", *place))
                        done += 1
        except (KafkaError, OSError, TimeoutError):
            pass
        finally:
            await producer.stop()
        return f"{done} records"

    def _rubbish(self) -> list[bytes]:
        """Return what is no record: unframed, of no known schema, cut off, another record, much."""
        noise = self._rng.randbytes
        unknown, another = b"\0\0\0\x27\x0f" + noise(8), b"\0\0\0\0\x0e" + noise(30)
        return [b"\x01" + noise(20), unknown, b"\0\0\0\0\x01", another, b"\x7f" + noise(POISON_BYTES)]

    def _one(self, kind: str) -> str:
        names = self._stack.names(kind)
        return self._rng.choice(names) if names else kind

    def _proxy(self, kind: str) -> tuple[Proxy, str]:
        if kind == "kafka":
            return self._stack.kafka_proxy, "edges ↔ kafka"
        number = self._rng.randrange(len(self._stack.edge_proxies))
        return self._stack.edge_proxies[number], f"clients ↔ {self._stack.edge_names[number]}"
