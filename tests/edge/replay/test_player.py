"""One viewer's replay without sockets: a full outbox, what is read anew, limits of the edge."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from edge.protocol.json_codec import JsonCodec
from edge.replay import player, service
from edge.replay.asked import Asked
from edge.replay.player import Player, Seat, Target
from edge.replay.playhead import Playhead
from edge.replay.reel import Reel
from edge.replay.service import FullError, NothingError, Replays
from schemas.archive.sqlite import SqliteArchive
from schemas.settings import Archive
from tests.api.records import AT, comments, event, id_of, segment
from tests.edge.fakes import STREAM, until
from tests.edge.reference import payloads
from tests.edge.replay.fakes import Shelf


class Screen:
    """A connection that keeps what is sent."""

    def __init__(self) -> None:
        self.blocked = False
        self.closed = False
        self.documents: list[dict[str, Any]] = []

    @property
    def write(self) -> Callable[[bytes], None]:
        return self._write

    def _write(self, frame: bytes) -> None:
        for payload in payloads(frame):
            self.documents.append(json.loads(payload)["push"]["pub"]["data"])

    @property
    def seqs(self) -> list[int]:
        """What was shown."""
        return [each["seq"] for data in self.documents for each in data["events"]]


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncIterator[Shelf]:
    """Return an archive."""
    archive = SqliteArchive(tmp_path / "archive.sqlite3", Archive())
    await archive.open()
    yield Shelf(archive)
    await archive.close()


@pytest.fixture
async def replays(shelf: Shelf) -> AsyncIterator[Replays]:
    """Return an edge's replays."""
    made = Replays(shelf)
    yield made
    await made.stop()


async def begun(reel: Reel, screen: Screen, **head: Any) -> Player:
    """Return a player that plays."""
    playhead = Playhead(0.0, reel.now(), **head)
    made = Player(reel, Seat(f"replay:{STREAM}", screen, JsonCodec()), reel.extent.starts_at, playhead)
    made.enter()
    await made.go_to(Target(0.0))
    made.start()
    return made


async def test_who_takes_nothing_is_sent_nothing(shelf: Shelf, replays: Replays) -> None:
    """What became due while the outbox was full comes when it takes bytes again, each once."""
    await shelf.store(comments(1, 20))
    screen, reel = Screen(), await replays.open(STREAM, None)
    made = await begun(reel, screen, paused=True)
    await until(lambda: screen.seqs == [1])
    screen.blocked = True
    for position in (1_500, 3_000, 4_500):
        made.ask(Asked(position))
        await asyncio.sleep(0)
    await until(lambda: made.told == 1 and made.state["position_ms"] == 4_500)
    assert screen.seqs == [1]
    screen.blocked = False
    made.wake()
    await until(lambda: screen.seqs == [1, 2, 3, 4, 5])
    replays.ended(made)


async def test_what_is_read_ahead_is_read_anew_after_a_while(
    shelf: Shelf, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A delete that no list of takings had room for is found at the latest then."""
    await shelf.store(comments(1, 3))
    screen, reel = Screen(), await replays.open(STREAM, None)
    made = await begun(reel, screen, paused=True)
    await until(lambda: screen.seqs == [1])
    await shelf.store(segment([event(4, "delete", id_of(2))]))
    monkeypatch.setattr(player, "CHUNK_SECONDS", 0.0)
    reel._chunks.clear()
    made.ask(Asked(2_000))
    await until(lambda: screen.seqs == [1, 3])
    replays.ended(made)


async def test_comments_that_come_after_the_end_are_played_too(shelf: Shelf, replays: Replays) -> None:
    """A stream that goes on is replayed up to where it is."""
    await shelf.store(comments(1, 2))
    screen, reel = Screen(), await replays.open(STREAM, None)
    made = await begun(reel, screen)
    made.ask(Asked(speed=16.0))
    await until(lambda: screen.seqs == [1, 2])
    await shelf.store(comments(3, 4))
    await until(lambda: screen.seqs == [1, 2, 3, 4])
    assert made.state["duration_ms"] == 3_000
    replays.ended(made)


async def test_a_video_that_began_at_another_time(shelf: Shelf, replays: Replays) -> None:
    """Position 0 is where the app says: what was said before it is there from the beginning."""
    await shelf.store(comments(1, 9))
    screen, reel = Screen(), await replays.open(STREAM, None)
    playhead = Playhead(0.0, reel.now(), paused=True)
    made = Player(reel, Seat("replay:x", screen, JsonCodec()), AT + 3_000, playhead)
    made.enter()
    await made.go_to(Target(0.0))
    made.start()
    await until(lambda: screen.seqs == [1, 2, 3])
    assert made.state["duration_ms"] == 6_000
    replays.ended(made)


async def test_an_edge_plays_so_many_at_most(
    shelf: Shelf, replays: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit it says so; what did not come about counts for nothing."""
    monkeypatch.setattr(service, "REPLAYS_MAX", 1)
    with pytest.raises(NothingError):
        await replays.open("never", None)
    await shelf.store(comments(1, 2))
    reel = await replays.open(STREAM, None)
    with pytest.raises(FullError):
        await replays.open(STREAM, None)
    replays.close(reel)
    replays.close(await replays.open(STREAM, None))
    assert replays.count == 0


async def test_a_reel_is_kept_a_while_for_who_comes_next(shelf: Shelf, replays: Replays) -> None:
    """Who comes soon after finds it; it knows then what was taken away meanwhile."""
    await shelf.store(comments(1, 2))
    reel = await replays.open(STREAM, None)
    made = await begun(reel, Screen(), paused=True)
    replays.ended(made)
    again = await replays.open(STREAM, None)
    assert again is reel
    screen = Screen()
    await shelf.store(segment([event(3, "delete", id_of(1))]))
    made = await begun(again, screen, paused=True)
    await until(lambda: screen.documents)
    assert (screen.documents[0]["seek"], screen.seqs) == (True, [])
    made.ask(Asked(1_500))
    await until(lambda: screen.seqs == [2])
    replays.ended(made)
