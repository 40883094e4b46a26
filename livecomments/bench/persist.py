"""The whole persist stage, one process beside a real Kafka: what it takes from its topic a second."""

import asyncio
import os
import subprocess
import time
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import GroupCoordinatorNotAvailableError

from agents.kafka import KafkaLog
from livecomments.bench.figures import Figure
from livecomments.bench.lone import VERB, VERB_SECONDS, Lone, verb
from livecomments.bench.sequenced import PARTITIONS, records
from livecomments.exits import Exit, Failure
from livecomments.stack.plan import stack_environment
from livecomments.usage import cpu_seconds
from schemas.settings import Settings
from schemas.topics import SEQUENCED

GROUP = "livecomments-persist-archive"
PER_RECORD = 50
STREAMS = 200
POLL_SECONDS = 0.1
LIMIT_SECONDS = 600.0
FILL_RECORDS = 100
"""Of one append."""


def measure_stage(servers: Lone, comments: int) -> Sequence[Figure]:
    """Fill the topic, run the stage's process until its archive agent has committed all, and tell its rate.

    The rate counts from the first commit that is seen, so that the process's start is left out.
    """
    settings = servers.settings
    environment = os.environ | stack_environment(settings)
    verb(environment, "topics", "apply")
    verb(environment, "migrate")
    total = asyncio.run(_fill(settings, comments))
    log = (servers.directory / "logs" / "persist.log").open("ab")
    with (
        log,
        subprocess.Popen([*VERB, "stage", "persist"], env=environment, stdout=log, stderr=log) as process,
    ):
        pids = {"persist": process.pid, "kafka": servers.pid("kafka")}
        if settings.archive.kind == "cassandra":
            pids["cassandra"] = servers.pid("cassandra")
        try:
            first, last = asyncio.run(_follow(settings, total, process, pids))
        finally:
            process.terminate()
            process.wait(VERB_SECONDS)
    done = (last[1] - first[1]) * PER_RECORD
    rate = done / (last[0] - first[0])
    target = 15_000 if settings.archive.kind == "cassandra" else None
    figures = [Figure("stage_200_streams", rate, "comments/s", target, rate >= target if target else None)]
    return figures + [
        Figure(f"stage_200_streams_{name}_cpu", 1e6 * (last[2][name] - first[2][name]) / done, "µs/comment")
        for name in pids
    ]


async def _fill(settings: Settings, comments: int) -> int:
    """Append the records; return how many."""
    made = records(STREAMS, comments, PER_RECORD, "many")
    async with KafkaLog(settings.kafka, LIMIT_SECONDS) as log:
        for partition in range(PARTITIONS):
            values = [value for at, value in made if at == partition]
            for start in range(0, len(values), FILL_RECORDS):
                entries = [(None, value) for value in values[start : start + FILL_RECORDS]]
                await (await log.append(SEQUENCED.name, partition, entries))
    return len(made)


Seen = tuple[float, int, dict[str, float]]
"""When, how many records were committed, processor time of each process."""


async def _follow(
    settings: Settings, total: int, process: "subprocess.Popen[bytes]", pids: dict[str, int]
) -> tuple[Seen, Seen]:
    """Watch the committed offsets from the first commit to the last."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap)
    await admin.start()
    first: Seen | None = None
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                committed = await _committed(admin)
                cpu = {name: cpu_seconds(pid) for name, pid in pids.items()}
                seen = (time.perf_counter(), committed, cpu)
                if first is None and committed:
                    first = seen
                if first is not None and committed >= total:
                    return first, seen
                if process.poll() is not None:
                    raise Failure(Exit.FAILURE, f"persist ended with code {process.returncode}")
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await admin.close()


async def _committed(admin: AIOKafkaAdminClient) -> int:
    """Return how many records the archive agent's group has committed."""
    try:
        offsets = await admin.list_consumer_group_offsets(GROUP)
    except GroupCoordinatorNotAvailableError:  # nobody has joined a group in this Kafka yet
        return 0
    return sum(max(0, row.offset) for at, row in offsets.items() if at.topic == SEQUENCED.name)
