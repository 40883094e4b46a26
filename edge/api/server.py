"""The API's process: builds everything, serves until SIGTERM, lets requests on the way end.

It listens at once, so that ``/healthz`` and ``/readyz`` answer while Kafka, Redis or the archive are
waited for.
"""

import asyncio
import contextlib
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any

import structlog
import uvicorn

from edge.api.app import build_app
from edge.api.auditlog import AuditLog
from edge.api.directory import Directory
from edge.api.freshness import Freshness
from edge.api.history import History
from edge.api.metrics import Metrics
from edge.api.parts import Parts, Readiness
from edge.api.patience import PatientProtocol
from edge.api.shelf import Shelf
from edge.auth import Authenticator
from edge.errors import StartError
from edge.gateway import Gateway
from edge.past import Past
from edge.process import run
from edge.registry import Finder, Roster
from edge.stats import Stats
from schemas.archive import open_archive
from schemas.redisclient import redis_client
from schemas.routing import partition_of
from schemas.settings import Api, Settings
from schemas.spans import open_spans

BACKLOG = 1_024
CONNECTIONS_MAX = 4_000
"""Beyond it requests are answered 503."""
KEEP_ALIVE_SECONDS = 15
DRAIN_SECONDS = 5
"""For requests that are on the way at SIGTERM."""
FRESH_EVENTS_MAX = 5_000
"""Events that one read takes from the window because the archive does not have them yet."""

log = structlog.get_logger()


class _Uvicorn(uvicorn.Server):
    """Signals are ours: uvicorn's handlers would end the process by the signal, not with 0."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def _parts(settings: Settings, shelf: Shelf) -> AsyncIterator[Parts]:
    """Make what talks to Kafka and the stores; nothing here waits for them."""
    now = asyncio.get_running_loop().time
    redis = redis_client(settings.redis)
    spans = open_spans(settings.tracing, "api")
    gateway = Gateway(settings, boot=f"api-{uuid.uuid4().hex[:8]}", spans=spans)
    directory = Directory(redis, settings.kafka.partitions)

    window = Past(redis, FRESH_EVENTS_MAX, Stats(), now, settings.kafka.partitions)
    freshness = Freshness(settings.kafka, now)

    def stale(stream_id: str) -> bool:
        return freshness.stale(partition_of(stream_id, settings.kafka.partitions))

    async def producer() -> bool:
        return gateway.ready

    await gateway.start()
    await freshness.start()
    try:
        yield Parts(
            settings=settings,
            door=gateway,
            directory=directory,
            history=History(shelf.archive, directory, window, stale),
            audit=AuditLog(settings.kafka),
            policy=gateway.policy,
            finder=Finder(settings, Roster(redis, now)),
            auth=Authenticator(settings.auth, revoked=gateway.revoked.refuses),
            readiness=Readiness({"producer": producer, "redis": directory.ready, "archive": shelf.ready}),
            metrics=Metrics(lambda: freshness.count),
        )
    finally:
        await freshness.stop()
        await gateway.stop()
        await redis.aclose()
        await shelf.close()
        if spans is not None:
            await asyncio.to_thread(spans.close)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until ``stop``. Raises StartError, ArchiveError."""
    with contextlib.closing(_listener(settings.api)) as listener:
        shelf = Shelf(open_archive(settings))
        async with _parts(settings, shelf) as parts:
            log.info("listening", host=settings.api.host, port=settings.api.port)
            stopping: asyncio.Future[Any] = asyncio.ensure_future(stop.wait())
            await _serve(parts, listener, stopping, shelf.failed)
            stopping.cancel()
            if shelf.failed.done():
                shelf.failed.result()


async def _serve(parts: Parts, listener: socket.socket, *ends: "asyncio.Future[Any]") -> None:
    """Serve until one of ``ends`` is done; then let what is on the way be answered."""
    server = _Uvicorn(_config(build_app(parts)))
    serving: asyncio.Future[Any] = asyncio.ensure_future(server.serve([listener]))
    await asyncio.wait([serving, *ends], return_when=asyncio.FIRST_COMPLETED)
    log.info("draining", requests=len(server.server_state.tasks))
    parts.readiness.accepting = False
    server.should_exit = True
    await serving


def _config(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )


def _listener(api: Api) -> socket.socket:
    family = socket.AF_INET6 if ":" in api.host else socket.AF_INET
    try:
        return socket.create_server((api.host, api.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise StartError(f"cannot listen on {api.host}:{api.port}: {error.strerror}") from error


def main(settings: Settings) -> None:
    """Run the API; returns after SIGTERM, and exits non-zero on a fault."""
    run("the API", settings, settings.api.host, serve)
