"""The checker's own reading of the stores (`livecomments.nemesis.archives`) finds what was written."""

from typing import Any

import pytest

from livecomments.nemesis.archives import cassandra_rows, sqlite_rows
from livecomments.verify import facts as f
from schemas.archive import Archive
from schemas.archive.sqlite import SqliteArchive
from tests.archive.events import EPOCH, comment, order, segment, stream_name


async def test_rows_are_read_past_the_archives_own_code(
    archive: Archive, request: pytest.FixtureRequest
) -> None:
    """Comments and commands, masks and durations, in order, from either store."""
    stream = stream_name()
    events = [comment(1), order(2, "ban", "u1", seconds=60), comment(3, mask=0), order(4, "delete", "c1")]
    await archive.write([segment(stream, events)])
    found: list[Any]
    if isinstance(archive, SqliteArchive):
        found = list(sqlite_rows(archive._path, stream, EPOCH, 4, 1.0))
    else:
        found = list(cassandra_rows(request.getfixturevalue("cassandra"), {(stream, EPOCH): 4}, 1.0))
    *rows, end = found
    assert isinstance(end, f.Archived)
    assert end.to_seq == 4
    assert [row.content for row in rows] == [
        f.Content(1, "comment", "c1", "u1", f.text_hash("comment 1")),
        f.Content(2, "ban", "o2", "mod", f.text_hash(""), "u1", seconds=60),
        f.Content(3, "comment", "c3", "u0", f.text_hash("comment 3"), mask=0),
        f.Content(4, "delete", "o4", "mod", f.text_hash(""), "c1"),
    ]
