"""Whether an agent gets on: how far behind it is, and whether it stands still with work to do.

A consumer may die without a word (Faust's issues #523 #532 #594 speak of agents that stop after days), and
a worker that looks alive and does nothing is worse than one that ends: after a minute without progress it is
unhealthy, after two it ends, and a supervisor starts a clean one. Waiting for a store that is away is no
standstill.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

LOOK_SECONDS = 5.0
UNHEALTHY_SECONDS = 60.0
STALLED_SECONDS_MAX = 120.0

log = structlog.get_logger()


class StalledError(Exception):
    """A partition has records to process and gets nowhere. A clean process does better."""


class Moving(Protocol):
    """A runner, as far as it is watched."""

    processed: int
    away: bool
    """Whether it waits for a store."""

    @property
    def waiting(self) -> int:
        """Records taken and not acknowledged yet."""


@dataclass(slots=True)
class Progress:
    """Partition → what was last seen of it. Pure; ``now`` in seconds, monotonic."""

    lag: dict[int, int] = field(default_factory=dict)
    """Records in the log that are not acknowledged."""
    _marks: dict[int, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def see(self, partition: int, runner: Moving, position: int, end: int, now: float) -> None:
        """Take note of where a partition stands. ``position``: the next offset to be fetched."""
        self.lag[partition] = max(0, end - position) + runner.waiting
        mark = (position, runner.processed)
        known = self._marks.get(partition)
        if known is None or known[0] != mark or not self.lag[partition] or runner.away:
            self._marks[partition] = (mark, now)

    def keep(self, partitions: Mapping[int, Moving]) -> None:
        """Forget partitions that others have now."""
        for partition in set(self.lag) - set(partitions):
            del self.lag[partition]
            self._marks.pop(partition, None)

    def still_seconds(self, now: float) -> float:
        """Return how long the slowest partition has had work and done none."""
        return max((now - since for _, since in self._marks.values()), default=0.0)


Position = Callable[[int], Awaitable[int | None]]
"""Partition → an offset; None: not known now."""


async def watch(
    name: str,
    progress: Progress,
    runners: Callable[[], Mapping[int, Moving]],
    position: Position,
    end: Position,
) -> None:
    """Look every few seconds; StalledError when a partition stands still for too long.

    ``position``: the next offset that will be fetched. ``end``: of the log.
    """
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        found = dict(runners())
        progress.keep(found)
        for partition, runner in found.items():
            at, last = await position(partition), await end(partition)
            if at is not None and last is not None:
                progress.see(partition, runner, at, last, loop.time())
        still = progress.still_seconds(loop.time())
        if still > STALLED_SECONDS_MAX:
            raise StalledError(
                f"{name}: no progress for {still:.0f} s with {sum(progress.lag.values())} waiting"
            )
