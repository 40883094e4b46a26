"""Confluent's own client, unmodified, reads our topics with our registry."""

import asyncio
import uuid
from typing import Any

import aiohttp
import confluent_kafka
import pytest

from edge.auth import Authenticator
from schemas.settings import Auth
from schemas.topics import FLAT, SEQUENCED
from tests.real import RealStack

pytestmark = pytest.mark.integration
LIMIT_SECONDS = 60


async def post(stack: RealStack, stream: str, text: str) -> None:
    token = Authenticator(Auth()).mint("ana", stream, "viewer", 600)
    url = f"http://{stack.api}/v1/streams/{stream}/comments"
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session,
        session.post(url, json={"text": text}) as answer,
    ):
        assert answer.status == 201


def consumed(stack: RealStack, topic: str, stream: str) -> Any:
    """Return the stream's first record of a topic, as `AvroDeserializer` decodes it."""
    from confluent_kafka.schema_registry import SchemaRegistryClient
    from confluent_kafka.schema_registry.avro import AvroDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext

    servers = f"127.0.0.1:{stack.port_base + 2}"
    settings = {"bootstrap.servers": servers, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"}
    consumer = confluent_kafka.Consumer(settings)
    consumer.subscribe([topic])
    try:
        with SchemaRegistryClient({"url": f"http://{stack.api}"}) as registry:
            decode = AvroDeserializer(registry)
            for _ in range(LIMIT_SECONDS * 5):
                message = consumer.poll(0.2)
                if message is None or message.error() or message.key() != stream.encode():
                    continue
                return decode(message.value(), SerializationContext(topic, MessageField.VALUE))
    finally:
        consumer.close()
    raise AssertionError(f"{topic} has nothing of the stream")


async def test_its_deserialiser_reads_the_topics(stack: RealStack) -> None:
    """The flat topic for analysts, and the log itself."""
    stream, text = f"confluent-{uuid.uuid4().hex[:8]}", "für alle"
    await post(stack, stream, text)
    flat = await asyncio.to_thread(consumed, stack, FLAT.name, stream)
    assert (flat["stream_id"], flat["seq"], flat["text"]) == (stream, 1, text)
    segment = await asyncio.to_thread(consumed, stack, SEQUENCED.name, stream)
    assert [event["text"] for event in segment["events"]] == [text]


async def test_its_client_knows_the_subjects(stack: RealStack) -> None:
    """By name and version; a schema that is there is found, one that is not is not taken."""
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError

    def look() -> None:
        with SchemaRegistryClient({"url": f"http://{stack.api}"}) as client:
            subject = f"{FLAT.name}-value"
            assert subject in client.get_subjects()
            latest = client.get_latest_version(subject)
            assert client.get_versions(subject) == list(range(1, latest.version + 1))
            assert client.lookup_schema(subject, latest.schema).schema_id == latest.schema_id
            assert client.register_schema(subject, latest.schema) == latest.schema_id
            with pytest.raises(SchemaRegistryError):
                client.register_schema(subject, Schema('"string"', "AVRO"))

    await asyncio.to_thread(look)
