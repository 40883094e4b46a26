"""The edge under the official Python SDK, in both encodings: what an app sees."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from edge.auth import Authenticator
from schemas.refusals import Code, Refusal
from tests.edge.fakes import STREAM, Stage, command, comment, comments, segment, stage, until
from tests.sdk import leave

ENCODINGS = pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])


@dataclass
class Seen(ClientEventHandler, SubscriptionEventHandler):
    """What an app gets to see."""

    publications: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    subscribed: list[SubscribedContext] = field(default_factory=list)
    unsubscribed: list[UnsubscribedContext] = field(default_factory=list)
    connecting: list[int] = field(default_factory=list)
    disconnected: list[int] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self.publications.append(json.loads(data) if isinstance(data, bytes) else data)
        self.offsets.append(ctx.pub.offset)

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.append(ctx)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx)

    async def on_connecting(self, ctx: Any) -> None:
        self.connecting.append(ctx.code)

    async def on_disconnected(self, ctx: Any) -> None:
        self.disconnected.append(ctx.code)

    async def on_error(self, ctx: Any) -> None:
        self.errors.append(ctx)

    @property
    def seqs(self) -> list[int]:
        """Seqs of the events, in the order of arrival."""
        return [event["seq"] for data in self.publications for event in data["events"]]

    @property
    def gaps(self) -> list[tuple[int, int]]:
        """Where a publication does not begin where the last one ended."""
        pairs = zip(self.publications, self.publications[1:], strict=False)
        return [(a["to"], b["from"]) for a, b in pairs if a["to"] != b["from"]]


@asynccontextmanager
async def client_of(
    on: Stage, *, protobuf: bool = False, role: str | None = "viewer", user: str = "bo", **more: Any
) -> AsyncIterator[tuple[Client, Seen]]:
    seen = Seen()
    token = Authenticator(on.settings.auth).mint(user, STREAM, role, 60) if role else ""
    client = Client(
        on.url, events=seen, use_protobuf=protobuf, token=token, proxy=None, min_reconnect_delay=0.01, **more
    )
    await client.connect()
    try:
        yield client, seen
    finally:
        await leave(client)


async def watch(client: Client, seen: Seen, stream: str = STREAM) -> Any:
    subscription = client.new_subscription(f"stream:{stream}", events=seen)
    count = len(seen.subscribed)
    await subscription.subscribe()
    await until(lambda: len(seen.subscribed) > count)
    return subscription


@ENCODINGS
async def test_live_comments_arrive_in_order(protobuf: bool) -> None:
    """A viewer gets every comment once, in windows that join up."""
    async with stage(window_ms=5) as on, client_of(on, protobuf=protobuf, role=None) as (client, seen):
        await watch(client, seen)
        assert seen.subscribed[0].stream_position.epoch == "test-0"
        assert seen.subscribed[0].stream_position.offset == 0
        for seq in range(1, 40):
            on.feed.push(comments(seq, seq))
            await asyncio.sleep(0.001)
        await until(lambda: seen.seqs == list(range(1, 40)))
        assert seen.gaps == []
        assert seen.offsets[-1] == 39
        event = seen.publications[0]["events"][0]
        assert event["user"] == {"id": "ana", "name": "Ana", "role": "viewer"}
        assert len(seen.publications) < 39


@ENCODINGS
async def test_publish_is_answered_and_shown(protobuf: bool) -> None:
    """A publish is answered when it is durable, and comes back to its author."""
    async with stage() as on, client_of(on, protobuf=protobuf) as (client, seen):
        await watch(client, seen)
        data: Any = {"text": "olá 🎉"}
        await client.publish(f"stream:{STREAM}", json.dumps(data).encode() if protobuf else data)
        await until(lambda: seen.seqs == [1])
        assert seen.publications[0]["events"][0]["text"] == "olá 🎉"


@ENCODINGS
async def test_refusals_are_errors_with_their_code(protobuf: bool) -> None:
    """A refused comment is an error with the refusal's code; temporary when a retry may help."""
    async with stage() as on, client_of(on, protobuf=protobuf) as (client, _):
        data: Any = {"text": "x"}
        sent = json.dumps(data).encode() if protobuf else data
        for code, temporary in ((Code.BANNED, False), (Code.SLOW_MODE, True), (Code.UNKNOWN, True)):
            on.door.refusal = Refusal(code, wait_seconds=3)
            with pytest.raises(ReplyError) as caught:
                await client.publish(f"stream:{STREAM}", sent)
            assert (caught.value.code, caught.value.temporary) == (code, temporary)
        with pytest.raises(ReplyError) as caught:
            await client.publish(f"stream:{STREAM}", b"[]" if protobuf else [])
        assert caught.value.code == Code.INVALID


@ENCODINGS
async def test_first_subscribe_shows_the_last_comments(protobuf: bool) -> None:
    """A first subscribe is followed by the last 50, which end at the reply's offset."""
    async with stage() as on, client_of(on, protobuf=protobuf) as (client, seen):
        for first in range(1, 200, 10):
            on.feed.push(comments(first, first + 9))
        await watch(client, seen)
        await until(lambda: bool(seen.publications))
        assert seen.subscribed[0].stream_position.offset == 200
        assert seen.seqs == list(range(151, 201))
        assert seen.offsets == [200]
        on.feed.push(comments(201, 201))
        await until(lambda: seen.seqs[-1] == 201)
        assert seen.gaps == []


@ENCODINGS
async def test_cut_and_resumed_viewer_has_what_others_have(protobuf: bool) -> None:
    """A viewer that is cut off and comes back has the same events as one that never left."""
    async with stage(window_ms=5) as on:  # noqa: SIM117 - the first is used by the others
        async with client_of(on, protobuf=protobuf) as (client, seen), client_of(on) as (other, whole):
            await watch(client, seen)
            await watch(other, whole)
            for seq in range(1, 301):
                on.feed.push(comments(seq, seq))
                if seq % 60 == 0:
                    await until(lambda: client._conn is not None)
                    client._conn.transport.abort()
                await asyncio.sleep(0)
            await until(lambda: seen.seqs[-1:] == [300] and whole.seqs[-1:] == [300])
            assert seen.seqs == whole.seqs == list(range(1, 301))
            assert seen.gaps == []
            assert all(each.recovered for each in seen.subscribed[1:])
            assert len(seen.subscribed) > 1


@ENCODINGS
async def test_history_and_presence(protobuf: bool) -> None:
    """History comes from the ring; presence_stats counts connections and users."""
    async with stage() as on, client_of(on, protobuf=protobuf) as (client, seen):
        await watch(client, seen)
        on.feed.push(comments(1, 30))
        await until(lambda: len(seen.seqs) == 30)
        history = await client.history(f"stream:{STREAM}", limit=10)
        data = history.publications[0].data
        document = json.loads(data) if isinstance(data, bytes) else data
        assert [event["seq"] for event in document["events"]] == list(range(21, 31))
        assert (history.epoch, history.offset) == ("test-0", 30)
        async with client_of(on, protobuf=protobuf, user="bo") as (second, more):
            await watch(second, more)
            stats = await client.presence_stats(f"stream:{STREAM}")
            assert (stats.num_clients, stats.num_users) == (2, 1)
        with pytest.raises(ReplyError) as caught:
            await client.presence(f"stream:{STREAM}")
        assert caught.value.code == 108
        with pytest.raises(ReplyError) as caught:
            await client.rpc("method", b"{}" if protobuf else {})
        assert caught.value.code == 104


@ENCODINGS
async def test_channels_that_may_not_be_read(protobuf: bool) -> None:
    """Another stream than the token's is denied, unknown channels are unknown, one's notices are there."""
    async with stage() as on, client_of(on, protobuf=protobuf, user="bo") as (client, seen):
        wanted = {"stream:other": 103, "user:ana": 103, "chat:demo": 102, "stream:a/b": 102, "stream:": 102}
        for channel, code in wanted.items():
            subscription = client.new_subscription(channel, events=seen)
            await subscription.subscribe()
            await until(lambda: bool(seen.unsubscribed))
            assert seen.unsubscribed.pop().code == code
        own = client.new_subscription("user:bo", events=seen)
        await own.subscribe()
        await until(lambda: bool(seen.subscribed))
        assert seen.subscribed[0].recoverable


@ENCODINGS
async def test_bad_and_expired_tokens(protobuf: bool) -> None:
    """A bad token ends the client; an expired one makes the SDK fetch another."""
    async with stage(auth={"leeway_seconds": 0}) as on:
        seen = Seen()
        client = Client(on.url, events=seen, use_protobuf=protobuf, token="nonsense", proxy=None)
        await client.connect()
        await until(lambda: seen.disconnected == [4500])
        authenticator = Authenticator(on.settings.auth)
        old = Authenticator(on.settings.auth, now=lambda: 1_000_000.0).mint("bo", STREAM, "viewer", 60)
        asked: list[bool] = []

        async def fresh() -> str:
            asked.append(True)
            return authenticator.mint("bo", STREAM, "viewer", 60)

        client = Client(
            on.url, events=seen, use_protobuf=protobuf, token=old, get_token=fresh, proxy=None,
            min_reconnect_delay=0.01,
        )  # fmt: skip
        await client.connect()
        await client.ready()
        assert asked == [True]
        await leave(client)
        await until(lambda: not on.server.connections)


async def test_expiry_is_refreshed_by_the_sdk() -> None:
    """A token near its end is refreshed over the connection, which stays."""
    async with stage(auth={"leeway_seconds": 0}) as on:
        seen, asked = Seen(), list[int]()
        authenticator = Authenticator(on.settings.auth)

        async def token() -> str:
            asked.append(1)
            return authenticator.mint("bo", STREAM, "viewer", 2)

        client = Client(on.url, events=seen, get_token=token, proxy=None)
        await client.connect()
        await until(lambda: len(asked) >= 3)
        assert len(seen.connecting) == 1  # the call to connect itself
        await leave(client)
        await until(lambda: not on.server.connections)


async def test_deleted_comments_are_not_replayed() -> None:
    """A delete is shown live, and what it deleted is in no catch-up."""
    async with stage() as on, client_of(on) as (client, seen):
        await watch(client, seen)
        on.feed.push(segment([comment(1, user="eve"), comment(2), comment(3, user="eve")]))
        on.feed.push(segment([command(4, "delete", comment(2)["id"]), command(5, "clear", "eve")]))
        await until(lambda: seen.seqs[-1:] == [5])
        async with client_of(on, user="cy") as (late, more):
            await watch(late, more)
            await until(lambda: bool(more.publications))
            assert more.seqs == [4, 5]
            assert more.publications[0]["omitted"] == 0


async def test_a_drained_edge_sends_its_viewers_away_to_come_back() -> None:
    """On drain a client is closed with a code on which the SDK connects again."""
    async with stage(drain_seconds=0) as on, client_of(on) as (client, seen):
        await watch(client, seen)
        await on.server.drain()
        await until(lambda: 4000 in seen.connecting)
        assert seen.disconnected == []
        with pytest.raises(CentrifugeError):
            await client.ready(timeout=0.05)
