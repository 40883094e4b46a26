"""Reading partitions of a topic: where it begins, what is told, staleness, brokers that go and come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge.feed import cursor as cursor_module
from edge.feed import reader as module
from edge.feed.kafka import KafkaFeed
from edge.feed.notices import SERVED_SECONDS, NoticeFeed
from edge.feed.reader import LEAD_SECONDS
from edge.stats import Stats
from schemas.codec import codec
from schemas.settings import Kafka
from tests.edge.fakes import AT, comments, until
from tests.edge.feed.fake_kafka import Broker

NOW = AT / 1000 + 1_000
FOREVER = float("-inf")


class Seen:
    """A sink that keeps what it is told."""

    def __init__(self) -> None:
        self.segments: list[tuple[int, int, int]] = []
        self.lost_places: list[Any] = []
        self.states: list[tuple[Any, bool]] = []
        self.notices: list[tuple[int, str, bool]] = []

    def segment(self, place: Any, record: Any, appended_ms: int | None = None) -> None:
        self.segments.append((place, record["from_seq"], record["to_seq"]))

    def lost(self, place: Any) -> None:
        self.lost_places.append(place)

    def behind(self, place: Any, *, stale: bool) -> None:
        self.states.append((place, stale))

    def notice(self, partition: int, offset: int, notice: Any, *, served: bool) -> None:
        self.notices.append((offset, notice["id"], served))

    def notices_lost(self, partition: int) -> None:
        self.lost_places.append(partition)


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(module, "AIOKafkaConsumer", made.consumer)
    monkeypatch.setattr(module, "ASK_SECONDS", 0.3)
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(module, "WATCH_SECONDS", 0.01)
    monkeypatch.setattr(cursor_module, "STALE_SECONDS", 0.5)
    return made


def write(
    broker: Broker, first: int, *, ago: float, token: int = 0, claim: str = "", partition: int = 1
) -> int:
    """Append a segment that was written ``ago`` seconds before now."""
    record = comments(first, first) | {"token": token, "claim": claim}
    if claim:
        record |= {"stream_id": "", "events": []}
    return broker.append(partition, codec("fanout").encode(record), int((NOW - ago) * 1000))


@asynccontextmanager
async def feeding(seen: Seen, *, clock: float = 0.0, served: int = 60) -> AsyncIterator[KafkaFeed]:
    """Run a feed whose clock is ``clock`` seconds wrong."""
    feed = KafkaFeed(Kafka(partitions=4), served, Stats(), wall=lambda: NOW + clock)
    await feed.start(seen)
    try:
        yield feed
    finally:
        await feed.stop()


async def test_reading_begins_a_little_before_what_is_served(broker: Broker) -> None:
    """The minute before only shows which writer is the present one."""
    for number, ago in enumerate((500, 130, 110, 90, 50, 10), 1):
        write(broker, number, ago=ago)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        assert seen.segments == [(1, 4, 5), (1, 5, 6)]
        assert broker.reads == [2, 3, 4, 5]
        write(broker, 7, ago=0)
        await until(lambda: len(seen.segments) == 3)


@pytest.mark.parametrize("clock", [-3_600, -30, 30, 3_600, 10**8])
async def test_a_wrong_clock_hides_nothing_that_comes(broker: Broker, clock: float) -> None:
    """It makes the past that is served longer or shorter; what is written from now on is told."""
    for number, ago in enumerate((500, 90, 10), 1):
        write(broker, number, ago=ago)
    seen = Seen()
    async with feeding(seen, clock=clock) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        before = len(seen.segments)
        write(broker, 4, ago=0)
        await until(lambda: len(seen.segments) == before + 1)
        assert seen.segments[-1] == (1, 3, 4)


async def test_replaced_writers_are_dropped(broker: Broker) -> None:
    """A claim in the lead fences its predecessor in what is served."""
    write(broker, 1, ago=100, token=-1)
    claim = write(broker, 0, ago=90, claim="w")
    write(broker, 2, ago=20, token=-1)
    write(broker, 3, ago=10, token=claim)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        assert seen.segments == [(1, 2, 3)]
        assert feed._stats.records_fenced == 1


async def test_what_cannot_be_decoded_is_passed_over(broker: Broker) -> None:
    """Poison takes nothing with it; it shows as a hole."""
    write(broker, 1, ago=10)
    broker.append(1, b"poison", int(NOW * 1000))
    broker.append(1, None, int(NOW * 1000))
    write(broker, 2, ago=0)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        assert [each[2] for each in seen.segments] == [1, 2]
        assert feed._stats.records_bad == 2


async def test_partitions_come_and_go(broker: Broker) -> None:
    """Only what is wanted is read; each goes on where it was when another comes or goes."""
    for partition in (1, 2):
        write(broker, 1, ago=10, partition=partition)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        feed.want(2)
        assert await feed.reach(2, FOREVER, 5)
        feed.release(1)
        write(broker, 2, ago=0, partition=2)
        await until(lambda: (2, 1, 2) in seen.segments)
        assert seen.segments == [(1, 0, 1), (2, 0, 1), (2, 1, 2)]
        assert {at.partition for at in broker.consumers[-1].assigned} == {2}
        feed.release(2)
        await until(lambda: not broker.consumers[-1].assigned)
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        assert seen.segments[-1] == (1, 0, 1)


async def test_reach_waits_for_the_end_of_its_own_time(broker: Broker) -> None:
    """What was in the log when it was asked is told when it returns."""
    write(broker, 1, ago=10)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        for number in range(2, 50):
            write(broker, number, ago=0)
        assert await feed.reach(1, asyncio.get_running_loop().time(), 5)
        assert seen.segments[-1] == (1, 48, 49)


async def test_a_silent_broker_is_told_of_in_time_and_waited_out(broker: Broker) -> None:
    """Stale while it does not answer, up to date when it does; nothing is missed or told twice."""
    write(broker, 1, ago=10)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        started = asyncio.get_running_loop().time()
        broker.away = True
        await until(lambda: seen.states == [(1, True)])
        assert asyncio.get_running_loop().time() - started < 2
        assert not await feed.reach(1, asyncio.get_running_loop().time(), 0.05)
        write(broker, 2, ago=0)
        broker.away = False
        await until(lambda: seen.states == [(1, True), (1, False)])
        assert seen.segments == [(1, 0, 1), (1, 1, 2)]


async def test_staleness_is_told_while_a_connection_is_being_made(broker: Broker) -> None:
    """A new partition's question fails, the consumer is replaced, its start hangs: viewers hear of it."""
    write(broker, 1, ago=10)
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        broker.away = True
        feed.want(2)
        await until(lambda: len(broker.consumers) == 2)
        await until(lambda: (1, True) in seen.states)
        assert not feed.ready
        broker.away = False
        await until(lambda: (1, False) in seen.states)
        assert await feed.reach(2, FOREVER, 5)
        assert seen.segments == [(1, 0, 1)]


async def test_a_refusing_broker_is_asked_again(broker: Broker) -> None:
    """For ever, with pauses."""
    broker.refusing = True
    seen = Seen()
    async with feeding(seen) as feed:
        feed.want(1)
        await until(lambda: len(broker.consumers) >= 3)
        write(broker, 1, ago=0)
        broker.refusing = False
        assert await feed.reach(1, FOREVER, 5)
        assert feed._stats.feed_restarts >= 2
        assert seen.segments == [(1, 0, 1)]


async def test_a_position_that_the_log_no_longer_has_is_begun_anew(broker: Broker) -> None:
    """Its viewers are told, and reading goes on with what there is; other partitions notice nothing."""
    for partition in (1, 2):
        write(broker, 1, ago=10, partition=partition)
    seen = Seen()
    async with feeding(seen) as feed:
        for partition in (1, 2):
            feed.want(partition)
            assert await feed.reach(partition, FOREVER, 5)
        broker.away = True
        for number in range(2, 6):
            write(broker, number, ago=0)
        broker.cut(1, 4)
        broker.away = False
        await until(lambda: seen.lost_places == [1])
        assert await feed.reach(1, FOREVER, 5)
        assert seen.segments == [(1, 0, 1), (2, 0, 1), (1, 4, 5)]


async def test_a_fault_of_ours_ends_the_task(broker: Broker) -> None:
    """What cannot be shown is no reason to go on silently: the process ends, and is started again."""
    write(broker, 1, ago=0)
    seen = Seen()
    seen.segment = None  # type: ignore[method-assign,assignment]
    async with feeding(seen) as feed:
        feed.want(1)
        await until(feed.tasks[0].done)
        with pytest.raises(TypeError):
            feed.tasks[0].result()
        feed._tasks.pop(0)


async def test_notices_are_served_as_long_as_they_are_kept(broker: Broker) -> None:
    """Older ones only show repeats; offsets and the beginning of what is served are known."""

    def put(id_: str, ago: float) -> None:
        notice = {"stream_id": "s", "user_id": "u", "id": id_, "code": 1001, "reason": "no", "at": 0}
        value = codec("notice").encode(notice | {"origin": {"offset": 0, "index": 0}})
        broker.append(1, value, int((NOW - ago) * 1000))

    put("older", SERVED_SECONDS + LEAD_SECONDS + 60)
    put("lead", SERVED_SECONDS + 10)
    put("one", SERVED_SECONDS - 10)
    put("two", 5)
    feed, seen = NoticeFeed(Kafka(partitions=4), Stats(), wall=lambda: NOW), Seen()
    await feed.start(seen)
    try:
        feed.want(1)
        assert await feed.reach(1, FOREVER, 5)
        assert seen.notices == [(1, "lead", False), (2, "one", True), (3, "two", True)]
        assert (feed.start_of(1), feed.next_of(1)) == (2, 4)
        assert (feed.start_of(2), feed.next_of(2)) == (0, 0)
    finally:
        await feed.stop()
