"""The supervisor, run in this process on small services."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from livecomments.exits import Exit, Failure
from livecomments.stack import logs, state
from livecomments.stack.processes import identity, is_alive
from livecomments.stack.spec import Plan
from livecomments.stack.supervisor import Event, Supervisor
from tests.stack.helpers import plan, processes, service, task, wait_for


@contextlib.asynccontextmanager
async def running(what: Plan) -> AsyncIterator[list[Event]]:
    """Run a plan until it is up, give its events, stop it."""
    events: list[Event] = []
    supervisor = Supervisor(what, events.append)
    run = asyncio.create_task(supervisor.run())
    up = asyncio.create_task(wait_for(lambda: any(each.kind == "up" for each in events)))
    try:
        await asyncio.wait({run, up}, return_when=asyncio.FIRST_COMPLETED)
        yield events
    finally:
        supervisor.stop()
        up.cancel()
        await run


async def test_order(tmp_path: Path) -> None:
    """Servers are ready before the task runs, and the task is done before our services start."""
    kafka, edge = service(tmp_path, "kafka"), service(tmp_path, "edge")
    async with running(plan(tmp_path, edge, servers=(kafka,), first=task(tmp_path, "pass"))) as events:
        assert [(each.kind, each.name) for each in events] == [
            ("starting", "kafka"),
            ("ready", "kafka"),
            ("starting", "topics"),
            ("ready", "topics"),
            ("starting", "edge"),
            ("ready", "edge"),
            ("up", ""),
        ]
        assert set(processes(tmp_path)) == {"kafka", "edge"}


async def test_leaves_nothing(tmp_path: Path) -> None:
    """When it returns every process is gone, what they started too, and the directory is free again."""
    parent = service(tmp_path, "edge", "parent")
    async with running(plan(tmp_path, parent)):
        child = processes(tmp_path)["edge"]
        grandchild = identity(int(logs.tail(Path(parent.log))[0].removeprefix("grandchild ")))
        assert grandchild is not None
    assert not is_alive(child)
    await wait_for(lambda: not is_alive(grandchild))
    assert state.read(tmp_path) is None
    with state.lock(tmp_path):
        pass


async def test_restart(tmp_path: Path) -> None:
    """A service that is killed runs again within 0.3 s, and the restart is counted."""
    async with running(plan(tmp_path, service(tmp_path, "ingest"))) as events:
        first = processes(tmp_path)["ingest"]
        os.kill(first.pid, signal.SIGKILL)
        begun = time.monotonic()
        await wait_for(lambda: processes(tmp_path).get("ingest", first) != first)
        assert time.monotonic() - begun < 0.3
        found = state.read(tmp_path)
        assert found is not None
        assert found.services[0].restarts == 1
        assert [each.message for each in events if each.kind == "ended"] == ["was ended by SIGKILL"]


async def test_stubborn(tmp_path: Path) -> None:
    """A service that ignores SIGTERM is killed after its limit."""
    deaf = service(tmp_path, "api", "deaf", stop_seconds=0.2)
    async with running(plan(tmp_path, deaf)) as events:
        child = processes(tmp_path)["api"]
    assert not is_alive(child)
    assert "killed" in [each.kind for each in events]


@pytest.mark.parametrize(
    ("mode", "ready_seconds", "said", "last"),
    [
        ("broken", 10.0, "edge ended 3 times while it started", "this is the last line"),
        ("unready", 0.5, "edge was not ready after 0 s", "listening as"),
    ],
)
async def test_not_ready(tmp_path: Path, mode: str, ready_seconds: float, said: str, last: str) -> None:
    """A service that does not get ready fails the start, with its log's end, and all is stopped again."""
    bad = service(tmp_path, "edge", mode, ready_seconds=ready_seconds)
    supervisor = Supervisor(plan(tmp_path, bad, servers=(service(tmp_path, "redis"),)), lambda _event: None)
    with pytest.raises(Failure, match=said) as caught:
        await supervisor.run()
    assert caught.value.code == Exit.NOT_READY
    assert bad.log in caught.value.message
    assert "\n" not in caught.value.message
    assert last in caught.value.details[-1]
    assert processes(tmp_path) == {}


async def test_task_fails(tmp_path: Path) -> None:
    """A task that fails fails the start with its last line."""
    failing = task(tmp_path, "import sys; sys.exit('no partitions')")
    supervisor = Supervisor(plan(tmp_path, first=failing), lambda _event: None)
    with pytest.raises(Failure, match="topics failed with exit code 1") as caught:
        await supervisor.run()
    assert caught.value.details == ("no partitions",)


async def test_stop_while_starting(tmp_path: Path) -> None:
    """Asked to stop in the middle of a start, it stops what it began and does not fail."""
    events: list[Event] = []
    supervisor = Supervisor(plan(tmp_path, service(tmp_path, "edge", "unready")), events.append)
    run = asyncio.create_task(supervisor.run())
    await wait_for(lambda: "edge" in processes(tmp_path))
    child = processes(tmp_path)["edge"]
    supervisor.stop()
    await run
    assert not is_alive(child)
    assert events[-1].kind == "stopped"


async def test_one_stack_a_directory(tmp_path: Path) -> None:
    """A second stack in the same directory is refused, and the first goes on."""
    async with running(plan(tmp_path, service(tmp_path, "edge"))):
        second = Supervisor(plan(tmp_path, service(tmp_path, "edge")), lambda _event: None)
        with pytest.raises(Failure, match="another stack runs") as caught:
            await second.run()
        assert caught.value.code == Exit.ALREADY_RUNNING
        assert "edge" in processes(tmp_path)
