"""One stream's archived events, read once for all who replay it, and what was taken away meanwhile.

Events are read in chunks of `CHUNK_SEQS` numbers, with every delete applied that is known by then. What is
deleted later shows in ``taken:{stream}`` (`schemas.stores`), which is asked for `POLL_SECONDS` apart while
anybody watches; what stands there is hidden from what was read before. While nobody can say what was taken
away, nothing is played (`Reel.stale`).
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

import structlog

from edge.api.fresh import Taken
from edge.api.histogram import Extent, Histogram
from edge.api.history import Comments, Range
from edge.api.problems import Away
from edge.errors import fault
from edge.replay.schedule import Chunk, Entry, chunk_of, pinned
from edge.tasks import end
from schemas.archive import ArchiveUnavailable
from schemas.stores import Head

CHUNK_SEQS: Final = 256
CHUNKS_MAX: Final = 32
"""Of one stream, kept; the one that was used longest ago goes first."""
PIN_CHUNKS: Final = 4
"""Looked through for what was pinned at a position that is jumped to."""
CHUNK_SECONDS: Final = 30.0
"""For which a chunk is kept: less than what was taken away is told for."""
END_SECONDS: Final = 1.0
"""For which the end of a stream that may go on is kept."""
POLL_SECONDS: Final = 0.2
STALE_SECONDS: Final = 1.0
"""Without an answer for this long, nothing is played."""
TAKEN_MAX: Final = 10_000
"""Deletes and clears kept; beyond it all starts over, and everything is read anew."""

log = structlog.get_logger()


class Reader(Protocol):
    """`edge.api.history.History`. Raises Away, ArchiveUnavailable."""

    async def read(self, stream_id: str, wanted: Range) -> Comments | None:
        """Return a page of a stream."""

    async def extent(self, stream_id: str, epoch: str | None = None) -> Extent | None:
        """Return what there is of it."""

    async def histogram(self, stream_id: str, buckets: int, epoch: str | None = None) -> Histogram | None:
        """Count its comments over its time."""


class Takings(Protocol):
    """`edge.api.directory.Directory`. Raises Away."""

    async def tail(self, stream_id: str) -> tuple[Head | None, Taken]:
        """Return the window's end, and what was taken away within the last minute."""


class Gone(Protocol):
    """Who is told what was taken away."""

    def gone(self, deleted: frozenset[str], cleared: Mapping[str, int]) -> None:
        """Take it off the screen: comments by id; users' comments up to a time, ms since 1970."""

    def renew(self) -> None:
        """Drop what was read ahead."""


class Reel:
    """See the module. ``now``: seconds, monotonic."""

    def __init__(
        self, stream_id: str, extent: Extent, reader: Reader, takings: Takings, now: Callable[[], float]
    ) -> None:
        self.stream_id = stream_id
        self.extent = extent
        self._reader = reader
        self._takings = takings
        self.now = now
        self._chunks: OrderedDict[int, tuple[Chunk, float]] = OrderedDict()
        self._reads: dict[int, asyncio.Task[Chunk]] = {}
        self._deleted: set[str] = set()
        self._cleared: dict[str, int] = {}
        self._asked_at = now()
        self._poll: asyncio.Task[None] | None = None
        self.players: set[Gone] = set()

    @property
    def epoch(self) -> str:
        """The epoch that is played."""
        return self.extent.epoch

    @property
    def stale(self) -> bool:
        """Whether something may have been taken away that is not known here."""
        return self.now() - self._asked_at > STALE_SECONDS

    @property
    def taken(self) -> tuple[frozenset[str], Mapping[str, int]]:
        """What was taken away of late."""
        return frozenset(self._deleted), dict(self._cleared)

    def hidden(self, entry: Entry) -> bool:
        """Whether it was taken away after it was read."""
        return entry.id in self._deleted or entry.at <= self._cleared.get(entry.user_id, -1)

    def enter(self, player: Gone) -> None:
        """Tell a player from now on what is taken away."""
        if not self.players:
            # Nobody asked meanwhile: what is read from here on knows what was taken away before.
            self._chunks.clear()
            self._asked_at = self.now()
        self.players.add(player)
        if self._poll is None:
            self._poll = asyncio.create_task(self._ask(), name="replay-takings")

    def leave(self, player: Gone) -> None:
        """Tell it no more."""
        self.players.discard(player)

    async def stop(self) -> None:
        """End; nobody watches any more."""
        tasks: list[asyncio.Task[Any]] = [*self._reads.values()]
        await end([*tasks, *([self._poll] if self._poll is not None else [])])

    async def chunk(self, after: int) -> Chunk:
        """Return a chunk that has what follows ``after``; at the stream's end there may be nothing more.

        Raises Away, ArchiveUnavailable.
        """
        number = after // CHUNK_SEQS
        kept = self._chunks.get(number)
        if kept is not None and self.now() < kept[1]:
            self._chunks.move_to_end(number)
            return kept[0]
        task = self._reads.get(number)
        if task is None:
            task = self._reads[number] = asyncio.create_task(self._read(number), name="replay-read")
            task.add_done_callback(lambda done: self._done(number, done))
        return await asyncio.shield(task)  # who goes away takes nobody's answer with them

    async def after(self, position_ms: float, starts_at: int) -> int:
        """Return the number behind which a position's events begin. Raises Away, ArchiveUnavailable."""
        at = starts_at + max(0, int(position_ms))
        wanted = Range(limit=1, epoch=self.epoch, at=at, comments_only=False)
        found = await self._reader.read(self.stream_id, wanted)
        return found.from_seq - 1 if found is not None else self.extent.last_seq

    async def pinned(self, seq: int) -> Entry | None:
        """Return what was pinned at a number, as far as some chunks before it show."""
        last = seq // CHUNK_SEQS
        numbers = range(max(0, last - PIN_CHUNKS + 1), last + 1)
        chunks = await asyncio.gather(*(self.chunk(number * CHUNK_SEQS) for number in numbers))
        found = pinned(entry for chunk in chunks for entry in chunk.entries if entry.seq <= seq)
        return None if found is None or self.hidden(found) else found

    async def histogram(self, buckets: int) -> Histogram | None:
        """Count its comments over its time. Raises ArchiveUnavailable."""
        return await self._reader.histogram(self.stream_id, buckets, self.epoch)

    async def _read(self, number: int) -> Chunk:
        after, upto = number * CHUNK_SEQS, (number + 1) * CHUNK_SEQS
        wanted = Range(after + 1, upto, CHUNK_SEQS, self.epoch, comments_only=False)
        found = await self._reader.read(self.stream_id, wanted)
        if found is None:
            raise ArchiveUnavailable(f"the archive has nothing of epoch {self.epoch} any more")
        chunk = chunk_of(after, found.to_seq, found.events)
        if found.events and found.events[-1]["at"] > self.extent.ends_at:
            self.extent = replace(self.extent, last_seq=found.to_seq, ends_at=found.events[-1]["at"])
        seconds = CHUNK_SECONDS if chunk.upto == upto else END_SECONDS
        self._chunks[number] = chunk, self.now() + seconds
        self._chunks.move_to_end(number)
        if len(self._chunks) > CHUNKS_MAX:
            self._chunks.popitem(last=False)
        return chunk

    def _done(self, number: int, task: "asyncio.Task[Chunk]") -> None:
        del self._reads[number]
        if not task.cancelled():
            task.exception()  # seen, even where nobody waits any more

    async def _ask(self) -> None:
        while True:
            if self.players:
                try:
                    _, taken = await self._takings.tail(self.stream_id)
                    self._take(taken)
                except Away:
                    pass  # it was logged; players see that this is stale
                except Exception as error:  # noqa: BLE001 - what is not known is not shown
                    log.error("cannot ask what was taken away", **fault(error))  # noqa: TRY400
            await asyncio.sleep(POLL_SECONDS)

    def _take(self, taken: Taken) -> None:
        was_stale, self._asked_at = self.stale, self.now()
        deleted = taken.deleted - self._deleted
        cleared = {user: at for user, at in taken.cleared.items() if at > self._cleared.get(user, -1)}
        if len(self._deleted) + len(self._cleared) > TAKEN_MAX:
            self._deleted.clear()
            self._cleared.clear()
            was_stale = True
        self._deleted |= taken.deleted
        self._cleared |= cleared
        if was_stale:
            self._chunks.clear()
        for player in list(self.players):
            if was_stale:
                player.renew()
            if deleted or cleared:
                player.gone(deleted, cleared)
