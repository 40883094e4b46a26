"""Which ports and directory a stack has, and the settings with which to talk to it.

Every verb that talks to a stack calls :func:`stack_settings` with its ``--port-base`` and ``--data``.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from livecomments.exits import Exit, Failure
from livecomments.stack import state
from schemas.settings import Settings, load

LOOPBACK = "127.0.0.1"
LOOPBACK_NAMES = (LOOPBACK, "localhost")
KAFKA_PORT = 9092
REDIS_PORT = 6379
PORT_MAX = 65_535
FIRST_EXTRA_EDGE = 5
"""A second edge is this far above the first one, past the servers of a stack with a port base."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack that others rely on."""

    edge: int
    api: int
    kafka: int
    redis: int
    cassandra: int

    @classmethod
    def from_base(cls, base: int) -> "Ports":
        """Take ``base`` to ``base + 4``, in the order of the fields."""
        return cls(base, base + 1, base + 2, base + 3, base + 4)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Ports":
        """Take what the settings say; a server elsewhere counts as the default port here."""
        return cls(
            settings.edge.port,
            settings.api.port,
            _local_port(settings.kafka.bootstrap, KAFKA_PORT),
            _local_port(settings.redis.url.partition("://")[2].partition("/")[0], REDIS_PORT),
            settings.cassandra.port,
        )

    def edges(self, count: int) -> tuple[int, ...]:
        """Return the ports of ``count`` edges."""
        extra = range(self.edge + FIRST_EXTRA_EDGE, self.edge + FIRST_EXTRA_EDGE + count - 1)
        return (self.edge, *extra)


def stack_settings(
    port_base: int | None = None, data: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Settings:
    """Return the settings with the addresses of one stack in them.

    With ``port_base`` the ports follow from it. Without, those of a stack that runs in the data directory
    are taken, and where none runs the settings stay as they are: then the servers may be anywhere.

    Raises:
        SettingsError: a setting does not exist or has a bad value.

    """
    settings = load(environ)
    directory = data_directory(settings, port_base, data)
    running = state.running(directory)
    if port_base is not None:
        ports = Ports.from_base(port_base)
    elif running is not None:
        ports = Ports(**running.ports)
    else:
        return settings.model_copy(update={"data": directory})
    cassandra = running is not None and any(each.name == "cassandra" for each in running.services)
    return settings_at(settings, ports, directory, cassandra=cassandra)


def data_directory(settings: Settings, port_base: int | None, data: Path | None) -> Path:
    """Return the stack's directory, absolute: the option, else the setting, else ``data`` or ``data-N``."""
    if data is None:
        named = port_base is not None and "data" not in settings.model_fields_set
        data = Path(f"data-{port_base}") if named else settings.data
    return data.expanduser().absolute()


def settings_at(settings: Settings, ports: Ports, directory: Path, *, cassandra: bool) -> Settings:
    """Return ``settings`` with the addresses of a stack with these ports."""
    archive = {"kind": "cassandra"} if cassandra else {}
    return settings.model_copy(
        update={
            "data": directory,
            "kafka": settings.kafka.model_copy(update={"bootstrap": f"{LOOPBACK}:{ports.kafka}"}),
            "redis": settings.redis.model_copy(update={"url": f"redis://{LOOPBACK}:{ports.redis}/0"}),
            "cassandra": settings.cassandra.model_copy(
                update={"hosts": (LOOPBACK,), "port": ports.cassandra}
            ),
            "archive": settings.archive.model_copy(update=archive),
            "edge": settings.edge.model_copy(update={"port": ports.edge}),
            "api": settings.api.model_copy(update={"port": ports.api}),
        }
    )


def check_distinct(ports: Ports, edges: int) -> None:
    """Refuse ports that two services of one stack would share, or that do not exist."""
    wanted: dict[int, str] = {}
    named = list(asdict(ports).items())
    named += [(f"edge-{n}", port) for n, port in enumerate(ports.edges(edges)[1:], start=2)]
    for name, port in named:
        if port in wanted:
            raise Failure(
                Exit.USAGE, f"{name} and {wanted[port]} would both use port {port}; choose --port-base N"
            )
        if port > PORT_MAX:
            raise Failure(Exit.USAGE, f"{name} would use port {port}, and there is none above {PORT_MAX}")
        wanted[port] = name


def _local_port(address: str, default: int) -> int:
    host, _, port = address.rpartition(":")
    return int(port) if host in LOOPBACK_NAMES and port.isdigit() else default
