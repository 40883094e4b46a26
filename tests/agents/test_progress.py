"""Whether an agent gets on."""

from dataclasses import dataclass

import pytest

from agents import progress
from agents.progress import Progress, StalledError, watch


@dataclass
class Runner:
    processed: int = 0
    waiting: int = 0
    away: bool = False


def test_lag_is_what_is_not_acknowledged() -> None:
    """What is in the log and not fetched, and what is fetched and not done."""
    seen = Progress()
    seen.see(3, Runner(waiting=2), position=10, end=15, now=0)
    assert seen.lag == {3: 7}


def test_only_a_partition_with_work_stands_still() -> None:
    """Idle, moving and waiting for a store are no standstill; work without progress is."""
    seen = Progress()
    for now in (0.0, 50.0, 100.0):
        seen.see(0, Runner(), position=5, end=5, now=now)
        seen.see(1, Runner(processed=int(now), waiting=1), position=5, end=9, now=now)
        seen.see(2, Runner(waiting=1, away=True), position=5, end=9, now=now)
    assert seen.still_seconds(100.0) == 0
    for now in (0.0, 50.0, 100.0):
        seen.see(3, Runner(processed=7, waiting=1), position=5, end=9, now=now)
    assert seen.still_seconds(100.0) == 100
    seen.see(3, Runner(processed=8, waiting=0), position=9, end=9, now=101)
    assert seen.still_seconds(101.0) <= 1


def test_partitions_of_others_are_forgotten() -> None:
    """What was given up does not count as standing still."""
    seen = Progress()
    seen.see(1, Runner(waiting=1), position=1, end=2, now=0)
    seen.keep({})
    assert seen.lag == {}
    assert seen.still_seconds(1000) == 0


async def test_a_standstill_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """A consumer that died without a word is noticed by what it does not do."""
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.001)
    monkeypatch.setattr(progress, "STALLED_SECONDS_MAX", 0.05)

    async def position(_: int) -> int:
        return 4

    async def end(_: int) -> int:
        return 9

    with pytest.raises(StalledError, match="no progress for"):
        await watch("moderate", Progress(), lambda: {0: Runner()}, position, end)
