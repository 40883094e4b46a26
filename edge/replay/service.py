"""All replays of an edge: how many there may be, and what is read for them.

Nothing is opened before somebody wants a replay: an edge needs no archive to serve what is live.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from redis.asyncio import Redis

from edge.api.directory import Directory
from edge.api.freshness import Freshness
from edge.api.history import History, Window
from edge.api.shelf import Shelf
from edge.replay.player import Player
from edge.replay.reel import Reader, Reel, Takings
from schemas.archive import Archive, ArchiveUnavailable, open_archive
from schemas.routing import partition_of
from schemas.settings import Settings

REPLAYS_MAX: Final = 2_000
"""At one edge process."""
OPEN_SECONDS: Final = 3.0
"""For the archive to be opened; an SDK gives up a subscribe after 5."""
LINGER_SECONDS: Final = 10.0
"""What was read of a stream is kept so long when nobody watches any more."""


class FullError(Exception):
    """There are as many replays at this edge as may be. Retry later, or elsewhere."""


class NothingError(Exception):
    """The client's fault: nothing is archived of what is asked for."""


class Library(Protocol):
    """Where replays come from."""

    @property
    def reader(self) -> Reader:
        """What is archived."""

    @property
    def takings(self) -> Takings:
        """What was taken away of late."""

    async def open(self) -> None:
        """Get ready. Raises ArchiveUnavailable, ArchiveError."""

    async def close(self) -> None:
        """Disconnect."""


@dataclass(slots=True)
class _Shown:
    reel: Reel
    users: int = 0
    closing: asyncio.TimerHandle | None = None


class Replays:
    """See the module. ``loop``: clock and timers."""

    def __init__(self, library: Library, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._library = library
        self._loop = loop or asyncio.get_running_loop()
        self._shown: dict[tuple[str, str], _Shown] = {}
        self._ending: set[asyncio.Future[None]] = set()
        self.count = 0
        """How many there are."""

    async def open(self, stream_id: str, epoch: str | None) -> Reel:
        """Return a stream's reel, for one more replay; `close` gives it back. ``epoch`` None: the newest.

        Raises FullError, NothingError, Away, ArchiveUnavailable, ArchiveError.
        """
        if self.count >= REPLAYS_MAX:
            raise FullError(f"this edge plays {REPLAYS_MAX} replays at most")
        self.count += 1
        try:
            await self._library.open()
            extent = await self._library.reader.extent(stream_id, epoch)
            if extent is None:
                what = f"the stream {stream_id}" + (f" in epoch {epoch}" if epoch is not None else "")
                raise NothingError(f"nothing is archived of {what}")
        except BaseException:
            self.count -= 1
            raise
        key = stream_id, extent.epoch
        shown = self._shown.get(key)
        if shown is None:
            reel = Reel(stream_id, extent, self._library.reader, self._library.takings, self._loop.time)
            shown = self._shown[key] = _Shown(reel)
        shown.reel.extent = extent
        shown.users += 1
        if shown.closing is not None:
            shown.closing.cancel()
            shown.closing = None
        return shown.reel

    def close(self, reel: Reel) -> None:
        """Give a reel back."""
        self.count -= 1
        key = reel.stream_id, reel.epoch
        shown = self._shown.get(key)
        if shown is None:
            return  # everything was ended already
        shown.users -= 1
        if not shown.users:
            shown.closing = self._loop.call_later(LINGER_SECONDS, self._drop, key)

    def ended(self, player: Player) -> None:
        """End a replay."""
        task = player.stop()
        if task is not None:
            self._keep(task)
        self.close(player.reel)

    async def stop(self) -> None:
        """End everything; the connections are gone already."""
        for key, shown in list(self._shown.items()):
            if shown.closing is not None:
                shown.closing.cancel()
            self._drop(key)
        if self._ending:
            await asyncio.wait(self._ending)
        await self._library.close()

    def _drop(self, key: tuple[str, str]) -> None:
        self._keep(asyncio.ensure_future(self._shown.pop(key).reel.stop()))

    def _keep(self, ending: "asyncio.Future[None]") -> None:
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


class StoredLibrary:
    """The archive and Redis, as the API reads them. ``window``: the edge's own reader of it."""

    def __init__(
        self,
        settings: Settings,
        redis: Redis,
        window: Window,
        now: Callable[[], float],
        archive_of: Callable[[Settings], Archive] = open_archive,
    ) -> None:
        partitions = settings.kafka.partitions
        self._settings = settings
        self._archive_of = archive_of
        self._shelf: Shelf | None = None
        self._opening: asyncio.Task[Shelf] | None = None
        self._freshness = Freshness(settings.kafka, now)
        self.takings = Directory(redis, partitions)

        def stale(stream_id: str) -> bool:
            return self._freshness.stale(partition_of(stream_id, partitions))

        self.reader = History(self._archive, self.takings, window, stale)

    async def open(self) -> None:
        """Open the archive, and begin to see whether it gets on; the first time, that is."""
        if self._opening is None:
            self._opening = asyncio.create_task(self._begin(), name="replay-library")
        shelf = await asyncio.shield(self._opening)
        await shelf.opened(OPEN_SECONDS)

    async def close(self) -> None:
        """Close it, if it was opened."""
        if self._opening is not None:
            await asyncio.wait([self._opening])
        if self._shelf is not None:
            await self._freshness.stop()
            await self._shelf.close()

    async def _begin(self) -> Shelf:
        # A store's driver is imported now, which is slow: viewers of what is live are not to wait for that.
        self._shelf = Shelf(await asyncio.to_thread(self._archive_of, self._settings))
        await self._freshness.start()
        return self._shelf

    def _archive(self) -> Archive:
        if self._shelf is None:
            raise ArchiveUnavailable("the archive is not open")
        return self._shelf.archive()
