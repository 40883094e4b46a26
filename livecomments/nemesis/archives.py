"""Reading back what was archived: through the API's pages, and past all our code from the store itself."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from livecomments.nemesis.book import Book
from livecomments.nemesis.http import Api
from livecomments.nemesis.viewer import content
from livecomments.verify import facts as f
from schemas.settings import Cassandra

BUCKET_BITS = 14
"""A partition of Cassandra holds the numbers that agree but for so many bits."""
PAGES_MAX = 1_000
RETRY_SECONDS = 0.3
ATTEMPTS_MAX = 200

_ROWS = """SELECT e.seq, e.type, e.id, e.user_id, e.text, e.target, e.mask, e.seconds
FROM events e JOIN streams s ON s.id = e.stream WHERE s.stream_id = ? AND s.epoch = ? ORDER BY e.seq"""
_KEY = "WHERE stream_id = %s AND epoch = %s AND bucket = %s"
_COMMENTS = f"SELECT seq, id, user_id, text, mask FROM comments_by_stream {_KEY}"  # noqa: S608 - constants
_OTHERS = f"SELECT seq, type, id, user_id, text, target, mask, seconds FROM moderation_by_stream {_KEY}"  # noqa: S608


class ArchiveReadError(Exception):
    """The API's fault: pages could not be read, however often they were asked for."""


async def api_rows(api: Api, stream: str, token: str, book: Book) -> list[f.Fact]:
    """Read a stream's pages from the first to the last."""
    facts: list[f.Fact] = []
    from_seq, epoch, end = 1, "", 0
    for _ in range(PAGES_MAX):
        page = await _page(api, stream, token, from_seq)
        epoch, end = page["epoch"] or "", max(end, page["to_seq"])
        at = (book.now(), "api", stream, epoch)
        facts += [f.Row(*at, content(row)) for row in page["comments"]]
        if page["next_seq"] is None:
            facts.append(f.Archived(*at, end, overlaid=True))
            return facts
        from_seq = page["next_seq"]
    raise ArchiveReadError(f"{stream}: more than {PAGES_MAX} pages")


async def _page(api: Api, stream: str, token: str, from_seq: int) -> Any:
    for _ in range(ATTEMPTS_MAX):
        answer = await api.page(stream, token, from_seq)
        # What sampling left out is in the archive alone: a page that says it lacks some is asked for again.
        if answer.stage == "ok" and not answer.body["omitted"]:
            return answer.body
        await asyncio.sleep(RETRY_SECONDS)
    raise ArchiveReadError(f"{stream}: no whole page from {from_seq} after {ATTEMPTS_MAX} attempts")


def sqlite_rows(path: Path, stream: str, epoch: str, end: int, t: float) -> Iterator[f.Fact]:
    """Read a stream's rows from the embedded archive's file."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for row in connection.execute(_ROWS, (stream, epoch)):
            yield f.Row(t, "sqlite", stream, epoch, _content(row))
    yield f.Archived(t, "sqlite", stream, epoch, end)


def cassandra_rows(cassandra: Cassandra, ends: Mapping[tuple[str, str], int], t: float) -> Iterator[f.Fact]:
    """Read streams' rows from Cassandra; blocks. ``ends``: (stream, epoch) → last seq."""
    from cassandra.cluster import Cluster  # noqa: PLC0415 - slow to import, and mostly not needed

    with contextlib.closing(_Connected(Cluster(cassandra.hosts, port=cassandra.port))) as connected:
        session = connected.cluster.connect(cassandra.keyspace)
        for (stream, epoch), end in ends.items():
            rows: list[f.Content] = []
            for bucket in range((end >> BUCKET_BITS) + 1):
                at = (stream, epoch, bucket)
                for seq, id_, user, text, mask in session.execute(_COMMENTS, at):
                    rows.append(_content((seq, "comment", id_, user, text, None, mask, None)))
                rows += map(_content, session.execute(_OTHERS, at))
            for row in sorted(rows):
                yield f.Row(t, "cassandra", stream, epoch, row)
            yield f.Archived(t, "cassandra", stream, epoch, end)


class _Connected:
    def __init__(self, cluster: Any) -> None:
        self.cluster = cluster

    def close(self) -> None:
        self.cluster.shutdown()


def _content(row: Any) -> f.Content:
    seq, type_, id_, user, text, target, mask, seconds = row
    ends = -1 if seconds is None else seconds
    return f.Content(seq, type_, id_, user, f.text_hash(text or ""), target or "", mask, ends)
