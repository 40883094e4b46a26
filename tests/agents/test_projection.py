"""Rules in Redis as the gateways read them: written whole, and built anew after a flush."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from agents.core.bans import Ban
from agents.core.commands import command
from agents.core.rules import Rules
from agents.core.verdicts import Platform, hold, judge
from agents.moderate import ModerateStage, ModerateState
from agents.projection import Projection
from edge.api.directory import Directory
from edge.checks import refusal_of_comment
from edge.facts import FactStore
from schemas import stores
from schemas.filtering import WordList
from schemas.refusals import Code
from tests.agents.items import comment, order, uuid

pytestmark = pytest.mark.integration


def at(item: Any, number: int) -> Any:
    return item | {"offset": number, "index": 0, "at": number}


@asynccontextmanager
async def projected(
    redis_url: str, *settings: dict[str, Any]
) -> AsyncIterator[tuple[ModerateState, FactStore, Redis]]:
    """Run a projection of one stream with settings; yield its state, what a gateway asks, and Redis."""
    state = ModerateStage(WordList(()), "e-0").open(0)
    rules = state.rules["s"] = Rules()
    for number, value in enumerate(settings, 1):
        assert command(rules, at(order("s", number, "settings", settings=value), number)).refusal is None
    clients = [
        Redis.from_url(redis_url),
        Redis.from_url(redis_url, decode_responses=True),
        Redis.from_url(redis_url),
    ]
    await clients[0].flushall()
    projection = Projection(clients[0])
    store = FactStore(clients[1], rate_per_second=1_000, timeout_ms=5_000)
    await store.start()
    projection.changed(0, state, None)
    running = asyncio.create_task(projection.run())
    try:
        yield state, store, clients[2]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await store.stop()
        for client in clients:
            await client.aclose()


async def refused(store: FactStore, user: str, text: str, wanted: Code | None) -> None:
    """Wait until a gateway would answer so."""
    async with asyncio.timeout(20):
        while True:
            facts = await store.facts("s", user)
            assert facts is not None
            refusal = refusal_of_comment(facts, user, 0, text)
            if (refusal.code if refusal else None) == wanted:
                return
            await asyncio.sleep(0.01)


async def test_modes_and_members_are_refused_by_gateways(redis_url: str) -> None:
    """Members only with its list, emotes only with its texts; moderators pass."""
    settings = {"members_only": True, "emote_only": True, "members": ["ann"], "moderators": ["mo"]}
    async with projected(redis_url, settings) as (_, store, _):
        await refused(store, "bob", "🎉", Code.MEMBERS_ONLY)
        await refused(store, "ann", "words", Code.EMOTE_ONLY)
        await refused(store, "ann", "🎉", None)
        await refused(store, "mo", "words", None)


async def test_a_platform_ban_reaches_gateways_on_every_stream(redis_url: str) -> None:
    """And is gone when it is lifted."""
    async with projected(redis_url) as (state, store, redis):
        await refused(store, "eve", "hi", None)
        state.policy.bans["eve"] = Ban("ban", None, None)
        await redis.flushall()  # built anew within a second, bans of the platform too
        await refused(store, "eve", "hi", Code.BANNED)


async def test_bans_that_come_and_go_are_written_by_themselves(redis_url: str) -> None:
    """What stays is not written again; what is lifted is gone, what is changed is changed."""
    async with projected(redis_url) as (state, store, redis):
        async with asyncio.timeout(20):
            while not await redis.exists(stores.stream("s")):  # the other one has written
                await asyncio.sleep(0.01)
        rules, projection = state.rules["s"], Projection(redis)
        rules.bans |= {name: Ban("ban", None, None) for name in ("ann", "bob", "eve")}
        running = asyncio.create_task(projection.run())
        try:
            projection.changed(0, state, ["s"])
            await refused(store, "eve", "hi", Code.BANNED)
            await redis.hdel(stores.bans("s"), "ann")  # to see that it is not written again
            rules.bans = {"ann": rules.bans["ann"], "eve": Ban("timeout", 10, None)}
            projection.changed(0, state, ["s"])
            await refused(store, "bob", "hi", None)
            await refused(store, "eve", "hi", Code.TIMED_OUT)
            await refused(store, "ann", "hi", None)
            projection.changed(0, state, None)  # taken anew: all of it is
            await refused(store, "ann", "hi", Code.BANNED)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_held_comments_are_there_for_the_api(redis_url: str) -> None:
    """With what a moderator needs to decide."""
    async with projected(redis_url, {"review": True}) as (state, _, redis):
        rules, item = state.rules["s"], at(comment("s", 7, text="may I?"), 7)
        assert hold(rules, item, judge(rules, Platform(WordList(())), item)).refusal is Code.HELD
        await redis.flushall()
        directory = Directory(redis, 1)
        async with asyncio.timeout(20):
            while not (found := await directory.held("s")):
                await asyncio.sleep(0.01)
        assert [(row["id"], row["user_id"], row["text"], row["why"]) for row in found] == [
            (uuid(7), "ann", "may I?", "review")
        ]
