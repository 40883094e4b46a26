"""Live windows: encoded once a group, one write a socket, and who sees what."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge.admission import admit
from edge.audience import LANES, SILENT_SECONDS, Subscriber
from edge.protocol.json_codec import JsonCodec
from edge.protocol.protobuf_codec import ProtobufCodec
from edge.ring import Ring
from edge.stats import Stats
from edge.stream import Stream
from tests.edge.fakes import EPOCH, STREAM, comment, comments, segment
from tests.edge.reference import no_socket, payloads


class Counting(JsonCodec):
    """Counts what is encoded."""

    def __init__(self) -> None:
        self.pushes = 0

    def push(self, channel: str, offset: int, data: bytes) -> bytes:
        self.pushes += 1
        return super().push(channel, offset, data)


class Sink:
    """An outlet that keeps the very objects it was given."""

    def __init__(self) -> None:
        self.fd = no_socket()
        self.frames: list[bytes] = []
        self.write = self.frames.append
        self.blocked = False
        self.ended: list[str] = []

    def expelled(self, channel: str) -> None:
        self.ended.append(channel)

    def go_on(self) -> None: ...


def made(clock: Callable[[], float] = time.monotonic) -> Stream:
    return Stream(STREAM, EPOCH, Ring(events_max=500, events_min=0, seconds=60), Stats(), clock)


def join(stream: Stream, codec: Any, user: str, lane: int) -> Sink:
    sink = Sink()
    admit(stream, Subscriber(sink, codec, user, lane), None, 50)  # type: ignore[arg-type]
    return sink


def test_a_window_is_the_same_bytes_for_everybody() -> None:
    """However many viewers and lanes: one encoding, and the same object written to each."""
    stream, codec = made(), Counting()
    sinks = [join(stream, codec, f"u{number}", number % LANES) for number in range(500)]
    stream.take(comments(1, 3), 0.0)
    stream.deliver()
    assert codec.pushes == 1
    assert {id(sink.frames[-1]) for sink in sinks} == {id(sinks[0].frames[-1])}
    assert all(len(sink.frames) == 1 for sink in sinks)
    assert stream.stats.deliveries == 500


def test_encodings_do_not_mix() -> None:
    """Each encoding has its own frame."""
    stream = made()
    one, other = join(stream, JsonCodec(), "a", 0), join(stream, ProtobufCodec(), "b", 0)
    stream.take(comments(1, 1), 0.0)
    stream.deliver()
    assert one.frames[0][0] == 0x81
    assert other.frames[0][0] == 0x82


def test_a_shadowed_comment_costs_one_more_encoding() -> None:
    """Lanes that see the same share a frame; the author alone gets one with the comment."""
    stream, codec = made(), Counting()
    sinks = {f"u{n}": join(stream, codec, f"u{n}", n) for n in range(LANES)}
    stream.take(segment([comment(1), comment(2, user="u7", mask=0)]), 0.0)
    stream.deliver()
    assert codec.pushes == 2
    assert b'"seq":2' in sinks["u7"].frames[0]
    assert not any(b'"seq":2' in sink.frames[0] for user, sink in sinks.items() if user != "u7")


@pytest.mark.parametrize("lane", [0, 1, 31, 62, 63])
def test_masks_reach_every_lane(lane: int) -> None:
    """The mask is a signed 64-bit number; its last bit is a lane like others."""
    stream = made()
    sinks = [join(stream, JsonCodec(), f"u{n}", n) for n in range(LANES)]
    mask = 1 << lane
    stream.take(segment([comment(1, mask=mask - (1 << 64) if lane == 63 else mask)], sampled=True), 0.0)
    stream.deliver()
    assert [n for n, sink in enumerate(sinks) if sink.frames] == [lane]
    assert b'"seq":1' in sinks[lane].frames[0]


def test_a_lane_for_which_there_is_nothing_is_told_its_position_within_a_second() -> None:
    """It costs no frame at once: a stream whose rate is lowered is cheaper to send."""
    now = [5.0]
    stream = made(lambda: now[0])
    sinks = [join(stream, JsonCodec(), f"u{n}", n) for n in range(LANES)]
    for seq in range(1, 4):
        stream.take(segment([comment(seq, mask=1 << seq)], sampled=True), 0.0)
        stream.deliver()
    assert [n for n, sink in enumerate(sinks) if sink.frames] == [1, 2, 3]
    now[0] += SILENT_SECONDS
    stream.deliver()
    assert all(len(sink.frames) == 1 for n, sink in enumerate(sinks) if n not in {1, 2})
    assert b'{"from":0,"to":3,"events":[],"omitted":3' in sinks[9].frames[0]
    assert b'{"from":1,"to":3,"events":[],"omitted":2' in sinks[1].frames[1]


def test_who_joins_a_lane_that_was_told_nothing_is_told_nothing_twice() -> None:
    """The lane is told first, and the range of its next frame begins where the newcomer is."""
    stream = made()
    first = join(stream, JsonCodec(), "a", 7)
    stream.take(segment([comment(1, mask=1)], sampled=True), 0.0)
    stream.deliver()
    assert not first.frames
    second = join(stream, JsonCodec(), "b", 7)
    assert b'{"from":0,"to":1,"events":[]' in first.frames[0]
    stream.take(segment([comment(2)], sampled=True), 0.0)
    stream.deliver()
    assert b'{"from":1,"to":2' in second.frames[0]


def test_a_round_goes_on_where_it_stopped_and_takes_the_newest_along() -> None:
    """Who waits for a turn gets both windows in one frame; who had it, the second alone."""
    now = [5.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    stream = made(clock)
    sinks = [join(stream, JsonCodec(), f"u{n}", n) for n in range(10)]
    stream.take(segment([comment(1)], sampled=True), 0.0)
    stream.begin()
    assert not stream.serve(now[0] + 4)
    assert [len(sink.frames) for sink in sinks] == [1] * 4 + [0] * 6
    assert stream.served == stream.told == 0
    stream.take(segment([comment(2)], sampled=True), 0.0)
    stream.begin()
    assert not stream.serve(now[0] + 6)
    assert [len(sink.frames) for sink in sinks] == [1] * 10
    assert all(b'{"from":0,"to":2' in sink.frames[0] for sink in sinks[4:])
    assert stream.serve()
    assert [len(sink.frames) for sink in sinks] == [2] * 4 + [1] * 6
    assert all(b'{"from":1,"to":2' in sink.frames[1] for sink in sinks[:4])
    assert stream.served == stream.told == 2


def test_what_got_late_while_others_had_their_turn_is_skipped_and_announced() -> None:
    """With the lane's next frame; what is for all is shown however late it is."""
    now = [5.0]
    stream = made(lambda: now[0])
    sink, other = join(stream, JsonCodec(), "a", 0), join(stream, JsonCodec(), "b", 1)
    stream.take(segment([comment(1, mask=3)], sampled=True), 0.0)
    stream.backlog.take((0, 1), 0, 100.0, now[0], 400.0, served=0)
    stream.begin()
    now[0] += 0.301
    assert stream.serve()
    assert not sink.frames
    stream.take(segment([comment(2)], sampled=True), 0.0)
    stream.deliver()
    for each in (sink, other):
        assert b'"seq":2' in each.frames[0]
        assert b'"seq":1' not in each.frames[0]
        assert b'"hole":{"from":0,"to":1,"reason":"late"}' in each.frames[0]
    assert stream.stats.late_skips == 2
    stream.take(segment([comment(3, mask=3)], sampled=True), 0.0)
    stream.deliver()
    assert b'"hole"' not in sink.frames[1]


def test_a_skip_is_announced_though_the_log_goes_on_elsewhere() -> None:
    """A loss behind it takes the skipped comment out of the ring; the hole is of both."""
    now = [5.0]
    stream = made(lambda: now[0])
    sink = join(stream, JsonCodec(), "a", 0)
    stream.take(segment([comment(1, mask=1)], sampled=True), 0.0)
    stream.backlog.take((0, 1), 0, 401.0, now[0], 400.0, served=0)
    stream.deliver()
    assert not sink.frames
    stream.take(segment([comment(6)], sampled=True), 0.0)
    stream.deliver()
    assert b'"hole":{"from":0,"to":5,"reason":"lost"}' in sink.frames[0]


def test_an_outlet_that_fills_up_at_a_write_misses_nothing() -> None:
    """The write that fills a socket was taken; what comes next waits for it."""
    stream = made()
    sink, subscriber = Sink(), None

    def write(frame: bytes) -> None:
        sink.frames.append(frame)
        sink.blocked = True
        stream.block(subscriber)  # type: ignore[arg-type]

    subscriber = Subscriber(sink, JsonCodec(), "a", 0)  # type: ignore[arg-type]
    admit(stream, subscriber, None, 50)
    sink.write = write  # type: ignore[method-assign,assignment]
    stream.take(comments(1, 1), 0.0)
    stream.deliver()
    stream.take(comments(2, 2), 0.0)
    stream.deliver()
    assert len(sink.frames) == 1
    assert subscriber.behind == 1
    assert b'"seq":2' in (stream.resume(subscriber) or b"")


def test_a_new_epoch_sends_everybody_back() -> None:
    """All are unsubscribed with the code on which an SDK subscribes again; none is left behind."""
    stream = made()
    sinks = [join(stream, JsonCodec(), f"u{n}", n) for n in range(3)]
    stream.take(comments(1, 2), 0.0)
    stream.take(comments(1, 1, epoch="test-1"), 0.0)
    for sink in sinks:
        assert b'"seq":2' in sink.frames[0]
        assert b'"unsubscribe":{"code":2500' in sink.frames[1]
        assert sink.ended == [stream.channel]
    assert stream.audience.count == 0
    assert stream.position.epoch == "test-1"


def test_an_unexpected_epoch_of_an_unknown_stream_sends_everybody_back() -> None:
    """Who was given the cluster's epoch is not left with it when the log has another."""
    stream = made()
    sink = join(stream, JsonCodec(), "a", 0)
    stream.take(comments(1, 1, epoch="old-0"), 0.0)
    assert sink.ended == [stream.channel]
    assert stream.position.epoch == "old-0"


def test_seeding_sends_doubters_back() -> None:
    """Who came while nothing was known comes again when it is, and is recovered exactly."""
    stream = made()
    sink = join(stream, JsonCodec(), "a", 0)
    stream.seed(EPOCH, [comments(1, 9)], 9, 0.0)
    assert sink.ended == [stream.channel]
    assert stream.sent == 9


def test_a_window_larger_than_the_ring_loses_nothing() -> None:
    """What waits to be sent is not dropped because it is much: the window ends early."""
    stream = Stream(STREAM, EPOCH, Ring(events_max=100, events_min=0, seconds=60), Stats())
    sink = join(stream, JsonCodec(), "a", 0)
    for first in range(1, 2_001, 50):
        stream.take(comments(first, first + 49), 0.0)
    stream.take(comments(2_001, 3_000), 0.0)
    stream.deliver()
    [*documents] = [
        json.loads(payload)["push"]["pub"]["data"] for frame in sink.frames for payload in payloads(frame)
    ]
    assert [event["seq"] for each in documents for event in each["events"]] == list(range(1, 3_001))
    assert len(stream.ring.events) <= 100 + 256 + 1_000
    stream.ring.trim(0.0, stream.sent)
    assert len(stream.ring.events) == 100
