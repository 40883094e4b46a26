"""The order of a runner's writes, and how many steps it has on their way."""

import asyncio
from collections.abc import Sequence
from typing import Any

from agents.inbox import Inbox
from agents.log import Entry, Record, Span
from agents.moderate import ModerateStage
from agents.runner import STEPS_IN_FLIGHT_MAX, PartitionRunner
from agents.sequence import SequenceStage
from agents.testing import MemoryLog
from schemas.codec import codec
from schemas.filtering import WordList
from schemas.records import INDEX_END, NOTHING, Ingested, IngestedItem, Origin
from schemas.topics import INGESTED, MODERATED, NOTICES, SEQUENCED, SUBMITTED
from tests.agents.items import comment

EPOCH = "test-0"
TURNS = 500


class GatedLog(MemoryLog):
    """Appends to ``held`` wait, in order, until `release`; ``begun`` counts what was appended at all."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, list[tuple[asyncio.Future[Span], int, Sequence[Entry]]]] = {}
        self.begun: dict[str, int] = {}

    async def append(self, topic: str, partition: int, entries: Sequence[Entry]) -> asyncio.Future[Span]:
        self.begun[topic] = self.begun.get(topic, 0) + 1
        if topic not in self.held:
            return await super().append(topic, partition, entries)
        future: asyncio.Future[Span] = asyncio.get_running_loop().create_future()
        self.held[topic].append((future, partition, entries))
        return future

    def release(self, topic: str) -> None:
        """Let the oldest that waits be durable."""
        future, partition, entries = self.held[topic].pop(0)
        future.set_result(self.put(topic, partition, entries))


async def sequence(
    log: GatedLog, texts: Sequence[str], turn: asyncio.Lock | None = None
) -> tuple[PartitionRunner, list[int]]:
    """Moderate a comment a record, and put the records into a sequence runner that takes one at a time.

    Return it, and what it has acknowledged.
    """
    moderate = ModerateStage(WordList(("darn",)), EPOCH)
    state, after, acknowledged = moderate.open(0), NOTHING, list[int]()
    stage = SequenceStage(EPOCH, 120_000, 1)
    runner = PartitionRunner(
        stage,
        0,
        log=log,
        worker="w",
        merge_records_max=1,
        turn=turn,
        acknowledge=lambda end: acknowledged.append(end - 1),
    )
    for number, text in enumerate(texts):
        log.put(SUBMITTED.name, 0, [(None, b"")])
        item = IngestedItem(**comment("s", number, text=text), offset=number, index=0, at=log.now)
        covered = Origin(number, INDEX_END)
        ingested = Ingested(claim="", token=0, after=after.to_wire(), covered=covered.to_wire(), items=[item])
        after = covered
        record = log.records[INGESTED.name, 0]
        log.put(INGESTED.name, 0, [(None, codec("ingested").encode(ingested))])
        span = log.put(MODERATED.name, 0, moderate.step(state, record[-1:]).main)
        runner.inbox.put([log.records[MODERATED.name, 0][span.first]])
    return runner, acknowledged


async def turn() -> None:
    """Let everything get as far as it can: nothing here waits for more than the loop."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_the_output_waits_for_its_side_records_and_the_next_decision_does_not() -> None:
    """While a notice is on its way the next steps are decided, and none of them is appended."""
    log = GatedLog()
    log.held[NOTICES.name] = []
    runner, acknowledged = await sequence(log, ["darn", "hi", "there"])
    task = asyncio.create_task(runner.run())
    await turn()
    assert (runner.steps, log.begun[NOTICES.name]) == (3, 1)
    assert len(log.records[SEQUENCED.name, 0]) == 1  # the claim
    assert acknowledged == []
    log.release(NOTICES.name)
    await turn()
    assert len(log.records[SEQUENCED.name, 0]) == 4
    assert acknowledged == [0, 1, 2]
    assert runner.resting
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_outputs_are_acknowledged_in_order_and_only_when_durable() -> None:
    """Each record's acknowledgement follows its own output."""
    log = GatedLog()
    runner, acknowledged = await sequence(log, ["one", "two", "three"])
    task = asyncio.create_task(runner.run())
    while not runner.ready.is_set():
        await asyncio.sleep(0)
    log.held[SEQUENCED.name] = []
    await turn()
    assert acknowledged == []
    assert not runner.resting
    for done in ([0], [0, 1], [0, 1, 2]):
        log.release(SEQUENCED.name)
        await turn()
        assert acknowledged == done
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_steps_in_flight_are_bounded() -> None:
    """Where nothing becomes durable, the runner stops deciding, and what waits is counted."""
    log = GatedLog()
    count = 3 * STEPS_IN_FLIGHT_MAX
    runner, acknowledged = await sequence(log, ["hi"] * count)
    task = asyncio.create_task(runner.run())
    while not runner.ready.is_set():
        await asyncio.sleep(0)
    log.held[SEQUENCED.name] = []
    await turn()
    assert runner.steps == STEPS_IN_FLIGHT_MAX
    assert runner.waiting == count
    while len(acknowledged) < count:
        log.release(SEQUENCED.name)
        await turn()
    assert (runner.steps, runner.waiting) == (count, 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_step_is_bounded_in_bytes() -> None:
    """However few they are: deciding holds the loop."""
    inbox: Inbox[bytes] = Inbox(10, len)
    inbox.put([bytes(size) for size in (3, 4, 5, 100, 1)])
    assert [len(await inbox.take(10, 8)) for _ in range(2)] == [3, 1]
    assert await inbox.take(10, 8) == [b"\0"]


async def test_runners_of_one_loop_take_turns() -> None:
    """Between two steps the loop turns, so that what waits for the network goes on."""
    turns, at, turn = 0, list[int](), asyncio.Lock()
    runners = [(await sequence(GatedLog(), ["hi"] * 3, turn))[0] for _ in range(5)]
    for runner in runners:
        decide = runner._decide

        def noted(works: Sequence[Record], decide: Any = decide) -> Any:
            at.append(turns)
            return decide(works)

        runner._decide = noted  # type: ignore[method-assign]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    while not all(runner.resting for runner in runners):
        await asyncio.sleep(0)
        turns += 1
    assert len(at) == 15
    assert len(set(at)) == 15
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_checkpoint_waits_for_what_is_on_its_way() -> None:
    """The watermark says no more than what is durable in the output."""
    log = GatedLog()
    runner, _ = await sequence(log, ["one", "two"])
    task = asyncio.create_task(runner.run())
    while not runner.ready.is_set():
        await asyncio.sleep(0)
    log.held[SEQUENCED.name] = []
    await turn()
    checkpoint = asyncio.create_task(runner.checkpoint())
    await turn()
    assert not checkpoint.done()
    assert runner.stage.table is not None
    assert not log.records[runner.stage.table.name, 0]
    log.release(SEQUENCED.name)
    log.release(SEQUENCED.name)
    await checkpoint
    again = runner.stage.open(0)
    for row in log.records[runner.stage.table.name, 0]:
        assert row.key is not None
        assert row.value is not None
        runner.stage.restore(again, row.key, row.value)
    assert again.watermark == len(log.records[SEQUENCED.name, 0]) - 1
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
