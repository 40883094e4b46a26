"""The archive's place in the API: it may take long to open, and requests do not wait for that."""

import asyncio

from schemas.archive import Archive, ArchiveUnavailable

PROBE_STREAM = "readyz"
"""What readiness asks about; whether there is such a stream does not matter."""


class Shelf:
    """Opens the archive in the background. ``failed`` is done, with the error, when that cannot succeed."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._open = False
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening = asyncio.create_task(self._open_it(), name="archive-open")

    def archive(self) -> Archive:
        """Return it; raises ArchiveUnavailable until it is open."""
        if not self._open:
            raise ArchiveUnavailable("the archive is being opened")
        return self._archive

    async def opened(self, seconds: float) -> Archive:
        """Return it as soon as it is open; raises ArchiveUnavailable after ``seconds``.

        Raises ArchiveError, or whatever else went wrong.
        """
        await asyncio.wait([self._opening], timeout=seconds)
        if self.failed.done():
            self.failed.result()
        return self.archive()

    async def ready(self) -> bool:
        """Whether it answers."""
        await self.archive().end(PROBE_STREAM)
        return True

    async def close(self) -> None:
        """Give up opening, or close."""
        self._opening.cancel()
        await asyncio.wait([self._opening])
        self.failed.cancel()
        await self._archive.close()

    async def _open_it(self) -> None:
        try:
            await self._archive.open()
            self._open = True
        except Exception as error:  # noqa: BLE001 - whoever runs the process is told
            self.failed.set_exception(error)
