"""``livecomments bench state``: what the state of many streams takes, and how long it is read back.

On a Kafka of its own: the checkpoint of as many streams is written as `sequence` writes it, in one partition,
and a worker in a process of its own takes that partition. Its memory is looked at before it does and when it
is ready; the most that it had in between counts too. The process: ``python -m livecomments.bench.states``.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop

from agents import topology
from agents.cluster import read_epoch
from agents.core import positions
from agents.kafka import KafkaLog
from agents.runner import PartitionRunner
from agents.sequence import SequenceStage
from livecomments.bench import lone
from livecomments.exits import Exit, Failure
from livecomments.options import Json
from livecomments.usage import rss_kib
from schemas import garbage
from schemas.records import INDEX_END, Origin
from schemas.settings import Settings, load
from schemas.topics import POSITIONS_CHANGELOG

BATCH: Final = 10_000
RUN_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Taken:
    """What one worker took. MiB: what it grew by until it was ready, and at most had grown by."""

    streams: int
    seconds: float
    mib: float
    mib_max: float


def state(
    streams: Annotated[int, typer.Option("--streams", min=1_000, max=5_000_000)] = 1_000_000,
    json_: Json = False,
) -> None:
    """Measure what the state of many streams takes, and how long it is read back."""
    with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as directory:
        taken = measure(streams, Path(directory))
    if json_:
        typer.echo(json.dumps(asdict(taken)))
        return
    typer.echo(
        f"{taken.streams:,} streams in one partition of sequence: read back in {taken.seconds:.1f} s; "
        f"{taken.mib:.0f} MiB, {taken.mib_max:.0f} at most"
    )


def measure(streams: int, directory: Path) -> Taken:
    """Write the checkpoint and have a worker take it. Raises Failure."""
    with lone.running(directory, "kafka") as servers:
        environment = lone.environment_of(servers.settings)
        lone.verb(environment, "topics", "apply")
        asyncio.run(_fill(servers.settings, streams))
        worker = [sys.executable, "-m", __name__]
        ran = subprocess.run(
            worker, env=environment, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
    if ran.returncode:
        raise Failure(Exit.FAILURE, "the worker failed", ran.stderr.splitlines()[-5:])
    return Taken(**json.loads(ran.stdout))


async def _fill(settings: Settings, streams: int) -> None:
    async with KafkaLog(settings.kafka, settings.stage.recovery_seconds) as log:
        epoch, now = await read_epoch(log, settings), round(time.time() * 1000)

        def entries(first: int) -> Iterator[tuple[bytes | None, bytes]]:
            for number in range(first, min(first + BATCH, streams)):
                key = f"stream-{number:012}".encode()
                yield key, positions.encode(epoch, number % 1000, Origin(-1, number % 50), -1, at=now)

        for first in range(0, streams, BATCH):
            await (await log.append(POSITIONS_CHANGELOG.name, 0, [*entries(first)]))
        watermark = positions.encode(epoch, 0, Origin(-1, INDEX_END), -1, at=now, source_token=-1)
        await (await log.append(POSITIONS_CHANGELOG.name, 0, [(positions.watermark_key(0), watermark)]))


async def _take(settings: Settings) -> Taken:
    async with KafkaLog(settings.kafka, settings.stage.recovery_seconds) as log:
        stage = topology.build(SequenceStage.name, settings, await read_epoch(log, settings))
        runner = PartitionRunner(stage, 0, log=log, worker="bench")
        garbage.settle()
        before, begun = rss_kib(os.getpid()), time.perf_counter()
        running = asyncio.create_task(runner.run())
        ready = asyncio.create_task(runner.ready.wait())
        await asyncio.wait([running, ready], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        took, after = time.perf_counter() - begun, rss_kib(os.getpid())
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    streams = sum(1 for _ in stage.streams(runner.state))
    return Taken(streams, round(took, 2), (after - before) / 1024, (most - before) / 1024)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(uvloop.run(_take(load())))) + "\n")
