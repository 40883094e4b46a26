"""A worker's health page: ``/healthz`` (alive), ``/readyz`` (processing), ``/metrics``."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from agents.progress import UNHEALTHY_SECONDS
from schemas.settings import Stage


class _Collector:
    """Reads the runners when it is asked; nothing is counted twice."""

    def __init__(self, shells: Sequence[Any]) -> None:
        self._shells = shells

    def collect(self) -> Any:
        """Yield the metric families."""
        for name, help_, read in _COUNTERS:
            yield self._family(CounterMetricFamily, name, help_, read)
        for name, help_, read in _GAUGES:
            yield self._family(GaugeMetricFamily, name, help_, read)
        for shell in self._shells:
            yield from _figures(shell)

    def _family(self, kind: Any, name: str, help_: str, read: Callable[[Any], float]) -> Any:
        family = kind(f"livecomments_stage_{name}", help_, labels=["agent"])
        for shell in self._shells:
            family.add_metric([shell.name], read(shell))
        return family


def _sum(attribute: str) -> Callable[[Any], float]:
    return lambda shell: sum(getattr(runner, attribute) for runner in shell.runners.values())


# Of the partitions that the worker has now: a counter starts over when they move.
_COUNTERS = (
    ("records", "Records acknowledged", _sum("processed")),
    ("steps", "Steps: records that waited together, decided or written together", _sum("steps")),
    ("step_seconds", "Seconds spent in steps", _sum("step_seconds")),
    ("dead_letters", "Records and items that nobody can read", _sum("dead_letters")),
)
_GAUGES = (
    ("waiting_records", "Records taken and not acknowledged", _sum("waiting")),
    (
        "lag_records",
        "Records in the log that are not acknowledged",
        lambda shell: sum(shell.progress.lag.values()),
    ),
    ("partitions", "Partitions", lambda shell: len(shell.runners)),
    ("store_away", "Partitions that wait for a store", _sum("away")),
)


def _figures(shell: Any) -> Iterator[Metric]:
    """Yield what a stage says of itself, summed over its partitions."""
    sums: Counter[str] = Counter()
    for runner in shell.runners.values():
        sums.update(runner.figures())
    for name, value in sums.items():
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        family = kind(f"livecomments_{shell.name.replace('-', '_')}_{name}", name.replace("_", " "))
        family.add_metric([], value)
        yield family


@asynccontextmanager
async def served(name: str, shells: Sequence[Any], stage: Stage) -> AsyncIterator[None]:
    """Serve the page at the stage's health address while the context lasts."""
    registry = CollectorRegistry()
    registry.register(_Collector(shells))

    async def healthz(_: web.Request) -> web.Response:
        now = asyncio.get_running_loop().time()
        still = {shell.name: round(shell.progress.still_seconds(now)) for shell in shells}
        alive = max(still.values()) < UNHEALTHY_SECONDS
        body = {"stage": name, "alive": alive, "seconds_without_progress": still}
        return web.json_response(body, status=200 if alive else 503)

    async def readyz(_: web.Request) -> web.Response:
        ready = all(shell.ready for shell in shells)
        state = {shell.name: shell.ready for shell in shells}
        return web.json_response(
            {"stage": name, "ready": ready, "agents": state}, status=200 if ready else 503
        )

    async def metrics(_: web.Request) -> web.Response:
        body = generate_latest(registry) + generate_latest(REGISTRY)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, stage.health_host, stage.health_port).start()
    try:
        yield
    finally:
        await runner.cleanup()
