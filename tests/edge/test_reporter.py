"""Reports and taps on their way to Kafka: where they go, and what becomes of them when it is away."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError

from edge import reporter as module
from edge.presence import Presence
from edge.reporter import Reporter
from edge.stats import Stats
from edge.taps import Taps
from schemas.codec import codec
from schemas.routing import partition_of
from schemas.settings import Kafka, Reactions, Settings
from tests.edge.fakes import until


class FakeProducer:
    """Takes records, or is away. One for all: ``sent`` is what any of them took."""

    sent: list[tuple[str, bytes, bytes, int]]
    away: bool
    silent: bool

    def __init__(self, **_: Any) -> None: ...

    async def start(self) -> None:
        if self.away:
            raise KafkaConnectionError

    async def stop(self) -> None: ...

    async def send(self, topic: str, value: bytes, key: bytes, partition: int) -> asyncio.Future[None]:
        self.sent.append((topic, value, key, partition))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self.silent:
            future.set_result(None)
        return future


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> type[FakeProducer]:
    FakeProducer.sent, FakeProducer.away, FakeProducer.silent = [], False, False
    monkeypatch.setattr(module, "AIOKafkaProducer", FakeProducer)
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.005)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    return FakeProducer


class Here:
    """A reporter and what it reports of."""

    def __init__(self) -> None:
        self.settings = Settings(kafka=Kafka(partitions=16), reactions=Reactions(window_ms=50))
        self.stats = Stats()
        self.presence = Presence("edge-1", "0198", self.stats, lambda: 1.0)
        self.taps = Taps("edge-1", "0198", ("❤",), 10)
        self.reporter = Reporter(self.settings, self.presence, self.taps, self.stats)


async def test_reports_go_to_the_streams_partition(kafka: type[FakeProducer]) -> None:
    """Key and partition are the stream's, so that `sample` hears of a stream where it samples it."""
    here = Here()
    here.reporter.start()
    here.presence.watch("s", 7, ["u"], 1.0, sampled=False)
    await until(lambda: here.stats.reports == 1)
    topic, value, key, partition = kafka.sent[0]
    assert (topic, key, partition) == ("stream.health", b"s", partition_of("s", 16))
    assert codec("health").decode(value)["viewers"] == 7
    await here.reporter.stop()


async def test_taps_leave_once_a_window(kafka: type[FakeProducer]) -> None:
    """One record a stream, however many taps."""
    here = Here()
    here.reporter.start()
    for user in range(100):
        here.taps.tap("s", "❤", f"u{user}", 0.0)
    await until(lambda: kafka.sent)
    ((topic, value, _, _),) = kafka.sent
    assert topic == "stream.reactions"
    assert codec("reaction").decode(value)["counts"] == {"❤": 100}
    await here.reporter.stop()


async def test_an_edge_that_stops_says_that_nobody_is_here(kafka: type[FakeProducer]) -> None:
    """Its viewers are not counted for another 15 s."""
    here = Here()
    here.reporter.start()
    here.presence.watch("s", 7, ["u"], 1.0, sampled=False)
    await until(lambda: here.stats.reports == 1)
    await here.reporter.stop()
    assert [codec("health").decode(value)["viewers"] for _, value, _, _ in kafka.sent] == [7, 0]


async def test_while_kafka_is_away_reports_are_lost_and_counted(kafka: type[FakeProducer]) -> None:
    """Nothing is kept for later: the next report says all. When it is back, reports go on."""
    kafka.away = True
    here = Here()
    here.reporter.start()
    here.presence.watch("s", 7, ["u"], 1.0, sampled=False)
    await until(lambda: here.stats.reports_lost == 1)
    kafka.away = False
    await until(lambda: here.reporter._producer is not None)
    here.presence.watch("s", 8, ["u"], 9.0, sampled=False)
    await until(lambda: here.stats.reports == 1)
    assert codec("health").decode(kafka.sent[-1][1])["viewers"] == 8
    await here.reporter.stop()


async def test_what_is_on_the_way_is_bounded(
    kafka: type[FakeProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Kafka that takes records and answers none does not fill the memory."""
    monkeypatch.setattr(module, "ON_THE_WAY_MAX", 5)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    kafka.silent = True
    here = Here()
    here.reporter.start()
    await until(lambda: here.reporter._producer is not None)
    for n in range(9):
        here.presence.watch(f"s{n}", 1, ["u"], 1.0, sampled=False)
    await until(lambda: here.stats.reports_lost == 4)
    assert len(kafka.sent) == 5
    await here.reporter.stop()
