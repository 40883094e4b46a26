"""The hub on a feed in memory and a window that counts its reads: windows, the past, partitions."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from edge import heal
from edge import hub as module
from edge.admission import admit
from edge.errors import FeedAwayError
from edge.hub import LINGER_SECONDS, SLICE_SECONDS, Hub
from edge.past import Recent
from edge.protocol.commands import Position
from edge.stats import Stats
from edge.stream import Stream
from schemas.settings import Edge
from schemas.stores import Head
from tests.edge.fakes import EPOCH, STREAM, MemoryFeed, comments, until
from tests.edge.reference import CODEC, Viewer
from tests.edge.timing import Clock


class FakePast:
    """A window in memory: segments by ``to_seq``. Counts reads; answers when it is let."""

    def __init__(self) -> None:
        self.segments: list[dict[str, Any]] = []
        self.head: Head | None = None
        self.away = False
        self.recents = 0
        self.betweens: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    def put(self, *segments: dict[str, Any]) -> None:
        self.segments += segments
        self.head = Head(segments[-1]["epoch"], segments[-1]["to_seq"])

    async def recent(self, stream_id: str) -> Recent | None:
        self.recents += 1
        await self.gate.wait()
        return None if self.away else Recent(self.head, self.segments[-3:])

    async def between(self, stream_id: str, epoch: str, after: int, upto: int) -> Any:
        self.betweens.append((after, upto))
        await self.gate.wait()
        if self.away:
            return None
        return [each for each in self.segments if each["to_seq"] > after and each["from_seq"] < upto]


class House:
    """A hub with all around it."""

    def __init__(self, **edge: Any) -> None:
        self.clock = Clock()
        self.feed = MemoryFeed(4)
        self.past = FakePast()
        self.stats = Stats()
        self.hub = Hub(
            Edge(**edge),
            EPOCH,
            feed=self.feed,
            past=self.past,  # type: ignore[arg-type]
            stats=self.stats,
            loop=self.clock.loop,
            clock=self.clock.loop.time,
        )
        self.feed.sink = self.hub

    async def come(self, since: Position | None = None, user: str = "bo", stream: str = STREAM) -> Viewer:
        """Subscribe, as `edge.client.Client` does."""
        viewer = Viewer(user, stream)
        found = await self.hub.open(stream, since)
        admission = admit(found, viewer.come(), since, 50)
        viewer.write(CODEC.frame(CODEC.reply(1, admission.result), *admission.pushes))
        return viewer

    def stream(self, stream_id: str = STREAM) -> Stream:
        found = self.hub.find(stream_id)
        assert found is not None
        return found


@contextlib.contextmanager
def house(**edge: Any) -> Iterator[House]:
    made = House(**edge)
    try:
        yield made
    finally:
        made.hub.stop()


def reply(viewer: Viewer) -> dict[str, Any]:
    found: dict[str, Any] = viewer.inbox[0]["reply"]
    return found


async def test_a_large_audience_is_served_in_slices_and_others_between_them() -> None:
    """Whoever sends for long lets sockets be read, and another stream's window does not wait for its end."""
    with house() as on:
        viewers = [await on.come(user=f"u{n}") for n in range(40)]
        other = await on.come(stream="other")
        groups = len(on.stream().audience.groups)
        took = SLICE_SECONDS / 4

        def clock() -> float:
            on.clock.now += took
            return on.clock.now

        on.hub._clock = on.stream()._clock = on.stream("other")._clock = clock
        for viewer in (*viewers, other):
            viewer.inbox.clear()
        on.feed.push(comments(1, 1))
        had = sum(bool(viewer.inbox) for viewer in viewers)
        assert 0 < had < len(viewers)
        on.feed.push(comments(1, 1, stream="other"))
        assert other.inbox, "it does not wait for the first to be sent to all"
        on.clock.advance(groups * 4 * took)
        assert all(len(viewer.inbox) == 1 for viewer in viewers)
        assert not on.hub._unserved


async def test_the_first_frame_leaves_at_once_and_the_rest_in_windows() -> None:
    """An idle stream's first comment does not wait; what follows within 50 ms leaves together."""
    with house() as on:
        viewer = await on.come()
        viewer.inbox.clear()
        for seq in range(1, 6):
            on.feed.push(comments(seq, seq))
        assert [len(m["push"]["pub"]["data"]["events"]) for m in viewer.inbox] == [1]
        on.clock.advance(0.049)
        assert len(viewer.inbox) == 1
        on.clock.advance(0.002)
        assert [len(m["push"]["pub"]["data"]["events"]) for m in viewer.inbox] == [1, 4]
        on.clock.advance(1)
        on.feed.push(comments(6, 6))
        assert len(viewer.inbox) == 3


async def test_frames_of_a_sampled_stream_do_not_wait() -> None:
    """They were made for a window already."""
    with house() as on:
        viewer = await on.come()
        viewer.inbox.clear()
        for seq in range(1, 4):
            on.feed.push(comments(seq, seq, sampled=True))
        assert len(viewer.inbox) == 3


async def test_many_who_missed_the_same_cost_one_read() -> None:
    """A hundred come back at one position: one read of the window, and all are recovered."""
    with house() as on:
        on.past.put(*(comments(first, first + 9) for first in range(1, 1_000, 10)))
        on.feed.push(comments(981, 990))
        on.feed.push(comments(991, 1_000))
        await on.come()
        on.past.betweens.clear()
        on.past.gate.clear()
        tasks = [asyncio.create_task(on.come(Position(EPOCH, 300), f"u{n}")) for n in range(100)]
        await until(lambda: bool(on.past.betweens))
        on.past.gate.set()
        viewers = await asyncio.gather(*tasks)
        assert len(on.past.betweens) == 1
        assert all(reply(viewer)["recovered"] and reply(viewer)["offset"] == 300 for viewer in viewers)
        assert reply(await on.come(Position(EPOCH, 400)))["recovered"]
        assert len(on.past.betweens) == 1


async def test_different_positions_are_read_one_behind_the_other() -> None:
    """Who needs more than the read under way brings waits for it, and reads the rest alone."""
    with house() as on:
        on.past.put(*(comments(first, first + 9) for first in range(1, 1_000, 10)))
        on.feed.push(comments(991, 1_000))
        tasks = [asyncio.create_task(on.come(Position(EPOCH, offset))) for offset in (700, 300, 500)]
        viewers = await asyncio.gather(*tasks)
        assert all(reply(viewer)["recovered"] for viewer in viewers)
        assert len(on.past.betweens) <= 2


async def test_what_the_window_has_not_is_asked_for_once() -> None:
    """Below the window's beginning nobody asks again; the hole is announced."""
    with house() as on:
        on.past.put(*(comments(first, first + 9) for first in range(501, 1_000, 10)))
        on.feed.push(comments(991, 1_000))
        for user in ("a", "b", "c"):
            viewer = await on.come(Position(EPOCH, 100), user)
            assert reply(viewer)["recovered"] is False
            first = viewer.inbox[1]["push"]["pub"]["data"]
            assert first["hole"] == {"from": 100, "to": 500, "reason": "window"}
        assert len(on.past.betweens) == 1


async def test_a_window_that_was_away_for_a_moment_is_asked_again() -> None:
    """Redis away is no reason to call a position lost for good."""
    with house() as on:
        on.past.put(*(comments(first, first + 9) for first in range(1, 1_000, 10)))
        on.feed.push(comments(991, 1_000))
        await on.come()
        on.past.away = True
        assert reply(await on.come(Position(EPOCH, 100)))["recovered"] is False
        on.past.away = False
        assert reply(await on.come(Position(EPOCH, 100)))["recovered"] is True


async def test_the_ring_does_not_move_away_from_a_read() -> None:
    """Live comments that come while the window is read do not make a gap between the two."""
    with house(ring_events_max=100) as on:
        on.past.put(*(comments(first, first + 9) for first in range(1, 300, 10)))
        on.feed.push(comments(201, 300))
        await on.come()
        on.past.gate.clear()
        task = asyncio.create_task(on.come(Position(EPOCH, 150)))
        await until(lambda: bool(on.past.betweens))
        for seq in range(301, 400):
            on.feed.push(comments(seq, seq))
        on.past.gate.set()
        assert reply(await task)["recovered"] is True


async def test_an_ahead_position_is_checked_against_the_logs_end() -> None:
    """A viewer from an edge that has read more waits until this one has read as much."""
    with house() as on:
        on.feed.push(comments(1, 10))
        await on.come()
        on.feed.held = True
        on.feed.push(comments(11, 20))
        viewer = await on.come(Position(EPOCH, 15))
        assert reply(viewer)["recovered"] is True
        assert [event["seq"] for event in viewer.inbox[1]["push"]["pub"]["data"]["events"]] == [
            16,
            17,
            18,
            19,
            20,
        ]


async def test_an_ahead_position_is_checked_against_the_head() -> None:
    """What the feed lost and the window has is taken from the window, for everybody."""
    with house() as on:
        on.feed.push(comments(1, 10))
        other = await on.come(user="cy")
        on.past.put(comments(1, 10), comments(11, 20))
        viewer = await on.come(Position(EPOCH, 15))
        assert (reply(viewer)["recovered"], reply(viewer)["offset"]) == (True, 15)
        other.read()
        assert [event["seq"] for event in other.seen][-10:] == list(range(11, 21))
        on.feed.push(comments(11, 20))
        on.feed.push(comments(21, 21))
        on.clock.advance(1)
        viewer.read()
        other.read()
        assert [event["seq"] for event in other.seen][-2:] == [20, 21]
        assert [event["seq"] for event in viewer.seen] == [16, 17, 18, 19, 20, 21]
        assert other.holes == viewer.holes == []


async def test_beyond_everything_is_ahead() -> None:
    """Neither the log nor the head knows it: the true position."""
    with house() as on:
        on.past.put(comments(1, 10))
        on.feed.push(comments(1, 10))
        viewer = await on.come(Position(EPOCH, 11))
        assert (reply(viewer)["recovered"], reply(viewer)["offset"]) == (False, 10)


async def test_a_cold_stream_is_recovered_by_its_head() -> None:
    """Nothing in the log's last minutes, nothing in the window: the head is enough."""
    with house() as on:
        on.past.head = Head(EPOCH, 900)
        assert reply(await on.come(Position(EPOCH, 900)))["recovered"] is True
        assert reply(await on.come(Position(EPOCH, 850)))["recovered"] is False


async def test_a_stream_that_redis_does_not_know_is_new() -> None:
    """It stands at 0, and whoever was there from the beginning is recovered."""
    with house() as on:
        assert reply(await on.come())["offset"] == 0
        assert reply(await on.come(Position(EPOCH, 0)))["recovered"] is True
        viewer = await on.come(Position(EPOCH, 5))
        assert viewer.inbox[1]["push"]["pub"]["data"]["hole"]["reason"] == "unknown"


async def test_redis_away_at_the_beginning_is_made_up_for() -> None:
    """Who came meanwhile is sent back when the window can be read, and is recovered exactly."""
    with house() as on:
        on.past.put(comments(1, 10), comments(11, 20))
        on.past.away = True
        viewer = await on.come(Position(EPOCH, 5))
        assert reply(viewer)["recovered"] is False
        on.past.away = False
        on.clock.advance(2)
        await until(lambda: not viewer.connected)
        assert reply(await on.come(Position(EPOCH, 5)))["recovered"] is True


async def test_a_hole_in_the_feed_is_filled_from_the_window() -> None:
    """What the feed lost is shown from the window, in order; what came behind it waits."""
    with house() as on:
        on.feed.push(comments(1, 3))
        viewer = await on.come()
        on.past.gate.clear()
        on.past.put(comments(1, 3), comments(4, 6))
        on.feed.push(comments(7, 8))
        on.feed.push(comments(9, 9))
        await until(lambda: bool(on.past.betweens))
        on.past.gate.set()
        await until(lambda: on.stream().ring.end == 9)
        on.clock.advance(1)
        viewer.read()
        assert [event["seq"] for event in viewer.seen] == list(range(1, 10))
        assert viewer.holes == []


async def test_a_stream_that_begins_while_its_first_viewer_comes() -> None:
    """The window knew nothing yet, and the feed is read from behind the first segment: nothing is missing."""
    with house() as on:
        viewer = await on.come()
        assert reply(viewer)["offset"] == 0
        on.feed.push(comments(2, 2))
        await until(lambda: bool(on.past.betweens))
        on.past.put(comments(1, 1), comments(2, 2))
        await until(lambda: on.stream().ring.end == 2)
        on.clock.advance(1)
        viewer.read()
        assert [event["seq"] for event in viewer.seen] == [1, 2]
        assert viewer.holes == []


async def test_a_hole_that_nobody_can_fill_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while the rest goes on, and exactly what is missing is said to be lost."""
    monkeypatch.setattr(heal, "RETRY_SECONDS", 0)
    with house() as on:
        on.feed.push(comments(1, 3))
        viewer = await on.come()
        on.past.put(comments(5, 6))
        on.feed.push(comments(7, 8))
        await until(lambda: len(on.past.betweens) > 3)
        viewer.read()
        assert viewer.holes == []
        on.clock.advance(heal.HEAL_SECONDS)
        await until(lambda: on.stream().ring.end == 8)
        on.clock.advance(1)
        viewer.read()
        assert viewer.holes == [(3, 4, "lost")]
        assert [event["seq"] for event in viewer.seen] == [1, 2, 3, 5, 6, 7, 8]


async def test_what_waits_behind_a_hole_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flood behind a hole is not kept back: the hole is announced, and the flood goes on."""
    monkeypatch.setattr(heal, "WAITING_SEGMENTS_MAX", 5)
    with house() as on:
        on.feed.push(comments(1, 3))
        viewer = await on.come()
        on.past.gate.clear()
        for seq in range(10, 17):
            on.feed.push(comments(seq, seq))
        on.clock.advance(1)
        viewer.read()
        assert viewer.holes == [(3, 9, "lost")]
        assert [event["seq"] for event in viewer.seen] == [1, 2, 3, *range(10, 17)]


async def test_a_resume_waits_for_the_hole_to_be_filled() -> None:
    """Who comes back while a hole is being filled is judged afterwards."""
    with house() as on:
        on.feed.push(comments(1, 3))
        await on.come()
        on.past.gate.clear()
        on.past.put(comments(1, 3), comments(4, 6))
        on.feed.push(comments(7, 8))
        task = asyncio.create_task(on.come(Position(EPOCH, 6)))
        await until(lambda: bool(on.past.betweens))
        on.past.gate.set()
        viewer = await task
        assert (reply(viewer)["recovered"], reply(viewer)["offset"]) == (True, 6)


async def test_a_partition_is_given_back_when_nobody_needs_it() -> None:
    """Read a little longer in case somebody comes back; then it is released with its streams."""
    with house() as on:
        viewer = await on.come()
        on.feed.push(comments(1, 3))
        assert on.hub.places == 1
        on.hub.leave(on.stream(), viewer.subscriber)  # type: ignore[arg-type]
        on.clock.advance(LINGER_SECONDS / 2)
        assert on.hub.places == 1
        on.clock.advance(LINGER_SECONDS)
        assert (on.hub.places, on.hub.streams, on.feed.told) == (0, 0, {})
        viewer = await on.come()
        assert reply(viewer)["offset"] == 3


async def test_a_quiet_stream_without_viewers_is_forgotten() -> None:
    """Others keep the partition; a stream that nobody watches and that is silent costs nothing."""
    with house(ring_seconds=60) as on:
        await on.come(stream="a")
        neighbour = next(f"s{n}" for n in range(100) if on.feed.place_of(f"s{n}") == on.feed.place_of("a"))
        on.feed.push(comments(1, 3, stream=neighbour))
        assert on.hub.streams == 2
        on.clock.advance(65)
        assert on.hub.streams == 1
        assert on.hub.find("a") is not None


async def test_a_place_begun_anew_is_not_stale_for_ever() -> None:
    """The feed judges a place anew after its log was cut; what it says next counts."""
    with house() as on:
        viewer = await on.come()
        partition = on.feed.place_of(STREAM)
        on.hub.behind(partition, stale=True)
        on.hub.lost(partition)
        assert not viewer.connected
        assert on.hub.stale == 0
        on.hub.behind(partition, stale=True)
        assert on.hub.stale == 1


async def test_viewers_are_told_of_a_stale_feed_and_of_its_end() -> None:
    """Everybody in the partition, once each."""
    with house() as on:
        viewer = await on.come()
        partition = on.feed.place_of(STREAM)
        viewer.read()
        for stale in (True, True, False, False):
            on.hub.behind(partition, stale=stale)
        flags = [message["push"]["pub"]["data"].get("stale", False) for message in viewer.inbox]
        assert flags == [True, False]


async def test_a_stale_edge_refuses_what_it_cannot_know() -> None:
    """A resume that needs something is asked to try again; one that needs nothing is let in."""
    with house() as on:
        on.feed.push(comments(1, 10))
        await on.come()
        on.hub.behind(on.feed.place_of(STREAM), stale=True)
        with pytest.raises(FeedAwayError):
            await on.come(Position(EPOCH, 5))
        assert reply(await on.come(Position(EPOCH, 10)))["recovered"] is True
        assert reply(await on.come())["offset"] == 10


async def test_an_unreachable_partition_is_said_to_be() -> None:
    """The subscriber is asked to try again, and the partition is given back in time."""
    with house() as on:
        on.feed.away = True
        with pytest.raises(FeedAwayError):
            await on.come()
        on.clock.advance(LINGER_SECONDS + 2)
        assert on.hub.places == 0


async def test_a_cancelled_subscriber_leaves_nothing_behind() -> None:
    """A connection that goes while its subscribe waits gives back what it held."""
    with house() as on:
        on.past.gate.clear()
        task = asyncio.create_task(on.come())
        await until(lambda: on.past.recents == 1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        on.past.gate.set()
        assert on.stream().pins == 0
        on.clock.advance(LINGER_SECONDS + 2)
        assert on.hub.places == 0


async def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking for streams that do not exist fills no memory without end."""
    monkeypatch.setattr(module, "STREAMS_MAX", 3)
    with house() as on:
        for number in range(3):
            await on.come(stream=f"s{number}")
        with pytest.raises(FeedAwayError, match="too many streams"):
            await on.come(stream="one-more")
        await on.come(stream="s1")


async def test_two_edges_on_one_log_show_the_same() -> None:
    """However the windows fall, the lists of events are byte for byte equal."""
    with house() as one, house(window_ms=0) as other:
        viewers = [await one.come(), await other.come()]
        for seq in range(1, 101):
            for each in (one, other):
                each.feed.push(comments(seq, seq))
            one.clock.advance(0.013)
        one.clock.advance(1)
        for viewer in viewers:
            viewer.read()
        assert json.dumps(viewers[0].seen) == json.dumps(viewers[1].seen)
        assert len(viewers[0].seen) == 100


class Everything:
    """Traces every comment."""

    def __init__(self) -> None:
        self.hops: list[str] = []

    def wants(self, comment_id: str) -> bool:
        del comment_id
        return True

    def hop(self, name: str, comment_id: str, *_: object, root: bool) -> None:
        del name, root
        self.hops.append(comment_id)


async def test_traces_wait_no_longer_than_their_stream() -> None:
    """Of a stream that is begun anew nothing is kept: those that are kept are few."""
    with house() as on:
        on.hub._spans = spans = Everything()  # type: ignore[assignment]
        await on.come()
        place = on.feed.place_of(STREAM)
        on.hub.segment(place, comments(1, 1), 1_000)
        assert len(spans.hops) == 1
        on.hub.segment(place, comments(2, 2), 1_010)
        assert on.hub._traced
        on.hub.lost(place)
        assert on.hub._traced == {}
