"""A plan as data: which services run, how each is started, probed and stopped.

Nothing here does I/O. A plan is made by ``plan.py``, carried as JSON to the supervisor process and run
there, so that tests give the same supervisor small services of their own.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Probe(StrEnum):
    """The protocol in which a service is asked whether it is ready."""

    KAFKA = "kafka"
    REDIS = "redis"
    CASSANDRA = "cassandra"
    HTTP = "http"
    """``GET /readyz`` answers 200."""


@dataclass(frozen=True, slots=True)
class Command:
    """A process to run: arguments, and what its environment has over the caller's."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A command run to its end before a service starts, unless the path ``creates`` exists already."""

    command: Command
    creates: str


@dataclass(frozen=True, slots=True)
class Service:
    """A process that is kept running.

    ``address`` is ``host:port`` where it is asked with ``probe``, and ``log`` the file its output goes to.
    ``directories`` and ``files`` (path → text) are made before each start of the stack.
    """

    name: str
    command: Command
    address: str
    probe: Probe
    log: str
    ready_seconds: float
    stop_seconds: float
    directories: tuple[str, ...] = ()
    files: dict[str, str] = field(default_factory=dict)
    preparation: Preparation | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A command that must end well before what follows is started."""

    name: str
    command: Command
    log: str
    limit_seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """A stack: servers, then tasks, then our own processes.

    All servers are started together, then all tasks, and then all of ``ours``. ``stop_order`` names groups of
    services; a group is stopped when the one before it is gone. ``ports`` are what verbs need to find the
    stack.
    """

    directory: str
    servers: tuple[Service, ...]
    tasks: tuple[Task, ...]
    ours: tuple[Service, ...]
    stop_order: tuple[tuple[str, ...], ...]
    ports: dict[str, int] = field(default_factory=dict)

    def services(self) -> Iterator[Service]:
        """Yield every service, servers first."""
        yield from self.servers
        yield from self.ours


def to_json(plan: Plan) -> str:
    """Write a plan for :func:`from_json`."""
    return json.dumps(asdict(plan))


def from_json(text: str) -> Plan:
    """Read a plan back; the input is our own process's, so a mistake in it is a bug."""
    raw: dict[str, Any] = json.loads(text)
    return Plan(
        directory=raw["directory"],
        servers=tuple(_service(each) for each in raw["servers"]),
        tasks=tuple(_task(each) for each in raw["tasks"]),
        ours=tuple(_service(each) for each in raw["ours"]),
        stop_order=tuple(tuple(group) for group in raw["stop_order"]),
        ports=raw["ports"],
    )


def _command(raw: dict[str, Any]) -> Command:
    return Command(tuple(raw["argv"]), raw["env"])


def _service(raw: dict[str, Any]) -> Service:
    preparation = raw["preparation"]
    return Service(
        **raw
        | {
            "command": _command(raw["command"]),
            "probe": Probe(raw["probe"]),
            "directories": tuple(raw["directories"]),
            "preparation": preparation
            and Preparation(_command(preparation["command"]), preparation["creates"]),
        }
    )


def _task(raw: dict[str, Any]) -> Task:
    return Task(**raw | {"command": _command(raw["command"])})
