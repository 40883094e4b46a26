"""All streams on this edge: who is shown what, what the feed must read, and when windows leave.

One timer for all windows, and a sweep for all that ages. What cannot be sent at once goes on in slices, a
stream after the other, so that sockets are read between them. A place of the feed (a partition, or a
stream's channel) is read while somebody watches one of its streams, and a little longer.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.audience import Subscriber
from edge.backlog import NEVER
from edge.errors import FeedAwayError
from edge.feed.base import Feed, Place
from edge.heal import Healer
from edge.lag import Lag
from edge.past import Past
from edge.presence import Presence
from edge.protocol.commands import Position
from edge.ring import Ahead, Ring, TooOld, Unknown
from edge.stats import Stats
from edge.stream import Stream
from edge.window import Windows
from schemas.settings import Edge
from schemas.spans import Spans, comments_of

SWEEP_SECONDS = 1.0
"""In which everything is looked at once."""
SWEEP_STEPS = 10
"""In so many steps, so that sockets are served between them."""
LINGER_SECONDS = 30.0
"""A place that nobody needs is read this long, in case somebody comes back."""
REACH_SECONDS = 4.0
"""For a place's end to be reached; an SDK gives up a subscribe after 5."""
AHEAD_SECONDS = 2.0
"""For the end to be reached anew, when a viewer claims to have seen more than this edge."""
READS_MAX = 8
"""Of the window, for one subscriber."""
SLICE_SECONDS = 0.005
"""Of sending, before sockets are read again."""
TRACED_STREAMS_MAX = 1_000
"""With traced comments in the window that waits; those of others have no span of this edge."""
STREAMS_MAX = 500_000
"""Held at once; nobody can make an edge hold more by asking for streams that do not exist."""


@dataclass(slots=True)
class _Reading:
    """A place that is read. ``users``: subscriptions, and those on their way in."""

    streams: set[str] = field(default_factory=set)
    users: int = 0
    idle_since: float = 0.0
    stale: bool = False
    lag: Lag = field(default_factory=Lag)


class Hub:
    """See the module. It is the feed's `Sink`.

    ``epoch``: the cluster's; ``loop``: timers; ``clock``: seconds, monotonic: an event loop's own time
    stands still within a turn.
    """

    def __init__(
        self,
        edge: Edge,
        epoch: str,
        *,
        feed: Feed,
        past: Past | None,
        stats: Stats,
        loop: asyncio.AbstractEventLoop | None = None,
        presence: Presence | None = None,
        late_ms: float = 400.0,
        spans: Spans | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._edge = edge
        self._epoch = epoch
        self._feed = feed
        self._past = past
        self._stats = stats
        self._presence = presence
        self._late_ms = late_ms
        self._spans = spans
        self._traced: dict[str, list[tuple[str, int]]] = {}
        """Stream → (comment, when it was appended) that its next window has."""
        self._wall = time.time
        self._clock = clock
        self._unserved: deque[Stream] = deque()
        """Streams whose window not everybody has; the next slice is the first's."""
        self._streams: dict[str, Stream] = {}
        self._readings: dict[Place, _Reading] = {}
        self._windows: Windows[str] = Windows(edge.window_ms / 1000)
        self._reads: dict[str, asyncio.Task[bool]] = {}
        self._loop = loop or asyncio.get_running_loop()
        self._healer = Healer(past, self._take, self._loop.time) if past is not None else None
        self._timer: asyncio.TimerHandle | None = None
        self._sweeping: Iterator[None] = self._sweep_all()
        self._sweeper = self._loop.call_later(SWEEP_SECONDS / SWEEP_STEPS, self._sweep)

    # What the feed tells.

    def segment(self, place: Place, record: Mapping[str, Any], appended_ms: int | None = None) -> None:
        """Take a segment; send it now or with its window. A hole before it is filled first, if it can be."""
        reading = self._readings.get(place)
        if reading is None:
            return
        stream = self._stream(record["stream_id"], reading)
        delay_ms = 0.0
        if appended_ms is not None:
            delay_ms = reading.lag.of(appended_ms, self._clock() * 1000)
            if self._spans is not None:
                self._trace(self._spans, stream, record, appended_ms)
        if self._healer is None or not self._healer.takes(stream, record):
            self._take(stream, record, appended_ms, delay_ms)

    def lost(self, place: Place) -> None:
        """Begin a place anew; its viewers subscribe again, and are told what they missed."""
        reading = self._readings.get(place)
        if reading is None:
            return
        reading.stale = False  # the feed judges anew
        for stream_id in list(reading.streams):
            stream = self._streams[stream_id]
            stream.deliver()
            stream.expel()
            self._forget(stream, reading)

    def behind(self, place: Place, *, stale: bool) -> None:
        """Tell a place's viewers whether what they see is up to date."""
        reading = self._readings.get(place)
        if reading is None or reading.stale == stale:
            return
        reading.stale = stale
        for stream_id in list(reading.streams):
            stream = self._streams[stream_id]
            stream.announce(stale=stale)
            self._serve(stream)

    # What connections ask for.

    async def open(self, stream_id: str, since: Position | None) -> Stream:
        """Get a stream ready for a subscriber at ``since``; `close` gives it back.

        On return, until the next await, the subscriber may be admitted. Raises FeedAwayError.
        """
        if stream_id not in self._streams and len(self._streams) >= STREAMS_MAX:
            raise FeedAwayError("this edge holds too many streams")
        place = self._feed.place_of(stream_id)
        reading = self._readings.setdefault(place, _Reading())
        reading.users += 1
        try:
            self._feed.want(place)
            if not await self._feed.reach(place, float("-inf"), REACH_SECONDS):
                raise FeedAwayError("the stream cannot be read now")
            stream = self._stream(stream_id, reading)
            stream.pins += 1
            try:
                await self._prepare(stream, place, since)
            finally:
                stream.pins -= 1
            if self._streams.get(stream_id) is not stream:
                raise FeedAwayError("the stream was begun anew")
            if reading.stale and since not in {None, stream.position}:
                raise FeedAwayError("the feed is behind; what was missed cannot be shown now")
        except BaseException:
            self._give_back(reading)
            raise
        return stream

    def close(self, stream_id: str) -> None:
        """Give back what `open` returned, when the subscription ended or did not come about."""
        reading = self._readings.get(self._feed.place_of(stream_id))
        if reading is not None:
            self._give_back(reading)

    def leave(self, stream: Stream, subscriber: Subscriber) -> None:
        """End a subscription."""
        if stream.audience.remove(subscriber):
            self.close(stream.id)
            if not stream.audience.count:
                stream.quiet_since = self._loop.time()

    def find(self, stream_id: str) -> Stream | None:
        """Return a stream that is here."""
        return self._streams.get(stream_id)

    def stop(self) -> None:
        """End the timers and reads."""
        self._sweeper.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._reads.values():
            task.cancel()
        if self._healer is not None:
            self._healer.stop()

    @property
    def streams(self) -> int:
        """How many streams are held."""
        return len(self._streams)

    @property
    def places(self) -> int:
        """How many places of the feed are read."""
        return len(self._readings)

    @property
    def stale(self) -> int:
        """How many of them cannot be read now."""
        return sum(reading.stale for reading in self._readings.values())

    # The past of a stream.

    async def _prepare(self, stream: Stream, place: Place, since: Position | None) -> None:
        """Find what a subscriber at ``since`` needs, as far as it is to be found."""
        if not stream.seeded:
            await self._joined(stream, self._seed)
        if since is None:
            return
        if self._healer is not None:
            await self._healer.wait(stream)
        verdict = stream.judge(since)
        if isinstance(verdict, Ahead | Unknown):
            await self._feed.reach(place, self._loop.time(), AHEAD_SECONDS)
            verdict = stream.judge(since)
        if isinstance(verdict, Ahead | Unknown):
            await self._joined(stream, self._seed)
            verdict = stream.judge(since)
        for _ in range(READS_MAX):
            if not isinstance(verdict, TooOld) or verdict.after <= stream.floor:
                return
            after = verdict.after
            if not await self._joined(stream, lambda stream, after=after: self._extend(stream, after)):  # type: ignore[misc]
                return
            verdict = stream.judge(since)

    async def _joined(self, stream: Stream, read: Callable[[Stream], Awaitable[bool]]) -> bool:
        """Read, or wait for the read of this stream that is under way; whether Redis answered it.

        Who comes meanwhile waits for it, and looks again.
        """
        return await asyncio.shield(self._reading(stream, read))

    def _reading(self, stream: Stream, read: Callable[[Stream], Awaitable[bool]]) -> asyncio.Task[bool]:
        task = self._reads.get(stream.id)
        if task is None:
            task = self._loop.create_task(read(stream))  # type: ignore[arg-type]  # a coroutine
            self._reads[stream.id] = task
            task.add_done_callback(lambda _: self._reads.pop(stream.id, None))
        return task

    async def _seed(self, stream: Stream) -> bool:
        """Read how the window ends: for the first viewer, or one who has seen more than this edge."""
        recent = await self._past.recent(stream.id) if self._past is not None else None
        stream.seeded = recent is not None or self._past is None
        if recent is None:
            return False
        head, ring = recent.head, stream.ring
        if head is None:
            stream.new = ring.epoch is None
        elif self._past is not None and ring.epoch == head.epoch and ring.end < head.seq:
            # The window is ahead of the feed, which will tell the same again.
            segments = await self._past.between(stream.id, head.epoch, ring.end, head.seq)
            for segment in segments or ():
                if not stream.misses(segment):
                    self._take(stream, segment)
        else:
            stream.seed(head.epoch, recent.segments, head.seq, self._loop.time())
        return True

    async def _extend(self, stream: Stream, after: int) -> bool:
        """Read what goes before the ring, down to ``after``."""
        ring = stream.ring
        if self._past is None or ring.epoch is None or ring.full:
            return False
        segments = await self._past.between(stream.id, ring.epoch, after, ring.start)
        if segments is None:
            return False
        if segments:
            stream.seed(ring.epoch, segments, ring.end, self._loop.time())
        if ring.start > after and not ring.full:
            stream.floor = max(stream.floor, after)
        return True

    # What goes by itself.

    def _take(
        self, stream: Stream, record: Mapping[str, Any], appended_ms: int | None = None, delay_ms: float = 0.0
    ) -> None:
        at = self._loop.time()
        if not stream.take(record, at):
            return
        span, sampled = (record["from_seq"], record["to_seq"]), record["sampled"]
        if appended_ms is not None and stream.audience.count:
            late_ms = self._late_ms if sampled else NEVER
            now = self._clock()
            stream.backlog.take(span, appended_ms, delay_ms, now, late_ms, served=stream.served)
        if not stream.audience.count or sampled or span[0] == span[1]:
            self._windows.sent(stream.id)
            self._deliver(stream)
        elif self._windows.offer(stream.id, at):
            self._deliver(stream)
            self._arm()
        else:
            self._arm()

    def _deliver(self, stream: Stream) -> None:
        stream.begin()
        self._serve(stream)

    def _serve(self, stream: Stream) -> None:
        """Send to a stream's audience for a slice, unless it waits for one already."""
        if stream not in self._unserved and not self._slice(stream):
            self._unserved.append(stream)
            if len(self._unserved) == 1:
                self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        """Give the next stream its slice."""
        stream = self._unserved.popleft()
        if self._streams.get(stream.id) is stream and not self._slice(stream):
            self._unserved.append(stream)
        if self._unserved:
            self._loop.call_soon(self._go_on)

    def _slice(self, stream: Stream) -> bool:
        """Send for a slice, and measure what everybody has now: how late, and how long it waited."""
        done = stream.serve(self._clock() + SLICE_SECONDS)
        served = stream.backlog.served(stream.served, self._clock())
        if self._presence is not None:
            now_ms = self._wall() * 1000
            for each in served:
                self._presence.sent(stream.id, now_ms - each.appended_ms, each.queue_ms)
        if done and self._spans is not None and stream.id in self._traced:
            more = {"viewers": stream.audience.count}
            for comment_id, appended_ms in self._traced.pop(stream.id):
                self._spans.hop("edge", comment_id, appended_ms, self._wall() * 1000, more, root=False)
        return done

    def _trace(self, spans: Spans, stream: Stream, record: Mapping[str, Any], appended_ms: int) -> None:
        """Keep which comments of a record are traced until their window is sent."""
        ids = [event["id"] for event in comments_of(record) if spans.wants(event["id"])]
        if ids and stream.audience.count and len(self._traced) < TRACED_STREAMS_MAX:
            self._traced.setdefault(stream.id, []).extend((each, appended_ms) for each in ids)

    def _stream(self, stream_id: str, reading: _Reading) -> Stream:
        stream = self._streams.get(stream_id)
        if stream is None:
            edge = self._edge
            ring = Ring(
                events_max=edge.ring_events_max, events_min=edge.first_events, seconds=edge.ring_seconds
            )
            stream = Stream(stream_id, self._epoch, ring, self._stats, self._clock)
            stream.stale, stream.quiet_since = reading.stale, self._loop.time()
            stream.seeded = self._past is None
            self._streams[stream_id] = stream
            reading.streams.add(stream_id)
        return stream

    def _forget(self, stream: Stream, reading: _Reading) -> None:
        del self._streams[stream.id]
        reading.streams.discard(stream.id)
        self._windows.forget(stream.id)
        self._traced.pop(stream.id, None)
        if self._healer is not None:
            self._healer.forget(stream)

    def _give_back(self, reading: _Reading) -> None:
        reading.users -= 1
        reading.idle_since = self._loop.time()

    def _arm(self) -> None:
        due = self._windows.next_at
        if due is not None and self._timer is None:
            self._timer = self._loop.call_at(due, self._flush)

    def _flush(self) -> None:
        self._timer = None
        for stream_id in self._windows.due(self._loop.time()):
            stream = self._streams.get(stream_id)
            if stream is not None:
                self._deliver(stream)
        self._arm()

    def _sweep(self) -> None:
        self._sweeper = self._loop.call_later(SWEEP_SECONDS / SWEEP_STEPS, self._sweep)
        next(self._sweeping)

    def _sweep_all(self) -> Iterator[None]:
        """Look at everything once in SWEEP_STEPS steps, for ever."""
        while True:
            now = self._loop.time()
            for place, reading in list(self._readings.items()):
                if not reading.users and now - reading.idle_since > LINGER_SECONDS:
                    self._release(place, reading)
            streams = list(self._streams.values())
            size = -(-len(streams) // SWEEP_STEPS)
            for step in range(SWEEP_STEPS):
                now = self._loop.time()
                for stream in streams[step * size : (step + 1) * size]:
                    if self._streams.get(stream.id) is stream:
                        self._age(stream, now)
                yield

    def _release(self, place: Place, reading: _Reading) -> None:
        self._feed.release(place)
        for stream_id in list(reading.streams):
            self._forget(self._streams[stream_id], reading)
        del self._readings[place]

    def _age(self, stream: Stream, now: float) -> None:
        audience = stream.audience
        if self._presence is not None:
            users = audience.user_ids
            self._presence.watch(stream.id, audience.count, users, now, sampled=stream.sampled)
        if stream.pins:
            return
        if stream.audience.count:
            stream.ring.trim(now, stream.told)
            if stream.sampled:
                self._serve(stream)
            if not stream.seeded:
                self._reading(stream, self._seed)
        elif now - stream.quiet_since > self._edge.ring_seconds:
            self._forget(stream, self._readings[self._feed.place_of(stream.id)])
