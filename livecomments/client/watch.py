"""A viewer of one stream, as ``tail`` has it: a connection of its own around :mod:`follow`."""

import asyncio
from collections.abc import Awaitable, Callable

from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
)

from livecomments.client.follow import NEWEST, Archive, Beginning, Follower, disconnect
from livecomments.client.items import Item, State
from livecomments.exits import Exit, Failure

FIRST_SECONDS = 10.0
"""For the first connection; a later one is waited for without an end."""
RECONNECT_MAX_SECONDS = 5.0


class Watcher:
    """See the module. ``take`` is called with every item, in order; what it raises ends :meth:`run`."""

    def __init__(
        self,
        url: str,
        stream: str,
        take: Callable[[Item], None],
        archive: Archive,
        *,
        get_token: Callable[[], Awaitable[str]] | None = None,
        protobuf: bool = False,
    ) -> None:
        self._url = url
        self._take = take
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client = Client(
            url,
            events=_Connection(self),
            name="livecomments-tail",
            get_token=get_token,
            use_protobuf=protobuf,
            max_reconnect_delay=RECONNECT_MAX_SECONDS,
            proxy=None,
        )
        self._follower = Follower(self._client, stream, self.tell, self.fail, archive)

    async def run(self, beginning: Beginning = NEWEST) -> None:
        """Watch until :meth:`stop`.

        Raises:
            Failure: nobody answers at first, or the edge ended it for good.

        """
        connecting = asyncio.ensure_future(self._begin(beginning))
        try:
            await asyncio.wait({connecting, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                await connecting
            await self._ended
        finally:
            connecting.cancel()
            self._follower.stop()
            await disconnect(self._client)

    def stop(self) -> None:
        """Make :meth:`run` return."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def _begin(self, beginning: Beginning) -> None:
        await self._client.connect()
        try:
            await self._client.ready(FIRST_SECONDS)
        except CentrifugeError as error:
            raise Failure(
                Exit.NOT_RUNNING, f"the edge at {self._url} does not answer: is the stack up?"
            ) from error
        await self._follower.begin(beginning)

    def tell(self, item: Item) -> None:
        """Hand an item out."""
        if self._ended.done():
            return
        try:
            self._take(item)
        except BaseException as error:  # noqa: BLE001 - the SDK would swallow it: `run` raises it
            if not self._ended.done():
                self._ended.set_exception(error)

    def fail(self, code: int, reason: str) -> None:
        """End: the server said so, for good."""
        if not self._ended.done():
            words = f"the edge ended it: {reason or 'no reason given'} (code {code})"
            self._ended.set_exception(Failure(Exit.REFUSED, words))


class _Connection(ClientEventHandler):  # type: ignore[misc]
    """The client's events, for a watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        if ctx.code:
            self._watcher.tell(State("connecting", ctx.reason))

    async def on_connected(self, ctx: ConnectedContext) -> None:
        pass

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        if ctx.code:
            self._watcher.fail(ctx.code, ctx.reason)
