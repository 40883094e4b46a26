"""Sampled streams and the streams' state on an edge: late frames, counts, reactions, taps."""

import json
from typing import Any

import websockets

from edge.auth import Authenticator
from edge.presence import Presence
from schemas.refusals import Code
from tests.edge.fakes import STREAM, comment, comments, segment, stage
from tests.edge.test_hub import house

LANE = 7
OTHERS = ~(1 << LANE)
BROKER = 1_795_000_000_000


def state(seq: int = 0, **more: Any) -> dict[str, Any]:
    """Return a record of the stream's state alone."""
    return segment([], from_seq=seq, to_seq=seq) | more


def told(viewer: Any) -> list[dict[str, Any]]:
    return [message["push"]["pub"]["data"] for message in viewer.inbox if "push" in message]


def shows(document: dict[str, Any]) -> list[int]:
    return [event["seq"] for event in document["events"]]


async def test_a_record_of_the_streams_state_is_told_at_once() -> None:
    """Viewers, sampling, reactions; no range, and the position stays."""
    with house() as on:
        viewer = await on.come()
        on.feed.push(comments(1, 3))
        viewer.inbox.clear()
        on.feed.push(state(3, viewers=81_234, sampled=True, reactions={"❤": 5}))
        (document,) = told(viewer)
        assert document == {
            "from": 3,
            "to": 3,
            "events": [],
            "omitted": 0,
            "viewers": 81_234,
            "sampled": True,
            "reactions": {"❤": 5},
        }
        assert viewer.inbox[0]["push"]["pub"]["offset"] == 3
        assert on.stream().sent == 3


async def test_every_state_is_told_as_it_is() -> None:
    """At the same position too: a frame that was made of the last one is not sent again."""
    with house() as on:
        viewer = await on.come()
        on.feed.push(comments(1, 3))
        viewer.inbox.clear()
        for count in (3, 4, 4):
            on.feed.push(state(3, viewers=count, reactions={"❤": count}))
        assert [(row["viewers"], row["reactions"]["❤"]) for row in told(viewer)] == [(3, 3), (4, 4), (4, 4)]


async def test_it_is_told_of_a_stream_that_nobody_has_written_to() -> None:
    """The first thing that ever comes may be that it has many viewers."""
    with house() as on:
        viewer = await on.come()
        viewer.inbox.clear()
        on.feed.push(state(viewers=1_500, sampled=True))
        assert [(row["from"], row["to"], row["viewers"]) for row in told(viewer)] == [(0, 0, 1_500)]
        on.feed.push(comments(1, 1))
        assert shows(told(viewer)[-1]) == [1]


async def test_a_state_that_was_read_again_or_is_of_another_epoch_says_nothing() -> None:
    """An old range that comes again is no state, nor is what another epoch had."""
    with house() as on:
        viewer = await on.come()
        on.feed.push(comments(1, 3))
        viewer.inbox.clear()
        on.feed.push(comments(1, 3))
        on.feed.push(state(0, epoch="test-9") | {"viewers": 5})
        assert not viewer.inbox


async def test_what_waits_for_its_window_goes_before_the_state() -> None:
    """Nobody's position is ahead of what they were shown; one frame tells both."""
    with house() as on:
        viewer = await on.come()
        for seq in range(1, 4):
            on.feed.push(comments(seq, seq))
        on.feed.push(state(3, viewers=9))
        assert [(row["from"], row["to"]) for row in told(viewer)[-2:]] == [(0, 1), (1, 3)]
        assert told(viewer)[-1]["viewers"] == 9


async def test_reactions_are_told_when_they_change_and_to_those_who_come() -> None:
    """Not with every comment."""
    with house() as on:
        viewer = await on.come()
        on.feed.push(comments(1, 1) | {"reactions": {"🔥": 1}})
        on.clock.advance(1)
        on.feed.push(comments(2, 2))
        assert [row.get("reactions") for row in told(viewer)[-2:]] == [{"🔥": 1}, None]
        late = await on.come(user="later")
        assert [row.get("reactions") for row in told(late) if not row["events"]] == [{"🔥": 1}]


async def test_viewers_are_never_fewer_than_are_here() -> None:
    """The count over all edges may be a little old, or not known."""
    with house() as on:
        viewers = [await on.come(user=f"u{n}") for n in range(3)]
        on.feed.push(comments(1, 1))
        on.clock.advance(1)
        on.feed.push(comments(2, 2) | {"viewers": 2})
        on.clock.advance(1)
        on.feed.push(comments(3, 3) | {"viewers": 90})
        assert [row["viewers"] for row in told(viewers[0])[-3:]] == [3, 3, 90]


async def test_a_late_frame_of_a_sampled_stream_skips_the_lanes_and_says_so() -> None:
    """What is for all lanes comes late rather than never; for single lanes a hole is announced."""
    with house() as on:
        viewer = await on.come()
        events = [comment(1, mask=-1), comment(2, mask=OTHERS), comment(3, mask=1 << LANE), comment(4)]
        on.hub.segment(on.feed.place_of(STREAM), segment(events[:1], sampled=True), BROKER)
        viewer.inbox.clear()
        on.hub.segment(on.feed.place_of(STREAM), segment(events[1:], sampled=True), BROKER - 401)
        (document,) = told(viewer)
        assert shows(document) == [4]
        assert document["hole"] == {"from": 1, "to": 4, "reason": "late"}
        assert on.stats.late_skips == 1
        viewer.inbox.clear()
        on.hub.segment(on.feed.place_of(STREAM), segment([comment(5, mask=-1)], sampled=True), BROKER - 401)
        assert "hole" not in told(viewer)[0], "nothing was skipped"


async def test_a_frame_within_the_bound_or_of_a_stream_that_shows_all_is_never_skipped() -> None:
    """A slow edge shows an ordinary stream late, and whole."""
    with house() as on:
        viewer = await on.come()
        on.hub.segment(on.feed.place_of(STREAM), segment([comment(1)], sampled=True), BROKER)
        on.hub.segment(on.feed.place_of(STREAM), segment([comment(2, mask=-2)], sampled=True), BROKER - 399)
        on.hub.segment(on.feed.place_of(STREAM), segment([comment(3, mask=-2)]), BROKER - 5_000)
        on.clock.advance(1)
        assert all("hole" not in row for row in told(viewer))
        assert on.stats.late_skips == 0


async def test_what_was_skipped_is_still_there_for_who_comes_back() -> None:
    """The ring has it with its mask: a resume at the position before gets it."""
    with house() as on:
        viewer = await on.come()
        on.hub.segment(on.feed.place_of(STREAM), segment([comment(1)], sampled=True), BROKER)
        skipped = segment([comment(2, mask=~1)], sampled=True)
        viewer.inbox.clear()
        on.hub.segment(on.feed.place_of(STREAM), skipped, BROKER - 900)
        assert not viewer.inbox
        on.clock.advance(2.2)
        (document,) = told(viewer)
        assert document["hole"] == {"from": 1, "to": 2, "reason": "late"}
        assert on.stats.late_skips == 1
        assert [event.seq for event in on.stream().ring.between(1, 2)] == [2]


async def test_deliveries_are_measured_and_audiences_reported() -> None:
    """From the broker's time to the last socket, and who is here, about once a second."""
    with house() as on:
        presence = Presence("edge-1", "0198", on.stats, lambda: BROKER / 1000)
        on.hub._presence, on.hub._wall = presence, lambda: (BROKER + 20) / 1000
        for n in range(3):
            await on.come(user=f"u{n % 2}")
        on.clock.advance(1.2)
        assert [(row["stream_id"], row["viewers"]) for row in presence.take()] == [(STREAM, 3)]
        on.hub.segment(on.feed.place_of(STREAM), comments(1, 1), BROKER)
        on.hub.segment(on.feed.place_of(STREAM), comments(2, 2), BROKER)
        on.clock.advance(11)
        (row, *_) = presence.take()
        assert row["p50_ms"] == row["p99_ms"] == 20
        assert 0 <= row["queue_ms"] < 1


async def test_taps_are_counted_limited_and_refused() -> None:
    """Over a socket: a tap is answered at once; a guest, an unknown emoji and a flood are refused."""
    async with stage() as running:
        server = running.server
        token = Authenticator(running.settings.auth).mint("ann", STREAM, "viewer", 60)
        answers = []
        async with websockets.connect(running.url) as ws, websockets.connect(running.url) as guest:
            for socket, body in ((ws, {"token": token}), (guest, {})):
                await socket.send(json.dumps({"id": 1, "connect": body}))
                await socket.recv()

            async def tap(socket: Any, emoji: str, id_: int) -> int:
                data = {"reaction": emoji}
                publish = {"channel": f"stream:{STREAM}", "data": data}
                await socket.send(json.dumps({"id": id_, "publish": publish}))
                found: int = json.loads(await socket.recv()).get("error", {}).get("code", 0)
                return found

            assert await tap(ws, "❤", 2) == 0
            assert await tap(ws, "rude", 3) == Code.INVALID
            assert await tap(guest, "❤", 2) == Code.READ_ONLY
            answers = [await tap(ws, "❤", n) for n in range(4, 56)]
        assert answers.count(0) == 49
        assert answers[-1] == Code.RATE_LIMITED
        assert running.server.taps.take(0.0)[0]["counts"] == {"❤": 50}
        assert (server.stats.taps, server.stats.taps_refused) == (50, len(answers) - 49 + 2)
        assert running.door.seqs == {}, "a tap is no comment"
