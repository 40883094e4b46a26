"""Several processes on one port, under their small parent, as an operator sees them."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from edge.registry import Roster
from livecomments.exits import Exit
from schemas import stores
from tests.fleet.helpers import (
    PATH,
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

pytestmark = pytest.mark.integration


class Fleet:
    """Two processes on ``port``; their admin ports are ``admin`` and the next."""

    def __init__(self, port: int, admin: int, parent: asyncio.subprocess.Process) -> None:
        self.port, self.admin, self.parent = port, admin, parent

    def pids(self) -> list[int]:
        """Return the processes of the parent, oldest first."""
        children = Path(f"/proc/{self.parent.pid}/task/{self.parent.pid}/children").read_text(
            encoding="ascii"
        )
        return [int(pid) for pid in children.split()]

    async def connections(self) -> list[float]:
        """Return how many viewers each process has."""
        return [await metric(self.admin + n, "livecomments_edge_connections") for n in range(2)]


@asynccontextmanager
async def fleet(redis_url: str, **edge: object) -> AsyncIterator[Fleet]:
    port, admin = free_port(), free_port(2)
    settings = {"port": port, "admin_port": admin, "processes": 2, "drain_seconds": 1, **edge}
    async with process("-m", "tests.fleet.parent", **edge_environment(redis_url, **settings)) as parent:
        await ready(port)
        yield Fleet(port, admin, parent)


async def test_processes_share_the_port_and_say_so(redis_url: str, redis: Redis) -> None:
    """Viewers fall on both; ready means both; each has its metrics; together they are one edge to choose."""
    async with fleet(redis_url) as on:
        said = await ready(on.port)
        assert (said["process 0"], said["process 1"]) == (True, True)
        viewers = await crowd(on.port, 200)
        counts = await on.connections()
        assert sum(counts) == 200
        assert min(counts) > 40
        status, words = await get(on.port, "/metrics")
        assert status == 404
        assert "admin port" in words
        assert (await get(on.admin, "/"))[0] == 404
        assert json.loads((await get(on.admin, "/readyz"))[1]) == {
            "ready": True, "feed": True, "accepting": True,
        }  # fmt: skip
        assert sorted(await redis.hkeys(stores.EDGES)) == [b"edge.0", b"edge.1"]
        async with asyncio.timeout(10):
            while True:
                now = iter(range(0, 10**6, 10))
                [offer] = await Roster(redis, lambda now=now: next(now)).offers()  # type: ignore[misc]
                if offer.load == 200:
                    break
                await asyncio.sleep(0.05)
        assert offer.address == f"ws://127.0.0.1:{on.port}{PATH}"
        assert offer.capacity == 2 * 15_000
        for viewer in viewers:
            viewer.end()


async def test_a_process_that_is_killed_is_started_again(redis_url: str, redis: Redis) -> None:
    """Meanwhile the edge is not ready as a whole; its viewers resume on the other, and miss nothing."""
    writer = Writer(redis)
    await writer.put()
    async with fleet(redis_url) as on, apps(f"ws://127.0.0.1:{on.port}{PATH}", 12) as seen:
        async with writer.going_on():
            await until(lambda: all(each.seqs for each in seen))
            before = on.pids()
            os.kill(before[0], signal.SIGKILL)
            await ready(on.port, status=503)
            await ready(on.port)
            assert len(set(on.pids()) - set(before)) == 1
        await until(lambda: all(each.seqs[-1] == writer.seq for each in seen))
        for each in seen:
            check_whole(each, writer.seq)
        assert any(len(each.subscribed) > 1 for each in seen)


async def test_a_rolling_restart_loses_nobody_anything(redis_url: str, redis: Redis) -> None:
    """SIGHUP replaces both processes, one at a time; every viewer is sent away by a close frame."""
    writer = Writer(redis)
    await writer.put()
    async with fleet(redis_url) as on:
        raw = await crowd(on.port, 300)
        async with apps(f"ws://127.0.0.1:{on.port}{PATH}", 12) as seen:
            async with writer.going_on():
                before = on.pids()
                on.parent.send_signal(signal.SIGHUP)
                await until(lambda: len(set(on.pids()) - set(before)) == 2)
                await ready(on.port)
            await until(lambda: all(each.seqs[-1] == writer.seq for each in seen))
            for each in seen:
                check_whole(each, writer.seq)
                assert set(each.connecting) <= {0, 4000}, each.connecting
                assert each.disconnected == []
        await until(lambda: all(viewer.lost for viewer in raw))
        assert {viewer.close.code if viewer.close else None for viewer in raw} == {4000}


async def test_the_end_drains_all_processes(redis_url: str, redis: Redis) -> None:
    """SIGTERM: every viewer gets a close frame, the registry forgets them, and the parent ends well."""
    async with fleet(redis_url) as on:
        viewers = await crowd(on.port, 400)
        on.parent.terminate()
        async with asyncio.timeout(30):
            assert await on.parent.wait() == 0
        await until(lambda: all(viewer.lost for viewer in viewers))
        assert {viewer.close.code if viewer.close else None for viewer in viewers} == {4000}
        assert await redis.hlen(stores.EDGES) == 0


async def test_processes_that_never_get_ready_end_the_parent(redis_url: str) -> None:
    """A mistake in the settings is not tried for ever: the parent says so and ends."""
    environment = edge_environment(redis_url, port=free_port(), processes=2)
    async with process("-m", "tests.fleet.parent", "-c", "raise SystemExit(3)", **environment) as parent:
        async with asyncio.timeout(30):
            assert await parent.wait() == Exit.NOT_READY
