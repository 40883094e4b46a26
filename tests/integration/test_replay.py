"""A replay on real servers, through the official SDK: what was said, in order, and not what was deleted."""

import asyncio
import json
import uuid
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from centrifuge import Client, PublicationContext, SubscribedContext, SubscriptionEventHandler

from tests.integration.people import token
from tests.real import RealStack
from tests.sdk import leave

pytestmark = pytest.mark.integration
COUNT = 100
WAIT_SECONDS = 60


class Seen(SubscriptionEventHandler):
    """What a viewer gets."""

    def __init__(self) -> None:
        self.publications: list[dict[str, Any]] = []
        self.subscribed: list[Any] = []

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.append(ctx.data)

    async def on_publication(self, ctx: PublicationContext) -> None:
        self.publications.append(json.loads(ctx.pub.data))

    @property
    def texts(self) -> list[str]:
        return [each["text"] for data in self.publications for each in data["events"] if "text" in each]


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.02)


async def test_what_was_said_is_played_without_what_was_deleted(stack: RealStack) -> None:
    """From Kafka through the archive to a viewer; the histogram over HTTP and over the socket is the same."""
    stream = f"replayed-{uuid.uuid4().hex[:12]}"
    url = f"http://{stack.api}/v1/streams/{stream}"
    headers = {"Authorization": f"Bearer {token(stream)}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        opened = {"id": stream, "creator": "carl"}
        async with http.post(f"http://{stack.api}/v1/streams", json=opened) as answer:
            assert answer.status == 201
        ids = []
        for n in range(COUNT):
            author = {"Authorization": f"Bearer {token(stream, f'u{n}', 'viewer')}"}
            async with http.post(f"{url}/comments", json={"text": f"text {n}"}, headers=author) as answer:
                assert answer.status == 201, await answer.text()
                ids.append((await answer.json())["id"])
        async with http.delete(f"{url}/comments/{ids[7]}") as answer:
            assert answer.status == 200
        client = Client(f"ws://{stack.edge}/connection/websocket", use_protobuf=True, proxy=None)
        seen = Seen()
        await client.connect()
        subscription = client.new_subscription(f"replay:{stream}", seen, data=b'{"speed": 2}')
        await subscription.subscribe()
        await until(lambda: seen.subscribed)
        expected = [f"text {n}" for n in range(COUNT) if n != 7]
        await until(lambda: seen.publications and seen.publications[-1]["to"] >= COUNT)
        assert all(a["to"] == b["from"] for a, b in pairwise(seen.publications))
        assert [text for text in expected if text in set(seen.texts)] == seen.texts
        # As much as can be read: all of it, unless this machine was quicker at writing than people are.
        assert len(seen.texts) >= 50
        call = json.dumps({"channel": f"replay:{stream}", "buckets": 7}).encode()
        counted = json.loads((await client.rpc("replay.histogram", call)).data)
        assert sum(counted["counts"]) == len(expected)
        async with http.get(f"{url}/histogram?buckets=7") as answer:
            assert (await answer.json())["counts"] == counted["counts"]
        await leave(client)
