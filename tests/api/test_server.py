"""The process around the app: answers before its stores are there, bounds clients, ends in order."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.api.server import _config, _listener, _Uvicorn, serve
from edge.errors import StartError
from schemas.settings import Api, Kafka, Redis, Settings
from tests.api.fakes import World
from tests.real import ROOT, environment
from tests.servers import free_port

LIMIT_SECONDS = 20
CLOSED = "127.0.0.1:1"
"""Nobody listens there."""


def settings(home: Path) -> Settings:
    return Settings(
        data=home,
        api=Api(port=free_port()),
        kafka=Kafka(bootstrap=CLOSED),
        redis=Redis(url=f"redis://{CLOSED}/0"),
    )


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[tuple[str, int, _Uvicorn]]:
    """Serve an app on real sockets."""
    port = free_port()
    server = _Uvicorn(_config(app))
    task = asyncio.ensure_future(server.serve([_listener(Api(port=port))]))
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not server.started:
                await asyncio.sleep(0.005)
        yield f"http://127.0.0.1:{port}", port, server
    finally:
        server.should_exit = True
        await task


async def test_it_answers_while_nothing_is_there(tmp_path: Path) -> None:
    """Alive and not ready, by name; what needs a store says so; then it ends at once."""
    stop, made = asyncio.Event(), settings(tmp_path)
    task = asyncio.ensure_future(serve(made, stop))
    url = f"http://127.0.0.1:{made.api.port}"
    await asyncio.sleep(0)  # it listens with its first step
    async with aiohttp.ClientSession() as session, asyncio.timeout(LIMIT_SECONDS):
        while True:
            async with session.get(f"{url}/readyz") as answer:
                state = await answer.json()
                if state["archive"]:
                    break
            await asyncio.sleep(0.01)
        assert answer.status == 503
        assert state == {
            "ready": False, "producer": False, "redis": False, "archive": True, "accepting": True,
        }  # fmt: skip
        async with session.get(f"{url}/healthz") as answer:
            assert answer.status == 200
        async with session.get(f"{url}/v1/streams/s/comments") as answer:
            assert answer.status == 503
            assert answer.headers["content-type"] == "application/problem+json"
    stop.set()
    await asyncio.wait_for(task, LIMIT_SECONDS)


async def test_archive_that_cannot_be_opened_ends_it(tmp_path: Path) -> None:
    """The operator's fault is told, not waited out."""
    from schemas.archive import ArchiveError

    (tmp_path / "archive.sqlite3").write_bytes(b"this is no database, and long enough to look at" * 100)
    with pytest.raises(ArchiveError):
        await asyncio.wait_for(serve(settings(tmp_path), asyncio.Event()), LIMIT_SECONDS)


async def test_taken_port_is_told(tmp_path: Path) -> None:
    """In one line that names it."""
    made = settings(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", made.api.port))
        other.listen()
        with pytest.raises(StartError, match=str(made.api.port)):
            await serve(made, asyncio.Event())


async def test_requests_on_the_way_are_answered_at_the_end(here: World) -> None:
    """SIGTERM takes nothing from who was there before."""
    token = here.auth.mint("ops", None, "platform", 60)
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {token}"}) as session:
        async with served(here.app) as (url, _, server), asyncio.timeout(LIMIT_SECONDS):
            body = {"id": "new", "creator": "c"}
            task = asyncio.ensure_future(session.post(f"{url}/v1/streams", json=body))
            while not here.kafka.items:
                await asyncio.sleep(0.001)
            server.should_exit = True
            while server.servers[0].is_serving():
                await asyncio.sleep(0.005)
            assert not task.done()
            here.opened("new", creator="c")
            answer = await task
        assert answer.status == 201
        answer.release()


async def test_a_body_in_chunks_is_cut_at_the_limit(here: World) -> None:
    """On a real socket, where nobody says how long it will be."""
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 64 * 1024 * 1024:
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    async with aiohttp.ClientSession() as session, served(here.app) as (url, _, _):
        headers = {"content-type": "application/json"}
        try:
            async with session.post(f"{url}/v1/streams", data=endless(), headers=headers) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            pass  # it was cut off before it read the answer
    assert sent < 8 * 1024 * 1024


@pytest.mark.parametrize("first", [b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_does_not_end_is_not_waited_for(
    here: World, monkeypatch: pytest.MonkeyPatch, first: bytes
) -> None:
    """A connection that says nothing, or never comes to an end, loses its place."""
    monkeypatch.setattr("edge.api.patience.HEAD_SECONDS", 0.05)
    async with served(here.app) as (_, port, server):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        assert await asyncio.wait_for(reader.read(), LIMIT_SECONDS) == b""
        writer.close()
        async with asyncio.timeout(LIMIT_SECONDS):
            while server.server_state.connections:
                await asyncio.sleep(0.005)


async def test_a_second_head_is_bounded_too(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on a connection that was answered before; and a whole request is not cut."""
    monkeypatch.setattr("edge.api.patience.HEAD_SECONDS", 0.2)
    async with served(here.app) as (_, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b'{"alive":true}' in await asyncio.wait_for(reader.readuntil(b"}"), LIMIT_SECONDS)
        writer.write(b"GET /heal")
        assert await asyncio.wait_for(reader.read(), LIMIT_SECONDS) == b""
        writer.close()


def test_the_process_ends_with_0(tmp_path: Path) -> None:
    """As a supervisor sees it: SIGTERM, and a clean end."""
    made = settings(tmp_path)
    more = {
        "LIVECOMMENTS_DATA": str(tmp_path),
        "LIVECOMMENTS_API__PORT": str(made.api.port),
        "LIVECOMMENTS_KAFKA__BOOTSTRAP": CLOSED,
        "LIVECOMMENTS_REDIS__URL": made.redis.url,
    }
    command = [sys.executable, "-m", "livecomments", "api"]
    with subprocess.Popen(command, cwd=ROOT, env=environment(**more), stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b'"listening"' in line:
                break
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(LIMIT_SECONDS) == 0
