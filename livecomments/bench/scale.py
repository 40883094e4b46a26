"""``livecomments bench scale``: what more workers of one stage are worth.

On a Kafka of its own, once for each number of workers. They share the partitions, and are stopped (SIGSTOP)
while the stages before them put their output into the log; then they go on, and nothing else runs but the
broker. The rate counts from there to the last output, by the broker's log-append time.
"""

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from aiokafka.admin import AIOKafkaAdminClient

from agents.kafka import KafkaLog
from agents.topology import STAGES
from livecomments.bench import lone
from livecomments.bench.pipelines.material import Case
from livecomments.bench.whole import (
    READ_SECONDS,
    SOURCES,
    START_SECONDS,
    committed,
    fill,
    running,
)
from livecomments.exits import Exit, Failure
from livecomments.options import Json
from livecomments.usage import cpu_seconds
from schemas.codec import codec
from schemas.settings import Settings

POLL_SECONDS: Final = 0.2
RUN_SECONDS: Final = 120.0
SINKS: Final = {stage.name: stage.sink for stage in STAGES}


@dataclass(frozen=True, slots=True)
class Run:
    """``cpu_us``: of all workers and of the broker, a comment."""

    stage: str
    workers: int
    comments: int
    comments_per_s: float
    cpu_us: Mapping[str, float]


def scale(  # noqa: PLR0917 - Typer calls it by name
    stage: Annotated[str, typer.Option("--stage", help=f"One of {', '.join(SOURCES)}.")] = "moderate",
    workers: Annotated[str, typer.Option("--workers", metavar="N,…", help="How many share it.")] = "1,2",
    comments: Annotated[int, typer.Option("--comments", min=10_000, help="Of the input.")] = 400_000,
    streams: Annotated[int, typer.Option("--streams", min=8, help="That they fall on.")] = 200,
    per_record: Annotated[int, typer.Option("--per-record", min=1, help="Comments a record.")] = 50,
    json_: Json = False,
) -> None:
    """Measure what more workers of one stage are worth."""
    if stage not in SOURCES or not all(each.isdigit() and int(each) for each in workers.split(",")):
        raise typer.BadParameter(f"--stage is one of {', '.join(SOURCES)}; --workers numbers with commas")
    runs = []
    for count in map(int, workers.split(",")):
        with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as directory:
            runs.append(measure(Path(directory), stage, count, Case(streams, per_record), comments))
        run = runs[-1]
        if not json_:
            costs = ", ".join(f"{name} {cpu:.1f}" for name, cpu in run.cpu_us.items())
            factor = run.comments_per_s / runs[0].comments_per_s
            typer.echo(
                f"{stage}, {count} workers: {run.comments_per_s:,.0f} comments/s, {factor:.2f} × the first; "
                f"µs CPU/comment: {costs}"
            )
    if json_:
        typer.echo(json.dumps({"cpus": os.cpu_count(), "runs": list(map(asdict, runs))}))


def measure(directory: Path, stage: str, workers: int, case: Case, comments: int) -> Run:
    """Fill the stage's source, and run the workers on it. Raises Failure."""
    before = list(SOURCES)[: list(SOURCES).index(stage)]
    with lone.running(directory, "kafka", "redis") as servers:
        settings = servers.settings
        stopped = {"LIVECOMMENTS_KAFKA__SESSION_TIMEOUT_MS": str(round(1000 * RUN_SECONDS))}
        environment = lone.environment_of(settings, **stopped)
        lone.verb(environment, "topics", "apply")
        with running((stage,), workers, environment, directory) as processes:
            asyncio.run(_shared(settings, stage, workers))
            pids = {"workers": [each.pid for each in processes.values()], "broker": [servers.pid("kafka")]}
            _signal(processes.values(), signal.SIGSTOP)
            try:
                asyncio.run(fill(settings, case, comments))
                with running(before, 1, environment, directory):
                    asyncio.run(_done(settings, before))
            finally:
                _signal(processes.values(), signal.SIGCONT)
            begun, used = time.time(), _used(pids)
            asyncio.run(_done(settings, (stage,)))
            cpu = {name: now - used[name] for name, now in _used(pids).items()}
        out, ended = asyncio.run(_told(settings, stage))
    costs = {name: round(1e6 * value / out, 2) for name, value in cpu.items()}
    return Run(stage, workers, out, round(out / (ended - begun), 1), costs)


def _signal(processes: Iterable["subprocess.Popen[bytes]"], number: signal.Signals) -> None:
    for process in processes:
        process.send_signal(number)


def _used(pids: Mapping[str, Sequence[int]]) -> dict[str, float]:
    return {name: sum(map(cpu_seconds, each)) for name, each in pids.items()}


async def _done(settings: Settings, stages: Sequence[str]) -> None:
    """Wait until the stages have committed all of their sources."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    try:
        async with KafkaLog(settings.kafka, READ_SECONDS) as log, asyncio.timeout(RUN_SECONDS):
            # Nobody tells of a commit.
            while not await committed(admin, log, range(settings.kafka.partitions), stages):  # noqa: ASYNC110
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise Failure(Exit.FAILURE, f"{', '.join(stages)}: not done in {RUN_SECONDS:.0f} s") from None
    finally:
        await admin.close()


async def _shared(settings: Settings, stage: str, workers: int) -> None:
    """Wait until every partition is claimed, the last claims by as many workers as there are."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        owners = {partition: record["claim"] async for partition, _, record in _output(settings, stage)}
        if len(owners) == settings.kafka.partitions and len(set(owners.values())) == workers:
            return
        if time.monotonic() > deadline:
            raise Failure(Exit.FAILURE, f"{workers} workers do not share {stage} after {START_SECONDS:.0f} s")
        await asyncio.sleep(POLL_SECONDS)


async def _told(settings: Settings, stage: str) -> tuple[int, float]:
    """Return how many comments came out, and when the last of them did, in seconds since 1970."""
    found = [
        (len(record.get("items") or record.get("events") or ()), at)
        async for _, at, record in _output(settings, stage)
    ]
    return sum(count for count, _ in found), max(at for count, at in found if count) / 1000


async def _output(settings: Settings, stage: str) -> AsyncIterator[tuple[int, int, Any]]:
    """Yield (partition, when it was appended, record) of what the stage has written."""
    topic = SINKS[stage]
    async with KafkaLog(settings.kafka, READ_SECONDS) as log:
        for partition in range(settings.kafka.partitions):
            end = await log.end_offset(topic.name, partition)
            async for row in log.read(topic.name, partition, 0, end):
                yield partition, row.timestamp, codec(topic.record).decode(row.value)
