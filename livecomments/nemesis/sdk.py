"""A viewer on the official Python SDK: what an app that knows nothing of us gets to see."""

import asyncio
import json
from typing import Any

from centrifuge import (
    Client,
    ClientEventHandler,
    PublicationContext,
    SubscribedContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from livecomments.nemesis.book import Book
from livecomments.nemesis.viewer import publication
from livecomments.verify import facts as f

CLOSE_SECONDS = 5.0


class SdkViewer(ClientEventHandler, SubscriptionEventHandler):  # type: ignore[misc]  # untyped
    """One viewer; the SDK connects again and resumes by itself."""

    def __init__(
        self, name: str, user: str, stream: str, token: str, *, url: str, edge: str, book: Book
    ) -> None:
        self.name = name
        self.user = user
        self.stream = stream
        self.seq = -1
        self.ended: str | None = None
        self._edge = edge
        self._book = book
        self._position: f.Place | None = None
        self._online = False
        # Half of them speak Protobuf.
        self._protobuf = sum(name.encode()) % 2 == 0
        self._client = Client(
            url, events=self, token=token, proxy=None, use_protobuf=self._protobuf, max_reconnect_delay=5.0
        )

    @property
    def online(self) -> bool:
        """Whether it is subscribed now."""
        return self._online

    def settle(self) -> None:
        """Nothing to change: it never goes away."""

    async def run(self) -> None:
        """Watch until cancelled."""
        subscription = self._client.new_subscription(f"stream:{self.stream}", events=self)
        await self._client.connect()
        await subscription.subscribe()
        try:
            await asyncio.Future()
        finally:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.disconnect()

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        """Note where the SDK was let in."""
        at = ctx.stream_position
        got = f.Place(at.epoch, at.offset)
        asked = self._position if ctx.was_recovering else None
        if self._position is None or self._position.epoch != got.epoch:
            self.seq = got.seq if asked is None else 0
        self._position, self._online = got, True
        named = (self.name, self.user, self.stream, self._edge)
        self._book.write(f.Subscribe(self._book.now(), *named, got, asked, ctx.recovered))

    async def on_publication(self, ctx: PublicationContext) -> None:
        """Note a publication."""
        raw = ctx.pub.data
        data: dict[str, Any] = json.loads(raw) if isinstance(raw, bytes) else raw
        fact = publication(self._book.now(), self.name, self.stream, "sdk", data)
        self._book.write(fact)
        self.seq = max(self.seq, fact.to_seq)
        if ctx.pub.offset and self._position is not None:
            self._position = f.Place(self._position.epoch, ctx.pub.offset)

    async def on_subscribing(self, ctx: Any) -> None:
        """Note that it is not up to date for now."""
        del ctx
        self._online = False

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        """Note that it will not come back."""
        self._online = False
        if ctx.code:
            self.ended = f"unsubscribed with {ctx.code}"
