"""The HAProxy configuration as it ships, before real edges that come and go."""

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from tests.fleet.helpers import (
    LIMIT_SECONDS,
    PATH,
    ROOT,
    Writer,
    apps,
    check_whole,
    crowd,
    edge_environment,
    get,
    metric,
    process,
    ready,
    until,
)
from tests.servers import free_port

CONFIGURATION = ROOT / "docker" / "haproxy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed (Debian: apt-get install haproxy)"),
]


class Site:
    """Edges behind HAProxy."""

    def __init__(
        self, redis_url: str, ports: list[int], front: int, metrics: int, stack: AsyncExitStack
    ) -> None:
        self.ports, self.front, self.metrics = ports, front, metrics
        self.edges: dict[int, asyncio.subprocess.Process] = {}
        self._url = redis_url
        self._stack = stack

    def ws(self, stream: str) -> str:
        """Return where a stream's viewers connect."""
        return f"ws://127.0.0.1:{self.front}{PATH}?stream={stream}"

    async def begin(self, *ports: int) -> None:
        """Start edges, and wait until HAProxy sends them viewers."""
        for port in ports:
            environment = edge_environment(self._url, port=port, name=f"edge-{port}", drain_seconds=1)
            self.edges[port] = await self._stack.enter_async_context(
                process("-m", "tests.fleet.redis_edge", **environment)
            )
        for port in ports:
            await ready(port)
        await self.in_use(len([each for each in self.edges.values() if each.returncode is None]))

    async def in_use(self, count: int) -> None:
        """Wait until HAProxy has that many edges."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while await self.active() != count:
                await asyncio.sleep(0.05)

    async def active(self) -> int:
        """Return how many edges HAProxy has."""
        _, body = await get(self.metrics, "/metrics")
        wanted = 'haproxy_backend_active_servers{proxy="edges"}'
        return next((int(line.split()[-1]) for line in body.splitlines() if line.startswith(wanted)), 0)

    async def counts(self, name: str = "users") -> list[int]:
        """Return a metric of each running edge."""
        running = [port for port, edge in self.edges.items() if edge.returncode is None]
        return [int(await metric(port, f"livecomments_edge_{name}")) for port in running]


@asynccontextmanager
async def site(redis_url: str, count: int) -> AsyncIterator[Site]:
    ports = [free_port() for _ in range(4)]
    front, metrics = free_port(), free_port()
    environment = {
        "LISTEN": f"127.0.0.1:{front}",
        "METRICS_LISTEN": f"127.0.0.1:{metrics}",
        "API": f"127.0.0.1:{free_port()}",
        **{f"EDGE_{number}": f"127.0.0.1:{port}" for number, port in enumerate(ports, start=1)},
    }
    assert HAPROXY is not None
    null = asyncio.subprocess.DEVNULL
    proxy = await asyncio.create_subprocess_exec(
        HAPROXY, "-db", "-f", str(CONFIGURATION), env=os.environ | environment,
        stdin=null, stdout=null, stderr=null,
    )  # fmt: skip
    try:
        async with AsyncExitStack() as stack:
            on = Site(redis_url, ports, front, metrics, stack)
            await on.begin(*ports[:count])
            yield on
    finally:
        with contextlib.suppress(ProcessLookupError):
            proxy.terminate()
        await proxy.wait()


async def test_a_streams_viewers_land_on_the_same_edge_and_no_edge_is_crowded(
    redis_url: str, redis: Redis
) -> None:
    """60 streams of 5 on 3 edges: few streams are held twice, and no edge has 1.5 times its share."""
    async with site(redis_url, 3) as on:
        assert (await get(on.front, "/metrics"))[0] == 404
        assert (await get(on.front, "/healthz"))[0] == 200
        viewers = [viewer for number in range(60) for viewer in await crowd(on.front, 5, f"stream-{number}")]
        counts, streams = await on.counts(), await on.counts("streams")
        assert sum(counts) == 300
        assert max(counts) <= 1.5 * 300 / 3
        # Sent anywhere, each stream would be on 2.6 of the 3 edges, 158 in all.
        assert sum(streams) <= 100
        for viewer in viewers:
            viewer.end()


async def test_viewers_of_a_killed_edge_resume_on_another(redis_url: str, redis: Redis) -> None:
    """No comment is missed or doubled; the edge that comes back gets viewers again."""
    writer = Writer(redis)
    await writer.put()
    async with site(redis_url, 2) as on, apps(on.ws("demo"), 10) as seen:
        async with writer.going_on():
            await until(lambda: all(each.seqs for each in seen))
            counts = dict(zip(on.edges, await on.counts(), strict=True))
            most = max(counts, key=lambda port: counts[port])
            on.edges[most].send_signal(signal.SIGKILL)
            await on.edges[most].wait()
            await on.in_use(1)
            await until(lambda: sum(len(each.subscribed) > 1 for each in seen) >= counts[most])
            await on.begin(most)
            viewers = [viewer for n in range(20) for viewer in await crowd(on.front, 2, f"other-{n}")]
            assert min(await on.counts()) > 5
        await until(lambda: all(each.seqs[-1] == writer.seq for each in seen))
        for each in seen:
            check_whole(each, writer.seq)
        for viewer in viewers:
            viewer.end()


async def test_edges_are_replaced_one_by_one(redis_url: str, redis: Redis) -> None:
    """A rolling restart behind HAProxy: each is drained, a new one takes over, nobody loses anything."""
    writer = Writer(redis)
    await writer.put()
    async with site(redis_url, 2) as on, apps(on.ws("demo"), 10) as seen:
        raw = await crowd(on.front, 100)
        async with writer.going_on():
            for port in on.ports[:2]:
                on.edges[port].terminate()
                async with asyncio.timeout(LIMIT_SECONDS):
                    await on.edges[port].wait()
                await on.in_use(1)
                await on.begin(port)
        await until(lambda: all(each.seqs[-1] == writer.seq for each in seen))
        for each in seen:
            check_whole(each, writer.seq)
            assert each.disconnected == []
        await until(lambda: all(viewer.lost for viewer in raw))
        assert {viewer.close.code if viewer.close else None for viewer in raw} == {4000}


async def test_no_edge_at_all_is_said(redis_url: str) -> None:
    """HAProxy's own health page fails when it has nobody to send viewers to."""
    async with site(redis_url, 0) as on:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (await get(on.front, "/healthz"))[0] != 503:
                await asyncio.sleep(0.05)
