"""Revoked tokens: known everywhere within two seconds, refused at every action, back after a flush."""

import asyncio
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from edge import revocation as module
from edge.auth import Authenticator, TokenError, Viewer
from edge.errors import Forbidden
from edge.revocation import RevocationWatch, Revoked, of_token, of_user, revoke
from schemas import stores
from schemas.settings import Auth
from tests.edge.fakes import STREAM, stage, until
from tests.edge.test_gateway import AUTHOR, FakeKafka, gateway_on
from tests.edge.test_sdk import ENCODINGS, client_of, watch

DAY_MS = 86_400_000


def viewer(jti: str | None = "t1", issued_at: float | None = 100.0) -> Viewer:
    return Viewer("bo", "Bo", "viewer", None, 200, jti, issued_at)


@pytest.mark.parametrize(
    ("entries", "who", "refused"),
    [
        ({}, viewer(), False),
        ({of_token("t1"): 1}, viewer(), True),
        ({of_token("t1"): 1}, viewer(jti="t2"), False),
        ({of_token("t1"): 1}, viewer(jti=None), False),
        ({of_user("bo"): 100_000}, viewer(), True),
        ({of_user("bo"): 99_999}, viewer(), False),
        ({of_user("bo"): 5}, viewer(issued_at=None), True),
        ({of_user("ana"): 10**15}, viewer(), False),
        ({of_user("t1"): 10**15}, viewer(), False),
    ],
)
def test_what_is_refused(entries: dict[str, int], who: Viewer, refused: bool) -> None:
    """One token by its id; a user's tokens that were issued up to then, and those that do not say when."""
    revoked = Revoked()
    revoked.take(entries.items())
    assert revoked.refuses(who) is refused


def test_listeners_hear_of_what_is_new() -> None:
    """Once an entry, and again when it is revoked again."""
    revoked, heard = Revoked(), list[int]()
    revoked.on_new.append(lambda: heard.append(len(revoked.entries)))
    revoked.take([("user:bo", 5)])
    revoked.take([("user:bo", 5), ("user:bo", 4)])
    assert heard == [1]
    revoked.take([("user:bo", 6)])
    assert heard == [1, 1]


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go, with a line in the log; what no token outlives goes silently."""
    monkeypatch.setattr(module, "REVOKED_MAX", 3)
    revoked = Revoked()
    revoked.take((f"user:{n}", n) for n in range(5))
    assert set(revoked.entries) == {"user:2", "user:3", "user:4"}
    revoked.forget(4)
    assert set(revoked.entries) == {"user:4"}


def test_a_revoked_token_is_not_valid() -> None:
    """It is a bad token, not an expired one: an SDK does not fetch and try again."""
    revoked = Revoked()
    authenticator = Authenticator(Auth(), now=lambda: 1_000.0, revoked=revoked.refuses)
    token = authenticator.mint("bo", None, "viewer", 60)
    assert authenticator.verify(token).issued_at == 1_000
    revoked.take([(of_user("bo"), 1_000_000)])
    with pytest.raises(TokenError) as caught:
        authenticator.verify(token)
    assert not caught.value.expired


async def test_the_gateway_refuses_it_too() -> None:
    """A request that was let in before is not written after."""
    kafka = FakeKafka()
    async with gateway_on(kafka) as gateway:
        await gateway.comment(AUTHOR, "s", id=None, text="x")
        gateway.revoked.take([(of_user(AUTHOR.user_id), 10**15)])
        with pytest.raises(Forbidden):
            await gateway.comment(AUTHOR, "s", id=None, text="x")
        with pytest.raises(Forbidden):
            await gateway.command(AUTHOR, "s", "end")
    assert len(kafka.records) == 1


@ENCODINGS
async def test_open_connections_are_closed_for_good(protobuf: bool) -> None:
    """The revoked one alone, at once, and it does not get in again."""
    async with (
        stage() as on,
        client_of(on, protobuf=protobuf, user="bo") as (client, seen),
        client_of(on, protobuf=protobuf, user="ana") as (other, whole),
    ):
        await watch(client, seen)
        await watch(other, whole)
        on.revoked.take([(of_user("bo"), 10**15)])
        await until(lambda: seen.disconnected == [4506])
        assert whole.disconnected == []
        await client.connect()
        await until(lambda: seen.disconnected == [4506, 4500])
        assert len(on.server.connections) == 1


@pytest.mark.integration
async def test_watchers_learn_within_two_seconds(redis: Redis) -> None:
    """What is there at the start, and what is revoked later."""
    await revoke(redis, [of_user("early")], DAY_MS)
    revoked = Revoked()
    task = asyncio.create_task(RevocationWatch(redis, revoked, DAY_MS).run())
    try:
        await until(lambda: of_user("early") in revoked.entries)
        at = await revoke(redis, [of_user("bo"), of_token("t")], DAY_MS)
        started = asyncio.get_running_loop().time()
        await until(lambda: len(revoked.entries) == 3)
        assert asyncio.get_running_loop().time() - started < 2
        assert revoked.entries[of_user("bo")] == at
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.integration
async def test_a_flush_is_healed_by_who_knows(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis holds nothing for good: the watchers write back what they know, and learn from each other."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(module, "ENTRIES_PER_WRITE", 2)
    one, other = Revoked(), Revoked()
    tasks = [asyncio.create_task(RevocationWatch(redis, each, DAY_MS).run()) for each in (one, other)]
    try:
        await revoke(redis, [of_user(f"u{n}") for n in range(5)], DAY_MS)
        await until(lambda: len(one.entries) == len(other.entries) == 5)
        await redis.flushall()
        one.take([(of_user("only-here"), max(one.entries.values()))])
        await until(lambda: len(other.entries) == 6)
        assert await redis.zcard(stores.REVOKED) == 6
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.mark.integration
async def test_old_entries_go(redis: Redis) -> None:
    """What no token outlives is dropped when something is revoked."""
    await redis.zadd(stores.REVOKED, {of_user("old"): 1})
    await revoke(redis, [of_user("bo")], DAY_MS)
    assert await redis.zrange(stores.REVOKED, 0, -1) == [b"user:bo"]


@pytest.mark.integration
async def test_redis_away_keeps_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing new is learnt, and nobody revoked gets in meanwhile."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    nobody: Redis = Redis.from_url("redis://127.0.0.1:1/0")
    revoked = Revoked()
    revoked.take([(of_user("bo"), 10**15)])
    watch_ = RevocationWatch(nobody, revoked, DAY_MS)
    task = asyncio.create_task(watch_.run())
    await until(lambda: watch_.away)
    assert revoked.refuses(viewer())
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await nobody.aclose()
    assert STREAM
