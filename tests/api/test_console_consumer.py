"""Kafka's own console consumer reads our topics: no client of ours, and nothing that knows our schemas."""

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from livecomments.stack import packages
from schemas.codec import FRAME_BYTES, codec, latest
from schemas.topics import FLAT
from tests.api.test_confluent import post
from tests.real import RealStack

pytestmark = pytest.mark.integration
TOOLS = packages.Jars(
    "kafka-tools",
    packages.KAFKA.version,
    (
        ("org.apache.kafka", "kafka-tools", packages.KAFKA.version),
        ("org.apache.kafka", "kafka-clients", packages.KAFKA.version),
    ),
    megabytes=40,
)
BYTES = "org.apache.kafka.common.serialization.ByteArrayDeserializer"
IDLE_MS = 45_000
"""After which the consumer ends by itself."""
READ_BYTES = 65_536
BETWEEN = b"<end>"


@contextmanager
def consumer(stack: RealStack, topic: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run the console consumer from the topic's beginning; a record is key, tab, value, `BETWEEN`."""
    jars = packages.classpath(TOOLS, packages.cache_directory(), lambda *_: None)
    properties = ("print.key=true", f"line.separator={BETWEEN.decode()}")
    command = [
        *(str(packages.java()), "-Xmx128m", "-cp", jars, "org.apache.kafka.tools.consumer.ConsoleConsumer"),
        *("--bootstrap-server", f"127.0.0.1:{stack.port_base + 2}", "--topic", topic, "--from-beginning"),
        *("--timeout-ms", str(IDLE_MS)),
        *(part for each in properties for part in ("--formatter-property", each)),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


async def test_it_reads_what_was_said(stack: RealStack) -> None:
    """Key and value come out as they are: the value is a frame with the schema's id and the record."""
    stream = f"console-{uuid.uuid4().hex[:8]}"
    await post(stack, stream, "für alle")
    with consumer(stack, FLAT.name) as process:
        assert process.stdout is not None
        read = b""
        while part := os.read(process.stdout.fileno(), READ_BYTES):
            read += part
            found = [each for each in read.split(BETWEEN)[:-1] if each.startswith(f"{stream}\t".encode())]
            if found:
                break
        else:
            raise AssertionError(f"it ended without the stream: {read[-200:]!r}")
    value = found[0].partition(b"\t")[2]
    assert value[:FRAME_BYTES] == b"\x00" + latest(FLAT.record).id.to_bytes(4, "big")
    assert codec(FLAT.record).decode(value)["text"] == "für alle"
