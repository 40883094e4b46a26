"""``livecomments bench archive``: what persist's archive agent writes a second, and how long a page takes.

Records as they stand in ``comments.sequenced`` go through the agent's own runner (decode, fence, write,
acknowledge), one a partition; only Faust and Kafka are left out.
"""

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from livecomments.options import Json
from schemas.archive import Archive
from schemas.settings import Settings, load

PARTITIONS = 8
PER_RECORD = 50
PAGE = 200
PAGES = 500
WARM_COMMENTS = 40_000
START_MS = 1_700_000_000_000
EPOCH = "bench-0"
TALK = "what a great stream this is hello from everywhere lol nice play go go see you next time wow yes no"
WORDS = TALK.split()

Kind = Literal["sqlite", "cassandra"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One measurement. ``target``: what issue 8 asks; None: no figure was set."""

    name: str
    value: float
    unit: str
    target: float | None
    met: bool | None


def archive(
    kind: Annotated[
        Kind, typer.Option("--kind", help="Which store; a Cassandra of its own is started.")
    ] = "sqlite",
    comments: Annotated[
        int, typer.Option("--comments", min=1_000, help="Written over 200 streams.")
    ] = 300_000,
    stored: Annotated[
        int, typer.Option("--stored", min=1_000, help="On the stream that pages are read of.")
    ] = 1_000_000,
    json_: Json = False,
) -> None:
    """Measure the archive: comments a second over 200 streams and over as many as comments; a page of 200."""
    with tempfile.TemporaryDirectory(prefix="livecomments-bench-") as name, ExitStack() as stack:
        settings = load({}).model_copy(update={"data": Path(name)})
        if kind == "cassandra":
            from livecomments.bench.lone import running  # noqa: PLC0415

            ports = stack.enter_context(running(Path(name), "cassandra"))
            settings = settings.model_copy(
                update={
                    "archive": settings.archive.model_copy(update={"kind": "cassandra"}),
                    "cassandra": settings.cassandra.model_copy(update={"port": ports.cassandra}),
                }
            )
        figures = asyncio.run(measure(settings, comments, stored))
    if json_:
        typer.echo(json.dumps({"kind": kind, "runs": [asdict(each) for each in figures]}))
        return
    for each in figures:
        asked = (
            "" if each.target is None else f"   asked {each.target:,.0f}, {'met' if each.met else 'NOT met'}"
        )
        typer.echo(f"{each.name:<28} {each.value:>12,.1f} {each.unit}{asked}")


async def measure(settings: Settings, comments: int, stored: int) -> Sequence[Figure]:
    """Return the figures of one store."""
    cassandra = settings.archive.kind == "cassandra"
    alone = min(comments, 50_000)
    async with _opened(settings) as store:
        await _write(store, records(200, WARM_COMMENTS, PER_RECORD, "warm"))
        many = await _write(store, records(200, comments, PER_RECORD, "many"))
        own = await _write(store, records(alone, alone, 1, "own"))
        one = await _write(store, records(1, stored, 500, "page"))
        pages = await _read(store, "page-0", stored)
    return (
        _rate("write_200_streams", comments, many, 15_000 if cassandra else 30_000),
        Figure("write_200_streams_cpu", 1e6 * many.cpu / comments, "us a comment, this process", None, None),
        _rate("write_own_streams", alone, own, 2_500 if cassandra else None),
        _rate("write_one_stream", stored, one, None),
        _page("page_200_median", statistics.median(pages), 20.0),
        _page("page_200_p99", statistics.quantiles(pages, n=100)[98], None),
    )


def records(streams: int, comments: int, per_record: int, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield (partition, record of ``comments.sequenced``), as many comments, the streams in turn."""
    from schemas.codec import codec  # noqa: PLC0415
    from schemas.records import Event, OriginDict, Sequenced  # noqa: PLC0415
    from schemas.routing import partition_of  # noqa: PLC0415

    encode, chance = codec("sequenced").encode, random.Random(1)  # noqa: S311 - no secret
    origin = OriginDict(offset=0, index=0)
    for number in range(-(-comments // per_record)):
        stream_id, start = f"{name}-{number % streams}", number // streams * per_record
        events = [
            Event(
                type="comment",
                seq=start + step,
                at=START_MS + number * 100 + step,
                id=f"{chance.getrandbits(128):032x}",
                user_id=f"user-{chance.randrange(100_000)}",
                user_name=chance.choice(WORDS).title() + " Somebody",
                role="viewer",
                text=" ".join(chance.choices(WORDS, k=chance.randint(3, 15))),
                sticker=None,
                command=None,
                mask=-1,
            )
            for step in range(1, per_record + 1)
        ]
        record = Sequenced(
            stream_id=stream_id,
            epoch=EPOCH,
            from_seq=start,
            to_seq=start + per_record,
            origin=origin,
            covered=origin,
            claim="",
            token=0,
            source_token=0,
            events=events,
            refused=[],
        )
        yield partition_of(stream_id, PARTITIONS), encode(record)


@dataclass(frozen=True, slots=True)
class _Took:
    wall: float
    cpu: float


async def _write(store: Archive, made: Iterator[tuple[int, bytes]]) -> _Took:
    """Give each partition's records to a runner, and wait until all are acknowledged."""
    from agents.log import Record  # noqa: PLC0415
    from agents.persist import ArchiveSink  # noqa: PLC0415
    from agents.runner import Work  # noqa: PLC0415
    from agents.sink import SinkRunner  # noqa: PLC0415
    from agents.testing import MemoryLog  # noqa: PLC0415

    rows = list(made)
    acknowledged, done = 0, asyncio.Event()

    async def ack() -> None:
        nonlocal acknowledged
        acknowledged += 1
        if acknowledged == len(rows):
            done.set()

    sink = ArchiveSink(store)
    limits = Settings().stage
    runners = [
        SinkRunner(
            sink,
            partition,
            MemoryLog(),
            inbox_records_max=limits.inbox_records_max,
            merge_records_max=limits.merge_records_max,
        )
        for partition in range(PARTITIONS)
    ]
    tasks = [asyncio.create_task(runner.run()) for runner in runners]
    wall, cpu = time.perf_counter(), time.process_time()

    async def feed(partition: int) -> None:
        for offset, (_, value) in enumerate(row for row in rows if row[0] == partition):
            await runners[partition].inbox.put(Work(Record(offset, START_MS, None, value), ack))

    await asyncio.gather(*(feed(partition) for partition in range(PARTITIONS)), done.wait())
    took = _Took(time.perf_counter() - wall, time.process_time() - cpu)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return took


async def _read(store: Archive, stream_id: str, stored: int) -> list[float]:
    """Return the milliseconds that each of many pages took, at random places."""
    chance, took = random.Random(2), []  # noqa: S311
    for _ in range(PAGES):
        at = chance.randint(1, max(1, stored - PAGE))
        begun = time.perf_counter()
        page = await store.read(stream_id, from_seq=at, limit=PAGE)
        took.append((time.perf_counter() - begun) * 1000)
        if page is None or [event["seq"] for event in page.events] != list(range(at, at + PAGE)):
            raise AssertionError(f"the page from {at} is not what was written")
    return took


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Archive]:
    from schemas.archive import open_archive  # noqa: PLC0415

    store = open_archive(settings)
    await store.migrate()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _rate(name: str, comments: int, took: _Took, target: float | None) -> Figure:
    value = comments / took.wall
    return Figure(name, value, "comments/s", target, None if target is None else value >= target)


def _page(name: str, value: float, target: float | None) -> Figure:
    return Figure(name, value, "ms", target, None if target is None else value <= target)
