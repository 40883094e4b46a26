"""livecomments for Python programs: ``connect``, ``join``, ``send``, and iteration over what happens.

A thin layer over the official ``centrifuge`` client, which reconnects and resumes. What it adds is the rule
every viewer follows (:mod:`livecomments.client.position`): nothing twice, nothing missing without a
:class:`Hole`, in the stream's order. ::

    async with livecomments.connect("ws://127.0.0.1:8000", token=token) as client:
        async with client.join("demo") as stream:
            await stream.send("hello")
            async for item in stream:
                match item:
                    case livecomments.Comment(user=user, text=text):
                        print(user.name, text)
                    case livecomments.Hole(from_seq, to_seq, reason):
                        print(f"not shown: ({from_seq}, {to_seq}], {reason}")
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import uuid_utils
from centrifuge import (
    CentrifugeError,
    Client,
    ClientEventHandler,
    ConnectingContext,
    DisconnectedContext,
    ReplyError,
)

from livecomments.client.api import Api
from livecomments.client.follow import Archive, Beginning, Follower, Page, disconnect
from livecomments.client.happenings import (
    Comment,
    CommentRefused,
    Happening,
    NotConnected,
    OutcomeUnknown,
    StreamClosed,
    happening,
)
from livecomments.client.items import State
from livecomments.client.mailbox import Mailbox
from livecomments.client.notices import Notices
from livecomments.client.position import Position
from livecomments.client.tailing import Archived

PATH = "/connection/websocket"
QUEUE_ITEMS_MAX = 1_000
"""Waiting for one reader, unless told otherwise; see :mod:`livecomments.client.mailbox`."""
FIRST_SECONDS = 10.0
"""For the first connection; a later one is waited for without an end."""
RECONNECT_MIN_SECONDS = 0.2
RECONNECT_MAX_SECONDS = 5.0
SEND_ATTEMPTS_MAX = 5
SEND_SECONDS = 5.0
"""Of one attempt, a lost connection's return included."""
AGAIN_SECONDS = 0.3
UNKNOWN_CODE = 1010
"""`schemas.refusals.Code.UNKNOWN`: the comment may be in the log."""

REFUSALS_FROM = 1000
"""Lower codes are Centrifuge's own (docs/protocol.md)."""

GetToken = Callable[[], Awaitable[str]]


def connect(
    url: str,
    *,
    token: str | None = None,
    get_token: GetToken | None = None,
    api: str | None = None,
    protobuf: bool = False,
    queue_items_max: int = QUEUE_ITEMS_MAX,
) -> "Connection":
    """Return a connection to an edge, to be used as an async context manager.

    ``url``: ``ws://host:port`` (the edge's path is added where there is none). ``token``: a JWT, or
    ``get_token``, which is asked for one at each need (a token ends; so does the connection then); neither:
    a guest, who reads. ``api``: the HTTP API's address: what the edge no longer has is then read from the
    archive, and without it announced as a hole. ``queue_items_max``: for each stream joined.
    """
    if token is not None and get_token is not None:
        raise ValueError("give token or get_token, not both")
    return Connection(
        url_of(url),
        _giver(token) if token is not None else get_token,
        api,
        protobuf=protobuf,
        queue_items_max=queue_items_max,
    )


class Connection:
    """One connection; it carries any number of streams."""

    def __init__(
        self, url: str, get_token: GetToken | None, api: str | None, *, protobuf: bool, queue_items_max: int
    ) -> None:
        self._url = url
        self._get_token = get_token
        self._api = Api(api.rstrip("/")) if api is not None else None
        self._protobuf = protobuf
        self._queue_items_max = queue_items_max
        self._streams: set[Stream] = set()
        self._mailboxes: set[Mailbox] = set()
        """Of streams and notices."""
        self._ended: StreamClosed | None = None
        self._open = AsyncExitStack()
        self._client: Any = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            NotConnected: nobody answers at ``url``, or the token is refused.

        """
        self._client = Client(
            self._url,
            events=_Events(self),
            name="livecomments-python",
            get_token=self._get_token,
            use_protobuf=self._protobuf,
            min_reconnect_delay=RECONNECT_MIN_SECONDS,
            max_reconnect_delay=RECONNECT_MAX_SECONDS,
            proxy=None,
        )
        async with AsyncExitStack() as opening:
            if self._api is not None:
                await opening.enter_async_context(self._api)
            opening.push_async_callback(disconnect, self._client)
            await self._client.connect()
            await self._connected(FIRST_SECONDS)
            self._open = opening.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close; streams that are still read end."""
        for mailbox in self._mailboxes:
            mailbox.end(StopAsyncIteration())
        await self._open.aclose()

    @asynccontextmanager
    async def join(
        self, stream: str, *, since: Position | None = None, from_start: bool = False
    ) -> "AsyncIterator[Stream]":
        """Join a stream: with its last comments, behind the position ``since``, or from its start.

        Raises:
            NotConnected: the connection is away, or ended for good.
            ValueError: it is joined already on this connection.

        """
        if any(each.id == stream for each in self._streams):
            raise ValueError(f"stream {stream!r} is joined already on this connection")
        await self._connected(FIRST_SECONDS)
        mailbox = Mailbox(self._queue_items_max)

        def fail(code: int, reason: str) -> None:
            mailbox.end(StreamClosed(code, reason))

        follower = Follower(self._client, stream, mailbox.put, fail, self._archive(stream))
        joined = Stream(stream, self, follower, mailbox)
        self._streams.add(joined)
        self._mailboxes.add(mailbox)
        try:
            await follower.begin(Beginning(since, from_start))
            yield joined
        finally:
            self._streams.discard(joined)
            self._mailboxes.discard(mailbox)
            mailbox.end(StopAsyncIteration())
            await follower.leave()

    @asynccontextmanager
    async def notices(self, user: str) -> AsyncIterator[Notices]:
        """Hear what becomes of a user's own comments after they were acknowledged; the token's ``sub`` alone.

        Raises:
            NotConnected: the connection is away, or ended for good.

        """
        await self._connected(FIRST_SECONDS)

        def fail(code: int, reason: str) -> None:
            made.mailbox.end(StreamClosed(code, reason))

        made = Notices(self._client, user, self._queue_items_max, fail)
        self._mailboxes.add(made.mailbox)
        try:
            await made.begin()
            yield made
        finally:
            self._mailboxes.discard(made.mailbox)
            await made.leave()

    async def send(self, stream: str, text: str = "", *, sticker: str = "", id_: str | None = None) -> str:
        """Post a comment; return its id when it is durable. Tried again with the same id where that is safe.

        Raises:
            CommentRefused: the answer was no, and says why.
            OutcomeUnknown: no answer; send it again with ``id_=error.id``: it will be there once.

        """
        comment_id = id_ or str(uuid_utils.uuid7())
        document = {"id": comment_id} | ({"sticker": sticker} if sticker else {"text": text})
        data: Any = json.dumps(document).encode() if self._protobuf else document
        for attempt in range(1, SEND_ATTEMPTS_MAX + 1):
            if self._ended is not None:
                raise NotConnected(str(self._ended))
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    await self._client.publish(f"stream:{stream}", data)
            except ReplyError as error:
                broken = error.temporary and error.code < REFUSALS_FROM  # the edge's fault, not an answer
                if error.code != UNKNOWN_CODE and not broken:
                    raise CommentRefused(error.code, error.message, wait_of(error.message)) from error
            except (CentrifugeError, TimeoutError):
                pass  # it may have arrived: the same id makes another try harmless
            else:
                return comment_id
            await asyncio.sleep(attempt * AGAIN_SECONDS)
        raise OutcomeUnknown(comment_id)

    def connecting(self, reason: str) -> None:
        """Tell every reader that the connection is lost."""
        for mailbox in self._mailboxes:
            mailbox.put(State("connecting", reason))

    def fail(self, code: int, reason: str) -> None:
        """End every stream: the edge said so, for good."""
        self._ended = StreamClosed(code, reason)
        for mailbox in self._mailboxes:
            mailbox.end(StreamClosed(code, reason))

    async def _connected(self, seconds: float) -> None:
        try:
            await self._client.ready(seconds)
        except CentrifugeError as error:
            why = str(self._ended) if self._ended else "it does not answer; is the edge up?"
            raise NotConnected(f"{self._url}: {why}") from error

    def _archive(self, stream: str) -> Archive:
        if self._api is None:
            return _NoArchive()
        return Archived(self._api, stream, self._get_token or _giver(""))


class Stream:
    """A stream that is joined. Iterate over it once: ``async for item in stream``."""

    def __init__(self, id_: str, connection: Connection, follower: Follower, mailbox: Mailbox) -> None:
        self.id = id_
        self.mailbox = mailbox
        self._connection = connection
        self._follower = follower

    @property
    def viewers(self) -> int:
        """How many watch it, as the edge last said; -1: it did not say yet."""
        return self._follower.viewers

    @property
    def sampled(self) -> bool:
        """Whether viewers get a selection now."""
        return self._follower.sampled

    async def send(self, text: str = "", *, sticker: str = "", id_: str | None = None) -> str:
        """Post a comment here; see :meth:`Connection.send`."""
        return await self._connection.send(self.id, text, sticker=sticker, id_=id_)

    def __aiter__(self) -> Self:
        """Yield what happens, in order: comments, moderation, holes, and how the connection is.

        It ends when the stream is left; :class:`StreamClosed` is raised when the edge ended it for good.
        """
        return self

    async def __anext__(self) -> Happening:
        """Return what happens next; waits for it."""
        return happening(await self.mailbox.get())

    async def comments(self) -> AsyncIterator[Comment]:
        """Yield the comments alone. What is not shown passes unseen here: iterate the stream to be told."""
        async for item in self:
            if isinstance(item, Comment):
                yield item


def url_of(given: str) -> str:
    """Return an edge's WebSocket address: ``http`` becomes ``ws``, and the path is added if there is none."""
    scheme, netloc, path, query, _ = urlsplit(given)
    if scheme not in {"ws", "wss", "http", "https"} or not netloc:
        raise ValueError(f"{given!r} is not an edge's address: write ws://host:port")
    scheme = scheme.replace("http", "ws")
    return urlunsplit((scheme, netloc, path if path.strip("/") else PATH, query, ""))


def wait_of(words: str) -> float | None:
    """Return the seconds that a refusal says to wait ("Wait 12 s.")."""
    found = re.search(r"Wait (\d+(?:\.\d+)?) s", words)
    return float(found[1]) if found else None


def _giver(token: str) -> GetToken:
    async def give() -> str:
        return token

    return give


class _NoArchive:
    """Nothing is kept: what the edge no longer has becomes a hole."""

    async def pages(self, epoch: str, from_seq: int) -> AsyncIterator[Page]:  # noqa: ARG002
        nothing: tuple[Page, ...] = ()
        for each in nothing:
            yield each


class _Events(ClientEventHandler):  # type: ignore[misc]
    """The client's events, for a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        if ctx.code:
            self._connection.connecting(ctx.reason)

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        if ctx.code:
            self._connection.fail(ctx.code, ctx.reason)
