"""Events out of the archive, an epoch of a stream at a time, as every reader sees them.

They come through `Archive.read`, so that deletes, clears and shadows are what they are everywhere; what is
hidden has no row. Small streams are many: the first pages of the next few are read while one is taken.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from livecomments.export.request import Position, RequestError
from schemas.archive import PAGE_EVENTS_MAX, Archive, Listed, Page
from schemas.records import Event

AHEAD = 16
"""First pages that are read ahead."""
UNKNOWN_NAMED_MAX = 5


class Chunk(NamedTuple):
    """Some events of one epoch, ascending. ``behind``: the mark of the epoch listed before this one."""

    behind: str | None
    listed: Listed
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Source:
    """The archive, of it the streams that are named (empty: all), and the time [since, until), in ms."""

    archive: Archive
    streams: Sequence[str]
    since: int | None
    until: int

    async def check(self) -> None:
        """Raise RequestError when a stream is named that the archive does not know."""
        unknown = [each for each in self.streams if not await self.archive.epochs(each)]
        if unknown:
            more = f" and {len(unknown) - UNKNOWN_NAMED_MAX} more" if len(unknown) > UNKNOWN_NAMED_MAX else ""
            named = ", ".join(unknown[:UNKNOWN_NAMED_MAX])
            raise RequestError(f"the archive knows no stream {named}{more}")

    async def chunks(self, start: Position) -> AsyncGenerator[Chunk, None]:
        """Yield what there is from a position on, at least one chunk of every epoch that has events in time.

        Raises:
            RequestError: the position is in an epoch that is not there any more.
            ArchiveUnavailable: the archive does not answer.

        """
        behind = start.behind
        waiting: deque[tuple[Listed, asyncio.Task[Page | None]]] = deque()
        listed = self._listed(behind)
        try:
            more = True
            while more or waiting:
                while more and len(waiting) < AHEAD:
                    found = await anext(listed, None)
                    more = found is not None
                    if found is not None:
                        first, start = _first(found, start), Position()
                        waiting.append((found, asyncio.create_task(self._open(found, first))))
                if waiting:
                    place, opening = waiting[0]
                    page = await opening
                    waiting.popleft()
                    async for events in self._pages(place, page):
                        yield Chunk(behind, place, events)
                    behind = place.mark
        finally:
            for _, task in waiting:
                task.cancel()
            await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
            await listed.aclose()

    async def _listed(self, behind: str | None) -> AsyncGenerator[Listed, None]:
        if self.streams:
            named = [
                Listed(stream_id, each.epoch, f"{stream_id} {each.epoch}")
                for stream_id in self.streams
                for each in await self.archive.epochs(stream_id)
            ]
            marks = [each.mark for each in named]
            for each in named[marks.index(behind) + 1 if behind in marks else 0 :]:
                yield each
            return
        while part := await self.archive.listing(behind):
            for each in part:
                yield each
            behind = part[-1].mark

    async def _open(self, place: Listed, seq: int) -> Page | None:
        """Return the first page of an epoch; None: it has nothing in time."""
        if self.since is not None:
            first = await self.archive.seq_at(place.stream_id, self.since, place.epoch)
            if first is None:
                return None
            seq = max(seq, first)
        return await self._read(place, seq)

    async def _read(self, place: Listed, seq: int) -> Page | None:
        return await self.archive.read(
            place.stream_id, from_seq=seq, limit=PAGE_EVENTS_MAX, epoch=place.epoch, comments_only=False
        )

    async def _pages(self, place: Listed, page: Page | None) -> AsyncGenerator[Sequence[Event], None]:
        while page is not None:
            events = page.events
            within = [event for event in events if self._is_within(event)]
            if within:
                yield within
            # Times do not go back within a stream: what is beyond the end has only such behind it.
            if page.next_seq is None or (events and events[-1]["at"] >= self.until):
                return
            page = await self._read(place, page.next_seq)

    def _is_within(self, event: Event) -> bool:
        return event["at"] < self.until and (self.since is None or event["at"] >= self.since)


def _first(found: Listed, start: Position) -> int:
    """Return the number at which an epoch begins."""
    if start.stream_id is None:
        return 1
    if (found.stream_id, found.epoch) != (start.stream_id, start.epoch):
        raise RequestError(
            f"the archive has no epoch {start.epoch} of {start.stream_id} any more: begin anew, elsewhere"
        )
    return start.seq
