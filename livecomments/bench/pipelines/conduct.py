"""Runs one system after the other on the same input, on a Kafka of its own, and looks at what came out.

The rate counts from the first record that a worker writes to the last of its output, by the broker's
log-append time, so that starting is left out; of ours the first is in ``comments.moderated``, or what
moderate does ahead of sequence would be free. Processor time is the worker's own, of all its threads, between
the same two points. Where there are two cores or more, the worker has the last to itself and the broker the
others. A run needs many more comments than one step takes (256 records) to say much.
"""

import asyncio
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import GroupCoordinatorNotAvailableError

from agents.kafka import KafkaLog
from livecomments.bench import lone
from livecomments.bench.pipelines.material import Case, Material, records
from livecomments.bench.pipelines.peers import MissingError, Place, System, Worker, worker
from livecomments.exits import Exit, Failure
from livecomments.usage import cpu_seconds
from schemas.codec import codec
from schemas.settings import Settings
from schemas.topics import INGESTED, MODERATED, SEQUENCED

POLL_SECONDS: Final = 0.1
START_SECONDS: Final = 120.0
"""Until the first output."""
STOP_SECONDS: Final = 20.0
READ_SECONDS: Final = 60.0
FILL_RECORDS: Final = 200
"""Of one append."""
LOG_LINES: Final = 5


@dataclass(frozen=True, slots=True)
class Run:
    """One system on one input. ``cpu_us``: of the worker, a comment. ``whole``: it got to the input's end."""

    system: System
    streams: int
    per_record: int
    comments_per_s: float
    cpu_us: float
    comments: int
    whole: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """What was there at a time: output records, and processor time of the worker."""

    at: float
    records: int
    cpu_seconds: float


def measure(
    directory: Path, case: Case, systems: Sequence[System], material: Material, seconds: float
) -> Iterator[Run | tuple[System, str]]:
    """Yield what each system did; (system, reason) where it is missing.

    Args:
        directory: of the servers and the workers; empty.
        case: the shape of the input.
        systems: in this order.
        material: what is said.
        seconds: after which a slow system is ended, and measured by what it had put out.

    """
    with lone.running(directory, "kafka", "redis") as servers:
        words = directory / "words.txt"
        words.write_text("\n".join(material.words) + "\n", encoding="utf-8")
        one = servers.settings.kafka.model_copy(update={"partitions": 1})
        settings = servers.settings.model_copy(update={"kafka": one})
        own = {
            "LIVECOMMENTS_KAFKA__PARTITIONS": "1",
            "LIVECOMMENTS_MODERATION__WORDS_FILE": str(words),
        }
        environment = lone.environment_of(settings, **own)
        _spread(servers.pid("kafka"))
        lone.verb(environment, "topics", "apply")
        asyncio.run(_fill(settings, case, material))
        for system in systems:
            try:
                found = worker(system, Place(settings.kafka.bootstrap, directory, words))
            except MissingError as error:
                yield system, str(error)
                continue
            yield _run(settings, environment, case, (system, found), seconds)


def _run(
    settings: Settings,
    environment: dict[str, str],
    case: Case,
    named: tuple[System, Worker],
    seconds: float,
) -> Run:
    system, found = named
    path = settings.data / "logs" / f"{system}.log"
    (settings.data / f"bench-{system}").mkdir(exist_ok=True)
    if found.sink != SEQUENCED.name:
        asyncio.run(_make(settings, found.sink))
    with path.open("ab") as log, _one_core():
        process = subprocess.Popen(
            found.argv, env=environment, cwd=settings.data, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        first, last, whole = asyncio.run(_follow(settings, found, process, seconds))
    except Failure as failure:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
        raise Failure(failure.code, f"{system}: {failure.message}", lines) from failure
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        process.kill()
        process.wait()
    output = asyncio.run(_read(settings, found, last.records))
    return output.run(system, case, first, last, whole=whole)


@dataclass(frozen=True, slots=True)
class Output:
    """What came out.

    ``begun_ms``: when the first comments were written, ``with_first``: how many came in that millisecond;
    ``counts``: comments up to and with each output record; ``ended_ms``: when the last was written.
    """

    begun_ms: int
    with_first: int
    counts: Sequence[int]
    ended_ms: int

    def run(self, system: System, case: Case, first: Seen, last: Seen, *, whole: bool) -> Run:
        """Return the figures. What came first is not counted over the time that followed."""
        took_ms, comments = self.ended_ms - self.begun_ms, self.counts[-1] - self.with_first
        before = self.counts[first.records - 1] if first.records else 0
        between = self.counts[last.records - 1] - before
        if took_ms <= 0 or comments <= 0 or between <= 0:
            raise Failure(Exit.FAILURE, f"{system} was done at once: give it more comments with --comments")
        return Run(
            system=system,
            streams=case.streams,
            per_record=case.per_record,
            comments_per_s=round(1000 * comments / took_ms, 1),
            cpu_us=round(1e6 * (last.cpu_seconds - first.cpu_seconds) / between, 2),
            comments=self.counts[-1],
            whole=whole,
        )


async def _fill(settings: Settings, case: Case, material: Material) -> None:
    async with KafkaLog(settings.kafka, READ_SECONDS) as log:
        entries: list[tuple[bytes | None, bytes]] = []
        for entry in records(case, material.said):
            entries.append(entry)
            if len(entries) == FILL_RECORDS:
                await (await log.append(INGESTED.name, 0, entries))
                entries = []
        if entries:
            await (await log.append(INGESTED.name, 0, entries))


async def _make(settings: Settings, name: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    try:
        response = await admin.create_topics([NewTopic(name, 1, 1, topic_configs=SEQUENCED.config())])
        if any(code for _, code, *_ in response.topic_errors):
            raise Failure(Exit.FAILURE, f"topic {name} could not be made: {response.topic_errors}")
    finally:
        await admin.close()


async def _follow(
    settings: Settings, found: Worker, process: "subprocess.Popen[bytes]", seconds: float
) -> tuple[Seen, Seen, bool]:
    """Watch the output from its first comment on, until all input is committed or the time is over."""
    admin, begun = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap), time.monotonic()
    await admin.start()
    first: Seen | None = None
    seen = Seen(begun, 0, 0.0)
    # A claim is no output.
    claims = 0 if found.begins == found.sink else 1
    try:
        async with KafkaLog(settings.kafka, READ_SECONDS) as log:
            while True:
                if process.poll() is not None:
                    raise Failure(Exit.FAILURE, f"the worker ended with code {process.returncode}")
                end, cpu = await log.end_offset(found.sink, 0), cpu_seconds(process.pid)
                if end > seen.records:
                    seen = Seen(time.monotonic(), end, cpu)
                elif first is not None and await _committed(admin, log, found):
                    return first, seen, True
                if first is None and await log.end_offset(found.begins, 0) > claims:
                    first = Seen(time.monotonic(), end, cpu)
                now = time.monotonic()
                if first is None and now > begun + START_SECONDS:
                    raise Failure(Exit.FAILURE, f"no output within {START_SECONDS:.0f} s")
                if first is not None and now > first.at + seconds:
                    return first, seen, False
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await admin.close()


async def _committed(admin: AIOKafkaAdminClient, log: KafkaLog, found: Worker) -> bool:
    """Whether each group has committed all of what it reads."""
    for group, topic in found.reads.items():
        try:
            offsets = await admin.list_consumer_group_offsets(group)
        except GroupCoordinatorNotAvailableError:
            return False
        done = sum(max(0, row.offset) for at, row in offsets.items() if at.topic == topic)
        if done < await log.end_offset(topic, 0):
            return False
    return True


async def _read(settings: Settings, found: Worker, end: int) -> Output:
    """Read the output, and hold it against what was asked: numbers without a gap on each stream."""
    counts: list[int] = []
    total, numbers, ended_ms = 0, Counter[str](), 0
    decode = codec("sequenced").decode
    async with KafkaLog(settings.kafka, READ_SECONDS) as log:
        begun_ms, with_first = await _begun(log, found)
        async for record in log.read(found.sink, 0, 0, end):
            segment: dict[str, Any] = decode(record.value)
            for event in segment["events"]:
                numbers[segment["stream_id"]] += 1
                if event["seq"] != numbers[segment["stream_id"]]:
                    raise Failure(Exit.UNHEALTHY, f"{found.sink}: a gap at offset {record.offset}")
            total += len(segment["events"])
            # Offsets may be skipped by a transaction's markers: a place for each.
            counts += [total] * (record.offset + 1 - len(counts))
            ended_ms = record.timestamp
    return Output(begun_ms, with_first, counts, ended_ms)


async def _begun(log: KafkaLog, found: Worker) -> tuple[int, int]:
    """Return when the first comments were written, and how many in that millisecond."""
    begun_ms, count = 0, 0
    decode = codec("moderated" if found.begins == MODERATED.name else "sequenced").decode
    async for record in log.read(found.begins, 0, 0, await log.end_offset(found.begins, 0)):
        value: dict[str, Any] = decode(record.value)
        if begun_ms and record.timestamp > begun_ms:
            break
        allowed = [item for item in value.get("items", ()) if item["verdict"] == "allow"]
        rows = len(value.get("events", allowed))
        if rows:
            begun_ms, count = record.timestamp, count + rows
    return begun_ms, count


def _spread(pid: int) -> None:
    """Leave the last core to the workers."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), cores[:-1])


@contextmanager
def _one_core() -> Iterator[None]:
    """Let what is started within run on the last core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
