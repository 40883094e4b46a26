"""One edge process: builds everything, serves until SIGTERM, drains.

A task that must not end and does is a fault: one log line, and the process ends for its supervisor to
start it again.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import structlog
import uuid_utils

from edge.admin import AdminDesk
from edge.auth import Authenticator
from edge.board import BEAT_SECONDS, Board
from edge.client import Door, House
from edge.cluster import read_epoch
from edge.connection import Connection, Doorway
from edge.deadlines import Deadlines
from edge.drain import STEP_SECONDS, spread_seconds, steps
from edge.errors import StartError
from edge.feed.base import Feed
from edge.feed.kafka import KafkaFeed
from edge.feed.notices import NoNotices, NoticeFeed
from edge.feed.redis import RedisFeed, client_of
from edge.frontdesk import WEBSOCKET_PATH, FrontDesk
from edge.gateway import Gateway
from edge.hub import Hub
from edge.notices import Mailroom
from edge.own import known_shown
from edge.past import Past
from edge.placement import Offer
from edge.presence import Presence
from edge.process import run
from edge.protocol import codes
from edge.protocol.session import Rules
from edge.registry import enrolment
from edge.replay.service import Replays, StoredLibrary
from edge.reporter import Reporter
from edge.revocation import Revoked
from edge.stats import Metrics, Stats
from edge.taps import Taps
from edge.turnstile import Registry
from schemas.redisclient import redis_client
from schemas.settings import Kafka, Settings
from schemas.spans import open_spans

BACKLOG = 4_096
WILDCARDS = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - recognised here, not bound
CLOSED_SECONDS = 2.5
"""For the last close frames to be answered."""

log = structlog.get_logger()


@dataclass(slots=True)
class Parts:
    """What an edge is made of besides sockets. ``ready``: name → whether it is."""

    feed: Feed
    door: Door
    epoch: str
    past: Past | None = None
    ready: dict[str, Callable[[], bool]] = field(default_factory=dict)
    notices: NoticeFeed | NoNotices = field(default_factory=NoNotices)
    revoked: Revoked = field(default_factory=Revoked)
    replays: Replays | None = None


Assemble = Callable[[Settings, str, Stats], AbstractAsyncContextManager[Parts]]
"""Makes the parts, given the cluster's epoch."""


class Server:
    """Listening sockets and connections, around `Parts`. ``desk`` answers before the parts are there."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stats = Stats()
        self._loop = asyncio.get_running_loop()
        self._ready: dict[str, Callable[[], bool]] = {"started": lambda: False}
        self.hub: Hub | None = None
        # Of this start of the process: a later one's is greater.
        boot, reactions = str(uuid_utils.uuid7()), settings.reactions
        self.presence = Presence(settings.edge.name, boot, self.stats, time.time)
        self.taps = Taps(settings.edge.name, boot, reactions.emoji, reactions.taps_per_second)
        self.mailroom: Mailroom | None = None
        self.registry = Registry(settings.edge.connections_per_user_max)
        self.connections: set[Connection] = set()
        metrics = Metrics(self.stats, self._gauges())
        self._alone = settings.edge.process is None
        self.desk = FrontDesk(settings, self.stats, metrics if self._alone else None, self._state_of_all)
        self._deadlines = Deadlines(self._loop)
        self._doorway = self._door_to(self.desk, self.connections)
        self._admin = self._door_to(AdminDesk(settings, self.stats, metrics, self._state), set())
        self._listener: asyncio.Server | None = None
        self._admin_listener: asyncio.Server | None = None
        self._board: Board | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._replays: Replays | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        if self._listener is None:
            raise RuntimeError("not listening")
        return int(self._listener.sockets[0].getsockname()[1])

    @property
    def offer(self) -> Offer:
        """What this process says of itself in the registry."""
        edge = self.settings.edge
        address = edge.address or f"ws://{_host(edge.host)}:{edge.port}{WEBSOCKET_PATH}"
        return Offer(address, len(self.connections), edge.connections_max, draining=not self.desk.accepting)

    async def listen(self) -> None:
        """Answer ``/healthz`` and the like; viewers are asked to wait. Raises StartError.

        A process that shares its port answers on its admin port alone, until it can take viewers (`open`).
        """
        edge = self.settings.edge
        if edge.admin_port:
            self._admin_listener = await self._listen_at(self._admin, edge.admin_port)
        if self._alone:
            self._listener = await self._listen_at(self._doorway, edge.port)

    async def open(self, parts: Parts) -> None:
        """Let viewers in. The feed is started here."""
        settings, edge = self.settings, self.settings.edge
        self.hub = Hub(
            edge,
            parts.epoch,
            feed=parts.feed,
            past=parts.past,
            stats=self.stats,
            presence=self.presence,
            late_ms=settings.sampling.late_ms,
            spans=open_spans(settings.tracing, edge.name),
        )
        self.mailroom = Mailroom(parts.epoch, parts.notices, known_shown(self.hub.find))
        await parts.feed.start(self.hub)
        await parts.notices.start(self.mailroom)
        parts.revoked.on_new.append(lambda: self._turn_out(parts.revoked))
        self._doorway.house = House(
            hub=self.hub,
            mailroom=self.mailroom,
            door=parts.door,
            rules=_rules(settings, parts.revoked),
            registry=self.registry,
            stats=self.stats,
            first_events=edge.first_events,
            now=self._loop.time,
            wall=time.time,
            new_id=lambda: uuid.uuid4().hex,
            taps=self.taps,
            replays=parts.replays,
        )
        self._replays = parts.replays
        self._ready = parts.ready
        self.desk.accepting = True
        if not self._alone:
            self._listener = await self._listen_at(self._doorway, edge.port)
            if edge.board is not None:
                self._board = Board(edge.board, edge.processes)
                self._say_ready()

    async def drain(self, others: int = 1) -> None:
        """Take no one new; ask everybody to connect elsewhere, spread over time.

        ``others``: how many edges take them in.
        """
        self.desk.accepting = False
        self._say_ready()
        if self._listener is not None:
            self._listener.close()
        waiting = list(self.connections)
        seconds = spread_seconds(len(waiting), others, self.settings.edge.drain_seconds)
        begun = self._loop.time()
        for at, group in enumerate(steps(waiting, seconds)):
            await asyncio.sleep(max(0.0, begun + at * STEP_SECONDS - self._loop.time()))
            for connection in group:
                connection.shut(codes.SHUTDOWN)
        deadline = self._loop.time() + CLOSED_SECONDS
        while self.connections and self._loop.time() < deadline:  # noqa: ASYNC110 - they say nothing when they go
            await asyncio.sleep(STEP_SECONDS)

    def close(self) -> None:
        """End at once."""
        for listener in (self._listener, self._admin_listener):
            if listener is not None:
                listener.close()
        for connection in [*self.connections, *self._admin.connections]:
            connection.abort()
        if self._beat is not None:
            self._beat.cancel()
        self._deadlines.stop()
        if self.hub is not None:
            self.hub.stop()
        if self.mailroom is not None:
            self.mailroom.stop()

    def _turn_out(self, revoked: Revoked) -> None:
        """Close the connections whose token was revoked."""
        for connection in list(self.connections):
            viewer = connection.client.session.viewer if connection.client is not None else None
            if viewer is not None and revoked.refuses(viewer):
                connection.shut(codes.REVOKED)

    async def _listen_at(self, doorway: Doorway, port: int) -> asyncio.Server:
        host, shared = self.settings.edge.host, doorway is self._doorway and not self._alone
        try:
            listener = await self._loop.create_server(
                lambda: Connection(doorway), host, port, backlog=BACKLOG, reuse_port=shared or None
            )
        except OSError as error:
            raise StartError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        log.info("listening", host=host, port=port)
        return listener

    def _door_to(self, desk: FrontDesk, connections: set[Connection]) -> Doorway:
        edge = self.settings.edge
        return Doorway(
            house=None,
            stats=self.stats,
            desk=desk,
            deadlines=self._deadlines,
            connections=connections,
            frame_bytes_max=edge.frame_bytes_max,
            handshake_seconds=edge.handshake_seconds,
            ping_seconds=edge.ping_seconds,
            loop=self._loop,
        )

    def _say_ready(self) -> None:
        """Tell the processes beside this one, now and from time to time."""
        if self._board is None:
            return
        slot = self.settings.edge.process or 0
        if all(self._state().values()):
            self._board.beat(slot, time.monotonic())
        else:
            self._board.clear(slot)
        if self._beat is not None:
            self._beat.cancel()
        self._beat = self._loop.call_later(BEAT_SECONDS, self._say_ready)

    def _state(self) -> dict[str, bool]:
        return {name: ready() for name, ready in self._ready.items()} | {"accepting": self.desk.accepting}

    def _state_of_all(self) -> dict[str, bool]:
        if self._board is None:
            return self._state()
        others = enumerate(self._board.ready(time.monotonic()))
        return self._state() | {f"process {number}": ready for number, ready in others}

    def _gauges(self) -> dict[str, tuple[str, Callable[[], float]]]:
        def of_hub(read: Callable[[Hub], float]) -> Callable[[], float]:
            return lambda: read(self.hub) if self.hub is not None else 0

        return {
            "connections": ("Open sockets", lambda: len(self.connections)),
            "users": ("Different users connected", lambda: self.registry.users),
            "replays": ("Replays under way", lambda: self._replays.count if self._replays is not None else 0),
            "streams": ("Streams held", of_hub(lambda hub: hub.streams)),
            "places": ("Partitions (or channels) read", of_hub(lambda hub: hub.places)),
            "places_stale": ("Those of them that cannot be read now", of_hub(lambda hub: hub.stale)),
        }


def _rules(settings: Settings, revoked: Revoked) -> Rules:
    auth, edge = Authenticator(settings.auth, revoked=revoked.refuses), settings.edge
    return Rules(
        verify=auth.verify,
        guest=auth.guest if settings.auth.guests else None,
        ping_seconds=edge.ping_seconds,
        subscriptions_max=edge.subscriptions_per_connection_max,
        commands_per_second=edge.commands_per_second_max,
        leeway_seconds=settings.auth.leeway_seconds,
    )


def _host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _feed(settings: Settings, stats: Stats) -> Feed:
    if settings.edge.feed == "redis":
        return RedisFeed(client_of(settings.redis), settings.kafka.partitions, stats)
    return KafkaFeed(settings.kafka, settings.edge.ring_seconds, stats)


@contextlib.asynccontextmanager
async def _parts(settings: Settings, epoch: str, stats: Stats) -> AsyncIterator[Parts]:
    """Make what talks to Kafka and Redis; nothing here waits for them."""
    redis = redis_client(settings.redis)
    now, partitions = asyncio.get_running_loop().time, settings.kafka.partitions
    past = Past(redis, settings.edge.ring_events_max, stats, now, partitions)
    spans = open_spans(settings.tracing, settings.edge.name)
    gateway = Gateway(settings, boot=f"{settings.edge.name}-{uuid.uuid4().hex[:8]}", spans=spans)
    feed, notices = _feed(settings, stats), NoticeFeed(settings.kafka, stats)
    replays = Replays(StoredLibrary(settings, redis, past, now))
    await gateway.start()
    try:
        ready = {"feed": lambda: feed.ready, "gateway": lambda: gateway.ready}
        yield Parts(feed, gateway, epoch, past, ready, notices, gateway.revoked, replays)
    finally:
        await replays.stop()
        await feed.stop()
        await notices.stop()
        await gateway.stop()
        await past.stop()
        if spans is not None:
            await asyncio.to_thread(spans.close)


async def serve(
    settings: Settings,
    stop: asyncio.Event,
    *,
    epoch_of: Callable[[Kafka], Awaitable[str]] = read_epoch,
    assemble: Assemble = _parts,
) -> None:
    """Run an edge until ``stop``. Raises StartError, or whatever ended a task that must not end."""
    server = Server(settings)
    reporter = Reporter(settings, server.presence, server.taps, server.stats)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await server.listen()
        epoch = asyncio.ensure_future(epoch_of(settings.kafka))
        if not await _first(epoch, stopping):
            return
        async with (
            assemble(settings, epoch.result(), server.stats) as parts,
            enrolment(settings, lambda: server.offer) as enrolled,
        ):
            await server.open(parts)
            reporter.start()
            if settings.edge.address is None and settings.edge.host in WILDCARDS:
                words = "set LIVECOMMENTS_EDGE__ADDRESS to the URL at which viewers reach this edge"
                log.warning("this edge listens everywhere and cannot be placed", hint=words)
            else:
                enrolled.begin()
            tasks = [*parts.feed.tasks, *parts.notices.tasks, *reporter.tasks]
            done, _ = await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
            if stopping not in done:
                task = done.pop()
                task.result()
                raise StartError(f"the task {task.get_name()} ended")
            log.info("draining", connections=len(server.connections))
            server.desk.accepting = False
            await server.drain(await enrolled.leave())
    finally:
        stopping.cancel()
        await reporter.stop()
        server.close()


async def _first(wanted: asyncio.Future[Any], other: asyncio.Future[Any]) -> bool:
    """Wait for either; whether it was ``wanted``, which is cancelled otherwise."""
    await asyncio.wait([wanted, other], return_when=asyncio.FIRST_COMPLETED)
    if not wanted.done():
        wanted.cancel()
        await asyncio.wait([wanted])
        return False
    return True


def main(settings: Settings) -> None:
    """Run an edge; returns after SIGTERM, and exits non-zero on a fault."""
    run("the edge", settings, settings.edge.host, serve)
