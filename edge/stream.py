"""One stream on this edge: its ring, its audience, and who has seen what.

Synchronous throughout: between a subscriber's reply and the first live frame nothing can happen, and so
nothing is missed or told twice. A window (``sent``, ring's end] is waiting to be sent; a subscriber that
joins meanwhile is told the past up to ``sent``, and gets the window like everybody.

Whoever is behind (just back, or slow) is out of its group and gets the past in parts, as its socket takes
them (`resume`), until it has all that was sent.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from edge.audience import Audience, Group, Subscriber
from edge.protocol.codec import Codec
from edge.protocol.codes import UNSUBSCRIBED_INSUFFICIENT_STATE
from edge.protocol.commands import Position
from edge.protocol.session import STREAM_PREFIX
from edge.publication import Hole, document
from edge.ring import ALL_LANES, Held, Ring, RingEvent, Verdict
from edge.shelf import PART_EVENTS, Form, Shelf
from edge.stats import Stats
from schemas.continuity import Step, follow

WINDOW_EVENTS_MAX = 256
"""Waiting for the end of a window; with so many it ends at once, so that the ring never outruns it."""


class Stream:
    """See the module. ``epoch``: the cluster's, for a stream that nobody has seen."""

    __slots__ = (
        "_epoch",
        "_reacted",
        "_shelf",
        "_waiting",
        "audience",
        "channel",
        "floor",
        "id",
        "lost_before",
        "new",
        "pins",
        "quiet_since",
        "reactions",
        "ring",
        "sampled",
        "seeded",
        "sent",
        "stale",
        "stats",
        "users",
        "viewers",
        "waits",
    )  # fmt: skip

    def __init__(self, stream_id: str, epoch: str, ring: Ring, stats: Stats) -> None:
        self.id = stream_id
        self.channel = STREAM_PREFIX + stream_id
        self.ring = ring
        self.audience = Audience()
        self.stats = stats
        self.sent = 0
        self.viewers = -1
        """Over all edges; -1: not known."""
        self.users = -1
        self.sampled = False
        self.reactions = b""
        """Totals by emoji, a JSON object."""
        self.waits: tuple[int, float] | None = None
        """Of the first segment that waits to be sent: when it was appended (broker's time, ms), and how late
        it was when it was taken (ms)."""
        self.stale = False
        self.seeded = False
        """Whether the catch-up window in Redis was read."""
        self.new = False
        """Whether it knew no such stream, and nothing has come since: at 0, as far as anybody knows."""
        self.floor = -1
        """Positions up to here are known to be older than the window in Redis."""
        self.pins = 0
        """Subscribers on their way in: the ring drops nothing meanwhile."""
        self.lost_before: Hole | None = None
        """A hole that the next window announces."""
        self.quiet_since = 0.0
        self._epoch = epoch
        self._shelf = Shelf()
        self._waiting = 0
        self._reacted = False

    @property
    def position(self) -> Position:
        """Where everybody is who got all that was sent."""
        return Position(self.ring.epoch or self._epoch, self.sent)

    def judge(self, since: Position) -> Verdict:
        """Say what a viewer at a position can be given."""
        if self.new and since == self.position:
            return Held(0)
        return self.ring.judge(since.epoch, since.offset)

    # What comes in.

    def misses(self, segment: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return the range (from, to] that is missing before a segment of the epoch that goes on.

        Of a stream that began while its first viewers came, the window may know nothing yet, and the feed
        may be read from behind its first segment: they are at 0, and what is before the segment is missing.
        """
        if self.new and self.ring.epoch is None:
            start = int(segment["from_seq"])
            known = start == 0 or segment["epoch"] != self._epoch or not self.audience.count
            return None if known else (0, start)
        step = follow(self.ring.epoch, self.ring.end, segment)
        return step.gap if step is not None and step.epoch == self.ring.epoch else None

    def take(self, segment: Mapping[str, Any], now: float) -> bool:
        """Take a segment of the log; True: there is something to send (`deliver`)."""
        ring = self.ring
        step = follow(ring.epoch, ring.end, segment)
        if step is None:
            self._learn(segment)
            return False
        broken = step.epoch != ring.epoch or step.from_seq != ring.end
        if broken:
            self._break_off(step)
        hides = ring.append(step, now, hold=self.pins > 0, keep_after=self.sent)
        if broken or hides or segment["sampled"] != self.sampled:
            self._shelf.clear()
        self.quiet_since, self.new = now, False
        self._know(segment)
        if step.from_seq == step.to_seq:
            self._learn(segment)
            return False
        self._waiting += len(step.events)
        if self._waiting >= WINDOW_EVENTS_MAX:
            self.deliver()
        return True

    def seed(self, epoch: str, segments: Sequence[Mapping[str, Any]], head: int, now: float) -> None:
        """Take what the window in Redis has: ``segments`` ascending, the last of which ends at ``head``."""
        ring = self.ring
        start, end, events = fold(epoch, segments)
        if ring.epoch == epoch and end >= ring.start:
            if ring.prepend(epoch, start, events, now):
                self._shelf.clear()
        elif ring.epoch is None:
            if end < head:
                start, end, events = head, head, []
            # Those who are here came when nothing was known: they come again, with their positions.
            self.expel()
            ring.begin(epoch, start)
            ring.append(Step(epoch, start, end, events), now)
            self.sent = end

    # What goes out.

    def deliver(self, *, late: bool = False) -> None:
        """Send the waiting window to all, encoded once a group; if it is ``late``, what is for all lanes."""
        after, upto, hole = self.sent, self.ring.end, self.lost_before
        if upto <= after and hole is None:
            return
        self.sent, self.lost_before, self._waiting = upto, None, 0
        self.stats.windows += 1
        if not self.audience.count:
            return
        events = self.ring.between(after, upto)
        to_all = [event for event in events if event.mask == ALL_LANES]
        if late and len(to_all) < len(events):
            self.stats.late_skips += 1
            hole, events = Hole(hole.from_seq if hole else after, upto, "late"), to_all
        if len(to_all) == len(events):
            self._deliver_all([event.body for event in events], after, upto, hole)
        else:
            self._deliver_lanes(events, after, upto, hole)
        self._reacted = False

    def announce(self, *, stale: bool) -> None:
        """Tell everybody whether the feed is behind; nothing new is shown."""
        self.stale = stale
        self._shelf.clear()
        self._deliver_all([], self.sent, self.sent, None)
        if not stale:
            for subscriber in self.audience:
                if subscriber.behind is not None:
                    subscriber.outlet.go_on()

    def expel(self) -> None:
        """Make every SDK subscribe again, with its position: what is here is no longer to be relied on."""
        for subscriber in self.audience:
            codec, reason = subscriber.codec, "the stream's history changed"
            push = codec.unsubscribed(self.channel, UNSUBSCRIBED_INSUFFICIENT_STATE, reason)
            self.audience.remove(subscriber)
            subscriber.outlet.expelled(self.channel)
            subscriber.outlet.write(codec.frame(push))

    def block(self, subscriber: Subscriber) -> None:
        """Leave out a subscriber whose socket is full."""
        if subscriber.behind is None:
            self.audience.block(subscriber, self.sent)

    def resume(self, subscriber: Subscriber) -> bytes | None:
        """Return the next frame for a subscriber that is behind, and move it on; None: nothing for now.

        A slow viewer of a sampled stream gets an announced skip instead, but for what is shown to all.
        """
        behind, start = subscriber.behind, self.ring.start
        if behind is None or self.stale:
            return None
        if self.sampled and not subscriber.exact and behind < self.sent:
            return self._skip(subscriber, behind)
        if behind < start:
            self.stats.slow_skips += 1
            subscriber.behind = start
            data = self.document(behind, start, [], Hole(behind, start, "slow"))
            return Form.FRAME.encode(subscriber.codec, self.channel, start, data)
        end = self.ring.cuts(behind, self.sent, PART_EVENTS)[0]
        if end >= self.sent:
            self.audience.unblock(subscriber)
        else:
            subscriber.behind = end
        return self.part(subscriber, behind, end, Form.FRAME)

    def part(self, subscriber: Subscriber, after: int, upto: int, form: Form) -> bytes:
        """Encode (``after``, ``upto``] as ``subscriber`` sees it, or return what was made for others."""
        codec, shelf = subscriber.codec, self._shelf
        key = (codec.name, form, ALL_LANES, after, upto)
        made = shelf.get(key)
        if made is not None:
            return made
        events = self.ring.between(after, upto)
        masked = [event for event in events if event.mask != ALL_LANES]
        if masked:
            key = (codec.name, form, subscriber.lane, after, upto)
            own = any(event.author == subscriber.user_id for event in masked)
            made = None if own else shelf.get(key)
            if made is not None:
                return made
            events = [event for event in events if event.visible(subscriber.lane, subscriber.user_id)]
            if own:
                return self._encode(form, codec, events, after, upto)
        return shelf.put(key, self._encode(form, codec, events, after, upto))

    def document(self, after: int, upto: int, bodies: Sequence[bytes], hole: Hole | None = None) -> bytes:
        """Return the document that covers (``after``, ``upto``]."""
        return document(
            after,
            upto,
            bodies,
            viewers=max(self.viewers, self.audience.count),
            sampled=self.sampled,
            hole=hole,
            stale=self.stale,
            reactions=self.reactions if self._reacted or not bodies else b"",
        )

    # How it is done.

    def _know(self, segment: Mapping[str, Any]) -> None:
        """Take note of the stream's state."""
        self.viewers, self.sampled = segment["viewers"], segment["sampled"]
        self.users = segment.get("users", -1)
        if segment["reactions"] is not None:
            self.reactions = json.dumps(segment["reactions"], ensure_ascii=False).encode(errors="replace")
            self._reacted = True

    def _learn(self, segment: Mapping[str, Any]) -> None:
        """Take a record that adds no events: if it is of the stream's state alone, tell everybody."""
        if segment["from_seq"] != segment["to_seq"] or segment["epoch"] != self.position.epoch:
            return
        if segment["sampled"] != self.sampled:
            self._shelf.clear()
        self._know(segment)
        self.deliver()
        self._deliver_all([], self.sent, self.sent, None)
        self._reacted = False

    def _encode(self, form: Form, codec: Codec, events: Sequence[RingEvent], after: int, upto: int) -> bytes:
        data = self.document(after, upto, [event.body for event in events])
        return form.encode(codec, self.channel, upto, data)

    def _skip(self, subscriber: Subscriber, behind: int) -> bytes:
        self.stats.slow_skips += 1
        self.audience.unblock(subscriber)
        events = self.ring.between(max(behind, self.ring.start), self.sent)
        bodies = [event.body for event in events if event.mask == ALL_LANES]
        data = self.document(behind, self.sent, bodies, Hole(behind, self.sent, "slow"))
        return Form.FRAME.encode(subscriber.codec, self.channel, self.sent, data)

    def _deliver_all(self, bodies: Sequence[bytes], after: int, upto: int, hole: Hole | None) -> None:
        data = self.document(after, upto, bodies, hole)
        frames: dict[str, bytes] = {}
        for group in list(self.audience.groups):
            codec = group.codec
            frame = frames.get(codec.name)
            if frame is None:
                frame = frames[codec.name] = Form.FRAME.encode(codec, self.channel, upto, data)
            self.stats.deliveries += len(group.members)
            group.send(frame)

    def _deliver_lanes(self, events: list[RingEvent], after: int, upto: int, hole: Hole | None) -> None:
        # Who wrote any of it sees it on whatever lane; looked for by author, since members are many.
        authors: dict[Group, list[Subscriber]] = {}
        for author in {event.author for event in events if event.mask != ALL_LANES}:
            for each in self.audience.of_user(author):
                authors.setdefault(self.audience.group_of(each), []).append(each)
        frames: dict[tuple[str, tuple[int, ...]], bytes] = {}
        for group in list(self.audience.groups):
            codec, lane = group.codec, group.lane
            seen = [event for event in events if event.mask >> lane & 1]
            key = (codec.name, tuple(event.seq for event in seen))
            frame = frames.get(key)
            if frame is None:
                frame = frames[key] = self._window(codec, seen, after, upto, hole)
            self.stats.deliveries += len(group.members)
            own = {}
            for each in authors.get(group, ()):
                visible = [event for event in events if event.visible(lane, each.user_id)]
                own[each.outlet.fd] = self._window(codec, visible, after, upto, hole)
            group.send(frame, own)

    def _window(
        self, codec: Codec, events: Sequence[RingEvent], after: int, upto: int, hole: Hole | None
    ) -> bytes:
        data = self.document(after, upto, [event.body for event in events], hole)
        return Form.FRAME.encode(codec, self.channel, upto, data)

    def _break_off(self, step: Step) -> None:
        """Prepare for a segment that does not follow: nothing was known, a hole, or another epoch."""
        epoch = self.ring.epoch
        if step.epoch != self.position.epoch:
            self.deliver()
            self.expel()
            self.sent = step.from_seq
        elif epoch is None:
            self.sent = step.from_seq
            if step.from_seq > 0 and self.audience.count:
                # Viewers may be anywhere up to here: told from the beginning, each trims what it has.
                self.sent, self.lost_before = 0, Hole(0, step.from_seq, "unknown")
        elif step.gap is not None:
            self.deliver()
            self.lost_before = Hole(step.gap[0], step.gap[1], "lost")
        if self.lost_before is not None:
            self.stats.holes += 1


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
