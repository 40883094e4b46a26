"""``livecomments bench feed``: the edge's two feeds side by side: how soon comments arrive, at what cost.

Two edges of their own join a stack that runs, one on each feed, with the same viewers; every comment goes
through the whole stack once and is seen on both, so that what differs is the feed. Windows are off. CPU is
the kernel's account of each process (``/proc``).
"""

import asyncio
import json
import os
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge.auth import Viewer
from edge.gateway import Gateway
from livecomments.bench.watching import Watcher, listening, watching
from livecomments.exits import Exit, Failure
from livecomments.options import DataDir, Json, PortBase
from livecomments.stack import state
from livecomments.stack.addresses import stack_settings
from livecomments.stack.launch import spare_ports
from livecomments.stack.plan import stack_environment
from livecomments.stack.probes import ask
from livecomments.stack.processes import Child
from livecomments.stack.spec import Command, Probe
from livecomments.usage import cpu_seconds
from schemas.logs import configure
from schemas.refusals import Refusal
from schemas.settings import Log, Settings

FEEDS = ("kafka", "redis")
READY_SECONDS = 60.0
LATE_SECONDS = 10.0
"""After the last comment, for those under way; what comes later is missing."""
IDLE_SECONDS = 5.0
WARM_SECONDS = 2.0
TICK_SECONDS = 0.02
UNDER_WAY_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Load:
    """``streams`` are commented on, evenly; the first ``watched`` of them have a viewer on each edge."""

    streams: int
    watched: int
    comments_per_second: int


LOADS = (
    Load(1, 1, 5),
    Load(1, 1, 200),
    Load(100, 100, 200),
    Load(1_000, 1_000, 200),
    Load(1_000, 20, 600),
    Load(4_000, 4_000, 400),
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One feed under one load. CPU in percent of a core; ``redis_idle`` while nobody comments."""

    feed: Literal["kafka", "redis"]
    streams: int
    watched: int
    comments_per_second: float
    p50_ms: float
    p99_ms: float
    after_first_p50_ms: float
    """Later than on the faster feed, comment by comment: what comes before the feeds is not in it."""
    after_first_p99_ms: float
    published_p50_ms: float | None
    """From sending to the message on Redis: what the stack needs before the Redis feed begins."""
    missing: int
    edge_cpu: float
    edge_cpu_idle: float
    redis_cpu: float
    redis_cpu_idle: float
    kafka_cpu: float
    gaps_healed: int


def feed(
    port_base: PortBase = None,
    data: DataDir = None,
    seconds: Annotated[float, typer.Option("--seconds", min=2, help="Of comments, for each load.")] = 10.0,
    load: Annotated[
        list[str] | None,
        typer.Option("--load", metavar="STREAMS,WATCHED,RATE", help="Instead of the usual ones; repeatable."),
    ] = None,
    json_: Json = False,
) -> None:
    """Measure delivery through the Kafka and the Redis feed, on a stack that runs."""
    settings = stack_settings(port_base, data)
    configure(Log(level="warning"), "bench")
    servers = _servers(settings.data)
    loads = [_load(each) for each in load] if load else LOADS
    figures = asyncio.run(_measure(settings, servers, loads, seconds))
    if json_:
        typer.echo(json.dumps({"cpus": os.cpu_count(), "runs": [asdict(each) for each in figures]}))
        return
    for each in figures:
        typer.echo(
            f"{each.feed:<6} {each.watched:>5} of {each.streams:>5} streams"
            f" {each.comments_per_second:>7.1f}/s"
            f"  p50 {each.p50_ms:7.1f} ms  p99 {each.p99_ms:7.1f} ms"
            f"  after the first {each.after_first_p50_ms:5.1f}, {each.after_first_p99_ms:5.1f} ms"
            f"  missing {each.missing}"
            f"  published {each.published_p50_ms if each.published_p50_ms is not None else '–'} ms"
            f"  edge {each.edge_cpu:5.1f}% (idle {each.edge_cpu_idle:4.1f}%)"
            f"  redis {each.redis_cpu:5.1f}% (idle {each.redis_cpu_idle:4.1f}%)  kafka {each.kafka_cpu:5.1f}%"
        )


def _load(text: str) -> Load:
    try:
        streams, watched, rate = map(int, text.split(","))
    except ValueError:
        raise Failure(Exit.USAGE, f"--load {text}: write STREAMS,WATCHED,RATE, as in 1000,20,600") from None
    if not 1 <= watched <= streams or rate < 1:
        raise Failure(Exit.USAGE, f"--load {text}: WATCHED is 1 to STREAMS, RATE at least 1")
    return Load(streams, watched, rate)


def _servers(directory: Path) -> dict[str, int]:
    """Return the pids of Kafka and Redis."""
    running = state.running(directory)
    found = running.pids() if running is not None else {}
    if running is None or not {"kafka", "redis", "persist"} <= found.keys():
        raise Failure(Exit.NOT_RUNNING, f"no whole stack runs in {directory}: livecomments up --detach")
    return {name: found[name] for name in ("kafka", "redis")}


async def _measure(
    settings: Settings, servers: Mapping[str, int], loads: Sequence[Load], seconds: float
) -> list[Figure]:
    figures: list[Figure] = []
    async with _gateway(settings) as gateway:
        for load in loads:
            print(f"{load.watched} of {load.streams} streams, {load.comments_per_second}/s", file=sys.stderr)
            figures += await _one(settings, servers, gateway, load, seconds)
    return figures


async def _one(
    settings: Settings, servers: Mapping[str, int], gateway: Gateway, load: Load, seconds: float
) -> list[Figure]:
    run = uuid.uuid4().hex[:6]
    streams = [f"bench-{run}-{number}" for number in range(load.streams)]
    idle: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as stack:
        edges, watchers, pids = {}, dict[str, Watcher](), dict(servers)
        for name in FEEDS:
            port, pid = edges[name] = await stack.enter_async_context(_edge(settings, name))
            pids[f"{name} edge"] = pid
            watchers[name] = await stack.enter_async_context(watching(port, streams[: load.watched]))
            idle[name] = await _cpu(pids, IDLE_SECONDS)
        published = await stack.enter_async_context(listening(settings.redis, streams[: load.watched]))
        await _comment(gateway, streams, load.comments_per_second, WARM_SECONDS)
        counting = asyncio.create_task(_cpu(pids, seconds))
        sent = await _comment(gateway, streams, load.comments_per_second, seconds)
        cpu = await counting
        watched = {id_: at for id_, (at, stream) in sent.items() if stream < load.watched}
        await _arrival(watchers, watched)
        healed = {name: await _gaps(port) for name, (port, _) in edges.items()}
    return [
        Figure(
            feed=name,  # type: ignore[arg-type]
            streams=load.streams,
            watched=load.watched,
            comments_per_second=round(len(sent) / seconds, 1),
            **_latency(watchers[name], watchers.values(), watched),  # type: ignore[arg-type]
            published_p50_ms=_waited_ms(published, watched) if name == "redis" else None,
            edge_cpu=cpu[f"{name} edge"],
            edge_cpu_idle=idle["redis"][f"{name} edge"],
            redis_cpu=cpu["redis"],
            redis_cpu_idle=idle[name]["redis"],
            kafka_cpu=cpu["kafka"],
            gaps_healed=healed[name],
        )
        for name in FEEDS
    ]


@asynccontextmanager
async def _gateway(settings: Settings) -> AsyncIterator[Gateway]:
    gateway = Gateway(settings, boot="bench")
    await gateway.start()
    try:
        async with asyncio.timeout(READY_SECONDS):
            while not gateway.ready:  # noqa: ASYNC110 - it says nothing when it is
                await asyncio.sleep(0.05)
        yield gateway
    finally:
        await gateway.stop()


@asynccontextmanager
async def _edge(settings: Settings, feed_: str) -> AsyncIterator[tuple[int, int]]:
    """Run an edge; yield its port and pid."""
    port = next(spare_ports(set()))
    own = {
        "NAME": f"bench-{feed_}",
        "PORT": str(port),
        "FEED": feed_,
        "WINDOW_MS": "0",
        "FIRST_EVENTS": "0",
        "SUBSCRIPTIONS_PER_CONNECTION_MAX": "1000",
        "COMMANDS_PER_SECOND_MAX": "100000",
        "DRAIN_SECONDS": "0",
    }
    environment = {f"LIVECOMMENTS_EDGE__{name}": value for name, value in own.items()}
    command = Command(
        (sys.executable, "-m", "livecomments", "edge"), stack_environment(settings) | environment
    )
    with tempfile.TemporaryDirectory() as directory:
        child = Child(command, Path(directory) / "log")
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not await ask(Probe.HTTP, f"127.0.0.1:{port}"):  # noqa: ASYNC110 - it is asked
                    await asyncio.sleep(0.05)
            yield port, child.pid
        finally:
            await child.stop(READY_SECONDS)


async def _comment(
    gateway: Gateway, streams: Sequence[str], rate: float, seconds: float
) -> dict[str, tuple[float, int]]:
    """Comment evenly; return each accepted id, when it was sent, and on which stream."""
    viewer, loop = Viewer("bench", "Bench", "platform"), asyncio.get_running_loop()
    sent: dict[str, tuple[float, int]] = {}
    under_way: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        id_ = str(uuid.uuid4())
        begun, stream = loop.time(), number * 7919 % len(streams)
        try:
            await gateway.comment(viewer, streams[stream], id=id_, text=f"comment {number} of the bench")
        except Refusal:
            return  # unknown: it may arrive, and is not counted
        sent[id_] = (begun, stream)

    begun = loop.time()
    number = 0
    while (elapsed := loop.time() - begun) < seconds:
        while number < elapsed * rate and len(under_way) < UNDER_WAY_MAX:
            task = asyncio.create_task(one(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            number += 1
        await asyncio.sleep(min(TICK_SECONDS, 1 / rate))
    if under_way:
        await asyncio.wait(under_way)
    return sent


async def _arrival(watchers: Mapping[str, Watcher], sent: Mapping[str, object]) -> None:
    """Wait until all arrived everywhere, or it is late."""
    deadline = asyncio.get_running_loop().time() + LATE_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        for watcher in watchers.values():
            watcher.check()
        if all(sent.keys() <= watcher.arrived.keys() for watcher in watchers.values()):
            return
        await asyncio.sleep(0.05)


def _latency(watcher: Watcher, both: Collection[Watcher], sent: Mapping[str, float]) -> dict[str, float]:
    everywhere = [id_ for id_ in sent if all(id_ in each.arrived for each in both)]
    if not everywhere:
        raise Failure(Exit.UNHEALTHY, "nothing arrived: see `livecomments status` and the logs of the stack")
    waits = [watcher.arrived[id_] - sent[id_] for id_ in everywhere]
    after = [watcher.arrived[id_] - min(each.arrived[id_] for each in both) for id_ in everywhere]
    return {
        "p50_ms": _percentile_ms(waits, 50),
        "p99_ms": _percentile_ms(waits, 99),
        "after_first_p50_ms": _percentile_ms(after, 50),
        "after_first_p99_ms": _percentile_ms(after, 99),
        "missing": len(sent) - sum(id_ in watcher.arrived for id_ in sent),
    }


def _waited_ms(published: Mapping[str, float], sent: Mapping[str, float]) -> float | None:
    waits = [published[id_] - at for id_, at in sent.items() if id_ in published]
    return _percentile_ms(waits, 50) if waits else None


def _percentile_ms(seconds: Sequence[float], percent: int) -> float:
    return round(1000 * sorted(seconds)[len(seconds) * percent // 100], 1)


async def _cpu(pids: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Return each process's CPU over ``seconds``, in percent of a core."""
    loop = asyncio.get_running_loop()
    before, begun = {name: cpu_seconds(pid) for name, pid in pids.items()}, loop.time()
    await asyncio.sleep(seconds)
    took = loop.time() - begun
    return {name: round(100 * (cpu_seconds(pid) - before[name]) / took, 1) for name, pid in pids.items()}


async def _gaps(port: int) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    name = "livecomments_edge_feed_gaps_total "
    return next((int(float(line.split()[1])) for line in text.splitlines() if line.startswith(name)), 0)
