"""One connected client: its session's actions carried out on the hub, the gateway and the socket.

Knows nothing of sockets and HTTP (`edge.connection` does), and decides nothing (`edge.protocol.session`).
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from edge.admission import Admission, admit, history
from edge.audience import Subscriber, Write, lane_of
from edge.auth import Viewer
from edge.errors import FeedAwayError, Forbidden, fault
from edge.hub import Hub
from edge.notices import Box, Mailroom
from edge.protocol import codes
from edge.protocol import commands as c
from edge.protocol.codec import Codec, MalformedError
from edge.protocol.codes import Close, Error
from edge.protocol.session import (
    Action,
    Answer,
    Count,
    Enter,
    Join,
    Look,
    Post,
    Quit,
    Rules,
    Session,
    Shut,
    Steer,
    Survey,
    Tap,
    Watch,
)
from edge.replay.booth import Booth, Desk
from edge.replay.service import Replays
from edge.ring import Held
from edge.stats import Stats
from edge.stream import Stream
from edge.taps import Taps
from edge.turnstile import Registry
from schemas.refusals import Code, Refusal

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


@dataclass(frozen=True, slots=True)
class House:
    """What all clients of an edge share. ``now``: seconds, monotonic; ``wall``: seconds since 1970."""

    hub: Hub
    mailroom: Mailroom
    door: Door
    rules: Rules
    registry: Registry
    stats: Stats
    first_events: int
    now: Callable[[], float]
    wall: Callable[[], float]
    new_id: Callable[[], str]
    taps: Taps | None = None
    replays: Replays | None = None


class Client:
    """See the module. It is the `edge.audience.Outlet` of its subscriptions.

    ``write`` sends a whole WebSocket frame to the socket ``fd``; ``shut`` closes the connection.
    """

    __slots__ = (
        "_booth", "_codec", "_entered", "_house", "_joins", "_shut", "_subscribers", "_tasks", "blocked",
        "closed", "fd", "session", "write",
    )  # fmt: skip

    def __init__(
        self, house: House, codec: Codec, fd: int, write: Write, shut: Callable[[Close], None]
    ) -> None:
        self._house = house
        self._codec = codec
        self.fd = fd
        self.write = write
        self._shut = shut
        self.session = Session(house.rules, house.new_id(), house.now())
        self._joins: dict[str, Join] = {}
        self._subscribers: dict[str, tuple[Stream | Box, Subscriber]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._booth: Booth | None = None
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
        if self._booth is not None:
            self._booth.close()
        if self._entered and self.session.viewer is not None:
            self._house.registry.leave(self.session.viewer.user_id)

    def block(self) -> None:
        """Send no live frames for now: the socket is full."""
        self.blocked = True
        for place, subscriber in self._subscribers.values():
            if isinstance(place, Stream):
                place.block(subscriber)
            else:
                self._house.mailroom.block(subscriber)

    def unblock(self) -> None:
        """Go on; each subscription is told what it missed, or that it missed something."""
        self.blocked = False
        self.go_on()
        if self._booth is not None:
            self._booth.wake()

    def go_on(self) -> None:
        """Send what subscriptions lack that are behind, until the socket is full."""
        for place, subscriber in list(self._subscribers.values()):
            while subscriber.behind is not None and not self.blocked and not self.closed:
                frame = self._next(place, subscriber)
                if frame is None:
                    break
                self.write(frame)

    def expelled(self, channel: str) -> None:
        """Forget a subscription that the stream or the mailroom ended."""
        place, subscriber = self._subscribers.pop(channel)
        self.session.channels.discard(channel)
        self._give_back(place.id if isinstance(place, Stream) else None, subscriber.user_id)

    def _next(self, place: Stream | Box, subscriber: Subscriber) -> bytes | None:
        if isinstance(place, Stream):
            return place.resume(subscriber)
        return self._house.mailroom.resume(place, subscriber)

    def _give_back(self, stream_id: str | None, user_id: str) -> None:
        if stream_id is not None:
            self._house.hub.close(stream_id)
        else:
            self._house.mailroom.close(user_id)

    def _act(self, action: Action) -> None:  # noqa: C901, PLR0912 - one line a case
        match action:
            case Answer(id_, result):
                self._answer(id_, result)
            case Shut(close):
                if close is codes.INVALID_TOKEN:
                    self._house.stats.connects_refused += 1
                self._shut(close)
            case Enter(id_):
                self._enter(id_)
            case Join(id_, channel):
                self._joins[channel] = action
                if not self._spawn(id_, self._join, action):
                    self._refuse(action, c.Failed.of(Error.TOO_MANY_REQUESTS))
            case Watch(id_):
                if not self._spawn(id_, self._replaying().watch, action):
                    self._replaying().refuse(action, c.Failed.of(Error.TOO_MANY_REQUESTS))
            case Steer(id_):
                self._answer(id_, self._replaying().steer(action))
            case Survey(id_):
                if not self._spawn(id_, self._replaying().survey, action):
                    self._answer(id_, c.Failed.of(Error.TOO_MANY_REQUESTS))
            case Quit(id_, channel):
                self._leave(channel)
                if self._booth is not None:
                    self._booth.leave(channel)
                self._answer(id_, c.Unsubscribed())
            case Post(id_):
                if not self._spawn(id_, self._post, action):
                    self._answer(id_, c.Failed.of(Error.TOO_MANY_REQUESTS))
            case Tap():
                self._answer(action.id, self._tap(action))
            case Look(id_):
                if not self._spawn(id_, self._look, action):
                    self._answer(id_, c.Failed.of(Error.TOO_MANY_REQUESTS))
            case Count(id_, stream_id):
                self._answer(id_, self._counted(stream_id))

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

    def _counted(self, stream_id: str) -> c.Result:
        """Count the stream's viewers: all of them where that is known, else this edge's."""
        stream = self._house.hub.find(stream_id)
        if stream is None:
            return c.Counted(0, 0)
        audience = stream.audience
        return c.Counted(max(audience.count, stream.viewers), max(audience.users, stream.users))

    def _spawn(self, id_: int, work: Callable[[T], Coroutine[Any, Any, None]], action: T) -> bool:
        """Begin a task; False: too many are under way."""
        if len(self._tasks) >= TASKS_MAX:
            return False
        task = asyncio.get_running_loop().create_task(self._guarded(id_, work, action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def _guarded(self, id_: int, work: Callable[[T], Coroutine[Any, Any, None]], action: T) -> None:
        try:
            await work(action)
        except Exception as error:  # noqa: BLE001 - one client's command, not the edge's end
            log.error("command failed", client=self.session.client, **fault(error))  # noqa: TRY400
            self._answer(id_, c.Failed.of(Error.INTERNAL))

    async def _join(self, join: Join) -> None:
        house, viewer = self._house, self.session.viewer
        if viewer is None:
            return
        place: Stream | Box
        try:
            if join.stream_id is not None:
                place = await house.hub.open(join.stream_id, join.since)
            else:
                place = await house.mailroom.open(viewer.user_id, join.since)
        except FeedAwayError as error:
            self._refuse(join, c.Failed.of(Error.INTERNAL, str(error)))
            return
        # From here to the write nothing is awaited: the reply comes before any live frame.
        try:
            admission = self._admit(join, place, viewer)
        except BaseException:
            self._give_back(join.stream_id, viewer.user_id)
            raise
        if isinstance(admission, c.Failed):
            self._give_back(join.stream_id, viewer.user_id)
            self._refuse(join, admission)
            return
        reply = self._codec.reply(join.id, admission.result)
        self.write(self._codec.frame(reply, *admission.pushes))
        self.go_on()

    def _admit(self, join: Join, place: Stream | Box, viewer: Viewer) -> Admission | c.Failed:
        house, since = self._house, join.since
        if self._joins.get(join.channel) is not join:
            return c.Failed.of(Error.NOT_AVAILABLE, "unsubscribed meanwhile")
        if isinstance(place, Stream):
            if join.strict and since is not None and not isinstance(place.judge(since), Held):
                return c.Failed.of(Error.UNRECOVERABLE)
            subscriber = Subscriber(self, self._codec, viewer.user_id, lane_of(place.id, viewer.user_id))
            admission = admit(place, subscriber, since, house.first_events)
        else:
            subscriber = Subscriber(self, self._codec, viewer.user_id, 0)
            admission = house.mailroom.admit(place, subscriber, since)
        del self._joins[join.channel]
        self._subscribers[join.channel] = (place, subscriber)
        return admission

    def _refuse(self, join: Join, failed: c.Failed) -> None:
        if self._joins.get(join.channel) is join:
            del self._joins[join.channel]
            self.session.channels.discard(join.channel)
        self._answer(join.id, failed)

    def _leave(self, channel: str) -> None:
        self._joins.pop(channel, None)
        found = self._subscribers.pop(channel, None)
        if found is None:
            return
        place, subscriber = found
        if isinstance(place, Stream):
            self._house.hub.leave(place, subscriber)
        else:
            self._house.mailroom.leave(place, subscriber)

    def _replaying(self) -> Booth:
        """Return this connection's replays; few connections have any."""
        if self._booth is None:
            desk = Desk(self, self._codec, self._answer, self.session.channels.discard)
            self._booth = Booth(self._house.replays, desk)
        return self._booth

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

    def _tap(self, tap: Tap) -> c.Result:
        """Count a tap; whoever may comment may tap."""
        house, viewer = self._house, self.session.viewer
        if viewer is None or house.taps is None:
            return c.Failed.of(Error.NOT_AVAILABLE)
        refusal: Refusal | None = None
        if not viewer.may_write(tap.stream_id):
            refusal = Refusal(Code.READ_ONLY)
        elif not house.taps.allows(tap.emoji):
            refusal = Refusal(Code.INVALID, "no such reaction")
        elif not house.taps.tap(tap.stream_id, tap.emoji, viewer.user_id, house.now()):
            refusal = Refusal(Code.RATE_LIMITED, wait_seconds=1.0)
        if refusal is not None:
            house.stats.taps_refused += 1
            return c.Failed.refused(refusal)
        house.stats.taps += 1
        return c.Published()

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
        found = history(stream, subscriber, look.since, limit)
        if found is None:
            return c.Failed.of(Error.UNRECOVERABLE)
        return c.Remembered(stream.position, found[::-1] if look.reverse else found)
