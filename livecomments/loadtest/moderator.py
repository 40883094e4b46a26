"""A moderator at work while viewers watch: how soon a delete is on every screen, and a ban at the gateways.

A delete or clear carries the time at which it was asked for as its reason, which viewers are told with it;
the crowd measures when it arrives (`wire.mark`). A ban is held against a user of its own, who goes on
publishing over a WebSocket until the edge refuses: from the ban's acknowledgement to that refusal.
"""

import asyncio
import contextlib
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from edge.tasks import end
from livecomments.bench.watching import Watcher, watching
from livecomments.client.api import Api, ApiError, path_of
from livecomments.client.where import Minter, api_url, edge_url
from livecomments.loadtest import wire
from livecomments.loadtest.tally import Tally
from schemas.refusals import Code
from schemas.settings import Settings

BAN_EVERY_SECONDS = 2.0
TRY_SECONDS = 0.02
"""Between two comments of somebody who was banned."""
BAN_SECONDS_MAX = 5.0
"""For the edge to refuse; later counts as ``bans_not_seen``."""
WHO = "loadtest-moderator"


class Moderator:
    """Acts on one stream. ``tally`` has how its commands were answered and when bans were seen."""

    def __init__(self, settings: Settings, stream: str, authors: int) -> None:
        self.tally = Tally()
        self._settings = settings
        self._stream = stream
        self._authors = authors
        self._minter = Minter(settings)
        self._token = self._minter.mint(WHO, stream, "platform")
        self._taken: set[str] = set()

    async def act(self, api: Api, watcher: Watcher, per_second: float) -> None:
        """Delete the newest comment or clear its author, in turn, until cancelled."""
        begun = time.monotonic()
        for number in itertools.count():
            await asyncio.sleep(max(0.0, begun + number / per_second - time.monotonic()))
            if number % 2:
                user = f"author-{number // 2 % self._authors}"
                reason = wire.mark(int(time.monotonic() * 1e6), "x")
                body = {"user": user, "reason": reason}
                await self._give(api, "POST", path_of("streams", self._stream, "clear"), body)
            elif newest := next((id_ for id_ in reversed(watcher.arrived) if id_ not in self._taken), None):
                self._taken.add(newest)
                reason = wire.mark(int(time.monotonic() * 1e6), "d")
                path = path_of("streams", self._stream, "comments", newest)
                await self._give(api, "DELETE", f"{path}?reason={reason}", None)

    async def ban(self, api: Api) -> None:
        """Ban one user after the other, each while they publish, until cancelled."""
        for number in itertools.count():
            await asyncio.sleep(BAN_EVERY_SECONDS)
            user = f"banned-{uuid.uuid4().hex[:8]}-{number}"
            token = self._minter.mint(user, self._stream, "viewer")
            async with connect(edge_url(self._settings), compression=None, proxy=None) as socket:
                await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
                await socket.recv()
                path = path_of("streams", self._stream, "bans", user)
                if not await self._give(api, "PUT", path, {"kind": "ban", "seconds": 60}):
                    continue
                acknowledged = time.monotonic()
                if await self._refused(socket, acknowledged):
                    self.tally.time("ban_seen", (time.monotonic() - acknowledged) * 1000)
                else:
                    self.tally.count("bans_not_seen")

    async def _refused(self, socket: ClientConnection, since: float) -> bool:
        """Publish until the edge says «banned»; False: it did not in time."""
        channel = f"stream:{self._stream}"
        for number in itertools.count(2):
            if time.monotonic() > since + BAN_SECONDS_MAX:
                break
            data = {"id": str(uuid.uuid4()), "text": "am I still here?"}
            await socket.send(json.dumps({"id": number, "publish": {"channel": channel, "data": data}}))
            reply = await _reply(socket, number)
            if reply.get("error", {}).get("code") == Code.BANNED:
                return True
            await asyncio.sleep(TRY_SECONDS)
        return False

    async def _give(self, api: Api, method: str, path: str, body: Mapping[str, Any] | None) -> bool:
        began = time.monotonic()
        try:
            await api.ask(method, path, self._token, body, key=str(uuid.uuid4()))
        except ApiError as error:
            self.tally.count(f"failed_{type(error).__name__.lower()}")
            return False
        self.tally.time("acknowledged", (time.monotonic() - began) * 1000)
        return True


@asynccontextmanager
async def moderating(
    settings: Settings, stream: str, authors: int, per_second: float
) -> AsyncIterator[Moderator]:
    """Moderate while the block runs; what went wrong with it is raised at its end."""
    moderator = Moderator(settings, stream, authors)
    async with watching(settings.edge.port, [stream]) as watcher, Api(api_url(settings)) as api:
        create = asyncio.get_running_loop().create_task
        tasks = [create(moderator.act(api, watcher, per_second)), create(moderator.ban(api))]
        try:
            yield moderator
            for task in tasks:
                if task.done():
                    task.result()
        finally:
            await end(tasks)


async def _reply(socket: ClientConnection, number: int) -> dict[str, Any]:
    """Return the reply to a command; pings are answered meanwhile."""
    async with asyncio.timeout(BAN_SECONDS_MAX):
        while True:
            for line in str(await socket.recv()).split("\n"):
                if line == "{}":
                    await socket.send("{}")
                    continue
                with contextlib.suppress(ValueError):
                    reply = json.loads(line)
                    if reply.get("id") == number:
                        return dict(reply)
