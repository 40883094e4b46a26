"""A worker's health page: ``/healthz`` (alive), ``/readyz`` (processing), ``/metrics``."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from schemas.settings import Stage


class _Collector:
    """Reads the runners when it is asked; nothing is counted twice."""

    def __init__(self, shells: Sequence[Any]) -> None:
        self._shells = shells

    def collect(self) -> Any:
        """Yield the metric families."""
        records = CounterMetricFamily("livecomments_stage_records", "Records processed", labels=["agent"])
        waiting = GaugeMetricFamily("livecomments_stage_waiting_records", "Records waiting", labels=["agent"])
        partitions = GaugeMetricFamily("livecomments_stage_partitions", "Partitions", labels=["agent"])
        for shell in self._shells:
            runners = list(shell.runners.values())
            records.add_metric([shell.name], sum(runner.processed for runner in runners))
            waiting.add_metric([shell.name], sum(len(runner.inbox) for runner in runners))
            partitions.add_metric([shell.name], len(runners))
        yield from (records, waiting, partitions)
        for shell in self._shells:
            yield from _figures(shell)


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
        return web.json_response({"stage": name, "alive": True})

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
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, stage.health_host, stage.health_port).start()
    try:
        yield
    finally:
        await runner.cleanup()
