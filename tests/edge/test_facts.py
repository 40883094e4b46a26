"""What Redis knows of an author: bans, ends, slow mode, rates, and retries that have one outcome."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from edge import facts as module
from edge.checks import Facts, refusal_of_comment
from edge.facts import FactStore
from schemas import stores
from schemas.refusals import Code
from tests.edge.fakes import until

pytestmark = pytest.mark.integration
NOW_MS = int(time.time() * 1000)


@asynccontextmanager
async def asking(url: str, *, rate: float = 2.0, timeout_ms: int = 5_000) -> AsyncIterator[FactStore]:
    redis: Redis = Redis.from_url(url, decode_responses=True, socket_connect_timeout=0.5)
    store = FactStore(redis, rate_per_second=rate, timeout_ms=timeout_ms)
    await store.start()
    try:
        yield store
    finally:
        await store.stop()
        await redis.aclose()


async def ask(store: FactStore, id_: str = "c0", user: str = "u", *, slow: bool = True) -> Code | None:
    """Return why a comment would be refused; None: it goes on."""
    facts = await store.facts("s", user, comment_id=id_, slow=slow)
    assert facts is not None
    refusal = refusal_of_comment(facts, user, int(time.time() * 1000))
    return refusal.code if refusal else None


async def put(redis: Redis, *, ban: dict[str, Any] | None = None, **stream: Any) -> None:
    """Write as the projection does."""
    if ban is not None:
        await redis.hset(stores.bans("s"), "u", json.dumps(ban))  # type: ignore[misc]
    if stream:
        await redis.hset(stores.stream("s"), mapping=stream)  # type: ignore[misc]


async def test_a_burst_and_then_the_rate(redis: Redis, redis_url: str) -> None:
    """Five seconds' worth at once; then refused, with the wait; other users notice nothing."""
    async with asking(redis_url, rate=0.2) as store:
        assert await ask(store, "c0") is None
        facts = await store.facts("s", "u", comment_id="c1")
        assert facts is not None
        assert facts.spent.code is Code.RATE_LIMITED
        assert 0 < facts.spent.wait_seconds <= 5
        assert await ask(store, "c2", "other") is None


async def test_a_redis_that_forgot_the_script_is_told_it_again(redis: Redis, redis_url: str) -> None:
    """Of many that ask at once nobody is left without an answer, and nothing is counted twice."""
    async with asking(redis_url, rate=0.2) as store:
        assert await ask(store, "c0") is None
        await redis.script_flush()
        found = await asyncio.gather(*(ask(store, "c1", f"user-{number}") for number in range(20)))
        assert found == [None] * 20
        assert await ask(store, "c2", "user-3") is Code.RATE_LIMITED
        assert await ask(store, "c1", "user-3") is None


async def test_a_retry_is_free(redis: Redis, redis_url: str) -> None:
    """The same id passes the rate; a flood of retries does not."""
    async with asking(redis_url, rate=0.2) as store:
        assert await ask(store, "c0") is None
        assert await ask(store, "c1") is Code.RATE_LIMITED
        for _ in range(module.RETRIES_MAX):
            assert await ask(store, "c0") is None
        assert await ask(store, "c0") is Code.RATE_LIMITED


@pytest.mark.parametrize(
    "since",
    [
        {"ban": {"kind": "ban", "until": None, "reason": None}},
        {"ban": {"kind": "timeout", "until": NOW_MS + 10**9, "reason": "x"}},
        {"state": "ended"},
        {"slow_mode_seconds": "60"},
    ],
)
async def test_a_retry_of_what_went_on_is_left_to_the_log(
    redis: Redis, redis_url: str, since: dict[str, Any]
) -> None:
    """Banned, ended or slowed since: the first attempt may be in the log, and only the log can say."""
    async with asking(redis_url) as store:
        assert await ask(store, "c0") is None
        await put(redis, **since)
        assert await ask(store, "c0") is None
        assert await ask(store, "c1") is not None


async def test_what_was_refused_is_no_retry(redis: Redis, redis_url: str) -> None:
    """An id that a ban kept out is kept out again, and spends nothing."""
    await put(redis, ban={"kind": "ban", "until": None, "reason": None})
    async with asking(redis_url, rate=0.2) as store:
        for _ in range(3):
            assert await ask(store, "c0") is Code.BANNED
        await redis.delete(stores.bans("s"))
        assert await ask(store, "c0") is None


async def test_what_did_not_go_on_is_forgotten(redis: Redis, redis_url: str) -> None:
    """Refused for a reason that the bucket does not know: the same id is judged again, others are kept."""
    async with asking(redis_url) as store:
        for id_ in ("c0", "c1", "c2"):
            assert await ask(store, id_) is None
        await store.forget("s", "u", "c1")
        await store.forget("s", "u", "never")
        await put(redis, state="ended")
        assert [await ask(store, id_) for id_ in ("c0", "c1", "c2")] == [None, Code.STREAM_ENDED, None]


@pytest.mark.parametrize(
    ("ban", "code"),
    [
        ({"kind": "ban", "until": None, "reason": None}, Code.BANNED),
        ({"kind": "ban", "until": NOW_MS + 10**9, "reason": None}, Code.BANNED),
        ({"kind": "ban", "until": NOW_MS - 1, "reason": None}, None),
        ({"kind": "timeout", "until": NOW_MS + 10**9, "reason": None}, Code.TIMED_OUT),
        ({"kind": "shadow", "until": None, "reason": None}, None),
        ("not an object", None),
        ({}, None),
    ],
)
async def test_bans(redis: Redis, redis_url: str, ban: Any, code: Code | None) -> None:
    """For good, for a time, over, in the shadow, and unreadable ones."""
    await put(redis, ban=ban)
    async with asking(redis_url) as store:
        assert await ask(store) is code


async def test_broken_json_counts_as_nothing(redis: Redis, redis_url: str) -> None:
    """A projection that is being mended does not stop comments."""
    await redis.hset(stores.bans("s"), "u", "{broken")  # type: ignore[misc]
    await put(redis, moderators="nonsense", creator="")
    async with asking(redis_url) as store:
        assert await ask(store) is None
        assert await store.facts("s", "u") == Facts()


async def test_slow_mode_counts_from_the_last_comment(redis: Redis, redis_url: str) -> None:
    """With the wait; moderators are not bound, and appointed ones are let through by the check."""
    await put(redis, slow_mode_seconds="30", moderators='["mod"]', creator="c", state="open")
    async with asking(redis_url) as store:
        assert await ask(store, "c0") is None
        facts = await store.facts("s", "u", comment_id="c1")
        assert facts is not None
        assert facts.spent.code is Code.SLOW_MODE
        assert 25 < facts.spent.wait_seconds <= 30
        assert await ask(store, "c2", "mod") is None
        assert await ask(store, "c3", "mod") is None
        assert await ask(store, "c4", slow=False) is None


async def test_many_authors_share_a_round_trip(redis: Redis, redis_url: str) -> None:
    """A thousand at once take a handful of trips, and each gets their own answer."""
    await redis.hset(stores.bans("s"), "u7", json.dumps({"kind": "ban", "until": None}))  # type: ignore[misc]
    async with asking(redis_url) as store:
        trips = 0
        trip = store._trip

        async def counted(batch: Any) -> Any:
            nonlocal trips
            trips += 1
            return await trip(batch)

        store._trip = counted  # type: ignore[method-assign]
        codes = await asyncio.gather(*(ask(store, f"c{n}", f"u{n}") for n in range(1_000)))
        assert [n for n, code in enumerate(codes) if code] == [7]
        assert trips < 10


async def test_redis_away_is_known_at_once_and_its_return_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for a Redis that does not answer; requests are «not known»."""
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    async with asking("redis://127.0.0.1:1/0", timeout_ms=300) as store:
        assert await store.facts("s", "u", comment_id="c0") is None
        await until(lambda: store.away)
        started = asyncio.get_running_loop().time()
        assert await store.facts("s", "u", comment_id="c1") is None
        assert asyncio.get_running_loop().time() - started < 0.1


async def test_nobody_waits_longer_than_the_time_out_for_a_redis_that_stands_still() -> None:
    """Who asks while a round trip hangs has a time-out that began with the first of those before."""
    loop, held = asyncio.get_running_loop(), []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def asked(store: FactStore, after: float) -> float:
        await asyncio.sleep(after)
        began = loop.time()
        assert await store.facts("s", "u", comment_id=f"c{after}") is None
        return loop.time() - began

    async with asking(f"redis://127.0.0.1:{port}/0", timeout_ms=400) as store:
        waits = await asyncio.gather(*(asked(store, after) for after in (0.0, 0.1, 0.2, 0.3)))
        assert store.away
    assert max(waits) < 0.4 + 0.3
    assert waits[3] < waits[0]
    for writer in held:
        writer.close()
    server.close()
