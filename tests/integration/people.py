"""Authors and viewers as the outside world has them: HTTP, and the official SDKs."""

import asyncio
import gzip
import json
import os
import signal
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from centrifuge import (
    Client,
    ClientEventHandler,
    PublicationContext,
    SubscribedContext,
    SubscriptionEventHandler,
)

from edge.auth import Authenticator
from livecomments.web import find_node
from schemas.settings import Auth
from tests.real import ROOT, RealStack
from tests.sdk import leave

LOGS = ROOT.parent / "shared" / "data" / "logs"
NODE_SDK = ROOT / "web" / "node_modules" / "centrifuge"
VIEWER_JS = Path(__file__).parent / "viewer.mjs"


def token(stream: str, user: str = "root", role: str = "platform") -> str:
    return Authenticator(Auth()).mint(user, stream, role, 3600)


@dataclass(frozen=True)
class Line:
    """One message to be said."""

    user: str
    text: str
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


def real_log(count: int) -> list[Line]:
    """Return the first messages of a real chat log; skips the test where there is none."""
    files = sorted(LOGS.glob("yt-election*.jsonl.gz"))
    if not files:
        pytest.skip("needs a real chat log in ../shared/data/logs, and there is none")
    with gzip.open(files[0], "rt", encoding="utf-8") as rows:
        found = [json.loads(row) for _, row in zip(range(count * 2), rows, strict=False)]
    return [Line(row["user"], row["text"][:500]) for row in found if row["text"].strip()][:count]


def made_up(count: int) -> list[Line]:
    return [Line(f"user-{n % 97}", f"comment number {n} says hello 👋") for n in range(count)]


class Authors:
    """Say lines through the API; an outcome that is not known is tried again with the same id."""

    def __init__(self, stack: RealStack, stream: str, session: aiohttp.ClientSession) -> None:
        self._url = f"http://{stack.api}/v1/streams"
        self._stream = stream
        self._session = session
        self._tokens: dict[str, str] = {}
        self.accepted: list[str] = []
        self.refused: dict[str, str] = {}
        self.retries = 0

    async def create(self) -> None:
        """Open the stream."""
        body = {"id": self._stream, "creator": "creator"}
        headers = {"Authorization": f"Bearer {token(self._stream)}"}
        async with self._session.post(self._url, json=body, headers=headers) as answer:
            assert answer.status in {200, 201}, await answer.text()

    async def say(self, lines: Sequence[Line], *, at_once: int = 32, per_second: float = 0) -> None:
        """Say all lines, several at once; with ``per_second`` no faster than that."""
        waiting = iter(lines)
        begun = asyncio.get_running_loop().time()
        said = 0

        async def one() -> None:
            nonlocal said
            for line in waiting:
                said += 1
                if (
                    per_second
                    and (ahead := begun + said / per_second - asyncio.get_running_loop().time()) > 0
                ):
                    await asyncio.sleep(ahead)
                await self._say(line)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(one())

    async def _say(self, line: Line) -> None:
        bearer = self._tokens.get(line.user)
        if bearer is None:
            bearer = self._tokens[line.user] = token(self._stream, line.user, "viewer")
        url, body = f"{self._url}/{self._stream}/comments", {"text": line.text, "id": line.id}
        async with asyncio.timeout(90):
            while True:
                with suppress(aiohttp.ClientError, TimeoutError):
                    headers = {"Authorization": f"Bearer {bearer}"}
                    limit = aiohttp.ClientTimeout(total=10)
                    async with self._session.post(url, json=body, headers=headers, timeout=limit) as answer:
                        if answer.status < 300:
                            self.accepted.append(line.id)
                            return
                        if answer.status < 500 and answer.status != 429:
                            self.refused[line.id] = await answer.text()
                            return
                self.retries += 1
                await asyncio.sleep(0.1)


@dataclass
class Viewer(ClientEventHandler, SubscriptionEventHandler):
    """One app on the official Python SDK, with the rule every client follows (design §4)."""

    events: list[dict[str, Any]] = field(default_factory=list)
    holes: list[dict[str, Any]] = field(default_factory=list)
    seq: int = -1
    subscribed: int = 0
    recovered: list[bool] = field(default_factory=list)

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed += 1
        if ctx.was_recovering:
            self.recovered.append(ctx.recovered)

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = ctx.pub.data
        self.take(json.loads(data) if isinstance(data, bytes) else data)

    def take(self, data: dict[str, Any]) -> None:
        if self.seq < 0:
            self.seq = data["from"]
        if data.get("hole"):
            self.holes.append(data["hole"])
            self.seq = max(self.seq, data["hole"]["to"])
        assert data["from"] <= self.seq, f"silent gap: at {self.seq}, told from {data['from']}"
        for event in data["events"]:
            if event["seq"] > self.seq:
                self.events.append(event)
        self.seq = max(self.seq, data["to"])

    @property
    def ids(self) -> list[str]:
        return [event["id"] for event in self.events if event["type"] == "comment"]


@asynccontextmanager
async def watching(
    address: str, stream: str, viewer: Viewer, *, protobuf: bool = False
) -> AsyncIterator[Client]:
    """Connect and subscribe a viewer; on return it is subscribed."""
    client = Client(
        f"ws://{address}/connection/websocket",
        events=viewer,
        token=token(stream, f"viewer-{uuid.uuid4().hex[:6]}", "viewer"),
        use_protobuf=protobuf,
        min_reconnect_delay=0.05,
        max_reconnect_delay=0.5,
    )
    try:
        await client.connect()
        await client.new_subscription(f"stream:{stream}", viewer).subscribe()
        await until(lambda: viewer.subscribed, 30)
        yield client
    finally:
        await leave(client)


async def cut(client: Client) -> None:
    """Break the connection as a lost network would; the SDK comes back by itself."""
    connection = client._conn
    assert connection is not None
    connection.transport.abort()


@asynccontextmanager
async def watching_js(
    address: str, stream: str, *, protobuf: bool = False
) -> AsyncIterator[tuple[Viewer, "asyncio.subprocess.Process"]]:
    """Do the same on `centrifuge` from npm under node. SIGUSR2 to the process cuts its connection."""
    viewer = Viewer()
    environ = {
        **os.environ,
        "LIVECOMMENTS_TOKEN": token(stream, f"js-{uuid.uuid4().hex[:6]}", "viewer"),
        "CENTRIFUGE": str(NODE_SDK),
    }
    url, encoding = f"ws://{address}/connection/websocket", "protobuf" if protobuf else "json"
    command = [*find_node().node, "--experimental-websocket", str(VIEWER_JS), url, stream, encoding]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, limit=16 * 1024 * 1024, env=environ
    )
    assert process.stdout is not None
    stdout = process.stdout

    async def read() -> None:
        async for row in stdout:
            fact = json.loads(row)
            if fact["kind"] == "subscribed":
                viewer.subscribed += 1
                if fact["wasRecovering"]:
                    viewer.recovered.append(fact["recovered"])
            else:
                viewer.take(fact["data"])

    reading = asyncio.create_task(read())
    try:
        await until(lambda: viewer.subscribed or reading.done(), 30)
        yield viewer, process
        if reading.done():
            reading.result()
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
        reading.cancel()


async def until(condition: Any, seconds: float) -> None:
    """Wait for a condition, with a limit."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
