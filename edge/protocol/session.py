"""The rules of one connection: a command comes in, actions go out. Pure; time is an argument.

Who may do what is decided here; what it takes (Kafka, the ring, a socket) is the caller's, who carries out
the actions in order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from edge.auth import TokenError, Viewer
from edge.protocol import codes
from edge.protocol import commands as c
from edge.protocol.codes import Close, Error
from schemas.items import is_stream_id
from schemas.refusals import Code, Refusal

BURST_SECONDS = 2
"""A client may save up this many seconds' worth of commands."""
REFUSED_IN_A_ROW_MAX = 100
"""Commands beyond the rate, one after the other, before the connection is closed."""
TTL_SECONDS_MAX = 2**31 - 1
STREAM_PREFIX: Final = "stream:"
USER_PREFIX: Final = "user:"
REPLAY_PREFIX: Final = "replay:"
REPLAY_METHOD: Final = "replay"
HISTOGRAM_METHOD: Final = "replay.histogram"
"""Of remote procedure calls."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Send ``result`` as the reply to command ``id``."""

    id: int
    result: c.Result


@dataclass(frozen=True, slots=True)
class Shut:
    """Close the connection."""

    close: Close


@dataclass(frozen=True, slots=True)
class Enter:
    """The viewer is known: count them, then answer command ``id`` with `Session.connected`."""

    id: int


@dataclass(frozen=True, slots=True)
class Join:
    """Subscribe to a stream's comments, or to one's own notices (``stream_id`` None)."""

    id: int
    channel: str
    stream_id: str | None
    since: c.Position | None
    strict: bool


@dataclass(frozen=True, slots=True)
class Watch:
    """Subscribe to a replay of a stream. ``data``: what is asked of it (`edge.replay.asked`)."""

    id: int
    channel: str
    stream_id: str
    since: c.Position | None
    data: object


@dataclass(frozen=True, slots=True)
class Steer:
    """Say where a replay's video is, and how it goes on."""

    id: int
    data: object


@dataclass(frozen=True, slots=True)
class Survey:
    """Count a replay's comments over its time."""

    id: int
    data: object


@dataclass(frozen=True, slots=True)
class Quit:
    """End a subscription."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Post:
    """Submit a comment."""

    id: int
    stream_id: str
    comment_id: str | None
    text: str
    sticker: str | None


@dataclass(frozen=True, slots=True)
class Tap:
    """Count a tap on an emoji."""

    id: int
    stream_id: str
    emoji: str


@dataclass(frozen=True, slots=True)
class Look:
    """Read a stream's recent past."""

    id: int
    stream_id: str
    limit: int
    since: c.Position | None
    reverse: bool


@dataclass(frozen=True, slots=True)
class Count:
    """Count a stream's viewers."""

    id: int
    stream_id: str


Action = Answer | Shut | Enter | Join | Watch | Steer | Survey | Quit | Post | Tap | Look | Count


@dataclass(frozen=True, slots=True)
class Rules:
    """What sessions share. ``verify`` raises TokenError; ``guest`` None: a token is needed."""

    verify: Callable[[str], Viewer]
    guest: Callable[[], Viewer] | None
    ping_seconds: int
    subscriptions_max: int
    commands_per_second: int
    leeway_seconds: int


class Session:
    """One connection's state. ``now``: seconds, monotonic; ``wall``: seconds since 1970."""

    __slots__ = ("_refused", "_rules", "_tokens", "_tokens_at", "channels", "client", "viewer")

    def __init__(self, rules: Rules, client: str, now: float) -> None:
        self._rules = rules
        self.client = client
        self.viewer: Viewer | None = None
        self.channels: set[str] = set()
        self._tokens = float(rules.commands_per_second * BURST_SECONDS)
        self._tokens_at = now
        self._refused = 0

    def handle(self, command: c.Command, now: float, wall: float) -> Iterator[Action]:
        """Yield what ``command`` leads to."""
        if not self.spend(now):
            yield from self._too_fast(command)
            return
        viewer = self.viewer
        if viewer is None:
            yield from self._before(command)
            return
        match command:
            case c.Pong() | c.Unknown(0, "send"):  # one-way messages are allowed, and nobody listens to them
                return
            case c.Connect():
                yield Shut(codes.BAD_REQUEST)
            case _ if command.id == 0:
                yield Shut(codes.BAD_REQUEST)
            case c.Refresh(id_, token):
                yield self._refresh(id_, token, viewer, wall)
            case _:
                yield self._serve(command, viewer)

    def spend(self, now: float, cost: float = 1.0) -> bool:
        """Take from the connection's allowance, a command costs 1; False when there is not enough left."""
        rate = self._rules.commands_per_second
        self._tokens = min(rate * BURST_SECONDS, self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < cost:
            self._refused += 1
            return False
        self._tokens -= cost
        self._refused = 0
        return True

    @property
    def flooding(self) -> bool:
        """Whether the client goes on and on beyond its allowance."""
        return self._refused > REFUSED_IN_A_ROW_MAX

    def connected(self, wall: float) -> c.Connected:
        """Return the answer to the connect command."""
        viewer = self._known()
        ttl = _ttl(viewer, wall)
        return c.Connected(self.client, self._rules.ping_seconds, ttl, int(wall * 1000), viewer.user_id)

    def expires_in(self, wall: float) -> float | None:
        """Return the seconds until the token no longer counts; None: never."""
        if self.viewer is None or self.viewer.expires_at is None:
            return None
        return self.viewer.expires_at + self._rules.leeway_seconds - wall

    def _before(self, command: c.Command) -> Iterator[Action]:
        match command:
            case c.Connect(id_, token) if id_ > 0:
                yield from self._connect(id_, token)
            case _:
                yield Shut(codes.BAD_REQUEST)

    def _connect(self, id_: int, token: str) -> Iterator[Action]:
        if not token:
            if self._rules.guest is None:
                yield Shut(codes.TOKEN_NEEDED)
                return
            self.viewer = self._rules.guest()
            yield Enter(id_)
            return
        try:
            self.viewer = self._rules.verify(token)
        except TokenError as error:
            if error.expired:
                yield Answer(id_, c.Failed.of(Error.TOKEN_EXPIRED))
            else:
                yield Shut(codes.INVALID_TOKEN)
        else:
            yield Enter(id_)

    def _refresh(self, id_: int, token: str, viewer: Viewer, wall: float) -> Action:
        try:
            fresh = self._rules.verify(token)
        except TokenError as error:
            return (
                Answer(id_, c.Failed.of(Error.TOKEN_EXPIRED)) if error.expired else Shut(codes.INVALID_TOKEN)
            )
        # A token of somebody else, or for less, is no refresh of this one: lanes and rights hang on them.
        if (fresh.user_id, fresh.stream_id) != (viewer.user_id, viewer.stream_id):
            return Shut(codes.INVALID_TOKEN)
        self.viewer = fresh
        return Answer(id_, c.Refreshed(self.client, _ttl(fresh, wall)))

    def _serve(self, command: c.Command, viewer: Viewer) -> Action:  # noqa: PLR0911 - one answer a case
        match command:
            case c.Subscribe():
                return self._subscribe(command, viewer)
            case c.Unsubscribe(id_, channel) if channel in self.channels:
                self.channels.discard(channel)
                return Quit(id_, channel)
            case c.Unsubscribe(id_):
                return Answer(id_, c.Unsubscribed())
            case c.Publish(id_, channel) | c.History(id_, channel) | c.PresenceStats(id_, channel):
                stream_id = _readable(channel, viewer)
                if isinstance(stream_id, c.Failed):
                    return Answer(id_, stream_id)
                return _on_stream(command, stream_id)
            case c.Presence(id_):
                return Answer(id_, c.Failed.of(Error.NOT_AVAILABLE))
            case c.Call(id_, method, data) if method == REPLAY_METHOD:
                return Steer(id_, data)
            case c.Call(id_, method, data) if method == HISTOGRAM_METHOD:
                return Survey(id_, data)
            case c.Ping(id_):
                return Answer(id_, c.Ponged())
            case _:
                return Answer(command.id, c.Failed.of(Error.METHOD_NOT_FOUND))

    def _subscribe(self, command: c.Subscribe, viewer: Viewer) -> Action:
        channel = command.channel
        stream_id: str | None = None
        if channel != USER_PREFIX + viewer.user_id or viewer.role == "guest":
            found = _readable(channel, viewer, STREAM_PREFIX, REPLAY_PREFIX)
            if isinstance(found, c.Failed):
                return Answer(command.id, found)
            stream_id = found
        if channel in self.channels:
            return Answer(command.id, c.Failed.of(Error.ALREADY_SUBSCRIBED))
        if len(self.channels) >= self._rules.subscriptions_max:
            return Answer(command.id, c.Failed.of(Error.LIMIT_EXCEEDED))
        self.channels.add(channel)
        if stream_id is not None and channel.startswith(REPLAY_PREFIX):
            return Watch(command.id, channel, stream_id, command.since, command.data)
        return Join(command.id, channel, stream_id, command.since, command.strict)

    def _too_fast(self, command: c.Command) -> Iterator[Action]:
        if self.flooding or self.viewer is None:
            yield Shut(codes.TOO_MANY_REQUESTS)
        elif not isinstance(command, c.Pong) and command.id:
            yield Answer(command.id, c.Failed.of(Error.TOO_MANY_REQUESTS))

    def _known(self) -> Viewer:
        if self.viewer is None:
            raise RuntimeError("asked before the connect command was accepted")
        return self.viewer


def _ttl(viewer: Viewer, wall: float) -> int | None:
    # At least one: an SDK reads a ttl of 0 as «now, and again». At most what Protobuf's field holds.
    return None if viewer.expires_at is None else min(max(1, int(viewer.expires_at - wall)), TTL_SECONDS_MAX)


def _readable(channel: str, viewer: Viewer, *prefixes: str) -> str | c.Failed:
    """Return the stream of a channel that the viewer may read, or the error."""
    if channel.startswith(USER_PREFIX):
        return c.Failed.of(Error.PERMISSION_DENIED)
    kind, _, stream_id = channel.partition(":")
    if kind + ":" not in (prefixes or (STREAM_PREFIX,)) or not is_stream_id(stream_id):
        return c.Failed.of(Error.UNKNOWN_CHANNEL)
    return stream_id if viewer.may_read(stream_id) else c.Failed.of(Error.PERMISSION_DENIED)


def _on_stream(command: c.Publish | c.History | c.PresenceStats, stream_id: str) -> Action:
    match command:
        case c.Publish(id_, _, data):
            return _post(id_, stream_id, data)
        case c.History(id_, _, limit, since, reverse):
            return Look(id_, stream_id, limit, since, reverse)
        case c.PresenceStats(id_):
            return Count(id_, stream_id)


def _post(id_: int, stream_id: str, data: object) -> Action:
    """Take a publish apart: ``{"text", "id"?, "sticker"?}``, or ``{"reaction": emoji}``."""
    if isinstance(data, dict) and data.keys() == {"reaction"} and isinstance(data["reaction"], str):
        return Tap(id_, stream_id, data["reaction"])
    if isinstance(data, dict) and data.keys() <= {"id", "text", "sticker"}:
        comment_id, text, sticker = data.get("id"), data.get("text", ""), data.get("sticker")
        if isinstance(text, str) and isinstance(comment_id, str | None) and isinstance(sticker, str | None):
            return Post(id_, stream_id, comment_id, text, sticker)
    refusal = Refusal(Code.INVALID, 'a comment is {"id": uuid, "text": string}')
    return Answer(id_, c.Failed.refused(refusal))
