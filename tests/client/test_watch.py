"""A watcher on the official SDK, against an edge on fakes: what `tail` shows when things go wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from edge.auth import Authenticator
from livecomments.client.follow import Beginning, Page
from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.position import Hole, Position
from livecomments.client.watch import Watcher
from livecomments.exits import Exit, Failure
from tests.edge.fakes import EPOCH, STREAM, Stage, comments, stage, until

LAST = Beginning()
ENCODINGS = pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])


@dataclass
class Shelf:
    """An archive in memory: seqs it has in the edge's epoch."""

    upto: int = 0
    asked: list[tuple[str, int]] = field(default_factory=list)

    async def pages(self, epoch: str, from_seq: int) -> AsyncIterator[Page]:
        self.asked.append((epoch, from_seq))
        if epoch != EPOCH:
            return
        for start in range(from_seq, self.upto + 1, 10):
            end = min(start + 9, self.upto)
            yield Page([{"type": "comment", "seq": seq} for seq in range(start, end + 1)], end)


@dataclass
class Screen:
    """What was shown."""

    items: list[Item] = field(default_factory=list)

    @property
    def seqs(self) -> list[int]:
        return [item.event["seq"] for item in self.items if isinstance(item, Seen)]

    @property
    def holes(self) -> list[Hole]:
        return [item.hole for item in self.items if isinstance(item, Missed)]

    @property
    def states(self) -> list[str]:
        return [item.name for item in self.items if isinstance(item, State)]


@asynccontextmanager
async def watching(
    on: Stage, beginning: Beginning = LAST, *, shelf: Shelf | None = None, **more: Any
) -> AsyncIterator[tuple[Watcher, Screen]]:
    screen = Screen()
    watcher = Watcher(on.url, STREAM, screen.items.append, shelf or Shelf(), **more)
    task = asyncio.ensure_future(watcher.run(beginning))
    try:
        await until(lambda: screen.states or task.done())
        if task.done():
            await task
        yield watcher, screen
    finally:
        watcher.stop()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # a test that expects it has it


async def cut(watcher: Watcher) -> None:
    await until(lambda: watcher._client._conn is not None)
    watcher._client._conn.transport.abort()


@ENCODINGS
async def test_last_comments_and_live(protobuf: bool) -> None:
    """It begins with the last comments, and goes on live."""
    async with stage(window_ms=5) as on:
        on.feed.push(comments(1, 80))
        async with watching(on, protobuf=protobuf) as (_, screen):
            await until(lambda: len(screen.seqs) == 50)
            on.feed.push(comments(81, 83))
            await until(lambda: screen.seqs[-1] == 83)
            assert screen.seqs == list(range(31, 84))
            assert screen.states == ["live"]
            assert screen.holes == []


@ENCODINGS
async def test_cuts(protobuf: bool) -> None:
    """However often it is cut, it has every comment once, in order."""
    async with stage(window_ms=1) as on, watching(on, protobuf=protobuf) as (watcher, screen):
        for seq in range(1, 201):
            on.feed.push(comments(seq, seq))
            if seq % 40 == 0:
                await cut(watcher)
            await asyncio.sleep(0)
        await until(lambda: screen.seqs[-1:] == [200] and screen.states[-1] == "resumed")
        assert screen.seqs == list(range(1, 201))
        assert screen.holes == []
        assert "connecting" in screen.states


async def test_since() -> None:
    """A position that the edge holds is resumed from there, without the archive."""
    async with stage() as on:
        on.feed.push(comments(1, 80))
        shelf = Shelf()
        async with watching(on, Beginning(Position(EPOCH, 75)), shelf=shelf) as (_, screen):
            await until(lambda: screen.seqs == [76, 77, 78, 79, 80])
            assert shelf.asked == []


async def test_from_start() -> None:
    """From the start: what the edge no longer has comes from the archive, the rest from the edge."""
    async with stage(ring_events_max=100) as on:
        on.feed.push(comments(1, 150))
        on.feed.push(comments(151, 300))
        shelf = Shelf(upto=250)
        async with watching(on, Beginning(from_start=True), shelf=shelf) as (_, screen):
            await until(lambda: screen.seqs[-1:] == [300])
            on.feed.push(comments(301, 301))
            await until(lambda: screen.seqs[-1:] == [301])
            assert screen.seqs == list(range(1, 302))
            assert screen.holes == []
            assert shelf.asked[0] == (EPOCH, 1)


async def test_from_start_of_nothing() -> None:
    """A stream without anything is watched from its first comment on, at once."""
    async with stage() as on, watching(on, Beginning(from_start=True)) as (_, screen):
        on.feed.push(comments(1, 2))
        await until(lambda: screen.seqs == [1, 2])


@pytest.mark.parametrize(
    ("since", "hole"),
    [
        (Position(EPOCH, 900), Hole(80, 900, "ahead")),
        (Position("other-0", 7), Hole(0, 80, "epoch")),
    ],
)
async def test_positions_that_lead_nowhere(since: Position, hole: Hole) -> None:
    """A position beyond the end, or of another history, is said to be one, and it goes on live."""
    async with stage() as on:
        on.feed.push(comments(1, 80))
        async with watching(on, Beginning(since)) as (_, screen):
            on.feed.push(comments(81, 81))
            await until(lambda: screen.seqs[-1:] == [81])
            assert screen.holes == [hole]
            assert screen.seqs == [81]


async def test_what_nobody_has_is_announced() -> None:
    """What neither edge nor archive has is announced as a hole, and it goes on behind."""
    async with stage(ring_events_max=100) as on:
        on.feed.push(comments(1, 150))
        on.feed.push(comments(151, 300))
        async with watching(on, Beginning(Position(EPOCH, 5))) as (_, screen):
            on.feed.push(comments(301, 301))
            await until(lambda: screen.seqs[-1:] == [301])
            assert screen.holes == [Hole(5, 300, "window")]


async def test_gap_is_healed() -> None:
    """A publication that starts beyond the position makes it ask again; nothing is shown twice or lost."""
    async with stage() as on, watching(on) as (watcher, screen):
        on.feed.push(comments(1, 5))
        await until(lambda: screen.seqs == [1, 2, 3, 4, 5])
        on.feed.push(comments(6, 9))
        handler = watcher._follower._handler
        assert handler is not None
        watcher._follower.published(handler, {"from": 8, "to": 9, "events": [{"type": "comment", "seq": 9}]})
        await until(lambda: screen.seqs[-1:] == [9])
        assert screen.seqs == list(range(1, 10))
        assert screen.holes == []


async def test_refused_for_good() -> None:
    """A channel that may not be read, or a bad token, ends it with the edge's words."""
    async with stage() as on:
        token = Authenticator(on.settings.auth).mint("bo", "another", "viewer", 60)

        async def of_another() -> str:
            return token

        async def nonsense() -> str:
            return "nonsense"

        for get_token, words in ((of_another, "permission denied"), (nonsense, "invalid token")):
            with pytest.raises(Failure, match=words) as caught:
                async with watching(on, get_token=get_token):
                    pass
            assert caught.value.code == Exit.REFUSED


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no edge answers at first, that is said."""
    monkeypatch.setattr("livecomments.client.watch.FIRST_SECONDS", 0.2)
    watcher = Watcher("ws://127.0.0.1:9/connection/websocket", STREAM, print, Shelf())
    with pytest.raises(Failure, match="is the stack up") as caught:
        await watcher.run()
    assert caught.value.code == Exit.NOT_RUNNING


async def test_what_the_reader_raises_ends_it() -> None:
    """A reader that went away (a closed pipe) ends the watch with its own error."""

    def gone(item: Item) -> None:
        if isinstance(item, Seen):
            raise BrokenPipeError

    async with stage() as on:
        on.feed.push(comments(1, 1))
        with pytest.raises(BrokenPipeError):
            await Watcher(on.url, STREAM, gone, Shelf()).run()
