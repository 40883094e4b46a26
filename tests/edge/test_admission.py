"""What somebody who comes is told: the resume rules of the design, case by case."""

import json
from typing import Any

import pytest

from edge.admission import REPLY_BYTES_MAX, admit, history
from edge.audience import Subscriber
from edge.protocol.commands import Position
from edge.protocol.json_codec import JsonCodec
from edge.protocol.protobuf_codec import ProtobufCodec
from edge.ring import Held, Ring
from edge.shelf import PART_EVENTS
from edge.stats import Stats
from edge.stream import Stream
from tests.edge.fakes import EPOCH, STREAM, command, comment, comments, segment
from tests.edge.reference import CODEC, Viewer

FIRST = 50


def made(*segments: dict[str, Any], events_max: int = 5_000) -> Stream:
    """Return a stream that has sent ``segments``."""
    ring = Ring(events_max=events_max, events_min=0, seconds=60)
    stream = Stream(STREAM, EPOCH, ring, Stats())
    for each in segments:
        stream.take(each, 0.0)
    stream.deliver()
    ring.trim(0.0, stream.sent)
    return stream


def told(
    stream: Stream, since: Position | None, user: str = "bo"
) -> tuple[dict[str, Any], list[Any], Viewer]:
    """Return the reply, the documents behind it (publications and pushes), and who was told."""
    viewer = Viewer(user, STREAM)
    admission = admit(stream, viewer.come(), since, FIRST)
    reply = json.loads(CODEC.reply(1, admission.result))["subscribe"]
    documents = [publication["data"] for publication in reply["publications"]]
    documents += [json.loads(push)["push"]["pub"]["data"] for push in admission.pushes]
    return reply, documents, viewer


def seqs(documents: list[Any]) -> list[int]:
    return [event["seq"] for document in documents for event in document["events"]]


def test_recovered_answers_with_the_offset_asked_for() -> None:
    """Everything missed as publications that join up from the position to where all others are."""
    stream = made(comments(1, 300))
    reply, documents, _ = told(stream, Position(EPOCH, 100))
    assert (reply["recovered"], reply["was_recovering"]) == (True, True)
    assert (reply["epoch"], reply["offset"]) == (EPOCH, 100)
    assert seqs(documents) == list(range(101, 301))
    ends = [100, *(document["to"] for document in documents)]
    assert [document["from"] for document in documents] == ends[:-1]
    assert reply["publications"][-1]["offset"] == ends[-1] == 300
    assert all("hole" not in document for document in documents)


def test_nothing_missed_is_recovered_without_publications() -> None:
    """A viewer at the stream's end gets an empty, recovered reply."""
    reply, documents, _ = told(made(comments(1, 9)), Position(EPOCH, 9))
    assert (reply["recovered"], reply["offset"], documents) == (True, 9, [])


def test_older_than_what_is_kept_is_an_announced_hole_and_the_rest() -> None:
    """Unrecovered: the true position, the hole from the viewer's position on, and what there is behind it."""
    stream = made(comments(1, 20), comments(21, 40), events_max=20)
    reply, documents, _ = told(stream, Position(EPOCH, 5))
    assert (reply["recovered"], reply["was_recovering"]) == (False, True)
    assert (reply["epoch"], reply["offset"]) == (EPOCH, 40)
    assert documents[0]["hole"] == {"from": 5, "to": 20, "reason": "window"}
    assert (documents[0]["from"], documents[0]["to"], documents[0]["events"]) == (5, 20, [])
    assert seqs(documents) == list(range(21, 41))


@pytest.mark.parametrize(
    ("since", "hole"),
    [
        (Position(EPOCH, 21), {"from": 20, "to": 21, "reason": "ahead"}),
        (Position(EPOCH, 10**9), {"from": 20, "to": 10**9, "reason": "ahead"}),
        (Position(EPOCH, -1), {"from": 0, "to": 0, "reason": "epoch"}),
        (Position(EPOCH, 2**63), {"from": 0, "to": 0, "reason": "epoch"}),
        (Position("other-0", 20), {"from": 0, "to": 0, "reason": "epoch"}),
        (Position("", 0), {"from": 0, "to": 0, "reason": "epoch"}),
    ],
)
def test_positions_that_cannot_be_are_told_the_true_one(since: Position, hole: dict[str, Any]) -> None:
    """Ahead of the log, negative, beyond all numbers, of a foreign epoch: unrecovered, and why."""
    reply, documents, _ = told(made(comments(1, 20)), since)
    assert (reply["recovered"], reply["epoch"], reply["offset"]) == (False, EPOCH, 20)
    assert documents[0]["hole"] == hole
    assert documents[-1]["to"] == 20


def test_a_foreign_epoch_gets_no_more_than_a_newcomer() -> None:
    """A client that claims nonsense cannot make the edge send all it has, again and again."""
    _, documents, _ = told(made(comments(1, 2_000)), Position("other-0", 7))
    assert seqs(documents) == list(range(1_951, 2_001))
    assert documents[0]["hole"] == {"from": 0, "to": 1_950, "reason": "epoch"}


def test_where_nothing_is_known_a_viewer_keeps_its_place() -> None:
    """Unrecovered, at the position claimed, with an empty hole that says that there may be more."""
    stream = made()
    reply, documents, viewer = told(stream, Position(EPOCH, 30))
    assert (reply["recovered"], reply["offset"]) == (False, 30)
    assert documents[0]["hole"] == {"from": 30, "to": 30, "reason": "unknown"}
    viewer.epoch, viewer.offset, viewer.started, viewer.position = EPOCH, 30, 30, 30
    stream.take(comments(41, 42), 1.0)
    stream.deliver()
    viewer.read()
    assert [event["seq"] for event in viewer.seen] == [41, 42]
    assert viewer.holes == [(0, 40, "unknown")]


def test_a_claim_about_an_unknown_stream_moves_nobody_else() -> None:
    """A position that nobody can check does not become the position that others are given."""
    stream = made()
    told(stream, Position(EPOCH, 10**12))
    reply, _, viewer = told(stream, None, "cy")
    assert reply["offset"] == 0
    stream.take(comments(1, 3), 1.0)
    stream.deliver()
    viewer.epoch = EPOCH
    viewer.read()
    assert [event["seq"] for event in viewer.seen] == [1, 2, 3]


def test_a_new_stream_is_recovered_at_its_beginning() -> None:
    """Redis knows no such stream: whoever was there from the beginning has missed nothing."""
    stream = made()
    stream.new = True
    reply, documents, _ = told(stream, Position(EPOCH, 0))
    assert (reply["recovered"], reply["offset"], documents) == (True, 0, [])
    assert told(stream, Position(EPOCH, 1))[0]["recovered"] is False
    stream.take(comments(1, 3), 1.0)
    assert stream.judge(Position(EPOCH, 0)) == Held(0)


def test_a_cold_stream_is_recovered_by_its_head_alone() -> None:
    """The window is empty, but its head says where the stream stands: exactly that is recovered."""
    stream = made()
    stream.seed(EPOCH, [], 77, 0.0)
    assert told(stream, Position(EPOCH, 77))[0]["recovered"] is True
    reply, documents, _ = told(stream, Position(EPOCH, 60))
    assert (reply["recovered"], reply["offset"]) == (False, 77)
    assert documents[0]["hole"] == {"from": 60, "to": 77, "reason": "window"}


def test_a_first_subscribe_ends_at_the_replys_offset() -> None:
    """The last 50, in one publication whose offset is the reply's."""
    reply, documents, viewer = told(made(comments(1, 80)), None)
    assert "was_recovering" not in reply
    assert reply["offset"] == 80
    assert seqs(documents) == list(range(31, 81))
    assert (documents[0]["from"], documents[0]["to"]) == (30, 80)
    assert viewer.subscriber is not None
    assert viewer.subscriber.behind is None


def test_a_waiting_window_is_not_told_twice() -> None:
    """Who joins within a window gets the past up to what was sent, and the window like everybody."""
    stream = made(comments(1, 3))
    stream.take(comments(4, 5), 1.0)
    reply, documents, viewer = told(stream, None)
    assert (reply["offset"], seqs(documents)) == (3, [1, 2, 3])
    stream.deliver()
    viewer.epoch, viewer.position = EPOCH, 3
    viewer.read()
    assert [event["seq"] for event in viewer.seen] == [4, 5]


def test_a_viewer_from_an_edge_that_sent_more_ends_the_window() -> None:
    """A position within a window that waits here: the window leaves for all, and nobody gets it twice."""
    stream = made(comments(1, 3))
    _, _, other = told(stream, None, "cy")
    stream.take(comments(4, 6), 1.0)
    reply, documents, _ = told(stream, Position(EPOCH, 5))
    assert (reply["recovered"], reply["offset"], seqs(documents)) == (True, 5, [6])
    other.epoch, other.position = EPOCH, 3
    other.read()
    assert [event["seq"] for event in other.seen] == [4, 5, 6]


def test_catch_ups_are_encoded_once_and_shared() -> None:
    """Two viewers that missed the same get the same bytes; one that missed more shares all but its first."""
    stream = made(comments(1, 1_000))
    replies = []
    for offset in (500, 500, 480):
        subscriber = Viewer("bo", STREAM).come()
        replies.append(admit(stream, subscriber, Position(EPOCH, offset), FIRST).result.publications)
    assert all(a is b for a, b in zip(replies[0], replies[1], strict=True))
    assert {id(each) for each in replies[2][1:]} <= {id(each) for each in replies[0]}


def test_a_long_catch_up_is_paced_by_the_socket() -> None:
    """A reply is small; the rest comes in parts, each when the socket takes it, and then live goes on."""
    stream = made(*(segment([comment(seq, text="x" * 400)]) for seq in range(1, 2_001)))
    _, documents, viewer = told(stream, Position(EPOCH, 0))
    subscriber = viewer.subscriber
    assert subscriber is not None
    size = len(json.dumps(documents))
    assert size < REPLY_BYTES_MAX + PART_EVENTS * 700
    assert subscriber.behind == documents[-1]["to"] < 2_000
    stream.take(comments(2_001, 2_003), 1.0)
    stream.deliver()
    assert not viewer.inbox
    parts = 0
    while (frame := stream.resume(subscriber)) is not None:
        viewer.write(frame)
        parts += 1
        assert len(frame) < PART_EVENTS * 700
    assert parts > 10
    viewer.epoch, viewer.position, viewer.started = EPOCH, documents[-1]["to"], 0
    viewer.read()
    assert [event["seq"] for event in viewer.seen] == list(range(documents[-1]["to"] + 1, 2_004))
    assert subscriber.behind is None


def test_a_stale_stream_says_so_and_shows_nothing_old() -> None:
    """What was deleted meanwhile is not known; who is up to date is told, who is new sees nothing."""
    stream = made(comments(1, 9))
    stream.announce(stale=True)
    for since in (None, Position(EPOCH, 9)):
        reply, documents, _ = told(stream, since)
        assert reply["offset"] == 9
        assert [(d["from"], d["to"], d["events"], d["stale"]) for d in documents] == [(9, 9, [], True)]


def test_a_slow_viewer_waits_for_a_stale_stream() -> None:
    """Its catch-up stops while the feed is behind, and goes on by itself afterwards."""
    stream = made(comments(1, 9))
    _, _, viewer = told(stream, None)
    subscriber = viewer.subscriber
    assert subscriber is not None
    stream.block(subscriber)
    stream.take(comments(10, 12), 1.0)
    stream.deliver()
    stream.announce(stale=True)
    assert stream.resume(subscriber) is None
    stream.announce(stale=False)
    assert viewer.wants_to_go_on
    assert stream.resume(subscriber) is not None


def test_a_slow_viewer_of_a_sampled_stream_skips_all_but_what_all_see() -> None:
    """Lane frames go first; deletes and what moderators say still reach it; the skip is announced."""
    stream = made(comments(1, 3, sampled=True))
    _, _, viewer = told(stream, None)
    subscriber = viewer.subscriber
    assert subscriber is not None
    stream.block(subscriber)
    lane = 1 << viewer.lane
    events = [comment(4, mask=lane), command(5, "delete", comment(2)["id"]), comment(6, mask=lane)]
    stream.take(segment(events, sampled=True), 1.0)
    stream.deliver()
    viewer.inbox.clear()
    frame = stream.resume(subscriber)
    assert frame is not None
    viewer.write(frame)
    [document] = [message["push"]["pub"]["data"] for message in viewer.inbox]
    assert seqs([document]) == [5]
    assert document["hole"] == {"from": 3, "to": 6, "reason": "slow"}
    assert subscriber.behind is None


def test_who_comes_back_to_a_sampled_stream_gets_its_lane_exactly() -> None:
    """A long catch-up is no slowness: nothing of the viewer's lane is skipped."""
    viewer = Viewer("bo", STREAM)
    lane = 1 << viewer.lane
    events = [comment(seq, text="x" * 400, mask=lane if seq % 2 else 0) for seq in range(1, 2_001)]
    stream = made(segment(events, sampled=True))
    viewer.started = 0
    admission = admit(stream, viewer.come(), Position(EPOCH, 0), FIRST)
    viewer.epoch = EPOCH
    viewer.write(CODEC.frame(CODEC.reply(1, admission.result)))
    while viewer.subscriber is not None and (frame := stream.resume(viewer.subscriber)):
        viewer.write(frame)
    viewer.read()
    assert [event["seq"] for event in viewer.seen] == list(range(1, 2_001, 2))
    assert viewer.holes == []


def test_the_author_of_a_masked_comment_gets_their_own_catch_up() -> None:
    """A shadow-banned author sees their comment in every catch-up, and it is in nobody else's."""
    stream = made(segment([comment(1), comment(2, user="eve", mask=0), comment(3)]))
    assert seqs(told(stream, Position(EPOCH, 0), "eve")[1]) == [1, 2, 3]
    assert seqs(told(stream, Position(EPOCH, 0), "bo")[1]) == [1, 3]
    assert seqs(told(stream, None, "eve")[1]) == [1, 2, 3]
    assert seqs(told(stream, None, "bo")[1]) == [1, 3]


def test_deleted_comments_leave_parts_that_were_encoded_before() -> None:
    """What is deleted is in no catch-up from then on, shared or not."""
    stream = made(comments(1, 10))
    assert seqs(told(stream, Position(EPOCH, 0))[1]) == list(range(1, 11))
    stream.take(segment([command(11, "delete", comment(4)["id"])]), 1.0)
    assert seqs(told(stream, Position(EPOCH, 0))[1]) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert seqs(told(stream, None)[1]) == [1, 2, 3, 5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("codec", [JsonCodec(), ProtobufCodec()], ids=["json", "protobuf"])
@pytest.mark.parametrize(
    ("since", "limit", "expected"),
    [
        (None, 0, []),
        (None, 3, [8, 9, 10]),
        (None, 500, list(range(1, 11))),
        (4, 3, [5, 6, 7]),
        (4, 500, [5, 6, 7, 8, 9, 10]),
        (10, 5, []),
    ],
)
def test_history_gives_the_last_or_what_follows(
    codec: Any, since: int | None, limit: int, expected: list[int]
) -> None:
    """Without a position the last ``limit``, with one the next ``limit``."""
    stream = made(comments(1, 10))
    subscriber = Subscriber(Viewer("bo", STREAM), codec, "bo", 0)
    position = None if since is None else Position(EPOCH, since)
    found = history(stream, subscriber, position, limit)
    assert found is not None
    if codec.name == "json":
        assert seqs([json.loads(each)["data"] for each in found]) == expected


def test_history_behind_what_is_held_is_unrecoverable() -> None:
    """A position that the ring no longer covers, or of another epoch, has no history here."""
    stream = made(comments(1, 20), comments(21, 40), events_max=20)
    subscriber = Viewer("bo", STREAM).come()
    assert history(stream, subscriber, Position(EPOCH, 5), 10) is None
    assert history(stream, subscriber, Position("other-0", 30), 10) is None
