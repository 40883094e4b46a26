"""A worker's pages over HTTP: what makes it unhealthy, what not ready, and what it shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from agents.health import served
from agents.progress import UNHEALTHY_SECONDS, Progress
from schemas.settings import Stage
from tests.servers import free_port


@dataclass
class Runner:
    """One partition, as far as its page asks."""

    processed: int = 5
    steps: int = 2
    step_seconds: float = 0.5
    dead_letters: int = 0
    waiting: int = 3
    away: bool = False

    def figures(self) -> dict[str, float]:
        return {"streams": 4.0}


@dataclass
class Shell:
    """One agent."""

    name: str
    ready: bool = True
    progress: Progress = field(default_factory=Progress)
    runners: dict[int, Runner] = field(default_factory=lambda: {0: Runner()})

    def see(self, *, ago: float, position: int, end: int) -> None:
        """Note where its partition stood, so long ago."""
        now = asyncio.get_running_loop().time()
        self.progress.see(0, self.runners[0], position, end, now - ago)


@asynccontextmanager
async def pages(*shells: Shell) -> AsyncIterator[Any]:
    """Serve the shells' pages; yields what asks for one: status and body."""
    port = free_port()
    async with (
        served("persist", shells, Stage(health_port=port)),
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):

        async def get(path: str) -> tuple[int, str]:
            async with session.get(path) as answer:
                return answer.status, await answer.text()

        yield get


async def test_a_stalled_consumer_is_not_healthy() -> None:
    """Work and no progress for a minute is 503, and the agent is named; progress, or no lag, is well."""
    stalled, moving, idle = Shell("persist-flat"), Shell("persist-window"), Shell("persist-archive")
    async with pages(stalled, moving, idle) as get:
        for ago in (UNHEALTHY_SECONDS + 5, 0.0):
            moving.runners[0].processed += 1
            moving.see(ago=ago, position=5, end=900)
            idle.runners[0].waiting = 0
            idle.see(ago=ago, position=9, end=9)
        assert (await get("/healthz"))[0] == 200
        for ago in (UNHEALTHY_SECONDS + 5, 0.0):
            stalled.see(ago=ago, position=5, end=900)
        status, body = await get("/healthz")
        assert status == 503
        assert '"persist-flat": 65' in body
        assert '"persist-window": 0' in body


async def test_waiting_for_a_store_is_healthy() -> None:
    """A worker whose store is away gets nowhere, and starting it again would not help."""
    shell = Shell("persist-archive")
    shell.runners[0].away = True
    async with pages(shell) as get:
        for ago in (UNHEALTHY_SECONDS + 5, 0.0):
            shell.see(ago=ago, position=5, end=900)
        assert (await get("/healthz"))[0] == 200
        assert 'livecomments_stage_store_away{agent="persist-archive"} 1.0' in (await get("/metrics"))[1]


async def test_a_recovering_stage_is_not_ready() -> None:
    """One agent that recovers makes the worker not ready; it is alive all the while."""
    well, recovering = Shell("persist-flat"), Shell("persist-window", ready=False)
    async with pages(well, recovering) as get:
        status, body = await get("/readyz")
        assert status == 503
        assert '"persist-window": false' in body
        assert (await get("/healthz"))[0] == 200
        recovering.ready = True
        assert (await get("/readyz"))[0] == 200


async def test_metrics_are_by_agent_alone() -> None:
    """The page has rates, lag and what a stage says of itself; no label but the agent's name."""
    shell = Shell("moderate")
    async with pages(shell) as get:
        shell.see(ago=0, position=5, end=9)
        page = (await get("/metrics"))[1]
        assert 'livecomments_stage_records_total{agent="moderate"} 5.0' in page
        assert 'livecomments_stage_lag_records{agent="moderate"} 7.0' in page
        assert "livecomments_moderate_streams 4.0" in page
