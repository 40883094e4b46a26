"""The stack under test: the same plan as `livecomments up`, with a proxy before Kafka and clocks to shift.

Kafka gets a second listener whose advertised port is the proxy's, and the edges know no other; so what an
edge and Kafka say to each other can be cut while the stages go on.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from livecomments.nemesis import clock
from livecomments.nemesis.proxy import Proxy
from livecomments.stack import launch, plan, probes, state
from livecomments.stack.addresses import LOOPBACK, Ports, settings_at
from livecomments.stack.processes import Identity, is_alive, signal_group
from livecomments.stack.spec import Command, Plan, Probe, Service
from livecomments.stack.supervisor import Event
from schemas.settings import Settings

READY_SECONDS_MAX = 120.0
POLL_SECONDS = 0.2
FIRST_PROXY = 20
"""Proxies and Kafka's second listener have ports from the base on, this far above it."""
SETTINGS_OVER = {
    # What the workload does must not be refused for its speed, and its long texts not for their length.
    "LIVECOMMENTS_LIMITS__COMMENTS_PER_SECOND": "1000",
    "LIVECOMMENTS_EDGE__CONNECTIONS_PER_USER_MAX": "1000",
    "LIVECOMMENTS_LIMITS__TEXT_CHARS_MAX": "4000",
    "LIVECOMMENTS_EDGE__DRAIN_SECONDS": "2",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What is started."""

    base: int
    directory: Path
    edges: int = 2
    workers: tuple[tuple[str, int], ...] = (("sequence", 2),)
    cassandra: bool = False
    fused: bool = False


class Stack:
    """A running stack; use `started`."""

    def __init__(self, settings: Settings, shape: Shape) -> None:
        self.shape = shape
        self.ports = Ports.from_base(shape.base)
        self.settings = settings_at(settings, self.ports, shape.directory, cassandra=shape.cassandra)
        first = shape.base + FIRST_PROXY
        self._kafka_behind = first
        self.kafka_proxy = Proxy(first + 1, self._kafka_behind)
        edges = self.ports.edges(shape.edges)
        self.edge_proxies = [Proxy(first + 2 + n, port) for n, port in enumerate(edges)]
        self.edge_names = ["edge", *(f"edge-{n}" for n in range(2, shape.edges + 1))]
        self.clock_library = clock.library()

    @contextlib.asynccontextmanager
    async def started(self) -> AsyncIterator[None]:
        """Start everything; stop it all at the end."""
        proxies = [self.kafka_proxy, *self.edge_proxies]
        for proxy in proxies:
            await proxy.start()
        try:
            await asyncio.to_thread(self._up)
            yield
        finally:
            for proxy in proxies:
                await proxy.stop()
            await asyncio.to_thread(launch.stop, self.shape.directory)

    @property
    def kafka(self) -> str:
        """Kafka's own address, past the proxy."""
        return self.settings.kafka.bootstrap

    @property
    def api(self) -> str:
        """Where the API is."""
        return f"http://{LOOPBACK}:{self.ports.api}"

    def url(self, edge: int, *, proxied: bool) -> str:
        """Return an edge's WebSocket address."""
        port = self.edge_proxies[edge].port if proxied else self.ports.edges(self.shape.edges)[edge]
        return f"ws://{LOOPBACK}:{port}/connection/websocket"

    def names(self, kind: str) -> list[str]:
        """Return the services of a kind: itself, and those with a number behind a dash."""
        return [each.name for each in self._services() if each.name.partition("-")[0] == kind]

    def identity(self, name: str) -> Identity | None:
        """Return a service's process, if it runs."""
        found = next((each for each in self._services() if each.name == name), None)
        process = found.process if found is not None else None
        return process if process is not None and is_alive(process) else None

    def signal(self, name: str, number: signal.Signals) -> Identity | None:
        """Send a signal to a service and what it started; return whom it reached."""
        process = self.identity(name)
        if process is not None:
            signal_group(process.pid, number)
        return process

    def load_clock(self, name: str) -> None:
        """Have a service's next process read the shift of its clock."""
        if self.clock_library is not None:
            clock.load(self._clock_file(name), self.clock_library, self._shift_file(name))

    def unload_clock(self, name: str) -> None:
        """Have a service's next process run by the machine's clock."""
        self._clock_file(name).unlink(missing_ok=True)

    def shift(self, name: str, seconds: int) -> None:
        """Shift the clock of a service that has it loaded."""
        clock.write(self._shift_file(name), seconds)

    async def unready(self) -> list[str]:
        """Return the services that are not ready now."""
        services = self._services()
        answers = await probes.ask_all([(Probe(each.probe), each.address) for each in services])
        alive = [each.process is not None and is_alive(each.process) for each in services]
        return [
            each.name
            for each, answer, lives in zip(services, answers, alive, strict=True)
            if not answer or not lives
        ]

    async def until_ready(self, seconds: float = READY_SECONDS_MAX) -> list[str]:
        """Wait until every service is ready; return those that are not in time."""
        deadline = asyncio.get_running_loop().time() + seconds
        while left := await self.unready():
            if asyncio.get_running_loop().time() > deadline:
                return left
            await asyncio.sleep(POLL_SECONDS)
        return []

    def restarts(self) -> dict[str, int]:
        """Return how often each service was started again."""
        return {each.name: each.restarts for each in self._services()}

    def pids(self) -> dict[str, int]:
        """Return the running processes."""
        found = state.read(self.shape.directory)
        return found.pids() if found is not None else {}

    def resume_all(self) -> None:
        """Continue whatever may still be stopped."""
        for pid in self.pids().values():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGCONT)

    def _services(self) -> Sequence[state.Entry]:
        found = state.read(self.shape.directory)
        return found.services if found is not None else ()

    def _shift_file(self, name: str) -> Path:
        return self.shape.directory / "clocks" / f"{name}.shift"

    def _clock_file(self, name: str) -> Path:
        return self.shape.directory / "clocks" / f"{name}.sh"

    def _up(self) -> None:
        ours = self.shape
        shape = plan.Shape(ours.edges, dict(ours.workers), cassandra=ours.cassandra, fused=ours.fused)
        made = launch.prepare(self.settings, self.ports, self.shape.directory, shape, _silent)
        launch.run_detached(self._prepared(made), _ignore)

    def _prepared(self, made: Plan) -> Plan:
        servers = tuple(self._two_listeners(each) if each.name == "kafka" else each for each in made.servers)
        return replace(made, servers=servers, ours=tuple(map(self._ours, made.ours)))

    def _two_listeners(self, kafka: Service) -> Service:
        advertised = f"PROXIED://{LOOPBACK}:{self.kafka_proxy.port}"
        listener = f"PROXIED://{LOOPBACK}:{self._kafka_behind}"
        files = {}
        for path, text in kafka.files.items():
            lines = [_extended(line, advertised, listener) for line in text.splitlines()]
            files[path] = "\n".join(lines) + "\n"
        return replace(kafka, files=files)

    def _ours(self, service: Service) -> Service:
        env = dict(service.command.env) | SETTINGS_OVER
        if service.name.partition("-")[0] == "edge":
            env["LIVECOMMENTS_KAFKA__BOOTSTRAP"] = f"{LOOPBACK}:{self.kafka_proxy.port}"
        file = self._clock_file(service.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        return replace(service, command=Command(clock.wrapped(service.command.argv, file), env))


def _extended(line: str, advertised: str, listener: str) -> str:
    more = {
        "listeners": listener,
        "advertised.listeners": advertised,
        "listener.security.protocol.map": "PROXIED:PLAINTEXT",
    }.get(line.partition("=")[0])
    return f"{line},{more}" if more else line


def _ignore(event: Event) -> None:
    del event


def _silent(what: str, done: int, of: int) -> None:
    del what, done, of
