"""Settings of every process: ``LIVECOMMENTS_…`` environment over ``livecomments.toml``.

Nested names are joined with two underscores: ``LIVECOMMENTS_EDGE__WINDOW_MS=50``. A name that does
not exist, or a value outside its bounds, stops the start with one line that says what is allowed.
Durations and sizes carry their unit in the name.
"""

import difflib
import os
import resource
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "LIVECOMMENTS_"
FILE_NAME = "livecomments.toml"
DEVELOPMENT_SECRET = "livecomments-development-secret-do-not-deploy"  # noqa: S105 - refused off loopback

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsError(Exception):
    """The operator's fault: a setting that does not exist or has a bad value. Not retried."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Kafka(_Section):
    """The brokers and the shape of every topic."""

    bootstrap: str = "127.0.0.1:9092"
    """Brokers, ``host:port``, separated by commas."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Of every topic. Fixed when the topics are made: streams would move."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Of every topic; 3 in production, with 2 in-sync replicas demanded."""
    request_timeout_ms: Annotated[int, Field(ge=500, le=120_000)] = 20_000
    """After which a broker that does not answer is given up."""
    session_timeout_ms: Annotated[int, Field(ge=6_000, le=120_000)] = 10_000
    """After which a worker that says nothing loses its partitions."""


class Redis(_Section):
    """Everything in Redis is a projection that can be rebuilt from Kafka."""

    url: str = "redis://127.0.0.1:6379/0"
    """``redis://host:port/db``; ``rediss://`` for TLS."""
    timeout_ms: Annotated[int, Field(ge=50, le=30_000)] = 1_000
    """Of one request; then Redis counts as away for a moment."""


class Cassandra(_Section):
    """The archive's cluster, where ``archive.kind`` says so."""

    hosts: tuple[str, ...] = ("127.0.0.1",)
    """Where to find the cluster."""
    port: Port = 9042
    """Of the native protocol."""
    keyspace: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")] = "livecomments"
    """Made by ``livecomments migrate``."""
    datacenter: str = "datacenter1"
    """The local one: requests stay in it."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Of the keyspace, when it is made."""


class Archive(_Section):
    """Where comments live for ever."""

    kind: Literal["sqlite", "cassandra"] = "sqlite"
    """``sqlite`` is embedded and needs nothing; ``cassandra`` is for production."""
    path: Path = Path("archive.sqlite3")
    """Of the embedded archive; relative to ``data``."""
    retention_days: Annotated[int, Field(ge=0)] | None = None
    """None keeps for ever."""


class Edge(_Section):
    """One WebSocket edge process."""

    host: str = "127.0.0.1"
    """Where it listens. Other than loopback, it refuses the development secret."""
    port: Port = 8000
    """WebSocket, health, metrics and the page."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "edge"
    """In the registry of edges; distinct."""
    feed: Literal["kafka", "redis"] = "kafka"
    """Where segments come from; docs/feeds.md says which when."""
    window_ms: Annotated[int, Field(ge=0, le=5_000)] = 50
    """Frames of a stream leave at most this often; the first after a pause at once. 0: always at once."""
    ring_events_max: Annotated[int, Field(ge=100)] = 5_000
    """Of one stream, kept for catch-up."""
    ring_seconds: Annotated[int, Field(ge=1, le=3_600)] = 60
    """Age of what is kept for catch-up."""
    first_events: Annotated[int, Field(ge=0, le=500)] = 50
    """Shown to somebody who comes for the first time."""
    ping_seconds: Annotated[int, Field(ge=1, le=300)] = 25
    """Between the server's pings; a client that does not answer one is closed."""
    handshake_seconds: Annotated[int, Field(ge=1, le=60)] = 10
    """For handshake and connect command."""
    frame_bytes_max: Annotated[int, Field(ge=1_024)] = 64 * 1024
    """Of one message from a client."""
    connections_max: Annotated[int, Field(ge=1)] = 15_000
    """Of this process; beyond it 503."""
    connections_per_user_max: Annotated[int, Field(ge=1)] = 20
    """Of one user at this process."""
    connections_per_address_max: Annotated[int, Field(ge=1)] = 10_000
    """Of one address at this process."""
    subscriptions_per_connection_max: Annotated[int, Field(ge=1)] = 16
    """Streams that one connection may watch."""
    commands_per_second_max: Annotated[int, Field(ge=1)] = 30
    """Of one connection; the burst is two seconds' worth."""
    handshakes_per_second_max: Annotated[int, Field(ge=1)] = 2_500
    """Beyond it a handshake is answered 503 with Retry-After, so that those connected notice nothing."""
    proxies: tuple[str, ...] = ()
    """Addresses whose ``X-Forwarded-For`` is believed: its last entry is the viewer's address."""
    origins: tuple[str, ...] = ()
    """Allowed ``Origin`` values; empty allows the edge's own origin and loopback only."""
    echo_path: str | None = None
    """A path that echoes frames, for protocol conformance runs only."""
    drain_seconds: Annotated[int, Field(ge=0, le=3_600)] = 5
    """Over which a stopping edge spreads its viewers' reconnects."""
    address: str | None = None
    """The WebSocket URL that viewers are told to connect to; None: that of ``host`` and ``port``."""
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes that share ``port``, each of one core."""
    process: Annotated[int, Field(ge=0)] | None = None
    """Which of them this one is; ``livecomments edge`` sets it for its children, nobody else does."""
    board: Path | None = None
    """Where they tell each other that they are ready; set with ``process``."""
    admin_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Health and metrics of this process alone; the n-th of several has n more. 0: none."""


class Placement(_Section):
    """Which edges a stream's viewers are sent to."""

    viewers_per_edge: Annotated[int, Field(ge=1)] = 25_000
    """Of one stream; beyond it the stream gets another edge."""
    cell_edges: Annotated[int, Field(ge=0, le=1_000)] = 8
    """Edges that share a partition's small streams, with the feed from Kafka. 0: all edges do."""


class Api(_Section):
    """The HTTP API."""

    host: str = "127.0.0.1"
    """Where it listens. Other than loopback, it refuses the development secret."""
    port: Port = 8001
    """HTTP."""
    request_bytes_max: Annotated[int, Field(ge=1_024)] = 256 * 1024
    """Of one request's body."""
    list_bytes_max: Annotated[int, Field(ge=1_024)] = 8 * 1024 * 1024
    """The same, of a platform-wide list of words (``PUT /v1/words/{name}``)."""


class Auth(_Section):
    """How tokens are checked. One algorithm a key: the key decides it, never the token."""

    algorithm: Literal["HS256", "RS256", "ES256"] = "HS256"
    """Of every token: the setting decides it, never the token."""
    secret: str = Field(default=DEVELOPMENT_SECRET, min_length=32, repr=False)
    """For HS256, at least 32 characters; make one with ``openssl rand -hex 32``."""
    jwks_file: Path | None = None
    """Public keys for RS256 and ES256, a JWKS document."""
    issuer: str = "livecomments"
    """That a token must name (``iss``)."""
    audience: str = "livecomments"
    """That a token must name (``aud``)."""
    leeway_seconds: Annotated[int, Field(ge=0, le=300)] = 10
    """Of clocks that differ."""
    guests: bool = True
    """Whether a connection without a token may read."""
    revocation_days: Annotated[int, Field(ge=1, le=3_650)] = 30
    """How long a revocation is kept: at least as long as any token lives."""


class Limits(_Section):
    """What one author may do, and what a gateway holds."""

    comments_per_second: Annotated[float, Field(gt=0)] = 2.0
    """Per user and stream; the burst is five times that."""
    text_chars_max: Annotated[int, Field(ge=1, le=4_000)] = 500
    """Of one comment."""
    duplicate_window_seconds: Annotated[int, Field(ge=10, le=3_600)] = 120
    """Within which a retry with the same id is the same comment."""
    produce_timeout_ms: Annotated[int, Field(ge=100, le=60_000)] = 1_800
    """After which a publish is answered «unknown, retry with the same id»."""
    gateway_items_max: Annotated[int, Field(ge=100)] = 20_000
    """Comments waiting for Kafka in one gateway; beyond it publishes are refused as temporary."""


class Sampling(_Section):
    """When a stream is sampled, and how much of it a viewer gets."""

    secret: str = Field(default="", repr=False)
    """Key of the draw: who knows it can choose comment ids that are shown. Empty: made from auth.secret."""
    viewers_threshold: Annotated[int, Field(ge=1)] = 100_000
    """Viewers of a stream, over all edges, from which on it is sampled."""
    viewers_off_share: Annotated[float, Field(gt=0, le=1)] = 0.4
    """Of the threshold: below it for ``viewers_off_seconds``, sampling ends."""
    viewers_off_seconds: Annotated[float, Field(ge=0)] = 300.0
    """How long viewers must have stayed below before sampling ends."""
    latency_limit_ms: Annotated[int, Field(ge=50)] = 300
    """Of p99 from append to socket; beyond it for ``latency_on_seconds``, sampling begins."""
    latency_on_seconds: Annotated[float, Field(ge=0)] = 3.0
    """How long p99 must have been over the limit before sampling begins."""
    latency_off_seconds: Annotated[float, Field(ge=0)] = 60.0
    """How long it must have been below before sampling ends."""
    rate_per_second: Annotated[float, Field(gt=0, le=100)] = 4.0
    """Comments that a viewer of a sampled stream gets."""
    rate_per_second_min: Annotated[float, Field(gt=0, le=100)] = 0.5
    """Below which control does not lower the rate."""
    queue_limit_ms: Annotated[int, Field(ge=1)] = 50
    """An edge whose median delay of a second is beyond it has a queue: the rate is lowered."""
    clean_seconds: Annotated[float, Field(ge=0)] = 3.0
    """Without a queue, until the rate is raised again."""
    late_ms: Annotated[int, Field(ge=50)] = 400
    """An edge skips, and announces, what is for single lanes and older than this when it would be sent."""


class Reactions(_Section):
    """Taps on an emoji, counted."""

    emoji: tuple[str, ...] = ("❤", "👍", "😂", "😮", "😢", "👏", "🔥", "🎉")
    """What may be tapped."""
    taps_per_second: Annotated[float, Field(gt=0, le=1_000)] = 10.0
    """Of one connection; the burst is five times that, and what goes beyond is not counted."""
    window_ms: Annotated[int, Field(ge=50, le=10_000)] = 500
    """Over which an edge sums taps before it reports them."""


class Moderation(_Section):
    """The platform's lists, and who is asked beside them."""

    words_file: Path | None = None
    """Platform-wide rules, one a line (`schemas.filtering.rules`). None: the list that ships, unless
    ``words_dir`` has some."""
    words_dir: Path | None = None
    """Every ``*.txt`` of it is a list, of a language say."""
    classifier: str | None = None
    """An address (``http://…``), or ``module:attribute`` of a Python function; None: nobody is asked."""
    classifier_deadline_ms: Annotated[int, Field(ge=1, le=10_000)] = 150
    """For its answer."""
    classifier_when_late: Literal["allow", "hold", "reject"] = "allow"
    """What becomes of comments that it did not judge in time."""
    classifier_concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Questions on the way at once; partitions beyond it wait within their deadline."""


class Stage(_Section):
    """One stage worker process."""

    instance: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "0"
    """Static membership: distinct per process of one stage, stable over restarts."""
    health_host: str = "127.0.0.1"
    """Where the worker's health and metrics are served."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Of health and metrics; 0: any free one."""
    inbox_records_max: Annotated[int, Field(ge=1)] = 256
    """Records of one partition waiting for its runner; beyond it the consumer waits."""
    merge_records_max: Annotated[int, Field(ge=1)] = 256
    """Records that one step takes together under load."""
    checkpoint_seconds: Annotated[float, Field(gt=0, le=60)] = 60.0
    """Each partition is checkpointed once in this time."""
    recovery_seconds: Annotated[int, Field(ge=1, le=3_600)] = 60
    """Without a record while recovering, before the worker gives up and starts anew."""


class Tracing(_Section):
    """OpenTelemetry traces of some comments, from the gateway to the sockets (`livecomments[tracing]`)."""

    endpoint: str | None = None
    """A collector's OTLP over HTTP, ``http://127.0.0.1:4318``. None: nothing is traced."""
    one_in: Annotated[int, Field(ge=1)] = 1_000
    """Of so many comments one is traced; which one follows from its id, in every process alike."""


class Log(_Section):
    """Of every process, to stderr."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: colour on a terminal, JSON lines otherwise."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is written."""


class Settings(_Section):
    """All settings; every process reads the whole and uses its part."""

    data: Path = Path("data")
    """Where the local stack, the embedded archive and the workers keep what they must."""
    kafka: Kafka = Kafka()
    redis: Redis = Redis()
    cassandra: Cassandra = Cassandra()
    archive: Archive = Archive()
    edge: Edge = Edge()
    placement: Placement = Placement()
    api: Api = Api()
    auth: Auth = Auth()
    limits: Limits = Limits()
    sampling: Sampling = Sampling()
    reactions: Reactions = Reactions()
    moderation: Moderation = Moderation()
    stage: Stage = Stage()
    tracing: Tracing = Tracing()
    log: Log = Log()

    @property
    def archive_path(self) -> Path:
        """The embedded archive's file."""
        return self.data / self.archive.path


def load(environ: Mapping[str, str] = os.environ, directory: Path | None = None) -> Settings:
    """Read the file in ``directory`` (default: working directory), then the environment over it.

    Raises:
        SettingsError: with one line a mistake: its name, what was given, what is allowed.

    """
    path = (directory or Path.cwd()) / FILE_NAME
    values: dict[str, Any] = {}
    if path.is_file():
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: not valid TOML: {error}") from error
    for name, raw in sorted(environ.items()):
        if name.startswith(PREFIX):
            _put(values, name, raw)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error))) from error


def raise_open_files_limit() -> int:
    """Raise the soft limit of open files to the hard one, as every process does; return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def names(model: type[BaseModel] = Settings, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield every setting's path, e.g. ``("edge", "window_ms")``."""
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from names(field.annotation, (*at, name))
        else:
            yield (*at, name)


def environment_name(path: tuple[str, ...]) -> str:
    """``("edge", "window_ms")`` → ``LIVECOMMENTS_EDGE__WINDOW_MS``."""
    return PREFIX + "__".join(path).upper()


def _put(values: dict[str, Any], name: str, raw: str) -> None:
    known = {environment_name(path): path for path in names()}
    if name not in known:
        raise SettingsError(f"{name}: there is no such setting{_nearest(name, list(known))}")
    *sections, last = known[name]
    for section in sections:
        values = values.setdefault(section, {})
    values[last] = [part.strip() for part in raw.split(",") if part.strip()] if last in _TUPLES else raw


_TUPLES = {"hosts", "origins", "proxies", "emoji"}


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""


def _explain(error: ValidationError) -> Iterator[str]:
    for mistake in error.errors():
        path = tuple(str(part) for part in mistake["loc"])
        name = ".".join(path)
        if mistake["type"] == "extra_forbidden":
            known = [".".join(path) for path in names()]
            yield f"{name}: there is no such setting{_nearest(name, known)}"
        else:
            shown = "" if "secret" in name else f" (given: {mistake['input']!r})"
            yield f"{name} ({environment_name(path)}): {mistake['msg']}{shown}"
