"""One stream on this edge: its ring, its audience, and who has seen what.

Synchronous throughout: between a subscriber's reply and the first live frame nothing can happen, and so
nothing is missed or told twice. A window (``sent``, ring's end] is waiting to be sent; a subscriber that
joins meanwhile is told the past up to ``sent``, and gets the window like everybody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.audience import Audience, Subscriber
from edge.protocol.codec import Codec
from edge.protocol.codes import UNSUBSCRIBED_INSUFFICIENT_STATE
from edge.protocol.commands import Position, Subscribed
from edge.protocol.session import STREAM_PREFIX
from edge.publication import Hole, document
from edge.ring import ALL_LANES, Ahead, Held, Ring, RingEvent, TooOld, Unknown, Verdict
from edge.stats import Stats
from schemas.continuity import Step, follow

CHUNK_EVENTS = 100
"""Events of one publication of a catch-up; more make more publications."""
CACHED_MAX = 128
"""Encoded catch-ups kept for the next who asks for the same."""


@dataclass(frozen=True, slots=True)
class Admission:
    """What a new subscriber is told: the reply, and pushes to be sent behind it in the same frame."""

    result: Subscribed
    pushes: tuple[bytes, ...] = ()


class Stream:
    """See the module. ``epoch``: the cluster's, for a stream that nobody has seen."""

    __slots__ = (
        "_cache",
        "_epoch",
        "_first_events",
        "_stats",
        "audience",
        "channel",
        "floor",
        "id",
        "lost_before",
        "pins",
        "quiet_since",
        "ring",
        "sampled",
        "seeded",
        "sent",
        "stale",
        "viewers",
    )  # fmt: skip

    def __init__(self, stream_id: str, epoch: str, ring: Ring, first_events: int, stats: Stats) -> None:
        self.id = stream_id
        self.channel = STREAM_PREFIX + stream_id
        self.ring = ring
        self.audience = Audience()
        self.sent = 0
        self.viewers = -1
        self.sampled = False
        self.stale = False
        self.seeded = False
        """Whether the catch-up window in Redis was read, or found to be away."""
        self.floor = -1
        """Positions up to here are known to be older than the window in Redis."""
        self.pins = 0
        """Subscribers on their way in."""
        self.lost_before: Hole | None = None
        """A hole that the next window announces."""
        self.quiet_since = 0.0
        self._epoch = epoch
        self._first_events = first_events
        self._stats = stats
        self._cache: dict[tuple[str, int, int, int], tuple[bytes, ...]] = {}

    @property
    def position(self) -> Position:
        """Where everybody is who got all that was sent."""
        return Position(self.ring.epoch or self._epoch, self.sent)

    def take(self, segment: Mapping[str, Any], now: float) -> bool:
        """Take a segment of the log; True: there is something to send (`deliver`)."""
        ring = self.ring
        step = follow(ring.epoch, ring.end, segment)
        if step is None:
            return False
        if step.epoch != ring.epoch or step.from_seq != ring.end:
            self._break_off(step)
        ring.append(step, now)
        self.viewers, self.sampled, self.quiet_since = segment["viewers"], segment["sampled"], now
        self._cache.clear()
        return True

    def seed(self, epoch: str, segments: Sequence[Mapping[str, Any]], head: int, now: float) -> None:
        """Take what the window in Redis has: ``segments`` ascending, the last of which ends at ``head``."""
        ring = self.ring
        self._cache.clear()
        start, end, events = fold(epoch, segments)
        if ring.epoch == epoch and end >= ring.start:
            ring.prepend(epoch, start, events, now)
        elif ring.epoch is None and not self.audience.count:
            if end < head:
                start, end, events = head, head, []
            ring.begin(epoch, start)
            ring.append(Step(epoch, start, end, events), now)
            self.sent = end

    def deliver(self) -> None:
        """Send the waiting window to all, encoded once a group."""
        after, upto, hole = self.sent, self.ring.end, self.lost_before
        if upto <= after and hole is None:
            return
        self.sent, self.lost_before = upto, None
        self._stats.windows += 1
        if not self.audience.count:
            return
        events = self.ring.between(after, upto)
        masked = [event for event in events if event.mask != ALL_LANES]
        if masked:
            self._deliver_lanes(events, masked, after, upto, hole)
        else:
            self._deliver_all([event.body for event in events], after, upto, hole)

    def announce(self, *, stale: bool) -> None:
        """Tell everybody whether the feed is behind; nothing new is shown."""
        self.stale = stale
        self._cache.clear()
        self._deliver_all([], self.sent, self.sent, None)

    def expel(self) -> None:
        """Make every SDK subscribe again, with its position: what is here is no longer to be relied on."""
        for subscriber in self.audience:
            codec, reason = subscriber.codec, "the stream's history changed"
            push = codec.unsubscribed(self.channel, UNSUBSCRIBED_INSUFFICIENT_STATE, reason)
            self.audience.remove(subscriber)
            subscriber.outlet.expelled(self.channel)
            subscriber.outlet.write(codec.frame(push))

    def admit(self, subscriber: Subscriber, since: Position | None) -> Admission:
        """Begin to deliver to ``subscriber``; the caller sends the admission before anything else."""
        verdict = self.ring.judge(since.epoch, since.offset) if since is not None else None
        if isinstance(verdict, Held) and verdict.after > self.sent:
            # They come from an edge that had sent more of this window: it ends here for all.
            self.deliver()
        admission = self._admission(subscriber, since, verdict)
        self.audience.add(subscriber)
        if subscriber.outlet.blocked:
            self.audience.block(subscriber, self.sent)
        self._stats.subscribes += 1
        return admission

    def holds(self, since: Position) -> bool:
        """Whether everything after a position can be given."""
        return isinstance(self.ring.judge(since.epoch, since.offset), Held)

    def resume(self, subscriber: Subscriber, bytes_max: int) -> bytes | None:
        """Return a frame for a slow viewer that takes bytes again: what it missed, or an announced skip."""
        behind = subscriber.behind
        if behind is None:
            return None
        self.audience.unblock(subscriber)
        if behind >= self.sent:
            return None
        codec = subscriber.codec
        events = self.ring.between(behind, self.sent) if behind >= self.ring.start else []
        bodies = [event.body for event in events if event.visible(subscriber.lane, subscriber.user_id)]
        exact = behind >= self.ring.start and not self.sampled and sum(map(len, bodies)) <= bytes_max
        if not exact:
            self._stats.slow_skips += 1
            hole = Hole(behind, self.sent, "slow")
            return codec.frame(self._push(codec, self._document(behind, self.sent, [], hole)))
        return codec.frame(self._push(codec, self._document(behind, self.sent, bodies)))

    def history(self, subscriber: Subscriber, since: Position | None, limit: int) -> tuple[bytes, ...] | None:
        """Return publications after ``since``, or the last ones; None: the position is not held here.

        ``limit``: events at most; 0: none, below 0: all there are.
        """
        after = self.ring.start
        if since is not None:
            verdict = self.ring.judge(since.epoch, since.offset)
            if isinstance(verdict, Held):
                after = min(verdict.after, self.sent)
            elif not isinstance(verdict, Unknown):
                return None
        events = self._visible(subscriber, after, self.sent)
        if limit == 0:
            return ()
        if limit > 0 and len(events) > limit:
            if since is not None:
                return self._publications(subscriber.codec, events[:limit], after, events[limit - 1].seq)
            after, events = events[-limit - 1].seq, events[-limit:]
        return self._publications(subscriber.codec, events, after, self.sent) if events else ()

    def _admission(
        self, subscriber: Subscriber, since: Position | None, verdict: Verdict | None
    ) -> Admission:
        match verdict:
            case Held(after):
                self._stats.recoveries += 1
                publications = self._catch_up(subscriber, after) if after < self.sent else ()
                position = Position(self.position.epoch, after)
                found = Subscribed(position, recovering=True, recovered=True, publications=publications)
                return Admission(found)
            case None:
                pushes = self._first(subscriber)
                return Admission(Subscribed(self.position), pushes)
            case _:
                self._stats.recoveries_failed += 1
                return self._unrecovered(subscriber, since or self.position, verdict)

    def _unrecovered(self, subscriber: Subscriber, since: Position, verdict: Verdict) -> Admission:
        after, position = self.ring.start, self.position
        match verdict:
            case TooOld(seq, start):
                hole = Hole(seq, start, "window")
            case Ahead(seq):
                hole, after = Hole(self.sent, seq, "ahead"), self.sent
            case Unknown() if since.epoch == position.epoch and since.offset >= 0:
                # Nobody here knows whether there is more: they keep their place, and are told of the doubt.
                self.sent = max(self.sent, since.offset) if not self.audience.count else self.sent
                position, after = Position(position.epoch, since.offset), since.offset
                hole = Hole(since.offset, since.offset, "unknown")
                data = self._document(after, after, [], hole)
                push = self._push(subscriber.codec, data, after)
                return Admission(Subscribed(position, recovering=True), (push,))
            case _:
                hole = Hole(0, after, "epoch")
        events = self._visible(subscriber, after, self.sent)
        codec, pushes = subscriber.codec, list[bytes]()
        for start, end, chunk in _chunks(events, min(hole.from_seq, after), self.sent):
            told = None if pushes else hole
            pushes.append(self._push(codec, self._document(start, end, [e.body for e in chunk], told), end))
        return Admission(Subscribed(position, recovering=True), tuple(pushes))

    def _first(self, subscriber: Subscriber) -> tuple[bytes, ...]:
        """Return the last comments, for somebody who comes for the first time."""
        pushes: tuple[bytes, ...] = ()
        if self.stale:
            # What was deleted meanwhile is not known: nothing is shown.
            return (self._push(subscriber.codec, self._document(self.sent, self.sent, [])),)
        events = self._visible(subscriber, self.ring.start, self.sent)[-self._first_events :]
        if events and self._first_events:
            data = self._document(events[0].seq - 1, self.sent, [event.body for event in events])
            pushes = (self._push(subscriber.codec, data),)
        return pushes

    def _catch_up(self, subscriber: Subscriber, after: int) -> tuple[bytes, ...]:
        codec = subscriber.codec
        events = self.ring.between(after, self.sent)
        masked = [event for event in events if event.mask != ALL_LANES]
        if any(event.author == subscriber.user_id for event in masked):
            seen = [event for event in events if event.visible(subscriber.lane, subscriber.user_id)]
            return self._publications(codec, seen, after, self.sent)
        key = (codec.name, subscriber.lane if masked else ALL_LANES, after, self.sent)
        found = self._cache.get(key)
        if found is None:
            seen = [event for event in events if event.mask >> subscriber.lane & 1] if masked else events
            found = self._publications(codec, seen, after, self.sent)
            if len(self._cache) < CACHED_MAX:
                self._cache[key] = found
        return found

    def _publications(
        self, codec: Codec, events: Sequence[RingEvent], after: int, upto: int
    ) -> tuple[bytes, ...]:
        """Encode events as publications that cover (``after``, ``upto``] without a gap."""
        return tuple(
            codec.publication(end, self._document(start, end, [event.body for event in chunk]))
            for start, end, chunk in _chunks(events, after, upto)
        )

    def _deliver_all(self, bodies: Sequence[bytes], after: int, upto: int, hole: Hole | None) -> None:
        data = self._document(after, upto, bodies, hole)
        frames: dict[str, bytes] = {}
        for group in list(self.audience.groups):
            codec = group.codec
            frame = frames.get(codec.name)
            if frame is None:
                frame = frames[codec.name] = codec.frame(self._push(codec, data, upto))
            writes = group.writes
            self._stats.deliveries += len(writes)
            for write in writes:
                write(frame)

    def _deliver_lanes(
        self, events: list[RingEvent], masked: list[RingEvent], after: int, upto: int, hole: Hole | None
    ) -> None:
        authors = {each for event in masked for each in self.audience.of_user(event.author)}
        for group in list(self.audience.groups):
            codec, lane = group.codec, group.lane
            bodies = [event.body for event in events if event.mask >> lane & 1]
            frame = codec.frame(self._push(codec, self._document(after, upto, bodies, hole), upto))
            self._stats.deliveries += len(group.members)
            if authors.isdisjoint(group.members):
                for write in group.writes:
                    write(frame)
                continue
            for member in list(group.members):
                member.outlet.write(
                    frame if member not in authors else self._own(member, events, after, upto, hole)
                )

    def _own(
        self, member: Subscriber, events: list[RingEvent], after: int, upto: int, hole: Hole | None
    ) -> bytes:
        bodies = [event.body for event in events if event.visible(member.lane, member.user_id)]
        return member.codec.frame(self._push(member.codec, self._document(after, upto, bodies, hole), upto))

    def _visible(self, subscriber: Subscriber, after: int, upto: int) -> list[RingEvent]:
        lane, user_id = subscriber.lane, subscriber.user_id
        return [event for event in self.ring.between(after, upto) if event.visible(lane, user_id)]

    def _document(self, after: int, upto: int, bodies: Sequence[bytes], hole: Hole | None = None) -> bytes:
        viewers = self.viewers if self.viewers >= 0 else self.audience.count
        return document(
            after, upto, bodies, viewers=viewers, sampled=self.sampled, hole=hole, stale=self.stale
        )

    def _push(self, codec: Codec, data: bytes, offset: int | None = None) -> bytes:
        return codec.push(self.channel, self.sent if offset is None else offset, data)

    def _break_off(self, step: Step) -> None:
        """Prepare for a segment that does not follow: nothing was known, a hole, or another epoch."""
        epoch = self.ring.epoch
        if epoch is None:
            self.sent = step.from_seq
            if step.from_seq > 0 and self.audience.count:
                # Viewers may be anywhere up to here: told from the beginning, each trims what it has.
                self.sent, self.lost_before = 0, Hole(0, step.from_seq, "unknown")
        elif step.epoch != epoch:
            self.deliver()
            self.expel()
            self.sent = step.from_seq
        elif step.gap is not None:
            self.deliver()
            self.lost_before = Hole(step.gap[0], step.gap[1], "lost")
        if self.lost_before is not None:
            self._stats.holes += 1


def _chunks(
    events: Sequence[RingEvent], after: int, upto: int
) -> Iterator[tuple[int, int, Sequence[RingEvent]]]:
    """Cut into ranges (from, to] that join up to (``after``, ``upto``], with their events; at least one."""
    for at in range(0, max(len(events), 1), CHUNK_EVENTS):
        chunk = events[at : at + CHUNK_EVENTS]
        end = upto if at + CHUNK_EVENTS >= len(events) else chunk[-1].seq
        yield after, end, chunk
        after = end


def fold(epoch: str, segments: Sequence[Mapping[str, Any]]) -> tuple[int, int, list[Any]]:
    """Return (start, end, events) of the last unbroken run in ``segments``, ascending; (0, 0, [])."""
    start, end, events = 0, 0, list[Any]()
    for segment in segments:
        step = follow(epoch, end, segment) if events or end else follow(None, 0, segment)
        if step is None or step.epoch != epoch:
            continue
        if step.from_seq != end:
            start, events = step.from_seq, []
        events += step.events
        end = step.to_seq
    return start, end, events
