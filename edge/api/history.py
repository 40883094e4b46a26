"""A stream's comments by range: from the archive, and what it does not have yet from the window.

Deletes and clears of both are applied to both. Where the window does not reach the archive's end, or Redis
does not say, the read is refused: what is shown might have been deleted (design, invariant 4).
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from edge.api import fresh
from edge.api.directory import Directory
from edge.api.fresh import BehindError, Event, Fresh
from edge.api.histogram import Extent, Histogram, Kept, count
from edge.api.models import SEQ_MAX
from edge.api.problems import Away
from edge.past import Segments
from schemas.archive import Archive, ArchiveUnavailable, Stored

READ_SECONDS = 5.0
"""For one read of all stores."""
JOIN_SECONDS = 0.1
"""Requests for one page that come within this share one read; more, and a delete could be missed."""
OVERLAP_SEQS = 200
"""How far before the archive's end the window is read, for deletes of comments that came after them."""

V = TypeVar("V")


class Window(Protocol):
    """`edge.past.Past`, as far as it is used here."""

    async def between(self, stream_id: str, epoch: str, after: int, upto: int) -> Segments | None:
        """Return the segments that cover (``after``, ``upto``]; None: away, or too much."""


@dataclass(frozen=True, slots=True)
class Range:
    """What is asked for. ``epoch`` None: the newest; ``at``: ms since 1970, instead of ``from_seq``.

    ``comments_only`` False: moderation events too.
    """

    from_seq: int = 1
    to_seq: int = SEQ_MAX
    limit: int = 100
    epoch: str | None = None
    at: int | None = None
    comments_only: bool = True


@dataclass(frozen=True, slots=True)
class Comments:
    """A page: the comments of [``from_seq``, ``to_seq``] that may be seen, ascending.

    ``next_seq``: where the next page begins; None: there is nothing more yet. ``omitted``: numbers of the
    range that sampling left out of the window, and that the archive does not have yet. ``epoch`` None:
    nothing has happened on the stream.
    """

    epoch: str | None
    from_seq: int
    to_seq: int
    events: Sequence[Event]
    next_seq: int | None
    omitted: int


class History:
    """Reads the stores. ``archive`` returns the archive, or raises ArchiveUnavailable while it is opened.

    ``stale``: whether neither store has what the log has of a stream. Raises, in every method: Away,
    ArchiveUnavailable.
    """

    def __init__(
        self,
        archive: Callable[[], Archive],
        directory: Directory,
        window: Window,
        stale: Callable[[str], bool],
    ) -> None:
        self._archive = archive
        self._directory = directory
        self._window = window
        self._stale = stale
        self._joined: Joined[Comments | None] = Joined(JOIN_SECONDS)
        self._counts: Joined[Histogram] = Joined(READ_SECONDS)
        self._counted = Kept(time.monotonic)

    async def read(self, stream_id: str, wanted: Range) -> Comments | None:
        """Return a page; None: neither archive nor window knows the stream (or epoch)."""
        return await self._joined.get((stream_id, wanted), lambda: self._refusing(stream_id, wanted))

    async def extent(self, stream_id: str, epoch: str | None = None) -> Extent | None:
        """Return what the archive has of an epoch, the newest where none is named; None: nothing."""
        return await _bounded(_extent(self._archive(), stream_id, epoch))

    async def histogram(self, stream_id: str, buckets: int, epoch: str | None = None) -> Histogram | None:
        """Count an epoch's comments in equal parts of its time; None: nothing of it is archived."""
        archive, key = self._archive(), (stream_id, epoch, buckets)
        kept = self._counted.get(key)
        if kept is not None:
            return kept
        extent = await self.extent(stream_id, epoch)
        if extent is None:
            return None
        counted = await self._counts.get(key, lambda: _bounded(count(archive, stream_id, extent, buckets)))
        return self._counted.put(key, counted)

    async def _refusing(self, stream_id: str, wanted: Range) -> Comments | None:
        try:
            return await _bounded(self._read(stream_id, wanted))
        except BehindError as error:
            raise Away(f"{error}: nothing is shown, it might have been deleted") from None

    async def _read(self, stream_id: str, wanted: Range) -> Comments | None:
        if self._stale(stream_id):
            raise BehindError("archive and window are behind the log")
        archive = self._archive()
        (head, taken), end = await asyncio.gather(self._directory.tail(stream_id), archive.end(stream_id))
        newest = fresh.newest(head, end)
        epoch = wanted.epoch or newest
        if epoch is None:
            return None
        if end is not None and end.epoch == epoch != newest:
            raise BehindError(f"the archive is behind, the end of epoch {epoch} may be missing")
        stored = await self._stored(archive, stream_id, epoch, end)
        upto = head.seq if head is not None and head.epoch == epoch else None
        if upto is not None and upto <= (stored or 0):
            beyond = Fresh(stored or 0, stored or 0, taken=taken)
        else:
            segments = await self._segments(stream_id, epoch, stored or 0, upto)
            beyond = fresh.join(stored or 0, upto or stored or 0, segments, taken)
        if stored is None and beyond.upto == 0 and upto is None:
            return None
        return await _page(archive, stream_id, epoch, wanted, beyond)

    async def _stored(self, archive: Archive, stream_id: str, epoch: str, end: Stored | None) -> int | None:
        """Return the epoch's highest seq in the archive; None: it has none of it."""
        if end is not None and end.epoch == epoch:
            return end.seq
        known = {each.epoch: each.seq for each in await archive.epochs(stream_id)} if end else {}
        return known.get(epoch)

    async def _segments(self, stream_id: str, epoch: str, stored: int, upto: int | None) -> Segments:
        since = max(0, stored - OVERLAP_SEQS)
        segments = await self._window.between(stream_id, epoch, since, upto or SEQ_MAX)
        if segments is None:
            raise BehindError("the archive is behind, and the window cannot be read now")
        return segments


async def _bounded(read: Coroutine[Any, Any, V]) -> V:
    try:
        async with asyncio.timeout(READ_SECONDS):
            return await read
    except TimeoutError:
        raise ArchiveUnavailable(f"no answer within {READ_SECONDS:.0f} s") from None


async def _extent(archive: Archive, stream_id: str, epoch: str | None) -> Extent | None:
    known = await archive.epochs(stream_id)
    found = next((each for each in reversed(known) if epoch in {None, each.epoch}), None)
    first = await archive.seq_at(stream_id, 0, found.epoch) if found is not None else None
    if found is None or first is None:
        return None
    ends = [await archive.raw(stream_id, found.epoch, seq, seq) for seq in (first, found.seq)]
    if not all(ends):
        return None  # pruned meanwhile
    begin, end = (each[0]["at"] for each in ends)
    return Extent(found.epoch, first, found.seq, begin, max(begin, end))


async def _page(archive: Archive, stream_id: str, epoch: str, wanted: Range, beyond: Fresh) -> Comments:
    stored, last = beyond.after, min(wanted.to_seq, beyond.upto)
    first = wanted.from_seq
    if wanted.at is not None:
        at = await archive.seq_at(stream_id, wanted.at, epoch) if stored else None
        at = at if at is not None else beyond.seq_at(wanted.at)
        first = at if at is not None else beyond.upto + 1
    events: list[Event] = []
    next_seq: int | None = None
    if first <= min(stored, last):
        upto = min(stored, last)
        page = await archive.read(
            stream_id,
            from_seq=first,
            to_seq=upto,
            limit=wanted.limit,
            epoch=epoch,
            comments_only=wanted.comments_only,
        )
        if page is not None:
            events = [event for event in page.events if event["type"] != "comment" or not beyond.hides(event)]
            next_seq = page.next_seq
    if next_seq is None:
        for event in beyond.shown(max(first, stored + 1), last, comments_only=wanted.comments_only):
            if len(events) == wanted.limit:
                next_seq = event["seq"]
                break
            events.append(event)
    to_seq = last if next_seq is None else next_seq - 1
    return Comments(
        epoch=epoch,
        from_seq=first,
        to_seq=max(to_seq, first - 1),
        events=events,
        next_seq=next_seq,
        omitted=beyond.omitted(first, to_seq),
    )


class Joined(Generic[V]):
    """One call for all who ask the same within ``seconds`` of its beginning."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls: dict[Hashable, tuple[float, asyncio.Task[V]]] = {}

    async def get(self, key: Hashable, call: Callable[[], Coroutine[Any, Any, V]]) -> V:
        """Return what ``call`` returns, or what one begun just before does."""
        loop = asyncio.get_running_loop()
        began, task = self._calls.get(key, (0.0, None))
        if task is None or loop.time() - began > self._seconds:
            task = asyncio.ensure_future(call())
            self._calls[key] = (loop.time(), task)
            task.add_done_callback(lambda done: self._forget(key, done))
        # Who goes away takes nobody's answer with them.
        return await asyncio.shield(task)

    def _forget(self, key: Hashable, done: "asyncio.Task[Any]") -> None:
        if not done.cancelled():
            done.exception()  # seen, even where nobody waits any more
        if self._calls.get(key, (0.0, None))[1] is done:
            del self._calls[key]
