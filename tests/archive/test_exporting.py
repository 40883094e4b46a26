"""An export out of either store has what readers see."""

from pathlib import Path
from typing import Any

from livecomments.export.request import Position
from livecomments.export.source import Source
from schemas.archive import Archive
from tests.archive.events import START_MS, comment, order, segment, stream_name
from tests.archive.test_archive import walk
from tests.export.helpers import FOR_EVER, lines, run


async def test_it_is_what_is_read(archive: Archive, tmp_path: Path) -> None:
    """Pages, parts and deletes included, however it was cut."""
    stream = stream_name()
    events = [comment(seq) for seq in range(1, 1_201)]
    events[700] = order(701, "clear", "u2")
    events[800] = order(801, "delete", "c1200")
    for start in range(0, 1_200, 400):
        await archive.write([segment(stream, events[start : start + 400])])
    note = await run(archive, tmp_path / "out", stream, rows=97)
    expected = [event["seq"] for event in await walk(archive, stream, 500, comments_only=False)]
    assert [each["seq"] for each in lines(tmp_path / "out")] == expected
    assert note.rows == len(expected) < 1_000


async def test_a_time_of_all_streams(archive: Archive) -> None:
    """Streams that have nothing in it are passed over, in whatever order the store lists them."""
    streams = [stream_name() for _ in range(40)]
    far = START_MS + 10**10  # where no other test has anything
    for number, stream in enumerate(streams):
        await archive.write(
            [segment(stream, [comment(seq, at=far + number * 10 + seq) for seq in (1, 2, 3)])]
        )
    source = Source(archive, (), far + 102, far + 302)
    found: list[Any] = [chunk async for chunk in source.chunks(Position())]
    rows = {(chunk.listed.stream_id, event["seq"]) for chunk in found for event in chunk.events}
    expected = {(stream, seq) for number, stream in enumerate(streams) for seq in (1, 2, 3)
                if 102 <= number * 10 + seq < 302}  # fmt: skip
    assert rows == expected
    assert [chunk async for chunk in Source(archive, (), FOR_EVER - 1, FOR_EVER).chunks(Position())] == []
