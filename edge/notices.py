"""Personal channels: what became of a user's comments after they were acknowledged.

A channel ``user:<id>`` is the user's part of a partition of ``comments.notices``. Its epoch is the cluster's;
a position is an offset in that partition: everything before it was told. Notices are written at least once
(a stage that crashed writes them again); of several about one comment the first in the log counts.

A comment that sampling left out comes back to its author here. It is shown only where this edge knows that it
was not taken away: where it holds the stream, and its ring reaches back so far. Else the author is told its
number, and reads it from the API.
"""

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from edge.admission import Admission
from edge.audience import Subscriber
from edge.errors import FeedAwayError
from edge.feed.notices import NoticeSource
from edge.protocol.codes import UNSUBSCRIBED_INSUFFICIENT_STATE
from edge.protocol.commands import Position, Subscribed
from edge.protocol.session import USER_PREFIX
from schemas.records import Notice, Quoted
from schemas.refusals import Code
from schemas.views import event_view

REACH_SECONDS = 4.0
"""For a partition's end to be reached; an SDK gives up a subscribe after 5."""
AHEAD_SECONDS = 2.0
"""For the end to be reached anew, when a user claims to have seen more than this edge."""
SWEEP_SECONDS = 5.0
LINGER_SECONDS = 30.0
"""A partition that nobody needs is read this long."""
NOTICES_PER_PARTITION_MAX = 20_000
OWN_PER_PARTITION_MAX = 20_000
"""Comments that were left out; more, and the oldest are not told again. They push out no refusal."""
NOTICES_PER_USER_MAX = 200
"""The oldest go first; whoever asks for them is told that there may have been some."""

Key = tuple[str, str, int]
"""What a notice is about: stream, comment, code."""
Shows = Callable[[str, str, Quoted], bool]
"""Whether a comment (of a stream and epoch) is known not to have been taken away."""

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Told:
    """One notice as it is kept. ``data``: its document; ``own``: the notice of a comment left out."""

    offset: int
    data: bytes
    own: Notice | None = None

    def document(self, shows: Shows) -> bytes:
        """Return what the author is told now; empty: nothing."""
        return self.data if self.own is None else _own(self.own, shows)


@dataclass(slots=True)
class Box:
    """One user's notices that are kept, by comment, in the order of the log."""

    channel: str
    start: int
    """Positions before this miss something."""
    shows: Shows
    kept: OrderedDict[Key, Told] = field(default_factory=OrderedDict)
    subscribers: list[Subscriber] = field(default_factory=list)

    def after(self, position: int) -> Iterator[tuple[int, bytes]]:
        """Yield (position behind it, document) of each notice from ``position`` on."""
        told = ((each, each.document(self.shows)) for each in self.kept.values() if each.offset >= position)
        return ((each.offset + 1, data) for each, data in told if data)


@dataclass(slots=True)
class _Partition:
    boxes: dict[str, Box] = field(default_factory=dict)
    order: OrderedDict[int, tuple[str, Key]] = field(default_factory=OrderedDict)
    """Offset → user and comment, of all that is kept but what is in ``own``."""
    own: OrderedDict[int, tuple[str, Key]] = field(default_factory=OrderedDict)
    floor: int = 0
    """Up to here nothing is kept."""
    users: int = 0
    idle_since: float = 0.0


class Mailroom:
    """See the module. It is the feed's `NoticeSink`. ``epoch``: the cluster's. ``loop``: clock and timers."""

    def __init__(
        self,
        epoch: str,
        feed: NoticeSource,
        shows: Shows = lambda *_: False,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._epoch = epoch
        self._shows = shows
        self._feed = feed
        self._loop = loop or asyncio.get_running_loop()
        self._partitions: dict[int, _Partition] = {}
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    def stop(self) -> None:
        """End the timer."""
        self._sweeper.cancel()

    # What the feed tells.

    def notice(self, partition: int, offset: int, notice: Notice, *, served: bool) -> None:
        """Keep a notice, and tell its author; a repeat is dropped."""
        place = self._partitions.get(partition)
        if place is None:
            return
        # A comment that was held may be rejected after that.
        user_id, key = notice["user_id"], (notice["stream_id"], notice["id"], notice["code"])
        box = self._box(partition, place, user_id)
        if key in box.kept:
            return
        own = notice if served and notice.get("comment") is not None else None
        told = Told(offset, _document(notice) if served and own is None else b"", own)
        box.kept[key] = told
        (place.order if own is None else place.own)[offset] = (user_id, key)
        if len(box.kept) > NOTICES_PER_USER_MAX:
            self._drop(place, next(iter(box.kept.values())).offset)
        if len(place.own) > OWN_PER_PARTITION_MAX:
            self._drop(place, next(iter(place.own)))
        if len(place.order) > NOTICES_PER_PARTITION_MAX:
            place.floor = next(iter(place.order)) + 1
            self._drop(place, place.floor - 1)
        if served:
            self._tell(box, offset + 1, told.document(self._shows))

    def notices_lost(self, partition: int) -> None:
        """Forget what is kept; the users subscribe again."""
        place = self._partitions.get(partition)
        if place is None:
            return
        boxes, place.boxes = place.boxes, {}
        place.order.clear()
        place.own.clear()
        place.floor = 0
        for box in boxes.values():
            for subscriber in list(box.subscribers):
                codec = subscriber.codec
                push = codec.unsubscribed(box.channel, UNSUBSCRIBED_INSUFFICIENT_STATE, "begun anew")
                box.subscribers.remove(subscriber)
                subscriber.outlet.expelled(box.channel)
                subscriber.outlet.write(codec.frame(push))

    # What connections ask for.

    async def open(self, user_id: str, since: Position | None) -> Box:
        """Get a user's box ready; `close` gives it back. Raises FeedAwayError."""
        partition = self._feed.partition_of(user_id)
        place = self._partitions.setdefault(partition, _Partition())
        place.users += 1
        try:
            self._feed.want(partition)
            if not await self._feed.reach(partition, float("-inf"), REACH_SECONDS):
                raise FeedAwayError("notices cannot be read now")
            if since is not None and since.offset > self._feed.next_of(partition):
                await self._feed.reach(partition, self._loop.time(), AHEAD_SECONDS)
        except BaseException:
            self._give_back(place)
            raise
        return self._box(partition, place, user_id)

    def admit(self, box: Box, subscriber: Subscriber, since: Position | None) -> Admission:
        """Begin to tell ``subscriber``; the caller sends the admission before anything else."""
        end = self._feed.next_of(self._feed.partition_of(subscriber.user_id))
        box.subscribers.append(subscriber)
        if subscriber.outlet.blocked:
            subscriber.behind = end
        codec, position = subscriber.codec, Position(self._epoch, end)
        if since is None:
            return Admission(Subscribed(position))
        if since.epoch == self._epoch and box.start <= since.offset <= end:
            missed = tuple(codec.publication(at, data) for at, data in box.after(since.offset))
            return Admission(Subscribed(since, recovering=True, recovered=True, publications=missed))
        # What is kept is told again; whether there was more is not known. An app knows a comment by its id.
        start = box.start if since.epoch == self._epoch and 0 <= since.offset < box.start else end
        data = b'{"hole":{"from":%d,"to":%d,"reason":"window"}}' % (max(0, min(since.offset, start)), start)
        pushes = [codec.push(box.channel, start, data)]
        pushes += [codec.push(box.channel, at, data) for at, data in box.after(start)]
        return Admission(Subscribed(position, recovering=True), tuple(pushes))

    def block(self, subscriber: Subscriber) -> None:
        """Keep back what comes for a subscriber whose socket is full."""
        if subscriber.behind is None:
            subscriber.behind = self._feed.next_of(self._feed.partition_of(subscriber.user_id))

    def resume(self, box: Box, subscriber: Subscriber) -> bytes | None:
        """Return a frame with what came meanwhile; None: nothing did."""
        behind, subscriber.behind = subscriber.behind, None
        codec = subscriber.codec
        pushes = [codec.push(box.channel, at, data) for at, data in box.after(behind or 0)]
        return codec.frame(*pushes) if pushes and behind is not None else None

    def leave(self, box: Box, subscriber: Subscriber) -> None:
        """End a subscription."""
        if subscriber in box.subscribers:
            box.subscribers.remove(subscriber)
            self.close(subscriber.user_id)

    def close(self, user_id: str) -> None:
        """Give back what `open` returned, when the subscription ended or did not come about."""
        place = self._partitions.get(self._feed.partition_of(user_id))
        if place is not None:
            self._give_back(place)
            self._tidy(place, user_id)

    # How it is done.

    def _box(self, partition: int, place: _Partition, user_id: str) -> Box:
        box = place.boxes.get(user_id)
        if box is None:
            start = max(place.floor, self._feed.start_of(partition))
            box = place.boxes[user_id] = Box(USER_PREFIX + user_id, start, self._shows)
        return box

    def _tell(self, box: Box, position: int, data: bytes) -> None:
        for subscriber in list(box.subscribers):
            if subscriber.behind is None:
                codec = subscriber.codec
                subscriber.outlet.write(codec.frame(codec.push(box.channel, position, data)))

    def _drop(self, place: _Partition, offset: int) -> None:
        own = place.own.pop(offset, None)
        user_id, key = own or place.order.pop(offset)
        box = place.boxes[user_id]
        del box.kept[key]
        if own is None:
            box.start = max(box.start, offset + 1)
        self._tidy(place, user_id)

    def _tidy(self, place: _Partition, user_id: str) -> None:
        box = place.boxes.get(user_id)
        if box is not None and not box.kept and not box.subscribers:
            del place.boxes[user_id]

    def _give_back(self, place: _Partition) -> None:
        place.users -= 1
        place.idle_since = self._loop.time()

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        now = self._loop.time()
        for partition, place in list(self._partitions.items()):
            if not place.users and now - place.idle_since > LINGER_SECONDS:
                self._feed.release(partition)
                del self._partitions[partition]


def _own(notice: Notice, shows: Shows) -> bytes:
    """``{"type": "own", "stream", "epoch", "seq", "id", "at", "comment"?}``."""
    quoted, epoch = notice.get("comment"), notice.get("epoch", "")
    if quoted is None:
        return b""
    view: dict[str, Any] = {
        "type": "own",
        "stream": notice["stream_id"],
        "epoch": epoch,
        "seq": quoted["seq"],
        "id": notice["id"],
        "at": notice["at"],
    }
    if shows(notice["stream_id"], epoch, quoted):
        view["comment"] = event_view({**quoted, "type": "comment"})
    return _encode(view).encode(errors="replace")


def _document(notice: Notice) -> bytes:
    """``{"type", "stream", "id", "code", "key", "reason", "at"}``; ``key`` names the code."""
    try:
        key = Code(notice["code"]).key
    except ValueError:
        key = "refused"  # a newer stage knows more codes
    view = {
        "type": "refused",
        "stream": notice["stream_id"],
        "id": notice["id"],
        "code": notice["code"],
        "key": key,
        "reason": notice["reason"],
        "at": notice["at"],
    }
    return _encode(view).encode(errors="replace")
