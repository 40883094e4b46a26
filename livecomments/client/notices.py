"""What became of an author's comments after they were acknowledged: the channel ``user:<id>``, typed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from centrifuge import (
    Client,
    PublicationContext,
    SubscribedContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from livecomments.client import happenings as h
from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.mailbox import Mailbox
from livecomments.client.position import Hole


@dataclass(frozen=True, slots=True)
class Notice:
    """A comment that was acknowledged is refused, held, or not let through. Codes: docs/protocol.md."""

    stream: str
    id: str
    code: int
    key: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A comment has its number, and sampling left it out; ``comment``: itself, where the edge knows it."""

    stream: str
    id: str
    epoch: str
    seq: int
    comment: h.Comment | None


Told = Notice | LeftOut | h.Hole | State


class Notices:
    """One author's notices. Iterate over it once: ``async for notice in notices``."""

    def __init__(self, client: Client, user: str, items_max: int, fail: Callable[[int, str], None]) -> None:
        self.mailbox = Mailbox(items_max)
        self._client = client
        self._subscription = client.new_subscription(f"user:{user}", events=_Subscription(self.mailbox, fail))

    async def begin(self) -> None:
        """Subscribe; the client is connected."""
        await self._subscription.subscribe()

    async def leave(self) -> None:
        """Unsubscribe."""
        self.mailbox.end(StopAsyncIteration())
        await self._subscription.unsubscribe()
        self._client.remove_subscription(self._subscription)

    def __aiter__(self) -> Self:
        """Yield notices, holes among them (beyond the hour that is kept), and how the connection is."""
        return self

    async def __anext__(self) -> Told:
        """Return what is told next; waits for it."""
        return told(await self.mailbox.get())


def told(item: Item) -> Told:
    """Return an item of the mailbox as programs get it."""
    match item:
        case State():
            return item
        case Missed(epoch, hole):
            return h.Hole(hole.from_seq, hole.to_seq, hole.reason, epoch)
        case Seen(_, {"data": {"type": "own"} as data}):
            comment = data.get("comment")
            known = h.happening(Seen(data["epoch"], comment)) if comment else None
            shown = known if isinstance(known, h.Comment) else None
            return LeftOut(data["stream"], data["id"], data["epoch"], data["seq"], shown)
        case Seen(_, event):
            data = event["data"]
            words = (data["code"], data.get("key", ""), data.get("reason", ""))
            return Notice(data["stream"], data["id"], *words, data["at"])


class _Subscription(SubscriptionEventHandler):  # type: ignore[misc]
    """The subscription's events, into a mailbox."""

    def __init__(self, mailbox: Mailbox, fail: Callable[[int, str], None]) -> None:
        self._mailbox = mailbox
        self._fail = fail
        self._epoch = ""

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self._epoch = ctx.stream_position.epoch if ctx.stream_position is not None else ""
        self._mailbox.put(State("resumed" if ctx.was_recovering else "live"))

    async def on_publication(self, ctx: PublicationContext) -> None:
        raw = ctx.pub.data
        data: Mapping[str, Any] = json.loads(raw) if isinstance(raw, bytes) else raw
        if (hole := data.get("hole")) is not None:
            self._mailbox.put(Missed(self._epoch, Hole(hole["from"], hole["to"], hole["reason"])))
        if data.get("type") in {"refused", "own"}:
            self._mailbox.put(Seen(self._epoch, {"seq": ctx.pub.offset, "type": "notice", "data": data}))

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        if ctx.code:
            self._fail(ctx.code, ctx.reason)
