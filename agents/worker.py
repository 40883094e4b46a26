"""A worker process: Faust apps around runners, a health page, and the rule that any error ends it.

Per agent: when Faust has assigned partitions, a runner is started on each, which recovers by itself;
when it revokes them, the runners end. A record of an older assignment is passed over: its partition
has, or will have, a runner that reads it again.
"""

import asyncio
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, cast
from uuid import uuid4

import structlog
import uvloop
from faust.types import TP

from agents import faustapp, health, topology
from agents.ahead import Ahead
from agents.analyse import AnalyseStage
from agents.analytics import Analytics
from agents.board import Board
from agents.cluster import read_epoch
from agents.errors import LogUnavailableError
from agents.inbox import Inbox
from agents.kafka import KafkaLog, record_of
from agents.log import Log, Record, Span
from agents.moderate import ModerateStage
from agents.persist import ArchiveSink, FlatSink, WindowSink
from agents.progress import Progress, watch
from agents.projection import Projection
from agents.runner import PartitionRunner
from agents.sample import SampleStage
from agents.samplestate import Options
from agents.sink import Sink, SinkRunner
from agents.spans import sink_hops, stage_hops
from agents.stage import Output
from schemas import garbage
from schemas.archive import open_archive
from schemas.closing import ended
from schemas.redisclient import redis_client
from schemas.settings import DEVELOPMENT_SECRET, Settings, raise_open_files_limit
from schemas.sketch import estimate
from schemas.spans import open_spans
from schemas.topics import Topic

EXIT_FATAL = 70
FAUST_STOP_SECONDS_MAX = 5.0
STOP_SECONDS_MAX = 20.0
"""All of a process's stopping. Then it ends, whatever it still waits for."""
POLL_SECONDS = 0.02
UNSETTLED_SECONDS_MAX = 30.0
"""Without an assignment. A client that failed to join its group may say nothing more, and wait for ever."""

log = structlog.get_logger()


class Runner(Protocol):
    """What runs on one partition: `PartitionRunner` or `SinkRunner`."""

    inbox: Inbox[Record]
    ready: asyncio.Event
    processed: int
    steps: int
    step_seconds: float
    dead_letters: int
    away: bool

    @property
    def waiting(self) -> int:
        """Records taken and not acknowledged yet."""

    async def run(self) -> None:
        """Process until cancelled."""

    def hear(self, topic: Topic, record: Record) -> None:
        """Hand on a record of a topic that is heard beside the source."""

    def figures(self) -> Mapping[str, float]:
        """Return figures for the metrics page."""

    async def checkpoint(self) -> None:
        """Write a checkpoint."""


class AgentShell:
    """One Faust app and the runners of its partitions."""

    def __init__(
        self,
        name: str,
        source: Topic,
        settings: Settings,
        make: Callable[[int, Callable[[int], None]], Runner],
        hears: Sequence[Topic] = (),
    ) -> None:
        self.name = name
        self.app = faustapp.make_app(name, settings)
        self.runners: dict[int, Runner] = {}
        self.progress = Progress()
        self._source = source
        self._make = make
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._ahead: dict[int, Ahead] = {}
        self._events: dict[int, deque[Any]] = {}
        """Partition → events with a record that is not decided, in order."""
        self._assigned: set[int] | None = None
        faustapp.consume(self.app, source, name, self._take)
        for topic in hears:
            faustapp.consume(self.app, topic, f"{name}-{topic.name}", partial(self._hear, topic))
        self.app.on_partitions_revoked.connect(self._revoked, weak=False)
        self.app.on_partitions_assigned.connect(self._assign, weak=False)

    @property
    def settled(self) -> bool:
        """Whether no rebalance is under way."""
        return bool(self.app.tables.actives_ready) and not self.app.rebalancing

    @property
    def ready(self) -> bool:
        """Whether every assigned partition is being processed."""
        if self._assigned is None or not self.settled or set(self.runners) != self._assigned:
            return False
        return all(runner.ready.is_set() for runner in self.runners.values())

    def hand(self, partition: int, span: Span, output: Output) -> None:
        """Give a runner what another one of this process has appended to its source; or leave it to Kafka."""
        runner = self.runners.get(partition)
        if runner is None or not runner.ready.is_set() or runner.inbox.full:
            return
        if self._ahead[partition].takes(span.first, len(output.main)):
            # Nothing is decided by this time: Kafka's own is in what is decided.
            records = output.records(span.first, round(time.time() * 1000))
            runner.inbox.put(records)

    async def supervise(self) -> None:
        """Start runners on assigned partitions; raise what any of them raises."""
        loop = asyncio.get_running_loop()
        settled_at = loop.time()
        while True:
            if self._assigned is not None and self.settled:
                settled_at = loop.time()
            elif loop.time() - settled_at > UNSETTLED_SECONDS_MAX:
                raise RuntimeError(f"{self.name}: no partitions assigned for {UNSETTLED_SECONDS_MAX:.0f} s")
            if self._assigned is not None and self.settled:
                for partition in self._assigned - set(self.runners):
                    self._start(partition)
            for task in self._tasks.values():
                if task.done():
                    task.result()
            if self.app.crashed:
                raise RuntimeError(f"the Faust app of {self.name} crashed: {self.app.crash_reason!r}")
            await asyncio.sleep(POLL_SECONDS if not self.ready else 10 * POLL_SECONDS)

    async def watch(self, log_: Log) -> None:
        """Look whether the partitions get on; StalledError when one does not."""
        source = self._source.name

        async def position(partition: int) -> int | None:
            at = TP(source, partition)
            if not self.settled or at not in self.app.consumer.assignment():
                return None
            return cast("int | None", await self.app.consumer.position(at))

        async def end(partition: int) -> int | None:
            try:
                return await log_.end_offset(source, partition)
            except LogUnavailableError:
                return None  # the appends will say so, if it lasts

        await watch(self.name, self.progress, lambda: self.runners, position, end)

    async def checkpoint_every(self, seconds: float) -> None:
        """Checkpoint the partitions in turn, each once in ``seconds``."""
        while True:
            for runner in list(self.runners.values()):
                await asyncio.sleep(seconds / max(len(self.runners), 1))
                if runner in self.runners.values():
                    await runner.checkpoint()
            if not self.runners:
                await asyncio.sleep(1.0)

    async def stop(self) -> None:
        """Write a last checkpoint, leave the group, end the runners; for ever, where a runner has failed."""
        self._assigned = None
        for runner in list(self.runners.values()):
            await runner.checkpoint()
        # Faust waits without a limit for tasks of aiokafka's, and those may not hear that they are cancelled.
        if not await ended(self.app.stop(), FAUST_STOP_SECONDS_MAX):
            log.warning("left without Faust, which did not stop", agent=self.name)
        await self._end(set(self.runners))

    async def _take(self, event: Any) -> None:
        message = event.message
        if message.generation_id != self.app.consumer_generation_id:
            return
        while (runner := self.runners.get(message.partition)) is None:
            if message.generation_id != self.app.consumer_generation_id:
                return
            await asyncio.sleep(POLL_SECONDS)
        rows, partition = event.value, message.partition
        needed = self._ahead[partition].bring(rows[0].offset, rows[-1].offset + 1)
        runner.inbox.put([record_of(row) for row in rows if row.offset >= needed])
        self._events[partition].append(event)
        self._acknowledge(partition)

    def _decided(self, partition: int, offset: int) -> None:
        """Take note that a runner has decided all before an offset."""
        self._ahead[partition].decide(offset)
        self._acknowledge(partition)

    def _acknowledge(self, partition: int) -> None:
        """Tell Kafka what it need not bring again."""
        done, events = self._ahead[partition].done, self._events[partition]
        if done is None:
            return
        while events and events[0].message.offset < done:
            events.popleft().ack()
        self.app.consumer.decide(TP(self._source.name, partition), done)

    async def _hear(self, topic: Topic, event: Any) -> None:
        """Hand on what is heard; what comes before its runner is ready, the runner reads back by itself."""
        message = event.message
        runner = self.runners.get(message.partition)
        while runner is not None and not runner.ready.is_set():
            await asyncio.sleep(POLL_SECONDS)
            runner = self.runners.get(message.partition)
        if runner is not None:
            for row in event.value:
                runner.hear(topic, record_of(row))
        event.ack()
        self.app.consumer.decide(message.tp, message.offset + 1)

    async def _assign(self, _: Any, assigned: Any, **__: Any) -> None:
        self._assigned = {at.partition for at in assigned if at.topic == self._source.name}
        log.info("partitions assigned", agent=self.name, partitions=len(self._assigned))

    async def _revoked(self, _: Any, revoked: Any, **__: Any) -> None:
        self._assigned = None
        await self._end({at.partition for at in revoked if at.topic == self._source.name})

    def _start(self, partition: int) -> None:
        self._ahead[partition], self._events[partition] = Ahead(), deque()
        runner = self.runners[partition] = self._make(partition, partial(self._decided, partition))
        at = TP(self._source.name, partition)
        runner.inbox.on_full = partial(self.app.consumer.on_buffer_full, at)
        runner.inbox.on_room = partial(self.app.consumer.on_buffer_drop, at)
        self._tasks[partition] = asyncio.get_running_loop().create_task(runner.run())

    async def _end(self, partitions: set[int]) -> None:
        tasks = [self._tasks.pop(partition) for partition in partitions if partition in self._tasks]
        for partition in partitions:
            runner = self.runners.pop(partition, None)
            if runner is not None:
                runner.inbox.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def main(name: str, settings: Settings) -> None:
    """Run one stage's worker until SIGTERM; exits non-zero on any error.

    Raises:
        ValueError: there is no such stage.

    """
    names = (*topology.NAMES, topology.FUSED)
    if name not in names:
        raise ValueError(f"no stage is called {name!r}; there are {', '.join(names)}")
    raise_open_files_limit()
    faustapp.quiet()
    uvloop.run(_main(name, settings))


async def _main(name: str, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()

    def stop() -> None:
        _end_in_time(name)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        async with AsyncExitStack() as stack:
            kafka_log = KafkaLog(settings.kafka, settings.stage.recovery_seconds)
            await stack.enter_async_context(kafka_log)
            shells, helpers = await _build(name, settings, kafka_log)
            tasks = [loop.create_task(helper) for helper in helpers]
            await stack.enter_async_context(health.served(name, shells, settings.stage))
            for shell in shells:
                await shell.app.start()
                tasks.append(loop.create_task(shell.supervise()))
                tasks.append(loop.create_task(shell.watch(kafka_log)))
                tasks.append(loop.create_task(shell.checkpoint_every(settings.stage.checkpoint_seconds)))
            tasks.append(loop.create_task(_leave(name, shells, stopping)))
            stack.callback(_end_in_time, name)
            garbage.settle()
            # A runner may fail while they stop, too: nobody would wait for what it has not done.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        if (spans := open_spans(settings.tracing, name)) is not None:
            await asyncio.to_thread(spans.close)
        log.info("stopped", stage=name)
    except BaseException as error:  # noqa: BLE001 - whatever it is: a clean process does better
        log.error("fatal", stage=name, error=_line(error))  # noqa: TRY400 - one line, for a person
        os._exit(EXIT_FATAL)
    # Faust leaves threads behind that would hold the process.
    os._exit(0)


async def _leave(name: str, shells: Sequence[AgentShell], stopping: asyncio.Event) -> None:
    """Stop the shells when it is asked for."""
    await stopping.wait()
    log.info("stopping", stage=name)
    await asyncio.gather(*(shell.stop() for shell in shells))


def _end_in_time(name: str) -> None:
    """End this process in ``STOP_SECONDS_MAX`` if it has not ended by itself: who stops it waits for it."""

    def give_up() -> None:
        log.error("fatal", stage=name, error=f"did not stop within {STOP_SECONDS_MAX:.0f} s")
        os._exit(EXIT_FATAL)

    timer = threading.Timer(STOP_SECONDS_MAX, give_up)
    timer.daemon = True
    timer.start()


async def _build(name: str, settings: Settings, kafka_log: KafkaLog) -> tuple[list[AgentShell], list[Any]]:
    """Make the stage's shells and its background work; of all stages, each handing on to the next."""
    if name == "persist":
        return _persist(settings, kafka_log)
    epoch, turn = await read_epoch(kafka_log, settings), asyncio.Lock()
    if name != topology.FUSED:
        shell, helpers = _stage(name, settings, kafka_log, epoch, turn=turn)
        return [shell], helpers
    shells, helpers = _persist(settings, kafka_log)
    following: AgentShell | None = None
    for stage in reversed(topology.STAGES):
        following, more = _stage(stage.name, settings, kafka_log, epoch, turn=turn, following=following)
        shells.append(following)
        helpers += more
    return shells, helpers


def _stage(
    name: str,
    settings: Settings,
    kafka_log: KafkaLog,
    epoch: str,
    *,
    turn: asyncio.Lock,
    following: AgentShell | None = None,
) -> tuple[AgentShell, list[Any]]:
    """Make one stage's shell and its background work.

    ``turn``: the process's; ``following``: to which the stage's output is handed.
    """
    board = Board(redis_client(settings.redis)) if name == SampleStage.name else None
    options = replace(Options.of(settings), known=board.edges, estimate=estimate) if board else None
    if board and settings.auth.secret == DEVELOPMENT_SECRET and not settings.sampling.secret:
        words = "on other machines than a developer's, set LIVECOMMENTS_SAMPLING__SECRET to random characters"
        log.warning("comment ids that are shown can be computed by everybody", hint=words)
    stage = topology.build(name, settings, epoch, options)
    stage.hands_on = following is not None
    worker = f"{name}-{settings.stage.instance}-{uuid4().hex[:8]}"
    helpers: list[Any] = []
    on_effects: Any = None
    if isinstance(stage, ModerateStage):
        projection = Projection(redis_client(settings.redis))
        helpers.append(projection.run())
        on_effects = projection.changed
    if isinstance(stage, AnalyseStage):
        analytics = Analytics(redis_client(settings.redis))
        helpers.append(analytics.run())
        on_effects = analytics.changed
    if board is not None:
        helpers.append(board.run())
        on_effects = board.changed

    spans = open_spans(settings.tracing, name)
    on_step = stage_hops(spans, name, stage.codec) if spans is not None else None

    def make(partition: int, acknowledge: Callable[[int], None]) -> Runner:
        return PartitionRunner(
            stage,
            partition,
            log=kafka_log,
            worker=worker,
            acknowledge=acknowledge,
            on_effects=on_effects,
            on_step=on_step,
            on_durable=following.hand if following else None,
            turn=turn,
            inbox_records_max=settings.stage.inbox_records_max,
            merge_records_max=settings.stage.merge_records_max,
        )

    return AgentShell(name, stage.source, settings, make, stage.hears), helpers


def _persist(settings: Settings, kafka_log: KafkaLog) -> tuple[list[AgentShell], list[Any]]:
    archive = ArchiveSink(open_archive(settings))
    sinks: list[Sink] = [archive, WindowSink(redis_client(settings.redis), kafka_log), FlatSink(kafka_log)]
    spans = open_spans(settings.tracing, "persist")

    def shell_of(sink: Sink) -> AgentShell:
        on_stored = sink_hops(spans, sink.name) if spans is not None else None

        def make(partition: int, acknowledge: Callable[[int], None]) -> Runner:
            return SinkRunner(
                sink,
                partition,
                kafka_log,
                inbox_records_max=settings.stage.inbox_records_max,
                merge_records_max=settings.stage.merge_records_max,
                acknowledge=acknowledge,
                on_stored=on_stored,
            )

        return AgentShell(f"persist-{sink.name}", sink.source, settings, make)

    return [shell_of(sink) for sink in sinks], [sink.run() for sink in sinks]


def _line(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
