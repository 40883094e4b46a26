"""What the tests of the local stack share: small services, plans of them, waiting with a limit."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from livecomments.stack import state
from livecomments.stack.launch import spare_ports
from livecomments.stack.processes import Identity, is_alive
from livecomments.stack.spec import Command, Plan, Probe, Service, Task

FAKE = str(Path(__file__).with_name("fake_service.py"))
LIMIT_SECONDS = 30.0
_ports = spare_ports(set())


def free_port() -> int:
    """Return a port that no test of this run got before."""
    return next(_ports)


def service(directory: Path, name: str, mode: str = "well", **changes: object) -> Service:
    """Return a small service that behaves as ``mode`` says (see ``fake_service.py``)."""
    port = free_port()
    fields: dict[str, object] = {
        "name": name,
        "command": Command((sys.executable, "-S", FAKE, mode, str(port)), {"FAKE": name}),
        "address": f"127.0.0.1:{port}",
        "probe": Probe.HTTP,
        "log": str(directory / "logs" / f"{name}.log"),
        "ready_seconds": 10.0,
        "stop_seconds": 5.0,
    }
    return Service(**fields | changes)  # type: ignore[arg-type]


def task(directory: Path, code: str) -> Task:
    """Return a task that runs a line of Python."""
    return Task(
        "topics", Command((sys.executable, "-S", "-c", code)), str(directory / "logs/topics.log"), 10.0
    )


def plan(
    directory: Path, *ours: Service, servers: tuple[Service, ...] = (), first: Task | None = None
) -> Plan:
    """Return a plan of small services."""
    order = (tuple(each.name for each in ours), tuple(each.name for each in servers))
    ports = dict.fromkeys(("edge", "api", "kafka", "redis", "cassandra"), 1)
    return Plan(str(directory), servers, (first,) if first else (), ours, order, ports)


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a limited time."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.01)


async def wait_for(condition: Callable[[], bool]) -> None:
    """Wait for a condition, a limited time, without blocking the event loop."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def processes(directory: Path) -> dict[str, Identity]:
    """Return the running processes of a stack's services by name."""
    found = state.read(directory)
    entries = found.services if found else ()
    return {each.name: each.process for each in entries if each.process and is_alive(each.process)}
