"""The plan of a stack under test: a proxy before Kafka, and clocks that can be loaded."""

from dataclasses import replace
from pathlib import Path

from livecomments.nemesis.stack import Shape, Stack
from schemas.settings import load
from tests.stack.helpers import plan, service


def made(directory: Path) -> Stack:
    return Stack(load({}), Shape(25_000, directory))


async def test_edges_know_only_the_proxied_kafka(tmp_path: Path) -> None:
    """Kafka has a second listener, whose advertised port is the proxy's; stages use the first."""
    stack = made(tmp_path)
    files = {"server.properties": "listeners=PLAINTEXT://a:1\nadvertised.listeners=PLAINTEXT://a:1\n"}
    kafka = replace(service(tmp_path, "kafka"), files=files)
    ours = (service(tmp_path, "sequence"), service(tmp_path, "edge-2"))
    prepared = stack._prepared(plan(tmp_path, *ours, servers=(kafka,)))
    (text,) = prepared.servers[0].files.values()
    assert "listeners=PLAINTEXT://a:1,PROXIED://127.0.0.1:25020\n" in text
    assert f"advertised.listeners=PLAINTEXT://a:1,PROXIED://127.0.0.1:{stack.kafka_proxy.port}\n" in text
    sequence, edge = prepared.ours
    assert "LIVECOMMENTS_KAFKA__BOOTSTRAP" not in sequence.command.env
    assert edge.command.env["LIVECOMMENTS_KAFKA__BOOTSTRAP"] == f"127.0.0.1:{stack.kafka_proxy.port}"


async def test_nothing_runs_is_nothing_found(tmp_path: Path) -> None:
    """Without a stack there is nobody to signal."""
    stack = made(tmp_path)
    assert stack.names("edge") == []
    assert stack.identity("edge") is None
    assert stack.url(1, proxied=False) == "ws://127.0.0.1:25005/connection/websocket"
