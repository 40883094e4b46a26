"""Each mistake planted for real, and `doctor` as it is typed: it finds the one, and names the remedy."""

import asyncio
import contextlib
import json
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from typer.testing import CliRunner

from livecomments.bench.lone import Lone, running
from livecomments.cli import app
from livecomments.exits import Exit
from livecomments.nemesis import clock
from livecomments.stack.kafkacheck import Seen, judge
from schemas.settings import Kafka
from schemas.topics import ALL, FANOUT, FLAT, META
from tests.real import PORTS, environment
from tests.servers import free_port, redis_server

LIMIT_SECONDS = 60
SKEW_SECONDS = 3_600


@dataclass
class Bench:
    """Servers without a fault, and how `doctor` is called against them."""

    lone: Lone
    directory: Path
    environ: dict[str, str] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=lambda: ["--servers"])
    alone: bool = False
    """In a process of its own, as mistakes of the process need it; starting one takes a second."""
    before: Callable[[], None] | None = None

    def doctor(self) -> tuple[int, dict[str, dict[str, object]]]:
        settings = self.lone.settings
        environ = {
            "LIVECOMMENTS_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
            "LIVECOMMENTS_REDIS__URL": settings.redis.url,
            "LIVECOMMENTS_DATA": str(self.directory / "data"),
        }
        command, environ = ["doctor", "--json", *self.arguments], environ | self.environ
        if not self.alone:
            with contextlib.chdir(self.directory):
                ran = CliRunner().invoke(app, command, env=environ)
            return ran.exit_code, _named(ran.stdout)
        done = subprocess.run(
            [sys.executable, "-m", "livecomments", *command], env=environment(**environ), cwd=self.directory,
            capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, preexec_fn=self.before,
        )  # fmt: skip
        return done.returncode, _named(done.stdout)

    def admin(self, work: Callable[[AIOKafkaAdminClient], Awaitable[object]]) -> None:
        async def run() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self.lone.settings.kafka.bootstrap)
            await admin.start()
            try:
                await work(admin)
            finally:
                await admin.close()

        asyncio.run(run())

    def apply(self, *options: str) -> None:
        bootstrap = self.lone.settings.kafka.bootstrap
        done = subprocess.run(
            [sys.executable, "-m", "livecomments", "topics", "apply", *options],
            env=environment(LIVECOMMENTS_KAFKA__BOOTSTRAP=bootstrap), cwd=self.directory, capture_output=True,
            text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def _named(printed: str) -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(printed)["checks"]}


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lone]:
    """Run a Kafka with its topics and a Redis, which the mistakes of this module spoil and mend again."""
    with running(tmp_path_factory.mktemp("lone"), "kafka", "redis") as servers:
        Bench(servers, servers.directory).apply()
        yield servers


@pytest.fixture
def bench(lone: Lone, tmp_path: Path) -> Bench:
    return Bench(lone, tmp_path)


@contextmanager
def taken_port(bench: Bench) -> Iterator[None]:
    with socket.socket() as listener:
        base = free_port(PORTS)
        listener.bind(("127.0.0.1", base + 1))
        listener.listen(1)
        bench.arguments = ["--port-base", str(base)]
        yield


@contextmanager
def missing_topic(bench: Bench) -> Iterator[None]:
    async def delete(admin: AIOKafkaAdminClient) -> None:
        await admin.delete_topics([FLAT.name])
        async with asyncio.timeout(LIMIT_SECONDS):
            while FLAT.name in await admin.list_topics():
                await asyncio.sleep(0.05)

    bench.admin(delete)
    yield
    bench.apply()  # the remedy


@contextmanager
def topic_settings(bench: Bench) -> Iterator[None]:
    wrong = ConfigResource(ConfigResourceType.TOPIC, FANOUT.name, FANOUT.config() | {"retention.ms": "1000"})
    bench.admin(lambda admin: admin.alter_configs([wrong]))
    yield
    bench.apply("--settings")  # the remedy


@contextmanager
def partition_count(bench: Bench) -> Iterator[None]:
    bench.environ["LIVECOMMENTS_KAFKA__PARTITIONS"] = "16"
    yield


@contextmanager
def unknown_schema(bench: Bench) -> Iterator[None]:
    async def write(value: bytes | None) -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bench.lone.settings.kafka.bootstrap)
        await producer.start()
        try:
            await producer.send_and_wait(FLAT.name, value, partition=0, key=b"x")
        finally:
            await producer.stop()

    asyncio.run(write(struct.pack(">bI", 0, 999) + b"from the future"))
    yield
    asyncio.run(write(None))


@contextmanager
def redis_down(bench: Bench) -> Iterator[None]:
    bench.environ["LIVECOMMENTS_REDIS__URL"] = f"redis://127.0.0.1:{free_port()}/0"
    yield


@contextmanager
def redis_evicts(bench: Bench) -> Iterator[None]:
    import redis

    with redis_server() as url, contextlib.closing(redis.Redis.from_url(url)) as client:
        client.config_set("maxmemory-policy", "allkeys-lru")
        bench.environ["LIVECOMMENTS_REDIS__URL"] = url
        yield


@contextmanager
def cassandra_away(bench: Bench) -> Iterator[None]:
    bench.environ |= {
        "LIVECOMMENTS_ARCHIVE__KIND": "cassandra",
        "LIVECOMMENTS_CASSANDRA__PORT": str(free_port()),
    }
    yield


@contextmanager
def archive_unmigrated(bench: Bench) -> Iterator[None]:
    import sqlite3

    data = bench.directory / "data"
    data.mkdir()
    with contextlib.closing(sqlite3.connect(data / "archive.sqlite3")) as connection:
        connection.execute("CREATE TABLE comments (id TEXT)")
        connection.commit()
    yield


@contextmanager
def few_files(bench: Bench) -> Iterator[None]:
    bench.alone = True
    bench.before = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (2_048, 2_048))
    yield


@contextmanager
def clock_skew(bench: Bench) -> Iterator[None]:
    found = clock.library()
    if found is None:
        pytest.skip("libfaketime is not installed (Python: libfaketime)")
    shift = bench.directory / "shift"
    clock.write(shift, SKEW_SECONDS)
    bench.alone = True
    bench.environ |= clock.environment(found, shift)
    yield


@contextmanager
def development_secret(bench: Bench) -> Iterator[None]:
    bench.environ["LIVECOMMENTS_API__HOST"] = "0.0.0.0"  # noqa: S104 - the mistake
    yield


@contextmanager
def no_keys(bench: Bench) -> Iterator[None]:
    bench.environ |= {
        "LIVECOMMENTS_AUTH__ALGORITHM": "ES256",
        "LIVECOMMENTS_AUTH__JWKS_FILE": str(bench.directory / "none.json"),
    }
    yield


@contextmanager
def no_words(bench: Bench) -> Iterator[None]:
    bench.environ["LIVECOMMENTS_MODERATION__WORDS_FILE"] = str(bench.directory / "none.txt")
    yield


@contextmanager
def broker_away(bench: Bench) -> Iterator[None]:
    bench.environ["LIVECOMMENTS_KAFKA__BOOTSTRAP"] = f"127.0.0.1:{free_port()}"
    yield


@contextmanager
def broker_too_old(bench: Bench) -> Iterator[None]:
    """Answer ApiVersions as Kafka 0.11 does: no such broker can be had here."""
    rows = [(0, 0, 3), (11, 0, 2), (18, 0, 1), (22, 0, 0), (32, 0, 0)]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    size, *_ = struct.unpack(">i", connection.recv(4))
                    request = connection.recv(size)
                    body = request[4:8] + struct.pack(">hi", 0, len(rows))
                    body += b"".join(struct.pack(">hhh", *row) for row in rows)
                    connection.sendall(struct.pack(">i", len(body)) + body)

        thread = threading.Thread(target=answer)
        thread.start()
        bench.environ["LIVECOMMENTS_KAFKA__BOOTSTRAP"] = f"127.0.0.1:{listener.getsockname()[1]}"
        yield
        thread.join()


MISTAKES = [
    (taken_port, "port ", "taken", "--port-base"),
    (missing_topic, "topics", "missing: comments.flat", "livecomments topics apply"),
    (topic_settings, "topic settings", "comments.fanout has retention.ms=1000", "topics apply --settings"),
    (partition_count, "partitions", "8 partitions, not 16", "LIVECOMMENTS_KAFKA__PARTITIONS"),
    (unknown_schema, "schemas", "comments.flat-0 ends with schema id 999", "upgrade this one"),
    (redis_down, "redis server", "does not answer", "LIVECOMMENTS_REDIS__URL"),
    (redis_evicts, "redis eviction", "allkeys-lru", "noeviction"),
    (cassandra_away, "archive (cassandra)", "Cassandra", "LIVECOMMENTS_CASSANDRA__HOSTS"),
    (archive_unmigrated, "archive (sqlite)", "", "livecomments migrate"),
    (few_files, "open files", "at most 2048", "ulimit -Hn"),
    (clock_skew, "clock", "s ahead of Redis's", "NTP"),
    (development_secret, "secret", "binds to 0.0.0.0", "openssl rand -hex 32"),
    (no_keys, "secret", "none.json", "LIVECOMMENTS_AUTH__JWKS_FILE"),
    (no_words, "word lists", "none.txt", "LIVECOMMENTS_MODERATION__WORDS_FILE"),
    (broker_away, "brokers", "does not answer", "LIVECOMMENTS_KAFKA__BOOTSTRAP"),
    (broker_too_old, "brokers", "static membership", "Kafka 2.3 or later"),
]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("plant", "name", "detail", "mend"), MISTAKES, ids=[plant.__name__ for plant, *_ in MISTAKES]
)
def test_a_planted_mistake(
    bench: Bench,
    plant: Callable[[Bench], contextlib.AbstractContextManager[None]],
    name: str,
    detail: str,
    mend: str,
) -> None:
    """The one check is bad, says what it found and what to do; no other check of the servers is."""
    with plant(bench):
        code, checks = bench.doctor()
    bad = {each: found for each, found in checks.items() if not found["ok"]}
    assert code == Exit.UNHEALTHY
    assert len(bad) == 1, bad
    (named, found) = bad.popitem()
    assert named.startswith(name)
    assert detail in str(found["detail"])
    assert mend in str(found["mend"])


@pytest.mark.integration
def test_nothing_is_wrong(bench: Bench) -> None:
    """Without a mistake every check is good: what the others mended is mended."""
    bench.alone = True
    code, checks = bench.doctor()
    assert [name for name, found in checks.items() if not found["ok"]] == []
    assert code == Exit.OK


def test_topic_settings_may_be_larger() -> None:
    """A longer retention than ours, or for ever, is no mistake; a shorter one and too few replicas are."""
    settings = Kafka(partitions=2, replication=3)

    def seen(retention: str, replicas: int = 3) -> list[str]:
        config = {"min.insync.replicas": "2"}
        found = {topic.name: Seen(1 if topic is META else 2, 3, topic.config() | config) for topic in ALL}
        found[FANOUT.name] = Seen(2, replicas, FANOUT.config() | config | {"retention.ms": retention})
        return [check.name for check in judge(found, settings) if not check.ok]

    assert seen("-1") == seen("999999999999") == []
    assert seen("1") == ["topic settings"]
    assert seen("-1", replicas=1) == ["replicas"]
