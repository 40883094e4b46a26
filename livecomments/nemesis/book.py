"""Where everybody writes down what they did and saw; one file, one line a fact, at the moment it happens."""

import asyncio
import contextlib
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from livecomments.verify import facts as f
from livecomments.verify.files import to_line

TICK_SECONDS = 0.05
LATE_SECONDS = 0.1
"""A tick later than this is written down as a stall: what was received meanwhile has a late time."""


class Book:
    """Appends facts. Operations are numbered here."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._file = path.open("w", encoding="utf-8")
        self._ops = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @staticmethod
    def now() -> float:
        """Return the time of a fact."""
        return time.monotonic()

    def op(self) -> int:
        """Return a fresh number for an operation."""
        self._ops += 1
        return self._ops

    def write(self, fact: f.Fact) -> None:
        """Append one fact."""
        self.counts[type(fact).__name__.lower()] += 1
        if isinstance(fact, f.Receive):
            self.counts["events"] += len(fact.events)
        self._file.write(to_line(fact) + "\n")

    async def watch_stalls(self) -> None:
        """Write down when this process did not run, until cancelled."""
        while True:
            before = self.now()
            await asyncio.sleep(TICK_SECONDS)
            late = self.now() - before - TICK_SECONDS
            if late > LATE_SECONDS:
                self.write(f.Stall(before, late + TICK_SECONDS))

    def flush(self) -> None:
        """Bring what was written to the file."""
        with contextlib.suppress(ValueError):
            self._file.flush()
