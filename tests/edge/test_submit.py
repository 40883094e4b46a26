"""The rim to Kafka: what is durable, what is not known, and producers that break."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
)

from edge import submit as module
from edge.submit import SubmitError, Submitter
from schemas.settings import Kafka, Settings
from tests.edge.fakes import until


class Broker:
    """What the producers of a test meet."""

    def __init__(self) -> None:
        self.partitions = 4
        self.refusing = False
        self.hanging = False
        self.error: Exception | None = None
        self.answers: list[asyncio.Future[None]] = []
        self.held = False
        self.producers: list[Producer] = []
        self.sent: list[tuple[str, int, bytes]] = []

    def producer(self, **settings: Any) -> "Producer":
        assert settings["enable_idempotence"] is True
        assert settings["acks"] == "all"
        self.producers.append(Producer(self))
        return self.producers[-1]


class Producer:
    """One producer of aiokafka, as far as it is used."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self.stopped = False
        self._sender = self
        self.sender_task: Any = None
        self._message_accumulator = self
        self.failed = False

    async def start(self) -> None:
        if self._broker.refusing:
            raise KafkaConnectionError("refused")

    async def stop(self) -> None:
        self.stopped = True
        while self._broker.hanging and not self.failed:
            await asyncio.sleep(0.001)

    def fail_all(self, error: Exception) -> None:
        self.failed = True

    async def partitions_for(self, topic: str) -> set[int]:
        return set(range(self._broker.partitions))

    async def send(
        self, topic: str, value: bytes, *, key: bytes | None = None, partition: int
    ) -> "asyncio.Future[None]":
        self._broker.sent.append((topic, partition, value))
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._broker.error is not None:
            answer.set_exception(self._broker.error)
        elif not self._broker.held:
            answer.set_result(None)
        self._broker.answers.append(answer)
        return answer


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(module, "AIOKafkaProducer", made.producer)
    monkeypatch.setattr(module, "RETRY_SECONDS_FIRST", 0.01)
    monkeypatch.setattr(module, "STOP_SECONDS", 0.1)
    return made


@asynccontextmanager
async def submitting() -> AsyncIterator[tuple[Submitter, list[bool]]]:
    ready: list[bool] = []
    submitter = Submitter(Settings(kafka=Kafka(partitions=4)), lambda: ready.append(True))
    await submitter.start()
    try:
        yield submitter, ready
    finally:
        await submitter.stop()


async def test_durable_when_acknowledged(broker: Broker) -> None:
    """Not before Kafka has said so; and the gateway is told when it may begin."""
    async with submitting() as (submitter, ready):
        await until(lambda: submitter.ready)
        assert ready == [True]
        broker.held = True
        task = asyncio.create_task(submitter.send(2, b"x"))
        await until(lambda: len(broker.answers) == 1)
        assert not task.done()
        broker.answers[0].set_result(None)
        await task
        assert broker.sent == [("comments.submitted", 2, b"x")]


@pytest.mark.parametrize(
    ("error", "replaced"),
    [
        (RequestTimedOutError(), False),
        (KafkaConnectionError(), False),
        (KafkaTimeoutError(), True),
        (OutOfOrderSequenceNumber(), True),
        (ConnectionResetError(), True),
        (AssertionError(), True),
    ],
)
async def test_what_is_not_confirmed_is_unknown(broker: Broker, error: Exception, replaced: bool) -> None:
    """Whatever it was; a producer that cannot go on is replaced, one that may is kept."""
    async with submitting() as (submitter, ready):
        await until(lambda: submitter.ready)
        broker.error = error
        with pytest.raises(SubmitError):
            await submitter.send(0, b"x")
        broker.error = None
        await until(lambda: len(ready) == 1 + replaced and submitter.ready)
        assert len(broker.producers) == 1 + replaced
        await submitter.send(0, b"y")


async def test_kafka_away_at_the_start_is_waited_for(broker: Broker) -> None:
    """For ever; what is sent meanwhile is refused at once."""
    broker.refusing = True
    async with submitting() as (submitter, _):
        await until(lambda: len(broker.producers) > 3)
        with pytest.raises(SubmitError):
            await submitter.send(0, b"x")
        broker.refusing = False
        await until(lambda: submitter.ready)


async def test_another_partition_count_is_no_kafka_of_ours(broker: Broker) -> None:
    """A comment in the wrong partition would break its stream's order."""
    broker.partitions = 8
    async with submitting() as (submitter, _):
        await until(lambda: len(broker.producers) > 1)
        assert not submitter.ready
        broker.partitions = 4
        await until(lambda: submitter.ready)


async def test_stopping_does_not_wait_for_ever(broker: Broker) -> None:
    """A producer that waits for Kafka is given up, and what it held is failed."""
    async with submitting() as (submitter, _):
        await until(lambda: submitter.ready)
        broker.hanging = True
        started = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started < 2
    assert broker.producers[0].failed


async def test_a_record_is_given_up_before_it_lands_too_late(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its author may have sent again must not land minutes later, as another comment.

    Found by nemesis: a repeat that landed after the duplicate window was shown a second time.
    """
    monkeypatch.setattr(module, "GIVE_UP_SECONDS", 0.05)
    async with submitting() as (submitter, ready):
        await until(lambda: submitter.ready)
        broker.held = broker.hanging = True
        with pytest.raises(SubmitError, match="given up"):
            await submitter.send(0, b"x")
        await until(lambda: broker.producers[0].failed)
        broker.held = broker.hanging = False
        await until(lambda: len(ready) == 2 and submitter.ready)
        await submitter.send(0, b"y")
        assert [value for _, _, value in broker.sent] == [b"x", b"y"]


def test_what_is_given_up_is_gone_in_time() -> None:
    """Giving up and closing take less than the lateness that ids allow for."""
    assert module.GIVE_UP_SECONDS + module.STOP_SECONDS < module.LATE_SECONDS_MAX
