"""One stream on this edge: its ring, its audience, and who has seen what.

Synchronous throughout: between a subscriber's reply and the first live frame nothing can happen, and so
nothing is missed or told twice. A window (``sent``, ring's end] is waiting to be sent; a subscriber that
joins meanwhile is told the past up to ``sent``, and gets the window like everybody.

A window that `begin` opens is sent group by group, whose turn was longest ago first, as far as time is given
(`serve`). A group gets what there is for it since its last frame, whatever windows that was: where there is
not the time to serve everybody before the next window, frames grow, and nobody's turn takes longer than one
round. A lane of a sampled stream for which there is nothing gets no frame, for a second at most; what is for
single lanes and too old when their turn comes is skipped, and announced with the next frame.

Whoever is behind (just back, or slow) is out of its group and gets the past in parts, as its socket takes
them (`resume`), until it has all that was sent.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from edge.audience import Audience, Group, Subscriber
from edge.backlog import Backlog
from edge.cut import Cut
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
    """See the module. ``epoch``: the cluster's, for a stream that nobody has seen.

    ``clock``: seconds, monotonic.
    """

    __slots__ = (
        "_clock",
        "_cuts",
        "_epoch",
        "_lost",
        "_reacted",
        "_shelf",
        "_state",
        "_waiting",
        "audience",
        "backlog",
        "channel",
        "floor",
        "id",
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
    )  # fmt: skip

    def __init__(
        self,
        stream_id: str,
        epoch: str,
        ring: Ring,
        stats: Stats,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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
        self.backlog = Backlog()
        self.stale = False
        self.seeded = False
        """Whether the catch-up window in Redis was read."""
        self.new = False
        """Whether it knew no such stream, and nothing has come since: at 0, as far as anybody knows."""
        self.floor = -1
        """Positions up to here are known to be older than the window in Redis."""
        self.pins = 0
        """Subscribers on their way in: the ring drops nothing meanwhile."""
        self.quiet_since = 0.0
        self._clock = clock
        self._epoch = epoch
        self._lost: Hole | None = None
        """A hole that is announced to every group that is before its end."""
        self._reacted = 0
        """How often reactions were told."""
        self._shelf = Shelf()
        self._cuts: dict[tuple[int, int], Cut] = {}
        self._state = 0
        """How often everybody was to be told of what is no event: the stream's state, or the feed's."""
        self._waiting = 0

    @property
    def position(self) -> Position:
        """Where everybody is who got all that was sent."""
        return Position(self.ring.epoch or self._epoch, self.sent)

    @property
    def told(self) -> int:
        """The seq up to which everybody was told; behind it the ring is needed."""
        return min((group.sent for group in self.audience.groups), default=self.sent)

    @property
    def served(self) -> int:
        """The seq up to which everybody had their turn."""
        return min((group.seen for group in self.audience.groups), default=self.sent)

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
        """Take a segment of the log, or the stream's state; True: there is something to send."""
        ring = self.ring
        step = follow(ring.epoch, ring.end, segment)
        if step is None:
            return self._learn(segment)
        broken = step.epoch != ring.epoch or step.from_seq != ring.end
        if broken:
            self._break_off(step)
        hides = ring.append(step, now, hold=self.pins > 0, keep_after=self.told)
        if broken or hides or segment["sampled"] != self.sampled:
            self._drop_made()
        self.quiet_since, self.new = now, False
        if step.from_seq == step.to_seq:
            return self._learn(segment)
        self._know(segment)
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
                self._drop_made()
        elif ring.epoch is None:
            if end < head:
                start, end, events = head, head, []
            # Those who are here came when nothing was known: they come again, with their positions.
            self.expel()
            ring.begin(epoch, start)
            ring.append(Step(epoch, start, end, events), now)
            self.sent = end

    # What goes out.

    def begin(self) -> None:
        """Open a window of all that waits; `serve` sends it."""
        self._waiting = 0
        if self.ring.end > self.sent:
            self.sent = self.ring.end
            self.stats.windows += 1
            self._cuts.clear()

    def serve(self, until: float = float("inf")) -> bool:
        """Send to those who have not had their turn; False: it is ``until``, and some have not yet."""
        now = self._clock()
        for group in list(self.audience.groups):
            if group.seen < self.sent or group.state != self._state or group.is_due(now):
                if now > until:
                    return False
                self._turn(group, now)
                now = self._clock()
        return True

    def deliver(self) -> None:
        """Open a window, and send it to everybody at once."""
        self.begin()
        self.serve()

    def enter(self, subscriber: Subscriber) -> None:
        """Begin to deliver to a subscriber, who is about to be told all that was sent."""
        self._catch_up(subscriber)
        self._settle(self.audience.add(subscriber))

    def announce(self, *, stale: bool) -> None:
        """Note whether the feed is behind, of which `serve` tells everybody."""
        self.stale = stale
        self._drop_made()
        self._state += 1
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
        self._lost = None
        self.backlog.clear()

    def block(self, subscriber: Subscriber) -> None:
        """Leave out a subscriber whose socket is full."""
        group = self.audience.group_of(subscriber)
        if subscriber.behind is None and group is not None:
            self.audience.block(subscriber, group.sent)

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
            self._rejoin(subscriber)
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

    def document(
        self,
        after: int,
        upto: int,
        bodies: Sequence[bytes],
        hole: Hole | None = None,
        *,
        reactions: bool = False,
    ) -> bytes:
        """Return the document that covers (``after``, ``upto``]; one without events tells reactions too."""
        return document(
            after,
            upto,
            bodies,
            viewers=max(self.viewers, self.audience.count),
            sampled=self.sampled,
            hole=hole,
            stale=self.stale,
            reactions=self.reactions if reactions or not bodies else b"",
        )

    # How it is done.

    def _know(self, segment: Mapping[str, Any]) -> None:
        """Take note of the stream's state, which every frame tells."""
        self._cuts.clear()
        self.viewers, self.sampled = segment["viewers"], segment["sampled"]
        self.users = segment.get("users", -1)
        if segment["reactions"] is not None:
            self.reactions = json.dumps(segment["reactions"], ensure_ascii=False).encode(errors="replace")
            self._reacted += 1

    def _learn(self, segment: Mapping[str, Any]) -> bool:
        """Take a record that adds no events; whether it is of the stream's state, of which all are told."""
        if segment["from_seq"] != segment["to_seq"] or segment["epoch"] != self.position.epoch:
            return False
        if segment["sampled"] != self.sampled:
            self._drop_made()
        self._know(segment)
        self._state += 1
        return True

    def _drop_made(self) -> None:
        """Forget what was encoded: it would be wrong now."""
        self._shelf.clear()
        self._cuts.clear()

    def _encode(self, form: Form, codec: Codec, events: Sequence[RingEvent], after: int, upto: int) -> bytes:
        data = self.document(after, upto, [event.body for event in events])
        return form.encode(codec, self.channel, upto, data)

    def _skip(self, subscriber: Subscriber, behind: int) -> bytes:
        self.stats.slow_skips += 1
        self._rejoin(subscriber)
        events = self.ring.between(max(behind, self.ring.start), self.sent)
        bodies = [event.body for event in events if event.mask == ALL_LANES]
        data = self.document(behind, self.sent, bodies, Hole(behind, self.sent, "slow"))
        return Form.FRAME.encode(subscriber.codec, self.channel, self.sent, data)

    def _rejoin(self, subscriber: Subscriber) -> None:
        """Take a subscriber back that is about to have all that was sent."""
        self._catch_up(subscriber)
        self._settle(self.audience.unblock(subscriber))

    def _catch_up(self, subscriber: Subscriber) -> None:
        """Send its group what was sent to others, so that who joins is told nothing twice."""
        group = self.audience.group_of(subscriber)
        if group is not None and group.sent < self.sent:
            self._turn(group, self._clock(), must=True)

    def _settle(self, group: Group | None) -> None:
        """Let a new group begin where the stream is."""
        if group is not None:
            group.sent = group.seen = self.sent
            group.state, group.reacted = self._state, self._reacted

    def _turn(self, group: Group, now: float, *, must: bool = False) -> None:
        """Send a group all there is for it; nothing, if there is nothing and it need not know."""
        cut, late_seq = self._cut(group), self.backlog.late(now)
        if cut.skips(group.lane, late_seq):
            group.late = max(group.late, late_seq)  # for good, though its frame may go later
        shown, authors, hole = cut.shown(group.lane, group.late), cut.authors(group), self._hole(group)
        group.seen = self.sent
        self.audience.had_turn(group)
        late = hole is not None and hole.reason == "late"
        must = must or group.is_due(now) or group.state != self._state or not self.sampled
        if not (must or shown or authors or (hole is not None and not late)):
            group.silent_since = now if group.silent_since is None else group.silent_since
            return
        self.stats.late_skips += late
        reactions = group.reacted != self._reacted
        frame = self._window(group, cut, shown, hole, reactions=reactions)
        own = {
            each.outlet.fd: self._window(group, cut, cut.shown_too(author, shown), hole, reactions=reactions)
            for author in authors
            for each in self.audience.of_user(author)
            if self.audience.group_of(each) is group
        }
        group.sent, group.silent_since = self.sent, None
        group.state, group.reacted = self._state, self._reacted
        self.stats.deliveries += len(group.members)
        group.send(frame, own)

    def _cut(self, group: Group) -> Cut:
        """Return what was sent that a group was not told."""
        span = (group.sent, self.sent)
        cut = self._cuts.get(span)
        if cut is None:
            cut = self._cuts[span] = Cut(self.ring.between(*span), self.audience)
        return cut

    def _hole(self, group: Group) -> Hole | None:
        """Return what a group is to be told of that it does not get."""
        after, hole = group.sent, self._lost
        if hole is not None and hole.to_seq <= after:
            hole = None
        if group.late <= after:
            return hole
        return (
            Hole(after, max(group.late, hole.to_seq), hole.reason)
            if hole
            else Hole(after, group.late, "late")
        )

    def _window(
        self,
        group: Group,
        cut: Cut,
        events: Sequence[RingEvent],
        hole: Hole | None,
        *,
        reactions: bool,
    ) -> bytes:
        """Encode the window of a group, or return what was made for another that sees the same."""
        all_of_it = None if len(events) == len(cut.events) else tuple(event.seq for event in events)
        key = (group.codec.name, all_of_it, hole, reactions)
        frame = cut.frames.get(key)
        if frame is None:
            bodies = [event.body for event in events]
            data = self.document(group.sent, self.sent, bodies, hole, reactions=reactions)
            frame = cut.frames[key] = Form.FRAME.encode(group.codec, self.channel, self.sent, data)
        return frame

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
                self.sent, self._lost = 0, Hole(0, step.from_seq, "unknown")
                self.stats.holes += 1
        elif step.gap is not None:
            self.deliver()
            self._lost = Hole(step.gap[0], step.gap[1], "lost")
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
