"""A viewer of one stream, on the official ``centrifuge`` client: I/O around ``position``.

The SDK reconnects and resumes. This holds what it delivers against the position, asks again for what is
missing, and reads from the archive what the edge no longer has.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
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
from livecomments.exits import Exit, Failure

FIRST_SECONDS = 10.0
"""For the first connection; a later one is waited for without an end."""
RECONNECT_MAX_SECONDS = 5.0
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


class Watcher:
    """See the module. ``take`` is called with every item, in order; what it raises ends :meth:`run`."""

    def __init__(
        self,
        url: str,
        stream: str,
        take: Callable[[Item], None],
        archive: Archive,
        *,
        get_token: Callable[[], Awaitable[str]] | None = None,
        protobuf: bool = False,
    ) -> None:
        self._url = url
        self._channel = f"stream:{stream}"
        self._take = take
        self._archive = archive
        self._position: Position | None = None
        self._handler: _Subscription | None = None
        self._heals = (-1, 0)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._work: set[asyncio.Task[None]] = set()
        self._client = Client(
            url,
            events=_Connection(self),
            name="livecomments-tail",
            get_token=get_token,
            use_protobuf=protobuf,
            max_reconnect_delay=RECONNECT_MAX_SECONDS,
            proxy=None,
        )

    async def run(self, beginning: Beginning = Beginning()) -> None:
        """Watch until :meth:`stop`.

        Raises:
            Failure: nobody answers at first, or the edge ended it for good.

        """
        connecting = asyncio.ensure_future(self._begin(beginning))
        try:
            await asyncio.wait({connecting, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                await connecting
            await self._ended
        finally:
            connecting.cancel()
            await self._close()

    def stop(self) -> None:
        """Make :meth:`run` return."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def _begin(self, beginning: Beginning) -> None:
        await self._client.connect()
        try:
            await self._client.ready(FIRST_SECONDS)
        except CentrifugeError as error:
            raise Failure(
                Exit.NOT_RUNNING, f"the edge at {self._url} does not answer: is the stack up?"
            ) from error
        if beginning.since is not None:
            self._position = beginning.since
        elif beginning.from_start:
            end = await self._end()
            if end.seq:  # of a stream without anything, the next comment is the start
                self._position = Position(end.epoch, 0)
        await self._subscribe(resume=self._position is not None)

    async def _subscribe(self, *, resume: bool) -> None:
        handler = self._handler = _Subscription(self)
        subscription = self._client.new_subscription(
            self._channel, events=handler, get_state=handler.state if resume else None
        )
        handler.subscription = subscription
        await subscription.subscribe()

    async def _close(self) -> None:
        for task in list(self._work):
            task.cancel()
        await self._client.disconnect()
        # Its closes still run, and would be cut off with the event loop.
        left = list(self._client._background_tasks)  # noqa: SLF001 - it has no way to wait for them
        if left:
            await asyncio.wait(left, timeout=CLOSED_SECONDS)

    async def _end(self) -> Position:
        """Ask where the stream is."""
        found = await self._client.history(self._channel, limit=0)
        return Position(found.epoch, found.offset)

    def tell(self, item: Item) -> None:
        """Hand an item out."""
        if self._ended.done():
            return
        try:
            self._take(item)
        except BaseException as error:  # noqa: BLE001 - the SDK would swallow it: `run` raises it
            if not self._ended.done():
                self._ended.set_exception(error)

    def fail(self, code: int, reason: str) -> None:
        """End: the server said so, for good."""
        if not self._ended.done():
            words = f"the edge ended it: {reason or 'no reason given'} (code {code})"
            self._ended.set_exception(Failure(Exit.REFUSED, words))

    def subscribed(self, handler: "_Subscription", context: SubscribedContext) -> None:
        """Take the reply to a subscribe."""
        if handler is not self._handler or context.stream_position is None:
            return
        at = context.stream_position
        self._position = subscribed(self._position, at.epoch, at.offset)
        self.tell(State("resumed" if context.was_recovering else "live", position=self._position))

    def published(self, handler: "_Subscription", data: Any) -> None:
        """Take a publication."""
        if handler is not self._handler or self._position is None:
            return
        match apply(self._position, data):
            case Applied() as applied:
                self._applied(applied)
            case Gap() as gap:
                self._gap(handler, gap, data)
            case Malformed():
                self.tell(
                    Missed(self._position.epoch, Hole(self._position.seq, self._position.seq, "malformed"))
                )

    def _applied(self, applied: Applied) -> None:
        self._position = applied.position
        if applied.hole is not None:
            self.tell(Missed(applied.position.epoch, applied.hole))
        for event in applied.events:
            self.tell(Seen(applied.position.epoch, event))

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
        self.tell(Missed(self._position.epoch, Hole(gap.from_seq, gap.to_seq, "gap")))
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
            self.tell(Missed(end.epoch, Hole(0, end.seq, "epoch")))
        else:
            reason = "ahead" if end.seq < before.seq else "window"
            self.tell(Missed(end.epoch, Hole(min(before.seq, end.seq), max(before.seq, end.seq), reason)))
        self._position = end


class _Connection(ClientEventHandler):  # type: ignore[misc]
    """The client's events, for a watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        if ctx.code:
            self._watcher.tell(State("connecting", ctx.reason))

    async def on_connected(self, ctx: ConnectedContext) -> None:
        pass

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        if ctx.code:
            self._watcher.fail(ctx.code, ctx.reason)


class _Subscription(SubscriptionEventHandler):  # type: ignore[misc]
    """A subscription's events, for a watcher. One that was replaced has nothing to say any more."""

    subscription: Any

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._asked = False

    async def state(self, _: str) -> StreamPosition:
        """Say where to resume: where we are; and when the edge no longer holds that, behind the archive."""
        if self._asked:
            position = await self._watcher.catch_up()
        else:
            position = self._watcher._position or await self._watcher._end()  # noqa: SLF001 - one module
        self._asked = True
        return StreamPosition(offset=position.seq, epoch=position.epoch)

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self._watcher.subscribed(self, ctx)

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self._watcher.published(self, json.loads(data) if isinstance(data, bytes) else data)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        if ctx.code:
            self._watcher.fail(ctx.code, ctx.reason)
