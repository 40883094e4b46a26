"""The consumer between Faust and aiokafka: what it does about their pauses and their tasks."""

import asyncio
import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from agents import faustapp
from agents.consumer import BUSY_RECORDS_MIN, BUSY_WAIT_SECONDS, IDLE_WAIT_SECONDS
from schemas.settings import Settings

FULL, OTHER = TP("comments.ingested", 0), TP("moderation.policy", 0)
LIMIT_SECONDS = 10


async def nobody(*_: Any) -> None:
    """Is told."""


@pytest.fixture
async def consumer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Make a consumer as Faust does, never started; ``asked`` holds its questions."""
    app = faustapp.make_app("moderate", Settings(data=tmp_path))
    app.transport.loop = asyncio.get_running_loop()
    made = app.transport.create_consumer(nobody, on_partitions_revoked=nobody, on_partitions_assigned=nobody)
    made._thread._consumer = SimpleNamespace(_fetcher=SimpleNamespace(_fetch_max_wait_ms=1500))
    made._active_partitions = {FULL, OTHER}
    made.flow_active = True
    made.asked, made.answer = [], {}

    async def getmany(active_partitions: set[TP], **kwargs: float) -> dict[TP, list[int]]:
        made.asked.append((set(active_partitions), kwargs["timeout"]))
        return made.answer

    async def sleep(_: float) -> None:
        raise AssertionError("slept")

    monkeypatch.setattr(made, "_getmany", getmany)
    monkeypatch.setattr(made, "sleep", sleep)
    monkeypatch.setattr(driver.Consumer, "_get_active_partitions", lambda self: self._active_partitions)
    return made


def wait_ms(consumer: Any) -> int:
    """Return what the fetcher asks with."""
    return int(consumer._thread._consumer._fetcher._fetch_max_wait_ms)


async def test_it_does_not_sleep_when_every_buffer_is_full(consumer: Any) -> None:
    """As soon as one has room again its partition is asked for."""
    consumer._active_partitions = {FULL}
    consumer.on_buffer_full(FULL)
    waiting = asyncio.create_task(consumer._wait_next_records(1.0))
    await asyncio.sleep(0)
    assert consumer.asked == []
    consumer.on_buffer_drop(FULL)
    await asyncio.wait_for(waiting, LIMIT_SECONDS)
    assert consumer.asked == [({FULL}, BUSY_WAIT_SECONDS)]


async def test_it_asks_for_others_only_briefly_while_a_buffer_is_full(consumer: Any) -> None:
    """The full one may have room any moment."""
    consumer.on_buffer_full(FULL)
    await consumer._wait_next_records(1.0)
    assert consumer.asked == [({OTHER}, BUSY_WAIT_SECONDS)]
    assert wait_ms(consumer) == round(1000 * BUSY_WAIT_SECONDS)


async def test_the_broker_keeps_questions_only_while_little_comes(consumer: Any) -> None:
    """A large answer makes the next questions short, until none came for a while."""
    await consumer._wait_next_records(1.0)
    assert wait_ms(consumer) == round(1000 * IDLE_WAIT_SECONDS)
    consumer.answer = {FULL: list(range(BUSY_RECORDS_MIN))}
    await consumer._wait_next_records(1.0)
    # Handing them on took longer than a consumer stays busy.
    consumer._busy_until = 0.0
    consumer.answer = {}
    await consumer._wait_next_records(1.0)
    assert wait_ms(consumer) == round(1000 * BUSY_WAIT_SECONDS)
    consumer._busy_until = 0.0
    await consumer._wait_next_records(1.0)
    assert wait_ms(consumer) == round(1000 * IDLE_WAIT_SECONDS)


def test_aiokafka_still_asks_with_what_is_set() -> None:
    """The attribute is not public: another version may name it otherwise."""
    assert "self._fetch_max_wait_ms" in inspect.getsource(Fetcher._get_actions_per_node)


async def test_what_need_not_wait_is_done_without_a_task(consumer: Any) -> None:
    """The result is there before the loop turns."""

    async def at_once() -> str:
        return "done"

    waiting = consumer.wait_first(at_once(), asyncio.Event().wait())
    with pytest.raises(StopIteration) as stopped:
        waiting.send(None)
    assert stopped.value.value.results == ["done"]


async def test_what_waits_goes_on_where_it_was(consumer: Any) -> None:
    """Begun once, continued by Faust: results, errors and whoever comes first are as they would be."""
    steps, gate = [], asyncio.Event()

    async def two_steps(*, fails: bool) -> str:
        steps.append("begun")
        await gate.wait()
        await asyncio.sleep(0)
        if fails:
            raise LookupError("in it")
        return "done"

    async def soon() -> str:
        await asyncio.sleep(0)
        return "soon"

    never = asyncio.Event()
    other = await consumer.wait_first(two_steps(fails=False), soon())
    assert other.results == ["soon"]
    waiting = asyncio.create_task(consumer.wait_first(two_steps(fails=False), never.wait()))
    failing = asyncio.create_task(consumer.wait_first(two_steps(fails=True), never.wait()))
    await asyncio.sleep(0)
    gate.set()
    assert (await waiting).results == ["done"]
    with pytest.raises(LookupError):
        await failing
    assert steps == ["begun"] * 3


async def test_its_thread_is_a_task_of_the_same_loop(consumer: Any) -> None:
    """A question is a call, with no other loop to go to; what stops leaves the loop's other tasks alone."""
    thread, bystander = consumer._thread, asyncio.create_task(asyncio.sleep(LIMIT_SECONDS))

    async def answer(number: int) -> int:
        assert asyncio.get_running_loop() is consumer.loop
        return number

    assert thread.thread_loop is asyncio.get_running_loop()
    assert await thread.call_thread(answer, 5) == 5
    await thread._gather_remaining_tasks()
    assert not bystander.done()
    bystander.cancel()


class Row:
    """What aiokafka gives for a record."""

    def __init__(self, offset: int) -> None:
        self.offset, self.timestamp, self.timestamp_type = offset, 1_795_490_000_000 + offset, 1
        self.key, self.value, self.serialized_value_size = None, b"x", 1


async def test_an_event_is_what_an_answer_holds_of_a_partition(consumer: Any) -> None:
    """The records in order, the last one's offset; of partitions that are wanted."""
    other = TP("comments.ingested", 7)
    consumer.answer = {FULL: [Row(5), Row(6), Row(8)], other: [Row(1)], OTHER: []}
    (event,) = [found async for found in consumer.getmany(1.0)]
    tp, message = event
    assert (tp, message.offset, [row.offset for row in message.value]) == (FULL, 8, [5, 6, 8])
    assert message.generation_id == consumer.app.consumer_generation_id
    assert not message.acked


async def test_nothing_is_handed_on_once_a_rebalance_has_begun(consumer: Any) -> None:
    """What was fetched is read again from what is committed."""
    consumer.answer = {FULL: [Row(5)], OTHER: [Row(1)]}
    answers = consumer.getmany(1.0)
    assert (await anext(answers))[0] == FULL
    consumer.app.consumer_generation_id += 1
    assert [found async for found in answers] == []


async def test_what_is_decided_is_committed_and_nothing_else(consumer: Any) -> None:
    """Part of an event, or of several; an event that is done says nothing by itself."""
    consumer.answer = {FULL: [Row(5), Row(6)]}
    [(_, message)] = [found async for found in consumer.getmany(1.0)]
    consumer._committed_offset[FULL] = 5
    consumer._unacked_messages.add(message)
    assert consumer.ack(message)
    assert not consumer._unacked_messages
    assert list(consumer._filter_tps_with_pending_acks()) == []
    consumer.decide(FULL, 6)
    consumer.decide(OTHER, 1)
    assert list(consumer._filter_tps_with_pending_acks([FULL])) == [FULL]
    assert consumer._filter_committable_offsets([FULL, OTHER]) == {FULL: 6, OTHER: 1}
    consumer._committed_offset[FULL] = 6
    assert consumer._filter_committable_offsets([FULL, OTHER]) == {OTHER: 1}


async def test_a_partition_that_is_given_up_leaves_nothing_behind(consumer: Any) -> None:
    """Not that its inbox was full, nor how far it was decided."""
    consumer.on_buffer_full(FULL)
    consumer.decide(FULL, 6)
    await consumer.on_partitions_revoked({FULL})
    consumer.on_buffer_drop(FULL)
    assert FULL not in consumer._active_partitions
    assert list(consumer._filter_tps_with_pending_acks()) == []
