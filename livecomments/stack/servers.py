"""Kafka, Redis and Cassandra as services: command lines and configuration files, made without I/O.

They are sized for a laptop: one node each, 512 MiB of heap. What is said here differs from the servers'
defaults, and each line has its reason.
"""

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from livecomments.stack.addresses import LOOPBACK
from livecomments.stack.spec import Command, Preparation, Probe, Service

HEAP_MIB = 512
REDIS_MEMORY_MIB = 1024
KAFKA_READY_SECONDS = 90.0
CASSANDRA_READY_SECONDS = 180.0
REDIS_READY_SECONDS = 15.0
SERVER_STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server runs: the stack's directory and the port others know."""

    directory: Path
    port: int

    def of(self, name: str) -> Path:
        """Return the server's own directory."""
        return self.directory / name

    def log(self, name: str) -> str:
        """Return the server's log file."""
        return str(self.directory / "logs" / f"{name}.log")

    @property
    def address(self) -> str:
        """``host:port``."""
        return f"{LOOPBACK}:{self.port}"


def kafka(place: Place, java: Path, classpath: str, controller_port: int, cluster_id: str = "") -> Service:
    """Return one KRaft node that is broker and controller.

    ``cluster_id`` is used the first time only, when the directory is formatted; default: a random one.
    """
    home = place.of("kafka")
    settings, logging = home / "server.properties", home / "log4j2.properties"
    environment = {"CLASSPATH": classpath}
    storage = (
        str(java),
        *("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
        f"-Dlog4j2.configurationFile={logging}",
        "kafka.tools.StorageTool",
        *("format", "--cluster-id", cluster_id or _random_cluster_id(), "--config", str(settings)),
    )
    broker = (
        str(java),
        *("-Xms256m", f"-Xmx{HEAP_MIB}m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"),
        # The second compiler takes two thirds of a new broker's processor time, from the stages beside it.
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",  # a broker that half works is worse than one that is restarted
        f"-Dlog4j2.configurationFile={logging}",
        *("kafka.Kafka", str(settings)),
    )
    return Service(
        name="kafka",
        command=Command(broker, environment),
        address=place.address,
        probe=Probe.KAFKA,
        log=place.log("kafka"),
        ready_seconds=KAFKA_READY_SECONDS,
        stop_seconds=SERVER_STOP_SECONDS,
        directories=(str(home),),
        files={
            str(settings): _properties(_kafka_settings(place, controller_port)),
            str(logging): _properties(_KAFKA_LOGGING),
        },
        preparation=Preparation(Command(storage, environment), str(home / "log" / "meta.properties")),
    )


def redis(place: Place, binary: Path) -> Service:
    """Return a Redis that keeps nothing: all that is in it can be rebuilt from Kafka."""
    home = place.of("redis")
    argv = (
        str(binary),
        *("--port", str(place.port), "--bind", LOOPBACK, "--dir", str(home)),
        *("--save", "", "--appendonly", "no", "--daemonize", "no"),
        # Eviction would take bans; a full Redis refuses, and whoever writes waits.
        *("--maxmemory", f"{REDIS_MEMORY_MIB}mb", "--maxmemory-policy", "noeviction"),
    )
    return Service(
        name="redis",
        command=Command(argv),
        address=place.address,
        probe=Probe.REDIS,
        log=place.log("redis"),
        ready_seconds=REDIS_READY_SECONDS,
        stop_seconds=SERVER_STOP_SECONDS,
        directories=(str(home),),
    )


def cassandra(place: Place, java: Path, classpath: str, storage_port: int) -> Service:
    """Return one Cassandra node that is alone and knows it: it waits for no ring."""
    home = place.of("cassandra")
    settings, logging = home / "cassandra.yaml", home / "logback.xml"
    argv = (
        str(java),
        *(f"-Xms{HEAP_MIB}m", f"-Xmx{HEAP_MIB}m", "-Xss512k", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"),
        *_CASSANDRA_MODULES,
        "-Djdk.attach.allowAttachSelf=true",
        "-Dio.netty.tryReflectionSetAccessible=true",
        f"-Dcassandra.config=file://{settings}",
        f"-Dcassandra.storagedir={home}",
        f"-Dcassandra.logdir={home}",
        f"-Dlogback.configurationFile={logging}",
        "-Dcassandra-foreground=yes",
        "-Dcassandra.ring_delay_ms=1",
        "-Dcassandra.skip_wait_for_gossip_to_settle=0",
        "org.apache.cassandra.service.CassandraDaemon",
    )
    return Service(
        name="cassandra",
        command=Command(argv, {"CLASSPATH": classpath}),
        address=place.address,
        probe=Probe.CASSANDRA,
        log=place.log("cassandra"),
        ready_seconds=CASSANDRA_READY_SECONDS,
        stop_seconds=SERVER_STOP_SECONDS,
        directories=(str(home),),
        files={
            str(settings): "\n".join(_cassandra_settings(place, storage_port, home)) + "\n",
            str(logging): _CASSANDRA_LOGGING,
        },
    )


def _kafka_settings(place: Place, controller_port: int) -> dict[str, str]:
    controller = f"{LOOPBACK}:{controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "listeners": f"PLAINTEXT://{place.address},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{place.address}",
        "log.dirs": str(place.of("kafka") / "log"),
        # `livecomments topics apply` makes topics; a typing mistake must not.
        "auto.create.topics.enable": "false",
        # There is one node.
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # A handful of groups.
        "offsets.topic.num.partitions": "8",
        # A restarted stage takes its partitions at once.
        "group.initial.rebalance.delay.ms": "0",
        # A broker that was killed may not register again before its session has run out (default: 9 s).
        "broker.heartbeat.interval.ms": "500",
        "broker.session.timeout.ms": "3000",
        "metadata.max.idle.interval.ms": "5000",
        # 128 MiB by default, a quarter of this heap.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }


_KAFKA_LOGGING = {
    "shutdownHook": "disable",  # Kafka's own shutdown is worth reading too
    "appender.stdout.type": "Console",
    "appender.stdout.name": "stdout",
    "appender.stdout.layout.type": "PatternLayout",
    "appender.stdout.layout.pattern": "%d{yyyy-MM-dd HH:mm:ss,SSS} %p [%t] %c{1}: %m%n",
    "rootLogger.level": "info",
    "rootLogger.appenderRef.stdout.ref": "stdout",
    # Hundreds of lines of settings at each start.
    "logger.config.name": "org.apache.kafka.common.config",
    "logger.config.level": "warn",
}

_CASSANDRA_LOGGING = """<configuration>
  <appender name="stdout" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%date{ISO8601} %level [%thread] %logger{0}: %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="stdout"/></root>
  <logger name="com.thinkaurelius.thrift" level="ERROR"/>
</configuration>
"""

_CASSANDRA_BASE_MODULES = tuple(
    f"--add-{kind}=java.base/{package}=ALL-UNNAMED"
    for kind, package in (
        ("exports", "jdk.internal.misc"),
        ("exports", "jdk.internal.ref"),
        ("exports", "jdk.internal.perf"),
        ("exports", "sun.nio.ch"),
        ("opens", "java.io"),
        ("opens", "java.lang"),
        ("opens", "java.lang.reflect"),
        ("opens", "java.math"),
        ("opens", "java.net"),
        ("opens", "java.nio"),
        ("opens", "java.util"),
        ("opens", "java.util.concurrent"),
        ("opens", "java.util.concurrent.atomic"),
        ("opens", "jdk.internal.loader"),
        ("opens", "jdk.internal.math"),
        ("opens", "jdk.internal.module"),
        ("opens", "jdk.internal.ref"),
        ("opens", "jdk.internal.reflect"),
        ("opens", "jdk.internal.util.jar"),
        ("opens", "sun.nio.ch"),
    )
)
_CASSANDRA_MODULES = (
    *_CASSANDRA_BASE_MODULES,
    "--add-exports=java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.server=ALL-UNNAMED",
    "--add-exports=java.rmi/sun.rmi.transport.tcp=ALL-UNNAMED",
    "--add-exports=java.sql/java.sql=ALL-UNNAMED",
    "--add-opens=java.management/com.sun.jmx.remote.security=ALL-UNNAMED",
    "--add-opens=jdk.management/com.sun.management.internal=ALL-UNNAMED",
)


def _cassandra_settings(place: Place, storage_port: int, home: Path) -> Sequence[str]:
    return (
        "cluster_name: livecomments",
        "num_tokens: 1",
        "partitioner: org.apache.cassandra.dht.Murmur3Partitioner",
        "endpoint_snitch: SimpleSnitch",
        "auto_bootstrap: false",
        f"listen_address: {LOOPBACK}",
        f"rpc_address: {LOOPBACK}",
        f"storage_port: {storage_port}",
        f"native_transport_port: {place.port}",
        "seed_provider:",
        "  - class_name: org.apache.cassandra.locator.SimpleSeedProvider",
        f'    parameters: [{{seeds: "{LOOPBACK}:{storage_port}"}}]',
        f'data_file_directories: ["{home}/data"]',
        f'commitlog_directory: "{home}/commitlog"',
        f'saved_caches_directory: "{home}/saved_caches"',
        f'hints_directory: "{home}/hints"',
        f'cdc_raw_directory: "{home}/cdc_raw"',
        # There is no other replica: with the default, «periodic», a kill loses what was acknowledged since
        # the last sync.
        "commitlog_sync: batch",
        "commitlog_segment_size: 16MiB",
        "commitlog_total_space: 256MiB",
        "memtable_heap_space: 96MiB",
        "memtable_offheap_space: 96MiB",
        "key_cache_size: 8MiB",
        "concurrent_reads: 8",
        "concurrent_writes: 16",
        "auto_snapshot: false",
    )


def _properties(settings: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def _random_cluster_id() -> str:
    """Return what Kafka calls a Uuid: 22 characters that do not begin with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
