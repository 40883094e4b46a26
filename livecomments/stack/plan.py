"""The whole stack as a plan: which services, in which order, with which environment. No I/O.

The environment says only what is the stack's own (addresses, directory, names); everything else a caller
set with ``LIVECOMMENTS_…`` is inherited.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from livecomments.stack import servers
from livecomments.stack.addresses import LOOPBACK, Ports, settings_at
from livecomments.stack.spec import Command, Plan, Probe, Service, Task
from schemas.settings import Settings, environment_name

STAGES = ("ingest", "moderate", "sequence", "sample", "persist")
BESIDE = ("analyse",)
"""Stages that the path of comments does not need: they run when `up --workers` names them."""
FUSED = "fused"
"""One process that is all of `STAGES`."""
READY_SECONDS = 90.0
TOPICS_SECONDS = 60.0
SCHEMA_SECONDS = 120.0
STOP_SECONDS = 15.0
PROCESSES_MAX = 16
"""Of one kind: more on one machine is a mistake."""
WILDCARDS = ("0.0.0.0", "::", "")  # noqa: S104 - recognised here, not bound


@dataclass(frozen=True, slots=True)
class Shape:
    """How many processes of each kind; stages that are not named have one, those of `BESIDE` none.

    ``fused``: all of `STAGES` are in one process, of which there may be several.
    """

    edges: int = 1
    workers: Mapping[str, int] = field(default_factory=dict)
    cassandra: bool = False
    fused: bool = False

    def stages(self) -> Sequence[tuple[str, str, int]]:
        """Return (stage, service name, number) of every process of a stage."""
        counts = dict.fromkeys((FUSED,) if self.fused else STAGES, 1) | dict(self.workers)
        return [
            (stage, name, number)
            for stage in (*STAGES, FUSED, *BESIDE)
            if stage in counts
            for number, name in enumerate(_numbered(stage, counts[stage]), start=1)
        ]


@dataclass(frozen=True, slots=True)
class Tools:
    """What the servers are started with. ``cassandra`` is its class path, or None where it is not wanted."""

    python: str
    java: Path
    kafka: str
    redis: Path
    cassandra: str | None = None


def service_names(shape: Shape) -> tuple[str, ...]:
    """Return every service's name, in the order in which they are shown."""
    stores = ("kafka", "redis", "cassandra") if shape.cassandra else ("kafka", "redis")
    stages = [name for _, name, _ in shape.stages()]
    return (*stores, *stages, *_numbered("edge", shape.edges), "api")


def make(
    settings: Settings,
    ports: Ports,
    directory: Path,
    *,
    shape: Shape,
    tools: Tools,
    spare_port: Callable[[], int],
) -> Plan:
    """Return the plan of a stack.

    ``directory`` is absolute. ``spare_port`` returns another free port at each call, for the listeners that
    nobody outside the stack needs to know.
    """
    here = settings_at(settings, ports, directory, cassandra=shape.cassandra)
    ours = _Ours(here, tools.python, directory)
    stages = [ours.stage(stage, name, number, spare_port()) for stage, name, number in shape.stages()]
    edges = [
        ours.edge(name, port)
        for name, port in zip(_numbered("edge", shape.edges), ports.edges(shape.edges), strict=True)
    ]
    stores = _stores(ports, directory, tools, spare_port)
    return Plan(
        directory=str(directory),
        servers=stores,
        tasks=(ours.topics(), ours.schema()),
        ours=(*stages, *edges, ours.api()),
        stop_order=(
            tuple(each.name for each in edges),
            tuple(each.name for each in stages),
            ("api",),
            tuple(each.name for each in stores),
        ),
        ports=asdict(ports),
    )


def _stores(
    ports: Ports, directory: Path, tools: Tools, spare_port: Callable[[], int]
) -> tuple[Service, ...]:
    stores = [
        servers.kafka(servers.Place(directory, ports.kafka), tools.java, tools.kafka, spare_port()),
        servers.redis(servers.Place(directory, ports.redis), tools.redis),
    ]
    if tools.cassandra is not None:
        place = servers.Place(directory, ports.cassandra)
        stores.append(servers.cassandra(place, tools.java, tools.cassandra, spare_port()))
    return tuple(stores)


@dataclass(frozen=True, slots=True)
class _Ours:
    """Makes the services that are `livecomments` commands."""

    settings: Settings
    python: str
    directory: Path

    def topics(self) -> Task:
        return Task("topics", self._command(("topics", "apply"), {}), self._log("topics"), TOPICS_SECONDS)

    def schema(self) -> Task:
        return Task("schema", self._command(("migrate",), {}), self._log("schema"), SCHEMA_SECONDS)

    def stage(self, stage: str, name: str, number: int, port: int) -> Service:
        own = _environment(
            stage_instance=str(number), stage_health_host=LOOPBACK, stage_health_port=str(port)
        )
        return self._service(name, ("stage", stage), f"{LOOPBACK}:{port}", own)

    def edge(self, name: str, port: int) -> Service:
        own = _environment(edge_name=name, edge_port=str(port))
        return self._service(name, ("edge",), f"{_reachable(self.settings.edge.host)}:{port}", own)

    def api(self) -> Service:
        address = f"{_reachable(self.settings.api.host)}:{self.settings.api.port}"
        return self._service("api", ("api",), address, {})

    def _service(self, name: str, verb: tuple[str, ...], address: str, own: dict[str, str]) -> Service:
        return Service(
            name=name,
            command=self._command(verb, own),
            address=address,
            probe=Probe.HTTP,
            log=self._log(name),
            ready_seconds=READY_SECONDS,
            stop_seconds=STOP_SECONDS + self.settings.edge.drain_seconds,
        )

    def _command(self, verb: tuple[str, ...], own: dict[str, str]) -> Command:
        return Command((self.python, "-m", "livecomments", *verb), stack_environment(self.settings) | own)

    def _log(self, name: str) -> str:
        return str(self.directory / "logs" / f"{name}.log")


def stack_environment(settings: Settings) -> dict[str, str]:
    """Return the environment that makes a process use these addresses (see ``stack_settings``)."""
    return _environment(
        data=str(settings.data),
        kafka_bootstrap=settings.kafka.bootstrap,
        redis_url=settings.redis.url,
        cassandra_hosts=",".join(settings.cassandra.hosts),
        cassandra_port=str(settings.cassandra.port),
        archive_kind=settings.archive.kind,
        edge_port=str(settings.edge.port),
        api_port=str(settings.api.port),
        log_format="json" if settings.log.format == "auto" else settings.log.format,
    )


def _environment(**values: str) -> dict[str, str]:
    """``edge_port="1"`` → ``LIVECOMMENTS_EDGE__PORT=1``; a section's name has no underscore."""
    return {environment_name(tuple(name.split("_", 1))): value for name, value in values.items()}


def _numbered(kind: str, count: int) -> tuple[str, ...]:
    return (kind, *(f"{kind}-{number}" for number in range(2, count + 1)))


def _reachable(host: str) -> str:
    """Return where to ask a process that listens at ``host``."""
    return LOOPBACK if host in WILDCARDS else host
