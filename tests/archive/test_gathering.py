"""Writes that wait are made together, and each caller learns what became of its own."""

import asyncio
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.archive import ArchiveUnavailable
from schemas.archive.gathering import EVENTS_MAX, Gathering
from schemas.records import Sequenced
from tests.archive.events import comment, segment

LIMIT_SECONDS = 10.0


class Store:
    """Notes each commit, and waits at a gate before it."""

    def __init__(self) -> None:
        self.commits: list[int] = []
        self.gate = threading.Event()
        self.error: Exception | None = None

    def commit(self, segments: Sequence[Sequenced]) -> None:
        assert self.gate.wait(LIMIT_SECONDS)
        self.commits.append(len(segments))
        if self.error is not None:
            raise self.error


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


async def test_what_waits_goes_together(executor: ThreadPoolExecutor) -> None:
    """While one commit is under way all others wait, and the next takes them at once."""
    store = Store()
    gathering = Gathering(store.commit, executor)
    one = segment("s", [comment(1)])
    first = asyncio.create_task(gathering.write([one]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    others = [asyncio.create_task(gathering.write([one, one])) for _ in range(5)]
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(first, *others)
    assert store.commits == [1, 10]


async def test_a_commit_is_bounded(executor: ThreadPoolExecutor) -> None:
    """What waits beyond the bound is left for the next commit; one write larger than it is taken whole."""
    store = Store()
    gathering = Gathering(store.commit, executor)
    large = [segment("s", [comment(seq) for seq in range(1, 1001)])] * (EVENTS_MAX // 1000 // 2)
    writes = [asyncio.create_task(gathering.write(large)) for _ in range(5)]
    writes.append(asyncio.create_task(gathering.write(large * 3)))
    await asyncio.sleep(0)
    store.gate.set()
    await asyncio.gather(*writes)
    assert store.commits == [20, 20, 40]


async def test_an_error_reaches_every_caller_and_the_next_write_is_tried(
    executor: ThreadPoolExecutor,
) -> None:
    """A failed commit fails the writes in it alone."""
    store = Store()
    store.gate.set()
    gathering = Gathering(store.commit, executor)
    store.error = ArchiveUnavailable("away")
    one = [segment("s", [comment(1)])]
    results = await asyncio.gather(*(gathering.write(one) for _ in range(3)), return_exceptions=True)
    assert results == [store.error] * 3
    store.error = None
    await gathering.write(one)


async def test_a_cancelled_caller_harms_nobody(executor: ThreadPoolExecutor) -> None:
    """A caller that no longer waits is passed over; those beside it get their answer."""
    store = Store()
    gathering = Gathering(store.commit, executor)
    writes = [asyncio.create_task(gathering.write([segment("s", [comment(1)])])) for _ in range(3)]
    await asyncio.sleep(0)
    writes[1].cancel()
    await asyncio.gather(writes[1], return_exceptions=True)
    store.gate.set()
    await asyncio.gather(writes[0], writes[2])
    await gathering.finish()
