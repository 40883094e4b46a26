"""One stream of a connection on the official ``centrifuge`` client: I/O around ``position``.

The SDK reconnects and resumes. This holds what it delivers against the position, asks again for what is
missing, and reads from the archive what the edge no longer has.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from centrifuge import (
    Client,
    PublicationContext,
    StreamPosition,
    SubscribedContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.position import (
    Applied,
    Event,
    Gap,
    Hole,
    Malformed,
    Position,
    apply,
    skip,
    subscribed,
)

HEALS_MAX = 3
"""How often one gap is asked for again before it is announced."""
CLOSED_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Page:
    """What an archive has up to ``to_seq``."""

    events: Sequence[Event]
    to_seq: int


class Archive(Protocol):
    """Where what the edge no longer has is read."""

    def pages(self, epoch: str, from_seq: int) -> AsyncIterator[Page]:
        """Yield pages, ascending; nothing for an epoch that it does not know."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where to begin. Neither: with the last comments."""

    since: Position | None = None
    from_start: bool = False


NEWEST = Beginning()
"""With the last comments."""


class Follower:
    """See the module. ``take`` is called with every item, in order; ``fail`` when the edge ends it for good.

    ``viewers`` and ``sampled`` are what the last publication said of the stream; -1: not known.
    """

    def __init__(
        self,
        client: Client,
        stream: str,
        take: Callable[[Item], None],
        fail: Callable[[int, str], None],
        archive: Archive,
    ) -> None:
        self.viewers = -1
        self.sampled = False
        self._client = client
        self._channel = f"stream:{stream}"
        self._tell = take
        self.fail = fail
        self._archive = archive
        self._position: Position | None = None
        self._handler: _Subscription | None = None
        self._heals = (-1, 0)
        self._work: set[asyncio.Task[None]] = set()

    async def begin(self, beginning: Beginning) -> None:
        """Subscribe; the client is connected."""
        if beginning.since is not None:
            self._position = beginning.since
        elif beginning.from_start:
            end = await self._end()
            if end.seq:  # of a stream without anything, the next comment is the start
                self._position = Position(end.epoch, 0)
        await self._subscribe(resume=self._position is not None)

    async def leave(self) -> None:
        """Unsubscribe; nothing is handed out any more."""
        self._handler = None
        self.stop()
        subscription = self._client.get_subscription(self._channel)
        if subscription is not None:
            await subscription.unsubscribe()
            self._client.remove_subscription(subscription)

    def stop(self) -> None:
        """End what is on its way."""
        for task in list(self._work):
            task.cancel()

    async def _subscribe(self, *, resume: bool) -> None:
        handler = self._handler = _Subscription(self)
        subscription = self._client.new_subscription(
            self._channel, events=handler, get_state=handler.state if resume else None
        )
        handler.subscription = subscription
        await subscription.subscribe()

    async def _end(self) -> Position:
        """Ask where the stream is."""
        found = await self._client.history(self._channel, limit=0)
        return Position(found.epoch, found.offset)

    def subscribed(self, handler: "_Subscription", context: SubscribedContext) -> None:
        """Take the reply to a subscribe."""
        if handler is not self._handler or context.stream_position is None:
            return
        at = context.stream_position
        self._position = subscribed(self._position, at.epoch, at.offset)
        self._tell(State("resumed" if context.was_recovering else "live", position=self._position))

    def published(self, handler: "_Subscription", data: Any) -> None:
        """Take a publication."""
        if handler is not self._handler or self._position is None:
            return
        self._note(data)
        match apply(self._position, data):
            case Applied() as applied:
                self._applied(applied)
            case Gap() as gap:
                self._gap(handler, gap, data)
            case Malformed():
                self._tell(
                    Missed(self._position.epoch, Hole(self._position.seq, self._position.seq, "malformed"))
                )

    def _note(self, data: Any) -> None:
        match data:
            case {"viewers": int(viewers)}:
                self.viewers, self.sampled = viewers, bool(data.get("sampled"))

    def _applied(self, applied: Applied) -> None:
        self._position = applied.position
        if applied.hole is not None:
            self._tell(Missed(applied.position.epoch, applied.hole))
        for event in applied.events:
            self._tell(Seen(applied.position.epoch, event))

    def _gap(self, handler: "_Subscription", gap: Gap, data: Any) -> None:
        """Ask for what is missing, a few times; then say so and go on."""
        if self._position is None:
            return
        at, count = self._heals
        count = count if at == gap.from_seq else 0
        if count < HEALS_MAX:
            self._heals = (gap.from_seq, count + 1)
            self._handler = None  # what comes meanwhile is asked for again
            task = asyncio.ensure_future(self._again(handler))
            self._work.add(task)
            task.add_done_callback(self._work.discard)
            return
        self._tell(Missed(self._position.epoch, Hole(gap.from_seq, gap.to_seq, "gap")))
        self._position = skip(self._position, gap)
        self.published(handler, data)

    async def _again(self, handler: "_Subscription") -> None:
        await handler.subscription.unsubscribe()
        self._client.remove_subscription(handler.subscription)
        await self._subscribe(resume=True)

    async def catch_up(self) -> Position:
        """Read from the archive what the edge no longer holds; return where the edge can go on."""
        before = self._position
        if before is None:
            raise RuntimeError("there is no position to catch up from")
        async for page in self._archive.pages(before.epoch, before.seq + 1):
            events = [event for event in page.events if event["seq"] > self._seq]
            self._applied(Applied(Position(before.epoch, max(self._seq, page.to_seq)), events))
        if self._seq == before.seq:
            self._move_to(before, await self._end())
        return self._position or before

    @property
    def _seq(self) -> int:
        return self._position.seq if self._position is not None else 0

    def _move_to(self, before: Position, end: Position) -> None:
        """Take the stream's end for the position: archive and edge have nothing that follows it."""
        if end == Position(before.epoch, before.seq):
            return
        if end.epoch != before.epoch:
            self._tell(Missed(end.epoch, Hole(0, end.seq, "epoch")))
        else:
            reason = "ahead" if end.seq < before.seq else "window"
            self._tell(Missed(end.epoch, Hole(min(before.seq, end.seq), max(before.seq, end.seq), reason)))
        self._position = end


async def disconnect(client: Client) -> None:
    """Close a client, and wait until it is."""
    await client.disconnect()
    # Its closes still run, and would be cut off with the event loop.
    left = list(client._background_tasks)  # noqa: SLF001 - it has no way to wait for them
    if left:
        await asyncio.wait(left, timeout=CLOSED_SECONDS)


class _Subscription(SubscriptionEventHandler):  # type: ignore[misc]
    """A subscription's events, for a follower. One that was replaced has nothing to say any more."""

    subscription: Any

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._asked = False

    async def state(self, _: str) -> StreamPosition:
        """Say where to resume: where we are; and when the edge no longer holds that, behind the archive."""
        if self._asked:
            position = await self._follower.catch_up()
        else:
            position = self._follower._position or await self._follower._end()  # noqa: SLF001 - one module
        self._asked = True
        return StreamPosition(offset=position.seq, epoch=position.epoch)

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self._follower.subscribed(self, ctx)

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self._follower.published(self, json.loads(data) if isinstance(data, bytes) else data)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        if ctx.code:
            self._follower.fail(ctx.code, ctx.reason)
