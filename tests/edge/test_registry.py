"""The registry of edges on a real Redis: who is there, who is gone, and what is known while Redis is away."""

import asyncio

import pytest
from redis.asyncio import Redis

from edge import registry
from edge.placement import Offer
from edge.registry import Finder, Registrar, Roster, merged
from edge.tasks import end
from schemas import stores
from schemas.settings import Edge, Settings
from tests.servers import redis_server

pytestmark = pytest.mark.integration


class Clock:
    """A clock that every question finds later: nothing known is kept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 10
        return self.now


async def there(roster: Roster, count: int) -> dict[str, Offer]:
    async with asyncio.timeout(10):
        while len(found := await roster.offers()) != count:
            await asyncio.sleep(0.02)
    return {offer.address: offer for offer in found}


async def test_an_edge_is_there_and_says_how_it_is(redis: Redis) -> None:
    """Load and draining are told as they are now; whoever stops is gone at once."""
    roster, load = Roster(redis, Clock()), [3]
    registrar = Registrar(redis, "one", lambda: Offer("ws://one", load[0], 100, draining=load[0] > 5))
    registrar.start()
    assert await there(roster, 1) == {"ws://one": Offer("ws://one", 3, 100)}
    load[0] = 9
    registrar.say_now()
    async with asyncio.timeout(10):
        while (await roster.offers())[0] != Offer("ws://one", 9, 100, draining=True):
            await asyncio.sleep(0.01)
    await registrar.stop()
    assert await roster.offers() == ()


async def test_a_silent_edge_expires_by_itself(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes out an edge that was killed: its registration is not valid any more, and is deleted."""
    monkeypatch.setattr(registry, "SILENCE_MS", 300)
    monkeypatch.setattr(registry, "HEARTBEAT_SECONDS", 0.05)
    dead = Registrar(redis, "dead", lambda: Offer("ws://dead", 0, 100))
    alive = Registrar(redis, "alive", lambda: Offer("ws://alive", 0, 100))
    roster = Roster(redis, Clock())
    dead.start()
    alive.start()
    await there(roster, 2)
    assert dead._task is not None
    await end([dead._task])  # as a kill would: without a word
    assert set(await there(roster, 1)) == {"ws://alive"}
    assert await redis.hkeys(stores.EDGES) == [b"alive"]
    await alive.stop()


async def test_a_flush_is_healed_by_the_next_heartbeat(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in Redis has to last."""
    monkeypatch.setattr(registry, "HEARTBEAT_SECONDS", 0.05)
    registrar = Registrar(redis, "one", lambda: Offer("ws://one", 0, 100))
    registrar.start()
    roster = Roster(redis, Clock())
    await there(roster, 1)
    await redis.flushall()
    await there(roster, 1)
    await registrar.stop()


async def test_while_redis_is_away_the_last_known_edges_stand() -> None:
    """Better a list that is a little old than no edge at all."""
    server = redis_server()
    client: Redis = Redis.from_url(await asyncio.to_thread(server.__enter__), socket_timeout=1)
    registrar = Registrar(client, "one", lambda: Offer("ws://one", 0, 100))
    registrar.start()
    roster = Roster(client, Clock())
    await there(roster, 1)
    await asyncio.to_thread(server.__exit__, None, None, None)
    assert [offer.address for offer in await roster.offers()] == ["ws://one"]
    await registrar.stop()
    await client.aclose()


async def test_questions_at_once_share_an_answer(redis: Redis) -> None:
    """A thousand viewers who ask in one second cost Redis one reading."""
    roster = Roster(redis, lambda: 100.0)
    await redis.config_resetstat()
    await asyncio.gather(*(roster.offers() for _ in range(1_000)))
    stats = await redis.info("commandstats")
    assert sum(row["calls"] for name, row in stats.items() if name.startswith("cmdstat_eval")) == 1


async def test_a_registration_that_is_not_understood_is_left_out(redis: Redis) -> None:
    """What another version or a mistake wrote harms nobody."""
    for name, value in {
        "junk": "x",
        "json": "9999999999999 {}",
        "none": '9999999999999 {"address":"a","load":0,"capacity":0,"draining":false}',
        "good": '9999999999999 {"address":"b","load":0,"capacity":1,"draining":false,"more":1}',
    }.items():
        await redis.hset(stores.EDGES, name, value)
    assert await Roster(redis, Clock()).offers() == (Offer("b", 0, 1),)


async def test_finder_sends_a_stream_to_its_edges(redis: Redis) -> None:
    """The same answer from every API process, with fallbacks."""
    names = [f"edge-{number}" for number in range(5)]
    registrars = [Registrar(redis, name, lambda name=name: Offer(f"ws://{name}", 0, 100)) for name in names]  # type: ignore[misc]
    for each in registrars:
        each.start()
    await there(Roster(redis, Clock()), 5)
    settings = Settings(edge=Edge(feed="redis"))
    found = [await Finder(settings, Roster(redis, Clock())).find("demo", 10) for _ in range(3)]
    assert len(set(map(tuple, found))) == 1
    assert len(found[0]) == 3
    for each in registrars:
        await each.stop()


def test_processes_that_share_an_address_are_one_place() -> None:
    """Their loads and capacities add up; they drain when all of them do."""
    joined = merged([Offer("a", 1, 10, draining=True), Offer("b", 5, 10), Offer("a", 2, 10)])
    assert joined == (Offer("a", 3, 20), Offer("b", 5, 10))
    assert merged([Offer("a", 1, 10, draining=True)] * 2) == (Offer("a", 2, 20, draining=True),)
