"""``livecomments bench whole``: all stages on one machine, from ``comments.submitted`` to the fan-out.

Kafka, Redis and every stage with the SQLite archive, no edge; the comments lie in ``comments.submitted``
before the stages start. The rate counts from the first record of ``comments.fanout`` to the last, by the
broker's log-append time, so that starting is left out; processor time is that between the same two points.
"""

import asyncio
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Final

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from agents.kafka import KafkaLog
from livecomments.bench import lone
from livecomments.bench.pipelines.material import Case, material, submitted
from livecomments.exits import Exit, Failure
from livecomments.options import Json
from livecomments.stack.plan import FUSED, STAGES
from livecomments.usage import cpu_seconds
from schemas.codec import codec
from schemas.settings import Settings
from schemas.topics import FANOUT, INGESTED, MODERATED, SEQUENCED, SUBMITTED

SOURCES: Final = {"ingest": SUBMITTED, "moderate": INGESTED, "sequence": MODERATED, "sample": SEQUENCED}
STOP_SECONDS: Final = 20.0
START_SECONDS: Final = 90.0
READ_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.2
LOG_LINES: Final = 3
FILL_RECORDS: Final = 100
"""Of one append."""


@dataclass(frozen=True, slots=True)
class Workers:
    """Which processes share the work: ``each`` of a kind, of which there is one if they are fused."""

    fused: bool = False
    each: int = 1

    @property
    def kinds(self) -> Sequence[str]:
        """What is run."""
        return (FUSED,) if self.fused else STAGES


@dataclass(frozen=True, slots=True)
class Run:
    """``cpu_us``: of each process, a comment. ``whole``: all of the input got through in time."""

    streams: int
    per_record: int
    workers: Workers
    comments: int
    comments_per_s: float
    cpu_us: Mapping[str, float]
    whole: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What was there at a time: the end of each partition of the fan-out, and processor time."""

    ends: Sequence[int]
    cpu: Mapping[str, float]


def whole(  # noqa: PLR0917 - Typer calls it by name
    comments: Annotated[int, typer.Option("--comments", min=1_000, help="Of the input.")] = 300_000,
    streams: Annotated[int, typer.Option("--streams", min=1, help="That they fall on.")] = 200,
    per_record: Annotated[int, typer.Option("--per-record", min=1, help="Comments a record.")] = 50,
    seconds: Annotated[float, typer.Option("--seconds", min=5, help="After which it is ended.")] = 60.0,
    fused: Annotated[bool, typer.Option("--fused", help="All stages in one process.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, max=8, help="Processes of each kind.")] = 1,
    json_: Json = False,
) -> None:
    """Measure all stages on one machine, from what gateways submit to what edges read."""
    with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as directory:
        run = measure(Path(directory), Case(streams, per_record), comments, seconds, Workers(fused, workers))
    if json_:
        typer.echo(json.dumps({"cpus": os.cpu_count(), "runs": [asdict(run)]}))
        return
    how = f"{', fused' * run.workers.fused}{f', {run.workers.each} of each kind' * (run.workers.each > 1)}"
    typer.echo(
        f"{run.streams} streams, {run.per_record} a record{how}: {run.comments_per_s:,.0f} comments/s"
        f"{'' if run.whole else '   (ended before the input was)'}"
    )
    for name, cpu in run.cpu_us.items():
        typer.echo(f"  {name:<10} {cpu:6.2f} µs CPU/comment")


def measure(directory: Path, case: Case, comments: int, seconds: float, workers: Workers) -> Run:
    """Fill the log, run the stages, and tell their rate."""
    with lone.running(directory, "kafka", "redis") as servers:
        settings = servers.settings
        environment = lone.environment_of(settings)
        lone.verb(environment, "topics", "apply")
        lone.verb(environment, "migrate")
        asyncio.run(fill(settings, case, comments))
        with running(workers.kinds, workers.each, environment, directory) as processes:
            pids = {name: process.pid for name, process in processes.items()} | {
                "kafka": servers.pid("kafka")
            }
            try:
                first, last, done = asyncio.run(_follow(settings, processes, pids, seconds))
            except Failure as failure:
                logs = [directory / "logs" / f"{name}.log" for name in processes]
                lines = [line for path in logs for line in path.read_text("utf-8").splitlines()[-LOG_LINES:]]
                raise Failure(failure.code, failure.message, lines) from failure
        return asyncio.run(_told(settings, case, workers, first, last, done=done))


@contextmanager
def running(
    kinds: Sequence[str], each: int, environment: Mapping[str, str], directory: Path
) -> Iterator[Mapping[str, "subprocess.Popen[bytes]"]]:
    """Run ``each`` workers of the kinds of process, by name; their logs are in ``directory``."""
    with ExitStack() as stack:
        processes = {}
        for name, number in product(kinds, range(each)):
            called = name if each == 1 else f"{name}-{number}"
            log = stack.enter_context((directory / "logs" / f"{called}.log").open("ab"))
            command, own = [*lone.VERB, "stage", name], {"LIVECOMMENTS_STAGE__INSTANCE": str(number)}
            processes[called] = stack.enter_context(
                subprocess.Popen(
                    command, env={**environment, **own}, stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            )
        try:
            yield processes
        finally:
            for process in processes.values():
                process.terminate()
            for process in processes.values():
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


async def fill(settings: Settings, case: Case, comments: int) -> None:
    """Write ``comments.submitted`` as gateways would."""
    async with KafkaLog(settings.kafka, READ_SECONDS) as log:
        waiting: dict[int, list[tuple[bytes | None, bytes]]] = {}
        for partition, value in submitted(case, material(comments).said, settings.kafka.partitions):
            entries = waiting.setdefault(partition, [])
            entries.append((None, value))
            if len(entries) == FILL_RECORDS:
                await (await log.append(SUBMITTED.name, partition, waiting.pop(partition)))
        for partition, entries in waiting.items():
            await (await log.append(SUBMITTED.name, partition, entries))


async def _follow(
    settings: Settings,
    processes: Mapping[str, "subprocess.Popen[bytes]"],
    pids: Mapping[str, int],
    seconds: float,
) -> tuple[Seen, Seen, bool]:
    """Watch the fan-out from its first comment on, until all input is committed or the time is over."""
    admin, begun = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap), time.monotonic()
    await admin.start()
    partitions, first, first_at = range(settings.kafka.partitions), None, begun
    try:
        async with KafkaLog(settings.kafka, READ_SECONDS) as log:
            while True:
                for name, process in processes.items():
                    if process.poll() is not None:
                        raise Failure(Exit.FAILURE, f"{name} ended with code {process.returncode}")
                ends = [await log.end_offset(FANOUT.name, at) for at in partitions]
                seen = Seen(ends, {name: cpu_seconds(pid) for name, pid in pids.items()})
                now = time.monotonic()
                # A claim in each partition is no comment.
                if first is None and sum(ends) > len(partitions):
                    first, first_at = seen, now
                if first is None and now > begun + START_SECONDS:
                    raise Failure(Exit.FAILURE, f"nothing came within {START_SECONDS:.0f} s")
                if first is not None:
                    done = await committed(admin, log, partitions)
                    if done or now > first_at + seconds:
                        return first, seen, done
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await admin.close()


async def committed(
    admin: AIOKafkaAdminClient, log: KafkaLog, partitions: Sequence[int], stages: Iterable[str] = SOURCES
) -> bool:
    """Whether each of the stages has committed all of what it reads, in their order."""
    for stage in stages:
        topic = SOURCES[stage]
        try:
            offsets = await admin.list_consumer_group_offsets(f"livecomments-{stage}")
        except GroupCoordinatorNotAvailableError:
            return False
        done = sum(max(0, row.offset) for at, row in offsets.items() if at.topic == topic.name)
        if done < sum([await log.end_offset(topic.name, at) for at in partitions]):
            return False
    return True


async def _told(
    settings: Settings, case: Case, workers: Workers, first: Seen, last: Seen, *, done: bool
) -> Run:
    """Read the fan-out: comments by the time at which they were written."""
    decode = codec(FANOUT.record).decode
    times: list[tuple[int, int]] = []
    before = 0
    async with KafkaLog(settings.kafka, READ_SECONDS) as log:
        for partition, end in enumerate(last.ends):
            async for record in log.read(FANOUT.name, partition, 0, end):
                count = len(decode(record.value)["events"])
                if count:
                    times.append((record.timestamp, count))
                    before += count if record.offset < first.ends[partition] else 0
    total = sum(count for _, count in times)
    begun, ended = min(times)[0], max(times)[0]
    # What came first is not counted over the time that followed.
    at_first = sum(count for at, count in times if at == begun)
    if ended <= begun or total <= before:
        raise Failure(Exit.FAILURE, "the stages were done at once: give them more comments with --comments")
    cpu = {name: 1e6 * (last.cpu[name] - used) / (total - before) for name, used in first.cpu.items()}
    return Run(
        streams=case.streams,
        per_record=case.per_record,
        workers=workers,
        comments=total,
        comments_per_s=round(1000 * (total - at_first) / (ended - begun), 1),
        cpu_us={name: round(value, 2) for name, value in cpu.items()},
        whole=done,
    )
