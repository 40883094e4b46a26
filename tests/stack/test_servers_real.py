"""Real Kafka and Redis from packages, started and stopped as ``livecomments up`` does."""

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from livecomments.stack import launch, packages, plan, probes, state
from livecomments.stack.addresses import Ports
from livecomments.stack.inspection import inspect
from livecomments.stack.processes import is_alive
from livecomments.stack.spec import Probe
from schemas.settings import load
from tests.stack.helpers import free_port, processes, wait_until


@pytest.mark.integration
def test_kafka_and_redis(tmp_path: Path) -> None:
    """Both get ready, Kafka is started again when it is killed, and ``down`` leaves no process."""
    settings, ports = load({}), Ports(*(free_port() for _ in range(5)))
    whole = launch.prepare(settings, ports, tmp_path, plan.Shape(), lambda *_: None)
    servers = replace(whole, tasks=(), ours=(), stop_order=whole.stop_order[-1:])
    launch.run_detached(servers, lambda _event: None)
    try:
        found = inspect(settings, None, tmp_path)
        assert found.ready
        assert [each.name for each in found.services] == ["kafka", "redis"]
        assert json.dumps(found.to_json())
        first = processes(tmp_path)["kafka"]
        os.kill(first.pid, signal.SIGKILL)
        address = servers.servers[0].address
        wait_until(lambda: processes(tmp_path).get("kafka", first) != first)
        wait_until(lambda: asyncio.run(probes.ask(Probe.KAFKA, address)))
        last = state.read(tmp_path)
        assert last is not None
        assert last.services[0].restarts == 1
    finally:
        launch.stop(tmp_path)
    assert not any(is_alive(each) for each in last.processes())
    assert packages.cached_classpath(packages.KAFKA, packages.cache_directory())
