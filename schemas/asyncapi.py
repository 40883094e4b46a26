"""The topics as an AsyncAPI 3.0 document, for tools that draw pages or write code from one.

Made of what the code itself uses: `schemas.topics` and the ``.avsc`` files. Pure.
"""

import json
from collections.abc import Mapping
from typing import Any

from schemas.codec import latest
from schemas.topics import ALL, Topic

VERSION = "3.0.0"
AVRO = "application/vnd.apache.avro;version=1.9.0"
"""The media type that the specification has for Avro schemas in JSON, whatever their version."""
BINDING = "0.5.0"
_DESCRIPTION = (
    "The topics of livecomments. Records are Avro in the Confluent wire format (a zero byte, the schema's id "
    "in four bytes, the record); the HTTP API serves the registry's read side at /subjects and /schemas/ids. "
    "A stream has the same partition in every topic: murmur2 of its id. Analysts want comments.flat: one "
    "event a record, at least once; the others are how the stages talk, and hold many events a record."
)
_KEYS = {
    "none": None,
    "stream": "The stream's id.",
    "user": "The user's id.",
    "edge": "The edge's name.",
}


def document(partitions: int, kafka: str | None = None, registry: str | None = None) -> dict[str, Any]:
    """Return the document.

    Args:
        partitions: of every topic.
        kafka: ``host:port`` of a broker, to name the server; None: no server is named.
        registry: the API's address as a URL, where a server is named.

    """
    topics = [topic for topic in ALL if topic.record]  # the others hold nothing for readers
    found: dict[str, Any] = {
        "asyncapi": VERSION,
        "info": {
            "title": "livecomments",
            "version": "1",
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/vnd.apache.avro+binary",
        "channels": {topic.name: _channel(topic, partitions) for topic in topics},
        "operations": {
            f"send.{topic.name}": {"action": "send", "channel": {"$ref": f"#/channels/{topic.name}"}}
            for topic in topics
        },
        "components": {"schemas": {record: _schema(record) for record in sorted({t.record for t in topics})}},
    }
    if kafka is not None:
        binding = {
            "schemaRegistryUrl": registry,
            "schemaRegistryVendor": "confluent",
            "bindingVersion": BINDING,
        }
        found["servers"] = {"kafka": {"host": kafka, "protocol": "kafka", "bindings": {"kafka": binding}}}
    return found


def _channel(topic: Topic, partitions: int) -> Mapping[str, Any]:
    config = topic.config()
    settings: dict[str, Any] = {
        "cleanup.policy": [config["cleanup.policy"]],
        "max.message.bytes": int(config["max.message.bytes"]),
    }
    if topic.retention_ms is not None:
        settings["retention.ms"] = topic.retention_ms
    return {
        "address": topic.name,
        "description": _schema(topic.record)["schema"]["doc"],
        "messages": {topic.record: _message(topic)},
        "bindings": {
            "kafka": {"partitions": partitions, "topicConfiguration": settings, "bindingVersion": BINDING}
        },
    }


def _message(topic: Topic) -> Mapping[str, Any]:
    binding: dict[str, Any] = {
        "schemaIdLocation": "payload",
        "schemaIdPayloadEncoding": "confluent",
        "bindingVersion": BINDING,
    }
    key = _KEYS[topic.key]
    if key is not None:
        binding["key"] = {"type": "string", "description": key}
    return {
        "name": topic.record,
        "payload": {"$ref": f"#/components/schemas/{topic.record}"},
        "bindings": {"kafka": binding},
    }


def _schema(record: str) -> dict[str, Any]:
    return {"schemaFormat": AVRO, "schema": json.loads(latest(record).text)}
