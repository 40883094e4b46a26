"""``livecomments bench archive``: what persist's archive agent writes a second; pages; exports.

Records as they stand in ``comments.sequenced`` go through the agent's own runner (decode, fence, write,
acknowledge), one a partition; with ``--stage`` the whole persist process takes them from a real Kafka.
Processor time is told beside the rates: on a busy machine it is the truer figure.
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from agents.log import Record
from agents.persist import ArchiveSink
from agents.sink import SinkRunner
from agents.testing import MemoryLog
from livecomments.bench import lone
from livecomments.bench.export import measure_export
from livecomments.bench.figures import Figure
from livecomments.bench.sequenced import PARTITIONS, START_MS, records
from livecomments.options import Json
from livecomments.usage import cpu_seconds
from schemas.archive import Archive, open_archive
from schemas.settings import Settings, load

PAGE = 200
PAGES = 500
WARM_COMMENTS = 60_000

Kind = Literal["sqlite", "cassandra"]


def archive(
    kind: Annotated[
        Kind, typer.Option("--kind", help="Which store. A Cassandra of its own is started.")
    ] = "sqlite",
    comments: Annotated[
        int, typer.Option("--comments", min=1_000, help="Written over 200 streams.")
    ] = 300_000,
    stored: Annotated[
        int, typer.Option("--stored", min=1_000, help="On the stream that pages are read from.")
    ] = 1_000_000,
    stage: Annotated[
        bool, typer.Option("--stage", help="Measure the whole persist process beside a real Kafka instead.")
    ] = False,
    json_: Json = False,
) -> None:
    """Measure the archive: writes over 200 streams and over as many as comments; a page of 200; an export."""
    cassandra: Sequence[lone.Server] = ("cassandra",) if kind == "cassandra" else ()
    with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as name, ExitStack() as stack:
        if stage:
            from livecomments.bench.persist import measure_stage  # noqa: PLC0415 - needs Kafka's client

            servers = stack.enter_context(lone.running(Path(name), "kafka", "redis", *cassandra))
            figures = measure_stage(servers, comments)
        elif cassandra:
            servers = stack.enter_context(lone.running(Path(name), *cassandra))
            pid = servers.pid("cassandra")
            figures = asyncio.run(measure(servers.settings, comments, stored, lambda: cpu_seconds(pid)))
        else:
            settings = load({}).model_copy(update={"data": Path(name)})
            figures = asyncio.run(measure(settings, comments, stored, lambda: 0.0))
    if json_:
        typer.echo(json.dumps({"kind": kind, "stage": stage, "runs": [asdict(each) for each in figures]}))
    else:
        typer.echo("\n".join(map(str, figures)))


async def measure(
    settings: Settings, comments: int, stored: int, server_cpu: Callable[[], float]
) -> Sequence[Figure]:
    """Return the figures of one store. ``server_cpu``: seconds of processor time its server has had."""
    cassandra = settings.archive.kind == "cassandra"
    alone = min(comments, 50_000)
    async with _opened(settings) as store:
        writer = Writer(store, server_cpu)
        warm = min(comments, WARM_COMMENTS)
        await writer.write(records(200, warm, 50, "warm"))
        await writer.write(records(warm // 6, warm // 6, 1, "alone"))
        many = await writer.write(records(200, comments, 50, "many"))
        own = await writer.write(records(alone, alone, 1, "own"))
        one = await writer.write(records(1, stored, 500, "page"))
        pages = await _read(store, "page-0", stored)
        exported = await measure_export(store, settings.data / "export", "export_one_stream", ["page-0"])
        all_of_it = await measure_export(store, settings.data / "export-all", "export_all", [])
    return (
        *many.figures("write_200_streams", comments, 15_000 if cassandra else 30_000),
        *own.figures("write_own_streams", alone, 2_500 if cassandra else None),
        *one.figures("write_one_stream", stored, None),
        _page("page_200_median", statistics.median(pages), 20.0),
        _page("page_200_p99", statistics.quantiles(pages, n=100)[98], None),
        *exported,
        *all_of_it,
    )


@dataclass(frozen=True, slots=True)
class Took:
    """What one run took, in seconds: by the clock, of this process, of the store's server."""

    wall: float
    client: float
    server: float

    def figures(self, name: str, comments: int, target: float | None) -> Sequence[Figure]:
        """Return a rate, and processor time a comment."""
        rate = comments / self.wall
        rows = [Figure(name, rate, "comments/s", target, None if target is None else rate >= target)]
        for part, seconds in (("client", self.client), ("server", self.server)):
            if seconds:
                rows.append(Figure(f"{name}_{part}_cpu", 1e6 * seconds / comments, "µs/comment"))
        return rows


class Writer:
    """Gives records to the archive agent's runners, one a partition."""

    def __init__(self, store: Archive, server_cpu: Callable[[], float]) -> None:
        self._store = store
        self._server_cpu = server_cpu

    async def write(self, made: Sequence[tuple[int, bytes]]) -> Took:
        """Write all of (partition, record); return when all are acknowledged."""
        acknowledged, done = dict.fromkeys(range(PARTITIONS), 0), asyncio.Event()

        def acknowledge(partition: int, offset: int) -> None:
            acknowledged[partition] = offset
            if sum(acknowledged.values()) == len(made):
                done.set()

        sink, limits = ArchiveSink(self._store), Settings().stage
        runners = [
            SinkRunner(
                sink,
                partition,
                MemoryLog(),
                inbox_records_max=limits.inbox_records_max,
                merge_records_max=limits.merge_records_max,
                acknowledge=partial(acknowledge, partition),
            )
            for partition in range(PARTITIONS)
        ]
        tasks = [asyncio.create_task(runner.run()) for runner in runners]
        begun = (time.perf_counter(), time.process_time(), self._server_cpu())

        async def feed(partition: int) -> None:
            inbox, room = runners[partition].inbox, asyncio.Event()
            inbox.on_full, inbox.on_room = room.clear, room.set
            room.set()
            for offset, (_, value) in enumerate(row for row in made if row[0] == partition):
                await room.wait()
                inbox.put([Record(offset, START_MS, None, value)])

        await asyncio.gather(*(feed(partition) for partition in range(PARTITIONS)), done.wait())
        ended = (time.perf_counter(), time.process_time(), self._server_cpu())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return Took(*(end - begin for begin, end in zip(begun, ended, strict=True)))


async def _read(store: Archive, stream_id: str, stored: int) -> list[float]:
    """Return the milliseconds that each of many pages took, at random places."""
    chance, took = random.Random(2), []  # noqa: S311 - no secret
    for _ in range(PAGES):
        at = chance.randint(1, max(1, stored - PAGE))
        begun = time.perf_counter()
        page = await store.read(stream_id, from_seq=at, limit=PAGE)
        took.append((time.perf_counter() - begun) * 1000)
        if page is None or [event["seq"] for event in page.events] != list(range(at, at + PAGE)):
            raise AssertionError(f"the page from {at} is not what was written")
    return took


def _page(name: str, value: float, target: float | None) -> Figure:
    return Figure(name, value, "ms", target, None if target is None else value <= target)


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Archive]:
    store = open_archive(settings)
    await store.migrate()
    await store.open()
    try:
        yield store
    finally:
        await store.close()
