"""Writes that wait while one is under way are made together: group commit, for whichever store.

Nothing waits on an idle store, and under load each comment costs less.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

from schemas.records import Sequenced

EVENTS_MAX = 20_000
"""About what one commit takes; the rest waits for the next. Callers wait, so that they bound the queue."""


class Gathering:
    """Calls ``commit`` in ``executor``, one at a time, with all segments that wait."""

    def __init__(self, commit: Callable[[Sequence[Sequenced]], None], executor: Executor) -> None:
        self._commit = commit
        self._executor = executor
        self._waiting: list[tuple[Sequence[Sequenced], asyncio.Future[None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def write(self, segments: Sequence[Sequenced]) -> None:
        """Return when the segments are committed; raise what ``commit`` raised."""
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((segments, written))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())
        await written

    async def finish(self) -> None:
        """Wait until nothing waits."""
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            together = self._take()
            segments = [segment for each, _ in together for segment in each]
            error: BaseException | None = None
            try:
                await loop.run_in_executor(self._executor, self._commit, segments)
            except Exception as raised:  # noqa: BLE001 - every caller gets it
                error = raised
            for _, written in together:
                if written.done():  # its caller was cancelled
                    continue
                if error is None:
                    written.set_result(None)
                else:
                    written.set_exception(error)

    def _take(self) -> list[tuple[Sequence[Sequenced], asyncio.Future[None]]]:
        events = count = 0
        while count < len(self._waiting) and events < EVENTS_MAX:
            events += sum(len(segment["events"]) for segment in self._waiting[count][0])
            count += 1
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken
