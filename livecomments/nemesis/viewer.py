"""One viewer over a real socket: carries out what `Session` says, and writes down what it saw.

``Pace`` says how it behaves: how often it goes away and for how long, and whether it reads slowly or not at
all. The application's rule is kept here too: what overlaps is trimmed, and after a gap the rest is asked for.
"""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from livecomments.nemesis.book import Book
from livecomments.nemesis.session import (
    Action,
    Answered,
    Drop,
    End,
    Later,
    Listening,
    Noticed,
    Published,
    Send,
    Session,
    Subscribed,
)
from livecomments.verify import facts as f

OPEN_SECONDS = 5.0
TICK_SECONDS = 0.5
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
SLOW_SOCKET_BYTES = 4_096
SLOW_QUEUE_MESSAGES = 2
NORMAL_CLOSE = 1000
ABNORMAL_CLOSE = 1006


@dataclass(frozen=True, slots=True)
class Pace:
    """How a viewer behaves; times in seconds.

    ``stay``: how long it is connected before it goes away, on average (None: it stays). ``away``: for how
    long at most. ``rest``: how long it waits before it reads each message (0: it reads at once; None: it
    never reads after it has subscribed).
    """

    stay: float | None = None
    away: float = 8.0
    rest: float | None = 0.0

    @property
    def slow(self) -> bool:
        """Whether it may be skipped, and cut."""
        return self.rest != 0.0


class Viewer:
    """See the module. ``url``: returns where to connect next. ``on_event`` hears of each event applied."""

    def __init__(
        self,
        name: str,
        user: str,
        stream: str,
        token: str,
        *,
        url: Callable[[], tuple[str, str]],
        book: Book,
        pace: Pace,
        rng: random.Random,
        on_event: Callable[[f.Content], None] | None = None,
    ) -> None:
        self.name = name
        self.user = user
        self.stream = stream
        self.pace = pace
        self.seq = -1
        """Everything up to here was shown or announced; -1: nothing yet."""
        self.epoch = ""
        self.ended: str | None = None
        """Why it will not come back by itself."""
        self.staying = False
        """Whether it does not go away any more."""
        self.notices: set[str] = set()
        """Comments of this user that it was told are refused."""
        self.listens_since: int | None = None
        """Offset of the first notice that is due to it; None: it never listened."""
        self._url = url
        self._book = book
        self._rng = rng
        self._session = Session(token, f"stream:{stream}", f"user:{user}")
        self._socket: ClientConnection | None = None
        self._edge = ""
        self._leaves_at = float("inf")
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._listeners: list[Callable[[f.Content], object]] = [] if on_event is None else [on_event]
        self._asking = False
        self._fresh = False

    @property
    def online(self) -> bool:
        """Whether it is subscribed now."""
        return self._session.subscribed and self._socket is not None

    async def run(self) -> None:
        """Watch until cancelled, or until the server says never to come back."""
        while self.ended is None:
            edge, url = self._url()
            code = ABNORMAL_CLOSE
            try:
                code = await self._connection(edge, url)
            except (OSError, TimeoutError, InvalidHandshake, InvalidMessage, ConnectionClosed):
                pass
            finally:
                self._socket = None
                self._fail_answers()
            for action in self._session.closed(code):
                if isinstance(action, End):
                    self.ended = action.why
            await asyncio.sleep(self._pause(code))

    async def publish(self, id_: str, text: str) -> int:
        """Publish on its stream; returns 0, or the error's code (UNKNOWN_CODE: no answer)."""
        asked = self._session.publish(self._book.now(), {"id": id_, "text": text})
        if asked is None or self._socket is None:
            raise ConnectionError("not connected")
        number, send = asked
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(send.text)
        return await answer

    @contextlib.contextmanager
    def heard_by(self, listener: Callable[[f.Content], object]) -> Iterator[None]:
        """Tell somebody else too of each event applied."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def settle(self) -> None:
        """Go away no more, and read everything from now on."""
        self.staying = True
        if self.pace.rest is None and self._socket is not None:
            self._socket.transport.abort()

    # How it is done.

    async def _connection(self, edge: str, url: str) -> int:
        options: dict[str, Any] = {}
        if self.pace.slow:
            options = {"sock": _small_socket(url), "max_queue": SLOW_QUEUE_MESSAGES}
        async with asyncio.timeout(OPEN_SECONDS):
            opened = await connect(
                url,
                proxy=None,
                compression=None,
                ping_interval=None,
                max_size=MESSAGE_BYTES_MAX,
                close_timeout=0.5,
                **options,
            )
        self._socket, self._edge = opened, edge
        stay = self.pace.stay
        self._leaves_at = self._book.now() + self._rng.expovariate(1 / stay) if stay else float("inf")
        ticker = asyncio.create_task(self._tick(opened))
        try:
            await self._act(opened, self._session.opened(self._book.now()))
            await self._read(opened)
        except ConnectionClosed:
            pass
        finally:
            ticker.cancel()
            opened.transport.abort()
        code: int | None = opened.close_code
        return ABNORMAL_CLOSE if code is None else code

    async def _read(self, opened: ClientConnection) -> None:
        while True:
            text = await opened.recv()
            await self._act(opened, self._session.received(text, self._book.now()))
            if not self._session.subscribed or self.staying:
                continue
            if self.pace.rest is None:
                await opened.wait_closed()  # reads no more; the edge is to cut it off
            elif self.pace.rest:
                await asyncio.sleep(self.pace.rest)

    async def _tick(self, opened: ClientConnection) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = self._book.now()
            if now > self._leaves_at and not self.staying:
                opened.transport.abort()  # as a network that is gone, without a word
                return
            await self._act(opened, self._session.tick(now))

    async def _act(self, opened: ClientConnection, actions: Iterable[Action]) -> None:  # noqa: C901, PLR0912 - a line each
        for action in actions:
            match action:
                case Send(text):
                    await opened.send(text)
                case Subscribed():
                    self._subscribed(action)
                case Published(how, data):
                    self._published(how, data)
                    if self._asking:
                        self._asking = False
                        self._session.position = f.Place(self.epoch, self.seq)
                        await self._act(opened, self._session.leave(self._book.now()))
                case Answered(number, code):
                    if (waiting := self._answers.pop(number, None)) is not None and not waiting.done():
                        waiting.set_result(code)
                case Listening(asked, got, recovered):
                    if self.listens_since is None or not recovered:
                        self.listens_since = max(got.seq, self.listens_since or 0)
                    self._book.write(f.Listen(self._book.now(), self.name, self.user, got, asked, recovered))
                case Noticed(data):
                    self._noticed(data)
                case Later(own):
                    delay = self._rng.uniform(0.1, self._session.backoff_seconds_max)
                    asyncio.get_running_loop().call_later(delay, self._subscribe_again, opened, own)
                case Drop():
                    opened.transport.abort()
                case End(why):
                    self.ended = why
                    opened.transport.abort()

    def _noticed(self, data: dict[str, Any]) -> None:
        # Else: word of what is no longer kept, or an own comment that sampling left out.
        if data.get("type") == "refused":
            now = self._book.now()
            self.notices.add(data["id"])
            told = (data["stream"], data["id"], data["code"])
            self._book.write(f.Told(now, self.name, self.user, *told))

    def _subscribe_again(self, opened: ClientConnection, own: bool) -> None:
        if self._socket is opened:
            again = self._session.listen if own else self._session.subscribe
            for action in again(self._book.now()):
                if isinstance(action, Send):
                    task = asyncio.ensure_future(opened.send(action.text))
                    task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _subscribed(self, said: Subscribed) -> None:
        self._fresh = said.asked is None
        if said.got.epoch != self.epoch:
            self.epoch, self.seq = said.got.epoch, said.got.seq if said.asked is None else 0
        self._book.write(
            f.Subscribe(
                self._book.now(),
                self.name,
                self.user,
                self.stream,
                self._edge,
                said.got,
                said.asked,
                said.recovered,
                self.pace.slow,
            )
        )

    def _published(self, how: str, data: dict[str, Any]) -> None:
        fact = publication(self._book.now(), self.name, self.stream, how, data)
        self._book.write(fact)
        if self._fresh and fact.from_seq < self.seq == fact.to_seq:
            self.seq = fact.from_seq  # the last comments before the first position
        self._fresh = False
        covered = fact.hole is not None and fact.hole.to_seq >= fact.from_seq
        self._asking = fact.from_seq > self.seq >= 0 and not covered
        for event in fact.events:
            if event.seq > self.seq:
                for listener in list(self._listeners):
                    listener(event)
        if not self._asking:
            self.seq = max(self.seq, fact.to_seq)

    def _fail_answers(self) -> None:
        for waiting in self._answers.values():
            if not waiting.done():
                waiting.set_exception(ConnectionError("the connection ended"))
        self._answers.clear()

    def _pause(self, code: int) -> float:
        """Return how long until the next connection: the viewer's own absence, or the SDK's back-off."""
        if self._book.now() > self._leaves_at and code in {ABNORMAL_CLOSE, NORMAL_CLOSE} and not self.staying:
            return self._rng.uniform(0.1, self.pace.away)
        return self._rng.uniform(0.1, self._session.backoff_seconds_max)


def publication(t: float, viewer: str, stream: str, how: str, data: dict[str, Any]) -> f.Receive:
    """Write down a publication's document."""
    hole = data.get("hole")
    return f.Receive(
        t,
        viewer,
        stream,
        how,
        data["from"],
        data["to"],
        tuple(map(content, data["events"])),
        data["omitted"],
        bool(data.get("sampled")),
        bool(data.get("stale")),
        f.Hole(hole["from"], hole["to"], hole["reason"]) if hole else None,
    )


def content(event: dict[str, Any]) -> f.Content:
    """Write down an event as viewers and API clients get it."""
    seconds = event.get("seconds")
    by = event.get("user") or event.get("by") or {}
    return f.Content(
        event["seq"],
        event["type"],
        event.get("id", ""),
        by.get("id", ""),
        f.text_hash(event.get("text", "")),
        event.get("target", ""),
        seconds=-1 if seconds is None else seconds,
    )


def _small_socket(url: str) -> socket.socket:
    """Connect a socket that takes little, so that the edge's outbox is what fills."""
    at = urlsplit(url)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SLOW_SOCKET_BYTES)
    try:
        made.connect((at.hostname or "127.0.0.1", at.port or 80))
    except OSError:
        made.close()
        raise
    made.setblocking(False)
    return made
