"""The comment that a moderator points at: looked up as readers see it, for a pin to show or a hold to keep.

By its number where the moderator gave it, else among the last comments. One that was sent just now may not
have come through yet: it is waited for, a little.
"""

import asyncio

from edge.api.directory import Directory
from edge.api.fresh import Event
from edge.api.history import History, Range
from edge.api.problems import NotFound
from schemas.archive.base import PAGE_EVENTS_MAX
from schemas.records import Quoted

LOOK_BACK = 5_000
"""Numbers that are looked through."""
TRIES = 4
TRY_SECONDS = 0.25


async def quoted(
    directory: Directory, history: History, stream_id: str, comment_id: str, seq: int | None = None
) -> Quoted:
    """Return the comment.

    Raises:
        NotFound: there is none, or it may not be shown.
        Away, ArchiveUnavailable.

    """
    for attempt in range(TRIES):
        await asyncio.sleep(TRY_SECONDS * min(attempt, 1))
        found = await _find(directory, history, stream_id, comment_id, seq)
        if found is not None:
            return Quoted(
                seq=found["seq"],
                at=found["at"],
                id=found["id"],
                user_id=found["user_id"],
                user_name=found["user_name"],
                role=found["role"],
                text=found["text"],
                sticker=found["sticker"],
            )
    where = f"at number {seq}" if seq is not None else f"among the last {LOOK_BACK} numbers (say its seq)"
    raise NotFound(f"no comment {comment_id} is shown on {stream_id} {where}")


async def _find(
    directory: Directory, history: History, stream_id: str, comment_id: str, seq: int | None
) -> Event | None:
    head = await directory.head(stream_id)
    last = seq if seq is not None else head.seq if head is not None else 0
    first = last if seq is not None else max(1, last - LOOK_BACK + 1)
    while last >= first:
        begin = max(first, last - PAGE_EVENTS_MAX + 1)
        page = await history.read(stream_id, Range(begin, last, PAGE_EVENTS_MAX))
        for event in page.events if page is not None else ():
            if event["id"] == comment_id:
                return event
        last = begin - 1
    return None
