"""Replays at an edge, as an app has them through the official SDK; the archive is a real one."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from centrifuge import ReplyError

from edge.api.fresh import Taken
from edge.protocol.codes import Error
from edge.replay import player, reel, service
from edge.replay.booth import REPLAYS_PER_CONNECTION_MAX
from schemas.archive import ArchiveError
from tests.api.records import AT, comments, event, id_of, segment
from tests.edge.fakes import stage, until
from tests.edge.replay.fakes import CHANNEL, cinema, replay
from tests.edge.test_sdk import ENCODINGS, Seen, client_of


@ENCODINGS
async def test_comments_come_in_step_with_the_video(tmp_path: Path, protobuf: bool) -> None:
    """Each when the video is there, none before; ranges join up; the reply says how long it is."""
    async with cinema(tmp_path) as (on, shelf), client_of(on, protobuf=protobuf, role=None) as (client, _):
        await shelf.store(comments(1, 30))
        viewer = await replay(client, protobuf=protobuf, speed=16)
        assert (viewer.reply["starts_at"], viewer.reply["duration_ms"]) == (AT + 1000, 29_000)
        assert viewer.seen.subscribed[0].stream_position.epoch == "test-0"
        await viewer.shows(*range(1, 31))
        told = viewer.seen.publications
        assert len(told) > 5
        assert viewer.seen.gaps == []
        for data in told:
            assert all(each["at"] - AT - 1000 <= data["position_ms"] for each in data["events"])
        assert told[0]["events"][0]["text"] == "comment 1"


@ENCODINGS
async def test_a_jump_shows_what_was_said_just_before(tmp_path: Path, protobuf: bool) -> None:
    """Forth and back, paused: some comments before the position, marked as a jump; then it stands still."""
    async with cinema(tmp_path) as (on, shelf), client_of(on, protobuf=protobuf) as (client, _):
        await shelf.store(comments(1, 400), comments(401, 700))
        viewer = await replay(client, protobuf=protobuf, paused=True)
        await viewer.shows(1)
        answer = await viewer.ask(position_ms=599_500)
        assert (answer["position_ms"], answer["paused"]) == (599_500, True)
        await viewer.shows(*range(551, 601))
        await viewer.ask(position_ms=9_000)
        await viewer.shows(*range(1, 11))
        await viewer.ask(paused=False, speed=16)
        await until(lambda: viewer.seqs[:12] == list(range(1, 13)))
        assert (await viewer.ask(paused=True))["speed"] == 16


async def test_a_drift_is_no_jump(tmp_path: Path) -> None:
    """An app says again and again where its video is; nothing is shown twice for it, and nothing is lost."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 20))
        viewer = await replay(client, paused=True)
        for position in (1_500, 3_000, 2_000, 4_000, 3_500, 5_100):
            await viewer.ask(position_ms=position)
        await viewer.shows(1, 2, 3, 4, 5, 6)
        assert sum("seek" in data for data in viewer.seen.publications) == 1


async def test_what_was_deleted_is_not_played(tmp_path: Path) -> None:
    """By a delete or a clear, whenever it came; and what only its author sees, neither."""
    deletes = [event(6, "delete", id_of(2)), event(7, "clear", "bo")]
    said = [event(1), event(2), event(3, user_id="bo"), event(4, mask=0), event(5), *deletes, event(8)]
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment(said))
        viewer = await replay(client, position_ms=60_000, paused=True)
        await viewer.shows(1, 5, 8)
        assert viewer.seen.publications[0]["omitted"] == 5


async def test_what_is_deleted_meanwhile_leaves_the_screen_and_is_played_no_more(tmp_path: Path) -> None:
    """It is told to go; what was read ahead of it is not shown, nor after a jump."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment([event(1), event(2), event(3, user_id="bo"), event(4)]))
        viewer = await replay(client, paused=True)
        await viewer.shows(1)
        shelf.takings.taken = Taken(frozenset({id_of(1), id_of(2)}), {"bo": AT + 3_500})
        await until(lambda: "gone" in viewer.seen.publications[-1])
        gone = viewer.seen.publications[-1]["gone"]
        assert gone == {"ids": [id_of(1), id_of(2)], "users": {"bo": AT + 3_500}}
        await viewer.ask(position_ms=9_000)
        await viewer.shows(4)


async def test_pins_and_the_end_are_played(tmp_path: Path) -> None:
    """What moderation showed then; not what it forbade."""
    said = [event(1), event(2, "pin", id_of(1)), event(3, "ban", "eve"), event(4, "unpin"), event(5, "end")]
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment(said))
        viewer = await replay(client, position_ms=9_000, paused=True)
        await viewer.shows(1, 2, 4, 5)
        kinds = [each["type"] for each in viewer.seen.publications[0]["events"]]
        assert kinds == ["comment", "pin", "unpin", "end"]


async def test_a_jump_tells_what_was_pinned_there(tmp_path: Path) -> None:
    """Also when it was said long before; not when it was unpinned, deleted, or not pinned yet."""
    said = [event(seq) for seq in range(1, 501)]
    said[9] = event(10, "pin", id_of(5))
    said[399] = event(400, "unpin")
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment(said))
        viewer = await replay(client, paused=True, position_ms=300_000)
        await until(lambda: bool(viewer.seen.publications))
        assert viewer.seen.publications[0]["pinned"]["text"] == "comment 5"
        told = []
        for position in (450_000, 2_000, 200_000):
            await viewer.ask(position_ms=position)
            seen = len(viewer.seen.publications)
            await until(lambda seen=seen: len(viewer.seen.publications) > seen)
            told.append(viewer.seen.publications[-1]["pinned"])
        assert (told[0], told[1], told[2]["id"]) == (None, None, id_of(5))
        shelf.takings.taken = Taken(frozenset({id_of(5)}))
        await until(lambda: "gone" in viewer.seen.publications[-1])
        await viewer.ask(position_ms=350_000)
        await until(lambda: viewer.seen.publications[-1].get("seek"))
        assert viewer.seen.publications[-1]["pinned"] is None


async def test_a_burst_is_thinned(tmp_path: Path) -> None:
    """More than can be read is omitted, and counted; the creator is always shown."""
    burst = [event(seq, at=AT + 1_000 + seq) for seq in range(2, 201)]
    burst[76]["role"] = "creator"
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment([event(1, at=AT), *burst]))
        viewer = await replay(client, paused=True)
        await viewer.shows(1)
        await viewer.ask(position_ms=1_500)
        await until(lambda: viewer.seen.publications[-1]["to"] == 200)
        assert 78 in viewer.seqs
        assert player.BURST - 2 <= len(viewer.seqs) <= player.BURST + 2
        assert sum(data["omitted"] for data in viewer.seen.publications) == 200 - len(viewer.seqs)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"position_ms": -5}, Error.BAD_REQUEST), ({"speed": 0}, Error.BAD_REQUEST),
        ({"speed": "fast"}, Error.BAD_REQUEST), ({"where": 5}, Error.BAD_REQUEST),
        ({"epoch": "never-0"}, Error.UNKNOWN_CHANNEL),
    ],
)  # fmt: skip
async def test_what_cannot_be_played_is_refused_for_good(tmp_path: Path, asked: Any, code: Error) -> None:
    """A bad position, speed, name or epoch: an error that an SDK does not try again."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 3))
        viewer = await replay(client, **asked)
        await until(lambda: bool(viewer.seen.unsubscribed))
        assert viewer.seen.unsubscribed[0].code == code


async def test_calls_that_are_wrong_are_errors(tmp_path: Path) -> None:
    """Of no replay, or beyond what may be; the replay goes on."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 3))
        viewer = await replay(client, paused=True)
        for asked in ({"channel": "replay:other"}, {"speed": 99}, {"position_ms": []}, {"channel": None}):
            with pytest.raises(ReplyError) as caught:
                await viewer.ask(**asked)
            assert caught.value.code == Error.BAD_REQUEST
        assert (await viewer.ask())["paused"]


async def test_a_stream_that_nobody_archived(tmp_path: Path) -> None:
    """It is not there, and will not be by trying again."""
    async with cinema(tmp_path) as (on, _), client_of(on, role="platform") as (client, _):
        viewer = await replay(client, stream="never")
        await until(lambda: bool(viewer.seen.unsubscribed))
        assert viewer.seen.unsubscribed[0].code == Error.UNKNOWN_CHANNEL


async def test_an_archive_that_cannot_be_used(tmp_path: Path) -> None:
    """The operator's fault: an error for good."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        shelf.fault = ArchiveError("a schema from the future")
        viewer = await replay(client)
        await until(lambda: bool(viewer.seen.unsubscribed))
        assert viewer.seen.unsubscribed[0].code == Error.NOT_AVAILABLE


async def test_a_fault_that_nobody_foresaw(tmp_path: Path) -> None:
    """It ends no connection, is an error that may pass, and when it has, the replay begins."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, seen):
        await shelf.store(comments(1, 1))
        shelf.fault = OSError("?")
        viewer = await replay(client)
        assert viewer.seen.errors[0].error.code == Error.INTERNAL
        shelf.fault = None
        await viewer.shows(1)
        assert seen.disconnected == []


async def test_an_edge_that_is_full_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a temporary error; with room, it plays."""
    monkeypatch.setattr(service, "REPLAYS_MAX", 0)
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 1))
        viewer = await replay(client)
        assert viewer.seen.errors[0].error.code == Error.TOO_MANY_REQUESTS
        monkeypatch.setattr(service, "REPLAYS_MAX", 1)
        await viewer.shows(1)


async def test_an_archive_that_is_away_is_tried_again(tmp_path: Path) -> None:
    """The subscribe is a temporary error, which the SDK repeats; and then it plays."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 3))
        shelf.away = True
        viewer = await replay(client, position_ms=60_000)
        assert viewer.seen.errors[0].error.code == Error.INTERNAL
        shelf.away = False
        await viewer.shows(1, 2, 3)


async def test_nothing_is_played_while_nobody_knows_what_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is away: it says so, plays nothing, and goes on where the video is when it is back."""
    monkeypatch.setattr(reel, "STALE_SECONDS", 0.3)
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 3))
        viewer = await replay(client, paused=True)
        await viewer.shows(1)
        shelf.takings.away = True
        await until(lambda: next(iter(on.server._replays._shown.values())).reel.stale)  # type: ignore[union-attr]
        await viewer.ask(position_ms=1_500)
        await until(lambda: viewer.seen.publications[-1].get("stale"))
        assert viewer.seqs == [1]
        shelf.takings.away = False
        await viewer.shows(1, 2)
        assert "stale" not in viewer.seen.publications[-1]


async def test_who_comes_back_goes_on_where_they_were(tmp_path: Path) -> None:
    """The SDK resumes by its offset: nothing is lost, nothing comes twice, and the video is where it was."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 30))
        viewer = await replay(client, speed=16)
        await until(lambda: len(viewer.seqs) > 5)
        for connection in list(on.server.connections):
            connection.abort()
        await until(lambda: len(viewer.seen.subscribed) == 2)
        again = viewer.seen.subscribed[1]
        assert (again.was_recovering, again.recovered) == (True, True)
        assert viewer.reply["position_ms"] >= (again.stream_position.offset - 1) * 1000
        await viewer.shows(*range(1, 31))


async def test_reading_that_cannot_keep_up_skips_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is too late is announced as a hole, and the ranges still join up."""
    monkeypatch.setattr(player, "LATE_MS", 0)
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(segment([event(seq, at=AT + seq * 10) for seq in range(1, 3_001)]))
        viewer = await replay(client, paused=True)
        await viewer.shows(1)
        await viewer.ask(speed=16)
        await viewer.ask(position_ms=25_000)
        await until(lambda: "hole" in viewer.seen.publications[-1])
        hole = viewer.seen.publications[-1]["hole"]
        assert (hole["from"], hole["reason"]) == (1, "late")
        assert viewer.seqs == [1, *range(hole["to"] + 1, 2_502)]
        assert viewer.seen.gaps == []


@ENCODINGS
async def test_its_comments_are_counted_over_its_time(tmp_path: Path, protobuf: bool) -> None:
    """For a time-line; of a replay that one has, into as many parts as may be."""
    async with cinema(tmp_path) as (on, shelf), client_of(on, protobuf=protobuf) as (client, _):
        await shelf.store(comments(1, 100))
        viewer = await replay(client, protobuf=protobuf, paused=True)
        found = await viewer.call("replay.histogram", buckets=10)
        assert (found["starts_at"], found["bucket_ms"], found["exact"]) == (AT + 1000, 9_901, True)
        assert found["counts"] == [10] * 10
        assert len((await viewer.call("replay.histogram"))["counts"]) == 100
        for asked in ({"channel": "replay:other"}, {"buckets": 0}, {"buckets": 201}, {"bars": 5}):
            with pytest.raises(ReplyError) as caught:
                await viewer.call("replay.histogram", **asked)
            assert caught.value.code == Error.BAD_REQUEST
        shelf.away = True
        with pytest.raises(ReplyError) as caught:
            await viewer.call("replay.histogram", buckets=7)
        assert (caught.value.code, caught.value.temporary) == (Error.INTERNAL, True)


async def test_there_is_a_limit_a_connection(tmp_path: Path) -> None:
    """One more is refused; when one is ended, there is room again."""
    async with cinema(tmp_path) as (on, shelf), client_of(on, role="platform") as (client, _):
        names = [f"s{number}" for number in range(REPLAYS_PER_CONNECTION_MAX + 1)]
        for name in names:
            await shelf.store(comments(1, 1, stream_id=name))
        first, *_ = [await replay(client, stream=name) for name in names[:-1]]
        more = await replay(client, stream=names[-1])
        await until(lambda: bool(more.seen.unsubscribed))
        assert more.seen.unsubscribed[0].code == Error.LIMIT_EXCEEDED
        await first.subscription.unsubscribe()
        await more.subscription.subscribe()
        await more.shows(1)


async def test_who_gives_up_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts no more, and the channel can be subscribed to again."""
    async with cinema(tmp_path) as (on, shelf), client_of(on) as (client, _):
        await shelf.store(comments(1, 1))
        go, asked, epochs = asyncio.Event(), asyncio.Event(), shelf.archive.epochs

        async def slow(stream_id: str) -> Any:
            asked.set()
            await go.wait()
            return await epochs(stream_id)

        monkeypatch.setattr(shelf.archive, "epochs", slow)
        seen = Seen()
        subscription = client.new_subscription(CHANNEL, events=seen)
        await subscription.subscribe()
        await asked.wait()
        await subscription.unsubscribe()
        go.set()
        await until(lambda: on.server._replays.count == 0)  # type: ignore[union-attr]
        await subscription.subscribe()
        await until(lambda: bool(seen.publications))
        assert on.server._replays.count == 1  # type: ignore[union-attr]


async def test_all_who_replay_a_stream_share_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many viewers, one read a chunk; when they are gone nothing is asked any more."""
    async with cinema(tmp_path) as (on, shelf):
        await shelf.store(comments(1, 256))
        reads, read = 0, shelf.archive.read

        async def counted(*arguments: Any, **more: Any) -> Any:
            nonlocal reads
            reads += more["limit"] == reel.CHUNK_SEQS
            return await read(*arguments, **more)

        monkeypatch.setattr(shelf.archive, "read", counted)
        async with client_of(on, user="a") as (a, _), client_of(on, user="b") as (b, _):
            viewers = [await replay(each, position_ms=9_000, paused=True) for each in (a, b)]
            for viewer in viewers:
                await viewer.shows(*range(1, 11))
        assert reads == 1
        await until(lambda: on.server._replays.count == 0)  # type: ignore[union-attr]


async def test_an_edge_without_replays_says_so() -> None:
    """It is an error for good."""
    async with stage() as on, client_of(on) as (client, _):
        viewer = await replay(client)
        await until(lambda: bool(viewer.seen.unsubscribed))
        assert viewer.seen.unsubscribed[0].code == Error.NOT_AVAILABLE
        assert viewer.subscription.channel == CHANNEL
