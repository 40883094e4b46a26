"""Events out of the archive: the same as every reader sees, from any position on."""

import pytest

from livecomments.export.request import Position, RequestError
from livecomments.export.source import Chunk, Source
from schemas.archive import Archive
from tests.export.helpers import DAY_MS, FIRST_MS, FOR_EVER, SHOWN_ROWS


async def collected(source: Source, start: Position = Position()) -> list[Chunk]:  # noqa: B008 - frozen
    return [chunk async for chunk in source.chunks(start)]


def rows(chunks: list[Chunk]) -> list[tuple[str, str, int]]:
    return [
        (each.listed.stream_id, each.listed.epoch, event["seq"]) for each in chunks for event in each.events
    ]


async def test_everything_that_may_be_seen(archive: Archive) -> None:
    """All epochs of all streams, each once; nothing deleted, cleared or shadowed."""
    found = rows(await collected(Source(archive, (), None, FOR_EVER)))
    assert len(found) == len(set(found)) == SHOWN_ROWS
    assert ("one", "e1-0", 3) not in found  # deleted
    assert ("one", "e1-0", 4) not in found  # cleared
    assert ("one", "e1-0", 22) in found  # by the same user, later
    assert ("one", "e1-0", 30) not in found  # shadowed
    assert ("one", "e1-0", 10) in found  # the delete itself


async def test_streams_that_are_named(archive: Archive) -> None:
    """All of their epochs, oldest first, and nothing else."""
    found = rows(await collected(Source(archive, ("one",), None, FOR_EVER)))
    assert {each[0] for each in found} == {"one"}
    assert [each[1] for each in found] == ["e1-0"] * 32 + ["e1-1"] * 5


async def test_a_time(archive: Archive) -> None:
    """From ``since`` on, and before ``until``, to the millisecond."""
    since, until = FIRST_MS + DAY_MS, FIRST_MS + 2 * DAY_MS
    whole = await collected(Source(archive, (), None, FOR_EVER))
    expected = [
        (each.listed.stream_id, each.listed.epoch, event["seq"])
        for each in whole
        for event in each.events
        if since <= event["at"] < until
    ]
    assert rows(await collected(Source(archive, (), since, until))) == expected
    assert len(expected) > 20


async def test_from_any_position(archive: Archive) -> None:
    """What comes from a position in an epoch on is what comes behind it in the whole."""
    for streams in ((), ("one", "two")):
        source = Source(archive, streams, None, FOR_EVER)
        whole = await collected(source)
        for index, chunk in enumerate(whole):
            listed, seq = chunk.listed, chunk.events[0]["seq"] + 1
            start = Position(chunk.behind, listed.stream_id, listed.epoch, seq)
            rest = rows([chunk._replace(events=chunk.events[1:]), *whole[index + 1 :]])
            assert rows(await collected(source, start)) == rest


async def test_a_position_that_is_gone(archive: Archive) -> None:
    """Never goes on in another stream instead."""
    with pytest.raises(RequestError, match="no epoch e9-9 of one any more"):
        await collected(Source(archive, (), None, FOR_EVER), Position(None, "one", "e9-9", 4))


async def test_unknown_streams_are_named(archive: Archive) -> None:
    """Before anything is written, and not all of a thousand."""
    await Source(archive, ("one",), None, FOR_EVER).check()
    with pytest.raises(RequestError, match=r"knows no stream nobody$"):
        await Source(archive, ("nobody", "one"), None, FOR_EVER).check()
    with pytest.raises(RequestError, match=r"knows no stream x0, x1, x2, x3, x4 and 3 more"):
        await Source(archive, tuple(f"x{n}" for n in range(8)), None, FOR_EVER).check()
