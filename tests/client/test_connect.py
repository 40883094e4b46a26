"""The Python client against an edge on fakes: join, send, iterate; cuts, slow readers, ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import livecomments
from edge.auth import Authenticator
from livecomments import Comment, Hole, Moderation, Position, State, User
from livecomments.client.connect import Connection, Stream, url_of, wait_of
from schemas.refusals import Code, Refusal
from tests.edge.fakes import AT, EPOCH, STREAM, Stage, command, comment, comments, segment, stage, until

ENCODINGS = pytest.mark.parametrize("protobuf", [False, True], ids=["json", "protobuf"])
READ_SECONDS = 20


def token_of(on: Stage, user: str = "bo", stream: str = STREAM) -> str:
    return Authenticator(on.settings.auth).mint(user, stream, "viewer", 60)


@asynccontextmanager
async def joined(on: Stage, since: Position | None = None, **more: Any) -> AsyncIterator[Stream]:
    more = {"token": token_of(on)} | more
    async with livecomments.connect(on.url, **more) as client, client.join(STREAM, since=since) as stream:
        yield stream


async def read(stream: Stream, upto: int) -> list[Any]:
    """Read until the event ``upto``, or a hole that ends there."""
    items: list[Any] = []
    async with asyncio.timeout(READ_SECONDS):
        async for item in stream:
            items.append(item)
            match item:
                case Comment(seq=seq) | Moderation(seq=seq) | Hole(to_seq=seq) if seq >= upto:
                    return items
    return items


async def cut(stream: Stream) -> None:
    client = stream._connection._client
    await until(lambda: client._conn is not None)
    client._conn.transport.abort()


@ENCODINGS
async def test_comments_are_sent_and_seen(protobuf: bool) -> None:
    """What is sent is answered with its id, and comes back typed and in order."""
    async with stage() as on, joined(on, protobuf=protobuf) as stream:
        assert await anext(stream) == State("live", position=Position(EPOCH, 0, joined=True))
        ids = [await stream.send(text) for text in ("olá", "🎉")]
        seen = await read(stream, 2)
        assert [each.text for each in seen] == ["olá", "🎉"]
        assert [each.seq for each in seen] == [1, 2]
        assert [each.id for each in seen] == ids
        assert stream.viewers >= 0


async def test_types() -> None:
    """A comment has its author and time; what a moderator did has a target and who it was."""
    async with stage() as on, joined(on) as stream:
        on.feed.push(segment([comment(1, text="hi"), command(2, "ban", "eve")]))
        _, first, second = await read(stream, 2)
        assert first == Comment(EPOCH, 1, comment(1)["id"], User("ana", "Ana", "viewer"), "hi", AT + 1)
        assert (second.type, second.target, second.by.id) == ("ban", "eve", "mod")
        assert second.position == Position(EPOCH, 2)


@ENCODINGS
async def test_cuts(protobuf: bool) -> None:
    """However often it is cut, it has every comment once, in order, and no hole; it is told of the cuts."""
    async with stage(window_ms=1) as on, joined(on, protobuf=protobuf) as stream:
        for seq in range(1, 201):
            on.feed.push(comments(seq, seq))
            if seq % 40 == 0:
                await cut(stream)
            await asyncio.sleep(0)
        items = await read(stream, 200)
        assert [each.seq for each in items if isinstance(each, Comment)] == list(range(1, 201))
        assert not [each for each in items if isinstance(each, Hole)]
        assert [each.name for each in items if isinstance(each, State)][:2] == ["live", "connecting"]


async def test_a_slow_reader_is_told() -> None:
    """Beyond the queue's limit what is not read becomes one hole; memory stays bounded."""
    async with stage(window_ms=1) as on, joined(on, queue_items_max=10) as stream:
        on.feed.push(comments(1, 40))
        await until(lambda: stream.mailbox._behind)
        items = await read(stream, 40)
        assert [each.seq for each in items if isinstance(each, Comment)] == list(range(1, 10))
        assert items[-1] == Hole(9, 40, "reader", EPOCH)
        on.feed.push(comments(41, 41))
        assert [each.seq for each in await read(stream, 41)] == [41]


async def test_since() -> None:
    """A position goes on behind it; what the edge no longer has, and there is no archive, is a hole."""
    async with stage(ring_events_max=100) as on:
        on.feed.push(comments(1, 150))
        on.feed.push(comments(151, 300))
        async with joined(on, Position(EPOCH, 295)) as stream:
            items = await read(stream, 300)
            assert [each.seq for each in items if isinstance(each, Comment)] == [296, 297, 298, 299, 300]
        async with joined(on, Position(EPOCH, 5)) as stream:
            assert Hole(5, 300, "window", EPOCH) in await read(stream, 300)


async def test_refusals() -> None:
    """A refusal is raised with its code, words and wait; an unknown outcome is tried with the same id."""
    async with stage() as on, joined(on) as stream:
        on.door.refusal = Refusal(Code.SLOW_MODE, wait_seconds=12)
        with pytest.raises(livecomments.CommentRefused, match="Slow mode") as caught:
            await stream.send("x")
        assert (caught.value.code, caught.value.wait_seconds) == (1003, 12.0)
        on.door.refusal = Refusal(Code.UNKNOWN)
        sending = asyncio.ensure_future(stream.send("again"))
        await asyncio.sleep(0.05)
        assert not sending.done()
        on.door.refusal = None
        id_ = await sending
        assert [each.id for each in await read(stream, 1) if isinstance(each, Comment)] == [id_]


async def test_an_outcome_that_stays_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few attempts the id is handed back, to be sent again."""
    monkeypatch.setattr("livecomments.client.connect.AGAIN_SECONDS", 0)
    async with stage() as on, joined(on) as stream:
        on.door.refusal = Refusal(Code.UNKNOWN)
        with pytest.raises(livecomments.OutcomeUnknown) as caught:
            await stream.send("x", id_="0a0b0c0d-0000-4000-8000-000000000001")
        assert caught.value.id == "0a0b0c0d-0000-4000-8000-000000000001"


async def test_it_ends_when_it_is_left() -> None:
    """Iteration ends with the context; another stream of the connection goes on."""
    async with stage() as on, livecomments.connect(on.url) as client, client.join("other") as other:
        async with client.join(STREAM) as stream:
            with pytest.raises(ValueError, match="joined already"):
                async with client.join(STREAM):
                    pass
        assert [item async for item in stream if not isinstance(item, State)] == []
        on.feed.push(comments(1, 1, stream="other"))
        assert [each.seq async for each in first(other.comments())] == [1]
        async with client.join(STREAM) as again:
            on.feed.push(comments(1, 1))
            assert (await read(again, 1))[-1].seq == 1


async def first(comments: AsyncIterator[Comment]) -> AsyncIterator[Comment]:
    async for each in comments:
        yield each
        return


async def test_ends_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that may not be read closes with the edge's words; a bad token connects nobody."""
    async with stage() as on:
        async with joined(on, token=token_of(on, stream="another")) as stream:
            with pytest.raises(livecomments.StreamClosed, match="permission denied"):
                await read(stream, 1)
        monkeypatch.setattr("livecomments.client.connect.FIRST_SECONDS", 1)
        with pytest.raises(livecomments.NotConnected, match="invalid token"):
            async with livecomments.connect(on.url, token="nonsense"):
                pass


@ENCODINGS
async def test_notices(protobuf: bool) -> None:
    """What became of one's own comments is told once, over cuts; another's may not be heard."""
    async with stage() as on:
        address = {"token": token_of(on, "bo"), "protobuf": protobuf}
        async with livecomments.connect(on.url, **address) as client, client.notices("bo") as notices:
            assert await anext(notices) == State("live")
            on.notices.push("bo", "c-1")
            on.notices.push("ana", "c-2")
            words = (int(Code.MODERATED), "moderated")
            first = await anext(notices)
            assert isinstance(first, livecomments.Notice)
            assert (first.stream, first.id, first.code, first.key) == (STREAM, "c-1", *words)
            client._client._conn.transport.abort()
            on.notices.push("bo", "c-3")
            later = [await anext(notices) for _ in range(3)]
            assert [each.name for each in later if isinstance(each, State)] == ["connecting", "resumed"]
            assert [each.id for each in later if isinstance(each, livecomments.Notice)] == ["c-3"]
            async with client.notices("ana") as others:
                with pytest.raises(livecomments.StreamClosed, match="permission denied"):
                    await anext(others)
        assert [item async for item in notices] == []


def test_what_sampling_left_out() -> None:
    """An own comment that was left out comes with its number, and itself where the edge has it."""
    from livecomments.client.items import Seen
    from livecomments.client.notices import told

    own = {
        "type": "comment",
        "seq": 9,
        "id": "c",
        "user": {"id": "a", "name": "A", "role": "viewer"},
        "text": "t",
        "at": 1,
    }
    data = {"type": "own", "stream": "s", "epoch": "e", "seq": 9, "id": "c", "at": 1}
    assert told(Seen("n", {"seq": 1, "data": data})) == livecomments.LeftOut("s", "c", "e", 9, None)
    found = told(Seen("n", {"seq": 1, "data": data | {"comment": own}}))
    assert found == livecomments.LeftOut(
        "s", "c", "e", 9, Comment("e", 9, "c", User("a", "A", "viewer"), "t", 1)
    )


async def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody answers, that is said, with the address."""
    monkeypatch.setattr("livecomments.client.connect.FIRST_SECONDS", 0.2)
    with pytest.raises(livecomments.NotConnected, match="9/connection/websocket: it does not"):
        async with livecomments.connect("ws://127.0.0.1:9"):
            pass


def test_addresses() -> None:
    """The edge's path is added where there is none; what is no address is refused."""
    assert url_of("ws://h:8000") == "ws://h:8000/connection/websocket"
    assert url_of("https://h/") == "wss://h/connection/websocket"
    assert url_of("ws://h/x") == "ws://h/x"
    with pytest.raises(ValueError, match="write ws://host:port"):
        url_of("h:8000")


def test_arguments() -> None:
    """Two tokens are a mistake; the words' wait is read."""

    async def give() -> str:
        return ""

    with pytest.raises(ValueError, match="not both"):
        livecomments.connect("ws://h", token="x", get_token=give)
    assert wait_of("Slow mode is on. Wait 12 s.") == 12.0
    assert wait_of("The stream has ended.") is None
    assert isinstance(livecomments.connect("ws://h"), Connection)
