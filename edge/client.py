"""One connected client: its session's actions carried out on the hub, the gateway and the socket.

Knows nothing of sockets and HTTP (`edge.connection` does), and decides nothing (`edge.protocol.session`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from edge.audience import Subscriber, Write, lane_of
from edge.auth import Viewer
from edge.errors import FeedAwayError, Forbidden
from edge.hub import Hub
from edge.protocol import codes
from edge.protocol import commands as c
from edge.protocol.codec import Codec, MalformedError
from edge.protocol.codes import Close, Error
from edge.protocol.session import Action, Answer, Count, Enter, Join, Look, Post, Quit, Rules, Session, Shut
from edge.stats import Stats
from edge.stream import Admission, Stream
from schemas.refusals import Refusal

TASKS_MAX = 32
"""Of one client under way at once: subscribes and publishes that wait for something."""
HISTORY_EVENTS_MAX = 500

log = structlog.get_logger()
T = TypeVar("T")


class Door(Protocol):
    """The way into the log (`edge.gateway.Gateway`)."""

    async def comment(
        self,
        viewer: Viewer,
        stream_id: str,
        *,
        id: str | None,  # noqa: A002 - as the gateway has it
        text: str,
        sticker: str | None = None,
    ) -> object:
        """Submit a comment; returns when durable."""


class Registry:
    """How often each user is connected. Of this edge."""

    def __init__(self, per_user_max: int) -> None:
        self._per_user_max = per_user_max
        self._counts: dict[str, int] = {}

    def enter(self, user_id: str) -> bool:
        """Count one more; False: that would be too many."""
        count = self._counts.get(user_id, 0)
        if count >= self._per_user_max:
            return False
        self._counts[user_id] = count + 1
        return True

    def leave(self, user_id: str) -> None:
        """Count one less."""
        count = self._counts.get(user_id, 0) - 1
        if count > 0:
            self._counts[user_id] = count
        else:
            self._counts.pop(user_id, None)

    @property
    def users(self) -> int:
        """How many different users are connected."""
        return len(self._counts)


@dataclass(frozen=True, slots=True)
class House:
    """What all clients of an edge share. ``now``: seconds, monotonic; ``wall``: seconds since 1970."""

    hub: Hub
    door: Door
    rules: Rules
    registry: Registry
    stats: Stats
    outbox_bytes_max: int
    now: Callable[[], float]
    wall: Callable[[], float]
    new_id: Callable[[], str]


class Client:
    """See the module. It is the `edge.audience.Outlet` of its subscriptions.

    ``write`` sends a whole WebSocket frame; ``shut`` closes the connection.
    """

    __slots__ = (
        "_codec", "_entered", "_house", "_joins", "_shut", "_subscribers", "_tasks", "blocked", "closed",
        "session", "write",
    )  # fmt: skip

    def __init__(self, house: House, codec: Codec, write: Write, shut: Callable[[Close], None]) -> None:
        self._house = house
        self._codec = codec
        self.write = write
        self._shut = shut
        self.session = Session(house.rules, house.new_id(), house.now())
        self._joins: dict[str, Join] = {}
        self._subscribers: dict[str, tuple[Stream, Subscriber]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._entered = False
        self.blocked = False
        self.closed = False

    @property
    def ping(self) -> bytes:
        """The server's ping, as a frame."""
        return self._codec.ping

    def expires_in(self) -> float | None:
        """Return the seconds until the client's token no longer counts; None: never."""
        return self.session.expires_in(self._house.wall())

    def receive(self, message: bytes) -> None:
        """Take one WebSocket message."""
        try:
            commands = self._codec.commands(message)
        except MalformedError as error:
            log.info("malformed message", client=self.session.client, error=str(error))
            self._shut(codes.BAD_REQUEST)
            return
        house = self._house
        for command in commands:
            house.stats.commands += 1
            for action in self.session.handle(command, house.now(), house.wall()):
                self._act(action)
                if self.closed:
                    return

    def close(self) -> None:
        """Leave everything; nothing is sent any more."""
        if self.closed:
            return
        self.closed = True
        for task in list(self._tasks):
            task.cancel()
        for channel in list(self._subscribers):
            self._leave(channel)
        if self._entered and self.session.viewer is not None:
            self._house.registry.leave(self.session.viewer.user_id)

    def block(self) -> None:
        """Send no live frames for now: the socket is full."""
        self.blocked = True
        for stream, subscriber in self._subscribers.values():
            if subscriber.behind is None:
                stream.audience.block(subscriber, stream.sent)

    def unblock(self) -> None:
        """Go on; each subscription is told what it missed, or that it missed something."""
        self.blocked = False
        for stream, subscriber in list(self._subscribers.values()):
            if self.blocked:
                return
            frame = stream.resume(subscriber, self._house.outbox_bytes_max // 2)
            if frame is not None:
                self.write(frame)

    def expelled(self, channel: str) -> None:
        """Forget a subscription that the stream ended."""
        stream, _ = self._subscribers.pop(channel)
        self.session.channels.discard(channel)
        self._house.hub.close(stream.id)

    def _act(self, action: Action) -> None:  # noqa: C901 - one line a case
        match action:
            case Answer(id_, result):
                self._answer(id_, result)
            case Shut(close):
                if close is codes.INVALID_TOKEN:
                    self._house.stats.connects_refused += 1
                self._shut(close)
            case Enter(id_):
                self._enter(id_)
            case Join(stream_id=None):
                self._join_own(action)
            case Join(id_, channel):
                self._joins[channel] = action
                self._spawn(id_, self._join, action)
            case Quit(id_, channel):
                self._leave(channel)
                self._answer(id_, c.Unsubscribed())
            case Post(id_):
                self._spawn(id_, self._post, action)
            case Look(id_):
                self._spawn(id_, self._look, action)
            case Count(id_, stream_id):
                stream = self._house.hub.find(stream_id)
                audience = stream.audience if stream is not None else None
                counted = c.Counted(audience.count, audience.users) if audience else c.Counted(0, 0)
                self._answer(id_, counted)

    def _answer(self, id_: int, result: c.Result) -> None:
        if not self.closed:
            self.write(self._codec.frame(self._codec.reply(id_, result)))

    def _enter(self, id_: int) -> None:
        house, viewer = self._house, self.session.viewer
        if viewer is None or not house.registry.enter(viewer.user_id):
            house.stats.connects_refused += 1
            self._shut(codes.CONNECTION_LIMIT)
            return
        self._entered = True
        house.stats.connects += 1
        self._answer(id_, self.session.connected(house.wall()))

    def _spawn(self, id_: int, work: Callable[[T], Coroutine[Any, Any, None]], action: T) -> None:
        if len(self._tasks) >= TASKS_MAX:
            self._answer(id_, c.Failed.of(Error.TOO_MANY_REQUESTS))
            return
        task = asyncio.get_running_loop().create_task(self._guarded(id_, work, action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, id_: int, work: Callable[[T], Coroutine[Any, Any, None]], action: T) -> None:
        try:
            await work(action)
        except Exception:
            log.exception("command failed", client=self.session.client)
            self._answer(id_, c.Failed.of(Error.INTERNAL))

    def _join_own(self, join: Join) -> None:
        """Subscribe to one's own notices; they have no past yet."""
        position = join.since or c.Position("", 0)
        self._answer(join.id, c.Subscribed(position, recovering=join.since is not None, recovered=True))

    async def _join(self, join: Join) -> None:
        try:
            stream = await self._house.hub.open(str(join.stream_id), join.since)
        except FeedAwayError as error:
            self._refuse(join, c.Failed.of(Error.INTERNAL, str(error)))
            return
        # From here to the write nothing is awaited: the reply comes before any live frame.
        try:
            admission = self._admit(join, stream)
        except BaseException:
            self._house.hub.close(stream.id)
            raise
        if isinstance(admission, c.Failed):
            self._house.hub.close(stream.id)
            self._refuse(join, admission)
            return
        reply = self._codec.reply(join.id, admission.result)
        self.write(self._codec.frame(reply, *admission.pushes))

    def _admit(self, join: Join, stream: Stream) -> Admission | c.Failed:
        viewer, since = self.session.viewer, join.since
        if viewer is None or self._joins.get(join.channel) is not join:
            return c.Failed.of(Error.NOT_AVAILABLE, "unsubscribed meanwhile")
        if join.strict and since is not None and not stream.holds(since):
            return c.Failed.of(Error.UNRECOVERABLE)
        subscriber = Subscriber(self, self._codec, viewer.user_id, lane_of(stream.id, viewer.user_id))
        admission = stream.admit(subscriber, since)
        del self._joins[join.channel]
        self._subscribers[join.channel] = (stream, subscriber)
        return admission

    def _refuse(self, join: Join, failed: c.Failed) -> None:
        if self._joins.get(join.channel) is join:
            del self._joins[join.channel]
            self.session.channels.discard(join.channel)
        self._answer(join.id, failed)

    def _leave(self, channel: str) -> None:
        self._joins.pop(channel, None)
        found = self._subscribers.pop(channel, None)
        if found is not None:
            self._house.hub.leave(*found)

    async def _post(self, post: Post) -> None:
        house, viewer = self._house, self.session.viewer
        if viewer is None:
            return
        result: c.Result = c.Published()
        try:
            await house.door.comment(
                viewer, post.stream_id, id=post.comment_id, text=post.text, sticker=post.sticker
            )
            house.stats.publishes += 1
        except Refusal as refusal:
            house.stats.publishes_refused += 1
            result = c.Failed.refused(refusal)
        except Forbidden:
            house.stats.publishes_refused += 1
            result = c.Failed.of(Error.PERMISSION_DENIED)
        self._answer(post.id, result)

    async def _look(self, look: Look) -> None:
        hub, viewer = self._house.hub, self.session.viewer
        if viewer is None:
            return
        try:
            stream = await hub.open(look.stream_id, look.since)
        except FeedAwayError as error:
            self._answer(look.id, c.Failed.of(Error.INTERNAL, str(error)))
            return
        try:
            self._answer(look.id, self._history(look, stream, viewer))
        finally:
            hub.close(look.stream_id)

    def _history(self, look: Look, stream: Stream, viewer: Viewer) -> c.Result:
        if stream.stale:
            return c.Failed.of(Error.INTERNAL, "the feed is behind")
        lane = lane_of(look.stream_id, viewer.user_id)
        limit = min(look.limit, HISTORY_EVENTS_MAX) if look.limit >= 0 else HISTORY_EVENTS_MAX
        subscriber = Subscriber(self, self._codec, viewer.user_id, lane)
        found = stream.history(subscriber, look.since, limit)
        if found is None:
            return c.Failed.of(Error.UNRECOVERABLE)
        return c.Remembered(stream.position, found[::-1] if look.reverse else found)
