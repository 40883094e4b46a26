"""What somebody is told who comes to a stream: for the first time, or back at a position.

Everything here happens at once, without awaiting: whoever is admitted gets from then on what is sent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from edge.audience import Subscriber
from edge.protocol.commands import Position, Subscribed
from edge.publication import Hole
from edge.ring import POSITION_MAX, Ahead, Held, RingEvent, TooOld, Unknown, Verdict
from edge.shelf import PART_EVENTS, Form
from edge.stream import Stream

REPLY_BYTES_MAX = 64 * 1024
"""Of the past in the frame of a reply; the rest follows as the socket takes it (`Stream.resume`)."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The reply, and pushes to be sent behind it in the same frame."""

    result: Subscribed
    pushes: tuple[bytes, ...] = ()


def admit(stream: Stream, subscriber: Subscriber, since: Position | None, first_events: int) -> Admission:
    """Begin to deliver to ``subscriber``; the caller sends the admission before anything else.

    ``since``: None for the first time; then the last ``first_events`` are shown.
    """
    verdict = stream.judge(since) if since is not None else None
    if isinstance(verdict, Held) and verdict.after > stream.sent:
        # They come from an edge that had sent more of this window: it ends here for all.
        stream.deliver()
    stream.enter(subscriber)
    match verdict:
        case None:
            admission = Admission(Subscribed(stream.position), _first(stream, subscriber, first_events))
        case Held(after):
            admission = _recovered(stream, subscriber, after)
        case _:
            stream.stats.recoveries_failed += 1
            admission = _unrecovered(stream, subscriber, since or stream.position, verdict, first_events)
    if subscriber.outlet.blocked:
        stream.block(subscriber)
    stream.stats.subscribes += 1
    return admission


def history(
    stream: Stream, subscriber: Subscriber, since: Position | None, limit: int
) -> tuple[bytes, ...] | None:
    """Return publications after ``since``, or the last ones; None: the position is not held here.

    ``limit``: events at most; 0: none.
    """
    after, upto = stream.ring.start, stream.sent
    if since is not None:
        verdict = stream.judge(since)
        if isinstance(verdict, Held):
            after = min(verdict.after, upto)
        elif not isinstance(verdict, Unknown):
            return None
    events = _visible(stream, subscriber, after, upto)
    if not events or limit == 0:
        return ()
    if len(events) > limit:
        if since is not None:
            events = events[:limit]
            upto = events[-1].seq
        else:
            after, events = events[-limit - 1].seq, events[-limit:]
    codec = subscriber.codec
    return tuple(
        codec.publication(end, stream.document(start, end, [event.body for event in part]))
        for start, end, part in _split(events, after, upto)
    )


def _recovered(stream: Stream, subscriber: Subscriber, after: int) -> Admission:
    stream.stats.recoveries += 1
    publications: tuple[bytes, ...] = ()
    pushes: tuple[bytes, ...] = ()
    if after < stream.sent:
        publications = _begin(stream, subscriber, after, Form.PUBLICATION)
    elif stream.stale:
        pushes = (_push(stream, subscriber, after, after),)
    # The position asked for, not the one that the publications lead to: an SDK moves to the reply's
    # position before it hands them out, and a cut between would lose them.
    position = Position(stream.position.epoch, after)
    result = Subscribed(position, recovering=True, recovered=True, publications=publications)
    return Admission(result, pushes)


def _unrecovered(
    stream: Stream, subscriber: Subscriber, since: Position, verdict: Verdict, first_events: int
) -> Admission:
    position, after = stream.position, stream.sent
    match verdict:
        case TooOld(seq, start):
            hole, after = Hole(seq, start, "window"), start
        case Ahead(seq):
            hole = Hole(after, seq, "ahead")
        case Unknown() if since.epoch == position.epoch and 0 <= since.offset <= POSITION_MAX:
            # Nobody here knows whether there is more: they keep their place, and are told of the doubt.
            hole = Hole(since.offset, since.offset, "unknown")
            push = _push(stream, subscriber, since.offset, since.offset, hole)
            return Admission(Subscribed(since, recovering=True), (push,))
        case _:
            after = _after_last(stream, subscriber, first_events)
            hole = Hole(0, after, "epoch")
    pushes = [_push(stream, subscriber, min(hole.from_seq, after), after, hole)]
    if after < stream.sent:
        pushes += _begin(stream, subscriber, after, Form.PUSH)
    return Admission(Subscribed(position, recovering=True), tuple(pushes))


def _first(stream: Stream, subscriber: Subscriber, first_events: int) -> tuple[bytes, ...]:
    if stream.stale:
        # What was deleted meanwhile is not known: nothing is shown.
        return (_push(stream, subscriber, stream.sent, stream.sent),)
    after = _after_last(stream, subscriber, first_events)
    pushes = [stream.part(subscriber, after, stream.sent, Form.PUSH)] if after < stream.sent else []
    if stream.reactions:
        pushes.append(_push(stream, subscriber, stream.sent, stream.sent))
    return tuple(pushes)


def _begin(stream: Stream, subscriber: Subscriber, after: int, form: Form) -> tuple[bytes, ...]:
    """Return the first parts behind ``after``; if there are more, the subscriber is behind."""
    parts, size, start = list[bytes](), 0, after
    for end in stream.ring.cuts(after, stream.sent, PART_EVENTS):
        parts.append(stream.part(subscriber, start, end, form))
        size += len(parts[-1])
        start = end
        if size >= REPLY_BYTES_MAX:
            break
    if start < stream.sent:
        stream.audience.block(subscriber, start)
        subscriber.exact = True
    return tuple(parts)


def _push(stream: Stream, subscriber: Subscriber, after: int, upto: int, hole: Hole | None = None) -> bytes:
    """Return a push without events."""
    data = stream.document(after, upto, [], hole)
    return Form.PUSH.encode(subscriber.codec, stream.channel, upto, data)


def _after_last(stream: Stream, subscriber: Subscriber, count: int) -> int:
    """Return the seq behind which a viewer sees the last ``count`` events that were sent."""
    after = stream.sent
    lane, user_id = subscriber.lane, subscriber.user_id
    for event in stream.ring.backwards(stream.sent):
        if count <= 0:
            break
        if event.visible(lane, user_id):
            after = event.seq - 1
            count -= 1
    return after


def _visible(stream: Stream, subscriber: Subscriber, after: int, upto: int) -> list[RingEvent]:
    lane, user_id = subscriber.lane, subscriber.user_id
    return [event for event in stream.ring.between(after, upto) if event.visible(lane, user_id)]


def _split(
    events: Sequence[RingEvent], after: int, upto: int
) -> Iterator[tuple[int, int, Sequence[RingEvent]]]:
    """Cut into ranges (from, to] that join up to (``after``, ``upto``], with their events."""
    for at in range(0, len(events), PART_EVENTS):
        part = events[at : at + PART_EVENTS]
        end = upto if at + PART_EVENTS >= len(events) else part[-1].seq
        yield after, end, part
        after = end
